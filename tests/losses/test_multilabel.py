"""Asymmetric and distribution-balanced loss: values the long way, limits, what is discarded, labels without counts."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.losses import asymmetric, binary_cross_entropy, binary_focal, distribution_balanced
from tests.losses.cases import sigmoid

RNG = np.random.default_rng(0)
Z, T = 2 * RNG.normal(size=(6, 4)), RNG.integers(2, size=(6, 4))
COUNTS, TOTAL = np.array([50, 20, 5, 1]), 60


def gradient(loss, z, t, **options):
    z = mg.tensor(z, requires_grad=True)
    loss(z, t, reduction="sum", **options).backward()
    return z.grad.data


# --- Asymmetric


@pytest.mark.parametrize(("positive", "negative", "m"), [(1, 4, 0.05), (0, 2, 0.2), (0.5, 0.5, 0), (2, 0, 0.05)])
def test_asymmetric_by_its_formula(positive, negative, m):
    p = sigmoid(Z)
    shifted = np.maximum(p - m, 0)
    expected = -T * (1 - p) ** positive * np.log(p) - (1 - T) * shifted**negative * np.log(1 - shifted)
    found = asymmetric(Z, T, gamma_pos=positive, gamma_neg=negative, margin=m, reduction="none")
    np.testing.assert_allclose(found, expected, atol=1e-15)


def test_asymmetric_with_equal_gammas_is_focal_and_with_none_is_cross_entropy():
    focal = binary_focal(Z, T, alpha=None, gamma=2, reduction="none")
    np.testing.assert_allclose(asymmetric(Z, T, gamma_pos=2, gamma_neg=2, margin=0, reduction="none"), focal)
    plain = asymmetric(Z, T, gamma_pos=0, gamma_neg=0, margin=0, reduction="none")
    np.testing.assert_allclose(plain, binary_cross_entropy(Z, T, reduction="none"))


def test_easy_negatives_are_discarded_and_hard_ones_fade():
    z = np.log(0.04 / 0.96)  # p = 0.04, below the margin
    g = gradient(asymmetric, np.array([z, 0.0, 1.5, 20.0]), np.zeros(4))
    assert g[0] == 0
    assert g[2] > g[1] > g[3] > 0
    assert gradient(asymmetric, np.float32([-100.0]), [1]).tolist() == [-1]  # the hardest positive


@pytest.mark.parametrize("margin", [0, 0.05])
def test_detached_modulators_are_constant_weights(margin):
    p = sigmoid(Z)
    shifted = np.maximum(p - margin, 0)
    expected = np.where(T == 1, -((1 - p) ** 2), shifted**4 / (1 - shifted) * p * (1 - p))
    found = gradient(asymmetric, Z, T, margin=margin, detach_modulator=True)
    np.testing.assert_allclose(found, expected)
    assert not np.allclose(found, gradient(asymmetric, Z, T, margin=margin))
    np.testing.assert_array_equal(
        asymmetric(Z, T, margin=margin), asymmetric(Z, T, margin=margin, detach_modulator=True)
    )


def test_small_powers_have_a_gradient_at_the_margin():
    z = np.array([np.log(0.2 / 0.8), -1.38, -100.0])  # at the margin, just above it, far below it
    g = gradient(asymmetric, z, np.zeros(3), gamma_neg=0.1, margin=0.2)
    assert np.isfinite(g).all()
    assert g[1] > 0 == g[2]


# --- Distribution-balanced


def test_distribution_balanced_by_its_formula():
    prior = COUNTS / TOTAL
    z = Z - 0.1 * np.log(prior / (1 - prior))
    for i, c in np.ndindex(Z.shape):
        repeats = sum(1 / COUNTS[j] for j in range(4) if T[i, j])
        r = 1 / COUNTS[c] / repeats if repeats else np.inf
        weight = 0.2 + sigmoid(5 * (r - 0.3))
        entropy = np.log1p(np.exp(-z[i, c])) if T[i, c] else np.log1p(np.exp(3 * z[i, c])) / 3
        options = {"alpha": 0.2, "beta": 5, "mu": 0.3, "lam": 3, "kappa": 0.1}
        found = distribution_balanced(Z, T, counts=COUNTS, total=TOTAL, reduction="none", **options)
        assert found[i, c] == pytest.approx(weight * entropy)
    assert not T.all(axis=1).any()


def test_without_its_parts_it_is_binary_cross_entropy():
    found = distribution_balanced(Z, T, counts=COUNTS, total=TOTAL, alpha=0.5, beta=0, lam=1, kappa=0, reduction="none")
    labelled = T.any(axis=1)
    np.testing.assert_allclose(found[labelled], binary_cross_entropy(Z, T, reduction="none")[labelled])


def test_a_frequent_label_beside_a_rare_one_counts_less():
    z, t = np.zeros((2, 4)), [[1, 0, 0, 0], [1, 0, 0, 1]]
    alone, together = distribution_balanced(z, t, counts=COUNTS, total=TOTAL, reduction="none")[:, 0]
    assert together < alone / 3


def test_samples_without_a_label_weigh_1_plus_alpha():
    options = {"counts": COUNTS, "total": TOTAL, "lam": 1, "kappa": 0, "reduction": "none"}
    found = distribution_balanced(Z[:1], np.zeros((1, 4)), **options)
    np.testing.assert_allclose(found, 1.1 * binary_cross_entropy(Z[:1], np.zeros((1, 4)), reduction="none"))


@pytest.mark.parametrize("counts", [[50, 20, 5, 0], [60, 20, 5, 1], [1, 0, 0, 0]])
def test_labels_that_never_or_always_hold_stay_finite(counts):
    for t in (T, np.ones_like(T), np.zeros_like(T)):
        assert np.isfinite(distribution_balanced(Z, t, counts=counts, total=60))
        assert np.isfinite(gradient(distribution_balanced, Z.astype(np.float32), t, counts=counts, total=60)).all()
    never, half = (distribution_balanced(Z, T, counts=[50, 20, 5, n], total=60) for n in (0, 0.5))
    assert never == half


def test_the_shift_forgives_negatives_of_a_rare_label_least_where_the_sign_is_turned():
    z, t = np.zeros((1, 4)), np.zeros((1, 4))
    paper, code = (
        distribution_balanced(z, t, counts=COUNTS, total=TOTAL, kappa=k, reduction="none")[0, 3] for k in (0.05, -0.05)
    )
    assert paper > code  # z - v with v < 0: the authors' code adds v
