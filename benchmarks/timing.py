"""Timing several ways of doing the same work in one run, so that they can be compared on a noisy machine."""

from __future__ import annotations

import gc
import importlib.util
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import THREAD_VARIABLES


@dataclass
class Timing:
    """Seconds per call in every round, one list per contender."""

    rounds: dict[str, list[float]]

    def median(self, name: str) -> float:
        return statistics.median(self.rounds[name])

    def ratio(self, name: str, other: str) -> tuple[float, float, float]:
        """Median and quartiles of the round-by-round ratio of two contenders."""
        pairs = [a / b for a, b in zip(self.rounds[name], self.rounds[other], strict=True)]
        low, middle, high = statistics.quantiles(pairs, n=4)
        return middle, low, high


CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}


def alternate(
    contenders: dict[str, Callable[[], Any]], seconds: float = 2.0, rounds: int = 21, clock: str = "cpu"
) -> Timing:
    """Run the contenders in turn, A B C A B C ..., after a warm-up; CPU time of the process, or wall time; no gc.

    Every round calls each contender often enough to take about ``seconds / rounds / len(contenders)``.
    """
    now, calls = CLOCKS[clock], {}
    for name, call in contenders.items():
        for _ in range(3):
            call()
        start, n = now(), 0
        while now() - start < 0.02:
            call()
            n += 1
        calls[name] = max(1, round(n / 0.02 * seconds / rounds / len(contenders)))
    timing = Timing({name: [] for name in contenders})
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in contenders.items():
                start = now()
                for _ in range(calls[name]):
                    call()
                timing.rounds[name].append((now() - start) / calls[name])
    finally:
        gc.enable()
    return timing


def environment() -> list[str]:
    """The lines that belong above every table."""
    lines = [
        f"machine   {processor()}, {os.cpu_count()} cores; {platform.system()}",
        f"versions  Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {_version('torch')}",
        "threads   " + ", ".join(f"{name}={os.environ.get(name, 'unset')}" for name in THREAD_VARIABLES),
    ]
    if importlib.util.find_spec("threadpoolctl"):
        from threadpoolctl import threadpool_info

        for pool in threadpool_info():
            if pool["user_api"] == "blas":
                lines.append(
                    f"BLAS      {pool['internal_api']} {pool['version']}, kernel {pool['architecture']}, "
                    f"{pool['num_threads']} threads"
                )
                break
    return lines


def processor() -> str:
    try:
        with open("/proc/cpuinfo") as info:
            return next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(module: str) -> str:
    if importlib.util.find_spec(module) is None:
        return "not installed"
    return str(importlib.import_module(module).__version__)
