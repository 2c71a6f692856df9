"""A student's file seen from a check: ``student.name`` is a value, or a function to call.

Both sides of the border are here. ``Namespace`` runs the student's code and calls into it, inside the process that
it may harm. ``Student`` is what a check holds: names and calls go through two methods that a subclass carries over
the border (``sandbox.Student``), or does not (``LocalStudent``).
"""

from __future__ import annotations

import inspect
import re
import traceback
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

FILE = "<submission>"
BLANK = re.compile(r"Task \d+: your code here")


class StudentError(Exception):
    """Something is wrong with a student's file, as data.

    Attributes
    ----------
    kind : str
        not_done, missing, signature, none, modified, raised, syntax, encoding, notebook, result, timeout, memory,
        output, exit or crash.
    message : str
        A clause for the student, without the place.
    line : int or None
        The line of the submission's code.
    text : str
        What stands in that line.
    type_name : str
        Of the exception that the code raised.
    """

    def __init__(self, kind: str, message: str, line: int | None = None, text: str = "", type_name: str = "") -> None:
        super().__init__(kind, message, line, text, type_name)
        self.kind, self.message, self.line, self.text, self.type_name = kind, message, line, text, type_name

    def __str__(self) -> str:
        return self.message


class Namespace:
    """The names that a student's code defines. Running it and calling into it raise StudentError only, apart from
    KeyboardInterrupt."""

    def __init__(self, code: str) -> None:
        self._lines = code.splitlines()
        module = types.ModuleType("submission")
        self._names = module.__dict__
        self._explain(lambda: exec(compile(code, FILE, "exec", dont_inherit=True), self._names), "your file")

    def get(self, name: str) -> Any:
        if name not in self._names:
            raise StudentError("missing", f"there is no `{name}` in your file: was it renamed or deleted?")
        return self._names[name]

    def call(self, name: str, args: tuple, kwargs: dict[str, Any]) -> Any:
        function = self.get(name)
        self._fits(name, function, args, kwargs)
        arrays = list(_arrays([*args, *kwargs.values()]))
        before = [array.tobytes() for array in arrays]
        result = self._explain(lambda: function(*args, **kwargs), f"`{name}`")
        if [array.tobytes() for array in arrays] != before:
            raise StudentError("modified", f"`{name}` changes an array that it was given, which is its caller's")
        return result

    @staticmethod
    def _fits(name: str, function: Callable, args: tuple, kwargs: dict[str, Any]) -> None:
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # a builtin
            return
        try:
            signature.bind(*args, **kwargs)
        except TypeError:
            count, given = len(signature.parameters), len(args) + len(kwargs)
            names = ", ".join(signature.parameters)
            takes = f"takes {count} argument{'s' * (count != 1)} ({names})" if count else "takes no arguments"
            line = getattr(getattr(function, "__code__", None), "co_firstlineno", None)
            raise StudentError("signature", f"`{name}` {takes}, but it is called with {given}", line) from None

    def _explain(self, run: Callable[[], Any], who: str) -> Any:
        try:
            return run()
        except SyntaxError as error:
            # Also one that code raises by itself: from eval, or from an import of a file that does not parse
            line = error.lineno if error.filename == FILE else self._line(error)
            raise StudentError("syntax", str(error.msg), line, self._text(line), "SyntaxError") from None
        except SystemExit as error:
            line = self._line(error)
            message = f"{who} ends the program, with exit(): remove that"
            raise StudentError("exit", message, line, self._text(line), "SystemExit") from None
        except MemoryError as error:
            line = self._line(error)
            message = f"{who} asks for more memory than it may have"
            raise StudentError("memory", message, line, self._text(line), "MemoryError") from None
        except Exception as error:
            raise self._raised(error, who) from None

    def _raised(self, error: Exception, who: str) -> StudentError:
        line, name = self._line(error), type(error).__name__
        try:
            said = str(error)
        except Exception:
            said = ""
        if isinstance(error, NotImplementedError) and BLANK.fullmatch(said):
            return StudentError("not_done", f"{who} waits for your code", line)
        message = f"{who} stops with {name}" + (f": {said}" if said else "")
        return StudentError("raised", message, line, self._text(line), name)

    def _line(self, error: BaseException) -> int | None:
        """The innermost line of the student's file that was running."""
        frames = traceback.walk_tb(error.__traceback__)
        lines = [line for frame, line in frames if frame.f_code.co_filename == FILE]
        return lines[-1] if lines else None

    def _text(self, line: int | None) -> str:
        return self._lines[line - 1].strip() if line and line <= len(self._lines) else ""


def _arrays(values: Any) -> Iterator[np.ndarray]:
    """The arrays among some values, in lists, tuples and dicts too."""
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, (list, tuple, dict)):
            yield from _arrays(value)


class Function:
    """A student's function, called here as if it were defined here.

    Handed to another of the student's functions as an argument, it arrives there as the function itself.
    """

    def __init__(self, student: Student, name: str) -> None:
        self._student, self.name = student, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self._student._call(self.name, args, kwargs)
        if result is None:
            raise StudentError("none", f"`{self.name}` returned None: does it reach a `return`, with a value?")
        return result


class Student:
    """What a check is given. A subclass says how names and calls reach the student's code."""

    printed = ""  # what the code printed, or as much of it as is kept

    def _get(self, name: str) -> Any:
        """The value of a name, or a Function where it can be called."""
        raise NotImplementedError

    def _call(self, name: str, args: tuple, kwargs: dict[str, Any]) -> Any:
        raise NotImplementedError

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = self._get(name)
        if value is None:
            raise StudentError("not_done", f"`{name}` waits for your answer")
        return value


class LocalStudent(Student):
    """A student's code in our own process: for code that we trust, such as the solutions in our tests."""

    def __init__(self, code: str, *_: object) -> None:
        self._code = code

    def __enter__(self) -> LocalStudent:
        self._namespace = Namespace(self._code)
        return self

    def _get(self, name: str) -> Any:
        value = self._namespace.get(name)
        return Function(self, name) if callable(value) else value

    def _call(self, name: str, args: tuple, kwargs: dict[str, Any]) -> Any:
        return self._namespace.call(
            name, tuple(self._own(a) for a in args), {k: self._own(a) for k, a in kwargs.items()}
        )

    def _own(self, argument: Any) -> Any:
        return self._namespace.get(argument.name) if isinstance(argument, Function) else argument
