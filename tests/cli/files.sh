#!/bin/bash
# SPDX-License-Identifier: MIT
# Where programs write: links, pipes, devices, standard output; modes; leftovers; and what cannot be
# written, which is said before the work.
. "$(dirname "$0")/common.sh"
has_data files
cd "$tmp" || exit 1

info() { timeout 60 "$JEM_BIN/jem-data" info fashion-mnist --split test --quiet "$@"; }
is_json() { "$python" -c 'import json, sys; json.load(open(sys.argv[1]))' "$1"; }

mkdir real
ln -s real/figures.json link.json
expect "a link to nothing" 0 "10000" info --json link.json
verdict "a link stays a link" "it was replaced" test -L link.json
verdict "its target is made" "no JSON in real/figures.json" is_json real/figures.json
chmod 604 real/figures.json
expect "a link to a file" 0 "10000" info --json link.json
verdict "a file keeps its mode" "$(stat -c %a real/figures.json)" test "$(stat -c %a real/figures.json)" = 604
verdict "a JSON file ends in a newline" "it does not" test "$(tail -c 1 real/figures.json | od -An -tx1 | tr -d ' ')" = 0a

mkfifo pipe
timeout 60 cat pipe >from-pipe.json &
expect "a named pipe" 0 "10000" info --json pipe
wait
verdict "what went through the pipe" "no JSON" is_json from-pipe.json
verdict "a pipe stays a pipe" "it was replaced" test -p pipe

if mknod null c 1 3 2>/dev/null && (echo x >null) 2>/dev/null; then
    expect "a device" 0 "10000" info --json null
    verdict "a device stays a device" "it was replaced" test -c null
else
    skip "a device stays a device" "no device can be made here"
fi

expect "--json -" 0 "10000" info --json -
verdict "standard output has the JSON alone" "$(head -c 60 out)" is_json out
verdict "the table goes to standard error" "it is missing" grep -q 10000 err
expect "--json /dev/stdout" 0 "10000" info --json /dev/stdout
verdict "/dev/stdout has the JSON alone" "$(head -c 60 out)" is_json out

ln -s round round
expect "links in a circle" 1 "symbolic links" info --json round
mkdir folder
expect "a folder" 1 "Is a directory" info --json folder
verdict "nothing was read before" "it was" test ! -s out

echo left >real/figures.json.tmp-0123456789abcdef
echo other >real/figures.json.tmp-mine
expect "leftovers" 0 "10000" info --json real/figures.json
verdict "what a killed program left is removed" "it is there" test ! -e real/figures.json.tmp-0123456789abcdef
verdict "files of other names stay" "one is gone" test -e real/figures.json.tmp-mine

mkdir new
"$(dirname "$JEM_BIN")/tests/writer_tool" new 2>/dev/null

# Paths are bytes: a folder that Latin-1 named holds the images, the model and all that is written. Every
# program works, JSON, CSV and pages are UTF-8, and no message is about memory.
odd=$'caf\xe9 1'
if ! mkdir "$odd" 2>/dev/null; then
    skip "a path that is not UTF-8" "this file system has none"
    exit 0
fi
for class in train/a train/b test/a test/b; do
    mkdir -p "$odd/set/$class"
    for i in {1..20}; do cp "$OLDPWD/tests/images/files/tree/train/c/1.png" "$odd/set/$class/$i.png"; done
done
images=folder:$odd/set,grey,size=8
model=$odd/t/best.safetensors
network=(--set model.arch=small --set model.filters=4 --set train.batch=8 --set sgld.steps=2 --set pcd.capacity=50)

check_texts() { # all files of text below the folder
    "$python" - "$odd" <<'END'
import json, os, sys
for folder, _, names in os.walk(os.fsencode(sys.argv[1])):
    for name in names:
        path, end = os.path.join(folder, name), name.rsplit(b".")[-1]
        if end not in (b"json", b"jsonl", b"csv", b"html", b"svg"):
            continue
        try:
            text = open(path, "rb").read().decode()
            for part in text.splitlines() if end == b"jsonl" else [text] if end == b"json" else []:
                json.loads(part)
        except ValueError as e:
            sys.exit(f"{os.fsdecode(name)}: {e}")
END
}

works() { # PROGRAM ARGUMENTS...
    local program=$1 code
    shift
    timeout 300 "$JEM_BIN/$program" "$@" >"$tmp/out" 2>"$tmp/err"
    code=$?
    verdict "$program ${1#--} in a path that is not UTF-8" "exit code $code; $(tail -n 1 "$tmp/err")" [ $code -eq 0 ]
    verdict "$program ${1#--}: nothing about memory" "$(grep -a memory "$tmp/err")" bash -c '! grep -qa "out of memory" "$1"' - "$tmp/err"
    verdict "$program ${1#--}: its files are UTF-8" "$(check_texts 2>&1)" check_texts
}
works jem-train "${network[@]}" --data "$images" --validation 10 --stop-after 3 --quiet --yes --out "$odd/t"
works jem-train --resume "$odd/t/last.safetensors" --stop-after 1 --quiet
works jem-train --status "$odd/t" --json "$odd/t/status.json"
works jem-train --init "$model" --data "$images" "${network[@]:4}" --validation 10 --steps 2 --quiet --yes --out "$odd/init"
works jem-score --model "$model" --data model --out "$odd/score"
works jem-sample --model "$model" --count 2 --per-class 1 --steps 1 --quiet --out "$odd/sample" --json "$odd/sample.json"
works jem-demo --model "$model" --quiet --out "$odd/demo"
works jem-calibration --model "$model" --quiet --out "$odd/calibration" --json "$odd/calibration.json" --csv "$odd/calibration.csv"
works jem-ood --model "$model" --ood "$images" --bootstrap 5 --quiet --out "$odd/ood" --json "$odd/ood.json" --csv "$odd/ood.csv"
works jem-likely --model "$model" --samples "$odd/t/last.safetensors" --quiet --out "$odd/likely" --json "$odd/likely.json"
works jem-robustness --model "$model" --attack transfer --source "$model" --count 2 --steps 1 --refine 0 --quiet --out "$odd/robust" --json "$odd/robust.json"
works jem-distal --model "$model" --data model --count 1 --steps 2 --quiet --out "$odd/distal" --json "$odd/distal.json"
works jem-hybrid --model "$model" --features "$model" --chains 4 --steps 1 --quiet --out "$odd/hybrid" --json "$odd/hybrid.json" --csv "$odd/hybrid.csv"
works jem-semisup --data "$images" "${network[@]}" --labels 2 --seeds 1 --steps 2 --validate-every 2 --validation 6 --quiet --out "$odd/semisup" --json "$odd/semisup.json"
works jem-stability --data "$images" "${network[@]}" --seeds 1 --stop-after 2 --save-every 1 --recovery-steps 1 --quiet --out "$odd/stability" --json "$odd/stability.json"
works jem-data info "$images" --json "$odd/data.json"
works jem-data export "$images" --out "$odd/arrays"
works jem-data grid "$images" --out "$odd/grid.png"
verdict "JSON shows the place and has its bytes" "$(cat "$odd/ood.json")" test "$(json "$odd/ood.json" "o['data']['spec'].split('/')[-2], o['data']['spec_bytes'].split('/')[-2]")" = \
    "('caf"$'\xef\xbf\xbd'" 1', 'caf%E9%201')"

# jem-report over stand-ins, since it runs what was run above. With one set for training and testing it
# says why jem-semisup is left out, and names the set.
mkdir "$odd/bin"
ln -s "$JEM_BIN/jem-report" "$odd/bin"
for program in hybrid sample calibration ood robustness distal likely semisup stability; do
    printf '#!/bin/sh\nwhile [ "$1" != --json ]; do shift; done\necho "{}" >"$2"\n' >"$odd/bin/jem-$program"
done
chmod +x "$odd"/bin/*
report=(--jem "$model" --ood "$images" --quick --quiet --out "$odd/report" --json "$odd/report.json")
JEM_BIN=$PWD/$odd/bin works jem-report "${report[@]}" --data "folder:$odd/set/train,grey,size=8,test=0"
verdict "it says what is left out" "$(json "$odd/report.json" "o['left_out']")" json "$odd/report.json" "o['left_out'][0]['why'].index('caf\ufffd')"
verdict "a run is of the data that are named" "$(cat "$odd/report/ood-jem/run.json")" json "$odd/report/ood-jem/run.json" \
    "o['made_from'][o['made_from'].index('--data') + 1].index('caf\ufffd')"
