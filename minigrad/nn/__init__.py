"""Layers and what they are made of."""

from . import functional, init
from .functional_call import functional_call
from .image_layers import AvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, MaxPool2d
from .layers import GELU, Dropout, Flatten, LayerNorm, LeakyReLU, Linear, ReLU, Sequential, Sigmoid, Tanh
from .module import Module, Parameter

__all__ = [
    "AvgPool2d", "BatchNorm1d", "BatchNorm2d", "Conv2d", "Dropout", "Flatten", "GELU", "LayerNorm", "LeakyReLU",
    "Linear", "MaxPool2d", "Module", "Parameter", "ReLU", "Sequential", "Sigmoid", "Tanh", "functional",
    "functional_call", "init",
]  # fmt: skip
