"""From labels, counts and costs to weights, and what weights come to in mini-batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import device as devices
from .tensor import Tensor, as_array

# --- What comes in


def real_numbers(data: Any, name: str) -> Any:
    """The array behind real numbers, where it is; unlike in ``as_array``, Python floats keep their double precision."""
    if isinstance(data, Tensor):
        array = data.data
    elif devices.is_array(data):
        array = data
    else:
        try:
            array = np.asarray(data)
        except ValueError as error:
            raise ValueError(f"{name} is not one array: check for rows of different lengths ({error})") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be real numbers, got {array.dtype}")
    return array


def to_numpy(data: Any, name: str) -> np.ndarray:
    """Real numbers as a NumPy array."""
    return devices.to_host(real_numbers(data, name))


def number(value: Any, name: str, low: float = -np.inf, high: float = np.inf) -> float:
    """`value` as a Python float (a np.float64 would turn float32 losses into float64), within its bounds."""
    known = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if known and np.isfinite(value) and low <= value <= high:
        return float(value)
    bounds = ""
    if high < np.inf:
        bounds = f" in [{low:g}, {high:g}]"
    elif low > -np.inf:
        bounds = f" not below {low:g}"
    raise ValueError(f"{name} must be a finite number{bounds}, got {value!r}")


def check_weights(weights: Any, name: str, dtype: Any = np.float64) -> Any:
    """Weights of any shape, a Tensor as it is, else an array; refuses what is negative or not finite in `dtype`."""
    raw = real_numbers(weights, name)
    largest = np.finfo(dtype).max
    if raw.size and not ((raw >= 0) & (raw <= largest)).all():
        bad = np.flatnonzero(~((raw >= 0) & (raw <= largest)))
        value = raw.ravel()[bad[0]]
        where = f", more than {np.dtype(dtype)}, the dtype of the losses, can hold" if largest < value < np.inf else ""
        raise ValueError(
            f"{name} must be finite and not negative, but entry {int(bad[0])} is {value}{where} "
            f"({len(bad)} such of {raw.size})"
        )
    return weights if isinstance(weights, Tensor) else raw


def check_finite_weights(w: Any, name: str) -> np.ndarray:
    """Weights as a float64 NumPy array of one axis, checked."""
    raw = to_numpy(check_weights(w, name), name)
    if raw.ndim != 1:
        raise ValueError(f"{name} must have one axis, got shape {raw.shape}: pass w.ravel()")
    return raw.astype(np.float64)


CONVENTION = "C[truth, prediction], a row per true class and a column per predicted class"


def check_cost_matrix(C: Any, k: int | None = None) -> Any:
    """A cost matrix for `k` classes (default: any number): a Tensor as it is, all else as float64 (K, K)."""
    raw = to_numpy(C, "a cost matrix")
    expected = f"({k}, {k})" if k is not None else "(K, K)"
    if raw.ndim != 2 or not raw.shape[0] == raw.shape[1] == (k or max(raw.shape[0], 1)):
        raise ValueError(f"a cost matrix of shape {raw.shape} was given, expected {expected}: {CONVENTION}")
    if not np.isfinite(raw).all():
        i, j = np.argwhere(~np.isfinite(raw))[0]
        raise ValueError(f"costs must be finite, but C[{i}, {j}] is {raw[i, j]} (truth {i}, prediction {j})")
    return C if isinstance(C, Tensor) else raw.astype(np.float64)


def class_counts(y: Any, num_classes: int | None = None) -> np.ndarray:
    """How many samples each class has, shape (K,); K is the largest label + 1 unless given."""
    y = devices.to_host(as_array(y))
    if y.dtype.kind not in "iu" or y.ndim != 1:
        raise TypeError(f"labels must be integers of shape (N,), got {y.dtype} of shape {y.shape}")
    if y.size and y.min() < 0:
        raise ValueError(f"labels must not be negative, found {y.min()}")
    if num_classes is not None and y.size and y.max() >= num_classes:
        raise ValueError(f"labels must lie in 0..{num_classes - 1}, found {y.max()}")
    return np.bincount(y, minlength=num_classes or 0)


# --- Weights


def balanced(y: Any, num_classes: int | None = None) -> np.ndarray:
    """Weights that give every class the same total: w_c = n / (K n_c).

    Parameters
    ----------
    y : integers (N,)
        Labels of the training set (not of a mini-batch: the weights would change from batch to batch).
    num_classes : int, optional
        Default: the largest label + 1.

    Returns
    -------
    float32 array (K,)
        Mean 1 over the samples: they sum to N. A class that does not occur gets 0, and K counts the classes that do.

    Notes
    -----
    scikit-learn's ``class_weight="balanced"`` (King & Zeng 2001).

    Examples
    --------
    >>> mg.weighting.balanced([0, 0, 0, 1])
    array([0.6666667, 2.       ], dtype=float32)
    """
    counts = class_counts(y, num_classes)
    present = counts > 0
    weights = np.zeros(len(counts))
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights.astype(np.float32)


def inverse_sqrt(y: Any, num_classes: int | None = None) -> np.ndarray:
    """Weights half-way, as ratios go, between none and ``balanced``: w_c proportional to 1 / sqrt(n_c).

    Parameters
    ----------
    y : integers (N,)
        Labels of the training set.
    num_classes : int, optional
        Default: the largest label + 1.

    Returns
    -------
    float32 array (K,)
        Mean 1 over the samples, as ``balanced``. A class that does not occur gets 0.

    Notes
    -----
    The square root of Mahajan et al. 2018 (ECCV, "Exploring the Limits of Weakly Supervised Pretraining"), who
    resample by it.

    Examples
    --------
    >>> mg.weighting.inverse_sqrt([0, 0, 0, 0, 1])
    array([0.8333333, 1.6666666], dtype=float32)
    """
    counts = class_counts(y, num_classes)
    present = counts > 0
    weights = np.zeros(len(counts))
    weights[present] = counts.sum() / (np.sqrt(counts[present]) * np.sqrt(counts).sum())
    return weights.astype(np.float32)


def effective_number(counts: Any, beta: float) -> np.ndarray:
    """Weights from the effective number of samples: w_c proportional to (1 - beta) / (1 - beta**n_c).

    Parameters
    ----------
    counts : array (K,)
        Samples n_c of each class, not labels: ``mg.weighting.class_counts(y)``.
    beta : float in [0, 1)
        0 weighs all classes alike; towards 1 the weights become the inverse frequencies. Common: 0.9 to 0.9999.

    Returns
    -------
    float32 array (K,)
        Mean 1 over the classes that occur (not over the samples, as ``balanced``). One that does not gets 0.

    Raises
    ------
    ValueError
        For a beta outside [0, 1), counts that are negative, not finite or all zero.

    Notes
    -----
    Cui et al. 2019 (CVPR), "Class-Balanced Loss Based on Effective Number of Samples", section 4. 1 - beta**n is
    computed as -expm1(n log beta): beta close to 1 loses no digits.

    Examples
    --------
    >>> mg.weighting.effective_number([100, 10, 0], beta=0.99)
    array([0.26211572, 1.7378843 , 0.        ], dtype=float32)
    """
    n = check_finite_weights(counts, "counts")
    if not 0 <= number(beta, "beta") < 1:
        raise ValueError(f"beta must lie in [0, 1), got {beta}; its limit at 1 is the inverse frequency: balanced(y)")
    present = n > 0
    if not present.any():
        raise ValueError("counts are all zero: there is no class to weigh")
    weights = np.zeros(len(n))
    log_beta = np.log(beta) if beta > 0 else -np.inf
    weights[present] = -1 / np.expm1(n[present] * log_beta)  # 1 - beta would cancel in the mean
    return (weights / weights[present].mean()).astype(np.float32)


def from_costs(C: Any) -> np.ndarray:
    """Class weights from a cost matrix: w_y = sum_j C[y, j], all that mistaking class y may cost.

    Parameters
    ----------
    C : array (K, K)
        C[truth, prediction]. The diagonal counts too; where being right has a cost, subtract it from its row first.

    Returns
    -------
    float32 array (K,)
        Not normalised: in the unit of the costs.

    Raises
    ------
    ValueError
        For a matrix that is not (K, K), has NaN or infinity, or a row whose sum is negative.

    Notes
    -----
    For two classes this is all there is to the costs. For more it forgets *which* mistake costs how much;
    ``mg.losses.expected_cost`` does not.

    Examples
    --------
    >>> mg.weighting.from_costs([[0, 1], [10, 0]])
    array([ 1., 10.], dtype=float32)
    """
    weights = to_numpy(check_cost_matrix(C), "a cost matrix").sum(axis=1)
    if weights.min() < 0:
        y = int(weights.argmin())
        raise ValueError(f"row {y} of the cost matrix sums to {weights[y]:g}: a weight must not be negative")
    return weights.astype(np.float32)


def normalize(w: Any, y: Any = None, to: str = "mean") -> np.ndarray:
    """Scale weights to mean 1, or to sum 1.

    Parameters
    ----------
    w : array (N,) or (K,)
    y : integers (N,), optional
        With it, `w` holds class weights (K,), and their mean or sum is that over the samples.
    to : {"mean", "sum"}, default "mean"
        What shall be 1. Mean 1 keeps the learning rate's meaning.

    Returns
    -------
    array of w's shape and dtype (float32 for integers and lists)

    Raises
    ------
    ValueError
        For weights that are negative, not finite or sum to 0, labels without a weight, another `to`.

    Examples
    --------
    >>> mg.weighting.normalize([1.0, 3.0])
    array([0.5, 1.5], dtype=float32)
    >>> mg.weighting.normalize([1.0, 3.0], y=[0, 0, 0, 1])
    array([0.6666667, 2.       ], dtype=float32)
    """
    if to not in ("mean", "sum"):
        raise ValueError(f"normalize: to={to!r}, expected 'mean' or 'sum'")
    raw = check_finite_weights(w, "weights")
    counts = np.ones(len(raw)) if y is None else class_counts(y, len(raw))
    total = raw @ counts
    if total == 0:
        raise ValueError("weights sum to 0: nothing is left to scale")
    given = as_array(w).dtype
    return (raw * ((counts.sum() if to == "mean" else 1) / total)).astype(given if given.kind == "f" else np.float32)


# --- What weights come to


@dataclass(frozen=True)
class WeightReport:
    """What a set of weights comes to; ``print`` it.

    Attributes
    ----------
    n, total : int, float
        N and sum w.
    effective_size : float
        Kish's effective sample size (sum w)**2 / sum w**2: as many equally weighted samples tell as much.
    heaviest, lightest : str
        The groups compared: classes, or single weights where no labels were given. Weight 0 is left out.
    nominal_ratio : float
        Mean weight of the heaviest over that of the lightest: what "sum", "mean" and D make of the weights.
    batch_size : int
    effective_ratio : float
        What "weighted_mean" makes of it in batches of that size.
    """

    n: int
    total: float
    effective_size: float
    heaviest: str
    lightest: str
    nominal_ratio: float
    batch_size: int
    effective_ratio: float

    def __str__(self) -> str:
        agree = '; "mean" and "weighted_mean" agree on the full set' if np.isclose(self.total, self.n) else ""
        return "\n".join(
            [
                f"sum w                  {self.total:.4g} (N = {self.n}{agree})",
                f"effective sample size  {self.effective_size:.4g} (Kish: (sum w)^2 / sum w^2)",
                f"nominal ratio          {self.nominal_ratio:.3g} : 1 ({self.heaviest} : {self.lightest}), "
                'as "mean" has it',
                f'effective ratio        {self.effective_ratio:.3g} : 1 with "weighted_mean" in batches of '
                f"{self.batch_size}{self._remark()}",
            ]
        )

    def _remark(self) -> str:
        if self.nominal_ratio == 1:
            return ": the weights are equal and cancel"
        if self.batch_size == 1:
            return ": the weights cancel, each is divided by itself"
        return ": sum w of a batch grows with its heavy samples"


def report(w: Any, batch_size: int, y: Any = None) -> WeightReport:
    """Tell what weights come to: their sum, Kish's effective sample size, and their ratio in mini-batches.

    "weighted_mean" divides each batch by its own sum of weights. That sum is large just where heavy samples are, so
    their weight is partly taken back. The effective weight of a sample is B E[w_i / sum of its batch's weights], the
    expectation over batches of B samples drawn with replacement; in other words, the weight that its class receives
    from a batch on average, by the number of its samples. A ratio of effective weights is a ratio of what two samples
    contribute to the average step. For ``balanced`` weights at 1 % positives, nominally 99 : 1, it is 1 at B = 1,
    7.7 at 8, 27 at 32, 65 at 128. "sum", "mean" and a fixed D keep 99 : 1 at every batch size.

    Parameters
    ----------
    w : array (N,), or class weights (K,) together with `y`
        Where N = K they are taken for (N,).
    batch_size : int >= 1
    y : integers (N,), optional
        Compare the class of the largest mean weight with that of the least. Default: the largest weight with the least.

    Returns
    -------
    WeightReport

    Raises
    ------
    TypeError, ValueError
        For weights that are negative, not finite, all zero or of another shape, a batch size below 1.

    Notes
    -----
    Exact, for any number of different weights: 1 / x is the integral of exp(-t x) over t > 0, so E[w / (w + S)], with
    S the sum of B - 1 other weights, is the integral of w exp(-t w) m(t)**(B - 1), m(t) the mean of exp(-t w).

    References
    ----------
    Kish, "Survey Sampling", 1965.

    Examples
    --------
    >>> y = np.repeat([0, 1], [990, 10])
    >>> print(mg.weighting.report(mg.weighting.balanced(y), batch_size=8, y=y))
    sum w                  1000 (N = 1000; "mean" and "weighted_mean" agree on the full set)
    effective sample size  39.6 (Kish: (sum w)^2 / sum w^2)
    nominal ratio          99 : 1 (class 1 : class 0), as "mean" has it
    effective ratio        7.71 : 1 with "weighted_mean" in batches of 8: sum w of a batch grows with its heavy samples
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of samples, at least 1, got {batch_size!r}")
    weights = check_finite_weights(w, "weights")
    if y is not None:
        weights = _per_sample(weights, y)
    if not len(weights):
        raise ValueError("report got no weights, shape (0,): there is nothing to tell of them")
    if not weights.any():
        raise ValueError("weights are all zero: nothing would be learned")
    values, which = np.unique(weights, return_inverse=True)
    group = which if y is None else to_numpy(y, "labels")
    size = np.maximum(np.bincount(group), 1)
    nominal = np.bincount(group, weights) / size
    received = np.bincount(group, _received(values, np.bincount(which), batch_size)[which]) / size
    heavy, light = nominal.argmax(), np.where(nominal > 0, nominal, np.inf).argmin()
    names = [f"w = {values[g]:.3g}" if y is None else f"class {g}" for g in (heavy, light)]
    return WeightReport(
        n=len(weights),
        total=float(weights.sum()),
        effective_size=float(weights.sum() ** 2 / (weights**2).sum()),
        heaviest=names[0],
        lightest=names[1],
        nominal_ratio=float(nominal[heavy] / nominal[light]),
        batch_size=int(batch_size),
        effective_ratio=float(received[heavy] / received[light]),
    )


def _per_sample(weights: np.ndarray, y: Any) -> np.ndarray:
    """Weights (N,) from weights (N,), or (K,) and labels."""
    counts = class_counts(y)
    n = int(counts.sum())
    if len(weights) == n:
        return weights
    if len(weights) < len(counts):
        raise ValueError(
            f"weights have shape {weights.shape}, expected ({n},), one per sample, or ({len(counts)},), one per class"
        )
    return weights[to_numpy(y, "labels")]


def _received(values: np.ndarray, counts: np.ndarray, batch_size: int) -> np.ndarray:
    """E[w / (w + S)] for each of the values w, S the sum of batch_size - 1 weights drawn like `counts`."""
    share = counts / counts.sum()
    # t = exp(u), and the trapezoidal rule in u: its error falls like exp(-pi**2 / step), so 0.1 is exact. It starts
    # where t times any batch's sum is below rounding, and ends where exp(-t w) is, for the least w above 0.
    step = 0.1
    start = np.log(1e-17 / (batch_size * values.max()))
    end = np.log(50 / values[values > 0].min())
    total = np.zeros(len(values))
    for t in np.exp(np.arange(start, end, step)):
        decay = np.exp(-t * values)
        total += t * values * decay * (share @ decay) ** (batch_size - 1)
    return total * step
