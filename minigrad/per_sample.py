"""One gradient per sample, from one forward and one backward pass.

The gradient of sum_i l_i has lost track of who contributed what: a parameter is used by every sample, and the backward
pass adds the samples up at that place. So we walk back over the same graph from all l_i at once, and where a parameter
enters, keep one gradient per sample instead of the sum. This is exact only as long as row i of every result depends on
row i of what it was computed from. `WAYS` lists the operations of which we know that, and everything else is refused.
"""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from .autograd import _fitted, _leading_to, _not_differentiable, _own, _youngest_first, _zero_stays_zero, grad
from .graph import RULES, Node
from .losses.reduction import weighted
from .nn import functional as F
from .nn.conv import convolve
from .nn.module import Module
from .nn.pooling import max_pool, mean_pool
from .outer import OuterProducts, fitting, outer_products
from .rules.elementwise import cast, clip, where
from .rules.indexing import gather, scatter
from .rules.linear_algebra import einsum
from .rules.reductions import cumprod_last, cumsum_along, prod_last, root_sum_squares
from .rules.shapes import concatenate, pad_constant
from .tensor import Tensor, as_array


def per_sample_gradients(
    model: Module, loss: Callable[..., Any], X: Any, y: Any, *, factored: bool = False
) -> dict[str, Any]:
    """The gradient of every sample's own loss with respect to every parameter.

    Row i is the derivative of l_i = loss(model(X), y, reduction="none")[i]. The gradient of a weighted loss is the
    weighted sum of these rows.

    Parameters
    ----------
    model : Module
        Used in the mode that it is in; Dropout draws one mask for the batch, as in one step of training. Samples must
        not interact: BatchNorm in training mode is refused, and so is all else that mixes rows.
    loss : callable
        A loss of ``mg.losses``, or ``functools.partial`` of one with weights or settings (weights then multiply the
        rows); or any function (prediction, target) -> Tensor (N,).
        Of multi-label losses, (N, K), the entries of a sample are added up.
    X : array or Tensor, shape (N, ...)
    y : whatever `loss` takes as targets of N samples
    factored : bool, default False
        Leave the gradients of linear layers as ``OuterProducts`` of two vectors per sample. Arrays take N times the
        memory of the model, and to fill it takes most of the time; the factors take next to none of either. The
        functions ``norms``, ``dot`` and ``weighted_sum`` of this module take both.

    Returns
    -------
    dict of parameter name to array, shape (N, *parameter.shape)
        In the parameter's dtype; zeros for a parameter that is not used. Frozen parameters are left out, and no
        ``.grad`` is touched. If `factored`, OuterProducts for each parameter that is used once, as the weight of
        ``linear`` with inputs (N, in): G_i = (dl_i / dy_i) x_i^T.

    Raises
    ------
    ValueError
        If the loss has not N entries, if samples interact, or if a parameter reaches the loss through an operation
        that is not known to keep samples apart; the message names the operation.

    Examples
    --------
    >>> model = mg.nn.Linear(2, 1, bias=False)
    >>> model.load_state_dict({"weight": [[1.0, 1.0]]})
    >>> X, y = np.array([[1.0, 0.0], [1.0, 2.0]]), np.array([[0.0], [0.0]])
    >>> gradients = mg.per_sample_gradients(model, mg.losses.mse, X, y)
    >>> gradients["weight"]  # 2 (z_i - y_i) x_i; here z = 1, 3
    array([[[ 2.,  0.]],
           [[ 6., 12.]]], dtype=float32)

    No sample may pull harder than 1, with no array of N gradients on the way:

    >>> gradients = mg.per_sample_gradients(model, mg.losses.mse, X, y, factored=True)
    >>> gradients["weight"]
    <OuterProducts: 2 samples of shape (1, 2), float32>
    >>> w = 1 / np.maximum(mg.per_sample.norms(gradients), 1)
    >>> mg.per_sample.weighted_sum(gradients, w)["weight"].round(3)
    array([[1.447, 0.894]], dtype=float32)

    References
    ----------
    Goodfellow, "Efficient per-example gradient computations" (2015), arXiv:1510.01799, for linear layers; here for
    any graph.
    """
    _refuse_batch_norm(model)
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    data = as_array(X)
    x = Tensor(data, requires_grad=data.dtype.kind == "f")  # so that the graph tells what depends on the samples
    losses = losses_of_samples(loss, model(x), y)
    if losses.shape != data.shape[:1]:
        raise ValueError(
            f"per_sample_gradients: X has {len(data)} samples, but the loss has shape {losses.shape}, expected "
            f'({len(data)},): one value per sample, as reduction="none" gives'
        )
    found = _sweep(losses, parameters.values(), x, factored)
    others: set[int] = set()

    def result(p: Any) -> Any:
        if p not in found:
            return np.zeros((len(data), *p.shape), p.dtype, like=p.data)
        return found[p] if isinstance(found[p], OuterProducts) else _own(found[p], others).data

    return {name: result(p) for name, p in parameters.items()}


def norms(gradients: Mapping[str, Any]) -> Any:
    """The length of every sample's gradient over all parameters, (N,), of what ``per_sample_gradients`` returned."""
    each = [g.norms() if isinstance(g, OuterProducts) else np.linalg.norm(_flat(g), axis=1) for g in gradients.values()]
    return np.linalg.norm(np.stack(each), axis=0)


def dot(gradients: Mapping[str, Any], direction: Mapping[str, Any]) -> Any:
    """The inner product of every sample's gradient with a direction, (N,): one array for each parameter's name.

    Raises
    ------
    ValueError
        If the names differ or an array has not its parameter's shape.
    """
    if gradients.keys() != direction.keys():
        raise ValueError(f"dot: there are gradients of {sorted(gradients)}, but the direction has {sorted(direction)}")
    total: Any = 0
    for name, g in gradients.items():
        v = fitting(f"dot: the direction of {name}", direction[name], g.shape[1:], g)
        total = total + (g.dot(v) if isinstance(g, OuterProducts) else _flat(g) @ v.ravel())
    return total


def weighted_sum(gradients: Mapping[str, Any], w: Any) -> dict[str, Any]:
    """sum_i w_i grad l_i of every parameter, in the parameter's shape: the gradient of the loss with weights w, (N,).

    Raises
    ------
    ValueError
        If there is not one weight per sample.
    """
    result = {}
    for name, g in gradients.items():
        if isinstance(g, OuterProducts):
            result[name] = g.weighted_sum(w)
        else:
            result[name] = np.tensordot(fitting("weighted_sum: w, one weight per sample,", w, g.shape[:1], g), g, 1)
    return result


def _flat(g: Any) -> Any:
    return g.reshape((len(g), math.prod(g.shape[1:])))


def losses_of_samples(loss: Callable[..., Any], prediction: Any, target: Any, **weights: Any) -> Tensor:
    """``loss(prediction, target)`` before any reduction, (N,): the entries of a multi-label sample are added up.

    Functions that know no ``reduction=`` are taken to return one value per sample by themselves.
    """
    accepted = inspect.signature(loss).parameters.values()
    reducible = any(p.name == "reduction" or p.kind is p.VAR_KEYWORD for p in accepted)
    values = loss(prediction, target, **weights, **({"reduction": "none"} if reducible else {}))
    if not isinstance(values, Tensor) or not values.requires_grad:
        raise ValueError(
            "the losses of the samples do not depend on any parameter that requires grad: let the model compute on "
            "Tensors (no .data, .numpy() or detach() on the way), outside mg.no_grad(), with parameters not frozen"
        )
    return np.sum(values, axis=tuple(range(1, values.ndim))) if values.ndim > 1 else values


def _refuse_batch_norm(model: Module) -> None:
    if not isinstance(model, Module):
        raise TypeError(f"expected a mg.nn.Module, which names its parameters, got a {type(model).__name__}")
    for name, module in model.named_modules():
        if module.training and any(base.__name__.startswith("BatchNorm") for base in type(module).__mro__):
            raise ValueError(
                f"per_sample_gradients: {name or 'the model'} is a {type(module).__name__} in training mode. It "
                "standardizes with the mean and variance of the batch, so the loss of a sample depends on all others "
                "and no gradient belongs to one sample. Use model.eval(), whose statistics are fixed, or LayerNorm"
            )


def class_gradient_share(
    model: Module,
    loss: Callable[..., Any],
    X: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    parameters: Iterable[Tensor] | None = None,
) -> Any:
    """How much of the gradient comes from each class: ||G_c|| / sum_k ||G_k||, G_c = sum of w_i grad l_i over class c.

    One forward pass and one backward pass per class, which starts at the losses of that class alone; no gradient
    of a single sample is kept. The G_c add up to the gradient of the loss, their lengths need not.

    Parameters
    ----------
    model : Module
        BatchNorm is welcome: G_c is then the part of the batch's gradient that goes through the losses of class c.
    loss : callable
        As for ``per_sample_gradients``; it must take the weights that are given.
    X : array or Tensor, shape (N, ...)
    y : integer labels, shape (N,)
        For predictions (N, K), 0..K-1; for predictions (N,), two classes: y > 0 is class 1, all else class 0.
    sample_weight, class_weight : optional
        Handed to `loss`.
    parameters : iterable of Parameters, optional
        Measure the gradient of these alone, e.g. ``[model[2].weight]``. Default: all that require grad.

    Returns
    -------
    array, shape (K,)
        Not negative, summing to 1; all zeros where no class has a gradient.

    Raises
    ------
    ValueError
        If the labels are not integers of shape (N,).

    Examples
    --------
    Untrained, a class's share is about its share of the samples; balanced weights make the shares about equal.

    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(100, 4)).astype(np.float32), np.repeat([0, 1], [90, 10])
    >>> X[:, 0] += np.where(y == 0, 3, -3)
    >>> model = mg.nn.Linear(4, 2, rng=0)
    >>> share = mg.class_gradient_share(model, mg.losses.cross_entropy, X, y)
    >>> np.round(share, 1)
    array([0.9, 0.1], dtype=float32)
    >>> share = mg.class_gradient_share(model, mg.losses.cross_entropy, X, y, class_weight=mg.weighting.balanced(y))
    >>> np.round(share, 1)
    array([0.5, 0.5], dtype=float32)
    """
    weights = {"sample_weight": sample_weight, "class_weight": class_weight}
    prediction = model(X)
    losses = losses_of_samples(loss, prediction, y, **{k: v for k, v in weights.items() if v is not None})
    labels = as_array(y)
    if prediction.ndim == 1:
        labels = (labels > 0).astype(np.int64)
    if labels.shape != losses.shape or labels.dtype.kind not in "iu":
        raise ValueError(
            f"class_gradient_share needs the class of each sample, integer labels of shape {losses.shape}; "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    k = prediction.shape[1] if prediction.ndim > 1 else 2
    if parameters is None:
        parameters = [p for p in model.parameters() if p.requires_grad]
    wanted = list(parameters)
    of_class = [grad(losses, wanted, (labels == c).astype(losses.dtype)) for c in range(k)]
    lengths = np.sqrt(np.stack([sum(np.vdot(g.data, g.data) for g in gradients) for gradients in of_class]))
    total = lengths.sum()
    return lengths / np.where(total == 0, 1, total)


# --- The walk


def _sweep(losses: Tensor, parameters: Iterable[Tensor], x: Tensor, factored: bool) -> dict:
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
        vjps = rule.vjps or rule.vjps_of_each(len(node.args))
        wanted: list[tuple[int, Any, Any]] = [(i, p, vjps[i]) for i, p in enumerate(node.parents) if p in useful]
        for _, parent, vjp in wanted:
            if vjp is None:
                raise _not_differentiable(node, parent)
        g, everyone = apart.pop(node, None), shared.pop(node, None)
        if g is not None:
            chosen = [_way(ways, node, i, g) for i, _, _ in wanted]
            if all(chosen):
                for (_, parent, vjp), how in zip(wanted, chosen, strict=True):
                    if how is _linear_weight and parent in kept_as_factors and g.ndim == 2:
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
    if isinstance(function, np.ufunc) and function.signature is None:
        return entry_by_entry(node, i, g)
    if node.rule in ways:
        return ways[node.rule](node, i, g)
    if function.__module__.startswith(f"{__package__}.losses."):  # their contract: l_i comes of row i of the prediction
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
    shapes = ", ".join(str(np.shape(a)) for a, p in zip(node.args, node.parents, strict=True) if p is not None)
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


# --- How operations treat samples
#
# A way is asked about argument i of a node whose result has the samples in axis 0; g is the gradient there, shape
# (N, ...). It answers ROWS: row j of the result depends on row j of the argument alone, so that the ordinary vjp
# keeps the samples apart. Or with the per-sample vjp of an argument that serves all samples: called as the ordinary
# one, it returns (N, *shape), or what that was broadcast to. Or with None: it cannot vouch for either.

ROWS = object()

Way = Callable[[Node, int, Any], Any]


def entry_by_entry(node: Node, i: int, _g: Any) -> Any:
    """Functions that act on each entry by itself, after broadcasting."""
    argument = node.parents[i]
    return ROWS if argument.ndim == node.ndim and argument.shape[0] == node.shape[0] else node.rule.vjps[i]


def row_by_row(node: Node, i: int, _g: Any) -> Any:
    """Functions of one array whose row j of the result comes of row j of the array alone, whatever that row is."""
    return ROWS if i == 0 and node.parents[0].shape[:1] == node.shape[:1] else None


def along(axes_of: Callable[..., Any]) -> Way:
    """Functions of one array that mix entries along some axes; `axes_of` says which, None for all."""

    def way(node: Node, i: int, g: Any) -> Any:
        axes = axes_of(*node.args, **(node.kwargs or {}))
        if axes is None or 0 in normalize_axis_tuple(axes, node.parents[i].ndim, allow_duplicate=True):
            return None
        return row_by_row(node, i, g)

    return way


def _joined(node: Node, _i: int, _g: Any) -> Any:
    return ROWS if node.kwargs and node.kwargs["axis"] > 0 else None


def _linear(node: Node, i: int, _g: Any) -> Any:
    if node.args[0].ndim < 2:
        return None
    return (ROWS, _linear_weight, node.rule.vjps[2])[i]


def _linear_weight(g: Any, _y: Any, x: Any, _weight: Any, _bias: Any = None) -> Any:
    if x.ndim == 2:
        return outer_products(g, x)
    rows = x.reshape((len(x), -1, x.shape[-1]))
    return g.reshape((*rows.shape[:2], g.shape[-1])).swapaxes(1, 2) @ rows


def _convolve(_node: Node, i: int, _g: Any) -> Any:
    return (ROWS, _convolve_weight, _convolve_bias)[i]


def _convolve_weight(g: Any, _y: Any, x: Any, weight: Any, _bias: Any, geometry: Any) -> Any:
    """Each sample's windows, (windows, C * kh * kw), against its gradients, (O, windows)."""
    (n, o, h, w), (c, kh, kw) = g.shape, weight.shape[1:]
    padded = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in geometry.padding)))
    reach = tuple(d * (k - 1) + 1 for d, k in zip(geometry.dilation, (kh, kw), strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(2, 3))
    (sh, sw), (dh, dw) = geometry.stride, geometry.dilation
    windows = windows[:, :, ::sh, ::sw, ::dh, ::dw].transpose(0, 2, 3, 1, 4, 5).reshape(n, h * w, c * kh * kw)
    return (g.reshape(n, o, h * w) @ windows).reshape(n, *weight.shape)


def _convolve_bias(g: Any, _y: Any, _x: Any, _weight: Any, _bias: Any, _geometry: Any) -> Any:
    return np.sum(g, axis=(2, 3))


def _matmul(node: Node, i: int, g: Any) -> Any:
    a, b = node.args
    rows_of_a = a.ndim >= 2 and a.ndim - (b.ndim == 1) == g.ndim and a.shape[0] == len(g)
    rows_of_b = b.ndim >= 3 and b.ndim - (a.ndim == 1) == g.ndim and b.shape[0] == len(g)
    if (rows_of_a, rows_of_b)[i]:
        return ROWS
    if max(a.ndim, b.ndim) > 2:  # a stack of products, one for each sample
        return node.rule.vjps[i]
    if a.ndim == 2:
        return _matmul_weight
    return (lambda g, _y, _a, b: g[:, None] * b.T) if i == 0 else None


def _matmul_weight(g: Any, _y: Any, a: Any, b: Any) -> Any:
    return a * g[:, None] if b.ndim == 1 else np.einsum("ni,no->nio", a, g)


def _contract(node: Node, i: int, g: Any) -> Any:
    """np.einsum: the samples are the result's first letter."""
    inputs, output = node.args[0].split("->")
    labels = inputs.split(",")
    mine, sample = labels[i - 1], output[:1]
    if sample not in mine:
        return _contract_weight(i, sample)
    first = mine[0] == sample and mine.count(sample) == 1 and node.parents[i].shape[0] == len(g)
    return ROWS if first else None


def _contract_weight(i: int, sample: str) -> Callable[..., Any]:
    """Give each sample an operand of its own: then the ordinary vjp keeps them apart."""

    def vjp(g: Any, y: Any, subscripts: str, *operands: Any) -> Any:
        inputs, output = subscripts.split("->")
        labels = inputs.split(",")
        labels[i - 1] = sample + labels[i - 1]
        copies = list(operands)
        copies[i - 1] = np.broadcast_to(copies[i - 1], (len(g), *copies[i - 1].shape))
        return RULES[einsum].each(i, g, y, f"{','.join(labels)}->{output}", *copies)  # type: ignore[misc]

    return vjp


def _gathered(node: Node, _i: int, g: Any) -> Any:
    """Indexing: send the numbers of the rows the same way and see whether each arrives in its own row."""
    x, index = node.parents[0], node.args[1]
    samples = np.arange(len(g), like=g)
    if x.shape[:1] == (len(g),):
        sent = np.broadcast_to(_in_rows(samples, x.ndim), x.shape)[index]
        if (sent == _in_rows(samples, g.ndim)).all():
            return ROWS
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [p for p in parts if getattr(p, "ndim", 0)]
    if not arrays or arrays[0] is not parts[0] or any(p.dtype.kind not in "iu" for p in arrays):
        return None
    looked_up = np.broadcast_shapes(*(p.shape for p in arrays))
    if looked_up[0] != len(g):
        return None
    own = (_in_rows(samples, len(looked_up)), *parts)  # each sample picks from a table of its own
    return lambda g, _y, _x, _index: scatter(g, own, (len(g), *x.shape))


def _in_rows(samples: Any, ndim: int) -> Any:
    return samples.reshape((-1, *[1] * (ndim - 1)))


def _moved(order: Any) -> list[int] | None:
    return None if order is None else [i for i, axis in enumerate(order) if axis != i]


WAYS: dict[Any, Way] = {  # all element-wise ufuncs besides
    **dict.fromkeys((where, clip, cast, weighted, np.copy, np.broadcast_to), entry_by_entry),
    **dict.fromkeys((F.relu, F.leaky_relu, F.sigmoid, F.softplus, F.erf), entry_by_entry),
    **dict.fromkeys((np.reshape, np.squeeze, np.expand_dims, max_pool, mean_pool), row_by_row),
    **dict.fromkeys((np.sum, np.mean, np.max, np.min), along(lambda x, axis=None, *, keepdims=False: axis)),
    **dict.fromkeys((F.logsumexp,), along(lambda x, axis=-1, keepdims=False: axis)),
    **dict.fromkeys((F.softmax, F.log_softmax), along(lambda x, axis=-1: axis)),
    **dict.fromkeys((np.flip, cumsum_along), along(lambda x, axis=None: axis)),
    **dict.fromkeys((np.tril, np.triu), along(lambda m, k=0: -1)),
    **dict.fromkeys((prod_last, cumprod_last), along(lambda x: -1)),
    **dict.fromkeys((np.linalg.inv, np.linalg.det), along(lambda a: (-2, -1))),
    F.standardize: along(lambda x, axes, eps, moments=None: axes),
    np.swapaxes: along(lambda x, axis1, axis2: (axis1, axis2)),
    np.moveaxis: along(lambda x, source, destination: np.ravel([source, destination]).tolist()),
    root_sum_squares: along(lambda x, axis, keepdims: axis),
    np.roll: along(lambda x, shift, axis=None: axis),
    np.transpose: along(lambda x, axes=None: _moved(axes)),
    pad_constant: along(lambda x, width, value: [i for i, (before, after) in enumerate(width) if before or after]),
    concatenate: _joined,
    gather: _gathered,
    np.matmul: _matmul,
    einsum: _contract,
    F.linear: _linear,
    convolve: _convolve,
}
