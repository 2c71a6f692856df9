"""The specifications of all rules: which function, called how, on what.

A line of the table is all that a new rule needs: test_rules.py and test_mutations.py take it from there, and
test_rules.py fails for a rule that has no line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.nn import conv, pooling
from minigrad.nn.conv import Geometry

# --- Domains: a function (rng, shape) -> float64 array, no two entries close to each other or to a kink at 0


def real(rng, shape):
    n = int(np.prod(shape))
    sizes = 0.3 + 1.2 * (rng.permutation(n) + rng.uniform(0.2, 0.8, n)) / max(n, 1)
    return (sizes * rng.choice([-1, 1], n)).reshape(shape)


def positive(rng, shape):
    return np.abs(real(rng, shape))


def fraction(rng, shape):
    """In (-1, 1)."""
    return real(rng, shape) * 0.6


def above_one(rng, shape):
    return positive(rng, shape) + 1


def large(rng, shape):
    """Of some thousands: where an unstable formula overflows."""
    return real(rng, shape) * 2000


def invertible(rng, shape):
    return real(rng, shape) + 3 * np.eye(shape[-1])


def weights(rng, shape):
    """Positive numbers, as real() makes them, for where signs would cancel."""
    return positive(rng, shape) + 0.5


class Specification(NamedTuple):
    """One call of one function. `inputs`: a (domain, shape) for each array that it is called on."""

    function: Any
    label: str
    call: Callable[..., Any]
    inputs: tuple[tuple[Callable, tuple[int, ...]], ...]

    def draw(self, seed: int = 0) -> list[np.ndarray]:
        rng = np.random.default_rng([seed, *self.label.encode()])
        return [np.asarray(domain(rng, shape)) for domain, shape in self.inputs]


TABLE: list[Specification] = []


def module_of(function):
    return getattr(function, "__module__", None) or "numpy"  # before NumPy 2.1 ufuncs do not say


def add(function, *shapes, of=real, text="", call=None, **options):
    """A line of the table: `function` (or `call`, where it needs more than options) on arrays of these shapes."""
    name = f"linalg.{function.__name__}" if "linalg" in module_of(function) else function.__name__
    said = text or ", ".join(f"{k}={v}" for k, v in options.items())
    label = f"{name}({' '.join(map(str, shapes))}{'; ' + said if said else ''})"
    domains = of if isinstance(of, tuple) else (of,) * len(shapes)
    TABLE.append(
        Specification(
            function,
            label.replace(", ", ","),
            call or (lambda *inputs: function(*inputs, **options)),
            tuple(zip(domains, shapes, strict=True)),
        )
    )


def each(function, cases, **more):
    """Several lines for one function: (text, call, shapes...)."""
    for text, call, *shapes in cases:
        add(function, *shapes, text=text, call=call, **more)


# --- Entry by entry

UNARY = {
    real: (np.negative, np.positive, np.square, np.absolute, np.fabs, np.sign, np.exp, np.expm1, np.exp2, np.sin,
           np.cos, np.tan, np.arctan, np.sinh, np.cosh, np.tanh, np.arcsinh, np.reciprocal, np.deg2rad, np.rad2deg,
           np.degrees, np.radians, np.cbrt, np.copy, F.relu, F.leaky_relu, F.sigmoid, F.softplus, F.erf),
    positive: (np.log, np.log2, np.log10, np.log1p, np.sqrt),
    fraction: (np.arcsin, np.arccos, np.arctanh),
    above_one: (np.arccosh,),
}  # fmt: skip
for domain, functions in UNARY.items():
    for f in functions:
        for shape in ((2, 3), (), (0, 2)):
            add(f, shape, of=domain)
each(np.copy, [
    ("astype", lambda x: x.astype(np.float64).astype(x.dtype), (2, 3)),
    ("to", lambda x: x.to("cpu") if isinstance(x, mg.Tensor) else x, (2, 3)),
])  # fmt: skip
for f in (F.sigmoid, F.softplus, F.leaky_relu, np.tanh):
    add(f, (4,), of=large, text="large")
add(F.leaky_relu, (5,), negative_slope=0.3)

BINARY = {
    real: (np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.fmax, np.fmin, np.hypot,
           np.arctan2, np.logaddexp, np.logaddexp2, np.remainder),
    weights: (np.power,),
}  # fmt: skip
for domain, functions in BINARY.items():
    for f in functions:
        for shapes in (((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 2)), ((), ()), ((0, 2), (2,))):
            add(f, *shapes, of=domain)
        add(f, (3,), of=domain, text="x, 1.7", call=lambda x, f=f: f(x, 1.7))
        add(f, (3,), of=domain, text="1.7, x", call=lambda x, f=f: f(1.7, x))
        add(f, (3,), of=domain, text="x, x * x", call=lambda x, f=f: f(x, x * x + 0.1))
for exponent in (0, 1, 2, 3, -1, -2, 2.0):
    add(np.power, (4,), text=f"x, {exponent}", call=lambda x, b=exponent: x**b)

each(np.where, [
    ("x > 0", lambda x: np.where(x > 0, x * x, -x), (2, 3)),
    ("row, column", lambda a, b: np.where(np.array([True, False, True]), a, b), (2, 1), (3,)),
    ("number", lambda x: np.where(x > 0, x, 2.0), (5,)),
    ("empty", lambda a, b: np.where(np.ones((0, 2), bool), a, b), (0, 2), (2,)),
])  # fmt: skip
each(np.clip, [
    ("-0.7, 0.8", lambda x: np.clip(x, -0.7, 0.8), (2, 4)),
    ("None, 0.8", lambda x: np.clip(x, None, 0.8), (6,)),
    ("-0.7, None", lambda x: np.clip(x, -0.7, None), (6,)),
    ("a_min=, a_max=", lambda x: np.clip(x, a_min=-0.7, a_max=0.8), ()),
    ("bounds", lambda x, low, high: np.clip(x, low - 0.5, high + 0.5), (2, 4), (4,), (2, 1)),
    ("low > high", lambda x, low, high: np.clip(x, low + 4, high), (2, 4), (4,), ()),
    ("only low", lambda x, low: np.clip(x, low, None), (2, 4), (4,)),
    ("empty", lambda x: np.clip(x, -1, 1), (0, 3)),
])  # fmt: skip

# --- Reductions: every axis argument, kept or not

AXES = (None, 0, -1, (0, 1), (0, -1), ())
REDUCTIONS = (np.sum, np.mean, np.max, np.min, np.prod, np.var, np.std, np.linalg.norm)
for f in REDUCTIONS:
    for axis in AXES[:-1] if f is np.linalg.norm else AXES:
        if f is not np.std or axis != ():
            add(f, (2, 3), axis=axis)
            add(f, (2, 3), axis=axis, keepdims=True)
    add(f, (2, 2, 3), axis=(0, 1) if f is np.linalg.norm else (0, 2))
    if f not in (np.linalg.norm, np.std):
        add(f, ())
for f in (np.sum, np.prod):
    add(f, (0, 2), axis=0)
    add(f, (0, 2))
for f in (np.mean, np.max, np.var, np.std):
    add(f, (2, 0), axis=0)
for f in (np.var, np.std):
    add(f, (2, 4), axis=1, ddof=1)
    add(f, (5,), correction=1)
for f in (np.sum, np.mean, np.prod):
    each(f, [("positional", lambda x, f=f: f(x, 1), (2, 3)), ("a=", lambda x, f=f: f(a=x, axis=-1), (2, 3))])
for f in (np.amax, np.amin):
    add(f, (2, 3), axis=1)
each(np.sum, [("dtype=", lambda x: np.sum(x, axis=0, dtype=x.dtype), (2, 3))])
each(np.mean, [("dtype=", lambda x: np.mean(x, 1, dtype=x.dtype), (2, 3))])
for ord in (1, 2, 3, 1.5, -1, np.inf, -np.inf):
    add(np.linalg.norm, (4,), ord=ord)
    add(np.linalg.norm, (2, 3), ord=ord, axis=1, keepdims=True)
for ord in ("fro", 1, -1, np.inf, -np.inf):
    add(np.linalg.norm, (2, 3), ord=ord)
    add(np.linalg.norm, (2, 2, 3), ord=ord, axis=(2, 0))
    add(np.linalg.norm, (2, 2, 3), ord=ord, axis=(-2, -1), keepdims=True)
each(np.average, [
    ("plain", lambda x: np.average(x, axis=0), (2, 3)),
    ("weights", lambda x, w: np.average(x, weights=w), (2, 3), (2, 3)),
    ("axis, row", lambda x, w: np.average(x, 1, w), (2, 3), (3,)),
    ("axis, keepdims", lambda x, w: np.average(x, axis=0, weights=w, keepdims=True), (2, 3), (2,)),
], of=weights)  # fmt: skip
for f in (np.cumsum, np.cumprod):
    for axis in (None, 0, -1):
        add(f, (2, 3), axis=axis)
    add(f, ())
    add(f, (0, 2), axis=0)
    add(f, (3, 0), axis=0)

# --- Moving entries

each(np.reshape, [
    ("(3, 2)", lambda x: np.reshape(x, (3, 2)), (2, 3)),
    ("-1", lambda x: np.reshape(x, -1), (2, 3)),
    ("to 0-d", lambda x: np.reshape(x, ()), (1,)),
    ("empty", lambda x: np.reshape(x, (0, 5)), (2, 0)),
    ("method", lambda x: x.reshape(3, 2), (2, 3)),
])  # fmt: skip
for f in (np.ravel, np.squeeze, np.transpose, np.flip):
    for shape in ((2, 1, 3), (), (0, 1)):
        add(f, shape)
add(np.squeeze, (2, 1, 1), axis=1)
add(np.squeeze, (1, 2, 1), axis=(0, -1))
each(np.expand_dims, [(str(ax), lambda x, ax=ax: np.expand_dims(x, ax), (2, 3)) for ax in (0, -1, (0, 2))])
each(np.swapaxes, [("0, -1", lambda x: np.swapaxes(x, 0, -1), (2, 3, 1))])
each(np.moveaxis, [
    ("0, -1", lambda x: np.moveaxis(x, 0, -1), (2, 3, 4)),
    ("tuples", lambda x: np.moveaxis(x, (0, 1), (-1, 0)), (2, 3, 4)),
])  # fmt: skip
each(np.transpose, [(str(ax), lambda x, ax=ax: np.transpose(x, ax), (2, 3, 4)) for ax in ((2, 0, 1), (-1, 0, 1))])
each(np.transpose, [("T", lambda x: x.T, (2, 3)), ("mT", lambda x: x.mT, (2, 3, 4))])
each(np.broadcast_to, [
    ("(4, 2, 3)", lambda x: np.broadcast_to(x, (4, 2, 3)), (2, 1)),
    ("0-d", lambda x: np.broadcast_to(x, (2, 2)), ()),
    ("empty", lambda x: np.broadcast_to(x, (0, 3)), (3,)),
])  # fmt: skip
for axis in (0, -1, (0, 1), None):
    add(np.flip, (2, 3), axis=axis)
add(np.flipud, (2, 3))
add(np.fliplr, (2, 3))
each(np.roll, [
    ("1", lambda x: np.roll(x, 1), (2, 3)),
    ("axis", lambda x: np.roll(x, -2, axis=1), (2, 3)),
    ("tuples", lambda x: np.roll(x, (1, 2), axis=(0, 1)), (2, 3)),
])  # fmt: skip
for f in (np.tril, np.triu):
    for k in (0, 1, -1):
        add(f, (3, 4), k=k)
    add(f, (2, 3, 3))
for f in (np.atleast_1d, np.atleast_2d):
    for shape in ((), (3,), (2, 3)):
        add(f, shape)
for axis in (0, -1, None):
    each(np.concatenate, [(f"axis={axis}", lambda *a, ax=axis: np.concatenate(a, axis=ax), (2, 3), (2, 3), (2, 3))])
each(np.concatenate, [
    ("uneven", lambda a, b, c: np.concatenate([a, b, c]), (2, 2), (1, 2), (0, 2)),
    ("with an array", lambda a: np.concatenate([a, np.asarray([1, 1], a.dtype, like=a)]), (3,)),
    ("one twice", lambda a: np.concatenate([a, a]), (3,)),
])  # fmt: skip
for axis in (0, 1, -1):
    each(np.stack, [(f"axis={axis}", lambda *a, ax=axis: np.stack(a, axis=ax), (2, 3), (2, 3))])
each(np.stack, [("0-d", lambda *a: np.stack(a), (), ()), ("a Tensor's rows", lambda a: np.stack(a), (2, 3))])
each(np.vstack, [("rows", lambda *a: np.vstack(a), (3,), (2, 3))])
each(np.hstack, [("matrices", lambda *a: np.hstack(a), (2, 1), (2, 2)), ("0-d", lambda *a: np.hstack(a), (), (2,))])
each(np.column_stack, [("mixed", lambda *a: np.column_stack(a), (2,), (2, 2))])
joined = lambda parts: np.concatenate([p * (i + 1) for i, p in enumerate(parts)], axis=-1)  # noqa: E731
each(np.split, [
    ("3", lambda x: joined(np.split(x, 3, -1)), (2, 6)),
    ("[1, 4]", lambda x: joined(np.split(x, [1, 4], axis=1)), (2, 6)),
    ("past the end", lambda x: joined(np.split(x, [2, 9])), (3,)),
])  # fmt: skip
each(np.array_split, [("uneven", lambda x: joined(np.array_split(x, 4, axis=1)), (2, 6))])
each(np.repeat, [
    ("2", lambda x: np.repeat(x, 2), (2, 3)),
    ("axis", lambda x: np.repeat(x, 3, axis=-1), (2, 3)),
    ("[2, 0, 1]", lambda x: np.repeat(x, [2, 0, 1], axis=1), (2, 3)),
])  # fmt: skip
each(np.tile, [(str(r), lambda x, r=r: np.tile(x, r), (2, 3)) for r in (2, (2, 1), (2, 2, 1), (0, 1), ())])
each(np.tile, [("0-d", lambda x: np.tile(x, 3), ())])
WIDTHS = (1, (1, 2), ((1, 0), (0, 2)))
each(np.pad, [(str(w), lambda x, w=w: np.pad(x, w), (2, 3)) for w in WIDTHS])
for mode in ("edge", "reflect", "symmetric", "wrap"):
    each(np.pad, [(mode, lambda x, m=mode: np.pad(x, ((1, 1), (2, 3)), mode=m), (2, 3))])
each(np.pad, [
    ("7", lambda x: np.pad(x, 1, constant_values=7), (2,)),
    ("value", lambda x, v: np.pad(x, 1, constant_values=v), (2, 2), ()),
])  # fmt: skip

if np.lib.NumpyVersion(np.__version__) >= "2.1.0":  # names that this version brought
    each(np.clip, [("min=, max=", lambda x: np.clip(x, min=-0.7, max=0.8), (6,))])
    each(np.reshape, [("shape=", lambda x: np.reshape(x, shape=(1, 6)), (2, 3))])

# --- Picking entries

INDICES = {
    "1": 1, "-1": -1, "slice": np.s_[::2], "reversed": np.s_[::-1], "negative step": np.s_[:, 3:0:-2],
    "None": np.s_[:, None, 1], "ellipsis": np.s_[..., 0], "list": [0, 2, 0], "array": np.array([[0, 2], [2, 2]]),
    "pairs": np.s_[[0, 1, 0], [2, 1, 2]], "rows and slice": np.s_[[0, 0], 1:], "separated": np.s_[[0, 1], None, [1, 1]],
    "mask of rows": np.array([True, False, True]), "mask": np.arange(12).reshape(3, 4) % 3 == 0, "empty": [],
    "tuple inside": ((0, 0), 1), "all": np.s_[...], "0-d array": np.array(1), "one entry": np.s_[1, 2],
}  # fmt: skip
# Indexing has no function's name: it stands under np.take.
each(np.take, [(f"x[{name}]", lambda x, i=index: x[i], (3, 4)) for name, index in INDICES.items()])
each(np.take, [
    ("flat", lambda x: np.take(x, [0, 5, 5]), (2, 3)),
    ("axis 1", lambda x: np.take(x, [[2, 0], [2, 2]], axis=1), (2, 3)),
    ("number", lambda x: np.take(x, -1, axis=-1), (2, 3)),
    ("tuple", lambda x: np.take(x, (1, 1), 0), (2, 3)),
    ("wrap", lambda x: np.take(x, [-4, 7, 1], mode="wrap"), (3,)),
    ("clip", lambda x: np.take(x, [-4, 7, 1], axis=0, mode="clip"), (3, 2)),
    ("0-d", lambda x: np.take(x, [0, 0]), ()),
    ("empty", lambda x: np.take(x, np.zeros((0,), int), axis=0), (2, 3)),
])  # fmt: skip
PICKED = np.array([[2, 0, 0], [1, 1, 2]])
each(np.take_along_axis, [
    ("axis 1", lambda x: np.take_along_axis(x, PICKED, axis=1), (2, 3)),
    ("axis 0", lambda x: np.take_along_axis(x, PICKED % 2, axis=0), (2, 3)),
    ("argmax", lambda x: np.take_along_axis(x, np.argmax(x, axis=-1, keepdims=True), -1), (2, 3)),
    ("None", lambda x: np.take_along_axis(x, np.array([5, 0]), axis=None), (2, 3)),
])  # fmt: skip
for axis in (-1, 0, None):
    add(np.sort, (2, 3), axis=axis)
each(np.diff, [(f"{n}, {ax}", lambda x, n=n, ax=ax: np.diff(x, n, ax), (3, 4)) for n in (0, 1, 2) for ax in (0, -1)])
for k in (0, 1, -2, 9):
    each(np.diag, [(f"k={k}", lambda x, k=k: np.diag(x, k), (3, 4))])
    each(np.diagonal, [(f"k={k}", lambda x, k=k: np.diagonal(x, k), (3, 4))])
    each(np.trace, [(f"k={k}", lambda x, k=k: np.trace(x, k), (3, 4))])
each(np.diag, [(f"vector, k={k}", lambda x, k=k: np.diag(x, k), (3,)) for k in (0, 1, -2)])
each(np.diagonal, [("axes", lambda x: np.diagonal(x, 1, 2, 0), (2, 3, 4))])
each(np.trace, [("axes", lambda x: np.trace(x, axis1=-1, axis2=0), (2, 3, 4))])

# --- Products

MATMUL = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((2, 2, 3), (3, 2)), ((3,), (2, 3, 2)),
          ((2, 2, 3), (3,)), ((2, 3), (2, 3, 2)), ((2, 1, 2, 3), (3, 3, 2)), ((2, 0), (0, 3)), ((0, 2), (2,)),
          ]  # fmt: skip
for shapes in MATMUL:
    add(np.matmul, *shapes)
DOT = [((), ()), ((), (2, 3)), ((2,), ()), *MATMUL[:5], ((3,), (2, 3, 2)), ((2, 3), (2, 3, 2)), ((2, 2, 3), (2, 3, 2))]
for shapes in DOT:
    add(np.dot, *shapes)
for shapes in (((), (2,)), ((2, 3), ()), ((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((2, 2, 3), (2, 3))):
    add(np.inner, *shapes)
for shapes in (((2,), (3,)), ((2, 2), (3,)), ((), (2,))):
    add(np.outer, *shapes)
for axes in (0, 1, 2, (1, 0), ((0, 1), (1, 0)), ((-1,), (0,)), ([], [])):
    add(np.tensordot, (3, 3), (3, 3), axes=axes)
add(np.tensordot, (2, 3, 4), (4, 3), axes=((1, 2), (1, 0)))
add(np.tensordot, (2, 3, 4), (3, 4, 2))
EINSUM = {
    "ij,jk->ik": ((2, 3), (3, 4)), "ij,jk": ((2, 3), (3, 4)), "ij->": ((2, 3),), "ij->j": ((2, 3),), "ii": ((3, 3),),
    "ii->i": ((3, 3),), "iij->j": ((2, 2, 3),), "iii->i": ((2, 2, 2),), "i,i": ((3,), (3,)), "i,j": ((2,), (3,)),
    "ij->ji": ((2, 3),), "ba": ((2, 3),), "bij,bjk->bik": ((2, 2, 3), (2, 3, 2)), "ij,k->i": ((2, 3), (2,)),
    "...ij,...jk->...ik": ((2, 2, 3), (3, 2)), "...i,i": ((2, 2, 3), (3,)), "i...,...->...": ((2, 3), (3,)),
    "...,...": ((2, 3), (3,)), "i j , j -> i": ((2, 3), (3,)), "ij,ij->i": ((2, 1), (2, 3)),
    "ij,jk->i": ((2, 3), (1, 2)),
    "i,i,i->": ((3,), (3,), (3,)), "i->": ((0,),), "->": ((),), ",i->i": ((), (3,)), "ii,i->": ((2, 2), (2,)),
    "ij,ij->": ((3, 1), (1, 2)),
}  # fmt: skip
each(np.einsum, [(text, lambda *a, s=text: np.einsum(s, *a), *shapes) for text, shapes in EINSUM.items()])
each(np.einsum, [("optimize", lambda a, b: np.einsum("ij,jk", a, b, optimize=True), (2, 3), (3, 2))])

for shape in ((2, 2), (3, 3), (2, 3, 3), (1, 1)):
    add(np.linalg.inv, shape, of=invertible)
    add(np.linalg.det, shape, of=invertible)
for shapes in (((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (3, 2)), ((3, 3), (2, 3, 2)), ((2, 2, 2), (2,))):
    add(np.linalg.solve, *shapes, of=(invertible, real))

# --- minigrad.nn.functional

for f in (F.softmax, F.log_softmax, F.logsumexp):
    for axis in (-1, 0):
        add(f, (2, 3), axis=axis)
    add(f, (4,))
    add(f, (0, 3))
add(F.log_softmax, (2, 3), of=large, text="large")
add(F.logsumexp, (2, 3), axis=0, keepdims=True)
add(F.logsumexp, (2, 3), axis=(0, 1))
for shapes in (
    ((2, 3), (4, 3), (4,)),
    ((2, 3), (4, 3)),
    ((3,), (4, 3), (4,)),
    ((2, 2, 3), (4, 3), (4,)),
    ((0, 3), (2, 3)),
):
    add(F.linear, *shapes)
each(F.standardize, [
    ("axis -1", lambda x: F.standardize(x, -1, 1e-5), (2, 4)),
    ("axes (0, 2)", lambda x: F.standardize(x, (0, 2), 1e-5), (2, 2, 3)),
])  # fmt: skip

# --- Images (tests/nn has the grids of shapes; here each rule meets the checks that all rules meet)

PLAIN_WINDOWS = Geometry(stride=(1, 1), padding=(0, 0), dilation=(1, 1))
WINDOWS = Geometry(stride=(2, 1), padding=(1, 0), dilation=(1, 2))
OVERLAPPING = Geometry(stride=(1, 2), padding=(0, 1), dilation=(1, 1))
IMAGE, KERNEL, RESULT, EMPTY = (2, 2, 3, 4), (3, 2, 2, 2), (2, 3, 2, 2), (0, 2, 3, 4)

each(conv.convolve, [
    ("plain", lambda x, w, b: conv.convolve(x, w, b, PLAIN_WINDOWS), IMAGE, KERNEL, (3,)),
    ("windows", lambda x, w: conv.convolve(x, w, None, WINDOWS), IMAGE, KERNEL),
    ("empty", lambda x, w, b: conv.convolve(x, w, b, WINDOWS), EMPTY, KERNEL, (3,)),
])  # fmt: skip
add(conv.convolve_weight, IMAGE, RESULT, kernel=(2, 2), geometry=WINDOWS, text="windows")
each(conv.convolve_input, [
    ("windows", lambda g, w: conv.convolve_input(g, w, IMAGE[2:], WINDOWS), RESULT, KERNEL),
])  # fmt: skip
add(conv.channel_sum, IMAGE)
for x, text in ((IMAGE, "overlapping"), (EMPTY, "empty")):
    for f in (pooling.max_pool, pooling.mean_pool):
        add(f, x, kernel=(2, 2), geometry=OVERLAPPING, text=text)
add(pooling.max_pool, IMAGE, kernel=(1, 2), geometry=OVERLAPPING, text="gaps")


def pooled(x):
    return pooling.max_pool(x, (2, 2), OVERLAPPING)


each(pooling.to_maximum, [
    ("overlapping", lambda g, x: pooling.to_maximum(g, x, pooled(x), (2, 2), OVERLAPPING), (2, 2, 2, 3), IMAGE),
])  # fmt: skip
each(pooling.at_maximum, [
    ("overlapping", lambda u, x: pooling.at_maximum(u, x, pooled(x), (2, 2), OVERLAPPING), IMAGE, IMAGE),
])  # fmt: skip
add(pooling.to_windows, (2, 2, 2, 3), size=(3, 4), kernel=(2, 2), geometry=OVERLAPPING, text="overlapping")
