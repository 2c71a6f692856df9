"""Clipping and penalties: what is done to gradients, and added to losses, on the way to a step."""

import math
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.optim import SGD, Adam, AdamW, RMSprop, clip_grad_norm, clip_grad_value, l1_penalty, l2_penalty
from tests.devices import on_device
from tests.optim.parity import give, parameters_of

SHAPES = [(3, 4), (), (2, 1, 2), (0, 3)]


def with_gradients(dtypes=(np.float64,), scale=1.0):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(dtypes[i % len(dtypes)]) for i, shape in enumerate([*SHAPES, (5,)])]
    parameters = parameters_of(arrays)
    give(parameters, [np.asarray(scale * rng.normal(size=a.shape), a.dtype) for a in arrays[:-1]] + [None])
    return parameters


def gradients_of(parameters):
    return [None if p.grad is None else p.grad.numpy() for p in parameters]


# --- Clipping ----------------------------------------------------------------------------------------------------

LIMITS = {"shorter": 0.5, "just": 100.0, "only measured": math.inf}


@pytest.mark.parametrize("dtypes", [(np.float64,), (np.float32,), (np.float32, np.float64)], ids=["64", "32", "mixed"])
@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_the_norm_is_that_of_all_gradients_in_a_row(limit, dtypes):
    parameters = with_gradients(dtypes)
    before = [p.grad for p in parameters]
    copies = [None if g is None else g.data.copy() for g in before]
    norm = clip_grad_norm(iter(parameters), limit)
    expected = float(np.linalg.norm(np.concatenate([g.ravel() for g in copies if g is not None])))
    assert type(norm) is float
    assert norm == pytest.approx(expected, rel=1e-6)
    for p, g, copied in zip(parameters, before, copies, strict=True):
        if g is None:
            assert p.grad is None
            continue
        np.testing.assert_allclose(p.grad.data, copied * min(1, limit / expected), rtol=2e-6)
        assert (p.grad.dtype, p.grad.shape) == (p.dtype, p.shape)
        np.testing.assert_array_equal(g.data, copied)  # what others hold of the gradient has not changed
    if limit > expected:
        assert [p.grad for p in parameters] == before


@pytest.mark.parametrize("limit", [0.5, 100.0])
@pytest.mark.parametrize("kind", ["norm", "value"])
def test_clipping_is_pytorchs(kind, limit):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: the comparison needs it as the other side")
    parameters = with_gradients((np.float32, np.float64))
    others = [torch.nn.Parameter(torch.tensor(p.numpy())) for p in parameters]
    for q, g in zip(others, gradients_of(parameters), strict=True):
        q.grad = None if g is None else torch.tensor(g)
    if kind == "norm":
        norm, theirs = clip_grad_norm(parameters, limit), torch.nn.utils.clip_grad_norm_(others, limit)
        assert norm == pytest.approx(float(theirs), rel=1e-6)
    else:
        clip_grad_value(parameters, limit)
        torch.nn.utils.clip_grad_value_(others, limit)
    for p, q in zip(parameters[:-1], others, strict=False):
        np.testing.assert_allclose(p.grad.data, q.grad, 1e-6, 1e-7)


def test_a_gradient_that_two_parameters_share_is_scaled_once():
    a, b = parameters_of([np.ones(1), np.ones(1)])
    (8.0 * (a + b)).sum().backward()
    b.grad = a.grad
    clip_grad_norm([a, b], math.sqrt(2))
    assert (a.grad.item(), b.grad.item()) == pytest.approx((1, 1), rel=1e-6)


def test_a_norm_just_at_the_limit_is_clipped_by_pytorchs_1e_6():
    (p,) = parameters_of([np.ones(2)])
    give([p], [np.array([0.6e-3, 0.8e-3])])
    clip_grad_norm([p], 1e-3)
    np.testing.assert_allclose(p.grad.data, np.array([0.6e-3, 0.8e-3]) / 1.001, rtol=1e-9)


def test_squares_of_float32_may_be_large():
    parameters = with_gradients((np.float32,), scale=1e25)
    assert 1e25 < clip_grad_norm(parameters, 1.0) < 1e27
    assert clip_grad_norm(parameters, math.inf) == pytest.approx(1, rel=1e-6)


def test_without_gradients_there_is_nothing_to_clip():
    parameters = parameters_of([np.ones(2)])
    assert clip_grad_norm(parameters, 1.0) == 0.0
    clip_grad_value(parameters, 1.0)
    assert parameters[0].grad is None


@pytest.mark.parametrize(("bad", "name"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "inf")])
def test_a_norm_that_is_no_number(bad, name):
    parameters = with_gradients()
    spoiled = parameters[2].grad.data.copy()
    spoiled[0] = bad
    parameters[2].grad = mg.Tensor(spoiled)
    before = [p.grad for p in parameters]
    message = f"clip_grad_norm: the norm is {name}, from the gradients of parameters of shape [(2, 1, 2)]: look at"
    with pytest.raises(FloatingPointError, match=re.escape(message)):
        clip_grad_norm(parameters, 1.0)
    assert not math.isfinite(clip_grad_norm(parameters, 1.0, error_if_nonfinite=False))
    assert all(p.grad is g for p, g in zip(parameters, before, strict=True))


def test_values_are_cut_entry_by_entry():
    (p,) = parameters_of([np.zeros(5, np.float32)])
    give([p], [np.array([-3, -0.5, 0.25, np.inf, np.nan], np.float32)])
    before = p.grad
    clip_grad_value(p, 0.5)
    np.testing.assert_array_equal(p.grad.data, [-0.5, -0.5, 0.25, 0.5, np.nan])
    assert p.grad.dtype == np.float32
    assert before.tolist()[0] == -3


# --- Penalties ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtypes", [(np.float64,), (np.float32,), (np.float32, np.float64)], ids=["64", "32", "mixed"])
@pytest.mark.parametrize(
    ("penalty", "value", "slope"),
    [(l1_penalty, np.abs, np.sign), (l2_penalty, lambda a: a * a / 2, lambda a: a)],
    ids=["l1", "l2"],
)
def test_value_and_gradient(penalty, value, slope, dtypes):
    parameters = with_gradients(dtypes)
    for p in parameters:
        p.grad = None
    parameters[0].data[0, 0] = 0  # a kink of |p|
    total = penalty(iter(parameters), 0.3)
    assert total.item() == pytest.approx(0.3 * sum(value(p.numpy()).sum() for p in parameters), rel=1e-6)
    total.backward()
    for p in parameters:
        np.testing.assert_allclose(p.grad.data, 0.3 * slope(p.data), rtol=1e-6)
        assert p.grad.dtype == p.dtype


X, Y = on_device(np.random.default_rng(1).normal(size=(12, 3)).astype(np.float32)), np.arange(12) % 2


def trained(make, lam=0.0, sample_weight=None, reduction="mean", **settings):
    model = nn.Linear(3, 2, rng=0)
    optimizer = make(model.parameters(), lr=0.1, **settings)
    for _ in range(10):
        optimizer.zero_grad()
        loss = mg.losses.cross_entropy(model(X), Y, sample_weight=sample_weight, reduction=reduction)
        (loss + l2_penalty(model.parameters(), lam)).backward()
        optimizer.step()
    return np.concatenate([p.numpy().ravel() for p in model.parameters()])


@pytest.mark.parametrize(
    ("make", "equal"),
    [(SGD, True), (Adam, True), (RMSprop, True), (AdamW, False)],
    ids=lambda v: getattr(v, "__name__", v),
)
def test_the_l2_penalty_is_weight_decay_unless_that_is_decoupled(make, equal):
    difference = abs(trained(make, lam=0.5, weight_decay=0.0) - trained(make, weight_decay=0.5)).max()
    assert difference < 1e-5 if equal else difference > 0.01


@pytest.mark.parametrize(("reduction", "same"), [("mean", False), ("sum", False), ("weighted_mean", True)])
def test_penalties_do_not_scale_with_the_weights(reduction, same):
    """Doubling all weights is another problem, except where the reduction divides by them."""
    w = np.linspace(0.5, 1.5, 12, dtype=np.float32)
    once, twice = (trained(SGD, 0.5, k * w, reduction) for k in (1, 2))
    assert abs(once - twice).max() < 1e-6 if same else abs(once - twice).max() > 0.01


# --- Mistakes ----------------------------------------------------------------------------------------------------

W = nn.Parameter(np.ones(2))
CALLS = {
    "clip_grad_norm": lambda p: clip_grad_norm(p, 1.0),
    "clip_grad_value": lambda p: clip_grad_value(p, 1.0),
    "l1_penalty": lambda p: l1_penalty(p, 1.0),
    "l2_penalty": lambda p: l2_penalty(p, 1.0),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_parameter(name):
    used = nn.Linear(2, 2).parameters()
    list(used)
    empty = f"{name} got no parameters: pass model.parameters(), anew each time, for a generator is empty after one use"
    for parameters, error, message in [
        (used, ValueError, empty),
        ([], ValueError, empty),
        (nn.Linear(2, 2), TypeError, f"{name} takes Tensors, e.g. model.parameters(); got Linear"),
        ([W, np.ones(2)], TypeError, f"{name} takes Tensors, e.g. model.parameters(); got array"),
        (
            nn.Linear(2, 2).named_parameters(),
            TypeError,
            f"{name} takes Tensors, e.g. model.parameters(); got ('weight'",
        ),
    ]:
        with pytest.raises(error, match=re.escape(message)):
            CALLS[name](parameters)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clip_grad_norm([W], 0), "clip_grad_norm: max_norm must be positive, got 0; math.inf only measures"),
        (lambda: clip_grad_norm([W], np.nan), "clip_grad_norm: max_norm must be positive, got nan"),
        (lambda: clip_grad_value([W], -1), "clip_grad_value: value must be positive, got -1"),
        (lambda: clip_grad_value([W], np.nan), "clip_grad_value: value must be positive, got nan"),
        (lambda: l1_penalty([W], -1), "l1_penalty: lam must be finite and not negative, got -1"),
        (lambda: l2_penalty([W], np.inf), "l2_penalty: lam must be finite and not negative, got inf"),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
