#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-semisup: JEM and a classifier on the same few labels.
. "$(dirname "$0")/common.sh"
has_data semisup
semisup() { "$JEM_BIN/jem-semisup" "$@"; }

# 2,000 images to train on, the rest of the test set unseen.
images=$tmp/train-images-idx3-ubyte labels=$tmp/train-labels-idx1-ubyte
{ printf '\x00\x00\x08\x03\x00\x00\x07\xd0\x00\x00\x00\x1c\x00\x00\x00\x1c'
    zcat "$fashion/train-images-idx3-ubyte.gz" | tail -c +17 | head -c $((2000 * 784)); } >"$images"
{ printf '\x00\x00\x08\x01\x00\x00\x07\xd0'; zcat "$fashion/train-labels-idx1-ubyte.gz" | tail -c +9 | head -c 2000; } >"$labels"
ln -s "$fashion/t10k-images-idx3-ubyte.gz" "$fashion/t10k-labels-idx1-ubyte.gz" "$tmp"
some=(--data "mnist:$tmp" --count 500 --quiet --set model.arch=small --set model.filters=4 --set train.batch=16
    --set sgld.steps=2 --set pcd.capacity=100 --set train.lr=0.003 --set train.crop_pad=0 --set train.flip=0
    --validate-every 20 --labels "2,10" --seeds 2)
expect "semisup" 0 "Test accuracy" semisup "${some[@]}" --steps 50 --threads 1 --out "$tmp/a" --json "$tmp/a.json" --csv "$tmp/a.csv"
verdict "quiet is quiet" "$(cat "$tmp/err")" [ ! -s "$tmp/err" ]
verdict "its CSV has the same figures" "$(cat "$tmp/a.csv")" "$python" -c '
import csv, json, sys
o = json.load(open(sys.argv[1]))
head = None
rows = {"summary": [], "runs": []}
for line in csv.reader(open(sys.argv[2])):
    if not line or line[0] == "table": head = line
    else: rows[line[0]].append(dict(zip(head[1:], line[1:])))
for name in rows:
    assert len(rows[name]) == len(o[name]) > 0
    for ours, theirs in zip(rows[name], o[name]):
        for key, value in theirs.items():
            assert ours[key] == ("" if value is None else value if isinstance(value, str) else "%.12g" % value), key' "$tmp/a.json" "$tmp/a.csv"
verdict "semisup prints its protocol" "no" grep -q "the difference is taken seed by seed" <(tr '\n' ' ' <"$tmp/out")
for key in runs summary settings protocol model_md5 data seed seconds; do
    verdict "semisup: \"$key\"" "missing" json "$tmp/a.json" "o['$key']"
done
verdict "eight trainings, eight models" "$(ls "$tmp/a")" test "$(find "$tmp/a" -name '*.safetensors' | wc -l) $(json "$tmp/a.json" 'len({r["model_md5"] for r in o["runs"]})')" = "8 8"
expect "semisup, two threads" 0 "labels per class" semisup "${some[@]}" --steps 50 --threads 2 --out "$tmp/b" --json "$tmp/b.json"
verdict "threads change no model" "differ" test "$(json "$tmp/a.json" 'o["runs"]')" = "$(json "$tmp/b.json" 'o["runs"]')"
semisup "${some[@]}" --steps 50 --validate-every 50 --out "$tmp/b" --json "$tmp/last.json" >/dev/null
verdict "the best validation is kept, not the last" "$(json "$tmp/last.json" 'o["runs"]')" "$python" -c '
import json, sys
best, last = ([r["validation_accuracy"] for r in json.load(open(f))["runs"]] for f in sys.argv[1:])
assert all(a >= b for a, b in zip(best, last)) and best != last' "$tmp/a.json" "$tmp/last.json"
verdict "means and deviations over the seeds" "$(json "$tmp/a.json" 'o["summary"]')" "$python" -c '
import json, statistics as st, sys
o = json.load(open(sys.argv[1]))
for s in o["summary"]:
    of = lambda kind: [r["accuracy"] for r in o["runs"] if r["kind"] == kind and r["labels_per_class"] == s["labels_per_class"]]
    jem, plain = of("jem"), of("classifier")
    for name, values in ("jem", jem), ("classifier", plain), ("difference", [a - b for a, b in zip(jem, plain)]):
        assert abs(s[name] - st.mean(values)) < 1e-9 and abs(s[name + "_std"] - st.stdev(values)) < 1e-9, name' "$tmp/a.json"
score --model "$tmp/a/jem-10-seed2.safetensors" --data "mnist:$tmp" --count 500 >"$tmp/out"
verdict "the model in the file is the one that was tested" "$(cat "$tmp/out")" grep -q \
    "accuracy   $(json "$tmp/a.json" '"%.2f" % [100 * r["accuracy"] for r in o["runs"] if r["file"] == "jem-10-seed2.safetensors"][0]') %" "$tmp/out"
verdict "the md5 is the file's" "no" test "$(json "$tmp/a.json" 'o["runs"][0]["model_md5"]')" = "$(md5sum "$tmp/a/jem-2-seed1.safetensors" | cut -d' ' -f1)"

# With log p(x) next to nothing JEM must become the classifier: same weights at the start, same
# labelled batches.
semisup "${some[@]}" --steps 20 --set train.weight_px=1e-30 --set pcd.capacity=10 --out "$tmp/c" >/dev/null
for n in 2 10; do
    for kind in jem classifier; do
        score --model "$tmp/c/$kind-$n-seed1.safetensors" --data "mnist:$tmp" --count 50 --out "$tmp/$kind-$n" >/dev/null
    done
    verdict "without log p(x) JEM is the classifier ($n)" "differ" cmp "$tmp/jem-$n/logits.npy" "$tmp/classifier-$n/logits.npy"
done
for other in classifier-10-seed1 classifier-2-seed2; do
    score --model "$tmp/c/$other.safetensors" --data "mnist:$tmp" --count 50 --out "$tmp/other" >/dev/null
    verdict "other labels, another classifier ($other)" "the same" bash -c '! cmp -s "$1" "$2"' - \
        "$tmp/classifier-2/logits.npy" "$tmp/other/logits.npy"
done

out=(--out "$tmp/none")
# A set whose splits are the same images wants another to test on.
one_set=(--data "idx:$images,$labels,test=0") other=idx:$fashion/t10k-images-idx3-ubyte.gz,$fashion/t10k-labels-idx1-ubyte.gz,test=0
expect "semisup, tested on what it learnt" 2 "say --test KIND" semisup "${some[@]}" --steps 5 "${out[@]}" "${one_set[@]}"
expect "semisup, the same by its name" 2 "say --test KIND" semisup "${some[@]}" --steps 5 "${out[@]}" "${one_set[@]}" --test "${one_set[1]}"
expect "semisup, another test set" 0 "Test accuracy" semisup "${some[@]}" --steps 50 "${one_set[@]}" --test "$other" --out "$tmp/d" --json "$tmp/d.json"
verdict "figures of that set" "$(json "$tmp/d.json" 'o["runs"]')" test "$(json "$tmp/d.json" 'o["runs"], o["train_data"], o["data"]["spec"]')" = \
    "$(json "$tmp/a.json" 'o["runs"], sys.argv[3], sys.argv[4]' "${one_set[1]}" "$other")"
npy "$tmp/x.npy" "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 28, 28), }" 2352
npy "$tmp/y.npy" "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }" 12
expect "semisup, a test set of other classes" 1 "has 8 classes" semisup "${some[@]}" "${out[@]}" --test "npy:$tmp/x.npy,$tmp/y.npy,classes=8"
expect "semisup, too many labels" 1 "has only" semisup "${some[@]}" "${out[@]}" --labels 10,300
expect "semisup, no labels" 2 "at least 1" semisup "${some[@]}" "${out[@]}" --labels 0
expect "semisup, labels that are no numbers" 2 "joined by commas" semisup "${some[@]}" "${out[@]}" --labels "10;20"
expect "semisup, a classifier against itself" 2 "train.weight_px is 0" semisup "${some[@]}" "${out[@]}" --preset classifier
expect "semisup, all held out" 2 "can be held out" semisup "${some[@]}" "${out[@]}" --validation 2000
expect "semisup, unknown setting" 2 "sgld.steps" semisup "${some[@]}" "${out[@]}" --set sgld.step=3
expect "semisup, a test set of no kind" 2 "unknown kind of data" semisup "${some[@]}" "${out[@]}" --test imagenet:x --dry-run
expect "semisup, a dry run" 0 "would run: jem-semisup --data" semisup "${some[@]}" "${out[@]}" --dry-run
expect "semisup, a dry run, labels that are no numbers" 2 "joined by commas" semisup "${some[@]}" "${out[@]}" --labels "10;20" --dry-run
expect "semisup, a dry run without a folder" 2 "--out DIR is missing" semisup "${some[@]}" --dry-run
verdict "what does not fit makes no folder" "it is there" [ ! -e "$tmp/none" ]
expect "semisup, a training that diverges at once" 1 "JEM_E_NUMERIC" semisup "${some[@]}" --steps 20 --set train.max_loss=0.001 --out "$tmp/f"
