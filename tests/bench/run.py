#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Time jem-bench beside PyTorch and oneDNN, whichever are installed, on the same cores.

All contenders of a case run as processes that wait; in every round each has its turn, so that
what else the machine does hits all alike. A turn of a fast operation is many runs, of which the
median counts. Writes BUILD/bench.json and BUILD/bench.md. (This file must stay small in memory and
import no torch: the peak memory of a child begins with that of its parent.)

run.py [--build DIR] [--rounds N] [--threads N] [--only REGEX] [--alone] [quick|full|smoke]
"""
import argparse
import datetime
import json
import math
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # Debian's torch belongs to Debian's Python
TURN = 0.15                  # seconds that a turn should last, at least
PAUSE = 0.02                 # seconds between turns, until threads of the last one sleep
BUSY = 0.05                  # share of the processors that others may take
DROP = 1.6                   # a peer this much slower than the best one gets no more turns
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


class Contender:
    """A process that runs when told to."""

    def __init__(self, label, command, env=None):
        self.label, self.command, self.env = label, command, env or {}
        self.process, self.why, self.runs = None, None, 1
        self.turns, self.answer = [], {}

    def start(self, threads):
        env = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads),
                   OPENBLAS_NUM_THREADS=str(threads), **self.env)
        self.process = subprocess.Popen(self.command, env=env, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def turn(self, runs):
        """One turn; False when the process has ended, with the reason in `why`."""
        try:
            self.process.stdin.write(f"{runs}\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            text = self.process.stderr.read().strip().splitlines()
            self.why = text[-1] if text else f"ended with code {self.process.wait()}"
            return False
        self.answer = json.loads(line)
        return True

    def stop(self):
        if self.process:
            try:
                self.process.communicate()
            except (BrokenPipeError, ValueError):
                self.process.wait()
        self.process = None

    def result(self):
        if not self.turns:
            return {"label": self.label, "failed": self.why}
        return {"label": self.label, "kernels": self.answer["kernels"],
                "batch": self.answer["batch"], "turns": len(self.turns), "runs_a_turn": self.runs,
                "seconds": {"min": min(self.turns), "median": statistics.median(self.turns),
                            "max": max(self.turns)},
                "peak_rss_bytes": self.answer["peak_rss_bytes"],
                **{k: self.answer[k] for k in ("workspace_bytes", "library_peak_bytes")
                   if k in self.answer}}


class Foreign:
    """How much of the processors others took meanwhile. A busy machine slows programs that wait
    in spinning barriers (OpenMP, so the peers) out of all proportion."""

    def __init__(self):
        self.start, self.busy, self.own = time.monotonic(), self.machine(), self.ours()

    @staticmethod
    def machine():
        try:
            with open("/proc/stat", encoding="ascii") as f:
                ticks = [int(x) for x in f.readline().split()[1:]]
        except OSError:
            return 0.0
        return (sum(ticks[:3]) + sum(ticks[5:8])) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def ours():
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(u.ru_utime + u.ru_stime for u in both)

    def share(self):
        """From 0 to 1; children count once they have ended."""
        total = (time.monotonic() - self.start) * os.cpu_count()
        others = self.machine() - self.busy - (self.ours() - self.own)
        return max(0.0, min(1.0, others / total))


class Case:
    """Contenders for one line of the table; the first one is what the goal is about."""

    def __init__(self, title, goal, contenders, measure="time", threads=2, rounds=None, gflop=0):
        self.title, self.goal, self.contenders = title, goal, contenders
        self.measure, self.threads, self.rounds, self.gflop = measure, threads, rounds, gflop

    def run(self, rounds):
        rounds, foreign = self.rounds or rounds, Foreign()
        alive = [c for c in self.contenders if self.first_turn(c)]
        if rounds > 1:
            alive = self.without_slow(alive)
            for c in alive:
                c.turns = []
            for _ in range(rounds):
                alive = [c for c in alive if self.next_turn(c)]
        for c in self.contenders:
            c.stop()
        return {**self.result(), "foreign_cpu": round(foreign.share(), 3)}

    def first_turn(self, c):
        """Start it, warm it up, and find out how many runs make a turn."""
        c.start(self.threads)
        if self.measure == "memory":  # chains that last minutes
            return self.next_turn(c)
        if not c.turn(1) or not self.next_turn(c):
            return False
        for _ in range(2):  # the first ones may have been hiccups
            if min(c.turns) > 2 or len(c.turns) > 1 and min(c.turns) >= TURN:
                break
            c.runs = max(1, min(1000, math.ceil(TURN / max(min(c.turns), 1e-7))))
            if not self.next_turn(c):
                return False
        return True

    @staticmethod
    def next_turn(c):
        time.sleep(PAUSE)
        if not c.turn(c.runs):
            return False
        c.turns.append(c.answer["seconds"]["median"])
        return True

    def without_slow(self, alive):
        peers = [c for c in alive if c is not self.contenders[0]]
        if self.measure != "time" or not peers:
            return alive
        best = min(min(c.turns) for c in peers)
        slow = [c for c in peers if min(c.turns) > DROP * best]
        for c in slow:
            c.turns = [min(c.turns)]
            c.stop()
        return [c for c in alive if c not in slow]

    def result(self):
        results = [c.result() for c in self.contenders]
        out = {"title": self.title, "goal": self.goal, "measure": self.measure,
               "threads": self.threads, "contenders": results, "ratio": None}
        good = [r for r in results if "failed" not in r]
        if not good or good[0] is not results[0]:
            return out
        if self.gflop:
            for r in good:
                r["effective_gflops"] = self.gflop / r["seconds"]["median"]
        if len(good) > 1:
            best = min(good[1:], key=lambda r: self.value(r, "median"))
            out["best_peer"] = best["label"]
            out["ratio"] = self.value(best, "median") / self.value(good[0], "median")
            out["ratio_of_minima"] = self.value(best, "min") / self.value(good[0], "min")
        return out

    def value(self, r, which):
        if self.measure == "memory":
            return r["peak_rss_bytes"]
        return r["seconds"][which] / (r["batch"] if self.measure == "per_image" else 1)


class Maker:
    """Makes the cases with whatever peers there are."""

    def __init__(self, arg):
        self.arg, self.notes = arg, []
        self.jem = os.path.join(arg.build, "bin", "jem-bench")
        self.torch = None if arg.alone else self.find_torch()
        self.onednn = None if arg.alone else self.build_onednn()

    def find_torch(self):
        found = subprocess.run([PYTHON, "-c", "import torch; print(torch.__version__)"],
                               capture_output=True, text=True, check=False)
        if found.returncode == 0:
            return found.stdout.strip()
        why = (found.stderr.strip().splitlines() or ["it does not run"])[-1]
        self.notes.append(f"PyTorch is not there ({why}): apt-get install python3-torch")
        return None

    def build_onednn(self):
        out = os.path.join(self.arg.build, "tests", "peer_onednn")
        os.makedirs(os.path.dirname(out), exist_ok=True)
        cc = os.environ.get("CC") or "cc"
        made = subprocess.run([*cc.split(), "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O2",
                               *os.environ.get("DNNL_FLAGS", "").split(),
                               os.path.join(HERE, "peer_onednn.c"), "-o", out,
                               *os.environ.get("DNNL_LIBS", "-ldnnl").split()],
                              capture_output=True, text=True, check=False)
        if made.returncode == 0:
            # It runs without arguments: it prints its usage, or why it cannot work.
            said = subprocess.run([out], capture_output=True, text=True, check=False).stderr
            if "usage" in said:
                return out
            made.stderr = said
        lines = made.stderr.strip().splitlines() or ["no reason given"]
        why = next((line for line in lines if "cannot find" in line), lines[-1])
        self.notes.append(f"oneDNN is not there ({why}): apt-get install libdnnl-dev")
        return None

    def ours(self, threads, label="libjem", **options):
        flags = [f"--{k}={v}" for k, v in options.items() if v is not None]
        return Contender(label, [self.jem, "--paced", f"--threads={threads}", *flags])

    def network(self, title, goal, model, op, batch, input_size="3x32x32", backend=None, env=None,
                steps=None, update=False, **case):
        threads = self.arg.threads
        what = {"model": model, "input": input_size, "classes": 10, "batch": batch, "op": op,
                "steps": steps}
        contenders = [self.ours(threads, backend=backend, **what)]
        if steps:
            what["steps"] = min(steps, 3)  # a peer's memory does not grow later
        for layout in ("channels_last", "nchw") if self.torch else ():
            flags = [f"--{k}={v}" for k, v in what.items() if v is not None]
            contenders.append(Contender(
                f"PyTorch {layout.replace('_', ' ')}",
                [PYTHON, os.path.join(HERE, "peer_torch.py"), f"--threads={threads}",
                 f"--format={layout}", *flags, *(["--update"] if update else [])], env))
        return Case(title, goal, contenders, threads=threads, **case)

    def conv(self, height, channels, batch, which):
        shape = f"{batch},{channels},{height},{height},{channels}"
        contenders = [self.ours(self.arg.threads, op="conv", shape=shape, **{"pass": which})]
        for algorithm in ("winograd", "direct") if self.onednn else ():
            contenders.append(Contender(f"oneDNN {algorithm}",
                                        [self.onednn, algorithm, which, shape]))
        name = "forward" if which == "fwd" else "input gradient"
        return Case(f"3x3 convolution, {name}, {height}x{height}, {channels} channels, "
                    f"batch {batch}", 1.15, contenders, threads=self.arg.threads,
                    gflop=18e-9 * batch * channels * channels * height * height)

    def scaling(self, batch):
        what = {"model": "wrn-28-10", "op": "sgld", "batch": batch}
        return Case(f"WRN-28-10, SGLD step, batch {batch}: 2 threads against 1", 1.8,
                    [self.ours(2, "libjem, 2 threads", **what),
                     self.ours(1, "libjem, 1 thread", **what)])

    def growth(self, model, batches, **what):
        contenders = [self.ours(self.arg.threads, f"libjem, batch {b}", model=model, op="sgld",
                                batch=b, **what) for b in reversed(batches)]
        return Case(f"{model.upper()}, SGLD step, time per image: batch {batches[-1]} against "
                    f"smaller ones", 1, contenders, measure="per_image",
                    threads=self.arg.threads)

    def cases(self):
        return {"quick": self.quick, "full": self.full, "smoke": self.smoke}[self.arg.set]()

    def smoke(self):
        yield self.network("WRN-10-1 on 3x8x8, SGLD step, batch 2", 1, "wrn-10-1", "sgld", 2,
                           "3x8x8")
        yield self.conv(8, 16, 2, "fwd")
        yield self.growth("wrn-10-1", (1, 2), input="3x8x8")
        yield self.network("WRN-10-1, chain of 2 steps, peak memory", 1, "wrn-10-1", "sgld", 2,
                           "3x8x8", steps=2, measure="memory", rounds=1)

    def quick(self):
        yield self.network("WRN-28-10, SGLD step, batch 16", 4, "wrn-28-10", "sgld", 16)
        yield self.network("WRN-28-10, logits, batch 16", 4, "wrn-28-10", "logits", 16)
        yield self.network("WRN-28-10, score one image with gradient", 2, "wrn-28-10", "grad", 1)
        yield self.network("WRN-16-2 on 1x28x28, SGLD step, batch 64", 4, "wrn-16-2", "sgld", 64,
                           "1x28x28")
        yield self.network("WRN-16-2 on 1x28x28, training step, batch 64", 3, "wrn-16-2", "train",
                           64, "1x28x28")
        yield self.network("demo network, SGLD step, batch 64", 4, "demo", "sgld", 64, "1x28x28")
        for which in ("fwd", "bwd_x"):
            for height, channels in ((32, 160), (16, 320), (8, 640)):
                yield self.conv(height, channels, 16, which)

    def full(self):
        for op, name, goal in (("sgld", "SGLD step", 4), ("logits", "logits", 4),
                               ("train", "training step", 3)):
            for batch in (16, 64):
                yield self.network(f"WRN-28-10, {name}, batch {batch}", goal, "wrn-28-10", op,
                                   batch)
        for op, name, goal in (("sgld", "SGLD step", 4), ("train", "training step", 3)):
            yield self.network(f"WRN-16-2 on 1x28x28, {name}, batch 64", goal, "wrn-16-2", op, 64,
                               "1x28x28")
            yield self.network(f"demo network, {name}, batch 64", goal, "demo", op, 64, "1x28x28")
        for model, title, batch, size in (("wrn-28-10", "WRN-28-10", 16, "3x32x32"),
                                          ("wrn-16-2", "WRN-16-2 on 1x28x28", 64, "1x28x28"),
                                          ("demo", "demo network", 64, "1x28x28")):
            yield self.network(f"{title}, training step, batch {batch}, Adam on both sides", 3, model,
                               "train", batch, size, update=True)
        for batch in (16, 64):
            for which in ("fwd", "bwd_x"):
                for height, channels in ((32, 160), (16, 320), (8, 640)):
                    yield self.conv(height, channels, batch, which)
        yield self.network("WRN-28-10, SGLD step, batch 16, AVX2 only", 2.5, "wrn-28-10", "sgld",
                           16, backend="cpu:avx2", env=AVX2)
        yield self.network("WRN-28-10, score one image with gradient", 2, "wrn-28-10", "grad", 1)
        yield self.network("demo network, score one image with gradient", 2, "demo", "grad", 1,
                           "1x28x28")
        yield self.scaling(16)
        yield self.growth("wrn-28-10", (16, 64, 256))
        yield self.network("WRN-28-10, chain of 20 steps, batch 64, peak memory", 4 / 3,
                           "wrn-28-10", "sgld", 64, steps=20, measure="memory", rounds=1)


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def machine(arg, maker):
    """What the figures depend on."""
    cpu = {k.strip(): v.strip() for k, _, v in
           (line.partition(":") for line in output_of("lscpu").splitlines())}
    flags = cpu.get("Flags", "").split()
    packages = {}
    for package in ("python3-torch", "libdnnl2", "libblis4-pthread", "libblis4"):
        if shutil.which("dpkg-query"):
            version = output_of("dpkg-query", "-W", "-f", "${Version}", package)
            if version:
                packages[package] = version
    cc = os.environ.get("CC") or "cc"
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": f'{cpu.get("Model name", platform.machine())} (family {cpu.get("CPU family", "?")}, '
               f'model {cpu.get("Model", "?")})',
        "cores": os.cpu_count(),
        "isa": [f for f in ("avx2", "fma", "avx512f", "avx512vl", "avx512_vnni") if f in flags],
        "caches": {k: cpu[k] for k in ("L1d cache", "L2 cache", "L3 cache") if k in cpu},
        "load_average_before": os.getloadavg()[0],
        "system": platform.platform(),
        "compiler": (output_of(*cc.split(), "--version").splitlines() or ["?"])[0],
        "libjem": output_of(maker.jem, "--version"),
        "torch": maker.torch,
        "packages": packages,
        "threads": arg.threads,
    }


def shown(seconds):
    for unit, factor in (("s", 1), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def cell(r, measure):
    """median (min to max) of a contender."""
    if "failed" in r:
        return f'failed: {r["failed"]}'
    if measure == "memory":
        text = f'{r["peak_rss_bytes"] / 2**20:.0f} MiB'
        if "workspace_bytes" in r:
            text += f' (workspace {r["workspace_bytes"] / 2**20:.1f})'
        return text
    share = r["batch"] if measure == "per_image" else 1
    s = {k: shown(v / share) for k, v in r["seconds"].items()}
    text = f'{s["median"]} ({s["min"]} to {s["max"]})' if r["turns"] > 1 else \
        f'{s["median"]} (once)'
    if "effective_gflops" in r:
        text += f', {r["effective_gflops"]:.0f} GFLOP/s'
    return text


def row(result):
    first, *peers = result["contenders"]
    ratio = "-"
    if result["ratio"] is not None:
        ratio = f'**{result["ratio"]:.2f}**'
        if result["measure"] != "memory":
            ratio += f' ({result["ratio_of_minima"]:.2f})'
    peers = "<br>".join(f'{r["label"]}: {cell(r, result["measure"])}' for r in peers) or "-"
    kernels = first.get("kernels", "-")
    title = result["title"]
    if result["foreign_cpu"] > BUSY:
        title += f' (**machine busy**: others took {result["foreign_cpu"]:.0%})'
    return (f'| {title} | {kernels} | {cell(first, result["measure"])} | {peers} '
            f'| {ratio} |')


def markdown(about, results, notes, rounds):
    caches = ", ".join(f"{k} {v}" for k, v in about["caches"].items())
    versions = ", ".join(f"{k} {v}" for k, v in about["packages"].items())
    lines = [
        f'{about["date"]}, {about["cpu"]}, {about["cores"]} core(s), {" ".join(about["isa"])}; '
        f'{caches}; load {about["load_average_before"]:.1f} before the first case.  ',
        f'{about["system"]}; {about["compiler"]}; {about["libjem"]}; {versions}.  ',
        f'{about["threads"]} threads unless a line says otherwise; median (minimum to maximum) of '
        f"{rounds} turns, taken in alternation.  ",
        "Ratio: best peer / libjem, of the medians (in brackets: of the minima); above 1 libjem "
        "is faster or smaller. A training step of libjem includes Adam's update and what is made of the "
        "new weights, a peer's only where the line says so.",
        "",
        "| what | kernels | libjem | peers | ratio |",
        "| --- | --- | --- | --- | --- |",
        *[row(r) for r in results], ""]
    return "\n".join(lines + [f"Note: {n}.  " for n in notes]) + "\n"


def arguments():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("set", nargs="?", choices=("quick", "full", "smoke"), default="quick")
    p.add_argument("--build", default="build")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--only", default="", metavar="REGEX", help="cases whose title contains it")
    p.add_argument("--alone", action="store_true", help="no peers")
    arg = p.parse_args()
    if arg.rounds < 1 or arg.threads < 1:
        p.error("--rounds and --threads must be at least 1")
    arg.build = os.path.abspath(arg.build)
    return arg


def write(arg, about, results, notes):
    with open(os.path.join(arg.build, "bench.json"), "w", encoding="utf-8") as f:
        json.dump({"machine": about, "rounds": arg.rounds, "cases": results, "notes": notes}, f,
                  indent=1)
        f.write("\n")
    with open(os.path.join(arg.build, "bench.md"), "w", encoding="utf-8") as f:
        f.write(markdown(about, results, notes, arg.rounds))


def main():
    arg = arguments()
    if not os.access(os.path.join(arg.build, "bin", "jem-bench"), os.X_OK):
        print(f"bench: no {arg.build}/bin/jem-bench; run make first", file=sys.stderr)
        return 2
    maker = Maker(arg)
    for note in maker.notes:
        print(f"bench: {note}", flush=True)
    about, results, failed = machine(arg, maker), [], 0
    for case in maker.cases():
        if not re.search(arg.only, case.title, re.IGNORECASE):
            continue
        result = case.run(arg.rounds)
        results.append(result)
        first = result["contenders"][0]
        failed += "failed" in first
        ratio = "" if result["ratio"] is None else \
            f'; {result["ratio"]:.2f} against {result["best_peer"]}, goal {result["goal"]:.3g}'
        if result["foreign_cpu"] > BUSY:
            ratio += f'; MACHINE BUSY, others took {result["foreign_cpu"]:.0%}: do not trust this'
        print(f'{case.title}: {cell(first, case.measure)}{ratio}', flush=True)
        write(arg, about, results, maker.notes)  # an interrupted run leaves what it has
    if not results:
        print(f"bench: no case matches {arg.only!r}", file=sys.stderr)
        return 2
    print(f"bench: {len(results)} case(s) in {arg.build}/bench.md and bench.json")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
