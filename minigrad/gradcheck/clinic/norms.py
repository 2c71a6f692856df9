"""Batch and layer norm: the mean or the variance taken for a constant."""

from __future__ import annotations

from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from .registry import Finding, mistake
from .suspect import Suspect


class Norm(NamedTuple):
    """y = gamma (x - mean) / deviation + beta over `axes`, or without the mean; g per draw at x-hat, so times gamma."""

    axes: tuple[int, ...]
    centred: bool
    slope: np.ndarray  # 1 / deviation
    g: list[np.ndarray]


def _norm(s: Suspect) -> Norm | None:
    """The norm that the forward pass is: its other inputs are set to 0 where they add, to 1 where they scale."""
    case, y = s.case, s.case.y
    if y.shape != s.x.shape or len(case.outputs) > 1 or not s.shaped:
        return None
    neutral, no_shift = {}, {}
    for j, other in enumerate(case.inputs):
        if j != s.i:
            moved = case.forward({j: other + 1})[0] - y
            adds = bool(np.allclose(moved, 1))
            neutral[j] = np.zeros_like(other) if adds else np.ones_like(other)
            if adds:
                no_shift[j] = neutral[j]
    plain = case.forward(neutral)[0]
    gamma = case.forward(no_shift)[0] / plain
    every = [axes for count in range(1, s.x.ndim + 1) for axes in combinations(range(s.x.ndim), count)]
    for axes, mean in product(every, (s.x.mean, None)):
        centred = s.x - (mean(axis=axes, keepdims=True) if mean else 0.0)
        slope = (centred * plain).sum(axis=axes, keepdims=True) / (centred**2).sum(axis=axes, keepdims=True)
        if np.allclose(slope * centred, plain) and not np.allclose(slope, 1):
            return Norm(axes, mean is not None, slope, [g * gamma for g in case.g])
    return None


@mistake("mean_constant", "If one value of the batch grows, what else moves besides its own distance from the mean?")
def mean_constant(s: Suspect) -> Finding | None:
    norm = _norm(s)
    if norm is None or not norm.centred:
        return None
    lost = [norm.slope * g.mean(axis=norm.axes, keepdims=True) for g in norm.g]
    if s.fits([m + part for m, part in zip(s.measured, lost, strict=True)]):
        return Finding(f"{_over(norm)} {{yours}} lacks -mean(g) / deviation: the mean was taken for a constant")
    if s.fits(_neither(norm)):
        return Finding(f"{_over(norm)} {{yours}} is g / deviation: mean and variance were taken for constants")
    return None


@mistake("variance_constant", "Does the deviation that everything is divided by stay the same when one value grows?")
def variance_constant(s: Suspect) -> Finding | None:
    norm = _norm(s)
    if norm is None:
        return None
    centred = [norm.slope * (g - g.mean(axis=norm.axes, keepdims=True)) for g in norm.g]
    if norm.centred and s.fits(centred):
        text = "is (g - mean(g)) / deviation: the variance was taken for a constant"
    elif s.fits(_neither(norm)):
        text = f"is g / deviation: the variance {'and the mean were' if norm.centred else 'was'} taken for constant"
    else:
        return None
    return Finding(f"{_over(norm)} {{yours}} {text}")


def _neither(norm: Norm) -> list[np.ndarray]:
    return [norm.slope * g for g in norm.g]


def _over(norm: Norm) -> str:
    return f"the forward pass standardises over axis {', '.join(map(str, norm.axes))};"
