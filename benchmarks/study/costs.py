"""The runs on tables with costs: what a sample costs under each way to spend the cost matrix, out of sample."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

import minigrad as mg

SPLITS, QUICK_SPLITS = 20, 5
EPOCHS = 100

# How NeuralClassifier is told to spend the costs; "cost penalty" searches lambda by cross-validation on the cost.
WAYS: dict[str, dict[str, Any]] = {
    "cross-entropy at 0.5": {},
    "cross-entropy at p*": {"use_costs": "decision"},
    "weighted by cost at 0.5": {"use_costs": "training"},
    "weighted by cost at p*": {"use_costs": "both"},
    "expected cost": {"loss": "expected_cost"},
    "cost penalty, lambda by CV": {"loss": "cost_penalty"},
    "softmax margin": {"loss": "softmax_margin"},
}
DATA = ("breast cancer", "German credit")


@dataclass(frozen=True)
class CostSetting:
    """All that decides the result of a run; `split` is also the seed."""

    table: str
    way: str
    split: int
    epochs: int = EPOCHS


def grid(quick: bool) -> list[CostSetting]:
    splits = range(QUICK_SPLITS if quick else SPLITS)
    return [CostSetting(table, way, split) for table in DATA for split in splits for way in WAYS]


@cache
def table(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, y and C[truth, prediction]; 1 is the class that is dear to miss."""
    if name == "German credit":
        return mg.data.load_german_credit()
    X, y = mg.data.load_breast_cancer()
    return X, 1 - y, np.array([[0.0, 1.0], [10.0, 0.0]])


def run(setting: CostSetting) -> dict[str, Any]:
    """The record of a run: its setting and the cost per sample on the half that was not trained on."""
    from sklearn.model_selection import train_test_split

    X, y, C = table(setting.table)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=setting.split)
    model = _classifier(setting, C)
    prediction = model.fit(X_train, y_train).predict(X_test)
    record = {**asdict(setting), "cost": round(mg.decisions.total_cost(y_test, prediction, C) / len(y_test), 6)}
    if hasattr(model, "best_params_"):
        record["lam"] = next(iter(model.best_params_.values()))
    return record


def _classifier(setting: CostSetting, C: np.ndarray) -> Any:
    from .. import choose_lambda  # loads scikit-learn

    options = dict(WAYS[setting.way])
    if options:
        options["cost_matrix"] = C
    if options.get("loss") == "cost_penalty":
        return choose_lambda.search(setting.epochs, setting.split, "lam", choose_lambda.LAMBDAS, costs=C, **options)
    return choose_lambda.classifier(setting.epochs, setting.split, **options)
