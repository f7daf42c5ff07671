#!/bin/sh
# SPDX-License-Identifier: MIT
# The ABI as libabigail sees it, of a build with debug information. What lies behind the opaque
# handles is none of its business, so it is shown the headers. abi.sh store|diff BUILD
set -eu
recorded=tests/abi/libjem.abi
case $1 in
store)
    abidw --headers-dir include/jem --no-corpus-path --no-comp-dir-path --no-show-locs \
        --out-file $recorded "$2/libjem.so"
    echo "abi: wrote $recorded"
    ;;
diff)
    if [ ! -f $recorded ]; then
        echo "abi: no $recorded yet: the first release records it with make abi-store"
        exit 0
    fi
    # What is new is shown; what is gone or different fails.
    abidiff --headers-dir2 include/jem $recorded "$2/libjem.so" || true
    abidiff --headers-dir2 include/jem --no-added-syms $recorded "$2/libjem.so" >/dev/null ||
        { echo "abi: not compatible with $recorded"; exit 1; }
    echo "abi: compatible with $recorded"
    ;;
esac
