"""Module: parameters with names, found by walking attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .. import device as devices
from ..tensor import Tensor, as_array


class Parameter(Tensor):
    """A Tensor that a Module owns and an optimiser changes.

    Parameters
    ----------
    data : array_like of floats
        Copied, so that what changes the parameter changes nothing else.
    requires_grad : bool, default True
        False freezes it.
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(devices.move(as_array(data).copy(), None), requires_grad)


class HookHandle:
    """What ``register_forward_hook`` returns."""

    def __init__(self, module: Module, hook: Callable[..., Any]) -> None:
        self.module = module
        self.hook = hook

    def remove(self) -> None:
        """Take the hook away; twice does no harm."""
        # A new list: this may happen in a hook, while the module walks the old one.
        self.module._hooks = [hook for hook in self.module._hooks if hook is not self.hook]


class Module:
    """Base of all layers and models: assign Parameters and Modules to attributes, write ``forward``.

    Those in a list or dict are not found: keep several modules in a Sequential, which can be iterated and indexed.

    Examples
    --------
    >>> class Scale(mg.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = mg.nn.Parameter(np.array([2.0]))
    ...
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> scale = Scale()
    >>> scale(mg.ones(3))
    tensor([2., 2., 2.], dtype=float64, made_by=multiply)
    >>> [name for name, _ in scale.named_parameters()]
    ['factor']
    """

    training: bool

    def __init__(self) -> None:
        self.training = True
        self._buffers: list[str] = []
        self._hooks: list[Callable[..., Any]] = []

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, (Module, Parameter)) and "_hooks" not in vars(self):
            raise self._not_initialised()
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if "_hooks" not in vars(self):
            raise self._not_initialised()
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def _not_initialised(self) -> AttributeError:
        return AttributeError(f"{type(self).__name__}.__init__ must call super().__init__() first")

    def forward(self, *inputs: Any, **options: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward method: define forward(self, x)")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        y = self.forward(*inputs, **options)
        for hook in self._hooks:
            changed = hook(self, inputs, y)
            if changed is not None:
                y = changed
        return y

    def register_forward_hook(self, hook: Callable[[Module, tuple, Any], Any]) -> HookHandle:
        """Call ``hook(module, inputs, output)`` after every forward; a result that is not None replaces the output.

        Returns a handle: ``handle.remove()`` takes the hook away again.
        """
        self._hooks.append(hook)
        return HookHandle(self, hook)

    def register_buffer(self, name: str, array: Any) -> None:
        """Make `array` an attribute that belongs to the state but is not trained, such as running statistics."""
        if name in vars(self):
            raise ValueError(f"{type(self).__name__} has an attribute {name!r} already: give the buffer another name")
        self._buffers.append(name)
        setattr(self, name, devices.move(as_array(array).copy(), None))

    # --- The tree

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Direct submodules with their names, in the order of assignment."""
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def children(self) -> Iterator[Module]:
        """Direct submodules, in the order of assignment."""
        return (value for value in vars(self).values() if isinstance(value, Module))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all below it, with dotted names; a shared one appears under each of its names."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        yield from {id(module): module for _, module in self.named_modules()}.values()

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every Parameter once, with its dotted name; one shared by several modules appears under its first name."""
        seen: set[int] = set()
        for name, value in self._state():
            if isinstance(value, Parameter) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def parameters(self) -> Iterator[Parameter]:
        """Every Parameter once."""
        for _, parameter in self.named_parameters():
            yield parameter

    def _state(self) -> Iterator[tuple[str, Any]]:
        """All Parameters (shared ones under every name) and buffers, in PyTorch's order."""
        for prefix, module in self.named_modules():
            dot = f"{prefix}." if prefix else ""
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    yield dot + name, value
            for name in module._buffers:
                yield dot + name, getattr(module, name)

    # --- State

    def state_dict(self) -> dict[str, Tensor]:
        """A copy of all parameters and buffers under PyTorch's names, which later training does not change."""
        return {name: Tensor(as_array(value).copy()) for name, value in self._state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Copy values into parameters and buffers, in place, each in its own dtype and device.

        Parameters
        ----------
        state : dict of name to array_like
            As ``state_dict`` gives it; PyTorch tensors and NumPy arrays are accepted.

        Raises
        ------
        TypeError
            If `state` is not a dict of numbers.
        ValueError
            If names are missing or unknown, or a shape differs. Nothing is changed in either case.
        """
        if not isinstance(state, dict):
            raise TypeError(
                f"load_state_dict takes a dict of arrays, got a {type(state).__name__}; "
                "from a file: model.load_state_dict(mg.load(path))"
            )
        own = dict(self._state())
        given = {name: as_array(value) for name, value in state.items()}
        problems = [f"{name} is missing" for name in own if name not in given]
        problems += [f"{name} is unknown here" for name in given if name not in own]
        problems += [
            f"{name} has shape {given[name].shape}, expected {value.shape}"
            for name, value in own.items()
            if name in given and given[name].shape != value.shape
        ]
        if problems:
            raise ValueError(f"load_state_dict of {type(self).__name__}: {'; '.join(problems)}. Nothing was loaded.")
        for name, value in own.items():
            target = as_array(value)
            target[...] = devices.move(given[name], devices.name_of(target))

    def zero_grad(self) -> None:
        """Forget all gradients (``.grad = None``)."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, mode: bool = True) -> Module:
        """Switch dropout and batch statistics on (or off); returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """``train(False)``: for prediction."""
        return self.train(False)

    def to(self, device: str) -> Module:
        """Move all parameters and buffers; make the optimiser afterwards. Returns the module."""
        for parameter in self.parameters():
            parameter.data = devices.move(parameter.data, device)
            parameter.grad = None
        for module in self.modules():
            for name in module._buffers:
                setattr(module, name, devices.move(as_array(getattr(module, name)), device))
        return self

    def astype(self, dtype: Any) -> Module:
        """Convert parameters and floating-point buffers, e.g. to float64 for a gradient check. Returns the module."""
        for parameter in self.parameters():
            parameter.data = parameter.data.astype(dtype)
            parameter.grad = None
        for module in self.modules():
            for name in module._buffers:
                array = as_array(getattr(module, name))
                if array.dtype.kind == "f":
                    setattr(module, name, array.astype(dtype))
        return self

    # --- Looks

    def describe(self) -> str:
        """What distinguishes this layer in the printed model, e.g. its sizes."""
        return ""

    def __repr__(self) -> str:
        own = sum(v.size for v in vars(self).values() if isinstance(v, Parameter))
        children = list(self.named_children())
        head = f"{type(self).__name__}({self.describe()}"
        if not children:
            return f"{head})" + (f"  # {own:,} parameters" if own else "")
        total = sum(p.size for p in self.parameters())
        lines = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in children]
        return "\n".join([f"{head}  # {total:,} parameters", *lines, ")"])
