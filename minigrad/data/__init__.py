"""Data as arrays: small tables, imbalance made to measure, mini-batches."""

from .batches import Batches, batches
from .imbalance import imbalance, imbalance_counts
from .tables import load_breast_cancer, load_digits

__all__ = ["Batches", "batches", "imbalance", "imbalance_counts", "load_breast_cancer", "load_digits"]
