"""Cross-entropy, binary cross-entropy, squared error, Huber, hinge: values, gradients, edges, parity with PyTorch."""

from functools import partial

import numpy as np
import pytest

import minigrad as mg
from minigrad.losses import binary_cross_entropy, cross_entropy, hinge, huber, mse
from tests.devices import on_device
from tests.losses.cases import gradient, sigmoid, softmax

RNG = np.random.default_rng(0)
N, K = 7, 3
Z = RNG.normal(size=(N, K))
Y = np.array([0, 1, 2, 2, 1, 2, 2])
W = RNG.uniform(0.5, 2.5, N)
V = np.array([4.0, 0.5, 1.5])
REDUCTIONS = ["none", "sum", "mean", "weighted_mean", 12.5]


# --- Values by hand


def test_cross_entropy_is_minus_the_logarithm_of_the_labels_probability():
    loss = cross_entropy(Z, Y, sample_weight=W, class_weight=V, reduction="none")
    np.testing.assert_allclose(loss, -W * V[Y] * np.log(softmax(Z)[np.arange(N), Y]))


def test_binary_cross_entropy_by_its_formula():
    z, t, b = Z[:, 0], RNG.uniform(size=N), 3.0
    loss = binary_cross_entropy(z, t, pos_weight=b, reduction="none")
    np.testing.assert_allclose(loss, -b * t * np.log(sigmoid(z)) - (1 - t) * np.log(1 - sigmoid(z)))


def test_binary_is_softmax_over_two_logits():
    t = Y > 1
    two = np.stack([np.zeros(N), Z[:, 0]], axis=1)
    for options in ({}, {"class_weight": [1.0, 5.0]}, {"class_weight": {1: 5.0, 0: 1.0}, "reduction": "weighted_mean"}):
        expected = cross_entropy(two, t.astype(int), sample_weight=W, **options)
        np.testing.assert_allclose(binary_cross_entropy(Z[:, 0], t, sample_weight=W, **options), expected)


def test_pos_weight_weighs_positives_but_is_no_part_of_the_sum_of_weights():
    t = (Y > 1).astype(int)
    weighted = partial(binary_cross_entropy, Z[:, 0], t, class_weight=[1.0, 5.0])
    positive = partial(binary_cross_entropy, Z[:, 0], t, pos_weight=5.0)
    for reduction in ("none", "sum", "mean"):
        np.testing.assert_allclose(weighted(reduction=reduction), positive(reduction=reduction))
    assert positive(reduction="weighted_mean") == pytest.approx(positive(reduction="mean"))
    assert weighted(reduction="weighted_mean") < weighted(reduction="mean")


@pytest.mark.parametrize("pos_weight", [2, np.float64(2.0), np.float32(2.0), [2.0, 2.0, 2.0], mg.tensor(2.0)])
def test_pos_weight_in_every_form(pos_weight):
    z = on_device(Z.astype(np.float32))
    loss = binary_cross_entropy(z, Z > 0, pos_weight=pos_weight)
    assert loss.dtype == np.float32
    assert float(loss) == pytest.approx(float(binary_cross_entropy(z, Z > 0, pos_weight=2.0)))


def test_squared_error_and_huber_average_over_a_samples_outputs():
    t = np.zeros((N, K))
    np.testing.assert_allclose(mse(Z, t, reduction="none"), np.mean(Z**2, axis=1))
    np.testing.assert_allclose(mse(Z, t, sample_weight=W), np.sum(W * np.mean(Z**2, axis=1)) / N)
    flat = huber(Z.ravel(), t.ravel(), delta=0.5, reduction="none")
    np.testing.assert_allclose(huber(Z, t, delta=0.5, reduction="none"), flat.reshape(N, K).mean(axis=1))


def test_huber_is_a_parabola_with_tangents():
    np.testing.assert_allclose(
        huber(np.array([-3.0, -2.0, 0.5, 2.0, 3.0]), np.zeros(5), delta=2.0, reduction="none"), [4, 2, 0.125, 2, 4]
    )


def test_hinge_takes_signs_or_zero_and_one_and_two_margins():
    z = on_device(np.array([0.5, 0.5, -2.0]))
    for s in ([1, -1, -1], [1, 0, 0], np.array([1.0, -1.0, -1.0]), mg.tensor([True, False, False])):
        np.testing.assert_allclose(hinge(z, s, reduction="none"), [0.5, 1.5, 0])
        np.testing.assert_allclose(hinge(z, s, reduction="none", margin=(3.0, 2.0)), [1.5, 3.5, 1.0])
        np.testing.assert_allclose(hinge(z, s, reduction="none", class_weight=[10.0, 1.0]), [0.5, 15, 0])


def test_hinge_weights_change_the_slope_margins_do_not():
    z, s = np.array([0.5, 0.5]), [1, -1]
    np.testing.assert_allclose(gradient(hinge, z, s, reduction="sum", class_weight={-1: 4.0, 1: 1.0})[1], [-1, 4])
    np.testing.assert_allclose(gradient(hinge, z, s, reduction="sum", margin=(9.0, 2.0))[1], [-1, 1])


# --- Cross-entropy's targets


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "weights", [{}, {"sample_weight": W}, {"class_weight": V}, {"sample_weight": W, "class_weight": V}]
)
def test_hard_labels_and_the_same_one_hot_give_the_same_number(weights, reduction, smoothing):
    options = {**weights, "reduction": reduction, "label_smoothing": smoothing}
    hard, soft = (gradient(cross_entropy, Z, t, **options) for t in (Y, np.eye(K)[Y]))
    np.testing.assert_allclose(hard[0], soft[0])
    np.testing.assert_allclose(hard[1], soft[1], atol=1e-15)


@pytest.mark.parametrize(
    "labels",
    [
        Y.tolist(),
        Y.astype(np.int32),
        Y.astype(np.uint8),
        Y.astype(np.uint64),
        mg.tensor(Y),
        mg.tensor(Y.astype(np.int8)),
    ],
)
@pytest.mark.parametrize("v", [V, {0: 4.0, 1: 0.5, 2: 1.5}])
def test_labels_in_every_form(labels, v):
    expected = gradient(cross_entropy, Z, Y, class_weight=V)
    for a, b in zip(gradient(cross_entropy, Z, labels, class_weight=v), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_target_probabilities_receive_a_gradient():
    t = mg.tensor(softmax(Z), requires_grad=True)
    cross_entropy(mg.tensor(Z), t, class_weight=V, reduction="sum").backward()
    np.testing.assert_allclose(t.grad.data, -V * np.log(softmax(Z)))


def test_binary_targets_and_pos_weight_receive_a_gradient():
    mg.gradcheck(lambda z, t, b: binary_cross_entropy(z, t, pos_weight=b), [Z, sigmoid(Z[::-1]), V], order=2)


def test_a_class_that_is_masked_out_by_minus_infinity_counts_nothing():
    z = np.array([[0.0, 1.0, -np.inf], [1.0, 0.0, -np.inf]])
    for t in ([0, 1], np.eye(3)[[0, 1]]):
        value, g = gradient(cross_entropy, z, t)
        assert value == pytest.approx(cross_entropy(z[:, :2], [0, 1]))
        np.testing.assert_allclose(g[:, :2], gradient(cross_entropy, z[:, :2], [0, 1])[1])
        np.testing.assert_array_equal(g[:, 2], 0)


# --- Weights


def test_classes_weighted_away_are_zero_for_probabilities_too():
    value, g = gradient(cross_entropy, Z, np.eye(K)[Y], class_weight=np.zeros(K), reduction="weighted_mean")
    assert value == 0
    np.testing.assert_array_equal(g, np.zeros_like(Z))


@pytest.mark.parametrize("reduction", ["none", "sum", "mean", "weighted_mean"])
@pytest.mark.parametrize(
    ("loss", "z", "t"),
    [
        (cross_entropy, [[0.0, 1.0], [0.0, -np.inf], [2.0, 1.0]], [0, 1, 1]),
        (mse, [1.0, 2.0, 3.0], [0.0, np.nan, 1.0]),  # a missing target
        (huber, [1.0, 2.0, 3.0], [0.0, np.nan, 1.0]),
    ],
)
def test_weight_0_removes_a_sample_whose_loss_is_not_finite(loss, z, t, reduction):
    w, kept = np.array([1.5, 0.0, 0.5]), [0, 2]
    z, t = np.array(z), np.array(t)
    value, g = gradient(loss, z, t, sample_weight=w, reduction=reduction)
    size = 2 / 3 if reduction == "mean" else 1
    rest, rest_g = gradient(loss, z[kept], t[kept], sample_weight=w[kept], reduction=reduction)
    np.testing.assert_allclose(np.delete(value, 1) if reduction == "none" else value, size * rest)
    np.testing.assert_allclose(g[kept], size * rest_g)
    np.testing.assert_array_equal(g[1], 0)


def test_multi_label_weights_per_sample_per_label_and_per_entry():
    t = Z > 0.3
    each = binary_cross_entropy(Z, t, reduction="none")
    assert each.shape == (N, K)
    entries = RNG.uniform(size=(N, K))
    for weights, w in (
        ({"sample_weight": W}, np.broadcast_to(W[:, None], (N, K))),
        ({"class_weight": V}, np.broadcast_to(V, (N, K))),
        ({"class_weight": {0: 4.0, 1: 0.5, 2: 1.5}}, np.broadcast_to(V, (N, K))),
        ({"sample_weight": entries, "class_weight": V}, entries * V),
    ):
        np.testing.assert_allclose(binary_cross_entropy(Z, t, reduction="none", **weights), w * each)
        np.testing.assert_allclose(binary_cross_entropy(Z, t, **weights), np.sum(w * each) / (N * K))
        weighted_mean = binary_cross_entropy(Z, t, reduction="weighted_mean", **weights)
        np.testing.assert_allclose(weighted_mean, np.sum(w * each) / np.sum(w))


def test_boolean_and_integer_weights_are_numbers():
    expected = cross_entropy(Z, Y, sample_weight=(W > 1).astype(float), reduction="weighted_mean")
    for w in (W > 1, (W > 1).astype(np.int32), (W > 1).tolist(), mg.tensor(W > 1)):
        value = cross_entropy(mg.tensor(Z), Y, sample_weight=w, reduction="weighted_mean")
        assert (value.dtype, value.item()) == (np.float64, pytest.approx(expected))


def test_inputs_are_not_changed():
    given = Z.copy(), Y.copy(), W.copy(), V.copy()
    gradient(cross_entropy, Z, Y, sample_weight=W, class_weight=V)
    for before, after in zip(given, (Z, Y, W, V), strict=True):
        np.testing.assert_array_equal(before, after)


# --- Sizes at the edge


def test_a_single_class_costs_nothing():
    value, g = gradient(cross_entropy, Z[:, :1], np.zeros(N, int))
    assert value == 0
    np.testing.assert_array_equal(g, 0)


def test_confident_and_right_is_not_rounded_to_zero():
    z = np.array([-10.0, 10.0], np.float32)
    np.testing.assert_allclose(binary_cross_entropy(z, [0, 1], reduction="none"), np.log1p(np.exp(-10.0)), rtol=1e-6)


# --- What the losses cost


def nodes(loss):
    """Recorded calls behind a loss."""
    seen, waiting = set(), [loss._node]
    while waiting:
        node = waiting.pop()
        seen.add(node)
        waiting += [p for p in node.parents if p is not None and hasattr(p, "parents") and p not in seen]
    return len(seen)


def test_weights_and_reduction_record_one_call():
    z = mg.tensor(Z, requires_grad=True)
    for reduction in ("mean", "weighted_mean", "sum", 3.0):
        assert nodes(cross_entropy(z, Y, sample_weight=W, class_weight=V, reduction=reduction)) == 3
        assert nodes(binary_cross_entropy(z, Z > 0, sample_weight=W, reduction=reduction)) == 2
