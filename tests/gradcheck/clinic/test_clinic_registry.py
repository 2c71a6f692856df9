"""The clinic itself: its list of mistakes, what it does when nothing fits or a recogniser fails, how reasons read."""

import importlib
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.gradcheck import check_backward
from minigrad.gradcheck.clinic import MISTAKES, Finding, mistake
from minigrad.gradcheck.report import Reason
from minigrad.gradcheck.structure import HINTS
from tests.gradcheck.pairs import CASES, draw, linear_backward, softmax, softmax_backward

diagnosis = importlib.import_module("minigrad.gradcheck.diagnose")

AGREED = """
    sign factor zero cotangent transpose missing_sum kept_dims n_by_n overwritten permutation swapped
    extra_l2 l2_missing l2_doubled bias_gradient forward_value softmax_diagonal softmax_axis
    weight_forgotten weight_twice weight_inverse weight_of_other_samples weight_by_column weight_on_label_only
    sigmoid_factor label_column_only not_through_softmax micro_batch_means
    kernel_not_flipped patches_overwritten bias_not_summed pool_every_tie pool_wrong_corner
    mean_constant variance_constant
    modulator_constant weight_inside_modulator temperature_on_log_probabilities cost_transposed
"""
CODE = re.compile(r"np\.|axis=|\.T\b|\.sum|\.mean|[-+*/@]=|==|@")


@pytest.fixture
def _one_more():
    before = list(MISTAKES)
    yield
    MISTAKES[:] = before


def test_every_agreed_mistake_is_known():
    assert {entry.kind for entry in MISTAKES} == set(AGREED.split())


@pytest.mark.parametrize("entry", MISTAKES, ids=lambda entry: entry.recognise.__name__)
def test_hints_help_and_do_not_tell(entry):
    assert entry.hint.endswith(("?", ".")), entry.hint
    assert 20 < len(entry.hint) < 140
    assert not CODE.search(entry.hint), entry.hint


@pytest.mark.parametrize("kind", HINTS)
def test_reasons_of_structure_have_hints(kind):
    assert len(HINTS[kind]) > 20
    assert not CODE.search(HINTS[kind])


def test_no_two_recognisers_share_a_hint():
    assert len({entry.hint for entry in MISTAKES}) == len(MISTAKES)


# --- Adding one


@pytest.mark.usefixtures("_one_more")
def test_a_mistake_is_one_function_and_one_entry():
    @mistake("plus_one", "Where does the constant come from?")
    def plus_one(s):
        if s.fits([m + 1 for m in s.measured]):
            return Finding("{yours} is 1 too large; so is every entry of {of}", facts={"by": 1})
        return None

    report = check_backward(lambda x: np.exp(x), lambda g, x: g * np.exp(x) + 1, draw(4))
    reason = report.reasons[0]
    assert reason == "your gradient of input 0 (x) is 1 too large; so is every entry of input 0 (x)"
    assert (reason.kind, reason.hint) == ("plus_one", "Where does the constant come from?")
    assert (reason.inputs, reason.facts) == ((0,), {"by": 1})


@pytest.mark.usefixtures("_one_more")
@pytest.mark.parametrize("error", [ValueError, ZeroDivisionError, IndexError, KeyError, RuntimeError, AssertionError])
def test_a_recogniser_that_raises_hides_nothing(error):
    @mistake("broken", "None at all.")
    def broken(_s):
        raise error("inside the clinic")

    report = check_backward(np.exp, lambda g, x: -g * np.exp(x), draw(4))
    assert [reason.kind for reason in report.reasons] == ["sign"]


@pytest.mark.parametrize("error", [KeyError, ZeroDivisionError, TypeError])
def test_code_that_fails_at_other_inputs_hides_nothing(error):
    """The clinic asks forward again, with other values; code may refuse them."""
    x, W = draw(5, 3), draw(3, 3, seed=1)

    def forward(x, V):
        if np.abs(V - W).max() > 0.01:
            raise error("not this W")
        return x @ V

    report = check_backward(forward, lambda g, x, V: (g @ V.T * x, V.T @ x.T @ g), (x, W))
    assert [reason.kind for reason in report.reasons] == ["unknown"]


def test_recognisers_do_not_fail_by_themselves(monkeypatch):
    """`_guarded` is for code under check that fails; on plain cases every recogniser comes to its end."""
    monkeypatch.setattr(diagnosis, "_guarded", lambda look, suspect: look(suspect))
    with np.errstate(all="ignore"):
        for case in CASES:
            for wrong in (lambda a: -a, lambda a: a * np.linspace(1.1, 2, np.size(a)).reshape(np.shape(a))):

                def backward(g, *inputs, case=case, wrong=wrong):
                    returned = case.backward(g, *inputs)
                    gradients = returned if isinstance(returned, tuple) else (returned,)
                    return tuple(None if a is None else wrong(a) for a in gradients)

                assert check_backward(case.forward, backward, case.inputs).reasons


def test_nothing_is_modified():
    inputs = (draw(5, 3), draw(3, 4, seed=1), draw(4, seed=2))
    before = [x.copy() for x in inputs]
    report = check_backward(lambda x, W, b: x @ W + b, lambda g, x, W, b: (g @ W.T, g.T @ x, g), inputs)
    assert [reason.kind for reason in report.reasons] == ["transpose", "missing_sum"]
    for x, was in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(x, was)


# --- Nothing fits


def _noise(a, seed):
    rng = np.random.default_rng(seed)
    return a * rng.uniform(0.3, 3, np.shape(a)) + rng.normal(size=np.shape(a))


MATRICES = [case for case in CASES if all(np.size(x) > 4 for x in case.inputs)]


@settings(max_examples=80, deadline=None)
@given(case=st.sampled_from(MATRICES), seed=st.integers(0, 10**6))
def test_no_reason_is_invented(case, seed):
    def backward(g, *inputs):
        returned = case.backward(g, *inputs)
        gradients = returned if isinstance(returned, tuple) else (returned,)
        size = sum(np.abs(part).sum() for part in (g if isinstance(g, tuple) else (g,)))
        return tuple(a if a is None else size * _noise(a, seed) for a in gradients)

    report = check_backward(case.forward, backward, case.inputs)
    assert [reason.kind for reason in report.reasons] == ["unknown"], report


UNKNOWN = {  # a wrong gradient of x**3 at x, and what is said of where it is wrong
    "the worst entry": (lambda g, x: g * np.cos(x), "at worst input 0 (x) ["),
    "one entry": (lambda g, x: g * (3 * x**2 + np.eye(4, 3)), ""),
    "one row": (lambda g, x: g * 3 * x**2 + 0.1 * (np.arange(4) == 2)[:, None], "index 2 along axis 0"),
    "a factor for each column": (
        lambda g, x: g * 3 * x**2 * np.array([1, 3, 0.5]),
        "axis 1 is off by a factor of its own: 1, 3, 0.5",
    ),
    "negative inputs": (lambda g, x: g * np.where(x < 0, x, 3 * x**2), "those where the input is negative"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_mistake_is_described(name):
    backward, words = UNKNOWN[name]
    report = check_backward(lambda x: x**3, backward, draw(4, 3))
    assert [reason.kind for reason in report.reasons] == ["unknown"]
    assert report.reasons[0].startswith(
        "no known mistake fits: the gradient of input 0 (x) differs from the measured slope"
    )
    assert words in report.reasons[0]
    assert report.reasons[0].hint
    assert str(report.worst) in str(report)


def test_what_is_left_over_is_not_explained_away():
    def backward(g, x, W, b):
        dx, dW, db = linear_backward(g, x, W, b)
        return -dx, dW * np.cos(W), db

    report = check_backward(lambda x, W, b: x @ W + b, backward, (draw(5, 3), draw(3, 4, seed=1), draw(4, seed=2)))
    assert [(reason.kind, reason.inputs) for reason in report.reasons] == [("sign", (0,)), ("unknown", (1,))]
    assert "input 1 (W): wrong, too, and no known mistake fits; mend what is named above" in report.reasons[1]


# --- A right gradient has no reasons


@settings(max_examples=100, deadline=None)
@given(case=st.sampled_from(CASES), seed=st.integers(0, 10**6), known=st.booleans())
def test_right_gradients_have_no_reasons(case, seed, known):
    rng = np.random.default_rng(seed)
    inputs = tuple(
        x if np.asarray(x).dtype.kind != "f" else x + 0.2 * rng.uniform(size=np.shape(x)) for x in case.inputs
    )
    told = {"labels": np.array([0, 1, 1, 0]), "weights": np.array([1.0, 2, 3, 4]), "gamma": 2} if known else {}
    report = check_backward(case.forward, case.backward, inputs, **told)
    assert report.ok, report
    assert report.reasons == []


# --- How reasons read, and what they carry


def test_one_reason_for_all_the_inputs_that_it_explains():
    def backward(g, x, W, b):
        return tuple(5 * d for d in linear_backward(g, x, W, b))

    report = check_backward(lambda x, W, b: x @ W + b, backward, (draw(5, 3), draw(3, 4, seed=1), draw(4, seed=2)))
    (reason,) = report.reasons
    assert reason == (
        "your gradient of input 0 (x), input 1 (W) and input 2 (b) is 5 x the measured one, everywhere. 5 = N; 5 is "
        "the number of samples: the forward pass and the gradient do not divide by the same thing"
    )
    assert reason.inputs == (0, 1, 2)
    assert reason.facts["symbol"] == "N"
    assert reason.facts["ratio"] == pytest.approx(5)


@pytest.mark.parametrize(
    ("ratio", "says"),
    [
        (2.0, "is 2 x the measured one, everywhere. A 2 too many: the derivative of a square brings one"),
        (-2.0, "is -2 x the measured one, everywhere, so its sign is wrong, too. A 2 too many"),
        (4.0, "is 4 x the measured one, everywhere. 4 is the length of axis 1 of input 0 (x)"),
        (1 / 4, "0.25 = 1/4; 4 is the length of axis 1 of input 0 (x)"),
        (2 / 3, "is 0.666667 x the measured one, everywhere. It is no size or sum that the checker knows"),
    ],
)
def test_a_factor_is_told_once(ratio, says):
    """And not as a combination of sizes that is equal to it by chance, such as 2/3 for 4/6."""
    report = check_backward(lambda x: x**3, lambda g, x: ratio * g * 3 * x**2, draw(6, 4))
    assert [reason.kind for reason in report.reasons] == ["factor"]
    assert says in report.reasons[0]


@pytest.mark.parametrize(("power", "says"), [(1, "temperature"), (-1, "1 / temperature")])
def test_factors_that_were_told_are_recognised(power, says):
    a = np.array([1.0, 3.0, 0.5])
    report = check_backward(lambda x: x**3, lambda g, x: g * 3 * x**2 * a**power, draw(4, 3), temperature=a)
    assert [reason.kind for reason in report.reasons] == ["unknown"]
    assert report.reasons[0].endswith(f"; these are {says}")


def test_factors_that_are_another_input_are_recognised():
    x, gamma = draw(5, 3), np.array([0.5, 2.0, -1.5])
    report = check_backward(
        lambda x, gamma: gamma * x**3, lambda g, x, gamma: (g * 3 * x**2, (g * x**3).sum(axis=0)), (x, gamma)
    )
    assert "off by a factor of its own: 2, 0.5, -0.6667; these are 1 / input 1 (gamma)" in report.reasons[0]


def test_explanations_of_the_same_numbers_stand_beside_each_other():
    report = check_backward(softmax, lambda g, z: g * softmax(z) * (1 - softmax(z)), draw(4, 3))
    assert [reason.kind for reason in report.reasons] == ["softmax_diagonal"]
    both = check_backward(lambda x: x[None] * np.ones((3, 1)), lambda g, x: g[0].copy(), draw(5))
    assert [reason.kind for reason in both.reasons] == ["bias_gradient", "missing_sum"], both
    first, second = str(both).splitlines()[1:3]
    assert first.startswith("  1. input 0 (x) is added along axis 1")
    assert second.startswith("     or: your gradient of input 0 (x) is what sample 0 brings")


def test_hints_are_left_to_the_reader_of_the_reason():
    report = check_backward(softmax, lambda g, z: -softmax_backward(g, z), draw(4, 3))
    assert report.reasons[0].hint
    assert report.reasons[0].hint not in str(report)


def test_reasons_are_pickled_with_all_they_carry():
    reason = Reason("sign", "wrong", "look", (1, 2), {"ratio": -1.0})
    twin = pickle.loads(pickle.dumps(reason))
    assert twin == reason
    assert vars(twin) == vars(reason)
    assert vars(reason.retold("second derivative: wrong")) == vars(reason)
