"""The mistakes that LOSSES.md warns of: for each, the right gradient passes the check and the wrong one fails it.

Every forward is written out in NumPy, losses of samples (N,) from logits (N, K), as a student would write it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import losses
from minigrad.losses import formulas
from tests.losses.cases import cost_matrix, one_hot, softmax

RNG = np.random.default_rng(0)
N, K = 6, 3
Z, Y, W = RNG.normal(size=(N, K)), np.array([0, 2, 1, 1, 0, 2]), RNG.uniform(0.5, 2.5, N)
C = cost_matrix(K)
A = np.array([1.0, 2.5, 6.0])  # temperatures, the largest for the rarest class
COUNTS, GAMMA, LAM = A ** (-1 / 0.4), 2.0, 0.7
T = one_hot(Z, Y)


def log_p(z):
    return np.log(softmax(z)[np.arange(N), Y])


def gradient_of(loss):
    """The gradient of losses (N,) of Tensors, as a backward of NumPy."""

    def backward(g, z):
        leaf = mg.tensor(z, requires_grad=True)
        return mg.grad(loss(leaf), leaf, g).numpy()

    return backward


def by_formula(formula, *arguments, factor=1.0, **settings):
    return lambda g, z: (factor * g)[:, None] * formula(z, *arguments, **settings)


# --- Forwards, right, and backwards, wrong


def expected_cost(z):
    return np.sum(softmax(z) * C[Y], axis=1)


def weighted_focal(z):
    return -W * (1 - np.exp(log_p(z))) ** GAMMA * log_p(z)


def asymmetric(z):
    p = formulas.sigmoid(z)
    shifted = np.maximum(p - 0.05, 0)
    return np.sum(-T * (1 - p) * np.log(p) - (1 - T) * shifted**4 * np.log(1 - shifted), axis=1)


def with_temperatures(z):
    return -log_p(z / A)


def with_a_constant_penalty(z):
    """What the decision costs: it does not move when the logits do."""
    return -log_p(z) + LAM * C[Y, np.argmax(z, axis=1)]


def without_its_mean(g, z):
    return g[:, None] * softmax(z) * C[Y]


def log_probabilities_divided(g, z):
    """The gradient of -log p_y / a_y."""
    return (g / A[Y])[:, None] * (softmax(z) - T)


def divided_before_a_second_softmax(g, z):
    """The gradient of CE(log p / a)."""
    p, r = softmax(z), (softmax(np.log(softmax(z)) / A) - T) / A
    return g[:, None] * (r - p * r.sum(axis=1, keepdims=True))


def weight_in_the_modulator(z):
    p = mg.nn.functional.softmax(z)[np.arange(N), Y]
    w = mg.tensor(W)
    return -w * (1 - w / W.max() * p) ** GAMMA * np.log(p)


def modulator_of_the_weighted_loss(z):
    """p_y = exp(-loss), of a loss that has been weighted already."""
    weighted = losses.cross_entropy(z, Y, sample_weight=W, reduction="none")
    return (1 - np.exp(-weighted)) ** GAMMA * weighted


@dataclass(frozen=True)
class Trap:
    forward: Callable
    right: Callable
    wrong: Callable
    known: dict[str, Any] = field(default_factory=dict)


COSTS, FOCAL = {"labels": Y, "cost_matrix": C}, {"labels": Y, "weights": W, "gamma": GAMMA}
RIGHT_COST = by_formula(formulas.expected_cost, Y, cost_matrix=C)
RIGHT_FOCAL = by_formula(formulas.focal, Y, factor=W)
RIGHT_TEMPERATURES = gradient_of(lambda z: losses.cdt(z, Y, counts=COUNTS, gamma=0.4, reduction="none"))

TRAPS = {
    "expected cost without its -c": Trap(expected_cost, RIGHT_COST, without_its_mean, COSTS),
    "expected cost of the transposed matrix": Trap(
        expected_cost, RIGHT_COST, by_formula(formulas.expected_cost, Y, cost_matrix=C.T), COSTS
    ),
    "modulator held constant": Trap(
        weighted_focal, RIGHT_FOCAL, by_formula(formulas.focal, Y, factor=W, detach_modulator=True), FOCAL
    ),
    "modulators of the asymmetric loss held constant": Trap(
        asymmetric,
        by_formula(formulas.asymmetric, T),
        gradient_of(lambda z: losses.asymmetric(z, T, reduction="none", detach_modulator=True).sum(axis=1)),
        {"labels": T},
    ),
    "weight inside the modulator": Trap(weighted_focal, RIGHT_FOCAL, gradient_of(weight_in_the_modulator), FOCAL),
    "modulator of the weighted loss": Trap(
        weighted_focal, RIGHT_FOCAL, gradient_of(modulator_of_the_weighted_loss), FOCAL
    ),
    "temperature on log-probabilities": Trap(
        with_temperatures, RIGHT_TEMPERATURES, log_probabilities_divided, {"labels": Y, "temperature": A}
    ),
    "temperature on log-probabilities, then softmax again": Trap(
        with_temperatures, RIGHT_TEMPERATURES, divided_before_a_second_softmax, {"labels": Y, "temperature": A}
    ),
    "constant penalty": Trap(
        with_a_constant_penalty,
        by_formula(formulas.cross_entropy, Y),
        by_formula(formulas.cost_penalty, Y, cost_matrix=C, lam=LAM),
        COSTS,
    ),
}


@pytest.mark.parametrize("name", TRAPS)
def test_the_right_form_passes_and_the_wrong_one_fails(name):
    trap = TRAPS[name]
    report = mg.check_backward(trap.forward, trap.right, Z, **trap.known)
    assert report.ok, report
    report = mg.check_backward(trap.forward, trap.wrong, Z, **trap.known)
    assert not report.ok
    assert report.failures  # it fails for its numbers,
    assert not report.evidence.structure  # not for its shape or type
    gap = np.abs(trap.wrong(np.ones(N), Z) - trap.right(np.ones(N), Z))
    assert gap[report.worst.index] > 1e-3


def test_a_constant_penalty_changes_no_gradient():
    z = mg.tensor(Z, requires_grad=True)
    plain = mg.grad(losses.cross_entropy(z, Y), z).numpy()
    penalty = np.mean(C[Y, np.argmax(Z, axis=1)])
    assert penalty > 0
    np.testing.assert_array_equal(mg.grad(losses.cross_entropy(z, Y) + 100 * penalty, z).data, plain)
    real = mg.grad(losses.cost_penalty(z, Y, cost_matrix=C, lam=100.0), z).numpy()
    assert np.abs(real - plain).max() > 1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gamma_below_1_as_a_power_of_1_minus_p_is_nan():
    z, y = np.array([[40.0, 0.0]]), [0]  # p_y is 1 in float64

    def forward(z):
        return losses.focal(z, y, gamma=0.5, reduction="none")

    def power(g, z):
        p = softmax(z)
        return g * ((1 - p[:, :1]) ** 0.5 - 0.5 * p[:, :1] * (1 - p[:, :1]) ** -0.5 * np.log(p[:, :1])) * (p - [1, 0])

    assert np.isnan(power(np.ones(1), z)).all()
    assert not mg.check_backward(forward, power, z, gamma=0.5).ok
    assert mg.check_backward(forward, gradient_of(forward), z, gamma=0.5).ok
