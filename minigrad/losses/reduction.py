"""Where weights meet losses: the only place in the package that multiplies a per-sample loss by a weight.

Every loss computes one value per sample, l_i (multi-label losses one per entry, l_ic). Here the weights w_i are gathered
and checked, and (l, w, reduction) becomes the number that is differentiated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import primitive, rule
from ..tensor import Tensor, as_array

REDUCTIONS = ("none", "sum", "mean", "weighted_mean")


@primitive
def weighted(values, weights):
    """w * l; a weight of 0 removes a sample even where its loss is not finite."""
    return np.where(weights == 0, 0, weights * values)


rule(weighted, lambda g, _y, _l, w: g * w, lambda g, _y, l, _w: g * l)


def reduce(values: Any, weights: Any = None, reduction: str | float = "mean", within: Any = None) -> Any:
    """Turn per-sample losses and weights into the loss.

    Parameters
    ----------
    values : Tensor or array, shape (N,) or (N, K)
        Losses l_i. Every entry counts as a sample.
    weights : Tensor or array of the same shape, optional
        w_i; receives dL/dw_i where it requires grad.
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0
        ==================  ======================
        "none"              w_i l_i
        "sum"               sum w_i l_i
        "mean"              sum w_i l_i / N
        "weighted_mean"     sum w_i l_i / sum w_i, and 0 where sum w_i = 0
        D                   sum w_i l_i / D
        ==================  ======================
    within : Tensor or array, optional
        Weights that `values` contain already; "weighted_mean" divides by them too.

    Raises
    ------
    ValueError
        If `reduction` is none of these.
    """
    if isinstance(reduction, str) and reduction not in REDUCTIONS:
        raise ValueError(f"unknown reduction {reduction!r}: expected one of {', '.join(REDUCTIONS)}, or a number > 0")
    terms = values if weights is None else weighted(values, weights)
    if reduction == "none":
        return terms
    total = np.sum(terms)
    if reduction == "sum":
        return total
    if reduction == "mean":
        return total / max(values.size, 1)
    if reduction == "weighted_mean":
        return _over_sum_of_weights(total, values, _product(weights, within))
    if isinstance(reduction, bool) or not (np.ndim(reduction) == 0 and 0 < reduction < np.inf):
        raise ValueError(f"a reduction given as a number must be positive and finite, got {reduction!r}")
    return total / reduction


def _product(weights: Any, within: Any) -> Any:
    if weights is None or within is None:
        return within if weights is None else weights
    return weights * within


def _over_sum_of_weights(total: Any, values: Any, weights: Any) -> Any:
    if weights is None:
        return total / max(values.size, 1)
    denominator = np.sum(weights)
    if denominator == 0:  # wholly weighted away: nothing to learn, from the weights neither
        return total * 0
    return total / denominator


def check_weights(weights: Any, name: str) -> Any:
    """The weights as a Tensor or array; refuses what is negative or not finite."""
    if not isinstance(weights, Tensor):
        weights = as_array(weights)
    raw = weights.data if isinstance(weights, Tensor) else weights
    if raw.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be real numbers, got {raw.dtype}")
    if raw.size and not (raw.min() >= 0 and raw.max() < np.inf):
        bad = np.flatnonzero(~((raw >= 0) & (raw < np.inf)))
        raise ValueError(
            f"{name} must be finite and not negative, but entry {int(bad[0])} is {raw.ravel()[bad[0]]} "
            f"({len(bad)} such of {raw.size})"
        )
    return weights


def sample_weights(sample_weight: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """`sample_weight` checked and in the shape of the per-sample losses: (N,), or (N,) and (N, K) for (N, K)."""
    if sample_weight is None:
        return None
    weights = check_weights(sample_weight, "sample_weight")
    allowed = {shape, shape[:1]}
    if weights.shape not in allowed:
        wanted = " or ".join(str(s) for s in sorted(allowed, key=len))
        raise ValueError(
            f"sample_weight has shape {weights.shape}, expected {wanted}: one weight per sample. "
            + _likely_mistake(weights.shape, shape)
        )
    weights = in_dtype(weights, dtype)
    return weights if weights.ndim == len(shape) else np.broadcast_to(weights[:, None], shape)


def _likely_mistake(found: tuple[int, ...], shape: tuple[int, ...]) -> str:
    if found == (*shape[:1], 1):
        return "A column (N, 1) would broadcast to N x N: pass w.ravel()."
    if found == ():
        return "A single number scales the whole loss: multiply the loss by it."
    return "Weights per class are passed as class_weight=."


def class_weights(class_weight: Any, labels: Any, k: int, dtype: Any) -> Any:
    """`class_weight`, an array (K,) or a dict keyed by label, as a checked array or Tensor of shape (K,)."""
    if isinstance(class_weight, dict):
        class_weight = _from_dict(class_weight, labels, k)
    weights = check_weights(class_weight, "class_weight")
    if weights.shape != (k,):
        raise ValueError(
            f"class_weight has shape {weights.shape}, expected ({k},): one weight for each of the {k} classes"
        )
    return in_dtype(weights, dtype)


def _from_dict(given: dict, labels: Any, k: int) -> np.ndarray:
    unknown = [key for key in given if not (isinstance(key, (int, np.integer)) and 0 <= key < k)]
    if unknown:
        raise ValueError(f"class_weight has keys {unknown}, but the classes are 0..{k - 1}")
    missing = sorted({int(label) for label in np.unique(labels)} - {int(key) for key in given})
    if missing:
        raise ValueError(f"class_weight has no entry for class {missing}, which occurs in the targets")
    weights = np.zeros(k)
    for key, value in given.items():
        weights[int(key)] = value
    return weights


def in_dtype(array: Any, dtype: Any) -> Any:
    """The weights in the dtype of the losses, so that a float64 weight does not turn a float32 loss into float64."""
    return array if array.dtype == dtype else array.astype(dtype)
