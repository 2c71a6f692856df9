import copy
import pickle
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.optim import SGD, Adam, AdamW, RMSprop
from tests import devices
from tests.devices import on_device
from tests.optim.parity import DTYPES, PATTERNS, RULES, beside_pytorch, give, gradients, parameters_of, starts

# --- The update rules --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtypes", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("rule", RULES)
def test_every_step_is_the_textbooks(rule, pattern, dtypes):
    make, plain, settings = RULES[rule]
    arrays = starts(dtypes)
    parameters, twins = parameters_of(arrays), [plain(a.astype(np.float64), **settings) for a in arrays]
    optimizer = make(parameters, **settings)
    for found in gradients(arrays, PATTERNS[pattern]):
        give(parameters, found)
        optimizer.step()
        for p, twin, a, g in zip(parameters, twins, arrays, found, strict=True):
            if g is not None:
                twin.step(g.astype(np.float64))
            assert (p.shape, p.dtype) == (a.shape, a.dtype)
            tolerance = 1e-12 if p.dtype == np.float64 else 2e-6
            np.testing.assert_allclose(p.data, twin.p, tolerance, tolerance)


@pytest.mark.parametrize("dtypes", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("rule", RULES)
def test_every_step_is_pytorchs(rule, pattern, dtypes):
    pytest.importorskip("torch", reason="PyTorch is not installed: the comparison needs it as the other side")
    for ours, theirs in beside_pytorch(rule, pattern, dtypes):
        tolerance = 1e-12 if ours.dtype == np.float64 else 1e-6
        np.testing.assert_allclose(ours, theirs, tolerance, tolerance)


def test_decoupled_decay_does_not_depend_on_the_gradient():
    """Adam divides the L2 penalty by the size of the gradient; AdamW shrinks all weights alike."""
    lost = {}
    for make in (Adam, AdamW):
        decayed, free = parameters_of([np.ones(2)] * 2)
        for p, decay in ((decayed, 0.5), (free, 0.0)):
            optimizer = make([p], lr=0.1, weight_decay=decay)
            for _ in range(3):
                give([p], [np.array([1.0, 1000.0])])
                optimizer.step()
        lost[make] = free.data - decayed.data
    np.testing.assert_allclose(lost[AdamW][0], lost[AdamW][1], rtol=1e-6)
    assert lost[AdamW][0] > 0.1
    assert abs(lost[Adam]).max() < 1e-3  # all signs equal: nothing is left of the penalty


def test_centered_rmsprop_lives_with_a_gradient_that_does_not_change():
    """Its variance is then 0 up to rounding, which has either sign."""
    (p,) = parameters_of([np.ones(5, np.float32)])
    optimizer = RMSprop([p], lr=1e-9, alpha=0.5, centered=True)
    constant = np.array([0.1, 0.3, 0.7, 1.1, 1e-4], np.float32)
    negative = False
    for _ in range(200):
        give([p], [constant])
        optimizer.step()
        square, mean, _ = optimizer._blocks[0][0].state.values()
        negative |= (square - mean * mean < 0).any()
    assert negative
    assert np.isfinite(p.data).all()


# --- Groups ------------------------------------------------------------------------------------------------------


def test_groups_have_settings_of_their_own():
    a, b, c = parameters_of([np.ones(2), np.ones(2), np.ones(2)])
    optimizer = SGD([{"params": [a]}, {"params": b, "lr": 0.5, "weight_decay": 0.1}, {"params": iter([c])}], lr=0.1)
    give([a, b, c], [np.ones(2)] * 3)
    optimizer.step()
    np.testing.assert_allclose([p.numpy()[0] for p in (a, b, c)], [0.9, 1 - 0.5 * 1.1, 0.9])


@pytest.mark.parametrize("lr", [0.25, np.float64(0.25), np.array(0.25)], ids=["float", "NumPy scalar", "0-d array"])
def test_a_changed_setting_counts_from_the_next_step(lr):
    (p,) = parameters_of([np.ones(1, np.float32)])
    optimizer = SGD([p], lr=0.5)
    optimizer.param_groups[0]["lr"] = lr
    give([p], [np.ones(1, np.float32)])
    optimizer.step()
    assert p.tolist() == [0.75]


def test_a_single_tensor_is_a_list_of_one():
    (p,) = parameters_of([np.ones(3)])
    give([p], [np.ones(3)])
    SGD(p, lr=1.0).step()
    assert p.tolist() == [0, 0, 0]


def test_an_optimizer_of_ones_own():
    class SignDescent(optim.Optimizer):
        def __init__(self, params, lr=0.5):
            super().__init__(params, lr=lr)

        def update(self, p, g, *, t, lr):
            p -= lr / t * np.sign(g)

    (p,) = parameters_of([np.zeros(2)])
    optimizer = SignDescent([p])
    for _ in range(2):
        give([p], [np.array([3.0, -4.0])])
        optimizer.step()
    assert p.tolist() == [-0.75, 0.75]


# --- Life with a model -------------------------------------------------------------------------------------------

X = on_device(np.random.default_rng(2).normal(size=(8, 3)).astype(np.float32))
Y = np.arange(8) % 2


def model_of(seed=0):
    rng = np.random.default_rng(seed)
    return nn.Sequential(nn.Linear(3, 5, rng=rng), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, 2, rng=rng))


def train(model, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        mg.losses.cross_entropy(model(X), Y).backward()
        optimizer.step()
    return [p.tolist() for p in model.parameters()]


MAKERS = {
    "SGD": lambda model: SGD(model.parameters(), lr=0.1, momentum=0.9),
    "Adam": lambda model: Adam(model.parameters(), lr=0.1),
    "AdamW": lambda model: AdamW(model.parameters(), lr=0.1, weight_decay=0.1),
    "RMSprop": lambda model: RMSprop(model.parameters(), lr=0.02, momentum=0.5, centered=True),
}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


def test_training_lowers_the_loss(make):
    model = model_of()
    before = mg.losses.cross_entropy(model(X), Y).item()
    train(model, make(model), 30)
    assert mg.losses.cross_entropy(model(X), Y).item() < before / 2


def test_zero_grad_forgets_all_gradients(make):
    model = model_of()
    optimizer = make(model)
    train(model, optimizer, 1)
    assert all(p.grad is not None for p in model.parameters())
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_gradients_are_not_changed_by_the_step():
    (p,) = parameters_of([np.ones(2)])
    for make in (SGD, Adam, AdamW, RMSprop):
        optimizer = make([p], weight_decay=1.0)
        give([p], [np.ones(2)])
        optimizer.step()
        assert p.grad.tolist() == [1, 1]


def test_frozen_parameters_stay(make):
    model = model_of()
    model[0].weight.requires_grad = False
    frozen = model[0].weight.tolist()
    optimizer = make(model)
    before = model[3].weight.tolist()
    train(model, optimizer, 3)
    assert model[0].weight.tolist() == frozen
    assert model[3].weight.tolist() != before
    model[0].weight.requires_grad = True
    train(model, optimizer, 1)
    assert model[0].weight.tolist() != frozen


def test_replaced_data_is_picked_up(make):
    model, twin = model_of(), model_of()
    optimizer, other = make(model), make(twin)
    train(model, optimizer, 2)
    train(twin, other, 2)
    state = model_of(seed=9).state_dict()
    twin.load_state_dict(state)  # in place
    for name, p in model.named_parameters():
        p.data = state[name].data.copy()  # another array
    assert train(model, optimizer, 2) == train(twin, other, 2)


def test_two_optimizers_of_one_model():
    (p,) = parameters_of([np.array([8.0])])
    fast, slow = SGD([p], lr=1.0), SGD([p], lr=0.25)
    for optimizer in (fast, slow, fast, slow):
        give([p], [np.ones(1)])
        optimizer.step()
    assert p.tolist() == [8 - 1 - 0.25 - 1 - 0.25]


def test_an_optimizer_per_half_of_a_model():
    model, twin = model_of(), model_of()
    halves = [SGD(half.parameters(), lr=0.1, momentum=0.9) for half in (model[:2], model[2:])]
    for _ in range(3):
        model.zero_grad()
        mg.losses.cross_entropy(model(X), Y).backward()
        for half in halves:
            half.step()
    expected = train(twin, SGD(twin.parameters(), lr=0.1, momentum=0.9), 3)
    assert [p.tolist() for p in model.parameters()] == expected


@pytest.mark.parametrize("change", [lambda model: model.astype(np.float64), lambda model: replace(model[0].weight)])
def test_a_parameter_that_is_no_longer_what_it_was(change, make):
    model = model_of()
    optimizer = make(model)
    change(model)
    message = rf"made for a parameter of \(shape, dtype, device\) \(\(5, 3\), 'float32', '{devices.NAME}'\)"
    advice = r", which is now \(\(.*: make the optimiser after model.to\(\) and model.astype\(\)"
    with pytest.raises(ValueError, match=message + advice):
        optimizer.step()


def replace(p):
    p.data = on_device(np.zeros((1, 3), np.float32))


# --- State -------------------------------------------------------------------------------------------------------


def test_state_through_a_file_continues_bit_for_bit(make, tmp_path):
    model = model_of()
    optimizer = make(model)
    train(model, optimizer, 5)
    optimizer.param_groups[0]["lr"] = 0.037
    mg.save(tmp_path / "run.ckpt", {"model": model, "optimizer": optimizer})
    expected = train(model, optimizer, 5)

    resumed = model_of(seed=4)
    other = make(resumed)
    train(resumed, other, 1)
    state = mg.load(tmp_path / "run.ckpt")
    resumed.load_state_dict(state["model"])
    other.load_state_dict(state["optimizer"])
    assert other.param_groups[0]["lr"] == 0.037
    assert train(resumed, other, 5) == expected


def test_state_remembers_how_often_each_parameter_moved(tmp_path):
    def prepared():
        parameters = parameters_of([np.ones(2), np.ones(3)])
        return parameters, Adam(parameters, lr=0.1)

    (parameters, optimizer), (others, other) = prepared(), prepared()
    for found in ([np.ones(2), None], [np.ones(2), np.ones(3)]):
        give(parameters, found)
        optimizer.step()
    mg.save(tmp_path / "state", optimizer)
    other.load_state_dict(mg.load(tmp_path / "state"))
    for p, q in zip(parameters, others, strict=True):
        q.data[...] = p.data
    for step in (optimizer.step, other.step):
        give(parameters + others, [np.ones(2), np.ones(3)] * 2)
        step()
    assert [p.tolist() for p in parameters] == [q.tolist() for q in others]


def test_state_dict_is_a_snapshot(make):
    model = model_of()
    optimizer = make(model)
    model[0].bias.requires_grad = False  # then the steps of each parameter are counted by themselves
    train(model, optimizer, 2)
    state = optimizer.state_dict()
    before = pickle.dumps(state)
    train(model, optimizer, 2)
    assert pickle.dumps(state) == before


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copied_model_and_optimizer_train_alike_and_apart(make, copied):
    model = model_of()
    optimizer = make(model)
    train(model, optimizer, 2)
    twin, other = copied((model, optimizer))
    before = [p.tolist() for p in model.parameters()]
    after = train(twin, other, 3)
    assert [p.tolist() for p in model.parameters()] == before
    assert train(model, optimizer, 3) == after


def adam_state(*shapes, **changes):
    optimizer = Adam(parameters_of([np.ones(s) for s in shapes]), lr=0.7)
    give(optimizer.param_groups[0]["params"], [np.ones(s) for s in shapes])
    optimizer.step()
    return {**optimizer.state_dict(), **changes}


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (
            SGD(parameters_of([np.ones(2)])).state_dict(),
            "SGD with groups of ['dampening, lr, momentum, nesterov, weight_decay']",
        ),
        (adam_state((3,)), "1 parameters with state {'mean': (3,), 'square': (3,)}"),
        (adam_state((1,), (1,)), "2 parameters with state {'mean': (2,), 'square': (2,)}"),
        (adam_state((2,), steps=[]), "something that is not the state_dict() of an optimiser"),
        (adam_state((2,), settings=[{"lr": 0.1}]), "Adam with groups of ['lr']"),
        (nn.Linear(2, 2).state_dict(), "something that is not the state_dict() of an optimiser"),
        (None, "something that is not the state_dict() of an optimiser"),
    ],
    ids=["SGD", "other shape", "two parameters", "no steps", "fewer settings", "model", "None"],
)
def test_a_state_that_does_not_fit_changes_nothing(state, found):
    optimizer = Adam(parameters_of([np.ones(2)]), lr=0.1)
    before = pickle.dumps(optimizer.state_dict())
    message = "this optimiser state does not fit: expected Adam with groups of ['betas, eps, lr, weight_decay']; "
    with pytest.raises(ValueError, match=re.escape(message) + ".*got .*" + re.escape(found)):
        optimizer.load_state_dict(state)
    assert pickle.dumps(optimizer.state_dict()) == before


# --- Mistakes ----------------------------------------------------------------------------------------------------

W = nn.Parameter(np.ones(2))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: SGD([]), ValueError, "SGD got no parameters: pass model.parameters()"),
        (lambda: Adam(nn.ReLU().parameters()), ValueError, "Adam got no parameters: pass model.parameters()"),
        (lambda: SGD([W, W]), ValueError, "SGD: a parameter of shape (2,) is given twice"),
        (lambda: SGD([{"params": [W]}, {"params": [W]}]), ValueError, "a parameter of shape (2,) is given twice"),
        (
            lambda: SGD([{"params": [W], "betas": (0, 0)}]),
            TypeError,
            "SGD has no setting ['betas']; it has dampening, lr, momentum, nesterov, weight_decay",
        ),
        (
            lambda: SGD([{"lr": 0.1}]),
            TypeError,
            """SGD: a group is a dict {"params": [...], "lr": ...}, got {'lr': 0.1}""",
        ),
        (
            lambda: SGD([{"params": [W]}, W]),
            TypeError,
            'SGD: a group is a dict {"params": [...], "lr": ...}, got tensor',
        ),
        (
            lambda: SGD([W * 2]),
            TypeError,
            "SGD optimises leaf Tensors of floats, e.g. model.parameters(); got tensor([2., 2.]",
        ),
        (lambda: SGD([np.ones(2)]), TypeError, "optimises leaf Tensors of floats, e.g. model.parameters(); got array"),
        (
            lambda: SGD([mg.tensor([1])]),
            TypeError,
            "optimises leaf Tensors of floats, e.g. model.parameters(); got ten",
        ),
        (lambda: SGD(model_of()), TypeError, "optimises leaf Tensors of floats, e.g. model.parameters(); got Linear"),
        (
            lambda: SGD(model_of().named_parameters()),
            TypeError,
            "optimises leaf Tensors of floats, e.g. model.parameters(); got ('0.weight'",
        ),
        (lambda: SGD([W], lr=-1), ValueError, "SGD: lr must be finite and not negative, got -1"),
        (lambda: SGD([W], lr=np.nan), ValueError, "SGD: lr must be finite and not negative, got nan"),
        (lambda: Adam([W], lr=np.inf), ValueError, "Adam: lr must be finite and not negative, got inf"),
        (lambda: Adam([W], lr="0.1"), ValueError, "Adam: lr must be finite and not negative, got '0.1'"),
        (lambda: SGD([{"params": [W], "lr": -1}]), ValueError, "SGD: lr must be finite and not negative, got -1"),
        (lambda: SGD([W], momentum=-0.9), ValueError, "SGD: momentum must be finite and not negative, got -0.9"),
        (lambda: SGD([W], weight_decay=-1), ValueError, "SGD: weight_decay must be finite and not negative, got -1"),
        (lambda: SGD([W], nesterov=True), ValueError, "SGD: nesterov=True needs momentum, e.g. momentum=0.9"),
        (lambda: Adam([W], eps=-1), ValueError, "Adam: eps must be finite and not negative, got -1"),
        (lambda: Adam([W], betas=(0.9, -1)), ValueError, "Adam: betas must be finite and not negative, got (0.9, -1)"),
        (lambda: Adam([W], betas=(0.9, 1.0)), ValueError, "Adam: betas are two numbers in [0, 1), got (0.9, 1.0)"),
        (lambda: Adam([W], betas=(0.9,)), ValueError, "Adam: betas are two numbers in [0, 1), got (0.9,)"),
        (lambda: Adam([W], betas=0.9), ValueError, "Adam: betas are two numbers in [0, 1), got 0.9"),
        (lambda: AdamW([W], betas=(0.9, 1)), ValueError, "AdamW: betas are two numbers in [0, 1), got (0.9, 1)"),
        (lambda: RMSprop([W], alpha=1), ValueError, "RMSprop: alpha is a number in [0, 1), got 1"),
        (
            lambda: SGD([W], momentum=0.9, dampening=0.1, nesterov=True),
            ValueError,
            "SGD: nesterov=True needs momentum, e.g. momentum=0.9, and no dampening",
        ),
        (
            lambda: SGD([W], weight_decay=(0.1, 0.2)),
            ValueError,
            "SGD: weight_decay is one number per group, got (0.1, 0.2): make more groups",
        ),
        (
            lambda: SGD([W], lr=[0.1, 0.2, 0.3]),
            ValueError,
            "lr has shape (3,), but a parameter of its group has shape (2,): give one number, or one for each row",
        ),
        (
            lambda: SGD([nn.Parameter(np.ones(()))], lr=[0.1]),
            ValueError,
            "lr has shape (1,), but a parameter of its group has shape ()",
        ),
    ],
)
def test_messages(call, error, message):
    before = W.data
    with pytest.raises(error, match=re.escape(message)):
        call()
    assert W.data is before  # a refused optimiser has not touched the parameters


GOOD, OTHER = on_device(np.zeros((2, 3), np.float32)), on_device(np.zeros(2, np.float32))


@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize("also_none", [False, True])
@pytest.mark.parametrize(
    ("grad", "error", "message"),
    [
        (
            GOOD,
            TypeError,
            "p.grad must be a Tensor or None, got ndarray for a parameter of shape (2, 3): write p.grad = mg",
        ),
        (np.float32(1), TypeError, "p.grad must be a Tensor or None, got float32"),
        (1.0, TypeError, "p.grad must be a Tensor or None, got float "),
        (
            mg.Tensor(GOOD[:, :2]),
            ValueError,
            f"p.grad must be like its parameter, of (shape, dtype, device) ((2, 3), 'float32', '{devices.NAME}'), "
            f"got ((2, 2), 'float32', '{devices.NAME}')",
        ),
        (mg.Tensor(GOOD[:1]), ValueError, f"got ((1, 3), 'float32', '{devices.NAME}')"),
        (mg.Tensor(GOOD[0, :1]), ValueError, f"got ((1,), 'float32', '{devices.NAME}')"),
        (mg.Tensor(GOOD * 1j), ValueError, f"got ((2, 3), 'complex64', '{devices.NAME}')"),
    ],
    ids=["array", "NumPy scalar", "float", "a column less", "one row", "one number", "complex"],
)
def test_a_wrong_gradient_changes_nothing(grad, error, message, also_none, steps, make):
    model = nn.Linear(3, 2, rng=0)
    optimizer = make(model)
    train(model, optimizer, steps)
    before = pickle.dumps((model.state_dict(), optimizer.state_dict()))
    model.weight.grad, model.bias.grad = grad, None if also_none else mg.Tensor(OTHER)
    for call in (optimizer.step, lambda: optim.clip_grad_norm(model.parameters(), 1.0)):
        with pytest.raises(error, match=re.escape(message)):
            call()
    assert pickle.dumps((model.state_dict(), optimizer.state_dict())) == before


def test_a_transposed_gradient_is_noticed_at_the_first_step(make):
    model = nn.Linear(3, 2, rng=0)
    optimizer = make(model)
    before = pickle.dumps((model.state_dict(), optimizer.state_dict()))
    model.weight.grad, model.bias.grad = mg.Tensor(GOOD.T), mg.Tensor(OTHER)
    with pytest.raises(ValueError, match=re.escape(f"got ((3, 2), 'float32', '{devices.NAME}')")):
        optimizer.step()
    assert pickle.dumps((model.state_dict(), optimizer.state_dict())) == before


def test_all_gradients_are_looked_at(make):
    model = nn.Linear(3, 2, rng=0)
    optimizer = make(model)
    before = pickle.dumps((model.state_dict(), optimizer.state_dict()))
    model.weight.grad, model.bias.grad = mg.Tensor(GOOD), OTHER
    with pytest.raises(TypeError, match=re.escape("got ndarray for a parameter of shape (2,)")):
        optimizer.step()
    assert pickle.dumps((model.state_dict(), optimizer.state_dict())) == before


def test_settings_are_kept_as_python_numbers():
    (p,) = parameters_of([np.ones(2, np.float32)])
    optimizer = Adam([p], lr=np.array([0.5, 0.25]), betas=[np.float64(0.5), 0.75], eps=np.float32(0.5))
    group = {name: value for name, value in optimizer.param_groups[0].items() if name != "params"}
    assert repr(group) == "{'lr': (0.5, 0.25), 'betas': (0.5, 0.75), 'eps': 0.5, 'weight_decay': 0.0}"


def test_an_optimizer_without_an_update_rule():
    (p,) = parameters_of([np.ones(2)])
    optimizer = optim.Optimizer([p], lr=0.1)
    give([p], [np.ones(2)])
    with pytest.raises(NotImplementedError, match=r"Optimizer must define update\(p, g, \*state, t, \*\*settings\)"):
        optimizer.step()
