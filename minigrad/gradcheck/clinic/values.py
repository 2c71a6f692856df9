"""The wrong value from the forward pass: the input where the output is needed, or the other way round."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import NamedTuple

import numpy as np

from .registry import Finding, mistake
from .rows import sigmoid, softmax
from .suspect import Suspect


class Activation(NamedTuple):
    """y = f(x) with f'(x) = of_y(y): the derivative as written with the output, and how to find x from y."""

    f: Callable
    of_y: Callable
    inverse: Callable


ACTIVATIONS = {
    "tanh": Activation(np.tanh, lambda y: 1 - y**2, np.arctanh),
    "sigmoid": Activation(sigmoid, lambda y: y * (1 - y), lambda y: np.log(y / (1 - y))),
    "exp": Activation(np.exp, lambda y: y, np.log),
    "sqrt": Activation(np.sqrt, lambda y: 0.5 / y, lambda y: y**2),
    "log": Activation(np.log, lambda y: np.exp(-y), np.exp),
    "1/x": Activation(lambda x: 1 / x, lambda y: -(y**2), lambda y: 1 / y),
    "softplus": Activation(lambda x: np.log1p(np.exp(x)), lambda y: 1 - np.exp(-y), lambda y: np.log(np.expm1(y))),
}
BEFORE = {"relu": lambda v: np.maximum(v, 0), **{name: act.f for name, act in ACTIVATIONS.items()}}


@mistake("forward_value", "The derivative is written with x or with y = f(x). Which of the two did you put in?")
def in_an_activation(s: Suspect) -> Finding | None:
    """An elementwise function, or a layer that ends in one: g f'(a) with the wrong number in f'."""
    y, single = s.case.y, len(s.case.outputs) == 1
    if not single or not s.shaped or s.jacobian is None:
        return None
    for name, act in ACTIVATIONS.items():
        a = act.inverse(y)
        if not np.isfinite(a).all() or (s.elementwise and not np.allclose(a, s.x)):
            continue
        for words, wrong in (("its input", act.of_y(a)), ("its output once more", act.of_y(act.f(y)))):
            if np.isfinite(wrong).all() and s.fits([s.pull(g * wrong / act.of_y(y)) for g in s.case.g]):
                return Finding(f"{{yours}} is right for the derivative of {name} at the wrong value: at {words}")
    if not s.elementwise:
        return None
    for words, value in (("its output", y), ("itself", s.x)):
        for shown, wrong in (("g times", value), ("g divided by", 1 / value), ("g divided by twice", 0.5 / value)):
            if np.isfinite(wrong).all() and s.fits([g * wrong for g in s.case.g]):
                return Finding(f"{{yours}} is {shown} {words}: the wrong value of the forward pass", 1)
    return None


@mistake("forward_value", "At which value of the hidden layer must the activation's slope be taken?")
def in_a_hidden_layer(s: Suspect) -> Finding | None:
    """f(x W1 + b1) W2 + b2: the slope of f at the wrong value."""
    for network in permutations(range(len(s.case.inputs)), 3):
        x, W1, W2 = (s.case.inputs[i] for i in network)
        if not (x.ndim == W1.ndim == W2.ndim == 2 and x.shape[1] == len(W1) and W1.shape[1] == len(W2)):
            continue
        first, last = _bias(s, W1), _bias(s, W2)
        z = x @ W1 + (0 if first is None else s.case.inputs[first])
        for name, act in ACTIVATIONS.items():
            a = act.f(z)
            if not np.allclose(a @ W2 + (0 if last is None else s.case.inputs[last]), s.case.y):
                continue
            for words, slope in (("its input", act.of_y(z)), ("its output once more", act.of_y(act.f(a)))):
                dz = [g @ W2.T * slope for g in s.case.g]
                wrong = {network[0]: [d @ W1.T for d in dz], network[1]: [x.T @ d for d in dz]}
                if first is not None:
                    wrong[first] = [d.sum(axis=0) for d in dz]
                if s.i in wrong and s.fits(wrong[s.i]):
                    return Finding(f"{{yours}} is right for the derivative of {name} at the wrong value: at {words}")
    return None


def _bias(s: Suspect, W: np.ndarray) -> int | None:
    return next((i for i, b in enumerate(s.case.inputs) if b.shape == W.shape[1:]), None)


@mistake("forward_value", "Which values does softmax's derivative need: what went in, or what came out?")
def in_softmax(s: Suspect) -> Finding | None:
    z = s.x
    if z.ndim < 1 or s.case.y.shape != z.shape or not np.allclose(s.case.y, softmax(z)):
        return None
    if s.fits([z * (g - (g * z).sum(axis=-1, keepdims=True)) for g in s.case.g]):
        return Finding("{yours} is softmax's with the logits z in the place of the probabilities")
    return None


@mistake("forward_value", "What exactly is this parameter multiplied by in the forward pass?")
def beside_a_parameter(s: Suspect) -> Finding | None:
    """The gradient of W in a W needs a; what was used is what a came from, before the activation or the norm."""
    if s.case.y.ndim < 2 or s.paths is None or s.elementwise or not _enters_linearly(s):
        return None
    _, claimed, measured = s.paths
    used = (np.abs(claimed) > 0) | (np.abs(measured) > 1e-12)
    ours, theirs = claimed[used], measured[used]
    if np.allclose(ours, theirs) or len(np.unique(ours.round(6))) < 3:
        return None
    for name, f in BEFORE.items():
        if np.allclose(f(ours), theirs, rtol=1e-5, atol=1e-7):
            return Finding(f"{{yours}} uses what goes into the {name} where what comes out of it is needed")
        if np.allclose(f(theirs), ours, rtol=1e-5, atol=1e-7):
            return Finding(f"{{yours}} uses what comes out of a {name} where what goes in is needed")
    for other, x in _others(s):
        if ours.size == x.size and np.allclose(ours, x.ravel()):
            return Finding(f"{{yours}} multiplies g by {other} itself, the forward pass by a value made from it")
    return None


def _enters_linearly(s: Suspect) -> bool:
    values = [s.case.forward({s.i: c * s.x})[0] for c in (0.5, 1.0, 1.5)]
    return np.allclose(values[0] + values[2], 2 * values[1])


def _others(s: Suspect) -> Iterator[tuple[str, np.ndarray]]:
    return ((name, x) for i, (name, x) in enumerate(zip(s.case.names, s.case.inputs, strict=True)) if i != s.i)
