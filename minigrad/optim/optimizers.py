"""The update rules: PyTorch's, which are the papers' up to where eps stands."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..device import fused
from .optimizer import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent: v = momentum v + (1 - dampening) g, p = p - lr v.

    Parameters
    ----------
    params : iterable of Parameters, or list of groups
    lr : float, default 0.001
        In a group also one number per row of its parameters, see ``Optimizer``.
    momentum : float, default 0
    dampening : float, default 0
        Of every gradient but the first, with which v begins.
    weight_decay : float, default 0
        L2 penalty: weight_decay * p is added to the gradient. It does not scale with any sample weights.
    nesterov : bool, default False
        Step along g + momentum v (Sutskever et al. 2013).

    Examples
    --------
    >>> w = mg.nn.Parameter(np.array([1.0]))
    >>> optimizer = mg.optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    array([0.8])
    """

    state_names = ("velocity",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Sequence[float] = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov
        )

    def _check_settings(self, settings: dict[str, Any]) -> None:
        super()._check_settings(settings)
        if settings["nesterov"] and (not settings["momentum"] or settings["dampening"]):
            raise ValueError("SGD: nesterov=True needs momentum, e.g. momentum=0.9, and no dampening")

    def update(self, p, g, velocity, *, t, lr, momentum, dampening, weight_decay, nesterov):  # type: ignore[override]
        share = 1 - dampening if dampening and t > 1 else None
        ahead = momentum if nesterov else None
        _sgd(p, g, velocity if momentum else None, lr, momentum, share, ahead, weight_decay or None)


@fused
def _sgd(p, g, velocity, lr, momentum, share, ahead, decay):
    if decay is not None:
        g += decay * p
    if velocity is not None:
        velocity *= momentum
        velocity += g if share is None else share * g
        g = velocity if ahead is None else g + ahead * velocity
    p -= lr * g


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1): the running mean of g over the root of the running mean of g**2.

    m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g**2, p = p - lr m' / (sqrt(v') + eps), where m' = m / (1 - b1**t) and
    v' = v / (1 - b2**t) undo the start of m and v at 0.

    Parameters
    ----------
    params : iterable of Parameters, or list of groups
    lr : float, default 0.001
        In a group also one number per row of its parameters, see ``Optimizer``.
    betas : (float, float), default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 0
        L2 penalty, added to the gradient before the averages.

    Examples
    --------
    >>> w = mg.nn.Parameter(np.array([1.0]))
    >>> optimizer = mg.optim.Adam([w], lr=0.1)
    >>> (100 * w).sum().backward()
    >>> optimizer.step()  # the first step has length lr, however large the gradient
    >>> w.data
    array([0.9])
    """

    state_names = ("mean", "square")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Sequence[float] = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def _check_settings(self, settings: dict[str, Any]) -> None:
        super()._check_settings(settings)
        if np.shape(settings["betas"]) != (2,) or max(settings["betas"]) >= 1:
            raise ValueError(f"{type(self).__name__}: betas are two numbers in [0, 1), got {settings['betas']}")

    def update(self, p, g, mean, square, *, t, lr, betas, eps, weight_decay):  # type: ignore[override]
        b1, b2 = betas
        root, rate = math.sqrt(1 - b2**t), lr / (1 - b1**t)
        _adam(p, g, mean, square, b1, 1 - b1, b2, 1 - b2, root, eps, rate, weight_decay or None)


@fused
def _adam(p, g, mean, square, b1, share1, b2, share2, root, eps, rate, decay):
    if decay is not None:
        g += decay * p
    mean *= b1
    mean += share1 * g
    square *= b2
    g *= g
    g *= share2
    square += g
    # p -= rate * mean / (sqrt(square) / root + eps), in place: twice as fast as with temporaries
    step = np.sqrt(square, out=g)
    step /= root
    step += eps
    np.divide(mean, step, out=step)
    step *= rate
    p -= step


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2): first p = p - lr weight_decay p.

    The decay does not pass through Adam's averages, which would divide it by the size of the gradient: all weights
    shrink by the same factor per step. Under SGD the two are one, in Adam they are not.

    Parameters
    ----------
    params, lr, betas, eps : as for Adam
    weight_decay : float, default 0.01
        Multiplied by the `lr` of the moment, so that it follows a schedule. It does not scale with any sample weights.

    Examples
    --------
    >>> w = mg.nn.Parameter(np.array([1.0, 8.0]))
    >>> optimizer = mg.optim.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> w.grad = mg.zeros(2)
    >>> optimizer.step()
    >>> w.data
    array([0.95, 7.6 ])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Sequence[float] = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)

    def update(self, p, g, mean, square, *, t, lr, betas, eps, weight_decay):  # type: ignore[override]
        if weight_decay:
            p *= 1 - lr * weight_decay
        super().update(p, g, mean, square, t=t, lr=lr, betas=betas, eps=eps, weight_decay=0.0)


class RMSprop(Optimizer):
    """RMSprop (Hinton 2012, lecture 6e): g over the root of the running mean of g**2.

    s = alpha s + (1 - alpha) g**2, v = momentum v + g / (sqrt(s) + eps), p = p - lr v.

    Parameters
    ----------
    params : iterable of Parameters, or list of groups
    lr : float, default 0.01
        In a group also one number per row of its parameters, see ``Optimizer``.
    alpha : float, default 0.99
    eps : float, default 1e-8
    weight_decay : float, default 0
        L2 penalty, added to the gradient before the average.
    momentum : float, default 0
    centered : bool, default False
        Divide by the running standard deviation instead: s - m**2 in place of s, where m = alpha m + (1 - alpha) g
        (Graves 2013, equations 38-45, there with eps under the root).

    Examples
    --------
    >>> w = mg.nn.Parameter(np.array([1.0]))
    >>> optimizer = mg.optim.RMSprop([w], lr=0.1, alpha=0.75)
    >>> (100 * w).sum().backward()
    >>> optimizer.step()  # s began at 0, so the first step has length lr / sqrt(1 - alpha)
    >>> w.data
    array([0.8])
    """

    state_names = ("square", "mean", "velocity")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Sequence[float] = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered
        )

    def _check_settings(self, settings: dict[str, Any]) -> None:
        super()._check_settings(settings)
        if settings["alpha"] >= 1:
            raise ValueError(f"RMSprop: alpha is a number in [0, 1), got {settings['alpha']}")

    def update(  # type: ignore[override]
        self, p, g, square, mean, velocity, *, lr, alpha, eps, weight_decay, momentum, centered, **_
    ):
        mean, velocity = mean if centered else None, velocity if momentum else None
        _rmsprop(p, g, square, mean, velocity, lr, alpha, 1 - alpha, eps, momentum, weight_decay or None)


@fused
def _rmsprop(p, g, square, mean, velocity, lr, alpha, share, eps, momentum, decay):
    if decay is not None:
        g += decay * p
    square *= alpha
    square += share * g * g
    spread = square
    if mean is not None:
        mean *= alpha
        mean += share * g
        spread = np.maximum(square - mean * mean, 0)  # rounding can make it negative where g hardly changes
    g /= np.sqrt(spread) + eps
    if velocity is not None:
        velocity *= momentum
        velocity += g
        g = velocity
    p -= lr * g
