"""One gradient per sample, from one forward and one backward pass.

The gradient of sum_i l_i has lost track of who contributed what: a parameter is used by every sample, and the backward
pass adds the samples up at that place. So we walk back over the same graph from all l_i at once, and where a parameter
enters, keep one gradient per sample instead of the sum. This is exact only as long as row i of every result depends on
row i of what it was computed from. `WAYS` lists the operations of which we know that, and everything else is refused.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .. import device
from ..autograd import _own, grad
from ..nn.module import Module
from ..tensor import Tensor, as_array
from .outer import OuterProducts, fitting
from .walk import gradients_per_sample
from .ways import WAYS, row_by_row

__all__ = [
    "WAYS", "OuterProducts", "beside", "class_gradient_share", "dot", "losses_of_samples", "norms",
    "per_sample_gradients", "row_by_row", "weighted_sum",
]  # fmt: skip


def per_sample_gradients(
    model: Module, loss: Callable[..., Any], X: Any, y: Any, *, factored: bool = False
) -> dict[str, Any]:
    """The gradient of every sample's own loss with respect to every parameter.

    Row i is the derivative of l_i = loss(model(X), y, reduction="none")[i]. The gradient of a weighted loss is the
    weighted sum of these rows.

    Parameters
    ----------
    model : Module
        Used in the mode that it is in; Dropout draws one mask for the batch, as in one step of training. Samples must
        not interact: BatchNorm in training mode is refused, and so is all else that mixes rows.
    loss : callable
        A loss of ``mg.losses``, or ``functools.partial`` of one with weights or settings (weights then multiply the
        rows); or any function (prediction, target) -> Tensor (N,).
        Of multi-label losses, (N, K), the entries of a sample are added up.
    X : array or Tensor, shape (N, ...)
    y : whatever `loss` takes as targets of N samples
    factored : bool, default False
        Leave the gradients of linear layers as ``OuterProducts`` of two vectors per sample. Arrays take N times the
        memory of the model, and to fill it takes most of the time; the factors take next to none of either. The
        functions ``norms``, ``dot`` and ``weighted_sum`` of this module take both.

    Returns
    -------
    dict of parameter name to array, shape (N, *parameter.shape)
        In the parameter's dtype; zeros for a parameter that is not used. Frozen parameters are left out, and no
        ``.grad`` is touched. If `factored`, OuterProducts for each parameter that is used once, as the weight of
        ``linear`` with inputs (N, in): G_i = (dl_i / dy_i) x_i^T.

    Raises
    ------
    ValueError
        If the loss has not N entries, if samples interact, or if a parameter reaches the loss through an operation
        that is not known to keep samples apart; the message names the operation.

    Examples
    --------
    >>> model = mg.nn.Linear(2, 1, bias=False)
    >>> model.load_state_dict({"weight": [[1.0, 1.0]]})
    >>> X, y = np.array([[1.0, 0.0], [1.0, 2.0]]), np.array([[0.0], [0.0]])
    >>> gradients = mg.per_sample_gradients(model, mg.losses.mse, X, y)
    >>> gradients["weight"]  # 2 (z_i - y_i) x_i; here z = 1, 3
    array([[[ 2.,  0.]],
           [[ 6., 12.]]], dtype=float32)

    No sample may pull harder than 1, with no array of N gradients on the way:

    >>> gradients = mg.per_sample_gradients(model, mg.losses.mse, X, y, factored=True)
    >>> gradients["weight"]
    <OuterProducts: 2 samples of shape (1, 2), float32>
    >>> w = 1 / np.maximum(mg.per_sample.norms(gradients), 1)
    >>> mg.per_sample.weighted_sum(gradients, w)["weight"].round(3)
    array([[1.447, 0.894]], dtype=float32)

    References
    ----------
    Goodfellow, "Efficient per-example gradient computations" (2015), arXiv:1510.01799, for linear layers; here for
    any graph.
    """
    _refuse_batch_norm(model)
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    data = beside(model, X)
    x = Tensor(data, requires_grad=data.dtype.kind == "f")  # so that the graph tells what depends on the samples
    losses = losses_of_samples(loss, model(x), y)
    if losses.shape != data.shape[:1]:
        raise ValueError(
            f"per_sample_gradients: X has {len(data)} samples, but the loss has shape {losses.shape}, expected "
            f'({len(data)},): one value per sample, as reduction="none" gives'
        )
    found = gradients_per_sample(losses, parameters.values(), x, factored)
    others: set[int] = set()

    def result(p: Any) -> Any:
        if p not in found:
            return np.zeros((len(data), *p.shape), p.dtype, like=p.data)
        return found[p] if isinstance(found[p], OuterProducts) else _own(found[p], others).data

    return {name: result(p) for name, p in parameters.items()}


def norms(gradients: Mapping[str, Any]) -> Any:
    """The length of every sample's gradient over all parameters, (N,), of what ``per_sample_gradients`` returned."""
    each = [g.norms() if isinstance(g, OuterProducts) else np.linalg.norm(_flat(g), axis=1) for g in gradients.values()]
    return np.linalg.norm(np.stack(each), axis=0)


def dot(gradients: Mapping[str, Any], direction: Mapping[str, Any]) -> Any:
    """The inner product of every sample's gradient with a direction, (N,): one array for each parameter's name.

    Raises
    ------
    ValueError
        If the names differ or an array has not its parameter's shape.
    """
    if gradients.keys() != direction.keys():
        raise ValueError(f"dot: there are gradients of {sorted(gradients)}, but the direction has {sorted(direction)}")
    total: Any = 0
    for name, g in gradients.items():
        v = fitting(f"dot: the direction of {name}", direction[name], g.shape[1:], g)
        total = total + (g.dot(v) if isinstance(g, OuterProducts) else _flat(g) @ v.ravel())
    return total


def weighted_sum(gradients: Mapping[str, Any], w: Any) -> dict[str, Any]:
    """sum_i w_i grad l_i of every parameter, in the parameter's shape: the gradient of the loss with weights w, (N,).

    Raises
    ------
    ValueError
        If there is not one weight per sample.
    """
    result = {}
    for name, g in gradients.items():
        if isinstance(g, OuterProducts):
            result[name] = g.weighted_sum(w)
        else:
            result[name] = np.tensordot(fitting("weighted_sum: w, one weight per sample,", w, g.shape[:1], g), g, 1)
    return result


def _flat(g: Any) -> Any:
    return g.reshape((len(g), math.prod(g.shape[1:])))


def beside(model: Module, X: Any) -> Any:
    """The array X, on the device of the model if it is still on the host."""
    data = as_array(X)
    return next((device.beside(data, p.data) for p in model.parameters()), data)


def losses_of_samples(loss: Callable[..., Any], prediction: Any, target: Any, **weights: Any) -> Tensor:
    """``loss(prediction, target)`` before any reduction, (N,): the entries of a multi-label sample are added up.

    Functions that know no ``reduction=`` are taken to return one value per sample by themselves.
    """
    accepted = inspect.signature(loss).parameters.values()
    reducible = any(p.name == "reduction" or p.kind is p.VAR_KEYWORD for p in accepted)
    values = loss(prediction, target, **weights, **({"reduction": "none"} if reducible else {}))
    if not isinstance(values, Tensor) or not values.requires_grad:
        raise ValueError(
            "the losses of the samples do not depend on any parameter that requires grad: let the model compute on "
            "Tensors (no .data, .numpy() or detach() on the way), outside mg.no_grad(), with parameters not frozen"
        )
    summed: Any = np.sum(values, axis=tuple(range(1, values.ndim))) if values.ndim > 1 else values
    return summed


def _refuse_batch_norm(model: Module) -> None:
    if not isinstance(model, Module):
        raise TypeError(f"expected a mg.nn.Module, which names its parameters, got a {type(model).__name__}")
    for name, module in model.named_modules():
        if module.training and any(base.__name__.startswith("BatchNorm") for base in type(module).__mro__):
            raise ValueError(
                f"per_sample_gradients: {name or 'the model'} is a {type(module).__name__} in training mode. It "
                "standardizes with the mean and variance of the batch, so the loss of a sample depends on all others "
                "and no gradient belongs to one sample. Use model.eval(), whose statistics are fixed, or LayerNorm"
            )


def class_gradient_share(
    model: Module,
    loss: Callable[..., Any],
    X: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    parameters: Iterable[Tensor] | None = None,
) -> Any:
    """How much of the gradient comes from each class: ||G_c|| / sum_k ||G_k||, G_c = sum of w_i grad l_i over class c.

    One forward pass and one backward pass per class, which starts at the losses of that class alone; no gradient
    of a single sample is kept. The G_c add up to the gradient of the loss, their lengths need not.

    Parameters
    ----------
    model : Module
        BatchNorm is welcome: G_c is then the part of the batch's gradient that goes through the losses of class c.
    loss : callable
        As for ``per_sample_gradients``; it must take the weights that are given.
    X : array or Tensor, shape (N, ...)
    y : integer labels, shape (N,)
        For predictions (N, K), 0..K-1; for predictions (N,), two classes: y > 0 is class 1, all else class 0.
    sample_weight, class_weight : optional
        Handed to `loss`.
    parameters : iterable of Parameters, optional
        Measure the gradient of these alone, e.g. ``[model[2].weight]``. Default: all that require grad.

    Returns
    -------
    array, shape (K,)
        Not negative, summing to 1; all zeros where no class has a gradient.

    Raises
    ------
    ValueError
        If the labels are not integers of shape (N,).

    Examples
    --------
    Untrained, a class's share is about its share of the samples; balanced weights make the shares about equal.

    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(100, 4)).astype(np.float32), np.repeat([0, 1], [90, 10])
    >>> X[:, 0] += np.where(y == 0, 3, -3)
    >>> model = mg.nn.Linear(4, 2, rng=0)
    >>> share = mg.class_gradient_share(model, mg.losses.cross_entropy, X, y)
    >>> np.round(share, 1)
    array([0.9, 0.1], dtype=float32)
    >>> share = mg.class_gradient_share(model, mg.losses.cross_entropy, X, y, class_weight=mg.weighting.balanced(y))
    >>> np.round(share, 1)
    array([0.5, 0.5], dtype=float32)
    """
    weights = {"sample_weight": sample_weight, "class_weight": class_weight}
    prediction = model(beside(model, X))
    losses = losses_of_samples(loss, prediction, y, **{k: v for k, v in weights.items() if v is not None})
    labels = as_array(y)
    if prediction.ndim == 1:
        labels = (labels > 0).astype(np.int64)
    if labels.shape != losses.shape or labels.dtype.kind not in "iu":
        raise ValueError(
            f"class_gradient_share needs the class of each sample, integer labels of shape {losses.shape}; "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    k = prediction.shape[1] if prediction.ndim > 1 else 2
    if parameters is None:
        parameters = [p for p in model.parameters() if p.requires_grad]
    wanted = list(parameters)
    of_class = [grad(losses, wanted, (labels == c).astype(losses.dtype)) for c in range(k)]
    lengths = np.sqrt(np.stack([sum(np.vdot(g.data, g.data) for g in gradients) for gradients in of_class]))
    total = lengths.sum()
    return lengths / np.where(total == 0, 1, total)
