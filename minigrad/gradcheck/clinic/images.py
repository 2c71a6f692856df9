"""Convolution and pooling: kernels not flipped, patches overwritten, biases not summed, the wrong place in a window."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from .parts import bias_axis, bias_form
from .registry import Finding, mistake
from .suspect import Suspect

# --- Convolution: linear in x and in the kernel, so the slopes for a flipped kernel are what the flip would give


def _flip(a: np.ndarray) -> np.ndarray:
    return a[..., ::-1, ::-1]


def _kernel(s: Suspect) -> int | None:
    """The other input, smaller along its last two axes, of a bilinear forward pass: the kernel of image `s`."""
    for j, w in enumerate(s.case.inputs):
        smaller = w.ndim == s.x.ndim >= 2 and all(k <= n for k, n in zip(w.shape[-2:], s.x.shape[-2:], strict=True))
        if j != s.i and smaller and w.shape[-2:] != (1, 1) and s.case.y.ndim == s.x.ndim:
            return j
    return None


@mistake(
    "kernel_not_flipped", "Through which kernel entry does the pixel at the lower right of a patch reach the output?"
)
def kernel_not_flipped(s: Suspect) -> Finding | None:
    j = _kernel(s)
    if j is not None and s.fits(s.case.measure(s.i, {j: _flip(s.case.inputs[j])})):
        return Finding(f"{{yours}} is right for {s.case.names[j]} turned by 180 degrees: one flip too few or too many")
    if s.x.ndim >= 2 and any(_kernel(other) == s.i for other in _all(s)) and s.fits([_flip(m) for m in s.measured]):
        return Finding("{yours} is the measured one turned by 180 degrees: one flip too few or too many")
    return None


def _all(s: Suspect) -> Iterator[Suspect]:
    return (Suspect(s.case, i) for i in range(len(s.case.inputs)) if i != s.i)


@mistake("patches_overwritten", "How many patches does a pixel in the middle lie in? And one in the corner?")
def patches_overwritten(s: Suspect) -> Finding | None:
    y = s.case.y
    if s.x.ndim != 4 or y.ndim != 4 or len(y) != len(s.x) or (_kernel(s) is None and not any(_pools(s))):
        return None
    if s.jacobian is not None:
        counts = np.maximum((s.jacobian != 0).sum(axis=0) // _maps(s), 1).reshape(s.x.shape)
        if counts.max() > 1 and s.fits([m / counts for m in s.measured]):
            return Finding("{yours} is the measured one divided by the number of patches each pixel lies in")
    paths = s.paths
    if paths is None or paths.lost is None or not paths.claimed.any():
        return None
    hit = int(paths.lost.any(axis=0).sum())
    return Finding(
        f"in {{yours}} {hit} of {s.x.size} pixels lack what some of their patches bring, all else is right: "
        "patches that overlap must be added, not written over each other"
    )


def _maps(s: Suspect) -> int:
    """How many outputs each patch has: one for each kernel."""
    return s.case.y.shape[1] if len(s.case.inputs) > 1 and s.case.y.ndim == 4 else 1


@mistake("bias_not_summed", "How many pixels of how many samples does one entry of the bias reach?")
def bias_not_summed(s: Suspect) -> Finding | None:
    axis = bias_axis(s) if s.case.y.ndim == 4 else None
    if axis is None:
        return None
    words = bias_form(s, axis)
    if words is None and not s.shaped and all(c.size > s.x.size for c in s.claimed):
        words = f"an array of shape {s.claimed[0].shape}"
    n, _, h, w = s.case.y.shape
    text = (
        f"{{of}} is added to every pixel of every sample, so its gradient is g summed over N, H and W ({n} x {h} x {w}"
    )
    return Finding(f"{text} terms); yours is {words}") if words else None


# --- Pooling: windows recognised by computing them


class Pool(NamedTuple):
    """A pooling over windows (N, C, H', W', a, b), one every ``step`` pixels."""

    name: str
    windows: np.ndarray
    step: tuple[int, int]


def _pools(s: Suspect) -> Iterator[Pool]:
    """Every pooling that the forward pass may be. With ties there may be several."""
    x, y = s.x, s.case.y
    if x.ndim != 4 or y.ndim != 4 or x.shape[:2] != y.shape[:2] or len(s.case.outputs) > 1:
        return
    for a, b, down, right in product(range(1, 5), repeat=4):
        if a > x.shape[2] or b > x.shape[3] or a * b == 1:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(x, (a, b), axis=(2, 3))[:, :, ::down, ::right]
        for name, value in (("max", np.max), ("average", np.mean)):
            if windows.shape[:4] == y.shape and np.allclose(value(windows, axis=(4, 5)), y, rtol=1e-12):
                yield Pool(name, windows, (down, right))


def _add(parts: np.ndarray, shape: tuple[int, ...], step: tuple[int, int]) -> np.ndarray:
    """Parts (N, C, H', W', a, b), one for each window, added up in the shape of the image."""
    dx = np.zeros(shape)
    (high, wide, a, b), (down, right) = parts.shape[2:], step
    for i, j in product(range(a), range(b)):
        dx[:, :, i : i + down * high : down, j : j + right * wide : right] += parts[..., i, j]
    return dx


@mistake("pool_every_tie", "When two entries of a window are equally large, how much gradient has the window to give?")
def pool_every_tie(s: Suspect) -> Finding | None:
    for pool in _pools(s) if s.shaped else ():
        largest = pool.windows == s.case.y[..., None, None]
        ties = int((largest.sum(axis=(4, 5)) > 1).sum())
        wrong = [_add(g[..., None, None] * largest, s.x.shape, pool.step) for g in s.case.g]
        if pool.name == "max" and ties and np.allclose(s.claimed, wrong):
            return Finding(
                f"{{yours}} hands g to every entry that equals its window's maximum: {ties} of "
                f"{s.case.y.size} windows have more than one, and give more than they get"
            )
    return None


@mistake("pool_wrong_corner", "Take one window with four different numbers. Which of them did the output come from?")
def pool_wrong_corner(s: Suspect) -> Finding | None:
    pool, paths = next(_pools(s), None), s.paths
    if pool is None or paths is None or (paths.claimed != 0).sum() != len(paths.outputs):
        return None
    if not np.allclose(paths.claimed.max(axis=1), 1):
        return None
    places = []
    for number, entry in zip(paths.outputs, paths.claimed.argmax(axis=1), strict=True):
        output, (*image, i, j) = np.unravel_index(number, s.case.y.shape), np.unravel_index(entry, s.x.shape)
        places.append((int(i - output[2] * pool.step[0]), int(j - output[3] * pool.step[1])))
        inside = all(0 <= place < size for place, size in zip(places[-1], pool.windows.shape[4:], strict=True))
        if tuple(image) != output[:2] or not inside:
            return None
    always = len(set(places)) == 1
    where = (
        f"entry {list(places[0])} of its window, always" if always else "one entry of its window, often the wrong one"
    )
    a, b = pool.windows.shape[4:]
    return Finding(f"{{yours}} hands each output's g to {where}; the output is the {pool.name} of {a} x {b}")
