"""A part is missing or too many: a path overwritten, an L2 term, a bias that is not summed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np

from ..inputs import flat
from .registry import Finding, mistake
from .suspect import Suspect

FAR = 1e6  # how far out a quadratic penalty is all that is left of a cross-entropy


# --- Paths


@mistake("overwritten", "Which entries are used more than once in the forward pass? What does each use bring?")
def uses_are_lost(s: Suspect) -> Finding | None:
    """Of the entries with several uses some have kept one and lost the others; all that was kept is right."""
    paths = s.paths
    if paths is None or paths.lost is None or not s.disagrees:
        return None
    kept, lost = (np.atleast_1d(part.any(axis=0)) for part in (paths.claimed, paths.lost))
    if (lost & ~kept).any():  # an entry that lost all its uses is another matter
        return None
    return Finding(
        f"{int(paths.lost.sum())} paths from {{of}} to an output are exactly zero, all others right: = stands where += "
        "is needed, or a use is forgotten",
        2,
    )


@mistake("overwritten", "After the last micro-batch, what is left in the gradient of the first?")
def batches_are_lost(s: Suspect) -> Finding | None:
    """A loss whose last rows are right, and the rows before them zero."""
    if not s.shaped or s.case.y.ndim or s.x.ndim < 1:
        return None
    zero = ~np.any([c.reshape(len(c), -1).any(axis=1) for c in s.claimed], axis=0)
    first = int(zero.argmin())  # of the rows that are not
    if not 0 < first < len(zero) or zero[first:].any():
        return None
    kept = (np.arange(len(zero)) >= first).reshape(-1, *[1] * (s.x.ndim - 1))
    if not s.fits([m * kept for m in s.measured]):
        return None
    return Finding(
        f"rows {first} to {len(zero) - 1} of {{yours}} are right, and all rows before them zero: = stands where += is "
        "needed",
        2,
    )


@mistake("missing_sum", "How many samples does this input act on? Which of them does your gradient know of?")
def one_sample_only(s: Suspect) -> Finding | None:
    """An input that all samples share gets what one of them brings."""
    y, paths = s.case.y, s.paths
    if y.ndim < 2 or len(s.case.outputs) > 1 or paths is None or paths.lost is None:
        return None
    sample = paths.outputs // (y.size // len(y))
    ours = np.unique(sample[paths.claimed.any(axis=1)])
    shared = any(len(np.unique(sample[column != 0])) > 1 for column in paths.measured.T)
    if len(ours) != 1 or not shared:
        return None
    return Finding(f"{{yours}} is what sample {ours[0]} brings; the sum over the {len(y)} samples is missing", 1)


@mistake("overwritten", "How many arrows leave this input in the computation graph?")
def skip_connection(s: Suspect) -> Finding | None:
    """y = x + f(x): one of the two is lost."""
    case = s.case
    if len(case.outputs) > 1 or case.y.shape != s.x.shape or not s.shaped:
        return None
    for words, parts in (("straight to the output", case.g), ("through the rest", None)):
        if parts is not None and s.fits([m - g for m, g in zip(s.measured, parts, strict=True)]):
            return Finding(f"what is missing in {{yours}} is exactly g: the path {words} is lost")
        if parts is None and s.fits(case.g) and _skips(s):
            return Finding(f"{{yours}} is g: the path {words} is lost, only the one straight to the output is there")
    return None


def _skips(s: Suspect) -> bool:
    """Whether the output is x itself, but for a constant, once another input is set to zero."""
    for j in range(len(s.case.inputs)):
        if j != s.i:
            at, moved = ({s.i: x, j: np.zeros_like(s.case.inputs[j])} for x in (s.x, s.x + 1))
            if np.allclose(s.case.forward(moved)[0] - s.case.forward(at)[0], 1):
                return True
    return False


@mistake("overwritten", "In how many places of the forward pass does this matrix appear?")
def shared_matrix(s: Suspect) -> Finding | None:
    """y = v W or y = v W.T, where v depends on W, too: one of the two uses is lost."""
    y, paths = s.case.y, s.paths
    if s.x.ndim != 2 or y.ndim != 2 or paths is None or len(paths.outputs) < y.size:
        return None
    if np.abs(paths.claimed).max() < 1e-3 * np.abs(paths.measured).max():  # no use is there
        return None
    for there, part in (("last", paths.claimed), ("first", paths.measured - paths.claimed)):
        slopes = part.reshape(*y.shape, *s.x.shape)  # y[n, k] by W[h, l]
        for W, by_entry in ((s.x, slopes), (s.x.T, slopes.swapaxes(2, 3))):
            v = by_entry[:, 0, :, 0]
            direct = np.einsum("nh,kl->nkhl", v, np.eye(y.shape[1], W.shape[1]))
            if W.shape[1] == y.shape[1] and np.allclose(by_entry, direct, atol=1e-6) and np.allclose(v @ W, y):
                text = f"{{of}} is used more than once, and your gradient has its {there} use alone: add the parts"
                return Finding(text, 1)
    return None


# --- Penalties


class Penalty(NamedTuple):
    """claimed - measured = `c` g x; the forward pass has `strength` / 2 * sum(x^2), None where that is hidden."""

    c: float
    strength: float | None


def _penalty(s: Suspect) -> Penalty | None:
    if not s.shaped or s.entries < 3:
        return None
    gs = s.case.g if len(s.case.outputs) == 1 and s.case.y.ndim == 0 else []
    for factors in ([float(g) for g in gs], [1.0] * len(s.claimed)):
        if not factors:
            continue
        difference = sum(f * (c - m) for f, c, m in zip(factors, s.claimed, s.measured, strict=True))
        x = np.where(s.sure, s.x, 0)
        c = float((difference * x).sum() / (x * x).sum() / sum(f * f for f in factors))
        if s.fits([m + f * c * s.x for f, m in zip(factors, s.measured, strict=True)]):
            return Penalty(c, _strength(s) if gs else 0.0)
    return None


def _strength(s: Suspect) -> float | None:
    """How fast the loss grows along x far out: quadratically, where it has a penalty. None where that is no number."""
    far = float(flat(s.case.forward({s.i: FAR * s.x}))[0])
    strength = 2 * far / FAR**2 / float((s.x**2).sum())
    return strength if np.isfinite(strength) else None


def _has(s: Suspect, penalty: Penalty) -> bool:
    """Whether the forward pass has a penalty as large as the difference, or a multiple of it."""
    strengths = [float(v) for v in s.case.known.values() if isinstance(v, (int, float))]
    if penalty.strength is not None:
        if penalty.strength < 0.4 * penalty.c:
            return False
        strengths.append(penalty.strength)  # the told ones remain: a squared error hides a penalty
    return any(abs(strength / penalty.c - m) < 0.01 for strength in strengths for m in (0.5, 1, 2))


@mistake("l2_missing", "Which terms of the loss contain this input? Has each of them left a trace in the gradient?")
def l2_missing(s: Suspect) -> Finding | None:
    found = _penalty(s)
    if found is None or found.c > 0:
        return None
    text = f"what is missing in {{yours}} is {-found.c:.6g} times the input itself: the derivative of an L2 term"
    return Finding(text, 1, {"coefficient": found.c})


@mistake("l2_doubled", "What is the derivative of lam/2 W^2, and how many times is it added?")
def l2_doubled(s: Suspect) -> Finding | None:
    found = _penalty(s)
    if found is None or found.c < 0 or not _has(s, found):
        return None
    text = (
        f"{{yours}} is the measured one plus {found.c:.6g} times the input itself: the derivative of the L2 term is in"
    )
    return Finding(f"{text} the gradient more often than in the loss", 1, {"coefficient": found.c})


@mistake("extra_l2", "Does every term of the gradient come from a term of the loss?")
def extra_l2(s: Suspect) -> Finding | None:
    found = _penalty(s)
    if found is None or found.c < 0 or _has(s, found):
        return None
    text = f"{{yours}} is the measured one plus {found.c:.6g} times the input itself: an L2 term (weight decay)"
    return Finding(f"{text} that the loss does not have", 1, {"coefficient": found.c})


# --- Biases


def bias_axis(s: Suspect) -> int | None:
    """The axis of the output along which the input is added, if it is added as it is and shared over all others."""
    y = s.case.y
    if len(s.case.outputs) > 1 or y.ndim < 2 or s.x.size in (1, y.size):
        return None
    step = np.linspace(1, 2, s.x.size)
    change = s.case.forward({s.i: s.x + step.reshape(s.x.shape)})[0] - y
    for axis in range(y.ndim):
        if y.shape[axis] == s.x.size:
            shape = [-1 if a == axis else 1 for a in range(y.ndim)]
            if np.allclose(change, np.broadcast_to(step.reshape(shape), y.shape)):
                return axis
    return None


def bias_form(s: Suspect, axis: int) -> str | None:
    """What was done to g instead of summing it over all axes but one."""
    gs, ndim = s.case.g, s.case.y.ndim
    others = tuple(a for a in range(ndim) if a != axis)
    forms: dict[str, Form] = {
        "the mean of g": lambda g: g.mean(axis=others),
        "the sum of all of g": lambda g: np.full(s.x.shape, g.sum()),
        "the average of all of g": lambda g: np.full(s.x.shape, g.mean()),
        "the number 1": lambda _: np.ones(s.x.shape),
        "the number of terms": lambda g: np.full(s.x.shape, g.size / s.x.size),
        "the largest entry of g": lambda g: g.max(axis=others),
    }
    for count in range(1, ndim):
        for axes in combinations(range(ndim), count):
            shown = " and ".join(map(str, axes))
            if axes != others:
                forms[f"the sum of g over axis {shown}"] = partial(np.sum, axis=axes)
            if axis not in axes:
                rest = tuple(a for a in others if a not in axes)
                forms[f"the mean of g over axis {shown}, not the sum"] = partial(_mean_then_sum, axes=axes, rest=rest)
                for which in (0, -1):
                    words = f"what entry {which} of axis {shown} brings"
                    forms[words] = partial(_one_then_sum, axes=axes, rest=rest, which=which)
    for words, form in forms.items():
        values = [form(g) for g in gs]
        if s.shaped and values[0].size == s.x.size and s.fits([v.reshape(s.x.shape) for v in values]):
            return words
        if not s.shaped and values[0].shape == s.claimed[0].shape and np.allclose(values, s.claimed):
            return words
    return None


Form = Callable[[np.ndarray], np.ndarray]


def _mean_then_sum(g: np.ndarray, axes: tuple[int, ...], rest: tuple[int, ...]) -> np.ndarray:
    return g.mean(axis=axes, keepdims=True).sum(axis=(*axes, *rest))


def _one_then_sum(g: np.ndarray, axes: tuple[int, ...], rest: tuple[int, ...], which: int) -> np.ndarray:
    for a in axes:
        g = np.take(g, [which], axis=a)
    return g.sum(axis=(*axes, *rest))


@mistake("bias_gradient", "Which entries of the output does one entry of the bias reach? What arrives from each?")
def bias_gradient(s: Suspect) -> Finding | None:
    axis = bias_axis(s)
    words = bias_form(s, axis) if axis is not None and s.case.y.ndim < 4 else None
    if axis is None or words is None:
        return None
    text = f"{{of}} is added along axis {axis} of the output, so its gradient is g summed over all other axes"
    return Finding(f"{text}; yours is {words}", 2 if "mean" in words else 0)
