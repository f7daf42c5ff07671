# SPDX-License-Identifier: MIT
"""Parts without a network: metrics, the replay buffer, bytes into images, distributions."""

import ctypes

import numpy
import scipy.special
import scipy.stats
import sklearn.metrics
import torch

from injected import Dice
from jem import Jem, floats

METRIC = 1e-9
NAME = "no network"


def gaps(confidence, right, bins):
    """Guo et al. 2017: the mean and the largest gap of bins (b/bins, (b+1)/bins], 0 in the first
    one. All factors are exact in double precision, so no confidence falls on the wrong side of an
    edge."""
    number = numpy.maximum(numpy.ceil(confidence.astype(float) * bins) - 1, 0)
    found = [(inside.mean(), abs(right[inside].mean() - confidence[inside].mean(dtype=float)))
             for inside in (number == b for b in range(bins)) if inside.any()]
    return sum(share * gap for share, gap in found), max(gap for _, gap in found)


def metrics(table, jem, rng):
    n, classes = 5000, 10
    logits = floats(rng.normal(size=(n, classes)) * 3)
    y = rng.integers(classes, size=n).astype(numpy.int32)
    y[::2] = logits[::2].argmax(1)
    prob = floats(scipy.special.softmax(logits.astype(float), 1))
    prob[:40] = 0  # confidences on the edges of bins
    prob[numpy.arange(40), y[:40]] = floats(numpy.arange(1, 41) / 40)

    def number(name, *args):
        return jem.number("metric_" + name, *args)

    def add(what, got, want):
        table.add(what, NAME, "", got, want, METRIC)

    for bins in (20, 15):
        mean, largest = gaps(prob.max(1), prob.argmax(1) == y, bins)
        add(f"ECE, {bins} bins", number("ece", prob, y, n, classes, bins), mean)
        add(f"MCE, {bins} bins", number("mce", prob, y, n, classes, bins), largest)
    add("classwise ECE, 20 bins", number("classwise_ece", prob, y, n, classes, 20),
        numpy.mean([gaps(prob[:, k], y == k, 20)[0] for k in range(classes)]))
    onehot = numpy.eye(classes)[y]
    add("Brier score", number("brier", prob, y, n, classes),
        ((prob.astype(float) - onehot) ** 2).sum(1).mean())
    log_p = scipy.special.log_softmax(logits.astype(float), 1)
    add("NLL", number("nll", logits, y, n, classes), -log_p[numpy.arange(n), y].mean())
    add("accuracy", number("accuracy", logits, y, n, classes),
        sklearn.metrics.accuracy_score(y, logits.argmax(1)))
    mean, std = ctypes.c_double(), ctypes.c_double()
    jem.call("metric_mean", logits, logits.size, ctypes.byref(mean), ctypes.byref(std))
    add("mean and standard deviation", [mean.value, std.value],
        [logits.mean(dtype=float), logits.std(dtype=float)])
    for text, digits in (("", 6), (", scores with many ties", 0)):
        inside = floats(numpy.round(rng.normal(1, 1, 3000), digits))
        other = floats(numpy.round(rng.normal(0, 2, 1000), digits))
        label = numpy.repeat((1, 0), (3000, 1000))
        scores = numpy.concatenate((inside, other))
        sets = jem.context, inside, 3000, other, 1000
        add("AUROC" + text, number("auroc", *sets), sklearn.metrics.roc_auc_score(label, scores))
        add("AUPR" + text, number("aupr", *sets),
            sklearn.metrics.average_precision_score(label, scores))
        false, true, _ = sklearn.metrics.roc_curve(label, scores, drop_intermediate=False)
        add("FPR95" + text, number("fpr", *sets, ctypes.c_double(0.95)),
            false[true >= 0.95].min())


def buffer(table, library, rng):
    """Draws and stores, replayed by NumPy. The slots are fewer than the draws of a round, so
    that some are drawn twice."""
    capacity, n, rounds, restart_prob = 50, 64, 30, 0.05
    dice = Dice(library, (1, 4, 4), seed=3)
    known = dice.draws(n * rounds, capacity, restart_prob)
    mine, theirs = known.born.copy(), dice.buffer(capacity, restart_prob)
    drawn, replayed = [], []
    for at in range(0, n * rounds, n):
        part = slice(at, at + n)
        slots, restart = known.slots[part], known.restart[part]
        images, same_slots = dice.draw(theirs, n)
        assert (slots == same_slots).all()
        drawn.append(images)
        replayed.append(numpy.where(restart[:, None, None, None], known.fresh[part], mine[slots]))
        ends = floats(rng.normal(size=images.shape))
        dice.jem.call("buffer_store", theirs, slots, n, ends)
        for slot, image in zip(slots, ends):  # of two for one slot the later one stays
            mine[slot] = image
    table.add("images drawn from the buffer", NAME, "", drawn, replayed, 0)
    table.add("the buffer after 30 rounds", NAME, "", dice.read(theirs, capacity), mine, 0)
    return known


def probability(table, what, p):
    """A p-value is no error: what has one below 0.001 is not so."""
    table.add_verdict(what, NAME, "", p > 1e-3, f"p-value {p:.2f}")


def distributions(table, library, known):
    """The official distributions: N(0, 1), U(-1, 1), PyTorch's initial weights."""
    dice = Dice(library, (3, 32, 32), seed=5)
    noise = dice.noise(2, 5, 1.0, calls=3).reshape(30, -1)  # calls x steps x chains
    starts = numpy.concatenate((known.born, known.fresh)).ravel()
    uniform = scipy.stats.uniform(-1, 2).cdf
    probability(table, "noise is N(0, 1)", scipy.stats.kstest(noise.ravel(), "norm").pvalue)
    between = numpy.abs(numpy.corrcoef(noise) - numpy.eye(len(noise))).max()
    table.add_verdict("noise of calls, steps, chains is independent", NAME, "", between < 0.1,
                      f"correlation {between:.3f}")  # of 3,072 numbers: 0.1 is 5.5 sigma
    probability(table, "starts are U(-1, 1)", scipy.stats.kstest(starts, uniform).pvalue)
    restarts = scipy.stats.binomtest(int(known.restart.sum()), len(known.restart), 0.05)
    probability(table, "restarts have probability 0.05", restarts.pvalue)
    slots = scipy.stats.chisquare(numpy.bincount(known.slots, minlength=len(known.born)))
    probability(table, "slots are drawn uniformly", slots.pvalue)
    model = dice.jem.model({"model.depth": 10, "model.widen": 1})
    scaled, fan_in = [], 0
    for name, values in dice.jem.weights(model).items():
        fan_in = numpy.prod(values.shape[1:]) if name.endswith("weight") else fan_in
        scaled.append(values.ravel() * numpy.sqrt(fan_in))  # a bias follows its weights
    p = scipy.stats.kstest(numpy.concatenate(scaled), uniform).pvalue
    probability(table, "fresh weights are U(+-1/sqrt(fan_in))", p)


def bytes_to_images(table, jem):
    """ToTensor and Normalize(0.5, 0.5), of every byte."""
    x = numpy.arange(256, dtype=numpy.uint8).reshape(1, 1, 16, 16)
    data = jem.dataset(x, numpy.zeros(1, numpy.int32), 10)
    got = numpy.empty(x.shape, numpy.float32)
    jem.call("dataset_read", data, 0, 1, got, None)
    want = (torch.from_numpy(x).double() / 255 - 0.5) / 0.5
    table.add("bytes as images in [-1, 1]", NAME, "", got, want.numpy(), 1e-7)


def check(table, library):
    jem, rng = Jem(library, "cpu"), numpy.random.default_rng(1)
    metrics(table, jem, rng)
    known = buffer(table, library, rng)
    distributions(table, library, known)
    bytes_to_images(table, jem)
