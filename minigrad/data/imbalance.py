"""Make a data set imbalanced to measure: step and long-tail, with exact counts."""

import bisect
import difflib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..random import Rng, generator
from .checks import check_samples

KINDS = ("step", "longtail")


def imbalance(
    X: Any,
    y: Any,
    kind: str = "step",
    ratio: float = 10.0,
    mu: float = 0.5,
    rng: Rng = None,
    order: Sequence[int] | np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Subsample a data set so that its classes have the counts of a step or of a long tail.

    How many samples of each class stay is :func:`imbalance_counts`, exactly; which ones is drawn without
    replacement; the result is shuffled. Draw it for the training part alone: test sets are never rebalanced.

    Parameters
    ----------
    X : array-like, shape (N, ...)
    y : array-like of int, shape (N,)
        Labels; they need not start at 0 nor be without gaps.
    kind : {"step", "longtail"}, default "step"
        Two levels of counts, or counts that fall geometrically from class to class.
    ratio : float >= 1, default 10
        Count of the largest class over the count of the smallest.
    mu : float in [0, 1], default 0.5
        "step" only: the share of the classes that are in the minority.
    rng : None, int or np.random.Generator
        Same int, same samples. A given seed draws nested subsets: the samples that a larger `ratio` keeps of
        a class are among those that a smaller one keeps, wherever it keeps fewer.
    order : sequence of labels, optional
        All classes, largest first. Default: in the order of their labels, so that the last are the rare ones.
        For minority classes drawn by chance, as in Buda et al.: ``order=rng.permutation(np.unique(y))``.

    Returns
    -------
    X, y : ndarray
        Rows of the arguments, dtypes unchanged. For anything else that belongs to the samples, imbalance
        their row numbers instead: ``rows, y = imbalance(np.arange(len(y)), y, ...)``, then ``costs[rows]``.

    Raises
    ------
    TypeError
        Labels that are not integers; an `rng` that is none of the above.
    ValueError
        `X` and `y` of different lengths; fewer than two classes; an unknown `kind`; `ratio` below 1 or so
        large that a class is left empty; `mu` outside [0, 1]; an `order` that is not all the classes once.

    References
    ----------
    M. Buda, A. Maki, M. A. Mazurowski, "A systematic study of the class imbalance problem in convolutional
    neural networks", 2018, section 3.1 (step). Y. Cui et al., "Class-balanced loss based on effective number
    of samples", 2019, section 5.1, and K. Cao et al., "Learning imbalanced datasets with
    label-distribution-aware margin loss", 2019, section 4 (long tail).

    Examples
    --------
    >>> X, y = np.zeros((400, 3)), np.repeat([0, 1, 2, 3], 100)
    >>> X_step, y_step = mg.data.imbalance(X, y, "step", ratio=20, mu=0.25, rng=0)
    >>> X_step.shape, np.bincount(y_step).tolist()
    ((305, 3), [100, 100, 100, 5])
    >>> X_tail, y_tail = mg.data.imbalance(X, y, "longtail", ratio=8, order=[3, 2, 1, 0], rng=0)
    >>> np.bincount(y_tail).tolist()
    [12, 25, 50, 100]
    """
    X, y = check_samples(X, y)
    classes, class_of, available = np.unique(y, return_inverse=True, return_counts=True)
    counts = _counts(available, kind, ratio, mu, _positions(order, classes), classes)
    rng = generator(rng)
    # A whole permutation of each class, whatever its count: so one seed draws nested subsets for all ratios.
    kept = [rng.permutation(np.flatnonzero(class_of == c))[: counts[c]] for c in range(len(classes))]
    rows = rng.permutation(np.concatenate(kept))
    return X[rows], y[rows]


def imbalance_counts(
    available: Sequence[int] | np.ndarray,
    kind: str = "step",
    ratio: float = 10.0,
    mu: float = 0.5,
    order: Sequence[int] | np.ndarray | None = None,
) -> np.ndarray:
    """Count the samples that each class keeps under :func:`imbalance`.

    With the K classes from the largest, c = 0, to the smallest, c = K - 1:

    - "step": n_c = n_max for the first K - m classes, floor(n_max / ratio) for the last m. The number of
      minority classes m is mu K rounded, half upwards, and at least 1 and at most K - 1. mu = 0 and mu = 1
      make all classes alike, whatever the ratio.
    - "longtail": n_c = floor(n_max ratio^(-c / (K - 1))).

    Counts are rounded down, as in the code of Cao et al., so that their CIFAR-LT comes out to the sample.
    n_max is the largest number for which every class has enough samples.

    Parameters
    ----------
    available : sequence of int, shape (K,)
        Samples of each class.
    kind, ratio, mu
        As in :func:`imbalance`.
    order : sequence of int, optional
        The class numbers 0..K-1, largest class first. Default: 0, 1, ..., K-1.

    Returns
    -------
    ndarray, shape (K,), int64
        In the order of `available`, whatever `order` is.

    Raises
    ------
    ValueError
        As :func:`imbalance`; a class with no samples.

    Examples
    --------
    >>> mg.data.imbalance_counts([5000] * 10, "longtail", ratio=100).tolist()
    [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    >>> mg.data.imbalance_counts([5000] * 10, "step", ratio=100, mu=0.2).tolist()
    [5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000, 50, 50]
    """
    available = np.asarray(available)
    classes = np.arange(len(available))
    return _counts(available, kind, ratio, mu, _positions(order, classes), classes)


def _counts(
    available: np.ndarray, kind: str, ratio: float, mu: float, order: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """Check the request and find the counts; `classes` are the names to use in errors."""
    if kind not in KINDS:
        near = difflib.get_close_matches(str(kind).lower(), KINDS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"kind={kind!r} is unknown; expected 'step' or 'longtail'{hint}")
    if not ratio >= 1:
        raise ValueError(
            f"ratio={ratio}; expected largest count / smallest count, a number of 1 or more"
            + (f": {1 / ratio:g}?" if 0 < ratio < 1 else "")
        )
    if not 0 <= mu <= 1:
        raise ValueError(f"mu={mu}; expected the share of minority classes, a number from 0 to 1")
    if len(available) < 2:
        raise ValueError(f"found {len(available)} class(es) in y; an imbalance needs at least two")
    if available.min() < 1:
        raise ValueError(f"class {classes[available.argmin()]} has no samples; leave it out of the counts")

    available = available[order]
    n_max = _largest(available, kind, ratio, mu)
    ordered = _rounded_down(n_max, _divisors(len(available), kind, ratio, mu))
    if ordered.min() == 0:
        fits = n_max
        while (smaller := _largest(available, kind, fits, mu)) < fits:
            fits = smaller
        raise ValueError(
            f"ratio={ratio:g} leaves class {classes[order][ordered.argmin()]} empty: the largest class can "
            f"have {n_max} samples, and {n_max} / {ratio:g} is less than 1; expected a ratio of at most "
            f"{fits}"
        )
    counts = np.empty(len(ordered), np.int64)
    counts[order] = ordered
    return counts


def _divisors(classes: int, kind: str, ratio: float, mu: float) -> np.ndarray:
    """n_max / n_c before rounding, largest class first."""
    if kind == "longtail":
        return float(ratio) ** (np.arange(classes) / (classes - 1))
    minority = 0 if mu in (0, 1) else min(max(math.floor(mu * classes + 0.5), 1), classes - 1)
    return np.where(np.arange(classes) < classes - minority, 1.0, ratio)


def _rounded_down(n_max: int, divisors: np.ndarray) -> np.ndarray:
    # The margin keeps a quotient that is whole on paper, and 499.9999999999999 in floating point, at 500.
    return np.floor(n_max / divisors * (1 + 1e-12)).astype(np.int64)


def _largest(available: np.ndarray, kind: str, ratio: float, mu: float) -> int:
    """The largest n_max for which every class, largest first, has enough samples."""
    divisors = _divisors(len(available), kind, ratio, mu)

    def too_many(n_max: int) -> bool:
        return bool((_rounded_down(n_max, divisors) > available).any())

    return bisect.bisect_left(range(int(available[0]) + 1), True, key=too_many) - 1


def _positions(order: Any, classes: np.ndarray) -> np.ndarray:
    """Positions in `classes`, largest class first."""
    if order is None:
        return np.arange(len(classes))
    labels = np.asarray(order)
    if not np.array_equal(np.sort(labels, axis=None), classes) or labels.ndim != 1:
        raise ValueError(f"order={labels.tolist()}; expected each of the classes {classes.tolist()} once")
    return np.searchsorted(classes, labels)
