"""The edges: where a formula divides by zero, where arguments tie, what NumPy allows and what is refused."""

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from tests.devices import on_device
from tests.rules.test_rules import close, leaves, slopes

NAN, INF = np.nan, np.inf


def derivatives(f, *values):
    """The first derivatives, added up over the outputs, and the derivatives of their sum."""
    inputs = leaves([np.array(v, float) for v in values])
    with np.errstate(all="ignore"):  # the caller's own 1 / 0 in the untaken branch; what follows must be silent
        y = f(*inputs)
    first = mg.grad(y, inputs, np.ones(y.shape), create_graph=True)
    second = mg.grad(np.sum(np.stack([np.sum(g) for g in first])), inputs)
    return [g.numpy() for g in first], [g.numpy() for g in second]


def check(f, values, first, second=None):
    got_first, got_second = derivatives(f, *values)
    close(got_first, [np.array(v, float) for v in first], rtol=1e-12)
    if second is not None:
        close(got_second, [np.array(v, float) for v in second], rtol=1e-12)


# --- Where a formula would divide by zero or subtract infinities: (f, x, f', sum of f'')

AT = {
    "prod, no zero": (np.prod, [2, 3, 4], [12, 8, 6], [7, 6, 5]),
    "prod, one zero": (np.prod, [2, 0, 4], [0, 8, 0], [4, 6, 2]),
    "prod, two zeros": (np.prod, [2, 0, 0], [0, 0, 0], [0, 2, 2]),
    "prod, three zeros": (np.prod, [0, 0, 0], [0, 0, 0], [0, 0, 0]),
    "prod, rows": (lambda x: np.prod(x, 1), [[0, 3], [0, 0]], [[3, 0], [0, 0]], [[1, 1], [1, 1]]),
    "prod, both axes": (lambda x: np.prod(x, (0, 1)), [[0, 3], [1, 2]], [[6, 0], [0, 0]], [[11, 2], [6, 3]]),
    "prod of tiny": (np.prod, [1e-200, 1e-200], [1e-200, 1e-200], [1, 1]),
    "cumprod, one zero": (np.cumprod, [2, 0, 4], [1, 10, 0], [5, 7, 2]),
    "cumprod, two zeros": (np.cumprod, [0, 0, 3], [1, 0, 0], [4, 4, 0]),
    "cumprod, first": (lambda x: np.cumprod(x, 0), [[0, 1], [2, 0]], [[3, 1], [0, 1]], [[1, 1], [1, 1]]),
    "x ** 0": (lambda x: x**0, [0, 2, -1], [0, 0, 0], [0, 0, 0]),
    "x ** 1": (lambda x: x**1, [0, 2, -1], [1, 1, 1], [0, 0, 0]),
    "x ** 2": (lambda x: x**2, [0, 2, -1], [0, 4, -2], [2, 2, 2]),
    "x ** 3": (lambda x: x**3, [0, 2, -1], [0, 12, 3], [0, 12, -6]),
    "x ** array": (lambda x: x ** on_device(np.array([0, 1, 2, 3.0])), [0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 2, 0]),
    "x ** list": (lambda x: x ** [1.0, 2.0], [2, 3], [1, 6], [0, 2]),
    "negative ** 2.0": (lambda x: x ** np.float64(2), [-3, 0], [-6, 0], [2, 2]),
    "0 ** b": (lambda b: np.power(0.0, b), [2, 3], [0, 0], [0, 0]),
    "absolute": (np.absolute, [-2, 0, 3], [-1, 0, 1], [0, 0, 0]),
    "hypot": (lambda x: np.hypot(x, 0 * x), [0, 3], [0, 1], None),
    "arctan2": (lambda x: np.arctan2(x, 0 * x), [0, 3], [0, 0], None),
    "std of a constant": (np.std, [2, 2, 2], [0, 0, 0], [0, 0, 0]),
    "var of a constant": (np.var, [2, 2, 2], [0, 0, 0], [0, 0, 0]),
    "std, one row constant": (lambda x: np.std(x, axis=1), [[1, 1], [0, 2]], [[0, 0], [-0.5, 0.5]], np.zeros((2, 2))),
    "maximum, tie": (lambda x: np.maximum(x, 1.0), [0, 1, 2], [0, 0.5, 1], [0, 0, 0]),
    "max, ties": (np.max, [3, 1, 3], [0.5, 0, 0.5], [0, 0, 0]),
    "min, ties": (np.min, [1, 1, 1], [1 / 3] * 3, [0, 0, 0]),
    "max, ties in rows": (lambda x: np.max(x, 1), [[1, 1], [2, 1]], [[0.5, 0.5], [1, 0]], np.zeros((2, 2))),
    "max with nan": (np.max, [NAN, 1], [0, 0], [0, 0]),
    "relu": (F.relu, [-1, 0, 2], [0, 0, 1], [0, 0, 0]),
    "sort, ties": (lambda x: np.sort(x) * on_device(np.array([1, 2, 4])), [5, 1, 5], [2, 1, 4], [0, 0, 0]),
    "clip at the bounds": (lambda x: np.clip(x, -1, 1), [-2, -1, 0, 1, 2], [0, 1, 1, 1, 0], [0] * 5),
    "clip, low > high": (lambda x: np.clip(x, 1, -1), [-2, 0, 2], [0, 0, 0], [0, 0, 0]),
    "clip, no bounds": (lambda x: np.clip(x, None, INF), [-2, 0], [1, 1], [0, 0]),
    "sigmoid": (F.sigmoid, [-INF, 0, INF], [0, 0.25, 0], [0, 0, 0]),
    "softplus": (F.softplus, [-INF, 0, INF], [0, 0.5, 1], [0, 0.25, 0]),
    "det, rank 1": (np.linalg.det, [[1, 2], [2, 4]], [[4, -2], [-2, 1]], [[1, -1], [-1, 1]]),
    "det, rank 0": (np.linalg.det, np.zeros((2, 2)), np.zeros((2, 2)), [[1, -1], [-1, 1]]),
    "det, 1 by 1": (np.linalg.det, [[0]], [[1]], [[0]]),
    "det, rank 2 of 3": (np.linalg.det, np.diag([2, 0, 3]), np.diag([0, 6, 0]), None),
    "det, one of two": (np.linalg.det, [[[0, 1], [0, 1]], np.eye(2)], [[[1, 0], [-1, 0]], np.eye(2)], None),
}


@pytest.mark.parametrize(("f", "x", "first", "second"), AT.values(), ids=AT)
def test_at_the_edge(f, x, first, second):
    check(f, [x], [first], None if second is None else [second])


@pytest.mark.parametrize("ord", [None, 1, 2, 3, 1.5, 4, INF, -INF])
@pytest.mark.parametrize("axis", [None, 0])
def test_norm_at_zero_has_the_subgradient_of_least_length(ord, axis):
    check(lambda x: np.linalg.norm(x, ord, axis), [[0, 0, 0]], [[0, 0, 0]], [[0, 0, 0]])


def test_norm_of_rows_one_of_them_zero():
    check(lambda x: np.linalg.norm(x, axis=1), [[[0, 0], [3, 4]]], [[[0, 0], [0.6, 0.8]]])
    check(lambda x: np.linalg.norm(x, 3, axis=1), [[[0, 0], [0, 4]]], [[[0, 0], [0, 1]]])


@pytest.mark.parametrize("ord", ["fro", 1, -1, INF, -INF])
def test_matrix_norms_at_zero(ord):
    assert np.isfinite(derivatives(lambda x: np.linalg.norm(x, ord), np.zeros((2, 3)))[0]).all()
    with pytest.raises(TypeError, match=r"ord='nuc' over 2 axes has no derivative.*supported.*'fro'"):
        np.linalg.norm(mg.ones((2, 2)), "nuc")


PAIRS = {
    "maximum": (np.maximum, [1, 2, 3], [2, 2, 2], [0, 0.5, 1], [1, 0.5, 0]),
    "minimum": (np.minimum, [1, 2, 3], [2, 2, 2], [1, 0.5, 0], [0, 0.5, 1]),
    "fmax takes no nan": (np.fmax, [NAN, 2, NAN], [2, NAN, NAN], [0, 1, 0], [1, 0, 0]),
    "fmin takes no nan": (np.fmin, [NAN, 2], [2, NAN], [0, 1], [1, 0]),
    "infinities tie": (np.maximum, [INF, -INF], [INF, -INF], [0.5, 0.5], [0.5, 0.5]),
    "logaddexp": (np.logaddexp, [-INF, INF, -INF, 0], [-INF, INF, 0, INF], [0.5, 0.5, 0, 0], [0.5, 0.5, 1, 1]),
    "logaddexp2": (np.logaddexp2, [-INF, INF, -INF, 0], [-INF, INF, 0, INF], [0.5, 0.5, 0, 0], [0.5, 0.5, 1, 1]),
    "logaddexp far apart": (np.logaddexp, [1e4, 0], [0, -1e4], [1, 1], [0, 0]),
    "x ** b at 0": (np.power, [0, 0, 0, 4], [0, 1, 2, 0.5], [0, 1, 0, 0.25], [0, 0, 0, 2 * np.log(4)]),
    "clip, x on a bound": (lambda x, low: np.clip(x, low, None), [0, 1, 2], [1, 1, 1], [0, 1, 1], [1, 0, 0]),
    "clip, low > high": (lambda low, high: np.clip(0.0, low, high), [3], [2], [0], [1]),
    "one twice": (lambda a, b: a * a + b * a, [3], [5], [11], [3]),
}


@pytest.mark.parametrize(("f", "a", "b", "to_a", "to_b"), PAIRS.values(), ids=PAIRS)
def test_edges_of_two_arguments(f, a, b, to_a, to_b):
    check(f, [a, b], [to_a, to_b])


@pytest.mark.parametrize("f", [np.logaddexp, np.logaddexp2])
def test_logaddexp_of_equal_finite_arguments_keeps_its_curvature(f):
    d = derivatives(lambda x: f(x, 1.0), 1.0)[1][0]
    np.testing.assert_allclose(d, np.log(2) / 4 if f is np.logaddexp2 else 0.25, rtol=1e-12)


def test_square_root_of_zero_has_an_infinite_slope():
    for f in (np.sqrt, lambda x: x**0.5):
        x = mg.tensor(0.0, requires_grad=True)
        with np.errstate(divide="ignore"):
            assert mg.grad(f(x), x).item() == INF


# --- What is not selected gets no gradient, even where its own derivative is not finite

UNTAKEN = {
    "log": (lambda x: np.where(x > 0, np.log(x), 0), [0, -1, 2], [0, 0, 0.5], [0, 0, -0.25]),
    "sqrt": (lambda x: np.where(x > 0, np.sqrt(x), 0), [0, 4], [0, 0.25], [0, -1 / 32]),
    "power": (lambda x: np.where(x > 0, x**1.5, 0), [0, 4], [0, 3], [0, 3 / 8]),
    "nan": (lambda x: np.where(np.isnan(x), 0, x * x * x), [NAN, 2], [0, 12], [0, 12]),
    "1 / x": (lambda x: np.where(x == 0, x, 1 / x), [0, 2], [1, -0.25], [0, 0.25]),
    "both": (lambda x: np.where(x > 0, np.sqrt(x), x * x), [0, -3, 4], [0, -6, 0.25], [2, 2, -1 / 32]),
    "through a chain": (lambda x: np.where(x > 0, np.exp(np.log(x) * 2), 0), [0, 3], [0, 6], [0, 2]),
    "mask": (lambda x: np.log(x)[np.array([False, True])], [0, 2], [0, 0.5], [0, -0.25]),
    "index": (lambda x: np.log(x)[1], [0, 2], [0, 0.5], [0, -0.25]),
    "take": (lambda x: np.take(np.log(x), [1, 1]), [0, 2], [0, 1], [0, -0.5]),
    "clip": (lambda x: np.clip(1 / x, None, 3), [0, 2], [0, -0.25], [0, 0.25]),
    "minimum": (lambda x: np.minimum(1 / x, 3), [0, 2], [0, -0.25], [0, 0.25]),
    "maximum": (lambda x: np.maximum(np.log(x), -1), [0, 2], [0, 0.5], [0, -0.25]),
    "max": (lambda x: np.max(np.log(x)), [0, 2], [0, 0.5], [0, -0.25]),
    "max of power": (lambda x: np.max(x**1.5), [0, 4], [0, 3], [0, 3 / 8]),
    "relu": (lambda x: F.relu(np.log(x)), [0, 2], [0, 0.5], [0, -0.25]),
    # a zero that is the right value of g, and no selection, leaves the second derivative alone
    "zero g": (lambda x: np.where(x > -1, x * x * x, 0), [0, 1], [0, 3], [0, 6]),
    "zero g, product": (lambda x: np.where(x > -1, x * x, 0) * x, [0, 1], [0, 3], [0, 6]),
}


@pytest.mark.parametrize(("f", "x", "first", "second"), UNTAKEN.values(), ids=UNTAKEN)
def test_the_untaken_branch_gets_no_gradient(f, x, first, second):
    check(f, [x], [first], [second])


def test_a_nan_that_is_taken_is_not_hidden():
    x = mg.tensor(np.array([NAN, 1.0]), requires_grad=True)
    np.sum(np.where(x != 0, x * x, 0)).backward()
    assert np.isnan(x.grad.data).tolist() == [True, False]


# --- NumPy's ways of calling

X = np.arange(6.0).reshape(2, 3) + 1
SAME = {
    "sum, a=": (lambda x: np.sum(a=x), lambda x: np.sum(x)),
    "sum, a=, axis=": (lambda x: np.sum(a=x, axis=0, keepdims=True), lambda x: np.sum(x, 0, keepdims=True)),
    "sum, a=, dtype=": (lambda x: np.sum(a=x, axis=0, dtype=np.float64), lambda x: np.sum(x, 0)),
    "add.reduce": (lambda x: np.add.reduce(x), lambda x: np.sum(x, axis=0)),
    "add.reduce, axis": (lambda x: np.add.reduce(x, 1), lambda x: np.sum(x, axis=1)),
    "maximum.reduce": (lambda x: np.maximum.reduce(x, axis=None), np.max),
    "multiply.reduce": (lambda x: np.multiply.reduce(x, axis=1, keepdims=True), lambda x: np.prod(x, 1, keepdims=True)),
    "amax": (lambda x: np.amax(x, 0), lambda x: np.max(x, 0)),
    "concatenate": (lambda x: np.concatenate((x, x), axis=1), lambda x: np.hstack([x, x])),
    "dot method": (lambda x: x.dot(x.T), lambda x: x @ x.T),
    "matmul list": (lambda x: x @ [1.0, 2.0, 3.0], lambda x: x @ on_device(np.array([1.0, 2.0, 3.0]))),
    "list matmul": (lambda x: [1.0, 2.0] @ x, lambda x: on_device(np.array([1.0, 2.0])) @ x),
    "hypot list": (lambda x: np.hypot(x, [1, 2, 3]), lambda x: np.hypot(x, on_device(np.array([1, 2, 3])))),
    "concatenate list": (lambda x: np.concatenate([x, [[1.0, 2.0, 3.0]]]), lambda x: np.vstack([x, [1.0, 2.0, 3.0]])),
    "average list": (lambda x: np.average(x, 1, [1, 2, 1]), lambda x: (x[:, 0] + 2 * x[:, 1] + x[:, 2]) / 4),
    "Tensor index": (lambda x: x[mg.tensor([1, 1])], lambda x: x[[1, 1]]),
    "Tensor mask": (lambda x: x[mg.tensor(X > 2)], lambda x: x[X > 2]),
    "Tensor condition": (lambda x: np.where(mg.tensor(X > 2), x, 0), lambda x: np.where(X > 2, x, 0)),
    "dtype of a ufunc": (lambda x: np.multiply(x, 2, dtype=np.float64), lambda x: x * 2),
    "linear, by keyword": (lambda x: F.linear(x, weight=x, bias=None), lambda x: x @ x.T),
    "softmax, by keyword": (lambda x: F.softmax(x=x, axis=0), lambda x: F.softmax(x, 0)),
    "atleast_1d, many": (lambda x: np.atleast_1d(x, x[0, 0])[1], lambda x: x[:1, 0]),
    "atleast_2d, many": (lambda x: np.atleast_2d(x, x[0])[1], lambda x: x[:1]),
}


@pytest.mark.parametrize(("way", "same"), SAME.values(), ids=SAME)
def test_ways_of_calling(way, same):
    (x,) = leaves([X])
    y, expected = way(x), same(x)
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-14)
    c = np.arange(1.0, y.size + 1).reshape(y.shape)
    np.testing.assert_allclose(mg.grad(y, x, c).data, mg.grad(expected, x, c).data, rtol=1e-14)


@pytest.mark.parametrize("name", ["zeros_like", "ones_like", "argmax", "floor", "isnan", "sign", "round", "shape"])
def test_functions_without_a_derivative_return_plain_values(name):
    y = getattr(np, name)(mg.tensor(X, requires_grad=True))
    assert isinstance(y, mg.Tensor) == (name == "sign")  # the one that has a derivative, 0
    if name != "sign":
        np.testing.assert_array_equal(y, getattr(np, name)(X))


REFUSED = {
    "positional keepdims": (lambda x: np.sum(x, 0, None, None, True), "sum: at most 2 arguments by position.*got 5"),
    "positional order": (lambda x: np.reshape(x, (3, 2), "F"), "reshape: at most 2 arguments by position"),
    "order=": (lambda x: np.ravel(x, order="F"), r"ravel\(\.\.\., order=\) has no derivative here; it takes x"),
    "sum, where=": (lambda x: np.sum(x, where=X > 1), r"sum\(\.\.\., where=\).*it takes axis, keepdims, x"),
    "sum, out=": (lambda x: np.sum(x, 0, out=np.zeros(3)), r"sum\(\.\.\., out=\)"),
    "std, where=": (lambda x: np.std(x, where=X > 1), r"std\(\.\.\., where=\).*it takes a, axis, correction"),
    "clip, out=": (lambda x: np.clip(x, 0, 1, out=np.zeros((2, 3))), r"clip\(\.\.\., out=\)"),
    "ufunc, out=": (lambda x: np.exp(x, out=np.zeros((2, 3))), "np.exp.*out=.*writes into an existing array"),
    "ufunc, where=": (lambda x: np.exp(x, where=X > 1), "np.exp with where= has no derivative here; use np.where"),
    "max, initial=": (lambda x: np.max(x, initial=0), r"max\(\.\.\., initial=\)"),
    "pad, mode": (lambda x: np.pad(x, 1, mode="mean"), "np.pad with mode='mean' has no derivative.*reflect"),
    "einsum, lists": (lambda x: np.einsum(x, [0, 1]), "takes its subscripts as a string"),
    "text": (lambda x: x + "text", "add of shape .*text|add of shape .*loop"),
    **{
        f"np.{name}": (call, rf"no rule for np\.{name}.*mg\.rule\(np\.{name}, .*t\.numpy\(\)")
        for name, call in {
            "fft.fft": np.fft.fft, "median": np.median, "linalg.svd": np.linalg.svd, "nansum": np.nansum,
            "kron": lambda x: np.kron(x, x), "add.accumulate": np.add.accumulate, "ldexp": lambda x: np.ldexp(x, 2),
            "add.at": lambda x: np.add.at(np.zeros(3), [0], x[0, 0]),
            "subtract.outer": lambda x: np.subtract.outer(x, x),
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_with_the_reason(call, message):
    with pytest.raises(TypeError, match=message):
        call(mg.tensor(X, requires_grad=True))


WRONG = {
    "axis repeated": lambda f, x: f(x, axis=(0, 0)),
    "axis repeated, negative": lambda f, x: f(x, axis=(1, -1)),
    "no such axis": lambda f, x: f(x, axis=2),
}


@pytest.mark.parametrize("f", [np.sum, np.mean, np.max, np.prod, np.var, np.std, np.linalg.norm])
@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_wrong_axes_are_numpys_errors(f, call):
    with pytest.raises(ValueError, match=r"axis|axes"):
        call(f, mg.tensor(X, requires_grad=True))


INVALID = {
    "concatenate 0-d": (lambda x: np.concatenate([x[0, 0], x[0, 0]]), ValueError, "np.stack"),
    "concatenate shapes": (lambda x: np.concatenate([x, x.T]), ValueError, r"\(2, 3\) and shape \(3, 2\)"),
    "concatenate axis": (lambda x: np.concatenate([x, x], 5), ValueError, "axis 5"),
    "diag of 3-d": (lambda x: np.diag(x[None]), ValueError, "vector or a matrix.*np.diagonal"),
    "diff, n < 0": (lambda x: np.diff(x, -1), ValueError, "n=-1"),
    "take axis": (lambda x: np.take(x, [0], axis=2), ValueError, "axis 2"),
    "take past the end": (lambda x: np.take(x, [7]), IndexError, "7"),
    "tensordot shapes": (lambda x: np.tensordot(x, x, 1), ValueError, r"tensordot: shapes \(2, 3\) and \(2, 3\)"),
    "tensordot axes": (lambda x: np.tensordot(x[:, :2], x[:, :2], 3), ValueError, "axis"),
    "einsum terms": (lambda x: np.einsum("ij,jk", x), ValueError, "more operands provided|operand"),
    "where, one branch": (lambda x: np.where(X > 1, x), TypeError, "missing"),
    "inv, singular": (lambda x: np.linalg.inv(x[:, :2] * 0), np.linalg.LinAlgError, "inv of shape.*Singular"),
    "average, weights": (lambda x: np.average(x, weights=np.ones(3)), ValueError, r"3 .*shape|shape.*3"),
}


@pytest.mark.parametrize(("call", "kind", "message"), INVALID.values(), ids=INVALID)
def test_invalid_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call(mg.tensor(X, requires_grad=True))


def test_astype_ends_the_graph_at_integers_only():
    x = mg.tensor([1.5, 2.5], requires_grad=True)
    assert not x.astype(np.int64).requires_grad
    y = np.sum(x.astype(np.float64) * 3)
    assert y.dtype == np.float64
    assert mg.grad(y, x).dtype == np.float32
    assert mg.grad(y, x).tolist() == [3, 3]


def test_prod_of_many_factors_needs_no_square_of_memory():
    x = np.ones(20_000)
    x[7] = 0
    (t,) = leaves([x])
    assert np.flatnonzero(mg.grad(np.prod(t), t).data).tolist() == [7]


def test_singular_determinants_against_differences():
    a = np.array([[1.0, 2, 3], [2, 4, 6], [1, 0, 1]])
    close(derivatives(np.linalg.det, a)[0], slopes(np.linalg.det, [a]), rtol=1e-8)
    close(derivatives(np.linalg.det, a)[1], slopes(lambda a: derivatives(np.linalg.det, a)[0][0].sum(), [a]), rtol=1e-8)
