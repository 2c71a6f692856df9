"""Each function against its twin, the same formula built of small NumPy operations, and against finite differences."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.nn import functional as F


def erf_series(x):
    """The power series 2 / sqrt(pi) * sum (-1)**k x**(2k + 1) / (k! (2k + 1)): exact enough up to |x| = 2."""
    term, total = x, x
    for k in range(1, 60):
        term = term * (-x * x / k)
        total = total + term / (2 * k + 1)
    return total * (2 / math.sqrt(math.pi))


def naive_logsumexp(x, axis=-1, keepdims=False):
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def naive_softmax(x, axis=-1):
    return np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)


def naive_linear(x, weight, bias=0.0):
    return np.sum(x[..., None, :] * weight, axis=-1) + bias


def naive_standardize(x, axes, eps):
    mean = np.mean(x, axis=axes, keepdims=True)
    return (x - mean) / (np.mean((x - mean) ** 2, axis=axes, keepdims=True) + eps) ** 0.5


def gelu_tanh_twin(x):
    u = 0.7978845608028654 * (x + 0.044715 * x**3)
    return x / (1 + np.exp(-2 * u))


# name: function, twin, shapes of the arguments
CASES = {
    "relu": (F.relu, lambda x: np.where(x > 0, x, 0), [(3, 4)]),
    "relu of one number": (F.relu, lambda x: np.where(x > 0, x, 0), [()]),
    "leaky_relu": (F.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x), [(3, 4)]),
    "leaky_relu 0.2": (lambda x: F.leaky_relu(x, 0.2), lambda x: np.where(x > 0, x, 0.2 * x), [(3, 4)]),
    "leaky_relu by name": (
        lambda x: F.leaky_relu(x, negative_slope=0.2),
        lambda x: np.where(x > 0, x, 0.2 * x),
        [(3, 4)],
    ),
    "sigmoid": (F.sigmoid, lambda x: 1 / (1 + np.exp(-x)), [(3, 4)]),
    "sigmoid of one number": (F.sigmoid, lambda x: 1 / (1 + np.exp(-x)), [()]),
    "softplus": (F.softplus, lambda x: np.log(1 + np.exp(x)), [(3, 4)]),
    "tanh": (F.tanh, lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)), [(3, 4)]),
    "erf": (F.erf, erf_series, [(3, 4)]),
    "erf of one number": (F.erf, erf_series, [()]),
    "gelu": (F.gelu, lambda x: x * (1 + erf_series(x / math.sqrt(2))) / 2, [(3, 4)]),
    "gelu tanh": (lambda x: F.gelu(x, "tanh"), gelu_tanh_twin, [(3, 4)]),
    "logsumexp": (F.logsumexp, naive_logsumexp, [(3, 4)]),
    "logsumexp axis 0": (lambda x: F.logsumexp(x, 0), lambda x: naive_logsumexp(x, 0), [(3, 4)]),
    "logsumexp keepdims": (
        lambda x: F.logsumexp(x, axis=1, keepdims=True),
        lambda x: naive_logsumexp(x, 1, True),
        [(3, 4)],
    ),
    "logsumexp two axes": (lambda x: F.logsumexp(x, (0, 2)), lambda x: naive_logsumexp(x, (0, 2)), [(2, 3, 2)]),
    "logsumexp all": (lambda x: F.logsumexp(x, axis=None), lambda x: naive_logsumexp(x, None), [(3, 4)]),
    "log_softmax": (F.log_softmax, lambda x: np.log(naive_softmax(x)), [(3, 4)]),
    "log_softmax axis 0": (lambda x: F.log_softmax(x, axis=0), lambda x: np.log(naive_softmax(x, 0)), [(3, 4)]),
    "softmax": (F.softmax, naive_softmax, [(3, 4)]),
    "softmax axis 1": (lambda x: F.softmax(x, 1), lambda x: naive_softmax(x, 1), [(2, 3, 2)]),
    "linear": (F.linear, naive_linear, [(5, 4), (3, 4), (3,)]),
    "linear without bias": (F.linear, naive_linear, [(5, 4), (3, 4)]),
    "linear of one sample": (F.linear, naive_linear, [(4,), (3, 4), (3,)]),
    "linear of sequences": (F.linear, naive_linear, [(2, 5, 4), (3, 4), (3,)]),
    "linear of no samples": (F.linear, naive_linear, [(0, 4), (3, 4), (3,)]),
    "standardize": (lambda x: F.standardize(x, (-1,), 1e-5), lambda x: naive_standardize(x, (-1,), 1e-5), [(3, 5)]),
    "standardize two axes": (
        lambda x: F.standardize(x, (0, 2), 1e-3),
        lambda x: naive_standardize(x, (0, 2), 1e-3),
        [(3, 2, 4)],
    ),
    "layer_norm": (
        lambda x, w, b: F.layer_norm(x, 5, w, b),
        lambda x, w, b: naive_standardize(x, (-1,), 1e-5) * w + b,
        [(3, 5), (5,), (5,)],
    ),
    "layer_norm two axes": (
        lambda x: F.layer_norm(x, (2, 4), eps=0.1),
        lambda x: naive_standardize(x, (1, 2), 0.1),
        [(3, 2, 4)],
    ),
}


@pytest.fixture(params=CASES)
def case(request):
    f, twin, shapes = CASES[request.param]
    rng = np.random.default_rng(3)
    return f, twin, [rng.uniform(-2, 2, shape) for shape in shapes], rng


def leaves(arrays):
    return [mg.tensor(a, requires_grad=True) for a in arrays]


def first(f, arrays, cotangent):
    """The gradients of sum(cotangent * f) as arrays."""
    xs = leaves(arrays)
    return [g.numpy() for g in mg.grad(f(*xs), xs, cotangent)]


def second(f, arrays, cotangent, directions):
    """The gradients of sum(directions * first) as arrays."""
    xs = leaves(arrays)
    gradients = mg.grad(f(*xs), xs, cotangent, create_graph=True)
    along = [np.sum(mg.tensor(d) * g) for d, g in zip(directions, gradients, strict=True)]
    total = sum(along[1:], along[0])
    return [np.zeros(x.shape) if not total.requires_grad else mg.grad(total, x).numpy() for x in xs]


def numeric(scalar, arrays, eps=1e-6):
    """Central differences of a scalar function of arrays."""
    gradients = []
    for i, a in enumerate(arrays):
        gradient = np.zeros(a.shape)
        for k in np.ndindex(a.shape):
            ends = []
            for sign in (1, -1):
                moved = [b.copy() for b in arrays]
                moved[i][k] += sign * eps
                ends.append(scalar(moved))
            gradient[k] = (ends[0] - ends[1]) / (2 * eps)
        gradients.append(gradient)
    return gradients


def assert_all_close(found, expected, rtol=1e-10, atol=1e-12):
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol, atol)


def test_values(case):
    f, twin, arrays, _ = case
    on_arrays = f(*arrays)
    assert not isinstance(on_arrays, mg.Tensor)
    assert_all_close([f(*leaves(arrays)).data, np.asarray(on_arrays)], [twin(*arrays)] * 2)


def test_gradients(case):
    f, twin, arrays, rng = case
    c = rng.normal(size=np.shape(twin(*arrays)))
    found = first(f, arrays, c)
    assert_all_close(found, first(twin, arrays, c))
    assert_all_close(found, numeric(lambda xs: np.sum(c * f(*xs)), arrays), 1e-6, 1e-8)


def test_second_derivatives(case):
    f, twin, arrays, rng = case
    c = rng.normal(size=np.shape(twin(*arrays)))
    directions = [rng.normal(size=a.shape) for a in arrays]

    def slope(xs):
        return sum(np.sum(d * g) for d, g in zip(directions, first(f, xs, c), strict=True))

    found = second(f, arrays, c, directions)
    assert_all_close(found, second(twin, arrays, c, directions), 1e-9, 1e-11)
    assert_all_close(found, numeric(slope, arrays), 1e-5, 1e-7)


def test_float32_is_kept(case):
    f, twin, arrays, rng = case
    c = rng.normal(size=np.shape(twin(*arrays)))
    singles = [a.astype(np.float32) for a in arrays]
    y, gradients = f(*leaves(singles)), first(f, singles, c.astype(np.float32))
    assert {y.dtype, np.asarray(f(*singles)).dtype, *(g.dtype for g in gradients)} == {np.dtype(np.float32)}
    assert_all_close([y.data, *gradients], [twin(*arrays), *first(twin, arrays, c)], 1e-4, 1e-5)


def test_non_contiguous_arguments(case):
    f, _, arrays, rng = case
    c = rng.normal(size=np.shape(f(*arrays)))
    strided = [np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a for a in arrays]
    assert_all_close([f(*leaves(strided)).data, *first(f, strided, c)], [f(*arrays), *first(f, arrays, c)])


# --- Where the formulas of the books fail: far from 0, at infinity, at a kink -------------------------------------

FAR = 1e4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("f", "x", "value", "gradient"),
    [
        (F.relu, [-FAR, FAR], [0, FAR], [0, 1]),
        (F.leaky_relu, [-FAR, FAR], [-FAR / 100, FAR], [0.01, 1]),
        (F.sigmoid, [-FAR, FAR], [0, 1], [0, 0]),
        (F.softplus, [-FAR, FAR], [0, FAR], [0, 1]),
        (F.tanh, [-FAR, FAR], [-1, 1], [0, 0]),
        (F.erf, [-FAR, -6.5, 6.5, FAR], [-1, -1, 1, 1], [0, 0, 0, 0]),
        (F.gelu, [-FAR, FAR], [0, FAR], [0, 1]),
        (lambda x: F.gelu(x, "tanh"), [-FAR, FAR], [0, FAR], [0, 1]),
        (F.logsumexp, [-FAR, FAR], FAR, [0, 1]),
        (F.logsumexp, [-FAR, -FAR], -FAR + math.log(2), [0.5, 0.5]),
        (F.softmax, [-FAR, FAR], [0, 1], [0, 0]),
        (F.log_softmax, [-FAR, FAR], [-2 * FAR, 0], [1, -1]),
    ],
)
def test_far_from_zero(f, x, value, gradient, dtype):
    x = mg.tensor(x, dtype=dtype, requires_grad=True)
    y = f(x)
    y.backward(np.ones(y.shape))
    np.testing.assert_allclose(y.data, value, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(x.grad.data, gradient, rtol=1e-6, atol=1e-5)


def test_tails_keep_their_relative_precision():
    x = np.array([-700.0, -100, -20])
    np.testing.assert_allclose(F.sigmoid(x), np.exp(x), rtol=1e-8)
    np.testing.assert_allclose(F.softplus(x), np.exp(x), rtol=1e-8)


@pytest.mark.parametrize(
    ("f", "gradient"),
    [(F.relu, 0), (lambda x: F.leaky_relu(x, 0.25), 0.25), (F.softplus, 0.5), (F.sigmoid, 0.25), (F.gelu, 0.5)],
)
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_at_zero(f, gradient, zero):
    x = mg.tensor([zero], requires_grad=True)
    f(x).backward(np.ones(1))
    assert x.grad.item() == gradient


def test_erf_agrees_with_math_erf():
    x = np.concatenate([np.linspace(-7, 7, 4001), np.logspace(-300, 0, 101), [np.inf, -np.inf]])
    np.testing.assert_allclose(F.erf(x), [math.erf(v) for v in x], rtol=1e-15)


@pytest.mark.parametrize("f", [F.relu, F.leaky_relu, F.sigmoid, F.softplus, F.tanh, F.erf, F.gelu])
def test_nan_goes_through(f):
    assert np.isnan(f(np.array([np.nan, 1.0]))).tolist() == [True, False]


def test_logsumexp_of_minus_infinity():
    x = mg.tensor([[-np.inf, -np.inf], [0, -np.inf]], requires_grad=True)
    y = F.logsumexp(x, axis=1)
    y.backward(np.ones(2))
    assert y.tolist() == [-np.inf, 0]
    assert x.grad.tolist() == [[0, 0], [1, 0]]  # an entry of weight exp(-inf) = 0 moves nothing


def test_a_masked_logit_gets_no_probability_and_no_gradient():
    x = mg.tensor([1.0, -np.inf, 1.0], requires_grad=True)
    p = F.softmax(x)
    F.log_softmax(x)[0].backward()
    assert p.tolist() == [0.5, 0, 0.5]
    assert x.grad.tolist() == [0.5, 0, -0.5]


# --- Messages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.gelu(np.ones(2), "fast"), ValueError, "approximate must be 'none' or 'tanh', not 'fast'"),
        (
            lambda: F.linear(np.ones((2, 5)), np.ones((3, 4))),
            ValueError,
            r"expected x \(..., in\) and weight \(out, in\), got x \(2, 5\) and weight \(3, 4\)",
        ),
        (lambda: F.linear(np.ones(()), np.ones((3, 4))), ValueError, r"got x \(\) and weight \(3, 4\)"),
        (lambda: F.linear(np.ones((2, 5)), np.ones(5)), ValueError, r"got x \(2, 5\) and weight \(5,\)"),
        (lambda: F.layer_norm(np.ones((2, 5)), 4), ValueError, r"layer_norm over \(4,\) got x of shape \(2, 5\)"),
        (lambda: F.layer_norm(np.ones(5), (2, 5)), ValueError, r"its last axes must be \(2, 5\)"),
        (lambda: F.dropout(np.ones(2), 1.5), ValueError, r"0 <= p <= 1, got 1.5"),
        (lambda: F.dropout(np.ones(2), math.nan), ValueError, r"0 <= p <= 1, got nan"),
        (lambda: F.one_hot([0.0, 1.0]), TypeError, "one_hot needs integer labels, got float32"),
        (lambda: F.one_hot([0, 3], 3), ValueError, r"labels must lie in 0..2, found 0..3"),
        (lambda: F.one_hot([-1, 1]), ValueError, r"labels must lie in 0..1, found -1..1"),
        (lambda: F.one_hot(np.zeros(0, int)), ValueError, "no labels to count the classes from, pass num_classes"),
    ],
)
def test_messages(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- Dropout and one_hot -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("p", "training"), [(0.5, False), (0, True)])
def test_dropout_that_does_nothing_returns_its_argument(p, training):
    x = mg.ones(3)
    assert F.dropout(x, p, training) is x


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_drops_a_share_of_p(p):
    y = F.dropout(np.ones(100_000), p, rng=0)
    assert set(np.unique(y)) == {0, 1 / (1 - p)}
    assert abs(np.mean(y == 0) - p) < 0.005


def test_dropout_of_everything():
    assert F.dropout(np.ones(5), 1.0).tolist() == [0] * 5


def test_the_gradient_of_dropout_is_its_mask():
    x = mg.tensor(np.arange(1.0, 9.0), dtype=np.float32, requires_grad=True)
    y = F.dropout(x, 0.5, rng=1)
    y.backward(np.ones(8))
    assert x.grad.dtype == y.dtype == np.float32
    np.testing.assert_array_equal(y.data, x.data * x.grad.data)
    assert 0 < np.count_nonzero(y.data) < 8


def test_dropout_draws_from_the_seed_it_is_given():
    x, rng = np.ones(64), np.random.default_rng(5)
    assert np.array_equal(F.dropout(x, rng=5), F.dropout(x, rng=rng))
    assert not np.array_equal(F.dropout(x, rng=5), F.dropout(x, rng=rng))  # a Generator moves on
    mg.manual_seed(7)
    masks = [F.dropout(x), F.dropout(x)]
    mg.manual_seed(7)
    assert np.array_equal(F.dropout(x), masks[0])
    assert not np.array_equal(*masks)


@pytest.mark.parametrize(
    ("labels", "options", "expected"),
    [
        ([0, 2], {}, [[1, 0, 0], [0, 0, 1]]),
        ([1, 0], {"num_classes": 3}, [[0, 1, 0], [1, 0, 0]]),
        (np.array([1], np.uint8), {"dtype": np.int64}, [[0, 1]]),
        ([[0], [1]], {}, [[[1, 0]], [[0, 1]]]),
        (np.zeros(0, int), {"num_classes": 2}, np.zeros((0, 2)).tolist()),
    ],
)
def test_one_hot(labels, options, expected):
    rows = F.one_hot(labels, **options)
    assert type(rows) is np.ndarray
    assert (rows.tolist(), rows.dtype) == (expected, options.get("dtype", np.float32))
    assert type(F.one_hot(mg.tensor(labels), **options)) is mg.Tensor
