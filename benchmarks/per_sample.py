"""What one gradient per sample costs, against one ordinary backward pass and against the memory that it has to write.

    python -m benchmarks.per_sample            about a minute
    python -m benchmarks.per_sample --quick    about a quarter of that

The result holds N gradients instead of one: for 784-256-10 and N = 128 that is 104 MB, where the ordinary pass writes
0.8 MB. Nobody can be faster than writing the result once, so that is timed too: `floor` fills new arrays of these
shapes with a constant. BLAS runs on one thread; times are CPU time of this process.
"""

from __future__ import annotations

import argparse
from itertools import pairwise

import numpy as np

import minigrad as mg

from .timing import Timing, alternate, environment

SIZES = [((16, 16, 4), 128), ((64, 64, 10), 128), ((784, 32, 10), 128), ((784, 256, 10), 32), ((784, 256, 10), 128)]
AIM = 3.0


def measure(sizes: tuple[int, ...], n: int, seconds: float) -> tuple[Timing, int]:
    """Timing, and the bytes of the result."""
    rng = np.random.default_rng(0)
    layers: list[mg.nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [mg.nn.Linear(inputs, outputs, rng=rng), mg.nn.ReLU()]
    model = mg.nn.Sequential(*layers[:-1])
    X, y = rng.normal(size=(n, sizes[0])).astype(np.float32), rng.integers(0, sizes[-1], n)
    parameters = list(model.parameters())
    loss = mg.losses.cross_entropy
    recorded = loss(model(X), y)

    def loop() -> None:
        each = loss(model(X), y, reduction="none")
        for one_hot in np.eye(n, dtype=np.float32):
            mg.grad(each, parameters, one_hot)

    contenders = {
        "per sample": lambda: mg.per_sample_gradients(model, loss, X, y),
        "backward": lambda: mg.grad(recorded, parameters),
        "forward, backward": lambda: mg.grad(loss(model(X), y), parameters),
        "floor": lambda: [np.full((n, *p.shape), 1, p.dtype) for p in parameters],
        "loop": loop,
    }
    return alternate(contenders, seconds), sum(p.data.nbytes for p in parameters) * n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a quarter of the repetitions")
    seconds = 3.0 if parser.parse_args().quick else 12.0
    print("\n".join(environment()))
    others = ("backward", "forward, backward", "floor", "loop")
    print(f"\nmg.per_sample_gradients, float32, one thread; its time over that of the others [quartiles]; aim {AIM:g}")
    print(f"  {'layers':<12}{'batch':>6}{'result':>10}{'time':>11}   " + "".join(f"/ {name:<22}" for name in others))
    for sizes, n in SIZES:
        timing, size = measure(sizes, n, seconds)
        ratios = [timing.ratio("per sample", name) for name in others]
        cells = "".join(f"{f'{middle:.3g} [{low:.3g}, {high:.3g}]':<24}" for middle, low, high in ratios)
        layers = "-".join(map(str, sizes))
        time = timing.median("per sample") * 1e3
        reached = "reached" if ratios[0][0] <= AIM else "not reached"
        print(f"  {layers:<12}{n:>6}{size / 1e6:>7.1f} MB{time:>8.2f} ms   {cells}{reached}")


if __name__ == "__main__":
    main()
