#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Make the sets of `make experiments-own` from what Debian's packages hold.

    own_sets.py OUT [--cifar10 DIR] [--notmnist DIR]

Each set becomes OUT/NAME.images.npy (uint8, N x C x H x W) and OUT/NAME.labels.npy, already shuffled.
A set whose source is not there is named with the package or option that brings it, and left out."""

import argparse
import gzip
import pathlib
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

DIGITS = "/usr/lib/python3/dist-packages/sklearn/datasets/data/digits.csv.gz"
OPENCV = "/usr/share/doc/opencv-doc/examples/data/digits.png"
FASHION = "/usr/share/datasets/fashion-mnist"
PHOTOS = "/usr/lib/python3/dist-packages/skimage/data"
FONTS = "/usr/share/fonts"
FAMILIES = ("DejaVu", "Liberation", "Lato-", "FreeS", "FreeMono", "Nimbus", "P052", "C059", "URW", "Z003")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
GLYPHS = LETTERS + LETTERS.lower() + "0123456789" + "!#$%&()*+,-./:;<=>?@[]^_{|}~\u00a3\u00a7\u00b5\u00bf\u00c4\u00d6\u00dc\u00df\u00e9\u00f1"


class Missing(Exception):
    """A source that is not here."""


def need(path, how):
    if not pathlib.Path(path).exists():
        raise Missing(f"{path} is missing: {how}")
    return pathlib.Path(path)


# --- One function a set: images N x C x H x W or N x H x W, labels ------------------------------------


def digits8():
    table = np.loadtxt(gzip.open(need(DIGITS, "install python3-sklearn")), delimiter=",")
    return np.round(table[:, :64] * 255 / 16).reshape(-1, 8, 8), table[:, 64]


def handwriting():
    """20 x 20 digits in the middle of 28 x 28."""
    sheet = np.asarray(Image.open(need(OPENCV, "install opencv-doc")).convert("L"))
    cells = sheet.reshape(50, 20, 100, 20).swapaxes(1, 2).reshape(-1, 20, 20)
    return np.pad(cells, ((0, 0), (4, 4), (4, 4))), np.repeat(np.arange(10), 500)


def fonts():
    found = [p for ending in ("ttf", "otf", "t1") for p in pathlib.Path(FONTS).rglob(f"*.{ending}")]
    found = sorted(p for p in found if p.name.startswith(FAMILIES) and p.suffix != ".t1")
    if len(found) < 20:
        raise Missing(f"only {len(found)} fonts in {FONTS}: install fonts-dejavu, fonts-liberation, fonts-lato, "
                      "fonts-freefont-ttf and fonts-urw-base35")
    return found


def glyph(font, character, rng):
    """One character, 28 x 28, white on black, a little moved and turned."""
    canvas = Image.new("L", (56, 56))
    ImageDraw.Draw(canvas).text((28, 28), character, 255, ImageFont.truetype(str(font), int(rng.integers(34, 46))),
                                anchor="mm")
    canvas = canvas.rotate(rng.uniform(-12, 12), Image.Resampling.BILINEAR)
    left, top = rng.integers(-4, 5, 2)
    return np.asarray(canvas.crop((left, top, left + 56, top + 56)).resize((28, 28), Image.Resampling.BOX))


def characters(text, count, rng):
    """count(k) pictures of the k-th character, each in a font of its own choice."""
    faces = fonts()
    images = [(glyph(faces[rng.integers(len(faces))], c, rng), k) for k, c in enumerate(text) for _ in range(count(k))]
    return np.stack([image for image, _ in images]), [k for _, k in images]


def letters(rng):
    return characters(LETTERS, lambda k: 250, rng)


def glyphs(rng):
    """100 classes, the commonest 200 times, the rarest 20 times."""
    return characters(GLYPHS[:100], lambda k: int(round(200 * 10 ** (-k / 99))), rng)


def idx(path):
    data = gzip.open(path).read()
    rank = data[3]
    shape = np.frombuffer(data, ">i4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def fashion(count):
    folder = need(FASHION, "install dataset-fashion-mnist")
    images, labels = idx(folder / "train-images-idx3-ubyte.gz"), idx(folder / "train-labels-idx1-ubyte.gz")
    return images[:count], labels[:count]


def sandal_bag():
    images, labels = fashion(60000)
    keep = (labels == 5) | (labels == 8)
    return images[keep], labels[keep] == 8


def photographs(rng):
    """64 x 64 crops of twelve photographs. The left three quarters give the training's crops, the
    rest those of the test, so that no pixel is in both; they come last."""
    names = ["astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "grass.png",
             "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "rocket.jpg"]
    parts = {False: ([], []), True: ([], [])}
    for k, name in enumerate(names):
        photo = np.asarray(Image.open(need(f"{PHOTOS}/{name}", "install python3-skimage")).convert("RGB"))
        edge = photo.shape[1] * 3 // 4
        for test, left, right, count in ((False, 0, edge, 300), (True, edge, photo.shape[1], 60)):
            for _ in range(count):
                y, x = rng.integers(photo.shape[0] - 63), rng.integers(left, right - 63)
                parts[test][0].append(photo[y:y + 64, x:x + 64].transpose(2, 0, 1))
                parts[test][1].append(k)
    return [(np.stack(images), labels) for images, labels in parts.values()]


def cifar10(folder, count):
    folder = need(folder, "say --cifar10 DIR, with data_batch_1.bin and so on") if folder else None
    if folder is None:
        raise Missing("say --cifar10 DIR (CIFAR10=DIR for make)")
    table = np.concatenate([np.fromfile(folder / f"data_batch_{i}.bin", np.uint8).reshape(-1, 3073) for i in range(1, 6)])
    return table[:count, 1:].reshape(-1, 3, 32, 32), table[:count, 0]


def notmnist(folder):
    if not folder:
        raise Missing("say --notmnist DIR (NOTMNIST=DIR for make)")
    images = sorted(pathlib.Path(folder).glob("*images-idx3-ubyte.gz"))
    labels = sorted(pathlib.Path(folder).glob("*labels-idx1-ubyte.gz"))
    if not images or len(images) != len(labels):
        raise Missing(f"{folder} has no *images-idx3-ubyte.gz with *labels-idx1-ubyte.gz")
    return np.concatenate([idx(p) for p in images]), np.concatenate([idx(p) for p in labels])


# --- Writing ----------------------------------------------------------------------------------------


def write(out, name, images, labels, rng):
    images = np.asarray(images).astype(np.uint8)
    images = images[:, None] if images.ndim == 3 else images
    order = rng.permutation(len(images))
    np.save(out / f"{name}.images.npy", images[order])
    np.save(out / f"{name}.labels.npy", np.asarray(labels, np.int64)[order])
    print(f"{name:24} {len(images):6} images {images.shape[1]} x {images.shape[2]} x {images.shape[3]}, "
          f"{len(set(np.asarray(labels, np.int64).tolist()))} classes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--cifar10")
    parser.add_argument("--notmnist")
    arg = parser.parse_args()
    arg.out.mkdir(parents=True, exist_ok=True)
    makers = {
        "digits8": lambda rng: digits8(),
        "handwriting": lambda rng: handwriting(),
        "letters": letters,
        "glyphs": glyphs,
        "notmnist": lambda rng: notmnist(arg.notmnist),
        "fashion-1000": lambda rng: fashion(1000),
        "fashion-10000": lambda rng: fashion(10000),
        "fashion-60000": lambda rng: fashion(60000),
        "sandal-bag": lambda rng: sandal_bag(),
        "photographs": photographs,
        "cifar10-5000": lambda rng: cifar10(arg.cifar10, 5000),
        "cifar10-50000": lambda rng: cifar10(arg.cifar10, 50000),
    }
    for name, make in makers.items():
        rng = np.random.default_rng(1)
        try:
            made = make(rng)
        except Missing as reason:
            print(f"{name:24} left out: {reason}")
            continue
        if isinstance(made, list):
            write(arg.out, name, *made[0], rng)
            write(arg.out, name + ".test", *made[1], rng)
        else:
            write(arg.out, name, *made, rng)
    return 0


if __name__ == "__main__":
    sys.exit(main())
