"""What a node keeps: what a rule marks with an underscore is not kept, and what it does not mark is really used."""

import dis
import gc
import inspect
import weakref

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.graph import RULES
from tests.devices import on_device
from tests.rules.specifications import TABLE
from tests.rules.test_rules import close, cotangent, leaves


def names_read(vjp):
    """The local variables that the bytecode of `vjp` reads, those of functions inside it included."""
    codes, names = [inspect.unwrap(vjp).__code__], set()
    while codes:
        code = codes.pop()
        codes += [c for c in code.co_consts if inspect.iscode(c)]
        for instruction in dis.get_instructions(code):
            if any(load in instruction.opname for load in ("LOAD_FAST", "LOAD_DEREF", "LOAD_CLOSURE")):
                read = instruction.argval  # since Python 3.13 one instruction can read two
                names |= set(read) if isinstance(read, tuple) else {read}
    return names


def array_parameters(rule, vjp):
    """The parameters of `vjp` that hold y and the arrays that the rule differentiates."""
    parameters = list(inspect.signature(vjp).parameters.values())[2 if rule.each else 1 :]
    y, arguments = parameters[0].name, parameters[1:]
    if rule.each:
        return [y, *(p.name for p in arguments if p.kind is p.VAR_POSITIONAL)]
    return [y, *(p.name for p, derivative in zip(arguments, rule.vjps, strict=False) if derivative)]


VJPS = [
    pytest.param(rule, vjp, id=f"{function.__name__}-{i}")
    for function, rule in RULES.items()
    for i, vjp in enumerate(v for v in (rule.each, *rule.vjps) if v)
]


@pytest.mark.parametrize(("rule", "vjp"), VJPS)
def test_what_is_not_used_has_an_underscore(rule, vjp):
    kept = {name for name in array_parameters(rule, vjp) if not name.startswith("_")}
    in_vain = kept - names_read(vjp)
    assert not in_vain, f"the rule of {rule.name} keeps {in_vain} and does not use it: name it with an underscore"


@pytest.mark.parametrize(("rule", "vjp"), VJPS)
def test_a_result_with_an_underscore_is_not_used(rule, vjp):
    y = array_parameters(rule, vjp)[0]
    assert y.startswith("_") != (y in names_read(vjp))


def test_the_check_sees_through_nested_functions():
    def vjp(g, y, _x, a, _b):
        return [g * a for _ in range(3)] + [(lambda: y)()]

    assert names_read(vjp) >= {"g", "a", "y"}
    assert not names_read(vjp) & {"_x", "_b"}


@pytest.mark.parametrize("create_graph", [False, True])
def test_what_has_an_underscore_is_used_for_its_shape_alone(create_graph):
    """Inner results stand in as nodes, which have a shape and a dtype but no data."""
    for spec in TABLE:
        inputs = leaves(spec.draw())
        c = cotangent(spec, spec.call(*spec.draw()))
        expected = mg.grad(spec.call(*inputs), inputs, c)
        inner = mg.grad(spec.call(*[x * 1 for x in inputs]), inputs, c, create_graph)
        close(inner, expected, rtol=1e-13)


# --- The data are really gone

N = 1000
DROPS = {
    "add": lambda x: x + 1,
    "subtract": lambda x: 1 - x,
    "divide by a number": lambda x: x / 3,
    "negative": np.negative,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "relu": F.relu,
    "sigmoid": F.sigmoid,
    "log_softmax": F.log_softmax,
    "sum": np.sum,
    "mean": np.mean,
    "cumsum": np.cumsum,
    "flip": lambda x: np.flip(x) + 1,  # flip itself returns a view, which holds the array
    "where": lambda x: np.where(np.zeros(N, bool), x, 0),
    "index": lambda x: x[np.arange(3)],
    "concatenate": lambda x: np.concatenate([x, on_device(np.ones(3))]),
    "pad": lambda x: np.pad(x, 1),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, N)) + 1,
    "astype": lambda x: x.astype(np.float32),
}
KEEPS = {"sin": np.sin, "square": np.square, "log": np.log, "max": np.max, "multiply": lambda x: x * x}


def still_there(f):
    """Whether the argument of `f`, an inner result, lives as long as the graph does."""
    leaf = mg.tensor(np.linspace(1, 2, N), requires_grad=True)
    inner = leaf * 2
    data = weakref.ref(inner.data)
    y = f(inner)
    gc.disable()
    try:
        del inner
        alive = data() is not None
    finally:
        gc.enable()
    assert y.requires_grad
    return alive


@pytest.mark.parametrize("f", DROPS.values(), ids=DROPS)
def test_the_argument_is_not_kept(f):
    assert not still_there(f)


@pytest.mark.parametrize("f", KEEPS.values(), ids=KEEPS)
def test_the_argument_is_kept_where_the_rule_needs_it(f):
    assert still_there(f)


def test_no_result_is_kept_that_the_rule_does_not_need():
    x = mg.tensor(np.ones(N), requires_grad=True)
    y = np.sin(x)
    data = weakref.ref(y.data)
    z = np.sum(y)
    del y
    assert data() is None
    assert z.requires_grad
