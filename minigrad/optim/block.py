"""Where parameters, gradients and state lie: few large arrays.

The parameters of a group are made views into one flat array. An update is then a handful of calls for the whole model
instead of a handful per parameter, which is most of the time of a small model's step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import device as devices
from ..tensor import Tensor
from .checks import check_gradient, check_rows


class Block:
    """Parameters of one dtype, laid end to end in one array, with gradients and state laid out alike."""

    def __init__(self, parameters: list[Tensor], state_names: tuple[str, ...]) -> None:
        self.parameters = parameters
        self.views: list[Any] = [None] * len(parameters)
        self.shapes = [p.shape for p in parameters]
        self.steps = [0] * len(parameters)
        self.checked = False
        ends = np.cumsum([p.size for p in parameters]).tolist()
        self.spans = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        self.flat = np.zeros(ends[-1], parameters[0].dtype, like=parameters[0].data)
        self.gradient = np.zeros_like(self.flat)
        self.state = {name: np.zeros_like(self.flat) for name in state_names}
        self.adopt()

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and deepcopy, which make arrays of their own out of views: `adopt` joins them again."""
        return {**vars(self), "views": [None] * len(self.views)}

    def adopt(self) -> None:
        """Make each parameter's data a view into the flat array, again if somebody has replaced it."""
        for i, p in enumerate(self.parameters):
            if p.data is not self.views[i]:
                self._check_replaced(p, self.shapes[i])
                self.flat[self.spans[i]] = p.data.ravel()
                p.data = self.views[i] = self.flat[self.spans[i]].reshape(p.shape)

    def _check_replaced(self, p: Tensor, shape: tuple[int, ...]) -> None:
        expected = (shape, str(self.flat.dtype), devices.name_of(self.flat))
        found = (p.shape, str(p.dtype), p.device)
        if found != expected:
            raise ValueError(
                f"the optimiser was made for a parameter of (shape, dtype, device) {expected}, which is now {found}: "
                "make the optimiser after model.to() and model.astype()"
            )

    def pieces(self) -> Iterator[tuple[slice, int]]:
        """The spans to update and the number of their step.

        All parameters in one, if all have a gradient and have been updated equally often. Otherwise one by one: without
        a gradient neither parameter nor state moves. So is the first time, when every gradient is looked at; after that
        only those that NumPy stumbles over, which costs nothing.
        """
        self.adopt()
        if self.checked and self.steps.count(self.steps[0]) == len(self.steps) and self._gather():
            self.steps = [self.steps[0] + 1] * len(self.steps)
            yield slice(None), self.steps[0]
            return
        for p in self.parameters:
            check_gradient(p)
        self.checked = True
        for i, p in enumerate(self.parameters):
            if p.grad is not None:
                self.gradient[self.spans[i]] = p.grad.data.ravel()
                self.steps[i] += 1
                yield self.spans[i], self.steps[i]

    def _gather(self) -> bool:
        """Copy all gradients in one call; False if one is missing or wrong."""
        try:
            np.concatenate([p.grad.data.ravel() for p in self.parameters], out=self.gradient)  # type: ignore[union-attr]
        # in turn: None, or an array, whose `data` is its memory; another device, complex numbers; another size
        except (AttributeError, TypeError, ValueError):
            return False
        return True

    def per_entry(self, lr: Any) -> Any:
        """A learning rate per row, for every entry of the flat array."""
        for shape in self.shapes:
            check_rows(lr, shape)
        rates = [np.repeat(np.asarray(lr, self.flat.dtype), math.prod(shape[1:])) for shape in self.shapes]
        return np.asarray(np.concatenate(rates), like=self.flat)
