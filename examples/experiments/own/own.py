#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Train a JEM on each of twelve sets of pictures with no setting but the time, and judge it.

    own.py BUILD OUT [--seeds 1,2,3] [--time-budget 420] [--sets NAME,...] [--threads N]
                     [--cifar10 DIR] [--notmnist DIR]

A JEM is good here when its chains keep up, that is, when log p(x) by the weights of last.safetensors does not
tell training images from the images of its replay buffer (AUC within 0.30 and 0.72, 1,000 of each), and when it
classifies test images nearly as well as the same network that was trained in as many steps as a classifier.

What is done is kept in OUT: the same command goes on where it stopped. OUT/own.md has the table."""

import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
LOW, HIGH = 0.30, 0.72
# Points of accuracy that a JEM may lie below its classifier.
POINTS = {"fashion-60000": 4, "cifar10-5000": 8, "cifar10-50000": 8}
NAMES = ("digits8 handwriting letters glyphs notmnist fashion-1000 fashion-10000 fashion-60000 sandal-bag photographs "
         "cifar10-5000 cifar10-50000").split()
# What makes the same training one of a classifier.
CLASSIFIER = {"train.weight_px": "0", "train.energy_l2": "0", "guard.mode": "off"}


class Failed(Exception):
    """A program did not do its work."""


def run(arg, name, *words):
    command = [str(arg.build / "bin" / name), *map(str, words)]
    if name != "jem-score" or "--backend" not in command:
        command += ["--threads", str(arg.threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{shlex.join(command)}\n{done.stderr[-2000:]}")
    return done


def read_tensor(path, wanted):
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(size))[wanted]
        begin, end = entry["data_offsets"]
        file.seek(8 + size + begin)
        return np.frombuffer(file.read(end - begin), "<f4").reshape(entry["shape"])


def auc(a, b):
    """The chance that one of a scores above one of b."""
    order = np.argsort(np.concatenate([a, b]), kind="stable")
    values = np.concatenate([a, b])[order]
    rank = np.empty(len(order))
    rank[order] = np.arange(1, len(order) + 1)
    for value in np.unique(values[1:][values[1:] == values[:-1]]):
        same = order[values == value]
        rank[same] = rank[same].mean()
    return (rank[:len(a)].sum() - len(a) * (len(a) + 1) / 2) / (len(a) * len(b))


def log_px(arg, folder, *words):
    run(arg, "jem-score", "--model", folder / "last.safetensors", "--out", folder / "scores", *words)
    return np.load(folder / "scores/log_px.npy").ravel()


def spec(arg, name):
    """What a program trains on, and what it is tested on."""
    at = arg.out / "sets"
    data = f"npy:{at}/{name}.images.npy,{at}/{name}.labels.npy"
    if (at / f"{name}.test.images.npy").exists():
        return f"{data},test=0", f"npy:{at}/{name}.test.images.npy,{at}/{name}.test.labels.npy,test=0"
    return data, data


def accuracy(arg, folder, test):
    run(arg, "jem-calibration", "--model", folder / "best.safetensors", "--data", test, "--json", folder / "test.json",
        "--quiet")
    return json.loads((folder / "test.json").read_text())


def judge_chains(arg, folder, data, test):
    """AUC of 1,000 images against 1,000 of the replay buffer, or as many as there are: of training images,
    and of test images, whose log p(x) is lower the more the model has learnt its images by heart."""
    chains = read_tensor(folder / "last.safetensors", "replay_buffer")
    pick = np.random.default_rng(1).permutation(len(chains))[:1000]
    np.save(folder / "chains.npy", chains[pick])
    samples = log_px(arg, folder, "--input", folder / "chains.npy", "--range", "-1..1")
    train = log_px(arg, folder, "--data", data, "--split", "train", "--count", 1000)
    unseen = log_px(arg, folder, "--data", test, "--split", "test", "--count", 1000)
    return float(auc(train, samples)), float(auc(unseen, samples)), len(train), len(samples)


def one(arg, name, seed):
    """One set and seed: the JEM, then the classifier with its network and steps."""
    folder = arg.out / f"{name}-{seed}"
    result = folder / "result.json"
    if result.exists():
        return json.loads(result.read_text())
    data, test = spec(arg, name)
    jem, classifier = folder / "jem", folder / "classifier"
    run(arg, "jem-train", "--data", data, "--seed", seed, "--time-budget", arg.time_budget, "--out", jem, "--overwrite",
        "--quiet")
    record = json.loads((jem / "train.json").read_text())
    settings = {**record["settings"], **CLASSIFIER}
    words = [word for key, value in settings.items() if not key.startswith("model.c") for word in ("--set", f"{key}={value}")]
    run(arg, "jem-train", "--data", data, *words, "--stop-after", record["steps"], "--out", classifier, "--overwrite",
        "--quiet", "--yes")
    area, unseen, images, samples = judge_chains(arg, jem, data, test)
    mine, plain = accuracy(arg, jem, test), accuracy(arg, classifier, test)
    guard = [json.loads(line) for line in (jem / "log.jsonl").read_text().splitlines()]
    found = {"set": name, "seed": seed, "steps": record["steps"], "steps_total": record["steps_total"],
             "seconds": record["seconds_training"], "auc": area, "auc_test": unseen, "images": images, "samples": samples,
             "accuracy": mine["accuracy"], "classifier": plain["accuracy"], "tested": mine["n"],
             "rollbacks": sum(line["type"] == "guard" and line["action"] == "rollback" for line in guard),
             "kernels": record["kernels"], "threads": record["threads"]}
    result.write_text(json.dumps(found, indent=1) + "\n")
    return found


def table(results):
    """One row a set: medians over seeds, and in how many the chains keep up and the accuracy is near."""
    lines = ["| set | seeds | steps | AUC, each seed | AUC of test images | chains keep up | accuracy, classifier (%) | near | rollbacks |",
             "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |"]
    good = near = 0
    for name in dict.fromkeys(r["set"] for r in results):
        rows = [r for r in results if r["set"] == name]
        inside = sum(LOW <= r["auc"] <= HIGH for r in rows)
        close = sum(100 * (r["classifier"] - r["accuracy"]) <= POINTS.get(name, 2) for r in rows)
        good, near = good + inside, near + close
        lines.append(f"| {name} | {len(rows)} | {statistics.median(r['steps'] for r in rows):.0f} "
                     f"| {', '.join('%.2f' % r['auc'] for r in rows)} "
                     f"| {statistics.median(r['auc_test'] for r in rows):.2f} | {inside} of {len(rows)} "
                     f"| {100 * statistics.median(r['accuracy'] for r in rows):.1f}, "
                     f"{100 * statistics.median(r['classifier'] for r in rows):.1f} "
                     f"| {close} of {len(rows)} | {sum(r['rollbacks'] for r in rows)} |")
    lines.append(f"\nChains keep up (AUC within {LOW:.2f} and {HIGH:.2f}): {good} of {len(results)}. "
                 f"Accuracy near the classifier's: {near} of {len(results)}.")
    return "\n".join(lines) + "\n"


def make_sets(arg):
    if (arg.out / "sets/.made").exists():
        return
    words = [word for key in ("cifar10", "notmnist") if getattr(arg, key) for word in (f"--{key}", getattr(arg, key))]
    subprocess.run([sys.executable, HERE / "own_sets.py", arg.out / "sets", *words], check=True)
    (arg.out / "sets/.made").write_text("")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--time-budget", default=420, type=float)
    parser.add_argument("--sets", default=",".join(NAMES))
    parser.add_argument("--threads", default=0, type=int)
    parser.add_argument("--cifar10", default=os.environ.get("CIFAR10"))
    parser.add_argument("--notmnist", default=os.environ.get("NOTMNIST"))
    arg = parser.parse_args()
    arg.out.mkdir(parents=True, exist_ok=True)
    make_sets(arg)
    results, failed = [], 0
    for seed in map(int, arg.seeds.split(",")):
        for name in arg.sets.split(","):
            if not (arg.out / f"sets/{name}.images.npy").exists():
                print(f"{name}: left out, its images are not here", flush=True)
                continue
            try:
                r = one(arg, name, seed)
            except Failed as reason:
                failed += 1
                print(f"{name}, seed {seed}: FAILED\n{reason}", flush=True)
                continue
            results.append(r)
            print(f"{name:15} seed {seed}  {r['steps']:6} steps  AUC {r['auc']:.2f} (test {r['auc_test']:.2f})  accuracy {100 * r['accuracy']:.1f} %, "
                  f"classifier {100 * r['classifier']:.1f} %", flush=True)
            (arg.out / "own.md").write_text(table(results))
    print("\n" + table(results))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
