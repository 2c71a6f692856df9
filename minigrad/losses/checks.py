"""What losses ask of their predictions and targets, in words: each function takes a pair and returns it checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import device as devices
from ..tensor import Tensor, as_array
from ..weighting import check_cost_matrix, real_numbers
from .options import like_logits


def multiclass(prediction: Any, target: Any, name: str) -> tuple[Any, Any]:
    """Logits (N, K) and integer labels (N,) in 0..K-1, which may be given one-hot, (N, K)."""
    z = _logits(prediction, name)
    t = as_array(target)
    return z, _labels(_from_one_hot(target, name) if t.ndim == 2 and t.shape == z.shape else t, z, name)


def _from_one_hot(target: Any, name: str) -> Any:
    """The labels of rows with a single 1 and 0 elsewhere."""
    if isinstance(target, Tensor) and target.requires_grad:
        raise TypeError(f"{name}: the target requires grad, but labels have none: pass target.detach()")
    t = as_array(target)
    labels = t.argmax(axis=1)
    off = np.flatnonzero((t != (labels[:, None] == np.arange(t.shape[1], like=labels))).any(axis=1))
    if not len(off):
        return labels
    if t.shape[1] == 1:
        return t  # a column of labels, which is refused with the better hint
    raise ValueError(
        f"{name}: a target of shape {t.shape} must be one-hot, but row {int(off[0])} is {t[off[0]].tolist()}: pass "
        "labels (N,); cross_entropy takes probabilities"
    )


def with_costs(prediction: Any, target: Any, cost_matrix: Any, name: str) -> tuple[Any, Any, Any]:
    """Logits (N, K), labels (N,), and the cost matrix (K, K) as the logits are."""
    z, labels = multiclass(prediction, target, name)
    return z, labels, like_logits(check_cost_matrix(cost_matrix, z.shape[1]), z)


def multiclass_or_soft(prediction: Any, target: Any, name: str) -> tuple[Any, Any]:
    """Logits (N, K) and either integer labels (N,), or probabilities (N, K): a Tensor if they may get a gradient."""
    z = _logits(prediction, name)
    t = as_array(target)
    if t.ndim != 2 or t.shape == (z.shape[0], 1) != z.shape:
        return z, _labels(t, z, name)
    t = _like_prediction(target, z, name)
    raw = real_numbers(target, name)  # where it is: what is on the host is checked there
    if raw.size and not (raw.min() >= 0 and np.abs(raw.sum(axis=1) - 1).max() < 1e-3):
        raise ValueError(
            f"{name}: a target of shape (N, K) holds probabilities: not negative, each row summing to 1; "
            f"row sums found: {raw.sum(axis=1).min():g}..{raw.sum(axis=1).max():g}, least entry {raw.min():g}"
        )
    return z, t


def binary(prediction: Any, target: Any, name: str) -> tuple[Any, Any]:
    """Logits (N,) or (N, K), and targets in [0, 1] of the same shape."""
    z = _floats(prediction, name)
    if z.ndim not in (1, 2):
        raise ValueError(f"{name} needs logits of shape (N,) or (N, K), got {z.shape}")
    t = _like_prediction(target, z, name)
    raw = real_numbers(target, name)  # where it is: what is on the host is checked there
    if raw.size and not ((raw >= 0) & (raw <= 1)).all():
        raise ValueError(f"{name} needs targets in [0, 1], found {raw.min():g}..{raw.max():g}")
    return z, t


def signs(prediction: Any, target: Any, class_weight: Any, name: str) -> tuple[Any, Any, tuple[int, int]]:
    """Scores (N,), targets -1 / +1 or 0 / 1 as 0 / 1, and by which two of these `class_weight` is keyed."""
    z = _floats(prediction, name)
    if z.ndim != 1:
        hint = ": pass z[:, 0]" if z.shape[1:] == (1,) else ""
        raise ValueError(f"{name} needs scores of shape (N,), got {z.shape}{hint}")
    s = real_numbers(target, f"{name}: the target")
    if s.shape != z.shape:
        hint = ": pass y.ravel()" if s.shape == (*z.shape, 1) else ""
        raise ValueError(f"{name} needs a target of the scores' shape {z.shape}, got {s.shape}{hint}")
    positive = (s > 0).astype(np.int64)
    for keys in ((0, 1), (-1, 1)):
        if (s == keys[0] + (1 - keys[0]) * positive).all():
            return z, devices.beside(positive, as_array(z)), sign_keys(class_weight) or keys
    raise ValueError(f"{name} needs targets -1 and +1 (or 0 and 1), found {np.unique(s).tolist()[:5]}")


def sign_keys(class_weight: Any) -> tuple[int, int] | None:
    """The classes as a dict of weights names them (targets that are all 1 do not tell); None where it does not."""
    if isinstance(class_weight, dict):
        for keys in ((-1, 1), (0, 1)):
            if keys[0] in class_weight:
                return keys
    return None


def regression(prediction: Any, target: Any, class_weight: None, name: str) -> tuple[Any, Any]:
    """Predictions (N,) or (N, D), and targets of the same shape."""
    if class_weight is not None:
        raise ValueError(f"{name}: a regression target has no classes; pass one weight per sample as sample_weight")
    z = _floats(prediction, name)
    if z.ndim == 0:
        raise ValueError(f"{name} needs predictions of shape (N,) or (N, D), got a scalar")
    return z, _like_prediction(target, z, name)


def _floats(prediction: Any, name: str) -> Any:
    if not isinstance(prediction, Tensor):
        prediction = as_array(prediction)
    if prediction.dtype.kind != "f":
        raise TypeError(
            f"{name} needs predictions of floating point (logits, not classes), got {prediction.dtype}: "
            "pass the model's output"
        )
    return prediction


def _logits(prediction: Any, name: str) -> Any:
    z = _floats(prediction, name)
    if z.ndim != 2 or z.shape[1] == 0:
        raise ValueError(f"{name} needs logits of shape (N, K), one column per class, got {z.shape}")
    return z


def _labels(target: Any, z: Any, name: str) -> Any:
    array = as_array(target)
    n, k = z.shape
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{name} needs integer labels of shape ({n},), got {array.dtype} of shape {array.shape}: "
            "convert them with y.astype(int) if they are whole numbers"
        )
    if array.shape != (n,):
        hint = ": pass y.ravel()" if array.shape == (n, 1) else ""
        raise ValueError(f"{name} got {n} predictions, but labels of shape {array.shape}, expected ({n},){hint}")
    if n and not ((array >= 0) & (array < k)).all():
        wrong = np.flatnonzero((array < 0) | (array >= k))
        hint = "; for one logit per sample there is binary_cross_entropy(z[:, 0], y)" if k == 1 else ""
        raise ValueError(
            f"{name}: labels must lie in 0..{k - 1} (logits of shape {z.shape}), "
            f"but sample {int(wrong[0])} has label {int(array[wrong[0]])}{hint}"
        )
    return devices.beside(array, as_array(z))


def _like_prediction(target: Any, z: Any, name: str) -> Any:
    """The target in the prediction's shape and dtype; a Tensor stays one, so that it may receive a gradient."""
    raw = real_numbers(target, f"{name}: the target")
    t = target if isinstance(target, Tensor) else raw
    if t.shape != z.shape:
        hint = ""
        if sorted((z.ndim, t.ndim)) == [1, 2] and z.size == t.size:
            hint = " (they would broadcast to N x N): drop the column with x[:, 0] or x.ravel()"
        raise ValueError(f"{name} needs a target of the prediction's shape {z.shape}, got {t.shape}{hint}")
    t = t if isinstance(t, Tensor) else devices.beside(t, as_array(z))
    return t if t.dtype == z.dtype else t.astype(z.dtype)
