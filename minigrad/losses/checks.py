"""What every loss asks of its predictions and targets, in words."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor, as_array


def floats(prediction: Any, name: str) -> Any:
    """The prediction as a Tensor or an array of floats."""
    if not isinstance(prediction, Tensor):
        prediction = as_array(prediction)
    if prediction.dtype.kind != "f":
        raise TypeError(f"{name} needs predictions of floating point (logits), got {prediction.dtype}")
    return prediction


def logits(prediction: Any, name: str) -> Any:
    """Logits of shape (N, K)."""
    prediction = floats(prediction, name)
    if prediction.ndim != 2 or prediction.shape[1] == 0:
        raise ValueError(f"{name} needs logits of shape (N, K), one column per class, got {prediction.shape}")
    return prediction


def labels(target: Any, n: int, k: int, name: str) -> Any:
    """Integer labels (N,) in 0..K-1."""
    array = as_array(target)
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
        raise ValueError(
            f"{name}: labels must lie in 0..{k - 1} (the logits have {k} columns), "
            f"but sample {int(wrong[0])} has label {int(array[wrong[0]])}"
        )
    return array


def same_shape(prediction: Any, target: Any, name: str) -> Any:
    """A float target of the prediction's shape; a Tensor stays one, so that it may receive a gradient."""
    if not isinstance(target, Tensor):
        target = as_array(target)
    if target.shape != prediction.shape:
        hint = ""
        if sorted((prediction.ndim, target.ndim)) == [1, 2] and prediction.size == target.size:
            hint = " (they would broadcast to N x N): drop the column with x[:, 0] or x.ravel()"
        raise ValueError(
            f"{name} needs a target of the prediction's shape {prediction.shape}, got {target.shape}{hint}"
        )
    return target if target.dtype == prediction.dtype else target.astype(prediction.dtype)
