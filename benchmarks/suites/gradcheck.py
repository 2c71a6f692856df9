"""Checking the gradient of a small CNN, every entry, in float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.nn import functional as F

from ..rows import OURS, Row, timed
from . import absent

TITLE = "A gradient check of a small CNN, every entry, float64"
SETTINGS = [{"threads": 1}]
AIM = 1.0
PEERS = ("PyTorch",)
UNABLE = {
    **dict.fromkeys(("JAX", "HIPS autograd"), "its check_grads follows one random direction, not every entry"),
    "MyGrad": "its gradient check belongs to its tests, not to the library",
    **dict.fromkeys(("micrograd", "scikit-learn"), "has no gradient check"),
}


def rows(scale: float) -> Iterator[Row]:
    not_there = absent(PEERS)
    rng = np.random.default_rng(0)
    shapes = [(3, 1, 8, 8), (4, 1, 3, 3), (4,), (5, 36), (5,)]
    arrays = [rng.normal(size=shape) * 0.5 for shape in shapes]
    y = rng.integers(0, 5, 3)

    def network(library: Any, x: Any, kernel: Any, bias: Any, W: Any, b: Any) -> Any:
        h = library.max_pool2d(library.relu(library.conv2d(x, kernel, bias)), 2)
        return library.linear(h.reshape(len(h), -1), W, b)

    def ours() -> Any:
        return mg.gradcheck(lambda *a: mg.losses.cross_entropy(network(F, *a), y), arrays)

    contenders = {OURS: ours}
    if not not_there:
        import torch

        torch.set_num_threads(1)
        tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
        target = torch.as_tensor(y)

        def theirs(*a: Any) -> Any:
            return torch.nn.functional.cross_entropy(network(torch.nn.functional, *a), target)

        contenders["PyTorch"] = lambda: torch.autograd.gradcheck(theirs, tensors)
        value = mg.losses.cross_entropy(network(F, *map(mg.tensor, arrays)), y)
        np.testing.assert_allclose(value.item(), theirs(*tensors).item(), rtol=1e-12)
    assert all(call() for call in contenders.values())
    yield timed(
        "gradcheck",
        f"conv, relu, max-pool, linear, cross-entropy: {sum(a.size for a in arrays)} entries",
        contenders,
        10.0 * scale,
        clock="cpu",
        aims={"PyTorch": AIM},
        missing=UNABLE | not_there,
        checked="both find the gradient right; the losses agree to 1e-12" if not not_there else "",
    )
