#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Image files of many kinds, and the pixels that Pillow sees in them.

    make.py FOLDER [SEED]

writes folders of images and cases.txt, a line per case: NAME SPLIT KIND FOLDER[,OPTIONS] IMAGES
CHANNELS HEIGHT WIDTH CLASSES SHA256. The numbers are what jem-data info has to say of
KIND:FOLDER[,OPTIONS]; the digest is that of all pixels and then all labels. The files in
tests/images/files are those of seed 0; other seeds give more and larger ones. Needs python3-pil
and python3-numpy.
"""

import hashlib
import os
import struct
import sys
import zlib

import numpy as np
from PIL import Image, PngImagePlugin


def picture(rng, height, width, channels=3, smooth=6):
    """Blobs of colour with a little noise: neither flat nor only noise, and small as a file."""
    low = rng.uniform(-40, 295, (height // smooth + 2, width // smooth + 2, channels))
    y, x = np.linspace(0, low.shape[0] - 1.01, height), np.linspace(0, low.shape[1] - 1.01, width)
    i, j = y.astype(int)[:, None], x.astype(int)[None, :]
    a, b = (y % 1)[:, None, None], (x % 1)[None, :, None]
    smooth = (1 - a) * ((1 - b) * low[i, j] + b * low[i, j + 1]) + a * ((1 - b) * low[i + 1, j] + b * low[i + 1, j + 1])
    return np.clip(smooth + rng.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8).squeeze()


def save(path, pixels, **how):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **how)


ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def save_png(path, samples, kind, depth, interlaced=False, extra=b""):
    """A PNG by hand, for what Pillow does not write. samples: height x width x channels."""
    height, width = samples.shape[:2]

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    def rows(part):
        part = part.astype(">u2" if depth == 16 else np.uint8)
        if depth < 8:  # one sample per pixel
            bits = np.unpackbits(part.reshape(part.shape[0], -1, 1), axis=2)[:, :, 8 - depth:]
            part = np.packbits(bits.reshape(part.shape[0], -1), axis=1)
        return b"".join(b"\0" + row.tobytes() for row in part)

    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    parts = [samples[y::dy, x::dx] for y, x, dy, dx in passes]
    data = b"".join(rows(p) for p in parts if p.size)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
                   + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


def resize_shorter(image, size):
    """torchvision's Resize(size)."""
    w, h = image.size
    to = (size, int(size * h / w)) if w <= h else (int(size * w / h), size)
    return image.resize(to, Image.BILINEAR)


def crop(image, height, width):
    """torchvision's CenterCrop((height, width))."""
    top, left = int(round((image.height - height) / 2.0)), int(round((image.width - width) / 2.0))
    return image.crop((left, top, left + width, top + height))


def square(size):
    return lambda image: crop(resize_shorter(image, size), size, size)


class Cases:
    def __init__(self, folder, large):
        self.folder, self.large, self.lines = folder, large, []

    def add(self, name, split, spec, images, change=lambda image: image, labels=None, classes=1, mode="RGB"):
        """What Pillow gives for images or the files of these names, after `change`."""
        x = []
        for image in images:
            if isinstance(image, str):
                image = Image.open(f"{self.folder}/{image}")
            pixels = np.asarray(change(image.convert("RGB").convert(mode)))
            x.append(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))
        x = np.stack(x)
        digest = hashlib.sha256(x.tobytes() + np.array(labels or [-1] * len(x), "<i4").tobytes())
        self.lines.append(" ".join([name, split, spec, *map(str, x.shape), str(classes), digest.hexdigest()]) + "\n")


def make_formats(folder, rng, cases):
    """One file of each kind, all of one size."""
    f, h, w = f"{folder}/formats", 13, 18
    want = {}

    def shot(channels=3):
        return picture(rng, h, w, channels)

    for name, how in {"j420": {"subsampling": 2}, "j422": {"subsampling": 1}, "j444": {"subsampling": 0},
                      "jprogressive": {"progressive": True}}.items():
        save(f"{f}/{name}.jpg", shot(), quality=60, **how)
    save(f"{f}/jgrey.JPEG", shot(1), quality=70)
    save(f"{f}/jcmyk.jpg", Image.fromarray(shot(4), "CMYK"), quality=70)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned, which neither torchvision nor libjem does
    save(f"{f}/jturned.jpg", shot(), quality=60, exif=exif)
    save(f"{f}/pcolour.png", shot())
    save(f"{f}/ppalette.png", Image.fromarray(shot()).quantize(16))
    save(f"{f}/pbits.png", Image.fromarray(shot(1)).convert("1"))
    gamma = PngImagePlugin.PngInfo()
    gamma.add(b"gAMA", struct.pack(">I", 100000))
    save(f"{f}/pgamma.png", shot(1), pnginfo=gamma)
    save_png(f"{f}/pinterlaced.png", shot(), 2, 8, interlaced=True)
    save_png(f"{f}/pgrey4.png", shot(1)[:, :, None] >> 4, 0, 4, interlaced=True)
    deep = rng.randint(0, 65536, (h, w, 3))
    save_png(f"{f}/pdeep.png", deep, 2, 16)
    # What libjem takes in another way than Pillow does (examples/kit/images/image.h).
    deep = rng.randint(0, 65536, (h, w, 1))
    save_png(f"{f}/pdeepgrey.png", deep, 0, 16)
    want["pdeepgrey.png"] = Image.fromarray((deep[:, :, 0] >> 8).astype(np.uint8))
    for name, mode, channels in ("palpha.png", "RGBA", 4), ("palphagrey.png", "LA", 2):
        image = Image.fromarray(shot(channels), mode)
        save(f"{f}/{name}", image)
        want[name] = Image.new("RGB", image.size)
        want[name].paste(image.convert("RGB"), mask=image.getchannel("A"))
    pixels = shot(1)
    pixels[:, :9] = 77
    save(f"{f}/ptransparent.png", Image.fromarray(pixels), transparency=77)
    want["ptransparent.png"] = Image.fromarray(np.where(pixels == 77, 0, pixels).astype(np.uint8))

    files = [want.get(name, f"formats/{name}") for name in sorted(os.listdir(f))]
    cases.add("formats", "train", "images formats,colour", files)
    cases.add("formats-grey", "test", "images formats,grey", files, mode="L")
    # Grey files alone stay grey.
    save(f"{folder}/greys/a.jpg", shot(1), quality=60)
    save_png(f"{folder}/greys/b.png", shot(1)[:, :, None] >> 6, 0, 2)
    cases.add("greys", "train", "images greys", ["greys/a.jpg", "greys/b.png"], mode="L")


def make_sizes(folder, rng, cases):
    """Larger, smaller, odd, flat and thin ones, brought to one size."""
    sizes = [(40, 31), (31, 40), (7, 9), (33, 33), (16, 16), (90, 23), (5, 70)]
    if cases.large:
        sizes += [tuple(rng.randint(4, 300, 2) + (0, 3)) for _ in range(40)] + [(4, 200), (257, 7)]
    paths = []
    for i, (h, w) in enumerate(sizes):
        paths.append(f"sizes/{i:03d}.png")
        save(f"{folder}/{paths[-1]}", picture(rng, h, w))
    targets = [(11, 34), (50, 3)] + [(1, 1), (224, 200), (97, 301), (33, 7)] * cases.large
    for h, w in targets:
        cases.add(f"size-{h}x{w}", "train", f"images sizes,size={h}x{w}", paths,
                  lambda image: image.resize((w, h), Image.BILINEAR))
    cases.add("size-grey", "train", "images sizes,grey,size=13x12", paths,
              lambda image: image.resize((12, 13), Image.BILINEAR), mode="L")
    for n in [16, 9] + [1, 20] * cases.large:
        cases.add(f"square-{n}", "train", f"images sizes,size={n}", paths, square(n))
    cases.add("crop", "train", "images sizes,size=6,crop=4x7", paths, lambda image: square(6)(crop(image, 4, 7)))


def make_tree(folder, rng, cases):
    """ImageFolder's order: classes, then folders, then files, each by name."""
    classes = ["B", "a b", "c"]
    order = ["B/10.PNG", "B/2.png", "B/a.Jpg", "a b/x.png", "a b/x/y.jpg", "a b/x-1/0.png", "a b/x-1/y/1.png",
             "a b/x.d/z.jpeg", "c/1.png"]
    order.sort(key=lambda p: (p.split("/")[0], os.path.dirname(p), os.path.basename(p)))
    for part, names in ("train", order), ("test", ["a b/1.png"]):
        for name in names:
            save(f"{folder}/tree/{part}/{name}", picture(rng, 12, 10))
    for name in "train/B/.hidden.png", "train/.hidden/1.png", "train/B/notes.txt", "test/readme.png":
        os.makedirs(os.path.dirname(f"{folder}/tree/{name}"), exist_ok=True)
        with open(f"{folder}/tree/{name}", "w") as file:
            file.write("not an image\n")
    labels = [classes.index(p.split("/")[0]) for p in order]
    cases.add("tree-train", "train", "folder tree", [f"tree/train/{p}" for p in order],
              labels=labels, classes=3)
    cases.add("tree-test", "test", "folder tree,size=8", ["tree/test/a b/1.png"], square(8),
              labels=[1], classes=3)
    paths = [f"tree/train/{p}" for p in order]
    for split in "train", "test":
        cases.add(f"tree-{split}-alone", split, "folder tree/train,crop=7x6,test=0", paths,
                  lambda image: crop(image, 7, 6), labels=labels, classes=3)


def make_celeba(folder, rng, cases):
    names = [f"{i:06d}.jpg" for i in range(1, 6)]
    parts, smiles = [0, 0, 2, 1, 0], [1, -1, -1, 1, 1]
    for name in names:
        save(f"{folder}/celeba/img_align_celeba/{name}", picture(rng, 218, 178, smooth=90), quality=20)
    with open(f"{folder}/celeba/list_eval_partition.txt", "w") as file:
        file.writelines(f"{name} {part}\n" for name, part in zip(names, parts))
    with open(f"{folder}/celeba/list_attr_celeba.txt", "w") as file:
        file.write("5\nBald Smiling Young \n")
        file.writelines(f"{name} -1 {smile:2d}  1\n" for name, smile in zip(names, smiles))
    for split, part in ("train", 0), ("test", 2):
        paths = [f"celeba/img_align_celeba/{name}" for name, p in zip(names, parts) if p == part]
        labels = [int(s > 0) for s, p in zip(smiles, parts) if p == part]
        cases.add(f"celeba-{split}", split, "celeba .", paths, lambda image: square(32)(crop(image, 178, 178)))
        cases.add(f"celeba-smiling-{split}", split, "celeba celeba,size=9,grey,attr=Smiling,crop=108", paths,
                  lambda image: square(9)(crop(image, 108, 108)), labels=labels, classes=2, mode="L")


def main(folder, seed=0):
    rng = np.random.RandomState(int(seed))
    cases = Cases(folder, int(seed) > 0)
    os.makedirs(folder, exist_ok=True)
    for make in make_formats, make_sizes, make_tree, make_celeba:
        make(folder, rng, cases)
    with open(f"{folder}/cases.txt", "w") as file:
        file.writelines(cases.lines)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
