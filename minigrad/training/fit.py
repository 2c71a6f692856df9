"""The training loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ..nn import Module
from ..optim import Adam, Optimizer
from ..random import Rng
from .checkpoint import Checkpoint, check_identity
from .early_stopping import EarlyStopping
from .history import History
from .measures import Metric
from .nonfinite import NonFiniteError
from .objective import Objective, mode
from .progress import CtrlC, Progress
from .run import Run
from .samples import samples, whole


def deferred(class_weight: Any, after: int) -> Callable[[int], Any]:
    """Class weights that begin late: no weights in the first `after` epochs, then these (DRW, Cao et al. 2019).

    Parameters
    ----------
    class_weight : (K,) or dict keyed by label
        In the paper ``mg.weighting.effective_number(counts, 0.9999)``.
    after : int
        How many epochs are plain: the paper's T0, at 80 % of the run, together with a smaller learning rate.

    Returns
    -------
    function of the epoch 1, 2, ..., for ``fit(class_weight=...)``

    References
    ----------
    Cao et al., "Learning imbalanced datasets with label-distribution-aware margin loss", NeurIPS (2019), algorithm 1.

    Examples
    --------
    >>> schedule = mg.training.deferred([1.0, 9.0], after=2)
    >>> [schedule(epoch) for epoch in (1, 2, 3)]
    [None, None, [1.0, 9.0]]
    """
    return partial(_deferred, class_weight, whole(after, "deferred: after", 0))


def _deferred(class_weight: Any, after: int, epoch: int) -> Any:
    return class_weight if epoch > after else None


def fit(
    model: Module,
    loss: Callable[..., Any],
    data: Any,
    *,
    epochs: int,
    batch_size: int = 32,
    sampler: Callable[..., Any] | None = None,
    augment: Callable[..., Any] | None = None,
    optimizer: Optimizer | None = None,
    schedule: Any = None,
    schedule_every: str = "epoch",
    class_weight: Any = None,
    reduction: str | float = "mean",
    micro_batch_size: int | None = None,
    clip_norm: float | None = None,
    validation: Any = None,
    metrics: Mapping[str, Metric] | None = None,
    gradient_share: int = 0,
    early_stopping: EarlyStopping | int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 1,
    resume: bool = True,
    callbacks: Sequence[Callable[[History], Any]] = (),
    rng: Rng = None,
    progress: bool = True,
) -> History:
    """Train a model on weighted mini-batches.

    Each step takes a batch of the shuffled data with its weights, w_i = sample weight * class weight, and follows the
    gradient of ``loss(model(X), y, ..., reduction=reduction)``. Model, loss, labels and weights are tried out first, so
    that mistakes are reported before anything is trained.

    Parameters
    ----------
    model : Module
        Trained in place, in training mode; afterwards each layer is in the mode that it was in.
    loss : callable
        A loss of ``mg.losses``, or ``functools.partial`` of one with its settings; or a function (prediction, target)
        -> one value per sample, which fit then weighs and reduces.
    data : (X, y) or (X, y, w)
        X (N, ...), targets as the loss takes them, w (N,) the weights of the samples. X of floats is cast to the
        model's dtype, and batches go to the model's device.
    epochs : int
        Passes over the data, those of a resumed checkpoint included.
    batch_size : int, default 32
        Samples per step; the last batch of an epoch may be smaller.
    sampler : function (rng=) -> row numbers, optional
        The rows of an epoch, drawn anew at each: ``partial(mg.data.class_balanced, y)``, see ``mg.data.samplers``.
        Default: every row once. A sampler and weights together count twice.
    augment : function (X, y, rng) -> X, optional
        Changes each batch's inputs before its step, for instance
        ``lambda X, y, rng: mg.data.augment(X, mg.data.augmentation.shift, rng=rng)``.
    optimizer : Optimizer, optional
        Default: ``Adam(model.parameters())``.
    schedule : function of t = 0, 1, 2, ..., list of one for each group, or ``optim.Schedule``, optional
        ``optim.cosine(epochs)`` and its like: a factor on each group's lr, which is given back when fit returns. A
        Schedule of your own is stepped and left as it is then.
    schedule_every : {"epoch", "batch"}, default "epoch"
        What t counts.
    class_weight : (K,), dict keyed by label, or function of the epoch 1, 2, ... to one of these or None, optional
        Multiplies the sample weights. A function gives deferred re-weighting, see ``deferred``.
    reduction : {"mean", "weighted_mean", "sum"} or a number D > 0, default "mean"
        What each batch's sum of weighted losses is divided by, see ``mg.losses.reduce``.
    micro_batch_size : int, optional
        Compute at most so many samples at once and add up their gradients. They are divided by the D of the whole
        batch (its N, its sum of weights, ...), so that the step is the same, whatever the reduction, and memory is
        that of a micro-batch. Two things see the micro-batch alone: BatchNorm's statistics, and losses whose weights
        come from their batch (``ghm``). Losses that couple samples (``soft_f1``, ``tversky``) are refused.
    clip_norm : float, optional
        Shorten the gradient to this norm before the step.
    validation : (X, y) or (X, y, w), optional
        Measured after every epoch in evaluation mode. **Only the w given here weighs ``val_loss``: `class_weight` does
        not.** To weigh it as in training pass ``(X, y, class_weight[y])``.
    metrics : dict of name to function (y, outputs) -> number, optional
        NumPy arrays of targets and of the model's outputs (logits), for instance
        ``{"cost": lambda y, z: mg.decisions.total_cost(y, z.argmax(axis=1), C)}``. Accuracy and the recall of each
        class are always measured where there are classes. Neither uses weights.
    gradient_share : int, default 0
        Measure each class's share of the gradient on so many training samples, the same at every epoch, with the
        weights of the epoch. Costs one backward pass per class.
    early_stopping : EarlyStopping or int, optional
        Stop after so many epochs without a better ``val_loss`` (or what an EarlyStopping says). At the end, stopped
        early or not, the model gets the weights of its best epoch; not after Ctrl-C.
    checkpoint : path, optional
        Write the run there after every `checkpoint_every` epochs, at the end and after Ctrl-C. The checkpoint before it
        is kept as ``<path>.previous``. No pickle.
    checkpoint_every : int, default 1
    resume : bool, default True
        If there is a checkpoint continue from it: model, optimiser, schedule, random numbers and history go on bit for
        bit as if there had been no break. False: start afresh and write over it.
    callbacks : sequence of functions of the History, default ()
        Called after every epoch; training ends if one returns True.
    rng : None, int or np.random.Generator
        Shuffles, samples and augments. Default: the generator of ``mg.manual_seed``.
    progress : bool, default True
        Show a bar (tqdm in a terminal or notebook, otherwise a line per epoch) on the standard error stream.

    Returns
    -------
    History
        For every epoch: ``loss``, averaged over the samples (under "weighted_mean": over their weights) whatever the
        reduction, ``accuracy``, ``recall`` and metrics of the outputs that the training batches had before their step;
        the same with ``val_`` of the validation set; ``lr`` of the first group. Ctrl-C ends training after the current
        batch: ``history.interrupted`` is True, the model is as that batch left it.

    Raises
    ------
    TypeError, ValueError
        For settings, labels or weights that do not fit, before training.
    NonFiniteError
        If a loss or a gradient is NaN or infinite: names the layer where that began. The step is not taken, and
        ``error.history`` has what was recorded.
    CheckpointError
        For a checkpoint that is damaged (the one before is named) or another run's (the differences are named).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], [270, 30])
    >>> X = rng.normal(size=(300, 2)).astype(np.float32) + np.where(y, 1.5, 0)[:, None]
    >>> model = mg.nn.Linear(2, 2, rng=0)
    >>> history = mg.training.fit(
    ...     model, mg.losses.cross_entropy, (X, y), epochs=20, optimizer=mg.optim.SGD(model.parameters(), lr=0.1),
    ...     class_weight=mg.training.deferred(mg.weighting.balanced(y), after=10), rng=0, progress=False)
    >>> [[round(r, 1) for r in history["recall"][epoch]] for epoch in (9, 19)]  # the rare class, before and after
    [[1.0, 0.4], [0.8, 0.9]]
    """
    if not isinstance(model, Module):
        raise TypeError(f"fit: model is a {type(model).__name__}; expected a mg.nn.Module")
    run = Run(
        model,
        Objective(loss, reduction, None if micro_batch_size is None else whole(micro_batch_size, "micro_batch_size")),
        samples(data, "data"),
        None if validation is None else samples(validation, "validation"),
        optimizer=Adam(model.parameters()) if optimizer is None else optimizer,
        class_weight=class_weight if callable(class_weight) else lambda epoch: class_weight,
        metrics=metrics,
        batch_size=whole(batch_size, "batch_size"),
        epochs=whole(epochs, "epochs"),
        clip_norm=clip_norm,
        gradient_share=whole(gradient_share, "gradient_share", 0),
        sampler=sampler,
        augment=augment,
        rng=rng,
    )
    run.stop_with(EarlyStopping(early_stopping) if isinstance(early_stopping, int) else early_stopping)
    file = None if checkpoint is None else Checkpoint(checkpoint)
    every = whole(checkpoint_every, "checkpoint_every")
    try:
        run.schedule_with(schedule, schedule_every)
        state = file.read() if file is not None and resume else None
        if file is not None and state is not None:
            check_identity(state["identity"], run.identity(), file.path)
            run.load_state_dict(state)
        return _train(run, file, every, callbacks, progress, resumed=state is not None)
    except NonFiniteError as error:
        error.history = run.history
        raise
    finally:
        run.clean_up()


def _train(
    run: Run, file: Checkpoint | None, every: int, callbacks: Sequence[Callable], progress: bool, *, resumed: bool
) -> History:
    bar = Progress(progress, run.epochs, run.batches_per_epoch, run.epoch * run.batches_per_epoch + run.batch)
    if resumed and file is not None:
        bar.say(f"continuing from {file.path} after epoch {run.epoch}" + (f", batch {run.batch}" if run.batch else ""))
    run.history.interrupted = False
    try:
        with CtrlC() as ctrl_c, mode(run.model, training=True):
            while run.epoch < run.epochs and not run.ended:
                for _ in run.rest_of_epoch():
                    bar.batch(run.epoch + 1, run.total / (run.weight or 1.0))
                    if ctrl_c.asked and run.batch < run.batches_per_epoch:
                        break
                else:
                    bar.epoch(run.epoch + 1, run.end_epoch())
                    for callback in callbacks:
                        run.ended |= callback(run.history) is True
                finished = run.epoch == run.epochs or run.ended
                run.history.interrupted = ctrl_c.asked and not finished
                if file is not None and (finished or ctrl_c.asked or run.epoch % every == 0):
                    file.write(run.state_dict())
                if run.history.interrupted:
                    return run.history
    finally:
        bar.close()
    run.restore_best()
    return run.history
