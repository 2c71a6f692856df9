"""The file that a run can be continued from: written whole, with the one before it kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..nn import Module
from ..random import generator
from ..serialization import CheckpointError, load, save
from ..tensor import as_array

KIND = "minigrad training run"


class Checkpoint:
    """A path, and beside it ``path.previous`` with the checkpoint before."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.previous = self.path.with_name(self.path.name + ".previous")
        folder = self.path.absolute().parent
        if not folder.is_dir():
            raise FileNotFoundError(
                f"checkpoint={str(self.path)!r}: the folder {folder} does not exist; create it first"
            )

    def write(self, state: dict[str, Any]) -> None:
        """Save `state`; at every moment there is a whole checkpoint under one of the two names."""
        new = self.path.with_name(self.path.name + ".new")
        save(new, {"kind": KIND, **state})
        if self.path.exists():
            os.replace(self.path, self.previous)
        os.replace(new, self.path)

    def read(self) -> dict[str, Any] | None:
        """The state to continue from; None where there is none yet.

        Raises
        ------
        CheckpointError
            If the file is damaged; the message names the one before, if that is whole.
        """
        path = self.path
        if not path.exists():
            # The computer stopped between the two renamings of `write`.
            path = self.previous
            if not path.exists():
                return None
        try:
            return _read(path)
        except CheckpointError as error:
            raise CheckpointError(f"{error}. {self._way_out(path)}") from error

    def _way_out(self, path: Path) -> str:
        again = "to start afresh pass resume=False"
        if path == self.previous:
            return f"No other is left: {again}"
        try:
            epoch = len(next(iter(_read(self.previous)["history"]["columns"].values()), []))
        except (OSError, CheckpointError):
            return f"There is no checkpoint before it ({self.previous}): {again}"
        return (
            f"The checkpoint before it is whole, after epoch {epoch}: {self.previous}. To continue from there: "
            f"os.replace({str(self.previous)!r}, {str(self.path)!r}); {again}"
        )


def _read(path: Path) -> dict[str, Any]:
    state = load(path)
    if not isinstance(state, dict) or state.get("kind") != KIND:
        raise CheckpointError(
            f"{path} holds something else than a training run (a model that mg.save wrote?): give fit another "
            "checkpoint path; to load a model: model.load_state_dict(mg.load(path))"
        )
    return state


# --- Whose checkpoint it is


def identity(model: Module, **settings: Any) -> dict[str, Any]:
    """What must be the same for a run to be continued: the model's names and shapes, and `settings`."""
    return {"model": {name: list(value.shape) for name, value in model.state_dict().items()}, **settings}


def check_identity(found: dict[str, Any], expected: dict[str, Any], path: Path) -> None:
    """Refuse the checkpoint of another run; the message lists the differences."""
    theirs, ours = found["model"], expected["model"]
    differences = [f"its model has {name} {tuple(theirs[name])}, this one has not" for name in theirs.keys() - ours]
    differences += [f"its model has no {name}, this one has {tuple(ours[name])}" for name in ours.keys() - theirs]
    differences += [
        f"its {name} has shape {tuple(theirs[name])}, this model's {tuple(ours[name])}"
        for name in ours
        if name in theirs and theirs[name] != ours[name]
    ]
    differences += [
        f"its {name.replace('_', ' ')} is {found.get(name)!r}, this run's {value!r}"
        for name, value in expected.items()
        if name != "model" and found.get(name) != value
    ]
    if differences:
        raise CheckpointError(
            f"{path} is the checkpoint of another run: {'; '.join(sorted(differences))}. Give this run another "
            "checkpoint path, or start afresh and write over it with resume=False"
        )


# --- Random numbers


def generators(model: Module, shuffling: np.random.Generator) -> dict[str, np.random.Generator]:
    """Every generator that training draws from: the package's, the one that shuffles, those of layers."""
    found = {"package": generator(), "shuffling": shuffling}
    for name, module in model.named_modules():
        for attribute, value in vars(module).items():
            if isinstance(value, np.random.Generator):
                found[f"{name}.{attribute}"] = value
    return found


def random_state(model: Module, shuffling: np.random.Generator) -> dict[str, Any]:
    return {name: g.bit_generator.state for name, g in generators(model, shuffling).items()}


def set_random_state(model: Module, shuffling: np.random.Generator, state: dict[str, Any]) -> None:
    for name, g in generators(model, shuffling).items():
        g.bit_generator.state = state[name]


def arrays(state: dict[str, Any]) -> dict[str, Any]:
    """A model's state as arrays."""
    return {name: as_array(value) for name, value in state.items()}
