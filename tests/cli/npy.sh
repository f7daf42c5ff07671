#!/bin/bash
# SPDX-License-Identifier: MIT
# Arrays: what NumPy writes is read, what is written NumPy reads, all else is refused by name.
. "$(dirname "$0")/common.sh"
tool=${NPY_TOOL:-$JEM_BIN/../tests/npy_tool}
here=$(cd "$(dirname "$0")" && pwd)
if [ ! -x "$tool" ]; then
    skip "arrays" "tests/npy_tool is not built (make tests)"
elif ! "$python" -c 'import numpy' 2>/dev/null; then
    skip "arrays" "python3-numpy is not installed"
else
    for part in npy npz; do
        "$python" -B "$here/check_$part.py" "$(realpath "$tool")" "$tmp" || fail "$part" "check_$part.py ended early"
    done
fi
