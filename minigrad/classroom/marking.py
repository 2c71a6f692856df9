"""Marks: every check of an exercise's own source, run against a student's file, and said in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import FunctionType
from typing import Any

import numpy as np

from ..gradcheck import GradcheckError
from .answers import Wrong
from .build import handed_out
from .limits import StartError
from .source import Exercise, SourceError, Task
from .student import Function, Student, StudentError
from .submission import Submission

HINTS = {  # the first whose word is the kind of a StudentError, or occurs in its message
    "signature": "Keep the first line of the function as it was handed out.",
    "modified": "Work on a copy, x = x.copy(), and write w = w - step in place of w -= step.",
    "bitwise_xor": "In Python a power is written with two stars, a**2.",
    "a submission may not": "The exercise needs no other files, no programs and no network: remove that line.",
    "EOFError": "Nobody is there to type: use the function's arguments in place of input().",
    "ValueError": "Write the shape of every array in that line beside it.",
    "IndexError": "How long is the axis, and what is the largest index? Counting begins at 0.",
    "NameError": "Is the name spelt as where it was set, and was it set before this line?",
    "AttributeError": "Which type has the object left of the dot?",
}
LONGEST = 1000  # characters of a message; an exception's own text can be of any length


@dataclass(frozen=True)
class TaskResult:
    """What became of one task. Texts are plain, and empty where there is nothing to say.

    Attributes
    ----------
    number, title, max_points : of the task.
    points : int
        All or none.
    message : str
        What is wrong with the answer.
    hint : str
        Where to look; it does not give the answer away.
    kinds : tuple of str
        Codes of what is wrong, likeliest first.
    hidden : bool
        The failed check is not in the student's file.
    printed : str
        What the student's code printed meanwhile.
    """

    number: int
    title: str
    points: int
    max_points: int
    message: str = ""
    hint: str = ""
    kinds: tuple[str, ...] = ()
    hidden: bool = False
    printed: str = ""

    @property
    def passed(self) -> bool:
        return self.points == self.max_points


@dataclass(frozen=True)
class Marks:
    """The marks for one file: the exercise's name, and a result for each task."""

    exercise: str
    results: tuple[TaskResult, ...]

    @property
    def points(self) -> int:
        return sum(result.points for result in self.results)

    @property
    def max_points(self) -> int:
        return sum(result.max_points for result in self.results)


@dataclass(frozen=True)
class Fault:
    """What one failed check says."""

    message: str
    hint: str
    kinds: tuple[str, ...]


def mark(
    exercise: Exercise,
    submission: Submission,
    *,
    seed: int = 0,
    limits: Any = None,
    student: Callable[..., Student] | None = None,
) -> Marks:
    """Check every task of `exercise`, each with the student's file in a new process.

    Parameters
    ----------
    seed : int
        Of the numbers that checks draw: the same seed gives the same marks.
    limits : sandbox.Limits, optional
        Of time, memory and output, for one task.
    student : callable, optional
        What opens the student's code, ``student(code)`` or ``student(code, limits)``. Default: sandbox.Student.

    Returns
    -------
    Marks
        Whatever the student's file is or does.

    Raises
    ------
    SourceError
        A check of ours broke a rule.
    StartError
        No process for the student's code could be started.
    """
    if student is None:
        from .sandbox import Student as IsolatedStudent

        student = IsolatedStudent
    checks = exercise.run()
    settings = () if limits is None else (limits,)
    given = handed_out(exercise)
    results = []
    lost: Fault | None = None
    for task in exercise.tasks:
        opened = student(submission.code, *settings)
        failed, fault = ("", lost) if lost else _first_fault(task, checks, opened, seed, submission)
        if fault and not failed and fault.kinds[0] in ("timeout", "memory", "output", "exit", "crash"):
            lost = fault  # the file does not even load, and will not for the next task: do not wait for that again
        untouched = failed and _untouched([given[name] for name in task.functions], submission)
        if fault and untouched and fault.kinds != ("not_done",):
            fault = Fault(f"Not done yet: as it was handed out. {_begun(fault.message)}", fault.hint, ("not_done",))
        results.append(_result(task, fault, failed in task.hidden, opened.printed))
    return Marks(exercise.name, tuple(results))


def nothing(exercise: Exercise, error: StudentError) -> Marks:
    """No marks for a file that cannot be read at all, and why."""
    fault = _of_student(error, Submission("", None))
    return Marks(exercise.name, tuple(_result(task, fault, False, "") for task in exercise.tasks))


def to_dict(marks: Marks) -> dict[str, Any]:
    """Marks as JSON can hold them."""
    return asdict(marks)


def from_dict(data: dict[str, Any]) -> Marks:
    """The marks that `to_dict` was given."""
    results = [TaskResult(**{**result, "kinds": tuple(result["kinds"])}) for result in data["results"]]
    return Marks(data["exercise"], tuple(results))


def _first_fault(
    task: Task,
    checks: dict[str, FunctionType],
    opened: Student,
    seed: int,
    submission: Submission,
) -> tuple[str, Fault | None]:
    """The first check of a task that fails, and what it says."""
    name = ""
    try:
        with opened, np.errstate(all="ignore"):
            for answer in task.answers:
                if answer in task.functions and not isinstance(getattr(opened, answer), Function):
                    raise StudentError("missing", f"`{answer}` is no function in your file: is the name used twice?")
            for n, name in enumerate(task.checks):
                check = checks[name]
                arguments = (opened, np.random.default_rng([seed, task.number, n]))[: check.__code__.co_argcount]
                if check(*arguments) is not None:
                    raise SourceError(f"{name} returned something: a check raises, or returns None")
    except (SourceError, StartError):
        raise
    except StudentError as error:
        return name, _of_student(error, submission)
    except GradcheckError as error:
        return name, _of_gradient(error)
    except Wrong as error:
        return name, Fault(f"{error}.", error.hint, (error.kind,))
    except AssertionError as error:
        return name, Fault(f"{error or f'{name} says no'}.", "", ("values",))
    except Exception as error:  # the check stumbled over what the student's code returned
        sentence = f"What your code returns cannot be used: {type(error).__name__}: {error}."
        return name, Fault(sentence, "Compare its type and shape with the text of the task.", ("type",))
    return name, None


def _of_student(error: StudentError, submission: Submission) -> Fault:
    where = ""
    if error.line:
        where = f" ({submission.place(error.line)}{': ' + error.text if error.text else ''})"
    if error.kind == "not_done":
        return Fault(f"Not done yet: {error.message}{where}.", "", ("not_done",))
    if error.kind == "syntax":
        hint = "Nothing can be checked before that line, or the one above it, is mended."
        return Fault(f"Python cannot read your file: {error.message}{where}.", hint, ("syntax",))
    hint = next((hint for word, hint in HINTS.items() if word == error.kind or word in error.message), "")
    return Fault(f"{error.message}{where}.".replace("?.", "?"), hint, (error.kind,))


def _of_gradient(error: GradcheckError) -> Fault:
    """The likeliest reason, and the worst of the wrong entries beside it."""
    first, failures = error.reasons[0], error.report.failures
    sentence = f"{first}."
    if failures and str(failures[0]) not in first:
        worst = failures[0]
        sentence += f" At worst, {worst.where} is {worst.analytic:.6g}, measured {worst.numeric:.6g}."
    return Fault(sentence, getattr(first, "hint", ""), tuple(reason.kind for reason in error.reasons))


def _untouched(given: list[str], submission: Submission) -> bool:
    """Whether functions stand in a student's file as they were handed out, apart from blank lines, and only there."""
    code = f"\n{_squeezed(submission.code)}\n"
    starts = ["\n" + text.split("(")[0] + "(" for text in given]
    return bool(given) and all(
        _squeezed(t) + "\n" in code and code.count(s) == 1 for t, s in zip(given, starts, strict=True)
    )


def _squeezed(code: str) -> str:
    return "\n".join(line.rstrip() for line in code.splitlines() if line.strip())


def _result(task: Task, fault: Fault | None, hidden: bool, printed: str) -> TaskResult:
    if fault is None:
        return TaskResult(task.number, task.title, task.points, task.points, printed=_plain(printed))
    message, hint = _plain(_begun(fault.message)), _plain(fault.hint)
    return TaskResult(task.number, task.title, 0, task.points, message, hint, fault.kinds, hidden, _plain(printed))


def _begun(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _plain(text: str) -> str:
    """Without what would steer a terminal, and not longer than anyone reads."""
    text = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."
