#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Make memory, files and threads fail under the library and under whole programs.

    faults.py BUILD [--quick]          all of it, or a share of some seconds
    faults.py BUILD --calls            one fault of each call
    faults.py BUILD --only LIFE,...    these lives (lives.py; "library": scenarios.c)
    faults.py BUILD --once LIFE KIND:N one fault in one program, with what it says

BUILD holds tests/inject.so, tests/scenarios (inject.h, scenarios.c) and programs. Of a program each
event that inject.so counts fails in a run of its own, or, where there are many, a share of them. Exit
code 0 must go with exactly the files of an undisturbed run, 1 with a reason on stderr; nothing else is
allowed, nor are torn files and temporary ones left behind. Killed (SIGKILL) before a write, rename and so
on, a program must leave whole files, and the same command again, or --resume, comes to the files of an
undisturbed run.

A build with -g also says at which calls in libjem/ and examples/kit/ something failed (sites.py). Every
call must have failed once, so that events are chosen first by the calls that they come from; calls that
cannot fail, and why, stand in unreached.txt. An entry there that is wrong fails, and so does a function
that is called and that functions.py does not know."""

import concurrent.futures
import csv
import itertools
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import functions
import lives
import sites

VOLATILE = re.compile(r"second|time|date|started|finished|per_s|eta|version|hours|host", re.I)
QUICK = {"alloc": 30, "io": 30, "thread": 2, "short": 8, "kill": 8}
FULL = {"alloc": 60, "io": 60, "thread": 10, "short": 12, "kill": 40}
OWN = {  # seconds for each run; no end to go on to
    "inception": {"alloc": 6, "io": 6, "thread": 1, "short": 2, "kill": 2},
    "unfinished": {"alloc": 60, "io": 60},
}
TRIES = 2  # to let a call fail
# Lives whose words are their result.
PRINTED = ("kinds", "man", "man-notes", "bash", "zsh", "help", "help-long", "options", "dry-run", "frechet",
           "inception-score")
TRAININGS = ("train", "resume", "odd-train", "odd-resume", "unfinished")
GROWING = ("log.jsonl", "live.html")  # they also tell that a training was cut off


class Program:
    def __init__(self, build, work, name, words=None):
        self.build, self.work, self.name = build, work, name
        words = words or {**lives.LIVES, **lives.MORE}[name]
        self.command = self.words(words)
        self.number = 0

    def words(self, words):
        places = {"{data}": str(self.work / "data"), "{files}": str(lives.ROOT / "tests/images/files")}
        for place, path in places.items():
            words = [word.replace(place, path) for word in words]
        return [str((self.build / "bin" / words[0]).resolve()), *words[1:]]

    @property
    def module(self):
        return os.path.relpath(self.command[0], self.build)

    def folder(self):
        self.number += 1
        folder = self.work / f"{self.name}-{self.number:05}"  # names of one length, as they stand in files
        shutil.copytree(self.work / "start", folder, symlinks=True)
        return folder

    def run(self, folder, inject, command=None):
        """How it ended, and the events, of which those with names failed."""
        out = self.work / f"{folder.name}.events"
        env = {**os.environ, "LD_PRELOAD": str(self.build / "tests" / "inject.so"), "INJECT_OUT": str(out), "TZ": "UTC"}
        env.pop("INJECT", None)
        if inject:
            env["INJECT"] = inject
        done = subprocess.run(command or self.command, cwd=folder, env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=300, check=False)
        events = out.read_text() if out.exists() else ""
        out.unlink(missing_ok=True)
        return done, events.replace("main+", f"{self.module}+")


# --- Files ----------------------------------------------------------------------------------------


def plain(value):
    """JSON without what differs from run to run."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if not VOLATILE.search(k)}
    return [plain(v) for v in value] if isinstance(value, list) else value


def plain_table(text):
    """A file of tables, CSV, without columns that differ from run to run. A head begins with "table"."""
    head, rows = [], []
    for row in csv.reader(text.splitlines()):
        head = row if row[:1] == ["table"] else head
        rows.append([cell for cell, name in itertools.zip_longest(row, head, fillvalue="") if not VOLATILE.search(name)])
    return rows


def content(path, folder):
    data = path.read_bytes().replace(str(folder).encode(), b"FOLDER")
    if path.suffix == ".csv":
        return plain_table(data.decode())
    if path.suffix == ".json":
        return plain(json.loads(data))
    if path.suffix == ".jsonl":
        return [plain(json.loads(line)) for line in data.splitlines()]
    return data


def files_of(folder):
    return [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != lives.LEFT]


def contents(folder):
    return {str(p.relative_to(folder)): ("link to " + os.readlink(p) if p.is_symlink() else "", content(p, folder))
            for p in files_of(folder) if ".tmp-" not in p.name}


def differences(folder, expected, but=()):
    """The names of files that are not as in an undisturbed run."""
    try:
        got = contents(folder)
    except ValueError as error:
        return [str(error)]
    return [name for name in sorted(set(got) | set(expected))
            if got.get(name) != expected.get(name) and pathlib.Path(name).name not in but]


def torn(path):
    data = path.read_bytes()
    if path.suffix == ".safetensors":
        size = struct.unpack("<Q", data[:8])[0] if len(data) >= 8 else 0
        try:
            header = json.loads(data[8:8 + size])
            end = max(v["data_offsets"][1] for k, v in header.items() if k != "__metadata__")
        except (ValueError, KeyError):
            return "torn"
        return "" if 8 + size + end == len(data) else "torn"
    if path.suffix == ".json":
        try:
            json.loads(data)
        except ValueError:
            return "torn"
    if path.suffix == ".png":
        return "" if data.endswith(b"IEND\xaeB`\x82") else "torn"
    if path.suffix in (".svg", ".html") and path.name not in GROWING:
        return "" if data.endswith(b"</svg>\n" if path.suffix == ".svg" else b"</html>\n") else "torn"
    if path.suffix == ".npy":
        size = 10 + struct.unpack("<H", data[8:10])[0] if len(data) > 10 else 0
        shape = re.search(rb"'descr': '.(..)'.*'shape': \(([0-9, ]*)\)", data[:size] if size else b"")
        if not shape:
            return "torn"
        want = int(shape[1][1:])
        for word in shape[2].replace(b",", b" ").split():
            want *= int(word)
        return "" if size + want == len(data) else "torn"
    return ""


# --- One fault ------------------------------------------------------------------------------------


def go_on(program, folder, expected):
    """What is wrong with a folder in which a program was killed. The same command does its work there, or a
    training that has saved something goes on; both come to the end of one that nobody disturbed."""
    resume = lives.RESUME.get(program.name)
    done, _ = program.run(folder, "")
    if done.returncode != 0 and resume and (folder / resume[2]).exists():
        done, _ = program.run(folder, "", program.words(resume))
    if done.returncode != (program.name in lives.REFUSED):
        return ["the next run: " + done.stderr.decode(errors="replace")[:200]]
    return [f"after the next run, {name} is not as undisturbed"
            for name in differences(folder, expected, GROWING if program.name in TRAININGS else ())]


def judge_end(program, kind, done, folder, expected):
    """What is wrong with a program that came to an end, and with its files."""
    said = done.stderr.decode(errors="replace")
    if done.returncode == 0:
        # A training goes on without a line of its log, a page or a best model, and says so.
        goes_on = program.name in TRAININGS and re.search("the training (goes on|needs no)", said)
        wrong = [f"exit code 0, but {name} is not as undisturbed" for name in differences(folder, expected[0])
                 if not (goes_on and (folder / name).exists())]
        if program.name in PRINTED and done.stdout != expected[1]:
            wrong.append("exit code 0, but it does not say what it says undisturbed")
        return wrong
    if done.returncode != 1 or (kind in ("short", "thread") and program.name not in lives.REFUSED):
        return [f"exit code {done.returncode}: {said[:200]}"]
    if not said.strip():
        return ["exit code 1 without a word"]
    if kind == "alloc" and program.name not in lives.REFUSED and not re.search("out of memory|JEM_E_NOMEM|allocate memory", said, re.I):
        return [f"no memory, but: {said[:200]}"]
    return []


def judge(program, inject, expected, tell=None):
    """Run with one fault; what is wrong with what came of it, and the events that failed."""
    folder = program.folder()
    kind = inject.split(":")[0]
    done, events = program.run(folder, inject)
    killed = kind == "kill" and done.returncode == -9
    wrong = [f"{p.relative_to(folder)}: {'a temporary file' if '.tmp-' in p.name else 'torn'}" for p in files_of(folder)
             if (not killed if ".tmp-" in p.name else torn(p))]
    if killed:
        wrong += go_on(program, folder, expected[0])
    elif kind == "kill" and done.returncode != (program.name in lives.REFUSED):
        wrong.append(f"exit code {done.returncode}: {done.stderr.decode(errors='replace')[:200]}")
    elif kind != "kill":
        wrong += judge_end(program, kind, done, folder, expected)
    if tell:
        tell(f"exit code {done.returncode}\n{(done.stdout + done.stderr).decode(errors='replace')}")
    shutil.rmtree(folder, ignore_errors=True)
    return [f"{program.name} {inject}: {w}" for w in wrong], events


# --- A life ---------------------------------------------------------------------------------------


def choose(count, most):
    """Event numbers: all, or so many, evenly spaced."""
    return range(1, count + 1) if count <= most else [1] if most < 2 else sorted({1 + i * (count - 1) // (most - 1) for i in range(most)})


class Life:
    """A program, its undisturbed run, and the faults that it gets."""

    def __init__(self, build, work, name, places):
        self.program = Program(build, work, name)
        folder = self.program.folder()
        done, events = self.program.run(folder, "alloc:0")
        self.error = done.stderr.decode(errors="replace")[:300] if done.returncode != (name in lives.REFUSED) else ""
        self.expected = contents(folder), done.stdout
        shutil.rmtree(folder)
        self.counts = {kind: int(n) for kind, n in re.findall(r"^count (\w+) (\d+)$", events, re.M)}
        self.events = {kind: [line.split()[2:] for line in events.splitlines() if line.startswith(kind + " ")]
                       for kind in FULL}
        self.places, self.tried = places, set()

    def share(self, limits):
        """Some of all events; of a share in seconds the first of each chain of callers."""
        for kind, most in limits.items():
            first = {}
            for number, frames in enumerate(self.events[kind], 1):
                first.setdefault(tuple(frames), number)
            picked = sorted(first.values())
            if len(picked) > most:
                picked = [picked[i - 1] for i in choose(len(picked), most)]
            if limits is not QUICK:
                picked = sorted({*picked, *choose(self.counts[kind], most)})
            for n in picked:
                yield from (f"{kind}:{n}{tail}" for tail in (("", "+") if kind in ("alloc", "io") and n % 4 == 1 else ("",)))

    def needed(self, reached):
        """An event of each call that has not failed yet, by its caller: numbers differ from run to run."""
        for kind in ("alloc", "io", "thread"):
            for frame in dict.fromkeys(f for frames in self.events[kind] for f in frames):
                inject = f"{kind}:@{frame.replace(self.program.module + '+', 'main+')}"
                if frame in self.places and self.places[frame] not in reached and inject not in self.tried:
                    reached.add(self.places[frame])
                    self.tried.add(inject)
                    yield inject
                    if kind == "io":  # what comes after a failure fails too
                        yield inject + "+"


class Faults:
    """All faults in programs, and what came of them."""

    def __init__(self, build, work, limits, failed):
        self.build, self.work, self.limits = build, work, limits
        quick = self.quick = limits is QUICK
        self.totals, self.wrong, self.failed = {}, [], failed
        self.sites, self.places = ({} if quick else sites.call_sites()), {}
        self.pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())

    def place(self, frames):
        """Note the calls that frames come from."""
        new = [frame for frame in frames if frame not in self.places]
        for frame, line in sites.lines_of(self.build, new).items():
            found = sites.reached_by(self.sites, [line])
            if found:
                self.places[frame] = found.pop()

    def reached(self):
        return {self.places[f] for f in self.failed if f in self.places}

    def let_fail(self, life, jobs):
        bad = 0
        for inject, (found, seen) in zip(jobs, self.pool.map(lambda j: judge(life.program, j, life.expected), jobs)):
            kind = inject.split(":")[0]
            self.totals[kind] = self.totals.get(kind, 0) + 1
            self.wrong += found
            bad += bool(found)
            for line in found:
                print("FAIL", line, flush=True)
            self.failed |= {frame for line in seen.splitlines() if not line.startswith("count ") for frame in line.split()[2:]}
        return bad

    def live(self, name):
        program = Program(self.build, self.work, name).command[0]
        if not os.path.exists(program):
            self.wrong.append(f"{program} is not built")
            return
        life = Life(self.build, self.work, name, self.places)
        if life.error:
            self.wrong.append(f"{name} undisturbed: {life.error}")
            return
        jobs, done, bad = list(life.share(OWN.get(name, FULL) if self.limits is FULL else self.limits)), 0, 0
        for _ in range(1 if self.quick else 1 + TRIES):
            bad += self.let_fail(life, jobs)
            done += len(jobs)
            if not self.quick:
                self.place(self.failed | {f for chains in life.events.values() for frames in chains for f in frames})
                jobs = list(life.needed(self.reached()))
        print(f"{name}: {done} faults, {bad} wrong; events", ", ".join(f"{k} {v}" for k, v in life.counts.items()),
              flush=True)


def library(build, work, stride):
    """scenarios.c: what is wrong, how many faults, the callers of those."""
    env = {**os.environ, "LD_PRELOAD": str(build / "tests/inject.so"), "INJECT_OUT": str(work / "events")}
    done = subprocess.run([str(build / "tests/scenarios"), str(work / "library"), stride], env=env,
                          capture_output=True, text=True, check=False)
    wrong = re.findall("^WRONG (.*)$", done.stdout, re.M)
    last = done.stdout.splitlines()[-1] if done.stdout else ""
    totals = {k: int(n) for k, n in re.findall(r"(alloc|io|thread|short) (\d+)", last)} if done.returncode in (0, 1) else {}
    if not totals:
        wrong.append(f"scenarios: exit code {done.returncode} {done.stderr[:300]}")
    print("library:", last, flush=True)
    events = (work / "events").read_text() if (work / "events").exists() else ""
    return totals, wrong, {frame.replace("main+", "tests/scenarios+") for line in events.splitlines()
                           if not line.startswith("count ") for frame in line.split()[2:]}


def prepare(build, work):
    for name in ("data", "start", "library"):
        (work / name).mkdir()
    lives.make_data(work / "data")
    lives.make_start(work / "start")
    for words in (lives.START, lives.START_ODD):
        done = subprocess.run(Program(build, work, "start", words).command, cwd=work / "start", capture_output=True,
                              check=False)
        if done.returncode != 0:
            sys.exit(done.stderr.decode())


def once(build, work, name, inject):
    life = Life(build, work, name, {})
    found, events = judge(life.program, inject, life.expected, print)
    print(*found, events, sep="\n")
    return bool(found)


def main():
    build, words = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    quick = "--quick" in words
    names = list(lives.LIVES if quick else {**lives.LIVES, **lives.MORE})
    only = words[words.index("--only") + 1].split(",") if "--only" in words else ["library", *names]
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    totals, wrong, failed = {}, [], set()
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        work = pathlib.Path(folder)
        prepare(build, work)
        if "--once" in words:
            return once(build, work, *words[-2:])
        if "library" in only:
            totals, wrong, failed = library(build, work, "29" if quick else "1")
        faults = Faults(build, work, QUICK if quick else {} if "--calls" in words else FULL, failed)
        for name in names:
            if name in only:
                faults.live(name)
    for kind, n in faults.totals.items():
        totals[kind] = totals.get(kind, 0) + n
    late = []
    if not quick:
        late = functions.unknown(build)
        if "--only" not in words:
            late += sites.check(build, faults.failed)
    for line in wrong + late + [w for w in faults.wrong if not re.match(r"[\w-]+ \w+:[\d@]", w)]:
        print("FAIL", line)
    bad = len(wrong) + len(late) + len(faults.wrong)
    print("faults:", ", ".join(f"{kind} {n}" for kind, n in totals.items()))
    print(f"{sum(totals.values()) - bad} passed, {bad} failed")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
