#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-likely: the most and the least likely images.
. "$(dirname "$0")/common.sh"
has_data likely
likely() { "$JEM_BIN/jem-likely" "$@"; }
check=$(dirname "$0")/check_likely.py

train "${able[@]}" --out "$tmp/t" >/dev/null
model=$tmp/t/best.safetensors
some=(--model "$model" --count 300 --columns 5 --rows 2 --quiet)
expect "likely" 0 "captions.txt" likely "${some[@]}" --samples "$tmp/t/last.safetensors" --out "$tmp/a" --json "$tmp/a.json" --csv "$tmp/a.csv"
verdict "quiet is quiet" "$(cat "$tmp/err")" [ ! -s "$tmp/err" ]
verdict "likely prints its protocol" "no" grep -q "compared within a class only" "$tmp/out"
verdict "ten pictures of each" "$(ls "$tmp/a")" test "$(find "$tmp/a" -name 'test-*.png' | wc -l) $(find "$tmp/a" -name 'samples-*.png' | wc -l)" = "10 10"
for key in pictures protocol model_md5 data seed seconds; do
    verdict "likely: \"$key\"" "missing" json "$tmp/a.json" "o['$key']"
done
verdict "a caption for each image" "$(wc -l <"$tmp/a/captions.txt")" test \
    "$(wc -l <"$tmp/a/captions.txt")" = "$(json "$tmp/a.json" '1 + sum(len(p["images"]) for p in o["pictures"])')"
verdict "and a row of the csv" "$(wc -l <"$tmp/a.csv")" cmp <(tail -n +2 "$tmp/a.csv" | cut -d, -f2-5 | tr , ' ') \
    <(tail -n +2 "$tmp/a/captions.txt" | awk '{ print $1, $2, $3, $4 }')
verdict "stdout shows the first five of all classes" "$(grep -c png "$tmp/out")" test \
    "$(grep -c '^[a-z]*-log_p.*-[a-z]*t\.png ' "$tmp/out")" = 40
likely "${some[@]}" --threads 1 --out "$tmp/b" >/dev/null
likely "${some[@]}" --threads 2 --out "$tmp/c" >/dev/null
verdict "threads change no picture" "differ" diff -r "$tmp/b" "$tmp/c"
expect "fewer images than places" 0 "pictures" likely --model "$model" --count 3 --quiet --out "$tmp/d" --json "$tmp/d.json"
size_of() { "$python" -c 'import struct, sys; print(*struct.unpack(">II", open(sys.argv[1], "rb").read(24)[16:]))' "$1"; }
verdict "and no empty rows or columns" "$(size_of "$tmp/d/test-log_px-most.png")" test "$(size_of "$tmp/d/test-log_px-most.png")" = "260 88"
verdict "half of the columns for a class at least" "$(size_of "$tmp/d/test-log_pxy-class-most.png")" test "$(size_of "$tmp/d/test-log_pxy-class-most.png")" = "432 862"
verdict "three images, three captions" "$(json "$tmp/d.json" 'o["pictures"][0]')" test \
    "$(json "$tmp/d.json" '[len(p["images"]) for p in o["pictures"]]')" = "[3, 3, 3, 3, 3, 3, 3, 3, 3, 3]"

# A model of log p(x) alone ranks by it, predicts nothing, and says why.
ebm=$(dirname "$0")/../../examples/models/fashion-mnist-ebm.safetensors
expect "likely without classes" 0 "captions.txt" likely --model "$ebm" --count 20 --quiet --out "$tmp/p" --json "$tmp/p.json"
verdict "two pictures, no prediction" "$(ls "$tmp/p")" test \
    "$(json "$tmp/p.json" '[p["file"] for p in o["pictures"]], {i["prediction"] for p in o["pictures"] for i in p["images"]}, "trained without labels" in o["protocol"]')" = \
    "(['test-log_px-most.png', 'test-log_px-least.png'], {-1}, True)"

# What does not fit, before any work.
none=(--model "$model" --out "$tmp/none")
npy "$tmp/x.npy" "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 28, 28), }" 2352
npy "$tmp/y.npy" "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }" 12
npy "$tmp/large.npy" "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3, 32, 32), }" 6144
expect "likely, other classes" 1 "has 3 classes, the model has 10" likely "${none[@]}" --data "npy:$tmp/x.npy,$tmp/y.npy,classes=3"
expect "likely, images of another size" 1 "the model reads" likely "${none[@]}" --data "npy:$tmp/large.npy"
expect "likely, samples of another size" 1 "the model reads" likely "${none[@]}" --count 5 --samples "$tmp/large.npy"
expect "likely, a model has no buffer" 1 "holds no replay buffer" likely "${none[@]}" --count 5 --samples "$model"
expect "likely, nowhere to go" 2 "--out DIR is missing" likely --model "$model"
verdict "what does not fit makes no folder" "it is there" [ ! -e "$tmp/none" ]
expect "likely, samples from an array" 0 "from an array" likely "${some[@]}" --samples "$tmp/x.npy" --count-samples 2 --out "$tmp/e" --json "$tmp/e.json"
verdict "only so many samples" "no" test "$(json "$tmp/e.json" '{len(p["images"]) for p in o["pictures"] if p["set"] == "samples"}')" = "{2}"

if ! "$python" -c 'import numpy, PIL' 2>/dev/null; then
    skip "likely against NumPy" "python3-numpy and python3-pil are not installed"
    exit 0
fi
score --model "$model" --data fashion-mnist --count 300 --out "$tmp/s" >/dev/null
verdict "likely agrees with NumPy" "$("$python" "$check" "$tmp" "$fashion" 2>&1 | tail -1)" "$python" "$check" "$tmp" "$fashion"
