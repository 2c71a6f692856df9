"""From labels, counts and costs to weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from .device import to_host
from .tensor import as_array


def class_counts(y: Any, num_classes: int | None = None) -> np.ndarray:
    """How many samples each class has, shape (K,); K is the largest label + 1 unless given."""
    y = to_host(as_array(y))
    if y.dtype.kind not in "iu" or y.ndim != 1:
        raise TypeError(f"labels must be integers of shape (N,), got {y.dtype} of shape {y.shape}")
    if y.size and y.min() < 0:
        raise ValueError(f"labels must not be negative, found {y.min()}")
    if num_classes is not None and y.size and y.max() >= num_classes:
        raise ValueError(f"labels must lie in 0..{num_classes - 1}, found {y.max()}")
    return np.bincount(y, minlength=num_classes or 0)


def balanced(y: Any, num_classes: int | None = None) -> np.ndarray:
    """Weights that give every class the same total: w_c = n / (K n_c).

    Parameters
    ----------
    y : integers (N,)
        Labels of the training set (not of a mini-batch: the weights would change from batch to batch).
    num_classes : int, optional
        Default: the largest label + 1.

    Returns
    -------
    float32 array (K,)
        Mean 1 over the samples: they sum to N. A class that does not occur gets 0, and K counts the classes that do.

    Notes
    -----
    scikit-learn's ``class_weight="balanced"`` (King & Zeng 2001).

    Examples
    --------
    >>> mg.weighting.balanced([0, 0, 0, 1])
    array([0.6666667, 2.       ], dtype=float32)
    """
    counts = class_counts(y, num_classes)
    present = counts > 0
    weights = np.zeros(len(counts))
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights.astype(np.float32)
