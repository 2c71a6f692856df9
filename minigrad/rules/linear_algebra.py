"""Products of vectors, matrices and tensors; norms are with the reductions; solving, inverse, determinant."""

from string import ascii_letters

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..graph import composite, primitive, rule

# --- Products


def _matmul_left(g, a, b):
    if b.ndim == 1:
        return g[..., None] * b
    if a.ndim == 1:
        return (b @ g[..., None])[..., 0]
    return g @ b.swapaxes(-1, -2)


def _matmul_right(g, a, b):
    if a.ndim == 1:
        return a * g if b.ndim == 1 else a[:, None] * g[..., None, :]
    if b.ndim == 1:
        return (a.swapaxes(-1, -2) @ g[..., None])[..., 0]
    return a.swapaxes(-1, -2) @ g


rule(np.matmul, lambda g, _y, a, b: _matmul_left(g, a, b), lambda g, _y, a, b: _matmul_right(g, a, b))


@composite(np.dot)
def dot(a, b):
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    return np.matmul(a, b) if np.ndim(b) <= 2 else np.tensordot(a, b, (-1, -2))


@composite(np.inner)
def inner(a, b):
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    return np.tensordot(a, b, (-1, -1))


@composite(np.outer)
def outer(a, b):
    return np.ravel(a)[:, None] * np.ravel(b)


@composite(np.tensordot)
def tensordot(a, b, axes=2):
    if np.ndim(axes) == 0:
        axes = (range(a.ndim - axes, a.ndim), range(axes))
    left, right = (list(normalize_axis_tuple(ax, np.ndim(x))) for x, ax in zip((a, b), axes, strict=True))
    rest_a = [i for i in range(a.ndim) if i not in left]
    rest_b = [i for i in range(b.ndim) if i not in right]
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ValueError(f"tensordot: shapes {a.shape} and {b.shape} do not match along axes {left} and {right}")
    n = int(np.prod([a.shape[i] for i in left]))
    rows = np.reshape(np.transpose(a, rest_a + left), (int(np.prod([a.shape[i] for i in rest_a])), n))
    columns = np.reshape(np.transpose(b, right + rest_b), (n, int(np.prod([b.shape[i] for i in rest_b]))))
    return np.reshape(rows @ columns, [a.shape[i] for i in rest_a] + [b.shape[i] for i in rest_b])


@primitive
def einsum(subscripts, *operands):
    """np.einsum with explicit output and without ellipsis."""
    return np.einsum(subscripts, *operands)


def _contract_vjp(i, g, subscripts, operands):
    """Swap the operand with the result.

    Labels that only this operand has (at this size: others may broadcast along it) were summed away: ones bring them
    back. A label that it repeats took a diagonal: an identity puts the gradient on that diagonal.
    """
    inputs, output = subscripts.split("->")
    labels = inputs.split(",")
    mine = labels.pop(i)
    x, others = operands[i], [operand for j, operand in enumerate(operands) if j != i]
    fresh = (letter for letter in ascii_letters if letter not in subscripts)
    known: set = set()
    for label, other in zip([output, *labels], [g, *others], strict=True):
        known |= set(zip(label, np.shape(other), strict=True))
    target = ""
    for label, size in zip(mine, x.shape, strict=True):
        if label in target:
            twin = next(fresh)
            labels.append(label + twin)
            others.append(np.diag(np.ones_like(g, x.dtype, shape=(size,))))
            target += twin
        else:
            target += label
            if (label, size) not in known:
                labels.append(label)
                others.append(np.ones_like(g, x.dtype, shape=(size,)))
    return np.einsum(f"{','.join([output, *labels])}->{target}", g, *others)


rule(einsum, each=lambda i, g, _y, subscripts, *operands: _contract_vjp(i - 1, g, subscripts, operands))


def _explicit(subscripts, operands):
    """The subscripts with an output and with letters for the ellipsis."""
    subscripts = subscripts.replace(" ", "")
    inputs, arrow, output = subscripts.partition("->")
    if not arrow:
        letters = inputs.replace(",", "").replace(".", "")
        output = ("..." if "..." in inputs else "") + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    free = [letter for letter in ascii_letters if letter not in subscripts]
    terms, longest = inputs.split(","), 0
    for i, (term, x) in enumerate(zip(terms, operands, strict=False)):  # np.einsum counts them, and says so
        if "..." in term:
            n = np.ndim(x) - len(term.replace("...", ""))
            terms[i] = term.replace("...", "".join(free[:n][::-1]))
            longest = max(longest, n)
    return ",".join(terms) + "->" + output.replace("...", "".join(free[:longest][::-1]))


@composite(np.einsum)
def einsum_of_numpy(subscripts, *operands, optimize=False):
    if not isinstance(subscripts, str):
        raise TypeError('np.einsum on Tensors takes its subscripts as a string, e.g. np.einsum("ij,jk->ik", a, b)')
    del optimize  # a hint on the order of products; the result is the same
    return einsum(_explicit(subscripts, operands), *operands)


# --- Solving, inverse, determinant of (..., n, n) matrices

rule(np.linalg.inv, lambda g, y, _a: -y.swapaxes(-1, -2) @ g @ y.swapaxes(-1, -2))


@primitive
def solve_columns(a, b):
    return np.linalg.solve(a, b)


def _solve_right(g, a):
    return np.linalg.solve(a.swapaxes(-1, -2), g)


rule(
    solve_columns,
    lambda g, y, a, _b: -_solve_right(g, a) @ y.swapaxes(-1, -2),
    lambda g, _y, a, _b: _solve_right(g, a),
)


@composite(np.linalg.solve)
def solve(a, b):
    return solve_columns(a, b[:, None])[..., 0] if np.ndim(b) == 1 else solve_columns(a, b)


def _cofactors(a, det):
    """The derivative of the determinant; from the inverse, or, where that does not exist, from the minors."""
    if (det != 0).all():
        return det[..., None, None] * np.linalg.inv(a).swapaxes(-1, -2)
    n = a.shape[-1]
    others = [np.asarray([j for j in range(n) if j != i], int, like=a) for i in range(n)]
    rows = [
        np.stack([(-1) ** (i + j) * np.linalg.det(a[..., others[i], :][..., others[j]]) for j in range(n)], -1)
        for i in range(n)
    ]
    return np.stack(rows, -2)


rule(np.linalg.det, lambda g, y, a: g[..., None, None] * _cofactors(a, y))
