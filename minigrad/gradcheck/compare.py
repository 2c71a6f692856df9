"""Gradients against slopes, line by line: what agrees, what is kinked, what is confirmed wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .complex_step import STEP, complex_slopes, refuse_unless_analytic
from .numeric import CENTRAL_STEP, MACHINE, ROUNDING, SAFETY, TINY, Line, Probe, Slope, Sweep, refine, sweep
from .report import Entry, located

CONFIRM = 8  # confirmed wrong entries after which the verdict stands
CANCELLATION = 1e-10  # of the largest entry: what may be left where an analytic gradient cancels
FLOOR = 1e-12  # default absolute tolerance where the whole gradient vanishes


@dataclass
class Tolerance:
    """``atol`` None: 1e-10 of the largest entry of the input's gradient, at least 1e-12."""

    rtol: float
    atol: float | None

    def __post_init__(self) -> None:
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if value is not None and not value >= 0:
                raise ValueError(f"{name}={value}: a tolerance is a number >= 0")

    def absolute(self, largest: np.ndarray) -> np.ndarray:
        if self.atol is None:
            return np.maximum(CANCELLATION * largest, FLOOR)
        return np.full_like(largest, self.atol)


@dataclass
class Comparison:
    """Arrays run over (cotangents, lines)."""

    lines: list[Line]
    claimed: np.ndarray
    slopes: Sweep
    tolerance: np.ndarray
    suspect: np.ndarray  # lines: first pass disagrees, not shown innocent
    turning: np.ndarray  # lines: the one-sided slopes differ in the first pass
    kinked: list[int] = field(default_factory=list)
    undefined: list[int] = field(default_factory=list)
    drowned: list[int] = field(default_factory=list)
    failures: list[Entry] = field(default_factory=list)
    closest: Entry | None = None


def compare(
    probe: Probe,
    gradients: list[list[np.ndarray]],
    lines: list[Line],
    tolerance: Tolerance,
    names: list[str],
    method: str,
    eps: float | None,
) -> Comparison:
    """Compare ``gradients[k][i]`` (cotangent k, input i) with the slopes of `probe` along `lines`."""
    step = CENTRAL_STEP if eps is None or method == "complex" else eps
    found = sweep(probe, lines, step)
    if method == "complex":
        found = _exact(probe, lines, found, step, eps, names)
    pairs = np.array([[line.along(gradient) for line in lines] for gradient in gradients]).reshape(
        len(gradients), len(lines), 2
    )
    claimed, size = pairs[..., 0], pairs[..., 1]
    largest = _largest(found.slope, lines)
    noise = found.noise
    if method == "central":  # x + h * direction is itself rounded
        noise = noise + 4 * MACHINE * size / (step * np.array([max(1.0, line.size) for line in lines]))
    allowed = tolerance.absolute(largest) + tolerance.rtol * np.fmax(size, np.abs(found.slope))
    error = np.abs(claimed - found.slope)
    wrong = ~(error <= allowed + noise)
    turns = found.turn_size > 1e-3 * largest + 4 * noise
    drowned = noise > 1e-2 * np.fmax(np.abs(found.slope), np.abs(claimed))
    result = Comparison(lines, claimed, found, allowed + noise, wrong.any(0), turns.any(0))
    ratio = np.where(np.isfinite(error), error, np.inf) / np.fmax(result.tolerance, TINY)
    looked = wrong | turns | drowned
    result.closest = _entry(result, names, np.where(looked, -1.0, ratio))
    for n in sorted(np.flatnonzero(looked.any(0)), key=lambda n: -ratio[:, n].max()):
        if len(result.failures) == CONFIRM:
            break
        if method == "complex":
            slope = Slope(found.slope[:, n], found.slope[:, n], found.noise[:, n])
        else:
            slope = refine(probe, lines[n], step)
        _judge(result, int(n), slope, allowed[:, n], names)
    result.failures.sort(key=lambda entry: -entry.error / max(entry.tolerance, TINY))
    return result


def _exact(probe: Probe, lines: list[Line], central: Sweep, step: float, eps: float | None, names: list[str]) -> Sweep:
    labels = [describe(line, names) for line in lines]
    slopes = complex_slopes(probe, lines, STEP if eps is None else eps, labels)
    refuse_unless_analytic(probe, lines, central, slopes, step, labels)
    return Sweep(slopes, ROUNDING * np.abs(slopes), np.zeros_like(slopes), np.zeros_like(slopes))


def _judge(result: Comparison, n: int, slope: Slope, allowed: np.ndarray, names: list[str]) -> None:
    """The verdict on one line, given the best that is known of its slope."""
    if slope.kind == "none":
        result.undefined.append(n)
        result.suspect[n] = False
        return
    if slope.kind in ("kink", "jump"):
        result.kinked.append(n)
    claimed = result.claimed[:, n]
    nearest = np.clip(claimed, slope.low, slope.high)
    error = np.abs(claimed - nearest)
    limit = allowed + SAFETY * slope.error
    fine = (error <= limit) | (slope.maybe_flat & (np.abs(claimed) <= limit))
    result.suspect[n] = not fine.all()
    if fine.all() and ((np.abs(claimed) > FLOOR) & (np.abs(claimed) < SAFETY * slope.error)).any():
        result.drowned.append(n)  # zero would have passed as well
    if slope.kind != "kink":
        result.slopes.slope[:, n] = nearest
    result.tolerance[:, n] = limit
    if not fine.all():
        k = int(np.argmax(np.where(fine, -1, error / np.fmax(limit, TINY))))
        line = result.lines[n]
        where = describe(line, names) + _between(slope, k)
        result.failures.append(
            Entry(
                line.input,
                line.index,
                where,
                float(claimed[k]),
                float(nearest[k]),
                float(error[k]),
                float(limit[k]),
                k,
            )
        )


def _between(slope: Slope, k: int) -> str:
    if slope.kind not in ("kink", "jump") or slope.low[k] == slope.high[k]:
        return ""
    return f" (a kink: anything from {slope.low[k]:.6g} to {slope.high[k]:.6g} would do)"


def describe(line: Line, names: list[str]) -> str:
    if line.index is not None:
        return names[line.input] + located(line.index)
    if not line.indices:
        return f"{names[line.input]} along a random direction"
    parts = [names[i] + located(index) for i, index in line.indices]
    return " and ".join(parts[:4]) + (f" and {len(parts) - 4} more" if len(parts) > 4 else "") + ", moved together"


def _entry(result: Comparison, names: list[str], score: np.ndarray) -> Entry | None:
    """The comparison with the highest score; None where there is none to show."""
    if not score.size or np.nanmax(score, initial=-1) < 0:
        return None
    k, n = np.unravel_index(int(np.nanargmax(score)), score.shape)
    line, claimed, slope = result.lines[n], float(result.claimed[k, n]), float(result.slopes.slope[k, n])
    error, limit = abs(claimed - slope), float(result.tolerance[k, n])
    return Entry(line.input, line.index, describe(line, names), claimed, slope, error, limit, int(k))


def _largest(slopes: np.ndarray, lines: list[Line]) -> np.ndarray:
    """Per line, the largest finite slope among the lines of the same input."""
    owner = np.array([line.input for line in lines], dtype=int)
    finite = np.where(np.isfinite(slopes), np.abs(slopes), 0)
    largest = np.zeros_like(finite)
    for i in np.unique(owner):
        largest[:, owner == i] = finite[:, owner == i].max(axis=1, keepdims=True)
    return largest
