"""Mini-batches: every array is cut by the same rows, so labels and weights stay with their samples."""

from __future__ import annotations  # np.random.Generator in a signature would import numpy.random at once

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..random import Rng, generator

Sampler = Callable[..., np.ndarray]


class Batches:
    """One pass over arrays in mini-batches, as often as it is iterated; made by :func:`batches`.

    ``len()`` is the number of batches of a pass.
    """

    def __init__(
        self,
        arrays: tuple[Any, ...],
        batch_size: int,
        shuffle: bool,
        drop_last: bool,
        rng: Rng,
        sampler: Sampler | None = None,
    ) -> None:
        self.arrays = arrays
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.rng = rng
        self.sampler = sampler
        # A first draw, not to be used: it tells how many rows a pass has, and an unusable sampler is reported here.
        N = len(arrays[0])
        self.samples = N if sampler is None else len(_drawn(sampler, np.random.default_rng(0), N))

    def __len__(self) -> int:
        return self.samples // self.batch_size if self.drop_last else -(-self.samples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        order = self._order()
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            rows = slice(start, start + self.batch_size)
            yield tuple(array[rows if order is None else order[rows]] for array in self.arrays)

    def _order(self) -> np.ndarray | None:
        """The rows of a pass; None: all, as they stand."""
        if self.sampler is None:
            return generator(self.rng).permutation(self.samples) if self.shuffle else None
        rng = generator(self.rng)
        rows = _drawn(self.sampler, rng, len(self.arrays[0]))
        if len(rows) != self.samples:
            raise ValueError(
                f"the sampler of batches() gave {len(rows)} rows, and {self.samples} when batches() was called; "
                "expected the same number at each pass, or len() would be wrong"
            )
        return rng.permutation(rows) if self.shuffle else rows


def _drawn(sampler: Sampler, rng: np.random.Generator, N: int) -> np.ndarray:
    """Rows from the sampler, checked: a negative one would silently count from the end."""
    rows = np.asarray(sampler(rng=rng))
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise TypeError(
            f"the sampler of batches() gave {rows.dtype} values of shape {rows.shape}; expected row numbers, "
            "integers of shape (n,)" + (": np.flatnonzero(mask)" if rows.dtype.kind == "b" else "")
        )
    if rows.size and not 0 <= rows.min() <= rows.max() < N:
        wrong = rows.min() if rows.min() < 0 else rows.max()
        raise ValueError(
            f"the sampler of batches() gave row {wrong}; expected 0..{N - 1}, the rows of these arrays: was it made "
            "with the labels of another part of the data?"
        )
    return rows


def batches(
    *arrays: Any,
    batch_size: int = 32,
    shuffle: bool = True,
    drop_last: bool = False,
    rng: Rng = None,
    sampler: Sampler | None = None,
) -> Batches:
    """Cut arrays of N samples into mini-batches of the same rows.

    Give everything that belongs to a sample, in any number: ``batches(X, y)``, ``batches(X, y, w)``.

    Parameters
    ----------
    *arrays : array-like, each of shape (N, ...)
        NumPy or CuPy arrays and Tensors stay what they are; anything else (a list, a pandas column) becomes a
        NumPy array.
    batch_size : int, default 32
    shuffle : bool, default True
        A new random order at each pass. False: the given order (with a sampler: the sampler's), and without a sampler
        batches of NumPy arrays are views.
    drop_last : bool, default False
        Leave out the last batch if it has fewer than `batch_size` samples.
    rng : None, int or np.random.Generator
        None: a different order each time. **An int gives the same order at every pass**; a Generator
        continues, so that epochs differ and the whole run repeats: make one ``np.random.default_rng(0)``
        before the loop.
    sampler : callable, optional
        ``sampler(rng=generator) -> rows``, integers of shape (n,), drawn anew at each pass: which rows the pass goes
        through, and how often. The functions of ``mg.data.samplers``, their arguments set by ``functools.partial``, or
        your own; n must be the same at each pass. Default: every row once. **A sampler and weights together count
        twice**: with an array of class weights among `arrays`, leave the sampler out.

    Returns
    -------
    Batches
        An iterable with a `len`; each pass yields tuples with one entry for each array. N = 0 yields nothing.

    Raises
    ------
    TypeError
        No array; a `batch_size` that is not an integer; an `rng` that is none of the above; a sampler that is not
        callable, or does not give integers (n,).
    ValueError
        Arrays of different lengths or without samples to count (0-d); `batch_size` below 1; a sampler whose rows are
        not rows of the arrays, or at a later pass are more or fewer than at first.

    Examples
    --------
    >>> X, y, w = np.arange(10).reshape(5, 2), np.array([0, 0, 1, 1, 1]), np.array([1.0, 1, 2, 2, 2])
    >>> for xb, yb, wb in mg.data.batches(X, y, w, batch_size=2, shuffle=False):
    ...     print(xb.tolist(), yb.tolist(), wb.tolist())
    [[0, 1], [2, 3]] [0, 0] [1.0, 1.0]
    [[4, 5], [6, 7]] [1, 1] [2.0, 2.0]
    [[8, 9]] [1] [2.0]

    >>> rng = np.random.default_rng(0)
    >>> epoch = mg.data.batches(X, y, batch_size=2, rng=rng)
    >>> len(epoch), sum(len(yb) for _, yb in epoch)
    (3, 5)

    A sampler: the two samples of class 0 come as often as the three of class 1.

    >>> from functools import partial
    >>> epoch = mg.data.batches(X, y, batch_size=6, sampler=partial(mg.data.oversample, y), rng=rng)
    >>> [np.bincount(yb).tolist() for _, yb in epoch]
    [[3, 3]]
    """
    if not arrays:
        raise TypeError("batches() got no array; pass the samples and what belongs to them: batches(X, y)")
    # Only arrays that take part in NumPy's dispatch (NumPy, CuPy, Tensor) are sure to index by row: a pandas
    # frame would look up columns, a series labels.
    arrays = tuple(array if hasattr(array, "__array_function__") else np.asarray(array) for array in arrays)
    for position, array in enumerate(arrays):
        if array.ndim == 0:
            raise ValueError(
                f"array {position} of batches() has no dimension to cut: it is a single value of dtype "
                f"{array.dtype}; expected shape (N, ...)"
            )
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"the arrays of batches() have {', '.join(map(str, lengths))} samples; expected the same number "
            "in each, one row (label, weight) per sample"
        )
    try:
        batch_size = operator.index(batch_size)
    except TypeError:
        raise TypeError(f"batch_size={batch_size!r} is a {type(batch_size).__name__}; expected an int") from None
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}; expected 1 or more (batch_size=len(X) gives one full batch)")
    if rng is not None:
        generator(rng)  # an unusable rng is reported here, not in the middle of the training loop
    if sampler is not None and not callable(sampler):
        raise TypeError(
            f"sampler is a {type(sampler).__name__}; expected a function that draws anew at each pass, such as "
            "functools.partial(mg.data.oversample, y)"
        )
    return Batches(arrays, batch_size, shuffle, drop_last, rng, sampler)
