"""Losses at the logits: softmax and sigmoid left out or put in twice, focal modulators, temperatures, costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .quantities import weights_of
from .registry import Finding, mistake
from .rows import Rows, Scale, largest_sum, rows_of, sigmoid, softmax
from .suspect import Suspect

# --- Any loss of softmax(z) or sigmoid(z)


def _logits(s: Suspect) -> Rows | None:
    """The rows of a suspect that may be logits: numbers (N,) or (N, K)."""
    rows = rows_of(s)
    return rows if rows is not None and rows.z.ndim in (1, 2) else None


def _squashed(rows: Rows) -> Iterator[tuple[str, np.ndarray]]:
    if rows.z.ndim == 2 and rows.z.shape[1] > 1:
        yield "softmax", softmax(rows.z)
    yield "sigmoid", sigmoid(rows.z)


@mistake(
    "sigmoid_factor",
    "Start from dl/dz on paper. After p has cancelled, what is left, and where would p (1 - p) come from?",
)
def sigmoid_factor(s: Suspect) -> Finding | None:
    rows = _logits(s)
    for name, p in _squashed(rows) if rows else ():
        for words, factor, why in (
            ("p (1 - p)", p * (1 - p), f"a derivative of the {name} too many"),
            ("(1 - p)", 1 - p, "p (1 - p) stands where p belongs"),
        ):
            scale = rows.times(factor) if rows else None
            if scale:
                text = f"{{yours}} is the measured one times {words}, p = {name}(z){scale.words}: {why}"
                return Finding(text, scale.freedom, {"p": p})
    return None


@mistake("label_column_only", "Which logits change the loss of one sample: only that of its label?")
def label_column_only(s: Suspect) -> Finding | None:
    rows = _logits(s)
    t = rows.targets if rows else None
    if rows is None or t is None or t.ndim != 2 or t.shape[1] < 2:
        return None
    scale = rows.times(t)
    if not scale:
        return None
    return Finding(
        f"{{yours}} is right in the label's column{scale.words}, and zero in all others: every logit is in "
        "the denominator of the softmax",
        scale.freedom,
    )


@mistake("not_through_softmax", "With respect to what is your gradient: the probabilities or the logits?")
def not_through_softmax(s: Suspect) -> Finding | None:
    rows = _logits(s)
    if rows is None:
        return None
    for name, p in _squashed(rows):
        through = [_through(name, p, c) for c in s.claimed] if s.x.shape == p.shape else []
        if through and s.measured_is(through):
            text = f"{{yours}} is that of p = {name}(z): put through the derivative of the {name} it becomes "
            return Finding(text + "exactly the measured one")
    p, t = rows.probabilities, rows.targets
    scale = rows.are([dz / (p - t) * -t / p for dz in rows.dz]) if t is not None else None
    if not scale:
        return None
    text = f"{{yours}} is -1/p in the label's column and zero in the others{scale.words}: that is dl/dp"
    return Finding(text, scale.freedom)


def _through(name: str, p: np.ndarray, u: np.ndarray) -> np.ndarray:
    if name == "sigmoid":
        return p * (1 - p) * u
    return p * (u - (p * u).sum(axis=-1, keepdims=True))


@mistake("softmax_diagonal", "If one logit grows, what happens to the other probabilities?")
def softmax_diagonal(s: Suspect) -> Finding | None:
    if not s.shaped or s.x.ndim < 1 or s.x.shape[-1] < 2:
        return None
    p = softmax(s.x)
    if s.measured_is([_through("softmax", p, c / (p * (1 - p))) for c in s.claimed]):
        text = (
            "{yours} uses p (1 - p), the diagonal of softmax's derivative, alone: with the entries -p_j p_k beside it"
        )
        return Finding(f"{text}, the measured gradient comes out exactly")
    if s.case.y.ndim or not s.measured_is([c - p * c.sum(axis=-1, keepdims=True) for c in s.claimed]):
        return None
    text = (
        f"rows of {{yours}} do not sum to 0, one sums to {largest_sum(s):.4g}: every logit is in the denominator of p. "
    )
    return Finding(f"{text}With -p times its sum added to each row the measured gradient comes out exactly", 2)


# --- Known formulas: dl_i/dz_i = c_i right_i, c_i from what was measured; then is it c_i wrong_i that was claimed?


def _coefficients(rows: Rows, right: np.ndarray) -> list[np.ndarray] | None:
    """c per draw, shape (N, 1) or (N,): measured rows = c * right. None where `right` is not the formula.

    A row of several logits shows by itself whether it is; single ones must agree on c, but for their weights.
    """
    if rows.z.ndim == 2 and rows.z.shape[1] > 1:
        length = (right**2).sum(axis=1, keepdims=True)
        found = [(dz * right).sum(axis=1, keepdims=True) / length for dz in rows.dz]
        fits = rows.suspect.measured_is([rows.push(k, c * right) for k, c in enumerate(found)])
        return found if fits else None
    found = [dz / right for dz in rows.dz]
    for w in (np.ones(len(right)), *(weights.samples for weights in weights_of(rows.suspect.case))):
        constants = [c / rows.each(w) for c in found]
        if all(np.allclose(c, np.nanmedian(c), rtol=1e-4, equal_nan=True) for c in constants):
            return found
    return None


def _is(rows: Rows, right: np.ndarray, wrong: np.ndarray) -> Scale | None:
    c = _coefficients(rows, right)
    return rows.are([each * wrong for each in c]) if c is not None else None


@mistake("softmax_axis", "Print the probabilities that your gradient uses. What does each row of them sum to?")
def softmax_axis(s: Suspect) -> Finding | None:
    rows = _logits(s)
    t = rows.targets if rows else None
    if rows is None or t is None or t.ndim != 2 or (t.sum(axis=1) != 1).any():
        return None
    e = np.exp(rows.z)
    totals = {
        "by their sum over the samples, axis 0": e.sum(axis=0),
        "by the sum of them all": e.sum(),
        "by nothing": 1.0,
    }
    for words, total in totals.items():
        scale = _is(rows, rows.probabilities - t, e / total - t)
        if scale:
            text = f"{{yours}} has the exponentials divided {words}, where each row's own sum is needed{scale.words}"
            return Finding(text, scale.freedom)
    return None


@mistake(
    "forward_value", "Which numbers go into the softmax or sigmoid, and which come out? Which of them belong here?"
)
def logits_for_probabilities(s: Suspect) -> Finding | None:
    rows = _logits(s)
    t = rows.targets if rows else None
    scale = _is(rows, rows.probabilities - t, rows.z - t) if rows is not None and t is not None else None
    if not scale:
        return None
    return Finding(
        f"{{yours}} is z - y where it should be p - y{scale.words}: the logits stand in the place of the probabilities",
        scale.freedom,
    )


def _focal(p: np.ndarray, t: np.ndarray, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """p of the truth, in the shape of the logits or (N, 1); and dl/dz of -(1 - p)^gamma log p."""
    q = (p * t).sum(axis=1, keepdims=True) if p.ndim == 2 and p.shape[1] > 1 else np.where(t == 1, p, 1 - p)
    return q, ((1 - q) ** gamma - gamma * q * (1 - q) ** (gamma - 1) * np.log(q)) * (p - t)


def _told(s: Suspect, *names: str) -> Any:
    return next((s.case.known[name] for name in names if s.case.known.get(name) is not None), None)


@mistake("modulator_constant", "Which factors of the loss depend on the logits? Each of them brings a term.")
def modulator_constant(s: Suspect) -> Finding | None:
    rows, gamma = _logits(s), _told(s, "gamma", "focusing")
    t = rows.targets if rows else None
    if rows is None or t is None or gamma is None:
        return None
    p = rows.probabilities
    q, right = _focal(p, t, float(gamma))
    scale = _is(rows, right, (1 - q) ** gamma * (p - t))
    if not scale:
        return None
    return Finding(
        f"{{yours}} is (1 - p)^gamma (p - y), gamma = {gamma:g}{scale.words}: the modulator (1 - p)^gamma was "
        "taken for a constant, but it depends on the logits, too",
        scale.freedom,
    )


@mistake("weight_inside_modulator", "What is raised to the power gamma in the loss, and what in your gradient?")
def weight_inside_modulator(s: Suspect) -> Finding | None:
    rows, gamma = _logits(s), _told(s, "gamma", "focusing")
    if rows is None or gamma is None or gamma == 1:
        return None
    for weights in weights_of(s.case):
        w = rows.each(weights.samples)
        scale = rows.times(w ** (gamma - 1)) or rows.times(w**gamma)
        t = rows.targets
        if not scale and t is not None:
            p = rows.probabilities
            q, right = _focal(p, t, float(gamma))
            c = _coefficients(rows, right)
            for slope in (_slope_of_weighted(q, w, gamma), _slope_of_powers(q, w, gamma)) if c else ():
                for outside in (1 / w, 1):
                    scale = scale or rows.are([each * outside * slope * q * (t - p) for each in c or []])
        if scale:
            return Finding(
                f"{{yours}} is that of a focal loss with the weight inside the modulator, under the power "
                f"gamma = {gamma:g}{scale.words}; the loss has it outside",
                scale.freedom + (gamma == 2),  # w^2 may as well be the weight twice
            )
    return None


def _slope_of_weighted(q: np.ndarray, w: np.ndarray, gamma: float) -> np.ndarray:
    """d/dq of -(1 - w q)^gamma log q."""
    return gamma * w * (1 - w * q) ** (gamma - 1) * np.log(q) - (1 - w * q) ** gamma / q


def _slope_of_powers(q: np.ndarray, w: np.ndarray, gamma: float) -> np.ndarray:
    """d/dq of -(1 - q^w)^gamma w log q: what (1 - exp(-loss))^gamma gives for a loss that is weighted already."""
    inner = q**w
    return w * (gamma * w * inner / q * (1 - inner) ** (gamma - 1) * np.log(q) - (1 - inner) ** gamma / q)


@mistake(
    "temperature_on_log_probabilities", "What does the temperature divide, and is the softmax taken before or after?"
)
def temperature_on_log_probabilities(s: Suspect) -> Finding | None:
    rows, told = _logits(s), _told(s, "temperature", "tau", "T")
    t = rows.targets if rows else None
    if rows is None or t is None or told is None:
        return None
    a = np.broadcast_to(np.asarray(told, dtype=float), rows.z.shape[-1:])
    divide = (t * a).sum(axis=-1, keepdims=True)
    for c, shift in _shifts(rows, a, t):
        scale = rows.are([each * (softmax(rows.z + shift) - t) / divide for each in c])
        if scale:
            return Finding(
                f"{{yours}} is that of log(softmax(z)) / T{scale.words}, the loss is log(softmax(z / T)): the "
                "temperature belongs on the logits, before the softmax",
                scale.freedom,
            )
    return None


def _shifts(rows: Rows, a: np.ndarray, t: np.ndarray) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
    """The coefficients c and the shift s for which the slopes are c (softmax(z / a + s) - t) / a."""
    none = np.zeros(a.shape)
    c = _coefficients(rows, (softmax(rows.z / a) - t) / a)
    if c is not None:
        yield c, none
    for c in _normalisers(rows):
        p = rows.dz[0] * a / c[0] + t
        if rows.z.ndim != 2 or (p <= 0).any():
            continue
        shift = np.log(p) - rows.z / a
        shift = (shift - shift.mean(axis=1, keepdims=True)).mean(axis=0)
        if np.allclose(softmax(rows.z / a + shift), p, rtol=1e-4):
            yield c, shift


def _normalisers(rows: Rows) -> Iterator[list[np.ndarray]]:
    """What may stand in front of each row, per draw: g w_i / N, g w_i / sum w, g w_i."""
    n = len(rows.z)
    for w in (np.ones(n), *(weights.samples for weights in weights_of(rows.suspect.case))):
        for divisor in dict.fromkeys((float(n), float(w.sum()), 1.0)):
            if all(g.ndim == 0 for g in rows.suspect.case.g):
                yield [g * rows.each(w) / divisor for g in rows.suspect.case.g]


@mistake("cost_transposed", "Which axis of the cost matrix is the truth, and which the prediction?")
def cost_transposed(s: Suspect) -> Finding | None:
    rows, told = _logits(s), _told(s, "cost_matrix", "costs", "C")
    if rows is None or told is None or rows.targets is None:
        return None
    C, t, lam = np.asarray(told, dtype=float), rows.targets, _told(s, "lam", "strength")
    if C.shape != (t.shape[-1],) * 2:
        return None
    p = rows.probabilities

    def expected(costs: np.ndarray) -> np.ndarray:
        own = t @ costs
        return p * (own - (p * own).sum(axis=1, keepdims=True))

    losses = {
        "expected cost": expected,
        "cost-weighted cross-entropy": lambda costs: (t @ costs).sum(1)[:, None] * (p - t),
    }
    if lam is not None:
        losses["cross-entropy with a cost penalty"] = lambda costs: p - t + float(lam) * expected(costs)
    for name, slopes in losses.items():
        scale = _is(rows, slopes(C), slopes(C.T))
        if scale:
            return Finding(
                f"{{yours}} is that of the {name} with the transposed cost matrix{scale.words}: C[y, k] is "
                "the cost of predicting k where y is true",
                scale.freedom,
            )
    return None
