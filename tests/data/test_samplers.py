import itertools
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import weighting
from minigrad.data import batches, class_balanced, oversample, square_root, undersample, weighted

Y = np.array([5, 5, 9, 5, 5, 9, -1])  # four, two, one; labels with gaps, below 0
W = np.array([0, 1, 1, 0, 2, 3, 0.0])
SAMPLERS = [partial(sampler, Y) for sampler in (oversample, undersample, class_balanced, square_root)]
SAMPLERS.append(partial(weighted, W))
LABELS = st.lists(st.integers(-2, 3), min_size=1, max_size=40).map(np.array)


def name(sampler):
    return sampler.func.__name__


def counts(rows, n):
    return np.bincount(rows, minlength=n)


# --- Even counts


@given(y=LABELS, seed=st.integers(0, 3))
def test_oversample_repeats_every_row_of_a_class_alike(y, seed):
    rows = oversample(y, rng=seed)
    classes, class_of, size = np.unique(y, return_inverse=True, return_counts=True)
    assert np.array_equal(np.unique(y[rows], return_counts=True), (classes, np.full(len(classes), size.max())))
    exact = size.max() / size[class_of]
    assert ((counts(rows, len(y)) == np.floor(exact)) | (counts(rows, len(y)) == np.ceil(exact))).all()


@given(y=LABELS, seed=st.integers(0, 3))
def test_undersample_draws_the_smallest_count_from_each_class_without_replacement(y, seed):
    rows = undersample(y, rng=seed)
    classes, size = np.unique(y, return_counts=True)
    assert np.array_equal(np.unique(y[rows], return_counts=True), (classes, np.full(len(classes), size.min())))
    assert counts(rows, len(y)).max() == 1


class Orders(np.random.Generator):
    """A generator that shuffles as it is told; the last shuffle, of the rows in the end, leaves them."""

    def __init__(self, orders):
        super().__init__(np.random.PCG64(0))
        self.orders = [*orders, None]

    def permutation(self, rows):
        order = self.orders.pop(0)
        return rows if order is None else rows[list(order)]


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [(oversample, [1, 1, 1, 1.5, 1.5, 3]), (undersample, [1 / 3, 1 / 3, 1 / 3, 0.5, 0.5, 1])],
)
def test_expected_counts_over_all_shuffles(sampler, expected):
    y = [0, 0, 0, 1, 1, 2]
    shuffles = itertools.product(itertools.permutations(range(3)), itertools.permutations(range(2)), [(0,)])
    drawn = [counts(sampler(y, rng=Orders(orders)), 6) for orders in shuffles]
    assert np.mean(drawn, axis=0) == pytest.approx(np.array(expected))


# --- Independent draws


class Grid(np.random.Generator):
    """A generator whose uniform numbers lie evenly: each outcome comes as often as its probability says."""

    def __init__(self):
        super().__init__(np.random.PCG64(0))

    def random(self, size=None, *_, **__):
        return (np.arange(size) + 0.5) / size


@pytest.mark.parametrize(
    ("sampler", "n", "expected"),
    [
        (partial(class_balanced, Y), 12, [1, 1, 2, 1, 1, 2, 4]),
        (partial(square_root, [3, 3, 3, 3, 8]), 6, [1, 1, 1, 1, 2]),  # shares 2 : 1 for counts 4 : 1
        (partial(weighted, W), 14, [0, 2, 2, 0, 4, 6, 0]),
        (partial(weighted, [0.5]), 3, [3]),
        (partial(weighted, [1e-300, 3e-300]), 4, [1, 3]),
        (partial(weighted, W), 0, [0] * 7),
    ],
)
def test_probabilities(sampler, n, expected):
    assert counts(sampler(n, rng=Grid()), len(expected)).tolist() == expected


@pytest.mark.parametrize(
    ("sampler", "weights"), [(class_balanced, weighting.balanced), (square_root, weighting.inverse_sqrt)]
)
def test_with_n_rows_the_expected_count_is_the_weight(sampler, weights):
    y = np.repeat([0, 1, 3], [40, 9, 1])
    many = 3000  # n rows, that many times
    often = counts(sampler(y, many * len(y), rng=Grid()), len(y))
    assert often / many == pytest.approx(weights(y)[y], abs=1.01 / many)


@pytest.mark.parametrize("sampler", SAMPLERS[2:], ids=name)
def test_default_number_of_rows(sampler):
    assert len(sampler()) == len(Y)


# --- Every sampler


@pytest.mark.parametrize("sampler", SAMPLERS, ids=name)
def test_draws(sampler):
    """The same seed draws the same, another or none something else, and a Generator goes on."""
    many = partial(sampler.func, np.tile(sampler.args[0], 20))
    first, rng = many(rng=3), np.random.default_rng(3)
    assert first.dtype == np.int64
    assert np.array_equal(first, many(rng=rng))
    for other in rng, 4, None:
        assert not np.array_equal(first, many(rng=other))


@pytest.mark.parametrize("sampler", SAMPLERS[:2], ids=name)
def test_the_classes_come_mixed(sampler):
    y = np.repeat([0, 1], 100)
    assert np.count_nonzero(np.diff(y[sampler.func(y, rng=0)])) > 60  # 1 if one came after the other


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        *[
            case
            for f in (oversample, undersample, class_balanced, square_root)
            for case in [
                (lambda f=f: f([]), TypeError, r"y has dtype float64; expected integer labels"),
                (lambda f=f: f(np.zeros(0, int)), ValueError, rf"{f.__name__} got no labels; expected those of the"),
                (lambda f=f: f(np.eye(3, dtype=int)), ValueError, r"y has shape \(3, 3\); .* y\.argmax\(axis=1\)"),
                (lambda f=f: f(Y, rng="0"), TypeError, "rng is a str; expected None, an int seed"),
            ]
        ],
        (lambda: class_balanced(Y, -1), ValueError, "n=-1; expected an int of 0 or more"),
        (lambda: square_root(Y, 2.0), TypeError, "n=2.0 is a float; expected an int of 0 or more"),
        (lambda: weighted(W, -1), ValueError, "n=-1; expected"),
        (lambda: weighted([1, -1]), ValueError, r"weighted: w must be finite and not negative, but entry 1 is -1"),
        (lambda: weighted([1, np.nan]), ValueError, r"weighted: w must be finite"),
        (lambda: weighted(np.ones((3, 1))), ValueError, r"weighted: w must have one axis, got shape \(3, 1\)"),
        (lambda: weighted([0, 0]), ValueError, "the 2 weights are all zero; expected at least one row to draw"),
        (lambda: weighted([]), ValueError, "the 0 weights are all zero"),
        (lambda: weighted(["a"]), TypeError, "weighted: w must be real numbers"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- In batches


def class_sums(epoch):
    """What each class contributes to an epoch, without and with its weights."""
    drawn = [(yb, wb) for _, yb, wb in epoch]
    y, w = (np.concatenate(column) for column in zip(*drawn, strict=True))
    return np.bincount(y).tolist(), np.bincount(y, w).tolist()


def test_a_sampler_draws_anew_at_each_pass_and_weights_are_carried_along():
    X, y = np.arange(40), np.repeat([0, 1], [30, 10])
    w = X / 2
    epoch = batches(X, y, w, batch_size=7, rng=np.random.default_rng(0), sampler=partial(undersample, y))
    first, second = ([np.concatenate(column) for column in zip(*epoch, strict=True)] for _ in range(2))
    assert len(epoch) == 3
    for rows, labels, weights in first, second:
        assert np.array_equal(labels, y[rows])
        assert np.array_equal(weights, w[rows])
        assert np.bincount(labels).tolist() == [10, 10]
    assert set(first[0]) != set(second[0])


def test_a_sampler_and_weights_together_count_twice():
    y = np.repeat([0, 1], [30, 10])
    w = np.where(y == 1, 3.0, 1.0)
    rows = np.arange(40)
    assert class_sums(batches(rows, y, w)) == ([30, 10], [30, 30])
    assert class_sums(batches(rows, y, w, sampler=partial(oversample, y))) == ([30, 30], [30, 90])


def test_the_gradient_of_an_oversampled_epoch_is_that_of_the_weighted_sum():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), np.repeat([0, 1], [30, 10])
    gradients = []
    for rows, weight in [(oversample(y, rng), None), (slice(None), [1.0, 3.0])]:
        W = mg.tensor(np.ones((3, 2)), requires_grad=True)
        mg.losses.cross_entropy(X[rows] @ W, y[rows], class_weight=weight, reduction="sum").backward()
        gradients.append(W.grad.numpy())
    assert gradients[0] == pytest.approx(gradients[1], rel=1e-12)
