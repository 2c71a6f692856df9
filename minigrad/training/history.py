"""What was measured at each epoch, as numbers, as text and as a picture."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

# Okabe & Ito, "Color universal design", 2008; markers differ too, for print and for those who see few colours.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#F0E442")
MARKERS = "os^vDPX"  # as many as colours less one, so that the pairs repeat late
WITHOUT_WINDOWS = ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")
SHOWN = 4  # epochs at either end of the printed table


class History:
    """The measurements of a run: ``history["val_loss"]`` is a list with one entry per epoch.

    Columns, each where it applies: ``loss``, ``accuracy``, ``recall`` (one number per class), your metrics; the same of
    the validation set after ``val_``; ``gradient_share`` (one per class), ``lr``. A recall is NaN where a class has no
    samples.

    Attributes
    ----------
    columns : dict of name to list
    interrupted : bool
        Ctrl-C ended the run.
    best_epoch : int or None
        With early stopping: the epoch (the first is 1) whose weights the model has after the run.
    stopped_early : bool

    Examples
    --------
    >>> history = mg.training.History({"loss": [0.7, 0.5], "lr": [0.1, 0.1]})
    >>> history
    History of 2 epochs
    epoch  loss  lr
        1   0.7  0.1
        2   0.5  0.1
    >>> history["loss"][-1]
    0.5
    """

    def __init__(self, columns: dict[str, list] | None = None) -> None:
        self.columns: dict[str, list] = {} if columns is None else columns
        self.interrupted = False
        self.stopped_early = False
        self.best_epoch: int | None = None

    def __len__(self) -> int:
        """The number of epochs."""
        return max(map(len, self.columns.values()), default=0)

    def __getitem__(self, name: str) -> list:
        if name not in self.columns:
            raise KeyError(f"no column {name!r}; there are {', '.join(self.columns) or 'none yet'}")
        return self.columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def add(self, **measured: Any) -> None:
        """Append an epoch."""
        for name, value in measured.items():
            self.columns.setdefault(name, []).append(value)

    def to_dict(self) -> dict[str, Any]:
        """All of it as dicts, lists and numbers, for ``mg.save`` or JSON."""
        return {
            "columns": {name: list(values) for name, values in self.columns.items()},
            "interrupted": self.interrupted,
            "stopped_early": self.stopped_early,
            "best_epoch": self.best_epoch,
        }

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> History:
        """The History of which ``to_dict`` gave `state`."""
        history = cls({name: list(values) for name, values in state["columns"].items()})
        history.interrupted = state["interrupted"]
        history.stopped_early = state["stopped_early"]
        history.best_epoch = state["best_epoch"]
        return history

    def __repr__(self) -> str:
        n = len(self)
        notes = [f"History of {n} epoch{'' if n == 1 else 's'}"]
        notes += [f"best epoch {self.best_epoch}"] if self.best_epoch else []
        notes += ["stopped early"] if self.stopped_early else []
        notes += ["interrupted"] if self.interrupted else []
        names = [name for name, values in self.columns.items() if not isinstance(values[0], (list, tuple))]
        epochs = list(range(n))
        rows = [["epoch", *names]]
        rows += [[str(i + 1), *(f"{self.columns[name][i]:.4g}" for name in names)] for i in epochs]
        if n > 2 * SHOWN:
            rows = [*rows[: SHOWN + 1], ["..."] * len(rows[0]), *rows[-SHOWN:]]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join(f"{c:>{w}}" for c, w in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([", ".join(notes), *(table if n else [])])

    # --- The picture

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw loss, metrics, recall of each class and gradient share of each class over epochs, what there is of them.

        Needs matplotlib. Of the validation set lines are dashed. The best epoch is marked.

        Parameters
        ----------
        path : str or os.PathLike, optional
            Save it there. Without one it is shown where there is a display (a notebook shows what is returned), and
            saved as ``history.png`` where there is none.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ValueError
            If no epoch was recorded.
        ImportError
            Without matplotlib.

        Examples
        --------
        >>> import os, tempfile
        >>> history = mg.training.History({"loss": [0.7, 0.5], "val_recall": [[1.0, 0.0], [0.9, 0.4]]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     figure = history.plot(f"{folder}/run.png")
        ...     os.listdir(folder)
        ['run.png']
        >>> [axes.get_title(loc="left") for axes in figure.axes]
        ['loss', 'recall of each class']
        """
        if not len(self):
            raise ValueError("there is nothing to plot: no epoch was finished")
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError(
                'History.plot needs matplotlib: from the checkout, pip install -e ".[lessons]"'
            ) from error
        panels = self._panels()
        figure, axes = plt.subplots(
            1, len(panels), figsize=(4.6 * len(panels), 3.9), squeeze=False, layout="constrained"
        )
        for (title, names), panel in zip(panels.items(), axes[0], strict=True):
            self._draw(panel, title, names)
        if path is None and "ipykernel" not in sys.modules:
            if plt.get_backend().lower() not in WITHOUT_WINDOWS:
                plt.show()
            else:
                path = "history.png"
                print(f"Picture saved: {os.path.abspath(path)}")
        if path is not None:
            figure.savefig(path, dpi=150)
        plt.close(figure)
        return figure

    def _panels(self) -> dict[str, list[str]]:
        """Title of each panel and the columns that it shows."""
        panels: dict[str, list[str]] = {}
        for name in self.columns:
            plain = name.removeprefix("val_")
            if plain == "lr":
                continue
            title = {
                "loss": "loss",
                "recall": "recall of each class",
                "gradient_share": "share of the gradient of each class",
            }.get(plain, "metrics")
            panels.setdefault(title, []).append(name)
        # Recall of training and of validation for ten classes are twenty lines: the validation set is what counts.
        if "val_recall" in self.columns:
            panels["recall of each class"] = ["val_recall"]
        return panels

    def _draw(self, axes: Any, title: str, names: list[str]) -> None:
        epochs = np.arange(1, len(self) + 1)
        kinds = list(dict.fromkeys(name.removeprefix("val_") for name in names))
        for name in names:
            values = np.array(self.columns[name], float)
            of_classes = values.ndim == 2
            for c, line in enumerate(values.T if of_classes else [values]):
                number = c if of_classes else kinds.index(name.removeprefix("val_"))
                axes.plot(
                    epochs,
                    line,
                    "--" if name.startswith("val_") and not of_classes else "-",
                    color=COLOURS[number % len(COLOURS)],
                    marker=MARKERS[number % len(MARKERS)],
                    markersize=4,
                    markevery=max(1, len(epochs) // 12),
                    label=f"class {c}" if of_classes else name,
                )
        if self.best_epoch:
            axes.axvline(self.best_epoch, color="#777777", linestyle=":", label="best epoch")
        axes.set_title(title, loc="left")
        axes.set_xlabel("epoch")
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if title.startswith("share"):
            axes.set_ylim(bottom=0)
        lines = len(axes.lines)
        axes.legend(frameon=False, ncols=1 + lines // 6, fontsize="small" if lines > 5 else None)
