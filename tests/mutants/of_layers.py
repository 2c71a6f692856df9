"""Wrong backward passes of layers: elementwise, dense, broadcasting, indexing, norms, convolution, pooling."""

from __future__ import annotations

import numpy as np

from . import operations as ops
from .case import Draw, Mutant, Operation, changed, reordered
from .operations import patches, put_back, sigmoid, softmax, standardized


def negative(x):
    return -x


def zeros(x):
    return np.zeros_like(x)


def times(factor):
    return lambda x: factor * x


# --- Mistakes that any operation may have


def signs_factors_zeros(draw: Draw) -> list[Mutant]:
    mutants = []
    for op, only, which in [
        (ops.linear(draw(1)), None, "all gradients"),
        (ops.linear(draw(2)), 1, "dW"),
        (ops.divide(draw(3)), 1, "db"),
        (ops.softmax_layer(draw(4)), None, "dz"),
        (ops.batch_norm(draw(5)), 0, "dx"),
        (ops.conv2d(draw(6)), 1, "dW"),
    ]:
        mutants.append(op.mutant("sign", f"minus sign in {which}", changed(op.backward, negative, only)))
    for op, only, factor, mistake in [
        (ops.linear(draw(11)), 1, 1 / 5, "dW divided by N once more"),
        (ops.linear(draw(12)), 2, 1 / 5, "db divided by N"),
        (ops.elementwise(draw(13), "square"), None, 1 / 2, "the 2 forgotten"),
        (ops.mean_over(draw(14)), None, 15, "1/(N D) forgotten"),
        (ops.mean_over(draw(15), axis=0), None, 5, "1/N forgotten"),
        (ops.mean_over(draw(16), axis=1), None, 3 / 15, "divided by N D for D"),
        (ops.logsumexp(draw(17)), None, 1 / 4, "divided by K"),
        (ops.dropout(draw(18)), None, 0.6, "1/(1 - rate) forgotten"),
        (ops.average_pool(draw(19), size=(6, 10)), None, 4, "1/4 forgotten"),
        (ops.conv2d(draw(20), n=2), 1, 1 / 2, "dW averaged over N"),
        (ops.two_layers(draw(21)), None, 2.0, "everything added up twice"),
        (ops.elementwise(draw(22), "tanh"), None, 0.01, "the learning rate is in the gradient"),
        (ops.maximum_of_row(draw(23)), None, 1e-6, "a small learning rate is in the gradient"),
        (ops.gather(draw(24)), None, 1e-6, "a small learning rate is in the gradient"),
    ]:
        also = ("bias_gradient",) if mistake == "db divided by N" else ()
        mutants.append(op.mutant("factor", mistake, changed(op.backward, times(factor), only), also))
    for op, only, which in [
        (ops.linear(draw(31)), 0, "dx"),
        (ops.linear(draw(32)), 2, "db"),
        (ops.two_layers(draw(33)), 1, "dW1"),
        (ops.elementwise(draw(34), "sigmoid"), None, "everything"),
        (ops.batch_norm(draw(35)), 1, "dgamma"),
        (ops.conv2d(draw(36)), None, "everything"),
        (ops.multiply(draw(37)), 1, "db"),
    ]:
        mutants.append(op.mutant("zero", f"{which} left at zero", changed(op.backward, zeros, only)))
    return mutants


# --- Elementwise


def forward_values(draw: Draw) -> list[Mutant]:
    two, relu, log = ops.two_layers(draw(1)), ops.elementwise(draw(2), "relu"), ops.elementwise(draw(3), "log")
    root, exp = ops.elementwise(draw(4), "sqrt"), ops.elementwise(draw(5), "exp")
    logistic, tanh = ops.elementwise(draw(6), "sigmoid"), ops.elementwise(draw(7), "tanh")
    bn, ln, soft = ops.batch_norm(draw(8)), ops.layer_norm(draw(9)), ops.softmax_layer(draw(10))

    def two_with_z1(g, x, W1, b1, W2, b2):
        right = two.backward(g, x, W1, b1, W2, b2)
        return *right[:3], (x @ W1 + b1).T @ g, right[4]

    def norm_with_x(op):
        def backward(g, x, gamma, beta):
            dx, _, dbeta = op.backward(g, x, gamma, beta)
            return dx, (g * x).sum(axis=0), dbeta

        return op.mutant("forward_value", "dgamma with x for x-hat", backward)

    kind = "forward_value"
    return [
        tanh.mutant(kind, "1 - x**2", lambda g, x: g * (1 - x**2)),
        tanh.mutant(kind, "1 - tanh(y)**2", lambda g, x: g * (1 - np.tanh(np.tanh(x)) ** 2)),
        logistic.mutant(kind, "x (1 - x)", lambda g, x: g * x * (1 - x)),
        logistic.mutant(kind, "sigmoid'(y)", lambda g, x: g * sigmoid(sigmoid(x)) * (1 - sigmoid(sigmoid(x)))),
        exp.mutant(kind, "g * x for g * y", lambda g, x: g * x),
        root.mutant(kind, "g / (2 x) for g / (2 y)", lambda g, x: g / (2 * x)),
        log.mutant(kind, "g / y for g / x", lambda g, x: g / np.log(x)),
        relu.mutant(kind, "times the value, not the mask", lambda g, x: g * np.maximum(x, 0)),
        soft.mutant(kind, "the logits for p", lambda g, z: z * (g - (g * z).sum(axis=1, keepdims=True))),
        two.mutant(kind, "dW2 with z1 for a1", two_with_z1),
        norm_with_x(bn),
        norm_with_x(ln),
    ]


def softmax_mistakes(draw: Draw) -> list[Mutant]:
    soft, wide, lse = ops.softmax_layer(draw(1)), ops.softmax_layer(draw(2), n=3, k=6), ops.logsumexp(draw(3))

    def diagonal(g, z):
        p = softmax(z)
        return g * p * (1 - p)

    return [
        soft.mutant("softmax_diagonal", "g p (1 - p)", diagonal),
        wide.mutant("softmax_diagonal", "g p (1 - p)", diagonal),
        lse.mutant("sigmoid_factor", "p (1 - p) for p", lambda g, z: diagonal(g[:, None], z), ("softmax_diagonal",)),
    ]


# --- Dense layers


def dense(draw: Draw) -> list[Mutant]:
    lin, tall, square = ops.linear(draw(1)), ops.linear(draw(2), n=7, d=2, k=3), ops.linear(draw(3), n=5, d=4, k=4)
    mat, mat_square = ops.matmul(draw(4)), ops.matmul(draw(5), 3, 3, 3)
    two, shared, res = ops.two_layers(draw(6)), ops.shared_weights(draw(7)), ops.residual(draw(8))
    product, same = ops.multiply(draw(9)), ops.divide(draw(10))

    def with_dw(change):
        return lambda g, x, W, b: (g @ W.T, change(x.T @ g), g.sum(axis=0))

    def with_db(change):
        return lambda g, x, W, b: (g @ W.T, x.T @ g, change(g))

    def two_with(position, change):
        return changed(two.backward, change, position)

    def without_mask(g, x, W1, b1, W2, _b2):
        g1 = g @ W2.T
        return g1 @ W1.T, x.T @ g1, g1.sum(axis=0), np.maximum(x @ W1 + b1, 0).T @ g, g.sum(axis=0)

    def mask_of_gradient(g, x, W1, b1, W2, _b2):
        g1 = g @ W2.T
        g1 = g1 * (g1 > 0)
        return g1 @ W1.T, x.T @ g1, g1.sum(axis=0), np.maximum(x @ W1 + b1, 0).T @ g, g.sum(axis=0)

    def shared_one(which):
        def backward(g, x, W):
            a = np.tanh(x @ W)
            g1 = (g @ W.T) * (1 - a**2)
            return g1 @ W.T, (x.T @ g1, a.T @ g)[which]

        return backward

    return [
        lin.mutant("transpose", "dW = g.T @ x", with_dw(np.transpose)),
        tall.mutant("transpose", "dW = g.T @ x", with_dw(np.transpose)),
        square.mutant("transpose", "dW = g.T @ x, W square", with_dw(np.transpose)),
        square.mutant("transpose", "dx = g @ W, W square", lambda g, x, W, b: (g @ W, x.T @ g, g.sum(axis=0))),
        mat.mutant("transpose", "dB = g.T @ A", lambda g, A, B: (g @ B.T, g.T @ A)),
        mat_square.mutant("transpose", "dA = B @ g.T", lambda g, A, B: (B @ g.T, A.T @ g)),
        two.mutant("transpose", "dW2 = g.T @ a1", two_with(3, np.transpose)),
        lin.mutant("missing_sum", "db = g", with_db(lambda g: g)),
        tall.mutant("missing_sum", "db = g", with_db(lambda g: g)),
        two.mutant(
            "missing_sum",
            "db2 = g",
            lambda g, *inputs: (*two.backward(g, *inputs)[:4], g),
        ),
        lin.mutant("kept_dims", "db = g.sum(axis=0, keepdims=True)", with_db(lambda g: g.sum(axis=0, keepdims=True))),
        tall.mutant("kept_dims", "db = g.sum(axis=0, keepdims=True)", with_db(lambda g: g.sum(axis=0, keepdims=True))),
        two.mutant("kept_dims", "db1 is (1, H)", two_with(2, lambda db: db[None])),
        lin.mutant("bias_gradient", "db = g.sum(axis=1)", with_db(lambda g: g.sum(axis=1))),
        square.mutant("bias_gradient", "db = g[0]", with_db(lambda g: g[0].copy())),
        ops.linear(draw(11), n=4, d=3, k=4).mutant(
            "bias_gradient", "db = g.sum(axis=1), N = K", with_db(lambda g: g.sum(axis=1))
        ),
        tall.mutant("bias_gradient", "db = g.sum()", with_db(lambda g: np.full(g.shape[1], g.sum()))),
        lin.mutant("bias_gradient", "db of the last sample", with_db(lambda g: g[-1].copy())),
        product.mutant("swapped", "da = g a, db = g b", lambda g, a, b: (g * a, g * b)),
        mat_square.mutant("swapped", "dA and dB exchanged", lambda g, A, B: (A.T @ g, g @ B.T)),
        mat.mutant("swapped", "dA and dB exchanged", lambda g, A, B: (A.T @ g, g @ B.T)),
        same.mutant("swapped", "da and db exchanged", lambda g, a, b: (-g * a / b**2, g / b)),
        lin.mutant("swapped", "returns dW, dx, db", reordered(lin.backward, 1, 0, 2)),
        two.mutant("swapped", "db1 and db2 exchanged", reordered(two.backward, 0, 1, 4, 3, 2)),
        shared.mutant("overwritten", "dW of the second use alone", shared_one(1)),
        shared.mutant("overwritten", "dW of the first use alone", shared_one(0)),
        res.mutant(
            "overwritten",
            "the path through tanh alone",
            lambda g, x, W: (res.backward(g, x, W)[0] - g, res.backward(g, x, W)[1]),
        ),
        res.mutant("overwritten", "the skip path alone", lambda g, x, W: (g, res.backward(g, x, W)[1])),
        two.mutant("unknown", "relu's mask forgotten", without_mask),
        two.mutant("unknown", "relu's mask taken of the gradient", mask_of_gradient),
    ]


# --- Broadcasting, sums, indexing


def broadcasting(draw: Draw) -> list[Mutant]:
    row, scale, column = ops.add_row(draw(1)), ops.scale_columns(draw(2)), ops.add_column(draw(3))
    mean0, sum0, sum_square = ops.mean_over(draw(4), 0), ops.sum_over(draw(5), 0), ops.sum_over(draw(6), 1, 4, 4)
    mean, soft, largest = ops.mean_over(draw(7)), ops.softmax_layer(draw(8)), ops.maximum_of_row(draw(9))
    order, table = ops.sort_rows(draw(10)), ops.gather(draw(11))
    short = ops.gather(draw(12), rows=4, d=2, index=(1, 1, 3, 0, 3, 3))
    flat = Operation(
        "reshape of the transpose",
        lambda x: x.T.reshape(-1),
        lambda g, x: g.reshape(x.shape[::-1]).T.copy(),
        (draw(13).normal(size=(4, 3)),),
    )

    def assigned(index):
        def backward(g, table):
            grad = np.zeros_like(table)
            grad[list(index)] = g
            return grad

        return backward

    def buffered(g, table):
        grad = np.zeros_like(table)
        grad[[2, 0, 2, 5, 2]] += g
        return grad

    return [
        row.mutant("missing_sum", "drow = g", lambda g, x, row: (g, g.copy())),
        scale.mutant("missing_sum", "drow = g x", lambda g, x, row: (g * row, g * x)),
        column.mutant("missing_sum", "dcolumn = g", lambda g, x, column: (g, g.copy())),
        row.mutant("kept_dims", "drow is (1, D)", lambda g, x, row: (g, g.sum(axis=0, keepdims=True))),
        scale.mutant("kept_dims", "drow is (1, D)", lambda g, x, row: (g * row, (g * x).sum(axis=0, keepdims=True))),
        column.mutant("kept_dims", "dcolumn is (N,)", lambda g, x, column: (g, g.sum(axis=1))),
        scale.mutant("missing_sum", "drow of the first sample", lambda g, x, row: (g * row, (g * x)[0])),
        mean0.mutant("cotangent", "1/N without g", lambda g, x: np.ones_like(x) / len(x)),
        sum0.mutant("cotangent", "ones without g", lambda g, x: np.ones_like(x)),
        mean.mutant("cotangent", "1/(N D) without g", lambda g, x: np.ones_like(x) / x.size),
        soft.mutant("cotangent", "p (1 - p) without g", lambda g, z: softmax(z) * (1 - softmax(z))),
        sum_square.mutant("transpose", "g spread along the wrong axis", lambda g, x: g[None, :] * np.ones_like(x)),
        order.mutant("permutation", "g not sorted back", lambda g, x: g.copy()),
        order.mutant(
            "permutation", "sorted by the order, not by its inverse",
            lambda g, x: np.take_along_axis(g, x.argsort(axis=1), axis=1),
        ),
        flat.mutant("permutation", "reshape for transpose", lambda g, x: g.reshape(x.shape)),
        largest.mutant(
            "permutation", "g at the smallest entry",
            lambda g, x: g[:, None] * (x == x.min(axis=1, keepdims=True)),
        ),
        table.mutant("overwritten", "grad[index] = g", assigned((2, 0, 2, 5, 2))),
        table.mutant("overwritten", "grad[index] += g", buffered),
        short.mutant("overwritten", "grad[index] = g", assigned((1, 1, 3, 0, 3, 3))),
    ]  # fmt: skip


# --- Norms


def norms(draw: Draw) -> list[Mutant]:
    mutants = []
    for op, axes in [
        (ops.batch_norm(draw(1)), 0),
        (ops.layer_norm(draw(2)), 1),
        (ops.batch_norm_images(draw(3)), (0, 2, 3)),
    ]:

        def wrong(mean, variance, axes=axes, op=op):
            def backward(g, x, gamma, beta):
                x_hat, deviation = standardized(x, axes)
                gh = g * gamma
                dx = gh - mean * gh.mean(axes, keepdims=True)
                dx = dx - variance * x_hat * (gh * x_hat).mean(axes, keepdims=True)
                return dx / deviation, *op.backward(g, x, gamma, beta)[1:]

            return backward

        mutants += [
            op.mutant("mean_constant", "mean held constant", wrong(0, 1)),
            op.mutant("variance_constant", "variance held constant", wrong(1, 0)),
        ]
        if op.name != "layer norm":
            both = ("variance_constant", "both held constant", wrong(0, 0), ("mean_constant",))
            mutants.append(op.mutant(*both))
    simple = ops.standardize(draw(4))

    def simple_wrong(mean, variance):
        def backward(g, x):
            x_hat, deviation = standardized(x, 0)
            return (g - mean * g.mean(axis=0) - variance * x_hat * (g * x_hat).mean(axis=0)) / deviation

        return backward

    bn, images, ln = ops.batch_norm(draw(5)), ops.batch_norm_images(draw(6)), ops.layer_norm(draw(7))

    def no_gamma(g, x, gamma, beta):
        return bn.backward(g, x, np.ones_like(gamma), beta)

    def population(g, x, gamma, beta):
        """The sum over N - 1 for the mean, in the terms of mean and variance."""
        x_hat, deviation = standardized(x, 0)
        gh, m = g * gamma, len(x) - 1
        dx = (gh - gh.sum(axis=0) / m - x_hat * (gh * x_hat).sum(axis=0) / m) / deviation
        return dx, *bn.backward(g, x, gamma, beta)[1:]

    return [
        *mutants,
        simple.mutant("mean_constant", "mean held constant", simple_wrong(0, 1)),
        simple.mutant("variance_constant", "variance held constant", simple_wrong(1, 0)),
        bn.mutant("missing_sum", "dbeta = g", lambda g, *rest: (*bn.backward(g, *rest)[:2], g.copy())),
        ln.mutant(
            "missing_sum", "dgamma = g x-hat",
            lambda g, x, gamma, beta: (
                ln.backward(g, x, gamma, beta)[0], g * standardized(x, 1)[0], ln.backward(g, x, gamma, beta)[2],
            ),
        ),
        images.mutant("kept_dims", "dbeta is (C,)", changed(images.backward, np.ravel, 2)),
        bn.mutant(
            "swapped", "dgamma and dbeta exchanged",
            reordered(bn.backward, 0, 2, 1),
        ),
        bn.mutant("unknown", "gamma forgotten in dx", no_gamma),
        bn.mutant("unknown", "N - 1 for N", population),
    ]  # fmt: skip


# --- Convolution and pooling


def flipped(W):
    return W[:, :, ::-1, ::-1]


def convolution(draw: Draw) -> list[Mutant]:
    mutants = []
    for op, stride, padding in [
        (ops.conv2d(draw(1)), 1, 0),
        (ops.conv2d(draw(2), n=3, c=1, f=2, kernel=(3, 3), padding=1), 1, 1),
        (ops.conv2d(draw(3), n=2, c=2, f=3, size=(6, 7), kernel=(3, 3), stride=2), 2, 0),
    ]:

        def not_flipped(g, x, W, b, op=op):
            right = op.backward(g, x, W, b)
            return op.backward(g, x, flipped(W), b)[0], *right[1:]

        def overwritten(g, x, W, b, op=op, stride=stride, padding=padding):
            parts = np.einsum("nfhw,fcij->nchwij", g, W)
            dx = np.zeros_like(ops.padded(x, padding))
            for i in range(W.shape[2]):
                for j in range(W.shape[3]):
                    rows = slice(i, i + stride * g.shape[2], stride)
                    dx[:, :, rows, j : j + stride * g.shape[3] : stride] = parts[..., i, j]
            return ops.without(padding, dx), *op.backward(g, x, W, b)[1:]

        mutants += [
            op.mutant("kernel_not_flipped", "dx correlates with the kernel upside down", not_flipped),
            op.mutant("patches_overwritten", "patches put back with =", overwritten),
        ]
    plain, strided = ops.conv2d(draw(4)), ops.conv2d(draw(5), size=(7, 6), kernel=(3, 2), stride=2)
    wide = ops.conv2d(draw(6), n=3, c=2, f=3, size=(4, 4), kernel=(3, 3), padding=1)

    def window_by_window(g, x, W, b):
        """As a loop over places writes it, with = for +=."""
        dx = np.zeros_like(x)
        for h in range(g.shape[2]):
            for w in range(g.shape[3]):
                dx[:, :, h : h + 3, w : w + 2] = np.einsum("nf,fcij->ncij", g[:, :, h, w], W)
        return dx, *plain.backward(g, x, W, b)[1:]

    def with_db(op, change):
        return lambda g, *inputs: (*op.backward(g, *inputs)[:2], change(g))

    return [
        *mutants,
        plain.mutant("patches_overwritten", "windows put back with =", window_by_window),
        plain.mutant(
            "kernel_not_flipped", "dW turned upside down",
            changed(plain.backward, lambda dW: flipped(dW).copy(), 1), ("permutation",),
        ),
        plain.mutant("bias_not_summed", "db = g summed over N", with_db(plain, lambda g: g.sum(axis=0))),
        plain.mutant("bias_not_summed", "db of the first sample", with_db(plain, lambda g: g[0].sum(axis=(1, 2)))),
        strided.mutant(
            "bias_not_summed", "db of the first place", with_db(strided, lambda g: g[:, :, 0, 0].sum(axis=0))
        ),
        strided.mutant("bias_not_summed", "db = g summed over H, W", with_db(strided, lambda g: g.sum(axis=(2, 3)))),
        wide.mutant("bias_not_summed", "db = g", with_db(wide, lambda g: g.copy())),
        wide.mutant(
            "bias_not_summed", "db = mean over N, H, W", with_db(wide, lambda g: g.mean(axis=(0, 2, 3))), ("factor",)
        ),
        plain.mutant(
            "swapped", "returns dW, dx, db", reordered(plain.backward, 1, 0, 2)
        ),
        wide.mutant(
            "shape", "dx with its padding",
            lambda g, x, W, b: (ops.padded(wide.backward(g, x, W, b)[0], 1), *wide.backward(g, x, W, b)[1:]),
        ),
    ]  # fmt: skip


def pooling(draw: Draw) -> list[Mutant]:
    def every(op, kernel, stride):
        def backward(g, x):
            parts = patches(x, *kernel, stride)
            return put_back(g[..., None, None] * (parts == parts.max(axis=(4, 5), keepdims=True)), x.shape, stride)

        return op.mutant("pool_every_tie", "g to every largest entry", backward)

    def corner(op, kernel, stride, place, mistake):
        """`place(flat)` says which entry of each window gets g."""

        def backward(g, x):
            parts = patches(x, *kernel, stride)
            flat = parts.reshape(*parts.shape[:4], -1)
            chosen = np.broadcast_to(place(flat), flat.shape[:-1])[..., None] == np.arange(flat.shape[-1])
            return put_back((g[..., None] * chosen).reshape(parts.shape), x.shape, stride)

        return op.mutant("pool_wrong_corner", mistake, backward)

    def assigned(g, x):
        parts = patches(x, 3, 3, 1)
        dx = np.zeros_like(x)
        for h in range(g.shape[2]):
            for w in range(g.shape[3]):
                part = parts[:, :, h, w]
                dx[:, :, h : h + 3, w : w + 3] = g[:, :, h, w, None, None] * (
                    part == part.max(axis=(2, 3), keepdims=True)
                )
        return dx

    def average_assigned(g, x):
        dx = np.zeros_like(x)
        for h in range(g.shape[2]):
            for w in range(g.shape[3]):
                dx[:, :, 2 * h : 2 * h + 3, 2 * w : 2 * w + 3] = g[:, :, h, w, None, None] / 9
        return dx

    tied = np.array([[[[3.0, 1, 2, 0], [0, 3, 1, 1.5]], [[1, 0, 4, 4], [0.5, 0.25, 2, 3]]]])
    after_relu = np.maximum(draw(1).normal(size=(2, 1, 4, 6)).round(2), 0)
    after_relu[0, 0, 2:, 4:] = 0
    row = np.array([[[[0.0, 2.5, 2.5, 1, 7, 7, 7, 6]]]])
    small, two = ops.max_pool(draw(2)), ops.max_pool(draw(3), kernel=(2, 3), stride=2, size=(4, 7))
    overlapping = ops.max_pool(draw(4), size=(5, 5), kernel=(3, 3), stride=1)
    average = ops.average_pool(draw(5), size=(5, 7), kernel=(3, 3), stride=2)
    pools = {"tied": ops.max_pool(draw(0), x=tied), "relu": ops.max_pool(draw(0), x=after_relu)}
    return [
        every(pools["tied"], (2, 2), 2),
        every(pools["relu"], (2, 2), 2),
        every(ops.max_pool(draw(0), x=row, kernel=(1, 2), stride=1), (1, 2), 1),
        corner(small, (2, 2), 2, lambda flat: 0, "g to the first corner"),
        corner(small, (2, 2), 2, lambda flat: 3, "g to the last corner"),
        corner(two, (2, 3), 2, lambda flat: flat.argmin(axis=-1), "g to the smallest entry"),
        corner(
            two, (2, 3), 2, lambda flat: flat.argmax(-1) // 2 + flat.argmax(-1) % 2 * 3, "rows and columns exchanged"
        ),
        corner(overlapping, (3, 3), 1, lambda flat: 4, "g to the middle"),
        corner(small, (2, 2), 2, lambda flat: (flat.argmax(axis=-1) + 1) % 4, "one off"),
        overlapping.mutant("patches_overwritten", "windows put back with =", assigned),
        average.mutant("patches_overwritten", "windows put back with =", average_assigned),
    ]


# --- What the checker sees without knowing the function, and what fits no name


def plain_slips(draw: Draw) -> list[Mutant]:
    relu, tanh, lin = ops.elementwise(draw(1), "relu"), ops.elementwise(draw(2), "tanh"), ops.linear(draw(3))
    drop, exp, log = ops.dropout(draw(4)), ops.elementwise(draw(5), "exp"), ops.elementwise(draw(6), "log")
    logistic, conv, largest = ops.elementwise(draw(7), "sigmoid"), ops.conv2d(draw(8)), ops.maximum_of_row(draw(9))
    tied = Operation(
        "max with a tie", np.max, lambda g, x: g * (np.arange(x.size) == x.argmax()), (np.array([1.0, 3, 2, 3]),)
    )
    row_ties = Operation(
        "max over axis 1 with ties",
        lambda x: x.max(axis=1),
        lambda g, x: g[:, None] * (np.arange(x.shape[1]) == x.argmax(axis=1)[:, None]),
        (np.array([[2.0, 5, 5, 1], [0, -1, -3, -2], [4, 1, 2, 4]]),),
    )
    soft_plus = Operation(
        "softplus", lambda x: np.logaddexp(0, x), lambda g, x: g * sigmoid(x), (np.array([-1.0, 0.5, 800.0]),)
    )
    sine = Operation("sin(x) / x", np.sinc, lambda g, x: g * sinc_slope(x), (np.array([0.0, 0.3, 1.2]),))
    rng = draw(0)

    def sinc_slope(x):
        t = np.where(x == 0, 1.0, np.pi * x)
        return np.where(x == 0, 0.0, np.pi * (np.cos(t) / t - np.sin(t) / t**2))

    def sinc_naive(g, x):
        t = np.pi * x
        with np.errstate(all="ignore"):
            return g * np.pi * (np.cos(t) / t - np.sin(t) / t**2)

    def overflows(g, x):
        with np.errstate(all="ignore"):
            return g * np.exp(x) / (1 + np.exp(x))

    def in_place(g, x):
        g *= x > 0
        return g

    def spoils_x(g, x):
        np.tanh(x, out=x)
        return g * (1 - x**2)

    def one_entry(g, x, W, b):
        dx, dW, db = lin.backward(g, x, W, b)
        dW[1, 2] *= 1.7
        return dx, dW, db

    def noisy(g, x):
        return exp.backward(g, x) * (1 + 0.1 * draw(3).normal(size=x.shape))

    return [
        relu.mutant("modified", "g *= mask", in_place),
        tanh.mutant("modified", "x overwritten by tanh(x)", spoils_x),
        relu.mutant("dtype", "an array of integers", lambda g, x: (g * (x > 0)).astype(int)),
        tanh.mutant("dtype", "float32", lambda g, x: (g * (1 - np.tanh(x) ** 2)).astype(np.float32)),
        tied.mutant("ties", "g to both largest entries", lambda g, x: g * (x == x.max())),
        row_ties.mutant("ties", "g to every largest entry", lambda g, x: g[:, None] * (x == x.max(axis=1)[:, None])),
        soft_plus.mutant("nonfinite", "exp(x) / (1 + exp(x))", overflows),
        sine.mutant("nonfinite", "0 / 0 at 0", sinc_naive),
        lin.mutant("type", "a list", lambda *all: list(lin.backward(*all))),
        drop.mutant("shape", "the sum of dx", lambda g, x: np.sum(g * x)),
        lin.mutant("none", "dx not returned but None", changed(lin.backward, lambda _: None, 0)),
        lin.mutant("count", "dx is missing", lambda *all: lin.backward(*all)[1:]),
        drop.mutant("nondeterministic", "a new mask", lambda g, x: g * (rng.uniform(size=x.shape) > 0.4) / 0.6),
        logistic.mutant("cotangent", "the local derivative alone", lambda _g, x: sigmoid(x) * (1 - sigmoid(x))),
        tanh.mutant("unknown", "1 - y for 1 - y**2", lambda g, x: g * (1 - np.tanh(x))),
        log.mutant("unknown", "1 / x**2", lambda g, x: g / x**2),
        lin.mutant("unknown", "one entry of dW", one_entry),
        exp.mutant("unknown", "noise", noisy),
        drop.mutant("unknown", "a mask of its own", lambda g, x: g * (draw(9).uniform(size=x.shape) > 0.4) / 0.6),
        conv.mutant("missing_sum", "dW of the first sample", lambda g, x, W, b: (
            conv.backward(g, x, W, b)[0],
            conv.backward(g[:1], x[:1], W, b)[1],
            conv.backward(g, x, W, b)[2],
        )),
        largest.mutant("unknown", "shared among all entries", lambda g, x: g[:, None] * np.ones_like(x) / x.shape[1]),
    ]  # fmt: skip


MAKERS = [
    signs_factors_zeros, forward_values, softmax_mistakes, dense, broadcasting, norms, convolution, pooling,
    plain_slips,
]  # fmt: skip
