"""What is handed out: the student's version of an exercise, the solved one, and both as notebooks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from .source import Block, Exercise

HEADER = "# minigrad exercise "
NOTE = "# Checks, to be read. Marks come from the original, so changing these here changes nothing."


def student_version(exercise: Exercise) -> str:
    """The source without its solutions and hidden checks, under a first line that names the exercise."""
    kept = [HEADER + exercise.name]
    for block, lines in _pieces(exercise):
        if block is None:
            kept += lines
        elif block.kind == "SOLUTION":
            kept += _blank(exercise, block)
        elif block.kind == "TESTS":
            kept += [NOTE, "", "", *lines]
    return _tidy(kept)


def solution_version(exercise: Exercise) -> str:
    """The source without its markers: all solutions, all checks."""
    kept = [HEADER + exercise.name]
    for block, lines in _pieces(exercise):
        kept += lines if block is None or block.given is None else lines[: block.given - block.first - 1]
    return _tidy(kept)


def handed_out(exercise: Exercise) -> dict[str, str]:
    """The text of every function of the student's version, by name."""
    text = student_version(exercise)
    lines = text.splitlines()
    functions = [s for s in ast.parse(text).body if isinstance(s, ast.FunctionDef)]
    return {f.name: "\n".join(lines[f.lineno - 1 : f.end_lineno]) for f in functions}


def notebook(text: str) -> str:
    """A version as .ipynb; needs jupytext. The docstring becomes a cell of text."""
    import jupytext

    marked = re.sub(
        r'^""".*?^"""$', lambda m: f"# %% [markdown]\n{m[0]}", text, count=1, flags=re.DOTALL | re.MULTILINE
    )
    made = jupytext.reads(marked, fmt="py:percent")
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number}"  # else a random one, and no notebook would be the same when built again
    return jupytext.writes(made, fmt="ipynb")


def write(path: Path, text: str, force: bool = False) -> bool:
    """Write a version to `path`, but not over a file that differs from it, unless `force`. Whether `path` holds it."""
    if path.exists() and not force:
        return path.read_bytes() == text.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return True


def _pieces(exercise: Exercise) -> Iterator[tuple[Block | None, list[str]]]:
    """The source in order: lines between blocks, and the lines inside each block, without its markers."""
    position = 0
    for block in exercise.blocks:
        yield None, exercise.lines[position : block.first]
        yield block, exercise.lines[block.first + 1 : block.last]
        position = block.last + 1
    yield None, exercise.lines[position:]


def _blank(exercise: Exercise, block: Block) -> list[str]:
    """What a student finds in place of a solution."""
    if block.given is not None:
        return [re.sub(r"^( *)# ?", r"\1", line) for line in exercise.lines[block.given + 1 : block.last]]
    if block.in_function:
        indent = " " * exercise.lines[block.first].index("#")
        return [f'{indent}raise NotImplementedError("Task {block.task}: your code here")']
    return [f"{name} = None  # Task {block.task}: your answer here" for name in block.names]


def _tidy(lines: list[str]) -> str:
    """One text, without cells left empty and with at most two blank lines in a row."""
    text = "\n".join(line.rstrip() for line in lines)
    text = re.sub(r"^# %%\n\s*(?=# %%|\Z)", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{4,}", "\n\n\n", text).rstrip() + "\n"
