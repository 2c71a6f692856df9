"""Which weighting works, and when? Networks, imbalances, methods and costs, each run a line of JSON.

    python -m benchmarks.study                  all runs that are not there yet; an hour or two
    python -m benchmarks.study --quick          a short version, minutes, in a file of its own
    python -m benchmarks.study --only mlp costs some of it; several such commands may run side by side
    python -m benchmarks.study --report         the tables and figures from the lines that are there
    python -m benchmarks.study --again 17       line 17 once more, from its recorded settings: the same numbers?

MNIST and German credit come from the folder MINIGRAD_DATA, or are downloaded. Stop it when you like: it goes on where
it stopped. Runs take one thread, whatever the machine has, so that their sums are always added up in the same order.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from . import costs, images, report
from .lines import Lines, made_with

FOLDER = Path(__file__).resolve().parent.parent / "results" / "study"
COSTS = "costs"
PARTS = (*images.NETWORKS, COSTS)


def run_all(lines: Lines, quick: bool, parts: Collection[str]) -> None:
    """Do what is missing of these parts."""
    cells = [cell for cell in images.grid(quick) if cell.network in parts]
    tables = costs.grid(quick) if COSTS in parts else []
    choosing, seeds = (images.QUICK_CHOOSING, images.QUICK_SEEDS) if quick else (images.CHOOSING, images.SEEDS)
    with tqdm(total=len(cells) * (len(images.RATES) * choosing + seeds) + len(tables), unit="run") as bar:
        for cell in cells:
            bar.set_description(f"{cell.network}, {cell.kind} {cell.ratio}, {cell.method}")
            means = {}
            for lr, tried in cell.choices(choosing).items():
                found = [lines.get(setting, images.run)["balanced_accuracy"] for setting in tried]
                means[lr] = sum(found) / len(found)
                bar.update(len(tried))
            for setting in cell.results(max(means, key=lambda lr: means[lr]), seeds):
                lines.get(setting, images.run)
                bar.update()
        for cost_setting in tables:
            bar.set_description(f"{cost_setting.table}, {cost_setting.way}")
            lines.get(cost_setting, costs.run)
            bar.update()


def again(lines: Lines, number: int) -> bool:
    """Whether the run of a line gives the same record once more."""
    before = lines.record(number)
    kind: Any = costs.CostSetting if "table" in before else images.Setting
    run: Any = costs.run if "table" in before else images.run
    after = run(kind(**{field.name: before[field.name] for field in fields(kind)}))
    if before["made_with"] != made_with():
        print(f"recorded with {before['made_with']}, now {made_with()}: the last digits may differ")
    differing = [name for name in after if after[name] != before[name]]
    for name in after:
        print(f"  {name:20} {before[name]}" + (f"   now {after[name]}" if name in differing else ""))
    print("not the same: " + ", ".join(differing) if differing else f"line {number}: the same once more")
    return not differing


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short version, in minutes")
    parser.add_argument("--report", action="store_true", help="only write tables and figures from the lines")
    parser.add_argument("--again", type=int, metavar="N", help="run line N (from 1) once more and compare")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for lines, tables and figures (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="some of the runs")
    chosen = parser.parse_args(arguments)
    lines = Lines(chosen.out / ("quick.jsonl" if chosen.quick else "runs.jsonl"))
    if chosen.again is not None:
        with threadpool_limits(1):
            return 0 if again(lines, chosen.again) else 1
    if not chosen.report:
        try:
            with threadpool_limits(1):
                run_all(lines, chosen.quick, chosen.only)
        except KeyboardInterrupt:
            print(
                f"\nstopped; {len(lines.records)} runs are in {lines.path}; the same command goes on", file=sys.stderr
            )
            return 130
    print(report.write(lines, chosen.out, "quick" if chosen.quick else "full"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
