"""Run all lessons, or those named: each in a fresh process, without windows, and held to what a lesson promises.

    python lessons/run_all.py             all of them (make lessons)
    python lessons/run_all.py 4 16        these two
    python lessons/run_all.py --record    all, and write their times to times.json, which `minigrad lessons` shows

The log has each lesson's time and the claims that it asserted. The exit status is 1 if a lesson fails.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
TIMES = HERE / "times.json"
PNG = b"\x89PNG\r\n\x1a\n"
LIMIT = 900  # seconds for one lesson


class Run(NamedTuple):
    """What a run of a lesson showed; it passed if there are no `faults`."""

    seconds: float
    output: str
    said: list[str]  # its claims, and what it skipped
    faults: list[str]


def find(wanted: list[str]) -> list[Path]:
    """The lessons of these numbers, all if there are none, in reading order."""
    lessons = sorted(HERE.glob("[0-9][0-9]_*.py"))
    unknown = {n.zfill(2) for n in wanted} - {lesson.name[:2] for lesson in lessons}
    if unknown:
        raise SystemExit(f"There is no lesson {', '.join(sorted(unknown))}.")
    return [lesson for lesson in lessons if not wanted or lesson.name[:2] in {n.zfill(2) for n in wanted}]


def run(lesson: Path, figures: Path) -> Run:
    """Run a lesson in an empty folder. Its progress bar goes to the terminal, where there is one."""
    picture = figures / f"{lesson.stem}.png"
    picture.unlink(missing_ok=True)
    environment = {
        "OPENBLAS_NUM_THREADS": "1",  # unless chosen: two threads that share a core with another program crawl
        **os.environ,
        "MPLBACKEND": "Agg",
        "MINIGRAD_FIGURES": str(figures),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")])),
        "PYTHONIOENCODING": "utf-8",
    }
    # What NumPy warns of (overflow, invalid values) is a fault in a lesson.
    command = [sys.executable, "-W", "error::RuntimeWarning", str(lesson)]
    terminal = sys.stderr.isatty()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=None if terminal else subprocess.PIPE,
                encoding="utf-8",
                timeout=LIMIT,
            )
        except subprocess.TimeoutExpired:
            return Run(LIMIT, "", [], [f"it did not end in {LIMIT} s"])
        seconds = time.perf_counter() - start
        left = os.listdir(folder)
    lines = done.stdout.splitlines()
    claims = claims_of(lines)
    demands = {
        f"exit status {done.returncode}": done.returncode == 0,
        "it saved no picture of its name": picture.exists() and picture.read_bytes().startswith(PNG),
        "it printed no claims (lines 'Claims hold', then '- ...')": len(claims) > 1,
        "its progress bar is on stdout: it belongs on stderr": "%|" not in done.stdout,
        f"it left {left} in the folder where it was started": not left,
    }
    skipped = [line for line in lines if line.startswith("Skipped: ")]
    faults = [fault for fault, met in demands.items() if not met]
    return Run(seconds, done.stdout + (done.stderr or ""), claims + skipped, faults)


def claims_of(lines: list[str]) -> list[str]:
    """The lines that begin "Claims hold", each with the list of claims below it."""
    claims, inside = [], False
    for line in lines:
        inside = line.startswith("Claims hold") or (inside and line.startswith(("- ", "  ")))
        if inside:
            claims.append(line)
    return claims


def machine() -> str:
    """In words: the processor and its cores."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        name = models[0].partition(": ")[2] if models else name
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Run lessons, each in a fresh process, and check what they promise.")
    parser.add_argument("lessons", nargs="*", metavar="NN", help="numbers; default: all")
    parser.add_argument("--record", action="store_true", help="write the times to lessons/times.json")
    chosen = parser.parse_args()
    if chosen.record and chosen.lessons:
        parser.error("--record measures all lessons, on one machine: leave the numbers out")
    seconds, failed, skipped = {}, [], []
    for lesson in find(chosen.lessons):
        print(f"{lesson.stem} ", end="", flush=True)
        done = run(lesson, HERE / "figures")
        seconds[lesson.stem] = round(done.seconds, 1)
        print(f"{done.seconds:.1f} s", *(f"    {line}" for line in done.said), sep="\n", flush=True)
        skipped += [lesson.stem for line in done.said if line.startswith("Skipped: ")]
        if done.faults:
            failed.append(lesson.stem)
            print(done.output, *(f"FAILED: {fault}" for fault in done.faults), sep="\n", flush=True)
    print(f"\n{len(seconds)} lessons in {sum(seconds.values()) / 60:.1f} minutes on {machine()}.")
    if failed:
        sys.exit(f"{len(failed)} failed: {', '.join(failed)}")
    print("All claims hold." + (f" Skipped in part: {', '.join(skipped)}." if skipped else ""))
    if chosen.record:
        record = {"machine": machine(), "seconds": seconds}
        TIMES.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
