"""Functions that move entries without changing them: reshape, transpose, join, split, repeat, pad."""

from itertools import accumulate

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..graph import RULES, composite, primitive, rule
from ..tensor import Tensor

# --- One array, another shape

rule(np.reshape, lambda g, _y, _x, shape: np.reshape(g, _x.shape))
RULES[np.reshape].dispatched = lambda x, shape: np.reshape(x, shape)  # by position: CuPy has another name for it
rule(np.ravel, lambda g, _y, _x: np.reshape(g, _x.shape))
rule(np.squeeze, lambda g, _y, _x, axis=None: np.reshape(g, _x.shape))
rule(np.expand_dims, lambda g, _y, _x, axis: np.reshape(g, _x.shape))
rule(np.swapaxes, lambda g, _y, _x, axis1, axis2: np.swapaxes(g, axis1, axis2))
rule(np.moveaxis, lambda g, _y, _x, source, destination: np.moveaxis(g, destination, source))
rule(np.flip, lambda g, _y, _x, axis=None: np.flip(g, axis))
rule(np.roll, lambda g, _y, _x, shift, axis=None: np.roll(g, np.negative(shift).tolist(), axis))
rule(np.tril, lambda g, _y, _x, k=0: np.tril(g, k))
rule(np.triu, lambda g, _y, _x, k=0: np.triu(g, k))


def _inverse(axes, ndim):
    return None if axes is None else tuple(np.argsort([a % ndim for a in axes]).tolist())


rule(np.transpose, lambda g, _y, _x, axes=None: np.transpose(g, _inverse(axes, _x.ndim)))


@composite(np.flipud)
def flipud(m):
    return np.flip(m, 0)


@composite(np.fliplr)
def fliplr(m):
    return np.flip(m, 1)


@composite(np.atleast_1d)
def atleast_1d(*arrays):
    raised = tuple(np.reshape(a, (1,)) if np.ndim(a) == 0 else a for a in arrays)
    return raised[0] if len(raised) == 1 else raised


@composite(np.atleast_2d)
def atleast_2d(*arrays):
    raised = tuple(np.reshape(a, (1, -1)) if np.ndim(a) < 2 else a for a in arrays)
    return raised[0] if len(raised) == 1 else raised


# --- Several arrays into one, and one into several


@primitive
def concatenate(*arrays, axis, ends):  # noqa: ARG001
    """np.concatenate; `ends` is for the rule: where each array ends."""
    return np.concatenate(arrays, axis)


def _part(i, g, axis, ends):
    return g[(slice(None),) * axis + (slice(ends[i - 1] if i else 0, ends[i]),)]


rule(concatenate, each=lambda i, g, _y, *_arrays, axis, ends: _part(i, g, axis, ends))


@composite(np.concatenate)
def concatenate_of_numpy(arrays, axis=0):
    if axis is None:
        arrays, axis = [np.ravel(a) for a in arrays], 0
    if any(np.ndim(a) == 0 for a in arrays):
        raise ValueError("np.concatenate joins arrays along an axis, but one of these has none: use np.stack")
    axis = normalize_axis_index(axis, np.ndim(arrays[0]))
    return concatenate(*arrays, axis=axis, ends=list(accumulate(np.shape(a)[axis] for a in arrays)))


@composite(np.stack)
def stack(arrays, axis=0):
    return np.concatenate([np.expand_dims(a, axis) for a in arrays], axis)


@composite(np.vstack)
def vstack(tup):
    return np.concatenate([np.atleast_2d(a) for a in tup], 0)


@composite(np.hstack)
def hstack(tup):
    arrays = [np.atleast_1d(a) for a in tup]
    return np.concatenate(arrays, 0 if arrays[0].ndim == 1 else 1)


@composite(np.column_stack)
def column_stack(tup):
    return np.concatenate([a if np.ndim(a) > 1 else np.reshape(a, (-1, 1)) for a in tup], 1)


def _slices(splitter, ary, indices_or_sections, axis):
    """What `splitter` would do, found out on the numbers 0..n-1."""
    where = indices_or_sections.data if isinstance(indices_or_sections, Tensor) else indices_or_sections
    parts = splitter(np.arange(ary.shape[axis]), where)
    before = (slice(None),) * (axis % ary.ndim)
    indices = [(*before, slice(p[0], p[-1] + 1) if len(p) else slice(0, 0)) for p in parts]
    return [ary[index] for index in indices]


@composite(np.split)
def split(ary, indices_or_sections, axis=0):
    return _slices(np.split, ary, indices_or_sections, axis)


@composite(np.array_split)
def array_split(ary, indices_or_sections, axis=0):
    return _slices(np.array_split, ary, indices_or_sections, axis)


# --- Entries used several times


@composite(np.repeat)
def repeat(a, repeats, axis=None):
    if axis is None:
        a, axis = np.ravel(a), 0
    return np.take(a, np.repeat(np.arange(a.shape[axis]), repeats), axis)


@composite(np.tile)
def tile(A, reps):
    reps = (reps,) if np.ndim(reps) == 0 else tuple(reps)
    ndim = max(A.ndim, len(reps))
    shape = (1,) * (ndim - A.ndim) + A.shape
    reps = (1,) * (ndim - len(reps)) + reps
    pairs = [n for pair in zip(reps, shape, strict=True) for n in pair]
    apart = np.reshape(A, [n for size in shape for n in (1, size)])
    return np.reshape(np.broadcast_to(apart, pairs), [r * n for r, n in zip(reps, shape, strict=True)])


@primitive
def pad_constant(x, width, value):
    return np.pad(x, width, constant_values=value)


def _interior(g, x, width):
    return g[tuple(slice(before, before + n) for (before, _), n in zip(width, x.shape, strict=True))]


rule(
    pad_constant,
    lambda g, _y, _x, width, _value: _interior(g, _x, width),
    None,
    lambda g, _y, _x, width, _value: g - pad_constant(_interior(g, _x, width), width, 0),
)


@composite(np.pad)
def pad(array, pad_width, mode="constant", *, constant_values=0):
    width = [(int(a), int(b)) for a, b in np.broadcast_to(pad_width, (array.ndim, 2))]
    if mode == "constant":
        return pad_constant(array, width, constant_values)
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise TypeError(
            f"np.pad with mode={mode!r} has no derivative here; supported: constant, edge, reflect, symmetric, wrap"
        )
    for axis, before_after in enumerate(width):
        array = np.take(array, np.pad(np.arange(array.shape[axis]), before_after, mode), axis)
    return array
