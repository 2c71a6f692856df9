"""Choosing lambda of the cost penalty, and gamma of the focal loss, by stratified cross-validation on the cost.

    python -m benchmarks.choose_lambda [--splits 10] [--epochs 100]

Breast cancer, where to miss a malignant tumour costs 10 and a false alarm 1. In each split half of the patients are
for training; a grid search on them, five folds, takes the setting of least cost. What the other half then costs stands
beside the same network without any of it, decided by argmax and at p*.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, StratifiedKFold, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import minigrad as mg
from minigrad.estimator import NeuralClassifier

from . import machine

C = np.array([[0.0, 10.0], [1.0, 0.0]])  # 0 is malignant
LAMBDAS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)
GAMMAS = (0.0, 0.5, 1.0, 2.0, 5.0)
PLAIN = "lambda = 0, argmax"


def cost_per_100(y: np.ndarray, prediction: np.ndarray, costs: np.ndarray = C) -> float:
    return 100 * mg.decisions.total_cost(y, prediction, costs) / len(y)


def classifier(epochs: int, seed: int, **settings: Any) -> Any:
    # The decay of least log loss for the plain network, of 0, 0.001, 0.003, ..., 0.1: p* needs honest probabilities.
    network = NeuralClassifier((16,), weight_decay=0.01, epochs=epochs, random_state=seed, **settings)
    return make_pipeline(StandardScaler(), network)


def search(
    epochs: int, seed: int, option: str, values: tuple[float, ...], costs: np.ndarray = C, **settings: Any
) -> GridSearchCV:
    """The setting of a loss that costs least in five stratified folds; of equally good ones the first."""
    return GridSearchCV(
        classifier(epochs, seed, **settings),
        {f"neuralclassifier__loss_options__{option}": values},
        scoring=make_scorer(cost_per_100, costs=costs, greater_is_better=False),
        cv=StratifiedKFold(5, shuffle=True, random_state=seed),
    )


def contenders(epochs: int, seed: int) -> dict[str, Any]:
    decided: dict[str, Any] = {"cost_matrix": C, "use_costs": "decision"}
    return {
        PLAIN: classifier(epochs, seed),
        "lambda = 0, decided at p*": classifier(epochs, seed, **decided),
        "lambda by CV, argmax": search(epochs, seed, "lam", LAMBDAS, loss="cost_penalty", cost_matrix=C),
        "samples weighted by cost, argmax": classifier(epochs, seed, cost_matrix=C),
        "focal, gamma by CV, argmax": search(epochs, seed, "gamma", GAMMAS, loss="focal"),
        "focal, gamma by CV, decided at p*": search(epochs, seed, "gamma", GAMMAS, loss="focal", **decided),
    }


def measure(splits: int, epochs: int) -> tuple[dict[str, list[tuple[float, ...]]], dict[str, list[float]]]:
    """For each way and split: cost, missed and false alarms per 100 patients out of sample; and the settings chosen."""
    X, y = mg.data.load_breast_cancer()
    outcomes: dict[str, list[tuple[float, ...]]] = {}
    chosen: dict[str, list[float]] = {}
    halves = StratifiedShuffleSplit(splits, test_size=0.5, random_state=0)
    for seed, (train, test) in enumerate(halves.split(X, y)):
        for name, model in contenders(epochs, seed).items():
            prediction = model.fit(X[train], y[train]).predict(X[test])
            kinds = ((y[test] < prediction), (y[test] > prediction))
            shares = [100 * float(kind.mean()) for kind in kinds]
            outcomes.setdefault(name, []).append((cost_per_100(y[test], prediction), *shares))
            if isinstance(model, GridSearchCV):
                (value,) = model.best_params_.values()
                chosen.setdefault(name, []).append(value)
        print(f"split {seed + 1}: " + ", ".join(f"{values[-1][0]:.1f}" for values in outcomes.values()), flush=True)
    return outcomes, chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=100)
    arguments = parser.parse_args()
    print("\n".join(machine.lines(machine.describe())))
    print(mg.decisions.show_costs(C, ["malignant", "benign"]))
    print(f"p*: malignant from P(malignant) = {mg.decisions.threshold(C[::-1, ::-1]):.3f} on\n")
    outcomes, chosen = measure(arguments.splits, arguments.epochs)
    plain = np.array(outcomes[PLAIN])[:, 0]
    print(f"\nper 100 patients, out of sample   missed  alarms    cost (sd)   cost less than {PLAIN} (sd; splits)")
    for name, values in outcomes.items():
        cost, missed, alarms = np.transpose(values)
        less = plain - cost
        print(
            f"{name:34}{missed.mean():6.2f}{alarms.mean():8.2f}{cost.mean():8.1f} ({cost.std(ddof=1):3.1f})"
            f"{less.mean():9.1f} ({less.std(ddof=1):3.1f}; better in {(less > 0).sum()}, worse in {(less < 0).sum()})"
        )
    for name, settings in chosen.items():
        print(f"{name}: chosen " + ", ".join(f"{value:g}" for value in settings))


if __name__ == "__main__":
    main()
