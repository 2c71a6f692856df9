"""One examination: everything that is asked of a task, in order, until a report stands."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compare import Comparison, Tolerance, compare
from .inputs import flat
from .numeric import CENTRAL_STEP, Line, Probe, away_from_zero, entry_lines, random_lines, refine
from .report import Evidence, Reason, Report, located
from .structure import by_input, changed, malformed, non_finite
from .tasks import Task
from .ties import compare_at_ties

DRAWS = 2  # random cotangents: what one happens to miss the other sees
DIRECTIONS = 3  # per input in mode "fast"
SINGLE = 1e-2  # float32 against float64, of the largest entry: gross errors only, rounding is no mistake
DIAGNOSED = 4096  # entries that are measured one by one where a gradient is wrong and they have not been
SINGLE_EPS = float(np.finfo(np.float32).eps)


class Examination:
    """One task on its way to a report."""

    def __init__(
        self,
        task: Task,
        mode: str,
        method: str,
        eps: float | None,
        tolerance: Tolerance,
        known: dict[str, Any],
    ) -> None:
        given = task.arguments
        self.task, self.eps, self.tolerance = task, eps, tolerance
        self.evidence = Evidence(
            task.forward, task.backward, list(given.values), given.positions, given.names, given.arrays, known
        )
        self.report = Report(self.evidence, mode, method)
        self.rng = np.random.default_rng(20240229)

    def run(self) -> Report:
        evidence, report = self.evidence, self.report
        if self._forward():
            self._cotangents()
            gradients = [self._backward(c) for c in evidence.cotangents]
            if not evidence.structure:
                self._repeatable(gradients[0])
            evidence.analytic = gradients
            self._numbers()
            if not evidence.structure and not evidence.failures:
                self._single_precision()
        if evidence.structure or evidence.failures:
            from .diagnose import diagnose  # 8 ms of every import of minigrad, and seldom needed

            report.reasons = list(dict.fromkeys(diagnose(evidence, self.task)))
        return report

    # The function

    def _forward(self) -> bool:
        """Run f twice; False where nothing further can be learned."""
        evidence, task, name = self.evidence, self.task, self.task.forward_name
        values = task.call_with([x.copy() for x in evidence.inputs])
        evidence.outputs = outputs = [np.array(y) for y in task.outputs(values)]
        evidence.structure += changed(self._fresh(), values, name)
        for y in outputs:
            if y.dtype.kind == "c":
                raise TypeError(f"{name} returned {y.dtype}: gradients are checked for real outputs")
        reason = _unusable(outputs, name)
        if reason is None:
            again = task.outputs(self._fresh())
            if not _same(outputs, again):
                text = (
                    f"{name} gave two different results for the same inputs, so no slope can be measured: "
                    "is dropout on (call .eval()), or does it draw random numbers? Use a fixed seed inside"
                )
                reason = Reason("nondeterministic", text)
        if reason is not None:
            evidence.structure.append(reason)
        return reason is None

    def _fresh(self) -> list[Any]:
        return self.task.call_with([x.copy() for x in self.evidence.inputs])

    def _value(self, arrays: list[np.ndarray]) -> np.ndarray:
        return flat(self.task.outputs(self.task.call_with(arrays)))

    # The gradient

    def _cotangents(self) -> None:
        for _ in range(DRAWS):
            draw = [away_from_zero(self.rng, y.shape) for y in self.evidence.outputs]
            self.evidence.cotangents.append([np.asarray(c)[()] for c in draw])

    def _backward(self, cotangents: list[np.ndarray]) -> list[np.ndarray | None]:
        """Gradients per checked input; None where one is unusable, with the reason in the evidence."""
        evidence = self.evidence
        values, g = self._fresh(), [c.copy() for c in cotangents]
        returned, reasons = by_input(self.task.gradients(values, g), self.task.arguments)
        reasons += changed(self._fresh(), values, "backward")
        if not all(np.array_equal(new, old) for new, old in zip(g, cotangents, strict=True)):
            reasons.append(
                Reason("modified", "backward changed g in place: work on a copy, `g = g * m` instead of `g *= m`")
            )
        evidence.returned.append(returned)
        usable: list[np.ndarray | None] = [None] * len(evidence.inputs)
        for i, gradient in enumerate(returned):
            where, shape = evidence.positions[i], evidence.inputs[i].shape
            reason = malformed(gradient, where, evidence.names[i], shape, np.dtype(np.float64))
            if reason is None:
                usable[i] = np.array(gradient)
            else:
                reasons.append(reason)
        evidence.structure += [reason for reason in reasons if reason not in evidence.structure]
        return usable

    def _repeatable(self, first: list[np.ndarray | None]) -> None:
        again = self._backward(self.evidence.cotangents[0])
        pairs = [(a, b) for a, b in zip(first, again, strict=True) if a is not None and b is not None]
        if not _same([a for a, _ in pairs], [b for _, b in pairs]):
            text = (
                "two backward passes on the same inputs gave different gradients: "
                "something random or stateful is on the way"
            )
            self.evidence.structure.append(Reason("nondeterministic", text))

    # The numbers

    def _numbers(self) -> None:
        evidence, report = self.evidence, self.report
        weights = np.stack([flat(draw) for draw in evidence.cotangents])
        probe = Probe(self._value, evidence.inputs, flat(evidence.outputs), weights)
        self._refuse_non_finite(probe)
        lines = [line for i in range(len(evidence.inputs)) for line in self._lines(i)]
        filled = [
            [np.zeros_like(x) if a is None else a for x, a in zip(evidence.inputs, draw, strict=True)]
            for draw in evidence.analytic
        ]
        found = compare(probe, filled, lines, self.tolerance, evidence.names, report.method, self.eps)
        failures = found.failures or compare_at_ties(probe, filled, found, evidence.names)
        evidence.failures = report.failures = failures
        report.checked = len(lines)
        report.wrong = int(found.suspect.sum()) if found.failures else len(failures)
        report.worst = failures[0] if failures else found.closest
        where = evidence.positions
        report.kinks = [(where[lines[n].input], lines[n].index) for n in sorted(found.kinked)]
        report.undifferenced = [
            (where[lines[n].input], lines[n].index) for n in sorted(found.undefined + found.drowned)
        ]
        evidence.recorded = self.task.recorded
        if report.mode == "full":
            self._keep(found)
        if failures or evidence.structure:
            self._measure_the_rest(probe, filled, lines)
        self._nothing_tested(found, evidence.structure)

    def _lines(self, i: int) -> list[Line]:
        """Where input `i` is compared: nowhere that its gradient is missing or not finite."""
        evidence, x = self.evidence, self.evidence.inputs[i]
        drawn = [draw[i] for draw in evidence.analytic]
        finite = np.all([np.isfinite(a) if a is not None else np.zeros(x.shape, bool) for a in drawn], axis=0)
        if self.report.mode == "fast":
            return random_lines(evidence.inputs, i, DIRECTIONS, self.rng) if finite.all() else []
        return [line for line in entry_lines(evidence.inputs, i) if finite[line.index]]

    def _refuse_non_finite(self, probe: Probe) -> None:
        """nan or inf in a gradient is wrong; say whether the function has a slope there."""
        evidence = self.evidence
        for i, name in enumerate(evidence.names):
            gradients = [draw[i] for draw in evidence.analytic]
            bad = next((b for a in gradients if a is not None and (b := non_finite(a, name))), None)
            if bad is None:
                continue
            reason, index = bad
            line = next(line for line in entry_lines(evidence.inputs, i) if line.index == index)
            slope = refine(probe, line, CENTRAL_STEP)
            if slope.kind == "none":
                text = "the function has no finite slope there (the edge of its domain?); move the input away"
            else:
                text = f"the measured slope there is {slope.low[0]:.6g}"
            evidence.structure.append(Reason(reason.kind, f"{reason}; {text}"))

    def _measure_the_rest(self, probe: Probe, filled: list[list[np.ndarray]], compared: list[Line]) -> None:
        """For the diagnosis of a wrong gradient: the slopes of entries that were not compared one by one."""
        inputs = self.evidence.inputs
        done = {line.input for line in compared} if self.report.mode == "full" else set()
        rest = [i for i in range(len(inputs)) if i not in done]
        if rest and sum(inputs[i].size for i in rest) <= DIAGNOSED:
            lines = [line for i in rest for line in entry_lines(inputs, i)]
            self._keep(compare(probe, filled, lines, self.tolerance, self.evidence.names, "central", None))

    def _keep(self, found: Comparison) -> None:
        """Lay the slopes out in the shapes of the inputs, for the diagnosis."""
        evidence, inputs = self.evidence, self.evidence.inputs
        if not evidence.numeric:
            evidence.numeric, evidence.allowed = (
                [[np.full(x.shape, np.nan) for x in inputs] for _ in evidence.cotangents] for _ in range(2)
            )
            evidence.wrong, evidence.kinks = ([np.zeros(x.shape, bool) for x in inputs] for _ in range(2))
        for n, line in enumerate(found.lines):
            for k in range(len(evidence.cotangents)):
                evidence.numeric[k][line.input][line.index] = found.slopes.slope[k, n]
                evidence.allowed[k][line.input][line.index] = found.tolerance[k, n]
            evidence.wrong[line.input][line.index] = found.suspect[n]
            evidence.kinks[line.input][line.index] = n in found.kinked or found.turning[n]

    def _nothing_tested(self, found: Comparison, structure: list[Reason]) -> None:
        """Zero equals zero: right for a constant function, but no test of the gradient."""
        if structure or not found.lines:
            return
        if len(found.undefined) == len(found.lines):
            structure.append(
                Reason("undifferenced", "no slope could be measured anywhere: choose inputs inside the domain")
            )
        elif not np.any(found.claimed) and not np.any(np.nan_to_num(found.slopes.slope)):
            if self.task.reads_elsewhere():
                text = (
                    "the output does not change with the inputs, but depends on Tensors that f reads "
                    "from outside: "
                    "pass those Tensors themselves as inputs"
                )
                structure.append(Reason("independent", text))
            else:
                self.report.notes.append(
                    "the output does not change with any input: zero gradients are all that was tested"
                )

    # float32

    def _single_precision(self) -> None:
        """Where inputs came as float32: gradients must be float32 too, and the same but for rounding."""
        evidence, dtypes = self.evidence, self.task.arguments.dtypes
        if all(dtype == np.float64 for dtype in dtypes):
            return
        arrays = [x.astype(dtype) for x, dtype in zip(evidence.inputs, dtypes, strict=True)]
        with np.errstate(all="ignore"):
            outputs = self.task.outputs(self.task.call_with([x.copy() for x in arrays]))
            if not all(np.isfinite(y).all() for y in outputs):
                self.report.notes.append("in float32 the function overflows; its gradient was checked in float64 alone")
                return
            g = [np.asarray(c, y.dtype)[()] for c, y in zip(evidence.cotangents[0], outputs, strict=True)]
            returned, reasons = by_input(
                self.task.gradients(self.task.call_with([x.copy() for x in arrays]), g), self.task.arguments
            )
        for i, (gradient, dtype) in enumerate(zip(returned, dtypes, strict=False)):
            shape = evidence.inputs[i].shape
            reason = malformed(gradient, evidence.positions[i], evidence.names[i], shape, dtype)
            reason = reason or self._far_from_double(i, np.asarray(gradient))
            if reason is not None:
                reasons.append(reason)
        evidence.structure += reasons

    def _far_from_double(self, i: int, single: np.ndarray) -> Reason | None:
        """Compare with float64, allowing for what rounding the inputs to float32 does to the gradient."""
        evidence = self.evidence
        double = evidence.analytic[0][i]
        if double is None or not double.size or self.report.kinks:
            return None
        spread = 0.0
        for _ in range(4):
            moved = [x * (1 + SINGLE_EPS * away_from_zero(self.rng, x.shape)) for x in evidence.inputs]
            returned, _ = by_input(
                self.task.gradients(self.task.call_with(moved), evidence.cotangents[0]), self.task.arguments
            )
            spread = max(spread, float(np.abs(returned[i] - double).max()))
        error = np.abs(single - double)
        allowed = SINGLE * np.abs(double).max() + 100 * spread
        if np.all(error <= allowed):
            return None
        at = tuple(int(k) for k in np.unravel_index(np.argmax(np.nan_to_num(error, nan=np.inf)), error.shape))
        text = (
            f"{evidence.names[i]}: computed in float32 the gradient is {single[at]:.6g}{located(at)}, "
            "in float64 "
            f"{double[at]:.6g}, further apart than rounding explains: look for a constant that float32 "
            "cannot hold"
        )
        return Reason("float32", text)


def _unusable(outputs: list[np.ndarray], name: str) -> Reason | None:
    for y in outputs:
        if y.dtype.kind == "f" and y.dtype != np.float64:
            text = (
                f"{name} was given float64 and returned {y.dtype}: differences of rounded numbers say "
                "nothing. Something "
                "inside is cast; remove the cast, or convert the parameters to float64 for the check"
            )
            return Reason("float32", text)
        bad = np.argwhere(~np.isfinite(y))
        if len(bad):
            at = tuple(int(k) for k in bad[0])
            text = f"{name} returned {y[at]}{located(at)}, so there is no slope: choose inputs inside its domain"
            return Reason("domain", text)
    return None


def _same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    if [np.shape(a) for a in first] != [np.shape(b) for b in second]:
        return False
    return all(np.allclose(a, b, rtol=1e-10, atol=0, equal_nan=True) for a, b in zip(first, second, strict=True))
