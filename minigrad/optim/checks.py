"""What this package asks of parameters and gradients, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..tensor import Tensor


def tensors(parameters: Iterable[Any], name: str) -> list[Tensor]:
    """The Tensors in `parameters`, at least one; a single Tensor is a list of one."""
    try:
        found = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    except TypeError:
        found = [parameters]
    for p in found:
        if not isinstance(p, Tensor):
            raise TypeError(f"{name} takes Tensors, e.g. model.parameters(); got {p!r:.80}")
    if not found:
        raise ValueError(
            f"{name} got no parameters: pass model.parameters(), anew each time, for a generator is empty after one use"
        )
    return found


def check_gradient(p: Tensor) -> None:
    """`.grad` is None or a Tensor of the shape and device of `p`."""
    g: Any = p.grad
    if g is None:
        return
    if not isinstance(g, Tensor):
        raise TypeError(
            f"p.grad must be a Tensor or None, got {type(g).__name__} for a parameter of shape {p.shape}: "
            "write p.grad = mg.tensor(...)"
        )
    if (g.shape, g.device) != (p.shape, p.device) or g.dtype.kind == "c":
        raise ValueError(
            f"p.grad must be like its parameter, of (shape, dtype, device) {(p.shape, str(p.dtype), p.device)}, "
            f"got {(g.shape, str(g.dtype), g.device)}"
        )


def check_rows(lr: Any, shape: tuple[int, ...]) -> None:
    """A learning rate per row fits a parameter of this shape."""
    if shape[:1] != np.shape(lr):
        raise ValueError(
            f"lr has shape {np.shape(lr)}, but a parameter of its group has shape {shape}: give one number, or one for "
            "each row (first axis) of every parameter in the group, such as the weight and bias of the last layer"
        )


def plain_numbers(value: Any) -> Any:
    """Python numbers, one or a tuple: they can be saved, and keep float32 what is float32."""
    numbers = np.asarray(value).tolist()
    return tuple(numbers) if isinstance(numbers, list) else numbers
