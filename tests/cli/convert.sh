#!/bin/bash
# SPDX-License-Identifier: MIT
# PyTorch checkpoints to safetensors files and back, and libjem's programs on them. PYTHON: one that has
# another PyTorch than Debian's.
. "$(dirname "$0")/common.sh"
python=${PYTHON:-$python}
export PYTHONDONTWRITEBYTECODE=1
folder=$(dirname "$0")/../../examples/convert
there() { "$python" "$folder/pt2safetensors.py" "$@"; }
back() { "$python" "$folder/safetensors2pt.py" "$@"; }
check() { "$python" "$(dirname "$0")/check_convert.py" "$@"; }

# Command lines, for which PyTorch is not needed.
for program in there back; do
    expect "$program --help" 0 "exit status: 0 done" $program --help
    long=$(awk 'length > 96' "$tmp/out" | head -1)
    verdict "$program --help fits the screen" "$long" [ -z "$long" ]
    expect "$program without arguments" 2 "the following arguments are required" $program
    expect "$program, unknown option" 2 "unrecognized arguments" $program a b --nonsense
done
expect "there, a height that is none" 2 "--height" there a b --height 0
expect "back, a format that is none" 2 "invalid choice: 'npz'" back a b --format npz

# NumPy's numbers without NumPy: 0.5 as NumPy 1 writes it, and one of another type.
cat >"$tmp/numbers.py" <<'END'
import io, pickle, sys, types
sys.path.insert(0, sys.argv[1])
import numpy_numbers
allowed = []
numpy_numbers.allow(types.SimpleNamespace(serialization=types.SimpleNamespace(add_safe_globals=allowed.extend)))
numpy_numbers.allow(types.SimpleNamespace(serialization=None))  # an old PyTorch
names = {f"{f.__module__}.{f.__qualname__}": f for f in allowed}
class Reader(pickle.Unpickler):
    def find_class(self, module, name):
        return names[f"{module}.{name}"]
def number(module, code, order, data):
    text = lambda t: b"X" + len(t).to_bytes(4, "little") + t
    return Reader(io.BytesIO(b"\x80\x03c" + module + b"\nscalar\ncnumpy\ndtype\n" + text(code) + b"\x89\x88\x87R(K\x03"
        + text(order) + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbC" + bytes([len(data)]) + data + b"\x86R.")).load()
assert number(b"numpy.core.multiarray", b"f8", b"<", bytes(6) + b"\xe0\x3f") == 0.5
assert number(b"numpy._core.multiarray", b"i2", b">", b"\xff\xfe") == -2
for code in b"O8", b"V8", b"f16":
    try:
        number(b"numpy.core.multiarray", code, b"|", bytes(8))
    except ValueError:
        continue
    sys.exit(f"{code} was taken")
END
verdict "NumPy's numbers are read without NumPy" "$("$python" "$tmp/numbers.py" "$folder" 2>&1 | tail -n 1)" \
    "$python" "$tmp/numbers.py" "$folder"

if ! "$python" -c 'import torch, numpy' 2>/dev/null; then
    skip convert "$python has no PyTorch and NumPy (Debian: python3-torch)"
    exit 0
fi

expect "a checkpoint to convert" 0 "made 24 tensors" check make "$tmp"
expect "official checkpoint, zip" 0 "24 tensors of a state dict, 1 beside it" there "$tmp/official.pt" "$tmp/a.safetensors"
expect "official checkpoint, legacy" 0 "24 tensors" there "$tmp/legacy.pt" "$tmp/b.safetensors"
verdict "both formats give the same file" "differ" cmp "$tmp/a.safetensors" "$tmp/b.safetensors"
expect "back, zip" 0 "24 tensors" back "$tmp/a.safetensors" "$tmp/a.pt"
verdict "zip there and back: the same keys and bits" "differ" check same "$tmp/official.pt" "$tmp/a.pt"
expect "back, legacy" 0 "24 tensors" back "$tmp/a.safetensors" "$tmp/b.pt" --format legacy
verdict "legacy there and back: the same keys and bits" "differ" check same "$tmp/legacy.pt" "$tmp/b.pt"
verdict "a legacy file is no zip file" "it is" bash -c '[ "$(head -c 2 "$1")" != PK ]' - "$tmp/b.pt"
expect "other contents, there and back" 0 "left out: epoch (int)" check more "$tmp"

# The programs on the converted file.
expect "jem-score reads it" 0 "4 image(s)" score --model "$tmp/a.safetensors" --input "$tmp/x.npy" --out "$tmp/scores"
expect "logits are PyTorch's" 0 "relative error" check close "$tmp"
expect "jem-sample starts from its buffer" 0 "class 9" sample --from-buffer "$tmp/a.safetensors" \
    --out "$tmp/s" --count 4 --per-class 1 --steps 1 --quiet

# What wrappers do to the names.
verdict "official.pt in wrappers" "not made" check wrap "$tmp"
for i in {0..8}; do
    expect "wrapper $i" 0 "tensors of a state dict, 1 beside it" there "$tmp/wrap$i.pt" "$tmp/w.safetensors"
    verdict "wrapper $i: the same file" "differs" cmp "$tmp/a.safetensors" "$tmp/w.safetensors"
done

# What libjem could not read is not written.
refused() { expect "$1" 1 "$2" there "$tmp/$3.pt" "$tmp/c.safetensors"; }
refused "a name in two wrappers" '"f.conv1.bias" is there twice' twice
refused "a tensor is missing" "missing: f.conv1.bias" missing
refused "a tensor too many" "too many: f.layer1.0.bn1.weight" norm
refused "another shape" '"class_output.bias" is [11], must be [10]' shape
refused "weights that are NaN" '"class_output.bias" has numbers that are NaN' nan
refused "another network" '"f.conv1.weight" [16, channels, 3, 3] is missing; what is there: conv1.weight, fc.bias' other
expect "a height that libjem has not" 1 "must be multiples of 4" there "$tmp/official.pt" "$tmp/c.safetensors" --height 30
expect "unless any tensors will do" 0 "2 tensors" there "$tmp/other.pt" "$tmp/d.safetensors" --any
if "$python" -c 'import torch.serialization as s; s.add_safe_globals' 2>/dev/null; then
    expect "NumPy numbers beside the weights" 0 "left out: accuracy (float)" there "$tmp/scalar.pt" "$tmp/c.safetensors"
    rm -f "$tmp/c.safetensors"
else
    refused "NumPy numbers beside the weights" "value.item()" scalar
fi
refused "a NumPy array beside the weights" "weights_only=False" array

expect "libjem does not read it" 1 "f.conv1.weight" score --model "$tmp/d.safetensors" --input "$tmp/x.npy"

# A model of libjem keeps what it remembers.
"$python" - "$tmp/a.safetensors" "$tmp/named.safetensors" <<'END'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
length = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8 : 8 + length])
header["__metadata__"].update({"meta.class.%d" % y: "Tier %d: Bär" % y for y in range(10)})
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
open(sys.argv[2], "wb").write(struct.pack("<Q", len(text)) + text + data[8 + length :])
END
expect "names there" 0 "24 tensors" back "$tmp/named.safetensors" "$tmp/named.pt"
expect "and back" 0 "24 tensors" there "$tmp/named.pt" "$tmp/again.safetensors"
expect "are those of the classes" 0 ": Bär" score --model "$tmp/again.safetensors" --input "$tmp/x.npy"
shipped=$(dirname "$0")/../../examples/models/fashion-mnist-jem.safetensors
expect "a small network goes there" 0 "tensors in the state dict" back "$shipped" "$tmp/small.pt"
expect "and back with its settings" 0 "tensors of a state dict" there "$tmp/small.pt" "$tmp/small.safetensors"
npy "$tmp/one.npy" "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 28, 28), }" 2352
for model in "$shipped" "$tmp/small.safetensors"; do score --model "$model" --input "$tmp/one.npy" --out "$tmp/s.${model##*/}" >/dev/null; done
verdict "and gives the same logits" "it differs" cmp "$tmp/s.${shipped##*/}/logits.npy" "$tmp/s.small.safetensors/logits.npy"
expect "bare has no place for it" 0 "left out: libjem_metadata" back "$shipped" "$tmp/bare.pt" --bare

# Programs know such files.
for form in official legacy; do
    expect "$form: jem-score names the converter" 1 "pt2safetensors.py" score --model "$tmp/$form.pt" --input "$tmp/x.npy"
done
expect "jem-sample names it too" 1 "pt2safetensors.py" sample --from-buffer "$tmp/official.pt" --out "$tmp/s" --count 4
verdict "nothing was written" "it was" [ ! -e "$tmp/c.safetensors" ]

# What cannot be converted.
expect "there, no such file" 1 "cannot read $tmp/none.pt" there "$tmp/none.pt" "$tmp/c.safetensors"
head -c 3000 "$tmp/official.pt" >"$tmp/short.pt"
expect "there, cut short" 1 "torch.load" there "$tmp/short.pt" "$tmp/c.safetensors"
"$python" -c 'import os, pickle, sys
class Evil:
    def __reduce__(self): return os.system, ("touch " + sys.argv[2],)
pickle.dump({"a": Evil()}, open(sys.argv[1], "wb"))' "$tmp/evil.pt" "$tmp/ran"
expect "there, a pickle that runs code" 1 "torch.load" there "$tmp/evil.pt" "$tmp/c.safetensors"
verdict "its code did not run" "it did" [ ! -e "$tmp/ran" ]
expect "there, nowhere to write" 1 "cannot write" there "$tmp/official.pt" "$tmp/none/c.safetensors"
head -c 3000 "$tmp/a.safetensors" >"$tmp/short.safetensors"
expect "back, cut short" 1 "its place is" back "$tmp/short.safetensors" "$tmp/c.pt"
expect "back, no safetensors file" 1 "not a safetensors file" back "$tmp/official.pt" "$tmp/c.pt"
left=$(find "$tmp" -name '.convert-*' -o -name 'c.*')
verdict "failures leave nothing" "$left" [ -z "$left" ]
