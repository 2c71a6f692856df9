"""Losses of a whole batch: ratios of sums over it, not means of one loss per sample."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..nn.functional import sigmoid
from ..tensor import as_array
from .entries import binary_entries, entry_weights
from .options import number


def tversky(
    prediction: Any,
    target: Any,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
    alpha: float = 0.5,
    beta: float = 0.5,
    smooth: float = 0.0,
) -> Any:
    """Tversky loss, one number per batch: L = 1 - TP / (TP + alpha FP + beta FN) (Salehi et al. 2017, equation 3).

    With p = sigmoid(z): TP = sum w p t, FP = sum w p (1 - t), FN = sum w (1 - p) t. With E = alpha FP + beta FN and
    D = TP + E, dL/dz_i = w_i p_i (1 - p_i) ((alpha (1 - t_i) - beta t_i) TP - E t_i) / D**2.

    It is *not* a mean of losses per sample: the samples of a batch are coupled by the sums, the loss of two
    batches is not the mean of theirs, and a sample has no gradient of its own. Where p is 0 or 1 the
    gradient vanishes, even if that is wrong: start from binary cross-entropy, or add it.

    Parameters
    ----------
    prediction : Tensor or array, shape (N,), or (N, K) for K labels that may hold together
        Logits. All entries go into the same sums ("micro"); for a mean over labels, call it for each column.
    target : same shape, in [0, 1]
    sample_weight, class_weight : as for ``binary_cross_entropy``
        They enter the sums: weight 0 removes a sample, weight 2 doubles it, and with smooth = 0 a factor
        on all weights cancels.
    reduction : {"mean", "weighted_mean"}
        Both are the same number. "none", "sum" and a divisor D are refused: there is nothing per sample to list or
        to add up.
    alpha, beta : floats >= 0, default 0.5
        Cost of false positives and of false negatives. 0.5 and 0.5 are ``soft_f1`` (Dice), 1 and 1 soft Jaccard.
    smooth : float >= 0, default 0
        Added to TP and to D. A batch without positives has L = 1 whatever the logits, and so no gradient;
        with smooth > 0 its false positives are pushed down. Where no prediction is left either, 0 / 0, L is 0.

    Returns
    -------
    Tensor (array for arrays), scalar in [0, 1]

    Raises
    ------
    TypeError, ValueError
        As ``binary_cross_entropy``, for a reduction that has no meaning here, and for negative numbers.

    Examples
    --------
    >>> z, t = mg.tensor([9.0, 9.0, -9.0, -9.0]), [1, 0, 1, 1]  # one hit, one false alarm, two missed
    >>> print(f"{mg.losses.tversky(z, t, alpha=0.3, beta=0.7):.3f}")
    0.630
    """
    return _tversky(
        "tversky", prediction, target, sample_weight, class_weight, reduction, alpha=alpha, beta=beta, smooth=smooth
    )


def soft_f1(
    prediction: Any,
    target: Any,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
    smooth: float = 0.0,
) -> Any:
    """Soft F1 or Dice loss, one number per batch: L = 1 - 2 sum w p t / (sum w p + sum w t) (Milletari et al. 2016).

    ``tversky`` with alpha = beta = 1/2, and like it *not* a mean of losses per sample. With A = 2 sum w p t and
    B = sum w p + sum w t, dL/dz_i = w_i p_i (1 - p_i) (A - 2 t_i B) / B**2.

    Parameters
    ----------
    prediction, target, sample_weight, class_weight, reduction, smooth : as for ``tversky``

    Returns
    -------
    Tensor (array for arrays), scalar in [0, 1]

    Raises
    ------
    TypeError, ValueError
        As ``tversky``.

    Examples
    --------
    >>> print(f"{mg.losses.soft_f1(mg.tensor([9.0, 9.0, -9.0]), [1, 0, 0]):.3f}")  # one hit, one false alarm
    0.333
    """
    return _tversky(
        "soft_f1", prediction, target, sample_weight, class_weight, reduction, alpha=0.5, beta=0.5, smooth=smooth
    )


def _tversky(
    name: str,
    prediction: Any,
    target: Any,
    sample_weight: Any,
    class_weight: Any,
    reduction: str | float,
    **options: float,
) -> Any:
    z, t, per_class = binary_entries(prediction, target, class_weight, name)
    alpha, beta, smooth = (number(value, f"{name}: {option}", 0) for option, value in options.items())
    if reduction not in ("mean", "weighted_mean"):
        raise ValueError(
            f"{name}: reduction {reduction!r} has no meaning here: the loss is a ratio of sums over the batch, so "
            "there is nothing per sample to list, or to add up over micro-batches. Expected 'mean' or 'weighted_mean', "
            "which are the same number"
        )
    weights = entry_weights(sample_weight, per_class, z)
    p, rest = sigmoid(z), sigmoid(-z)
    if weights is not None:
        if smooth == 0:  # a factor on all weights cancels: choose it so that no sum gets lost below the least float
            weights = weights / _scale(as_array(weights))
        p, rest = weights * p, weights * rest
    hit = np.sum(p * t)
    error = alpha * np.sum(p * (1 - t)) + beta * np.sum(rest * t)
    total = hit + error + smooth
    limit = np.finfo(z.dtype)
    nothing = total < limit.tiny / limit.eps  # no positives, and all p rounded to 0: dividing would overflow
    return np.where(nothing, 0, error) / np.where(nothing, 1, total)


def _scale(weights: Any) -> float:
    """The power of two just below the largest weight: dividing by it is exact."""
    return 2.0 ** (math.frexp(float(weights.max() if weights.size else 0))[1] - 1)
