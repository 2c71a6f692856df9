"""Cross-entropy of logits that are scaled and shifted per class while training: LDAM, logit adjustment, CDT, VS.

One family: CE(z * a + b). At test time the plain logits decide, so what the rare classes were denied in training they
have learnt to make up for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import checks
from .basic import softmax_cross_entropy
from .options import like_logits, number, positive, training_counts
from .reduction import gathered, reduce_gathered


def ldam(
    prediction: Any,
    target: Any,
    *,
    counts: Any,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
    max_margin: float = 0.5,
    scale: float = 30.0,
) -> Any:
    """Label-distribution-aware margin (Cao et al. 2019, section 3): l_i = CE(s (z - Delta_y e_y)).

    Delta_c is proportional to n_c**(-1/4). dl/dz = s (q - e_y), q = softmax(s (z - Delta_y e_y)).

    Parameters
    ----------
    prediction : Tensor or array, shape (N, K)
        Meant for cosines: features and class vectors of length 1, so that z lies in [-1, 1] and a margin of 0.5 is
        a length. For other logits pass scale=1.
    target : integers (N,) in 0..K-1, or the same one-hot, (N, K)
    counts : (K,)
        Samples per class in the training set; only their ratios matter. A class that never occurs gets the margin of
        the rarest.
    sample_weight : (N,), optional
    class_weight : (K,) or dict keyed by label, optional
        The paper's deferred re-weighting: none at first, ``mg.weighting.effective_number`` for the last epochs.
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0
    max_margin : float >= 0, default 0.5
        Margin of the rarest class.
    scale : s > 0, default 30

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        As ``cross_entropy``, for counts that are not (K,), negative or all 0, and for a margin or scale out of range.

    Examples
    --------
    >>> cosine = np.array([[0.5, 0.5], [0.5, 0.5]])
    >>> mg.losses.ldam(cosine, [0, 1], counts=[1600, 100], reduction="none").round(3)  # margins 0.25 and 0.5
    array([ 7.501, 15.   ])
    """
    z, labels = checks.multiclass(prediction, target, "ldam")
    n = training_counts(counts, z.shape[1], "ldam: counts")
    max_margin, scale = number(max_margin, "ldam: max_margin", 0), positive(scale, "ldam: scale")
    rarest = n[n > 0].min()
    margins = max_margin * (rarest / np.maximum(n, rarest)) ** 0.25
    own = labels[:, None] == np.arange(len(n), like=labels)
    z = scale * (z - own * like_logits(margins, z))
    return _cross_entropy(z, labels, sample_weight, class_weight, reduction)


def logit_adjusted(
    prediction: Any,
    target: Any,
    *,
    counts: Any = None,
    prior: Any = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
    tau: float = 1.0,
) -> Any:
    """Logit adjustment: l_i = CE(z + tau log pi), pi the class prior (Menon et al. 2021, equation 10).

    dl/dz = q - e_y, q = softmax(z + tau log pi). At tau = 1 it is the balanced softmax of Ren et al. 2020. Predict
    from the plain z afterwards: subtracting tau log pi from them too would adjust twice.

    Parameters
    ----------
    prediction : Tensor or array, shape (N, K)
        Logits.
    target : integers (N,) in 0..K-1, or the same one-hot, (N, K)
    counts, prior : (K,), one of the two
        Samples per class in the training set, or their shares. A class that never occurs is left out of the
        softmax, tau log 0 = -inf, and gets no gradient.
    sample_weight : (N,), optional
    class_weight : (K,) or dict keyed by label, optional
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0
    tau : float >= 0, default 1
        0 is cross-entropy.

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        As ``cross_entropy``, for a prior that is not (K,), negative or all 0, for both or neither of counts and prior,
        and for a label that never occurs according to them.

    Examples
    --------
    >>> z = np.array([[0.0, 0.0], [0.0, 0.0]])
    >>> mg.losses.logit_adjusted(z, [0, 1], counts=[90, 10], reduction="none").round(3)  # -log pi_y
    array([0.105, 2.303])
    """
    if (counts is None) == (prior is None):
        raise ValueError("logit_adjusted needs either counts=, samples per class, or prior=, their shares")
    z, labels = checks.multiclass(prediction, target, "logit_adjusted")
    if counts is None:
        n = training_counts(prior, z.shape[1], "logit_adjusted: prior")
    else:
        n = training_counts(counts, z.shape[1], "logit_adjusted: counts")
    z = z + _log_prior(n, tau, labels, z, "logit_adjusted")
    return _cross_entropy(z, labels, sample_weight, class_weight, reduction)


def cdt(
    prediction: Any,
    target: Any,
    *,
    counts: Any,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
    gamma: float = 0.3,
) -> Any:
    """Class-dependent temperatures: l_i = CE(z / a), a_c = (n_max / n_c)**gamma (Ye et al. 2020, section 5).

    dl/dz = (q - e_y) / a, q = softmax(z / a). It is the logits that are divided. Dividing log-probabilities,
    -log p_y / a_y, as a copied notebook has it, is cross-entropy with the weight 1 / a_y: less for the rare classes.

    Parameters
    ----------
    prediction : Tensor or array, shape (N, K)
        Logits. Adding a constant to a row changes the loss, unlike softmax's other losses.
    target : integers (N,) in 0..K-1, or the same one-hot, (N, K)
    counts : (K,)
        Samples per class in the training set; only their ratios matter. The logit of a class that never occurs
        counts as 0 (a = infinity).
    sample_weight : (N,), optional
    class_weight : (K,) or dict keyed by label, optional
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0
    gamma : float >= 0, default 0.3
        0 is cross-entropy. To be tuned: the more imbalance, the smaller.

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        As ``cross_entropy``, for counts that are not (K,), negative or all 0, and for a gamma out of range.

    Examples
    --------
    >>> z = mg.tensor([[2.0, 0.0], [0.0, 2.0]], requires_grad=True)
    >>> mg.losses.cdt(z, [0, 1], counts=[16, 1], gamma=0.5, reduction="sum").backward()
    >>> np.round(z.grad.data, 3)  # at the same logit the rare class's sample pulls longer
    array([[-0.119,  0.03 ],
           [ 0.378, -0.094]], dtype=float32)
    """
    z, labels = checks.multiclass(prediction, target, "cdt")
    n = training_counts(counts, z.shape[1], "cdt: counts")
    return _cross_entropy(z * _inverse_temperature(n, gamma, z, "cdt"), labels, sample_weight, class_weight, reduction)


def vector_scaling(
    prediction: Any,
    target: Any,
    *,
    counts: Any,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
    gamma: float = 0.3,
    tau: float = 1.0,
) -> Any:
    """VS loss: l_i = w_y CE(z / a + tau log pi), a_c = (n_max / n_c)**gamma, pi = n / sum n (Kini et al. 2021, eq. 2).

    dl/dz = w_y (q - e_y) / a, q = softmax(z / a + tau log pi). ``cdt`` at tau = 0, ``logit_adjusted`` at gamma = 0.
    The factors govern the end of training, on separable data; the offsets its beginning.

    Parameters
    ----------
    prediction, target, counts, sample_weight, reduction : as for ``cdt``
        A class that never occurs is left out of the softmax where tau > 0, as in ``logit_adjusted``.
    class_weight : (K,) or dict keyed by label, optional
        The w of the formula.
    gamma : float >= 0, default 0.3
    tau : float >= 0, default 1

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        As ``cdt`` and ``logit_adjusted``.

    Examples
    --------
    >>> z = np.array([[0.0, 0.0], [0.0, 4.0]])
    >>> mg.losses.vector_scaling(z, [1, 1], counts=[16, 1], gamma=0.5, reduction="none").round(3)
    array([2.833, 1.93 ])
    """
    z, labels = checks.multiclass(prediction, target, "vector_scaling")
    n = training_counts(counts, z.shape[1], "vector_scaling: counts")
    offset = _log_prior(n, tau, labels, z, "vector_scaling")
    z = z * _inverse_temperature(n, gamma, z, "vector_scaling") + offset
    return _cross_entropy(z, labels, sample_weight, class_weight, reduction)


def _cross_entropy(z: Any, labels: Any, sample_weight: Any, class_weight: Any, reduction: str | float) -> Any:
    per_class = gathered(class_weight, labels, z.shape[1], z.dtype)
    return reduce_gathered(softmax_cross_entropy(z, labels), sample_weight, reduction, class_weight=per_class)


def _inverse_temperature(n: np.ndarray, gamma: float, z: Any, name: str) -> Any:
    """1 / a_c, which is 0 for a class that never occurs."""
    return like_logits((n / n.max()) ** number(gamma, f"{name}: gamma", 0), z)


def _log_prior(n: np.ndarray, tau: float, labels: Any, z: Any, name: str) -> Any:
    """tau log pi, which is -inf for a class that never occurs."""
    tau = number(tau, f"{name}: tau", 0)
    if tau == 0:
        return like_logits(np.zeros_like(n), z)
    # Looking at the labels waits for a GPU.
    wrong: Any = [] if n.all() else np.flatnonzero(like_logits(n, z)[labels] == 0)
    if len(wrong):
        raise ValueError(
            f"{name}: sample {int(wrong[0])} has label {int(labels[wrong[0]])}, which never occurs according to "
            "counts or prior: its loss would be infinite. Count the classes of the whole training set"
        )
    with np.errstate(divide="ignore"):
        return like_logits(tau * np.log(n / n.sum()), z)
