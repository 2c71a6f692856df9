"""When to stop: a measure of the validation set that no longer gets better."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .samples import whole


@dataclass(frozen=True)
class EarlyStopping:
    """Stop after `patience` epochs without a new best; ``fit`` then gives the model the weights of the best epoch.

    Parameters
    ----------
    patience : int >= 1, default 10
    monitor : str, default "val_loss"
        A column of the History: "val_loss", "val_accuracy", or "val_" and the name of a metric.
    mode : {"min", "max"}, optional
        Whether less is better. Default: "min" for losses, "max" for accuracy; any other metric must say.
    min_delta : float >= 0, default 0
        What an epoch must be better by to count as better.

    Raises
    ------
    TypeError, ValueError
        For settings that are none of these.

    Examples
    --------
    >>> mg.training.EarlyStopping(patience=5, monitor="val_cost", mode="min")
    EarlyStopping(patience=5, monitor='val_cost', mode='min', min_delta=0.0)
    """

    patience: int = 10
    monitor: str = "val_loss"
    mode: str | None = None
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        whole(self.patience, "EarlyStopping: patience")
        known = {"loss": "min", "accuracy": "max"}
        mode = self.mode or known.get(self.monitor.removeprefix("val_"))
        if mode not in ("min", "max"):
            raise ValueError(
                f"EarlyStopping: is less or more of {self.monitor!r} better? Say mode='min' or mode='max', not {mode!r}"
            )
        if not self.min_delta >= 0:
            raise ValueError(f"EarlyStopping: min_delta must not be negative, got {self.min_delta}")
        object.__setattr__(self, "mode", mode)

    def better(self, value: float, best: float | None) -> bool:
        """Whether `value` is a new best; NaN never is."""
        if best is None:
            return value == value
        return value < best - self.min_delta if self.mode == "min" else value > best + self.min_delta

    def check(self, columns: Iterable[str]) -> None:
        """Refuse to monitor what will not be recorded."""
        if self.monitor not in columns:
            hint = "; give validation=(X, y)" if self.monitor.startswith("val_") else ""
            raise ValueError(
                f"early_stopping watches {self.monitor!r}, but each epoch records as single numbers "
                f"{', '.join(columns)}{hint}"
            )
