#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-hybrid: Table 1. The Inception network itself is compared in tests/torch/inception.py.
. "$(dirname "$0")/common.sh"
has_data hybrid
hybrid() { "$JEM_BIN/jem-hybrid" "$@"; }
check=("$python" "$(dirname "$0")/check_hybrid.py")
inception=$(dirname "$JEM_BIN")/tests/inception

"${check[@]}" images "$fashion" 600 "$tmp"
set=npy:$tmp/images.npy,$tmp/labels.npy other=npy:$tmp/other.npy,$tmp/labels.npy
train "${tiny[@]}" --data "$set" --stop-after 20 --set pcd.capacity=120 --set start.kind=gaussian --out "$tmp/t" >/dev/null
train "${tiny[@]}" --data "$set" --stop-after 20 --preset classifier --out "$tmp/c" >/dev/null
train "${tiny[@]}" --data "$other" --set model.channels=3 --set model.height=8 --set model.width=8 --stop-after 1 --out "$tmp/o" >/dev/null
model=$tmp/t/best.safetensors clf=$tmp/c/best.safetensors
data=(--data "$set" --count 600 --reference 400 --quiet)
small=("${data[@]}" --features "$clf" --chains 60 --steps 4)

if [ -x "$inception" ]; then
    verdict "resize, Frechet distance, Inception Score" "$("${check[@]}" parts "$tmp" "$inception" 2>&1 | tail -n 1)" \
        "${check[@]}" parts "$tmp" "$inception"
    expect "one image has no distance" 1 "needs two or more" "$inception" frechet \
        <("$python" -c 'import sys; sys.stdout.buffer.write(b"\x93NUMPY\x01\x00\x76\x00" + b"{\"descr\": \"<f4\", \"fortran_order\": False, \"shape\": (1, 2)}".ljust(117) + b"\n" + bytes(8))') "$tmp/x.npy"
else
    skip "resize, Frechet distance, Inception Score" "$inception was not built"
fi

# A buffer: all figures are known from jem-score.
expect "a replay buffer" 0 "samples, top 50 %" hybrid --from-buffer "$tmp/t/last.safetensors" --model "$model" "${data[@]}" \
    --features "$clf" --chains 100 --keep 50 --json "$tmp/b.json" --out "$tmp/b"
verdict "what its words say" "$(cat "$tmp/out")" grep -q "^real      the distance of real images: " "$tmp/out"
verdict "its protocol" "missing" grep -q "100 of the 120 images of" <(tr '\n' ' ' <"$tmp/out")
"${check[@]}" buffer "$tmp/t/last.safetensors" 100 "$tmp"
score --model "$clf" --data "$set" --split train --features --out "$tmp/train" >/dev/null
score --model "$clf" --input "$tmp/bytes.npy" --features --out "$tmp/seen" >/dev/null
score --model "$model" --input "$tmp/floats.npy" --out "$tmp/prob" >/dev/null 2>&1
check_figures() { "${check[@]}" figures "$tmp/b.json" "$tmp/train/features.npy" "$tmp/seen/features.npy" "$tmp/prob/prob_y.npy" 50; }
verdict "its figures" "$(check_figures 2>&1 | tail -n 1)" check_figures
verdict "its pictures" "missing" [ -s "$tmp/b/samples.png" ] && verdict "and starts" "missing" [ -s "$tmp/b/starts.png" ]
score --model "$model" --data "$set" >"$tmp/scored" 2>&1
percent=$(json "$tmp/b.json" '"%.2f" % (100 * o["accuracy"])')
verdict "its accuracy is jem-score's" "$percent; $(grep -i accuracy "$tmp/scored")" grep -qF "$percent" "$tmp/scored"

# Chains.
expect "fresh chains" 0 "starts" hybrid --model "$model" "${small[@]}" --json "$tmp/1.json" --csv "$tmp/1.csv"
verdict "their CSV" "$(cat "$tmp/1.csv")" "$python" -c '
import csv, json, sys
o = json.load(open(sys.argv[1]))
lines = [l for l in csv.reader(open(sys.argv[2])) if l]
rows = [l[1:] for l in lines if l[0] == "rows"]
assert rows == [[r["images"]] + ["" if r[k] is None else "%.12g" % r[k] for k in ("n", "against", "frechet", "is_mean", "is_std")] for r in o["rows"]]
assert [l[:3] for l in lines if l[2] == "JEM"] == [["Table 1 of the paper", "hybrid", "JEM"]]' "$tmp/1.json" "$tmp/1.csv"
verdict "their protocol" "missing" test "$(json "$tmp/1.json" '"60 chains of 4 SGLD steps on log p(x) (step_size 1, noise_std 0.01," in o["protocol"]')" = True
expect "in other batches and threads" 0 "real" hybrid --model "$model" "${small[@]}" --json "$tmp/2.json" --batch 7 --threads 2
verdict "change nothing" "differ" test "$(json "$tmp/1.json" 'o["rows"]')" = "$(json "$tmp/2.json" 'o["rows"]')"
expect "no steps" 0 "starts" hybrid --model "$model" "${small[@]}" --steps 0 --json "$tmp/0.json"
verdict "leave the starts" "$(json "$tmp/0.json" 'o["rows"]')" test "$(json "$tmp/0.json" 'o["frechet"] == o["frechet_starts"]')" = True
verdict "steps do not" "same" test "$(json "$tmp/1.json" 'o["frechet"] == o["frechet_starts"]')" = False
expect "chains on log p(x|y)" 0 "on log p(x|y), the classes in turn, (" hybrid --model "$model" "${small[@]}" --set sgld.class_cond=1
expect "uniform starts" 0 "from uniform noise" hybrid --model "$model" "${small[@]}" --set start.kind=uniform
expect "accuracy only" 0 "accuracy" hybrid --model "$model" "${data[@]}" --chains 0 --json "$tmp/a.json"
verdict "has no other figure" "$(json "$tmp/a.json" 'o')" test "$(json "$tmp/a.json" '(o["frechet"], o["is_mean"], o["features"], o["n_samples"], o["rows"])')" = "(None, None, None, 0, [])"

# A model of log p(x) alone has no accuracy.
ebm=$(dirname "$0")/../../examples/models/fashion-mnist-ebm.safetensors
expect "no classes, no accuracy" 0 "No accuracy: the model was trained without labels" hybrid --model "$ebm" --data fashion-mnist --count 20 \
    --chains 0 --quiet --json "$tmp/e.json"
verdict "null, and why" "$(json "$tmp/e.json" 'o')" test "$(json "$tmp/e.json" 'o["accuracy"], "trained without labels" in o["no_classes"]')" = "(None, True)"
verdict "with classes no such reason" "$(json "$tmp/a.json" 'o')" test "$(json "$tmp/a.json" 'o["accuracy"] > 0, o["no_classes"]')" = "(True, None)"

# What does not fit, before any chain: a million steps would take an hour.
long=(--model "$model" --data "$set" --quiet --steps 1000000)
expect "no features" 2 "for the accuracy alone, which needs neither, say --chains 0" hybrid "${long[@]}"
expect "a dry run" 0 "would run: jem-hybrid --model $tmp/none" hybrid "${long[@]}" --features "$clf" --model "$tmp/none" --dry-run
expect "a dry run without a model" 2 "--model FILE is missing" hybrid --data "$set" --features "$clf" --dry-run
expect "both features" 2 "one of the two" hybrid "${long[@]}" --features "$clf" --inception x
expect "no Inception weights" 1 "inception2safetensors.py" hybrid "${long[@]}" --inception "$tmp/none"
expect "Inception weights of something else" 1 'holds no tensor "Conv2d_1a_3x3.conv.weight"' hybrid "${long[@]}" --inception "$model"
head -c 100 "$model" >"$tmp/short"
expect "Inception weights cut short" 1 "cut short" hybrid "${long[@]}" --inception "$tmp/short"
expect "a classifier of other images" 1 "reads images of 3 x 8 x 8" hybrid "${long[@]}" --features "$tmp/o/best.safetensors"
expect "a kind that there is none of" 2 "unknown kind" hybrid --model "$model" --data nonsense
expect "no such buffer" 1 "holds no replay buffer" hybrid "${long[@]}" --features "$clf" --from-buffer "$model"
expect "a model of other images" 1 "the model reads 3 x 8 x 8" hybrid "${data[@]}" --features "$clf" --model "$tmp/o/best.safetensors"
expect "labels of other classes" 1 "has 12 classes, the model has 10" hybrid "${data[@]}" --model "$model" --features "$clf" --data "$set,classes=12"
expect "one chain" 2 "two or more" hybrid "${long[@]}" --features "$clf" --chains 1
expect "a reference of three" 1 "need 4 or more" hybrid "${long[@]}" --features "$clf" --reference 3
out=$tmp/t/best.safetensors/x
expect "a folder that cannot be made, before any chain" 1 "$model" hybrid "${long[@]}" --features "$clf" --out "$out"
