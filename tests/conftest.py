"""A GPU that is played by tests/cupy_standin, for one test."""

import sys

import pytest

from minigrad import device
from tests import cupy_standin


@pytest.fixture
def cupy(monkeypatch):
    """The stand-in in CuPy's place."""
    module = cupy_standin.module()
    monkeypatch.setitem(sys.modules, "cupy", module)
    device._probe.cache_clear()
    yield module
    device._probe.cache_clear()


@pytest.fixture
def on_cpu():
    """New Tensors are on the host, wherever the suite runs."""
    with device.use("cpu"):
        yield
