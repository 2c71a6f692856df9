"""Several labels for one image: pairs of digits."""

from typing import Any

import numpy as np

from ..random import Rng, generator
from .checks import check_images, check_samples, check_whole


def two_digits(images: Any, labels: Any, n: int, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """Set two digits side by side in one image; its labels are the digits that it shows.

    Side by side and not one over the other: nothing is hidden, so what is hard about these data is their imbalance
    alone. The two are drawn independently, with replacement, the same digit twice included. With pi_c the share of
    digit c in `labels`, label c is set in a share P_c = 1 - (1 - pi_c)^2 of the images, and c together with d in
    2 pi_c pi_d. There are two imbalances, and the second stays when the first is gone:

    - *between* labels, max P_c / min P_c: that of the digits, hardly less. Made to measure by passing digits that
      ``mg.data.imbalance`` has thinned out;
    - *within* a label, (1 - P_c) / P_c negatives for each positive: 4.3 even for ten balanced digits.

    Parameters
    ----------
    images : array-like, shape (N, C, H, W)
        MNIST's, or those of ``load_digits`` as ``X.reshape(-1, 1, 8, 8)``. Make training pairs from the training part
        and test pairs from the test part.
    labels : array-like of int, shape (N,)
        The digits, 0..9.
    n : int
        Pairs to draw; N^2 are possible.
    rng : None, int or np.random.Generator

    Returns
    -------
    X : ndarray, shape (n, C, H, 2 W)
        Of the images' dtype: (n, 1, 28, 56) from MNIST.
    Y : ndarray, shape (n, 10), float32
        One column for each digit, 1 where the image shows it, else 0: one or two ones in a row.

    Raises
    ------
    TypeError
        Labels that are not integers; an `n` that is not an int.
    ValueError
        Images of another rank or none, labels that are not one per image or not 0..9, an `n` below 0.

    References
    ----------
    The data are ours; S. Sabour, N. Frosst and G. E. Hinton, "Dynamic routing between capsules", 2017, section 6, lay
    two digits over each other. T. Wu et al., "Distribution-balanced loss for multi-label classification in long-tailed
    datasets", 2020 (the two imbalances: long tail, and dominance of negatives).

    Examples
    --------
    >>> X, y = mg.data.load_digits()
    >>> pairs, Y = mg.data.two_digits(X.reshape(-1, 1, 8, 8), y, 5000, rng=0)
    >>> pairs.shape, pairs.dtype, Y.shape
    ((5000, 1, 8, 16), dtype('float32'), (5000, 10))
    >>> Y.mean(axis=0).round(2)
    array([0.18, 0.19, 0.19, 0.19, 0.2 , 0.19, 0.2 , 0.18, 0.18, 0.19],
          dtype=float32)
    """
    images, labels = check_samples(check_images(images, "two_digits"), labels)
    check_whole("n", n, 0)
    if not len(labels):
        raise ValueError("two_digits got no images; expected at least one to make pairs of")
    if labels.min() < 0 or labels.max() > 9:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(f"two_digits found label {wrong}; expected the digits 0..9")
    left, right = generator(rng).integers(len(labels), size=(2, n))
    Y = np.zeros((n, 10), np.float32)
    for side in left, right:
        Y[np.arange(n), labels[side].astype(np.intp)] = 1
    return np.concatenate([images[left], images[right]], axis=3), Y
