"""scikit-learn's own checks of an estimator, under the default solver and under mini-batches."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: the estimator is made for it")

from sklearn.utils.estimator_checks import parametrize_with_checks

from minigrad.estimator import NeuralClassifier, expected_failed_checks


def checks(*estimators):
    return parametrize_with_checks(list(estimators), expected_failed_checks=expected_failed_checks)


@checks(NeuralClassifier(), NeuralClassifier(batch_size=16, epochs=40), NeuralClassifier((8,), loss="focal"))
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_the_default_solver_is_excused_from_nothing():
    assert expected_failed_checks(NeuralClassifier()) == {}


@pytest.mark.parametrize("settings", [{"batch_size": 10}, {"early_stopping": 3}])
def test_what_is_excused_is_named_with_its_reason(settings):
    ((check, reason),) = expected_failed_checks(NeuralClassifier(**settings)).items()
    assert check == "check_sample_weight_equivalence_on_dense_data"
    assert "equal in expectation only" in reason


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"}
    )


def test_minigrad_is_imported_without_scikit_learn():
    run_ = run("import sys; sys.modules['sklearn.base'] = None\nimport minigrad as mg\nmg.estimator")
    assert "ImportError: mg.estimator needs scikit-learn 1.6 or newer" in run_.stderr
    assert "pip install" in run_.stderr


def test_scikit_learn_is_loaded_on_first_use_only():
    run_ = run(
        "import sys, minigrad as mg\n"
        "assert 'sklearn' not in sys.modules\n"
        "mg.estimator.NeuralClassifier()\n"
        "assert 'sklearn' in sys.modules"
    )
    assert run_.returncode == 0, run_.stderr
