"""MNIST and CIFAR-10 as arrays of images (N, C, H, W)."""

import os
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from .files import File, damaged, find, md5, md5_of_file, unzipped

# --- IDX, the format of MNIST

IDX_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an array from an IDX file, gzipped or not: the format of MNIST, Fashion-MNIST, KMNIST and EMNIST.

    The format: two zero bytes, a byte for the type, a byte for the number d of dimensions, d sizes as big-endian
    32-bit integers, then the values, row by row.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    ndarray
        Of the file's shape and type (uint8 for images and labels), in the byte order of this machine.

    Raises
    ------
    ValueError
        The file is not IDX, holds fewer or more bytes than its header says, or its gzip data is damaged.
    OSError
        The file is missing or cannot be read.

    References
    ----------
    Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits", section "File formats".

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "labels-idx1-ubyte")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1]) + (3).to_bytes(4, "big") + bytes([7, 2, 1]))
    ...     mg.data.read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    path = Path(path)
    return _parse_idx(_content(path), path)


def _content(path: Path) -> bytes:
    with unzipped(path) as file:
        return file.read()


def _parse_idx(content: bytes, path: Path) -> np.ndarray:
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_DTYPES:
        raise damaged(
            path,
            f"an IDX file begins with 00 00, a type (08 is uint8) and the number of dimensions, this one with "
            f"{content[:4].hex(' ') or 'nothing: it is empty'}",
        )
    dtype, dimensions = np.dtype(IDX_DTYPES[content[2]]), content[3]
    if dimensions > 32:
        raise damaged(
            path, f"its header announces {dimensions} dimensions; IDX data sets have 1 to 4, at most 32 are read"
        )
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise damaged(path, f"it ends after {len(content)} bytes, inside its header of {header} bytes")
    sizes = [int.from_bytes(content[i : i + 4], "big") for i in range(4, header, 4)]
    expected = header + dtype.itemsize * int(np.prod(sizes, dtype=object))
    if len(content) != expected:
        raise damaged(
            path,
            f"its header announces {' x '.join(map(str, sizes))} values of {dtype.itemsize} byte(s), "
            f"{expected} bytes in all, but it has {len(content)}",
        )
    return np.frombuffer(content, dtype, offset=header).reshape(sizes).astype(dtype.newbyteorder("="))


# --- MNIST


def _md5_of_content(path: Path) -> str:
    return md5(_content(path))


# The checksums are of the unzipped bytes: mirrors zip them differently.
MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MNIST = tuple(
    File("mnist", f"{name}.gz", MNIST_MIRRORS, checksum, _md5_of_content)
    for name, checksum in [
        ("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb"),
        ("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624"),
        ("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea"),
        ("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637"),
    ]
)
MNIST_SIZES = (47_040_016, 60_008, 7_840_016, 10_008)


def load_mnist(flatten: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load MNIST: 60,000 handwritten digits to train on and 10,000 to test on, white on black.

    The four files are looked for in the folder that the environment variable MINIGRAD_DATA names, in its subfolder
    ``mnist``, and in the cache (``~/.cache/minigrad/mnist``, or below ``XDG_CACHE_HOME`` or ``LOCALAPPDATA``), gzipped
    or not. Those that are nowhere are downloaded into the cache, 11 MB in all, and checked; a download that was
    interrupted goes on where it stopped.

    A file of the published size must be the published file, byte for byte. A smaller one, cut for a quick class, is
    taken as it is. For data sets that only look like MNIST, see :func:`read_idx`.

    Parameters
    ----------
    flatten : bool, default False
        Each image as a row of 784 pixels, for fully connected networks.

    Returns
    -------
    X_train : ndarray, shape (60000, 1, 28, 28) or (60000, 784), float32
        Pixels in [0, 1]: 0 paper, 1 ink.
    y_train : ndarray, shape (60000,), int64
        The digit, 0..9.
    X_test : ndarray, shape (10000, 1, 28, 28) or (10000, 784), float32
    y_test : ndarray, shape (10000,), int64
        **The order is X_train, y_train, X_test, y_test**, not that of scikit-learn's ``train_test_split``.

    Raises
    ------
    ValueError
        A file is truncated or damaged, is not IDX, or is not MNIST.
    DownloadError
        The files are not on this machine and no mirror gave them: what was tried, and where to put them by hand.
        An OSError.
    FileNotFoundError
        MINIGRAD_DATA is set but is not a folder.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition", 1998.
    The data: Y. LeCun, C. Cortes and C. J. C. Burges, CC BY-SA 3.0.

    Examples
    --------
    A class of three: files of the same names and format, in a folder of one's own.

    >>> import os, pathlib, tempfile
    >>> from unittest import mock
    >>> with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, MINIGRAD_DATA=folder):
    ...     for part in "train", "t10k":
    ...         images = bytes([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 28, 0, 0, 0, 28]) + bytes([255] * 3 * 784)
    ...         _ = pathlib.Path(folder, f"{part}-images-idx3-ubyte").write_bytes(images)
    ...         labels = bytes([0, 0, 8, 1, 0, 0, 0, 3]) + bytes([7, 2, 1])
    ...         _ = pathlib.Path(folder, f"{part}-labels-idx1-ubyte").write_bytes(labels)
    ...     X_train, y_train, X_test, y_test = mg.data.load_mnist()
    >>> X_train.shape, X_train.dtype, float(X_train.max()), y_train
    ((3, 1, 28, 28), dtype('float32'), 1.0, array([7, 2, 1]))
    """
    paths = find(MNIST)
    raw = [_mnist_array(*which) for which in zip(paths, MNIST, MNIST_SIZES, strict=True)]
    for images, labels in (0, 1), (2, 3):
        if raw[images].ndim != 3 or raw[images].shape[1:] != (28, 28):
            raise damaged(paths[images], f"it holds an array of shape {raw[images].shape}, expected (N, 28, 28)")
        if raw[labels].ndim != 1:
            raise damaged(paths[labels], f"it holds an array of shape {raw[labels].shape}, expected (N,)")
        if len(raw[images]) != len(raw[labels]):
            raise ValueError(
                f"{paths[images]} holds {len(raw[images])} images, but {paths[labels]} holds {len(raw[labels])} "
                "labels; expected one label for each image: take both files from the same place"
            )
        _check_classes(raw[labels], paths[labels])
    shape = (-1, 784) if flatten else (-1, 1, 28, 28)
    X_train, X_test = (_scaled([raw[i]]).reshape(shape) for i in (0, 2))
    return X_train, raw[1].astype(np.int64), X_test, raw[3].astype(np.int64)


def _mnist_array(path: Path, file: File, size: int) -> np.ndarray:
    content = _content(path)
    array = _parse_idx(content, path)
    if array.dtype != np.uint8:
        raise damaged(path, f"it holds {array.dtype} values, expected uint8")
    # A file cut for a class shows in its shape; another data set of the same shape, or a flipped byte, would not show.
    if len(content) == size and (found := md5(content)) != file.md5:
        raise damaged(
            path,
            f"it has MNIST's shape but not its bytes: the md5 of the unzipped content is {found}, expected {file.md5} "
            "(for another data set in this format there is mg.data.read_idx)",
        )
    return array


def _check_classes(labels: np.ndarray, path: Path, name: str = "") -> None:
    if labels.size and labels.max() > 9:
        i = int(labels.argmax())
        where = f"{name}: " if name else ""
        raise damaged(path, f"{where}label {i} is {labels[i]}, expected 0..9")


def _scaled(parts: list[np.ndarray]) -> np.ndarray:
    """Bytes as one float32 array in [0, 1]; the parts are let go one by one, to need less memory."""
    scaled = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), np.float32)
    stop = len(scaled)
    while parts:
        part = parts.pop()
        start = stop - len(part)
        np.divide(part, np.float32(255), out=scaled[start:stop])
        stop = start
    return scaled


# --- CIFAR-10

CIFAR10 = File(
    "cifar10",
    "cifar-10-binary.tar.gz",
    ("https://www.cs.toronto.edu/~kriz/",),
    "c32a1d4ab5d03f1284b67883e8d87530",  # as published at https://www.cs.toronto.edu/~kriz/cifar.html
    md5_of_file,
)
CIFAR10_TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
CIFAR10_TEST = "test_batch.bin"
CIFAR10_RECORD = 1 + 3 * 32 * 32
CIFAR10_LONGEST = 10_000


def load_cifar10() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load CIFAR-10: 50,000 small colour photographs to train on and 10,000 to test on, ten balanced classes.

    ``cifar-10-binary.tar.gz`` is looked for as :func:`load_mnist` looks for its files (the subfolder is ``cifar10``),
    else downloaded, 170 MB, and checked against the published md5. Its members are read one by one; nothing is
    unpacked on the disk. The arrays take 740 MB, loading them 200 MB more.

    Returns
    -------
    X_train : ndarray, shape (50000, 3, 32, 32), float32
        Red, green and blue in [0, 1].
    y_train : ndarray, shape (50000,), int64
        0 airplane, 1 automobile, 2 bird, 3 cat, 4 deer, 5 dog, 6 frog, 7 horse, 8 ship, 9 truck.
    X_test : ndarray, shape (10000, 3, 32, 32), float32
    y_test : ndarray, shape (10000,), int64
        **The order is X_train, y_train, X_test, y_test**, as of :func:`load_mnist`.

    Raises
    ------
    ValueError
        The archive is truncated or damaged, lacks a member, or a member is not whole records of a label 0..9 and
        3 x 32 x 32 bytes.
    DownloadError
        The archive is not on this machine and could not be downloaded: what was tried, and where to put it by hand.
        An OSError.
    FileNotFoundError
        MINIGRAD_DATA is set but is not a folder.

    References
    ----------
    A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

    Examples
    --------
    An archive of the same format with one image of each batch, in a folder of one's own.

    >>> import io, os, pathlib, tarfile, tempfile
    >>> from unittest import mock
    >>> with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, MINIGRAD_DATA=folder):
    ...     with tarfile.open(pathlib.Path(folder, "cifar-10-binary.tar.gz"), "w:gz") as archive:
    ...         for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
    ...             member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
    ...             member.size = 1 + 3 * 32 * 32
    ...             archive.addfile(member, io.BytesIO(bytes([8]) + bytes(3 * 32 * 32)))
    ...     X_train, y_train, X_test, y_test = mg.data.load_cifar10()
    >>> X_train.shape, X_train.dtype, y_train, X_test.shape
    ((5, 3, 32, 32), dtype('float32'), array([8, 8, 8, 8, 8]), (1, 3, 32, 32))
    """
    (path,) = find([CIFAR10])
    records = _cifar10_records(path)
    y_train = np.concatenate([records[name][:, 0] for name in CIFAR10_TRAIN]).astype(np.int64)
    X_train = _scaled([records.pop(name)[:, 1:] for name in CIFAR10_TRAIN])
    test = records[CIFAR10_TEST]
    X_test, y_test = _scaled([test[:, 1:]]), test[:, 0].astype(np.int64)
    return X_train.reshape(-1, 3, 32, 32), y_train, X_test.reshape(-1, 3, 32, 32), y_test


def _cifar10_records(path: Path) -> dict[str, np.ndarray]:
    """The six batches, (N, 3073) uint8, by the last part of their members' names: where they would lie is no matter."""
    import tarfile

    records: dict[str, np.ndarray] = {}
    with unzipped(path) as file:
        try:
            with tarfile.open(fileobj=file, mode="r|", bufsize=1 << 18) as archive:
                for member in archive:
                    name = PurePosixPath(member.name).name
                    content = archive.extractfile(member) if member.isfile() else None
                    if content is not None and name in (*CIFAR10_TRAIN, CIFAR10_TEST):
                        records[name] = _cifar10_batch(content, member.size, name, path)
        except tarfile.TarError as error:
            raise damaged(path, f"it is no whole tar archive ({error})") from error
        while file.read(1 << 20):
            pass  # gzip compares its own checksum only at the very end
    missing = [name for name in (*CIFAR10_TRAIN, CIFAR10_TEST) if name not in records]
    if missing:
        raise damaged(path, f"it lacks {', '.join(missing)}; expected the binary version of CIFAR-10")
    return records


def _cifar10_batch(content: IO[bytes], size: int, name: str, path: Path) -> np.ndarray:
    if size % CIFAR10_RECORD or not 0 < size <= CIFAR10_LONGEST * CIFAR10_RECORD:
        raise damaged(
            path,
            f"{name} has {size} bytes, expected 1 to {CIFAR10_LONGEST} records of {CIFAR10_RECORD} bytes "
            "(a label and 3 x 32 x 32 pixels)",
        )
    records = np.frombuffer(content.read(), np.uint8).reshape(-1, CIFAR10_RECORD)
    _check_classes(records[:, 0], path, name)
    return records
