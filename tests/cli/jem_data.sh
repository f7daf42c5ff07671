#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-data, and the readers behind it, on small files of every format: what was exported is
# compared, by NumPy, with what was written (make_sets.py, and SciPy's files in tests/golden/sets).
. "$(dirname "$0")/common.sh"
here=$(cd "$(dirname "$0")" && pwd)
golden=$here/../golden/sets
export PYTHONDONTWRITEBYTECODE=1

data() { "$JEM_BIN/jem-data" "$@"; }

# same NAME "N CLASSES [FORM]" SPEC [SPLIT]: exported as it was written.
same() {
    rm -rf "$tmp/o"
    if ! data export "$3" --split "${4:-train}" --out "$tmp/o" >/dev/null 2>"$tmp/err"; then
        fail "$1" "$(head -n 1 "$tmp/err")"
        return
    fi
    # shellcheck disable=SC2086 # words
    "$python" "$here/make_sets.py" compare "$tmp/o" $2 >"$tmp/err" 2>&1 && ok "$1" || fail "$1" "$(tail -n 1 "$tmp/err")"
}

# refused NAME TEXT SPEC [SPLIT]: exit code 1 and the text, and nothing is written.
refused() {
    rm -rf "$tmp/o"
    expect "$1" 1 "$2" data export "$3" --split "${4:-train}" --out "$tmp/o"
    [ ! -e "$tmp/o" ] || fail "$1" "it wrote something"
}

# --- Command line ---
expect "jem-data --help" 0 "Usage: jem-data" data --help
long=$(awk 'length > 96' "$tmp/out" | head -1)
verdict "jem-data --help fits the screen" "$long" [ -z "$long" ]
for option in split kinds json out quiet help version; do
    verdict "jem-data --help names --$option" "no" grep -qE -- "^  --$option( |\$)" "$tmp/out"
done
expect "jem-data --kinds" 0 "npy:IMAGES,LABELS" data --kinds
for kind in fashion-mnist mnist idx cifar10 cifar100 svhn npy; do
    verdict "jem-data --kinds lists $kind" "no" grep -qE "^${kind}[:[]" "$tmp/out"
done
expect "jem-data without a command" 2 "is missing: info, export or grid" data
expect "jem-data, unknown command" 2 "unknown command show" data show x
expect "jem-data without a data set" 2 "KIND[:PATH] is missing" data info
expect "jem-data, two data sets" 2 "one data set at a time" data info a b
expect "jem-data, unknown kind" 2 "jem-data --kinds lists" data info imagenet:x
expect "jem-data, export without --out" 2 "needs --out" data export npy:x
expect "jem-data, grid without --out" 2 "needs --out" data grid npy:x
expect "jem-data, info with --out" 2 "takes no --out" data info npy:x --out y
expect "jem-data, export with --json" 2 "--json goes with info" data export npy:x --out y --json z
expect "jem-data, --split extra is SVHN's" 2 "must be train or test" data info npy:x --split extra
expect "jem-data, full disk" 1 "cannot write" bash -c "'$JEM_BIN/jem-data' --kinds >/dev/full"
expect "SVHN not there" 1 "ufldl.stanford.edu" data info "svhn:$tmp/nowhere"
expect "CIFAR-10 not there, both versions named" 1 "cifar-10-python.tar.gz" data info "cifar10:$tmp"

# --- SVHN, written by SciPy ---
if ! "$python" -c 'import numpy' 2>/dev/null; then
    skip "jem_data" "NumPy is not installed"
    exit 0
fi
"$python" "$here/make_sets.py" make "$tmp/s" || fail "make_sets.py" "cannot make the files"
same "SciPy's MAT-file, packed" "12 10" "svhn:$golden"
same "SciPy's MAT-file, plain, labels as doubles" "2 10" "svhn:$golden" test
same "SciPy's MAT-file, one image, split extra" "1 10" "svhn:$golden" extra
for good in good packed big y_first row; do
    same "MAT-file by hand: $good" "3 10" "svhn:$tmp/s/svhn/$good"
done
while read -r name text; do
    refused "MAT-file, $name" "$text" "svhn:$tmp/s/svhn/$name"
done <<END
no_x there is no variable X
no_y there is no variable y
label_0 label 1 is 0;
label_11 label 2 is 11;
label_half label 1 is 2.5;
label_nan label 1 is nan;
few_labels y has 2 numbers for 3 images
side X is not 32 x 32 x 3 x N
no_image X is not 32 x 32 x 3 x N
flat X is not 32 x 32 x 3 x N
int16 X is not 32 x 32 x 3 x N of class uint8
complex X is of class 9, complex
claims X has 921600 numbers and 9216 bytes
more_bytes X has 6144 numbers and 9216 bytes
checksum incorrect data check
no_checksum packed array is cut short
behind goes on behind its end
claims_packed X has 92160 numbers and 9216 bytes
bomb X has 1843200000 numbers and 9216 bytes
overflow sizes of X are negative or overflow
negative sizes of X are negative or overflow
hdf5 version 0x0200
text not a MAT-file of version 5
END
mkdir "$tmp/cut"
for cut in 0 127 128 130 136 200 600 3000 3890 3905; do
    head -c $cut "$golden/train_32x32.mat" >"$tmp/cut/train_32x32.mat"
    refused "MAT-file, packed, cut at $cut" "train_32x32.mat" "svhn:$tmp/cut"
    head -c $cut "$golden/test_32x32.mat" >"$tmp/cut/train_32x32.mat"
    refused "MAT-file, plain, cut at $cut" "train_32x32.mat" "svhn:$tmp/cut"
done
"$python" - "$golden/train_32x32.mat" "$tmp/cut/train_32x32.mat" <<'END'
import sys
b = bytearray(open(sys.argv[1], "rb").read())
b[1500] ^= 64
open(sys.argv[2], "wb").write(b)
END
refused "MAT-file, a flipped bit" "damaged MAT-file" "svhn:$tmp/cut"

# --- CIFAR in pickles ---
for protocol in 2 3 4 5; do
    same "CIFAR-10, five pickles of protocol $protocol" "10 10" "cifar10:$tmp/s/cifar/protocol$protocol"
done
same "CIFAR-10, Python 2" "10 10" "cifar10:$tmp/s/cifar/python2" test
same "CIFAR-10, the folder itself" "10 10" "cifar10:$tmp/s/cifar/python2/cifar-10-batches-py" test
same "CIFAR-100, Python 2" "10 100" "cifar100:$tmp/s/cifar/hundred"
same "CIFAR-100, protocol 2" "10 100" "cifar100:$tmp/s/cifar/hundred" test
gzip -k "$tmp/s/cifar/hundred/test" && rm "$tmp/s/cifar/hundred/test"
same "CIFAR-100, packed" "10 100" "cifar100:$tmp/s/cifar/hundred" test
while read -r name text; do
    refused "pickle, $name" "$text" "cifar10:$tmp/s/cifar/bad/$name" test
done <<END
evil refused: global posix.system
evil4 refused: global posix.system
unknown_global refused: global posix.system
objects refused: numpy.dtype O8
set refused: opcode EMPTY_SET
unknown 0xff is not an opcode
protocol0 does not begin with PROTO
label_10 label 1 is not a whole number from 0 to 9
label_negative label 0 is not a whole number
label_float label 0 is not a whole number
label_bool label 0 is not a whole number
few_labels 1 labels for 2 images
no_labels 'labels' is missing
no_data 'data' is missing
list 'data' is missing
floats not an array of N x 3072 bytes
narrow not an array of N x 3072 bytes
unfilled not an array of N x 3072 bytes
data_list 'data' is a list
itself 'data' is a dict
short cut short: 6144 bytes
long_text cut short: 9223372036854775808 bytes
no_stop ends without STOP
tail 1 byte(s) are left
few_bytes 4 values of 1 bytes has 3 bytes
many 2147483647 values of 1 bytes has 0 bytes
huge an array's shape overflow
memo memo 2147483647 holds nothing
memo_large memo 2147483647; refused
memory its values need more than
many_values more than 1048576 values
item_of_tuple items for a tuple
item_of_array items for an array
odd_dict a key without a value
no_mark no mark on the stack
empty_stack too few values
pops_mark too few values
call_number REDUCE of an int
build_list BUILD of a list
latin2 another character at 0
END
verdict "no pickle was executed" "there is a file" [ ! -e executed ]
mkdir "$tmp/both"
cp "$tmp/s/cifar/python2/cifar-10-batches-py/test_batch" "$tmp/both"
head -c $((20 * 3073)) /dev/zero >"$tmp/both/test_batch.bin"
expect "CIFAR-10, both versions: the binary one" 0 "images   20 of" data info "cifar10:$tmp/both" --split test

# --- NumPy ---
n=$tmp/s/npy
same ".npy, N x C x H x W" "10 7" "npy:$n/nchw.npy,$n/y.npy"
same ".npy, N x H x W x C, labels of bytes" "10 7" "npy:$n/nhwc.npy,$n/y8.npy" test
same ".npy, N x H x W, labels N x 1" "10 7 grey" "npy:$n/nhw.npy,$n/y_column.npy"
same ".npy, floats that are bytes" "10 7" "npy:$n/floats.npy,$n/y.npy"
same ".npy, Fortran order" "10 7" "npy:$n/fortran.npy,$n/y.npy"
same ".npy, N x H x W x C in Fortran order" "10 7" "npy:$n/fhwc.npy,$n/y.npy"
same ".npy, floats, N x H x W x C" "10 7" "npy:$n/floats_hwc.npy,$n/y.npy"
same ".npy, doubles that are bytes" "10 7" "npy:$n/doubles.npy,$n/y.npy"
same ".npy, floats" "10 7 f4" "npy:$n/halves.npy,$n/y.npy"
expect ".npy, classes by the largest label" 0 "classes  7" data info "npy:$n/nchw.npy,$n/y.npy"
expect ".npy, classes as said" 0 "classes  12" data info "npy:$n/nchw.npy,$n/y.npy,classes=12"
expect ".npy, not labelled" 0 "No image is labelled" data info "npy:$n/nchw.npy"
expect ".npy, not labelled, classes as said" 0 "classes  5" data info "npy:$n/nchw.npy,classes=5"
expect ".npy, some not labelled" 0 "Not labelled: 2" data info "npy:$n/nchw.npy,$n/y_some.npy"
expect ".npy, classes too few" 1 "must be -1 (none) to 5" data info "npy:$n/nchw.npy,$n/y.npy,classes=6"
expect ".npy, classes not a number" 2 "classes must be 1 to 65536" data info "npy:$n/nchw.npy,classes=many"
expect ".npy, classes 0" 2 "classes must be 1 to 65536" data info "npy:$n/nchw.npy,classes=0"
expect ".npy, nothing named" 2 "a file is missing" data info "npy:,x"
expect ".npy, an empty part" 2 "nothing between two commas" data info "npy:a,,b"
expect ".npy, three files" 2 "too many parts" data info "npy:a,b,c"
while read -r images labels text; do
    refused ".npy, $images,$labels" "$text" "npy:$n/$images.npy,$n/$labels.npy"
done <<END
beyond y floats must lie in [-1, 1]
nan y floats must lie in [-1, 1]
int32 y integers of 4 bytes
two y an array of 2 dimensions
deep y an array of 5 dimensions
none y no image
nchw y_few labels must be 10 whole numbers
nchw y_floats labels must be 10 whole numbers
nchw y_negative label 1 is -2
nchw y_large label 2 is 80000
nchw missing cannot open
END

# --- info and grid ---
expect "info" 0 "images   10 of 3 x 32 x 32" data info "npy:$n/nchw.npy,$n/y.npy" --json "$tmp/info.json"
"$python" - "$tmp/info.json" "$here" >"$tmp/err" 2>&1 <<'END' && ok "info's numbers are NumPy's" || fail "info's numbers are NumPy's" "$(tail -n 1 "$tmp/err")"
import hashlib, json, sys
import numpy
sys.path.insert(0, sys.argv[2])
from make_sets import images, labels
o, x, y = json.load(open(sys.argv[1])), images(10), labels(10, 7)
for c, v in zip(x.transpose(1, 0, 2, 3) / 255, o["channels"]):
    assert numpy.allclose([c.mean(), c.std(), c.min(), c.max()], [v["mean"], v["std"], v["min"], v["max"]], 1e-6, 1e-7), v
assert [c["images"] for c in o["classes"]] == numpy.bincount(y, minlength=7).tolist()
assert o["sha256"] == hashlib.sha256(x.tobytes() + y.astype("<i4").tobytes()).hexdigest()
assert (o["images"], o["shape"], o["values"], o["unlabelled"], o["files"]) == (10, [3, 32, 32], "bytes", 0, [])
END
expect "info, SVHN, not the published file" 0 "differs from the published file" data info "svhn:$golden" --json "$tmp/svhn.json"
verdict "info, SVHN, MD5 in JSON" "wrong" [ "$(json "$tmp/svhn.json" 'o["files"][0]["md5"]')" = "$(md5sum "$golden/train_32x32.mat" | cut -d' ' -f1)" ]
expect "info, CIFAR-100, names" 0 "aquarium_fish" data info "cifar100:$tmp/s/cifar/hundred" --split test
expect "info, binary CIFAR, no MD5 known" 0 "no published MD5 known" data info "cifar10:$tmp/both" --split test
expect "grid, a row per class" 0 "grid.png" data grid "npy:$n/nchw.npy,$n/y.npy" --out "$tmp/grid.png"
expect "grid, not labelled" 0 "grid2.png" data grid "npy:$n/nchw.npy" --out "$tmp/grid2.png"
size() { "$python" -c 'import struct, sys; print(*struct.unpack(">II", open(sys.argv[1], "rb").read()[16:24]))' "$1"; }
read -r _ tall < <(size "$tmp/grid.png")
read -r _ flat < <(size "$tmp/grid2.png")
verdict "grid: seven rows against one" "$tall and $flat" [ "$tall" -gt $((flat * 6)) ]
expect "grid, cannot write" 1 "cannot write" data grid "npy:$n/nchw.npy" --out "$tmp/no/folder.png"
expect "export, cannot write" 1 "folder" data export "npy:$n/nchw.npy" --out "$tmp/grid.png/x"
expect "a training on .npy" 0 "steps      1" train --preset demo "${tiny[@]}" --validation 5 --set train.batch=4 --stop-after 1 --data "npy:$n/x40.npy,$n/y40.npy" --out "$tmp/t"

mkdir "$tmp/idx"
printf '\0\0\10\3\0\0\0\2\0\0\0\1\0\0\0\1ab' | gzip >"$tmp/idx/t10k-images-idx3-ubyte.gz"
printf '\0\0\10\1\0\0\0\2\0\1' | gzip >"$tmp/idx/t10k-labels-idx1-ubyte.gz"
expect "info, Fashion-MNIST, other files" 0 "differs from the published file" data info "fashion-mnist:$tmp/idx" --split test
verdict "info, Fashion-MNIST, both files differ" "they do not" [ "$(grep -c 'differs from the published file$' "$tmp/out")" -eq 2 ]
expect "info, MNIST, packing unknown" 0 "differs from the published file, or is packed anew" data info "mnist:$tmp/idx" --split test

has_data jem_data
expect "info, Fashion-MNIST, published" 0 "as published, packed anew" data info fashion-mnist --split test
verdict "info, Fashion-MNIST, its mean" "not said" grep -qE '^0 +0\.2868' "$tmp/out"
