#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Inception-v3 weights of FID as a safetensors file, for jem-hybrid --inception.

Reads pt_inception-2015-12-05-6726825d.pth, the port of TensorFlow's graph that pytorch-fid
publishes among its releases on GitHub (mseitzer/pytorch-fid; the weights are Google's, under the
Apache licence 2.0). The end of its name is the beginning of its SHA-256, which is checked and
noted in the file."""

import argparse
import hashlib

from container import Failed, run, torch_module, write_safetensors
from pt2safetensors import load, split

PUBLISHED = "6726825d"
SHAPES = {  # enough to tell it from torchvision's own, which has 1000 classes
    "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
    "Mixed_7c.branch_pool.conv.weight": (192, 2048, 1, 1),
    "fc.weight": (1008, 2048),
}

EPILOG = """exit status: 0 done, 1 failed, 2 bad usage"""


def sha256(path):
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except OSError as e:
        raise Failed(f"cannot read {path}: {e.strerror}")
    return digest.hexdigest()


def convert(source, target, any_weights):
    found = sha256(source)
    if not found.startswith(PUBLISHED) and not any_weights:
        raise Failed(
            f"{source}: its SHA-256 is {found}, that of the published file begins with "
            f"{PUBLISHED}; --any converts it all the same"
        )
    tensors, _ = split(source, load(source))
    for name, shape in SHAPES.items():
        got = tuple(tensors[name].shape) if name in tensors else "missing"
        if got != shape:
            raise Failed(f"{source}: {name} is {got}, in FID's Inception-v3 it is {shape}")
    torch = torch_module()
    tensors = {
        name: t.to(torch.float32)
        for name, t in tensors.items()
        if not name.endswith("num_batches_tracked") and not name.startswith("AuxLogits.")
    }
    write_safetensors(target, tensors, {"format": "pt", "source_sha256": found})
    print(f"{target}: {len(tensors)} tensors")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", metavar="IN.pth")
    parser.add_argument("target", metavar="OUT.safetensors")
    parser.add_argument("--any", action="store_true", help="other weights of the same network")
    arg = parser.parse_args()
    convert(arg.source, arg.target, arg.any)


if __name__ == "__main__":
    run(main)
