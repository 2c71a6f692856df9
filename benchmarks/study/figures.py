"""Pictures of the study: all cells at once, accuracy against ratio, head against tail, what the costs came to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from . import costs
from .differences import BASELINE, Cell, Records, against_baseline, by_seed, cells, in_cell, paired
from .methods import METHODS

NETWORK_TITLES = {"lenet": "LeNet-5, MNIST", "cnn": "small CNN, MNIST", "mlp": "MLP, digits"}
HALVES = 1.0  # samples to test on over samples to train on, in every split of the tables with costs
SHOWN = ("none", "over", "inverse-wm", "drw", "ldam-drw", "post-hoc", "la")  # in the picture over the ratio
FEW = 3  # seeds; the interval of fewer (the short version has two) would fill the picture
FAR = 25.0  # points from which on the colour of the overview is full

# Okabe & Ito's colours, one for each family of methods; within a family the marker tells.
LOOKS = {
    "none": ("#000000", "o"),
    "post-hoc": ("#0072B2", "s"), "la": ("#0072B2", "o"), "cdt": ("#56B4E9", "D"), "vs": ("#56B4E9", "^"),
    "over": ("#009E73", "^"), "under": ("#009E73", "v"),
    "inverse": ("#E69F00", "s"), "inverse-wm": ("#E69F00", "o"), "effective": ("#E69F00", "^"),
    "effective-wm": ("#E69F00", "v"), "sqrt": ("#E69F00", "D"), "drw": ("#D55E00", "D"),
    "ldam": ("#CC79A7", "v"), "ldam-drw": ("#CC79A7", "P"), "ldam-drw-wm": ("#CC79A7", "X"),
    "drw-wm": ("#D55E00", "s"), "focal": ("#777777", "X"),
}  # fmt: skip
DASHED = ("post-hoc",)  # where the colour is taken already


def draw(records: Records, folder: Path, name: str) -> None:
    """Save every picture that the records allow as ``<what>-<name>.png``."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    pictures = {"overview": _overview, "ratio": _ratio, "head-tail": _head_tail, "costs": _costs}
    for what, picture in pictures.items():
        figure = picture(records)
        if figure is not None:
            figure.savefig(folder / f"{what}-{name}.png", dpi=150)
            plt.close(figure)


def _networks(records: Records) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell in cells(records):
        found.setdefault(cell[0], []).append(cell)
    return found


def _overview(records: Records) -> Any:
    """A number for every method and imbalance: points of balanced accuracy gained over plain training."""
    import matplotlib.pyplot as plt

    differences = against_baseline(records, "balanced_accuracy")
    networks = _networks(records)
    if not differences:
        return None
    methods = [method for method in METHODS if any(of == method for of, _ in differences)]
    figure, panels = plt.subplots(
        1,
        len(networks),
        figsize=(3.6 + 0.62 * sum(map(len, networks.values())), 0.9 + 0.3 * (len(methods) + 1)),
        width_ratios=[len(here) for here in networks.values()],
        layout="constrained",
        squeeze=False,
    )
    for axes, (network, here) in zip(panels[0], networks.items(), strict=True):
        grid = np.full((len(methods) + 1, len(here)), np.nan)
        for column, cell in enumerate(here):
            plain = 100 * np.mean(list(in_cell(records, cell, BASELINE, "balanced_accuracy").values()))
            axes.text(column, 0, f"{plain:.1f}", ha="center", va="center", fontsize=8.5)
            for row, method in enumerate(methods, 1):
                if difference := differences.get((method, cell)):
                    grid[row, column] = points = 100 * difference.mean
                    style = {"weight": "bold"} if difference.clear else {"color": "#555555", "style": "italic"}
                    if abs(points) > 0.7 * FAR:
                        style["color"] = "white"
                    axes.text(column, row, f"{points:+.1f}", ha="center", va="center", fontsize=8.5, **style)
        axes.imshow(grid, cmap="RdBu", vmin=-FAR, vmax=FAR, aspect="auto")
        axes.axhline(0.5, color="#000000", linewidth=0.8)
        axes.set_xticks(range(len(here)), [f"{kind.replace('longtail', 'tail')}\n{ratio}" for _, kind, ratio in here])
        axes.set_yticks(range(len(methods) + 1), ["plain: its balanced accuracy", *(METHODS[m].title for m in methods)])
        axes.tick_params(length=0, labelsize=8.5, labelleft=axes is panels[0][0])
        axes.spines[:].set_visible(False)
        axes.set_title(NETWORK_TITLES[network].replace(", ", "\n"), fontsize=10)
    figure.supxlabel(
        "points against plain training; bold: the 95 % interval excludes 0, italic: it does not", fontsize=9
    )
    return figure


def _look(method: str) -> dict[str, Any]:
    colour, marker = LOOKS[method]
    return {"color": colour, "marker": marker, "markersize": 5, "linestyle": "--" if method in DASHED else "-"}


def _ratio(records: Records) -> Any:
    """Balanced accuracy over the imbalance, and below it the difference from plain training with its interval."""
    import matplotlib.pyplot as plt

    networks = _networks(records)
    if not networks:
        return None
    figure, panels = plt.subplots(
        2, len(networks), figsize=(4 * len(networks), 6.4), sharex="col", layout="constrained", squeeze=False
    )
    for axes, (network, here) in zip(panels.T, networks.items(), strict=True):
        for number, method in enumerate(SHOWN):
            look = {**_look(method), "linewidth": 1.2}
            for kind in dict.fromkeys(kind for _, kind, _ in here):
                of_kind = [cell for cell in here if cell[1] == kind]
                x = np.array([here.index(cell) for cell in of_kind]) + 0.05 * (number - len(SHOWN) / 2)
                pairs = [
                    [in_cell(records, cell, m, "balanced_accuracy") for m in (method, BASELINE)] for cell in of_kind
                ]
                if not all(map(all, pairs)):
                    continue
                axes[0].plot(x, [100 * np.mean(list(values.values())) for values, _ in pairs], **look)
                differences = [paired(values, plain) for values, plain in pairs]
                if method != BASELINE:
                    axes[1].plot(x, [100 * d.mean for d in differences], **look)
                    for place, d in zip(x, differences, strict=True):
                        if d.n >= FEW:
                            axes[1].errorbar(
                                place, 100 * d.mean, 100 * d.half, color=look["color"], capsize=2, elinewidth=1
                            )
        axes[0].set_title(NETWORK_TITLES[network], fontsize=10)
        axes[1].axhline(0, color="#000000", linewidth=1)
        axes[1].set_xlim(-0.5, len(here) - 0.5)
        axes[1].set_xticks(range(len(here)), [f"{kind.replace('longtail', 'long tail')}\n{r}" for _, kind, r in here])
        for one in axes:
            one.spines[["top", "right"]].set_visible(False)
            one.grid(axis="y", color="#dddddd", linewidth=0.6)
            one.set_axisbelow(True)
    panels[0][0].set_ylabel("balanced accuracy, %")
    panels[1][0].set_ylabel("points against plain training,\n95 % interval over the seeds")
    handles = [plt.Line2D([], [], **_look(method)) for method in SHOWN]
    figure.legend(
        handles,
        [METHODS[m].title for m in SHOWN],
        loc="outside upper center",
        ncols=len(networks) + (len(networks) > 2),
        frameon=False,
        fontsize=9,
    )
    return figure


def _head_tail(records: Records) -> Any:
    """Accuracy on the frequent and on the rare classes, ratio 100 (digits have fewer images: the largest there is)."""
    import matplotlib.pyplot as plt

    chosen = [max((c for c in here if c[1] == "step" and c[2] <= 100), key=lambda c: c[2], default=None)
              for here in _networks(records).values()]  # fmt: skip
    shown = [cell for cell in chosen if cell is not None]
    if not shown:
        return None
    figure, panels = plt.subplots(1, len(shown), figsize=(4.4 * len(shown), 4.4), layout="constrained", squeeze=False)
    for axes, cell in zip(panels[0], shown, strict=True):
        points = {}
        for method in METHODS:
            parts = [in_cell(records, cell, method, f"{part}_accuracy") for part in ("head", "tail")]
            if all(parts):
                points[method] = tuple(100 * float(np.mean(list(part.values()))) for part in parts)
        x, y = np.transpose(list(points.values()))
        low, high = min(y.min(), 100), max(y.max(), 0)
        room = 0.04 * (high - low + 1)
        # One label a line, in the order of the points and beside the panel: so no two can overlap.
        order = sorted(points, key=lambda method: points[method][1])
        lines = np.linspace(0, 1, len(order))
        for place, method in zip(lines, order, strict=True):
            colour, marker = LOOKS[method]
            axes.plot(*points[method], marker, color=colour, markersize=7, markeredgecolor="white", zorder=3)
            axes.annotate(
                method,
                points[method],
                xytext=(1.06, place),
                textcoords="axes fraction",
                fontsize=9,
                va="center",
                color=colour,
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.6, "relpos": (0, 0.5)},
            )
        axes.set(xlim=(x.min() - 0.3 - 0.04 * np.ptp(x), 100.2), ylim=(low - room, high + room))
        axes.set_xlabel("accuracy on the frequent classes, %")
        axes.set_title(f"{NETWORK_TITLES[cell[0]]}, {cell[1]} {cell[2]}", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_ylabel("accuracy on the rare classes, %")
    return figure


def _costs(records: Records) -> Any:
    """What each way saves per sample against cross-entropy at 0.5: every split, the mean and two intervals."""
    import matplotlib.pyplot as plt

    plain, *ways = costs.WAYS
    shown = [table for table in costs.DATA if by_seed(records, "cost", table=table, way=plain)]
    if not shown:
        return None
    figure, panels = plt.subplots(
        1, len(shown), figsize=(2.6 + 3.6 * len(shown), 3.6), sharey=True, layout="constrained", squeeze=False
    )
    for axes, table in zip(panels[0], shown, strict=True):
        baseline = by_seed(records, "cost", table=table, way=plain)
        for row, way in enumerate(ways):
            values = by_seed(records, "cost", table=table, way=way)
            shared = sorted(baseline.keys() & values.keys())
            if not shared:
                continue
            axes.plot([baseline[s] - values[s] for s in shared], [row + 0.2] * len(shared), "|", color="#999999")
            for overlap, width in ((HALVES, 1.0), (0.0, 4.0)):
                saved = paired(baseline, values, overlap)
                axes.errorbar(saved.mean, row, xerr=saved.half, color="#0072B2", linewidth=width)
            axes.plot(saved.mean, row, "o", color="#0072B2")
        axes.axvline(0, color="#000000", linewidth=1)
        mean = np.mean(list(baseline.values()))
        axes.set_title(f"{table} ({plain}: {mean:.3f})", fontsize=10)
        axes.set_xlabel("cost per sample saved; thin: the splits share samples")
        axes.set_yticks(range(len(ways)), ways, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0][0].invert_yaxis()
    return figure
