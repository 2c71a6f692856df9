"""A right pair of forward and backward pass, and a wrong version of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.gradcheck import Report, check_backward, gradcheck

Draw = Callable[[int], np.random.Generator]  # a generator of its own for each number


@dataclass(frozen=True)
class Operation:
    """``backward(g, *inputs)`` is right. `known` is what the checker is told besides: labels, weights ..."""

    name: str
    forward: Callable
    backward: Callable
    inputs: tuple[Any, ...]
    known: dict[str, Any] = field(default_factory=dict)

    def check(self, backward: Callable | None = None) -> Report:
        """The checker's report on another backward pass, or on its own."""
        return check_backward(self.forward, backward or self.backward, self.inputs, **self.known)

    def mutant(self, kind: str, mistake: str, backward: Callable, also: tuple[str, ...] = ()) -> Mutant:
        return Mutant(self, kind, mistake, backward, also)


class TensorOperation(Operation):
    """`backward` is the function of Tensors that the engine differentiates, as is `forward`."""

    def check(self, backward: Callable | None = None) -> Report:
        return gradcheck(backward or self.backward, self.inputs, raise_on_failure=False)


@dataclass(frozen=True)
class Mutant:
    """A wrong backward pass of `operation`.

    `kind` is the right name of the mistake; `also` are names that are as right, the gradients being the same.
    """

    operation: Operation
    kind: str
    mistake: str
    backward: Callable
    also: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.operation.name}, {self.operation.inputs[0].shape}: {self.mistake}"

    @property
    def accepted(self) -> tuple[str, ...]:
        return (self.kind, *self.also)

    def check(self) -> Report:
        return self.operation.check(self.backward)


def drawing(seed: int) -> Draw:
    return lambda n: np.random.default_rng([seed, n])


def as_tuple(gradients: Any) -> tuple[Any, ...]:
    return gradients if isinstance(gradients, tuple) else (gradients,)


def changed(backward: Callable, change: Callable, only: int | None = None) -> Callable:
    """`backward` with `change` applied to every gradient, or to that of input `only`."""

    def wrong(g, *inputs):
        gradients = as_tuple(backward(g, *inputs))
        return tuple(
            change(x) if x is not None and only in (None, position) else x for position, x in enumerate(gradients)
        )

    return wrong


def reordered(backward: Callable, *order: int) -> Callable:
    """`backward` with its gradients returned in another order."""

    def wrong(g, *inputs):
        gradients = backward(g, *inputs)
        return tuple(gradients[n] for n in order)

    return wrong
