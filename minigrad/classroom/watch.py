"""Do something again whenever a file is saved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

PAUSE = 0.3  # seconds between two looks


def saves(path: Path, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Yield at once, then after every save of `path`, without end.

    Editors write in several steps, or write a new file and put it in the old one's place. A save is therefore a change
    after which the file is there, and the same at two looks.
    """
    reported = last = _state(path)
    yield
    while True:
        sleep(PAUSE)
        state = _state(path)
        if state is not None and state == last and state != reported:
            reported = state
            yield
        last = state


def _state(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written or replaced; None while there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
