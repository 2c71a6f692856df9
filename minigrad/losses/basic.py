"""Cross-entropy, binary cross-entropy, squared error, Huber and hinge."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import primitive, rule
from ..nn.functional import log_softmax, one_hot, softmax, softplus
from ..tensor import Tensor, as_array
from . import checks
from .reduction import check_weights, class_weights, in_dtype, reduce, sample_weights


@primitive
def softmax_cross_entropy(z, labels):
    """-log softmax(z)[label], shape (N,); softmax, logarithm and gather in one."""
    shifted = z - z.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(z), like=z), labels]


rule(
    softmax_cross_entropy,
    lambda g, _y, z, labels: g[:, None] * (softmax(z) - one_hot(labels, z.shape[1], z.dtype)),
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
        Train towards (1 - eps) e_y + eps / K (Szegedy et al. 2016). With class_weight, "the same weights gathered
        per sample" no longer holds then.

    Returns
    -------
    Tensor (array for arrays): scalar, or (N,) for "none"

    Raises
    ------
    TypeError, ValueError
        For labels that are floats or out of range, shapes that do not fit, weights that are negative or not finite.

    Examples
    --------
    >>> z = mg.tensor([[2.0, 0.0], [0.0, 0.0]], requires_grad=True)
    >>> loss = mg.losses.cross_entropy(z, [1, 0], sample_weight=[3.0, 1.0], reduction="sum")
    >>> loss.backward()
    >>> np.round(z.grad.data, 3)  # w_i (p - e_y)
    array([[ 2.642, -2.642],
           [-0.5  ,  0.5  ]], dtype=float32)
    """
    z = checks.logits(prediction, "cross_entropy")
    n, k = z.shape
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing must lie in [0, 1), got {label_smoothing}")
    soft = np.ndim(target) == 2 if not hasattr(target, "ndim") else target.ndim == 2
    labels = None if soft else checks.labels(target, n, k, "cross_entropy")
    weights = sample_weights(sample_weight, (n,), z.dtype)
    per_class = None
    if class_weight is not None:
        per_class = class_weights(class_weight, np.arange(k) if soft else labels, k, z.dtype)
    if not soft and label_smoothing == 0:
        return reduce(softmax_cross_entropy(z, labels), _times(weights, per_class, labels), reduction)
    t = _probabilities(target, z) if soft else one_hot(labels, k, z.dtype)
    smooth = t if label_smoothing == 0 else (1 - label_smoothing) * t + label_smoothing / k
    if per_class is None:
        return reduce(-np.sum(smooth * log_softmax(z), axis=1), weights, reduction)
    within = np.sum(t * per_class, axis=1)
    return reduce(-np.sum(smooth * per_class * log_softmax(z), axis=1), weights, reduction, within=within)


def _times(weights: Any, per_class: Any, labels: Any) -> Any:
    """w_i = sample_weight_i * class_weight[y_i]; either may be missing."""
    if per_class is None:
        return weights
    gathered = per_class[labels]
    return gathered if weights is None else weights * gathered


def _probabilities(target: Any, z: Any) -> Any:
    t = checks.same_shape(z, target, "cross_entropy with a target of probabilities")
    raw = t.data if isinstance(t, Tensor) else t
    if raw.size and not (raw.min() >= 0 and np.abs(raw.sum(axis=1) - 1).max() < 1e-3):
        raise ValueError(
            "cross_entropy: a target of shape (N, K) holds probabilities: not negative, each row summing to 1; "
            f"row sums found: {raw.sum(axis=1).min():g}..{raw.sum(axis=1).max():g}, least entry {raw.min():g}"
        )
    return t


def binary_cross_entropy(
    prediction: Any,
    target: Any,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    reduction: str | float = "mean",
    pos_weight: Any = None,
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
    pos_weight : b, a number or (K,), optional
        Multiplies the term of the positives only; unlike class_weight it is no part of the sum that "weighted_mean"
        divides by (PyTorch's ``pos_weight``).

    Examples
    --------
    >>> z = mg.tensor([0.0, 2.0], requires_grad=True)
    >>> mg.losses.binary_cross_entropy(z, [1, 0], pos_weight=3.0, reduction="sum").backward()
    >>> np.round(z.grad.data, 3)
    array([-1.5  ,  0.881], dtype=float32)
    """
    name = "binary_cross_entropy"
    z = checks.floats(prediction, name)
    if z.ndim not in (1, 2):
        raise ValueError(f"{name} needs logits of shape (N,) or (N, K), got {z.shape}")
    t = checks.same_shape(z, target, name)
    raw = t.data if isinstance(t, Tensor) else t
    if raw.size and not (raw.min() >= 0 and raw.max() <= 1):
        raise ValueError(f"{name}: targets must lie in [0, 1], found {raw.min():g}..{raw.max():g}")
    weights = sample_weights(sample_weight, z.shape, z.dtype)
    if class_weight is not None:
        per_entry = _binary_class_weights(class_weight, raw, z)
        weights = per_entry if weights is None else weights * per_entry
    if pos_weight is None:
        return reduce((1 - t) * z + softplus(-z), weights, reduction)
    b = _positive_weight(pos_weight, z)
    return reduce((1 - t) * z + (1 + (b - 1) * t) * softplus(-z), weights, reduction)


def _binary_class_weights(class_weight: Any, t: Any, z: Any) -> Any:
    if z.ndim == 2:
        return np.broadcast_to(class_weights(class_weight, np.arange(z.shape[1]), z.shape[1], z.dtype), z.shape)
    labels = t.astype(np.int64)
    if (labels != t).any():
        raise ValueError(
            "binary_cross_entropy: class_weight needs targets that are 0 or 1, these lie in between: "
            "use sample_weight, or pos_weight"
        )
    return class_weights(class_weight, labels, 2, z.dtype)[labels]


def _positive_weight(pos_weight: Any, z: Any) -> Any:
    if isinstance(pos_weight, (int, float)):
        pos_weight = float(pos_weight)
        if not 0 <= pos_weight < np.inf:
            raise ValueError(f"pos_weight must be finite and not negative, got {pos_weight}")
        return pos_weight
    b = in_dtype(check_weights(pos_weight, "pos_weight"), z.dtype)
    if b.shape not in ((), (1,), z.shape[1:]):
        raise ValueError(f"pos_weight has shape {b.shape}, expected a number or {z.shape[1:]}: one per label")
    return b


def _regression(prediction: Any, target: Any, name: str) -> tuple[Any, Any]:
    z = checks.floats(prediction, name)
    if z.ndim == 0:
        raise ValueError(f"{name} needs predictions of shape (N,) or (N, D), got a scalar")
    return z, checks.same_shape(z, target, name)


def _per_sample_mean(values: Any) -> Any:
    """(N, ...) to (N,): several outputs of one sample count as one."""
    return values if values.ndim == 1 else np.mean(values.reshape((values.shape[0], -1)), axis=1)


def mse(prediction: Any, target: Any, *, sample_weight: Any = None, reduction: str | float = "mean") -> Any:
    """Squared error: l_i = (z_i - t_i)**2, dl/dz = 2 (z - t). No factor 1/2.

    Parameters
    ----------
    prediction : Tensor or array, shape (N,), or (N, D) for D outputs per sample
        With (N, D), l_i is the mean over the D outputs, so that a sample counts once.
    target : same shape
    sample_weight : (N,), optional
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0

    Examples
    --------
    >>> mg.losses.mse(np.array([1.0, 2.0]), np.array([0.0, 4.0]), sample_weight=[1.0, 0.5], reduction="none")
    array([1., 2.])
    """
    z, t = _regression(prediction, target, "mse")
    weights = sample_weights(sample_weight, z.shape[:1], z.dtype)
    return reduce(_per_sample_mean(np.square(z - t)), weights, reduction)


@primitive
def huber_of(d, delta):
    """d**2 / 2 up to abs(d) = delta, and the tangent from there on."""
    inside = np.clip(d, -delta, delta)
    return inside * (d - 0.5 * inside)


rule(huber_of, lambda g, _y, d, delta: g * np.clip(d, -delta, delta))


def huber(
    prediction: Any,
    target: Any,
    *,
    delta: float = 1.0,
    sample_weight: Any = None,
    reduction: str | float = "mean",
) -> Any:
    """Huber's loss: d**2 / 2 for abs(d) <= delta, else delta (abs(d) - delta / 2); d = z - t, dl/dz = clip(d, -delta, delta).

    Shapes and arguments as ``mse`` (Huber 1964).

    Examples
    --------
    >>> mg.losses.huber(np.array([0.5, 3.0]), np.zeros(2), reduction="none")
    array([0.125, 2.5  ])
    """
    if not 0 < delta < np.inf:
        raise ValueError(f"huber: delta must be positive and finite, got {delta}")
    z, t = _regression(prediction, target, "huber")
    weights = sample_weights(sample_weight, z.shape[:1], z.dtype)
    return reduce(_per_sample_mean(huber_of(z - t, delta)), weights, reduction)


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
    class_weight : (weight of -1, weight of +1) or dict keyed by label as given, optional
    reduction : {"mean", "sum", "weighted_mean", "none"} or a number D > 0

    Examples
    --------
    >>> mg.losses.hinge(np.array([0.5, 0.5]), [1, -1], class_weight={1: 2.0, -1: 1.0}, reduction="none")
    array([1. , 1.5])
    """
    z = checks.floats(prediction, "hinge")
    if z.ndim != 1:
        hint = ": pass z[:, 0]" if z.shape[1:] == (1,) else ""
        raise ValueError(f"hinge needs scores of shape (N,), got {z.shape}{hint}")
    positive = _signs(target, z)
    weights = sample_weights(sample_weight, z.shape, z.dtype)
    if isinstance(class_weight, dict):
        class_weight = {int(key > 0): value for key, value in class_weight.items()}
    if class_weight is not None:
        weights = _times(weights, class_weights(class_weight, positive, 2, z.dtype), positive)
    margins = np.asarray(np.broadcast_to(as_array(margin), (2,)), dtype=z.dtype)
    signs = (2 * positive - 1).astype(z.dtype)
    return reduce(np.maximum(margins[positive] - signs * z, 0), weights, reduction)


def _signs(target: Any, z: Any) -> Any:
    """Targets -1 / +1 or 0 / 1 as 0 / 1."""
    s = as_array(target)
    if s.shape != z.shape:
        raise ValueError(f"hinge needs a target of the scores' shape {z.shape}, got {s.shape}")
    found = set(np.unique(s).tolist())
    if not (found <= {-1, 1} or found <= {0, 1}):
        raise ValueError(f"hinge needs targets -1 and +1 (or 0 and 1), found {sorted(found)[:5]}")
    return (s > 0).astype(np.int64)
