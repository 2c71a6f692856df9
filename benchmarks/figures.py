"""The pictures of a run: who needs how much longer, how time grows, and where a GPU begins to pay."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .rows import OURS, Row

if TYPE_CHECKING:
    from .report import Result

# Okabe & Ito's colours, which everyone can tell apart; each contender also has a marker of its own.
LOOKS = {
    OURS: ("#0072B2", "o"), "NumPy": ("#000000", "|"), "PyTorch": ("#D55E00", "s"), "PyTorch, channels last":
    ("#CC79A7", "D"), "JAX, jit": ("#009E73", "^"), "HIPS autograd": ("#E69F00", "v"), "MyGrad": ("#56B4E9", "P"),
    "scikit-learn": ("#777777", "X"), "micrograd": ("#BBBBBB", "*"), "CuPy": ("#009E73", "+"),
}  # fmt: skip
STEPS = ("mlp", "cnn")
FARTHEST = 30  # times as slow: beyond it a number stands at the margin


def draw(result: Result, folder: Path) -> list[Path]:
    """Save what the rows allow as PNG and SVG; the paths. Without matplotlib none, and a line that says so."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        print('no pictures: matplotlib is not installed (python -m pip install -e ".[bench]")')
        return []
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    saved = []
    for name, picture in {"steps": _steps, "scaling": _scaling, "cpu-gpu": _cpu_gpu}.items():
        figure = picture(result.rows)
        if figure is not None:
            for ending in ("png", "svg"):
                saved.append(folder / f"{name}.{ending}")
                figure.savefig(saved[-1], dpi=150)
            plt.close(figure)
    return saved


def _steps(rows: list[Row]) -> Any:
    """Time over minigrad's for each contender, one line of marks per step."""
    import matplotlib.pyplot as plt

    steps = [row for row in rows if row.suite in STEPS]
    steps = [row for row in steps if row.setting.partition(",")[2] == steps[0].setting.partition(",")[2]]
    if not steps:
        return None
    figure, axes = plt.subplots(figsize=(8, 0.55 * len(steps) + 1.6), layout="constrained")
    for y, row in enumerate(reversed(steps)):
        for name in row.values:
            if name in row.ratios:
                middle, low, high = (1 / ratio for ratio in row.ratios[name])
                if middle > FARTHEST:
                    axes.text(1, y, f"{name}: {middle:,.0f}", transform=axes.get_yaxis_transform(), fontsize=9)
                    continue
                colour, marker = LOOKS[name]
                axes.plot([high, low], [y, y], color=colour, linewidth=1)
                axes.plot(middle, y, marker, color=colour, markersize=9 if marker == "|" else 7, markeredgewidth=2)
    axes.axvline(1, color=LOOKS[OURS][0], linewidth=2)
    names = [name for name in LOOKS if any(name in row.ratios and row.ratios[name][0] * FARTHEST > 1 for row in steps)]
    handles = [plt.Line2D([], [], color=LOOKS[n][0], marker=LOOKS[n][1], linestyle="", label=n) for n in names]
    handles.append(plt.Line2D([], [], color=LOOKS[OURS][0], linewidth=2, label=OURS))
    figure.legend(handles=handles, ncols=4, loc="outside upper center", frameon=False, fontsize=9)
    labels = [f"{'LeNet-5,' if row.suite == 'cnn' else 'MLP'} {row.case}\n{row.setting}" for row in steps]
    axes.set_yticks(range(len(steps)), labels[::-1], fontsize=9)
    axes.set(xscale="log", xlabel="time of one training step, minigrad = 1 (further right is slower)")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _scaling(rows: list[Row]) -> Any:
    """Time against length, depth and batch, both axes logarithmic: linear growth is a line of slope 1."""
    groups = {
        "operations in a chain": r"([\d,]+) operations",
        "layers of 64, batch 64": r"of (\d+) layers",
        "batch, 784-256-10": r"784-256-10, batch (\d+)",
    }
    return _curves([row for row in rows if row.suite == "scaling"], groups)


def _cpu_gpu(rows: list[Row]) -> Any:
    wall = [row for row in rows if row.suite == "cpu-gpu" and row.case.endswith("wall time")]
    if not any(OURS in row.values for row in wall):
        return None
    groups = {"batch, MLP 784-256-128-10": r"MLP.*batch (\d+)", "batch, LeNet-5": r"LeNet.*batch (\d+)"}
    return _curves(wall, groups)


def _curves(rows: list[Row], groups: dict[str, str]) -> Any:
    shown = {label: pattern for label, pattern in groups.items() if any(re.search(pattern, row.case) for row in rows)}
    if not shown:
        return None
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(shown), figsize=(4 * len(shown), 3.6), layout="constrained", squeeze=False)
    fallback = iter(["#E69F00", "#56B4E9", "#CC79A7", "#999999"])
    looks: dict[str, tuple[str, str]] = dict(LOOKS)
    for axes, (label, pattern) in zip(panels[0], shown.items(), strict=True):
        lines: dict[str, list[tuple[float, float]]] = {}
        for row in rows:
            if found := re.search(pattern, row.case):
                for name, value in row.values.items():
                    lines.setdefault(name, []).append((float(found[1].replace(",", "")), value[0] * 1e3))
        for name, points in lines.items():
            if name not in looks:
                looks[name] = (next(fallback), "d")
            colour, marker = looks[name]
            axes.plot(*zip(*sorted(points), strict=True), marker=marker, color=colour, label=name)
        axes.set(xscale="log", yscale="log", xlabel=label, ylabel="milliseconds")
        axes.set_xticks(sorted({x for points in lines.values() for x, _ in points}))
        axes.minorticks_off()
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:,g}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
    return figure
