#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-distal: images that a model is sure of, from noise.
. "$(dirname "$0")/common.sh"
distal() { "$JEM_BIN/jem-distal" "$@"; }

expect "--help" 0 "Usage: jem-distal" distal --help
verdict "--help fits the screen" "$(awk 'length > 96' "$tmp/out" | head -1)" [ -z "$(awk 'length > 96' "$tmp/out")" ]
expect "no model" 2 "--model FILE is missing" distal
expect "unknown start" 2 "must be noise or grey" distal --model x --start car
expect "threshold of 1" 2 "between 0 and 1" distal --model x --threshold 1
expect "no step" 2 "must be above 0" distal --model x --step-size 0
has_data distal

train "${tiny[@]}" --preset classifier --set train.batch=50 --set train.lr=0.005 --stop-after 200 --out "$tmp/t" >/dev/null
model=$tmp/t/best.safetensors
quick=(--model "$model" --count 2 --quiet)
expect "no such model" 1 "none.safetensors" distal --model "$tmp/none.safetensors"
head -c 30730 /dev/zero >"$tmp/test_batch.bin"
expect "data of another size" 1 "the model reads 1 x 28 x 28" distal "${quick[@]}" --data "cifar10:$tmp"
expect "a search that takes its time" 0 "Ankle boot" distal "${quick[@]}" --data fashion-mnist --threshold 0.3 \
    --out "$tmp/o" --json "$tmp/a.json" --csv "$tmp/a.csv"
verdict "the picture: 2 x 10 images" "$(ls "$tmp/o")" [ -s "$tmp/o/distal.png" ]
verdict "all have reached their class" "$(json "$tmp/a.json" "o['reached']")" json "$tmp/a.json" "1 / (o['reached'] == 1)"
verdict "and are as sure as asked" "no" json "$tmp/a.json" "[1 / (c['prob_y'] > 0.3 and c['steps'] >= 0) for c in o['classes']]"
verdict "a row per class" "no" json "$tmp/a.json" "1 / ([c['class'] for c in o['classes']] == list(range(10)))"
verdict "csv: a row per class, all of them, and what a page shows" "$(cut -d, -f1,2 "$tmp/a.csv")" test \
    "$(grep -c '^classes,class ' "$tmp/a.csv") $(grep -c '^classes,all' "$tmp/a.csv") $(grep -c '^distal,1,' "$tmp/a.csv")" = "10 1 1"
verdict "the page's figures are those of the file" "no" json "$tmp/a.json" \
    "1 / ([(c['title'], c['values'][0]) for c in o['tables'][1]['columns'] if c['name'] is None] == [('steps', o['all']['steps']), ('log p(x) at the start', o['all']['log_px_start']), ('at the end', o['all']['log_px_end']), ('images', o['all']['n'])])"
verdict "the fields of all experiments" "missing" json "$tmp/a.json" \
    "1 / all(k in o for k in ('protocol', 'model_md5', 'data', 'seed', 'seconds')) and 1 / (o['data']['n'] == 1000)"
expect "too few steps" 0 "reached 0.0 %" distal "${quick[@]}" --threshold 0.999 --steps 1 --json "$tmp/b.json"
verdict "no steps, no mean of them" "there is" json "$tmp/b.json" "1 / (o['all']['steps'] is None and o['data'] is None)"
distal "${quick[@]}" --steps 5 --json "$tmp/c.json" --threads 2 >/dev/null
distal "${quick[@]}" --steps 5 --json "$tmp/d.json" --threads 1 >/dev/null
verdict "threads change no figure" "they do" [ "$(json "$tmp/c.json" "o['classes']")" = "$(json "$tmp/d.json" "o['classes']")" ]
distal "${quick[@]}" --steps 5 --json "$tmp/d.json" --seed 2 >/dev/null
verdict "another seed, other figures" "the same" [ "$(json "$tmp/c.json" "o['classes']")" != "$(json "$tmp/d.json" "o['classes']")" ]
distal "${quick[@]}" --steps 1 --start grey --json "$tmp/d.json" >/dev/null
verdict "grey starts are all the same" "no" json "$tmp/d.json" "1 / (len({c['log_px_start'] for c in o['classes']}) == 1)"
