#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-train, killed at the moments when it saves and gone on with, ends with the files of a training that
# nobody disturbed. train_kill.sh [INSTANTS]: so many, evenly spaced (default 10); all: every one.
. "$(dirname "$0")/../cli/common.sh"
here=$(cd "$(dirname "$0")" && pwd)
cd "$tmp" || exit 1
wanted=${1:-10}

if ! ${CC:-cc} -shared -fPIC -o kill.so "$here/kill_rename.c" -ldl 2>cc.err; then
    fail "kill: the library" "$(cat cc.err)"
    exit 1
fi
if LD_PRELOAD=$tmp/kill.so train --version 2>&1 | grep -q "runtime does not come first"; then
    skip "kill" "the programs are built with a sanitizer, which allows no LD_PRELOAD"
    exit 0
fi
# 48 images of 1 x 4 x 4 in two classes, which are hard to tell apart; with this seed an early one of ten
# validations is the best, so that what is forgotten about it shows.
"$python" - <<'P'
import random, struct
random.seed(3)
def npy(name, kind, shape, data):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (kind, shape)
    head += " " * ((64 - (11 + len(head)) % 64) % 64) + "\n"
    open(name, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)
npy("x.npy", "|u1", (48, 1, 4, 4), bytes(random.randrange(256) for _ in range(48 * 16)))
npy("y.npy", "|i1", (48,), bytes(i % 2 for i in range(48)))
P
run=(--set model.arch=mlp --set model.hidden=4 --set train.batch=4 --set sgld.steps=1 --set pcd.capacity=8
    --set train.lr=0.05 --set train.crop_pad=0 --set train.flip=0 --guard act --set guard.auc=0.3 --set guard.states=2
    --steps 20 --seed 25 --data npy:x.npy,y.npy --validation 12 --validate-every 2
    --save-every 0.0000001 --threads 1 --quiet)
train "${run[@]}" --out whole >/dev/null || exit 1
RENAMES=$tmp/renames LD_PRELOAD=$tmp/kill.so train "${run[@]}" --out counted >/dev/null
renames=$(cat renames)
best=$(json whole/train.json 'o["best"]["step"]')
verdict "kill: the best step is not the last one" "it is $best" [ "$best" -lt 20 ]

# go_on FOLDER: with what is there, to the end.
go_on() {
    if [ -e "$1/last.safetensors" ]; then
        train --resume "$1/last.safetensors" --save-every 0.0000001 --threads 1 --quiet
    else
        train "${run[@]}" --overwrite --out "$1"
    fi
}
all=$((2 * renames))
[ "$wanted" = all ] && wanted=$all
bad=
for k in $(seq 0 $((wanted - 1))); do
    at=$((k * all / wanted))
    when=KILL_BEFORE
    [ $((at % 2)) -eq 1 ] && when=KILL_AFTER
    rm -rf cut
    env "$when=$((at / 2 + 1))" LD_PRELOAD="$tmp/kill.so" "$JEM_BIN/jem-train" "${run[@]}" --out cut >/dev/null 2>&1
    [ $? -eq 137 ] || bad="$bad $when $((at / 2 + 1)): was not killed;"
    go_on cut >/dev/null 2>err || bad="$bad $when $((at / 2 + 1)): $(tail -n 1 err);"
    for file in best.safetensors last.safetensors; do
        cmp -s "whole/$file" "cut/$file" || bad="$bad $when $((at / 2 + 1)): another $file;"
    done
done 2>/dev/null
verdict "kill: $wanted of $all instants of saving, then the files of an undisturbed training" "$bad" [ -z "$bad" ]
