"""What a measurement was made on: processor, threads, BLAS and its kernel, GPU, versions, commit."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from minigrad import device
from minigrad.info import blas_pool, processor

from . import THREAD_VARIABLES

PACKAGES = (
    "minigrad", "numpy", "torch", "jax", "autograd", "mygrad", "micrograd", "scikit-learn", "cupy-cuda12x",
    "cupy-cuda13x",
)  # fmt: skip


def describe() -> dict[str, Any]:
    """All of it; what is not known is None."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "blas": blas(),
        "threads": {name: os.environ.get(name) for name in THREAD_VARIABLES},
        "gpu": gpu(),
        "dtype": "float32 unless a row says otherwise",
        "tf32": "off on both sides",
        "commit": commit(),
    }


def blas() -> str | None:
    """The BLAS in this process, its kernel and its threads; None if threadpoolctl, which asks it, is not installed."""
    pool = blas_pool()
    if pool is None:
        return None
    kernel = pool.get("architecture") or "unknown"
    return f"{pool['internal_api']} {pool['version']}, kernel {kernel}, {pool['num_threads']} threads"


def gpu() -> str:
    """The GPU and its driver, or why there is none."""
    if reason := device.why_not():
        return f"none: {reason}"
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    return _output(query) or "one that nvidia-smi does not name"


def commit() -> str | None:
    """The commit of this checkout, with a + if files differ from it."""
    folder = Path(__file__).parent
    found = _output(["git", "-C", str(folder), "rev-parse", "--short", "HEAD"])
    changed = found and _output(["git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no"])
    return found and found + ("+" if changed else "")


def _output(command: list[str]) -> str | None:
    try:
        return subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL, timeout=20).strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def lines(about: dict[str, Any]) -> list[str]:
    """`describe()` to read."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return [
        f"machine   {about['processor']}, {about['cores']} cores; {about['system']}; {about['date']}",
        f"versions  Python {about['python']}, {versions}; commit {about['commit'] or 'unknown'}",
        f"BLAS      {about['blas'] or 'not named: install threadpoolctl'}",
        f"GPU       {about['gpu']}",
        f"numbers   {about['dtype']}; TF32 {about['tf32']}",
    ]
