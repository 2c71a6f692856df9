"""A student's code in a process of its own, seen from the grader's side: ``Student``. worker.py is the other side.

What comes back is the answer of a function, as data, and never a verdict: whether it is right is decided here, where
the student's code never runs.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from time import monotonic
from typing import Any

from . import messages
from . import student as border
from .limits import Limits, StartError
from .student import Function, StudentError
from .worker import Channel

__all__ = ["Limits", "StartError", "Student", "StudentError"]

KINDS = ("not_done", "missing", "signature", "raised", "syntax", "exit", "memory", "result", "modified")
"""Of the errors that a student's process may report; all others are found here."""
STARTING = 60.0  # seconds for Python and NumPy to start, at most; not the student's
KEPT = 10_000  # bytes of what was printed
PACKAGE = Path(__file__).resolve().parent.parent
# No site-packages and no folder of its own on sys.path, none of the user's settings, nothing written beside sources.
COMMAND = (sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c")
BOOT = """
import json, sys
libraries, checkout = json.loads(sys.argv[1])
sys.path[:] = [*libraries, checkout]
from minigrad.classroom.worker import main
sys.path.remove(checkout)
main()
"""
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
# Without these Windows starts no Python, or finds none of its libraries.
KEPT_VARIABLES = ("SYSTEMROOT", "SYSTEMDRIVE", "PATH") if os.name == "nt" else ()
SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/localtime", "/dev/urandom")


def libraries() -> list[str]:
    """The folders of sys.path with installed packages and Python itself: not a checkout, not the current folder."""
    prefixes = tuple(os.path.join(os.path.realpath(prefix), "") for prefix in {sys.prefix, sys.base_prefix})
    ours = {os.path.realpath(folder) for folder in (os.getcwd(), PACKAGE.parent)}
    found = []
    for path in filter(os.path.isdir, sys.path):
        real = os.path.realpath(path)
        packages = os.path.basename(real) in ("site-packages", "dist-packages")
        if packages or (real.startswith(prefixes) and real not in ours):
            found.append(real)
    return found


def printable(text: str) -> str:
    """Text from a student's process that harms neither a terminal nor a file in UTF-8."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def protection() -> list[str]:
    """What this system keeps students' code from harm with: see ``kernel.restrict_kernel``."""
    with Student("") as student:
        return student._in_force


class Student(border.Student):
    """A submission that runs in a process of its own, without rights, for as long as the ``with`` block.

    Parameters
    ----------
    code : str
        The submission's text.
    limits : Limits
        What it may use.

    Raises
    ------
    StudentError
        On entry and on every use: whatever went wrong in the student's code. Once its process is gone, every use
        raises the same error again.
    StartError
        The process could not be started: not the student's fault.

    Examples
    --------
    >>> from minigrad.classroom.sandbox import Student
    >>> with Student("def double(x): return 2 * x") as student:
    ...     student.double(np.array([1.0, 2.0]))
    array([2., 4.])
    """

    def __init__(self, code: str, limits: Limits | None = None) -> None:
        self._code, self._limits = code, limits or Limits()
        self._left = self._limits.seconds
        self._error: StudentError | None = None
        self._kept = b""
        self._printed_bytes = 0
        self._killed = False

    def __enter__(self) -> "Student":
        self._folder = tempfile.TemporaryDirectory(prefix="minigrad-student-", ignore_cleanup_errors=True)
        self._start(os.path.realpath(self._folder.name))
        try:
            self._restrict()
            self._ask(("run", self._code))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        self._requests.put(None)
        self._log_reader.join(1.0)
        self._folder.cleanup()

    @property
    def printed(self) -> str:  # type: ignore[override]
        """What the code has printed, at most the first 10,000 bytes."""
        return printable(self._kept.decode("utf-8", "replace"))

    def _start(self, folder: str) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, BOOT, json.dumps([libraries(), str(PACKAGE.parent)])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**ENVIRONMENT, "HOME": folder, "TMPDIR": folder}
            | {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
            start_new_session=True,
        )
        self._channel = Channel(self._process.stdout, self._process.stdin)
        self._requests: queue.Queue[bytes | None] = queue.Queue()
        self._replies: queue.Queue[bytes | Exception] = queue.Queue()
        self._log_reader = threading.Thread(target=self._read_log, daemon=True)
        # Threads, because a read from a pipe cannot be given a time limit on every system.
        for thread in (self._log_reader, threading.Thread(target=self._talk, daemon=True)):
            thread.start()

    def _restrict(self) -> None:
        readable = [*libraries(), str(PACKAGE), *SYSTEM_LIBRARIES]
        self._requests.put(messages.encode((readable, list(self._limits))))
        try:
            reply = self._replies.get(timeout=STARTING)
        except queue.Empty:
            raise StartError(f"Python did not start within {STARTING:g} seconds; is this machine overloaded?") from None
        if isinstance(reply, Exception):
            self._process.wait(STARTING)
            self._log_reader.join(1.0)
            raise StartError(f"the process for a student's code did not start:\n{self.printed}") from reply
        self._in_force: list[str] = messages.decode(reply)

    def _talk(self) -> None:
        """In a thread: send each request, and hand back the reply to it."""
        for request in iter(self._requests.get, None):
            try:
                self._channel.write(request)
                self._replies.put(self._channel.read(self._limits.answer + messages.LARGEST_HEAD))
            except (OSError, EOFError, ValueError) as error:
                self._replies.put(error)
        for file in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                file.close()  # type: ignore[union-attr]

    def _read_log(self) -> None:
        """In a thread: keep the beginning of what is printed, and stop a process that prints without end."""
        with self._process.stderr as log:  # type: ignore[union-attr]
            while block := os.read(log.fileno(), 1 << 16):
                self._printed_bytes += len(block)
                self._kept += block[: KEPT - len(self._kept)]
                if self._printed_bytes > self._limits.output:
                    self._kill()

    def _kill(self) -> None:
        if self._killed:
            return
        self._killed = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()

    def _ask(self, request: tuple) -> Any:
        """The student's process's answer to one request."""
        if self._error:
            raise self._error
        message = messages.encode(request)
        begun = monotonic()
        self._requests.put(message)
        try:
            reply = self._replies.get(timeout=max(self._left, 0.0))
        except queue.Empty:
            seconds = f"{self._limits.seconds:g} seconds"
            raise self._ended(
                "timeout", f"your code was stopped after {seconds}: look for a loop that never ends"
            ) from None
        self._left -= monotonic() - begun
        if isinstance(reply, ValueError):
            raise self._ended("crash", f"your code's process sent {reply}")
        if isinstance(reply, Exception):
            raise self._ended(*self._last_words())
        try:
            kind, *content = messages.decode(reply)
            if kind == "answer":
                (answer,) = content
                return answer
            if kind != "error":
                raise ValueError(f"a reply of kind {kind!r}")
            error = self._reported(*content)
        except (TypeError, ValueError) as problem:
            raise self._ended("crash", f"your code's process sent something that is no answer: {problem}") from None
        raise error

    def _reported(self, kind: str, message: str, line: int | None, text: str, type_name: str) -> StudentError:
        if kind not in KINDS or type(line) not in (int, type(None)):
            raise ValueError(f"an error of kind {kind!r} in line {line!r}")
        return StudentError(kind, printable(message), line, printable(text), printable(type_name))

    def _ended(self, kind: str, message: str) -> StudentError:
        self._kill()
        self._error = StudentError(kind, printable(message))
        return self._error

    def _last_words(self) -> tuple[str, str]:
        """Kind and sentence of the end of a process that has closed its side."""
        try:
            status = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "crash", "your code closed the file through which the grader hears its answers"
        if self._printed_bytes > self._limits.output:
            return "output", f"your code printed more than {self._limits.output:,} bytes: look for a print in a loop"
        if 0 <= status < 256:  # on Windows, what crashes has a status far above
            return "exit", f"your code ended the program, with exit status {status}: remove exit() and the like"
        name = {one.value: one.name for one in signal.Signals}.get(-status, f"status {status}")
        if name == "SIGXCPU":
            return "timeout", "your code used up its processor time: look for a loop that never ends"
        if name == "SIGKILL":
            return "memory", "the system stopped your code: most likely it used too much memory"
        return "crash", f"your code crashed Python itself ({name}): look for a function that calls itself without end"

    def _get(self, name: str) -> Any:
        match self._ask(("get", name)):
            case ("function",):
                return Function(self, name)
            case ("value", value):
                return value
        raise self._ended("crash", f"your code's process does not say what `{name}` is")

    def _call(self, name: str, args: tuple, kwargs: dict[str, Any]) -> Any:
        return self._ask(("call", name, args, kwargs))
