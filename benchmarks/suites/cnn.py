"""One training step of LeNet-5, beside PyTorch in both memory formats and the same arrays without an engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ..rows import OURS, Row, timed
from ..steps import lenet
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


def rows(scale: float) -> Iterator[Row]:
    missing = absent({"PyTorch": "torch"})
    threads = int(os.environ["OMP_NUM_THREADS"])
    for channels, aims in AIMS.items():
        problem = lenet.LeNetProblem(channels, batch=64)
        made: dict[str, Any] = {OURS: lenet.minigrad_step(problem), "NumPy": lenet.numpy_step(problem)}
        if not missing:
            made["PyTorch"] = lenet.torch_step(problem, False, threads)
            made["PyTorch, channels last"] = lenet.torch_step(problem, True, threads)
        checked = agree(made)
        row = timed(
            "cnn",
            f"channels {channels[0]} and {channels[1]}",
            {name: step for name, (step, _) in made.items()},
            10.0 * scale,
            clock="cpu" if threads == 1 else "wall",
            missing=missing,
            checked=checked,
        )
        formats = [name for name in row.ratios if name.startswith("PyTorch")]
        better = min(formats, key=lambda name: row.values[name][0], default="PyTorch")
        row.aims = {"NumPy": aims["NumPy"][threads], better: aims["PyTorch"][threads]}
        yield row
