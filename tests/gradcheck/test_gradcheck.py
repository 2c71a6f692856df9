"""Functions of Tensors: what the engine computes, to second order, by differences and by complex steps."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.gradcheck import GradcheckError, gradcheck
from tests.devices import on_device
from tests.gradcheck.pairs import draw, positive

FUNCTIONS = {  # analytic ones: f, inputs
    "exp": (np.exp, draw(3, 2)),
    "sin(x) x": (lambda x: np.sin(x) * x, draw(4)),
    "scalar": (lambda x: np.sum(x**3), draw(2, 2)),
    "number": (lambda x: np.tanh(x), 0.3),
    "matmul": (lambda a, b: a @ b, (draw(3, 4), draw(4, 2))),
    "broadcast": (lambda a, b: a * b + b, (draw(3, 1), draw(4))),
    "two outputs": (lambda x: (np.exp(x), np.sum(x * x)), draw(3)),
    "linear": (lambda a, b: 2 * a - b, (draw(3), draw(3))),
    "softmax": (lambda z: np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True), draw(3, 4)),
    "partly constant": (lambda x: (np.log(x), 3 * np.ones(2)), positive(3)),
    "empty": (lambda x: np.exp(x), np.ones((0, 3))),
    "unused input": (lambda x, _y: x * x, (draw(2), draw(3))),
}


@pytest.mark.parametrize("method", ["central", "complex"])
@pytest.mark.parametrize("mode", ["full", "fast"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_engine_passes(name, mode, method):
    f, inputs = FUNCTIONS[name]
    report = gradcheck(f, inputs, mode=mode, method=method, order=2)
    assert report.ok
    assert bool(report)


def test_complex_steps_are_exact():
    report = gradcheck(lambda x: np.exp(np.sin(x)), draw(5), method="complex", rtol=1e-14, atol=1e-15)
    assert report.worst.error < 1e-15


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: np.abs(x) * x, "something on the way, such as abs or conj, is not analytic"),
        (lambda x: np.abs(x), "complex step gives 0, central differences"),
        (lambda x: x * np.ones(3 if np.asarray(x.data).dtype.kind == "f" else (2, 3)), "the output changes its shape"),
        (lambda x: np.floor(x) * x, "cannot take complex numbers"),
        (lambda x: np.maximum(x, 0.5), "the function has a kink"),
    ],
)
def test_complex_steps_refuse_what_is_not_analytic(f, words):
    x = np.array([0.5, -1.5, 2.0])
    with pytest.raises(ValueError, match='method="complex" does not apply at input 0') as caught:
        gradcheck(f, x, method="complex")
    assert words in str(caught.value)
    assert gradcheck(f, x).ok


# --- Wrong rules ---


@mg.primitive
def shifted_sine(x, y):
    return np.sin(x) * np.cos(y)


RIGHT = (lambda g, _y, x, y: g * np.cos(x) * np.cos(y), lambda g, _y, x, y: -g * np.sin(x) * np.sin(y))
WRONG = {
    "zero": (lambda g, _y, x, y: 0 * g, RIGHT[1], "zero"),
    "times 7": (lambda g, _y, x, y: 7 * RIGHT[0](g, _y, x, y), RIGHT[1], "factor"),
    "sign": (lambda g, _y, x, y: RIGHT[0](g, _y, x, y), lambda g, _y, x, y: -RIGHT[1](g, _y, x, y), "sign"),
    "swapped": (RIGHT[1], RIGHT[0], "swapped"),
    "dropped factor": (lambda g, _y, x, y: g * np.cos(x), RIGHT[1], "unknown"),
}
SAMPLES = (draw(3, 2), draw(2, seed=1))


@pytest.fixture
def _restore_rule():
    yield
    mg.rule(shifted_sine, *RIGHT)


@pytest.mark.usefixtures("_restore_rule")
@pytest.mark.parametrize("mode", ["full", "fast"])
@pytest.mark.parametrize("mutation", WRONG)
def test_wrong_rules_are_caught(mutation, mode):
    mg.rule(shifted_sine, *RIGHT)
    assert gradcheck(shifted_sine, SAMPLES, mode=mode, order=2).ok
    mg.rule(shifted_sine, *WRONG[mutation][:2])
    with pytest.raises(GradcheckError, match="FAILED") as caught:
        gradcheck(shifted_sine, SAMPLES, mode=mode)
    assert not caught.value.ok
    assert caught.value.reasons[0].kind == WRONG[mutation][2]


@pytest.mark.usefixtures("_restore_rule")
def test_a_rule_that_leaves_the_graph_passes_first_order_only():
    mg.rule(shifted_sine, lambda g, _y, x, y: g * np.cos(_plain(x)) * np.cos(y), RIGHT[1])
    assert gradcheck(shifted_sine, SAMPLES).ok
    report = gradcheck(shifted_sine, SAMPLES, order=2, raise_on_failure=False)
    assert not report.ok
    assert report.reasons[0].startswith("second derivative: ")


@pytest.mark.usefixtures("_restore_rule")
def test_create_graph_must_not_change_the_gradient():
    def fickle(g, _y, x, y):
        return g * np.cos(x) * np.cos(y) * (2 if isinstance(x, mg.Tensor) else 1)

    mg.rule(shifted_sine, fickle, RIGHT[1])
    report = gradcheck(shifted_sine, SAMPLES, order=2, raise_on_failure=False)
    assert "second derivative: the gradient with create_graph=True differs" in report.reasons[0]


def test_a_wrong_first_derivative_is_enough():
    report = gradcheck(lambda x: np.exp(x.numpy()), draw(2), order=2, raise_on_failure=False)
    assert "second derivatives were not checked: the first are wrong" in str(report)


def _plain(x):
    return x.data if isinstance(x, mg.Tensor) else x


# --- What is handed to f ---


def test_which_inputs_are_checked():
    wanted, frozen, labels = mg.tensor(draw(2), requires_grad=True), mg.tensor(draw(2)), np.array([1, 0])
    report = gradcheck(lambda w, c, y, a: np.sum(w * c * a) * y[0], (wanted, frozen, labels, draw(2)))
    assert report.evidence.positions == [0, 3]
    assert gradcheck(lambda a, b: a * b, (frozen, frozen)).evidence.positions == [0, 1]


def test_tensors_come_back_as_they_were():
    data = draw(3).astype(np.float32)
    w = mg.tensor(data, requires_grad=True)
    kept = w.data
    gradcheck(lambda w: np.exp(w), w)
    assert w.data is kept
    assert w.requires_grad
    assert w.grad is None
    np.testing.assert_array_equal(w.numpy(), data)
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda w: 1 / 0, w)
    assert w.data is kept


def test_a_closure_over_parameters_is_checked():
    W, b = mg.tensor(draw(3, 2), requires_grad=True), mg.tensor(draw(2), requires_grad=True)
    X = on_device(draw(4, 3))
    report = gradcheck(lambda *_: np.tanh(X @ W + b), [W, b])
    assert report.worst.numeric != 0
    with pytest.raises(GradcheckError, match="depends on Tensors that f reads from outside: pass those Tensors"):
        gradcheck(lambda _: np.tanh(X @ W + b), draw(2))


def test_results_in_between_are_checked_too():
    hidden = np.exp(mg.tensor(draw(3), requires_grad=True))
    assert gradcheck(lambda h: h * h, hidden).checked == 3


def test_functions_without_a_derivative_are_constants():
    report = gradcheck(np.floor, draw(4))
    assert report.ok
    assert "the output does not change with any input" in str(report)
    assert gradcheck(lambda x: np.floor(x) * x, draw(4)).ok


def test_leaving_the_graph_is_told():
    with pytest.raises(GradcheckError, match=r"no graph was recorded, so every gradient is zero"):
        gradcheck(lambda x: np.exp(x.numpy()), draw(3))


def test_dropout_left_on_is_told():
    with pytest.raises(GradcheckError, match=r"two different results .* is dropout on \(call .eval\(\)\)"):
        gradcheck(lambda x: x * (np.random.random(x.shape) > 0.5), draw(30))


# --- float32 ---


def test_float32_inputs_are_checked_in_both_precisions():
    seen = []

    def f(x):
        seen.append(x.dtype)
        return np.exp(x)

    assert gradcheck(f, draw(3).astype(np.float32)).ok
    assert seen[0] == np.float64
    assert np.float32 in seen


def test_float32_inside_is_told():
    with pytest.raises(GradcheckError, match="f was given float64 and returned float32: differences of rounded"):
        gradcheck(lambda x: np.exp(x.astype(np.float32)), draw(3))


@pytest.mark.usefixtures("_restore_rule")
def test_gross_float32_errors_are_told():
    def bad_in_single(g, _y, x, y):
        return g * np.cos(x) * np.cos(y) * (1 if g.dtype == np.float64 else 1.5)

    mg.rule(shifted_sine, bad_in_single, RIGHT[1])
    single = tuple(x.astype(np.float32) for x in SAMPLES)
    assert gradcheck(shifted_sine, SAMPLES).ok
    with pytest.raises(GradcheckError, match=r"computed in float32 the gradient is .* further apart than rounding"):
        gradcheck(shifted_sine, single)


def test_float32_overflow_is_no_mistake():
    report = gradcheck(np.exp, np.array([100.0], np.float32))
    assert "in float32 the function overflows" in str(report)


# --- Options ---


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "slow"}, "mode='slow': expected 'full' or 'fast'"),
        ({"method": "forward"}, "method='forward': expected 'central' or 'complex'"),
        ({"order": 3}, "order=3: expected 1 or 2"),
        ({"eps": 2.0}, "eps=2.0: a relative step"),
        ({"eps": 1e-13}, "eps=1e-13: in float64 x + h is rounded to 2.2e-16 of x"),
        ({"atol": -1}, "atol=-1: a tolerance"),
    ],
)
def test_unknown_options_are_refused(options, words):
    with pytest.raises(ValueError, match="=") as caught:
        gradcheck(np.exp, draw(2), **options)
    assert words in str(caught.value)


def test_fast_mode_is_independent_of_the_size():
    calls = []

    def f(x):
        calls.append(1)
        return np.sin(x)

    counts = []
    for size in (10, 10_000):
        calls.clear()
        assert gradcheck(f, draw(size), mode="fast").ok
        counts.append(len(calls))
    assert counts[0] == counts[1] < 25
