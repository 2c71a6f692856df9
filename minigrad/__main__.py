"""The command line: ``minigrad``, or ``python -m minigrad``."""

import argparse
import ast
import difflib
import importlib.metadata
import os
import platform
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minigrad import device

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_CORETYPE")
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
    return "\n".join(f"{lesson.name[:2]}  {question(lesson)}" for lesson in lessons)


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


def describe_blas() -> list[str]:
    """The BLAS that NumPy was built with, and the kernel that it chose for this processor."""
    config = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    lines = [f"BLAS        {blas.get('name', 'unknown')} {blas.get('version', '')}".rstrip()]
    try:
        from threadpoolctl import threadpool_info
    except ModuleNotFoundError:
        return [*lines, "  kernel    unknown: threadpoolctl, which asks it, is not installed"]
    np.ones((2, 2)) @ np.ones((2, 2))  # some BLAS libraries are loaded at their first use
    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            kernel = pool.get("architecture") or "unknown"
            lines.append(f"  kernel    {kernel}, {pool['num_threads']} threads ({pool['internal_api']})")
            simd = config.get("SIMD Extensions", {}).get("found", [])
            if kernel == "Haswell" and any(name.startswith(("AVX512", "X86_V4")) for name in simd):
                lines.append(
                    "  try       this processor has AVX-512, which that kernel does not use: set "
                    "OPENBLAS_CORETYPE=SkylakeX before Python starts, and measure both"
                )
    return lines


def installed(*names: str) -> str | None:
    """Version and name of the first of these distributions that is installed."""
    for name in names:
        try:
            return f"{importlib.metadata.version(name)} ({name})"
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def describe_cupy() -> str:
    """Which CuPy is installed, and whether a GPU answers."""
    found = installed("cupy-cuda13x", "cupy-cuda12x", "cupy")
    if found is None:
        return 'not installed; with an NVIDIA GPU: python -m pip install -e ".[cuda13]", or cuda12'
    if not device.is_available():
        return f"{found}, but {device.why_not()}"
    memory = device.memory()
    return f"{found}; the GPU answers, {memory.free / 2**30:.1f} of {memory.total / 2**30:.1f} GiB are free"


def info() -> str:
    variables = [f"  {name}={os.environ[name]}" for name in THREAD_VARIABLES if name in os.environ]
    folder = Path(__file__).resolve().parent
    return "\n".join(
        [
            f"minigrad    {installed('minigrad') or 'not installed'}, running from {folder}",
            f"Python      {platform.python_version()} on {platform.system()} {platform.machine()}",
            f"NumPy       {np.__version__}",
            *describe_blas(),
            f"processors  {os.cpu_count()}",
            "environment" + ("" if variables else f"  none of {', '.join(THREAD_VARIABLES)} is set"),
            *variables,
            f"CuPy        {describe_cupy()}",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="minigrad", description="Lessons, a check of every loss, and what this machine offers."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="lessons | lesson NN | losses | info")
    commands.add_parser("lessons", help="list the lessons and the question that each answers")
    lesson = commands.add_parser("lesson", help="run one lesson")
    lesson.add_argument("lesson", metavar="NN", help="its number, 4 or 04, or its name")
    commands.add_parser(
        "losses", help="check every loss on the spot: closed form, finite differences, second order, laws"
    )
    commands.add_parser("info", help="versions, BLAS and its kernel, threads, CuPy")
    chosen = parser.parse_args(arguments)
    if chosen.command == "lessons":
        print(list_lessons())
    elif chosen.command == "lesson":
        run_lesson(chosen.lesson)
    elif chosen.command == "losses":
        sys.exit(not check_losses())
    else:
        print(info())


if __name__ == "__main__":
    main()
