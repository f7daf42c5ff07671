#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-stability: trainings that diverge, trainings that do not, and what recovery does.
. "$(dirname "$0")/common.sh"
has_data stability
stability() { "$JEM_BIN/jem-stability" "$@"; }

# Calm settings, and wild ones: 100 times the step size and 1,000 times the learning rate, which rises for 40
# steps. A new training begins with a small rate again, so that half of it lasts.
net=(--set model.arch=small --set model.filters=4 --set train.batch=16 --set sgld.steps=3 --set pcd.capacity=100
    --set train.crop_pad=0 --set train.flip=0 --set train.warmup_steps=40 --quiet)
calm=(--set train.lr=0.0003 --set train.energy_l2=0.1 --set sgld.clamp_x=1)
wild=train.energy_l2=0,sgld.clamp_x=0,train.lr=0.3,sgld.step_size=100
some=("${net[@]}" "${calm[@]}" --variant "$wild" --save-every 20 --recovery-steps 20 --seeds 2)
expect "stability" 0 "as the official code does" stability "${some[@]}" --stop-after 50 --threads 1 --out "$tmp/a" --json "$tmp/a.json" --csv "$tmp/a.csv"
verdict "quiet is quiet" "$(cat "$tmp/err")" [ ! -s "$tmp/err" ]
for key in variants recovery runs settings protocol data seed seconds version; do
    verdict "stability: \"$key\"" "missing" json "$tmp/a.json" "o['$key']"
done
verdict "the calm ones last, the wild ones do not" "$(json "$tmp/a.json" "[(r['seed'], r['steps']) for r in o['runs']]")" \
    json "$tmp/a.json" "1 / ([(r['variant'], r['diverged'], r['steps'] == 50) for r in o['runs']] == [(0, False, True)] * 2 + [(1, True, False)] * 2)"
verdict "the table says so" "$(cat "$tmp/out")" grep -qE "^ +1 +2 of 2 +34 to 100 % .*  $wild\$" "$tmp/out"
verdict "its CSV has the figures of the JSON" "$(cat "$tmp/a.csv")" "$python" -c '
import csv, json, sys
o, head, rows = json.load(open(sys.argv[1])), None, {"variants": [], "recovery": []}
for line in csv.reader(open(sys.argv[2])):
    if not line or line[0] == "table": head = line
    else: rows[line[0]].append(dict(zip(head[1:], line[1:])))
for name in rows:
    assert len(rows[name]) == len(o[name]) > 0
    for ours, theirs in zip(rows[name], o[name]):
        for key, value in theirs.items():
            assert ours[key] == ("" if value is None else value if isinstance(value, str) else "%.12g" % value), key' "$tmp/a.json" "$tmp/a.csv"
verdict "checkpoints of those that diverged" "$(ls "$tmp/a")" \
    test "$(cd "$tmp/a" && echo *)" = "gap.svg variant1-seed1.safetensors variant1-seed2.safetensors"
verdict "gap.svg has a plot per variant and a mark per divergence" "$(grep -c viewBox "$tmp/a/gap.svg")" \
    test "$(grep -c '<svg viewBox' "$tmp/a/gap.svg") $(grep -c 'class="guide"' "$tmp/a/gap.svg")" = "2 2"
verdict "figures follow from the runs" "$(json "$tmp/a.json" "o['recovery']")" "$python" -c '
import json, statistics as st, sys
o = json.load(open(sys.argv[1]))
for v, s in enumerate(o["variants"]):
    runs = [r for r in o["runs"] if r["variant"] == v]
    diverged = [r["steps"] for r in runs if r["diverged"]]
    assert (s["trainings"], s["diverged"]) == (2, len(diverged))
    assert s["median_step"] == (st.median(diverged) if diverged else None)
    assert abs(s["last_energy_gap"] - st.median(r["last_energy_gap"] for r in runs)) <= 1e-9 * abs(s["last_energy_gap"])
for r in o["runs"]:  # at most 240 steps: the curve has them all
    steps, gaps = r["curve"]["step"], r["curve"]["energy_gap"]
    assert steps == list(range(1, r["steps"] + 1)) and gaps[-1] == r["last_energy_gap"]
    late = [abs(g) for s, g in zip(steps, gaps) if s > 40]
    assert r["largest_energy_gap"] == (max(late) if late else None)
    assert [x["seed"] - r["seed"] for x in r["recovery"]] == ([0, 0, 2, 2, 2] if r["diverged"] else [])
    if r["diverged"]:
        assert r["checkpoint_step"] == r["steps"] // 20 * 20 and "JEM_E" not in r["message"]
        assert [x["from_step"] for x in r["recovery"]] == [r["checkpoint_step"], r["steps"]] + 3 * [r["checkpoint_step"]]
for k, s in enumerate(o["recovery"]):
    tried = [r["recovery"][k] for r in o["runs"] if r["diverged"]]
    assert {x["remedy"] for x in tried} == {s["remedy"]} and s["tried"] == len(tried) == 2
    assert s["survived"] == sum(not x["diverged"] for x in tried) and s["median_steps"] == st.median(x["steps"] for x in tried)
    assert all(x["diverged"] == (x["steps"] < 20) and x["complete"] for x in tried)' "$tmp/a.json"
verdict "what is gone on with as it is fails again, at the same step" "$(json "$tmp/a.json" "o['recovery'][0]")" \
    json "$tmp/a.json" "1 / ([o['recovery'][0][k] for k in ('tried', 'survived', 'failed_at_the_same_step')] == [2, 0, 2])"
# jem-train comes to the same steps: the trainings, the checkpoint, and the failed step tried again.
wild_sets=()
for set in ${wild//,/ }; do wild_sets+=(--set "$set"); done
for seed in 1 2; do
    train "${net[@]}" --yes "${wild_sets[@]}" --seed $seed --validation 0 --on-divergence resume --out "$tmp/t$seed" >/dev/null 2>&1
    own=$(json "$tmp/a.json" "[(r['steps'], r['steps'] + r['recovery'][1]['steps']) for r in o['runs'] if r['variant'] == 1][$seed - 1]")
    verdict "jem-train diverges where jem-stability does ($seed)" "$own; $(grep -c diverged "$tmp/t$seed/log.jsonl")" \
        test "$("$python" -c 'import json, sys
print(tuple([r["step"] for r in map(json.loads, open(sys.argv[1])) if r["type"] == "diverged"][:2]))' "$tmp/t$seed/log.jsonl")" = "$own"
done
expect "the checkpoint diverges in jem-train too" 1 "diverged after step $(json "$tmp/a.json" "o['runs'][2]['steps']");" train --quiet \
    --resume "$tmp/a/variant1-seed1.safetensors" --data fashion-mnist --validation 0 --out "$tmp/again"
train "${net[@]}" --yes "${calm[@]}" --validation 0 --stop-after 50 --out "$tmp/calm" >/dev/null
verdict "gaps are the trainer's" "$(grep '"step"' "$tmp/calm/log.jsonl" | tail -1)" json "$tmp/a.json" \
    "1 / (abs(sum(o['runs'][0]['curve']['energy_gap']) / 50 - [json.loads(l) for l in open('$tmp/calm/log.jsonl')][1]['energy_gap']) < 1e-6)"
# jem-train --init is the same as these remedies but for the buffer, which it begins anew.
for chance in 1 0.05; do
    these=("${net[@]}" "${wild_sets[@]}" --set "pcd.restart_prob=$chance")
    stability "${these[@]}" --seeds 1 --stop-after 50 --save-every 20 --recovery-steps 200 --out "$tmp/p" --json "$tmp/p.json" >/dev/null
    number=2
    for more in sgld.steps=3 train.lr=0.15 sgld.steps=6; do
        train "${these[@]}" --yes --set $more --seed 2 --validation 0 --init "$tmp/p/variant0-seed1.safetensors" --overwrite \
            --out "$tmp/q" >"$tmp/out" 2>&1
        json "$tmp/p.json" "o['runs'][0]['recovery'][$number]['message']" >"$tmp/message"
        if [ $chance = 1 ]; then
            verdict "a remedy is a new training from the checkpoint ($more)" "$(cat "$tmp/message" "$tmp/out")" grep -qFf "$tmp/message" "$tmp/out"
        else
            verdict "it has the buffer of the checkpoint ($more)" "the same without" bash -c '! grep -qFf "$1" "$2"' - "$tmp/message" "$tmp/out"
        fi
        number=$((number + 1))
    done
done
stability "${net[@]}" "${wild_sets[@]}" --variant "${calm[1]},${calm[3]},${calm[5]},sgld.step_size=1" --save-every 20 \
    --recovery-steps 20 --seeds 2 --stop-after 50 --threads 2 --out "$tmp/b" --json "$tmp/b.json" >/dev/null
verdict "neither threads nor the order of the variants change a result" "differ" json "$tmp/a.json" "1 / ([
    {k: v for k, v in r.items() if k not in ('variant', 'file')} for r in o['runs']] == [{k: v for k, v in r.items() if k not in ('variant', 'file')}
    for r in (lambda b: b[2:] + b[:2])(json.load(open('$tmp/b.json'))['runs'])])"
stability "${net[@]}" --seeds 1 --seed 2 --stop-after 50 --save-every 50 --recovery-steps 50 "${wild_sets[@]}" \
    --variant train.decay_epochs=160,180,train.decay_rate=0.5 --threads 1 --out "$tmp/c" --json "$tmp/c.json" >/dev/null
verdict "a seed gives the same training whatever the others are" "differ" json "$tmp/a.json" \
    "1 / ([(r['steps'], r['message'], r['curve']) for r in json.load(open('$tmp/c.json'))['runs']] == 2 * [(r['steps'], r['message'], r['curve']) for r in o['runs'][3:]])"
verdict "a checkpoint from before the training" "$(json "$tmp/c.json" "o['runs'][0]['checkpoint_step']")" \
    test "$(json "$tmp/c.json" "o['runs'][0]['checkpoint_step'], o['runs'][0]['recovery'][0]['steps'] == o['runs'][0]['steps']")" = "(0, True)"
expect "stability, nothing diverges" 0 "nothing to recover from" stability "${net[@]}" "${calm[@]}" --seeds 1 --stop-after 3 --out "$tmp/d" --json "$tmp/d.json"
verdict "remedies are in files alone then" "$(json "$tmp/d.json" "o['tables']")" json "$tmp/d.json" "1 / ([t['name'] for t in o['tables']] == ['variants'] and [r['tried'] for r in o['recovery']] == [0] * 5)"

"$JEM_BIN/jem-stability" "${net[@]}" "${calm[@]}" --variant "$wild" --seeds 1000 --stop-after 40 --save-every 20 --recovery-steps 20 \
    --out "$tmp/e" --json "$tmp/e.json" >"$tmp/out" 2>"$tmp/err" &
pid=$!
for _ in $(seq 200); do [ -e "$tmp/e/variant1-seed1.safetensors" ] && break; sleep 0.05; done
kill -INT $pid
wait $pid
code=$?
verdict "Ctrl-C" "exit code $code; $(cat "$tmp/err")" [ $code -eq 130 ]
verdict "Ctrl-C: what is there is told" "$(cat "$tmp/out")" grep -qE "^ +0 +0 of 1 " "$tmp/out"
verdict "Ctrl-C: the JSON says that it was stopped" "$(json "$tmp/e.json" "o['stopped']")" json "$tmp/e.json" \
    "1 / (o['stopped'] and o['variants'][0]['trainings'] == 1 and len(o['runs']) < 9)"

out=(--out "$tmp/none")
bad() { expect "stability, $1" "$2" "$3" stability "${net[@]}" "${out[@]}" "${@:4}"; }
bad "a variant with an unknown setting" 2 "--variant sgld.step=3: " --variant sgld.step=3
bad "a variant that is no setting" 2 "--variant calm: must be NAME=VALUE" --variant train.lr=1 --variant calm
bad "a variant out of bounds" 2 "--variant train.ema=2: " --variant train.lr=1,train.ema=2
bad "an empty variant" 2 "must be NAME=VALUE" --variant ""
bad "an unknown setting" 2 "sgld.steps" --set sgld.step=3
bad "no chains" 2 "train.weight_px is 0" --preset classifier
bad "a variant without chains" 2 "(this was --variant train.weight_px=0)" --variant train.weight_px=0
bad "a variant that does not fit the images" 1 "train.crop_pad = 99" --variant train.crop_pad=99
bad "a remedy that is out of bounds" 1 "\"twice-sgld\" would set sgld.steps" --variant sgld.steps=60000
bad "too few recovery steps" 2 "at least --save-every (200)" --recovery-steps 199
bad "unknown data" 2 "fashion-mnist" --data nothing
npy "$tmp/x.npy" "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 28, 28), }" 2352
bad "images without labels" 1 "has a label" --data "npy:$tmp/x.npy"
expect "stability, a dry run" 0 "would run: jem-stability --data" stability "${net[@]}" "${out[@]}" --dry-run
bad "a dry run, too few recovery steps" 2 "at least --save-every (200)" --recovery-steps 199 --dry-run
expect "stability, a dry run without a folder" 2 "--out DIR is missing" stability "${net[@]}" --dry-run
verdict "what does not fit makes no folder" "it is there" [ ! -e "$tmp/none" ]
expect "stability, a file in the place of the folder" 1 "not a folder" stability "${net[@]}" --stop-after 1 --out "$tmp/a.json"

# A guard goes back where a step fails, and a training that it has not lost goes on to its end.
expect "stability with a guard" 0 "rollbacks" stability "${net[@]}" "${calm[@]}" --variant "$wild,guard.mode=act,guard.rollbacks=2" \
    --seeds 1 --stop-after 50 --save-every 20 --recovery-steps 20 --threads 1 --out "$tmp/g" --json "$tmp/g.json"
verdict "its rollbacks are counted" "$(json "$tmp/g.json" "o['variants']")" \
    json "$tmp/g.json" "1 / ([v['rollbacks'] for v in o['variants']] == [0, 2])"
verdict "and what is lost" "$(json "$tmp/g.json" "o['variants']")" \
    json "$tmp/g.json" "1 / ([v['lost'] for v in o['variants']] == [int(r['diverged'] or r['last_auc'] > 0.8) for r in o['runs']])"
