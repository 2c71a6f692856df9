"""SMOTE and ENN by imbalanced-learn, on arrays: samples made up, and samples cleaned away.

Both measure distances: standardise the features first. Both are for the training part alone, inside each fold of a
cross-validation and after its split: a sample interpolated from a test sample has seen the test. And both weight, like
a sampler: with class weights on top the imbalance counts twice.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ..random import Rng, generator
from .checks import check_samples, check_whole


def smote(X: Any, y: Any, neighbors: int = 5, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """Fill up each class to the size of the largest with samples between its own (SMOTE).

    A new sample is x + u (x' - x): x a sample of the class, x' one of its nearest `neighbors` of the same class, u
    uniform in 0..1. For weights, make them from the new `y`: what is interpolated has none of its own.

    Parameters
    ----------
    X : array-like of float, shape (N, ...)
        Distances are between whole samples, all their features together.
    y : array-like of int, shape (N,)
    neighbors : int >= 1, default 5
    rng : None, int or np.random.Generator

    Returns
    -------
    X, y : ndarray, shapes (K n_max, ...), (K n_max,)
        The given samples, in their order, then the new ones; dtypes unchanged.

    Raises
    ------
    ImportError
        If imbalanced-learn is not installed.
    TypeError
        Features that are not floating-point; labels that are not integers; `neighbors` that is not an int.
    ValueError
        `X` and `y` of different lengths; fewer than two classes; a class to be filled up that has not more than
        `neighbors` samples.

    References
    ----------
    N. V. Chawla et al., "SMOTE: synthetic minority over-sampling technique", 2002.

    Examples
    --------
    >>> X, y = np.arange(12, dtype=np.float32).reshape(12, 1), np.repeat([0, 1], [8, 4])
    >>> X_new, y_new = mg.data.smote(X, y, neighbors=2, rng=0)
    >>> X_new.shape, X_new.dtype, np.bincount(y_new)
    ((16, 1), dtype('float32'), array([8, 8]))
    """
    X, y, classes, counts = _two_classes(X, y, "smote")
    if X.dtype.kind != "f":
        raise TypeError(
            f"smote got {X.dtype} features, expected floating-point ones, to interpolate between samples: pass "
            "X.astype(np.float32)"
        )
    check_whole("neighbors", neighbors, 1)
    short = counts < min(neighbors + 1, counts.max())
    if short.any():
        label, count = classes[short][0], counts[short][0]
        instead = f"pass neighbors={count - 1}, or " if count > 1 else ""
        raise ValueError(
            f"class {label} has {count} sample(s); smote with neighbors={neighbors} needs {neighbors + 1}, one and its "
            f"neighbors: {instead}repeat samples with mg.data.oversample"
        )
    sampler = _imbalanced_learn("smote").over_sampling.SMOTE(
        k_neighbors=neighbors, random_state=int(generator(rng).integers(2**32))
    )
    return _resampled(sampler, X, y)


def enn(
    X: Any,
    y: Any,
    neighbors: int = 3,
    vote: Literal["all", "mode"] = "all",
    classes: Sequence[int] | np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Remove samples whose neighbours are of another class (edited nearest neighbours): it clears the border.

    Nothing is drawn. After SMOTE, which leaves no class the smallest, name the classes:
    ``enn(*smote(X, y), classes=[0, 1])`` is the SMOTE + ENN of Batista et al., with ``vote="mode"``.

    Parameters
    ----------
    X : array-like, shape (N, ...)
        Distances are between whole samples, all their features together.
    y : array-like of int, shape (N,)
    neighbors : int >= 1, default 3
        Neighbours that are asked, the sample itself not counted.
    vote : {"all", "mode"}, default "all"
        "all": a sample stays if all neighbours are of its class. "mode": if its class is the most frequent among them,
        Wilson's rule. The default is imbalanced-learn's, and removes more.
    classes : sequence of labels, optional
        The classes to thin out. Default: all but the smallest (of several the first).

    Returns
    -------
    X, y : ndarray
        The rows that stay, in their order; dtypes unchanged.

    Raises
    ------
    ImportError
        If imbalanced-learn is not installed.
    TypeError
        Labels or `neighbors` that are not integers.
    ValueError
        `X` and `y` of different lengths; fewer than two classes; not more samples than `neighbors`; an unknown `vote`;
        `classes` that do not occur; a class of which nothing would stay.

    References
    ----------
    D. L. Wilson, "Asymptotic properties of nearest neighbor rules using edited data", 1972. G. Batista, R. Prati and
    M. C. Monard, "A study of the behavior of several methods for balancing machine learning training data", 2004.

    Examples
    --------
    >>> X, y = np.array([[0.0], [1], [2], [3], [8], [9], [10], [11], [9.5]]), np.array([0, 0, 0, 0, 1, 1, 1, 1, 0])
    >>> X_new, y_new = mg.data.enn(X, y)
    >>> X_new.ravel()  # 9.5 is of class 0, the larger, in the midst of class 1
    array([ 0.,  1.,  2.,  3.,  8.,  9., 10., 11.])
    """
    X, y, labels, counts = _two_classes(X, y, "enn")
    check_whole("neighbors", neighbors, 1)
    if len(y) <= neighbors:
        raise ValueError(f"enn got {len(y)} samples; with neighbors={neighbors} it needs {neighbors + 1} or more")
    if vote not in ("all", "mode"):
        raise ValueError(f"vote={vote!r} is unknown; expected 'all' or 'mode'")
    thinned = np.delete(labels, counts.argmin()) if classes is None else np.asarray(classes)
    unknown = np.setdiff1d(thinned, labels)
    if unknown.size:
        raise ValueError(
            f"classes={thinned.tolist()}, but there is no {unknown[0]} in y; expected some of {labels.tolist()}"
        )
    sampler = _imbalanced_learn("enn").under_sampling.EditedNearestNeighbours(
        sampling_strategy=thinned.tolist(), n_neighbors=neighbors, kind_sel=vote
    )
    X_new, y_new = _resampled(sampler, X, y)
    gone = np.setdiff1d(labels, y_new)
    if gone.size:
        raise ValueError(
            f"enn would remove all {counts[labels == gone[0]][0]} samples of class {gone[0]}: none has "
            f"{'only' if vote == 'all' else 'mostly'} neighbors of its class; expected a smaller neighbors (now "
            f"{neighbors}), vote='mode', or classes= without {gone[0]}"
        )
    return X_new, y_new


def _two_classes(X: Any, y: Any, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    X, y = check_samples(X, y)
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2:
        raise ValueError(f"{name} found {len(classes)} class(es) in y; expected two or more")
    return X, y, classes, counts


def _resampled(sampler: Any, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    X_new, y_new = sampler.fit_resample(X.reshape(len(X), -1), y)
    return X_new.reshape(-1, *X.shape[1:]), y_new


def _imbalanced_learn(name: str) -> Any:
    try:
        import imblearn.over_sampling  # on first use: minigrad itself needs NumPy alone
        import imblearn.under_sampling
    except ImportError as error:
        raise ImportError(
            f"{name}() is imbalanced-learn's, which could not be imported ({error}); install it from the checkout "
            'with: pip install -e ".[lessons]"'
        ) from error
    return imblearn
