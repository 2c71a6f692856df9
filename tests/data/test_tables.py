import sys

import numpy as np
import pytest

from minigrad.data import load_breast_cancer, load_digits


@pytest.mark.parametrize(
    ("load", "shape", "low", "high", "counts"),
    [
        (load_digits, (1797, 64), 0, 1, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]),
        (
            lambda: load_digits(normalize=False),
            (1797, 64),
            0,
            16,
            [178, 182, 177, 183, 181, 182, 181, 179, 174, 180],
        ),
        (load_breast_cancer, (569, 30), 0, 4254, [212, 357]),
    ],
    ids=["digits", "digits raw", "breast_cancer"],
)
def test_table(load, shape, low, high, counts):
    X, y = load()
    assert (X.shape, X.dtype, y.dtype) == (shape, np.float32, np.int64)
    assert (X.min(), X.max()) == (low, high)
    assert np.bincount(y).tolist() == counts


def test_a_digit_is_its_picture():
    X, y = load_digits()
    first = X[0].reshape(8, 8)
    assert y[0] == 0
    assert first[3:5, 3:5].max() < 0.2 < first[:, 3:5].max()  # a zero: ink around an empty middle


def test_malignant_is_class_0():
    X, y = load_breast_cancer()
    mean_radius = X[:, 0]
    assert mean_radius[y == 0].mean() > 1.4 * mean_radius[y == 1].mean()


@pytest.mark.parametrize("load", [load_digits, load_breast_cancer])
def test_each_call_gives_arrays_of_its_own(load):
    X, y = load()
    X[:], y[:] = -1, -1
    again, labels = load()
    assert again.min() >= 0
    assert labels.min() >= 0


@pytest.mark.parametrize("load", [load_digits, load_breast_cancer])
def test_without_scikit_learn(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=rf'{load.__name__}\(\) reads .* pip install -e "\.\[lessons\]"'):
        load()
