"""Focal loss (Lin et al. 2017): cross-entropy, turned down where the prediction is right already."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..nn.functional import logsumexp, softplus
from . import checks
from .detached import detached
from .entries import binary_entries
from .options import number
from .reduction import gathered, reduce_gathered


def focal_term(margin: Any, gamma: float, detach_modulator: bool = False) -> Any:
    """(1 - p)^gamma * -log p for p = sigmoid(margin); the margin is the label's logit against the rest.

    The modulator is exp(gamma log(1 - p)), so no power of a number that has been rounded to 0 is ever differentiated.
    """
    entropy = softplus(-margin)
    if gamma == 0:
        return entropy
    log_rest = -softplus(detached(margin) if detach_modulator else margin)
    return np.exp(gamma * log_rest) * entropy


def label_margin(z: Any, labels: Any) -> Any:
    """log(p_y / (1 - p_y)) of softmax(z), shape (N,): the label against all other classes together.

    From it 1 - p_y is known to full precision where p_y is rounded to 1.
    """
    own = labels[:, None] == np.arange(z.shape[1], like=labels)
    return np.sum(np.where(own, z, 0), axis=1) - logsumexp(np.where(own, -np.inf, z), axis=1)


def focal(
    prediction: Any,
    target: Any,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
    gamma: float = 2.0,
    detach_modulator: bool = False,
) -> Any:
    """Focal loss of softmax(logits): l_i = -(1 - p_y)**gamma log p_y (Lin et al. 2017, equation 4).

    dl/dz = f (p - e_y) with f = (1 - p_y)**gamma - gamma p_y (1 - p_y)**(gamma - 1) log p_y. f is not the modulator
    (1 - p_y)**gamma: it exceeds it, up to 1.225 for gamma = 2 (at p_y = 0.10), so that hard samples count
    more than with cross-entropy.

    Parameters
    ----------
    prediction : Tensor or array, shape (N, K)
        Logits.
    target : integers (N,) in 0..K-1, or the same one-hot, (N, K)
    sample_weight : (N,), optional
    class_weight : (K,) or dict keyed by label, optional
        Multiplies the loss; it is no part of the modulator.
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0
    gamma : float >= 0, default 2
        0 is cross-entropy.
    detach_modulator : bool, default False
        True takes the modulator for a weight that has no gradient: dl/dz = (1 - p_y)**gamma (p - e_y). Another
        method with the same value: it no longer descends along the loss.

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        As ``cross_entropy``, and for a gamma that is negative or not finite.

    Examples
    --------
    >>> z = mg.tensor([[2.0, 0.0], [0.0, 0.0]], requires_grad=True)
    >>> mg.losses.focal(z, [0, 0], reduction="sum").backward()
    >>> np.round(z.grad.data, 3)  # the first sample is right already; cross-entropy would give it 0.119
    array([[-0.005,  0.005],
           [-0.298,  0.298]], dtype=float32)
    """
    z, labels = checks.multiclass(prediction, target, "focal")
    values = focal_term(label_margin(z, labels), number(gamma, "focal: gamma", 0), detach_modulator)
    per_class = gathered(class_weight, labels, z.shape[1], z.dtype)
    return reduce_gathered(values, sample_weight, reduction, class_weight=per_class)


def binary_focal(
    prediction: Any,
    target: Any,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
    alpha: float | None = 0.25,
    gamma: float = 2.0,
    detach_modulator: bool = False,
) -> Any:
    """Focal loss of sigmoid(logits): l = -a_t (1 - p_t)**gamma log p_t (Lin et al. 2017, equation 5).

    For t = 1, p_t = p and a_t = alpha; for t = 0, p_t = 1 - p and a_t = 1 - alpha. With s = 2 t - 1,
    dl/dz = -s a_t (1 - p_t) f, f = (1 - p_t)**gamma - gamma p_t (1 - p_t)**(gamma - 1) log p_t. A target in between
    takes both losses, in the shares t and 1 - t.

    Parameters
    ----------
    prediction : Tensor or array, shape (N,), or (N, K) for K labels that may hold together
        Logits. With (N, K), every entry counts as a sample.
    target : same shape, in [0, 1]
    sample_weight : (N,), or (N, K) for multi-label predictions, optional
    class_weight : optional
        For (N,): (2,) or a dict {0: ..., 1: ...}, and targets must be 0 or 1. For (N, K): (K,), one per label.
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0
        The paper divides by the number of positives: pass it as D.
    alpha : float in [0, 1] or None, default 0.25
        On positives; 1 - alpha on negatives. 0.25 *lowers* the positives: it makes up for what gamma = 2 takes
        from the negatives, and is no weight for a rare class. None: no factor on either.
    gamma : float >= 0, default 2
        With alpha=None, 0 is binary cross-entropy.
    detach_modulator : bool, default False
        True takes the modulator for a weight that has no gradient: dl/dz = -s a_t (1 - p_t)**(gamma + 1).

    Returns
    -------
    Tensor (array for arrays): scalar, or the prediction's shape for "none"

    Raises
    ------
    TypeError, ValueError
        As ``binary_cross_entropy``, and for an alpha or gamma out of range.

    Examples
    --------
    >>> z = mg.tensor([-100.0, 0.0, 100.0], requires_grad=True)
    >>> mg.losses.binary_focal(z, [1, 1, 1], reduction="sum").backward()
    >>> np.round(z.grad.data, 3) + 0  # the hardest positive keeps its gradient
    array([-0.25 , -0.075,  0.   ], dtype=float32)
    """
    z, t, per_class = binary_entries(prediction, target, class_weight, "binary_focal")
    gamma = number(gamma, "binary_focal: gamma", 0)
    positive, negative = focal_term(z, gamma, detach_modulator), focal_term(-z, gamma, detach_modulator)
    if alpha is not None:
        alpha = number(alpha, "binary_focal: alpha", 0, 1)
        positive, negative = alpha * positive, (1 - alpha) * negative
    return reduce_gathered(t * positive + (1 - t) * negative, sample_weight, reduction, class_weight=per_class)
