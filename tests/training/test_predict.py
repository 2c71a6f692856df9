"""mg.training.predict: the outputs of a model, piece by piece, as it is after training."""

import numpy as np
import pytest

import minigrad as mg

X = np.random.default_rng(0).normal(size=(7, 4))


def network():
    return mg.nn.Sequential(mg.nn.Linear(4, 3, rng=0), mg.nn.BatchNorm1d(3), mg.nn.Dropout(0.5))


@pytest.mark.parametrize("batch_size", [1, 3, 7, 1000])
def test_pieces_make_no_difference_and_the_model_stays_in_its_mode(batch_size):
    model = network()
    z = mg.training.predict(model, X, batch_size)
    assert all(module.training for module in model.modules())
    expected = model.eval()(mg.tensor(X, dtype=np.float32)).numpy()
    np.testing.assert_allclose(z, expected, rtol=1e-6, atol=1e-6)
    assert type(z) is np.ndarray
    assert z.dtype == np.float32


def test_nothing_is_recorded():
    seen = []
    model = mg.nn.Sequential(mg.nn.Linear(4, 3))
    model.register_forward_hook(lambda _module, _inputs, y: seen.append(y.requires_grad))
    mg.training.predict(model, mg.tensor(X), 3)
    assert seen == [False, False, False]


def test_no_samples_have_no_outputs():
    assert mg.training.predict(mg.nn.Linear(4, 3), X[:0]).shape == (0, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1.0,), ValueError, r"predict: X is one number, 1\.0; expected samples, shape \(N, \.\.\.\)"),
        ((X, 0), ValueError, "predict: batch_size=0; expected 1 or more"),
        ((X, 2.5), TypeError, "predict: batch_size=2.5 is a float; expected an int"),
    ],
)
def test_what_it_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        mg.training.predict(mg.nn.Linear(4, 3), *arguments)
