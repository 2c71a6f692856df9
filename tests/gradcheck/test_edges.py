"""Where slopes end: kinks, ties, jumps, the edge of the domain, rounding."""

import numpy as np
import pytest

from minigrad.gradcheck import check_backward, gradcheck
from tests.gradcheck.pairs import draw


def relu(x):
    return np.maximum(x, 0)


# --- Kinks: anything between the slopes, nothing outside ---


@pytest.mark.parametrize(("at_zero", "ok"), [(0, True), (0.3, True), (1, True), (2, False), (-0.1, False)])
@pytest.mark.parametrize("reduce", [lambda y: y, np.sum])
def test_relu_at_zero(at_zero, ok, reduce):
    x = np.array([0.0, 1.0, -1.0, 0.0, 1e-7, -1e-9, 3e-4])
    report = check_backward(lambda x: reduce(relu(x)), lambda g, x: g * ((x > 0) + at_zero * (x == 0)), x)
    assert report.ok == ok
    if ok:
        assert {(0, (0,)), (0, (3,))} <= set(report.kinks)
        assert "kinks, any value between the slopes accepted: input 0 (x) [0]" in str(report)
    else:
        assert "a kink: anything from" in str(report)


def test_opposite_kinks_in_two_outputs_do_not_cancel():
    def two_sided(x):
        return np.stack([relu(x), relu(-x)])

    for share in (0.0, 0.5, 1.0):
        backward = lambda g, x, s=share: g[0] * s - g[1] * (1 - s)  # noqa: E731
        assert check_backward(two_sided, backward, np.array(0.0)).ok
    assert check_backward(two_sided, lambda g, x: 0 * g[0], np.array(0.0)).ok
    assert not check_backward(two_sided, lambda g, x: 3 * g[0] + 3 * g[1], np.array(0.0)).ok


@pytest.mark.parametrize("gap", [1e-3, 1e-5, 1e-6, 1e-8])
def test_a_kink_nearby_excuses_nothing(gap):
    x = np.array([gap])
    assert check_backward(relu, lambda g, x: g * (x > 0), x).ok
    assert not check_backward(relu, lambda g, x: g * 0.5, x).ok
    assert not check_backward(relu, lambda g, x: g * (x < 0), x).ok


# --- Ties: one winner or a share for each, but not all for each ---

TIES = {  # forward, inputs, right gradients, wrong gradients (for one number out, before g)
    "max": (np.max, [1.0, 1, 0], [[1, 0, 0], [0, 1, 0], [0.5, 0.5, 0]], [[1, 1, 0], [0, 0, 0], [0.3, 0.3, 0]]),
    "max of three": (np.max, [2.0, 2, 2], [[0, 1, 0], [1 / 3] * 3], [[1, 1, 1], [1, 1, 0], [0, 0, 0]]),
    "min below zero": (np.min, [-1.0, -1, 3], [[1, 0, 0], [0.2, 0.8, 0]], [[1, 1, 0], [0, 0, 0]]),
    "largest size": (
        lambda x: np.max(np.abs(x)),
        [1.0, -1.0, 0.2],
        [[1, 0, 0], [0, -1, 0], [0.5, -0.5, 0]],
        [[1, -1, 0], [1, 1, 0]],
    ),
}


@pytest.mark.parametrize("name", TIES)
def test_ties(name):
    forward, x, right, wrong = TIES[name]
    for gradient in right:
        report = check_backward(forward, lambda g, _, v=gradient: g * np.array(v, float), np.array(x))
        assert report.ok, report
    for gradient in wrong:
        report = check_backward(forward, lambda g, _, v=gradient: g * np.array(v, float), np.array(x))
        assert not report.ok
    every = wrong[0]
    report = check_backward(forward, lambda g, _: g * np.array(every, float), np.array(x))
    assert report.reasons[0].kind == "ties"
    assert "moved together, have slope" in report.reasons[0]
    assert "share it among them, not to each in full" in report.reasons[0]


def test_ties_between_two_inputs():
    a, b = draw(4), draw(4)
    for first, second, ok in ((1, 0, True), (0, 1, True), (0.5, 0.5, True), (1, 1, False), (0, 0, False)):
        backward = lambda g, a, b, s=first, t=second: (  # noqa: E731
            g * np.where(a > b, 1, np.where(a == b, s, 0)),
            g * np.where(b > a, 1, np.where(a == b, t, 0)),
        )
        assert check_backward(np.maximum, backward, (a, b)).ok == ok


def test_independent_kinks_at_the_same_value_are_no_tie():
    def f(x):  # along (1, 1) the kinks cancel: slope 1, though (0, 0) is a fair choice at each
        return relu(x[0]) - relu(-x[1])

    for first in (0.0, 0.5, 1.0):
        for second in (0.0, 0.5, 1.0):
            assert check_backward(f, lambda g, x, s=first, t=second: g * np.array([s, t]), np.zeros(2)).ok


def test_the_engine_at_ties():
    x = np.array([[1.0, 1.0, 0.0], [2.0, 0.5, 2.0]])
    for f in (np.max, lambda x: np.max(x, axis=1), lambda x: np.min(x, axis=0), lambda x: np.maximum(x, x[:, :1])):
        assert gradcheck(f, x).ok


# --- Jumps and edges of the domain ---


@pytest.mark.parametrize(
    ("function", "slope"), [(np.sign, 0), (np.floor, 0), (lambda x: np.where(x < 0, x, 2 * x + 1), None)]
)
def test_at_a_jump_the_slope_beside_it_counts(function, slope):
    x = np.array([0.0, 0.5])
    right = (lambda x: x * 0) if slope == 0 else (lambda x: np.where(x < 0, 1.0, 2.0))
    assert check_backward(function, lambda g, x: g * right(x), x).ok
    assert not check_backward(function, lambda g, x: g * (right(x) + 7 * (x == 0)), x).ok


def test_close_to_the_edge_of_the_domain_the_step_shrinks():
    x = np.array([1e-12, 1e-8, 1e-4, 1.0, 1e4])
    assert check_backward(np.log, lambda g, x: g / x, x).ok
    assert not check_backward(np.log, lambda g, x: g / x * np.array([1.01, 1, 1, 1, 1]), x).ok
    assert not check_backward(np.log, lambda g, x: g / x * np.array([1, 1, 1, 1, 1.01]), x).ok


def test_on_the_edge_the_slope_from_inside_counts():
    def f(x):
        return x * np.sqrt(x)

    assert check_backward(f, lambda g, x: g * 1.5 * np.sqrt(x), np.array([0.0, 1.0])).ok
    assert check_backward(lambda x: np.sqrt(x + 1e-9), lambda g, x: g / 2 / np.sqrt(x + 1e-9), np.array([0.0, 1.0])).ok


def test_an_unbounded_slope_is_not_compared():
    report = check_backward(
        lambda x: np.sqrt(x), lambda g, x: g * np.where(x, 0.5 / np.sqrt(x + (x == 0)), 0), np.array([0.0, 1.0])
    )
    assert report.ok
    assert report.undifferenced == [(0, (0,))]
    assert "not compared, no slope can be measured there (undefined, or lost in rounding): input 0 (x) [0]" in str(
        report
    )


def test_where_nothing_can_be_compared_nothing_passes():
    report = check_backward(np.sqrt, lambda g, x: 0 * g, np.array([0.0]))
    assert report.reasons[0].kind == "undifferenced"
    assert "no slope could be measured anywhere: choose inputs inside the domain" in report.reasons[0]


def test_errors_beside_the_domain_are_survived():
    def careful(x):
        if (x < 0).any():
            raise ValueError("negative")
        return np.exp(x)

    assert check_backward(careful, lambda g, x: g * np.exp(x), np.array([0.0, 1.0])).ok


# --- Rounding ---


def test_rounding_is_told_from_error():
    assert check_backward(lambda x: (1e8 + x) - 1e8, lambda g, x: g, draw(3)).ok
    assert not check_backward(lambda x: (1e8 + x) - 1e8, lambda g, x: 2 * g, draw(3)).ok
    assert check_backward(lambda x: np.sum(x - x.mean()), lambda g, x: 1e-17 * x, draw(7)).ok


def test_fast_oscillation_is_not_aliased():
    k = 2 * np.pi * 2**17  # a power of two, as tidy steps would be
    assert check_backward(lambda x: np.sin(k * x), lambda g, x: g * k * np.cos(k * x), draw(5)).ok


def test_fast_mode_crosses_kinks():
    assert gradcheck(lambda x: np.maximum(x, 0) * 3, draw(5_000), mode="fast").ok
    assert gradcheck(lambda x: np.sum(np.maximum(x, 0)), np.zeros(50), mode="fast").ok


def test_empty_inputs_are_trivially_right():
    report = check_backward(np.exp, lambda g, x: g * np.exp(x), np.ones((0, 2)))
    assert report.ok
    assert report.checked == 0
