"""The forward half of the engine: rules, and recording what NumPy computes.

A *rule* gives the derivative of one function, one callable per differentiable argument:

    rule(np.multiply, lambda g, _y, a, b: g * b,
                      lambda g, _y, a, b: g * a)

``g`` is the gradient of the loss with respect to the result ``y``; the function's own arguments follow. A rule is plain
NumPy, so it runs on whatever NumPy dispatches to: arrays in an ordinary backward pass, Tensors with
``create_graph=True``, where the backward pass is itself recorded. All bookkeeping is done here, once: broadcasting,
dtype, fan-in, shapes.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from itertools import count
from typing import Any

import numpy as np

from . import device as devices
from .tensor import Tensor

RULES: dict[Any, Rule] = {}
COMPOSITES: dict[Any, Callable[..., Any]] = {}  # functions that are built of others
PLAIN: set[Any] = set()  # functions that have no derivative: they return plain arrays
CREATORS = {np.zeros, np.ones, np.full, np.empty, np.eye, np.arange, np.asarray, np.array}

_births = count()


class _Mode(threading.local):
    recording = True


_mode = _Mode()


class Node:
    """One recorded call: its rule, what the rule needs to remember, and where the arguments came from.

    A node never refers to the Tensor that it produced, so graph and Tensors form no reference cycle: memory is freed
    the moment the last Tensor goes out of scope. ``parents[i]`` is the node behind argument i, the leaf Tensor itself,
    or None where no gradient is wanted. ``args[i]`` is that parent too where the rule needs no more than a shape.
    """

    __slots__ = ("args", "born", "dtype", "kwargs", "parents", "rule", "shape", "y")

    def __init__(self, rule: Rule, args: list, kwargs: dict | None, parents: list, y: Any) -> None:
        self.rule = rule
        self.args = args
        self.kwargs = kwargs
        self.parents = parents
        self.y = y if rule.keeps_y else None
        self.shape = y.shape
        self.dtype = y.dtype
        self.born = next(_births)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


class Rule:
    """A function and the derivative for each of its arguments (vjp: vector-Jacobian product)."""

    __slots__ = (
        "accepts", "dispatched", "dropped", "each", "forgets", "function", "keeps_y", "most", "name", "scales",
        "selects", "vjps",
    )  # fmt: skip

    def __init__(self, function: Callable, vjps: tuple, each: Callable | None, selects: bool) -> None:
        self.function = getattr(function, "__wrapped__", function)  # for NumPy's arrays: without its dispatch
        self.dispatched = self.function if hasattr(function, "is_primitive") else function
        self.name = function.__name__
        self.each = each
        self.selects = selects
        skipped = 2 if each else 1  # (i,) g
        parameters = self._parameters([vjp for vjp in (each, *vjps) if vjp is not None], skipped)
        names = [[p.name for p in own] for own in parameters]

        # What no vjp asks for is not kept: y, and the arguments' data.
        y_unused, *unused = [all(name.startswith("_") for name in column) for column in zip(*names, strict=False)]
        self.keeps_y = not y_unused
        kinds = [p.kind for p in parameters[0][1:]]
        variadic = inspect.Parameter.VAR_POSITIONAL in kinds
        self.forgets = kinds[0] is inspect.Parameter.VAR_POSITIONAL and unused[0]
        self.dropped = [i for i, u in enumerate(unused) if u]

        # A product of g with something that may not be finite, entry by entry.
        self.scales = is_elementwise(function) and not (y_unused and all(unused))

        # What may be given by name, how many arguments by position, and a place for each in vjps.
        self.accepts = {name for own in names for name in own[1:]}
        self.most = sys.maxsize if variadic else len(kinds) - kinds.count(inspect.Parameter.KEYWORD_ONLY)
        self.vjps = vjps if variadic else (*vjps, *[None] * (self.most - len(vjps)))

    def _parameters(self, vjps: list[Callable], skipped: int) -> list[list[inspect.Parameter]]:
        """The parameters of each vjp from y on."""
        given = [list(inspect.signature(vjp).parameters.values())[skipped:] for vjp in vjps]
        if any(len(parameters) < 2 for parameters in given):
            raise TypeError(
                f"the rule of {self.name}: each vjp is called as vjp(g, y, *arguments of {self.name}), "
                "so it takes at least three parameters, e.g. lambda g, y, x: g * y"
            )
        return given

    def vjps_of_each(self, n: int) -> list[Callable]:
        """The vjps of n arguments that are all treated alike."""
        assert self.each is not None
        return [partial(self.each, i) for i in range(n)]


def is_elementwise(function: Callable) -> bool:
    """Whether entry i of the result depends on entries i alone; matmul and its like are ufuncs with a signature."""
    return isinstance(function, np.ufunc) and function.signature is None


def rule(function: Callable, *vjps: Callable | None, each: Callable | None = None, selects: bool = False) -> None:
    """Say how `function` is differentiated.

    Parameters
    ----------
    function : a NumPy function or ufunc, or a function decorated with ``@mg.primitive``
    *vjps : callable or None
        One per argument, called as ``vjp(g, y, *args, **kwargs)`` with the arguments of the call; None for an argument
        that has no derivative. A parameter that it does not use starts with an underscore: the engine then does
        not keep the data (``_y`` arrives as None, any other as an object that has only a shape and a dtype).
        The result may have the broadcast shape; the engine sums it back and restores the dtype.
    each : callable, optional
        Instead of `vjps`, for a function of any number of arguments: ``each(i, g, y, *args, **kwargs)`` for argument i.
        Where it is written with ``*_args``, none are kept and none arrive.
    selects : bool
        The function passes on only some entries (np.where). Behind it, 0 * nan counts as 0: what was not selected
        gets no gradient even where its own derivative is not finite.

    Raises
    ------
    TypeError
        If `function` is one that the engine never gets to see, or a vjp takes too few parameters.

    Examples
    --------
    >>> @mg.primitive
    ... def cube(x):
    ...     return x * x * x
    >>> mg.rule(cube, lambda g, _y, x: g * 3 * x**2)
    >>> x = mg.tensor(2.0, requires_grad=True)
    >>> cube(x).backward()
    >>> x.grad.item()
    12.0
    """
    if not isinstance(function, (np.ufunc, type(np.sum))) and not hasattr(function, "is_primitive"):
        name = getattr(function, "__name__", function)
        raise TypeError(
            f"rule({name}, ...): the engine never sees calls of a plain Python function. "
            f"Decorate {name} with @mg.primitive first."
        )
    if not vjps and each is None:
        raise TypeError(f"rule({function.__name__}) needs at least one vjp: lambda g, y, *arguments: ...")
    RULES[function] = Rule(function, vjps, each, selects)


def primitive(function: Callable) -> Callable:
    """Make a function on arrays one that the engine records.

    Called on arrays the function just computes; called on a Tensor it is recorded under the rule that ``mg.rule`` gave
    it. The function itself always sees raw arrays.
    """

    @wraps(function)
    def recorded(*args, **kwargs):
        if kwargs and any(isinstance(v, Tensor) for v in kwargs.values()):
            return record(_rule_of(recorded), *_by_position(function, args, kwargs))
        for a in args:
            if isinstance(a, Tensor):
                return record(RULES.get(recorded) or _rule_of(recorded), args, kwargs)
        return function(*args, **kwargs)

    recorded.is_primitive = True  # type: ignore[attr-defined]
    return recorded


def _rule_of(function: Callable) -> Rule:
    try:
        return RULES[function]
    except KeyError:
        raise TypeError(
            f"the primitive {function.__name__} has no rule yet: mg.rule({function.__name__}, lambda g, y, ...: ...)"
        ) from None


def _by_position(function: Callable, args: Sequence, kwargs: dict) -> tuple[Sequence, dict]:
    """Tensors given by keyword, and what stands before them, moved to where the rule looks for them."""
    tensors = [name for name, value in kwargs.items() if isinstance(value, Tensor)]
    try:
        parameters = dict(inspect.signature(function).parameters)
    except ValueError:  # built-in functions have no signature
        parameters = {}
    if any(name not in parameters or parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in tensors):
        raise TypeError(f"{function.__name__}: pass the Tensor {', '.join(tensors)} by position, not by keyword")
    names = list(parameters)
    until = 1 + max(names.index(name) for name in tensors)
    moved = [kwargs.get(name, parameters[name].default) for name in names[len(args) : until]]
    for name, value in zip(names[len(args) : until], moved, strict=True):
        if value is inspect.Parameter.empty:
            raise TypeError(f"{function.__name__}() misses its argument {name!r}")
    return (*args, *moved), {name: value for name, value in kwargs.items() if name not in names[:until]}


def composite(function: Callable) -> Callable[[Callable], Callable]:
    """Say that `function`, called on Tensors, is computed as the decorated function of other supported functions."""

    def register(definition: Callable) -> Callable:
        COMPOSITES[function] = definition
        return definition

    return register


@contextmanager
def recording(wanted: bool) -> Iterator[None]:
    """Switch recording on or off for this thread."""
    before, _mode.recording = _mode.recording, wanted
    try:
        yield
    finally:
        _mode.recording = before


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without recording; a context manager and a decorator. Other threads are not affected.

    Examples
    --------
    >>> w = mg.tensor(1.0, requires_grad=True)
    >>> with mg.no_grad():
    ...     (w * 2).requires_grad
    False
    """
    with recording(False):
        yield


def record(rule: Rule, args: Sequence, kwargs: dict | None = None) -> Tensor:
    """Compute ``rule.function`` on the arrays behind `args`; where a gradient is wanted, add a node to the graph."""
    raw: list[Any] = []
    parents: list[Any] = []
    wanted = False
    for a in args:
        if isinstance(a, Tensor):
            raw.append(a.data)
            if a._requires_grad:
                parents.append(a._node or a)
                wanted = True
            else:
                parents.append(None)
        else:
            raw.append(_beside(args, a) if isinstance(a, (list, tuple)) and isinstance(rule.function, np.ufunc) else a)
            parents.append(None)
    try:
        function = rule.function if type(raw[0]) is np.ndarray else rule.dispatched
        y = function(*raw, **kwargs) if kwargs else function(*raw)
    except (TypeError, ValueError, MemoryError) as error:
        raise _explained(error, rule.name, raw) from error
    if type(y) is not np.ndarray:
        y = _as_result(y, rule.name)
    if not (wanted and _mode.recording):
        return Tensor(y)
    if y.dtype.kind != "f":
        raise TypeError(
            f"{rule.name} gave {y.dtype} where a gradient is wanted, but only real functions are differentiated: "
            "work with real and imaginary part, or pass t.detach()"
        )
    if len(raw) > rule.most:
        raise TypeError(f"{rule.name}: at most {rule.most} arguments by position here, got {len(raw)}: name the others")
    if kwargs:
        kwargs = _known(kwargs, rule)
    if rule.forgets:
        raw = []
    else:
        for i in rule.dropped:
            if i < len(parents) and parents[i] is not None:
                raw[i] = parents[i]
    return Tensor(y, True, Node(rule, raw, kwargs, parents, y))


def _beside(args: Sequence, numbers: Any) -> Any:
    """A list among the arguments as an array where the first Tensor is."""
    return np.asarray(numbers, like=next(a.data for a in args if isinstance(a, Tensor)))


def _known(kwargs: dict, rule: Rule) -> dict:
    """The keywords that the rule gets to see; dtype= is the engine's own affair."""
    known = {}
    for name, value in kwargs.items():
        if name in rule.accepts:
            known[name] = value
        elif f"_{name}" in rule.accepts:
            known[f"_{name}"] = value
        elif name != "dtype":
            raise _unknown(rule.name, kwargs, {accepted.lstrip("_") for accepted in rule.accepts})
    return known


def _unknown(name: str, kwargs: Iterable[str], known: Iterable[str]) -> TypeError:
    unknown = ", ".join(f"{k}=" for k in kwargs if k not in known)
    return TypeError(f"{name}(..., {unknown}) has no derivative here; it takes {', '.join(sorted(known))}")


def _as_result(y: Any, name: str) -> Any:
    """NumPy's scalars and Python numbers as 0-d arrays."""
    if isinstance(y, (np.generic, int, float)):
        return np.asarray(y)
    if not devices.is_array(y):
        raise TypeError(f"{name} returned a {type(y).__name__}; what is recorded returns one array")
    return y


def _explained(error: Exception, name: str, args: Sequence) -> Exception:
    """The error of a failed call, with what only we know: the function, the shapes, the devices."""
    arrays = [a for a in args if devices.is_array(a)]
    if isinstance(error, MemoryError):
        return devices.out_of_memory(error, name, [a.shape for a in arrays])
    found = sorted({devices.name_of(a) for a in arrays})
    if len(found) > 1:
        return TypeError(
            f"Expected all tensors to be on the same device, but found {' and '.join(found)} (in {name}). "
            "Move one of them with .to(device)."
        )
    kind = TypeError if isinstance(error, TypeError) else type(error)  # NumPy's own TypeErrors take more than a text
    return kind(f"{name} of {' and '.join(f'shape {a.shape}' for a in arrays)}: {error}")


# --- NumPy's calls arrive here ------------------------------------------------------------------------------------


def _array_ufunc(_self, ufunc, method, *args, **kwargs):
    if method == "__call__":
        rule = RULES.get(ufunc)
        if rule is not None and not kwargs:
            return record(rule, args)
        if "out" in kwargs:
            return _into_array(ufunc, args, kwargs)
        if ufunc in PLAIN:
            return _plain(ufunc, args, kwargs)
        if rule is not None and kwargs.keys() <= {"dtype"}:
            return record(rule, args, kwargs)
        if rule is not None:
            raise TypeError(
                f"np.{ufunc.__name__} with {', '.join(f'{k}=' for k in kwargs)} has no derivative here; "
                "use np.where on the result"
            )
    if method == "reduce" and ufunc in _REDUCTIONS:
        x, axis = args if len(args) == 2 else (args[0], kwargs.pop("axis", 0))
        return _REDUCTIONS[ufunc](x, axis=axis, **kwargs)
    raise _no_rule(f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}"))


_REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
}


def _array_function(self, function, _types, args, kwargs):
    if function in RULES:  # first, so that a user's rule for a composite counts
        if kwargs and any(isinstance(v, Tensor) for v in kwargs.values()):
            args, kwargs = _by_position(function, args, kwargs)
        return record(RULES[function], args, kwargs)
    if function in COMPOSITES:
        return _composed(function, args, kwargs)
    if function in PLAIN:
        return _plain(function, args, kwargs)
    if function in CREATORS:  # np.zeros(shape, like=tensor)
        return function(*args, **kwargs, like=self.data)
    raise _no_rule(f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1))


def _plain(function, args, kwargs):
    raw = _raw(args)
    try:
        return function(*raw, **_raw(kwargs))
    except TypeError as error:
        if len({devices.name_of(a) for a in raw if devices.is_array(a)}) > 1:
            raise _explained(error, function.__name__, raw) from error
        raise


def _composed(function, args, kwargs):
    definition = COMPOSITES[function]
    try:
        return definition(*args, **kwargs)
    except TypeError:
        known = inspect.signature(definition).parameters
        if kwargs.keys() <= known.keys():
            raise
    raise _unknown(function.__name__, kwargs, known)


def _into_array(ufunc, args, kwargs):
    """``array += tensor`` writes numbers into a plain array; a gradient cannot follow them there."""
    differentiable = _mode.recording and any(isinstance(a, Tensor) and a._requires_grad for a in args)
    if differentiable or any(isinstance(o, Tensor) for o in kwargs["out"]):
        raise TypeError(
            f"np.{ufunc.__name__}(..., out=) writes into an existing array, where the graph cannot follow: "
            "use the returned value, t = t + u. To change a parameter's numbers in place, work on its .data "
            "with a value that does not require grad."
        )
    return ufunc(*_raw(args), **_raw(kwargs))


def _raw(value: Any) -> Any:
    """The same arguments with every Tensor replaced by its array."""
    if isinstance(value, Tensor):
        return value.data
    if type(value) in (list, tuple):
        return type(value)(_raw(v) for v in value)
    if type(value) is dict:
        return {key: _raw(v) for key, v in value.items()}
    return value


def _no_rule(name: str) -> TypeError:
    return TypeError(
        f"minigrad has no rule for {name}, so no gradient would flow through it. Write it with supported functions, "
        f"or give its derivative: mg.rule({name}, lambda g, y, x: ...). For the numbers alone, pass t.numpy()."
    )


Tensor.__array_ufunc__ = _array_ufunc
Tensor.__array_function__ = _array_function
