"""Focal loss: its values the long way, what detaching changes, full precision at both ends, and its traps."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.losses import binary_cross_entropy, binary_focal, cross_entropy, focal
from tests.losses.cases import sigmoid, softmax
from tests.losses.imbalance_cases import focal as focal_gradient
from tests.losses.imbalance_cases import focal_factor, one_hot

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


def torchvision_sigmoid_focal_loss(z, t, alpha=0.25, gamma=2.0):
    p = sigmoid(z)
    entropy = np.maximum(z, 0) - z * t + np.log1p(np.exp(-abs(z)))
    p_t = p * t + (1 - p) * (1 - t)
    loss = entropy * (1 - p_t) ** gamma
    return loss if alpha < 0 else (alpha * t + (1 - alpha) * (1 - t)) * loss


@pytest.mark.parametrize("gamma", [0.5, 2])
@pytest.mark.parametrize("alpha", [None, 0, 0.25, 1])
@pytest.mark.parametrize("z", [Z[:, 0], Z])
def test_binary_form_is_torchvisions(z, alpha, gamma):
    t = RNG.integers(2, size=z.shape)
    expected = torchvision_sigmoid_focal_loss(z, t, -1 if alpha is None else alpha, gamma)
    found = binary_focal(z, t, alpha=alpha, gamma=gamma, reduction="none")
    np.testing.assert_allclose(found, expected, rtol=1e-12)


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


# --- Traps: each wrong form fails the check that the right one passes


def weighted_focal(z, gamma=2.0):
    p = of_label(softmax(z))
    return np.sum(-W * (1 - p) ** gamma * np.log(p))


def gradient_of(wrong):
    """Backward of another loss than the one that is checked."""

    def backward(g, z):
        leaf = mg.tensor(z, requires_grad=True)
        return g * mg.grad(wrong(leaf), leaf).data

    return backward


def weight_in_the_modulator(z):
    p = mg.nn.functional.softmax(z)[np.arange(6), Y]
    return np.sum(-W * (1 - W / W.max() * p) ** 2 * np.log(p))


def modulator_of_the_weighted_loss(z):
    """pt = exp(-loss), where the loss has been weighted already."""
    weighted = cross_entropy(z, Y, sample_weight=W, reduction="none")
    return np.sum((1 - np.exp(-weighted)) ** 2 * weighted)


WRONG = {
    "modulator held constant": gradient_of(
        lambda z: focal(z, Y, sample_weight=W, reduction="sum", detach_modulator=True)
    ),
    "weight inside the modulator": gradient_of(weight_in_the_modulator),
    "modulator of the weighted loss": gradient_of(modulator_of_the_weighted_loss),
}


def test_the_right_gradient_passes():
    right = gradient_of(lambda z: focal(z, Y, sample_weight=W, reduction="sum"))
    assert mg.check_backward(weighted_focal, right, Z, labels=Y, weights=W, gamma=2.0).ok
    closed = lambda g, z: g * W[:, None] * focal_gradient(z, Y, 2)  # noqa: E731
    assert mg.check_backward(weighted_focal, closed, Z, labels=Y, weights=W, gamma=2.0).ok


@pytest.mark.parametrize("trap", WRONG)
def test_a_wrong_gradient_fails(trap):
    report = mg.check_backward(weighted_focal, WRONG[trap], Z, labels=Y, weights=W, gamma=2.0)
    assert not report.ok
    assert report.reasons


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gamma_below_1_as_a_power_of_1_minus_p_is_nan():
    z, y = np.array([[40.0, 0.0]]), [0]  # p_y is 1 in float64

    def forward(z):
        return np.sum(focal(z, y, gamma=0.5, reduction="none"))

    def power(g, z):
        p = softmax(z)
        return g * ((1 - p[:, :1]) ** 0.5 - 0.5 * p[:, :1] * (1 - p[:, :1]) ** -0.5 * np.log(p[:, :1])) * (p - [1, 0])

    assert np.isnan(power(1.0, z)).all()
    assert not mg.check_backward(forward, power, z, gamma=0.5).ok
    assert mg.check_backward(forward, lambda g, z: g * gradient(focal, z, y, gamma=0.5), z, gamma=0.5).ok
    assert gradient(focal, z, y, gamma=0.5)[0, 0] < 0
