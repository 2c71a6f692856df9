"""Starting values for parameters: each function returns a new float32 array of the shape asked for.

``fan_in`` is the number of inputs that one output sums over: shape (out, in, ...) has in * prod(rest).
"""

from __future__ import annotations

import math

import numpy as np

from ..random import Rng, generator


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) < 2:
        raise ValueError(f"fan-in and fan-out need a weight of at least two axes (out, in, ...), got shape {shape}")
    area = math.prod(shape[2:])
    return shape[1] * area, shape[0] * area


def uniform(shape: tuple[int, ...], low: float = 0.0, high: float = 1.0, *, rng: Rng = None) -> np.ndarray:
    """Uniform between `low` and `high`."""
    return generator(rng).uniform(low, high, shape).astype(np.float32)


def normal(shape: tuple[int, ...], mean: float = 0.0, std: float = 1.0, *, rng: Rng = None) -> np.ndarray:
    """Normal with the given mean and standard deviation."""
    return generator(rng).normal(mean, std, shape).astype(np.float32)


def constant(shape: tuple[int, ...], value: float) -> np.ndarray:
    """`value` everywhere."""
    return np.full(shape, value, np.float32)


def zeros(shape: tuple[int, ...]) -> np.ndarray:
    """0 everywhere, as for a bias."""
    return constant(shape, 0.0)


def ones(shape: tuple[int, ...]) -> np.ndarray:
    """1 everywhere, as for the scale of a normalisation."""
    return constant(shape, 1.0)


def xavier_uniform(shape: tuple[int, ...], gain: float = 1.0, *, rng: Rng = None) -> np.ndarray:
    """Uniform with variance 2 gain**2 / (fan_in + fan_out) (Glorot & Bengio 2010, eq. 16)."""
    bound = gain * math.sqrt(6 / sum(_fans(shape)))
    return uniform(shape, -bound, bound, rng=rng)


def xavier_normal(shape: tuple[int, ...], gain: float = 1.0, *, rng: Rng = None) -> np.ndarray:
    """Normal with variance 2 gain**2 / (fan_in + fan_out) (Glorot & Bengio 2010)."""
    return normal(shape, 0.0, gain * math.sqrt(2 / sum(_fans(shape))), rng=rng)


def kaiming_uniform(shape: tuple[int, ...], a: float = 0.0, *, rng: Rng = None) -> np.ndarray:
    """Uniform with variance 2 / ((1 + a**2) fan_in), `a` the activation's negative slope (He et al. 2015, eq. 15)."""
    bound = math.sqrt(6 / ((1 + a * a) * _fans(shape)[0]))
    return uniform(shape, -bound, bound, rng=rng)


def kaiming_normal(shape: tuple[int, ...], a: float = 0.0, *, rng: Rng = None) -> np.ndarray:
    """Normal with variance 2 / ((1 + a**2) fan_in) (He et al. 2015, eq. 15)."""
    return normal(shape, 0.0, math.sqrt(2 / ((1 + a * a) * _fans(shape)[0])), rng=rng)


def torch_default(shape: tuple[int, ...], fan_in: int, *, rng: Rng = None) -> np.ndarray:
    """PyTorch's default for Linear and Conv, weight and bias alike: uniform in +-1 / sqrt(fan_in)."""
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    return uniform(shape, -bound, bound, rng=rng)
