"""Importing the library in a fresh process, after NumPy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from ..rows import OURS, Row
from ..timing import spread
from . import absent

TITLE = "Importing, in a fresh process that has NumPy loaded"
SETTINGS = [{"threads": 1}]
AIM = 0.040
CODE = "import time, numpy; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
PACKAGES = {OURS: "minigrad", "HIPS autograd": "autograd.numpy", "MyGrad": "mygrad", "PyTorch": "torch", "JAX": "jax"}


def rows(scale: float) -> Iterator[Row]:
    missing = absent(PACKAGES)
    present = {name: package for name, package in PACKAGES.items() if name not in missing}
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # installed packages have .pyc
    times: dict[str, list[float]] = {name: [] for name in present}
    for number in range(max(3, round(11 * scale)) + 1):
        for name, package in present.items():
            found = float(subprocess.check_output([sys.executable, "-c", CODE.format(package)], env=environ))
            if number:  # the first writes .pyc files and warms the disk's cache
                times[name].append(found)
    yield Row(
        "import",
        "import after NumPy",
        {name: spread(values) for name, values in times.items()},
        aims={OURS: AIM},
        missing=missing,
    )
