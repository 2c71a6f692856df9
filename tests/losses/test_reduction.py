"""The one reduction: what each name means, and that a loss of one's own can use it."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.losses import check_laws, reduce

VALUES = np.array([1.0, 2.0, 3.0])
W = np.array([2.0, 0.0, 3.0])


@pytest.mark.parametrize(
    ("reduction", "unweighted", "weighted"),
    [
        ("none", [1, 2, 3], [2, 0, 9]),
        ("sum", 6, 11),
        ("mean", 2, 11 / 3),
        ("weighted_mean", 2, 11 / 5),
        (4, 1.5, 11 / 4),
        (np.float32(4), 1.5, 11 / 4),
    ],
)
def test_reductions(reduction, unweighted, weighted):
    np.testing.assert_allclose(reduce(VALUES, reduction=reduction), unweighted)
    np.testing.assert_allclose(reduce(VALUES, W, reduction), weighted)
    np.testing.assert_allclose(reduce(mg.tensor(VALUES), W.tolist(), reduction).data, weighted, rtol=1e-6)


def test_mean_is_the_default():
    assert reduce(VALUES, W) == 11 / 3


def test_weights_multiply_and_within_counts_in_the_sum_of_weights_only():
    assert reduce(VALUES, W, "sum", class_weight=np.array([1.0, 1.0, 10.0])) == 92
    assert reduce(VALUES, W, "weighted_mean", within=np.array([1.0, 1.0, 10.0])) == 11 / 32
    assert reduce(VALUES, None, "weighted_mean", within=np.array([1.0, 1.0, 10.0])) == 0.5


def test_an_entry_of_a_matrix_is_a_sample():
    values = np.arange(6.0).reshape(2, 3)
    assert reduce(values) == 2.5
    assert reduce(values, [1.0, 3.0], "weighted_mean") == (3 + 36) / 12


def test_a_loss_of_ones_own_keeps_the_laws_with_it():
    def absolute_error(z, t, *, sample_weight=None, reduction="mean"):
        return reduce(np.absolute(z - t), sample_weight, reduction)

    assert check_laws(absolute_error, kind="regression").ok


def test_a_tensor_is_no_number_d_since_its_gradient_would_be_lost():
    with pytest.raises(ValueError, match="or a number D > 0"):
        reduce(VALUES, W, mg.tensor(3.0, requires_grad=True))
