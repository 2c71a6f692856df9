"""conv2d against loops over windows, PyTorch, and finite differences; where its arrays lie in memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn
from minigrad.device import is_array
from minigrad.nn import functional as F
from tests.devices import on_device
from tests.nn.images import LAYOUTS, assert_close, gradients, is_batch_innermost, of_torch


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed: the comparison needs it as the other side")


@st.composite
def calls(draw):
    """Arrays x, weight, bias and options of a convolution that fits."""
    pairs = {"stride": st.integers(1, 3), "padding": st.integers(0, 2), "dilation": st.integers(1, 3)}
    options = {name: draw(st.tuples(each, each)) for name, each in pairs.items()}
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    options["groups"] = groups = draw(st.integers(1, 3))
    n, c, o = draw(st.integers(0, 3)), draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    size = [
        max(1, d * (k - 1) + 1 - 2 * p) + draw(st.integers(0, 4))
        for d, k, p in zip(options["dilation"], kernel, options["padding"], strict=True)
    ]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    arrays = [rng.normal(size=shape) for shape in ((n, groups * c, *size), (o, c, *kernel), (o,))]
    return arrays, options


def naive(x, weight, bias, g, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """Values and gradients, window by window and group by group; g is a function of the result's shape."""
    (sh, sw), (dh, dw), (kh, kw) = stride, dilation, weight.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    tops = range(0, padded.shape[2] - dh * (kh - 1), sh)
    lefts = range(0, padded.shape[3] - dw * (kw - 1), sw)
    y = np.zeros((len(x), len(weight), len(tops), len(lefts)))
    g = g(y.shape)
    of_x, of_weight = np.zeros_like(padded), np.zeros_like(weight)
    c, o = x.shape[1] // groups, len(weight) // groups
    for (i, top), (j, left), group in (
        (row, column, group) for row in enumerate(tops) for column in enumerate(lefts) for group in range(groups)
    ):
        outs = slice(group * o, (group + 1) * o)
        rows, columns = slice(top, top + dh * (kh - 1) + 1, dh), slice(left, left + dw * (kw - 1) + 1, dw)
        window = np.s_[:, group * c : (group + 1) * c, rows, columns]
        y[:, outs, i, j] = np.einsum("nckl,ockl->no", padded[window], weight[outs]) + bias[outs]
        of_weight[outs] += np.einsum("nckl,no->ockl", padded[window], g[:, outs, i, j])
        of_x[window] += np.einsum("no,ockl->nckl", g[:, outs, i, j], weight[outs])
    of_x = of_x[:, :, padding[0] : padding[0] + x.shape[2], padding[1] : padding[1] + x.shape[3]]
    return [y, of_x, of_weight, g.sum(axis=(0, 2, 3))]


def cotangent(shape):
    return np.random.default_rng(5).normal(size=shape)


@given(calls(), st.sampled_from(list(LAYOUTS)), st.sampled_from(list(LAYOUTS)))
@settings(max_examples=80, deadline=None)
def test_values_and_gradients(call, layout, layout_of_g):
    arrays, options = call
    expected = naive(*arrays, cotangent, **options)
    x, g = LAYOUTS[layout](arrays[0]), LAYOUTS[layout_of_g](cotangent(expected[0].shape))
    assert_close(gradients(lambda x, w, b: F.conv2d(x, w, b, **options), [x, *arrays[1:]], g), expected)
    assert_close([F.conv2d(x, *arrays[1:], **options)], expected[:1])


@given(calls())
@settings(max_examples=80, deadline=None)
def test_against_pytorch(torch, call):
    arrays, options = call
    g = cotangent(F.conv2d(*arrays, **options).shape)
    expected = of_torch(torch, lambda *a: torch.nn.functional.conv2d(*a, **options), arrays, g)
    assert_close(gradients(lambda *a: F.conv2d(*a, **options), arrays, g), expected)


OPTIONS = {
    "plain": {},
    "no bias": {},
    "stride": {"stride": (2, 1)},
    "padding": {"padding": (0, 2)},
    "dilation": {"dilation": (2, 1)},
    "groups": {"groups": 2},
    "all": {"stride": 2, "padding": 1, "dilation": 2, "groups": 2},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_gradcheck_to_second_order(name):
    rng, options = np.random.default_rng(0), OPTIONS[name]
    groups = options.get("groups", 1)
    arrays = [rng.normal(size=shape) for shape in ((2, 2, 4, 4), (2, 2 // groups, 2, 2), (2,))]
    mg.gradcheck(lambda *a: F.conv2d(*a, **options), arrays[:2] if name == "no bias" else arrays, order=2)


def test_gradcheck_of_more():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in ((3, 4, 9, 8), (6, 4, 5, 3), (6,))]
    mg.gradcheck(lambda *a: F.conv2d(*a, stride=2, padding=1), arrays, order=2, mode="fast")


def test_third_derivatives():
    """The convolution of x * x with w: its derivatives by x are exact polynomials of low degree."""
    rng = np.random.default_rng(0)
    x, w = mg.tensor(rng.normal(size=(1, 1, 3, 3)), requires_grad=True), rng.normal(size=(1, 1, 2, 2))
    d1 = mg.grad(F.conv2d(x * x * x, mg.tensor(w), padding=1).sum(), x, create_graph=True)
    d2 = mg.grad(d1.sum(), x, create_graph=True)
    d3 = mg.grad(d2.sum(), x)
    np.testing.assert_allclose(d3.data, 6 * w.sum(), rtol=1e-12)


def test_float32_is_kept():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in ((2, 3, 6, 6), (4, 3, 3, 3), (4,))]
    expected = naive(*arrays, cotangent)
    found = gradients(F.conv2d, [a.astype(np.float32) for a in arrays], cotangent(expected[0].shape))
    assert {a.dtype for a in found} == {np.dtype(np.float32)}
    assert_close(found, expected, 1e-4)


def test_one_image_as_each_of_a_batch():
    """What a window sees does not depend on the batch around it."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(5, 2, 6, 7)), rng.normal(size=(3, 2, 3, 3))
    assert_close([np.concatenate([F.conv2d(x[i : i + 1], w) for i in range(5)])], [F.conv2d(x, w)])


# --- Memory


def layers():
    return nn.Conv2d(3, 4, 3, padding=1, rng=0), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.AvgPool2d(2)


@pytest.mark.parametrize("n", [1, 5])
def test_results_and_gradients_stay_batch_innermost(n):
    """So nothing between two convolutions has to be copied into another order."""
    x = mg.tensor(np.random.default_rng(0).normal(size=(n, 3, 8, 8)), dtype=np.float32, requires_grad=True)
    results = [x]
    for layer in layers():
        results.append(layer(results[-1]))
        assert is_batch_innermost(results[-1].data), layer
    last = nn.Conv2d(4, 2, 2, rng=1)(results[-1])
    for result, g in zip(results, mg.grad(last.sum(), results[1:-1]), strict=False):
        assert is_batch_innermost(g.data), result


def test_columns_are_not_kept():
    x, layer = mg.rand(4, 3, 16, 16, requires_grad=True), nn.Conv2d(3, 8, 5, rng=0)
    node = layer(x)._node
    assert node.y is None
    assert sum(a.size for a in node.args if is_array(a)) == x.size + layer.weight.size


def test_an_image_that_needs_no_gradient_gets_none(monkeypatch):
    """The first layer's input gradient is the dearest part of a step, and nobody asks for it."""
    asked = []
    rule = mg.graph.RULES[nn.conv.convolve]
    of_input, *others = rule.vjps
    monkeypatch.setattr(rule, "vjps", (lambda *args: (asked.append(1), of_input(*args))[1], *others))
    layer = nn.Conv2d(1, 2, 3, rng=0)
    layer(mg.ones(2, 1, 5, 5)).sum().backward()
    assert not asked
    layer(mg.ones(2, 1, 5, 5).astype(np.float32) * layer.bias[0]).sum().backward()
    assert asked


# --- The module


def test_the_module_calls_the_function():
    layer = nn.Conv2d(4, 6, (3, 2), stride=2, padding=(1, 0), dilation=2, groups=2, bias=False, rng=0)
    x = on_device(np.random.default_rng(0).normal(size=(2, 4, 9, 9)).astype(np.float32))
    expected = F.conv2d(x, layer.weight.data, None, 2, (1, 0), 2, 2)
    assert_close([layer(x).data], [expected], 1e-6)
    assert layer.weight.shape == (6, 2, 3, 2)
    assert repr(layer) == (
        "Conv2d(4 -> 6, 3x2, stride=2, padding=(1, 0), dilation=2, groups=2, bias=False)  # 72 parameters"
    )
    assert repr(nn.Conv2d(1, 6, 5)) == "Conv2d(1 -> 6, 5x5)  # 156 parameters"


def test_starting_values_come_from_the_seed_and_have_pytorchs_bound():
    layer = nn.Conv2d(8, 64, 5, rng=3)
    again = nn.Conv2d(8, 64, 5, rng=3)
    np.testing.assert_array_equal(layer.weight.data, again.weight.data)
    bound = 1 / np.sqrt(8 * 5 * 5)
    for values in (layer.weight.data, layer.bias.data):
        assert 0.9 * bound < np.abs(values).max() <= bound


# --- Bad input

X, W = np.ones((2, 4, 5, 5)), np.ones((6, 4, 3, 3))
BAD = {
    "one image": (
        lambda: F.conv2d(X[0], W),
        ValueError,
        r"takes images \(N, C, H, W\), got shape \(4, 5, 5\).*x\[None",
    ),
    "flat weight": (
        lambda: F.conv2d(X, W[0]),
        ValueError,
        r"a weight \(O, C / groups, kh, kw\), got shape \(4, 3, 3\)",
    ),
    "channels": (
        lambda: F.conv2d(X[:, :3], W),
        ValueError,
        r"the images have 3 channels, but a weight of shape \(6, 4, 3, 3\) with groups=1 is for 4",
    ),
    "channels of groups": (
        lambda: F.conv2d(X, W, groups=2),
        ValueError,
        r"have 4 channels, but a weight of shape \(6, 4, 3, 3\) with groups=2 is for 8",
    ),
    "kernel too large": (
        lambda: F.conv2d(X, np.ones((1, 4, 6, 2))),
        ValueError,
        r"reaches over \(6, 2\) pixels .*padded image has only \(5, 5\): use a smaller kernel, or more padding",
    ),
    "dilated too far": (
        lambda: F.conv2d(X, W, dilation=3),
        ValueError,
        r"reaches over \(7, 7\) pixels .*dilation \(3, 3",
    ),
    "groups": (
        lambda: F.conv2d(X, W, groups=3),
        ValueError,
        "groups=3 must divide both the 4 input and the 6 output channels",
    ),
    "no groups": (lambda: F.conv2d(X, W, groups=0), ValueError, "groups=0 must divide both"),
    "groups of the layer": (
        lambda: nn.Conv2d(4, 6, 3, groups=4),
        ValueError,
        "groups=4 must divide both in_channels=4 and out_channels=6",
    ),
    "integer images": (
        lambda: F.conv2d(X.astype(np.uint8), W),
        TypeError,
        r"images of floating point, got uint8: convert and scale, e.g. x.astype\(np.float32\) / 255",
    ),
    "negative stride": (
        lambda: F.conv2d(X, W, stride=(1, -1)),
        ValueError,
        r"stride must be at least 1, got \(1, -1\)",
    ),
    "negative padding": (lambda: F.conv2d(X, W, padding=-1), ValueError, r"padding must be at least 0, got \(-1, -1\)"),
    "no kernel": (lambda: nn.Conv2d(3, 4, 0), ValueError, r"Conv2d: kernel must be at least 1, got \(0, 0\)"),
    "no step of a layer": (lambda: nn.Conv2d(3, 4, 2, stride=0), ValueError, r"Conv2d: stride must be at least 1"),
    "letter": (lambda: nn.Conv2d(3, 4, 2, stride="a"), TypeError, "stride must be an int or a pair of ints .* 'a'"),
    "no dilation": (lambda: F.conv2d(X, W, dilation=0), ValueError, r"dilation must be at least 1, got \(0, 0\)"),
    "empty kernel": (lambda: F.conv2d(X, W[..., :0]), ValueError, r"kernel must be at least 1, got \(3, 0\)"),
    "bias": (
        lambda: F.conv2d(X, W, np.ones(4)),
        ValueError,
        r"expected a bias of shape \(6,\), one per output channel, got \(4,\)",
    ),
    "three strides": (
        lambda: F.conv2d(X, W, stride=(1, 1, 1)),
        TypeError,
        r"stride must be an int or a pair .*\(1, 1, 1",
    ),
    "half a stride": (
        lambda: F.conv2d(X, W, stride=0.5),
        TypeError,
        "stride must be an int or a pair of ints .*got 0.5",
    ),
    "padding by name": (lambda: F.conv2d(X, W, padding="same"), TypeError, "padding must be an int .*got 'same'"),
    "kernel of the layer": (lambda: nn.Conv2d(1, 1, 2.0), TypeError, "kernel_size must be an int or a pair .*got 2.0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call()


def test_lists_are_taken():
    x, weight = X.astype(np.float32), W.astype(np.float32)
    found = F.conv2d(x.tolist(), weight.tolist(), [1.0] * len(weight))
    np.testing.assert_allclose(found, F.conv2d(x, weight, np.ones(len(weight), np.float32)), rtol=1e-6)
