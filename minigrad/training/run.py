"""All that changes while a model is trained: a step, an epoch, and what a checkpoint holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..data import batches
from ..graph import no_grad
from ..nn import Module
from ..optim import Optimizer, Schedule, clip_grad_norm
from ..per_sample import class_gradient_share
from ..random import Rng, generator
from ..tensor import as_array
from .checkpoint import arrays, generators, identity, random_state, set_random_state
from .early_stopping import EarlyStopping
from .history import History
from .measures import Measures, Metric
from .nonfinite import NonFiniteError, explain_loss, nonfinite_gradient
from .objective import Objective, Step, mode
from .samples import Samples, outputs


class Run:
    """All that changes while a model is trained, and a batch and an epoch of it. `epoch` counts the finished ones."""

    def __init__(
        self,
        model: Module,
        objective: Objective,
        data: Samples,
        validation: Samples | None,
        *,
        optimizer: Optimizer,
        class_weight: Callable[[int], Any],
        metrics: Mapping[str, Metric] | None = None,
        batch_size: int,
        epochs: int = 1,
        clip_norm: float | None = None,
        gradient_share: int = 0,
        sampler: Callable[..., Any] | None = None,
        augment: Callable[..., Any] | None = None,
        rng: Rng = None,
    ) -> None:
        self.model, self.objective, self.data, self.validation = model, objective, data, validation
        self.optimizer, self.class_weight, self.batch_size, self.epochs = optimizer, class_weight, batch_size, epochs
        self.rng, self.augment = generator(rng), augment
        self.row_numbers = batches(np.arange(len(data.y)), batch_size=batch_size, sampler=sampler, rng=self.rng)
        if not len(self.row_numbers):
            raise ValueError("the sampler gave no rows")
        self.schedule: Schedule | None = None
        self.schedule_is_ours = False
        self.early_stopping: EarlyStopping | None = None
        if clip_norm is not None and not clip_norm > 0:
            raise ValueError(f"clip_norm must be positive, got {clip_norm}")
        self.clip_norm = clip_norm
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if not {id(p) for p in self.parameters} & {id(p) for p in model.parameters()}:
            raise ValueError(
                "the optimiser has none of this model's parameters, so nothing would be learned: make it for this "
                f"model, mg.optim.{type(optimizer).__name__}(model.parameters())"
            )
        if validation is not None:
            objective.rehearse(model, validation, None, "validation")
        for epoch in sorted({1, epochs}):
            first = objective.rehearse(model, data, class_weight(epoch), "data")
        self.measures = Measures(metrics, objective.losses_shape)
        self.measured = self.measures.names(data.y[:2], first)
        # Drawn apart, so that to measure does not change the run.
        self.share_of = np.sort(np.random.default_rng(0).permutation(len(data.y))[:gradient_share])
        if gradient_share:
            self._gradient_share(self.share_of[:2], class_weight(1))
        self.buffers = [as_array(getattr(module, name)) for module in model.modules() for name in module._buffers]
        self.history = History()
        self.epoch = 0
        self.ended = False
        self.best: float | None = None
        self.best_state: dict[str, Any] | None = None
        self._begin_epoch(None)

    def schedule_with(self, schedule: Any, every: str) -> None:
        if every not in ("epoch", "batch"):
            raise ValueError(f"schedule_every={every!r}; expected 'epoch' or 'batch'")
        self.schedule_every = every
        self.schedule_is_ours = schedule is not None and not isinstance(schedule, Schedule)
        self.schedule = Schedule(self.optimizer, schedule) if self.schedule_is_ours else schedule
        if self.schedule is not None and self.schedule.optimizer is not self.optimizer:
            raise ValueError("schedule belongs to another optimizer than the one given: Schedule(optimizer, ...)")

    def stop_with(self, early_stopping: EarlyStopping | None) -> None:
        self.early_stopping = early_stopping
        if early_stopping is not None:
            numbers = ["loss", *self.measured]
            seen = [f"val_{name}" for name in numbers] if self.validation is not None else []
            early_stopping.check([*numbers, *seen])

    # --- An epoch

    @property
    def batches_per_epoch(self) -> int:
        return len(self.row_numbers)

    def _begin_epoch(self, order: Any) -> None:
        self.order: Any = order
        self.batch = 0
        self.total = self.weight = 0.0
        self.outputs: list[np.ndarray] = []

    def rest_of_epoch(self) -> Iterator[None]:
        """Train on the batches that are left of the epoch; yields after each."""
        if self.order is None:
            self._begin_epoch(np.concatenate([rows for (rows,) in self.row_numbers]))
        class_weight = self.class_weight(self.epoch + 1)
        rows = self.order[self.batch * self.batch_size :]
        for (chosen,) in batches(rows, batch_size=self.batch_size, shuffle=False):
            with np.errstate(all="ignore"):  # what overflows ends in a better message than NumPy's
                step = self.step(chosen, class_weight)
            self.batch += 1
            self.total += step.total
            self.weight += step.weight
            self.outputs.append(step.outputs)
            yield

    def step(self, rows: Any, class_weight: Any) -> Step:
        """One step of the optimiser on these samples; none if something is not finite."""
        batch = self.data.rows(rows)
        if self.augment is not None:
            batch = batch._replace(X=as_array(self.augment(batch.X, batch.y, self.rng)))
        before = [buffer.copy() for buffer in self.buffers]
        self.optimizer.zero_grad()
        step = self.objective.backward(self.model, batch, class_weight, self.parameters)
        place = f"epoch {self.epoch + 1}, batch {self.batch + 1}"
        if not np.isfinite(step.loss):
            self._put_back(before)
            reason = explain_loss(step.loss, self.model, batch, rows)
            self._put_back(before)
            raise NonFiniteError(f"{place}: {reason}")
        broken = nonfinite_gradient(self.model, self.parameters, step.gradients)
        if broken is not None:
            self._put_back(before)
            raise NonFiniteError(
                f"{place}: the loss is finite ({step.loss:.4g}), but not the gradient of {broken}, the parameter "
                "nearest to the loss of which that is so: what comes after it overflows, or has an infinite slope "
                "(log or sqrt at 0, a division by 0). The step was not taken"
            )
        if self.clip_norm is not None:
            clip_grad_norm(self.parameters, self.clip_norm)
        self.lr = self.optimizer.param_groups[0].get("lr")
        self.optimizer.step()
        if self.schedule is not None and self.schedule_every == "batch":
            self.schedule.step()
        return step

    def _put_back(self, buffers: list[Any]) -> None:
        """A forward pass of NaN leaves it in BatchNorm's running statistics."""
        for buffer, value in zip(self.buffers, buffers, strict=True):
            buffer[...] = value

    def end_epoch(self) -> dict[str, Any]:
        """Measure and record what the epoch came to, and decide whether it was the last."""
        record: dict[str, Any] = {"loss": self.total / (self.weight or 1.0)}
        record |= self.measures(self.data.y[self.order], np.concatenate(self.outputs))
        record |= self._validated()
        if len(self.share_of):
            record["gradient_share"] = self._gradient_share(self.share_of, self.class_weight(self.epoch + 1))
        if self.lr is not None:
            record["lr"] = list(self.lr) if isinstance(self.lr, tuple) else self.lr
        self.history.add(**record)
        if self.schedule is not None and self.schedule_every == "epoch":
            self.schedule.step()
        self._begin_epoch(None)
        self.epoch += 1
        if self.early_stopping is not None:
            self._compare_with_best(record[self.early_stopping.monitor], self.early_stopping)
        return record

    def _validated(self) -> dict[str, Any]:
        if self.validation is None:
            return {}
        X, y, w = self.validation
        with mode(self.model, training=False), no_grad(), np.errstate(all="ignore"):
            z = outputs(self.model, X, self.objective.micro_batch_size or self.batch_size)
            loss = self.objective.average(z, Samples(z, y, w))
        return {f"val_{name}": value for name, value in ({"loss": loss} | self.measures(y, z)).items()}

    def _gradient_share(self, rows: Any, class_weight: Any) -> list[float]:
        X, y, w = self.data.rows(rows).like(self.model)
        with mode(self.model, training=False):
            share = class_gradient_share(
                self.model, self.objective.loss, X, y, sample_weight=w, class_weight=class_weight
            )
        return share.tolist()

    def _compare_with_best(self, value: float, stopping: EarlyStopping) -> None:
        if stopping.better(value, self.best):
            self.best = value
            self.history.best_epoch = self.epoch
            self.best_state = arrays(self.model.state_dict())
        elif self.epoch - (self.history.best_epoch or 0) >= stopping.patience:
            self.ended = self.history.stopped_early = True

    def restore_best(self) -> None:
        if self.best_state is not None:
            self.model.load_state_dict(self.best_state)

    def clean_up(self) -> None:
        """Gradients are freed, and learning rates are what they were before a schedule that we made."""
        self.optimizer.zero_grad()
        if self.schedule is not None and self.schedule_is_ours:
            for group, lr in zip(self.optimizer.param_groups, self.schedule.base, strict=True):
                group["lr"] = lr

    # --- What a checkpoint holds

    def identity(self) -> dict[str, Any]:
        return identity(
            self.model,
            optimizer=type(self.optimizer).__name__,
            number_of_samples=len(self.data.y),
            batch_size=self.batch_size,
            reduction=self.objective.reduction,
            random_generators={
                name: type(g.bit_generator).__name__ for name, g in generators(self.model, self.rng).items()
            },
        )

    def state_dict(self) -> dict[str, Any]:
        return {
            "identity": self.identity(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "random": random_state(self.model, self.rng),
            "history": self.history.to_dict(),
            "epoch": self.epoch,
            "ended": self.ended,
            "best": self.best,
            "best_state": self.best_state,
            "order": self.order,
            "batch": self.batch,
            "total": self.total,
            "weight": self.weight,
            "outputs": np.concatenate(self.outputs) if self.outputs else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule is not None and state["schedule"] is not None:
            self.schedule.load_state_dict(state["schedule"])
        set_random_state(self.model, self.rng, state["random"])
        self.history = History.from_dict(state["history"])
        self.epoch, self.ended, self.best = state["epoch"], state["ended"], state["best"]
        self.best_state = state["best_state"]
        self.order, self.batch = state["order"], state["batch"]
        self.total, self.weight = state["total"], state["weight"]
        self.outputs = [] if state["outputs"] is None else [state["outputs"]]
