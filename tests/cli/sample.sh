#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-sample: pictures from noise and from a replay buffer.
. "$(dirname "$0")/common.sh"
has_data sample

train "${tiny[@]}" --stop-after 10 --out "$tmp/t" >/dev/null
model=$tmp/t/best.safetensors
small=(--count 4 --per-class 1 --steps 5 --quiet)
png_size() { od -An -tu1 -j16 -N8 "$1" | awk '{print $3 * 256 + $4, $7 * 256 + $8}'; }

expect "from noise" 0 "class 9" sample --model "$model" --out "$tmp/a" "${small[@]}"
verdict "prints the chain's settings" "no" grep -q "steps = 5, sgld.step_size = 1," "$tmp/out"
verdict "samples.png is 2 x 2 images" "$(png_size "$tmp/a/samples.png")" test "$(png_size "$tmp/a/samples.png")" = "174 174"
verdict "classes.png is 1 x 10 images" "$(png_size "$tmp/a/classes.png")" test "$(png_size "$tmp/a/classes.png")" = "88 862"
sample --model "$model" --out "$tmp/b" "${small[@]}" --threads 2 --batch 3 >/dev/null
verdict "threads and batches change no picture" "differ" cmp "$tmp/a/samples.png" "$tmp/b/samples.png"
sample --model "$model" --out "$tmp/c" "${small[@]}" --seed 9 >/dev/null
verdict "another seed, another picture" "same" bash -c '! cmp -s "$1" "$2"' - "$tmp/a/samples.png" "$tmp/c/samples.png"
expect "a film" 0 "after steps 0 1 3" sample --model "$model" --out "$tmp/n" --count 0 --per-class 0 --film 3 --steps 20 --quiet
verdict "film.png is 3 x 12 images" "$(png_size "$tmp/n/film.png")" test "$(png_size "$tmp/n/film.png")" = "1034 260"
expect "a film of a short chain shows all steps" 0 "after steps 0 1 2" sample --model "$model" --out "$tmp/p" --count 4 \
    --per-class 0 --film 2 --steps 2 --quiet
verdict "film.png is 2 x 3 images" "$(png_size "$tmp/p/film.png")" test "$(png_size "$tmp/p/film.png")" = "260 174"
sample --model "$model" --out "$tmp/q" --count 0 --per-class 0 --film 1 --steps 0 >/dev/null
verdict "a film of no step is its start" "$(png_size "$tmp/q/film.png")" test "$(png_size "$tmp/q/film.png")" = "88 88"
sample --model "$model" --out "$tmp/r" "${small[@]}" --json "$tmp/r.json" >"$tmp/table"
for key in protocol model_md5 seed seconds settings; do verdict "sample: \"$key\"" "missing" json "$tmp/r.json" "o['$key']"; done
verdict "the JSON has the table's rows" "$(json "$tmp/r.json" 'o["rows"]')" grep -q "^any class *4 *$(json "$tmp/r.json" \
    '"%.3f *%.3f *%.3f" % tuple(o["rows"][0][k] for k in ("log_px_start", "log_px_end", "confidence"))')$" "$tmp/table"
verdict "and a row per class" "no" test "$(json "$tmp/r.json" '[r["class"] for r in o["rows"]]')" = "[-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"
expect "from the replay buffer" 0 "Ankle boot" sample --from-buffer "$tmp/t/last.safetensors" --out "$tmp/d" \
    "${small[@]}" --data fashion-mnist
sample --from-buffer "$tmp/t/last.safetensors" --out "$tmp/e" --steps 0 --count 100 --per-class 0 >/dev/null
verdict "the buffer as it is: jem-train's picture" "differ" cmp "$tmp/e/samples.png" "$tmp/t/samples.png"
verdict "no classes.png with --per-class 0" "it is there" [ ! -e "$tmp/e/classes.png" ]
expect "more per class than the buffer has" 0 "class 0" sample --from-buffer "$tmp/t/last.safetensors" \
    --out "$tmp/f" --steps 0 --count 0 --per-class 201 --quiet
expect "a model has no buffer" 1 "holds no replay buffer" sample --from-buffer "$model" --out "$tmp/g"
expect "settings from --set" 0 "sgld.noise_std = 0.5" sample --model "$model" --out "$tmp/h" "${small[@]}" --set sgld.noise_std=0.5
expect "gaussian start: of the images that the model knows" 0 "start.kind = gaussian" sample --model "$model" --out "$tmp/i" "${small[@]}" \
    --set start.kind=gaussian
cp "$fashion/t10k-images-idx3-ubyte.gz" "$tmp/x.gz" && cp "$fashion/t10k-labels-idx1-ubyte.gz" "$tmp/y.gz"
train "${tiny[@]}" --stop-after 1 --set start.kind=gaussian --data "idx:$tmp/x.gz,$tmp/y.gz,test=0" --out "$tmp/gone" >/dev/null
rm "$tmp/x.gz"
expect "they are gone: where chains began" 1 "say where these are with --data" sample --model "$tmp/gone/best.safetensors" --out "$tmp/i2" "${small[@]}"
expect "gaussian start" 0 "start.kind = gaussian" sample --model "$model" --out "$tmp/j" "${small[@]}" \
    --set start.kind=gaussian --data "idx:$fashion/t10k-images-idx3-ubyte.gz,$fashion/t10k-labels-idx1-ubyte.gz"
expect "no such model" 1 "cannot open" sample --model "$tmp/none" --out "$tmp/k" "${small[@]}"
verdict "names the pictures it made" "$(cat "$tmp/table")" grep -qx "pictures   $tmp/r/samples.png $tmp/r/classes.png" "$tmp/table"
train "${tiny[@]}" --set train.weight_py_x=0 --set train.weight_pxy=0 --steps 2 --out "$tmp/ebm" >/dev/null
expect "a model without labels" 0 "Confidence means nothing here: the model was trained" bash -c '"$@" | tr "\n" " "' - \
    "$JEM_BIN/jem-sample" --model "$tmp/ebm/last.safetensors" --out "$tmp/s" "${small[@]}" --per-class 0
verdict "no word of a picture that it did not make" "$(cat "$tmp/out")" bash -c '! grep -q classes.png "$1"' - "$tmp/out"

# Ctrl-C in the midst of the first grid: what is drawn, and nothing else, is spoken of.
halt() { # OPTION...: leaves the exit code in $code
    "$JEM_BIN/jem-sample" --model "$model" --out "$tmp/m" --json "$tmp/m.json" --steps 1000000 --quiet "$@" >"$tmp/out" 2>"$tmp/err" &
    local pid=$!
    until [ -d "$tmp/m" ] || ! kill -0 $pid; do sleep 0.05; done
    kill -INT $pid
    wait $pid
    code=$?
}
halt --count 4 --film 2
verdict "Ctrl-C draws what is there" "exit code $code; $(cat "$tmp/err")" [ $code -eq 130 ]
verdict "Ctrl-C: the pictures it names are there" "$(cat "$tmp/out")" bash -c '
    names=$(sed -n "s/^pictures   //p" "$1") && [ -n "$names" ] && ls $names' - "$tmp/out"
verdict "Ctrl-C: the picture" "missing" [ -s "$tmp/m/samples.png" ]
verdict "and no others" "$(ls "$tmp/m")" [ ! -e "$tmp/m/classes.png" ]
verdict "nor does it speak of others" "$(cat "$tmp/out")" bash -c '! grep -q classes.png "$1"' - "$tmp/out"
verdict "Ctrl-C: the JSON says so" "no" json "$tmp/m.json" "1 / o['stopped']"
verdict "its steps are those that were made" "$(json "$tmp/m.json" "o['rows']")" json "$tmp/m.json" "[1 / (r['steps'] < 1000000) for r in o['rows']]"
verdict "so are those of the protocol" "$(cat "$tmp/out")" bash -c 'tr "\n" " " <"$1" | grep -q "SGLD steps each instead of 1000000"' - "$tmp/out"
rm -r "$tmp/m"
halt --count 0 --per-class 0 --film 2
verdict "Ctrl-C in a film" "exit code $code; $(cat "$tmp/err")" [ $code -eq 130 ]
verdict "a film of what there was" "$(cat "$tmp/out")" bash -c 'grep -q "^pictures   none" "$1" || grep -qE "after steps 0 [0-9]{1,5}$" "$1"' - "$tmp/out"
