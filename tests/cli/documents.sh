#!/bin/bash
# SPDX-License-Identifier: MIT
# What README, documents and help texts print: commands run at reduced size, snippets compiled.
. "$(dirname "$0")/common.sh"
has_data documents
if ! "$python" -c 'import numpy' 2>/dev/null; then
    skip documents "NumPy is not installed"
    exit 0
fi
build=$(dirname "$JEM_BIN")
docs=$(dirname "$0")/../docs
"$python" -B "$docs/snippets.py" "$build"
"$python" -B "$docs/commands.py" "$build"
true
