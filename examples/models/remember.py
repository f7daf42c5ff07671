#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Copy what one model remembers of its images into the files of others, whose weights stay as they
are, bit for bit: remember.py FROM.safetensors TO.safetensors..."""

import json
import struct
import sys

KEYS = ("meta.class.", "meta.data.", "meta.image.", "meta.train.validation", "meta.train.split_seed")


def read(path):
    """The header's object, and the bytes behind it."""
    with open(path, "rb") as file:
        data = file.read()
    end = 8 + struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:end]), data[end:]


def main():
    if len(sys.argv) < 3 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    source = read(sys.argv[1])[0]["__metadata__"]
    kept = {key: text for key, text in source.items() if key.startswith(KEYS)}
    for path in sys.argv[2:]:
        header, weights = read(path)
        header["__metadata__"].update(kept)
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % 8)
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + weights)


main()
