"""The checker is shown every mutant: is it caught, and is the mistake named?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from .case import Mutant

ENOUGH = {"detected": 100.0, "top": 95.0, "top two": 98.0}  # percent


@dataclass(frozen=True)
class Verdict:
    """What the checker said of a mutant: `kinds` of its reasons, likeliest first."""

    mutant: Mutant
    detected: bool
    kinds: tuple[str, ...]

    def named(self, first: int) -> bool:
        """Whether a right name is among the `first` reasons."""
        return any(kind in self.mutant.accepted for kind in self.kinds[:first])


def examine(mutant: Mutant) -> Verdict:
    report = mutant.check()
    return Verdict(mutant, not report.ok, tuple(reason.kind for reason in report.reasons))


def counts(verdicts: list[Verdict]) -> dict[str, int]:
    return {
        "detected": sum(verdict.detected for verdict in verdicts),
        "top": sum(verdict.named(1) for verdict in verdicts),
        "top two": sum(verdict.named(2) for verdict in verdicts),
    }


def percentages(verdicts: list[Verdict]) -> dict[str, float]:
    return {name: 100 * count / len(verdicts) for name, count in counts(verdicts).items()}


def enough(verdicts: list[Verdict]) -> bool:
    return all(percentages(verdicts)[name] >= least for name, least in ENOUGH.items())


def table(verdicts: list[Verdict]) -> str:
    """Mistake x number x detected x named first x named among the first two, and what was missed."""
    lines = [f"{'mistake':34}{'mutants':>8}{'detected':>10}{'named 1st':>11}{'in first 2':>12}"]
    for kind in sorted(Counter(verdict.mutant.kind for verdict in verdicts)):
        lines.append(_row(kind, [verdict for verdict in verdicts if verdict.mutant.kind == kind]))
    lines.append(_row("all", verdicts))
    shares = percentages(verdicts)
    lines.append(f"{'':42}{shares['detected']:9.1f}%{shares['top']:10.1f}%{shares['top two']:11.1f}%")
    lines += [f"not detected: {verdict.mutant}" for verdict in verdicts if not verdict.detected]
    lines += [
        f"{'named second' if verdict.named(2) else 'not named'}: {verdict.mutant} "
        f"is {' or '.join(verdict.mutant.accepted)}; the checker said {', '.join(verdict.kinds[:3])}"
        for verdict in verdicts
        if verdict.detected and not verdict.named(1)
    ]
    return "\n".join(lines)


def _row(name: str, verdicts: list[Verdict]) -> str:
    found = counts(verdicts)
    return f"{name:34}{len(verdicts):8}{found['detected']:10}{found['top']:11}{found['top two']:12}"
