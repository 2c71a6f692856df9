"""Functions that act on each entry by itself."""

import numpy as np

from .. import device as devices
from ..graph import composite, primitive, rule
from ..tensor import Tensor


def zero_as_infinity(y):
    """A denominator that turns 0 / 0 into 0, with derivatives 0."""
    return np.where(y == 0, np.inf, y)


# --- Arithmetic

rule(np.add, lambda g, _y, _a, _b: g, lambda g, _y, _a, _b: g)
rule(np.subtract, lambda g, _y, _a, _b: g, lambda g, _y, _a, _b: -g)
rule(np.multiply, lambda g, _y, _a, b: g * b, lambda g, _y, a, _b: g * a)
rule(np.divide, lambda g, _y, _a, b: g / b, lambda g, y, _a, b: -g * y / b)
rule(np.remainder, lambda g, _y, _a, _b: g, lambda g, _y, a, b: -g * np.floor(a / b))
rule(np.negative, lambda g, _y, _x: -g)
rule(np.positive, lambda g, _y, _x: g)
rule(np.reciprocal, lambda g, y, _x: -g * y * y)
rule(np.square, lambda g, _y, x: g * 2 * x)
rule(np.absolute, lambda g, _y, x: g * np.sign(x))
rule(np.fabs, lambda g, _y, x: g * np.sign(x))
rule(np.sign, lambda g, _y, _x: g * 0)

# --- Powers and roots


def _power_below(x, b):
    """x ** (b - 1); finite where b is 0, since the derivative b * x ** (b - 1) of a constant is 0 even at x = 0."""
    if isinstance(b, (int, float)):
        return x ** (b - 1 if b else 1)
    return x ** np.where(b == 0, 1, b - 1)


def _log_or_zero(x):
    """log(x), 0 at x = 0; of a Python number a Python number, which keeps float32."""
    logs = np.log(np.where(x == 0, 1, x))
    return float(logs) if isinstance(x, (int, float)) else logs


rule(
    np.power,
    lambda g, _y, x, b: g * b * _power_below(x, b),
    lambda g, y, x, _b: g * y * _log_or_zero(x),
)
rule(np.sqrt, lambda g, y, _x: g * 0.5 / y)
rule(np.cbrt, lambda g, y, _x: g / (3 * y * y))
rule(np.hypot, lambda g, y, a, _b: g * a / zero_as_infinity(y), lambda g, y, _a, b: g * b / zero_as_infinity(y))

# --- Exponentials and logarithms

rule(np.exp, lambda g, y, _x: g * y)
rule(np.expm1, lambda g, y, _x: g * (y + 1))
rule(np.exp2, lambda g, y, _x: g * y * float(np.log(2)))
rule(np.log, lambda g, _y, x: g / x)
rule(np.log1p, lambda g, _y, x: g / (x + 1))
rule(np.log2, lambda g, _y, x: g / (x * float(np.log(2))))
rule(np.log10, lambda g, _y, x: g / (x * float(np.log(10))))


def _to_chosen(g, y, a, b):
    """The share of `a` in the gradient of y, which is either a or b; at a tie each gets half."""
    return np.where(a == b, g / 2, np.where(a == y, g, 0))


def _to_summed(g, y, a, b, exp):
    """The share of `a` in the gradient of y = log(exp(a) + exp(b)): exp(a - y); at an infinity, y is a or b."""
    infinite = np.isinf(y)
    return np.where(infinite, _to_chosen(g, y, a, b), g * exp(a - np.where(infinite, 0, y)))


rule(
    np.logaddexp,
    lambda g, y, a, b: _to_summed(g, y, a, b, np.exp),
    lambda g, y, a, b: _to_summed(g, y, b, a, np.exp),
)
rule(
    np.logaddexp2,
    lambda g, y, a, b: _to_summed(g, y, a, b, np.exp2),
    lambda g, y, a, b: _to_summed(g, y, b, a, np.exp2),
)

# --- Trigonometric and hyperbolic functions and their inverses

rule(np.sin, lambda g, _y, x: g * np.cos(x))
rule(np.cos, lambda g, _y, x: -g * np.sin(x))
rule(np.tan, lambda g, y, _x: g * (1 + y * y))
rule(np.arcsin, lambda g, _y, x: g / np.sqrt(1 - x * x))
rule(np.arccos, lambda g, _y, x: -g / np.sqrt(1 - x * x))
rule(np.arctan, lambda g, _y, x: g / (1 + x * x))
rule(
    np.arctan2,
    lambda g, _y, a, b: g * b / zero_as_infinity(a * a + b * b),
    lambda g, _y, a, b: -g * a / zero_as_infinity(a * a + b * b),
)
rule(np.sinh, lambda g, _y, x: g * np.cosh(x))
rule(np.cosh, lambda g, _y, x: g * np.sinh(x))
rule(np.tanh, lambda g, y, _x: g * (1 - y * y))
rule(np.arcsinh, lambda g, _y, x: g / np.sqrt(1 + x * x))
rule(np.arccosh, lambda g, _y, x: g / np.sqrt(x * x - 1))
rule(np.arctanh, lambda g, _y, x: g / (1 - x * x))
rule(np.deg2rad, lambda g, _y, _x: g * (np.pi / 180))
rule(np.rad2deg, lambda g, _y, _x: g * (180 / np.pi))
rule(np.degrees, lambda g, _y, _x: g * (180 / np.pi))
rule(np.radians, lambda g, _y, _x: g * (np.pi / 180))

# --- Choices

for choice in (np.maximum, np.minimum, np.fmax, np.fmin):
    rule(
        choice,
        lambda g, y, a, b: _to_chosen(g, y, a, b),
        lambda g, y, a, b: _to_chosen(g, y, b, a),
        selects=True,
    )


@primitive
def where(condition, a, b):
    """np.where with three arguments."""
    return np.where(condition, a, b)


rule(
    where,
    None,
    lambda g, _y, condition, _a, _b: np.where(condition, g, 0),
    lambda g, _y, condition, _a, _b: np.where(condition, 0, g),
    selects=True,
)


@composite(np.where)
def where_of_numpy(condition, *branches):
    condition = condition.data if isinstance(condition, Tensor) else condition
    for branch in branches:
        if isinstance(branch, Tensor):  # a mask is about positions, as an index is: it follows what it selects from
            condition = devices.beside(condition, branch.data)
    return where(condition, *branches) if branches else np.where(condition)


@primitive
def clip(x, low, high):
    """np.clip with all arguments by position; a bound may be None."""
    return np.clip(x, low, high)


def _inside(x, low, high):
    """Bounds belong to the inside: an entry that sits on one can still move."""
    above = True if low is None else x >= low
    below = True if high is None else x <= high
    return above & below


def _empty(low, high):
    """Where low > high, NumPy gives `high`."""
    return low is not None and high is not None and low > high


rule(
    clip,
    lambda g, _y, x, low, high: np.where(_inside(x, low, high), g, 0),
    lambda g, _y, x, low, high: np.where((x < low) & np.logical_not(_empty(low, high)), g, 0),
    lambda g, _y, x, low, high: np.where((x > high) | _empty(low, high), g, 0),
    selects=True,
)


@composite(np.clip)
def clip_of_numpy(a, a_min=None, a_max=None, *, min=None, max=None):
    return clip(a, a_min if min is None else min, a_max if max is None else max)


# --- The same entries elsewhere: a copy, another dtype, another device

rule(np.copy, lambda g, _y, _x: g)


@primitive
def cast(x, dtype):
    return x.astype(dtype)


rule(cast, lambda g, _y, _x, _dtype: g)  # the engine restores the dtype


def astype(self, dtype):
    """The same values in another dtype; the gradient comes back in this one. Integers end the graph."""
    return cast(self if np.dtype(dtype).kind == "f" else self.detach(), dtype)


@primitive
def to(x, device):
    return devices.move(x, device)


rule(to, lambda g, _y, x, device: to(g, devices.name_of(x)))

Tensor.astype = astype
Tensor.to = to
