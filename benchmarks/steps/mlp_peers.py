"""The same MLP step in JAX, HIPS autograd, MyGrad, micrograd and scikit-learn, each as its documentation writes one.

Of the first three the loss and the training serve LeNet-5 too.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import mul
from typing import Any

import numpy as np

from .mlp import LEARNING_RATE, MOMENTUM, Problem, Step, flat


def jax_on_cpu() -> tuple[Any, Any]:
    """JAX and its numpy, kept from a GPU if there is one: the others compute on the processor."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_platforms", "cpu")
    return jax, jnp


def jax_step(problem: Problem) -> Step:
    """Compiled by ``jax.jit``; compiling is not timed, waiting for the result is."""
    _, jnp = jax_on_cpu()
    X, loss = jnp.asarray(problem.X), jax_loss(problem)
    return jax_training(lambda layers: loss(X, layers), problem.layers)


def jax_loss(problem: Any) -> Callable[[Any, Any], Any]:
    """The weighted loss of dense layers, given what comes into the first."""
    jax, jnp = jax_on_cpu()
    y, w = jnp.asarray(problem.y), jnp.asarray(problem.class_weight)

    def loss(h: Any, layers: Any) -> Any:
        for W, b in layers[:-1]:
            h = jax.nn.relu(h @ W.T + b)
        W, b = layers[-1]
        losses = -jnp.take_along_axis(jax.nn.log_softmax(h @ W.T + b), y[:, None], axis=1)[:, 0]
        return (w[y] * losses).sum() / w[y].sum()

    return loss


def jax_training(loss: Callable[[Any], Any], layers: Any) -> Step:
    jax, jnp = jax_on_cpu()

    @jax.jit
    def update(parameters: Any, velocity: Any) -> Any:
        gradient = jax.grad(loss)(parameters)
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, gradient)
        return jax.tree.map(lambda p, v: p - LEARNING_RATE * v, parameters, velocity), velocity

    parameters = [(jnp.asarray(W), jnp.asarray(b)) for W, b in layers]
    state = [parameters, jax.tree.map(jnp.zeros_like, parameters)]

    def step() -> None:
        state[:] = jax.block_until_ready(update(*state))

    return step, lambda: [np.asarray(array) for layer in state[0] for array in layer]


def autograd_step(problem: Problem) -> Step:
    loss = autograd_loss(problem)
    return autograd_training(lambda layers: loss(problem.X, layers), problem.layers)


def autograd_loss(problem: Any) -> Callable[[Any, Any], Any]:
    """The weighted loss of dense layers, given what comes into the first."""
    import autograd.numpy as anp

    y, rows = problem.y, np.arange(len(problem.y))
    w = problem.class_weight[y]

    def loss(h: Any, layers: Any) -> Any:
        for W, b in layers[:-1]:
            h = anp.maximum(anp.dot(h, W.T) + b, 0)
        W, b = layers[-1]
        z = anp.dot(h, W.T) + b
        z = z - anp.max(z, axis=1, keepdims=True)
        log_p = z - anp.log(anp.sum(anp.exp(z), axis=1, keepdims=True))
        return -anp.sum(w * log_p[rows, y]) / anp.sum(w)

    return loss


def autograd_training(loss: Callable[[Any], Any], layers: Any) -> Step:
    import autograd

    gradient = autograd.grad(loss)
    layers = [(W.copy(), b.copy()) for W, b in layers]
    velocity = [(np.zeros_like(W), np.zeros_like(b)) for W, b in layers]

    def step() -> None:
        for layer, speeds, slopes in zip(layers, velocity, gradient(layers), strict=True):
            _sgd(layer, speeds, slopes)

    return step, lambda: flat(layers)


def mygrad_step(problem: Problem) -> Step:
    loss = mygrad_loss(problem)
    return mygrad_training(lambda layers: loss(problem.X, layers), problem.layers)


def mygrad_loss(problem: Any) -> Callable[[Any, Any], Any]:
    """The weighted loss of dense layers, given what comes into the first.

    Its softmax_crossentropy has neither weights nor a value per sample, hence logsoftmax.
    """
    import mygrad
    from mygrad.nnet.activations import logsoftmax, relu

    y, rows = problem.y, np.arange(len(problem.y))
    w = problem.class_weight[y]

    def loss(h: Any, layers: Any) -> Any:
        for W, b in layers[:-1]:
            h = relu(mygrad.matmul(h, W.T) + b)
        W, b = layers[-1]
        log_p = logsoftmax(mygrad.matmul(h, W.T) + b)
        return -mygrad.sum(w * log_p[rows, y]) / w.sum()

    return loss


def mygrad_training(loss: Callable[[Any], Any], layers: Any) -> Step:
    import mygrad

    layers = [(mygrad.tensor(W), mygrad.tensor(b)) for W, b in layers]
    velocity = [(np.zeros_like(W.data), np.zeros_like(b.data)) for W, b in layers]

    def step() -> None:
        loss(layers).backward()
        for layer, speeds in zip(layers, velocity, strict=True):
            _sgd([p.data for p in layer], speeds, [p.grad for p in layer])

    return step, lambda: [p.data.copy() for layer in layers for p in layer]


def micrograd_step(problem: Problem) -> Step:
    """A graph of single numbers. It has no exp and no log, so the loss is a node of ours, as its users write them."""
    from micrograd.engine import Value

    layers = [(_values(W, Value), _values(b, Value)) for W, b in problem.layers]
    velocity = [(np.zeros_like(W), np.zeros_like(b)) for W, b in problem.layers]
    w = problem.class_weight[problem.y]
    w = w / w.sum()

    def step() -> None:
        loss = Value(0.0)
        for x, label, weight in zip(problem.X.tolist(), problem.y.tolist(), w.tolist(), strict=True):
            h = x
            for depth, (W, b) in enumerate(layers):
                h = [sum(map(mul, row, h), bias) for row, bias in zip(W, b, strict=True)]
                if depth < len(layers) - 1:
                    h = [z.relu() for z in h]
            loss = loss + weight * _cross_entropy(h, label, Value)
        for W, b in layers:
            for p in (*W.ravel(), *b):
                p.grad = 0
        loss.backward()
        for (W, b), (vW, vb) in zip(layers, velocity, strict=True):
            for values, v in ((W, vW), (b, vb)):
                v *= MOMENTUM
                v += np.vectorize(lambda p: p.grad, otypes=[float])(values)
                for p, speed in zip(values.ravel(), v.ravel().tolist(), strict=True):
                    p.data -= LEARNING_RATE * speed

    return step, lambda: [np.vectorize(lambda p: p.data, otypes=[float])(a) for layer in layers for a in layer]


def _values(array: np.ndarray, value: Any) -> np.ndarray:
    made = np.empty(array.shape, object)
    made.ravel()[:] = [value(x) for x in array.ravel().tolist()]
    return made


def _cross_entropy(z: list[Any], label: int, value: Any) -> Any:
    numbers = np.array([x.data for x in z])
    p = np.exp(numbers - numbers.max())
    p /= p.sum()
    out = value(-float(np.log(p[label])), tuple(z), "cross_entropy")

    def backward() -> None:
        for k, x in enumerate(z):
            x.grad += (p[k] - (k == label)) * out.grad

    out._backward = backward
    return out


def sklearn_step(problem: Problem) -> Step:
    """``MLPClassifier.partial_fit``, which takes sample weights from scikit-learn 1.7 on."""
    from sklearn.neural_network import MLPClassifier

    n = len(problem.y)
    classes = np.arange(problem.sizes[-1])
    model = MLPClassifier(
        problem.sizes[1:-1], solver="sgd", alpha=0.0, batch_size=n, learning_rate_init=LEARNING_RATE,
        momentum=MOMENTUM, nesterovs_momentum=False, shuffle=False,
    )  # fmt: skip
    model.partial_fit(problem.X, problem.y, classes=classes)  # makes the arrays
    for coefficients, intercepts, (W, b) in zip(model.coefs_, model.intercepts_, problem.layers, strict=True):
        coefficients[...] = W.T
        intercepts[...] = b
    for v in model._optimizer.velocities:
        v[...] = 0
    w = problem.class_weight[problem.y]

    def step() -> None:
        model.partial_fit(problem.X, problem.y, sample_weight=w)

    def parameters() -> list[np.ndarray]:
        return [a.copy() for W, b in zip(model.coefs_, model.intercepts_, strict=True) for a in (W.T, b)]

    return step, parameters


def _sgd(parameters: Any, velocity: Any, gradients: Any) -> None:
    for p, v, g in zip(parameters, velocity, gradients, strict=True):
        v *= MOMENTUM
        v += g
        p -= LEARNING_RATE * v
