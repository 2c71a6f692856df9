"""The layers of a CNN: images are (N, C, H, W)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..random import Rng, generator
from . import functional as F
from . import init
from .module import Module, Parameter


class Conv2d(Module):
    """Convolution of images with learned kernels; arguments, starting values and names as PyTorch's.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or (vertical, horizontal)
    stride, padding, dilation : int or pair, default 1, 0, 1
    groups : int, default 1
    bias : bool, default True
    rng : int or numpy.random.Generator, optional

    Attributes
    ----------
    weight : Parameter, shape (out_channels, in_channels / groups, kh, kw)
    bias : Parameter, shape (out_channels,), or None

    Examples
    --------
    >>> conv = mg.nn.Conv2d(1, 6, 5)
    >>> conv(mg.zeros(8, 1, 28, 28)).shape
    (8, 6, 24, 24)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"Conv2d: groups={groups} must divide both in_channels={in_channels} and out_channels={out_channels}"
            )
        kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        shape = (out_channels, in_channels // groups, *kernel)
        fan_in = math.prod(shape[1:])
        source = generator(rng)
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.weight = Parameter(init.torch_default(shape, fan_in, rng=source))
        self.bias = Parameter(init.torch_default((out_channels,), fan_in, rng=source)) if bias else None

    def forward(self, x: Any) -> Any:
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def describe(self) -> str:
        o, c, kh, kw = self.weight.shape
        settings = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups}
        defaults = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
        told = "".join(f", {name}={value}" for name, value in settings.items() if value != defaults[name])
        return f"{c * self.groups} -> {o}, {kh}x{kw}{told}" + ("" if self.bias is not None else ", bias=False")


class _Pool2d(Module):
    """What the two poolings share: arguments as PyTorch's, `stride` the kernel's size unless given."""

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def describe(self) -> str:
        stride = "" if self.stride is None else f", stride={self.stride}"
        return f"{self.kernel_size}{stride}" + (f", padding={self.padding}" if self.padding else "")


class MaxPool2d(_Pool2d):
    """The maximum of every window of (N, C, H, W)."""

    def forward(self, x: Any) -> Any:
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding)


class AvgPool2d(_Pool2d):
    """The mean of every window of (N, C, H, W)."""

    def forward(self, x: Any) -> Any:
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


class _BatchNorm(Module):
    ndim: int

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = Parameter(init.ones((num_features,))) if affine else None
        self.bias = Parameter(init.zeros((num_features,))) if affine else None
        self.register_buffer("running_mean", init.zeros((num_features,)))
        self.register_buffer("running_var", init.ones((num_features,)))
        self.register_buffer("num_batches_tracked", np.zeros((), np.int64))

    def forward(self, x: Any) -> Any:
        features = self.running_mean.shape[0]
        if x.ndim != self.ndim or x.shape[1] != features:
            expected = f"(N, {features}" + (", H, W)" if self.ndim == 4 else ")")
            raise ValueError(f"{type(self).__name__} expected x of shape {expected}, got {x.shape}")
        if self.training:
            self.num_batches_tracked += 1
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, self.momentum, self.eps
        )

    def describe(self) -> str:
        return f"{self.running_mean.shape[0]}"


class BatchNorm1d(_BatchNorm):
    """Standardize every feature of (N, C) over the batch (Ioffe & Szegedy 2015); see ``functional.batch_norm``."""

    ndim = 2


class BatchNorm2d(_BatchNorm):
    """Standardize every channel of (N, C, H, W) over the batch and the pixels; see ``functional.batch_norm``."""

    ndim = 4
