"""Every line of the table: values, first and second derivatives, dtypes, memory layouts."""

import inspect

import numpy as np
import pytest

import minigrad as mg
from minigrad.graph import COMPOSITES, RULES
from tests.rules.specifications import TABLE, Specification, module_of

API = """
    add subtract multiply divide negative power exp expm1 exp2 log log1p log2 log10 logaddexp sqrt cbrt square
    reciprocal absolute sign sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh hypot
    maximum minimum where clip sum mean prod max min var std cumsum cumprod reshape ravel transpose swapaxes moveaxis
    squeeze expand_dims broadcast_to concatenate stack split flip roll repeat tile pad matmul dot einsum tensordot outer
    inner trace diag tril triu sort take take_along_axis linalg.norm linalg.inv linalg.solve linalg.det
"""

every_line = pytest.mark.parametrize("spec", TABLE, ids=lambda spec: spec.label)


# --- An independent differentiator: central differences of one number


def slopes(f, arrays, h=1e-5):
    """The gradient of the number f(*arrays) with respect to each array."""
    gradients = []
    for n, x in enumerate(arrays):
        gradient = np.zeros_like(x)
        for i in np.ndindex(x.shape):
            there, back = ([a.copy() for a in arrays] for _ in range(2))
            there[n][i] += h
            back[n][i] -= h
            gradient[i] = (f(*there) - f(*back)) / (there[n][i] - back[n][i])
        gradients.append(gradient)
    return gradients


def leaves(arrays):
    return [mg.tensor(x, requires_grad=True) for x in arrays]


def cotangent(spec, y):
    return np.random.default_rng(len(spec.label)).uniform(0.5, 1.5, np.shape(y))


def gradients(spec, arrays, c, create_graph=False):
    inputs = leaves(arrays)
    return inputs, mg.grad(spec.call(*inputs), inputs, c, create_graph)


def close(actual, expected, rtol):
    for a, e in zip(actual, expected, strict=True):
        a, e = (v.numpy() if isinstance(v, mg.Tensor) else v for v in (a, e))
        assert a.shape == e.shape
        np.testing.assert_allclose(a, e, rtol=rtol, atol=rtol * max(1.0, np.abs(e).max(initial=0)))


# --- The table is complete


def test_every_rule_and_every_function_of_the_api_has_a_line():
    present = {spec.function for spec in TABLE}
    numpy_functions = {f for f in {*RULES, *COMPOSITES} if module_of(f).startswith("numpy")}
    primitives = {f for f in RULES if module_of(f).startswith("minigrad.nn.")}
    listed = {getattr(np.linalg, n[7:]) if n.startswith("linalg.") else getattr(np, n) for n in API.split()}
    missing = (numpy_functions | primitives | listed) - present
    assert not missing, f"add to tests/rules/specifications.py: {sorted(f.__name__ for f in missing)}"


def test_every_vjp_is_reached_by_a_line(monkeypatch):
    """Also those of the primitives behind NumPy's functions."""
    calls = set()
    ours = {f: r for f, r in RULES.items() if module_of(f).startswith(("numpy", "minigrad.rules", "minigrad.nn"))}

    def watched(vjp, name, i):
        return lambda *args, **kwargs: (calls.add((name, i)), vjp(*args, **kwargs))[1]

    expected = set()
    for function, rule in ours.items():
        expected |= {(rule.name, i) for i, vjp in enumerate(rule.vjps) if vjp}
        monkeypatch.setattr(rule, "vjps", tuple(v and watched(v, rule.name, i) for i, v in enumerate(rule.vjps)))
        if rule.each:
            expected.add((rule.name, "each"))
            monkeypatch.setattr(rule, "each", watched(rule.each, rule.name, "each"))
        assert RULES[function] is rule
    for spec in TABLE:
        arrays = spec.draw()
        inputs, first = gradients(spec, arrays, cotangent(spec, spec.call(*arrays)), create_graph=True)
        if any(g.requires_grad for g in first):  # scatter and sum_to stand in the derivatives of others
            mg.grad([g for g in first if g.requires_grad], inputs, [np.ones(g.shape) for g in first if g.requires_grad])
    assert calls == expected


# --- What each line must satisfy


@every_line
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_dtype_are_numpys(spec: Specification, dtype):
    arrays = [x.astype(dtype) for x in spec.draw()]
    expected = spec.call(*arrays)
    for inputs in (leaves(arrays), [mg.tensor(x) for x in arrays]):
        y = spec.call(*inputs)
        assert isinstance(y, mg.Tensor)
        assert y.dtype == expected.dtype == dtype
        assert y.shape == expected.shape
        np.testing.assert_allclose(y.data, expected, rtol=20 * np.finfo(dtype).eps, atol=20 * np.finfo(dtype).eps)


@every_line
def test_first_derivatives(spec: Specification):
    arrays = spec.draw()
    c = cotangent(spec, spec.call(*arrays))
    _, first = gradients(spec, arrays, c)
    assert all(g.dtype == np.float64 for g in first)
    close(first, slopes(lambda *a: np.sum(c * spec.call(*a)), arrays), rtol=1e-7)


@every_line
def test_create_graph_gives_the_same_gradient(spec: Specification):
    arrays = spec.draw()
    c = cotangent(spec, spec.call(*arrays))
    _, plain = gradients(spec, arrays, c)
    _, recorded = gradients(spec, arrays, c, create_graph=True)
    close(recorded, [g.numpy() for g in plain], rtol=1e-13)


@every_line
def test_second_derivatives(spec: Specification):
    """Derivatives of the gradient, with respect to the inputs and to the cotangent that it started from."""
    arrays = spec.draw()
    c = cotangent(spec, spec.call(*arrays))
    weights = [np.random.default_rng(n).uniform(0.5, 1.5, x.shape) for n, x in enumerate(arrays)]

    def weighted_gradient(*arrays_and_c):
        _, first = gradients(spec, arrays_and_c[:-1], arrays_and_c[-1])
        return sum(np.sum(w * g.numpy()) for w, g in zip(weights, first, strict=True))

    inputs, ct = leaves(arrays), mg.tensor(c, requires_grad=True)
    first = mg.grad(spec.call(*inputs), inputs, ct, create_graph=True)
    second = mg.grad(list(first), [*inputs, ct], weights)
    close(second, slopes(weighted_gradient, [*arrays, c]), rtol=1e-6)


@every_line
def test_float32_gradients_are_float32_and_near_those_of_float64(spec: Specification):
    arrays = [x.astype(np.float32) for x in spec.draw()]
    c = cotangent(spec, spec.call(*arrays)).astype(np.float32)
    for create_graph in (False, True):
        _, single = gradients(spec, arrays, c, create_graph)
        assert all(g.dtype == np.float32 for g in single)
    _, double = gradients(spec, [x.astype(np.float64) for x in arrays], c)
    close(single, [g.numpy() for g in double], rtol=2e-4)


def reversed_view(x):
    return x[(slice(None, None, -1),) * x.ndim].copy()[(slice(None, None, -1),) * x.ndim]


def strided_view(x):
    whole = np.full_like(x, np.nan, shape=tuple(2 * n for n in x.shape)) if x.ndim else np.copy(x)
    view = whole[(slice(None, None, 2),) * x.ndim] if x.ndim else whole
    view[...] = x
    return view


LAYOUTS = {"transposed": lambda x: x.T.copy().T, "reversed": reversed_view, "strided": strided_view}


@every_line
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_memory_layout_does_not_matter(spec: Specification, layout):
    arrays = spec.draw()
    c = cotangent(spec, spec.call(*arrays))
    _, expected = gradients(spec, arrays, c)
    inputs = [mg.Tensor(layout(t.data), requires_grad=True) for t in leaves(arrays)]
    c = layout(mg.tensor(c).data)
    close(mg.grad(spec.call(*inputs), inputs, c), [g.numpy() for g in expected], rtol=1e-12)


def test_no_rule_changes_its_arguments_or_the_incoming_gradient():
    for spec in TABLE:
        arrays = spec.draw()
        c = cotangent(spec, spec.call(*arrays))
        for x in (*arrays, c):
            np.asarray(x).flags.writeable = False
        inputs = [mg.Tensor(x, requires_grad=True) for x in arrays]
        mg.grad(spec.call(*inputs), inputs, mg.Tensor(c))
        close(inputs, spec.draw(), rtol=0)


# --- Spot checks beyond the table


def test_third_derivatives_are_exact():
    x = mg.tensor(np.linspace(-2, 2, 9), requires_grad=True)
    d1 = mg.grad(np.sum(np.sin(x) * x), x, create_graph=True)
    d2 = mg.grad(np.sum(d1), x, create_graph=True)
    d3 = mg.grad(np.sum(d2), x)
    v = x.numpy()
    close(
        [d1, d2, d3], [np.sin(v) + v * np.cos(v), 2 * np.cos(v) - v * np.sin(v), -3 * np.sin(v) - v * np.cos(v)], 1e-14
    )


def test_each_function_is_listed_once_under_one_label():
    labels = [spec.label for spec in TABLE]
    assert len(labels) == len(set(labels))
    assert all(callable(spec.call) and inspect.signature(spec.call) for spec in TABLE)
