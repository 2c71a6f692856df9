"""Mistakes in layers: what was done wrong, and the name that the clinic has for it."""

from functools import partial

import numpy as np
import pytest

import minigrad as mg
from minigrad.gradcheck import check_backward
from tests.gradcheck.pairs import draw, layer_norm, layer_norm_backward, linear_backward, positive, softmax

X, W, B = draw(5, 3), draw(3, 4, seed=1), draw(4, seed=2)


def linear(x, W, b):
    return x @ W + b


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def tanh_layer(x, W):
    return np.tanh(x @ W)


def tanh_layer_backward(g, x, W, slope):
    g = g * slope(x @ W)
    return g @ W.T, x.T @ g


def average_rows(table):
    return table[[0, 2, 2, 1, 2]] * 3


def average_rows_backward(g, table):
    grad = np.zeros_like(table)
    grad[[0, 2, 2, 1, 2]] = 3 * g
    return grad


def average_rows_right(g, table):
    grad = np.zeros_like(table)
    np.add.at(grad, [0, 2, 2, 1, 2], 3 * g)
    return grad


def matrix_product_of_batches(a, b):
    return np.einsum("bij,bjk->bik", a, b)


# forward, wrong backward, inputs, kind
LAYERS = {
    "minus": (linear, lambda g, x, W, b: tuple(-d for d in linear_backward(g, x, W, b)), (X, W, B), "sign"),
    "minus at one input": (np.subtract, lambda g, a, b: (g, g), (X, draw(5, 3, seed=3)), "sign"),
    "batch size": (linear, lambda g, x, W, b: (g @ W.T, x.T @ g / 5, g.sum(0)), (X, W, B), "factor"),
    "2": (lambda x: (x**2).sum(), lambda g, x: g * x, (draw(3),), "factor"),
    "pi": (np.sin, lambda g, x: 3.1416 * g * np.cos(x), (draw(5),), "factor"),
    "a root held": (
        lambda x: x / np.sqrt((x**2).mean(1, keepdims=True)),
        lambda g, x: g / np.sqrt((x**2).mean(1, keepdims=True)),
        (X,),
        "variance_constant",
    ),
    "a tiny rate": (average_rows, lambda g, table: 1e-7 * average_rows_right(g, table), (draw(4, 2),), "factor"),
    "a tiny rate on a maximum": (
        lambda x: x.max(axis=1),
        lambda g, x: 1e-7 * g[:, None] * (x == x.max(axis=1, keepdims=True)),
        (X,),
        "factor",
    ),
    "zeros": (np.exp, lambda g, x: np.zeros_like(x), (draw(4),), "zero"),
    "g twice": (np.exp, lambda g, x: g * g * np.exp(x), (draw(4),), "cotangent"),
    "no g": (np.exp, lambda g, x: np.exp(x), (draw(4),), "cotangent"),
    "transpose": (linear, lambda g, x, W, b: (g @ W.T, g.T @ x, g.sum(0)), (X, W, B), "transpose"),
    "transpose of a square": (np.matmul, lambda g, a, b: (g @ b, a.T @ g), (X, draw(3, 3)), "transpose"),
    "transpose of every matrix": (
        matrix_product_of_batches,
        lambda g, a, b: (np.einsum("bik,bjk->bji", g, b), np.einsum("bij,bik->bjk", a, g)),
        (draw(2, 3, 4), draw(2, 4, 5)),
        "transpose",
    ),
    "transpose and more": (np.tanh, lambda g, x: np.ones((3, 5)), (X,), "transpose"),
    "no sum over the batch": (linear, lambda g, x, W, b: (g @ W.T, x.T @ g, g), (X, W, B), "missing_sum"),
    "no sum over two axes": (
        lambda a, b: a * b,
        lambda g, a, b: (g * b, g * a),
        (draw(2, 3, 4), draw(4)),
        "missing_sum",
    ),
    "the first sample's": (
        lambda a, b: a * b,
        lambda g, a, b: (g * b, (g * a)[0].sum(0)),
        (draw(2, 3, 4), draw(4)),
        "missing_sum",
    ),
    "kept axis": (np.sum, lambda g, x: (g * np.ones_like(x))[None], (draw(4),), "kept_dims"),
    "kept axis, wrong numbers": (np.sum, lambda g, x: (g * x)[None], (draw(4),), "kept_dims"),
    "N x N": (lambda x: x[:, 0] ** 2, lambda g, x: g * 2 * x, (draw(4, 1),), "n_by_n"),
    "reversed": (lambda x: x**2, lambda g, x: (2 * g * x)[::-1], (draw(6),), "permutation"),
    "rows shifted": (lambda x: x**2, lambda g, x: np.roll(2 * g * x, 1, axis=0), (X,), "permutation"),
    "order of memory": (lambda x: x.T.ravel() ** 3, lambda g, x: g.reshape(x.shape) * 3 * x**2, (X,), "unknown"),
    "flattened by columns": (lambda x: x.ravel(), lambda g, x: g.reshape(x.shape, order="F"), (X,), "permutation"),
    "any order": (np.sort, lambda g, x: g.copy(), (draw(7),), "permutation"),
    "exchanged": (np.divide, lambda g, a, b: (-g * a / b**2, g / b), (X, positive(5, 3)), "swapped"),
    "exchanged, other shapes": (np.matmul, lambda g, a, b: (a.T @ g, g @ b.T), (X, W), "swapped"),
    "written over": (average_rows, average_rows_backward, (draw(4, 2),), "overwritten"),
    "one use of two": (
        lambda x: np.concatenate([x, np.sin(x)]),
        lambda g, x: g[4:] * np.cos(x),
        (draw(4),),
        "overwritten",
    ),
    "skip path lost": (
        lambda x, W: x + np.tanh(x @ W),
        lambda g, x, W: tanh_layer_backward(g, x, W, lambda z: 1 - np.tanh(z) ** 2),
        (X, draw(3, 3)),
        "overwritten",
    ),
    "bias of one sample": (linear, lambda g, x, W, b: (g @ W.T, x.T @ g, g[-1].copy()), (X, W, B), "bias_gradient"),
    "bias summed too far": (
        linear,
        lambda g, x, W, b: (g @ W.T, x.T @ g, g.sum() * np.ones(4)),
        (X, W, B),
        "bias_gradient",
    ),
    "bias summed across": (linear, lambda g, x, W, b: (g @ W.T, x.T @ g, g.sum(1)), (X, W, B), "bias_gradient"),
    "x for y": (sigmoid, lambda g, x: g * x * (1 - x), (draw(5),), "forward_value"),
    "x for y in a layer": (
        tanh_layer,
        lambda g, x, W: tanh_layer_backward(g, x, W, lambda z: 1 - z**2),
        (X, W),
        "forward_value",
    ),
    "y for x": (np.log, lambda g, x: g / np.log(x), (positive(5),), "forward_value"),
    "x for y in a hidden layer": (
        lambda x, W, b, V: np.tanh(x @ W + b) @ V,
        lambda g, x, W, b, V: (
            *linear_backward((g @ V.T) * (1 - (x @ W + b) ** 2), x, W, b),
            np.tanh(x @ W + b).T @ g,
        ),
        (X, W, B, draw(4, 2)),
        "forward_value",
    ),
    "before the activation": (
        lambda x, W, V: np.tanh(x @ W) @ V,
        lambda g, x, W, V: (*tanh_layer_backward(g @ V.T, x, W, lambda z: 1 - np.tanh(z) ** 2), (x @ W).T @ g),
        (X, W, draw(4, 2)),
        "forward_value",
    ),
    "elementwise softmax": (softmax, lambda g, z: g * softmax(z) * (1 - softmax(z)), (X,), "softmax_diagonal"),
    "mean held": (
        layer_norm,
        lambda g, x: layer_norm_backward(g, x) + g.mean(1, keepdims=True) / x.std(1, keepdims=True),
        (draw(3, 5),),
        "unknown",  # 1e-5 under the root was forgotten, too
    ),
    "batched products": (
        matrix_product_of_batches,
        lambda g, a, b: (np.einsum("bik,bjk->bij", g, b), np.einsum("bij,bik->jk", a, g)[None] * np.ones((2, 1, 1))),
        (draw(2, 3, 4), draw(2, 4, 5)),
        "unknown",
    ),
}


@pytest.mark.parametrize("mistake", LAYERS)
def test_the_mistake_is_named(mistake):
    forward, backward, inputs, kind = LAYERS[mistake]
    report = check_backward(forward, backward, inputs)
    assert [reason.kind for reason in report.reasons][:1] == [kind], report


# --- Norms


def standardize(x, axes, eps=1e-5):
    centred = x - x.mean(axis=axes, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=axes, keepdims=True) + eps)
    return centred / deviation, deviation


NORMS = {  # axes, shape of x and of gamma
    "batch norm": (0, (6, 3), (3,)),
    "layer norm": (1, (4, 5), (5,)),
    "batch norm of images": ((0, 2, 3), (3, 2, 2, 2), (2, 1, 1)),
    "instance norm": ((2, 3), (3, 2, 2, 3), (2, 1, 1)),
}
HELD = {(1, 0): {"variance_constant"}, (0, 1): {"mean_constant"}, (0, 0): {"mean_constant", "variance_constant"}}


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("norm", NORMS)
def test_statistics_held_constant(norm, held):
    axes, shape, parameters = NORMS[norm]
    mean, variance = held

    def backward(g, x, gamma):
        h, deviation = standardize(x, axes)
        d = g * gamma
        dx = d - mean * d.mean(axes, keepdims=True) - variance * h * (d * h).mean(axes, keepdims=True)
        shared = (1,) * (x.ndim - gamma.ndim) + gamma.shape
        dgamma = (g * h).sum(tuple(a for a in range(x.ndim) if shared[a] == 1))
        return dx / deviation, dgamma.reshape(gamma.shape)

    inputs = (2 * draw(*shape) + 1, positive(*parameters))
    report = check_backward(lambda x, gamma: gamma * standardize(x, axes)[0], backward, inputs)
    found = {reason.kind for reason in report.reasons}
    assert found == HELD[held], report


# --- Convolution and pooling


def windows(x, k, stride):
    return np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))[:, :, ::stride, ::stride]


def put_back(parts, shape, stride, add=True):
    dx = np.zeros(shape)
    for p in range(parts.shape[2]):
        for q in range(parts.shape[3]):
            at = (slice(None), slice(None), slice(p * stride, p * stride + parts.shape[4]))
            at = (*at, slice(q * stride, q * stride + parts.shape[5]))
            dx[at] = parts[:, :, p, q] + (dx[at] if add else 0)
    return dx


def conv(x, w, b, stride=1):
    return np.einsum("ncpqij,fcij->nfpq", windows(x, w.shape[-1], stride), w) + b[:, None, None]


def conv_backward(g, x, w, _b, stride=1, add=True):
    dx = put_back(np.einsum("nfpq,fcij->ncpqij", g, w), x.shape, stride, add)
    return dx, np.einsum("nfpq,ncpqij->fcij", g, windows(x, w.shape[-1], stride)), g.sum((0, 2, 3))


def turned(w):
    return w[..., ::-1, ::-1]


def image(x, w):
    """A single image and a single kernel, as a first exercise has them."""
    return conv(x[None, None], w[None, None], np.zeros(1))[0, 0]


IMAGES = (draw(2, 3, 5, 6), draw(4, 3, 3, 3, seed=1), draw(4, seed=2))


def instead(position, change):
    """A backward pass in which `change` of (g, x, w, b) is returned for one of the inputs."""

    def backward(g, x, w, b):
        gradients = list(conv_backward(g, x, w, b))
        gradients[position] = change(g, x, w, b)
        return tuple(gradients)

    return backward


OVERLAPS = put_back(np.ones((1, 1, 3, 4, 3, 3)), (1, 1, 5, 6), 1)
CONVOLUTIONS = {
    "dx with the kernel turned": (
        instead(0, lambda g, x, w, b: conv_backward(g, x, turned(w), b)[0]),
        "kernel_not_flipped",
    ),
    "dw turned": (instead(1, lambda g, x, w, b: turned(conv_backward(g, x, w, b)[1])), "kernel_not_flipped"),
    "patches overwritten": (partial(conv_backward, add=False), "patches_overwritten"),
    "patches averaged": (instead(0, lambda g, x, w, b: conv_backward(g, x, w, b)[0] / OVERLAPS), "patches_overwritten"),
    "bias summed over N": (instead(2, lambda g, x, w, b: g.sum(0)), "bias_not_summed"),
    "bias averaged": (instead(2, lambda g, x, w, b: g.mean((0, 2, 3))), "bias_not_summed"),
    "bias of one pixel": (instead(2, lambda g, x, w, b: g[:, :, 0, 0].sum(0)), "bias_not_summed"),
    "bias not summed at all": (instead(2, lambda g, x, w, b: g.copy()), "bias_not_summed"),
    "dw divided by N": (instead(1, lambda g, x, w, b: conv_backward(g, x, w, b)[1] / 2), "factor"),
    "dw of the first sample": (instead(1, lambda g, x, w, b: conv_backward(g[:1], x[:1], w, b)[1]), "missing_sum"),
    "dw of another kernel": (instead(1, lambda g, x, w, b: conv_backward(g, x, w, b)[1][[1, 0, 3, 2]]), "permutation"),
}


@pytest.mark.parametrize("mistake", CONVOLUTIONS)
def test_convolution(mistake):
    backward, kind = CONVOLUTIONS[mistake]
    report = check_backward(conv, backward, IMAGES)
    assert report.reasons[0].kind == kind, report


def test_convolution_of_one_image():
    def backward(g, x, w):
        g = g[None, None]
        dx, dw, _ = conv_backward(g, x[None, None], turned(w)[None, None], np.zeros(1))
        return dx[0, 0], dw[0, 0]

    report = check_backward(image, backward, (draw(5, 6), draw(3, 3)))
    assert [reason.kind for reason in report.reasons] == ["kernel_not_flipped"], report


def test_a_convolution_with_many_outputs_is_looked_at_in_samples():
    inputs = (draw(2, 1, 12, 12), draw(4, 1, 3, 3, seed=1), draw(4, seed=2))
    report = check_backward(conv, lambda g, x, w, b: conv_backward(g, x, w, b, add=False), inputs)
    assert report.reasons[0].kind == "patches_overwritten", report


def max_pool(x):
    return windows(x, 2, 2).max((4, 5))


def pool_backward(choose):
    def backward(g, x):
        parts = windows(x, 2, 2)
        return put_back(
            choose(parts.reshape(*parts.shape[:4], 4)).reshape(parts.shape) * g[..., None, None], x.shape, 2
        )

    return backward


ONE_HOT = np.eye(4)
POOLS = {
    "upper left": (lambda p: np.broadcast_to(ONE_HOT[0], p.shape), "pool_wrong_corner"),
    "lower right": (lambda p: np.broadcast_to(ONE_HOT[3], p.shape), "pool_wrong_corner"),
    "the smallest": (lambda p: ONE_HOT[p.argmin(-1)], "pool_wrong_corner"),
    "row and column exchanged": (lambda p: ONE_HOT[[0, 2, 1, 3]][p.argmax(-1)], "pool_wrong_corner"),
    "shared by all four": (lambda p: np.full(p.shape, 0.25), "unknown"),
}


@pytest.mark.parametrize("mistake", POOLS)
def test_pooling(mistake):
    choose, kind = POOLS[mistake]
    report = check_backward(max_pool, pool_backward(choose), draw(2, 2, 4, 6))
    assert report.reasons[0].kind == kind, report


def test_pooling_with_ties():
    x = np.round(draw(2, 2, 4, 6))
    every = pool_backward(lambda p: p == p.max(-1, keepdims=True))
    report = check_backward(max_pool, every, x)
    assert [reason.kind for reason in report.reasons] == ["pool_every_tie"], report
    assert check_backward(max_pool, pool_backward(lambda p: ONE_HOT[p.argmax(-1)]), x).ok


# --- Functions of Tensors


@mg.primitive
def scaled_product(x, W):
    return 2 * x @ W


RULES = {
    "sign": (lambda g, _y, _x, W: -2 * g @ W.T, lambda g, _y, x, _W: 2 * x.T @ g),
    "factor": (lambda g, _y, _x, W: 2 * g @ W.T, lambda g, _y, x, _W: x.T @ g),
    "zero": (lambda g, _y, _x, W: 2 * g @ W.T, lambda g, _y, x, _W: 0 * (x.T @ g)),
    "permutation": (lambda g, _y, _x, W: 2 * g @ W.T, lambda g, _y, x, _W: 2 * (x.T @ g)[::-1]),
}


@pytest.mark.parametrize("mode", ["full", "fast"])
@pytest.mark.parametrize("kind", RULES)
def test_rules_of_the_engine(kind, mode):
    mg.rule(scaled_product, *RULES[kind])
    report = mg.gradcheck(scaled_product, (X, W), mode=mode, raise_on_failure=False)
    assert [reason.kind for reason in report.reasons] == [kind], report


def test_second_derivatives_have_reasons_too():
    def leaves_the_graph(g, _y, x, _W):
        return 2 * (x.data if isinstance(x, mg.Tensor) else x).T @ g

    mg.rule(scaled_product, lambda g, _y, _x, W: 2 * g @ W.T, leaves_the_graph)
    report = mg.gradcheck(scaled_product, (X, W), order=2, raise_on_failure=False)
    assert report.reasons[0].kind == "zero"
    assert report.reasons[0].startswith("second derivative: your gradient of input 0 (x) is zero everywhere")
    assert report.reasons[0].hint
