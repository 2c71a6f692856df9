"""Where weights meet losses: the only place in the package that multiplies a per-sample loss by a weight.

Every loss computes one value per sample, l_i (multi-label losses one per entry, l_ic), and hands it on with the weights
as the user gave them. Here they are checked, multiplied, and (l, w, reduction) becomes the number that is
differentiated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..device import beside, to_host
from ..graph import primitive, rule
from ..tensor import Tensor, as_array
from ..weighting import check_weights, real_numbers

REDUCTIONS = ("none", "sum", "mean", "weighted_mean")


@primitive
def weighted(values, weights):
    """w_i l_i; a weight of 0 removes a sample even where its loss is not finite."""
    return np.where(weights, values, weights) * weights


@primitive
def weighted_sum(values, weights, divisor):
    """sum w_i l_i / D."""
    return np.where(weights, values, weights).ravel() @ weights.ravel() / divisor


rule(weighted, lambda g, _y, _values, w: g * w, lambda g, _y, values, _w: g * values, selects=True)
rule(
    weighted_sum,
    lambda g, _y, _values, w, d: g / d * w,
    lambda g, _y, values, _w, d: g / d * values,
    lambda g, y, _l, _w, d: -g * y / d,
    selects=True,
)


def reduce(
    values: Any,
    sample_weight: Any = None,
    reduction: str | float = "mean",
    *,
    class_weight: Any = None,
    within: Any = None,
) -> Any:
    """Turn per-sample losses and weights into the loss. With it a loss of your own keeps the contract of all others.

    Parameters
    ----------
    values : Tensor or array, shape (N,) or (N, K)
        Losses l_i. Every entry counts as a sample. Integers and booleans become floats.
    sample_weight : Tensor or array, shape (N,), or (N, K) for such losses, optional
        Receives dL/dw_i where it requires grad.
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0
        With w_i = sample_weight_i * class_weight_i:

        ==================  =======================================
        "none"              w_i l_i, in the shape of the losses
        "sum"               sum w_i l_i
        "mean"              sum w_i l_i / N, and 0 for N = 0
        "weighted_mean"     sum w_i l_i / sum w_i, and 0 where sum w_i = 0
        D                   sum w_i l_i / D
        ==================  =======================================
    class_weight : Tensor or array, (N,) or the losses' shape, optional
        The weight of each sample's class, gathered already: class_weight[y].
    within : Tensor or array, (N,) or the losses' shape, optional
        Weights that `values` contain already; "weighted_mean" divides by them too.

    Returns
    -------
    Tensor (array for arrays): scalar, or the losses' shape for "none"

    Raises
    ------
    ValueError
        If `reduction` is none of these, or the weights have another shape, are negative or not finite.
    TypeError
        If the losses or the weights are not real numbers.

    Notes
    -----
    An L2 term that is added to the loss does not scale with the weights.

    Examples
    --------
    >>> mg.losses.reduce(mg.tensor([1.0, 2.0]), [3.0, 1.0], "weighted_mean")
    tensor(1.25)
    """
    raw = real_numbers(values, "the losses")
    values = values if isinstance(values, Tensor) else raw
    if raw.dtype.kind != "f":
        values = values.astype(np.result_type(raw.dtype, np.float32))
    return reduce_gathered(
        values,
        sample_weight,
        reduction,
        class_weight=sample_weights(class_weight, values, "class_weight"),
        within=sample_weights(within, values, "within"),
    )


def reduce_gathered(
    values: Any, sample_weight: Any, reduction: str | float, *, class_weight: Any = None, within: Any = None
) -> Any:
    """As ``reduce``, of losses that are floats and class weights that ``gathered`` has checked."""
    weights = product(sample_weights(sample_weight, values), class_weight)
    if isinstance(reduction, str) and reduction == "none":
        return values if weights is None else weighted(values, weights)
    divisor = _divisor(reduction, values.size, product(weights, within))
    return weighted_sum(values, np.ones_like(values) if weights is None else weights, divisor)


def product(a: Any, b: Any) -> Any:
    """a * b; None is 1."""
    if a is None or b is None:
        return b if a is None else a
    return a * b


def _divisor(reduction: Any, n: int, weights: Any) -> Any:
    if isinstance(reduction, str):
        if reduction == "sum":
            return 1
        if reduction == "mean" or (reduction == "weighted_mean" and weights is None):
            return max(n, 1)
        if reduction == "weighted_mean":
            total = np.add.reduce(weights, axis=None)
            return np.where(total == 0, np.inf, total)  # all weighted away: 0, and no gradient, to the weights neither
    elif isinstance(reduction, (int, float, np.number)) and not isinstance(reduction, bool) and 0 < reduction < np.inf:
        return float(reduction)  # a np.float64 would turn float32 into float64
    hint = ": pass reduction=D.item()" if isinstance(reduction, Tensor) else ""
    raise ValueError(
        f"unknown reduction {reduction!r}: expected one of {', '.join(REDUCTIONS)}, or a number D > 0{hint}"
    )


# --- Weights as the user gives them


def sample_weights(sample_weight: Any, values: Any, name: str = "sample_weight") -> Any:
    """Weights checked, where the losses are and in their shape: given as (N,), or as (N,) or (N, K) for (N, K)."""
    if sample_weight is None:
        return None
    shape = values.shape
    weights = check_weights(sample_weight, name, values.dtype)
    if weights.shape != shape and weights.shape != shape[:1]:
        wanted = " or ".join(str(s) for s in dict.fromkeys((shape[:1], shape)))
        raise ValueError(
            f"{name} has shape {weights.shape}, expected {wanted}: one weight per sample. "
            + _likely_mistake(weights.shape, shape, name)
        )
    weights = beside(in_dtype(weights, values.dtype), as_array(values))
    return weights if weights.ndim == len(shape) else np.broadcast_to(weights[:, None], shape)


def _likely_mistake(found: tuple[int, ...], shape: tuple[int, ...], name: str) -> str:
    if found == (*shape[:1], 1):
        return "A column (N, 1) would broadcast to N x N: pass w.ravel()."
    if found == ():
        return "A single number scales the whole loss: multiply the loss by it."
    if name == "class_weight":
        return "reduce takes the weight of each sample's class: pass class_weight[y]."
    return "Weights per class are passed as class_weight; weights per feature are not weights of samples."


def class_weights(class_weight: Any, labels: Any, k: int, dtype: Any, keys: Sequence[int] | None = None) -> Any:
    """`class_weight`, (K,) or a dict, as a checked array or Tensor of shape (K,).

    A dict must have an entry for each of the `labels` that occur (integers, or a mask over the classes), for all K
    where `labels` is None. Its keys are `keys`, by default 0..K-1.
    """
    if isinstance(class_weight, str):
        raise TypeError(
            f"class_weight is the string {class_weight!r}, expected {k} numbers: "
            "compute them from the training labels, e.g. mg.weighting.balanced(y)"
        )
    if isinstance(class_weight, dict):
        class_weight = _from_dict(class_weight, labels, range(k) if keys is None else keys)
    weights = check_weights(class_weight, "class_weight", dtype)
    if weights.shape != (k,):
        raise ValueError(
            f"class_weight has shape {weights.shape}, expected ({k},): one weight for each of the {k} classes"
        )
    return in_dtype(weights, dtype)


def gathered(class_weight: Any, labels: Any, k: int, dtype: Any, keys: Sequence[int] | None = None) -> Any:
    """class_weight[y_i], shape (N,); None where there is no class_weight."""
    return None if class_weight is None else beside(class_weights(class_weight, labels, k, dtype, keys), labels)[labels]


def per_label(class_weight: Any, z: Any) -> Any:
    """A multi-label loss's class_weight, (K,), for its entries (N, K); None where there is none."""
    if class_weight is None:
        return None
    return np.broadcast_to(beside(class_weights(class_weight, None, z.shape[1], z.dtype), as_array(z)), z.shape)


def _from_dict(given: dict, labels: Any, keys: Sequence[int]) -> np.ndarray:
    unknown = [key for key in given if key not in keys]
    if unknown:
        raise ValueError(f"class_weight has keys {unknown}, but the classes are {_listed(keys)}")
    occurs = np.zeros(len(keys), bool)
    occurs[... if labels is None else to_host(labels)] = True
    missing = [key for key, needed in zip(keys, occurs, strict=True) if needed and key not in given]
    if missing:
        raise ValueError(f"class_weight has no entry for class {_listed(missing)}: give every class a weight")
    return np.array([given.get(key, 0) for key in keys], float)


def _listed(keys: Sequence[int]) -> str:
    return f"{keys[0]}..{keys[-1]}" if isinstance(keys, range) and len(keys) > 2 else ", ".join(map(str, keys))


def in_dtype(weights: Any, dtype: Any) -> Any:
    """The weights in the dtype of the losses, so that a float64 weight does not turn a float32 loss into float64."""
    return weights if weights.dtype == dtype else weights.astype(dtype)
