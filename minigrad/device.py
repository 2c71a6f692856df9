"""Where arrays live. The only file that knows CuPy.

A device is ``"cpu"``, ``"cuda"`` (the current GPU) or ``"cuda:<number>"``. CuPy is imported at the first request for a
GPU, not before. Importing it succeeds on machines without one, so a probe computes something and keeps the reason if
it cannot.

All random numbers are drawn on the host (random.py), so ``mg.manual_seed`` gives the same run on every device.

Labels, weights, targets and indices are best kept on the host: they are checked there and follow the Tensor that they
belong to, and the GPU never has to be waited for. On a GPU they are checked too (indices excepted: CuPy wraps those out
of range), and each check waits for everything before it; so do a dict of class weights and indexing by a mask.

Model inputs and operands of arithmetic do not move by themselves. What is given to a function together with a model
(``training.fit``, ``per_sample_gradients``, the estimator ...) follows the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from inspect import signature
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

# glibc returns freed memory to the system at once, and pays for it with page faults at the next step of training, until
# it has seen one large block come and go; then it keeps up to 64 MB. This block is never touched, so it costs nothing;
# a LeNet-5 step at batch 64 takes 30 % less. Other allocators are not affected.
np.empty(31 << 20, np.uint8)

INSTALL = 'from the checkout: python -m pip install -e ".[cuda13]", or ".[cuda12]" for an older driver'

_default = "cpu"


# --- Is there a GPU?


@cache
def _probe() -> tuple[Any, str]:
    """CuPy, and why it cannot be used: "" if a kernel, a matrix product and a copy gave the right numbers."""
    try:
        import cupy
    except ImportError as error:
        return None, f"CuPy cannot be imported ({error}); install it {INSTALL}"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy's own classes, which there is no naming without importing more of it
        if "InsufficientDriver" in str(error):
            return cupy, f"there is no NVIDIA driver, or one too old for this CuPy ({error}): nvidia-smi tells which"
        return cupy, f"no NVIDIA GPU is to be seen ({error}); is CUDA_VISIBLE_DEVICES set?"
    if not count:
        return cupy, "the NVIDIA driver works, but sees no GPU; is CUDA_VISIBLE_DEVICES set?"
    try:
        x = cupy.asarray(np.array([[1, 2], [3, 4]], np.float32))
        found = (x @ (x + x)).get().tolist()
    except Exception as error:  # a compiler, a header, a library that is missing: each raises its own
        return cupy, f"a GPU is there, but computing on it fails ({type(error).__name__}: {error}); reinstall {INSTALL}"
    if found != [[14, 20], [30, 44]]:
        return cupy, f"the GPU computes wrong numbers: [[14, 20], [30, 44]] came out as {found}"
    return cupy, ""


def is_available() -> bool:
    """Whether a GPU computes here."""
    return not why_not()


def why_not() -> str:
    """Why no GPU can be used and what to do about it; "" if one can."""
    return _probe()[1]


def _cupy() -> Any:
    cupy, reason = _probe()
    if reason:
        raise RuntimeError(f"no GPU here: {reason}")
    return cupy


# --- Arrays and their places


def is_array(data: Any) -> bool:
    """Whether `data` is an array of ours to compute with: NumPy's, or a GPU library's that speaks its protocols."""
    return isinstance(data, np.ndarray) or hasattr(data, "__cuda_array_interface__")


def name_of(array: Any) -> str:
    """``"cpu"`` or ``"cuda:i"``."""
    where = array.device
    return where if isinstance(where, str) else f"cuda:{where.id}"


def to_host(array: Any) -> np.ndarray:
    return array if isinstance(array, np.ndarray) else array.get()


def to_host_together(arrays: list[Any]) -> list[Any]:
    """The arrays on the host; a GPU is waited for once and copied from once. What is on the host stays as it is."""
    parts = [array.ravel().view(np.uint8) for array in arrays if not on_host(array)]
    if not parts:
        return arrays
    pieces = iter(np.split(to_host(np.concatenate(parts)), np.cumsum([part.size for part in parts])))
    return [a if on_host(a) else next(pieces).copy().view(a.dtype).reshape(a.shape) for a in arrays]


def move(array: Any, device: str | None) -> Any:
    """`array` on `device`; the array itself where it is there already.

    None: an array on a GPU stays, one on the host goes to the default device.
    """
    if device is None:
        if _default == "cpu" or not isinstance(array, np.ndarray):
            return array
        device = _default
    if device == "cpu":
        return to_host(array)
    with _gpu(device):
        return _cupy().asarray(array)


def on_host(array: Any) -> bool:
    """Whether NumPy holds the numbers, so that asking for one costs nothing."""
    return isinstance(array, (np.ndarray, np.generic))


def beside(array: Any, other: Any) -> Any:
    """`array` on the device of the array `other` if it is on the host; what is on a GPU is not moved silently."""
    if isinstance(other, np.ndarray) or not isinstance(array, np.ndarray):
        return array
    return move(array, name_of(other))


def add_at(array: Any, index: Any, values: Any) -> None:
    """``np.add.at``; CuPy does not let NumPy hand it an index that is a tuple. Sums on a GPU come in any order."""
    (np if isinstance(array, np.ndarray) else _cupy()).add.at(array, index, values)


def strided(array: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """Another view of the array's memory, unchecked; NumPy's function does not hand CuPy's arrays on."""
    library = np if isinstance(array, np.ndarray) else _cupy()
    return library.lib.stride_tricks.as_strided(array, shape, strides)


def _gpu(device: str) -> Any:
    """CuPy's object for ``"cuda"`` or ``"cuda:i"``."""
    if not isinstance(device, str):
        raise TypeError(f"a device is 'cpu', 'cuda' or 'cuda:<number>', got {device!r}; to change the dtype use astype")
    match = re.fullmatch(r"cuda(?::(\d+))?", device)
    if not match:
        raise ValueError(f"unknown device {device!r}: expected 'cpu', 'cuda' or 'cuda:<number>'")
    cuda = _cupy().cuda
    if match[1] is None:
        return cuda.Device()
    count = cuda.runtime.getDeviceCount()
    if int(match[1]) >= count:
        raise ValueError(f"there is no {device}: this machine has {count}, counted from cuda:0")
    return cuda.Device(int(match[1]))


def default() -> str:
    """Where new Tensors and parameters go."""
    return _default


def set_default(device: str) -> None:
    """Make `device` the place of new Tensors and parameters, and, if it is a GPU, the current one.

    What ``mg.tensor`` makes of numbers and host arrays, what ``mg.zeros`` and its like, ``mg.rand`` and the layers
    of ``mg.nn`` make goes there. Existing arrays stay, also those in ``mg.Tensor(array)``. Work on ``cuda:1`` needs
    this, too: CuPy computes on the current GPU.
    """
    global _default
    if device != "cpu":
        _gpu(device).use()
    _default = device


@contextmanager
def use(device: str) -> Iterator[None]:
    """``set_default`` for a ``with`` block.

    Examples
    --------
    >>> with mg.device.use("cuda" if mg.device.is_available() else "cpu"):
    ...     model = mg.models.MLP([64, 64, 10])
    """
    before, gpu = _default, None if device == "cpu" else _cupy().cuda.Device()
    set_default(device)
    try:
        yield
    finally:
        set_default(before)
        if gpu is not None:
            gpu.use()


def synchronize() -> None:
    """Wait until the current GPU has done all that it was told: before reading a clock. Nothing to do without one."""
    if is_available():
        _cupy().cuda.Device().synchronize()


# --- Chains of elementwise operations


def fused(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a chain of elementwise operations run as one kernel on a GPU, through ``cupy.fuse``.

    On anything but arrays of a GPU and numbers it is `function` itself: on NumPy's arrays, on Tensors.

    Parameters
    ----------
    function : callable
        Takes an array, then arrays, numbers and None, by position. An argument whose name begins with an underscore
        is not looked at. The body is made of operators, ``np.where`` and ufuncs, ``np`` being CuPy in the kernel, and
        may write into its arguments. What CuPy does not fuse has to stay outside: reductions, indices, shapes,
        ``abs``, a branch on a number. So does arithmetic among numbers: CuPy 14 does it in half precision.

    Examples
    --------
    >>> @mg.device.fused
    ... def smooth(mean, x, old, new):
    ...     mean *= old
    ...     mean += new * x
    >>> mean = np.zeros(2)
    >>> smooth(mean, np.array([1.0, 2.0]), 0.9, 1 - 0.9)
    >>> mean
    array([0.1, 0.2])
    """
    seen = [not name.startswith("_") for name in signature(function).parameters]

    @wraps(function)
    def chain(*args: Any) -> Any:
        if type(args[0]) is not np.ndarray:
            given = [a if s else None for a, s in zip(args, seen, strict=True)]
            if _on_gpu(args[0]) and all(a is None or type(a) in (int, float) or _on_gpu(a) for a in given):
                return _in_order(_kernel(function, _cupy()), given)
        return function(*args)

    return chain


def _on_gpu(value: Any) -> bool:
    return hasattr(type(value), "__cuda_array_interface__")  # of the value itself CuPy would have to compute it


def _in_order(kernel: Callable[..., Any], args: list[Any]) -> Any:
    """Call a kernel so that its result lies in memory as the first array does: left alone, it would be in C order."""
    first, arrays = args[0], [a for a in args if _on_gpu(a)]
    if first.flags.c_contiguous or any(a.ndim != first.ndim for a in arrays):
        return kernel(*args)
    axes = sorted(range(first.ndim), key=first.strides.__getitem__, reverse=True)
    result = kernel(*(a.transpose(axes) if _on_gpu(a) else a for a in args))
    return None if result is None else result.transpose([axes.index(i) for i in range(first.ndim)])


@cache
def _kernel(function: Callable[..., Any], cupy: Any) -> Any:
    """`function` with CuPy for NumPy, as CuPy fuses it: one kernel for each combination of dtypes and dimensions."""
    name = "minigrad_" + re.sub(r"\W", "_", function.__name__)
    return cupy.fuse(FunctionType(function.__code__, {**function.__globals__, "np": cupy}, name))


# --- Memory


class Memory(NamedTuple):
    """Bytes of a GPU: `free` for new arrays, `used` by arrays, `total` built in."""

    free: int
    used: int
    total: int


def memory(device: str = "cuda") -> Memory:
    """The memory of a GPU, in bytes. What CuPy holds in reserve counts as free."""
    with _gpu(device) as _:
        free, total = _cupy().cuda.Device().mem_info
        pool = _cupy().get_default_memory_pool()
        return Memory(free + pool.free_bytes(), pool.used_bytes(), total)


def out_of_memory(error: MemoryError, what: str, shapes: Iterable[tuple[int, ...]]) -> MemoryError:
    """`error` with the request, what is free, and a batch size to try; the batch is the first axis of the first."""
    found = re.search(r"([\d,]+) bytes", str(error))
    request = int(found[1].replace(",", "")) if found else 0
    free = memory().free if found and is_available() else 0
    batch = next((shape[0] for shape in shapes if len(shape) > 1), 1)
    advice = "even one sample does not fit: make the model smaller"
    if batch > 1:
        share = min(0.5, free / request) if free else 0.5
        advice = f"try a batch of {1 << max(0, int(batch * share).bit_length() - 1)} instead of {batch}"
    asked = f": {_readable(request)} asked for, {_readable(free)} free" if free else f" ({error})"
    return MemoryError(f"out of memory in {what}{asked}; {advice}")


def _readable(size: int) -> str:
    return f"{size / 2**30:.2f} GiB" if size >= 2**29 else f"{size / 2**20:.1f} MiB"
