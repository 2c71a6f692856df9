"""Chains of elementwise operations as one kernel: on the host, on the stand-in, and as CuPy itself compiles them."""

import contextlib
import ctypes
import importlib
import inspect
import shutil
import subprocess
import sys
import types
import warnings

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import device
from minigrad.graph import RULES
from tests.cupy_standin import COUNTS, FUSED

needs = pytest.mark.usefixtures("cupy", "on_cpu")


@device.fused
def rolled(mean, x, old, new, shift, _ignored):
    mean *= old
    mean += new * np.exp(x)
    if shift is not None:
        mean += shift


def test_on_the_host_it_is_the_function_itself():
    expected = 0.5 * np.ones(3) + 2 * np.exp(np.arange(3.0))
    mean = np.ones(3)
    assert rolled(mean, np.arange(3.0), 0.5, 2, None, "anything") is None
    np.testing.assert_array_equal(mean, expected)
    assert inspect.signature(rolled) == inspect.signature(inspect.unwrap(rolled))
    product = device.fused(lambda a, b: a * b)
    assert product(3, 2.0) == 6
    np.testing.assert_array_equal((product(mg.ones(2), mg.ones(2) * 2)).numpy(), [2, 2])


@needs
def test_on_a_gpu_it_is_one_launch_with_the_same_bits():
    means = [np.ones(3, np.float32), np.ones(3, np.float32)]
    there = [mg.device.move(a, "cuda") for a in (means[0], np.arange(3, dtype=np.float32))]
    before = COUNTS["launches"]
    rolled(*there, 0.9, 1 - 0.9, 1, object())
    assert COUNTS["launches"] == before + 1
    rolled(means[1], np.arange(3, dtype=np.float32), 0.9, 1 - 0.9, 1, None)
    np.testing.assert_array_equal(there[0].get(), means[1])


@needs
@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
def test_the_result_lies_in_memory_as_the_first_array_does(axes):
    x = np.arange(24.0).reshape(2, 3, 4).transpose(axes)
    there = mg.device.move(x.base.reshape(2, 3, 4), "cuda").transpose(axes)
    y = device.fused(lambda a, b, s: a * b + s)(there, np.cos(there), 2)
    np.testing.assert_array_equal(y.get(), x * np.cos(x) + 2)
    assert y.strides == there.strides


@needs
def test_a_mixture_of_devices_is_not_fused_and_says_so():
    twice = mg.primitive(device.fused(lambda a, b: a * b))
    mg.rule(twice, lambda g, _y, _a, b: g * b)
    for pair in ((mg.ones(2), mg.ones(2, device="cuda")), (mg.ones(2, device="cuda"), mg.ones(2))):
        with pytest.raises(TypeError, match="Expected all tensors to be on the same device, but found cpu and cuda:0"):
            twice(*pair)


# --- The stand-in refuses what CuPy does not fuse

REFUSED = {
    "a branch on a number": (lambda x, s: x * 2 if s else x, "Can't cast to bool"),
    "arithmetic among numbers": (lambda x, s: x * (1 - s), "subtract of numbers alone: take it outside"),
    "a function of a number": (lambda x, s: x * np.sqrt(s), "sqrt of numbers alone"),
    "a reduction": (lambda x, s: x * np.sum(x), "no attribute 'sum'"),
    "a method": (lambda x, s: x * x.max(), "no attribute 'max'"),
    "an index": (lambda x, s: x[0], "not subscriptable"),
    "a shape": (lambda x, s: x * x.shape[0], "no attribute 'shape'"),
    "abs()": (lambda x, s: abs(x), "bad operand type for abs"),
    "a number to the power of an array": (lambda x, s: 2**x, "unsupported operand"),
    "an array of the host": (lambda x, s: x * HOST, "Unsupported type <class 'numpy.ndarray'>"),
    "a NumPy scalar": (lambda x, s: x * HALF, "Unsupported type <class 'numpy.float64'>"),
    "a keyword": (lambda x, s: np.add(x, x, where=True), "unexpected keyword argument 'where'"),
    "out= as a tuple": (lambda x, s: np.add(x, x, out=(x,)), "return arrays must be of ArrayType"),
    "a condition that is none": (lambda x, s: np.where(x, x, s), "the condition is float32"),
}
HOST, HALF = np.ones(2, np.float32), np.float64(0.5)


@needs
@pytest.mark.parametrize(("chain", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cupy_does_not_fuse(chain, message):
    with pytest.raises((TypeError, AttributeError), match=message):
        device.fused(chain)(mg.ones(2, device="cuda").data, 0.5)


@needs
def test_an_array_that_is_broadcast_is_not_written_to():
    def into(x, y):
        x += y

    column, table = (mg.ones(*shape, device="cuda").data for shape in ((2, 1), (2, 3)))
    with pytest.raises(TypeError, match="in the shape of the kernel"):
        device.fused(into)(column, table)


# --- What the package fuses

OPTIMISERS = [
    (mg.optim.SGD, {}),
    (mg.optim.SGD, {"momentum": 0.9, "dampening": 0.5}),
    (mg.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "lr": [0.1, 0.2, 0.3]}),
    (mg.optim.Adam, {"lr": 1}),
    (mg.optim.Adam, {"betas": (0, 0.5), "weight_decay": 0.1, "lr": [0.1, 0.2, 0.3]}),
    (mg.optim.RMSprop, {}),
    (mg.optim.RMSprop, {"centered": True, "momentum": 0.9, "weight_decay": 0.1}),
]
FUNCTIONS = [F.relu, F.leaky_relu, F.sigmoid, F.softplus, F.erf, F.log_softmax]


def results_of_all(dtype):
    """What every fused function of the package makes, forwards and backwards, on the default device."""
    found, values = [], np.linspace(-3, 3, 6).reshape(3, 2)
    for make, settings in OPTIMISERS:
        p = mg.nn.Parameter(values.astype(dtype))
        optimizer = make([{"params": [p], **settings}])
        for _ in range(2):
            p.grad = mg.tensor(values**2 - 1, dtype=dtype)
            optimizer.step()
        found.append(p)
    for function in FUNCTIONS:
        x = mg.tensor(values, dtype=dtype, requires_grad=True)
        y = function(x)
        np.sum(y * y).backward()
        found += [y, x.grad]
    return [t.numpy() for t in found]


def here_and_there(dtype):
    results = []
    for where in ("cpu", "cuda"):
        with device.use(where):
            results.append(results_of_all(dtype))
    return zip(*results, strict=True)


@needs
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_have_the_bits_of_the_host(dtype):
    for here, there in here_and_there(dtype):
        np.testing.assert_array_equal(there, here)
        assert there.dtype == here.dtype == dtype


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_have_the_values_of_the_host_on_a_gpu(dtype):
    for here, there in here_and_there(dtype):
        np.testing.assert_allclose(there, here, rtol=100 * np.finfo(dtype).eps, atol=100 * np.finfo(dtype).eps)
        assert there.dtype == dtype


# --- CuPy's own kernels, compiled without a GPU

WHEELS = "cupy-cuda12x nvidia-cuda-nvrtc-cu12 nvidia-cuda-runtime-cu12"


def of_the_package():
    """The code of every function that the package fuses."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("minigrad.")]
    found = [value for module in modules for value in vars(module).values()]
    found += [vjp for rule in RULES.values() for vjp in (rule.function, *rule.vjps)]
    functions = [f for f in found if inspect.isfunction(f) and f.__module__.startswith("minigrad.")]
    chain = device.fused(lambda x: x).__code__
    return {inspect.unwrap(f).__code__ for f in functions if f.__code__ is chain}


def real_cupy(monkeypatch):
    """CuPy itself, and NVRTC, or a skip with the reason."""
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = importlib.import_module("cupy")
            compiled('#include "cupy/float16.cuh"')
    except Exception as error:
        pytest.skip(f"needs CuPy, NVRTC and CUDA's headers, e.g. pip install {WHEELS}: {error}")
    return module


def kernel_of(cupy, function, kinds):
    """The kernel that CuPy makes of a function for arguments of these kinds: (dtype, ndim), a type of number, None."""

    def argument(kind):
        if kind is None or type(kind) is not tuple:
            return kind and kind(1)
        dtype, ndim = kind
        if cupy.cuda.is_available():
            return cupy.ones((2,) * ndim, dtype)
        return cupy.ndarray((2,) * ndim, dtype, nowhere)

    nowhere = cupy.cuda.MemoryPointer(cupy.cuda.UnownedMemory(1, 1 << 20, None, 0), 0)
    fusion = device._kernel(function, cupy)
    with contextlib.suppress(cupy.cuda.runtime.CUDARuntimeError):  # there is no driver to run it
        fusion(*map(argument, kinds))
    assert fusion.new_fusion is None, "CuPy takes its other way to fuse, in which Python's numbers are float64"
    ((kernel, _),) = fusion._memo.values()
    fusion.clear_cache()
    return kernel


def source_of(cupy, kernel, kinds):
    """The kernel's CUDA source."""
    from cupy._core import _carray, _kernel, _scalar

    kinds = [kind for kind in kinds if kind is not None]
    ndim = max(kind[1] for kind in kinds if type(kind) is tuple)
    infos = []
    for p, kind in zip(kernel.params, [*kinds, *[("", ndim)] * len(kernel.out_params), None], strict=True):
        if kind is None:
            infos.append(_kernel._ArgInfo(2, _carray.Indexer, None, ndim, True, True))
        elif type(kind) is tuple:
            infos.append(_kernel._ArgInfo(1, cupy.ndarray, p.dtype, kind[1], True, True))
        else:
            infos.append(_kernel._ArgInfo(3, _scalar.CScalar, p.dtype, 0, True, True))
    return _kernel._get_elementwise_kernel_code(
        tuple(infos), _kernel._TypeMap(()), kernel.params, kernel.operation, kernel.name, kernel.preamble
    )


def compiled(source):
    from cupy._core import core
    from cupy.cuda import compiler

    headers = "".join(f"#include <{header}>\n" for header in core._cupy_header_list)
    options = (*core.assemble_cupy_compiler_options(()), "-arch=compute_80", "--device-as-default-execution-space")
    return compiler._NVRTCProgram(headers + source, "fused.cu").compile(options)[0].decode()


def kernels(monkeypatch):
    """CuPy's kernel of everything that the package fuses, with the kinds of its arguments."""
    FUSED.clear()
    with device.use("cuda"):
        for dtype in (np.float32, np.float64):
            results_of_all(dtype)
    assert {function.__code__ for function in FUSED} == of_the_package()
    theirs = real_cupy(monkeypatch)
    for function, calls in FUSED.items():
        for kinds in sorted(calls, key=str):
            yield function, kinds, theirs, kernel_of(theirs, function, kinds)


@needs
def test_cupys_kernels_have_the_right_types_and_compile(monkeypatch):
    for _, kinds, theirs, kernel in kernels(monkeypatch):
        dtype = np.dtype(kinds[0][0])
        assert [p.dtype for p in kernel.out_params] in ([], [dtype])
        assert "float16" not in kernel.operation  # in which CuPy 14 computes numbers with numbers
        assert "static_cast< double >" not in kernel.operation or dtype == np.float64
        assert f".entry {kernel.name}(" in compiled(source_of(theirs, kernel, kinds))


ON_THE_HOST = """
#include <cmath>
#define __device__
using namespace std;
%s
extern "C" void run(long n, %s) { for (long i = 0; i < n; i++) { %s %s; } }
"""


def run_on_the_host(folder, kernel, arguments):
    """What the kernel computes, by the processor: its results; arguments may be written to."""
    results = [np.empty(arguments[0].shape, p.dtype) for p in kernel.out_params]
    declared, named, given = [], [], [ctypes.c_long(arguments[0].size)]
    for p, value in zip((*kernel.in_params, *kernel.out_params), (*arguments, *results), strict=True):
        is_array = isinstance(value, np.ndarray)
        declared.append(f"{p.ctype} *all_{p.name}" if is_array else f"{p.ctype} {p.name}")
        named += [f"{p.ctype} &{p.name} = all_{p.name}[i];"] if is_array else []
        number = ctypes.c_double if p.dtype == np.float64 else ctypes.c_longlong
        given.append(ctypes.c_void_p(value.ctypes.data) if is_array else number(value))
    functions = "\n".join(line for line in kernel.preamble.splitlines() if "#include" not in line)
    file = folder / f"{kernel.name}{len(list(folder.iterdir()))}.so"
    code = ON_THE_HOST % (functions, ", ".join(declared), " ".join(named), kernel.operation)
    options = ["-shared", "-fPIC", "-ffp-contract=off", "-x", "c++", "-", "-o", str(file)]
    subprocess.run(["g++", *options], input=code, text=True, check=True)
    ctypes.CDLL(str(file)).run(*given)
    return results


def of_kind(kind, rng):
    if type(kind) is tuple:
        return rng.uniform(0.1, 1, 100).astype(kind[0])
    return rng.uniform(0.1, 1) if kind is float else kind and kind(2)


@needs
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_cupys_kernels_compute_what_numpy_computes(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    for function, kinds, _, kernel in kernels(monkeypatch):
        arguments = [of_kind(kind, rng) for kind in kinds]
        arguments[0] -= 0.5
        here = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        result = types.FunctionType(function.__code__, {**function.__globals__, "np": np})(*here)
        found = run_on_the_host(tmp_path, kernel, [a for a in arguments if a is not None])
        for there, expected in zip([*found, *arguments], [*[result] * len(found), *here], strict=True):
            if isinstance(there, np.ndarray):
                np.testing.assert_allclose(there, expected, rtol=0, atol=4 * np.finfo(there.dtype).eps)
