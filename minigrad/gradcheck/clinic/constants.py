"""One number is wrong everywhere: the sign, a factor; or the whole gradient is zero, or does not follow g."""

from __future__ import annotations

import numpy as np

from .quantities import named
from .registry import Finding, mistake
from .suspect import Suspect

ENOUGH = 3  # entries that must share a ratio nobody can name before it counts as one


@mistake("zero", "Follow this input through the forward pass: on which path does it reach the output?")
def zero(s: Suspect) -> Finding | None:
    if not s.shaped or any(c.any() for c in s.claimed):
        return None
    return Finding(
        f"{{yours}} is zero everywhere, but the output does depend on it: slopes up to {s.largest:.4g} were measured",
        facts={"largest": s.largest},
    )


@mistake("sign", "When this input grows a little, does the output grow or shrink? What does your gradient say?")
def sign(s: Suspect) -> Finding | None:
    if s.fits([-m for m in s.measured]):
        return Finding("{yours} is -1 x the measured one, everywhere", facts={"ratio": -1.0})
    return None


@mistake("factor", "Which constant stands in front of the forward pass, and does the derivative carry it exactly once?")
def factor(s: Suspect) -> Finding | None:
    ratio = s.scale(s.measured)
    if ratio is None or np.isclose(ratio, -1):
        return None
    name = named(ratio, s.case)
    if name is None and s.entries < ENOUGH:
        return None
    text = f"{{yours}} is {ratio:.6g} x the measured one, everywhere"
    if ratio < 0:
        text += ", so its sign is wrong, too"
    if name is None:
        return Finding(f"{text}. It is no size or sum that the checker knows", 2, {"ratio": ratio})
    if name.symbol == f"{abs(ratio):.6g}":
        text += f". {name.meaning[0].upper()}{name.meaning[1:]}"
    else:
        text += f". {ratio:.6g} = {'-' if ratio < 0 else ''}{name.symbol}; {name.meaning}"
    if "N" in name.symbol or "sum w" in name.symbol:
        text += ": the forward pass and the gradient do not divide by the same thing"
    return Finding(text, 1, {"ratio": ratio, "symbol": name.symbol})


@mistake("cotangent", "What is g, and where does the chain rule put it? Try a g that is not 1.")
def ignores_cotangent(s: Suspect) -> Finding | None:
    first, second = s.claimed
    if s.case.evidence.backward is None or not s.shaped or not first.any() or not np.array_equal(first, second):
        return None
    return Finding(
        "backward gives the same gradient of {of} whatever g is: multiply by g, the gradient that arrives from above "
        "(for a scalar output g is a number, here not 1)"
    )


@mistake("cotangent", "How often does g enter, if the derivative is linear in g?")
def squares_cotangent(s: Suspect) -> Finding | None:
    if all(g.shape in ((), s.x.shape) for g in s.case.g) and s.fits(
        [g * m for g, m in zip(s.case.g, s.measured, strict=True)]
    ):
        return Finding("{yours} is the measured one times g: g enters twice, a derivative is linear in it")
    return None
