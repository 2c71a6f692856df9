"""Timing several ways of doing the same work in one run, so that they can be compared on a noisy machine."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ROUNDS = 21
RAREST = 4  # a slow contender takes part in every fourth round at least
REST = 0.1  # seconds after which the idle threads of OpenBLAS and OpenMP have stopped spinning
CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}
Spread = tuple[float, float, float]


def spread(values: list[float]) -> Spread:
    """Median, lower and upper quartile."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, low, high


@dataclass
class Timing:
    """Seconds per call in every round, one list per contender; nan in a round that it skipped."""

    rounds: dict[str, list[float]]

    def seconds(self, name: str) -> Spread:
        return spread([t for t in self.rounds[name] if t == t])

    def median(self, name: str) -> float:
        return self.seconds(name)[0]

    def ratio(self, name: str, other: str) -> Spread:
        """Median and quartiles of the round-by-round ratio of two contenders."""
        pairs = zip(self.rounds[name], self.rounds[other], strict=True)
        return spread([a / b for a, b in pairs if a == a and b == b])


def alternate(
    contenders: dict[str, Callable[[], Any]],
    seconds: float = 2.0,
    rounds: int = ROUNDS,
    clock: str = "cpu",
    finish: Callable[[], Any] = lambda: None,
    threads: int = 1,
) -> Timing:
    """Run the contenders in turn, A B C A B C ..., after a warm-up; CPU time of the process, or wall time; no gc.

    Every round calls each contender often enough to take about ``seconds / rounds / len(contenders)``; one that takes
    longer than that for a single call skips rounds. `finish` waits for what the calls started, before a clock is read.

    With several `threads` every turn begins with a rest and a call that does not count. Each library has a pool of its
    own, whose idle threads wait in a loop for a while: without the rest they hold the processor that the next
    contender's threads need, and everybody is slowed down by whoever was before.
    """
    now = CLOCKS[clock]

    def take_a_turn(call: Callable[[], Any]) -> None:
        if threads > 1:
            time.sleep(REST)
            call()
            finish()

    share = seconds / rounds / len(contenders)
    calls, every = {}, {}
    for name, call in contenders.items():
        take_a_turn(call)
        start, n = now(), 0
        while n < 3 and now() - start < share:
            call()
            n += 1
        finish()
        start, n = now(), 0
        while n == 0 or now() - start < 0.02:
            call()
            n += 1
        finish()
        once = (now() - start) / n
        calls[name] = max(1, round(share / once))
        every[name] = min(RAREST, max(1, math.ceil(once / share / 2)))
    timing = Timing({name: [] for name in contenders})
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            for name, call in contenders.items():
                if number % every[name]:
                    timing.rounds[name].append(math.nan)
                    continue
                take_a_turn(call)
                start = now()
                for _ in range(calls[name]):
                    call()
                finish()
                timing.rounds[name].append((now() - start) / calls[name])
    finally:
        gc.enable()
    return timing
