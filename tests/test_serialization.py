import collections
import errno
import io
import json
import math
import os
import re
import signal
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad import serialization
from minigrad.serialization import CheckpointError, load, save


def same(a, b):
    """Equal in value, type, dtype and shape, all the way down; NaN equals NaN, -0.0 differs from 0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return repr(a) == repr(b) if isinstance(a, float) else a == b


def there_and_back(state, path):
    save(path, state)
    return load(path)


STATE = {
    "model": {"0.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "0.bias": np.zeros(2, np.float32)},
    "betas": (0.9, 0.999),
    "step": 17,
    "rng": np.random.PCG64(5).state,
    "history": [{"loss": 0.5, "recall": None}, {"loss": math.inf, "recall": True}],
}


# --- what goes in comes out -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        *[None, True, False, 0, -1, 1.5, -0.0, math.nan, math.inf, -math.inf, 5e-324, "", "é☃\ud800\x00"],
        *[2**53, -(2**53) - 1, 2**127 + 1, -(2**64), 10**5000],
        *[np.float32(0.1), np.float64(0.1), np.int8(-3), np.bool_(True), np.str_("a"), np.datetime64("2020")],
        *[np.zeros(3, dtype) for dtype in "?bhilqBHILQefdgFDG"],
        *[np.zeros(2, dtype) for dtype in (">f4", "<i8", "S3", "U3", "V5", "M8[s]", [("a", "i4", 2)])],
        *[np.zeros(()), np.zeros(0), np.zeros((0, 3)), np.asfortranarray(np.eye(3, 2)), np.arange(9)[::-2]],
        *[{}, [], (), (1, (2, [3, ()])), {"": {"list": [1], "array": 0}}, {"a/b": 1, "a": {"b": 2}}],
        np.array([np.nan, -0.0, np.inf]),
        np.random.PCG64(1).state,
        np.random.MT19937(1).state,
        STATE,
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_round_trip(value, tmp_path):
    assert same(there_and_back(value, tmp_path / "state"), value)


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, min_side=0, max_side=3))
)  # fmt: skip
STATES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(state=STATES)
def test_round_trip_of_anything_nested(state, tmp_path_factory):
    assert same(there_and_back(state, tmp_path_factory.getbasetemp() / "nested"), state)


class Parameter:
    """As Tensor and Parameter look to `save`: the class has `requires_grad`, the value `data`."""

    requires_grad = True

    def __init__(self, data):
        self.data = data


class Model:
    def __init__(self):
        self.weight = Parameter(np.arange(3.0))

    def state_dict(self):
        return collections.OrderedDict(weight=self.weight, extra={"scale": np.float32(2)})


class OnGpu:
    """As a CuPy array looks."""

    __cuda_array_interface__ = None

    def get(self):
        return np.arange(4)


MODEL_STATE = {"weight": np.arange(3.0), "extra": {"scale": np.float32(2)}}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (Model(), MODEL_STATE),
        ({"model": Model(), "epoch": 3}, {"model": MODEL_STATE, "epoch": 3}),
        (Parameter(np.float32([1, 2])), np.float32([1, 2])),
        ([OnGpu(), Parameter(OnGpu())], [np.arange(4), np.arange(4)]),
        (collections.defaultdict(int, a=1), {"a": 1}),
    ],
    ids=["model", "model inside", "Tensor", "GPU", "dict of another kind"],
)
def test_models_tensors_and_gpu_arrays_become_plain_state(state, expected, tmp_path):
    assert same(there_and_back(state, tmp_path / "state"), expected)


def test_a_random_generator_continues_where_it_was(tmp_path):
    rng, other = np.random.default_rng(3), np.random.default_rng(4)
    rng.normal(size=7)
    other.bit_generator.state = there_and_back(rng.bit_generator.state, tmp_path / "rng")
    assert rng.normal() == other.normal()


def test_equal_states_give_equal_files_on_any_day(tmp_path, monkeypatch):
    save(tmp_path / "a", STATE)
    monkeypatch.setattr("time.time", lambda: 1e9)
    save(tmp_path / "b", STATE)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_numpy_opens_the_file_and_finds_the_arrays(tmp_path):
    save(tmp_path / "a.npz", STATE)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert np.array_equal(file["arrays/0"], STATE["model"]["0.weight"])


# --- paths ----------------------------------------------------------------------------------------


def test_the_path_is_used_as_it_is(tmp_path):
    for name in ("plain", "dots.in.name", "unicode-é"):
        save(str(tmp_path / name), 1)
        assert load(str(tmp_path / name)) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dots.in.name", "plain", "unicode-é"]


def test_a_relative_path_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert there_and_back([1], "here") == [1]


def test_a_symbolic_link_stays_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "latest"
    try:
        link.symlink_to(tmp_path / "elsewhere" / "run.ckpt")
    except OSError:
        pytest.skip("this system does not let us make symbolic links")
    assert there_and_back([1], link) == [1]
    assert link.is_symlink()
    assert [p.name for p in (tmp_path / "elsewhere").iterdir()] == ["run.ckpt"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_others_may_read_the_file_as_the_umask_says(tmp_path):
    before = os.umask(0o022)
    try:
        save(tmp_path / "a", 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda d: save(Model(), d / "a"), TypeError, r"save\(path, .*\): path is a Model; .* os\.PathLike"),
        (lambda _: load({"a": 1}), TypeError, r"load\(path\): path is a dict; expected a str"),
        (lambda d: save(d / "no" / "a", 1), FileNotFoundError, r"folder .*no does not .* os\.makedirs\("),
        (lambda d: save(d, 1), IsADirectoryError, "cannot save to .*: it is a folder; add a file name"),
        (lambda d: load(d / "missing"), FileNotFoundError, "missing"),
    ],
)  # fmt: skip
def test_path_errors(call, error, message, tmp_path):
    with pytest.raises(error, match=message):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- what is refused ------------------------------------------------------------------------------

LOOP: list = []
LOOP.append({"again": LOOP})


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": {1: 2}}, r"cannot save state\['a'\]: its key 1 is a int; expected str keys: use str\(1\)"),
        ({("a", "b"): 2}, r"its key \('a', 'b'\) is a tuple"),
        ({np.str_("a"): 2}, "its key .* is a str_"),
        (
            [1, object()],
            r"state\[1\]: a object; expected a Module, dict, list, tuple, array, Tensor",
        ),
        ({"f": print}, r"state\['f'\]: a builtin_function"),
        (b"bytes", "cannot save state: a bytes"),
        (1j, "a complex"),
        ({1, 2}, "a set"),
        (Model, "a type"),
        (signal.SIGINT, "a Signals"),
        (collections.namedtuple("Point", "x")(1), "a Point"),
        (np.ma.masked_array([1, 2], [True, False]), "a MaskedArray"),
        (np.random.default_rng(0), "a Generator"),
        ({"o": np.array([{}])}, r"state\['o'\]: an array of dtype object needs pickle; .* \.astype\("),
        (np.zeros(2, [("a", "O")]), r"an array of dtype \[\('a', 'O'\)\] needs pickle"),
        (np.array(["a"], np.dtypes.StringDType()), r"an array of dtype StringDType\(\) needs pickle"),
        (
            np.zeros(2, {"names": "ab", "formats": ["i4", "i2"], "offsets": [0, 2]}),
            "an array of dtype .* needs pickle",
        ),
        (LOOP, "nested more than 100 deep; does the state contain itself"),
    ],
)
def test_refused_before_anything_is_written(state, message, tmp_path):
    save(tmp_path / "a", "before")
    with pytest.raises(TypeError, match=message):
        save(tmp_path / "a", state)
    assert load(tmp_path / "a") == "before"


def test_a_dtype_of_another_package_is_refused(tmp_path):
    rational = pytest.importorskip("numpy._core._rational_tests").rational  # NumPy's own example of one
    with pytest.raises(TypeError, match="an array of dtype rational needs pickle"):
        save(tmp_path / "a", np.zeros(2, rational))


def test_a_hundred_levels_are_not_too_many(tmp_path):
    state = 0
    for _ in range(100):
        state = [state]
    assert there_and_back(state, tmp_path / "a") == state


# --- whole or not at all --------------------------------------------------------------------------


class FullDisk(io.FileIO):
    """A file on a disk with `room` bytes left, or whatever else goes wrong there."""

    def __init__(self, path, room, failure):
        super().__init__(path, "x")
        self.room, self.failure = room, failure

    def write(self, data):
        self.room -= len(data)
        if self.room < 0:
            raise self.failure
        return super().write(data)


def fails_at(step, failure, monkeypatch):
    """Let `failure` happen after so many bytes, or in one of the functions of `os`."""

    def fail(*_):
        raise failure

    if isinstance(step, int):

        def open_full(path, _):
            return io.BufferedWriter(FullDisk(path, step, failure), 64)

        monkeypatch.setattr(serialization, "open", open_full, raising=False)
    else:
        monkeypatch.setattr(os, step, fail)


@pytest.mark.parametrize(
    "failure",
    [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), MemoryError()],
    ids=repr,
)
@pytest.mark.parametrize("step", [0, 1, 300, 700, 1200, "fsync", "replace"])
def test_a_failure_leaves_the_old_checkpoint_and_nothing_else(step, failure, tmp_path, monkeypatch):
    path = tmp_path / "run.ckpt"
    save(path, {"epoch": 1})
    fails_at(step, failure, monkeypatch)
    with pytest.raises(type(failure)):
        save(path, STATE)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["run.ckpt"]
    assert load(path) == {"epoch": 1}


def test_a_full_disk_is_reported_with_the_path_and_what_is_left(tmp_path, monkeypatch):
    path = tmp_path / "run.ckpt"
    fails_at(300, OSError(errno.ENOSPC, "No space left on device"), monkeypatch)
    with pytest.raises(OSError, match="No space left on device; nothing was saved, and what was there") as caught:
        save(path, STATE)
    assert caught.value.errno == errno.ENOSPC
    assert str(caught.value.filename) == str(path)
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_on_the_disk_before_it_takes_the_name(tmp_path, monkeypatch):
    events = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (events.append(name), real(*a))[1])
    save(tmp_path / "a", STATE)
    assert events[:2] == ["fsync", "replace"]
    if os.name == "posix":
        assert events[2:] == ["fsync"]  # the folder's


@pytest.mark.skipif(os.name == "nt", reason="folders are not synced on Windows")
def test_a_folder_that_cannot_sync_is_no_failure(tmp_path, monkeypatch):
    real = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    assert same(there_and_back(STATE, tmp_path / "a"), STATE)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize(("step", "survivor"), [("fsync", 1), ("replace", 1), ("_sync_folder", 2)])
def test_kill_9_in_the_middle_of_saving(step, survivor, tmp_path):
    path = tmp_path / "run.ckpt"
    save(path, {"epoch": 1})
    owner = "serialization" if step.startswith("_") else "os"
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(serialization.__file__).parents[1])!r})
from minigrad import serialization
{owner}.{step} = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
serialization.save({str(path)!r}, {{"epoch": 2, "big": list(range(10000))}})
"""
    process = subprocess.run([sys.executable, "-c", code], check=False)
    assert process.returncode == -signal.SIGKILL
    assert load(path)["epoch"] == survivor
    save(path, {"epoch": 3})  # what the killed process left behind is in nobody's way
    assert load(path) == {"epoch": 3}


# --- damaged, foreign, too new --------------------------------------------------------------------


def rewritten(path, entry, change):
    """Write the checkpoint at `path` again with one entry changed (None: dropped), checksums valid."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            new = change(content) if name == entry else content
            if new is not None:
                archive.writestr(name, new)


def structure(**changes):
    """Change keys of the structure entry."""
    return lambda path: rewritten(path, "minigrad.json", lambda old: json.dumps({**json.loads(old), **changes}))


def bytes_of(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def flip(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def in_data(content):
    """A flipped bit in the numbers of the first array."""
    return flip(content, content.index(STATE["model"]["0.weight"].tobytes()) + 6)


def plain_npz(path):
    with open(path, "wb") as file:
        np.savez(file, w=np.zeros(3))


def plain_npy(path):
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))


def object_array(_):
    file = io.BytesIO()
    np.save(file, np.array([{}], object), allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (bytes_of(lambda _: b""), "is damaged: it is empty; copy the file again, or go back to an earlier"),
        (bytes_of(lambda b: b[:-1]), "is damaged: it begins as a checkpoint, but its end is missing"),
        (bytes_of(lambda b: b[:500]), "is damaged: it begins as a checkpoint, but its end is missing"),
        (bytes_of(in_data), r"is damaged: Bad CRC-32 for file 'arrays/0\.npy'; copy the file again"),
        (bytes_of(lambda b: flip(b, b.index(b'"format"'))), r"is damaged: .* file 'minigrad\.json'"),
        (lambda p: rewritten(p, "arrays/1.npy", lambda _: None), "is damaged: .*arrays/1.npy"),
        (lambda p: rewritten(p, "arrays/0.npy", lambda b: b[:-3]), "is damaged: .*"),
        (lambda p: rewritten(p, "arrays/0.npy", object_array), "is damaged: Object arrays cannot be loaded"),
        (lambda p: rewritten(p, "minigrad.json", lambda _: b"{"), "is damaged: .*"),
        (structure(state={"array": 99}), r"is damaged: .*arrays/99\.npy"),
        (structure(state={"array": 0, "list": []}), "is damaged: .*"),
        (structure(state={"object": 0}), "is damaged: unknown kind of value 'object'"),
        (structure(version="1"), "is damaged: .*"),
        (structure(version=2), "has format version 2, and this minigrad reads up to 1: update minigrad"),
        (structure(format="other"), "is not a minigrad checkpoint: its format is 'other', not"),
        (plain_npz, r"is not a minigrad checkpoint: a zip .* minigrad\.json; .* with np\.load"),
        (plain_npy, r"is not a minigrad checkpoint: it begins with b'\\x93NUMPY.*', and mg\.save"),
        (bytes_of(lambda _: b"some text"), "is not a minigrad checkpoint: it begins with b'some tex'"),
    ],
)  # fmt: skip
def test_unreadable_files(harm, message, tmp_path):
    path = tmp_path / "run.ckpt"
    save(path, STATE)
    harm(path)
    with pytest.raises(CheckpointError, match=re.escape(str(path))) as caught:
        load(path)
    assert re.match(re.escape(f"{path} ") + message, str(caught.value))


def test_a_checkpoint_error_is_a_value_error():
    assert issubclass(CheckpointError, ValueError)


def test_no_cut_and_no_flipped_bit_goes_unnoticed(tmp_path):
    path = tmp_path / "run.ckpt"
    save(path, STATE)
    content = path.read_bytes()
    complaints = []
    for n in range(2 * len(content)):
        path.write_bytes(content[:n] if n < len(content) else flip(content, n - len(content)))
        try:
            assert same(load(path), STATE)  # a byte that means nothing, such as a date
        except CheckpointError as error:
            complaints.append(str(error))
    assert len(complaints) > 1.7 * len(content)
    # Some exceptions of the zip reader have no text of their own.
    assert not any("damaged: ;" in complaint for complaint in complaints)


def test_a_real_disk_error_is_not_called_damage(tmp_path):
    with pytest.raises(OSError) as caught:  # noqa: PT011 - which OSError depends on the system
        load(tmp_path)
    assert not isinstance(caught.value, ValueError)
