"""The result of a run: as JSON, as a table in the terminal, as a Markdown report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import machine, suites
from .rows import ON_CPU, OURS, Row
from .timing import Spread


@dataclass
class Result:
    """`about` the machine, the rows, and a line for each suite that failed."""

    about: dict[str, Any]
    rows: list[Row]
    failures: list[str]

    def to_dict(self) -> dict[str, Any]:
        return {"about": self.about, "rows": [row.to_dict() for row in self.rows], "failures": self.failures}

    def groups(self) -> Iterator[tuple[str, str, list[Row]]]:
        """Rows of one suite under one setting: the suite, the setting in words, the rows."""
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            groups.setdefault((row.suite, row.setting), []).append(row)
        for (suite, words), rows in groups.items():
            yield suite, words, rows

    def table(self) -> str:
        lines = []
        for suite, words, rows in self.groups():
            lines += ["", f"{suite}: {suites.load(suite).TITLE}", f"({words})"]
            for row in rows:
                lines.append(f"  {row.case}")
                for name, value in row.values.items():
                    ratio = f"   minigrad / this {_ratio(row.ratios[name])}" if name in row.ratios else ""
                    lines.append(f"    {name:<28}{_value(value, row.unit):<34}{ratio}{_aim(row, name)}".rstrip())
            lines += [f"  took no part: {line}" for line in _missing(rows)]
        lines += ["", *self.crossovers()]
        return "\n".join([*lines, *(["", *self.failures] if self.failures else [])])

    def crossovers(self) -> list[str]:
        """For each model of the suite cpu-gpu, the batch from which on the GPU is faster, if it was there."""
        sweeps: dict[str, list[tuple[int, float]]] = {}
        for row in self.rows:
            found = re.fullmatch(r"(.+), batch (\d+): wall time", row.case)
            if found and ON_CPU in row.ratios:
                sweeps.setdefault(found[1], []).append((int(found[2]), row.ratios[ON_CPU][0]))
        lines = []
        for model, sweep in sweeps.items():
            slower = [batch for batch, ratio in sorted(sweep) if ratio >= 1]
            faster = [batch for batch, ratio in sorted(sweep) if ratio < 1 and batch > max(slower, default=0)]
            where = f"from batch {faster[0]} on" if faster else f"at no batch up to {max(sweep)[0]}"
            lines.append(f"{model}: the GPU is faster {where}, of those measured")
        return lines

    def aims(self) -> list[list[str]]:
        """Every bound that was set, as cells: suite, case, setting, measured, bound, whether it was reached."""
        cells = []
        for _, words, rows in self.groups():
            for row in rows:
                for name, bound in row.aims.items():
                    found = _against(row, name)
                    if found is None:
                        continue
                    text = _value(found, row.unit) if name == OURS else _ratio(found)
                    against = "itself" if name == OURS else name
                    limit = _number(bound, row.unit) if name == OURS else f"{bound:g}"
                    reached = "yes" if found[0] <= bound else "**no**"
                    cells.append([row.suite, row.case, words, against, text, f"<= {limit}", reached])
        return cells

    def markdown(self, pictures: list[Path]) -> str:
        lines = ["# Benchmarks", "", "```", *machine.lines(self.about), "```", ""]
        lines += [
            "Values are medians with their quartiles in brackets; a ratio is minigrad's time over the other's, round "
            "by round in one run: below 1 minigrad is faster.",
            "",
        ]
        lines += [f"{failure}\n" for failure in self.failures]
        aims = self.aims()
        if aims:
            lines += ["## The aims", ""]
            lines += _markdown_table(["suite", "case", "setting", "against", "measured", "aim", "reached"], aims)
        lines += [f"- {line}" for line in self.crossovers()] + [""]
        for picture in pictures:
            if picture.suffix == ".png":
                lines += [f"![{picture.stem}]({picture.name})", ""]
        for suite, words, rows in self.groups():
            lines += [f"## {suite}: {suites.load(suite).TITLE}", "", words, ""]
            cells = [
                [
                    row.case,
                    name,
                    _value(value, row.unit),
                    _ratio(row.ratios[name]) if name in row.ratios else "",
                    row.checked if name == OURS else "",
                ]
                for row in rows
                for name, value in row.values.items()
            ]
            lines += _markdown_table(["case", "by", "took", "minigrad / this", "the same work?"], cells)
            lines += [f"- took no part: {line}" for line in _missing(rows)] + [""]
        return "\n".join(lines).rstrip() + "\n"


def load(path: Path) -> Result:
    """A result that an earlier run has written.

    Raises
    ------
    SystemExit
        With a message, if there is none or it is not one.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Result(record["about"], [Row.from_dict(row) for row in record["rows"]], record["failures"])
    except OSError as error:
        raise SystemExit(f"benchmarks: {path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SystemExit(
            f"benchmarks: {path} is no results.json of this program ({type(error).__name__}: {error}); "
            "run python -m benchmarks again to make one"
        ) from error


def _against(row: Row, name: str) -> Spread | None:
    return row.values.get(OURS) if name == OURS else row.ratios.get(name)


def _aim(row: Row, name: str) -> str:
    bound = row.aims.get(name)
    found = _against(row, name)
    if bound is None or found is None:
        return ""
    limit = _number(bound, row.unit) if name == OURS else f"{bound:g}"
    return f"   aim <= {limit}: {'reached' if found[0] <= bound else 'NOT reached'}"


def _missing(rows: list[Row]) -> list[str]:
    """A line for each reason, with the contenders that it kept away."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        for name, why in row.missing.items():
            names = reasons.setdefault(why.splitlines()[0], [])
            if name not in names:
                names.append(name)
    return [f"{', '.join(names)}: {why}" for why, names in reasons.items()]


def _ratio(found: Spread) -> str:
    middle, low, high = found
    return f"{middle:.3g} [{low:.3g}, {high:.3g}]"


def _value(found: Spread, unit: str) -> str:
    middle, low, high = found
    return f"{_number(middle, unit)} [{_number(low, unit)}, {_number(high, unit)}]"


def _number(value: float, unit: str) -> str:
    if unit != "s":
        return f"{value:.3g} {unit}".strip()
    for factor, name in ((1, "s"), (1e3, "ms")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {name}"
    return f"{value * 1e6:.3g} us"


def _markdown_table(heads: list[str], rows: list[list[str]]) -> list[str]:
    return [
        "| " + " | ".join(heads) + " |",
        "|" + " --- |" * len(heads),
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows),
        "",
    ]
