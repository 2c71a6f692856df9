"""What a submission may use, and the rules that Python itself can keep; kernel.py has those that Linux keeps.

Everything here runs inside the student's process, before the student's first line.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple


class StartError(RuntimeError):
    """A process for a student's code could not be started: this machine's fault."""


class Limits(NamedTuple):
    """What one process with a student's code may use."""

    seconds: float = 20.0
    """For running the file and all calls of its functions together."""
    memory: int = 2 << 30
    """Bytes of address space, beyond what Python and NumPy need; Linux only."""
    output: int = 10 << 20
    """Bytes that may be printed before the process is stopped."""
    answer: int = 64 << 20
    """Bytes of the longest answer of a function."""
    file: int = 4 << 20
    """Bytes of the largest file that may be written; not on Windows."""
    files: int = 100
    """How often a file may be opened for writing, or a folder or link be made."""
    kernel: bool = True
    """Whether Linux shall keep the rules too; without, they are kept as on other systems, by Python alone."""


def restrict_resources(limits: Limits) -> None:
    """Memory, processor time, size and number of files, through ``resource``; nothing on Windows, which has none."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        used = 0
    for name, most in (
        ("RLIMIT_AS", used + limits.memory),
        ("RLIMIT_CPU", int(limits.seconds) + 5),
        ("RLIMIT_FSIZE", limits.file),
        ("RLIMIT_NOFILE", 256),
        ("RLIMIT_CORE", 0),
    ):
        # macOS knows RLIMIT_AS and refuses to set it; a limit that is lower already stays.
        with contextlib.suppress(ValueError, OSError, AttributeError):
            resource.setrlimit(getattr(resource, name), (most, most))


WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
READS = ("os.listdir", "os.scandir", "glob.glob", "glob.glob/2")
# What changes a file or a folder: the arguments that are paths come first.
CHANGES = {
    "os.remove": 1, "os.rename": 2, "os.rmdir": 1, "os.mkdir": 1, "os.link": 2, "os.symlink": 2, "os.truncate": 1,
    "os.chmod": 1, "os.chown": 1, "os.chflags": 1, "os.utime": 1, "os.setxattr": 1, "os.removexattr": 1,
}  # fmt: skip
MAKES = ("os.mkdir", "os.link", "os.symlink")
REFUSED = (
    ("start another program", ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile")),
    ("start another process", ("os.fork", "pty.spawn")),
    ("send signals", ("os.kill", "signal.pthread_kill", "fcntl.fcntl", "fcntl.ioctl")),
    ("use the network", ("socket.",)),
    ("open a database", ("sqlite3.",)),
    ("load machine code", ("ctypes.",)),
    ("change the limits of the process", ("resource.setrlimit", "resource.prlimit")),
)


def restrict_python(folder: str, readable: Sequence[str], files: int) -> None:
    """Refuse, from now on, what reaches outside of `folder`, other programs and the network.

    Parameters
    ----------
    folder : str
        The only folder in which files may be made, changed and removed.
    readable : sequence of str
        Files and folders that may be read besides it.
    files : int
        How often a file may be opened for writing, or a folder or link be made.

    Notes
    -----
    An audit hook (PEP 578) sees what Python's own functions do. Machine code is not seen, and a student who knows
    Python's inside can take the hook apart: that is what :mod:`minigrad.classroom.kernel` is for.
    """
    realpath, fspath, join = os.path.realpath, os.fspath, os.path.join
    inside = realpath(folder)
    allowed = [inside, *(realpath(path) for path in readable)]
    refused = [(name, what) for what, names in REFUSED for name in names]

    def below(path: Any, roots: Sequence[str]) -> bool:
        real = realpath(os.fsdecode(fspath(path)))
        return any(real == root or real.startswith(join(root, "")) for root in roots)

    def refuse(what: str) -> None:
        raise PermissionError(errno.EACCES, f"a submission may not {what}")

    def count(more: bool) -> None:
        nonlocal files
        files -= more
        if files < 0:
            refuse("write so many files")

    def hook(event: str, arguments: tuple) -> None:
        if event == "open":
            path, mode, flags = arguments
            if not isinstance(path, int):
                writes = flags & WRITING or set(mode or "") & set("wax+")
                if not below(path, [inside] if writes else allowed):
                    refuse(f"{'write' if writes else 'read'} files outside of its own folder: {path!r}")
                count(bool(writes))
        elif event in READS:
            path = "." if arguments[0] is None else arguments[0]
            if not isinstance(path, int) and not below(path, allowed):
                refuse(f"look into folders outside of its own: {path!r}")
        elif event in CHANGES:
            for path in arguments[: CHANGES[event]]:
                if isinstance(path, int) or not below(path, [inside]):
                    refuse(f"change files outside of its own folder: {path!r}")
            count(event in MAKES)
        else:
            for name, what in refused:
                if event.startswith(name):
                    refuse(f"{what} ({event})")

    with contextlib.suppress(ModuleNotFoundError):  # Windows has none
        import _posixsubprocess

        # No event is raised for it, and multiprocessing calls it directly.
        vars(_posixsubprocess).update(fork_exec=lambda *_: refuse("start another process"))
    sys.addaudithook(hook)
