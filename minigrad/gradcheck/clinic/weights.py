"""Weights of the samples: forgotten, twice, inverted, taken from another sample or along the wrong axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .quantities import Weights, labels_of, samples, weights_of
from .registry import Finding, mistake
from .rows import Rows, Scale, largest_sum, rows_of
from .suspect import Suspect

MICRO = 256  # samples at most: every way to cut them is tried


def _weighted(s: Suspect) -> Iterator[tuple[Rows, Weights]]:
    rows, is_loss = rows_of(s), labels_of(s.case) is not None
    if rows is not None:
        for weights in weights_of(s.case):
            if is_loss or not np.array_equal(weights.samples, s.x):  # an input may be a weight, but then of a loss
                yield rows, weights


def _shown(numbers: np.ndarray, most: int = 4) -> str:
    return ", ".join(f"{v:.4g}" for v in numbers.ravel()[:most]) + (", ..." if numbers.size > most else "")


def _whose(w: np.ndarray) -> tuple[str, str]:
    """What each weight multiplies, and the weights: of samples (N,), of labels or of single entries (N, K)."""
    if w.ndim == 1:
        return "sample's row", _shown(w)
    return ("label's column", _shown(w[0])) if (w == w[0]).all() else ("entry", _shown(w))


def _divided(w: np.ndarray) -> np.ndarray:
    """1 / w, nan for a weight of zero: nothing can be said of such a sample."""
    return np.divide(1, w, out=np.full(w.shape, np.nan), where=w != 0)


@mistake("weight_forgotten", "Take two samples of the same class or error. Do their rows differ as the loss says?")
def forgotten(s: Suspect) -> Finding | None:
    for rows, weights in _weighted(s):
        w = weights.samples
        scale = rows.times(rows.each(_divided(w)))
        if scale:
            part, shown = _whose(w)
            text = (
                f"{{yours}} is the measured one with each {part} divided by its weight, {shown}{scale.words}: "
                "the loss is weighted, the gradient is not"
            )
            return Finding(text, scale.freedom, {"weights": w})
    return None


@mistake("weight_twice", "In how many lines of the backward pass does the weight appear? And in the loss?")
def twice(s: Suspect) -> Finding | None:
    for rows, weights in _weighted(s):
        w = weights.samples
        scale = rows.times(rows.each(w))
        if scale:
            part, shown = _whose(w)
            text = f"{{yours}} is the measured one with each {part} times its weight, {shown}, once more{scale.words}"
            return Finding(text, scale.freedom, {"weights": w})
    return None


@mistake("weight_inverse", "If a sample counts twice in the loss, should its row of the gradient grow or shrink?")
def inverse(s: Suspect) -> Finding | None:
    for rows, weights in _weighted(s):
        scale = rows.times(rows.each(_divided(weights.samples) ** 2))
        if scale:
            part, shown = _whose(weights.samples)
            text = (
                f"each {part} in {{yours}} is 1/w^2 x the measured one, w = {shown}{scale.words}: it carries 1/w where "
                "the loss has w"
            )
            return Finding(text, scale.freedom, {"weights": weights.samples})
    return None


@mistake("weight_of_other_samples", "Which samples' rows are wrong, and which sample does each one's factor belong to?")
def of_other_samples(s: Suspect) -> Finding | None:
    for rows, weights in _weighted(s):
        w = weights.samples
        if w.ndim > 1:
            continue
        for words, other in _mixed_up(weights, rows.labels):
            scale = rows.times(rows.each(other * _divided(w)))
            if scale:
                return Finding(_other(words, w, other, scale), scale.freedom, {"used": other, "weights": w})
        for divisor in (1.0, w.sum(), w.mean(), float(len(w))):
            used = _used(s, rows, w * divisor)
            if used is not None and _drawn_from(used, weights):
                return Finding(_other("another sample", w, used, None), 2, {"used": used, "weights": w})
    return None


def _other(words: str, w: np.ndarray, used: np.ndarray, scale: Scale | None) -> str:
    return (
        f"each row of {{yours}} carries the weight of {words}: the rows' weights are {_shown(w)}, you used "
        f"{_shown(used)}{scale.words if scale else ''}"
    )


def _mixed_up(weights: Weights, labels: np.ndarray | None) -> Iterator[tuple[str, np.ndarray]]:
    w, classes = weights
    yield "the sample that comes last to first, in reverse order", w[::-1]
    yield "the sample before", np.roll(w, 1)
    yield "the sample after", np.roll(w, -1)
    yield "a sorted list", np.sort(w)
    yield "a sorted list, largest first", np.sort(w)[::-1]
    if classes is not None and len(classes) >= len(w):
        yield "the class of the sample's number", classes[: len(w)]
    if classes is not None and labels is not None:
        yield "the class in reverse order", classes[len(classes) - 1 - labels]
        yield "the class before", classes[labels - 1]
        yield "the class after", classes[(labels + 1) % len(classes)]


def _used(s: Suspect, rows: Rows, w: np.ndarray) -> np.ndarray | None:
    """The weight that each row of the claimed gradient carries, where every row is a multiple of the measured one."""
    if rows.push(0, rows.dz[0]).shape != rows.dz[0].shape or len(w) != len(s.x):
        return None
    ours = np.concatenate([c.reshape(len(c), -1) for c in s.claimed], axis=1)
    theirs = np.concatenate([m.reshape(len(m), -1) for m in rows.dz], axis=1)
    ratio = (ours * theirs).sum(axis=1) / (theirs**2).sum(axis=1)
    return ratio * w if s.fits([rows.each(ratio) * m for m in rows.dz]) else None


def _drawn_from(used: np.ndarray, weights: Weights) -> bool:
    pool = weights.samples if weights.classes is None else weights.classes
    near = np.isclose(used[:, None], pool[None, :], rtol=1e-5).any(axis=1)
    own = np.isclose(used, weights.samples, rtol=1e-5)
    return bool(near.all() and not own.all() and weights.samples.all())


@mistake(
    "weight_by_column", "Which axis of the logits do the weights run along in your code, and which samples' are they?"
)
def by_column(s: Suspect) -> Finding | None:
    for rows, weights in _weighted(s):
        if rows.z.ndim != 2:
            continue
        n, k = rows.z.shape
        columns = weights.classes if weights.classes is not None and len(weights.classes) == k else None
        if columns is None and n == k:
            columns = weights.samples
        if columns is None:
            continue
        for own in (_divided(weights.samples), np.ones(n)):
            scale = rows.times(rows.each(own) * columns)
            if scale:
                worst = largest_sum(s)
                text = (
                    f"column k of {{yours}} carries the weight of class k, {_shown(columns)}, instead of "
                    f"each row that of its own label{scale.words}; rows do not sum to 0, one to {worst:.4g}"
                )
                return Finding(text, scale.freedom, {"weights": columns})
    return None


@mistake("weight_on_label_only", "Sum each row of the gradient. What must it be for softmax, and why?")
def on_label_only(s: Suspect) -> Finding | None:
    for rows, weights in _weighted(s):
        p, t = rows.probabilities, rows.targets
        if t is None:
            continue
        w = rows.each(weights.samples)
        unit = [dz / (w * (p - t)) for dz in rows.dz]  # what is in front of w (p - e_y)
        forms = {
            "p - w e_y": p - w * t,
            "w p - e_y": w * p - t,
            "(p - e_y), the label's column times w": (p - t) * w**t,
        }
        forms["(p - e_y), the other columns times w"] = (p - t) * w ** (1 - t)
        for words, form in forms.items():
            scale = rows.are([u * form for u in unit])
            if scale:
                worst = largest_sum(s)
                text = (
                    f"{{yours}} is {words} where it should be w (p - e_y){scale.words}: the weight is on one "
                    f"term alone, and a row sums to {worst:.4g}"
                )
                return Finding(text, scale.freedom, {"form": words})
    return None


@mistake("micro_batch_means", "How large is each micro-batch, the last one too? What is each one's mean divided by?")
def micro_batch_means(s: Suspect) -> Finding | None:
    rows, n = rows_of(s), samples(s.case)
    if rows is None or n > MICRO:
        return None
    counts = [("samples", np.ones(n)), *(("weights", w) for w, _ in weights_of(s.case) if w.ndim == 1)]
    for what, w in counts:
        for parts in _splits(s, n):
            sizes = np.array([len(part) for part in parts])
            totals = np.array([w[part].sum() for part in parts])
            if len(parts) > n / 2 or not totals.all() or np.allclose(totals, totals[0]):
                continue
            shares = {"mean": 1 / len(parts), "sum": 1.0, "average, by size,": sizes / n}
            for words, share in shares.items():
                scale = rows.times(rows.each(np.repeat(w.sum() * share / totals, sizes)))
                if scale and scale.c == 1:
                    text = (
                        f"{{yours}} is the {words} of the means of micro-batches of {_shown(sizes)} samples, each "
                        f"divided by its own {what} ({_shown(totals)}) instead of all by {w.sum():.6g}"
                    )
                    return Finding(text, 0, {"sizes": sizes.tolist()})
    return None


def _splits(s: Suspect, n: int) -> Iterator[list[np.ndarray]]:
    """Ways to cut n samples into micro-batches: of one size but for the last, evenly, or as the ratio tells."""
    every = np.arange(n)
    for size in range(2, n):
        yield np.split(every, range(size, n, size))
    for count in range(2, n // 2 + 1):
        yield np.array_split(every, count)
    if s.x.ndim >= 1 and len(s.x) == n:
        with np.errstate(all="ignore"):
            ratio = (s.claimed[0] / s.measured[0]).reshape(n, -1)[:, 0]
        yield np.split(every, np.flatnonzero(~np.isclose(ratio[1:], ratio[:-1], rtol=1e-4)) + 1)
