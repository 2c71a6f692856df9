"""Where the tests' models are: on the host, or on the device that MINIGRAD_TEST_DEVICE names."""

from typing import Any

import minigrad as mg

NAME = mg.zeros(1).device
ARRAY = type(mg.zeros(1).data)


def on_device(array: Any) -> Any:
    """The NumPy array beside the models, for what takes no Tensor, or as its ``.data``; no copy where it is there."""
    return mg.device.move(array, None)
