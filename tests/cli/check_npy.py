# SPDX-License-Identifier: MIT
"""The .npy files that the programs read and write, against NumPy's. check_npy.py TOOL FOLDER"""

import itertools
import os
import subprocess
import zipfile

import numpy as np
from numpy.lib import format as npy

from arrays import (
    DATA,
    GOOD,
    SHAPES,
    TYPES,
    by_hand,
    check_refused,
    check_same,
    claim,
    get,
    npy_bytes,
    parts,
    put,
    random_array,
    run,
    same,
    tool,
    zip64_of,
    zip_of,
)

# --- .npy: what NumPy writes ------------------------------------------------------------------


def check_types():
    cases = {"f4": [], "f8": [], "i4": [], "i8": []}
    for kind, shape, order, version in itertools.product(TYPES, SHAPES, "CF", [(1, 0), (2, 0), (3, 0)]):
        for end in "|" if kind[1] == "1" else "<>":
            array = np.asarray(random_array(kind, shape), dtype=end + kind, order=order)
            file = put(
                f"{kind}-{'bl'[end == '<']}-{len(shape)}-{array.size}-{order}-{version[0]}.npy",
                npy_bytes(array, version),
            )
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
    for name, array in [
        ("floats", floats),
        ("whole", whole),
        ("unsigned", unsigned),
        ("wide", wide),
        ("narrow", narrow),
        ("odd", odd),
    ]:
        np.save(f"round-{name}.npy", array)
    check_same(
        "doubles and integers round to the nearest float",
        "f4",
        [("round-floats.npy", floats), ("round-whole.npy", whole), ("round-unsigned.npy", unsigned)],
    )
    check_same(
        "integers round to the nearest double",
        "f8",
        [("round-whole.npy", whole), ("round-unsigned.npy", unsigned)],
    )
    check_same(
        "whole floats as 8-byte integers",
        "i8",
        [("round-wide.npy", wide), ("round-narrow.npy", narrow)],
    )
    check_same("whole floats as 4-byte integers", "i4", [("round-narrow.npy", narrow)])
    check_same("a bool is 0 or 1", "i4", [("round-odd.npy", (odd.view("u1") != 0))])


def check_ranges():
    for kind, dtype, values in [
        ("f32", "f8", [3.4028235677973366e38, -1e39, 1.7e308]),
        ("i32", "i8", [2**31, -(2**31) - 1]),
        ("i32", "u4", [2**31]),
        ("i32", "u8", [2**32]),
        ("i32", "f4", [2.0**31, 0.5, np.nan, -np.inf]),
        ("i64", "u8", [2**63, 2**64 - 1]),
        ("i64", "f8", [2.0**63, -(2.0**63) - 2048, 1e300, 1.5, np.nan, np.inf]),
        ("i32", "f2", [np.inf]),
    ]:
        cases = []
        for i, value in enumerate(values):
            file = f"range-{kind}-{dtype}-{i}.npy"
            np.save(file, np.array([[0, 0], [value, 0]], dtype).T)  # in Fortran order
            cases.append((file, None, "value 1 is "))
        check_refused(f"{dtype} that {kind} cannot hold", cases, kind)


# --- .npy: headers by hand --------------------------------------------------------------------

HEADERS = [
    GOOD,
    GOOD + " " * 70 + "\n",
    "{'descr':'<i2','fortran_order':False,'shape':(2,)}",
    '{"shape": (2,), "descr": "<i2", "fortran_order": True}\n',
    " {\t'fortran_order' : False ,\n 'shape' : ( 2 , ) , 'descr' : '<i2' } ",
]
BROKEN = [
    ("", "it must begin with '{'"),
    ("()", "it must begin with '{'"),
    ("{}", "'descr' is missing"),
    ("{'descr': '<i2', 'fortran_order': False}", "'shape' is missing"),
    ("{'descr': '<i2', 'shape': (2,)}", "'fortran_order' is missing"),
    ("{'descr': '<i2', 'fortran_order': False, 'shape': (2,)", "',' or '}'"),
    (GOOD + "x", "only spaces may follow"),
    (GOOD + "\0", "only spaces may follow"),
    (GOOD + GOOD, "only spaces may follow"),
    ("{,}", "a key in quotes is missing"),
    (
        "{'descr': '<i2', 'descr': '<i2', 'fortran_order': False, 'shape': (2,)}",
        "a key stands there twice",
    ),
    (
        "{'descr': '<i2', 'shape': (2,), 'shape': (2,), 'fortran_order': False}",
        "byte 42: a key stands there twice",
    ),
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
    ("2", "in parentheses"),
    ("[2]", "in parentheses"),
    ("(2)", "needs a comma"),
    ("(-2,)", "negative"),
    ("(2L,)", "suffix L"),
    ("(2.0,)", "',' or ')'"),
    ("(02,)", "begins with 0"),
    ("(2,,)", "whole number"),
    ("(,)", "whole number"),
    ("(2 1)", "',' or ')'"),
    ("(True,)", "whole number"),
    ("(2,", "whole number"),
    ("(0x2,)", "',' or ')'"),
    ("(9223372036854775808,)", "overflows 2^63 - 1"),
    ("(" + "1," * 65 + ")", "more than 64 sizes"),
    ("(3,)", "needs 6 bytes of values, the file has 4"),
    ("(1,)", "needs 2 bytes of values, the file has 4"),
    ("(0,)", "needs 0 bytes of values, the file has 4"),
    ("()", "needs 2 bytes of values, the file has 4"),
    ("(4294967296, 4294967296)", "overflow (size 2 of 2 is 4294967296)"),
    ("(9223372036854775807,)", "overflow (size 1 of 1 is 9223372036854775807)"),
    ("(0, 4611686018427387904, 4)", "overflow"),
    ("(2305843009213693952,)", "needs 4611686018427387904 bytes"),
]


def check_headers():
    cases = [
        (put(f"good-{i}.npy", by_hand(header, DATA, version)), np.array([1, 2], "i2"))
        for i, header in enumerate(HEADERS)
        for version in (1, 2)
    ]
    cases.append(
        (put("good-64.npy", by_hand(GOOD.replace("(2,)", "(" + "1," * 63 + "2)"), DATA)), None)
    )
    check_same("headers as other writers lay them out", "i8", cases[:-1])
    shape = get("i64", "good-64.npy")[0] if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else None
    claim("64 sizes", [] if shape is None or shape.shape == (1,) * 63 + (2,) else [str(shape)])
    check_refused(
        "headers that are none",
        [(f"bad-{i}.npy", by_hand(header, DATA), text) for i, (header, text) in enumerate(BROKEN)],
    )
    check_refused(
        "shapes that are none",
        [
            (f"shape-{i}.npy", by_hand(GOOD.replace("(2,)", shape), DATA), text)
            for i, (shape, text) in enumerate(SIZES)
        ],
    )
    check_refused(
        "headers of a wrong length",
        [
            (
                "length-0.npy",
                by_hand(GOOD, DATA, 1, 1000),
                f"the header needs 1000 bytes, the file has {len(GOOD) + 4}",
            ),
            (
                "length-1.npy",
                by_hand(GOOD, DATA, 2, 65537),
                "a .npy header of 65537 bytes; at most 65536",
            ),
            (
                "length-2.npy",
                by_hand(GOOD.ljust(65537), DATA, 2),
                "a .npy header of 65537 bytes; at most 65536",
            ),
            ("length-3.npy", by_hand(GOOD, DATA, 1, 0), "it must begin with '{'"),
            ("version-0.npy", by_hand(GOOD, DATA, 0), ".npy version 0.0"),
            ("version-4.npy", by_hand(GOOD, DATA, 4), "version 4.0"),
            ("version-1.npy", b"\x93NUMPY\1\1" + by_hand(GOOD, DATA)[8:], "version 1.1"),
            ("magic-0.npy", b"", "not a .npy file"),
            ("magic-1.npy", b"\x93NUMPX" + by_hand(GOOD, DATA)[6:], "not a .npy file"),
        ],
    )
    check_same(
        "a header of 64 KiB",
        "i8",
        [(put("large.npy", by_hand(GOOD.ljust(65536), DATA, 2)), np.array([1, 2]))],
    )


def check_refused_types():
    cases = []
    for i, (dtype, text) in enumerate(
        [
            (object, "Python objects of type '|O'"),
            ("S3", "byte strings of type '|S3'"),
            ("U3", "text of type '<U3'"),
            ("c8", "complex numbers of type '<c8'"),
            (">c16", "complex numbers of type '>c16'"),
            ("M8[s]", "dates of type '<M8[s]'"),
            ("m8[s]", "spans of time of type '<m8[s]'"),
            ("V4", "records of bytes of type '|V4'"),
            ("g", "floats of type '<f16'"),
            ([("a", "<f4")], "a structured type"),
            ([("Ä", "<f4", (2,))], "a structured type"),
        ]
    ):
        cases.append((f"type-{i}.npy", npy_bytes(np.zeros(2, dtype)), text))
    for i, kind in enumerate(
        ["=f4", "f4", "|f4", "", "<", "<f", "<ixy", "<f3", "<f44", "<i16", "<b2", "<F4", "O", "?"]
    ):
        cases.append(
            (f"type-text-{i}.npy", by_hand(GOOD.replace("<i2", kind), DATA), f"of type '{kind}'")
        )
    check_refused("types that are not read, by name", cases)
    ones = np.array([1, 2], "i1")
    check_same(
        "single bytes with a byte order, as cnpy writes them",
        "i8",
        [
            (put(f"one-{i}.npy", by_hand(GOOD.replace("<i2", end + "i1"), b"\1\2")), ones)
            for i, end in enumerate("<>|")
        ],
    )


# --- .npy: what other readers in C fell over --------------------------------------------------


def check_known_bugs():
    check_refused(
        "bugs of other readers",
        [
            (
                "cnpy-106.npy",
                by_hand(b"{", b"", 1, 65535),
                "the header needs 65535 bytes, the file has 1",
            ),
            (
                "cnpy-106.npz",
                zip_of({"a.npy": by_hand(b"", b"", 1, 65535)}),
                "cnpy-106.npz:a: cut short: the header needs 65535",
            ),
            (
                "cnpy-107.npz",
                zip_of({"a.npy": by_hand(GOOD.replace("(2,)", "(4000000,)"), DATA)}),
                "its header asks for 8000073 bytes, the member has 77",
            ),
            (
                "mlx-3365.npy",
                by_hand(b"", b"", 2, 0xFFFFFFF0),
                "a .npy header of 4294967280 bytes; at most 65536",
            ),
            (
                "libnpy-44.npy",
                by_hand(GOOD.replace("(2,)", "(4294967296, 4294967297)"), DATA),
                "overflow",
            ),
            (
                "libnpy-37.npy",
                by_hand(GOOD.replace("(2,)", "(2,621, 401)"), DATA),
                "needs 996084 bytes of values, the file has 4",
            ),
            (
                "keras-23016.npy",
                by_hand(GOOD.replace("(2,)", "(1000000000000,)"), DATA),
                "needs 2000000000000 bytes of values",
            ),
            (
                "keras-23016.npz",
                zip_of(
                    {"a.npy": by_hand(GOOD.replace("(2,)", "(1000000000000,)"), DATA)},
                    zipfile.ZIP_DEFLATED,
                ),
                "its header asks for 2000000000079 bytes, the member has 83",
            ),
            ("npy-rs-1.npy", b"\x93NUMPY\1\0\xf8\xff", "the header needs 65528 bytes, the file has 0"),
            ("stablehlo-2963.npy", by_hand(GOOD.replace("<i2", "<ixy"), DATA), "of type '<ixy'"),
        ],
    )


# --- Cut short --------------------------------------------------------------------------------


def check_truncations():
    a = np.arange(12, dtype="f4").reshape(3, 4)
    np.savez("cut-stored.npz", a)
    np.savez_compressed("cut-deflated.npz", a)
    put("cut-1.npy", npy_bytes(a, (1, 0)))
    put("cut-2.npy", npy_bytes(a, (2, 0)))
    put("cut-64.npz", zip64_of("a.npy", npy_bytes(a)))
    for file in ["cut-1.npy", "cut-2.npy", "cut-stored.npz", "cut-deflated.npz", "cut-64.npz"]:
        got = parts(run("cut", "f64", file))
        problems = [
            f"{n} bytes: {part}"
            for n, part in enumerate(got[:-1])
            if not isinstance(part, str) or file not in part
        ]
        wrong = same("f8", got[-1], a)
        claim(f"{file}: {len(got) - 1} beginnings are refused", problems + ([wrong] if wrong else []))
        if len(got) != os.path.getsize(file) + 1:
            print(f"FAIL {file}: {len(got)} answers")


# --- Written ----------------------------------------------------------------------------------


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
        if (
            version != (1, 0)
            or header != (shape, False, np.dtype(kind))
            or start % 64
            or data[start - 1 : start] != b"\n"
        ):
            problems.append(f"{kind} {shape}: {version} {header} {start}")
        if back.dtype != array.dtype or not np.array_equal(back, array) or back.shape != shape:
            problems.append(f"{kind} {shape}: other values")
        os.remove("out.npy")
    claim("NumPy reads what is written", problems)


def check_write_failures():
    array = np.arange(3, dtype="f4")
    np.save("in.npy", array)
    np.save("kept.npy", array + 1)
    said = run("put", "f32", "in.npy", "/dev/full")
    claim("a full disk is reported", [] if "cannot write /dev/full: No space left" in said else [said])
    # Python gives its children SIGXFSZ back, so a shell takes it from them.
    shell = f"trap '' XFSZ; ulimit -f 0; {tool} put f32 in.npy kept.npy"
    said = subprocess.run(["sh", "-c", shell], stderr=subprocess.PIPE, encoding="latin1").stderr
    claim("a file that cannot grow is reported", [] if "cannot write kept.npy: File too large" in said else [said])
    claim(
        "it leaves the old array",
        [] if np.array_equal(np.load("kept.npy"), array + 1) else ["changed"],
    )
    left = [name for name in os.listdir() if name.startswith("kept.npy.tmp")]
    claim("it leaves no temporary file", left)
    said = run("put", "f32", "in.npy", "none/out.npy")
    claim(
        "a missing folder is reported",
        [] if "cannot write none/out.npy" in said and "No such file" in said else [said],
    )
    os.mkdir("folder.npy")
    said = run("put", "f32", "in.npy", "folder.npy")
    claim(
        "a folder of the name is reported",
        [] if "cannot write folder.npy: Is a directory" in said else [said],
    )


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
