"""Gradients of the sum of a loss with respect to the prediction, by other libraries.

A library that has the loss is asked for its own; the others are given the formula, in the array functions that they
share. Each maker takes the name of a loss in FORMULAS and returns a function of nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy

from .mlp_peers import jax_on_cpu

Gradient = Callable[[], Any]


def _cross_entropy(np: Any, z: Any, t: Any) -> Any:
    z = z - np.max(z, axis=1, keepdims=True)
    return np.log(np.sum(np.exp(z), axis=1)) - z[numpy.arange(len(t)), t]


def _focal(np: Any, z: Any, t: Any) -> Any:
    entropy = _cross_entropy(np, z, t)
    return (1 - np.exp(-entropy)) ** 2 * entropy


def _huber(np: Any, z: Any, t: Any) -> Any:
    distance = np.abs(z - t)
    return np.where(distance < 1, 0.5 * distance**2, distance - 0.5)


def _weston_watkins(np: Any, z: Any, t: Any) -> Any:
    """The label itself adds a 1, which no gradient sees."""
    return np.maximum(1 + z - z[numpy.arange(len(t)), t][:, None], 0)


FORMULAS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": lambda np, z, t: np.logaddexp(0, z) - t * z,
    "mse": lambda np, z, t: (z - t) ** 2,
    "huber": _huber,
    "weston_watkins": _weston_watkins,
    "focal": _focal,
}


def torch_gradient(name: str, z: numpy.ndarray, t: numpy.ndarray) -> Gradient:
    """It has no focal loss: there the usual recipe."""
    import torch
    from torch.nn import functional as F

    def focal(z: Any, t: Any, **_: str) -> Any:
        entropy = F.cross_entropy(z, t, reduction="none")
        return ((1 - torch.exp(-entropy)) ** 2 * entropy).sum()

    own: dict[str, Any] = {
        "cross_entropy": F.cross_entropy, "binary_cross_entropy": F.binary_cross_entropy_with_logits,
        "mse": F.mse_loss, "huber": F.huber_loss, "weston_watkins": F.multi_margin_loss, "focal": focal,
    }  # fmt: skip
    torch.set_num_threads(1)
    leaf = torch.tensor(z, requires_grad=True)
    target = torch.as_tensor(t if z.ndim == 2 else t.astype(numpy.float32))
    scale = torch.tensor(float(z.shape[1]) if name == "weston_watkins" else 1.0)  # it divides by the classes
    return lambda: torch.autograd.grad(own[name](leaf, target, reduction="sum"), leaf, scale)[0]


def jax_gradient(name: str, z: numpy.ndarray, t: numpy.ndarray) -> Gradient:
    """Compiled by ``jax.jit``; compiling is not timed, waiting for the result is."""
    jax, jnp = jax_on_cpu()
    value_and_gradient = jax.jit(jax.value_and_grad(lambda z, t: FORMULAS[name](jnp, z, t).sum()))
    arguments = jnp.asarray(z), jnp.asarray(t)
    return lambda: jax.block_until_ready(value_and_gradient(*arguments))[1]


def autograd_gradient(name: str, z: numpy.ndarray, t: numpy.ndarray) -> Gradient:
    import autograd
    import autograd.numpy as anp

    return partial(autograd.grad(lambda z: anp.sum(FORMULAS[name](anp, z, t))), z)


def mygrad_gradient(name: str, z: numpy.ndarray, t: numpy.ndarray) -> Gradient:
    import mygrad
    from mygrad.nnet.losses import multiclass_hinge, softmax_crossentropy, softmax_focal_loss

    own: dict[str, Any] = {
        "cross_entropy": lambda z, t: softmax_crossentropy(z, t) * len(t),  # both are means
        "weston_watkins": lambda z, t: multiclass_hinge(z, t) * len(t),
        "focal": partial(softmax_focal_loss, gamma=2.0),
    }
    leaf, loss = mygrad.tensor(z), own.get(name) or partial(FORMULAS[name], mygrad)

    def gradient() -> Any:
        loss(leaf, t).sum().backward()
        return leaf.grad

    return gradient
