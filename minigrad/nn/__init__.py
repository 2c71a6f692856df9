"""Layers and what they are made of."""

from . import functional, init
from .layers import GELU, Dropout, Flatten, LayerNorm, LeakyReLU, Linear, ReLU, Sequential, Sigmoid, Tanh
from .module import Module, Parameter

__all__ = [
    "GELU", "Dropout", "Flatten", "LayerNorm", "LeakyReLU", "Linear", "Module", "Parameter", "ReLU", "Sequential",
    "Sigmoid", "Tanh", "functional", "init",
]  # fmt: skip
