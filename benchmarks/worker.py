"""One suite under one setting, in a process of its own: threads and BLAS kernel are chosen when it starts.

    python -m benchmarks.worker mlp '{"threads": 1}' 1.0

prints a line of JSON for each row; everything else that libraries print goes to stderr.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

from . import THREAD_VARIABLES
from .rows import Row

KERNELS = {"Haswell": "SkylakeX", "SkylakeX": "Haswell"}  # OpenBLAS's for AVX2, and for AVX-512


class SuiteFailedError(RuntimeError):
    """A suite ended with an error; the message is the end of what it printed."""


def run(suite: str, setting: dict[str, Any], scale: float) -> Iterator[Row]:
    """The rows of a suite as they are measured, in a process with `setting`'s number of threads.

    The process is bound to as many processors, too, which holds libraries that have no switch for threads.

    Raises
    ------
    SuiteFailedError
        If the process ends with an error.
    """
    threads = str(setting["threads"])
    environ = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, threads)}
    if "kernel" in setting:
        environ["OPENBLAS_CORETYPE"] = setting["kernel"]
    command = [sys.executable, "-m", "benchmarks.worker", suite, json.dumps(setting), str(scale)]
    with (
        tempfile.TemporaryFile("w+") as log,  # no pipe: one that nobody empties would stop the process
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                yield Row.from_dict(json.loads(line))
        except BaseException:
            process.kill()
            raise
        process.wait()
        log.seek(0)
        errors = log.read()
    if process.returncode:
        raise SuiteFailedError(errors.strip()[-2000:] or f"it ended with status {process.returncode}")


def other_kernel(blas: str | None) -> str | None:
    """The second BLAS kernel that this machine can run, given the name of the first; None if there is none."""
    from minigrad import info  # loads NumPy, which the process of a suite must not do before it is bound

    named = [other for kernel, other in KERNELS.items() if blas and f"kernel {kernel}," in blas]
    return named[0] if named and (named[0] == "Haswell" or info.has_avx512()) else None


def main() -> None:
    suite, setting, scale = sys.argv[1], json.loads(sys.argv[2]), float(sys.argv[3])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: setting["threads"]])
    rows_to = os.fdopen(os.dup(1), "w")
    with redirect_stdout(sys.stderr):
        from . import machine, suites

        settings = {"threads": setting["threads"], "BLAS": machine.blas()}
        for row in suites.load(suite).rows(scale):
            row.settings = settings
            print(json.dumps(row.to_dict()), file=rows_to, flush=True)


if __name__ == "__main__":
    main()
