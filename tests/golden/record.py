#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Record golden fixtures with PyTorch, written from the paper and the official code's shape.

Everything is computed in double precision from weights and images that are exactly single
precision, and stored in single precision: a fixture is more exact than what is held against it.
Settings stand in the metadata under their libjem names, after "loss/", "adam/" and so on where
they belong to one part.

    apt-get install python3-torch python3-numpy
    python3 record.py [FOLDER]        # default: the folder of this file
"""

import json
import math
import pathlib
import struct
import sys

import numpy
import torch
import torch.nn.functional as nnf
from torch import nn

LEAK = 0.2
MARGIN = 1e-6  # no LeakyReLU input may be nearer to its kink: a gradient jumps there, and which
#                side a float falls on is chance


class Leaky(nn.Module):
    """LeakyReLU that remembers how near to zero an input came."""

    nearest = math.inf

    def forward(self, x):
        Leaky.nearest = min(Leaky.nearest, x.detach().abs().min().item())
        return nnf.leaky_relu(x, LEAK)


class Block(nn.Module):
    """Pre-activation block without normalisation; the stride is in the second convolution."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.leaky = Leaky()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, stride=stride, padding=1)
        self.shortcut = nn.Sequential()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride=stride))

    def forward(self, x):
        return self.conv2(self.leaky(self.conv1(self.leaky(x)))) + self.shortcut(x)


class WideResNetBody(nn.Module):
    def __init__(self, depth, widen, channels):
        super().__init__()
        blocks = (depth - 4) // 6
        width = 16
        self.leaky = Leaky()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        for stage, stride in enumerate((1, 2, 2)):
            layers = []
            for b in range(blocks):
                layers.append(Block(width, 16 * 2**stage * widen, stride if b == 0 else 1))
                width = 16 * 2**stage * widen
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.width = width

    def forward(self, x):
        out = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        return self.leaky(out).mean((2, 3))


class WideResNet(nn.Module):
    def __init__(self, depth, widen, channels, classes):
        super().__init__()
        self.f = WideResNetBody(depth, widen, channels)
        self.class_output = nn.Linear(self.f.width, classes)

    def forward(self, x):
        return self.class_output(self.f(x))


class SmallConv(nn.Module):
    def __init__(self, filters, channels, classes):
        super().__init__()
        width = channels
        self.leaky = Leaky()
        for i, (times, stride) in enumerate(((1, 1), (2, 2), (2, 1), (4, 2), (4, 1))):
            conv = nn.Conv2d(width, times * filters, 3, stride=stride, padding=1)
            setattr(self, f"conv{i + 1}", conv)
            width = times * filters
        self.class_output = nn.Linear(width, classes)

    def forward(self, x):
        for i in range(1, 6):
            x = self.leaky(getattr(self, f"conv{i}")(x))
        return self.class_output(x.mean((2, 3)))


class Mlp(nn.Module):
    def __init__(self, size, hidden, layers, classes):
        super().__init__()
        self.leaky = Leaky()
        self.layers = layers
        for i in range(layers):
            setattr(self, f"fc{i + 1}", nn.Linear(size if i == 0 else hidden, hidden))
        self.class_output = nn.Linear(hidden, classes)

    def forward(self, x):
        x = x.flatten(1)
        for i in range(1, self.layers + 1):
            x = self.leaky(getattr(self, f"fc{i}")(x))
        return self.class_output(x)


def write_safetensors(path, tensors, metadata):
    """The container by hand: header length, JSON header, bytes."""
    header, body = {"__metadata__": {k: str(v) for k, v in metadata.items()}}, b""
    for name, value in tensors.items():
        value = value.detach().numpy() if isinstance(value, torch.Tensor) else numpy.asarray(value)
        integer = numpy.issubdtype(value.dtype, numpy.integer)
        data = value.astype("<i8" if integer else "<f4").tobytes()
        header[name] = {
            "dtype": "I64" if integer else "F32",
            "shape": list(value.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def single(x):
    """Values that single precision holds exactly, in double precision."""
    return x.float().double()


def images(n, shape):
    return single(torch.rand(n, *shape) * 2 - 1)


def log_px(f):
    return torch.logsumexp(f, 1)


def log_pxy(f, y):
    return f.gather(1, y[:, None])[:, 0]


def gradient_in_x(score, x):
    x = x.clone().requires_grad_(True)
    return torch.autograd.grad(score(x).sum(), x)[0]


def record_head(net, shape, classes, out):
    """What a model says about three images."""
    x, y = images(3, shape), torch.randint(classes, (3,))
    f = net(x)
    out.update({"x": x, "y": y, "logits": f, "prob": f.softmax(1)})
    out.update({"log_px": log_px(f), "log_pxy": log_pxy(f, y)})
    out["grad_log_px"] = gradient_in_x(lambda v: log_px(net(v)), x)
    out["grad_log_pxy"] = gradient_in_x(lambda v: log_pxy(net(v), y), x)
    out["grad_ce"] = gradient_in_x(
        lambda v: nnf.cross_entropy(net(v), y, reduction="sum"), x
    )
    out["mass"] = -out["grad_log_px"].flatten(1).norm(dim=1)


def loss_of(net, b, px, py_x, pxy, l2):
    """The loss of jem/train.h, term by term."""
    f_d, f_l, f_q = net(b["x_d"]), net(b["x_l"]), net(b["x_q"])
    loss = px * (log_px(f_q).mean() - log_px(f_d).mean())
    loss = loss + py_x * nnf.cross_entropy(f_l, b["y_l"])
    loss = loss + pxy * (log_pxy(f_q, b["y_q"]).mean() - log_pxy(f_l, b["y_l"]).mean())
    return loss + l2 * ((log_px(f_d) ** 2).mean() + (log_px(f_q) ** 2).mean())


def record_loss(net, batches, keep, out, meta):
    """The gradient of the whole loss in the weights."""
    weights = {"px": 1, "py_x": 1, "pxy": 0.3, "l2": 0.1}
    net.zero_grad()
    loss = loss_of(net, batches, **weights)
    loss.backward()
    out["loss"] = loss.detach().reshape(1)
    for name, p in net.named_parameters():
        if keep(name, p):
            out["grad/" + name] = p.grad.clone()
    meta.update({f"loss/train.weight_{k}": weights[k] for k in ("px", "py_x", "pxy")})
    meta["loss/train.energy_l2"] = weights["l2"]


def record_training(net, batches, kind, steps, keep, out, meta):
    """Weights after some steps on fixed batches; the net gets its weights back."""
    start = {k: v.clone() for k, v in net.state_dict().items()}
    lr, decay, warmup = (1e-3, 0.02, steps // 2) if kind == "adam" else (0.02, 0.02, 0)
    if kind == "adam":
        optimizer = torch.optim.Adam(net.parameters(), lr=lr, weight_decay=decay)
    else:
        optimizer = torch.optim.SGD(
            net.parameters(), lr=lr, momentum=0.9, weight_decay=decay
        )
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * step / warmup if step < warmup else lr
        optimizer.zero_grad()
        loss_of(net, batches, 1, 1, 0, 0).backward()
        optimizer.step()
    for name, p in net.named_parameters():
        if keep(name, p):
            out[f"{kind}/{name}"] = p.detach().clone()
    meta.update({f"{kind}/train.optimizer": kind, f"{kind}/train.lr": lr})
    meta.update({f"{kind}/train.weight_decay": decay, f"{kind}/train.warmup_steps": warmup})
    meta[f"{kind}/steps"] = steps
    net.load_state_dict(start)


def record_sgld(net, shape, n, out, meta):
    """Twenty steps of the paper's sampler with noise from the fixture, then five clamped steps
    without noise from the same start (JEM++). The clamp of the gradient is its median size."""
    x0, noise = images(n, shape), single(torch.randn(20, n, *shape))
    x = x0.clone()
    for step in range(20):
        x = x + gradient_in_x(lambda v: log_px(net(v)), x) + 0.01 * noise[step]
    out.update({"sgld/x0": x0, "sgld/noise": noise, "sgld/x": x})
    g = gradient_in_x(lambda v: log_px(net(v)), x0)
    limit = float(numpy.float32(g.abs().median().item()))
    alpha = float(numpy.float32(0.3 / limit))
    x = x0.clone()
    for step in range(5):
        g = gradient_in_x(lambda v: log_px(net(v)), x)
        x = (x + alpha * g.clamp(-limit, limit)).clamp(-1, 1)
    out["clamped/x"] = x
    meta.update({"sgld/sgld.step_size": 1, "clamped/sgld.step_size": repr(alpha)})
    meta.update({"clamped/sgld.clamp_grad": repr(limit), "clamped/sgld.clamp_x": 1})


def few(name, p):
    """What is kept of a training of a WRN, for small files."""
    return "shortcut" in name or "class_output" in name or name.startswith("f.conv1")


def many(name, p):
    """What is kept of the gradient of a WRN's loss."""
    return p.numel() <= 10000


def everything(name, p):
    return True


def record_once(net, shape, classes, keep, keep_gradient, steps, chains, out, meta):
    """All parts of one fixture, from fresh weights. Stops early at a kink."""
    Leaky.nearest = math.inf
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.reset_parameters()  # PyTorch's own, doubled: livelier logits
            for p in module.parameters(recurse=False):
                p.data = single(p.data * 2)
    for name, p in net.named_parameters():
        out["w/" + name] = p.detach().clone()
    record_head(net, shape, classes, out)
    batches = {"x_d": images(1, shape), "x_l": images(3, shape), "x_q": images(2, shape)}
    batches["y_l"] = torch.randint(classes, (3,))
    batches["y_q"] = torch.randint(classes, (2,))
    out.update(batches)
    record_loss(net, batches, keep_gradient, out, meta)
    if steps > 0 and Leaky.nearest >= MARGIN:
        record_training(net, batches, "adam", steps, keep, out, meta)
    if steps > 0 and Leaky.nearest >= MARGIN:
        record_training(net, batches, "sgd", steps, keep, out, meta)
    if chains > 0 and Leaky.nearest >= MARGIN:
        record_sgld(net, shape, chains, out, meta)


def record(path, net, shape, classes, settings, keep, keep_gradient, steps, chains):
    """One fixture. Seeds are tried in turn until no LeakyReLU input comes near its kink."""
    net.double()
    for seed in range(1000):
        out, meta = {}, {f"model.{k}": v for k, v in settings.items()}
        meta.update({"model.channels": shape[0], "model.height": shape[1]})
        meta.update({"model.width": shape[2], "model.classes": classes, "seed": seed})
        torch.manual_seed(seed)
        record_once(net, shape, classes, keep, keep_gradient, steps, chains, out, meta)
        if Leaky.nearest < MARGIN:
            continue
        write_safetensors(path, out, meta)
        print(f"{path.name}: seed {seed}, {path.stat().st_size} bytes, ", end="")
        print(f"logits {out['logits'].std():.2g}, nearest kink {Leaky.nearest:.2g}")
        return
    sys.exit(f"{path.name}: no seed keeps away from the kinks")


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    torch.set_num_threads(1)

    wrn = {"arch": "wrn", "depth": 10, "widen": 1}
    net, shape = WideResNet(10, 1, 3, 10), (3, 32, 32)
    record(folder / "wrn_rgb.safetensors", net, shape, 10, wrn, few, many, 3, 0)
    net, shape = WideResNet(10, 1, 1, 10), (1, 28, 28)
    record(folder / "wrn_gray.safetensors", net, shape, 10, wrn, few, few, 0, 1)
    small = {"arch": "small", "filters": 4}
    net, shape = SmallConv(4, 3, 10), (3, 15, 13)
    record(folder / "small.safetensors", net, shape, 10, small, everything, everything, 10, 2)
    mlp = {"arch": "mlp", "hidden": 12, "layers": 2}
    net, shape = Mlp(96, 12, 2, 7), (2, 8, 6)
    record(folder / "mlp.safetensors", net, shape, 7, mlp, everything, everything, 10, 2)


if __name__ == "__main__":
    main()
