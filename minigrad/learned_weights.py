"""Sample weights that are learned from a small trusted set: those under which a step of training would help on it.

Both methods ask how the loss on trusted data changes, after one step of training, with the weights of that step: a
derivative through a gradient step. Both were written from the papers' formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import nn
from .autograd import grad
from .losses.reduction import reduce
from .nn.functional_call import functional_call
from .optim import Optimizer
from .per_sample import beside, dot, losses_of_samples, per_sample_gradients
from .random import Rng, generator
from .tensor import Tensor


def learn_to_reweight(
    model: nn.Module,
    loss: Callable[..., Any],
    X: Any,
    y: Any,
    X_val: Any,
    y_val: Any,
    *,
    method: str = "double_backward",
) -> Any:
    """Weights of a batch: how well each sample's gradient agrees with that of a validation batch (Ren et al. 2018).

    Take a step of SGD in which sample i has the weight eps_i, theta(eps) = theta - lr grad sum_i eps_i l_i (eq. 5), and
    ask at eps = 0 how the validation loss L_val then changes with eps_i (eq. 7-9, 12):

        u_i = -d L_val(theta(eps)) / d eps_i = lr (grad L_val . grad l_i)
        w_i = max(u_i, 0) / sum_j max(u_j, 0)             all 0 where that sum is 0

    The learning rate cancels. A sample whose gradient points against that of the validation batch gets weight 0.

    Parameters
    ----------
    model : Module
        Not changed: neither its gradients nor the running statistics of BatchNorm.
    loss : callable
        As for ``mg.per_sample_gradients``.
    X, y : the batch that shall get weights, N samples
    X_val, y_val : a batch of samples that are trusted (clean, balanced)
    method : {"double_backward", "per_sample"}
        The same weights in two ways: differentiate through the step (works for every model), or form the N gradients
        and their products with grad L_val (samples must not interact). With Dropout, each draws masks of its own.

    Returns
    -------
    array, shape (N,)
        Not negative, summing to 1 (or 0). Constants: pass them as ``sample_weight=`` with ``reduction="sum"``.

    Raises
    ------
    ValueError
        For an unknown `method`, or as ``mg.per_sample_gradients`` raises it.

    Examples
    --------
    The third sample has a wrong label: what it would teach disagrees with the validation sample.

    >>> model = mg.nn.Linear(2, 2, rng=0)
    >>> X, y = np.array([[1.0, 0.0], [2.0, 0.0], [1.0, 0.0]], np.float32), np.array([0, 0, 1])
    >>> w = mg.learned_weights.learn_to_reweight(model, mg.losses.cross_entropy, X, y, X[:1], y[:1])
    >>> w[2].item(), round(w.sum().item(), 6)
    (0.0, 1.0)

    References
    ----------
    Ren, Zeng, Yang & Urtasun, "Learning to Reweight Examples for Robust Deep Learning", ICML 2018.
    """
    if method not in ("double_backward", "per_sample"):
        raise ValueError(f"learn_to_reweight: method must be 'double_backward' or 'per_sample', got {method!r}")
    agreement = _by_double_backward if method == "double_backward" else _by_per_sample_gradients
    X, X_val = beside(model, X), beside(model, X_val)
    with _buffers_kept(model):
        positive = np.maximum(agreement(model, loss, X, y, X_val, y_val), 0)
    total = positive.sum()
    return positive / np.where(total == 0, 1, total)


@contextmanager
def _buffers_kept(model: nn.Module) -> Iterator[None]:
    """Undo what forward passes inside do to buffers: they are passes of steps that are not taken."""
    buffers = [getattr(module, name) for _, module in model.named_modules() for name in module._buffers]
    before = [buffer.copy() for buffer in buffers]
    try:
        yield
    finally:
        for buffer, values in zip(buffers, before, strict=True):
            buffer[...] = values


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _mean_loss(loss: Callable[..., Any], prediction: Any, target: Any) -> Tensor:
    return reduce(losses_of_samples(loss, prediction, target))


def _virtual_step(parameters: dict[str, nn.Parameter], objective: Tensor, lr: float) -> dict[str, Tensor]:
    """The parameters after one step of SGD, still on the graph: differentiable in whatever `objective` depends on."""
    gradients = grad(objective, list(parameters.values()), create_graph=True)
    return {name: p - lr * g for (name, p), g in zip(parameters.items(), gradients, strict=True)}


def _by_double_backward(model: nn.Module, loss: Callable[..., Any], X: Any, y: Any, X_val: Any, y_val: Any) -> Any:
    losses = losses_of_samples(loss, model(X), y)
    weights = Tensor(np.zeros_like(losses.data), requires_grad=True)
    stepped = _virtual_step(_trained(model), reduce(losses, weights, "sum"), lr=1.0)
    return -grad(_mean_loss(loss, functional_call(model, stepped, X_val), y_val), weights).data


def _by_per_sample_gradients(model: nn.Module, loss: Callable[..., Any], X: Any, y: Any, X_val: Any, y_val: Any) -> Any:
    parameters = _trained(model)
    directions = grad(_mean_loss(loss, model(X_val), y_val), list(parameters.values()))
    gradients = per_sample_gradients(model, loss, X, y, factored=True)
    return dot(gradients, {name: v.data for name, v in zip(parameters, directions, strict=True)})


class MetaWeightNet(nn.Module):
    """The weight of a sample as a learned function of its loss, w_i = V(l_i; Theta) (Shu et al. 2019).

    V is a perceptron 1 - `hidden` - 1 with relu and, so that weights lie in (0, 1), a sigmoid.

    Parameters
    ----------
    hidden : int, default 100
    rng : int or numpy.random.Generator, optional
        For the starting values.

    Examples
    --------
    >>> net = mg.learned_weights.MetaWeightNet(rng=0)
    >>> net(mg.tensor([0.1, 3.0])).shape
    (2,)

    References
    ----------
    Shu, Xie, Yi, Zhao, Zhou, Xu & Meng, "Meta-Weight-Net: Learning an Explicit Mapping For Sample Weighting",
    NeurIPS 2019.
    """

    def __init__(self, hidden: int = 100, *, rng: Rng = None) -> None:
        super().__init__()
        rng = generator(rng)
        self.hidden = nn.Linear(1, hidden, rng=rng)
        self.output = nn.Linear(hidden, 1, rng=rng)

    def forward(self, losses: Any) -> Any:
        """Losses (N,) to weights (N,)."""
        h = nn.functional.relu(self.hidden(losses[:, None]))
        return nn.functional.sigmoid(self.output(h))[:, 0]

    def describe(self) -> str:
        return f"1 -> {self.hidden.weight.shape[0]} -> 1"


def meta_weight_step(
    net: MetaWeightNet,
    optimizer: Optimizer,
    model: nn.Module,
    loss: Callable[..., Any],
    X: Any,
    y: Any,
    X_meta: Any,
    y_meta: Any,
    *,
    lr: float,
) -> Any:
    """Improve a MetaWeightNet by one step; return the weights that it now gives to a batch (Shu et al. 2019, Alg. 1).

        theta(Theta) = theta - lr (1/N) sum_i V(l_i; Theta) grad l_i      a step of SGD, not taken
        Theta       <- Theta - step of `optimizer` along d L_meta(theta(Theta)) / d Theta
        w_i          = V(l_i; Theta)                                      with the new Theta

    In both uses V sees l_i as a number (detached): the gradient of the model is weighted, it does not try to change
    its own weights. The step of the model is left to the caller: ``loss(model(X), y, sample_weight=w).backward()``.

    Parameters
    ----------
    net : MetaWeightNet
    optimizer : Optimizer of the net's parameters
    model : Module
        Neither changed (nor are the running statistics of BatchNorm) nor given gradients.
    loss : callable
        As for ``mg.per_sample_gradients``.
    X, y : the batch to train on, N samples
    X_meta, y_meta : a batch of samples that are trusted (clean, balanced)
    lr : float
        Learning rate of the model.

    Returns
    -------
    array, shape (N,)

    Examples
    --------
    >>> model, net = mg.nn.Linear(2, 2, rng=0), mg.learned_weights.MetaWeightNet(rng=0)
    >>> optimizer = mg.optim.Adam(net.parameters(), lr=1e-3)
    >>> X, y = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32), np.array([0, 1])
    >>> w = mg.learned_weights.meta_weight_step(
    ...     net, optimizer, model, mg.losses.cross_entropy, X, y, X, y, lr=0.1
    ... )
    >>> mg.losses.cross_entropy(model(X), y, sample_weight=w).backward()
    """
    X, X_meta = beside(model, X), beside(model, X_meta)
    with _buffers_kept(model):
        losses = losses_of_samples(loss, model(X), y)
        seen = losses.detach()
        stepped = _virtual_step(_trained(model), reduce(losses, net(seen), "mean"), lr)
        meta = _mean_loss(loss, functional_call(model, stepped, X_meta), y_meta)
    theta = [p for p in net.parameters() if p.requires_grad]
    for p, g in zip(theta, grad(meta, theta), strict=True):
        p.grad = g
    optimizer.step()
    optimizer.zero_grad()
    return net(seen).data
