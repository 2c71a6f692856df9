"""Tables of the study, from its lines alone; `figures` draws the pictures from the same numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from . import costs, figures
from .differences import (
    BASELINE,
    Cell,
    Difference,
    Records,
    against_baseline,
    by_seed,
    cells,
    holm,
    in_cell,
    paired,
)
from .images import RATES, RESULT, Setting
from .lines import Lines
from .methods import METHODS

MEASURES = {
    "balanced_accuracy": "balanced accuracy",
    "head_accuracy": "head accuracy",
    "tail_accuracy": "tail accuracy",
    "auc": "multi-class AUC",
}
OVERVIEWS = ("balanced_accuracy", "tail_accuracy", "auc")
FAILED = 0.2  # balanced accuracy of a training that came to nothing

# What the papers, and this project, say: the first does better than the second.
CLAIMS = (
    ("Buda 2018", "over", "none"),
    ("Buda 2018", "over", "under"),
    ("Buda 2018", "under", "none"),
    ("Buda 2018", "post-hoc", "none"),
    ("Cui 2019", "effective-wm", "none"),
    ("Cui 2019", "effective-wm", "inverse-wm"),
    ("Cao 2019", "drw", "effective-wm"),
    ("Cao 2019", "drw-wm", "effective-wm"),
    ("Cao 2019", "ldam-drw-wm", "ldam"),
    ("Cao 2019", "ldam", "none"),
    ("Cao 2019", "ldam-drw", "ldam"),
    ("Cao 2019", "ldam-drw", "drw"),
    ("Menon 2021", "la", "none"),
    ("Menon 2021", "la", "post-hoc"),
    ("Menon 2021", "la", "ldam"),
    ("Menon 2021", "la", "ldam-drw"),
    ("Lin 2017", "focal", "none"),
    ("Ye 2020", "cdt", "none"),
    ("Kini 2021", "vs", "la"),
    ("copies or weights", "over", "inverse-wm"),
    ("the root", "sqrt", "inverse-wm"),
    ("the divisor", "inverse-wm", "inverse"),
    ("the divisor", "effective-wm", "effective"),
    ("the divisor", "drw-wm", "drw"),
    ("the divisor", "ldam-drw-wm", "ldam-drw"),
)

COST_CLAIMS = (  # the first costs less than the second
    ("cross-entropy at p*", "weighted by cost at 0.5"),
    ("cross-entropy at p*", "weighted by cost at p*"),
    ("weighted by cost at 0.5", "weighted by cost at p*"),
    ("expected cost", "cross-entropy at p*"),
    ("softmax margin", "cross-entropy at p*"),
    ("cross-entropy at p*", "cost penalty, lambda by CV"),
)
SAVED = ("saved", "if splits were independent", "cheaper / dearer")


def write(lines: Lines, folder: Path, name: str) -> str:
    """Write ``tables-<name>.md`` and the figures; the tables as text."""
    folder.mkdir(parents=True, exist_ok=True)
    records = lines.records
    _one_rate_each(records, lines.path)
    parts = [overviews(records), claims(records), image_tables(records), rates(records), cost_tables(records)]
    text = "\n".join([*(line for part in parts for line in part), *agreement(lines, folder, name)])
    (folder / f"tables-{name}.md").write_text(text + "\n", encoding="utf-8")
    figures.draw(records, folder, name)
    return text


def _rates(records: Records) -> dict[tuple[Any, ...], set[float]]:
    """By network, kind, ratio and method: the learning rates of the results."""
    found: dict[tuple[Any, ...], set[float]] = {}
    for r in records:
        if r.get("on") == RESULT:
            found.setdefault((r["network"], r["kind"], r["ratio"], r["method"]), set()).add(r["lr"])
    return found


def _one_rate_each(records: Records, path: Path) -> None:
    """Refuse results of two choices of the rate: they would be averaged as one method."""
    for cell, several in _rates(records).items():
        if len(several) > 1:
            name = ", ".join(map(str, cell))
            raise SystemExit(
                f"study: {path} has test results of {name} at the rates {sorted(several)}; expected one, that chosen "
                "on the validation images: remove the lines of the others"
            )


# --- All cells at once


def overviews(records: Records) -> list[str]:
    """For each measure and network: every method in every imbalance, in points against plain training."""
    lines: list[str] = []
    for measure in OVERVIEWS:
        differences = against_baseline(records, measure)
        if differences:
            lines += [f"## Against plain cross-entropy: {MEASURES[measure]}, in points of 100", ""]
            lines += [_legend(len(differences)), ""]
            kept = holm(d.p for d in differences.values())
            for network in dict.fromkeys(network for network, _, _ in cells(records)):
                lines += [*_overview(records, measure, network, differences, kept), ""]
            lines += [*_total(differences), ""]
    return lines


def _legend(count: int) -> str:
    return (
        f"`*`: the 95 % interval excludes 0; of {count} comparisons without any effect {0.05 * count:.0f} would. `**`: "
        f"it also passes Holm's correction over all {count}. The row of plain cross-entropy has its own value. Better "
        "and worse: the number of columns with a star."
    )


def _overview(
    records: Records, measure: str, network: str, differences: dict[tuple[str, Cell], Difference], kept: float
) -> list[str]:
    here = [cell for cell in cells(records) if cell[0] == network]
    lines = _head([figures.NETWORK_TITLES[network], *(f"{kind} {ratio}" for _, kind, ratio in here), "better", "worse"])
    plain = [list(in_cell(records, cell, BASELINE, measure).values()) for cell in here]
    lines.append(_row([METHODS[BASELINE].title, *(f"{_percent(values):.1f}" for values in plain), "", ""]))
    for method in METHODS:
        found = [differences.get((method, cell)) for cell in here]
        if any(found):
            clear = [d.mean for d in found if d and d.clear]
            counts = [str(sum(mean > 0 for mean in clear)), str(sum(mean < 0 for mean in clear))]
            lines.append(_row([METHODS[method].title, *(_marked(d, kept) for d in found), *counts]))
    return lines


def _total(differences: dict[tuple[str, Cell], Difference]) -> list[str]:
    """Each method over all networks and imbalances."""
    lines = _head(["all networks", "mean", "from", "to", "better", "worse", "of"])
    for method in METHODS:
        found = [difference for (of, _), difference in differences.items() if of == method]
        if found:
            points = [100 * difference.mean for difference in found]
            clear = [difference.mean > 0 for difference in found if difference.clear]
            spread = [f"{value:+.1f}" for value in (np.mean(points), min(points), max(points))]
            lines.append(
                _row([METHODS[method].title, *spread, f"{sum(clear)}", f"{clear.count(False)}", f"{len(found)}"])
            )
    return lines


def claims(records: Records) -> list[str]:
    """The sentences of the papers, each as a paired difference in balanced accuracy, in every cell."""
    found = {}
    for cell in cells(records):
        for _, better, worse in CLAIMS:
            pairs = [in_cell(records, cell, method, "balanced_accuracy") for method in (better, worse)]
            found[better, worse, cell] = paired(pairs[0], pairs[1])
    found = {key: difference for key, difference in found.items() if difference.n > 1}
    if not found:
        return []
    kept = holm(d.p for d in found.values())
    lines = [
        "## What the papers say: balanced accuracy of the first less that of the second, in points of 100",
        "",
        f"`*`: the 95 % interval excludes 0. `**`: it also passes Holm's correction over these {len(found)}.",
        "",
    ]
    for network in dict.fromkeys(network for network, _, _ in cells(records)):
        here = [cell for cell in cells(records) if cell[0] == network]
        lines += _head([figures.NETWORK_TITLES[network], "", *(f"{kind} {ratio}" for _, kind, ratio in here)])
        for source, better, worse in CLAIMS:
            row = [found.get((better, worse, cell)) for cell in here]
            if any(row):
                lines.append(_row([source, f"{better} - {worse}", *(_marked(d, kept) for d in row)]))
        lines.append("")
    return lines


# --- Cell by cell


def image_tables(records: Records) -> list[str]:
    """Each imbalance: mean and standard deviation over the seeds, and the difference with its 95 % interval."""
    lines, chosen = [], _rates(records)
    for cell in cells(records):
        network, kind, ratio = cell
        seeds = len(in_cell(records, cell, BASELINE, "balanced_accuracy"))
        lines += [f"### {figures.NETWORK_TITLES[network]}, {kind} {ratio} ({seeds} seeds)", ""]
        lines += _head(["method", "rate", *(head for what in MEASURES.values() for head in (what, "against none"))])
        for method in METHODS:
            if not in_cell(records, cell, method, "balanced_accuracy"):
                continue
            (rate,) = chosen[(*cell, method)]
            row = [METHODS[method].title, f"{rate:g}"]
            for measure in MEASURES:
                values = in_cell(records, cell, method, measure)
                row += [_mean(values.values(), 100)]
                plain = in_cell(records, cell, BASELINE, measure)
                row += ["" if method == BASELINE else _interval(paired(values, plain), 100)]
            lines.append(_row(row))
        lines.append("")
    return lines


def rates(records: Records) -> list[str]:
    """How often each learning rate was the best on the validation images, and which trainings came to nothing."""
    found = _rates(records)
    if not found:
        return []
    counts = Counter(rate for (rate,) in found.values())
    said = ", ".join(f"{rate:g} ({counts[rate]} times)" for rate in RATES)
    lines = [f"Learning rates chosen on the validation images: {said}.", ""]
    runs = Counter(r["method"] for r in records if r.get("on") == RESULT)
    failed = Counter(r["method"] for r in records if r.get("on") == RESULT and r["balanced_accuracy"] < FAILED)
    if failed:
        those = ", ".join(f"{METHODS[m].title} ({failed[m]} of {runs[m]})" for m in METHODS if failed[m])
        lines += [f"Trainings that ended below {100 * FAILED:.0f} % of balanced accuracy (chance: 10 %): {those}.", ""]
    return lines


def cost_tables(records: Records) -> list[str]:
    """Each table of data: cost per sample over the splits, and what a way saves against another."""
    lines = []
    plain, *ways = costs.WAYS
    for table in costs.DATA:
        by_way = {way: by_seed(records, "cost", table=table, way=way) for way in costs.WAYS}
        if not by_way[plain]:
            continue
        lines += [f"### {table}: cost per sample over {len(by_way[plain])} random halves", ""]
        lines += _head(["costs spent by", "cost", *SAVED])
        lines.append(_row([plain, _mean(by_way[plain].values(), 1), "", "", ""]))
        for way in ways:
            if by_way[way]:
                lines.append(_row([way, _mean(by_way[way].values(), 1), *_saved(by_way[plain], by_way[way])]))
        lines += ["", *_lambdas(records, table)]
        pairs = [(cheap, dear) for cheap, dear in COST_CLAIMS if by_way[cheap] and by_way[dear]]
        if pairs:
            lines += _head([f"{table}: one way against another", *SAVED])
            lines += [_row([f"{cheap} against {dear}", *_saved(by_way[dear], by_way[cheap])]) for cheap, dear in pairs]
            lines.append("")
    return lines


def _saved(before: dict[int, float], after: dict[int, float]) -> list[str]:
    """What is saved on average with both intervals, and in how many splits."""
    saved = [before[split] - after[split] for split in sorted(before.keys() & after.keys())]
    intervals = [_interval(paired(before, after, overlap), 1) for overlap in (figures.HALVES, 0.0)]
    return [*intervals, f"{sum(s > 0 for s in saved)} / {sum(s < 0 for s in saved)}"]


def _lambdas(records: Records, table: str) -> list[str]:
    chosen = Counter(by_seed(records, "lam", table=table).values())
    if not chosen:
        return []
    return ["lambda chosen: " + ", ".join(f"{lam:g} ({times} times)" for lam, times in sorted(chosen.items())), ""]


def agreement(lines: Lines, folder: Path, name: str) -> list[str]:
    """How well the short version orders the methods, and the ways, as the full one does, where both have run."""
    full = folder / "runs.jsonl"
    if name == "full" or not full.exists():
        return []
    both = (lines.records, Lines(full).records)
    said = ["## The order here and in the full study: Spearman's rank correlation", ""]
    for cell in cells(lines.records):
        pairs = [[in_cell(records, cell, method, "balanced_accuracy") for records in both] for method in METHODS]
        said += _agree(f"{figures.NETWORK_TITLES[cell[0]]}, {cell[1]} {cell[2]}, balanced accuracy", pairs)
    for table in costs.DATA:
        pairs = [[by_seed(records, "cost", table=table, way=way) for records in both] for way in costs.WAYS]
        said += _agree(f"{table}, cost", pairs)
    short, whole = ({_setting(record): record for record in records} for records in both)
    shared = short.keys() & whole.keys()
    same = sum(_numbers(short[setting]) == _numbers(whole[setting]) for setting in shared)
    return [*said, "", f"Runs of the same setting in both: {len(shared)}, with the same numbers: {same}.", ""]


def _setting(record: dict[str, Any]) -> tuple[Any, ...]:
    """What decides a run; the record of it holds more."""
    names = {field.name for kind in (Setting, costs.CostSetting) for field in fields(kind)}
    return tuple(record.get(name) for name in sorted(names))


def _numbers(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "made_with"}


def _agree(what: str, pairs: list[list[dict[int, float]]]) -> list[str]:
    means = [[float(np.mean(list(values.values()))) for values in pair] for pair in pairs if all(pair)]
    if len(means) < 3:
        return []
    return [f"- {what}: {stats.spearmanr(*np.transpose(means)).statistic:.2f} ({len(means)} compared)"]


# --- Words


def _head(titles: list[str]) -> list[str]:
    return [_row(titles), _row(["---"] * len(titles))]


def _row(entries: Iterable[str]) -> str:
    return f"| {' | '.join(entries)} |"


def _percent(values: Iterable[float]) -> float:
    return 100 * float(np.mean(list(values)))


def _marked(difference: Difference | None, kept: float) -> str:
    if difference is None:
        return ""
    stars = "" if not difference.clear else " `**`" if difference.p <= kept else " `*`"
    return f"{100 * difference.mean:+.1f}{stars}"


def _mean(values: Iterable[float], scale: int) -> str:
    found = scale * np.array(list(values))
    if not len(found):
        return "diverged"
    digits = 1 if scale == 100 else 3
    return f"{found.mean():.{digits}f}" + (f" ± {found.std(ddof=1):.{digits}f}" if len(found) > 1 else "")


def _interval(difference: Difference, scale: int) -> str:
    if difference.n == 0:
        return ""
    mean, half = scale * difference.mean, scale * difference.half
    digits = 1 if scale == 100 else 3
    return f"{mean:+.{digits}f} [{mean - half:+.{digits}f}, {mean + half:+.{digits}f}]"
