"""From probabilities to decisions: which prediction costs least, and what the decisions cost in the end.

A cost matrix is C[truth, prediction]: rows are the truth, columns the prediction (Elkan's paper has it the other way).
Spend the costs once: on training (``mg.losses``) *or* on the decision (here), not on both.

Plain NumPy arrays come out, Tensors may go in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .tensor import Tensor
from .weighting import CONVENTION, check_cost_matrix, check_finite_weights, number, to_numpy

# --- What comes in


def _probabilities(p: Any, name: str) -> np.ndarray:
    """Probabilities as (N, K); (N,), of class 1, becomes (N, 2)."""
    p = to_numpy(p, f"{name}: probabilities")
    if p.dtype.kind != "f":
        raise TypeError(f"{name} needs probabilities, got {p.dtype}: these may be labels already")
    if p.ndim not in (1, 2) or p.shape[1:] == (1,):
        hint = ": pass p[:, 0]" if p.shape[1:] == (1,) else ""
        raise ValueError(f"{name} needs probabilities (N, K), or (N,) of class 1, got shape {p.shape}{hint}")
    if p.size and not (p.min() >= 0 and p.max() <= 1):
        raise ValueError(
            f"{name} needs probabilities in [0, 1], found {p.min():g}..{p.max():g}; for logits z pass "
            "mg.nn.functional.softmax(z), or sigmoid(z) where there is one logit per sample"
        )
    if p.ndim == 1:
        return np.stack([1 - p, p], axis=1)
    off = np.abs(p.sum(axis=1) - 1)
    if p.size and off.max() > 1e-3:
        i = int(off.argmax())
        raise ValueError(
            f"{name}: the probabilities of row {i} sum to {p[i].sum():g}, expected 1; "
            "labels that may hold together are decided one by one, with p[:, c]"
        )
    return p


def _prior(prior: Any, k: int, name: str, zero: bool = False) -> np.ndarray:
    """A prior as (K,); for two classes it may be given as the prior of class 1."""
    pi = to_numpy(prior, name).astype(np.float64)
    if pi.shape == () and k == 2:
        pi = np.array([1 - pi, pi])
    if pi.shape != (k,):
        raise ValueError(f"{name} has shape {pi.shape}, expected ({k},): the share of each class")
    if not (pi.min() >= 0 and abs(pi.sum() - 1) <= 1e-3):
        raise ValueError(
            f"{name} must be shares that are not negative and sum to 1, got {pi.tolist()}: divide counts by their sum"
        )
    if not zero and pi.min() == 0:
        raise ValueError(
            f"{name} of class {int(pi.argmin())} is 0: a class that was never seen cannot be corrected for, "
            "leave it out or give it a small share"
        )
    return pi


def _labels(y: Any, k: int, n: int, name: str) -> np.ndarray:
    array = to_numpy(y, name)
    if array.dtype.kind == "f":
        raise TypeError(
            f"{name} must be labels, got {array.dtype} of shape {array.shape}: decide on probabilities first, with "
            "bayes(p, C) or p >= threshold; convert whole numbers with .astype(int)"
        )
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}, expected ({n},)")
    if n and not (array.min() >= 0 and array.max() < k):
        raise ValueError(f"{name} must lie in 0..{k - 1}, found {array.min()}..{array.max()}")
    return array.astype(np.int64)


def _weights(sample_weight: Any, n: int) -> np.ndarray:
    if sample_weight is None:
        return np.ones(n)
    weights = check_finite_weights(sample_weight, "sample_weight")
    if len(weights) != n:
        raise ValueError(f"sample_weight has shape {weights.shape}, expected ({n},): one weight per sample")
    return weights


def check_named_costs(n: int | None = None, **costs: Any) -> list[Any]:
    """Each cost a number or (n,), finite: Tensors as they are, all else as float64 arrays."""
    checked = []
    for name, cost in costs.items():
        raw = to_numpy(cost, name)
        if raw.ndim > 1 or (raw.ndim == 1 and n is not None and len(raw) != n):
            raise ValueError(f"{name} has shape {raw.shape}, expected a number or ({'N' if n is None else n},)")
        n = len(raw) if raw.ndim == 1 else n
        if not np.isfinite(raw).all():
            raise ValueError(f"{name} must be finite, found {raw[~np.isfinite(raw)][0]}")
        checked.append(cost if isinstance(cost, Tensor) else raw.astype(np.float64))
    return checked


# --- Cost matrices in print


def show_costs(C: Any, names: Sequence[str] | None = None) -> str:
    """A cost matrix as text, with its axes named.

    Parameters
    ----------
    C : array (K, K)
        C[truth, prediction].
    names : K strings, optional
        The classes; default: their numbers.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        For a matrix that is not (K, K) or has NaN or infinity; a wrong number of names.

    Examples
    --------
    >>> print(mg.decisions.show_costs([[0, 1], [10, 0]], ["healthy", "sick"]))
    truth / prediction  healthy  sick
    healthy                   0     1
    sick                     10     0
    """
    costs = to_numpy(check_cost_matrix(C), "a cost matrix")
    names = [str(c) for c in range(len(costs))] if names is None else list(names)
    if len(names) != len(costs):
        raise ValueError(f"show_costs: {len(names)} names for {len(costs)} classes")
    rows = [["truth / prediction", *names]]
    rows += [[name, *(f"{c:g}" for c in row)] for name, row in zip(names, costs, strict=True)]
    first, *others = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], others, strict=True))])
        for row in rows
    )


# --- Decisions


def bayes(p: Any, C: Any) -> np.ndarray:
    """Predict the class of least expected cost: argmin_j sum_i p_i C[i, j].

    Parameters
    ----------
    p : array (N, K), or (N,) of class 1
        Probabilities: calibrated ones. A model that was trained with weights has none, see ``correct_prior``.
    C : array (K, K)
        C[truth, prediction].

    Returns
    -------
    integers (N,)
        Of equally dear predictions the first.

    Raises
    ------
    TypeError, ValueError
        For logits, rows that do not sum to 1, a matrix that is not (K, K).

    Notes
    -----
    Elkan 2001 (IJCAI), equation 1, whose matrix is the transpose of ours.

    Examples
    --------
    >>> C = [[0, 1], [10, 0]]  # missing class 1 costs 10, a false alarm 1
    >>> mg.decisions.bayes(np.array([0.05, 0.2, 0.6]), C)
    array([0, 1, 1])
    """
    p = _probabilities(p, "bayes")
    return np.argmin(p @ to_numpy(check_cost_matrix(C, p.shape[1]), "C"), axis=1)


def threshold(
    C: Any = None, *, cost_tp: Any = None, cost_fp: Any = None, cost_fn: Any = None, cost_tn: Any = None
) -> Any:
    """The probability from which on predicting class 1 is the cheaper choice.

    p* = (fp - tn) / (fp - tn + fn - tp): predict 1 where p >= p*.

    Parameters
    ----------
    C : array (2, 2), optional
        C[truth, prediction] = [[tn, fp], [fn, tp]].
    cost_tp, cost_fp, cost_fn, cost_tn : numbers or arrays (N,)
        The four costs by name, instead of C. `cost_fp` and `cost_fn` are needed, the others are 0 unless given.

    Returns
    -------
    float, or array (N,) for costs that differ from sample to sample

    Raises
    ------
    TypeError, ValueError
        For costs given twice or not at all, not finite, or such that one prediction is never the dearer one: there
        is no threshold then.

    Notes
    -----
    Elkan 2001 (IJCAI), equation 2: (c10 - c00) / (c10 - c00 + c01 - c11) with his c(prediction, truth).

    Examples
    --------
    >>> mg.decisions.threshold([[0, 1], [9, 0]])
    0.1
    >>> mg.decisions.threshold(cost_fp=1.0, cost_fn=np.array([1.0, 3.0]))
    array([0.5 , 0.25])
    """
    if C is not None:
        if any(cost is not None for cost in (cost_tp, cost_fp, cost_fn, cost_tn)):
            raise TypeError("threshold: costs given twice: pass either a cost matrix or costs by name, not both")
        (tn, fp), (fn, tp) = to_numpy(check_cost_matrix(C, 2), "C")
    elif cost_fp is None or cost_fn is None:
        raise TypeError("threshold needs a cost matrix, or both cost_fp (a false alarm) and cost_fn (a miss)")
    else:
        cost_tp, cost_tn = (0.0 if cost is None else cost for cost in (cost_tp, cost_tn))
        given = check_named_costs(cost_tp=cost_tp, cost_fp=cost_fp, cost_fn=cost_fn, cost_tn=cost_tn)
        tp, fp, fn, tn = (to_numpy(cost, "a cost") for cost in given)
    false_alarm, miss = np.broadcast_arrays(fp - tn, fn - tp)
    if not ((false_alarm > 0) & (miss > 0)).all():
        i = int(np.argmin(np.minimum(false_alarm, miss)))
        raise ValueError(_no_threshold(false_alarm.flat[i] > 0, miss.flat[i] > 0) + f" The costs are {CONVENTION}.")
    p = false_alarm / (false_alarm + miss)
    return p if p.ndim else float(p)


def _no_threshold(alarm_costs: bool, miss_costs: bool) -> str:
    if not alarm_costs and not miss_costs:
        return "There is no threshold: being wrong costs no more than being right. Are the columns swapped?"
    if alarm_costs:
        return "There is no threshold: where the truth is 1, predicting 0 costs no more. Predict 0 always."
    return "There is no threshold: where the truth is 0, predicting 1 costs no more. Predict 1 always."


def tune_threshold(
    p: Any, y: Any, C: Any = None, *, metric: Callable[..., float] | None = None, sample_weight: Any = None
) -> float:
    """Find the threshold that is best on data, of all that there are.

    Tune on *validation* data. A threshold tuned on the test set makes the test's result too good, one tuned on the
    training set meets probabilities that are too sure of themselves.

    Parameters
    ----------
    p : array (N,)
        Probabilities (or any scores in [0, 1]) of class 1; calibration does not matter.
    y : integers (N,), 0 or 1
    C : array (2, 2), optional
        Minimise the total cost; C[truth, prediction].
    metric : callable, instead of C
        Maximise ``metric(y, prediction)``, or ``metric(y, prediction, sample_weight=...)`` where weights are given
        (scikit-learn's metrics). It is called once for each distinct value of `p`.
    sample_weight : array (N,), optional

    Returns
    -------
    float
        Predict 1 where ``p >= threshold``. It lies half-way between two values of `p`; 0 says always 1, infinity
        never. Of equally good ones the lowest.

    Raises
    ------
    TypeError, ValueError
        For logits, labels other than 0 and 1, no data, both or neither of C and metric, a metric that gives NaN.

    Notes
    -----
    Sheng & Ling 2006 (AAAI), "Thresholding for Making Classifiers Cost-sensitive". With calibrated probabilities
    ``threshold(C)`` needs no data.

    Examples
    --------
    >>> p, y = np.array([0.1, 0.3, 0.4, 0.9]), np.array([0, 1, 0, 1])
    >>> mg.decisions.tune_threshold(p, y, [[0, 1], [10, 0]])
    0.2
    >>> mg.decisions.tune_threshold(p, y, metric=lambda y, prediction: np.mean(y == prediction))
    0.2
    """
    if (C is None) == (metric is None):
        raise TypeError("tune_threshold needs either a cost matrix C, to minimise the cost, or metric=, to maximise it")
    p = to_numpy(p, "p")
    if p.ndim != 1 or not len(p):
        hint = ": pass p[:, 1]" if p.shape[1:] == (2,) else ""
        raise ValueError(f"tune_threshold needs probabilities of class 1, shape (N,), N > 0; got {p.shape}{hint}")
    _probabilities(p, "tune_threshold")
    y = _labels(y, 2, len(p), "y")
    w = _weights(sample_weight, len(p))
    values, position = np.unique(p, return_inverse=True)
    cuts = np.arange(len(values) + 1)  # cut j predicts 1 from values[j] on; the last one never does
    if metric is None:
        costs = to_numpy(check_cost_matrix(C, 2), "C")
        dearer = w * (costs[y, 0] - costs[y, 1])  # what it costs to predict 0 where cut 0 predicts 1
        best = int(np.argmin(np.append(0, np.cumsum(np.bincount(position, dearer)))))
    else:
        weighted = {} if sample_weight is None else {"sample_weight": w}
        scores = np.array([metric(y, (position >= cut).astype(np.int64), **weighted) for cut in cuts], float)
        if np.isnan(scores).any():
            raise ValueError(
                f"the metric is NaN where {int((position >= cuts[np.isnan(scores)][0]).sum())} of {len(y)} samples are "
                "predicted 1: let it return a number there (scikit-learn: zero_division=0)"
            )
        best = int(np.argmax(scores))
    if best in (0, len(values)):
        return 0.0 if best == 0 else np.inf
    below, above = values[best - 1 : best + 1]
    between = (below + above) / 2
    return float(between if between > below else above)  # neighbours in floating point have nothing between them


def correct_prior(p: Any, train_prior: Any, new_prior: Any) -> np.ndarray:
    """Probabilities for a population whose class shares differ from the training's: p'_c ~ p_c pi'_c / pi_c.

    Weighted training acts as training at another prior: with class weights w, ``train_prior`` is pi w / sum(pi w), and
    ``new_prior=pi`` restores probabilities that mean what they say.

    Parameters
    ----------
    p : array (N, K), or (N,) of class 1
    train_prior, new_prior : array (K,), or for two classes the share of class 1

    Returns
    -------
    array of p's shape and dtype

    Raises
    ------
    TypeError, ValueError
        For logits, rows or priors that do not sum to 1, a training prior of 0, a row whose every class the new prior
        excludes.

    Notes
    -----
    Saerens, Latinne & Decaestecker 2002 (Neural Computation 14), equation 2.4.

    Examples
    --------
    >>> mg.decisions.correct_prior(np.array([0.5, 0.9]), train_prior=0.5, new_prior=0.01)
    array([0.01      , 0.08333333])
    """
    rows = _probabilities(p, "correct_prior")
    k = rows.shape[1]
    corrected = rows * (_prior(new_prior, k, "new_prior", zero=True) / _prior(train_prior, k, "train_prior"))
    total = corrected.sum(axis=1, keepdims=True)
    if not total.all():
        i = int(np.argmin(total))
        raise ValueError(f"correct_prior: new_prior is 0 for every class that row {i} of p gives any probability")
    given = to_numpy(p, "p")
    corrected = (corrected / total).astype(given.dtype)
    return corrected[:, 1] if given.ndim == 1 else corrected


def logit_adjust(logits: Any, prior: Any, tau: float = 1.0) -> np.ndarray:
    """Take the training prior out of logits, after training: z - tau log pi.

    Its argmax is the best for balanced error. Not after a loss that adjusts the logits itself
    (``mg.losses.logit_adjusted``): that would count the prior twice.

    Parameters
    ----------
    logits : array (N, K), or (N,) of class 1 against class 0
        For (N,), z - tau (log pi_1 - log pi_0).
    prior : array (K,), or for two classes the share of class 1
        Of the training data.
    tau : float, default 1
        0 leaves the logits as they are.

    Returns
    -------
    array of the logits' shape and dtype

    Raises
    ------
    TypeError, ValueError
        For logits that are not floats or not of these shapes, a prior that does not sum to 1 or has a 0,
        a tau that is not finite.

    Notes
    -----
    Menon et al. 2021 (ICLR), "Long-tail learning via logit adjustment", the post-hoc form.

    Examples
    --------
    >>> z = np.array([[1.0, 0.0]])
    >>> np.round(mg.decisions.logit_adjust(z, [0.9, 0.1]), 3)
    array([[1.105, 2.303]])
    """
    z = to_numpy(logits, "logits")
    if z.dtype.kind != "f" or z.ndim not in (1, 2) or z.shape[1:] == (1,):
        raise ValueError(f"logit_adjust needs floats (N, K), or (N,) for two classes, got {z.dtype} of shape {z.shape}")
    shift = number(tau, "logit_adjust: tau") * np.log(_prior(prior, z.shape[1] if z.ndim == 2 else 2, "prior"))
    return (z - (shift if z.ndim == 2 else shift[1] - shift[0])).astype(z.dtype)


def total_cost(y: Any, prediction: Any, C: Any, sample_weight: Any = None) -> float:
    """What the predictions cost in all: sum_i w_i C[y_i, prediction_i].

    Parameters
    ----------
    y, prediction : integers or booleans (N,)
        Truth and predicted labels, 0..K-1.
    C : array (K, K)
        C[truth, prediction].
    sample_weight : array (N,), optional

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        For probabilities in place of predictions, labels out of range, shapes that do not fit.

    Examples
    --------
    >>> mg.decisions.total_cost([0, 0, 1], [0, 1, 0], [[0, 1], [10, 0]])
    11.0
    """
    costs = to_numpy(check_cost_matrix(C), "C")
    n = to_numpy(y, "y").size
    y, prediction = _labels(y, len(costs), n, "y"), _labels(prediction, len(costs), n, "prediction")
    return float(_weights(sample_weight, n) @ costs[y, prediction])
