"""Measure minigrad beside hand-written NumPy and every other library that is installed, on this machine.

    python -m benchmarks                  all suites, about 15 minutes
    python -m benchmarks --quick          all suites, under 2 minutes, with wider spreads
    python -m benchmarks mlp cnn          two of them
    python -m benchmarks --compare old.json

Writes results.json, report.md and the pictures into the folder that --out names (default benchmark-results). Do
nothing else on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from . import figures, machine, report, suites
from .compare import changes
from .rows import Row
from .worker import SuiteFailedError, other_kernel, run

QUICK = 0.06  # of the full time for each row


def plan(names: list[str], quick: bool) -> list[tuple[str, dict[str, Any]]]:
    """Suites with their settings; in a quick run each with its first numbers of threads and the default kernel only."""
    kernel = other_kernel(machine.blas())
    tasks: list[tuple[str, dict[str, Any]]] = []
    for name in names:
        for setting in suites.load(name).SETTINGS:
            threads = min(setting["threads"], os.cpu_count() or 1)
            if not setting.get("other kernel"):
                tasks.append((name, {"threads": threads}))
            elif kernel and not quick:
                tasks.append((name, {"threads": threads, "kernel": kernel}))
    return tasks


def measure(tasks: list[tuple[str, dict[str, Any]]], scale: float) -> tuple[list[Row], list[str]]:
    """All rows, and for every suite that failed a line that says why. Ctrl-C ends it with what there is."""
    rows: list[Row] = []
    failures: list[str] = []
    with tqdm(tasks, unit="suite", file=sys.stderr) as bar:
        for name, setting in bar:
            bar.set_description(f"{name}, {setting['threads']} threads")
            try:
                for row in run(name, setting, scale):
                    rows.append(row)
                    bar.set_postfix_str(row.case)
            except SuiteFailedError as error:
                failures.append(f"{name} {setting} failed: {error}")
            except KeyboardInterrupt:
                failures.append(f"stopped by Ctrl-C in {name}: what was measured until then follows")
                break
    return rows, failures


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=(__doc__ or "").splitlines()[0],
        epilog=f"suites: {', '.join(suites.MODULES)}",
    )
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="default: all")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:.0%} of the repetitions, the default kernel only")
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"), help="folder for results (%(default)s)")
    parser.add_argument("--compare", type=Path, metavar="OLD.json", help="say what changed beyond the noise")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.suites if name not in suites.MODULES]
    if unknown:
        parser.error(f"there is no suite {unknown[0]!r}; the suites are {', '.join(suites.MODULES)}")
    old = report.load(chosen.compare) if chosen.compare else None

    about = machine.describe()
    print("\n".join(machine.lines(about)))
    rows, failures = measure(plan(chosen.suites or list(suites.MODULES), chosen.quick), QUICK if chosen.quick else 1.0)
    result = report.Result(about, rows, failures)
    print(result.table())
    if old:
        print("\n".join(changes(old, result)))
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "results.json").write_text(json.dumps(result.to_dict(), indent=1) + "\n", encoding="utf-8")
    pictures = figures.draw(result, chosen.out)
    (chosen.out / "report.md").write_text(result.markdown(pictures), encoding="utf-8")
    print(f"\nWritten: {chosen.out}/results.json, report.md{''.join(f', {picture.name}' for picture in pictures)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
