"""A loss that bounds what a mislabelled sample can do."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import primitive, rule
from . import checks
from .basic import softmax_cross_entropy
from .options import number
from .reduction import gathered, reduce_gathered


@primitive
def saturating(x, q):
    """(1 - exp(-q x)) / q, which is x for q = 0 and never exceeds 1 / q."""
    return x if q == 0 else -np.expm1(-q * x) / q


rule(saturating, lambda g, _y, x, q: g * np.exp(-q * x))


def generalized_cross_entropy(
    prediction: Any,
    target: Any,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
    q: float = 0.7,
) -> Any:
    """Generalised cross-entropy: l_i = (1 - p_y**q) / q (Zhang & Sabuncu 2018, equation 6).

    dl/dz = p_y**q (p - e_y): a sample that the model takes for impossible, perhaps because its label is wrong, counts
    little. So does a rare class that has not been learnt yet: start from cross-entropy.

    Parameters
    ----------
    prediction : Tensor or array, shape (N, K)
        Logits.
    target : integers (N,) in 0..K-1, or the same one-hot, (N, K)
    sample_weight : (N,), optional
    class_weight : (K,) or dict keyed by label, optional
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0
    q : float in [0, 1], default 0.7
        0 is cross-entropy, 1 half of the absolute error abs(p - e_y).

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        As ``cross_entropy``, and for a q out of range.

    Examples
    --------
    >>> z = mg.tensor([[0.0, 5.0], [0.0, 0.0]], requires_grad=True)
    >>> mg.losses.generalized_cross_entropy(z, [0, 0], reduction="sum").backward()
    >>> np.round(z.grad.data, 3)  # p_y = 0.007 and 0.5
    array([[-0.03 ,  0.03 ],
           [-0.308,  0.308]], dtype=float32)
    """
    z, labels = checks.multiclass(prediction, target, "generalized_cross_entropy")
    values = saturating(softmax_cross_entropy(z, labels), number(q, "generalized_cross_entropy: q", 0, 1))
    per_class = gathered(class_weight, labels, z.shape[1], z.dtype)
    return reduce_gathered(values, sample_weight, reduction, class_weight=per_class)
