#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""libjem's files against Python's safetensors package.

    pip install safetensors numpy; torch
    python.py record [FOLDER]      # write python.safetensors, which check_io_numbers.c reads
    python.py check FILE...        # files that libjem wrote: do they open, with the right bytes?
"""

import json
import pathlib
import struct
import sys

import numpy
import safetensors
import torch

REAL = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
WHOLE = {"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8}
WHOLE.update({"U8": torch.uint8, "BOOL": torch.bool})
UNSIGNED = {"U64": numpy.uint64, "U32": numpy.uint32, "U16": numpy.uint16}  # not in every torch
VALUES = [0.0, -0.0, 1.0, -1.5, 0.1, 3e-5, 6e-8, -65504.0, 1e38, 1e39, float("inf"), 1 / 3]


def record(folder):
    """All types that libjem reads, with the conversions of PyTorch and NumPy beside them."""
    out = {}
    for name, dtype in REAL.items():
        t = torch.tensor(VALUES, dtype=torch.float64).to(dtype)
        out["t." + name], out["f." + name] = t, t.to(torch.float32)
    for name, dtype in WHOLE.items():
        if name == "BOOL":
            t = torch.tensor([True, False, True])
        else:
            low, high = torch.iinfo(dtype).min, torch.iinfo(dtype).max
            t = torch.tensor([low, high, low // 3, high // 3, 0, 7], dtype=dtype)
        out["t." + name], out["f." + name], out["i." + name] = t, t.float(), t.long()
    plain = {k: v.numpy() for k, v in out.items() if k != "t.BF16"}
    for name, dtype in UNSIGNED.items():
        high = numpy.iinfo(dtype).max
        t = numpy.array([high, high // 3, 0, 7], dtype)
        plain["t." + name], plain["f." + name] = t, t.astype(numpy.float32)
        if name != "U64":
            plain["i." + name] = t.astype(numpy.int64)
    plain["scalar"], plain["none"] = numpy.array(2.5), numpy.zeros((0, 7), numpy.float32)
    plain["t.BF16"] = out["t.BF16"].view(torch.int16).numpy()  # NumPy has no such type
    data = {
        name: safetensors.TensorSpec(
            dtype="bfloat16" if name == "t.BF16" else v.dtype.name,
            shape=v.shape,
            data_ptr=v.ctypes.data,
            data_len=v.nbytes,
        )
        for name, v in plain.items()
    }
    path = folder / "python.safetensors"
    path.write_bytes(safetensors.serialize(data, metadata={"format": "pt"}))
    print(f"{path.name}: {path.stat().st_size} bytes, safetensors {safetensors.__version__}")


def check(path):
    """Opened by the package, and compared with the bytes that the header points to."""
    raw = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    with safetensors.safe_open(path, framework="np") as f:
        names, metadata = set(f.keys()), f.metadata()
        assert names == set(header), names ^ set(header)
        for name, info in header.items():
            begin, end = info["data_offsets"]
            value = f.get_tensor(name)
            assert list(value.shape) == info["shape"], name
            assert value.tobytes() == raw[8 + length + begin : 8 + length + end], name
    print(f"{path}: {len(header)} tensors, {len(metadata or {})} metadata")


if __name__ == "__main__":
    if len(sys.argv) >= 2 and sys.argv[1] == "record" and len(sys.argv) <= 3:
        here = pathlib.Path(__file__).parent
        record(pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else here)
    elif len(sys.argv) > 2 and sys.argv[1] == "check":
        for file in sys.argv[2:]:
            check(file)
    else:
        sys.exit(__doc__)
