"""The two small data sets that scikit-learn carries with it, as plain arrays, without a download."""

import numpy as np


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


def _scikit_learn(loader: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        from sklearn import datasets  # on first use: minigrad itself needs NumPy alone
    except ImportError as error:
        raise ImportError(
            f"{loader}() reads the copy of the data that scikit-learn carries, and scikit-learn could not be "
            f'imported ({error}); install it from the checkout with: pip install -e ".[lessons]"'
        ) from error
    return getattr(datasets, loader)(return_X_y=True)
