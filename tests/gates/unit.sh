#!/bin/sh
# SPDX-License-Identifier: MIT
# The unit tests of a build; sanitizers may be told to take longer. unit.sh BUILD [TIMES]
set -eu
export CK_TIMEOUT_MULTIPLIER="${2:-3}"
export ASAN_OPTIONS="detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1"
export UBSAN_OPTIONS="print_stacktrace=1"
exec "$1/tests/unit"
