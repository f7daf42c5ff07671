#!/bin/bash
# SPDX-License-Identifier: MIT
# One list of public functions, five places: headers, map, tests/abi/symbols.txt, the shared and
# the static library. And jem_* is defined in libjem/api/ only. symbols.sh BUILD
set -euo pipefail
build=${1:-build}
list=tests/abi/symbols.txt
failed=0

compare() { # compare WHAT < names
    if ! difference=$(diff <(sort -u "$list") <(sort -u)); then
        echo "symbols: $1 differs from $list (< only in the list, > only in $1):"
        grep '^[<>]' <<<"$difference"
        failed=1
    fi
}

compare "include/jem" < <(sed -n '/^JEM_API/,/;/p' include/jem/*.h | grep -oE '\bjem_[a-z0-9_]+\(' | tr -d '(')
compare "libjem.map" < <(grep -oE '^ +jem_[a-z0-9_]+;' libjem/libjem.map | tr -d ' ;')
compare "libjem.so" < <(nm -D --defined-only "$build/libjem.so" | awk '$2 != "A" {sub(/@.*/, "", $3); print $3}')
compare "libjem.a" < <(nm -g --defined-only "$build/libjem.a" | awk 'NF == 3 {print $3}')

for object in $(find "$build/obj/libjem" -name '*.o' | sort); do
    allowed='^jem__'
    case $object in */libjem/api/*) allowed='^jem_' ;; esac
    strange=$(nm -g --defined-only "$object" | awk 'NF == 3 {print $3}' | grep -vE "$allowed" | tr '\n' ' ' || true)
    if [ -n "$strange" ]; then
        echo "symbols: $object defines: $strange(here only ${allowed#^}*)"
        failed=1
    fi
done

soname=$(objdump -p "$build/libjem.so" | awk '$1 == "SONAME" {print $2}')
major=$(sed -n 's/.*define JEM_VERSION_MAJOR \([0-9]*\)$/\1/p' include/jem/version.h)
if [ "$soname" != "libjem.so.$major" ]; then
    echo "symbols: soname is $soname, expected libjem.so.$major"
    failed=1
fi
if readelf -lW "$build/libjem.so" | grep -E 'GNU_STACK.*RWE|LOAD.*RWE'; then
    echo "symbols: libjem.so asks for memory that can be written and run"
    failed=1
fi
exit $failed
