"""A loss, one row per sample: at the logits themselves, or at the logits of a linear layer seen through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .quantities import labels_of, named, samples

if TYPE_CHECKING:
    from .suspect import Case, Suspect


def softmax(z: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * z))


@dataclass(frozen=True)
class Scale:
    """A constant left over by a fit: how it reads, and what it adds to the freedom of the finding."""

    c: float
    words: str
    freedom: int


@dataclass
class Rows:
    """dL/dz as measured, one row per sample and one array per draw; `push` carries any other dL/dz to the suspect."""

    suspect: Suspect
    z: np.ndarray
    dz: list[np.ndarray]
    push: Callable[[int, np.ndarray], np.ndarray]

    def each(self, per_sample: Any) -> np.ndarray:
        """(N,) brought beside dz, to multiply its rows; (N, K) as it is."""
        array = np.asarray(per_sample, dtype=float)
        return array if array.ndim > 1 else array.reshape(-1, *[1] * (self.z.ndim - 1))

    def times(self, factor: Any) -> Scale | None:
        """Whether dz times `factor` is what was claimed, but for a constant."""
        return self.are([dz * factor for dz in self.dz])

    def are(self, rows: Sequence[np.ndarray]) -> Scale | None:
        """Whether these rows of dL/dz, per draw, are what was claimed, but for a constant."""
        hypothesis = [self.push(k, dz) for k, dz in enumerate(rows)]
        if self.suspect.fits(hypothesis):
            return Scale(1.0, "", 0)
        c = self.suspect.scale(hypothesis)
        name = named(c, self.suspect.case) if c else None
        if not c or (name is None and self.suspect.entries < 4):
            return None
        if name is None:
            return Scale(c, f", and all of them {c:.6g} x too large", 2)
        symbol = "" if name.symbol == f"{c:.6g}" else f" = {name.symbol}"
        return Scale(c, f", and all of them times {c:.6g}{symbol} ({name.meaning})", 1)

    @property
    def labels(self) -> np.ndarray | None:
        """(N,) or in the shape of the logits."""
        return labels_of(self.suspect.case)

    @property
    def probabilities(self) -> np.ndarray:
        """softmax of the logits (N, K), sigmoid of logits (N,), (N, 1), or of such that have one label each."""
        labels = self.labels
        several = self.z.ndim == 2 and self.z.shape[1] > 1
        each = labels is not None and labels.shape == self.z.shape and (labels.sum(axis=-1) != 1).any()
        return softmax(self.z) if several and not each else sigmoid(self.z)

    @property
    def targets(self) -> np.ndarray | None:
        """The labels as numbers 0 and 1 in the shape of the logits; None where there are none that could be."""
        labels = self.labels
        if labels is None:
            return None
        if self.z.ndim == 2 and self.z.shape[1] > 1 and labels.shape == (len(self.z),):
            return np.eye(self.z.shape[1])[labels] if labels.max() < self.z.shape[1] else None
        return labels.reshape(self.z.shape).astype(float) if labels.size == self.z.size and labels.max() <= 1 else None


def rows_of(s: Suspect) -> Rows | None:
    """The rows behind a suspect; None where its first axis does not run over the samples."""
    head = s.case.head
    if head is not None and s.shaped and s.i in head.push:
        return Rows(s, head.z, head.dz, head.push[s.i])
    if not s.shaped or s.x.ndim < 1 or len(s.x) != samples(s.case) or len(s.x) < 2:
        return None
    return Rows(s, s.x, [np.where(s.sure, m, np.nan) for m in s.measured], lambda _, dz: dz)


def largest_sum(s: Suspect) -> float:
    """Over the rows of the claimed gradient: where the weights are right, softmax's rows sum to 0."""
    totals = s.claimed[0].reshape(len(s.x), -1).sum(axis=1)
    return float(totals[np.abs(totals).argmax()])


# --- Softmax cross-entropy of x W + b, checked at x, W and b


@dataclass
class Head:
    """The logits of a linear layer, dL/dz at them, and how a dL/dz reaches each input."""

    z: np.ndarray
    dz: list[np.ndarray]
    push: dict[int, Callable[[int, np.ndarray], np.ndarray]]


def linear_head(case: Case) -> Head | None:
    """dL/dz from the slopes at x, where the forward pass is a loss with dL/dz_i = c_i (softmax(z_i) - e_y)."""
    labels, n = labels_of(case), samples(case)
    shapes = [x.shape for x in case.inputs]
    matrices = [i for i, shape in enumerate(shapes) if len(shape) == 2]
    if labels is None or labels.shape != (n,) or len(matrices) != 2 or not case.evidence.numeric:
        return None
    i, j = matrices
    x, W = case.inputs[i], case.inputs[j]
    if x.shape != (n, W.shape[0]) or labels.max() >= W.shape[1]:
        return None
    vectors = [k for k, shape in enumerate(shapes) if shape == W.shape[1:]]
    z = x @ W + sum(case.inputs[k] for k in vectors)
    unit = softmax(z) - np.eye(W.shape[1])[labels]
    through = unit @ W.T
    dz = []
    for draw in case.evidence.numeric:
        c = (draw[i] * through).sum(axis=1) / (through**2).sum(axis=1)
        if not np.allclose(c[:, None] * through, draw[i], rtol=1e-5, atol=1e-6 * np.abs(draw[i]).max()):
            return None
        dz.append(c[:, None] * unit)
    numeric = case.evidence.numeric
    rest = [draw[j] - x.T @ d for draw, d in zip(numeric, dz, strict=True)]  # a penalty of W
    push: dict[int, Callable[[int, np.ndarray], np.ndarray]] = {
        i: lambda _, d: d @ W.T,
        j: lambda k, d: x.T @ d + rest[k],
    }
    for v in vectors:
        push[v] = lambda k, d, v=v: d.sum(axis=0) + numeric[k][v] - dz[k].sum(axis=0)  # type: ignore[misc]
    return Head(z, dz, push)
