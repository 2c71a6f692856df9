"""Where arrays live. The only file that knows CuPy.

CuPy is imported at the first request for a GPU, not before.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# glibc returns freed memory to the system at once, and pays for it with page faults at the next step of training, until
# it has seen one large block come and go; then it keeps up to 64 MB. This block is never touched, so it costs nothing;
# a LeNet-5 step at batch 64 takes 30 % less. Other allocators are not affected.
np.empty(31 << 20, np.uint8)


def is_array(data: Any) -> bool:
    """Whether `data` is an array of ours to compute with: NumPy's, or a GPU library's that speaks its protocols."""
    return isinstance(data, np.ndarray) or hasattr(data, "__cuda_array_interface__")


def name_of(array: Any) -> str:
    """``"cpu"`` or ``"cuda:i"``."""
    where = array.device
    return where if isinstance(where, str) else f"cuda:{where.id}"


def to_host(array: Any) -> np.ndarray:
    return array if isinstance(array, np.ndarray) else array.get()


def move(array: Any, device: str) -> Any:
    """`array` on `device`; the array itself where it is there already."""
    if not isinstance(device, str):
        raise TypeError(f"a device is 'cpu', 'cuda' or 'cuda:<number>', got {device!r}; to change the dtype use astype")
    kind, _, index = device.partition(":")
    if kind == "cpu":
        return to_host(array)
    if kind != "cuda" or not (index.isdigit() or index == ""):
        raise ValueError(f"unknown device {device!r}: expected 'cpu', 'cuda' or 'cuda:<number>'")
    cupy = _cupy()
    with cupy.cuda.Device(int(index or 0)):
        return cupy.asarray(array)


def _cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        raise RuntimeError(
            f"no GPU here: CuPy cannot be imported ({error}). "
            'Install it from the checkout with `pip install -e ".[cuda12]"` or ".[cuda13]", to match the driver.'
        ) from error
    return cupy
