"""OuterProducts against the arrays that they stand for; per_sample_gradients(..., factored=True) against without."""

from functools import partial

import numpy as np
import pytest

import minigrad as mg
from minigrad import losses, nn, per_sample
from minigrad.device import to_host
from minigrad.nn import functional as F
from minigrad.per_sample import OuterProducts
from tests.devices import ARRAY, on_device

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-13}


def outer(n=5, out=3, inputs=4, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return OuterProducts(rng.normal(size=(n, out)).astype(dtype), rng.normal(size=(n, inputs)).astype(dtype))


def mlp(dtype=np.float64):
    return nn.Sequential(nn.Linear(5, 7, rng=0), nn.ReLU(), nn.LayerNorm(7), nn.Linear(7, 3, rng=1)).astype(dtype)


def batch(n=6, dtype=np.float64):
    rng = np.random.default_rng(2)
    return rng.normal(size=(n, 5)).astype(dtype), rng.integers(0, 3, n)


def both(model, loss, X, y):
    """The gradients as factors and as arrays."""
    return (mg.per_sample_gradients(model, loss, X, y, factored=factored) for factored in (True, False))


# --- The object


@pytest.mark.parametrize("n", [0, 1, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_answers_as_its_array(n, dtype):
    G = outer(n, dtype=dtype)
    array = np.asarray(G)
    rng = np.random.default_rng(1)
    V, w = rng.normal(size=(3, 4)), rng.random(n)
    expected = {
        "entries": (array, G.left[:, :, None] * G.right[:, None, :]),
        "norms": (G.norms(), np.sqrt((array**2).sum(axis=(1, 2)))),
        "dot": (G.dot(V), (array * V).sum(axis=(1, 2))),
        "weighted_sum": (G.weighted_sum(w), (array * w[:, None, None]).sum(axis=0)),
    }
    for name, (found, right) in expected.items():
        assert found.dtype == dtype, name
        np.testing.assert_allclose(found, right, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype], err_msg=name)
    assert (G.shape, G.ndim, G.size, G.dtype, len(G)) == (array.shape, array.ndim, array.size, array.dtype, len(array))


INDICES = {
    "integer": 2,
    "from the end": np.int64(-1),
    "slice": slice(1, 4),
    "empty": slice(0, 0),
    "mask": np.arange(5) % 2 == 0,
    "list": [3, 0, 3],
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_indexing_by_samples(index):
    G = outer()
    assert type(G[index]) is (np.ndarray if np.ndim(index) == 0 and not isinstance(index, slice) else OuterProducts)
    np.testing.assert_array_equal(G[index], np.asarray(G)[index])


def test_iteration_is_over_samples():
    G = outer()
    np.testing.assert_array_equal(list(G), np.asarray(G))


def test_as_array():
    G = outer()
    assert np.asarray(G, np.float32).dtype == np.float32
    np.testing.assert_array_equal(np.array(G, copy=True), np.asarray(G))
    np.testing.assert_array_equal(np.add(G, G), 2 * np.asarray(G))


def test_weights_in_a_list_are_not_rounded():
    G = outer(2)
    np.testing.assert_array_equal(G.weighted_sum([0.1, 0.3]), G.weighted_sum(np.array([0.1, 0.3])))


BAD = {
    "entries": (lambda G: G[:, 0], IndexError, r"by samples alone, got .*G\[i\]\[row, column\]"),
    "new axis": (lambda G: G[None], IndexError, "by samples alone, got .None"),
    "two axes of samples": (lambda G: G[[[0, 1]]], IndexError, "by samples alone"),
    "out of range": (lambda G: G[5], IndexError, "out of bounds"),
    "no copy": (lambda G: np.array(G, copy=False), ValueError, "hold no array of their entries"),
    "dot": (lambda G: G.dot(np.ones((4, 3))), ValueError, r"dot: the direction must have shape \(3, 4\), got \(4, 3\)"),
    "weighted_sum": (
        lambda G: G.weighted_sum(np.ones((5, 1))),
        ValueError,
        r"weighted_sum: w, one weight per sample, must have shape \(5,\), got \(5, 1\)",
    ),
    "a scalar weight": (lambda G: G.weighted_sum(1.0), ValueError, r"must have shape \(5,\), got \(\)"),
    "weights that want a gradient": (
        lambda G: G.weighted_sum(mg.ones(5, requires_grad=True)),
        TypeError,
        "without losing its gradient",
    ),
}


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD)
def test_what_it_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call(outer())


# --- per_sample_gradients(..., factored=True)


@pytest.mark.parametrize("n", [0, 1, 6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_factors_equal_arrays(n, dtype):
    factored, arrays = both(mlp(dtype), losses.cross_entropy, *batch(n, dtype))
    assert [name for name, g in factored.items() if type(g) is OuterProducts] == ["0.weight", "3.weight"]
    assert list(factored) == list(arrays)
    for name, array in arrays.items():
        assert (factored[name].shape, factored[name].dtype) == (array.shape, dtype)
        np.testing.assert_array_equal(factored[name], array, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_weighted_sum_is_the_gradient_of_the_weighted_loss(dtype):
    model, (X, y) = mlp(dtype), batch(6, dtype)
    w = np.random.default_rng(3).random(6)
    losses.cross_entropy(model(on_device(X)), y, sample_weight=w, reduction="sum").backward()
    for gradients in both(model, losses.cross_entropy, X, y):
        total = per_sample.weighted_sum(gradients, w)
        for name, p in model.named_parameters():
            assert total[name].dtype == dtype
            np.testing.assert_allclose(total[name], p.grad.data, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("n", [0, 1, 6])
def test_norms_and_products_over_all_parameters(n):
    model = mlp()
    factored, arrays = both(model, losses.cross_entropy, *batch(n))
    rng = np.random.default_rng(4)
    direction = {name: rng.normal(size=p.shape) for name, p in model.named_parameters()}
    flat = np.concatenate([to_host(arrays[name]).reshape(n, v.size) for name, v in direction.items()], axis=1)
    along = flat @ np.concatenate([v.ravel() for v in direction.values()])
    for gradients in (factored, arrays):
        np.testing.assert_allclose(per_sample.norms(gradients), np.linalg.norm(flat, axis=1), rtol=1e-13)
        np.testing.assert_allclose(per_sample.dot(gradients, direction), along, rtol=1e-12, atol=1e-14)


class Tied(nn.Module):
    """A weight p (4, 4) and what is done with it."""

    def __init__(self, forward):
        super().__init__()
        self.p = nn.Parameter(np.random.default_rng(5).normal(size=(4, 4)))
        self.formula = forward

    def forward(self, x):
        return self.formula(self.p, x)


SHARED = {
    "two linear layers": (lambda p, x: F.linear(np.tanh(F.linear(x, p)), p), (6, 4)),
    "one that uses it twice": (lambda p, x: F.linear(x, p) + F.linear(x, p), (6, 4)),
    "and elsewhere": (lambda p, x: F.linear(x, p) * p[0], (6, 4)),
    "elsewhere, then linear": (lambda p, x: F.linear(x * p[0], p), (6, 4)),
    "through a transpose": (lambda p, x: F.linear(x, p.T), (6, 4)),
    "a sequence": (lambda p, x: np.sum(F.linear(x, p), axis=1), (6, 2, 4)),
    "not linear": (lambda p, x: x * p[1], (6, 4)),
}


@pytest.mark.parametrize(("forward", "shape"), SHARED.values(), ids=SHARED)
def test_other_uses_of_a_parameter_give_arrays(forward, shape):
    X, y = np.random.default_rng(6).normal(size=shape), np.zeros((6, 4))
    factored, arrays = both(Tied(forward), losses.mse, X, y)
    assert type(factored["p"]) is ARRAY
    np.testing.assert_array_equal(factored["p"], arrays["p"])


def test_factors_are_no_views_of_other_arrays():
    model, (X, y) = nn.Linear(5, 3, rng=0).astype(np.float64), batch()
    gradients = mg.per_sample_gradients(model, losses.cross_entropy, X, y, factored=True)
    before = np.asarray(gradients["weight"])
    X[...] = 0
    gradients["bias"][...] = 0
    np.testing.assert_array_equal(gradients["weight"], before)


def test_the_dtype_is_that_of_the_parameter():
    model, (X, y) = nn.Linear(5, 3, rng=0), batch()
    factored, arrays = both(model, losses.cross_entropy, X, y)
    assert X.dtype == np.float64
    assert factored["weight"].dtype == factored["weight"].norms().dtype == np.float32
    np.testing.assert_allclose(factored["weight"], arrays["weight"], rtol=1e-6)


def test_weights_inside_the_loss_scale_the_factors():
    model, (X, y) = mlp(), batch()
    weighted = partial(losses.cross_entropy, class_weight=[1.0, 0.0, 5.0])
    factored, arrays = both(model, weighted, X, y)
    np.testing.assert_array_equal(factored["0.weight"], arrays["0.weight"])
    np.testing.assert_array_equal(to_host(factored["3.weight"].norms())[y == 1], 0)


BAD_CALLS = {
    "weights": (
        lambda gradients, _: per_sample.weighted_sum(gradients, np.ones(3)),
        r"one weight per sample, must have shape \(6,\), got \(3,\)",
    ),
    "direction": (
        lambda gradients, direction: per_sample.dot(gradients, {**direction, "bias": np.ones(4)}),
        r"dot: the direction of bias must have shape \(3,\), got \(4,\)",
    ),
    "direction of a weight": (
        lambda gradients, direction: per_sample.dot(gradients, {**direction, "weight": np.ones(15)}),
        r"dot: the direction of weight must have shape \(3, 5\), got \(15,\)",
    ),
    "names": (
        lambda gradients, direction: per_sample.dot(gradients, {"weight": direction["weight"]}),
        r"gradients of \['bias', 'weight'\], but the direction has \['weight'\]",
    ),
}


@pytest.mark.parametrize("factored", [True, False])
@pytest.mark.parametrize(("call", "message"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_shapes_and_names_that_do_not_fit(call, message, factored):
    model, (X, y) = nn.Linear(5, 3, rng=0), batch()
    gradients = mg.per_sample_gradients(model, losses.cross_entropy, X, y, factored=factored)
    with pytest.raises(ValueError, match=message):
        call(gradients, {name: np.ones(p.shape) for name, p in model.named_parameters()})
