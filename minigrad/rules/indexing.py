"""Picking entries and putting them back: indexing, take, sort, diagonals.

Gather and scatter are linear and each other's derivative; everything here is built of that pair.
"""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from .. import device as devices
from ..graph import composite, primitive, rule
from ..tensor import Tensor


@primitive
def gather(x, index):
    return x[index]


@primitive
def scatter(values, index, shape):
    """Zeros of `shape`, with `values` added at `index`; entries named twice receive both."""
    whole = np.zeros(shape, values.dtype, like=values)
    if _may_repeat(index):
        devices.add_at(whole, index, values)
    else:
        whole[index] = values
    return whole


def _may_repeat(index):
    parts = index if isinstance(index, tuple) else (index,)
    return any(hasattr(p, "dtype") and p.dtype.kind in "iu" and p.ndim for p in parts)


rule(gather, lambda g, _y, _x, index: scatter(g, index, _x.shape), selects=True)
rule(scatter, lambda g, _y, _values, index, shape: gather(g, index))


def _usable(index):
    """An index without Tensors and sequences (CuPy takes neither)."""
    if isinstance(index, Tensor):
        return index.data
    if isinstance(index, (list, tuple)):
        return np.asarray(index, dtype=None if index else int)
    return index


def getitem(x, index):
    index = tuple(_usable(part) for part in index) if isinstance(index, tuple) else _usable(index)
    return gather(x, index if type(x.data) is np.ndarray else _on_device(x.data, index))


def _on_device(x, index):
    """The index, checked, with its arrays where x is: there one out of range would wrap, and nobody hear of it."""
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(part, np.ndarray) for part in parts):
        known = (np.zeros(p.shape, p.dtype) if devices.is_array(p) and not devices.on_host(p) else p for p in parts)
        np.broadcast_to(False, x.shape)[tuple(known)]  # NumPy's own IndexError, at no memory
        index = tuple(devices.beside(part, x) for part in parts)
    return index


Tensor.__getitem__ = getitem


@composite(np.take)
def take(a, indices, axis=None, mode="raise"):
    if axis is None:
        a, axis = np.ravel(a), 0
    axis = normalize_axis_index(axis, a.ndim)
    indices = _usable(indices)
    n = a.shape[axis]
    if mode == "wrap":
        indices = np.remainder(indices, n)
    elif mode == "clip":
        indices = np.clip(indices, 0, n - 1)
    return a[(slice(None),) * axis + (indices,)]


@composite(np.take_along_axis)
def take_along_axis(arr, indices, axis=-1):
    if axis is None:
        arr, axis = np.ravel(arr), 0
    indices = _usable(indices)
    index = [
        np.arange(n, like=indices).reshape([-1 if i == j else 1 for j in range(arr.ndim)])
        for i, n in enumerate(arr.shape)
    ]
    index[axis] = indices
    return arr[tuple(index)]


@composite(np.sort)
def sort(a, axis=-1, kind=None):
    if axis is None:
        a, axis = np.ravel(a), 0
    return np.take_along_axis(a, np.argsort(a, axis=axis, kind=kind), axis)


@composite(np.diff)
def diff(a, n=1, axis=-1):
    if n < 0:
        raise ValueError(f"np.diff: n={n}, expected the number of differences to take, 0 or more")
    before = (slice(None),) * normalize_axis_index(axis, a.ndim)
    later, earlier = (*before, slice(1, None)), (*before, slice(None, -1))
    for _ in range(n):
        a = a[later] - a[earlier]
    return a


# --- Diagonals


def _on_diagonal(rows, columns, offset, like):
    """Row and column numbers of the entries on a diagonal of a (rows, columns) matrix."""
    i = np.arange(max(0, min(rows + min(offset, 0), columns - max(offset, 0))), like=like)
    return i - min(offset, 0), i + max(offset, 0)


@composite(np.diagonal)
def diagonal(a, offset=0, axis1=0, axis2=1):
    moved = np.moveaxis(a, (axis1, axis2), (-2, -1))
    rows, columns = moved.shape[-2:]
    i, j = _on_diagonal(rows, columns, offset, a)
    return moved[..., i, j]


@composite(np.diag)
def diag(v, k=0):
    if v.ndim == 1:
        n = v.size + abs(k)
        return scatter(v, _on_diagonal(n, n, k, v), (n, n))
    if v.ndim != 2:
        raise ValueError(f"np.diag takes a vector or a matrix, not shape {v.shape}: np.diagonal takes any")
    return np.diagonal(v, k)


@composite(np.trace)
def trace(a, offset=0, axis1=0, axis2=1):
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1)
