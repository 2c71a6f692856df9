"""What every loss refuses, in one table: each error says what came, what was expected, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

import minigrad as mg
from tests.losses.cases import CASES, PROBABILITIES

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
    "weights of text": Bad(lambda z, t, k: {"sample_weight": ["a"] * N}, TypeError, "hold numbers.*<U1"),
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
        "unknown reduction 'batchmean': expected one of none, sum, mean, weighted_mean, or a number D > 0",
    ),
    **{
        f"reduction {d}": Bad(lambda z, t, k, d=d: {"reduction": d}, ValueError, "unknown reduction .* a number D > 0")
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
        "holds probabilities: .* row sums found: 1.5..1.5, least entry 0.5",
        ("multiclass",),
    ),
    "negative probabilities": Bad(
        lambda z, t, k: {"target": np.tile([-0.5, 1.5, 0], (N, 1))},
        ValueError,
        "not negative.*least entry -0.5",
        ("multiclass",),
    ),
    "targets beyond 1": Bad(
        lambda z, t, k: {"target": 2 * np.ones_like(t)},
        ValueError,
        r"needs targets in \[0, 1\], found 2..2",
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
    "complex targets": Bad(
        lambda z, t, k: {"target": t + 1j},
        TypeError,
        "real numbers, got complex128",
        ("binary", "multilabel", "regression"),
    ),
}


APPLICABLE = [
    (loss, bad)
    for loss, case in CASES.items()
    for bad, entry in BAD.items()
    if case.kind in entry.kinds and not (entry.hard and case.data in PROBABILITIES)
]


@pytest.mark.parametrize("as_tensor", [False, True], ids=["array", "tensor"])
@pytest.mark.parametrize(("loss", "bad"), APPLICABLE)
def test_refused(loss, bad, as_tensor):
    case, entry = CASES[loss], BAD[bad]
    z, t = case.data(np.random.default_rng(0), N, K)
    if t.dtype.kind == "i":  # every class occurs
        t = np.resize([1, 0, 2] if case.kind == "multiclass" else [1, 0, 0, 1], t.shape)
    spoilt = {"prediction": z, "target": t, **entry.spoil(z, t, CLASSES.get(case.kind))}
    prediction, target = spoilt.pop("prediction"), spoilt.pop("target")
    if as_tensor:
        prediction = mg.tensor(prediction)
    with pytest.raises(entry.error, match=entry.message):
        case.loss(prediction, target, **spoilt)


OPTIONS = [
    ("cross_entropy", {"label_smoothing": 1.0}, r"label_smoothing must lie in \[0, 1\), got 1.0"),
    ("cross_entropy", {"label_smoothing": -0.1}, r"label_smoothing must lie in \[0, 1\), got -0.1"),
    ("huber", {"delta": 0.0}, "huber: delta must be positive and finite, got 0.0"),
    ("huber", {"delta": np.inf}, "huber: delta must be positive and finite, got inf"),
    ("hinge", {"margin": np.nan}, r"hinge: margin must be a finite number, or two \(of -1, of \+1\), got nan"),
    ("hinge", {"margin": (1, 2, 3)}, "hinge: margin must be .* got"),
    ("binary_cross_entropy", {"pos_weight": -1.0}, "pos_weight must be finite and not negative, but entry 0 is -1.0"),
    (
        "binary_cross_entropy",
        {"pos_weight": np.ones(N)},
        r"pos_weight has shape \(5,\), expected a number: .*one logit",
    ),
    (
        "binary_cross_entropy, multi-label",
        {"pos_weight": np.ones(N)},
        r"pos_weight has shape \(5,\), expected a number or \(3,\), one per label",
    ),
    (
        "binary_cross_entropy of probabilities",
        {"class_weight": [1.0, 2.0]},
        "class_weight needs targets that are 0 or 1, these lie in between: use sample_weight, or pos_weight",
    ),
]


@pytest.mark.parametrize(("loss", "options", "message"), OPTIONS)
def test_refused_options(loss, options, message):
    case = CASES[loss]
    z, t = case.data(np.random.default_rng(0), N, K)
    with pytest.raises(ValueError, match=message):
        case.loss(z, t, **options)


def test_dicts_with_smoothing_or_probabilities_need_every_class():
    z, y = np.zeros((2, 3)), [0, 1]
    assert mg.losses.cross_entropy(z, y, class_weight={0: 1.0, 1: 1.0}) == pytest.approx(np.log(3))
    for target, smoothing in ((y, 0.1), (np.eye(3)[y], 0.0)):
        with pytest.raises(ValueError, match="no entry for class 2"):
            mg.losses.cross_entropy(z, target, class_weight={0: 1.0, 1: 1.0}, label_smoothing=smoothing)


def test_a_dict_of_signs_is_keyed_as_the_targets_are():
    with pytest.raises(ValueError, match=r"no entry for class -1"):
        mg.losses.hinge(np.zeros(2), [1, -1], class_weight={1: 2.0})
    with pytest.raises(ValueError, match=r"has keys \[5\], but the classes are 0, 1"):
        mg.losses.hinge(np.zeros(2), [1, 0], class_weight={0: 1.0, 1: 2.0, 5: 1.0})


def test_a_dict_of_tensors_that_require_grad_would_lose_the_gradient():
    weight = mg.tensor(2.0, requires_grad=True)
    with pytest.raises(TypeError, match="losing its gradient"):
        mg.losses.cross_entropy(np.zeros((2, 2)), [0, 1], class_weight={0: weight, 1: 1.0})
