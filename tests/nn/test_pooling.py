"""max_pool2d and avg_pool2d against loops over windows, against PyTorch, and against finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F
from tests.nn.images import LAYOUTS, assert_close, gradients, is_batch_innermost, of_torch

POOLS = {"max": F.max_pool2d, "avg": F.avg_pool2d}
every_pool = pytest.mark.parametrize("pool", POOLS)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed: the comparison needs it as the other side")


@st.composite
def calls(draw):
    """Images, of few different numbers so that windows have ties, and options: windows overlap, touch or lie apart."""
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.none() | st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = [max(1, k - 2 * p) + draw(st.integers(0, 5)) for k, p in zip(kernel, padding, strict=True)]
    shape = (draw(st.integers(0, 3)), draw(st.integers(1, 2)), *size)
    x = np.random.default_rng(draw(st.integers(0, 99))).integers(-2, 3, shape).astype(np.float64)
    return x, {"kernel_size": kernel, "stride": stride, "padding": padding}


def naive(which, x, g, kernel_size, stride=None, padding=(0, 0)):
    """Value and gradient, window by window; g is a function of the result's shape."""
    (kh, kw), (sh, sw) = kernel_size, stride or kernel_size
    border = -np.inf if which == "max" else 0
    padded = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)), constant_values=border)
    tops, lefts = range(0, padded.shape[2] - kh + 1, sh), range(0, padded.shape[3] - kw + 1, sw)
    y = np.zeros((*x.shape[:2], len(tops), len(lefts)))
    g, of_x = g(y.shape), np.zeros_like(padded)
    for n, c, i, j in np.ndindex(y.shape):
        window = np.s_[n, c, tops[i] : tops[i] + kh, lefts[j] : lefts[j] + kw]
        if which == "max":
            first = np.unravel_index(np.argmax(padded[window]), kernel_size)
            y[n, c, i, j] = padded[window][first]
            of_x[window][first] += g[n, c, i, j]
        else:
            y[n, c, i, j] = padded[window].mean()
            of_x[window] += g[n, c, i, j] / (kh * kw)
    return [y, of_x[:, :, padding[0] : padding[0] + x.shape[2], padding[1] : padding[1] + x.shape[3]]]


def cotangent(shape):
    return np.random.default_rng(5).normal(size=shape)


@every_pool
@given(call=calls(), layout=st.sampled_from(list(LAYOUTS)), layout_of_g=st.sampled_from(list(LAYOUTS)))
@settings(max_examples=60, deadline=None)
def test_value_and_gradient(pool, call, layout, layout_of_g):
    x, options = call
    expected = naive(pool, x, cotangent, **options)
    x, g = LAYOUTS[layout](x), LAYOUTS[layout_of_g](cotangent(expected[0].shape))
    assert_close(gradients(lambda x: POOLS[pool](x, **options), [x], g), expected)
    assert_close([POOLS[pool](x, **options)], expected[:1])


@every_pool
@given(call=calls())
@settings(max_examples=60, deadline=None)
def test_against_pytorch(torch, pool, call):
    x, options = call
    g = cotangent(POOLS[pool](x, **options).shape)
    theirs = getattr(torch.nn.functional, f"{pool}_pool2d")
    expected = of_torch(torch, lambda x: theirs(x, **options), [x], g)
    assert_close(gradients(lambda x: POOLS[pool](x, **options), [x], g), expected)


OPTIONS = {
    "apart": {"kernel_size": 2},
    "overlapping": {"kernel_size": 3, "stride": 1},
    "gaps": {"kernel_size": (1, 2), "stride": 3},
    "padded": {"kernel_size": 3, "stride": 2, "padding": 1},
    "of all": {"kernel_size": (5, 4)},
}


@every_pool
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_gradcheck_to_second_order(pool, options):
    x = np.random.default_rng(0).permutation(40).reshape(2, 1, 5, 4) * 1.0  # no ties
    mg.gradcheck(lambda x: POOLS[pool](x, **options), x, order=2)


@every_pool
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_second_derivatives_behind_a_curve(pool, options):
    """Pooling is linear between ties: alone it has no second derivative to get wrong."""
    x = np.random.default_rng(0).permutation(40).reshape(2, 1, 5, 4) / 40
    mg.gradcheck(lambda x: np.exp(POOLS[pool](x * x, **options)), x, order=2, mode="fast")


def test_of_equal_entries_the_first_gets_the_gradient():
    x = mg.tensor([[[[1.0, 3.0], [3.0, 3.0]]]], requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    assert x.grad.tolist() == [[[[0, 1], [0, 0]]]]


def test_a_border_never_wins():
    x = mg.tensor(-np.ones((1, 1, 2, 2)), requires_grad=True)
    y = F.max_pool2d(x, 3, 1, 1)
    y.sum().backward()
    assert y.tolist() == [[[[-1, -1], [-1, -1]]]]
    assert x.grad.tolist() == [[[[4, 0], [0, 0]]]]


def test_a_border_counts_in_the_mean():
    assert F.avg_pool2d(np.ones((1, 1, 2, 2)), 2, padding=1).tolist() == [[[[0.25, 0.25], [0.25, 0.25]]]]


@every_pool
def test_float32_and_the_order_in_memory_are_kept(pool):
    x = LAYOUTS["batch-innermost"](np.random.default_rng(0).normal(size=(4, 3, 6, 6)).astype(np.float32))
    for options in OPTIONS.values():
        y = POOLS[pool](x, **options)
        g = np.ones(y.shape)  # float64, in C order, as Flatten leaves it
        _, of_x = gradients(lambda x, o=options: POOLS[pool](x, **o), [x], g)
        assert y.dtype == of_x.dtype == np.float32
        assert is_batch_innermost(y)
        assert of_x.strides[0] == of_x.itemsize


def test_the_modules_call_the_functions():
    x = np.random.default_rng(0).normal(size=(2, 3, 7, 7))
    assert_close([nn.MaxPool2d(2)(x), nn.AvgPool2d(2)(x)], [F.max_pool2d(x, 2), F.avg_pool2d(x, 2)])
    layer = nn.MaxPool2d((3, 2), stride=2, padding=1)
    assert_close([layer(x)], [F.max_pool2d(x, (3, 2), 2, 1)])
    assert repr(layer) == "MaxPool2d((3, 2), stride=2, padding=1)"
    assert repr(nn.AvgPool2d(2)) == "AvgPool2d(2)"


X = np.ones((2, 4, 5, 5))
BAD = {
    "one image": (lambda pool: pool(X[0], 2), ValueError, r"takes images \(N, C, H, W\), got shape \(4, 5, 5\)"),
    "integers": (lambda pool: pool(X.astype(int), 2), TypeError, "images of floating point, got int64: convert and"),
    "kernel too large": (lambda pool: pool(X, (2, 6)), ValueError, r"reaches over \(2, 6\) .*only \(5, 5\)"),
    "empty kernel": (lambda pool: pool(X, 0), ValueError, r"kernel must be at least 1, got \(0, 0\)"),
    "no kernel": (lambda pool: pool(X, None), TypeError, "kernel_size must be an int or a pair of ints .*got None"),
    "stride": (lambda pool: pool(X, 2, 0), ValueError, r"stride must be at least 1, got \(0, 0\)"),
    "negative padding": (lambda pool: pool(X, 2, padding=-1), ValueError, "padding must be at least 0"),
    "more border than image": (
        lambda pool: pool(X, (4, 2), padding=(2, 2)),
        ValueError,
        r"padding \(2, 2\) must be at most half of the kernel \(4, 2\)",
    ),
}


@pytest.mark.parametrize("layer", [nn.MaxPool2d, nn.AvgPool2d])
def test_settings_are_refused_when_the_layer_is_made(layer):
    for arguments in ((0,), (2, 0), (2, 2, -1)):
        with pytest.raises(ValueError, match=f"{layer.__name__}: .* must be at least"):
            layer(*arguments)
    with pytest.raises(TypeError, match="stride must be an int or a pair of ints"):
        layer(2, "a")


@every_pool
@pytest.mark.parametrize("name", BAD)
def test_bad_input(pool, name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=f"{pool}_pool2d.*{message}" if name != "no kernel" else message):
        call(POOLS[pool])
