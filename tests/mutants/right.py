"""Right gradients by the thousand, for the checker to raise no alarm over."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from minigrad.gradcheck import Report

from . import losses
from . import operations as ops
from .case import Operation

# --- Layers: (rng, n, d, k) -> Operation

LAYERS: dict[str, Callable] = {
    **{
        name: lambda rng, n, d, _k, name=name: ops.elementwise(rng, name, n, d)
        for name in ops.ELEMENTWISE
    },
    "multiply": lambda rng, n, d, _k: ops.multiply(rng, n, d),
    "divide": lambda rng, n, d, _k: ops.divide(rng, n, d),
    "dropout": lambda rng, n, d, _k: ops.dropout(rng, n, d + 1),
    "linear": ops.linear,
    "matmul": ops.matmul,
    "two layers": lambda rng, n, d, k: ops.two_layers(rng, n, d, d + 2, k),
    "shared weights": lambda rng, n, d, _k: ops.shared_weights(rng, n, d),
    "residual": lambda rng, n, d, _k: ops.residual(rng, n, d),
    "add row": lambda rng, n, d, _k: ops.add_row(rng, n, d),
    "scale columns": lambda rng, n, d, _k: ops.scale_columns(rng, n, d),
    "add column": lambda rng, n, d, _k: ops.add_column(rng, n, d),
    "mean": lambda rng, n, d, k: ops.mean_over(rng, (None, 0, 1)[k % 3], n, d),
    "sum": lambda rng, n, d, k: ops.sum_over(rng, k % 2, n, d),
    "max": lambda rng, n, d, _k: ops.maximum_of_row(rng, n, d),
    "sort": lambda rng, n, d, _k: ops.sort_rows(rng, n, d),
    "logsumexp": lambda rng, n, _d, k: ops.logsumexp(rng, n, k),
    "softmax": lambda rng, n, _d, k: ops.softmax_layer(rng, n, k),
    "embedding": lambda rng, n, d, k: ops.gather(rng, k, d, rng.integers(k, size=n)),
    "batch norm": lambda rng, n, d, _k: ops.batch_norm(rng, n + 1, d),
    "batch norm of images": lambda rng, n, d, _k: ops.batch_norm_images(rng, n, d, 2, 2),
    "layer norm": lambda rng, n, d, _k: ops.layer_norm(rng, n, d + 1),
    "standardize": lambda rng, n, d, _k: ops.standardize(rng, n + 1, d),
    "conv": lambda rng, n, d, k: ops.conv2d(
        rng, 1 + n % 2, d % 3 + 1, k % 3 + 1, (4, 4 + d), (1 + n % 3, 2), 1 + k % 2, d % 2
    ),
    "max-pool": lambda rng, n, d, k: ops.max_pool(rng, 1 + n % 2, 1 + d % 2, (4, 4 + d), (2, 1 + k % 3), 1 + n % 2),
    "max-pool, ties": lambda rng, _n, _d, _k: ops.max_pool(rng, x=np.maximum(rng.normal(size=(1, 1, 4, 4)), 0)),
    "average-pool": lambda rng, n, d, k: ops.average_pool(
        rng, 1 + n % 2, 1 + d % 2, (4, 4 + d), (2, 1 + k % 3), 1 + n % 2
    ),
}  # fmt: skip


# --- Losses: (rng, z, labels, options) -> Loss


def _costs(rng, k):
    return rng.uniform(0, 4, (k, k))


def _priors(rng, k):
    return rng.dirichlet(np.ones(k)) + 1e-3


MULTICLASS: dict[str, Callable] = {
    "cross-entropy": lambda _rng, z, y, options: losses.cross_entropy(z, y, **options),
    "focal": lambda rng, z, y, options: losses.focal(z, y, rng.choice([0.5, 1, 2, 3.5]), **options),
    "logit-adjusted": lambda rng, z, y, options: losses.adjusted(
        z, y, shift=np.log(_priors(rng, z.shape[1])), **options
    ),
    "CDT": lambda rng, z, y, options: losses.adjusted(z, y, divide=rng.uniform(0.5, 4, z.shape[1]), **options),
    "LDAM": lambda rng, z, y, options: losses.ldam(z, y, 100 * _priors(rng, z.shape[1]), **options),
    "expected cost": lambda rng, z, y, options: losses.expected_cost(z, y, _costs(rng, z.shape[1]), **options),
    "cost penalty": lambda rng, z, y, options: losses.cost_penalty(z, y, _costs(rng, z.shape[1]), **options),
    "cost-weighted": lambda rng, z, y, options: losses.cost_weighted(z, y, _costs(rng, z.shape[1]), **options),
}
BINARY: dict[str, Callable] = {
    "BCE": lambda rng, z, t, options: losses.binary_cross_entropy(z, t, rng.choice([1.0, 0.2, 7]), **options),
    "MSE of probabilities": lambda _rng, z, t, options: losses.sigmoid_mse(z, t, **options),
    "hinge": lambda _rng, z, t, options: losses.hinge(z, 2 * t - 1, **options),
}
REGRESSION: dict[str, Callable] = {
    "MSE": lambda rng, z, _t, options: losses.mse(z, rng.normal(size=z.shape), **options),
    "Huber": lambda rng, z, _t, options: losses.huber(z, rng.normal(size=z.shape), **options),
}


@st.composite
def weighted_losses(draw) -> Operation:
    """Any loss with any weights (some of them zero), labels that miss classes, logits small and large."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, k = draw(st.integers(1, 6)), draw(st.integers(2, 5))
    scale = draw(st.sampled_from([0.01, 1.0, 5.0]))
    options = {"reduction": draw(st.sampled_from(["sum", "mean", "weighted_mean"]))}
    if draw(st.booleans()):
        options["sample_weight"] = rng.choice([0, 1, rng.uniform(), 5 * rng.uniform(), 100], n)
    make = draw(st.sampled_from([*MULTICLASS.values(), *BINARY.values(), *REGRESSION.values()]))
    classes = k if make in MULTICLASS.values() else 2
    if make not in REGRESSION.values() and make is not BINARY["hinge"] and draw(st.booleans()):
        options["class_weight"] = rng.choice([0, 1, rng.uniform(), 20 * rng.uniform()], classes)
    labels = rng.integers(draw(st.integers(1, classes)), size=n)
    z = scale * rng.normal(size=(n, k) if make in MULTICLASS.values() else n)
    return make(rng, z, labels, options).operation()


@st.composite
def whole_batches(draw) -> Operation:
    """Losses that are more than a weighted sum over the samples' logits."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, d, k = draw(st.integers(1, 6)), draw(st.integers(1, 4)), draw(st.integers(2, 5))
    labels, w = rng.integers(k, size=n), rng.uniform(0.1, 5, n)
    reduction = draw(st.sampled_from(["sum", "mean", "weighted_mean"]))
    which = draw(st.sampled_from(["soft-F1", "classifier", "learned weights"]))
    if which == "soft-F1":
        return losses.soft_f1(rng.normal(size=n), rng.integers(2, size=n))
    if which == "learned weights":
        return losses.learned_weights(rng.normal(size=(n, k)), labels, w, reduction)
    x, W, b = rng.normal(size=(n, d)), rng.normal(size=(d, k)), rng.normal(size=k)
    weights, lam = draw(st.sampled_from([None, w])), draw(st.sampled_from([None, 0.1, 3.0]))
    return losses.classifier(x, labels, W, b, weights=weights, reduction=reduction, lam=lam)


@st.composite
def layers(draw) -> Operation:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, d, k = draw(st.integers(1, 6)), draw(st.integers(1, 4)), draw(st.integers(2, 5))
    return LAYERS[draw(st.sampled_from(sorted(LAYERS)))](rng, n, d, k)


def false_alarms(count: int) -> tuple[int, list[tuple[str, Report]]]:
    """Check `count` right gradients: how many there were, and those that were called wrong."""
    checked, alarms = [], []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(layers(), weighted_losses(), weighted_losses(), whole_batches()))
    def check(operation):
        checked.append(operation.name)
        report = operation.check()
        if not report.ok:
            alarms.append((operation.name, report))

    check()
    return len(checked), alarms
