"""Layers as a student writes them in NumPy, with right backward passes, for any sizes and data."""

from __future__ import annotations

import numpy as np

from .case import Operation

EPSILON = 1e-5  # in the root of batch and layer norm

# --- Elementwise


def sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


ELEMENTWISE = {  # forward, derivative
    "relu": (lambda x: np.maximum(x, 0), lambda x: x > 0),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x))),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "exp": (np.exp, np.exp),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "log": (np.log, lambda x: 1 / x),
    "square": (np.square, lambda x: 2 * x),
}


def elementwise(rng, name, n=4, d=3):
    forward, derivative = ELEMENTWISE[name]
    x = rng.uniform(0.3, 3.0, (n, d)) if name in ("sqrt", "log") else rng.normal(size=(n, d))
    return Operation(name, forward, lambda g, x: g * derivative(x), (x,))


def multiply(rng, n=4, d=3):
    a, b = rng.normal(size=(2, n, d))
    return Operation("a * b", lambda a, b: a * b, lambda g, a, b: (g * b, g * a), (a, b))


def divide(rng, n=4, d=3):
    a, b = rng.normal(size=(n, d)), rng.uniform(0.5, 2.0, (n, d))
    return Operation("a / b", lambda a, b: a / b, lambda g, a, b: (g / b, -g * a / b**2), (a, b))


def dropout(rng, n=4, d=5, rate=0.4):
    """The mask is a given constant."""
    mask = (rng.uniform(size=(n, d)) > rate) / (1 - rate)
    mask[0, :2] = 0, 1 / (1 - rate)
    return Operation("dropout", lambda x: x * mask, lambda g, x: g * mask, (rng.normal(size=(n, d)),))


# --- Dense layers


def linear(rng, n=5, d=3, k=4):
    def backward(g, x, W, _b):
        return g @ W.T, x.T @ g, g.sum(axis=0)

    return Operation(
        "linear",
        lambda x, W, b: x @ W + b,
        backward,
        (rng.normal(size=(n, d)), rng.normal(size=(d, k)), rng.normal(size=k)),
    )


def matmul(rng, n=4, d=3, k=2):
    return Operation(
        "matmul", np.matmul, lambda g, A, B: (g @ B.T, A.T @ g), (rng.normal(size=(n, d)), rng.normal(size=(d, k)))
    )


def two_layers(rng, n=5, d=3, h=6, k=4):
    """relu(x W1 + b1) W2 + b2."""

    def forward(x, W1, b1, W2, b2):
        return np.maximum(x @ W1 + b1, 0) @ W2 + b2

    def backward(g, x, W1, b1, W2, _b2):
        z1 = x @ W1 + b1
        g1 = (g @ W2.T) * (z1 > 0)
        return g1 @ W1.T, x.T @ g1, g1.sum(axis=0), np.maximum(z1, 0).T @ g, g.sum(axis=0)

    return Operation(
        "two layers",
        forward,
        backward,
        (
            rng.normal(size=(n, d)), rng.normal(size=(d, h)), rng.normal(size=h),
            rng.normal(size=(h, k)), rng.normal(size=k),
        ),
    )  # fmt: skip


def shared_weights(rng, n=5, d=3):
    """tanh(x W) W: the same W twice."""

    def backward(g, x, W):
        a = np.tanh(x @ W)
        g1 = (g @ W.T) * (1 - a**2)
        return g1 @ W.T, x.T @ g1 + a.T @ g

    return Operation(
        "shared weights", lambda x, W: np.tanh(x @ W) @ W, backward, (rng.normal(size=(n, d)), rng.normal(size=(d, d)))
    )


def residual(rng, n=5, d=3):
    """x + tanh(x W)."""

    def backward(g, x, W):
        g1 = g * (1 - np.tanh(x @ W) ** 2)
        return g + g1 @ W.T, x.T @ g1

    return Operation(
        "residual", lambda x, W: x + np.tanh(x @ W), backward, (rng.normal(size=(n, d)), rng.normal(size=(d, d)))
    )


# --- Broadcasting, sums, indexing


def add_row(rng, n=5, d=3):
    return Operation(
        "x + row", np.add, lambda g, x, row: (g, g.sum(axis=0)), (rng.normal(size=(n, d)), rng.normal(size=d))
    )


def scale_columns(rng, n=5, d=3):
    return Operation(
        "x * row",
        np.multiply,
        lambda g, x, row: (g * row, (g * x).sum(axis=0)),
        (rng.normal(size=(n, d)), rng.normal(size=d)),
    )


def add_column(rng, n=5, d=3):
    return Operation(
        "x + column",
        np.add,
        lambda g, x, column: (g, g.sum(axis=1, keepdims=True)),
        (rng.normal(size=(n, d)), rng.normal(size=(n, 1))),
    )


def mean_over(rng, axis=None, n=5, d=3):
    """Mean over all entries, or over one axis."""
    count = {None: n * d, 0: n, 1: d}[axis]

    def backward(g, x):
        return np.broadcast_to(g if axis is None else np.expand_dims(g, axis), x.shape) / count

    name = "mean" if axis is None else f"mean over axis {axis}"
    return Operation(name, lambda x: x.mean(axis=axis), backward, (rng.normal(size=(n, d)),))


def sum_over(rng, axis=0, n=5, d=3):
    def backward(g, x):
        return np.expand_dims(g, axis) * np.ones_like(x)

    return Operation(f"sum over axis {axis}", lambda x: x.sum(axis=axis), backward, (rng.normal(size=(n, d)),))


def maximum_of_row(rng, n=4, d=5):
    """Largest entry of each row; no two are equal."""

    def backward(g, x):
        return g[:, None] * (x == x.max(axis=1, keepdims=True))

    return Operation("max over axis 1", lambda x: x.max(axis=1), backward, (rng.permutation(n * d).reshape(n, d) / 4,))


def sort_rows(rng, n=4, d=5):
    def backward(g, x):
        dx = np.zeros_like(x)
        np.put_along_axis(dx, x.argsort(axis=1), g, axis=1)
        return dx

    return Operation("sort", lambda x: np.sort(x, axis=1), backward, (rng.permutation(n * d).reshape(n, d) / 4,))


def logsumexp(rng, n=5, k=4):
    def forward(z):
        top = z.max(axis=1)
        return top + np.log(np.exp(z - top[:, None]).sum(axis=1))

    return Operation("logsumexp", forward, lambda g, z: g[:, None] * softmax(z), (rng.normal(size=(n, k)),))


def softmax_layer(rng, n=5, k=4):
    def backward(g, z):
        p = softmax(z)
        return p * (g - (g * p).sum(axis=1, keepdims=True))

    return Operation("softmax", softmax, backward, (rng.normal(size=(n, k)),))


def gather(rng, rows=6, d=3, index=(2, 0, 2, 5, 2)):
    """Rows of a table, as an embedding takes them; some are taken again."""
    index = np.asarray(index)

    def backward(g, table):
        grad = np.zeros_like(table)
        np.add.at(grad, index, g)
        return grad

    return Operation("embedding", lambda table: table[index], backward, (rng.normal(size=(rows, d)),))


# --- Norms


def standardized(x, axes):
    """x-hat and the standard deviation."""
    centred = x - x.mean(axis=axes, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=axes, keepdims=True) + EPSILON)
    return centred / deviation, deviation


def _norm(name, rng, shape, axes, parameters, others):
    """gamma x-hat + beta, the mean and variance taken over `axes`, gamma and beta shared over `others`."""

    def forward(x, gamma, beta):
        return gamma * standardized(x, axes)[0] + beta

    def backward(g, x, gamma, _beta):
        x_hat, deviation = standardized(x, axes)
        gh = g * gamma
        dx = (gh - gh.mean(axes, keepdims=True) - x_hat * (gh * x_hat).mean(axes, keepdims=True)) / deviation
        return dx, (g * x_hat).sum(others).reshape(parameters), g.sum(others).reshape(parameters)

    scale = rng.uniform(0.5, 2.0, parameters)
    return Operation(name, forward, backward, (1 + 1.5 * rng.normal(size=shape), scale, rng.normal(size=parameters)))


def batch_norm(rng, n=6, d=3):
    return _norm("batch norm", rng, (n, d), 0, (d,), 0)


def batch_norm_images(rng, n=3, c=2, h=2, w=4):
    return _norm("batch norm of images", rng, (n, c, h, w), (0, 2, 3), (1, c, 1, 1), (0, 2, 3))


def layer_norm(rng, n=4, d=5):
    return _norm("layer norm", rng, (n, d), 1, (d,), 0)


def standardize(rng, n=6, d=3):
    """Batch norm without gamma and beta."""

    def backward(g, x):
        x_hat, deviation = standardized(x, 0)
        return (g - g.mean(axis=0) - x_hat * (g * x_hat).mean(axis=0)) / deviation

    return Operation(
        "standardized columns", lambda x: standardized(x, 0)[0], backward, (1 + 1.5 * rng.normal(size=(n, d)),)
    )


# --- Convolution and pooling


def padded(x, padding):
    return np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])


def patches(x, height, width, stride):
    """(N, C, H', W', height, width): what lies under the kernel at each place."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (height, width), axis=(2, 3))
    return windows[:, :, ::stride, ::stride]


def put_back(parts, shape, stride):
    """Add the gradients of `patches` up where the patches came from."""
    dx = np.zeros(shape)
    high, wide, height, width = parts.shape[2:]
    for i in range(height):
        for j in range(width):
            dx[:, :, i : i + stride * high : stride, j : j + stride * wide : stride] += parts[..., i, j]
    return dx


def without(padding, x):
    return x[:, :, padding : x.shape[2] - padding, padding : x.shape[3] - padding]


def conv2d(rng, n=2, c=3, f=4, size=(5, 6), kernel=(3, 2), stride=1, padding=0):
    def forward(x, W, b):
        parts = patches(padded(x, padding), *kernel, stride)
        return np.einsum("nchwij,fcij->nfhw", parts, W, optimize=True) + b[:, None, None]

    def backward(g, x, W, _b):
        wide = padded(x, padding)
        dW = np.einsum("nchwij,nfhw->fcij", patches(wide, *kernel, stride), g, optimize=True)
        dparts = np.einsum("nfhw,fcij->nchwij", g, W, optimize=True)
        return without(padding, put_back(dparts, wide.shape, stride)), dW, g.sum(axis=(0, 2, 3))

    inputs = (rng.normal(size=(n, c, *size)), rng.normal(size=(f, c, *kernel)), rng.normal(size=f))
    return Operation(f"conv, stride {stride}, padding {padding}", forward, backward, inputs)


def max_pool(rng, n=2, c=2, size=(4, 6), kernel=(2, 2), stride=2, x=None):
    """`x` defaults to numbers of which no two are equal."""

    def backward(g, x):
        parts = patches(x, *kernel, stride)
        flat = parts.reshape(*parts.shape[:4], -1)
        first = flat.argmax(axis=-1)[..., None] == np.arange(flat.shape[-1])
        return put_back((g[..., None] * first).reshape(parts.shape), x.shape, stride)

    if x is None:
        x = rng.permutation(n * c * size[0] * size[1]).reshape(n, c, *size) / 4
    return Operation(
        f"max-pool {kernel}, stride {stride}",
        lambda x: patches(x, *kernel, stride).max(axis=(4, 5)),
        backward,
        (x,),
    )


def average_pool(rng, n=2, c=2, size=(4, 6), kernel=(2, 2), stride=2):
    area = kernel[0] * kernel[1]

    def backward(g, x):
        parts = np.broadcast_to(g[..., None, None], (*g.shape, *kernel)) / area
        return put_back(parts, x.shape, stride)

    return Operation(
        f"average-pool {kernel}, stride {stride}",
        lambda x: patches(x, *kernel, stride).mean(axis=(4, 5)),
        backward,
        (rng.normal(size=(n, c, *size)),),
    )
