"""Wrong backward passes of losses: weights, reductions, and what each loss is known for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from . import losses
from .case import Draw, Mutant, Operation, changed
from .losses import Loss, focal_factor, of_label, one_hot
from .operations import sigmoid, softmax

CLASS_WEIGHTS = np.array([0.4, 2.5, 1.3, 4.0])
PRIORS = np.array([0.6, 0.22, 0.13, 0.05])
COUNTS = np.array([60.0, 22, 13, 5])


def logits(rng, n=7, k=4):
    """z and labels; every class is there and labels come in no order."""
    labels = rng.permutation(np.arange(n) % k)
    return 1.3 * rng.normal(size=(n, k)), labels


def scores(rng, n=6):
    """z and labels for two classes."""
    return 1.3 * rng.normal(size=n), rng.permutation(np.arange(n) % 3 == 0).astype(int)


def several(rng, n=7):
    """Weights, all different; neither their sum nor their mean is a round number."""
    return rng.permutation(np.linspace(0.3, 3.1, n))


def costs(rng, k=4):
    C = rng.uniform(0.3, 4.0, (k, k))
    np.fill_diagonal(C, 0)
    return C


def weighted_losses(draw: Draw) -> list[Loss]:
    """Losses, weights by class or by sample, and every reduction; N, K, sum w and their ratios all different."""
    z, y = logits(draw(1))
    small_z, small_y = logits(draw(2), 5, 3)
    b, t = scores(draw(3))
    x, target = draw(4).normal(size=(2, 6))
    two_values = np.where(np.arange(7) % 3 == 1, 5.0, 1.0)
    return [
        losses.cross_entropy(z, y, sample_weight=several(draw(11)), reduction="sum"),
        losses.cross_entropy(z, y, class_weight=CLASS_WEIGHTS),
        losses.cross_entropy(z, y, class_weight=CLASS_WEIGHTS, reduction="weighted_mean"),
        losses.cross_entropy(z, y, sample_weight=two_values, reduction="weighted_mean"),
        losses.cross_entropy(small_z, small_y, sample_weight=several(draw(12), 5)),
        losses.focal(*logits(draw(5)), gamma=2, class_weight=CLASS_WEIGHTS),
        losses.focal(*logits(draw(6)), gamma=0.5, sample_weight=several(draw(13)), reduction="weighted_mean"),
        losses.adjusted(*logits(draw(7)), shift=np.log(PRIORS), class_weight=CLASS_WEIGHTS, reduction="weighted_mean"),
        losses.expected_cost(*logits(draw(8)), costs(draw(8)), sample_weight=several(draw(14)), reduction="sum"),
        losses.binary_cross_entropy(b, t, sample_weight=several(draw(15), 6), reduction="weighted_mean"),
        losses.binary_cross_entropy(b, t, class_weight=np.array([0.7, 6.0])),
        losses.hinge(draw(16).normal(size=6) / 2, 2 * t - 1, sample_weight=several(draw(16), 6)),
        losses.mse(x, target, sample_weight=several(draw(17), 6), reduction="weighted_mean"),
        losses.huber(x, target, sample_weight=several(draw(18), 6), reduction="sum"),
    ]


def weights(draw: Draw) -> Iterator[Mutant]:
    """The factor of a sample: forgotten, twice, 1 / w, another's."""
    for loss in weighted_losses(draw):
        w, D = loss.w, loss.divisor
        yield loss.factor("weight_forgotten", "no weights", 1 / D)
        yield loss.factor("weight_twice", "w**2", w**2 / D)
        if len(np.unique(w)) > 2:
            yield loss.factor("weight_inverse", "1 / w", 1 / w / D)
        if loss.class_weight is None:
            yield loss.factor("weight_of_other_samples", "w shifted by one", np.roll(w, 1) / D)
        elif len(loss.class_weight) > 2:
            by_place = loss.class_weight[np.arange(len(w)) % len(loss.class_weight)]
            yield loss.factor("weight_of_other_samples", "class_weight[i], not class_weight[y_i]", by_place / D)


def more_weights(draw: Draw) -> Iterator[Mutant]:
    """The same, with other sums, weights of zero, pos_weight, and losses that were given."""
    z, y = logits(draw(21))
    n = len(z)
    w = several(draw(22))
    ce = losses.cross_entropy(z, y, sample_weight=w)
    whole = losses.cross_entropy(z, y, class_weight=CLASS_WEIGHTS, reduction="weighted_mean")
    zeros = losses.cross_entropy(z, y, sample_weight=np.where(np.arange(n) % 3 == 0, 0.0, w), reduction="weighted_mean")
    rare = losses.binary_cross_entropy(*scores(draw(23)), pos_weight=4.0)
    yield whole.factor("weight_forgotten", "neither w nor sum w", 1 / n)
    yield whole.factor("weight_twice", "w**2 / sum w**2", whole.w**2 / (whole.w**2).sum())
    yield whole.factor("weight_inverse", "1 / w, over its sum", 1 / whole.w / (1 / whole.w).sum())
    yield zeros.factor("weight_forgotten", "samples of weight 0 count", 1 / zeros.divisor)
    yield zeros.factor("weight_twice", "w**2, some zero", zeros.w**2 / zeros.divisor)
    yield ce.factor("weight_of_other_samples", "weights sorted", np.sort(w) / n)
    yield ce.factor("weight_of_other_samples", "weights reversed", w[::-1] / n)
    guess = CLASS_WEIGHTS[z.argmax(axis=1)]
    yield whole.factor("weight_of_other_samples", "class_weight of the prediction", guess / whole.divisor)
    yield rare.slope("weight_forgotten", "pos_weight forgotten", lambda z: sigmoid(z) - rare.labels)
    t = rare.labels
    yield rare.factor("weight_twice", "pos_weight twice", np.where(t == 1, 4.0, 1.0) / len(t))
    given = Loss(
        "given losses", lambda values: values, np.ones_like, draw(24).uniform(0.1, 3, n),
        sample_weight=w, reduction="weighted_mean",
    )  # fmt: skip
    for kind, factor in [("forgotten", 1.0), ("twice", w**2), ("inverse", 1 / w)]:
        yield given.factor(f"weight_{kind}", f"weight {kind}, of l itself", factor / given.divisor)


def by_column(draw: Draw) -> Iterator[Mutant]:
    """Weights that scale columns of dl/dz, or the label's term alone."""
    for seed, reduction in [(31, "mean"), (32, "weighted_mean"), (33, "sum")]:
        z, y = logits(draw(seed))
        loss = losses.cross_entropy(z, y, class_weight=CLASS_WEIGHTS, reduction=reduction)
        one = 1 / loss.divisor
        yield loss.operation().mutant(
            "weight_by_column",
            "class_weight * (p - e_y)",
            loss.gradient(one, lambda z, y=y: CLASS_WEIGHTS * (softmax(z) - one_hot(y, 4))),
        )
        yield loss.operation().mutant(
            "weight_on_label_only",
            "p - w e_y",
            loss.gradient(one, lambda z, y=y: softmax(z) - CLASS_WEIGHTS * one_hot(y, 4)),
        )
        yield loss.operation().mutant(
            "weight_on_label_only",
            "(p_y - 1) w at the label, p elsewhere",
            loss.gradient(one, lambda z, y=y: (softmax(z) - one_hot(y, 4)) * (1 + (CLASS_WEIGHTS - 1) * one_hot(y, 4))),
        )
    z, y = logits(draw(34), 5, 3)
    w = several(draw(35), 5)
    loss = losses.cross_entropy(z, y, sample_weight=w)
    yield loss.operation().mutant(
        "weight_on_label_only",
        "p - w e_y, weights of samples",
        loss.gradient(1 / 5, lambda z: softmax(z) - w[:, None] * one_hot(y, 3)),
    )
    focal = losses.focal(*logits(draw(36)), gamma=2, class_weight=CLASS_WEIGHTS)
    yield focal.operation().mutant(
        "weight_by_column", "class_weight * slopes", focal.gradient(1 / 7, lambda z: CLASS_WEIGHTS * focal.slopes(z))
    )
    square = losses.cross_entropy(*logits(draw(37), 4, 4), sample_weight=several(draw(37), 4))
    yield square.operation().mutant(
        "weight_by_column",
        "w (N,) along the columns, N = K",
        square.gradient(1 / 4, lambda z: square.w * square.slopes(z)),
    )
    costly = losses.expected_cost(*logits(draw(38)), costs(draw(38)), class_weight=CLASS_WEIGHTS)
    yield costly.operation().mutant(
        "weight_by_column", "class_weight * slopes", costly.gradient(1 / 7, lambda z: CLASS_WEIGHTS * costly.slopes(z))
    )
    b, t = scores(draw(39))
    rare = losses.binary_cross_entropy(b, t, pos_weight=4.0)
    yield rare.slope("weight_on_label_only", "p - b t", lambda z: sigmoid(z) - 4.0 * t)
    classes = losses.binary_cross_entropy(b, t, class_weight=np.array([0.7, 6.0]), reduction="sum")
    yield classes.operation().mutant(
        "weight_on_label_only", "p - w t", classes.gradient(1.0, lambda z: sigmoid(z) - classes.w * t)
    )


def signs_and_factors(draw: Draw) -> Iterator[Mutant]:
    z, y = logits(draw(41))
    n, k = z.shape
    ce = losses.cross_entropy(z, y)
    mean = losses.cross_entropy(z, y, class_weight=CLASS_WEIGHTS)
    whole = losses.cross_entropy(z, y, sample_weight=several(draw(42)), reduction="weighted_mean")
    b, t = scores(draw(43))
    bce = losses.binary_cross_entropy(b, t, sample_weight=several(draw(44), 6))
    x, target = draw(45).normal(size=(2, 6))
    mse, weighted_mse = (
        losses.mse(x, target),
        losses.mse(x, target, sample_weight=several(draw(46), 6), reduction="sum"),
    )
    focal = losses.focal(*logits(draw(47)), gamma=2, reduction="sum")
    ldam = losses.ldam(*logits(draw(48)), COUNTS)
    warm = losses.adjusted(*logits(draw(49)), name="temperature", divide=2.5, temperature=2.5)
    hinge = losses.hinge(draw(50).normal(size=6) / 2, 2 * t - 1)
    huber = losses.huber(x, target, sample_weight=several(draw(51), 6))
    costly = losses.expected_cost(*logits(draw(52)), costs(draw(52)))
    for loss, mistake in [
        (ce, "e_y - p"), (whole, "w (e_y - p)"), (bce, "t - p"), (weighted_mse, "2 w (t - z)"), (hinge, "+s"),
        (huber, "t - z"), (costly, "p (c - C_y)"), (focal, "f (e_y - p)"),
    ]:  # fmt: skip
        yield loss.factor("sign", mistake, -loss.w / loss.divisor)
    yield losses.soft_f1(b, t).mutant(
        "sign", "2 TP / total ascended", changed(losses.soft_f1(b, t).backward, np.negative)
    )
    for loss, mistake, factor in [
        (ce, "1/N forgotten", n),
        (ce, "divided by N twice", 1 / n),
        (ce, "divided by K for N", n / k),
        (ce, "divided by N K", 1 / k),
        (mean, "1/N forgotten", n),
        (mean, "divided by sum w for N", n / mean.w.sum()),
        (whole, "divided by N for sum w", whole.w.sum() / n),
        (whole, "1/sum w forgotten", whole.w.sum()),
        (bce, "divided by sum w for N", 6 / bce.w.sum()),
        (bce, "1/N forgotten", 6),
        (mse, "the 2 forgotten", 1 / 2),
        (mse, "2 twice", 2),
        (weighted_mse, "divided by N", 1 / 6),
        (weighted_mse, "the 2 forgotten", 1 / 2),
        (focal, "divided by N", 1 / n),
        (focal, "divided by gamma", 1 / 2),
        (ldam, "the scale forgotten", 1 / 5),
        (warm, "1/T forgotten", 2.5),
        (warm, "T for 1/T", 2.5**2),
        (huber, "divided by delta", 1 / 0.8),
        (ce, "the learning rate is in the gradient", 0.1),
    ]:
        yield loss.factor("factor", mistake, factor * loss.w / loss.divisor)
    f1 = losses.soft_f1(b, t)
    yield f1.mutant("factor", "the 2 forgotten", changed(f1.backward, lambda dz: dz / 2))


def at_the_logits(draw: Draw) -> Iterator[Mutant]:
    """p (1 - p) too much, the label's column alone, dl/dp for dl/dz."""
    z, y = logits(draw(61))
    k = z.shape[1]
    ce = losses.cross_entropy(z, y)
    weighted = losses.cross_entropy(*logits(draw(62)), class_weight=CLASS_WEIGHTS, reduction="weighted_mean")
    focal = losses.focal(*logits(draw(63)), gamma=2)
    moved = losses.adjusted(*logits(draw(64)), shift=np.log(PRIORS))
    b, t = scores(draw(65))
    bce = losses.binary_cross_entropy(b, t, sample_weight=several(draw(66), 6))
    rare = losses.binary_cross_entropy(b, t, pos_weight=3.0, reduction="sum")
    brier = losses.sigmoid_mse(b, t)
    costly = losses.expected_cost(*logits(draw(67)), costs(draw(67)))
    f1 = losses.soft_f1(b, t)

    def extra(loss, p_of):
        return lambda z: loss.slopes(z) * p_of(z) * (1 - p_of(z))

    for loss in (ce, weighted, focal):
        yield loss.slope("sigmoid_factor", "times p (1 - p)", extra(loss, softmax))
    for loss in (bce, rare, brier):
        yield loss.slope("sigmoid_factor", "times p (1 - p)", extra(loss, sigmoid))
    for loss in (ce, weighted, focal, moved):
        hot = one_hot(loss.labels, k)
        yield loss.slope(
            "label_column_only", "the label's column alone", lambda z, loss=loss, hot=hot: hot * loss.slopes(z)
        )
    for loss in (
        ce,
        weighted,
        losses.cross_entropy(*logits(draw(68), 5, 3), sample_weight=several(draw(68), 5), reduction="sum"),
    ):
        hot = one_hot(loss.labels, loss.z.shape[1])
        yield loss.slope("not_through_softmax", "-e_y / p", lambda z, hot=hot: -hot / softmax(z))

    def focal_of_p(z):
        p = of_label(softmax(z), focal.labels)
        return one_hot(focal.labels, k) * (2 * (1 - p) * np.log(p) - (1 - p) ** 2 / p)[:, None]

    def dice_of_p(g, z):
        p = sigmoid(z)
        total = p.sum() + t.sum()
        return g * (2 * (p * t).sum() / total**2 - 2 * t / total)

    def costs_elementwise(z):
        p = softmax(z)
        return costly.told["cost_matrix"][costly.labels] * p * (1 - p)

    yield focal.slope("not_through_softmax", "dl/dp", focal_of_p)
    yield costly.slope("not_through_softmax", "C_y", lambda z: costly.told["cost_matrix"][costly.labels])
    yield bce.slope("not_through_softmax", "dl/dp", lambda z: (1 - t) / (1 - sigmoid(z)) - t / sigmoid(z))
    yield brier.slope("not_through_softmax", "2 (p - t)", lambda z: 2 * (sigmoid(z) - t))
    yield f1.mutant("not_through_softmax", "dL/dp", dice_of_p)
    yield costly.slope("softmax_diagonal", "C_y p (1 - p)", costs_elementwise)


def micro_batches(draw: Draw) -> Iterator[Mutant]:
    def factors(loss, ends, per_batch):
        """One factor for each micro-batch: `per_batch(rows)`."""
        batches = np.split(np.arange(len(loss.w)), ends)
        return np.concatenate([np.full(len(rows), per_batch(rows, len(batches))) for rows in batches])

    def mean_of_means(rows, m):
        return 1 / (m * len(rows))

    ce = losses.cross_entropy(*logits(draw(71), 8, 3))
    longer = losses.cross_entropy(*logits(draw(72), 10, 4))
    whole = losses.cross_entropy(*logits(draw(73), 8, 4), class_weight=CLASS_WEIGHTS, reduction="weighted_mean")
    mean = losses.cross_entropy(*logits(draw(74), 9, 4), sample_weight=several(draw(74), 9))
    b, t = scores(draw(75), 9)
    bce = losses.binary_cross_entropy(b, t, sample_weight=several(draw(76), 9), reduction="weighted_mean")
    mse = losses.mse(*draw(77).normal(size=(2, 10)))
    kind = "micro_batch_means"
    for loss, ends in [(ce, [5]), (longer, [4, 8]), (mean, [4, 8]), (mse, [4, 8])]:
        mistake = f"mean of the means of {len(ends) + 1} micro-batches"
        yield loss.factor(kind, mistake, loss.w * factors(loss, ends, mean_of_means))
    yield ce.factor(kind, "sum of the means of 2 micro-batches", factors(ce, [5], lambda rows, m: 1 / len(rows)))
    for loss, ends in [(whole, [5]), (bce, [3, 6])]:
        mistake = f"mean of the weighted means of {len(ends) + 1} micro-batches"
        each = factors(loss, ends, lambda rows, m, loss=loss: 1 / (m * loss.w[rows].sum()))
        yield loss.factor(kind, mistake, loss.w * each)
    shares = factors(bce, [2, 6], lambda rows, m: len(rows) / 9 / bce.w[rows].sum())
    yield bce.factor(kind, "weighted means of 3 micro-batches, each by its share of N", bce.w * shares)
    last = np.arange(8) >= 5
    yield ce.factor("overwritten", "grad = of each micro-batch, not +=", last / 8)
    yield whole.factor("overwritten", "grad = of each micro-batch, not +=", last * whole.w / whole.divisor)


def known_formulas(draw: Draw) -> Iterator[Mutant]:
    """Focal, temperatures, costs."""
    for seed, gamma, options in [
        (81, 2, {}),
        (82, 0.5, {}),
        (83, 2, {"class_weight": CLASS_WEIGHTS, "reduction": "weighted_mean"}),
        (84, 3, {"sample_weight": several(draw(84)), "reduction": "sum"}),
    ]:
        loss = losses.focal(*logits(draw(seed)), gamma=gamma, **options)

        def held(z, loss=loss, gamma=gamma):
            p = softmax(z)
            return ((1 - of_label(p, loss.labels)) ** gamma)[:, None] * (p - one_hot(loss.labels, 4))

        yield loss.slope("modulator_constant", "(1 - p)**gamma (p - e_y)", held)
    for seed, gamma, options in [
        (85, 0.5, {"class_weight": CLASS_WEIGHTS}),
        (86, 3, {"class_weight": CLASS_WEIGHTS, "reduction": "weighted_mean"}),
        (87, 1.5, {"sample_weight": several(draw(87)), "reduction": "sum"}),
    ]:
        loss = losses.focal(*logits(draw(seed)), gamma=gamma, **options)
        yield loss.factor("weight_inside_modulator", "(w (1 - p))**gamma", loss.w**gamma / loss.divisor)
    focal = losses.focal(*logits(draw(88)), gamma=2)

    def wrong_power(z):
        p = softmax(z)
        p_y = of_label(p, focal.labels)
        return focal_factor(p_y, 3.0)[:, None] * (p - one_hot(focal.labels, 4))

    yield focal.slope("unknown", "gamma = 3 for 2", wrong_power)

    divide = (COUNTS.max() / COUNTS) ** 0.3
    warm = losses.adjusted(*logits(draw(91)), name="temperature", divide=2.5, temperature=2.5)
    cdt = losses.adjusted(*logits(draw(92)), name="CDT", divide=divide, temperature=divide)
    weighted = losses.adjusted(
        *logits(draw(93)),
        name="CDT",
        divide=divide,
        temperature=divide,
        class_weight=CLASS_WEIGHTS,
        reduction="weighted_mean",
    )
    vs = losses.adjusted(
        *logits(draw(94)),
        name="VS",
        divide=divide,
        shift=np.log(PRIORS),
        temperature=divide,
        sample_weight=several(draw(94)),
    )

    def plain(loss, scale, shift=0.0):
        """-log softmax(z)_y / a_y: the temperature on the log-probabilities."""
        return lambda z: scale * (softmax(z + shift) - one_hot(loss.labels, 4))

    kind = "temperature_on_log_probabilities"
    yield warm.slope(kind, "log p / T", plain(warm, 1 / 2.5))
    yield cdt.slope(kind, "log p / a_y", plain(cdt, (1 / divide)[cdt.labels][:, None]))
    yield weighted.slope(kind, "log p / a_y", plain(weighted, (1 / divide)[weighted.labels][:, None]))
    yield vs.slope(kind, "log p / a_y", plain(vs, (1 / divide)[vs.labels][:, None], np.log(PRIORS)))
    sharp = losses.adjusted(*logits(draw(95)), name="temperature", divide=0.4, temperature=0.4, reduction="sum")
    yield sharp.slope(kind, "log p / T", plain(sharp, 1 / 0.4))
    moved = losses.adjusted(*logits(draw(96)), shift=np.log(PRIORS))
    yield moved.slope("unknown", "the prior forgotten", plain(moved, 1.0))
    # No constant, but the known temperature in each column: to call it a factor is right, too.
    yield cdt.slope("unknown", "1 / a forgotten", lambda z: divide * cdt.slopes(z), ("factor",))

    for seed, k, options in [
        (101, 4, {}),
        (102, 4, {"sample_weight": several(draw(102))}),
        (103, 3, {"reduction": "sum"}),
    ]:
        C = costs(draw(seed), k)
        z, y = logits(draw(seed), 7, k)
        loss, turned = losses.expected_cost(z, y, C, **options), losses.expected_cost(z, y, C.T, **options)
        yield loss.slope("cost_transposed", "C.T for C", turned.slopes)
    C, (z, y) = costs(draw(104)), logits(draw(104))
    loss = losses.cost_weighted(z, y, C)
    yield loss.slope("cost_transposed", "column sums for row sums", losses.cost_weighted(z, y, C.T).slopes)
    penalty = losses.cost_penalty(z, y, C)
    yield penalty.slope("cost_transposed", "C.T for C", losses.cost_penalty(z, y, C.T).slopes)
    yield penalty.slope("unknown", "the penalty taken for a constant", losses.cross_entropy(z, y).slopes)
    costly = losses.expected_cost(z, y, C)
    yield costly.slope("softmax_diagonal", "p C_y, without - c", lambda z: softmax(z) * C[y])


def shapes(draw: Draw) -> Iterator[Mutant]:
    """(N, 1) against (N,)."""
    x, target = draw(111).normal(size=(2, 6))
    w = several(draw(112), 6)

    def column_forward(z):
        return ((z[:, 0] - target) ** 2).mean()

    def right(g, z):
        return g * 2 * (z - target[:, None]) / 6

    column = Operation("MSE, mean", column_forward, right, (x[:, None],), {"reduction": "mean"})
    flat = losses.mse(x, target, sample_weight=w).operation()
    b, t = scores(draw(113))
    bce = losses.binary_cross_entropy(b, t).operation()
    yield column.mutant("n_by_n", "z - t is N x N", lambda g, z: g * 2 * (z - target) / 6)
    yield column.mutant(
        "n_by_n", "z - t is N x N, summed", lambda g, z: g * 2 * (z - target).sum(axis=1, keepdims=True) / 6
    )
    yield column.mutant(
        "n_by_n", "z - t is N x N, averaged", lambda g, z: g * 2 * (z - target).mean(axis=1, keepdims=True) / 6
    )
    yield flat.mutant("n_by_n", "w (N, 1) times (N,)", lambda g, z: g * 2 * w[:, None] * (z - target) / 6)
    yield bce.mutant("n_by_n", "p (N, 1) - t", lambda g, z: g * (sigmoid(z)[:, None] - t) / 6)
    yield bce.mutant("kept_dims", "dz is (N, 1)", lambda g, z: (g * (sigmoid(z) - t) / 6)[:, None])
    yield column.mutant("kept_dims", "dz is (N,)", lambda g, z: g * 2 * (z[:, 0] - target) / 6)


def whole_models(draw: Draw) -> Iterator[Mutant]:
    """Linear layer and loss in one, with and without L2; weights that are learned."""
    rng = draw(121)
    n, d, k = 7, 3, 4
    z, y = logits(draw(121))
    x, W, b = rng.normal(size=(n, d)), rng.normal(size=(d, k)), rng.normal(size=k)
    w = several(draw(122))
    plain = losses.classifier(x, y, W, b)
    weighted = losses.classifier(x, y, W, b, weights=w, reduction="weighted_mean")
    summed = losses.classifier(x, y, W, b, weights=w, reduction="sum")
    penal, heavy = (losses.classifier(x, y, W, b, lam=lam) for lam in (0.3, 0.05))
    costly = losses.classifier(x, y, W, b, weights=w, reduction="weighted_mean", lam=0.3)

    def like(weights, reduction, lam=None):
        return losses.classifier(x, y, W, b, weights=weights, reduction=reduction, lam=lam).backward

    def add_to(op, position, term):
        def backward(g, *inputs):
            gradients = list(op.backward(g, *inputs))
            gradients[position] = gradients[position] + g * term(inputs[position])
            return tuple(gradients)

        return backward

    def scaled(op, factor):
        return lambda g, *inputs: tuple(factor * x for x in op.backward(g, *inputs))

    yield plain.mutant("sign", "e_y - p", scaled(plain, -1))
    yield plain.mutant("factor", "1/N forgotten", scaled(plain, n))
    yield weighted.mutant("factor", "divided by N for sum w", scaled(weighted, w.sum() / n))
    yield summed.mutant("weight_forgotten", "no weights", like(None, "sum"))
    yield weighted.mutant("weight_forgotten", "neither w nor sum w", like(None, "mean"))
    yield summed.mutant("weight_twice", "w**2", like(w**2, "sum"))
    yield summed.mutant("weight_of_other_samples", "w reversed", like(w[::-1], "sum"))
    for op, lam in [(penal, 0.3), (heavy, 0.05)]:
        yield op.mutant("l2_missing", f"lam W forgotten, lam = {lam}", add_to(op, 1, lambda W, lam=lam: -lam * W))
        yield op.mutant("l2_doubled", f"2 lam W, lam = {lam}", add_to(op, 1, lambda W, lam=lam: lam * W))
    yield costly.mutant("l2_missing", "lam W forgotten", add_to(costly, 1, lambda W: -0.3 * W))
    yield costly.mutant("l2_doubled", "lam W added twice", add_to(costly, 1, lambda W: 0.3 * W))
    yield plain.mutant("extra_l2", "weight decay in the gradient", add_to(plain, 1, lambda W: 0.1 * W))
    yield weighted.mutant("extra_l2", "weight decay in the gradient", add_to(weighted, 1, lambda W: 0.01 * W))
    # The evidence, db too large by lam b, is the same for a loss that has lam / 2 * b**2 once.
    yield penal.mutant("extra_l2", "the bias decays too", add_to(penal, 2, lambda b: 0.3 * b), ("l2_doubled",))

    square = losses.cross_entropy(z, y)
    for reduction in ("weighted_mean", "mean"):
        learned = losses.learned_weights(z, y, w, reduction)
        yield learned.mutant("zero", "no gradient for w", changed(learned.backward, np.zeros_like, 1))
        if reduction == "mean":
            yield learned.mutant("factor", "dw without 1/N", changed(learned.backward, lambda dw: n * dw, 1))
        else:
            yield learned.mutant(
                "unknown",
                "sum w held constant",
                lambda g, z, w, right=learned.backward: (right(g, z, w)[0], g * square.values(z) / w.sum()),
            )
            yield learned.mutant("sign", "minus sign in dw", changed(learned.backward, np.negative, 1))


MAKERS = [
    weights, more_weights, by_column, signs_and_factors, at_the_logits, micro_batches, known_formulas, shapes,
    whole_models,
]  # fmt: skip
