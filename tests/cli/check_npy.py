# SPDX-License-Identifier: MIT
"""The arrays that the programs read and write against NumPy's. check_npy.py TOOL FOLDER

TOOL is tests/cli/npy_tool.c. One line per claim: "ok NAME" or "FAIL NAME: reason"."""
import io
import itertools
import os
import resource
import struct
import subprocess
import sys
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
rng = np.random.default_rng(1)


def claim(name, problems):
    print(f"FAIL {name}: {'; '.join(problems[:3])}" if problems else f"ok {name}")


def limit_memory():
    """So that a size that is believed before it is checked shows."""
    if not SANITIZED:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))


def run(*args):
    done = subprocess.run([tool, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          preexec_fn=limit_memory, encoding="latin1", check=False)
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
    for (file, want), got in zip(cases, get({"f4": "f32", "f8": "f64", "i4": "i32", "i8": "i64"}[kind],
                                            *(file for file, _ in cases))):
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
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", size) + text + data


def random_array(kind, shape):
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        return rng.normal(0, 100, shape).astype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


# --- .npy: what NumPy writes ----------------------------------------------------------------------

def check_types():
    cases = {"f4": [], "f8": [], "i4": [], "i8": []}
    for kind, shape, order, version in itertools.product(TYPES, SHAPES, "CF", [(1, 0), (2, 0), (3, 0)]):
        for end in "|" if kind[1] == "1" else "<>":
            array = np.asarray(random_array(kind, shape), dtype=end + kind, order=order)
            file = put(f"{kind}-{'bl'[end == '<']}-{len(shape)}-{array.size}-{order}-{version[0]}.npy",
                       npy_bytes(array, version))
            cases["f8"].append((file, array))
            if kind != "f8" or np.isfinite(array.astype("f4")).all():
                cases["f4"].append((file, array))
            if kind[0] in "iub" and kind not in ("u4", "u8", "i8"):
                cases["i4"].append((file, array))
            if kind[0] in "iub" and (kind != "u8" or (array <= 2**63 - 1).all()):
                cases["i8"].append((file, array))
    for kind, some in cases.items():
        check_same(f"NumPy's .npy as {kind}: {len(some)} files", kind, some)


def check_halves():
    every = np.arange(1 << 16, dtype="u2").view("f2")
    np.save("half.npy", every)
    np.save("half-big.npy", every.astype(">f2"))
    check_same("every float of 2 bytes", "f8", [("half.npy", every), ("half-big.npy", every)])


def check_rounding():
    edge = np.float64(np.finfo("f4").max)
    below = np.nextafter(edge + 2.0**103, 0)  # the last double that rounds to the largest float
    floats = np.array([0.0, -0.0, 1e-46, 1e-45, 1 / 3, edge, -below, np.inf, -np.inf, np.nan])
    whole = np.array([2**24 + 1, -(2**24) - 3, 2**62 + 2**38 + 1, 2**63 - 1, -(2**63)], "i8")
    unsigned = np.array([2**64 - 1, 2**63, 2**40 + 2**16 + 1], "u8")
    wide = np.array([-(2.0**63), 2.0**63 - 1024, 0.0, -1.0, 2.0**53])
    narrow = np.array([-(2.0**31), 2.0**31 - 1])
    odd = np.array([0, 1, 2, 255], "u1").view(bool)
    for name, array in [("floats", floats), ("whole", whole), ("unsigned", unsigned), ("wide", wide),
                        ("narrow", narrow), ("odd", odd)]:
        np.save(f"round-{name}.npy", array)
    check_same("doubles and integers round to the nearest float", "f4",
               [("round-floats.npy", floats), ("round-whole.npy", whole), ("round-unsigned.npy", unsigned)])
    check_same("integers round to the nearest double", "f8",
               [("round-whole.npy", whole), ("round-unsigned.npy", unsigned)])
    check_same("whole floats as 8-byte integers", "i8", [("round-wide.npy", wide), ("round-narrow.npy", narrow)])
    check_same("whole floats as 4-byte integers", "i4", [("round-narrow.npy", narrow)])
    check_same("a bool is 0 or 1", "i4", [("round-odd.npy", (odd.view("u1") != 0))])


def check_ranges():
    for kind, dtype, values in [
        ("f32", "f8", [3.4028235677973366e38, -1e39, 1.7e308]),
        ("i32", "i8", [2**31, -(2**31) - 1]), ("i32", "u4", [2**31]), ("i32", "u8", [2**32]),
        ("i32", "f4", [2.0**31, 0.5, np.nan, -np.inf]), ("i64", "u8", [2**63, 2**64 - 1]),
        ("i64", "f8", [2.0**63, -(2.0**63) - 2048, 1e300, 1.5, np.nan, np.inf]), ("i32", "f2", [np.inf]),
    ]:
        cases = []
        for i, value in enumerate(values):
            file = f"range-{kind}-{dtype}-{i}.npy"
            np.save(file, np.array([[0, 0], [value, 0]], dtype).T)  # in Fortran order
            cases.append((file, None, "value 1 is "))
        check_refused(f"{dtype} that {kind} cannot hold", cases, kind)


# --- .npy: headers by hand ------------------------------------------------------------------------

GOOD = "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }"
DATA = b"\1\0\2\0"
HEADERS = [
    GOOD, GOOD + " " * 70 + "\n", "{'descr':'<i2','fortran_order':False,'shape':(2,)}",
    '{"shape": (2,), "descr": "<i2", "fortran_order": True}\n',
    " {\t'fortran_order' : False ,\n 'shape' : ( 2 , ) , 'descr' : '<i2' } ",
]
BROKEN = [
    ("", "it must begin with '{'"), ("()", "it must begin with '{'"), ("{}", "'descr' is missing"),
    ("{'descr': '<i2', 'fortran_order': False}", "'shape' is missing"),
    ("{'descr': '<i2', 'shape': (2,)}", "'fortran_order' is missing"),
    ("{'descr': '<i2', 'fortran_order': False, 'shape': (2,)", "',' or '}'"),
    (GOOD + "x", "only spaces may follow"), (GOOD + "\0", "only spaces may follow"),
    (GOOD + GOOD, "only spaces may follow"), ("{,}", "a key in quotes is missing"),
    ("{'descr': '<i2', 'descr': '<i2', 'fortran_order': False, 'shape': (2,)}", "a key stands there twice"),
    ("{'descr': '<i2', 'shape': (2,), 'shape': (2,), 'fortran_order': False}", "byte 42: a key stands there twice"),
    ("{'descr': '<i2', 'fortran_order': False, 'shape': (2,), 'x': 1}", "unknown key"),
    ("{'descr': '<i2' 'fortran_order': False, 'shape': (2,)}", "',' or '}'"),
    ("{'descr' '<i2', 'fortran_order': False, 'shape': (2,)}", "stands ':'"),
    ("{'descr': '<i2', 'fortran_order': false, 'shape': (2,)}", "True or False"),
    ("{'descr': '<i2', 'fortran_order': 0, 'shape': (2,)}", "True or False"),
    ("{'descr': <i2, 'fortran_order': False, 'shape': (2,)}", "name of a type"),
    ("{'descr': '<i2, 'fortran_order': False, 'shape': (2,)}", "of type '<i2, '"),
    ("{'descr': '" + "<" * 40 + "', 'fortran_order': False, 'shape': (2,)}", "name of a type"),
    ("{'descr': '<i\x1b2', 'fortran_order': False, 'shape': (2,)}", "name of a type"),
    ("{'descr': '<i2", "name of a type"),
]
SIZES = [
    ("2", "in parentheses"), ("[2]", "in parentheses"), ("(2)", "needs a comma"), ("(-2,)", "negative"),
    ("(2L,)", "suffix L"), ("(2.0,)", "',' or ')'"), ("(02,)", "begins with 0"), ("(2,,)", "whole number"),
    ("(,)", "whole number"), ("(2 1)", "',' or ')'"), ("(True,)", "whole number"), ("(2,", "whole number"),
    ("(0x2,)", "',' or ')'"), ("(9223372036854775808,)", "overflows 2^63 - 1"),
    ("(" + "1," * 65 + ")", "more than 64 sizes"), ("(3,)", "needs 6 bytes of values, the file has 4"),
    ("(1,)", "needs 2 bytes of values, the file has 4"), ("(0,)", "needs 0 bytes of values, the file has 4"),
    ("()", "needs 2 bytes of values, the file has 4"),
    ("(4294967296, 4294967296)", "overflow (size 2 of 2 is 4294967296)"),
    ("(9223372036854775807,)", "overflow (size 1 of 1 is 9223372036854775807)"),
    ("(0, 4611686018427387904, 4)", "overflow"), ("(2305843009213693952,)", "needs 4611686018427387904 bytes"),
]


def check_headers():
    cases = [(put(f"good-{i}.npy", by_hand(header, DATA, version)), np.array([1, 2], "i2"))
             for i, header in enumerate(HEADERS) for version in (1, 2)]
    cases.append((put("good-64.npy", by_hand(GOOD.replace("(2,)", "(" + "1," * 63 + "2)"), DATA)), None))
    check_same("headers as other writers lay them out", "i8", cases[:-1])
    shape = get("i64", "good-64.npy")[0] if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else None
    claim("64 sizes", [] if shape is None or shape.shape == (1,) * 63 + (2,) else [str(shape)])
    check_refused("headers that are none", [(f"bad-{i}.npy", by_hand(header, DATA), text)
                                            for i, (header, text) in enumerate(BROKEN)])
    check_refused("shapes that are none", [(f"shape-{i}.npy", by_hand(GOOD.replace("(2,)", shape), DATA), text)
                                           for i, (shape, text) in enumerate(SIZES)])
    check_refused("headers of a wrong length", [
        ("length-0.npy", by_hand(GOOD, DATA, 1, 1000), f"the header needs 1000 bytes, the file has {len(GOOD) + 4}"),
        ("length-1.npy", by_hand(GOOD, DATA, 2, 65537), "a .npy header of 65537 bytes; at most 65536"),
        ("length-2.npy", by_hand(GOOD.ljust(65537), DATA, 2), "a .npy header of 65537 bytes; at most 65536"),
        ("length-3.npy", by_hand(GOOD, DATA, 1, 0), "it must begin with '{'"),
        ("version-0.npy", by_hand(GOOD, DATA, 0), ".npy version 0.0"), ("version-4.npy", by_hand(GOOD, DATA, 4), "version 4.0"),
        ("version-1.npy", b"\x93NUMPY\1\1" + by_hand(GOOD, DATA)[8:], "version 1.1"),
        ("magic-0.npy", b"", "not a .npy file"), ("magic-1.npy", b"\x93NUMPX" + by_hand(GOOD, DATA)[6:], "not a .npy file")])
    check_same("a header of 64 KiB", "i8", [(put("large.npy", by_hand(GOOD.ljust(65536), DATA, 2)), np.array([1, 2]))])


def check_refused_types():
    cases = []
    for i, (dtype, text) in enumerate([
        (object, "Python objects of type '|O'"), ("S3", "byte strings of type '|S3'"), ("U3", "text of type '<U3'"),
        ("c8", "complex numbers of type '<c8'"), (">c16", "complex numbers of type '>c16'"),
        ("M8[s]", "dates of type '<M8[s]'"), ("m8[s]", "spans of time of type '<m8[s]'"),
        ("V4", "records of bytes of type '|V4'"), ("g", "floats of type '<f16'"), ([("a", "<f4")], "a structured type"),
        ([("Ä", "<f4", (2,))], "a structured type"),
    ]):
        cases.append((f"type-{i}.npy", npy_bytes(np.zeros(2, dtype)), text))
    for i, kind in enumerate(["=f4", "f4", "|f4", "", "<", "<f", "<ixy", "<f3", "<f44", "<i16", "<b2", "<F4", "O", "?"]):
        cases.append((f"type-text-{i}.npy", by_hand(GOOD.replace("<i2", kind), DATA), f"of type '{kind}'"))
    check_refused("types that are not read, by name", cases)
    ones = np.array([1, 2], "i1")
    check_same("single bytes with a byte order, as cnpy writes them", "i8",
               [(put(f"one-{i}.npy", by_hand(GOOD.replace("<i2", end + "i1"), b"\1\2")), ones) for i, end in enumerate("<>|")])


# --- .npy: what other readers in C fell over --------------------------------------------------------

def check_known_bugs():
    check_refused("bugs of other readers", [
        ("cnpy-106.npy", by_hand(b"{", b"", 1, 65535), "the header needs 65535 bytes, the file has 1"),
        ("cnpy-106.npz", zip_of({"a.npy": by_hand(b"", b"", 1, 65535)}), "cnpy-106.npz:a: cut short: the header needs 65535"),
        ("cnpy-107.npz", zip_of({"a.npy": by_hand(GOOD.replace("(2,)", "(4000000,)"), DATA)}),
         "its header asks for 8000073 bytes, the member has 77"),
        ("mlx-3365.npy", by_hand(b"", b"", 2, 0xfffffff0), "a .npy header of 4294967280 bytes; at most 65536"),
        ("libnpy-44.npy", by_hand(GOOD.replace("(2,)", "(4294967296, 4294967297)"), DATA), "overflow"),
        ("libnpy-37.npy", by_hand(GOOD.replace("(2,)", "(2,621, 401)"), DATA), "needs 996084 bytes of values, the file has 4"),
        ("keras-23016.npy", by_hand(GOOD.replace("(2,)", "(1000000000000,)"), DATA), "needs 2000000000000 bytes of values"),
        ("keras-23016.npz", zip_of({"a.npy": by_hand(GOOD.replace("(2,)", "(1000000000000,)"), DATA)}, zipfile.ZIP_DEFLATED),
         "its header asks for 2000000000079 bytes, the member has 83"),
        ("npy-rs-1.npy", b"\x93NUMPY\1\0\xf8\xff", "the header needs 65528 bytes, the file has 0"),
        ("stablehlo-2963.npy", by_hand(GOOD.replace("<i2", "<ixy"), DATA), "of type '<ixy'")])


# --- Cut short ------------------------------------------------------------------------------------

def check_truncations():
    a = np.arange(12, dtype="f4").reshape(3, 4)
    np.savez("cut-stored.npz", a)
    np.savez_compressed("cut-deflated.npz", a)
    put("cut-1.npy", npy_bytes(a, (1, 0)))
    put("cut-2.npy", npy_bytes(a, (2, 0)))
    put("cut-64.npz", zip64_of("a.npy", npy_bytes(a)))
    for file in ["cut-1.npy", "cut-2.npy", "cut-stored.npz", "cut-deflated.npz", "cut-64.npz"]:
        got = parts(run("cut", "f64", file))
        problems = [f"{n} bytes: {part}" for n, part in enumerate(got[:-1]) if not isinstance(part, str) or file not in part]
        wrong = same("f8", got[-1], a)
        claim(f"{file}: {len(got) - 1} beginnings are refused", problems + ([wrong] if wrong else []))
        if len(got) != os.path.getsize(file) + 1:
            print(f"FAIL {file}: {len(got)} answers")


# --- Written --------------------------------------------------------------------------------------

def check_written():
    problems = []
    for kind, name, shape in itertools.product(["f4", "f8", "i4", "i8", "u1"], ["", "F"], SHAPES):
        array = np.asarray(random_array(kind, shape), order=name or "C")
        np.save("in.npy", array)
        run("put", {"f": "f", "i": "i", "u": "u"}[kind[0]] + str(8 * int(kind[1])), "in.npy", "out.npy")
        data = open("out.npy", "rb").read()
        with open("out.npy", "rb") as f:
            version, header = npy.read_magic(f), npy.read_array_header_1_0(f)
            start = f.tell()
        back = np.load("out.npy", allow_pickle=False)
        if version != (1, 0) or header != (shape, False, np.dtype(kind)) or start % 64 or data[start - 1:start] != b"\n":
            problems.append(f"{kind} {shape}: {version} {header} {start}")
        if back.dtype != array.dtype or not np.array_equal(back, array) or back.shape != shape:
            problems.append(f"{kind} {shape}: other values")
        os.remove("out.npy")
    claim("NumPy reads what is written", problems)


def check_write_failures():
    array = np.arange(3, dtype="f4")
    np.save("in.npy", array)
    np.save("kept.npy", array + 1)
    os.symlink("/dev/full", "kept.npy.tmp")
    said = run("put", "f32", "in.npy", "kept.npy")
    claim("a full disk is reported", [] if "cannot write kept.npy: No space left" in said else [said])
    claim("a full disk leaves the old array", [] if np.array_equal(np.load("kept.npy"), array + 1) else ["changed"])
    claim("a full disk leaves no temporary file", [] if not os.path.lexists("kept.npy.tmp") else ["it is there"])
    said = run("put", "f32", "in.npy", "none/out.npy")
    claim("a missing folder is reported", [] if "cannot write none/out.npy.tmp: No such file" in said else [said])
    os.mkdir("folder.npy")
    said = run("put", "f32", "in.npy", "folder.npy")
    claim("a folder of the name is reported", [] if "cannot write folder.npy: Is a directory" in said else [said])


# --- .npz -----------------------------------------------------------------------------------------

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


def zip64_of(name, data, size=None, packed=None, start=None, disk=None, locator=None, end=None, method=0, raw=None):
    """All fields by way of zip64, and each of them as one likes."""
    raw = data if raw is None else raw
    name = name.encode()
    size = len(data) if size is None else size
    packed = len(raw) if packed is None else packed
    sizes = record("HHQQ", 1, 16, size, packed)
    local = record("4s5H3I2H", b"PK\3\4", 45, 0, method, 0, 33, zlib.crc32(data), 2**32 - 1, 2**32 - 1, len(name), len(sizes))
    local += name + sizes + raw
    extra = record("HH", 0x5455, 1) + b"\0"  # another field before it
    extra += record("HHQQQI", 1, 28, size, packed, start or 0, disk or 0)
    entry = record("4s6H3I5H2I", b"PK\1\2", 45, 45, 0, method, 0, 33, zlib.crc32(data), 2**32 - 1, 2**32 - 1, len(name),
                   len(extra), 0, 2**16 - 1, 0, 0, 2**32 - 1) + name + extra
    end64 = record("4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(entry), len(local))
    at = len(local) + len(entry)
    where = record("4sIQI", b"PK\6\7", 0, at if locator is None else locator, 1)
    last = end or record("4s4H2IH", b"PK\5\6", 2**16 - 1, 2**16 - 1, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, 0)
    return local + entry + end64 + where + last


def promoted(data):
    """A zip file whose directory gives only the place of the member by way of zip64."""
    at = data.rindex(b"PK\1\2")
    name = data[at + 46:data.rindex(b"PK\5\6")]
    entry = bytearray(data[at:at + 46])
    entry[30:32] = record("H", 12)
    entry[42:46] = b"\xff" * 4
    entry = bytes(entry) + name + record("HHQ", 1, 8, struct.unpack("<I", data[at + 42:at + 46])[0])
    return data[:at] + entry + record("4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(entry), at, 0)


class Pipe(io.RawIOBase):
    """Not seekable, so that sizes follow the data."""

    def __init__(self):
        super().__init__()
        self.data = b""

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data)
        return len(data)


def check_npz():
    a, b, c = random_array("f4", (3, 4)), np.asfortranarray(random_array("i2", (2, 3, 4)).astype(">i2")), np.float64(7)
    zeros = np.zeros((300, 500), "f8")
    np.savez("stored.npz", a, b=b, c=c)
    np.savez_compressed("deflated.npz", a, b=b, c=c, zeros=zeros)
    np.savez("single.npz", images=a)
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a.npy", npy_bytes(a))
        z.writestr("b.npy", npy_bytes(b))
    put("pipe.npz", pipe.data)
    with zipfile.ZipFile("other.npz", "w") as z:
        z.comment = b"PK\5\6 is not the end" + bytes(100)
        z.writestr("folder/", b"")
        z.writestr("read me.txt", b"text")
        z.writestr("folder/ä b:c.npy", npy_bytes(a))
    put("forced.npz", zip_of({"a.npy": npy_bytes(a), "b.npy": npy_bytes(b)}, zipfile.ZIP_DEFLATED, force_zip64=True))
    put("zip64.npz", zip64_of("a.npy", npy_bytes(a)))
    put("promoted.npz", promoted(zip_of({"a.npy": npy_bytes(a)})))
    put("UPPER.NPZ", zip_of({"a.npy": npy_bytes(a)}))
    check_same("NumPy's .npz, stored", "f8", [("stored.npz:arr_0", a), ("stored.npz:b", b), ("stored.npz:c", c)])
    check_same("NumPy's .npz, deflated", "f8", [(f"deflated.npz:{n}", v) for n, v in
                                                [("arr_0", a), ("b", b), ("c", c), ("zeros", zeros)]])
    check_same("one array needs no name", "f8", [("single.npz", a), ("single.npz:images", a), ("UPPER.NPZ", a)])
    check_same("sizes behind the data", "f8", [("pipe.npz:a", a), ("pipe.npz:b", b)])
    check_same("other members, a comment, an odd name", "f8", [("other.npz", a), ("other.npz:folder/ä b:c", a)])
    check_same("zip64 sizes", "f8", [("forced.npz:b", b), ("zip64.npz", a), ("promoted.npz", a)])
    np.savez("empty.npz")
    np.savez("many.npz", **{f"array_{i}": a for i in range(100)})
    check_refused("arrays that are not there", [
        ("stored.npz", None, "stored.npz holds 3 arrays: b, c, arr_0; say which, as in FILE.npz:NAME"),
        ("stored.npz:d", None, 'stored.npz holds no array "d"; it has: b, c, arr_0'),
        ("stored.npz:", None, 'holds no array ""'), ("stored.npz:b.npy", None, 'holds no array "b.npy"'),
        ("many.npz", None, "more; say which"), ("many.npz:b", None, "array_0, array_1, "),
        ("empty.npz", None, "holds no array"), ("empty.npz:x", None, "holds no array"),
        ("none.npz", None, "cannot open none.npz: No such file"), ("none.npz:x", None, "cannot open none.npz: No such file")])


def patched(data, at, new):
    return data[:at] + new + data[at + len(new):]


def check_bad_zip():
    inner = npy_bytes(np.arange(12, dtype="i4"))
    s, d = zip_of({"a.npy": inner}), zip_of({"a.npy": inner}, zipfile.ZIP_DEFLATED)
    c, e = s.index(b"PK\1\2"), s.index(b"PK\5\6")  # entry and end of the stored one
    dc = d.index(b"PK\1\2")
    n = len(inner)
    two = zip_of({"a.npy": inner, "b.npy": inner})
    tc = two.index(b"PK\1\2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        f = io.BytesIO()
        with zipfile.ZipFile(f, "w") as z:
            z.writestr("a.npy", inner)
            z.writestr("a.npy", inner)
        twice = f.getvalue()
    cases = [
        ("text", b"no zip file at all, whatever its name is", "no end record"),
        ("npy", inner, "no end record"), ("behind", s + b"x", "no end record"),
        ("before", b"x" + s, "does not end at byte"), ("concatenated", s + s, "does not end at byte"),
        ("encrypted", patched(s, c + 8, b"\1"), 'member "a.npy": it is encrypted'),
        ("strong", patched(s, c + 8, b"\x40"), "it is encrypted"), ("masked", patched(s, c + 9, b"\x20"), "it is encrypted"),
        ("patch", patched(s, c + 8, b"\x20"), "it is a patch for another file"),
        ("bzip2", zip_of({"a.npy": inner}, zipfile.ZIP_BZIP2), 'member "a.npy": packed by method 12; read are 0'),
        ("lzma", zip_of({"a.npy": inner}, zipfile.ZIP_LZMA), "packed by method 14"),
        ("disk", patched(s, e + 4, b"\1"), "one of several disks"), ("disk-2", patched(s, e + 6, b"\1"), "one of several disks"),
        ("disk-3", patched(s, e + 8, b"\0"), "one of several disks"), ("disk-4", patched(s, c + 34, b"\1"), "begins on another disk"),
        ("twice", twice, 'member "a.npy": there are two of this name'),
        ("same-start", patched(two, tc + 46 + 5 + 42, bytes(4)), "header contradicts the directory"),
        ("more", patched(s, e + 8, b"\2\0\2"), "2 members in a directory of"), ("fewer", patched(two, two.index(b"PK\5\6") + 8, b"\1\0\1"),
                                                                             "more than the members it counts"),
        ("directory", patched(s, c, b"XX"), "its directory is broken"), ("name", patched(s, c + 28, b"\xff"), "its directory is broken"),
        ("extra", patched(s, c + 30, b"\xff\xff"), "its directory is broken"),
        ("escape", s.replace(b"a.npy", b"\x1b.npy"), "control characters"),
        ("place", patched(s, c + 42, record("I", 1)), "its header is not where the directory says"),
        ("place-2", patched(s, c + 42, record("I", 2**31)), "its header lies beyond the members"),
        ("size", patched(s, c + 20, record("II", n + 1, n + 1)), "its bytes reach beyond the members"),
        ("size-2", patched(s, c + 24, record("I", n + 1)), f"{n} bytes cannot unpack to {n + 1}"),
        ("size-3", patched(s, c + 20, record("II", n - 1, n - 1)), "its header contradicts the directory"),
        ("size-4", patched(s, c + 24, b"\xff" * 4), "its zip64 sizes are missing"),
        ("local-name", patched(s, 30, b"b"), "its header contradicts the directory"),
        ("local-method", patched(s, 8, b"\x08"), "its header contradicts the directory"),
        ("local-crc", patched(s, 14, b"\0\0\0\0"), "its header contradicts the directory"),
        ("local-extra", patched(s, 28, b"\xff\xff"), "its bytes reach beyond the members"),
        ("crc", patched(s, 30 + 5 + n - 1, b"\xff"), "do not agree with its CRC"),
        ("deflate", patched(d, 30 + 5 + 3, b"\xff" * 20), 'member "a.npy": '),
    ]
    check_refused("zip files that are broken or refused, by name", [(f"zip-{name}.npz", data, text) for name, data, text in cases])
    check_bad_deflate(inner, d, dc)
    check_bad_zip64(inner)


def check_bad_deflate(inner, d, dc):
    """Sizes that do not agree with what unpacks."""
    n, packed = len(inner), struct.unpack("<I", d[dc + 20:dc + 24])[0]

    def resized(size):
        return patched(patched(d, dc + 24, record("I", size)), 22, record("I", size))
    longer = by_hand(GOOD.replace("(2,)", "(100,)"), bytes(198))
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = raw.compress(longer) + raw.flush()
    claims_more = by_hand(GOOD.replace("(2,)", "(100,)"), bytes(200))
    header = GOOD.replace("(2,)", "(450000000,)")
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = bomb.compress(by_hand(header, bytes(1000))) + bomb.flush()
    check_refused("sizes that the deflated bytes do not have", [
        ("deflate-more.npz", resized(n + 64), f"ends after {n} of {n + 64} bytes"),
        ("deflate-less.npz", resized(n - 4), f"has more than the {n - 4} bytes of the directory"),
        ("deflate-none.npz", resized(0), "has more than the 0 bytes of the directory"),
        ("deflate-bomb.npz", resized(1 << 30), f"{packed} bytes cannot unpack to {1 << 30}"),
        ("deflate-cap.npz", resized((1 << 30) + 1), f"{(1 << 30) + 1} unpacked; at most {1 << 30} are read"),
        ("deflate-header.npz", zip64_of("a.npy", longer, method=8, raw=raw),
         f"its header asks for {len(longer) + 2} bytes, the member has {len(longer)}"),
        ("deflate-short.npz", zip64_of("a.npy", claims_more, method=8, raw=raw), f"ends after {len(longer)} of {len(longer) + 2}"),
        ("deflate-tail.npz", zip64_of("a.npy", longer, method=8, raw=raw + b"x"), "has more than the"),
        ("deflate-large.npz", zip64_of("a.npy", b"", size=10 + len(header) + 900000000, method=8, raw=bomb + bytes(1 << 20)),
         f"ends after {10 + len(header) + 1000} of {10 + len(header) + 900000000} bytes")])


def check_bad_zip64(inner):
    good = zip64_of("a.npy", inner)
    e, w, x, c = (good.rindex(sign) for sign in (b"PK\6\6", b"PK\6\7", b"PK\5\6", b"PK\1\2"))
    check_refused("zip64 records that are broken, by name", [(f"zip64-{i}.npz", data, text) for i, (data, text) in enumerate([
        (zip64_of("a.npy", inner, size=2**63), "at most 1073741824 are read"),
        (zip64_of("a.npy", inner, packed=2**64 - 1), "at most 1073741824 are read"),
        (zip64_of("a.npy", inner, start=2**64 - 8), "its header lies beyond the members"),
        (zip64_of("a.npy", inner, disk=1), "it begins on another disk"),
        (zip64_of("a.npy", inner, locator=2**64 - 1), "not where its locator says"),
        (zip64_of("a.npy", inner, locator=e + 1), "not where its locator says"),
        (zip64_of("a.npy", inner, locator=w - 40), "not where its locator says"),
        (patched(good, e + 4, record("Q", 45)), "not where its locator says"),
        (patched(good, w + 4, b"\1"), "one of several disks"), (patched(good, w + 16, b"\2"), "one of several disks"),
        (patched(good, e + 16, b"\1"), "one of several disks"), (patched(good, e + 20, b"\1"), "one of several disks"),
        (patched(good, e + 24, b"\2"), "one of several disks"),
        (patched(good, e + 24, record("QQ", 2**60, 2**60)), f"{2**60} members in a directory of"),
        (patched(good, e + 40, record("Q", 2**64 - 1)), "does not end at byte"),
        (patched(good, e + 48, record("Q", 2**64 - 1)), "does not end at byte"),
        (patched(good, x + 8, b"\3\0\3\0"), "its two end records contradict each other"),
        (patched(good, x + 12, record("I", 1)), "its two end records contradict each other"),
        (patched(good, x + 16, record("I", 1)), "its two end records contradict each other"),
        (patched(good, c + 46 + 5 + 5 + 2, b"\x08"), "its zip64 sizes are missing"),
        (patched(good, c + 46 + 5 + 5 + 2, b"\x18"), "its zip64 sizes are missing"),
        (patched(good, c + 46 + 5 + 2, b"\xff"), "an extra field is longer than its room"),
    ])])
    size = 46 * 65537
    crowd = bytes(size) + record("4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 65537, 65537, size, 0)
    crowd += record("4sIQI", b"PK\6\7", 0, size, 1) + record("4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, size, 0, 0)
    check_refused("too many members", [("crowd.npz", crowd, "65537 members; at most 65536 are read")])


def check_overlap():
    """Two entries whose members share bytes: the second lies in the first one's data."""
    inner = zip_of({"b.npy": npy_bytes(np.zeros(3))})
    at = inner.index(b"PK\1\2")
    outer = zip_of({"a.npy": inner[:at]})
    c, e = outer.rindex(b"PK\1\2"), outer.rindex(b"PK\5\6")
    second = bytearray(inner[at:inner.index(b"PK\5\6")])
    second[42:46] = record("I", 35)
    directory = outer[c:e] + bytes(second)
    data = outer[:c] + directory + record("4s4H2IH", b"PK\5\6", 0, 0, 2, 2, len(directory), c, 0)
    check_refused("members that overlap", [("overlap.npz", data, 'member "b.npy": it overlaps the member before it')])


check_types()
check_halves()
check_rounding()
check_ranges()
check_headers()
check_refused_types()
check_known_bugs()
check_truncations()
check_written()
check_write_failures()
check_npz()
check_bad_zip()
check_overlap()
