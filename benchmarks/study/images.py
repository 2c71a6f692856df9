"""The runs on images: a network, an imbalance, a method, a seed; and the numbers that come of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F

from .methods import METHODS

SEEDS, QUICK_SEEDS = 5, 2  # of the results
CHOOSING, QUICK_CHOOSING = 2, 1  # of the choice of a rate
IMBALANCES = (("step", 10), ("step", 100), ("step", 1000), ("longtail", 10), ("longtail", 100))
MINORITY = 0.5  # of the classes, in a step imbalance


class Cosine(nn.Module):
    """Logits that are cosines between the features and a row per class (Cao et al. 2019, NormedLinear)."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Linear(inputs, classes, bias=False).weight

    def forward(self, x: Any) -> Any:
        return F.linear(_unit(x), _unit(self.weight))


def _unit(x: Any) -> Any:
    return x / np.sqrt(np.sum(x * x, axis=1, keepdims=True) + 1e-12)


def lenet(head: Any) -> Any:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), head(84, 10)),
    )


def small_cnn(head: Any) -> Any:
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU()),
        *(nn.Flatten(), head(400, 10)),
    )


def mlp(head: Any) -> Any:
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), head(64, 10))


@dataclass(frozen=True)
class Network:
    """A network, its data and the training that all methods share: SGD with momentum, at a fifth of the rate in the
    first epoch (Cao et al. warm up, too) and at a tenth in the last fifth. `majority`: samples of the largest class."""

    make: Any
    data: str
    majority: int
    epochs: int
    batch_size: int
    momentum: float = 0.9
    weight_decay: float = 5e-4
    most_imbalance: int = 1000


NETWORKS = {
    "lenet": Network(lenet, "mnist", majority=1000, epochs=10, batch_size=64),
    "cnn": Network(small_cnn, "mnist", majority=1000, epochs=10, batch_size=64),
    "mlp": Network(mlp, "digits", majority=80, epochs=60, batch_size=32, most_imbalance=80),
}
# At 0.1 some trainings of LeNet collapse and others do best: no single run tells whether a method can bear it.
RATES = (0.03, 0.01, 0.003, 0.001)
CHOOSING_SEEDS = (1000, 1001)  # no reported run uses their samples and starting values
CHOICE, RESULT = "validation", "test"


@dataclass(frozen=True)
class Setting:
    """All that decides the result of a run. `on`: "validation" where it helps to choose the rate, else "test"."""

    network: str
    kind: str
    ratio: int
    method: str
    lr: float
    seed: int
    epochs: int
    on: str = RESULT


@dataclass(frozen=True)
class Cell:
    """A network, an imbalance and a method: several rates are tried on validation images, the best on average is
    measured."""

    network: str
    kind: str
    ratio: int
    method: str

    def _setting(self, lr: float, seed: int, on: str) -> Setting:
        return Setting(**asdict(self), lr=lr, seed=seed, epochs=NETWORKS[self.network].epochs, on=on)

    def choices(self, seeds: int) -> dict[float, list[Setting]]:
        return {lr: [self._setting(lr, seed, CHOICE) for seed in CHOOSING_SEEDS[:seeds]] for lr in RATES}

    def results(self, lr: float, seeds: int) -> list[Setting]:
        return [self._setting(lr, seed, RESULT) for seed in range(seeds)]


def grid(quick: bool) -> list[Cell]:
    """All cells, or those of the short version; cells that share a network trained alike are neighbours."""
    cells = []
    for name, network in NETWORKS.items():
        for kind, ratio in IMBALANCES:
            known = min(ratio, network.most_imbalance) if ratio == 100 else ratio
            short = (name, kind) in (("lenet", "step"), ("mlp", "step"), ("mlp", "longtail")) and ratio == 100
            if known <= network.most_imbalance and (short or not quick):
                cells += [Cell(name, kind, known, method) for method in METHODS]
    return cells


@cache
def images(name: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """X and y to train on, to choose on, to test on. Only the first is ever made imbalanced."""
    if name == "mnist":
        X, y, X_test, y_test = mg.data.load_mnist()
        return {"train": (X[:50_000], y[:50_000]), CHOICE: (X[50_000:], y[50_000:]), RESULT: (X_test, y_test)}
    from sklearn.model_selection import train_test_split

    X, y = mg.data.load_digits()
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)
    X, X_choice, y, y_choice = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
    return {"train": (X, y), CHOICE: (X_choice, y_choice), RESULT: (X_test, y_test)}


@lru_cache(maxsize=16)  # as many as a cell and its neighbour, trained alike, can need
def logits(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Train; the logits of the images that it is measured on after the last epoch, and the training set's counts."""
    network, method = NETWORKS[setting.network], METHODS[setting.method]
    X, y = images(network.data)["train"]
    rng = np.random.default_rng(setting.seed)
    kept = np.concatenate([rng.permutation(np.flatnonzero(y == c))[: network.majority] for c in range(10)])
    # Which classes are the rare ones is drawn, too: digits differ in difficulty.
    X, y = mg.data.imbalance(
        X[kept], y[kept], setting.kind, setting.ratio, MINORITY, rng=setting.seed, order=rng.permutation(10)
    )
    counts = np.bincount(y, minlength=10)
    mg.manual_seed(setting.seed)
    model = network.make(Cosine if method.cosine else nn.Linear)
    mg.training.fit(
        model,
        partial(method.loss, counts=counts) if method.takes_counts else method.loss,
        (X, y),
        epochs=setting.epochs,
        batch_size=network.batch_size,
        optimizer=mg.optim.SGD(
            model.parameters(), lr=setting.lr, momentum=network.momentum, weight_decay=network.weight_decay
        ),
        schedule=lambda t: 0.2 if t == 0 else 1.0 if t < 0.8 * setting.epochs else 0.1,
        sampler=method.sampler(y, setting.seed) if method.sampler else None,
        class_weight=method.class_weight(counts, setting.epochs),
        reduction=method.reduction,
        rng=setting.seed,
        progress=False,
    )
    return mg.training.predict(model, images(network.data)[setting.on][0]), counts


def run(setting: Setting) -> dict[str, Any]:
    """The record of a run: its setting, recall of each class, balanced, head and tail accuracy, AUC.

    A run that overflows ends with chance's values and says so: at this rate the method does not train.
    """
    from sklearn.metrics import recall_score, roc_auc_score

    method = METHODS[setting.method]
    record: dict[str, Any] = {**asdict(setting), **{f"method_{k}": v for k, v in method.settings.items()}}
    try:
        z, counts = logits(replace(setting, method=method.trained_as or setting.method))
    except mg.training.NonFiniteError:
        return {**record, "diverged": True, "balanced_accuracy": 0.1}
    scores = method.decide(z, counts)
    y = images(NETWORKS[setting.network].data)[setting.on][1]
    recall = recall_score(y, scores.argmax(axis=1), average=None)
    record["balanced_accuracy"] = round(float(recall.mean()), 6)
    if setting.on == CHOICE:
        return record
    tail = counts < counts.max() if setting.kind == "step" else counts <= np.sort(counts)[2]  # its three rarest classes
    return record | {
        "counts": counts.tolist(),
        "recall": recall.round(6).tolist(),
        "tail_accuracy": round(float(recall[tail].mean()), 6),
        "head_accuracy": round(float(recall[~tail].mean()), 6),
        "auc": round(float(roc_auc_score(y, F.softmax(scores.astype(float)), multi_class="ovr")), 6),
    }
