"""LDAM, logit adjustment, CDT, VS: their limits, their relations, empty classes, and the copied notebook's mistake."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.losses import cdt, cross_entropy, ldam, logit_adjusted, vector_scaling
from tests.losses.cases import one_hot, softmax

RNG = np.random.default_rng(0)
Z, Y = 3 * RNG.normal(size=(7, 3)) + 5, np.array([0, 0, 0, 1, 1, 2, 0])  # raw logits: rows have no common scale
COUNTS = np.array([810, 90, 10])
PRIOR = COUNTS / COUNTS.sum()
SAME = {
    "ldam without margin": (ldam, {"counts": COUNTS, "max_margin": 0, "scale": 1}),
    "logit_adjusted, tau = 0": (logit_adjusted, {"counts": COUNTS, "tau": 0}),
    "logit_adjusted, balanced": (logit_adjusted, {"counts": [5, 5, 5]}),
    "cdt, gamma = 0": (cdt, {"counts": COUNTS, "gamma": 0}),
    "cdt, balanced": (cdt, {"counts": [5, 5, 5]}),
    "vector_scaling, both 0": (vector_scaling, {"counts": COUNTS, "gamma": 0, "tau": 0}),
    "both 0, an empty class": (vector_scaling, {"counts": [810, 90, 0], "gamma": 0, "tau": 0}),
}


def gradient(loss, z, t, **options):
    z = mg.tensor(z, requires_grad=True)
    loss(z, t, reduction="sum", **options).backward()
    return z.grad.numpy()


@pytest.mark.parametrize("name", SAME)
def test_limits_are_cross_entropy(name):
    loss, options = SAME[name]
    np.testing.assert_allclose(loss(Z, Y, **options, reduction="none"), cross_entropy(Z, Y, reduction="none"))


def test_formulas():
    labels = np.arange(7), Y
    adjusted = PRIOR * np.exp(Z)
    balanced_softmax = -np.log(adjusted[labels] / adjusted.sum(axis=1))
    np.testing.assert_allclose(logit_adjusted(Z, Y, counts=COUNTS, reduction="none"), balanced_softmax)
    scaled = softmax(Z / (810 / COUNTS) ** 0.2 + 1.5 * np.log(PRIOR))
    np.testing.assert_allclose(
        vector_scaling(Z, Y, counts=COUNTS, gamma=0.2, tau=1.5, reduction="none"), -np.log(scaled[labels])
    )
    margins = np.array([0.5 / 3, 0.5 / 3**0.5, 0.5])  # (10 / 810)^(1/4), (10 / 90)^(1/4), 1
    z = Z / 10
    with_margin = softmax(4 * (z - one_hot(z, Y) * margins))
    np.testing.assert_allclose(ldam(z, Y, counts=COUNTS, scale=4, reduction="none"), -np.log(with_margin[labels]))


def test_ldam_of_cosines_with_its_defaults():
    cosine, margins = Z / np.abs(Z).max(), np.array([0.5 / 3, 0.5 / 3**0.5, 0.5])
    q = softmax(30 * (cosine - one_hot(Z, Y) * margins))
    np.testing.assert_allclose(ldam(cosine, Y, counts=COUNTS, reduction="none"), -np.log(q[np.arange(7), Y]))
    np.testing.assert_allclose(gradient(ldam, cosine, Y, counts=COUNTS), 30 * (q - one_hot(Z, Y)), atol=1e-14)


def test_one_family():
    options = {"counts": COUNTS, "reduction": "none"}
    np.testing.assert_array_equal(cdt(Z, Y, gamma=0.4, **options), vector_scaling(Z, Y, gamma=0.4, tau=0, **options))
    np.testing.assert_array_equal(
        logit_adjusted(Z, Y, tau=0.4, **options), vector_scaling(Z, Y, gamma=0, tau=0.4, **options)
    )
    np.testing.assert_allclose(
        logit_adjusted(Z, Y, **options), logit_adjusted(mg.tensor(Z), Y, prior=mg.tensor(PRIOR), reduction="none").data
    )


@pytest.mark.parametrize("loss", [ldam, logit_adjusted, cdt, vector_scaling])
def test_only_the_ratios_of_the_counts_matter(loss):
    np.testing.assert_allclose(loss(Z, Y, counts=COUNTS), loss(Z, Y, counts=COUNTS / 10.0))


@pytest.mark.parametrize("loss", [ldam, logit_adjusted, cdt, vector_scaling])
def test_being_right_by_as_much_is_not_enough_for_the_rare_class(loss):
    own = {"scale": 1} if loss is ldam else {}
    frequent, medium, rare = loss(4 * np.eye(3), [0, 1, 2], counts=COUNTS, reduction="none", **own)
    assert frequent < medium < rare


# --- A class that never occurs


def test_empty_classes():
    counts, y = [810, 0, 10], Y * (Y != 1)
    assert logit_adjusted(Z, y, counts=counts) == pytest.approx(
        logit_adjusted(Z[:, [0, 2]], y // 2, counts=[810, 10])  # as if it were not there
    )
    for loss in (logit_adjusted, vector_scaling, cdt):
        g = gradient(loss, Z, y, counts=counts)
        assert np.isfinite(g).all()
        assert not g[:, 1].any()
    rarest = ldam(Z / 10, Y, counts=[810, 10, 10], reduction="none")
    np.testing.assert_array_equal(ldam(Z / 10, Y, counts=[810, 0, 10], reduction="none"), rarest)
    np.testing.assert_array_equal(cdt(Z, Y, counts=[810, 0, 810]), cdt(Z * [1, 0, 1], Y, counts=[1, 1, 1]))


# --- What the rare class gets


A = (810 / COUNTS) ** 0.4


def test_dividing_log_probabilities_takes_weight_from_the_rare_class():
    p, y = softmax(np.zeros((3, 3))), np.arange(3)
    wrong = -np.log(p[y, y]) / A
    np.testing.assert_allclose(wrong, cross_entropy(np.zeros((3, 3)), y, class_weight=1 / A, reduction="none"))
    assert wrong[0] > wrong[1] > wrong[2]


def test_a_trained_model_needs_a_larger_logit_for_the_rare_class():
    z = mg.tensor(np.zeros((3, 3)), requires_grad=True)
    for _ in range(400):
        z.grad = None
        cdt(z, [0, 1, 2], counts=COUNTS, gamma=0.4, reduction="sum").backward()
        z.data -= 0.5 * z.grad.data
    own = np.diag(z.data) - (z.data.sum(axis=1) - np.diag(z.data)) / 2
    assert own[2] > own[0]
