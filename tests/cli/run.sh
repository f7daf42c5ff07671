#!/bin/bash
# SPDX-License-Identifier: MIT
# Tests of the programs: every other script here, each of which prints "ok NAME", "skip NAME
# reason" or "FAIL NAME reason". The programs are in JEM_BIN, or in BUILD/bin. run.sh [BUILD]
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
bin=${JEM_BIN:-${1:-build}/bin}
JEM_BIN=$(cd "$bin" 2>/dev/null && pwd) || { echo "FAIL run: no folder $bin; make first"; exit 1; }
export JEM_BIN
all=$(mktemp) || exit 1
trap 'rm -f "$all"' EXIT

for script in tests/cli/*.sh; do
    name=$(basename "$script" .sh)
    case $name in run | common) continue ;; esac
    timeout 600 bash "$script" >"$all.one" 2>&1 </dev/null || echo "FAIL $name: the script ended with an error or took over 600 s" >>"$all.one"
    cat "$all.one"
    cat "$all.one" >>"$all"
    rm -f "$all.one"
done
passed=$(grep -c '^ok ' "$all")
failed=$(grep -c '^FAIL ' "$all")
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
