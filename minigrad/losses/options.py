"""What a loss has of its own beside predictions, targets and weights: its numbers and class counts, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor, as_array
from ..weighting import number, real_numbers


def positive(value: Any, name: str) -> float:
    """`value` as a Python float above 0."""
    if number(value, name) <= 0:
        raise ValueError(f"{name} must be positive, got {value!r}")
    return float(value)


def training_counts(counts: Any, k: int, name: str) -> np.ndarray:
    """How often each class occurs in the training set, (K,): numbers that are not negative, not all 0."""
    n = real_numbers(counts, name)
    if n.dtype.kind == "b":
        raise TypeError(f"{name} must be numbers, got {n.dtype}")
    if n.shape != (k,):
        raise ValueError(
            f"{name} has shape {n.shape}, expected ({k},), one per class: np.bincount(y_train, minlength={k})"
        )
    if not (n.min() >= 0 and 0 < n.sum() < np.inf):
        raise ValueError(f"{name} must be finite, not negative and not all 0, got {n}")
    return n.astype(np.float64)


def like_logits(values: Any, z: Any) -> Any:
    """Numbers in the dtype of the logits and where they are; a Tensor stays one."""
    return values.astype(z.dtype) if isinstance(values, Tensor) else np.asarray(values, z.dtype, like=as_array(z))
