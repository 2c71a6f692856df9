"""The losses for imbalanced data under the one contract: laws, closed forms, second order, extremes, bad numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import losses
from tests.losses.imbalance_cases import CASES

BATCHES = {"N = 1": 1, "N = 0": 0, "N = 5": 5}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_laws_and_closed_form(name, dtype):
    case = CASES[name]
    z, t = case.data(np.random.default_rng(1), 7, 4)
    report = losses.check_laws(
        case.loss, z.astype(dtype), t, kind=case.kind, closed_form=case.closed_form, skip=case.skip
    )
    assert set(report.skipped) == set(case.skip) | ({10} if case.kind != "multiclass" else set())


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=4, deadline=None)
@given(n=st.integers(1, 5), k=st.integers(1, 4), seed=st.integers(0, 99))
def test_laws_hold_for_every_shape(name, n, k, seed):
    case = CASES[name]
    z, t = case.data(np.random.default_rng(seed), n, k)
    losses.check_laws(case.loss, z, t, kind=case.kind, closed_form=case.closed_form, skip=case.skip, rng=seed)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if set(case.skip) - {5}])
def test_what_is_skipped_is_really_broken(name):
    case = CASES[name]
    z, t = case.data(np.random.default_rng(2), 7, 4)
    report = losses.check_laws(case.loss, z, t, kind=case.kind, raise_on_failure=False)
    assert set(report.failed) == set(case.skip)


def extremes(case, n, k=3):
    """Logits of -100, 0 and 100 in every combination, n at a time, with labels of a single class each time."""
    levels = np.array([-100.0, 0.0, 100.0], np.float32)
    shape = (n, k) if case.kind in ("multiclass", "multilabel") else (n,)
    for seed in range(6):
        z = np.random.default_rng(seed).choice(levels, size=shape)
        for label in range(k if case.kind == "multiclass" else 2):
            yield z, np.full(shape[:1] if case.kind == "multiclass" else shape, label)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", CASES)
def test_extreme_logits_in_float32(name, batch):
    case = CASES[name]
    for z, t in extremes(case, BATCHES[batch]):
        for reduction in ("mean", "weighted_mean"):
            leaf = mg.tensor(z, requires_grad=True)
            value = case.loss(leaf, t, sample_weight=np.full(len(z), 2.0), reduction=reduction)
            value.backward()
            assert value.dtype == leaf.grad.dtype == np.float32
            assert np.isfinite(value.data)
            assert np.isfinite(leaf.grad.data).all()


@pytest.mark.parametrize("name", CASES)
def test_second_derivatives_are_finite_at_the_extremes(name):
    case = CASES[name]
    for z, t in extremes(case, 4):
        curvature = mg.hvp(lambda x, t=t: case.loss(x, t), mg.tensor(z), mg.ones(z.shape))
        assert np.isfinite(curvature.data).all()


@pytest.mark.parametrize("name", CASES)
def test_arrays_in_arrays_out(name):
    case = CASES[name]
    z, t = case.data(np.random.default_rng(0), 5, 3)
    found = case.loss(z, t, reduction="none")
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, case.loss(mg.tensor(z), mg.tensor(t), reduction="none").data)


# --- Numbers that a loss cannot have

Z, Y, T = np.zeros((2, 3)), [0, 1], [[1, 0, 0], [0, 1, 1]]
REFUSED = [
    (losses.focal, Y, {"gamma": -1}, "focal: gamma must be a finite number not below 0, got -1"),
    (losses.focal, Y, {"gamma": "2"}, "focal: gamma must be a finite number not below 0, got '2'"),
    (losses.focal, Y, {"gamma": True}, "focal: gamma must be a finite number"),
    (losses.binary_focal, T, {"gamma": np.inf}, "binary_focal: gamma must be a finite number not below 0, got inf"),
    (losses.binary_focal, T, {"alpha": 1.5}, r"binary_focal: alpha must be a finite number in \[0, 1\], got 1.5"),
    (losses.ldam, Y, {"counts": [1, 2]}, r"ldam: counts has shape \(2,\), expected \(3,\), one per class: np.bincount"),
    (losses.ldam, Y, {"counts": [1, -2, 3]}, "ldam: counts must be finite, not negative and not all 0"),
    (losses.ldam, Y, {"counts": [1, np.nan, 3]}, "counts must be finite"),
    (losses.ldam, Y, {"counts": [1, np.inf, 3]}, "counts must be finite"),
    (losses.ldam, Y, {"counts": [0, 0, 0]}, "not all 0"),
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
    (losses.multiclass_hinge, Y, {"cost_matrix": np.ones((2, 2))}, r"cost matrix of shape \(2, 2\).*expected \(3, 3\)"),
    (losses.weston_watkins, Y, {"cost_matrix": np.full((3, 3), np.nan)}, "costs must be finite"),
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
            ({"total": 0.5}, "total is 0.5, but a label holds 1 times: pass the number of samples in the training set"),
        )
    ],
    (losses.tversky, T, {"alpha": -1}, "tversky: alpha must be"),
    (losses.tversky, T, {"beta": np.nan}, "tversky: beta must be"),
    (losses.soft_f1, T, {"smooth": -1}, "soft_f1: smooth must be a finite number not below 0, got -1"),
]


@pytest.mark.parametrize(("loss", "target", "options", "message"), REFUSED)
def test_refused(loss, target, options, message):
    with pytest.raises(ValueError, match=message):
        loss(Z, target, **options)


def test_refused_shapes_and_types():
    with pytest.raises(TypeError, match="cdt: counts must be numbers, got bool"):
        losses.cdt(Z, Y, counts=[True, True, True])
    with pytest.raises(ValueError, match=r"distribution_balanced needs logits of shape \(N, K\).*got \(2,\)"):
        losses.distribution_balanced(Z[:, 0], Y, counts=[1], total=2)
    for loss in (losses.binary_focal, losses.ghm, losses.asymmetric, losses.soft_f1, losses.tversky):
        with pytest.raises(ValueError, match=f"{loss.__name__}: class_weight needs targets that are 0 or 1"):
            loss(Z[:, 0], [0.5, 1.0], class_weight=[1.0, 2.0])
