"""Tensor: making, reading, copying; operators and methods; what is refused, in which words."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigrad as mg
from tests import devices
from tests.devices import on_device

# --- Making

DTYPES = {
    "float": (1.5, np.float32),
    "floats": ([[1.0, 2.0]], np.float32),
    "ints": ([1, 2], np.int64),
    "bools": ([True], np.bool_),
    "mixed": ([1, 2.5], np.float32),
    "float64 array": (np.ones(2), np.float64),
    "float32 array": (np.ones(2, np.float32), np.float32),
    "list of float64 arrays": ([np.ones(2), np.ones(2)], np.float64),
    "float64 number": (np.float64(1), np.float64),
    "empty list": ([], np.float32),
    "int8 array": (np.ones(2, np.int8), np.int8),
}


@pytest.mark.parametrize(("data", "dtype"), DTYPES.values(), ids=DTYPES)
def test_dtypes(data, dtype):
    assert mg.tensor(data).dtype == dtype
    assert mg.tensor(data, dtype=np.float64).dtype == np.float64


def test_tensor_copies_and_the_constructor_does_not():
    a = on_device(np.ones(2))
    copied, shared = mg.tensor(a), mg.Tensor(a)
    a[0] = 7
    assert copied.tolist() == [1, 1]
    assert shared.tolist() == [7, 1]
    assert not np.shares_memory(mg.tensor(shared).data, a)


BAD_DATA = {
    "text": (["a", "b"], "dtype <U1: check for strings"),
    "objects": (np.array([object()]), "dtype object"),
    "None": ([None, 1.0], "dtype object"),
    "Tensors": ([mg.ones(2), mg.ones(2)], r"list of Tensors: join them with np\.stack"),
    "Tensors, nested": ([[mg.ones(())]], "list of Tensors"),
}


@pytest.mark.parametrize(("data", "message"), BAD_DATA.values(), ids=BAD_DATA)
def test_data_that_are_no_numbers(data, message):
    with pytest.raises(TypeError, match=message):
        mg.tensor(data)


def test_ragged_lists():
    with pytest.raises(ValueError, match=r"not one array; check for rows of different lengths \(.*inhomogeneous"):
        mg.tensor([[1.0, 2.0], [3.0]])


@pytest.mark.parametrize("data", [[1, 2], [True, False]])
def test_only_floats_can_require_grad(data):
    message = r"only floating-point Tensors can require grad, this one is (int64|bool): .*astype\(np\.float32\)"
    with pytest.raises(TypeError, match=message):
        mg.tensor(data, requires_grad=True)
    t = mg.tensor(data)
    with pytest.raises(TypeError, match=message):
        t.requires_grad = True


def test_requires_grad_can_be_set_on_leaves():
    x = mg.tensor([1.0])
    x.requires_grad = True
    y = x * 2
    assert y.requires_grad
    x.requires_grad = False
    assert not (x * 2).requires_grad
    with pytest.raises(ValueError, match=r"on leaves only; this Tensor is the result of multiply.*detach\(\)"):
        y.requires_grad = False


MADE = {
    "zeros": (lambda: mg.zeros(2, 3), np.zeros((2, 3), np.float32)),
    "zeros, tuple": (lambda: mg.zeros((2, 3), dtype=np.int64), np.zeros((2, 3), np.int64)),
    "ones": (lambda: mg.ones([2]), np.ones(2, np.float32)),
    "ones, 0-d": (lambda: mg.ones(()), np.ones((), np.float32)),
    "full": (lambda: mg.full((2,), 1.5), np.full(2, 1.5, np.float32)),
    "full, int": (lambda: mg.full(2, 3), np.full(2, 3)),
    "arange": (lambda: mg.arange(1, 7, 2), np.arange(1, 7, 2)),
    "arange, floats": (lambda: mg.arange(0.0, 1.0, 0.5), np.array([0, 0.5], np.float32)),
    "eye": (lambda: mg.eye(2, 3), np.eye(2, 3, dtype=np.float32)),
}


@pytest.mark.parametrize(("make", "expected"), MADE.values(), ids=MADE)
def test_creation(make, expected):
    t = make()
    assert t.dtype == expected.dtype
    np.testing.assert_array_equal(t.data, expected, strict=True)
    assert t.device == devices.NAME


def test_creation_with_requires_grad():
    for t in (mg.zeros(2, requires_grad=True), mg.rand(2, requires_grad=True), mg.randn(2, 3, requires_grad=True)):
        assert t.requires_grad
        assert t.dtype == np.float32


def test_random_numbers_follow_the_seed():
    draws = []
    for _ in range(2):
        mg.manual_seed(3)
        draws.append((mg.rand(4).tolist(), mg.randn((2, 2)).tolist()))
    assert draws[0] == draws[1]
    assert all(0 <= u < 1 for u in draws[0][0])
    assert mg.randn().shape == ()


# --- Reading


def test_attributes():
    t = mg.tensor([[1.0, 2.0, 3.0]])
    assert (t.shape, t.ndim, t.size, t.dtype, t.device) == ((1, 3), 2, 3, np.float32, devices.NAME)
    assert t.grad is None
    assert t.is_leaf
    assert not t.requires_grad
    assert t.tolist() == [[1, 2, 3]]
    assert type(t.numpy()) is np.ndarray
    host = t.cpu()
    assert host.numpy() is host.data


def test_numbers():
    t = mg.tensor(2.5, requires_grad=True)
    assert (float(t), int(t), t.item(), f"{t:.2f}") == (2.5, 2, 2.5, "2.50")
    assert isinstance(t.item(), float)
    assert bool(t)
    assert not mg.tensor(0.0)
    assert [10, 20, 30][mg.tensor(1)] == 20
    assert f"{mg.tensor([1.0, 2.0], device='cpu')}" == "tensor([1., 2.])"
    for several in (float, int, bool):
        with pytest.raises(ValueError, match=r"size 1|ambiguous"):
            several(mg.tensor([1.0, 2.0]))


def test_len_and_iteration_keep_the_gradient():
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert len(x) == 2
    first, second = x
    assert mg.grad(np.sum(first * second), x).tolist() == [[3, 4], [1, 2]]
    assert len(list(mg.zeros(0, 3))) == 0
    with pytest.raises(TypeError, match=r"cannot iterate over a Tensor of shape \(\).*float\(t\)"):
        iter(mg.tensor(1.0))
    with pytest.raises(TypeError, match="len"):
        len(mg.tensor(1.0))


REPRS = {
    "tensor([1., 2.])": mg.tensor([1.0, 2.0], device="cpu"),
    "tensor([1, 2])": mg.tensor([1, 2], device="cpu"),
    "tensor(1., dtype=float64)": mg.tensor(np.float64(1), device="cpu"),
    "tensor([1.], requires_grad=True)": mg.tensor([1.0], device="cpu", requires_grad=True),
    "tensor([2.], made_by=add)": mg.tensor([1.0], device="cpu", requires_grad=True) + 1,
    "tensor([], dtype=int8)": mg.zeros(0, dtype=np.int8, device="cpu"),
}


@pytest.mark.parametrize(("text", "t"), REPRS.items(), ids=REPRS)
def test_repr(text, t):
    assert repr(t) == str(t) == text


def test_arrays_from_tensors():
    t = mg.tensor([1.0, 2.0], device="cpu")
    assert np.asarray(t) is t.data
    copied = np.array(t)
    copied[0] = 7
    assert t.tolist() == [1, 2]
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    with pytest.raises(TypeError, match=r"without losing its gradient.*a\[i\] = t.*np\.stack.*t\.detach\(\)"):
        np.asarray(mg.tensor([1.0], requires_grad=True))


def test_detach_shares_memory_and_leaves_the_graph():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = (x * 2).detach()
    assert not y.requires_grad
    assert y.is_leaf
    assert x.detach().data is x.data


def test_devices():
    x = mg.tensor([1.0], requires_grad=True)
    assert x.to("cpu").device == x.cpu().device == "cpu"
    assert mg.grad(np.sum(x.to("cpu") * 3), x).tolist() == [3]
    with pytest.raises(ValueError, match="unknown device 'gpu': expected 'cpu', 'cuda'"):
        x.to("gpu")


# --- Copies


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_leaves_can_be_copied_and_pickled(again):
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = again(x)
    assert type(y) is mg.Tensor
    assert y.requires_grad
    assert y.tolist() == x.tolist()
    if again is not copy.copy:
        assert not np.shares_memory(x.data, y.data)
    with pytest.raises(TypeError, match=r"only leaves can be copied or pickled.*result of multiply.*detach\(\)"):
        again(x * 2)


# --- Assignment


def test_item_assignment_is_refused_with_the_alternative():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"cannot be assigned into.*t = np\.where\(mask, v, t\).*\.data"):
        x[0] = 3.0


def test_a_tensor_written_into_an_array():
    x, a = mg.tensor([1.0, 2.0], requires_grad=True), np.zeros((2, 2))
    with pytest.raises(TypeError, match=r"a\[i\] = t.*np\.concatenate"):
        a[0] = x
    a[0] = x.detach()
    assert a[0].tolist() == [1, 2]


# --- Operators and methods are NumPy's functions

X = np.array([[1.5, -2.0, 3.0], [0.5, 4.0, -1.0]])
V = np.array([2.0, 3.0, 0.5])
OPERATORS = {
    "+": lambda x, v: (x + v, v + x, x + 1, 1 + x),
    "-": lambda x, v: (x - v, v - x, 1 - x, -x, +x, abs(x)),
    "*": lambda x, v: (x * v, v * x, 2 * x, np.float64(2) * x),
    "/": lambda x, v: (x / v, v / x, 1 / x),
    "**": lambda x, v: (x**2, abs(x) ** v, v**x, 2**x),
    "@": lambda x, v: (x @ v, v @ x.T, x @ x.T),
    "% and //": lambda x, v: (x % 2, 7 % x, x // 2, 7 // x),
    "comparisons": lambda x, v: (x < 1, x <= 1.5, x > v, x >= 0.5, x == 4, x != 4),
    "bits": lambda x, v: ((x > 0) & (x < 2), (x > 0) | (x < 2), (x > 0) ^ (x < 2), ~(x > 0)),
    "sum": lambda x, v: (x.sum(), x.sum(0), x.sum(axis=1, keepdims=True), x.sum(dtype=np.float64)),
    "mean": lambda x, v: (x.mean(), x.mean(0), x.mean(1, keepdims=True)),
    "extremes": lambda x, v: (x.max(), x.min(0), x.max(1, keepdims=True), x.argmax(), x.argmin(1), x.argsort()),
    "products": lambda x, v: (x.prod(), x.prod(1), x.cumsum(), x.cumprod(1), x.dot(v), x.trace(), x.diagonal(1)),
    "spread": lambda x, v: (x.var(), x.std(0), x.var(1, ddof=1), x.std(axis=1, ddof=1, keepdims=True)),
    "shape": lambda x, v: (x.reshape(3, 2), x.reshape((3, 2)), x.reshape(-1), x.ravel(), x.flatten()),
    "axes": lambda x, v: (x.T, x.mT, x.transpose(), x.transpose(1, 0), x.transpose((1, 0)), x.swapaxes(0, 1)),
    "entries": lambda x, v: (x.clip(-1, 1), x.clip(max=1), x.take([0, 2], 1), x.repeat(2, 0), x.round()),
    "index": lambda x, v: (x[0], x[:, ::2], x[None].squeeze()),
    "logic": lambda x, v: (x.any(), x.all(0), x.nonzero()[0]),
}  # fmt: skip


@pytest.mark.parametrize("f", OPERATORS.values(), ids=OPERATORS)
@pytest.mark.parametrize("requires_grad", [False, True])
def test_operators_and_methods_are_numpys(f, requires_grad):
    with np.errstate(invalid="ignore"):
        for actual, expected in zip(f(mg.tensor(X, requires_grad=requires_grad), on_device(V)), f(X, V), strict=True):
            data = actual.data if isinstance(actual, mg.Tensor) else actual
            np.testing.assert_allclose(data, expected, rtol=1e-14)
            assert data.dtype == expected.dtype


def test_comparisons_are_plain_bool_arrays():
    x = mg.tensor(X, requires_grad=True)
    for mask in (x > 0, x == x, np.isnan(x)):
        assert type(mask) is devices.ARRAY
        assert mask.dtype == np.bool_


def test_tensors_are_hashed_by_identity():
    a, b = mg.tensor([1.0]), mg.tensor([1.0])
    assert len({a, b, a}) == 2


def test_integer_tensors_compute():
    t = mg.tensor([1, 2, 3])
    assert (t * 2).dtype == np.int64
    assert np.sum(t).item() == 6
    assert np.mean(t).dtype == np.float64
    assert t.prod().item() == 6


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_two_shapes_that_broadcast(data):
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
    a, b = (mg.tensor(np.full(s, 2.0), requires_grad=True) for s in shapes.input_shapes)
    y = a * b + b
    assert y.shape == shapes.result_shape
    ga, gb = mg.grad(y, (a, b), np.ones(y.shape))
    assert (ga.shape, gb.shape) == (a.shape, b.shape)
    np.testing.assert_allclose(ga.data, 2.0 * y.size / max(a.size, 1))  # each entry went into equally many results
    np.testing.assert_allclose(gb.data, 3.0 * y.size / max(b.size, 1))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_axes_can_be_reduced(data):
    shape = data.draw(hnp.array_shapes(max_dims=4, max_side=3))
    axis = data.draw(st.none() | hnp.valid_tuple_axes(len(shape)))
    keepdims = data.draw(st.booleans())
    x = mg.tensor(np.arange(1.0, np.prod(shape) + 1).reshape(shape), requires_grad=True)
    for f in (np.sum, np.mean, np.max, np.prod, np.var, np.linalg.norm) if axis is None else (np.sum, np.mean, np.max):
        y = f(x) if f is np.linalg.norm else f(x, axis=axis, keepdims=keepdims)
        assert y.shape == (() if f is np.linalg.norm else f(x.data, axis=axis, keepdims=keepdims).shape)
        c = on_device(np.arange(1.0, y.size + 1).reshape(y.shape))
        g = mg.grad(y, x, c)
        assert g.shape == shape
        if f in (np.sum, np.mean, np.max):  # homogeneous of degree one: sum(x * dy/dx) = y (Euler)
            np.testing.assert_allclose(np.sum(g * x).item(), np.sum(c * y.data), rtol=1e-12)
