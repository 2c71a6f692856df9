"""Losses: each computes one value per sample and hands it to the one reduction that knows weights."""

from .basic import binary_cross_entropy, cross_entropy, hinge, huber, mse
from .laws import LawError, LawReport, LawResult, check_laws
from .reduction import reduce

__all__ = [
    "LawError", "LawReport", "LawResult", "binary_cross_entropy", "check_laws", "cross_entropy", "hinge", "huber",
    "mse", "reduce",
]  # fmt: skip
