#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-bench: what it prints and refuses. (What it measures is the business of `make bench`.)
. "$(dirname "$0")/common.sh"

# shellcheck disable=SC2154 # tmp and python are common.sh's
bench() { "$JEM_BIN/jem-bench" "$@"; }
net=(--model wrn-10-1 --input 3x8x8 --threads 1 --repeat 3)

expect "bench, a table" 0 "GFLOP/s" bench "${net[@]}" --batch 1 --batch 3
verdict "bench: four ops, two batches" "$(wc -l <"$tmp/out") lines" [ "$(wc -l <"$tmp/out")" -eq 11 ]
for model in small mlp demo; do
    expect "bench $model" 0 "$model" bench --model $model --batch 2 --repeat 1 --op grad --op train --set model.hidden=8
done

# fields NAME EXPRESSION: of the one JSON object o in the output.
fields() { verdict "$1" "$(head -c 300 "$tmp/out")" [ "$(json "$tmp/out" "$2" 2>&1)" = True ]; }
names="{'op', 'model', 'batch', 'threads', 'kernels', 'seconds', 'images_per_second', 'effective_gflops', 'peak_rss_bytes'}"
expect "bench --json" 0 '"op":"sgld"' bench "${net[@]}" --batch 2 --op sgld --steps 4 --json
fields "bench --json has its fields" "$names <= set(o)"
fields "bench --json: times in order" "0 < o['seconds']['min'] <= o['seconds']['median'] <= o['seconds']['max']"
fields "bench --json: what was asked" "(o['model'], o['batch'], o['threads'], o['steps'], o['repeat']) == ('wrn-10-1', 2, 1, 4, 3)"
fields "bench --json: rates fit the time" "abs(o['images_per_second'] * o['seconds']['median'] / 2 - 1) < 1e-3"
fields "bench --json: memory" "o['peak_rss_bytes'] > o['library_peak_bytes'] > o['workspace_bytes'] > 0"

# 2 x 9 x C x K x pixels, whatever the pass; and less with stride 2.
conv() { expect "bench conv $1 $2" 0 '"op":"conv"' bench --op conv --shape "$1" --pass "$2" --repeat 1 --json
    fields "bench conv $1 $2 counts multiply-adds" "abs(o['effective_gflops'] * o['seconds']['median'] / ($3) - 1) < 1e-3"; }
for pass in fwd bwd_x bwd_w; do conv 2,8,6,4,16 $pass "18e-9 * 2*8*6*4*16"; done
conv 1,8,6,4,16,1,2 fwd "2e-9 * 8*3*2*16"
expect "bench, forced kernels" 0 "blis" bench "${net[@]}" --op logits --batch 1 --backend cpu:blis --json
expect "bench, reference" 0 "reference" bench --op conv --shape 1,2,4,4,2 --backend reference
bench --op conv --shape 1,2,4,4,2 --paced <<<$'1\n2' >"$tmp/out" 2>&1
verdict "bench --paced answers every line" "$(cat "$tmp/out")" [ "$(grep -c '"op":"conv"' "$tmp/out")" -eq 2 ]

expect "bench, unknown model" 2 "wrn-DEPTH-WIDTH" bench --model resnet50
expect "bench, depth that cannot be" 1 "10, 16, 22" bench --model wrn-11-1
expect "bench, unknown op" 2 "logits, grad, sgld, train or conv" bench --op jump
expect "bench, bad input" 2 "3x32x32" bench --input 32x32
expect "bench, bad batch" 2 "--batch 0" bench --batch 0
expect "bench, conv without a shape" 2 "needs --shape" bench --op conv
expect "bench, short shape" 2 "N,C,H,W,K" bench --op conv --shape 1,2,3
expect "bench, unknown pass" 2 "fwd, bwd_x or bwd_w" bench --op conv --shape 1,2,4,4,2 --pass up
expect "bench, too large a kernel" 1 "65536" bench --op conv --shape 1,2,4,4,2,70000
expect "bench, unknown setting" 2 "model.filters" bench --set model.filter=3
expect "bench, unknown kernels" 2 "avx512" bench --backend cpu:sse
expect "bench, unknown backend" 2 "cuda" bench --backend cuda
expect "bench, --paced on everything" 2 "needs one --op" bench --paced
expect "bench, --paced and a word" 2 "not a number" bash -c "echo x | '$JEM_BIN/jem-bench' --paced --op conv --shape 1,2,4,4,2"
expect "bench, no repeat" 2 "between 1 and" bench --repeat 0
expect "bench, unexpected word" 2 'unexpected word "now"' bench now
expect "bench, full disk" 1 "cannot write" bash -c "'$JEM_BIN/jem-bench' --op conv --shape 1,2,4,4,2 --json >/dev/full"

# The comparison, on tiny sizes and without its peers.
here=$(cd "$(dirname "$0")/../bench" && pwd)
mkdir -p "$tmp/build" && ln -s "$JEM_BIN" "$tmp/build/bin"
expect "run.py" 0 "4 case(s)" "$python" "$here/run.py" --build "$tmp/build" --alone --rounds 2 smoke
verdict "run.py writes a table" "$(cat "$tmp/build/bench.md")" grep -q '^| WRN-10-1 on 3x8x8, SGLD step, batch 2.* | cpu' "$tmp/build/bench.md"
verdict "run.py writes JSON" "no" [ "$(json "$tmp/build/bench.json" "len(o['cases'])")" = 4 ]
expect "run.py, nothing chosen" 2 "no case matches" "$python" "$here/run.py" --build "$tmp/build" --alone --only '^$'
expect "run.py before make" 2 "run make first" "$python" "$here/run.py" --build "$tmp"
