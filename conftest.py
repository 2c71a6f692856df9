"""What every test and every doctest finds in place.

``MINIGRAD_TEST_DEVICE=standin`` runs the suite with every new Tensor and parameter on a GPU that is played by
tests/cupy_standin; ``make test-standin`` does. ``MINIGRAD_TEST_DEVICE=cuda`` takes a real one.
"""

import os

# Before anything imports matplotlib: a test must not open a window, or fail where there is no display.
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest

import minigrad as mg

where = os.environ.get("MINIGRAD_TEST_DEVICE", "cpu")
if where != "cpu":
    from tests import cupy_standin

    if where == "standin":
        cupy_standin.install()
    cupy_standin.testing_from_the_host()
    mg.device.set_default("cuda")

    def pytest_collection_modifyitems(config, items):
        """Leave out what tests/cupy_standin/not_run.txt names, with the reason there."""
        out = {item for item in items if cupy_standin.is_left_out(item.nodeid)}
        items[:] = [item for item in items if item not in out]
        config.hook.pytest_deselected(items=list(out))


@pytest.fixture(autouse=True)
def _names_for_doctests(doctest_namespace):
    doctest_namespace.update(mg=mg, np=np)


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and mg.device.why_not():
        pytest.skip(mg.device.why_not())
