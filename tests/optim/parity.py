"""Optimisers and schedules beside PyTorch's, and beside their formulas as the books write them.

``python -m tests.optim.parity`` prints the table.
"""

import importlib.util
import math

import numpy as np

import minigrad as mg
from minigrad.optim import SGD, Adam, AdamW, RMSprop

# --- The update rules, parameter by parameter ---------------------------------------------------------------------


class PlainSGD:
    def __init__(self, p, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
        self.p, self.v = p.copy(), None
        self.lr, self.momentum, self.dampening = lr, momentum, dampening
        self.decay, self.nesterov = weight_decay, nesterov

    def step(self, g):
        g = g + self.decay * self.p
        self.v = g if self.v is None else self.momentum * self.v + (1 - self.dampening) * g
        direction = g + self.momentum * self.v if self.nesterov else self.v if self.momentum else g
        self.p = self.p - self.lr * direction


class PlainAdam:
    def __init__(self, p, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        self.p, self.m, self.v, self.t = p.copy(), np.zeros_like(p), np.zeros_like(p), 0
        self.lr, self.betas, self.eps, self.decay = lr, betas, eps, weight_decay

    def decayed(self, g):
        return g + self.decay * self.p

    def step(self, g):
        g = self.decayed(g)
        self.t += 1
        b1, b2 = self.betas
        self.m = b1 * self.m + (1 - b1) * g
        self.v = b2 * self.v + (1 - b2) * g**2
        self.p = self.p - self.lr * (self.m / (1 - b1**self.t)) / (np.sqrt(self.v / (1 - b2**self.t)) + self.eps)


class PlainAdamW(PlainAdam):
    def __init__(self, p, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        super().__init__(p, lr, betas, eps, weight_decay)

    def decayed(self, g):
        self.p = self.p - self.lr * self.decay * self.p
        return g


class PlainRMSprop:
    def __init__(self, p, lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False):
        self.p, self.s, self.m, self.v = p.copy(), np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
        self.lr, self.alpha, self.eps, self.decay = lr, alpha, eps, weight_decay
        self.momentum, self.centered = momentum, centered

    def step(self, g):
        g = g + self.decay * self.p
        self.s = self.alpha * self.s + (1 - self.alpha) * g**2
        self.m = self.alpha * self.m + (1 - self.alpha) * g
        deviation = np.sqrt(self.s - self.m**2 if self.centered else self.s)
        self.v = self.momentum * self.v + g / (deviation + self.eps)
        self.p = self.p - self.lr * self.v


RULES = {
    "SGD": (SGD, PlainSGD, {"lr": 0.1}),
    "SGD by default": (SGD, PlainSGD, {}),
    "SGD weight decay": (SGD, PlainSGD, {"lr": 0.1, "weight_decay": 0.3}),
    "SGD momentum": (SGD, PlainSGD, {"lr": 0.1, "momentum": 0.9}),
    "SGD dampening": (SGD, PlainSGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.4}),
    "SGD nesterov": (SGD, PlainSGD, {"lr": 0.1, "momentum": 0.8, "nesterov": True}),
    "SGD all": (SGD, PlainSGD, {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    "Adam": (Adam, PlainAdam, {"lr": 0.1}),
    "Adam by default": (Adam, PlainAdam, {}),
    "Adam betas": (Adam, PlainAdam, {"lr": 0.1, "betas": (0.5, 0.7)}),
    "Adam without memory": (Adam, PlainAdam, {"lr": 0.1, "betas": (0.0, 0.0)}),
    "Adam eps": (Adam, PlainAdam, {"lr": 0.1, "eps": 0.3}),
    "Adam weight decay": (Adam, PlainAdam, {"lr": 0.1, "weight_decay": 0.3}),
    "AdamW": (AdamW, PlainAdamW, {"lr": 0.1, "weight_decay": 0.3}),
    "AdamW by default": (AdamW, PlainAdamW, {}),
    "AdamW without decay": (AdamW, PlainAdamW, {"lr": 0.1, "weight_decay": 0.0}),
    "RMSprop": (RMSprop, PlainRMSprop, {"lr": 0.1}),
    "RMSprop by default": (RMSprop, PlainRMSprop, {}),
    "RMSprop alpha": (RMSprop, PlainRMSprop, {"lr": 0.1, "alpha": 0.5}),
    "RMSprop momentum": (RMSprop, PlainRMSprop, {"lr": 0.01, "momentum": 0.9}),  # at 0.1 they go to 27: float32 rounds
    "RMSprop centered": (RMSprop, PlainRMSprop, {"lr": 0.1, "centered": True}),
    "RMSprop all": (
        RMSprop,
        PlainRMSprop,
        {"lr": 0.1, "alpha": 0.9, "momentum": 0.8, "centered": True, "weight_decay": 0.3, "eps": 0.01},
    ),
}
SHAPES = [(3, 4), (4,), (), (2, 1, 2), (0, 3)]
# which parameters have a gradient at a step
PATTERNS = {
    "all": lambda step, i: True,
    "never the second": lambda step, i: i != 1,
    "now and then": lambda step, i: (step + i) % 3 != 0,
    "the second late": lambda step, i: i != 1 or step > 5,
}


def starts(dtypes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(dtypes[i % len(dtypes)]) for i, shape in enumerate(SHAPES)]


def gradients(arrays, pattern):
    """Twenty steps of gradients; None where a parameter has none."""
    rng = np.random.default_rng(1)
    for step in range(20):
        drawn = [np.asarray(rng.normal(size=a.shape), a.dtype) for a in arrays]
        yield [g if pattern(step, i) else None for i, g in enumerate(drawn)]


def give(parameters, found):
    for p, g in zip(parameters, found, strict=True):
        p.grad = None if g is None else mg.tensor(g)


def parameters_of(arrays):
    return [mg.nn.Parameter(a.copy()) for a in arrays]


DTYPES = {"float32": [np.float32], "float64": [np.float64], "mixed": [np.float32, np.float64]}


def beside_pytorch(rule, pattern, dtypes):
    """(ours, theirs) for every parameter after each of twenty steps."""
    import torch

    make, _, settings = RULES[rule]
    arrays = starts(dtypes)
    parameters, others = parameters_of(arrays), [torch.nn.Parameter(torch.tensor(a)) for a in arrays]
    optimizer, other = make(parameters, **settings), getattr(torch.optim, make.__name__)(others, **settings)
    for found in gradients(arrays, PATTERNS[pattern]):
        give(parameters, found)
        for p, g in zip(others, found, strict=True):
            p.grad = None if g is None else torch.tensor(g)
        optimizer.step()
        other.step()
        for p, q in zip(parameters, others, strict=True):
            yield p.data, q.detach().numpy()


# --- The schedules ------------------------------------------------------------------------------------------------

LR = 0.2  # of PyTorch's absolute rates ours are shares


def one_cycle_in_phases(t, total=40, rise=0.3, start=1 / 25, final=1 / 25e4):
    """By interpolation of the phase, where minigrad interpolates the height."""
    phase = np.interp(t, [0, rise * total - 1, total - 1], [0, 1, 2])
    return start + (1 - start) * math.sin(phase * math.pi / 2) ** 2 if phase <= 1 else (
        final + (1 - final) * math.sin(phase * math.pi / 2) ** 2
    )  # fmt: skip


# ours, its twin for any t, PyTorch's given the module and an optimiser of rate LR, up to which t they agree
SCHEDULES = {
    "constant": (
        mg.optim.constant(),
        lambda t: 1,
        lambda torch, o: torch.LambdaLR(o, lambda t: 1),
        50,
    ),
    "constant 1/4": (
        mg.optim.constant(0.25),
        lambda t: 0.25,
        lambda torch, o: torch.ConstantLR(o, factor=0.25, total_iters=100),
        50,
    ),
    "step": (
        mg.optim.step(7),
        lambda t: 0.1 ** len(range(7, t + 1, 7)),
        lambda torch, o: torch.StepLR(o, step_size=7),
        50,
    ),
    "step gamma": (
        mg.optim.step(10, gamma=0.5),
        lambda t: 0.5 ** len(range(10, t + 1, 10)),
        lambda torch, o: torch.StepLR(o, step_size=10, gamma=0.5),
        50,
    ),
    "exponential": (
        mg.optim.exponential(0.93),
        lambda t: math.exp(t * math.log(0.93)),
        lambda torch, o: torch.ExponentialLR(o, gamma=0.93),
        50,
    ),
    "cosine": (
        mg.optim.cosine(50),
        lambda t: math.cos(math.pi * t / 100) ** 2,
        lambda torch, o: torch.CosineAnnealingLR(o, T_max=50),
        50,
    ),
    "cosine final, past its end": (
        mg.optim.cosine(20, final=0.1),
        lambda t: 0.1 + 0.9 * math.cos(math.pi * t / 40) ** 2,
        lambda torch, o: torch.CosineAnnealingLR(o, T_max=20, eta_min=0.1 * LR),
        50,
    ),
    "warmup": (
        mg.optim.warmup(5),
        lambda t: np.interp(t, [0, 5], [1 / 3, 1]),
        lambda torch, o: torch.LinearLR(o),
        50,
    ),
    "warmup start": (
        mg.optim.warmup(30, start=0.01),
        lambda t: np.interp(t, [0, 30], [0.01, 1]),
        lambda torch, o: torch.LinearLR(o, start_factor=0.01, total_iters=30),
        50,
    ),
    "cyclic": (
        mg.optim.cyclic(8),
        lambda t: np.interp(t, range(0, 64, 8), [0.1, 1] * 4),
        lambda torch, o: torch.CyclicLR(o, base_lr=0.1 * LR, max_lr=LR, step_size_up=8, cycle_momentum=False),
        50,
    ),
    "cyclic up and down": (
        mg.optim.cyclic(4, 11, low=0.25),
        lambda t: np.interp(t, np.ravel([[k, k + 4] for k in range(0, 75, 15)]), [0.25, 1] * 5),
        lambda torch, o: torch.CyclicLR(
            o, base_lr=0.25 * LR, max_lr=LR, step_size_up=4, step_size_down=11, cycle_momentum=False
        ),
        50,
    ),
    "one_cycle": (
        mg.optim.one_cycle(50),
        lambda t: one_cycle_in_phases(t, 50),
        lambda torch, o: torch.OneCycleLR(o, max_lr=LR, total_steps=50, cycle_momentum=False),
        49,
    ),
    "one_cycle shares": (
        mg.optim.one_cycle(40, rise=0.6, start=0.1, final=0.001),
        lambda t: one_cycle_in_phases(t, 40, 0.6, 0.1, 0.001),
        lambda torch, o: torch.OneCycleLR(
            o, LR, 40, pct_start=0.6, div_factor=10, final_div_factor=100, cycle_momentum=False
        ),
        39,  # PyTorch's raises after its last step
    ),
    "warmup times cosine": (
        lambda t: mg.optim.warmup(5)(t) * mg.optim.cosine(50)(t),
        lambda t: np.interp(t, [0, 5], [1 / 3, 1]) * math.cos(math.pi * t / 100) ** 2,
        lambda torch, o: torch.ChainedScheduler([torch.LinearLR(o), torch.CosineAnnealingLR(o, T_max=50)]),
        50,
    ),
}  # fmt: skip


def rates_beside_pytorch(name):
    """(ours, theirs): the rate at each t of the schedule on an optimiser."""
    import torch

    factor, _, make, last = SCHEDULES[name]
    optimizer = SGD(parameters_of([np.ones(2)]), lr=LR)
    other = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=LR)
    schedule, theirs = mg.optim.Schedule(optimizer, factor), make(torch.optim.lr_scheduler, other)
    for t in range(last + 1):
        yield optimizer.param_groups[0]["lr"], other.param_groups[0]["lr"]
        if t < last:
            schedule.step()
            other.step()
            theirs.step()


def largest_difference(pairs):
    """Absolute up to 1, relative beyond."""
    return max(float((np.abs(a - b) / np.maximum(np.abs(b), 1)).max(initial=0)) for a, b in pairs)


def main():
    if importlib.util.find_spec("torch") is None:
        raise SystemExit("PyTorch is not installed: the table needs it as the other side (pip install torch)")
    print("largest difference of a parameter from PyTorch's over 20 steps, with gradients at every step or at some")
    print(f"  {'':22}{'float32':>9}{'float64':>9}")
    for rule, (_, _, settings) in RULES.items():
        largest = [
            max(largest_difference(beside_pytorch(rule, pattern, DTYPES[dtype])) for pattern in PATTERNS)
            for dtype in ("float32", "float64")
        ]
        print(f"  {rule:22}{largest[0]:9.1e}{largest[1]:9.1e}  {settings}")
    print(f"largest difference of a rate from PyTorch's, 50 steps from lr = {LR}")
    for name in SCHEDULES:
        print(f"  {name:28}{largest_difference(rates_beside_pytorch(name)):12.1e}")


if __name__ == "__main__":
    main()
