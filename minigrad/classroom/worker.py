"""The student's process: runs a submission and answers calls of its functions. sandbox.py is the other side.

Nothing of the grader is in this process: no hidden check, no seed, no solution, no mark. Whatever a submission does to
it, what goes back is read as the answer of one function.
"""

import builtins
import io
import os
import sys
from typing import Any

from . import kernel, messages
from .limits import Limits, restrict_python, restrict_resources
from .student import Namespace, StudentError

LONGEST_TEXT = 2000


class Channel:
    """Messages over two files, each as its length in 8 bytes and the bytes."""

    def __init__(self, incoming: Any, outgoing: Any) -> None:
        self.incoming, self.outgoing = incoming, outgoing

    def read(self, most: int | None = None) -> bytes:
        """The next message; ValueError if it is longer than `most`, EOFError if there is none, or not all of it."""
        (size,) = messages.HEAD.unpack(self._exactly(messages.HEAD.size))
        if most is not None and size > most:
            raise ValueError(f"a message of {size:,} bytes; the longest is {most:,}")
        return self._exactly(size)

    def _exactly(self, count: int) -> bytes:
        content = self.incoming.read(count)
        if len(content) < count:
            raise EOFError("the other side has ended")
        return content

    def write(self, body: bytes) -> None:
        self.outgoing.write(messages.HEAD.pack(len(body)) + body)
        self.outgoing.flush()


def private_channel() -> Channel:
    """Take stdin and stdout for the messages: from now on there is no input, and what is printed goes to stderr."""
    channel = Channel(os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), "utf-8")
    sys.stdout = sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), "utf-8", "replace", write_through=True)
    return channel


def answer(namespace: Namespace | None, request: list) -> tuple[Namespace | None, Any]:
    """What one request asks for: ("run", code), ("get", name) or ("call", name, args, kwargs)."""
    kind, *content = request
    if kind == "run":
        return Namespace(*content), None
    assert namespace is not None
    if kind == "get":
        value = namespace.get(*content)
        return namespace, ("function",) if callable(value) else ("value", value)
    name, args, kwargs = content
    return namespace, namespace.call(name, args, kwargs)


def serve(channel: Channel, most: int) -> None:
    """Answer requests until the grader ends this process."""
    namespace: Namespace | None = None
    while True:
        request = channel.read()
        try:
            find = None if namespace is None else namespace.get
            content = messages.decode(request, function=find)
            namespace, result = answer(namespace, content)
            try:
                reply = messages.encode(("answer", result))
                if len(reply) > most:
                    raise ValueError(f"{len(reply):,} bytes, of at most {most:,}")
            except (TypeError, ValueError) as error:
                raise StudentError(
                    "result", f"`{content[1]}` returned {error}; expected NumPy arrays, numbers, or lists of these"
                ) from None
        except StudentError as error:
            reply = describe(error)
        except BaseException as error:
            # KeyboardInterrupt, MemoryError while encoding, ...: whatever it is, it is the student's, and is told.
            reply = describe(StudentError("raised", f"your code stops with {type(error).__name__}"))
        channel.write(reply)


def describe(error: StudentError) -> bytes:
    return messages.encode(
        ("error", error.kind, error.message[:LONGEST_TEXT], error.line, error.text[:LONGEST_TEXT], error.type_name)
    )


def main() -> None:
    """Restrict this process, then serve; the current folder is the one in which the submission may write."""
    channel = private_channel()
    kernel.die_with_parent()
    readable, settings = messages.decode(channel.read())
    limits, folder = Limits(*settings), os.getcwd()
    sys.argv = ["submission.py"]
    vars(builtins).update(exit=sys.exit, quit=sys.exit)  # `python -S` leaves them out
    restrict_resources(limits)
    in_force = kernel.restrict_kernel(folder, readable) if limits.kernel else []
    restrict_python(folder, readable, limits.files)
    channel.write(messages.encode(in_force))
    serve(channel, limits.answer)
