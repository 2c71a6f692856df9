"""Weights that are learned through a step of training: two ways to the same weights, and the mistakes that are near."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import losses, nn
from minigrad.device import to_host
from minigrad.learned_weights import MetaWeightNet, learn_to_reweight, meta_weight_step
from minigrad.nn.functional_call import functional_call
from tests.devices import ARRAY, on_device

rng = np.random.default_rng(0)
X, y = on_device(rng.normal(size=(9, 4))), rng.integers(0, 3, 9)
X_VAL, Y_VAL = on_device(rng.normal(size=(5, 4))), rng.integers(0, 3, 5)


def double(*layers):
    return nn.Sequential(*layers).astype(np.float64)


def mlp():
    return double(nn.Linear(4, 6, rng=0), nn.Tanh(), nn.Linear(6, 3, rng=1))


def flat(gradients):
    return np.concatenate([g.numpy().ravel() for g in gradients])


# --- Learning to reweight


shared = nn.Linear(4, 4, rng=3)
MODELS = {
    "linear": double(nn.Linear(4, 3, rng=0)),
    "MLP": mlp(),
    "layer norm": double(nn.Linear(4, 6, rng=0), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 3, rng=1)),
    "shared layer": double(shared, nn.ReLU(), shared, nn.Linear(4, 3, rng=1)),
}


def smoothed(prediction, target, reduction):
    return losses.cross_entropy(prediction, target, label_smoothing=0.1, reduction=reduction)


def squared(prediction, target):
    """A loss that knows no reduction: (N,) values."""
    return np.sum((prediction - on_device(nn.functional.one_hot(target, 3))) ** 2, axis=1)


def several_labels(prediction, target, reduction):
    """A multi-label loss (N, 3): a sample's loss is the sum of its entries."""
    return losses.binary_cross_entropy(prediction, nn.functional.one_hot(target, 3), reduction=reduction)


@pytest.mark.parametrize("loss", [losses.cross_entropy, smoothed, squared, several_labels])
@pytest.mark.parametrize("name", MODELS)
def test_both_methods_give_the_weights_of_the_formula(name, loss):
    model = MODELS[name]
    parameters = list(model.parameters())
    option = {} if loss is squared else {"reduction": "none"}
    each = loss(model(X), y, **option).reshape((9, -1)).sum(axis=1)
    direction = flat(mg.grad(np.mean(loss(model(X_VAL), Y_VAL, **option)), parameters))
    positive = np.maximum([flat(mg.grad(each[i], parameters)) @ direction for i in range(9)], 0)
    for method in ("double_backward", "per_sample"):
        w = learn_to_reweight(model, loss, X, y, X_VAL, Y_VAL, method=method)
        assert type(w) is ARRAY
        assert float(w.sum()) == pytest.approx(1)
        np.testing.assert_allclose(w, positive / positive.sum(), rtol=0, atol=1e-10)
    assert all(p.grad is None for p in parameters)


def test_the_weights_say_how_a_step_changes_the_validation_loss():
    """Ren et al. eq. 7 by finite differences: really take the step with eps_i = +-h."""
    model, h = mlp(), 1e-4
    state = model.state_dict()

    def validation_loss_after(eps):
        model.load_state_dict(state)
        terms = losses.cross_entropy(model(X), y, reduction="none") * on_device(eps)
        for p, g in zip(model.parameters(), mg.grad(np.sum(terms), list(model.parameters())), strict=True):
            p.data -= g.data
        return losses.cross_entropy(model(X_VAL), Y_VAL).item()

    slopes = [(validation_loss_after(h * e) - validation_loss_after(-h * e)) / (2 * h) for e in np.eye(9)]
    model.load_state_dict(state)
    positive = np.maximum(-np.array(slopes), 0)
    w = learn_to_reweight(model, losses.cross_entropy, X, y, X_VAL, Y_VAL)
    np.testing.assert_allclose(w, positive / positive.sum(), atol=1e-6)


@pytest.mark.parametrize("method", ["double_backward", "per_sample"])
def test_wrong_labels_get_less(method):
    """Two blobs; a third of the labels are flipped, a few clean samples are trusted."""
    truth = np.repeat([0, 1], 30)
    points = np.random.default_rng(1).normal(size=(60, 2)) + np.where(truth[:, None] == 0, 2, -2)
    flipped = np.arange(60) % 3 == 0
    labels = np.where(flipped, 1 - truth, truth)
    trusted = np.arange(1, 60, 10)
    w = learn_to_reweight(
        double(nn.Linear(2, 2, rng=0)), losses.cross_entropy, points, labels, points[trusted], truth[trusted],
        method=method,
    )  # fmt: skip
    assert to_host(w)[flipped].sum() < 0.05


@pytest.mark.parametrize("method", ["double_backward", "per_sample"])
def test_if_no_sample_helps_all_weights_are_zero(method):
    one = np.array([[1.0, 2.0, 0.0, 0.0]])
    w = learn_to_reweight(mlp(), losses.cross_entropy, one[[0, 0]], [0, 0], one, [1], method=method)
    np.testing.assert_array_equal(w, [0, 0])
    assert losses.cross_entropy(mlp()(on_device(one[[0, 0]])), [0, 0], sample_weight=w, reduction="sum").item() == 0


class Batch(nn.Module):
    """Statistics of the batch, as in BatchNorm."""

    def forward(self, x):
        return nn.functional.standardize(x, (0,), 1e-5)


def test_where_samples_interact_only_double_backward_is_exact():
    model = double(nn.Linear(4, 5, rng=0), Batch(), nn.Linear(5, 3, rng=1))
    assert float(learn_to_reweight(model, losses.cross_entropy, X, y, X_VAL, Y_VAL).sum()) == pytest.approx(1)
    with pytest.raises(ValueError, match="per_sample_gradients: standardize"):
        learn_to_reweight(model, losses.cross_entropy, X, y, X_VAL, Y_VAL, method="per_sample")


@pytest.mark.parametrize("training", [True, False])
def test_running_statistics_are_those_of_the_steps_that_are_taken(training):
    model = double(nn.Linear(4, 5, rng=0), nn.BatchNorm1d(5), nn.Linear(5, 3, rng=1)).train(training)
    net, before = MetaWeightNet(hidden=3, rng=0).astype(np.float64), model.state_dict()
    learn_to_reweight(model, losses.cross_entropy, X, y, X_VAL, Y_VAL)
    optimizer = mg.optim.SGD(net.parameters(), lr=1.0)
    meta_weight_step(net, optimizer, model, losses.cross_entropy, X, y, X_VAL, Y_VAL, lr=LR)
    if training:
        with pytest.raises(ValueError, match="per_sample_gradients"):
            learn_to_reweight(model, losses.cross_entropy, X, y, X_VAL, Y_VAL, method="per_sample")
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.data, before[name].data, err_msg=name)
    model(X)
    assert model[1].num_batches_tracked == training


def test_float32_stays_float32():
    model = mlp().astype(np.float32)
    for method in ("double_backward", "per_sample"):
        w = learn_to_reweight(
            model, losses.cross_entropy, X.astype("f"), y, X_VAL.astype("f"), Y_VAL, method=method
        )  # fmt: skip
        assert w.dtype == np.float32


def virtual_weights_gradient(create_graph):
    """The heart of learn_to_reweight, written out, with and without a recorded step."""
    model, w = mlp(), mg.tensor(np.zeros(9), requires_grad=True)
    names, parameters = zip(*model.named_parameters(), strict=True)
    objective = losses.cross_entropy(model(X), y, sample_weight=w, reduction="sum")
    gradients = mg.grad(objective, list(parameters), create_graph=create_graph)
    stepped = {name: p - g for name, p, g in zip(names, parameters, gradients, strict=True)}
    return mg.grad(losses.cross_entropy(functional_call(model, stepped, X_VAL), Y_VAL), w).data


def test_forgetting_create_graph_loses_the_weights_without_a_word():
    positive = np.maximum(-virtual_weights_gradient(create_graph=True), 0)
    w = learn_to_reweight(mlp(), losses.cross_entropy, X, y, X_VAL, Y_VAL)
    np.testing.assert_allclose(positive / positive.sum(), w, atol=1e-10)
    np.testing.assert_array_equal(virtual_weights_gradient(create_graph=False), np.zeros(9))


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="method must be 'double_backward' or 'per_sample', got 'both'"):
        learn_to_reweight(mlp(), losses.cross_entropy, X, y, X_VAL, Y_VAL, method="both")


# --- Meta-Weight-Net

LR = 0.7


def meta_loss(net, model, detach=True):
    """L_meta after the virtual step; the weighted gradient as a sum over samples, as the paper writes it."""
    each = losses.cross_entropy(model(X), y, reduction="none")
    weights = net(each.detach() if detach else each)
    parameters = dict(model.named_parameters())
    if detach:
        per_sample = mg.per_sample_gradients(model, losses.cross_entropy, X, y)
        directions = [np.tensordot(weights, mg.Tensor(per_sample[name]), 1) / 9 for name in parameters]
    else:
        directions = mg.grad(np.sum(weights * each) / 9, list(parameters.values()), create_graph=True)
    stepped = {name: p - LR * g for (name, p), g in zip(parameters.items(), directions, strict=True)}
    return losses.cross_entropy(functional_call(model, stepped, X_VAL), Y_VAL)


def taken_step(detach=True):
    """The change of Theta under SGD with learning rate 1, from the net's start."""
    model, net = mlp(), MetaWeightNet(hidden=7, rng=0).astype(np.float64)
    return [-g.data for g in mg.grad(meta_loss(net, model, detach), list(net.parameters()))]


def test_meta_weight_step_follows_algorithm_1():
    model, net = mlp(), MetaWeightNet(hidden=7, rng=0).astype(np.float64)
    before = [p.data.copy() for p in net.parameters()]
    model_before = [p.data.copy() for p in model.parameters()]
    optimizer = mg.optim.SGD(net.parameters(), lr=1.0)
    w = meta_weight_step(net, optimizer, model, losses.cross_entropy, X, y, X_VAL, Y_VAL, lr=LR)
    for p, old, change in zip(net.parameters(), before, taken_step(), strict=True):
        np.testing.assert_allclose(p.data - old, change, rtol=1e-9, atol=1e-14)
        assert np.abs(change).max() > 0
    each = losses.cross_entropy(model(X), y, reduction="none").detach()
    np.testing.assert_array_equal(w, net(each).data)  # the new Theta
    assert type(w) is ARRAY
    assert ((w > 0) & (w < 1)).all()
    assert all((p.data == old).all() for p, old in zip(model.parameters(), model_before, strict=True))
    assert all(p.grad is None for module in (model, net) for p in module.parameters())


def test_the_meta_gradient_passes_finite_differences():
    model, net = mlp(), MetaWeightNet(hidden=7, rng=0).astype(np.float64)
    parameters = list(net.parameters())
    gradients = mg.grad(meta_loss(net, model), parameters)
    for p, g in zip(parameters, gradients, strict=True):
        direction = on_device(rng.normal(size=p.shape))
        sides = []
        for sign in (1, -1):
            p.data += sign * 1e-5 * direction
            sides.append(meta_loss(net, model).item())
            p.data -= sign * 1e-5 * direction
        assert float(np.sum(g.data * direction)) == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-5, abs=1e-10)


def test_a_net_that_sees_losses_with_their_graph_is_another_method():
    """Not detached, the model's virtual step also follows d V / d l: it would move to where it is weighted less."""
    detached, attached = (np.concatenate([to_host(c).ravel() for c in taken_step(detach)]) for detach in (True, False))
    assert np.linalg.norm(detached - attached) > 0.01 * np.linalg.norm(detached)


def test_meta_weight_net_learns_to_mistrust_large_losses():
    truth = np.repeat([0, 1], 40)
    points = np.random.default_rng(1).normal(size=(80, 2)) + np.where(truth[:, None] == 0, 2, -2)
    flipped = np.arange(80) % 4 == 0
    labels = np.where(flipped, 1 - truth, truth)
    trusted = np.arange(1, 80, 8)
    model, net = double(nn.Linear(2, 2, rng=0)), MetaWeightNet(rng=0).astype(np.float64)
    meta_optimizer = mg.optim.Adam(net.parameters(), lr=0.01)
    optimizer = mg.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(60):
        w = meta_weight_step(
            net, meta_optimizer, model, losses.cross_entropy, points, labels, points[trusted], truth[trusted], lr=0.5
        )  # fmt: skip
        optimizer.zero_grad()
        losses.cross_entropy(model(on_device(points)), labels, sample_weight=w).backward()
        optimizer.step()
    w = to_host(w)
    assert w[flipped].mean() < 0.5 * w[~flipped].mean()


def test_the_net_says_what_it_is():
    assert "1 -> 100 -> 1" in repr(MetaWeightNet())
