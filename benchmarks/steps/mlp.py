"""One training step of an MLP: minigrad, hand-written NumPy, PyTorch eager.

Float32, cross-entropy with class weights divided by their sum, SGD with momentum 0.9. All start from the same
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


Step = tuple[Callable[[], Any], Callable[[], list[np.ndarray]]]


def minigrad_step(problem: Problem, device: str = "cpu", resident: bool = True) -> Step:
    """The step, and a function that gives the parameters. If not `resident`, every step moves X to the device."""
    layers: list[mg.nn.Module] = []
    for i, o in pairwise(problem.sizes):
        layers += [mg.nn.Linear(i, o), mg.nn.ReLU()]
    model = mg.nn.Sequential(*layers[:-1])
    for p, value in zip(model.parameters(), flat(problem.layers), strict=True):
        p.data[...] = value
    return minigrad_training(model, problem, device, resident), lambda: [p.numpy().copy() for p in model.parameters()]


def minigrad_training(model: mg.nn.Module, problem: Any, device: str, resident: bool) -> Callable[[], None]:
    """The step of a model of ours on the problem's X, y and class_weight."""
    model.to(device)
    optimizer = mg.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    X, y, w = (mg.device.move(a, device) for a in (problem.X, problem.y, problem.class_weight))

    def step() -> None:
        optimizer.zero_grad()
        batch = X if resident else mg.device.move(problem.X, device)
        loss = mg.losses.cross_entropy(model(batch), y, class_weight=w, reduction="weighted_mean")
        loss.backward()
        optimizer.step()

    return step


def numpy_step(problem: Problem, put: Callable[[Any], Any] = np.array) -> Step:
    """What somebody who knows NumPy would write for exactly this network. With ``put=cupy.array``: who knows CuPy."""
    layers = [(put(W), put(b)) for W, b in problem.layers]
    velocity = [(np.zeros_like(W), np.zeros_like(b)) for W, b in layers]
    X, y, class_weight = put(problem.X), put(problem.y), put(problem.class_weight)
    rows = put(np.arange(len(problem.y)))

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
        w = class_weight[y]
        w /= w.sum()
        g = np.exp(z)
        total = g.sum(axis=1, keepdims=True)
        (w * (np.log(total[:, 0]) - z[rows, y])).sum()  # the loss itself
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

    return step, lambda: [p if isinstance(p, np.ndarray) else p.get() for p in flat(layers)]


def torch_step(problem: Problem, threads: int = 1, device: str = "cpu") -> Step:
    import torch

    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    layers: list[Any] = []
    for i, o in pairwise(problem.sizes):
        layers += [torch.nn.Linear(i, o), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for p, value in zip(model.parameters(), flat(problem.layers), strict=True):
            p.copy_(torch.from_numpy(value))
    model = model.to(device)
    step = torch_training(model, problem, torch.from_numpy(problem.X).to(device))
    return step, lambda: [p.detach().cpu().numpy().copy() for p in model.parameters()]


def torch_training(model: Any, problem: Any, X: Any) -> Callable[[], None]:
    """The step of a model of PyTorch's on X, where X is, and on the problem's y and class_weight."""
    import torch

    y, weight = torch.from_numpy(problem.y).to(X.device), torch.from_numpy(problem.class_weight).to(X.device)
    loss_of = torch.nn.CrossEntropyLoss(weight=weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)

    def step() -> None:
        optimizer.zero_grad()
        loss_of(model(X), y).backward()
        optimizer.step()

    return step


def flat(layers: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    return [array.copy() for layer in layers for array in layer]
