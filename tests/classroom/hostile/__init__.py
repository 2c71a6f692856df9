"""What a submission may try, and what its student is told.

A text file holds entries: a line ``=== name | kind of the error | words of its message``, then the code. It defines
``f``, which the grader calls with an array of three numbers, or it does its harm before. In it, OTHER is the path of
another student's file, SOLUTION that of the exercise's source, FOLDER that of the class's folder.

runs_out
    of time, memory or patience.
ends
    too early.
reaches_out
    to files, programs and the network.
lies
    about its answer.
wrong
    No error: whatever these do, the grader hears an answer, and it is not the right one.
past_python
    Run after TAKE_APART, which does away with what Python itself refuses: the messages are the kernel's.
"""

from pathlib import Path
from typing import NamedTuple


class Attempt(NamedTuple):
    name: str
    kind: str
    says: str
    code: str


def read(name: str) -> list[Attempt]:
    """The entries of one of the text files."""
    text = (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8")
    attempts = []
    for entry in text.split("=== ")[1:]:
        head, code = entry.split("\n", 1)
        title, kind, says, *_ = [part.strip() for part in f"{head}||".split("|")]
        attempts.append(Attempt(title, kind, says, code))
    return attempts


TAKE_APART = """
import gc, subprocess, sys
sys.modules.pop("_posixsubprocess")
import _posixsubprocess
subprocess._posixsubprocess = _posixsubprocess  # Python 3.10 takes the function from there
subprocess._fork_exec = _posixsubprocess.fork_exec
hook = next(o for o in gc.get_objects() if getattr(o, "__qualname__", "") == "restrict_python.<locals>.hook")
for cell in hook.__closure__:
    if callable(cell.cell_contents) and cell.cell_contents.__name__ == "below":
        cell.cell_contents = lambda *a: True
    elif isinstance(cell.cell_contents, list):
        cell.cell_contents.clear()
"""
