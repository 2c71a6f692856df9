"""``minigrad info``: what it finds, and when it advises what."""

import importlib.metadata
import os

import numpy as np
import pytest

from minigrad import info

POOL = {"user_api": "blas", "internal_api": "openblas", "architecture": "Haswell", "num_threads": 2}


@pytest.mark.parametrize(
    ("installed", "reason", "says"),
    [
        (None, None, "not installed"),
        ("cupy-cuda12x", "", "14.0.1 (cupy-cuda12x); the GPU answers, 3.0 of 8.0 GiB are free"),
        ("cupy-cuda13x", "there is no driver", "14.0.1 (cupy-cuda13x), but there is no driver"),
    ],
)
def test_cupy(monkeypatch, installed, reason, says):
    def version(name):
        if name != installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return "14.0.1"

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(info.device, "why_not", lambda: reason)
    monkeypatch.setattr(info.device, "memory", lambda: info.device.Memory(3 << 30, 1 << 30, 8 << 30))
    assert info.describe_cupy() == says


@pytest.mark.parametrize(
    ("kernel", "simd", "advised"),
    [("Haswell", "X86_V4", True), ("SkylakeX", "X86_V4", False), ("Haswell", "AVX2", False)],
)
def test_the_kernel(monkeypatch, kernel, simd, advised):
    monkeypatch.setattr(np, "show_config", lambda mode: {"SIMD Extensions": {"found": [simd]}} if mode else None)
    line = info.about_kernel({**POOL, "architecture": kernel})
    assert (line is not None and "OPENBLAS_CORETYPE=SkylakeX" in line) == advised


def test_blas_is_named_or_it_is_said_why_not():
    assert info.describe_blas(POOL)[1] == "  kernel    Haswell, 2 threads (openblas)"
    assert "threadpoolctl" in info.describe_blas(None)[1]
    assert info.about_kernel(None) is None
    assert info.about_threads(None) is None


@pytest.mark.parametrize(
    ("small", "threads", "advised"),
    [
        (1.0, 2, "for small networks set OPENBLAS_NUM_THREADS=1"),
        (1.9, 2, None),
        (1.9, 64, "64 threads are more than there are processors: set OPENBLAS_NUM_THREADS=8"),
    ],
)
def test_threads(monkeypatch, small, threads, advised):
    pytest.importorskip("threadpoolctl")
    gains = iter([1.0, small, 1.0, 1.8])  # together and alone, of a small product and of a large one
    monkeypatch.setattr(info, "product_time", lambda *_: next(gains))
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    line = info.about_threads({**POOL, "num_threads": threads})
    assert f"on {threads} of them a product of 768 x 768 runs 1.8 times as fast as on one" in line
    assert ("set OPENBLAS_NUM_THREADS" in line) == (advised is not None)
    assert advised is None or advised in line
    assert info.about_threads({**POOL, "num_threads": 1}) is None


def test_float64(monkeypatch):
    monkeypatch.setattr(info, "product_time", lambda _, dtype: 2.5 if dtype is np.float64 else 1.0)
    assert info.about_float64().startswith("float64 by accident: its products take 2.5 times as long here")


def test_the_gpu(monkeypatch):
    monkeypatch.setattr(info.device, "why_not", lambda: "no driver")
    assert info.about_gpu() == "GPU: no driver"
    monkeypatch.setattr(info.device, "why_not", lambda: "")
    assert info.about_gpu() is None


def test_products_are_really_timed():
    assert 0 < info.product_time(8, np.float32) < 0.05


def test_the_blas_is_numpys_although_scipy_brings_another(monkeypatch):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    pools = [
        {"user_api": "openmp", "filepath": "/lib/libgomp.so"},
        {"user_api": "blas", "filepath": "/lib/scipy.libs/libscipy_openblas.so", "version": "0.3.30"},
        {"user_api": "blas", "filepath": "/lib/numpy.libs/libscipy_openblas64_.so", "version": "0.3.31"},
    ]
    for listed in (pools, pools[::-1]):
        monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda listed=listed: listed)
        assert info.blas_pool()["version"] == "0.3.31"
    monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda: pools[:2])
    assert info.blas_pool()["version"] == "0.3.30"
    monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda: pools[:1])
    assert info.blas_pool() is None
