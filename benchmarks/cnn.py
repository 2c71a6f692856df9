"""LeNet-5: time and memory of a training step at batch 64, beside PyTorch and beside the same arrays without an engine.

    python -m benchmarks.cnn            one and two threads, each BLAS kernel; about four minutes
    python -m benchmarks.cnn --quick    about a minute

Every row runs in a process of its own, because threads and kernel are chosen when BLAS is loaded. Times are wall time;
"PyTorch" is the faster of its two memory formats. Memory is the peak above the state before the first step.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from . import THREAD_VARIABLES
from .lenet_steps import LeNetProblem, minigrad_step, numpy_step, torch_step
from .timing import alternate, environment

CHANNELS = [(6, 16), (32, 64)]
AIMS = {"PyTorch": [(0.8, 1.0), (1.1, 1.1)], "NumPy": [(1.15, 1.15), (1.10, 1.10)]}  # [channels][threads - 1]


def timings(channels: tuple[int, int], threads: int, seconds: float) -> dict[str, Any]:
    """Times and ratios of all contenders, after they have been seen to compute the same."""
    problem = LeNetProblem(channels, batch=64)
    made = {"minigrad": minigrad_step(problem), "NumPy": numpy_step(problem)}
    if importlib.util.find_spec("torch"):
        made["PyTorch"] = torch_step(problem, False, threads)
        made["PyTorch channels_last"] = torch_step(problem, True, threads)
    for _ in range(3):
        for step, _ in made.values():
            step()
    expected = made["NumPy"][1]()
    for _, parameters in made.values():
        for name, value in parameters().items():
            np.testing.assert_allclose(value, expected[name], rtol=2e-3, atol=2e-5)
    timing = alternate({name: step for name, (step, _) in made.items()}, seconds, clock="wall")
    peers = [name for name in made if name.startswith("PyTorch")]
    best = min(peers, key=timing.median) if peers else None
    return {
        "milliseconds": {name: timing.median(name) * 1000 for name in made},
        "NumPy": timing.ratio("minigrad", "NumPy"),
        "PyTorch": timing.ratio("minigrad", best) if best else None,
        "best": best,
        "blas": next((line for line in environment() if line.startswith("BLAS")), None),
    }


def memory(contender: str, batch: int) -> float | None:
    """Peak megabytes of three steps above what the process held before them; None where the system does not tell."""
    problem = LeNetProblem((6, 16), batch)
    step, _ = {"minigrad": minigrad_step, "PyTorch": torch_step}[contender](problem)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the start
    except OSError:
        return None
    before = _status("VmRSS")
    for _ in range(3):
        step()
    return (_status("VmHWM") - before) / 1024


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def in_process(task: dict[str, Any], kernel: str | None = None) -> Any:
    """Run one task in a fresh process, with its number of threads and, if told, with another BLAS kernel."""
    environ = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(task.get("threads", 1)))}
    if kernel is not None:
        environ["OPENBLAS_CORETYPE"] = kernel
    command = [sys.executable, "-m", "benchmarks.cnn", "--task", json.dumps(task)]
    return json.loads(subprocess.check_output(command, env=environ).splitlines()[-1])


def report(seconds: float, kernels: list[str | None]) -> None:
    print("LeNet-5 on 28x28, batch 64, weighted cross-entropy, SGD with momentum, float32: one step, wall time")
    print("\n".join(environment()[:2]))
    for kernel in kernels:
        for threads in (1, 2):
            for channels in CHANNELS:
                task = {"channels": channels, "threads": threads, "seconds": seconds}
                found = in_process(task, kernel)
                if (threads, channels) == (1, CHANNELS[0]):
                    print(f"\n{found['blas'] or 'BLAS not named: install threadpoolctl'}")
                print(_row(threads, channels, found), flush=True)
    print("\nPeak memory of three steps above the state before them, channels 6 and 16 (aim: minigrad <= PyTorch)")
    contenders = ["minigrad", *(["PyTorch"] if importlib.util.find_spec("torch") else [])]
    for batch in (64, 512):
        peaks = {name: in_process({"memory": name, "batch": batch}) for name in contenders}
        cells = [f"{name} " + (f"{peak:6.1f} MB" if peak else "not known here") for name, peak in peaks.items()]
        print(f"  batch {batch:<4} {'   '.join(cells)}")


def _row(threads: int, channels: tuple[int, int], found: dict[str, Any]) -> str:
    text = f"  {threads} thread{'s' if threads > 1 else ' '}  channels {channels[0]:>2}, {channels[1]:>2}  "
    text += f"minigrad {found['milliseconds']['minigrad']:6.2f} ms"
    for peer in ("PyTorch", "NumPy"):
        if found[peer] is not None:
            middle, low, high = found[peer]
            text += f"   / {found['best'] if peer == 'PyTorch' else peer} {middle:.2f} [{low:.2f}, {high:.2f}]"
            text += f" (aim <= {AIMS[peer][CHANNELS.index(channels)][threads - 1]})"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a third of the repetitions, the default BLAS kernel only")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task is None:
        other = "SkylakeX" if "Haswell" in " ".join(environment()) else "Haswell"
        report(4.0 if arguments.quick else 12.0, [None] if arguments.quick else [None, other])
        return
    task = json.loads(arguments.task)
    if "memory" in task:
        print(json.dumps(memory(task["memory"], task["batch"])))
    else:
        print(json.dumps(timings(tuple(task["channels"]), task["threads"], task["seconds"])))


if __name__ == "__main__":
    main()
