"""Importing the library in a fresh process, after NumPy."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator

from ..rows import OURS, Row
from ..timing import spread
from . import PACKAGES, absent

TITLE = "Importing, in a fresh process that has NumPy loaded"
SETTINGS = [{"threads": 1}]
AIM = 0.040
CODE = "import time, numpy; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
PEERS = {
    **PACKAGES,
    "HIPS autograd": "autograd.numpy",
    "micrograd": "micrograd.nn",
    "scikit-learn": "sklearn.neural_network",
}
UNABLE: dict[str, str] = {}


def rows(scale: float) -> Iterator[Row]:
    missing = absent(PEERS, scale)
    present = {OURS: "minigrad"} | {name: package for name, package in PEERS.items() if name not in missing}
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # installed packages have .pyc
    times: dict[str, list[float]] = {name: [] for name in present}
    for package in present.values():
        importlib.import_module(package)  # writes .pyc files and warms the disk's cache
    for _ in range(max(3, round(11 * scale))):
        for name, package in present.items():
            found = subprocess.check_output([sys.executable, "-c", CODE.format(package)], env=environ)
            times[name].append(float(found))
    yield Row(
        "import",
        "import after NumPy",
        {name: spread(values) for name, values in times.items()},
        aims={OURS: AIM},
        missing=missing,
    )
