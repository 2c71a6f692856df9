"""All mutants."""

from .case import Mutant, drawing
from .of_layers import MAKERS as OF_LAYERS
from .of_losses import MAKERS as OF_LOSSES
from .of_more import MAKERS as OF_MORE
from .of_others import MAKERS as OF_OTHERS
from .of_tensors import MAKERS as OF_TENSORS


def mutants(seed: int = 0) -> list[Mutant]:
    """The bank: the same mistakes for every seed, on other numbers."""
    draw = drawing(seed)
    return [mutant for make in (*OF_LAYERS, *OF_LOSSES, *OF_TENSORS, *OF_OTHERS, *OF_MORE) for mutant in make(draw)]
