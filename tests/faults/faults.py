#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Make memory, files and threads fail under the library and under whole programs.

    faults.py BUILD [--quick]          all of it, or a share of a minute
    faults.py BUILD --once LIFE KIND:N one fault in one program, its folder kept

BUILD holds tests/inject.so, tests/scenarios (inject.h, scenarios.c) and programs. Of a program each
event that inject.so counts fails in a run of its own. Exit code 0 must go with exactly the files of an
undisturbed run, 1 with a reason on stderr; nothing else is allowed, nor are torn files and temporary ones
left behind. Killed (SIGKILL) before a write, rename and so on, a program must leave whole files,
and the same command again, or --resume, must work.

A build with -g also says at which calls in libjem/ and examples/kit/ something failed. Every call must
have failed once; calls that cannot, and why, stand in unreached.txt. An entry there that is wrong fails."""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNREACHED = pathlib.Path(__file__).with_name("unreached.txt")
TINY = "model.arch=mlp model.layers=2 model.hidden=5 train.batch=8 sgld.steps=2 pcd.capacity=16 train.crop_pad=1 " \
       "train.decay_epochs=90,100,110".split()
SETTINGS = [word for setting in TINY for word in ("--set", setting)]
VOLATILE = re.compile(r"second|time|date|started|finished|per_s|eta|version|hours|host", re.I)
QUICK = {"alloc": 30, "io": 30, "thread": 2, "short": 8, "kill": 8}
FULL = {"alloc": 200, "io": 200, "thread": 10, "short": 25, "kill": 80}

# --- Data -----------------------------------------------------------------------------------------


def npy(path, kind, shape, data):
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data)


def png(path, width, height, value):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    rows = b"".join(b"\0" + bytes((value * 7 + x * y) % 256 for x in range(width)) for y in range(height))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def make_data(folder):
    n = 40
    pixels = bytes((i * 37 + i // 64 * 11) % 256 for i in range(n * 64))
    npy(folder / "images.npy", "|u1", (n, 1, 8, 8), pixels)
    npy(folder / "labels.npy", "<i8", (n,), struct.pack(f"<{n}q", *(i % 4 for i in range(n))))
    (folder / "cifar").mkdir()
    for name in ["data_batch_%d.bin" % i for i in range(1, 6)] + ["test_batch.bin"]:
        (folder / "cifar" / name).write_bytes(b"".join(bytes([i % 10]) + bytes((i * 5 + j) % 256 for j in range(3072))
                                                       for i in range(10)))
    for k in range(4):
        (folder / "pictures" / f"class{k}").mkdir(parents=True)
        for i in range(4):
            png(folder / "pictures" / f"class{k}" / f"{i}.png", 8, 8, 4 * k + i)


# What runs, in a copy of the folder `start` of its own. "{data}" are the files above.
LIVES = {
    "train": ["jem-train", "--data", "npy:{data}/images.npy,{data}/labels.npy", "--out", "out", "--steps", "5", "--stop-after", "3",
              "--validation", "8", "--validate-every", "2", "--threads", "2", "--quiet", *SETTINGS],
    "resume": ["jem-train", "--resume", "run/last.safetensors", "--stop-after", "2", "--quiet"],
    "score": ["jem-score", "--model", "run/best.safetensors", "--input", "{data}/images.npy",
              "--out", "out", "--grad", "--features"],
    "pictures": ["jem-score", "--model", "run/best.safetensors", "--input", "{data}/pictures/class1/2.png",
                 "{data}/pictures/class2/1.png", "--out", "out"],
    "info": ["jem-data", "info", "folder:{data}/pictures", "--json", "info.json"],
    "cifar": ["jem-data", "export", "cifar10:{data}/cifar", "--out", "out", "--quiet"],
    "grid": ["jem-data", "grid", "folder:{data}/pictures", "--out", "linked.png", "--quiet"],
    "sample": ["jem-sample", "--model", "run/best.safetensors", "--steps", "2", "--count", "8", "--per-class", "1",
               "--quiet", "--out", "out"],
    "demo": ["jem-demo", "--model", "run/best.safetensors", "--run", "run", "--data",
             "npy:{data}/images.npy,{data}/labels.npy", "--out", "out", "--quiet"],
}

DATA = ["--data", "npy:{data}/images.npy,{data}/labels.npy"]
MODEL = ["--model", "run/best.safetensors", *DATA, "--quiet"]
JSON = ["--json", "o.json", "--csv", "o.csv", "--out", "out"]

# Only in the long run.
MORE = {
    **{name: ["jem-robustness", *MODEL, "--count", "3", "--attack", name, "--eps", "0.03", "--steps", "2", "--queries", "40",
              "--restarts", "2", "--noises", "2", "--norm", "l2" if name == "pointwise" else "linf", "--json", "o.json"]
       for name in ("pgd", "pgd-min", "apgd", "square", "hopskipjump", "pointwise", "noise")},
    "refined": ["jem-robustness", *MODEL, "--count", "3", "--attack", "pgd", "--eps", "0.03", "--steps", "2", "--refine",
                "1", *JSON],
    "transfer": ["jem-robustness", *MODEL, "--count", "3", "--attack", "transfer", "--source", "run/last.safetensors",
                 "--eps", "0.03", "--steps", "2"],
    "ood": ["jem-ood", *MODEL, "--ood", "noise", "--ood", "interp", "--ood", "constant", "--bootstrap", "5", *JSON],
    "calibration": ["jem-calibration", *MODEL, "--fit-data", "folder:{data}/pictures", *JSON],
    "distal": ["jem-distal", *MODEL, "--count", "1", "--steps", "2", *JSON],
    "likely": ["jem-likely", *MODEL, "--samples", "run/last.safetensors", *JSON],
    "semisup": ["jem-semisup", *DATA, "--quiet", "--labels", "2", "--seeds", "1", "--test", "folder:{data}/pictures",
                "--validation", "8", "--steps", "2",
                *SETTINGS, *JSON],
}


class Program:
    def __init__(self, build, work, name):
        self.build, self.work, self.name = build, work, name
        words = [word.replace("{data}", str(work / "data")) for word in {**LIVES, **MORE}[name]]
        self.command = [str(build / "bin" / words[0]), *words[1:]]
        self.number = 0

    def folder(self):
        self.number += 1
        folder = self.work / f"{self.name}-{self.number}"
        shutil.copytree(self.work / "start", folder, symlinks=True)
        return folder

    def run(self, folder, inject, command=None):
        out = self.work / f"{folder.name}.events"
        env = {**os.environ, "LD_PRELOAD": str(self.build / "tests" / "inject.so"), "INJECT_OUT": str(out), "TZ": "UTC"}
        env.pop("INJECT", None)
        if inject:
            env["INJECT"] = inject
        done = subprocess.run(command or self.command, cwd=folder, env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=300, check=False)
        events = out.read_text() if out.exists() else ""
        out.unlink(missing_ok=True)
        return done, events


# --- Files ----------------------------------------------------------------------------------------


def plain(value):
    """JSON without what differs from run to run."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if not VOLATILE.search(k)}
    return [plain(v) for v in value] if isinstance(value, list) else value


def content(path):
    data = path.read_bytes()
    if path.suffix == ".json":
        return plain(json.loads(data))
    if path.suffix == ".jsonl":
        return [plain(json.loads(line)) for line in data.splitlines()]
    return data


def contents(folder):
    return {str(p.relative_to(folder)): ("link to " + os.readlink(p) if p.is_symlink() else "", content(p))
            for p in sorted(folder.rglob("*")) if p.is_file()}


def torn(path):
    data = path.read_bytes()
    if ".tmp-" in path.name:
        return "a temporary file"
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


def judge(program, inject, expected):
    """Run with one fault; what is wrong with what came of it, and the events that failed."""
    folder = program.folder()
    kind = inject.split(":")[0]
    done, events = program.run(folder, inject)
    said = done.stderr.decode(errors="replace")
    wrong = []
    files = [p for p in folder.rglob("*") if p.is_file()]
    if kind == "kill":
        if done.returncode == -9:
            again = program.command
            if program.name == "train" and (folder / "out/last.safetensors").exists():
                again = [*again, "--overwrite"]
            files = [p for p in files if ".tmp-" not in p.name]
            wrong += [f"{p.relative_to(folder)}: torn" for p in files if torn(p)]
            retry, _ = program.run(folder, "", again)
            if retry.returncode != 0 and not (program.name == "train" and b"--overwrite" in retry.stderr):
                wrong.append("the next run: " + retry.stderr.decode(errors="replace")[:200])
        elif done.returncode != 0:
            wrong.append(f"exit code {done.returncode}: {said[:200]}")
    else:
        wrong += [f"{p.relative_to(folder)}: {torn(p)}" for p in files if torn(p)]
        if done.returncode == 0:
            try:
                got = contents(folder)
            except ValueError as error:
                got = {"": str(error)}
            # A training goes on without a line of its log, a page or a best model, and says so.
            goes_on = program.name in ("train", "resume") and re.search("the training (goes on|needs no)", said)
            for name in sorted(set(got) | set(expected)):
                if got.get(name) != expected.get(name) and not (goes_on and name in got):
                    wrong.append(f"exit code 0, but {name} is not as undisturbed")
        elif done.returncode != 1 or kind in ("short", "thread"):
            wrong.append(f"exit code {done.returncode}: {said[:200]}")
        elif not said.strip():
            wrong.append("exit code 1 without a word")
        elif kind == "alloc" and not re.search("out of memory|JEM_E_NOMEM|allocate memory", said, re.I):
            wrong.append(f"no memory, but: {said[:200]}")
    shutil.rmtree(folder, ignore_errors=True)
    return [f"{program.name} {inject}: {w}" for w in wrong], events


def choose(count, most):
    """Event numbers: all, or so many, evenly spaced."""
    return range(1, count + 1) if count <= most else sorted({1 + i * (count - 1) // (most - 1) for i in range(most)})


def programs(build, work, lives, limits, failed):
    totals, wrong = {}, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name in lives:
            if not (build / "bin" / lives[name][0]).exists():
                wrong.append(f"{lives[name][0]} is not built")
                continue
            program = Program(build, work, name)
            folder = program.folder()
            done, events = program.run(folder, "alloc:0")
            if done.returncode != 0:
                wrong.append(f"{name} undisturbed: {done.stderr.decode(errors='replace')[:300]}")
                continue
            expected = contents(folder)
            shutil.rmtree(folder)
            counts = dict(re.findall(r"^count (\w+) (\d+)$", events, re.M))
            jobs = [f"{kind}:{n}{tail}" for kind, most in limits.items()
                    for n in chosen(events, kind, int(counts[kind]), most)
                    for tail in (("", "+") if kind in ("alloc", "io") and n % 4 == 1 else ("",))]
            bad = 0
            for inject, (found, seen) in zip(jobs, pool.map(lambda j: judge(program, j, expected), jobs)):
                kind = inject.split(":")[0]
                totals[kind] = totals.get(kind, 0) + 1
                wrong += found
                bad += bool(found)
                for line in found:
                    print("FAIL", line, flush=True)
                failed += [line.replace("main+", f"bin/{lives[name][0]}+") for line in seen.splitlines()
                           if not line.startswith("count ")]
            print(f"{name}: {len(jobs)} faults, {bad} wrong; events", ", ".join(f"{k} {v}" for k, v in counts.items()),
                  flush=True)
    return totals, wrong


def chosen(events, kind, count, most):
    """The first event of each chain of callers, and others evenly spaced."""
    first = {}
    for number, line in enumerate((x for x in events.splitlines() if x.startswith(kind + " ")), 1):
        first.setdefault(line, number)
    picked = sorted(first.values())
    if len(picked) > most:
        picked = [picked[i] for i in (n - 1 for n in choose(len(picked), most))]
    return sorted({*picked, *choose(count, most)} if most > 100 else set(picked))


# --- Call sites -----------------------------------------------------------------------------------

ALLOCATE = "jem__alloc jem__alloc_raw jem__strdup aligned_alloc malloc calloc realloc posix_memalign strdup strndup".split()
INPUT = ("open openat read pread write fstat stat lstat fsync rename mkdir flock fchmod fchown unlinkat readlink "
         "getrandom opendir readdir fopen fdopen fread fwrite fputs fputc putc fflush fclose fseeko ftello "
         "fprintf").split()
CALL = re.compile(r"(?<![\w.>])(" + "|".join(ALLOCATE + INPUT + ["pthread_create"]) + r")\(")


def call_sites():
    """(file, line): the function called there, the text of the line."""
    sites = {}
    for path in [*ROOT.glob("libjem/**/*.c"), *ROOT.glob("examples/kit/**/*.c")]:
        name = str(path.relative_to(ROOT))
        for number, line in enumerate(path.read_text().splitlines(), 1):
            code = re.sub(r'"(\\.|[^"\\])*"|/\*.*?\*/|^ *[/ ]\*.*', '""', line)
            if line[:1].isspace():
                for call in CALL.findall(code):
                    sites[name, number] = call, line.strip()
    return sites


def places_of(build, failed):
    """The lines of all callers of events that failed."""
    wanted = {}
    for frame in {frame for line in failed for frame in line.split()[2:]}:
        module, offset = frame.split("+")
        wanted.setdefault("libjem.so" if module == "libjem" else module, []).append(hex(int(offset, 16) - 1))
    places = set()
    for module, offsets in wanted.items():
        text = subprocess.run(["addr2line", "-e", str(build / module)], input="\n".join(offsets), capture_output=True,
                              check=True, text=True).stdout
        for file, line in re.findall(r"^(.*):(\d+)", text, re.M):
            file = re.sub(r"^.*/((libjem|examples)/)", r"\1", file)
            places.add((file, int(line)))
    return places


def check_sites(build, failed):
    """Calls that never failed and are not excused, excuses that do not hold. A caller's line is that of
    the call or, where the call spans lines, of one a little below or above."""
    sites, places = call_sites(), places_of(build, failed)
    if not any(file.startswith("libjem/") for file, _ in places):
        return ["no line of a caller is known: was the build made with -g?"]
    reached = set()
    for file, line in places:
        near = [n for f, n in sites if f == file and line - 4 <= n <= line + 1]
        exact = line if (file, line) in sites else None
        if exact or near:
            reached.add((file, exact or min(near, key=lambda n: abs(n - line))))
    excuses = {}
    for line in UNREACHED.read_text().splitlines():
        if line and not line.startswith("#"):
            file, text, reason = (part.strip() for part in line.split(" | "))
            excuses[file, text] = reason
    wrong, used = [], set()
    for (file, number), (call, text) in sorted(sites.items()):
        excuse = next((e for e in excuses if e[0] == file and e[1] in text), None)
        if excuse and (file, number) not in reached:
            used.add(excuse)
        elif (file, number) not in reached:
            wrong.append(f"never failed: {file}:{number}: {text}")
    wrong += [f"unreached.txt: {file} | {text}: it did fail, or there is no such call"
              for file, text in sorted(set(excuses) - used)]
    print(f"call sites: {len(sites)}, failed {len(reached)}, excused {len(used)}")
    return wrong


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    quick = "--quick" in sys.argv
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        work = pathlib.Path(folder)
        for name in ("data", "start", "library"):
            (work / name).mkdir()
        make_data(work / "data")
        first = Program(build, work, "train")
        done = subprocess.run([*first.command[:3], first.command[3], *first.command[4:], "--out", "run"],
                              cwd=work / "start", capture_output=True, check=False)
        if done.returncode != 0:
            sys.exit(done.stderr.decode())
        png(work / "start" / "old.png", 8, 8, 1)
        (work / "start" / "linked.png").symlink_to("old.png")
        if "--once" in sys.argv:
            _, life, inject = sys.argv[-3:]
            program = Program(build, work, life)
            clean = program.folder()
            program.run(clean, "")
            found, events = judge(program, inject, contents(clean))
            print(*found, events, sep="\n")
            return bool(found)
        env = {**os.environ, "LD_PRELOAD": str(build / "tests/inject.so"), "INJECT_OUT": str(work / "events")}
        done = subprocess.run([str(build / "tests/scenarios"), str(work / "library"), "29" if quick else "1"], env=env,
                              capture_output=True, text=True, check=False)
        wrong = re.findall("^WRONG (.*)$", done.stdout, re.M)
        totals = {k: int(n) for k, n in re.findall(r"(alloc|io|thread|short) (\d+)", done.stdout.splitlines()[-1])} \
            if done.returncode in (0, 1) else {}
        if not totals:
            wrong.append(f"scenarios: exit code {done.returncode} {done.stderr[:300]}")
        print("library:", done.stdout.splitlines()[-1] if done.stdout else "", flush=True)
        failed = [x.replace("main+", "tests/scenarios+") for x in (work / "events").read_text().splitlines() if not x.startswith("count ")] \
            if (work / "events").exists() else []
        more, bad = programs(build, work, LIVES if quick else {**LIVES, **MORE},
                             QUICK if quick else FULL, failed)
        for kind, n in more.items():
            totals[kind] = totals.get(kind, 0) + n
        wrong += bad
        told = {line for line in bad if re.match(r"[\w-]+ \w+:\d", line)}
    if not quick:
        wrong += check_sites(build, failed)
    for line in wrong:
        if line not in told:
            print("FAIL", line)
    print("faults:", ", ".join(f"{kind} {n}" for kind, n in totals.items()))
    print(f"{sum(totals.values()) - len(wrong)} passed, {len(wrong)} failed")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
