"""minigrad: the gradient of a weighted loss is the weighted sum of the per-sample gradients."""

import importlib
from typing import TYPE_CHECKING, Any

from . import data, decisions, device, learned_weights, losses, models, nn, optim, rules, training, weighting
from .autograd import grad, hessian, hvp, jacobian
from .gradcheck import GradcheckError, check_backward, gradcheck
from .graph import no_grad, primitive, rule
from .per_sample import class_gradient_share, per_sample_gradients
from .random import manual_seed, rand, randn
from .serialization import CheckpointError, load, save
from .tensor import Tensor, arange, eye, full, ones, tensor, zeros

if TYPE_CHECKING:
    from . import estimator as estimator

__version__ = "0.1.0"

__all__ = [
    "CheckpointError", "GradcheckError", "Tensor", "arange", "check_backward", "class_gradient_share", "data",
    "decisions", "device", "eye", "full", "grad", "gradcheck", "hessian", "hvp", "jacobian", "learned_weights", "load",
    "losses",
    "manual_seed", "models", "nn", "no_grad", "ones", "optim", "per_sample_gradients", "primitive", "rand", "randn",
    "rule", "rules", "save", "tensor", "training", "weighting", "zeros",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "estimator":  # on first use: it needs scikit-learn, and minigrad itself NumPy alone
        return importlib.import_module(f"{__name__}.estimator")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
