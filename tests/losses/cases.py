"""Every loss with every option that changes it: the table that the tests of laws and of bad input run over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from minigrad import losses


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _multiclass(rng, n, k):
    return rng.normal(size=(n, k)), rng.integers(k, size=n)


def _soft(rng, n, k):
    return rng.normal(size=(n, k)), rng.dirichlet(np.ones(k), size=n)


def _binary(rng, n, _k):
    return rng.normal(size=n), rng.integers(2, size=n)


def _binary_soft(rng, n, _k):
    return rng.normal(size=n), rng.uniform(size=n)


def _multilabel(rng, n, k):
    return rng.normal(size=(n, k)), rng.integers(2, size=(n, k))


def _regression(rng, n, _k):
    return rng.normal(size=n), rng.normal(size=n)


def _outputs(rng, n, k):
    return rng.normal(size=(n, k)), rng.normal(size=(n, k))


def _signs(rng, n, _k):
    return rng.normal(size=n), 2 * rng.integers(2, size=n) - 1


PROBABILITIES = (_soft, _binary_soft)  # targets that are no labels


@dataclass(frozen=True)
class LossCase:
    """`data(rng, n, k)` draws (prediction, target); `closed_form(z, t)` is dl_i/dz_i; `skip` as for check_laws."""

    loss: Callable
    kind: str
    data: Callable
    closed_form: Callable | None = None
    skip: dict[int, str] = field(default_factory=dict)


_SMOOTHED = {5: "with label smoothing every class's weight counts, not only the label's"}
_NOT_HARD = {5: "targets in between have no label to gather by"}

CASES = {
    "cross_entropy": LossCase(
        losses.cross_entropy, "multiclass", _multiclass, lambda z, t: softmax(z) - np.eye(z.shape[1])[t]
    ),
    "cross_entropy of probabilities": LossCase(losses.cross_entropy, "multiclass", _soft, lambda z, t: softmax(z) - t),
    "cross_entropy with label smoothing": LossCase(
        partial(losses.cross_entropy, label_smoothing=0.2),
        "multiclass",
        _multiclass,
        lambda z, t: softmax(z) - 0.8 * np.eye(z.shape[1])[t] - 0.2 / z.shape[1],
        _SMOOTHED,
    ),
    "binary_cross_entropy": LossCase(losses.binary_cross_entropy, "binary", _binary, lambda z, t: sigmoid(z) - t),
    "binary_cross_entropy of probabilities": LossCase(
        losses.binary_cross_entropy, "binary", _binary_soft, lambda z, t: sigmoid(z) - t, _NOT_HARD
    ),
    "binary_cross_entropy with pos_weight": LossCase(
        partial(losses.binary_cross_entropy, pos_weight=3.0),
        "binary",
        _binary,
        lambda z, t: (1 - t) * sigmoid(z) - 3 * t * (1 - sigmoid(z)),
    ),
    "binary_cross_entropy, multi-label": LossCase(
        partial(losses.binary_cross_entropy, pos_weight=0.5),
        "multilabel",
        _multilabel,
        lambda z, t: (1 - t) * sigmoid(z) - 0.5 * t * (1 - sigmoid(z)),
    ),
    "mse": LossCase(losses.mse, "regression", _regression, lambda z, t: 2 * (z - t)),
    "mse, several outputs": LossCase(losses.mse, "regression", _outputs, lambda z, t: 2 * (z - t) / z.shape[1]),
    "huber": LossCase(losses.huber, "regression", _regression, lambda z, t: np.clip(z - t, -1, 1)),
    "huber with delta, several outputs": LossCase(
        partial(losses.huber, delta=0.3),
        "regression",
        _outputs,
        lambda z, t: np.clip(z - t, -0.3, 0.3) / z.shape[1],
    ),
    "hinge": LossCase(losses.hinge, "signs", _signs, lambda z, s: np.where(s * z < 1, -s, 0)),
    "hinge with margins": LossCase(
        partial(losses.hinge, margin=(0.5, 2.0)),
        "signs",
        _signs,
        lambda z, s: np.where(s * z < np.where(s > 0, 2.0, 0.5), -s, 0),
    ),
}
