#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-demo: the report about a training.
. "$(dirname "$0")/common.sh"
has_data demo

train "${tiny[@]}" --stop-after 10 --out "$tmp/t" >/dev/null
model=$tmp/t/best.safetensors
expect "demo: the training's folder is the model's" 0 "report     $tmp/t/report.html" demo --model "$model" --count 20 --quiet
for file in report.html report.json likely.png unlikely.png; do
    verdict "demo writes $file" "missing" [ -s "$tmp/t/$file" ]
done
verdict "quiet is quiet" "$(cat "$tmp/err")" [ ! -s "$tmp/err" ]
verdict "report.json is the training's" "$(cat "$tmp/t/report.json")" \
    test "$(json "$tmp/t/report.json" '(o["n_test"], o["steps"], sorted(o["auroc"]))')" = "(20, 10, ['constant', 'interp', 'inverted', 'noise'])"
expect "demo, another backend and folder" 0 "of 5 test images" demo --model "$model" --count 5 --backend reference --out "$tmp/o"
verdict "demo says how far it is" "$(cat "$tmp/err")" grep -q "set 4 of 4" "$tmp/err"
expect "demo without a training" 0 "there is no $tmp/o/train.json" demo --model "$model" --count 5 --run "$tmp/o" --out "$tmp/o"
expect "demo, unknown backend" 2 "cuda" demo --model "$model" --backend cuda

# What the page says of the training is what the settings say.
train "${tiny[@]}" --steps 100 --validate-every 50 --out "$tmp/a" >/dev/null
demo --model "$tmp/a/best.safetensors" --count 200 --quiet >/dev/null
page=$tmp/a/report.html
verdict "the page names the augmentation" "$(grep 'Training batches' "$page")" \
    grep -q 'of images cropped at random from a border of 4 pixels, mirrored half of the time, with Gaussian noise of standard deviation 0.03\. ' "$page"
verdict "and what was held out" "no" grep -q 'Validation: 200 training images held out' "$page"
train "${tiny[@]}" --set train.crop_pad=0 --set train.flip=0 --set train.input_noise=0 --steps 100 --validate-every 50 --out "$tmp/b" >/dev/null
demo --model "$tmp/b/best.safetensors" --count 200 --quiet >/dev/null
page=$tmp/b/report.html
verdict "no augmentation, says the page where there was none" "$(grep 'Training batches' "$page")" \
    grep -q 'of images as they are, without augmentation or noise\. ' "$page"
verdict "and nothing else of it" "it does" test 0 = "$(grep -cE 'cropped|mirrored|Gaussian noise' "$page")"
verdict "a curve that falls below 40 % is not cut" "$(grep -o '<path fill="none"[^>]*' "$page" | head -2)" "$python" -c '
import re, sys
page = open(sys.argv[1]).read()
plot = page[page.index("aria-label=\"Accuracy\""):]
ys = [float(y) for d in re.findall(r"<path fill=\"none\"[^>]* d=\"([^\"]*)\"", plot[:plot.index("</svg>")]) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", d)]
assert ys and 30 < min(ys) and max(ys) < 218' "$page"
verdict "the classes are on the page" "no" grep -q '<h3>Confusion matrix</h3>' "$page"
verdict "and in the JSON" "$(json "$tmp/b/report.json" 'sum(p["n"] for p in o["confusion"])')" \
    test "$(json "$tmp/b/report.json" 'sum(p["n"] for p in o["confusion"]), sum(c["n"] for c in o["per_class"])')" = "(200, 200)"
verdict "every link on it leads somewhere" "$(grep -o 'href="#[a-z]*' "$page")" "$python" -c '
import re, sys
page = open(sys.argv[1]).read()
to = re.findall(r"href=\"#([^\"]*)", page)
assert len(to) >= 5 and all(page.count(f"id=\"{t}\"") == 1 for t in to)' "$page"
# What it says of confidence and density follows from the figures.
verdict "its sentences are true" "$(grep 'class="verdict"' "$page")" "$python" -c '
import json, re, sys
page, o = open(sys.argv[1]).read(), json.load(open(sys.argv[2]))
sure, low, high = map(float, re.search(r"the model is ([\d.]+) % sure, and right on [\d.]+ % \(95 % interval ([\d.]+) to ([\d.]+)\)", page).groups())
said = re.search(r"interval [\d.]+ to [\d.]+\): (it is less sure|it is surer|no difference)", page).group(1)
assert low <= 100 * o["test_accuracy"] <= high
assert said == ("it is less sure" if sure < low else "it is surer" if sure > high else "no difference")
density = re.search(r"AUROC with 95 % intervals\.(.*?)</p>", page, re.S).group(1)
for name, a in o["auroc"].items():
    part = "log p(x) is higher" if a["log_px_low"] > .5 else "other way round" if a["log_px_high"] < .5 else "No difference"
    sentence = next(s for s in re.split(r"\. |\.$", density) if name + " (" in s)
    assert part in sentence, (name, a, sentence)' "$page" "$tmp/b/report.json"
# A model of log p(x) alone has learnt no classes: the page has none.
ebm=$(dirname "$0")/../../examples/models/fashion-mnist-ebm.safetensors
demo --model "$ebm" --count 50 --quiet --out "$tmp/e" >/dev/null 2>&1
verdict "no classes without labels" "$(grep -c 'Confusion' "$tmp/e/report.html")" bash -c \
    'grep -q "Classes are left out: " "$1" && ! grep -qE "Confusion matrix|test accuracy|href=.#confidence" "$1"' - "$tmp/e/report.html"
