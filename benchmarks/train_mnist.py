"""LeNet-5 on all of MNIST, to 98.8 % of the test set in five epochs.

    python -m benchmarks.train_mnist [--epochs 5] [--batch 64] [--seed 0]

MNIST comes from the folder MINIGRAD_DATA, or is downloaded. The exit code is 1 if the last epoch ends below the aim.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

import minigrad as mg

from . import machine

AIM = 0.988


def accuracy(model: mg.nn.Module, X: np.ndarray, y: np.ndarray) -> float:
    """Share of right predictions, in evaluation mode and without a graph."""
    model.eval()
    with mg.no_grad():
        right = [
            np.argmax(model(x_batch), axis=1) == y_batch for x_batch, y_batch in mg.data.batches(X, y, batch_size=500)
        ]
    model.train()
    return float(np.concatenate(right).mean())


def train(epochs: int, batch: int, seed: int) -> float:
    from tqdm import tqdm

    X, y, X_test, y_test = mg.data.load_mnist()
    mg.manual_seed(seed)
    model = mg.models.LeNet5()
    optimizer = mg.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    print(model)
    start = time.perf_counter()
    for epoch in range(1, epochs + 1):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - (epoch - 1) / epochs)
        losses, right, seen, begun = 0.0, 0, 0, time.perf_counter()
        batches = mg.data.batches(X, y, batch_size=batch, rng=np.random.default_rng((seed, epoch)))
        with tqdm(total=len(X), desc=f"epoch {epoch}/{epochs}", unit=" images", mininterval=0.5) as bar:
            for x_batch, y_batch in batches:
                optimizer.zero_grad()
                logits = model(x_batch)
                loss = mg.losses.cross_entropy(logits, y_batch)
                loss.backward()
                optimizer.step()
                losses += loss.item() * len(y_batch)
                right += int((np.argmax(logits, axis=1) == y_batch).sum())
                seen += len(y_batch)
                bar.update(len(y_batch))
                bar.set_postfix(loss=f"{losses / seen:.4f}", accuracy=f"{right / seen:.4f}", refresh=False)
        rate = seen / (time.perf_counter() - begun)
        tested = accuracy(model, X_test, y_test)
        print(
            f"epoch {epoch}: loss {losses / seen:.4f}, training accuracy {right / seen:.4f}, "
            f"{rate:,.0f} images/s; test accuracy {tested:.4f}",
            flush=True,
        )
    print(f"{time.perf_counter() - start:.0f} s in all; aim: test accuracy >= {AIM} after epoch {epochs}")
    return tested


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print("\n".join(machine.lines(machine.describe())))
    sys.exit(train(arguments.epochs, arguments.batch, arguments.seed) < AIM)


if __name__ == "__main__":
    main()
