#!/bin/bash
# SPDX-License-Identifier: MIT
# libFuzzer on targets, each for SECONDS. New inputs go to
# BUILD/corpus/NAME, crashers to BUILD/crash-NAME-*; put a crasher into tests/fuzz/corpus/NAME
# once it is mended. run.sh BUILD SECONDS NAME...
set -uo pipefail
build=$1 seconds=$2 failed=0
shift 2
for name; do
    mkdir -p "$build/corpus/$name"
    echo "fuzz: $name, $seconds s"
    "$build/tests/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=16384 \
        -artifact_prefix="$build/crash-$name-" -print_final_stats=1 -verbosity=0 \
        "$build/corpus/$name" "tests/fuzz/corpus/$name" 2>&1 |
        grep -vE '^(INFO|#|"|[[:space:]]NEW_FUNC|stat::(new|slow|average))'
    [ "${PIPESTATUS[0]}" -eq 0 ] || { echo "FAILED fuzz: $name"; failed=1; }
done
exit $failed
