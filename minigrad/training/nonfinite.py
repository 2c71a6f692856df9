"""Where NaN and infinity came from: looked for only after they were seen, so that healthy training pays nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..graph import no_grad
from ..nn import Module
from ..tensor import Tensor, as_array
from .samples import Samples


class NonFiniteError(FloatingPointError):
    """Training stopped because a loss or a gradient was NaN or infinite; no step was taken with it.

    Attributes
    ----------
    history : History or None
        What was recorded until then.
    """

    history: Any = None


def finite(values: Any) -> bool:
    """Whether all entries are; one pass without a temporary where they are."""
    array = as_array(values)
    return array.dtype.kind != "f" or bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())


def nonfinite_gradient(model: Module, parameters: Iterable[Tensor], in_one: Any) -> str | None:
    """The name of the parameter nearest to the loss whose gradient is not finite; None if there is none.

    `in_one` is the sum of all gradients: where it is finite they are, and where it overflows they are looked at.
    """
    if np.isfinite(in_one) or all(finite(p.grad) for p in parameters if p.grad is not None):
        return None
    names = [name for name, p in model.named_parameters() if p.grad is not None and not finite(p.grad)]
    return names[-1] if names else "a parameter outside the model"


def explain_loss(value: float, model: Module, batch: Samples, rows: Any) -> str:
    """Which of input, parameters, layers and loss was the first that is not finite, for the end of an error."""
    what = f"the loss became {'nan' if np.isnan(value) else value}"
    if not finite(batch.X):
        at = int(np.isfinite(batch.X.reshape((len(batch.X), -1))).all(axis=1).argmin())
        return f"{what}: the input X itself is not finite, in sample {int(rows[at])} of the data: clean the data"
    broken = [name for name, p in model.named_parameters() if not finite(p)]
    found = _first_output(model, batch)
    if found is None:
        return (
            f"{what}, but the output of every layer is finite: look at the loss, its targets, weights and settings; "
            f"{ADVICE}"
        )
    name, module, inputs = found
    layer = f"{type(module).__name__}({module.describe()})"
    place = f"layer {name}, {layer}" if name else f"the model itself, {layer}"
    state = "finite" if all(finite(x) for x in inputs if isinstance(x, Tensor)) else "not finite either"
    own = [parameter for parameter in broken if parameter.rpartition(".")[0] == name]
    told = f"{what}: the first output that is not finite is that of {place}; its input was {state}"
    if own and state == "finite":
        parameter = own[0].rpartition(".")[2]
        return f"{told}, but its {parameter} is not, since before this batch: begin with other weights or a checkpoint"
    return f"{told}. {ADVICE}"


ADVICE = "Lower the learning rate, or clip gradients with clip_norm=1.0; nothing was learned from this batch"


def _first_output(model: Module, batch: Samples) -> tuple[str, Module, tuple] | None:
    """Name, module and inputs of the first output that is not finite; a layer ends before what holds it."""
    found: list[tuple[str, Module, tuple]] = []

    def watch(name: str) -> Callable[..., None]:
        def hook(module: Module, inputs: tuple, output: Any) -> None:
            if not found and isinstance(output, Tensor) and not finite(output):
                found.append((name, module, inputs))

        return hook

    names: dict[Module, str] = {}
    for name, module in model.named_modules():
        names.setdefault(module, name)
    handles = [module.register_forward_hook(watch(name)) for module, name in names.items()]
    try:
        with no_grad():
            model(Tensor(batch.like(model).X))
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None
