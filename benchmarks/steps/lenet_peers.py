"""The same LeNet-5 step in JAX, HIPS autograd and MyGrad: their own convolution and pooling, then the MLP's layers."""

from __future__ import annotations

from typing import Any

from . import mlp
from .lenet import LeNetProblem, Step
from .mlp_peers import (
    autograd_loss,
    autograd_training,
    jax_loss,
    jax_on_cpu,
    jax_training,
    mygrad_loss,
    mygrad_training,
)


def jax_step(problem: LeNetProblem) -> Step:
    """Compiled by ``jax.jit``; compiling is not timed, waiting for the result is."""
    jax, jnp = jax_on_cpu()
    X, dense = jnp.asarray(problem.X), jax_loss(problem)

    def loss(layers: Any) -> Any:
        h = X
        for W, b in layers[:2]:
            h = jax.nn.relu(jax.lax.conv_general_dilated(h, W, (1, 1), "VALID") + b[:, None, None])
            h = jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        return dense(h.reshape(len(h), -1), layers[2:])

    return _named(problem, jax_training(loss, problem.layers))


def autograd_step(problem: LeNetProblem) -> Step:
    """As its example convnet.py does it: pooling is the maximum of an array of more axes."""
    import autograd.numpy as anp
    from autograd.scipy.signal import convolve

    dense = autograd_loss(problem)

    def loss(layers: Any) -> Any:
        h: Any = problem.X
        for W, b in layers[:2]:
            flipped = W[:, :, ::-1, ::-1]  # a convolution in the strict sense flips the kernel
            h = convolve(h, flipped, axes=([2, 3], [2, 3]), dot_axes=([1], [1]), mode="valid") + b[:, None, None]
            n, c, height, width = h.shape
            h = anp.maximum(h, 0).reshape(n, c, height // 2, 2, width // 2, 2)
            h = anp.max(anp.max(h, axis=3), axis=4)
        return dense(h.reshape(len(h), -1), layers[2:])

    return _named(problem, autograd_training(loss, problem.layers))


def mygrad_step(problem: LeNetProblem) -> Step:
    from mygrad.nnet.activations import relu
    from mygrad.nnet.layers import conv_nd, max_pool

    dense = mygrad_loss(problem)

    def loss(layers: Any) -> Any:
        h: Any = problem.X
        for W, b in layers[:2]:
            h = max_pool(relu(conv_nd(h, W, stride=1) + b.reshape(-1, 1, 1)), (2, 2), 2)
        return dense(h.reshape(len(h), -1), layers[2:])

    return _named(problem, mygrad_training(loss, problem.layers))


def _named(problem: LeNetProblem, made: mlp.Step) -> Step:
    step, parameters = made
    return step, lambda: dict(zip(problem.state, parameters(), strict=True))
