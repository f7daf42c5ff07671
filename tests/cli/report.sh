#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-report: all experiments on one page.
. "$(dirname "$0")/common.sh"
has_data report
report() { "$JEM_BIN/jem-report" "$@"; }

train "${able[@]}" --out "$tmp/t" >/dev/null
model=$tmp/t/best.safetensors
expect "report" 0 "of which 0 failed" report --jem "$model" --classifier "$model" --ebm "$model" --quick --count 8 \
    --out "$tmp/r" --json "$tmp/r.json"
page=$tmp/r/index.html
runs=$(json "$tmp/r.json" "len(o['runs'])")
verdict "report says how far it is" "$(head -3 "$tmp/err")" grep -qE "^ *[0-9]+/[0-9]+ ood-classifier .* left$" "$tmp/err"
for section in hybrid samples calibration ood robustness distal likely rest; do
    verdict "the page has $section" "missing" grep -q "<h2 id=\"$section\"" "$page"
done
verdict "a command line for each run" "$runs" test "$(grep -c '<p><code>jem-' "$page")" = "$runs"
verdict "the paper's figures" "missing" bash -c 'grep -q 22.32 "$1" && grep -q 92.9 "$1"' - "$page"
verdict "pictures and plots are inside" "$(grep -c '<figure>' "$page")" \
    test "$(grep -c '<figure>' "$page")" = "$(grep -cE 'data:image/png;base64,|<svg xmlns' "$page")"
verdict "there are some" "none" grep -q '<figure>' "$page"
verdict "nothing comes from outside" "$(grep -oE '(src|href|url)[=(].{30}' "$page" | grep -vE '"(data:|#)' | head -1)" \
    test -z "$(grep -oE '(src|href|url)[=(]"?.{5}' "$page" | grep -vE '"(data:|#)')"
verdict "its programs were quiet" "$(grep -l jem- "$tmp"/r/logs/*)" test -z "$(grep -lE '^jem-[a-z]+: ' "$tmp"/r/logs/*)"
for key in protocol model_md5 data seed seconds version checkpoints runs failed quick; do
    verdict "report: \"$key\"" "missing" json "$tmp/r.json" "o['$key']"
done
verdict "no more images than --count says" "more" json "$tmp/r.json" \
    "[1 / (r['result']['data']['n'] <= 8) for r in o['runs'] if r['result'] and r['section'] not in ('distal', 'samples', 'stability')]"
verdict "results are those of the programs" "differ" json "$tmp/r.json" \
    "[1 / (r['result'] == json.load(open('$tmp/r/' + r['name'] + '/result.json'))) for r in o['runs'] if r['result']]"
verdict "each has its protocol" "missing" json "$tmp/r.json" \
    "[r['result']['protocol'] for r in o['runs']] or 1 / 0"
accuracy=$(json "$tmp/r.json" "'<td>%.2f %%</td>' % (100 * next(r for r in o['runs'] if r['name'] == 'calibration-jem')['result']['accuracy'])")
verdict "the table has the program's figure" "$accuracy" grep -qF "$accuracy" "$page"

# The same command once more finds everything there. Another model, other images or settings are
# run again; the threads change no result, so they do not count.
again=(--jem "$model" --classifier "$model" --ebm "$model" --quick --count 8 --out "$tmp/r")
touch "$tmp/before"
expect "the same again" 0 "$runs, of which 0 failed" report "${again[@]}" --threads 1 --json "$tmp/again.json"
verdict "nothing was run twice" "$(find "$tmp/r" -name result.json -newer "$tmp/before")" \
    test -z "$(find "$tmp/r" -name result.json -newer "$tmp/before")"
verdict "it says so" "$(cat "$tmp/err")" grep -q "$runs of $runs runs are there already" "$tmp/err"
verdict "all are marked as kept" "no" json "$tmp/again.json" "[1 / r['kept'] for r in o['runs']]"
verdict "the results are the same" "differ" test "$(json "$tmp/r.json" "[r['result'] for r in o['runs']]")" = \
    "$(json "$tmp/again.json" "[r['result'] for r in o['runs']]")"
rm "$tmp/r/ood-jem/result.json"
echo '{' >"$tmp/r/distal-jem/run.json"
expect "one result is gone, one stamp damaged" 0 "of which 0 failed" report "${again[@]}" --json "$tmp/again.json"
verdict "these two are run again" "$(cat "$tmp/err")" test \
    "$(json "$tmp/again.json" "[r['name'] for r in o['runs'] if not r['kept']]")" = "['ood-jem', 'distal-jem']"

# Data that not every experiment can be made of: what cannot is left out, with the reason; nothing
# fails. A set without splits of its own, a model with one class, very few images.
few() { # NAME IMAGES CLASSES: images and labels for --data npy
    npy "$tmp/$1x.npy" "{'descr': '|u1', 'fortran_order': False, 'shape': ($2, 12, 12), }" 0
    head -c $(($2 * 144)) <(zcat "$fashion/t10k-images-idx3-ubyte.gz" | tail -c +17) >>"$tmp/$1x.npy"
    npy "$tmp/$1y.npy" "{'descr': '|u1', 'fortran_order': False, 'shape': ($2,), }" 0
    "$python" -c "import sys; sys.stdout.buffer.write(bytes(i % $3 for i in range($2)))" >>"$tmp/$1y.npy"
}
for case in "c 60 1" "d 60 3" "e 1 1"; do
    # shellcheck disable=SC2086 # words
    few $case
    name=${case%% *}
    [ "$name" = e ] || train "${tiny[@]}" --validation 10 --steps 3 --data "npy:$tmp/${name}x.npy,$tmp/${name}y.npy" --out "$tmp/$name" >/dev/null
done
mkdir "$tmp/sparse"
ln -s "$JEM_BIN/jem-report" "$JEM_BIN/jem-calibration" "$JEM_BIN/jem-ood" "$JEM_BIN/jem-likely" "$JEM_BIN/jem-hybrid" \
    "$JEM_BIN/jem-robustness" "$JEM_BIN/jem-distal" "$JEM_BIN/jem-semisup" "$tmp/sparse"
printf '#!/bin/sh\nwhile [ "$1" != --json ]; do shift; done\necho "{}" >"$2"\n' >"$tmp/sparse/jem-stability"
cp "$tmp/sparse/jem-stability" "$tmp/sparse/jem-sample" # neither depends on the images
chmod +x "$tmp/sparse/jem-stability" "$tmp/sparse/jem-sample"
sparse() { # FOLDER DATA MODEL
    "$tmp/sparse/jem-report" --jem "$3" --data "npy:$tmp/$2x.npy,$tmp/$2y.npy" --quick --quiet --out "$tmp/s$1" --json "$tmp/s$1.json"
}
expect "data with one class" 0 "calibration-jem: the model has one class" sparse c c "$tmp/c/best.safetensors"
verdict "what is left out is on the page" "missing" grep -q "<b>distal-jem</b> was left out: the model has one class" "$tmp/sc/index.html"
verdict "and in the JSON" "missing" test "$(json "$tmp/sc.json" "o['failed'], {l['section'] for l in o['left_out']} == {'calibration', 'robustness', 'distal', 'semisup'}")" = "(0, True)"
expect "data without splits" 0 "semisup-new: training and test split of npy" sparse d d "$tmp/d/best.safetensors"
verdict "only that is left out" "$(json "$tmp/sd.json" "o['left_out']")" test "$(json "$tmp/sd.json" "len(o['left_out'])")" = 1
expect "one image" 0 "of which 0 failed" sparse e e "$tmp/c/best.safetensors"

# Ctrl-C: the program that runs is ended, the page has what is done, and the same command goes on.
mkdir "$tmp/slow"
for program in jem-hybrid jem-sample jem-calibration jem-ood jem-robustness jem-distal jem-likely jem-semisup jem-stability; do
    printf '#!/bin/sh\nwhile [ "$1" != --json ]; do shift; done\necho "{}" >"$2"\n' >"$tmp/slow/$program"
done
printf '#!/bin/sh\n[ -e "%s/go" ] || { echo $$ >"%s/pid"; exec sleep 600; }\nwhile [ "$1" != --json ]; do shift; done\necho "{}" >"$2"\n' \
    "$tmp" "$tmp" >"$tmp/slow/jem-ood"
chmod +x "$tmp"/slow/*
ln -s "$JEM_BIN/jem-report" "$tmp/slow"
stopped=("$tmp/slow/jem-report" --jem "$model" --quick --count 8 --out "$tmp/w" --json "$tmp/w.json")
"${stopped[@]}" >"$tmp/out" 2>"$tmp/err" &
pid=$!
until [ -s "$tmp/pid" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.1; done
kill -INT $pid
wait $pid
code=$?
verdict "Ctrl-C ends with 130" "$code; $(cat "$tmp/err")" [ $code -eq 130 ]
verdict "the program that ran has ended" "it runs" bash -c '! kill -0 "$(cat "$1")" 2>/dev/null' - "$tmp/pid"
verdict "it says that runs are missing" "$(cat "$tmp/out")" grep -q "^stopped    [0-9]* of [0-9]* runs have not been made" "$tmp/out"
verdict "the page has what is done" "missing" grep -q "calibration-jem: command" "$tmp/w/index.html"
verdict "and says that it is not all" "missing" grep -q "jem-report was stopped" "$tmp/w/index.html"
verdict "nothing is said to have failed" "$(json "$tmp/w.json" "o['failed']")" test "$(json "$tmp/w.json" "o['failed'], [r['name'] for r in o['runs']]")" = "(0, ['hybrid-jem', 'samples-jem', 'calibration-jem'])"
touch "$tmp/go"
expect "the same command goes on" 0 "of which 0 failed" "${stopped[@]}"
verdict "where it stopped" "$(cat "$tmp/err")" grep -q "^3 of [0-9]* runs are there already" "$tmp/err"
verdict "it counts and tells the time left" "$(cat "$tmp/err")" grep -qE "^ 4/[0-9]+ ood-jem +[0-9.]+ s" "$tmp/err"

# The headings are those of the programs: one that calls a column otherwise is shown as it calls it.
mkdir "$tmp/renamed"
ln -s "$JEM_BIN/jem-report" "$tmp/renamed"
cat >"$tmp/renamed/jem-ood" <<'EOF'
#!/bin/sh
while [ "$1" != --json ]; do shift; done
cat >"$2" <<'JSON'
{"protocol": "none", "results": [{"out": "<x>", "auroc": 0.875}],
 "tables": [{"name": "results", "title": null, "note": "A remark.", "rows": ["results"], "runs": [], "hidden": [], "columns": [
  {"name": "out", "title": "renamed column", "kind": "text"},
  {"name": "auroc", "title": "area & more", "kind": "number", "decimals": 3}]}]}
JSON
EOF
printf '#!/bin/sh\nwhile [ "$1" != --json ]; do shift; done\necho "{\\"tables\\": 3}" >"$2"\n' >"$tmp/renamed/jem-distal"
chmod +x "$tmp/renamed/jem-ood" "$tmp/renamed/jem-distal"
expect "programs with tables of their own" 1 "page " "$tmp/renamed/jem-report" --jem "$model" --quick --count 8 --quiet --out "$tmp/h"
verdict "a renamed column is on the page" "$(grep 'renamed' "$tmp/h/index.html")" \
    grep -q '<tr><th scope="col" class="text">checkpoint</th><th scope="col" class="text">renamed column</th><th scope="col">area &amp; more</th></tr>' "$tmp/h/index.html"
verdict "with its figure" "missing" grep -q '<tr><th scope="row" class="text">JEM</th><td class="text">&lt;x&gt;</td><td>0.875</td></tr>' "$tmp/h/index.html"
verdict "and its remark" "missing" grep -q '<p class="soft">A remark.</p>' "$tmp/h/index.html"
verdict "tables that do not fit are a failure" "$(cat "$tmp/err")" grep -q "distal-jem/result.json has tables that cannot be shown" "$tmp/err"

# Programs that fail, or are not there: the page says so and the rest is done.
mkdir "$tmp/bin"
ln -s "$JEM_BIN/jem-report" "$JEM_BIN/jem-likely" "$tmp/bin"
printf '#!/bin/sh\necho "a <bad> end" >&2\nexit 3\n' >"$tmp/bin/jem-distal"
printf '#!/bin/sh\nexit 0\n' >"$tmp/bin/jem-ood"
chmod +x "$tmp/bin/jem-distal" "$tmp/bin/jem-ood"
expect "a program that fails" 1 "distal-jem has failed (exit code 3)" "$tmp/bin/jem-report" --jem "$model" --quick \
    --count 8 --quiet --out "$tmp/f" --json "$tmp/f.json"
verdict "one that is not there" "$(cat "$tmp/err")" grep -q "cannot run $tmp/bin/jem-hybrid" "$tmp/err"
verdict "one without a result" "$(cat "$tmp/err")" grep -q "ood-jem/result.json is not there" "$tmp/err"
verdict "the end of its log is on the page" "missing" grep -q "a &lt;bad&gt; end" "$tmp/f/index.html"
verdict "so is why one was not run" "missing" grep -q "^<pre>jem-report: cannot run $tmp/bin/jem-hybrid" "$tmp/f/index.html"
verdict "the page names it" "missing" grep -q '<a href="#distal">distal-jem</a>' "$tmp/f/index.html"
verdict "the others went on" "no" grep -q "likely-jem: command" "$tmp/f/index.html"
verdict "exit codes in the JSON" "$(json "$tmp/f.json" "[(r['name'], r['exit_code']) for r in o['runs']]")" test \
    "$(json "$tmp/f.json" "({r['name']: r['exit_code'] for r in o['runs']}['distal-jem'], {r['name']: r['exit_code'] for r in o['runs']}['likely-jem'])")" = "(3, 0)"

# What does not fit, before anything is run.
npy "$tmp/x.npy" "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 28, 28), }" 2352
npy "$tmp/y.npy" "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }" 12
expect "no checkpoint" 2 "--jem FILE is missing" report --out "$tmp/n"
expect "nowhere to go" 2 "--out DIR is missing" report --jem "$model"
expect "too few images" 2 "needs 4 or more" report --jem "$model" --out "$tmp/n" --count 3
expect "other classes" 1 "has 3 classes, the model has 10" report --jem "$model" --out "$tmp/n" --data "npy:$tmp/x.npy,$tmp/y.npy,classes=3"
expect "no such classifier" 1 "that was --classifier $tmp/none" report --jem "$model" --classifier "$tmp/none" --out "$tmp/n"
expect "no such other images" 2 "--ood takes" report --jem "$model" --ood noise --ood bogus:x --out "$tmp/n"
expect "no such Inception" 1 "no such file" report --jem "$model" --inception "$tmp/none" --out "$tmp/n"
verdict "what does not fit makes no folder" "it is there" [ ! -e "$tmp/n" ]
