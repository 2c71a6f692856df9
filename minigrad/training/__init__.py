"""The training loop: weighted mini-batches, micro-batches that add up exactly, early stopping, checkpoints, history."""

from .early_stopping import EarlyStopping
from .fit import deferred, fit
from .history import History
from .nonfinite import NonFiniteError
from .online import SlidingWindow, partial_fit
from .predict import predict

__all__ = ["EarlyStopping", "History", "NonFiniteError", "SlidingWindow", "deferred", "fit", "partial_fit", "predict"]
