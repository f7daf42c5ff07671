#!/bin/sh
# SPDX-License-Identifier: MIT
# Threads under the thread sanitizer. gcc 12's needs an address space it knows, so the kernel's
# randomisation is off where that is allowed. tsan.sh BUILD
set -eu
export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1"
if setarch -R true 2>/dev/null; then
    exec setarch -R "$1/tests/tsan_threads"
fi
exec "$1/tests/tsan_threads"
