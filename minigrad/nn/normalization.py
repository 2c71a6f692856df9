"""Normalization: subtract the mean, divide by the standard deviation, over the batch or within a sample."""

from __future__ import annotations

import numpy as np

from ..graph import primitive, rule
from ..tensor import Tensor


@primitive
def standardize(x, axes, eps):
    """(x - mean) / sqrt(variance + eps) over `axes`."""
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(axis=axes, keepdims=True) + eps)


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
    x : Tensor or array, shape (N, C) or (N, C, H, W)
    running_mean, running_var : arrays (C,), or None
        Used when not `training`; changed in place when `training`:
        running = (1 - momentum) running + momentum batch, with the unbiased variance, as in PyTorch.
    weight, bias : shape (C,), optional
    training : bool, default False
    momentum : float, default 0.1
    eps : float, default 1e-5
        Added to the (biased) variance.

    Raises
    ------
    ValueError
        If x has another rank, or a channel has only one value to take statistics of while training.
    """
    if x.ndim not in (2, 4):
        raise ValueError(f"batch_norm takes (N, C) or (N, C, H, W), got shape {x.shape}")
    axes = (0,) if x.ndim == 2 else (0, 2, 3)
    per_channel = (-1,) if x.ndim == 2 else (-1, 1, 1)
    if training or running_mean is None:
        n = x.size // max(x.shape[1], 1)
        if training and n < 2:
            raise ValueError(
                f"batch_norm needs more than one value per channel while training, got x of shape {x.shape}: "
                "use a larger batch, or model.eval()"
            )
        if training and running_mean is not None:
            raw = x.data if isinstance(x, Tensor) else x
            running_mean += momentum * (raw.mean(axis=axes) - running_mean)
            running_var += momentum * (raw.var(axis=axes) * (n / (n - 1)) - running_var)
        y = standardize(x, axes, eps)
    else:
        y = (x - running_mean.reshape(per_channel)) / np.sqrt(running_var.reshape(per_channel) + eps)
    y = y if weight is None else y * weight.reshape(per_channel)
    return y if bias is None else y + bias.reshape(per_channel)
