"""One training step of an MLP, beside every library at hand that can do the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from ..rows import OURS, Row, timed
from ..steps import mlp, mlp_peers
from . import absent

TITLE = "One training step of an MLP: weighted cross-entropy, SGD with momentum, float32"
SETTINGS = [{"threads": 1}, {"threads": 1, "other kernel": True}]

SIZES = [((2, 16, 16, 2), 32), ((64, 64, 10), 64), ((784, 256, 128, 10), 128), ((784, 512, 512, 10), 256)]
AIMS = {"PyTorch": (0.5, 0.5, 0.9, 0.95), "NumPy": (1.7, 1.6, 1.10, 1.06)}
PEERS = {
    "PyTorch": mlp.torch_step,
    "JAX, jit": mlp_peers.jax_step,
    "HIPS autograd": mlp_peers.autograd_step,
    "MyGrad": mlp_peers.mygrad_step,
    "micrograd": mlp_peers.micrograd_step,
    "scikit-learn": mlp_peers.sklearn_step,
}
UNABLE: dict[str, str] = {}  # `unable` says which sizes are not for whom


def rows(scale: float) -> Iterator[Row]:
    not_there = absent(PEERS)
    for number, (sizes, batch) in enumerate(SIZES):
        missing = unable(sizes) | not_there
        made = contenders(mlp.Problem(sizes, batch), missing)
        checked = agree(made)
        yield timed(
            "mlp",
            f"{'-'.join(map(str, sizes))}, batch {batch}",
            {name: step for name, (step, _) in made.items()},
            8.0 * scale,
            clock="cpu",
            aims={name: aims[number] for name, aims in AIMS.items()},
            missing=missing,
            checked=checked,
        )


def contenders(problem: mlp.Problem, missing: dict[str, str]) -> dict[str, mlp.Step]:
    """All who can, each with its step and its parameters."""
    makers: dict[str, Callable[[mlp.Problem], mlp.Step]] = {OURS: mlp.minigrad_step, "NumPy": mlp.numpy_step, **PEERS}
    return {name: make(problem) for name, make in makers.items() if name not in missing}


def unable(sizes: tuple[int, ...]) -> dict[str, str]:
    """Who cannot train a network of these sizes, and why."""
    reasons = {}
    if sizes[-1] == 2:
        reasons["scikit-learn"] = "for two classes its network has one output, not two"
    if sum(i * o for i, o in pairwise(sizes)) > 1000:
        reasons["micrograd"] = "a graph of single numbers, too slow for this size"
    return reasons


def agree(made: dict[str, Any], steps: int = 3) -> str:
    """Let all contenders take the same steps; they must arrive at the same parameters as NumPy."""
    for step, _ in made.values():
        for _ in range(steps):
            step()
    expected = made["NumPy"][1]()
    names = expected if isinstance(expected, dict) else range(len(expected))
    for who, (_, parameters) in made.items():
        found = parameters()
        for name in names:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=2e-5, err_msg=f"{who}: {name}")
    worst = max(np.abs(p()[name] - expected[name]).max() for _, p in made.values() for name in names)
    return f"parameters after {steps} steps differ by at most {worst:.0e}"
