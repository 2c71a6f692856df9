"""The laws of weighted losses (LAWS), each one function.

A law says that two sides are equal. Its function yields (where, left, right) for every form in which that is checked; a
side is a number, an array, or several by name. For `where` it may yield (where, name of left, name of right), if these
are not the sides that LAWS names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..autograd import grad, jacobian
from ..gradcheck import gradcheck
from ..tensor import Tensor, as_array


class DoesNotApply(Exception):  # noqa: N818 (nothing is wrong)
    """A law says nothing about this loss, for the reason given."""


class Broken(Exception):  # noqa: N818 (it is a finding)
    """Both sides of a law differ: (in words, how much, at which sample)."""


@dataclass
class Case:
    """A loss, the data that it is tried on, and the calls that the laws make."""

    function: Callable
    kind: str
    z: np.ndarray
    t: np.ndarray
    w: np.ndarray
    v: np.ndarray
    closed_form: Callable | None
    coupled: bool = False

    def loss(self, z: Any, w: Any = None, reduction: Any = "sum", rows: Any = slice(None), v: Any = None) -> Tensor:
        weights = {"sample_weight": w, "class_weight": v}
        given = {name: value for name, value in weights.items() if value is not None}
        y = self.function(z, self.t[rows], reduction=reduction, **given)
        if not isinstance(y, Tensor):
            raise TypeError(
                f"the loss of a Tensor must be a Tensor, this one is a {type(y).__name__}: "
                "compute it from the prediction itself, with NumPy functions and no .data or .numpy()"
            )
        return y

    def both(self, w: Any = None, reduction: Any = "sum", rows: Any = slice(None), v: Any = None) -> dict[str, Any]:
        """The loss of some rows and its gradient at all logits."""
        z = Tensor(self.z, requires_grad=True)
        y = self.loss(z[rows], w, reduction, rows, v)
        return {"value": y.data, "gradient": grad(y, z, np.ones(y.shape)).data}

    @cached_property
    def each(self) -> np.ndarray:
        """Unweighted losses l_i."""
        if self.coupled:
            raise DoesNotApply("samples are coupled: there is no loss of one sample")
        return self.loss(Tensor(self.z), reduction="none").data

    @cached_property
    def size(self) -> float:
        """How large losses are, for rounding to be measured by."""
        return float(np.max(np.absolute(self.loss(Tensor(self.z), reduction=self.by_value).data), initial=0))

    @property
    def by_value(self) -> str:
        """The reduction that loses least."""
        return "weighted_mean" if self.coupled else "none"

    @property
    def d(self) -> float:
        """A divisor that is neither N nor sum w."""
        return 1.7 * len(self.z)

    def those(self, *reductions: Any) -> tuple[Any, ...]:
        """Those of the reductions that the loss has."""
        return tuple(r for r in reductions if r == "weighted_mean" or not self.coupled)

    @property
    def reductions(self) -> tuple[Any, ...]:
        return self.those("sum", "mean", "weighted_mean", self.d)

    def full(self, w: np.ndarray) -> np.ndarray:
        """The weight of each l_i: for multi-label losses one per entry."""
        shape = self.z.shape if self.kind == "multilabel" else self.z.shape[:1]
        return np.broadcast_to(w if w.ndim == len(shape) else w[:, None], shape)

    def divisor(self, reduction: Any) -> float:
        named = {"none": 1, "sum": 1, "mean": self.each.size, "weighted_mean": self.full(self.w).sum() or np.inf}
        return float(named.get(reduction, reduction))

    def gathered(self) -> np.ndarray:
        """class_weight[y_i], where the loss and its targets have classes."""
        if self.kind == "regression":
            raise DoesNotApply("a regression target has no classes")
        if not _accepts(self.function, "class_weight"):
            raise DoesNotApply("the loss has no parameter class_weight")
        if self.kind == "multilabel":
            return np.broadcast_to(self.v, self.z.shape)
        hard = (self.t > 0 if self.kind == "signs" else self.t).astype(int)
        if self.t.ndim == 2 or (self.kind == "binary" and (hard != self.t).any()):
            raise DoesNotApply("targets of probabilities have no label to gather by")
        return self.v[hard]


Sides = Iterator[tuple[Any, Any, Any]]


def _reductions(c: Case) -> Sides:
    each, weights = c.each, c.full(c.w)
    yield "none", c.loss(Tensor(c.z), c.w, "none").data, weights * each
    for reduction in c.reductions:
        yield reduction, c.loss(Tensor(c.z), c.w, reduction).data, np.sum(weights * each) / c.divisor(reduction)
    nothing = {"value": np.zeros((), c.z.dtype), "gradient": np.zeros_like(c.z)}
    yield "weighted_mean with all weights 0", c.both(np.zeros_like(c.w), "weighted_mean"), nothing


def _weight_zero(c: Case) -> Sides:
    w = c.w.copy()
    w[1::2] = 0
    kept = np.arange(0, len(w), 2)
    for reduction in c.those("sum", "weighted_mean", c.d):
        yield reduction, c.both(w, reduction), c.both(c.w[kept], reduction, kept)


def _weight_k(c: Case) -> Sides:
    k = 1 + np.arange(len(c.z)) % 3
    copies = np.repeat(np.arange(len(c.z)), k)
    for reduction in c.those("sum", "weighted_mean"):
        yield reduction, c.both((c.w.T * k).T, reduction), c.both(c.w[copies], reduction, copies)


def _scaling(c: Case) -> Sides:
    s = 2.5
    for reduction in c.reductions:
        factor = 1 if reduction == "weighted_mean" else s
        unscaled = c.both(c.w, reduction)
        yield reduction, c.both(s * c.w, reduction), {name: factor * x for name, x in unscaled.items()}


def _permutation(c: Case) -> Sides:
    order = np.r_[1 : len(c.z) : 2, 0 : len(c.z) : 2]
    for reduction in c.reductions:
        yield reduction, c.both(c.w[order], reduction, order), c.both(c.w, reduction)
    if not c.coupled:
        each = c.loss(Tensor(c.z), c.w, "none").data
        yield "none", c.loss(Tensor(c.z[order]), c.w[order], "none", order).data, each[order]


def _class_weight(c: Case) -> Sides:
    gathered = c.gathered()
    for reduction in c.those("none", *c.reductions):
        yield reduction, c.both(None, reduction, v=c.v), c.both(gathered, reduction)
        yield (
            f"{reduction}, times sample_weight",
            c.both(c.w, reduction, v=c.v),
            c.both(c.full(c.w) * gathered, reduction),
        )


def _weight_one(c: Case) -> Sides:
    for reduction in c.those("none", *c.reductions):
        yield reduction, c.both(np.ones_like(c.w), reduction), c.both(None, reduction)


def _micro_batches(c: Case) -> Sides:
    if c.coupled:
        raise DoesNotApply("samples are coupled: micro-batches do not add up")
    parts = [part for part in np.split(np.arange(len(c.z)), [2, 3]) if len(part)]
    for reduction in ("mean", "weighted_mean"):
        divisor = c.divisor(reduction)
        if divisor < np.inf:
            results = [c.both(c.w[part], divisor, part) for part in parts]
            added = {name: sum(result[name] for result in results) for name in results[0]}
            yield f"{reduction} against D = {divisor:g}", added, c.both(c.w, reduction)


def _gradient(c: Case) -> Sides:
    if c.coupled:
        raise DoesNotApply("samples are coupled: there is no loss of one sample")
    each = jacobian(lambda z: c.loss(z, reduction="none"), c.z).data
    total = np.tensordot(c.full(c.w), each, axes=c.each.ndim)
    for reduction in c.reductions:
        yield reduction, c.both(c.w, reduction)["gradient"], total / c.divisor(reduction)


def _weight_gradient(c: Case) -> Sides:
    for reduction in c.reductions:
        w = Tensor(c.w, requires_grad=True)
        loss = c.loss(Tensor(c.z), w, reduction)
        expected = (c.each - (loss.data if reduction == "weighted_mean" else 0)) / c.divisor(reduction)
        yield reduction, grad(loss, w).data, expected if expected.ndim == c.w.ndim else expected.sum(axis=1)


def _softmax(c: Case) -> Sides:
    if c.kind != "multiclass":
        raise DoesNotApply("not a loss of softmax(logits)")
    gradient = c.both(c.w, c.by_value)["gradient"]
    last = (c.by_value, "dl/dz of the last class", "minus the sum of dl/dz of the other classes")
    yield last, gradient[:, -1], -gradient[:, :-1].sum(axis=1)
    shift = np.linspace(-3, 3, len(c.z), dtype=c.z.dtype)[:, None]
    shifted = ("none", "the loss of logits with a constant added to each row", "the loss of the logits")
    yield shifted, c.loss(Tensor(c.z + shift), reduction="none").data, c.each


def _derivative(c: Case, order: int) -> None:
    report = gradcheck(lambda z: c.loss(z, c.w, c.by_value), c.z, order=order, raise_on_failure=False)
    if report.failures:
        worst = report.failures[0]
        raise Broken(f"{report.reasons[0]}; {worst}", worst.error, worst.index[0] if worst.index else None)
    if not report.ok:
        raise Broken(str(report.reasons[0]), np.nan, None)


def _first_derivative(c: Case) -> Sides:
    _derivative(c, order=1)
    if c.closed_form is not None:
        z = c.z.astype(np.float64)
        leaf = Tensor(z, requires_grad=True)
        loss = c.loss(leaf, reduction=c.by_value)
        yield "closed form", grad(loss, leaf, np.ones(loss.shape)).data, as_array(c.closed_form(z, c.t))


def _second_derivative(c: Case) -> Sides:
    _derivative(c, order=2)
    return iter(())


LAWS: dict[int, tuple[str, str, Callable[[Case], Sides]]] = {
    0: ("each reduction", "sum w_i l_i by its divisor", _reductions),
    1: ("weight 0", "the sample removed", _weight_zero),
    2: ("weight k", "the sample repeated k times", _weight_k),
    3: ("all weights times s", "the loss times s (weighted_mean: unchanged)", _scaling),
    4: ("samples permuted", "the same loss", _permutation),
    5: ("class_weight", "the same weights gathered per sample", _class_weight),
    6: ("all weights 1", "unweighted", _weight_one),
    7: ("micro-batches with the right D, added up", "the full batch", _micro_batches),
    8: ("gradient of the weighted loss", "sum w_i (gradient of l_i) by the divisor", _gradient),
    9: ("dL/dw_i", "l_i / D (weighted_mean: (l_i - L) / sum w)", _weight_gradient),
    10: ("softmax: a constant added to a row of logits", "no change, so rows of dl/dz sum to 0", _softmax),
    11: ("autograd", "finite differences, and the closed form where given", _first_derivative),
    12: ("second derivatives", "finite differences of the first", _second_derivative),
}


def _accepts(function: Callable, name: str) -> bool:
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
