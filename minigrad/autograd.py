"""The backward half of the engine: walk back over what was recorded.

A backward pass starts with a gradient at the output and visits every node once, the youngest first. All bookkeeping
that rules do not do is done here: broadcasting, dtype, fan-in, shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import numpy as np

from . import device as devices
from .graph import Node, primitive, recording, rule
from .tensor import Tensor, as_array


@primitive
def sum_to(x, shape):
    """Sum `x` over the axes along which an array of `shape` was broadcast to get to ``x.shape``."""
    lead = x.ndim - len(shape)
    axes = tuple(range(lead))
    if lead > 0 and x.shape[lead:] == shape:
        return np.add.reduce(x, axes)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, x.shape[lead:], strict=True)):
        raise ValueError(f"an array of shape {shape} cannot have been broadcast to {x.shape}")
    axes += tuple(lead + i for i, n in enumerate(shape) if n == 1)
    return np.add.reduce(x, axes).reshape(shape)


rule(sum_to, lambda g, _y, _x, shape: np.broadcast_to(g, _x.shape))
rule(np.broadcast_to, lambda g, _y, _x, shape: g)


def _sweep(seeds: dict, wanted: Iterable | None = None, create_graph: bool = False) -> dict:
    """Walk from the outputs to the leaves; return the gradient of every leaf, or of every node that is `wanted`.

    `seeds` maps the node behind each output to the gradient that starts there. A node is born after its parents, so
    going from the youngest to the oldest visits a node only when all that used its result have been visited: each
    node once, however often its result was used.
    """
    gradients = dict(seeds)
    nodes = _youngest_first(seeds)
    useful = None if wanted is None else _leading_to(wanted, nodes)
    ours: set = set()  # sums made here, which nobody else holds: they may grow in place
    behind: set = set()  # what a selection (np.where) took some entries of
    for node in nodes:
        g = gradients.get(node)
        if g is None or (useful is not None and node not in useful):
            continue
        if wanted is None or node not in wanted:
            del gradients[node]
        if isinstance(g, np.generic):  # NumPy makes scalars of 0-d results; rules see arrays
            g = np.asarray(g)
        rule, kwargs = node.rule, node.kwargs or {}
        selected = rule.selects or node in behind
        y, args = _on_graph(node) if create_graph else (node.y, node.args)
        for parent, vjp in zip(node.parents, rule.vjps or rule.vjps_of_each(len(node.parents))):  # noqa: B905 -- hot path
            if parent is None or (useful is not None and parent not in useful):
                continue
            if vjp is None:
                raise _not_differentiable(node, parent)
            if selected:
                behind.add(parent)
            try:
                if selected and rule.scales:
                    gradient = _zero_stays_zero(vjp, g, y, args, kwargs)
                else:
                    gradient = vjp(g, y, *args, **kwargs)
            except MemoryError as error:
                what = f"the backward pass of {rule.name}"
                raise devices.out_of_memory(error, what, [p.shape for p in node.parents if p is not None]) from error
            if getattr(gradient, "shape", None) != parent.shape or gradient.dtype != parent.dtype:
                gradient = _fitted(gradient, parent, node)
            if parent not in gradients:
                gradients[parent] = gradient
            elif parent in ours:
                gradients[parent] += gradient
            else:
                gradients[parent] = gradients[parent] + gradient
                if parent.shape and not create_graph:
                    ours.add(parent)
    return gradients


_born = attrgetter("born")


def _youngest_first(roots: Iterable) -> list[Node]:
    waiting = [root for root in roots if type(root) is Node]
    seen = set(waiting)
    for node in waiting:  # grows while it is walked
        for parent in node.parents:
            if type(parent) is Node and parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    waiting.sort(key=_born, reverse=True)
    return waiting


def _leading_to(targets: Iterable, nodes: list[Node]) -> set:
    """`targets` and all nodes that depend on one of them."""
    useful = set(targets)
    for node in reversed(nodes):
        if not useful.isdisjoint(node.parents):
            useful.add(node)
    return useful


def _on_graph(node: Node) -> tuple[Tensor | None, list]:
    """The result and the arguments of a recorded call as Tensors tied to the graph."""
    y = None if node.y is None else Tensor(node.y, True, node)
    return y, [
        a if p is None or a is p else p if isinstance(p, Tensor) else Tensor(a, True, p)
        for a, p in zip(node.args, node.parents, strict=False)  # no args where the rule forgets them
    ]


def _fitted(gradient: Any, parent: Node | Tensor, node: Node) -> Any:
    """The gradient in the shape and dtype of the argument that it belongs to."""
    try:
        if gradient.shape != parent.shape:
            gradient = sum_to(gradient, parent.shape)
        return gradient if gradient.dtype == parent.dtype else gradient.astype(parent.dtype)
    except (AttributeError, ValueError):
        i = next(i for i, p in enumerate(node.parents) if p is parent)
        raise ValueError(
            f"the rule of {node.rule.name} gave {_described(gradient)} as the gradient of argument {i}, which has "
            f"shape {parent.shape}: a vjp returns an array of the argument's shape, or of one that it was broadcast to"
        ) from None


def _described(gradient: Any) -> str:
    return f"shape {gradient.shape}" if hasattr(gradient, "shape") else f"a {type(gradient).__name__}"


def _not_differentiable(node: Node, parent: Node | Tensor) -> TypeError:
    i = next(i for i, p in enumerate(node.parents) if p is parent and node.rule.vjps[i] is None)
    return TypeError(
        f"{node.rule.name} has no derivative with respect to argument {i}: "
        "pass its value alone, t.detach(), or add that vjp to its mg.rule"
    )


def _zero_stays_zero(vjp: Callable, g: Any, y: Any, args: Any, kwargs: dict) -> Any:
    """The gradient, where 0 * inf and 0 * nan count as 0 and are not worth NumPy's warnings.

    Only what is nan is replaced: where g is 0 but the gradient finite, its own derivative may not be 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        gradient = vjp(g, y, *args, **kwargs)
    lost = np.isnan(gradient)
    # A Tensor's own derivatives stand behind this selection, too; and asking a GPU takes longer than selecting.
    if isinstance(gradient, Tensor) or not devices.on_host(lost) or lost.any():
        return np.where(lost & (g == 0), 0, gradient)
    return gradient


def _seed(output: Tensor, gradient: Any, create_graph: bool) -> Any:
    """The gradient that starts at an output: one for a scalar, else what the caller gives."""
    if gradient is None:
        if output.size != 1:
            raise ValueError(
                f"backward() needs a scalar, this Tensor has shape {output.shape}: reduce it first (t.sum(), "
                f"t.mean()), or say how much each entry counts, e.g. t.backward(mg.ones({output.shape}))"
            )
        one = np.ones_like(output.data)
        return Tensor(one) if create_graph else one
    raw = devices.beside(gradient if type(gradient) is np.ndarray else as_array(gradient), output.data)
    if raw.shape != output.shape:
        raise ValueError(f"the gradient has shape {raw.shape}, the Tensor that it belongs to {output.shape}")
    if create_graph:
        gradient = gradient if isinstance(gradient, Tensor) else Tensor(raw)
        return gradient if gradient.dtype == output.dtype else gradient.astype(output.dtype)
    return raw if raw.dtype == output.dtype else raw.astype(output.dtype)


def _own(gradient: Any, others: set[int]) -> Tensor:
    """A gradient to give away: not a view, and none of the `others` that somebody has already."""
    raw = _raw(gradient)
    if raw.base is not None or id(raw) in others:
        gradient = np.copy(gradient)
    else:
        others.add(id(raw))
    return gradient if type(gradient) is Tensor else Tensor(gradient)


def _raw(gradient: Any) -> Any:
    return gradient.data if type(gradient) is Tensor else gradient


def backward(self: Tensor, gradient: Any = None, create_graph: bool = False) -> None:
    """Add the derivative of this Tensor to the ``.grad`` of every leaf that it was made from.

    Parameters
    ----------
    gradient : array_like of this Tensor's shape, optional
        Weight of each entry. Needed unless the Tensor is a scalar.
    create_graph : bool, default False
        Record the backward pass, so that the gradients can be differentiated again.

    Raises
    ------
    RuntimeError
        If no leaf that requires grad led to this Tensor.
    ValueError
        If the Tensor is not a scalar and no gradient is given, or its shape does not fit.
    """
    if not self._requires_grad:
        raise RuntimeError(
            "backward() on a Tensor that has no graph: nothing that it was computed from requires grad. "
            "Make the inputs with requires_grad=True, compute outside mg.no_grad(), and do not detach on the way."
        )
    seed = _seed(self, gradient, create_graph)
    others = {id(_raw(seed))}
    for leaf, total in _sweep({self._node or self: seed}, None, create_graph).items():
        new = _own(total, others)
        if leaf.grad is None:
            leaf.grad = new
        else:
            leaf.grad = leaf.grad + new if create_graph else Tensor(leaf.grad.data + new.data)


def grad(outputs: Any, inputs: Any, grad_outputs: Any = None, create_graph: bool = False) -> Any:
    """Derivatives of `outputs` with respect to `inputs`, without touching any ``.grad``.

    Parameters
    ----------
    outputs : Tensor or sequence of Tensors
        Several outputs are added up.
    inputs : Tensor or sequence of Tensors
        Leaves or results in between.
    grad_outputs : array_like or sequence, optional
        Weight of each entry of the outputs; may be left out for scalars.
    create_graph : bool, default False
        Record the derivatives, so that they can be differentiated again.

    Returns
    -------
    Tensor, or tuple of Tensors for a sequence of inputs
        Zeros for an input that the outputs do not depend on.

    Examples
    --------
    >>> x = mg.tensor(2.0, requires_grad=True)
    >>> dy = mg.grad(x**3, x, create_graph=True)
    >>> mg.grad(dy, x).item()
    12.0
    """
    if isinstance(outputs, Tensor):
        outputs, grad_outputs = [outputs], [grad_outputs]
    elif grad_outputs is None:
        grad_outputs = [None] * len(outputs)
    targets: list[Tensor] = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for i, x in enumerate(targets):
        if not isinstance(x, Tensor) or not x._requires_grad:
            raise ValueError(
                f"grad: input {i} does not require grad, so nothing was recorded for it; "
                "make it with mg.tensor(..., requires_grad=True) before computing the output"
            )
    seeds: dict = {}
    for output, weight in zip(outputs, grad_outputs, strict=True):
        seed, key = _seed(output, weight, create_graph), output._node or output
        if output._requires_grad:
            seeds[key] = seeds[key] + seed if key in seeds else seed
    keys = [x._node or x for x in targets]
    found = _sweep(seeds, set(keys), create_graph)
    others = {id(_raw(seed)) for seed in seeds.values()}
    results = [
        _own(found[key] if key in found else np.zeros_like(x.data), others)
        for x, key in zip(targets, keys, strict=True)
    ]
    return results[0] if isinstance(inputs, Tensor) else tuple(results)


Tensor.backward = backward


# --- Jacobians and Hessians: one backward pass per row


def _leaf(x: Any) -> Tensor:
    """A leaf of its own with the values of x, so that the caller's graph and gradients are not touched."""
    return Tensor(as_array(x), requires_grad=True)


def _result(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with recording(True):
        y = f(x)
    if not isinstance(y, Tensor):
        raise TypeError(
            f"the function must return a Tensor computed from its argument, it returned a {type(y).__name__}"
        )
    return y


def _rows(y: Tensor, x: Tensor) -> Tensor:
    rows: list[Any] = []
    for i in range(y.size):
        one_hot = np.zeros(y.size, y.dtype, like=y.data)
        one_hot[i] = 1
        rows.append(grad(y, x, one_hot.reshape(y.shape)))
    if not rows:
        return Tensor(np.zeros((*y.shape, *x.shape), x.dtype, like=x.data))
    stacked: Any = np.stack(rows)
    return stacked.reshape((*y.shape, *x.shape))


def jacobian(f: Callable[[Tensor], Tensor], x: Any) -> Tensor:
    """All first derivatives of `f` at `x`.

    Parameters
    ----------
    f : callable, Tensor -> Tensor of any shape
    x : Tensor or array of floats
        Its own ``.grad`` is not touched.

    Returns
    -------
    Tensor, shape ``f(x).shape + x.shape``
        Entry [i, j] is the derivative of output i with respect to input j.

    Examples
    --------
    >>> mg.jacobian(lambda x: x**2, mg.tensor([1.0, 3.0]))
    tensor([[2., 0.],
            [0., 6.]])
    """
    x = _leaf(x)
    return _rows(_result(f, x), x)


def hessian(f: Callable[[Tensor], Tensor], x: Any) -> Tensor:
    """All second derivatives of a scalar function `f` at `x`, shape ``x.shape + x.shape``.

    Examples
    --------
    >>> mg.hessian(lambda x: x[0] ** 2 * x[1], mg.tensor([3.0, 5.0]))
    tensor([[10.,  6.],
            [ 6.,  0.]])
    """
    x = _leaf(x)
    return _rows(_gradient_of_scalar(f, x), x)


def hvp(f: Callable[[Tensor], Tensor], x: Any, v: Any) -> Tensor:
    """The Hessian of a scalar function at `x` times a vector `v` of x's shape, in two backward passes.

    Examples
    --------
    >>> mg.hvp(lambda x: np.sum(x**3), mg.tensor([1.0, 2.0]), mg.tensor([1.0, 1.0]))
    tensor([ 6., 12.])
    """
    x = _leaf(x)
    return grad(_gradient_of_scalar(f, x), x, v)


def _gradient_of_scalar(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    y = _result(f, x)
    if y.size != 1:
        raise ValueError(
            f"second derivatives need a scalar function, this one returned shape {y.shape}: "
            "sum its result, or ask for mg.jacobian"
        )
    with recording(True):
        return grad(y, x, create_graph=True)
