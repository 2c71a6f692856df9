"""The suites by name. Each is a module with a TITLE, SETTINGS, PEERS, UNABLE and ``rows(scale)``.

SETTINGS are the threads, and whether both BLAS kernels are tried, with which the suite runs, each in a process of its
own; ``rows(scale)`` yields the rows, spending `scale` times the full time on each.
PEERS are the libraries of others that take part, UNABLE says of the others why they cannot: every table accounts for
every library in PACKAGES.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from types import ModuleType

MODULES = {
    "ops": "ops",
    "mlp": "mlp",
    "cnn": "cnn",
    "losses": "losses",
    "gradcheck": "gradcheck",
    "memory": "memory",
    "import": "imports",
    "scaling": "scaling",
    "cpu-gpu": "cpu_gpu",
}

PACKAGES = {
    "PyTorch": "torch",
    "JAX": "jax",
    "HIPS autograd": "autograd",
    "MyGrad": "mygrad",
    "micrograd": "micrograd",
    "scikit-learn": "sklearn",
}


def load(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{MODULES[name]}")


FULL_RUN_ALONE = ("JAX", "HIPS autograd", "MyGrad")  # they compile, or take long for a step


def absent(contenders: Iterable[str], scale: float = 1.0) -> dict[str, str]:
    """Contenders whose package cannot be imported, or that a quick run of this `scale` leaves out, with the reason.

    What follows a comma is a way of using the package.
    """
    reasons = {}
    for contender in contenders:
        package = contender.partition(",")[0]
        if scale < 1 and package in FULL_RUN_ALONE:
            reasons[contender] = "not in a quick run"
            continue
        try:
            importlib.import_module(PACKAGES[package])
        except ImportError as error:
            reasons[contender] = str(error)
    return reasons
