"""Data of known difficulty: imbalance, and the three things that make it hard, each on a knob of its own."""

import math
from typing import Any, Literal, overload

import numpy as np

from ..random import Rng, generator
from .checks import check_labels, check_range, check_whole


@overload
def synthetic(
    n: int,
    *,
    ratio: float = ...,
    overlap: float = ...,
    label_noise: float = ...,
    complexity: int = ...,
    dimensions: int = ...,
    rng: Rng = ...,
    return_clean: Literal[False] = ...,
) -> tuple[np.ndarray, np.ndarray]: ...


@overload
def synthetic(
    n: int,
    *,
    ratio: float = ...,
    overlap: float = ...,
    label_noise: float = ...,
    complexity: int = ...,
    dimensions: int = ...,
    rng: Rng = ...,
    return_clean: Literal[True],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...


def synthetic(
    n: int,
    *,
    ratio: float = 1.0,
    overlap: float = 0.0,
    label_noise: float = 0.0,
    complexity: int = 1,
    dimensions: int = 2,
    rng: Rng = None,
    return_clean: bool = False,
) -> tuple[np.ndarray, ...]:
    """Make two classes whose imbalance, overlap, label noise and complexity are known.

    Class 1 is the minority, pi = n_1 / n its share. The first feature x decides, between 0 and 1; the others are
    uniform and tell nothing.

    - `complexity` c cuts 0..1 into m = 2^c intervals of equal length that belong to class 0, 1, 0, 1, ... in turn: the
      backbone model of Japkowicz and Stephen. The boundary consists of m - 1 points, and a minority interval has about
      n_1 / 2^(c - 1) samples. What hurts, they found, is less the ratio than these *small disjuncts*: it grows with c
      and vanishes with enough data.
    - `overlap` v is the share of each class's samples that lie in zones of width v / m about those points, uniformly
      and whatever their class: P(1 | x) = pi there. The other samples of a class lie uniformly in the rest of its
      intervals: P(1 | x) = 0 or 1. **The Bayes error is v pi**: with the fewest errors everything in the zones is
      called 0, and the share v of the minority is lost. More data does not cure it; weights move that choice, they do
      not part the classes.
    - `label_noise` e flips the labels of round(e n) samples, drawn from all alike, after that: wherever x is, P(1 | x)
      becomes e + (1 - 2 e) P(1 | x). While e < 1/2 the best decisions stay as they were: their error is v pi on clean
      labels, e + (1 - 2 e) v pi on noisy ones. Of the labels 1 that one sees, a share e r / (e r + 1 - e) is wrong,
      r = (1 - pi) / pi: at 1 % noise and a ratio of 99, half of them.

    Parameters
    ----------
    n : int >= 2
    ratio : float >= 1, default 1
        Samples of class 0 over those of class 1, before the noise: n_1 = n / (1 + ratio), rounded down.
    overlap : float in [0, 1], default 0
        At 0 the classes touch; at 1 nothing tells them apart.
    label_noise : float in [0, 1], default 0
    complexity : int from 1 to 10, default 1
        At 1 a threshold on x is enough.
    dimensions : int >= 1, default 2
        Features, with the one that decides.
    rng : None, int or np.random.Generator
        With one seed, data that differ in their label noise alone have the same X and the same clean labels.
    return_clean : bool, default False
        Also return the labels before the noise; ``y != clean`` are the flipped ones.

    Returns
    -------
    X : ndarray, shape (n, dimensions), float32
        In [0, 1], in random order.
    y : ndarray, shape (n,), int64
    clean : ndarray, shape (n,), int64
        With `return_clean`.

    Raises
    ------
    TypeError
        An `n`, `complexity` or `dimensions` that is not an int.
    ValueError
        A number outside its range; so few samples that class 1 would have none.

    References
    ----------
    N. Japkowicz and S. Stephen, "The class imbalance problem: a systematic study", Intelligent Data Analysis 6, 2002
    (the backbone model; theirs has one feature, and neither overlap nor noise). K. Napierala, J. Stefanowski and
    S. Wilk, "Learning from imbalanced data in presence of noisy and borderline examples", 2010 (overlap as the share of
    samples at the border).

    Examples
    --------
    >>> X, y, clean = mg.data.synthetic(
    ...     1000, ratio=9, overlap=0.2, label_noise=0.05, complexity=2, rng=0, return_clean=True
    ... )
    >>> X.shape, X.dtype, np.bincount(clean), int((y != clean).sum())
    ((1000, 2), dtype('float32'), array([900, 100]), 50)

    The best decisions err on what overlaps of the minority, 0.2 * 0.1 of all samples but for chance:

    >>> interval = (X[:, 0] * 4).astype(int)
    >>> in_zone = abs(X[:, 0] * 4 - np.clip(np.round(X[:, 0] * 4), 1, 3)) < 0.2 / 2
    >>> best = np.where(in_zone, 0, interval % 2)
    >>> float(np.mean(best != clean))
    0.022
    """
    check_whole("n", n, 2)
    check_range("ratio", ratio, 1, np.inf)
    check_range("overlap", overlap, 0, 1)
    check_range("label_noise", label_noise, 0, 1)
    check_whole("complexity", complexity, 1, 10)
    check_whole("dimensions", dimensions, 1)
    minority = math.floor(n / (1 + ratio) * (1 + 1e-12))  # a quotient that is whole on paper stays so
    if minority < 1:
        raise ValueError(
            f"n={n} samples at ratio={ratio:g} leave none for class 1; expected a ratio of at most {n - 1}, or more "
            "samples"
        )
    rng = generator(rng)
    clean = rng.permutation(np.repeat([0, 1], [n - minority, minority]))
    X = rng.random((n, dimensions))
    # By the inverse of each class's distribution function: x is where it reaches the uniform number.
    for label in 0, 1:
        edges, distribution = _backbone(label, 2**complexity, overlap)
        rows = clean == label
        X[rows, 0] = np.interp(X[rows, 0], distribution, edges)
    y, _ = flip_labels(clean, label_noise, rng)
    return (X.astype(np.float32), y, clean) if return_clean else (X.astype(np.float32), y)


def _backbone(label: int, m: int, overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """The edges of the pieces of 0..1, (2 m,), and the distribution function of a class there; linear between them."""
    boundaries = np.arange(1, m)
    inner = np.stack([boundaries - overlap / 2, boundaries + overlap / 2], axis=1).ravel()
    edges = np.concatenate([[0], inner, [m]]) / m
    # Pieces: what is left of interval 0, the zone between 0 and 1, what is left of 1, the zone between 1 and 2, ...
    own = np.arange(2 * m - 1) % 4 == 2 * label
    mass = np.where(own, np.diff(edges), 0)
    mass *= (1 - overlap) / mass.sum()
    mass[1::2] = overlap / (m - 1)
    distribution = np.concatenate([[0], np.cumsum(mass)])
    return edges, distribution / distribution[-1]


def flip_labels(y: Any, share: float, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """Give a share of the samples a wrong label: uniform label noise, exactly round(share N) of them.

    Which ones is drawn without replacement from all samples alike; the wrong label is each of the other classes with
    the same probability. So a class gets wrong samples in proportion to the size of the others, and a rare one may end
    up with more wrong ones than right.

    Parameters
    ----------
    y : array-like of int, shape (N,)
        Labels; the classes are those that occur.
    share : float in [0, 1]
    rng : None, int or np.random.Generator

    Returns
    -------
    noisy : ndarray, shape (N,)
        A new array of y's dtype.
    flipped : ndarray, shape (N,), bool
        Where it differs from `y`.

    Raises
    ------
    TypeError
        Labels that are not integers.
    ValueError
        Labels not of shape (N,); a `share` outside [0, 1], or above 0 for labels of one class.

    References
    ----------
    M. Ren et al., "Learning to reweight examples for robust deep learning", 2018 ("UniformFlip").

    Examples
    --------
    >>> y = np.arange(9) % 3
    >>> noisy, flipped = mg.data.flip_labels(y, 0.2, rng=0)
    >>> y, noisy, np.flatnonzero(flipped)
    (array([0, 1, 2, 0, 1, 2, 0, 1, 2]), array([0, 1, 2, 0, 0, 1, 0, 1, 2]), array([4, 5]))
    """
    y = check_labels(y)
    check_range("share", share, 0, 1)
    classes, class_of = np.unique(y, return_inverse=True)
    rng = generator(rng)
    rows = rng.permutation(len(y))[: round(share * len(y))]
    if len(rows) and len(classes) < 2:
        raise ValueError(
            f"all labels are {classes[0]}; expected two classes or more, or there is no wrong label to give"
        )
    noisy = y.copy()
    # A step of 1..K-1 around the circle of classes ends on any of the others, never at the start.
    noisy[rows] = classes[(class_of[rows] + rng.integers(1, max(len(classes), 2), len(rows))) % len(classes)]
    return noisy, noisy != y
