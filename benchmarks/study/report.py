"""Tables and figures of the study, from its lines alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from . import costs
from .images import RESULT
from .lines import Lines
from .methods import METHODS

Records = list[dict[str, Any]]
MEASURES = {"balanced_accuracy": "balanced accuracy", "tail_accuracy": "tail accuracy", "auc": "multi-class AUC"}
BASELINE, COST_BASELINE = "none", "cross-entropy at 0.5"
SHOWN = ("none", "over", "inverse-wm", "drw", "ldam-drw", "la", "post-hoc")  # in the picture over the ratio


def write(lines: Lines, folder: Path, name: str) -> str:
    """Write ``tables-<name>.md`` and the figures; the tables as text."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join([*image_tables(lines.records), *cost_tables(lines.records), *agreement(lines, folder, name)])
    (folder / f"tables-{name}.md").write_text(text + "\n", encoding="utf-8")
    _figures(lines.records, folder, name)
    return text


# --- Numbers


def by_seed(records: Records, measure: str, **wanted: Any) -> dict[int, float]:
    """The measure of every seed (or split) of the records that are as wanted."""
    found = [r for r in records if all(r.get(name) == value for name, value in wanted.items())]
    return {r["seed"] if "seed" in r else r["split"]: r[measure] for r in found if measure in r}


def paired(of: dict[int, float], against: dict[int, float]) -> tuple[float, float, int]:
    """Mean difference over the seeds that both have, half the width of its 95 % interval (Student's t), the seeds."""
    shared = sorted(of.keys() & against.keys())
    differences = np.array([of[seed] - against[seed] for seed in shared])
    n = len(shared)
    if n < 2:
        return float(differences.mean()) if n else float("nan"), float("nan"), n
    half = stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n)
    return float(differences.mean()), float(half), n


def cells(records: Records) -> list[tuple[str, str, int]]:
    found = [(r["network"], r["kind"], r["ratio"]) for r in records if r.get("on") == RESULT]
    return list(dict.fromkeys(found))


# --- Tables


def image_tables(records: Records) -> list[str]:
    lines = []
    for network, kind, ratio in cells(records):
        here = {"network": network, "kind": kind, "ratio": ratio, "on": RESULT}
        heads = [f"{what} | against none" for what in MEASURES.values()]
        lines += [f"### {network}, {kind} {ratio}", "", f"| method | rate | {' | '.join(heads)} |"]
        lines.append("| --- | --- |" + " --- | --- |" * len(MEASURES))
        for method in METHODS:
            if not by_seed(records, "balanced_accuracy", **here, method=method):
                continue
            rate = next(r["lr"] for r in records if r.get("method") == method and here.items() <= r.items())
            row = [METHODS[method].title, f"{rate:g}"]
            for measure in MEASURES:
                values = by_seed(records, measure, **here, method=method)
                row += [
                    _mean(list(values.values())),
                    _difference(values, by_seed(records, measure, **here, method=BASELINE)),
                ]
            lines.append(f"| {' | '.join(row)} |")
        lines.append("")
    return lines


def cost_tables(records: Records) -> list[str]:
    lines = []
    for table in costs.DATA:
        baseline = by_seed(records, "cost", table=table, way=COST_BASELINE)
        if not baseline:
            continue
        lines += [f"### {table}", "", f"| costs spent by | cost per sample | less than {COST_BASELINE} |"]
        lines.append("| --- | --- | --- |")
        for way in costs.WAYS:
            values = by_seed(records, "cost", table=table, way=way)
            if values:
                lines.append(f"| {way} | {_mean(list(values.values()))} | {_difference(baseline, values)} |")
        lines.append("")
    return lines


def agreement(lines: Lines, folder: Path, name: str) -> list[str]:
    """How well the short version orders the methods as the full one does, where both have run."""
    full, quick = folder / "runs.jsonl", folder / "quick.jsonl"
    if name == "full" or not full.exists() or not quick.exists():
        return []
    whole = Lines(full).records
    said = ["### The order of the methods here and in the full study (Spearman's rank correlation)", ""]
    for network, kind, ratio in cells(lines.records):
        here = {"network": network, "kind": kind, "ratio": ratio, "on": RESULT}
        pairs = [
            tuple(np.mean(list(values.values())) for values in both)
            for method in METHODS
            if all(both := [by_seed(r, "balanced_accuracy", **here, method=method) for r in (lines.records, whole)])
        ]
        if len(pairs) > 2:
            said.append(f"- {network}, {kind} {ratio}: {stats.spearmanr(*np.transpose(pairs)).statistic:.2f}")
    return [*said, ""]


def _mean(values: list[float]) -> str:
    if not values:
        return "diverged"
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


def _difference(values: dict[int, float], baseline: dict[int, float]) -> str:
    mean, half, n = paired(values, baseline)
    if n == 0 or values == baseline:
        return ""
    return f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]"


# --- Figures


def _figures(records: Records, folder: Path, name: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    colours = ["#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"]
    networks = list(dict.fromkeys(network for network, _, _ in cells(records)))
    if networks:
        figure, panels = plt.subplots(1, len(networks), figsize=(4.6 * len(networks), 3.8), squeeze=False)
        for axes, network in zip(panels[0], networks, strict=True):
            for method, colour, marker in zip(SHOWN, colours, "osvD^PX", strict=True):
                points: list[tuple[float, ...]] = []
                for _, kind, ratio in (cell for cell in cells(records) if cell[0] == network and cell[1] == "step"):
                    here = {"network": network, "kind": kind, "ratio": ratio, "on": RESULT, "method": method}
                    values = list(by_seed(records, "balanced_accuracy", **here).values())
                    if values:
                        points.append((ratio, float(np.mean(values)), float(np.std(values))))
                if points:
                    x, y, sd = np.transpose(points)
                    axes.errorbar(x, y, sd, color=colour, marker=marker, label=METHODS[method].title, capsize=2)
            axes.set(
                xscale="log",
                xlabel="ratio, largest class to smallest (step)",
                ylabel="balanced accuracy",
                title=network,
            )
            axes.spines[["top", "right"]].set_visible(False)
        panels[0][0].legend(fontsize=8, frameon=False)
        _save(figure, folder / f"ratio-{name}.png")
        figure, panels = plt.subplots(1, len(networks), figsize=(4.6 * len(networks), 4.2), squeeze=False)
        for axes, network in zip(panels[0], networks, strict=True):
            kind, ratio = next(((k, r) for n, k, r in cells(records) if n == network and r in (80, 100)), ("", 0))
            here = {"network": network, "kind": kind, "ratio": ratio, "on": RESULT}
            for method in METHODS:
                head = list(by_seed(records, "head_accuracy", **here, method=method).values())
                tail = list(by_seed(records, "tail_accuracy", **here, method=method).values())
                if head:
                    axes.plot(np.mean(head), np.mean(tail), "o", color="#0072B2", markersize=4)
                    axes.annotate(
                        method, (np.mean(head), np.mean(tail)), (3, 3), textcoords="offset points", fontsize=8
                    )
            axes.set(xlabel="accuracy on the frequent classes", ylabel="accuracy on the rare classes")
            axes.set_title(f"{network}, {kind} {ratio}")
            axes.spines[["top", "right"]].set_visible(False)
        _save(figure, folder / f"head-tail-{name}.png")


def _save(figure: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)
