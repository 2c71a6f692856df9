"""Learning from a stream."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.losses import cross_entropy
from minigrad.training import SlidingWindow, fit, partial_fit

N, K, D = 40, 3, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D)).astype(np.float32)
Y = RNG.integers(K, size=N)
W = RNG.uniform(0.5, 2, N)


def test_calls_of_partial_fit_are_epochs_of_fit():
    models, losses = [], []
    for online in (False, True):
        model, rng = mg.nn.Linear(D, K, rng=0), np.random.default_rng(0)
        optimizer = mg.optim.Adam(model.parameters(), lr=0.1)
        settings = {"class_weight": [1.0, 2.0, 3.0], "batch_size": 16, "reduction": "weighted_mean", "rng": rng}
        if online:
            losses += [
                [partial_fit(model, cross_entropy, X, Y, optimizer, sample_weight=W, **settings) for _ in range(3)]
            ]
        else:
            history = fit(model, cross_entropy, (X, Y, W), epochs=3, optimizer=optimizer, progress=False, **settings)
            losses.append(history["loss"])
        models.append(model)
    assert np.array_equal(models[0].weight.data, models[1].weight.data)
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_weight": np.ones(3)}, "partial_fit: X has 40, y has 40, w has 3"),
        ({"y": Y + 1}, "label 3"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"micro_batch_size": 0}, "micro_batch_size=0"),
    ],
)
def test_bad_portions_change_nothing(arguments, message):
    model = mg.nn.Linear(D, K, rng=0)
    before = model.weight.data.copy()
    optimizer = mg.optim.SGD(model.parameters())
    with pytest.raises(ValueError, match=message):
        partial_fit(model, cross_entropy, **({"X": X, "y": Y, "optimizer": optimizer} | arguments))
    assert np.array_equal(model.weight.data, before)


@pytest.mark.parametrize("portions", [[3], [3, 1], [2, 2, 2], [9, 1], [1] * 8])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_window_holds_the_last_samples(portions, weighted):
    window, start = SlidingWindow(4), 0
    for n in portions:
        rows = slice(start, start + n)
        kept = window.add(X[rows], Y[rows], W[rows] if weighted else None)
        start += n
    expected = (X, Y, W) if weighted else (X, Y)
    assert len(kept) == len(expected)
    for found, array in zip(kept, expected, strict=True):
        assert np.array_equal(found, array[max(0, start - 4) : start])
    assert len(window) == min(start, 4)


def test_a_window_refuses_what_does_not_go_together():
    with pytest.raises(ValueError, match="size=0; expected 1 or more"):
        SlidingWindow(0)
    window = SlidingWindow(4)
    assert len(window) == 0
    window.add(X[:2], Y[:2])
    with pytest.raises(ValueError, match="with all samples or with none"):
        window.add(X[:2], Y[:2], W[:2])
    with pytest.raises(ValueError, match=r"shape \(3,\) after samples of shape \(4,\)"):
        window.add(X[:2, :3], Y[:2])
    with pytest.raises(ValueError, match="X has 2, y has 3 samples"):
        window.add(X[:2], Y[:3])
    assert len(window) == 2
