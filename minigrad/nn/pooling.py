"""Pooling: the kernel's taps are strided views of the image, compared or added one after the other.

The views keep whatever order the image has in memory, so a batch-innermost image (conv.py) stays one.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from ..graph import primitive, rule
from .conv import checked_geometry, pair


def _taps(x, kernel, geometry):
    """For every tap of the kernel, where it meets the padded image: an index of x for all windows at once."""
    out = [geometry.out(x.shape[2 + axis] - 2 * geometry.padding[axis], kernel[axis], axis) for axis in (0, 1)]
    for i, j in product(range(kernel[0]), range(kernel[1])):
        yield (slice(None), slice(None), geometry.taps(i, 0, out[0]), geometry.taps(j, 1, out[1]))


def _padded(x, geometry, value):
    top, left = geometry.padding
    if not (top or left):
        return x
    n, c, h, w = x.shape
    whole = np.full_like(x, value, order="C", shape=(h + 2 * top, c, w + 2 * left, n)).transpose(3, 1, 0, 2)
    whole[_inside(x, geometry)] = x
    return whole


def _inside(x, geometry):
    top, left = geometry.padding
    return (slice(None), slice(None), slice(top, top + x.shape[2]), slice(left, left + x.shape[3]))


# --- Maximum. Of equal entries the first of the window gets the gradient.


@primitive
def max_pool(x, kernel, geometry):
    """The largest entry of every window."""
    image = _padded(x, geometry, -np.inf)
    first, *others = _taps(image, kernel, geometry)
    y = np.copy(image[first], order="K")
    for tap in others:
        np.maximum(y, image[tap], out=y)
    return y


def _winners(image, y, kernel, geometry):
    """Every tap, and where it holds the maximum of its window (the first that does)."""
    open_windows = np.ones_like(y, dtype=bool)
    *taps, last = _taps(image, kernel, geometry)
    for tap in taps:
        won = (image[tap] == y) & open_windows
        open_windows ^= won
        yield tap, won
    yield last, open_windows  # whatever no other tap has won


@primitive
def to_maximum(g, x, y, kernel, geometry):
    """The gradient of every window, handed to the entry that was its maximum."""
    image, g = _padded(x, geometry, -np.inf), _in_order_of(y, g)
    whole = np.zeros_like(image, dtype=g.dtype)
    apart = geometry.stride[0] >= kernel[0] and geometry.stride[1] >= kernel[1]
    for tap, won in _winners(image, y, kernel, geometry):
        if apart:
            np.multiply(g, won, out=whole[tap])
        else:
            whole[tap] += g * won
    return whole[_inside(x, geometry)]


def _in_order_of(y, g):
    """`g` laid out in memory as `y` is: mixed orders make everything after this several times slower."""
    if g.strides == y.strides:
        return g
    ordered = np.empty_like(y, dtype=g.dtype)
    ordered[...] = g
    return ordered


@primitive
def at_maximum(u, x, y, kernel, geometry):
    """The entry of `u` where x has the maximum of the window: the adjoint of ``to_maximum``."""
    image, values = _padded(x, geometry, -np.inf), _padded(u, geometry, 0)
    picked = np.zeros_like(y, dtype=u.dtype)
    for tap, won in _winners(image, y, kernel, geometry):
        picked += values[tap] * won
    return picked


def _nothing(g, x):
    """The zero gradient: where the maximum is does not change smoothly with x."""
    return np.zeros(x.shape, x.dtype, like=g)


rule(max_pool, lambda g, y, x, kernel, geometry: to_maximum(g, x, y, kernel, geometry))
rule(
    to_maximum,
    lambda u, _y, _g, x, y, kernel, geometry: at_maximum(u, x, y, kernel, geometry),
    lambda u, _y, _g, _x, _max, kernel, geometry: _nothing(u, _x),
    lambda u, _y, _g, _x, _max, kernel, geometry: _nothing(u, _max),
)
rule(
    at_maximum,
    lambda g, _y, _u, x, y, kernel, geometry: to_maximum(g, x, y, kernel, geometry),
    lambda g, _y, _u, _x, _max, kernel, geometry: _nothing(g, _x),
    lambda g, _y, _u, _x, _max, kernel, geometry: _nothing(g, _max),
)

# --- Mean


@primitive
def mean_pool(x, kernel, geometry):
    """The mean of every window; a border of zeros counts as entries."""
    image = _padded(x, geometry, 0)
    first, *others = _taps(image, kernel, geometry)
    y = np.copy(image[first], order="K")
    for tap in others:
        y += image[tap]
    y /= kernel[0] * kernel[1]
    return y


@primitive
def to_windows(g, size, kernel, geometry):
    """The gradient of every window, in equal parts to its entries: the adjoint of ``mean_pool``."""
    n, c = g.shape[:2]
    (h, w), (top, left) = size, geometry.padding
    whole = np.zeros((h + 2 * top, c, w + 2 * left, n), g.dtype, like=g).transpose(3, 1, 0, 2)
    part = g / (kernel[0] * kernel[1])
    for tap in _taps(whole, kernel, geometry):
        whole[tap] += part
    return whole[:, :, top : top + h, left : left + w]


rule(mean_pool, lambda g, _y, _x, kernel, geometry: to_windows(g, _x.shape[2:], kernel, geometry))
rule(to_windows, lambda u, _y, _g, size, kernel, geometry: mean_pool(u, kernel, geometry))


# --- For the user


def max_pool2d(x, kernel_size, stride=None, padding=0):
    """The maximum of every window. Of equal entries the first gets the gradient.

    Parameters
    ----------
    x : Tensor or array, shape (N, C, H, W)
    kernel_size : int or (vertical, horizontal)
    stride : int or pair, default `kernel_size`
    padding : int or pair, default 0
        The border never wins; at most half of the kernel.

    Examples
    --------
    >>> mg.nn.functional.max_pool2d(mg.arange(16.0).reshape(1, 1, 4, 4), 2)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """
    kernel, geometry = _pooling("max_pool2d", x, kernel_size, stride, padding)
    return max_pool(x, kernel, geometry)


def avg_pool2d(x, kernel_size, stride=None, padding=0):
    """The mean of every window; arguments as ``max_pool2d``. A border of zeros counts as entries, as in PyTorch.

    Examples
    --------
    >>> mg.nn.functional.avg_pool2d(mg.arange(16.0).reshape(1, 1, 4, 4), 2)
    tensor([[[[ 2.5,  4.5],
              [10.5, 12.5]]]])
    """
    kernel, geometry = _pooling("avg_pool2d", x, kernel_size, stride, padding)
    return mean_pool(x, kernel, geometry)


def _pooling(name, x, kernel_size, stride, padding):
    kernel = pair(kernel_size, "kernel_size")
    geometry = checked_geometry(name, x, kernel, kernel if stride is None else stride, padding)
    if any(2 * p > k for p, k in zip(geometry.padding, kernel, strict=True)):
        raise ValueError(f"{name}: padding {geometry.padding} must be at most half of the kernel {kernel}")
    return kernel, geometry
