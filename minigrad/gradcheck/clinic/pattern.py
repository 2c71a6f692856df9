"""Where a gradient is wrong that no known mistake explains: facts to start from, and no guess at their cause."""

from __future__ import annotations

import numpy as np

from .suspect import Suspect


def pattern(s: Suspect) -> str:
    """A sentence on where the wrong entries lie, or how they are off; empty where nothing stands out."""
    if not s.shaped or s.x.ndim < 1:
        return ""
    pairs = zip(s.claimed, s.measured, s.allowed, strict=True)
    wrong = np.any([np.abs(c - m) > allowed for c, m, allowed in pairs], axis=0) & s.sure
    return _place(s, wrong) or _factors(s)


def _place(s: Suspect, wrong: np.ndarray) -> str:
    moving = np.any([m != 0 for m in s.measured] + [c != 0 for c in s.claimed], axis=0) & s.sure
    if wrong.sum() > 1 and not wrong[moving].all():
        for words, side in (("negative", s.x < 0), ("positive", s.x > 0)):
            if np.array_equal(wrong, moving & side):
                return f"all wrong entries are those where the input is {words}"
    for axis in range(s.x.ndim):
        at = np.flatnonzero(wrong.any(axis=tuple(a for a in range(s.x.ndim) if a != axis)))
        if len(at) == 1 and s.x.shape[axis] > 1:
            return f"all wrong entries ({int(wrong.sum())} of {s.x.size}) have index {at[0]} along axis {axis}"
    return ""


def _factors(s: Suspect) -> str:
    """One factor for each row, or for each column."""
    for axis in range(s.x.ndim if s.sure.all() else 0):
        others = tuple(a + 1 for a in range(s.x.ndim) if a != axis)
        ours, theirs = np.array(s.claimed), np.array(s.measured)
        total = (theirs**2).sum(axis=(0, *others), keepdims=True)
        if s.x.size == s.x.shape[axis] or not total.all():
            continue
        ratio = (ours * theirs).sum(axis=(0, *others), keepdims=True) / total
        if s.fits(list(ratio * theirs)):
            shown = ", ".join(f"{r:.4g}" for r in ratio.ravel()[:6]) + ", ..." * (ratio.size > 6)
            return f"each index along axis {axis} is off by a factor of its own: {shown}{_known(s, ratio.ravel())}"
    return ""


def _known(s: Suspect, ratio: np.ndarray) -> str:
    """Whether these numbers are those of another input, or were told."""
    for name, value in (*zip(s.case.names, s.case.inputs, strict=True), *s.case.known.items()):
        v = np.ravel(value)
        if v.dtype.kind in "fiu" and v.size == ratio.size:
            for words, one in ((name, v), (f"1 / {name}", 1 / v)):
                if np.allclose(ratio, one, rtol=1e-5):
                    return f"; these are {words}"
    return ""
