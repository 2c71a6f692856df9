"""What every loss must do, whatever it is: one table of losses, one body per promise."""

import dataclasses
import inspect
import re
from functools import partial

import numpy as np
import pytest

import minigrad as mg
from minigrad.device import to_host
from minigrad.losses import catalogue
from tests.devices import on_device
from tests.losses.cases import CASES, K, N, drawn, gradient, reductions

W = np.random.default_rng(0).uniform(0.5, 2.5, N)
every_loss = pytest.mark.parametrize("name", CASES)
MULTICLASS = [name for name, case in CASES.items() if case.data is catalogue.labels]
BINARY = [
    name
    for name, case in CASES.items()
    if case.data in (catalogue.zero_or_one, catalogue.signs, catalogue.several_labels)
]
NOT_LOSSES = {"LawError", "LawReport", "LawResult", "check_laws", "gradient_density", "reduce"}


# --- The table itself


def test_every_public_loss_is_in_the_table():
    assert {case.loss.__name__ for case in CASES.values()} == set(mg.losses.__all__) - NOT_LOSSES


@every_loss
def test_the_command_s_check_passes_on_other_data_too(name):
    for seed in (1, 2):
        for column, cell in catalogue.check(CASES[name], n=6, k=4, rng=seed).items():
            assert cell.ok, f"{column}: {cell.detail}"


@mg.primitive
def square(x):
    return x * x


@mg.primitive
def double(x):
    return 2 * x


mg.rule(square, lambda g, _y, x: g * double(x))
mg.rule(double, lambda g, _y, _x: g)  # wrong, and seen by second derivatives only


def weights_squared(z, t, *, sample_weight=None, **options):
    w = None if sample_weight is None else sample_weight * sample_weight
    return mg.losses.cross_entropy(z, t, sample_weight=w, **options)


def curved(z, t, *, sample_weight=None, reduction="mean"):
    return mg.losses.reduce(square(z - t), sample_weight, reduction)


MISTAKES = {
    "another gradient's formula": (
        "cdt",
        {"formula": catalogue.formulas.logit_adjusted, "settings": catalogue.COUNTS},
        {"closed form"},
    ),
    "a factor detached that is said not to be": (
        "influence_balanced",
        {"held": None},
        {"finite differences", "second order"},
    ),
    "a wrong second derivative": ("mse", {"loss": curved}, {"second order", "laws"}),
    "weights applied twice": ("cross_entropy", {"loss": weights_squared}, {"laws"}),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_column_of_the_command_sees_its_mistakes(mistake):
    name, change, columns = MISTAKES[mistake]
    entry = dataclasses.replace(CASES[name], **change)
    assert {column for column, cell in catalogue.check(entry).items() if not cell.ok} == columns


# Not among these: what the formulas leave out because it does not change the gradient of an unweighted loss.
OTHERS = {"sample_weight", "class_weight", "reduction", "features", "prior", "detach_modulator"}


@every_loss
def test_formulas_have_the_defaults_of_the_losses(name):
    of_loss, of_formula = (
        {p.name: p.default for p in list(inspect.signature(f).parameters.values())[2:] if p.name not in OTHERS}
        for f in (CASES[name].loss, CASES[name].formula)
    )
    if "counts" in of_formula:  # logit_adjusted takes counts or their shares
        of_loss["counts"] = of_formula["counts"]
    assert of_loss == of_formula


# LOSSES.md, sections 1 and 3.
DEFAULTS = {
    "huber": {"delta": 1.0},
    "hinge": {"margin": 1.0},
    "cross_entropy": {"label_smoothing": 0.0},
    "generalized_cross_entropy": {"q": 0.7},
    "focal": {"gamma": 2.0},
    "binary_focal": {"gamma": 2.0, "alpha": 0.25},
    "ldam": {"max_margin": 0.5, "scale": 30.0},
    "logit_adjusted": {"tau": 1.0},
    "asymmetric": {"gamma_neg": 4.0, "gamma_pos": 1.0, "margin": 0.05},
    "soft_f1": {"smooth": 0.0},
}


@pytest.mark.parametrize("name", sorted({case.loss.__name__ for case in CASES.values()}))
def test_signature_and_docstring(name):
    loss = getattr(mg.losses, name)
    parameters = inspect.signature(loss).parameters
    assert list(parameters)[:2] == ["prediction", "target"]
    assert all(p.kind is p.KEYWORD_ONLY for p in list(parameters.values())[2:])
    for parameter, default in {
        "sample_weight": None, "class_weight": None, "reduction": "mean", **DEFAULTS.get(name, {})
    }.items():  # fmt: skip
        assert parameters[parameter].default == default
    text = inspect.getdoc(loss)
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"{section}\n---" in text
    for parameter in parameters:
        assert parameter in text
        default = parameters[parameter].default
        if isinstance(default, float) and default:
            assert default in map(float, re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", text)), f"default of {parameter}"
    assert "dl/dz" in text or "dL/dz" in text
    assert re.search(r"\b(1[89]|20)\d\d\b", text), "the docstring gives no source"
    assert ">>> " in text


# --- Weights


@every_loss
def test_weights_receive_their_gradient(name):
    case = CASES[name]
    loss, z, t = drawn(name, seed=2)
    z, weights = mg.tensor(z), {"sample_weight": mg.tensor(W, requires_grad=True)}
    if case.kind in ("multiclass", "multilabel", "signs") or case.data is catalogue.zero_or_one:
        weights["class_weight"] = mg.tensor(np.linspace(0.5, 2.0, K if z.ndim == 2 else 2), requires_grad=True)

    def weighted(*values):
        return loss(z, t, reduction="weighted_mean", **dict(zip(weights, values, strict=True)))

    if case.skip.keys() & {9}:  # these weights are counted in the density, a constant
        weighted(*weights.values()).backward()
        assert all(np.isfinite(w.grad.data).all() for w in weights.values())
    else:
        mg.gradcheck(weighted, list(weights.values()), order=2)


@every_loss
def test_float32_stays_float32_whatever_the_weights(name):
    loss, z, t = drawn(name)
    z = z.astype(np.float32)
    for reduction in (*reductions(name), *(() if CASES[name].coupled else (3, np.float64(3.0), np.int64(3)))):
        value, g = gradient(loss, z, t, sample_weight=W, reduction=reduction)
        assert value.dtype == g.dtype == np.float32


@every_loss
def test_python_floats_as_weights_keep_their_double_precision(name):
    loss, z, t = drawn(name)
    for reduction in reductions(name):
        listed, exact = (gradient(loss, z, t, sample_weight=w, reduction=reduction) for w in (W.tolist(), W))
        for a, b in zip(listed, exact, strict=True):
            np.testing.assert_array_equal(a, b)


LISTS = [
    (mg.losses.cross_entropy, "labels", {"class_weight": [0.1, 0.7, 1.3]}),
    (mg.losses.cross_entropy, "labels", {"class_weight": {0: 0.1, 1: 0.7, 2: 1.3}}),
    (
        mg.losses.binary_cross_entropy,
        "several_labels",
        {"pos_weight": [0.1, 0.7, 1.3], "class_weight": [0.1, 0.2, 0.3]},
    ),
    (mg.losses.expected_cost, "labels", {"cost_matrix": [[0.0, 0.1, 0.2], [1.1, 0.0, 0.7], [0.3, 2.1, 0.0]]}),
    (mg.losses.logit_adjusted, "labels", {"prior": [0.7, 0.2, 0.1]}),
    (mg.losses.ghm, "zero_or_one", {"bins": 2, "density": [0.7, 1.3]}),
    (mg.losses.example_cost, "zero_or_one", {"cost_fp": 0.1, "cost_fn": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]}),
    (mg.losses.hinge, "signs", {"margin": [0.1, 0.7]}),
]


@pytest.mark.parametrize(("loss", "data", "options"), LISTS)
def test_so_do_python_floats_in_other_arguments_and_targets(loss, data, options):
    z, t = getattr(catalogue, data)(np.random.default_rng(0), N, K)
    arrays = {name: np.array(x) if isinstance(x, list) else x for name, x in options.items()}
    np.testing.assert_array_equal(loss(z, t, **options), loss(z, t, **arrays))
    in_float32 = {name: x.astype(np.float32) for name, x in arrays.items() if isinstance(x, np.ndarray)}
    assert not in_float32 or loss(z, t, **{**options, **in_float32}) != loss(z, t, **options)
    for other in (mg.losses.mse, mg.losses.binary_cross_entropy):
        t = np.linspace(0.1, 0.7, N)
        assert other(np.zeros(N), t.tolist()) == other(np.zeros(N), t)


@every_loss
def test_arrays_in_arrays_out(name):
    loss, z, t = drawn(name)
    for reduction in reductions(name):
        found = loss(z, t, sample_weight=W, reduction=reduction)
        assert type(found) in (np.ndarray, np.float64)
        np.testing.assert_array_equal(
            found, loss(mg.tensor(z), mg.tensor(t), sample_weight=W, reduction=reduction).data
        )


@every_loss
def test_wholly_weighted_away_is_zero_and_teaches_nothing(name):
    loss, z, t = drawn(name)
    w = mg.tensor(np.zeros(N), requires_grad=True)
    value, g = gradient(loss, z, t, sample_weight=w, reduction="weighted_mean")
    assert value == 0
    np.testing.assert_array_equal(g, np.zeros_like(z))
    np.testing.assert_array_equal(w.grad.data, np.zeros(N))


# --- Targets in other forms


@pytest.mark.parametrize("name", MULTICLASS)
def test_hard_labels_and_the_same_one_hot_give_the_same_number(name):
    loss, z, y = drawn(name)
    y[y == 2] = 0  # a class that does not occur, and needs no entry in a dict
    for options in ({}, {"class_weight": [1.0, 4.0, 2.0]}, {"class_weight": {0: 1.0, 1: 3.0}, "sample_weight": W}):
        if CASES[name].settings.get("label_smoothing") and isinstance(options.get("class_weight"), dict):
            continue  # smoothing gives every class a share
        for reduction in reductions(name):
            hard = gradient(loss, z, y, reduction=reduction, **options)
            for target in (
                np.eye(K)[y],
                np.eye(K, dtype=int)[y],
                np.eye(K, dtype=bool)[y].tolist(),
                mg.tensor(np.eye(K)[y]),
            ):
                for a, b in zip(gradient(loss, z, target, reduction=reduction, **options), hard, strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", BINARY)
def test_labels_of_any_type_give_the_same_number(name):
    loss, z, t = drawn(name)
    positive = t > 0
    expected = gradient(loss, z, t)
    for target in (positive, positive.astype(np.uint8), positive.astype(np.float32), positive.tolist()):
        for a, b in zip(gradient(loss, z, target), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14)


# --- Sizes at the edge


@every_loss
def test_an_empty_batch_is_zero(name):
    loss, z, t = drawn(name, n=0)
    for reduction in reductions(name):
        value, g = gradient(loss, z, t, sample_weight=np.zeros(0), reduction=reduction)
        assert g.shape == z.shape
        assert value.shape == z.shape[: value.ndim] if reduction == "none" else value == 0


@every_loss
def test_a_batch_of_one_keeps_its_weight_unless_divided_by_it(name):
    loss, z, t = drawn(name, n=1, seed=5)
    plain = loss(z, t)
    assert loss(z, t, sample_weight=[3.0], reduction="weighted_mean") == pytest.approx(plain)
    if not CASES[name].coupled:
        assert loss(z, t, sample_weight=[3.0]) == pytest.approx(3 * plain)


@pytest.mark.parametrize("name", MULTICLASS)
def test_a_single_column_of_logits_is_no_choice(name):
    loss, z, t = drawn(name, k=1)
    value, g = gradient(loss, z, t)
    assert np.isfinite(value)
    np.testing.assert_array_equal(g, 0)


# --- |z| = 100 in float32


def extremes(case, n):
    """Logits of -100, 0 and 100, n at a time, with targets of a single class each time."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        z, t = case.data(rng, n, K)
        z = rng.choice(np.float32([-100, 0, 100]), size=z.shape)
        for label in range(K if t.ndim < z.ndim else 2):
            if case.kind == "signs":
                label = 2 * label - 1
            yield z, t if t.dtype.kind == "f" else np.full_like(t, label)


@pytest.mark.parametrize("n", [1, 5])
@every_loss
def test_extreme_logits_of_a_single_class_stay_finite(name, n):
    case = CASES[name]
    for z, t in extremes(case, n):
        for reduction in ("mean", "weighted_mean"):
            value, g = gradient(case.bind(K), z, t, sample_weight=np.full(n, 2.0), reduction=reduction)
            assert value.dtype == g.dtype == np.float32
            assert np.isfinite(value)
            assert np.isfinite(g).all()
        curvature = mg.hvp(lambda x, t=t: case.bind(K)(x, t), mg.tensor(z), mg.ones(z.shape))
        assert np.isfinite(curvature.data).all()


@every_loss
def test_large_logits_in_float32_are_those_of_float64(name):
    loss, z, t = drawn(name, seed=3)
    z, reduction = 100 * np.sign(z).astype(np.float32), reductions(name)[0]
    value, g = gradient(loss, z, t, reduction=reduction)
    exact, exact_g = gradient(loss, z.astype(np.float64), t, reduction=reduction)
    np.testing.assert_allclose(value, exact, rtol=1e-5, atol=100 * np.finfo(np.float32).eps)
    np.testing.assert_allclose(g, exact_g, rtol=1e-5, atol=1e-6)


# --- One gradient per sample


class Small(mg.nn.Module):
    """A network with outputs (N, K), or (N,)."""

    def __init__(self, flat):
        super().__init__()
        self.layers = mg.nn.Sequential(mg.nn.Linear(4, 5), mg.nn.Tanh(), mg.nn.Linear(5, 1 if flat else K))
        self.flat = flat

    def forward(self, x):
        return self.layers(x)[:, 0] if self.flat else self.layers(x)


COUPLED = [name for name, case in CASES.items() if case.coupled]
X = on_device(np.random.default_rng(1).normal(size=(N, 4)))


@pytest.mark.parametrize("name", [name for name in CASES if name not in COUPLED])
def test_the_batch_gradient_is_the_weighted_sum_of_the_samples(name):
    case = CASES[name]
    loss, z, t = drawn(name)
    mg.manual_seed(0)
    model = Small(flat=z.ndim == 1).astype(np.float64)
    if 8 in case.skip:  # weights count in the batch's density; with the density given, samples are not coupled
        loss = partial(loss, density=mg.losses.gradient_density(model(X), t))
    per_sample = mg.per_sample_gradients(model, loss, X, t)
    entries = K if case.kind == "multilabel" else 1
    for reduction, divisor in (("sum", 1), ("mean", N * entries), ("weighted_mean", entries * W.sum()), (12.5, 12.5)):
        model.zero_grad()
        loss(model(X), t, sample_weight=W, reduction=reduction).backward()
        for parameter, p in model.named_parameters():
            total = np.tensordot(W, to_host(per_sample[parameter]), axes=1) / divisor
            np.testing.assert_allclose(p.grad.data, total, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("name", COUPLED)
def test_a_loss_of_the_whole_batch_has_no_gradient_of_one_sample(name):
    loss, z, t = drawn(name)
    with pytest.raises(ValueError, match="reduction 'none' has no meaning here: the loss is a ratio of sums"):
        mg.per_sample_gradients(Small(flat=z.ndim == 1), loss, X, t)
