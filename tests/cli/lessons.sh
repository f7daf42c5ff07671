#!/bin/bash
# SPDX-License-Identifier: MIT
# The three small programs that teach the API.
. "$(dirname "$0")/common.sh"
has_data lessons

train "${tiny[@]}" --steps 10 --out "$tmp/t" >/dev/null
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
expect "01_score, no model" 1 "none" "$JEM_BIN/01_score" "$tmp/none" <"$tmp/raw"
expect "02_train, usage" 2 "usage" "$JEM_BIN/02_train"
expect "02_train, no data" 1 "none" "$JEM_BIN/02_train" "$tmp/none" "$tmp/none" "$tmp/m"
expect "03_sample" 0 "P5" "$JEM_BIN/03_sample" "$model" 9
verdict "03_sample: 28 x 28 bytes" "$(wc -c <"$tmp/out")" [ "$(wc -c <"$tmp/out")" -eq $((13 + 784)) ]
expect "03_sample, no such class" 1 "10" "$JEM_BIN/03_sample" "$model" 10
