#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-train and its guard: settings without any, interventions, what the end of a run says.
. "$(dirname "$0")/common.sh"

"$python" - "$tmp" <<'P'
import random, struct, sys
random.seed(4)
def npy(name, kind, shape, data):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (kind, shape)
    head += " " * ((64 - (11 + len(head)) % 64) % 64) + "\n"
    open(sys.argv[1] + "/" + name, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)
npy("x.npy", "|u1", (120, 1, 8, 8), bytes(min(255, 200 * (i % 2) + random.randrange(56)) for i in range(120) for _ in range(64)))
npy("y.npy", "|i1", (120,), bytes(i % 2 for i in range(120)))
npy("c.npy", "|u1", (12, 3, 56, 56), bytes(random.randrange(256) for _ in range(12 * 3 * 56 * 56)))
npy("cy.npy", "|i1", (12,), bytes([0] * 10 + [1, 1]))
P
data="npy:$tmp/x.npy,$tmp/y.npy,test=0"
small=("${tiny[@]}" --data "$data" --validation 20 --set model.arch=mlp --set model.hidden=8)

# Settings from the images alone.
expect "no settings" 0 "chosen for these images" train --data "$data" --time-budget 2 --threads 1 --out "$tmp/a"
verdict "what is chosen is a command line" "$(cat "$tmp/err")" grep -q "jem-train --preset demo --set train.steps=135 --set guard.mode=act" "$tmp/err"
verdict "the schedule is shortened to the time" "$(cat "$tmp/err")" grep -q "learning rate included, is shortened to" "$tmp/err"
verdict "the guard acts then" "$(cat "$tmp/a/train.json")" test "$(json "$tmp/a/train.json" 'o["settings"]["guard.mode"]')" = act
verdict "and the rate falls to nothing in that time" "$(tail -n 3 "$tmp/a/log.jsonl")" "$python" -c "
import json
o = json.load(open('$tmp/a/train.json'))
assert o['steps_total'] <= 135 and o['settings']['train.steps'] == str(o['steps_total']), o
assert o['exit_reason'] in ('finished', 'time'), o"
expect "large colour images, a rare class" 0 "half the filters" train --data "npy:$tmp/c.npy,$tmp/cy.npy,test=0" --validation 1 --split-seed 2 \
    --time-budget 1 --threads 1 --out "$tmp/b"
verdict "11 images are a batch, and 80 passes 80 steps" "$(cat "$tmp/err")" grep -q "train.steps=80 .*11 training images, 80 passes" "$tmp/err"
verdict "colour is mirrored" "$(cat "$tmp/err")" grep -q "train.flip=1" "$tmp/err"
expect "a preset is no choice" 0 "steps      1 of" train "${small[@]}" --stop-after 1 --out "$tmp/c"
verdict "there the guard reports" "" test "$(json "$tmp/c/train.json" 'o["settings"]["guard.mode"]')" = report
expect "or is off" 0 "steps      1 of" train "${small[@]}" --guard off --stop-after 1 --out "$tmp/d"
verdict "off is off" "" test "$(json "$tmp/d/train.json" 'o["settings"]["guard.mode"]')" = off
expect "no such mode" 2 "must be off, report or act" train "${small[@]}" --guard maybe --out "$tmp/e"
expect "no such aim" 2 "must be generate or detect" train "${small[@]}" --aim high --out "$tmp/e"
expect "an aim" 0 "steps      1 of" train "${small[@]}" --aim detect --guard act --stop-after 1 --out "$tmp/f"
verdict "the penalty of detection" "" test "$(json "$tmp/f/train.json" 'o["settings"]["guard.aim"]')" = detect

expect "a training that diverges is timed, and then diverges" 1 "diverged after step 0" train "${small[@]}" --set train.schedule=cosine \
    --set train.steps=100000 --set train.max_loss=1e-9 --time-budget 1 --out "$tmp/n"

# What it does is in the log, and a resumed training does the same.
band=(--guard act --set guard.auc=0.05 --steps 40 --validate-every 20)
expect "interventions" 0 "penalty raised" train "${small[@]}" "${band[@]}" --out "$tmp/g"
verdict "an intervention is a line of the log" "$(cat "$tmp/g/log.jsonl")" "$python" -c "
import json
lines = [json.loads(l) for l in open('$tmp/g/log.jsonl')]
guard = [l for l in lines if l['type'] == 'guard']
assert guard and all(l['action'] == 'penalty raised' and 'running AUC' in l['reason'] for l in guard), guard
steps = [l for l in lines if l['type'] == 'step']
assert steps[-1]['energy_l2'] > 0.01 and 0 <= steps[-1]['auc'] <= 1, steps"
expect "half of it" 0 "steps      20 of" train "${small[@]}" "${band[@]}" --stop-after 20 --out "$tmp/h"
expect "--guard does not go with --resume" 2 "do not go with it" train --resume "$tmp/h/last.safetensors" --guard off
expect "the other half" 0 "steps      40 of" train --resume "$tmp/h/last.safetensors" --quiet
verdict "the same training" "files differ" cmp "$tmp/g/last.safetensors" "$tmp/h/last.safetensors"

# The end.
expect "used up" 0 "the guard's rollbacks are used up" train "${small[@]}" --guard act --set guard.rollbacks=2 --set train.max_loss=1e-9 --out "$tmp/i"
verdict "each rollback is told" "$(cat "$tmp/err")" test "$(grep -c "rollback: a step failed" "$tmp/err")" = 2
verdict "used up: saved" "$(ls "$tmp/i")" test "$(json "$tmp/i/train.json" '(o["exit_reason"], o["steps"])')" = "('guard', 0)"
lost=("${small[@]}" --set sgld.steps=0 --set train.lr=0.01 --steps 300)
expect "a run that lost its chains says so" 0 "log p(x) tells samples from data" train "${lost[@]}" --out "$tmp/j"
verdict "and when it happened" "$(cat "$tmp/err")" grep -q "guard, step [0-9]*: lost: a running AUC" "$tmp/err"
expect "and fails when asked" 1 "log p(x) tells samples from data" train "${lost[@]}" --lost-fails --out "$tmp/k"
expect "one that kept them does not" 0 "samples are like data" train "${small[@]}" --lost-fails --steps 3 --out "$tmp/l"
expect "--status names the AUC" 0 "AUC of data against samples" train --status "$tmp/j"
verdict "live.html draws it" "no" grep -q "Do the chains keep up?" "$tmp/j/live.html"
