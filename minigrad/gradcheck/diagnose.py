"""From evidence to reasons: the seam between the checker and the clinic.

The checker calls ``diagnose(evidence, task)`` once, when all comparisons are made, and puts what comes back into
``report.reasons`` in that order. Where nothing was found wrong there is nothing to explain: this file is not loaded.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from . import clinic
from .clinic.pattern import pattern
from .clinic.registry import Finding, Mistake
from .clinic.suspect import Case, Suspect
from .report import Evidence, Reason
from .structure import HINTS
from .tasks import Task

Found = TypeVar("Found")
FREER = 1  # than the best finding for the same input: what has more freedom is not worth telling beside it
UNKNOWN_HINT = (
    "Take the smallest input that still fails, compute the worst entry by hand, and compare every step with your code."
)


def diagnose(evidence: Evidence, task: Task) -> list[Reason]:
    """Reasons, likeliest first; never empty. Called where something is wrong."""
    if not evidence.recorded and evidence.failures:
        return [*_hinted(evidence.structure), _detached()]
    case = Case(evidence, task)
    reasons = _ranked(case)
    explained = {i for reason in reasons for i in reason.inputs}
    shapes = [r for r in evidence.structure if r.kind == "shape" and r.inputs[0] in explained]
    structure = _hinted([r for r in evidence.structure if r not in shapes])
    reasons += [_ties(evidence)] if _at_ties(evidence) and not reasons else []
    return structure + reasons + _unexplained(evidence, case, explained, bool(reasons))


def _ranked(case: Case) -> list[Reason]:
    """One reason for every mistake that fits, first those that explain most inputs, of these the least free."""
    merged: dict[tuple[str, str], list[tuple[Suspect, Finding, Mistake, int]]] = defaultdict(list)
    for suspect in case.suspects:
        for rank, mistake in enumerate(clinic.MISTAKES):
            finding = _guarded(mistake.recognise, suspect)
            if finding is not None:
                merged[mistake.kind, finding.text].append((suspect, finding, mistake, rank))
    order = sorted(merged.values(), key=lambda group: (-len(group), group[0][1].freedom, group[0][3]))
    reasons: dict[tuple[str, tuple[int, ...]], Reason] = {}
    least: dict[int, int] = {}  # freedom of the best explanation of each input
    for group in order:
        _, finding, mistake, _ = group[0]
        inputs = tuple(case.evidence.positions[suspect.i] for suspect, *_ in group)
        if all(finding.freedom > least.get(i, finding.freedom) + FREER for i in inputs):
            continue
        least.update({i: min(finding.freedom, least.get(i, finding.freedom)) for i in inputs})
        names = _listed([suspect.name for suspect, *_ in group])
        text = finding.text.replace("{yours}", "your gradient of {of}").replace("{of}", names)
        reasons.setdefault((mistake.kind, inputs), Reason(mistake.kind, text, mistake.hint, inputs, finding.facts))
    return list(reasons.values())


def _guarded(look: Callable[[Suspect], Found], suspect: Suspect) -> Found | None:
    """What `look` finds; nothing where it fails, or the student would see its traceback instead of the report."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return look(suspect)
    except Exception:  # whatever the code under check raises when it is called again
        return None


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _hinted(reasons: list[Reason]) -> list[Reason]:
    return [reason if reason.hint else reason.retold(hint=HINTS[reason.kind]) for reason in reasons]


def _detached() -> Reason:
    text = (
        "no graph was recorded, so every gradient is zero: f leaves the Tensors on the way (.data, .numpy(), "
        ".detach(), mg.no_grad()). Compute with NumPy functions on the Tensors themselves"
    )
    return Reason("detached", text, "After which line is the result no longer a Tensor that requires grad?")


def _at_ties(evidence: Evidence) -> bool:
    return bool(evidence.failures) and evidence.failures[0].where.endswith("moved together")


def _ties(evidence: Evidence) -> Reason:
    worst = evidence.failures[0]
    text = (
        f"at a tie: {worst.where}, have slope {worst.numeric:.6g}, but their gradients add up to {worst.analytic:.6g}. "
        "Give the gradient to one of the tied entries or share it among them, not to each in full (nor to none)"
    )
    hint = "When two entries are the largest and both grow by h, by how much does the maximum grow?"
    return Reason("ties", text, hint, (evidence.positions[worst.input],))


def _unexplained(evidence: Evidence, case: Case, explained: set[int], some: bool) -> list[Reason]:
    """The wrong inputs for which no mistake fits."""
    compared = {s.i for s in case.suspects if evidence.analytic[0][s.i] is not None}
    wrong = compared | {entry.input for entry in evidence.failures}
    left = sorted(i for i in wrong if evidence.positions[i] not in explained)
    if not left or _at_ties(evidence):
        return []
    names = _listed([evidence.names[i] for i in left])
    positions = tuple(evidence.positions[i] for i in left)
    if some:
        text = f"{names}: wrong, too, and no known mistake fits; mend what is named above and check again"
        return [Reason("unknown", text, UNKNOWN_HINT, positions)]
    text = f"no known mistake fits: the gradient of {names} differs from the measured slope"
    worst = next((entry for entry in evidence.failures if entry.input in left), None)
    if worst is not None:
        text += f"; at worst {worst}"
        if worst.numeric:
            text += f" (analytic / numeric = {worst.analytic / worst.numeric:.6g})"
    patterns = {s.name: _guarded(pattern, s) for s in case.suspects if s.i in left}
    text += "".join(f"; {name}: {words}" for name, words in patterns.items() if words)
    return [Reason("unknown", text, UNKNOWN_HINT, positions)]
