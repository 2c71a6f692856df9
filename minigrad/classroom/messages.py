"""What the grader and a student's process say to each other: one value as bytes, without pickle.

A value is None, a bool, int, float or str; an array of numbers or bools; a NumPy scalar; or lists, tuples and dicts of
these. The bytes: the length of the head, the head as JSON, then the arrays one after the other. In the head, None,
bools, ints, floats and strings stand for themselves; all else is a list whose first item names it: ``["list", ...]``,
``["tuple", ...]``, ``["dict", [key, value], ...]``, ``["array", dtype, shape]``, ``["scalar", dtype]``, and, from the
grader only, ``["function", name]``, a function of the submission.

Reading runs nothing that stands in the message, so what comes from a student's process is safe to read: it is data of
one of these kinds, or a ValueError.
"""

import json
import math
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from .student import Function

HEAD = struct.Struct(">Q")
LARGEST_HEAD = 4 << 20
"""Bytes of JSON in one message: lists of Python's numbers grow twentyfold when they are read, arrays do not."""
PLAIN = (type(None), bool, int, float, str)
DTYPES = re.compile(r"[<>|=]?(b1|[iu][1248]|f(2|4|8|12|16)|c(8|16|24|32))")


def encode(value: Any) -> bytes:
    """The message that holds `value`; TypeError or ValueError, with the place and the type, if none can."""
    arrays: list[bytes] = []
    head = json.dumps(_describe(value, arrays, 0)).encode()
    if len(head) > LARGEST_HEAD:
        raise ValueError(f"lists and strings of {len(head):,} bytes, of at most {LARGEST_HEAD:,}")
    return b"".join([HEAD.pack(len(head)), head, *arrays])


def _describe(value: Any, arrays: list[bytes], depth: int) -> Any:
    """What the head says of `value`; the bytes of its arrays are appended to `arrays`."""
    if depth > 50:
        raise ValueError("lists more than 50 deep in each other")
    if type(value) in PLAIN:
        return value
    if isinstance(value, Function):
        return ["function", value.name]
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return [kind, *(_describe(item, arrays, depth + 1) for item in value)]
    if isinstance(value, dict):
        return ["dict", *([_describe(part, arrays, depth + 1) for part in item] for item in value.items())]
    if isinstance(value, np.generic):
        return ["scalar", *_array(np.asarray(value), arrays)[:1]]
    if isinstance(value, np.ndarray):
        return ["array", *_array(np.asarray(value), arrays)]
    raise TypeError(f"a value of type {type(value).__name__}")


def _array(array: np.ndarray, arrays: list[bytes]) -> tuple[str, list[int]]:
    if not DTYPES.fullmatch(array.dtype.str):
        raise TypeError(f"an array of dtype {array.dtype}")
    arrays.append(array.tobytes())
    return array.dtype.str, list(array.shape)


def decode(message: bytes, *, function: Callable | None = None) -> Any:
    """The value of a message.

    Parameters
    ----------
    message : bytes
        Of :func:`encode`, or anything.
    function : callable, optional
        From a name to the submission's function. Without it, a message that names one is refused.

    Raises
    ------
    ValueError
        The bytes are not a message. Nothing else is raised, whatever they are.
    """
    try:
        (size,) = HEAD.unpack_from(message)
        if size > LARGEST_HEAD:
            raise ValueError(f"its head is {size:,} bytes long")
        reader = _Reader(message, HEAD.size + size, function)
        value = reader.value(json.loads(message[HEAD.size : HEAD.size + size]))
        if reader.position != len(message):
            raise ValueError("it has bytes behind its end")
        return value
    except (ValueError, TypeError, LookupError, RecursionError, MemoryError, OverflowError, struct.error) as error:
        raise ValueError(f"not a message: {error}") from None


class _Reader:
    """Takes the arrays of a message one after the other."""

    def __init__(self, message: bytes, position: int, function: Callable | None) -> None:
        self.message, self.position, self.function = message, position, function

    def value(self, head: Any) -> Any:
        if type(head) in PLAIN:
            return head
        kind, *content = head
        if kind == "list":
            return [self.value(item) for item in content]
        if kind == "tuple":
            return tuple(self.value(item) for item in content)
        if kind == "dict":
            return {self.value(key): self.value(item) for key, item in content}
        if kind == "array":
            return self.array(*content)
        if kind == "scalar":
            (dtype,) = content
            return self.array(dtype, [])[()]
        if kind == "function" and self.function is not None:
            return self.function(*content)
        raise ValueError(f"a value of kind {kind!r}")

    def array(self, name: str, shape: list[int]) -> np.ndarray:
        if not DTYPES.fullmatch(name) or not all(type(length) is int and length >= 0 for length in shape):
            raise ValueError(f"an array of dtype {name!r} and shape {shape!r}")
        dtype = np.dtype(name)
        end = self.position + math.prod(shape) * dtype.itemsize
        if end > len(self.message):
            raise ValueError("an array is longer than the message")
        flat = np.frombuffer(self.message[self.position : end], np.uint8 if dtype.kind == "b" else dtype)
        self.position = end
        # A bool byte may be 2, and NumPy would count it twice; other byte orders are read once, here.
        native = flat != 0 if dtype.kind == "b" else flat.astype(dtype.newbyteorder("="))
        return native.reshape(shape)
