"""What one gradient per sample costs, as arrays and as factors, against one ordinary backward pass.

    python -m benchmarks.per_sample            about a minute
    python -m benchmarks.per_sample --quick    about a quarter of that

Arrays hold N gradients instead of one: for 784-256-10 and N = 128 that is 104 MB, where the ordinary pass writes
0.8 MB. Nobody can be faster than writing the result once, so that is timed too: `floor` fills new arrays of these
shapes with a constant. Factors (`factored=True`) write almost nothing. Lest that be a cost merely put off, `clipped`
uses them: a norm for every sample, and the sum of the gradients clipped to length 1. All these times but `backward`
include the forward pass. BLAS runs on one thread; times are CPU time of this process.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from typing import Any

import numpy as np

import minigrad as mg

from .timing import Timing, alternate, environment

SIZES = [((16, 16, 4), 128), ((64, 64, 10), 128), ((784, 32, 10), 128), ((784, 256, 10), 32), ((784, 256, 10), 128)]
AIM = 3.0


def measure(sizes: tuple[int, ...], n: int, seconds: float) -> tuple[Timing, int]:
    """Timing, and the bytes of the arrays."""
    rng = np.random.default_rng(0)
    layers: list[mg.nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [mg.nn.Linear(inputs, outputs, rng=rng), mg.nn.ReLU()]
    model = mg.nn.Sequential(*layers[:-1])
    X, y = rng.normal(size=(n, sizes[0])).astype(np.float32), rng.integers(0, sizes[-1], n)
    parameters = list(model.parameters())
    loss = mg.losses.cross_entropy
    recorded = loss(model(X), y)

    def clipped() -> dict[str, Any]:
        gradients = mg.per_sample_gradients(model, loss, X, y, factored=True)
        return mg.per_sample.weighted_sum(gradients, 1 / np.maximum(mg.per_sample.norms(gradients), 1))

    def loop() -> None:
        each = loss(model(X), y, reduction="none")
        for one_hot in np.eye(n, dtype=np.float32):
            mg.grad(each, parameters, one_hot)

    contenders = {
        "arrays": lambda: mg.per_sample_gradients(model, loss, X, y),
        "factored": lambda: mg.per_sample_gradients(model, loss, X, y, factored=True),
        "clipped": clipped,
        "backward": lambda: mg.grad(recorded, parameters),
        "step": lambda: mg.grad(loss(model(X), y), parameters),
        "floor": lambda: [np.full((n, *p.shape), 1, p.dtype) for p in parameters],
        "loop": loop,
    }
    return alternate(contenders, seconds), sum(p.data.nbytes for p in parameters) * n


TABLES = {
    "arrays": ("backward", "step", "floor", "loop"),
    "factored": ("backward", "step", "arrays", "loop"),
    "clipped": ("backward", "step", "arrays", "loop"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a quarter of the repetitions")
    seconds = 3.0 if parser.parse_args().quick else 12.0
    print("\n".join(environment()))
    measured = [(sizes, n, *measure(sizes, n, seconds)) for sizes, n in SIZES]
    print("\nmg.per_sample_gradients, float32, one thread; its time over that of others [quartiles]")
    print(f"step: one ordinary forward and backward pass. Aim: factored at most {AIM:g} times backward")
    for name, others in TABLES.items():
        columns = "".join(f"/ {other:<22}" for other in others)
        print(f"\n{name}\n  {'layers':<12}{'batch':>6}{'arrays':>11}{'time':>11}   {columns}")
        for sizes, n, timing, size in measured:
            ratios = [timing.ratio(name, other) for other in others]
            cells = "".join(f"{f'{middle:.3g} [{low:.3g}, {high:.3g}]':<24}" for middle, low, high in ratios)
            reached = "" if name != "factored" else "reached" if ratios[0][0] <= AIM else "not reached"
            start = f"  {'-'.join(map(str, sizes)):<12}{n:>6}{size / 1e6:>8.1f} MB"
            print(f"{start}{timing.median(name) * 1e3:>8.2f} ms   {cells}{reached}".rstrip())


if __name__ == "__main__":
    main()
