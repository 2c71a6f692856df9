"""Normalization: subtract the mean, divide by the standard deviation, over the batch or within a sample."""

from __future__ import annotations

import math

import numpy as np

from ..graph import primitive, rule
from ..tensor import Tensor, as_array


@primitive
def standardize(x, axes, eps, moments=None):
    """(x - mean) / sqrt(variance + eps) over `axes`; `moments`: mean and variance of x, where they are known."""
    mean, variance = moments or _moments(x, axes)
    y = x - mean
    y *= 1 / np.sqrt(variance + eps)
    return y


def _moments(x, axes):
    mean = x.mean(axis=axes, keepdims=True)
    deviations = x - mean
    deviations *= deviations
    return mean, deviations.mean(axis=axes, keepdims=True)


def _standardize_vjp(g, y, x, axes, eps, moments=None):
    # Moments are numbers. Where the gradient is to be differentiated in turn, the variance has to depend on x.
    known = moments is not None and not isinstance(x, Tensor)
    variance = moments[1] if known else np.var(x, axis=axes, keepdims=True)
    mean_g = np.mean(g, axis=axes, keepdims=True)
    return (g - mean_g - y * np.mean(g * y, axis=axes, keepdims=True)) * (1 / np.sqrt(variance + eps))


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
    if (running_mean is None) != (running_var is None):
        raise ValueError("batch_norm needs running_mean and running_var together, or neither, got only one of them")
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
        moments = _moments(as_array(x), axes)
        if running_mean is not None:
            for running, batch in zip(
                (running_mean, running_var), (moments[0], moments[1] * (n / (n - 1))), strict=True
            ):
                array = as_array(running)
                array += momentum * (batch.reshape(channels) - array)
        y = standardize(x, axes, eps, moments)
    else:
        y = (x - running_mean.reshape(per_channel)) / np.sqrt(running_var.reshape(per_channel) + eps)
    y = y if weight is None else y * weight.reshape(per_channel)
    return y if bias is None else y + bias.reshape(per_channel)
