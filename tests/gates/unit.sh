#!/bin/bash
# SPDX-License-Identifier: MIT
# The unit tests of a build, several suites at a time; prints what failed and the sum of Check's
# counts. Sanitizers may be told to take TIMES as long. unit.sh BUILD [TIMES]
set -uo pipefail
export build=$1 CK_TIMEOUT_MULTIPLIER="${2:-3}"
export ASAN_OPTIONS="detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1"
export UBSAN_OPTIONS="print_stacktrace=1"
mkdir -p "$build/logs"

suite() {
    CK_RUN_SUITE=$1 "$build/tests/unit" >"$build/logs/unit-$1.txt" 2>&1 || echo "FAILED unit: $1"
}
export -f suite
suites=$(sed -nE 's/^Suite \*jem_(\w+)_suite.*/\1/p' tests/unit/main.c)
# shellcheck disable=SC2016 # the inner shell expands it
failed=$(xargs -n1 -P "$(nproc)" bash -c 'suite "$1"' - <<<"$suites")

for name in $suites; do
    tail -n +2 "$build/logs/unit-$name.txt"
done | awk '
    match($0, /Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/) {
        split(substr($0, RSTART, RLENGTH), n, /[^0-9]+/)
        checks += n[2]; failures += n[3]; errors += n[4]; next
    }
    { print }
    END { printf "Checks: %d, Failures: %d, Errors: %d\n", checks, failures, errors }'
[ -z "$failed" ] || { echo "$failed"; exit 1; }
