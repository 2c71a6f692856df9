"""Losses that know what each mistake costs.

A cost matrix is C[truth, prediction]: rows are the truth, columns the prediction. Costs are part of l_i, not weights:
"weighted_mean" does not divide by them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..decisions import check_named_costs
from ..nn.functional import log_softmax, logsumexp, sigmoid, softmax
from ..tensor import as_array
from . import checks
from .basic import softmax_cross_entropy
from .options import like_logits, number
from .reduction import gathered, reduce_gathered


def _not_negative(cost_matrix: Any, name: str) -> None:
    """Looks at the costs where they were given: on the host that waits for nothing."""
    raw = as_array(cost_matrix)
    if raw.min() < 0:
        raise ValueError(f"{name}: costs must not be negative, found {raw.min():g}: that would reward a mistake")


def _expected(z: Any, costs: Any) -> Any:
    """sum_j p_j C[y, j], shape (N,)."""
    # Relative to the likeliest class: its own p, which rounds to 1, then plays no part, and the gradient keeps its
    # digits where all other p are tiny.
    nearest = np.take_along_axis(costs, np.argmax(z, axis=1)[:, None], axis=1)
    return nearest[:, 0] + np.sum(softmax(z) * (costs - nearest), axis=1)


def expected_cost(
    prediction: Any,
    target: Any,
    *,
    cost_matrix: Any,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
) -> Any:
    """Expected cost of a prediction drawn from p = softmax(z): l_i = c = sum_j p_j C[y, j], dl/dz = p * (C_y - c).

    Bounded by the dearest mistake, and blind where the model is sure of one: the gradient vanishes with p_y, so start
    from a model trained with cross-entropy, or use ``cost_penalty``.

    Parameters
    ----------
    prediction : Tensor or array, shape (N, K)
        Logits, not probabilities.
    target : integers (N,) in 0..K-1, or the same one-hot, (N, K)
    cost_matrix : (K, K)
        C[truth, prediction], row = truth, column = prediction. A number added to a row changes no gradient. A Tensor
        that requires grad receives dL/dC.
    sample_weight : (N,), optional
    class_weight : (K,) or dict keyed by label, optional
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0
        See ``mg.losses.reduce``.

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"
        In the unit of the costs.

    Raises
    ------
    TypeError, ValueError
        For labels that are floats or out of range, shapes that do not fit, weights that are negative or not finite, a
        cost matrix that is not (K, K) or has NaN or infinity.

    Notes
    -----
    The "bilinear loss" of Resheff, Mandelbaum & Weinshall 2017 ("Every Untrue Label is Untrue in its Own Way").

    Examples
    --------
    >>> C = [[0, 1], [10, 0]]  # missing class 1 costs 10
    >>> z = mg.tensor([[0.0, 0.0], [0.0, 0.0]], requires_grad=True)
    >>> loss = mg.losses.expected_cost(z, [0, 1], cost_matrix=C, reduction="sum")
    >>> loss.backward()
    >>> loss.item(), z.grad.tolist()
    (5.5, [[-0.25, 0.25], [2.5, -2.5]])
    """
    z, y, costs = checks.with_costs(prediction, target, cost_matrix, "expected_cost")
    per_class = gathered(class_weight, y, z.shape[1], z.dtype)
    return reduce_gathered(_expected(z, costs[y]), sample_weight, reduction, class_weight=per_class)


def cost_penalty(
    prediction: Any,
    target: Any,
    *,
    cost_matrix: Any,
    lam: float,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
) -> Any:
    """Cross-entropy plus expected cost: l_i = -log p_y + lam c, dl/dz = (p - e_y) + lam p * (C_y - c).

    The cost must depend on the logits to matter: a cost C[y, argmax z], added as a number, has the gradient zero.

    Parameters
    ----------
    prediction, target, cost_matrix, sample_weight, class_weight, reduction : as for ``expected_cost``
    lam : float >= 0
        What one unit of cost is worth in nats of cross-entropy. 0 is ``cross_entropy``.

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        As ``expected_cost``, and for a `lam` that is negative or not finite.

    Notes
    -----
    Cross-entropy keeps the gradient alive where that of the cost c = sum_j p_j C[y, j] vanishes (Resheff et al. 2017).

    Examples
    --------
    >>> z = mg.tensor([[0.0, 0.0]], requires_grad=True)
    >>> mg.losses.cost_penalty(z, [1], cost_matrix=[[0, 1], [10, 0]], lam=0.2).backward()
    >>> z.grad.tolist()  # (p - e_y) + 0.2 * [2.5, -2.5]
    [[1.0, -1.0]]
    """
    lam = number(lam, "cost_penalty: lam", 0)
    z, y, costs = checks.with_costs(prediction, target, cost_matrix, "cost_penalty")
    per_class = gathered(class_weight, y, z.shape[1], z.dtype)
    values = softmax_cross_entropy(z, y) + lam * _expected(z, costs[y])
    return reduce_gathered(values, sample_weight, reduction, class_weight=per_class)


def cost_weighted_cross_entropy(
    prediction: Any,
    target: Any,
    *,
    cost_matrix: Any,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
) -> Any:
    """Cross-entropy times what mistaking the class may cost: l_i = -w_y log p_y, w_y = sum_j C[y, j].

    dl/dz = w_y (p - e_y).

    Parameters
    ----------
    prediction, target, sample_weight, class_weight, reduction : as for ``expected_cost``
    cost_matrix : (K, K)
        C[truth, prediction]; no row may sum to less than 0.

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        As ``expected_cost``, and for a row of costs whose sum is negative.

    Notes
    -----
    The same as ``cross_entropy(..., class_weight=mg.weighting.from_costs(C))``, but for "weighted_mean", which divides
    by class weights and not by costs. Weighting by class from costs: Elkan 2001 (IJCAI), theorem 1, for K = 2.

    Examples
    --------
    >>> z = mg.tensor([[0.0, 0.0]], requires_grad=True)
    >>> mg.losses.cost_weighted_cross_entropy(z, [1], cost_matrix=[[0, 1], [10, 0]]).backward()
    >>> z.grad.tolist()
    [[5.0, -5.0]]
    """
    z, y, costs = checks.with_costs(prediction, target, cost_matrix, "cost_weighted_cross_entropy")
    per_truth = np.sum(costs, axis=1)
    _not_negative(np.sum(as_array(cost_matrix), axis=1), "cost_weighted_cross_entropy, summed over a row")
    per_class = gathered(class_weight, y, z.shape[1], z.dtype)
    return reduce_gathered(per_truth[y] * softmax_cross_entropy(z, y), sample_weight, reduction, class_weight=per_class)


def _log_one_minus_softmax(z: Any) -> Any:
    """log(1 - p), shape (N, K); never log(0)."""
    log_p = log_softmax(z)
    most = log_p > math.log(0.5)  # at most one class, for which 1 - p would lose its digits: sum the others instead
    others = logsumexp(np.where(most, -np.inf, log_p), keepdims=True)
    return np.where(most, others, np.log1p(-np.exp(np.where(most, -np.inf, log_p))))


def log_cost(
    prediction: Any,
    target: Any,
    *,
    cost_matrix: Any,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
) -> Any:
    """Each wrong class pushed down by its cost: l_i = -sum_j C[y, j] log(1 - p_j).

    dl/dz = sum_j C[y, j] p_j (e_j - q_j), where q_j is the softmax over the classes other than j. It does not vanish
    where the model is sure of a mistake.

    Parameters
    ----------
    prediction, target, sample_weight, class_weight, reduction : as for ``expected_cost``
    cost_matrix : (K, K)
        C[truth, prediction], not negative. A cost on the diagonal pushes the label down as well.

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        As ``expected_cost``, and for negative costs.

    Notes
    -----
    The "log-bilinear loss" of Resheff, Mandelbaum & Weinshall 2017 ("Every Untrue Label is Untrue in its Own Way").
    log(1 - p_j) is taken as the logsumexp of the other classes where p_j > 1/2.

    Examples
    --------
    >>> z = mg.tensor([[100.0, 0.0]], requires_grad=True)
    >>> loss = mg.losses.log_cost(z, [1], cost_matrix=[[0, 1], [10, 0]])
    >>> loss.backward()
    >>> loss.item(), z.grad.tolist()
    (1000.0, [[10.0, -10.0]])
    """
    z, y, costs = checks.with_costs(prediction, target, cost_matrix, "log_cost")
    _not_negative(cost_matrix, "log_cost")
    per_class = gathered(class_weight, y, z.shape[1], z.dtype)
    costs, log_rest = costs[y], _log_one_minus_softmax(z)
    free = (costs == 0) & (log_rest == -np.inf)  # with all other logits -inf, being right would cost 0 * inf
    values = -np.sum(costs * np.where(free, 0, log_rest), axis=1)
    return reduce_gathered(values, sample_weight, reduction, class_weight=per_class)


def softmax_margin(
    prediction: Any,
    target: Any,
    *,
    cost_matrix: Any,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
) -> Any:
    """Cross-entropy against logits raised by their costs: l_i = logsumexp(z + C_y) - z_y.

    dl/dz = softmax(z + C_y) - e_y: a dear mistake must be left behind by a margin as wide as its cost.

    Parameters
    ----------
    prediction, target, cost_matrix, sample_weight, class_weight, reduction : as for ``expected_cost``
        Costs are added to logits here, so their scale matters more than elsewhere: in nats, not in euros.

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        As ``expected_cost``.

    Notes
    -----
    Gimpel & Smith 2010 (NAACL), "Softmax-Margin CRFs". The soft form of ``multiclass_hinge``, and an upper bound of it.

    Examples
    --------
    >>> z = mg.tensor([[1.0, 1.0]], requires_grad=True)
    >>> mg.losses.softmax_margin(z, [0], cost_matrix=[[0, 2], [1, 0]]).backward()
    >>> np.round(z.grad.data, 3)
    array([[-0.881,  0.881]], dtype=float32)
    """
    z, y, costs = checks.with_costs(prediction, target, cost_matrix, "softmax_margin")
    per_class = gathered(class_weight, y, z.shape[1], z.dtype)
    values = softmax_cross_entropy(z + costs[y], y) + costs[y, y]
    return reduce_gathered(values, sample_weight, reduction, class_weight=per_class)


def example_cost(
    prediction: Any,
    target: Any,
    *,
    cost_fp: Any,
    cost_fn: Any,
    cost_tp: Any = 0.0,
    cost_tn: Any = 0.0,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
) -> Any:
    """Expected cost where it differs from sample to sample (a loan's amount), for two classes.

    With p = sigmoid(z): l_i = t (p tp_i + (1 - p) fn_i) + (1 - t) (p fp_i + (1 - p) tn_i),
    dl/dz = p (1 - p) (tp_i - fn_i) for t = 1, p (1 - p) (fp_i - tn_i) for t = 0.

    Parameters
    ----------
    prediction : Tensor or array, shape (N,)
        Logits.
    target : shape (N,), 0 or 1
        -1 and +1 are taken for 0 and 1.
    cost_fp, cost_fn : numbers or (N,)
        What a false alarm and a miss of this sample would cost. An array (N,) holds a cost for every sample, of
        which only those of the right truth count.
    cost_tp, cost_tn : numbers or (N,), default 0
        What being right costs.
    sample_weight : (N,), optional
    class_weight : (2,), or dict keyed by 0 and 1 or by -1 and 1, optional
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"
        In the unit of the costs.

    Raises
    ------
    TypeError, ValueError
        For other targets, shapes that do not fit, costs that are not finite, weights that are negative or not finite.

    Notes
    -----
    Correa Bahnsen, Aouada & Ottersten 2014 (ICMLA), "Example-Dependent Cost-Sensitive Logistic Regression". As
    ``expected_cost``, its gradient vanishes where the model is sure.

    Examples
    --------
    >>> z = mg.tensor([0.0, 0.0], requires_grad=True)
    >>> loss = mg.losses.example_cost(z, [1, 0], cost_fp=1.0, cost_fn=[8.0, 2.0], reduction="none")
    >>> loss.tolist()
    [4.0, 0.5]
    """
    z, positive, keys = checks.signs(prediction, target, class_weight, "example_cost")
    given = check_named_costs(len(z), cost_tp=cost_tp, cost_fp=cost_fp, cost_fn=cost_fn, cost_tn=cost_tn)
    tp, fp, fn, tn = (like_logits(cost, z) for cost in given)
    if_one, if_zero = np.where(positive, tp, fp), np.where(positive, fn, tn)
    # Relative to the likelier answer: sigmoid of the unlikely one keeps its digits, where the other rounds to 1.
    one = z > 0
    nearest, other = np.where(one, if_one, if_zero), np.where(one, if_zero, if_one)
    values = nearest + (other - nearest) * sigmoid(np.where(one, -z, z))
    per_class = gathered(class_weight, positive, 2, z.dtype, keys)
    return reduce_gathered(values, sample_weight, reduction, class_weight=per_class)
