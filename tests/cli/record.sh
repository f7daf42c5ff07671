#!/bin/bash
# SPDX-License-Identifier: MIT
# The record of the kit: text, JSON, CSV, HTML and back.
. "$(dirname "$0")/common.sh"
"$(dirname "$JEM_BIN")/tests/record" 2>/dev/null
