"""Losses whose samples are weighted by their own gradient norms, the weights being taken for constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..nn.functional import sigmoid
from ..tensor import Tensor, as_array
from ..weighting import real_numbers
from . import checks
from .basic import sigmoid_cross_entropy, softmax_cross_entropy
from .entries import binary_entries, entry_weights
from .options import like_logits, positive
from .reduction import gathered, reduce_gathered


def detached(x: Any) -> Any:
    """x as a constant: no gradient flows back from here."""
    return x.detach() if isinstance(x, Tensor) else x


def influence_balanced(
    prediction: Any,
    target: Any,
    *,
    features: Any = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
    eps: float = 1e-3,
) -> Any:
    """Cross-entropy over each sample's influence: l_i = -log p_y / (|p - e_y|_1 |h|_1 + eps) (Park et al. 2021).

    The denominator is the L1 norm of the sample's gradient at the last layer's weights, outer(p - e_y, h). It is
    detached, so dl/dz = (p - e_y) / (|p - e_y|_1 |h|_1 + eps), bounded by 1 / |h|_1 whatever the sample. (The code
    that was published with the paper does not detach it: a different method.) Since the value also changes through
    the denominator, finite differences of it do not give this gradient.

    Parameters
    ----------
    prediction : Tensor or array, shape (N, K)
        Logits.
    target : integers (N,) in 0..K-1, or the same one-hot, (N, K)
    features : Tensor or array, shape (N, D), optional
        h, the input of the last layer; detached too. Default: |h|_1 = 1.
    sample_weight : (N,), optional
    class_weight : (K,) or dict keyed by label, optional
        The paper's lambda_c, proportional to 1 / n_c; its alpha is a factor on them.
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0
    eps : float > 0, default 1e-3
        Keeps samples without influence finite; the authors' value.

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        As ``cross_entropy``, for features of another shape, and for an eps that is not positive and finite.

    Notes
    -----
    The paper trains with cross-entropy first and changes to this loss for the last epochs.

    Examples
    --------
    >>> z = mg.tensor([[3.0, 0.0], [0.0, 3.0]], requires_grad=True)
    >>> mg.losses.influence_balanced(z, [0, 0], reduction="sum").backward()
    >>> np.round(z.grad.data, 3)  # right or wrong, every sample pulls alike
    array([[-0.495,  0.495],
           [-0.5  ,  0.5  ]], dtype=float32)
    """
    z, labels = checks.multiclass(prediction, target, "influence_balanced")
    eps = positive(eps, "influence_balanced: eps")
    entropy = softmax_cross_entropy(z, labels)
    influence = 2 * -np.expm1(-detached(entropy))  # |p - e_y|_1 = 2 (1 - p_y)
    if features is not None:
        influence = influence * _norms(features, z)
    per_class = gathered(class_weight, labels, z.shape[1], z.dtype)
    return reduce_gathered(entropy / (influence + eps), sample_weight, reduction, class_weight=per_class)


def _norms(features: Any, z: Any) -> Any:
    """|h|_1 of each sample, a constant."""
    h = real_numbers(features, "influence_balanced: features")
    if h.ndim != 2 or len(h) != len(z):
        raise ValueError(
            f"influence_balanced: features has shape {h.shape}, expected ({len(z)}, D): the last layer's input"
        )
    norms = np.sum(np.absolute(h), axis=1)
    wrong = np.flatnonzero(~np.isfinite(norms))
    if len(wrong):
        raise ValueError(
            f"influence_balanced: features of sample {int(wrong[0])} are not finite: check the model's layers"
        )
    return like_logits(norms, z)


def ghm(
    prediction: Any,
    target: Any,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
    bins: int = 30,
    density: Any = None,
) -> Any:
    """Binary cross-entropy over the density of its gradient norm (GHM-C, Li et al. 2019).

    l = beta BCE, beta = 1 / density(g), g = abs(p - t). The density is the histogram of g over `bins` equal bins of
    [0, 1], scaled to the mean 1: for R_b of N entries in the bin of g it is bins R_b / N. The many easy negatives
    share one bin and so lose weight, as do outliers with g near 1. beta is detached: dl/dz = beta (p - t). As beta
    is constant but for the edges between bins, that is the derivative nearly everywhere.

    For sigmoid(logits) alone, as in the paper; for one of K classes use one-hot targets.

    Parameters
    ----------
    prediction : Tensor or array, shape (N,), or (N, K) for K labels that may hold together
        Logits. With (N, K), every entry counts as a sample, and all share one histogram.
    target : same shape, in [0, 1]
    sample_weight, class_weight : as for ``binary_cross_entropy``
        They also count in the histogram: R_b and N are sums of weights, so that a weight of 0 removes a sample and a
        weight of 2 doubles it.
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0
    bins : int > 0, default 30
    density : (bins,), optional
        Default: this batch's own, and the samples of a batch are coupled: micro-batches do not add up to the
        full batch. Where it is given (``gradient_density`` of the training set, or its moving average over batches,
        the paper's momentum), they do.

    Returns
    -------
    Tensor (array for arrays): scalar, or the prediction's shape for "none"

    Raises
    ------
    TypeError, ValueError
        As ``binary_cross_entropy``, for bins that are no positive integer, and for a density of another shape, that
        is negative or not finite, or 0 in a bin that a sample falls into.

    Examples
    --------
    >>> z = np.array([-4.0, -4.0, -4.0, 0.0])
    >>> mg.losses.ghm(z, np.zeros(4), bins=2, reduction="none") / mg.losses.binary_cross_entropy(
    ...     z, np.zeros(4), reduction="none")
    array([0.66666667, 0.66666667, 0.66666667, 2.        ])
    """
    z, t, per_class = binary_entries(prediction, target, class_weight, "ghm")
    position = _bin_of(z, t, bins, "ghm")
    if density is None:
        density = _histogram(position, entry_weights(sample_weight, per_class, z), bins)
    else:
        density = _given_density(density, position, bins)
    empty = density == 0  # what lies there has weight 0
    beta = (np.where(empty, 0, 1) / np.where(empty, 1, density)).astype(z.dtype)[position]
    return reduce_gathered(beta * sigmoid_cross_entropy(z, t, 1.0), sample_weight, reduction, class_weight=per_class)


def gradient_density(
    prediction: Any, target: Any, *, sample_weight: Any = None, class_weight: Any = None, bins: int = 30
) -> Any:
    """The density by which ``ghm`` divides: the histogram of g = abs(sigmoid(z) - t), scaled to the mean 1.

    Parameters
    ----------
    prediction, target, sample_weight, class_weight, bins : as for ``ghm``

    Returns
    -------
    float64 array (bins,)

    Raises
    ------
    TypeError, ValueError
        As ``ghm``.

    Examples
    --------
    >>> mg.losses.gradient_density(np.array([-4.0, -4.0, 0.0]), np.zeros(3), bins=3)  # g = 0.02, 0.02 and 0.5
    array([2., 1., 0.])
    """
    z, t, per_class = binary_entries(prediction, target, class_weight, "gradient_density")
    position = _bin_of(z, t, bins, "gradient_density")
    return _histogram(position, entry_weights(sample_weight, per_class, z), bins)


def _bin_of(z: Any, t: Any, bins: int, name: str) -> Any:
    """The bin of each entry's gradient norm."""
    if not isinstance(bins, (int, np.integer)) or bins < 1:
        raise ValueError(f"{name}: bins must be a positive integer, got {bins!r}")
    g = np.absolute(sigmoid(as_array(z)) - as_array(t))
    return np.minimum((g * int(bins)).astype(np.intp), bins - 1)


def _histogram(position: Any, weights: Any, bins: int) -> Any:
    weights = None if weights is None else as_array(weights).ravel()
    inside = np.bincount(position.ravel(), weights, minlength=bins)
    return bins * inside / (inside.sum() or 1)


def _given_density(density: Any, position: Any, bins: int) -> Any:
    density = np.asarray(real_numbers(density, "ghm: density"), like=position)
    if density.shape != (bins,) or not (density.min() >= 0 and density.max() < np.inf):
        raise ValueError(
            f"ghm: density must be {bins} finite numbers that are not negative, one per bin, got shape {density.shape}"
        )
    lost = np.flatnonzero(density[position] == 0)
    if len(lost):
        raise ValueError(
            f"ghm: the density is 0 in bin {int(position.ravel()[lost[0]])} of {bins}, where entry {int(lost[0])} "
            "lies: mix in gradient_density of this batch"
        )
    return density
