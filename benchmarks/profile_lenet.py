"""Where the time of a LeNet-5 step goes: every layer forward, every derivative backward, the optimiser.

    python -m benchmarks.profile_lenet [first channels] [second channels]

Each part is timed by itself, with the arrays that it meets in the step; one thread, CPU time, the least of many runs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import autograd

from . import machine
from .steps.lenet import LeNetProblem, network


def milliseconds(call: Callable[[], Any], runs: int = 60) -> float:
    call()
    times = []
    for _ in range(runs):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times) * 1000


def main() -> None:
    channels = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (6, 16)
    problem = LeNetProblem(channels, batch=64)
    model = network(mg.nn, channels)
    model.load_state_dict(problem.state)
    optimizer = mg.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def loss_of(logits: mg.Tensor) -> mg.Tensor:
        return mg.losses.cross_entropy(logits, problem.y, class_weight=problem.class_weight, reduction="weighted_mean")

    print("\n".join(machine.lines(machine.describe())))
    rows: list[tuple[str, float]] = []
    x: Any = problem.X
    for layer in model:
        rows.append((f"forward   {layer!r}".split("  #")[0], milliseconds(partial(layer, x))))
        x = layer(x)
    rows.append(("forward   weighted cross-entropy", milliseconds(partial(loss_of, x))))
    loss = loss_of(x)
    gradients: dict[Any, Any] = {loss._node: np.ones((), np.float32)}
    for node in autograd._youngest_first(gradients):
        g = gradients[node]
        for parent, vjp in zip(node.parents, node.rule.vjps, strict=False):
            if parent is not None and vjp is not None:
                made = partial(vjp, g, node.y, *node.args, **(node.kwargs or {}))
                rows.append((f"backward  {node.rule.name} {node.shape} -> {parent.shape}", milliseconds(made)))
                gradients[parent] = autograd._fitted(made(), parent, node)

    def step() -> None:
        optimizer.zero_grad()
        loss_of(model(problem.X)).backward()
        optimizer.step()

    step()
    rows.append(("optimiser SGD with momentum", milliseconds(optimizer.step)))
    whole = milliseconds(step)
    for name, value in rows:
        if value >= 0.005 * whole:
            print(f"{value:8.3f} ms {value / whole:6.1%}  {name}")
    rest = sum(value for _, value in rows if value < 0.005 * whole)
    print(f"{rest:8.3f} ms {rest / whole:6.1%}  everything below half a per cent")
    print(f"{whole:8.3f} ms 100.0%  the step as a whole (the parts were timed with a warm cache)")


if __name__ == "__main__":
    main()
