#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-calibration: calibration errors and a fitted temperature.
. "$(dirname "$0")/common.sh"
has_data calibration
calibration() { "$JEM_BIN/jem-calibration" "$@"; }
here=$(dirname "$0")

train "${able[@]}" --out "$tmp/t" >/dev/null
model=$tmp/t/best.safetensors
some=(--model "$model" --count 500 --quiet)
expect "calibration" 0 "It is the minimum" calibration "${some[@]}" --json "$tmp/a.json" --out "$tmp/a"
verdict "quiet is quiet" "$(cat "$tmp/err")" [ ! -s "$tmp/err" ]
verdict "calibration prints its protocol" "no" grep -q "20 equal bins (lo, hi\]" "$tmp/out"
for key in accuracy ece mce nll brier bins n protocol model_md5 data seed seconds temperature scaled fit; do
    verdict "calibration: \"$key\"" "missing" json "$tmp/a.json" "o['$key']"
done
verdict "the bins hold all images" "no" test "$(json "$tmp/a.json" 'sum(b["count"] for b in o["bins"]), o["n"], len(o["bins"])')" = "(500, 500, 20)"

verdict "the confusion matrix counts each image once" "$(json "$tmp/a.json" 'o["per_class"]')" "$python" -c '
import json, sys
o = json.load(open(sys.argv[1]))
pairs = {(p["label"], p["prediction"]): p["n"] for p in o["confusion"]}
assert len(pairs) == len(o["confusion"]) == 100 and sum(pairs.values()) == o["n"] == 500
assert abs(sum(pairs[k, k] for k in range(10)) / 500 - o["accuracy"]) < 1e-12
assert len(o["per_class"]) == 10
for c in o["per_class"]:
    line = [pairs[c["class"], j] for j in range(10)]
    others = [n for j, n in enumerate(line) if j != c["class"]]
    assert c["n"] == sum(line) and c["right"] == line[c["class"]] and c["low"] <= c["accuracy"] <= c["high"]
    assert abs(c["accuracy"] - c["right"] / c["n"]) < 1e-12
    assert (c["times"] or 0) == max(others) and (not max(others) or line[c["taken_for"]] == max(others))' "$tmp/a.json"

# jem-train wrote down the NLL of the images it held out: the temperature is fitted to these.
verdict "fitted to what jem-train held out" "$(json "$tmp/a.json" 'o["temperature"]')" "$python" -c '
import json, sys
fit = json.load(open(sys.argv[1]))["temperature"]
lines = [json.loads(line) for line in open(sys.argv[2])]
best = [line for line in lines if line["type"] == "validation" and line["best"]][-1]
assert fit["n"] == 200 and abs(fit["nll_before"] - best["nll"]) < 1e-6' "$tmp/a.json" "$tmp/t/log.jsonl"
verdict "what T is fitted to is recorded" "$(json "$tmp/a.json" 'o["fit"]')" test "$(json "$tmp/a.json" 'o["fit"]')" = \
    "{'data': 'fashion-mnist', 'split': 'train', 'held_out': True, 'count': 200, 'split_seed': 3, 'assumed': False, 'n': 200, 'no_temperature': None}"
# Without train.json nobody knows which they were.
mkdir "$tmp/copy" && cp "$model" "$tmp/copy"
few=(--model "$tmp/copy/best.safetensors" --count 50 --fit-count 100 --quiet)
held='[o["fit"][k] for k in ("count", "split_seed", "assumed", "n")]'
expect "held-out images that are assumed" 0 "It is assumed" calibration "${few[@]}" --json "$tmp/f.json"
verdict "assumed, says the JSON" "$(json "$tmp/f.json" 'o["fit"]')" test "$(json "$tmp/f.json" "$held")" = "[5000, 1, True, 100]"
calibration "${few[@]}" --validation 200 --json "$tmp/f.json" >/dev/null
verdict "a split seed that is assumed" "$(json "$tmp/f.json" 'o["fit"]')" test "$(json "$tmp/f.json" "$held")" = "[200, 1, True, 100]"
calibration "${few[@]}" --validation 200 --split-seed 3 --json "$tmp/f.json" >"$tmp/out"
verdict "both said" "$(json "$tmp/f.json" 'o["fit"]')" test "$(json "$tmp/f.json" "$held")" = "[200, 3, False, 100]"
verdict "then nothing is assumed" "it says so" test 0 = "$(grep -c assumed "$tmp/out")"
for picture in reliability reliability-scaled; do
    verdict "$picture.svg is XML with the counts" "$tmp/a/$picture.svg" "$python" -c '
import json, sys, xml.etree.ElementTree as et
o = json.load(open(sys.argv[1]))
bins = (o["scaled"] if "scaled" in sys.argv[2] else o)["bins"]
words = [t.text for t in et.parse(sys.argv[2]).iter("{http://www.w3.org/2000/svg}text")]
assert all(str(b["count"]) in words for b in bins if b["count"])' "$tmp/a.json" "$tmp/a/$picture.svg"
done
calibration "${some[@]}" --threads 1 --json "$tmp/b.json" >"$tmp/b"
calibration "${some[@]}" --threads 2 --json "$tmp/c.json" >"$tmp/c"
verdict "threads change no figure" "differ" cmp "$tmp/b" "$tmp/c"
same='{k: v for k, v in o.items() if k not in ("seconds", "threads")}'
verdict "threads change no figure of the JSON" "differ" test "$(json "$tmp/b.json" "$same")" = "$(json "$tmp/c.json" "$same")"
expect "calibration with noise" 0 "noise of standard deviation 0.1" calibration "${some[@]}" --count 20 --input-noise 0.1 --seed 5 --json "$tmp/n.json"

# What does not go together, before any work.
expect "calibration, no such model" 1 "cannot open" calibration --model "$tmp/none"
expect "calibration, bins" 2 "between 1 and 1000" calibration "${some[@]}" --bins 0
expect "calibration, all held out" 2 "can be held out" calibration "${some[@]}" --validation 60000
for what in size classes; do
    bytes=$([ $what = size ] && echo 64 || echo 784)
    side=$([ $what = size ] && echo 8 || echo 28)
    npy "$tmp/x.npy" "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 1, $side, $side), }" $((3 * bytes))
    npy "$tmp/y.npy" "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }" 12
    expect "calibration, images of another $what" 1 "the model" calibration --model "$model" \
        --data "npy:$tmp/x.npy,$tmp/y.npy,classes=3" --out "$tmp/none"
done
verdict "wrong data make no folder" "it is there" [ ! -e "$tmp/none" ]
expect "calibration without labels" 1 "has no labels" calibration --model "$model" --data "npy:$tmp/x.npy"

# A data set whose splits are the same images has none that T could be fitted to.
one_set=idx:$fashion/t10k-images-idx3-ubyte.gz,$fashion/t10k-labels-idx1-ubyte.gz,test=0
own='o["temperature"], o["scaled"], o["fit"]["data"], o["fit"]["n"], "same images" in o["fit"]["no_temperature"], o["ece"] > 0'
expect "no temperature from the test images" 0 "T = -" calibration "${some[@]}" --data "$one_set" --json "$tmp/o.json" --out "$tmp/o"
verdict "and why" "$(json "$tmp/o.json" 'o["fit"]')" test "$(json "$tmp/o.json" "$own")" = "(None, None, None, 0, True, True)"
verdict "one diagram then" "$(ls "$tmp/o")" test "$(ls "$tmp/o")" = reliability.svg
expect "the test images, when asked for" 2 "say --fit-data KIND" calibration "${some[@]}" --data "$one_set" --validation 200
expect "the test images by their name" 2 "say --fit-data KIND" calibration "${some[@]}" --data "$one_set" --fit-data "$one_set"
train_set=idx:$fashion/train-images-idx3-ubyte.gz,$fashion/train-labels-idx1-ubyte.gz,test=0
expect "what was held out of another set" 0 "held out of the training" calibration "${some[@]}" --data "$one_set" --fit-data "$train_set" \
    --validation 200 --json "$tmp/o.json"
verdict "is the same" "$(json "$tmp/o.json" 'o["temperature"]')" test "$(json "$tmp/o.json" 'o["temperature"]')" = "$(json "$tmp/a.json" 'o["temperature"]')"
expect "a split seed of nothing" 2 "wants --validation N" calibration "${some[@]}" --data "$one_set" --fit-data "$train_set" --split-seed 3
tree=$here/../images/files/tree
expect "a folder with splits has its own" 1 "the model" calibration --model "$model" --data "folder:$tree" --validation 1
expect "one without has not" 2 "same images" calibration --model "$model" --data "folder:$tree/train,test=0" --validation 1
expect "images without classes have not" 2 "same images" calibration --model "$model" --data "images:$tree" --validation 1
expect "nor have arrays" 2 "same images" calibration --model "$model" --data "npy:$tmp/x.npy" --validation 1

# A model of log p(x) alone has learnt no classes. One of log p(x|y) has.
ebm=$here/../../examples/models/fashion-mnist-ebm.safetensors
expect "calibration without classes" 1 "trained without labels" calibration --model "$ebm" --count 20 --out "$tmp/none"
verdict "that makes no folder either" "it is there" [ ! -e "$tmp/none" ]
train "${tiny[@]}" --stop-after 1 --set train.weight_px=0 --set train.weight_py_x=0 --set train.weight_pxy=1 --set sgld.class_cond=1 \
    --set pcd.class_parts=1 --out "$tmp/p" >/dev/null
expect "calibration of log p(x|y)" 0 "accuracy" calibration --model "$tmp/p/last.safetensors" --count 20 --fit-count 50 --quiet

# Without a T everything else is there. One image has none.
expect "too few images for a temperature" 0 "There is no T" calibration "${some[@]}" --count 50 --fit-count 1 --json "$tmp/o.json"
verdict "the errors are there, T is null" "$(json "$tmp/o.json" 'o["temperature"], o["scaled"], o["ece"]')" test \
    "$(json "$tmp/o.json" 'o["temperature"], o["scaled"], o["fit"]["n"], o["ece"] > 0, "without end" in o["fit"]["no_temperature"]')" = "(None, None, 1, True, True)"

# Against NumPy, SciPy and scikit-learn.
if ! "$python" -c 'import scipy, sklearn' 2>/dev/null; then
    skip "calibration against scikit-learn" "python3-sklearn is not installed"
    exit 0
fi
score --model "$model" --data fashion-mnist --count 500 --out "$tmp/s" >/dev/null
"$python" "$here/check_calibration.py" make "$tmp" "$fashion"
score --model "$model" --input "$tmp/fit.npy" --out "$tmp/f" >/dev/null
calibration "${some[@]}" --fit-data "npy:$tmp/fit.npy,$tmp/fit_y.npy,test=0" --bins 15 --json "$tmp/d.json" >/dev/null
for json in a d; do
    verdict "calibration agrees with scikit-learn ($json)" "$("$python" "$here/check_calibration.py" errors "$tmp" "$json" 2>&1 | tail -1)" \
        "$python" "$here/check_calibration.py" errors "$tmp" $json
done
verdict "the temperature is SciPy's" "$("$python" "$here/check_calibration.py" temperature "$tmp" d 2>&1 | tail -1)" \
    "$python" "$here/check_calibration.py" temperature "$tmp" d
"$python" "$here/check_calibration.py" noisy "$tmp" "$fashion"
score --model "$model" --input "$tmp/noisy.npy" --out "$tmp/n" >/dev/null
verdict "the noise is as said" "$("$python" "$here/check_calibration.py" noise "$tmp" 2>&1 | tail -1)" \
    "$python" "$here/check_calibration.py" noise "$tmp"
"$python" "$here/check_calibration.py" extremes "$tmp"
expect "no temperature where all is right" 0 "as T goes to 0" calibration "${some[@]}" --fit-data "npy:$tmp/fit.npy,$tmp/right.npy,classes=10"
expect "no temperature where all is wrong" 0 "as T grows" calibration "${some[@]}" --fit-data "npy:$tmp/fit.npy,$tmp/wrong.npy,classes=10"
