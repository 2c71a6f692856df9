"""The package's one source of random numbers: initialisation, dropout, mg.rand.

Numbers are drawn on the host, so a seed gives the same run on every device.
"""

from __future__ import annotations

import operator
from typing import Any, TypeAlias

import numpy as np

from . import device as devices
from .tensor import Tensor, shape_of

Rng: TypeAlias = "int | np.random.Generator | None"  # a string: loading numpy.random takes a third of our import

_generator: np.random.Generator | None = None


def manual_seed(seed: int) -> None:
    """Start the random numbers of initialisation, dropout, data and ``rand`` from `seed`."""
    global _generator
    _generator = np.random.default_rng(seed)


def generator(rng: Rng = None) -> np.random.Generator:
    """What `rng` means everywhere: None the package's generator, an int a new one of that seed, a Generator itself."""
    global _generator
    if rng is None:
        if _generator is None:
            _generator = np.random.default_rng()
        return _generator
    if isinstance(rng, np.random.Generator):
        return rng
    try:
        seed = operator.index(rng)
    except TypeError:
        raise TypeError(
            f"rng is a {type(rng).__name__}; expected None, an int seed or a np.random.Generator: "
            "pass np.random.default_rng(0)"
        ) from None
    if seed < 0:
        raise ValueError(f"rng={seed}: a seed is 0 or more; pass for example rng=0")
    return np.random.default_rng(seed)


def rand(*shape: Any, dtype: Any = np.float32, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Uniform numbers in [0, 1). `shape`: a tuple or numbers."""
    drawn = np.float32 if np.dtype(dtype).itemsize <= 4 else np.float64  # rounding to dtype later could give 1
    array = np.asarray(generator().random(shape_of(shape), drawn)).astype(dtype)
    return Tensor(devices.move(array, device), requires_grad)


def randn(*shape: Any, dtype: Any = np.float32, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Standard normal numbers. `shape`: a tuple or numbers."""
    array = np.asarray(generator().standard_normal(shape_of(shape))).astype(dtype)
    return Tensor(devices.move(array, device), requires_grad)
