"""Convolution as one batched matrix product, on arrays whose innermost axis in memory is the batch.

To the user images are (N, C, H, W). In memory they lie as (H, C, W, N), and what is handed out is an NCHW *view* of
that; NumPy's ufuncs keep such an order, so relu, bias and their gradients stay in it without a copy. It pays because
the patch matrix then needs copies along the width only: with the columns stored as (H, kw, C, out_w, N), the kh rows of
a window lie one after the other, so the windows of an output row are already a matrix (kh * kw * C, out_w * N), and
windows of neighbouring rows are overlapping views of the same memory.

Convolution, the gradient of its input and the gradient of its weight are three bilinear functions; differentiating one
gives the other two, and so derivatives of any order. Columns are computed again in the backward pass: keeping them
would take kw times the memory of the images.
"""

from __future__ import annotations

import operator
from typing import NamedTuple

import numpy as np

from .. import device as devices
from ..graph import primitive, rule
from ..tensor import Tensor, as_array


class Geometry(NamedTuple):
    """How windows are laid over an image, each a pair (vertical, horizontal)."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]

    def out(self, size, kernel, axis):
        """How many windows fit along an axis of the image."""
        reach = self.dilation[axis] * (kernel - 1) + 1
        return (size + 2 * self.padding[axis] - reach) // self.stride[axis] + 1

    def taps(self, position, axis, out):
        """Where tap number `position` of the kernel meets the padded image, over all windows."""
        start, step = position * self.dilation[axis], self.stride[axis]
        return slice(start, start + (out - 1) * step + 1, step)

    def seen_by(self, row, kernel, out):
        """Which output rows see a row of the padded image, and through which tap each."""
        stride, dilation = self.stride[0], self.dilation[0]
        first = max(0, -((dilation * (kernel - 1) - row) // stride))
        outputs = [q for q in range(first, min(out - 1, row // stride) + 1) if (row - q * stride) % dilation == 0]
        return outputs, [(row - q * stride) // dilation for q in outputs]


def _to_memory(x):
    """(N, C, H, W) to (H, C, W, N), contiguous."""
    return np.ascontiguousarray(x.transpose(2, 1, 3, 0), like=x)


def _to_user(x):
    """(H, C, W, N) to a view (N, C, H, W)."""
    return x.transpose(3, 1, 0, 2)


def _padded(x, geometry):
    """The image in memory order, with its border of zeros."""
    top, left = geometry.padding
    if not (top or left):
        return _to_memory(x)
    n, c, h, w = x.shape
    whole = np.zeros((h + 2 * top, c, w + 2 * left, n), x.dtype, like=x)
    whole[top : top + h, :, left : left + w] = x.transpose(2, 1, 3, 0)
    return whole


def _patches(x, kernel, geometry):
    """The patch matrix of every output row, (out_h, kh * kw * C, out_w * N)."""
    image = _padded(x, geometry)
    (kh, kw), (h, c, _, n) = kernel, image.shape
    out_h, out_w = geometry.out(x.shape[2], kh, 0), geometry.out(x.shape[3], kw, 1)
    columns = np.empty((h, kw, c, out_w, n), x.dtype, like=x)
    for j in range(kw):
        columns[:, j] = image[:, :, geometry.taps(j, 1, out_w)]
    row, _, channel, _, entry = columns.strides
    steps = (geometry.stride[0] * row, geometry.dilation[0] * row, channel, entry)
    windows = devices.strided(columns, (out_h, kh, kw * c, out_w * n), steps)
    return windows.reshape(out_h, kh * kw * c, out_w * n)  # a view unless dilated


def _as_matrix(weight):
    """(O, C, kh, kw) to (O, kh * kw * C)."""
    return weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)


def _rows(g):
    """(N, O, out_h, out_w) to (out_h, O, out_w * N)."""
    h, o, w, n = (g := _to_memory(g)).shape
    return g.reshape(h, o, w * n)


def _slice(numbers):
    """Evenly spaced numbers as a slice, which makes a view where an index array would make a copy."""
    return slice(numbers[0], numbers[-1] + 1, numbers[1] - numbers[0] if len(numbers) > 1 else 1)


@primitive
def convolve(x, weight, bias, geometry):
    """x (N, C, H, W), weight (O, C, kh, kw), bias (O,) or None; result (N, O, out_h, out_w)."""
    n, (o, _, kh, kw) = len(x), weight.shape
    y = _as_matrix(weight) @ _patches(x, (kh, kw), geometry)
    if bias is not None:
        y += bias[:, None]
    return _to_user(y.reshape(len(y), o, geometry.out(x.shape[3], kw, 1), n))


@primitive
def convolve_weight(x, g, kernel, geometry):
    """The gradient of the weight, (O, C, kh, kw): patches against gradients, summed over all windows."""
    patches = _patches(x, kernel, geometry)
    product = (patches @ _rows(g).transpose(0, 2, 1)).sum(axis=0)  # BLAS is faster this way round
    return product.reshape(*kernel, x.shape[1], g.shape[1]).transpose(3, 2, 0, 1)


@primitive
def convolve_input(g, weight, size, geometry):
    """The gradient of the input, (N, C, *size).

    A row of the image gets its part from the few rows of g whose windows reach it. They lie one after the other in
    memory, so that this is one matrix product per image row, into columns; adding these up along the width is the rest.
    """
    n, (o, c, kh, kw) = len(g), weight.shape
    (h, w), (top, left) = size, geometry.padding
    (out_h, out_w), rows = g.shape[2:], _rows(g)
    # (kw, C, kh, O), the last tap first
    upwards = np.ascontiguousarray(weight.transpose(3, 1, 2, 0)[:, :, ::-1], like=weight)
    columns = np.zeros((h + 2 * top, kw, c, out_w, n), g.dtype, like=g)
    for i in range(h + 2 * top):
        outputs, taps = geometry.seen_by(i, kh, out_h)
        if len(outputs):
            part = rows[_slice(outputs)].reshape(len(outputs) * o, out_w * n)
            flipped = upwards[:, :, _slice([kh - 1 - tap for tap in taps])].reshape(kw * c, -1)
            np.matmul(flipped, part, out=columns[i].reshape(kw * c, out_w * n))
    image = np.zeros((h + 2 * top, c, w + 2 * left, n), g.dtype, like=g)
    for j in range(kw):
        image[:, :, geometry.taps(j, 1, out_w)] += columns[:, j]
    return _to_user(image[top : top + h, :, left : left + w])


@primitive
def channel_sum(x):
    """(N, C, H, W) to (C,); a product with ones, which is faster than np.sum over three axes."""
    rows = _rows(x)
    return (rows @ np.ones_like(rows, shape=rows.shape[2:])).sum(axis=0)


rule(
    convolve,
    lambda g, _y, _x, weight, _bias, geometry: convolve_input(g, weight, _x.shape[2:], geometry),
    lambda g, _y, x, _weight, _bias, geometry: convolve_weight(x, g, _weight.shape[2:], geometry),
    lambda g, _y, _x, _weight, _bias, geometry: channel_sum(g),
)
rule(
    convolve_weight,
    lambda u, _y, _x, g, kernel, geometry: convolve_input(g, u, _x.shape[2:], geometry),
    lambda u, _y, x, _g, kernel, geometry: convolve(x, u, None, geometry),
)
rule(
    convolve_input,
    lambda u, _y, _g, weight, size, geometry: convolve(u, weight, None, geometry),
    lambda u, _y, g, _weight, size, geometry: convolve_weight(u, g, _weight.shape[2:], geometry),
)
rule(channel_sum, lambda g, _y, _x: np.broadcast_to(g[:, None, None], _x.shape))


# --- For the user: arguments are read and checked


def pair(value, name):
    """An int or a pair of ints as a pair."""
    if type(value) is int:
        return value, value
    try:
        vertical, horizontal = (value, value) if np.ndim(value) == 0 else value
        return operator.index(vertical), operator.index(horizontal)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be an int or a pair of ints (vertical, horizontal), got {value!r}") from None


def checked_geometry(name, x, kernel, stride, padding, dilation=1):
    """Arguments as pairs, after it is known that windows fit on the images."""
    if x.ndim != 4:
        raise ValueError(f"{name} takes images (N, C, H, W), got shape {x.shape}; for one image pass x[None]")
    if x.dtype.kind != "f":
        raise TypeError(
            f"{name} takes images of floating point, got {x.dtype}: convert and scale, e.g. x.astype(np.float32) / 255"
        )
    geometry = checked_settings(name, kernel, stride, padding, dilation)
    if any(geometry.out(x.shape[2 + axis], kernel[axis], axis) < 1 for axis in (0, 1)):
        padded = tuple(size + 2 * p for size, p in zip(x.shape[2:], geometry.padding, strict=True))
        reach = tuple(d * (k - 1) + 1 for d, k in zip(geometry.dilation, kernel, strict=True))
        raise ValueError(
            f"{name}: the kernel reaches over {reach} pixels (size {kernel}, dilation {geometry.dilation}), "
            f"the padded image has only {padded}: use a smaller kernel, or more padding"
        )
    return geometry


def checked_settings(name, kernel, stride, padding, dilation=1):
    """Arguments as pairs, in their bounds whatever the images."""
    geometry = Geometry(pair(stride, "stride"), pair(padding, "padding"), pair(dilation, "dilation"))
    for values, least, what in (
        (kernel, 1, "kernel"),
        (geometry.stride, 1, "stride"),
        (geometry.padding, 0, "padding"),
        (geometry.dilation, 1, "dilation"),
    ):
        if min(values) < least:
            raise ValueError(f"{name}: {what} must be at least {least}, got {values}")
    return geometry


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlate images with kernels, as every deep-learning library calls convolution.

    y[n, o, i, j] = bias[o] + sum over c, k, l of weight[o, c, k, l] x[n, c, i * stride + k * dilation - padding, ...]

    Parameters
    ----------
    x : Tensor or array, shape (N, C, H, W)
    weight : shape (O, C / groups, kh, kw)
    bias : shape (O,), optional
    stride, padding, dilation : int or (vertical, horizontal), default 1, 0, 1
        Padding is with zeros.
    groups : int, default 1
        Channels are cut into that many groups; output channels of a group see its input channels only.

    Returns
    -------
    Tensor (array for arrays), shape (N, O, out_h, out_w)
        out = (size + 2 padding - dilation (k - 1) - 1) // stride + 1. In memory the batch is the innermost axis.

    Raises
    ------
    ValueError
        If channels, groups or the kernel do not fit the images.
    TypeError
        If the images are integers.

    Examples
    --------
    >>> x = mg.arange(9.0).reshape(1, 1, 3, 3)
    >>> mg.nn.functional.conv2d(x, mg.ones(1, 1, 2, 2))
    tensor([[[[ 8., 12.],
              [20., 24.]]]])
    """
    x, weight, bias = (a if a is None or isinstance(a, Tensor) else as_array(a) for a in (x, weight, bias))
    kernel = tuple(weight.shape[2:])
    if len(kernel) != 2:
        raise ValueError(f"conv2d takes a weight (O, C / groups, kh, kw), got shape {weight.shape}")
    geometry = checked_geometry("conv2d", x, kernel, stride, padding, dilation)
    c, o = x.shape[1], weight.shape[0]
    if groups < 1 or c % groups or o % groups:
        raise ValueError(f"conv2d: groups={groups} must divide both the {c} input and the {o} output channels")
    if weight.shape[1] * groups != c:
        raise ValueError(
            f"conv2d: the images have {c} channels, but a weight of shape {weight.shape} with groups={groups} "
            f"is for {weight.shape[1] * groups}"
        )
    if bias is not None and tuple(bias.shape) != (o,):
        raise ValueError(f"conv2d: expected a bias of shape ({o},), one per output channel, got {bias.shape}")
    if groups == 1:
        return convolve(x, weight, bias, geometry)
    parts = []
    for group in range(groups):
        ins = slice(group * c // groups, (group + 1) * c // groups)
        outs = slice(group * o // groups, (group + 1) * o // groups)
        parts.append(convolve(x[:, ins], weight[outs], None if bias is None else bias[outs], geometry))
    return np.concatenate(parts, axis=1)
