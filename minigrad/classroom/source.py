"""The source of an exercise: one Python file, from which all versions are built, and whose checks give the marks.

It is an ordinary program in ``# %%`` cells that runs, with all solutions in it. The first line of its docstring is the
question. What else it is made of::

    # ## Task 1: title (4 points)     in a markdown cell: opens a task; all up to the next heading belongs to it

    ### BEGIN SOLUTION                in a function: the student finds `raise NotImplementedError(...)` instead;
    ### BEGIN GIVEN                   outside, where it only sets names: `name = None`. The lines below GIVEN, if there
    ### END SOLUTION                  is one, are comments, and the program that the student finds and has to repair

    ### BEGIN TESTS                   stay in the student's file, to be read. Every function check_*(student, rng) or
    ### END TESTS                     check_*(student) is run. It raises, or returns None. `student.f` is the student's
                                      function f, `f` alone the solution's

    ### BEGIN HIDDEN TESTS            the same, but taken out of the student's file
    ### END HIDDEN TESTS
"""

from __future__ import annotations

import ast
import re
import types
from dataclasses import dataclass
from pathlib import Path

MARKER = re.compile(r"\s*### (BEGIN|END) (SOLUTION|GIVEN|TESTS|HIDDEN TESTS)")
HEADING = re.compile(r"# ## Task (\d+): (.+) \((\d+) points?\)")


class SourceError(Exception):
    """The source of an exercise breaks a rule, or is not where it was looked for."""


@dataclass(frozen=True)
class Block:
    """What stands between two markers, which are the lines `first` and `last`, counted from 0.

    Attributes
    ----------
    kind : str
        "SOLUTION", "TESTS" or "HIDDEN TESTS".
    task : int
        Number of the task that it belongs to.
    given : int or None
        The line of BEGIN GIVEN.
    names : tuple of str
        What it holds: the function that a solution completes or the values that it sets, the checks.
    in_function : bool
    """

    kind: str
    first: int
    last: int
    task: int
    given: int | None
    names: tuple[str, ...]
    in_function: bool


@dataclass(frozen=True)
class Task:
    """One task, and the names in it.

    Attributes
    ----------
    number, title, points : as its heading says.
    answers : tuple of str
        The functions and values that hold its solution.
    functions : tuple of str
        All functions outside of test blocks; some may be given.
    checks : tuple of str
    hidden : frozenset of str
        Those of the checks that a student's file does not show.
    """

    number: int
    title: str
    points: int
    answers: tuple[str, ...]
    functions: tuple[str, ...]
    checks: tuple[str, ...]
    hidden: frozenset[str]


class Exercise:
    """An exercise, read from its source.

    Attributes
    ----------
    name : str
        Of the file, without ``.py``: "02_gradient_check".
    question : str
        The first line of its docstring.
    blocks : list of Block
    tasks : list of Task
    points : int
        Of all tasks together.
    """

    def __init__(self, text: str, path: Path) -> None:
        self.text, self.path, self.name = text, path, path.stem
        self.lines = text.splitlines()
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            raise self._error(f"does not parse: {error.msg}", (error.lineno or 1) - 1) from None
        docstring = ast.get_docstring(tree)
        if not docstring:
            raise self._error("has no docstring: its first line is the question of the exercise", 0)
        self.question = docstring.splitlines()[0]
        self._statements = tree.body
        self._headings = self._read_headings()
        self.blocks = self._read_blocks()
        self.tasks = [self._task(number) for number in range(1, len(self._headings) + 1)]
        self.points = sum(task.points for task in self.tasks)

    @classmethod
    def read(cls, path: Path) -> Exercise:
        return cls(path.read_text(encoding="utf-8"), path)

    def run(self) -> dict[str, types.FunctionType]:
        """Run the source, which is ours and trusted; its checks by name."""
        module = types.ModuleType(self.name)
        exec(compile(self.text, str(self.path), "exec", dont_inherit=True), module.__dict__)
        return {name: module.__dict__[name] for task in self.tasks for name in task.checks}

    def _error(self, problem: str, line: int) -> SourceError:
        return SourceError(f"{self.path}, line {line + 1}: {problem}")

    def _read_headings(self) -> list[tuple[int, str, int]]:
        """Line, title and points of every task."""
        headings: list[tuple[int, str, int]] = []
        for line, text in enumerate(self.lines):
            if text.startswith("# ## Task"):
                heading = HEADING.fullmatch(text.rstrip())
                if heading is None or int(heading[1]) != len(headings) + 1:
                    raise self._error(f"expected '# ## Task {len(headings) + 1}: title (4 points)'", line)
                headings.append((line, heading[2], int(heading[3])))
        if not headings:
            raise self._error("has no task: '# ## Task 1: title (4 points)' in a markdown cell opens one", 0)
        return headings

    def _read_blocks(self) -> list[Block]:
        blocks: list[Block] = []
        kind, first, given = "", 0, None  # of the block that is open
        for line, text in enumerate(self.lines):
            if "### BEGIN" not in text and "### END" not in text:
                continue
            marker = MARKER.fullmatch(text.rstrip())
            if marker is None:
                markers = "### BEGIN or END, then SOLUTION, TESTS or HIDDEN TESTS, or ### BEGIN GIVEN"
                raise self._error(f"{text.strip()!r} is no marker; expected {markers}, alone on its line", line)
            found = marker[1], marker[2]
            if found == ("BEGIN", "GIVEN") and kind == "SOLUTION" and given is None:
                given = line
            elif found[0] == "BEGIN" and found[1] != "GIVEN" and not kind:
                kind, first = found[1], line
            elif found == ("END", kind):
                blocks.append(self._block(kind, first, line, given))
                kind, given = "", None
            else:
                raise self._error(f"{text.strip()!r} does not fit: open is {kind or 'no block'}", line)
        if kind:
            raise self._error(f"### BEGIN {kind} has no END", first)
        return blocks

    def _block(self, kind: str, first: int, last: int, given: int | None) -> Block:
        task = sum(line < first for line, _, _ in self._headings)
        if task == 0:
            raise self._error("a block before the first task belongs to none", first)
        inside = [s for s in self._statements if first < s.lineno - 1 < last]
        if kind != "SOLUTION":
            functions = [s.name for s in inside if isinstance(s, ast.FunctionDef)]
            return Block(kind, first, last, task, None, tuple(f for f in functions if f.startswith("check_")), False)
        for statement in self._statements:
            if isinstance(statement, ast.FunctionDef) and statement.lineno - 1 < first < (statement.end_lineno or 0):
                return Block(kind, first, last, task, given, (statement.name,), True)
        names = [s.targets[0].id for s in inside if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name)]
        if not names or len(names) < len(inside):
            raise self._error("outside of functions a solution only sets names, each by `name = ...`", first)
        return Block(kind, first, last, task, given, tuple(names), False)

    def _task(self, number: int) -> Task:
        line, title, points = self._headings[number - 1]
        blocks = [block for block in self.blocks if block.task == number]
        tests = [block for block in blocks if block.kind != "SOLUTION"]
        answers = dict.fromkeys(name for block in blocks if block.kind == "SOLUTION" for name in block.names)
        checks = {name: block.kind == "HIDDEN TESTS" for block in tests for name in block.names}
        if not answers or not checks:
            raise self._error("a task needs at least one SOLUTION, and one check_ function in TESTS", line)
        end = self._headings[number][0] if number < len(self._headings) else len(self.lines)
        functions = [
            statement.name
            for statement in self._statements
            if isinstance(statement, ast.FunctionDef)
            and line < statement.lineno - 1 < end
            and not any(block.first < statement.lineno - 1 < block.last for block in tests)
        ]
        hidden = frozenset(name for name, is_hidden in checks.items() if is_hidden)
        return Task(number, title, points, tuple(answers), tuple(functions), tuple(checks), hidden)


def folder(given: Path | None = None) -> Path:
    """Where the sources are: `given`, else the current folder's lessons/exercises, else minigrad's own checkout's."""
    roots = [Path.cwd(), Path(__file__).resolve().parents[2]]
    places = [given] if given else [root / "lessons" / "exercises" for root in roots]
    for place in places:
        if any(place.glob("[0-9][0-9]_*.py")):
            return place
    raise SourceError(
        f"There are no exercises in {' or '.join(map(str, places))}. They are files like 02_gradient_check.py in the "
        "folder lessons/exercises of the minigrad checkout, not part of the installed package: run this command from "
        "the checkout, or name their folder with --exercises"
    )


def find_exercises(given: Path | None = None) -> dict[str, Exercise]:
    """All exercises of a folder (see `folder`), by name and in order."""
    return {path.stem: Exercise.read(path) for path in sorted(folder(given).glob("[0-9][0-9]_*.py"))}
