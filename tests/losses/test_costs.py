"""Losses with costs: laws and closed forms, identities between them, the extremes, the traps, bad input."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import losses
from tests.losses.cases import softmax
from tests.losses.cost_cases import CASES, NAMED, costs, expected_cost

C3 = costs(3)
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


# --- The contract, the closed forms, finite differences, second order


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_laws_and_closed_form(name, dtype):
    case = CASES[name]
    z, t = case.data(np.random.default_rng(1), 7, 4)
    report = losses.check_laws(case.loss, z.astype(dtype), t, kind=case.kind, closed_form=case.closed_form)
    assert report.skipped == ([] if case.kind == "multiclass" else [10])


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=5, deadline=None)
@given(n=st.integers(1, 5), k=st.integers(1, 4), seed=st.integers(0, 99))
def test_laws_hold_for_every_shape(name, n, k, seed):
    case = CASES[name]
    z, t = case.data(np.random.default_rng(seed), n, k)
    losses.check_laws(case.loss, z, t, kind=case.kind, closed_form=case.closed_form, rng=seed)


def test_gradient_of_the_costs(loss):
    C = mg.tensor(C3, requires_grad=True)
    assert mg.gradcheck(lambda z, C: loss(z, Y, cost_matrix=C, reduction="none"), (Z, C), order=2)


def test_gradient_of_example_costs():
    given = [np.array([1.0, 2.0, 3.0]), np.array([4.0, 1.0, 2.0])]
    assert mg.gradcheck(
        lambda z, fp, fn: losses.example_cost(z, [1, 0, 1], cost_fp=fp, cost_fn=fn, reduction="none"),
        [np.array([0.3, -0.2, 1.0]), *given],
        order=2,
    )


@pytest.mark.parametrize("name", CASES)
def test_float32_stays_float32(name):
    case = CASES[name]
    z, t = case.data(np.random.default_rng(1), 7, 3)
    z = mg.tensor(z.astype(np.float32), requires_grad=True)
    value = case.loss(z, t)
    value.backward()
    assert value.dtype == z.grad.dtype == np.float32


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
            losses.softmax_margin(Z, Y, cost_matrix=costs(3, 0.7), reduction="none"),
            np.log(np.exp(Z + costs(3, 0.7)[Y]).sum(axis=1)) - Z[np.arange(5), Y],
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


@pytest.mark.parametrize("scale", [100.0, -100.0])
@pytest.mark.parametrize("name", CASES)
def test_finite_where_the_model_is_sure(name, scale):
    case = CASES[name]
    z, t = (np.eye(3) * scale, np.arange(3)) if case.kind == "multiclass" else (np.array([scale, -scale]), [0, 0])
    for labels in (t, np.roll(t, 1)):
        logits = mg.tensor(z.astype(np.float32), requires_grad=True)
        values = case.loss(logits, labels, reduction="none")
        gradient = mg.grad(values, logits, np.ones(values.shape)).data
        assert np.isfinite(values.data).all()
        assert np.isfinite(gradient).all()


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
    exact = expected_cost(z, np.array([1, 1]))
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


# --- Traps: wrong on purpose


def by_hand(z):
    return np.sum(softmax(z) * C3[Y], axis=1)


def with_its_mean(g, z):
    return g[:, None] * expected_cost(z, Y)


def without_its_mean(g, z):
    return g[:, None] * softmax(z) * C3[Y]


def with_costs_of_the_transposed_matrix(g, z):
    p, C_y = softmax(z), C3.T[Y]
    return g[:, None] * p * (C_y - np.sum(p * C_y, axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("backward", "right"),
    [(with_its_mean, True), (without_its_mean, False), (with_costs_of_the_transposed_matrix, False)],
)
def test_expected_cost_by_hand(backward, right):
    assert mg.check_backward(by_hand, backward, (Z,), labels=Y, cost_matrix=C3).ok == right


def test_a_penalty_that_does_not_depend_on_the_logits_has_no_gradient():
    z = mg.tensor(Z, requires_grad=True)
    plain = mg.grad(losses.cross_entropy(z, Y), z).data
    penalty = np.mean(C3[Y, np.argmax(z, axis=1)])
    assert penalty > 0
    np.testing.assert_array_equal(mg.grad(losses.cross_entropy(z, Y) + 100 * penalty, z).data, plain)
    real = mg.grad(losses.cost_penalty(z, Y, cost_matrix=C3, lam=100.0), z).data
    assert np.abs(real - plain).max() > 1


def test_a_transposed_matrix_is_another_loss(loss):
    assert not np.isclose(loss(Z, Y, cost_matrix=C3), loss(Z, Y, cost_matrix=C3.T))


# --- Bad input


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"cost_matrix": C3[:2]}, ValueError, r"shape \(2, 3\) was given, expected \(3, 3\): C\[truth, prediction\]"),
        ({"cost_matrix": costs(4)}, ValueError, r"shape \(4, 4\) was given, expected \(3, 3\)"),
        ({"cost_matrix": C3[0]}, ValueError, r"shape \(3,\) was given"),
        (
            {"cost_matrix": np.where(np.eye(3)[[1, 0, 2]] == 1, np.nan, C3)},
            ValueError,
            r"C\[0, 1\] is nan \(truth 0, prediction 1\)",
        ),
        ({"cost_matrix": [["a", "b", "c"]] * 3}, TypeError, "a cost matrix must be real numbers"),
        ({"target": Y.astype(float)}, TypeError, "integer labels"),
        ({"target": Y + 1}, ValueError, r"labels must lie in 0\.\.2"),
        ({"target": Y[:, None]}, ValueError, r"y\.ravel"),
        ({"prediction": Z[:, 0]}, ValueError, r"logits of shape \(N, K\)"),
        ({"prediction": np.zeros((5, 3), int)}, TypeError, "floating point"),
        ({"sample_weight": -np.ones(5)}, ValueError, "not negative"),
        ({"sample_weight": np.ones((5, 1))}, ValueError, r"N x N"),
        ({"class_weight": {0: 1.0, 1: 1.0}}, ValueError, "no entry for class 2"),
        ({"class_weight": np.ones(5)}, ValueError, r"expected \(3,\)"),
        ({"reduction": "average"}, ValueError, "unknown reduction"),
    ],
)
def test_bad_input(loss, changed, error, message):
    arguments = {"prediction": Z, "target": Y, "cost_matrix": C3} | changed
    with pytest.raises(error, match=message):
        loss(arguments.pop("prediction"), arguments.pop("target"), **arguments)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.log_cost(Z, Y, cost_matrix=C3 - 1), "log_cost: costs must not be negative, found -"),
        (
            lambda: losses.cost_weighted_cross_entropy(Z, Y, cost_matrix=C3 - 9),
            "cost_weighted_cross_entropy, summed over a row: costs must not be negative",
        ),
        (lambda: losses.cost_penalty(Z, Y, cost_matrix=C3, lam=-1), "lam must be finite and not negative, got -1"),
        (lambda: losses.cost_penalty(Z, Y, cost_matrix=C3, lam=np.nan), "lam must be finite"),
    ],
)
def test_bad_costs(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"cost_fn": np.ones(2)}, ValueError, r"cost_fn has shape \(2,\), expected a number or \(5,\)"),
        ({"cost_fp": np.ones((5, 1))}, ValueError, r"cost_fp has shape \(5, 1\)"),
        ({"cost_tn": np.nan}, ValueError, "cost_tn must be finite, found nan"),
        ({"cost_tp": "free"}, TypeError, "cost_tp must be real numbers"),
        ({"prediction": Z[:, :1]}, ValueError, r"pass z\[:, 0\]"),
        ({"target": Y}, ValueError, "found"),
        ({"sample_weight": np.full(5, np.inf)}, ValueError, "must be finite"),
    ],
)
def test_bad_example_costs(changed, error, message):
    arguments = {"prediction": Z[:, 0], "target": Y % 2, "cost_fp": 1.0, "cost_fn": 2.0} | changed
    with pytest.raises(error, match=message):
        losses.example_cost(arguments.pop("prediction"), arguments.pop("target"), **arguments)


def test_costs_are_never_positional():
    with pytest.raises(TypeError, match="positional"):
        losses.example_cost(Z[:, 0], Y % 2, 1.0, 2.0)
    with pytest.raises(TypeError, match="cost_fn"):
        losses.example_cost(Z[:, 0], Y % 2, cost_fp=1.0)
