import os
import sys

import numpy as np
import pytest

from minigrad import decisions
from minigrad.data import files, load_breast_cancer, load_digits, load_german_credit, tables


@pytest.mark.parametrize(
    ("load", "shape", "low", "high", "counts"),
    [
        (load_digits, (1797, 64), 0, 1, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]),
        (
            lambda: load_digits(normalize=False),
            (1797, 64),
            0,
            16,
            [178, 182, 177, 183, 181, 182, 181, 179, 174, 180],
        ),
        (load_breast_cancer, (569, 30), 0, 4254, [212, 357]),
    ],
    ids=["digits", "digits raw", "breast_cancer"],
)
def test_table(load, shape, low, high, counts):
    X, y = load()
    assert (X.shape, X.dtype, y.dtype) == (shape, np.float32, np.int64)
    assert (X.min(), X.max()) == (low, high)
    assert np.bincount(y).tolist() == counts


def test_a_digit_is_its_picture():
    X, y = load_digits()
    first = X[0].reshape(8, 8)
    assert y[0] == 0
    assert first[3:5, 3:5].max() < 0.2 < first[:, 3:5].max()  # a zero: ink around an empty middle


def test_malignant_is_class_0():
    X, y = load_breast_cancer()
    mean_radius = X[:, 0]
    assert mean_radius[y == 0].mean() > 1.4 * mean_radius[y == 1].mean()


@pytest.mark.parametrize("load", [load_digits, load_breast_cancer])
def test_each_call_gives_arrays_of_its_own(load):
    X, y = load()
    X[:], y[:] = -1, -1
    again, labels = load()
    assert again.min() >= 0
    assert labels.min() >= 0


@pytest.mark.parametrize("load", [load_digits, load_breast_cancer])
def test_without_scikit_learn(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=rf'{load.__name__}\(\) reads .* pip install -e "\.\[lessons\]"'):
        load()


# --- German credit

ROWS = [[*range(24), 1], [*range(100, 124), 2], [0] * 24 + [2]]


def columns(rows, end=" \n"):
    """As UCI sets the file."""
    return "".join("".join(f"{value:4}" for value in row) + end for row in rows).encode()


@pytest.fixture
def german_credit(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    return tmp_path / "german.data-numeric"


@pytest.mark.parametrize(
    "content",
    [
        columns(ROWS),
        columns(ROWS, "\r\n"),
        "\n".join(" ".join(map(str, row)) for row in ROWS).encode(),
        columns(ROWS) + b"\n\n",
    ],
    ids=["UCI", "Windows", "single spaces", "empty lines"],
)
def test_german_credit(content, german_credit):
    german_credit.write_bytes(content)
    X, y = tables._read_german_credit(german_credit)
    assert np.array_equal(X, [row[:24] for row in ROWS])
    assert y.tolist() == [0, 1, 1]
    assert (X.dtype, y.dtype) == (np.float32, np.int64)


@pytest.fixture
def published(german_credit, monkeypatch):
    """A stand-in for UCI's file: as many rows, and its checksum taken for the published one."""
    german_credit.write_bytes(columns([ROWS[i % 3] for i in range(1000)]))
    own = tables.GERMAN_CREDIT._replace(md5=tables.GERMAN_CREDIT.digest(german_credit))
    monkeypatch.setattr(tables, "GERMAN_CREDIT", own)
    return german_credit


@pytest.mark.usefixtures("published")
def test_german_credit_comes_with_its_costs():
    X, y, C = load_german_credit()
    assert (X.shape, y.shape, C.dtype) == ((1000, 24), (1000,), np.float64)
    bad, good = 1, 0
    assert C[bad, good] == 5  # C[truth, prediction]
    assert C[good, bad] == 1
    assert C.trace() == 0


@pytest.mark.parametrize("rows", [999, 500, 1])
def test_a_file_that_was_cut_at_the_end_of_a_line_is_refused(rows, published):
    published.write_bytes(b"".join(published.read_bytes().splitlines(keepends=True)[:rows]))
    with pytest.raises(ValueError, match=f"it has {rows} rows, expected 1000: it was cut"):
        load_german_credit()


@pytest.mark.usefixtures("published")
def test_the_costs_are_those_that_decisions_take():
    _, _, C = load_german_credit()
    p = np.array([0.1, 0.16, 0.17, 0.5])  # of being bad: refuse from 1/6 on
    assert decisions.bayes(p, C).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (columns([*ROWS, ROWS[0][1:]]), r"row 3 is '1 2 3 .*' \(24 words\), expected 24 integers and the class"),
        (columns(ROWS)[:-40], r"row 2 is '0 0 .*' \(15 words\), expected 24"),
        (
            columns([[*ROWS[0][:24], 3]]),
            r"row 0 is '0 1 .*' \(25 words\), expected .* the class, 1 \(good\) or 2 \(bad\)",
        ),
        (b"A11 " * 24 + b"1", "row 0 is 'A11 A11"),
        (b"\x1f\x8b\xff", r"row 0 is '.*' \(1 words\)"),
        (columns(ROWS[:1] * 1000), "its 1000 rows are not UCI's: the md5 .* expected eb7980207ed7f545638662e7ae611180"),
    ],
)
def test_damaged_german_credit(content, message, german_credit):
    german_credit.write_bytes(content)
    with pytest.raises(ValueError, match=rf"german\.data-numeric cannot be used: .*{message}.*; delete it"):
        load_german_credit()


def test_the_checksum_does_not_see_how_the_numbers_are_set(german_credit):
    digests = set()
    for content in columns(ROWS), columns(ROWS, "\r\n"), b" ".join(columns(ROWS).split()):
        german_credit.write_bytes(content)
        digests.add(tables.GERMAN_CREDIT.digest(german_credit))
    assert len(digests) == 1


@pytest.mark.skipif("MINIGRAD_DATA" not in os.environ, reason="MINIGRAD_DATA is not set")
def test_the_real_german_credit():
    if not any((files.own_folder() / sub / "german.data-numeric").exists() for sub in ("german_credit", ".")):
        pytest.skip("no German credit in MINIGRAD_DATA")
    X, y, _ = load_german_credit()
    assert X.shape == (1000, 24)
    assert np.bincount(y).tolist() == [700, 300]
