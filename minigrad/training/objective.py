"""What is minimised: a loss, its weights and its divisor, for a batch that may come in pieces.

The gradients of the pieces of a batch add up to that of the batch if all divide by the batch's divisor D (law 7): its N
under "mean", its sum of weights under "weighted_mean", 1 under "sum". A piece on its own does not know D.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import device as devices
from ..graph import no_grad
from ..losses.reduction import reduce
from ..nn import Module
from ..tensor import Tensor, as_array
from .samples import Samples

# Labels and weights are checked all at once up to this many predicted numbers, beyond it in parts.
CHECKED_AT_ONCE = 10**7


def taking_weights(loss: Callable[..., Any]) -> Callable[..., Any]:
    """`loss`, or if it knows no ``reduction=``, the loss made of its values (N,) by ``mg.losses.reduce``."""
    accepted = inspect.signature(loss).parameters.values()
    if any(p.name == "reduction" or p.kind is p.VAR_KEYWORD for p in accepted):
        return loss

    def weighted_loss(prediction, target, *, sample_weight=None, class_weight=None, reduction="mean"):
        values = loss(prediction, target)
        if values.ndim == 0:
            raise ValueError(
                "the loss takes no reduction= and returned a single number: let it return one value per sample, (N,); "
                "of a loss of mg.losses fix settings with functools.partial(mg.losses.focal, gamma=1), not a lambda"
            )
        per_class = None if class_weight is None else entry_weights(target, None, class_weight, values.shape)
        if per_class is not None:
            per_class = np.asarray(per_class, values.dtype, like=as_array(values))
        return reduce(values, sample_weight, reduction, class_weight=per_class)

    return weighted_loss


def entry_weights(y: Any, w: Any, class_weight: Any, shape: tuple[int, ...]) -> np.ndarray:
    """sample_weight_i * class_weight[y_i] for every entry of losses of `shape`: (N,), or (N, K) with K labels."""
    weights = np.ones(shape)
    if w is not None:
        w = devices.to_host(as_array(w))
        weights *= w if w.ndim == len(shape) else w[:, None]
    if class_weight is None:
        return weights
    y = devices.to_host(as_array(y))
    if len(shape) == 1 and y.ndim == 1 and isinstance(class_weight, dict):
        return weights * np.array([class_weight[label] for label in y.tolist()])
    if isinstance(class_weight, dict):
        per_class = np.array([class_weight.get(c, 0) for c in range(y.shape[1])], float)
    else:
        per_class = devices.to_host(as_array(class_weight))
    if len(shape) == 2:
        return weights * per_class
    # Rows one-hot or of probabilities; else labels, where -1 and +1 are classes 0 and 1.
    return weights * (y @ per_class if y.ndim == 2 else per_class[np.maximum(y, 0).astype(int)])


@dataclass
class Step:
    """What one batch came to: its loss, the sum of weighted losses, what that is divided by on average, outputs.

    `gradients` is the sum of all gradients, by which one sees whether they are finite.
    """

    loss: float
    total: float
    weight: float
    outputs: np.ndarray
    gradients: Any


class Objective:
    """A loss with its reduction, and the largest piece of a batch to compute at once.

    `coupled`: the loss knows no values of samples, so that it cannot be cut. `losses_shape` is () or (K,): the entries
    that a sample has in the losses. `labels_stay`: the loss takes labels and weights of the host, so that to check them
    does not wait for a GPU.
    """

    def __init__(self, loss: Callable[..., Any], reduction: str | float, micro_batch_size: int | None) -> None:
        if isinstance(reduction, str) and reduction == "none":
            raise ValueError(
                'reduction="none" leaves no number to minimise: expected "mean", "weighted_mean", "sum" or D'
            )
        self.loss = taking_weights(loss)
        self.reduction = reduction
        self.micro_batch_size = micro_batch_size
        self.coupled = False
        self.losses_shape: tuple[int, ...] = ()
        self.labels_stay = True

    def __call__(self, prediction: Any, batch: Samples, class_weight: Any, reduction: str | float) -> Any:
        weights = {"sample_weight": batch.w, "class_weight": class_weight}
        given = {name: value for name, value in weights.items() if value is not None}
        return self.loss(prediction, batch.y, **given, reduction=reduction)

    def backward(self, model: Module, batch: Samples, class_weight: Any, parameters: Sequence[Tensor] = ()) -> Step:
        """Add the gradient of the batch's loss to ``.grad``, piece by piece if it is larger than a micro-batch.

        What came of it is read at the end and at once, and so is the sum of the gradients of `parameters`: it is the
        one time that a GPU is waited for.
        """
        weight = self.total_weight(batch, class_weight)
        size = self.micro_batch_size or len(batch.y)
        # All weights 0: any divisor leaves 0, and 0 is none.
        divisors: dict[Any, Any] = {"mean": weight, "weighted_mean": weight or 1.0, "sum": 1.0}
        divisor = divisors.get(self.reduction, self.reduction)
        reduction = self.reduction if len(batch.y) <= size else divisor
        values, outputs = [], []
        for piece in batch.pieces(size):
            piece = piece.like(model, self.labels_stay)
            prediction = model(Tensor(piece.X))
            value = self(prediction, piece, class_weight, reduction)
            value.backward()
            values.append(value.data)
            outputs.append(prediction.data)
        in_one = sum((p.grad.data.sum() for p in parameters if p.grad is not None), np.float32(0))
        read = devices.to_host_together([in_one, *values, *outputs])
        loss = 0.0
        for value in read[1 : len(values) + 1]:
            loss += value.item()
        return Step(loss, loss * float(divisor), weight, np.concatenate(read[len(values) + 1 :]), read[0])

    def total_weight(self, batch: Samples, class_weight: Any) -> float:
        """What the loss of a batch is an average over: its entries, or under "weighted_mean" their weights."""
        shape = (len(batch.y), *self.losses_shape)
        if self.reduction != "weighted_mean" or self.coupled:
            return float(np.prod(shape))
        return float(entry_weights(batch.y, batch.w, class_weight, shape).sum())

    def average(self, prediction: Any, batch: Samples) -> float:
        """The loss of many samples, with their own weights alone: divided by N, or under "weighted_mean" by sum w."""
        reduction = "weighted_mean" if self.reduction == "weighted_mean" else "mean"
        return float(self(prediction, batch, None, reduction))

    def rehearse(self, model: Module, data: Samples, class_weight: Any, name: str) -> np.ndarray:
        """Find what is wrong with model, loss, labels or weights before anything is trained; returns two outputs.

        Two samples go through the model. All labels and weights go through the loss, with predictions of 0.
        """
        with mode(model, training=False), no_grad(), np.errstate(all="ignore"):
            first = data.rows(slice(0, 2)).like(model, True)
            prediction = model(Tensor(first.X))
            if not isinstance(prediction, Tensor) or prediction.shape[:1] != (len(first.y),):
                found = prediction.shape if isinstance(prediction, Tensor) else type(prediction).__name__
                raise ValueError(
                    f"{name}: of {len(first.y)} samples the model made {found}; expected a Tensor (N, ...)"
                )
            self._check_all(prediction, data, class_weight, name)
            try:
                value = self(prediction, first, class_weight, self.reduction)
            except (TypeError, ValueError):  # a loss of one's own may compute with the labels as they are
                if devices.on_host(prediction.data):
                    raise
                self.labels_stay, first = False, first.like(model)
                value = self(prediction, first, class_weight, self.reduction)
            if value.ndim:
                raise ValueError(f"{name}: with reduction {self.reduction!r} the loss has shape {value.shape}, not ()")
            try:
                self.losses_shape = self(prediction, first, class_weight, "none").shape[1:]
            except ValueError:  # soft_f1 and its like: the same weights were fine with another reduction
                self.coupled = True
                if self.micro_batch_size:
                    raise ValueError(
                        "this loss couples the samples of a batch: it is not a sum over samples that micro-batches "
                        "could add up; leave micro_batch_size out"
                    ) from None
            if self.reduction == "weighted_mean" and not self.coupled:
                self._check_weights(prediction, first, class_weight)
        return devices.to_host(prediction.data)

    def _check_all(self, prediction: Any, data: Samples, class_weight: Any, name: str) -> None:
        size = max(CHECKED_AT_ONCE // max(int(np.prod(prediction.shape[1:])), 1), 1)
        for number, piece in enumerate(data.pieces(size)):
            zeros = np.zeros((len(piece.y), *prediction.shape[1:]), prediction.dtype)
            try:
                self(Tensor(zeros), piece, class_weight, self.reduction)
            except (TypeError, ValueError) as error:
                where = f" (counting from sample {number * size})" if number else ""
                raise type(error)(f"{name}: {error}{where}") from None

    def _check_weights(self, prediction: Any, first: Samples, class_weight: Any) -> None:
        """Whether the loss divides by the weights that we know of: else micro-batches would not add up."""
        total = float(self(prediction, first, class_weight, "sum"))
        mean = float(self(prediction, first, class_weight, "weighted_mean"))
        if not np.isclose(total, mean * self.total_weight(first, class_weight), rtol=1e-3, equal_nan=True):
            raise ValueError(
                'under "weighted_mean" this loss does not divide by the sum of sample_weight * class_weight[y]: give '
                "weights to fit, as (X, y, w) or class_weight=, and not to the loss; or use another reduction"
            )


@contextmanager
def mode(model: Module, *, training: bool) -> Iterator[None]:
    """Train or evaluate within; then every module is back in the mode that it was in."""
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, was in before:
            module.training = was
