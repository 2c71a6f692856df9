"""N matrices of rank one, kept as the two vectors that each is made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import device as devices


class OuterProducts:
    """The gradients of N samples with respect to the weight of a linear layer, kept as G_i = left_i right_i^T.

    In y_i = W x_i + b, the loss l_i depends on W through y_i alone, so G_i = (dl_i / dy_i) x_i^T. The two vectors
    answer what gradients of samples are mostly asked for, and an array of all entries need not be filled:

        ||G_i|| = ||left_i|| ||right_i||,   <G_i, V> = left_i^T V right_i,   sum_i w_i G_i = left^T diag(w) right

    ``np.asarray`` gives all N * out * in entries. ``G[i]`` is the array of sample i; a slice, a mask or a list of
    samples gives their OuterProducts.

    Parameters
    ----------
    left : array, shape (N, out)
        dl_i / dy_i.
    right : array, shape (N, in), of the same dtype
        x_i.

    Raises
    ------
    IndexError
        For an index that is not one of samples.
    ValueError
        By ``dot`` and ``weighted_sum``, if the shape does not fit.

    Examples
    --------
    >>> G = mg.per_sample.OuterProducts(np.array([[1.0], [3.0]]), np.array([[1.0, 0.0], [3.0, 4.0]]))
    >>> G
    <OuterProducts: 2 samples of shape (1, 2), float64>
    >>> G[1]
    array([[ 9., 12.]])
    >>> G.norms()
    array([ 1., 15.])
    >>> G.weighted_sum([1.0, 0.5])
    array([[5.5, 6. ]])

    References
    ----------
    Goodfellow, "Efficient per-example gradient computations" (2015), arXiv:1510.01799.
    """

    __slots__ = ("left", "right")

    ndim = 3

    def __init__(self, left: Any, right: Any) -> None:
        self.left = left
        self.right = right

    @property
    def shape(self) -> tuple[int, int, int]:
        return (*self.left.shape, self.right.shape[1])

    @property
    def size(self) -> int:
        return self.left.size * self.right.shape[1]

    @property
    def dtype(self) -> np.dtype:
        return self.left.dtype

    def __len__(self) -> int:
        return len(self.left)

    def __getitem__(self, samples: Any) -> Any:
        if samples is None or isinstance(samples, tuple) or np.ndim(samples) > 1:
            raise IndexError(
                f"OuterProducts are indexed by samples alone, got [{samples}]; for entries, take the array of "
                "a sample, G[i][row, column], or of all, np.asarray(G)"
            )
        left, right = self.left[samples], self.right[samples]
        return np.multiply.outer(left, right) if left.ndim == 1 else OuterProducts(left, right)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("OuterProducts hold no array of their entries: np.asarray(G) without copy=False makes one")
        whole = devices.to_host(outer_products(self.left, self.right))
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def norms(self) -> Any:
        """The length of each sample's gradient, shape (N,)."""
        return np.linalg.norm(self.left, axis=1) * np.linalg.norm(self.right, axis=1)

    def dot(self, direction: Any) -> Any:
        """The inner product of each sample's gradient with an array of shape (out, in); shape (N,)."""
        V = fitting("dot: the direction", direction, self.shape[1:], self)
        return np.einsum("ni,ni->n", self.left @ V, self.right)

    def weighted_sum(self, w: Any) -> Any:
        """sum_i w_i G_i for weights of shape (N,); shape (out, in)."""
        w = fitting("weighted_sum: w, one weight per sample,", w, self.shape[:1], self)
        return (self.left * w[:, None]).T @ self.right

    def __repr__(self) -> str:
        return f"<OuterProducts: {len(self)} samples of shape {self.shape[1:]}, {self.dtype}>"


def outer_products(left: Any, right: Any) -> Any:
    """left_i right_i^T, (N, out, in)."""
    return np.einsum("no,ni->noi", left, right)  # a tenth faster than left[:, :, None] * right[:, None, :]


def fitting(name: str, array: Any, shape: tuple[int, ...], gradient: Any) -> Any:
    """`array`, which must have this shape, in the dtype and on the device of the gradient."""
    like = gradient.left if isinstance(gradient, OuterProducts) else gradient
    array = np.asarray(array, gradient.dtype, like=like)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    return array
