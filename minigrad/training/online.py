"""Learning from a stream: one pass over what is new, and a window over what was last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..nn import Module
from ..optim import Optimizer
from ..random import Rng
from .objective import Objective, mode
from .run import Run
from .samples import Samples, samples, whole


def partial_fit(
    model: Module,
    loss: Callable[..., Any],
    X: Any,
    y: Any,
    optimizer: Optimizer,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    batch_size: int = 32,
    reduction: str | float = "mean",
    micro_batch_size: int | None = None,
    clip_norm: float | None = None,
    rng: Rng = None,
) -> float:
    """One pass over new samples, in shuffled mini-batches: for data that arrives in portions.

    The optimiser goes on from call to call with its momentum, which is why there is no default. Any sequence of calls
    is the same as the epochs of one ``fit`` over the same samples with the same `rng` (a Generator).

    Parameters
    ----------
    model, loss, optimizer, class_weight, batch_size, reduction, micro_batch_size, clip_norm, rng : as for ``fit``
    X : array, shape (N, ...)
    y : N targets
    sample_weight : (N,), optional

    Returns
    -------
    float
        The loss of the pass, averaged over its samples (under "weighted_mean": over their weights), each as it was
        before the step that used it.

    Raises
    ------
    TypeError, ValueError, NonFiniteError
        As ``fit``.

    Examples
    --------
    The boundary moves, and a window over the last 200 samples follows it:

    >>> rng, model = np.random.default_rng(0), mg.nn.Linear(1, 2, rng=0)
    >>> optimizer, window = mg.optim.SGD(model.parameters(), lr=0.5), mg.training.SlidingWindow(200)
    >>> for boundary in np.repeat([-1.0, 1.0], 20):
    ...     X = rng.normal(size=(50, 1), scale=2)
    ...     y = (X[:, 0] > boundary).astype(int)
    ...     loss = mg.training.partial_fit(model, mg.losses.cross_entropy, *window.add(X, y), optimizer, rng=rng)
    >>> bool((np.argmax(model(mg.tensor([[0.0], [2.0]])), axis=1) == [0, 1]).all())
    True
    """
    size = None if micro_batch_size is None else whole(micro_batch_size, "micro_batch_size")
    run = Run(
        model,
        Objective(loss, reduction, size),
        samples((X, y, sample_weight), "partial_fit"),
        None,
        optimizer=optimizer,
        class_weight=lambda epoch: class_weight,
        batch_size=whole(batch_size, "batch_size"),
        clip_norm=clip_norm,
        rng=rng,
    )
    with mode(model, training=True):
        for _ in run.rest_of_epoch():
            pass
    run.clean_up()
    return run.total / (run.weight or 1.0)


class SlidingWindow:
    """The last `size` samples of a stream.

    Parameters
    ----------
    size : int >= 1

    Examples
    --------
    >>> window = mg.training.SlidingWindow(3)
    >>> X, y = window.add([[1.0], [2.0]], [0, 1])
    >>> X, y = window.add([[3.0], [4.0]], [1, 0])
    >>> X.ravel().tolist(), y.tolist()
    ([2.0, 3.0, 4.0], [1, 1, 0])
    """

    def __init__(self, size: int) -> None:
        self.size = whole(size, "SlidingWindow: size")
        self.kept: Samples | None = None

    def __len__(self) -> int:
        return 0 if self.kept is None else len(self.kept.y)

    def add(self, X: Any, y: Any, sample_weight: Any = None) -> tuple[Any, ...]:
        """Take in new samples and let the oldest go.

        Returns
        -------
        (X, y), or (X, y, w) if weights were given : arrays of at most `size` samples, oldest first

        Raises
        ------
        ValueError
            If weights are given at one time and not at another, or a sample has another shape than those before.
        """
        new = samples((X, y, sample_weight), "SlidingWindow")
        old = self.kept
        if old is not None:
            if (old.w is None) != (new.w is None):
                raise ValueError(
                    "SlidingWindow: give weights with all samples or with none; a weight of 1 changes nothing"
                )
            if old.X.shape[1:] != new.X.shape[1:]:
                raise ValueError(
                    f"SlidingWindow: samples of shape {new.X.shape[1:]} after samples of shape {old.X.shape[1:]}"
                )
            w = None if old.w is None else np.concatenate([old.w, new.w])
            new = Samples(np.concatenate([old.X, new.X]), np.concatenate([old.y, new.y]), w)
        self.kept = new.rows(slice(-self.size, None))
        return tuple(part for part in self.kept if part is not None)
