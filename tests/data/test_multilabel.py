import numpy as np
import pytest

from minigrad.data import load_digits, two_digits

LABELS = np.array([0, 0, 0, 4, 4, 9])
IMAGES = np.arange(6, dtype=np.float32)[:, None, None, None] + np.zeros((6, 2, 3, 4), np.float32)


class AllPairs(np.random.Generator):
    """A generator that draws every pair of rows once."""

    def __init__(self):
        super().__init__(np.random.PCG64(0))

    def integers(self, n, size):
        return np.indices((n, n)).reshape(size)


def test_shares_of_labels_and_of_pairs_over_all_draws():
    _, Y = two_digits(IMAGES, LABELS, 36, rng=AllPairs())
    pi = np.bincount(LABELS, minlength=10) / 6
    together = Y.T @ Y / 36
    assert np.diag(together) == pytest.approx(1 - (1 - pi) ** 2)
    assert together[~np.eye(10, dtype=bool)] == pytest.approx((2 * np.outer(pi, pi))[~np.eye(10, dtype=bool)])


def test_the_labels_are_those_of_the_two_halves():
    X, Y = two_digits(IMAGES, LABELS, 100, rng=0)
    assert (X.shape, X.dtype, Y.shape, Y.dtype) == ((100, 2, 3, 8), np.float32, (100, 10), np.float32)
    left, right = X[..., :4], X[..., 4:]
    assert (left == left[:, :1, :1, :1]).all()
    assert (right == right[:, :1, :1, :1]).all()
    for half_left, half_right, labels in zip(left[:, 0, 0, 0], right[:, 0, 0, 0], Y, strict=True):
        assert set(np.flatnonzero(labels)) == {LABELS[int(half_left)], LABELS[int(half_right)]}
    assert set(Y.sum(axis=1)) == {1, 2}


def test_digits_and_draws():
    X, y = load_digits()
    draw = [two_digits(X.reshape(-1, 1, 8, 8), y, 3000, rng=rng) for rng in (1, np.random.default_rng(1), 2, None)]
    assert draw[0][0].shape == (3000, 1, 8, 16)
    assert draw[0][1].mean(axis=0) == pytest.approx(np.full(10, 0.19), abs=0.03)
    assert np.array_equal(draw[0][0], draw[1][0])
    for other in draw[2:]:
        assert not np.array_equal(draw[0][0], other[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_the_dtype_of_images_and_no_pairs(dtype):
    X, Y = two_digits(IMAGES.astype(dtype), LABELS.astype(np.uint8), 0)
    assert (X.shape, X.dtype, Y.shape) == ((0, 2, 3, 8), dtype, (0, 10))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"images": np.zeros((6, 64))}, ValueError, r"two_digits got .* \(6, 64\), .*rows of pixels become images by"),
        ({"labels": LABELS[:5]}, ValueError, r"X has shape \(6, 2, 3, 4\) and y has shape \(5,\)"),
        ({"labels": LABELS * 1.0}, TypeError, "y has dtype float64; expected integer labels"),
        ({"labels": LABELS + 1}, ValueError, "two_digits found label 10; expected the digits 0..9"),
        ({"labels": LABELS - 1}, ValueError, "two_digits found label -1; expected the digits 0..9"),
        ({"n": -1}, ValueError, "n=-1; expected an int of 0 or more"),
        ({"n": 1.0}, TypeError, "n=1.0 is a float; expected an int"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, ValueError, "two_digits got no images; expected at least one"),
        ({"rng": "0"}, TypeError, "rng is a str"),
    ],
)
def test_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        two_digits(**{"images": IMAGES, "labels": LABELS, "n": 3, **arguments})
