"""A student's file, read with care: a script or a notebook, of any content."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .build import HEADER
from .student import StudentError

LARGEST = 2_000_000  # bytes; a notebook with a few figures in it stays below
MAGIC = re.compile(r"^(\s*)([%!]\w.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Submission:
    """The code of a student's file.

    Attributes
    ----------
    code : str
        Python; of a notebook, its code cells one after the other, without magics.
    exercise : str or None
        Name of the exercise that it answers.
    cells : tuple of int
        Of a notebook: the line, counted from 1, with which each code cell begins in `code`.
    """

    code: str
    exercise: str | None
    cells: tuple[int, ...] = ()

    def place(self, line: int) -> str:
        """Where line `line` of the code stands in the student's file: "line 12", "code cell 3, line 2"."""
        cell = sum(first <= line for first in self.cells)
        return f"code cell {cell}, line {line - self.cells[cell - 1] + 1}" if cell else f"line {line}"


def read(path: Path, names: Iterable[str] = (), default: str | None = None) -> Submission:
    """Read a script or a notebook.

    Which exercise it is says its first line, ``# minigrad exercise NAME``; without it the file's name, if that contains
    one of `names`; else it is `default`.

    Raises
    ------
    StudentError
        "encoding" or "notebook": the file cannot be read; the message says what to do.
    OSError
        There is no such file, or it may not be opened.
    """
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        advice = "clear the outputs of the notebook and save it" if path.suffix == ".ipynb" else "hand in code, no data"
        raise StudentError("encoding", f"the file has more than {LARGEST // 1_000_000} MB: {advice}")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise StudentError(
            "encoding",
            f"the file is not UTF-8 text (byte {data[error.start]:#04x}): save it again, with encoding UTF-8",
            line,
        ) from None
    if "\0" in text:
        raise StudentError(
            "encoding", "the file contains null bytes, it is no text: save it again, with encoding UTF-8"
        )
    code, cells = _notebook_code(text) if path.suffix == ".ipynb" else (text, ())
    header = re.search(rf"^{HEADER}(\w+)", code, re.MULTILINE)
    if header:
        return Submission(code, header[1], cells)
    return Submission(code, max((n for n in names if n in path.stem), key=len, default=default), cells)


def _notebook_code(text: str) -> tuple[str, tuple[int, ...]]:
    try:
        cells = json.loads(text)["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise StudentError(
            "notebook", "the file is not a notebook of Jupyter 4 or later: open it in Jupyter and save it again"
        ) from None
    code, firsts = "", []
    for source in sources:
        firsts.append(code.count("\n") + 1)
        if source.startswith("%%"):  # the cell is in another language, or timed
            source = "\n" * source.count("\n")
        code += MAGIC.sub(r"\1pass  # \2", source) + "\n"
    return code, tuple(firsts)
