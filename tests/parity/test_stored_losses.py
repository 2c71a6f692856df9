"""Libraries that are not installed here: against numbers that they published, and formulas that they document."""

import numpy as np
import pytest

from minigrad import losses
from tests.losses.cases import sigmoid

# Keras: inputs and expected numbers of keras/src/losses/losses_test.py (keras-team/keras, commit 04bf538), by which it
# tests itself, to as many places as there (of focal loss three).
LOGITS, Y = np.array([[8.0, 1.0, 1.0], [0.0, 9.0, 1.0], [2.0, 3.0, 5.0]]), np.array([0, 1, 2])
BINARY, T = np.array([[10.0, -10.0, 10.0], [10.0, 10.0, -10.0]]), np.array([[1, 0, 1], [0, 1, 1]])
FOCAL, TF = np.array([[1.5, -2.7, 2.9], [-3.8, 1.2, -4.5]]), np.array([[1, 1, 0], [0, 1, 0]])
HUBER, TH = np.array([[0.9, 0.2, 0.2], [0.8, 0.4, 0.6]]), np.array([[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
W = [1.2, 3.4, 5.6]
KERAS = {
    "CategoricalCrossentropy": (losses.cross_entropy(LOGITS, np.eye(3)[Y]), 0.0573, 1e-4),
    "SparseCategoricalCrossentropy": (losses.cross_entropy(LOGITS, Y), 0.0573, 1e-4),
    "... reduction=None": (losses.cross_entropy(LOGITS, Y, reduction="none"), [0.001822, 0.000459, 0.169846], 1e-6),
    "... sample_weight, divided by the batch size": (
        losses.cross_entropy(LOGITS, Y, sample_weight=W),
        0.31829,
        1e-5,
    ),
    "... label_smoothing": (
        losses.cross_entropy(np.array([[100.0, -100.0, -100.0]]), [0], label_smoothing=0.1),
        400 * 0.1 / 3,
        1e-6,
    ),
    "BinaryCrossentropy": (losses.binary_cross_entropy(BINARY, T), 3.3333, 1e-4),
    "... sample_weight": (losses.binary_cross_entropy(BINARY, T, sample_weight=[4.0, 3.0]), 10.0, 1e-3),
    "... reduction=None is a mean over the labels": (
        losses.binary_cross_entropy(BINARY, T, reduction="none").mean(axis=1),
        [0.0, 6.666],
        1e-3,
    ),
    "BinaryFocalCrossentropy, no class balancing": (losses.binary_focal(FOCAL, TF, alpha=None, gamma=3.0), 0.799, 5e-4),
    "... of focal loss, sample_weight": (
        losses.binary_focal(FOCAL, TF, alpha=None, gamma=3.0, sample_weight=[1.2, 3.4]),
        0.95977,
        5e-4,
    ),
}


@pytest.mark.parametrize("name", KERAS)
def test_the_numbers_of_keras(name):
    ours, stored, tolerance = KERAS[name]
    np.testing.assert_allclose(ours, stored, atol=tolerance)


def test_keras_does_not_divide_by_the_sum_of_the_weights():
    weighted_mean = losses.cross_entropy(LOGITS, Y, sample_weight=W, reduction="weighted_mean")
    assert abs(weighted_mean - 0.31829) > 0.2
    # what Keras 3 calls "mean_with_sample_weight": the same sum, by sum w
    assert weighted_mean == pytest.approx(0.31829 * 3 / sum(W), rel=1e-4)


def test_keras_s_class_weight_is_a_weight_per_sample_that_multiplies():
    """Transcribed from class_weight_to_sample_weights, keras/src/trainers/data_adapters/data_adapter_utils.py."""
    class_weight = {0: 0.5, 2: 3.0}
    gathered = np.array([class_weight.get(int(label), 1.0) for label in Y])  # 1 for classes that are not named
    theirs = np.mean(gathered * losses.cross_entropy(LOGITS, Y, reduction="none"))
    assert losses.cross_entropy(LOGITS, Y, class_weight={**class_weight, 1: 1.0}) == pytest.approx(theirs)
    with pytest.raises(ValueError, match="no entry for class 1"):  # ours does not guess
        losses.cross_entropy(LOGITS, Y, class_weight=class_weight)


def test_keras_s_huber_is_a_mean_over_outputs_too():
    by_hand = np.where(abs(HUBER - TH) <= 1, (HUBER - TH) ** 2 / 2, abs(HUBER - TH) - 0.5)
    weighted = np.sum(by_hand * np.array([[1.2], [3.4]])) / 6  # as losses_test.py computes it: batch_size = 6
    assert losses.huber(HUBER, TH, sample_weight=[1.2, 3.4]) == pytest.approx(weighted)


# torchvision.ops.sigmoid_focal_loss, by its documented formula: alpha in (0, 1), -1 for none; reduction "none" by
# default, "mean" over entries. (Lin et al. divide by the number of positives.)


def focal_of_torchvision(z, t, alpha=0.25, gamma=2.0):
    p = sigmoid(z)
    p_t = np.where(t == 1, p, 1 - p)
    alpha_t = 1.0 if alpha < 0 else np.where(t == 1, alpha, 1 - alpha)
    return -alpha_t * (1 - p_t) ** gamma * np.log(p_t)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("alpha", [-1, 0.0, 0.25, 0.58, 1.0])
@pytest.mark.parametrize("shape", [(9,), (9, 4)])
def test_the_formula_of_torchvision(shape, alpha, gamma):
    rng = np.random.default_rng(0)
    z, t = rng.normal(size=shape), rng.integers(2, size=shape)
    theirs, options = focal_of_torchvision(z, t, alpha, gamma), {"alpha": None if alpha < 0 else alpha, "gamma": gamma}
    np.testing.assert_allclose(losses.binary_focal(z, t, reduction="none", **options), theirs, rtol=1e-12)
    np.testing.assert_allclose(losses.binary_focal(z, t, **options), theirs.mean(), rtol=1e-12)
    by_positives = losses.binary_focal(z, t, reduction=float(t.sum()), **options)
    np.testing.assert_allclose(by_positives, theirs.sum() / t.sum(), rtol=1e-12)
