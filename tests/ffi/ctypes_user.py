# SPDX-License-Identifier: MIT
"""libjem from Python with the standard library alone: train, score and sample on toy images.

Argument: the library's file."""

import ctypes
import math
import sys

jem = ctypes.CDLL(sys.argv[1])
jem.jem_last_error.restype = ctypes.c_char_p
jem.jem_version_string.restype = ctypes.c_char_p
for name in ("head", "sampler", "trainer", "model", "dataset", "options", "context"):
    getattr(jem, f"jem_{name}_free").argtypes = [ctypes.c_void_p]
    getattr(jem, f"jem_{name}_free").restype = None


def call(name, *args):
    """Call a function that returns a status; an error becomes an exception."""
    status = getattr(jem, name)(*args)
    if status != 0:
        raise RuntimeError(f"{name}: {status}: {jem.jem_last_error().decode()}")


def make(name, *args):
    """Call a function whose last argument receives a handle."""
    handle = ctypes.c_void_p()
    call(name, *args, ctypes.byref(handle))
    return handle


LOG = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p)
lines = []
log = LOG(lambda level, line, user: lines.append((level, line.decode())))

context = make("jem_context_create", None)
call("jem_context_set_log", context, ctypes.c_int32(3), log, None)

options = make("jem_options_create", context)
settings = {"model.arch": "mlp", "model.hidden": 8, "model.layers": 1, "model.channels": 1,
            "model.height": 4, "model.width": 4, "model.classes": 2, "train.batch": 4,
            "train.crop_pad": 0, "pcd.capacity": 16, "sgld.steps": 3}
for name, value in settings.items():
    call("jem_options_set_str", options, name.encode(), str(value).encode())

n, pixels, classes = 8, 16, 2
x = (ctypes.c_float * (n * pixels))(*[(i % 7) / 3.5 - 1 for i in range(n * pixels)])
y = (ctypes.c_int32 * n)(*[i % classes for i in range(n)])
shape = (ctypes.c_int64 * 3)(1, 4, 4)
n64 = ctypes.c_int64(n)

data = make("jem_dataset_from_f32", context, x, y, n64, shape, ctypes.c_int64(classes))
model = make("jem_model_create", context, options)
trainer = make("jem_trainer_create", model, data, options)
call("jem_trainer_step", trainer, ctypes.c_int64(2))
loss = ctypes.c_double()
call("jem_trainer_metric", trainer, b"loss", ctypes.byref(loss))

head = make("jem_head_create", model, ctypes.c_int64(4))
prob = (ctypes.c_float * (n * classes))()
call("jem_head_prob_y", head, x, n64, prob, ctypes.c_int64(len(prob)))
sampler = make("jem_sampler_create", head, options)
call("jem_sampler_run", sampler, x, None, n64, ctypes.c_int64(-1))

assert math.isfinite(loss.value), loss
assert all(abs(prob[i] + prob[i + 1] - 1) < 1e-5 for i in range(0, len(prob), classes))
assert all(math.isfinite(v) for v in x)
try:
    call("jem_options_set_str", options, b"sgld.stepz", b"1")
    raise SystemExit("ffi: an unknown option was accepted")
except RuntimeError as error:
    assert "sgld.steps" in str(error), error  # the nearest known name

for kind, handle in (("context", context), ("options", options), ("model", model),
                     ("dataset", data), ("head", head), ("trainer", trainer),
                     ("sampler", sampler)):
    getattr(jem, f"jem_{kind}_free")(handle)
print(f"ctypes: libjem {jem.jem_version_string().decode()}, loss {loss.value:.3f}")
