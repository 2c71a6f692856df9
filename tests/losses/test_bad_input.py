"""What every loss refuses, in one table: each error says what came, what was expected, and what to do."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

import minigrad as mg
from minigrad.losses.catalogue import between, probabilities
from tests.losses.cases import CASES, cost_matrix

N, K = 5, 3
CLASSES = {"multiclass": K, "multilabel": K, "binary": 2, "signs": 2}
ALL = ("multiclass", "binary", "multilabel", "signs", "regression")


@dataclass(frozen=True)
class Bad:
    """`spoil(z, t, k)` gives what replaces prediction, target or options; `kinds`: the losses it is bad for."""

    spoil: Callable
    error: type[Exception]
    message: str
    kinds: tuple[str, ...] = ALL
    hard: bool = False  # bad only where targets are labels
    needs: str = "reduction"  # bad only for losses with this parameter


def weights(*values):
    return lambda z, t, k: {"sample_weight": np.array(values)}


def per_class(change):
    return lambda z, t, k: {"class_weight": change(np.ones(k))}


def with_entry(value):
    return lambda array: np.concatenate([array[:-1], [value]])


BAD = {
    # weights
    "negative weight": Bad(
        weights(1, -2.5, 1, 1, -1), ValueError, r"sample_weight must be .* entry 1 is -2.5 \(2 such of 5\)"
    ),
    "NaN weight": Bad(weights(1, 1, np.nan, 1, 1), ValueError, "sample_weight must be finite .* entry 2 is nan"),
    "infinite weight": Bad(weights(1, 1, 1, 1, np.inf), ValueError, "sample_weight must be finite .* entry 4 is inf"),
    "complex weight": Bad(weights(1, 1, 1, 1, 1j), TypeError, "sample_weight must be real numbers, got complex128"),
    "weights of text": Bad(
        lambda z, t, k: {"sample_weight": ["a"] * N}, TypeError, "sample_weight must be real numbers, got <U1"
    ),
    "column of weights": Bad(
        lambda z, t, k: {"sample_weight": np.ones((N, 1))},
        ValueError,
        r"sample_weight has shape \(5, 1\), expected \(5,\).*pass w.ravel\(\)",
    ),
    "weight per feature": Bad(
        lambda z, t, k: {"sample_weight": np.ones(K)},
        ValueError,
        r"sample_weight has shape \(3,\), expected \(5,\).*one weight per sample.*class_weight",
    ),
    "one weight for all": Bad(
        lambda z, t, k: {"sample_weight": 2.0}, ValueError, r"shape \(\), expected \(5,\).*multiply the loss by it"
    ),
    "weights of entries": Bad(
        lambda z, t, k: {"sample_weight": np.ones((N, K))},
        ValueError,
        r"sample_weight has shape \(5, 3\), expected \(5,\)",
        ("multiclass", "binary", "signs", "regression"),
    ),
    # class weights
    "negative class weight": Bad(
        per_class(with_entry(-1)), ValueError, "class_weight must be finite and not negative", tuple(CLASSES), True
    ),
    "NaN class weight": Bad(
        per_class(with_entry(np.nan)), ValueError, "class_weight must be .* nan", tuple(CLASSES), True
    ),
    "too many class weights": Bad(
        per_class(lambda v: np.append(v, 1)),
        ValueError,
        r"class_weight has shape \([34],\), expected \([23],\): one weight for each of the [23] classes",
        tuple(CLASSES),
        True,
    ),
    "class_weight by name": Bad(
        lambda z, t, k: {"class_weight": "balanced"},
        TypeError,
        r"class_weight is the string 'balanced', expected [23] numbers: .* mg.weighting.balanced\(y\)",
        tuple(CLASSES),
        True,
    ),
    "dict without a class that occurs": Bad(
        lambda z, t, k: {"class_weight": {0: 1.0, 1: 1.0} if k == 3 else {0: 1.0}},
        ValueError,
        "class_weight has no entry for class [12]: give every class a weight",
        tuple(CLASSES),
        True,
    ),
    "dict with an unknown class": Bad(
        lambda z, t, k: {"class_weight": dict.fromkeys([*range(k), 9], 1.0)},
        ValueError,
        r"class_weight has keys \[9\], but the classes are",
        tuple(CLASSES),
        True,
    ),
    "class weights for a regression": Bad(
        lambda z, t, k: {"class_weight": [1.0, 2.0]},
        ValueError,
        "a regression target has no classes; pass one weight per sample as sample_weight",
        ("regression",),
    ),
    # reductions
    "unknown reduction": Bad(
        lambda z, t, k: {"reduction": "batchmean"},
        ValueError,
        "unknown reduction 'batchmean': expected one of none, sum, mean, weighted_mean, or a number D > 0"
        "|reduction 'batchmean' has no meaning here: .* Expected 'mean' or 'weighted_mean'",
    ),
    **{
        f"reduction {d}": Bad(
            lambda z, t, k, d=d: {"reduction": d}, ValueError, "unknown reduction .* D > 0|has no meaning here"
        )
        for d in (0, -1.0, np.nan, np.inf, True, None)
    },
    # predictions
    "integer predictions": Bad(
        lambda z, t, k: {"prediction": z.astype(int)}, TypeError, "predictions of floating point .* got int64"
    ),
    "column of predictions": Bad(
        lambda z, t, k: {"prediction": z[:, None]},
        ValueError,
        r"\(5, 1\).*(x.ravel\(\)|pass z\[:, 0\])",
        ("binary", "signs"),
    ),
    "column of regressions": Bad(
        lambda z, t, k: {"prediction": z[:, :1] if z.ndim == 2 else z[:, None], "target": np.zeros(N)},
        ValueError,
        r"target of the prediction's shape \(5, 1\), got \(5,\) \(they would broadcast to N x N\)",
        ("regression",),
    ),
    "one logit per sample": Bad(
        lambda z, t, k: {"prediction": z[:, :1]},
        ValueError,
        r"labels must lie in 0..0 \(logits of shape \(5, 1\)\).*binary_cross_entropy\(z\[:, 0\], y\)",
        ("multiclass",),
        True,
    ),
    "logits of one sample": Bad(
        lambda z, t, k: {"prediction": z[0]}, ValueError, r"\(3,\)", ("multiclass", "multilabel")
    ),
    "a single number": Bad(lambda z, t, k: {"prediction": 1.0}, ValueError, r"needs .* of shape|got \(\)|a scalar"),
    # targets
    "float labels": Bad(
        lambda z, t, k: {"target": t.astype(float)},
        TypeError,
        r"needs integer labels of shape \(5,\), got float64 of shape \(5,\): convert them with y.astype\(int\)",
        ("multiclass",),
        True,
    ),
    "label too large": Bad(
        lambda z, t, k: {"target": np.array([0, 1, 3, 2, 1])},
        ValueError,
        r"labels must lie in 0..2 \(logits of shape \(5, 3\)\), but sample 2 has label 3",
        ("multiclass",),
    ),
    "negative label": Bad(
        lambda z, t, k: {"target": np.array([0, -1, 1, 2, 1])}, ValueError, "sample 1 has label -1", ("multiclass",)
    ),
    "column of labels": Bad(
        lambda z, t, k: {"target": np.zeros((N, 1), int)},
        ValueError,
        r"\(5, 1\).*(pass y.ravel\(\)|x.ravel\(\))",
        ("multiclass", "binary", "signs"),
    ),
    "targets of another length": Bad(lambda z, t, k: {"target": t[:-1]}, ValueError, r"\(5,.* got \(4,|shape \(4"),
    "rows that are no probabilities": Bad(
        lambda z, t, k: {"target": np.full((N, K), 0.5)},
        ValueError,
        r"holds probabilities: .* row sums found: 1.5..1.5, least entry 0.5|one-hot, but row 0 is \[0.5, 0.5, 0.5\]",
        ("multiclass",),
    ),
    "negative probabilities": Bad(
        lambda z, t, k: {"target": np.tile([-0.5, 1.5, 0], (N, 1))},
        ValueError,
        r"not negative.*least entry -0.5|must be one-hot, but row 0 is \[-0.5, 1.5, 0.0\]",
        ("multiclass",),
    ),
    "one-hot labels that require grad": Bad(
        lambda z, t, k: {"target": mg.tensor(np.eye(K)[[0, 1, 2, 1, 0]], requires_grad=True)},
        TypeError,
        "the target requires grad, but labels have none: pass target.detach()",
        ("multiclass",),
        needs="labels only",
    ),
    "one row of two classes": Bad(
        lambda z, t, k: {"target": np.eye(K)[[0, 1, 2, 1, 0]] + np.eye(N)[:, [4]] * [0, 1, 0]},
        ValueError,
        r"row sums found: 1..2|one-hot, but row 4 is \[1.0, 1.0, 0.0\]: pass labels \(N,\); cross_entropy takes",
        ("multiclass",),
    ),
    "targets beyond 1": Bad(
        lambda z, t, k: {"target": 2 * np.ones_like(t)},
        ValueError,
        r"needs targets in \[0, 1\], found 2..2|needs targets -1 and \+1 .* found \[2\]",
        ("binary", "multilabel"),
    ),
    "NaN targets": Bad(
        lambda z, t, k: {"target": np.full(t.shape, np.nan)},
        ValueError,
        r"needs targets in \[0, 1\], found nan|needs targets -1 and \+1",
        ("binary", "multilabel", "signs"),
    ),
    "neither signs nor 0 / 1": Bad(
        lambda z, t, k: {"target": np.array([-1, 0, 1, 1, 1])},
        ValueError,
        r"needs targets -1 and \+1 \(or 0 and 1\), found \[-1, 0, 1\]",
        ("signs",),
    ),
    # costs and counts
    **{
        f"costs of shape {shape}": Bad(
            lambda z, t, k, shape=shape: {"cost_matrix": np.ones(shape)},
            ValueError,
            re.escape(f"shape {shape} was given, expected (3, 3): C[truth, prediction]"),
            needs="cost_matrix",
        )
        for shape in ((2, 3), (4, 4), (3,))
    },
    "NaN among the costs": Bad(
        lambda z, t, k: {"cost_matrix": np.where(np.arange(9).reshape(3, 3) == 1, np.nan, cost_matrix(3))},
        ValueError,
        r"C\[0, 1\] is nan \(truth 0, prediction 1\)",
        needs="cost_matrix",
    ),
    "costs of text": Bad(
        lambda z, t, k: {"cost_matrix": [["a", "b", "c"]] * 3},
        TypeError,
        "a cost matrix must be real numbers",
        needs="cost_matrix",
    ),
    "too few counts": Bad(
        lambda z, t, k: {"counts": [1, 2]},
        ValueError,
        r"counts has shape \(2,\), expected \(3,\), one per class: np.bincount",
        needs="counts",
    ),
    **{
        f"counts {counts}": Bad(
            lambda z, t, k, counts=counts: {"counts": counts},
            ValueError,
            "counts must be finite, not negative and not all 0",
            needs="counts",
        )
        for counts in ([1, -2, 3], [1, np.nan, 3], [1, np.inf, 3], [0, 0, 0])
    },
    "counts of booleans": Bad(
        lambda z, t, k: {"counts": [True, True, True]}, TypeError, "counts must be numbers, got bool", needs="counts"
    ),
    "complex targets": Bad(
        lambda z, t, k: {"target": t + 1j},
        TypeError,
        "real numbers, got complex128",
        ("binary", "signs", "multilabel", "regression"),
    ),
}


def parameters(loss):
    """Of these `needs` names one; "labels only": the loss takes no probabilities."""
    return {*inspect.signature(loss).parameters} | ({"labels only"} if loss is not mg.losses.cross_entropy else set())


APPLICABLE = [
    (loss, bad)
    for loss, case in CASES.items()
    for bad, entry in BAD.items()
    if case.kind in entry.kinds
    and entry.needs in parameters(case.loss)
    and not (entry.hard and case.data in (probabilities, between))
]


@pytest.mark.parametrize(("loss", "bad"), APPLICABLE)
def test_refused(loss, bad):
    case, entry = CASES[loss], BAD[bad]
    z, t = case.data(np.random.default_rng(0), N, K)
    if t.dtype.kind == "i":  # every class occurs
        t = np.resize([1, 0, 2] if case.kind == "multiclass" else [1, 0, 0, 1], t.shape)
    spoilt = {"prediction": z, "target": t, **entry.spoil(z, t, CLASSES.get(case.kind))}
    prediction, target = spoilt.pop("prediction"), spoilt.pop("target")
    for given in (prediction, mg.tensor(prediction)):
        with pytest.raises(entry.error, match=entry.message):
            case.bind(K)(given, target, **spoilt)
