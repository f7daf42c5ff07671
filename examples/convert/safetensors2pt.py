#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A safetensors file as a PyTorch checkpoint, as the official code saves it:
{"model_state_dict": ..., "replay_buffer": ...}.

Reads what pt2safetensors.py and libjem write. Tensors keep names, types and values. Of a
training of libjem the model and the replay buffer are taken; the rest is left out and named. A
model's settings, class names and the like go along as "libjem_metadata"."""

import argparse
import collections
import json

from container import METADATA, Failed, read_safetensors, replace_file, run, torch_module

EPILOG = "exit status: 0 done, 1 failed, 2 bad usage"

# What a training of libjem adds to its model (libjem/train/state.c).
TRAINING = ("train.", "start.", "adam_m.", "adam_v.", "velocity.", "ema.")


def names_beside(path, tensors, metadata):
    """The tensors that do not belong into the state dict."""
    try:
        noted = json.loads(metadata.get("pt_beside", '["replay_buffer"]'))
    except (ValueError, TypeError, RecursionError):
        noted = None
    if not isinstance(noted, list) or not all(isinstance(n, str) for n in noted):
        raise Failed(f'{path}: metadata "pt_beside" is not a list of names')
    return [name for name in noted if name in tensors]


def kept_metadata(metadata):
    """What makes a model of libjem again of the file, and what the model remembers. What a training
    notes of itself stays behind with its tensors."""
    if metadata.get("format") != "libjem":
        return {k: v for k, v in metadata.items() if k.startswith("meta.")}
    notes = ("format", "format_version", "libjem_version")
    return {k: v for k, v in metadata.items() if "." in k or k in notes}


def add_heads(path, state):
    """The heads that the official code makes, saves, and never uses."""
    torch = torch_module()
    output = state.get("class_output.weight")
    if output is None or output.dim() != 2:
        raise Failed(f'{path}: --heads: no "class_output.weight" of two dimensions')
    for name, rows in (("energy_output", 1), ("f.linear", 10)):
        state.setdefault(name + ".weight", torch.zeros(rows, output.shape[1]))
        state.setdefault(name + ".bias", torch.zeros(rows))


def convert(source, target, kind, bare, heads):
    torch = torch_module()
    tensors, metadata = read_safetensors(source)
    beside = {name: tensors.pop(name) for name in names_beside(source, tensors, metadata)}
    if metadata.get("format") == "libjem":
        for name in [n for n in tensors if n.startswith(TRAINING)]:
            print(f"left out: {name}")
            del tensors[name]
    state = collections.OrderedDict(tensors)
    if heads:
        add_heads(source, state)
    for name in beside if bare else ():
        print(f"left out: {name}")
    kept = kept_metadata(metadata)
    if bare and kept:
        print(f"left out: {METADATA}")
    content = state if bare else {"model_state_dict": state, **beside}
    if not bare and kept:
        content[METADATA] = kept
    zipped = kind == "zip"
    replace_file(
        target, lambda file: torch.save(content, file, _use_new_zipfile_serialization=zipped)
    )
    print(f"{target}: {len(state)} tensors in the state dict")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", metavar="IN.safetensors")
    parser.add_argument("target", metavar="OUT.pt")
    parser.add_argument(
        "--format",
        choices=("zip", "legacy"),
        default="zip",
        help="of the file: zip (the default), or legacy, which PyTorch before 1.6 reads too",
    )
    parser.add_argument(
        "--bare", action="store_true", help="the state dict alone, not a dictionary around it"
    )
    parser.add_argument(
        "--heads",
        action="store_true",
        help="add energy_output and f.linear as zeros where they are missing: the official code "
        "does not use them, but will not load a checkpoint without",
    )
    arg = parser.parse_args()
    convert(arg.source, arg.target, arg.format, arg.bare, arg.heads)


if __name__ == "__main__":
    run(main)
