"""Cross-entropy, binary cross-entropy, squared error, Huber and hinge."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..device import beside
from ..graph import primitive, rule
from ..nn.functional import log_softmax, sigmoid, softmax, softplus
from ..tensor import as_array
from ..weighting import check_weights, real_numbers
from . import checks
from .entries import binary_entries
from .options import number, positive
from .reduction import class_weights, gathered, in_dtype, reduce_gathered

# --- Cross-entropy


@primitive
def minus_at_labels(x, labels):
    """-x[i, y_i], shape (N,)."""
    return -x[np.arange(len(x), like=x), labels]


@primitive
def minus_to_labels(values, labels, k):
    """Zeros (N, K) with minus value i in column y_i: the adjoint of ``minus_at_labels``."""
    x = np.zeros((len(values), k), values.dtype, like=values)
    x[np.arange(len(values), like=values), labels] = -values
    return x


rule(minus_at_labels, lambda g, _y, _x, labels: minus_to_labels(g, labels, _x.shape[1]))
rule(minus_to_labels, lambda g, _y, _values, labels, k: minus_at_labels(g, labels))


def softmax_cross_entropy(z, labels):
    """-log softmax(z)[label], shape (N,)."""
    return minus_at_labels(log_softmax(z), labels)


@primitive
def soft_cross_entropy(z, v):
    """-sum_k v_k log softmax(z)_k, shape (N,); what has no mass does not count, not even where its logit is -inf."""
    return -np.sum(np.where(v == 0, 0, log_softmax(z)) * v, axis=1)


rule(
    soft_cross_entropy,
    lambda g, _y, z, v: g[:, None] * (softmax(z) * np.sum(v, axis=1, keepdims=True) - v),
    lambda g, _y, z, _v: -g[:, None] * log_softmax(z),
)


def cross_entropy(
    prediction: Any,
    target: Any,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Cross-entropy of softmax(logits): l_i = -log p_y, dl/dz = p - e_y.

    Parameters
    ----------
    prediction : Tensor or array, shape (N, K)
        Logits, not probabilities.
    target : integers (N,) in 0..K-1, or probabilities (N, K)
        Hard labels and the same labels one-hot give the same number. Probabilities t give l_i = -sum_k t_k log p_k.
    sample_weight : (N,), optional
    class_weight : (K,) or dict keyed by label, optional
        w_i = sample_weight_i * class_weight[y_i]. For probabilities, and with label smoothing, each class's term is
        scaled: v = class_weight * t, l_i = -sum_k v_k log p_k, dl/dz = p sum(v) - v, as PyTorch does.
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0
        See ``mg.losses.reduce``. "mean" divides by N, "weighted_mean" by the sum of the weights (PyTorch's "mean").
    label_smoothing : float in [0, 1), default 0
        Train towards (1 - eps) e_y + eps / K (Szegedy et al. 2016, section 7). With class_weight, "the same weights
        gathered per sample" no longer holds then.

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        For labels that are floats or out of range, shapes that do not fit, weights that are negative or not finite.

    Notes
    -----
    Bishop 2006, "Pattern Recognition and Machine Learning", equations 4.108 and 4.109.

    Examples
    --------
    >>> z = mg.tensor([[2.0, 0.0], [0.0, 0.0]], requires_grad=True)
    >>> loss = mg.losses.cross_entropy(z, [1, 0], sample_weight=[3.0, 1.0], reduction="sum")
    >>> loss.backward()
    >>> np.round(z.grad.data, 3)  # w_i (p - e_y)
    array([[ 2.642, -2.642],
           [-0.5  ,  0.5  ]], dtype=float32)
    """
    z, t = checks.multiclass_or_soft(prediction, target, "cross_entropy")
    k = z.shape[1]
    eps = 0.0 if label_smoothing == 0 else number(label_smoothing, "cross_entropy: label_smoothing")
    if not 0 <= eps < 1:
        raise ValueError(f"cross_entropy: label_smoothing must lie in [0, 1), got {label_smoothing}")
    if t.ndim == 1 and eps == 0:
        per_class = gathered(class_weight, t, k, z.dtype)
        return reduce_gathered(softmax_cross_entropy(z, t), sample_weight, reduction, class_weight=per_class)
    if t.ndim == 1:  # one_hot would check the labels again, and wait for a GPU
        t = (t[:, None] == np.arange(k, like=t)).astype(z.dtype)
    v = t if eps == 0 else (1 - eps) * t + eps / k
    if class_weight is None:
        return reduce_gathered(soft_cross_entropy(z, v), sample_weight, reduction)
    per_class = beside(class_weights(class_weight, (as_array(v) > 0).any(axis=0), k, z.dtype), as_array(z))
    return reduce_gathered(soft_cross_entropy(z, v * per_class), sample_weight, reduction, within=t @ per_class)


# --- Binary cross-entropy


@primitive
def sigmoid_cross_entropy(z, t, b):
    """b t softplus(-z) + (1 - t) softplus(z); exact for both signs of z, where (1 - t) z + ... would cancel."""
    tail = np.log1p(np.exp(-np.absolute(z)))
    return b * t * (np.maximum(-z, 0) + tail) + (1 - t) * (np.maximum(z, 0) + tail)


rule(
    sigmoid_cross_entropy,
    lambda g, _y, z, t, b: g * ((1 - t) * sigmoid(z) - b * t * sigmoid(-z)),
    lambda g, _y, z, _t, b: g * (b * softplus(-z) - softplus(z)),
    lambda g, _y, z, t, _b: g * t * softplus(-z),
)


def binary_cross_entropy(
    prediction: Any,
    target: Any,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
    pos_weight: Any = 1.0,
) -> Any:
    """Cross-entropy of sigmoid(logits): l = (1 - t) z + (1 + (b - 1) t) softplus(-z), dl/dz = (1 - t) p - b t (1 - p).

    Parameters
    ----------
    prediction : Tensor or array, shape (N,), or (N, K) for K labels that may hold together
        Logits. With (N, K), every entry counts as a sample.
    target : same shape, in [0, 1]
    sample_weight : (N,), or (N, K) for multi-label predictions, optional
    class_weight : optional
        For (N,): (2,) or a dict {0: ..., 1: ...}, and targets must be 0 or 1. For (N, K): (K,), one per label.
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0
    pos_weight : b, a number or (K,), default 1
        Multiplies the term of the positives only; unlike class_weight it is no part of the sum that "weighted_mean"
        divides by (PyTorch's ``pos_weight``).

    Returns
    -------
    Tensor (array for arrays): scalar, or the prediction's shape for "none"

    Raises
    ------
    TypeError, ValueError
        For targets outside [0, 1], shapes that do not fit, weights that are negative or not finite.

    Notes
    -----
    Bishop 2006, "Pattern Recognition and Machine Learning", equations 4.90 and 4.91, there without pos_weight.

    Examples
    --------
    >>> z = mg.tensor([0.0, 2.0], requires_grad=True)
    >>> mg.losses.binary_cross_entropy(z, [1, 0], pos_weight=3.0, reduction="sum").backward()
    >>> np.round(z.grad.data, 3)
    array([-1.5  ,  0.881], dtype=float32)
    """
    z, t, per_class = binary_entries(prediction, target, class_weight, "binary_cross_entropy")
    values = sigmoid_cross_entropy(z, t, _positive_weight(pos_weight, z))
    return reduce_gathered(values, sample_weight, reduction, class_weight=per_class)


def _positive_weight(pos_weight: Any, z: Any) -> Any:
    if type(pos_weight) is float and 0 <= pos_weight < np.inf:
        return pos_weight
    b = beside(in_dtype(check_weights(pos_weight, "pos_weight", z.dtype), z.dtype), as_array(z))
    if b.shape not in ((), z.shape[1:]):
        raise ValueError(
            f"pos_weight has shape {b.shape}, expected a number"
            + (f" or {z.shape[1:]}, one per label" if z.ndim == 2 else ": the prediction is one logit per sample")
        )
    return b


# --- Regression


def _mean_over_outputs(values: Any) -> Any:
    """(N, ...) to (N,): several outputs of one sample count as one."""
    return values if values.ndim == 1 else np.mean(values, axis=tuple(range(1, values.ndim)))


def mse(
    prediction: Any,
    target: Any,
    *,
    sample_weight: Any = None,
    class_weight: None = None,
    reduction: str | float = "mean",
) -> Any:
    """Squared error (Gauss 1809): l_i = (z_i - t_i)**2, dl/dz = 2 (z - t). No factor 1/2.

    Parameters
    ----------
    prediction : Tensor or array, shape (N,), or (N, D) for D outputs per sample
        With (N, D), l_i is the mean over the D outputs, so that a sample counts once: dl/dz = 2 (z - t) / D.
    target : same shape
    sample_weight : (N,), optional
    class_weight : None
        There are no classes: anything else is refused. All losses can be called alike.
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        For shapes that do not fit, weights that are negative or not finite, a class_weight.

    Examples
    --------
    >>> mg.losses.mse(np.array([1.0, 2.0]), np.array([0.0, 4.0]), sample_weight=[1.0, 0.5], reduction="none")
    array([1., 2.])
    """
    z, t = checks.regression(prediction, target, class_weight, "mse")
    return reduce_gathered(_mean_over_outputs(np.square(z - t)), sample_weight, reduction)


def huber(
    prediction: Any,
    target: Any,
    *,
    delta: float = 1.0,
    sample_weight: Any = None,
    class_weight: None = None,
    reduction: str | float = "mean",
) -> Any:
    """Huber's loss: d**2 / 2 for abs(d) <= delta, else delta (abs(d) - delta / 2), where d = z - t (Huber 1964).

    dl/dz = clip(d, -delta, delta).

    Parameters
    ----------
    prediction, target, sample_weight, class_weight, reduction : as for ``mse``
    delta : float > 0, default 1
        Where the parabola turns into its tangent, in units of the target.

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        As ``mse``, and for a delta that is not positive and finite.

    Examples
    --------
    >>> mg.losses.huber(np.array([0.5, 3.0]), np.zeros(2), reduction="none")
    array([0.125, 2.5  ])
    """
    delta = positive(delta, "huber: delta")
    z, t = checks.regression(prediction, target, class_weight, "huber")
    d = z - t
    inside = np.clip(d, -delta, delta)
    return reduce_gathered(_mean_over_outputs(inside * (d - 0.5 * inside)), sample_weight, reduction)


# --- Hinge


def hinge(
    prediction: Any,
    target: Any,
    *,
    margin: Any = 1.0,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
) -> Any:
    """Hinge loss with costs and margins: l_i = max(0, m_s - s z), dl/dz = -s where the margin is missed.

    The weight of a class changes the slope, its margin moves the boundary (Masnadi-Shirazi & Vasconcelos 2010).

    Parameters
    ----------
    prediction : Tensor or array, shape (N,)
        Scores z.
    target : shape (N,), s = -1 or +1
        0 or 1 are taken for -1 and +1.
    margin : number, or (margin of -1, margin of +1), default 1
    sample_weight : (N,), optional
    class_weight : (weight of -1, weight of +1), or dict keyed by -1 and 1 or by 0 and 1, optional
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        For other targets, shapes that do not fit, weights that are negative or not finite.

    Examples
    --------
    >>> mg.losses.hinge(np.array([0.5, 0.5]), [1, -1], class_weight={1: 2.0, -1: 1.0}, reduction="none")
    array([1. , 1.5])
    """
    z, is_positive, keys = checks.signs(prediction, target, class_weight, "hinge")
    margins = real_numbers(margin, "hinge: margin")
    if margins.shape not in ((), (2,)) or not np.isfinite(margins).all():
        raise ValueError(f"hinge: margin must be a finite number, or two (of -1, of +1), got {margin}")
    low, high = np.broadcast_to(margins, (2,)).tolist()
    m = np.where(is_positive, high, low).astype(z.dtype)
    signs = (2 * is_positive - 1).astype(z.dtype)
    per_class = gathered(class_weight, is_positive, 2, z.dtype, keys)
    return reduce_gathered(np.maximum(m - signs * z, 0), sample_weight, reduction, class_weight=per_class)
