"""One row of a benchmark: the same work by several contenders, as numbers with their spread."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from . import THREAD_VARIABLES
from .timing import REST, ROUNDS, Spread, alternate

FEWEST = 7  # rounds, where the rests between turns on several threads would take longer than what is measured
OURS, ON_CPU = "minigrad", "minigrad on the CPU"  # the second where the first computes on a GPU


@dataclass
class Row:
    """`values` and `ratios` hold (median, lower quartile, upper quartile).

    Attributes
    ----------
    suite, case : what was done.
    unit : of the values: "s", "MB", or "" for plain numbers.
    values : what each contender took.
    ratios : minigrad over each other contender, round by round.
    aims : upper bounds of PERFORMANCE's table, for a ratio by the contender's name, for our own value under "minigrad".
    missing : contenders that took no part, and why.
    checked : how it was made sure that all did the same work.
    settings : threads, kernel ..., filled in by the process that ran it.
    """

    suite: str
    case: str
    values: dict[str, Spread]
    unit: str = "s"
    ratios: dict[str, Spread] = field(default_factory=dict)
    aims: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    checked: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Row:
        triples = {name: {k: tuple(v) for k, v in record[name].items()} for name in ("values", "ratios")}
        return cls(**{**record, **triples})

    @property
    def setting(self) -> str:
        """Threads and BLAS kernel in words."""
        threads = self.settings["threads"]
        kernel = re.search(r"kernel (\w+)", self.settings.get("BLAS") or "")
        return f"{threads} thread{'s' * (threads > 1)}" + (f", kernel {kernel[1]}" if kernel else "")

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes two rows of different runs the same measurement."""
        return self.suite, self.case, self.setting


def timed(
    suite: str,
    case: str,
    contenders: dict[str, Callable[[], Any]],
    seconds: float,
    *,
    clock: str = "wall",
    aims: dict[str, float] | None = None,
    missing: dict[str, str] | None = None,
    checked: str = "",
    finish: Callable[[], Any] = lambda: None,
) -> Row:
    """Time the contenders in turn."""
    threads = int(os.environ[THREAD_VARIABLES[0]])
    rounds = ROUNDS if threads == 1 else min(ROUNDS, max(FEWEST, round(seconds / REST / len(contenders))))
    timing = alternate(contenders, seconds, rounds, clock=clock, finish=finish, threads=threads)
    return Row(
        suite,
        case,
        {name: timing.seconds(name) for name in contenders},
        ratios={name: timing.ratio(OURS, name) for name in contenders if name != OURS and OURS in contenders},
        aims=aims or {},
        missing=missing or {},
        checked=checked,
    )
