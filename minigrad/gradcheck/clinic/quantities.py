"""The numbers that a gradient may be off by: sizes, sums of weights, what the caller told. And their names."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from .suspect import Case

WEIGHTS = ("weights", "sample_weight", "class_weight", "pos_weight", "weight", "w", "alpha")  # names they are told by
PRECISION = 1e-6  # to which a measured ratio must equal a number to be called by its name


class Quantity(NamedTuple):
    """A number with a symbol and what it means. ``divides``: losses are divided by it, so it may meet another."""

    symbol: str
    meaning: str
    value: float
    divides: bool = False


def quantities(case: Case) -> list[Quantity]:
    """Likeliest first, no value twice."""
    found: dict[float, Quantity] = {}
    for quantity in _all(case):
        if np.isfinite(quantity.value) and quantity.value > 0 and quantity.value != 1:
            found.setdefault(round(quantity.value, 12), quantity)
    return list(found.values())


def _all(case: Case) -> Iterator[Quantity]:
    n = samples(case)
    yield Quantity("N", "the number of samples", n, True)
    for name, value in case.known.items():
        if name not in ("labels", "reduction") and np.ndim(value) == 0 and isinstance(value, (int, float, np.number)):
            yield Quantity(name, f"the {name} that was given", float(value), True)
            if "micro" in name and value:
                yield Quantity("N/m", "the number of micro-batches", float(np.ceil(n / value)), True)
    for weights in weights_of(case):
        yield Quantity("sum w", "the sum of the weights", float(weights.samples.sum()), True)
        yield Quantity("sum w / N", "the mean weight", float(weights.samples.mean()), True)
        if weights.classes is not None:
            yield Quantity("sum w_c", "the sum of the classes' weights", float(weights.classes.sum()), True)
    labels = labels_of(case)
    if labels is not None and case.inputs[0].ndim == 2:
        meaning = "the number of classes" if labels.ndim == 1 else "the number of labels of each sample"
        yield Quantity("K", meaning, case.inputs[0].shape[1], True)
    shapes = [(name, x.shape) for name, x in zip(case.names, case.inputs, strict=True)]
    shapes += [("the output", y.shape) for y in case.outputs]
    for name, shape in shapes:
        for axis, size in enumerate(shape):
            yield Quantity(str(size), f"the length of axis {axis} of {name}", size)
    for name, shape in shapes:
        yield Quantity("the size", f"the number of entries of {name}", int(np.prod(shape)))
        if len(shape) == 4:
            yield Quantity("H W", f"the number of pixels of {name}", shape[2] * shape[3])
            yield Quantity("N H W", f"samples times pixels of {name}", shape[0] * shape[2] * shape[3])
    large, small = case.inputs[0], case.y
    if large.ndim == small.ndim == 4 and small.size:
        window = (large.shape[2] // max(small.shape[2], 1)) * (large.shape[3] // max(small.shape[3], 1))
        yield Quantity("k k", "the number of entries in a window", window)


def samples(case: Case) -> int:
    """N: the number of labels, else the length of the first axis of the output, or of the first input that has one."""
    if case.known.get("labels") is not None:
        return len(np.atleast_1d(case.known["labels"]))
    first = [a.shape[0] for a in (*case.outputs, *case.inputs) if a.ndim]
    return first[0] if first else 1


class Weights(NamedTuple):
    """Weights of the samples, (N,), or (N, K) for several labels each; of the classes, (K,), if those were given."""

    samples: np.ndarray
    classes: np.ndarray | None


def weights_of(case: Case) -> list[Weights]:
    """Every vector that may be the samples' weights: told, or found among the arguments."""
    n, labels = samples(case), labels_of(case)
    told = [np.asarray(v, dtype=float) for name, v in case.known.items() if name in WEIGHTS and v is not None]
    passed = [a for a in case.others if a.ndim == 1 and a.dtype.kind == "f"]
    found = []
    for w in told or passed:
        if w.shape in ((n,), (n, 1)):
            found.append(Weights(w.reshape(n), None))
        if w.ndim == 1 and labels is not None and labels.ndim == 1 and len(w) > labels.max():
            found.append(Weights(w[labels], w))
        if w.ndim >= 1 and labels is not None and labels.ndim == 2 and w.shape in (labels.shape, labels.shape[1:]):
            found.append(Weights(np.broadcast_to(w, labels.shape), None))
        if w.ndim == 0 and labels is not None and labels.ndim == 1 and labels.max() <= 1:  # pos_weight
            found.append(Weights(np.where(labels == 1, w, 1.0), np.array([1.0, w])))
    return [w for w in found if (w.samples >= 0).all() and w.samples.any() and np.ptp(w.samples)]


def labels_of(case: Case) -> np.ndarray | None:
    """Integer labels from 0 on: told, or the one argument of whole numbers. -1 and +1 become 0 and 1."""
    told = case.known.get("labels")
    if told is None:
        whole = [a for a in case.others if a.ndim in (1, 2) and a.dtype.kind in "iub" and a.size]
        told = whole[0] if len(whole) == 1 else None
    labels = np.asarray(told if told is not None else [])
    if not labels.size or labels.dtype.kind not in "iubf" or (labels != np.round(labels)).any():
        return None
    if set(np.unique(labels)) == {-1, 1}:
        labels = (labels + 1) // 2
    return labels.astype(int) if labels.min() >= 0 else None


def named(ratio: float, case: Case) -> Quantity | None:
    """The simplest expression in the case's quantities that equals |ratio|; None where none does.

    Its meaning reads as a sentence: "32 is the number of samples".
    """
    size = abs(ratio)
    for quantity in _expressions(case):
        if quantity.value != 1 and abs(size - quantity.value) <= PRECISION * quantity.value:
            return quantity
    return None


def _expressions(case: Case) -> Iterator[Quantity]:
    """The quantities, their inverses, 2 and 1/2; for a loss also those it divides by with a 2 and with each other."""
    for q in case.quantities:
        yield Quantity(q.symbol, _is(q), q.value)
        yield Quantity(f"1/{_bracketed(q)}", _is(q), 1 / q.value)
    yield Quantity("2", "a 2 too many: the derivative of a square brings one, a factor 1/2 in front takes it away", 2.0)
    yield Quantity("1/2", "a 2 is missing: the derivative of a square brings one", 0.5)
    if case.y.ndim or labels_of(case) is None:
        return
    divisors = [q for q in case.quantities if q.divides]
    for q in divisors:
        for two, value in (("2", 2.0), ("1/2", 0.5)):
            yield Quantity(f"{two} x {_bracketed(q)}", f"a factor {two}, and {_is(q)}", value * q.value)
            yield Quantity(f"{two} / {_bracketed(q)}", f"a factor {two}, and {_is(q)}", value / q.value)
    for q, r in permutations(divisors, 2):
        both, product = f"{_is(q)}, {_is(r)}", f"{_bracketed(q)} x {_bracketed(r)}"
        yield Quantity(f"{_bracketed(q)} / {_bracketed(r)}", both, q.value / r.value)
        yield Quantity(product, both, q.value * r.value)
        yield Quantity(f"1 / ({product})", both, 1 / (q.value * r.value))
    for q in divisors:
        yield Quantity(f"{_bracketed(q)}^2", f"{_is(q)}, and it enters twice", q.value**2)
        yield Quantity(f"1/{_bracketed(q)}^2", f"{_is(q)}, and it enters twice", q.value**-2)


def _is(q: Quantity) -> str:
    return f"{q.value:.6g} is {q.meaning}"


def _bracketed(q: Quantity) -> str:
    return f"({q.symbol})" if " " in q.symbol else q.symbol
