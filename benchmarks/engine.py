"""The engine's speed: one recorded operation, a whole MLP step, the import.

    python -m benchmarks.engine            about two minutes
    python -m benchmarks.engine --quick    about half a minute

BLAS and PyTorch run on one thread each; times are CPU time of this process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from .timing import Timing, alternate, environment

SIZES = [((2, 16, 16, 2), 32), ((64, 64, 10), 64), ((784, 256, 128, 10), 128), ((784, 512, 512, 10), 256)]
AIMS = {"PyTorch": (0.5, 0.5, 0.9, 0.95), "NumPy": (1.7, 1.6, 1.10, 1.06)}


def single_operations(seconds: float) -> None:
    import numpy as np

    import minigrad as mg

    a, b = mg.ones(4, requires_grad=True), mg.ones(4, requires_grad=True)
    one = np.ones(4, np.float32)
    operations: dict[str, Callable[[], Any]] = {
        "np.exp(a)": lambda: np.exp(a),
        "a * b": lambda: a * b,
        "a + b": lambda: a + b,
    }

    def with_backward(forward: Callable[[], Any]) -> Callable[[], None]:
        def both() -> None:
            a.grad = b.grad = None
            forward().backward(one)

        return both

    print("\nOne recorded operation on 4 numbers (aim: forward <= 2 us, forward and backward <= 5 us)")
    for name, forward in operations.items():
        timing = alternate({"forward": forward, "both": with_backward(forward)}, seconds)
        print(
            f"  {name:<10} forward {timing.median('forward') * 1e6:5.2f} us   "
            f"forward and backward {timing.median('both') * 1e6:5.2f} us"
        )


def steps(seconds: float) -> None:
    import importlib.util

    import numpy as np

    from .steps import Problem, minigrad_step, numpy_step, torch_step

    makers = {"minigrad": minigrad_step, "NumPy": numpy_step}
    if importlib.util.find_spec("torch"):
        makers["PyTorch"] = torch_step
    print("\nOne training step of an MLP: weighted cross-entropy, SGD with momentum, float32, one thread")
    print(
        f"  {'layers':<18}{'batch':>6}{'minigrad':>12}   "
        + "".join(f"{f'/ {n} [quartiles]':<26}{'aim':<8}" for n in AIMS)
    )
    for row, (sizes, batch) in enumerate(SIZES):
        problem = Problem(sizes, batch)
        made = {name: make(problem) for name, make in makers.items()}
        for _ in range(5):
            for step, _ in made.values():
                step()
        expected = made["NumPy"][1]()
        for _, parameters in made.values():
            for p, q in zip(parameters(), expected, strict=True):
                np.testing.assert_allclose(p, q, rtol=1e-3, atol=1e-5)
        timing = alternate({name: step for name, (step, _) in made.items()}, seconds)
        cells = "".join(_cell(timing, name, AIMS[name][row]) for name in AIMS)
        layers = "-".join(map(str, sizes))
        print(f"  {layers:<18}{batch:>6}{timing.median('minigrad') * 1e6:>9.1f} us   {cells}")


def _cell(timing: Timing, name: str, aim: float) -> str:
    if name not in timing.rounds:
        return f"{'not installed':<26}{f'<= {aim}':<8}"
    middle, low, high = timing.ratio("minigrad", name)
    return f"{f'{middle:.2f} [{low:.2f}, {high:.2f}]':<26}{f'<= {aim}':<8}"


def imports(runs: int) -> None:
    code = "import time, numpy; t = time.perf_counter(); import minigrad; print(time.perf_counter() - t)"
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # an installed package has .pyc
    command = [sys.executable, "-c", code]
    subprocess.check_output(command, env=environ)
    times = sorted(float(subprocess.check_output(command, env=environ)) * 1000 for _ in range(runs))
    print(
        f"\nimport minigrad after NumPy: median {times[runs // 2]:.0f} ms "
        f"[{times[0]:.0f}, {times[-1]:.0f}] over {runs} fresh processes (aim: <= 40 ms)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a quarter of the repetitions")
    seconds = 2.0 if parser.parse_args().quick else 8.0
    print("\n".join(environment()))
    single_operations(seconds / 2)
    steps(seconds)
    imports(11)


if __name__ == "__main__":
    main()
