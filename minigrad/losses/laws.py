"""``check_laws``: hold a loss, ours or a user's, to the laws of weighted losses, and say which it breaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..random import Rng, generator
from ..tensor import as_array
from .checks import sign_keys
from .lawbook import LAWS, Broken, Case, DoesNotApply, Sides
from .reduction import class_weights, sample_weights

# Dimensions of the prediction.
KINDS = {"multiclass": 2, "scores": 2, "binary": 1, "regression": 1, "multilabel": 2, "signs": 1}

HINTS = {10: 'if the loss has no softmax by design, pass kind="scores", or skip={10: "the reason"}'}


@dataclass(frozen=True)
class LawResult:
    """What became of one law.

    `difference` is the largest one found, at `sample` (index of z's first axis); `relative`, it by the larger side.
    """

    number: int
    statement: str
    status: str  # "holds", "FAILED" or "skipped"
    detail: str = ""
    difference: float = 0.0
    sample: int | None = None
    relative: float = 0.0

    def __str__(self) -> str:
        line = f"{self.number:4d}  {self.status:7s}  {self.statement}"
        return line + (f"\n      {self.detail}" if self.detail else "")


@dataclass
class LawReport:
    """The verdict on a loss: `results`, one LawResult per law. True in a condition where no law failed."""

    name: str
    data: str
    results: list[LawResult] = field(default_factory=list)

    @property
    def failed(self) -> list[int]:
        """The numbers of the laws that the loss breaks."""
        return [r.number for r in self.results if r.status == "FAILED"]

    @property
    def skipped(self) -> list[int]:
        return [r.number for r in self.results if r.status == "skipped"]

    @property
    def ok(self) -> bool:
        return not self.failed

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        verdict = f"breaks {len(self.failed)} of {len(self.results)} laws" if self.failed else "keeps the laws"
        return "\n".join([f"{self.name} {verdict} ({self.data})", *map(str, self.results)])


class LawError(AssertionError):
    """A loss breaks a law. Carries the ``report``."""

    def __init__(self, report: LawReport) -> None:
        super().__init__(str(report))
        self.report = report

    def __reduce__(self) -> tuple[Any, ...]:  # pickling by message alone would lose the report
        return type(self), (self.report,)


def check_laws(
    loss: Callable,
    prediction: Any = None,
    target: Any = None,
    *,
    kind: str = "multiclass",
    sample_weight: Any = None,
    class_weight: Any = None,
    closed_form: Callable | None = None,
    skip: Mapping[int, str] | None = None,
    coupled: bool = False,
    dtype: Any = np.float64,
    rng: Rng = 0,
    raise_on_failure: bool = True,
) -> LawReport:
    """Hold a loss to the laws that every weighted loss obeys.

    Parameters
    ----------
    loss : callable
        ``loss(prediction, target, *, sample_weight=None, class_weight=None, reduction="mean")``, of ours or your
        own (``mg.losses.reduce`` does the weighting). For parameters of its own pass a ``functools.partial``.
    prediction, target : arrays, optional
        Data to try it on. Default: random ones of `kind`, small, with sizes that all differ.
    kind : {"multiclass", "scores", "binary", "regression", "multilabel", "signs"}
        What the predictions and targets are: logits (N, K) with labels (N,), the same without softmax (law 10 is
        skipped), logits (N,) with 0 / 1, numbers (N,), logits (N, K) with 0 / 1 each, scores (N,) with -1 / +1.
    sample_weight : array (N,), or (N, K) for "multilabel", optional
        Default: random in 0.5..2.5.
    class_weight : array (K,), or (2,) for "binary" and "signs", or dict keyed by label, optional
        Default: random in 0.5..2.5.
    closed_form : callable, optional
        ``closed_form(prediction, target)``, the gradient dl_i/dz_i by formula, in the prediction's shape.
    skip : {number: reason}, optional
        Laws that this loss breaks by design, e.g. ``{5: "smoothed labels weigh every class"}``.
    coupled : bool, default False
        True for a loss of the batch as a whole, such as ``soft_f1``: only "weighted_mean" is tried, and laws about the
        losses of samples are skipped.
    dtype : float32 or float64
        Of the default prediction. Derivatives are measured in float64 in any case.
    rng : int or numpy.random.Generator, default 0
        For the data that are not given.
    raise_on_failure : bool, default True

    Returns
    -------
    LawReport
        ``print`` it; ``.ok``, ``.failed`` and ``.skipped`` (numbers), ``.results``.

    Raises
    ------
    LawError
        If the loss breaks a law that is not in `skip`; carries the report.
    TypeError, ValueError
        For a loss that is no function, an unknown kind or law number, a prediction without a target or that does not
        fit its kind, weights that are no weights: that is no fault of the loss.

    Examples
    --------
    >>> def forgetful(z, t, *, sample_weight=None, class_weight=None, reduction="mean"):
    ...     return mg.losses.cross_entropy(z, t, class_weight=class_weight, reduction=reduction)
    >>> mg.losses.check_laws(forgetful, raise_on_failure=False).failed
    [0, 1, 2, 3, 5, 7, 8, 9]
    """
    if not callable(loss):
        raise TypeError(f"check_laws needs the loss itself, e.g. mg.losses.cross_entropy, got {loss!r}")
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}: expected one of {', '.join(KINDS)}")
    if (prediction is None) != (target is None):
        raise ValueError("check_laws needs prediction and target together, or neither of them")
    skip = skip or {}
    if not skip.keys() <= LAWS.keys():
        raise ValueError(f"skip names laws {sorted(skip.keys() - LAWS.keys())}, there are 0..{max(LAWS)}")
    draw = generator(rng)
    z, t = _data(kind, draw, dtype) if prediction is None else (as_array(prediction), as_array(target))
    if z.dtype.kind != "f":
        raise TypeError(f"check_laws needs a prediction of floating point (logits, not classes), got {z.dtype}")
    if z.ndim != KINDS[kind] and kind != "regression":
        raise ValueError(f"a prediction of kind {kind!r} has {KINDS[kind]} dimensions, this one has shape {z.shape}")
    if t.shape[:1] != z.shape[:1]:
        raise ValueError(f"check_laws: a prediction of shape {z.shape} and a target of shape {t.shape} differ in N")
    w, v = _weights(kind, z, sample_weight, class_weight, draw)
    case = Case(loss, kind, z, t, w, v, closed_form, coupled)
    name = getattr(getattr(loss, "func", loss), "__name__", repr(loss))  # .func: of a functools.partial
    report = LawReport(name, f"{kind}, prediction of shape {z.shape}, {z.dtype}")
    for number, (left, right, law) in LAWS.items():
        statement = f"{left} = {right}"
        if number in skip:
            report.results.append(LawResult(number, statement, "skipped", skip[number]))
        else:
            report.results.append(_result(number, statement, law, case, left, right))
    if raise_on_failure and not report.ok:
        raise LawError(report)
    return report


def _weights(
    kind: str, z: np.ndarray, sample_weight: Any, class_weight: Any, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of samples and of classes, checked, in the dtype of the prediction; drawn where none are given."""
    k = z.shape[1] if z.ndim == 2 else 2
    w, v = rng.uniform(0.5, 2.5, len(z)), rng.uniform(0.5, 2.5, k)
    if sample_weight is not None:
        w = as_array(sample_weight)
        sample_weights(w, z if kind == "multilabel" else np.ones(len(z), z.dtype))  # raises where they do not fit
    if class_weight is not None and kind != "regression":
        keys = None if kind != "signs" else sign_keys(class_weight) or (-1, 1)
        v = as_array(class_weights(class_weight, None, k, z.dtype, keys))
    return w.astype(z.dtype), v.astype(z.dtype)


def _result(number: int, statement: str, law: Callable[[Case], Sides], case: Case, left: str, right: str) -> LawResult:
    """What becomes of one law."""
    largest = relative = 0.0
    try:
        for where, a, b in law(case):
            where, this, that = where if isinstance(where, tuple) else (where, left, right)
            pairs = {name: (a[name], b[name]) for name in a} if isinstance(a, dict) else {"value": (a, b)}
            for name, (x, y) in pairs.items():
                found, scale = _compared(f"{where}, {name}: {this} gives", x, f"{that} gives", y, case)
                largest, relative = max(largest, found), max(relative, found / (scale or 1))
    except DoesNotApply as reason:
        return LawResult(number, statement, "skipped", str(reason))
    except Broken as finding:
        detail, difference, sample = finding.args
        detail += f"; {HINTS[number]}" if number in HINTS else ""
        return LawResult(number, statement, "FAILED", detail, difference, sample, np.inf)
    except Exception as error:  # a user's loss may fail in any way; that is a finding too
        detail = f"raised {type(error).__name__}: {error}"
        return LawResult(number, statement, "FAILED", detail, np.nan, relative=np.inf)
    return LawResult(number, statement, "holds", "", largest, None, relative)


# Of numbers of size 1: logits and probabilities cancel, so a small loss or gradient is left with several roundings of
# what is much larger than itself.
ROUNDINGS = 100


def _compared(a: str, left: Any, b: str, right: Any, case: Case) -> tuple[float, float]:
    """The largest difference, if rounding explains it, and the size of what was compared."""
    left, right = np.asarray(left), np.asarray(right)
    if left.shape != right.shape:
        raise Broken(f"{a} shape {left.shape}, {b} shape {right.shape}", np.nan, None)
    if not left.size:
        return 0.0, 0.0
    difference = np.absolute(left - right)
    scale = max(np.max(np.absolute(left)), np.max(np.absolute(right)), case.size)
    worst = np.unravel_index(np.argmax(difference), left.shape)
    eps = np.finfo(case.z.dtype).eps
    if not difference[worst] <= eps ** (2 / 3) * scale + ROUNDINGS * eps:
        sample = int(worst[0]) if worst else None
        at = f" at sample {sample}" + (f", entry {int(worst[1])}" if worst[1:] else "") if worst else ""
        text = f"{a} {left[worst]:.6g}, {b} {right[worst]:.6g}{at}; max difference {difference[worst]:.2g}"
        raise Broken(text, float(difference[worst]), sample)
    return float(difference[worst]), float(scale)


def _data(kind: str, rng: np.random.Generator, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and targets in which every class occurs, and every size differs from the others."""
    n, k = 7, 3
    z = rng.normal(size=(n, k)[: KINDS[kind]]).astype(dtype)
    if kind == "regression":
        return z, rng.normal(size=n).astype(dtype)
    classes = np.arange(z.size).reshape(z.shape) % 2
    labels = np.arange(n) % k
    targets = {"multiclass": labels, "scores": labels, "signs": 2 * classes - 1}
    return z, targets.get(kind, classes)
