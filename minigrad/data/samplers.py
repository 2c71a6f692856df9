"""Which rows an epoch goes through, and how often: the other way to weight.

A sampler is a function ``(..., rng=None) -> rows`` of row numbers, drawn anew at each call and in random order. Use it
on the training part, once per epoch::

    rows = mg.data.oversample(y, rng)                          # X[rows], y[rows], w[rows] are the epoch
    mg.data.batches(X, y, sampler=partial(mg.data.oversample, y), rng=rng)  # the same, drawn at each pass

How often a row is expected to come, E[count_i], is its weight: the gradient of an epoch's sum is expected to be
sum_i E[count_i] (gradient of l_i). **A sampler and weights together count twice**: oversampling a class ten times and
weighting it by ten weights it by a hundred. Spend the imbalance once.

==================  =================  ===================================  ==========================
sampler             rows of an epoch   E[count_i]                           as weights, up to a factor
==================  =================  ===================================  ==========================
``oversample``      K n_max            n_max / n_c                          ``weighting.balanced``
``undersample``     K n_min            n_min / n_c                          ``weighting.balanced``
``class_balanced``  n                  n / (K n_c)                          ``weighting.balanced``
``square_root``     n                  n / (sqrt(n_c) sum_k sqrt(n_k))      ``weighting.inverse_sqrt``
``weighted``        n                  n w_i / sum_j w_j                    w
==================  =================  ===================================  ==========================

n_c is the number of samples of the class of row i, K the number of classes; with n = N rows E[count_i] is the weight
itself. The expectations of the first three are proportional, their variances are not: undersampling leaves out rows,
independent draws miss some and repeat others, oversampling does neither.
"""

from __future__ import annotations  # np.random.Generator in a signature would import numpy.random at once

from typing import Any

import numpy as np

from .. import weighting
from ..random import Rng, generator
from .checks import check_labels, check_whole


def oversample(y: Any, rng: Rng = None) -> np.ndarray:
    """Repeat the rows of smaller classes until each class has as many as the largest.

    Each row of a class of n_c comes n_max // n_c times, and n_max % n_c of them, drawn without replacement, once more:
    no row is left out, and E[count_i] = n_max / n_c. Where n_max / n_c is whole nothing is left to chance: the epoch is
    the data set with every row repeated as often as its weight says. (imbalanced-learn's ``RandomOverSampler`` draws
    all that is missing with replacement: the same expectation, a larger variance.)

    Parameters
    ----------
    y : array-like of int, shape (N,)
        Labels; they need not start at 0 nor be without gaps.
    rng : None, int or np.random.Generator

    Returns
    -------
    ndarray, shape (K n_max,), int64
        Row numbers in random order.

    Raises
    ------
    TypeError
        Labels that are not integers.
    ValueError
        No labels, or not of shape (N,).

    References
    ----------
    M. Buda, A. Maki and M. A. Mazurowski, "A systematic study of the class imbalance problem in convolutional neural
    networks", 2018, section 2.1.

    Examples
    --------
    >>> y = np.array([0, 0, 0, 0, 1, 1])
    >>> rows = mg.data.oversample(y, rng=0)
    >>> np.sort(rows)
    array([0, 1, 2, 3, 4, 4, 5, 5])
    """
    class_of, counts = _classes(y, "oversample")
    return _even(class_of, counts, int(counts.max()), generator(rng))


def undersample(y: Any, rng: Rng = None) -> np.ndarray:
    """Draw from each class, without replacement, as many rows as the smallest has: E[count_i] = n_min / n_c.

    Drawn anew at each epoch, as ``batches(..., sampler=)`` does, all rows are seen in time; drawn once, the rest of the
    data is thrown away.

    Parameters
    ----------
    y : array-like of int, shape (N,)
        Labels; they need not start at 0 nor be without gaps.
    rng : None, int or np.random.Generator

    Returns
    -------
    ndarray, shape (K n_min,), int64
        Row numbers in random order, none twice.

    Raises
    ------
    TypeError, ValueError
        As :func:`oversample`.

    References
    ----------
    Buda et al. 2018, section 2.1.

    Examples
    --------
    >>> y = np.array([0, 0, 0, 0, 1, 1])
    >>> y[mg.data.undersample(y, rng=0)].sum()
    np.int64(2)
    """
    class_of, counts = _classes(y, "undersample")
    return _even(class_of, counts, int(counts.min()), generator(rng))


def class_balanced(y: Any, n: int | None = None, rng: Rng = None) -> np.ndarray:
    """Draw a class, each equally likely, then a row of that class; n times: P(i) = 1 / (K n_c).

    Every batch is balanced, in expectation alone; :func:`oversample` balances every epoch to the row.

    Parameters
    ----------
    y : array-like of int, shape (N,)
        Labels; they need not start at 0 nor be without gaps.
    n : int, optional
        Rows to draw. Default: N.
    rng : None, int or np.random.Generator

    Returns
    -------
    ndarray, shape (n,), int64
        Row numbers, drawn independently: with replacement.

    Raises
    ------
    TypeError, ValueError
        As :func:`oversample`; an `n` that is not a whole number of 0 or more.

    References
    ----------
    B. Kang et al., "Decoupling representation and classifier for long-tailed recognition", 2020, section 3, equation 1
    with q = 0.

    Examples
    --------
    >>> y = np.repeat([0, 1], [990, 10])
    >>> np.bincount(y[mg.data.class_balanced(y, 2000, rng=0)])
    array([1007,  993])
    """
    return _by_class(y, -1.0, n, rng, "class_balanced")


def square_root(y: Any, n: int | None = None, rng: Rng = None) -> np.ndarray:
    """Draw a class with a probability that is proportional to sqrt(n_c), then a row of that class; n times.

    P(class c) = sqrt(n_c) / sum_k sqrt(n_k), P(i) = P(class c) / n_c: half way, by the geometric mean, between the
    natural shares and balanced ones. A ratio of 100 becomes 10.

    Parameters
    ----------
    y : array-like of int, shape (N,)
        Labels; they need not start at 0 nor be without gaps.
    n : int, optional
        Rows to draw. Default: N.
    rng : None, int or np.random.Generator

    Returns
    -------
    ndarray, shape (n,), int64
        Row numbers, drawn independently: with replacement.

    Raises
    ------
    TypeError, ValueError
        As :func:`class_balanced`.

    References
    ----------
    Kang et al. 2020, equation 1 with q = 1/2; D. Mahajan et al., "Exploring the limits of weakly supervised
    pretraining", 2018.

    Examples
    --------
    >>> y = np.repeat([0, 1], [1000, 10])
    >>> np.bincount(y[mg.data.square_root(y, 1100, rng=0)])
    array([1002,   98])
    """
    return _by_class(y, -0.5, n, rng, "square_root")


def weighted(w: Any, n: int | None = None, rng: Rng = None) -> np.ndarray:
    """Draw row i with probability w_i / sum w, n times.

    What any weights would do to the gradient, in expectation: with "mean" over the drawn rows and no weights, the
    gradient is expected to be sum w_i g_i / sum w. Use these weights here or in the loss, not in both.

    Parameters
    ----------
    w : array-like, shape (N,)
        Weights of any scale; rows of weight 0 are never drawn. **Class weights (K,) must be gathered first**: ``w[y]``.
    n : int, optional
        Rows to draw. Default: N.
    rng : None, int or np.random.Generator

    Returns
    -------
    ndarray, shape (n,), int64
        Row numbers, drawn independently: with replacement.

    Raises
    ------
    TypeError
        Weights that are not numbers; an `n` that is not an int.
    ValueError
        Weights that are negative, not finite, all zero or not of shape (N,); an `n` below 0.

    Examples
    --------
    >>> np.bincount(mg.data.weighted([1, 0, 3], 4000, rng=0))
    array([1014,    0, 2986])
    """
    weights = weighting.check_finite_weights(w, "weighted: w")
    if not weights.any():
        raise ValueError(f"weighted: the {len(weights)} weights are all zero; expected at least one row to draw")
    return _independent(weights, n, generator(rng))


def _classes(y: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    y = check_labels(y)
    if not len(y):
        raise ValueError(f"{name} got no labels; expected those of the training samples, shape (N,)")
    _, class_of, counts = np.unique(y, return_inverse=True, return_counts=True)
    return class_of, counts


def _even(class_of: np.ndarray, counts: np.ndarray, each: int, rng: np.random.Generator) -> np.ndarray:
    """`each` rows of every class, none of them more often by two than another of its class."""
    rows = [np.resize(rng.permutation(np.flatnonzero(class_of == c)), each) for c in range(len(counts))]
    return rng.permutation(np.concatenate(rows))


def _by_class(y: Any, power: float, n: int | None, rng: Rng, name: str) -> np.ndarray:
    class_of, counts = _classes(y, name)
    return _independent((counts**power)[class_of], n, generator(rng))


def _independent(weights: np.ndarray, n: int | None, rng: np.random.Generator) -> np.ndarray:
    if n is None:
        n = len(weights)
    check_whole("n", n, 0)
    return rng.choice(len(weights), n, p=weights / weights.sum())
