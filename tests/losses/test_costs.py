"""Losses with costs: their formulas the long way, identities between them, the extremes."""

from functools import partial

import numpy as np
import pytest

import minigrad as mg
from minigrad import losses
from minigrad.losses.formulas import expected_cost
from tests.losses.cases import CASES, cost_matrix, softmax

C3, DIAGONAL = cost_matrix(3), cost_matrix(3, diagonal=0.7)
NAMED = CASES["example_cost"].settings
Z = np.random.default_rng(0).normal(size=(5, 3))
Y = np.array([0, 2, 1, 1, 0])
MATRIX_LOSSES = {
    "expected_cost": losses.expected_cost,
    "cost_penalty": partial(losses.cost_penalty, lam=0.5),
    "cost_weighted_cross_entropy": losses.cost_weighted_cross_entropy,
    "log_cost": losses.log_cost,
    "softmax_margin": losses.softmax_margin,
}


@pytest.fixture(params=MATRIX_LOSSES)
def loss(request):
    return MATRIX_LOSSES[request.param]


def test_gradient_of_the_costs(loss):
    z, C = mg.tensor(Z, requires_grad=True), mg.tensor(C3, requires_grad=True)
    assert mg.gradcheck(lambda z, C: loss(z, Y, cost_matrix=C, reduction="none"), (z, C), order=2)


def test_gradient_of_example_costs():
    given = [np.array([1.0, 2.0, 3.0]), np.array([4.0, 1.0, 2.0])]
    assert mg.gradcheck(
        lambda z, fp, fn: losses.example_cost(z, [1, 0, 1], cost_fp=fp, cost_fn=fn, reduction="none"),
        [np.array([0.3, -0.2, 1.0]), *given],
        order=2,
    )


def test_costs_of_float64_leave_a_loss_of_float32(loss):
    C = mg.tensor(C3, requires_grad=True)
    value = loss(mg.tensor(Z.astype(np.float32)), Y, cost_matrix=C)
    value.backward()
    assert (value.dtype, C.grad.dtype) == (np.float32, np.float64)


# --- Formulas, the long way, and what the losses are to each other


def each(loss, **own):
    return loss(Z, Y, reduction="none", cost_matrix=C3, **own)


@pytest.mark.parametrize(
    ("found", "formula"),
    [
        (each(losses.expected_cost), np.sum(softmax(Z) * C3[Y], axis=1)),
        (
            each(losses.cost_penalty, lam=2.0),
            -np.log(softmax(Z)[np.arange(5), Y]) + 2 * np.sum(softmax(Z) * C3[Y], axis=1),
        ),
        (each(losses.cost_weighted_cross_entropy), -C3.sum(axis=1)[Y] * np.log(softmax(Z)[np.arange(5), Y])),
        (each(losses.log_cost), -np.sum(C3[Y] * np.log(1 - softmax(Z)), axis=1)),
        (each(losses.softmax_margin), np.log(np.exp(Z + C3[Y]).sum(axis=1)) - Z[np.arange(5), Y]),
        (
            losses.softmax_margin(Z, Y, cost_matrix=DIAGONAL, reduction="none"),
            np.log(np.exp(Z + DIAGONAL[Y]).sum(axis=1)) - Z[np.arange(5), Y],
        ),
        # costs of 0 and 1: the chance of a mistake; two classes: log(1 - p_other) = log p_y
        (losses.expected_cost(Z, Y, cost_matrix=1 - np.eye(3), reduction="none"), 1 - softmax(Z)[np.arange(5), Y]),
        (
            losses.log_cost(Z[:, :2], Y % 2, cost_matrix=1 - np.eye(2), reduction="none"),
            losses.cross_entropy(Z[:, :2], Y % 2, reduction="none"),
        ),
        (each(losses.cost_penalty, lam=0), losses.cross_entropy(Z, Y, reduction="none")),
        (
            losses.softmax_margin(Z, Y, cost_matrix=np.zeros((3, 3)), reduction="none"),
            losses.cross_entropy(Z, Y, reduction="none"),
        ),
    ],
)
def test_value(found, formula):
    np.testing.assert_allclose(found, formula, rtol=1e-13)


def test_example_cost_is_the_expected_cost_of_two_classes():
    z, y = Z[:, 0], Y % 2
    C = [[NAMED["cost_tn"], NAMED["cost_fp"]], [NAMED["cost_fn"], NAMED["cost_tp"]]]
    two = np.stack([np.zeros(5), z], axis=1)
    np.testing.assert_allclose(
        losses.example_cost(z, y, **NAMED, reduction="none"),
        losses.expected_cost(two, y, cost_matrix=C, reduction="none"),
        rtol=1e-13,
    )


def test_example_costs_belong_to_their_samples():
    z, y, fn = np.zeros(3), np.array([1, 0, 1]), np.array([2.0, 99.0, 6.0])
    np.testing.assert_array_equal(
        losses.example_cost(z, y, cost_fp=1.0, cost_fn=fn, cost_tp=np.array([1.0, 9.0, 0.0]), reduction="none"),
        [1.5, 0.5, 3.0],
    )


@pytest.mark.parametrize(("reduction", "same"), [("sum", True), ("mean", True), (3.5, True), ("weighted_mean", False)])
def test_costs_are_part_of_the_loss_and_not_weights(reduction, same):
    costly = losses.cost_weighted_cross_entropy(Z, Y, cost_matrix=C3, reduction=reduction)
    weights = mg.weighting.from_costs(C3).astype(np.float64)
    weighted = losses.cross_entropy(Z, Y, class_weight=weights, reduction=reduction)
    assert np.isclose(costly, weighted, rtol=1e-6) == same


def test_a_number_added_to_a_row_of_costs_changes_no_gradient_of_the_expected_cost():
    z = mg.tensor(Z, requires_grad=True)
    shifted = C3 + np.array([[1.0], [-5.0], [2.0]])
    a, b = (mg.grad(losses.expected_cost(z, Y, cost_matrix=C), z).data for C in (C3, shifted))
    np.testing.assert_allclose(a, b, rtol=1e-12)


# --- |z| = 100 in float32


@pytest.mark.parametrize(
    ("loss", "value", "gradient"),
    [
        (losses.log_cost, 1000, [10, -10, 0]),
        (losses.softmax_margin, 110, [1, -1, 0]),
        (losses.cost_weighted_cross_entropy, 1200, [12, -12, 0]),
        (partial(losses.cost_penalty, lam=0.5), 105, [1, -1, 0]),
    ],
)
def test_the_hardest_sample_keeps_its_gradient(loss, value, gradient):
    z = mg.tensor([[100.0, 0.0, -100.0]], requires_grad=True)
    y = loss(z, [1], cost_matrix=[[0, 1, 1], [10, 0, 2], [1, 1, 0]])
    y.backward()
    np.testing.assert_allclose(y.item(), value, rtol=1e-6)
    np.testing.assert_allclose(z.grad.data, [gradient], rtol=1e-6, atol=1e-30)


def test_expected_cost_keeps_the_digits_of_its_small_gradients():
    z = np.array([[30.0, 0.0, 5.0], [0.0, 25.0, 1.0]])
    leaf = mg.tensor(z.astype(np.float32), requires_grad=True)
    losses.expected_cost(leaf, [1, 1], cost_matrix=C3, reduction="sum").backward()
    exact = expected_cost(z, np.array([1, 1]), C3)
    exact[[0, 1], [0, 1]] -= exact.sum(axis=1)  # the formula in float64 loses digits at the likeliest class, too
    np.testing.assert_allclose(leaf.grad.data, exact, rtol=2e-5)
    logits = mg.tensor([-30.0, 30.0, 30.0], requires_grad=True)
    losses.example_cost(logits, [1, 0, 1], cost_fp=1.0, cost_fn=3.0, reduction="sum").backward()
    np.testing.assert_allclose(logits.grad.data, np.exp(-30) * np.array([-3.0, 1.0, -3.0]), rtol=1e-5)


def test_log_cost_with_a_class_switched_off():
    z = mg.tensor([[1.0, -np.inf], [-np.inf, -np.inf]][:1], requires_grad=True)
    loss = losses.log_cost(z, [0], cost_matrix=[[0, 1], [1, 0]])
    loss.backward()
    assert loss.item() == 0
    np.testing.assert_array_equal(z.grad.data, [[0, 0]])


def test_a_transposed_matrix_is_another_loss(loss):
    assert not np.isclose(loss(Z, Y, cost_matrix=C3), loss(Z, Y, cost_matrix=C3.T))
