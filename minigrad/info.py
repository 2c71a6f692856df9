"""What this machine has, and what would make it faster: ``minigrad info``."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from . import device

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_CORETYPE")
SMALL, LARGE = 64, 768  # rows and columns of the products that are timed


def info() -> str:
    """The machine, the versions, and advice from what was found and measured here (in about a second)."""
    variables = [f"  {name}={os.environ[name]}" for name in THREAD_VARIABLES if name in os.environ]
    folder = Path(__file__).resolve().parent
    pool = blas_pool()
    advice = [line for line in (about_kernel(pool), about_threads(pool), about_float64(), about_gpu()) if line]
    return "\n".join(
        [
            f"minigrad    {installed('minigrad') or 'not installed'}, running from {folder}",
            f"Python      {platform.python_version()} on {platform.system()} {platform.machine()}",
            f"NumPy       {np.__version__}",
            *describe_blas(pool),
            f"processors  {os.cpu_count()}",
            "environment" + ("" if variables else f"  none of {', '.join(THREAD_VARIABLES)} is set"),
            *variables,
            f"CuPy        {describe_cupy()}",
            "",
            "What would make it faster",
            *(f"- {line}" for line in advice),
        ]
    )


def installed(*names: str) -> str | None:
    """Version and name of the first of these distributions that is installed."""
    for name in names:
        try:
            return f"{importlib.metadata.version(name)} ({name})"
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


# --- What there is


def processor() -> str:
    """The name of the processor."""
    try:
        with open("/proc/cpuinfo") as info:
            return next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def has_avx512() -> bool:
    """Whether NumPy found AVX-512 in the processor."""
    simd = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    return any(name.startswith(("AVX512", "X86_V4")) for name in simd)


def blas_pool() -> dict[str, Any] | None:
    """What threadpoolctl knows of NumPy's BLAS; None if that is not installed, or knows none.

    SciPy's wheel brings a BLAS of its own, which is listed too once it is loaded.
    """
    try:
        from threadpoolctl import threadpool_info
    except ModuleNotFoundError:
        return None
    np.ones((2, 2)) @ np.ones((2, 2))  # some BLAS libraries are loaded at their first use
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return min(pools, key=lambda pool: "scipy.libs" in pool["filepath"], default=None)


def describe_blas(pool: dict[str, Any] | None) -> list[str]:
    """The BLAS that NumPy was built with, and the kernel that it chose for this processor."""
    blas = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    name = f"BLAS        {blas.get('name', 'unknown')} {blas.get('version', '')}".rstrip()
    if pool is None:
        return [name, "  kernel    unknown: threadpoolctl, which asks it, is not installed or does not know this BLAS"]
    kernel = pool.get("architecture") or "unknown"
    return [name, f"  kernel    {kernel}, {pool['num_threads']} threads ({pool['internal_api']})"]


def describe_cupy() -> str:
    """Which CuPy is installed, and whether a GPU answers."""
    found = installed("cupy-cuda13x", "cupy-cuda12x", "cupy")
    if found is None:
        return "not installed"
    if not device.is_available():
        return f"{found}, but {device.why_not()}"
    memory = device.memory()
    return f"{found}; the GPU answers, {memory.free / 2**30:.1f} of {memory.total / 2**30:.1f} GiB are free"


# --- What would help. Each returns a line of advice, or None.


def about_kernel(pool: dict[str, Any] | None) -> str | None:
    if pool is None or pool.get("architecture") != "Haswell" or not has_avx512():
        return None
    return (
        "BLAS: this processor has AVX-512, which the Haswell kernel does not use. Set OPENBLAS_CORETYPE=SkylakeX "
        "before Python starts, and measure both: python -m benchmarks mlp cnn"
    )


def about_threads(pool: dict[str, Any] | None) -> str | None:
    """One thread or all, for a small and a large product, measured here."""
    if pool is None or pool["num_threads"] == 1:
        return None
    from threadpoolctl import threadpool_limits

    n = pool["num_threads"]
    gains = {}
    for size in (SMALL, LARGE):
        together = product_time(size, np.float32)
        with threadpool_limits(1):
            alone = product_time(size, np.float32)
        gains[size] = alone / together
    line = (
        f"threads: on {n} of them a product of {LARGE} x {LARGE} runs {gains[LARGE]:.1f} times as fast as on one, "
        f"of {SMALL} x {SMALL} {gains[SMALL]:.1f} times"
    )
    if gains[SMALL] < 1.1:
        line += "; for small networks set OPENBLAS_NUM_THREADS=1, which leaves the other processors to other work"
    if n > (os.cpu_count() or n):
        line += f"; {n} threads are more than there are processors: set OPENBLAS_NUM_THREADS={os.cpu_count()}"
    return line


def about_float64() -> str:
    slower = product_time(LARGE, np.float64) / product_time(LARGE, np.float32)
    return (
        f"float64 by accident: its products take {slower:.1f} times as long here. NumPy makes float64 of Python's "
        "floats and of np.random's; mg.tensor and the data loaders make float32. Look at X.dtype"
    )


def about_gpu() -> str | None:
    return None if device.is_available() else f"GPU: {device.why_not()}"


def product_time(size: int, dtype: Any) -> float:
    """Seconds of a square matrix product: the least of some that take a twentieth of a second together."""
    a = np.ones((size, size), dtype)
    a @ a
    times: list[float] = []
    end = time.perf_counter() + 0.05
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - start)
    return min(times)
