"""One training step of LeNet-5, beside every library that has a convolution and the same arrays without an engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

from ..rows import OURS, Row, timed
from ..steps import lenet, lenet_peers
from . import absent
from .mlp import agree

TITLE = "One training step of LeNet-5, 28x28, batch 64: weighted cross-entropy, SGD with momentum, float32"
SETTINGS = [
    {"threads": 1},
    {"threads": 2},
    {"threads": 1, "other kernel": True},
    {"threads": 2, "other kernel": True},
]

# By channels, then threads. Aims for PyTorch are meant for the faster of its two memory formats.
AIMS: dict[tuple[int, int], dict[str, dict[int, float]]] = {
    (6, 16): {"PyTorch": {1: 0.8, 2: 1.0}, "NumPy": {1: 1.15, 2: 1.15}},
    (32, 64): {"PyTorch": {1: 1.1, 2: 1.1}, "NumPy": {1: 1.10, 2: 1.10}},
}
THREADS = int(os.environ["OMP_NUM_THREADS"])
Maker = Callable[[lenet.LeNetProblem], lenet.Step]
PEERS: dict[str, Maker] = {
    "PyTorch": partial(lenet.torch_step, threads=THREADS),
    "PyTorch, channels last": partial(lenet.torch_step, channels_last=True, threads=THREADS),
    "JAX, jit": lenet_peers.jax_step,
    "HIPS autograd": lenet_peers.autograd_step,
    "MyGrad": lenet_peers.mygrad_step,
}
UNABLE = {
    "micrograd": "a graph of single numbers, too slow for images",
    "scikit-learn": "its networks have no convolution",
}


def rows(scale: float) -> Iterator[Row]:
    not_there = absent(PEERS, scale)
    for channels, aims in AIMS.items():
        problem = lenet.LeNetProblem(channels, batch=64)
        missing = UNABLE | _left_out(channels) | not_there
        makers: dict[str, Maker] = {OURS: lenet.minigrad_step, "NumPy": lenet.numpy_step, **PEERS}
        made = {name: make(problem) for name, make in makers.items() if name not in missing}
        checked = agree(made)
        row = timed(
            "cnn",
            f"channels {channels[0]} and {channels[1]}",
            {name: step for name, (step, _) in made.items()},
            10.0 * scale,
            clock="cpu" if THREADS == 1 else "wall",
            missing=missing,
            checked=checked,
        )
        formats = [name for name in row.ratios if name.startswith("PyTorch")]
        better = min(formats, key=lambda name: row.values[name][0], default="PyTorch")
        row.aims = {"NumPy": aims["NumPy"][THREADS], better: aims["PyTorch"][THREADS]}
        yield row


def _left_out(channels: tuple[int, int]) -> dict[str, str]:
    """Who could but takes too long here, and why."""
    reasons = {}
    if THREADS > 1:
        reasons = dict.fromkeys(("HIPS autograd", "MyGrad"), "has no threads of its own: measured with one")
    elif channels[1] > 16:
        reasons["HIPS autograd"] = "its convolution is one einsum, too slow for 64 channels"
    return reasons
