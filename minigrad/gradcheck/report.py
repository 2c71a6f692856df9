"""What a check found: the report, its parts, and how it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class Reason(str):
    """One sentence that says what is wrong, with the numbers that show it.

    Attributes
    ----------
    kind : str
        The name of the mistake: ``"sign"``, ``"transpose"``, ``"shape"``, ... ``"unknown"`` where no known one fits.
    hint : str
        A question or a place to look, which does not give the answer away.
    inputs : tuple of int
        Argument numbers of the inputs whose gradients it explains. Empty where it is about no single input.
    facts : dict
        The numbers in the sentence by name, e.g. ``{"ratio": 32.0}``.
    """

    kind: str
    hint: str
    inputs: tuple[int, ...]
    facts: dict[str, Any]

    def __new__(
        cls,
        kind: str,
        text: str,
        hint: str = "",
        inputs: tuple[int, ...] = (),
        facts: dict[str, Any] | None = None,
    ) -> Reason:
        reason = super().__new__(cls, text)
        reason.kind, reason.hint, reason.inputs, reason.facts = kind, hint, inputs, dict(facts or {})
        return reason

    def __reduce__(self) -> tuple[Any, ...]:  # str's own would call __new__ with the text alone
        return type(self), (self.kind, str(self), self.hint, self.inputs, self.facts)

    def retold(self, text: str | None = None, hint: str | None = None) -> Reason:
        """The same reason in other words, or with another hint."""
        text, hint = str(self) if text is None else text, self.hint if hint is None else hint
        return type(self)(self.kind, text, hint, self.inputs, self.facts)


@dataclass(frozen=True)
class Entry:
    """One comparison: a gradient entry, or the slope along a direction (``index`` is then None).

    Both numbers belong to the same random cotangent ``cotangent`` (0 or 1): they are d(sum c*y)/dx, not
    dy/dx.
    """

    input: int
    index: tuple[int, ...] | None
    where: str
    analytic: float
    numeric: float
    error: float
    tolerance: float
    cotangent: int

    def __str__(self) -> str:
        return (
            f"{self.where}: analytic {self.analytic:.10g}, numeric {self.numeric:.10g}, "
            f"error {self.error:.2g}, tolerance {self.tolerance:.2g}"
        )


@dataclass
class Evidence:
    """All that a diagnosis can reason from. Lists run over the checked inputs, `draws` over random
    cotangents.

    Attributes
    ----------
    forward, backward : the functions under check; ``backward`` is None for a function of Tensors.
    arguments : every argument in order, as it was given.
    positions : argument number of each checked input.
    names : how messages call each checked input.
    inputs : float64 arrays.
    outputs : what the forward pass gave.
    cotangents : per draw, one array for each output.
    analytic : per draw and input, the gradient under check (None where it was missing or malformed).
    returned : per draw and input, what backward returned, malformed or not. Empty where their number is wrong.
    numeric : per draw and input, the differences (nan where they could not be taken). Empty where an input is too
        large to measure every entry, and where nothing is wrong in mode "fast".
    allowed : laid out as `numeric`: how far a right gradient may be from it.
    wrong, kinks : per input, masks: entries found wrong, and such where the slope turns. Empty as `numeric` is.
    structure : what is wrong before any number is compared: shapes, dtypes, ...
    recorded : whether the engine recorded a graph at all.
    failures : the confirmed wrong entries, worst first.
    known : what the caller said about the loss: labels, weights, reduction, ...
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any] | None
    arguments: list[Any]
    positions: list[int]
    names: list[str]
    inputs: list[np.ndarray]
    known: dict[str, Any]
    outputs: list[np.ndarray] = field(default_factory=list)
    cotangents: list[list[np.ndarray]] = field(default_factory=list)
    analytic: list[list[np.ndarray | None]] = field(default_factory=list)
    returned: list[list[Any]] = field(default_factory=list)
    numeric: list[list[np.ndarray]] = field(default_factory=list)
    allowed: list[list[np.ndarray]] = field(default_factory=list)
    wrong: list[np.ndarray] = field(default_factory=list)
    kinks: list[np.ndarray] = field(default_factory=list)
    structure: list[Reason] = field(default_factory=list)
    recorded: bool = True
    failures: list[Entry] = field(default_factory=list)


@dataclass
class Report:
    """The verdict of a gradient check.

    Attributes
    ----------
    ok : bool
        Nothing wrong was found. ``bool(report)`` is the same.
    reasons : list of Reason
        What is wrong, likeliest first; each is a ``str`` with a ``kind`` and a ``hint``. Empty when ``ok``.
    worst : Entry or None
        The comparison that is furthest out of (or, when ``ok``, closest to) its tolerance.
    failures : list of Entry
        Confirmed wrong entries, worst first; the search stops after a few, ``wrong`` counts all suspects.
    checked, wrong : int
        Comparisons made, and those that failed.
    kinks : list of (input, index)
        Entries where the one-sided slopes differ: any value between them was accepted.
    undifferenced : list of (input, index)
        Entries where no slope could be measured, so that nothing was compared.
    notes : list of str
        What a reader should know though it is not wrong.
    known : dict
        What the caller said about the loss (``labels``, ``weights``, ``reduction`` ...).
    evidence : Evidence
        All arrays behind the verdict.
    """

    evidence: Evidence
    mode: str
    method: str
    order: int = 1
    reasons: list[Reason] = field(default_factory=list)
    worst: Entry | None = None
    failures: list[Entry] = field(default_factory=list)
    checked: int = 0
    wrong: int = 0
    kinks: list[tuple[int, tuple[int, ...] | None]] = field(default_factory=list)
    undifferenced: list[tuple[int, tuple[int, ...] | None]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.reasons

    @property
    def known(self) -> dict[str, Any]:
        return self.evidence.known

    def __bool__(self) -> bool:
        return self.ok

    def raise_on_failure(self) -> Report:
        """Raise GradcheckError unless ``ok``; return the report itself otherwise."""
        if not self.ok:
            raise GradcheckError(self)
        return self

    def __str__(self) -> str:
        return "\n".join([self._verdict(), *self._body()])

    def _verdict(self) -> str:
        what = "gradient check" if self.order == 1 else "gradient check to second order"
        slopes = "complex-step" if self.method == "complex" else "central-difference"
        unit = "entries" if self.mode == "full" else "random directions"
        compared = f"{self.checked} {unit} of {', '.join(self.evidence.names)} against {slopes} slopes"
        if self.ok:
            return f"{what} passed: {compared}"
        found = f"{self.wrong} of {compared} are wrong" if self.wrong else compared
        return f"{what} FAILED: {found}"

    def _body(self) -> list[str]:
        lines, number, explained = [], 0, set[int]()
        for reason in self.reasons:
            if reason.inputs and explained.issuperset(reason.inputs):
                lines.append(f"     or: {reason}")
            else:
                number += 1
                lines.append(f"  {number}. {reason}")
            explained.update(reason.inputs)
        shown = self.failures[:5]
        if shown:
            lines.append("  worst (each is the slope of sum(c * output) for a random c):")
            lines += [f"    {entry}" for entry in shown]
        elif self.worst is not None and self.ok:
            lines.append(f"  closest call: {self.worst}")
        if self.kinks:
            lines.append(f"  kinks, any value between the slopes accepted: {self._listed(self.kinks)}")
        if self.undifferenced:
            lines.append(
                "  not compared, no slope can be measured there (undefined, or lost in rounding): "
                f"{self._listed(self.undifferenced)}"
            )
        return lines + [f"  note: {note}" for note in self.notes]

    def _listed(self, entries: list[Any], most: int = 6) -> str:
        names = dict(zip(self.evidence.positions, self.evidence.names, strict=True))
        shown = ", ".join(f"{names[i]}{located(index)}" for i, index in entries[:most])
        return shown + (f" and {len(entries) - most} more" if len(entries) > most else "")


class GradcheckError(AssertionError):
    """A gradient failed its check. Carries the ``report``, its ``ok`` (False) and its ``reasons``."""

    def __init__(self, report: Report) -> None:
        super().__init__(str(report))
        self.report = report

    @property
    def ok(self) -> bool:
        return self.report.ok

    @property
    def reasons(self) -> list[Reason]:
        return self.report.reasons

    def __reduce__(self) -> tuple[Any, ...]:  # pickling by message alone would lose the report
        return type(self), (self.report,)


def located(index: tuple[int, ...] | None) -> str:
    """`` [1, 2]`` for an entry, nothing for a 0-d input or for a direction."""
    return f" {[int(i) for i in index]}" if index else ""
