"""From evidence to reasons: the seam between the checker and the clinic.

The checker calls ``diagnose(evidence)`` once, when it has found something wrong, and puts what comes back
into ``report.reasons`` in that order. Today it knows the mistakes that need no theory about the function.
"""

from __future__ import annotations

import numpy as np

from .report import Evidence, Reason


def diagnose(evidence: Evidence) -> list[Reason]:
    """Reasons, likeliest first. Never empty when entries are wrong; empty otherwise."""
    reasons = list(evidence.structure)
    if evidence.failures:
        reasons += _detached(evidence) or _ignores_cotangent(evidence) or _ties(evidence) or [_values(evidence)]
    return reasons


def _detached(evidence: Evidence) -> list[Reason]:
    if evidence.recorded:
        return []
    text = (
        "no graph was recorded, so every gradient is zero: f leaves the Tensors on the way (.data, "
        ".numpy(), .detach(), "
        "mg.no_grad()). Compute with NumPy functions on the Tensors themselves"
    )
    return [Reason("detached", text)]


def _ignores_cotangent(evidence: Evidence) -> list[Reason]:
    """Two different g, one answer: a derivative is linear in g."""
    draws = evidence.analytic
    pairs = [(a, b) for a, b in zip(*draws, strict=True) if a is not None and b is not None]
    if evidence.backward is None or not all(np.array_equal(a, b) for a, b in pairs):
        return []
    if not any(np.any(a) for a, _ in pairs):
        return []
    text = (
        "backward gives the same gradient whatever g is: multiply by g, the gradient that arrives from above "
        "(for a scalar output g is a number, here not 1)"
    )
    return [Reason("cotangent", text)]


def _ties(evidence: Evidence) -> list[Reason]:
    worst = evidence.failures[0]
    if worst.index is not None or not worst.where.endswith("moved together"):
        return []
    text = (
        f"at a tie: {worst.where}, have slope {worst.numeric:.6g}, but their gradients add up to "
        f"{worst.analytic:.6g}. "
        "Give the gradient to one of the tied entries or share it among them, not to each in full (nor "
        "to none)"
    )
    return [Reason("ties", text)]


def _values(evidence: Evidence) -> Reason:
    worst = evidence.failures[0]
    text = f"the gradient differs from the measured slope; at worst {worst}"
    if worst.numeric:
        text += f" (analytic / numeric = {worst.analytic / worst.numeric:.6g})"
    return Reason("values", text)
