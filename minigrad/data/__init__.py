"""Data as arrays: small tables, images, data made to measure, samplers, augmentation, mini-batches."""

from . import augmentation, samplers
from .augmentation import augment
from .batches import Batches, batches
from .files import DownloadError
from .images import load_cifar10, load_mnist, read_idx
from .imbalance import imbalance, imbalance_counts
from .multilabel import two_digits
from .resampling import enn, smote
from .samplers import class_balanced, oversample, square_root, undersample, weighted
from .synthetic import flip_labels, synthetic
from .tables import load_breast_cancer, load_digits, load_german_credit

__all__ = [
    "Batches", "DownloadError", "augment", "augmentation", "batches", "class_balanced", "enn", "flip_labels",
    "imbalance", "imbalance_counts", "load_breast_cancer", "load_cifar10", "load_digits", "load_german_credit",
    "load_mnist", "oversample", "read_idx", "samplers", "smote", "square_root", "synthetic", "two_digits",
    "undersample", "weighted",
]  # fmt: skip
