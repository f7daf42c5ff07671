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

# Paths are bytes: a folder that Latin-1 named.
odd=$'caf\xe9 1'
if mkdir "$odd" 2>/dev/null; then
    for class in a b; do
        mkdir "$odd/$class"
        for i in 1 2 3 4 5 6; do cp "$OLDPWD/tests/images/files/tree/train/c/1.png" "$odd/$class/$i.png"; done
    done
    expect "a path that is not UTF-8" 0 "12" timeout 60 "$JEM_BIN/jem-data" info "folder:$odd,grey,size=8,test=0" --json odd.json
    verdict "JSON shows it" "$(cat odd.json)" test "$(json odd.json "o['data']['spec'] if isinstance(o['data'], dict) else o['data']")" = $'folder:caf\xef\xbf\xbd 1,grey,size=8,test=0'
else
    skip "a path that is not UTF-8" "this file system has none"
fi
