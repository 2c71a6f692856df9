"""functional_call: a model as a function of its parameters, and the model unharmed afterwards."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn.functional_call import functional_call
from tests.devices import on_device

X = on_device(np.random.default_rng(0).normal(size=(4, 3)))


def mlp():
    return nn.Sequential(nn.Linear(3, 5, rng=0), nn.Tanh(), nn.Linear(5, 2, rng=1)).astype(np.float64)


def doubled(model):
    return {name: 2 * p for name, p in model.named_parameters()}


def test_it_computes_with_the_given_values():
    model, other = mlp(), mlp()
    other.load_state_dict({name: 2 * p.data for name, p in model.named_parameters()})
    np.testing.assert_array_equal(functional_call(model, doubled(model), X).data, other(X).data)
    some = {"2.bias": mg.tensor(np.array([10.0, 20.0]))}
    shift = functional_call(model, some, X) - model(X)
    np.testing.assert_allclose(shift.data, np.tile([10, 20] - model[2].bias.numpy(), (4, 1)), rtol=1e-12)


def test_gradients_flow_into_what_the_values_were_made_of():
    model = mlp()
    scale = mg.tensor(np.array(1.5), requires_grad=True)
    scaled = {name: scale * p.detach() for name, p in model.named_parameters()}
    gradient = mg.grad(np.sum(functional_call(model, scaled, X)), scale).item()
    up, down = (
        np.sum(functional_call(model, {n: mg.tensor(s * p.data) for n, p in model.named_parameters()}, X)).item()
        for s in (1.5 + 1e-5, 1.5 - 1e-5)
    )
    assert gradient == pytest.approx((up - down) / 2e-5, rel=1e-8)


class Broken(nn.Module):
    def forward(self, _x):
        raise RuntimeError("broken on purpose")


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_as_before(fails):
    model = nn.Sequential(mlp(), Broken()) if fails else mlp()
    before = {name: (p, p.data.copy()) for name, p in model.named_parameters()}
    if fails:
        with pytest.raises(RuntimeError, match="on purpose"):
            functional_call(model, doubled(model), X)
    else:
        functional_call(model, doubled(model), X)
    after = dict(model.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is p for name, (p, _) in before.items())
    assert all((p.data == values).all() for p, values in before.values())


@pytest.mark.parametrize("name", ["0.weight", "2.weight"])
def test_a_shared_parameter_is_replaced_wherever_it_is_used(name):
    layer = nn.Linear(3, 3, bias=False, rng=0).astype(np.float64)
    model = nn.Sequential(layer, nn.Tanh(), layer)
    new = mg.tensor(np.eye(3))
    np.testing.assert_array_equal(functional_call(model, {name: new}, X).data, np.tanh(X))
    np.testing.assert_array_equal(functional_call(model, {"0.weight": new, "2.weight": new}, X).data, np.tanh(X))
    assert model[0].weight is model[2].weight


def test_options_reach_the_model():
    class Scaled(nn.Linear):
        def forward(self, x, factor=1):
            return super().forward(x) * factor

    model = Scaled(3, 2, rng=0)
    plain = functional_call(model, doubled(model), X)
    np.testing.assert_array_equal(functional_call(model, doubled(model), X, factor=3).data, plain.data * 3)


def test_wrong_parameters_are_refused():
    layer = nn.Linear(3, 3, rng=0)
    model = nn.Sequential(layer, layer)
    one = mg.ones(3, 3)
    with pytest.raises(ValueError, match=r"'0.wait' is no parameter of Sequential: 0.weight, 0.bias, 1.weight"):
        functional_call(model, {"0.wait": one}, X)
    with pytest.raises(ValueError, match=r"0.bias has shape \(3,\), got \(3, 3\)"):
        functional_call(model, {"0.bias": one}, X)
    with pytest.raises(ValueError, match=r"1.weight is a shared parameter and was given two values: name it once"):
        functional_call(model, {"0.weight": one, "1.weight": one + 1}, X)
