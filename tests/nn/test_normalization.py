"""batch_norm: against its formula in small operations, against PyTorch through several batches, and its state."""

import copy

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F
from tests.devices import on_device
from tests.nn.images import LAYOUTS, assert_close, batch_innermost, gradients, is_batch_innermost, of_torch

SHAPES = [(5, 3), (4, 3, 2), (3, 2, 4, 5), (2, 1, 3, 1)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
both_modes = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed: the comparison needs it as the other side")


def draw(shape, seed=0):
    """x, weight, bias, running mean, running variance and a cotangent."""
    rng, c = np.random.default_rng(seed), shape[1]
    return rng.normal(2, 3, shape), *rng.normal(size=(3, c)), rng.uniform(0.5, 2, c), rng.normal(size=shape)


def naive(x, weight, bias, mean, var, training, eps=1e-5):
    """Channel by channel."""
    channels = []
    for c in range(x.shape[1]):
        values = x[:, c]
        m, v = (np.mean(values), np.mean((values - np.mean(values)) ** 2)) if training else (mean[c], var[c])
        channels.append((values - m) / (v + eps) ** 0.5 * weight[c] + bias[c])
    return np.stack(channels, axis=1)


@every_shape
@both_modes
def test_values_and_gradients(shape, training):
    x, weight, bias, mean, var, g = draw(shape)
    expected = gradients(lambda *a: naive(*a, mean, var, training), [x, weight, bias], g)
    for layout in LAYOUTS.values() if len(shape) == 4 else [np.asarray]:
        found = gradients(
            lambda x, w, b: F.batch_norm(x, mean.copy(), var.copy(), w, b, training), [layout(x), weight, bias], g
        )
        assert_close(found, expected, 1e-9)
    assert_close([F.batch_norm(x, mean, var, training=False)], [naive(x, 1 + 0 * mean, 0 * mean, mean, var, False)])


@every_shape
@both_modes
def test_gradcheck_to_second_order(shape, training):
    x, weight, bias, mean, var, _ = draw(shape)
    f = lambda x, w, b: F.batch_norm(x, mean, var, w, b, training)  # noqa: E731
    mg.gradcheck(f, [x, weight, bias], order=2, mode="fast")


@every_shape
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("affine", [True, False])
def test_a_training_run_against_pytorch(torch, shape, dtype, affine):
    """Values, gradients and every entry of the state, through three batches and into eval mode."""
    kind = "BatchNorm2d" if len(shape) == 4 else "BatchNorm1d"
    theirs = getattr(torch.nn, kind)(shape[1], 1e-3, 0.3, affine=affine).to(getattr(torch, np.dtype(dtype).name))
    ours = getattr(nn, kind)(shape[1], 1e-3, 0.3, affine=affine).astype(dtype)
    _, weight, bias, *_ = draw(shape)
    if affine:
        theirs.load_state_dict({**theirs.state_dict(), "weight": torch.tensor(weight), "bias": torch.tensor(bias)})
    ours.load_state_dict(theirs.state_dict())
    tolerance = 1e-10 if dtype == np.float64 else 1e-4
    for step in range(4):
        if step == 3:
            ours.eval()
            theirs.eval()
        x, *_, g = (a.astype(dtype) for a in draw(shape, step))
        found = gradients(ours, [on_device(x)], g)
        assert {a.dtype for a in found} == {np.dtype(dtype)}
        assert_close(found, of_torch(torch, theirs, [x], g), tolerance)
        state, expected = ours.state_dict(), theirs.state_dict()
        assert list(state) == list(expected)
        assert {v.dtype for v in state.values()} == {np.dtype(dtype), np.dtype(np.int64)}
        assert_close([v.data for v in state.values()], [v.numpy() for v in expected.values()], tolerance)
    assert state["num_batches_tracked"].item() == 3


def test_running_statistics_by_hand():
    layer = nn.BatchNorm1d(1, momentum=0.5)
    layer(mg.tensor([[1.0], [3.0]]))
    assert layer.running_mean.tolist() == [1.0]  # (0 + 2) / 2
    assert layer.running_var.tolist() == [1.5]  # (1 + 2) / 2: the unbiased variance of 1 and 3 is 2
    layer.eval()(mg.tensor([[100.0]]))
    assert layer.running_mean.tolist() == [1.0]


def test_without_momentum_running_statistics_are_means_over_the_batches():
    """PyTorch's momentum=None."""
    layer = nn.BatchNorm2d(2, momentum=None).astype(np.float64)
    batches = draw((3, 4, 2, 3, 3))[0]
    for i, x in enumerate(batches):
        layer(on_device(x))
        seen = batches[: i + 1]
        np.testing.assert_allclose(layer.running_mean, seen.mean(axis=(1, 3, 4)).mean(axis=0))
        np.testing.assert_allclose(layer.running_var, seen.var(axis=(1, 3, 4), ddof=1).mean(axis=0))


def test_the_function_without_running_statistics_takes_those_of_the_batch():
    x, weight, bias, *_ = draw((5, 3))
    expected = naive(x, weight, bias, None, None, True)
    for training in (True, False):
        assert_close([F.batch_norm(x, None, None, weight, bias, training)], [expected])


def test_running_statistics_that_are_tensors_are_changed_too():
    x, *_ = draw((5, 3))
    mean, var = mg.zeros(3), mg.ones(3)
    F.batch_norm(mg.tensor(x, requires_grad=True), mean, var, training=True, momentum=1.0)
    assert_close([mean.data, var.data], [x.mean(axis=0), x.var(axis=0, ddof=1)], 1e-6)


def test_eval_mode_takes_one_sample_and_none():
    layer = nn.BatchNorm2d(3).eval()
    for n in (0, 1):
        x = mg.ones(n, 3, 2, 2)
        assert layer(x).shape == x.shape


@both_modes
def test_images_keep_their_order_in_memory(training):
    x = batch_innermost(draw((4, 3, 5, 5))[0])
    layer = nn.BatchNorm2d(3).astype(np.float64).train(training)
    for array in gradients(lambda x: F.relu(layer(x)), [on_device(x)], batch_innermost(np.ones_like(x))):
        assert is_batch_innermost(array)


def test_copies_and_states_have_statistics_of_their_own():
    layer = nn.BatchNorm1d(2)
    twin, state = copy.deepcopy(layer), layer.state_dict()
    layer(mg.rand(4, 2))
    assert [twin.num_batches_tracked, state["num_batches_tracked"].item()] == [0, 0]
    assert not twin.running_mean.any()
    twin.load_state_dict(layer.state_dict())
    assert twin.num_batches_tracked == 1


def test_the_statistics_are_no_parameters():
    layer = nn.BatchNorm2d(6)
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    assert repr(layer) == "BatchNorm2d(6)  # 12 parameters"
    assert repr(nn.BatchNorm1d(6, affine=False)) == "BatchNorm1d(6, affine=False)"


ONES = np.ones(3)
BAD = {
    "no channels": (lambda: F.batch_norm(ONES, ONES, ONES), r"takes \(N, C\) or \(N, C, ...\), got shape \(3,\)"),
    "channels": (
        lambda: nn.BatchNorm1d(3)(np.ones((2, 4))),
        r"batch_norm: x \(2, 4\) has 4 channels, running_mean has shape \(3,\)",
    ),
    "weight": (
        lambda: F.batch_norm(np.ones((2, 3)), ONES, ONES, np.ones((3, 1))),
        r"has 3 channels, weight has shape \(3, 1\)",
    ),
    "one sample": (
        lambda: nn.BatchNorm1d(3)(np.ones((1, 3))),
        r"more than one value per channel .* got x of shape \(1, 3\): use a larger batch, or model.eval\(\)",
    ),
    "one running statistic": (
        lambda: F.batch_norm(np.ones((2, 3)), ONES, None),
        "needs running_mean and running_var together, or neither",
    ),
    "one pixel": (lambda: nn.BatchNorm2d(3)(np.ones((1, 3, 1, 1))), "more than one value per channel"),
    "no sample": (lambda: nn.BatchNorm2d(3)(np.ones((0, 3, 2, 2))), "more than one value per channel"),
    "one sample, no statistics": (lambda: F.batch_norm(np.ones((1, 3)), None, None), "more than one value per channel"),
    "images to 1d": (
        lambda: nn.BatchNorm1d(3)(np.ones((2, 3, 4, 4))),
        r"BatchNorm1d takes \(N, C\) or \(N, C, L\), got x of shape \(2, 3, 4, 4\)",
    ),
    "rows to 2d": (
        lambda: nn.BatchNorm2d(3)(np.ones((2, 3))),
        r"BatchNorm2d takes \(N, C, H, W\), got x of shape \(2, 3",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    call, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_what_is_refused_changes_no_statistics():
    layer = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="more than one value"):
        layer(np.ones((1, 3)))
    assert layer.num_batches_tracked == 0
    assert not layer.running_mean.any()
