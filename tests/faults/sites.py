# SPDX-License-Identifier: MIT
"""The calls in libjem/ and examples/kit/ that allocate, read or write, and which of them have failed."""

import pathlib
import re
import subprocess

import functions

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNREACHED = pathlib.Path(__file__).with_name("unreached.txt")
CALL = re.compile(r"(?<![\w.>])(" + "|".join(functions.MEMORY + functions.FILES + functions.OURS + functions.THREADS) + r")\(")
STDERR = re.compile(r"\bstderr\b|write\(STDERR_FILENO|\bout\(\)")


def call_sites():
    """(file, line): the function called there, the text of the line. What goes to stderr may fail: nobody is
    left who could be told."""
    sites = {}
    for path in [*ROOT.glob("libjem/**/*.c"), *ROOT.glob("examples/kit/**/*.c")]:
        name = str(path.relative_to(ROOT))
        for number, line in enumerate(path.read_text().splitlines(), 1):
            code = re.sub(r'"(\\.|[^"\\])*"|/\*.*?\*/|^ *[/ ]\*.*', '""', line)
            if line[:1].isspace() and not STDERR.search(code):
                for call in CALL.findall(code):
                    sites[name, number] = call, line.strip()
    return sites


def lines_of(build, frames):
    """(file, line) of each frame "MODULE+OFFSET", a caller."""
    wanted, lines = {}, {}
    for frame in frames:
        wanted.setdefault(frame.split("+")[0], []).append(frame)
    for module, some in wanted.items():
        text = subprocess.run(["addr2line", "-e", str(build / ("libjem.so" if module == "libjem" else module))],
                              input="\n".join(hex(int(frame.split("+")[1], 16) - 1) for frame in some),
                              capture_output=True, check=True, text=True).stdout
        for frame, line in zip(some, text.splitlines()):
            found = re.match(r"^(?:.*/)?((?:libjem|examples)/.*):(\d+)", line)
            if found:
                lines[frame] = found[1], int(found[2])
    return lines


def reached_by(sites, lines):
    """A caller's line is that of the call or, where the call spans lines, of one a little below or above."""
    reached = set()
    for file, line in lines:
        near = [n for f, n in sites if f == file and line - 4 <= n <= line + 1]
        exact = line if (file, line) in sites else None
        if exact or near:
            reached.add((file, exact or min(near, key=lambda n: abs(n - line))))
    return reached


def check(build, failed):
    """Calls that never failed and are not excused, excuses that do not hold."""
    sites = call_sites()
    lines = set(lines_of(build, failed).values())
    if not any(file.startswith("libjem/") for file, _ in lines):
        return ["no line of a caller is known: was the build made with -g?"]
    reached = reached_by(sites, lines)
    excuses = {}
    for line in UNREACHED.read_text().splitlines():
        if line and not line.startswith("#"):
            file, text, reason = (part.strip() for part in line.split(" | "))
            excuses[file, text] = reason
    wrong, used = [], set()
    for (file, number), (_, text) in sorted(sites.items()):
        excuse = next((e for e in excuses if e[0] == file and e[1] in text), None)
        if excuse and (file, number) not in reached:
            used.add(excuse)
        elif (file, number) not in reached:
            wrong.append(f"never failed: {file}:{number}: {text}")
    wrong += [f"unreached.txt: {file} | {text}: it did fail, or there is no such call"
              for file, text in sorted(set(excuses) - used)]
    print(f"call sites: {len(sites)}, failed {len(reached)}, excused {len(sites) - len(reached) - sum('never failed' in w for w in wrong)}")
    return wrong
