"""The GPU path, on tests/cupy_standin: moving, defaults, messages, leaks, work counted. And, where one is, on a GPU."""

import copy
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import device
from tests import cupy_standin
from tests.cupy_standin import COUNTS, Device
from tests.losses.cases import CASES, N, drawn
from tests.rules.specifications import TABLE


def test_cupy_is_imported_in_one_file_and_not_before_it_is_asked_for():
    package = Path(device.__file__).parent
    assert [p.name for p in package.rglob("*.py") if "import cupy" in p.read_text()] == ["device.py"]
    code = "import sys, minigrad as mg; mg.ones(2).sum(); assert 'cupy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- Where things are


@pytest.mark.usefixtures("cupy", "on_cpu")
def test_tensors_move_and_gradients_come_back():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = x.to("cuda")
    assert (x.device, y.device, y.cpu().device, y.cuda().device) == ("cpu", "cuda:0", "cpu", "cuda:0")
    assert y.to("cuda").data is y.data
    assert y.to("cuda:1").device == "cuda:1"
    np.sum(y * y).backward()
    assert (x.grad.device, x.grad.tolist()) == ("cpu", [2, 4])
    assert mg.tensor([1.0], device="cuda").device == mg.zeros(2, device="cuda").device == "cuda:0"
    assert repr(y.detach()) == "tensor([1., 2.], device='cuda:0')"


@pytest.mark.usefixtures("cupy", "on_cpu")
def test_the_default_device():
    with device.use("cuda"):
        assert device.default() == "cuda"
        made = [mg.tensor(1.0), mg.tensor(np.ones(2)), mg.ones(2), mg.arange(3), mg.eye(2), mg.rand(2), mg.randn(2)]
        made += [*mg.nn.BatchNorm1d(2).state_dict().values(), mg.nn.Parameter(np.ones(2))]
        assert {t.device for t in made} == {"cuda:0"}
        assert mg.Tensor(np.ones(2)).device == "cpu"
        assert mg.tensor([1.0], device="cpu").device == "cpu"
    assert mg.ones(2).device == device.default() == "cpu"
    with device.use("cuda:1"):
        assert (mg.ones(2).device, Device().id) == ("cuda:1", 1)
    assert Device().id == 0


@pytest.mark.usefixtures("cupy", "on_cpu")
def test_copies_stay_where_the_original_is():
    weight = mg.nn.Parameter(np.ones(2))
    with device.use("cuda"):
        assert copy.deepcopy(weight).device == "cpu"


@pytest.mark.usefixtures("cupy", "on_cpu")
def test_modules_move():
    model = mg.nn.Sequential(mg.nn.Linear(2, 3, rng=0), mg.nn.BatchNorm1d(3)).to("cuda")
    assert {t.device for t in model.state_dict().values()} == {"cuda:0"}
    y = model(mg.ones(4, 2).to("cuda"))
    assert y.device == "cuda:0"
    assert model.to("cpu").eval()(mg.ones(4, 2)).device == "cpu"


@pytest.mark.usefixtures("cupy", "on_cpu")
def test_a_seed_gives_the_same_numbers_on_every_device():
    drawn = []
    for where in ("cpu", "cuda"):
        mg.manual_seed(3)
        with device.use(where):
            layer = mg.nn.Linear(3, 2)
            drawn.append([layer.weight.tolist(), mg.nn.functional.dropout(mg.ones(8)).tolist(), mg.rand(2).tolist()])
    assert drawn[0] == drawn[1]


@pytest.mark.usefixtures("cupy")
def test_memory_and_waiting():
    assert device.memory() == (8 << 30, 0, 8 << 30)
    waited = COUNTS["synchronisations"]
    device.synchronize()
    assert COUNTS["synchronisations"] == waited + 1


# --- Messages


def without(name, error):
    """A CuPy in which one thing fails."""
    module = cupy_standin.module()

    def fail(*_, **__):
        raise error

    if name == "count":
        module.cuda.runtime = types.SimpleNamespace(getDeviceCount=fail)
    elif name == "kernel":
        module.asarray = fail
    elif name == "zero":
        module.cuda.runtime = types.SimpleNamespace(getDeviceCount=lambda: 0)
    elif name == "wrong":
        module.asarray = lambda a: cupy_standin.asarray(a + 1)
    return None if name == "cupy" else module


REASONS = {
    "no CuPy": ("cupy", None, r'CuPy cannot be imported \(.*\); install it .*-e "\.\[cuda13\]", or "\.\[cuda12\]"'),
    "no driver": (
        "count",
        RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient"),
        r"no NVIDIA driver, or one too old for this CuPy \(cudaErrorInsufficientDriver.*nvidia-smi",
    ),
    "no device": ("count", RuntimeError("cudaErrorNoDevice"), r"no NVIDIA GPU is to be seen \(cudaErrorNoDevice\)"),
    "none visible": ("zero", None, "sees no GPU; is CUDA_VISIBLE_DEVICES set"),
    "broken": ("kernel", OSError("libnvrtc.so.12 is missing"), r"fails \(OSError: libnvrtc.*reinstall"),
    "wrong": ("wrong", None, r"wrong numbers: \[\[14, 20\], \[30, 44\]\] came out as"),
}


@pytest.mark.parametrize(("name", "error", "message"), REASONS.values(), ids=REASONS)
def test_no_gpu(monkeypatch, name, error, message):
    monkeypatch.setitem(sys.modules, "cupy", without(name, error))
    device._probe.cache_clear()
    try:
        assert not device.is_available()
        with pytest.raises(RuntimeError, match="no GPU here: .*" + message):
            mg.tensor([1.0], device="cuda")
        device.synchronize()  # nothing to wait for
    finally:
        device._probe.cache_clear()


@pytest.mark.usefixtures("cupy", "on_cpu")
def test_no_such_device():
    for wrong in ("gpu", "cuda:x", "cuda:-1", "CUDA"):
        with pytest.raises(ValueError, match=f"unknown device '{wrong}': expected 'cpu', 'cuda' or 'cuda:<number>'"):
            device.set_default(wrong)
    with pytest.raises(ValueError, match="there is no cuda:7: this machine has 2, counted from cuda:0"):
        mg.ones(2).to("cuda:7")
    with pytest.raises(TypeError, match=r"a device is 'cpu', .* to change the dtype use astype"):
        mg.ones(2).to(np.float64)


@pytest.mark.usefixtures("cupy", "on_cpu")
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("matmul", lambda a, b: a @ b),
        ("add", lambda a, b: a + b),
        ("concatenate", lambda a, b: np.concatenate([a, b])),
        ("where", lambda a, b: np.where(a.data > 0, a, b)),
        ("linear", mg.nn.functional.linear),
        ("less", lambda a, b: a < b),
        ("equal", lambda a, b: a == b),
    ],
)
def test_mixed_devices(name, call):
    a, b = mg.ones(2, 2), mg.ones(2, 2).to("cuda")
    for pair in ((a, b), (b, a)):
        with pytest.raises(TypeError, match=rf"same device, but found cpu and cuda:0 \(in {name}\)"):
            call(*pair)


@pytest.mark.usefixtures("cupy", "on_cpu")
def test_out_of_memory_names_the_request_what_is_free_and_a_batch_to_try(monkeypatch):
    x, w = mg.ones(1024, 512).to("cuda"), mg.ones(2048, 512).to("cuda")
    monkeypatch.setattr(Device, "memory_limit", 3 << 20)
    message = r"out of memory in linear: 8\.0 MiB asked for, 3\.0 MiB free; try a batch of 256 instead of 1024"
    with pytest.raises(MemoryError, match=message):
        mg.nn.functional.linear(x, w)
    monkeypatch.setattr(Device, "memory_limit", 1 << 10)
    with pytest.raises(MemoryError, match="even one sample does not fit: make the model smaller"):
        np.exp(mg.Tensor(cupy_standin.ndarray(np.ones(4096))))


@pytest.mark.usefixtures("cupy", "on_cpu")
def test_out_of_memory_in_the_backward_pass(monkeypatch):
    x = mg.ones(64, 512, requires_grad=True)
    total = (x.to("cuda") * 2).sum()
    monkeypatch.setattr(Device, "memory_limit", 1 << 10)
    with pytest.raises(MemoryError, match=r"in the backward pass of multiply: 0\.1 MiB asked for, .* try a batch"):
        total.backward()


# --- Labels, weights and indices


@pytest.mark.usefixtures("cupy", "on_cpu")
def test_labels_and_weights_of_the_host_are_checked_there_and_moved():
    z = mg.randn(4, 3).to("cuda")
    y, w = np.array([0, 2, 1, 1]), np.array([1.0, 2.0, 0.0, 1.0])
    here = mg.losses.cross_entropy(z.cpu(), y, sample_weight=w, class_weight=[1.0, 2.0, 3.0])
    waited = COUNTS["synchronisations"]
    there = mg.losses.cross_entropy(z, y, sample_weight=w, class_weight=[1.0, 2.0, 3.0])
    assert COUNTS["synchronisations"] == waited
    assert there.device == "cuda:0"
    np.testing.assert_allclose(there.numpy(), here.numpy(), rtol=1e-6)
    for labels in (y + 1, mg.tensor(y + 1).to("cuda")):
        with pytest.raises(ValueError, match=r"labels must lie in 0\.\.2 .* sample 1 has label 3"):
            mg.losses.cross_entropy(z, labels)


@pytest.mark.usefixtures("cupy", "on_cpu")
def test_an_index_of_the_host_is_checked_there_and_moved_once():
    x = mg.tensor(np.arange(6.0).reshape(3, 2), device="cuda", requires_grad=True)
    copies = COUNTS["to device"]
    picked = x[np.array([2, 0]), [0, 1]]
    picked.sum().backward()
    assert COUNTS["to device"] == copies + 2
    assert (picked.tolist(), x.grad.tolist()) == ([4, 1], [[0, 1], [0, 0], [1, 0]])
    with pytest.raises(IndexError, match="index 3 is out of bounds for axis 0 with size 3"):
        x[np.array([3, 0])]


# --- The stand-in is strict


LEAKS = {
    "np.asarray of a device array": (lambda x: np.asarray(x), "Implicit conversion"),
    "a function that NumPy does not hand on": (lambda x: np.ascontiguousarray(x), "Implicit conversion"),
    "a NumPy scalar that turns float32 into float64": (lambda x: x * np.float64(2), "would turn float32 into float64"),
    "a NumPy scalar in np.where": (lambda x: np.where(x > 0, x, np.float64(0)), "would turn float32 into float64"),
    "a list as an index": (lambda x: x[[0, 1]], "an index of type list lies on the host"),
    "an index of the host": (lambda x: x[np.array([0, 1])], "an index of type ndarray lies on the host"),
    "an operand of the host": (lambda x: x + np.ones(2, np.float32), "Unsupported type <class 'numpy.ndarray'>"),
    "an operand of the host, on the left": (lambda x: np.ones(2, np.float32) * x, "Unsupported type"),
    "an argument of the host": (lambda x: np.concatenate([x, np.ones(2)]), "Unsupported type"),
    "a list as an operand": (lambda x: np.add(x, [1, 2]), "returned NotImplemented"),
    "where= of a ufunc": (lambda x: np.add(x, x, where=True), "Wrong arguments {'where'}"),
    "where= of a function": (lambda x: np.sum(x, where=True), "unexpected keyword argument"),
    "a function that CuPy lacks": (lambda x: np.insert(x, 0, 1), "no implementation found"),
    "a method that CuPy lacks": (lambda x: x.setflags(write=False), "no attribute 'setflags'"),
    "a reduction that CuPy lacks": (lambda x: np.maximum.reduce(x), r"`cupy_maximum.reduce` is not supported"),
    "np.full with like=": (lambda x: np.full((2,), 1.0, like=x), r"full\(\) got an unexpected keyword .*device"),
    "a tuple as an index of add.at": (lambda x: np.add.at(x, (0,), 1), "returned NotImplemented"),
}


@pytest.mark.parametrize(("leak", "message"), LEAKS.values(), ids=LEAKS)
def test_planted_leaks_are_caught(leak, message):
    x = cupy_standin.asarray(np.ones(2, np.float32))
    with pytest.raises((TypeError, IndexError, AttributeError, NotImplementedError), match=message):
        leak(x)


@pytest.mark.usefixtures("cupy", "on_cpu")
def test_a_leak_in_a_rule_is_caught_too():
    @mg.primitive
    def doubled(x):
        return x + x

    mg.rule(doubled, lambda g, _y, _x: g * np.full(_x.shape, 2.0))
    x = mg.ones(2, device="cuda", requires_grad=True)
    with pytest.raises(TypeError, match=r"Unsupported type <class 'numpy\.ndarray'>"):
        doubled(x).sum().backward()


def test_what_cupy_does_its_own_way():
    x = cupy_standin.asarray(np.arange(3.0))
    assert (type(x.sum()), x.sum().shape) == (cupy_standin.ndarray, ())
    assert x[cupy_standin.asarray(np.array([4, -1]))].tolist() == [1, 2]  # wraps
    waited = COUNTS["synchronisations"]
    assert float(x.sum()) == 3
    assert COUNTS["synchronisations"] == waited + 1


# --- Work counted: kernels launched and waits, in one step of training


def step(model, optimizer, X, y, w):
    optimizer.zero_grad()
    mg.losses.cross_entropy(model(X), y, sample_weight=w).backward()
    optimizer.step()


def counted(hidden, make):
    with device.use("cuda"):
        model = mg.models.MLP([8, *hidden, 3])
        optimizer = make(model.parameters())
        X, y, w = mg.rand(32, 8), np.arange(32) % 3, np.ones(32, np.float32)
        step(model, optimizer, X, y, w)
        before = COUNTS.copy()
        step(model, optimizer, X, y, w)
        return {name: COUNTS[name] - before[name] for name in ("launches", "to device", "to host", "synchronisations")}


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize(
    ("make", "launches"),
    [(lambda p: mg.optim.SGD(p, lr=0.1, momentum=0.9), 33), (lambda p: mg.optim.Adam(p), 33)],
    ids=["SGD with momentum", "Adam"],
)
def test_launches_of_a_step_of_an_mlp(make, launches):
    one, two = counted([16], make), counted([16, 16], make)
    assert one["synchronisations"] == one["to host"] == 0
    assert one["to device"] == 2  # labels and weights
    assert one["launches"] <= launches
    assert two["launches"] - one["launches"] <= 8  # for a layer more


@pytest.mark.usefixtures("cupy")
def test_launches_of_a_step_of_lenet():
    with device.use("cuda"):
        model = mg.models.LeNet5()
        optimizer = mg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        X, y = mg.rand(8, 1, 28, 28), np.arange(8) % 10
        step(model, optimizer, X, y, np.ones(8, np.float32))
        before = COUNTS["launches"]
        step(model, optimizer, X, y, np.ones(8, np.float32))
        assert COUNTS["launches"] - before <= 151


# The least cost of the samples, the largest weight, a histogram: these are looked at on the device.
WAITING = ("weston_watkins, costs", "soft_f1", "tversky", "ghm")


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith(WAITING)])
def test_losses_wait_for_nothing(name):
    loss, z, t = drawn(name)
    z = mg.tensor(z, device="cuda", requires_grad=True)
    waited = COUNTS["synchronisations"]
    loss(z, t, sample_weight=np.linspace(0.5, 2, N)).backward()
    assert COUNTS["synchronisations"] == waited


def waits(loss, data, epochs, **settings):
    with device.use("cuda"):
        before = COUNTS["synchronisations"]
        mg.training.fit(mg.models.MLP([8, 16, 3]), loss, data, epochs=epochs, batch_size=8, progress=False, **settings)
        return COUNTS["synchronisations"] - before


def own_loss(z, t):
    return np.sum((z - np.sqrt(t)[:, None]) ** 2, axis=1)


@pytest.mark.usefixtures("cupy", "on_cpu")
@pytest.mark.parametrize(
    ("loss", "settings", "per_batch"),
    [
        (mg.losses.cross_entropy, {}, 1),
        (mg.losses.cross_entropy, {"reduction": "weighted_mean", "class_weight": [1.0, 2.0, 3.0]}, 1),
        (mg.losses.cross_entropy, {"micro_batch_size": 3}, 1),
        (mg.losses.cross_entropy, {"clip_norm": 1.0}, 2),
        (own_loss, {}, 2),  # labels and weights go to the GPU, where the weights are checked
    ],
    ids=["plain", "weighted mean", "micro-batches", "clipped", "a loss of one's own"],
)
@pytest.mark.parametrize("where", ["cpu", "cuda"])
def test_fit_waits_once_per_batch(loss, settings, per_batch, where):
    X, y, w = np.ones((32, 8), np.float32), np.arange(32) % 3, np.linspace(0.5, 2, 32)
    data = tuple(mg.tensor(a, device=where) for a in (X, y, w))
    two, three = (waits(loss, data, epochs, **settings) for epochs in (2, 3))
    assert three - two == 4 * per_batch  # 4 batches in an epoch
    two, three = (waits(loss, data, epochs, validation=(X, y), **settings) for epochs in (2, 3))
    assert three - two == 4 * per_batch + 1  # and once for the validation set


@pytest.mark.usefixtures("cupy", "on_cpu")
def test_what_is_read_at_once_keeps_its_bits():
    arrays = [np.float32(0.1), np.array(1e300), np.arange(6, dtype=np.int8).reshape(2, 3).T, np.zeros((0, 2))]
    there = [mg.device.move(np.asarray(a), "cuda") for a in arrays]
    waited = COUNTS["synchronisations"]
    read = device.to_host_together([*there, np.ones(1)])
    assert COUNTS["synchronisations"] == waited + 1
    for found, expected in zip(read, [*arrays, np.ones(1)], strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


# --- On a real GPU


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_specification_has_the_value_and_the_gradients_of_the_cpu(dtype):
    wrong = []
    for spec in TABLE:
        found = []
        for where in ("cpu", "cuda"):
            with device.use(where):
                xs = [mg.tensor(x, dtype=dtype, requires_grad=True) for x in spec.draw()]
                y = spec.call(*xs)
                found.append([y.numpy(), *(g.numpy() for g in mg.grad(y, xs, np.ones(y.shape)))])
        rtol = 1e-4 if dtype == np.float32 else 1e-10
        if not all(np.allclose(here, there, rtol=rtol, atol=rtol) for here, there in zip(*found, strict=True)):
            wrong.append(spec.label)
    assert not wrong


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_of_training_is_that_of_the_cpu(dtype):
    after = []
    for where in ("cpu", "cuda"):
        with device.use(where):
            mg.manual_seed(0)
            model = mg.models.MLP([8, 16, 3]).astype(dtype)
            optimizer = mg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
            X, y = mg.rand(32, 8, dtype=dtype), np.arange(32) % 3
            for _ in range(3):
                step(model, optimizer, X, y, np.ones(32))
            after.append([p.numpy() for p in model.parameters()])
    for here, there in zip(*after, strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-5 if dtype == np.float32 else 1e-12)
