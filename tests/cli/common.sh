# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the scripts share. Sourced.
set -u
JEM_BIN=$(cd "${JEM_BIN:-build/bin}" && pwd) || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
python=/usr/bin/python3
fashion=/usr/share/datasets/fashion-mnist

ok() { echo "ok $1"; }
fail() { echo "FAIL $1: $2"; }
skip() { echo "skip $1: $2"; }

# verdict NAME REASON COMMAND...: ok when the command succeeds.
verdict() {
    local name=$1 reason=$2
    shift 2
    if "$@" >/dev/null 2>&1; then ok "$name"; else fail "$name" "$reason"; fi
}

# expect NAME CODE TEXT COMMAND...: the exit code and a text in the output. Leaves the output in
# $tmp/out and $tmp/err.
expect() {
    local name=$1 code=$2 text=$3 got
    shift 3
    "$@" >"$tmp/out" 2>"$tmp/err"
    got=$?
    if grep -qE '^jem-[a-z]+: (.*[: (])?jem_[a-z0-9_]+: ' "$tmp/err"; then
        fail "$name" "names a function of the library: $(tail -n 2 "$tmp/err" | tr '\n' ' ')"
    elif [ "$got" -ne "$code" ]; then
        fail "$name" "exit code $got, wanted $code; $(tail -n 2 "$tmp/err" | tr '\n' ' ')"
    elif ! cat "$tmp/out" "$tmp/err" | grep -qF -- "$text"; then
        fail "$name" "\"$text\" is missing in: $(tail -n 2 "$tmp/err" | tr '\n' ' ')"
    else
        ok "$name"
    fi
}

# A model so small that a step takes a moment.
# shellcheck disable=SC2034 # used by those who source this
tiny=(--set model.arch=small --set model.filters=4 --set train.batch=16 --set sgld.steps=2
    --set pcd.capacity=200 --set train.lr=0.001 --validation 200 --quiet --yes)
# The same with enough of a training to be right half of the time. The held-out images are not those
# that are held out when nothing is said.
# shellcheck disable=SC2034
able=("${tiny[@]}" --set train.lr=0.005 --set train.weight_px=0.1 --set train.energy_l2=0.1 --set train.crop_pad=0
    --set train.flip=0 --split-seed 3 --stop-after 200)
train() { "$JEM_BIN/jem-train" "$@"; }
score() { "$JEM_BIN/jem-score" "$@"; }
sample() { "$JEM_BIN/jem-sample" "$@"; }
demo() { "$JEM_BIN/jem-demo" "$@"; }

# has_data SCRIPT: the real images, or a printed reason and an end.
has_data() {
    [ -e "$fashion/train-images-idx3-ubyte.gz" ] && return
    skip "$1" "Debian's dataset-fashion-mnist is not installed"
    exit 0
}

# json FILE EXPRESSION: of the object o. Needs only Python itself.
json() { "$python" -c 'import json, sys; o = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$@"; }

# npy FILE HEADER BYTES: a .npy file by hand, its values so many bytes of zero. The header is padded
# as NumPy does.
npy() {
    local text=$2 length
    while [ $(((${#text} + 11) % 64)) -ne 0 ]; do text="$text "; done
    length=$((${#text} + 1))
    { printf '\x93NUMPY\x01\x00'; printf "\\x$(printf %02x $((length % 256)))\\x$(printf %02x $((length / 256)))"
        printf '%s\n' "$text"; head -c "$3" /dev/zero; } >"$1"
}
