"""What the functions of this folder refuse, in one set of words."""

import math
import operator
from typing import Any

import numpy as np


def check_labels(y: Any) -> np.ndarray:
    """Labels (N,) of any integers, as an array."""
    y = np.asarray(y)
    if y.ndim != 1:
        hint = "; for one-hot labels pass y.argmax(axis=1)" if y.ndim == 2 else ""
        raise ValueError(f"y has shape {y.shape}; expected labels of shape (N,){hint}")
    if y.dtype.kind not in "iub":
        hint = "y.astype(np.int64)" if y.dtype.kind == "f" else "np.unique(y, return_inverse=True)[1]"
        raise TypeError(f"y has dtype {y.dtype}; expected integer labels: pass {hint}")
    return y


def check_samples(X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Samples and their labels, as arrays of the same length."""
    X, y = np.asarray(X), check_labels(y)
    if X.shape[:1] != y.shape:
        raise ValueError(
            f"X has shape {X.shape} and y has shape {y.shape}; expected one row of X for each of the {len(y)} labels"
        )
    return X, y


def check_images(images: Any, name: str) -> np.ndarray:
    """Images (N, C, H, W), as an array."""
    images = np.asarray(images)
    if images.ndim != 4:
        hint = {
            2: "; rows of pixels become images by images.reshape(-1, channels, height, width)",
            3: "; images without channels get one by images[:, None], a single image becomes a batch by image[None]",
        }.get(images.ndim, "")
        raise ValueError(f"{name} got an array of shape {images.shape}, expected images (N, C, H, W){hint}")
    return images


def check_whole(name: str, value: Any, least: int, most: float = math.inf) -> None:
    """A whole number from `least` to `most`."""
    expected = f"an int of {least} or more" if most == math.inf else f"an int from {least} to {most}"
    try:
        operator.index(value)
    except TypeError:
        raise TypeError(f"{name}={value!r} is a {type(value).__name__}; expected {expected}") from None
    if not least <= value <= most:
        raise ValueError(f"{name}={value}; expected {expected}")


def check_range(name: str, value: float, low: float, high: float) -> None:
    """A finite number from `low` to `high`."""
    if not low <= value <= high or math.isinf(value):
        raise ValueError(
            f"{name}={value}; expected a number " + (f"from {low} to {high}" if high < math.inf else f">= {low}")
        )
