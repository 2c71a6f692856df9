"""How time grows: a chain of operations with its length, an MLP's step with its depth and its batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import minigrad as mg

from ..rows import OURS, Row, timed
from ..steps import mlp
from . import absent

TITLE = "How time grows"
SETTINGS = [{"threads": 1}]


def rows(scale: float) -> Iterator[Row]:
    missing = absent({"PyTorch": "torch"})
    for length in (1_000, 10_000, 100_000):
        case = f"{length:,} operations in a chain, forward and backward"
        yield timed("scaling", case, {OURS: _chain(length)}, 2.0 * scale, clock="cpu")
    for depth in (2, 8, 32):
        yield _step(f"step of {depth} layers of 64, batch 64", (64,) * (depth + 1), 64, 1.5 * scale, missing)
    for batch in (1, 16, 256, 4096):
        yield _step(f"step of 784-256-10, batch {batch}", (784, 256, 10), batch, 2.0 * scale, missing)


def _chain(length: int) -> Any:
    x = mg.ones(4, requires_grad=True)
    one = np.ones(4, np.float32)

    def both() -> None:
        y = x
        for _ in range(length):
            y = y * 1.0
        x.grad = None
        y.backward(one)

    return both


def _step(case: str, sizes: tuple[int, ...], batch: int, seconds: float, missing: dict[str, str]) -> Row:
    problem = mlp.Problem(sizes, batch)
    contenders = {OURS: mlp.minigrad_step(problem)[0], "NumPy": mlp.numpy_step(problem)[0]}
    if not missing:
        contenders["PyTorch"] = mlp.torch_step(problem)[0]
    return timed("scaling", case, contenders, seconds, clock="cpu", missing=missing)
