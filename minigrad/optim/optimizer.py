"""What all optimisers share: groups of parameters, ``zero_grad``, ``step``, saving and loading."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..tensor import Tensor
from .block import Block
from .checks import check_rows, plain_numbers


class Optimizer:
    """Base of all optimisers: an update rule is a few lines of NumPy on (parameter, gradient, state).

    Parameters
    ----------
    params : iterable of Parameters, or list of dicts
        A dict is a group: ``{"params": [...], "lr": 0.1}`` with settings of its own. A group's `lr` may be one number
        per row (first axis) of its parameters: a learning rate per class, in the last layer.
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
        From ``step``: if a ``.grad`` is neither a Tensor nor None.
    ValueError
        If there are no parameters or one is given twice, or a setting is out of range.
        From ``step``: if a parameter or a gradient no longer has the shape and device it should have.

    Notes
    -----
    A learning rate per row against a class weight. Scaling row k of the last layer's step by v_k, weight and bias, is,
    under SGD without weight decay, what ``binary_cross_entropy(..., class_weight=v)`` on (N, K) does to that layer: its
    v_k multiplies column k of dL/dz and so row k of dL/dW = (dL/dz)^T h. The layers below feel the weight and not the
    rate. Adam divides by the size of the gradient: there a weight all but cancels, and a rate does not. The
    ``class_weight`` of ``cross_entropy`` is another thing: it multiplies samples, which are rows of dL/dz. In batches
    of one sample, under SGD, that is a rate of v[y] * lr for all parameters (Kukar & Kononenko 1998).

    Examples
    --------
    >>> model = mg.nn.Sequential(mg.nn.Linear(4, 8), mg.nn.ReLU(), mg.nn.Linear(8, 3))
    >>> optimizer = mg.optim.SGD(
    ...     [
    ...         {"params": model[:2].parameters(), "weight_decay": 1e-4},
    ...         {"params": model[2].parameters(), "lr": [0.1, 0.1, 0.5]},  # class 2 is rare
    ...     ],
    ...     lr=0.1,
    ... )
    """

    state_names: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ("lr", "betas")

    def __init__(self, params: Iterable[Any], **settings: Any) -> None:
        given: list[Any] = [params] if isinstance(params, Tensor) else list(params)
        if not given:
            raise ValueError(f"{type(self).__name__} got no parameters: pass model.parameters()")
        groups = given if isinstance(given[0], dict) else [{"params": given}]
        self.param_groups: list[dict[str, Any]] = []
        self._blocks: list[list[Block]] = []
        seen: set[int] = set()
        for group in groups:
            if not isinstance(group, dict) or "params" not in group:
                raise TypeError(
                    f'{type(self).__name__}: a group is a dict {{"params": [...], "lr": ...}}, got {group!r:.80}'
                )
            unknown = group.keys() - settings.keys() - {"params"}
            if unknown:
                raise TypeError(
                    f"{type(self).__name__} has no setting {sorted(unknown)}; it has {', '.join(sorted(settings))}"
                )
            own = group["params"]
            parameters = [own] if isinstance(own, Tensor) else list(own)
            self._check_parameters(parameters, seen)
            merged = {name: value for name, value in {**settings, **group}.items() if name != "params"}
            self._check_settings(merged)
            if np.ndim(merged.get("lr", 0.0)):
                for p in parameters:
                    check_rows(merged["lr"], p.shape)
            self.param_groups.append(
                {**{name: plain_numbers(value) for name, value in merged.items()}, "params": parameters}
            )
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
            numbers = np.asarray(value)
            if numbers.dtype.kind not in "fiub" or not np.all((numbers >= 0) & (numbers < np.inf)):
                raise ValueError(f"{type(self).__name__}: {name} must be finite and not negative, got {value!r}")
            if numbers.ndim and name not in self.sequences:
                raise ValueError(
                    f"{type(self).__name__}: {name} is one number per group, got {value!r}: make more groups"
                )

    def zero_grad(self) -> None:
        """Forget all gradients (``.grad = None``)."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        for group, blocks in zip(self.param_groups, self._blocks, strict=True):
            settings = {name: plain_numbers(value) for name, value in group.items() if name != "params"}
            lr: Any = settings.get("lr")
            for block in blocks:
                rates = block.per_entry(lr) if isinstance(lr, tuple) else None
                for span, t in block.pieces():
                    if rates is not None:
                        settings["lr"] = rates[span]
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
