"""Gradients made shorter, between ``backward`` and ``step``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..tensor import Tensor
from .checks import check_gradient, tensors


def clip_grad_norm(parameters: Iterable[Tensor], max_norm: float, *, error_if_nonfinite: bool = True) -> float:
    """Make all gradients together no longer than `max_norm`: g = g * min(1, max_norm / (norm + 1e-6)).

    One factor for all, so the direction stays (Pascanu, Mikolov & Bengio 2013, algorithm 1; the 1e-6 is PyTorch's).

    Parameters
    ----------
    parameters : iterable of Tensors, or a Tensor
        Those without a gradient do not count. All get new ``.grad`` Tensors if the norm is too long: the old ones may
        be in use elsewhere.
    max_norm : float > 0
        ``math.inf`` only measures.
    error_if_nonfinite : bool, default True
        False: where a gradient has NaN or inf all are left as they are, and the norm says so. (PyTorch's default is to
        multiply by it, by which all become NaN or 0.)

    Returns
    -------
    float
        The norm before: the root of the sum of squares over all gradients, summed in float64.

    Raises
    ------
    FloatingPointError
        If the norm is NaN or inf.
    TypeError, ValueError
        For no parameters, something that is no Tensor, a `max_norm` that is not positive.

    Examples
    --------
    >>> w = mg.tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> mg.optim.clip_grad_norm([w], 1.0)
    10.0
    >>> np.round(w.grad.data, 3)
    array([0.6, 0.8], dtype=float32)
    """
    found = _with_gradients(parameters, "clip_grad_norm")
    if not max_norm > 0:
        raise ValueError(f"clip_grad_norm: max_norm must be positive, got {max_norm}; math.inf only measures")
    norm = math.sqrt(sum(map(_sum_of_squares, found)))
    if not math.isfinite(norm):
        if not error_if_nonfinite:
            return norm
        shapes = [p.shape for p in found if not math.isfinite(_sum_of_squares(p))]
        raise FloatingPointError(
            f"clip_grad_norm: the norm is {norm}, from the gradients of parameters of shape {shapes}: look at the loss "
            "and the learning rate; or skip such steps: with error_if_nonfinite=False nothing is clipped then, and the "
            "norm is returned"
        )
    factor = max_norm / (norm + 1e-6)
    if factor < 1:
        for p in found:
            p.grad = Tensor(p.grad.data * factor)  # type: ignore[union-attr]
    return norm


def clip_grad_value(parameters: Iterable[Tensor], value: float) -> None:
    """Bring every entry of every gradient into [-value, value]; unlike ``clip_grad_norm`` this turns the direction.

    Parameters
    ----------
    parameters : iterable of Tensors, or a Tensor
        All with a gradient get a new ``.grad`` Tensor. NaN stays NaN.
    value : float > 0

    Raises
    ------
    TypeError, ValueError
        For no parameters, something that is no Tensor, a `value` that is not positive.

    Examples
    --------
    >>> w = mg.tensor([0.1, -4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> mg.optim.clip_grad_value([w], 1.0)
    >>> w.grad
    tensor([ 0.2, -1. ])
    """
    found = _with_gradients(parameters, "clip_grad_value")
    if not value > 0:
        raise ValueError(f"clip_grad_value: value must be positive, got {value}")
    for p in found:
        p.grad = Tensor(np.clip(p.grad.data, -value, value))  # type: ignore[union-attr]


def _sum_of_squares(p: Tensor) -> Any:
    return np.sum(np.square(p.grad.data, dtype=np.float64))  # type: ignore[union-attr]


def _with_gradients(parameters: Iterable[Tensor], name: str) -> list[Tensor]:
    found = tensors(parameters, name)
    for p in found:
        check_gradient(p)
    return [p for p in found if p.grad is not None]
