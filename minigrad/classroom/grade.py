"""``minigrad exercises grade DIR``: mark what a class has handed in, one submission after the other."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import queue
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import collect, marking, marking_process, records, results
from .collect import HandedIn
from .guard import Guard
from .limits import Limits, StartError
from .marking import Marks
from .marking_process import MarkingError
from .results import Row
from .sandbox import PACKAGE, protection
from .source import SourceError, find_exercises
from .student import StudentError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="DIR/alice/04_name.py or DIR/alice_04_name.py")
    parser.add_argument("--exercise", metavar="NN", help="grade this one only: 4, 04 or its name (default: all)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a table for spreadsheets")
    parser.add_argument("--gradescope", type=Path, metavar="DIR", help="write a results.json for each submission")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    parser.add_argument("--seed", type=int, metavar="N", help="of the checks (default: the last run's, or new)")
    limits = Limits()
    parser.add_argument(
        "--timeout", type=float, default=limits.seconds, metavar="S", help="seconds for a task (default: %(default)g)"
    )
    parser.add_argument(
        "--memory", type=int, default=limits.memory >> 20, metavar="MB", help="for a task (default: %(default)s)"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="submissions at once (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Grade, print and write; the exit status: 0 all are graded, 1 some could not be, 2 nothing to do, 130 Ctrl-C."""
    problem = _bad_arguments(arguments)
    if problem:
        print(f"minigrad: {problem}", file=sys.stderr)
        return 2
    exercises = find_exercises(arguments.exercises)
    only = collect.exercise_named(arguments.exercise, exercises).name if arguments.exercise else None
    handed_in, notes = collect.collect(arguments.folder, exercises, only)
    for note in notes:
        print(f"minigrad: {note}", file=sys.stderr)
    if not handed_in:
        print(f"minigrad: no submissions in {arguments.folder}; expected .py or .ipynb files there", file=sys.stderr)
        return 2
    limits = Limits(seconds=arguments.timeout, memory=arguments.memory << 20)
    grading = Grading(arguments.folder, handed_in, limits, arguments.seed)
    try:
        rows = grading.run(arguments.jobs)
    except KeyboardInterrupt:
        done = sum(key in grading.known.marks for key in grading.keys)
        print(
            f"\nminigrad: stopped; {done} of {len(handed_in)} submissions are graded and kept. "
            "The same command goes on from there",
            file=sys.stderr,
        )
        return 130
    except StartError as error:
        print(f"minigrad: {error}", file=sys.stderr)
        return 2
    _write(arguments, rows, grading.known.seed)
    for row in rows:
        points = row.problem or f"{row.marks.points:3} of {row.marks.max_points}"
        print(f"{row.student:24} {row.exercise:28} {points}")
    print(f"Seed {grading.known.seed}. The marks are kept in {grading.known.path}")
    return int(any(row.problem for row in rows))


def _bad_arguments(arguments: argparse.Namespace) -> str:
    if not arguments.folder.is_dir():
        return f"{arguments.folder} is not a folder; expected one that holds the submissions of a class"
    if not (math.isfinite(arguments.timeout) and arguments.timeout > 0):
        return f"--timeout is {arguments.timeout:g}; expected a positive number of seconds"
    for name in ("memory", "jobs"):
        if getattr(arguments, name) < 1:
            return f"--{name} is {getattr(arguments, name)}; expected at least 1"
    for name in ("csv", "junit"):
        path = getattr(arguments, name)
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            return f"--{name} {path} cannot be written: expected the name of a file, in a folder that is there"
    if arguments.seed is not None and arguments.seed < 0:
        return f"--seed is {arguments.seed}; expected 0 or more"
    return ""


class Grading:
    """One run over a class: what is known from an earlier run is not marked again.

    Attributes
    ----------
    known : Records
        In the class's folder.
    keys : list of str
        For each submission what its marks depend on: its path and content, the exercise and minigrad themselves, the
        seed and the limits.
    """

    def __init__(self, folder: Path, handed_in: list[HandedIn], limits: Limits, seed: int | None) -> None:
        self.folder, self.handed_in, self.limits = folder, handed_in, limits
        self.known = records.Records(folder / records.NAME, seed)
        self.class_files: Guard | None = None  # watched only where the system does not keep submissions away
        sources = {item.exercise.path for item in handed_in}
        self.own_files = Guard(sorted([*PACKAGE.rglob("*.py"), *sources]))
        basis = [self.own_files.digest(), self.known.seed, list(limits)]
        self.keys = [self._key(item, basis) for item in handed_in]

    @staticmethod
    def _key(item: HandedIn, basis: list[Any]) -> str:
        parts = [item.file, repr(item.submission), item.exercise.name, basis]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def run(self, jobs: int) -> list[Row]:
        """Mark what is not known yet; a row for every submission."""
        todo = [n for n, key in enumerate(self.keys) if key not in self.known.marks]
        problems = dict.fromkeys(range(len(self.keys)), "")
        contained = not todo or {"landlock", "seccomp"} <= set(protection())
        if not contained:
            print(
                "minigrad: this system does not keep submissions away from your files, only Python does, which can be "
                "tricked: they are graded one at a time. See docs/teaching.md",
                file=sys.stderr,
            )
            jobs = 1
            self.class_files = Guard(collect.files_in(self.folder))
        for n, outcome in self._outcomes(todo, jobs):
            if isinstance(outcome, MarkingError):
                problems[n] = f"could not be graded: {outcome}. Run the same command again"
            else:
                self.known.add(self.keys[n], marking.to_dict(outcome))
        return [self._row(n, problem) for n, problem in problems.items()]

    def _mark(self, item: HandedIn) -> Marks:
        marks = marking_process.mark(item.exercise, item.submission, self.known.seed, self.limits)
        return marks if self.class_files is None else self._unless_it_changed(self.class_files, item, marks)

    def _unless_it_changed(self, class_files: Guard, item: HandedIn, marks: Marks) -> Marks:
        """The marks; none for a submission that has changed others' files, and the end if it changed the grader's."""
        own = self.own_files.changed()
        if own:
            raise SourceError(
                f"while {item.file} ran, minigrad's own files changed: {', '.join(map(str, own))}. Install them again, "
                "and take that submission out before you go on"
            )
        others = ", ".join(path.relative_to(self.folder).as_posix() for path in class_files.restore())
        if not others:
            return marks
        print(f"minigrad: {item.file} changed {others}, which are put back as they were", file=sys.stderr)
        return marking.nothing(
            item.exercise, StudentError("crash", f"your code changed files that are not its own: {others}")
        )

    def _row(self, n: int, problem: str) -> Row:
        item = self.handed_in[n]
        if problem:
            marks = marking.nothing(item.exercise, StudentError("crash", problem))
        else:
            marks = marking.from_dict(self.known.marks[self.keys[n]])
        return Row(item.student, item.file, marks.exercise, marks, problem)

    def _outcomes(self, todo: list[int], jobs: int) -> Iterator[tuple[int, Marks | MarkingError]]:
        """What became of each submission, as soon as it is known, with a progress bar."""
        waiting: queue.Queue[int] = queue.Queue()
        done: queue.Queue[tuple[int, Marks | Exception]] = queue.Queue()
        for n in todo:
            waiting.put(n)

        def work() -> None:
            while True:
                try:
                    n = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    done.put((n, self._mark(self.handed_in[n])))
                except Exception as error:
                    done.put((n, error))

        for _ in range(min(jobs, len(todo))):
            threading.Thread(target=work, daemon=True).start()
        bar = _Progress(len(self.handed_in), len(self.handed_in) - len(todo))
        try:
            for _ in todo:
                n, outcome = self._next(done)
                if isinstance(outcome, Exception) and not isinstance(outcome, MarkingError):
                    raise outcome
                yield n, outcome
                bar.step(self.handed_in[n].file, outcome)
        finally:
            bar.close()

    @staticmethod
    def _next(done: queue.Queue) -> Any:
        while True:
            try:
                return done.get(timeout=0.5)  # on Windows, Ctrl-C does not end a wait without a limit
            except queue.Empty:
                continue


class _Progress:
    """A bar where there is a terminal and tqdm; else a line for each submission."""

    def __init__(self, total: int, done: int) -> None:
        self.total, self.done = total, done
        self.bar: Any = None
        if sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            self.bar = tqdm(total=total, initial=done, desc="grading", unit=" files")

    def step(self, file: str, outcome: Marks | MarkingError) -> None:
        self.done += 1
        if self.bar is not None:
            self.bar.update()
            return
        points = "not graded" if isinstance(outcome, MarkingError) else f"{outcome.points} of {outcome.max_points}"
        print(f"{self.done}/{self.total}  {file}: {points}", file=sys.stderr)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def _write(arguments: argparse.Namespace, rows: list[Row], seed: int) -> None:
    if arguments.csv:
        arguments.csv.write_text(results.as_csv(rows, seed), encoding="utf-8")
    if arguments.junit:
        arguments.junit.write_text(results.as_junit(rows), encoding="utf-8")
    if arguments.gradescope:
        for row in rows:
            if row.problem:
                continue
            path = arguments.gradescope / f"{row.file}.results.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(results.as_gradescope(row.marks, seed), indent=2), encoding="utf-8")
