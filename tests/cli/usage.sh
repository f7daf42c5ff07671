#!/bin/bash
# SPDX-License-Identifier: MIT
# Command lines: help, bad usage, exit codes.
. "$(dirname "$0")/common.sh"

common="set preset seed threads backend quiet list-options help version"
options_of() {
    case $1 in
    jem-train) echo "$common data out overwrite log resume init steps stop-after yes time-budget on-divergence guard aim lost-fails status json
        validation validate-every save-every" ;;
    jem-score) echo "model input data split count out grad batch threads backend help version" ;;
    jem-demo) echo "model run data count seed out quiet threads backend help version" ;;
    jem-calibration) echo "model data count input-noise bins validation split-seed fit-data fit-count out json csv seed
        quiet threads backend help version" ;;
    jem-ood) echo "model data count ood count-ood input-noise temperature bootstrap seed out json csv quiet threads backend
        help version" ;;
    jem-likely) echo "model data count samples count-samples out columns rows seed json csv quiet threads backend help
        version" ;;
    jem-report) echo "jem classifier ebm factored class-conditional inception data ood count quick out json seed quiet
        threads backend help version" ;;
    jem-semisup) echo "$common data test labels seeds validation split-seed count steps validate-every out json csv" ;;
    jem-stability) echo "$common data variant stop-after seeds save-every recovery-steps out json csv" ;;
    jem-sample) echo "$common model out json steps count per-class from-buffer data batch" ;;
    esac
}

for program in jem-train jem-score jem-sample jem-demo jem-calibration jem-ood jem-likely jem-semisup jem-stability jem-report; do
    run=$JEM_BIN/$program
    expect "$program --help" 0 "Usage: $program" "$run" --help
    missing=
    for option in $(options_of $program) dry-run; do
        grep -qE -- "^  --$option( |\$)" "$tmp/out" || missing="$missing --$option"
    done
    verdict "$program --help names every option" "missing:$missing" [ -z "$missing" ]
    long=$(awk 'length > 96' "$tmp/out" | head -1)
    verdict "$program --help fits the screen" "$long" [ -z "$long" ]
    verdict "$program --help keeps stderr clean" "$(cat "$tmp/err")" [ ! -s "$tmp/err" ]
    expect "$program -h" 0 "Usage: $program" "$run" -h
    expect "$program --version" 0 "libjem 0." "$run" --version
    expect "$program --print-man" 0 ".SH OPTIONS" "$run" --print-man
    expect "$program --print-completion fish" 2 "must be bash or zsh" "$run" --print-completion fish
    "$run" --help >"$tmp/out"
    for text in "fashion-mnist[:DIR]" "cpu:avx2"; do
        verdict "$program --help says $text" "no" grep -qF "$text" "$tmp/out"
    done
    case $program in
    jem-train | jem-sample | jem-stability)
        verdict "$program --help says 128 + signal" "no" grep -qF "128 + signal" "$tmp/out"
        ;;&
    jem-train | jem-sample | jem-semisup | jem-stability)
        expect "$program --list-options" 0 "sgld.step_size" "$run" --list-options
        expect "$program --list-options lists presets" 0 "jem-cifar10" "$run" --list-options
        ;;
    *)
        verdict "$program --help: neither --set nor --list-options" "named" bash -c '! grep -q list-options "$1"' - "$tmp/out"
        expect "$program has no --list-options" 2 "unknown option" "$run" --list-options
        ;;
    esac
    expect "$program --dry-run, bad usage" 2 "not a whole number" "$run" --dry-run --threads two
    expect "$program without arguments" 2 "is missing" "$run"
    expect "$program, unknown option" 2 "unknown option --nonsense" "$run" --nonsense
    expect "$program, near miss" 2 "did you mean --threads?" "$run" --thraeds 1
    expect "$program, missing value" 2 "--threads needs a value" "$run" --threads
    expect "$program, number that is none" 2 "not a whole number" "$run" --threads two
    expect "$program, number too large" 2 "between 0 and 64" "$run" --threads 65
    expect "$program, full disk" 1 "cannot write" bash -c "'$run' --help >/dev/full"
done

# A dry run reads nothing, writes nothing, and says all that would be done.
expect "a dry run" 0 "would run: jem-ood --model $tmp/none" "$JEM_BIN/jem-ood" --dry-run --model "$tmp/none" --ood "npy:a 'b'" --json "$tmp/new/a.json"
verdict "it shows defaults, and words as a shell takes them" "$(cat "$tmp/out")" grep -qF -- "--ood 'npy:a '\\''b'\\''' --count-ood 0" "$tmp/out"
verdict "it is one line" "$(cat "$tmp/out")" [ "$(wc -l <"$tmp/out")" = 1 ]
verdict "it makes no folder" "it is there" [ ! -e "$tmp/new" ]
# Words of a printed command, read back by a shell: each byte that a word can have but NUL, plain and
# odd ones, none at all.
# shellcheck disable=SC2016 # the shell that reads it back expands
for word in "" plain/a-b_c.safetensors "a b" "it's" '$HOME' '`id`' '~' '*' '{a,b}' '!!' 'a\b' '"' "$(printf 'two\nlines\t')" "$(printf '\303\251\377')" \
    "$(for i in $(seq 1 255); do printf "\\$(printf %03o "$i")"; done)"; do
    printf '%s' "$word" >"$tmp/word"
    "$JEM_BIN/jem-score" --dry-run --model x --input "$word" >"$tmp/out" 2>"$tmp/err"
    printf 'set -- %s\nwhile [ "$1" != --input ]; do shift; done\nprintf %%s "$2"\n' "$(sed '1s/^would run: //' "$tmp/out")" >"$tmp/back.sh"
    sh "$tmp/back.sh" >"$tmp/back" 2>/dev/null
    verdict "a shell reads back $(printf %q "${word:0:24}")" "$(tail -c 300 "$tmp/out")" cmp "$tmp/word" "$tmp/back"
done
verdict "plain words have no quotes" "$(cat "$tmp/out")" bash -c '"$1" --dry-run --model a/b-c_d,e:f=g@h%i+j.x --input y | grep -qF -- "--model a/b-c_d,e:f=g@h%i+j.x "' - "$JEM_BIN/jem-score"
expect "a number that is too large" 2 "must lie between 0 and 9223372036854775807" "$JEM_BIN/jem-ood" --dry-run --model x --count 99999999999999999999
expect "a dry run, what is missing" 2 "--model FILE is missing" "$JEM_BIN/jem-ood" --dry-run
expect "a dry run, number that is none" 2 "must be above 0" "$JEM_BIN/jem-ood" --dry-run --model x --temperature 0
expect "a dry run, unknown setting" 2 "sgld.steps" train --dry-run --out "$tmp/new" --set sgld.step=3
expect "a dry run, unknown kind of data" 2 "nist:x: unknown kind" "$JEM_BIN/jem-ood" --dry-run --model x --data nist:x
expect "a dry run, data without a place" 2 "the place of the files is missing" score --dry-run --model x --data cifar10
expect "another option's data without a place" 2 "jem-semisup: mnist: the place of the files is missing" "$JEM_BIN/jem-semisup" --dry-run --data fashion-mnist --test mnist
expect "a word that is no data" 2 "jem-data: nonsense: unknown kind of data" "$JEM_BIN/jem-data" info nonsense
expect "a dry run, unknown kind of other images" 2 "--ood takes noise" "$JEM_BIN/jem-ood" --dry-run --model x --ood noise --ood nois
expect "a dry run, unknown backend" 2 "cuda" "$JEM_BIN/jem-ood" --dry-run --model x --backend cuda
expect "train, unknown kind of data" 2 "nist:x: unknown kind" train --dry-run --out "$tmp/new" --data nist:x
for program in jem-demo jem-sample jem-calibration; do
    expect "$program, unknown kind of data" 2 "nist:x: unknown kind" "$JEM_BIN/$program" --dry-run --model x --data nist:x
done
expect "a dry run, full disk" 1 "cannot write" bash -c "'$JEM_BIN/jem-ood' --dry-run --model x >/dev/full"

touch "$tmp/file"
expect "results into a file's inside, before any work" 1 "$tmp/file is not a folder" "$JEM_BIN/jem-ood" --model "$tmp/none" --json "$tmp/file/a.json"
out=(--out "$tmp/o")
expect "train, unknown setting" 2 "sgld.steps" train "${out[@]}" --set sgld.step=3
expect "train, setting out of bounds" 2 "train.ema" train "${out[@]}" --set train.ema=2
expect "train, setting without value" 2 "must be NAME=VALUE" train "${out[@]}" --set sgld.steps
expect "train, setting as an option" 2 "--set NAME=VALUE" train "${out[@]}" --sgld.steps 3
expect "train, unknown preset" 2 "jem-cifar10" train "${out[@]}" --preset paper
expect "train, bad seed" 2 "--seed x" train "${out[@]}" --seed x
expect "train, unknown backend" 2 "cuda" train "${out[@]}" --backend cuda
expect "train, unexpected word" 2 'unexpected word "now"' train "${out[@]}" now
expect "train, flag with a value" 2 "takes no value" train "${out[@]}" --quiet=1
expect "train, bad policy" 2 "must be stop or resume" train "${out[@]}" --on-divergence go
expect "train, negative time" 2 "at least 0" train "${out[@]}" --time-budget -1
expect "train, --resume and --set" 2 "do not go with it" train --resume x --set sgld.steps=1
expect "train, --resume and --init" 2 "do not go together" train --resume x --init y
expect "score, both inputs" 2 "either --input" score --model x --input a.npy --data fashion-mnist
expect "score, --grad without --out" 2 "needs --out" score --model x --input a.npy --grad
expect "sample, nothing to draw" 2 "nothing to draw" sample --model x "${out[@]}" --count 0 --per-class 0
verdict "bad usage makes no folder" "$tmp/o exists" [ ! -e "$tmp/o" ]

# One option has the same words everywhere. [a value's name, what the help begins with]
"$python" - "$JEM_BIN" >"$tmp/words" 2>&1 <<'END'
import glob, re, subprocess, sys
same = {
    "preset": "a named set of settings; may be repeated; applied before --set",
    "set": "one setting; may be repeated",
    "threads": "0: one per usable processor; changes no result",
    "backend": "cpu, cpu:avx512,",
    "quiet": "no progress on stderr",
    "split": "(of --data: )?train or test; of some folders also validation, of SVHN extra",
    "csv": "the tables for spreadsheets",
    "version": "the version of libjem",
    "dry-run": "check the command line,",
}
for program in sorted(glob.glob(sys.argv[1] + "/jem-*")):
    name = program.rsplit("/", 1)[1]
    text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^  --([a-z0-9-]+)[^\n]*(?:\n {10,}[^\n]*)*", text, re.M)
    for match in re.finditer(r"^  --([a-z0-9-]+)((?: \S+)?)\s+(\S[^\n]*(?:\n {20,}[^\n]*)*)", text, re.M):
        option, words = match[1], " ".join(match[3].split())
        if option in same and not re.match(same[option], words):
            print(f"{name} --{option}: {words}")
    for option in sorted({o for o in rows if rows.count(o) > 1}):
        print(f"{name} --{option} is described twice")
    if "given x" in text:
        print(f"{name} writes p(y|x) otherwise")
    examples = re.search(r"^Examples?:\n((?:  .*\n)+)", text, re.M)
    if examples and ("Example:" in text) != (len(re.findall(r"^  jem-", examples[1], re.M)) == 1):
        print(f"{name}: one example, or several?")
END
verdict "the same words for the same option" "$(head -n 3 "$tmp/words" | tr '\n' ';')" [ ! -s "$tmp/words" ]
