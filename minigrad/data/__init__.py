"""Data as arrays: small tables, images, imbalance made to measure, augmentation, mini-batches."""

from . import augmentation
from .augmentation import augment
from .batches import Batches, batches
from .files import DownloadError
from .images import load_cifar10, load_mnist, read_idx
from .imbalance import imbalance, imbalance_counts
from .tables import load_breast_cancer, load_digits, load_german_credit

__all__ = [
    "Batches", "DownloadError", "augment", "augmentation", "batches", "imbalance", "imbalance_counts",
    "load_breast_cancer", "load_cifar10", "load_digits", "load_german_credit", "load_mnist", "read_idx",
]  # fmt: skip
