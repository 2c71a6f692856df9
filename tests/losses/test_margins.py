"""Multi-class hinges and generalised cross-entropy: values, costs, limits, and parity with PyTorch."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.losses import cross_entropy, generalized_cross_entropy, hinge, multiclass_hinge, weston_watkins
from tests.losses.cases import cost_matrix, softmax

RNG = np.random.default_rng(0)
Z, Y = RNG.normal(size=(6, 4)), np.array([0, 3, 1, 2, 2, 0])
C = cost_matrix(4)


def the_long_way(combine):
    return [combine([(j, Z[i, j] - Z[i, y]) for j in range(4)], y) for i, y in enumerate(Y)]


def test_values():
    np.testing.assert_allclose(
        multiclass_hinge(Z, Y, cost_matrix=C, reduction="none"),
        the_long_way(lambda ahead, y: max(C[y, j] + d for j, d in ahead)),
    )
    np.testing.assert_allclose(
        weston_watkins(Z, Y, cost_matrix=C, reduction="none"),
        the_long_way(lambda ahead, y: sum(C[y, j] * max(0, 1 + d) for j, d in ahead if j != y)),
    )


def test_the_default_costs_are_0_and_1():
    for loss in (multiclass_hinge, weston_watkins):
        np.testing.assert_array_equal(
            loss(Z, Y, reduction="none"), loss(Z, Y, cost_matrix=1 - np.eye(4), reduction="none")
        )


def test_two_classes_are_the_binary_hinge():
    z, y = Z[:, 0], Y % 2
    two = np.stack([-z / 2, z / 2], axis=1)
    for loss in (multiclass_hinge, weston_watkins):
        np.testing.assert_allclose(loss(two, y, reduction="none"), hinge(z, y, reduction="none"))


def test_a_cost_is_a_margin_or_a_slope():
    z = mg.tensor([[2.0, 1.5, 0.0]], requires_grad=True)
    dear = np.array([[0, 1, 5], [1, 0, 1], [1, 1, 0]])
    multiclass_hinge(z, [0], cost_matrix=dear).backward()
    assert z.grad.tolist() == [[-1, 0, 1]]  # the dear class is 2 behind, and still too near
    z.grad = None
    weston_watkins(z, [0], cost_matrix=dear * dear).backward()
    assert z.grad.tolist() == [[-1, 1, 0]]  # it is far enough; were it not, it would count 25 times
    z.grad = None
    weston_watkins(z - [[0, 0, -1.5]], [0], cost_matrix=dear * dear).backward()
    assert z.grad.tolist() == [[-26, 1, 25]]


def test_the_diagonal_of_the_costs_plays_no_part_in_weston_watkins():
    np.testing.assert_array_equal(
        weston_watkins(Z, Y, cost_matrix=C - 7 * np.eye(4)), weston_watkins(Z, Y, cost_matrix=C)
    )


@pytest.mark.parametrize("loss", [multiclass_hinge, weston_watkins])
def test_the_costs_receive_a_gradient(loss):
    assert mg.gradcheck(lambda z, C: loss(z, Y, cost_matrix=C, reduction="none"), (Z, C + 0.1), order=2)


def test_ties_share_the_gradient():
    assert mg.gradcheck(lambda z: multiclass_hinge(z, [0, 1], reduction="none"), np.zeros((2, 3)))


# --- Generalised cross-entropy


def test_generalized_cross_entropy_by_its_formula():
    p = softmax(Z)[np.arange(6), Y]
    np.testing.assert_allclose(generalized_cross_entropy(Z, Y, reduction="none"), (1 - p**0.7) / 0.7)
    np.testing.assert_allclose(generalized_cross_entropy(Z, Y, q=1, reduction="none"), 1 - p)


@pytest.mark.parametrize("q", [0, 1e-12, np.float64(1e-9)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_becomes_cross_entropy_as_q_goes_to_0(q, dtype):
    z = Z.astype(dtype)
    found = generalized_cross_entropy(z, Y, q=q, reduction="none")
    assert found.dtype == dtype
    np.testing.assert_allclose(found, cross_entropy(z, Y, reduction="none"), rtol=1e-6)


def test_its_gradient_keeps_its_digits_where_p_is_tiny():
    z = mg.tensor(np.float32([[-30.0, 0.0]]), requires_grad=True)
    generalized_cross_entropy(z, [0]).backward()
    np.testing.assert_allclose(z.grad.data, [[-np.exp(-21.0), np.exp(-21.0)]], rtol=1e-5)


def test_a_mislabelled_sample_counts_little():
    z = mg.tensor([[-20.0, 0.0], [0.0, 0.0]], requires_grad=True)
    generalized_cross_entropy(z, [0, 0], reduction="sum").backward()
    assert abs(z.grad.data[0]).max() < 1e-5 < 0.3 < abs(z.grad.data[1]).max()
