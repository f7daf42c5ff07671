#!/bin/bash
# SPDX-License-Identifier: MIT
# The attacks of the kit on closed cases.
. "$(dirname "$0")/common.sh"
"$(dirname "$JEM_BIN")/tests/attacks"
