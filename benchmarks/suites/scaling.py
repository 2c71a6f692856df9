"""How time grows: a chain of operations with its length, an MLP's step with its depth and its batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import minigrad as mg

from ..rows import OURS, Row, timed
from ..steps import mlp
from . import absent
from . import mlp as mlp_suite

TITLE = "How time grows"
SETTINGS = [{"threads": 1}]
PEERS = tuple(name for name in mlp_suite.PEERS if name != "micrograd")
UNABLE = {"micrograd": "a graph of single numbers, too slow for these sizes"}
# The chain is there to see it grow, and what one operation costs the others is in ops.
NO_CHAIN = {
    "JAX": "compiled, nothing is left of a chain of multiplications by one",
    **dict.fromkeys(("HIPS autograd", "MyGrad"), "a chain is many times one operation: see ops"),
    "micrograd": "its backward pass calls itself for every operation, and Python allows a thousand calls",
    "scikit-learn": "trains whole networks, it has no operations",
}
# In the full run, and in a quick one.
LENGTHS = {True: (1_000, 10_000, 100_000), False: (1_000, 10_000)}
DEPTHS = {True: (2, 8, 32), False: (2, 32)}
BATCHES = {True: (1, 16, 256, 4096), False: (1, 256)}


def rows(scale: float) -> Iterator[Row]:
    not_there = absent(PEERS, scale)
    full = scale >= 1
    for length in LENGTHS[full]:
        case = f"{length:,} operations in a chain, forward and backward"
        chains = {OURS: _chain(mg.ones(4, requires_grad=True), np.ones(4, np.float32), length)}
        if "PyTorch" not in not_there:
            import torch

            chains["PyTorch"] = _chain(torch.ones(4, requires_grad=True), torch.ones(4), length)
        yield timed("scaling", case, chains, 2.0 * scale, clock="cpu", missing=NO_CHAIN | absent(["PyTorch"]))
    missing = UNABLE | not_there
    for depth in DEPTHS[full]:
        yield _step(f"step of {depth} layers of 64, batch 64", (64,) * (depth + 1), 64, 1.5 * scale, missing)
    for batch in BATCHES[full]:
        yield _step(f"step of 784-256-10, batch {batch}", (784, 256, 10), batch, 2.0 * scale, missing)


def _chain(x: Any, one: Any, length: int) -> Any:
    def both() -> None:
        y = x
        for _ in range(length):
            y = y * 1.0
        x.grad = None
        y.backward(one)

    return both


def _step(case: str, sizes: tuple[int, ...], batch: int, seconds: float, missing: dict[str, str]) -> Row:
    made = mlp_suite.contenders(mlp.Problem(sizes, batch), missing)
    checked = mlp_suite.agree(made)
    contenders = {name: step for name, (step, _) in made.items()}
    return timed("scaling", case, contenders, seconds, clock="cpu", missing=missing, checked=checked)
