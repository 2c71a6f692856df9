"""Losses of K labels that may hold together, each rare: asymmetric loss, distribution-balanced loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..nn.functional import sigmoid, softplus
from ..tensor import as_array
from .detached import detached
from .entries import binary_entries
from .focal import focal_term
from .options import like_logits, number, positive, training_counts
from .reduction import reduce_gathered


def asymmetric(
    prediction: Any,
    target: Any,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
    gamma_pos: float = 1.0,
    gamma_neg: float = 4.0,
    margin: float = 0.05,
    detach_modulator: bool = False,
) -> Any:
    """Asymmetric loss, l = -t (1-p)**g+ log p - (1-t) p_m**g- log(1-p_m), p_m = max(p-m, 0).

    Ridnik et al. 2021, equations 4 to 7. Positives: dl/dz = -(1-p)**(g+ + 1) + g+ p (1-p)**g+ log p. Negatives with
    p > m: dl/dz = p (1-p) (p_m**g- / (1-p_m) - g- p_m**(g- - 1) log(1-p_m)); with p <= m they are discarded. Towards
    p = 1 the gradient of a negative goes to 0 as well: it may be a label that was forgotten.

    Parameters
    ----------
    prediction : Tensor or array, shape (N, K), or (N,) for one label
        Logits. Every entry counts as a sample.
    target : same shape, in [0, 1]
    sample_weight : (N,) or (N, K), optional
    class_weight : (K,), one per label, optional; for (N,) as in ``binary_cross_entropy``
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0
        The paper sums over the labels: pass D = N for that.
    gamma_pos, gamma_neg : floats >= 0, default 1 and 4
        g+ and g-. Equal, and with margin = 0, they give ``binary_focal`` with alpha=None.
    margin : m, float in [0, 1], default 0.05
        Negatives below this probability count nothing.
    detach_modulator : bool, default False
        True takes (1-p)**g+ and p_m**g- for weights that have no gradient, another method with the same value. (The
        authors' code has both: it detaches if told so.)

    Returns
    -------
    Tensor (array for arrays): scalar, or the prediction's shape for "none"

    Raises
    ------
    TypeError, ValueError
        As ``binary_cross_entropy``, and for a gamma or margin out of range.

    Examples
    --------
    >>> z, t = np.array([[0.0, 0.0, -4.0]]), np.array([[1, 0, 0]])
    >>> mg.losses.asymmetric(z, t, reduction="none").round(4)
    array([[0.3466, 0.0245, 0.    ]])
    """
    z, t, per_class = binary_entries(prediction, target, class_weight, "asymmetric")
    gamma_pos = number(gamma_pos, "asymmetric: gamma_pos", 0)
    gamma_neg = number(gamma_neg, "asymmetric: gamma_neg", 0)
    margin = number(margin, "asymmetric: margin", 0, 1)
    if_one = focal_term(z, gamma_pos, detach_modulator)
    if_zero = _shifted_negative(z, gamma_neg, margin, detach_modulator)
    return reduce_gathered(t * if_one + (1 - t) * if_zero, sample_weight, reduction, class_weight=per_class)


def _shifted_negative(z: Any, gamma: float, margin: float, detach_modulator: bool) -> Any:
    if margin == 0:
        return focal_term(-z, gamma, detach_modulator)
    p = sigmoid(z)
    counts = as_array(p) > margin
    shifted = np.where(counts, p - margin, 1)  # 1: the powers of what does not count shall have a derivative
    modulator = (detached(shifted) if detach_modulator else shifted) ** gamma
    return np.where(counts, modulator * -np.log(sigmoid(-z) + margin), 0)


def distribution_balanced(
    prediction: Any,
    target: Any,
    *,
    counts: Any,
    total: float,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
    alpha: float = 0.1,
    beta: float = 10.0,
    mu: float = 0.2,
    lam: float = 2.0,
    kappa: float = 0.05,
) -> Any:
    """Distribution-balanced loss, l = r' (t softplus(-(z-v)) + (1-t) softplus(lam (z-v)) / lam) (Wu et al. 2020).

    The weight of label c at a sample, r = (1/n_c) / sum_j t_j / n_j, is how much a sampler that is balanced over
    labels would draw c, over how often the sample would be drawn for all of its labels; r' = alpha +
    sigmoid(beta (r - mu)). The shift v_c = kappa logit(n_c / total), negative for a rare label, and lam > 1 make the
    loss forgive negatives. dl/dz = r' ((1-t) sigmoid(lam (z-v)) - t sigmoid(-(z-v))). r' does not depend on the
    logits, so there is nothing to detach.

    Parameters
    ----------
    prediction : Tensor or array, shape (N, K)
        Logits. Every entry counts as a sample.
    target : (N, K), in [0, 1]
    counts : (K,)
        n_c, positives of each label in the training set. A label that never holds there counts as half a
        positive, one that always holds as half a negative, so that v and r stay finite.
    total : number > 0
        Samples in the training set; not the sum of counts, since labels hold together.
    sample_weight : (N,) or (N, K), optional
    class_weight : (K,), one per label, optional
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0
    alpha, beta, mu : floats, default 0.1, 10, 0.2
        Smoothing of r: its floor, slope and centre. A sample without labels has r' = 1 + alpha.
    lam : float > 0, default 2
    kappa : float, default 0.05
        The sign is the paper's formula's. The authors' code adds v to the logits: kappa=-0.05 does that.

    Returns
    -------
    Tensor (array for arrays): scalar, or (N, K) for "none"

    Raises
    ------
    TypeError, ValueError
        As ``binary_cross_entropy``, for a prediction that is not (N, K), for counts that are not (K,), negative, all 0
        or above total, and for other numbers out of range.

    Examples
    --------
    >>> z, t = np.zeros((2, 2)), np.array([[1, 0], [1, 1]])
    >>> mg.losses.distribution_balanced(z, t, counts=[90, 10], total=100, reduction="none").round(3)
    array([[0.824, 0.445],
           [0.277, 0.703]])
    """
    z, t, per_class = binary_entries(prediction, target, class_weight, "distribution_balanced")
    if z.ndim != 2:
        raise ValueError(f"distribution_balanced needs logits of shape (N, K), one column per label, got {z.shape}")
    alpha = number(alpha, "distribution_balanced: alpha", 0)
    beta = number(beta, "distribution_balanced: beta", 0)
    mu = number(mu, "distribution_balanced: mu")
    kappa = number(kappa, "distribution_balanced: kappa")
    lam = positive(lam, "distribution_balanced: lam")
    n = training_counts(counts, z.shape[1], "distribution_balanced: counts")
    total = number(total, "distribution_balanced: total")
    if n.max() > total:
        raise ValueError(
            f"distribution_balanced: total is {total:g}, but a label holds {n.max():g} times: pass the number of "
            "samples in the training set"
        )
    n = np.clip(n, 0.5, total - 0.5)
    weight = alpha + _rebalancing(as_array(t), like_logits(1 / n, z), beta, mu)
    shifted = z - like_logits(kappa * np.log(n / (total - n)), z)
    values = t * softplus(-shifted) + (1 - t) * softplus(lam * shifted) / lam
    return reduce_gathered(weight * values, sample_weight, reduction, class_weight=per_class)


def _rebalancing(t: Any, rarity: Any, beta: float, mu: float) -> Any:
    """sigmoid(beta (r - mu)); 1, the limit, where a sample has no label and r no bound."""
    drawn = (t @ rarity)[:, None]
    unlabelled = drawn == 0
    return np.where(unlabelled, 1, sigmoid(beta * (rarity / np.where(unlabelled, 1, drawn) - mu)))
