#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-demo: the report about a training.
. "$(dirname "$0")/common.sh"
has_data demo

train "${tiny[@]}" --stop-after 10 --out "$tmp/t" >/dev/null
model=$tmp/t/best.safetensors
expect "demo: the training's folder is the model's" 0 "report     $tmp/t/report.html" demo --model "$model" --count 20 --quiet
for file in report.html report.json likely.png unlikely.png; do
    verdict "demo writes $file" "missing" [ -s "$tmp/t/$file" ]
done
verdict "quiet is quiet" "$(cat "$tmp/err")" [ ! -s "$tmp/err" ]
verdict "report.json is the training's" "$(cat "$tmp/t/report.json")" \
    test "$(json "$tmp/t/report.json" '(o["n_test"], o["steps"], sorted(o["auroc"]))')" = "(20, 10, ['constant', 'interp', 'inverted', 'noise'])"
expect "demo, another backend and folder" 0 "of 5 test images" demo --model "$model" --count 5 --backend reference --out "$tmp/o"
verdict "demo says how far it is" "$(cat "$tmp/err")" grep -q "set 4 of 4" "$tmp/err"
expect "demo without a training" 0 "there is no $tmp/o/train.json" demo --model "$model" --count 5 --run "$tmp/o" --out "$tmp/o"
expect "demo, unknown backend" 2 "cuda" demo --model "$model" --backend cuda
