#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-train over hours: stopping, disks that are full for a while, looking at it, and what it says at first.
. "$(dirname "$0")/common.sh"
here=$(cd "$(dirname "$0")" && pwd)
cd "$tmp" || exit 1
mkdir "with space" && cd "with space" || exit 1
"$python" - <<'P'
import random, struct
random.seed(3)
def npy(name, kind, shape, data):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (kind, shape)
    head += " " * ((64 - (11 + len(head)) % 64) % 64) + "\n"
    open(name, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)
npy("x.npy", "|u1", (48, 1, 4, 4), bytes(random.randrange(256) for _ in range(48 * 16)))
npy("y.npy", "|i1", (48,), bytes(i % 2 for i in range(48)))
npy("one.npy", "|i1", (48,), bytes(int(i == 7) for i in range(48)))
P
net=(--set model.arch=mlp --set model.hidden=4 --set train.batch=4 --set sgld.steps=1 --set pcd.capacity=8
    --set train.lr=0.001 --set train.crop_pad=0 --set train.flip=0 --threads 1)
run=("${net[@]}" --data npy:x.npy,y.npy,test=0 --validation 12)

# What it says before the first step.
expect "says what it trains on" 0 "images: 36 to train on, 12 held out; 1 x 4 x 4 (channels, height, width), 2 classes" \
    train "${run[@]}" --steps 9 --out a
verdict "says the network" "$(cat "$tmp/err")" grep -q "^network: mlp, 98 weights$" "$tmp/err"
expect "--steps is the schedule" 0 "steps      9 of 9 (finished)" train "${run[@]}" --steps 9 --out a --overwrite --quiet
expect "--stop-after is not" 0 "steps      4 of 9 (as many as --stop-after said)" train "${run[@]}" --steps 9 --stop-after 4 --out a --overwrite --quiet
verdict "how to go on is quoted for a shell" "$(cat "$tmp/out")" grep -qF "go on      jem-train --resume a/last.safetensors" "$tmp/out"
expect "--resume keeps the schedule" 2 "--stop-after" train --resume a/last.safetensors --steps 3
long=("${net[@]}" --data npy:x.npy,y.npy --validation 0 --steps 1000000000000)
expect "a training of an hour does not start unasked" 2 "Say --yes" train "${long[@]}" --quiet --out b
verdict "and names the other remedies" "$(cat "$tmp/err")" grep -q -e "--preset demo.*--time-budget" "$tmp/err"
verdict "and wrote nothing" "$(ls b)" test -z "$(ls b)"
expect "--time-budget starts it" 0 "(--time-budget is used up)" train "${long[@]}" --time-budget 0.1 --quiet --out b
expect "--yes starts it" 0 "(as many as" train "${long[@]}" --yes --stop-after 2 --quiet --out b --overwrite
expect "a class with one image" 1 "--set start.kind=uniform" train "${net[@]}" --set start.kind=gaussian --data npy:x.npy,one.npy \
    --validation 0 --steps 2 --quiet --out c
expect "images without labels" 0 "the latest model is kept" train "${net[@]}" --set train.weight_py_x=0 --data npy:x.npy \
    --validation 12 --steps 2 --out d
verdict "no accuracy is nan" "$(cat "$tmp/err")" bash -c '! grep -qi nan "$1" "$2"' - "$tmp/err" "$tmp/out"

# Going on from elsewhere, with a record that was lost or torn.
train "${run[@]}" --steps 20 --validate-every 4 --quiet --out whole >/dev/null
for harm in none empty torn; do
    rm -rf part
    train "${run[@]}" --steps 20 --validate-every 4 --stop-after 9 --quiet --out part >/dev/null
    [ $harm = none ] && rm part/train.json
    [ $harm = empty ] && : >part/train.json
    [ $harm = torn ] && head -c 100 part/train.json >t && cp t part/train.json
    expect "resume from elsewhere, train.json $harm" 0 "20 of 20" \
        bash -c 'cd / && "$1" --resume "$2/part/last.safetensors" --quiet' - "$JEM_BIN/jem-train" "$PWD"
    verdict "the same best model, train.json $harm" "differ" cmp whole/best.safetensors part/best.safetensors
    verdict "the same training, train.json $harm" "differ" cmp whole/last.safetensors part/last.safetensors
    verdict "--validate-every stays, train.json $harm" "$(cat part/train.json)" test "$(json part/train.json 'o["validate_every"]')" = 4
done
odd=$(printf 'b\344r')
mkdir "$odd" && cp x.npy y.npy "$odd"
train "${net[@]}" --data "npy:$odd/x.npy,$odd/y.npy" --validation 12 --steps 5 --stop-after 2 --quiet --out part --overwrite >/dev/null
rm part/train.json
expect "resume where the folder's name is not UTF-8" 0 "5 of 5" \
    bash -c 'cd / && "$1" --resume "$2/part/last.safetensors" --quiet' - "$JEM_BIN/jem-train" "$PWD"
mkdir other && cp whole/best.safetensors other
expect "a model in the folder is not overwritten" 2 "already holds a model" train "${run[@]}" --steps 2 --quiet --out other

# Stopping: heard at once, saved, and gone on with.
for signal in INT:130 TERM:143 HUP:129; do
    o="stop ${signal%:*}"
    "$JEM_BIN/jem-train" "${run[@]}" --yes --steps 100000000 --quiet --out "$o" >"$tmp/out" 2>"$tmp/err" &
    pid=$!
    for _ in $(seq 600); do grep -q '"type":"step"' "$o/log.jsonl" 2>/dev/null && break; sleep 0.05; done
    expect "status of a running training" 0 "state      running" train --status "$o" --json s.json
    verdict "the same for programs" "$(cat s.json)" test "$(json s.json '(o["state"], o["step"] > 0, o["steps_total"], o["seconds_left"] > 0)')" = \
        "('running', True, 100000000, True)"
    expect "a second training does not go there" 1 "another jem-train is training there" train "${run[@]}" --steps 2 --quiet --out "$o" --overwrite
    verdict "its page is loaded again" "$(head -c 400 "$o/live.html")" grep -q 'http-equiv="refresh"' "$o/live.html"
    kill "-${signal%:*}" $pid
    wait $pid
    code=$?
    verdict "$signal" "exit code $code; $(cat "$tmp/err")" [ $code -eq "${signal#*:}" ]
    verdict "$signal: says that it heard" "$(cat "$tmp/err")" grep -q "stopping after this step; again to end at once" "$tmp/err"
    verdict "$signal: how to go on, quoted" "$(cat "$tmp/out")" grep -qF "jem-train --resume '$o/last.safetensors'" "$tmp/out"
    expect "$signal: status" 0 "ended (interrupted)" train --status "$o"
    verdict "$signal: the page is final" "it refreshes" bash -c '! grep -q http-equiv "$1"' - "$o/live.html"
    verdict "$signal: the page has curves and samples" "no" bash -c '[ $(grep -c "<svg" "$1") -ge 3 ] && grep -q "data:image/png" "$1"' - "$o/live.html"
done
"$JEM_BIN/jem-train" "${run[@]}" --yes --steps 100000000 --quiet --out dead >/dev/null 2>&1 &
pid=$!
for _ in $(seq 600); do grep -q '"type":"step"' dead/log.jsonl 2>/dev/null && break; sleep 0.05; done
kill -KILL $pid
wait $pid 2>/dev/null
expect "status after kill -9" 0 "state      killed" train --status dead
expect "status of no training" 1 "no training" train --status .

# A disk that is full for a while: rename() fails from the 5th to the 9th time, or until the end.
"${CC:-cc}" -shared -fPIC -o "$tmp/kill.so" "$here/../faults/kill_rename.c" -ldl 2>cc.err || fail "full: the library" "$(cat cc.err)"
full() { env LD_PRELOAD="$tmp/kill.so" "$@"; }
if full "$JEM_BIN/jem-train" --version 2>&1 | grep -q "runtime does not come first"; then
    skip "full disk" "the programs are built with a sanitizer, which allows no LD_PRELOAD"
    exit 0
fi
expect "a full disk for a while" 0 "the training goes on" full FULL_FROM=9 FULL_TO=30 "$JEM_BIN/jem-train" "${run[@]}" \
    --steps 40 --validate-every 4 --save-every 0.0000001 --quiet --out full
train "${run[@]}" --steps 40 --validate-every 4 --quiet --out calm >/dev/null
# What lies behind the header, which may name another best model: that one could not be written.
verdict "all is saved in the end" "the numbers differ" "$python" -c '
import struct, sys
a, b = (open(f, "rb").read() for f in sys.argv[1:])
sys.exit(a[8 + struct.unpack("<Q", a[:8])[0]:] != b[8 + struct.unpack("<Q", b[:8])[0]:])' full/last.safetensors calm/last.safetensors
expect "a full disk at the end" 1 "No space left" full FULL_FROM=9 FULL_TO=100000 "$JEM_BIN/jem-train" "${run[@]}" \
    --steps 40 --validate-every 4 --save-every 0.0000001 --quiet --out fuller
