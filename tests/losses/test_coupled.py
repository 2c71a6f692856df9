"""Soft F1 and Tversky: ratios of sums over the batch, where weights enter the sums and nothing is per sample."""

from functools import partial

import numpy as np
import pytest

import minigrad as mg
from minigrad.losses import soft_f1, tversky
from tests.losses.cases import sigmoid

RNG = np.random.default_rng(0)
Z, T, W = RNG.normal(size=9), np.array([1, 0, 0, 1, 0, 0, 0, 1, 0]), RNG.uniform(0.5, 2.5, 9)
ZZ, TT = RNG.normal(size=(5, 3)), RNG.integers(2, size=(5, 3))
LOSSES = {"soft_f1": soft_f1, "tversky": partial(tversky, alpha=0.3, beta=0.8), "smooth": partial(soft_f1, smooth=1.0)}


@pytest.fixture(params=LOSSES)
def loss(request):
    return LOSSES[request.param]


def gradient(loss, z, t, **options):
    z = mg.tensor(z, requires_grad=True)
    value = loss(z, t, **options)
    value.backward()
    return value.numpy(), z.grad.numpy()


# --- Values and gradients


@pytest.mark.parametrize("alpha", [0, 0.3, 1])
@pytest.mark.parametrize("beta", [0.5, 2])
@pytest.mark.parametrize(("z", "t", "w"), [(Z, T, W), (ZZ, TT, np.ones((5, 3)))])
def test_tversky_value_and_closed_form(z, t, w, alpha, beta):
    p = sigmoid(z)
    tp, fp, fn = np.sum(w * p * t), np.sum(w * p * (1 - t)), np.sum(w * (1 - p) * t)
    error = alpha * fp + beta * fn
    slope = (alpha * (1 - t) - beta * t) * tp - error * t
    value, g = gradient(tversky, z, t, sample_weight=w, alpha=alpha, beta=beta)
    np.testing.assert_allclose(value, 1 - tp / (tp + error))
    np.testing.assert_allclose(g, w * p * (1 - p) * slope / (tp + error) ** 2)


@pytest.mark.parametrize(("z", "t"), [(Z, T), (ZZ, TT), (Z, RNG.uniform(size=9))])
def test_soft_f1_value_and_closed_form(z, t):
    p = sigmoid(z)
    a, b = 2 * np.sum(p * t), np.sum(p) + np.sum(t)
    value, g = gradient(soft_f1, z, t)
    np.testing.assert_allclose(value, 1 - a / b)
    np.testing.assert_allclose(g, p * (1 - p) * (a - 2 * t * b) / b**2)


def test_sure_predictions_give_f1_itself():
    predicted = np.array([1, 1, 0, 0, 1, 0, 0, 1, 0])
    f1 = 2 * np.sum(predicted * T) / (predicted.sum() + T.sum())
    assert soft_f1(200.0 * predicted - 100, T) == pytest.approx(1 - f1)


def test_derivatives_to_second_order_also_in_the_weights(loss):
    assert mg.gradcheck(lambda z, w: loss(z, T, sample_weight=w), (Z, W), order=2)
    assert mg.gradcheck(lambda z, v: loss(z, TT, class_weight=v), (ZZ, np.array([1.0, 0.5, 2.0])), order=2)


# --- Weights enter the sums


def same(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)


@pytest.mark.parametrize("loss", [soft_f1, LOSSES["tversky"]])  # what smooth adds to the sums is not weighted
def test_weight_0_removes_and_weight_k_repeats(loss):
    k = np.array([2, 0, 1, 3, 1, 0, 1, 1, 2])
    value, g = gradient(loss, Z, T, sample_weight=k)
    repeated, per_copy = gradient(loss, np.repeat(Z, k), np.repeat(T, k))
    same((value, g), (repeated, np.bincount(np.repeat(np.arange(9), k), per_copy)))
    kept = np.array([0, 2, 3, 4, 6, 7, 8])
    same((gradient(loss, Z, T, sample_weight=W * (k > 0))[0],), (loss(Z[kept], T[kept], sample_weight=W[kept]),))


def test_a_factor_on_all_weights_cancels():
    for loss in (soft_f1, tversky):
        same(gradient(loss, Z, T, sample_weight=7 * W), gradient(loss, Z, T, sample_weight=W))
        same(gradient(loss, Z, T, sample_weight=np.full(9, 3.0)), gradient(loss, Z, T))


@pytest.mark.parametrize("factor", [1e-36, 1e-44, 1e36])
def test_so_does_one_that_takes_the_sums_to_the_ends_of_float32(factor):
    z, w = Z.astype(np.float32), (factor * np.ones(9)).astype(np.float32)
    for loss in (soft_f1, tversky):
        for found, expected in zip(gradient(loss, z, T, sample_weight=w), gradient(loss, z, T), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-6)
    nothing = np.zeros(9, np.float32)
    assert [x.tolist() for x in gradient(soft_f1, z, T, sample_weight=nothing)] == [0, nothing.tolist()]


def test_order_does_not_matter(loss):
    order = RNG.permutation(9)
    value, g = gradient(loss, Z[order], T[order], sample_weight=W[order])
    expected, unordered = gradient(loss, Z, T, sample_weight=W)
    same((value, g), (expected, unordered[order]))


def test_class_weights_are_gathered(loss):
    v = np.array([0.5, 3.0])
    same(gradient(loss, Z, T, class_weight=v, sample_weight=W), gradient(loss, Z, T, sample_weight=W * v[T]))
    v = np.array([0.5, 3.0, 1.0])
    same(gradient(loss, ZZ, TT, class_weight=v), gradient(loss, ZZ, TT, sample_weight=np.tile(v, (5, 1))))


# --- Coupled: nothing is per sample


@pytest.mark.parametrize("reduction", ["none", "sum", 9, "batchmean", None])
def test_reductions_without_a_meaning_are_refused(loss, reduction):
    with pytest.raises(ValueError, match=r"reduction .* has no meaning here: the loss is a ratio of sums"):
        loss(Z, T, reduction=reduction)


def test_both_means_are_the_same_number(loss):
    same((loss(Z, T, sample_weight=W, reduction="mean"),), (loss(Z, T, sample_weight=W, reduction="weighted_mean"),))


def test_it_is_not_the_mean_of_its_micro_batches(loss):
    halves = (loss(Z[:4], T[:4]) + loss(Z[4:], T[4:])) / 2
    assert abs(halves - loss(Z, T)) > 1e-3


# --- Edges


def test_a_batch_without_positives(loss):
    value, g = gradient(loss, Z, np.zeros(9))
    if loss is LOSSES["smooth"]:
        assert 0 < value < 1
        assert (g > 0).all()
    else:
        assert value == 1
        assert not g.any()


@pytest.mark.parametrize(
    ("z", "t", "options"),
    [
        (np.float32([-200.0, -200.0]), [0, 0], {}),  # nothing to find and nothing found
        (np.float32([1.0, 2.0]), [0, 1], {"sample_weight": [0.0, 0.0]}),
        (np.zeros(0, np.float32), np.zeros(0), {}),
        (np.zeros((0, 3), np.float32), np.zeros((0, 3)), {}),
    ],
)
def test_0_by_0_is_0(z, t, options, loss):
    value, g = gradient(loss, z, t, **options)
    assert value == 0
    assert not g.any()


@pytest.mark.parametrize("z", [np.full(4, 100.0), np.full(4, -100.0), np.array([100.0, -100, 100, -100])])
@pytest.mark.parametrize("t", [[0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 1]])
def test_extreme_logits_in_float32(loss, z, t):
    value, g = gradient(loss, z.astype(np.float32), t, sample_weight=[1.0, 2.0, 0.0, 3.0])
    assert value.dtype == g.dtype == np.float32
    assert 0 <= value <= 1
    assert np.isfinite(g).all()
