"""Losses: each computes one value per sample and hands it to the one reduction that knows weights."""

from .basic import binary_cross_entropy, cross_entropy, hinge, huber, mse
from .reduction import reduce

__all__ = ["binary_cross_entropy", "cross_entropy", "hinge", "huber", "mse", "reduce"]
