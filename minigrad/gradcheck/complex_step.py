"""Complex-step slopes: Im F(x + ih) / h has no difference in it, so nothing cancels and h can be 1e-20.

Squire and Trapp (1998), "Using complex variables to estimate derivatives of real functions", SIAM Review
40(1). It holds for analytic functions only. ``abs``, ``max`` or a comparison of magnitudes break it
silently, so every slope is first held against a central difference, and the method refuses rather than
misjudge.
"""

from __future__ import annotations

import warnings

import numpy as np

from .numeric import Line, Probe, Sweep, refine

STEP = 1e-20
LOOSE = 1e-3  # agreement with central differences that an analytic function shows easily


def complex_slopes(probe: Probe, lines: list[Line], step: float, labels: list[str]) -> np.ndarray:
    """Slopes per cotangent and line. Raises ValueError where the function has no complex counterpart."""
    slopes = np.empty((len(probe.weights), len(lines)))
    for n, line in enumerate(lines):
        arrays = [x.copy() for x in probe.inputs]
        for i, entries, pace in line.moves:
            arrays[i] = arrays[i].astype(np.complex128)
            arrays[i].reshape(-1)[entries] += 1j * step * pace
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                y = probe.function(arrays)
        except (TypeError, ValueError, np.exceptions.ComplexWarning) as error:
            raise _refusal(labels[n], f"the function cannot take complex numbers ({error})") from error
        if y.shape != probe.base.shape:
            raise _refusal(labels[n], "the output changes its shape")
        slopes[:, n] = probe.weights @ (y.imag / step)  # a real y: not analytic, or independent of this input
    return slopes


def refuse_unless_analytic(
    probe: Probe, lines: list[Line], central: Sweep, exact: np.ndarray, eps: float, labels: list[str]
) -> None:
    """Raise ValueError where complex-step and central differences disagree, or the function has a kink."""
    size = np.fmax(np.abs(exact), np.abs(central.slope))
    apart = ~(np.abs(exact - central.slope) <= LOOSE * size + 4 * central.noise)
    turning = central.turn_size > LOOSE * size + 4 * central.noise
    for n in np.flatnonzero((apart | turning).any(0)):
        slope = refine(probe, lines[n], eps)
        allowed = LOOSE * np.abs(exact[:, n]) + 10 * slope.error
        agree = (exact[:, n] >= slope.low - allowed) & (exact[:, n] <= slope.high + allowed)
        if slope.kind in ("kink", "jump"):
            raise _refusal(labels[n], "the function has a kink")
        if not (agree | np.isnan(slope.low)).all():
            shown = f"complex step gives {exact[0, n]:.6g}, central differences {slope.low[0]:.6g}"
            raise _refusal(labels[n], f"{shown}: something on the way, such as abs or conj, is not analytic")


def _refusal(label: str, why: str) -> ValueError:
    return ValueError(f'method="complex" does not apply at {label}: {why}. Use method="central".')
