"""Mistakes in losses, seen per sample at the logits: what was done wrong, and the name that the clinic has for it."""

import numpy as np
import pytest

from minigrad.gradcheck import check_backward
from tests.gradcheck.pairs import draw, softmax

N, K = 7, 4
Z, Y = 2 * draw(N, K), np.array([0, 2, 1, 3, 0, 2, 2])
T = np.eye(K)[Y]
SAMPLE = np.array([0.5, 2.0, 1.5, 0.7, 3.0, 1.0, 0.25])
CLASSES = np.array([0.4, 2.5, 1.3, 4.0])
BINARY, TARGET = draw(N, seed=1), np.array([0, 1, 1, 0, 1, 0, 0])


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def divisor(w, reduction):
    return {"sum": 1.0, "mean": len(w), "weighted_mean": w.sum()}[reduction]


def check(rows, wrong, z=Z, w=None, reduction="mean", **known):
    """Check ``g * wrong(p, w, D)`` for the loss sum_i w_i rows(z)_i / D."""
    labels = known.setdefault("labels", Y)
    each = np.ones(len(z)) if w is None else w if len(w) == len(z) else w[labels]
    total = divisor(each, reduction)
    column = each.reshape(-1, *[1] * (z.ndim - 1))
    return check_backward(
        lambda z: (each * rows(z)).sum() / total,
        lambda g, z: g * wrong(z, column, total),
        z,
        weights=w,
        reduction=reduction,
        **known,
    )


def cross_entropy(z):
    return -np.log(softmax(z))[np.arange(N), Y]


def slope(z):
    return softmax(z) - T


WEIGHTED = {  # wrong gradient from z, w (N, 1), D
    "weight_forgotten": [lambda z, w, d: slope(z) / d, lambda z, w, d: slope(z) / N],
    "weight_twice": [lambda z, w, d: w**2 * slope(z) / d, lambda z, w, d: w**2 * slope(z) / (w**2).sum()],
    "weight_inverse": [lambda z, w, d: slope(z) / w / d, lambda z, w, d: slope(z) / w / (1 / w).sum()],
    "weight_of_other_samples": [
        lambda z, w, d: w[::-1] * slope(z) / d,
        lambda z, w, d: np.roll(w, 1) * slope(z) / d if w.ndim == 1 else np.roll(w, 1, axis=0) * slope(z) / d,
        lambda z, w, d: w[[3, 3, 0, 1, 2, 6, 5]] * slope(z) / d,
    ],
    "weight_on_label_only": [
        lambda z, w, d: (softmax(z) - w * T) / d,
        lambda z, w, d: (w * softmax(z) - T) / d,
        lambda z, w, d: slope(z) * np.where(T == 1, w, 1) / d,
    ],
    "label_column_only": [lambda z, w, d: w * slope(z) * T / d],
    "not_through_softmax": [lambda z, w, d: -w * T / softmax(z) / d],
    "sigmoid_factor": [lambda z, w, d: w * slope(z) * softmax(z) * (1 - softmax(z)) / d],
    "sign": [lambda z, w, d: -w * slope(z) / d],
    "factor": [lambda z, w, d: w * slope(z) / d / N, lambda z, w, d: 2 * w * slope(z) / d],
    "unknown": [lambda z, w, d: w * slope(z / 2) / d, lambda z, w, d: w * (softmax(z) - 0.9 * T) / d],
}
CASES = [(kind, n) for kind, wrongs in WEIGHTED.items() for n in range(len(wrongs))]


@pytest.mark.parametrize("reduction", ["sum", "mean", "weighted_mean"])
@pytest.mark.parametrize("weights", [SAMPLE, CLASSES], ids=["per sample", "per class"])
@pytest.mark.parametrize(("kind", "n"), CASES)
def test_weighted_cross_entropy(kind, n, weights, reduction):
    report = check(cross_entropy, WEIGHTED[kind][n], w=weights, reduction=reduction)
    assert report.reasons[0].kind == kind, report


def test_weights_by_column():
    for wrong in (lambda z, w, d: CLASSES * slope(z) / d, lambda z, w, d: CLASSES * w * slope(z) / d):
        report = check(cross_entropy, wrong, w=CLASSES)
        assert report.reasons[0].kind == "weight_by_column", report
        assert "rows do not sum to 0" in report.reasons[0]


NOT_SOFTMAX = {  # what stands in the place of the probabilities, the kind, and words of the reason
    "summed over axis 0": (lambda z: np.exp(z) / np.exp(z).sum(axis=0), "softmax_axis", "over the samples, axis 0"),
    "summed over everything": (lambda z: np.exp(z) / np.exp(z).sum(), "softmax_axis", "by the sum of them all"),
    "not divided": (np.exp, "softmax_axis", "by nothing"),
    "the logits": (lambda z: z, "forward_value", "z - y where it should be p - y"),
    "too little": (
        lambda z: softmax(z) * np.linspace(0.5, 0.9, N)[:, None],
        "softmax_diagonal",
        "do not sum to 0, one",
    ),
}


@pytest.mark.parametrize("weights", [None, SAMPLE, CLASSES], ids=["no weights", "per sample", "per class"])
@pytest.mark.parametrize("name", NOT_SOFTMAX)
def test_what_is_no_softmax(name, weights):
    probabilities, kind, words = NOT_SOFTMAX[name]
    report = check(cross_entropy, lambda z, w, d: w * (probabilities(z) - T) / d, w=weights)
    assert [reason.kind for reason in report.reasons] == [kind], report
    assert words in report.reasons[0]


def test_weights_of_labels_are_told_as_those_of_columns():
    z, t, w = draw(5, 3), (draw(5, 3, seed=1) > 0).astype(int), np.array([3.0, 1.5, 0.7])

    def forward(z):
        return (w * (np.log1p(np.exp(z)) - t * z)).sum()

    wrongs = {
        "weight_forgotten": (1, "with each label's column divided by its weight, 3, 1.5, 0.7: the loss"),
        "weight_twice": (w**2, "with each label's column times its weight, 3, 1.5, 0.7, once more"),
        "weight_inverse": (1 / w, "each label's column in your gradient of input 0 (z) is 1/w^2 x"),
    }
    for kind, (factor, says) in wrongs.items():
        report = check_backward(forward, lambda g, z, f=factor: g * f * (sigmoid(z) - t), z, labels=t, weights=w)
        assert report.reasons[0].kind == kind, report
        assert says in report.reasons[0]
    each = np.linspace(0.5, 2, 15).reshape(5, 3)
    report = check_backward(
        lambda z: (each * (np.log1p(np.exp(z)) - t * z)).sum(), lambda g, z: g * (sigmoid(z) - t), z,
        labels=t, weights=each,
    )  # fmt: skip
    assert "with each entry divided by its weight, 0.5, 0.6071" in report.reasons[0]


def test_a_sum_of_class_weights_is_a_known_number():
    report = check(cross_entropy, lambda z, w, d: w * slope(z) / CLASSES.sum(), w=CLASSES, reduction="sum")
    assert "1/(sum w_c); 8.2 is the sum of the classes' weights" in report.reasons[0]


def test_several_labels_are_labels_and_not_classes():
    z, t = draw(5, 3), (draw(5, 3, seed=1) > 0).astype(int)
    report = check_backward(
        lambda z: (np.log1p(np.exp(z)) - t * z).mean(), lambda g, z: g * (sigmoid(z) - t) / 5, z, labels=t
    )
    assert "3 = K; 3 is the number of labels of each sample" in report.reasons[0]


def test_weights_of_zero_say_nothing():
    w = np.array([0.0, 2, 1.5, 0.7, 3, 0, 0.25])
    report = check(cross_entropy, lambda z, w, d: slope(z) / d, w=w)
    assert report.reasons[0].kind == "weight_forgotten", report


def test_labels_and_weights_may_be_arguments():
    def forward(z, y, w):
        return (w * cross_entropy(z)).sum() / len(y)

    def backward(g, z, y, _w):
        return g * slope(z) / len(y), None, g * cross_entropy(z) / len(y)

    report = check_backward(forward, backward, (Z, Y, SAMPLE))
    assert report.reasons[0].kind == "weight_forgotten", report
    assert report.reasons[0].inputs == (0,)


def test_every_sample_has_its_own_output():
    report = check_backward(cross_entropy, lambda g, z: g[:, None] * slope(z) * T, Z, labels=Y)
    assert report.reasons[0].kind == "label_column_only", report


MICRO = {  # sizes of the micro-batches, weighted, kind of the reason
    "of 5 and 2": ((5, 2), "mean"),
    "of 3, 3 and 1": ((3, 3, 1), "mean"),
    "of 4 and 3, weighted": ((4, 3), "weighted_mean"),
}


@pytest.mark.parametrize("name", MICRO)
def test_means_of_micro_batches(name):
    sizes, reduction = MICRO[name]
    w = SAMPLE if reduction == "weighted_mean" else np.ones(N)
    parts = np.split(np.arange(N), np.cumsum(sizes)[:-1])
    own = np.concatenate([np.full(len(part), w[part].sum() * len(parts)) for part in parts])[:, None]
    report = check(cross_entropy, lambda z, w, d: w * slope(z) / own, w=w if w.min() < 1 else None, reduction=reduction)
    assert report.reasons[0].kind == "micro_batch_means", report
    assert report.reasons[0].facts["sizes"] == list(sizes)


def test_weighted_means_of_micro_batches_by_their_sizes():
    own = np.repeat([N * SAMPLE[:4].sum() / 4, N * SAMPLE[4:].sum() / 3], [4, 3])[:, None]
    report = check(cross_entropy, lambda z, w, d: w * slope(z) / own, w=SAMPLE, reduction="weighted_mean")
    assert [reason.kind for reason in report.reasons] == ["micro_batch_means"], report
    assert "is the average, by size, of the means of micro-batches of 4, 3 samples" in report.reasons[0]


def test_the_last_micro_batch_alone():
    keep = (np.arange(N) >= 4)[:, None]
    report = check(cross_entropy, lambda z, w, d: keep * slope(z) / N)
    assert report.reasons[0].kind == "overwritten", report


# --- Binary


def bce(z):
    return np.log1p(np.exp(-z)) * TARGET + np.log1p(np.exp(z)) * (1 - TARGET)


def bce_slope(z):
    return sigmoid(z) - TARGET


BINARY_MISTAKES = {
    "weight_forgotten": lambda z, w, d: bce_slope(z) / d,
    "weight_on_label_only": lambda z, w, d: (sigmoid(z) - w * TARGET) / d,
    "sigmoid_factor": lambda z, w, d: w * bce_slope(z) * sigmoid(z) * (1 - sigmoid(z)) / d,
    "not_through_softmax": lambda z, w, d: w * bce_slope(z) / (sigmoid(z) * (1 - sigmoid(z))) / d,
    "weight_twice": lambda z, w, d: w**2 * bce_slope(z) / d,
}


@pytest.mark.parametrize("known", [{"w": SAMPLE}, {"w": np.array([0.5, 3.0])}], ids=["per sample", "per class"])
@pytest.mark.parametrize("kind", BINARY_MISTAKES)
def test_binary_cross_entropy(kind, known):
    report = check(bce, BINARY_MISTAKES[kind], z=BINARY, labels=TARGET, **known)
    assert report.reasons[0].kind == kind, report


def test_pos_weight():
    def forward(z):
        return (np.where(TARGET == 1, 3.0, 1.0) * bce(z)).mean()

    report = check_backward(forward, lambda g, z: g * bce_slope(z) / N, BINARY, labels=TARGET, pos_weight=3.0)
    assert report.reasons[0].kind == "weight_forgotten", report
    wrong = lambda g, z: g * (sigmoid(z) - 3.0 * TARGET) / N  # noqa: E731
    report = check_backward(forward, wrong, BINARY, labels=TARGET, pos_weight=3.0)
    assert report.reasons[0].kind == "weight_on_label_only", report


def test_several_labels_at_once():
    labels = (draw(N, K, seed=3) > 0).astype(int)

    def forward(z):
        return (np.log1p(np.exp(z)) - labels * z).mean()

    def wrong(g, z):
        return g * (sigmoid(z) - labels) * sigmoid(z) * (1 - sigmoid(z)) / labels.size

    report = check_backward(forward, wrong, Z, labels=labels)
    assert report.reasons[0].kind == "sigmoid_factor", report


# --- Known formulas


GAMMA = 1.5


def focal(z):
    p = softmax(z)[np.arange(N), Y]
    return -((1 - p) ** GAMMA) * np.log(p)


def focal_slope(z, inside=1.0):
    """Slopes of -(1 - inside * p)^gamma log p."""
    p = (softmax(z) * T).sum(1, keepdims=True)
    rest = 1 - inside * p
    return (rest**GAMMA - GAMMA * inside * p * rest ** (GAMMA - 1) * np.log(p)) * (softmax(z) - T)


FOCAL = {
    "modulator_constant": lambda z, w, d: w * (1 - (softmax(z) * T).sum(1, keepdims=True)) ** GAMMA * slope(z) / d,
    "weight_inside_modulator": lambda z, w, d: w**GAMMA * focal_slope(z) / d,
    "weight_forgotten": lambda z, w, d: focal_slope(z) / d,
    "sign": lambda z, w, d: -w * focal_slope(z) / d,
    "unknown": lambda z, w, d: w * slope(z) / d,
}


@pytest.mark.parametrize("reduction", ["sum", "mean", "weighted_mean"])
@pytest.mark.parametrize("kind", FOCAL)
def test_focal(kind, reduction):
    report = check(focal, FOCAL[kind], w=SAMPLE, reduction=reduction, gamma=GAMMA)
    assert report.reasons[0].kind == kind, report


@pytest.mark.parametrize("form", ["(1 - w p)^gamma", "(1 - p^w)^gamma"])
def test_other_ways_to_put_the_weight_inside(form):
    small = SAMPLE / 4

    def wrong(z, w, d):
        if form == "(1 - w p)^gamma":
            return w * focal_slope(z, w) / d
        p = (softmax(z) * T).sum(1, keepdims=True)
        q, dq = 1 - p**w, -w * p**w * (T - softmax(z))  # 1 - p^w, and its slope at the logits
        return (GAMMA * q ** (GAMMA - 1) * dq * -w * np.log(p) - q**GAMMA * w * (T - softmax(z))) / d

    report = check(focal, wrong, w=small, gamma=GAMMA)
    assert report.reasons[0].kind == "weight_inside_modulator", report


def test_binary_focal():
    def rows(z):
        p = np.where(TARGET == 1, sigmoid(z), 1 - sigmoid(z))
        return -((1 - p) ** 2) * np.log(p)

    def wrong(z, w, d):
        p = np.where(TARGET == 1, sigmoid(z), 1 - sigmoid(z))
        return w * (1 - p) ** 2 * bce_slope(z) / d

    report = check(rows, wrong, z=BINARY, w=np.array([1.0, 4.0]), labels=TARGET, gamma=2)
    assert report.reasons[0].kind == "modulator_constant", report


@pytest.mark.parametrize("temperature", [0.4, 3.0, CLASSES], ids=str)
@pytest.mark.parametrize("weights", [None, SAMPLE], ids=["plain", "weighted"])
def test_temperature(temperature, weights):
    def rows(z):
        return -np.log(softmax(z / temperature))[np.arange(N), Y]

    def wrong(z, w, d):
        return w * slope(z) / (T * temperature).sum(1, keepdims=True) / d

    report = check(rows, wrong, w=weights, temperature=temperature)
    assert report.reasons[0].kind == "temperature_on_log_probabilities", report


COSTS = np.abs(draw(K, K, seed=5)) * (1 - np.eye(K))


def cost_slope(z, C):
    p = softmax(z)
    return p * (C[Y] - (p * C[Y]).sum(1, keepdims=True))


COST_MISTAKES = [
    ("cost_transposed", lambda z, w, d: w * cost_slope(z, COSTS.T) / d),
    ("not_through_softmax", lambda z, w, d: w * COSTS[Y] / d),
    ("softmax_diagonal", lambda z, w, d: w * COSTS[Y] * softmax(z) * (1 - softmax(z)) / d),
    ("softmax_diagonal", lambda z, w, d: w * softmax(z) * COSTS[Y] / d),
    ("weight_forgotten", lambda z, w, d: cost_slope(z, COSTS) / d),
    ("unknown", lambda z, w, d: w * softmax(z) * COSTS[Y] ** 2 / d - w * softmax(z / 2) / d),
]


@pytest.mark.parametrize(("kind", "wrong"), COST_MISTAKES)
def test_expected_cost(kind, wrong):
    rows = lambda z: (softmax(z) * COSTS[Y]).sum(1)  # noqa: E731
    report = check(rows, wrong, w=SAMPLE, cost_matrix=COSTS)
    assert report.reasons[0].kind == kind, report


# --- Regression, and whole models


@pytest.mark.parametrize("shape", [(N,), (N, 1)], ids=str)
def test_every_prediction_against_every_target(shape):
    x, target = draw(*shape), draw(*shape, seed=1)
    for total in (1, N):
        wrong = lambda g, x, d=total: g * 2 * (x - target.mean()) * N / d / N  # noqa: E731
        report = check_backward(lambda x: ((x - target) ** 2).mean(), wrong, x)
        assert report.reasons[0].kind == "n_by_n", report


X, W, B = draw(N, 3, seed=6), draw(3, K, seed=7), draw(K, seed=8)


def model(w, reduction="mean", strength=0.0):
    """Softmax regression with an L2 term; its forward pass, and a backward pass with any weights and strength."""
    total = divisor(w, reduction)

    def forward(x, W, b):
        return (w * cross_entropy(x @ W + b)).sum() / total + strength / 2 * (W**2).sum()

    def backward(used, decay, bias_decay=0.0):
        def run(g, x, W, b):
            dz = g * used[:, None] * slope(x @ W + b) / total
            return dz @ W.T, x.T @ dz + g * decay * W, dz.sum(0) + g * bias_decay * b

        return run

    return forward, backward


MODELS = {  # weights in the gradient, decay of W and b; the strength of the loss is 0.3
    "weight_forgotten": (np.ones(N), 0.3, 0),
    "weight_twice": (SAMPLE**2, 0.3, 0),
    "weight_of_other_samples": (SAMPLE[::-1], 0.3, 0),
    "l2_missing": (SAMPLE, 0, 0),
    "l2_doubled": (SAMPLE, 0.6, 0),
    "extra_l2": (SAMPLE, 0.3, 0.1),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_linear_layer_and_its_loss(kind):
    forward, backward = model(SAMPLE, strength=0.3)
    report = check_backward(forward, backward(*MODELS[kind]), (X, W, B), labels=Y, weights=SAMPLE, lam=0.3)
    assert report.reasons[0].kind == kind, report
    assert len({reason.kind for reason in report.reasons}) == 1, report


def test_a_penalty_that_the_loss_does_not_have():
    forward, backward = model(SAMPLE)
    report = check_backward(forward, backward(SAMPLE, 0.02), (X, W, B), labels=Y, weights=SAMPLE)
    assert [reason.kind for reason in report.reasons] == ["extra_l2"], report


def test_two_mistakes_have_two_reasons():
    forward, backward = model(SAMPLE)

    def wrong(g, x, W, b):
        dx, dW, db = backward(SAMPLE, 0.0)(g, x, W, b)
        return dx, N * dW, -db

    report = check_backward(forward, wrong, (X, W, B), labels=Y, weights=SAMPLE)
    found = {(reason.kind, reason.inputs) for reason in report.reasons}
    assert found == {("factor", (1,)), ("sign", (2,))}, report


FACTORS = {  # what the gradient is off by; how it is called
    "N": (N, "N", "7 is the number of samples"),
    "1/N": (1 / N, "1/N", "7 is the number of samples"),
    "K": (K, "K", "4 is the number of classes"),
    "N for K": (K / N, "K / N", "4 is the number of classes, 7 is the number of samples"),
    "sum w": (SAMPLE.sum(), "sum w", "8.95 is the sum of the weights"),
    "mean w": (SAMPLE.mean(), "sum w / N", "1.27857 is the mean weight"),
    "2": (2, "2", "a 2 too many"),
    "1/2": (0.5, "1/2", "a 2 is missing"),
    "2/N": (2 / N, "2 / N", "a factor 2, and 7 is the number of samples"),
    "a rate": (0.03, "rate", "0.03 is the rate that was given"),
}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", FACTORS)
def test_a_constant_factor_is_called_by_its_name(name, sign):
    factor, symbol, meaning = FACTORS[name]
    wrong = lambda z, w, d: sign * factor * w * slope(z) / d  # noqa: E731
    (reason,) = check(cross_entropy, wrong, w=SAMPLE, rate=0.03).reasons
    assert reason.kind == "factor"
    assert reason.facts["symbol"] == symbol
    told = f". {meaning.capitalize()}" if symbol == "2" else f" = {'-' if sign < 0 else ''}{symbol}; {meaning}"
    assert told in reason
    assert ("so its sign is wrong, too" in reason) == (sign < 0)


def test_a_sum_over_micro_batches_that_should_be_a_mean():
    (reason,) = check(cross_entropy, lambda z, w, d: 4 * slope(z) / d, micro_batch=2).reasons
    assert "4 is the number of micro-batches" in reason
