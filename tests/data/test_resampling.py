import subprocess
import sys

import numpy as np
import pytest

from minigrad.data import enn, smote

imblearn = pytest.importorskip("imblearn")
from imblearn.over_sampling import SMOTE  # noqa: E402
from imblearn.under_sampling import EditedNearestNeighbours  # noqa: E402

RNG = np.random.default_rng(0)
Y = np.repeat([4, 7, -1], [40, 9, 12])
X = RNG.normal(size=(61, 3)) + Y[:, None] / 5


def test_smote_is_imbalanced_learns():
    X_new, y_new = smote(X, Y, neighbors=4, rng=3)
    seed = int(np.random.default_rng(3).integers(2**32))
    X_theirs, y_theirs = SMOTE(k_neighbors=4, random_state=seed).fit_resample(X, Y)
    assert np.array_equal(X_new, X_theirs)
    assert np.array_equal(y_new, y_theirs)


def test_smote_fills_up_each_class_with_samples_between_its_own():
    X_new, y_new = smote(X, Y, rng=0)
    assert np.array_equal(X_new[:61], X)
    assert np.array_equal(y_new[:61], Y)
    assert dict(zip(*np.unique(y_new, return_counts=True), strict=True)) == {-1: 40, 4: 40, 7: 40}
    for x, label in zip(X_new[61:], y_new[61:], strict=True):
        own = X[label == Y]
        start, end = own[:, None], own[None]
        along = end - start
        with np.errstate(invalid="ignore"):
            u = ((x - start) * along).sum(-1) / (along**2).sum(-1)
        missed = np.abs(start + u[..., None] * along - x).max(-1)
        assert np.nanmin(np.where((u >= 0) & (u <= 1), missed, np.nan)) < 1e-12


@pytest.mark.parametrize("neighbors", [1, 8])
def test_just_enough_neighbors(neighbors):
    assert len(smote(X, Y, neighbors=neighbors, rng=0)[1]) == 120


def test_smote_leaves_balanced_classes_however_few():
    X_new, y_new = smote([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    assert X_new.ravel().tolist() == [0, 1, 2, 3]
    assert y_new.tolist() == [0, 0, 1, 1]


def test_smote_draws():
    draw = [smote(X, Y, rng=rng)[0] for rng in (3, np.random.default_rng(3), 4, None)]
    assert np.array_equal(draw[0], draw[1])
    for other in draw[2:]:
        assert not np.array_equal(draw[0], other)


@pytest.mark.parametrize(
    ("vote", "neighbors", "classes", "theirs"),
    [
        ("all", 3, None, [-1, 4]),
        ("mode", 3, None, [-1, 4]),
        ("mode", 5, [7], [7]),
        ("mode", 3, [-1, 4, 7], [-1, 4, 7]),
    ],
)
def test_enn_is_imbalanced_learns(vote, neighbors, classes, theirs):
    X_new, y_new = enn(X, Y, neighbors, vote, classes)
    X_theirs, y_theirs = EditedNearestNeighbours(
        sampling_strategy=theirs, n_neighbors=neighbors, kind_sel=vote
    ).fit_resample(X, Y)
    assert np.array_equal(X_new, X_theirs)
    assert np.array_equal(y_new, y_theirs)
    assert len(y_new) < len(Y)


def test_enn_removes_what_stands_among_another_class():
    X = [[0.0], [1], [2], [3], [3.1], [8], [9], [10]]
    y = [0, 0, 0, 0, 1, 1, 1, 1]
    _, y_all = enn(X, y, classes=[0, 1])
    X_mode, _ = enn(X, y, vote="mode", classes=[0, 1])
    assert np.bincount(y_all).tolist() == [2, 3]
    assert X_mode.ravel().tolist() == [0, 1, 2, 3, 8, 9, 10]
    X_zero, _ = enn(X, y, classes=[0])
    assert 3.1 in X_zero


def test_smote_and_enn_together():
    X_new, y_new = enn(*smote(X, Y, rng=0), vote="mode", classes=[-1, 4, 7])
    sizes = np.unique(y_new, return_counts=True)[1]
    assert (sizes < 40).sum() >= 2
    assert len(X_new) == len(y_new)


@pytest.mark.parametrize("resample", [smote, enn])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("labels", [np.uint8, np.int64, bool])
def test_shapes_and_dtypes_are_kept(resample, dtype, labels):
    images, y = RNG.normal(size=(30, 1, 2, 3)).astype(dtype), np.repeat([0, 1], [20, 10]).astype(labels)
    before = images.copy()
    X_new, y_new = resample(images + y[:, None, None, None].astype(dtype), y)
    assert (X_new.shape[1:], X_new.dtype, y_new.dtype) == ((1, 2, 3), dtype, labels)
    assert len(X_new) == len(y_new) != 30
    assert np.array_equal(images, before)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        *[
            case
            for f in (smote, enn)
            for case in [
                (lambda f=f: f(X[:5], Y), ValueError, r"X has shape \(5, 3\) and y has shape \(61,\)"),
                (lambda f=f: f(X, Y * 1.0), TypeError, "y has dtype float64; expected integer labels"),
                (lambda f=f: f(X[:5], Y[:5]), ValueError, rf"{f.__name__} found 1 class\(es\) in y; expected two or"),
                (lambda f=f: f(X, Y, neighbors=0), ValueError, "neighbors=0; expected an int of 1 or more"),
                (lambda f=f: f(X, Y, neighbors=2.0), TypeError, "neighbors=2.0 is a float; expected an int"),
            ]
        ],
        (lambda: smote(X.astype(int), Y), TypeError, r"smote got int64 features, .* X\.astype\(np\.float32\)"),
        (
            lambda: smote(X, Y, neighbors=9),
            ValueError,
            r"class 7 has 9 sample\(s\); smote with neighbors=9 needs 10, .*: pass neighbors=8, or repeat",
        ),
        (
            lambda: smote(X[39:50], np.array([0] * 10 + [1])),
            ValueError,
            r"class 1 has 1 sample\(s\); .* needs 6, one and its neighbors: repeat samples with mg\.data\.oversample",
        ),
        (lambda: smote(X, Y, rng="0"), TypeError, "rng is a str"),
        (lambda: enn(X[38:41], Y[38:41]), ValueError, "enn got 3 samples; with neighbors=3 it needs 4 or more"),
        (lambda: enn(X, Y, vote="most"), ValueError, "vote='most' is unknown; expected 'all' or 'mode'"),
        (lambda: enn(X, Y, classes=[4, 5]), ValueError, r"classes=\[4, 5\], but there is no 5 in y; .* \[-1, 4, 7\]"),
        (
            lambda: enn(np.arange(8.0)[:, None], [0, 0, 0, 1, 0, 0, 0, 1], classes=[1]),
            ValueError,
            "would remove all 2 samples of class 1: none has only .* smaller neighbors .*3.*vote='mode', or classes=",
        ),
        (
            lambda: enn(np.arange(8.0)[:, None], [0, 0, 0, 1, 0, 0, 0, 1], vote="mode", classes=[1]),
            ValueError,
            "none has mostly neighbors of its class",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("resample", [smote, enn])
def test_without_imbalanced_learn(resample, monkeypatch):
    monkeypatch.setitem(sys.modules, "imblearn", None)
    monkeypatch.setitem(sys.modules, "imblearn.over_sampling", None)
    with pytest.raises(ImportError, match=rf"{resample.__name__}\(\) is imbalanced-learn's, .* pip install -e "):
        resample(X, Y)


def test_importing_minigrad_does_not_import_it():
    code = "import sys, minigrad; print(sorted({'imblearn', 'sklearn', 'scipy', 'numpy.random'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
