"""Directions that keep a tie: they see a gradient handed to *every* tied maximum; entry by entry nothing
does.

Kinked entries of equal size are moved together, keeping their signs. What a correct gradient may give there
is bounded by the slopes in that direction at points beside the tie: Clarke's subdifferential, sampled
(Clarke 1983, "Optimization and nonsmooth analysis", section 2.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .compare import FLOOR, Comparison, describe
from .numeric import SAFETY, Line, Probe
from .report import Entry

DIRECTIONS = 16  # tie-keeping directions tried at most
NEAR = 1e-5  # how far beside the tie the function is looked at
FINER = 256  # how much smaller the steps of the differences are


def compare_at_ties(
    probe: Probe, gradients: list[list[np.ndarray]], found: Comparison, names: list[str]
) -> list[Entry]:
    """The tie-keeping directions whose slope the gradient misses."""
    failures = []
    kinked = [
        (found.lines[n], found.slopes.turn[:, n]) for n in sorted(found.kinked) if found.lines[n].index is not None
    ]
    for line, turns in _tied(probe.inputs, kinked):
        low, high, slack = _slopes_beside(probe, line, turns)
        for k, gradient in enumerate(gradients):
            claimed, _ = line.along(gradient)
            size = sum(np.abs(gradient[i].ravel()[entries]).sum() for i, entries, _ in line.moves)
            limit = 1e-3 * size + slack[k] + FLOOR
            nearest = float(np.clip(claimed, low[k], high[k]))
            if abs(claimed - nearest) > limit:
                where = describe(line, names)
                failures.append(
                    Entry(line.input, None, where, claimed, nearest, abs(claimed - nearest), float(limit), k)
                )
                break
    return failures


def _tied(inputs: list[np.ndarray], kinked: Sequence[tuple[Line, np.ndarray]]) -> list[tuple[Line, np.ndarray]]:
    """A line for every group of tied entries and for neighbours in it, with their turns (K, entries)."""
    groups: dict[float, list[tuple[Line, np.ndarray]]] = {}
    for line, turn in kinked:
        groups.setdefault(line.size, []).append((line, turn))
    chosen = [group for group in groups.values() if len(group) > 1]
    chosen += [group[n : n + 2] for group in chosen if len(group) > 2 for n in range(len(group) - 1)]
    return [(_joined(inputs, group), np.stack([turn for _, turn in group], 1)) for group in chosen[:DIRECTIONS]]


def _joined(inputs: list[np.ndarray], group: list[tuple[Line, np.ndarray]]) -> Line:
    moves = []
    for line, _ in group:
        (i, entry, _), *_ = line.moves
        sign = -1.0 if inputs[i].ravel()[entry[0]] < 0 else 1.0
        moves.append((i, entry, np.array([sign])))
    first = group[0][0]
    return Line(
        first.input,
        moves,
        None,
        [(line.input, line.index or ()) for line, _ in group],
        first.size,
        first.reach,
    )


def _slopes_beside(probe: Probe, line: Line, turns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lowest and highest slope along `line` near x, per cotangent, and how far these may be off."""
    bounds = [_bounds(probe, line, turns, distance) for distance in (NEAR, NEAR / 16)]
    (low_far, high_far), (low, high) = bounds
    slack = 2 * np.maximum(np.abs(low - low_far), np.abs(high - high_far))
    closest_step = NEAR / 16 / FINER * max(1.0, line.size)
    return (
        np.minimum(low, low_far),
        np.maximum(high, high_far),
        slack + SAFETY * probe.rounding() / closest_step,
    )


def _bounds(probe: Probe, line: Line, turns: np.ndarray, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest slope at points around x. They include, for every cotangent, the point that brings
    each entry to its steeper side, and its opposite."""
    rng = np.random.default_rng(0)
    delta = distance * max(1.0, line.size)
    count = turns.shape[1]
    ahead = np.concatenate([pace for _, _, pace in line.moves])
    steeper = [ahead * np.where(turn >= 0, 1.0, -1.0) * rng.uniform(0.5, 1.5, count) for turn in turns]
    offsets: list[Any] = [sign * offset for offset in steeper for sign in (1, -1)]
    offsets += [rng.uniform(0.5, 1.5, count) * rng.choice([-1.0, 1.0], count) for _ in range(4)]
    h = delta / FINER
    slopes = [(probe.at((line, delta)) - probe.base) / delta, (probe.base - probe.at((line, -delta))) / delta]
    for offset in offsets:
        aside = Line(line.input, [(i, entry, offset[n : n + 1]) for n, (i, entry, _) in enumerate(line.moves)])
        slopes.append((probe.at((aside, delta), (line, h)) - probe.at((aside, delta), (line, -h))) / (2 * h))
    stacked = np.array([s for s in slopes if np.isfinite(s).all()] or [np.zeros_like(probe.base)])
    weighted = stacked[:, None, :] * probe.weights  # (points, K, m)
    return weighted.min(0).sum(-1), weighted.max(0).sum(-1)
