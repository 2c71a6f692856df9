import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.data import batches


def rows(epoch):
    """The sample numbers of a pass, in order."""
    return [int(i) for (xb, *_) in epoch for i in np.ravel(xb)]


@given(
    n=st.integers(0, 40),
    batch_size=st.integers(1, 45),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    seed=st.integers(0, 5),
)
def test_a_pass_yields_every_sample_once_with_its_label_and_weight(n, batch_size, shuffle, drop_last, seed):
    X = np.arange(n, dtype=np.float32)[:, None]
    y, w = -np.arange(n), np.arange(n) / 2
    epoch = batches(X, y, w, batch_size=batch_size, shuffle=shuffle, drop_last=drop_last, rng=seed)
    pieces = list(epoch)

    assert len(epoch) == len(pieces)
    sizes = [len(xb) for xb, _, _ in pieces]
    assert sizes[:-1] == [batch_size] * len(sizes[:-1])
    assert sum(sizes) == (n - n % batch_size if drop_last else n)
    for xb, yb, wb in pieces:
        assert (xb.dtype, yb.dtype, wb.dtype) == (X.dtype, y.dtype, w.dtype)
        assert np.array_equal(xb[:, 0], -yb)
        assert np.array_equal(xb[:, 0], wb * 2)
    seen = rows(epoch)
    assert len(set(seen)) == len(seen)
    if not shuffle:
        assert seen == list(range(len(seen)))


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5])
@pytest.mark.parametrize("batch_size", [1, 2, 4, 9])
@pytest.mark.parametrize("drop_last", [False, True])
def test_len_is_known_before_the_pass(n, batch_size, drop_last):
    expected = n // batch_size if drop_last else -(-n // batch_size)
    assert len(batches(np.zeros(n), batch_size=batch_size, drop_last=drop_last)) == expected


@pytest.mark.parametrize("shape", [(6,), (6, 2), (6, 1, 8, 8)])
def test_the_other_dimensions_are_kept(shape):
    ((first,), *_) = batches(np.ones(shape), batch_size=4)
    assert first.shape == (4, *shape[1:])


def test_an_int_seed_gives_the_same_order_at_every_pass():
    epoch = batches(np.arange(30), batch_size=4, rng=7)
    assert rows(epoch) == rows(epoch) == rows(batches(np.arange(30), batch_size=30, rng=7))
    assert rows(epoch) != rows(batches(np.arange(30), batch_size=4, rng=8))


def test_a_generator_continues_and_the_run_repeats():
    def run():
        epoch = batches(np.arange(30), batch_size=4, rng=np.random.default_rng(7))
        return [rows(epoch) for _ in range(3)]

    first, second, third = run()
    assert len({tuple(first), tuple(second), tuple(third)}) == 3
    assert run() == [first, second, third]


def test_without_rng_every_pass_differs():
    epoch = batches(np.arange(30), batch_size=4)
    assert rows(epoch) != rows(epoch)


def test_two_passes_at_once_do_not_disturb_each_other():
    epoch = batches(np.arange(6), batch_size=2, rng=0)
    assert all(np.array_equal(a, b) for (a,), (b,) in itertools.product(epoch, epoch) if a[0] == b[0])
    assert len(list(zip(epoch, epoch, strict=True))) == 3


def test_in_the_given_order_batches_are_views():
    X = np.zeros((5, 2))
    (xb,) = next(iter(batches(X, batch_size=2, shuffle=False)))
    assert np.shares_memory(xb, X)


def test_shuffling_copies_so_that_a_batch_can_be_changed():
    X = np.zeros((5, 2))
    (xb,) = next(iter(batches(X, batch_size=2)))
    xb += 1
    assert X.sum() == 0


def test_lists_become_arrays():
    ((xb, yb),) = batches([[1, 2], [3, 4]], (0, 1), shuffle=False)
    assert isinstance(xb, np.ndarray)
    assert (xb.tolist(), yb.tolist()) == ([[1, 2], [3, 4]], [0, 1])


class Labelled:
    """Like a pandas column: it indexes by label, and is an array only through `__array__`."""

    shape, ndim = (3,), 1

    def __len__(self):
        return 3

    def __getitem__(self, label):
        raise KeyError(label)

    def __array__(self, dtype=None, copy=None):
        return np.array([10, 20, 30])


def test_columns_that_index_by_label_are_cut_by_row():
    ((column,),) = batches(Labelled(), shuffle=False)
    assert column.tolist() == [10, 20, 30]


class Foreign:
    """Like a CuPy array or a Tensor: it takes part in NumPy's dispatch and indexes by row."""

    ndim = 1
    __array_function__ = None

    def __init__(self, values):
        self.values = np.asarray(values)

    def __len__(self):
        return len(self.values)

    def __getitem__(self, rows):
        return Foreign(self.values[rows])


def test_arrays_of_other_libraries_stay_what_they_are():
    ((column, y),) = batches(Foreign([5, 6, 7]), np.arange(3), rng=0)
    assert isinstance(column, Foreign)
    assert np.array_equal(column.values, y + 5)


# --- Samplers (those of mg.data: test_samplers.py)


def test_a_pass_goes_through_the_rows_of_the_sampler():
    def sampler(**_):
        return [3, 1, 1, 0]

    kept = batches(np.arange(5), batch_size=3, shuffle=False, sampler=sampler)
    assert [xb.tolist() for (xb,) in kept] == [[3, 1, 1], [0]]
    assert len(kept) == 2
    assert len(batches(np.arange(5), batch_size=3, drop_last=True, sampler=sampler)) == 1
    orders = {tuple(rows(batches(np.arange(5), sampler=sampler, rng=seed))) for seed in range(20)}
    assert len(orders) > 1
    assert {tuple(sorted(order)) for order in orders} == {(0, 1, 1, 3)}


def test_rng_is_the_samplers_too():
    def run(rng):
        epoch = batches(np.arange(30), sampler=lambda rng: rng.integers(30, size=12), rng=rng)
        return [rows(epoch) for _ in range(2)]

    first, second = run(np.random.default_rng(7))
    assert first != second
    assert run(np.random.default_rng(7)) == [first, second]
    assert run(7) == [first, first]


def test_a_sampler_of_no_rows():
    assert list(batches(np.arange(5), sampler=lambda rng: np.zeros(0, int))) == []


def test_a_pass_of_another_length_is_refused():
    lengths = iter([3, 3, 2])
    epoch = batches(np.arange(5), sampler=lambda rng: np.arange(next(lengths)))
    assert len(rows(epoch)) == 3
    with pytest.raises(ValueError, match=r"gave 2 rows, and 3 when .* the same number at each pass"):
        rows(epoch)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: batches(np.zeros(4), sampler=np.arange(4)),
            TypeError,
            r"sampler is a ndarray; expected a function that draws anew .*\.partial\(mg\.data\.oversample, y\)",
        ),
        (
            lambda: batches(np.zeros(4), sampler=lambda rng: np.ones(4, bool)),
            TypeError,
            r"gave bool values of shape \(4,\); expected row numbers, .*: np\.flatnonzero\(mask\)",
        ),
        (lambda: batches(np.zeros(4), sampler=lambda rng: [0.5]), TypeError, r"gave float64 .* of shape \(n,\)$"),
        (lambda: batches(np.zeros(4), sampler=lambda rng: [[1]]), TypeError, r"gave int64 values of shape \(1, 1\)"),
        (lambda: batches(np.zeros(4), sampler=lambda rng: [1, 4]), ValueError, "gave row 4; expected 0..3, the rows"),
        (lambda: batches(np.zeros(4), sampler=lambda rng: [1, -1]), ValueError, "gave row -1; expected 0..3"),
        (lambda: batches(), TypeError, r"got no array; pass .* batches\(X, y\)"),
        (
            lambda: batches(np.zeros((4, 2)), np.zeros(4), np.zeros(3)),
            ValueError,
            "have 4, 4, 3 samples; expected the same number",
        ),
        (
            lambda: batches(np.zeros(4), np.float64(1)),
            ValueError,
            r"array 1 .* dtype float64; expected shape \(N",
        ),
        (lambda: batches(np.zeros(4), batch_size=0), ValueError, r"batch_size=0; expected 1 or more"),
        (lambda: batches(np.zeros(4), batch_size=-2), ValueError, "batch_size=-2; expected 1 or more"),
        (
            lambda: batches(np.zeros(4), batch_size=2.0),
            TypeError,
            "batch_size=2.0 is a float; expected an int",
        ),
        (
            lambda: batches(np.zeros(4), rng="0"),
            TypeError,
            r"rng is a str; expected None, an int .*default_rng\(0\)",
        ),
        (lambda: batches(np.zeros(4), rng=-1), ValueError, "rng=-1: a seed is 0 or more"),
    ],
)
def test_errors_come_at_the_call_not_in_the_loop(call, error, message):
    with pytest.raises(error, match=message):
        call()
