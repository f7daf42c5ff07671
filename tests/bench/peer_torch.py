#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""PyTorch as a peer of jem-bench: the same networks, weights frozen but for "train", written the
way a user of PyTorch would. Takes turns as `jem-bench --paced` does: every line of standard
input is a number of runs, answered with one JSON line.

peer_torch.py --model wrn-D-K|small|demo --input CxHxW --classes N --batch N --threads N
              --op logits|grad|sgld|train [--steps N] [--update] [--format channels_last|nchw]
"""
import argparse
import json
import resource
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def leaky(x):
    return F.leaky_relu(x, 0.2)


class Block(nn.Module):
    """As models/wideresnet.py of the official code with --norm None."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride, 1)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x):
        return self.conv2(leaky(self.conv1(leaky(x)))) + self.shortcut(x)


class WideResNet(nn.Module):
    def __init__(self, depth, widen, channels, classes):
        super().__init__()
        width, layers = 16, [nn.Conv2d(channels, 16, 3, 1, 1)]
        for stage, outputs in enumerate((16 * widen, 32 * widen, 64 * widen)):
            for block in range((depth - 4) // 6):
                layers.append(Block(width, outputs, 2 if stage > 0 and block == 0 else 1))
                width = outputs
        self.body = nn.Sequential(*layers)
        self.output = nn.Linear(width, classes)

    def forward(self, x):
        return self.output(leaky(self.body(x)).mean((2, 3)))


class Small(nn.Module):
    """libjem's "small": 16 filters by default, 32 in `make demo`."""

    def __init__(self, channels, classes, filters):
        super().__init__()
        plan = ((channels, 1, 1), (1, 2, 2), (2, 2, 1), (2, 4, 2), (4, 4, 1))
        self.convs = nn.ModuleList(
            nn.Conv2d(a if i == 0 else filters * a, filters * b, 3, stride, 1)
            for i, (a, b, stride) in enumerate(plan))
        self.output = nn.Linear(4 * filters, classes)

    def forward(self, x):
        for conv in self.convs:
            x = leaky(conv(x))
        return self.output(x.mean((2, 3)))


def arguments():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--input", default="3x32x32")
    p.add_argument("--classes", type=int, default=10)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--op", choices=("logits", "grad", "sgld", "train"), required=True)
    p.add_argument("--steps", type=int, default=1)
    p.add_argument("--update", action="store_true", help="train: Adam's update of the weights too")
    p.add_argument("--format", choices=("channels_last", "nchw"), default="channels_last")
    return p.parse_args()


def make_model(arg, channels):
    if arg.model in ("small", "demo"):
        return Small(channels, arg.classes, 32 if arg.model == "demo" else 16)
    _, depth, widen = arg.model.split("-")
    return WideResNet(int(depth), int(widen), channels, arg.classes)


def make_run(arg):
    """The function that is timed."""
    channels, height, width = map(int, arg.input.split("x"))
    layout = torch.channels_last if arg.format == "channels_last" else torch.contiguous_format
    model = make_model(arg, channels).to(memory_format=layout)
    x = torch.rand(arg.batch, channels, height, width) * 2 - 1
    x = x.contiguous(memory_format=layout)
    y = torch.arange(arg.batch) % arg.classes
    if arg.op != "train":
        for parameter in model.parameters():
            parameter.requires_grad_(False)

    def gradient(x):
        x = x.detach().requires_grad_()
        return torch.autograd.grad(model(x).logsumexp(1).sum(), x)[0]

    def logits():
        with torch.no_grad():
            model(x)

    def chain():
        z = x
        for _ in range(arg.steps):
            g = gradient(z)
            z = z.detach() + g + 0.01 * torch.randn_like(z)

    adam = torch.optim.Adam(model.parameters(), lr=1e-6) if arg.update else None

    def train():
        model.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), y).backward()
        if adam:
            adam.step()

    return {"logits": logits, "grad": lambda: gradient(x), "sgld": chain, "train": train}[arg.op]


def main():
    arg = arguments()
    torch.set_num_threads(arg.threads)
    torch.manual_seed(0)
    run = make_run(arg)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        print(json.dumps({
            "kernels": "torch " + torch.__version__, "format": arg.format, "op": arg.op,
            "model": arg.model, "batch": arg.batch, "threads": torch.get_num_threads(),
            "seconds": {"min": min(seconds), "median": statistics.median(seconds),
                        "max": max(seconds)},
            "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }), flush=True)


if __name__ == "__main__":
    main()
