"""A learning rate per row of the last layer beside a class weight: equal under SGD, not under Adam."""

from itertools import pairwise

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.losses import binary_cross_entropy, cross_entropy
from minigrad.optim import SGD, Adam, AdamW, RMSprop
from tests.devices import on_device
from tests.optim.parity import give, parameters_of

RNG = np.random.default_rng(3)
X = on_device(RNG.normal(size=(40, 4)))
LABELS = RNG.integers(0, 3, size=40)
T = np.eye(3)[LABELS]
V = np.array([0.5, 1.0, 4.0])
LR = 0.1


def model_of(depth):
    sizes = [4] * depth + [3]
    layers = [nn.Linear(a, b, rng=i) for i, (a, b) in enumerate(pairwise(sizes))]
    return nn.Sequential(*layers).astype(np.float64)


def groups(model, last):
    return [{"params": model[:-1].parameters(), "lr": LR}] * (len(model) > 1) + [
        {"params": model[-1].parameters(), "lr": last}
    ]


def trained(make, loss, target, steps, *, depth=1, rates=None, class_weight=None, **settings):
    """The parameters of each layer after some steps, flat."""
    model = model_of(depth)
    optimizer = make(groups(model, LR if rates is None else LR * rates), **settings)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model(X), target, class_weight=class_weight).backward()
        optimizer.step()
    return [np.concatenate([p.numpy().ravel() for p in layer.parameters()]) for layer in model]


@pytest.mark.parametrize("settings", [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}], ids=str)
def test_under_sgd_rates_are_weights_of_the_outputs(settings):
    (rate,) = trained(SGD, binary_cross_entropy, T, 20, rates=V, **settings)
    (weight,) = trained(SGD, binary_cross_entropy, T, 20, class_weight=V, **settings)
    (neither,) = trained(SGD, binary_cross_entropy, T, 20, **settings)
    np.testing.assert_allclose(rate, weight, rtol=1e-12)
    assert abs(rate - neither).max() > 0.01


def test_the_layers_below_feel_the_weight_and_not_the_rate():
    rate = trained(SGD, binary_cross_entropy, T, 1, depth=2, rates=V)
    weight = trained(SGD, binary_cross_entropy, T, 1, depth=2, class_weight=V)
    neither = trained(SGD, binary_cross_entropy, T, 1, depth=2)
    np.testing.assert_allclose(rate[1], weight[1], rtol=1e-12)
    np.testing.assert_array_equal(rate[0], neither[0])
    assert abs(weight[0] - neither[0]).max() > 1e-3


def test_under_adam_the_weight_cancels_and_the_rate_does_not():
    (start,) = trained(Adam, binary_cross_entropy, T, 0)
    (neither,) = trained(Adam, binary_cross_entropy, T, 1)
    (weight,) = trained(Adam, binary_cross_entropy, T, 1, class_weight=V)
    (rate,) = trained(Adam, binary_cross_entropy, T, 1, rates=V)
    np.testing.assert_allclose(weight - start, neither - start, rtol=1e-4)
    of_entries = np.concatenate([np.repeat(V, 4), V])  # weight, then bias
    np.testing.assert_allclose(rate - start, of_entries * (neither - start), rtol=1e-9)
    (weight,) = trained(Adam, binary_cross_entropy, T, 20, class_weight=V)
    (rate,) = trained(Adam, binary_cross_entropy, T, 20, rates=V)
    assert abs(rate - weight).max() > 0.1


def test_the_class_weight_of_softmax_is_another_thing():
    (rate,) = trained(SGD, cross_entropy, LABELS, 1, rates=V)
    (weight,) = trained(SGD, cross_entropy, LABELS, 1, class_weight=V)
    assert abs(rate - weight).max() > 0.01


@pytest.mark.parametrize(("make", "equal"), [(SGD, True), (Adam, False)])
def test_in_batches_of_one_it_is_a_rate_per_class_of_the_sample(make, equal):
    rate, weight = model_of(2), model_of(2)
    by_rate, by_weight = make(rate.parameters(), lr=LR), make(weight.parameters(), lr=LR)
    for i, y in enumerate(LABELS):
        for model, optimizer, v in ((rate, by_rate, None), (weight, by_weight, V)):
            optimizer.zero_grad()
            cross_entropy(model(X[i : i + 1]), [y], class_weight=v).backward()
        by_rate.param_groups[0]["lr"] = LR * V[y]
        by_rate.step()
        by_weight.step()
    difference = max(abs(p.data - q.data).max() for p, q in zip(rate.parameters(), weight.parameters(), strict=True))
    assert difference < 1e-12 if equal else difference > 0.1


@pytest.mark.parametrize("dtypes", [[np.float32], [np.float32, np.float64]], ids=["one dtype", "mixed"])
@pytest.mark.parametrize("missing", [None, 1])
@pytest.mark.parametrize("make", [SGD, Adam, AdamW, RMSprop])
def test_rates_per_row_are_optimisers_per_row(make, missing, dtypes):
    """Also where some parameter has no gradient, and for parameters of any number of axes."""
    rates = [0.1, 0.0, 0.3]
    shapes = [(3, 2), (3,), (3, 1, 2)]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(dtypes[i % len(dtypes)]) for i, shape in enumerate(shapes)]
    together = parameters_of(arrays)
    apart = [parameters_of([a[k] for a in arrays]) for k in range(3)]
    optimizer = make(together, lr=rates, weight_decay=0.2)
    others = [make(parameters, lr=lr, weight_decay=0.2) for parameters, lr in zip(apart, rates, strict=True)]
    for _ in range(5):
        drawn = [rng.normal(size=a.shape).astype(a.dtype) for a in arrays]
        drawn = [None if i == missing else g for i, g in enumerate(drawn)]
        give(together, drawn)
        optimizer.step()
        for k, parameters in enumerate(apart):
            give(parameters, [None if g is None else np.asarray(g[k]) for g in drawn])
            others[k].step()
    for i, p in enumerate(together):
        assert p.dtype == arrays[i].dtype
        np.testing.assert_allclose(p.data, [parameters[i].numpy() for parameters in apart], rtol=1e-6, atol=1e-7)


def test_rates_that_no_longer_fit():
    (p,) = parameters_of([np.ones((3, 2))])
    optimizer = SGD([p], lr=[1.0, 1.0, 1.0])
    give([p], [np.ones((3, 2))])
    optimizer.param_groups[0]["lr"] = [1.0, 1.0]
    with pytest.raises(ValueError, match=r"lr has shape \(2,\), but a parameter of its group has shape \(3, 2\)"):
        optimizer.step()
    assert p.tolist() == [[1, 1]] * 3
    optimizer.param_groups[0]["lr"] = np.array(0.5)
    optimizer.step()
    assert p.tolist() == [[0.5, 0.5]] * 3


def test_rates_go_through_a_file(tmp_path):
    (p,) = parameters_of([np.ones((2, 2))])
    mg.save(tmp_path / "state", SGD([p], lr=[0.5, 0.25]))
    optimizer = SGD([p])
    optimizer.load_state_dict(mg.load(tmp_path / "state"))
    give([p], [np.ones((2, 2))])
    optimizer.step()
    assert p.tolist() == [[0.5, 0.5], [0.75, 0.75]]
