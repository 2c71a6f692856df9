"""The losses for imbalanced data, in the form of the table of all losses."""

from functools import partial

import numpy as np

from minigrad import losses
from tests.losses.cases import LossCase, _binary, _binary_soft, _multiclass, _multilabel, sigmoid, softmax


def counts(k):
    """Samples per class, each a third of the one before."""
    return 3 ** np.arange(k, 0, -1)


def classes(z):
    """K; for logits that are no matrix, and are to be refused, any number."""
    return z.shape[1] if np.ndim(z) == 2 else 1


def with_counts(loss, **own):
    """The loss with counts for as many classes as there are logits."""

    def bound(z, t, **weights):
        return loss(z, t, counts=counts(classes(z)), **own, **weights)

    bound.__name__ = loss.__name__
    return bound


def one_hot(z, t):
    return np.eye(z.shape[1])[t]


def focal_factor(p, gamma):
    """f = (1-p)^gamma - gamma p (1-p)^(gamma-1) log p, finite at p = 1 where gamma < 1."""
    r = 1 - p
    slope = np.where(r > 0, np.log(p) / np.where(r > 0, r, 1), -1)
    return r**gamma * (1 - gamma * p * slope)


def focal(z, t, gamma):
    p = softmax(z)
    return focal_factor(p[np.arange(len(t)), t], gamma)[:, None] * (p - one_hot(z, t))


def binary_focal(z, t, alpha, gamma):
    p = sigmoid(z)
    return (1 - alpha) * (1 - t) * p * focal_factor(1 - p, gamma) - alpha * t * (1 - p) * focal_factor(p, gamma)


def adjusted(z, t, gamma, tau):
    n = counts(z.shape[1])
    a = (n.max() / n) ** gamma
    return (softmax(z / a + tau * np.log(n / n.sum())) - one_hot(z, t)) / a


def margins(k):
    n = counts(k)
    return 0.5 * (n.min() / n) ** 0.25


def ldam(z, t, scale):
    return scale * (softmax(scale * (z - margins(z.shape[1]) * one_hot(z, t))) - one_hot(z, t))


def costs(k):
    """Costs that are not symmetric, 0 on the diagonal."""
    return np.random.default_rng(5).uniform(0.2, 3.0, (k, k)) * (1 - np.eye(k))


def with_costs(loss):
    def bound(z, t, **weights):
        return loss(z, t, cost_matrix=costs(classes(z)) if classes(z) > 1 else None, **weights)

    bound.__name__ = loss.__name__
    return bound


def crammer_singer(z, t, matrix=lambda k: 1 - np.eye(k)):
    worst = np.argmax(z + matrix(z.shape[1])[t], axis=1)
    return one_hot(z, worst) - one_hot(z, t)


def weston_watkins(z, t, matrix=lambda k: 1 - np.eye(k)):
    own = z[np.arange(len(t)), t][:, None]
    g = matrix(z.shape[1])[t] * (1 + z - own > 0)
    return g - one_hot(z, t) * g.sum(axis=1, keepdims=True)


def generalized(z, t, q):
    p = softmax(z)
    return p[np.arange(len(t)), t][:, None] ** q * (p - one_hot(z, t))


DENSITY = np.array([4.0, 2.0, 1.0, 0.5, 0.5])


def ghm(z, t):
    g = sigmoid(z) - t
    return g / DENSITY[(5 * abs(g)).astype(int)]


def asymmetric(z, t, positive, negative, m):
    p = sigmoid(z)
    shifted = np.where(p > m, p - m, 1)
    hard = p * (1 - p) * (shifted**negative / (1 - p + m) - negative * shifted ** (negative - 1) * np.log(1 - p + m))
    easy = -((1 - p) ** (positive + 1)) + positive * p * (1 - p) ** positive * np.log(p)
    return t * easy + (1 - t) * np.where(p > m, hard, 0)


def distribution_balanced(z, t, alpha=0.1, beta=10, mu=0.2, lam=2, kappa=0.05):
    n = counts(z.shape[1])
    total = n.sum() + 1
    drawn = t @ (1 / n)
    r = np.array([[1 / n[c] / drawn[i] if drawn[i] else np.inf for c in range(z.shape[1])] for i in range(len(z))])
    weight = alpha + sigmoid(beta * (r - mu))
    v = kappa * np.log(n / (total - n))
    return weight * ((1 - t) * sigmoid(lam * (z - v)) - t * sigmoid(-(z - v)))


def balanced_by_distribution(z, t, **weights):
    n = counts(classes(z))
    return losses.distribution_balanced(z, t, counts=n, total=n.sum() + 1, **weights)


_NOT_SOFTMAX = {10: "temperatures, or hinges that are no function of differences, see a constant in the logits"}
_DETACHED = {11: "the weight is detached, so the gradient is not the value's", 12: "the same"}
_OWN_DENSITY = dict.fromkeys((0, 7, 8, 9), "the density is that of the batch and its weights: samples are coupled")
_NOT_HARD = {5: "targets in between have no label to gather by"}

CASES = {
    "focal": LossCase(losses.focal, "multiclass", _multiclass, partial(focal, gamma=2)),
    "focal, gamma below 1": LossCase(
        partial(losses.focal, gamma=0.5), "multiclass", _multiclass, partial(focal, gamma=0.5)
    ),
    "focal, modulator detached": LossCase(
        partial(losses.focal, detach_modulator=True), "multiclass", _multiclass, skip=_DETACHED
    ),
    "binary_focal": LossCase(losses.binary_focal, "binary", _binary, partial(binary_focal, alpha=0.25, gamma=2)),
    "binary_focal of probabilities": LossCase(
        losses.binary_focal, "binary", _binary_soft, partial(binary_focal, alpha=0.25, gamma=2), _NOT_HARD
    ),
    "binary_focal, multi-label": LossCase(
        partial(losses.binary_focal, alpha=None, gamma=0.5),
        "multilabel",
        _multilabel,
        lambda z, t: 2 * binary_focal(z, t, 0.5, 0.5),
    ),
    # Not the default scale: 30 times a random logit leaves gradients of the size of rounding.
    "ldam": LossCase(with_counts(losses.ldam, scale=3), "multiclass", _multiclass, partial(ldam, scale=3)),
    "logit_adjusted": LossCase(
        with_counts(losses.logit_adjusted, tau=1.5), "multiclass", _multiclass, partial(adjusted, gamma=0, tau=1.5)
    ),
    "cdt": LossCase(
        with_counts(losses.cdt, gamma=0.4), "multiclass", _multiclass, partial(adjusted, gamma=0.4, tau=0), _NOT_SOFTMAX
    ),
    "vector_scaling": LossCase(
        with_counts(losses.vector_scaling, gamma=0.4, tau=1.5),
        "multiclass",
        _multiclass,
        partial(adjusted, gamma=0.4, tau=1.5),
        _NOT_SOFTMAX,
    ),
    "multiclass_hinge": LossCase(losses.multiclass_hinge, "multiclass", _multiclass, crammer_singer),
    "multiclass_hinge with costs": LossCase(
        with_costs(losses.multiclass_hinge), "multiclass", _multiclass, partial(crammer_singer, matrix=costs)
    ),
    "weston_watkins": LossCase(losses.weston_watkins, "multiclass", _multiclass, weston_watkins),
    "weston_watkins with costs": LossCase(
        with_costs(losses.weston_watkins), "multiclass", _multiclass, partial(weston_watkins, matrix=costs)
    ),
    "generalized_cross_entropy": LossCase(
        losses.generalized_cross_entropy, "multiclass", _multiclass, partial(generalized, q=0.7)
    ),
    "influence_balanced": LossCase(losses.influence_balanced, "multiclass", _multiclass, skip=_DETACHED),
    "ghm": LossCase(losses.ghm, "binary", _binary, skip=_OWN_DENSITY),
    "ghm, density given": LossCase(partial(losses.ghm, bins=5, density=DENSITY), "binary", _binary, ghm),
    "ghm, density given, multi-label": LossCase(
        partial(losses.ghm, bins=5, density=DENSITY), "multilabel", _multilabel, ghm
    ),
    "asymmetric": LossCase(
        losses.asymmetric, "multilabel", _multilabel, partial(asymmetric, positive=1, negative=4, m=0.05)
    ),
    "asymmetric, one label, other numbers": LossCase(
        partial(losses.asymmetric, gamma_pos=0, gamma_neg=0.5, margin=0.2),
        "binary",
        _binary,
        partial(asymmetric, positive=0, negative=0.5, m=0.2),
    ),
    "distribution_balanced": LossCase(balanced_by_distribution, "multilabel", _multilabel, distribution_balanced),
}
