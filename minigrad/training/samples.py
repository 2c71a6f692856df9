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
    """Arrays of the same length: inputs anywhere, targets and weights (or None) on the host, where they are checked."""

    X: Any
    y: Any
    w: Any = None

    def rows(self, chosen: Any) -> Samples:
        """The samples of a slice or of row numbers."""
        X = self.X[devices.beside(chosen, self.X)]
        return Samples(X, self.y[chosen], None if self.w is None else self.w[chosen])

    def pieces(self, size: int) -> Iterator[Samples]:
        """Consecutive samples, `size` at a time; all of them, even none, if they are fewer."""
        for start in range(0, max(len(self.y), 1), size):
            yield self.rows(slice(start, start + size))

    def like(self, model: Module, inputs_alone: bool = False) -> Samples:
        """The same where the model is, inputs of floats in its dtype."""
        first = next(model.parameters())
        X = devices.move(self.X, first.device)
        X = X.astype(first.dtype, copy=False) if X.dtype.kind == "f" else X
        if inputs_alone:
            return self._replace(X=X)
        return Samples(X, *(a if a is None else devices.move(a, first.device) for a in self[1:]))


def samples(data: Any, name: str) -> Samples:
    """`data` as Samples; refuses what is not (X, y) or (X, y, w) of the same length."""
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        found = f"{len(data)} things" if isinstance(data, (tuple, list)) else f"a {type(data).__name__}"
        raise TypeError(f"{name} is (X, y) or (X, y, w) with one weight per sample, got {found}")
    X, y = as_array(data[0]), devices.to_host(as_array(data[1]))
    w = None if len(data) == 2 or data[2] is None else devices.to_host(as_array(check_weights(data[2], f"{name}: w")))
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
    pieces = Samples(X, X).pieces(batch_size)  # the second X only says how many there are
    return devices.to_host(np.concatenate([model(Tensor(piece.like(model, True).X)).data for piece in pieces]))
