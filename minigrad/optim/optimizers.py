"""Optimisers: an update rule is a few lines of NumPy on (parameter, gradient, state).

The parameters of a group are made views into one flat array. An update is then a handful of calls for the whole model
instead of a handful per parameter, which is most of the time of a small model's step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..tensor import Tensor


class Block:
    """Parameters of one dtype, laid end to end in one array, with gradients and state laid out alike."""

    def __init__(self, parameters: list[Tensor], state_names: tuple[str, ...]) -> None:
        self.parameters = parameters
        self.views: list[Any] = [None] * len(parameters)
        self.steps = [0] * len(parameters)
        ends = np.cumsum([p.size for p in parameters]).tolist()
        self.spans = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        first = parameters[0].data
        self.flat = np.zeros(ends[-1], first.dtype, like=first)
        self.gradient = np.zeros_like(self.flat)
        self.state = {name: np.zeros_like(self.flat) for name in state_names}
        self.adopt()

    def adopt(self) -> None:
        """Make each parameter's data a view into the flat array, again if somebody has replaced it."""
        for i, (p, span) in enumerate(zip(self.parameters, self.spans, strict=True)):
            if p.data is not self.views[i]:
                self.flat[span] = p.data.ravel()
                p.data = self.views[i] = self.flat[span].reshape(p.shape)

    def pieces(self) -> Iterator[tuple[slice, int]]:
        """The spans to update and the number of their step: one span for all, unless some have no gradient."""
        self.adopt()
        found = [i for i, p in enumerate(self.parameters) if p.grad is not None]
        if len(found) == len(self.parameters) and min(self.steps) == max(self.steps):
            np.concatenate([p.grad.data.ravel() for p in self.parameters], out=self.gradient)  # type: ignore[union-attr]
            self.steps = [self.steps[0] + 1] * len(self.steps)
            yield slice(None), self.steps[0]
            return
        for i in found:
            self.gradient[self.spans[i]] = self.parameters[i].grad.data.ravel()  # type: ignore[union-attr]
            self.steps[i] += 1
            yield self.spans[i], self.steps[i]


class Optimizer:
    """What all optimisers share: groups of parameters, ``zero_grad``, ``step``, saving and loading.

    Parameters
    ----------
    params : iterable of Parameters, or list of dicts
        A dict is a group: ``{"params": [...], "lr": 0.1}`` with settings of its own.
    **settings
        Defaults for all groups.
    """

    state_names: tuple[str, ...] = ()

    def __init__(self, params: Iterable[Any], **settings: Any) -> None:
        given = list(params)
        if not given:
            raise ValueError(f"{type(self).__name__} got no parameters: pass model.parameters()")
        groups = given if isinstance(given[0], dict) else [{"params": given}]
        self.groups: list[dict[str, Any]] = []
        self._blocks: list[list[Block]] = []
        seen: set[int] = set()
        for group in groups:
            unknown = group.keys() - settings.keys() - {"params"}
            if unknown:
                raise TypeError(
                    f"{type(self).__name__} has no setting {sorted(unknown)}; it has {', '.join(sorted(settings))}"
                )
            merged = {**settings, **group, "params": list(group["params"])}
            self._check(merged, seen)
            self.groups.append(merged)
            by_dtype: dict[Any, list[Tensor]] = {}
            for p in merged["params"]:
                by_dtype.setdefault((p.dtype, p.device), []).append(p)
            self._blocks.append([Block(parameters, self.state_names) for parameters in by_dtype.values()])

    def _check(self, group: dict[str, Any], seen: set[int]) -> None:
        for p in group["params"]:
            if not isinstance(p, Tensor) or not p.is_leaf:
                raise TypeError(f"{type(self).__name__} optimises leaf Tensors, e.g. model.parameters(); got {p!r:.80}")
            if id(p) in seen:
                raise ValueError(f"{type(self).__name__}: a parameter of shape {p.shape} is given twice")
            seen.add(id(p))
        for name, value in group.items():
            if name != "params" and any(v < 0 for v in (value if isinstance(value, tuple) else (value,))):
                raise ValueError(f"{type(self).__name__}: {name} must not be negative, got {value}")

    def zero_grad(self) -> None:
        """Forget all gradients (``.grad = None``)."""
        for group in self.groups:
            for p in group["params"]:
                p.grad = None

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        for group, blocks in zip(self.groups, self._blocks, strict=True):
            settings = {name: value for name, value in group.items() if name != "params"}
            for block in blocks:
                for span, t in block.pieces():
                    state = [array[span] for array in block.state.values()]
                    self.update(block.flat[span], block.gradient[span], *state, t=t, **settings)

    def update(self, p: Any, g: Any, *state: Any, t: int, **settings: Any) -> None:
        """Change `p` and `state` in place, for step number `t` = 1, 2, ...; `g` may be overwritten."""
        raise NotImplementedError(f"{type(self).__name__} must define update(p, g, *state, t, **settings)")

    def state_dict(self) -> dict[str, Any]:
        """A copy of settings and state, for ``mg.save``."""
        return {
            "kind": type(self).__name__,
            "settings": [{k: v for k, v in group.items() if k != "params"} for group in self.groups],
            "steps": [block.steps.copy() for blocks in self._blocks for block in blocks],
            "state": [{k: v.copy() for k, v in block.state.items()} for blocks in self._blocks for block in blocks],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where ``state_dict`` was taken.

        Raises
        ------
        ValueError
            If the state is another optimiser's, or belongs to other parameters. Nothing is changed then.
        """
        blocks = [block for group in self._blocks for block in group]
        own = (type(self).__name__, len(self.groups), [{k: v.shape for k, v in b.state.items()} for b in blocks])
        kind, settings, arrays = state["kind"], state["settings"], state["state"]
        found = (kind, len(settings), [{k: v.shape for k, v in s.items()} for s in arrays])
        if own != found:
            raise ValueError(
                f"this state does not fit: expected (optimiser, groups, state shapes) {own}, the given one has {found}"
            )
        for group, values in zip(self.groups, settings, strict=True):
            group.update(values)
        for block, steps, values in zip(blocks, state["steps"], arrays, strict=True):
            block.steps = list(steps)
            for name, array in block.state.items():
                array[...] = np.asarray(values[name], like=array)


class SGD(Optimizer):
    """Stochastic gradient descent: v = momentum v + g, p = p - lr v.

    Parameters
    ----------
    params : iterable of Parameters, or list of groups
    lr : float, default 0.01
    momentum : float, default 0
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
        lr: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)

    def update(self, p, g, velocity, *, t, lr, momentum, weight_decay, nesterov):  # type: ignore[override]
        if weight_decay:
            g += weight_decay * p
        if momentum:
            velocity *= momentum
            velocity += g
            g = g + momentum * velocity if nesterov else velocity
        p -= lr * g


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015): steps of running mean over root of running mean square, both corrected for their start.

    Parameters
    ----------
    params : iterable of Parameters, or list of groups
    lr : float, default 0.001
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
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay)

    def update(self, p, g, mean, square, *, t, lr, betas, eps, weight_decay):  # type: ignore[override]
        if weight_decay:
            g += weight_decay * p
        b1, b2 = betas
        mean *= b1
        mean += (1 - b1) * g
        square *= b2
        square += (1 - b2) * g * g
        p -= lr / (1 - b1**t) * mean / (np.sqrt(square / (1 - b2**t)) + eps)
