#!/bin/bash
# SPDX-License-Identifier: MIT
# The small programs that teach the API.
. "$(dirname "$0")/common.sh"
has_data lessons

train "${tiny[@]}" --stop-after 10 --out "$tmp/t" >/dev/null
model=$tmp/t/best.safetensors
zcat "$fashion/t10k-images-idx3-ubyte.gz" | head -c $((16 + 1000 * 784)) >"$tmp/images"
zcat "$fashion/t10k-labels-idx1-ubyte.gz" | head -c $((8 + 1000)) >"$tmp/labels"
# 1,000 images: the count in both headers.
for file in images labels; do printf '\x00\x00\x03\xe8' | dd of="$tmp/$file" bs=1 seek=4 conv=notrunc 2>/dev/null; done
tail -c +17 "$tmp/images" >"$tmp/raw"

expect "01_score" 0 "log p(x)" "$JEM_BIN/01_score" "$model" <"$tmp/raw"
score --model "$model" --data fashion-mnist --count 1 >"$tmp/table"
verdict "01_score agrees with jem-score" "$(cat "$tmp/table")" \
    grep -qF " $(sed -n 's/log p(x) + constant = //p' "$tmp/out") " "$tmp/table"
expect "01_score, usage" 2 "usage: 01_score MODEL" "$JEM_BIN/01_score" <"$tmp/raw"
expect "01_score, too few bytes" 1 "784 bytes" "$JEM_BIN/01_score" "$model" </dev/null
expect "01_score, no model" 1 "none" "$JEM_BIN/01_score" "$tmp/none" <"$tmp/raw"
expect "02_train, usage" 2 "usage" "$JEM_BIN/02_train"
expect "02_train, no data" 1 "none" "$JEM_BIN/02_train" "$tmp/none" "$tmp/none" "$tmp/m"
expect "03_sample" 0 "P5" "$JEM_BIN/03_sample" "$model" 9
verdict "03_sample: 28 x 28 bytes" "$(wc -c <"$tmp/out")" [ "$(wc -c <"$tmp/out")" -eq $((13 + 784)) ]
expect "03_sample, no such class" 1 "10" "$JEM_BIN/03_sample" "$model" 10
expect "03_sample, usage" 2 "usage: 03_sample MODEL" "$JEM_BIN/03_sample" "$model" boot

head -c $((101 * 784)) "$tmp/raw" >"$tmp/some"
expect "04_threads" 0 "101 images: 4 threads give the same scores as one" "$JEM_BIN/04_threads" "$model" <"$tmp/some"
expect "04_threads, fewer images than threads" 0 "1 images" "$JEM_BIN/04_threads" "$model" < <(head -c 784 "$tmp/raw")
expect "04_threads, too few bytes" 1 "784 bytes" "$JEM_BIN/04_threads" "$model" </dev/null
expect "04_threads, no model" 1 "none" "$JEM_BIN/04_threads" "$tmp/none" <"$tmp/some"
expect "04_threads, usage" 2 "usage: 04_threads MODEL" "$JEM_BIN/04_threads" <"$tmp/some"

# 120 steps are enough to see it learn; the model in the file is the one with the best accuracy.
expect "05_own_loop" 0 "step  120" "$JEM_BIN/05_own_loop" "$tmp/images" "$tmp/labels" "$tmp/own" 120
verdict "05_own_loop: three validations" "$(cat "$tmp/out")" [ "$(grep -c 'held out: accuracy' "$tmp/out")" -eq 3 ]
best=$(tail -n 1 "$tmp/out" | sed 's/.*best //')
verdict "05_own_loop: learns" "best $best" awk "BEGIN { exit !($best > 0.3) }"
verdict "05_own_loop: keeps the best" "$(cat "$tmp/out")" \
    awk -v best="$best" '{ sub(/,/, "", $(NF - 2)); if ($(NF - 2) > top) top = $(NF - 2) } END { exit !(top == best) }' "$tmp/out"
expect "05_own_loop: a model that opens" 0 "log p(x)" "$JEM_BIN/01_score" "$tmp/own" <"$tmp/raw"
expect "05_own_loop, no data" 1 "none" "$JEM_BIN/05_own_loop" "$tmp/none" "$tmp/none" "$tmp/m"
expect "05_own_loop, no steps" 2 "usage: 05_own_loop" "$JEM_BIN/05_own_loop" "$tmp/images" "$tmp/labels" "$tmp/m" none

# Models of other images. other NAME CHANNELS SIDE: black ones, 20 of them.
other() {
    local bytes=$((20 * $2 * $3 * $3))
    { printf "\\x00\\x00\\x08\\x04\\x00\\x00\\x00\\x14\\x00\\x00\\x00\\x$(printf %02x "$2")"
        printf "\\x00\\x00\\x00\\x$(printf %02x "$3")%.0s" 1 2; head -c $bytes /dev/zero; } >"$tmp/other"
    { printf '\x00\x00\x08\x01\x00\x00\x00\x14'; head -c 20 /dev/zero; } >"$tmp/other.labels"
    train "${tiny[@]}" --set model.arch=mlp --set model.hidden=4 --validation 0 --stop-after 1 \
        --data "idx:$tmp/other,$tmp/other.labels" --out "$tmp/$1" >/dev/null
}
other colour 3 8
expect "03_sample, colour" 0 "P6" "$JEM_BIN/03_sample" "$tmp/colour/best.safetensors" 0
verdict "03_sample: 3 x 8 x 8 bytes" "$(wc -c <"$tmp/out")" [ "$(wc -c <"$tmp/out")" -eq $((11 + 3 * 64)) ]
expect "01_score, another size" 1 "784 values" "$JEM_BIN/01_score" "$tmp/colour/best.safetensors" <"$tmp/raw"
other large 1 128
expect "03_sample, too large" 1 "too large" "$JEM_BIN/03_sample" "$tmp/large/best.safetensors" 0
