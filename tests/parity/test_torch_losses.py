"""Which of our reductions gives PyTorch's number: value and gradient, both sides computed (table: docs/parity.md)."""

import warnings

import numpy as np
import pytest

from minigrad import losses
from tests.losses.cases import gradient, softmax

torch = pytest.importorskip("torch", reason="PyTorch is not installed: the comparison needs it as the other side")
F = torch.nn.functional

RNG = np.random.default_rng(0)
N, K = 7, 3
Z, Y, T = RNG.normal(size=(N, K)), np.array([0, 1, 2, 2, 1, 2, 2]), RNG.integers(2, size=(N, K)).astype(float)
W, V = RNG.uniform(0.5, 2.5, N), np.array([4.0, 0.5, 1.5])  # sum w, N, K and sum w_y all differ
SOFT, HOT, TARGETS = softmax(RNG.normal(size=(N, K))), np.eye(K)[Y], RNG.normal(size=(N, K))
y, t, w, v, soft, hot, targets = (torch.tensor(x) for x in (Y, T, W, V, SOFT, HOT, TARGETS))


# what of theirs: (ours, theirs), functions of the same logits
SAME = {
    "cross_entropy": (lambda z: losses.cross_entropy(z, Y), lambda z: F.cross_entropy(z, y)),
    "cross_entropy, weight": (
        lambda z: losses.cross_entropy(z, Y, class_weight=V, reduction="weighted_mean"),
        lambda z: F.cross_entropy(z, y, weight=v),
    ),
    "cross_entropy, weight, sum": (
        lambda z: losses.cross_entropy(z, Y, class_weight=V, reduction="sum"),
        lambda z: F.cross_entropy(z, y, weight=v, reduction="sum"),
    ),
    "cross_entropy, weight, none": (
        lambda z: losses.cross_entropy(z, Y, class_weight=V, reduction="none"),
        lambda z: F.cross_entropy(z, y, weight=v, reduction="none"),
    ),
    "the mean of its none is another number, our mean": (
        lambda z: losses.cross_entropy(z, Y, class_weight=V),
        lambda z: F.cross_entropy(z, y, weight=v, reduction="none").mean(),
    ),
    "so are its one-hot targets": (
        lambda z: losses.cross_entropy(z, HOT, class_weight=V),
        lambda z: F.cross_entropy(z, hot, weight=v),
    ),
    "probabilities, weight": (
        lambda z: losses.cross_entropy(z, SOFT, class_weight=V),
        lambda z: F.cross_entropy(z, soft, weight=v),
    ),
    "label smoothing": (
        lambda z: losses.cross_entropy(z, Y, label_smoothing=0.1),
        lambda z: F.cross_entropy(z, y, label_smoothing=0.1),
    ),
    "label smoothing, weight": (
        lambda z: losses.cross_entropy(z, Y, class_weight=V, label_smoothing=0.1, reduction="weighted_mean"),
        lambda z: F.cross_entropy(z, y, weight=v, label_smoothing=0.1),
    ),
    "label smoothing, weight, sum": (
        lambda z: losses.cross_entropy(z, Y, class_weight=V, label_smoothing=0.1, reduction="sum"),
        lambda z: F.cross_entropy(z, y, weight=v, label_smoothing=0.1, reduction="sum"),
    ),
    "label smoothing, weight, probabilities": (
        lambda z: losses.cross_entropy(z, SOFT, class_weight=V, label_smoothing=0.1),
        lambda z: F.cross_entropy(z, soft, weight=v, label_smoothing=0.1),
    ),
    "sample weights by hand, as people write it": (
        lambda z: losses.cross_entropy(z, Y, sample_weight=W),
        lambda z: (w * F.cross_entropy(z, y, reduction="none")).mean(),
    ),
    "binary_cross_entropy_with_logits": (
        lambda z: losses.binary_cross_entropy(z, T),
        lambda z: F.binary_cross_entropy_with_logits(z, t),
    ),
    "binary_cross_entropy_with_logits, weight and pos_weight": (
        lambda z: losses.binary_cross_entropy(z, T, sample_weight=W, pos_weight=V),
        lambda z: F.binary_cross_entropy_with_logits(z, t, weight=w[:, None], pos_weight=v),
    ),
    "binary_cross_entropy_with_logits, weight per label, sum": (
        lambda z: losses.binary_cross_entropy(z, T, class_weight=V, reduction="sum"),
        lambda z: F.binary_cross_entropy_with_logits(z, t, weight=v, reduction="sum"),
    ),
    "binary_cross_entropy_with_logits, one logit": (
        lambda z: losses.binary_cross_entropy(z[:, 0], T[:, 0], pos_weight=3.0),
        lambda z: F.binary_cross_entropy_with_logits(z[:, 0], t[:, 0], pos_weight=torch.tensor(3.0)),
    ),
    "mse_loss": (lambda z: losses.mse(z, TARGETS), lambda z: F.mse_loss(z, targets)),
    "mse_loss, none, one output": (
        lambda z: losses.mse(z[:, 0], TARGETS[:, 0], reduction="none"),
        lambda z: F.mse_loss(z[:, 0], targets[:, 0], reduction="none"),
    ),
    "mse_loss, sum: ours is a mean over the K outputs": (
        lambda z: K * losses.mse(z, TARGETS, reduction="sum"),
        lambda z: F.mse_loss(z, targets, reduction="sum"),
    ),
    "huber_loss": (
        lambda z: losses.huber(z, TARGETS, delta=0.4),
        lambda z: F.huber_loss(z, targets, delta=0.4),
    ),
    "smooth_l1_loss is huber by beta": (
        lambda z: losses.huber(z, TARGETS, delta=0.4) / 0.4,
        lambda z: F.smooth_l1_loss(z, targets, beta=0.4),
    ),
    "multi_margin_loss is weston_watkins by K": (
        lambda z: losses.weston_watkins(z, Y) / K,
        lambda z: F.multi_margin_loss(z, y),
    ),
    "multi_margin_loss, weight: its mean is by N": (
        lambda z: losses.weston_watkins(z, Y, class_weight=V) / K,
        lambda z: F.multi_margin_loss(z, y, weight=v),
    ),
    "multi_margin_loss, none": (
        lambda z: losses.weston_watkins(z, Y, class_weight=V, reduction="none") / K,
        lambda z: F.multi_margin_loss(z, y, weight=v, reduction="none"),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_number_and_gradient(name):
    ours, theirs = SAME[name]
    value, g = gradient(ours, Z)
    z = torch.tensor(Z, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, about itself
        expected = theirs(z)
        expected.sum().backward()
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(g, z.grad.numpy(), rtol=1e-12, atol=1e-15)


def test_the_traps_are_real():
    """The numbers that the table tells apart do differ."""
    z = torch.tensor(Z)
    mean, of_none, one_hot = (
        float(x)
        for x in (
            F.cross_entropy(z, y, weight=v),
            F.cross_entropy(z, y, weight=v, reduction="none").mean(),
            F.cross_entropy(z, hot, weight=v),
        )
    )
    assert abs(mean - of_none) > 0.1
    assert of_none == pytest.approx(one_hot)
    single = F.cross_entropy(z[:1], y[:1], weight=v)
    assert float(single) == pytest.approx(float(F.cross_entropy(z[:1], y[:1])))  # a batch of one hides its weight
