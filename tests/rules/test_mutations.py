"""Rules that are wrong on purpose: the gradient checker must catch each of them.

For every line of the table, each rule behind the call is replaced, argument by argument, by wrong versions. A wrong
version may pass only where it does not change the gradient, and that only for one of the reasons listed here.
"""

from collections import Counter

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.graph import RULES
from tests.rules.specifications import TABLE, Specification


def zero(vjp):
    return lambda *args, **kwargs: 0 * vjp(*args, **kwargs)


def seven_times(vjp):
    return lambda *args, **kwargs: 7 * vjp(*args, **kwargs)


def opposite(vjp):
    return lambda *args, **kwargs: -vjp(*args, **kwargs)


MUTATIONS = (zero, seven_times, opposite)


def unchanged_because(spec, rule, i, mutation, uses, given, right):
    """Why a wrong version of this rule may leave the gradient of this line as it is; None if it may not."""
    if not any(g.any() for g in right):
        return "the gradient is 0 everywhere (np.sign, the variance of one number)"
    if not given[rule, i]:
        return "this vjp gave only zeros here (an empty selection, a bound that is not reached)"
    if mutation is opposite and uses[rule] > 1:
        return "the call goes through the rule twice in a row: the two signs cancel"
    if spec.function in (np.var, np.std) and (rule.name, i) in {("mean", 0), ("subtract", 1)}:
        return "deviations from the mean add up to 0, so nothing flows through the mean itself"
    return None


CHECKABLE = [spec for spec in TABLE if all(np.prod(shape) for _, shape in spec.inputs)]
every_line = pytest.mark.parametrize("spec", CHECKABLE, ids=lambda spec: spec.label)


def gradients(spec, arrays):
    """With a random cotangent, so that no symmetry hides a mistake; and the result."""
    inputs = [mg.tensor(x, requires_grad=True) for x in arrays]
    y = spec.call(*inputs)
    c = np.random.default_rng(7).uniform(0.5, 1.5, y.shape)
    return [g.data for g in mg.grad(y, inputs, c)], y


def nodes_behind(y):
    seen, waiting = set(), [y._node]
    while waiting:
        node = waiting.pop()
        if hasattr(node, "rule") and node not in seen:
            seen.add(node)
            waiting += node.parents
    return seen


def caught(spec, arrays):
    return not mg.gradcheck(spec.call, arrays, raise_on_failure=False).ok


def replaced(rule, i, change):
    """What to set on `rule` so that its vjp of argument i is changed (of all, where one vjp serves them all)."""
    if rule.each:
        return "each", change(rule.each)
    return "vjps", tuple(change(vjp) if j == i else vjp for j, vjp in enumerate(rule.vjps))


@every_line
def test_wrong_rules_are_caught(spec: Specification, monkeypatch):
    arrays = spec.draw()
    assert not caught(spec, arrays)
    right, y = gradients(spec, arrays)
    if y._node is None:  # the call returned its input: there is no rule to be wrong
        return
    nodes = nodes_behind(y)
    uses = Counter(node.rule for node in nodes)
    places = {(n.rule, 0 if n.rule.each else i) for n in nodes for i, p in enumerate(n.parents) if p is not None}
    given = dict.fromkeys(places, False)
    for place in places:

        def watched(vjp, place=place):
            def observed(*args, **kwargs):
                result = vjp(*args, **kwargs)
                given[place] |= bool(np.any(result != 0))
                return result

            return observed

        with monkeypatch.context() as patch:
            patch.setattr(place[0], *replaced(*place, watched))
            gradients(spec, arrays)
    for rule, i in places:
        for mutation in MUTATIONS:
            with monkeypatch.context() as patch:
                patch.setattr(rule, *replaced(rule, i, mutation))
                wrong, _ = gradients(spec, arrays)
                changed = any(not np.allclose(a, b, 1e-9, 1e-12) for a, b in zip(right, wrong, strict=True))
                assert caught(spec, arrays) == changed, (rule.name, i, mutation.__name__)
            if not changed:
                assert unchanged_because(spec, rule, i, mutation, uses, given, right), (rule.name, i, mutation.__name__)


# Swapping the arguments of a symmetric sum changes nothing; every other pair of vjps must be told apart.
SYMMETRIC = {np.add}
TWO_ARGUMENTS = [
    spec for spec in CHECKABLE if spec.label.endswith("((2,3) (2,3))") and isinstance(spec.function, np.ufunc)
]


@pytest.mark.parametrize("spec", TWO_ARGUMENTS, ids=lambda spec: spec.label)
def test_swapped_arguments_are_caught(spec: Specification, monkeypatch):
    rule = RULES[spec.function]
    monkeypatch.setattr(rule, "vjps", rule.vjps[::-1])
    assert caught(spec, spec.draw()) == (spec.function not in SYMMETRIC)


def test_there_are_pairs_to_swap():
    assert len(TWO_ARGUMENTS) >= 14


def wrong_softmax(times):
    @mg.primitive
    def softmax(x):
        return F.softmax(x)

    mg.rule(softmax, lambda g, y, _x: times * y * (g - np.sum(g * y, axis=-1, keepdims=True)))
    return softmax


@pytest.mark.parametrize("times", [0, 7, -1, 1.001])
@pytest.mark.parametrize("mode", ["full", "fast"])
def test_a_wrong_softmax_is_caught(times, mode):
    x = np.random.default_rng(0).normal(size=(3, 4))
    assert mg.gradcheck(wrong_softmax(1), x, mode=mode).ok
    assert not mg.gradcheck(wrong_softmax(times), x, mode=mode, raise_on_failure=False).ok
    with pytest.raises(mg.GradcheckError):
        mg.gradcheck(wrong_softmax(times), x, mode=mode)


def test_second_derivatives_that_are_wrong_are_caught():
    @mg.primitive
    def cube(x):
        return x**3

    # A detached factor: the first derivative is right, its own derivative is not.
    mg.rule(cube, lambda g, _y, x: g * 3 * (x.detach() if isinstance(x, mg.Tensor) else x) ** 2)
    x = np.array([0.5, -1.5])
    assert mg.gradcheck(cube, x).ok
    assert not mg.gradcheck(cube, x, order=2, raise_on_failure=False).ok
