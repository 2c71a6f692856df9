"""A case: everything the checker knows, laid out for the recognisers; and its suspects, the wrong gradients in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..inputs import flat
from ..numeric import CENTRAL_STEP, Probe, entry_lines, sweep
from ..report import Evidence
from ..structure import by_input
from ..tasks import Task
from .quantities import Quantity, quantities
from .rows import Head, linear_head

RTOL = 1e-6  # of a hypothesis, on top of what the checker allows its slopes
EXPLAINED = 1e-2  # of the difference between claimed and measured: what a hypothesis may leave unexplained
JACOBIAN = 200_000  # entries of a Jacobian that are kept
CALLS = 400  # of backward, one for each output; where there are more outputs,
SAMPLE = 64  # of them are looked at


class Case:
    """What the recognisers reason from: the evidence, and the functions under check to ask again."""

    def __init__(self, evidence: Evidence, task: Task) -> None:
        self.evidence, self.task = evidence, task
        self.inputs, self.names, self.known = evidence.inputs, evidence.names, evidence.known
        self.outputs = evidence.outputs
        self.cotangents = evidence.cotangents
        comparable = [
            i
            for i in range(len(self.inputs))
            if evidence.numeric and all(_numbers(draw[i : i + 1]) for draw in evidence.returned[:2])
        ]
        confirmed = {entry.input for entry in evidence.failures}
        self.suspects = [s for i in comparable if (s := Suspect(self, i)).disagrees or i in confirmed]

    @property
    def y(self) -> np.ndarray:
        """The first output."""
        return self.outputs[0]

    @property
    def g(self) -> list[np.ndarray]:
        """The first output's cotangent, per draw."""
        return [np.asarray(draw[0]) for draw in self.cotangents]

    @cached_property
    def others(self) -> list[np.ndarray]:
        """Every argument as an array, checked or not; labels and weights may be among them."""
        return [np.asarray(value) for value in self.evidence.arguments]

    @cached_property
    def head(self) -> Head | None:
        """The linear layer under a softmax loss, where the inputs are its X, W and b."""
        return linear_head(self)

    @cached_property
    def quantities(self) -> list[Quantity]:
        return quantities(self)

    def forward(self, changed: dict[int, np.ndarray]) -> list[np.ndarray]:
        """The outputs with some of the checked inputs replaced."""
        arrays = [np.array(changed.get(i, x), dtype=float) for i, x in enumerate(self.inputs)]
        return self.task.outputs(self.task.call_with(arrays))

    def measure(self, i: int, changed: dict[int, np.ndarray]) -> list[np.ndarray]:
        """The slopes of input `i`, per draw, with some of the inputs replaced. Not refined: for smooth places."""
        arrays = [np.array(changed.get(j, x), dtype=float, order="C") for j, x in enumerate(self.inputs)]
        weights = np.stack([flat(draw) for draw in self.cotangents])

        def value(moved: list[np.ndarray]) -> np.ndarray:
            return flat(self.task.outputs(self.task.call_with(moved)))

        probe = Probe(value, arrays, value([x.copy() for x in arrays]), weights)
        slopes = sweep(probe, entry_lines(arrays, i), CENTRAL_STEP).slope
        return [row.reshape(arrays[i].shape) for row in slopes]


class Paths(NamedTuple):
    """How some outputs (flat numbers) depend on the entries of one input; claimed and measured: (outputs, entries)."""

    outputs: np.ndarray
    claimed: np.ndarray
    measured: np.ndarray

    @property
    def lost(self) -> np.ndarray | None:
        """Where the claim is exactly zero and should not be, if it is right everywhere else."""
        near = np.isclose(self.claimed, self.measured, rtol=1e-5, atol=1e-7 * np.abs(self.measured).max(initial=0))
        lost = ~near & (self.claimed == 0)
        return lost if (near | lost).all() and lost.any() else None


@dataclass
class Suspect:
    """The wrong gradient of one input: what was claimed, and what was measured, for each random cotangent.

    ``claimed[k]`` may have any shape; where it is not that of the input, no entry was compared.
    """

    case: Case
    i: int

    def __post_init__(self) -> None:
        evidence = self.case.evidence
        self.x, self.name = evidence.inputs[self.i], evidence.names[self.i]
        self.claimed = [np.asarray(draw[self.i], dtype=float) for draw in evidence.returned[: len(evidence.cotangents)]]
        self.measured = [draw[self.i] for draw in evidence.numeric]
        self.allowed = [draw[self.i] for draw in evidence.allowed]
        self.sure = ~evidence.kinks[self.i] & np.all([np.isfinite(m) for m in self.measured], axis=0)
        self.shaped = all(c.shape == self.x.shape for c in self.claimed)
        self.entries = int(sum(np.count_nonzero(m[self.sure]) for m in self.measured))

    @cached_property
    def largest(self) -> float:
        """Of the measured slopes."""
        return max(float(np.abs(m[self.sure]).max(initial=0)) for m in self.measured)

    @cached_property
    def disagrees(self) -> bool:
        """Whether something is wrong where the slopes are sure: beside ties and kinks every formula may be right."""
        pairs = zip(self.claimed, self.measured, self.allowed, strict=True)
        return not self.shaped or any(bool((np.abs(c - m) > allowed)[self.sure].any()) for c, m, allowed in pairs)

    def fits(self, hypothesis: Sequence[Any], claimed: Sequence[np.ndarray] | None = None) -> bool:
        """Whether a wrong formula gives what was claimed, entry by entry, to the precision of the slopes.

        Parameters
        ----------
        hypothesis : what the wrong formula gives, per draw; nan where it says nothing (at most at half the entries).
        claimed : where it is not the gradient itself that is compared, but say its transpose.
        """
        if claimed is None and not (self.shaped and self.disagrees and any(c.any() for c in self.claimed)):
            return False  # of nothing but zeros it can only be said that they are
        found = self._near(self.claimed if claimed is None else claimed, hypothesis)
        return found and (claimed is not None or self._explains(hypothesis))

    def measured_is(self, hypothesis: Sequence[Any]) -> bool:
        """Whether a right formula gives what was measured."""
        return self.disagrees and any(c.any() for c in self.claimed) and self._near(hypothesis, self.measured)

    def scale(self, hypothesis: Sequence[Any]) -> float | None:
        """The constant c for which c x hypothesis is what was claimed; None where there is none."""
        if not self.shaped or any(np.shape(h) != self.x.shape for h in hypothesis):
            return None
        ours = np.concatenate([c[self.sure] for c in self.claimed])
        theirs = np.concatenate([np.asarray(h)[self.sure] for h in hypothesis])
        said = ~np.isnan(theirs)
        ours, theirs = ours[said], theirs[said]
        if not np.isfinite(theirs).all() or not theirs.any():
            return None
        c = float(ours @ theirs / (theirs @ theirs))
        return c if c and self.fits([c * np.asarray(h) for h in hypothesis]) else None

    def _near(self, claimed: Sequence[Any], hypothesis: Sequence[Any]) -> bool:
        for c, h, m, allowed in zip(claimed, hypothesis, self.measured, self.allowed, strict=True):
            c, h = np.asarray(c), np.asarray(h)
            if c.shape != self.x.shape or h.shape != self.x.shape:
                return False
            said = self.sure & ~np.isnan(h)
            if 2 * int(said.sum()) < max(1, int(self.sure.sum())) or not np.isfinite(h[said]).all():
                return False
            stretch = 1.0
            if self.largest:  # a slope that is multiplied or divided takes its error with it
                whole = np.abs(h[said]).max(initial=0) / self.largest
                stretch = np.maximum(whole, np.abs(h) / np.maximum(np.abs(m), 1e-3 * self.largest))
            if not (np.abs(c - h) <= stretch * np.nan_to_num(allowed) + RTOL * np.abs(h))[said].all():
                return False
        return True

    def _explains(self, hypothesis: Sequence[Any]) -> bool:
        """Near is not enough where the mistake itself is small: most of the difference must be accounted for."""
        left = [np.linalg.norm(np.nan_to_num(c - h)[self.sure]) for c, h in zip(self.claimed, hypothesis, strict=True)]
        wrong = [np.linalg.norm((c - m)[self.sure]) for c, m in zip(self.claimed, self.measured, strict=True)]
        return float(sum(left)) <= EXPLAINED * float(sum(wrong))

    @cached_property
    def jacobian(self) -> np.ndarray | None:
        """(outputs, entries of the input): the measured slope of every output. None where that is too much to keep."""
        size = sum(y.size for y in self.case.outputs)
        if size == 1:  # known but for the cotangent
            return (self.measured[0] / flat(self.case.cotangents[0])).reshape(1, -1)
        return self._slopes(np.arange(size)) if size * self.x.size <= JACOBIAN else None

    @cached_property
    def paths(self) -> Paths | None:
        """Claimed and measured slopes output by output: of all outputs, or of a sample where there are many.

        None where the claimed gradient is not linear in g, so that its parts say nothing about the whole.
        """
        size = sum(y.size for y in self.case.outputs)
        if not self.shaped or not self.x.size:
            return None
        if self.jacobian is not None and size <= CALLS:
            claims = self._claims(np.arange(size))
            linear = [(flat(draw) @ claims).reshape(self.x.shape) for draw in self.case.cotangents]
            return Paths(np.arange(size), claims, self.jacobian) if np.allclose(linear, self.claimed) else None
        some = np.sort(np.random.default_rng(0).choice(size, min(size, SAMPLE), replace=False))
        return Paths(some, self._claims(some), self._slopes(some))

    def _slopes(self, outputs: np.ndarray) -> np.ndarray:
        columns = []
        for line in entry_lines(self.case.inputs, self.i):
            h = CENTRAL_STEP * max(1.0, line.size)
            sides = []
            for step in (h, -h):
                moved = self.x.copy()
                moved[line.index] += step
                sides.append(flat(self.case.forward({self.i: moved}))[outputs])
            columns.append((sides[0] - sides[1]) / (2 * h))
        return np.stack(columns, axis=1)

    def _claims(self, outputs: np.ndarray) -> np.ndarray:
        """One backward pass for each output: g is 1 there, and 0 elsewhere."""
        case, sizes = self.case, [y.size for y in self.case.outputs]
        rows = []
        for n in outputs:
            one = np.zeros(sum(sizes))
            one[n] = 1
            parts = np.split(one, np.cumsum(sizes)[:-1])
            g = [part.reshape(y.shape)[()] for part, y in zip(parts, case.outputs, strict=True)]
            returned = case.task.gradients(case.task.call_with([x.copy() for x in case.inputs]), g)
            gradients, _ = by_input(returned, case.task.arguments)
            rows.append(np.array(gradients[self.i], dtype=float).ravel())
        return np.stack(rows)

    def pull(self, g: np.ndarray) -> np.ndarray:
        """The right gradient for any cotangent of the (only) output, from the measured Jacobian."""
        if self.jacobian is None:
            return np.full(self.x.shape, np.nan)
        return (np.asarray(g).ravel() @ self.jacobian).reshape(self.x.shape)

    @cached_property
    def elementwise(self) -> bool:
        """Whether output entry n depends on input entry n alone."""
        same = len(self.case.outputs) == 1 and self.case.y.shape == self.x.shape and self.x.size > 1
        j = self.jacobian if same else None
        return j is not None and not (j - np.diag(np.diag(j))).any()


def _numbers(returned: list[Any]) -> bool:
    """Whether a gradient came back that one can calculate with."""
    return bool(returned) and all(
        isinstance(a, (np.ndarray, np.generic, float)) and np.asarray(a).dtype.kind in "fiub" and np.isfinite(a).all()
        for a in returned
    )
