#!/bin/sh
# SPDX-License-Identifier: MIT
# The library is usable without its headers: from C through dlopen alone, and from another
# language. ffi.sh BUILD
set -eu
build=${1:-build}
"$build/tests/dlopen_only" "$build/libjem.so"
if [ -x /usr/bin/python3 ]; then
    /usr/bin/python3 -I tests/ffi/ctypes_user.py "$build/libjem.so"
else
    echo "skip ctypes: no /usr/bin/python3 here"
fi
