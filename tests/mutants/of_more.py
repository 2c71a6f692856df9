"""Wrong backward passes of further operations and losses beyond the exercises.

Written when the recognisers had learned `of_others` too: of these, 73 of 78 were named at first, and 74 among the
first two.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from . import losses
from . import operations as ops
from .case import Draw, Mutant, Operation, changed, reordered
from .losses import of_label, one_hot
from .of_losses import COUNTS, PRIORS, costs, logits, scores, several
from .operations import patches, put_back, sigmoid, softmax, standardized


def more_layers(draw: Draw) -> Iterator[Mutant]:
    """Layers, norms and models."""
    images = draw(301).normal(size=(2, 3, 4, 3)) * 2 + 1

    def instance(mean, variance):
        def backward(g, x):
            x_hat, deviation = standardized(x, (2, 3))
            return (
                g - mean * g.mean((2, 3), keepdims=True) - variance * x_hat * (g * x_hat).mean((2, 3), keepdims=True)
            ) / deviation

        return backward

    norm = Operation("instance norm", lambda x: standardized(x, (2, 3))[0], instance(1, 1), (images,))
    yield norm.mutant("mean_constant", "mean held constant", instance(0, 1))
    yield norm.mutant("variance_constant", "variance held constant", instance(1, 0))
    yield norm.mutant("sign", "minus", changed(norm.backward, np.negative))
    bn = ops.batch_norm(draw(302), n=9, d=4)
    yield bn.mutant("factor", "dgamma divided by N", changed(bn.backward, lambda d: d / 9, 1))
    yield bn.mutant("zero", "dbeta", changed(bn.backward, np.zeros_like, 2))
    yield bn.mutant("unknown", "dgamma of the centred x", lambda g, x, gamma, beta: (
        bn.backward(g, x, gamma, beta)[0], (g * (x - x.mean(axis=0))).sum(axis=0), g.sum(axis=0)))  # fmt: skip

    a, b = draw(303).normal(size=(2, 4, 3))
    gate = Operation(
        "a sigmoid(b)",
        lambda a, b: a * sigmoid(b),
        lambda g, a, b: (g * sigmoid(b), g * a * sigmoid(b) * (1 - sigmoid(b))),
        (a, b),
    )
    yield gate.mutant("swapped", "da and db exchanged", reordered(gate.backward, 1, 0))
    yield gate.mutant("unknown", "db with tanh'", lambda g, a, b: (g * sigmoid(b), g * a * (1 - sigmoid(b) ** 2)))
    elu = Operation(
        "elu",
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        lambda g, x: g * np.where(x > 0, 1, np.exp(np.minimum(x, 0))),
        (a,),
    )
    yield elu.mutant("unknown", "exp(x) everywhere", lambda g, x: g * np.exp(x))
    decay = Operation("exp(-x)", lambda x: np.exp(-x), lambda g, x: -g * np.exp(-x), (a,))
    yield decay.mutant("sign", "the inner -1 forgotten", lambda g, x: g * np.exp(-x))
    A, B = draw(304).normal(size=(2, 3, 4, 4))
    batched = Operation(
        "batched matmul",
        np.matmul,
        lambda g, A, B: (g @ B.transpose(0, 2, 1), A.transpose(0, 2, 1) @ g),
        (A, B),
    )
    yield batched.mutant("transpose", "dA turned", changed(batched.backward, lambda d: d.transpose(0, 2, 1).copy(), 0))
    yield batched.mutant("swapped", "dA and dB exchanged", reordered(batched.backward, 1, 0))
    column, row = draw(305).normal(size=(5, 1)), draw(306).normal(size=3)
    product = Operation(
        "column * row",
        np.multiply,
        lambda g, c, r: ((g * r).sum(axis=1, keepdims=True), (g * c).sum(axis=0)),
        (column, row),
    )
    yield product.mutant("missing_sum", "drow = g column", lambda g, c, r: ((g * r).sum(axis=1, keepdims=True), g * c))
    yield product.mutant("missing_sum", "dcolumn = g row", lambda g, c, r: (g * r, (g * c).sum(axis=0)))
    yield product.mutant("kept_dims", "drow is (1, D)", changed(product.backward, lambda d: d[None], 1))
    bias = Operation(
        "images + (C, 1, 1)",
        np.add,
        lambda g, x, b: (g, g.sum(axis=(0, 2, 3))[:, None, None]),
        (images, draw(307).normal(size=(3, 1, 1))),
    )
    yield bias.mutant("missing_sum", "db = g", lambda g, x, b: (g, g.copy()), ("bias_not_summed",))
    yield bias.mutant("kept_dims", "db is (C,)", changed(bias.backward, np.ravel, 1))
    means = Operation(
        "mean over N, H, W",
        lambda x: x.mean(axis=(0, 2, 3)),
        lambda g, x: np.broadcast_to(g[:, None, None], x.shape) / 24,
        (images,),
    )
    yield means.mutant("factor", "1/(N H W) forgotten", changed(means.backward, lambda d: d * 24))
    yield means.mutant("factor", "1/N alone", changed(means.backward, lambda d: d * 12))

    W1, W2, x = draw(308).normal(size=(3, 5)), draw(309).normal(size=(5, 2)), draw(310).normal(size=(6, 3))

    def mlp_backward(g, x, W1, W2):
        a1 = np.tanh(x @ W1)
        g1 = (g @ W2.T) * (1 - a1**2)
        return g1 @ W1.T, x.T @ g1, a1.T @ g

    def mlp_with_z(g, x, W1, W2):
        g1 = (g @ W2.T) * (1 - (x @ W1) ** 2)
        return g1 @ W1.T, x.T @ g1, mlp_backward(g, x, W1, W2)[2]

    mlp = Operation("tanh network", lambda x, W1, W2: np.tanh(x @ W1) @ W2, mlp_backward, (x, W1, W2))
    yield mlp.mutant("forward_value", "1 - z1**2", mlp_with_z)
    yield mlp.mutant(
        "forward_value", "dW2 with z1", lambda g, x, W1, W2: (*mlp_backward(g, x, W1, W2)[:2], (x @ W1).T @ g)
    )
    yield mlp.mutant("transpose", "dW1 turned", changed(mlp_backward, np.transpose, 1))
    yield mlp.mutant("unknown", "rows of dW1 squared", changed(mlp_backward, np.square, 1))
    yield mlp.mutant("permutation", "columns of dW2 exchanged", changed(mlp_backward, lambda d: d[:, ::-1].copy(), 2))

    drop = ops.dropout(draw(311), rate=0.25)
    yield drop.mutant("factor", "1/(1 - rate) twice", changed(drop.backward, lambda d: d / 0.75))
    table = ops.gather(draw(312), rows=5, d=2, index=(3, 3, 3))
    same = Operation(table.name + " of one row", *(table.forward, table.backward, table.inputs))

    def assigned(g, E):
        grad = np.zeros_like(E)
        grad[[3, 3, 3]] = g
        return grad

    # One row alone: that its sum is missing is as true.
    yield same.mutant("overwritten", "grad[index] = g", assigned, ("missing_sum",))
    rows = ops.gather(draw(313), rows=4, d=3, index=(0, 2, 3))
    yield rows.mutant("sign", "minus", changed(rows.backward, np.negative))
    lin = ops.linear(draw(314), n=6, d=4, k=4)
    yield lin.mutant("unknown", "dW + dW.T", changed(lin.backward, lambda d: d + d.T, 1))
    yield lin.mutant("unknown", "rounded", changed(lin.backward, lambda d: d.round(1), 1))
    yield lin.mutant("bias_gradient", "db = mean of all g", lambda g, x, W, b: (
        *lin.backward(g, x, W, b)[:2], np.full(4, g.mean())))  # fmt: skip
    yield lin.mutant("permutation", "rows of dW moved by one", changed(lin.backward, lambda d: np.roll(d, 1, 0), 1))

    conv = ops.conv2d(draw(315), n=2, c=2, f=3, size=(7, 7), kernel=(2, 3), stride=3)
    yield conv.mutant("kernel_not_flipped", "stride 3", lambda g, x, W, b: (
        conv.backward(g, x, W[:, :, ::-1, ::-1], b)[0], *conv.backward(g, x, W, b)[1:]))  # fmt: skip
    yield conv.mutant("zero", "dx", changed(conv.backward, np.zeros_like, 0))
    yield conv.mutant("sign", "minus in db", changed(conv.backward, np.negative, 2))
    yield conv.mutant("bias_not_summed", "db = g of the first image", lambda g, *r: (
        *conv.backward(g, *r)[:2], g[0].copy()))  # fmt: skip
    pool = ops.max_pool(draw(316), size=(5, 6), kernel=(3, 2), stride=1)

    def corner(g, x):
        parts = np.zeros_like(patches(x, 3, 2, 1))
        parts[..., 0, 0] = g
        return put_back(parts, x.shape, 1)

    yield pool.mutant("pool_wrong_corner", "g to the first corner", corner)
    flat = np.array([[[[1.0, 1, 0], [2, 2, 0.5], [2, 0.25, 3]]]])
    tied = ops.max_pool(draw(317), x=flat, kernel=(2, 2), stride=1)

    def every(g, x):
        parts = patches(x, 2, 2, 1)
        return put_back(g[..., None, None] * (parts == parts.max(axis=(4, 5), keepdims=True)), x.shape, 1)

    yield tied.mutant("pool_every_tie", "g to every largest entry", every)
    average = ops.average_pool(draw(318), size=(4, 4), kernel=(2, 2), stride=1)

    def overwritten(g, x):
        dx = np.zeros_like(x)
        for h in range(3):
            for w in range(3):
                dx[:, :, h : h + 2, w : w + 2] = g[:, :, h, w, None, None] / 4
        return dx

    yield average.mutant("patches_overwritten", "windows put back with =", overwritten)


def more_losses(draw: Draw) -> Iterator[Mutant]:
    """Losses, most of them with weights."""
    z, y = logits(draw(321), 11, 5)
    present = y % 4  # class 4 does not occur
    cw = np.array([3.0, 0.5, 1.2, 7.0, 2.0])
    absent = losses.cross_entropy(z, present, class_weight=cw, reduction="weighted_mean")
    for kind, factor in [("forgotten", 1), ("twice", absent.w**2), ("inverse", 1 / absent.w)]:
        yield absent.factor(f"weight_{kind}", f"weight {kind}, a class is missing", factor / absent.divisor)
    yield absent.factor("factor", "divided by the sum of class_weight", absent.w / cw.sum())
    yield absent.operation().mutant(
        "weight_on_label_only", "p - w e_y",
        absent.gradient(1 / absent.divisor, lambda z: softmax(z) - cw * one_hot(present, 5)),
    )  # fmt: skip
    yield absent.operation().mutant(
        "weight_by_column", "class_weight * slopes",
        absent.gradient(1 / absent.divisor, lambda z: cw * absent.slopes(z)),
    )  # fmt: skip
    for loss in (absent, losses.cross_entropy(z, y)):
        e, one = np.exp(z), one_hot(loss.labels, 5)
        for words, total in [("over axis 0", e.sum(axis=0)), ("over all", e.sum()), ("left out", 1.0)]:
            yield loss.slope("softmax_axis", f"softmax's sum {words}", lambda z, t=total, y=one: np.exp(z) / t - y)
        yield loss.slope("forward_value", "the logits for the probabilities", lambda z, y=one: z - y)
    equal = losses.cross_entropy(*logits(draw(322), 6, 4))
    yield equal.factor("factor", "sum of the means of 3 equal micro-batches", 3 / 6)
    ragged = losses.cross_entropy(
        *logits(draw(323), 12, 3), sample_weight=several(draw(323), 12), reduction="weighted_mean"
    )
    means = np.concatenate([
        np.full(len(rows), 1 / (3 * ragged.w[rows].sum())) for rows in np.split(np.arange(12), [5, 10])
    ])  # fmt: skip
    yield ragged.factor("micro_batch_means", "mean of the weighted means of 3", ragged.w * means)
    b, t = scores(draw(324), 7)
    bce = losses.binary_cross_entropy(b, t, sample_weight=several(draw(325)), reduction="sum")
    yield bce.factor("weight_inverse", "1 / w", 1 / bce.w)
    yield bce.factor("weight_of_other_samples", "w reversed", bce.w[::-1])
    yield bce.slope("not_through_softmax", "dl/dp", lambda z: (sigmoid(z) - t) / (sigmoid(z) * (1 - sigmoid(z))))
    yield bce.slope("unknown", "p alone", sigmoid)
    x, target = draw(326).normal(size=(2, 4, 4))
    rows = several(draw(327), 4)
    table = losses.Loss(
        "MSE of rows", lambda z: ((z - target) ** 2).sum(axis=1), lambda z: 2 * (z - target), x, sample_weight=rows
    )
    yield table.operation().mutant(
        "weight_by_column", "w (N,) along the columns, N = D", table.gradient(1 / 4, lambda z: rows * table.slopes(z))
    )
    yield table.factor("weight_twice", "w**2", rows**2 / 4)
    yield table.slope("factor", "the 2 forgotten", lambda z: z - target)
    cost = losses.expected_cost(*logits(draw(328), 8, 3), costs(draw(328), 3), sample_weight=several(draw(329), 8))
    yield cost.factor("weight_twice", "w**2", cost.w**2 / 8)
    yield cost.slope("label_column_only", "label alone", lambda z: one_hot(cost.labels, 3) * cost.slopes(z))
    yield cost.slope("sigmoid_factor", "times p (1 - p)", lambda z: cost.slopes(z) * softmax(z) * (1 - softmax(z)))
    for seed, gamma in [(331, 1), (332, 5)]:
        focal = losses.focal(*logits(draw(seed), 6, 3), gamma=gamma, class_weight=np.array([0.5, 2.0, 5.0]))

        def held(z, focal=focal, gamma=gamma):
            p = softmax(z)
            return ((1 - of_label(p, focal.labels)) ** gamma)[:, None] * (p - one_hot(focal.labels, 3))

        yield focal.slope("modulator_constant", "the modulator alone", held)
        yield focal.factor("weight_inverse", "1 / w", 1 / focal.w / 6)
    squared = losses.focal(*logits(draw(333)), gamma=2, class_weight=cw[:4])
    # With gamma = 2 the weight inside the modulator is the weight twice.
    yield squared.factor("weight_inside_modulator", "(w (1 - p))**2", squared.w**2 / 7, ("weight_twice",))
    warm = losses.adjusted(
        *logits(draw(334), 8, 3),
        name="temperature",
        divide=0.7,
        temperature=0.7,
        class_weight=np.array([0.5, 2.0, 5.0]),
    )
    yield warm.slope(
        "temperature_on_log_probabilities", "log p / T", lambda z: (softmax(z) - one_hot(warm.labels, 3)) / 0.7
    )
    yield warm.factor("weight_forgotten", "no weights", 1 / 8)
    ldam = losses.ldam(*logits(draw(335)), COUNTS)
    yield ldam.slope("unknown", "the margin forgotten", lambda z: 5 * (softmax(5 * z) - one_hot(ldam.labels, 4)))
    yield ldam.slope("label_column_only", "label alone", lambda z: one_hot(ldam.labels, 4) * ldam.slopes(z))
    moved = losses.adjusted(*logits(draw(336)), shift=np.log(PRIORS))
    yield moved.slope(
        "unknown", "the prior subtracted", lambda z: softmax(z - np.log(PRIORS)) - one_hot(moved.labels, 4)
    )
    yield moved.slope("unknown", "1 - p for p", lambda z: 1 - softmax(z) - one_hot(moved.labels, 4))
    f1 = losses.soft_f1(b, t)
    yield f1.mutant("sigmoid_factor", "p (1 - p) twice", lambda g, z: f1.backward(g, z) * sigmoid(z) * (1 - sigmoid(z)))
    yield f1.mutant("unknown", "the denominator held constant", lambda g, z: (
        -2 * g * t * sigmoid(z) * (1 - sigmoid(z)) / (sigmoid(z).sum() + t.sum())))  # fmt: skip

    x, W, bias = draw(337).normal(size=(11, 3)), draw(338).normal(size=(3, 5)), draw(339).normal(size=5)
    w = several(draw(340), 11)
    model = losses.classifier(x, y, W, bias, weights=w, reduction="mean", lam=0.4)
    right = model.backward
    yield model.mutant("missing_sum", "db = dz", lambda g, x, W, b: (
        *right(g, x, W, b)[:2], g * (w / 11)[:, None] * (softmax(x @ W + b) - one_hot(y, 5))))  # fmt: skip
    yield model.mutant("kept_dims", "db is (1, K)", changed(right, lambda d: d[None], 2))
    yield model.mutant("zero", "dx", changed(right, np.zeros_like, 0))
    yield model.mutant("l2_missing", "lam W forgotten", lambda g, x, W, b: (
        right(g, x, W, b)[0], right(g, x, W, b)[1] - g * 0.4 * W, right(g, x, W, b)[2]))  # fmt: skip
    yield model.mutant("cotangent", "without g", lambda g, x, W, b: right(1.0, x, W, b))
    learned = losses.learned_weights(z, y, w, "sum")
    yield learned.mutant("sign", "minus in dw", changed(learned.backward, np.negative, 1))
    yield learned.mutant("weight_twice", "dw = w l", changed(learned.backward, lambda d: d * w, 1))
    goal = draw(341).normal(size=5)
    residuals = Operation(
        "MSE of a column",
        lambda z: ((z[:, 0] - goal) ** 2).sum(),
        lambda g, z: 2 * g * (z - goal[:, None]),
        (draw(342).normal(size=(5, 1)),),
        {"reduction": "sum"},
    )
    yield residuals.mutant("n_by_n", "z - t is N x N", lambda g, z: 2 * g * (z - goal))
    yield residuals.mutant("n_by_n", "z - t is N x N, summed", lambda g, z: 2 * g * (z - goal).sum(1, keepdims=True))


MAKERS = [more_layers, more_losses]
