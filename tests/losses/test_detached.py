"""Influence-balanced loss and GHM: their weights, that these are constants, and what they are counted from."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.losses import binary_cross_entropy, cross_entropy, ghm, gradient_density, influence_balanced
from tests.devices import on_device
from tests.losses.cases import one_hot, sigmoid, softmax

RNG = np.random.default_rng(0)
Z, Y = 2 * RNG.normal(size=(6, 3)), np.array([0, 2, 1, 1, 0, 2])
H = RNG.normal(size=(6, 4))
X, T = 2 * RNG.normal(size=40), RNG.integers(2, size=40)
W = RNG.uniform(0.5, 2.5, 40)


def gradient(loss, z, t, **options):
    z = mg.tensor(z, requires_grad=True)
    loss(z, t, **{"reduction": "sum", **options}).backward()
    return z.grad.numpy()


# --- Influence-balanced


@pytest.mark.parametrize("features", [None, H, mg.tensor(H, requires_grad=True)], ids=["none", "array", "tensor"])
def test_influence_balanced_divides_by_the_norm_of_the_last_layers_gradient(features):
    residual = softmax(Z) - one_hot(Z, Y)
    h = np.ones((6, 1)) if features is None else H
    at_the_last_layer = np.einsum("nk,nd->nkd", residual, h)
    weight = 1 / (np.abs(at_the_last_layer).sum(axis=(1, 2)) + 1e-3)
    found = influence_balanced(on_device(Z), Y, features=features, reduction="none")
    np.testing.assert_allclose(found, weight * cross_entropy(Z, Y, reduction="none"))
    np.testing.assert_allclose(gradient(influence_balanced, Z, Y, features=features), weight[:, None] * residual)


def test_no_gradient_reaches_the_features():
    h = mg.tensor(H, requires_grad=True)
    z = h @ mg.tensor(RNG.normal(size=(4, 3)))
    influence_balanced(z, Y, features=h, reduction="sum").backward()
    through_the_logits = h.grad
    h.grad = None
    influence_balanced(z, Y, features=h.detach(), reduction="sum").backward()
    np.testing.assert_array_equal(h.grad.data, through_the_logits.data)


def test_without_the_detach_it_is_another_method():
    def attached(z):
        influence = 2 - 2 * mg.nn.functional.softmax(z)[np.arange(6), Y]  # |p - t|_1
        return cross_entropy(z, Y, reduction="none") / (influence + 1e-3)

    def forward(z):
        return np.sum(attached(z))

    wrong = gradient(influence_balanced, Z, Y)
    np.testing.assert_allclose(influence_balanced(Z, Y, reduction="sum"), forward(Z))
    assert mg.gradcheck(attached, Z)
    assert not mg.check_backward(forward, lambda g, z: g * gradient(influence_balanced, z, Y), Z).ok
    assert not np.allclose(gradient(lambda z, t, reduction: np.sum(attached(z)), Z, Y), wrong)


def test_no_sample_pulls_by_more_than_any_other():
    pull = np.abs(gradient(influence_balanced, np.float32([[9, 0], [0, 0], [-9, 0], [-100, 0]]), np.zeros(4, int)))
    assert pull.max() <= 0.5
    assert pull[1:].min() > 0.499


# --- GHM


def bins_of(x, t, m):
    return [min(int(m * abs(p - u)), m - 1) for p, u in zip(sigmoid(x), t, strict=True)]


@pytest.mark.parametrize("m", [1, 10, 30])
def test_ghm_divides_by_the_share_of_the_bin(m):
    position = bins_of(X, T, m)
    beta = np.array([len(X) / m / position.count(b) for b in position])  # N / (R_b / epsilon), epsilon = 1 / m
    entropy = binary_cross_entropy(X, T, reduction="none")
    np.testing.assert_allclose(ghm(X, T, bins=m, reduction="none"), beta * entropy)
    np.testing.assert_allclose(gradient(ghm, X, T, bins=m), beta * (sigmoid(X) - T))
    np.testing.assert_allclose(gradient_density(X, T, bins=m)[position], 1 / beta)
    assert gradient_density(X, T, bins=m).mean() == pytest.approx(1)


def test_one_bin_is_binary_cross_entropy():
    np.testing.assert_allclose(ghm(X, T, bins=1, sample_weight=W), binary_cross_entropy(X, T, sample_weight=W))


def test_every_occupied_bin_gets_the_same_total():
    weights = ghm(X, T, bins=5, reduction="none") / binary_cross_entropy(X, T, reduction="none")
    totals = np.bincount(bins_of(X, T, 5), weights)
    np.testing.assert_allclose(totals, len(X) / 5)


@pytest.mark.parametrize("reduction", ["sum", "weighted_mean"])
def test_weights_count_in_the_histogram(reduction):
    k = RNG.integers(3, size=40)
    repeated = ghm(np.repeat(X, k), np.repeat(T, k), bins=5, reduction=reduction)
    assert ghm(X, T, bins=5, sample_weight=k, reduction=reduction) == pytest.approx(repeated)
    classes = ghm(X, T, bins=5, class_weight=[1.0, 3.0], reduction=reduction)
    assert classes == pytest.approx(ghm(X, T, bins=5, sample_weight=1 + 2 * T, reduction=reduction))


def test_multi_label_entries_share_one_histogram():
    z, t = X.reshape(10, 4), T.reshape(10, 4)
    np.testing.assert_allclose(ghm(z, t, reduction="none").ravel(), ghm(X, T, reduction="none"))
    w = np.repeat(W[:10], 4)
    np.testing.assert_allclose(ghm(z, t, sample_weight=W[:10]), ghm(X, T, sample_weight=w))


def test_a_given_density_lets_micro_batches_add_up():
    density = gradient_density(X, T, bins=5)
    parts = [ghm(X[i : i + 8], T[i : i + 8], bins=5, density=density, reduction=40) for i in range(0, 40, 8)]
    assert sum(parts) == pytest.approx(ghm(X, T, bins=5))
    coupled = [ghm(X[i : i + 8], T[i : i + 8], bins=5, reduction=40) for i in range(0, 40, 8)]
    assert sum(coupled) != pytest.approx(ghm(X, T, bins=5), rel=1e-3)


def test_a_batch_that_is_wholly_weighted_away_teaches_nothing():
    assert ghm(X, T, sample_weight=np.zeros(40)) == 0
    assert not gradient(ghm, X, T, sample_weight=np.zeros(40), reduction="weighted_mean").any()
    assert not gradient_density(X[:0], T[:0]).any()


def test_gradients_of_1_fall_into_the_last_bin():
    assert gradient_density(np.float32([100.0]), [0], bins=4).tolist() == [0, 0, 0, 4]
