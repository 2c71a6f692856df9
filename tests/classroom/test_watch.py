"""When a file counts as saved."""

import contextlib
import os

import pytest

from minigrad.classroom.watch import saves


@pytest.mark.parametrize(
    ("steps", "times"),
    [
        (["same", "same", "same"], 1),
        (["write", "same"], 2),
        (["write", "write", "write", "same", "same"], 2),  # in several steps
        (["remove", "same", "write", "same"], 2),  # removed and written anew
        (["replace", "same", "same", "replace", "same"], 3),  # another file put in its place
        (["touch", "same"], 2),
    ],
)
def test_saves_are_counted_once_each(tmp_path, steps, times):
    path, spare = tmp_path / "mine.py", tmp_path / "mine.py~"
    path.write_text("0", encoding="utf-8")
    size = 1
    left = list(steps)

    def sleep(_):
        nonlocal size
        if not left:
            raise KeyboardInterrupt
        step, size = left.pop(0), size + 1
        if step == "write":
            path.write_text("x" * size, encoding="utf-8")
        elif step == "remove":
            path.unlink()
        elif step == "touch":
            os.utime(path, ns=(size, size))
        elif step == "replace":
            spare.write_text("x" * size, encoding="utf-8")
            spare.replace(path)

    counted = 0
    with contextlib.suppress(KeyboardInterrupt):
        for _ in saves(path, sleep):
            counted += 1
    assert counted == times
