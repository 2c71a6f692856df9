"""The runs on tables with costs: what a sample costs under each way to spend the cost matrix, out of sample."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

import minigrad as mg

SPLITS, QUICK_SPLITS = 20, 5
EPOCHS, HIDDEN, WEIGHT_DECAY = 100, (16,), 0.01
LAMBDAS = (0.0, 0.1, 0.3, 1.0, 3.0)
FOLDS = 5

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
    from sklearn.metrics import make_scorer
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    options = dict(WAYS[setting.way])
    if options:
        options["cost_matrix"] = C
    network = mg.estimator.NeuralClassifier(
        HIDDEN, weight_decay=WEIGHT_DECAY, epochs=setting.epochs, random_state=setting.split, **options
    )
    model = make_pipeline(StandardScaler(), network)
    if options.get("loss") != "cost_penalty":
        return model

    def cost(y: np.ndarray, prediction: np.ndarray) -> float:
        return mg.decisions.total_cost(y, prediction, C)

    return GridSearchCV(
        model,
        {"neuralclassifier__loss_options__lam": LAMBDAS},
        scoring=make_scorer(cost, greater_is_better=False),
        cv=StratifiedKFold(FOLDS, shuffle=True, random_state=setting.split),
    )
