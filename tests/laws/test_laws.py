"""Every loss keeps the laws, on drawn data too, and a broken one is caught by the law that it breaks."""

import pickle
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.losses import LawError, catalogue, check_laws, cross_entropy, reduce
from minigrad.losses.reduction import gathered
from tests.losses.cases import CASES, K, drawn


# What laws say nothing about: 5 where nothing has classes, 10 where there is no softmax, 0 and 7 to 9 where samples are
# coupled.
def silent(name):
    case = CASES[name]
    classes = case.kind != "regression" and case.data not in (catalogue.probabilities, catalogue.between)
    return (
        ({5} if not classes else set())
        | ({10} if case.kind != "multiclass" else set())
        | ({0, 7, 8, 9} if case.coupled else set())
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_every_loss_keeps_the_laws(name, dtype):
    case = CASES[name]
    loss, z, t = drawn(name, seed=1)
    options = {"kind": case.kind, "closed_form": case.closed_form(K), "coupled": case.coupled}
    report = check_laws(loss, z.astype(dtype), t, skip=case.skip, **options)
    assert set(report.skipped) == silent(name) | case.skip.keys()


def test_a_loss_of_the_whole_batch_is_held_to_the_laws_that_it_can_keep():
    def weights_forgotten(z, t, *, class_weight=None, reduction="mean", **_weights):
        return mg.losses.soft_f1(z, t, class_weight=class_weight, reduction=reduction)

    report = check_laws(weights_forgotten, kind="binary", coupled=True, raise_on_failure=False)
    assert report.failed == [1, 2, 5]
    assert report.skipped == [0, 7, 8, 9, 10]
    assert "samples are coupled: micro-batches do not add up" in str(report)
    assert not check_laws(mg.losses.soft_f1, kind="binary", raise_on_failure=False).ok


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.skip])
def test_what_is_skipped_is_really_broken(name):
    loss, z, t = drawn(name, seed=2)
    report = check_laws(loss, z, t, kind=CASES[name].kind, raise_on_failure=False)
    assert set(report.failed) == CASES[name].skip.keys()


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=12, deadline=None)
@given(draw=st.data())
def test_laws_hold_for_drawn_weights_labels_and_shapes(name, draw):
    case = CASES[name]
    n, k = draw.draw(st.integers(1, 6), "N"), draw.draw(st.integers(1, 4), "K")
    loss, z, t = drawn(name, n, k, draw.draw(st.integers(0, 2**32), "seed"))
    weights = st.sampled_from([0.0, 0.1, 0.5, 1.0, 7.0])
    shape = draw.draw(st.sampled_from([(n,), z.shape] if case.kind == "multilabel" else [(n,)]), "weights' shape")
    w = draw.draw(st.lists(weights, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))), "w")
    classes = k if case.kind in ("multiclass", "multilabel") else 2
    v = draw.draw(st.lists(weights, min_size=classes, max_size=classes), "class weights")
    check_laws(
        loss,
        z.astype(draw.draw(st.sampled_from([np.float32, np.float64]), "dtype")),
        t,
        kind=case.kind,
        sample_weight=np.reshape(w, shape),
        class_weight=v,
        closed_form=case.closed_form(k),
        skip=case.skip,
        coupled=case.coupled,
    )


@pytest.mark.parametrize("kind", ["multiclass", "scores", "binary", "regression", "multilabel", "signs"])
def test_default_data_suit_every_kind(kind):
    case = next(case for case in CASES.values() if case.kind == kind.replace("scores", "multiclass"))
    assert check_laws(case.bind(3), kind=kind, dtype=np.float32).ok


# --- Losses wrong on purpose


def entropies(z, t):
    """Cross-entropy the long way, per sample."""
    return np.log(np.sum(np.exp(z), axis=1)) - z[np.arange(len(t)), t]


def right_weights(w, v, z, t):
    return w, gathered(v, t, 3, z.dtype)


def planted(values=entropies, weights=right_weights, how=lambda r: r):
    """A loss put together from three steps, each of which can be planted wrong."""

    def loss(z, t, *, sample_weight=None, class_weight=None, reduction="mean"):
        w, v = weights(sample_weight, class_weight, z, t)
        return reduce(values(z, t), w, how(reduction), class_weight=v)

    return loss


right = planted()


def test_planted_with_nothing_wrong_keeps_the_laws():
    assert check_laws(planted()).skipped == []


# Weights wrong on purpose: (sample_weight, class_weight, prediction, target) -> sample_weight, gathered class_weight


def sample_weight_forgotten(_w, v, z, t):
    return None, gathered(v, t, 3, z.dtype)


def class_weight_forgotten(w, _v, _z, _t):
    return w, None


def applied_twice(w, v, z, t):
    return None if w is None else w * w, gathered(v, t, 3, z.dtype)


def by_column(w, v, z, _t):
    """The class weight of the column with the largest logit, not of the label."""
    return w, None if v is None else v[np.argmax(z, axis=1)]


def without_gradient(w, v, z, t):
    return w.data if isinstance(w, mg.Tensor) else w, gathered(v, t, 3, z.dtype)


def two_for_none(w, v, z, t):
    return 2 * np.ones(len(t)) if w is None else w, gathered(v, t, 3, z.dtype)


def class_weight_outside_the_sum(z, t, *, sample_weight=None, class_weight=None, reduction="mean"):
    """Divides by the sum of the sample weights alone."""
    values = entropies(z, t) * (1 if class_weight is None else class_weight[t])
    return reduce(values, sample_weight, reduction)


def divides_by_zero(z, t, *, sample_weight=None, class_weight=None, reduction="mean"):
    if reduction != "weighted_mean":
        return right(z, t, sample_weight=sample_weight, class_weight=class_weight, reduction=reduction)
    ones = np.ones(len(t))
    weights = (ones if sample_weight is None else sample_weight) * (1 if class_weight is None else class_weight[t])
    with np.errstate(invalid="ignore"):
        return np.sum(weights * entropies(z, t)) / np.sum(weights)


@mg.primitive
def sine(x):
    return np.sin(x)


@mg.primitive
def cosine_once(x):
    return np.cos(x)


mg.rule(sine, lambda g, _y, x: g * cosine_once(x))
mg.rule(cosine_once, lambda g, _y, x: g * x)  # wrong, and seen by second derivatives only


@mg.primitive
def tripled(x):
    return 3 * x


mg.rule(tripled, lambda g, _y, _x: g)

BROKEN = {
    "sample_weight forgotten": (planted(weights=sample_weight_forgotten), [0, 1, 2, 3, 5, 7, 8, 9]),
    "class_weight forgotten": (planted(weights=class_weight_forgotten), [5]),
    "sample_weight applied twice": (planted(weights=applied_twice), [0, 2, 3, 5, 7, 8, 9]),
    "class_weight by column": (planted(weights=by_column), [5]),
    "class_weight not in the sum of weights": (class_weight_outside_the_sum, [5]),
    "weights without gradient": (planted(weights=without_gradient), [9]),
    "all weights 2 where there are none": (planted(weights=two_for_none), [0, 5, 6, 8, 9]),
    "'mean' divides by sum w": (planted(how=lambda r: "weighted_mean" if r == "mean" else r), [0, 3, 7, 8, 9]),
    "'weighted_mean' divides by N": (
        planted(how=lambda r: "mean" if r == "weighted_mean" else r),
        [0, 1, 2, 3, 7, 8, 9],
    ),
    "a number D ignored": (planted(how=lambda r: r if isinstance(r, str) else "mean"), [0, 1, 7, 8, 9]),
    "batch-coupled": (planted(lambda z, t: entropies(z - z.mean(axis=0), t)), [1, 2, 7]),
    "depends on the order": (planted(lambda z, t: entropies(z, t) * np.arange(1, len(t) + 1)), [1, 2, 4, 7]),
    "not invariant to shifts": (planted(lambda z, t: entropies(z, t) + 0.1 * np.square(z).sum(axis=1)), [10]),
    "divides by all weights 0": (divides_by_zero, [0]),
    "wrong rule": (planted(lambda z, t: tripled(entropies(z, t))), [11, 12]),
    "wrong second derivative": (planted(lambda z, t: sine(entropies(z, t))), [12]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_loss_fails_the_laws_that_it_breaks(name):
    loss, laws = BROKEN[name]
    report = check_laws(loss, raise_on_failure=False)
    assert not report
    assert report.failed == laws


def test_every_law_fails_for_some_broken_loss():
    assert {law for _, laws in BROKEN.values() for law in laws} == set(range(13))


def test_a_wrong_closed_form_fails_law_11():
    report = check_laws(cross_entropy, closed_form=lambda z, t: z, raise_on_failure=False)
    assert report.failed == [11]
    assert "closed form, value: autograd gives" in str(report)


# --- The report


def test_the_report_says_which_law_failed_with_both_sides_and_the_sample():
    z = np.zeros((3, 3))  # every loss is log 3
    loss = planted(weights=by_column)
    report = check_laws(loss, z, [0, 1, 1], class_weight=[1.0, 3.0, 2.0], raise_on_failure=False)
    failed = next(r for r in report.results if r.status == "FAILED")
    assert (failed.number, failed.sample) == (5, 1)
    assert failed.difference == pytest.approx(2 * np.log(3))
    assert str(report).splitlines()[0] == "loss breaks 1 of 13 laws (multiclass, prediction of shape (3, 3), float64)"
    assert str(failed) == (
        "   5  FAILED   class_weight = the same weights gathered per sample\n"
        "      none, value: class_weight gives 1.09861, the same weights gathered per sample gives 3.29584 "
        "at sample 1; max difference 2.2"
    )


def test_a_broken_loss_raises_an_error_that_carries_the_report():
    with pytest.raises(LawError, match="10  FAILED   softmax: a constant added") as caught:
        check_laws(BROKEN["not invariant to shifts"][0])
    assert caught.value.report.failed == [10]
    again = pickle.loads(pickle.dumps(LawError(check_laws(cross_entropy))))
    assert again.report.ok


def test_skipped_laws_give_their_reason():
    def plain(z, t, *, sample_weight=None, reduction="mean"):
        return cross_entropy(z, t, sample_weight=sample_weight, reduction=reduction)

    report = check_laws(plain, skip={12: "too slow"})
    assert report.skipped == [5, 12]
    assert "the loss has no parameter class_weight" in str(report)
    assert "too slow" in str(report)


def test_a_loss_that_raises_or_leaves_the_graph_is_reported():
    def refuses(*_data, **_options):
        raise RuntimeError("no such luck")

    def leaves(z, t, *, sample_weight=None, class_weight=None, reduction="mean"):
        return cross_entropy(z.data, t, sample_weight=sample_weight, class_weight=class_weight, reduction=reduction)

    report = check_laws(refuses, raise_on_failure=False)
    assert report.failed == list(range(13))
    assert "raised RuntimeError: no such luck" in str(report)
    assert "the loss of a Tensor must be a Tensor, this one is a " in str(check_laws(leaves, raise_on_failure=False))


def test_a_loss_of_another_shape_is_reported():
    def columns(z, t, *, sample_weight=None, class_weight=None, reduction="mean"):
        loss = cross_entropy(z, t, sample_weight=sample_weight, class_weight=class_weight, reduction=reduction)
        return loss.reshape(-1, 1) if reduction == "none" and sample_weight is not None else loss

    assert "gives shape (7, 1), sum w_i l_i" in str(check_laws(columns, raise_on_failure=False))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "ranking"}, "unknown kind 'ranking': expected one of multiclass"),
        ({"prediction": np.zeros((2, 2))}, "prediction and target together"),
        ({"skip": {99: "?"}}, r"skip names laws \[99\], there are 0..12"),
        ({"prediction": np.zeros(2), "target": [0, 1]}, r"'multiclass' has 2 dimensions, this one has shape \(2,\)"),
        ({"prediction": np.zeros((2, 2)), "target": [0]}, r"shape \(2, 2\) and a target of shape \(1,\) differ in N"),
        ({"prediction": np.zeros((2, 2), int), "target": [0, 1]}, "needs a prediction of floating point .*got int64"),
        ({"sample_weight": 2.0}, r"sample_weight has shape \(\), expected \(7,\)"),
        ({"sample_weight": -np.ones(7)}, "sample_weight must be finite and not negative"),
        ({"class_weight": [1.0, 2.0]}, r"class_weight has shape \(2,\), expected \(3,\)"),
        ({"class_weight": {0: 1.0, 1: 2.0}}, "class_weight has no entry for class 2"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        check_laws(cross_entropy, **arguments)


def test_a_name_is_no_loss():
    with pytest.raises(TypeError, match=r"check_laws needs the loss itself, .* got 'cross_entropy'"):
        check_laws("cross_entropy")


def test_class_weights_may_be_a_dict():
    report = check_laws(partial(cross_entropy, label_smoothing=0.1), class_weight={0: 1.0, 1: 1.0, 2: 1.0})
    assert report.ok  # equal weights: drawn ones would break law 5
    for negative in (-1, 0):
        assert check_laws(mg.losses.hinge, kind="signs", class_weight={1: 5.0, negative: 2.0}).ok


def test_a_loss_of_scores_need_not_be_of_softmax():
    def brier(z, t, *, sample_weight=None, class_weight=None, reduction="mean"):
        values = np.sum((z - np.eye(z.shape[1])[t]) ** 2, axis=1)
        return reduce(values, sample_weight, reduction, class_weight=gathered(class_weight, t, 3, z.dtype))

    assert check_laws(brier, kind="scores").skipped == [10]
    report = check_laws(brier, raise_on_failure=False)
    assert report.failed == [10]
    assert "none, value: dl/dz of the last class gives" in str(report)
    assert ", minus the sum of dl/dz of the other classes gives" in str(report)
    assert 'if the loss has no softmax by design, pass kind="scores", or skip={10: "the reason"}' in str(report)


def test_the_loss_of_shifted_logits_is_named_too():
    @mg.primitive
    def steps(z):
        return np.floor(z).sum(axis=1)  # no gradient, but not invariant

    mg.rule(steps, lambda g, _y, _z: np.zeros(_z.shape))
    report = check_laws(planted(lambda z, t: entropies(z, t) + steps(z)), skip=dict.fromkeys((11, 12), "steps"),
                        raise_on_failure=False)  # fmt: skip
    assert "the loss of logits with a constant added to each row gives" in str(report)


def test_a_partial_is_called_by_its_function():
    assert str(check_laws(partial(cross_entropy, label_smoothing=0.0))).startswith("cross_entropy keeps the laws")
