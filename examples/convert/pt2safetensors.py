#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A PyTorch checkpoint as a safetensors file, for jem_model_load() and libjem's programs.

Reads what torch.save() wrote, zip and legacy format: the official code's
{"model_state_dict": ..., "replay_buffer": ...} or a bare state dict. Tensors keep names, types
and values; what torch.nn.DataParallel, torch.compile and averages of weights put before the
names ("module.", "_orig_mod." ...) is removed. What is neither a tensor nor the state dict,
such as an optimizer's state, is left out and named. The network must be one that libjem knows.
What safetensors2pt.py kept of a model's metadata comes back."""

import argparse
import inspect
import json
import os

import numpy_numbers
import official
from container import METADATA, Failed, run, torch_module, write_safetensors

EPILOG = """The file is unpickled by torch.load(weights_only=True), which refuses anything but
tensors and plain values. It is no perfect boundary: CVE-2025-32434 (before PyTorch 2.6) and
CVE-2026-24747 (before 2.10) got through it. Convert files that you trust, or in a sandbox.

exit status: 0 done, 1 failed, 2 bad usage"""

STATE_DICTS = ("model_state_dict", "state_dict")
WRAPPERS = ("module.", "_orig_mod.", "ema_model.", "ema.", "averaged_model.")
BOOKKEEPING = ("n_averaged", "num_updates", "initted", "step")  # of averages, beside their weights
NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray", "numpy.dtype")


def load(path):
    torch = torch_module()
    if "weights_only" not in inspect.signature(torch.load).parameters:
        raise Failed(f"PyTorch {torch.__version__} cannot load without running code; 1.13 can")
    if not os.path.isfile(path):
        raise Failed(f"cannot read {path}: not a file")
    numpy_numbers.allow(torch)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as e:  # pickle, zip, operating system: torch.load raises all of them
        if any(name in str(e) for name in NUMPY):
            raise Failed(
                f"{path}: holds NumPy's arrays or numbers beside the weights, and "
                "torch.load(weights_only=True) takes tensors and plain numbers only (since PyTorch "
                "2.4 also NumPy's numbers). If you trust it, load it with weights_only=False and save "
                'the weights alone: torch.save({"state_dict": content["state_dict"]}, FILE); where '
                "it is made, save value.item() instead of value"
            )
        raise Failed(f"{path}: torch.load: {str(e).splitlines()[0] if str(e) else type(e).__name__}")


def only_tensors(values, place):
    """Tensors by name; the rest is named and left out."""
    torch = torch_module()
    tensors = {}
    for name, value in values.items():
        if isinstance(name, str) and isinstance(value, torch.Tensor):
            tensors[name] = value
        else:
            print(f"left out: {place}{name} ({type(value).__name__})")
    return tensors


def without_wrappers(name, all_wrapped):
    """torch.compile wraps submodules too, so that its word can stand anywhere."""
    if all_wrapped:
        name = name[name.index(".") + 1 :]
    return ".".join(word for word in name.split(".") if word != "_orig_mod")


def without_prefix(tensors):
    wrapped = {n: t for n, t in tensors.items() if n not in BOOKKEEPING}
    while True:
        all_wrapped = bool(wrapped) and all(n.startswith(WRAPPERS) for n in wrapped)
        renamed = [without_wrappers(n, all_wrapped) for n in wrapped]
        if renamed == list(wrapped):
            break
        if len(set(renamed)) != len(renamed):
            twice = next(n for n in renamed if renamed.count(n) > 1)
            raise Failed(f'"{twice}" is there twice, in different wrappers: {", ".join(WRAPPERS)}')
        wrapped = dict(zip(renamed, wrapped.values()))
    for name in tensors:
        if name in BOOKKEEPING:
            print(f"left out: {name}")
    return wrapped


def split(path, content):
    """(the state dict's tensors, the tensors beside it)"""
    if not isinstance(content, dict):
        raise Failed(f"{path}: holds a {type(content).__name__}, not a dictionary of tensors")
    content = dict(content)
    for key in STATE_DICTS:
        if isinstance(content.get(key), dict):
            inner = only_tensors(content.pop(key), key + ": ")
            return without_prefix(inner), only_tensors(content, "")
    # Bare: all is the state dict, but for a replay buffer that somebody put beside it.
    tensors = only_tensors(content, "")
    beside = {k: tensors.pop(k) for k in ("replay_buffer",) if k in tensors}
    return without_prefix(tensors), beside


def metadata_of(path, content):
    """What safetensors2pt.py kept; {} for other files."""
    kept = content.get(METADATA, {}) if isinstance(content, dict) else {}
    if not isinstance(kept, dict) or not all(isinstance(t, str) for t in [*kept, *kept.values()]):
        raise Failed(f'{path}: "{METADATA}" is not a dictionary of texts')
    return kept


def convert(source, target, height, width, any_network=False):
    content = load(source)
    kept = metadata_of(source, content)
    if kept:
        content = {key: value for key, value in content.items() if key != METADATA}
    inner, beside = split(source, content)
    both = sorted(set(inner) & set(beside))
    if both:
        raise Failed(f'{source}: "{both[0]}" is in the state dict and beside it')
    if not inner and not beside:
        raise Failed(f"{source}: holds no tensors")
    metadata = {"format": "pt", **kept, "pt_beside": json.dumps(sorted(beside))}
    for name, value in (("model.height", height), ("model.width", width)):
        if value is not None:
            metadata[name] = str(value)
    if metadata["format"] != "libjem" and not any_network:
        official.check(source, inner, [int(metadata.get(f"model.{n}", 32)) for n in ("height", "width")])
    write_safetensors(target, {**inner, **beside}, metadata)
    print(f"{target}: {len(inner)} tensors of a state dict, {len(beside)} beside it")


def image_size(text):
    size = int(text)
    if not 1 <= size <= 4096:
        raise ValueError
    return size


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", metavar="IN.pt")
    parser.add_argument("target", metavar="OUT.safetensors")
    note = "{} of the images in pixels, 1 to 4096, for models that were not made for 32 x 32"
    parser.add_argument("--height", type=image_size, metavar="N", help=note.format("height"))
    parser.add_argument("--width", type=image_size, metavar="N", help=note.format("width"))
    parser.add_argument("--any", action="store_true", help="any tensors, even if libjem reads none of them")
    arg = parser.parse_args()
    convert(arg.source, arg.target, arg.height, arg.width, arg.any)


if __name__ == "__main__":
    run(main)
