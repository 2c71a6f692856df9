"""Losses: each computes one value per sample and hands it to the one reduction that knows weights."""

from .adjusted import cdt, ldam, logit_adjusted, vector_scaling
from .basic import binary_cross_entropy, cross_entropy, hinge, huber, mse
from .costs import (
    cost_penalty,
    cost_weighted_cross_entropy,
    example_cost,
    expected_cost,
    log_cost,
    softmax_margin,
)
from .coupled import soft_f1, tversky
from .detached import ghm, gradient_density, influence_balanced
from .focal import binary_focal, focal
from .laws import LawError, LawReport, LawResult, check_laws
from .margins import multiclass_hinge, weston_watkins
from .multilabel import asymmetric, distribution_balanced
from .reduction import reduce
from .robust import generalized_cross_entropy

__all__ = [
    "LawError", "LawReport", "LawResult", "asymmetric", "binary_cross_entropy", "binary_focal", "cdt", "check_laws",
    "cost_penalty", "cost_weighted_cross_entropy", "cross_entropy", "distribution_balanced", "example_cost",
    "expected_cost", "focal", "generalized_cross_entropy", "ghm", "gradient_density", "hinge", "huber",
    "influence_balanced", "ldam", "log_cost", "logit_adjusted", "mse", "multiclass_hinge", "reduce", "soft_f1",
    "softmax_margin", "tversky", "vector_scaling", "weston_watkins",
]  # fmt: skip
