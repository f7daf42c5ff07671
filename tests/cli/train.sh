#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-train on real images: files, going on, stopping, divergence.
. "$(dirname "$0")/common.sh"
has_data train
same() { cmp -s "$1" "$2"; }

# Files and what they say.
expect "train" 0 "steps      24 of" train "${tiny[@]}" --stop-after 24 --validate-every 10 --threads 1 --out "$tmp/a"
for file in last.safetensors best.safetensors train.json log.jsonl samples.png; do
    verdict "train writes $file" "missing" [ -s "$tmp/a/$file" ]
done
verdict "quiet is quiet" "$(cat "$tmp/err")" [ ! -s "$tmp/err" ]
verdict "train.json" "$(cat "$tmp/a/train.json")" test "$(json "$tmp/a/train.json" \
    '(o["exit_reason"], o["steps"], o["diverged"], o["seed"], o["threads"], o["settings"]["model.filters"], o["settings"]["model.height"], o["kernels"] != "", o["seconds_training"] > 0, 0 <= o["best"]["validation_accuracy"] <= 1)')" = \
    "('steps', 24, 0, 1, 1, '4', '28', True, True, True)"
verdict "every line of the log is JSON" "$(cat "$tmp/a/log.jsonl")" \
    "$python" -c 'import json, sys; [json.loads(l) for l in open(sys.argv[1])]' "$tmp/a/log.jsonl"
verdict "the log begins with the settings" "no" grep -q '^{"type":"start".*"sgld.steps":"2"' "$tmp/a/log.jsonl"
verdict "the log says the weight of log p(x)" "no" grep -q '"weight_px":[0-9]' "$tmp/a/log.jsonl"
verdict "three validations" "$(grep -c validation "$tmp/a/log.jsonl")" \
    [ "$(grep -c '^{"type":"validation"' "$tmp/a/log.jsonl")" -eq 3 ]

# The same training by other ways: two threads, and a stop half-way.
train "${tiny[@]}" --stop-after 24 --validate-every 10 --threads 2 --out "$tmp/b" >/dev/null
verdict "1 and 2 threads: same last.safetensors" "differ" same "$tmp/a/last.safetensors" "$tmp/b/last.safetensors"
verdict "1 and 2 threads: same best.safetensors" "differ" same "$tmp/a/best.safetensors" "$tmp/b/best.safetensors"
verdict "1 and 2 threads: same picture" "differ" same "$tmp/a/samples.png" "$tmp/b/samples.png"
train "${tiny[@]}" --stop-after 11 --validate-every 10 --out "$tmp/c" >/dev/null
verdict "another length is another file" "same" bash -c '! cmp -s "$1" "$2"' - "$tmp/a/last.safetensors" "$tmp/c/last.safetensors"
expect "resume" 0 "steps      24 of" train --resume "$tmp/c/last.safetensors" --stop-after 13 --validate-every 10 --quiet
verdict "resumed equals uninterrupted" "differ" same "$tmp/a/last.safetensors" "$tmp/c/last.safetensors"
verdict "resume goes on in the same log" "no" test "$(grep -c '^{"type":"\(start\|resume\|end\)"' "$tmp/c/log.jsonl")" -eq 4
verdict "resume keeps data and validation" "$(cat "$tmp/c/train.json")" \
    test "$(json "$tmp/c/train.json" '(o["data"], o["validation"])')" = "('fashion-mnist', 200)"
expect "resume with other held-out images" 2 "--validation 300: the training in $tmp/c/last.safetensors holds out 200 images" \
    train --resume "$tmp/c/last.safetensors" --out "$tmp/d" --validation 300 --stop-after 1
expect "resume with other images" 1 "JEM_E_STATE" train --resume "$tmp/c/last.safetensors" --out "$tmp/d" --stop-after 1 \
    --data "idx:$fashion/t10k-images-idx3-ubyte.gz,$fashion/t10k-labels-idx1-ubyte.gz"
expect "resume from a model" 1 "best.safetensors" train --resume "$tmp/a/best.safetensors" --out "$tmp/d" --stop-after 1
expect "resume from a folder" 1 "Is a directory" train --resume "$tmp/a" --out "$tmp/d"
expect "resume from nothing" 1 "cannot open" train --resume "$tmp/none.safetensors"
train "${tiny[@]}" --stop-after 24 --validate-every 10 --seed 2 --out "$tmp/e" >/dev/null
verdict "another seed is another training" "same" bash -c '! cmp -s "$1" "$2"' - "$tmp/a/best.safetensors" "$tmp/e/best.safetensors"

# The saved model notes the settings of its own training, a new one's as well as --init's.
expect "init with other settings" 0 "steps      1 of" train --init "$tmp/a/best.safetensors" "${tiny[@]}" \
    --set sgld.noise_std=0.5 --set train.lr=0 --seed 2 --stop-after 1 --out "$tmp/o"
noted() { # noted MODEL TEXT: the settings that jem-sample takes from a file
    sample --model "$1" --steps 0 --count 1 --per-class 0 --quiet --out "$tmp/s" 2>&1 | grep -qF "$2"
}
verdict "a new model notes its settings" "others" noted "$tmp/e/best.safetensors" "train.seed = 2"
verdict "init: the new model notes the new settings" "the old ones" \
    noted "$tmp/o/best.safetensors" "sgld.noise_std = 0.5, sgld.clamp_grad = 0, sgld.clamp_x = 0, start.kind = uniform, train.seed = 2"
validation() { grep '^{"type":"validation"' "$1/log.jsonl" | tail -n 1 | grep -o '"accuracy":.*"log_px":[^,]*'; }
train --init "$tmp/a/best.safetensors" "${tiny[@]}" --set train.lr=0 --stop-after 1 --out "$tmp/p" >/dev/null
verdict "another seed validates on the same images" "$(validation "$tmp/o") is not $(validation "$tmp/p")" \
    test "$(validation "$tmp/o")" = "$(validation "$tmp/p")"
train --init "$tmp/a/best.safetensors" "${tiny[@]}" --set train.lr=0 --stop-after 1 --split-seed 5 --out "$tmp/q" >/dev/null
verdict "--split-seed chooses others" "the same" test "$(validation "$tmp/q")" != "$(validation "$tmp/p")"
verdict "train.json notes --split-seed" "$(cat "$tmp/q/train.json")" test "$(json "$tmp/q/train.json" 'o["split_seed"]')" = 5
expect "resume keeps the split" 0 "steps      2 of" train --resume "$tmp/q/last.safetensors" --stop-after 1 --quiet

# Other beginnings and folders.
expect "an old training is not overwritten" 2 "already holds a training" train "${tiny[@]}" --stop-after 1 --out "$tmp/a"
expect "init" 0 "steps      2 of" train --init "$tmp/a/best.safetensors" --set train.batch=16 --set sgld.steps=1 \
    --set pcd.capacity=100 --stop-after 2 --validation 100 --quiet --out "$tmp/f"
verdict "init takes the model's settings" "no" test "$(json "$tmp/f/train.json" 'o["settings"]["model.filters"]')" = 4
expect "classifier" 0 "steps      2 of" train "${tiny[@]}" --preset classifier --stop-after 2 --out "$tmp/g"
verdict "a classifier has no samples.png" "it has" [ ! -e "$tmp/g/samples.png" ]
expect "averaged weights" 0 "steps      2 of" train "${tiny[@]}" --set train.ema=0.9 --stop-after 2 --out "$tmp/h"
expect "no validation" 0 "best.safetensors" train "${tiny[@]}" --validation 0 --stop-after 2 --out "$tmp/i"
expect "a schedule that is done" 0 "(finished)" train "${tiny[@]}" --set train.steps=3 --out "$tmp/j"
verdict "nothing to go on with then" "$(cat "$tmp/out")" [ "$(grep -c 'go on' "$tmp/out")" -eq 0 ]
expect "resume into another training's folder" 2 "already holds a training" train --resume "$tmp/c/last.safetensors" --out "$tmp/a"
expect "resume into a new folder" 0 "model      $tmp/r/best.safetensors" train --resume "$tmp/c/last.safetensors" \
    --stop-after 1 --quiet --out "$tmp/r"
expect "overwrite" 1 "there is no best.safetensors" train "${tiny[@]}" --set train.max_loss=1e-9 --overwrite --out "$tmp/r"
verdict "overwrite leaves no old model" "it is there" [ ! -e "$tmp/r/best.safetensors" ]
expect "a file in the place of the folder" 1 "not a folder" train "${tiny[@]}" --stop-after 1 --out "$tmp/a/train.json"
expect "progress" 0 "steps, from step 0" train "${tiny[@]:0:12}" --validation 50 --stop-after 2 --out "$tmp/k"
verdict "the expected time comes before the first step" "$(cat "$tmp/err")" \
    bash -c 'sed -n 4p "$1" | grep -Eq "^expected time about [0-9.]+ (s|min|h|days).*SGLD steps: 2, batches to learn from: 3\)"' - "$tmp/err"
expect "progress of a classifier" 0 "SGLD steps: 0, batches to learn from: 1)" train "${tiny[@]:0:12}" \
    --preset classifier --validation 50 --stop-after 2 --out "$tmp/k" --overwrite

# Stopping.
expect "time budget" 0 "(--time-budget is used up)" train "${tiny[@]}" --time-budget 0.3 --out "$tmp/l"
for signal in INT:130 TERM:143; do
    o=$tmp/${signal%:*}
    "$JEM_BIN/jem-train" "${tiny[@]}" --time-budget 30 --out "$o" >"$tmp/out" 2>"$tmp/err" &
    pid=$!
    for _ in $(seq 200); do grep -q '"type":"step"' "$o/log.jsonl" 2>/dev/null && break; sleep 0.05; done
    kill "-${signal%:*}" $pid
    wait $pid
    code=$?
    verdict "$signal" "exit code $code; $(cat "$tmp/err")" [ $code -eq "${signal#*:}" ]
    verdict "$signal: saved" "$(cat "$o/train.json")" test "$(json "$o/train.json" 'o["exit_reason"]')" = interrupted
    steps=$(json "$o/train.json" 'o["steps"]')
    expect "$signal: goes on" 0 "steps      $((steps + 1)) of" train --resume "$o/last.safetensors" --stop-after 1 --quiet
done

# Divergence: no loss is below this bound.
never=("${tiny[@]}" --set train.max_loss=1e-9)
expect "divergence stops" 1 "diverged after step 0" train "${never[@]}" --out "$tmp/m"
verdict "divergence: says that there is no best model" "$(cat "$tmp/err")" grep -q "there is no best.safetensors" "$tmp/err"
verdict "divergence: names calmer settings" "$(cat "$tmp/err")" grep -q "train.energy_l2" "$tmp/err"
verdict "divergence: does not propose --resume" "$(cat "$tmp/out")" bash -c '! grep -q -e --resume "$1"' - "$tmp/out"
verdict "divergence is written down" "$(cat "$tmp/m/train.json")" \
    test "$(json "$tmp/m/train.json" '(o["exit_reason"], o["diverged"])')" = "('diverged', 1)"
verdict "the diverged state is kept apart" "no" [ -s "$tmp/m/diverged.safetensors" ]
expect "divergence, tried again" 1 "trying other samples" train "${never[@]}" --on-divergence resume --out "$tmp/n"
verdict "stops at the 10th failure" "$(cat "$tmp/n/train.json")" test "$(json "$tmp/n/train.json" 'o["diverged"]')" = 10

# Damaged files.
head -c 5000 "$tmp/a/last.safetensors" >"$tmp/short.safetensors"
expect "resume from a file cut short" 1 "short.safetensors" train --resume "$tmp/short.safetensors" --out "$tmp/d"
head -c 5 "$tmp/a/last.safetensors" >"$tmp/short.safetensors"
expect "resume from five bytes" 1 "too short" train --resume "$tmp/short.safetensors" --out "$tmp/d"
