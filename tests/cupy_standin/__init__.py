"""A strict stand-in for CuPy: the GPU path of the package, run without a GPU.

``install()`` puts a module into ``sys.modules["cupy"]`` whose arrays hold a NumPy array and refuse whatever CuPy's
refuse: operands on the host, implicit conversion, functions and keywords that CuPy lacks (names.json is CuPy's own
list, written by names.py). Some things that CuPy lets pass are refused too, because they are mistakes here:

- an index that lies on the host, which CuPy would copy to the device at every use;
- a NumPy scalar that turns float32 into float64.

- arithmetic among numbers in a function that is being fused, which CuPy 14.2 does in half precision.

What CuPy does otherwise than NumPy is done its way: reductions give 0-d arrays, and integer arrays as indices wrap
where they are out of range. ``COUNTS`` counts kernels launched, copies between host and device, and the times the host
waits for the device; ``FUSED`` keeps what was fused, and for which arguments.
"""

from __future__ import annotations

import functools
import json
import sys
import types
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.device import is_array, to_host

KNOWN = json.loads((Path(__file__).parent / "names.json").read_text())
COUNTS: Counter = Counter()
FUSED: dict[types.FunctionType, set[tuple]] = {}
SCALARS = (bool, int, float, complex, np.generic)
TOTAL_BYTES = 8 << 30
COMPARISONS = {"greater", "greater_equal", "less", "less_equal", "equal", "not_equal"}
UFUNC_KEYWORDS = {"out", "dtype", "casting"}
SCATTERS = {"add", "subtract", "maximum", "minimum", "bitwise_and", "bitwise_or", "bitwise_xor"}  # that have .at


class Device:
    """The current device, or device number `index`."""

    current = 0
    memory_limit = TOTAL_BYTES

    def __init__(self, index: int | None = None) -> None:
        self.id = Device.current if index is None else index

    def __enter__(self):
        self.before, Device.current = Device.current, self.id

    def __exit__(self, *_):
        Device.current = self.before

    def use(self):
        Device.current = self.id

    def synchronize(self):
        COUNTS["synchronisations"] += 1

    @property
    def mem_info(self):
        return Device.memory_limit, TOTAL_BYTES


class OutOfMemoryError(MemoryError):
    def __init__(self, size):
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: 0 bytes).")


class Flags:
    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata


class ndarray:  # noqa: N801
    """A NumPy array that behaves as one on a GPU."""

    __slots__ = ("__weakref__", "_array", "_device")
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, array: np.ndarray, device: int | None = None) -> None:
        self._array = array
        self._device = Device.current if device is None else device

    # --- What the host may know without asking the device

    shape = property(lambda self: self._array.shape)
    dtype = property(lambda self: self._array.dtype)
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)
    itemsize = property(lambda self: self._array.itemsize)
    nbytes = property(lambda self: self._array.nbytes)
    strides = property(lambda self: self._array.strides)
    flags = property(lambda self: Flags(self._array.flags))
    device = property(lambda self: Device(self._device))
    T = property(lambda self: ndarray(self._array.T, self._device))
    mT = property(lambda self: ndarray(self._array.mT, self._device))
    __cuda_array_interface__ = property(lambda self: {"shape": self.shape, "version": 3})

    @property
    def base(self):
        return None if self._array.base is None else ndarray(self._array.base, self._device)

    def __len__(self):
        return len(self._array)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    # --- From the device to the host

    def get(self):
        COUNTS["synchronisations"] += 1
        COUNTS["to host"] += 1
        return self._array.copy()

    def item(self, *where):
        return self.get().item(*where)

    def tolist(self):
        return self.get().tolist()

    def __bool__(self):
        return bool(self.get())

    def __float__(self):
        return float(self.get())

    def __int__(self):
        return int(self.get())

    def __complex__(self):
        return complex(self.get())

    def __repr__(self):
        return repr(self.get())

    def __format__(self, spec):
        return format(self.get(), spec)

    def __reduce__(self):
        return asarray, (self.get(),)

    def __array__(self, *_, **__):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    # --- NumPy's calls

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        name = ufunc.__name__
        if name not in KNOWN["ufuncs"] and name != "matmul":
            return NotImplemented
        # also an index that is a tuple, which ufunc.at takes
        if not all(isinstance(x, (ndarray, np.ndarray, *SCALARS)) for x in (*inputs, *kwargs.get("out", ()))):
            return NotImplemented
        if ufunc.nout == 1 and "out" in kwargs:
            (kwargs["out"],) = kwargs["out"]
        if name in COMPARISONS:
            inputs = tuple(x.item() if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in inputs)
        if method == "__call__":
            return _call_ufunc(ufunc, inputs, kwargs)
        if method == "at" and name in SCATTERS:
            target, index, *values = inputs
            COUNTS["launches"] += 1
            return ufunc.at(_raw(target), _index(target, index), *map(_operand, values))
        if method in ("reduce", "accumulate") and name in ("add", "multiply"):
            run = {"reduceadd": np.sum, "reducemultiply": np.prod, "accumulateadd": np.cumsum}.get(method + name)
            return _call_function(run or np.cumprod, inputs, kwargs)
        if method == "outer":
            return _call_ufunc(ufunc.outer, inputs, kwargs)
        raise NotImplementedError(f"`cupy_{name}.{method}` is not supported yet")

    def __array_function__(self, function, kinds, args, kwargs):
        if not all(issubclass(kind, (ndarray, np.ndarray)) for kind in kinds):
            return NotImplemented
        name = f"{function.__module__}.{function.__name__}".partition(".")[2]
        if name not in KNOWN["functions"]:
            return NotImplemented
        return _call_function(function, args, kwargs, KNOWN["functions"][name])

    # --- Indexing

    def __getitem__(self, index):
        where = _index(self, index)
        advanced = _is_advanced(where)
        COUNTS["launches"] += advanced
        return ndarray(self._array[where] if advanced else self._array[where][...], self._device)

    def __setitem__(self, index, value):
        if isinstance(value, np.ndarray):
            whole = index is Ellipsis or index == slice(None)
            if not (whole and value.shape == self.shape and value.dtype == self.dtype):
                raise ValueError(
                    "copying a numpy.ndarray to a cupy.ndarray by empty slice assignment must ensure arrays have same "
                    "shape and dtype"
                )
            COUNTS["to device"] += 1
            self._array[...] = value
            return
        COUNTS["launches"] += 1
        self._array[_index(self, index)] = _operand(value)

    def __deepcopy__(self, _memo):
        return self.copy()

    # --- Methods that take other arguments than the function of their name

    def astype(self, dtype, order="K", copy=True):
        if not copy and np.dtype(dtype) == self.dtype:
            return self
        COUNTS["launches"] += 1
        return ndarray(self._array.astype(dtype, order=order), self._device)

    def copy(self, order="C"):
        COUNTS["launches"] += 1
        return ndarray(self._array.copy(order), self._device)

    def view(self, dtype):
        return ndarray(self._array.view(dtype), self._device)

    def fill(self, value):
        COUNTS["launches"] += 1
        self._array.fill(_operand(value))

    def reshape(self, *shape, order="C"):
        return _wrap(self._array.reshape(*shape, order=order), [self])

    def transpose(self, *axes):
        if not axes or axes == (None,):
            return self.T
        if len(axes) == 1 and isinstance(axes[0], (tuple, list)):
            (axes,) = axes
        if any(isinstance(axis, np.ndarray) for axis in axes):
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return ndarray(self._array.transpose(axes), self._device)

    def flatten(self, order="C"):
        return self.copy(order).reshape(-1)


def _method(name):
    def method(self, *args, **kwargs):
        return _call_function(getattr(np, name), (self, *args), kwargs, KNOWN["functions"][name])

    return method


for _name in KNOWN["ndarray"]:
    if not _name.startswith("_") and _name in KNOWN["functions"] and _name not in vars(ndarray):
        setattr(ndarray, _name, _method(_name))

OPERATORS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "pow": np.power, "matmul": np.matmul, "and": np.bitwise_and, "or": np.bitwise_or,
    "xor": np.bitwise_xor, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "eq": np.equal, "ne": np.not_equal, "neg": np.negative, "pos": np.positive, "abs": np.absolute,
    "invert": np.invert,
}  # fmt: skip


def _operators(name, ufunc):
    if ufunc.nin == 1:
        return {name: lambda x: ufunc(x)}
    return {
        name: lambda x, y: ufunc(x, y),
        f"r{name}": lambda x, y: ufunc(y, x),
        f"i{name}": lambda x, y: ufunc(x, y, out=x),
    }


for _name, _ufunc in OPERATORS.items():
    for _operator, _run in _operators(_name, _ufunc).items():
        if f"__{_operator}__" in KNOWN["ndarray"]:
            setattr(ndarray, f"__{_operator}__", _run)


# --- Arguments and results


def _raw(value: Any) -> Any:
    """The argument of a function with the arrays behind it, none of which may lie on the host."""
    if isinstance(value, ndarray):
        return value._array
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {np.ndarray}")
    if isinstance(value, (list, tuple)):
        return type(value)(_raw(v) for v in value)
    return value


def _operand(value: Any) -> Any:
    """The argument of a kernel: an array of the device or a scalar."""
    if isinstance(value, ndarray):
        return value._array
    if isinstance(value, SCALARS):
        return value
    raise TypeError(f"Unsupported type {type(value)}")


def _same_device(arrays: list[ndarray]) -> int:
    devices = {a._device for a in arrays}
    if len(devices) > 1:
        raise ValueError(f"Array device must be same as the current device: found {sorted(devices)}")
    return devices.pop() if devices else Device.current


def _arrays(value: Any) -> list[ndarray]:
    if isinstance(value, ndarray):
        return [value]
    if isinstance(value, (list, tuple)):
        return [a for v in value for a in _arrays(v)]
    return []


def _wrap(result: Any, inputs: list[ndarray]) -> Any:
    """The result on the device; a kernel was launched unless it is a view."""
    if isinstance(result, (tuple, list)):
        return type(result)(_wrap(r, inputs) for r in result)
    if not isinstance(result, (np.ndarray, np.generic)):
        return result  # a shape, a dtype
    array = np.asarray(result)
    where = _same_device(inputs)
    if array.base is not None and any(np.may_share_memory(array, x._array) for x in inputs):
        return ndarray(array, where)
    COUNTS["launches"] += 1
    return _made(array, where)


def _made(array: np.ndarray, where: int) -> ndarray:
    if array.nbytes > Device.memory_limit:
        raise OutOfMemoryError(array.nbytes)
    return ndarray(array, where)


def _call_ufunc(ufunc, inputs, kwargs):
    unknown = kwargs.keys() - UFUNC_KEYWORDS
    if unknown:
        raise TypeError(f"Wrong arguments {unknown}")
    raw = [_operand(x) for x in inputs]
    if ufunc.__name__ not in COMPARISONS:
        _no_silent_float64(raw)
    out = kwargs.get("out")
    if out is None:
        return _wrap(ufunc(*raw, **kwargs), _arrays(inputs))
    COUNTS["launches"] += 1
    _same_device(_arrays([*inputs, out]))
    ufunc(*raw, **{**kwargs, "out": _operand(out)})
    return out


def _no_silent_float64(raw):
    strong = [x for x in raw if isinstance(x, np.float64)]
    if strong and any(isinstance(x, np.ndarray) and x.dtype == np.float32 for x in raw):
        raise TypeError(f"the NumPy scalar {strong[0]!r} would turn float32 into float64; use a Python float")


SYNCHRONISING = {"nonzero", "flatnonzero", "argwhere", "unique", "bincount", "isin", "extract", "compress", "average"}


def _call_function(function, args, kwargs, parameters=None):
    name = function.__name__
    if parameters is not None and "kwargs" not in parameters:
        unknown = kwargs.keys() - set(parameters)
        if unknown:
            raise TypeError(f"{name}() got an unexpected keyword argument {sorted(unknown)}")
        if len(args) > len(parameters) and "operands" not in parameters:
            raise TypeError(f"{name}() takes {len(parameters)} positional arguments but {len(args)} were given")
    if name in ("asarray", "array"):
        return asarray(*args, **kwargs)
    if name == "where" and not hasattr(args[0], "astype"):
        raise AttributeError(f"{type(args[0]).__name__!r} object has no attribute 'astype'")
    if name in ("where", "clip"):
        _no_silent_float64([_operand(x) for x in args if x is not None])
    if name == "transpose":
        return args[0].transpose(*args[1:], **kwargs)
    if name == "reshape":
        return args[0].reshape(*args[1:], **kwargs)
    COUNTS["synchronisations"] += name in SYNCHRONISING
    inputs = _arrays([*args, *kwargs.values()])
    out = kwargs.get("out")
    result = function(*_raw(list(args)), **{k: _raw(v) for k, v in kwargs.items()})
    if out is not None:
        COUNTS["launches"] += 1
        return out
    if name in ("empty", "empty_like"):
        return ndarray(result, _same_device(inputs))
    return _wrap(result, inputs)


def _index(array: ndarray, index: Any) -> Any:
    """The index for NumPy; out of range it wraps, in lists and on the host it is refused."""
    parts = index if isinstance(index, tuple) else (index,)
    axis, found = 0, []
    used = sum(1 if not isinstance(p, ndarray) or p.dtype.kind != "b" else p.ndim for p in parts if p is not None)
    for part in parts:
        if isinstance(part, ndarray):
            if part.dtype.kind == "b":
                COUNTS["synchronisations"] += 1  # the size of the result has to be known
                axis += part.ndim
                found.append(part._array)
                continue
            if part.dtype.kind not in "iu":
                raise IndexError("arrays used as indices must be of integer or boolean type")
            size = array.shape[axis]
            found.append(part._array % size if size else part._array)
            axis += 1
            continue
        if not (part is None or part is Ellipsis or isinstance(part, (slice, int, np.integer))):
            raise IndexError(
                f"an index of type {type(part).__name__} lies on the host, or is none: move integer and boolean "
                "arrays to the device"
            )
        found.append(part)
        if part is Ellipsis:
            axis += array.ndim - (used - 1)
        elif part is not None:
            axis += 1
    return tuple(found)


def _is_advanced(parts: tuple) -> bool:
    return any(isinstance(p, np.ndarray) for p in parts)


# --- Functions that are fused, and the ufuncs that they call


class Variable:
    """An array or a number in a function that is being fused: it knows operators, and CuPy's ufuncs know it."""

    __array_ufunc__ = None  # NumPy's do not
    __hash__ = None

    def __init__(self, value: Any, written: bool = True) -> None:
        self.value = value
        self.may_be_written = written and isinstance(value, np.ndarray)

    def __bool__(self):
        raise TypeError("Can't cast to bool")


class Ufunc:
    """cupy.exp and its like, as a function calls them that is being fused."""

    def __init__(self, function: Any) -> None:
        self.function, self.nin = function, getattr(function, "nin", 3)

    def __call__(self, *inputs, out=None):
        for x in inputs:
            if type(x) not in (Variable, int, float):
                raise TypeError(f"Unsupported type {type(x)}")
        raw = [x.value if isinstance(x, Variable) else x for x in inputs]
        if not any(isinstance(x, np.ndarray) for x in raw):
            raise TypeError(f"{self.function.__name__} of numbers alone: take it outside, CuPy uses half precision")
        if self.function is np.where and raw[0].dtype != bool:
            raise TypeError(f"Invalid type cast in 'cupy_where': the condition is {raw[0].dtype}")
        if out is None:
            return Variable(np.asarray(self.function(*raw)))
        if not isinstance(out, Variable) or not out.may_be_written:
            raise TypeError("return arrays must be of ArrayType, and in the shape of the kernel")
        self.function(*raw, out=out.value)
        return out

    def at(self, target: ndarray, index: Any, values: Any) -> None:
        COUNTS["launches"] += 1
        self.function.at(_raw(target), _index(target, index), _operand(values))


for _name in OPERATORS.keys() - {"matmul", "pos", "abs"}:
    for _operator, _run in _operators(_name, Ufunc(OPERATORS[_name])).items():
        if _operator != "rpow":
            setattr(Variable, f"__{_operator}__", _run)


def fuse(function: types.FunctionType) -> Any:
    """One kernel of a function of arrays and Python numbers; FUSED keeps for what it was made."""
    if not function.__name__.isidentifier():
        raise ValueError(f"{function.__name__!r} is no name for a kernel")

    @functools.wraps(function)
    def kernel(*args):
        if any(a is not None and type(a) not in (ndarray, int, float) for a in args):
            raise TypeError(f"Invalid argument type for {function.__name__!r}: {[type(a).__name__ for a in args]}")
        arrays = _arrays(args)
        where, shape = _same_device(arrays), np.broadcast_shapes(*(a.shape for a in arrays))
        variables, kinds = [], []
        for a in args:
            is_array = type(a) is ndarray
            variables.append(None if a is None else Variable(a._array, a.shape == shape) if is_array else Variable(a))
            kinds.append((a.dtype.char, a.ndim) if is_array else a if a is None else type(a))
        FUSED.setdefault(function, set()).add(tuple(kinds))
        COUNTS["launches"] += 1
        result = function(*variables)
        return None if result is None else _made(np.broadcast_to(result.value, shape).copy(), where)

    return kernel


# --- The module


def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: bool | None = None) -> Any:
    """Also how data gets to the device."""
    if isinstance(a, ndarray):
        if a._device != Device.current:
            return ndarray(a._array.astype(dtype or a.dtype))
        same = dtype is None or np.dtype(dtype) == a.dtype
        return a if same and not copy else a.astype(dtype or a.dtype)
    if isinstance(a, (list, tuple)) and _arrays(a):
        return _call_function(np.stack, (a,), {})
    COUNTS["to device"] += 1
    return _made(np.array(a, dtype=dtype, order=order or "K"), Device.current)


def as_strided(x: ndarray, shape: Any = None, strides: Any = None) -> ndarray:
    return ndarray(np.lib.stride_tricks.as_strided(_raw(x), shape, strides), x._device)


class MemoryPool:
    def used_bytes(self):
        return 0

    def free_bytes(self):
        return 0


def module() -> types.ModuleType:
    """The module object; its functions are reached through NumPy's dispatch."""
    cupy: Any = types.ModuleType("cupy")
    cupy.__version__ = f"stand-in for {KNOWN['cupy']}"
    cupy.ndarray, cupy.asarray, cupy.array = ndarray, asarray, functools.partial(asarray, copy=True)
    cupy.fuse, cupy.where = fuse, Ufunc(np.where)
    for name in KNOWN["ufuncs"]:
        setattr(cupy, name, Ufunc(getattr(np, name)))
    cupy.lib = types.SimpleNamespace(stride_tricks=types.SimpleNamespace(as_strided=as_strided))
    cupy.get_default_memory_pool = MemoryPool
    cupy.cuda = types.SimpleNamespace(
        Device=Device,
        runtime=types.SimpleNamespace(getDeviceCount=lambda: 2),
        memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
    )
    return cupy


def install() -> None:
    sys.modules["cupy"] = module()


def testing_from_the_host() -> None:
    """Let np.testing's assertions look at arrays of the device, as cupy.testing's do."""

    def looking(assertion):
        @functools.wraps(assertion)
        def on_host(*args, **kwargs):
            return assertion(*(to_host(a) if is_array(a) else a for a in args), **kwargs)

        return on_host

    for name in ("assert_allclose", "assert_array_equal", "assert_equal"):
        setattr(np.testing, name, looking(getattr(np.testing, name)))


@functools.cache
def _left_out() -> tuple[str, ...]:
    lines = (Path(__file__).parent / "not_run.txt").read_text().splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


def is_left_out(nodeid: str) -> bool:
    """Whether not_run.txt names this test, or the test or file that it is part of."""
    return nodeid.startswith(_left_out())
