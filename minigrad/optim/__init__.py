"""Optimisers: PyTorch's update rules, on few large arrays."""

from .optimizers import SGD, Adam, Optimizer

__all__ = ["SGD", "Adam", "Optimizer"]
