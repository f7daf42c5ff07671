# SPDX-License-Identifier: MIT
"""What PyTorch says: scores, gradients, chains and optimisers of the official architecture.

Everything is a function of a network and of batches and follows their precision, so that the
same code gives the reference (double) and PyTorch's own rounding (float)."""

import dataclasses
import pathlib
import sys

import numpy
import torch
import torch.nn.functional as nnf

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "golden"))
from record import LEAK, Leaky, WideResNet, gradient_in_x, log_px, log_pxy, single  # noqa: E402

PAPER = {"px": 1, "py_x": 1, "pxy": 0, "l2": 0}
ALL_TERMS = {"px": 1, "py_x": 0.7, "pxy": 0.3, "l2": 0.1}
SMOOTHED = {**ALL_TERMS, "smoothing": 0.1}
GAIN = 1.8  # makes logits of a fresh network differ, and gradients larger than a chain's noise
MARGIN = 1e-4  # of a layer's spread: how far LeakyReLU inputs are kept from zero


def fresh_net(depth, widen, channels, classes):
    """PyTorch's own initial weights times GAIN, rounded to floats."""
    net = WideResNet(depth, widen, channels, classes).double()
    for p in net.parameters():
        p.data = single(p.data * GAIN)
    return net


def _clear_layer(conv, value):
    """The shifts of the biases of `conv`, as small as may be, that keep `value`, its output or a
    sum with it, away from zero; and `value` with them."""
    margin = MARGIN * value.std()
    bias, shifts = conv.bias.data.clone(), torch.full_like(conv.bias, numpy.nan)
    for attempt in range(1000):
        distance = (attempt + 1) // 2 * (-1) ** attempt * margin / 2
        shift = single(bias + distance) - bias
        good = (value + shift[:, None, None]).abs().amin((0, 2, 3)) > margin
        shifts = torch.where(shifts.isnan() & good, shift, shifts)
        if not shifts.isnan().any():
            conv.bias.data += shifts
            return value + shifts[:, None, None], shifts
    raise RuntimeError("no bias keeps a channel away from the kink of LeakyReLU")


@torch.no_grad()
def clear_kinks(net, x):
    """Change biases in their last digits so that no LeakyReLU of `net` has, for the images x, an
    input within rounding of zero. There the gradient jumps, and the side on which a float falls
    is chance: no two implementations agree. Returns {bias: shift}."""
    body, found = net.f, {}
    value, found["f.conv1.bias"] = _clear_layer(body.conv1, body.conv1(x))
    for name, block in body.named_modules():
        if not hasattr(block, "shortcut"):
            continue
        inner = block.conv1(nnf.leaky_relu(value, LEAK))
        inner, found[f"f.{name}.conv1.bias"] = _clear_layer(block.conv1, inner)
        value = block.conv2(nnf.leaky_relu(inner, LEAK)) + block.shortcut(value)
        value, found[f"f.{name}.conv2.bias"] = _clear_layer(block.conv2, value)
    return found


def clear_or_repeat(net, x, shifts, step):
    """Clear the kinks before this step and note how in `shifts`; or do what is noted there."""
    if step == len(shifts):
        shifts.append(clear_kinks(net, x))
        return
    parameters = dict(net.named_parameters())
    for name, shift in shifts[step].items():
        parameters[name].data += shift.to(parameters[name].dtype)


def nearest_kink(compute, *args):
    """What `compute` returns, and how near to zero an input of a LeakyReLU came meanwhile."""
    Leaky.nearest = float("inf")
    return compute(*args), Leaky.nearest


def all_images(b):
    return torch.cat((b["x_d"], b["x_l"], b["x_q"]))


def all_labels(b):
    return torch.cat((b["y_d"], b["y_l"], b["y_q"]))


def head(net, b):
    """What a model says about the images of all batches."""
    x, y = all_images(b), all_labels(b)
    with torch.no_grad():
        f = net(x)
    grad_px = gradient_in_x(lambda v: log_px(net(v)), x)
    return {
        "logits f(x)": f,
        "log p(x), logsumexp f(x)": log_px(f),
        "log p(x|y), f(x)[y]": log_pxy(f, y),
        "p(y|x), softmax f(x)": f.softmax(1),
        "gradient of log p(x)": grad_px,
        "gradient of log p(x|y)": gradient_in_x(lambda v: log_pxy(net(v), y), x),
        "gradient of log p(y|x)":
            gradient_in_x(lambda v: -nnf.cross_entropy(net(v), y, reduction="sum"), x),
        "approximate mass": -grad_px.flatten(1).norm(dim=1),
    }


def loss_terms(net, b, weights):
    """The four terms of the loss, with their weights (include/jem/train.h)."""
    f_d, f_l, f_q = net(b["x_d"]), net(b["x_l"]), net(b["x_q"])
    energies_d, energies_q = log_px(f_d), log_px(f_q)
    gap_pxy = log_pxy(f_q, b["y_q"]).mean() - log_pxy(f_l, b["y_l"]).mean()
    smoothing = weights.get("smoothing", 0)
    return torch.stack((
        weights["px"] * (energies_q.mean() - energies_d.mean()),
        weights["py_x"] * nnf.cross_entropy(f_l, b["y_l"], label_smoothing=smoothing),
        weights["pxy"] * gap_pxy,
        weights["l2"] * ((energies_d**2).mean() + (energies_q**2).mean()),
    ))


def loss(net, b, weights):
    """The loss with its terms, and its gradient in every parameter."""
    net.zero_grad()
    terms = loss_terms(net, b, weights)
    terms.sum().backward()
    numbers = torch.cat((terms.detach(), terms.detach().sum().reshape(1)))
    return numbers, {name: p.grad.clone() for name, p in net.named_parameters()}


def sharp_gradient(net, b, weights, kind, rho):
    """The gradient of the loss at w + rho T^2 g / ||T g||, g that at w; T is 1, or |w| of the kind
    "adaptive". Leaves the net there."""
    w, g = dict(net.named_parameters()), loss(net, b, weights)[1]
    size = {name: p.detach().abs() if kind == "adaptive" else torch.ones_like(p)
            for name, p in w.items()}
    norm = torch.cat([(size[name] * g[name]).flatten() for name in w]).norm()
    for name, p in w.items():
        p.data += rho * size[name]**2 * g[name] / norm
    return loss(net, b, weights)[1]


def chain(net, x, y, noise):
    """x after len(noise) SGLD steps with the given noise, on log p(x), or log p(x|y)."""
    for added in noise:
        score = (lambda v: log_px(net(v))) if y is None else (lambda v: log_pxy(net(v), y))
        x = x + gradient_in_x(score, x) + added
    return x


def bend_of_chain(net, x, noise, end):
    """With `end` as the gradient of a loss in where chains end: how much that in where they begin
    differs from it. Second derivatives, through the unrolled chain."""
    start = x.detach().requires_grad_()
    x = start
    for added in noise:
        slope, = torch.autograd.grad(log_px(net(x)).sum(), x, create_graph=True)
        x = x + slope + added
    return torch.autograd.grad((x * end).sum(), start)[0] - end


def cleared_chain(net, x, y, noise, shifts):
    """The same, with the network's kinks out of the way before each step."""
    for step in range(len(noise)):
        clear_or_repeat(net, x, shifts, step)
        x = chain(net, x, y, noise[step : step + 1])
    return x


def optimizer(net, s):
    if s["train.optimizer"] == "adam":
        return torch.optim.Adam(net.parameters(), s["train.lr"],
                                weight_decay=s["train.weight_decay"])
    return torch.optim.SGD(net.parameters(), s["train.lr"], s["train.momentum"],
                           weight_decay=s["train.weight_decay"])


def set_rate(rule, step, s):
    """The official schedule: a linear warm-up, later a factor at each milestone passed."""
    rate = s["train.lr"]
    if step < s["train.warmup_steps"]:
        rate *= step / s["train.warmup_steps"]
    elif step >= int(s["train.decay_epochs"]):  # here an epoch has one step
        rate *= s["train.decay_rate"]
    for group in rule.param_groups:
        group["lr"] = rate


def training(net, b, s, steps, shifts):
    """Every weight after some steps on the same batches, without kinks in any."""
    rule, x = optimizer(net, s), all_images(b)
    for step in range(steps):
        clear_or_repeat(net, x, shifts, step)
        set_rate(rule, step, s)
        net.zero_grad()
        loss_terms(net, b, PAPER).sum().backward()
        rule.step()
    return dict(net.named_parameters())


def algorithm_1(net, b, draws, noise, s):
    """Whole training steps of the paper: draw chains, run them, descend the loss, store them. Of
    `draws` and `noise` each step takes its part; x_d is x_l. Returns weights and buffer."""
    rule, buffer = optimizer(net, s), draws.born.clone()
    for step, added in enumerate(noise):
        set_rate(rule, step, s)
        part = slice(step * added.shape[1], (step + 1) * added.shape[1])
        slots, restart = draws.slots[part], draws.restart[part, None, None, None]
        x_q = chain(net, torch.where(restart, draws.fresh[part], buffer[slots]), None, added)
        net.zero_grad()
        loss_terms(net, {**b, "x_d": b["x_l"], "x_q": x_q}, PAPER).sum().backward()
        rule.step()
        for slot, image in zip(slots.tolist(), x_q):  # of two for one slot the later one stays
            buffer[slot] = image
    return dict(net.named_parameters()), buffer


def tensors(draws, dtype):
    """What injected.py read out, for PyTorch."""
    return dataclasses.replace(
        draws, born=torch.from_numpy(draws.born).to(dtype),
        slots=torch.from_numpy(draws.slots), restart=torch.from_numpy(draws.restart),
        fresh=torch.from_numpy(draws.fresh).to(dtype))


def as_numpy(answer):
    """Answers in double precision, whatever they were computed in."""
    if isinstance(answer, dict):
        return {name: as_numpy(value) for name, value in answer.items()}
    return numpy.asarray(answer.detach().double())
