"""What a student sees: the tasks of an exercise, in words and, on a terminal, in colours."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TextIO

from . import marking, submission
from .marking import Marks, TaskResult
from .source import Exercise, SourceError, find_exercises
from .student import StudentError

COLORS = {"right": 32, "not yet": 31, "not done yet": 33, "hint": 36, "quiet": 2, "bold": 1}  # of ANSI terminals
INDENT = " " * 10


def check(path: Path, exercises: Path | None = None, seed: int = 0) -> tuple[Exercise, Marks]:
    """Mark a student's file with the checks of its exercise's own source.

    Parameters
    ----------
    path : Path
        A script or a notebook.
    exercises : Path, optional
        Folder of the sources; see ``source.folder``.
    seed : int
        Of the numbers that checks draw.

    Raises
    ------
    SourceError
        It is not known which exercise the file answers, or there is no such exercise.
    OSError
        The file cannot be opened.
    """
    known = find_exercises(exercises)
    try:
        handed_in = submission.read(path, known)
    except StudentError as error:
        name = next((name for name in known if name in path.stem), None)
        if name is None:
            raise SourceError(f"{path}: {error}") from None
        return known[name], marking.nothing(known[name], error)
    if handed_in.exercise not in known:
        which = (
            f"exercise {handed_in.exercise!r} is not among"
            if handed_in.exercise
            else "neither its first line nor its name says one of"
        )
        raise SourceError(
            f"{path} belongs to no exercise here: {which} {', '.join(known)}. Keep the file's first line as it was "
            f"handed out, for example: # minigrad exercise {next(iter(known))}"
        )
    exercise = known[handed_in.exercise]
    return exercise, marking.mark(exercise, handed_in, seed=seed)


def show(exercise: Exercise, marks: Marks, color: bool = False, width: int = 100) -> str:
    """The marks of an exercise as lines to print."""
    lines = [_painted(f"{exercise.name}  {exercise.question}", "bold", color), ""]
    for result in marks.results:
        lines += _task(result, color, width)
    lines.append(_painted(f"  {marks.points} of {marks.max_points} points", "bold", color))
    return "\n".join(lines)


def wants_color(stream: TextIO) -> bool:
    """Whether to colour what goes to `stream`: a terminal that can, and NO_COLOR (no-color.org) is not set."""
    able = sys.platform != "win32" or "WT_SESSION" in os.environ
    return able and stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def terminal_width() -> int:
    return min(shutil.get_terminal_size().columns, 110)


def _task(result: TaskResult, color: bool, width: int) -> list[str]:
    verdict = "right" if result.passed else "not done yet" if "not_done" in result.kinds else "not yet"
    title = f"  Task {result.number}  {result.title}"
    lines = [f"{title:60}  {result.points}/{result.max_points}  {_painted(verdict, verdict, color)}"]
    if result.hidden:
        lines.append(f"{INDENT}(Found by a check that your file does not show.)")
    lines += _wrapped(result.message, width)
    if result.hint:
        lines += [_painted(line, "hint", color) for line in _wrapped(f"Hint: {result.hint}", width)]
    if result.printed and not result.passed:
        printed = result.printed.rstrip().splitlines()
        lines.append(_painted(f"{INDENT}Your code printed:", "quiet", color))
        lines += [_painted(f"{INDENT}| {line}", "quiet", color) for line in printed[:10]]
        lines += [f"{INDENT}| ... and {len(printed) - 10} lines more"] * (len(printed) > 10)
    return [*lines, ""]


def _wrapped(text: str, width: int) -> list[str]:
    wrap = textwrap.TextWrapper(max(width, 40), initial_indent=INDENT, subsequent_indent=INDENT, break_on_hyphens=False)
    return [line for paragraph in text.splitlines() for line in wrap.wrap(paragraph)]


def _painted(text: str, color_name: str, color: bool) -> str:
    return f"\033[{COLORS[color_name]}m{text}\033[0m" if color else text
