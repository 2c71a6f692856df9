"""The two things that can be checked, brought to one form: a NumPy pair, and a function of Tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import device as devices
from ..autograd import grad
from ..graph import no_grad
from ..tensor import Tensor
from .inputs import Arguments, as_outputs


class Task:
    """What the checker needs of either: outputs from arguments, gradients from arguments and cotangents."""

    forward: Callable
    backward: Callable[..., Any] | None
    forward_name: str
    arguments: Arguments
    recorded: bool = True  # whether the last output had a graph

    def call_with(self, arrays: list[np.ndarray]) -> list[Any]:
        """All arguments around the checked `arrays`; constants are copied, so that no call harms another."""
        checked = dict(zip(self.arguments.positions, arrays, strict=True))
        return [
            checked[i] if i in checked else v.copy() if isinstance(v, np.ndarray) else v
            for i, v in enumerate(self.arguments.values)
        ]

    def outputs(self, values: list[Any]) -> list[np.ndarray]:
        raise NotImplementedError

    def gradients(self, values: list[Any], cotangents: list[np.ndarray]) -> Any:
        """Gradients as they come from the code under check, malformed where it is wrong."""
        raise NotImplementedError

    def reads_elsewhere(self) -> bool:
        """Whether the output depends on Tensors that are not among the inputs."""
        return False


class Pair(Task):
    """A hand-written ``forward(*inputs)`` and ``backward(g, *inputs)`` on arrays."""

    forward_name = "forward"

    def __init__(self, forward: Callable, backward: Callable, arguments: Arguments) -> None:
        self.forward, self.arguments = forward, arguments
        self.backward: Callable = backward
        arguments.values = [v.numpy() if isinstance(v, Tensor) else v for v in arguments.values]

    def outputs(self, values: list[Any]) -> list[np.ndarray]:
        result = self.forward(*values)
        self.several = isinstance(result, (tuple, list))
        return as_outputs(result, self.forward_name)

    def gradients(self, values: list[Any], cotangents: list[np.ndarray]) -> Any:
        g = tuple(cotangents) if self.several else cotangents[0]
        return self.backward(g, *values)


class TensorFunction(Task):
    """A function of Tensors, differentiated by the engine.

    Tensors among the inputs are handed to f as the very objects that were given, with their data swapped
    for the time of the call: a function that reads a model's parameters from outside sees them move too.
    """

    forward_name = "f"
    backward = None

    def __init__(self, f: Callable, arguments: Arguments) -> None:
        self.forward, self.arguments = f, arguments
        self.tensors: list[Tensor] = []
        for position in arguments.positions:
            given = arguments.values[position]
            ours = isinstance(given, Tensor) and given.is_leaf and not any(given is t for t in self.tensors)
            self.tensors.append(given if ours else Tensor(np.empty(0)))
        self.before = [(t.data, t.requires_grad) for t in self.tensors]
        self.devices = [v.device if isinstance(v, Tensor) else "cpu" for v in self._checked()]

    def _checked(self) -> list[Any]:
        return [self.arguments.values[p] for p in self.arguments.positions]

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        for tensor, (data, requires_grad) in zip(self.tensors, self.before, strict=True):
            tensor.requires_grad = False
            tensor.data = data
            tensor.requires_grad = requires_grad

    def load(self, values: list[Any], requires_grad: bool) -> list[Any]:
        """`values` with Tensors in the checked places, ready for f."""
        ready = list(values)
        for tensor, position, device in zip(self.tensors, self.arguments.positions, self.devices, strict=True):
            tensor.data = devices.move(values[position], device)
            if tensor.requires_grad != requires_grad:
                tensor.requires_grad = requires_grad
            ready[position] = tensor
        return ready

    def outputs(self, values: list[Any]) -> list[np.ndarray]:
        with no_grad():
            return as_outputs(self.forward(*self.load(values, False)), self.forward_name)

    def gradients(self, values: list[Any], cotangents: list[np.ndarray]) -> Any:
        return self._numbers(self._derivative(self.forward(*self.load(values, True)), cotangents, self.tensors, False))

    def _derivative(self, result: Any, cotangents: list[Any], inputs: list[Tensor], create_graph: bool) -> list[Tensor]:
        """Gradients of sum(cotangent * output). Outputs without a graph are constants."""
        outputs = result if isinstance(result, (tuple, list)) else [result]
        pairs = [(y, c) for y, c in zip(outputs, cotangents, strict=True) if isinstance(y, Tensor) and y.requires_grad]
        self.recorded = bool(pairs)
        if not pairs:
            return [Tensor(np.zeros_like(x.data)) for x in inputs]
        seeds = [c.to(y.device) if isinstance(c, Tensor) else devices.move(np.asarray(c), y.device) for y, c in pairs]
        return list(grad([y for y, _ in pairs], inputs, seeds, create_graph))

    def reads_elsewhere(self) -> bool:
        result = self.forward(*self.load(self.call_with([x.copy() for x in self.arguments.arrays]), False))
        outputs = result if isinstance(result, (tuple, list)) else [result]
        return any(isinstance(y, Tensor) and y.requires_grad for y in outputs)

    @staticmethod
    def _numbers(gradients: list[Tensor]) -> tuple[np.ndarray, ...]:
        return tuple(g.detach().numpy() for g in gradients)


class SecondOrder(TensorFunction):
    """The gradient of f as a function of f's inputs and of the cotangents, which follow them."""

    forward_name = "the gradient of f"

    def __init__(self, f: Callable, arguments: Arguments, cotangents: int) -> None:
        super().__init__(f, arguments)
        self.inputs, self.cotangents = self.tensors[:-cotangents], self.tensors[-cotangents:]

    def _first(self, values: list[Any], create_graph: bool) -> list[Tensor]:
        ready = self.load(values, True)[: -len(self.cotangents)]
        return self._derivative(self.forward(*ready), self.cotangents, self.inputs, create_graph)

    def outputs(self, values: list[Any]) -> list[np.ndarray]:
        return list(self._numbers(self._first(values, False)))

    def gradients(self, values: list[Any], cotangents: list[np.ndarray]) -> Any:
        return self._numbers(self._derivative(self._first(values, True), cotangents, self.tensors, False))

    def same_with_graph(self, arrays: list[np.ndarray]) -> bool:
        """Whether recording the backward pass leaves its result as it is."""
        plain = self.outputs(self.call_with([x.copy() for x in arrays]))
        recorded = self._numbers(self._first(self.call_with([x.copy() for x in arrays]), True))
        return all(np.allclose(a, b, rtol=1e-8, atol=1e-12) for a, b in zip(plain, recorded, strict=True))

    def reads_elsewhere(self) -> bool:
        return False
