"""Tensor: an array, its gradient, and its edge in the graph.

A Tensor has no arithmetic of its own: ``a + b`` is ``np.add(a, b)`` and ``t.sum()`` is ``np.sum(t)``. NumPy hands those
calls back to us through its dispatch protocols (NEP 13 and 18), and graph.py records them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import device as devices
from .numpy_face import NumPyFace

# What readers who come from PyTorch look for, and its name here.
ELSEWHERE = {
    "clone": "mg.tensor(t), or np.copy(t) on the graph",
    "cos": "np.cos(t)",
    "dim": "t.ndim",
    "double": "t.astype(np.float64)",
    "exp": "np.exp(t)",
    "expand": "np.broadcast_to(t, shape)",
    "float": "t.astype(np.float32)",
    "log": "np.log(t)",
    "long": "t.astype(np.int64)",
    "matmul": "t @ u",
    "norm": "np.linalg.norm(t)",
    "numel": "t.size",
    "permute": "t.transpose(axes)",
    "pow": "t ** exponent",
    "relu": "mg.nn.functional.relu(t)",
    "requires_grad_": "t.requires_grad = True",
    "sigmoid": "mg.nn.functional.sigmoid(t)",
    "sin": "np.sin(t)",
    "softmax": "mg.nn.functional.softmax(t)",
    "sqrt": "np.sqrt(t)",
    "tanh": "np.tanh(t)",
    "unsqueeze": "np.expand_dims(t, axis)",
    "view": "t.reshape(shape)",
    "zero_": "t.grad = None to forget a gradient; Tensors are values and are not changed in place",
}


class Tensor(NumPyFace):
    """An array that remembers how it was made.

    Parameters
    ----------
    data : array_like
        Kept without a copy where it is an array already; ``mg.tensor`` copies.
    requires_grad : bool, default False
        Whether gradients shall reach this Tensor. Floating-point data only.

    Attributes
    ----------
    data : the raw array (``numpy.ndarray`` or ``cupy.ndarray``)
    grad : Tensor or None
        Sum of all gradients that ``backward()`` brought to this leaf since it was last set to None.

    Examples
    --------
    >>> x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> np.sum(x**2).backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    __slots__ = ("__weakref__", "_node", "_requires_grad", "data", "grad")

    # Given in autograd.py, which stands above this file.
    __array_ufunc__: Callable[..., Any]
    __array_function__: Callable[..., Any]
    backward: Callable[..., None]
    astype: Callable[..., Tensor]
    to: Callable[..., Tensor]
    __getitem__: Callable[..., Tensor]

    def __init__(self, data: Any, requires_grad: bool = False, _node: Any = None) -> None:
        self.data = data if type(data) is np.ndarray else as_array(data)
        self.grad: Tensor | None = None
        self._node = _node
        self._requires_grad = requires_grad
        if _node is None:
            require_numbers(self.data)
            if requires_grad:
                require_float(self.data)

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient flows to this Tensor. Can be set on leaves, e.g. to freeze a parameter."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._node is not None:
            raise ValueError(
                f"requires_grad can be set on leaves only; this Tensor is the result of {self._node.rule.name}. "
                "Use detach() for a copy of its value outside the graph."
            )
        if value:
            require_float(self.data)
        self._requires_grad = bool(value)

    @property
    def is_leaf(self) -> bool:
        """True unless the Tensor is the recorded result of an operation."""
        return self._node is None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def size(self) -> int:
        return self.data.size

    @property
    def dtype(self) -> np.dtype:
        return self.data.dtype

    @property
    def device(self) -> str:
        """``"cpu"``, or ``"cuda:0"`` and so on."""
        return devices.name_of(self.data)

    def detach(self) -> Tensor:
        """The same values (memory shared) outside the graph."""
        return Tensor(self.data)

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array; memory is shared where the Tensor lives on the CPU."""
        return devices.to_host(self.data)

    def item(self) -> Any:
        """The value of a Tensor of one entry as a Python number."""
        return self.data.item()

    def tolist(self) -> Any:
        return self.data.tolist()

    def cpu(self) -> Tensor:
        return self.to("cpu")

    def cuda(self) -> Tensor:
        return self.to("cuda")

    def __float__(self) -> float:
        return float(self.data.item())

    def __int__(self) -> int:
        return int(self.data.item())

    def __index__(self) -> int:
        return operator.index(self.data if isinstance(self.data, np.ndarray) else self.data.item())

    def __bool__(self) -> bool:
        return bool(self.data)

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.data.item(), digits)

    def __len__(self) -> int:
        return len(self.data)

    def __getattr__(self, name: str) -> Any:
        hint = f": write {ELSEWHERE[name]}" if name in ELSEWHERE else ""
        raise AttributeError(f"Tensor has no attribute {name!r}{hint}")

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("cannot iterate over a Tensor of shape (): it holds one number, use float(t) or t.item()")
        return (self[i] for i in range(len(self)))

    def __setitem__(self, key: object, value: object) -> None:
        raise TypeError(
            "Tensors are values and cannot be assigned into: the graph has already used the old entries. "
            "Instead of `t[mask] = v` write `t = np.where(mask, v, t)`; "
            "build a Tensor from parts with np.stack or np.concatenate; initialise a parameter through its `.data`."
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self._requires_grad:
            raise TypeError(
                "a Tensor that requires grad cannot become a NumPy array without losing its gradient. "
                "If you were writing it into an array (`a[i] = t`), build the result from Tensors instead: "
                "np.stack([...]), np.concatenate([...]) or np.where(mask, t, a). "
                "If only the numbers matter, ask for them: t.numpy() or t.detach()."
            )
        array = self.numpy()
        return np.array(array, dtype=dtype, copy=copy) if copy else np.asarray(array, dtype=dtype)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.size == 1 else str(self)

    def __repr__(self) -> str:
        body = np.array2string(self.numpy(), separator=", ", prefix="tensor(")
        notes = [] if self.dtype in (np.float32, np.int64, np.bool_) else [f"dtype={self.dtype}"]
        if self.device != "cpu":
            notes.append(f"device='{self.device}'")
        if self._node is not None:
            notes.append(f"made_by={self._node.rule.name}")
        elif self._requires_grad:
            notes.append("requires_grad=True")
        return f"tensor({', '.join([body, *notes])})"

    def __reduce__(self) -> tuple:
        if self._node is not None:
            raise TypeError(
                f"only leaves can be copied or pickled; this Tensor is the result of {self._node.rule.name}. "
                "Use detach() first."
            )
        return type(self), (self.data, self._requires_grad)

    def __deepcopy__(self, memo: dict) -> Tensor:
        make, (data, requires_grad) = self.__reduce__()
        copied = make(data, requires_grad)
        copied.data = data.copy()  # where it is, even if a new Parameter would go elsewhere
        return copied


def require_numbers(array: Any) -> None:
    """Refuse arrays of objects and strings."""
    if array.dtype.kind not in "fiubc":
        raise TypeError(
            f"Tensors hold numbers, but this data became an array of dtype {array.dtype}: "
            "check for strings, None, or rows of different lengths"
        )


def require_float(array: Any) -> None:
    """Refuse a dtype that cannot carry a gradient."""
    if array.dtype.kind != "f":
        raise TypeError(
            f"only floating-point Tensors can require grad, this one is {array.dtype}: "
            "convert it first, e.g. t.astype(np.float32)"
        )


def as_array(data: Any) -> Any:
    """The array behind `data`; lists of Python floats become float32, whatever carries a dtype keeps it."""
    if isinstance(data, Tensor):
        return data.data
    if devices.is_array(data):
        array = data
    else:
        first = _first_entry(data)
        if isinstance(first, Tensor):
            raise TypeError("a Tensor cannot be made from a list of Tensors: join them with np.stack(list)")
        try:
            array = np.asarray(data)
        except ValueError as error:
            raise ValueError(f"this data is not one array; check for rows of different lengths ({error})") from None
        if array.dtype == np.float64 and not hasattr(first, "dtype"):
            array = array.astype(np.float32)
    require_numbers(array)
    return array


def _first_entry(data: Any) -> Any:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return data


def tensor(data: Any, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Make a Tensor from numbers; the data is copied.

    Parameters
    ----------
    data : number, nested list, array or Tensor
        Python floats become float32; arrays keep their dtype.
    dtype : NumPy dtype, optional
    device : {"cpu", "cuda", "cuda:0", ...}, optional
        Default: an array of a GPU stays there, all else goes to the default device (``mg.device.use``).
    requires_grad : bool, default False

    Examples
    --------
    >>> x = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> z = (x + 2) * (x + 2) * 3
    >>> z.backward(mg.ones((2, 2)))
    >>> x.grad
    tensor([[18., 24.],
            [30., 36.]])
    """
    array = as_array(data)
    array = array.astype(array.dtype if dtype is None else dtype, copy=True)
    return Tensor(devices.move(array, device), requires_grad)


def shape_of(shape: tuple[Any, ...]) -> tuple[int, ...]:
    """A shape that was given as one tuple or as numbers."""
    given = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    if not all(isinstance(n, (int, np.integer)) for n in given):
        raise TypeError(f"a shape is one tuple or integers, got {given}; dtype and device are given by name")
    return given


def zeros(*shape: Any, dtype: Any = np.float32, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Zeros. `shape`: a tuple or numbers."""
    return tensor(np.zeros(shape_of(shape)), dtype, device, requires_grad)


def ones(*shape: Any, dtype: Any = np.float32, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Ones. `shape`: a tuple or numbers."""
    return tensor(np.ones(shape_of(shape)), dtype, device, requires_grad)


def full(
    *shape: Any, fill_value: Any = None, dtype: Any = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """One value everywhere, ``full((2, 3), 0.5)`` or ``full(2, 3, 0.5)``; a float gives float32, an int int64."""
    if fill_value is None:
        *shape, fill_value = shape  # type: ignore[assignment]
    return tensor(np.full(shape_of(tuple(shape)), as_array(fill_value)), dtype, device, requires_grad)


def arange(*bounds: Any, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """``np.arange(*bounds)``; float32 where NumPy gives float64."""
    values = np.arange(*bounds)
    return tensor(values, dtype or (np.float32 if values.dtype.kind == "f" else None), device, requires_grad)


def eye(
    n: int, m: int | None = None, dtype: Any = np.float32, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """The (n, m) identity matrix."""
    return tensor(np.eye(n, m), dtype, device, requires_grad)
