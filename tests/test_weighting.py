"""Weights from labels, counts and costs, and the report of what they come to."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.weighting import balanced, class_counts, effective_number, from_costs, inverse_sqrt, normalize, report

COUNTS = st.lists(st.integers(1, 500), min_size=1, max_size=6)


# --- Weights


@given(COUNTS)
def test_balanced_gives_every_class_the_same(counts):
    w = balanced(np.repeat(np.arange(len(counts)), counts))
    np.testing.assert_allclose(w * counts, np.full(len(counts), sum(counts) / len(counts)), rtol=1e-6)


@given(COUNTS)
def test_inverse_sqrt_is_the_root_of_the_balanced_ratios(counts):
    y = np.repeat(np.arange(len(counts)), counts)
    w, full = inverse_sqrt(y), balanced(y)
    np.testing.assert_allclose((w / w[0]) ** 2, full / full[0], rtol=1e-5)
    np.testing.assert_allclose(w[y].sum(), len(y), rtol=1e-5)


@given(COUNTS, st.sampled_from([0.5, 0.9, 0.99, 0.9999]))
def test_effective_number_is_the_papers_formula(counts, beta):
    n = np.array(counts)
    w = (1 - beta) / (1 - beta**n)
    np.testing.assert_allclose(effective_number(n, beta), w / w.mean(), rtol=1e-5)


def test_effective_number_at_the_ends():
    n = np.array([1000, 10, 0, 1])
    np.testing.assert_array_equal(effective_number(n, 0.0), [1, 1, 0, 1])
    w = 1 / n[[0, 1, 3]]
    np.testing.assert_allclose(effective_number(n, 1 - 1e-12)[[0, 1, 3]], w / w.mean(), rtol=1e-5)


def test_a_class_without_samples_gets_no_weight():
    y = [0, 0, 2]
    np.testing.assert_allclose(balanced(y, 4), [0.75, 0, 1.5, 0])
    assert inverse_sqrt(y, 4)[[1, 3]].tolist() == [0, 0]
    np.testing.assert_allclose(inverse_sqrt(y)[[0, 2]], inverse_sqrt([0, 0, 1]))
    np.testing.assert_allclose(effective_number(class_counts(y), 0.9)[[0, 2]], effective_number([2, 1], 0.9))


def test_from_costs():
    C = np.array([[0, 1, 2], [5, 0, 1], [9, 3, 0]])
    assert from_costs(C).tolist() == [3, 6, 12]
    assert from_costs(C.T).tolist() == [14, 4, 3]
    assert from_costs(mg.tensor(C)).tolist() == [3, 6, 12]


def test_normalize():
    w, y = np.array([1.0, 2.0, 5.0]), np.array([0, 0, 1, 2])
    assert normalize(w).tolist() == [0.375, 0.75, 1.875]
    assert normalize(w, to="sum").tolist() == [0.125, 0.25, 0.625]
    assert normalize(w, y)[y].mean() == pytest.approx(1)
    assert normalize(w, y, to="sum")[y].sum() == pytest.approx(1)
    np.testing.assert_allclose(normalize(balanced(y), y), balanced(y), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes(dtype):
    assert normalize(np.ones(3, dtype)).dtype == dtype
    assert normalize([1, 2]).dtype == np.float32
    assert (
        effective_number([1, 2], 0.9).dtype == inverse_sqrt([0, 1]).dtype == from_costs(np.eye(2)).dtype == np.float32
    )


# --- The report


def rare(n, share=100):
    return np.repeat([0, 1], [n - n // share, n // share])


def binomial_ratio(share, w, batch_size):
    """The weight each class receives per batch on average, by its number of samples: positives over negatives."""
    received = 0.0
    for k in range(1, batch_size + 1):
        chance = comb(batch_size, k) * share**k * (1 - share) ** (batch_size - k)
        received += chance * k * w[1] / (k * w[1] + (batch_size - k) * w[0])
    return (received / share) / ((1 - received) / (1 - share))


@pytest.mark.parametrize(("batch_size", "published"), [(1, 1), (8, 7.5), (32, 27), (128, 66)])
def test_effective_ratio_of_one_in_a_hundred(batch_size, published):
    y = rare(1000)
    found = report(balanced(y), batch_size, y)
    assert found.nominal_ratio == pytest.approx(99)
    assert found.effective_ratio == pytest.approx(binomial_ratio(0.01, balanced(y).astype(float), batch_size), rel=1e-9)
    assert found.effective_ratio == pytest.approx(published, rel=0.03)  # the rounded figures of LOSSES.md, section 4
    assert (found.lightest, found.heaviest) == ("class 0", "class 1")


@settings(max_examples=30)
@given(st.integers(1, 40), st.floats(1e-6, 1e6), st.integers(2, 50))
def test_effective_ratio_of_any_two_weights(batch_size, heavier, share):
    y = rare(100, share)
    found = report(np.array([1.0, heavier])[y], batch_size, y).effective_ratio
    expected = binomial_ratio(y.mean(), [1.0, heavier], batch_size)
    assert found == pytest.approx(max(expected, 1 / expected), rel=1e-8)


def test_effective_ratio_of_three_classes_by_simulation():
    y = np.repeat([0, 1, 2], [60, 30, 10])
    w = np.array([1.0, 4.0, 20.0])
    batches = y[np.random.default_rng(0).integers(len(y), size=(100_000, 6))]
    shares = w[batches] / w[batches].sum(axis=1, keepdims=True)
    received = [shares[batches == c].sum() / (y == c).sum() for c in range(3)]
    assert report(w, 6, y).effective_ratio == pytest.approx(received[2] / received[0], rel=0.02)


def test_numbers_of_the_report():
    w = np.array([1.0, 1.0, 4.0, 0.0])
    found = report(w, 2)
    assert (found.n, found.total, found.batch_size) == (4, 6, 2)
    assert found.effective_size == pytest.approx(36 / 18)
    assert (found.heaviest, found.lightest, found.nominal_ratio) == ("w = 4", "w = 1", 4)


def test_weights_per_class_are_the_same_weights_per_sample():
    y = np.array([0, 0, 0, 1, 2, 2])
    w = np.array([0.5, 3.0, 1.0])
    assert report(w, 4, y) == report(w[y], 4, y)
    assert report(w, 4, y) == report(mg.tensor(w), 4, mg.tensor(y))
    assert report(w, 4, y).effective_ratio == pytest.approx(report(w[y], 4).effective_ratio)
    assert report([1, 2, 3, 4, 5, 6], 4, y).nominal_ratio == pytest.approx(5.5 / 2)


@pytest.mark.parametrize(
    "weights",
    [
        balanced,
        inverse_sqrt,
        lambda y: effective_number(y, 0.9),
        lambda y: normalize([0.5, 3.0, 1.0], y=y),
    ],
    ids=["balanced", "inverse_sqrt", "effective_number", "normalize"],
)
def test_labels_may_be_a_tensor(weights):
    y = np.array([0, 0, 0, 1, 2, 2])
    np.testing.assert_array_equal(weights(mg.tensor(y)), weights(y))


def test_labels_with_a_gap_in_the_report():
    assert report([2.0, 99.0, 1.0], 4, y=[0, 0, 2, 2]).nominal_ratio == 2


def test_kish_of_equal_weights_is_n():
    found = report(np.full(7, 3.0), 4)
    assert found.effective_size == pytest.approx(7)
    assert found.effective_ratio == found.nominal_ratio == 1


@pytest.mark.parametrize(
    ("w", "batch_size", "line"),
    [
        ([1.0, 3.0], 8, 'with "weighted_mean" in batches of 8: sum w of a batch grows with its heavy samples'),
        ([1.0, 3.0], 1, '1 : 1 with "weighted_mean" in batches of 1: the weights cancel, each is divided by itself'),
        ([3.0, 3.0], 8, "the weights are equal and cancel"),
        ([1.0, 3.0], 8, "sum w                  4 (N = 2)\n"),
        ([0.5, 1.5], 8, '(N = 2; "mean" and "weighted_mean" agree on the full set)'),
        ([1.0, 3.0], 8, "effective sample size  1.6 (Kish"),
        ([1.0, 3.0], 8, "nominal ratio          3 : 1 (w = 3 : w = 1)"),
    ],
)
def test_what_the_report_says(w, batch_size, line):
    assert line in str(report(w, batch_size))


# --- What is refused


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: inverse_sqrt([0.0, 1.0]), TypeError, "labels must be integers"),
        (lambda: inverse_sqrt([0, -1]), ValueError, "must not be negative"),
        (lambda: balanced([0, 3], 3), ValueError, r"labels must lie in 0\.\.2"),
        (lambda: effective_number([10, 1], 1.0), ValueError, r"beta must lie in \[0, 1\), got 1.0; its limit"),
        (lambda: effective_number([10, 1], -0.1), ValueError, "beta must lie"),
        (lambda: effective_number([10, 1], "a"), ValueError, "beta must be a finite number, got 'a'"),
        (lambda: report([], 8), ValueError, r"report got no weights, shape \(0,\)"),
        (lambda: effective_number([0, 0], 0.9), ValueError, "counts are all zero"),
        (
            lambda: effective_number([3, -1], 0.9),
            ValueError,
            "counts must be finite and not negative, but entry 1 is -1",
        ),
        (lambda: effective_number([[3, 1]], 0.9), ValueError, r"counts must have one axis, got shape \(1, 2\)"),
        (
            lambda: from_costs([[0, 1]]),
            ValueError,
            r"shape \(1, 2\) was given, expected \(K, K\): C\[truth, prediction",
        ),
        (lambda: from_costs([[0, 1], [-2, 1]]), ValueError, "row 1 of the cost matrix sums to -1"),
        (lambda: from_costs([[0, np.nan], [1, 0]]), ValueError, r"C\[0, 1\] is nan"),
        (lambda: normalize([1, 2], to="max"), ValueError, "expected 'mean' or 'sum'"),
        (lambda: normalize([0, 0]), ValueError, "sum to 0"),
        (lambda: normalize([1, np.inf]), ValueError, "entry 1 is inf"),
        (lambda: normalize([1, 2], y=[0, 2]), ValueError, r"labels must lie in 0\.\.1"),
        (lambda: report([1, 2], 0), ValueError, "at least 1, got 0"),
        (lambda: report([1, 2], 2.5), ValueError, "whole number"),
        (lambda: report([1, 2], True), ValueError, "whole number"),
        (lambda: report([0, 0], 8), ValueError, "all zero"),
        (lambda: report([1, np.nan], 8), ValueError, "entry 1 is nan"),
        (lambda: report([[1, 2]], 8), ValueError, "one axis"),
        (lambda: report({0: 1.0}, 8), TypeError, "weights must be real numbers, got object"),
        (
            lambda: report([1, 2], 8, y=[0, 1, 2]),
            ValueError,
            r"shape \(2,\), expected \(3,\), one per sample, or \(3,\)",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
