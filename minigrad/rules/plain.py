"""Functions without a derivative: piecewise constant, boolean, or about shape. On Tensors they return plain arrays."""

import numpy as np

from ..graph import PLAIN

COMPARISONS = {np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal}
LOGIC = {
    np.logical_and, np.logical_or, np.logical_xor, np.logical_not, np.all, np.any,
    np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert,
}  # fmt: skip
TESTS = {
    np.isnan, np.isinf, np.isfinite, np.signbit, np.isclose, np.allclose, np.array_equal, np.array_equiv,
    np.iscomplexobj, np.isrealobj, np.isin, np.shares_memory, np.may_share_memory,
}  # fmt: skip
STEPS = {np.floor, np.ceil, np.rint, np.trunc, np.round, np.around, np.fix, np.floor_divide, np.heaviside}
POSITIONS = {
    np.argmax, np.argmin, np.argsort, np.argwhere, np.nonzero, np.flatnonzero, np.count_nonzero, np.searchsorted,
    np.lexsort, np.digitize, np.bincount, np.histogram, np.unique, np.argpartition,
}  # fmt: skip
SHAPES = {np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iterable, np.broadcast_shapes}
NEW_ARRAYS = {np.zeros_like, np.ones_like, np.empty_like, np.full_like}
TEXT = {np.array2string, np.array_str, np.array_repr}

PLAIN |= COMPARISONS | LOGIC | TESTS | STEPS | POSITIONS | SHAPES | NEW_ARRAYS | TEXT
