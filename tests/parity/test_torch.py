"""The same weights give the same logits and the same gradients as PyTorch's, under the same names."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

torch = pytest.importorskip("torch", reason="PyTorch is not installed: the comparison needs it as the other side")

# our layer: PyTorch's
ACTIVATIONS = {
    "ReLU": (nn.ReLU, torch.nn.ReLU),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.2), lambda: torch.nn.LeakyReLU(0.2)),
    "GELU": (nn.GELU, torch.nn.GELU),
    "GELU tanh": (lambda: nn.GELU("tanh"), lambda: torch.nn.GELU("tanh")),
    "Sigmoid": (nn.Sigmoid, torch.nn.Sigmoid),
    "Tanh": (nn.Tanh, torch.nn.Tanh),
}
PRECISIONS = [(np.float64, 1e-10), (np.float32, 2e-5)]


def pair(activation, dtype):
    """Two models of the same weights, ours loaded from PyTorch's state_dict."""
    ours, theirs = ACTIVATIONS[activation]
    torch.manual_seed(0)
    parts = [torch.nn.Linear(7, 16), theirs(), torch.nn.LayerNorm(16), torch.nn.Linear(16, 4, bias=False)]
    other = torch.nn.Sequential(*parts).to(getattr(torch, np.dtype(dtype).name))
    for p in other.parameters():  # LayerNorm starts as the identity; that would hide a mistake in its use
        p.data += 0.1 * torch.randn_like(p)
    model = nn.Sequential(nn.Linear(7, 16), ours(), nn.LayerNorm(16), nn.Linear(16, 4, bias=False)).astype(dtype)
    assert list(model.state_dict()) == list(other.state_dict())
    model.load_state_dict(other.state_dict())
    return model, other


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_logits_loss_and_gradients(activation, dtype, tolerance):
    model, other = pair(activation, dtype)
    rng = np.random.default_rng(1)
    x, y, w = rng.normal(size=(9, 7)).astype(dtype), rng.integers(0, 4, 9), rng.random(9).astype(dtype)
    ours, theirs = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)

    logits, expected = model(ours), other(theirs)
    loss = mg.losses.cross_entropy(logits, y, sample_weight=w)
    per_sample = torch.nn.functional.cross_entropy(expected, torch.tensor(y), reduction="none")
    (per_sample * torch.tensor(w)).mean().backward()
    loss.backward()

    assert logits.dtype == loss.dtype == dtype
    found = {"logits": logits, "x": ours.grad, **{name: p.grad for name, p in model.named_parameters()}}
    wanted = {"logits": expected.detach(), "x": theirs.grad, **{name: p.grad for name, p in other.named_parameters()}}
    assert list(found) == list(wanted)
    for name, value in found.items():
        np.testing.assert_allclose(value.data, wanted[name].numpy(), tolerance, tolerance, err_msg=name)


def test_our_state_loads_into_pytorch():
    model, other = pair("ReLU", np.float64)
    x = np.ones((2, 7))
    for p in model.parameters():
        p.data += 1
    other.load_state_dict({name: torch.tensor(value.numpy()) for name, value in model.state_dict().items()})
    np.testing.assert_allclose(model(mg.tensor(x)).data, other(torch.tensor(x)).detach(), 1e-10)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (nn.functional.relu, torch.nn.functional.relu),
        (nn.functional.leaky_relu, torch.nn.functional.leaky_relu),
        (nn.functional.sigmoid, torch.sigmoid),
        (nn.functional.softplus, torch.nn.functional.softplus),
        (nn.functional.gelu, torch.nn.functional.gelu),
        (nn.functional.erf, torch.erf),
        (nn.functional.logsumexp, lambda x: torch.logsumexp(x, -1)),
        (nn.functional.softmax, lambda x: torch.softmax(x, -1)),
        (nn.functional.log_softmax, lambda x: torch.log_softmax(x, -1)),
    ],
    ids=lambda f: f.__name__,
)
def test_functions(ours, theirs):
    values = np.array([-1e4, -30, -2, -1e-3, 0, 1e-3, 2, 15, 1e4])
    x, other = mg.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    y, expected = ours(x), theirs(other)
    np.testing.assert_allclose(y.data, expected.detach(), 1e-10, 1e-14)
    g = np.linspace(1, 2, y.size).reshape(y.shape)
    y.backward(g)
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(x.grad.data, other.grad, 1e-10, 1e-10)


@pytest.mark.parametrize("shape", [(16, 8), (8, 4, 3, 3)])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (nn.init.xavier_uniform, torch.nn.init.xavier_uniform_),
        (nn.init.xavier_normal, torch.nn.init.xavier_normal_),
        (nn.init.kaiming_uniform, torch.nn.init.kaiming_uniform_),
        (nn.init.kaiming_normal, torch.nn.init.kaiming_normal_),
    ],
    ids=lambda f: f.__name__,
)
def test_starting_values_have_the_same_spread(ours, theirs, shape):
    torch.manual_seed(0)
    shape = (shape[0] * 16, *shape[1:])
    assert np.std(ours(shape, rng=0)) == pytest.approx(theirs(torch.empty(shape)).std().item(), rel=0.05)
