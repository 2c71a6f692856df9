"""What a run measures and when it ends."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest

import minigrad as mg
from minigrad.losses import binary_cross_entropy, cross_entropy, hinge, mse
from minigrad.training import EarlyStopping, deferred, fit

N, K, D = 60, 3, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D)).astype(np.float32)
Y = RNG.integers(K, size=N)
W = RNG.uniform(0.5, 2, N)


def train(model=None, loss=cross_entropy, data=(X, Y), *, epochs=3, lr=0.1, **arguments):
    model = mg.nn.Linear(D, K, rng=0) if model is None else model
    arguments = {"batch_size": 16, "rng": 0, "progress": False} | arguments
    if "optimizer" not in arguments:
        arguments["optimizer"] = mg.optim.SGD(model.parameters(), lr=lr)
    return model, fit(model, loss, data, epochs=epochs, **arguments)


# --- Validation and metrics


@pytest.mark.parametrize("reduction", ["mean", "weighted_mean", "sum", 4.0])
@pytest.mark.parametrize("w", [None, W])
def test_the_validation_loss_has_the_weights_that_it_is_given_and_no_others(reduction, w):
    model, history = train(
        validation=(X, Y, w), class_weight=[1.0, 5.0, 9.0], reduction=reduction, lr=1e-3, micro_batch_size=7
    )
    kind = "weighted_mean" if reduction == "weighted_mean" else "mean"
    expected = cross_entropy(model(mg.tensor(X)), Y, sample_weight=w, reduction=kind)
    assert history["val_loss"][-1] == pytest.approx(expected.item(), rel=1e-5)


def test_a_loss_that_couples_samples_is_validated_as_a_whole():
    t = (RNG.random((N, K)) < 0.5).astype(np.float32)
    model, history = train(loss=mg.losses.soft_f1, data=(X, t), validation=(X, t), batch_size=7)
    expected = mg.losses.soft_f1(model(mg.tensor(X)), t).item()
    assert history["val_loss"][-1] == pytest.approx(expected, rel=1e-6)


def test_validation_is_in_evaluation_mode_and_changes_nothing():
    def network():
        return mg.nn.Sequential(mg.nn.Linear(D, K, rng=0), mg.nn.BatchNorm1d(K), mg.nn.Dropout(0.5, rng=1))

    a, _ = train(network())
    b, history = train(network(), validation=(X, Y), metrics={"n": lambda y, z: len(y)}, gradient_share=30)
    assert all(np.array_equal(value.data, b.state_dict()[name].data) for name, value in a.state_dict().items())
    expected = cross_entropy(b.eval()(mg.tensor(X)), Y).item()
    assert history["val_loss"][-1] == pytest.approx(expected, rel=1e-5)


def decided(z):
    return z.argmax(axis=1)


def test_accuracy_recall_and_metrics_are_those_of_the_outputs():
    C = np.array([[0, 1, 2], [3, 0, 1], [9, 1, 0]])

    def cost(y, z):
        return mg.decisions.total_cost(y, decided(z), C)

    model, history = train(validation=(X, Y), metrics={"cost": cost})
    prediction = decided(model(mg.tensor(X)).numpy())
    assert history["val_accuracy"][-1] == pytest.approx((prediction == Y).mean())
    right = prediction == Y
    assert history["val_recall"][-1] == pytest.approx([right[np.equal(Y, c)].mean() for c in range(K)])
    assert history["val_cost"][-1] == cost(Y, model(mg.tensor(X)).numpy())


def test_training_measures_are_of_the_outputs_before_each_step():
    _, history = train(epochs=1, lr=0.0)
    z = mg.nn.Linear(D, K, rng=0)(mg.tensor(X)).numpy()
    assert history["accuracy"] == [pytest.approx((decided(z) == Y).mean())]


class Column(mg.nn.Linear):
    def forward(self, x):
        return super().forward(x)[:, 0]


LABELS = (Y[:, None] == np.arange(K)).astype(np.float32)
KINDS = {
    "classes": (None, cross_entropy, Y, K),
    "one-hot": (None, cross_entropy, LABELS.astype(int), K),
    "several labels": (None, binary_cross_entropy, LABELS, K),
    "0 and 1": (Column(D, 1, rng=0), binary_cross_entropy, (Y > 0).astype(np.float32), 2),
    "-1 and 1": (Column(D, 1, rng=0), hinge, np.where(Y > 0, 1, -1), 2),
    "numbers": (Column(D, 1, rng=0), mse, X[:, 0], 0),
    "rows of numbers": (None, mse, X[:, :K], 0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_classes_are_recognised(kind):
    model, loss, y, classes = KINDS[kind]
    _, history = train(model, loss, (X, y), epochs=25)
    assert ("accuracy" in history) == ("recall" in history) == bool(classes)
    if classes:
        assert len(history["recall"][-1]) == classes
        assert all(0 <= r <= 1 for r in history["recall"][-1])


def test_the_recall_of_labels_counts_the_samples_that_have_them():
    model, history = train(loss=binary_cross_entropy, data=(X, LABELS), validation=(X, LABELS), epochs=9, lr=2.0)
    z = model(mg.tensor(X)).numpy()
    assert history["val_recall"][-1] == pytest.approx(
        [z[np.equal(Y, c), c].clip(0).astype(bool).mean() for c in range(K)]
    )
    assert history["val_accuracy"][-1] == pytest.approx(((z > 0) == (LABELS > 0)).mean())


def test_a_class_without_samples_has_no_recall():
    _, history = train(validation=(X[Y < 2], Y[Y < 2]))
    assert np.isnan(history["val_recall"][-1][2])


def test_the_share_of_the_gradient_of_each_class_is_that_of_the_model():
    weights = np.array([1.0, 2.0, 4.0])
    model, history = train(gradient_share=N, data=(X, Y, W), class_weight=deferred(weights, after=2))
    expected = mg.class_gradient_share(model, cross_entropy, X, Y, sample_weight=W, class_weight=weights)
    assert history["gradient_share"][-1] == pytest.approx(expected.tolist(), rel=1e-4)
    assert np.shape(history["gradient_share"]) == (3, K)


# --- Deferred re-weighting


def test_deferred_weights_are_plain_training_and_then_weighted_training():
    weights = np.array([1.0, 2.0, 4.0])
    deferred_model, history = train(epochs=5, class_weight=deferred(weights, after=3))

    rng = np.random.default_rng(0)
    model = mg.nn.Linear(D, K, rng=0)
    optimizer = mg.optim.SGD(model.parameters(), lr=0.1)
    _, plain = train(model, epochs=3, optimizer=optimizer, rng=rng)
    _, weighted = train(model, epochs=2, optimizer=optimizer, rng=rng, class_weight=weights)
    assert np.array_equal(deferred_model.weight.data, model.weight.data)
    assert history["loss"] == plain["loss"] + weighted["loss"]


def test_any_function_of_the_epoch_gives_class_weights():
    asked = []

    def weights(epoch):
        asked.append(epoch)
        return {0: 1.0, 1: epoch, 2: 1.0}

    train(class_weight=weights)
    assert asked[-3:] == [1, 2, 3]


@pytest.mark.parametrize("after", [-1, 0.5])
def test_deferred_by_what_is_no_number_of_epochs_is_refused(after):
    with pytest.raises((TypeError, ValueError), match="deferred: after"):
        deferred([1.0], after)


# --- Which samples, and how changed


def test_a_sampler_draws_the_rows_of_each_epoch():
    epochs = []

    def odd(rng):
        epochs.append(rng.permutation(np.arange(1, N, 2)))
        return epochs[-1]

    seen = []

    def look(X, y, rng):
        assert isinstance(rng, np.random.Generator)
        assert len(X) == len(y)
        seen.append(X)
        return X

    train(epochs=2, sampler=odd, augment=look)
    assert [len(X) for X in seen] == [16, 14] * 2
    for epoch in (seen[:2], seen[2:]):
        rows = np.concatenate(epoch)
        assert np.array_equal(rows[np.lexsort(rows.T)], X[1::2][np.lexsort(X[1::2].T)])
    assert not np.array_equal(seen[0], seen[2])


def test_a_sampler_counts_like_weights():
    few = np.flatnonzero((Y > 0) | (np.arange(N) % 5 == 0))
    data = X[few], Y[few]
    _, history = train(data=data, sampler=partial(mg.data.oversample, Y[few]), epochs=40)
    _, plain = train(data=data, epochs=40)
    assert history["recall"][-1][0] > plain["recall"][-1][0]


def test_a_sampler_without_rows_is_refused():
    with pytest.raises(ValueError, match="the sampler gave no rows"):
        train(sampler=lambda rng: np.arange(0))


def test_what_augment_returns_is_trained_on():
    model = mg.nn.Linear(D, K, rng=0)
    seen = []
    model.register_forward_hook(lambda module, inputs, _: seen.append(inputs[0].data) if module.training else None)
    train(model, epochs=1, augment=lambda X, y, rng: 0 * X + 7, micro_batch_size=5)
    assert [len(X) for X in seen] == [5, 5, 5, 1] * 3 + [5, 5, 2]
    assert all((X == 7).all() for X in seen)


# --- The learning rate


def test_a_schedule_of_epochs_and_of_batches():
    factor = mg.optim.exponential(0.5)
    optimizer = mg.optim.SGD(mg.nn.Linear(1, 1).parameters())
    for every, expected in (("epoch", [0.1, 0.05, 0.025]), ("batch", [0.1 / 8, 0.1 / 128, 0.1 / 2048])):
        model = mg.nn.Linear(D, K, rng=0)
        optimizer = mg.optim.SGD(model.parameters(), lr=0.1)
        _, history = train(model, optimizer=optimizer, schedule=factor, schedule_every=every)
        assert history["lr"] == pytest.approx(expected)
        assert optimizer.param_groups[0]["lr"] == 0.1  # given back


def test_a_schedule_of_ones_own_goes_on():
    model = mg.nn.Linear(D, K, rng=0)
    optimizer = mg.optim.SGD(model.parameters(), lr=0.1)
    schedule = mg.optim.Schedule(optimizer, mg.optim.exponential(0.5))
    for expected in ([0.1, 0.05], [0.025, 0.0125]):
        assert train(model, optimizer=optimizer, schedule=schedule, epochs=2)[1]["lr"] == pytest.approx(expected)
    with pytest.raises(ValueError, match="another optimizer"):
        train(schedule=schedule)


def test_rates_of_rows_are_recorded():
    model = mg.nn.Linear(D, K, bias=False, rng=0)
    optimizer = mg.optim.SGD([{"params": [model.weight], "lr": (0.1, 0.1, 0.2)}])
    _, history = train(model, optimizer=optimizer, epochs=1)
    assert history["lr"] == [[0.1, 0.1, 0.2]]
    assert "lr" not in repr(history).split()


# --- When it ends


def overfit(**arguments):
    """On a validation set of shuffled labels, which gets worse and worse."""
    seen = []

    def remember(_):
        seen.append({name: value.data.copy() for name, value in model.state_dict().items()})

    model = mg.nn.Sequential(mg.nn.Linear(D, K, rng=0), mg.nn.BatchNorm1d(K))
    _, history = train(
        model, validation=(X[:20], (Y[:20] + 1) % K), lr=0.2, callbacks=[remember], epochs=30, **arguments
    )
    return model, history, seen


def same(model, state):
    return all(np.array_equal(value.data, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("patience", [2, 5])
def test_early_stopping_gives_the_weights_of_the_best_epoch(patience):
    model, history, seen = overfit(early_stopping=patience)
    best = int(np.argmin(history["val_loss"]))
    assert history.stopped_early
    assert history.best_epoch == best + 1
    assert len(history) == best + 1 + patience < 30
    assert same(model, seen[best])


def test_without_a_stop_the_best_weights_are_restored_too():
    model, history, seen = overfit(early_stopping=EarlyStopping(patience=100))
    assert len(history) == 30
    assert not history.stopped_early
    assert same(model, seen[int(np.argmin(history["val_loss"]))])


def test_without_early_stopping_the_last_weights_stay():
    model, history, seen = overfit()
    assert history.best_epoch is None
    assert same(model, seen[-1])


def test_early_stopping_on_a_metric_of_ones_own():
    numbers = iter([1.0, 3.0, 2.0, 2.9, 9.0])
    calls = []

    def score(y, _):
        calls.append(len(y))
        return next(numbers) if len(y) == 5 else 0.0

    stopping = EarlyStopping(patience=2, monitor="val_score", mode="max")
    _, history = train(epochs=9, validation=(X[:5], Y[:5]), metrics={"score": score}, early_stopping=stopping)
    assert history["val_score"] == [1.0, 3.0, 2.0, 2.9]
    assert history.best_epoch == 2
    assert calls == [N, 5] * 4  # never on the samples that fit tries first


@pytest.mark.parametrize(
    ("values", "settings", "expected"),
    [
        ([3.0, 2.0, 2.5, 1.9], {}, 4),
        ([3.0, 2.0, 2.5, 1.9], {"min_delta": 0.2}, 2),
        ([3.0, 2.0, 2.5, 1.9], {"mode": "max"}, 1),
        ([float("nan"), 2.0, float("nan")], {}, 2),
        ([0.5, 0.7, 0.6], {"monitor": "val_accuracy"}, 2),
    ],
)
def test_what_is_better(values, settings, expected):
    stopping, best = EarlyStopping(**settings), None
    for i, value in enumerate(values, 1):
        if stopping.better(value, best):
            best, epoch = value, i
    assert epoch == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patience": 0}, "patience=0; expected 1 or more"),
        ({"monitor": "val_cost"}, "is less or more of 'val_cost' better"),
        ({"mode": "least"}, "not 'least'"),
        ({"min_delta": -1}, "min_delta must not be negative"),
    ],
)
def test_early_stopping_settings_that_mean_nothing(settings, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**settings)


def test_a_callback_can_end_training():
    _, history = train(epochs=9, callbacks=[lambda history: len(history) == 2, lambda history: None])
    assert len(history) == 2


# --- What is seen of it


def test_without_a_terminal_there_is_a_line_per_epoch(capsys):
    train(progress=True, epochs=2, validation=(X, Y))
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert all(word in lines[0] for word in (" loss ", " accuracy ", " val_loss ", " lr 0.1"))


def test_a_terminal_gets_a_bar_with_loss_and_metrics(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    train(progress=True, epochs=2, validation=(X, Y))
    err = capsys.readouterr().err
    assert "epoch 2/2" in err
    assert "100%" in err
    assert "val_accuracy=" in err


def test_without_tqdm_there_are_lines(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    train(progress=True, epochs=1)
    assert capsys.readouterr().err.startswith("epoch 1/1: loss")


def test_silence(capsys):
    train()
    assert capsys.readouterr() == ("", "")


def test_a_resumed_run_says_from_where(capsys, tmp_path):
    for epochs in (2, 3):
        train(progress=True, epochs=epochs, checkpoint=tmp_path / "run.ckpt")
    assert f"continuing from {tmp_path / 'run.ckpt'} after epoch 2" in capsys.readouterr().err


def test_import_loads_no_pictures_and_bars():
    code = "import sys, minigrad; print([m for m in ('matplotlib', 'tqdm', 'sklearn') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_settings_of_a_loss_are_fixed_with_partial():
    a, _ = train(loss=partial(mg.losses.focal, gamma=0.0))
    b, _ = train()
    np.testing.assert_allclose(a.weight.data, b.weight.data, rtol=1e-5, atol=1e-6)
