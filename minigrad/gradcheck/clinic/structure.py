"""The right numbers in the wrong arrangement: transposed, not summed, permuted, exchanged between inputs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations

import numpy as np

from .registry import Finding, mistake
from .rows import sigmoid
from .suspect import Suspect


@mistake("transpose", "Write the shape of every factor beside it. Which order of them gives the input's shape?")
def transpose(s: Suspect) -> Finding | None:
    orders = permutations(range(s.x.ndim)) if 2 <= s.x.ndim <= 4 else ()
    for order in orders:
        turned = [m.transpose(order) for m in s.measured]
        if s.claimed[0].shape != turned[0].shape or order == tuple(range(s.x.ndim)):
            continue
        back = np.argsort(order)
        if s.fits(turned) if s.shaped else s.fits(s.measured, [c.transpose(back) for c in s.claimed]):
            shapes = f"its shape is {s.x.shape}, the gradient's {s.claimed[0].shape}"
            axes = f", its axes in the order {order}" if s.x.ndim > 2 else ""
            return Finding(f"{{yours}} is the transpose of the measured one{axes}: {shapes}")
    return None


@mistake("transpose", "The shapes agree because a matrix is square. Take sizes that all differ: does it still run?")
def square_operand(s: Suspect) -> Finding | None:
    """g @ W for g @ W.T where W is square: the slopes of a forward pass with W transposed."""
    for j, other in enumerate(s.case.inputs):
        square = j != s.i and other.ndim == 2 and other.shape[0] == other.shape[1] and other.size > 1
        if square and s.fits(s.case.measure(s.i, {j: other.T})):
            return Finding(
                f"{{yours}} is right for {s.case.names[j]} transposed; as that is square, the shapes do not tell"
            )
    return None


@mistake("transpose", "Write the shape that the gradient should have, and then the shape of each factor in turn.")
def transposed_shape(s: Suspect) -> Finding | None:
    got = s.claimed[0].shape
    if s.shaped or s.x.ndim < 2 or got != s.x.shape[::-1]:
        return None
    return Finding(
        f"{{of}} has shape {s.x.shape}, your gradient {got}: it looks transposed (its numbers are off too)", 3
    )


def _axes(s: Suspect) -> Iterator[tuple[int, ...]]:
    ndim = s.claimed[0].ndim
    for count in range(1, ndim + 1):
        yield from combinations(range(ndim), count)


@mistake("missing_sum", "How many outputs does one entry of this input reach, and what happens to their gradients?")
def missing_sum(s: Suspect) -> Finding | None:
    if s.shaped or s.claimed[0].size <= s.x.size:
        return None
    for axes in _axes(s):
        summed = [c.sum(axis=axes) for c in s.claimed]
        if summed[0].size == s.x.size and s.fits(s.measured, [c.reshape(s.x.shape) for c in summed]):
            over = ", ".join(map(str, axes))
            return Finding(
                f"{{of}} has shape {s.x.shape}, your gradient {s.claimed[0].shape}. Summed over axis {over} it is "
                "exactly the measured one: the sum is missing",
                facts={"axes": axes},
            )
    return None


@mistake(
    "kept_dims", "Compare the number of axes of the gradient with that of the input. Where does the extra one arise?"
)
def kept_dims(s: Suspect) -> Finding | None:
    if s.shaped or s.claimed[0].size != s.x.size or s.claimed[0].squeeze().shape != s.x.squeeze().shape:
        return None
    exact = s.fits(s.measured, [c.reshape(s.x.shape) for c in s.claimed])
    text = f"{{of}} has shape {s.x.shape}, your gradient {s.claimed[0].shape}: they differ in axes of length 1 alone"
    return Finding(text + ("; the numbers are right" if exact else "; the numbers are wrong, too"), 0 if exact else 2)


@mistake("n_by_n", "What is the shape of the difference between a column (N, 1) and a vector (N,)?")
def n_by_n(s: Suspect) -> Finding | None:
    n = s.x.size
    if n < 2 or s.x.shape not in ((n,), (n, 1), (1, n)) or s.claimed[0].shape != (n, n):
        return None
    return Finding(
        f"{{of}} has {n} entries, your gradient {n} x {n} = {n * n}: a column (N, 1) met a vector (N,), and "
        "broadcasting paired every sample with every other",
        1,
    )


@mistake("n_by_n", "Print the shape of every difference on the way. Is one of them larger than you think?")
def summed_n_by_n(s: Suspect) -> Finding | None:
    """For (x_i - y_i) the sum or mean of all (x_i - y_j): the totals are right, and the differences know no y."""
    n = s.x.size
    if not s.shaped or n < 4 or s.x.shape not in ((n,), (n, 1)) or not s.sure.all():
        return None
    for name, v in (("", s.x), ("sigmoid of ", sigmoid(s.x))):
        spread = v - v.mean()
        for words, c in (("mean", 1.0), ("sum", float(n))):
            pace = float((s.claimed[0] * spread).sum() / (spread**2).sum() / s.case.g[0].ravel()[0])
            wrong = [
                c * m.mean() + pace * float(g.ravel()[0]) * spread for m, g in zip(s.measured, s.case.g, strict=True)
            ]
            if s.case.y.ndim == 0 and s.fits(wrong):
                return Finding(
                    f"in {{yours}} the {name}prediction of each sample is compared with every target, not "
                    f"with its own: it is the {words} over {n} x {n} differences. A column (N, 1) met a vector (N,)",
                    1,
                )
    return None


@mistake("swapped", "In which order does forward take its inputs, and in which order does backward return?")
def swapped(s: Suspect) -> Finding | None:
    for other in s.case.suspects:
        if other is s:
            continue
        large, small = (s, other) if s.x.size >= other.x.size else (other, s)
        if _is_gradient_of(large, small) and _is_gradient_of(small, large):
            first, second = sorted((s, other), key=lambda suspect: suspect.i)
            return Finding(f"the gradients of {first.name} and {second.name} are each right for the other: exchanged")
    return None


def _is_gradient_of(s: Suspect, other: Suspect) -> bool:
    """Whether the gradient claimed for `s` is the other's, broadcast or summed to the shape it was given."""
    shape, wanted = s.claimed[0].shape, other.x.shape
    if shape == s.x.shape and s.x.size < other.x.size:
        return s.fits([_summed(m, shape) for m in other.measured])
    return other.fits(other.measured, [_summed(c, wanted) for c in s.claimed])


def _summed(a: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`a` summed over the axes along which `shape` was broadcast to its own; `a` itself where it was not."""
    ours = a.shape[a.ndim - len(shape) :]
    if len(shape) > a.ndim or any(size not in (1, own) for size, own in zip(shape, ours, strict=True)):
        return a
    a = a.sum(axis=tuple(range(a.ndim - len(shape))))
    return a.sum(axis=tuple(n for n, size in enumerate(shape) if size == 1), keepdims=True)


@mistake("permutation", "Which entry of the output does the first entry of this input end up in?")
def permutation(s: Suspect) -> Finding | None:
    if not s.shaped or s.x.size < 3 or not s.sure.all():
        return None
    for words, move in _MOVES.items():
        if s.fits([move(m) for m in s.measured]):
            return Finding(f"{{yours}} holds the right numbers {words}")
    first, second = (np.argsort(c, axis=None) for c in (s.claimed[0], s.measured[0]))
    if len(np.unique(s.measured[0].round(9))) < s.x.size:
        return None
    source = np.empty(s.x.size, dtype=int)
    source[first] = second
    if s.fits([m.ravel()[source].reshape(s.x.shape) for m in s.measured]):
        moved = int((source != np.arange(s.x.size)).sum())
        return Finding(
            f"{{yours}} holds the right numbers at the wrong places: {moved} of {s.x.size} entries are moved",
            3,
            {"source": source},
        )
    return None


@mistake("permutation", "Which entries of the input does one output come from, and which get its gradient from you?")
def permuted_paths(s: Suspect) -> Finding | None:
    """Output by output the right slopes, at the wrong entries."""
    if s.paths is None or len(s.paths.outputs) < 2 or s.x.size < 3:
        return None
    _, claimed, measured = s.paths
    near = np.isclose(np.sort(claimed), np.sort(measured), rtol=1e-5, atol=1e-7 * np.abs(measured).max())
    if not near.all():
        return None
    wrong = int((~np.isclose(claimed, measured, rtol=1e-5, atol=1e-6)).any(axis=1).sum())
    return Finding(
        f"{wrong} of {len(measured)} outputs hand the right slopes to the wrong entries of {{of}}",
        4,
        {"outputs": wrong},
    )


_MOVES = {
    "in reverse order": lambda m: m.ravel()[::-1].reshape(m.shape),
    "with the rows in reverse order": lambda m: m[::-1],
    "with the last axis in reverse order": lambda m: m[..., ::-1],
    "shifted by one": lambda m: np.roll(m, 1, axis=0),
    "shifted back by one": lambda m: np.roll(m, -1, axis=0),
    "read column by column instead of row by row": lambda m: m.ravel(order="F").reshape(m.shape),
    "written column by column instead of row by row": lambda m: m.ravel().reshape(m.shape, order="F"),
}
