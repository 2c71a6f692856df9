"""The layers of a CNN: images are (N, C, H, W)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..random import Rng, generator
from . import functional as F
from . import init
from .conv import checked_settings, pair
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
        kernel = pair(kernel_size, "kernel_size")
        checked_settings("Conv2d", kernel, stride, padding, dilation)
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
        steps = kernel_size if stride is None else stride
        checked_settings(type(self).__name__, pair(kernel_size, "kernel_size"), steps, padding)
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def describe(self) -> str:
        stride = "" if self.stride is None else f", stride={self.stride}"
        return f"{self.kernel_size}{stride}" + (f", padding={self.padding}" if self.padding else "")


class MaxPool2d(_Pool2d):
    """The maximum of every window of (N, C, H, W); arguments as ``functional.max_pool2d``.

    Examples
    --------
    >>> mg.nn.MaxPool2d(2)(mg.zeros(8, 6, 24, 24)).shape
    (8, 6, 12, 12)
    """

    def forward(self, x: Any) -> Any:
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding)


class AvgPool2d(_Pool2d):
    """The mean of every window of (N, C, H, W); arguments as ``functional.avg_pool2d``.

    Examples
    --------
    >>> mg.nn.AvgPool2d(3, stride=2, padding=1)(mg.zeros(8, 6, 24, 24)).shape
    (8, 6, 12, 12)
    """

    def forward(self, x: Any) -> Any:
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


class _BatchNorm(Module):
    """What the two batch normalizations share; they differ in the rank that they take.

    The running statistics are buffers: ``state_dict`` has them, under PyTorch's names, and no optimiser changes them.
    """

    takes: tuple[str, ...]

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = Parameter(init.ones((num_features,))) if affine else None
        self.bias = Parameter(init.zeros((num_features,))) if affine else None
        self.register_buffer("running_mean", init.zeros((num_features,)))
        self.register_buffer("running_var", init.ones((num_features,)))
        self.register_buffer("num_batches_tracked", np.zeros((), np.int64))

    def forward(self, x: Any) -> Any:
        if x.ndim not in [1 + shape.count(",") for shape in self.takes]:
            raise ValueError(f"{type(self).__name__} takes {' or '.join(self.takes)}, got x of shape {x.shape}")
        momentum = 1 / (int(self.num_batches_tracked) + 1) if self.momentum is None else self.momentum
        y = F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, momentum, self.eps
        )
        if self.training:
            self.num_batches_tracked += 1
        return y

    def describe(self) -> str:
        return f"{len(self.running_mean)}" + ("" if self.weight is not None else ", affine=False")


class BatchNorm1d(_BatchNorm):
    """Standardize every feature of (N, C) or (N, C, L) over the batch (Ioffe & Szegedy 2015).

    In training with the mean and variance of the batch, after ``eval()`` with running ones; ``functional.batch_norm``
    says how. Arguments, attributes and names in the state are PyTorch's.

    Parameters
    ----------
    num_features : int
        C.
    eps : float, default 1e-5
        Added to the variance.
    momentum : float or None, default 0.1
        How much of the running statistics each batch replaces. None: they are the mean over all batches so far.
    affine : bool, default True
        Whether there are `weight`, starting at 1, and `bias`, starting at 0, each of shape (C,).

    Examples
    --------
    >>> layer = mg.nn.BatchNorm1d(1)
    >>> layer(mg.tensor([[1.0], [3.0]])).data.round(2)
    array([[-1.],
           [ 1.]], dtype=float32)
    >>> layer.running_mean
    array([0.2], dtype=float32)
    """

    takes = ("(N, C)", "(N, C, L)")


class BatchNorm2d(_BatchNorm):
    """Standardize every channel of (N, C, H, W) over the batch and the pixels; arguments as ``BatchNorm1d``.

    Examples
    --------
    >>> mg.nn.BatchNorm2d(6)
    BatchNorm2d(6)  # 12 parameters
    """

    takes = ("(N, C, H, W)",)
