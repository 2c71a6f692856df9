"""The layers: each keeps its parameters and calls one function of nn.functional."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..device import beside
from ..random import Rng, generator
from ..tensor import as_array
from . import functional as F
from . import init
from .module import Module, Parameter


class Sequential(Module):
    """Modules one after the other. Can be iterated and indexed; a slice is a Sequential of the same modules.

    Examples
    --------
    >>> model = mg.nn.Sequential(mg.nn.Linear(4, 8), mg.nn.ReLU(), mg.nn.Linear(8, 3))
    >>> model
    Sequential(  # 67 parameters
      (0): Linear(4 -> 8)  # 40 parameters
      (1): ReLU()
      (2): Linear(8 -> 3)  # 27 parameters
    )
    >>> model(mg.ones(5, 4)).shape
    (5, 3)
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__()
        for i, module in enumerate(modules):
            if not isinstance(module, Module):
                raise TypeError(
                    f"Sequential takes modules, argument {i} is {module!r}: "
                    "write nn.ReLU() with brackets, and Sequential(*layers) for a list"
                )
            setattr(self, str(i), module)

    def forward(self, x: Any) -> Any:
        for module in self.children():
            x = module(x)
        return x

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, i: int | slice) -> Module:
        modules = list(self)[i]
        return Sequential(*modules) if isinstance(modules, list) else modules


class Linear(Module):
    """y = x @ weight.T + bias for x (..., in_features), giving (..., out_features).

    Parameters
    ----------
    in_features, out_features : int
    bias : bool, default True
    rng : int or numpy.random.Generator, optional
        For the starting values: uniform in +-1 / sqrt(in_features), as PyTorch's. Default: ``mg.manual_seed``'s.

    Attributes
    ----------
    weight : Parameter, shape (out_features, in_features)
    bias : Parameter, shape (out_features,), or None

    Examples
    --------
    >>> layer = mg.nn.Linear(3, 2, rng=0)
    >>> layer
    Linear(3 -> 2)  # 8 parameters
    >>> layer(mg.ones(5, 3)).shape
    (5, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, rng: Rng = None) -> None:
        super().__init__()
        rng = generator(rng)  # once: from one seed twice, the bias would repeat the weight
        self.weight = Parameter(init.torch_default((out_features, in_features), in_features, rng=rng))
        self.bias = Parameter(init.torch_default((out_features,), in_features, rng=rng)) if bias else None

    def forward(self, x: Any) -> Any:
        x = x if hasattr(x, "shape") else beside(as_array(x), self.weight.data)
        return F.linear(x, self.weight, self.bias) if self.bias is not None else F.linear(x, self.weight)

    def describe(self) -> str:
        out_features, in_features = self.weight.shape
        return f"{in_features} -> {out_features}" + ("" if self.bias is not None else ", bias=False")


class LayerNorm(Module):
    """Standardize each sample over its last axes, then scale by `weight` and shift by `bias` (Ba et al. 2016, eq. 4).

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The sizes of the last axes, over which mean and variance are taken.
    eps : float, default 1e-5
        Added to the variance.
    elementwise_affine : bool, default True
        Whether there are `weight`, starting at 1, and `bias`, starting at 0, each of shape `normalized_shape`.
    bias : bool, default True
        False leaves out the bias alone.

    Examples
    --------
    >>> mg.nn.LayerNorm(2)(mg.tensor([[1.0, 3.0], [5.0, 9.0]])).data.round(2)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.weight = Parameter(init.ones(self.normalized_shape)) if elementwise_affine else None
        self.bias = Parameter(init.zeros(self.normalized_shape)) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Any:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def describe(self) -> str:
        return f"{self.normalized_shape}"


class Dropout(Module):
    """Zero entries with probability `p` while training, scale the rest by 1 / (1 - p) (Srivastava et al. 2014).

    Parameters
    ----------
    p : float in [0, 1], default 0.5
    rng : int or numpy.random.Generator, optional
        Where the masks come from, a new one at each call. Default: ``mg.manual_seed``'s.

    Examples
    --------
    >>> layer = mg.nn.Dropout(0.5, rng=0)
    >>> layer(mg.ones(6))
    tensor([2., 2., 2., 0., 0., 0.])
    >>> layer.eval()(mg.ones(6))
    tensor([1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, *, rng: Rng = None) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p is the probability of dropping an entry, 0 <= p <= 1, got {p}")
        self.p = p
        self.rng = None if rng is None else generator(rng)  # a seed kept as it is would draw the same mask each time

    def forward(self, x: Any) -> Any:
        return F.dropout(x, self.p, self.training, self.rng)

    def describe(self) -> str:
        return f"p={self.p}"


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Any) -> Any:
        return F.relu(x)


class LeakyReLU(Module):
    """x where x > 0, else ``negative_slope * x``."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        return F.leaky_relu(x, self.negative_slope)

    def describe(self) -> str:
        return f"negative_slope={self.negative_slope}"


class GELU(Module):
    """x times the normal distribution function of x (Hendrycks & Gimpel 2016)."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        return F.gelu(x, self.approximate)

    def describe(self) -> str:
        return f"approximate={self.approximate!r}"


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x: Any) -> Any:
        return F.sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Any) -> Any:
        return np.tanh(x)


class Flatten(Module):
    """(N, ...) to (N, features)."""

    def forward(self, x: Any) -> Any:
        return x.reshape((x.shape[0], math.prod(x.shape[1:])))
