"""Single operations: what the engine adds to NumPy's own cost, on four numbers and on many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import minigrad as mg

from ..rows import OURS, Row, timed
from ..steps.mlp_peers import jax_on_cpu
from . import absent

TITLE = "One operation, recorded, and its backward pass"
SETTINGS = [{"threads": 1}]

# Forward and backward of the whole, with g = ones: (name, function of a namespace and arguments, shapes)
OPERATIONS: list[tuple[str, Callable[..., Any], list[tuple[int, ...]]]] = [
    ("exp", lambda np, a: np.exp(a), [(4,)]),
    ("a * b", lambda np, a, b: a * b, [(4,), (4,)]),
    ("a + b, broadcast", lambda np, a, b: a + b, [(64, 10), (10,)]),
    ("exp, 10^6", lambda np, a: np.exp(a), [(10**6,)]),
    ("a * b, 10^6", lambda np, a, b: a * b, [(10**6,), (10**6,)]),
    ("matmul, 512", lambda np, a, b: a @ b, [(512, 512), (512, 512)]),
]
BY_HAND: dict[str, Callable[..., Any]] = {
    "exp": lambda g, a, y: g * y,
    "a * b": lambda g, a, b, y: (g * b, g * a),
    "a + b, broadcast": lambda g, a, b, y: (g, g.sum(axis=0)),
    "matmul, 512": lambda g, a, b, y: (g @ b.T, a.T @ g),
}
PEERS = ("PyTorch", "MyGrad", "HIPS autograd", "JAX, eager", "JAX, jit")
UNABLE = {
    "micrograd": "its operations are on single numbers",
    "scikit-learn": "trains whole networks, it has no operations",
}
NO_FORWARD = dict.fromkeys(("HIPS autograd", "JAX"), "nothing is recorded in a forward pass alone")
ONE_OP = {"forward": 2e-6, "both": 5e-6}  # the aims on four numbers


def rows(scale: float) -> Iterator[Row]:
    not_there = absent(PEERS)
    for name, f, shapes in OPERATIONS:
        rng = np.random.default_rng(0)
        arrays = [rng.uniform(0.5, 1.0, shape).astype(np.float32) for shape in shapes]
        made = _contenders(name, f, arrays, not_there)
        for part, aim in ONE_OP.items():
            contenders = {who: parts[part] for who, parts in made.items() if part in parts}
            if part == "both":
                _same({who: parts["both"]() for who, parts in made.items()})
            yield timed(
                "ops",
                f"{name}: {'forward' if part == 'forward' else 'forward and backward'}",
                contenders,
                2.0 * scale,
                clock="cpu",
                aims={OURS: aim} if shapes[0] == (4,) else {},
                missing=UNABLE | (NO_FORWARD if part == "forward" else {}) | not_there,
                checked="gradients agree to 1e-5" if part == "both" else "",
            )


def _contenders(name: str, f: Any, arrays: list[Any], missing: Any) -> dict[str, dict[str, Callable[[], Any]]]:
    """By contender: the forward pass, and both passes, which return the gradients.

    JAX eager is ``jax.vjp`` as it stands, which follows the operation anew in every call; with jit the value and the
    gradients are one compiled program. Compiling is not timed, waiting for the result is.
    """
    by_hand = BY_HAND[name.split(", 10^6")[0]]
    one = np.ones_like(f(np, *arrays))

    def numpy_both() -> Any:
        return by_hand(one, *arrays, f(np, *arrays))

    made: dict[str, dict[str, Callable[[], Any]]] = {
        OURS: _leaves(f, [mg.tensor(a, requires_grad=True) for a in arrays], np, one),
        "NumPy": {"forward": lambda: f(np, *arrays), "both": numpy_both},
    }
    if "PyTorch" not in missing:
        import torch

        torch.set_num_threads(1)
        made["PyTorch"] = _leaves(
            f, [torch.tensor(a, requires_grad=True) for a in arrays], torch, torch.from_numpy(one)
        )
    if "MyGrad" not in missing:
        import mygrad

        made["MyGrad"] = _leaves(f, [mygrad.tensor(a) for a in arrays], mygrad, one)
    if "HIPS autograd" not in missing:
        import autograd
        import autograd.numpy as anp

        both = autograd.elementwise_grad(lambda x: f(anp, *x))
        made["HIPS autograd"] = {"both": lambda: both(arrays)}
    if "JAX, jit" not in missing:
        jax, jnp = jax_on_cpu()

        def value_and_gradients(one: Any, *leaves: Any) -> Any:
            value, pull_back = jax.vjp(lambda *x: f(jnp, *x), *leaves)
            return value, pull_back(one)

        def both_in_jax(call: Callable[..., Any]) -> Any:
            return jax.block_until_ready(call(*on_jax))[1]

        on_jax = [jnp.asarray(a) for a in (one, *arrays)]
        made["JAX, eager"] = {"both": partial(both_in_jax, value_and_gradients)}
        made["JAX, jit"] = {"both": partial(both_in_jax, jax.jit(value_and_gradients))}
    return made


def _leaves(f: Any, leaves: list[Any], namespace: Any, one: Any) -> dict[str, Callable[[], Any]]:
    def both() -> Any:
        for leaf in leaves:
            leaf.grad = None
        f(namespace, *leaves).backward(one)
        return [leaf.grad for leaf in leaves]

    def mygrads() -> Any:
        f(namespace, *leaves).backward(one)
        return [leaf.grad for leaf in leaves]

    return {"forward": lambda: f(namespace, *leaves), "both": mygrads if namespace.__name__ == "mygrad" else both}


def _same(gradients: dict[str, Any]) -> None:
    expected = gradients.pop("NumPy")
    expected = expected if isinstance(expected, tuple) else (expected,)
    for who, found in gradients.items():
        for a, b in zip(found, expected, strict=True):
            array = a.numpy() if hasattr(a, "numpy") else np.asarray(a)
            np.testing.assert_allclose(array, b, rtol=1e-5, err_msg=who)
