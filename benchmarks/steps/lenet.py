"""One training step of LeNet-5, three times: minigrad, the same array functions without an engine, PyTorch eager.

Float32, cross-entropy with class weights divided by their sum, SGD with momentum 0.9. All start from the same numbers
and must arrive at the same ones. PyTorch runs in both of its memory formats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.nn.conv import Geometry, channel_sum, convolve, convolve_input, convolve_weight
from minigrad.nn.pooling import max_pool, to_maximum

from .mlp import LEARNING_RATE, MOMENTUM, minigrad_training, torch_training

PLAIN = Geometry((1, 1), (0, 0), (1, 1))
HALVE = Geometry((2, 2), (0, 0), (1, 1))


class LeNetProblem:
    """Images, labels, class weights and starting parameters, under PyTorch's names."""

    def __init__(self, channels: tuple[int, int], batch: int) -> None:
        rng = np.random.default_rng(0)
        self.channels = channels
        self.X = rng.standard_normal((batch, 1, 28, 28)).astype(np.float32)
        self.y = rng.integers(0, 10, batch)
        self.class_weight = rng.uniform(0.5, 2.0, 10).astype(np.float32)
        mg.manual_seed(0)
        self.state = {name: p.numpy() for name, p in network(mg.nn, channels).state_dict().items()}

    @property
    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The starting parameters as pairs of weight and bias."""
        arrays = list(self.state.values())
        return list(zip(arrays[::2], arrays[1::2], strict=True))


def network(nn: Any, channels: tuple[int, int]) -> Any:
    """LeNet-5 of minigrad's layers or of PyTorch's."""
    first, second = channels
    return nn.Sequential(
        *(nn.Conv2d(1, first, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(first, second, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(16 * second, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


Step = tuple[Callable[[], Any], Callable[[], dict[str, np.ndarray]]]


def minigrad_step(problem: LeNetProblem, device: str = "cpu", resident: bool = True) -> Step:
    """The step, and a function that gives the parameters. If not `resident`, every step moves X to the device."""
    model = network(mg.nn, problem.channels)
    model.load_state_dict(problem.state)
    step = minigrad_training(model, problem, device, resident)
    return step, lambda: {name: p.numpy() for name, p in model.state_dict().items()}


def numpy_step(problem: LeNetProblem, put: Callable[[Any], Any] = np.array) -> Step:
    """The backward pass of exactly this network by hand, with the package's array functions for images."""
    p = {name: put(value) for name, value in problem.state.items()}
    velocity = {name: np.zeros_like(value) for name, value in p.items()}
    X, y, class_weight = put(problem.X), put(problem.y), put(problem.class_weight)
    rows = put(np.arange(len(problem.y)))

    def step() -> None:
        a1 = np.maximum(convolve(X, p["0.weight"], p["0.bias"], PLAIN), 0)
        h1 = max_pool(a1, (2, 2), HALVE)
        a2 = np.maximum(convolve(h1, p["3.weight"], p["3.bias"], PLAIN), 0)
        h2 = max_pool(a2, (2, 2), HALVE)
        inputs = [h2.reshape(len(h2), -1)]
        for name in ("7", "9"):
            inputs.append(np.maximum(inputs[-1] @ p[f"{name}.weight"].T + p[f"{name}.bias"], 0))
        z = inputs[-1] @ p["11.weight"].T + p["11.bias"]
        z -= z.max(axis=1, keepdims=True)
        w = class_weight[y]
        w /= w.sum()
        g = np.exp(z)
        total = g.sum(axis=1, keepdims=True)
        (w * (np.log(total[:, 0]) - z[rows, y])).sum()  # the loss itself
        g /= total
        g[rows, y] -= 1
        g *= w[:, None]
        gradients = {}
        for name, x in zip(("11", "9", "7"), inputs[::-1], strict=True):
            gradients[f"{name}.weight"], gradients[f"{name}.bias"] = g.T @ x, g.sum(axis=0)
            g = g @ p[f"{name}.weight"]
            if name != "7":
                g *= x > 0
        g = to_maximum(g.reshape(h2.shape), a2, h2, (2, 2), HALVE)
        g *= a2 > 0
        gradients["3.weight"], gradients["3.bias"] = convolve_weight(h1, g, (5, 5), PLAIN), channel_sum(g)
        g = to_maximum(convolve_input(g, p["3.weight"], h1.shape[2:], PLAIN), a1, h1, (2, 2), HALVE)
        g *= a1 > 0
        gradients["0.weight"], gradients["0.bias"] = convolve_weight(X, g, (5, 5), PLAIN), channel_sum(g)
        for name, gradient in gradients.items():
            velocity[name] *= MOMENTUM
            velocity[name] += gradient
            p[name] -= LEARNING_RATE * velocity[name]

    return step, lambda: {name: v.copy() if isinstance(v, np.ndarray) else v.get() for name, v in p.items()}


def torch_step(problem: LeNetProblem, channels_last: bool = False, threads: int = 1, device: str = "cpu") -> Step:
    import torch

    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = network(torch.nn, problem.channels)
    model.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in problem.state.items()})
    model = model.to(device, memory_format=layout)
    X = torch.from_numpy(problem.X).to(device).contiguous(memory_format=layout)
    step = torch_training(model, problem, X)
    return step, lambda: {name: value.detach().cpu().numpy().copy() for name, value in model.state_dict().items()}
