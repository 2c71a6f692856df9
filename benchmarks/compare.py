"""What changed between two runs, beyond the noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rows import OURS, Row
from .timing import Spread

if TYPE_CHECKING:
    from .report import Result

YARDSTICKS = ("NumPy", "PyTorch", "CuPy")  # measured in the same run, they take the machine's mood out


def changes(old: Result, new: Result) -> list[str]:
    """A line for each measurement that both runs hold and whose quartiles do not overlap, and a summary.

    Compared is the ratio to the first of YARDSTICKS that both have, else the value itself.
    """
    before = {row.key: row for row in old.rows}
    pairs = [(before[row.key], row) for row in new.rows if row.key in before]
    lines = [f"\nAgainst {old.about['date']}, commit {old.about['commit'] or 'unknown'}:"]
    if old.about["processor"] != new.about["processor"]:
        lines.append(f"  another machine then ({old.about['processor']}): only ratios mean something")
    found = [line for a, b in pairs if (line := _change(a, b))]
    lines += found or ["  nothing changed beyond the noise"]
    return [*lines, f"  {len(pairs)} measurements in both, {len(found)} changed, {len(new.rows) - len(pairs)} new"]


def _change(old: Row, new: Row) -> str | None:
    shared = [name for name in YARDSTICKS if name in old.ratios and name in new.ratios]
    if shared:
        what, a, b = f"minigrad / {shared[0]}", old.ratios[shared[0]], new.ratios[shared[0]]
    elif OURS in old.values and OURS in new.values:
        what, a, b = OURS, old.values[OURS], new.values[OURS]
    else:
        return None
    if _overlap(a, b):
        return None
    word = "faster" if b[0] < a[0] else "slower"
    return f"  {word}: {new.suite}, {new.case}, {new.settings['threads']} threads: {what} {a[0]:.3g} -> {b[0]:.3g}"


def _overlap(a: Spread, b: Spread) -> bool:
    return a[1] <= b[2] and b[1] <= a[2]
