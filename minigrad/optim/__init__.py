"""Optimisers: PyTorch's update rules, on few large arrays; schedules, clipping, penalties."""

from .clipping import clip_grad_norm, clip_grad_value
from .optimizer import Optimizer
from .optimizers import SGD, Adam, AdamW, RMSprop
from .penalties import l1_penalty, l2_penalty
from .schedules import Schedule, constant, cosine, cyclic, exponential, one_cycle, step, warmup

__all__ = [
    "SGD", "Adam", "AdamW", "RMSprop", "Optimizer",
    "constant", "step", "exponential", "cosine", "warmup", "cyclic", "one_cycle", "Schedule",
    "clip_grad_norm", "clip_grad_value", "l1_penalty", "l2_penalty",
]  # fmt: skip
