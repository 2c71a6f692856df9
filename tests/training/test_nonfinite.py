"""Training stops at NaN and infinity, says where they began, and leaves the model as it was before that batch."""

import re

import numpy as np
import pytest

import minigrad as mg
from minigrad.losses import cross_entropy, mse
from minigrad.training import NonFiniteError, fit

N, K, D = 40, 3, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D)).astype(np.float32)
Y = RNG.integers(K, size=N)


class Log(mg.nn.Module):
    def forward(self, x):
        return np.log(x)


class Root(mg.nn.Module):
    def forward(self, x):
        return np.sqrt(x)


class Inside(mg.nn.Module):
    """Computes something of its own after its layers."""

    def __init__(self):
        super().__init__()
        self.layer = mg.nn.Linear(D, K, rng=0)

    def forward(self, x):
        return np.log(-np.absolute(self.layer(x)))


def network(*layers):
    return mg.nn.Sequential(mg.nn.Linear(D, 8, rng=0), *layers, mg.nn.Linear(8, K, rng=1))


def train(model, X=X, loss=cross_entropy, y=Y, lr=0.1, **arguments):
    optimizer = mg.optim.SGD(model.parameters(), lr=lr)
    arguments = {"epochs": 2, "batch_size": 8, "rng": 0, "progress": False} | arguments
    return fit(model, loss, (X, y), optimizer=optimizer, **arguments)


def with_nan(X):
    X = X.copy()
    X[5, 2] = np.nan
    return X


def broken(model):
    model[0].weight.data[0, 0] = np.inf
    return model


def one_number(prediction, target, *, reduction="mean", **_):
    values = cross_entropy(prediction, target, reduction="none")
    return values if reduction == "none" else np.sum(values) / 0.0


CASES = {
    "a layer": (
        {"model": network(Log(), mg.nn.BatchNorm1d(8))},
        [r"epoch 1, batch 1: the loss became nan", r"is that of layer 1, Log\(\); its input was finite", "clip_norm"],
    ),
    "a layer with its sizes": (
        {"model": broken(network())},
        [r"is that of layer 0, Linear\(4 -> 8\); its input was finite, but its weight is not, since before"],
    ),
    "a model's own computing": ({"model": Inside()}, [r"is that of the model itself, Inside\(\)"]),
    "the input": (
        {"model": network(), "X": with_nan(X)},
        ["the input X itself is not finite, in sample 5 of the data: clean the data"],
    ),
    "the loss": (
        {"model": network(), "loss": one_number}, ["the loss became inf, but the output of every layer is finite"],
    ),
    "the gradient": (
        {"model": network(mg.nn.ReLU(), Root()), "X": np.zeros_like(X)},
        ["the loss is finite", "not the gradient of 0.bias", "infinite slope"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_message_says_where_it_began(name):
    arguments, parts = CASES[name]
    if name == "the gradient":
        arguments["model"][0].bias.data[...] = 0
    before = {n: value.data.copy() for n, value in arguments["model"].state_dict().items()}
    with pytest.raises(NonFiniteError) as error:
        train(**arguments)
    assert all(re.search(part, str(error.value)) for part in parts), str(error.value)
    if name != "the input":  # which may have come in a later batch
        after = arguments["model"].state_dict()
        assert all(np.array_equal(after[n].data, before[n]) for n in before)


def test_a_run_that_diverges_stops_with_what_was_learned():
    model = mg.nn.Sequential(mg.nn.Linear(D, 8, rng=0), mg.nn.BatchNorm1d(8), mg.nn.Linear(8, K, rng=1))
    target = RNG.normal(size=(N, K)).astype(np.float32)
    with pytest.raises(NonFiniteError, match=r"Lower the learning rate|infinite slope") as error:
        train(model, loss=mse, y=target, lr=30.0, epochs=50)
    assert len(error.value.history) == int(str(error.value).split()[1].rstrip(",")) - 1
    assert all(np.isfinite(value.data).all() for value in model.state_dict().values())


def test_hooks_are_gone_and_no_gradient_is_left():
    model = network(Log())
    with pytest.raises(NonFiniteError):
        train(model)
    assert all(not module._hooks for module in model.modules())
    assert all(p.grad is None for p in model.parameters())


def test_healthy_training_calls_no_hooks(monkeypatch):
    def refuse(*_):
        raise AssertionError("a hook was registered")

    monkeypatch.setattr(mg.nn.Module, "register_forward_hook", refuse)
    assert len(train(network())) == 2
