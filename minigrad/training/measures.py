"""What is measured of predictions: accuracy, recall of each class, and the metrics of the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Metric = Callable[[Any, Any], Any]


class Measures:
    """Measures of (targets, outputs). `losses_shape`: () where a sample has one loss, (K,) where it has K labels."""

    def __init__(self, metrics: Mapping[str, Metric] | None, losses_shape: tuple[int, ...]) -> None:
        self.metrics = dict(metrics or {})
        self.losses_shape = losses_shape
        for name, metric in self.metrics.items():
            if not callable(metric):
                raise TypeError(f"metrics[{name!r}] is a {type(metric).__name__}; expected a function of (y, outputs)")
            if name in ("loss", "accuracy", "recall", "gradient_share", "lr") or name.startswith("val_"):
                raise ValueError(f"metrics: the name {name!r} is taken; choose another")

    def names(self, y: Any, outputs: np.ndarray) -> list[str]:
        """The measures that are single numbers, in their order, for a few samples; no metric is called."""
        classes = self._decided(y, outputs) is not None
        return ["accuracy"] * classes + list(self.metrics)

    def __call__(self, y: Any, outputs: np.ndarray) -> dict[str, Any]:
        measured: dict[str, Any] = {}
        decided = self._decided(y, outputs)
        if decided is not None:
            truth, prediction, classes = decided
            right = truth == prediction
            measured["accuracy"] = float(right.mean())
            measured["recall"] = [_mean(right[mask]) for mask in _members(truth, classes)]
        return measured | {name: float(metric(y, outputs)) for name, metric in self.metrics.items()}

    def _decided(self, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, int] | None:
        """True and predicted classes and how many there are; for K labels (N, K) of 0 and 1. None: no classes."""
        if self.losses_shape:
            binary = z.shape == y.shape and bool(np.isin(y, (0, 1)).all())
            return (y > 0, z > 0, 0) if binary else None
        if z.ndim == 2 and y.dtype.kind in "iub":
            return (y.argmax(axis=1) if y.ndim == 2 else y), z.argmax(axis=1), z.shape[1]
        if z.ndim == 1 == y.ndim and np.isin(y, (-1, 0, 1)).all():
            return (y > 0).astype(int), (z > 0).astype(int), 2
        return None


def _members(truth: np.ndarray, classes: int) -> list[np.ndarray]:
    """For each class a mask of what belongs to it; for labels (N, K), for each label the samples that have it."""
    if truth.ndim == 1:
        return [truth == c for c in range(classes)]
    columns = np.arange(truth.shape[1])
    return [truth & (columns == c) for c in columns]


def _mean(right: np.ndarray) -> float:
    return float(right.mean()) if right.size else float("nan")
