#!/bin/sh
# SPDX-License-Identifier: MIT
# The API reference; any public symbol or parameter without a word about it is an error.
# doxygen.sh BUILD VERSION
set -eu
mkdir -p "$1/docs"
{
    cat docs/Doxyfile
    echo "OUTPUT_DIRECTORY = $1/docs"
    echo "PROJECT_NUMBER = $2"
} | doxygen - || { echo "docs: see the warnings above"; exit 1; }
echo "docs: $1/docs/html/index.html"
