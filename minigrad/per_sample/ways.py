"""How operations treat samples: the list of those of which we know that they keep them apart.

A way is asked about argument i of a node whose result has the samples in axis 0; g is the gradient there, shape
(N, ...). It answers ROWS: row j of the result depends on row j of the argument alone, so that the ordinary vjp
keeps the samples apart. Or with the per-sample vjp of an argument that serves all samples: called as the ordinary
one, it returns (N, *shape), or what that was broadcast to. Or with None: it cannot vouch for either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..graph import RULES, Node
from ..losses.reduction import weighted
from ..nn import functional as F
from ..nn.conv import convolve
from ..nn.pooling import max_pool, mean_pool
from ..rules.elementwise import cast, clip, where
from ..rules.indexing import gather, scatter
from ..rules.linear_algebra import einsum
from ..rules.reductions import cumprod_last, cumsum_along, prod_last, root_sum_squares
from ..rules.shapes import concatenate, pad_constant
from .outer import outer_products

ROWS = object()

Way = Callable[[Node, int, Any], Any]


def entry_by_entry(node: Node, i: int, _g: Any) -> Any:
    """Functions that act on each entry by itself, after broadcasting."""
    argument = node.parents[i]
    return ROWS if argument.ndim == node.ndim and argument.shape[0] == node.shape[0] else node.rule.vjps[i]


def row_by_row(node: Node, i: int, _g: Any) -> Any:
    """Functions of one array whose row j of the result comes of row j of the array alone, whatever that row is."""
    return ROWS if i == 0 and node.parents[0].shape[:1] == node.shape[:1] else None


def along(axes_of: Callable[..., Any]) -> Way:
    """Functions of one array that mix entries along some axes; `axes_of` says which, None for all."""

    def way(node: Node, i: int, g: Any) -> Any:
        axes = axes_of(*node.args, **(node.kwargs or {}))
        if axes is None or 0 in normalize_axis_tuple(axes, node.parents[i].ndim, allow_duplicate=True):
            return None
        return row_by_row(node, i, g)

    return way


def _joined(node: Node, _i: int, _g: Any) -> Any:
    return ROWS if node.kwargs and node.kwargs["axis"] > 0 else None


def _linear(node: Node, i: int, _g: Any) -> Any:
    if node.args[0].ndim < 2:
        return None
    return (ROWS, linear_weight, node.rule.vjps[2])[i]


def linear_weight(g: Any, _y: Any, x: Any, _weight: Any, _bias: Any = None) -> Any:
    if x.ndim == 2:
        return outer_products(g, x)
    rows = x.reshape((len(x), -1, x.shape[-1]))
    return g.reshape((*rows.shape[:2], g.shape[-1])).swapaxes(1, 2) @ rows


def _convolve(_node: Node, i: int, _g: Any) -> Any:
    return (ROWS, _convolve_weight, _convolve_bias)[i]


def _convolve_weight(g: Any, _y: Any, x: Any, weight: Any, _bias: Any, geometry: Any) -> Any:
    """Each sample's windows, (windows, C * kh * kw), against its gradients, (O, windows)."""
    (n, o, h, w), (c, kh, kw) = g.shape, weight.shape[1:]
    padded = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in geometry.padding)))
    reach = tuple(d * (k - 1) + 1 for d, k in zip(geometry.dilation, (kh, kw), strict=True))
    slide: Any = np.lib.stride_tricks.sliding_window_view
    windows = slide(padded, reach, axis=(2, 3))
    (sh, sw), (dh, dw) = geometry.stride, geometry.dilation
    windows = windows[:, :, ::sh, ::sw, ::dh, ::dw].transpose(0, 2, 3, 1, 4, 5).reshape(n, h * w, c * kh * kw)
    return (g.reshape(n, o, h * w) @ windows).reshape(n, *weight.shape)


def _convolve_bias(g: Any, _y: Any, _x: Any, _weight: Any, _bias: Any, _geometry: Any) -> Any:
    return np.sum(g, axis=(2, 3))


def _matmul(node: Node, i: int, g: Any) -> Any:
    a, b = node.args
    rows_of_a = a.ndim >= 2 and a.ndim - (b.ndim == 1) == g.ndim and a.shape[0] == len(g)
    rows_of_b = b.ndim >= 3 and b.ndim - (a.ndim == 1) == g.ndim and b.shape[0] == len(g)
    if (rows_of_a, rows_of_b)[i]:
        return ROWS
    if max(a.ndim, b.ndim) > 2:  # a stack of products, one for each sample
        return node.rule.vjps[i]
    if a.ndim == 2:
        return _matmul_weight
    return (lambda g, _y, _a, b: g[:, None] * b.T) if i == 0 else None


def _matmul_weight(g: Any, _y: Any, a: Any, b: Any) -> Any:
    return a * g[:, None] if b.ndim == 1 else np.einsum("ni,no->nio", a, g)


def _contract(node: Node, i: int, g: Any) -> Any:
    """np.einsum: the samples are the result's first letter."""
    inputs, output = node.args[0].split("->")
    labels = inputs.split(",")
    mine, sample = labels[i - 1], output[:1]
    if sample not in mine:
        return _contract_weight(i, sample)
    first = mine[0] == sample and mine.count(sample) == 1 and node.parents[i].shape[0] == len(g)
    return ROWS if first else None


def _contract_weight(i: int, sample: str) -> Callable[..., Any]:
    """Give each sample an operand of its own: then the ordinary vjp keeps them apart."""

    def vjp(g: Any, y: Any, subscripts: str, *operands: Any) -> Any:
        inputs, output = subscripts.split("->")
        labels = inputs.split(",")
        labels[i - 1] = sample + labels[i - 1]
        copies = list(operands)
        copies[i - 1] = np.broadcast_to(copies[i - 1], (len(g), *copies[i - 1].shape))
        return RULES[einsum].each(i, g, y, f"{','.join(labels)}->{output}", *copies)  # type: ignore[misc]

    return vjp


def _gathered(node: Node, _i: int, g: Any) -> Any:
    """Indexing: send the numbers of the rows the same way and see whether each arrives in its own row."""
    x, index = node.parents[0], node.args[1]
    samples = np.arange(len(g), like=g)
    if x.shape[:1] == (len(g),):
        sent = np.broadcast_to(_in_rows(samples, x.ndim), x.shape)[index]
        if (sent == _in_rows(samples, g.ndim)).all():
            return ROWS
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [p for p in parts if getattr(p, "ndim", 0)]
    if not arrays or arrays[0] is not parts[0] or any(p.dtype.kind not in "iu" for p in arrays):
        return None
    looked_up = np.broadcast_shapes(*(p.shape for p in arrays))
    if looked_up[0] != len(g):
        return None
    own = (_in_rows(samples, len(looked_up)), *parts)  # each sample picks from a table of its own
    return lambda g, _y, _x, _index: scatter(g, own, (len(g), *x.shape))


def _in_rows(samples: Any, ndim: int) -> Any:
    return samples.reshape((-1, *[1] * (ndim - 1)))


def _moved(order: Any) -> list[int] | None:
    return None if order is None else [i for i, axis in enumerate(order) if axis != i]


WAYS: dict[Any, Way] = {  # all element-wise ufuncs besides
    **dict.fromkeys((where, clip, cast, weighted, np.copy, np.broadcast_to), entry_by_entry),
    **dict.fromkeys((F.relu, F.leaky_relu, F.sigmoid, F.softplus, F.erf), entry_by_entry),
    **dict.fromkeys((np.reshape, np.squeeze, np.expand_dims, max_pool, mean_pool), row_by_row),
    **dict.fromkeys((np.sum, np.mean, np.max, np.min), along(lambda x, axis=None, *, keepdims=False: axis)),
    **dict.fromkeys((F.logsumexp,), along(lambda x, axis=-1, keepdims=False: axis)),
    **dict.fromkeys((F.softmax, F.log_softmax), along(lambda x, axis=-1: axis)),
    **dict.fromkeys((np.flip, cumsum_along), along(lambda x, axis=None: axis)),
    **dict.fromkeys((np.tril, np.triu), along(lambda m, k=0: -1)),
    **dict.fromkeys((prod_last, cumprod_last), along(lambda x: -1)),
    **dict.fromkeys((np.linalg.inv, np.linalg.det), along(lambda a: (-2, -1))),
    F.standardize: along(lambda x, axes, eps, moments=None: axes),
    np.swapaxes: along(lambda x, axis1, axis2: (axis1, axis2)),
    np.moveaxis: along(lambda x, source, destination: np.ravel([source, destination]).tolist()),
    root_sum_squares: along(lambda x, axis, keepdims: axis),
    np.roll: along(lambda x, shift, axis=None: axis),
    np.transpose: along(lambda x, axes=None: _moved(axes)),
    pad_constant: along(lambda x, width, value: [i for i, (before, after) in enumerate(width) if before or after]),
    concatenate: _joined,
    gather: _gathered,
    np.matmul: _matmul,
    einsum: _contract,
    F.linear: _linear,
    convolve: _convolve,
}
