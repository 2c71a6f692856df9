"""Peak memory of training steps, above what the process held before them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..rows import OURS, Row
from ..steps import lenet, lenet_peers
from . import absent, cnn

TITLE = "Peak memory of three steps of LeNet-5 above the state before them"
SETTINGS = [{"threads": 1}]
AIM = 1.0
PEERS = {
    "PyTorch": lenet.torch_step,
    "HIPS autograd": lenet_peers.autograd_step,
    "MyGrad": lenet_peers.mygrad_step,
}
UNABLE = cnn.UNABLE | {
    "JAX": "it compiles before its first step, which takes more memory than the step and is left to it"
}
BATCHES = {True: (64, 512), False: (64,)}  # in the full run, and in a quick one: a peak is a peak
MAKERS: dict[str, Any] = {OURS: lenet.minigrad_step, "NumPy": lenet.numpy_step, **PEERS}


def rows(scale: float) -> Iterator[Row]:
    missing = UNABLE | absent(PEERS, scale)
    for batch in BATCHES[scale >= 1]:
        peaks = {name: _in_process(name, batch) for name in MAKERS if name not in missing}
        known = {name: (peak, peak, peak) for name, peak in peaks.items() if peak is not None}
        untold = {name: "this system does not tell a process its peak" for name, peak in peaks.items() if peak is None}
        ratios = {name: peak[0] and known[OURS][0] / peak[0] for name, peak in known.items() if name != OURS}
        yield Row(
            "memory",
            f"channels 6 and 16, batch {batch}",
            known,
            unit="MB",
            ratios={name: (ratio, ratio, ratio) for name, ratio in ratios.items()},
            aims={"PyTorch": AIM},
            missing=missing | untold,
        )


def _in_process(name: str, batch: int) -> float | None:
    """In a process of its own: memory that one contender freed would serve the next."""
    command = [sys.executable, "-m", "benchmarks.suites.memory", name, str(batch)]
    return json.loads(subprocess.check_output(command).splitlines()[-1])


def peak(name: str, batch: int) -> float | None:
    """Megabytes, or None where the system does not tell."""
    step, _ = MAKERS[name](lenet.LeNetProblem((6, 16), batch))
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


if __name__ == "__main__":
    print(json.dumps(peak(sys.argv[1], int(sys.argv[2]))))
