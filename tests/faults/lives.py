# SPDX-License-Identifier: MIT
"""The files that programs under faults read, and what runs on them."""

import json
import math
import pathlib
import struct
import sys
import zipfile
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cli"))
import make_sets  # noqa: E402

TINY = "model.arch=mlp model.layers=2 model.hidden=5 train.batch=8 sgld.steps=2 pcd.capacity=16 train.crop_pad=1 " \
       "train.decay_epochs=90,100,110 guard.mode=act guard.states=2".split()
SETTINGS = [word for setting in TINY for word in ("--set", setting)]

# --- Files ----------------------------------------------------------------------------------------


def npy(path, kind, shape, data):
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data)


def png(path, width, height, value):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    rows = b"".join(b"\0" + bytes((value * 7 + x * y) % 256 for x in range(width)) for y in range(height))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def safetensors(path, shapes):
    """Tensors that all lie at the same zeros: the smallest file that has weights of these shapes."""
    sizes = {name: 4 * math.prod(shape) for name, shape in shapes.items()}
    header = json.dumps({name: {"dtype": "F32", "shape": list(shape), "data_offsets": [0, sizes[name]]}
                         for name, shape in shapes.items()}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(max(sizes.values())))


def inception_shapes():
    """Names and shapes of Inception-v3: block: layers name:inputs:outputs:height:width."""
    def e(i):
        return (f"branch1x1:{i}:320:1:1 branch3x3_1:{i}:384:1:1 branch3x3_2a:384:384:1:3 branch3x3_2b:384:384:3:1 "
                f"branch3x3dbl_1:{i}:448:1:1 branch3x3dbl_2:448:384:3:3 branch3x3dbl_3a:384:384:1:3 "
                f"branch3x3dbl_3b:384:384:3:1 branch_pool:{i}:192:1:1")

    def a(i, pooled):
        return (f"branch1x1:{i}:64:1:1 branch5x5_1:{i}:48:1:1 branch5x5_2:48:64:5:5 branch3x3dbl_1:{i}:64:1:1 "
                f"branch3x3dbl_2:64:96:3:3 branch3x3dbl_3:96:96:3:3 branch_pool:{i}:{pooled}:1:1")

    def c(w):
        return (f"branch1x1:768:192:1:1 branch7x7_1:768:{w}:1:1 branch7x7_2:{w}:{w}:1:7 branch7x7_3:{w}:192:7:1 "
                f"branch7x7dbl_1:768:{w}:1:1 branch7x7dbl_2:{w}:{w}:7:1 branch7x7dbl_3:{w}:{w}:1:7 "
                f"branch7x7dbl_4:{w}:{w}:7:1 branch7x7dbl_5:{w}:192:1:7 branch_pool:768:192:1:1")

    blocks = {
        "": "Conv2d_1a_3x3:3:32:3:3 Conv2d_2a_3x3:32:32:3:3 Conv2d_2b_3x3:32:64:3:3 Conv2d_3b_1x1:64:80:1:1 "
            "Conv2d_4a_3x3:80:192:3:3",
        "Mixed_5b.": a(192, 32), "Mixed_5c.": a(256, 64), "Mixed_5d.": a(288, 64),
        "Mixed_6a.": "branch3x3:288:384:3:3 branch3x3dbl_1:288:64:1:1 branch3x3dbl_2:64:96:3:3 "
                     "branch3x3dbl_3:96:96:3:3",
        "Mixed_6b.": c(128), "Mixed_6c.": c(160), "Mixed_6d.": c(160), "Mixed_6e.": c(192),
        "Mixed_7a.": "branch3x3_1:768:192:1:1 branch3x3_2:192:320:3:3 branch7x7x3_1:768:192:1:1 "
                     "branch7x7x3_2:192:192:1:7 branch7x7x3_3:192:192:7:1 branch7x7x3_4:192:192:3:3",
        "Mixed_7b.": e(1280), "Mixed_7c.": e(2048),
    }
    shapes = {"fc.weight": (1008, 2048)}
    for block, layers in blocks.items():
        for layer in layers.split():
            name, i, o, height, width = layer.split(":")
            shapes[f"{block}{name}.conv.weight"] = (int(o), int(i), int(height), int(width))
            for part in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"{block}{name}.bn.{part}"] = (int(o),)
    return shapes


def make_arrays(folder):
    n = 40
    pixels = bytes((i * 37 + i // 64 * 11) % 256 for i in range(n * 64))
    labels = struct.pack(f"<{n}q", *(i % 4 for i in range(n)))
    npy(folder / "images.npy", "|u1", (n, 1, 8, 8), pixels)
    npy(folder / "labels.npy", "<i8", (n,), labels)
    npy(folder / "floats.npy", "<f4", (n, 8, 8, 1), struct.pack(f"<{n * 64}f", *(p / 127.5 - 1 for p in pixels)))
    npy(folder / "colour.npy", "|u1", (2, 5, 5, 3), pixels[:150])
    npy(folder / "chw.npy", "|u1", (2, 3, 5, 5), pixels[:150])
    npy(folder / "sets.npy", "<f4", (12, 7), struct.pack("<84f", *(p % 13 / 7 for p in pixels[:84])))
    npy(folder / "large.npy", "|u1", (900, 1, 40, 40), bytes(900 * 1600))
    with zipfile.ZipFile(folder / "two.npz", "w", zipfile.ZIP_DEFLATED) as z:
        z.write(folder / "images.npy", "images.npy")
        z.write(folder / "labels.npy", "labels.npy", zipfile.ZIP_STORED)


def make_data(folder):
    make_arrays(folder)
    (folder / "cifar").mkdir()
    for name in ["data_batch_%d.bin" % i for i in range(1, 6)] + ["test_batch.bin"]:
        (folder / "cifar" / name).write_bytes(b"".join(bytes([i % 10]) + bytes((i * 5 + j) % 256 for j in range(3072))
                                                       for i in range(10)))
    for k in range(4):
        (folder / "pictures" / f"class{k}").mkdir(parents=True)
        for i in range(4):
            png(folder / "pictures" / f"class{k}" / f"{i}.png", 8, 8, 4 * k + i)
    (folder / "svhn").mkdir()
    good = [1, 10, 3]
    (folder / "svhn/train_32x32.mat").write_bytes(make_sets.mat(make_sets.x_of(3, packed=True),
                                                                make_sets.y_of(good, packed=True)))
    (folder / "svhn/test_32x32.mat").write_bytes(make_sets.mat(make_sets.x_of(3), make_sets.y_of(good)))
    make_sets.cifar(folder / "pickles")
    safetensors(folder / "inception.safetensors", inception_shapes())
    (folder / "archive.pt").write_bytes(b"PK\3\4 is how a zip file begins, and a checkpoint of PyTorch")


ODD = "od\udcff'd.npy"  # not UTF-8, and not plain for a shell
# What a program that was killed left behind.
LEFT = "o.json.tmp-0123456789abcdef"


def make_start(folder):
    """What each life begins with, beside the training that `train` makes there."""
    png(folder / "old.png", 8, 8, 1)
    (folder / "linked.png").symlink_to("old.png")
    (folder / LEFT).write_bytes(b"{")
    npy(folder / ODD, "|u1", (40, 1, 8, 8), bytes(i % 251 for i in range(40 * 64)))
    (folder / "picture.svg").write_text("<svg></svg>\n")


# --- Lives ----------------------------------------------------------------------------------------

# What runs, in a copy of the folder `start` of its own. "{data}" are the files above.
DATA = ["--data", "npy:{data}/images.npy,{data}/labels.npy"]
TRAIN = ["jem-train", *DATA, "--validation", "8", "--validate-every", "2", "--threads", "2", "--quiet", *SETTINGS]
START = [*TRAIN, "--out", "run", "--steps", "5", "--stop-after", "3"]
START_ODD = ["jem-train", "--data", "npy:" + ODD, "--out", "odd", "--steps", "2", "--stop-after", "1", "--quiet", *SETTINGS]
SAVE = ["--save-every", "0.0000001", "--threads", "2", "--quiet"]
# How trainings go on that were cut off after they had saved something.
RESUME = {
    "train": ["jem-train", "--resume", "out/last.safetensors", *SAVE],
    "odd-train": ["jem-train", "--resume", "o ' t/last.safetensors", *SAVE],
}

LIVES = {
    "train": [*TRAIN, "--out", "out", "--steps", "4", *SAVE],
    "resume": ["jem-train", "--resume", "run/last.safetensors", *SAVE],
    "score": ["jem-score", "--model", "run/best.safetensors", "--input", "{data}/images.npy",
              "--out", "out", "--grad", "--features"],
    "pictures": ["jem-score", "--model", "run/best.safetensors", "--input", "{data}/pictures/class1/2.png",
                 "{data}/pictures/class2/1.png", "--out", "out"],
    "info": ["jem-data", "info", "folder:{data}/pictures", "--json", "info.json"],
    "cifar": ["jem-data", "export", "cifar10:{data}/cifar", "--out", "out", "--quiet"],
    "grid": ["jem-data", "grid", "folder:{data}/pictures", "--out", "linked.png", "--quiet"],
    "sample": ["jem-sample", "--model", "run/best.safetensors", "--steps", "2", "--count", "8", "--per-class", "1",
               "--quiet", "--out", "out"],
    "demo": ["jem-demo", "--model", "run/best.safetensors", "--run", "run", *DATA, "--out", "out", "--quiet"],
}

MODEL = ["--model", "run/best.safetensors", *DATA, "--quiet"]
JSON = ["--json", "o.json", "--csv", "o.csv", "--out", "out"]
HYBRID = ["jem-hybrid", *MODEL, "--features", "run/best.safetensors", "--count", "8", "--steps", "2", "--chains", "24"]
INFO = ["jem-data", "info"]
EXPORT = ["jem-data", "export"]
QUIET = ["--out", "out", "--quiet"]

# Lives that end with code 1 also undisturbed.
REFUSED = ("refused",)

# Only in the long run.
MORE = {
    **{name: ["jem-robustness", *MODEL, "--count", "3", "--attack", name, "--eps", "0.03", "--steps", "2", "--queries", "300" if name == "hopskipjump" else "40",
              "--restarts", "2", "--noises", "2", "--norm", "l2" if name == "pointwise" else "linf", "--json", "o.json"]
       for name in ("pgd", "pgd-min", "apgd", "square", "hopskipjump", "pointwise", "noise")},
    "refined": ["jem-robustness", *MODEL, "--count", "3", "--attack", "pgd", "--eps", "0.03", "--steps", "2", "--refine",
                "1", *JSON],
    "transfer": ["jem-robustness", *MODEL, "--count", "3", "--attack", "transfer", "--source", "run/last.safetensors",
                 "--eps", "0.03", "--steps", "2"],
    "ood": ["jem-ood", *MODEL, "--ood", "noise", "--ood", "interp", "--ood", "constant", "--bootstrap", "5", *JSON],
    "calibration": ["jem-calibration", *MODEL, "--fit-data", "folder:{data}/pictures", *JSON],
    "distal": ["jem-distal", *MODEL, "--count", "1", "--steps", "2", *JSON],
    "likely": ["jem-likely", *MODEL, "--samples", "run/last.safetensors", *JSON],
    "semisup": ["jem-semisup", *DATA, "--quiet", "--labels", "2", "--seeds", "1", "--test", "folder:{data}/pictures",
                "--validation", "8", "--steps", "2",
                *SETTINGS, *JSON],
    "hybrid": [*HYBRID, "--keep", "50", *JSON],
    "buffer": [*HYBRID, "--from-buffer", "run/last.safetensors"],
    "stability": ["jem-stability", *DATA, "--quiet", "--seeds", "1", "--stop-after", "4", "--save-every", "2",
                  "--recovery-steps", "2", "--variant", "train.lr=1000,train.warmup_steps=0,sgld.clamp_x=0,train.energy_l2=0", *SETTINGS, *JSON],
    "svhn": [*EXPORT, "svhn:{data}/svhn", *QUIET],
    "svhn-test": [*INFO, "svhn:{data}/svhn", "--split", "test"],
    "pickles": [*EXPORT, "cifar10:{data}/pickles/protocol5", *QUIET],
    "python2": [*EXPORT, "cifar10:{data}/pickles/python2", "--split", "test", *QUIET],
    "celeba": [*EXPORT, "celeba:{files}/celeba,attr=Bald,size=12x10,grey", *QUIET],
    "formats": [*EXPORT, "images:{files}/formats,size=6,colour,test=20%", *QUIET],
    "npz": ["jem-score", "--model", "run/best.safetensors", "--input", "{data}/two.npz:images", "--out", "out"],
    "floats": [*INFO, "npy:{data}/floats.npy,{data}/labels.npy,range=-1..1,test=20%", "--json", "o.json"],
    "large": [*INFO, "npy:{data}/large.npy"],
    "odd-name": [*INFO, "npy:" + ODD, "--json", "o.json"],
    "odd-train": ["jem-train", "--data", "npy:" + ODD, "--out", "o ' t", "--steps", "2", *SAVE, *SETTINGS],
    "odd-resume": ["jem-train", "--resume", "odd/last.safetensors", *SAVE],
    "unfinished": [*TRAIN, "--out", "o ' t", "--steps", "5", "--stop-after", "1"],
    "refused": ["jem-score", "--model", "{data}/archive.pt", "--input", "{data}/images.npy"],
    "accuracy": ["jem-hybrid", *MODEL, "--chains", "0", "--json", "/dev/fd/2"],
    "help": ["jem-train", "--help"],
    "help-long": ["jem-stability", "--help"],
    "options": ["jem-train", "--list-options"],
    "dry-run": ["jem-robustness", *MODEL, "--attack", "noise", "--input-noise", "0.5", "--dry-run"],
    "pages": ["../tests/pages", "picture.svg", "o"],
    "stdout": [*INFO, "folder:{data}/pictures", "--json", "-"],
    "device": [*INFO, "folder:{data}/pictures", "--json", "/dev/null"],
    "kinds": ["jem-data", "--kinds"],
    "man": ["jem-train", "--print-man"],
    "man-notes": ["jem-stability", "--print-man"],
    "bash": ["jem-train", "--print-completion", "bash"],
    "zsh": ["jem-train", "--print-completion", "zsh"],
    "resize": ["../tests/inception", "resize", "{data}/colour.npy", "o.npy"],
    "frechet": ["../tests/inception", "frechet", "{data}/sets.npy", "{data}/sets.npy"],
    "inception": ["../tests/inception", "look", "{data}/inception.safetensors", "{data}/chw.npy", "o.npy"],
    "inception-score": ["../tests/inception", "score", "{data}/sets.npy", "3", "7"],
}
