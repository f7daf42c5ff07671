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
verdict "JEM and classifier in one chart" "$(grep -A90 'class="chart"' "$page" | grep -o 'legend">[^<]*' | head -5)" "$python" -c '
import re, sys
charts = re.findall(r"<figure class=\"chart\">.*?</figure>", open(sys.argv[1]).read(), re.S)
assert any(">classifier<" in c and ">JEM-0, exact<" in c for c in charts)' "$page"
verdict "rows of pictures have their class and score" "$(grep -c '<li>Trouser: ' "$page")" bash -c \
    'for row in "Trouser: p(y|x) [0-9.]*" "[A-Z][^:]*: [-0-9.e]* to [-0-9.e]*" "JEM-0, pgd, exact" "difference, [0-9]* times"; do grep -q "<li>$row</li>" "$1" || exit 1; done' - "$page"
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
    "$tmp/sparse/jem-report" --jem "$3" --data "npy:$tmp/$2x.npy,$tmp/$2y.npy,test=0" --quick --quiet --out "$tmp/s$1" --json "$tmp/s$1.json"
}
expect "data with one class" 0 "calibration-jem: the model has one class" sparse c c "$tmp/c/best.safetensors"
verdict "what is left out is on the page" "missing" grep -q "<b>distal-jem</b> was left out: the model has one class" "$tmp/sc/index.html"
verdict "and in the JSON" "missing" test "$(json "$tmp/sc.json" "o['failed'], {l['section'] for l in o['left_out']} == {'calibration', 'robustness', 'distal', 'semisup'}")" = "(0, True)"
expect "distal images of one class" 1 "has no classes to reach: the model has one class" "$JEM_BIN/jem-distal" --model "$tmp/c/best.safetensors" --data "npy:$tmp/cx.npy,$tmp/cy.npy"
expect "attacks on one class" 1 "has no classes to attack: the model has one class" "$JEM_BIN/jem-robustness" --model "$tmp/c/best.safetensors" --data "npy:$tmp/cx.npy,$tmp/cy.npy"
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

# What a kept run was made from: another build of a program, of the library, other images of --ood.
kept() { # NAME WANTED COMMAND...: how many runs were kept
    local name=$1 wanted=$2
    shift 2
    rm -f "$tmp/kept.json"
    timeout 600 "$@" --quiet --json "$tmp/kept.json" >/dev/null 2>"$tmp/err"
    verdict "$name" "$(tail -n 1 "$tmp/err"; json "$tmp/kept.json" "[r['name'] for r in o['runs'] if r['kept']]")" \
        test "$(json "$tmp/kept.json" "sum(r['kept'] for r in o['runs']), len(o['runs'])")" = "$wanted"
}
slow=$(json "$tmp/w.json" "o['wanted']")
mkdir -p "$tmp/moved/bin" "$tmp/others/a"
cp -L "$tmp/slow"/* "$tmp/moved/bin"
cp "$JEM_BIN/../libjem.so.0" "$tmp/moved"
cp tests/images/files/tree/train/c/1.png "$tmp/others/a"
moved=("$tmp/moved/bin/jem-report" "${stopped[@]:1:7}" --ood "folder:$tmp/others,grey,size=28,test=0")
kept "another --ood: its runs are made" "($((slow - 1)), $slow)" "${moved[@]}"
kept "the same build in another place: all are kept" "($slow, $slow)" "${moved[@]}"
echo '# changed' >>"$tmp/moved/bin/jem-distal"
kept "another build of a program: its runs are made" "($((slow - 1)), $slow)" "${moved[@]}"
cp tests/images/files/tree/train/c/1.png "$tmp/others/a/2.png"
kept "other images of --ood: its runs are made" "($((slow - 1)), $slow)" "${moved[@]}"
echo >>"$tmp/moved/libjem.so.0"
kept "another build of the library: all are made" "(0, $slow)" "${moved[@]}"
kept "which stay" "($slow, $slow)" "${moved[@]}"
kept "programs on the PATH are the same" "($slow, $slow)" env PATH="$tmp/moved/bin:$PATH" "jem-report" "${moved[@]:1}"
expect "without --data: what the model was trained on" 0 "of which 0 failed" \
    "$tmp/moved/bin/jem-report" --jem "$tmp/d/best.safetensors" --quick --quiet --out "$tmp/of-model" --json "$tmp/kept.json"
verdict "it is named" "$(json "$tmp/kept.json" "o['data']")" test "$(json "$tmp/kept.json" "o['data']['spec'][:4]")" = npy:

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

# What a section says is true of its figures: better, worse, and neither where intervals meet. `plain` is known by its name.
cp "$model" "$tmp/plain.safetensors"
says() { # NAME TEXT PROGRAM JSON-OF-JEM JSON-OF-THE-CLASSIFIER
    rm -rf "$tmp/said" && mkdir "$tmp/said" && ln -s "$JEM_BIN/jem-report" "$tmp/said"
    echo "$4" >"$tmp/said/jem.json" && echo "$5" >"$tmp/said/classifier.json"
    cat >"$tmp/said/$3" <<'EOF'
#!/bin/sh
who=jem
while [ "$1" != --json ]; do
    case "$1 $2" in "--model "*plain.safetensors) who=classifier ;; esac
    shift
done
cp "$(dirname "$0")/$who.json" "$2"
EOF
    chmod +x "$tmp/said/$3"
    "$tmp/said/jem-report" --jem "$model" --classifier "$tmp/plain.safetensors" --quick --count 8 --quiet --out "$tmp/said/r" >/dev/null 2>&1
    verdict "says: $1" "$(grep 'class="verdict"' "$tmp/said/r/index.html")" bash -c 'grep "class=\"verdict\"" "$1" | grep -qF "$2"' - "$tmp/said/r/index.html" "$2"
}
clf() { echo "{\"data\": {\"n\": $2, \"images\": \"${3:-test}\"}, \"accuracy\": $1}"; }
says "JEM classifies better" "JEM classifies better." jem-hybrid "$(clf 0.9 1000)" "$(clf 0.8 1000)"
says "the classifier classifies better" "the classifier classifies better." jem-hybrid "$(clf 0.8 1000)" "$(clf 0.9 1000)"
says "too few to classify better" ": no difference can be told." jem-hybrid "$(clf 0.8 10)" "$(clf 0.9 10)"
says "images are called what they were to the model" "of the validation images, the classifier on" jem-hybrid "$(clf 0.9 1000 validation)" "$(clf 0.8 1000 validation)"
says "and not test images where that is not known" "of the images, the classifier on" jem-hybrid "$(clf 0.9 1000 unknown)" "$(clf 0.8 1000 unknown)"
says "other images are not compared" "JEM is right on 80.0 % (77.4 to 82.4) of the test images." jem-hybrid "$(clf 0.8 1000)" "$(clf 0.9 100)"
cal() { echo "{\"data\": {\"n\": $3}, \"ece\": $(json /dev/stdin "abs($1 - $2)" <<<0), \"bins\": [{\"count\": 0, \"confidence\": 0, \"accuracy\": 0}, {\"count\": $3, \"confidence\": $1, \"accuracy\": $2}]}"; }
says "JEM is calibrated better" "; JEM is the better calibrated one." jem-calibration "$(cal 0.8 0.8 1000)" "$(cal 0.95 0.8 1000)"
says "the classifier is" "; the classifier is the better calibrated one." jem-calibration "$(cal 0.95 0.8 1000)" "$(cal 0.8 0.8 1000)"
says "neither is" "; no difference can be told." jem-calibration "$(cal 0.9 0.8 10)" "$(cal 0.85 0.8 10)"
says "too sure" "The classifier is 95.0 % sure and right on 80.0 % (77.4 to 82.4): surer than it should be." jem-calibration "$(cal 0.8 0.8 1000)" "$(cal 0.95 0.8 1000)"
says "not sure enough" "JEM is 50.0 % sure and right on 80.0 % (77.4 to 82.4): less sure than it could be." jem-calibration "$(cal 0.5 0.8 1000)" "$(cal 0.8 0.8 1000)"
ood() { echo "{\"data\": {\"images\": \"test\"}, \"results\": [{\"out\": \"far\", \"score\": \"log_px\", \"auroc\": $1, \"auroc_low\": $2, \"auroc_high\": $3}]}"; }
says "test images score higher" "<b>JEM</b>, log p(x). Higher on test images more often than not than on: far. " jem-ood "$(ood 0.9 0.8 0.95)" "$(ood 0.1 0.05 0.2)"
says "they score lower" "<b>classifier</b>, log p(x). Lower more often than not than on: far. " jem-ood "$(ood 0.9 0.8 0.95)" "$(ood 0.1 0.05 0.2)"
says "that cannot be told" "<b>JEM</b>, log p(x). No difference can be told from: far. " jem-ood "$(ood 0.6 0.45 0.7)" "$(ood 0.5 0.4 0.6)"
says "without intervals nothing" "The runs gave no figures that could be compared." jem-ood "$(ood 0.9 null null)" "$(ood 0.1 null null)"
rob() { echo "{\"data\": {\"n\": 100}, \"input_noise\": 0, \"curve\": [{\"refine_steps\": 0, \"attack\": \"pgd\", \"gradient\": \"straight\", \"norm\": \"linf\", \"eps\": 0.1, \"accuracy\": 1, \"low\": 0.97, \"high\": 1},
    {\"refine_steps\": 0, \"attack\": \"pgd\", \"gradient\": \"exact\", \"norm\": \"linf\", \"eps\": 0.1, \"accuracy\": $1, \"low\": $2, \"high\": $3}]}"; }
says "JEM withstands more" "JEM-0 beside the classifier</b>, 100 images each: more of JEM's stay right at 1 of 1 sizes" jem-robustness "$(rob 0.8 0.7 0.9)" "$(rob 0.5 0.4 0.6)"
says "the lower gradient counts" "JEM-0 beside the classifier</b>, 100 images each: fewer of JEM's stay right at 1 of 1 sizes" jem-robustness "$(rob 0.5 0.4 0.6)" "$(rob 0.8 0.7 0.9)"
says "neither withstands more" "JEM-0 beside the classifier</b>, 100 images each: no difference can be told at 1 of 1 sizes" jem-robustness "$(rob 0.6 0.5 0.7)" "$(rob 0.65 0.55 0.75)"
dis() { echo "{\"all\": {\"reached\": $1, \"n\": 50}}"; }
says "JEM is made sure more often" "JEM more often than the classifier." jem-distal "$(dis 50)" "$(dis 20)"
says "the classifier is made so" "The classifier more often than JEM." jem-distal "$(dis 20)" "$(dis 50)"
says "neither is made so" "Between the two no difference can be told." jem-distal "$(dis 45)" "$(dis 48)"
few() { echo "{\"data\": {\"n\": $3}, \"summary\": [{\"labels_per_class\": 10, \"jem\": $1, \"classifier\": $2}]}"; }
says "few labels: JEM is better" "10 labels per class: JEM 90.0 % (88.0 to 91.7), classifier 80.0 % (77.4 to 82.4); JEM is the more accurate one. " jem-semisup "$(few 0.9 0.8 1000)" ""
says "few labels: the classifier is" "10 labels per class: JEM 80.0 % (77.4 to 82.4), classifier 90.0 % (88.0 to 91.7); the classifier is the more accurate one. " jem-semisup "$(few 0.8 0.9 1000)" ""
says "few labels: neither is" "; no difference can be told. The intervals are" jem-semisup "$(few 0.9 0.8 10)" ""
div() { echo "{\"variants\": [{\"trainings\": $1, \"diverged\": $2}, {\"trainings\": $1, \"diverged\": $3}]}"; }
says "more trainings diverge" "Variant 0: 1 of 20 trainings diverged (1 to 24 %). Variant 1: 19 of 20 trainings diverged (76 to 99 %), more than of variant 0. " jem-stability "$(div 20 1 19)" ""
says "fewer diverge" "Variant 1: 1 of 20 trainings diverged (1 to 24 %), fewer than of variant 0. " jem-stability "$(div 20 19 1)" ""
says "too few to tell" "Variant 1: 0 of 1 trainings diverged (0 to 79 %), no difference can be told from variant 0. " jem-stability "$(div 1 1 0)" ""
says "one image has no spread" "The runs gave no figures that could be compared." jem-ood "{\"results\": [{\"out\": \"far\", \"score\": \"log_px\", \"auroc\": 1, \"auroc_low\": 1, \"auroc_high\": 1, \"n_in\": 1, \"n_out\": 1}]}" ""

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
