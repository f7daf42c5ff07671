# SPDX-License-Identifier: MIT
"""Can jem_model_load() read these tensors? What it demands of an official checkpoint
(libjem/io/official.c, libjem/nets/wide_resnet.c), so that a file it would refuse is not written."""

import itertools

from container import Failed, torch_module

UNUSED = ("energy_output.weight", "energy_output.bias", "f.linear.weight", "f.linear.bias")
SEVERAL = 4  # names in a message


def shapes(blocks, width, channels, classes):
    """Parameters of a Wide ResNet without normalisation by name."""
    out = {}

    def conv(name, to, given, size):
        out[f"{name}.weight"], out[f"{name}.bias"] = (to, given, size, size), (to,)

    conv("f.conv1", 16, channels, 3)
    given = 16
    for stage, block in itertools.product((1, 2, 3), range(blocks)):
        to, name = 16 * width * 2 ** (stage - 1), f"f.layer{stage}.{block}"
        conv(f"{name}.conv1", to, given, 3)
        conv(f"{name}.conv2", to, to, 3)
        if given != to or (stage > 1 and block == 0):
            conv(f"{name}.shortcut.0", to, given, 1)
        given = to
    out["class_output.weight"], out["class_output.bias"] = (classes, given), (classes,)
    return out


def listed(names):
    text = ", ".join(names[:SEVERAL])
    return text if len(names) <= SEVERAL else f"{text} and {len(names) - SEVERAL} more"


def measured(path, tensors, name, form):
    """The shape of a tensor that tells a size of the network."""
    if name not in tensors:
        raise Failed(
            f'{path}: no checkpoint that libjem can read: "{name}" {form} is missing; what is '
            f"there: {listed(list(tensors))}"
        )
    shape = tuple(tensors[name].shape)
    if len(shape) != form.count(",") + 1:
        raise Failed(f'{path}: no checkpoint that libjem can read: "{name}" is {list(shape)}, '
                     f"must be {form}")
    return shape


def network(path, tensors):
    stem = measured(path, tensors, "f.conv1.weight", "[16, channels, 3, 3]")
    first = measured(path, tensors, "f.layer1.0.conv1.weight", "[16 * width, 16, 3, 3]")
    last = measured(path, tensors, "class_output.weight", "[classes, 64 * width]")
    blocks = next(b for b in itertools.count() if f"f.layer1.{b}.conv1.weight" not in tensors)
    if first[0] % 16 != 0 or not 16 <= first[0] <= 16 * 64:
        raise Failed(f'{path}: "f.layer1.0.conv1.weight" has {first[0]} output channels; libjem '
                     "reads multiples of 16 to 1024")
    return shapes(blocks, first[0] // 16, stem[1], last[0])


def check(path, tensors, size):
    """`size`: height and width of the images. Raises Failed."""
    torch = torch_module()
    wanted = network(path, tensors)
    missing = [n for n in wanted if n not in tensors]
    more = [n for n in tensors if n.startswith(("f.", "class_output.")) and n not in wanted
            and n not in UNUSED]
    faults = [f"missing: {listed(missing)}"] if missing else []
    if more:
        faults.append(f"too many: {listed(more)} (libjem's Wide ResNet has no normalisation)")
    for name, shape in wanted.items():
        t = tensors.get(name)
        if t is None:
            continue
        if tuple(t.shape) != shape:
            faults.append(f'"{name}" is {list(t.shape)}, must be {list(shape)}')
        elif not t.dtype.is_floating_point:
            faults.append(f'"{name}" is {t.dtype}, must be floating-point numbers')
        elif not bool(torch.isfinite(t.float()).all()):
            faults.append(f'"{name}" has numbers that are NaN or infinite')
    if any(n % 4 != 0 for n in size):
        faults.append(f"images of {size[0]} x {size[1]}: height and width must be multiples of 4")
    if faults:
        raise Failed(f"{path}: libjem cannot read it, nothing is written: {'; '.join(faults[:SEVERAL])}")
