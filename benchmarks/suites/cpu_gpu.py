"""The same step on the CPU and on the GPU, over the size of the batch: from where on is it worth to move?"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from minigrad import device

from ..rows import ON_CPU, OURS, Row, timed
from ..steps import lenet, mlp
from ..timing import spread
from . import absent
from .mlp import agree

TITLE = "CPU against GPU: one training step over the size of the batch, TF32 off on both sides"
SETTINGS = [{"threads": os.cpu_count() or 1}]

TRANSFERRED = "minigrad, X moved every step"
AIMS = {64: {"PyTorch": 1.5}, 1024: {"PyTorch": 1.0, "CuPy": 1.05}, 4096: {"PyTorch": 1.0, "CuPy": 1.05}}
PEERS = ("PyTorch",)
UNABLE = {
    "JAX": "not tried on a GPU; on the CPU see mlp and cnn",
    **dict.fromkeys(("HIPS autograd", "MyGrad", "micrograd", "scikit-learn"), "computes on the CPU only"),
}
BATCHES = {True: (64, 256, 1024, 4096), False: (64, 1024)}  # in the full run, and in a quick one


def rows(scale: float) -> Iterator[Row]:
    for batch in BATCHES[scale >= 1]:
        problem = mlp.Problem((784, 256, 128, 10), batch)
        yield from _compared("MLP 784-256-128-10", batch, mlp, problem, scale)
    for batch in BATCHES[scale >= 1]:
        yield from _compared("LeNet-5", batch, lenet, lenet.LeNetProblem((6, 16), batch), scale)


def _compared(what: str, batch: int, steps: ModuleType, problem: Any, scale: float) -> Iterator[Row]:
    made: dict[str, Any] = {ON_CPU: steps.minigrad_step(problem), "NumPy": steps.numpy_step(problem)}
    reason = device.why_not()
    missing = dict.fromkeys((f"{OURS} on the GPU", "CuPy", "PyTorch on the GPU"), reason) if reason else {}
    if not reason:
        missing = _add_gpu(made, steps, problem)
    checked = agree(made)
    contenders = {name: step for name, (step, _) in made.items()}
    yield timed(
        "cpu-gpu",
        f"{what}, batch {batch}: wall time",
        contenders,
        3.0 * scale,
        aims={} if reason else AIMS.get(batch, {}),
        missing=missing | UNABLE,
        checked=checked,
        finish=device.synchronize,
    )
    if not reason:
        on_gpu = {name: step for name, step in contenders.items() if name not in (ON_CPU, "NumPy")}
        times = {name: _device_times(step) for name, step in on_gpu.items()}
        yield Row("cpu-gpu", f"{what}, batch {batch}: device time", {name: spread(t) for name, t in times.items()})


def _add_gpu(made: dict[str, Any], steps: ModuleType, problem: Any) -> dict[str, str]:
    """The contenders on the GPU; those that cannot take part, with the reason."""
    import cupy

    made[OURS] = steps.minigrad_step(problem, "cuda")
    made[TRANSFERRED] = steps.minigrad_step(problem, "cuda", resident=False)
    made["CuPy"] = steps.numpy_step(problem, cupy.array)
    if missing := absent(PEERS):
        return missing
    import torch

    if not torch.cuda.is_available():
        return {"PyTorch on the GPU": f"PyTorch {torch.__version__} sees no GPU"}
    made["PyTorch"] = steps.torch_step(problem, device="cuda")
    return {}


def _device_times(step: Callable[[], Any], runs: int = 7, steps: int = 10) -> list[float]:
    """Seconds per step between two events on the device's default stream, on which all contenders work."""
    import cupy

    times = []
    for _ in range(runs):
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        for _ in range(steps):
            step()
        end.record()
        end.synchronize()
        times.append(cupy.cuda.get_elapsed_time(start, end) / 1000 / steps)
    return times
