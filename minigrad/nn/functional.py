"""Layers as functions: activations, softmax and its relatives, linear, dropout; and, from files of their own,
normalization, convolution and pooling.

Each is a primitive with its rule beside it. Called on arrays they compute, called on Tensors they record.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..device import fused
from ..graph import primitive, rule
from ..random import Rng, generator
from ..tensor import Tensor, as_array
from .conv import conv2d
from .normalization import batch_norm, layer_norm, standardize
from .pooling import avg_pool2d, max_pool2d

__all__ = [
    "avg_pool2d", "batch_norm", "conv2d", "dropout", "erf", "gelu", "layer_norm", "leaky_relu", "linear", "log_softmax",
    "logsumexp", "max_pool2d", "one_hot", "relu", "sigmoid", "softmax", "softplus", "standardize", "tanh",
]  # fmt: skip

# --- Activations


@primitive
def relu(x):
    """max(x, 0); the derivative at 0 is taken as 0."""
    return np.maximum(x, 0)


rule(relu, fused(lambda g, y, _x: g * (y > 0)), selects=True)


@fused
def _leak(values, x, slope):
    return np.where(x > 0, values, values * slope)


@primitive
def leaky_relu(x, negative_slope=0.01):
    """x where x > 0, else ``negative_slope * x``."""
    return _leak(x, x, negative_slope)


rule(leaky_relu, lambda g, _y, x, negative_slope=0.01: _leak(g, x, negative_slope), selects=True)


@primitive
@fused
def sigmoid(x):
    """1 / (1 + exp(-x)), without overflow and with full relative precision on both sides."""
    small = np.exp(-np.absolute(x))
    return np.where(x >= 0, 1, small) / (1 + small)


rule(sigmoid, fused(lambda g, y, _x: g * y * (1 - y)))


@primitive
@fused
def softplus(x):
    """log(1 + exp(x)) = max(x, 0) + log1p(exp(-abs(x)))."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.absolute(x)))


rule(softplus, lambda g, _y, x: g * sigmoid(x))


def tanh(x):
    """np.tanh, for completeness."""
    return np.tanh(x)


# Where erf is known exactly: points up to 6, beyond which it is 1 in double precision, 1 / 64 apart, so that eight
# terms of the Taylor series around the nearest one are exact to the last digit.
_STEP, _END, _TERMS = 1 / 64, 6, 8


def _erf_series():
    """Row k: the k-th Taylor coefficient of erf at each point, from erf'' = -2 x erf'."""
    points = np.arange(-_END, _END + _STEP, _STEP)
    rows = [np.array([math.erf(x) for x in points]), 2 / math.sqrt(math.pi) * np.exp(-points * points)]
    for k in range(_TERMS - 2):
        rows.append(-2 * (points * (k + 1) * rows[k + 1] + k * rows[k]) / ((k + 1) * (k + 2)))
    return np.stack(rows)


_ERF_SERIES = _erf_series()


@primitive
def erf(x):
    """The error function, 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    inside = np.clip(np.asarray(x, np.float64, like=x), -_END, _END)
    nearest = np.rint(np.where(np.isnan(inside), 0, inside) / _STEP).astype(np.intp)
    h = inside - nearest * _STEP
    y = np.zeros_like(h)
    for coefficients in np.asarray(_ERF_SERIES[::-1], like=x):
        y = y * h + coefficients[nearest + round(_END / _STEP)]
    return y.astype(x.dtype)


rule(erf, fused(lambda g, _y, x: g * (2 / math.sqrt(math.pi)) * np.exp(-x * x)))


def gelu(x, approximate="none"):
    """x times the normal distribution function of x (Hendrycks & Gimpel 2016).

    ``approximate="tanh"`` is the faster 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x**3))).
    """
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    if approximate != "none":
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', not {approximate!r}")
    return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


# --- Softmax and relatives


@primitive
def logsumexp(x, axis=-1, keepdims=False):
    """log(sum(exp(x))) along `axis` (int, tuple, or None for all), without overflow. Its gradient is softmax(x).

    Examples
    --------
    >>> mg.nn.functional.logsumexp(mg.tensor([1e4, 1e4]))  # 1e4 + log(2)
    tensor(10000.693)
    """
    top = x.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)  # inf - inf would be nan
    with np.errstate(divide="ignore"):  # a row of -inf has the value -inf
        y = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return y if keepdims else np.squeeze(y, axis)


def _logsumexp_vjp(g, y, x, axis=-1, keepdims=False):
    if not keepdims:
        reduced = tuple(range(x.ndim)) if axis is None else axis
        g, y = np.expand_dims(g, reduced), np.expand_dims(y, reduced)
    empty = y == -np.inf  # a row of -inf: 0, not nan
    return np.where(empty, 0, g) * softmax(np.where(empty, 0, x), axis)


rule(logsumexp, _logsumexp_vjp)


@primitive
def log_softmax(x, axis=-1):
    """x - logsumexp(x): the logarithm of softmax, without overflow."""
    shifted = x - x.max(axis=axis, keepdims=True)
    return _minus_log(shifted, np.add.reduce(np.exp(shifted), axis, keepdims=True))


@fused
def _minus_log(shifted, total):
    return shifted - np.log(total)


@fused
def _minus_share(g, y, total):
    return g - np.exp(y) * total


rule(log_softmax, lambda g, y, _x, axis=-1: _minus_share(g, y, np.add.reduce(g, axis, keepdims=True)))


@primitive
def softmax(x, axis=-1):
    """exp(x) / sum(exp(x)) along `axis`, without overflow.

    Examples
    --------
    >>> mg.nn.functional.softmax(mg.tensor([[0.0, 0.0], [1e4, -1e4]]))
    tensor([[0.5, 0.5],
            [1. , 0. ]])
    """
    y = np.exp(x - x.max(axis=axis, keepdims=True))
    y /= np.add.reduce(y, axis, keepdims=True)
    return y


rule(softmax, lambda g, y, _x, axis=-1: y * (g - np.add.reduce(g * y, axis, keepdims=True)))


def one_hot(labels, num_classes=None, dtype=np.float32):
    """Integer labels (N,) as rows of the identity, (N, num_classes); a Tensor for a Tensor, else an array.

    Parameters
    ----------
    labels : integers in 0..num_classes - 1, any shape
        The result has one axis more, the last.
    num_classes : int, optional
        Default: the largest label + 1.
    dtype : NumPy dtype, default float32

    Raises
    ------
    TypeError
        If the labels are no integers.
    ValueError
        If one is out of range.

    Examples
    --------
    >>> mg.nn.functional.one_hot([2, 0])
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    array = as_array(labels)
    if array.dtype.kind not in "iu":
        raise TypeError(f"one_hot needs integer labels, got {array.dtype}")
    if num_classes is None and not array.size:
        raise ValueError("one_hot: no labels to count the classes from, pass num_classes")
    k = int(array.max()) + 1 if num_classes is None else num_classes
    if array.size and not (array.min() >= 0 and array.max() < k):
        raise ValueError(f"one_hot: labels must lie in 0..{k - 1}, found {array.min()}..{array.max()}")
    rows = (array[..., None] == np.arange(k, like=array)).astype(dtype)
    return Tensor(rows) if isinstance(labels, Tensor) else rows


# --- Layers


@primitive
def linear(x, weight, bias=None):
    """x @ weight.T + bias; x (..., in), weight (out, in), bias (out,), result (..., out).

    Raises
    ------
    ValueError
        If the shapes do not fit; the message gives both.
    """
    if x.shape[-1:] != weight.shape[1:]:
        raise ValueError(f"expected x (..., in) and weight (out, in), got x {x.shape} and weight {weight.shape}")
    y = np.dot(x, weight.T)
    if bias is not None:
        y += bias
    return y


def _rows(x):
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


rule(
    linear,
    lambda g, _y, _x, weight, _bias=None: np.dot(g, weight),
    lambda g, _y, x, _weight, _bias=None: np.dot(_rows(g).T, _rows(x)),
    lambda g, _y, _x, _weight, _bias=None: g,
)


def dropout(x: Any, p: float = 0.5, training: bool = True, rng: Rng = None) -> Any:
    """Set entries to zero with probability p and divide the others by 1 - p; does nothing unless `training`.

    The mask is drawn on the host from `rng` (default: the generator that ``mg.manual_seed`` seeds; an int gives the
    same mask at each call). So the mean of an entry is what it was (Srivastava et al. 2014).

    Raises
    ------
    ValueError
        If p is not a probability.

    Examples
    --------
    >>> mg.nn.functional.dropout(np.ones(6), 0.5, rng=0)
    array([2., 2., 2., 0., 0., 0.])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p is the probability of dropping an entry, 0 <= p <= 1, got {p}")
    if not training or p == 0:
        return x
    values = as_array(x)
    keep = generator(rng).random(x.shape, dtype=np.float32) >= p
    scale = np.empty_like(values)  # in memory as x is: a product of mixed orders is several times slower
    scale[...] = np.asarray(keep, like=values)
    scale /= 1 - p if p < 1 else 1
    return x * scale
