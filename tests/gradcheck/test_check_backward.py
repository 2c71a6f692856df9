"""Hand-written NumPy: right ones pass, every wrong version is caught, and each verdict has its words."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.gradcheck import GradcheckError, check_backward
from tests.gradcheck.pairs import CASES, cross_entropy, draw, log_softmax, positive, softmax, softmax_backward


@pytest.mark.parametrize("case", CASES, ids=str)
def test_right_gradients_pass(case):
    report = check_backward(case.forward, case.backward, case.inputs)
    assert report.ok, report
    assert report.worst.error <= report.worst.tolerance
    assert report.checked == sum(np.size(x) for x in case.inputs if np.asarray(x).dtype.kind == "f")
    assert not report.kinks
    assert not report.undifferenced


# --- Mutation: a wrong version of each ---


def _each(change):
    def mutate(gradients):
        return tuple(None if g is None else change(g) for g in gradients)

    return mutate


def _one_entry(g):
    g = np.array(g)
    g.reshape(-1)[-1] += 1e-3 * (1 + abs(g.reshape(-1)[-1]))
    return g


MUTATIONS = {
    "zero": _each(np.zeros_like),
    "times 7": _each(lambda g: 7 * g),
    "sign": _each(lambda g: -g),
    "one part in 10^5": _each(lambda g: g * (1 + 1e-5)),
    "one entry": _each(_one_entry),
    "another at each entry": _each(lambda g: g * np.linspace(1.1, 2, np.size(g)).reshape(np.shape(g))),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_wrong_gradients_are_caught(case, mutation):
    def wrong(g, *inputs):
        gradients = case.backward(g, *inputs)
        return MUTATIONS[mutation](gradients if isinstance(gradients, tuple) else (gradients,))

    report = check_backward(case.forward, wrong, case.inputs)
    assert not report.ok
    assert report.reasons


TWO_ARGUMENTS = [case for case in CASES if case.name in ("multiply", "divide", "power", "add a row", "matmul")]


@pytest.mark.parametrize("case", TWO_ARGUMENTS, ids=str)
def test_swapped_arguments_are_caught(case):
    assert not check_backward(case.forward, lambda g, a, b: case.backward(g, a, b)[::-1], case.inputs).ok


DROPPED = {  # what is forgotten: forward, wrong backward, inputs
    "sum over the batch": (np.add, lambda g, a, b: (g, g), (draw(4, 3), draw(3))),
    "kept dims": (np.add, lambda g, a, b: (g, g.sum(0, keepdims=True)), (draw(4, 3), draw(3))),
    "1/N": (np.mean, lambda g, x: np.full_like(x, g), (draw(5),)),
    "derivative of tanh": (np.tanh, lambda g, x: g, (draw(5),)),
    "second path": (lambda x: x * x, lambda g, x: g * x, (draw(5),)),
    "coupling in softmax": (softmax, lambda g, z: g * softmax(z) * (1 - softmax(z)), (draw(4, 3),)),
    "transpose": (np.matmul, lambda g, a, b: (g @ b, a.T @ g), (draw(3, 2), draw(2, 2))),
    "epsilon under the root": (
        lambda x: np.sqrt(x + 1e-4),
        lambda g, x: g / (2 * np.sqrt(x)),
        (positive(4),),
    ),
    "small entries beside large": (np.square, lambda g, x: g * np.where(x > 1, 2 * x, 0), (np.array([1e4, 1e-3]),)),
    "tiny scale": (lambda x: 1e-8 * np.sin(x), lambda g, x: 0 * x, (draw(4),)),
    "offset that hides": (lambda x: 1e6 + np.sin(x), lambda g, x: g * np.cos(x) * 1.001, (draw(4),)),
}


@pytest.mark.parametrize("forgotten", DROPPED)
def test_forgotten_parts_are_caught(forgotten):
    forward, backward, inputs = DROPPED[forgotten]
    assert not check_backward(forward, backward, inputs).ok


def test_probing_with_ones_cannot_see_softmax_but_random_cotangents_do():
    z = draw(4, 3)
    ones = np.ones_like(z)
    for factor in (0, 7):  # softmax's rows sum to 1, so sum(softmax(z)) has the slope 0 whatever the gradient
        np.testing.assert_allclose(factor * softmax_backward(ones, z), 0, atol=1e-15)
        assert not check_backward(softmax, lambda g, z, k=factor: k * softmax_backward(g, z), z).ok


# --- A correct gradient is never called wrong ---

SCALED = {  # function, derivative: inputs at any magnitude
    "sin": (np.sin, np.cos),
    "exp of sin": (lambda x: np.exp(np.sin(x)), lambda x: np.exp(np.sin(x)) * np.cos(x)),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2),
    "log of size": (lambda x: np.log(np.abs(x)), lambda x: 1 / x),
    "arctan": (np.arctan, lambda x: 1 / (1 + x**2)),
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0),
    "absolute": (np.abs, np.sign),
    "floor": (np.floor, lambda x: 0 * x),
    "offset": (lambda x: 1e4 + np.sin(x), np.cos),
    "sharp tanh": (lambda x: np.tanh(100 * x), lambda x: 100 / np.cosh(np.clip(100 * x, -300, 300)) ** 2),
    "cancelling": (lambda x: (1e4 + x) - 1e4, np.ones_like),
    "square root of size": (lambda x: np.sqrt(np.abs(x)), lambda x: np.sign(x) / (2 * np.sqrt(np.abs(x)))),
}


@pytest.mark.parametrize("name", SCALED)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_correct_gradient_is_never_called_wrong(name, data):
    f, slope = SCALED[name]
    shape = data.draw(st.lists(st.integers(1, 4), max_size=3).map(tuple))
    exponent = data.draw(st.floats(-4, 4))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x = rng.uniform(0.3, 3, shape) * rng.choice([-1, 1], shape) * 10.0**exponent
    report = check_backward(f, lambda g, x: g * slope(x), x)
    assert report.ok, report
    total = check_backward(lambda x: np.sum(f(x)), lambda g, x: g * slope(x), x)
    assert total.ok, total


@given(st.integers(1, 5), st.integers(2, 5), st.floats(-4, 3), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_correct_softmax_is_never_called_wrong(n, k, exponent, seed):
    z = np.random.default_rng(seed).normal(size=(n, k)) * 10.0**exponent
    report = check_backward(softmax, softmax_backward, z)
    assert report.ok, report


# --- What else can be wrong, each with its own words ---


def _modifies_g(g, _x):
    g *= 2
    return g


def _modifies_x(g, x):
    x += 1
    return 2 * g * (x - 1)


STATEMENTS = {  # backward of x**2, x of shape (2, 3): the kind of the reason, and words that it must hold
    "too many": (lambda g, x: (2 * g * x, g), "count", "returned 2 gradients for 1 inputs"),
    "a list": (lambda g, x: [2 * g * x], "type", "returned a list of 1"),
    "a Tensor": (lambda g, x: mg.Tensor(2 * g * x), "type", "returned a Tensor, expected a NumPy array"),
    "words": (lambda g, x: "2x", "type", "returned a str, expected an array of shape (2, 3)"),
    "None": (lambda g, x: None, "none", "returned None, but this input is floating-point"),
    "transposed": (lambda g, x: (2 * g * x).T, "transpose", "its shape is (2, 3), the gradient's (3, 2)"),
    "one row": (lambda g, x: (2 * g * x)[:1], "shape", "gradient (1, 3): a gradient has its input's shape exactly"),
    "extra axis": (lambda g, x: (2 * g * x)[None], "kept_dims", "gradient (1, 2, 3): they differ in axes of length 1"),
    "float32": (lambda g, x: (2 * g * x).astype(np.float32), "dtype", "is float64, its gradient float32: rounding"),
    "integers": (lambda g, x: (2 * g * x).astype(int), "dtype", "an integer array cuts fractions off"),
    "nan": (lambda g, x: np.where(x == x[1, 2], np.nan, 2 * g * x), "nonfinite", "is nan at [1, 2] (1 of 6 entries"),
    "changes g": (_modifies_g, "modified", "backward changed g in place: work on a copy"),
    "changes x": (_modifies_x, "modified", "backward changed input 0 in place: work on a copy"),
    "ignores g": (lambda g, x: 2 * x, "cotangent", "the same gradient of input 0 (x) whatever g is: multiply by g"),
    "random": (lambda g, x: g * x * np.random.random(), "nondeterministic", "two backward passes on the same inputs"),
    "half too much": (lambda g, x: 3 * g * x, "factor", "is 1.5 x the measured one, everywhere. It is no size"),
    "wrong": (lambda g, x: 2 * g * np.cos(x), "unknown", "no known mistake fits"),
    "fewer rows": (lambda g, x: g[:1, :2], "shape", "gradient (1, 2): a gradient has its input's shape exactly"),
    "more": (lambda g, x: np.ones((3, 3)), "shape", "gradient (3, 3): sum over the axes"),
}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_each_mistake_has_its_words(statement):
    backward, kind, words = STATEMENTS[statement]
    report = check_backward(lambda x: x**2, backward, draw(2, 3))
    assert not report.ok
    assert report.reasons[0].kind == kind
    assert words in report.reasons[0]
    assert words in str(report)


def test_the_slope_at_a_non_finite_gradient_is_told():
    report = check_backward(
        np.sqrt, lambda g, x: g * np.where(x, 0.5 / np.sqrt(x + (x == 0)), np.inf), np.array([0.0, 1.0])
    )
    assert "the function has no finite slope there" in report.reasons[0]
    report = check_backward(np.sin, lambda g, x: g * np.where(x == 0, np.nan, np.cos(x)), np.array([0.0, 1.0]))
    assert "the measured slope there is" in report.reasons[0]


def test_scalar_outputs_are_not_probed_with_one():
    z, y = draw(4, 3), np.array([0, 2, 1, 2])
    p = softmax(z) - np.eye(3)[y]
    report = check_backward(cross_entropy, lambda g, z, y: (p / len(y), None), (z, y))
    assert report.reasons[0].kind == "cotangent"


def test_integer_inputs_may_be_left_out_of_the_gradients():
    z, y = draw(4, 3), np.array([0, 2, 1, 2])
    report = check_backward(
        lambda z, y: log_softmax(z)[np.arange(4), y],
        lambda g, z, y: g[:, None] * (np.eye(3)[y] - softmax(z)),
        (z, y),
    )
    assert report.ok


FORWARDS = {
    "random": (lambda x: x * np.random.random(), "nondeterministic", "call .eval()"),
    "changes x": (lambda x: np.add(x, 1, out=x), "modified", "forward changed input 0 in place"),
    "float32": (lambda x: x.astype(np.float32), "float32", "was given float64 and returned float32"),
    "nan": (lambda x: np.where(x == x[0, 1], np.nan, x), "domain", "forward returned nan [0, 1], so there is no slope"),
}


@pytest.mark.parametrize("forward", FORWARDS)
def test_each_unusable_forward_has_its_words(forward):
    function, kind, words = FORWARDS[forward]
    report = check_backward(function, lambda g, x: g, draw(2, 3))
    assert report.reasons[0].kind == kind
    assert words in report.reasons[0]


@pytest.mark.parametrize(
    ("inputs", "error", "words"),
    [
        ({"x": draw(2)}, TypeError, "inputs is a dict"),
        (np.ones(2, np.float16), TypeError, "input 0 is float16: differences need float64"),
        (np.ones(2, complex), TypeError, "input 0 is complex128: gradients are checked for real inputs"),
        (np.array(["a"]), TypeError, "input 0 is a ndarray of dtype <U1, which has no gradient"),
        (np.array([None]), TypeError, "of dtype object, which has no gradient"),
        ((draw(2), None), TypeError, "input 1 is None"),
        (np.arange(3), ValueError, "none of the 1 inputs is floating-point"),
        (np.array([1.0, np.inf]), ValueError, "input 0 is inf at [1]"),
    ],
)
def test_unusable_inputs_are_refused(inputs, error, words):
    with pytest.raises(error) as caught:
        check_backward(lambda *x: x[0], lambda g, *x: g, inputs)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (None, "what forward returned is a NoneType"),
        (
            (np.ones(2), {"cache": 1}),
            "output 1 of forward is a dict: expected an array of numbers (if it also returns a cache",
        ),
        ((), "forward returned an empty tuple"),
        (np.ones(2) * 1j, "forward returned complex128"),
        (np.array(["a"]), "what forward returned is a ndarray"),
    ],
)
def test_unusable_outputs_are_refused(result, words):
    with pytest.raises(TypeError) as caught:
        check_backward(lambda x: result, lambda g, x: g, draw(2))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"eps": 0}, "eps=0: a relative step"),
        ({"rtol": -1}, "rtol=-1: a tolerance"),
        ({"atol": np.nan}, "atol=nan: a tolerance"),
    ],
)
def test_unusable_options_are_refused(options, words):
    with pytest.raises(ValueError, match="a ") as caught:
        check_backward(np.sin, lambda g, x: g * np.cos(x), draw(2), **options)
    assert words in str(caught.value)


def test_tolerances_are_the_callers():
    wrong = lambda g, x: g * np.cos(x) * (1 + 1e-4)  # noqa: E731
    assert not check_backward(np.sin, wrong, draw(3)).ok
    assert check_backward(np.sin, wrong, draw(3), rtol=1e-3).ok
    assert check_backward(np.sin, wrong, draw(3), atol=1e-3).ok
    assert check_backward(np.sin, lambda g, x: g * np.cos(x), draw(3), eps=1e-4).ok


# --- The report ---


def test_the_report_names_the_worst_entry():
    def backward(g, x, w):
        wrong = g * x
        wrong[1, 2] *= 3
        return g * w, wrong

    x, w = draw(2, 3), draw(2, 3, seed=1)
    report = check_backward(lambda x, w: x * w, backward, (x, w))
    worst = report.worst
    assert (worst.input, worst.index) == (1, (1, 2))
    assert worst.analytic == pytest.approx(3 * worst.numeric)
    assert worst.error == pytest.approx(abs(worst.analytic - worst.numeric))
    assert worst.error > worst.tolerance
    assert report.wrong == 1
    assert not report
    assert "1 of 12 entries of input 0 (x), input 1 (w)" in str(report)
    assert "input 1 (w) [1, 2]: analytic" in str(report)
    with pytest.raises(GradcheckError, match="FAILED") as caught:
        report.raise_on_failure()
    assert caught.value.report is report
    assert caught.value.reasons is report.reasons
    assert caught.value.ok is False


def test_the_report_survives_copies():
    report = check_backward(draw_free_square, draw_free_wrong, draw(2))
    for twin in (pickle.loads(pickle.dumps(report)), copy.deepcopy(report)):
        assert twin.reasons == report.reasons
        assert twin.reasons[0].kind == "factor"
        assert vars(twin.reasons[0]) == vars(report.reasons[0])
        assert str(twin) == str(report)
    error = pickle.loads(pickle.dumps(GradcheckError(report)))
    assert str(error.report) == str(report)


def draw_free_square(x):
    return x**2


def draw_free_wrong(g, x):
    return g * x


def test_what_is_known_is_kept_for_the_diagnosis():
    labels = np.array([0, 1])
    report = check_backward(draw_free_square, draw_free_wrong, draw(2), labels=labels, reduction="mean", gamma=2)
    assert set(report.known) == {"labels", "reduction", "gamma"}
    evidence = report.evidence
    assert evidence.wrong[0].all()
    for analytic, numeric in zip(evidence.analytic, evidence.numeric, strict=True):
        np.testing.assert_allclose(numeric[0] / analytic[0], 2)
