"""Normalization: subtract the mean, divide by the standard deviation, over the batch or within a sample."""

from __future__ import annotations

import math

import numpy as np

from ..graph import primitive, rule
from ..tensor import as_array


@primitive
def standardize(x, axes, eps):
    """(x - mean) / sqrt(variance + eps) over `axes`."""
    y = x - x.mean(axis=axes, keepdims=True)
    y /= np.sqrt((y * y).mean(axis=axes, keepdims=True) + eps)
    return y


def _standardize_vjp(g, y, x, axes, eps):
    scale = 1 / np.sqrt(np.var(x, axis=axes, keepdims=True) + eps)
    mean_g = np.mean(g, axis=axes, keepdims=True)
    return scale * (g - mean_g - y * np.mean(g * y, axis=axes, keepdims=True))


rule(standardize, _standardize_vjp)


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    """Standardize each sample over its last axes, then scale and shift (Ba et al. 2016, eq. 4).

    Parameters
    ----------
    x : Tensor or array, shape (..., *normalized_shape)
    normalized_shape : int or tuple of int
    weight, bias : shape `normalized_shape`, optional
    eps : float, default 1e-5
        Added to the variance.

    Raises
    ------
    ValueError
        If the last axes of x are not `normalized_shape`.
    """
    expected = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if tuple(x.shape[x.ndim - len(expected) :]) != expected:
        raise ValueError(f"layer_norm over {expected} got x of shape {x.shape}: its last axes must be {expected}")
    y = standardize(x, tuple(range(-len(expected), 0)), eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Standardize every channel over the batch, then scale and shift (Ioffe & Szegedy 2015, algorithm 1).

    Samples of a batch act on each other here: batch statistics ignore weights, so a weight is no longer the same as a
    repetition.

    Parameters
    ----------
    x : Tensor or array, shape (N, C) or (N, C, ...)
        Images (N, C, H, W) keep their order in memory.
    running_mean, running_var : arrays (C,), or both None
        Used when not `training`; changed in place when `training`:
        running = (1 - momentum) running + momentum batch, with the unbiased variance, as in PyTorch.
        None: statistics of the batch always.
    weight, bias : shape (C,), optional
    training : bool, default False
    momentum : float, default 0.1
    eps : float, default 1e-5
        Added to the (biased) variance.

    Returns
    -------
    Tensor (array for arrays), the shape of x

    Raises
    ------
    ValueError
        If x has no channels, an argument is not one number per channel, or a channel has only one value to take
        statistics of.

    Examples
    --------
    >>> mean, var = np.zeros(1), np.ones(1)
    >>> mg.nn.functional.batch_norm(np.array([[1.0], [3.0]]), mean, var, training=True).round(3)
    array([[-1.],
           [ 1.]])
    >>> mean, var  # 0.9 * 0 + 0.1 * 2, 0.9 * 1 + 0.1 * 2
    (array([0.2]), array([1.1]))
    """
    if x.ndim < 2:
        raise ValueError(f"batch_norm takes (N, C) or (N, C, ...), got shape {x.shape}")
    channels = x.shape[1]
    given = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, value in given.items():
        if value is not None and tuple(value.shape) != (channels,):
            raise ValueError(f"batch_norm: x {x.shape} has {channels} channels, {name} has shape {value.shape}")
    axes = (0, *range(2, x.ndim))
    per_channel = (channels, *(1 for _ in x.shape[2:]))
    if training or running_mean is None:
        n = math.prod(x.shape[axis] for axis in axes)
        if n < 2:
            raise ValueError(
                f"batch_norm needs more than one value per channel for its statistics, got x of shape {x.shape}: "
                "use a larger batch, or model.eval()"
            )
        if running_mean is not None:
            values, mean, var = as_array(x), as_array(running_mean), as_array(running_var)
            mean += momentum * (values.mean(axis=axes) - mean)
            var += momentum * (values.var(axis=axes) * (n / (n - 1)) - var)
        y = standardize(x, axes, eps)
    else:
        y = (x - running_mean.reshape(per_channel)) / np.sqrt(running_var.reshape(per_channel) + eps)
    y = y if weight is None else y * weight.reshape(per_channel)
    return y if bias is None else y + bias.reshape(per_channel)
