"""What a trained model makes of samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import no_grad
from ..nn import Module
from ..tensor import as_array
from .objective import mode
from .samples import outputs, whole


def predict(model: Module, X: Any, batch_size: int = 1000) -> np.ndarray:
    """The outputs of a model, such as logits, in evaluation mode and without a graph.

    Parameters
    ----------
    model : Module
        Dropout and batch normalisation are in the mode of ``model.eval()`` meanwhile.
    X : array or Tensor, shape (N, ...)
        Goes to the model's device and, if it is of floats, takes the model's dtype, a batch at a time.
    batch_size : int, default 1000
        So many samples go through the model at once: a matter of memory alone.

    Returns
    -------
    array of NumPy, shape (N, ...)

    Raises
    ------
    TypeError, ValueError
        If `batch_size` is no positive integer, or X a single number.

    Examples
    --------
    >>> model = mg.models.MLP([4, 8, 3])
    >>> mg.training.predict(model, np.ones((5, 4))).argmax(axis=1).shape
    (5,)
    """
    X = as_array(X)
    if not X.ndim:
        raise ValueError(f"predict: X is one number, {X.item()}; expected samples, shape (N, ...)")
    with mode(model, training=False), no_grad():
        return outputs(model, X, whole(batch_size, "predict: batch_size"))
