#!/bin/bash
# SPDX-License-Identifier: MIT
# Image folders and CelebA: the pixels are Pillow's, the order and the labels ImageFolder's, and
# what cannot be read is said to be so.
. "$(dirname "$0")/common.sh"
here=$(cd "$(dirname "$0")/../images" && pwd)
# shellcheck disable=SC2154 # tmp and python are common.sh's
info() { "$JEM_BIN/jem-data" info "$1" --split "$2"; }

# compare FOLDER TITLE: every case that make.py left there.
compare() {
    local name split kind path n c h w classes digest line
    while read -r name split kind path n c h w classes digest; do
        info "$kind:$1/$path" "$split" >"$tmp/out" 2>"$tmp/err"
        for line in "images +$n of $c x $h x $w " "classes +$classes\$" "sha256 +$digest "; do
            grep -qE "^$line" "$tmp/out" || echo "$line" >>"$tmp/err"
        done
        verdict "$2: $name" "not what Pillow gives: $(tr '\n' ' ' <"$tmp/err")" test ! -s "$tmp/err"
    done <"$1/cases.txt"
}
compare "$here/files" "recorded images"
if "$python" -c 'import PIL, numpy' 2>/dev/null; then
    "$python" "$here/make.py" "$tmp/new" 1
    compare "$tmp/new" "new images"
else
    skip "new images" "python3-pil or python3-numpy is not installed"
fi

f=$here/files
expect "names of classes" 0 "    1  a b " info "folder:$f/tree" train
expect "names of an attribute" 0 "not Smiling" info "celeba:$f,attr=Smiling" train
expect "no names" 0 "No image is labelled" info "images:$f/greys" train
expect "cut short anywhere" 0 " refused" "$(dirname "$JEM_BIN")/tests/cut_images" "$f/formats"/j{420,grey,cmyk,progressive}.[jJ]* \
    "$f/formats"/p{colour,palette,interlaced,bits,deep}.png
verdict "all nine of them" "$(cat "$tmp/out")" test "$(wc -l <"$tmp/out")" = 9

# Trees that are wrong. copy NAME: the recorded one, to be spoilt.
copy() { rm -rf "$tmp/t" && cp -r "$f/$1" "$tmp/t"; }
copy tree
mkdir "$tmp/t/train/B/inside"
expect "an empty folder in a class" 0 "9 of 3 x 12 x 10 " info "folder:$tmp/t" train
echo text >"$tmp/t/train/a b/notes.md"
expect "other files" 0 "9 of 3 x 12 x 10 " info "folder:$tmp/t" train
mkdir "$tmp/t/train/empty"
expect "a class without images" 1 "t/train/empty: the folder of a class without" info "folder:$tmp/t" train
rmdir "$tmp/t/train/empty"
mkdir "$tmp/t/test/d" && cp "$tmp/t/train/c/1.png" "$tmp/t/test/d"
expect "a test class that training has not" 1 "t/test/d: there is no class" info "folder:$tmp/t" test
mv "$tmp/t/test/d" "$tmp/t/test/c" && mv "$tmp/t/test" "$tmp/t/val"
expect "val instead of test" 0 "2 of 3 x 12 x 10 " info "folder:$tmp/t" test
ln -s .. "$tmp/t/train/c/up"
expect "a link in circles" 1 "in circles" info "folder:$tmp/t" train
rm "$tmp/t/train/c/up" && ln -s nowhere "$tmp/t/train/c/2.png"
expect "a link to nothing" 1 "c/2.png: No such file" info "folder:$tmp/t" train
rm "$tmp/t/train/c/2.png" && cp "$f/formats/jgrey.JPEG" "$tmp/t/train/c/2.jpg"
expect "grey among colour" 1 "c/2.jpg is grey, " info "folder:$tmp/t" train
expect "what to do about it" 1 "add ,grey or ,colour" info "folder:$tmp/t" train
expect "two sizes" 1 "c/2.jpg is 13 x 18 pixels" info "folder:$tmp/t,grey" train
expect "grey among colour, one size" 0 "10 of 1 x 10 x 9 " info "folder:$tmp/t,grey,size=10x9" train
expect "cropping too much" 1 "12 x 10 pixels (height x width), too small" info "folder:$tmp/t,crop=13" train
echo text >"$tmp/t/train/c/2.jpg"
expect "text as JPEG" 1 "c/2.jpg: neither a PNG nor a JPEG" info "folder:$tmp/t,colour,size=9" train
: >"$tmp/t/train/c/2.jpg"
expect "nothing as JPEG" 1 "c/2.jpg: neither a PNG nor a JPEG" info "folder:$tmp/t,colour,size=9" train
head -c 700 "$f/formats/j420.jpg" >"$tmp/t/train/c/2.jpg"
expect "half a JPEG" 1 "c/2.jpg: not a sound JPEG" info "folder:$tmp/t,colour,size=9" train
cp "$f/formats/j420.jpg" "$tmp/t/train/c/2.webp"
expect "a kind that is not read" 1 "c/2.webp: .webp files are not read" info "folder:$tmp/t,size=9" train
rm "$tmp/t/train/c"/2.* && mv "$tmp/t/train/B" "$tmp/t/B" && mkdir "$tmp/one" && mv "$tmp/t/B" "$tmp/one"
expect "one class" 0 "3 of 3 x 12 x 10 " info "folder:$tmp/one,test=0" test
ln -s /proc/self/mem "$tmp/one/B/2.jpg"
expect "a file that cannot be read" 1 "cannot read $tmp/one/B/2.jpg" info "folder:$tmp/one" train
rm -r "$tmp/one/B/2.jpg" "$tmp/one/B/inside"
expect "a folder without classes" 1 "no folders of classes" info "folder:$tmp/one/B" train
expect "no folder" 1 "cannot open folder $tmp/nowhere" info "folder:$tmp/nowhere" train
expect "no images" 1 "has no .png, .jpg or .jpeg" info "images:$tmp/one" train

expect "no such option" 2 "there may be ,size=N" info "folder:$f/tree,resize=8" train
expect "size 0" 2 "size=N or size=HxW, 1 to 4096" info "images:$f/sizes,size=0" train
expect "size without a number" 2 "size=8x:" info "images:$f/sizes,size=8x" train
expect "size too large" 2 "size=4097" info "images:$f/sizes,size=4097" train
expect "crop without a number" 2 "crop=N or crop=HxW" info "images:$f/sizes,crop=-3" train
expect "attributes elsewhere" 2 'unknown option "attr=Bald"' info "images:$f/sizes,attr=Bald" train
expect "no attribute" 2 'unknown option "attr="' info "celeba:$f,attr=" train
expect "the folder missing" 2 "the folder is missing" info "images:,size=3" train

# What the programs make of them.
expect "train on a folder" 0 "steps      1" train "${tiny[@]}" --set model.arch=mlp --set model.hidden=4 \
    --validation 0 --stop-after 1 --data "folder:$f/tree" --out "$tmp/o"
expect "score a folder" 0 "1 a b" score --model "$tmp/o/last.safetensors" --data "folder:$f/tree"
expect "score images without labels" 0 "7 image(s)" score --model "$tmp/o/last.safetensors" --data "images:$f/sizes,size=12x10"
expect "score other classes" 1 "has 2 classes, the model has 3" score --model "$tmp/o/last.safetensors" \
    --data "celeba:$f,attr=Bald,size=12x10"
mkdir "$tmp/flat" && for i in 0 1 2; do for j in $f/sizes/*.png; do cp "$j" "$tmp/flat/$i$(basename "$j")"; done; done
expect "train without labels" 0 "have no labels: the training is of log p(x) alone" train --preset demo "${tiny[@]}" \
    --set train.batch=4 --validation -1 --steps 2 --data "images:$tmp/flat,size=8" --out "$tmp/u"
u=(--model "$tmp/u/best.safetensors")
expect "score without labels" 0 "21 image(s)" score "${u[@]}" --data "images:$tmp/flat,size=8"
expect "sample without labels" 0 "log p(x)" sample "${u[@]}" --steps 1 --count 4 --per-class 1 --out "$tmp/u/s"
expect "demo without labels" 0 "report     $tmp/u/report.html" demo "${u[@]}" --data "images:$tmp/flat,size=8"
verdict "demo without labels: no accuracy" "$(head -n 2 "$tmp/out")" bash -c "! grep -qi 'nan' '$tmp/out' && ! grep -q '^accuracy' '$tmp/out'"
expect "grid without labels" 0 "u.png" "$JEM_BIN/jem-data" grid "images:$tmp/flat,size=8" --out "$tmp/u.png"
expect "American spelling" 0 "21 of 1 x 8 x 8" info "images:$tmp/flat,size=8,gray" train
expect "American spelling, color" 0 "21 of 3 x 8 x 8" info "images:$tmp/flat,size=8,color" train

# Splits under their usual names; and what is named as one and is none.
tree() { # tree FOLDER...: two classes of three images in each
    rm -rf "$tmp/d"
    for part in "$@"; do
        for class in x y; do mkdir -p "$tmp/d/$part/$class" && cp "$f"/sizes/00[0-2].png "$tmp/d/$part/$class"; done
    done
    [ $# -lt 2 ] || rm "$tmp/d/${!#}"/?/000.png
}
d() { info "folder:$tmp/d,size=8$2" "$1"; }
for names in "train test" "Train Test" "Training Testing" "TRAIN valid" "training validation" "train dev" "train eval"; do
    # shellcheck disable=SC2086 # words
    tree $names
    expect "splits $names: training" 0 "images   6 of" d train ""
    expect "splits $names: test" 0 "images   4 of" d test ""
done
tree train test valid
expect "three splits: validation" 0 "images   4 of" d validation ""
expect "three splits: two classes" 0 "classes  2" d train ""
expect "three splits: jem-train uses the third" 0 "on 4 validation images" train "${tiny[@]}" --set train.batch=4 \
    --validation -1 --steps 1 --data "folder:$tmp/d,size=8,colour" --out "$tmp/v"
expect "three splits: a number holds out training images" 0 "on 2 validation images" train "${tiny[@]}" --set train.batch=4 \
    --quiet --validation 2 --steps 1 --data "folder:$tmp/d,size=8,colour" --out "$tmp/v2"
expect "a test part beside a test split" 2 "has a test split; ,test=" d train ",test=20%"
tree train
expect "training alone: a part of it is for testing" 0 "images   2 of" d test ""
expect "training alone: no validation" 2 "has no such split" d validation ""
tree test
expect "no training" 1 "d/test is named as a split, and there is no folder train" d train ""
tree train val valid
expect "two of one kind" 1 "are both named as the validation split" d train ""
tree train && mv "$tmp/d/train/x" "$tmp/d/bus"
expect "a split beside classes" 1 "d/train is named as a split and $tmp/d/bus is not" d train ""
mv "$tmp/d/train/y"/* "$tmp/d/train" && rmdir "$tmp/d/train/y"
expect "a class of this name" 0 "  train " d train ""
expect "a class of this name, both" 0 "classes  2" d train ""
mv "$tmp/d/bus" "$tmp/d/test"
expect "splits without classes" 1 "read with images:$tmp/d" d train ""

expect "train on a flat folder" 0 "steps      1" train "${tiny[@]}" --set model.arch=mlp --set model.hidden=4 \
    --set train.weight_py_x=0 --validation 0 --stop-after 1 --data "images:$f/sizes,size=8" --out "$tmp/p"

# Files that ask for more memory or time than they have bytes to show for.
mkdir "$tmp/b"
"$python" - "$f/formats" "$tmp/b" <<'P'
import os, struct, sys, zlib
formats, out = sys.argv[1:]
def write(name, data):
    os.mkdir(f"{out}/{name}")
    open(f"{out}/{name}/1.{name[:3]}", "wb").write(data)
def png(name, width, height):
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(100))
    write("png-" + name, b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data, b"IEND")))
png("long", 16385, 1)
png("large", 8193, 8192)
png("short", 8192, 8192)
png("huge", 2**31 - 1, 2**31 - 1)
jpeg = open(formats + "/jgrey.JPEG", "rb").read()
sof, sos = jpeg.index(b"\xff\xc0"), jpeg.index(b"\xff\xda")
write("jpg-wide", jpeg[:sof + 5] + b"\x40\x01\x40\x01" + jpeg[sof + 9:])
# Three components, each in scans of its own; the first one again and again.
three = jpeg[:sof + 2] + b"\0\x11" + jpeg[sof + 4:sof + 9] + b"\3\1\x11\0\2\x11\0\3\x11\0" + jpeg[sof + 13:sos]
scans = {c: jpeg[sos:sos + 5] + bytes([c]) + jpeg[sos + 6:-2] for c in (1, 2, 3)}
for name, first in ("many", 98), ("more", 99):
    write("jpg-" + name, three + scans[1] * first + scans[2] + scans[3] + b"\xff\xd9")
P
bomb() { expect "$1" "$2" "$3" info "images:$tmp/b/$1,size=1" train; }
bomb png-long 1 "1.png: 1 x 16385 pixels (height x width); at most 16384 a side"
bomb png-large 1 "8192 x 8193 pixels (height x width); at most 16384 a side and 67108864 in all"
bomb png-huge 1 "2147483647 x 2147483647 pixels"
bomb png-short 1 "not a sound PNG file: it is cut short"
bomb jpg-wide 1 "16385 x 16385 pixels (height x width); at most"
bomb jpg-many 0 "1 of 3 x 1 x 1 "
bomb jpg-more 1 "1.jpg: a JPEG file of more than 100 scans"

copy celeba
sed -i.all 's/2$/1/' "$tmp/t/list_eval_partition.txt"
expect "CelebA's part that is empty" 1 "no image is in part 2" info "celeba:$tmp/t" test
rm "$tmp/t/img_align_celeba/000002.jpg"
expect "CelebA's image missing" 1 "000002.jpg: No such file" info "celeba:$tmp/t" train
expect "CelebA's attribute" 2 "there are Bald Smiling Young" info "celeba:$tmp/t,attr=Hat" train
sed -i 's/^000002.jpg -1/000002.jpg  0/' "$tmp/t/list_attr_celeba.txt"
expect "CelebA's labels" 1 "list_attr_celeba.txt, line 4: an attribute is neither 1 nor -1" info "celeba:$tmp/t,attr=Bald" train
sed -i 's/^000002.jpg/000003.jpg/' "$tmp/t/list_attr_celeba.txt"
expect "CelebA's order" 1 "line 4: not about the image" info "celeba:$tmp/t,attr=Bald" train
sed -i 's/^000002.jpg 0/000002.jpg 3/' "$tmp/t/list_eval_partition.txt"
expect "CelebA's parts" 1 "list_eval_partition.txt, line 2: must be" info "celeba:$tmp/t" train
sed -i 's,^000001.jpg,../000001.jpg,' "$tmp/t/list_eval_partition.txt"
expect "CelebA's names" 1 "list_eval_partition.txt, line 1: must be" info "celeba:$tmp/t" train
rm "$tmp/t/list_eval_partition.txt"
expect "CelebA's lists" 1 "download img_align_celeba.zip" info "celeba:$tmp/t" train
