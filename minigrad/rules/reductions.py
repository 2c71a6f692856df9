"""Functions that make one number of many: sums, means, extremes, norms, products, and their running versions."""

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..graph import composite, primitive, rule
from .elementwise import zero_as_infinity


def _axes(axis, ndim):
    """The axes that `axis` (int, tuple or None) names, as a tuple of non-negative numbers."""
    return tuple(range(ndim)) if axis is None else normalize_axis_tuple(axis, ndim)


def _kept(shape, axis):
    """`shape` with the reduced axes kept as ones."""
    reduced = _axes(axis, len(shape))
    return tuple(1 if i in reduced else n for i, n in enumerate(shape))


def _count(shape, axis):
    """How many entries go into each result."""
    n = 1
    for i in _axes(axis, len(shape)):
        n *= shape[i]
    return n


def _spread(g, x, axis):
    """One value per result, given to every entry that went into it."""
    return np.broadcast_to(np.reshape(g, _kept(x.shape, axis)), x.shape)


# --- Sums, means, spread

rule(np.sum, lambda g, _y, _x, axis=None, *, keepdims=False: _spread(g, _x, axis))
rule(np.mean, lambda g, _y, _x, axis=None, *, keepdims=False: _spread(g / (_count(_x.shape, axis) or 1), _x, axis))


@composite(np.average)
def average(a, axis=None, weights=None, *, keepdims=False):
    if weights is None:
        return np.mean(a, axis=axis, keepdims=keepdims)
    if isinstance(weights, (list, tuple)):
        weights = np.asarray(weights, like=a)
    if np.shape(weights) != a.shape:
        named = _axes(axis, a.ndim)
        weights = np.reshape(weights, [n if i in named else 1 for i, n in enumerate(a.shape)])
    weights = np.broadcast_to(weights, a.shape)
    return np.sum(a * weights, axis=axis, keepdims=keepdims) / np.sum(weights, axis=axis, keepdims=keepdims)


@composite(np.var)
def var(a, axis=None, *, ddof=0, keepdims=False, correction=None):
    squares = np.square(a - np.mean(a, axis=axis, keepdims=True))
    n = _count(a.shape, axis) - (ddof if correction is None else correction)
    return np.sum(squares, axis=axis, keepdims=keepdims) / max(n, 0)


@composite(np.std)
def std(a, axis=None, *, ddof=0, keepdims=False, correction=None):
    n = _count(a.shape, axis) - (ddof if correction is None else correction)
    return root_sum_squares(a - np.mean(a, axis=axis, keepdims=True), axis, keepdims) / max(n, 0) ** 0.5


# --- Norms. At 0 the gradient is 0, the subgradient of least length.


@primitive
def root_sum_squares(x, axis, keepdims):
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


def _direction(x, y, axis):
    return x / zero_as_infinity(np.reshape(y, _kept(x.shape, axis)))


rule(root_sum_squares, lambda g, y, x, axis, keepdims: _spread(g, x, axis) * _direction(x, y, axis))


@composite(np.linalg.norm)
def norm(x, ord=None, axis=None, keepdims=False):
    axes = _axes(axis, x.ndim)
    if ord is None or (ord == 2 and len(axes) == 1) or (ord == "fro" and len(axes) == 2):
        return root_sum_squares(x, axis, keepdims)
    if len(axes) == 1 and not isinstance(ord, str) and ord != 0:
        return _vector_norm(np.absolute(x), ord, axes, keepdims)
    if len(axes) == 2 and ord in (1, -1, np.inf, -np.inf):
        summed, compared = axes if abs(ord) == 1 else axes[::-1]
        sums = np.sum(np.absolute(x), axis=summed, keepdims=True)
        extreme = (np.max if ord > 0 else np.min)(sums, axis=compared, keepdims=True)
        return extreme if keepdims else np.squeeze(extreme, axes)
    raise TypeError(
        f"np.linalg.norm with ord={ord!r} over {len(axes)} axes has no derivative here; "
        "supported: vectors with any ord but 0, matrices with 'fro', 1, -1, inf, -inf"
    )


def _vector_norm(magnitudes, ord, axes, keepdims):
    if abs(ord) == np.inf:
        return (np.max if ord > 0 else np.min)(magnitudes, axis=axes, keepdims=keepdims)
    if ord == 1:
        return np.sum(magnitudes, axis=axes, keepdims=keepdims)
    total = np.sum(magnitudes**ord, axis=axes, keepdims=keepdims)
    at_zero = total == (0 if ord > 0 else np.inf)
    return np.where(at_zero, 0, np.where(at_zero, 1, total) ** (1 / ord))


# --- Extremes. Entries that tie for one share its gradient equally.


def _to_extreme(g, y, x, axis):
    reached = x == np.reshape(y, _kept(x.shape, axis))
    ties = np.sum(reached, axis=axis, keepdims=True).astype(g.dtype)
    return np.where(reached, np.reshape(g, ties.shape) / np.maximum(ties, 1), 0)  # nan reaches nothing


for extreme in (np.max, np.amax, np.min, np.amin):
    rule(extreme, lambda g, y, x, axis=None, *, keepdims=False: _to_extreme(g, y, x, axis), selects=True)


# --- Products. The derivative is the product of the other factors; dividing the whole product by one would fail at 0.


@primitive
def prod_last(x):
    return np.prod(x, axis=-1)


def _product_of_others(x):
    """(..., n): for each entry of the last axis, the product of all before it times the product of all after it."""
    one = np.ones_like(x[..., :1])
    before = np.cumprod(np.concatenate([one, x[..., :-1]], -1), -1)
    after = np.cumprod(np.concatenate([one, np.flip(x[..., 1:], -1)], -1), -1)
    return before * np.flip(after, -1)


rule(prod_last, lambda g, _y, x: g[..., None] * _product_of_others(x))


@primitive
def cumprod_last(x):
    return np.cumprod(x, axis=-1)


def _without_one(x):
    """(..., n) to (..., n, n): row i holds the factors with factor i replaced by 1."""
    return np.where(np.diag(np.ones_like(x, bool, shape=x.shape[-1:])), 1, x[..., None, :])


def _sum_from_here(x):
    """Running sum along the last axis, from the end."""
    return np.flip(np.cumsum(np.flip(x, -1), -1), -1)


rule(
    cumprod_last,
    lambda g, y, x: (
        np.sum(g[..., None, :] * np.triu(np.cumprod(_without_one(x), axis=-1)), -1)
        if (x == 0).any()
        else _sum_from_here(g * y) / x
    ),
)


@composite(np.prod)
def prod(a, axis=None, *, keepdims=False):
    axes = _axes(axis, a.ndim)
    rest = [i for i in range(a.ndim) if i not in axes]
    moved = np.transpose(a, (*rest, *axes))
    y = prod_last(np.reshape(moved, (*(a.shape[i] for i in rest), _count(a.shape, axis))))
    return np.reshape(y, _kept(a.shape, axis)) if keepdims else y


@composite(np.cumprod)
def cumprod(a, axis=None):
    if axis is None:
        return cumprod_last(np.ravel(a))
    return np.swapaxes(cumprod_last(np.swapaxes(a, axis, -1)), axis, -1)


@primitive
def cumsum_along(x, axis):
    return np.cumsum(x, axis=axis)


rule(cumsum_along, lambda g, _y, _x, axis: np.flip(np.cumsum(np.flip(g, axis), axis), axis))


@composite(np.cumsum)
def cumsum(a, axis=None):
    return cumsum_along(np.ravel(a), 0) if axis is None else cumsum_along(a, axis)
