"""What may be checked: inputs sorted into those that are differentiated and those that only pass through."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..tensor import Tensor

ADVICE = "give float64 arrays, e.g. np.random.default_rng(0).normal(size=(3, 4))"


@dataclass
class Arguments:
    """The arguments of the function under check; `positions` says which of them are differentiated."""

    values: list[Any]
    positions: list[int]
    names: list[str]
    arrays: list[np.ndarray]  # float64, one per checked position
    dtypes: list[np.dtype]  # as they were given


def sort_out(inputs: Any, function: Callable) -> Arguments:
    """Split `inputs` (one array or Tensor, or a sequence) into checked floats and constants."""
    if isinstance(inputs, dict):
        raise TypeError(
            f"inputs is a dict: pass a tuple of arrays in the order in which the function takes them, {ADVICE}"
        )
    values = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    floats = [i for i, value in enumerate(values) if _is_float(value, i)]
    wanting = [i for i in floats if isinstance(values[i], Tensor) and values[i].requires_grad]
    plain = [i for i in floats if not isinstance(values[i], Tensor)]
    positions = sorted(wanting + plain) if wanting else floats
    if not positions:
        raise ValueError(
            f"none of the {len(values)} inputs is floating-point, so there is nothing to differentiate: {ADVICE}"
        )
    raw = [_array(values[i]) for i in positions]
    for i, array in zip(positions, raw, strict=True):
        _refuse_non_finite(array, i)
    labels = _names(function, len(values))
    return Arguments(
        values=values,
        positions=positions,
        names=[labels[i] for i in positions],
        arrays=[np.array(array, dtype=np.float64, order="C") for array in raw],
        dtypes=[array.dtype for array in raw],
    )


def _array(value: Any) -> np.ndarray:
    return value.numpy() if isinstance(value, Tensor) else np.asarray(value)


def _is_float(value: Any, i: int) -> bool:
    if value is None:
        raise TypeError(f"input {i} is None: every input must be an array; wrap the function to leave one out")
    dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
    if dtype.kind in "iub":
        return False
    if dtype in (np.float32, np.float64):
        return True
    if dtype.kind == "c":
        raise TypeError(
            f"input {i} is {dtype}: gradients are checked for real inputs; pass real and imaginary parts as two"
        )
    if dtype.kind == "f":
        raise TypeError(
            f"input {i} is {dtype}: differences need float64 (float32 is checked too); convert it, x.astype(np.float64)"
        )
    raise TypeError(f"input {i} is a {type(value).__name__} of dtype {dtype}, which has no gradient: {ADVICE}")


def _refuse_non_finite(array: np.ndarray, i: int) -> None:
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        at = [int(k) for k in bad[0]]
        raise ValueError(f"input {i} is {array[tuple(at)]} at {at}: there is no slope at infinity or nan; {ADVICE}")


def _names(function: Callable, count: int) -> list[str]:
    """``input 0 (x)`` where the signature names the argument, else ``input 0``."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # ufuncs and other builtins have none
        parameters = []
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [f"input {i} ({named[i]})" if i < len(named) else f"input {i}" for i in range(count)]


def as_outputs(result: Any, who: str) -> list[np.ndarray]:
    """The outputs of a forward pass as arrays; `who` names the function in messages."""
    several = isinstance(result, (tuple, list))
    outputs = []
    for n, y in enumerate(result if several else [result]):
        array = (
            y.numpy() if isinstance(y, Tensor) else y if isinstance(y, (np.ndarray, np.generic, float, int)) else None
        )
        if array is None or np.asarray(array).dtype.kind not in "fiubc":
            part = f"output {n} of {who}" if several else f"what {who} returned"
            hint = " (if it also returns a cache, wrap it to return the output alone)" if several else ""
            raise TypeError(f"{part} is a {type(y).__name__}: expected an array of numbers{hint}")
        outputs.append(np.asarray(array))
    if not outputs:
        raise TypeError(f"{who} returned an empty {type(result).__name__}: expected an array of numbers")
    return outputs


def flat(outputs: Sequence[np.ndarray]) -> np.ndarray:
    """All outputs as one float64 (or complex) vector."""
    kind = np.complex128 if any(y.dtype.kind == "c" for y in outputs) else np.float64
    return np.concatenate([np.asarray(y, kind).ravel() for y in outputs])
