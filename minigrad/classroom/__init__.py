"""Exercises: built from one source each, checked in a process of their own, marked in words a student understands."""

from .answers import Wrong, compare

__all__ = ["Wrong", "compare"]
