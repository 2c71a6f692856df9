"""``minigrad exercises``: list them, build what is handed out, check a file, grade a class."""

from __future__ import annotations

import argparse
import importlib.util
import io
import sys
import time
from pathlib import Path

from . import build, check, grade, gradescope
from .collect import exercise_named
from .source import SourceError, find_exercises
from .watch import saves

MODULES = {  # subcommands that are modules, with add_arguments(parser) and run(arguments) -> exit status
    "grade": (grade, "grade a folder of submissions, all or those that are still missing"),
    "gradescope": (gradescope, "build an autograder for Gradescope, as a zip file"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give ``minigrad exercises`` its options and subcommands."""
    _add_folder(parser, None)
    commands = parser.add_subparsers(dest="action", metavar="build | check FILE | grade DIR | gradescope")
    command = commands.add_parser("build", help="write the versions that students get, and the solutions")
    command.add_argument("wanted", nargs="*", metavar="NN", help="which exercise: 2, 02 or its name (default: all)")
    command.add_argument("--out", type=Path, default=Path("exercises"), metavar="DIR", help="default: %(default)s")
    command.add_argument("--solutions", action="store_true", help="write the solutions too")
    command.add_argument("--notebooks", action="store_true", help="write each as .ipynb too (needs jupytext)")
    command.add_argument("--force", action="store_true", help="replace files that differ, and a student's work in them")
    _add_folder(command, argparse.SUPPRESS)
    command = commands.add_parser("check", help="check your answers: points, and in words what is wrong")
    command.add_argument("file", type=Path, metavar="FILE", help="your .py or .ipynb file")
    command.add_argument("--watch", action="store_true", help="check again whenever the file is saved; Ctrl-C ends it")
    command.add_argument("--no-color", action="store_true", help="no colours; so does the variable NO_COLOR=1")
    command.add_argument(
        "--seed", type=int, default=0, help="of the numbers that the checks draw (default: %(default)s)"
    )
    _add_folder(command, argparse.SUPPRESS)
    for name, (module, purpose) in MODULES.items():
        command = commands.add_parser(name, help=purpose)
        module.add_arguments(command)
        _add_folder(command, argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments say; the exit status: 0 good, 1 not all is right, 2 it could not be done."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a student's text may have characters that the terminal has not
    try:
        if arguments.action in MODULES:
            return MODULES[arguments.action][0].run(arguments)
        if arguments.action == "build":
            return _build(arguments)
        if arguments.action == "check":
            return _watch(arguments) if arguments.watch else _check(arguments)
        print(list_exercises(arguments.exercises))
    except (SourceError, RuntimeError) as error:  # RuntimeError: no process for the student's code could be started
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}")
    except KeyboardInterrupt:
        return 130
    return 0


def list_exercises(folder: Path | None = None) -> str:
    """Number, points and question of every exercise."""
    exercises = find_exercises(folder).values()
    return "\n".join(f"{e.name[:2]}  {e.points:2} points  {e.question}" for e in exercises)


def _add_folder(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument(
        "--exercises", type=Path, default=default, metavar="DIR", help="their sources (default: lessons/exercises)"
    )


def _refuse(problem: str) -> int:
    print(f"minigrad: {problem}", file=sys.stderr)
    return 2


def _build(arguments: argparse.Namespace) -> int:
    versions = {"student": build.student_version} | (
        {"solutions": build.solution_version} if arguments.solutions else {}
    )
    convert = {".py": str} | ({".ipynb": build.notebook} if arguments.notebooks else {})
    if arguments.notebooks and importlib.util.find_spec("jupytext") is None:
        return _refuse("notebooks are written with jupytext, which is not installed: python -m pip install jupytext")
    kept = []
    known = find_exercises(arguments.exercises)
    for exercise in [exercise_named(wanted, known) for wanted in arguments.wanted] or known.values():
        for folder, version in versions.items():
            for suffix, converted in convert.items():
                path = arguments.out / folder / (exercise.name + suffix)
                if build.write(path, converted(version(exercise)), arguments.force):
                    print(path)
                else:
                    kept.append(path)
    if kept:
        files = ", ".join(map(str, kept))
        print(
            f"minigrad: kept as they are, since somebody changed them: {files}. --force replaces them", file=sys.stderr
        )
    return 1 if kept else 0


def _check(arguments: argparse.Namespace) -> int:
    exercise, marks = check.check(arguments.file, arguments.exercises, arguments.seed)
    color = not arguments.no_color and check.wants_color(sys.stdout)
    print(check.show(exercise, marks, color, check.terminal_width()), flush=True)
    return 0 if marks.points == marks.max_points else 1


def _watch(arguments: argparse.Namespace) -> int:
    """Check after every save until Ctrl-C, whatever the file is in between."""
    arguments.file.stat()  # one that is not there to begin with is a mistake in the name
    for _ in saves(arguments.file):
        try:
            _check(arguments)
        except (SourceError, OSError) as error:
            _refuse(str(error))
        print(f"\n{time.strftime('%H:%M:%S')}  waiting for {arguments.file} to be saved; Ctrl-C ends\n", flush=True)
    return 0
