#!/bin/bash
# SPDX-License-Identifier: MIT
# All that `make check` runs after it has built: unit tests, gates, tests of the programs. Ends
# with a count of all of them. check.sh BUILD
set -uo pipefail
build=${1:-build}
logs=$build/logs
mkdir -p "$logs"
passed=0 failed=0

# part NAME COMMAND...: quiet when it works. Output is indented, so that no runner's own last
# line is taken for ours.
part() {
    local name=$1 log=$logs/$1.txt start=$SECONDS
    shift
    if "$@" >"$log" 2>&1 </dev/null; then verdict=ok; else verdict=FAILED; fi
    printf '%-7s %s (%d s)\n' "$verdict" "$name" $((SECONDS - start))
    if [ $verdict = ok ]; then grep '^skip' "$log"; else cat "$log"; fi | sed 's/^/        /'
}
count() { # count PASSED FAILED, or one by verdict
    if [ $# -eq 2 ] && [ $(($1 + $2)) -gt 0 ] && { [ $verdict = ok ] || [ "$2" -gt 0 ]; }; then
        passed=$((passed + $1)) failed=$((failed + $2))
    elif [ $verdict = ok ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
}

part unit tests/gates/unit.sh "$build"
read -r checks bad < <(sed -nE 's/.*Checks: ([0-9]+), Failures: ([0-9]+), Errors: ([0-9]+).*/\1 \2+\3/p' "$logs/unit.txt" | tail -1)
count $((${checks:-0} - (${bad:-0}))) $((${bad:-0}))

for gate in layers banned symbols headers options links install ffi fuzz; do
    part "$gate" "tests/gates/$gate.sh" "$build"
    count
done

part faults /usr/bin/python3 -B tests/faults/faults.py "$build" --quick
read -r good bad < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' "$logs/faults.txt" | tail -1)
count "${good:-0}" "${bad:-0}"

if [ -e tests/cli/run.sh ]; then
    part cli bash tests/cli/run.sh "$build"
    read -r good bad < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' "$logs/cli.txt" | tail -1)
    count "${good:-0}" "${bad:-0}"
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
