"""What losses ask of their predictions and targets, in words: each function takes a pair and returns it checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor, as_array


def multiclass(prediction: Any, target: Any, name: str) -> tuple[Any, Any]:
    """Logits (N, K) and integer labels (N,) in 0..K-1."""
    z = _logits(prediction, name)
    return z, _labels(target, z, name)


def multiclass_or_soft(prediction: Any, target: Any, name: str) -> tuple[Any, Any]:
    """Logits (N, K) and either integer labels (N,), or probabilities (N, K): a Tensor if they may get a gradient."""
    z = _logits(prediction, name)
    t = target if isinstance(target, Tensor) else as_array(target)
    if t.ndim != 2 or t.shape == (z.shape[0], 1) != z.shape:
        return z, _labels(t, z, name)
    t = _like_prediction(t, z, name)
    raw = as_array(t)
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
    raw = as_array(t)
    if raw.size and not (raw.min() >= 0 and raw.max() <= 1):
        raise ValueError(f"{name} needs targets in [0, 1], found {raw.min():g}..{raw.max():g}")
    return z, t


def signs(prediction: Any, target: Any, name: str) -> tuple[Any, Any, tuple[int, int]]:
    """Scores (N,), targets -1 / +1 or 0 / 1 as 0 / 1, and which two of these the targets were."""
    z = _floats(prediction, name)
    if z.ndim != 1:
        hint = ": pass z[:, 0]" if z.shape[1:] == (1,) else ""
        raise ValueError(f"{name} needs scores of shape (N,), got {z.shape}{hint}")
    s = as_array(target)
    if s.shape != z.shape:
        hint = ": pass y.ravel()" if s.shape == (*z.shape, 1) else ""
        raise ValueError(f"{name} needs a target of the scores' shape {z.shape}, got {s.shape}{hint}")
    positive = (s > 0).astype(np.int64)
    if (s == positive).all():
        return z, positive, (0, 1)
    if (s == 2 * positive - 1).all():
        return z, positive, (-1, 1)
    raise ValueError(f"{name} needs targets -1 and +1 (or 0 and 1), found {np.unique(s).tolist()[:5]}")


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
    if n and not (array.min() >= 0 and array.max() < k):
        wrong = np.flatnonzero((array < 0) | (array >= k))
        hint = "; for one logit per sample there is binary_cross_entropy(z[:, 0], y)" if k == 1 else ""
        raise ValueError(
            f"{name}: labels must lie in 0..{k - 1} (logits of shape {z.shape}), "
            f"but sample {int(wrong[0])} has label {int(array[wrong[0]])}{hint}"
        )
    return array


def _like_prediction(target: Any, z: Any, name: str) -> Any:
    """The target in the prediction's shape and dtype; a Tensor stays one, so that it may receive a gradient."""
    t = target if isinstance(target, Tensor) else as_array(target)
    if t.dtype.kind not in "fiub":
        raise TypeError(f"{name} needs a target of real numbers, got {t.dtype}")
    if t.shape != z.shape:
        hint = ""
        if sorted((z.ndim, t.ndim)) == [1, 2] and z.size == t.size:
            hint = " (they would broadcast to N x N): drop the column with x[:, 0] or x.ravel()"
        raise ValueError(f"{name} needs a target of the prediction's shape {z.shape}, got {t.shape}{hint}")
    return t if t.dtype == z.dtype else t.astype(z.dtype)
