"""Small tables as plain arrays: two that scikit-learn carries with it, and the one that comes with its costs."""

from pathlib import Path

import numpy as np

from .files import File, damaged, find, md5


def load_digits(normalize: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Load 1,797 handwritten digits of 8 x 8 pixels, ten nearly balanced classes.

    Parameters
    ----------
    normalize : bool, default True
        Scale the pixels from 0..16 to 0..1. False keeps 0..16.

    Returns
    -------
    X : ndarray, shape (1797, 64), float32
        One image a row; ``X.reshape(-1, 1, 8, 8)`` gives images as a convolution wants them (N, C, H, W).
    y : ndarray, shape (1797,), int64
        The digit, 0..9; 174 to 183 samples of each.

    Raises
    ------
    ImportError
        If scikit-learn, which carries the data, is not installed.

    References
    ----------
    E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998 (its test part).

    Examples
    --------
    >>> X, y = mg.data.load_digits()
    >>> X.shape, X.dtype, float(X.max()), np.bincount(y).tolist()
    ((1797, 64), dtype('float32'), 1.0, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    """
    X, y = _scikit_learn("load_digits")
    scale = 16 if normalize else 1
    return (X / scale).astype(np.float32), y.astype(np.int64)


def load_breast_cancer() -> tuple[np.ndarray, np.ndarray]:
    """Load the Wisconsin diagnostic breast cancer table: 569 tumours, 30 measurements, two classes.

    The features are raw and differ in scale by a factor of 10,000: standardise them, with the mean and the
    standard deviation of the training part alone.

    Returns
    -------
    X : ndarray, shape (569, 30), float32
    y : ndarray, shape (569,), int64
        **0 = malignant (212), 1 = benign (357)**, as scikit-learn codes them. The class whose miss is costly
        is therefore 0; ``1 - y`` makes it the positive one.

    Raises
    ------
    ImportError
        If scikit-learn, which carries the data, is not installed.

    References
    ----------
    W. N. Street, W. H. Wolberg and O. L. Mangasarian, "Nuclear feature extraction for breast tumor
    diagnosis", 1993.

    Examples
    --------
    >>> X, y = mg.data.load_breast_cancer()
    >>> X.shape, X.dtype, np.bincount(y).tolist()
    ((569, 30), dtype('float32'), [212, 357])
    """
    X, y = _scikit_learn("load_breast_cancer")
    return X.astype(np.float32), y.astype(np.int64)


def _md5_of_words(path: Path) -> str:
    return md5(b" ".join(path.read_bytes().split()))


# The checksum is of the numbers with one space between them: UCI's file sets them in columns (102,000 bytes, sha256
# 2752b044...), other copies do not.
GERMAN_CREDIT = File(
    "german_credit",
    "german.data-numeric",
    ("https://archive.ics.uci.edu/ml/machine-learning-databases/statlog/german/",),
    "eb7980207ed7f545638662e7ae611180",
    _md5_of_words,
)


def load_german_credit() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Load the Statlog German credit table: 1,000 loans, 24 numbers each, two classes and what mistakes cost.

    ``german.data-numeric`` is looked for as :func:`load_mnist` looks for its files (the subfolder is
    ``german_credit``), else downloaded, 0.1 MB, and checked. The features are raw integers of different scales, from
    0..1 to months and hundreds of marks: standardise them, with the mean and the standard deviation of the training
    part alone.

    Returns
    -------
    X : ndarray, shape (1000, 24), float32
    y : ndarray, shape (1000,), int64
        **0 = good (700), 1 = bad (300)**: the costly class is the positive one. The file has 1 and 2.
    C : ndarray, shape (2, 2), float64
        The official costs ``C[truth, prediction]``: a bad customer taken for good costs 5, a good one refused 1. So
        the cheapest decision is to refuse from P(bad) = 1/6 on.

    Raises
    ------
    ValueError
        The file is truncated or damaged: a row that is not 24 integers and a class, not 1,000 rows, or other
        numbers than UCI's.
    DownloadError
        The file is not on this machine and could not be downloaded: what was tried, and where to put it by hand. An
        OSError.
    FileNotFoundError
        MINIGRAD_DATA is set but is not a folder.

    References
    ----------
    H. Hofmann, "Statlog (German Credit Data)", UCI Machine Learning Repository, 1994, CC BY 4.0.

    Examples
    --------
    A file that was cut is not loaded; this one has two rows.

    >>> import os, pathlib, tempfile
    >>> from unittest import mock
    >>> with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, MINIGRAD_DATA=folder):
    ...     rows = "1 6 4" + " 0" * 21 + " 1\\n" + "2 48 2" + " 0" * 21 + " 2\\n"
    ...     _ = pathlib.Path(folder, "german.data-numeric").write_text(rows)
    ...     X, y, C = mg.data.load_german_credit()
    Traceback (most recent call last):
    ...
    ValueError: ...german.data-numeric cannot be used: it has 2 rows, expected 1000...
    """
    (path,) = find([GERMAN_CREDIT])
    X, y = _read_german_credit(path)
    if len(y) != 1000:
        raise damaged(
            path, f"it has {len(y)} rows, expected 1000: it was cut at the end of a line, or is another table"
        )
    if (found := _md5_of_words(path)) != GERMAN_CREDIT.md5:
        raise damaged(
            path, f"its 1000 rows are not UCI's: the md5 of the numbers is {found}, expected {GERMAN_CREDIT.md5}"
        )
    return X, y, np.array([[0.0, 1.0], [5.0, 0.0]])


def _read_german_credit(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """X and y of a file in this format, of any number of rows."""
    rows = [line.split() for line in path.read_bytes().splitlines() if line.strip()]
    for i, row in enumerate(rows):
        if len(row) != 25 or not all(word.isdigit() for word in row) or row[-1] not in (b"1", b"2"):
            raise damaged(
                path,
                f"row {i} is {b' '.join(row)[:80].decode('ascii', 'replace')!r} ({len(row)} words), expected "
                "24 integers and the class, 1 (good) or 2 (bad)",
            )
    if not rows:
        raise damaged(path, "it is empty")
    table = np.array(rows).astype(np.int64)
    return table[:, :-1].astype(np.float32), table[:, -1] - 1


def _scikit_learn(loader: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        from sklearn import datasets  # on first use: minigrad itself needs NumPy alone
    except ImportError as error:
        raise ImportError(
            f"{loader}() reads the copy of the data that scikit-learn carries, and scikit-learn could not be "
            f'imported ({error}); install it from the checkout with: pip install -e ".[lessons]"'
        ) from error
    return getattr(datasets, loader)(return_X_y=True)
