"""What every test and every doctest finds in place."""

import os

# Before anything imports matplotlib: a test must not open a window, or fail where there is no display.
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest

import minigrad as mg


@pytest.fixture(autouse=True)
def _names_for_doctests(doctest_namespace):
    doctest_namespace.update(mg=mg, np=np)
