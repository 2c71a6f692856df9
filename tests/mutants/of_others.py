"""Wrong backward passes of operations, sizes and losses beyond the exercises.

Written when the recognisers already named every other mutant, to see whether they had learned the bank by heart: of
these, 80 of 89 were named at first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from . import losses
from . import operations as ops
from .case import Draw, Mutant, Operation, changed, reordered
from .losses import Loss, focal_factor, of_label, one_hot, softplus
from .of_losses import COUNTS, costs, logits, scores, several
from .operations import sigmoid, softmax


def layers(draw: Draw) -> Iterator[Mutant]:
    """Layers, norms and models."""
    x, y = draw(201).normal(size=(2, 6, 4))

    def log_softmax_backward(g, z):
        return g - softmax(z) * g.sum(axis=1, keepdims=True)

    log_soft = Operation("log-softmax", losses.log_softmax, log_softmax_backward, (x,))
    yield log_soft.mutant("sign", "p sum g - g", changed(log_softmax_backward, np.negative))
    yield log_soft.mutant("unknown", "g - p, without the sum", lambda g, z: g - softmax(z))
    yield log_soft.mutant("softmax_diagonal", "g (1 - p)", lambda g, z: g * (1 - softmax(z)))

    soft_plus = Operation("softplus", softplus, lambda g, x: g * sigmoid(x), (x,))
    yield soft_plus.mutant("forward_value", "sigmoid(y)", lambda g, x: g * sigmoid(softplus(x)))
    yield soft_plus.mutant("unknown", "1 - sigmoid(x)", lambda g, x: g * sigmoid(-x))
    yield soft_plus.mutant("cotangent", "sigmoid(x) without g", lambda g, x: sigmoid(x))

    def rms(x):
        return np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-5)

    def rms_backward(g, x):
        return (g - x * (g * x).mean(axis=1, keepdims=True) / rms(x) ** 2) / rms(x)

    rms_norm = Operation("RMS norm", lambda x: x / rms(x), rms_backward, (x,))
    yield rms_norm.mutant("variance_constant", "the root held constant", lambda g, x: g / rms(x))

    cube = Operation("cube", lambda x: x**3, lambda g, x: 3 * g * x**2, (x,))
    yield cube.mutant("unknown", "3 x", lambda g, x: 3 * g * x)
    yield cube.mutant("factor", "x**2", lambda g, x: g * x**2)
    size = Operation("abs", np.abs, lambda g, x: g * np.sign(x), (x,))
    yield size.mutant("unknown", "g alone", lambda g, x: g.copy())
    leaky = Operation(
        "leaky relu", lambda x: np.where(x > 0, x, 0.1 * x), lambda g, x: g * np.where(x > 0, 1, 0.1), (x,)
    )
    yield leaky.mutant("unknown", "slopes exchanged", lambda g, x: g * np.where(x > 0, 0.1, 1))
    yield leaky.mutant("unknown", "relu's mask", lambda g, x: g * (x > 0))
    larger = Operation("maximum", np.maximum, lambda g, a, b: (g * (a > b), g * (a < b)), (x, y))
    yield larger.mutant("swapped", "to the smaller one", lambda g, a, b: (g * (a < b), g * (a > b)))
    yield larger.mutant("zero", "b forgotten", changed(larger.backward, np.zeros_like, 1))
    spread = Operation("variance", lambda x: x.var(axis=0), lambda g, x: 2 * g * (x - x.mean(0)) / len(x), (x,))
    yield spread.mutant("factor", "1/N forgotten", lambda g, x: 2 * g * (x - x.mean(0)))
    yield spread.mutant("factor", "the 2 forgotten", lambda g, x: g * (x - x.mean(0)) / len(x))
    added = Operation("cumsum", lambda x: x.cumsum(1), lambda g, x: g[:, ::-1].cumsum(1)[:, ::-1], (x,))
    yield added.mutant("unknown", "cumsum of g, not from the end", lambda g, x: g.cumsum(axis=1))

    u, v = draw(202).normal(size=3), draw(203).normal(size=5)
    outer = Operation("outer product", np.outer, lambda g, u, v: (g @ v, u @ g), (u, v))
    yield outer.mutant("missing_sum", "du = g v", lambda g, u, v: (g * v, u @ g))
    a, b = draw(204).normal(size=(4, 3)), draw(205).normal(size=(4, 3))
    joined = Operation(
        "concatenation", lambda a, b: np.concatenate([a, b]), lambda g, a, b: (g[:4].copy(), g[4:].copy()), (a, b)
    )
    yield joined.mutant("swapped", "halves exchanged", reordered(joined.backward, 1, 0))

    A = draw(206).normal(size=(4, 4))
    bilinear = Operation(
        "bilinear x A y",
        lambda x, A, y: ((x @ A) * y).sum(axis=1),
        lambda g, x, A, y: ((g[:, None] * y) @ A.T, (g[:, None] * x).T @ y, (x @ A) * g[:, None]),
        (x, A, y),
    )
    yield bilinear.mutant("transpose", "dA = y.T (g x)", changed(bilinear.backward, lambda dA: dA.T.copy(), 1))
    yield bilinear.mutant("swapped", "dx and dy exchanged", reordered(bilinear.backward, 2, 1, 0))
    yield bilinear.mutant("sign", "minus in dy", changed(bilinear.backward, np.negative, 2))

    W = draw(207).normal(size=(4, 4)) / 2

    def tied_backward(g, x, W):
        return g @ W @ W.T, x.T @ (g @ W) + g.T @ (x @ W)

    tied = Operation("tied autoencoder", lambda x, W: x @ W @ W.T, tied_backward, (x, W))
    yield tied.mutant("overwritten", "the decoder's dW alone", lambda g, x, W: (g @ W @ W.T, g.T @ (x @ W)))

    def rnn(x, W):
        h = np.zeros_like(x[0])
        for row in x:
            h = np.tanh(h @ W + row)
        return h

    def rnn_backward(g, x, W, only_last=False):
        states = [np.zeros_like(x[0])]
        for row in x:
            states.append(np.tanh(states[-1] @ W + row))
        dx, dW = np.zeros_like(x), np.zeros_like(W)
        for t in reversed(range(len(x))):
            g = g * (1 - states[t + 1] ** 2)
            dx[t] = g
            part = np.outer(states[t], g)
            dW = part if only_last else dW + part
            g = W @ g
        return dx, dW

    recurrent = Operation("recurrent", rnn, rnn_backward, (x[:3], W))
    yield recurrent.mutant("transpose", "dW turned", changed(rnn_backward, lambda dW: dW.T.copy(), 1))
    yield recurrent.mutant("sign", "minus in dW", changed(rnn_backward, np.negative, 1))

    Q, K, V = draw(208).normal(size=(3, 5, 5))

    def attention(Q, K, V):
        return softmax(Q @ K.T / 5**0.5) @ V

    def attention_backward(g, Q, K, V, diagonal=False):
        p = softmax(Q @ K.T / 5**0.5)
        dp = g @ V.T
        ds = dp * p * (1 - p) if diagonal else p * (dp - (dp * p).sum(axis=1, keepdims=True))
        return ds @ K / 5**0.5, ds.T @ Q / 5**0.5, p.T @ g

    attend = Operation("attention", attention, attention_backward, (Q, K, V))
    yield attend.mutant("swapped", "dQ and dK exchanged", reordered(attention_backward, 1, 0, 2))
    yield attend.mutant("factor", "1/sqrt(d) forgotten in dQ", changed(attention_backward, lambda d: d * 5**0.5, 0))
    yield attend.mutant(
        "unknown", "the largest entry of dV lost", changed(attention_backward, lambda d: d * (d < d.max()), 2)
    )

    lin = ops.linear(draw(209), n=32, d=10, k=3)
    yield lin.mutant("factor", "dW divided by the batch size", changed(lin.backward, lambda dW: dW / 32, 1))
    yield lin.mutant("unknown", "dW clipped", changed(lin.backward, lambda dW: np.clip(dW, -1, 1), 1))
    yield lin.mutant("unknown", "dW without its sign", changed(lin.backward, np.abs, 1))
    yield lin.mutant("unknown", "the sign of dW", changed(lin.backward, np.sign, 1))
    yield lin.mutant("unknown", "0.1 added to dW", changed(lin.backward, lambda dW: dW + 0.1, 1))
    yield lin.mutant(
        "unknown", "one row of dW lost", changed(lin.backward, lambda d: d * (np.arange(10) != 4)[:, None], 1)
    )

    def layer3(x, gamma, beta):
        return gamma * ops.standardized(x, 2)[0] + beta

    def layer3_backward(g, x, gamma, _beta):
        x_hat, deviation = ops.standardized(x, 2)
        gh = g * gamma
        dx = (gh - gh.mean(2, keepdims=True) - x_hat * (gh * x_hat).mean(2, keepdims=True)) / deviation
        return dx, (g * x_hat).sum(axis=(0, 1)), g.sum(axis=(0, 1))

    def layer3_wrong(g, x, gamma, beta):
        _, deviation = ops.standardized(x, 2)
        gh = g * gamma
        return ((gh - gh.mean(2, keepdims=True)) / deviation, *layer3_backward(g, x, gamma, beta)[1:])

    sequence = Operation(
        "layer norm of sequences", layer3, layer3_backward,
        (draw(210).normal(size=(2, 3, 5)), draw(211).uniform(0.5, 2, 5), draw(212).normal(size=5)),
    )  # fmt: skip
    yield sequence.mutant("variance_constant", "variance held constant", layer3_wrong)
    yield sequence.mutant(
        "missing_sum", "dgamma summed over N, not over time",
        lambda g, x, gamma, beta: (
            layer3_backward(g, x, gamma, beta)[0],
            (g * ops.standardized(x, 2)[0]).sum(axis=0),
            layer3_backward(g, x, gamma, beta)[2],
        ),
    )  # fmt: skip

    index = np.array([[0, 2], [2, 2], [1, 0]])

    def rows_backward(g, table):
        grad = np.zeros_like(table)
        np.add.at(grad, index, g)
        return grad

    def rows_assigned(g, table):
        grad = np.zeros_like(table)
        grad[index] = g
        return grad

    rows = Operation("embedding of sequences", lambda E: E[index], rows_backward, (draw(213).normal(size=(4, 3)),))
    yield rows.mutant("overwritten", "grad[index] = g", rows_assigned)

    pool = ops.average_pool(draw(214), size=(3, 5), kernel=(3, 5), stride=1)
    yield pool.mutant("factor", "1/(H W) forgotten", changed(pool.backward, lambda dx: 15 * dx))
    largest = ops.max_pool(draw(215), n=1, c=3, size=(6, 6), kernel=(3, 3), stride=3)

    def turned_windows(dx):
        windows = dx.reshape(1, 3, 2, 3, 2, 3)
        return windows[:, :, :, ::-1, :, ::-1].reshape(dx.shape)

    yield largest.mutant("sign", "minus", changed(largest.backward, np.negative))
    yield largest.mutant("unknown", "spread evenly", lambda g, x: np.kron(g, np.ones((3, 3))) / 9)
    yield largest.mutant(
        "pool_wrong_corner",
        "each window turned",
        lambda g, x: turned_windows(largest.backward(g, x)),
    )
    line = ops.conv2d(draw(216), n=3, c=2, f=5, size=(1, 9), kernel=(1, 4))
    yield line.mutant(
        "kernel_not_flipped", "1-D",
        lambda g, x, W, b: (line.backward(g, x, W[..., ::-1], b)[0], *line.backward(g, x, W, b)[1:]),
    )  # fmt: skip
    yield line.mutant("zero", "db", changed(line.backward, np.zeros_like, 2))
    yield line.mutant("factor", "all divided by N", changed(line.backward, lambda d: d / 3))
    two = ops.two_layers(draw(217), n=6, d=4, h=9, k=2)
    yield two.mutant("missing_sum", "db1 of the last sample", lambda g, x, *rest: (
        *two.backward(g, x, *rest)[:2],
        two.backward(g[-1:], x[-1:], *rest)[2],
        *two.backward(g, x, *rest)[3:],
    ))  # fmt: skip


def weighted(draw: Draw) -> Iterator[Mutant]:
    """Losses, most of them with weights."""
    z32, y32 = logits(draw(221), 32, 10)
    cw32 = draw(222).permutation(np.geomspace(0.3, 9, 10))
    large = losses.cross_entropy(z32, y32, class_weight=cw32, reduction="weighted_mean")
    w32, D = large.w, large.divisor
    yield large.factor("weight_forgotten", "no weights", 1 / D)
    yield large.factor("weight_twice", "w**2, over N", w32**2 / 32)
    yield large.factor("weight_inverse", "1 / w", 1 / w32 / D)
    yield large.slope(
        "unknown", "p_y as another weight", lambda z: of_label(softmax(z), y32)[:, None] * large.slopes(z)
    )
    yield large.factor("unknown", "sqrt(w)", np.sqrt(w32) / D)
    yield large.factor("unknown", "noise in each row", w32 / D * draw(223).uniform(0.5, 1.5, 32))
    bounds = [8, 16, 24]
    means = np.concatenate([np.full(len(rows), 1 / (4 * w32[rows].sum())) for rows in np.split(np.arange(32), bounds)])
    yield large.factor("micro_batch_means", "4 micro-batches of 8", w32 * means)
    ragged = losses.cross_entropy(*logits(draw(224), 14, 3))
    sizes = np.concatenate([np.full(n, n) for n in (4, 4, 4, 2)])
    yield ragged.factor("micro_batch_means", "4 micro-batches, the last smaller", 1 / (4 * sizes))
    yield ragged.factor("factor", "0.05, a learning rate, is in the gradient", 0.05 / 14)
    two = losses.cross_entropy(*logits(draw(225), 9, 2), class_weight=np.array([1.0, 10.0]), reduction="sum")
    yield two.factor("weight_twice", "w**2", two.w**2)
    yield two.factor("weight_forgotten", "no weights", 1)
    yield two.operation().mutant(
        "weight_by_column", "class_weight * slopes", two.gradient(1, lambda z: np.array([1.0, 10.0]) * two.slopes(z))
    )

    def focal_binary(z, t, gamma, alpha):
        """-alpha_t (1 - p_t)**gamma log p_t."""

        def factor(z):
            return focal_factor(sigmoid((2 * t - 1) * z), gamma)

        def values(z):
            p_t = sigmoid((2 * t - 1) * z)
            return -((1 - p_t) ** gamma) * np.log(p_t)

        cw = np.array([1 - alpha, alpha])
        return Loss("binary focal", values, lambda z: factor(z) * (sigmoid(z) - t), z, t, class_weight=cw, gamma=gamma)

    b, t = scores(draw(226), 8)
    focal = focal_binary(b, t, 2.0, 0.25)
    yield focal.slope(
        "modulator_constant", "(1 - p_t)**gamma (p - t)",
        lambda z: (1 - sigmoid((2 * t - 1) * z)) ** 2 * (sigmoid(z) - t),
    )  # fmt: skip
    yield focal.factor("weight_forgotten", "no alpha", 1 / 8)
    yield focal.factor("sign", "minus", -focal.w / 8)

    labels = (draw(227).uniform(size=(5, 3)) < 0.4).astype(int)
    cw = np.array([0.5, 3.0, 1.7])
    zz = draw(228).normal(size=(5, 3))
    many = Operation(
        "multi-label BCE",
        lambda z: (cw * (labels * softplus(-z) + (1 - labels) * softplus(z))).mean(),
        lambda g, z: g * cw * (sigmoid(z) - labels) / 15,
        (zz,),
        {"labels": labels, "weights": cw, "reduction": "mean"},
    )
    yield many.mutant("weight_forgotten", "no weights", lambda g, z: g * (sigmoid(z) - labels) / 15)
    yield many.mutant("weight_twice", "cw**2", lambda g, z: g * cw**2 * (sigmoid(z) - labels) / 15)
    yield many.mutant("factor", "1/K forgotten", lambda g, z: g * cw * (sigmoid(z) - labels) / 5)
    yield many.mutant(
        "sigmoid_factor", "times p (1 - p)",
        lambda g, z: g * cw * (sigmoid(z) - labels) * sigmoid(z) * (1 - sigmoid(z)) / 15,
    )  # fmt: skip

    x64, target = draw(229).normal(size=(2, 6, 4))
    six = several(draw(230), 6)
    images = Loss(
        "autoencoder MSE", lambda z: ((z - target) ** 2).mean(axis=1), lambda z: 2 * (z - target) / 4, x64,
        sample_weight=six, reduction="weighted_mean",
    )  # fmt: skip
    yield images.factor("weight_forgotten", "no weights", 1 / six.sum())
    yield images.factor("weight_of_other_samples", "w sorted", np.sort(six) / six.sum())
    yield images.factor("factor", "1/D forgotten", 4 * six / six.sum())
    yield images.slope("unknown", "the absolute error's slope", lambda z: np.sign(z - target))

    smooth = 0.85 * one_hot(y32, 10) + 0.015
    smoothed = Loss(
        "smoothed CE", lambda z: -(smooth * losses.log_softmax(z)).sum(1), lambda z: softmax(z) - smooth, z32, y32
    )
    yield smoothed.slope("unknown", "smoothing forgotten", lambda z: softmax(z) - one_hot(y32, 10))
    yield smoothed.factor("factor", "1/N forgotten", 1)

    z, y = logits(draw(231), 7, 4)

    def general(z):
        return (1 - of_label(softmax(z), y) ** 0.7) / 0.7

    def general_slopes(z):
        p = softmax(z)
        return (of_label(p, y) ** 0.7)[:, None] * (p - one_hot(y, 4))

    gce = Loss("generalised CE", general, general_slopes, z, y, sample_weight=several(draw(232)), reduction="sum")
    yield gce.slope("label_column_only", "the label's column alone", lambda z: one_hot(y, 4) * general_slopes(z))
    yield gce.factor("weight_forgotten", "no weights", 1.0)
    yield gce.slope("unknown", "cross-entropy's slope", lambda z: softmax(z) - one_hot(y, 4))
    yield gce.slope(
        "not_through_softmax", "dl/dp", lambda z: -one_hot(y, 4) * (of_label(softmax(z), y) ** -0.3)[:, None]
    )
    small = losses.expected_cost(*logits(draw(234), 6, 3), costs(draw(233), 3))
    yield losses.expected_cost(*logits(draw(235), 9, 5), costs(draw(235), 5), class_weight=several(draw(236), 5)).slope(
        "cost_transposed", "C.T for C",
        losses.expected_cost(*logits(draw(235), 9, 5), costs(draw(235), 5).T).slopes,
    )  # fmt: skip
    yield small.factor("sign", "minus", -1 / 6)
    vs = losses.adjusted(*logits(draw(237)), name="VS", divide=1.8, shift=np.log(COUNTS), temperature=1.8,
                         class_weight=several(draw(238), 4), reduction="weighted_mean")  # fmt: skip
    yield vs.factor("weight_twice", "w**2", vs.w**2 / vs.divisor)
    yield vs.factor("factor", "1/T forgotten", 1.8 * vs.w / vs.divisor)
    yield vs.operation().mutant(
        "weight_by_column",
        "class_weight * slopes",
        vs.gradient(1 / vs.divisor, lambda z: vs.class_weight * vs.slopes(z)),
    )
    untold = losses.cross_entropy(*logits(draw(239), 6, 3))
    silent = Operation(
        "cross-entropy, nothing told", untold.operation().forward, untold.operation().backward, (untold.z,)
    )
    yield silent.mutant("factor", "1/N forgotten", untold.gradient(1.0))
    yield silent.mutant("unknown", "rows scaled", untold.gradient(np.array([1, 2.3, 0.4, 1.1, 0.7, 3]) / 6))
    d, k = 3, 4
    x, W, b = draw(240).normal(size=(7, d)), draw(241).normal(size=(d, k)), draw(242).normal(size=k)
    model = losses.classifier(x, y, W, b, lam=0.2)
    right = model.backward
    yield model.mutant("unknown", "lam sign(W)", lambda g, x, W, b: (
        right(g, x, W, b)[0], right(g, x, W, b)[1] + g * 0.2 * (np.sign(W) - W), right(g, x, W, b)[2]))  # fmt: skip
    yield model.mutant("transpose", "dW turned", changed(right, np.transpose, 1))
    yield model.mutant("factor", "dx divided by N again", changed(right, lambda dx: dx / 7, 0))
    yield model.mutant("swapped", "returns dW, dx, db", reordered(right, 1, 0, 2))
    int_labels = Operation(
        "cross-entropy of z and y",
        lambda z, y: -of_label(losses.log_softmax(z), y).mean(),
        lambda g, z, y: (g * (softmax(z) - one_hot(y, 4)) / 7, None),
        (z, y), {"labels": y},
    )  # fmt: skip
    yield int_labels.mutant("label_column_only", "p_y - 1 alone", lambda g, z, y: (
        g * one_hot(y, 4) * (softmax(z) - 1) / 7, None))  # fmt: skip
    yield int_labels.mutant("sign", "e_y - p", lambda g, z, y: (g * (one_hot(y, 4) - softmax(z)) / 7, None))
    yield int_labels.mutant("unknown", "p without e_y", lambda g, z, y: (g * softmax(z) / 7, None))
    yield int_labels.mutant("unknown", "of the next label", lambda g, z, y: (
        g * (softmax(z) - one_hot((y + 1) % 4, 4)) / 7, None))  # fmt: skip


MAKERS = [layers, weighted]
