#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compile every C block and run every Python block of README and documents: snippets.py BUILD

A C block is compiled as it is printed; one that is not a translation unit must stand in the source,
word for word but for indentation, or become one between the lines of PROLOGUE. Python blocks run with the library of BUILD, in the order of their page, as one script."""

import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", "docs/*.md", "examples/**/*.md"]
WARNINGS = "-std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wno-unused -Werror".split()

# What a fragment may take for granted.
PROLOGUE = """#include <jem/jem.h>
#include <stdio.h>
#include <stdlib.h>
jem_status fragment(jem_context *ctx, jem_options *opts, jem_model *model, jem_head *head, jem_sampler *sampler,
                    jem_buffer *buffer, jem_dataset *data, jem_trainer *trainer, float *x, int32_t *y, int64_t n)
{
"""


def blocks(text, language):
    return [(text.count("\n", 0, m.start()) + 1, m.group(1))
            for m in re.finditer(r"^```" + language + r"\n(.*?)^```", text, re.M | re.S)]


def compiles(code):
    include = [f"-I{ROOT / name}" for name in ("include", "libjem", "examples", "tests/fuzz")]
    done = subprocess.run(["gcc", *WARNINGS, *include, "-fsyntax-only", "-x", "c", "-"], input=code,
                          capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr.strip().split("\n")[0]


def words(code):
    return " ".join(code.split())


def check_c(code, sources):
    if any(words(code) in source for source in sources):
        return ""
    reason = compiles(code)
    whole = PROLOGUE.partition("jem_status fragment")[0]
    wrapped = [whole + code, PROLOGUE + code + "\nreturn JEM_OK;\n}\n"]
    # A function and then a call of it: the fragment begins behind the last brace in column one.
    before, brace, after = code.rpartition("\n}\n")
    wrapped.append(whole + before + brace + PROLOGUE.removeprefix(whole) + after + "\nreturn JEM_OK;\n}\n")
    return reason if reason and all(compiles(c) for c in wrapped) else ""


def check_python(code, build):
    """The library is its first argument; it runs where examples/ is."""
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "examples").symlink_to(ROOT / "examples")
        done = subprocess.run(["/usr/bin/python3", "-", build / "libjem.so"], input=code, cwd=folder,
                              capture_output=True, text=True)
    return "" if done.returncode == 0 else (done.stderr.strip().split("\n") or ["?"])[-1]


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    sources = [words(p.read_text()) for room in ("examples", "libjem") for p in (ROOT / room).glob("**/*.[ch]")]
    failed = 0
    for page in sorted(p for pattern in PAGES for p in ROOT.glob(pattern)):
        text, name = page.read_text(), page.relative_to(ROOT)
        found = [(line, check_c(code, sources)) for line, code in blocks(text, "c")]
        python = blocks(text, "python")
        if python:
            found.append((python[0][0], check_python("\n".join(code for _, code in python), build)))
        for line, reason in found:
            failed += bool(reason)
            print(f"FAIL snippet {name}:{line}: {reason}" if reason else f"ok snippet {name}:{line}")
    return failed > 0


sys.exit(main())
