"""Every loss in one table, with its closed-form gradient and something to try it on, and the check of them all.

``python -m minigrad losses`` prints `check`'s verdicts. The tests run over the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from .. import losses
from ..autograd import grad
from ..gradcheck import Report, check_backward
from ..tensor import Tensor
from . import formulas

# --- What losses are tried on: (rng, n, k) -> prediction, target


def labels(rng, n, k):
    return rng.normal(size=(n, k)), rng.integers(k, size=n)


def probabilities(rng, n, k):
    return rng.normal(size=(n, k)), rng.dirichlet(np.ones(k), size=n)


def zero_or_one(rng, n, _k):
    return rng.normal(size=n), rng.integers(2, size=n)


def between(rng, n, _k):
    return rng.normal(size=n), rng.uniform(size=n)


def signs(rng, n, _k):
    return rng.normal(size=n), 2 * rng.integers(2, size=n) - 1


def several_labels(rng, n, k):
    return rng.normal(size=(n, k)), rng.integers(2, size=(n, k))


def numbers(rng, n, _k):
    return rng.normal(size=n), rng.normal(size=n)


def several_numbers(rng, n, k):
    return rng.normal(size=(n, k)), rng.normal(size=(n, k))


KINDS = {
    labels: "multiclass", probabilities: "multiclass", zero_or_one: "binary", between: "binary", signs: "signs",
    several_labels: "multilabel", numbers: "regression", several_numbers: "regression",
}  # fmt: skip


def falling_counts(k):
    """Samples per class, each a third of the one before."""
    return 3 ** np.arange(k, 0, -1)


def cost_matrix(k, diagonal=0.0):
    """Costs that are not symmetric, with `diagonal` for being right."""
    C = np.random.default_rng(5).uniform(0.2, 3.0, (k, k))
    np.fill_diagonal(C, diagonal)
    return C


# --- The table


@dataclass(frozen=True)
class Entry:
    """A loss with settings: `data` draws what it is tried on, `formula` is its gradient (see ``formulas``).

    Settings that are functions are called with K. `skip`: laws broken by design, with the reason. `held`: what the loss
    multiplies cross-entropy with and takes for constant. `coupled`: it has no losses of samples.
    """

    loss: Callable
    data: Callable
    formula: Callable
    settings: dict[str, Any] = field(default_factory=dict)
    skip: dict[int, str] = field(default_factory=dict)
    held: Callable | None = None
    coupled: bool = False

    @property
    def kind(self) -> str:
        return KINDS[self.data]

    def arguments(self, k: int) -> dict[str, Any]:
        return {name: value(k) if callable(value) else value for name, value in self.settings.items()}

    def bind(self, k: int) -> Callable:
        """The loss with its settings, for K classes."""
        return partial(self.loss, **self.arguments(k))

    def closed_form(self, k: int) -> Callable:
        return partial(self.formula, **self.arguments(k))


C, COUNTS = {"cost_matrix": cost_matrix}, {"counts": falling_counts}
COSTLY = {"cost_matrix": partial(cost_matrix, diagonal=0.7)}
DENSITY = {"bins": 5, "density": np.array([4.0, 2.0, 1.0, 0.5, 0.5])}

SMOOTHED = {5: "with label smoothing every class's weight counts, not only the label's"}
NOT_SHIFTED = {10: "temperatures: a constant added to the logits changes the loss"}
DETACHED = dict.fromkeys((11, 12), "a factor is detached; the finite differences above hold it constant")
OWN_DENSITY = dict.fromkeys((0, 7, 8, 9), "the density is that of the batch and its weights: samples are coupled")

CATALOGUE: dict[str, Entry] = {
    "cross_entropy": Entry(losses.cross_entropy, labels, formulas.cross_entropy),
    "cross_entropy of probabilities": Entry(losses.cross_entropy, probabilities, formulas.cross_entropy),
    "cross_entropy, label smoothing": Entry(
        losses.cross_entropy, labels, formulas.cross_entropy, {"label_smoothing": 0.2}, SMOOTHED
    ),
    "binary_cross_entropy": Entry(losses.binary_cross_entropy, zero_or_one, formulas.binary_cross_entropy),
    "binary_cross_entropy of probabilities": Entry(losses.binary_cross_entropy, between, formulas.binary_cross_entropy),
    "binary_cross_entropy, pos_weight": Entry(
        losses.binary_cross_entropy, zero_or_one, formulas.binary_cross_entropy, {"pos_weight": 3.0}
    ),
    "binary_cross_entropy, multi-label": Entry(
        losses.binary_cross_entropy, several_labels, formulas.binary_cross_entropy, {"pos_weight": 0.5}
    ),
    "mse": Entry(losses.mse, numbers, formulas.mse),
    "mse, several outputs": Entry(losses.mse, several_numbers, formulas.mse),
    "huber": Entry(losses.huber, numbers, formulas.huber),
    "huber, several outputs": Entry(losses.huber, several_numbers, formulas.huber, {"delta": 0.3}),
    "hinge": Entry(losses.hinge, signs, formulas.hinge),
    "hinge, two margins": Entry(losses.hinge, signs, formulas.hinge, {"margin": (0.5, 2.0)}),
    "multiclass_hinge": Entry(losses.multiclass_hinge, labels, formulas.multiclass_hinge),
    "multiclass_hinge, costs": Entry(losses.multiclass_hinge, labels, formulas.multiclass_hinge, C),
    "weston_watkins": Entry(losses.weston_watkins, labels, formulas.weston_watkins),
    "weston_watkins, costs": Entry(losses.weston_watkins, labels, formulas.weston_watkins, C),
    "generalized_cross_entropy": Entry(losses.generalized_cross_entropy, labels, formulas.generalized_cross_entropy),
    "soft_f1": Entry(losses.soft_f1, zero_or_one, formulas.soft_f1, coupled=True),
    "tversky": Entry(losses.tversky, several_labels, formulas.tversky, {"alpha": 0.3, "beta": 0.8}, coupled=True),
    "expected_cost": Entry(losses.expected_cost, labels, formulas.expected_cost, C),
    "expected_cost, a costly diagonal": Entry(losses.expected_cost, labels, formulas.expected_cost, COSTLY),
    "cost_penalty": Entry(losses.cost_penalty, labels, formulas.cost_penalty, {**C, "lam": 0.3}),
    "cost_weighted_cross_entropy": Entry(
        losses.cost_weighted_cross_entropy, labels, formulas.cost_weighted_cross_entropy, C
    ),
    "log_cost": Entry(losses.log_cost, labels, formulas.log_cost, C),
    "softmax_margin": Entry(losses.softmax_margin, labels, formulas.softmax_margin, COSTLY),
    "example_cost": Entry(
        losses.example_cost,
        zero_or_one,
        formulas.example_cost,
        {"cost_tp": 0.5, "cost_fp": 1.0, "cost_fn": 7.0, "cost_tn": -0.25},
    ),
    "focal": Entry(losses.focal, labels, formulas.focal),
    "focal, gamma below 1": Entry(losses.focal, labels, formulas.focal, {"gamma": 0.5}),
    "focal, modulator detached": Entry(
        losses.focal, labels, formulas.focal, {"detach_modulator": True}, DETACHED, held=formulas.modulator
    ),
    "binary_focal": Entry(losses.binary_focal, zero_or_one, formulas.binary_focal),
    "binary_focal of probabilities": Entry(losses.binary_focal, between, formulas.binary_focal),
    "binary_focal, multi-label": Entry(
        losses.binary_focal, several_labels, formulas.binary_focal, {"alpha": None, "gamma": 0.5}
    ),
    # Not the default scale: 30 times a random logit leaves gradients of the size of rounding.
    "ldam": Entry(losses.ldam, labels, formulas.ldam, {**COUNTS, "scale": 3.0}),
    "logit_adjusted": Entry(losses.logit_adjusted, labels, formulas.logit_adjusted, COUNTS),
    "cdt": Entry(losses.cdt, labels, formulas.cdt, COUNTS, NOT_SHIFTED),
    "vector_scaling": Entry(losses.vector_scaling, labels, formulas.vector_scaling, COUNTS, NOT_SHIFTED),
    "influence_balanced": Entry(
        losses.influence_balanced, labels, formulas.influence_balanced, {}, DETACHED, held=formulas.influence
    ),
    "ghm": Entry(losses.ghm, zero_or_one, formulas.ghm, {}, OWN_DENSITY),
    "ghm, density given": Entry(losses.ghm, zero_or_one, formulas.ghm, DENSITY),
    "ghm, density given, multi-label": Entry(losses.ghm, several_labels, formulas.ghm, DENSITY),
    "asymmetric": Entry(losses.asymmetric, several_labels, formulas.asymmetric),
    "asymmetric, one label": Entry(
        losses.asymmetric, zero_or_one, formulas.asymmetric, {"gamma_pos": 0.0, "gamma_neg": 0.5, "margin": 0.2}
    ),
    "distribution_balanced": Entry(
        losses.distribution_balanced,
        several_labels,
        formulas.distribution_balanced,
        {**COUNTS, "total": lambda k: falling_counts(k).sum() + 1},
    ),
}


# --- The check

COLUMNS = ("closed form", "finite differences", "second order", "laws")


@dataclass(frozen=True)
class Cell:
    """One check of one loss: whether it passed, the worst relative error, and what there is to say if it failed."""

    ok: bool
    error: float
    detail: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.note}{self.error:.1e}" if self.ok else f"FAILED {self.error:.1e}"


def check(entry: Entry, n: int = 7, k: int = 3, rng: int = 0) -> dict[str, Cell]:
    """Hold one loss to its closed form, to finite differences of first and second order, and to the laws.

    Parameters
    ----------
    entry : Entry
    n, k : int, default 7 and 3
        Samples and classes that it is tried on, in float64.
    rng : int, default 0
        Seed for these.

    Returns
    -------
    dict of Cell, by the names in COLUMNS

    Examples
    --------
    >>> from minigrad.losses.catalogue import CATALOGUE, check
    >>> all(cell.ok for cell in check(CATALOGUE["focal"]).values())
    True
    """
    draw = np.random.default_rng(rng)
    z, t = entry.data(draw, n, k)
    bound, reduction = entry.bind(k), "weighted_mean" if entry.coupled else "none"

    def loss(z: Any) -> Any:
        return bound(z, t, reduction=reduction)

    measured = loss if entry.held is None else _with_factor_held(entry, z, t, k)
    cotangent = draw.uniform(0.5, 2.0, np.shape(loss(z)))
    laws = losses.check_laws(
        bound, z, t, kind=entry.kind, skip=entry.skip, coupled=entry.coupled, raise_on_failure=False
    )

    def gradient(function: Callable, z: np.ndarray, g: Any) -> np.ndarray:
        leaf = Tensor(z, requires_grad=True)
        return grad(function(leaf), leaf, g).data

    def curvature(g: np.ndarray, z: np.ndarray) -> np.ndarray:
        leaf = Tensor(z, requires_grad=True)
        return grad(grad(loss(leaf), leaf, cotangent, create_graph=True), leaf, g).data

    return {
        "closed form": _by_formula(entry, gradient(loss, z, np.ones(cotangent.shape)), entry.closed_form(k)(z, t)),
        "finite differences": _measured(check_backward(measured, lambda g, z: gradient(loss, z, g), (z,))),
        "second order": _measured(check_backward(lambda z: gradient(measured, z, cotangent), curvature, (z,))),
        "laws": Cell(
            laws.ok,
            max(result.relative for result in laws.results),
            str(laws),
            f"{len(laws.results) - len(laws.skipped)} hold  ",
        ),
    }


def _with_factor_held(entry: Entry, z: np.ndarray, t: np.ndarray, k: int) -> Callable:
    """Cross-entropy times the factor that the loss detaches, as it is at `z`: what finite differences can see."""
    assert entry.held is not None
    settings = {name: value for name, value in entry.arguments(k).items() if name != "detach_modulator"}
    factor = entry.held(z, t, **settings)[:, 0]
    return lambda z: factor * losses.cross_entropy(z, t, reduction="none")


def _by_formula(entry: Entry, found: np.ndarray, expected: np.ndarray) -> Cell:
    difference = float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))
    name = f"formulas.{entry.formula.__name__}"
    return Cell(difference <= 1e-12, difference, f"autograd gives\n{found}\n{name} gives\n{expected}")


def _measured(report: Report) -> Cell:
    """The largest difference of gradient and slope, by the largest slope; kinks, which have none, aside."""
    worst = 0.0
    for analytic, numeric in zip(report.evidence.analytic, report.evidence.numeric, strict=True):
        smooth = ~report.evidence.kinks[0] & np.isfinite(numeric[0])
        apart, size = np.abs(analytic[0] - numeric[0])[smooth], np.abs(numeric[0])[smooth]
        worst = max(worst, float(apart.max(initial=0) / (size.max(initial=0) or 1)))
    return Cell(report.ok, worst, str(report))


HEADING = """\
Worst relative errors, in float64, computed just now: of the gradient against its closed form and against finite
differences, of second derivatives against finite differences, and between the two sides of the laws of weighted
losses. Of the 13 laws some say nothing about a loss: 5 without labels, 10 without softmax, 0 and 7 to 9 where samples
are coupled.
"""


def table() -> Iterator[tuple[str, bool]]:
    """The lines of the printed table, each as soon as it is known, and whether all is well so far."""
    width = max(map(len, CATALOGUE))
    yield HEADING, True
    yield "  ".join(["loss".ljust(width), *(column.rjust(18) for column in COLUMNS)]), True
    failures: list[str] = []
    broken: dict[str, list[str]] = {}
    for name, entry in CATALOGUE.items():
        cells = check(entry)
        failures += [f"\n{name}, {column}: {cell.detail}" for column, cell in cells.items() if not cell.ok]
        for reason in dict.fromkeys(entry.skip.values()):
            which = ", ".join(str(n) for n, why in entry.skip.items() if why == reason)
            broken.setdefault(f"{which}: {reason}", []).append(name)
        yield "  ".join([name.ljust(width), *(str(cell).rjust(18) for cell in cells.values())]), not failures
    yield "\nLaws that are broken by design:", not failures
    for reason, by in broken.items():
        yield f"  {reason} ({'; '.join(by)})", not failures
    yield from ((failure, False) for failure in failures)
