"""A process of the grader's own that marks one submission.

The student's code does not run in it: it runs in a process below (sandbox.py). But the checks meet what that code
returns, and one that never ends, or asks for all memory, must cost one submission only.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import kernel, marking
from .limits import Limits, restrict_resources
from .marking import Marks
from .sandbox import PACKAGE
from .source import Exercise, SourceError
from .student import StudentError
from .submission import Submission

SLACK = 30.0  # seconds that our own checks may take in each task, beside the student's


class MarkingError(Exception):
    """A submission could not be marked for a reason that is not the student's."""


def mark(exercise: Exercise, submission: Submission | StudentError, seed: int, limits: Limits) -> Marks:
    """``marking.mark`` in a process of its own; no marks for a file that could not be read.

    Raises
    ------
    SourceError
        A check of ours broke a rule.
    MarkingError
        The process failed: a bug of ours, or a machine without memory.
    """
    if isinstance(submission, StudentError):
        return marking.nothing(exercise, submission)
    request = {
        "exercise": str(exercise.path.resolve()),
        "code": submission.code,
        "cells": submission.cells,
        "seed": seed,
        "limits": limits,
    }
    seconds = len(exercise.tasks) * (limits.seconds + SLACK)
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # so that Ctrl-C reaches the grader alone
    ) as process:
        try:
            reply, complaint = process.communicate(json.dumps(request).encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            late = StudentError("timeout", f"checking what your code returns took more than {seconds:g} seconds")
            return marking.nothing(exercise, late)
        except BaseException:
            process.kill()
            raise
    try:
        answer: dict[str, Any] = json.loads(reply)
    except ValueError:
        said = complaint.decode("utf-8", "replace").strip().splitlines()
        raise MarkingError(f"the marking process ended with status {process.returncode}: {said[-1:]}") from None
    if "source" in answer:
        raise SourceError(answer["source"])
    return marking.from_dict(answer)


def main() -> None:
    kernel.die_with_parent()
    request = json.load(sys.stdin)
    limits = Limits(*request["limits"])
    restrict_resources(limits._replace(memory=2 * limits.memory, seconds=3600.0))
    exercise = Exercise.read(Path(request["exercise"]))
    submission = Submission(request["code"], exercise.name, tuple(request["cells"]))
    with contextlib.redirect_stdout(sys.stderr):  # a print in a check is no part of the answer
        try:
            answer = marking.to_dict(marking.mark(exercise, submission, seed=request["seed"], limits=limits))
        except SourceError as error:
            answer = {"source": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
