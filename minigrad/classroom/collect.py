"""What a class has handed in: which file is whose, and which exercise it answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import submission
from .sandbox import printable
from .source import Exercise, SourceError
from .student import StudentError
from .submission import Submission

SUFFIXES = (".py", ".ipynb")


@dataclass(frozen=True)
class HandedIn:
    """One file of one student.

    Attributes
    ----------
    student : str
        Name of the folder directly in the class's folder; of a file that lies there itself, what is left of its name
        without the exercise's.
    file : str
        Its path inside the class's folder, with "/".
    exercise : Exercise
        That it answers.
    submission : Submission or StudentError
        The error says why the file cannot be read.
    """

    student: str
    file: str
    exercise: Exercise
    submission: Submission | StudentError


def exercise_named(wanted: str, exercises: dict[str, Exercise]) -> Exercise:
    """The exercise meant by "4", "04" or its whole name; SourceError if there is none."""
    for name, exercise in exercises.items():
        if wanted == name or wanted.zfill(2) == name[:2]:
            return exercise
    raise SourceError(f"there is no exercise {wanted!r}; there are {', '.join(exercises)}")


def collect(folder: Path, exercises: dict[str, Exercise], only: str | None = None) -> tuple[list[HandedIn], list[str]]:
    """Find the submissions in a class's folder.

    Parameters
    ----------
    folder : Path
        ``folder/alice/04_gradient_share.py`` or ``folder/alice_04_gradient_share.py``, or both kinds.
    exercises : dict
        By name.
    only : str, optional
        Name of the one exercise to be graded. A student's file that does not say what it answers is taken for it, if
        there is no other.

    Returns
    -------
    list of HandedIn
        In the order of their paths.
    list of str
        A sentence for each file that is left out and perhaps should not be.
    """
    found: list[HandedIn] = []
    guessed: list[HandedIn] = []
    notes: list[str] = []
    for path in sorted(files_in(folder)):
        file = printable(path.relative_to(folder).as_posix())
        named = next((name for name in sorted(exercises, key=len, reverse=True) if name in path.stem), None)
        content = _read(path, folder, exercises)
        if isinstance(content, StudentError):
            says, why = named, str(content)
        else:
            says, why = content.exercise, "its first line and its name say no exercise of ours"
        name = says or only
        if name not in exercises:
            notes.append(f"{file}: left out, {why}")
        elif only is None or name == only:
            item = HandedIn(_student(file, path.stem, name), file, exercises[name], content)
            (found if says else guessed).append(item)
    students = {item.student for item in found}
    for item in guessed:
        if item.student in students:
            notes.append(f"{item.file}: left out, {item.student} has another file for this exercise")
        else:
            found.append(item)
    return sorted(found, key=lambda item: item.file), notes


def files_in(folder: Path) -> Iterator[Path]:
    """Scripts and notebooks below a folder, but none in hidden folders or in those that programs make."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith((".", "__")) for part in parts)
        if path.suffix.lower() in SUFFIXES and not hidden and not path.is_dir():
            yield path


def _read(path: Path, folder: Path, exercises: dict[str, Exercise]) -> Submission | StudentError:
    inside = path.relative_to(folder)
    if any((folder / part).is_symlink() for part in (inside, *inside.parents[:-1])) or not path.is_file():
        return StudentError("encoding", "the file is a link to another one, or no file: hand in the file itself")
    try:
        return submission.read(path, exercises)
    except OSError as error:
        return StudentError("encoding", f"the file cannot be opened: {error.strerror}")
    except StudentError as error:
        return error


def _student(file: str, stem: str, exercise: str) -> str:
    if "/" in file:
        return file.split("/")[0]
    left, _, right = printable(stem).partition(exercise)
    return left.strip("_- ") or right.strip("_- ") or stem
