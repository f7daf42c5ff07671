# SPDX-License-Identifier: MIT
"""The folder in which the documents' commands are run: every file that they name, but small.

Models are trained for a few steps on real images, data sets of other places are twins in the
true format with a few made images each."""

import pathlib
import struct
import subprocess
import sys
import zlib

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
import make_sets  # noqa: E402

TINY = ["--set", "model.filters=4", "--set", "pcd.capacity=32", "--set", "train.batch=16",
        "--set", "sgld.steps=2", "--validation", "40", "--stop-after", "6", "--quiet"]


def records(path, images, names):
    """CIFAR's binary version: the bytes of the labels, then those of the image."""
    labels = [make_sets.labels(len(images), n).astype(numpy.uint8)[:, None] for n in names]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(numpy.hstack(labels + [images.reshape(len(images), -1)]).tobytes())


def cifar(folder):
    for name in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
        records(folder / name, make_sets.images(40), [10])
    return folder


def cifar100(folder):
    for name in ["train.bin", "test.bin"]:
        records(folder / name, make_sets.images(1000), [20, 100])
    return folder


def write_png(path, grey):
    """Rows x columns bytes as an 8-bit grey PNG file."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows, columns = grey.shape
    lines = b"".join(b"\0" + line.tobytes() for line in grey)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n"
                     + chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


class Playground:
    def __init__(self, folder, build, root):
        self.folder, self.bin = pathlib.Path(folder), pathlib.Path(build).resolve() / "bin"
        for name in ["examples", "include", "tests", "docs"]:
            (self.folder / name).symlink_to(root / name)
        (self.folder / "build").symlink_to(pathlib.Path(build).resolve())

    def run(self, program, *words):
        subprocess.run([self.bin / program, *map(str, words)], cwd=self.folder, check=True,
                       stdout=subprocess.DEVNULL)

    def train(self, out, *words):
        self.run("jem-train", "--preset", "demo", *words, *TINY, "--overwrite", "--out", out)

    def make(self):
        """Names are those that the documents use."""
        here = self.folder
        for name in ["C10", "cifar-10-batches-bin"]:
            cifar(here / name)
        for name in ["C100", "cifar-100-binary"]:
            cifar100(here / name)
        self.train("demo")
        self.train("plain", "--preset", "classifier")
        self.train("ebm", "--set", "train.weight_py_x=0")
        (here / "classifier").symlink_to("plain")
        (here / "run").symlink_to("c10")
        self.train("c10", "--data", "cifar10:C10")
        self.train("c100", "--data", "cifar100:C100")
        (here / "last.safetensors").symlink_to("c10/last.safetensors")
        (here / "jem.safetensors").symlink_to("c10/last.safetensors")
        self.pictures()

    def pictures(self):
        """Arrays and picture files of Fashion-MNIST, a folder per class, and pictures of no class."""
        here = self.folder
        self.run("jem-data", "export", "fashion-mnist", "--split", "test", "--out", "arrays")
        images, labels = (numpy.load(here / "arrays" / f"{name}.npy") for name in ("images", "labels"))
        numpy.save(here / "images.npy", images[:100])
        numpy.save(here / "labels.npy", labels[:100])
        for kind, number in {"bags": 8, "sneakers": 7, "trousers": 1}.items():
            for i, image in enumerate(images[labels == number][:60]):
                large = image[0].repeat(8, 0).repeat(8, 1)
                write_png(here / "pictures" / ("test" if i < 20 else "train") / kind / f"{i:02}.png", large)
        for i, image in enumerate(images[labels == 6][:20]):
            write_png(here / "others" / f"{i:02}.png", image[0].repeat(8, 0).repeat(8, 1))
        for kind, number in {"shoe": 7, "shirt": 6}.items():
            write_png(here / f"{kind}.png", images[labels == number][0][0])
