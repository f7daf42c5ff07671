# SPDX-License-Identifier: MIT
"""Writes corpus/npy and corpus/npz with NumPy and Python's zipfile, small and the same each time.

make_npy_corpus.py (beside its corpus)"""

import io
import os
import warnings
import zipfile

import numpy as np
from numpy.lib import format as npy

os.chdir(os.path.dirname(os.path.abspath(__file__)) + "/corpus")


def put(name, data):
    with open(name, "wb") as f:
        f.write(data)


def npy_bytes(array, version=(1, 0), pad=True):
    f = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        npy.write_array(f, array, version)
    data = f.getvalue()
    if pad:
        return data
    header = data[10:].split(b"}")[0] + b"}\n"  # without NumPy's spaces, for room for mutations
    return data[:8] + len(header).to_bytes(2, "little") + header + array.tobytes()


def zip_bytes(members, method, **how):
    f = io.BytesIO()
    with zipfile.ZipFile(f, "w", method) as z:
        for name, data in members:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = method
            with z.open(info, "w", **how) as member:
                member.write(data)
    return f.getvalue()


a = np.array([[0.5, -1, 2], [3, 4, 5]])
for kind in ["f2", ">f2", "f4", ">f8", "i1", "<i2", ">i4", "i8", "u1", ">u2", "u4", "u8", "?"]:
    put(
        f"npy/{kind.replace('>', 'big-').replace('<', '').replace('?', 'b1')}",
        npy_bytes(a.astype(kind), pad=kind == "f4"),
    )
put("npy/version-2", npy_bytes(a.astype("f4"), (2, 0)))
put("npy/version-3", npy_bytes(a.astype("f4"), (3, 0)))
put("npy/fortran", npy_bytes(np.asfortranarray(a.astype("i2"))))
put("npy/scalar", npy_bytes(np.array(7, "i4"), pad=False))
put("npy/empty", npy_bytes(np.zeros((3, 0, 2), "f4"), pad=False))
put("npy/nan", npy_bytes(np.array([np.nan, np.inf, 1e300, 2.0**63, -0.0]), pad=False))
put("npy/object", npy_bytes(np.array([None]), pad=False)[:-8])  # not the pointer
put("npy/complex", npy_bytes(np.array([1j]), pad=False))
put("npy/text", npy_bytes(np.array(["ab"]), pad=False))
put("npy/fields", npy_bytes(np.zeros(1, [("a", "<f4"), ("b", "u1", (2,))])))

one = npy_bytes(a.astype("f4"), pad=False)
two = [("a.npy", one), ("b.npy", npy_bytes(np.arange(40, dtype="u1") // 9, pad=False))]
put("npz/empty", zip_bytes([], zipfile.ZIP_STORED))
put("npz/stored", zip_bytes(two, zipfile.ZIP_STORED))
put("npz/deflated", zip_bytes(two, zipfile.ZIP_DEFLATED))
put("npz/zip64", zip_bytes(two[:1], zipfile.ZIP_DEFLATED, force_zip64=True))
put("npz/other", zip_bytes([("readme", b"text"), *two[:1]], zipfile.ZIP_STORED))
put("npz/bzip2", zip_bytes([("a.npy", one)], zipfile.ZIP_BZIP2))
f = io.BytesIO()
with zipfile.ZipFile(f, "w") as z:
    z.comment = b"a comment"
    z.writestr(zipfile.ZipInfo("a.npy", (1980, 1, 1, 0, 0, 0)), one)
put("npz/comment", f.getvalue())
# Without a member, but with the records that zip64 adds at the end; zipfile writes them only
# for files that do not fit in a repository.
put(
    "npz/end64",
    b"PK\6\6"
    + (44).to_bytes(8, "little")
    + b"\x2d\0\x2d\0"
    + bytes(40)
    + b"PK\6\7"
    + bytes(12)
    + b"\1\0\0\0"
    + b"PK\5\6"
    + bytes(4)
    + b"\xff" * 12
    + b"\0\0",
)
