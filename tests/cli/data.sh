#!/bin/bash
# SPDX-License-Identifier: MIT
# Data sets: what is found, what is refused, and what people are told to do.
. "$(dirname "$0")/common.sh"

tr1() { train "${tiny[@]}" --stop-after 1 --overwrite --out "$tmp/o" "$@"; }

expect "unknown kind" 2 "fashion-mnist" tr1 --data imagenet
expect "place missing" 2 "download" tr1 --data cifar10
expect "MNIST not there" 1 "download the four" tr1 --data "mnist:$tmp/nowhere"
expect "Fashion-MNIST not there" 1 "apt install dataset-fashion-mnist" tr1 --data "fashion-mnist:$tmp"
expect "CIFAR-10 not there" 1 "cifar-10-binary.tar.gz" tr1 --data "cifar10:$tmp"
expect "CIFAR-100 not there" 1 "cifar-100-binary.tar.gz" tr1 --data "cifar100:$tmp"
expect "IDX with one file" 2 "two files are needed" tr1 --data idx:a
expect "IDX that is not there" 1 "No such file" tr1 --data "idx:$tmp/a,$tmp/b"
expect "a folder as a file" 1 "cannot read" tr1 --data "idx:$tmp,$tmp"

# CIFAR's layout: records of label and 3072 bytes.
mkdir -p "$tmp/cifar-10-batches-bin" "$tmp/hundred"
for i in 1 2 3 4 5; do head -c $((30 * 3073)) /dev/zero >"$tmp/cifar-10-batches-bin/data_batch_$i.bin"; done
head -c $((40 * 3073)) /dev/zero | gzip >"$tmp/cifar-10-batches-bin/test_batch.bin.gz"
head -c $((50 * 3074)) /dev/zero | gzip >"$tmp/hundred/train.bin.gz"
expect "CIFAR-10, five files in the archive's folder" 0 "steps      1" tr1 --data "cifar10:$tmp" --validation 50
expect "CIFAR-10, test split, packed" 0 "40 image(s)" score --model "$tmp/o/best.safetensors" --data "cifar10:$tmp"
expect "CIFAR-100" 0 "steps      1" tr1 --data "cifar100:$tmp/hundred" --validation 10
expect "a small set gives a tenth" 0 "on 5 validation images" tr1 --data "cifar100:$tmp/hundred" --validation -1
expect "more validation than images" 2 "less than the 50" tr1 --data "cifar100:$tmp/hundred" --validation 50
head -c 5000 /dev/zero >"$tmp/hundred/train.bin"
expect "CIFAR-100, cut short" 1 "train.bin" tr1 --data "cifar100:$tmp/hundred"

has_data data
images=$fashion/t10k-images-idx3-ubyte.gz labels=$fashion/t10k-labels-idx1-ubyte.gz
expect "IDX, packed" 0 "steps      1" tr1 --data "idx:$images,$labels"
expect "MNIST layout" 0 "steps      1" tr1 --data "mnist:$fashion"
zcat "$images" | head -c 100000 >"$tmp/short"
expect "IDX, cut short" 1 "$tmp/short" tr1 --data "idx:$tmp/short,$labels"
head -c 100000 "$images" >"$tmp/short.gz"
expect "gzip, cut short" 1 "cut short" tr1 --data "idx:$tmp/short.gz,$labels"
expect "IDX, files exchanged" 1 "JEM_E_FORMAT" tr1 --data "idx:$labels,$images"
expect "wrong split" 2 "train or test" score --model "$tmp/o/best.safetensors" --data fashion-mnist --split both
