"""minigrad: the gradient of a weighted loss is the weighted sum of the per-sample gradients."""

from . import data, decisions, learned_weights, losses, models, nn, optim, rules, weighting
from .autograd import grad, hessian, hvp, jacobian
from .gradcheck import GradcheckError, check_backward, gradcheck
from .graph import no_grad, primitive, rule
from .per_sample import class_gradient_share, per_sample_gradients
from .random import manual_seed, rand, randn
from .serialization import CheckpointError, load, save
from .tensor import Tensor, arange, eye, full, ones, tensor, zeros

__version__ = "0.1.0"

__all__ = [
    "CheckpointError", "GradcheckError", "Tensor", "arange", "check_backward", "class_gradient_share", "data",
    "decisions", "eye", "full", "grad", "gradcheck", "hessian", "hvp", "jacobian", "learned_weights", "load", "losses",
    "manual_seed", "models", "nn", "no_grad", "ones", "optim", "per_sample_gradients", "primitive", "rand", "randn",
    "rule", "rules", "save", "tensor", "weighting", "zeros",
]  # fmt: skip
