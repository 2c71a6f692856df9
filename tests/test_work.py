"""Work counted, so that it cannot creep up unseen: operations recorded, bytes kept for the backward pass, memory of a
step. Launches on a device are counted in test_device.py. Times are measured by benchmarks/, never tested."""

import tracemalloc

import numpy as np
import pytest

import minigrad as mg
from benchmarks.steps import lenet, mlp
from minigrad.tensor import as_array
from tests.devices import on_device


def nodes_of(loss):
    found, waiting = {}, [loss._node]
    while waiting:
        node = waiting.pop()
        if id(node) not in found and hasattr(node, "parents"):
            found[id(node)] = node
            waiting += [parent for parent in node.parents if parent is not None]
    return list(found.values())


def memory_of(array):
    """The array that owns the memory of a view."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def bytes_kept(loss, given):
    """Bytes that the graph holds on to and that were not there before: neither inputs nor parameters."""
    known = {id(memory_of(as_array(array))) for array in given}
    kept = {}
    for node in nodes_of(loss):
        for thing in (node.y, *node.args, *(node.kwargs or {}).values()):
            if isinstance(thing, np.ndarray) and id(memory_of(thing)) not in known:
                kept[id(memory_of(thing))] = memory_of(thing).nbytes
    return sum(kept.values())


@pytest.fixture
def network():
    problem = mlp.Problem((64, 32, 16, 10), 128)
    model = mg.models.MLP(problem.sizes, rng=0)
    return model, on_device(problem.X), problem.y, problem.class_weight


def weighted_loss(model, X, y, w):
    return mg.losses.cross_entropy(model(X), y, class_weight=w, reduction="weighted_mean")


def test_operations_recorded_in_a_step(network):
    names = sorted(node.rule.name for node in nodes_of(weighted_loss(*network)))
    assert names == [*["linear"] * 3, "log_softmax", "minus_at_labels", "relu", "relu", "weighted_sum"]


def test_bytes_kept_for_the_backward_pass(network):
    """The two hidden layers' outputs, once each, and the probabilities; no copy of an input, no mask of a relu."""
    model, X, y, w = network
    hidden, logits = 4 * 128 * (32 + 16), 4 * 128 * 10
    kept = bytes_kept(weighted_loss(model, X, y, w), [X, y, w, *model.parameters()])
    assert hidden + logits <= kept <= hidden + logits + 2000  # and a few numbers per sample


def test_bytes_kept_by_lenet():
    """What relu and pooling put out, once each: no convolution's output, no second memory order, no patch matrix."""
    problem = lenet.LeNetProblem((6, 16), 8)
    model = lenet.network(mg.nn, problem.channels)
    sizes = [6 * 24 * 24, 6 * 12 * 12, 16 * 8 * 8, 16 * 4 * 4, 120, 84, 10]
    kept = bytes_kept(
        weighted_loss(model, problem.X, problem.y, problem.class_weight),
        [problem.X, problem.y, problem.class_weight, *model.parameters()],
    )
    assert 4 * 8 * sum(sizes) <= kept <= 4 * 8 * sum(sizes) + 10_000


def test_a_step_takes_little_more_memory_than_by_hand():
    problem = mlp.Problem((64, 256, 10), 32)

    def peak(maker):
        step, _ = maker(problem)
        for _ in range(3):
            step()
        tracemalloc.start()
        step()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(mlp.minigrad_step) <= 1.25 * peak(mlp.numpy_step)
