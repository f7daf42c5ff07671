# SPDX-License-Identifier: MIT
"""The .npz files that the programs read, against NumPy and zipfile. check_npz.py TOOL FOLDER"""

import io
import struct
import warnings
import zipfile
import zlib

import numpy as np

from arrays import (
    GOOD,
    by_hand,
    check_refused,
    claim,
    get,
    check_same,
    npy_bytes,
    put,
    random_array,
    record,
    same,
    zip64_of,
    zip_of,
)

# --- .npz -------------------------------------------------------------------------------------


def promoted(data):
    """A zip file whose directory gives only the place of the member by way of zip64."""
    at = data.rindex(b"PK\1\2")
    name = data[at + 46 : data.rindex(b"PK\5\6")]
    entry = bytearray(data[at : at + 46])
    entry[30:32] = record("H", 12)
    entry[42:46] = b"\xff" * 4
    entry = bytes(entry) + name + record("HHQ", 1, 8, struct.unpack("<I", data[at + 42 : at + 46])[0])
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
    a, b, c = (
        random_array("f4", (3, 4)),
        np.asfortranarray(random_array("i2", (2, 3, 4)).astype(">i2")),
        np.float64(7),
    )
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
    put(
        "forced.npz",
        zip_of({"a.npy": npy_bytes(a), "b.npy": npy_bytes(b)}, zipfile.ZIP_DEFLATED, force_zip64=True),
    )
    put("zip64.npz", zip64_of("a.npy", npy_bytes(a)))
    put("promoted.npz", promoted(zip_of({"a.npy": npy_bytes(a)})))
    put("UPPER.NPZ", zip_of({"a.npy": npy_bytes(a)}))
    check_same(
        "NumPy's .npz, stored",
        "f8",
        [("stored.npz:arr_0", a), ("stored.npz:b", b), ("stored.npz:c", c)],
    )
    check_same(
        "NumPy's .npz, deflated",
        "f8",
        [(f"deflated.npz:{n}", v) for n, v in [("arr_0", a), ("b", b), ("c", c), ("zeros", zeros)]],
    )
    check_same(
        "one array needs no name",
        "f8",
        [("single.npz", a), ("single.npz:images", a), ("UPPER.NPZ", a), ("UPPER.NPZ:a", a)],
    )
    check_same("sizes behind the data", "f8", [("pipe.npz:a", a), ("pipe.npz:b", b)])
    check_same(
        "other members, a comment, an odd name", "f8", [("other.npz", a), ("other.npz:folder/ä b:c", a)]
    )
    check_same("zip64 sizes", "f8", [("forced.npz:b", b), ("zip64.npz", a), ("promoted.npz", a)])
    np.savez("empty.npz")
    np.savez("many.npz", **{f"array_{i}": a for i in range(100)})
    check_refused(
        "arrays that are not there",
        [
            (
                "stored.npz",
                None,
                "stored.npz holds 3 arrays: b, c, arr_0; say which, as in FILE.npz:NAME",
            ),
            ("stored.npz:d", None, 'stored.npz holds no array "d"; it has: b, c, arr_0'),
            ("stored.npz:", None, 'holds no array ""'),
            ("stored.npz:b.npy", None, 'holds no array "b.npy"'),
            ("many.npz", None, "more; say which"),
            ("many.npz:b", None, "array_0, array_1, "),
            ("empty.npz", None, "holds no array"),
            ("empty.npz:x", None, "holds no array"),
            ("none.npz", None, "cannot open none.npz: No such file"),
            ("none.npz:x", None, "cannot open none.npz: No such file"),
            (".npz:x", None, "cannot open .npz:x: No such file"),
        ],
    )


def patched(data, at, new):
    return data[:at] + new + data[at + len(new) :]


def check_passed_over(name, cases):
    """Contradictions that cannot change the array: libzip may refuse them or read it right."""
    for file, data in cases:
        put(file, data)
    problems = []
    for (file, _), got in zip(cases, get("f64", *(case[0] for case in cases))):
        wrong = same("f8", got, np.arange(12))
        if wrong is not None and "not a sound zip file: " not in wrong:
            problems.append(f"{file}: {wrong}")
    claim(name, problems)


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
    unsound = "not a sound zip file: "
    torn = unsound + "it has no directory, or a broken one; it may be cut short"
    cases = [
        ("text", b"no zip file at all, whatever its name is", torn),
        ("npy", inner, torn),
        ("short", s[:-1], unsound),
        ("shorter", s[: e + 4], torn),
        ("behind", s + b"x", unsound),
        ("before", b"x" + s, unsound),
        ("encrypted", patched(s, c + 8, b"\1"), 'member "a.npy": it is encrypted'),
        ("strong", patched(s, c + 8, b"\x41"), "it is encrypted"),
        (
            "bzip2",
            zip_of({"a.npy": inner}, zipfile.ZIP_BZIP2),
            'member "a.npy": packed by method 12; read are 0',
        ),
        ("lzma", zip_of({"a.npy": inner}, zipfile.ZIP_LZMA), "packed by method 14"),
        ("disk", patched(s, e + 4, b"\1"), unsound + "it is one of several disks"),
        ("disk-2", patched(s, e + 6, b"\1"), unsound + "it is one of several disks"),
        ("disk-3", patched(s, e + 8, b"\0"), unsound),
        ("twice", twice, unsound + "there are two members of one name"),
        ("same-start", patched(two, tc + 46 + 5 + 42, bytes(4)), unsound),
        ("more", patched(s, e + 8, b"\2\0\2"), unsound),
        ("fewer", patched(two, two.index(b"PK\5\6") + 8, b"\1\0\1"), unsound),
        ("directory", patched(s, c, b"XX"), torn),
        ("name", patched(s, c + 28, b"\xff"), unsound),
        ("extra", patched(s, c + 30, b"\xff\xff"), unsound),
        ("escape", s.replace(b"a.npy", b"\x1b.npy"), "control characters"),
        ("place", patched(s, c + 42, record("I", 1)), unsound),
        ("place-2", patched(s, c + 42, record("I", 2**31)), unsound),
        ("size", patched(s, c + 20, record("II", n + 1, n + 1)), unsound),
        ("size-2", patched(s, c + 24, record("I", n + 1)), unsound),
        ("size-3", patched(s, c + 20, record("II", n - 1, n - 1)), unsound),
        ("size-4", patched(s, c + 24, b"\xff" * 4), unsound),
        ("local-name", patched(s, 30, b"b"), unsound + "its headers contradict each other"),
        ("local-method", patched(s, 8, b"\x08"), unsound),
        ("local-crc", patched(s, 14, b"\0\0\0\0"), unsound),
        ("local-extra", patched(s, 28, b"\xff\xff"), unsound),
        ("crc", patched(s, 30 + 5 + n - 1, b"\xff"), "do not agree with its CRC"),
        ("deflate", patched(d, 30 + 5 + 3, b"\xff" * 20), 'member "a.npy": '),
    ]
    check_refused(
        "zip files that are broken or refused, by name",
        [(f"zip-{name}.npz", data, text) for name, data, text in cases],
    )
    check_passed_over(
        "flags beside the data",
        [
            ("concatenated.npz", s + s),
            ("masked.npz", patched(s, c + 9, b"\x20")),
            ("patch.npz", patched(s, c + 8, b"\x20")),
            ("disk-4.npz", patched(s, c + 34, b"\1")),
        ],
    )
    check_bad_deflate(inner, d, dc)
    check_bad_zip64(inner)


def check_bad_deflate(inner, d, dc):
    """Sizes that do not agree with what unpacks."""
    n, packed = len(inner), struct.unpack("<I", d[dc + 20 : dc + 24])[0]

    def resized(size):
        return patched(patched(d, dc + 24, record("I", size)), 22, record("I", size))

    longer = by_hand(GOOD.replace("(2,)", "(100,)"), bytes(198))
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = raw.compress(longer) + raw.flush()
    whole = zlib.compressobj(9, zlib.DEFLATED, -15)
    whole = whole.compress(inner) + whole.flush()
    endless = zlib.compressobj(9, zlib.DEFLATED, -15)
    endless = endless.compress(inner) + endless.flush(zlib.Z_SYNC_FLUSH)
    claims_more = by_hand(GOOD.replace("(2,)", "(100,)"), bytes(200))
    header = GOOD.replace("(2,)", "(450000000,)")
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = bomb.compress(by_hand(header, bytes(1000))) + bomb.flush()
    check_refused(
        "sizes that the deflated bytes do not have",
        [
            ("deflate-more.npz", resized(n + 64), f"ends after {n} of {n + 64} bytes"),
            ("deflate-less.npz", resized(n - 4), f"does not end after {n - 4} bytes"),
            ("deflate-none.npz", resized(0), "does not end after 0 bytes"),
            ("deflate-bomb.npz", resized(1 << 30), f"{packed} bytes cannot unpack to {1 << 30}"),
            (
                "deflate-cap.npz",
                resized((1 << 30) + 1),
                f"{(1 << 30) + 1} unpacked; at most {1 << 30} are read",
            ),
            (
                "deflate-header.npz",
                zip64_of("a.npy", longer, method=8, raw=raw),
                f"its header asks for {len(longer) + 2} bytes, the member has {len(longer)}",
            ),
            (
                "deflate-short.npz",
                zip64_of("a.npy", claims_more, method=8, raw=raw),
                'member "a.npy": its bytes do not agree with its CRC',
            ),
            (
                "deflate-large.npz",
                zip64_of(
                    "a.npy", b"", size=10 + len(header) + 900000000, method=8, raw=bomb + bytes(1 << 20)
                ),
                'member "a.npy": its bytes do not agree with its CRC',
            ),
        ],
    )
    check_passed_over(
        "deflated bytes that go on, or have no end",
        [
            ("deflate-tail.npz", zip64_of("a.npy", inner, method=8, raw=whole + b"xy")),
            ("deflate-endless.npz", zip64_of("a.npy", inner, method=8, raw=endless)),
        ],
    )


def check_bad_zip64(inner):
    good = zip64_of("a.npy", inner)
    e, w, x, c = (good.rindex(sign) for sign in (b"PK\6\6", b"PK\6\7", b"PK\5\6", b"PK\1\2"))
    unsound = "not a sound zip file: "
    moved = good[:w] + record("4sQ", b"PK\6\6", 0) + record("4sIQI", b"PK\6\7", 0, w, 1) + good[x:]
    check_refused(
        "zip64 records that are broken, by name",
        [
            (f"zip64-{i}.npz", data, text)
            for i, (data, text) in enumerate(
                [
                    (zip64_of("a.npy", inner, size=2**63), "at most 1073741824 are read"),
                    (zip64_of("a.npy", inner, packed=2**64 - 1), "at most 1073741824 are read"),
                    (zip64_of("a.npy", inner, start=2**64 - 8), unsound),
                    (zip64_of("a.npy", inner, locator=2**64 - 1), unsound),
                    (zip64_of("a.npy", inner, locator=e + 1), unsound),
                    (zip64_of("a.npy", inner, locator=w - 40), unsound),
                    (moved, unsound),
                    (patched(good, e + 40, record("QQ", 2**64 - 8, e + 8)), unsound),
                    (patched(good, w + 4, b"\1"), unsound + "it is one of several disks"),
                    (patched(good, e + 24, b"\2"), unsound + "it is one of several disks"),
                    (patched(good, e + 24, record("QQ", 2**60, 2**60)), unsound),
                    (patched(good, e + 40, record("Q", 2**64 - 1)), unsound),
                    (patched(good, e + 48, record("Q", 2**64 - 1)), unsound),
                    (patched(good, c + 46 + 5 + 5 + 2, b"\x08"), unsound),
                    (patched(good, c + 46 + 5 + 2, b"\xff"), unsound),
                ]
            )
        ],
    )
    check_passed_over(
        "zip64 records that say too much",
        [
            (f"zip64-over-{i}.npz", data)
            for i, data in enumerate(
                [
                    zip64_of("a.npy", inner, disk=1),
                    patched(good, e + 4, record("Q", 45)),
                    patched(good, w + 16, b"\2"),
                    patched(good, e + 16, b"\1"),
                    patched(good, e + 20, b"\1"),
                    patched(good, x + 8, b"\3\0\3\0"),
                    patched(good, x + 12, record("I", 1)),
                    patched(good, x + 16, record("I", 1)),
                    patched(good, c + 46 + 5 + 5 + 2, b"\x18"),
                ]
            )
        ],
    )
    size = 46 * 65537
    crowd = bytes(size) + record("4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 65537, 65537, size, 0)
    crowd += record("4sIQI", b"PK\6\7", 0, size, 1) + record(
        "4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, size, 0, 0
    )
    check_refused("a directory that is too long", [("crowd.npz", crowd, "not a sound zip file: ")])
    many = zip_of({f"{i}": b"" for i in range(65537)})
    check_refused("too many members", [("many-members.npz", many, "65537 members; at most 65536 are read")])


check_npz()
check_bad_zip()
