"""One training step of an MLP, three times: minigrad, hand-written NumPy, PyTorch eager.

Float32, cross-entropy with class weights divided by their sum, SGD with momentum 0.9. All three start from the same
numbers and must arrive at the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

import minigrad as mg

LEARNING_RATE, MOMENTUM = 0.01, 0.9


class Problem:
    """Data, class weights and starting parameters for layers of the given sizes."""

    def __init__(self, sizes: tuple[int, ...], batch: int) -> None:
        rng = np.random.default_rng(0)
        self.sizes = sizes
        self.X = rng.standard_normal((batch, sizes[0])).astype(np.float32)
        self.y = rng.integers(0, sizes[-1], batch)
        self.class_weight = rng.uniform(0.5, 2.0, sizes[-1]).astype(np.float32)
        self.layers = [
            ((rng.standard_normal((o, i)) / np.sqrt(i)).astype(np.float32), np.zeros(o, np.float32))
            for i, o in pairwise(sizes)
        ]


def minigrad_step(problem: Problem) -> tuple[Callable[[], Any], Callable[[], list[np.ndarray]]]:
    """The step, and a function that gives the parameters."""
    layers: list[mg.nn.Module] = []
    for i, o in pairwise(problem.sizes):
        layers += [mg.nn.Linear(i, o), mg.nn.ReLU()]
    model = mg.nn.Sequential(*layers[:-1])
    for p, value in zip(model.parameters(), _flat(problem.layers), strict=True):
        p.data[...] = value
    optimizer = mg.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    X, y, w = problem.X, problem.y, problem.class_weight

    def step() -> None:
        optimizer.zero_grad()
        loss = mg.losses.cross_entropy(model(X), y, class_weight=w, reduction="weighted_mean")
        loss.backward()
        optimizer.step()

    return step, lambda: [p.data.copy() for p in model.parameters()]


def numpy_step(problem: Problem) -> tuple[Callable[[], Any], Callable[[], list[np.ndarray]]]:
    """What somebody who knows NumPy would write for exactly this network."""
    layers = [(W.copy(), b.copy()) for W, b in problem.layers]
    velocity = [(np.zeros_like(W), np.zeros_like(b)) for W, b in layers]
    X, y = problem.X, problem.y
    rows = np.arange(len(y))

    def step() -> None:
        inputs = [X]
        for W, b in layers[:-1]:
            h = inputs[-1] @ W.T
            h += b
            inputs.append(np.maximum(h, 0, out=h))
        W, b = layers[-1]
        z = inputs[-1] @ W.T
        z += b
        z -= z.max(axis=1, keepdims=True)
        w = problem.class_weight[y]
        w /= w.sum()
        g = np.exp(z)
        total = g.sum(axis=1, keepdims=True)
        float((w * (np.log(total[:, 0]) - z[rows, y])).sum())  # the loss itself
        g /= total
        g[rows, y] -= 1
        g *= w[:, None]
        for i in range(len(layers) - 1, -1, -1):
            (W, b), (vW, vb), x = layers[i], velocity[i], inputs[i]
            gW, gb = g.T @ x, g.sum(axis=0)
            if i:
                g = g @ W
                g *= x > 0
            for p, v, d in ((W, vW, gW), (b, vb, gb)):
                v *= MOMENTUM
                v += d
                p -= LEARNING_RATE * v

    return step, lambda: _flat(layers)


def torch_step(problem: Problem) -> tuple[Callable[[], Any], Callable[[], list[np.ndarray]]]:
    import torch

    torch.set_num_threads(1)
    layers: list[Any] = []
    for i, o in pairwise(problem.sizes):
        layers += [torch.nn.Linear(i, o), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for p, value in zip(model.parameters(), _flat(problem.layers), strict=True):
            p.copy_(torch.from_numpy(value))
    loss_of = torch.nn.CrossEntropyLoss(weight=torch.from_numpy(problem.class_weight))
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    X, y = torch.from_numpy(problem.X), torch.from_numpy(problem.y)

    def step() -> None:
        optimizer.zero_grad()
        loss = loss_of(model(X), y)
        loss.backward()
        optimizer.step()

    return step, lambda: [p.detach().numpy().copy() for p in model.parameters()]


def _flat(layers: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    return [array.copy() for layer in layers for array in layer]
