"""The losses with costs, in the form of the table of all losses."""

from functools import partial

import numpy as np

from minigrad import losses
from tests.losses.cases import LossCase, _binary, _multiclass, sigmoid, softmax


def costs(k, diagonal=0.0, seed=5):
    """A cost matrix that is not symmetric, with `diagonal` added to what being right costs."""
    C = np.random.default_rng(seed).uniform(0.2, 3.0, (k, k))
    np.fill_diagonal(C, diagonal)
    return C


def with_costs(loss, diagonal=0.0, **own):
    """The loss with a cost matrix for as many classes as there are logits."""

    def bound(z, t, **weights):
        return loss(z, t, cost_matrix=costs(z.shape[1], diagonal), **own, **weights)

    bound.__name__ = loss.__name__
    return bound


def one_hot(z, t):
    return np.eye(z.shape[1])[t]


def expected_cost(z, t, diagonal=0.0):
    C_y, p = costs(z.shape[1], diagonal)[t], softmax(z)
    return p * (C_y - np.sum(p * C_y, axis=1, keepdims=True))


def log_cost(z, t):
    """sum_j C[y, j] p_j (e_j - q_j), q_j the softmax over the classes other than j."""
    n, k = z.shape
    C_y, p = costs(k)[t], softmax(z)
    g = np.zeros((n, k))
    for j in range(k if k > 1 else 0):
        others = np.delete(np.arange(k), j)
        g[:, j] += C_y[:, j] * p[:, j]
        g[:, others] -= (C_y[:, j] * p[:, j])[:, None] * softmax(z[:, others])
    return g


def example_cost(z, t, tp, fp, fn, tn):
    p = sigmoid(z)
    return p * (1 - p) * np.where(t == 1, tp - fn, fp - tn)


NAMED = {"cost_tp": 0.5, "cost_fp": 1.0, "cost_fn": 7.0, "cost_tn": -0.25}

CASES = {
    "expected_cost": LossCase(with_costs(losses.expected_cost), "multiclass", _multiclass, expected_cost),
    "expected_cost, being right costs too": LossCase(
        with_costs(losses.expected_cost, 0.7), "multiclass", _multiclass, partial(expected_cost, diagonal=0.7)
    ),
    "cost_penalty": LossCase(
        with_costs(losses.cost_penalty, lam=0.3),
        "multiclass",
        _multiclass,
        lambda z, t: softmax(z) - one_hot(z, t) + 0.3 * expected_cost(z, t),
    ),
    "cost_weighted_cross_entropy": LossCase(
        with_costs(losses.cost_weighted_cross_entropy),
        "multiclass",
        _multiclass,
        lambda z, t: costs(z.shape[1]).sum(axis=1)[t][:, None] * (softmax(z) - one_hot(z, t)),
    ),
    "log_cost": LossCase(with_costs(losses.log_cost), "multiclass", _multiclass, log_cost),
    "softmax_margin": LossCase(
        with_costs(losses.softmax_margin, 0.7),
        "multiclass",
        _multiclass,
        lambda z, t: softmax(z + costs(z.shape[1], 0.7)[t]) - one_hot(z, t),
    ),
    "example_cost": LossCase(
        partial(losses.example_cost, **NAMED),
        "binary",
        _binary,
        lambda z, t: example_cost(z, t, *NAMED.values()),
    ),
}
