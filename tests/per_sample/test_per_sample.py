"""mg.per_sample_gradients against N backward passes, for every operation that it knows; what it refuses, and how."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import losses, nn, per_sample
from minigrad.autograd import _youngest_first
from minigrad.device import to_host
from minigrad.graph import RULES
from minigrad.nn import functional as F
from tests.devices import ARRAY, on_device

N = 4


def loop(model, loss, X, y):
    """The oracle: one backward pass for each sample."""
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    values = loss(model(on_device(X)), y)
    rows = [mg.grad(np.sum(values[i]), list(parameters.values())) for i in range(len(values))]
    return {name: np.stack([row[k].numpy() for row in rows]) for k, name in enumerate(parameters)}


def assert_exact(model, loss, X, y, rtol=1e-12):
    found = mg.per_sample_gradients(model, loss, X, y)
    expected = loop(model, partial(loss, reduction="none") if loss in LOSSES else loss, X, y)
    assert list(found) == list(expected)
    for name, gradient in expected.items():
        assert type(found[name]) is ARRAY
        assert found[name].dtype == gradient.dtype
        np.testing.assert_allclose(found[name], gradient, rtol=rtol, atol=rtol, err_msg=name)
    return found


LOSSES = {
    losses.cross_entropy: lambda rng, n, k: rng.integers(0, k, n),
    losses.binary_cross_entropy: lambda rng, n, k: rng.integers(0, 2, (n, k)),
    losses.mse: lambda rng, n, k: rng.normal(size=(n, k)),
    losses.huber: lambda rng, n, k: rng.normal(size=(n, k)),
}


def mlp(sizes=(5, 7, 3), dtype=np.float64, seed=0):
    first, hidden, last = sizes
    layers = nn.Linear(first, hidden, rng=seed), nn.ReLU(), nn.Linear(hidden, last, rng=seed + 1)
    return nn.Sequential(*layers).astype(dtype)


def values(prediction, _y):
    """A loss of any prediction (N, ...): a different smooth number for every entry, summed."""
    flat = prediction.reshape((len(prediction), math.prod(prediction.shape[1:])))
    return np.sum(np.sin(flat) * on_device(np.arange(1, flat.shape[1] + 1)), axis=1)


class Model(nn.Module):
    """A formula with parameters p, q, ...: forward(self, x)."""

    def __init__(self, forward, *shapes, seed=0):
        super().__init__()
        rng = np.random.default_rng(seed)
        for name, shape in zip("pqr", shapes, strict=False):
            setattr(self, name, nn.Parameter(rng.normal(size=shape)))
        self.formula = forward

    def forward(self, x):
        return self.formula(self, x)


def inputs(*shape, seed=1):
    return on_device(np.random.default_rng(seed).normal(size=shape))


# --- Models and losses


@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_each_loss(loss, dtype):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(6, 5)).astype(dtype), LOSSES[loss](rng, 6, 3)
    found = assert_exact(mlp(dtype=dtype), loss, X, y, rtol=1e-12 if dtype == np.float64 else 2e-5)
    assert {g.dtype for g in found.values()} == {np.dtype(dtype)}


@pytest.mark.parametrize("loss", [losses.hinge, losses.binary_cross_entropy, losses.mse, losses.huber])
def test_predictions_of_one_number(loss):
    model = nn.Sequential(nn.Linear(5, 1, rng=0), nn.Flatten()).astype(np.float64)

    def of_column(prediction, y):
        return loss(prediction[:, 0], y, reduction="none")

    assert_exact(model, of_column, inputs(6, 5), np.array([0, 1, 1, 0, 1, 0]))


@given(st.tuples(*[st.integers(1, 4)] * 4), st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_sizes_that_coincide(sizes, seed):
    n, d, h, k = sizes
    rng = np.random.default_rng(seed)
    assert_exact(mlp((d, h, k), seed=seed), losses.cross_entropy, rng.normal(size=(n, d)), rng.integers(0, k, n))


def tied(self, x):
    return np.tanh(x @ self.p) @ self.p.T + self.q


def attention(self, x):
    q, k = x @ self.p, x @ self.q
    return F.softmax(q @ np.swapaxes(k, 1, 2) / 2) @ (x @ self.r)


# name: model, shape of X
MODELS = {
    "layer norm": (nn.Sequential(nn.Linear(3, 5, rng=0), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 2, rng=1)), (N, 3)),
    "linear on sequences": (nn.Sequential(nn.Linear(3, 5, rng=0), nn.LayerNorm(5), nn.Tanh()), (N, 2, 3)),
    "linear on two more axes": (nn.Linear(3, 5, rng=0), (N, 2, 2, 3)),
    "linear without bias": (nn.Linear(3, 5, bias=False, rng=0), (N, 3)),
    "one layer twice": (nn.Sequential(layer := nn.Linear(4, 4, rng=0), nn.Sigmoid(), layer), (N, 4)),
    "tied through a transpose": (Model(tied, (4, 4), (4,)), (N, 4)),
    "attention": (Model(attention, (3, 3), (3, 3), (3, 2)), (N, 2, 3)),
    "x @ W.T": (Model(lambda m, x: x @ m.p.T, (5, 4)), (N, 4)),
    "x @ w": (Model(lambda m, x: x @ m.p, (3,)), (N, 3)),
    "w @ X.T": (Model(lambda m, x: m.p @ x.T, (3,)), (N, 3)),
    "sequences @ w": (Model(lambda m, x: x @ m.p, (3,)), (N, 2, 3)),
    "W @ sequences": (Model(lambda m, x: m.p @ np.tanh(x * m.q), (2, 4), (3,)), (N, 4, 3)),
    "w @ sequences": (Model(lambda m, x: m.p @ np.tanh(x * m.q), (4,), (3,)), (N, 4, 3)),
    "stack of one matrix": (Model(lambda m, x: x @ m.p, (1, 3, 2)), (N, 2, 3)),
    "einsum": (Model(lambda m, x: np.einsum("ntd,df->ntf", np.tanh(x * m.q), m.p), (3, 5), (3,)), (N, 2, 3)),
    "bilinear": (Model(lambda m, x: np.einsum("nd,def,ne->nf", x, m.p, np.exp(x * m.q)), (3, 3, 2), (3,)), (N, 3)),
    "einsum with a scalar": (Model(lambda m, x: np.einsum("nd,->n", x, m.p), ()), (N, 3)),
    "scalar": (Model(lambda m, x: x * m.p + m.q, (), (1,)), (N, 3)),
    "row and column": (Model(lambda m, x: (x * m.p - m.q) / np.exp(m.r), (1, 3), (2, 1), (3,)), (N, 2, 3)),
    "used three times": (Model(lambda m, x: (x * m.p) ** 2 @ m.p + m.p[1], (3,)), (N, 3)),
    "one number per sample": (Model(lambda m, x: x.sum(axis=1) * np.exp(m.p), (N,)), (N, 3)),
    "one row per sample": (Model(lambda m, x: np.tanh(x) * m.p + m.p.T, (N, N)), (N, N)),
    "weight norm": (Model(lambda m, x: x @ (m.p / np.linalg.norm(m.p, axis=0)), (4, 4)), (N, 4)),
    "masked weight": (Model(lambda m, x: x @ np.where(mg.eye(4) > 0, m.p, 0), (4, 4)), (N, 4)),
    "rotation": (Model(lambda m, x: x @ np.linalg.inv(m.p), (3, 3)), (N, 3)),
    "parameters stacked": (Model(lambda m, x: x @ np.stack([m.p, m.q], axis=1), (3,), (3,)), (N, 3)),
    "convolution": (nn.Sequential(nn.Conv2d(4, 3, (2, 3), rng=0), nn.Tanh(), nn.Conv2d(3, 2, 2, rng=1)), (N, 4, 5, 6)),
    "strided, padded, dilated": (nn.Conv2d(2, 4, (3, 2), (1, 2), (2, 1), (2, 1), bias=False, rng=0), (N, 2, 5, 6)),
    "convolution of groups": (nn.Conv2d(N, 2 * N, 2, groups=N, rng=0), (N, N, N, N)),
    "max pooling": (nn.Sequential(nn.Conv2d(1, 2, 3, rng=0), nn.MaxPool2d(3, 2, 1)), (N, 1, 6, 7)),
    "mean pooling": (nn.Sequential(nn.Conv2d(1, 2, 3, rng=0), nn.AvgPool2d(2)), (N, 1, 6, 7)),
    "LeNet-5": (mg.models.LeNet5((2, 3), (5,), 4, 1, 16, nn.Tanh, rng=0), (N, 1, 16, 16)),
    "a kernel that is computed": (
        Model(lambda m, x: F.conv2d(x, np.exp(m.p), m.q * 2), (2, 1, 2, 2), (2,)),
        (N, 1, 3, 3),
    ),
    "behind a selection": (Model(lambda m, x: np.where(x > 0, np.sqrt(np.abs(x * m.p)), 0), (3,)), (N, 3)),
}


@pytest.mark.parametrize("name", MODELS)
def test_each_model(name):
    model, shape = MODELS[name]
    assert_exact(model.astype(np.float64), values, inputs(*shape), None)


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_of_one(name):
    model, shape = MODELS[name]
    if "per sample" not in name:
        assert_exact(model.astype(np.float64), values, inputs(1, *shape[1:]), None)


def test_embedding():
    tokens = np.array([[0, 2, 2], [1, 1, 1], [3, 0, 2], [0, 0, 3]])
    assert_exact(Model(lambda m, x: m.p[x] @ m.q, (5, 3), (3, 2)), values, tokens, None)
    assert_exact(Model(lambda m, x: np.mean(np.tanh(m.p[x]), axis=1), (4, 3)), values, tokens, None)
    assert_exact(Model(lambda m, x: m.p[x[:, 0], x[:, 1]], (4, 4, 2)), values, tokens, None)


def test_an_empty_batch():
    found = mg.per_sample_gradients(mlp(), losses.cross_entropy, np.zeros((0, 5)), np.zeros(0, int))
    assert [g.shape for g in found.values()] == [(0, 7, 5), (0, 7), (0, 3, 7), (0, 3)]
    tied_model, _ = MODELS["tied through a transpose"]
    assert mg.per_sample_gradients(tied_model, values, np.zeros((0, 4)), None)["p"].shape == (0, 4, 4)


# --- Every operation of the table. h is (4, 4, 4), so that no axis can be told from another by its length.

rows = np.arange(N)
OPERATIONS = {
    "where": lambda h: np.where(h > 0, h, -h * 2),
    "clip": lambda h: np.clip(h, -0.5, 0.5),
    "astype": lambda h: h.astype(np.float32).astype(np.float64),
    "copy": lambda h: np.copy(h),
    "broadcast_to": lambda h: np.broadcast_to(h[:, :1], (N, N, N)),
    "weighted": lambda h: losses.reduce(h, np.exp(h), "none"),
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "sigmoid": F.sigmoid,
    "softplus": F.softplus,
    "gelu": F.gelu,
    "reshape": lambda h: h.reshape((N, -1)),
    "squeeze": lambda h: np.squeeze(np.expand_dims(h, 2), 2),
    "sum": lambda h: np.sum(h, 1),
    "mean": lambda h: np.mean(h, axis=(1, -1), keepdims=True),
    "max": lambda h: np.max(h, axis=-1),
    "min": lambda h: h.min(axis=2),
    "var": lambda h: np.var(h, axis=1),
    "logsumexp": lambda h: F.logsumexp(h, axis=1),
    "softmax": lambda h: F.softmax(h),
    "log_softmax": lambda h: F.log_softmax(h, axis=1),
    "flip": lambda h: np.flip(h, axis=1),
    "cumsum": lambda h: np.cumsum(h, axis=-1),
    "tril": lambda h: np.tril(h),
    "triu": lambda h: np.triu(h[:, 0], k=1),
    "prod": lambda h: np.prod(h, axis=2),
    "cumprod": lambda h: np.cumprod(h, axis=2),
    "inv": lambda h: np.linalg.inv(h + 5 * mg.eye(N)),
    "det": lambda h: np.linalg.det(h),
    "layer_norm": lambda h: F.layer_norm(h, (N, N)),
    "swapaxes": lambda h: np.swapaxes(h, 1, -1),
    "moveaxis": lambda h: np.moveaxis(h, 1, 2),
    "transpose": lambda h: np.transpose(h, (0, 2, 1)),
    "norm": lambda h: np.linalg.norm(h, axis=2),
    "roll": lambda h: np.roll(h, 1, axis=2),
    "pad": lambda h: np.pad(h, ((0, 0), (1, 0), (0, 2))),
    "concatenate": lambda h: np.concatenate([h, np.sin(h)], axis=1),
    "matmul": lambda h: h @ np.tanh(h),
    "einsum": lambda h: np.einsum("nij,njk->nik", h, h),
    "linear": lambda h: F.linear(h, on_device(np.ones((2, N)))),
    "basic index": lambda h: h[:, 1, ::2],
    "index from the end": lambda h: h[..., 0],
    "new axis": lambda h: h[:, None, [0, 0, 2]],
    "one entry of each row": lambda h: h[rows, [0, 1, 1, 3], [2, 2, 0, 1]],
    "take_along_axis": lambda h: np.take_along_axis(h, np.argsort(h.data, axis=1), axis=1),
    "boolean mask of an axis": lambda h: h[:, np.array([True, False, True, True])],
    "all samples in their order": lambda h: h[rows],
}  # fmt: skip


def operated(operation, X):
    """A parameter for every entry of a row, then the operation."""
    return Model(lambda m, x: operation(x * m.p), X.shape[1:])


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation(name):
    X = inputs(N, N, N)
    assert_exact(operated(OPERATIONS[name], X), values, X, None, rtol=1e-9)


def test_the_table_has_no_entry_that_is_not_tested():
    X = inputs(N, N, N)
    models = [(operated(operation, X), X) for operation in OPERATIONS.values()]
    models += [(model, inputs(*shape)) for model, shape in MODELS.values()]
    met = {node.rule for model, x in models for node in _youngest_first([model(x)._node])}
    assert [f.__name__ for f in per_sample.WAYS if RULES[f] not in met] == []


# name: operation, the function that the message names
MIXING = {
    "sum": (lambda h: h - np.sum(h, axis=0), "sum"),
    "mean": (lambda h: h - np.mean(h, axis=0, keepdims=True), "mean"),
    "mean of all": (lambda h: h / np.mean(h), "mean"),
    "mean, then more": (lambda h: h - np.exp(np.tanh(np.mean(h, axis=(0, 1)))), "mean"),
    "batch statistics": (lambda h: F.standardize(h, (0,), 1e-5), "standardize"),
    "softmax over the batch": (lambda h: F.softmax(h, axis=0), "softmax"),
    "cumsum": (lambda h: np.cumsum(h, axis=0), "cumsum_along"),
    "transpose": (lambda h: np.transpose(h), "transpose"),
    "swapaxes": (lambda h: np.swapaxes(h, axis2=0, axis1=2), "swapaxes"),
    "moveaxis": (lambda h: np.moveaxis(h, (1, 2), (-1, 0)), "moveaxis"),
    "flip": (lambda h: np.flip(h), "flip"),
    "roll": (lambda h: np.roll(h, 1, 0), "roll"),
    "shuffled": (lambda h: h[rows[::-1]], "gather"),
    "reversed": (lambda h: h[::-1], "gather"),
    "one sample for all": (lambda h: h + h[0], "gather"),
    "neighbours": (lambda h: np.concatenate([h[1:], h[:1]]), "concatenate"),
    "matmul over the batch": (lambda h: h[0] @ h[:, 0], "matmul"),
    "similarity": (lambda h: h[:, 0] @ h[:, 0].T, "transpose"),
    "einsum over the batch": (lambda h: np.einsum("nij,mij->nm", h, h), "einsum"),
    "einsum of the diagonal": (lambda h: np.einsum("nnk->nk", h), "einsum"),
    "tril of a vector": (lambda h: np.tril(h[:, 0, 0]), "tril"),
    "padded": (lambda h: np.pad(h, ((1, 0), (0, 0), (0, 0)))[:N], "gather"),
    "mean, then squeezed": (lambda h: h - np.squeeze(np.mean(h, axis=0, keepdims=True), 0), "mean"),
    "scaled by a function of the mean": (lambda h: h * np.exp(np.mean(h)), "mean"),
    "merged axes": (lambda h: h.reshape((N * N, N)).reshape((N, N, N)), "reshape"),
    "samples as a weight": (lambda h: on_device(np.ones((N, N))) @ h[:, 0], "matmul"),
    "vector @ samples": (lambda h: on_device(np.ones(N)) @ h[:, 0], "matmul"),
    "inverse of the batch": (lambda h: np.linalg.inv(h[:, 0] + 5 * mg.eye(N)), "inv"),
    "diagonal": (lambda h: np.diag(h[:, 0, 0]), "scatter"),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXING)
def test_mixed_samples_are_refused(name):
    operation, named = MIXING[name]
    X = inputs(N, N, N)
    with pytest.raises(ValueError, match=rf"per_sample_gradients: (no per-sample rule is known for )?{named}\b"):
        mg.per_sample_gradients(operated(operation, X), values, X, None)


def test_an_unknown_operation_is_named_and_can_be_declared(monkeypatch):
    @mg.primitive
    def cube(x):
        return x * x * x

    mg.rule(cube, lambda g, _y, x: g * 3 * x * x)
    X = inputs(N, 3)
    model = operated(cube, X)
    with pytest.raises(ValueError, match=r"no per-sample rule is known for cube.*WAYS\[cube\] = "):
        mg.per_sample_gradients(model, values, X, None)
    monkeypatch.setitem(per_sample.WAYS, cube, per_sample.row_by_row)
    assert_exact(model, values, X, None)


def test_an_argument_without_derivative_is_refused_as_in_backward():
    @mg.primitive
    def scaled(x, factor):
        return x * factor

    mg.rule(scaled, lambda g, _y, _x, factor: g * factor, None)
    model = Model(lambda m, x: scaled(m.p, np.exp(m.q)) * x, (3,), ())
    with pytest.raises(TypeError, match="scaled has no derivative with respect to argument 1"):
        mg.per_sample_gradients(model, values, inputs(N, 3), None)


def test_batch_norm_is_refused_in_training_mode_only():
    model = nn.Sequential(nn.Conv2d(2, 3, 2, rng=0), nn.BatchNorm2d(3), nn.ReLU()).astype(np.float64)
    X = inputs(6, 2, 4, 4)
    model(X)  # statistics other than 0 and 1
    with pytest.raises(
        ValueError, match=r"1 is a BatchNorm2d in training mode.*depends on all others.*model\.eval\(\)"
    ):
        mg.per_sample_gradients(model, values, X, None)
    assert_exact(model.eval(), values, X, None)
    with pytest.raises(ValueError, match="the model is a BatchNorm1d"):
        mg.per_sample_gradients(nn.BatchNorm1d(5), values, inputs(6, 5), None)
    assert_exact(nn.BatchNorm1d(5).astype(np.float64).eval(), values, inputs(6, 5), None)


# --- The contract


@pytest.mark.parametrize("reduction", ["sum", "mean", "weighted_mean", 7.0])
def test_the_gradient_of_a_weighted_loss_is_the_weighted_sum(reduction):
    rng = np.random.default_rng(0)
    model, X, y = mlp(), inputs(6, 5), rng.integers(0, 3, 6)
    sample_weight, class_weight = rng.random(6), rng.random(3)
    w = sample_weight * class_weight[y]
    divisor = {"sum": 1, "mean": 6, "weighted_mean": w.sum(), 7.0: 7}[reduction]
    weights = {"sample_weight": sample_weight, "class_weight": class_weight}
    losses.cross_entropy(model(X), y, reduction=reduction, **weights).backward()
    gradients = mg.per_sample_gradients(model, losses.cross_entropy, X, y)
    inside = mg.per_sample_gradients(model, partial(losses.cross_entropy, **weights), X, y)
    for name, p in model.named_parameters():
        by_hand = np.tensordot(w, to_host(gradients[name]), 1) / divisor
        np.testing.assert_allclose(by_hand, p.grad.data, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(inside[name].sum(axis=0) / divisor, p.grad.data, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("reduction", ["sum", "mean", "weighted_mean", 7.0])
def test_the_derivative_by_a_weight_is_the_loss_of_the_sample(reduction):
    rng = np.random.default_rng(0)
    z, y = on_device(rng.normal(size=(6, 3))), rng.integers(0, 3, 6)
    w = mg.tensor(rng.random(6), requires_grad=True)
    L = losses.cross_entropy(z, y, sample_weight=w, reduction=reduction)
    each = losses.cross_entropy(z, y, reduction="none")
    expected = {
        "sum": each,
        "mean": each / 6,
        "weighted_mean": (each - L.item()) / w.data.sum(),
        7.0: each / 7,
    }[reduction]
    np.testing.assert_allclose(mg.grad(L, w).data, expected, rtol=1e-12)


def test_frozen_unused_and_untouched():
    model = Model(lambda m, x: x * m.p + m.q, (3,), (3,), (2, 2))
    model.q.requires_grad = False
    model.p.grad = before = mg.ones(3)
    found = mg.per_sample_gradients(model, values, inputs(N, 3), None)
    assert list(found) == ["p", "r"]
    assert model.p.grad is before
    assert found["r"].shape == (N, 2, 2)
    assert not found["r"].any()


def test_results_share_no_memory():
    found = mg.per_sample_gradients(Model(lambda m, x: x + m.p + m.q, (3,), (3,)), values, inputs(N, 3), None)
    found["p"][...] = 0
    assert found["q"].all()


def test_dropout_is_one_draw_for_the_batch():
    model = nn.Sequential(nn.Linear(5, 8, rng=0), nn.Dropout(0.5), nn.Linear(8, 3, rng=1)).astype(np.float64)
    X, y = inputs(6, 5), np.array([0, 1, 2, 0, 1, 2])
    mg.manual_seed(3)
    found = mg.per_sample_gradients(model, losses.cross_entropy, X, y)
    mg.manual_seed(3)
    losses.cross_entropy(model(X), y, reduction="sum").backward()
    for name, p in model.named_parameters():
        np.testing.assert_allclose(found[name].sum(axis=0), p.grad.data, rtol=1e-12, atol=1e-15)


BAD_CALLS = {
    "a scalar loss": (
        mlp(),
        lambda z, y: np.mean(z),
        ValueError,
        r"X has 6 samples, but the loss has shape \(\).*none",
    ),
    "no graph": (mlp(), lambda z, y: np.sum(z.detach(), axis=1), ValueError, "do not depend on any parameter"),
    "no module": (lambda x: x, losses.mse, TypeError, "expected a mg.nn.Module.* got a function"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_calls(name):
    model, loss, error, message = BAD_CALLS[name]
    with pytest.raises(error, match=message):
        mg.per_sample_gradients(model, loss, inputs(6, 5), np.zeros(6, int))


# --- class_gradient_share


def share_by_hand(model, loss, X, y, w, classes, names):
    gradients = loop(model, partial(loss, reduction="none"), X, y)
    of_class = [np.concatenate([np.tensordot(w * (y == c), gradients[n], 1).ravel() for n in names]) for c in classes]
    lengths = np.linalg.norm(of_class, axis=1)
    return lengths / lengths.sum()


def test_class_gradient_share():
    rng = np.random.default_rng(0)
    model, X, y = mlp(), inputs(12, 5), np.repeat([0, 1, 2], [6, 4, 2])
    sample_weight, class_weight = rng.random(12), rng.random(3)
    names = [name for name, _ in model.named_parameters()]
    share = mg.class_gradient_share(
        model, losses.cross_entropy, X, y, sample_weight=sample_weight, class_weight=class_weight
    )
    w = sample_weight * class_weight[y]
    np.testing.assert_allclose(share, share_by_hand(model, losses.cross_entropy, X, y, w, range(3), names), rtol=1e-12)
    last = mg.class_gradient_share(model, losses.cross_entropy, X, y, parameters=[model[2].weight])
    expected = share_by_hand(model, losses.cross_entropy, X, y, np.ones(12), range(3), ["2.weight"])
    np.testing.assert_allclose(last, expected, rtol=1e-12)
    assert model[0].weight.grad is None


@pytest.mark.parametrize(("loss", "low"), [(losses.binary_cross_entropy, 0), (losses.hinge, -1)])
def test_class_gradient_share_of_two_classes(loss, low):
    model = Model(lambda m, x: x @ m.p, (5,))
    X, y = inputs(12, 5), np.repeat([low, 1], [9, 3])
    share = mg.class_gradient_share(model, loss, X, y)
    np.testing.assert_allclose(share, share_by_hand(model, loss, X, y, np.ones(12), [low, 1], ["p"]), rtol=1e-12)


def test_class_gradient_share_without_any_gradient():
    share = mg.class_gradient_share(mlp(), losses.cross_entropy, inputs(3, 5), [0, 1, 1], sample_weight=np.zeros(3))
    np.testing.assert_array_equal(share, [0, 0, 0])


def test_class_gradient_share_needs_one_class_per_sample():
    with pytest.raises(ValueError, match=r"integer labels of shape \(6,\); got float64 of shape \(6, 3\)"):
        mg.class_gradient_share(mlp(), losses.mse, inputs(6, 5), np.zeros((6, 3)))
