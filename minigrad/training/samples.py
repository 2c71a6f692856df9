"""Samples with what belongs to them, (X, y) or (X, y, w), checked."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .. import device as devices
from ..nn import Module
from ..tensor import Tensor, as_array
from ..weighting import check_weights


class Samples(NamedTuple):
    """Arrays of the same length: inputs, targets, and weights or None."""

    X: Any
    y: Any
    w: Any = None

    def rows(self, chosen: Any) -> Samples:
        """The samples of a slice or of row numbers."""
        return Samples(self.X[chosen], self.y[chosen], None if self.w is None else self.w[chosen])

    def pieces(self, size: int) -> Iterator[Samples]:
        """Consecutive samples, `size` at a time; all of them if they are fewer."""
        for start in range(0, len(self.y), size):
            yield self.rows(slice(start, start + size))

    def like(self, model: Module) -> Samples:
        """The same where the model is, inputs of floats in its dtype."""
        first = next(model.parameters())
        X, y = (devices.move(array, first.device) for array in self[:2])
        w = None if self.w is None else devices.move(self.w, first.device)
        return Samples(X.astype(first.dtype, copy=False) if X.dtype.kind == "f" else X, y, w)


def samples(data: Any, name: str) -> Samples:
    """`data` as Samples; refuses what is not (X, y) or (X, y, w) of the same length."""
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        found = f"{len(data)} things" if isinstance(data, (tuple, list)) else f"a {type(data).__name__}"
        raise TypeError(f"{name} is (X, y) or (X, y, w) with one weight per sample, got {found}")
    X, y = (as_array(array) for array in data[:2])
    w = None if len(data) == 2 or data[2] is None else as_array(check_weights(data[2], f"{name}: w"))
    lengths = {
        part: array.shape[0] if array.ndim else "no"
        for part, array in zip(("X", "y", "w"), (X, y, w), strict=True)
        if array is not None
    }
    if len(set(lengths.values())) > 1 or "no" in lengths.values():
        counted = ", ".join(f"{part} has {n}" for part, n in lengths.items())
        raise ValueError(f"{name}: {counted} samples; expected the same number in each, one label and weight a sample")
    if not len(y):
        raise ValueError(f"{name} has no samples")
    return Samples(X, y, w)


def whole(value: Any, name: str, least: int = 1) -> int:
    """`value` as an int of at least `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}={value!r} is a {type(value).__name__}; expected an int") from None
    if number < least:
        raise ValueError(f"{name}={value}; expected {least} or more")
    return number


def outputs(model: Module, X: Any, batch_size: int) -> np.ndarray:
    """What the model makes of X, without a graph, as a NumPy array. In the mode in which the model is."""
    return np.concatenate([devices.to_host(model(Tensor(piece.X)).data) for piece in _inputs(model, X, batch_size)])


def _inputs(model: Module, X: Any, batch_size: int) -> Iterator[Samples]:
    # Inputs alone: the second entry only says how many there are.
    for piece in Samples(X, X).pieces(batch_size):
        yield piece.like(model)
