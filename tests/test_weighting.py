"""From labels to weights."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.weighting import balanced, class_counts


def test_balanced_gives_every_class_the_same_total():
    y = np.array([0, 0, 0, 1, 2, 2])
    w = balanced(y)
    assert w.dtype == np.float32
    np.testing.assert_allclose(w, [6 / 9, 2, 1])
    np.testing.assert_allclose(np.bincount(y, w[y]), 2)
    assert w[y].sum() == pytest.approx(len(y))


def test_a_class_that_does_not_occur_gets_0_and_is_not_counted():
    np.testing.assert_allclose(balanced([0, 0, 2], num_classes=4), [0.75, 0, 1.5, 0])


def test_balanced_as_scikit_learn():
    utils = pytest.importorskip("sklearn.utils.class_weight")
    y = np.random.default_rng(0).choice(4, size=50, p=[0.6, 0.3, 0.06, 0.04])
    np.testing.assert_allclose(
        balanced(y), utils.compute_class_weight("balanced", classes=np.unique(y), y=y), rtol=1e-6
    )


@pytest.mark.parametrize("y", [[1, 0, 1], np.array([1, 0, 1], np.uint8), mg.tensor([1, 0, 1])])
def test_labels_in_every_form(y):
    np.testing.assert_array_equal(class_counts(y), [1, 2])


def test_no_labels_no_classes():
    assert balanced(np.zeros(0, int)).shape == (0,)
    np.testing.assert_array_equal(balanced(np.zeros(0, int), num_classes=2), [0, 0])


@pytest.mark.parametrize(
    ("y", "num_classes", "error", "message"),
    [
        ([0.0, 1.0], None, TypeError, r"labels must be integers of shape \(N,\), got float32 of shape \(2,\)"),
        ([[0], [1]], None, TypeError, r"labels must be integers of shape \(N,\), got int64 of shape \(2, 1\)"),
        ([0, -1], None, ValueError, "labels must not be negative, found -1"),
        ([0, 3], 3, ValueError, "labels must lie in 0..2, found 3"),
    ],
)
def test_refused_labels(y, num_classes, error, message):
    with pytest.raises(error, match=message):
        balanced(y, num_classes)
