"""The suites by name. Each is a module with a TITLE, SETTINGS and ``rows(scale)``.

SETTINGS are the threads, and whether both BLAS kernels are tried, with which the suite runs, each in a process of its
own; ``rows(scale)`` yields the rows, spending `scale` times the full time on each.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
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


def load(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{MODULES[name]}")


def absent(packages: Mapping[str, str]) -> dict[str, str]:
    """Contenders whose package cannot be imported, with the reason."""
    reasons = {}
    for contender, package in packages.items():
        try:
            importlib.import_module(package)
        except ImportError as error:
            reasons[contender] = str(error)
    return reasons
