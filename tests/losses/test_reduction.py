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


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64])
def test_losses_that_are_counts_do_not_cut_the_weights(dtype):
    """Zero-one losses: the weights must not become integers or booleans."""
    wrong = np.array([1, 1, 0], dtype)
    for values in (wrong, mg.tensor(wrong), wrong.tolist()):
        assert reduce(values, [0.5, 2.0, 3.0], "sum") == 2.5
    assert reduce(wrong) == pytest.approx(2 / 3)
    with pytest.raises(TypeError, match="the losses must be real numbers"):
        reduce(np.array(["1"]))


@pytest.mark.parametrize("name", ["class_weight", "within"])
def test_gathered_weights_are_checked_as_sample_weights_are(name):
    def call(weights, values=VALUES):
        return reduce(values, reduction="weighted_mean", **{name: weights})

    assert call([1.0, 2.0, 3.0]) == call(np.array([1, 2, 3]))
    assert call([1.0, 2.0, 3.0]) == call(mg.tensor([1.0, 2.0, 3.0]), mg.tensor(VALUES)).item()
    assert call([1.0, 3.0], VALUES.reshape(3, 1)[:2].astype("f")).dtype == np.float32
    for weights, message in (
        ([1.0, -1.0, 1.0], "must be finite and not negative, but entry 1 is -1"),
        ([1.0, np.nan, 1.0], "must be finite and not negative, but entry 1 is nan"),
        (2.0, r"has shape \(\), expected \(3,\)"),
        ([1.0, 2.0], r"has shape \(2,\), expected \(3,\): one weight per sample"),
    ):
        with pytest.raises(ValueError, match=f"{name} {message}"):
            call(weights)
    with pytest.raises(TypeError, match=f"{name} must be real numbers"):
        call("abc")
    with pytest.raises(ValueError, match=r"class_weight has shape \(2,\).*pass class_weight\[y\]"):
        reduce(VALUES, class_weight=[1.0, 2.0])


@pytest.mark.parametrize("name", ["sample_weight", "class_weight", "pos_weight"])
def test_weights_too_large_for_the_dtype_of_the_losses_are_refused(name):
    weights = {"sample_weight": [1.0, 1e39, 1.0], "class_weight": [1.0, 1e39], "pos_weight": np.array(1e39)}
    options = {name: weights[name], "reduction": "none"}
    with pytest.raises(ValueError, match=f"{name} .* is 1e\\+39, more than float32, the dtype of the losses, can hold"):
        mg.losses.binary_cross_entropy(np.zeros(3, np.float32), [0, 1, 1], **options)
    assert mg.losses.binary_cross_entropy(np.zeros(3), [0, 1, 1], **options)[1] == pytest.approx(1e39 * np.log(2))


def test_a_tensor_is_no_number_d_since_its_gradient_would_be_lost():
    with pytest.raises(ValueError, match=r"or a number D > 0: pass reduction=D\.item\(\)"):
        reduce(VALUES, W, mg.tensor(3.0, requires_grad=True))
