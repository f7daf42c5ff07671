#!/bin/bash
# SPDX-License-Identifier: MIT
# clang-tidy (.clang-tidy) over every C file, two or more at a time. tidy.sh [FILE...]
set -euo pipefail
export tidy=${CLANG_TIDY:-clang-tidy}
if [ $# -eq 0 ]; then
    mapfile -t files < <(find libjem examples tests -name '*.c' | sort)
    set -- "${files[@]}"
fi

one() {
    flags=(-std=c11 -D_POSIX_C_SOURCE=200809L -Iinclude -Ilibjem)
    case $1 in
    libjem/core/error.c) ;;
    libjem/*) flags+=(-include tests/gates/tidy.h) ;;
    esac
    case $1 in
    *_avx2.c) flags+=(-mavx2 -mfma) ;;
    *_avx512.c) flags+=(-mavx512f -mavx2 -mfma) ;;
    examples/*) flags+=(-Iexamples) ;;
    tests/*) flags+=(-Itests/support -Iexamples -DJEM_TEST_DATA='""') ;;
    esac
    # What stands in for the C library has its functions, whose parameters glibc names in its way.
    checks=()
    case $1 in tests/faults/* | tests/cli/writer_tool.c) checks=(--checks=-readability-inconsistent-declaration-parameter-name) ;; esac
    "$tidy" --quiet "${checks[@]}" "$1" -- "${flags[@]}" 2> >(grep -vE '^[0-9]+ warnings? (generated|treated)' >&2) ||
        { echo "tidy: $1"; return 1; }
}
export -f one
# shellcheck disable=SC2016 # the inner shell expands it
printf '%s\n' "$@" | xargs -P "${JOBS:-2}" -I{} bash -c 'one "$1"' - {}
echo "tidy: $# files"
