#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Write the inputs that fuzzing begins with: small files, valid and nearly valid.

    python3 make_corpus.py [FOLDER]        # default: corpus/ beside this file

Files that fuzzing found are in the same folders and are left alone.
"""

import json
import pathlib
import struct
import sys


def safetensors(tensors, metadata=None, fill=b"\x00"):
    """Header length, JSON header, data. `tensors`: name -> (dtype, shape, bytes per number)."""
    header, end = {}, 0
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, (dtype, shape, size) in tensors.items():
        count = 1
        for n in shape:
            count *= n
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + count * size]}
        end += count * size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + fill * end


def safetensors_inputs():
    yield "empty", safetensors({})
    dtypes = {"U64": 8, "I64": 8, "F64": 8, "F32": 4, "U32": 4, "I32": 4, "BF16": 2, "F16": 2}
    dtypes.update({"U16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1, "C64": 8, "F8_E4M3": 1})
    each = {f"t.{name}": (name, [2, 1], size) for name, size in dtypes.items()}
    yield "dtypes", safetensors(each, fill=b"\x3f")
    yield "shapes", safetensors({"scalar": ("F32", [], 4), "none": ("F32", [0, 7], 4)}, {"k": "v"})
    mlp = {"arch": "mlp", "hidden": "2", "layers": "1", "channels": "1", "height": "2"}
    mlp.update({"width": "1", "classes": "2"})
    ours = {"format": "libjem", "format_version": "1"}
    ours.update({f"model.{k}": v for k, v in mlp.items()})
    weights = {"fc1.weight": [2, 2], "fc1.bias": [2], "class_output.weight": [2, 2]}
    weights["class_output.bias"] = [2]
    yield "mlp", safetensors({k: ("F32", v, 4) for k, v in weights.items()}, ours)
    yield "hole", safetensors({"a": ("U8", [3], 1)}).replace(b"[0,3]", b"[1,3]")


def wrn(widen, channels, classes):
    """Names and shapes of the official code's WRN-10, with its unused heads."""
    shapes, width = {"f.conv1": [16, channels, 3, 3]}, 16
    for stage in (1, 2, 3):
        place, out = f"f.layer{stage}.0.", 8 * 2**stage * widen
        shapes[place + "conv1"], shapes[place + "conv2"] = [out, width, 3, 3], [out, out, 3, 3]
        if out != width or stage > 1:
            shapes[place + "shortcut.0"] = [out, width, 1, 1]
        width = out
    shapes.update({"class_output": [classes, width], "energy_output": [1, width]})
    shapes["f.linear"] = [10, width]
    both = {}
    for name, shape in shapes.items():
        both[name + ".weight"], both[name + ".bias"] = shape, shape[:1]
    return both


def checkpoint_inputs():
    for name, dtype, size, sizes in (("grey", "F16", 2, (1, 1, 3)), ("wide", "F32", 4, (2, 3, 10))):
        tensors = {k: (dtype, v, size) for k, v in wrn(*sizes).items()}
        metadata = {"model.height": "8", "model.width": "12"} if name == "grey" else None
        whole = safetensors(tensors, metadata)
        yield name, whole[8 : 8 + struct.unpack("<Q", whole[:8])[0]].rstrip()


def idx(sizes, data):
    return struct.pack(f">BBBB{len(sizes)}I", 0, 0, 8, len(sizes), *sizes) + data


def idx_inputs():
    for name, sizes in (("grey", [3, 2, 2]), ("colour", [2, 3, 2, 1])):
        images, labels = idx(sizes, bytes(range(12))), idx(sizes[:1], bytes([9, 0, 5][: sizes[0]]))
        yield name, struct.pack("<H", len(images)) + images + labels
    images = idx([65536, 65536, 65536], b"")
    yield "overflow", struct.pack("<H", len(images)) + images + idx([65536], b"")


def cifar_inputs():
    pixels = bytes(i % 256 for i in range(3072))
    yield "ten", b"\x09" + pixels
    yield "hundred", b"\x13\x63" + pixels


def record_inputs():
    texts = {"name": "set", "title": "images", "kind": "text", "group": True, "right": True}
    share = {"name": "share", "title": "share", "kind": "number", "decimals": 1, "percent": True}
    share.update({"unit": " %", "good": 0.9, "bad": 0.5})
    above = {"name": "high", "kind": "number", "decimals": 1, "join": " to ", "sign": True}
    shown = {"title": "shown", "kind": "digits", "decimals": 3, "values": [1.5, None]}
    rows = [{"set": "a", "share": 0.25, "high": 0.5}, {"set": "a", "share": None}]
    plain = {"name": "results", "title": "T", "note": "n", "rows": ["results"], "hidden": [1]}
    plain.update({"columns": [texts, share, above, shown], "runs": [0]})
    yield "rows", {"protocol": "p", "results": rows, "tables": [plain]}
    score = {"name": "score", "title": "score", "kind": "text", "words": ["S", None, "U"]}
    wide = {"name": "w", "across": "score", "figure": "n", "rows": ["w"]}
    wide["columns"] = [texts, score, {"name": "n", "title": "n", "kind": "whole"}]
    rows = [{"set": s, "score": v, "n": n} for s, v, n in (("a", "s", 1), ("a", "t", 2), ("b", "s", 3))]
    yield "across", {"w": rows, "tables": [wide]}
    truth = {"name": "ok", "title": "ok", "kind": "truth"}
    placed = {"title": "P", "rows": [".", "scaled.all", None], "columns": [truth], "only_page": True}
    yield "placed", {"ok": True, "scaled": {"all": None}, "tables": [placed]}
    yield "none", {"program": "jem-ood"}


def main():
    here = pathlib.Path(__file__).parent / "corpus"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here
    makers = {"safetensors": safetensors_inputs, "checkpoint": checkpoint_inputs}
    makers.update({"idx": idx_inputs, "cifar": cifar_inputs})
    makers["record"] = lambda: ((name, json.dumps(file).encode()) for name, file in record_inputs())
    for target, inputs in makers.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, data in inputs():
            (folder / target / name).write_bytes(data)


if __name__ == "__main__":
    main()
