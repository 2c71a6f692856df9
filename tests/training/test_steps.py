"""One step of training: the weighted gradient of the whole batch, however it is cut, and what is refused."""

from functools import partial

import numpy as np
import pytest

import minigrad as mg
from minigrad.losses import catalogue, cross_entropy
from minigrad.training import fit, partial_fit
from minigrad.training.objective import Objective
from minigrad.training.samples import samples

N, K, D = 13, 3, 5


def linear(outputs=K, rng=0):
    return mg.nn.Linear(D, outputs, rng=rng).astype(np.float64)


def problem(entry, weights, rng=0):
    """A linear model of 64 bits, data and class weights that suit a loss of the catalogue."""
    rng = np.random.default_rng(rng)
    prediction, y = entry.data(rng, N, K)
    X = rng.normal(size=(N, D))
    model = linear(prediction.shape[1] if prediction.ndim == 2 else 1)
    if prediction.ndim == 1:
        model = Column(model)
    w = rng.uniform(0.5, 3, N) if "sample" in weights else None
    classes = K if prediction.ndim == 2 else 2
    return model, (X, y, w), np.arange(1.0, classes + 1) if "class" in weights else None


class Column(mg.nn.Module):
    """(N, 1) outputs as (N,)."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)[:, 0]


def gradient(model, data, loss, class_weight, reduction, size):
    objective = Objective(loss, reduction, size)
    data = samples(data, "data")
    objective.rehearse(model, data, class_weight, "data")
    model.zero_grad()
    step = objective.backward(model, data, class_weight)
    return np.concatenate([p.grad.data.ravel() for p in model.parameters()]), step


def summed(name):
    entry = catalogue.CATALOGUE[name]
    return not entry.coupled and not {7} & set(entry.skip)


@pytest.mark.parametrize("size", [1, 4, 12])
@pytest.mark.parametrize("reduction", ["mean", "weighted_mean", "sum", 7.5])
@pytest.mark.parametrize("name", [name for name in catalogue.CATALOGUE if summed(name)])
def test_micro_batches_add_up_to_the_step_of_the_whole_batch(name, reduction, size):
    entry = catalogue.CATALOGUE[name]
    has_classes = entry.kind != "regression" and entry.data is not catalogue.between
    model, data, class_weight = problem(entry, "sample, class" if has_classes else "sample")
    arguments = model, data, entry.bind(K), class_weight, reduction
    expected, step = gradient(*arguments, None)
    found, cut = gradient(*arguments, size)
    assert np.abs(found - expected).max() <= 1e-12 * max(1, np.abs(expected).max())
    assert cut.loss == pytest.approx(step.loss, rel=1e-12)
    assert cut.total == pytest.approx(step.total, rel=1e-12)


@pytest.mark.parametrize("weights", ["", "sample", "class", "sample, class"])
@pytest.mark.parametrize("reduction", ["mean", "weighted_mean", "sum", 7.5])
def test_a_whole_run_does_not_depend_on_micro_batches(reduction, weights):
    runs = []
    for size in (None, 3):
        model, data, class_weight = problem(catalogue.CATALOGUE["cross_entropy"], weights)
        optimizer = mg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        history = fit(
            model, cross_entropy, data, epochs=4, batch_size=8, optimizer=optimizer, class_weight=class_weight,
            reduction=reduction, micro_batch_size=size, rng=0, progress=False,
        )  # fmt: skip
        runs.append((model.weight.data, history["loss"]))
    np.testing.assert_allclose(runs[1][0], runs[0][0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(runs[1][1], runs[0][1], rtol=1e-12)


def test_the_step_is_the_one_written_by_hand():
    model, (X, y, w), class_weight = problem(catalogue.CATALOGUE["cross_entropy"], "sample, class")
    loss = partial_fit(
        model, cross_entropy, X, y, mg.optim.SGD(model.parameters(), lr=0.1), sample_weight=w,
        class_weight=class_weight, reduction="weighted_mean", batch_size=N, micro_batch_size=4,
    )  # fmt: skip
    twin = linear()
    by_hand = cross_entropy(
        twin(mg.tensor(X)), y, sample_weight=w, class_weight=class_weight, reduction="weighted_mean"
    )
    by_hand.backward()
    assert loss == pytest.approx(by_hand.item(), rel=1e-12)
    np.testing.assert_allclose(model.weight.data, twin.weight.data - 0.1 * twin.weight.grad.data, rtol=0, atol=1e-14)


@pytest.mark.parametrize("reduction", ["mean", "weighted_mean", "sum", 7.5])
def test_the_loss_of_an_epoch_is_an_average_over_samples_whatever_the_reduction(reduction):
    model, (X, y, w), class_weight = problem(catalogue.CATALOGUE["cross_entropy"], "sample, class")
    expected = cross_entropy(
        model(mg.tensor(X)), y, sample_weight=w, class_weight=class_weight,
        reduction="weighted_mean" if reduction == "weighted_mean" else "mean",
    )  # fmt: skip
    history = fit(
        model, cross_entropy, (X, y, w), epochs=1, batch_size=4, optimizer=mg.optim.SGD(model.parameters(), lr=0.0),
        class_weight=class_weight, reduction=reduction, progress=False,
    )  # fmt: skip
    assert history["loss"] == [pytest.approx(expected.item(), rel=1e-12)]


def test_a_batch_that_is_wholly_weighted_away_teaches_nothing():
    model, (X, y, _), _ = problem(catalogue.CATALOGUE["cross_entropy"], "")
    before = model.weight.data.copy()
    for reduction in ("mean", "weighted_mean", "sum"):
        optimizer = mg.optim.SGD(model.parameters(), lr=1.0)
        data = (X, y, np.zeros(N))
        fit(
            model, cross_entropy, data, epochs=1, optimizer=optimizer, reduction=reduction, micro_batch_size=5,
            progress=False,
        )  # fmt: skip
        assert (model.weight.data == before).all()


def test_a_function_of_one_value_per_sample_is_weighed_by_fit():
    def own(prediction, target):
        return cross_entropy(prediction, target, reduction="none")

    model, data, class_weight = problem(catalogue.CATALOGUE["cross_entropy"], "sample, class")
    for reduction in ("mean", "weighted_mean", "sum", 7.5):
        expected, _ = gradient(model, data, cross_entropy, class_weight, reduction, None)
        found, _ = gradient(model, data, own, class_weight, reduction, 4)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_inputs_are_cast_to_the_dtype_of_the_model():
    model = mg.nn.Linear(D, K, rng=0)
    X, y = np.random.default_rng(0).normal(size=(N, D)), np.arange(N) % K
    seen = []
    model.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    fit(model, cross_entropy, (X, y), epochs=1, progress=False)
    assert set(seen) == {np.dtype(np.float32)}


def test_every_layer_is_in_its_own_mode_again():
    model = mg.nn.Sequential(mg.nn.Linear(D, K), mg.nn.BatchNorm1d(K), mg.nn.Dropout())
    model[1].eval()
    fit(model, cross_entropy, (np.ones((N, D)), np.arange(N) % K), epochs=1, progress=False)
    assert [module.training for module in model.modules()] == [True, True, False, True]


def test_gradients_are_clipped():
    model, (X, y, _), _ = problem(catalogue.CATALOGUE["cross_entropy"], "")
    before = model.state_dict()
    optimizer = mg.optim.SGD(model.parameters(), lr=1.0)
    fit(model, cross_entropy, (100 * X, y), epochs=1, batch_size=N, optimizer=optimizer, clip_norm=0.5, progress=False)
    change = np.concatenate([(p - before[name]).numpy().ravel() for name, p in model.named_parameters()])
    assert np.linalg.norm(change) == pytest.approx(0.5, rel=1e-5)


# --- What is refused, before anything is trained

X, Y = np.ones((6, D)), np.arange(6) % K
BAD = {
    "weights of another length": (
        {"data": (X, Y, np.ones(5))}, ValueError, "data: X has 6, y has 6, w has 5 samples",
    ),
    "labels of another length": ({"data": (X, Y[:5])}, ValueError, "data: X has 6, y has 5 samples"),
    "no samples": ({"data": (X[:0], Y[:0])}, ValueError, "data has no samples"),
    "an array alone": ({"data": X}, TypeError, r"data is \(X, y\) or \(X, y, w\)"),
    "four things": ({"data": (X, Y, Y, Y)}, TypeError, "got 4 things"),
    "negative weights": ({"data": (X, Y, -np.ones(6))}, ValueError, "data: w must be finite and not negative"),
    "weights as a column": ({"data": (X, Y, np.ones((6, 1)))}, ValueError, r"data: sample_weight has shape"),
    "a label out of range, far behind": (
        {"data": (np.ones((500, D)), np.r_[np.zeros(499, int), 7])}, ValueError, "data: .* sample 499 has label 7",
    ),
    "labels of floats": ({"data": (X, Y * 1.0)}, TypeError, "integer labels"),
    "a bad label in the validation set": ({"validation": (X, Y + 1)}, ValueError, "validation: .* label 3"),
    "validation weights": ({"validation": (X, Y, np.ones(7))}, ValueError, "validation: X has 6, y has 6, w has 7"),
    "class weights of another length": ({"class_weight": [1.0, 2.0]}, ValueError, r"shape \(2,\), expected \(3,\)"),
    "class weights, later": (
        {"class_weight": mg.training.deferred([1.0, 2.0], after=1)}, ValueError, r"shape \(2,\), expected \(3,\)",
    ),
    "a class without weight": ({"class_weight": {0: 1.0, 1: 2.0}}, ValueError, "no entry for class 2"),
    "an unknown reduction": ({"reduction": "average"}, ValueError, "unknown reduction 'average'"),
    "no reduction": ({"reduction": "none"}, ValueError, "no number to minimise"),
    "no epochs": ({"epochs": 0}, ValueError, "epochs=0; expected 1 or more"),
    "half an epoch": ({"epochs": 0.5}, TypeError, "epochs=0.5 is a float; expected an int"),
    "empty batches": ({"batch_size": 0}, ValueError, "batch_size=0; expected 1 or more"),
    "empty micro-batches": ({"micro_batch_size": 0}, ValueError, "micro_batch_size=0; expected 1 or more"),
    "another model's optimiser": (
        {"optimizer": mg.optim.SGD(linear().parameters())}, ValueError, "none of this model's parameters",
    ),
    "a norm below 0": ({"clip_norm": -1.0}, ValueError, "clip_norm must be positive"),
    "a schedule of nothing": ({"schedule": 0.1}, TypeError, "a schedule is a function"),
    "a schedule for each what": ({"schedule_every": "step"}, ValueError, "expected 'epoch' or 'batch'"),
    "a metric that is none": ({"metrics": {"f1": 3}}, TypeError, r"metrics\['f1'\] is a int"),
    "a metric called loss": ({"metrics": {"loss": len}}, ValueError, "'loss' is taken"),
    "nothing to watch": ({"early_stopping": 3}, ValueError, "watches 'val_loss'.*give validation"),
    "a folder that is not there": ({"checkpoint": "/nowhere/run.ckpt"}, FileNotFoundError, "/nowhere does not exist"),
    "a loss that couples samples": (
        {"loss": mg.losses.soft_f1, "data": (X, np.ones((6, K))), "micro_batch_size": 2}, ValueError, "couples",
    ),
    "a loss that hides its weights": (
        {"loss": partial(cross_entropy, class_weight=[1.0, 2.0, 3.0]), "reduction": "weighted_mean"},
        ValueError, "give weights to fit",
    ),
    "a loss of one number": ({"loss": lambda z, t: cross_entropy(z, t)}, ValueError, "functools.partial"),
    "shares without classes": (
        {"loss": mg.losses.mse, "data": (X, np.ones((6, K))), "gradient_share": 4}, ValueError, "class of each sample",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused_before_training(name):
    changed, error, message = BAD[name]
    model = linear()
    before = model.weight.data.copy()
    arguments = {"loss": cross_entropy, "data": (X, Y), "epochs": 2, "progress": False} | changed
    with pytest.raises(error, match=message):
        fit(model, **arguments)
    assert (model.weight.data == before).all()


def test_what_is_not_a_module_is_refused():
    with pytest.raises(TypeError, match="model is a function"):
        fit(lambda x: x, cross_entropy, (X, Y), epochs=1)


def test_a_model_that_loses_samples_is_refused():
    class Mean(mg.nn.Linear):
        def forward(self, x):
            return super().forward(x).mean(axis=0)

    with pytest.raises(ValueError, match=r"of 2 samples the model made \(3,\)"):
        fit(Mean(D, K), cross_entropy, (X, Y), epochs=1)
