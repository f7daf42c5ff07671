# SPDX-License-Identifier: MIT
"""safetensors files for PyTorch, without the safetensors package: 8 bytes header length, a JSON
header, then the tensors' bytes. What the two converters share."""

import json
import math
import os
import struct
import sys
import tempfile

METADATA = "libjem_metadata"  # in a checkpoint: what the safetensors file said beside the tensors
MAX_HEADER = 100_000_000  # the format's own limit


class Failed(Exception):
    """Something to tell the user, in one line."""


def torch_module():
    try:
        import torch
    except ImportError as e:
        raise Failed(f"PyTorch is not installed ({e}); on Debian: apt-get install python3-torch")
    return torch


def dtypes(torch):
    """Names of the format and what this PyTorch has for them, widest first."""
    names = [("I64", "int64"), ("F64", "float64"), ("C64", "complex64"), ("U64", "uint64")]
    names += [("F32", "float32"), ("I32", "int32"), ("U32", "uint32")]
    names += [("BF16", "bfloat16"), ("F16", "float16"), ("I16", "int16"), ("U16", "uint16")]
    names += [("F8_E4M3", "float8_e4m3fn"), ("F8_E5M2", "float8_e5m2")]
    names += [("I8", "int8"), ("U8", "uint8"), ("BOOL", "bool")]
    return {name: getattr(torch, attribute) for name, attribute in names if hasattr(torch, attribute)}


def sort_key(item):
    """Widest type first, then by name, as the format's own writer does: all is aligned."""
    return -item[1].element_size(), item[0]


def tensor_bytes(torch, t):
    """The numbers in row-major order. NumPy lacks some types, but has one of each size."""
    same_size = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    t = t.detach().cpu().contiguous()
    if not t.is_complex():
        t = t.view(same_size[t.element_size()])
    return t.numpy().tobytes()


def replace_file(path, write):
    """write(file) to a temporary file beside `path`, which then takes its name."""
    folder = os.path.dirname(os.path.abspath(path))
    temporary = None
    try:
        with tempfile.NamedTemporaryFile("wb", dir=folder, prefix=".convert-", delete=False) as file:
            temporary = file.name
            write(file)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as e:
        raise Failed(f"cannot write {path}: {e.strerror or e}")
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def write_safetensors(path, tensors, metadata):
    torch = torch_module()
    names = {dtype: name for name, dtype in dtypes(torch).items()}
    header, end = {"__metadata__": metadata}, 0
    tensors = dict(sorted(tensors.items(), key=sort_key))
    for name, t in tensors.items():
        if name == "__metadata__":
            raise Failed('a tensor called "__metadata__" cannot be stored')
        if t.layout != torch.strided or t.is_quantized or t.dtype not in names:
            raise Failed(f'"{name}" is {t.dtype}, {t.layout}: safetensors has no such type')
        size = t.numel() * t.element_size()
        header[name] = {
            "dtype": names[t.dtype],
            "shape": list(t.shape),
            "data_offsets": [end, end + size],
        }
        end += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)

    def write(file):
        file.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            file.write(tensor_bytes(torch, t))

    replace_file(path, write)


def no_duplicates(pairs):
    if len(dict(pairs)) != len(pairs):
        raise Failed("a name is there twice")
    return dict(pairs)


def read_header(path, data):
    """The header's object and where the tensors' bytes begin."""
    if len(data) < 8:
        raise Failed(f"{path}: {len(data)} bytes, a safetensors file has at least 8")
    (length,) = struct.unpack("<Q", data[:8])
    if length > min(len(data) - 8, MAX_HEADER):
        raise Failed(f"{path}: not a safetensors file: header of {length} bytes in {len(data)}")
    try:
        header = json.loads(data[8 : 8 + length].decode("utf-8"), object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError, Failed) as e:
        raise Failed(f"{path}: header: {e}")
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict):
        raise Failed(f"{path}: header is not a JSON object")
    return header, 8 + length


def is_size(n):
    return isinstance(n, int) and not isinstance(n, bool) and n >= 0


def read_tensor(torch, known, name, info, data):
    """`data`: all tensors' bytes."""
    try:
        dtype, shape, (begin, end) = info["dtype"], info["shape"], info["data_offsets"]
    except (KeyError, TypeError, ValueError):
        raise Failed(f'tensor "{name}" must have dtype, shape and data_offsets')
    if dtype not in known:
        raise Failed(f'tensor "{name}": this PyTorch has nothing for dtype {dtype}')
    if not isinstance(shape, list) or not all(map(is_size, [*shape, begin, end])):
        raise Failed(f'tensor "{name}": sizes and offsets must be whole numbers from 0')
    count = math.prod(shape)
    size = count * torch.empty(0, dtype=known[dtype]).element_size()
    if end > len(data) or end - begin != size:
        raise Failed(
            f'tensor "{name}": {dtype} {shape} is {size} bytes, its place is {begin} to {end} '
            f"of {len(data)}"
        )
    if count == 0:
        return torch.empty(shape, dtype=known[dtype])
    return torch.frombuffer(bytearray(data[begin:end]), dtype=known[dtype]).reshape(shape)


def read_safetensors(path):
    """(tensors in the order of the file, metadata)"""
    torch = torch_module()
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as e:
        raise Failed(f"cannot read {path}: {e.strerror}")
    header, begin = read_header(path, data)
    metadata = header.pop("__metadata__", {})
    known, data = dtypes(torch), memoryview(data)[begin:]
    try:
        tensors = {n: read_tensor(torch, known, n, info, data) for n, info in header.items()}
    except Failed as e:
        raise Failed(f"{path}: {e}")
    if sum(t.numel() * t.element_size() for t in tensors.values()) != len(data):
        raise Failed(f"{path}: tensors do not account for all of its {len(data)} bytes of data")
    return tensors, metadata


def run(main):
    """main() as a program: 0 done, 1 failed with a line on stderr, 2 bad usage (argparse)."""
    program = os.path.basename(sys.argv[0])
    try:
        main()
        sys.stdout.flush()
    except Failed as e:
        print(f"{program}: {e}", file=sys.stderr)
        sys.exit(1)
    except OSError as e:
        print(f"{program}: cannot write: {e.strerror}", file=sys.stderr)
        sys.exit(1)
