# SPDX-License-Identifier: MIT
"""jem-ood against scikit-learn and a twin of its bootstrap. check_ood.py WHAT DIR [FOLDER]

make DIR FOLDER   other.npy: 120 training images of Fashion-MNIST, upside down, and the first 30
                  test images, so that there are ties
hot DIR           hot.json, of any T, against energies of 60 digits
check DIR         h.json (T = 2.5, seed 7) against the arrays of jem-score in in/ and other/
"""
import gzip
import json
import sys
from decimal import Decimal, getcontext

import numpy as np

what, folder = sys.argv[1:3]
if what == "make":

    def images(name, count):
        raw = gzip.open(f"{sys.argv[3]}/{name}-images-idx3-ubyte.gz").read(16 + count * 784)
        return np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 1, 28, 28)

    np.save(f"{folder}/other.npy", np.r_[images("train", 120)[:, :, ::-1], images("t10k", 30)])
    sys.exit()

MASK = (1 << 64) - 1
T, SEED = 2.5, 7


def lse(f):
    top = f.max(axis=1)
    return top + np.log(np.exp(f - top[:, None]).sum(axis=1))


def scores(name):
    f, p, log_px, mass = (np.load(f"{folder}/{name}/{a}.npy") for a in ("logits", "prob_y", "log_px", "mass"))
    f = f.astype(np.float64)
    log_p = f - lse(f)[:, None]
    return {
        "log_px": log_px,
        "mass": mass,
        "prob_y": p.max(axis=1),
        "energy_t": (T * (lse(f / T) - np.log(f.shape[1]))).astype(np.float32),
        "max_logit": f.max(axis=1).astype(np.float32),
        "entropy": (np.exp(log_p) * log_p).sum(axis=1).astype(np.float32),
    }


def mix(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


def splitmix(state):
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        yield mix(state)


def interval(a, b, draws):
    state = next(splitmix(SEED))  # of stream 0
    numbers = splitmix(next(splitmix(state)))
    areas = []
    for _ in range(draws):
        x = a[[next(numbers) % len(a) for _ in a]][:, None]
        y = b[[next(numbers) % len(b) for _ in b]][None, :]
        areas.append(((x > y) + 0.5 * (x == y)).mean())
    return np.percentile(areas, [2.5, 97.5]), np.std(areas)


def energies(name, t):
    """T logsumexp f/T less T log K, by the formula as it stands."""
    f = np.load(f"{folder}/{name}/logits.npy").astype(np.float64)
    t = Decimal(t)
    less = t * Decimal(f.shape[1]).ln()
    return [t * sum((Decimal(v) / t).exp() for v in row).ln() - less for row in f.tolist()]


if what == "hot":
    getcontext().prec = 60
    row = next(r for r in json.load(open(f"{folder}/hot.json"))["results"] if r["score"] == "energy_t")
    a, b = energies("in", row["temperature"]), energies("other", row["temperature"])
    wins = sum((x > y) + (x == y) / 2 for x in a for y in b) / (len(a) * len(b))
    assert abs(row["auroc"] - wins) < 1e-6, f"{row['auroc']} against {wins}"
    assert len(set(a)) > 190
    sys.exit()

from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

o = json.load(open(f"{folder}/h.json"))
a, b = scores("in"), scores("other")
y = np.r_[np.ones(200), np.zeros(150)]
assert [r["score"] for r in o["results"]] == list(a)
for r in o["results"]:
    name = r["score"]
    s = np.r_[a[name], b[name]].astype(np.float64)
    fpr, tpr, _ = roc_curve(y, s, drop_intermediate=False)
    wanted = {
        "auroc": roc_auc_score(y, s),
        "aupr_in": average_precision_score(y, s),
        "aupr_out": average_precision_score(1 - y, -s),
        "fpr95": fpr[np.argmax(tpr >= 0.95)],
    }
    # These two are made anew here: a score may round to the other side of an equal one.
    tolerance = 1e-3 if name in ("energy_t", "entropy") else 1e-9
    for key, value in wanted.items():
        assert abs(r[key] - value) < tolerance, f"{name} {key}: {r[key]} against {value}"
    assert (r["n_in"], r["n_out"], r["out"]) == (200, 150, "npy:other.npy")
    (low, high), std = interval(a[name], b[name], o["bootstrap"])
    assert abs(r["auroc_low"] - low) < tolerance and abs(r["auroc_high"] - high) < tolerance, f"{name}: {low} {high}"
    # DeLong, DeLong and Clarke-Pearson 1988: the standard error from the images' own shares.
    pairs = (a[name][:, None] > b[name]) + 0.5 * (a[name][:, None] == b[name])
    error = np.sqrt(pairs.mean(axis=1).var(ddof=1) / 200 + pairs.mean(axis=0).var(ddof=1) / 150)
    assert 0.8 < std / error < 1.25, f"{name}: {std} against {error}"
