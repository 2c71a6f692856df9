"""Which of our reductions gives scikit-learn's number, both sides computed. The table: docs/parity.md."""

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import losses
from tests.losses.cases import gradient, softmax

reason = "scikit-learn is not installed: the comparison needs it as the other side"
metrics = pytest.importorskip("sklearn.metrics", reason=reason)
linear_model = pytest.importorskip("sklearn.linear_model", reason=reason)
neural_network = pytest.importorskip("sklearn.neural_network", reason=reason)

RNG = np.random.default_rng(0)
N, K = 40, 3
X, Y, W = RNG.normal(size=(N, 4)), np.arange(N) % K, RNG.uniform(0.5, 2.5, N)
V = {0: 4.0, 1: 0.5, 2: 1.5}
Z = RNG.normal(size=(N, K))


@pytest.mark.parametrize(("normalize", "reduction"), [(True, "weighted_mean"), (False, "sum")])
def test_log_loss_divides_by_the_sum_of_the_weights(normalize, reduction):
    theirs = metrics.log_loss(Y, softmax(Z), sample_weight=W, normalize=normalize)
    assert losses.cross_entropy(Z, Y, sample_weight=W, reduction=reduction) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("class_weight", [None, V])
def test_logistic_regression_minimises_c_times_the_sum_plus_half_the_squares(class_weight):
    C = 0.7
    model = linear_model.LogisticRegression(C=C, tol=1e-10, max_iter=1000, class_weight=class_weight)
    model.fit(X, Y, sample_weight=W)
    weights = {"sample_weight": W, "class_weight": class_weight, "reduction": "sum"}

    def objective(A, b):
        return C * losses.cross_entropy(mg.tensor(X) @ A.T + b, Y, **weights) + 0.5 * np.sum(A * A)

    A, b = mg.tensor(model.coef_, requires_grad=True), mg.tensor(model.intercept_, requires_grad=True)
    objective(A, b).backward()
    assert max(abs(A.grad.data).max(), abs(b.grad.data).max()) < 1e-5
    weights["reduction"] = "mean"  # against the same penalty it would be another problem
    A.grad = None
    objective(A, b).backward()
    assert abs(A.grad.data).max() > 0.1


def balanced_as_sklearn(y):
    return pytest.importorskip("sklearn.utils.class_weight").compute_class_weight("balanced", classes=np.unique(y), y=y)


def test_balanced_weights_are_the_same():
    y = np.repeat([0, 1, 2], [30, 9, 1])
    np.testing.assert_allclose(mg.weighting.balanced(y), balanced_as_sklearn(y), rtol=1e-6)


def first_step(kind, y, rate=1e-200):
    """The loss before the first step, the outputs that it belongs to, and the last intercepts after the step."""
    model = kind(hidden_layer_sizes=(5,), alpha=0, solver="sgd", momentum=0, batch_size=N, max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged, as intended
        before = model.set_params(learning_rate_init=1e-200).fit(X, y, sample_weight=W)
        hidden = np.maximum(X @ before.coefs_[0] + before.intercepts_[0], 0)
        z, loss = hidden @ before.coefs_[1] + before.intercepts_[1], before.loss_curve_[0]
        after = model.set_params(learning_rate_init=rate).fit(X, y, sample_weight=W)
    return loss, z, after.intercepts_[1]


def test_mlp_classifier_divides_by_the_sum_of_the_weights():
    theirs, z, _ = first_step(neural_network.MLPClassifier, Y)
    assert losses.cross_entropy(z, Y, sample_weight=W, reduction="weighted_mean") == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("outputs", [1, 3])
def test_mlp_regressor_reports_half_of_our_mse_and_follows_another_gradient(outputs):
    target = RNG.normal(size=(N, outputs))
    y = target if outputs > 1 else target[:, 0]
    theirs, z, start = first_step(neural_network.MLPRegressor, y)
    value, g = gradient(losses.mse, z, target, sample_weight=W, reduction="weighted_mean")
    assert value / 2 == pytest.approx(theirs, rel=1e-6)
    _, _, after = first_step(neural_network.MLPRegressor, y, rate=0.1)
    np.testing.assert_allclose(after, start - 0.1 * outputs * g.sum(axis=0) / 2, rtol=1e-6)  # not divided by outputs


def test_lists_of_weights_are_double_precision_here_too():
    value, g = gradient(losses.cross_entropy, Z, Y, sample_weight=W.tolist(), reduction="weighted_mean")
    assert value == pytest.approx(metrics.log_loss(Y, softmax(Z), sample_weight=W), rel=1e-14)
    assert g.dtype == np.float64
