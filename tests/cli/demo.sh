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
verdict "what it says of the classes is so" "$(grep 'most often right on\|between the classes' "$page")" "$python" -c '
import html, json, re, sys
page, classes = html.unescape(open(sys.argv[1]).read()), json.load(open(sys.argv[2]))["per_class"]
def like(side):
    end = side(c["accuracy"] for c in classes)
    same = [c for c in classes if c["accuracy"] == end]
    return same, same[0]["class"], len(same) - 1
(most, best, more), (least, worst, other) = like(max), like(min)
names = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(",")
say = lambda y, n: names[y] + (" (and as often on %d other%s)" % (n, "s" if n > 1 else "") if n else "")
apart = max(c["high"] for c in least) < min(c["low"] for c in most)
wanted = "most often right on %s and least often on %s; the" % (say(best, more), say(worst, other)) if apart else "No difference can be told between the classes"
assert wanted in page, wanted' "$page" "$tmp/b/report.json"

# What stands beside the rows of its pictures is what other programs say of the same images.
"$JEM_BIN/jem-likely" --model "$tmp/b/best.safetensors" --count 200 --quiet --out "$tmp/l" --json "$tmp/l.json" >/dev/null
sample --model "$tmp/b/best.safetensors" --data fashion-mnist --steps 2 --count 0 --per-class 2 --quiet --out "$tmp/b/drawn" \
    --json "$tmp/b/drawn/sample.json" >/dev/null
demo --model "$tmp/b/best.safetensors" --count 200 --quiet >/dev/null
verdict "rows of likely images have their class and log p(x)" "$(grep -m 3 '<li>[A-Z][^:]*([0-9]*/10)' "$page")" "$python" -c '
import collections, json, re, sys
labels = re.findall(r"<li>(.*?)</li>", open(sys.argv[1]).read())
pictures = json.load(open(sys.argv[2]))["pictures"]
for end in "most", "least":
    images = next(p for p in pictures if p["file"] == f"test-log_px-{end}.png")["images"]
    for row in range(1, 5):
        part = [i for i in images if i["row"] == row]
        times = max(collections.Counter(i["label"] for i in part).values())
        text = " (%d/10): %.3g to %.3g" % (times, part[0]["score"], part[-1]["score"])
        assert any(l.endswith(text) for l in labels), text' "$page" "$tmp/l.json"
verdict "rows of samples too" "$(grep -c '<li>.*/10): ' "$page")" test "$(grep -c '<li>.*/10): ' "$page")" = 18
trouser=$(json "$tmp/b/drawn/sample.json" "'%.2f' % next(r for r in o['rows'] if r['class'] == 1)['confidence']")
verdict "rows of drawn classes have p(y|x)" "$trouser" grep -qF "<li>Trouser: p(y|x) $trouser</li>" "$page"
sed -i 's/"model_md5": "../"model_md5": "--/' "$tmp/b/drawn/sample.json"
demo --model "$tmp/b/best.safetensors" --count 200 --quiet >/dev/null
verdict "but not that of another model" "$(grep Trouser: "$page")" grep -qF "<li>Trouser</li>" "$page"

# Images that the model was trained on are nowhere called test images.
npy "$tmp/x.npy" "{'descr': '|u1', 'fortran_order': False, 'shape': (60, 12, 12), }" 0
head -c 8640 <(zcat "$fashion/t10k-images-idx3-ubyte.gz" | tail -c +17) >>"$tmp/x.npy"
npy "$tmp/y.npy" "{'descr': '|u1', 'fortran_order': False, 'shape': (60,), }" 0
"$python" -c "import sys; sys.stdout.buffer.write(bytes(i % 3 for i in range(60)))" >>"$tmp/y.npy"
train "${tiny[@]}" --validation 10 --steps 3 --data "npy:$tmp/x.npy,$tmp/y.npy,test=0" --out "$tmp/own" >/dev/null
demo --model "$tmp/own/best.safetensors" --data "npy:$tmp/x.npy,$tmp/y.npy,test=0" --quiet >"$tmp/out" 2>&1
page=$tmp/own/report.html
verdict "training images are called so" "$(cat "$tmp/out")" bash -c 'grep -q "The most likely training and validation images" "$1" && ! grep -qi "test images" "$1" "$2"' - "$page" "$tmp/out"

# Of one image none can be averaged, and nothing can be told.
demo --model "$model" --count 1 --quiet --out "$tmp/one" >"$tmp/out"
page=$tmp/one/report.html
verdict "one image: interp is left out, with the reason" "$(cat "$tmp/out")" bash -c \
    'for file in "$1" "$2" "$3"; do grep -q "interp (averages of two of the images) is left out: there is one image" "$file" || exit 1; done' - "$tmp/out" "$page" "$tmp/one/report.json"
verdict "its figures too" "$(json "$tmp/one/report.json" "sorted(o['auroc'])")" test \
    "$(json "$tmp/one/report.json" "sorted(o['auroc']), 'against interp' in open('$page').read()")" = "(['constant', 'inverted', 'noise'], False)"
verdict "one image: no difference is claimed" "$(grep 'AUROC with' "$page")" grep -q 'intervals. No difference can be told against: noise (' "$page"

# A model of log p(x) alone has learnt no classes: the page has none.
ebm=$(dirname "$0")/../../examples/models/fashion-mnist-ebm.safetensors
demo --model "$ebm" --count 50 --quiet --out "$tmp/e" >/dev/null 2>&1
verdict "no classes without labels" "$(grep -c 'Confusion' "$tmp/e/report.html")" bash -c \
    'grep -q "Classes are left out: " "$1" && ! grep -qE "Confusion matrix|test accuracy|href=.#confidence" "$1"' - "$tmp/e/report.html"
