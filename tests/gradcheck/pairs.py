"""Backward passes as a student writes them: forward, backward, sample inputs."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    name: str
    forward: Any
    backward: Any
    inputs: tuple

    def __str__(self):
        return self.name


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def positive(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0.5, 2.0, shape)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_backward(g, z):
    p = softmax(z)
    return p * (g - (g * p).sum(axis=1, keepdims=True))


def log_softmax(z):
    return np.log(softmax(z))


def linear_backward(g, x, W, _b):
    return g @ W.T, x.T @ g, g.sum(axis=0)


def cross_entropy(z, y):
    return -log_softmax(z)[np.arange(len(y)), y].mean()


def cross_entropy_backward(g, z, y):
    one_hot = np.zeros_like(z)
    one_hot[np.arange(len(y)), y] = 1
    return g * (softmax(z) - one_hot) / len(y), None


def layer_norm(x):
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)


def layer_norm_backward(g, x):
    centred = x - x.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    h = centred / spread
    return (g - g.mean(axis=1, keepdims=True) - h * (g * h).mean(axis=1, keepdims=True)) / spread


def two_outputs_backward(g, a, b):
    total, product = g
    return total + product * b, total + product * a


def norm_backward(g, x):
    return g * x / np.sqrt((x**2).sum())


LABELS = np.array([0, 2, 1, 2])

CASES = [
    Case("exp", np.exp, lambda g, x: g * np.exp(x), (draw(3, 4),)),
    Case("log", np.log, lambda g, x: g / x, (positive(5),)),
    Case("tanh", np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2), (draw(2, 3),)),
    Case("relu", lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0), (draw(4, 3),)),
    Case("sin of a number", np.sin, lambda g, x: g * np.cos(x), (0.7,)),
    Case("multiply", np.multiply, lambda g, a, b: (g * b, g * a), (draw(3, 2), draw(3, 2, seed=1))),
    Case("divide", np.divide, lambda g, a, b: (g / b, -g * a / b**2), (draw(4), positive(4))),
    Case("power", np.power, lambda g, a, b: (g * b * a ** (b - 1), g * a**b * np.log(a)), (positive(4), draw(4))),
    Case("add a row", np.add, lambda g, a, b: (g, g.sum(axis=0)), (draw(4, 3), draw(3))),
    Case("mean", lambda x: x.mean(), lambda g, x: np.full_like(x, g / x.size), (draw(5, 2),)),
    Case("sum of squares", lambda x: (x**2).sum(axis=0), lambda g, x: 2 * g * x, (draw(5, 2),)),
    Case("norm", lambda x: np.sqrt((x**2).sum()), norm_backward, (draw(6),)),
    Case("matmul", np.matmul, lambda g, a, b: (g @ b.T, a.T @ g), (draw(3, 4), draw(4, 2))),
    Case("linear", lambda x, W, b: x @ W + b, linear_backward, (draw(5, 4), draw(4, 3, seed=1), draw(3, seed=2))),
    Case("softmax", softmax, softmax_backward, (draw(4, 3),)),
    Case("log_softmax", log_softmax, lambda g, z: g - softmax(z) * g.sum(axis=1, keepdims=True), (draw(4, 3),)),
    Case("cross entropy", cross_entropy, cross_entropy_backward, (draw(4, 3), LABELS)),
    Case("layer norm", layer_norm, layer_norm_backward, (draw(3, 5),)),
    Case("two outputs", lambda a, b: (a + b, a * b), two_outputs_backward, (draw(3), draw(3, seed=1))),
    Case("max of distinct values", np.max, lambda g, x: g * (x == x.max()), (draw(6),)),
    Case("where", lambda x: np.where(x > 0, x**2, -x), lambda g, x: g * np.where(x > 0, 2 * x, -1.0), (draw(8),)),
    Case("sort", np.sort, lambda g, x: g[np.argsort(np.argsort(x))], (draw(6),)),
    Case("cumsum", np.cumsum, lambda g, x: np.cumsum(g[::-1])[::-1], (draw(6),)),
]
