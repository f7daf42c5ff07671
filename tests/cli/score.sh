#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-score: arrays and images in, arrays and a table out.
. "$(dirname "$0")/common.sh"
has_data score

train "${tiny[@]}" --stop-after 10 --out "$tmp/t" >/dev/null
model=$tmp/t/best.safetensors
expect "score a data set" 0 "accuracy" score --model "$model" --data fashion-mnist --count 64 --out "$tmp/s" --grad --features
verdict "the table names classes" "no" grep -q "Ankle boot" "$tmp/out"
verdict "twenty rows, then how many more" "no" grep -q "and 44 more" "$tmp/out"
expect "score with two threads in small batches" 0 "accuracy" score --model "$model" --data fashion-mnist \
    --count 64 --out "$tmp/s2" --grad --features --threads 2 --batch 7
same=1
for file in "$tmp"/s/*.npy; do cmp -s "$file" "$tmp/s2/$(basename "$file")" || same=0; done
verdict "threads and batches change no bit" "differ" [ $same = 1 ]
verdict "the features of a small network, 16 per image" "$(ls "$tmp/s")" test "$(stat -c %s "$tmp/s/features.npy")" -eq $((128 + 4 * 64 * 16))
expect "a training serves as a model" 0 "image(s)" score --model "$tmp/t/last.safetensors" --data fashion-mnist --count 2
expect "reference backend" 0 "image(s)" score --model "$model" --data fashion-mnist --count 2 --backend reference

expect "a table to a full disk" 1 "No space left" bash -c "'$JEM_BIN/jem-score' --model '$model' --data fashion-mnist --count 2 >/dev/full"

# Broken models.
expect "no such model" 1 "none.safetensors" score --model "$tmp/none.safetensors" --data fashion-mnist
head -c 3000 "$model" >"$tmp/short.safetensors"
expect "model cut short" 1 "JEM_E_FORMAT" score --model "$tmp/short.safetensors" --data fashion-mnist
echo "not a model" >"$tmp/text.safetensors"
# Files of other formats are called what they are.
npy "$tmp/other.npy" "{'descr': '|u1', 'fortran_order': False, 'shape': (64,), }" 64
"$python" - "$tmp" "$model" <<'END'
import gzip, json, struct, sys, zipfile
folder, model = sys.argv[1:]
for name, first in ("npz", "x.npy"), ("pt", "best/data.pkl"), ("zip", "x.txt"):
    with zipfile.ZipFile(f"{folder}/other.{name}", "w") as z:
        z.writestr(first, bytes(64))
def write(name, data):
    open(f"{folder}/other.{name}", "wb").write(data)
write("gz", gzip.compress(open(model, "rb").read()))
write("legacy", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." + bytes(64))
write("idx", struct.pack(">IIII", 0x803, 1, 8, 8) + bytes(64))
write("safetensors", struct.pack("<Q", 0x280) + json.dumps({"__metadata__": {"format": "pt"}}).encode().ljust(0x280))
END
for case in "npy=a NumPy array (.npy); give a .safetensors file" "npz=NumPy arrays (.npz); give" "zip=a ZIP archive; give" \
    "pt=a PyTorch checkpoint; examples/convert/pt2safetensors.py" "legacy=a PyTorch checkpoint; examples" \
    "gz=a gzip file; if it holds a model, unpack it" "idx=an IDX file"; do
    expect "--model with .${case%%=*}" 1 "looks like ${case#*=}" score --model "$tmp/other.${case%%=*}" --data fashion-mnist
done
expect "--model with .png" 1 "looks like a picture (PNG)" score --model "$(dirname "$0")/../images/files/formats/pcolour.png" --data fashion-mnist
expect "--model with .jpg" 1 "looks like a picture (JPEG)" score --model "$(dirname "$0")/../images/files/formats/j444.jpg" --data fashion-mnist
expect "a safetensors file that holds no model" 1 "JEM_E_FORMAT" score --model "$tmp/other.safetensors" --data fashion-mnist
verdict "is not called something else" "$(tail -n 1 "$tmp/err")" bash -c '! grep -q "looks like" "$1"' - "$tmp/err"
expect "a text as a model" 1 "JEM_E_FORMAT" score --model "$tmp/text.safetensors" --data fashion-mnist

# Broken inputs that need no tool to make.
expect "no such array" 1 "cannot open" score --model "$model" --input "$tmp/none.npy"
echo "no array" >"$tmp/text.npy"
expect "text as an array" 1 "not a .npy file" score --model "$model" --input "$tmp/text.npy"
expect "neither PNG nor JPEG" 1 "neither a PNG nor a JPEG" score --model "$model" --input "$tmp/text.safetensors"
expect "image of another size" 1 "the model reads 28 x 28" score --model "$model" --input "$tmp/t/samples.png"
expect "two arrays" 2 "one array at a time" score --model "$model" --input "$tmp/text.npy" "$tmp/text.npy"
head -c 200 "$tmp/t/samples.png" >"$tmp/short.png"
expect "PNG cut short" 1 "not a sound PNG" score --model "$model" --input "$tmp/short.png"
printf '\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01' >"$tmp/short.jpg"
expect "JPEG cut short" 1 "not a sound JPEG" score --model "$model" --input "$tmp/short.jpg"

# Arrays that are images, or not; npy.sh asks what is an array. Headers by hand.
npy_case() { # npy_case NAME CODE TEXT HEADER BYTES
    npy "$tmp/case.npy" "$4" "$5"
    expect ".npy: $1" "$2" "$3" score --model "$model" --input "$tmp/case.npy"
}
npy_case "bytes, N x H x W" 0 "3 image(s)" "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 28, 28), }" 2352
npy_case "floats, N x C x H x W" 0 "2 image(s)" "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 28, 28), }" 6272
{ npy "$tmp/case.npy" "{'descr': '<f4', 'fortran_order': False, 'shape': (28, 28), }" 3132; printf '\x00\x00\x7f\x43' >>"$tmp/case.npy"; }
expect ".npy: floats up to 255" 1 "floats from 0 to 255; models read [-1, 1]: say what the values are with --range" \
    score --model "$model" --input "$tmp/case.npy"
expect ".npy: floats up to 255, as said" 0 "1 image(s)" score --model "$model" --input "$tmp/case.npy" --range 0..255
expect ".npy: floats up to 255, said wrongly" 1 "do not lie in the range 0..1" score --model "$model" --input "$tmp/case.npy" --range 0..1
expect ".npy: no such range" 2 "--range 0..2: must be 0..255, 0..1 or -1..1" score --model "$model" --input "$tmp/case.npy" --range 0..2
expect ".npy: --range is not for --data" 2 "npy:IMAGES.npy,range=0..1" score --model "$model" --data fashion-mnist --range 0..1
npy_case "bytes, N x H x W x C" 0 "3 image(s)" "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 28, 28, 1), }" 2352
{ npy "$tmp/case.npy" "{'descr': '<f4', 'fortran_order': False, 'shape': (28, 28), }" 3132; printf '\x00\x00\x80\x3f' >>"$tmp/case.npy"; }
expect ".npy: floats in [0, 1]" 1 "all floats lie in [0, 1]" score --model "$model" --input "$tmp/case.npy"
{ npy "$tmp/case.npy" "{'descr': '<f4', 'fortran_order': False, 'shape': (28, 28), }" 3132; printf '\x00\x00\xa0\xbf' >>"$tmp/case.npy"; }
expect ".npy: floats a little beyond -1" 0 "1 image(s)" score --model "$model" --input "$tmp/case.npy"
npy_case "one image alone" 0 "1 image(s)" "{'descr': '<f8', 'fortran_order': False, 'shape': (28, 28), }" 6272
npy_case "another size" 1 "the model reads N x 1 x 28 x 28" "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 32, 32), }" 3072
npy_case "too many channels" 1 "the model reads N x 1 x 28 x 28" "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 3, 28, 28), }" 2352
npy_case "no image" 1 "no image" "{'descr': '|u1', 'fortran_order': False, 'shape': (0, 28, 28), }" 0
npy_case "too few bytes" 1 "the file has 783" "{'descr': '|u1', 'fortran_order': False, 'shape': (28, 28), }" 783
npy_case "integers" 1 "holds integers of 8 byte(s)" "{'descr': '<i8', 'fortran_order': False, 'shape': (28, 28), }" 6272
npy_case "bools" 1 "holds bools of 1 byte(s)" "{'descr': '|b1', 'fortran_order': False, 'shape': (28, 28), }" 784

# What NumPy reads, and what NumPy and Pillow write.
if ! "$python" -c 'import numpy' 2>/dev/null; then
    skip "arrays in NumPy" "python3-numpy is not installed"
    exit 0
fi
verdict "arrays in NumPy" "$("$python" "$(dirname "$0")/check_scores.py" "$tmp/s" 2>&1 | tail -1)" \
    "$python" "$(dirname "$0")/check_scores.py" "$tmp/s"
"$python" - "$tmp" "$fashion" <<'P'
import gzip, sys, numpy as np
tmp, folder = sys.argv[1:]
x = np.frombuffer(gzip.open(folder + "/t10k-images-idx3-ubyte.gz").read(), np.uint8, offset=16)
x = x.reshape(-1, 1, 28, 28)[np.arange(64) * 10000 // 64]
np.save(tmp + "/bytes.npy", x)
floats = x.astype(np.float32) / np.float32(127.5) - np.float32(1)
np.save(tmp + "/floats.npy", floats)
np.save(tmp + "/big.npy", np.asfortranarray(floats.astype(">f8")))
np.savez_compressed(tmp + "/images.npz", images=x)
np.savez(tmp + "/two.npz", images=floats, labels=np.zeros(64, np.uint8))
P
expect "an array of two without its name" 1 "two.npz holds 2 arrays: images, labels" score --model "$model" --input "$tmp/two.npz"
expect "two arrays in one file" 2 "one array at a time" score --model "$model" --input "$tmp/two.npz:images" "$tmp/two.npz:labels"
for input in bytes.npy floats.npy big.npy images.npz two.npz:images; do
    kind=${input//[.:]/-}
    score --model "$model" --input "$tmp/$input" --out "$tmp/$kind" >/dev/null 2>&1
    verdict "NumPy's $input scores like the data set" "differ" cmp "$tmp/s/logits.npy" "$tmp/$kind/logits.npy"
done
if ! "$python" -c 'import PIL' 2>/dev/null; then
    skip "images of Pillow" "python3-pil is not installed"
    exit 0
fi
"$python" - "$tmp" <<'P'
import sys, numpy as np
from PIL import Image
tmp = sys.argv[1]
x = np.load(tmp + "/bytes.npy")[0, 0]
Image.fromarray(x).save(tmp + "/grey.png")
Image.fromarray(x).save(tmp + "/grey.jpg", quality=95)
colour = np.stack([x, x.T, x[::-1]], axis=2)
Image.fromarray(colour).save(tmp + "/colour.png")
np.save(tmp + "/luma.npy", np.array(Image.fromarray(colour).convert("L")))
P
expect "PNG and JPEG files" 0 "3 image(s)" score --model "$model" --input "$tmp/grey.png" "$tmp/grey.jpg" "$tmp/colour.png" --out "$tmp/i"
score --model "$model" --input "$tmp/luma.npy" --out "$tmp/j" >/dev/null 2>&1
verdict "PNG pixels and luma are Pillow's" "differ" "$python" -c '
import sys, numpy as np
t = sys.argv[1]
i, s, j = (np.load(t + d + "/logits.npy") for d in ("/i", "/s", "/j"))
assert (i[0] == s[0]).all() and abs(i[1] - s[0]).max() < 0.1 and (i[2] == j[0]).all()' "$tmp"
