"""Real data that is not on every machine, and the data of scikit-learn that then stands in for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage
from sklearn.model_selection import train_test_split

import minigrad as mg


def handwritten() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, str]:
    """X_train, y_train, X_test, y_test and a name: MNIST, or without it scikit-learn's digits, enlarged to its size.

    Images have shape (N, 1, 28, 28), float32, in [0, 1]. MNIST: 60,000 and 10,000. Digits: 1,078 and 719.
    """
    try:
        return *mg.data.load_mnist(), "MNIST"
    except OSError as error:
        _say("MNIST", "scikit-learn's digits, 8x8 pixels enlarged to 28x28", error)
    X, y = mg.data.load_digits()
    images = np.pad(X.reshape(-1, 8, 8), [(0, 0), (1, 1), (1, 1)])
    images = ndimage.zoom(images, (1, 2.8, 2.8), order=1, grid_mode=True, mode="grid-constant")
    images = np.clip(images / X.max(), 0, 1).astype(np.float32)[:, None]
    X_train, X_test, y_train, y_test = train_test_split(images, y, test_size=0.4, stratify=y, random_state=0)
    return X_train, y_train, X_test, y_test, "digits"


def credit() -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """X, y (1 is the class that is dear to miss), C[truth, prediction] and a name: German credit, or breast cancer
    with German credit's costs.

    Features are raw: standardise them with the training part's mean and standard deviation.
    """
    try:
        return *mg.data.load_german_credit(), "German credit"
    except OSError as error:
        _say("German credit", "scikit-learn's breast cancer, with the same costs", error)
    X, y = mg.data.load_breast_cancer()
    return X, 1 - y, np.array([[0.0, 1.0], [5.0, 0.0]]), "breast cancer"


def _say(wanted: str, instead: str, error: Any) -> None:
    reason = str(error).splitlines()[0]
    print(f"{wanted} is not on this machine ({reason})\nso this run uses {instead}.\n")
