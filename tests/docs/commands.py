#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Run every command that README, documents and help texts print, at reduced size.

    commands.py BUILD            all of them: ok, skip or FAIL, a line each
    commands.py BUILD --list     what would be done with each, and why

A command is a line of an indented or fenced block that begins with a program of ours, make, cc or
a script of examples/. It runs in a folder that has the files it names (playground.py), with
options behind its own that keep it short. What cannot be run is parsed with --dry-run
and the reason printed. A target of make must exist, and so must, of `jem-NAME --option` in running
text, the option."""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from playground import Playground  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "docs/results/*.md", "examples/**/*.md"]
HEADS = re.compile(r"^(build/bin/)?(jem-[a-z]+|0\d_[a-z_]+)( |$)|^make( |$)|^(cc|zcat|tail) |^examples/\S+\.(py|sh)( |$)")

# Options that make a run short; the last one of a name counts.
SHORT = {
    "jem-train": "--set model.filters=4 --set pcd.capacity=32 --set train.batch=16 --set sgld.steps=2 "
                 "--validation 40 --stop-after 4 --overwrite",
    "jem-train --resume": "--stop-after 8",
    "jem-train --status": "",
    "jem-score": "--count 8",
    "jem-sample": "--count 4 --steps 2",
    "jem-demo": "--count 40",
    "jem-calibration": "--count 60 --fit-count 60",
    "jem-ood": "--count 40 --count-ood 40 --bootstrap 10",
    "jem-hybrid": "--count 40 --chains 20 --steps 2 --reference 40",
    "jem-robustness": "--count 3 --steps 2 --queries 5",
    "jem-distal": "--count 1 --steps 5",
    "jem-likely": "--count 40",
    "jem-semisup": "--set model.filters=4 --set train.batch=16 --steps 4 --labels 2 --seeds 1 --validation 100 --count 40",
    "jem-stability": "--set model.filters=4 --set train.batch=16 --stop-after 4 --seeds 1 --save-every 2 --recovery-steps 2",
    "jem-report": "--count 8",
    "jem-bench": "",
    "jem-data": "",
}

# The first that fits says what is done with a command: run it, ask it for a dry run, look
# whether what it names exists, or leave it out.
RULES = [
    (r"^mention ", "names", ""),
    (r"^jem-\S+ (.* )?--(help|version|kinds|list-options)\b", "run", ""),
    (r"\.\.\.", "leave", "words are left out of it"),
    (r"^make( |$)", "make", "what it makes is tested by the stages of .ci/run"),
    (r"^examples/convert/", "leave", "needs PyTorch and its files; tests/cli/convert.sh runs the converters"),
    (r"^examples/models/remember", "leave", "tests/cli/provenance.sh runs it"),
    (r"^cc ", "leave", "tests/gates/install.sh compiles and links a user's program"),
    (r"\b0\d_", "leave", "tests/cli/lessons.sh runs the lessons"),
    (r"jem-cifar10|wrn-28|model\.(depth|widen|arch)", "dry", "a wide network takes hours"),
    (r"inception|celeba:|svhn:DIR|pt_|OUT\b|\bDIR\b|\bFILE\b|\bMODEL\b|\bSVHN\b|\bCELEBA\b", "dry", "names files that are not here"),
    (r"^jem-(report|semisup|stability) .*build/", "dry", "it takes long, and that of its help text is run"),
    (r"^jem-bench", "dry", "times things, which a busy machine does not"),
]


def commands_of(text, markdown):
    """(line number, command) for each command of a page or help text."""
    found, joined, start, fenced = [], "", 0, False
    for number, line in enumerate(text.split("\n"), 1):
        if markdown and line.startswith("```"):
            fenced = not fenced
            continue
        code = fenced or not markdown or line.startswith("    ")
        if code:
            line = re.sub(r"\s{2,}(#|\().*$", "", line.strip())
            start = start if joined else number
            joined += line
            if joined.endswith("\\"):
                joined = joined[:-1].rstrip() + " "
                continue
            if HEADS.match(joined):
                found.append((start, joined))
        else:
            found += [(number, "mention " + c) for c in re.findall(r"`(jem-[^`]+)`", line) if " --" in c]
        joined = ""
    return found


def collect(binaries):
    for page in sorted(p for pattern in PAGES for p in ROOT.glob(pattern)):
        for number, command in commands_of(page.read_text(), True):
            yield f"{page.relative_to(ROOT)}:{number}", command
    for program in sorted(binaries.glob("jem-*")):
        text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
        for _, command in commands_of(text[text.find("\nExample"):], False):
            yield f"{program.name} --help", command


def plan(command):
    for pattern, how, reason in RULES:
        if re.search(pattern, command):
            return how, reason
    return "run", ""


def options_of(program, environment):
    text = subprocess.run([program, "--help"], env=environment, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"(?<!\S)--[a-z][a-z0-9-]*", text))


def carry_out(how, command, folder, environment):
    program = command.split()[0]
    if how == "names":
        _, program, *words = command.split()
        unknown = {re.split("[=,.;)]", w)[0] for w in words if w.startswith("--")} - options_of(program, environment)
        command = "true" if not unknown else f"echo no option {' '.join(sorted(unknown))} >&2; false"
    elif how == "make":
        rules = "\n".join(p.read_text() for p in [ROOT / "Makefile", *ROOT.glob("*/*.mk")])
        targets = [w for w in shlex.split(command)[1:] if "=" not in w and not w.startswith("-")]
        unknown = [t for t in targets if not re.search(rf"^[a-z -]*\b{t}\b[a-z -]*:", rules, re.M)]
        command = "true" if not unknown else f"echo no target {' '.join(unknown)} >&2; false"
    elif how == "dry":
        command += " --dry-run"
    elif program in SHORT and not re.search(r"--(help|version|kinds|list-options)\b", command):
        # Without a preset --set would mean the paper's network, which takes a minute for a step.
        if program == "jem-train" and not re.search("--(preset|resume|status)", command):
            command += " --preset demo"
        command += " " + SHORT.get(" ".join(command.split()[:2]), SHORT[program])
    return subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=240)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    todo = {}
    for place, command in collect(build / "bin"):
        todo.setdefault(command.removeprefix("build/bin/"), place)
    if "--list" in sys.argv:
        for command, place in todo.items():
            how, reason = plan(command)
            print(f"{how:6} {place:32} {command}" + (f"   [{reason}]" if reason else ""))
        return 0
    environment = dict(os.environ, PATH=f"{build}/bin:{os.environ['PATH']}", MAKEFLAGS="")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        Playground(folder, build, ROOT).make()
        for command, place in todo.items():
            how, reason = plan(command)
            if how == "leave":
                print(f"skip {place}: {command}: {reason}")
                continue
            done = carry_out(how, command, folder, environment)
            if done.returncode == 0:
                print(f"ok {place}: {command}" + (f" ({how}: {reason})" if reason else ""), flush=True)
            else:
                failed += 1
                said = (done.stderr or done.stdout).strip().split("\n")[0]
                print(f"FAIL {place}: {command}: exit code {done.returncode}, {said}", flush=True)
    return failed > 0


sys.exit(main())
