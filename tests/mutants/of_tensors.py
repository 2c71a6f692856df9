"""Functions of Tensors whose gradient the engine gets wrong, because a part of them was hidden from it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import minigrad as mg

from .case import Draw, Mutant, TensorOperation


def _operation(name: str, f: Callable, *inputs: np.ndarray) -> TensorOperation:
    return TensorOperation(name, f, f, inputs)


def hidden(draw: Draw) -> list[Mutant]:
    """Values that left the Tensors on the way."""
    x, W = draw(1).normal(size=(5, 3)), draw(2).normal(size=(3, 4))
    squares = _operation("sum of squares, Tensors", lambda x: np.sum(x**2), x)
    network = _operation("tanh(x W), Tensors", lambda x, W: np.tanh(x @ W), x, W)
    logistic = _operation("log(1 + exp(x)), Tensors", lambda x: np.log(1 + np.exp(x)), x)

    @mg.no_grad()
    def unrecorded(x, W):
        return np.tanh(x @ W)

    return [
        squares.mutant("detached", "x.detach()", lambda x: np.sum(x.detach() ** 2)),
        squares.mutant("detached", "x.data", lambda x: np.sum(x.data**2)),
        network.mutant("detached", "no_grad", unrecorded),
        network.mutant("zero", "W.detach()", lambda x, W: np.tanh(x @ W.detach())),
        network.mutant("zero", "x.data", lambda x, W: np.tanh(x.data @ W)),
        logistic.mutant("detached", "a new Tensor", lambda x: mg.tensor(np.log(1 + np.exp(x.data)))),
    ]


def norms(draw: Draw) -> list[Mutant]:
    """Statistics of the batch held constant."""
    x = 1 + 1.5 * draw(11).normal(size=(6, 3))

    def standardized(x, of_mean=lambda t: t, of_deviation=lambda t: t):
        centred = x - of_mean(np.mean(x, axis=0))
        return centred / of_deviation(np.sqrt(np.mean(centred**2, axis=0) + 1e-5))

    def detached_mean(x):
        return standardized(x, of_mean=lambda t: t.detach())

    def detached_deviation(x):
        return standardized(x, of_deviation=lambda t: t.detach())

    operation = _operation("standardized columns, Tensors", standardized, x)
    return [
        operation.mutant("mean_constant", "mean detached", detached_mean),
        operation.mutant("variance_constant", "deviation detached", detached_deviation),
    ]


MAKERS = [hidden, norms]
