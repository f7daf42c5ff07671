#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-robustness: what it refuses, its curves, and that they are the same however they are computed.
# (What its attacks are worth is tested in attacks.sh.)
. "$(dirname "$0")/common.sh"
robust() { "$JEM_BIN/jem-robustness" "$@"; }

expect "--help" 0 "Usage: jem-robustness" robust --help
verdict "--help fits the screen" "$(awk 'length > 96' "$tmp/out" | head -1)" [ -z "$(awk 'length > 96' "$tmp/out")" ]
expect "no model" 2 "--model FILE is missing" robust
expect "unknown attack" 2 "--attack fgsm: unknown; there are pgd, pgd-min, apgd, transfer, square, hopskipjump, pointwise, noise" robust --model x --attack fgsm
expect "unknown norm" 2 "must be linf or l2" robust --model x --norm l1
expect "unknown gradient" 2 "must be straight, exact or both" robust --model x --gradient bpda
expect "transfer without a source" 2 "--source FILE" robust --model x --attack transfer
expect "a source without transfer" 2 "is for --attack transfer" robust --model x --source y
expect "refinement that is no number" 2 "--refine 0,x" robust --model x --refine 0,x
expect "too many defences" 2 "more than 8" robust --model x --refine 0,1,2,3,4,5,6,7,8
expect "pointwise in L-inf" 2 "needs --norm l2" robust --model x --attack pgd --attack pointwise
has_data robustness

train "${tiny[@]}" --preset classifier --set train.batch=50 --set train.lr=0.005 --stop-after 200 --out "$tmp/t" >/dev/null
model=$tmp/t/best.safetensors
quick=(--model "$model" --count 20 --steps 3 --quiet)
expect "no such model" 1 "none.safetensors" robust --model "$tmp/none.safetensors"
for eps in 0 -1 x 8/ 8/0 1.5 "" 1/255,,2/255; do
    expect "--eps \"$eps\"" 2 "must be a number like 0.03 or 8/255" robust "${quick[@]}" --eps "$eps"
done
expect "eps of L2 beyond all images" 2 "at most 28" robust "${quick[@]}" --norm l2 --eps 29
expect "too many eps" 2 "more than 24" robust "${quick[@]}" --eps "$(seq -s, 0.01 0.01 0.3)"
expect "a setting that is none" 2 "sgld.steps" robust "${quick[@]}" --set sgld.step=3

# Data that do not fit the model, before any work.
for i in 1 2 3 4 5; do head -c 30730 /dev/zero >"$tmp/data_batch_$i.bin"; done
head -c 30730 /dev/zero >"$tmp/test_batch.bin"
expect "images of another size" 1 "the model reads 1 x 28 x 28" robust "${quick[@]}" --data "cifar10:$tmp"
train "${tiny[@]}" --data "cifar10:$tmp" --validation 2 --stop-after 1 --out "$tmp/c" >/dev/null
expect "a source of another size" 1 "--model 1 x 28 x 28 of 10" robust "${quick[@]}" \
    --attack transfer --source "$tmp/c/best.safetensors"

# pgd with both gradients.
expect "pgd" 0 "JEM-2" robust "${quick[@]}" --refine 0,2 --eps 0.1,4/255 --out "$tmp/o" --json "$tmp/a.json"
robust "${quick[@]}" --refine 0,2 --eps 0.1,4/255 --json "$tmp/t.json" --csv "$tmp/t.csv" >"$tmp/t.out"
verdict "csv: the points of the curves" "$(cat "$tmp/t.csv")" test \
    "$(grep -c '^curve,' "$tmp/t.csv") $(json "$tmp/t.json" "len(o['curve'])")" = "10 10"
verdict "stdout has the file's accuracy" "$(cat "$tmp/t.out")" grep -qF \
    "$(json "$tmp/t.json" "next('%.1f [%.0f, %.0f]' % tuple(100 * r[k] for k in ('accuracy', 'low', 'high')) for r in o['curve'] if r['attack'] == 'worst')")" "$tmp/t.out"
verdict "the page has a column per eps" "no" json "$tmp/t.json" \
    "[1 / (set(c['words']) == {'eps 0', '4/255', '0.1'}) for t in o['tables'] if t['name'] == 'curve' and t['across'] == 'eps' for c in t['columns'] if c['name'] == 'eps'][0]"
verdict "prints the protocol" "no" grep -q "Gaussian noise of 0.03 on the image" <(tr '\n' ' ' <"$tmp/out")
names="$(tr '\n' ' ' <"$tmp/out" | grep -o 'apgd\|pgd-min\|square\|hopskipjump\|pointwise\|transfer\|such chains')"
verdict "names no attack that was not run" "$names" [ -z "$names" ]
protocol() { json "$1" "1 / ($2 in o['protocol'])"; }
verdict "names norm and range" "no" protocol "$tmp/a.json" "'Norm L-inf, eps 4/255 to 0.1 of images'"
verdict "straight usually flatters" "no" protocol "$tmp/a.json" "'usually flatters'"
# An interval is a line that goes straight up; each of the three curves has its own.
stacked() { "$python" -c 'import re, sys
ups = re.findall(r"M([\d.]+) [\d.]+V[\d.]+", open(sys.argv[1]).read())
sys.exit(len(ups) < 9 or len(set(ups)) < len(ups))' "$1"; }
verdict "intervals beside each other" "some on the same x" stacked "$tmp/o/pgd.svg"
verdict "the rows of adversarial.png are named" "$(json "$tmp/a.json" "o['picture']")" test "$(json "$tmp/a.json" "o['picture']['rows']")" = \
    "['test images', $(factor=$(json "$tmp/a.json" "'%g' % o['picture']['difference_factor']"); for row in 'JEM-0, pgd, exact' 'JEM-2, pgd, straight' 'JEM-2, pgd, exact'; do
        echo "'$row', 'difference, $factor times'"; done | paste -sd, | sed 's/,\([^ ]\)/, \1/g')]"
# The picture itself: below each attack's row its differences from the first, times the factor, on grey.
if "$python" -c 'import numpy' 2>/dev/null; then
    verdict "differences are those of the rows, amplified" "$("$python" "$(dirname "$0")/check_adversarial.py" "$tmp/o/adversarial.png" "$tmp/a.json" 2>&1 | tail -1)" \
        "$python" "$(dirname "$0")/check_adversarial.py" "$tmp/o/adversarial.png" "$tmp/a.json"
else
    skip "the differences of adversarial.png" "python3-numpy is not installed"
fi
verdict "curve and pictures" "missing" ls "$tmp/o/pgd.svg" "$tmp/o/worst.svg" "$tmp/o/adversarial.png"
rows() { json "$1" "[(r['refine_steps'], r['attack'], r['gradient'], round(r['eps'], 4)) for r in o['curve']]"; }
verdict "a point per defence, gradient and eps" "$(rows "$tmp/a.json")" [ "$(rows "$tmp/a.json")" = "[(0, 'none', 'none', 0), (0, 'pgd', 'exact', 0.0157), (0, 'pgd', 'exact', 0.1), (2, 'none', 'none', 0), (2, 'pgd', 'straight', 0.0157), (2, 'pgd', 'straight', 0.1), (2, 'pgd', 'exact', 0.0157), (2, 'pgd', 'exact', 0.1), (2, 'worst', 'none', 0.0157), (2, 'worst', 'none', 0.1)]" ]
verdict "the fields of all experiments" "$(head -c 300 "$tmp/a.json")" json "$tmp/a.json" \
    "1 / all(k in o for k in ('protocol', 'model_md5', 'data', 'seed', 'seconds')) and 1 / (o['data']['n'] == 20)"
verdict "accuracy and interval" "wrong" json "$tmp/a.json" \
    "[1 / (r['n'] == 20 and r['norm'] == 'linf' and r['low'] <= r['accuracy'] <= r['high']) for r in o['curve']]"
falls="[1 / (a['accuracy'] >= b['accuracy']) for a, b in zip(o['curve'], o['curve'][1:]) if b['eps'] > a['eps']]"
verdict "a larger eps leaves no more" "it does" json "$tmp/a.json" "$falls"
verdict "an attack that does something" "nothing" json "$tmp/a.json" "1 / (o['curve'][0]['accuracy'] > o['curve'][2]['accuracy'])"
robust "${quick[@]}" --refine 0,2 --eps 0.1,4/255 --json "$tmp/b.json" --threads 2 >/dev/null
robust "${quick[@]}" --refine 0,2 --eps 0.1,4/255 --json "$tmp/c.json" --threads 1 >/dev/null
verdict "threads change no figure" "they do" [ "$(json "$tmp/b.json" "o['curve']")" = "$(json "$tmp/c.json" "o['curve']")" ]
robust "${quick[@]}" --steps 10 --refine 0 --eps 4/255,0.5 --json "$tmp/b.json" >/dev/null
verdict "half the range leaves none, after a smaller eps" "some" json "$tmp/b.json" \
    "1 / (o['curve'][1]['accuracy'] > 0 and o['curve'][2]['accuracy'] == 0)"

# Without noise and refinement it is the plain classifier.
robust "${quick[@]}" --refine 0 --input-noise 0 --attack noise --eps 1/255 --json "$tmp/d.json" >/dev/null
score --model "$model" --data fashion-mnist --count 20 >"$tmp/score"
want=$(sed -n 's/^accuracy *\([0-9.]*\).*/\1/p' "$tmp/score")
got=$(json "$tmp/d.json" "'%.1f' % (100 * o['curve'][0]['accuracy'])")
verdict "clean accuracy is that of jem-score" "$got, $want" awk "BEGIN { exit !($got - $want < 0.06 && $want - $got < 0.06) }"

# The other attacks, on both norms, against a defence with noise and several chains.
others=(--attack pgd-min --attack apgd --attack square --attack hopskipjump --attack noise
    --attack transfer --source "$model" --queries 200 --noises 2 --count 6)
for norm in linf l2; do
    [ $norm = l2 ] && others+=(--attack pointwise)
    expect "all attacks, $norm" 0 "hopskipjump" robust "${quick[@]}" "${others[@]}" --norm $norm --refine 1 --chains 2 \
        --eval-draws 3 --eot 2 --restarts 2 --gradient straight --eps 0.05,0.3 --out "$tmp/p" --json "$tmp/e.json"
    verdict "all of them in the curve, $norm" "no" json "$tmp/e.json" \
        "1 / ({r['attack'] for r in o['curve']} == {'none', 'pgd-min', 'apgd', 'square', 'hopskipjump', 'noise', 'transfer', 'worst', *['pointwise'][:'$norm' == 'l2']})"
    verdict "worst is the worst, $norm" "no" json "$tmp/e.json" \
        "[1 / (w['accuracy'] <= r['accuracy']) for w in o['curve'] for r in o['curve'] if w['attack'] == 'worst' and r['eps'] == w['eps']]"
    verdict "falling, $norm" "no" json "$tmp/e.json" "$falls"
    verdict "medians, $norm" "no" json "$tmp/e.json" "1 / ([r['attack'] for r in o['smallest']] == ['pgd-min', 'hopskipjump', 'pointwise'][:2 + ('$norm' == 'l2')])"
done

# The norm says how much noise there is.
for norm in linf l2; do
    robust "${quick[@]}" --norm $norm --set sgld.clamp_x=1 --eps 0.01 --json "$tmp/f.json" >/dev/null
    says="Defence: no noise on the image"
    [ $norm = linf ] && says="Gaussian noise of 0.03 on the image"
    verdict "a clamp can mask, $norm" "not said" protocol "$tmp/f.json" "'0 where clamp_x acted'"
    verdict "noise of $norm" "$(json "$tmp/f.json" "o['protocol']")" protocol "$tmp/f.json" "'$says'"
done

# The shipped classifier calls all noise a bag (class 8). Attacks on bags that see the class alone
# begin at other images, or are said not to have begun. The whole box leaves none.
bags=$(dirname "$0")/../../examples/models/fashion-mnist-classifier.safetensors
blind=(--model "$bags" --count 30 --refine 0 --input-noise 0 --norm l2 --eps 28 --queries 200 --quiet
    --attack hopskipjump --attack pointwise)
robust "${blind[@]}" --json "$tmp/g.json" >/dev/null
verdict "the whole box leaves none" "$(json "$tmp/g.json" "o['curve']")" json "$tmp/g.json" \
    "[1 / (r['accuracy'] == 0) for r in o['curve'] if r['eps'] > 0] and [1 / (r['no_start'] == 0) for r in o['smallest']]"
"$python" -c 'import gzip, sys
path, to = sys.argv[1:]
read = lambda name, head: gzip.open(path + "/t10k-" + name + "-ubyte.gz").read()[head:]
x, y = read("images-idx3", 16), read("labels-idx1", 8)
own = [i for i in range(200) if y[i] == 8]
def npy(name, shape, data):
    header = str({"descr": "|u1", "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    open(to + "/" + name, "wb").write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data)
npy("x.npy", (len(own), 1, 28, 28), b"".join(x[784 * i:784 * i + 784] for i in own))
npy("y.npy", (len(own),), bytes(len(own) * [8]))' "$fashion" "$tmp"
expect "no start is said" 0 "images not attacked by pointwise on JEM-0" robust "${blind[@]}" --count 5 \
    --data "npy:$tmp/x.npy,$tmp/y.npy,classes=10,test=0" --json "$tmp/h.json"
verdict "and counted" "$(json "$tmp/h.json" "o['smallest']")" json "$tmp/h.json" \
    "[1 / (0 < r['no_start'] <= 5 and r['n'] == 5) for r in o['smallest']]"
