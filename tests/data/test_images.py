import gzip
import io
import os
import tarfile
import time
from functools import partial

import numpy as np
import pytest

from minigrad.data import files, images, load_cifar10, load_mnist, read_idx

RNG = np.random.default_rng(0)


def idx(array, code=None):
    """An array as the bytes of an IDX file, written from the format's description."""
    code = code or {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}[array.dtype.str[1:]]
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


# --- IDX


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("shape", [(), (5,), (0, 3), (2, 3, 4)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_of_every_type(dtype, shape, pack, tmp_path):
    array = RNG.integers(-100, 100, shape).astype(dtype)
    (tmp_path / "a.gz").write_bytes(pack(idx(array)))  # the name says gzip either way
    read = read_idx(str(tmp_path / "a.gz"))
    assert np.array_equal(read, array)
    assert read.dtype == np.dtype(dtype)
    assert read.dtype.isnative
    assert read.flags.writeable


zipped = partial(gzip.compress, mtime=0)
LABELS = idx(np.arange(5, dtype=np.uint8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with 00 00, .* this one with nothing: it is empty"),
        (b"\0\0\x08", "this one with 00 00 08"),
        (b"<html>not found", "this one with 3c 68 74 6d"),
        (b"\0\0\x0a\x01" + LABELS[4:], "this one with 00 00 0a 01"),
        (b"\0\0\x08\x03\0\0\0\x05", "ends after 8 bytes, inside its header of 16 bytes"),
        (b"\0\0\x08\x41" + b"\0\0\0\x01" * 65 + b"\0", "its header announces 65 dimensions"),
        (LABELS[:-1], r"announces 5 values of 1 byte\(s\), 13 bytes in all, but it has 12"),
        (LABELS + b"\0", "13 bytes in all, but it has 14"),
        (idx(np.ones((2, 3), np.float32))[:-4], r"announces 2 x 3 values of 4 byte\(s\), 36 bytes in all, .* has 32"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "announces 4294967295 x 4294967295 x 4294967295 values"),
        (zipped(LABELS)[:-9], r"gzip data is cut short or damaged \(Compressed file ended"),
        (zipped(LABELS)[:-8] + bytes(8), r"cut short or damaged \(CRC check failed"),
        (zipped(LABELS)[:10] + b"\xff" * 20, r"cut short or damaged \(Error -3 while decompressing"),
        (b"\x1f\x8b\0\0" + bytes(20), "cut short or damaged"),
        (zipped(LABELS[:-2]), "13 bytes in all, but it has 11"),
    ],
)
def test_damaged_idx(content, message, tmp_path):
    (tmp_path / "a-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match=rf"a-ubyte cannot be used: .*{message}.*; delete it, and the next call looks"):
        read_idx(tmp_path / "a-ubyte")


# --- MNIST

DIGITS = {
    "train-images-idx3-ubyte": RNG.integers(0, 256, (7, 28, 28), np.uint8),
    "train-labels-idx1-ubyte": np.array([3, 1, 4, 1, 5, 9, 2], np.uint8),
    "t10k-images-idx3-ubyte": RNG.integers(0, 256, (2, 28, 28), np.uint8),
    "t10k-labels-idx1-ubyte": np.array([0, 9], np.uint8),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """MINIGRAD_DATA, and no other place where a file could come from."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def mnist(folder):
    for name, array in DIGITS.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
    return folder


@pytest.mark.usefixtures("mnist")
@pytest.mark.parametrize(("flatten", "shape"), [(False, (1, 28, 28)), (True, (784,))])
def test_mnist(flatten, shape):
    X_train, y_train, X_test, y_test = load_mnist(flatten=flatten)
    for X, y, kind in (X_train, y_train, "train"), (X_test, y_test, "t10k"):
        raw, labels = DIGITS[f"{kind}-images-idx3-ubyte"], DIGITS[f"{kind}-labels-idx1-ubyte"]
        assert (X.shape, X.dtype, y.dtype) == ((len(raw), *shape), np.float32, np.int64)
        assert np.array_equal(X.ravel(), raw.ravel() / np.float32(255))
        assert np.array_equal(y, labels)
        X[:], y[:] = 0, 0  # writeable, and the caller's own
    assert load_mnist()[1].tolist() == [3, 1, 4, 1, 5, 9, 2]


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train-images-idx3-ubyte", np.zeros((7, 28, 27), np.uint8), r"shape \(7, 28, 27\), expected \(N, 28, 28\)"),
        ("t10k-images-idx3-ubyte", np.zeros(9, np.uint8), r"shape \(9,\), expected \(N, 28, 28\)"),
        ("train-labels-idx1-ubyte", np.zeros((7, 1), np.uint8), r"shape \(7, 1\), expected \(N,\)"),
        ("t10k-labels-idx1-ubyte", np.array([3, 10], np.uint8), "label 1 is 10, expected 0..9"),
        ("t10k-labels-idx1-ubyte", np.array([3, 1], np.int32), "holds int32 values, expected uint8"),
    ],
)
def test_files_that_are_not_mnist(name, array, message, mnist):
    (mnist / f"{name}.gz").write_bytes(idx(array))
    with pytest.raises(ValueError, match=rf"{name}\.gz cannot be used: it holds .*{message}|{message}"):
        load_mnist()


def test_images_and_labels_that_do_not_belong_together(mnist):
    (mnist / "train-labels-idx1-ubyte.gz").write_bytes(idx(np.zeros(6, np.uint8)))
    with pytest.raises(
        ValueError, match=r"train-images.* holds 7 images, but .*train-labels.* holds 6 labels; .* same"
    ):
        load_mnist()


def test_mnists_size_without_its_bytes(mnist):
    (mnist / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(10_000, np.uint8))))
    with pytest.raises(
        ValueError,
        match=r"t10k-labels.* has MNIST's shape but not its bytes: .* expected 27ae3e4e09519cfbb04c329615203637 "
        r".*mg\.data\.read_idx",
    ):
        load_mnist()


def test_a_full_sized_mnist_is_quick(mnist, monkeypatch):
    zeros = idx(np.zeros((60_000, 28, 28), np.uint8))
    labels = idx(np.zeros(60_000, np.uint8))
    for name, content in ("train-images-idx3", zeros), ("train-labels-idx1", labels):
        (mnist / f"{name}-ubyte.gz").write_bytes(gzip.compress(content, 1))
    monkeypatch.setattr(images, "md5", lambda content: md5_of(content) and checksums[len(content)])
    md5_of = files.md5
    checksums = {len(zeros): images.MNIST[0].md5, len(labels): images.MNIST[1].md5}
    start = time.perf_counter()
    X_train = load_mnist()[0]
    assert time.perf_counter() - start < 5  # 0.7 s on a laptop; 60,000 images one by one would take longer
    assert X_train.shape == (60_000, 1, 28, 28)


@pytest.mark.skipif("MINIGRAD_DATA" not in os.environ, reason="MINIGRAD_DATA is not set")
def test_the_real_mnist():
    folder = files.own_folder()
    if not any((folder / sub / "train-images-idx3-ubyte.gz").exists() for sub in ("mnist", ".")):
        pytest.skip("no MNIST in MINIGRAD_DATA")
    X_train, y_train, X_test, y_test = load_mnist()
    assert np.bincount(y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert X_train.mean() == pytest.approx(0.1307, abs=1e-4)  # the mean that everyone standardises with
    assert X_test.shape == (10_000, 1, 28, 28)


# --- CIFAR-10

BATCHES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
RECORDS = {name: RNG.integers(0, 256, (i + 1, 3073), np.uint8) for i, name in enumerate(BATCHES)}
for records in RECORDS.values():
    records[:, 0] %= 10
MEMBERS = [(f"cifar-10-batches-bin/{name}", records.tobytes()) for name, records in RECORDS.items()]


def tar(members, mode="w:gz"):
    """A tar archive of (name or TarInfo, content)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, content in members:
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def link(name):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return member


ARCHIVE = "cifar-10-binary.tar.gz"


@pytest.mark.parametrize(
    "archive",
    [
        tar(MEMBERS),
        tar(MEMBERS, "w"),  # unzipped by a browser
        tar(MEMBERS[::-1]),
        tar([("cifar-10-batches-bin/readme.html", b"<html>"), ("../../../etc/passwd", b"x"), *MEMBERS]),
        tar([("/" + name.upper(), b"x") for name, _ in MEMBERS] + [("../" + name, data) for name, data in MEMBERS]),
        tar([(link(name), b"") for name, _ in MEMBERS] + MEMBERS),  # no file behind a link is read
    ],
    ids=["as published", "not zipped", "another order", "other members", "odd names", "links"],
)
def test_cifar10(archive, folder):
    (folder / "cifar10").mkdir()
    (folder / "cifar10" / ARCHIVE).write_bytes(archive)
    X_train, y_train, X_test, y_test = load_cifar10()
    train = np.concatenate([RECORDS[name] for name in BATCHES[:5]])
    for X, y, records in (X_train, y_train, train), (X_test, y_test, RECORDS["test_batch.bin"]):
        assert (X.shape, X.dtype, y.dtype) == ((len(records), 3, 32, 32), np.float32, np.int64)
        assert np.array_equal(y, records[:, 0])
        assert np.array_equal(X[:, 1, 2, 3], records[:, 1 + 1024 + 2 * 32 + 3] / np.float32(255))  # green, row 2
        assert np.array_equal(X.reshape(len(X), -1), records[:, 1:] / np.float32(255))
    assert [path.name for path in folder.rglob("*") if path.is_file()] == [ARCHIVE]  # nothing unpacked


def cut(records, name="cifar-10-batches-bin/data_batch_2.bin"):
    return tar([(name, records), *MEMBERS])


WHOLE = tar(MEMBERS)


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (WHOLE[: len(WHOLE) // 2], r"gzip data is cut short or damaged \(Compressed file ended"),
        (WHOLE[:-8] + bytes(8), r"gzip data is cut short or damaged \(CRC check failed"),
        (zipped(tar(MEMBERS, "w") + bytes(10**6))[:-8] + bytes(8), r"CRC check failed"),  # far behind the last member
        (tar(MEMBERS, "w")[: 512 + 1000], r"no whole tar archive \(unexpected end of data\)"),
        (tar(MEMBERS, "w")[: 512 * 22], "it lacks data_batch_3.bin, .*, test_batch.bin; expected the binary version"),
        (tar(MEMBERS[:-1]), "it lacks test_batch.bin; expected the binary version of CIFAR-10"),
        (tar([("cifar-10-batches-py/data_batch_1", b"x")]), "it lacks data_batch_1.bin, .*binary version"),
        (b"<html>not found</html>" * 100, "no whole tar archive"),
        (b"", "no whole tar archive"),
        (cut(bytes(3073 * 2 - 1)), "data_batch_2.bin has 6145 bytes, expected 1 to 10000 records of 3073 bytes"),
        (cut(b""), "data_batch_2.bin has 0 bytes, expected"),
        (cut(bytes([7]) + bytes(3072) + bytes([12]) + bytes(3072)), "data_batch_2.bin: label 1 is 12, expected 0..9"),
    ],
)
def test_damaged_cifar10(archive, message, folder):
    (folder / ARCHIVE).write_bytes(archive)
    with pytest.raises(ValueError, match=rf"{ARCHIVE} cannot be used: .*{message}.*; delete it"):
        load_cifar10()


def test_a_member_that_is_too_long_is_refused_unread(folder, monkeypatch):
    monkeypatch.setattr(images, "CIFAR10_LONGEST", 2)
    (folder / ARCHIVE).write_bytes(WHOLE)
    with pytest.raises(ValueError, match=r"data_batch_3\.bin has 9219 bytes, expected 1 to 2 records"):
        load_cifar10()
