# SPDX-License-Identifier: MIT
"""NumPy's single numbers, which training loops keep beside the weights (an accuracy, a loss), for
torch.load(weights_only=True). Stand-ins of a few lines take the places of NumPy's own functions,
which can be made to read memory that is not theirs: numbers come out, and nothing else does."""

import struct

CODES = {"b1": "?", "i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q"}
CODES.update({"f2": "e", "f4": "f", "f8": "d"})


class Type:
    """numpy.dtype: a code like "f8", and the order of its bytes."""

    def __init__(self, code, align=False, copy=True):
        if code not in CODES:
            raise ValueError(f"numpy.dtype({str(code)[:20]!r}) is no number")
        self.code, self.order = code, "<"

    def __setstate__(self, state):
        self.order = ">" if state[1] == ">" else "<"


def scalar():
    """numpy.core.multiarray.scalar; each is one of its own, to have a name of its own."""
    return lambda kind, data: struct.unpack(kind.order + CODES[kind.code], data)[0]


STAND_INS = (
    (Type, "numpy", "dtype"),
    (scalar(), "numpy.core.multiarray", "scalar"),
    (scalar(), "numpy._core.multiarray", "scalar"),  # since NumPy 2
)


def allow(torch):
    """Does nothing where PyTorch cannot be told (before 2.4)."""
    add = getattr(torch.serialization, "add_safe_globals", None)
    if add is None:
        return
    for what, module, name in STAND_INS:  # PyTorch asks what it is given for its name
        what.__module__, what.__name__, what.__qualname__ = module, name, name
    add([what for what, _, _ in STAND_INS])
