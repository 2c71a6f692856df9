"""NeuralClassifier in scikit-learn's tools; its weights, costs, losses, and what it refuses."""

import pickle
import re
from functools import partial

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: the estimator is made for it")

import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_score,
    cross_validate,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import minigrad as mg
from benchmarks import choose_lambda
from minigrad.estimator import MULTICLASS, TWO_CLASSES, NeuralClassifier

C = np.array([[0.0, 1.0], [10.0, 0.0]])


def overlapping(n=200, k=2, apart=1.5):
    """Classes 0..k-1, the last one rare; 1.5 apart no classifier is always right, 5 apart it is."""
    rng = np.random.default_rng(0)
    y = rng.choice(k, n, p=[*[0.8 / (k - 1)] * (k - 1), 0.2])
    return rng.normal(size=(n, 2)) + apart * y[:, None], y


def small(**settings):
    return NeuralClassifier(**{"hidden": (8,), "epochs": 30, "random_state": 0, **settings})


def cost(y, prediction):
    return mg.decisions.total_cost(y, prediction, C) / len(y)


by_cost = make_scorer(cost, greater_is_better=False)


# --- scikit-learn's tools


def test_pipeline_and_cross_validation():
    X, y = overlapping(apart=5.0)
    scores = cross_val_score(make_pipeline(StandardScaler(), small()), 1000 * X, y, cv=3)
    assert scores.shape == (3,)
    assert scores.min() > 0.95


@pytest.mark.parametrize(
    "search", [partial(GridSearchCV, refit=True), partial(RandomizedSearchCV, n_iter=2, random_state=0)]
)
def test_searches_over_settings_of_network_and_loss(search):
    X, y = overlapping()
    settings = {"hidden": [(), (4,)], "loss_options__gamma": [0.0, 2.0]}
    found = search(small(loss="focal", loss_options={"detach_modulator": True}), settings, cv=2).fit(X, y)
    assert found.best_params_.keys() == settings.keys()
    best = found.best_estimator_
    assert best.hidden == found.best_params_["hidden"]
    assert best.loss_options == {"detach_modulator": True, "gamma": found.best_params_["loss_options__gamma"]}


def test_threshold_and_calibration():
    X, y = overlapping()
    tuned = TunedThresholdClassifierCV(small(), scoring=by_cost, cv=3).fit(X, y)
    assert cost(y, tuned.predict(X)) < cost(y, small().fit(X, y).predict(X))
    heavy = small(class_weight={0: 1, 1: 9}).fit(X, y)
    calibrated = CalibratedClassifierCV(small(class_weight={0: 1, 1: 9}), cv=3).fit(X, y)
    share = [model.predict_proba(X)[:, 1].mean() for model in (heavy, calibrated)]
    assert share[0] > 0.2
    assert abs(share[1] - y.mean()) < 0.02


def test_weights_are_routed_through_a_pipeline_and_a_search():
    X, y = overlapping()
    w = np.where(y == 1, 50.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        model = make_pipeline(scaler, small().set_fit_request(sample_weight=True))
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"neuralclassifier__lr": [0.01]}, cv=2, scoring=scorer)
        routed = search.fit(X, y, sample_weight=w).predict(X)
        plain = make_pipeline(scaler, small()).fit(X, y).predict(X)
        results = cross_validate(model, X, y, params={"sample_weight": w}, cv=2, scoring=scorer)
    assert routed.sum() > 2 * plain.sum()
    assert results["test_score"].shape == (2,)


def test_one_versus_rest_makes_two_class_losses_fit_for_more():
    X, y = overlapping(300, k=3, apart=5.0)
    assert OneVsRestClassifier(small(loss="hinge", lr=0.1)).fit(X, y).score(X, y) > 0.93


def test_pickle_and_clone():
    X, y = overlapping()
    model = small(module=dropout_network, optimizer="sgd").fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    for each in (model, again):
        each.partial_fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert not hasattr(clone(model), "model_")
    np.testing.assert_array_equal(
        clone(model).fit(X, y).predict_proba(X),
        small(module=dropout_network, optimizer="sgd").fit(X, y).predict_proba(X),
    )


def dropout_network(n_features, n_classes, rng):
    return mg.models.MLP((n_features, 6, n_classes), dropout=0.3, rng=rng)


# --- Data, training


@pytest.mark.parametrize("names", [["no", "yes"], [-1, 1], [False, True], [2.0, 7.0]])
def test_labels_of_any_type(names):
    X, y = overlapping(apart=5.0)
    names = np.array(names)
    model = small().fit(X, names[y])
    assert model.classes_.dtype == names.dtype
    np.testing.assert_array_equal(model.predict(X), names[small().fit(X, y).predict(X)])
    assert model.score(X, names[y]) > 0.95


@pytest.mark.parametrize(
    ("given", "computed"), [(np.float32, np.float32), (np.float64, np.float64), (np.int64, np.float32)]
)
def test_precision_is_that_of_the_data(given, computed):
    X, y = overlapping()
    assert small(epochs=1).fit(X.astype(given), y).predict_proba(X).dtype == computed


def test_images_through_a_module():
    X = np.random.default_rng(0).normal(size=(20, 1, 12, 12)).astype(np.float32)
    y = (X.mean(axis=(1, 2, 3)) > 0).astype(int)

    def convolutions(n_features, n_classes, rng):
        return mg.models.AllCNN((2, 3), n_classes, n_features, rng=rng)

    assert small(module=convolutions, epochs=2).fit(X, y).predict(X).shape == (20,)


def test_random_state_decides_everything():
    X, y = overlapping()
    first, same, other = (small(random_state=s, batch_size=32).fit(X, y).predict_proba(X) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 1e-3


def test_warm_start_goes_on():
    X, y = overlapping()
    model = small(warm_start=True, epochs=15).fit(X, y).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), small(epochs=30).fit(X, y).predict_proba(X), 1e-9)
    assert model.n_iter_ == 15


def test_partial_fit_is_an_epoch_of_fit():
    X, y = overlapping()
    model = small(batch_size=64)
    for _ in range(30):
        model.partial_fit(X, y, classes=[1, 0])
    assert model.classes_.tolist() == [0, 1]
    np.testing.assert_allclose(model.predict_proba(X), small(batch_size=64).fit(X, y).predict_proba(X), 1e-9)


def test_partial_fit_takes_weights_as_they_are():
    X, y = overlapping()
    settings = {"optimizer": "sgd", "lr": 0.1}
    once, thrice, faster = (
        small(**settings | more).partial_fit(X, y, [0, 1], np.full(len(y), w)).predict_proba(X)
        for more, w in (({}, 1.0), ({}, 3.0), ({"lr": 0.3}, 1.0))
    )
    np.testing.assert_allclose(thrice, faster, 1e-9)
    assert np.abs(once - thrice).max() > 1e-3


def test_partial_fit_learns_a_class_that_comes_late():
    X, y = overlapping()
    model = small(lr=0.1).partial_fit(X[y == 0], y[y == 0], classes=[0, 1])
    assert (model.predict(X) == 0).all()
    for _ in range(40):
        model.partial_fit(X, y, sample_weight=np.where(y, 9.0, 1.0))
    assert (model.predict(X)[y == 1] == 1).mean() > 0.5


def test_early_stopping_holds_out_a_stratified_share():
    X, y = overlapping()
    stopping = mg.training.EarlyStopping(patience=2)
    model = small(epochs=500, lr=0.1, early_stopping=stopping, validation_fraction=0.25).fit(X, y)
    assert model.history_.stopped_early
    assert model.n_iter_ == model.history_.best_epoch + 2 < 500
    # A fourth of the rare class is held out too: its recall is a multiple of one over that.
    held_out = round(0.25 * (y == 1).sum())
    recall = np.array(model.history_["val_recall"])[:, 1] * held_out
    np.testing.assert_allclose(recall, recall.round(), atol=1e-9)


def test_early_stopping_holds_out_one_of_each_class_at_least():
    X, y = overlapping(30, k=3)
    model = small(early_stopping=5, validation_fraction=0.01).fit(X, y)
    assert not np.isnan(model.history_["val_recall"]).any()


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd", partial(mg.optim.SGD, lr=0.1, momentum=0.9)])
def test_optimizers(optimizer):
    X, y = overlapping(apart=5.0)
    model = small(optimizer=optimizer, epochs=100).fit(X, y)
    losses = model.history_["loss"]
    assert losses[-1] < 0.8 * losses[0]
    assert model.optimizer_.param_groups[0]["lr"] == (0.01 if isinstance(optimizer, str) else 0.1)


def test_weight_decay_makes_less_sure():
    X, y = overlapping(apart=5.0)
    sure = [np.abs(small(weight_decay=d, lr=0.1).fit(X, y).decision_function(X)).mean() for d in (0, 0.1)]
    assert sure[1] < 0.5 * sure[0]


def test_verbose(capsys):
    fit(verbose=True)
    assert "epoch 1/1: loss" in capsys.readouterr().err
    fit()
    assert capsys.readouterr().err == ""


def test_mini_batches_beyond_a_thousand_samples():
    model = small()
    assert [model._batch_size(n) for n in (5, 1000, 1001)] == [5, 1000, 128]
    assert small(batch_size=32)._batch_size(10) == 10


# --- Weights


def test_weight_k_is_k_samples_and_weight_zero_is_none():
    X, y = overlapping(60)
    w = np.random.default_rng(1).integers(0, 4, len(y))
    weighted = small(loss="focal", class_weight="balanced").fit(X, y, sample_weight=w)
    repeated = small(loss="focal", class_weight="balanced").fit(X.repeat(w, axis=0), y.repeat(w))
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), 1e-8)


def test_only_mean_scales_the_weights():
    X, y = overlapping(60)
    settings = {"optimizer": "sgd", "lr": 0.05, "epochs": 3}
    p = {
        (reduction, scale): small(reduction=reduction, **settings).fit(X, y, np.full(60, scale)).predict_proba(X)
        for reduction in ("mean", "weighted_mean", "sum")
        for scale in (1.0, 3.0)
    }
    for same in (("mean", 3.0), ("weighted_mean", 1.0), ("weighted_mean", 3.0)):
        np.testing.assert_allclose(p["mean", 1.0], p[same], 1e-9)
    assert np.abs(p["sum", 1.0] - p["sum", 3.0]).max() > 1e-3


def test_class_weight_is_a_weight_of_samples():
    X, y = overlapping()
    names = np.array(["a", "b"])[y]
    by_class = small(class_weight={"a": 1, "b": 5, "never seen": 2}).fit(X, names)
    by_sample = small().fit(X, names, sample_weight=np.where(y, 5, 1))
    balanced = small(class_weight="balanced").fit(X, names)
    expected = small().fit(X, names, sample_weight=mg.weighting.balanced(y)[y])
    np.testing.assert_array_equal(by_class.predict_proba(X), by_sample.predict_proba(X))
    np.testing.assert_allclose(balanced.predict_proba(X), expected.predict_proba(X), 1e-6)


# --- Costs


def test_costs_in_the_decision_leave_the_training_alone():
    X, y = overlapping()
    plain, decided = small().fit(X, y), small(cost_matrix=C, use_costs="decision").fit(X, y)
    np.testing.assert_array_equal(plain.predict_proba(X), decided.predict_proba(X))
    np.testing.assert_array_equal(decided.predict(X), plain.predict_proba(X)[:, 1] > mg.decisions.threshold(C))


def test_costs_in_training_are_weights_where_the_loss_takes_none():
    X, y = overlapping()
    costs = C + np.array([[2.0], [3.0]])  # a number added to a row changes nothing
    trained = small(cost_matrix=costs).fit(X, y)
    weighted = small(class_weight={0: 1, 1: 10}).fit(X, y)
    np.testing.assert_array_equal(trained.predict_proba(X), weighted.predict_proba(X))
    np.testing.assert_array_equal(trained.predict(X), trained.predict_proba(X)[:, 1] > 0.5)


def test_costs_in_training_are_handed_to_a_loss_that_takes_them():
    X, y = overlapping()
    handed = small(loss="cost_penalty", loss_options={"lam": 0.3}, cost_matrix=C).fit(X, y)
    bound = small(loss=partial(mg.losses.cost_penalty, cost_matrix=C, lam=0.3)).fit(X, y)
    np.testing.assert_array_equal(handed.predict_proba(X), bound.predict_proba(X))
    assert cost(y, handed.predict(X)) < cost(y, small().fit(X, y).predict(X))


def test_costs_twice_only_when_asked():
    X, y = overlapping()
    costly = [small(cost_matrix=C, use_costs=where).fit(X, y).predict(X).mean() for where in ("training", "both")]
    assert y.mean() < costly[0] < costly[1]


@pytest.mark.parametrize(
    ("loss", "option", "values"), [("cost_penalty", "lam", (0.0, 1.0)), ("focal", "gamma", (0, 2))]
)
def test_lambda_and_gamma_are_chosen_by_the_cost_out_of_sample(loss, option, values):
    X, y = overlapping(400)
    model = small(loss=loss, cost_matrix=C, use_costs="training" if option == "lam" else "decision")
    grid = {f"loss_options__{option}": values}
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(model, grid, scoring=by_cost, cv=folds).fit(X, y)
    each = [clone(model).set_params(loss_options={option: value}) for value in values]
    by_hand = [-cross_val_score(one, X, y, scoring=by_cost, cv=folds).mean() for one in each]
    np.testing.assert_allclose(-search.cv_results_["mean_test_score"], by_hand)
    assert search.best_params_[f"loss_options__{option}"] == values[int(np.argmin(by_hand))]
    if option == "lam":  # a rare class whose miss costs ten times as much: the penalty pays here
        assert search.best_params_["loss_options__lam"] == 1.0


def test_the_benchmark_of_lambda_measures_every_way_in_every_split(capsys):
    outcomes, chosen = choose_lambda.measure(splits=1, epochs=1)
    assert len(outcomes) == 6
    for ((cost, missed, alarms),) in outcomes.values():
        assert cost == pytest.approx(10 * missed + alarms)
    assert chosen.keys() == {name for name in outcomes if "by CV" in name}
    assert capsys.readouterr().out.startswith("split 1: ")


# --- Losses


OPTIONS = {"cost_penalty": {"lam": 0.1}, "example_cost": {"cost_fp": 1.0, "cost_fn": 3.0}}


@pytest.mark.parametrize("loss", [*MULTICLASS, *TWO_CLASSES])
def test_every_loss_by_name(loss):
    X, y = overlapping(apart=5.0)
    model = small(loss=loss, loss_options=OPTIONS.get(loss), cost_matrix=[[0, 1], [1, 0]], epochs=100).fit(X, y)
    assert model.score(X, y) > 0.93
    assert model.predict_proba(X).shape == (200, 2)


def test_every_loss_of_ours_is_known():
    others = {"LawError", "LawReport", "LawResult", "check_laws", "gradient_density", "reduce"}
    refused = {"distribution_balanced", "huber", "mse"}
    assert set(MULTICLASS) | set(TWO_CLASSES) | refused == set(mg.losses.__all__) - others


def test_a_loss_of_one_logit_sees_the_difference():
    X, y = overlapping()
    two = small(loss="binary_cross_entropy").fit(X, y).predict_proba(X)
    np.testing.assert_allclose(two, small().fit(X, y).predict_proba(X), 1e-6)


def test_counts_are_those_of_the_training_data():
    X, y = overlapping(k=3)
    w = np.random.default_rng(0).uniform(size=len(y))
    automatic = small(loss="logit_adjusted").fit(X, y, w)
    given = small(loss="logit_adjusted", loss_options={"counts": np.bincount(y, w)}).fit(X, y, w)
    prior = small(loss="logit_adjusted", loss_options={"prior": np.bincount(y, w)}).fit(X, y, w)
    for other in (given, prior):
        np.testing.assert_array_equal(automatic.predict_proba(X), other.predict_proba(X))


def test_a_function_as_loss():
    X, y = overlapping(apart=5.0)

    def brier(prediction, target):
        p = mg.nn.functional.softmax(prediction)
        return ((p - mg.nn.functional.one_hot(target, 2, p.dtype)) ** 2).sum(axis=1)

    assert small(loss=brier).fit(X, y, sample_weight=np.where(y, 2, 1)).score(X, y) > 0.95


# --- Bad input


def fit(n_classes=2, **settings):
    X, y = overlapping(k=n_classes)
    weights = {"sample_weight": settings.pop("sample_weight")} if "sample_weight" in settings else {}
    return small(epochs=1, **settings).fit(X, y, **weights)


def missing_from_a_fold():
    X, y = overlapping()
    model = small(epochs=1, cost_matrix=C)
    cross_val_score(model, X[np.argsort(y)], np.sort(y), cv=KFold(2), error_score="raise")


def portions(model, *labels, **classes):
    X = overlapping(4)[0]
    for y in labels:
        model.partial_fit(X, y, **classes)
        classes = {}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit(loss="cross_entrpy"), "unknown loss 'cross_entrpy': did you mean 'cross_entropy'"),
        (lambda: fit(loss="focl"), "unknown loss 'focl': did you mean 'focal' or"),
        (lambda: fit(loss="zzz"), "unknown loss 'zzz': there are asymmetric, binary_cross_entropy, "),
        (lambda: fit(loss="mse"), "loss 'mse' is for numbers, not for classes: take 'cross_entropy'"),
        (lambda: fit(loss="focal", loss_options={"gama": 1}), "unknown loss_options of focal: 'gama': did you mean"),
        (lambda: fit(loss="cost_penalty", cost_matrix=C), "loss 'cost_penalty' needs lam: give them in loss_options"),
        (lambda: fit(loss="expected_cost"), "needs cost_matrix: give .* or the costs as cost_matrix= with use_costs="),
        (lambda: fit(3, loss="hinge"), "loss 'hinge' is for two classes, but y has 3: .*OneVsRestClassifier"),
        (lambda: fit(loss="expected_cost", cost_matrix=C, loss_options={"cost_matrix": C}), "costs are given twice"),
        (lambda: fit(optimizer="adm"), "unknown optimizer 'adm': did you mean 'adam'"),
        (lambda: fit(use_costs="test"), "use_costs='test'; expected 'training', 'decision' or 'both'"),
        (lambda: fit(cost_matrix=np.ones((3, 3))), r"cost_matrix has shape \(3, 3\), but y has 2 classes, 0, 1: exp"),
        (lambda: fit(sample_weight=np.ones(3)), r"sample_weight has shape \(3,\), expected \(200,\): one weight per"),
        (lambda: fit(sample_weight=-np.ones(200)), "sample_weight must be finite and not negative"),
        (lambda: fit(sample_weight=np.zeros(200)), "the weight of every sample is zero"),
        (lambda: fit(class_weight={0: 1.0}), "class_weight has no entry for class 1: give every class a weight"),
        (lambda: fit(class_weight=[1, 2]), r"class_weight must be a dict .* got \[1, 2\]"),
        (lambda: fit(batch_size=0), "batch_size=0; expected 1 or more"),
        (lambda: fit(module=mg.models.MLP((2, 2))), "module is a function that makes the network anew"),
        (lambda: fit(module=lambda *_: mg.nn.Linear(2, 5)), r"network of module= made \(1, 5\); expected \(1, 2\)"),
        (lambda: small().fit(np.ones((3, 2)), [1, 1, 1]), "y has only one class, .*1.*: there is nothing"),
        (missing_from_a_fold, "nothing to tell apart|If a class is missing from a fold, use StratifiedKFold"),
        (lambda: portions(small(), [0, 1, 0, 1]), "the first call of partial_fit needs classes="),
        (lambda: portions(small(), [0, 1, 2, 1], classes=[0, 1]), "y has labels 2, which are not among the cl"),
        (lambda: portions(small(class_weight="balanced"), [0] * 4, classes=[0, 1]), "for partial_fit give {label: "),
        (lambda: portions(small(loss="ldam"), [0] * 4, classes=[0, 1]), "loss 'ldam' needs counts"),
        (lambda: fit().partial_fit([[1, 2]], [0], classes=[0, 1, 2]), "classes are 0, 1, 2, in the first call they"),
        (lambda: fit(warm_start=True).fit(np.ones((2, 3)), [0, 1]), "X has 3 features, but .* is expecting 2"),
        (lambda: fit(device="tpu"), "tpu"),
        (lambda: fit(warm_start=True).fit([[1, 2], [3, 4]], [5, 6]), "y has classes 5, 6, trained were 0, 1"),
    ],
)  # fmt: skip
def test_bad_input(call, message):
    with pytest.raises((TypeError, ValueError), match=re.compile(message, re.DOTALL)):
        call()


def test_a_class_that_a_fold_misses_does_no_harm_without_a_cost_matrix():
    X, y = overlapping(60, k=3)
    y[:] = np.repeat([0, 1, 2], 20)
    scores = cross_val_score(small(class_weight={0: 1, 1: 1, 2: 2}), X, y, cv=KFold(3), error_score="raise")
    assert scores.shape == (3,)
    with pytest.raises(ValueError, match="If a class is missing from a fold, use StratifiedKFold"):
        cross_val_score(small(cost_matrix=1 - np.eye(3)), X, y, cv=KFold(3), error_score="raise")
