"""The two entry points: ``gradcheck`` for functions of Tensors, ``check_backward`` for hand-written NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .compare import Tolerance
from .examine import Examination
from .inputs import Arguments, sort_out
from .numeric import MACHINE
from .report import Reason, Report
from .structure import HINTS
from .tasks import Pair, SecondOrder, TensorFunction

RTOL = 1e-6
SMALLEST = 1e-12  # relative step of a difference that says anything


def check_backward(
    forward: Callable,
    backward: Callable,
    inputs: Any,
    *,
    eps: float | None = None,
    rtol: float = RTOL,
    atol: float | None = None,
    labels: Any = None,
    weights: Any = None,
    reduction: str | None = None,
    cost_matrix: Any = None,
    **known: Any,
) -> Report:
    """Check a backward pass written by hand in NumPy against central differences.

    The output is weighted by two random cotangents c and d(sum c*y)/dx is compared entry by entry, in
    float64:

        (F(x + h) - F(x - h)) / 2h,   h = eps * max(1, abs(x)).

    Parameters
    ----------
    forward : callable
        ``forward(*inputs)`` returns the output, an array or a number (or a tuple of them).
    backward : callable
        ``backward(g, *inputs)`` returns one gradient for each input, a single array or a tuple, None for
        inputs that are not differentiated (integers). ``g`` has the output's shape; for a scalar output it
        is a number, not 1.
    inputs : array, or sequence of arrays
        float64 or float32 ones are checked, integers and booleans pass through. float32 is checked in
        float64, and then once more in float32 for dtype.
    eps : float, default 6.1e-6
        Relative step, the cube root of float64's precision.
    rtol : float, default 1e-6
        Relative tolerance.
    atol : float, optional
        Absolute tolerance. Default: a tenth of rtol times the gradient's largest entry, at least 1e-12. What
        rounding does to a difference is estimated and allowed for on top of both.
    labels, weights, reduction, cost_matrix, **known
        What is known of a loss at its logits, to name a mistake. Nothing of it changes the verdict.
        `labels` are integers (N,), or (N, K) zeros and ones; `weights` one for each sample (N,) or class (K,);
        `cost_matrix` (K, K) is C[truth, prediction]. Other numbers go by their names: ``gamma=`` of a focal loss,
        ``temperature=``, ``lam=`` of a penalty, ``pos_weight=``, ``micro_batch=`` its size; one that a gradient
        is off by is then called by its name. Kept in ``report.known``.

    Returns
    -------
    Report
        Print it, test it (``if report:``), or call ``report.raise_on_failure()``. Its ``reasons`` say which
        mistakes fit the evidence, likeliest first, each with a ``kind`` and a ``hint``; ``"unknown"`` where none
        does.

    Raises
    ------
    TypeError, ValueError
        For inputs or outputs that cannot be differentiated at all; wrong gradients are told in the report.

    Examples
    --------
    >>> def softmax(z):
    ...     e = np.exp(z - z.max(axis=1, keepdims=True))
    ...     return e / e.sum(axis=1, keepdims=True)
    >>> def backward(g, z):
    ...     p = softmax(z)
    ...     return p * (g - (g * p).sum(axis=1, keepdims=True))
    >>> z = np.random.default_rng(0).normal(size=(4, 3))
    >>> check_backward(softmax, backward, z).ok
    True
    >>> report = check_backward(softmax, lambda g, z: g * softmax(z) * (1 - softmax(z)), z)
    >>> report.ok, report.reasons[0].kind
    (False, 'softmax_diagonal')
    >>> print(report.reasons[0])
    your gradient of input 0 (z) uses p (1 - p), the diagonal of softmax's derivative, alone: ...
    >>> report.reasons[0].hint
    'If one logit grows, what happens to the other probabilities?'
    """
    tolerance = Tolerance(rtol, atol)
    _valid_step(eps)
    context = {
        "labels": labels,
        "weights": weights,
        "reduction": reduction,
        "cost_matrix": cost_matrix,
        **known,
    }
    told = {name: value for name, value in context.items() if value is not None}
    task = Pair(forward, backward, sort_out(inputs, forward))
    return Examination(task, "full", "central", eps, tolerance, told).run()


def gradcheck(
    f: Callable,
    inputs: Any,
    *,
    eps: float | None = None,
    rtol: float = RTOL,
    atol: float | None = None,
    mode: str = "full",
    method: str = "central",
    order: int = 1,
    raise_on_failure: bool = True,
) -> Report:
    """Check the engine's gradient of a function of Tensors against measured slopes.

    Parameters
    ----------
    f : callable
        ``f(*inputs)`` returns a Tensor or a tuple of Tensors; plain arrays in the result count as constants.
    inputs : array, Tensor, or sequence of them
        Of Tensors, those that require grad are checked (all floats where none does); float arrays always;
        integers and booleans pass through. A leaf Tensor is handed to `f` itself, its data swapped
        meanwhile, so `f` may also be a closure over a model: ``gradcheck(lambda *_: loss(model(X)),
        list(model.parameters()))``.
    eps : float, optional
        Relative step. Default 6.1e-6 for central differences, 1e-20 for complex steps.
    rtol, atol : float
        As in ``check_backward``: 1e-6, and a tenth of it relative to the gradient's largest entry.
    mode : {"full", "fast"}
        Every entry, or three random directions per input, whatever its size.
    method : {"central", "complex"}
        "complex" has no rounding error, but needs a function that is analytic and takes complex numbers.
    order : {1, 2}
        2 also checks the derivative of the gradient, with respect to the inputs and to the incoming gradient
        (by central differences), and that ``create_graph=True`` does not change the gradient.
    raise_on_failure : bool, default True

    Returns
    -------
    Report

    Raises
    ------
    GradcheckError
        If a gradient is wrong; carries the report.
    ValueError
        For an unknown option, inputs without floats, or ``method="complex"`` where the function is not
        analytic.
    TypeError
        For inputs or outputs of a dtype that has no gradient.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(3, 4))
    >>> print(mg.gradcheck(lambda x: np.sum(np.tanh(x), axis=0), x, order=2))
    gradient check to second order passed: ...
    """
    for name, value, allowed in (
        ("mode", mode, ("full", "fast")),
        ("method", method, ("central", "complex")),
        ("order", order, (1, 2)),
    ):
        if value not in allowed:
            raise ValueError(f"{name}={value!r}: expected {' or '.join(map(repr, allowed))}")
    tolerance = Tolerance(rtol, atol)
    _valid_step(eps, method)
    arguments = sort_out(inputs, f)
    with TensorFunction(f, arguments) as task:
        report = Examination(task, mode, method, eps, tolerance, {}).run()
    if order == 2:
        report.order = 2
        if report.ok:
            _second_order(f, arguments, report, eps if method == "central" else None, tolerance)
        else:
            report.notes.append("second derivatives were not checked: the first are wrong")
    return report.raise_on_failure() if raise_on_failure else report


def _second_order(f: Callable, first: Arguments, report: Report, eps: float | None, tolerance: Tolerance) -> None:
    """Check the gradient as a function of inputs and cotangents, and add the findings to `report`."""
    cotangents = [np.asarray(c) for c in report.evidence.cotangents[0]]
    end = len(first.values)
    arguments = Arguments(
        values=[*first.values, *cotangents],
        positions=[*first.positions, *range(end, end + len(cotangents))],
        names=[*first.names, *(f"the cotangent of output {n}" for n in range(len(cotangents)))],
        arrays=[*first.arrays, *cotangents],
        dtypes=[np.dtype(np.float64)] * (len(first.arrays) + len(cotangents)),
    )
    with SecondOrder(f, arguments, len(cotangents)) as task:
        second = Examination(task, report.mode, "central", eps, tolerance, {}).run()
        if not task.same_with_graph(arguments.arrays):
            text = "the gradient with create_graph=True differs from the one without"
            second.reasons.insert(0, Reason("create_graph", text, HINTS["create_graph"]))
    report.reasons += [reason.retold(f"second derivative: {reason}") for reason in second.reasons]
    report.checked += second.checked
    report.wrong += second.wrong
    report.failures += second.failures
    if second.failures:
        report.worst = second.worst
    report.notes += [f"second derivative: {note}" for note in second.notes]


def _valid_step(eps: float | None, method: str = "central") -> None:
    if eps is not None and not 0 < eps < 1:
        raise ValueError(f"eps={eps}: a relative step is between 0 and 1, by default 6.1e-6")
    if eps is not None and method == "central" and eps < SMALLEST:
        raise ValueError(
            f"eps={eps}: in float64 x + h is rounded to {MACHINE:.2g} of x, so that a difference over a step below "
            f"{SMALLEST} is noise; the default is 6.1e-6"
        )
