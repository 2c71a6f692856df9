"""Every mistake the clinic knows: a name, a hint, and the function that recognises it.

To add one, write a function that looks at one wrong gradient and says what it found, and enter it with its name and
hint::

    @mistake("sign", "Does the output grow or shrink when this input grows?")
    def sign(suspect):
        if suspect.fits([-m for m in suspect.measured]):
            return Finding("{yours} is -1 x the measured one, everywhere")
        return None

A new file of them is imported in ``clinic/__init__.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .suspect import Suspect


@dataclass(frozen=True)
class Finding:
    """A mistake that fits the evidence.

    Attributes
    ----------
    text : the sentence with the numbers that prove it. ``{of}`` stands for the input's name, "input 1 (W)", and
        ``{yours}`` for "your gradient of input 1 (W)".
    freedom : how many numbers were read off the wrong gradient itself to make the mistake fit. 0: a formula without
        any gap to fill. Of two findings that explain the same entries the one with less freedom is believed.
    facts : the numbers in the sentence, by name.
    """

    text: str
    freedom: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


Recogniser = Callable[["Suspect"], "Finding | None"]


@dataclass(frozen=True)
class Mistake:
    """One entry: ``recognise(suspect)`` returns a Finding where this mistake explains the whole wrong gradient."""

    kind: str
    hint: str
    recognise: Recogniser


MISTAKES: list[Mistake] = []


def mistake(kind: str, hint: str) -> Callable[[Recogniser], Recogniser]:
    """Enter the decorated function among the mistakes. A kind may have several functions, each with its hint."""

    def enter(recognise: Recogniser) -> Recogniser:
        MISTAKES.append(Mistake(kind, hint, recognise))
        return recognise

    return enter
