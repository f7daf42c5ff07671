# SPDX-License-Identifier: MIT
"""What check_npy.py and check_npz.py share: arrays, files of them, and tests/cli/npy_tool.c.

Each is called with TOOL FOLDER, and prints a line per claim: "ok NAME" or "FAIL NAME: reason"."""

import io
import os
import struct
import subprocess
import sys
import resource
import warnings
import zipfile
import zlib

import numpy as np
from numpy.lib import format as npy

tool, folder = sys.argv[1:]
os.chdir(folder)
TYPES = "f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1".split()
SHAPES = [(), (0,), (5,), (2, 3), (3, 0, 2), (2, 3, 4), (1,) * 31 + (2,)]
SANITIZED = b"__asan_init" in open(tool, "rb").read()
# A header and its values: 1 and 2.
GOOD = "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }"
DATA = b"\1\0\2\0"
rng = np.random.default_rng(1)


def claim(name, problems):
    print(f"FAIL {name}: {'; '.join(problems[:3])}" if problems else f"ok {name}")


def limit_memory():
    """So that a size that is believed before it is checked shows."""
    if not SANITIZED:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))


def run(*args):
    done = subprocess.run(
        [tool, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=limit_memory,
        encoding="latin1",
        check=False,
    )
    if done.returncode not in (0, 1):
        print(f"FAIL npy_tool {args[:3]}: exit code {done.returncode}; {done.stdout[-200:]}")
    return done.stdout


def parts(text):
    """For each file: an array of strings, or the error."""
    result = []
    for part in text.split("FILE ")[1:]:
        lines = part.split("\n")[1:]
        if lines[0].startswith("shape"):
            shape = tuple(map(int, lines[0].split()[1:]))
            result.append(np.array(lines[1].split()[1:], dtype=object).reshape(shape))
        else:
            result.append("\n".join(lines).strip())
    return result


def get(kind, *files):
    got = parts(run("get", kind, *files))
    assert len(got) == len(files), f"{len(got)} answers for {len(files)} files"
    return got


def same(kind, got, want):
    """None, or what is wrong."""
    if isinstance(got, str):
        return got
    if got.shape != want.shape:
        return f"shape {got.shape}, wanted {want.shape}"
    target = np.dtype(kind)
    numbers = np.array([target.type(v) for v in got.ravel()], target).reshape(got.shape)
    want = want.astype(target)
    if not np.array_equal(numbers, want, equal_nan=target.kind == "f"):
        return f"{numbers.ravel()[:4]}, wanted {want.ravel()[:4]}"
    if target.kind == "f" and ((np.signbit(numbers) != np.signbit(want)) & ~np.isnan(want)).any():
        return "a sign is wrong"
    return None


def check_same(name, kind, cases):
    """cases: (file, array)."""
    problems = []
    for (file, want), got in zip(
        cases,
        get({"f4": "f32", "f8": "f64", "i4": "i32", "i8": "i64"}[kind], *(file for file, _ in cases)),
    ):
        wrong = same(kind, got, want)
        if wrong:
            problems.append(f"{file}: {wrong}")
    claim(name, problems)


def check_refused(name, cases, kind="f64"):
    """cases: (file, bytes or None if it is there, text of the error)."""
    problems = []
    for file, data, _ in cases:
        if data is not None:
            put(file, data)
    for (file, _, text), got in zip(cases, get(kind, *(case[0] for case in cases))):
        if not isinstance(got, str) or text not in got or file.split(":")[0] not in got:
            problems.append(f"{file}: {got}, wanted {text}")
    claim(name, problems)


def put(file, data):
    with open(file, "wb") as f:
        f.write(data)
    return file


def npy_bytes(array, version=None):
    f = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        npy.write_array(f, array, version)
    return f.getvalue()


def by_hand(header, data=b"", version=1, length=None):
    text = header if isinstance(header, bytes) else header.encode()
    size = len(text) if length is None else length
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<I", size)
        + text
        + data
    )


def random_array(kind, shape):
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        return rng.normal(0, 100, shape).astype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def zip_of(members, method=zipfile.ZIP_STORED, **how):
    f = io.BytesIO()
    with zipfile.ZipFile(f, "w", method) as z:
        for name, data in members.items():
            with z.open(zip_info(name, method), "w", **how) as member:
                member.write(data)
    return f.getvalue()


def zip_info(name, method):
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = method
    return info


def record(layout, *values):
    return struct.pack("<" + layout, *values)


def zip64_of(
    name,
    data,
    size=None,
    packed=None,
    start=None,
    disk=None,
    locator=None,
    end=None,
    method=0,
    raw=None,
):
    """All fields by way of zip64, and each of them as one likes."""
    raw = data if raw is None else raw
    name = name.encode()
    size = len(data) if size is None else size
    packed = len(raw) if packed is None else packed
    sizes = record("HHQQ", 1, 16, size, packed)
    local = record(
        "4s5H3I2H",
        b"PK\3\4",
        45,
        0,
        method,
        0,
        33,
        zlib.crc32(data),
        2**32 - 1,
        2**32 - 1,
        len(name),
        len(sizes),
    )
    local += name + sizes + raw
    extra = record("HH", 0x5455, 1) + b"\0"  # another field before it
    extra += record("HHQQQI", 1, 28, size, packed, start or 0, disk or 0)
    entry = (
        record(
            "4s6H3I5H2I",
            b"PK\1\2",
            45,
            45,
            0,
            method,
            0,
            33,
            zlib.crc32(data),
            2**32 - 1,
            2**32 - 1,
            len(name),
            len(extra),
            0,
            2**16 - 1,
            0,
            0,
            2**32 - 1,
        )
        + name
        + extra
    )
    end64 = record("4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(entry), len(local))
    at = len(local) + len(entry)
    where = record("4sIQI", b"PK\6\7", 0, at if locator is None else locator, 1)
    last = end or record(
        "4s4H2IH", b"PK\5\6", 2**16 - 1, 2**16 - 1, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, 0
    )
    return local + entry + end64 + where + last
