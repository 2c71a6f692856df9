"""Slopes by differences, each with an honest account of its own error.

A first pass takes one central difference per entry (or direction). Whatever disagrees, or looks kinked, or
drowns in rounding is measured again on a ladder of steps with Richardson's extrapolation, and the step
whose estimate moves least is believed. Only a disagreement that survives this is called wrong.

The functions here see the output as one flat vector F(x) and never sum it before subtracting: what an entry
does not touch then cancels exactly, and several cotangents cost no further evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MACHINE = float(np.finfo(np.float64).eps)
CENTRAL_STEP = MACHINE ** (1 / 3)  # balances truncation, h^2, against rounding, eps/h
ROUNDING = 8 * MACHINE  # a result of a few operations is seldom off by more
TINY = 1e-300
SAFETY = 10.0  # an estimated error may be this much too small
RATIO = 3.3  # between the steps of a ladder; no power of 2, or rounded differences repeat and look exact
HELD = 1 << 16  # numbers of outputs that the first pass holds at a time
ABOVE, BELOW, LONGEST = 5, 9, 48  # rungs above and below the first pass's step; most rungs in all


@dataclass
class Line:
    """A straight line x + t * direction: for each input that moves, which entries (flat) and how fast.

    A single entry has its `index`; tied entries that move together list theirs in `indices`.
    """

    input: int
    moves: list[tuple[int, np.ndarray, np.ndarray]]
    index: tuple[int, ...] | None = None
    indices: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    size: float = 0.0  # |x| of the entries that move: the step is scaled to max(1, size)
    reach: float = 1.0  # smallest |x| worth resolving: log at 1e-9 needs steps below 1e-9

    def along(self, gradient: Sequence[np.ndarray]) -> tuple[float, float]:
        """The slope that `gradient` claims along the line, and the size of the terms that it adds up."""
        terms = np.concatenate([step * gradient[i].ravel()[entries] for i, entries, step in self.moves])
        return float(terms.sum()), float(norm(terms))


@dataclass
class Slope:
    """What is known of a slope, one value per cotangent: it lies in [low - error, high + error]."""

    low: np.ndarray
    high: np.ndarray
    error: np.ndarray
    kind: str = "smooth"  # "smooth", "kink", "jump", "one-sided" or "none" (nothing could be measured)
    maybe_flat: bool = False  # small steps do not move the output: flat at x, or computed too coarsely to tell


class Probe:
    """F along lines through x. `weights` (K, m): one row per cotangent."""

    def __init__(self, function: Callable, inputs: list[np.ndarray], base: np.ndarray, weights: np.ndarray) -> None:
        self.function = function
        self.inputs = inputs
        self.base = base
        self.weights = weights
        self.sizes = np.abs(weights)

    def rounding(self, moved: np.ndarray | None = None) -> np.ndarray:
        """(..., K): the error that rounding leaves in sum(c * F), over all outputs or those that moved, (..., 1, m)."""
        y = self.base if moved is None else self.base * moved
        return ROUNDING * norm(self.weights * y)

    def at(self, *moves: tuple[Line, float]) -> np.ndarray:
        """F after moving along each line by its t; nan where F cannot be computed."""
        arrays = [x.copy() for x in self.inputs]
        for line, t in moves:
            for i, entries, step in line.moves:
                arrays[i].reshape(-1)[entries] += t * step
        with np.errstate(all="ignore"):
            try:
                y = self.function(arrays)
            except (ValueError, ArithmeticError):  # outside the domain; a bug would have shown at x itself
                y = np.full_like(self.base, np.nan)
        return y if y.shape == self.base.shape else np.full_like(self.base, np.nan)


def representable(size: float, h: Any) -> Any:
    """The step nearest to `h` that x + h represents exactly, for x of this size."""
    return (size + h) - size


def step_size(line: Line, eps: float) -> float:
    return representable(line.size, eps * max(1.0, line.size))


def norm(terms: np.ndarray) -> np.ndarray:
    """Root of the sum of squares along the last axis, without overflow."""
    largest = np.maximum(np.abs(terms).max(axis=-1, initial=0), TINY)
    return largest * np.sqrt(((terms / largest[..., None]) ** 2).sum(axis=-1))


def entry_lines(inputs: list[np.ndarray], i: int) -> list[Line]:
    """One line per entry of input `i`."""
    x = inputs[i]
    lines = []
    for flat, index in enumerate(np.ndindex(x.shape)):
        size = abs(float(x[index]))
        lines.append(Line(i, [(i, np.array([flat]), np.ones(1))], index, [], size, size or 1.0))
    return lines


def random_lines(inputs: list[np.ndarray], i: int, count: int, rng: np.random.Generator) -> list[Line]:
    """Directions through all entries of input `i`, none of them nearly left out."""
    x = inputs[i].ravel()
    scale = np.maximum(1.0, np.abs(x))
    return [
        Line(i, [(i, np.arange(x.size), scale * away_from_zero(rng, x.size))]) for _ in range(count if x.size else 0)
    ]


def away_from_zero(rng: np.random.Generator, shape: int | tuple[int, ...]) -> np.ndarray:
    """Random numbers in [-1.5, -0.5] or [0.5, 1.5]."""
    return rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)


# --- First pass ---


@dataclass
class Sweep:
    """Per cotangent and line: the central difference, its rounding error, how much the slope turns."""

    slope: np.ndarray
    noise: np.ndarray
    turn: np.ndarray  # sum(c * (right slope - left slope))
    turn_size: np.ndarray  # the same with absolute values, so that opposite kinks do not cancel


def sweep(probe: Probe, lines: list[Line], eps: float) -> Sweep:
    """The first pass over all lines; what comes of the outputs is worked out for many lines at once."""
    count, outputs = probe.weights.shape
    found = Sweep(*(np.empty((count, len(lines))) for _ in range(4)))
    most = max(1, HELD // max(1, outputs))
    for start in range(0, len(lines), most):
        block = lines[start : start + most]
        steps = [step_size(line, eps) for line in block]
        sides = np.array([[probe.at((line, t)) for t in (h, -h)] for line, h in zip(block, steps, strict=True)])
        plus, minus, h, here = sides[:, 0], sides[:, 1], np.array(steps), slice(start, start + len(block))
        with np.errstate(all="ignore"):
            turn = (plus - 2 * probe.base + minus) / h[:, None]
            found.slope[:, here] = probe.weights @ ((plus - minus) / (2 * h[:, None])).T
            found.turn[:, here] = probe.weights @ turn.T
            found.turn_size[:, here] = probe.sizes @ np.abs(turn).T
        moved = (plus != probe.base) | (minus != probe.base)
        found.noise[:, here] = probe.rounding(moved[:, None]).T / h
    return found


# --- Second look ---


def refine(probe: Probe, line: Line, eps: float) -> Slope:
    """The best that differences can say about one line."""
    steps = _ladder(line, eps)
    plus = np.array([probe.at((line, h)) for h in steps])
    minus = np.array([probe.at((line, -h)) for h in steps])
    right, left = np.isfinite(plus).all(1), np.isfinite(minus).all(1)
    with np.errstate(all="ignore"):
        if (right & left).sum() >= 3:
            both = right & left
            return _two_sided(probe, steps[both], plus[both], minus[both])
        for finite, values, sign in ((right, plus, 1.0), (left, minus, -1.0)):
            if finite.sum() >= 3:
                return _one_sided(probe, steps[finite], values[finite], sign)
    return _nothing(probe)


def _ladder(line: Line, eps: float) -> np.ndarray:
    h = step_size(line, eps)
    first, last = h * RATIO**ABOVE, h * RATIO**-BELOW
    rungs = ABOVE + BELOW + 1
    goal = max(eps * min(line.reach, 1.0), 64 * MACHINE * line.size)  # of what size the function may be at x
    if last > goal:
        rungs += int(np.ceil(np.log(last / goal) / np.log(RATIO)))
    steps = representable(line.size, first * RATIO ** -np.arange(min(rungs, LONGEST), dtype=float))
    return steps[steps > 0]  # below x's own precision nothing moves


def _nothing(probe: Probe) -> Slope:
    unknown = np.full(len(probe.weights), np.nan)
    return Slope(unknown, unknown, unknown, "none")


def _two_sided(probe: Probe, steps: np.ndarray, plus: np.ndarray, minus: np.ndarray) -> Slope:
    """Richardson on central differences (error h^4); what is left of the turn (error h^3) is a kink."""
    if _jumps(probe, plus) or _jumps(probe, minus):
        return _beside_a_jump(probe, steps, plus, minus)
    changes = (plus != probe.base) | (minus != probe.base)
    moved, moving = changes.any(0), changes.any(1)
    rounding = probe.rounding(moved)
    # An output that stands still may move by less than it can show.
    unseen = probe.rounding(~moved) / (SAFETY * steps[0])
    longest_still = steps[~moving].max(initial=0.0)
    if moving.sum() >= 3:
        steps, plus, minus = steps[moving], plus[moving], minus[moving]
    h = steps[:, None]
    central = (plus - minus) @ probe.weights.T / (2 * h)  # (rungs, K)
    turns = (plus - 2 * probe.base + minus) / h  # (rungs, m)
    value = (RATIO**2 * central[1:] - central[:-1]) / (RATIO**2 - 1)
    kink = (RATIO * turns[1:] - turns[:-1]) / (RATIO - 1)
    width = np.abs(kink) @ probe.sizes.T / 2
    width_error = _movement(np.abs(np.diff(kink, axis=0)) @ probe.sizes.T / 2)
    movement = _movement(np.abs(np.diff(value, axis=0)))
    # At the smallest steps all movement is rounding, also such as cancelled inside F and does not show in its size.
    hidden = np.median((movement * h[1:])[-4:], axis=0)
    error = np.maximum(movement, hidden / h[1:]) + width_error + rounding / h[1:] + unseen
    best = _trusted(value, error)
    rows = np.arange(len(best))
    middle, half, spread = value[best, rows], width[best, rows], error[best, rows]
    kinked = half > 10 * spread + 1e-6 * np.abs(middle)
    half = np.where(kinked, half, 0.0)
    maybe_flat = bool((np.abs(middle) * longest_still > rounding).any())
    return Slope(middle - half, middle + half, spread, "kink" if kinked.any() else "smooth", maybe_flat)


def _one_sided(probe: Probe, steps: np.ndarray, values: np.ndarray, sign: float) -> Slope:
    """At the edge of the domain: the slope from inside, unless it grows without bound."""
    slopes = sign * (values - probe.base) @ probe.weights.T / steps[:, None]
    value = (RATIO * slopes[1:] - slopes[:-1]) / (RATIO - 1)
    error = _movement(np.abs(np.diff(value, axis=0))) + probe.rounding() / steps[1:, None]
    return _best(probe, value, value, error, "one-sided")


def _beside_a_jump(probe: Probe, steps: np.ndarray, plus: np.ndarray, minus: np.ndarray) -> Slope:
    """Slopes on either side, taken without crossing x."""
    gaps = -np.diff(steps)[:, None]
    right = -np.diff(plus, axis=0) @ probe.weights.T / gaps
    left = np.diff(minus, axis=0) @ probe.weights.T / gaps
    error = sum(_movement(np.abs(np.diff(side, axis=0))) for side in (right, left)) + probe.rounding() / gaps
    return _best(probe, np.minimum(left, right), np.maximum(left, right), error, "jump")


def _best(probe: Probe, low: np.ndarray, high: np.ndarray, error: np.ndarray, kind: str) -> Slope:
    best = _trusted((low + high) / 2, error)
    rows = np.arange(len(best))
    low, high, error = low[best, rows], high[best, rows], error[best, rows]
    diverges = error > 0.1 * np.maximum(np.abs(low), np.abs(high)) + probe.rounding() / CENTRAL_STEP
    return _nothing(probe) if diverges.any() else Slope(low, high, error, kind)


def _trusted(value: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Per cotangent, the rung of least error that no smaller step contradicts.

    Steps far beyond the scale of a bounded function give slopes near zero that agree very well with each other.
    """
    chosen = np.argmin(error, axis=0)
    for k, rung in enumerate(chosen):
        while (np.abs(value[rung:, k] - value[rung, k]) > SAFETY * (error[rung:, k] + error[rung, k])).any():
            rung += 1 + np.argmin(error[rung + 1 :, k])
        chosen[k] = rung
    return chosen


def _movement(steps_apart: np.ndarray) -> np.ndarray:
    """The error of each estimate, from its distance to its neighbours on the ladder (the larger of two)."""
    edge = np.zeros_like(steps_apart[:1])
    before, after = np.concatenate([edge, steps_apart]), np.concatenate([steps_apart, edge])
    return np.maximum(before, after)


def _jumps(probe: Probe, values: np.ndarray) -> bool:
    """Whether F stays away from F(x), at the same distance, however small the step."""
    distance = np.abs(values - probe.base)
    last = distance[-1]
    steady = np.abs(distance[-3:] - last).max(0) < 0.01 * last
    large = 1e3 * ROUNDING * (np.abs(probe.base) + distance[0]) + 1e3 * MACHINE  # noise stays away, too
    return bool((steady & (last > 0.5 * distance[0]) & (last > large)).any())
