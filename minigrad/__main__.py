"""The command line: ``minigrad``, or ``python -m minigrad``."""

import argparse
import ast
import difflib
import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from minigrad.classroom import cli as classroom

LESSON_PACKAGES = ("matplotlib", "sklearn", "imblearn", "tqdm")


def find_lessons() -> list[Path]:
    """Lessons in reading order: the current folder's if it has any, else those of minigrad's own checkout."""
    for root in (Path.cwd(), Path(__file__).resolve().parent.parent):
        found = sorted((root / "lessons").glob("[0-9][0-9]_*.py"))
        if found:
            return found
    return []


def question(lesson: Path) -> str:
    """The first line of a lesson's docstring: the question that the lesson answers."""
    try:
        text = ast.get_docstring(ast.parse(lesson.read_text(encoding="utf-8")))
    except SyntaxError as error:
        return f"(does not parse: line {error.lineno}: {error.msg})"
    return text.splitlines()[0] if text else "(has no docstring)"


def list_lessons() -> str:
    lessons = find_lessons()
    if not lessons:
        return (
            "No lessons here. They are scripts in the folder lessons/ of the minigrad checkout, not part of "
            "the installed package: run this command from the checkout."
        )
    measured = lessons[0].with_name("times.json")  # by lessons/run_all.py --record
    if not measured.exists():
        return "\n".join(f"{lesson.name[:2]}  {question(lesson)}" for lesson in lessons)
    times = json.loads(measured.read_text(encoding="utf-8"))
    lines = []
    for lesson in lessons:
        seconds = times["seconds"].get(lesson.stem)
        lines.append(f"{lesson.name[:2]}  {'' if seconds is None else f'{seconds:.0f} s':>5}  {question(lesson)}")
    return "\n".join([*lines, f"Times on {times['machine']}."])


def run_lesson(wanted: str) -> None:
    """Run one lesson as ``python lessons/NN_name.py`` would; its exit status becomes ours."""
    names = {lesson.stem: lesson for lesson in find_lessons()}
    number = wanted.zfill(2)
    lesson = next((path for name, path in names.items() if wanted == name or number == name[:2]), None)
    if lesson is None:
        near = difflib.get_close_matches(wanted, names, n=1)
        hint = f"Did you mean {near[0]}?\n" if near else ""
        raise SystemExit(f"minigrad: there is no lesson {wanted!r}. {hint}The lessons are:\n{list_lessons()}")
    sys.argv = [str(lesson)]
    sys.path.insert(0, str(lesson.parent))
    try:
        runpy.run_path(str(lesson), run_name="__main__")
    except ModuleNotFoundError as error:
        if error.name not in LESSON_PACKAGES:
            raise
        raise SystemExit(
            f"minigrad: lesson {lesson.name[:2]} needs {error.name}, which is not installed. "
            'In the checkout: python -m pip install -e ".[lessons]"'
        ) from error


def check_losses() -> bool:
    """Print the table of all losses and their checks, line by line; whether all passed."""
    from minigrad.losses.catalogue import table

    ok = True
    for line, ok in table():  # noqa: B007 (the last verdict is that of all)
        print(line, flush=True)
    return ok


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="minigrad", description="Lessons, exercises, a check of every loss, and what this machine offers."
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="lessons | lesson NN | exercises | losses | info"
    )
    commands.add_parser("lessons", help="list the lessons: the question that each answers, and the time it takes")
    lesson = commands.add_parser("lesson", help="run one lesson")
    lesson.add_argument("lesson", metavar="NN", help="its number, 4 or 04, or its name")
    commands.add_parser(
        "losses", help="check every loss on the spot: closed form, finite differences, second order, laws"
    )
    exercises = commands.add_parser("exercises", help="list, build, check and grade the exercises of the lessons")
    classroom.add_arguments(exercises)
    commands.add_parser("info", help="versions, BLAS and its kernel, threads, CuPy")
    chosen = parser.parse_args(arguments)
    if chosen.command == "lessons":
        print(list_lessons())
    elif chosen.command == "lesson":
        run_lesson(chosen.lesson)
    elif chosen.command == "exercises":
        sys.exit(classroom.run(chosen))
    elif chosen.command == "losses":
        sys.exit(not check_losses())
    else:
        from minigrad.info import info

        print(info())


if __name__ == "__main__":
    main()
