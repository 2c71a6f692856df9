"""Every loss with its gradient, and the gradients of single samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.losses.catalogue import CATALOGUE

from ..rows import OURS, Row, timed
from ..steps import losses
from . import absent

TITLE = "Losses of 128 samples and 10 classes with their gradients, and one gradient per sample"
SETTINGS = [{"threads": 1}]

N, K = 128, 10
PER_SAMPLE_AIM = 3.0
PEERS: dict[str, Callable[..., losses.Gradient]] = {
    "PyTorch": losses.torch_gradient,
    "JAX, jit": losses.jax_gradient,
    "HIPS autograd": losses.autograd_gradient,
    "MyGrad": losses.mygrad_gradient,
}
UNABLE = {
    "micrograd": "a graph of single numbers, without exp and log",
    "scikit-learn": "hands out neither a loss nor a gradient",
}
NOT_SHARED = dict.fromkeys(PEERS, f"measured for {', '.join(losses.FORMULAS)}; most other losses they do not have")
NO_FACTORS = {
    **dict.fromkeys(("PyTorch", "JAX"), "vmap(grad) gives arrays, and takes no less than filling them does"),
    **dict.fromkeys(("HIPS autograd", "MyGrad"), "gives no gradients of single samples"),
}


def rows(scale: float) -> Iterator[Row]:
    not_there = absent(PEERS, scale)
    for name, entry in CATALOGUE.items():
        z, t = entry.data(np.random.default_rng(0), N, K)
        z = z.astype(np.float32)
        leaf, loss, closed_form = mg.tensor(z, requires_grad=True), entry.bind(K), entry.closed_form(K)

        reduction = "mean" if entry.coupled else "sum"
        contenders: dict[str, Any] = {OURS: partial(_gradient, loss, leaf, t, reduction)}
        checked = ""
        if not entry.coupled:
            z64 = mg.tensor(z.astype(float), requires_grad=True)
            np.testing.assert_allclose(
                mg.grad(loss(z64, t, reduction="sum"), z64).data, closed_form(z64.data, t), rtol=1e-9, atol=1e-12
            )
            contenders["NumPy, gradient by formula"] = partial(closed_form, z, t)
            checked = "float64 gradient equals the formula's to 1e-9, the other libraries' in float32 to 1e-3"
        others = [who for who in PEERS if who not in not_there] if name in losses.FORMULAS else []
        for who in others:
            contenders[who] = PEERS[who](name, z, t)
            np.testing.assert_allclose(contenders[who](), closed_form(z, t), rtol=1e-3, atol=1e-5, err_msg=who)
        missing = UNABLE | (not_there if name in losses.FORMULAS else NOT_SHARED)
        yield timed("losses", name, contenders, 1.0 * scale, clock="cpu", checked=checked, missing=missing)
    yield _per_sample(scale)


def _gradient(loss: Any, leaf: Any, t: Any, reduction: str) -> Any:
    return mg.grad(loss(leaf, t, reduction=reduction), leaf)


def _per_sample(scale: float) -> Row:
    """As arrays and as factors, against one ordinary backward pass; and what filling such arrays takes."""
    rng = np.random.default_rng(0)
    model = mg.models.MLP((784, 256, 10), rng=rng)
    X, y = rng.normal(size=(N, 784)).astype(np.float32), rng.integers(0, K, N)
    parameters, loss = list(model.parameters()), mg.losses.cross_entropy
    recorded = loss(model(X), y)
    factored = mg.per_sample_gradients(model, loss, X, y, factored=True)
    together = mg.per_sample.weighted_sum(factored, np.full(N, 1 / N, np.float32))
    for (name, found), p in zip(together.items(), mg.grad(recorded, parameters), strict=True):
        np.testing.assert_allclose(found, p.data, rtol=1e-3, atol=1e-6, err_msg=name)
    return timed(
        "losses",
        f"per_sample_gradients, 784-256-10, batch {N}",
        {
            OURS: lambda: mg.per_sample_gradients(model, loss, X, y, factored=True),
            "one backward pass": lambda: mg.grad(recorded, parameters),
            "one step's two passes": lambda: mg.grad(loss(model(X), y), parameters),
            "as arrays": lambda: mg.per_sample_gradients(model, loss, X, y),
            "filling such arrays": lambda: [np.full((N, *p.shape), 1, p.dtype) for p in parameters],
        },
        4.0 * scale,
        clock="cpu",
        aims={"one backward pass": PER_SAMPLE_AIM},
        missing=NO_FACTORS,
        checked="their mean is the gradient of the mean loss",
    )
