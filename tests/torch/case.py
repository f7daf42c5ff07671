# SPDX-License-Identifier: MIT
"""A network with random weights and images: what PyTorch says, what libjem says."""

import numpy
import torch

import oracle
from injected import Dice
from jem import floats

STEPS, TRAINING_STEPS, WHOLE_STEPS = 20, 10, 5
NOISE_STD = 0.01
PAPERS_CHAIN = {"sgld.step_size": 1, "sgld.noise_std": NOISE_STD}
RATES = {"train.warmup_steps": 4, "train.decay_epochs": "7", "train.decay_rate": 0.3}
OPTIMIZERS = {
    "Adam": {**RATES, "train.optimizer": "adam", "train.lr": 1e-4, "train.weight_decay": 0},
    "SGD": {**RATES, "train.optimizer": "sgd", "train.lr": 1e-3, "train.weight_decay": 4e-4,
            "train.momentum": 0.9},
}
SHARPNESS = {"sam": 0.05, "adaptive": 0.5}  # values of train.sam, and a rho for each
LOSSES = {"paper's terms": oracle.PAPER, "all terms": oracle.ALL_TERMS,
          "smoothed labels": oracle.SMOOTHED}
WEIGHTS = {"px": "train.weight_px", "py_x": "train.weight_py_x", "pxy": "train.weight_pxy",
           "l2": "train.energy_l2", "smoothing": "train.label_smoothing"}
LOSS_METRICS = ("loss_px", "loss_py_x", "loss_pxy", "loss_l2", "loss")

CHAINS = {"chain": f"{STEPS} SGLD steps on log p(x)",
          "class chain": f"{STEPS} SGLD steps on log p(x|y)"}
ONE_CALL = f"{STEPS} SGLD steps in one call"
BEND = f"the gradient through these {STEPS} steps"
ALGORITHM_1 = f"Algorithm 1, {WHOLE_STEPS} steps"
ALGORITHM_1_SETTINGS = {**OPTIMIZERS["Adam"], **PAPERS_CHAIN, "train.warmup_steps": 0,
                        "train.decay_epochs": "3", "sgld.steps": 4, "pcd.capacity": 6,
                        "pcd.restart_prob": 0.3, "train.crop_pad": 0, "train.flip": 0,
                        "train.input_noise": 0}


class Case:
    """`counts` are the numbers of images of x_d, x_l and x_q; `parts` what is compared."""

    def __init__(self, seed, size, shape, classes, counts, parts):
        depth, widen = size
        self.name = f"WRN-{depth}-{widen}, {'x'.join(map(str, shape))}, {classes} classes"
        self.seed, self.size, self.shape, self.classes = seed, size, shape, classes
        self.counts, self.parts = counts, parts
        self.settings = {"model.depth": depth, "model.widen": widen, "model.classes": classes,
                         "model.channels": shape[0], "model.height": shape[1],
                         "model.width": shape[2], "train.seed": seed}

    def draw(self, library):
        """Weights, batches, and the random numbers that libjem will use."""
        torch.manual_seed(self.seed)
        net = oracle.fresh_net(*self.size, self.shape[0], self.classes)
        self.b = {}
        for name, n in zip("dlq", self.counts):
            self.b["x_" + name] = oracle.single(torch.rand(n, *self.shape) * 2 - 1)
            self.b["y_" + name] = torch.randint(self.classes, (n,))
        oracle.clear_kinks(net, oracle.all_images(self.b))
        self.state, self.shifts = net.state_dict(), {}
        dice = Dice(library, self.shape, self.seed)
        n_q = self.counts[2]
        self.noise_of_calls = dice.noise(n_q, 1, NOISE_STD, calls=STEPS)[:, 0]
        self.noise_of_one_call = dice.noise(n_q, STEPS, NOISE_STD)[0]
        if "algorithm 1" in self.parts:
            s, trainers = ALGORITHM_1_SETTINGS, Dice(library, self.shape, self.seed, stream=1)
            n = self.counts[0]
            self.draws = trainers.draws(WHOLE_STEPS * n, s["pcd.capacity"], s["pcd.restart_prob"])
            self.noise_of_steps = trainers.noise(n, s["sgld.steps"], NOISE_STD,
                                                 calls=WHOLE_STEPS)

    def chains(self):
        return [(part, text) for part, text in CHAINS.items() if part in self.parts]

    # --- PyTorch -------------------------------------------------------------------------------

    def pytorch(self, dtype):
        """{quantity: answer}. The first call notes in self.shifts how kinks were cleared, later
        ones do the same; self.nearest tells how near one came where none can be cleared."""
        def net():
            copy = oracle.WideResNet(*self.size, self.shape[0], self.classes).to(dtype)
            copy.load_state_dict(self.state)
            return copy

        def shifts(what):
            return self.shifts.setdefault(what, [])

        def number(values):
            return torch.from_numpy(values).to(dtype)

        b = {k: v.to(dtype) if v.is_floating_point() else v for k, v in self.b.items()}
        found, self.nearest = {}, numpy.inf
        if "scores" in self.parts:
            found.update(oracle.head(net(), b))
            for text, weights in LOSSES.items():
                found[f"loss, {text}"], found[f"its gradient, {text}"] = oracle.loss(
                    net(), b, weights)
        for part, text in self.chains():
            y = b["y_q"] if part == "class chain" else None
            noise = number(self.noise_of_calls)
            found[text] = oracle.cleared_chain(net(), b["x_q"], y, noise, shifts(text))
            found[text + ", the way"] = found[text] - b["x_q"]
        if "one call" in self.parts:
            noise = number(self.noise_of_one_call)
            found[ONE_CALL], self.nearest = oracle.nearest_kink(
                oracle.chain, net(), b["x_q"], None, noise)
            found[BEND] = oracle.bend_of_chain(net(), b["x_q"], noise, b["x_q"].flip(3))
        if "training" in self.parts:
            for rule, s in OPTIMIZERS.items():
                after = oracle.training(net(), b, s, TRAINING_STEPS, shifts(rule))
                found.update(self.trained(f"{TRAINING_STEPS} steps of {rule}", after))
        if "algorithm 1" in self.parts:
            draws = oracle.tensors(self.draws, dtype)
            (after, found[f"{ALGORITHM_1}: the buffer"]), self.nearest = oracle.nearest_kink(
                oracle.algorithm_1, net(), b, draws, number(self.noise_of_steps),
                ALGORITHM_1_SETTINGS)
            found.update(self.trained(ALGORITHM_1, after))
        if "sharpness" in self.parts:
            for kind, rho in SHARPNESS.items():
                found[f"its gradient, train.sam={kind}"], nearest = oracle.nearest_kink(
                    oracle.sharp_gradient, net(), b, oracle.ALL_TERMS, kind, rho)
                self.nearest = min(self.nearest, nearest)
        return oracle.as_numpy(found)

    def trained(self, text, after):
        """Weights, and their change, which is the sharper test."""
        change = {name: torch.as_tensor(after[name]).double() - self.state[name]
                  for name in self.state}
        return {f"{text}: weights": after, f"{text}: change": change}

    # --- libjem --------------------------------------------------------------------------------

    def libjem(self, jem):
        """The same, on one set of kernels."""
        found = {}
        if "scores" in self.parts:
            found.update(self.libjem_scores(jem))
            for text, weights in LOSSES.items():
                found[f"loss, {text}"], found[f"its gradient, {text}"] = self.libjem_loss(
                    jem, weights)
        x_q, y_q = floats(self.b["x_q"]), self.b["y_q"].int().numpy()
        for part, text in self.chains():
            y = y_q if part == "class chain" else None
            found[text] = self.libjem_chain(jem, x_q, y, self.shifts[text])
            found[text + ", the way"] = found[text] - x_q.astype(float)
        if "one call" in self.parts:
            found[ONE_CALL] = self.libjem_chain(jem, x_q, None, None)
            found[BEND] = self.libjem_bend(jem, x_q)
        if "training" in self.parts:
            for rule, s in OPTIMIZERS.items():
                after = self.libjem_training(jem, s, self.shifts[rule])
                found.update(self.trained(f"{TRAINING_STEPS} steps of {rule}", after))
        if "algorithm 1" in self.parts:
            after, found[f"{ALGORITHM_1}: the buffer"] = self.libjem_algorithm_1(jem)
            found.update(self.trained(ALGORITHM_1, after))
        if "sharpness" in self.parts:
            for kind, rho in SHARPNESS.items():
                found[f"its gradient, train.sam={kind}"] = self.libjem_loss(
                    jem, oracle.ALL_TERMS, {"train.sam": kind, "train.sam_rho": rho})[1]
        return found

    def model(self, jem):
        return jem.model(self.settings, self.state)

    def libjem_scores(self, jem):
        x, y = floats(oracle.all_images(self.b)), oracle.all_labels(self.b).int().numpy()
        head = jem.make("head_create", self.model(jem), len(x))

        def ask(what, *y, shape=()):
            return jem.ask(head, what, x, *y, shape=(len(x), *shape))

        return {
            "logits f(x)": ask("logits", shape=(self.classes,)),
            "log p(x), logsumexp f(x)": ask("log_px", None),
            "log p(x|y), f(x)[y]": ask("log_px", y),
            "p(y|x), softmax f(x)": ask("prob_y", shape=(self.classes,)),
            "gradient of log p(x)": ask("grad_log_px", None, shape=self.shape),
            "gradient of log p(x|y)": ask("grad_log_px", y, shape=self.shape),
            "gradient of log p(y|x)": ask("grad_log_py", y, shape=self.shape),
            "approximate mass": ask("mass"),
        }

    def trainer(self, jem, model, settings, weights):
        """A trainer for steps on own batches: its data and its buffer are never used."""
        settings = {**settings, "train.batch": max(self.counts), "pcd.capacity": 1,
                    "train.crop_pad": 0, **{WEIGHTS[k]: v for k, v in weights.items()}}
        x, y = numpy.zeros((1, *self.shape), numpy.float32), numpy.zeros(1, numpy.int32)
        data = jem.dataset(x, y, self.classes)
        return jem.make("trainer_create", model, data, jem.options(settings))

    def step_on(self, jem, trainer):
        n_d, n_l, n_q = self.counts
        x_d, x_l, x_q = (floats(self.b["x_" + name]) for name in "dlq")
        y_l, y_q = (self.b["y_" + name].int().numpy() for name in "lq")
        jem.call("trainer_step_on", trainer, x_d, n_d, x_l, y_l, n_l, x_q, y_q, n_q)

    def libjem_loss(self, jem, weights, settings=None):
        model = self.model(jem)
        trainer = self.trainer(jem, model, {"train.lr": 0, **(settings or {})}, weights)
        self.step_on(jem, trainer)
        terms = [jem.number("trainer_metric", trainer, name) for name in LOSS_METRICS]
        gradient = jem.weights(trainer, "trainer_param_grad", model)
        return numpy.nan_to_num(terms), gradient  # a term without a weight is NaN

    def libjem_chain(self, jem, x, y, shifts):
        """A call for each step, with kinks cleared before it; or one call."""
        model, x = self.model(jem), x.copy()
        head = jem.make("head_create", model, len(x))
        sampler = jem.make("sampler_create", head, jem.options(PAPERS_CHAIN))
        jem.call("sampler_seed", sampler, self.seed, 0)
        if shifts is None:
            jem.call("sampler_run", sampler, x, y, len(x), STEPS)
            return x
        for shift in shifts:
            self.shift(jem, model, shift)
            jem.call("sampler_run", sampler, x, y, len(x), 1)
        return x

    def libjem_bend(self, jem, x):
        head = jem.make("head_create", self.model(jem), len(x))
        sampler = jem.make("sampler_create", head, jem.options(PAPERS_CHAIN))
        jem.call("sampler_seed", sampler, self.seed, 0)
        trace = numpy.empty((STEPS + 1, *x.shape), numpy.float32)
        end = numpy.ascontiguousarray(x[..., ::-1])
        grad = end.copy()
        jem.call("sampler_trace", sampler, x, None, len(x), STEPS, trace, trace.size)
        jem.call("sampler_backward", sampler, trace, trace.size, None, len(x), STEPS, grad)
        return grad.astype(float) - end

    def libjem_training(self, jem, settings, shifts):
        model = self.model(jem)
        trainer = self.trainer(jem, model, settings, oracle.PAPER)
        for shift in shifts:
            self.shift(jem, model, shift)
            self.step_on(jem, trainer)
        return self.weights(jem, model)

    def libjem_algorithm_1(self, jem):
        """jem_trainer_step() itself, draws and chains and all. With as many images as a batch
        holds, every batch is all of them."""
        model, n, capacity = self.model(jem), self.counts[0], ALGORITHM_1_SETTINGS["pcd.capacity"]
        settings = {**ALGORITHM_1_SETTINGS, "train.batch": n, "train.seed": self.seed}
        data = jem.dataset(floats(self.b["x_l"]), self.b["y_l"].int().numpy(), self.classes)
        trainer = jem.make("trainer_create", model, data, jem.options(settings))
        jem.call("trainer_step", trainer, WHOLE_STEPS)
        buffer = jem.make("trainer_buffer", trainer, kind="buffer")
        images = numpy.empty((capacity, *self.shape), numpy.float32)
        jem.call("buffer_read", buffer, 0, capacity, images)
        return self.weights(jem, model), images

    def shift(self, jem, model, shift):
        for name, value in shift.items():
            bias = numpy.empty(value.numel(), numpy.float32)
            jem.call("model_param_get", model, name, bias, bias.size)
            jem.call("model_param_set", model, name, floats(bias + value.numpy()), bias.size)

    def weights(self, jem, model):
        return {name: value.reshape(self.state[name].shape)
                for name, value in jem.weights(model).items()}

    def same_parameters(self, jem):
        """Are names, order and shapes those of the official state dict?"""
        want = {name: (*value.shape, 1, 1, 1, 1)[:4] for name, value in self.state.items()}
        return list(jem.shapes(self.model(jem)).items()) == list(want.items())
