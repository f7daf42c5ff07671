# SPDX-License-Identifier: MIT
"""jem-calibration against NumPy, SciPy and scikit-learn. check_calibration.py WHAT DIR ...

make DIR FOLDER        fit.npy and fit_y.npy: test images 600 to 999 of Fashion-MNIST
errors DIR NAME        NAME.json against the arrays of jem-score in s/
temperature DIR NAME   the temperature against that of f/
noisy DIR FOLDER       noisy.npy: test images 0 to 19 with the noise 0.1 of --seed 5
noise DIR              n.json, which has that noise, against the arrays of jem-score in n/
extremes DIR           right.npy and wrong.npy: labels that fit.npy can have no temperature for
"""
import gzip
import json
import sys

import numpy as np

FASHION = "/usr/share/datasets/fashion-mnist"
MASK = (1 << 64) - 1


def spread(count):
    """The numbers of `count` of the 10,000 test images, evenly spaced."""
    return np.arange(count) * 10000 // count


def labels(folder, which):
    raw = gzip.open(f"{folder}/t10k-labels-idx1-ubyte.gz").read()
    return np.frombuffer(raw, np.uint8, offset=8)[which].astype(np.int32)


def splitmix(state):
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        yield z ^ z >> 31


def noise(n, std, seed):
    """Box and Muller on pairs of SplitMix64, stream 0 of the seed."""
    words = splitmix(next(splitmix(next(splitmix(seed)))))
    u, v = np.array([next(words) >> 11 for _ in range(n)]).reshape(-1, 2).T * 2.0**-53
    radius = std * np.sqrt(-2 * np.log1p(-u))
    return np.stack([radius * np.cos(2 * np.pi * v), radius * np.sin(2 * np.pi * v)], axis=1).ravel()


def softmax(f):
    e = np.exp(f - f.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def gaps(confidence, hit, bins):
    """Per bin (lo, hi]: count, mean confidence, accuracy."""
    edges = np.arange(1, bins) / bins
    at = np.searchsorted(edges, confidence, side="left")
    count = np.bincount(at, minlength=bins)
    filled = np.maximum(count, 1)
    sure = np.bincount(at, confidence, bins) / filled
    right = np.bincount(at, hit, bins) / filled
    return count, sure, right


def close(name, ours, theirs, tolerance):
    assert np.allclose(ours, theirs, rtol=0, atol=tolerance), f"{name}: {ours} against {theirs}"


def check(o, f, p, y, tolerance):
    from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

    n, classes = f.shape
    bins = len(o["bins"])
    p = p.astype(np.float64)
    onehot = np.eye(classes)[y]
    close("accuracy", o["accuracy"], accuracy_score(y, f.argmax(axis=1)), 1e-12)
    close("nll", o["nll"], log_loss(y, softmax(f.astype(np.float64)), labels=range(classes)), tolerance)
    brier = sum(brier_score_loss(onehot[:, k], p[:, k], pos_label=1) for k in range(classes))
    close("brier", o["brier"], brier, tolerance)
    count, sure, right = gaps(p.max(axis=1), p.argmax(axis=1) == y, bins)
    close("counts", [b["count"] for b in o["bins"]], count, 0)
    close("confidences", [b["confidence"] for b in o["bins"]], sure, tolerance)
    close("accuracies", [b["accuracy"] for b in o["bins"]], right, tolerance)
    close("ece", o["ece"], (count / n * abs(sure - right)).sum(), tolerance)
    close("mce", o["mce"], abs(sure - right)[count > 0].max(), tolerance)
    each = [gaps(p[:, k], y == k, bins) for k in range(classes)]
    close("classwise", o["classwise_ece"], np.mean([(c / n * abs(s - r)).sum() for c, s, r in each]), tolerance)


what, folder = sys.argv[1:3]
if what == "make":
    raw = gzip.open(sys.argv[3] + "/t10k-images-idx3-ubyte.gz").read()
    x = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 1, 28, 28)
    np.save(f"{folder}/fit.npy", x[600:1000])
    np.save(f"{folder}/fit_y.npy", labels(sys.argv[3], np.arange(600, 1000)))
elif what == "errors":
    o = json.load(open(f"{folder}/{sys.argv[3]}.json"))
    f, p = np.load(f"{folder}/s/logits.npy"), np.load(f"{folder}/s/prob_y.npy")
    y = labels(FASHION, spread(len(f)))
    check(o, f, p, y, 1e-9)
    # Divided by T the logits are floats again, and T is known to 12 digits.
    scaled = (f.astype(np.float64) / o["temperature"]["t"]).astype(np.float32)
    check(o["scaled"], scaled, softmax(scaled.astype(np.float64)).astype(np.float32), y, 1e-7)
elif what == "temperature":
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    fit = json.load(open(f"{folder}/{sys.argv[3]}.json"))["temperature"]
    f = np.load(f"{folder}/f/logits.npy").astype(np.float64)
    y = np.load(f"{folder}/fit_y.npy")

    def nll(t):
        return (logsumexp(f / t, axis=1) - f[np.arange(len(y)), y] / t).mean()

    best = minimize_scalar(nll, bounds=(0.01, 100), method="bounded", options={"xatol": 1e-10})
    close("T", fit["t"] / best.x, 1, 1e-5)  # SciPy sees the values of NLL only
    close("nll", fit["nll"], best.fun, 1e-10)
    close("nll before", fit["nll_before"], nll(1), 1e-10)
    p = softmax(f / fit["t"])
    h = 1e-3  # the second derivative in log T
    bend = (nll(fit["t"] * np.exp(h)) - 2 * nll(fit["t"]) + nll(fit["t"] * np.exp(-h))) / h**2
    close("curvature", fit["curvature"] / bend, 1, 1e-4)
    slope = (f[np.arange(len(y)), y] - (p * f).sum(axis=1)).mean() / fit["t"]
    close("slope in log T", slope, 0, 1e-9)
    assert abs(fit["slope"]) < 1e-10 < fit["curvature"] and fit["n"] == len(y)
elif what == "noisy":
    raw = gzip.open(sys.argv[3] + "/t10k-images-idx3-ubyte.gz").read()
    x = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784)[spread(20)].ravel().astype(np.float32) / np.float32(127.5) - np.float32(1)
    extra = noise(x.size, 0.1, 5).astype(np.float32)
    assert 0.098 < extra.std() < 0.102 and abs(extra.mean()) < 0.004
    np.save(f"{folder}/noisy.npy", (x + extra).reshape(-1, 1, 28, 28))
elif what == "noise":
    f = np.load(f"{folder}/n/logits.npy").astype(np.float64)
    y = labels(FASHION, spread(20))
    nll = json.load(open(f"{folder}/n.json"))["nll"]
    close("nll", nll, -np.log(softmax(f)[np.arange(20), y]).mean(), 1e-6)
else:
    f = np.load(f"{folder}/f/logits.npy")
    np.save(f"{folder}/right.npy", f.argmax(axis=1).astype(np.int32))
    np.save(f"{folder}/wrong.npy", f.argmin(axis=1).astype(np.int32))
