"""Learning rates that change: a schedule is a function from the step t = 0, 1, 2, ... to a factor.

The factor multiplies each group's own `lr`, which is the largest rate (unless a factor or gamma beyond 1 is asked for).
What t counts, batches or epochs, is up to whoever calls ``Schedule.step``. Functions compose as functions do:

- one times the other, ``lambda t: warmup(5)(t) * cosine(100)(t)``;
- one after the other, ``lambda t: warmup(5)(t) if t < 5 else cosine(95)(t - 5)``;

and are plotted as functions are: ``plt.plot([cosine(100)(t) for t in range(100)])``. They are partials of the formulas
below each, and not closures, so that they can be pickled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .checks import plain_numbers
from .optimizer import Optimizer

Factor = Callable[[int], float]


def constant(factor: float = 1.0) -> Factor:
    """The factor at every step.

    Examples
    --------
    >>> [mg.optim.constant()(t) for t in range(3)]
    [1.0, 1.0, 1.0]
    """
    _check("constant", factor=factor)
    return partial(_constant, factor)


def _constant(factor: float, _t: int) -> float:
    return factor


def step(step_size: int, gamma: float = 0.1) -> Factor:
    """gamma ** floor(t / step_size) (PyTorch's StepLR).

    Examples
    --------
    >>> [mg.optim.step(2, gamma=0.5)(t) for t in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """
    _check("step", step_size=step_size, gamma=gamma)
    return partial(_step, step_size, gamma)


def _step(step_size: int, gamma: float, t: int) -> float:
    return gamma ** (t // step_size)


def exponential(gamma: float) -> Factor:
    """gamma ** t (PyTorch's ExponentialLR).

    Examples
    --------
    >>> [mg.optim.exponential(0.5)(t) for t in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """
    _check("exponential", gamma=gamma)
    return partial(pow, gamma)


def cosine(steps: int, final: float = 0.0) -> Factor:
    """final + (1 - final) (1 + cos(pi t / steps)) / 2 (Loshchilov & Hutter 2017, equation 5; CosineAnnealingLR).

    From 1 at t = 0 to `final` at t = `steps`, and up again after that.

    Examples
    --------
    >>> [round(mg.optim.cosine(4)(t), 3) for t in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    _check("cosine", steps=steps, final=final)
    return partial(_cosine, steps, final)


def _cosine(steps: int, final: float, t: int) -> float:
    return final + (1 - final) * (1 + math.cos(math.pi * t / steps)) / 2


def warmup(steps: int, start: float = 1 / 3) -> Factor:
    """start + (1 - start) t / steps, and 1 from t = `steps` on (PyTorch's LinearLR; Goyal et al. 2017, section 2.2).

    Examples
    --------
    >>> [mg.optim.warmup(2, start=0.5)(t) for t in range(4)]
    [0.5, 0.75, 1.0, 1.0]
    """
    _check("warmup", steps=steps, start=start)
    return partial(_warmup, steps, start)


def _warmup(steps: int, start: float, t: int) -> float:
    return start + (1 - start) * min(t / steps, 1)


def cyclic(up: int, down: int | None = None, low: float = 0.1) -> Factor:
    """Triangles (Smith 2017): from `low` to 1 in `up` steps, back in `down` (default: `up`), again and again.

    low + (1 - low) r / up for r <= up, else low + (1 - low) (up + down - r) / down, where r = t mod (up + down):
    PyTorch's CyclicLR, "triangular", with our `lr` as its `max_lr`, and the momentum left alone.

    Examples
    --------
    >>> [round(mg.optim.cyclic(2, low=0.5)(t), 3) for t in range(6)]
    [0.5, 0.75, 1.0, 0.75, 0.5, 0.75]
    """
    fall = up if down is None else down
    _check("cyclic", up=up, down=fall, low=low)
    return partial(_cyclic, up, fall, low)


def _cyclic(up: int, down: int, low: float, t: int) -> float:
    r = t % (up + down)
    return low + (1 - low) * (r / up if r <= up else (up + down - r) / down)


def one_cycle(steps: int, rise: float = 0.3, start: float = 1 / 25, final: float = 1 / 25e4) -> Factor:
    """One half cosine up, one down (Smith & Topin 2018): `start` to 1 in a share `rise` of `steps`, then to `final`.

    a + (b - a) (1 - cos(pi u)) / 2, from a = start to b = 1 for u = t / e in [0, 1], where e = rise * steps - 1, then
    from a = 1 to b = final for u = (t - e) / (steps - 1 - e): PyTorch's OneCycleLR with our `lr` as its `max_lr`,
    start = 1 / div_factor, final = start / final_div_factor, and the momentum left alone. After the last step it stays
    at `final`.

    Examples
    --------
    >>> [round(mg.optim.one_cycle(9, rise=0.5, start=0.1)(t), 3) for t in range(10)]
    [0.1, 0.269, 0.65, 0.955, 0.97, 0.75, 0.413, 0.117, 0.0, 0.0]
    """
    _check("one_cycle", steps=steps, start=start, final=final)
    if not 1 < rise * steps < steps:
        raise ValueError(
            f"one_cycle: rise is a share of the {steps} steps, more than 1 / {steps} and less than 1, got {rise!r}"
        )
    return partial(_one_cycle, steps, rise * steps - 1, start, final)


def _one_cycle(steps: int, top: float, start: float, final: float, t: int) -> float:
    a, b, u = (start, 1.0, t / top) if t <= top else (1.0, final, min((t - top) / (steps - 1 - top), 1))
    return a + (b - a) * (1 - math.cos(math.pi * u)) / 2


def _check(name: str, **given: float) -> None:
    for argument, value in given.items():
        if argument in ("steps", "step_size", "up", "down"):
            if not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f"{name}: {argument} is a number of steps, 1 or more, got {value!r}")
        elif argument in ("factor", "gamma"):
            if not 0 <= value < math.inf:
                raise ValueError(f"{name}: {argument} must be finite and not negative, got {value!r}")
        elif not 0 <= value <= 1:
            raise ValueError(f"{name}: {argument} is a share of the optimiser's lr, in [0, 1], got {value!r}")


class Schedule:
    """Sets every group's `lr` to its rate at the start times factor(t), now for t = 0 and after each ``step()``.

    Parameters
    ----------
    optimizer : Optimizer
    factor : function of t, or a list with one for each group
        ``cosine(100)`` and its like, or any function from 0, 1, 2, ... to a number that is not negative.

    Attributes
    ----------
    t : int
        How often ``step()`` was called.
    base : list
        The rates at the start. To change a rate by hand change it here: the groups' `lr` is written over.

    Raises
    ------
    TypeError, ValueError
        If `factor` is not callable, or there are not as many as groups; if a factor is negative or not finite.

    Examples
    --------
    >>> w = mg.nn.Parameter(np.ones(2))
    >>> optimizer = mg.optim.SGD([w], lr=0.5)
    >>> schedule = mg.optim.Schedule(optimizer, mg.optim.step(2))
    >>> for t in range(4):
    ...     rate = optimizer.param_groups[0]["lr"]
    ...     print(f"{rate:.3f}")  # here: loss, backward, optimizer.step()
    ...     schedule.step()
    0.500
    0.500
    0.050
    0.050
    """

    def __init__(self, optimizer: Optimizer, factor: Factor | Sequence[Factor]) -> None:
        groups = optimizer.param_groups
        self.optimizer = optimizer
        self.factors = list(factor) if isinstance(factor, Sequence) else [factor] * len(groups)
        for f in self.factors:
            if not callable(f):
                raise TypeError(f"a schedule is a function from the step to a factor, e.g. cosine(100); got {f!r:.80}")
        if len(self.factors) != len(groups):
            raise ValueError(f"{len(self.factors)} schedules were given for {len(groups)} parameter groups")
        self.t = 0
        self.base = [plain_numbers(group["lr"]) for group in groups]
        self._apply()

    def step(self) -> None:
        """Go on to the next t; after ``optimizer.step()``."""
        self.t += 1
        self._apply()

    def _apply(self) -> None:
        for group, factor, base in zip(self.optimizer.param_groups, self.factors, self.base, strict=True):
            f = factor(self.t)
            if not 0 <= f < math.inf:
                raise ValueError(f"the factor of a schedule must be finite and not negative, got {f} at t = {self.t}")
            group["lr"] = tuple(f * lr for lr in base) if isinstance(base, tuple) else f * base

    def state_dict(self) -> dict[str, Any]:
        """t and the rates at the start, for ``mg.save``; the functions are code and are given again."""
        return {"t": self.t, "base": list(self.base)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where ``state_dict`` was taken, and set the rates of that step.

        Raises
        ------
        ValueError
            If the state is not that of a schedule for as many groups. Nothing is changed then.
        """
        if not isinstance(state, dict) or state.keys() != {"t", "base"} or len(state["base"]) != len(self.base):
            raise ValueError(
                f"this schedule state does not fit: expected t and base for {len(self.base)} groups, got {state!r:.80}"
            )
        self.t, self.base = state["t"], list(state["base"])
        self._apply()
