"""Hinge losses for K classes, whose margins or slopes are costs: Crammer & Singer, Weston & Watkins."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import as_array
from . import checks
from .options import like_logits
from .reduction import gathered, reduce_gathered


def multiclass_hinge(
    prediction: Any,
    target: Any,
    *,
    cost_matrix: Any = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
) -> Any:
    """Multi-class hinge loss: l_i = max_j(z_j + C[y, j]) - z_y (Crammer & Singer 2001).

    dl/dz = e_j* - e_y, j* being where the maximum is (shared where several tie). C[y, j] is the margin by which the
    truth y must beat j (Tsochantaridis et al. 2005, margin re-scaling): a dear mistake is kept farther away, but
    pushed away no harder than any other.

    Parameters
    ----------
    prediction : Tensor or array, shape (N, K)
        Scores.
    target : integers (N,) in 0..K-1, or the same one-hot, (N, K)
    cost_matrix : (K, K), optional
        C[truth, prediction], row = truth, column = prediction. Default: 1 off the diagonal, 0 on it.
    sample_weight : (N,), optional
    class_weight : (K,) or dict keyed by label, optional
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        As ``cross_entropy``, and for a cost matrix that is not (K, K) or not finite.

    Examples
    --------
    >>> z = np.array([[2.0, 1.5, 0.0]])
    >>> mg.losses.multiclass_hinge(z, [0], reduction="none")
    array([0.5])
    >>> mg.losses.multiclass_hinge(z, [0], cost_matrix=[[0, 1, 5], [1, 0, 1], [1, 1, 0]], reduction="none")
    array([3.])
    """
    z, labels, costs = _with_costs(prediction, target, cost_matrix, "multiclass_hinge")
    values = np.max(z + costs[labels], axis=1) - z[np.arange(len(labels), like=labels), labels]
    return reduce_gathered(
        values, sample_weight, reduction, class_weight=gathered(class_weight, labels, len(costs), z.dtype)
    )


def weston_watkins(
    prediction: Any,
    target: Any,
    *,
    cost_matrix: Any = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
) -> Any:
    """Sum of hinges: l_i = sum over j != y of C[y, j] max(0, 1 + z_j - z_y) (Weston & Watkins 1999).

    dl/dz_j = C[y, j] where class j comes closer to the truth than 1, and dl/dz_y is minus their sum. Here a cost is a
    slope, not a margin as in ``multiclass_hinge``: a dear mistake is pushed away harder, not farther.

    Parameters
    ----------
    prediction, target, sample_weight, class_weight, reduction : as for ``multiclass_hinge``
    cost_matrix : (K, K), optional
        C[truth, prediction], row = truth, column = prediction, not negative off the diagonal; the diagonal is not
        used. Default: ones. (PyTorch's ``multi_margin_loss`` is this over K.)

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        As ``multiclass_hinge``, and for a negative cost.

    Examples
    --------
    >>> z = np.array([[2.0, 1.5, 1.75]])
    >>> mg.losses.weston_watkins(z, [0], reduction="none")
    array([1.25])
    >>> mg.losses.weston_watkins(z, [0], cost_matrix=[[0, 1, 4], [1, 0, 1], [1, 1, 0]], reduction="none")
    array([3.5])
    """
    z, labels, costs = _with_costs(prediction, target, cost_matrix, "weston_watkins")
    others = 1 - np.diag(np.ones_like(costs, z.dtype, shape=costs.shape[:1]))
    slopes = (costs * others)[labels]
    if cost_matrix is not None and labels.size and as_array(slopes).min() < 0:
        raise ValueError("weston_watkins: a negative cost would reward the mistake without bound; subtract the least")
    own = z[np.arange(len(labels), like=labels), labels]
    values = np.sum(slopes * np.maximum(1 + z - own[:, None], 0), axis=1)
    return reduce_gathered(
        values, sample_weight, reduction, class_weight=gathered(class_weight, labels, len(costs), z.dtype)
    )


def _with_costs(prediction: Any, target: Any, cost_matrix: Any, name: str) -> tuple[Any, Any, Any]:
    """As ``checks.with_costs``; without costs, 1 off the diagonal."""
    if cost_matrix is not None:
        return checks.with_costs(prediction, target, cost_matrix, name)
    z, labels = checks.multiclass(prediction, target, name)
    return z, labels, like_logits(1 - np.eye(z.shape[1]), z)
