"""The clinic: which mistake fits a wrong gradient, in words, with the numbers that prove it.

``registry.MISTAKES`` is the list of what it knows; each module below enters a few. ``registry`` says how to add one.
"""

from . import constants, images, losses, norms, parts, structure, values, weights  # noqa: F401  (each enters its mistakes)
from .registry import MISTAKES, Finding, Mistake, mistake

__all__ = ["MISTAKES", "Finding", "Mistake", "mistake"]
