"""The table that the tests of all losses run over, and what they share.

The table is the one that ``python -m minigrad losses`` checks; ``case.bind(K)`` is the loss with its settings.
"""

import numpy as np

import minigrad as mg
from minigrad.losses.catalogue import CATALOGUE as CASES
from minigrad.losses.catalogue import cost_matrix
from minigrad.losses.formulas import one_hot, sigmoid, softmax

__all__ = ["CASES", "K", "N", "cost_matrix", "drawn", "gradient", "one_hot", "reductions", "sigmoid", "softmax"]

N, K = 7, 3


def drawn(name, n=N, k=K, seed=0):
    """The loss of that name, and data for it."""
    case = CASES[name]
    return case.bind(k), *case.data(np.random.default_rng(seed), n, k)


def reductions(name):
    return ("mean", "weighted_mean") if CASES[name].coupled else ("none", "sum", "mean", "weighted_mean", 12.5)


def gradient(loss, z, *args, **options):
    """Value and gradient, summed where the loss is not a scalar."""
    z = mg.tensor(z, requires_grad=True)
    value = loss(z, *args, **options)
    value.backward(np.ones(value.shape))
    return value.numpy(), z.grad.numpy()
