#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Are the FID and the Inception Score of the programs those of PyTorch, SciPy and NumPy?

    inception.py [--build FOLDER]

The network is torchvision's Inception-v3, changed into that of FID, with random weights and
random statistics of the batch normalisation. Exit status 1 when an error is larger than allowed."""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import scipy.linalg
import torch
import torch.nn.functional as F
import torchvision.models.inception as tv
from scipy.special import rel_entr

HERE = pathlib.Path(__file__).resolve().parent
CONVERTER = HERE.parents[1] / "examples" / "convert" / "inception2safetensors.py"
TAPS = ["pool1", "pool2"] + [f"Mixed_{x}" for x in "5b 5c 5d 6a 6b 6c 6d 6e 7a 7b 7c".split()]
BATCH = 8  # images whose layers the test program can show


def mean3(x):
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def max3(x):
    return F.max_pool2d(x, 3, stride=1, padding=1)


class A(tv.InceptionA):
    def _forward(self, x):
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return [self.branch1x1(x), five, three, self.branch_pool(mean3(x))]


class C(tv.InceptionC):
    def _forward(self, x):
        seven, twice = x, x
        for i in range(1, 4):
            seven = getattr(self, f"branch7x7_{i}")(seven)
        for i in range(1, 6):
            twice = getattr(self, f"branch7x7dbl_{i}")(twice)
        return [self.branch1x1(x), seven, twice, self.branch_pool(mean3(x))]


class E(tv.InceptionE):
    pool = staticmethod(mean3)

    def _forward(self, x):
        three = self.branch3x3_1(x)
        twice = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        three = [self.branch3x3_2a(three), self.branch3x3_2b(three)]
        twice = [self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice)]
        return [self.branch1x1(x), *three, *twice, self.branch_pool(self.pool(x))]


class EMax(E):
    pool = staticmethod(max3)


def fid_inception():
    """The network of FID: torchvision's with other poolings, and 1008 classes."""
    blocks = [tv.BasicConv2d, A, tv.InceptionB, C, tv.InceptionD, E, tv.InceptionAux]
    net = tv.Inception3(1008, aux_logits=False, inception_blocks=blocks, init_weights=False)
    net.Mixed_7c = EMax(2048)
    return net.eval()


def draw_weights(net, seed):
    """Weights that keep the size of activations, and statistics that are not trivial."""
    torch.manual_seed(seed)
    for module in net.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.6, 1.2)
            torch.nn.init.normal_(module.bias, 0, 0.2)
            torch.nn.init.normal_(module.running_mean, 0, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)


def resize(images):
    """TensorFlow 1's bilinear resize to 299 x 299, every operation in single precision."""
    n, h, w, c = images.shape
    x, f32 = images.astype(np.float32), np.float32

    def look(size):
        place = np.arange(299, dtype=f32) * (f32(size) / f32(299))
        low = place.astype(np.int64)
        return low, np.minimum(low + 1, size - 1), place - low.astype(f32)

    (top, bottom, dy), (left, right, dx) = look(h), look(w)
    dx, dy = dx[None, None, :, None], dy[None, :, None, None]

    def along(rows):
        return x[:, rows][:, :, left] + (x[:, rows][:, :, right] - x[:, rows][:, :, left]) * dx

    upper, lower = along(top), along(bottom)
    return upper + (lower - upper) * dy


def see(net, images):
    """Layers and features of H x W x C bytes."""
    layers = {}
    names = {"pool1": net.maxpool1, "pool2": net.maxpool2}
    names.update({name: getattr(net, name) for name in TAPS[2:]})
    hooks = [
        module.register_forward_hook(lambda m, i, o, name=name: layers.update({name: o}))
        for name, module in names.items()
    ]
    x = torch.from_numpy(resize(images)).permute(0, 3, 1, 2).to(net.fc.weight.dtype)
    x = (x - 128) / 128
    with torch.no_grad():
        net(x.repeat(1, 3 // x.shape[1], 1, 1))
        features = layers["Mixed_7c"].mean((2, 3))
        logits = features @ net.fc.weight.T
    for hook in hooks:
        hook.remove()
    layers = {name: layers[name].permute(0, 2, 3, 1).numpy() for name in TAPS}
    return layers, features.numpy(), logits.numpy()


def frechet(x, y):
    """The formula as pytorch-fid has it, in double precision."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(s @ t, disp=False)[0].real
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(s) + np.trace(t) - 2 * np.trace(root)


def frechet_singular(x, y):
    """Without covariances, so without loss for fewer images than features."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    shift = np.sum((x.mean(0) - y.mean(0)) ** 2)
    x, y = ((z - z.mean(0)) / np.sqrt(len(z) - 1) for z in (x, y))
    common = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return shift + np.sum(x**2) + np.sum(y**2) - 2 * common


def score(logits, splits, seed):
    f = logits.astype(np.float64)
    if seed >= 0:
        f = f[np.random.RandomState(seed).permutation(len(f))]
    p = np.exp(f - f.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    parts = [p[i * len(p) // splits : (i + 1) * len(p) // splits] for i in range(splits)]
    scores = [np.exp(rel_entr(q, q.mean(0, keepdims=True)).sum(1).mean()) for q in parts]
    return np.mean(scores), np.std(scores)


class Test:
    def __init__(self, build, folder):
        self.program, self.folder, self.failures = build / "tests" / "inception", folder, 0

    def path(self, name):
        return self.folder / name

    def save(self, name, array):
        np.save(self.path(name), array)
        return self.path(name)

    def ask(self, *words):
        done = subprocess.run([self.program, *words], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"inception.py: {' '.join(map(str, words))}: {done.stderr}")
        return done.stdout

    def verdict(self, name, error, allowed):
        good = error <= allowed
        self.failures += not good
        print(f"{'ok  ' if good else 'FAIL'} {name:<58} {error:.3g} (allowed {allowed:g})")

    def resizes(self, rng):
        for h, w, c in ((32, 32, 3), (28, 28, 1), (299, 299, 3), (64, 17, 3), (400, 313, 1), (1, 1, 3)):
            x = rng.integers(0, 256, (2, h, w, c), dtype=np.uint8)
            self.ask("resize", self.save("x.npy", x), self.path("y.npy"))
            got = np.load(self.path("y.npy"))
            self.verdict(f"resize {h} x {w} x {c}: values that differ", np.sum(got != resize(x)), 0)

    def networks(self, rng):
        net = fid_inception()
        draw_weights(net, 1)
        torch.save(net.state_dict(), self.path("net.pth"))
        convert = [sys.executable, CONVERTER, self.path("net.pth"), self.path("net.safetensors")]
        refused = subprocess.run(convert, capture_output=True, text=True)
        self.verdict("converter: other weights are refused", "begins with" not in refused.stderr, 0)
        subprocess.run([*convert, "--any"], check=True, stdout=subprocess.DEVNULL)
        for channels in (3, 1):
            images = rng.integers(0, 256, (2 * BATCH, 32, 32, channels), dtype=np.uint8)
            self.network(net, images, f"{channels} channel(s)")

    def network(self, net, images, what):
        def run(threads, x):
            said = self.ask("run", self.path("net.safetensors"), threads, self.save("x.npy", x), self.folder)
            print("    ", said.strip())
            return [np.load(self.path(f"{n}.npy")) for n in ["features", "logits"]]

        features, logits = run("1", images)
        layers, want, want_logits = see(net.float(), images[-BATCH:])
        for name, values in layers.items():
            got = np.load(self.path(f"{name}.npy"))
            self.verdict(f"{what}: {name}, against PyTorch", np.abs(got - values).max(), 1e-4)
        error = np.abs(features[-BATCH:] - want).max()
        self.verdict(f"{what}: features (mean {want.mean():.2f}, max {want.max():.2f})", error, 1e-4)
        error = np.abs(logits[-BATCH:] - want_logits).max()
        self.verdict(f"{what}: logits (std {want_logits.std():.2f})", error, 1e-4)
        _, exact, _ = see(net.double(), images[-BATCH:])
        self.verdict(f"{what}: features, in double precision", np.abs(features[-BATCH:] - exact).max(), 1e-4)
        few, _ = run("1", images[3:8])
        self.verdict(f"{what}: 5 images alone: figures that differ", np.sum(few != features[3:8]), 0)
        two, _ = run("2", images)
        self.verdict(f"{what}: 2 threads: figures that differ", np.sum(two != features), 0)

    def distances(self, rng):
        def draw(n, d, shift):
            mix = rng.normal(0, 1, (d, d)) / np.sqrt(d) * rng.uniform(0.1, 1, d)
            return np.float32(rng.normal(0, 1, (n, d)) @ mix + shift)

        for n, m, d, shift in ((400, 300, 10, 0.3), (900, 500, 64, 0), (3000, 2600, 256, 0.05)):
            x, y = draw(n, d, 0), draw(m, d, shift)
            got = float(self.ask("frechet", self.save("x.npy", x), self.save("y.npy", y)))
            want = frechet(x, y)
            self.verdict(f"Frechet {n}, {m} x {d}: against sqrtm, relative", abs(got / want - 1), 1e-6)
        for n, m, d, shift in ((60, 50, 300, 0.3), (5, 200, 64, 0.0), (2, 2, 8, 1.0)):
            x, y = draw(n, d, 0), draw(m, d, shift)
            got = float(self.ask("frechet", self.save("x.npy", x), self.save("y.npy", y)))
            want = frechet(x, y)
            self.verdict(f"Frechet {n}, {m} x {d}: against sqrtm, relative", abs(got / want - 1), 1e-6)
            want = frechet_singular(x, y)
            self.verdict(f"Frechet {n}, {m} x {d}: from singular values", abs(got / want - 1), 1e-10)
        for n, d in ((500, 64), (40, 300)):
            x = self.save("x.npy", draw(n, d, 0))
            self.verdict(f"Frechet of {n} x {d} and itself", float(self.ask("frechet", x, x)), 1e-10)

    def scores(self, rng):
        for n, classes, size in ((1000, 1008, 1), (250, 1008, 4), (103, 10, 200)):
            f = self.save("f.npy", np.float32(rng.normal(0, size, (n, classes))))
            for splits, seed in ((10, 2020), (10, -1), (1, 0)):
                got = np.array(self.ask("score", f, str(splits), str(seed)).split(), float)
                want = np.array(score(np.load(f), splits, seed))
                error = np.abs(got - want).max() / want[0]
                self.verdict(f"score {n} x {classes}, {splits} splits, seed {seed}", error, 1e-9)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    arg = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        test = Test(arg.build.resolve(), pathlib.Path(folder))
        for part in (test.resizes, test.distances, test.scores, test.networks):
            part(rng)
    print(f"{test.failures} too large")
    return test.failures > 0


if __name__ == "__main__":
    sys.exit(main())
