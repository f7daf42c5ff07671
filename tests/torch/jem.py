# SPDX-License-Identifier: MIT
"""libjem through ctypes, public functions only, with NumPy arrays in and out."""

import ctypes

import numpy


def _argument(value):
    if isinstance(value, int):
        return ctypes.c_int64(value)
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, numpy.ndarray):
        assert value.flags.c_contiguous and value.dtype != numpy.float64, value.dtype
        return value.ctypes.data_as(ctypes.c_void_p)
    return value  # None, Handle, ctypes' own


def floats(values):
    """A contiguous float array of anything, a tensor of PyTorch for instance."""
    return numpy.ascontiguousarray(values, dtype=numpy.float32)


class Handle:
    """An object of libjem, freed with the last reference to it."""

    def __init__(self, lib, kind):
        self._as_parameter_ = ctypes.c_void_p()
        self._free = getattr(lib, f"jem_{kind}_free")
        self._free.argtypes, self._free.restype = [ctypes.c_void_p], None

    def __del__(self):
        self._free(self._as_parameter_)


class Jem:
    """A context on one backend, and short names for what the checks ask of it."""

    def __init__(self, path, backend):
        self.lib = ctypes.CDLL(path)
        self.lib.jem_last_error.restype = ctypes.c_char_p
        self.lib.jem_context_kernels.restype = ctypes.c_char_p
        self.lib.jem_version_string.restype = ctypes.c_char_p
        self.version = self.lib.jem_version_string().decode()
        self.context = self.make("context_create", backend)
        self.kernels = self.lib.jem_context_kernels(self.context).decode()

    def call(self, name, *args):
        """Call jem_NAME; an error becomes an exception."""
        status = getattr(self.lib, "jem_" + name)(*map(_argument, args))
        if status != 0:
            text = self.lib.jem_last_error().decode()
            raise RuntimeError(f"jem_{name}: {status}: {text}")

    def make(self, name, *args, kind=None):
        """Call jem_NAME, whose last argument receives a handle."""
        handle = Handle(self.lib, kind or name.split("_")[0])
        self.call(name, *args, ctypes.byref(handle._as_parameter_))
        return handle

    def options(self, settings):
        opts = self.make("options_create", self.context)
        for name, value in settings.items():
            self.call("options_set_str", opts, name, str(value))
        return opts

    def model(self, settings, weights=None):
        """A model, with the weights of a PyTorch state dict if there is one."""
        model = self.make("model_create", self.context, self.options(settings))
        for name, value in (weights or {}).items():
            self.call("model_param_set", model, name, floats(value), value.numel())
        return model

    def shapes(self, model):
        """{parameter: shape}, of four sizes each."""
        found, name, shape = {}, ctypes.c_char_p(), (ctypes.c_int64 * 4)()
        while True:
            index = ctypes.c_int64(len(found))
            if self.lib.jem_model_param_info(model, index, ctypes.byref(name), shape) != 0:
                return found
            found[name.value.decode()] = tuple(shape)

    def weights(self, owner, what="model_param_get", model=None):
        """{parameter: values}; `what` reads them from `owner`, `model` knows their shapes."""
        found = {}
        for name, shape in self.shapes(model or owner).items():
            found[name] = numpy.empty(shape, numpy.float32)
            self.call(what, owner, name, found[name], found[name].size)
        return found

    def ask(self, head, what, x, *y, shape):
        """jem_head_WHAT of all images."""
        out = numpy.empty(shape, numpy.float32)
        self.call("head_" + what, head, x, *y, len(x), out, out.size)
        return out

    def number(self, name, *args):
        """The double that a function leaves in its last argument."""
        out = ctypes.c_double()
        self.call(name, *args, ctypes.byref(out))
        return out.value

    def dataset(self, x, y, classes):
        read = "dataset_from_u8" if x.dtype == numpy.uint8 else "dataset_from_f32"
        shape = numpy.array(x.shape[1:], numpy.int64)
        return self.make(read, self.context, x, y, len(x), shape, classes)
