import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minigrad.data import imbalance, imbalance_counts

CIFAR100_LT_100 = [
    *[500, 477, 455, 434, 415, 396, 378, 361, 344, 328],
    *[314, 299, 286, 273, 260, 248, 237, 226, 216, 206],
    *[197, 188, 179, 171, 163, 156, 149, 142, 135, 129],
    *[123, 118, 112, 107, 102, 98, 93, 89, 85, 81],
    *[77, 74, 70, 67, 64, 61, 58, 56, 53, 51],
    *[48, 46, 44, 42, 40, 38, 36, 35, 33, 32],
    *[30, 29, 27, 26, 25, 24, 23, 22, 21, 20],
    *[19, 18, 17, 16, 15, 15, 14, 13, 13, 12],
    *[12, 11, 11, 10, 10, 9, 9, 8, 8, 7],
    *[7, 7, 6, 6, 6, 6, 5, 5, 5, 5],
]


@pytest.mark.parametrize(
    ("available", "arguments", "expected"),
    [
        # Published: CIFAR-10-LT and CIFAR-100-LT, Cao et al. 2019.
        (
            [5000] * 10,
            {"kind": "longtail", "ratio": 100},
            [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50],
        ),
        (
            [5000] * 10,
            {"kind": "longtail", "ratio": 10},
            [5000, 3871, 2997, 2320, 1796, 1391, 1077, 834, 645, 500],
        ),
        ([500] * 100, {"kind": "longtail", "ratio": 100}, CIFAR100_LT_100),
        # Rounded down; whole quotients kept whole, also where 32 ** (4 / 5) is 16.000000000000004.
        ([177, 177], {"ratio": 100}, [177, 1]),
        ([7000] * 4, {"kind": "longtail", "ratio": 1000}, [7000, 700, 70, 7]),
        ([224] * 6, {"kind": "longtail", "ratio": 32}, [224, 112, 56, 28, 14, 7]),
        ([10, 10], {"ratio": 1.5}, [10, 6]),
        ([5000] * 10, {"kind": "step", "ratio": 50, "mu": 0.2}, [5000] * 8 + [100] * 2),
        # mu K rounded half upwards, at least one class on either side; 0 and 1 make all classes alike.
        ([40] * 5, {"ratio": 4, "mu": 0.5}, [40, 40, 10, 10, 10]),
        ([40] * 5, {"ratio": 4, "mu": 0.29}, [40, 40, 40, 40, 10]),
        ([40] * 5, {"ratio": 4, "mu": 0.01}, [40, 40, 40, 40, 10]),
        ([40] * 5, {"ratio": 4, "mu": 0.99}, [40, 10, 10, 10, 10]),
        ([40, 30], {"ratio": 4, "mu": 0}, [30, 30]),
        ([40, 30], {"ratio": 4, "mu": 1}, [30, 30]),
        # The largest count for which every class has enough.
        ([40, 30, 9, 9], {"ratio": 2}, [19, 19, 9, 9]),
        ([90, 10], {"ratio": 3}, [32, 10]),
        ([30, 90], {"ratio": 3}, [30, 10]),
        ([80, 15, 20], {"kind": "longtail", "ratio": 4}, [31, 15, 7]),
        ([8, 6, 7], {"ratio": 1}, [6, 6, 6]),
        ([8, 6, 7], {"kind": "longtail", "ratio": 1}, [6, 6, 6]),
        # Order.
        ([40, 40, 40], {"kind": "longtail", "ratio": 4, "order": [2, 0, 1]}, [20, 10, 40]),
        ([212, 357], {"ratio": 10, "order": [1, 0]}, [35, 357]),
    ],
)
def test_counts(available, arguments, expected):
    counts = imbalance_counts(available, **arguments)
    assert counts.tolist() == expected
    assert counts.dtype == np.int64


@given(
    available=st.lists(st.integers(1, 3000), min_size=2, max_size=12),
    kind=st.sampled_from(["step", "longtail"]),
    ratio=st.integers(1, 200),
    mu=st.floats(0.01, 0.99),
)
def test_the_counts_are_the_formula_with_the_largest_possible_n_max(available, kind, ratio, mu):
    K = len(available)
    minority = min(max(math.floor(mu * K + 0.5), 1), K - 1)

    def at_least(n_max, c, count):
        """Whether class c has `count` samples or more at this n_max, in exact arithmetic."""
        if kind == "step":
            return Fraction(n_max, ratio if c >= K - minority else 1) >= count
        return n_max ** (K - 1) >= count ** (K - 1) * ratio**c

    try:
        counts = imbalance_counts(available, kind, ratio, mu)
    except ValueError:
        assume(False)
    n_max = int(counts[0])
    for c in range(K):
        assert at_least(n_max, c, int(counts[c]))
        assert not at_least(n_max, c, int(counts[c]) + 1)
    assert (counts <= available).all()
    assert any(at_least(n_max + 1, c, available[c] + 1) for c in range(K))


@given(
    available=st.lists(st.integers(1, 60), min_size=2, max_size=6),
    kind=st.sampled_from(["step", "longtail"]),
    ratio=st.floats(1, 40),
    seed=st.integers(0, 3),
)
def test_samples_are_drawn_without_replacement_and_keep_their_labels(available, kind, ratio, seed):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(available)), available))
    try:
        counts = imbalance_counts(available, kind, ratio)
    except ValueError:
        assume(False)
    rows, labels = imbalance(np.arange(len(y)), y, kind, ratio, rng=seed)
    assert np.bincount(labels, minlength=len(available)).tolist() == counts.tolist()
    assert len(set(rows.tolist())) == len(rows)
    assert np.array_equal(y[rows], labels)


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (np.ones((8, 2, 3, 3), np.float32), np.repeat([0, 1], 4)),
        (np.ones(8, np.int8), np.repeat([False, True], 4)),
        (np.ones((8, 1)), np.repeat(np.array([3, 9], np.uint8), 4)),
        (np.ones((8, 1)), np.repeat([-1, 1], 4)),
    ],
)
def test_shapes_dtypes_and_labels_are_kept(X, y):
    X_few, y_few = imbalance(X, y, ratio=4, rng=0)
    assert (X_few.shape, X_few.dtype) == ((5, *X.shape[1:]), X.dtype)
    assert y_few.dtype == y.dtype
    assert sorted(y_few.tolist()) == sorted([*y[:4].tolist(), y[-1].item()])


def test_lists_are_accepted():
    X, y = imbalance([[1], [2], [3], [4]], [0, 0, 1, 1], ratio=2, rng=0)
    assert X.shape == (3, 1)
    assert sorted(y.tolist()) == [0, 0, 1]


def test_order_is_in_labels_from_the_largest_class():
    y = np.repeat([2, 5, 7], 40)
    _, labels = imbalance(y, y, "longtail", ratio=4, order=[7, 2, 5], rng=0)
    assert dict(zip(*np.unique(labels, return_counts=True), strict=True)) == {7: 40, 2: 20, 5: 10}


Y = np.repeat(np.arange(4), 50)


def test_the_same_seed_draws_the_same_samples():
    draw = [
        imbalance(np.arange(200), Y, ratio=5, rng=rng)[0] for rng in (3, 3, np.random.default_rng(3), 4, None, None)
    ]
    assert np.array_equal(draw[0], draw[1])
    assert np.array_equal(draw[0], draw[2])
    for one, other in [(0, 3), (0, 4), (4, 5)]:
        assert not np.array_equal(draw[one], draw[other])


def test_one_seed_draws_nested_subsets():
    kept = [set(imbalance(np.arange(200), Y, "longtail", ratio, rng=0)[0].tolist()) for ratio in (2, 5, 10, 50)]
    assert kept[0] > kept[1] > kept[2] > kept[3]


def test_the_result_is_shuffled():
    _, labels = imbalance(Y, Y, ratio=1, rng=0)
    assert np.count_nonzero(np.diff(labels)) > 100  # 3 if the classes came one after the other


def test_the_arguments_are_not_changed():
    y = Y.copy()
    X, labels = imbalance(y, y, ratio=1, rng=0)
    X[:], labels[:] = -1, -1
    assert np.array_equal(y, Y)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kind": "long-tail"}, ValueError, "'long-tail' is unknown; .* 'longtail'; did you mean 'longtail'"),
        ({"kind": "Step"}, ValueError, "did you mean 'step'"),
        ({"kind": "xyz"}, ValueError, "kind='xyz' is unknown; expected 'step' or 'longtail'$"),
        ({"ratio": 0.01}, ValueError, r"ratio=0\.01; expected largest .* / smallest .* or more: 100\?"),
        ({"ratio": -3}, ValueError, "ratio=-3; expected .* a number of 1 or more$"),
        ({"ratio": math.nan}, ValueError, "ratio=nan; expected"),
        ({"mu": 1.5}, ValueError, r"mu=1\.5; expected the share of minority classes, a number from 0 to 1"),
        ({"mu": -0.1}, ValueError, r"mu=-0\.1; expected"),
        ({"mu": math.nan}, ValueError, "mu=nan; expected"),
        ({"ratio": 51}, ValueError, "ratio=51 leaves class 2 empty: .* 50 samples, and 50 / 51 .* most 50$"),
        ({"ratio": math.inf}, ValueError, "ratio=inf leaves class 2 empty.* at most 50$"),
        ({"kind": "longtail", "ratio": 60}, ValueError, "ratio=60 leaves class 3 empty.* at most 50$"),
        ({"order": [3, 2, 1, 0], "ratio": 99}, ValueError, "leaves class 1 empty"),
        ({"order": [0, 1, 2]}, ValueError, r"order=\[0, 1, 2\]; .* each of the classes \[0, 1, 2, 3\] once"),
        ({"order": [0, 1, 2, 2]}, ValueError, "expected each of the classes"),
        ({"order": [[0, 1], [2, 3]]}, ValueError, "expected each of the classes"),
        ({"X": np.zeros((199, 2))}, ValueError, r"X has shape \(199, 2\) and y .* \(200,\); .* 200 labels"),
        ({"X": 1.0}, ValueError, r"X has shape \(\) and y"),
        ({"y": Y.astype(float)}, TypeError, r"y has dtype float64; .* pass y\.astype\(np\.int64\)"),
        ({"y": Y.astype(str)}, TypeError, r"dtype <U\d+; .* np\.unique\(y, return_inverse=True\)\[1\]"),
        ({"y": np.eye(4, dtype=int)[Y]}, ValueError, r"\(200, 4\); .* one-hot .* y\.argmax\(axis=1\)"),
        ({"y": 3}, ValueError, r"y has shape \(\); expected labels of shape \(N,\)$"),
        ({"y": np.zeros(200, int)}, ValueError, r"found 1 class\(es\) in y; an imbalance needs at least two"),
        ({"X": np.zeros(0), "y": np.zeros(0, int)}, ValueError, r"found 0 class\(es\)"),
        ({"rng": "seed"}, TypeError, "rng is a str; expected None, an int seed"),
        ({"rng": 1.0}, TypeError, "rng is a float; expected None, an int seed"),
    ],
)
def test_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        imbalance(**{"X": np.zeros((200, 2)), "y": Y, **arguments})


def test_a_class_without_samples_is_named():
    with pytest.raises(ValueError, match="class 1 has no samples; leave it out"):
        imbalance_counts([5, 0, 5])


@given(
    available=st.lists(st.integers(1, 60), min_size=2, max_size=6),
    kind=st.sampled_from(["step", "longtail"]),
    ratio=st.integers(2, 5000),
)
def test_the_ratio_that_the_error_offers_fits_and_the_next_does_not(available, kind, ratio):
    try:
        imbalance_counts(available, kind, ratio)
    except ValueError as error:
        offered = int(str(error).rpartition(" ")[2])
        assert imbalance_counts(available, kind, offered).min() >= 1
        with pytest.raises(ValueError, match="empty"):
            imbalance_counts(available, kind, offered + 1)
    else:
        assume(False)
