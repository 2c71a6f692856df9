"""The walk back over the graph that keeps samples apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import numpy as np

from ..autograd import _fitted, _leading_to, _not_differentiable, _youngest_first, _zero_stays_zero
from ..graph import RULES, Node, is_elementwise
from ..tensor import Tensor
from .outer import OuterProducts
from .ways import ROWS, WAYS, entry_by_entry, linear_weight, row_by_row

PACKAGE = __name__.partition(".")[0]


def gradients_per_sample(losses: Tensor, parameters: Iterable[Tensor], x: Tensor, factored: bool) -> dict:
    """The gradients (N, *shape) of the parameters.

    Two kinds of gradient travel back. In `apart`, a gradient has the shape of the node's result, whose rows are the
    samples: row i is the gradient of l_i, and the gradient of l_j with respect to row i is 0. Where a result serves
    all samples alike (a parameter, or what was computed from parameters alone, such as ``weight.T``), every sample has
    a gradient with respect to all of it: `shared`, shape (N, *shape). If `factored`, OuterProducts stand there for the
    weights of linear layers that are used once, so that nothing has to be added to them.
    """
    n = len(losses)
    root = losses._node or losses
    apart: dict = {root: np.ones_like(losses.data)}
    shared: dict = {}
    nodes = _youngest_first([root])
    parameters = set(parameters)
    useful = _leading_to(parameters, nodes)
    sampled = _leading_to([x], nodes)
    ways = {RULES[function]: way for function, way in WAYS.items()}
    uses = Counter(chain.from_iterable(node.parents for node in nodes))
    kept_as_factors = {p for p in parameters if uses[p] == 1} if factored else set()
    behind_selection = False
    for node in nodes:
        if node not in useful:
            continue
        rule = node.rule
        behind_selection |= rule.selects
        vjps = rule.vjps or rule.vjps_of_each(len(node.parents))
        wanted: list[tuple[int, Any, Any]] = [(i, p, vjps[i]) for i, p in enumerate(node.parents) if p in useful]
        for _, parent, vjp in wanted:
            if vjp is None:
                raise _not_differentiable(node, parent)
        g, everyone = apart.pop(node, None), shared.pop(node, None)
        if g is not None:
            chosen = [_way(ways, node, i, g) for i, _, _ in wanted]
            if all(chosen):
                for (_, parent, vjp), how in zip(wanted, chosen, strict=True):
                    if how is linear_weight and parent in kept_as_factors and g.ndim == 2:
                        # astype copies: the bias gets g itself, and x may be the caller's
                        shared[parent] = OuterProducts(*(a.astype(parent.dtype) for a in (g, node.args[0])))
                        continue
                    gradient = _pulled_back(vjp if how is ROWS else how, g, node, behind_selection)
                    if how is ROWS:
                        _add(apart, parent, _fitted(gradient, parent, node))
                    elif parent in sampled:
                        raise _mixing(_culprit(node, parent, sampled, ways))
                    else:
                        _add(shared, parent, _summed_per_sample(gradient, parent))
            elif node in sampled:
                raise _mixing(node) if rule in ways else _unknown(node)
            else:  # made of parameters alone
                everyone = _on_diagonal(g) if everyone is None else everyone + _on_diagonal(g)
        if everyone is not None:
            for _, parent, vjp in wanted:
                one_by_one = [_pulled_back(vjp, everyone[i, ...], node, behind_selection) for i in range(n)]
                if n:
                    _add(shared, parent, np.stack([_fitted(gradient, parent, node) for gradient in one_by_one]))
    for parameter in parameters & apart.keys():
        _add(shared, parameter, _on_diagonal(apart[parameter]))
    return shared


def _pulled_back(vjp: Callable[..., Any], g: Any, node: Node, behind_selection: bool) -> Any:
    kwargs = node.kwargs or {}
    if behind_selection and node.rule.scales:
        return _zero_stays_zero(vjp, g, node.y, node.args, kwargs)
    return vjp(g, node.y, *node.args, **kwargs)


def _way(ways: dict, node: Node, i: int, g: Any) -> Any:
    function = node.rule.function
    if is_elementwise(function):
        return entry_by_entry(node, i, g)
    if node.rule in ways:
        return ways[node.rule](node, i, g)
    if function.__module__.startswith(f"{PACKAGE}.losses."):  # their contract: l_i comes of row i of the prediction
        return row_by_row(node, i, g)
    return None


def _add(gradients: dict, key: Any, gradient: Any) -> None:
    gradients[key] = gradients[key] + gradient if key in gradients else gradient


def _on_diagonal(g: Any) -> Any:
    """(N, ...) to (N, N, ...): the gradient of l_i with respect to row j is row i where i = j, else 0."""
    samples = np.arange(len(g), like=g)
    whole = np.zeros((len(g), *g.shape), g.dtype, like=g)
    whole[samples, samples] = g
    return whole


def _summed_per_sample(gradient: Any, parent: Any) -> Any:
    """(N, *broadcast shape) to (N, *shape of parent): what the engine's sum_to does, but the samples stay apart."""
    lead = gradient.ndim - parent.ndim
    axes = tuple(
        i for i, size in enumerate(gradient.shape) if i > 0 and size > 1 and (i < lead or parent.shape[i - lead] == 1)
    )
    gradient = np.sum(gradient, axes) if axes else gradient
    shape = (gradient.shape[0], *parent.shape)
    gradient = gradient if gradient.shape == shape else gradient.reshape(shape)
    return gradient if gradient.dtype == parent.dtype else gradient.astype(parent.dtype)


def _culprit(node: Node, parent: Any, sampled: set, ways: dict) -> Node:
    """Who mixed the samples that `node` takes from `parent`: the first operation not to keep rows, or node itself."""
    while isinstance(parent, Node):
        i, below = next((i, p) for i, p in enumerate(parent.parents) if p in sampled)
        if not parent.shape or _way(ways, parent, i, np.zeros(parent.shape)) is not ROWS:
            node = parent
        parent = below
    return node


def _mixing(node: Node) -> ValueError:
    shapes = ", ".join(str(p.shape) for p in node.parents if p is not None)
    return ValueError(
        f"per_sample_gradients: {node.rule.name} (shape {shapes} to {node.shape}) mixes samples, or moves them out of "
        "axis 0: a sum or mean over the batch, a product over it, a transpose or reshape of it. Then the loss of one "
        "depends on others and no gradient belongs to one sample. Keep the samples in axis 0, each on its own; where "
        "that is not possible, take N backward passes, mg.grad(losses[i], parameters)"
    )


def _unknown(node: Node) -> ValueError:
    name = node.rule.name
    return ValueError(
        f"per_sample_gradients: no per-sample rule is known for {name}. If row i of its result depends on row i of its "
        f"first argument alone, say so: mg.per_sample.WAYS[{name}] = mg.per_sample.row_by_row"
    )
