"""Losses at the logits, L(z) = sum_i w_i l_i / D, with right slopes dl_i/dz, for any sizes, weights and reduction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .case import Mutant, Operation
from .operations import sigmoid, softmax


class Loss:
    """sum_i w_i values(z)_i / D; w_i = sample_weight_i * class_weight[label_i].

    `values` gives l, shape (N,); `slopes` dl_i/dz_i, in the shape of z. `told` is what the checker hears of besides
    labels, weights and reduction.
    """

    def __init__(
        self,
        name: str,
        values: Callable,
        slopes: Callable,
        z: np.ndarray,
        labels: np.ndarray | None = None,
        *,
        sample_weight: np.ndarray | None = None,
        class_weight: np.ndarray | None = None,
        reduction: str = "mean",
        **told: Any,
    ) -> None:
        self.name, self.values, self.slopes, self.z, self.labels = name, values, slopes, z, labels
        self.class_weight, self.told, self.reduction = class_weight, told, reduction
        self.w = np.ones(len(z)) if sample_weight is None else np.asarray(sample_weight, float)
        if class_weight is not None:
            self.w = self.w * class_weight[labels]
        given = sample_weight is not None, class_weight is not None
        self.weights = {(False, False): None, (False, True): class_weight}.get(given, self.w)
        total = self.w.sum()
        self.divisor = {"sum": 1.0, "mean": len(z), "weighted_mean": total if total > 0 else 1.0}[reduction]

    def gradient(self, factor: Any, slopes: Callable | None = None) -> Callable:
        """A backward pass: `factor`, a number or one for each sample, times `slopes`."""
        slopes = slopes or self.slopes
        each = np.broadcast_to(factor, self.w.shape).reshape(-1, *[1] * (self.z.ndim - 1))
        return lambda g, z: g * each * slopes(z)

    def operation(self) -> Operation:
        def forward(z):
            return (self.w * self.values(z)).sum() / self.divisor

        known = {"labels": self.labels, "weights": self.weights, "reduction": self.reduction, **self.told}
        kind = "" if self.weights is None else ", class weights" if self.weights is self.class_weight else ", weights"
        return Operation(
            f"{self.name}{kind}, {self.reduction}",
            forward,
            self.gradient(self.w / self.divisor),
            (self.z,),
            {name: value for name, value in known.items() if value is not None},
        )

    def factor(self, kind: str, mistake: str, factor: Any, also: tuple[str, ...] = ()) -> Mutant:
        """The right slopes with another factor for each sample."""
        return self.operation().mutant(kind, mistake, self.gradient(factor), also)

    def slope(self, kind: str, mistake: str, slopes: Callable, also: tuple[str, ...] = ()) -> Mutant:
        """Other slopes with the right factors."""
        return self.operation().mutant(kind, mistake, self.gradient(self.w / self.divisor, slopes), also)


# --- Softmax losses. z is (N, K), labels are 0..K-1


def one_hot(labels, k):
    return np.eye(k)[labels]


def of_label(values, labels):
    return values[np.arange(len(labels)), labels]


def log_softmax(z):
    shifted = z - z.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def cross_entropy(z, labels, **options):
    """-log p_y."""
    return Loss(
        "cross-entropy",
        lambda z: -of_label(log_softmax(z), labels),
        lambda z: softmax(z) - one_hot(labels, z.shape[1]),
        z,
        labels,
        **options,
    )


def focal_factor(p_y, gamma):
    """f with dl/dz = f (p - e_y): it is not the modulator (1 - p_y)**gamma alone."""
    return (1 - p_y) ** gamma - gamma * p_y * (1 - p_y) ** (gamma - 1) * np.log(p_y)


def focal(z, labels, gamma=2.0, **options):
    """-(1 - p_y)**gamma log p_y (Lin et al. 2017)."""

    def values(z):
        p_y = of_label(softmax(z), labels)
        return -((1 - p_y) ** gamma) * np.log(p_y)

    def slopes(z):
        p = softmax(z)
        return focal_factor(of_label(p, labels), gamma)[:, None] * (p - one_hot(labels, z.shape[1]))

    return Loss(f"focal gamma={gamma:g}", values, slopes, z, labels, gamma=gamma, **options)


def adjusted(z, labels, name="logit-adjusted", shift=0.0, divide=1.0, **options):
    """Cross-entropy of z / divide + shift: logit adjustment, CDT, VS, a temperature."""

    def slopes(z):
        return (softmax(z / divide + shift) - one_hot(labels, z.shape[1])) / divide

    def values(z):
        return -of_label(log_softmax(z / divide + shift), labels)

    return Loss(name, values, slopes, z, labels, **options)


def ldam(z, labels, counts, scale=5.0, **options):
    """Cross-entropy of scale * (z - margin_y e_y), margin_c ~ counts_c**-1/4 (Cao et al. 2019)."""
    margins = counts**-0.25
    moved = (0.5 * margins / margins.max())[labels][:, None] * one_hot(labels, z.shape[1])

    def slopes(z):
        return scale * (softmax(scale * (z - moved)) - one_hot(labels, z.shape[1]))

    return Loss("LDAM", lambda z: -of_label(log_softmax(scale * (z - moved)), labels), slopes, z, labels, **options)


def expected_cost(z, labels, C, **options):
    """c = sum_j p_j C[y, j]."""

    def slopes(z):
        p = softmax(z)
        return p * (C[labels] - (p * C[labels]).sum(axis=1, keepdims=True))

    return Loss(
        "expected cost",
        lambda z: (softmax(z) * C[labels]).sum(axis=1),
        slopes,
        z,
        labels,
        cost_matrix=C,
        **options,
    )


def cost_penalty(z, labels, C, lam=0.7, **options):
    """Cross-entropy + lam * expected cost."""
    plain, costly = cross_entropy(z, labels), expected_cost(z, labels, C)
    return Loss(
        "cost penalty",
        lambda z: plain.values(z) + lam * costly.values(z),
        lambda z: plain.slopes(z) + lam * costly.slopes(z),
        z,
        labels,
        cost_matrix=C,
        lam=lam,
        **options,
    )


def cost_weighted(z, labels, C, **options):
    """Cross-entropy times the row sum of C of the label."""
    plain, rows = cross_entropy(z, labels), C.sum(axis=1)[labels]
    return Loss(
        "cost-weighted cross-entropy",
        lambda z: rows * plain.values(z),
        lambda z: rows[:, None] * plain.slopes(z),
        z,
        labels,
        cost_matrix=C,
        **options,
    )


# --- Binary losses and regression. z is (N,)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def binary_cross_entropy(z, labels, pos_weight=1.0, **options):
    """pos_weight * t softplus(-z) + (1 - t) softplus(z)."""
    t = labels
    told = {} if pos_weight == 1 else {"pos_weight": pos_weight}

    def slopes(z):
        return (1 - t) * sigmoid(z) - pos_weight * t * (1 - sigmoid(z))

    name = "BCE" if pos_weight == 1 else f"BCE pos_weight={pos_weight:g}"
    return Loss(
        name,
        lambda z: pos_weight * t * softplus(-z) + (1 - t) * softplus(z),
        slopes,
        z,
        labels,
        **told,
        **options,
    )


def sigmoid_mse(z, labels, **options):
    """(sigmoid(z) - t)**2."""

    def slopes(z):
        p = sigmoid(z)
        return 2 * (p - labels) * p * (1 - p)

    return Loss("MSE of probabilities", lambda z: (sigmoid(z) - labels) ** 2, slopes, z, labels, **options)


def hinge(z, signs, **options):
    """max(0, 1 - s z)."""
    return Loss(
        "hinge", lambda z: np.maximum(0, 1 - signs * z), lambda z: -signs * (signs * z < 1), z, signs, **options
    )


def mse(z, target, **options):
    return Loss("MSE", lambda z: (z - target) ** 2, lambda z: 2 * (z - target), z, **options)


def huber(z, target, delta=0.8, **options):
    def values(z):
        far = np.abs(z - target)
        return np.where(far < delta, far**2 / 2, delta * (far - delta / 2))

    return Loss("Huber", values, lambda z: np.clip(z - target, -delta, delta), z, **options)


# --- Losses that couple the batch


def soft_f1(z, labels):
    """1 - 2 sum(p t) / (sum p + sum t)."""

    def forward(z):
        p = sigmoid(z)
        return 1 - 2 * (p * labels).sum() / (p.sum() + labels.sum())

    def backward(g, z):
        p = sigmoid(z)
        total = p.sum() + labels.sum()
        return g * (2 * (p * labels).sum() / total**2 - 2 * labels / total) * p * (1 - p)

    return Operation("soft-F1", forward, backward, (z,), {"labels": labels})


# --- Losses of a whole model, and losses that learn their weights


def classifier(x, labels, W, b, *, weights=None, reduction="mean", lam=None):
    """Weighted cross-entropy of x W + b, + lam / 2 * sum(W**2) where `lam` is given."""
    w = np.ones(len(x)) if weights is None else weights
    divisor = {"sum": 1.0, "mean": len(x), "weighted_mean": w.sum()}[reduction]
    strength = lam or 0.0

    def forward(x, W, b):
        losses = -of_label(log_softmax(x @ W + b), labels)
        return (w * losses).sum() / divisor + strength / 2 * (W**2).sum()

    def backward(g, x, W, b):
        dz = g * (w / divisor)[:, None] * (softmax(x @ W + b) - one_hot(labels, len(b)))
        return dz @ W.T, x.T @ dz + g * strength * W, dz.sum(axis=0)

    known = {"labels": labels, "weights": weights, "reduction": reduction, "lam": lam}
    name = "classifier" + ", weights" * (weights is not None) + ", L2" * (lam is not None)
    told = {key: value for key, value in known.items() if value is not None}
    return Operation(f"{name}, {reduction}", forward, backward, (x, W, b), told)


def learned_weights(z, labels, w, reduction):
    """Weighted cross-entropy as a function of the weights too: dL/dw_i = l_i / D, or (l_i - L) / sum w."""
    plain = cross_entropy(z, labels)

    def forward(z, w):
        divisor = {"sum": 1.0, "mean": len(z), "weighted_mean": w.sum()}[reduction]
        return (w * plain.values(z)).sum() / divisor

    def backward(g, z, w):
        losses = plain.values(z)
        if reduction == "weighted_mean":
            dw, divisor = (losses - (w * losses).sum() / w.sum()) / w.sum(), w.sum()
        else:
            divisor = 1.0 if reduction == "sum" else len(z)
            dw = losses / divisor
        return g * (w / divisor)[:, None] * plain.slopes(z), g * dw

    return Operation(
        f"learned weights, {reduction}", forward, backward, (z, w), {"labels": labels, "reduction": reduction}
    )
