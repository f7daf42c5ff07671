#!/bin/bash
# SPDX-License-Identifier: MIT
# What a model remembers of the images it was made with, and what the programs make of it.
. "$(dirname "$0")/common.sh"
export PYTHONDONTWRITEBYTECODE=1

# sets FOLDER: PNG files in folders train and test, of classes whose names are long, or not ASCII.
sets() {
    "$python" - "$1" <<'END'
import os, random, struct, sys, zlib
random.seed(1)
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
def png(path, base):
    rows = b"".join(b"\0" + bytes((base + random.randrange(64)) % 256 for _ in range(12)) for _ in range(12))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 12, 12, 8, 0, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
for split, n in ("train", 40), ("test", 12):
    for y, name in enumerate(("ä" * 50, "Zwiebel grün")):
        folder = f"{sys.argv[1]}/{split}/{name}"
        os.makedirs(folder)
        for i in range(n):
            png(f"{folder}/{i:03}.png", 160 * y)
END
}
meta() { "$python" -c 'import json, struct, sys
f = open(sys.argv[1], "rb")
m = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))["__metadata__"]
print(m.get("meta." + sys.argv[2]))' "$1" "$2"; }

long=$(printf 'ä%.0s' {1..50})
sets "$tmp/sets"
own=(--set model.arch=small --set model.filters=4 --set train.batch=8 --set sgld.steps=1 --set pcd.capacity=16
    --set train.crop_pad=0 --quiet --validate-every 2)
expect "train on a folder" 0 "" train --data "folder:$tmp/sets,size=12x12,grey" --out "$tmp/run" --validation 8 "${own[@]}" --steps 2
model=$tmp/run/best.safetensors
got=$(meta "$model" class.0)
verdict "a name of 100 bytes is whole" "$got" [ "$got" = "Zwiebel grün" ]
got=$(meta "$model" class.1)
verdict "and its characters too" "$got" [ "$got" = "$long" ]
verdict "size" "$(meta "$model" image.size)" [ "$(meta "$model" image.size)" = 12x12 ]
verdict "colour" "$(meta "$model" image.colour)" [ "$(meta "$model" image.colour)" = grey ]
verdict "kind" "$(meta "$model" data.kind)" [ "$(meta "$model" data.kind)" = folder ]

# What one model remembers can be given to others; weights stay as they are.
cp "$(dirname "$0")/../golden/mlp.safetensors" "$tmp/other.safetensors"
"$python" "$(dirname "$0")/../../examples/models/remember.py" "$model" "$tmp/other.safetensors"
got=$(meta "$tmp/other.safetensors" class.0)
verdict "another model remembers it" "$got" [ "$got" = "Zwiebel grün" ]
weights() { "$python" -c 'import hashlib, struct, sys
d = open(sys.argv[1], "rb").read()
print(hashlib.md5(d[8 + struct.unpack("<Q", d[:8])[0]:]).hexdigest())' "$1"; }
verdict "and keeps its weights" "they differ" [ "$(weights "$tmp/other.safetensors")" = "$(weights "$(dirname "$0")/../golden/mlp.safetensors")" ]

# images NAME WORD ARGUMENTS...: what jem-score calls the images.
images() {
    local name=$1 word=$2
    shift 2
    expect "$name" 0 "data       $word of" score --model "$model" "$@"
}
images "the test images are those" "test images" --data model
images "training and validation images" "training and validation images" --data model --split train
verdict "and it warns of them" "$(cat "$tmp/err")" grep -q "training and validation images of the model" "$tmp/err"
images "others" "images" --data "folder:$tmp/sets/test,size=12x12,grey,crop=8"
images "a single split of theirs" "test images" --data "folder:$tmp/sets/test,size=12x12,grey,test=0"
expect "class names come from the file" 0 "1 $long" score --model "$model" --data "images:$tmp/sets/test/$long,size=12x12,grey"

# A set without splits of its own is never called test images when it was trained on.
expect "train on all of it" 0 "" train --data "folder:$tmp/sets/train,test=0" --out "$tmp/all" --validation 0 "${own[@]}" --steps 2
expect "what it was trained on" 0 "training images of" score --model "$tmp/all/last.safetensors" --data model
expect "calibration without --data" 0 "80 labelled training images" "$JEM_BIN/jem-calibration" \
    --model "$tmp/all/last.safetensors" --json "$tmp/c.json"
got=$(json "$tmp/c.json" 'o["data"]["images"]')
verdict "the file says it too" "$got" [ "$got" = training ]
expect "jem-demo" 0 "of 80 training images" demo --model "$tmp/all/last.safetensors" --out "$tmp/demo" --quiet
verdict "its page has no test images" "it has" bash -c '! grep -q "test accuracy\|test images of" "$1"' - "$tmp/demo/report.html"

# What the file says need not be there any more.
mv "$tmp/sets" "$tmp/moved"
expect "the data have moved" 1 "was trained on these images" "$JEM_BIN/jem-calibration" --model "$model"
expect "an explicit --data wins" 0 "24 labelled test images" "$JEM_BIN/jem-calibration" --model "$model" \
    --data "folder:$tmp/moved,size=12x12,grey"

# A training that goes on with them in another place remembers that one.
expect "a training goes on elsewhere" 0 "" train --resume "$tmp/run/last.safetensors" --quiet \
    --data "folder:$tmp/moved,size=12x12,grey"
got=$(meta "$tmp/run/last.safetensors" data.path)
verdict "and remembers where" "$got" [ "$got" = "$tmp/moved,size=12x12,grey" ]

# A path that is not UTF-8.
odd=$tmp/$(printf 'caf\351 100%%')
mv "$tmp/moved" "$odd"
expect "train in a folder that is not UTF-8" 0 "" train --data "folder:$odd" --out "$tmp/odd" --validation 0 "${own[@]}" --steps 2
got=$(meta "$tmp/odd/last.safetensors" data.path_bytes)
verdict "its path has % codes" "$got" [ "${got##*/}" = "caf%E9%20100%25" ]
expect "and is found again" 0 "24 image(s)" score --model "$tmp/odd/last.safetensors" --data model
