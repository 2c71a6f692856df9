"""Checkpoints without pickle: a zip of NumPy arrays and one JSON entry that says how they fit together.

The layout, format version 1. Entry ``minigrad.json`` holds ``{"format", "version", "state"}``. In `state`,
None, bools, strings and ordinary numbers stand for themselves; everything else is an object with one key:
``{"dict": {...}}``, ``{"list": [...]}``, ``{"tuple": [...]}``, ``{"int": "0x..."}`` (beyond what other
readers of JSON keep exact), ``{"float": "nan"}`` (also inf), ``{"array": n}`` and ``{"scalar": n}`` for entry
``arrays/n.npy``. Entries are stored uncompressed, so ``np.load`` opens the file too.
"""

import contextlib
import io
import json
import math
import os
import secrets
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from . import device

FORMAT = "minigrad checkpoint"
VERSION = 1
STRUCTURE = "minigrad.json"
DEEPEST = 100
# Up to here every integer is a double, so that JSON readers in other languages keep it exact too.
EXACT_IN_JSON = 2**53


class CheckpointError(ValueError):
    """A file is not a checkpoint that this minigrad can read; the message says why and what to do."""


def save(path: str | os.PathLike[str], model_or_state: Any) -> None:
    """Write a model or any state to a file, whole or not at all.

    The state goes to a new file in the same folder, which takes the place of `path` only when it lies
    complete on the disk: after a full disk, Ctrl-C or a power cut the previous checkpoint is still there.
    Nothing is pickled.

    Parameters
    ----------
    path : str or os.PathLike
        Used as it is: no suffix is added. The folder must exist. Of a symbolic link the target is replaced.
    model_or_state : object
        A Module, or anything else with a `state_dict()`; or dicts (with str keys), lists and tuples, nested
        up to 100 deep, of those and of arrays, Tensors (their data), NumPy scalars, int, float, str, bool and
        None. Arrays on a GPU are written from the CPU.

    Raises
    ------
    TypeError
        Something in the state is none of these: the message says where and what. No file is touched.
    OSError
        The folder is missing, the disk is full, ...; a file that was at `path` before is unchanged.

    See Also
    --------
    load

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     mg.save(f"{folder}/run.ckpt", {"epoch": 3, "w": np.array([1.0, 2.0], np.float32)})
    ...     mg.load(f"{folder}/run.ckpt")
    {'epoch': 3, 'w': array([1., 2.], dtype=float32)}
    """
    target = _as_path(path, "save(path, model_or_state)")
    arrays: list[np.ndarray] = []
    state = _encode(model_or_state, arrays, "state", 0)
    structure = json.dumps({"format": FORMAT, "version": VERSION, "state": state}, allow_nan=False)

    target = Path(os.path.realpath(target))
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"cannot save to {path}: the folder {target.parent} does not exist; create it first: "
            f"os.makedirs({str(target.parent)!r}, exist_ok=True)"
        )
    if target.is_dir():
        raise IsADirectoryError(f"cannot save to {path}: it is a folder; add a file name")
    temporary = target.with_name(f".minigrad-save-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            _write_archive(file, structure, arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{error.strerror or error}; nothing was saved, and what was there before is unchanged",
            str(path),
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


def load(path: str | os.PathLike[str]) -> Any:
    """Read what :func:`save` wrote: the same values, dtypes, tuples and dicts, all arrays on the CPU.

    Of a Module this is its state: ``model.load_state_dict(mg.load(path))``. Loading runs no code from the
    file.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    object
        The state; Tensors come back as arrays.

    Raises
    ------
    CheckpointError
        The file is damaged, was not written by :func:`save`, or was written by a later version.
    OSError
        The file is missing or cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     mg.save(f"{folder}/run.ckpt", {"lr": 0.1, "betas": (0.9, 0.999)})
    ...     mg.load(f"{folder}/run.ckpt")
    {'lr': 0.1, 'betas': (0.9, 0.999)}
    """
    path = _as_path(path, "load(path)")
    content = path.read_bytes()
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except Exception as error:
        # Python's zip reader meets damage with a dozen kinds of exception; the bytes are in memory already,
        # so none of them is about the disk.
        raise _unreadable(path, content, error) from error
    if STRUCTURE not in archive.namelist():
        raise CheckpointError(
            f"{path} is not a minigrad checkpoint: a zip file without the entry {STRUCTURE}; if it is an "
            "ordinary .npz, read it with np.load"
        )
    try:
        structure = json.loads(archive.read(STRUCTURE))
        if structure["format"] != FORMAT:
            raise CheckpointError(
                f"{path} is not a minigrad checkpoint: its format is {structure['format']!r}, not {FORMAT!r}"
            )
        if structure["version"] > VERSION:
            raise CheckpointError(
                f"{path} has format version {structure['version']}, and this minigrad reads up to {VERSION}: "
                "update minigrad, or save again with this version"
            )
        return _decode(structure["state"], archive)
    except (CheckpointError, MemoryError):
        raise
    except Exception as error:
        raise _damaged(path, str(error) or type(error).__name__) from error


def _as_path(path: Any, call: str) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{call}: path is a {type(path).__name__}; expected a str or os.PathLike")
    return Path(path)


def _encode(value: Any, arrays: list[np.ndarray], place: str, depth: int) -> Any:
    """Turn `value` into what JSON can hold, its arrays appended to `arrays`; `place` names it in errors."""
    if depth > DEEPEST:
        raise TypeError(f"cannot save {place}: nested more than {DEEPEST} deep; does the state contain itself?")
    if not isinstance(value, type):
        if callable(getattr(value, "state_dict", None)):
            value = value.state_dict()
        elif hasattr(type(value), "requires_grad"):
            value = value.data
    if hasattr(value, "__cuda_array_interface__"):
        value = device.to_host(value)

    if isinstance(value, dict):
        for key in value:
            if type(key) is not str:
                raise TypeError(
                    f"cannot save {place}: its key {key!r} is a {type(key).__name__}; expected str keys: use "
                    f"str({key!r}), or a list of (key, value) pairs"
                )
        return {"dict": {k: _encode(v, arrays, f"{place}[{k!r}]", depth + 1) for k, v in value.items()}}
    if type(value) in (list, tuple):
        items = [_encode(v, arrays, f"{place}[{i}]", depth + 1) for i, v in enumerate(value)]
        return {type(value).__name__: items}
    if type(value) is np.ndarray or isinstance(value, np.generic):
        array = np.asarray(value)
        if not _storable(array.dtype):
            raise TypeError(
                f"cannot save {place}: an array of dtype {array.dtype} needs pickle; expected numbers, "
                "bools, strings of fixed length or dates: convert it with .astype(...)"
            )
        arrays.append(array)
        return {"array" if value is array else "scalar": len(arrays) - 1}
    if type(value) is int and abs(value) > EXACT_IN_JSON:
        return {"int": hex(value)}
    if type(value) is float and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise TypeError(
        f"cannot save {place}: a {type(value).__name__}; expected a Module, dict, list, tuple, array, "
        "Tensor, number, str, bool or None: convert it to one of these"
    )


def _storable(dtype: np.dtype) -> bool:
    """Whether the .npy format gives `dtype` back; of dtypes from other packages it keeps nameless bytes."""
    if dtype.hasobject:
        return False
    try:
        return np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(dtype)) == dtype
    except ValueError:  # records whose fields overlap
        return False


def _write_archive(file: Any, structure: str, arrays: list[np.ndarray]) -> None:
    # ZipInfo's default date is fixed, so equal states give equal files.
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(STRUCTURE), structure)
        for number, array in enumerate(arrays):
            with archive.open(zipfile.ZipInfo(_entry(number)), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def _entry(number: int) -> str:
    return f"arrays/{number}.npy"


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself survive a power cut, where the system can."""
    if os.name == "nt":
        return
    # The file is complete and in place by now: a folder that cannot sync is no failure.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _decode(node: Any, archive: zipfile.ZipFile) -> Any:
    if not isinstance(node, dict):
        return node
    ((kind, content),) = node.items()
    if kind == "dict":
        return {key: _decode(value, archive) for key, value in content.items()}
    if kind == "list":
        return [_decode(value, archive) for value in content]
    if kind == "tuple":
        return tuple(_decode(value, archive) for value in content)
    if kind == "int":
        return int(content, 16)
    if kind == "float":
        return float(content)
    # Reading the whole entry before parsing it checks its CRC first.
    array = np.lib.format.read_array(io.BytesIO(archive.read(_entry(content))), allow_pickle=False)
    if kind == "array":
        return array
    if kind == "scalar":
        return array[()]
    raise ValueError(f"unknown kind of value {kind!r}")


def _unreadable(path: Path, content: bytes, error: Exception) -> CheckpointError:
    if not content:
        return _damaged(path, "it is empty")
    if content.startswith(b"PK\x03\x04"):
        return _damaged(path, f"it begins as a checkpoint, but its end is missing or broken: {error}")
    return CheckpointError(
        f"{path} is not a minigrad checkpoint: it begins with {content[:8]!r}, and mg.save did not write it"
    )


def _damaged(path: Path, what: str) -> CheckpointError:
    return CheckpointError(f"{path} is damaged: {what}; copy the file again, or go back to an earlier checkpoint")
