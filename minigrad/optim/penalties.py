"""L1 and L2 penalties: Tensors to add to a loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..tensor import Tensor
from .checks import tensors


def l1_penalty(parameters: Iterable[Tensor], lam: float) -> Tensor:
    """lam * sum |p|, gradient lam * sign(p), 0 at 0 (Goodfellow, Bengio & Courville 2016, equation 7.18).

    It pulls small weights all the way to 0. It is a term of its own and does not scale with sample weights: under
    reduction "mean" or "sum" doubling all weights halves its part; under "weighted_mean" it does not change it.

    Parameters
    ----------
    parameters : iterable of Tensors, or a Tensor
        Biases are usually left out: ``[p for p in model.parameters() if p.ndim > 1]``.
    lam : float >= 0

    Returns
    -------
    Tensor, scalar

    Raises
    ------
    TypeError, ValueError
        For no parameters, something that is no Tensor, a `lam` that is negative or not finite.

    Examples
    --------
    >>> w = mg.tensor([3.0, -4.0], requires_grad=True)
    >>> penalty = mg.optim.l1_penalty([w], 0.1)
    >>> penalty.backward()
    >>> f"{penalty:.2f}", w.grad
    ('0.70', tensor([ 0.1, -0.1]))
    """
    return _penalty(np.abs, parameters, lam, "l1_penalty")


def l2_penalty(parameters: Iterable[Tensor], lam: float) -> Tensor:
    """lam / 2 * sum p**2, gradient lam * p (Goodfellow, Bengio & Courville 2016, equation 7.2).

    With this half it is ``weight_decay=lam`` of SGD, Adam and RMSprop (AdamW's decay is another thing). It is a term of
    its own and does not scale with sample weights: see ``l1_penalty``.

    Parameters
    ----------
    parameters, lam : as for ``l1_penalty``

    Returns
    -------
    Tensor, scalar

    Raises
    ------
    TypeError, ValueError
        As ``l1_penalty``.

    Examples
    --------
    >>> w = mg.tensor([3.0, -4.0], requires_grad=True)
    >>> penalty = mg.optim.l2_penalty([w], 0.1)
    >>> penalty.backward()
    >>> f"{penalty:.2f}", w.grad
    ('1.25', tensor([ 0.3, -0.4]))
    """
    return _penalty(lambda p: p * p / 2, parameters, lam, "l2_penalty")


def _penalty(of: Any, parameters: Iterable[Tensor], lam: float, name: str) -> Tensor:
    found = tensors(parameters, name)
    if not 0 <= lam < np.inf:
        raise ValueError(f"{name}: lam must be finite and not negative, got {lam}")
    return lam * sum(np.sum(of(p)) for p in found)  # type: ignore[return-value]
