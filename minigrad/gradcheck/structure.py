"""What can be wrong before a number is compared: count, type, shape, dtype, nan, side effects."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .inputs import Arguments
from .report import Reason

HINTS = {  # a place to look for every kind of reason that needs no slope
    "type": "What does backward return, and what would a caller want to do with it?",
    "count": "Count the inputs of forward and the values that backward returns.",
    "none": "Which of the inputs can be moved by a small step? Each of those needs a gradient.",
    "shape": "Put the shape of the input beside that of its gradient. Where do they part?",
    "dtype": "Print the dtype after every line of backward. On which line does it change?",
    "nonfinite": "Which operation on the way gives nan or inf: a division, a logarithm, an overflow?",
    "modified": "Which line writes into an array that came from outside?",
    "nondeterministic": "Call the function twice and compare. What is drawn, counted or cached inside?",
    "undifferenced": "At which inputs does the formula have a slope at all?",
    "independent": "Which Tensors does the function use, and which of them did you pass in?",
    "float32": "Look for a cast, or for a constant that only float64 can hold.",
    "domain": "For which inputs is the formula defined?",
    "create_graph": "Does the rule look at what it is given, and do different things for Tensors and arrays?",
}


def by_input(returned: Any, arguments: Arguments) -> tuple[list[Any], list[Reason]]:
    """One gradient per checked input from what backward returned, and what is wrong with their number."""
    positions, total = arguments.positions, len(arguments.values)
    if isinstance(returned, list):
        text = f"backward returned a list of {len(returned)}: return one array, or a tuple of arrays"
        return [], [Reason("type", text)]
    gradients = returned if isinstance(returned, tuple) else (returned,)
    if len(gradients) == total:
        return [gradients[p] for p in positions], []
    if len(gradients) == len(positions):  # integers left out instead of None
        return list(gradients), []
    text = (
        f"backward returned {len(gradients)} gradient{'s' * (len(gradients) != 1)} for {total} inputs: "
        "return one for each, "
        "in the order of the inputs, and None for those that are not differentiated (integers)"
    )
    return [], [Reason("count", text)]


def malformed(gradient: Any, position: int, name: str, shape: tuple[int, ...], dtype: np.dtype) -> Reason | None:
    """Why `gradient` cannot be the gradient of an input of this shape and dtype; None where it can."""
    kind = "type"
    if gradient is None:
        kind, text = "none", f"{name}: backward returned None, but this input is floating-point and needs a gradient"
    elif isinstance(gradient, Tensor):
        text = f"{name}: backward returned a Tensor, expected a NumPy array: return its .numpy()"
    elif not isinstance(gradient, (np.ndarray, np.generic, float)):
        text = f"{name}: backward returned a {type(gradient).__name__}, expected an array of shape {shape}"
    elif (array := np.asarray(gradient)).shape != shape:
        kind, text = "shape", f"{name} has shape {shape}, its gradient {array.shape}{_shape_hint(array.shape, shape)}"
    elif array.dtype != dtype:
        kind, text = "dtype", f"{name} is {dtype}, its gradient {array.dtype}: {_dtype_hint(array.dtype, dtype)}"
    else:
        return None
    return Reason(kind, text, inputs=(position,))


def _shape_hint(got: tuple[int, ...], expected: tuple[int, ...]) -> str:
    if got == expected[::-1]:
        return ": transposed?"
    if len(got) > len(expected) or np.prod(got) > np.prod(expected):
        return ": sum over the axes along which the input was broadcast or used again"
    return ": a gradient has its input's shape exactly, it is not broadcast"


def _dtype_hint(got: np.dtype, expected: np.dtype) -> str:
    if got.kind in "iub":
        return "make it with np.zeros_like(x): an integer array cuts fractions off"
    if got.kind == "f" and got.itemsize > expected.itemsize:
        return "a float64 constant (np.eye, np.zeros, one-hot) made it wider; create arrays with dtype=x.dtype"
    return "rounding on the way; create arrays with dtype=x.dtype and avoid astype"


def non_finite(gradient: np.ndarray, name: str) -> tuple[Reason, tuple[int, ...]] | None:
    """The reason for nan or inf entries, and where the first one is."""
    bad = np.argwhere(~np.isfinite(gradient))
    if not len(bad):
        return None
    index = tuple(int(k) for k in bad[0])
    count = f"{len(bad)} of {gradient.size} entries" if gradient.size > 1 else "its only entry"
    return Reason(
        "nonfinite", f"{name}: the gradient is {gradient[index]} at {list(index)} ({count} not finite)"
    ), index


def changed(before: list[Any], after: list[Any], who: str) -> list[Reason]:
    """Arguments that a call wrote into."""
    reasons = []
    for i, (old, new) in enumerate(zip(before, after, strict=True)):
        if isinstance(old, np.ndarray) and not np.array_equal(old, new, equal_nan=old.dtype.kind == "f"):
            text = f"{who} changed input {i} in place: work on a copy, `x = x - m` instead of `x -= m`"
            reasons.append(Reason("modified", text))
    return reasons
