"""A model as a function of its parameters."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from .module import Module, Parameter


def functional_call(model: Module, parameters: dict[str, Tensor], *inputs: Any, **options: Any) -> Any:
    """``model(*inputs, **options)`` with Tensors in the place of parameters.

    The Tensors may be results, such as parameters after a step of training: gradients then flow through the call into
    what they were computed from. The model is as before afterwards, also when the call fails. Not for use by several
    threads at once.

    Parameters
    ----------
    model : Module
    parameters : dict of parameter name to Tensor
        Parameters that are not named keep their own values. One that the model shares is replaced wherever it is
        used, under whichever of its names it is given.
    *inputs, **options
        Handed to the model.

    Raises
    ------
    ValueError
        If a name is unknown, a shape differs, or one shared parameter is given two values.

    Examples
    --------
    >>> from minigrad.nn.functional_call import functional_call
    >>> model = mg.nn.Linear(1, 1, bias=False)
    >>> lr = mg.tensor(0.1, requires_grad=True)
    >>> stepped = {"weight": mg.ones(1, 1) - lr * 5}  # a step of training, as a function of lr
    >>> y = functional_call(model, stepped, mg.ones(1, 1))
    >>> mg.grad(y.sum(), lr).item()
    -5.0
    """
    known = {name: p for name, p in model._state() if isinstance(p, Parameter)}
    swaps: dict[int, Tensor] = {}
    for name, value in parameters.items():
        if name not in known:
            raise ValueError(f"functional_call: {name!r} is no parameter of {type(model).__name__}: {', '.join(known)}")
        if value.shape != known[name].shape:
            raise ValueError(f"functional_call: {name} has shape {known[name].shape}, got {value.shape}")
        if swaps.setdefault(id(known[name]), value) is not value:
            raise ValueError(
                f"functional_call: {name} is a shared parameter and was given two values: name it once, or give all "
                "its names the same Tensor"
            )
    places = [
        (vars(module), name, value)
        for module in model.modules()
        for name, value in vars(module).items()
        if isinstance(value, Parameter) and id(value) in swaps
    ]
    try:
        for attributes, name, own in places:
            attributes[name] = swaps[id(own)]
        return model(*inputs, **options)
    finally:
        for attributes, name, own in places:
            attributes[name] = own
