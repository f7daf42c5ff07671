#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-ood: test images against other images.
. "$(dirname "$0")/common.sh"
has_data ood
ood() { "$JEM_BIN/jem-ood" "$@"; }
check=$(dirname "$0")/check_ood.py

train "${able[@]}" --out "$tmp/t" >/dev/null
model=$tmp/t/best.safetensors
some=(--model "$model" --count 200 --quiet)
expect "ood against what is made here" 0 "a higher score means in-distribution" ood "${some[@]}" --json "$tmp/a.json" --out "$tmp/a"
verdict "quiet is quiet" "$(cat "$tmp/err")" [ ! -s "$tmp/err" ]
verdict "six scores against four sets" "$(json "$tmp/a.json" 'len(o["results"])')" test \
    "$(json "$tmp/a.json" 'sorted({r["out"] for r in o["results"]}), len({r["score"] for r in o["results"]}), len(o["results"])')" = \
    "(['constant', 'interp', 'inverted', 'noise'], 6, 24)"
verdict "the JSON says how its table is laid out" "$(json "$tmp/a.json" 'o["tables"]')" test \
    "$(json "$tmp/a.json" '[(t["name"], t["rows"], [c["title"] for c in t["columns"]][:2]) for t in o["tables"]]')" = "[('results', ['results'], ['other images', None])]"
for key in results protocol model_md5 data seed seconds; do
    verdict "ood: \"$key\"" "missing" json "$tmp/a.json" "o['$key']"
done
aurocs='[[r["auroc"] for r in o["results"] if r["score"] == name] for name in ("log_px", "energy_t")]'
verdict "energy_t is not log_px again" "$(json "$tmp/a.json" "$aurocs")" json "$tmp/a.json" "(lambda a: 1 / (a[0] != a[1]))($aurocs)"
verdict "the table names T" "no" grep -q "energy_t, T = 10 " "$tmp/out"
verdict "the protocol says what energy_t is" "no" grep -q "energy_t is T log mean exp f(x)/T, which is T logsumexp f(x)/T less the constant T log K of K classes, with T = 10 (T = 1 ranks as log_px)" <(tr '\n' ' ' <"$tmp/out")
verdict "so does the JSON" "$(json "$tmp/a.json" 'o["results"]')" test \
    "$(json "$tmp/a.json" '{(r["score"], r["temperature"]) for r in o["results"] if "temperature" in r}')" = "{('energy_t', 10)}"
ood "${some[@]}" --temperature 1 --json "$tmp/1.json" >/dev/null
verdict "with T = 1 it ranks as log_px" "$(json "$tmp/1.json" "$aurocs")" json "$tmp/1.json" "(lambda a: 1 / (a[0] == a[1]))($aurocs)"
for score in log_px prob_y mass energy_t max_logit entropy; do
    verdict "$score.svg is XML with all sets" "$tmp/a/$score.svg" "$python" -c '
import sys, xml.etree.ElementTree as et
words = [t.text for t in et.parse(sys.argv[1]).iter("{http://www.w3.org/2000/svg}text")]
assert {"test images", "noise", "constant", "inverted", "interp"} <= set(words)' "$tmp/a/$score.svg"
done
ood "${some[@]}" --threads 1 --json "$tmp/b.json" >"$tmp/b"
ood "${some[@]}" --threads 2 --json "$tmp/c.json" >"$tmp/c"
verdict "threads change no figure" "differ" cmp "$tmp/b" "$tmp/c"
same='{k: v for k, v in o.items() if k not in ("seconds", "threads")}'
verdict "threads change no figure of the JSON" "differ" test "$(json "$tmp/b.json" "$same")" = "$(json "$tmp/c.json" "$same")"

# Where the answer is known: a set against itself, and one image against one.
expect "ood, a set against itself" 0 "fashion-mnist" ood "${some[@]}" --ood fashion-mnist --count-ood 200 --json "$tmp/d.json"
verdict "a set against itself: 0.5, inside the interval" "$(json "$tmp/d.json" 'o["results"]')" test \
    "$(json "$tmp/d.json" 'all(r["auroc"] == 0.5 and r["auroc_low"] < 0.5 < r["auroc_high"] for r in o["results"])')" = True
ood --model "$model" --quiet --count 1 --ood constant --json "$tmp/e.json" >/dev/null
verdict "one against one: no width" "$(json "$tmp/e.json" 'o["results"]')" test \
    "$(json "$tmp/e.json" 'all(r["auroc"] in (0, 0.5, 1) and r["auroc_low"] == r["auroc"] == r["auroc_high"] for r in o["results"])')" = True
ood "${some[@]}" --ood noise --bootstrap 0 --temperature 1000 --count-ood 7 --json "$tmp/f.json" >/dev/null
verdict "no bootstrap, no interval" "$(json "$tmp/f.json" 'o["results"]')" test \
    "$(json "$tmp/f.json" '{(r["auroc_low"], r["n_in"], r["n_out"]) for r in o["results"]}')" = "{(None, 200, 7)}"
areas='[r["auroc"] for r in o["results"] if r["out"] == "interp"]'
ood "${some[@]}" --ood interp --input-noise 0.03 --csv "$tmp/g.csv" --json "$tmp/g.json" >/dev/null
verdict "the CSV has the figures of the JSON" "$(cat "$tmp/g.csv")" "$python" -c '
import csv, json, sys
rows = list(csv.DictReader(open(sys.argv[1])))
results = json.load(open(sys.argv[2]))["results"]
assert len(rows) == len(results) == 6
assert all(float(a["auroc"]) == b["auroc"] and a["score"] == b["score"] for a, b in zip(rows, results))' "$tmp/g.csv" "$tmp/g.json"
verdict "noise changes figures" "same" test "$(json "$tmp/g.json" "$areas")" != "$(json "$tmp/a.json" "$areas")"

# A model of log p(x) alone has no other score.
ebm=$(dirname "$0")/../../examples/models/fashion-mnist-ebm.safetensors
expect "ood without classes" 0 "log_px" ood --model "$ebm" --count 20 --quiet --ood noise --bootstrap 0 --json "$tmp/i.json" --out "$tmp/i"
verdict "two scores, and why" "$(json "$tmp/i.json" 'o["results"], o["no_classes"]')" test \
    "$(json "$tmp/i.json" '[r["score"] for r in o["results"]], "trained without labels" in o["no_classes"], "left out" in o["protocol"]')" = \
    "(['log_px', 'mass'], True, True)"
verdict "two pictures" "$(ls "$tmp/i")" test "$(cd "$tmp/i" && echo *)" = "log_px.svg mass.svg"
verdict "six scores have their classes" "$(json "$tmp/a.json" 'o["no_classes"]')" test "$(json "$tmp/a.json" 'o["no_classes"]')" = None

# What cannot be written leaves nothing behind.
mkdir "$tmp/full" "$tmp/full/a.json"
expect "results over a folder" 1 "cannot write $tmp/full/a.json" ood "${some[@]}" --count 20 --ood noise --bootstrap 0 --json "$tmp/full/a.json"
verdict "results over a folder: said before the work" "$(cat "$tmp/out")" [ ! -s "$tmp/out" ]
verdict "no temporary file stays" "$(ls "$tmp/full")" test "$(ls "$tmp/full")" = a.json
expect "a full disk" 1 "cannot write to standard output" bash -c "'$JEM_BIN/jem-ood' --model '$model' --count 20 --quiet --ood noise >/dev/full"

# What does not fit, before any work.
npy "$tmp/large.npy" "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3, 32, 32), }" 6144
expect "ood, images of another size" 1 "--ood folder:DIR,size=28x28,grey" ood "${some[@]}" --ood noise --ood "npy:$tmp/large.npy" --out "$tmp/none"
expect "ood, unknown kind" 2 "--ood takes noise" ood "${some[@]}" --ood thunder --out "$tmp/none"
expect "ood, test images of another size" 1 "the model reads" ood --model "$model" --data "npy:$tmp/large.npy" --out "$tmp/none"
expect "ood, one image and no --ood" 0 "is left out, because there is one image" bash -c '"$@" | tr "\n" " "' - "$JEM_BIN/jem-ood" --model "$model" --count 1 --json "$tmp/one.json" --quiet
verdict "interp is not among its sets" "it is" json "$tmp/one.json" "1 / ('interp' not in [r['out'] for r in o['results']])"
expect "ood, mean of one image" 1 "there is one" ood --model "$model" --count 1 --ood interp --out "$tmp/none"
verdict "what does not fit makes no folder" "it is there" [ ! -e "$tmp/none" ]
expect "ood, no temperature" 2 "must be above 0" ood "${some[@]}" --temperature 0

# However large T is, images keep their order; and all figures against scikit-learn, the bootstrap
# against its twin in Python.
if ! "$python" -c 'import numpy' 2>/dev/null; then
    skip "ood against other programs" "python3-numpy is not installed"
    exit 0
fi
"$python" "$check" make "$tmp" "$fashion"
score --model "$model" --data fashion-mnist --count 200 --out "$tmp/in" >/dev/null
score --model "$model" --input "$tmp/other.npy" --out "$tmp/other" >/dev/null
for t in 1e-3 1 1e7 1e9 1e12; do
    ood "${some[@]}" --ood "npy:$tmp/other.npy" --temperature $t --bootstrap 0 --json "$tmp/hot.json" >/dev/null
    verdict "energy_t, T = $t: the AUROC of 60 digits" "$("$python" "$check" hot "$tmp" 2>&1 | tail -1)" "$python" "$check" hot "$tmp"
done
if ! "$python" -c 'import sklearn' 2>/dev/null; then
    skip "ood against scikit-learn" "python3-sklearn is not installed"
    exit 0
fi
ood "${some[@]}" --ood "npy:$tmp/other.npy" --temperature 2.5 --seed 7 --json "$tmp/h.json" >/dev/null
verdict "ood agrees with scikit-learn" "$("$python" "$check" check "$tmp" 2>&1 | tail -1)" "$python" "$check" check "$tmp"
