"""Optimisers: an update rule is a few lines of NumPy on (parameter, gradient, state).

The parameters of a group are made views into one flat array. An update is then a handful of calls for the whole model
instead of a handful per parameter, which is most of the time of a small model's step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .. import device as devices
from ..tensor import Tensor


class Block:
    """Parameters of one dtype, laid end to end in one array, with gradients and state laid out alike."""

    def __init__(self, parameters: list[Tensor], state_names: tuple[str, ...]) -> None:
        self.parameters = parameters
        self.views: list[Any] = [None] * len(parameters)
        self.shapes = [p.shape for p in parameters]
        self.steps = [0] * len(parameters)
        ends = np.cumsum([p.size for p in parameters]).tolist()
        self.spans = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        self.flat = np.zeros(ends[-1], parameters[0].dtype, like=parameters[0].data)
        self.gradient = np.zeros_like(self.flat)
        self.state = {name: np.zeros_like(self.flat) for name in state_names}
        self.adopt()

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and deepcopy, which make arrays of their own out of views: `adopt` joins them again."""
        return {**vars(self), "views": [None] * len(self.views)}

    def adopt(self) -> None:
        """Make each parameter's data a view into the flat array, again if somebody has replaced it."""
        for i, p in enumerate(self.parameters):
            if p.data is not self.views[i]:
                self._check_replaced(p, self.shapes[i])
                self.flat[self.spans[i]] = p.data.ravel()
                p.data = self.views[i] = self.flat[self.spans[i]].reshape(p.shape)

    def _check_replaced(self, p: Tensor, shape: tuple[int, ...]) -> None:
        expected = (shape, str(self.flat.dtype), devices.name_of(self.flat))
        found = (p.shape, str(p.dtype), p.device)
        if found != expected:
            raise ValueError(
                f"the optimiser was made for a parameter of (shape, dtype, device) {expected}, which is now {found}: "
                "make the optimiser after model.to() and model.astype()"
            )

    def pieces(self) -> Iterator[tuple[slice, int]]:
        """The spans to update and the number of their step.

        All parameters in one, if all have a gradient and have been updated equally often. Otherwise one by one: without
        a gradient neither parameter nor state moves.
        """
        self.adopt()
        gradients = [p.grad.data.ravel() for p in self.parameters if p.grad is not None]
        if len(gradients) == len(self.steps) == self.steps.count(self.steps[0]):
            np.concatenate(gradients, out=self.gradient)
            self.steps = [self.steps[0] + 1] * len(self.steps)
            yield slice(None), self.steps[0]
            return
        for i, p in enumerate(self.parameters):
            if p.grad is not None:
                self.gradient[self.spans[i]] = p.grad.data.ravel()
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

    Attributes
    ----------
    param_groups : list of dict
        ``optimizer.param_groups[0]["lr"] = 0.01`` takes effect at the next step.

    Raises
    ------
    TypeError
        If something is not a leaf Tensor of floats, or a group has an unknown setting.
    ValueError
        If there are no parameters or one is given twice, or a setting is out of range.
    """

    state_names: tuple[str, ...] = ()

    def __init__(self, params: Iterable[Any], **settings: Any) -> None:
        given: list[Any] = [params] if isinstance(params, Tensor) else list(params)
        if not given:
            raise ValueError(f"{type(self).__name__} got no parameters: pass model.parameters()")
        groups = given if isinstance(given[0], dict) else [{"params": given}]
        self.param_groups: list[dict[str, Any]] = []
        self._blocks: list[list[Block]] = []
        seen: set[int] = set()
        for group in groups:
            unknown = group.keys() - settings.keys() - {"params"}
            if unknown:
                raise TypeError(
                    f"{type(self).__name__} has no setting {sorted(unknown)}; it has {', '.join(sorted(settings))}"
                )
            own = group["params"]
            merged = {**settings, **group, "params": [own] if isinstance(own, Tensor) else list(own)}
            self._check_parameters(merged["params"], seen)
            self._check_settings({name: value for name, value in merged.items() if name != "params"})
            self.param_groups.append(merged)
        for group in self.param_groups:  # only now, when all is known to be right, are parameters touched
            alike: dict[Any, list[Tensor]] = {}
            for p in group["params"]:
                alike.setdefault((p.dtype, p.device), []).append(p)
            self._blocks.append([Block(parameters, self.state_names) for parameters in alike.values()])

    def _check_parameters(self, parameters: list[Any], seen: set[int]) -> None:
        for p in parameters:
            if not isinstance(p, Tensor) or not p.is_leaf or p.dtype.kind != "f":
                raise TypeError(
                    f"{type(self).__name__} optimises leaf Tensors of floats, e.g. model.parameters(); got {p!r:.80}"
                )
            if id(p) in seen:
                raise ValueError(f"{type(self).__name__}: a parameter of shape {p.shape} is given twice")
            seen.add(id(p))

    def _check_settings(self, settings: dict[str, Any]) -> None:
        for name, value in settings.items():
            for v in value if isinstance(value, (tuple, list)) else (value,):
                if not (isinstance(v, (int, float, np.number)) and 0 <= v < np.inf):
                    raise ValueError(f"{type(self).__name__}: {name} must be finite and not negative, got {value!r}")

    def zero_grad(self) -> None:
        """Forget all gradients (``.grad = None``)."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        for group, blocks in zip(self.param_groups, self._blocks, strict=True):
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
            "settings": [{k: v for k, v in group.items() if k != "params"} for group in self.param_groups],
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
        expected, found = _outline(self.state_dict()), _outline(state)
        if expected != found:
            raise ValueError(f"this optimiser state does not fit: expected {expected}, got {found}")
        for group, values in zip(self.param_groups, state["settings"], strict=True):
            group.update(values)
        blocks = [block for group in self._blocks for block in group]
        for block, steps, values in zip(blocks, state["steps"], state["state"], strict=True):
            block.steps = list(steps)
            for name, array in block.state.items():
                array[...] = np.asarray(values[name], like=array)


def _outline(state: Any) -> str:
    """What two states must have in common for one to take the other's place."""
    try:
        groups = [", ".join(sorted(values)) for values in state["settings"]]
        blocks = [
            f"{len(steps)} parameters with state { ({name: v.shape for name, v in sorted(arrays.items())}) }"
            for steps, arrays in zip(state["steps"], state["state"], strict=True)
        ]
        return f"{state['kind']} with groups of {groups}; {'; '.join(blocks)}"
    except (KeyError, TypeError, ValueError, AttributeError):
        return "something that is not the state_dict() of an optimiser"


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

    def _check_settings(self, settings: dict[str, Any]) -> None:
        super()._check_settings(settings)
        if settings["nesterov"] and not settings["momentum"]:
            raise ValueError("SGD: nesterov=True needs momentum, e.g. momentum=0.9")

    def update(self, p, g, velocity, *, lr, momentum, weight_decay, nesterov, **_):  # type: ignore[override]
        if weight_decay:
            g += weight_decay * p
        if momentum:
            velocity *= momentum
            velocity += g
            g = g + momentum * velocity if nesterov else velocity
        p -= lr * g


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1): the running mean of g over the root of the running mean of g**2.

    m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g**2, p = p - lr m' / (sqrt(v') + eps), where m' = m / (1 - b1**t) and
    v' = v / (1 - b2**t) undo the start of m and v at 0.

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

    def _check_settings(self, settings: dict[str, Any]) -> None:
        super()._check_settings(settings)
        if len(settings["betas"]) != 2 or max(settings["betas"]) >= 1:
            raise ValueError(f"Adam: betas are two numbers in [0, 1), got {settings['betas']}")

    def update(self, p, g, mean, square, *, t, lr, betas, eps, weight_decay):  # type: ignore[override]
        if weight_decay:
            g += weight_decay * p
        b1, b2 = betas
        mean *= b1
        mean += (1 - b1) * g
        square *= b2
        g *= g
        g *= 1 - b2
        square += g
        # p -= lr mean / (1 - b1**t) / (sqrt(square / (1 - b2**t)) + eps), in place: twice as fast as with temporaries
        step = np.sqrt(square, out=g)
        step /= math.sqrt(1 - b2**t)
        step += eps
        np.divide(mean, step, out=step)
        step *= lr / (1 - b1**t)
        p -= step
