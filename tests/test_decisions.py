"""Decisions: the best of all by brute force, Elkan's threshold, priors, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import minigrad as mg
from minigrad.decisions import bayes, correct_prior, logit_adjust, show_costs, threshold, total_cost, tune_threshold

C2 = np.array([[0.0, 1.0], [10.0, 0.0]])
C3 = np.array([[0.0, 1.0, 2.0], [5.0, 0.0, 1.0], [9.0, 3.0, 0.0]])
P3 = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.4, 0.3, 0.3]])
PROBABILITIES = st.floats(0, 1, width=32)


# --- bayes, threshold, total_cost


def test_bayes_picks_the_least_expected_cost():
    expected = [[sum(p[i] * C3[i, j] for i in range(3)) for j in range(3)] for p in P3]
    np.testing.assert_array_equal(bayes(P3, C3), np.argmin(expected, axis=1))
    np.testing.assert_array_equal(bayes(P3, 1 - np.eye(3)), np.argmax(P3, axis=1))


def test_a_transposed_matrix_decides_otherwise():
    assert bayes(P3, C3).tolist() == [1, 1, 2]
    assert bayes(P3, C3.T).tolist() == [0, 1, 0]
    p = np.array([0.3])
    assert bayes(p, C2).tolist() == [1]
    assert bayes(p, C2.T).tolist() == [0]


@given(p=arrays(np.float64, st.integers(1, 20), elements=PROBABILITIES), seed=st.integers(0, 999))
def test_bayes_of_two_classes_is_the_threshold(p, seed):
    C = np.random.default_rng(seed).uniform(size=(2, 2)) + np.array([[0, 1], [1, 0]])
    p = p[np.abs(p - threshold(C)) > 1e-9]
    decided = (p >= threshold(C)).astype(int)
    np.testing.assert_array_equal(bayes(p, C), decided)
    np.testing.assert_array_equal(bayes(np.stack([1 - p, p], axis=1), C), decided)


def test_threshold_is_elkans_with_his_matrix_transposed():
    c = np.array([[1.0, 8.0], [4.0, 2.0]])  # c(prediction, truth)
    (c00, c01), (c10, c11) = c
    p = (c10 - c00) / (c10 - c00 + c01 - c11)
    assert threshold(c.T) == pytest.approx(p)
    assert threshold(cost_tn=1, cost_fn=8, cost_fp=4, cost_tp=2) == threshold(c.T)
    assert type(threshold(c.T)) is float


def test_threshold_of_each_sample():
    found = threshold(cost_fp=np.array([1.0, 1.0]), cost_fn=np.array([1.0, 9.0]))
    np.testing.assert_allclose(found, [0.5, 0.1])


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ([[0, 0], [1, 0]], "truth is 0, predicting 1 costs no more. Predict 1 always. The costs are C.truth"),
        ([[0, 1], [3, 3]], "truth is 1, predicting 0 costs no more. Predict 0 always"),
        ([[1, 0], [0, 1]], "being wrong costs no more than being right. Are the columns swapped"),
        (np.zeros((2, 2)), "being wrong costs no more"),
    ],
)
def test_matrices_without_a_threshold(costs, message):
    with pytest.raises(ValueError, match=message):
        threshold(costs)


def test_total_cost():
    y, prediction, w = np.array([0, 1, 2, 2]), np.array([2, 1, 0, 1]), np.array([1.0, 5.0, 2.0, 0.5])
    assert total_cost(y, prediction, C3) == 2 + 0 + 9 + 3
    assert total_cost(y, prediction, C3, sample_weight=w) == 2 + 0 + 18 + 1.5
    assert total_cost(y, prediction, C3.T) != total_cost(y, prediction, C3)
    assert total_cost(np.array([True, False]), np.array([0.1, 0.9]) >= 0.5, C2) == 11


# --- tune_threshold


@st.composite
def scored(draw):
    n = draw(st.integers(1, 12))
    p = np.array(draw(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 0.9, 1.0]), min_size=n, max_size=n)))
    y = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    w = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    return p.astype(draw(st.sampled_from([np.float32, np.float64]))), y, w


@settings(max_examples=60)
@given(scored())
def test_tuned_threshold_is_the_best_of_all(data):
    p, y, w = data
    C = [[1, 3], [7, 0]]
    everywhere = [*np.unique(p), -1.0, 2.0]
    best = min(total_cost(y, p >= t, C, w) for t in everywhere)
    assert total_cost(y, p >= tune_threshold(p, y, C, sample_weight=w), C, w) == best

    def saving(y, prediction, sample_weight):
        return -total_cost(y, prediction, C, sample_weight)

    assert tune_threshold(p, y, metric=saving, sample_weight=w) == tune_threshold(p, y, C, sample_weight=w)


def test_neighbouring_floats_are_told_apart():
    p = np.array([0.5, np.nextafter(np.float32(0.5), np.float32(1))], np.float32)
    assert (p >= tune_threshold(p, [0, 1], C2)).tolist() == [False, True]


def test_always_and_never():
    p = np.array([0.2, 1.0])
    assert tune_threshold(p, [1, 1], C2) == 0
    assert tune_threshold(p, [0, 0], C2) == np.inf


def test_tuning_needs_no_calibration():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=4000)
    y = (rng.uniform(size=4000) < p).astype(int)
    assert tune_threshold(p, y, C2) == pytest.approx(threshold(C2), abs=0.05)
    assert tune_threshold(p**3, y, C2) == pytest.approx(threshold(C2) ** 3, abs=0.01)


# --- Priors


def test_correct_prior_is_bayes_rule():
    # two normal distributions, of which the posterior is known at every prior
    x = np.linspace(-2, 3, 11)
    likelihood = np.exp(-np.stack([x**2, (x - 1) ** 2], axis=1) / 2)

    def posterior(pi):
        joint = likelihood * pi
        return joint / joint.sum(axis=1, keepdims=True)

    old, new = np.array([0.5, 0.5]), np.array([0.97, 0.03])
    np.testing.assert_allclose(correct_prior(posterior(old), old, new), posterior(new), rtol=1e-12)
    np.testing.assert_allclose(correct_prior(posterior(old)[:, 1], 0.5, 0.03), posterior(new)[:, 1], rtol=1e-12)
    back = correct_prior(correct_prior(P3, [0.2, 0.3, 0.5], [0.7, 0.2, 0.1]), [0.7, 0.2, 0.1], [0.2, 0.3, 0.5])
    np.testing.assert_allclose(back, P3, rtol=1e-12)


def test_correct_prior_restores_what_weighted_training_took():
    pi, w = np.array([0.9, 0.1]), np.array([1.0, 9.0])
    p = np.array([0.02, 0.3])  # what is true
    weighted = p * w[1] / (p * w[1] + (1 - p) * w[0])  # where the weighted cross-entropy has its minimum
    np.testing.assert_allclose(correct_prior(weighted, pi * w / (pi @ w), pi), p)


def test_a_class_that_cannot_occur():
    np.testing.assert_allclose(correct_prior(P3[:1], [0.2, 0.3, 0.5], [0.5, 0.5, 0.0]), [[12 / 13, 1 / 13, 0]])


def test_logit_adjust():
    z, pi = np.random.default_rng(0).normal(size=(4, 3)), np.array([0.7, 0.2, 0.1])
    np.testing.assert_allclose(logit_adjust(z, pi, tau=0.5), z - 0.5 * np.log(pi))
    np.testing.assert_array_equal(logit_adjust(z, pi, tau=0), z)
    softmax = mg.nn.functional.softmax
    np.testing.assert_allclose(softmax(logit_adjust(z, pi)), correct_prior(softmax(z), pi, np.ones(3) / 3), rtol=1e-12)
    two = np.stack([np.zeros(4), z[:, 0]], axis=1)
    adjusted = logit_adjust(two, [0.8, 0.2])
    np.testing.assert_allclose(logit_adjust(z[:, 0], 0.2), adjusted[:, 1] - adjusted[:, 0])


# --- What goes in and comes out


@pytest.mark.parametrize(
    "call",
    [
        lambda wrap: bayes(wrap(P3), wrap(C3)),
        lambda wrap: correct_prior(wrap(P3), wrap(np.full(3, 1 / 3)), wrap(np.array([0.5, 0.3, 0.2]))),
        lambda wrap: logit_adjust(wrap(P3), wrap(np.full(3, 1 / 3))),
        lambda wrap: tune_threshold(wrap(P3[:, 0]), wrap(np.array([1, 0, 1])), wrap(C2)),
        lambda wrap: threshold(wrap(C2)),
        lambda wrap: total_cost(wrap(np.array([0, 2])), wrap(np.array([1, 1])), wrap(C3), wrap(np.array([1.0, 2.0]))),
    ],
)
def test_tensors_go_in_and_plain_numbers_come_out(call):
    found = call(lambda a: mg.tensor(a, requires_grad=a.dtype.kind == "f"))
    assert isinstance(found, (np.ndarray, float))
    np.testing.assert_array_equal(found, call(lambda a: a))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes(dtype):
    assert correct_prior(P3.astype(dtype), np.full(3, 1 / 3), np.full(3, 1 / 3)).dtype == dtype
    assert logit_adjust(P3.astype(dtype), np.full(3, 1 / 3)).dtype == dtype
    assert bayes(P3.astype(dtype), C3).dtype == np.int64


def test_show_costs_names_its_axes():
    assert show_costs([[0, 1.5], [10, 0]]) == (
        "truth / prediction   0    1\n0                    0  1.5\n1                   10    0"
    )
    names = ["a cat of a long description", "dog"]
    assert [line.split("  ")[0] for line in show_costs(C2, names).split("\n")] == ["truth / prediction", *names]


UNIFORM = np.full(3, 1 / 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: bayes(np.array([[2.0, -1.0]]), C2), ValueError, r"found -1\.\.2; for logits z pass mg.nn.functional"),
        (lambda: bayes(np.array([np.nan]), C2), ValueError, "probabilities in"),
        (lambda: bayes(np.array([[0.5, 0.5], [0.9, 0.5]]), C2), ValueError, "of row 1 sum to 1.4, expected 1"),
        (lambda: bayes(np.array([[0.5]]), C2), ValueError, r"pass p\[:, 0\]"),
        (lambda: bayes(np.array([1, 0]), C2), TypeError, "int64: these may be labels already"),
        (lambda: bayes(P3, C2), ValueError, r"expected \(3, 3\): C\[truth, prediction\]"),
        (lambda: bayes(P3, np.full((3, 3), np.inf)), ValueError, r"C\[0, 0\] is inf"),
        (lambda: threshold(C3), ValueError, r"expected \(2, 2\)"),
        (lambda: threshold(), TypeError, "needs a cost matrix, or both cost_fp"),
        (lambda: threshold(cost_fp=1), TypeError, "needs a cost matrix, or both cost_fp"),
        (lambda: threshold(C2, cost_fp=1), TypeError, "costs given twice: .* not both"),
        (lambda: threshold(C2, cost_tp=0.5), TypeError, "costs given twice"),
        (lambda: threshold(C2, cost_tn=0.0), TypeError, "costs given twice"),
        (lambda: logit_adjust(P3, [0.2, 0.3, 0.5], tau=np.nan), ValueError, "tau must be a finite number, got nan"),
        (lambda: logit_adjust(P3, [0.2, 0.3, 0.5], tau="1"), ValueError, "logit_adjust: tau must be .* got '1'"),
        (lambda: threshold(cost_fp=np.nan, cost_fn=1), ValueError, "cost_fp must be finite, found nan"),
        (lambda: threshold(cost_fp=np.ones(2), cost_fn=np.ones(3)), ValueError, r"cost_fn has shape \(3,\)"),
        (lambda: tune_threshold([0.5], [1]), TypeError, "either a cost matrix C, to minimise"),
        (lambda: tune_threshold([0.5], [1], C2, metric=max), TypeError, "either a cost matrix C, to minimise"),
        (lambda: tune_threshold([3.5], [1], C2), ValueError, "for logits z"),
        (lambda: tune_threshold(P3[:, :2], [1, 0, 1], C2), ValueError, r"pass p\[:, 1\]"),
        (lambda: tune_threshold(np.zeros(0), [], C2), ValueError, "N > 0"),
        (lambda: tune_threshold([0.5, 0.1], [1], C2), ValueError, r"y has shape \(1,\), expected \(2,\)"),
        (lambda: tune_threshold([0.5, 0.1], [1, 2], C2), ValueError, r"y must lie in 0\.\.1, found 1\.\.2"),
        (lambda: tune_threshold([0.5], [1.0], C2), TypeError, r"y must be labels, got float64"),
        (lambda: tune_threshold([0.5], [1], C2, sample_weight=[1, 2]), ValueError, r"sample_weight has shape \(2,\)"),
        (lambda: tune_threshold([0.5], [1], C2, sample_weight=[-1]), ValueError, "not negative"),
        (
            lambda: tune_threshold([0.5, 0.7], [1, 0], metric=lambda y, q: np.nan if q.sum() == 1 else 0.0),
            ValueError,
            "NaN where 1 of 2 samples",
        ),
        (lambda: correct_prior(P3, [0.5, 0.5], UNIFORM), ValueError, r"train_prior has shape \(2,\), expected \(3,\)"),
        (lambda: correct_prior(P3, [5, 3, 2], UNIFORM), ValueError, "divide counts by their sum"),
        (lambda: correct_prior(P3, [0.5, 0.5, 0], UNIFORM), ValueError, "train_prior of class 2 is 0"),
        (lambda: correct_prior([0.0], 0.5, 1.0), ValueError, "new_prior is 0 for every class that row 0"),
        (lambda: correct_prior([5.0], 0.5, 0.5), ValueError, "correct_prior needs probabilities in"),
        (lambda: logit_adjust(P3, [0.5, 0.5, 0]), ValueError, "prior of class 2 is 0"),
        (lambda: logit_adjust(np.zeros((2, 1)), [1.0]), ValueError, "logit_adjust needs floats"),
        (lambda: logit_adjust([1, 2], 0.5), ValueError, "got int64"),
        (
            lambda: total_cost([0, 1], P3[:2], C3),
            TypeError,
            r"prediction must be labels, got float64 of shape \(2, 3\)",
        ),
        (lambda: total_cost([0, 1], [0, 3], C3), ValueError, r"prediction must lie in 0\.\.2"),
        (lambda: total_cost([0, 1], [0], C3), ValueError, r"prediction has shape \(1,\), expected \(2,\)"),
        (lambda: total_cost([0], [0], C3, sample_weight=[[1]]), ValueError, "one axis"),
        (lambda: show_costs(C3, ["a", "b"]), ValueError, "2 names for 3 classes"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
