"""From records to paired differences, their intervals, and what many comparisons leave of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from .images import IMBALANCES, NETWORKS, RESULT
from .methods import METHODS

Records = list[dict[str, Any]]
Cell = tuple[str, str, int]
BASELINE = "none"
LEVEL = 0.95


class Difference(NamedTuple):
    """Mean of paired differences, half the width of its 95 % interval (Student's t), p against 0, number of pairs."""

    mean: float
    half: float
    p: float
    n: int

    @property
    def clear(self) -> bool:
        """Whether the interval excludes 0."""
        return abs(self.mean) > self.half


def by_seed(records: Records, measure: str, **wanted: Any) -> dict[int, float]:
    """The measure of every seed (or split) of the records that are as wanted."""
    found = [r for r in records if all(r.get(name) == value for name, value in wanted.items())]
    return {r["seed"] if "seed" in r else r["split"]: r[measure] for r in found if measure in r}


def cells(records: Records) -> list[Cell]:
    """Network, kind and ratio of every imbalance that was measured, in the order of the study."""
    networks, kinds = list(NETWORKS), list(dict.fromkeys(kind for kind, _ in IMBALANCES))
    found = {(r["network"], r["kind"], r["ratio"]) for r in records if r.get("on") == RESULT}
    return sorted(found, key=lambda cell: (networks.index(cell[0]), kinds.index(cell[1]), cell[2]))


def in_cell(records: Records, cell: Cell, method: str, measure: str) -> dict[int, float]:
    network, kind, ratio = cell
    return by_seed(records, measure, network=network, kind=kind, ratio=ratio, on=RESULT, method=method)


def paired(of: Mapping[int, float], against: Mapping[int, float], overlap: float = 0.0) -> Difference:
    """The difference over the seeds that both have.

    Parameters
    ----------
    of, against
        A number per seed, or per split.
    overlap
        Samples in a test part over samples in a training part, where the pairs are random splits of the same data. They
        share samples, so the variance of the mean is taken as s² (1/n + overlap) instead of s²/n (Nadeau & Bengio 2003,
        "Inference for the generalization error", their corrected resampled t-test).
    """
    shared = sorted(of.keys() & against.keys())
    differences = np.array([of[seed] - against[seed] for seed in shared])
    n = len(shared)
    if n < 2:
        return Difference(float(differences.mean()) if n else np.nan, np.nan, np.nan, n)
    mean, error = float(differences.mean()), float(differences.std(ddof=1) * np.sqrt(1 / n + overlap))
    if error == 0:
        return Difference(mean, 0.0, float(mean == 0), n)
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
    return Difference(mean, half, float(2 * stats.t.sf(abs(mean) / error, n - 1)), n)


def against_baseline(records: Records, measure: str) -> dict[tuple[str, Cell], Difference]:
    """Every method in every cell, compared with plain training on the same seeds."""
    found = {}
    for cell in cells(records):
        plain = in_cell(records, cell, BASELINE, measure)
        for method in METHODS:
            difference = paired(in_cell(records, cell, method, measure), plain)
            if method != BASELINE and difference.n:
                found[method, cell] = difference
    return found


def holm(p_values: Iterable[float]) -> float:
    """The largest p that Holm's correction (1979) keeps at 5 % among all of them; -1 if none."""
    kept = -1.0
    ordered = sorted(p for p in p_values if not np.isnan(p))
    for rank, p in enumerate(ordered):
        if p > (1 - LEVEL) / (len(ordered) - rank):
            break
        kept = p
    return kept
