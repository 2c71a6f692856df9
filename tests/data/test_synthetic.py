import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minigrad.data import flip_labels, synthetic


def parts(X, complexity, overlap):
    """The interval of each sample, and whether it lies in a zone."""
    x = X[:, 0].astype(float) * 2**complexity
    boundary = np.clip(np.round(x), 1, 2**complexity - 1)
    return np.minimum(x.astype(int), 2**complexity - 1), abs(x - boundary) < overlap / 2


@given(
    n=st.integers(2, 300),
    ratio=st.floats(1, 20),
    overlap=st.floats(0, 1),
    label_noise=st.floats(0, 1),
    complexity=st.integers(1, 6),
    dimensions=st.integers(1, 4),
    seed=st.integers(0, 3),
)
def test_counts_shapes_and_places(n, ratio, overlap, label_noise, complexity, dimensions, seed):
    assume(n >= 1 + ratio)
    X, y, clean = synthetic(
        n,
        ratio=ratio,
        overlap=overlap,
        label_noise=label_noise,
        complexity=complexity,
        dimensions=dimensions,
        rng=seed,
        return_clean=True,
    )
    assert (X.shape, X.dtype, y.dtype, clean.dtype) == ((n, dimensions), np.float32, np.int64, np.int64)
    assert 0 <= X.min() <= X.max() <= 1
    minority = int(Fraction(n) / (1 + Fraction(ratio)) + Fraction(1, 10**9))
    assert np.bincount(clean).tolist() == [n - minority, minority]
    assert np.count_nonzero(y != clean) == round(label_noise * n)
    interval, _ = parts(X, complexity, overlap)
    _, near_a_zone = parts(X, complexity, overlap + 1e-4)  # float32 rounds some to the other side of an edge
    assert (near_a_zone | (interval % 2 == clean)).all()


N = 100_000


@pytest.mark.parametrize("complexity", [1, 2, 5])
@pytest.mark.parametrize("overlap", [0, 0.3, 1])
@pytest.mark.parametrize("ratio", [1, 9])
def test_the_bayes_error_is_the_overlap_times_the_minority_share(complexity, overlap, ratio):
    X, y, clean = synthetic(
        N, ratio=ratio, overlap=overlap, label_noise=0.1, complexity=complexity, rng=0, return_clean=True
    )
    interval, in_zone = parts(X, complexity, overlap)
    best = np.where(in_zone, 0, interval % 2)
    expected = overlap / (1 + ratio)
    assert np.mean(best != clean) == pytest.approx(expected, abs=5e-3)
    assert np.mean(best != y) == pytest.approx(0.1 + 0.8 * expected, abs=5e-3)
    for label in 0, 1:
        assert np.mean(in_zone[clean == label]) == pytest.approx(overlap, abs=1.5e-2)


@pytest.mark.parametrize("overlap", [0, 0.4, 0.8])
@pytest.mark.parametrize("label", [0, 1])
def test_each_class_is_uniform_in_its_zones_and_in_the_rest_of_its_intervals(overlap, label):
    m = 4
    X, _, clean = synthetic(N, overlap=overlap, complexity=2, rng=1, return_clean=True)
    x = X[clean == label, 0].astype(float) * m
    zones = [(k - overlap / 2, k + overlap / 2) for k in (1, 2, 3)]
    own = [(0, 1 - overlap / 2), (2 + overlap / 2, 3 - overlap / 2)]
    own = own if label == 0 else [(m - b, m - a) for a, b in own]
    length = sum(b - a for a, b in own)
    pieces = [(a, b, overlap / 3) for a, b in zones] + [(a, b, (1 - overlap) * (b - a) / length) for a, b in own]
    for a, b, mass in pieces:
        middle = (a + b) / 2
        assert np.mean((a < x) & (x < middle)) == pytest.approx(mass / 2, abs=5e-3)
        assert np.mean((middle < x) & (x < b)) == pytest.approx(mass / 2, abs=5e-3)


def test_the_other_features_tell_nothing():
    X, y = synthetic(N, dimensions=3, complexity=2, rng=0)
    for feature in 1, 2:
        for label in 0, 1:
            share = np.histogram(X[y == label, feature], bins=10, range=(0, 1))[0] / np.sum(y == label)
            assert share == pytest.approx(np.full(10, 0.1), abs=0.01)


def test_at_complexity_1_without_overlap_a_threshold_is_enough():
    X, y = synthetic(500, ratio=4, rng=0)
    assert np.array_equal(y, X[:, 0] > 0.5)


def test_at_overlap_1_the_classes_are_alike():
    X, y = synthetic(N, overlap=1, complexity=2, rng=0)
    of_class = [np.histogram(X[y == c, 0], bins=16, range=(0, 1))[0] / np.sum(y == c) for c in (0, 1)]
    assert of_class[0] == pytest.approx(of_class[1], abs=0.01)


def test_one_percent_of_noise_at_99_to_1_makes_half_of_the_minority_wrong():
    _, y, clean = synthetic(N, ratio=99, label_noise=0.01, rng=0, return_clean=True)
    assert np.mean(clean[y == 1] == 0) == pytest.approx(0.5, abs=0.03)


def test_the_noise_changes_nothing_but_labels():
    X, y = synthetic(300, ratio=3, overlap=0.2, complexity=3, rng=5)
    X_noisy, y_noisy, clean = synthetic(
        300, ratio=3, overlap=0.2, complexity=3, label_noise=0.3, rng=5, return_clean=True
    )
    assert np.array_equal(X, X_noisy)
    assert np.array_equal(y, clean)
    assert np.count_nonzero(y_noisy != clean) == 90


@pytest.mark.parametrize(
    ("n", "ratio", "minority"), [(3, 1, 1), (100, 99, 1), (10, 7 / 3, 3), (1000, 9, 100), (1000, 49, 20), (7, 2.5, 2)]
)
def test_the_minority_is_rounded_down(n, ratio, minority):
    assert synthetic(n, ratio=ratio, rng=0)[1].sum() == minority


def test_draws():
    draw = [synthetic(50, rng=rng)[0] for rng in (3, np.random.default_rng(3), 4, None)]
    assert np.array_equal(draw[0], draw[1])
    for other in draw[2:]:
        assert not np.array_equal(draw[0], other)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 1}, ValueError, "n=1; expected an int of 2 or more"),
        ({"n": 1e3}, TypeError, "n=1000.0 is a float; expected an int of 2 or more"),
        ({"ratio": 0.1}, ValueError, "ratio=0.1; expected a number >= 1"),
        ({"ratio": math.inf}, ValueError, "ratio=inf; expected a number >= 1"),
        ({"ratio": 500}, ValueError, "n=100 samples at ratio=500 leave none for class 1; .* a ratio of at most 99, or"),
        ({"ratio": 99.1}, ValueError, "ratio=99.1 leave none for class 1"),
        ({"overlap": 1.1}, ValueError, "overlap=1.1; expected a number from 0 to 1"),
        ({"overlap": math.nan}, ValueError, "overlap=nan; expected"),
        ({"label_noise": -0.1}, ValueError, "label_noise=-0.1; expected a number from 0 to 1"),
        ({"complexity": 0}, ValueError, "complexity=0; expected an int from 1 to 10"),
        ({"complexity": 11}, ValueError, "complexity=11; expected an int from 1 to 10"),
        ({"complexity": 1.5}, TypeError, "complexity=1.5 is a float; expected an int from 1 to 10"),
        ({"dimensions": 0}, ValueError, "dimensions=0; expected an int of 1 or more"),
        ({"rng": "0"}, TypeError, "rng is a str; expected None, an int seed"),
    ],
)
def test_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        synthetic(**{"n": 100, **arguments})


# --- Label noise on any labels


@given(y=st.lists(st.integers(-1, 4), min_size=2, max_size=50).map(np.array), share=st.floats(0, 1))
def test_flip_labels_gives_exactly_that_share_a_label_of_another_class(y, share):
    assume(len(np.unique(y)) > 1)
    before = y.copy()
    noisy, flipped = flip_labels(y, share, rng=0)
    assert np.array_equal(y, before)
    assert np.array_equal(flipped, noisy != y)
    assert flipped.sum() == round(share * len(y))
    assert set(noisy.tolist()) <= set(y.tolist())


def test_samples_and_wrong_labels_are_drawn_alike():
    y = np.repeat(np.array([2, 5, 9], np.uint8), [60_000, 30_000, 10_000])
    noisy, flipped = flip_labels(y, 0.3, rng=0)
    assert noisy.dtype == np.uint8
    for label in 2, 5, 9:
        of_class = y == label
        assert np.mean(flipped[of_class]) == pytest.approx(0.3, abs=0.02)
        others, count = np.unique(noisy[of_class & flipped], return_counts=True)
        assert others.tolist() == [c for c in (2, 5, 9) if c != label]
        assert count / count.sum() == pytest.approx(np.array([0.5, 0.5]), abs=0.03)


@pytest.mark.parametrize("y", [np.zeros(0, int), np.array([4, 4])])
def test_no_share_of_few_labels(y):
    noisy, flipped = flip_labels(y, 0)
    assert np.array_equal(noisy, y)
    assert not flipped.any()


def test_two_truth_values_are_exchanged():
    assert flip_labels([True, False, True], 1)[0].tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([0, 1], 1.5), ValueError, "share=1.5; expected a number from 0 to 1"),
        (([3, 3], 0.5), ValueError, "all labels are 3; expected two classes or more, or there is no wrong label"),
        (([0.0, 1.0], 0.5), TypeError, "y has dtype float64; expected integer labels"),
    ],
)
def test_errors_of_flip_labels(arguments, error, message):
    with pytest.raises(error, match=message):
        flip_labels(*arguments)
