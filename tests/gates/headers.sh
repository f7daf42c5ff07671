#!/bin/bash
# SPDX-License-Identifier: MIT
# Each public header compiles alone (and included twice) without a warning, as old and new C and
# C++, with gcc and clang. And the numbers of the ABI are what they were (tests/abi/frozen.c).
set -euo pipefail
warnings="-Wall -Wextra -Wpedantic -Wundef -Wshadow -Wconversion -Werror"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

try() { # try COMPILER STANDARD LANGUAGE FILE
    # shellcheck disable=SC2086 # a list of flags
    "$1" -std="$2" -x "$3" $warnings -Iinclude -fsyntax-only "$4" || {
        echo "headers: $(head -1 "$4") fails with $1 -std=$2"
        return 1
    }
}

for header in include/jem/*.h; do
    name=jem/$(basename "$header")
    printf '#include <%s>\n#include <%s>\nint main(void) { return 0; }\n' "$name" "$name" \
        >"$work/$(basename "$header" .h).txt"
done
for compiler in gcc clang; do
    for standard in c99 c11 c17 c++11 c++17; do
        language=c
        case $standard in c++*) language=c++ ;; esac
        for file in "$work"/*.txt; do
            try $compiler $standard $language "$file"
        done
    done
    try $compiler c11 c tests/abi/frozen.c
done
