#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A researcher's way in: WRN-28-10 saved by torch.save, converted, scored by jem-score.

Both formats of torch.save, a replay buffer and the official code's unused heads in the file; then
logits, log p(x) and its gradient of an .npy batch against PyTorch in double precision. The biases are
moved in their last digits so that no LeakyReLU has an input within rounding of zero (oracle.py).

    converted.py --build build
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
from torch import nn

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here))
import oracle  # noqa: E402

CONVERT = here.parent.parent / "examples" / "convert" / "pt2safetensors.py"
IMAGES, TOLERANCE = 2, 1e-5


def make(folder):
    """zip.pt, legacy.pt and x.npy; what is true of them."""
    torch.manual_seed(28)
    net = oracle.fresh_net(28, 10, 3, 10)
    x = torch.rand(IMAGES, 3, 32, 32) * 2 - 1
    oracle.clear_kinks(net, x.double())
    numpy.save(folder / "x.npy", x.numpy())
    x = x.double().requires_grad_()
    logits = net(x)
    log_px = logits.logsumexp(1)
    grad, = torch.autograd.grad(log_px.sum(), x)
    net = net.float()  # all its numbers are floats already
    net.energy_output, net.f.linear = nn.Linear(640, 1), nn.Linear(640, 10)
    content = {"model_state_dict": net.state_dict(), "replay_buffer": torch.randn(64, 3, 32, 32)}
    torch.save(content, folder / "zip.pt")
    torch.save(content, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    return {"logits": logits, "log_px": log_px, "grad_log_px": grad}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    score = pathlib.Path(parser.parse_args().build).resolve() / "bin" / "jem-score"
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        wanted = make(folder)
        print("WRN-28-10, torch.save -> pt2safetensors.py -> jem-score, against PyTorch in double")
        for form in "zip", "legacy":
            model = folder / f"{form}.safetensors"
            for command in ([sys.executable, "-B", CONVERT, folder / f"{form}.pt", model],
                            [score, "--model", model, "--input", folder / "x.npy", "--out",
                             folder / form, "--grad"]):
                subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL)
            for what, value in wanted.items():
                value = value.detach().numpy()
                got = numpy.load(folder / form / f"{what}.npy")
                assert got.shape == value.shape, (what, got.shape, value.shape)
                error = numpy.linalg.norm(got - value) / numpy.linalg.norm(value)
                failed += not error <= TOLERANCE
                print(f"  {form:8}{what:14}relative error {error:.1e}, allowed {TOLERANCE:g}"
                      f"{'' if error <= TOLERANCE else '   FAILED'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
