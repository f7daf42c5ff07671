# SPDX-License-Identifier: MIT
"""What is random in libjem, read out through its public functions, so that PyTorch and NumPy can
be given the same: noise of chains, slots of the replay buffer, restarts.

None of it depends on the network, so the smallest one that takes the images is used."""

import dataclasses

import numpy

from jem import Jem


@dataclasses.dataclass
class Draws:
    """Draws from a replay buffer: `born` are its images at birth; draw i takes slot `slots[i]`,
    and if `restart[i]`, `fresh[i]` in place of the image there."""

    born: numpy.ndarray
    slots: numpy.ndarray
    restart: numpy.ndarray
    fresh: numpy.ndarray


class Dice:
    """A seed of libjem's and its stream, for images of one shape."""

    def __init__(self, library, shape, seed, stream=0, kernels="cpu"):
        self.jem = Jem(library, kernels)
        self.shape, self.seed = shape, (seed, stream)
        names = ("model.channels", "model.height", "model.width")
        self.model = self.jem.model({"model.arch": "mlp", "model.layers": 1, "model.hidden": 1,
                                     **dict(zip(names, shape))})
        self.head = self.jem.make("head_create", self.model, 64)

    def sampler(self, settings):
        opts = self.jem.options(settings)
        sampler = self.jem.make("sampler_create", self.head, opts)
        self.jem.call("sampler_seed", sampler, *self.seed)
        return sampler

    def noise(self, n, steps, noise_std, calls=1):
        """The noise of runs of `n` chains of `steps` steps each, one after the other: calls x
        steps x n x image. With a step size of 0 chains from x = 0 are sums of noise."""
        sums = numpy.zeros((steps + 1, calls * n, *self.shape), numpy.float32)
        for k in range(1, steps + 1):
            sampler = self.sampler({"sgld.step_size": 0, "sgld.noise_std": noise_std})
            self.jem.call("sampler_run", sampler, sums[k], None, calls * n, k)
        noise = numpy.diff(sums.astype(numpy.float64), axis=0)
        return noise.reshape(steps, calls, n, *self.shape).swapaxes(0, 1)

    def buffer(self, capacity, restart_prob):
        settings = {"pcd.capacity": capacity, "pcd.restart_prob": restart_prob}
        return self.jem.make("buffer_create", self.sampler({}), self.jem.options(settings))

    def read(self, buffer, capacity):
        images = numpy.empty((capacity, *self.shape), numpy.float32)
        self.jem.call("buffer_read", buffer, 0, capacity, images)
        return images

    def draw(self, buffer, n):
        images = numpy.empty((n, *self.shape), numpy.float32)
        slots = numpy.empty(n, numpy.int64)
        self.jem.call("buffer_draw", buffer, None, n, images, slots)
        return images, slots

    def draws(self, n, capacity, restart_prob):
        """What n draws do. Three buffers of one seed tell: one that always restarts, one that
        never does, and the one in question."""
        buffer = self.buffer(capacity, restart_prob)
        born = self.read(buffer, capacity)
        images, slots = self.draw(buffer, n)
        fresh = self.draw(self.buffer(capacity, 1), n)[0]
        kept, same_slots = self.draw(self.buffer(capacity, 0), n)
        restart = (images == fresh).all((1, 2, 3))
        assert (slots == same_slots).all() and (kept == born[slots]).all()
        assert (images[~restart] == kept[~restart]).all()
        return Draws(born, slots, restart, fresh)
