#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Write small data sets, good and bad, in the formats that jem-data reads, and compare what it
exported with what was written. Needs NumPy.

    make_sets.py make FOLDER
    make_sets.py compare FOLDER N CLASSES [FORM]    # FOLDER/images.npy and labels.npy
    make_sets.py corpus FOLDER                      # small files for tests/fuzz/corpus
"""

import pathlib
import pickle
import pickletools
import struct
import sys
import zlib

import numpy


def images(n):
    """N x 3 x 32 x 32 bytes in which no two axes can be exchanged unnoticed, and which pack well."""
    i, c, y, x = numpy.ogrid[:n, :3, :32, :32]
    return (37 * i + 61 * c + 5 * (y // 4) + 2 * (x // 8) + (y > x)).astype(numpy.uint8)


def labels(n, classes):
    return (numpy.arange(n) * 11 + 3) % classes


# --- MAT-files, by hand ------------------------------------------------------------------------


def element(order, kind, data):
    """A tag and its bytes, padded to 8; four bytes or less go into the tag."""
    if len(data) <= 4:
        return struct.pack(order + "I", len(data) << 16 | kind) + data.ljust(4, b"\0")
    return struct.pack(order + "II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def matrix(name, dims, data, kind=2, klass=9, packed=False, order="<", flags=0):
    body = element(order, 6, struct.pack(order + "II", klass | flags << 8, 0))
    body += element(order, 5, struct.pack(order + f"{len(dims)}i", *dims))
    body += element(order, 1, name.encode())
    body += element(order, kind, data)
    whole = struct.pack(order + "II", 14, len(body)) + body
    if packed:
        whole = zlib.compress(whole)
        whole = struct.pack(order + "II", 15, len(whole)) + whole
    return whole


def mat(*matrices, order="<", version=0x0100):
    header = b"MATLAB 5.0 MAT-file, made by hand".ljust(124)
    return header + struct.pack(order + "H", version) + (b"IM" if order == "<" else b"MI") + b"".join(matrices)


def x_of(n, dims=None, data=None, **more):
    if data is None:
        data = images(n).transpose(2, 3, 1, 0).tobytes("F")
    return matrix("X", dims or (32, 32, 3, n), data, **more)


def y_of(values, dims=None, **more):
    return matrix("y", dims or (len(values), 1), bytes(values), **more)


def repacked(element, change):
    """A packed array whose zlib stream `change` has changed."""
    stream = change(element[8:])
    return struct.pack("<II", 15, len(stream)) + stream


def svhn(folder):
    good = [int(v) or 10 for v in labels(3, 10)]
    doubles = {"kind": 9, "klass": 6}
    x = x_of(3, packed=True)
    cases = {
        "good": mat(x_of(3), y_of(good)),
        "packed": mat(x_of(3, packed=True), y_of(good, packed=True)),
        "big": mat(x_of(3, order=">"), y_of(good, order=">"), order=">"),
        "y_first": mat(y_of(good, klass=6), matrix("z", (1, 1), b"\1"), x_of(3)),
        "row": mat(x_of(3), y_of(good, dims=(1, 3))),
        "no_x": mat(y_of(good)),
        "no_y": mat(x_of(3)),
        "label_0": mat(x_of(3), y_of([1, 0, 2])),
        "label_11": mat(x_of(3), y_of([1, 2, 11])),
        "label_half": mat(x_of(3), matrix("y", (3, 1), struct.pack("<3d", 1, 2.5, 3), **doubles)),
        "label_nan": mat(x_of(3), matrix("y", (3, 1), struct.pack("<3d", 1, float("nan"), 3), **doubles)),
        "few_labels": mat(x_of(3), y_of(good[:2])),
        "side": mat(x_of(3, dims=(32, 31, 3, 3), data=bytes(32 * 31 * 9)), y_of(good)),
        "no_image": mat(x_of(3, dims=(32, 32, 3, 0), data=b""), y_of([])),
        "flat": mat(x_of(3, dims=(3072, 3)), y_of(good)),
        "int16": mat(x_of(3, klass=10), y_of(good)),
        "complex": mat(x_of(3, flags=8), y_of(good)),
        "claims": mat(x_of(3, dims=(32, 32, 3, 300)), y_of(good)),
        "claims_packed": mat(x_of(3, dims=(32, 32, 3, 30), packed=True), y_of(good * 10)),
        "more_bytes": mat(x_of(3, dims=(32, 32, 3, 2)), y_of(good)),
        "checksum": mat(repacked(x, lambda s: s[:-1] + bytes([s[-1] ^ 1])), y_of(good)),
        "no_checksum": mat(repacked(x, lambda s: s[:-1]), y_of(good)),
        "behind": mat(repacked(x, lambda s: zlib.compress(zlib.decompress(s) + b"!")), y_of(good)),
        "bomb": mat(x_of(3, dims=(32, 32, 3, 600000), packed=True), y_of(good)),
        "overflow": mat(x_of(3, dims=(2**31 - 1, 2**31 - 1, 3, 2**31 - 1)), y_of(good)),
        "negative": mat(x_of(3, dims=(32, 32, 3, -3)), y_of(good)),
        "hdf5": mat(version=0x0200) + b"\x89HDF\r\n\x1a\n",
        "text": b"no MAT-file at all".ljust(200),
    }
    for name, data in cases.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "train_32x32.mat").write_bytes(data)


# --- Pickles -----------------------------------------------------------------------------------


def python2(n, classes, key):
    """The opcodes of Python 2 and NumPy 1, protocol 2, as in the published files."""

    def text(s):
        s = s.encode()
        return b"U" + bytes([len(s)]) + s

    memo = iter(range(1, 256))

    def put(data):
        return data + b"q" + bytes([next(memo)])

    raw = images(n).reshape(n, -1).tobytes()
    out = b"\x80\x02" + put(b"}") + b"(" + put(text("batch_label")) + put(text("training batch 1 of 5"))
    out += put(text(key)) + put(b"]") + b"(" + b"".join(b"K" + bytes([v]) for v in labels(n, classes)) + b"e"
    out += put(text("data")) + put(b"cnumpy.core.multiarray\n_reconstruct\n") + put(b"cnumpy\nndarray\n")
    out += b"K\0\x85" + text("b") + b"\x87" + put(b"R") + b"(K\1" + b"K" + bytes([n]) + b"M\x00\x0c\x86"
    out += put(b"cnumpy\ndtype\n") + text("u1") + b"K\0K\1\x87" + put(b"R")
    out += b"(K\3" + text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    out += b"\x89T" + struct.pack("<I", len(raw)) + raw + b"tb"
    out += put(text("filenames")) + put(b"]") + b"(" + put(text("a.png")) + b"U\5b.png" + b"e" + b"u."
    pickletools.dis(out, out=open("/dev/null", "w"))  # the stream is sound
    loaded = pickle.loads(out, encoding="bytes")
    assert (loaded[b"data"].tobytes(), loaded[key.encode()]) == (raw, labels(n, classes).tolist())
    return out


def cifar(folder):
    """Fives of batches cut from the same images, by every protocol; then files that are bad."""
    x, flat = images(10), images(10).reshape(10, -1)
    y = labels(10, 10)
    for protocol in range(2, 6):
        where = folder / f"protocol{protocol}" / "cifar-10-batches-py"
        where.mkdir(parents=True)
        for i in range(5):
            part = slice(2 * i, 2 * i + 2)
            data = flat[part] if i != 3 else numpy.asfortranarray(flat[part])
            as_array = y[part].astype((">i2", "<u8", "<i4", "|i1", "<i8")[i])
            batch = {"labels": as_array if protocol % 2 else y[part].tolist(), "data": data}
            batch.update({"batch_label": b"\xe9\xff\x00", "none": None, "t": (1.5, True, -7, 2**40, b"")})
            if protocol > 2:
                batch = {k.encode(): v for k, v in batch.items()}
            (where / f"data_batch_{i + 1}").write_bytes(pickle.dumps(batch, protocol))
    old = folder / "python2" / "cifar-10-batches-py"
    old.mkdir(parents=True)
    (old / "test_batch").write_bytes(python2(10, 10, "labels"))
    hundred = folder / "hundred"
    hundred.mkdir()
    (hundred / "train").write_bytes(python2(10, 100, "fine_labels"))
    (hundred / "test").write_bytes(pickle.dumps({"fine_labels": labels(10, 100).tolist(), "data": flat}, 2))
    assert x.shape == (10, 3, 32, 32)
    bad_pickles(folder / "bad", flat[:2])


class Evil:
    def __reduce__(self):
        import os

        return (os.system, ("echo executed > executed",))


def bad_pickles(folder, flat):
    good = python2(2, 10, "labels")
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85C\1btR"
    u1 = b"cnumpy\ndtype\n(C\2u1\x89\x88tR"
    many = b"X\0\0\1\0" + b"a" * 65536 + b"q\0c_codecs\nencode\nq\1X\6\0\0\0latin1q\2"
    cases = {
        "evil": pickle.dumps({"data": flat, "labels": Evil()}, 2),
        "evil4": pickle.dumps({"data": flat, "labels": Evil()}, 4),
        "objects": pickle.dumps({"data": flat.astype(object), "labels": [1, 2]}, 2),
        "set": pickle.dumps({"data": flat, "labels": {1, 2}}, 4),
        "protocol0": pickle.dumps({"data": [], "labels": [1, 2]}, 0),
        "label_10": pickle.dumps({"data": flat, "labels": [1, 10]}, 2),
        "label_negative": pickle.dumps({"data": flat, "labels": [-1, 1]}, 2),
        "label_float": pickle.dumps({"data": flat, "labels": [1.0, 1]}, 2),
        "label_bool": pickle.dumps({"data": flat, "labels": [True, 1]}, 2),
        "few_labels": pickle.dumps({"data": flat, "labels": [1]}, 2),
        "no_labels": pickle.dumps({"data": flat}, 2),
        "no_data": pickle.dumps({"labels": [1, 2]}, 2),
        "list": pickle.dumps([1, 2], 2),
        "floats": pickle.dumps({"data": flat.astype("f4"), "labels": [1, 2]}, 2),
        "narrow": pickle.dumps({"data": flat[:, :-1], "labels": [1, 2]}, 2),
        "data_list": pickle.dumps({"data": [1, 2], "labels": [1, 2]}, 2),
        "unfilled": b"\x80\x02}(C\4data" + array + b"C\6labels]u.",
        "short": good[:-400],
        "tail": good + b"N",
        "no_stop": good[:-1],
        "few_bytes": b"\x80\x02" + array + b"(K\1K\2K\2\x86" + u1 + b"\x89C\3abctb.",
        "huge": b"\x80\x02" + array + b"(K\1" + 3 * b"J\xff\xff\xff\x7f" + b"\x87" + u1 + b"\x89C\0tb.",
        "many": b"\x80\x02" + array + b"(K\1J\xff\xff\xff\x7fK\1\x86" + u1 + b"\x89C\0tb.",
        "long_text": b"\x80\x04\x8d" + struct.pack("<Q", 2**63) + b"abc.",
        "memo": b"\x80\x02]j\xff\xff\xff\x7fa.",
        "memo_large": b"\x80\x02]r\xff\xff\xff\x7f.",
        "item_of_tuple": b"\x80\x02)K\1a.",
        "item_of_array": b"\x80\x02" + array + b"K\1K\2s.",
        "odd_dict": b"\x80\x02}(K\1u.",
        "no_mark": b"\x80\x02]K\1e.",
        "empty_stack": b"\x80\x02.",
        "pops_mark": b"\x80\x02(\x85.",
        "call_number": b"\x80\x02K\1)R.",
        "build_list": b"\x80\x02])b.",
        "latin2": b"\x80\x02c_codecs\nencode\nX\2\0\0\0\xc4\x80X\6\0\0\0latin1\x86R.",
        "unknown": b"\x80\x02\xff.",
        "unknown_global": b"\x80\x02cposix\nsystem\n.",
        "many_values": b"\x80\x02" + b"N" * 1100000 + b".",
        "memory": b"\x80\x02" + many + b"h\1h\0h\2\x86R" * 20000 + b".",
        "itself": b"\x80\x02}q\0(C\4datah\0C\6labels]q\1(h\1h\1eu.",
    }
    for name, data in cases.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "test_batch").write_bytes(data)


# --- NumPy -------------------------------------------------------------------------------------


def npy(folder):
    folder.mkdir()
    x, y = images(10), labels(10, 7)
    floats = (x.astype(numpy.float32) / numpy.float32(127.5) - 1).astype(numpy.float32)
    save = {
        "nchw": x, "nhwc": x.transpose(0, 2, 3, 1).copy(), "nhw": x[:, 0], "floats": floats,
        "doubles": floats.astype("f8"), "halves": floats * 0.731, "beyond": floats * 2, "scaled": ((floats + 1) * 127.5).round(), "unit": (floats + 1) / 2,
        "fortran": numpy.asfortranarray(x), "fhwc": numpy.asfortranarray(x.transpose(0, 2, 3, 1)),
        "floats_hwc": floats.transpose(0, 2, 3, 1).copy(), "x40": images(40), "y40": labels(40, 7).astype("i4"),
        "nan": numpy.where(floats > 0.5, numpy.nan, floats), "int32": x.astype("i4"),
        "two": x[:, 0, 0], "none": x[:0], "deep": x[None],
        "y": y.astype("i4"), "y8": y.astype("u1"), "y_column": y.astype("i8")[:, None],
        "y_some": numpy.where(y == 3, -1, y).astype("i4"), "y_few": y[:9].astype("i4"),
        "y_floats": y.astype("f4"), "y_halves": y / 2, "y_hot": numpy.eye(7, dtype="i8")[y],
        "y_bools": y > 0, "y_one": y[0], "y_negative": (y - 2).astype("i4"), "y_large": (y * 20000).astype("i4"),
    }  # fmt: skip
    for name, value in save.items():
        numpy.save(folder / f"{name}.npy", value)


def make(folder):
    folder = pathlib.Path(folder)
    svhn(folder / "svhn")
    cifar(folder / "cifar")
    npy(folder / "npy")


def compare(folder, n, classes, form="u1"):
    x = numpy.load(pathlib.Path(folder) / "images.npy")
    y = numpy.load(pathlib.Path(folder) / "labels.npy")
    wanted = images(int(n))
    if form == "f4":
        wanted = (wanted.astype("f4") / numpy.float32(127.5) - 1).astype("f4") * 0.731
    if form == "grey":
        wanted = wanted[:, :1]
    assert x.dtype == wanted.dtype and x.shape == wanted.shape, (x.dtype, x.shape)
    assert (x == wanted).all(), numpy.argwhere(x != wanted)[:3]
    assert y.dtype == numpy.int32 and (y == labels(int(n), int(classes))).all(), y


def corpus(folder):
    """Inputs for fuzzing: every structure, few pixels."""
    folder = pathlib.Path(folder)
    small = {"dims": (2, 2, 3, 2), "data": bytes(range(24))}
    long = "a_name_of_more_than_sixty_three_characters_which_no_variable_of_matlab_has"
    mats = {
        "plain": mat(x_of(2, **small), y_of([1, 10])),
        "packed": mat(x_of(2, packed=True, **small), y_of([1, 10], packed=True)),
        "big": mat(x_of(2, order=">", **small), y_of([1, 10], klass=6, order=">"), order=">"),
        "other_first": mat(matrix(long, (1,) * 6, b"\1"), y_of([3, 4], klass=6), x_of(2, **small)),
    }
    types = ((1, "b"), (3, "h"), (4, "H"), (5, "i"), (6, "I"), (7, "f"), (9, "d"))
    for i, (kind, form) in enumerate(types):
        y = matrix("y", (2, 1), struct.pack(f"<2{form}", 1, 10), kind=kind, klass=6, packed=i % 2 == 0)
        mats[f"type{kind}"] = mat(y, x_of(2, **small))
    array, fortran = numpy.arange(6, dtype="u1").reshape(2, 3), numpy.zeros((2, 3), ">i4", "F")
    value = {"data": array, "labels": [1, 2], "f": fortran, "b": b"\xe9"}
    value["none"] = (None, True, 1.5, 2**40, -1, -300, 70000)
    pickles = {f"protocol{p}": pickle.dumps(value, p) for p in range(2, 6)}
    pickles["python2"] = (
        b"\x80\x02}q\1(U\6labelsq\2]q\3(K\1K\2eU\4dataq\4cnumpy.core.multiarray\n_reconstruct\nq\5"
        b"cnumpy\nndarray\nq\6K\0\x85U\1b\x87Rq\7(K\1K\2K\3\x86cnumpy\ndtype\nq\x08U\2u1K\0K\1\x87Rq\t"
        b"(K\3U\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89T\6\0\0\0abcdeftbu."
    )
    for name, data in (("mat", mats), ("pickle", pickles)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for key, value in data.items():
            (folder / name / key).write_bytes(value)


if __name__ == "__main__":
    {"make": make, "compare": compare, "corpus": corpus}[sys.argv[1]](*sys.argv[2:])
