#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A small Wide ResNet with the official code's names, in PyTorch's formats, there and back.

    check_convert.py make FOLDER       # official.pt, legacy.pt, images and logits
    check_convert.py same A.pt B.pt    # the same keys, types, shapes and bits?
    check_convert.py more FOLDER       # other contents, there and back in one process
    check_convert.py wrap FOLDER       # official.pt as wrappers leave it, and what is refused
    check_convert.py close FOLDER      # logits of jem-score against PyTorch's
"""

import collections
import pathlib
import sys

import numpy
import torch
from torch import nn

here = pathlib.Path(__file__).parent
sys.path += [str(here.parent / "golden"), str(here.parent.parent / "examples" / "convert")]


def make(folder):
    from record import WideResNet

    torch.manual_seed(1)
    torch.set_num_threads(1)
    net = WideResNet(10, 1, 3, 10)
    net.energy_output, net.f.linear = nn.Linear(64, 1), nn.Linear(64, 10)
    for p in net.parameters():
        p.data *= 2  # livelier logits
    x = torch.rand(4, 3, 32, 32) * 2 - 1
    content = {"model_state_dict": net.state_dict(), "replay_buffer": torch.randn(6, 3, 32, 32)}
    torch.save(content, folder / "official.pt")
    torch.save(content, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    numpy.save(folder / "x.npy", x.numpy())
    numpy.save(folder / "wanted.npy", net.double()(x.double()).detach().numpy())
    print("made", len(content["model_state_dict"]), "tensors")


def bits(t):
    return t.dtype, tuple(t.shape), numpy.asarray(t.contiguous().view(-1).view(torch.uint8)).tobytes()


def same(a, b):
    assert isinstance(b, dict) and set(a) == set(b), sorted(set(a) ^ set(b))
    for key, value in a.items():
        if isinstance(value, dict):
            same(value, b[key])
        else:
            assert bits(value) == bits(b[key]), key


def more(folder):
    """Bare dictionaries, "module.", all types, strides, and what is left out."""
    import container
    import pt2safetensors
    import safetensors2pt

    def there(name, content):
        torch.save(content, folder / f"{name}.pt")
        pt2safetensors.convert(f"{folder}/{name}.pt", f"{folder}/{name}.safetensors", 28, None, True)
        return container.read_safetensors(f"{folder}/{name}.safetensors")

    def back(name, kind, bare, heads=False):
        safetensors2pt.convert(
            f"{folder}/{name}.safetensors", f"{folder}/{name}.back.pt", kind, bare, heads
        )
        return torch.load(f"{folder}/{name}.back.pt")

    types = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.bool, torch.int8]
    types += [torch.uint8, torch.int16, torch.int32, torch.int64, torch.complex64]
    values = torch.tensor([[0.0, 1.0, 3.5], [-0.0, 100.0, 2.25]])
    bare = collections.OrderedDict((f"t{i}.ä", values.to(t)) for i, t in enumerate(types))
    bare["scalar"], bare["none"] = torch.tensor(2.5), torch.zeros(0, 7)
    bare["nan"] = torch.tensor([float("nan"), float("inf")])
    bare["turned"], bare["spread"] = values.t(), torch.ones(1, 3).expand(2, 3)
    tensors, metadata = there("bare", bare)
    assert metadata["model.height"] == "28" and "model.width" not in metadata, metadata
    same(bare, tensors)
    for kind in "zip", "legacy":
        same(bare, back("bare", kind, True))
    state = {"module.a": values, "module.b.module.c": values}
    tensors, _ = there("module", {"model_state_dict": state, "epoch": 3, "extra": values})
    assert set(tensors) == {"a", "b.module.c", "extra"}, tensors.keys()
    assert set(back("module", "zip", False)) == {"model_state_dict", "extra"}
    assert set(back("module", "zip", True)) == {"a", "b.module.c"}
    there("heads", {"class_output.weight": torch.ones(5, 64), "energy_output.bias": torch.ones(1)})
    heads = back("heads", "zip", True, True)
    assert heads["f.linear.weight"].shape == (10, 64) and heads["energy_output.bias"] == 1


def wrap(folder):
    """official.pt under the names that DataParallel, torch.compile and averages give."""
    content = torch.load(folder / "official.pt")
    state = content["model_state_dict"]

    def save(name, tensors, **beside):
        torch.save({"model_state_dict": tensors, "replay_buffer": content["replay_buffer"], **beside},
                   folder / f"{name}.pt")

    def named(change):
        return collections.OrderedDict((change(n), t) for n, t in state.items())

    prefixes = ("module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "module.module.")
    prefixes += ("_orig_mod.module._orig_mod.", "ema_model.module.")
    for i, prefix in enumerate(prefixes):
        save(f"wrap{i}", named(lambda n, prefix=prefix: prefix + n))
    save("wrap7", named(lambda n: n.replace("f.", "f._orig_mod.", 1) if n.startswith("f.") else n))
    averaged = torch.optim.swa_utils.AveragedModel(nn.Linear(1, 1)).state_dict()["n_averaged"]
    save("wrap8", collections.OrderedDict(named(lambda n: "module." + n), n_averaged=averaged))
    save("scalar", state, accuracy=numpy.float64(0.5))
    save("array", state, losses=numpy.ones(3))
    save("twice", collections.OrderedDict(named(lambda n: n), **{"f.conv1._orig_mod.bias": torch.zeros(16)}))
    save("missing", collections.OrderedDict((n, t) for n, t in state.items() if n != "f.conv1.bias"))
    save("norm", collections.OrderedDict(state, **{"f.layer1.0.bn1.weight": torch.ones(16)}))
    save("other", {"conv1.weight": torch.ones(64, 3, 7, 7), "fc.bias": torch.ones(10)})
    save("shape", collections.OrderedDict(state, **{"class_output.bias": torch.zeros(11)}))
    save("nan", collections.OrderedDict(state, **{"class_output.bias": torch.full((10,), float("nan"))}))


def close(folder):
    wanted, got = numpy.load(folder / "wanted.npy"), numpy.load(folder / "scores" / "logits.npy")
    error = numpy.linalg.norm(got - wanted) / numpy.linalg.norm(wanted)
    assert got.shape == wanted.shape and error < 1e-5, error
    print(f"relative error {error:.1e}")


if __name__ == "__main__":
    if sys.argv[1] == "same":
        same(torch.load(sys.argv[2]), torch.load(sys.argv[3]))
    else:
        {"make": make, "more": more, "wrap": wrap, "close": close}[sys.argv[1]](pathlib.Path(sys.argv[2]))
