#!/bin/bash
# SPDX-License-Identifier: MIT
# Every fuzz target over its corpus, and the corpus cut and damaged (tests/fuzz/replay.c).
# fuzz.sh BUILD
set -uo pipefail
build=${1:-build}
failed=0
export ASAN_OPTIONS="detect_stack_use_after_return=1:allocator_may_return_null=1"
export UBSAN_OPTIONS="print_stacktrace=1"
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    name=${name#fuzz_}
    if "$build/tests/replay_$name" "tests/fuzz/corpus/$name" >"$build/tests/replay_$name.txt" 2>&1; then
        echo "$name: $(tail -n 1 "$build/tests/replay_$name.txt")"
    else
        echo "FAILED fuzz: $name"
        tail -n 40 "$build/tests/replay_$name.txt"
        failed=1
    fi
done
exit $failed
