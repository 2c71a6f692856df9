"""What losses of sigmoid(logits) share: (N,) holds one entry per sample, (N, K) one for each of K labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import as_array
from . import checks
from .reduction import gathered, per_label, product, sample_weights


def binary_entries(prediction: Any, target: Any, class_weight: Any, name: str) -> tuple[Any, Any, Any]:
    """Logits and targets, checked, and the class weight of each entry (None where there is no class_weight)."""
    z, t = checks.binary(prediction, target, name)
    if class_weight is None:
        return z, t, None
    if z.ndim == 2:
        return z, t, per_label(class_weight, z)
    raw = as_array(t)
    labels = raw.astype(np.int64)
    if (labels != raw).any():
        raise ValueError(f"{name}: class_weight needs targets that are 0 or 1, these lie in between: use sample_weight")
    return z, t, gathered(class_weight, labels, 2, z.dtype)


def entry_weights(sample_weight: Any, per_class: Any, z: Any) -> Any:
    """sample_weight times class weight of each entry, in the shape of z; None where neither is given."""
    return product(sample_weights(sample_weight, z), per_class)
