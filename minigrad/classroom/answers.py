"""What the checks of an exercise say when an answer is wrong: ``Wrong``, and ``compare`` for numbers."""

from __future__ import annotations

from typing import Any

import numpy as np


class Wrong(AssertionError):  # noqa: N818 (it is not the program that errs)
    """An answer is wrong: a sentence for the student, a hint that does not give the answer away, a kind."""

    def __init__(self, sentence: str, hint: str = "", kind: str = "values") -> None:
        super().__init__(sentence)
        self.hint, self.kind = hint, kind


def compare(got: Any, expected: Any, what: str, *, rtol: float = 1e-7, atol: float = 1e-12, hint: str = "") -> None:
    """Compare a student's answer with the right one, and say how they differ.

    Parameters
    ----------
    got : the student's answer, of any type.
    expected : number, array, or tuple of them
        Shapes must be equal, (N, 1) is not (N,); dtypes may differ.
    what : str
        What is compared, as a sentence would begin: "the loss", "dW".
    rtol, atol : float
        An entry is right where abs(got - expected) <= atol + rtol * abs(expected).
    hint : str
        Shown with the sentence; should not give the answer away.

    Raises
    ------
    Wrong
        With ``kind`` "type", "shape", "nonfinite", "sign", "factor" or "values".

    Examples
    --------
    >>> compare(np.array([1.0, 2.0]), [1.0, 2.0], "dW")
    >>> compare(np.array([3.0, 6.0]), [1.0, 2.0], "dW")
    Traceback (most recent call last):
    ...
    minigrad.classroom.answers.Wrong: dW is 3 times what it should be, in every entry
    """
    if isinstance(expected, tuple):
        if not isinstance(got, (tuple, list)) or len(got) != len(expected):
            raise Wrong(f"{what}: got {_described(got)}, expected a tuple of {len(expected)}", hint, "type")
        for number, (part, right) in enumerate(zip(got, expected, strict=True), 1):
            compare(part, right, f"{what}, part {number}", rtol=rtol, atol=atol, hint=hint)
        return
    right = np.asarray(expected)
    if (
        not isinstance(got, (np.ndarray, np.generic, bool, int, float, complex))
        or np.asarray(got).dtype.kind not in "biufc"
    ):
        raise Wrong(f"{what}: got {_described(got)}, expected {_described(right)}", hint, "type")
    array = np.asarray(got)
    if array.shape != right.shape:
        raise Wrong(f"{what}: got {_described(array)}, expected {_described(right)}", hint, "shape")
    if not np.isfinite(array).all():
        at = np.argwhere(~np.isfinite(array))[0]
        raise Wrong(
            f"{what} is {array[tuple(at)]}{_located(at)}: look for a division by 0, or log(0)", hint, "nonfinite"
        )
    close = array == right if right.dtype == bool else np.isclose(array, right, rtol=rtol, atol=atol)
    if not close.all():
        raise _differing(array, right, close, what, hint)


def _differing(got: np.ndarray, right: np.ndarray, close: np.ndarray, what: str, hint: str) -> Wrong:
    if right.any() and not got.any():
        return Wrong(f"{what} is {_number(got.flat[0])}" + (", in every entry" if got.size > 1 else ""), hint, "zero")
    ratio = None if bool in (got.dtype, right.dtype) else _constant_ratio(got, right)
    if ratio is not None and np.isclose(ratio, -1):
        return Wrong(f"{what} has the wrong sign" + (", in every entry" if got.size > 1 else ""), hint, "sign")
    if ratio is not None and np.count_nonzero(right) > 1:
        near = abs(ratio - 1) < 1e-3
        size = f"off by {100 * abs(ratio - 1):.2g} %" if near else f"{ratio:.6g} times what it should be"
        return Wrong(f"{what} is {size}, in every entry", hint, "factor")
    if got.size == 1:
        return Wrong(f"{what} is {_number(got.item())}, expected {_number(right.item())}", hint)
    error = np.where(close, 0, np.abs(got * 1.0 - right * 1.0))
    worst = np.unravel_index(np.argmax(error), got.shape)
    sentence = (
        f"{what} is wrong in {np.count_nonzero(~close)} of {got.size} entries, at worst{_located(worst)}: "
        f"{_number(got[worst])}, expected {_number(right[worst])}"
    )
    return Wrong(sentence, hint)


def _constant_ratio(got: np.ndarray, right: np.ndarray) -> float | None:
    """got / right where that is one and the same number in every entry that is not zero in both."""
    used = (got != 0) | (right != 0)
    if not np.all(right[used]) or got.dtype.kind == "c":
        return None
    ratios = got[used] / right[used]
    same = np.allclose(ratios, ratios[0], rtol=min(1e-6, 0.1 * abs(ratios[0] - 1)), atol=0)
    return float(ratios[0]) if same else None


def _described(value: Any) -> str:
    if isinstance(value, (np.ndarray, np.generic, int, float)):
        shape, kind = np.shape(value), np.asarray(value).dtype
        if kind.kind not in "biufc":
            return f"an array of {kind.name}, not of numbers"
        return f"an array of shape {shape}" if shape else "a number"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return "None" if value is None else f"a {type(value).__name__}"


def _number(value: Any) -> str:
    return str(value) if isinstance(value, (bool, np.bool_)) else f"{value:.6g}"


def _located(index: Any) -> str:
    return f" at {[int(i) for i in index]}" if len(index) else ""
