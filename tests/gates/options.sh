#!/bin/sh
# SPDX-License-Identifier: MIT
# Names, types, defaults and bounds of options are ABI (tests/abi/options.txt), and
# docs/options.md says what the library says. `make options` writes both. options.sh BUILD
set -eu
build=${1:-build}
status=0

"$build/tests/print_options" --abi | diff -u tests/abi/options.txt - || {
    echo "options: not what tests/abi/options.txt recorded; a changed name or default needs a new" \
        "ABI or, before 1.0, a line in CHANGELOG.md; then: make options"
    status=1
}
"$build/tests/print_options" | diff -u docs/options.md - || {
    echo "options: docs/options.md is out of date; run: make options"
    status=1
}
exit $status
