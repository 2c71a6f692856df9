import copy
import pickle
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from tests.devices import on_device


class Block(nn.Module):
    """A layer of each kind that Module must find: a Parameter, a buffer, submodules, and what is none of these."""

    def __init__(self):
        super().__init__()
        self.width = 3
        self.inner = nn.Sequential(nn.Linear(3, 3, rng=0), nn.Dropout(0.5))
        self.scale = nn.Parameter(np.full(3, 2.0, np.float32))
        self.register_buffer("mean", np.zeros(3, np.float32))
        self.register_buffer("count", np.array(0))

    def forward(self, x, twice=False):
        y = self.inner(x) * self.scale
        return y + y if twice else y


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.second = nn.Linear(2, 2)
        self.second.weight = self.first.weight
        self.again = self.first

    def forward(self, x):
        return self.again(self.second(self.first(x)))


def small():
    return nn.Sequential(nn.Linear(4, 8, rng=0), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 3, rng=1))


def values(model):
    return {name: value.tolist() for name, value in model.state_dict().items()}


X = on_device(np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32))

# --- The tree ----------------------------------------------------------------------------------------------------


def test_names_in_pytorchs_order():
    block = Block()
    assert [name for name, _ in block.named_parameters()] == ["scale", "inner.0.weight", "inner.0.bias"]
    assert list(block.state_dict()) == ["scale", "mean", "count", "inner.0.weight", "inner.0.bias"]
    assert [name for name, _ in block.named_modules()] == ["", "inner", "inner.0", "inner.1"]
    assert list(block.modules()) == [block, block.inner, block.inner[0], block.inner[1]]
    assert list(block.named_children()) == [("inner", block.inner)]
    assert list(block.children()) == [block.inner]


def test_a_shared_parameter_is_one_parameter_with_several_names():
    tied = Tied()
    assert [name for name, _ in tied.named_parameters()] == ["first.weight", "first.bias", "second.bias"]
    assert list(tied.modules()) == [tied, tied.first, tied.second]
    state = tied.state_dict()
    assert list(state) == ["first.weight", "first.bias", "second.weight", "second.bias", "again.weight", "again.bias"]
    state["first.weight"] = state["second.weight"] = state["again.weight"] = mg.ones(2, 2)
    tied.load_state_dict(state)
    assert tied.second.weight is tied.first.weight
    assert tied.first.weight.tolist() == [[1, 1], [1, 1]]


def test_the_gradient_of_a_shared_parameter_is_the_sum_over_its_uses():
    tied, x = Tied(), mg.ones(1, 2)
    np.sum(tied(x)).backward()
    apart = copy.deepcopy(tied)
    apart.second = copy.deepcopy(tied.second)
    apart.again = copy.deepcopy(tied.again)
    np.sum(apart(x)).backward()
    parts = [layer.weight.grad.data for layer in (apart.first, apart.second, apart.again)]
    np.testing.assert_allclose(tied.first.weight.grad.data, sum(parts), rtol=1e-5)


def test_buffers_are_state_but_not_trained():
    block = Block()
    block.mean = block.mean + 5  # assigned anew, as running statistics are
    assert block.state_dict()["mean"].tolist() == [5, 5, 5]
    assert not any(p is block.mean for p in block.parameters())
    block.load_state_dict({**block.state_dict(), "mean": np.ones(3), "count": 7})
    assert (block.mean.tolist(), block.mean.dtype, int(block.count)) == ([1, 1, 1], np.float32, 7)


def test_a_buffer_does_not_take_the_place_of_an_attribute():
    block = Block()
    with pytest.raises(ValueError, match="Block has an attribute 'width' already: give the buffer another name"):
        block.register_buffer("width", np.zeros(3))


def test_train_and_eval_reach_every_module():
    block = Block()
    assert block.eval() is block
    assert [module.training for module in block.modules()] == [False] * 4
    assert block(X[:, :3]).tolist() == block(X[:, :3]).tolist()
    assert block.train().inner[1].training
    assert block(X[:, :3]).tolist() != block(X[:, :3]).tolist()


def test_zero_grad():
    model = small()
    np.sum(model(X)).backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_frozen_parameters_get_no_gradient():
    model = small()
    for p in model[0].parameters():
        p.requires_grad = False
    np.sum(model(X)).backward()
    assert [p.grad is None for p in model.parameters()] == [True, True, False, False, False, False]
    assert "0.weight" in model.state_dict()


def test_keyword_arguments_reach_forward():
    block = Block().eval()
    np.testing.assert_array_equal(block(X[:, :3], twice=True).data, 2 * block(X[:, :3]).data)


# --- State -------------------------------------------------------------------------------------------------------


def test_state_dict_is_a_snapshot():
    model = small()
    optimizer = mg.optim.SGD(model.parameters(), lr=1.0)
    state, before = model.state_dict(), values(model)
    np.sum(model(X) ** 2).backward()
    optimizer.step()
    assert values(model) != before
    model.load_state_dict(state)
    assert values(model) == before


def test_loading_keeps_the_arrays_and_their_dtype():
    model = small()
    arrays = [p.data for p in model.parameters()]
    model.load_state_dict({name: value.data.astype(np.float64) + 1 for name, value in model.state_dict().items()})
    assert all(p.data is a and a.dtype == np.float32 for p, a in zip(model.parameters(), arrays, strict=True))


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: without(s, "0.bias"), ValueError, "0.bias is missing. Nothing was loaded"),
        (lambda s: {**s, "9.bias": np.ones(2)}, ValueError, "9.bias is unknown here. Nothing was loaded"),
        (
            lambda s: {**s, "3.weight": np.ones((8, 3))},
            ValueError,
            "load_state_dict of Sequential: 3.weight has shape (8, 3), expected (3, 8). Nothing was loaded.",
        ),
        (
            lambda s: {**without(s, "0.bias"), "bias": np.ones(2), "2.bias": np.ones(1)},
            ValueError,
            "0.bias is missing; bias is unknown here; 2.bias has shape (1,), expected (8,).",
        ),
        (lambda s: {**s, "3.bias": np.array(["a", "b", "c"])}, TypeError, "Tensors hold numbers"),
        (
            lambda _: "model.ckpt",
            TypeError,
            "takes a dict of arrays, got a str; from a file: model.load_state_dict(mg.load(path))",
        ),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, error, message):
    model = small()
    before = values(model)
    state = {name: value.data + 1 for name, value in model.state_dict().items()}
    with pytest.raises(error, match=re.escape(message)):
        model.load_state_dict(change(state))
    assert values(model) == before


@pytest.mark.parametrize("whole", [False, True], ids=["state_dict", "model"])
def test_save_and_load(tmp_path, whole):
    model, other = Block(), Block()
    model.mean = model.mean + 3
    for p in other.parameters():
        p.data += 1
    mg.save(tmp_path / "model.ckpt", model if whole else model.state_dict())
    other.load_state_dict(mg.load(tmp_path / "model.ckpt"))
    assert values(other) == values(model)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_share_nothing_but_keep_what_is_shared_inside(copied):
    for model in (Tied(), Block().eval(), small()):
        other = copied(model)
        before = values(model)
        assert values(other) == before
        assert [m.training for m in other.modules()] == [m.training for m in model.modules()]
        assert len(list(other.parameters())) == len(list(model.parameters()))
        for p in other.parameters():
            assert p.requires_grad
            p.data += 1
        assert values(model) == before
    assert copied(Tied()).second.weight.shape == (2, 2)


def test_astype():
    block = Block()
    np.sum(block(X[:, :3])).backward()
    assert block.astype(np.float64) is block
    assert {p.dtype for p in block.parameters()} == {block.mean.dtype} == {np.dtype(np.float64)}
    assert block.count.dtype.kind == "i"
    assert all(p.grad is None for p in block.parameters())
    assert block(X[:, :3].astype(np.float64)).dtype == np.float64


def test_to_the_device_where_it_is_already():
    block = Block()
    before = values(block)
    assert block.to("cpu") is block
    assert values(block) == before
    with pytest.raises(ValueError, match="unknown device 'tpu'"):
        block.to("tpu")


# --- Hooks -------------------------------------------------------------------------------------------------------


def test_hooks_see_and_may_replace_the_output():
    layer, seen = nn.ReLU(), []
    watching = layer.register_forward_hook(lambda module, inputs, y: seen.append((module, inputs[0], y)))
    doubling = layer.register_forward_hook(lambda _module, _inputs, y: 2 * y)
    x = mg.tensor([-1.0, 1.0])
    assert layer(x).tolist() == [0, 2]
    (module, given, y) = seen[0]
    assert (module, given, y.tolist()) == (layer, x, [0, 1])
    doubling.remove()
    doubling.remove()
    assert layer(x).tolist() == [0, 1]
    watching.remove()
    layer(x)
    assert len(seen) == 2


def test_a_hook_that_removes_itself_does_not_hide_the_next():
    layer, calls = nn.ReLU(), []
    once = layer.register_forward_hook(lambda *_: (calls.append("once"), once.remove())[1])
    layer.register_forward_hook(lambda *_: calls.append("always"))
    layer(mg.ones(1))
    layer(mg.ones(1))
    assert calls == ["once", "always", "always"]


# --- Looks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (nn.Linear(4, 8), "Linear(4 -> 8)  # 40 parameters"),
        (nn.Linear(1000, 10, bias=False), "Linear(1000 -> 10, bias=False)  # 10,000 parameters"),
        (nn.LayerNorm(8), "LayerNorm((8,))  # 16 parameters"),
        (nn.LayerNorm((2, 4), elementwise_affine=False), "LayerNorm((2, 4))"),
        (nn.LayerNorm(8, bias=False), "LayerNorm((8,))  # 8 parameters"),
        (nn.Dropout(0.2), "Dropout(p=0.2)"),
        (nn.ReLU(), "ReLU()"),
        (nn.LeakyReLU(0.2), "LeakyReLU(negative_slope=0.2)"),
        (nn.GELU("tanh"), "GELU(approximate='tanh')"),
        (nn.Sigmoid(), "Sigmoid()"),
        (nn.Tanh(), "Tanh()"),
        (nn.Flatten(), "Flatten()"),
        (nn.Sequential(), "Sequential()"),
        (
            Block(),
            "Block(  # 15 parameters\n"
            "  (inner): Sequential(  # 12 parameters\n"
            "    (0): Linear(3 -> 3)  # 12 parameters\n"
            "    (1): Dropout(p=0.5)\n"
            "  )\n"
            ")",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_repr(module, text):
    assert repr(module) == text


def test_repr_counts_a_shared_parameter_once():
    assert repr(Tied()).startswith("Tied(  # 8 parameters\n")


# --- Mistakes ----------------------------------------------------------------------------------------------------


class NoInit(nn.Module):
    def __init__(self, value=None):
        if value is not None:
            self.value = value

    def forward(self, x):
        return x


FORGOTTEN = r"NoInit.__init__ must call super\(\).__init__\(\) first"


@pytest.mark.parametrize("value", [nn.ReLU(), nn.Parameter(np.ones(2))], ids=["module", "parameter"])
def test_assigning_before_super_init(value):
    with pytest.raises(AttributeError, match=FORGOTTEN):
        NoInit(value)


@pytest.mark.parametrize("value", [None, 0.5], ids=["nothing", "number"])
@pytest.mark.parametrize(
    "use",
    [
        lambda m: m(1.0),
        lambda m: m.training,
        lambda m: list(m.parameters()),
        lambda m: m.register_buffer("b", np.ones(1)),
        lambda m: mg.optim.SGD(m.parameters()),
    ],
)
def test_never_calling_super_init(use, value):
    with pytest.raises(AttributeError, match=FORGOTTEN):
        use(NoInit(value))


def test_an_unknown_attribute():
    with pytest.raises(AttributeError, match="Linear has no attribute 'wieght'"):
        _ = nn.Linear(2, 2).wieght


def test_an_error_inside_forward_stays_itself():
    class Wrong(nn.Module):
        def forward(self, x):
            return x.nonsense

    with pytest.raises(AttributeError, match="Tensor has no attribute 'nonsense'"):
        Wrong()(mg.ones(1))


def test_a_module_without_forward():
    with pytest.raises(NotImplementedError, match=r"Module has no forward method: define forward\(self, x\)"):
        nn.Module()(1.0)


@pytest.mark.parametrize(
    ("modules", "index"),
    [((nn.Linear(2, 2), nn.ReLU), 1), (([nn.ReLU(), nn.ReLU()],), 0), ((np.tanh,), 0)],
    ids=["class", "list", "function"],
)
def test_what_sequential_does_not_take(modules, index):
    message = (
        rf"Sequential takes modules, argument {index} is .*: write nn.ReLU\(\) with brackets, and Sequential\(\*la"
    )
    with pytest.raises(TypeError, match=message):
        nn.Sequential(*modules)


def test_sequential_is_a_sequence():
    model = small()
    assert len(model) == 4
    assert list(model) == [model[0], model[1], model[2], model[-1]]
    head = model[:2]
    assert type(head) is nn.Sequential
    assert list(head) == [model[0], model[1]]
    np.testing.assert_array_equal(model[2:](head(X)).data, model(X).data)
    with pytest.raises(IndexError):
        model[4]


@pytest.mark.parametrize("p", [-0.1, 1.1, np.nan])
def test_dropout_of_an_impossible_share(p):
    with pytest.raises(ValueError, match=f"0 <= p <= 1, got {p}"):
        nn.Dropout(p)


@pytest.mark.parametrize("x", [X, mg.tensor(X)], ids=["array", "Tensor"])
def test_linear_names_itself_and_both_shapes(x):
    with pytest.raises(ValueError, match=r"linear of .*: expected .*, got x \(5, 4\) and weight \(2, 3\)"):
        nn.Linear(3, 2)(x)


def test_parameters_and_buffers_are_copies():
    array, block = np.ones(3, np.float32), Block()
    block.scale = nn.Parameter(array)
    block.register_buffer("other", array)
    block.load_state_dict({**block.state_dict(), "scale": np.zeros(3), "other": np.zeros(3)})
    assert array.tolist() == [1, 1, 1]


def test_parameters_hold_floats():
    with pytest.raises(TypeError, match="only floating-point Tensors can require grad, this one is int64"):
        nn.Parameter([1, 2])


# --- Layers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (nn.ReLU(), nn.functional.relu),
        (nn.LeakyReLU(0.3), lambda x: nn.functional.leaky_relu(x, 0.3)),
        (nn.GELU(), nn.functional.gelu),
        (nn.GELU("tanh"), lambda x: nn.functional.gelu(x, "tanh")),
        (nn.Sigmoid(), nn.functional.sigmoid),
        (nn.Tanh(), np.tanh),
        (nn.Flatten(), lambda x: x.reshape(len(x), -1)),
        (nn.LayerNorm(4, eps=0.1), lambda x: nn.functional.layer_norm(x, 4, eps=0.1)),
        (nn.Dropout(0.5).eval(), lambda x: x),
        (nn.Sequential(), lambda x: x),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("shape", [(3, 4), (3, 2, 4)])
def test_layers_are_their_functions(layer, function, shape):
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    y = layer(mg.tensor(x))
    np.testing.assert_array_equal(y.data, function(x))
    assert y.dtype == np.float32


def test_flatten_of_no_samples():
    assert nn.Flatten()(mg.zeros(0, 2, 3)).shape == (0, 6)


def test_layer_norm_with_and_without_its_parameters():
    assert list(nn.LayerNorm(3).state_dict()) == ["weight", "bias"]
    assert list(nn.LayerNorm(3, bias=False).state_dict()) == ["weight"]
    assert list(nn.LayerNorm(3, elementwise_affine=False).state_dict()) == []


# --- Starting values ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fill", "std", "bound"),
    [
        # fan_in = 40 * 9 = 360, fan_out = 90 * 9 = 810
        (lambda s: nn.init.xavier_uniform(s, rng=0), (2 / 1170) ** 0.5, (6 / 1170) ** 0.5),
        (lambda s: nn.init.xavier_normal(s, 3.0, rng=0), 3 * (2 / 1170) ** 0.5, None),
        (lambda s: nn.init.kaiming_uniform(s, rng=0), (2 / 360) ** 0.5, (6 / 360) ** 0.5),
        (lambda s: nn.init.kaiming_normal(s, 2.0, rng=0), (2 / (5 * 360)) ** 0.5, None),
        (lambda s: nn.init.torch_default(s, 360, rng=0), (1 / (3 * 360)) ** 0.5, 360**-0.5),
        (lambda s: nn.init.uniform(s, -1, 1, rng=0), 3**-0.5, 1),
        (lambda s: nn.init.normal(s, 0.0, 0.5, rng=0), 0.5, None),
    ],
)
def test_spread_of_starting_values(fill, std, bound):
    w = fill((90, 40, 3, 3))
    assert w.dtype == np.float32
    assert w.std() == pytest.approx(std, rel=0.02)
    assert w.mean() == pytest.approx(0, abs=4 * std / w.size**0.5)
    assert bound is None or 0.99 * bound < np.abs(w).max() <= bound * (1 + 1e-6)


def test_constants():
    assert nn.init.constant((2,), 3.0).tolist() == [3, 3]
    assert nn.init.zeros((2,)).tolist() == [0, 0]
    assert nn.init.ones((1, 2)).tolist() == [[1, 1]]


def test_fans_need_two_axes():
    with pytest.raises(ValueError, match=r"at least two axes \(out, in, ...\), got shape \(3,\)"):
        nn.init.kaiming_normal((3,))


def test_manual_seed_repeats_a_model():
    def make():
        mg.manual_seed(3)
        return values(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)))

    state = make()
    assert make() == state
    assert state["0.weight"] != state["1.weight"]


def test_rng_repeats_a_layer():
    rng = np.random.default_rng(3)
    first, second = nn.Linear(4, 4, rng=rng), nn.Linear(4, 4, rng=rng)
    assert values(nn.Linear(4, 4, rng=3)) == values(first) != values(second)


def test_a_seed_gives_weight_and_bias_different_numbers():
    layer = nn.Linear(1, 4, rng=0)
    assert layer.weight.data.ravel().tolist() != layer.bias.tolist()


def test_a_seed_gives_dropout_a_new_mask_each_time():
    layer, again, x = nn.Dropout(rng=0), nn.Dropout(rng=0), np.ones(64)
    masks = [layer(x).tolist() for _ in range(2)]
    assert masks[0] != masks[1]
    assert masks == [again(x).tolist() for _ in range(2)]


def test_a_linear_layer_takes_lists():
    layer = nn.Linear(2, 2, rng=0)
    rows = [[1.0, 2.0], [3.0, 4.0], [0.5, 0.0]]
    X = on_device(np.array(rows, np.float32))
    np.testing.assert_array_equal(layer(rows).data, layer(X).data)
    share = mg.class_gradient_share(layer, mg.losses.cross_entropy, rows, [0, 1, 1])
    np.testing.assert_array_equal(share, mg.class_gradient_share(layer, mg.losses.cross_entropy, X, [0, 1, 1]))
