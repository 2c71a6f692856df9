"""Backward passes: accumulation, depth, memory, and derivatives of any order."""

import gc
import sys
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad.graph import RULES
from tests.devices import on_device


def leaf(x, dtype=np.float64):
    return mg.tensor(np.asarray(x, dtype), requires_grad=True)


@pytest.fixture
def counted(monkeypatch):
    """How often the vjps of +, * and sin were called."""
    calls = []
    for function in (np.add, np.multiply, np.sin):
        rule = RULES[function]
        watch = [lambda *a, vjp=vjp, name=rule.name: (calls.append(name), vjp(*a))[1] for vjp in rule.vjps]
        monkeypatch.setattr(rule, "vjps", tuple(watch))
    return calls


# --- backward()


def test_the_textbook_example():
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = x + 2
    z = y * y * 3
    z.backward(mg.ones((2, 2)))
    assert x.grad.tolist() == [[18, 24], [30, 36]]
    assert x.grad.dtype == np.float32
    assert y.grad is None


def test_gradients_accumulate_and_a_second_backward_adds_exactly_once_more():
    x = leaf([1.0, 2.0])
    y = x * x
    loss = np.sum(y * 3)
    for times in (1, 2, 3):
        loss.backward()
        assert x.grad.tolist() == [6 * times, 12 * times]
    np.sum(x).backward()
    assert x.grad.tolist() == [19, 37]
    x.grad = None
    np.sum(x).backward()
    assert x.grad.tolist() == [1, 1]


def test_backward_of_a_leaf_and_of_one_entry():
    x = leaf(2.0)
    x.backward()
    assert x.grad.item() == 1
    y = leaf([[3.0]])
    (y * y).backward()
    assert y.grad.tolist() == [[6]]


@pytest.mark.parametrize(
    "gradient", [[1.0, 10.0], np.array([1, 10]), mg.tensor([1.0, 10.0])], ids=["list", "int", "Tensor"]
)
def test_the_starting_gradient_may_be_anything_of_the_right_shape(gradient):
    x = leaf([1.0, 2.0])
    (x * x).backward(gradient)
    assert x.grad.tolist() == [2, 40]
    assert x.grad.dtype == np.float64


def test_errors_of_backward():
    x = leaf([1.0, 2.0])
    with pytest.raises(
        ValueError, match=r"needs a scalar, this Tensor has shape \(2,\).*backward\(mg\.ones\(\(2,\)\)\)"
    ):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"the gradient has shape \(3,\), the Tensor that it belongs to \(2,\)"):
        (x * 2).backward(np.ones(3))
    for without in (mg.tensor(1.0), np.sum(mg.ones(3) * 2), np.sum(x.detach())):
        with pytest.raises(RuntimeError, match=r"has no graph.*requires_grad=True.*mg.no_grad"):
            without.backward()


def test_a_frozen_leaf_gets_nothing():
    x, w = leaf(2.0), leaf(3.0)
    w.requires_grad = False
    (x * w).backward()
    assert x.grad.item() == 3
    assert w.grad is None


# --- Each node once, at any depth and width


@pytest.mark.parametrize("n", [1000, 10_000])
def test_a_long_chain_takes_one_vjp_per_op(counted, n):
    x = leaf(1.0)
    y = x
    for _ in range(n):
        y = y + 1.0
    y.backward()
    assert x.grad.item() == 1
    assert len(counted) == n
    assert sys.getrecursionlimit() < 10_000
    del y  # freeing it does not recurse either


@pytest.mark.parametrize("n", [1000, 10_000])
def test_a_wide_fan_in_takes_one_vjp_per_use(counted, n):
    x = leaf([1.0, 2.0])
    total = x * 0.0
    for _ in range(n):
        total = total + x
    np.sum(total).backward()
    assert x.grad.tolist() == [n, n]
    assert len(counted) == 2 * n + 1  # two per addition, one for the product


def test_shared_nodes_are_visited_once(counted):
    """A recursion without memory would take 2**40 steps here."""
    x = leaf(1.0)
    y = x
    for _ in range(40):
        y = y + y
    y.backward()
    assert x.grad.item() == 2**40
    assert len(counted) == 80


def test_branches_that_lead_nowhere_are_not_walked(counted):
    x, other = leaf(1.0), leaf(1.0)
    deep = other
    for _ in range(50):
        deep = np.sin(deep)
    assert mg.grad(x * 3.0 + deep, x).item() == 3
    assert "sin" not in counted


def test_many_joined_tensors():
    parts = [leaf([float(i)]) for i in range(2000)]
    np.sum(np.concatenate(parts) * mg.arange(2000)).backward()
    assert [p.grad.item() for p in parts] == list(range(2000))


def test_a_deep_chain_to_second_order():
    x = leaf(0.5)
    y = x
    for _ in range(2000):
        y = y * 1.0 + 0.0
    d = mg.grad(y * y, x, create_graph=True)
    assert mg.grad(d, x).item() == 2


# --- Memory


def graph_and_references(backward):
    x = leaf(np.ones(1000))
    a = np.sin(x)
    b = a * a
    loss = np.sum(np.exp(b))
    references = [weakref.ref(t.data) for t in (a, b)]
    backward(loss, x)
    return x, loss, references


BACKWARD = {
    "forward only": lambda _loss, _x: None,
    "backward": lambda loss, _x: loss.backward(),
    "grad": mg.grad,
    "grad of grad": lambda loss, x: mg.grad(np.sum(mg.grad(loss, x, create_graph=True) ** 2), x),
    "backward with graph": lambda loss, x: (loss.backward(create_graph=True), setattr(x, "grad", None)),
}


@pytest.mark.parametrize("backward", BACKWARD.values(), ids=BACKWARD)
def test_dropping_the_loss_frees_its_memory_without_the_garbage_collector(backward):
    gc.collect()
    gc.disable()
    try:
        x, loss, references = graph_and_references(backward)
        assert any(r() is not None for r in references)
        del loss
        assert [r() for r in references] == [None] * len(references)
        assert x.is_leaf
    finally:
        gc.enable()


def test_a_long_graph_is_freed_as_it_goes_out_of_scope():
    gc.disable()
    try:
        x = leaf(np.ones(10))
        y = x
        first = weakref.ref((y := np.sin(y)).data)
        for _ in range(50_000):
            y = np.sin(y)
        assert first() is not None
        del y
        assert first() is None
    finally:
        gc.enable()


def test_gradients_share_no_memory():
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    seed = np.ones(2)
    y = a + b
    y.backward(seed)
    a.grad.data *= 100
    assert b.grad.tolist() == [1, 1]
    assert seed.tolist() == [1, 1]
    y.backward(seed)
    assert a.grad.tolist() == [101, 101]
    assert b.grad.tolist() == [2, 2]


SHARING = {
    "same": lambda a, b: a + b,
    "views": lambda a, b: np.concatenate([a.reshape(2, 1), b.reshape(2, 1)])[::-1],
    "broadcast": lambda a, b: np.sum(a) + np.sum(b),
    "copies": lambda a, b: np.copy(a) + np.positive(b),
    "transposed": lambda a, b: a.T + b.T,
}


@pytest.mark.parametrize("f", SHARING.values(), ids=SHARING)
@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_can_be_changed_in_place(f, create_graph):
    """As gradient clipping does."""
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = f(a, b)
    seed = np.ones(y.shape)
    y.backward(seed, create_graph=create_graph)
    a.grad.data[:] = 7  # also: it is writable
    assert b.grad.tolist() == [1, 1]
    assert seed.min() == 1
    assert a.tolist() == [1, 2]


def test_a_gradient_given_to_backward_is_not_kept():
    x, seed = leaf([1.0, 2.0]), np.ones(2)
    x.backward(seed)
    seed[0] = 50
    assert x.grad.tolist() == [1, 1]


# --- grad()


def test_grad_gives_one_for_one_and_a_tuple_for_a_sequence():
    x, y = leaf(2.0), leaf(3.0)
    z = x * y
    assert mg.grad(z, x).item() == 3
    assert mg.grad(z, [x]).__class__ is tuple
    assert [g.item() for g in mg.grad(z, (x, y))] == [3, 2]
    assert [g.item() for g in mg.grad([z, x * 5], [x, y])] == [8, 2]
    assert [g.item() for g in mg.grad([z, z], [x, y], [1.0, 10.0])] == [33, 22]
    assert x.grad is None


def test_grad_with_respect_to_results_in_between():
    x = leaf([1.0, 2.0])
    y = np.sin(x)
    z = np.sum(y * y)
    gy, gx, gz = mg.grad(z, (y, x, z))
    np.testing.assert_allclose(gy.data, 2 * y.data)
    np.testing.assert_allclose(gx.data, 2 * y.data * np.cos(x.data))
    assert gz.item() == 1
    assert mg.grad(x, x, np.ones(2)).tolist() == [1, 1]


def test_grad_of_what_is_not_used_is_zero():
    x, unused = leaf([1.0, 2.0]), leaf(np.ones((2, 3), np.float32), np.float32)
    gx, gu = mg.grad(np.sum(x), (x, unused))
    assert gx.tolist() == [1, 1]
    np.testing.assert_array_equal(gu.data, np.zeros((2, 3), np.float32), strict=True)
    assert mg.grad(mg.tensor(3.0), x).tolist() == [0, 0]  # an output without a graph


def test_errors_of_grad():
    x = leaf([1.0, 2.0])
    for wrong in (mg.tensor([1.0]), np.ones(2)):
        with pytest.raises(ValueError, match=r"grad: input 1 does not require grad.*requires_grad=True"):
            mg.grad(np.sum(x), [x, wrong])
    with pytest.raises(ValueError, match="needs a scalar"):
        mg.grad(x * 2, x)
    with pytest.raises(ValueError, match="zip"):
        mg.grad([np.sum(x)], x, [1.0, 2.0])


def test_higher_derivatives_through_backward():
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    first = x.grad
    x.grad = None
    first.backward()
    assert x.grad.item() == 12
    x.grad = None
    (x**2).backward(create_graph=True)
    (x**2).backward(create_graph=True)
    assert x.grad.item() == 8
    assert mg.grad(x.grad, x).item() == 4


def test_only_create_graph_records():
    x = leaf(2.0)
    assert not mg.grad(x**3, x).requires_grad
    assert mg.grad(x**3, x, create_graph=True).requires_grad


def test_mixed_dtypes_come_back_in_the_dtype_of_their_input():
    single, double = leaf([1.0, 2.0], np.float32), leaf([3.0, 4.0])
    gs, gd = mg.grad(np.sum(single * double), (single, double))
    assert (gs.dtype, gd.dtype) == (np.float32, np.float64)
    loss = np.sum(single * 2.0)
    assert loss.dtype == np.float32


# --- Jacobians and Hessians against closed forms

A = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]])
S = np.array([[2.0, 1.0], [1.0, 3.0]])
JACOBIANS = {
    "linear": (lambda x: A @ x, [1.0, 2.0, 3.0], A),
    "entry by entry": (lambda x: x**2, [1.0, 3.0], np.diag([2.0, 6.0])),
    "of a number": (lambda x: x * np.array([1.0, 2.0]), 3.0, [1.0, 2.0]),
    "to a number": (lambda x: np.sum(x * x), [1.0, 2.0], [2.0, 4.0]),
    "number to number": (lambda x: x**3, 2.0, 12.0),
    "matrix to matrix": (lambda x: x.T, np.ones((2, 3)), np.eye(6).reshape(2, 3, 2, 3).transpose(1, 0, 2, 3)),
    "constant": (lambda _x: mg.ones(2), [1.0], [[0.0], [0.0]]),
    "empty": (lambda x: x[:0], [1.0, 2.0], np.zeros((0, 2))),
}


@pytest.mark.parametrize(("f", "x", "expected"), JACOBIANS.values(), ids=JACOBIANS)
def test_jacobian(f, x, expected):
    jacobian = mg.jacobian(f, np.array(x))
    np.testing.assert_allclose(jacobian.data, expected)
    assert jacobian.shape == np.shape(expected)


HESSIANS = {
    "quadratic form": (lambda x: 0.5 * x @ on_device(S) @ x, [1.0, 2.0], S),
    "number": (lambda x: x**3, 2.0, 12.0),
    "matrix": (lambda x: np.sum(x**3), [[1.0, 2.0]], np.diag([6.0, 12.0]).reshape(1, 2, 1, 2)),
    "linear": (np.sum, [1.0, 2.0], np.zeros((2, 2))),
    "product": (lambda x: np.prod(x), [2.0, 0.0, 3.0], [[0, 3, 0], [3, 0, 2], [0, 2, 0]]),
    "of shape (1,)": (lambda x: (x**2).sum(keepdims=True), [1.0, 2.0], 2 * np.eye(2)),
}


@pytest.mark.parametrize(("f", "x", "expected"), HESSIANS.values(), ids=HESSIANS)
def test_hessian_and_hvp(f, x, expected):
    x = leaf(x)
    hessian = mg.hessian(f, x)
    np.testing.assert_allclose(hessian.data, expected)
    assert x.grad is None
    v = np.random.default_rng(0).normal(size=x.shape)
    np.testing.assert_allclose(mg.hvp(f, x, v).data, np.tensordot(expected, v, axes=x.ndim), atol=1e-12)


def test_errors_of_jacobian_and_hessian():
    for derivative in (mg.jacobian, mg.hessian):
        with pytest.raises(TypeError, match="must return a Tensor computed from its argument, it returned a float"):
            derivative(lambda _x: 3.0, [1.0])
    for derivative in (mg.hessian, lambda f, x: mg.hvp(f, x, x)):
        with pytest.raises(ValueError, match=r"need a scalar function, this one returned shape \(2,\).*mg\.jacobian"):
            derivative(lambda x: x * x, [1.0, 2.0])
    with pytest.raises(TypeError, match="only floating-point Tensors"):
        mg.jacobian(lambda x: x, [1, 2])
