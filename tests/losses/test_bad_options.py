"""What a loss refuses of its own arguments: numbers out of range, costs by name, dicts of class weights."""

from functools import partial

import numpy as np
import pytest

import minigrad as mg
from minigrad import losses
from minigrad.losses.catalogue import zero_or_one
from tests.losses.cases import CASES, cost_matrix

Z, Y, T = np.zeros((2, 3)), [0, 1], [[1, 0, 0], [0, 1, 1]]
C = cost_matrix(3)
OPTIONS = [
    (losses.cross_entropy, Y, {"label_smoothing": 1.0}, r"label_smoothing must lie in \[0, 1\), got 1.0"),
    (losses.cross_entropy, Y, {"label_smoothing": -0.1}, r"label_smoothing must lie in \[0, 1\), got -0.1"),
    (losses.huber, Z, {"delta": 0.0}, "huber: delta must be positive, got 0.0"),
    (losses.huber, Z, {"delta": np.inf}, "huber: delta must be a finite number, got inf"),
    (losses.huber, Z, {"delta": -1}, "huber: delta must be positive, got -1"),
    (losses.cross_entropy, Y, {"label_smoothing": "a"}, "label_smoothing must be a finite number, got 'a'"),
    (losses.influence_balanced, Y, {"features": [[1.0], [np.nan]]}, "features of sample 1 are not finite"),
    (losses.binary_cross_entropy, T, {"pos_weight": -1.0}, "pos_weight must be finite .* entry 0 is -1.0"),
    (
        losses.binary_cross_entropy,
        T,
        {"pos_weight": np.ones(5)},
        r"pos_weight has shape \(5,\), expected a number or \(3,\), one per label",
    ),
    (losses.log_cost, Y, {"cost_matrix": C - 1}, "log_cost: costs must not be negative, found -"),
    (
        losses.cost_weighted_cross_entropy,
        Y,
        {"cost_matrix": C - 9},
        "cost_weighted_cross_entropy, summed over a row: costs must not be negative",
    ),
    (losses.cost_penalty, Y, {"cost_matrix": C, "lam": -1}, "lam must be a finite number not below 0, got -1"),
    (losses.cost_penalty, Y, {"cost_matrix": C, "lam": np.nan}, "lam must be a finite number not below 0, got nan"),
    (losses.focal, Y, {"gamma": -1}, "focal: gamma must be a finite number not below 0, got -1"),
    (losses.focal, Y, {"gamma": "2"}, "focal: gamma must be a finite number not below 0, got '2'"),
    (losses.focal, Y, {"gamma": True}, "focal: gamma must be a finite number"),
    (losses.binary_focal, T, {"gamma": np.inf}, "binary_focal: gamma must be a finite number not below 0, got inf"),
    (losses.binary_focal, T, {"alpha": 1.5}, r"binary_focal: alpha must be a finite number in \[0, 1\], got 1.5"),
    (losses.ldam, Y, {"counts": [1, 1, 1], "max_margin": -0.5}, "ldam: max_margin must be a finite number not below 0"),
    (losses.ldam, Y, {"counts": [1, 1, 1], "scale": 0}, "ldam: scale must be positive, got 0"),
    (losses.logit_adjusted, Y, {}, "logit_adjusted needs either counts=, samples per class, or prior=, their shares"),
    (losses.logit_adjusted, Y, {"counts": [1, 1, 1], "prior": [1, 1, 1]}, "either counts=.*or prior="),
    (losses.logit_adjusted, Y, {"prior": [0.5, 0.5]}, r"logit_adjusted: prior has shape \(2,\)"),
    (losses.logit_adjusted, Y, {"prior": [1, 1, 1], "tau": -1}, "logit_adjusted: tau must be .* not below 0"),
    (
        losses.logit_adjusted,
        Y,
        {"counts": [3, 0, 1]},
        "sample 1 has label 1, which never occurs according to counts or prior: its loss would be infinite. Count the",
    ),
    (losses.vector_scaling, Y, {"counts": [3, 0, 1]}, "vector_scaling: sample 1 has label 1, which never occurs"),
    (losses.vector_scaling, Y, {"counts": [3, 1, 1], "gamma": -1}, "vector_scaling: gamma must be .* not below 0"),
    (losses.cdt, Y, {"counts": [3, 1, 1], "gamma": np.nan}, "cdt: gamma must be a finite number not below 0, got nan"),
    (losses.generalized_cross_entropy, Y, {"q": 2}, r"q must be a finite number in \[0, 1\], got 2"),
    (losses.weston_watkins, Y, {"cost_matrix": -np.ones((3, 3))}, "a negative cost would reward the mistake"),
    (losses.influence_balanced, Y, {"eps": 0}, "influence_balanced: eps must be positive, got 0"),
    (losses.influence_balanced, Y, {"features": np.ones(2)}, r"features has shape \(2,\), expected \(2, D\)"),
    (losses.influence_balanced, Y, {"features": np.ones((3, 2))}, r"features has shape \(3, 2\), expected \(2, D\)"),
    (losses.ghm, T, {"bins": 0}, "ghm: bins must be a positive integer, got 0"),
    (losses.gradient_density, T, {"bins": 2.5}, "gradient_density: bins must be a positive integer, got 2.5"),
    (losses.ghm, T, {"density": np.ones(3)}, r"density must be 30 finite numbers .*got shape \(3,\)"),
    (losses.ghm, T, {"bins": 2, "density": [-1.0, 2.0]}, "density must be 2 finite numbers that are not negative"),
    (
        losses.ghm,
        T,
        {"bins": 2, "density": [2.0, 0.0]},
        "the density is 0 in bin 1 of 2, where entry 0 lies: mix in gradient_density of this batch",
    ),
    (losses.asymmetric, T, {"gamma_pos": -1}, "asymmetric: gamma_pos must be"),
    (losses.asymmetric, T, {"gamma_neg": None}, "asymmetric: gamma_neg must be"),
    (losses.asymmetric, T, {"margin": 1.1}, r"asymmetric: margin must be a finite number in \[0, 1\], got 1.1"),
    *[
        (losses.distribution_balanced, T, {"counts": [1, 1, 1], "total": 2, **options}, message)
        for options, message in (
            ({"alpha": -1}, "distribution_balanced: alpha must be a finite number not below 0, got -1"),
            ({"beta": -1}, "distribution_balanced: beta must be a finite number not below 0, got -1"),
            ({"mu": np.nan}, "distribution_balanced: mu must be a finite number, got nan"),
            ({"kappa": np.inf}, "distribution_balanced: kappa must be a finite number, got inf"),
            ({"lam": 0}, "distribution_balanced: lam must be positive, got 0"),
            ({"total": None}, "distribution_balanced: total must be a finite number, got None"),
            ({"total": "9"}, "distribution_balanced: total must be a finite number, got '9'"),
            ({"total": 0.5}, "total is 0.5, but a label holds 1 times: pass the number of samples in the training set"),
        )
    ],
    (losses.tversky, T, {"alpha": -1}, "tversky: alpha must be"),
    (losses.tversky, T, {"beta": np.nan}, "tversky: beta must be"),
    (losses.soft_f1, T, {"smooth": -1}, "soft_f1: smooth must be a finite number not below 0, got -1"),
]


@pytest.mark.parametrize(("loss", "target", "options", "message"), OPTIONS)
def test_refused_options(loss, target, options, message):
    with pytest.raises(ValueError, match=message):
        loss(Z, target, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: losses.hinge(np.zeros(2), [1, -1], margin=np.nan),
            "margin must be a finite number, .* got nan",
        ),
        (lambda: losses.hinge(np.zeros(2), [1, -1], margin=(1, 2, 3)), "hinge: margin must be .* got"),
        (
            lambda: losses.binary_cross_entropy(np.zeros(2), [1, 0], pos_weight=[1.0, 1.0]),
            r"pos_weight has shape \(2,\), expected a number: .*one logit",
        ),
        (
            lambda: losses.distribution_balanced(Z[:, 0], Y, counts=[1], total=2),
            r"distribution_balanced needs logits of shape \(N, K\).*got \(2,\)",
        ),
        (
            lambda: losses.mse(np.zeros(2), [1.0, 2.0], sample_weight=[[1.0], [1.0, 2.0]]),
            "sample_weight is not one array: check for rows of different lengths",
        ),
    ],
)
def test_refused_for_one_output(call, message):
    with pytest.raises(ValueError, match=message):
        call()


SIGMOID = [case.loss for case in CASES.values() if case.data is zero_or_one and case.loss is not losses.example_cost]


@pytest.mark.parametrize("loss", list(dict.fromkeys(SIGMOID)))
def test_class_weights_need_hard_targets(loss):
    with pytest.raises(ValueError, match=f"{loss.__name__}: class_weight needs targets that are 0 or 1"):
        loss(Z[:, 0], [0.5, 1.0], class_weight=[1.0, 2.0])


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"cost_fn": np.ones(2)}, ValueError, r"cost_fn has shape \(2,\), expected a number or \(5,\)"),
        ({"cost_fp": np.ones((5, 1))}, ValueError, r"cost_fp has shape \(5, 1\)"),
        ({"cost_tn": np.nan}, ValueError, "cost_tn must be finite, found nan"),
        ({"cost_tp": "free"}, TypeError, "cost_tp must be real numbers"),
        ({"target": [0, 1, 2, 1, 0]}, ValueError, r"found \[0, 1, 2\]"),
    ],
)
def test_refused_costs_by_name(changed, error, message):
    arguments = {"prediction": np.zeros(5), "target": np.zeros(5, int), "cost_fp": 1.0, "cost_fn": 2.0, **changed}
    with pytest.raises(error, match=message):
        losses.example_cost(**arguments)


def test_costs_are_never_positional():
    with pytest.raises(TypeError, match="positional"):
        losses.example_cost(np.zeros(2), [0, 1], 1.0, 2.0)
    with pytest.raises(TypeError, match="cost_fn"):
        losses.example_cost(np.zeros(2), [0, 1], cost_fp=1.0)


def test_dicts_need_every_class_that_has_a_share():
    z, y, some = np.zeros((2, 3)), [0, 1], {0: 1.0, 1: 1.0}
    for target in (y, np.eye(3)[y]):
        assert mg.losses.cross_entropy(z, target, class_weight=some) == pytest.approx(np.log(3))
    for target, smoothing in ((y, 0.1), ([[0.5, 0.0, 0.5], [1.0, 0.0, 0.0]], 0.0)):
        with pytest.raises(ValueError, match="no entry for class 2"):
            mg.losses.cross_entropy(z, target, class_weight=some, label_smoothing=smoothing)


SIGNED = (losses.hinge, partial(losses.example_cost, cost_fp=1.0, cost_fn=1.0))


@pytest.mark.parametrize("loss", SIGNED)
@pytest.mark.parametrize("negative", [-1, 0])
def test_a_dict_of_signs_says_by_its_keys_how_the_classes_are_named(loss, negative):
    """Targets of one class do not tell: 1 is the positive class in both codings."""
    weights = {negative: 3.0, 1: 5.0}
    z = np.zeros(2)
    for target in ([1, 1], [negative, 1], [negative, negative]):
        gathered = [weights[t] for t in target]
        expected = loss(z, target, sample_weight=gathered, reduction="none")
        np.testing.assert_array_equal(loss(z, target, class_weight=weights, reduction="none"), expected)
    assert loss(z[:1], [1], class_weight=weights) > 0
    assert loss(z[:0], np.zeros(0), class_weight=weights) == 0


def test_a_dict_of_signs_needs_both_classes():
    with pytest.raises(ValueError, match=r"no entry for class -1"):
        mg.losses.hinge(np.zeros(2), [1, -1], class_weight={1: 2.0})
    with pytest.raises(ValueError, match=r"has keys \[0\], but the classes are -1, 1"):
        mg.losses.hinge(np.zeros(2), [1, -1], class_weight={-1: 1.0, 0: 1.0, 1: 2.0})
    with pytest.raises(ValueError, match=r"has keys \[5\], but the classes are 0, 1"):
        mg.losses.hinge(np.zeros(2), [1, 0], class_weight={0: 1.0, 1: 2.0, 5: 1.0})


def test_a_dict_of_tensors_that_require_grad_would_lose_the_gradient():
    weight = mg.tensor(2.0, requires_grad=True)
    with pytest.raises(TypeError, match="losing its gradient"):
        mg.losses.cross_entropy(np.zeros((2, 2)), [0, 1], class_weight={0: weight, 1: 1.0})
