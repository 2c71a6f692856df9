"""Focal loss: its values the long way, what detaching changes, full precision at both ends, and its traps."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.losses import binary_cross_entropy, binary_focal, cross_entropy, focal
from minigrad.losses.formulas import focal_factor
from tests.losses.cases import one_hot, sigmoid, softmax

RNG = np.random.default_rng(0)
Z, Y = RNG.normal(size=(6, 3)), np.array([0, 2, 1, 1, 0, 2])
W = RNG.uniform(0.5, 2.5, 6)
LABELS = np.arange(6) % 2


def of_label(p):
    return p[np.arange(len(Y)), Y]


def gradient(loss, z, t, **options):
    z = mg.tensor(z, requires_grad=True)
    loss(z, t, reduction="sum", **options).backward()
    return z.grad.data


# --- Values


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2, 5])
def test_softmax_form(gamma):
    p = of_label(softmax(Z))
    np.testing.assert_allclose(focal(Z, Y, gamma=gamma, reduction="none"), -((1 - p) ** gamma) * np.log(p))


def test_gamma_0_is_cross_entropy():
    np.testing.assert_allclose(focal(Z, Y, gamma=0, reduction="none"), cross_entropy(Z, Y, reduction="none"))
    np.testing.assert_allclose(
        binary_focal(Z, Z > 0, gamma=0, alpha=None, reduction="none"), binary_cross_entropy(Z, Z > 0, reduction="none")
    )
    masked = np.array([[0.0, -np.inf]])  # a class that cannot be
    assert focal(masked, [0], gamma=0) == focal(masked, [0]) == 0


def test_binary_is_softmax_over_two_logits():
    two = np.stack([np.zeros(6), Z[:, 0]], axis=1)
    np.testing.assert_allclose(
        binary_focal(Z[:, 0], LABELS, alpha=None, reduction="none"), focal(two, LABELS, reduction="none")
    )


def test_targets_in_between_take_both_losses():
    positive, negative = (binary_focal(Z[:, 0], np.full(6, t), reduction="none") for t in (1, 0))
    np.testing.assert_allclose(
        binary_focal(Z[:, 0], np.full(6, 0.3), reduction="none"), 0.3 * positive + 0.7 * negative
    )


def test_alpha_lowers_the_positives():
    positive, negative = binary_focal(np.zeros(2), [1, 0], reduction="none")
    assert 3 * positive == pytest.approx(negative)


# --- The gradient is f (p - e_y), not the modulator times it


def test_factor_exceeds_the_modulator_and_peaks_at_1_225():
    p = np.linspace(1e-4, 1 - 1e-4, 9999)
    f = focal_factor(p, 2)
    assert f.max() == pytest.approx(1.225, abs=5e-4)
    assert p[f.argmax()] == pytest.approx(0.104, abs=5e-3)
    assert (f > (1 - p) ** 2).all()


@pytest.mark.parametrize("gamma", [0.5, 2])
def test_detached_modulator_is_a_constant_weight(gamma):
    p = softmax(Z)
    expected = (1 - of_label(p))[:, None] ** gamma * (p - one_hot(Z, Y))
    np.testing.assert_allclose(gradient(focal, Z, Y, gamma=gamma, detach_modulator=True), expected)
    z, p = Z[:, 0], sigmoid(Z[:, 0])
    expected = np.where(LABELS == 1, -0.25 * (1 - p) ** (gamma + 1), 0.75 * p ** (gamma + 1))
    np.testing.assert_allclose(gradient(binary_focal, z, LABELS, gamma=gamma, detach_modulator=True), expected)


@pytest.mark.parametrize("loss", [focal, binary_focal])
def test_detaching_changes_the_method_but_not_the_value(loss):
    z, t = (Z, Y) if loss is focal else (Z[:, 0], LABELS)
    np.testing.assert_array_equal(loss(z, t), loss(z, t, detach_modulator=True))
    report = mg.gradcheck(lambda z: loss(z, t, detach_modulator=True, reduction="none"), z, raise_on_failure=False)
    assert not report.ok


# --- Precision, in float32


@pytest.mark.parametrize("gamma", [0.1, 0.5, 2, 5])
def test_both_ends_keep_their_digits(gamma):
    z = np.array([-100.0, -30.0, -5.0, 0.0, 5.0, 12.0])
    t = np.ones(6)
    for loss, x, y in (
        (binary_focal, z, t),
        (binary_focal, -z, 1 - t),
        (focal, np.stack([np.zeros(6), z, np.full(6, -2.0)], axis=1), t.astype(int)),
    ):
        found = gradient(loss, x.astype(np.float32), y, gamma=gamma)
        np.testing.assert_allclose(found, gradient(loss, x, y, gamma=gamma), rtol=2e-5)


def test_the_hardest_keep_their_gradient():
    assert gradient(binary_focal, np.float32([-100.0, 100.0]), [1, 0]).tolist() == [-0.25, 0.75]
    assert gradient(focal, np.float32([[-100.0, 100.0]]), [0]).tolist() == [[-1.0, 1.0]]
