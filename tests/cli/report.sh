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
verdict "report says how far it is" "$(head -3 "$tmp/err")" grep -q "ood-classifier" "$tmp/err"
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
