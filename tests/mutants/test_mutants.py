"""Every mutant is caught, nearly all are named, and nothing that is right is called wrong."""

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from . import __main__ as command
from .bank import mutants
from .case import TensorOperation, as_tuple
from .exam import Verdict, counts, enough, examine, percentages, table
from .right import false_alarms

MUTANTS = mutants()

PAIRS = [mutant for mutant in MUTANTS if not isinstance(mutant.operation, TensorOperation)]


@pytest.fixture(scope="module")
def verdicts():
    return {str(mutant): examine(mutant) for mutant in MUTANTS}


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_every_mutant_is_detected(mutant, verdicts):
    assert verdicts[str(mutant)].detected


def test_nearly_all_mistakes_are_named(verdicts):
    assert enough(list(verdicts.values())), table(list(verdicts.values()))


def test_no_reason_is_made_up_where_none_fits(verdicts):
    unknown = [verdict for verdict in verdicts.values() if verdict.mutant.kind == "unknown"]
    assert len(unknown) >= 10
    assert percentages(unknown)["top"] >= 90, table(unknown)


def test_no_right_gradient_is_called_wrong():
    checked, alarms = false_alarms(1000)
    assert checked == 1000
    assert not alarms, "\n".join(f"{name}: {report}" for name, report in alarms)


# --- The bank itself


def _key(operation):
    return operation.name, *(x.tobytes() for x in operation.inputs)


def test_what_the_mutants_spoil_is_right():
    for operation in {_key(mutant.operation): mutant.operation for mutant in MUTANTS}.values():
        assert operation.check().ok, operation.name


def test_the_bank_is_large_and_each_mutant_has_a_name_of_its_own():
    assert len(MUTANTS) >= 150
    assert max(Counter(map(str, MUTANTS)).values()) == 1


def test_few_mutants_have_more_than_one_right_name():
    assert sum(bool(mutant.also) for mutant in MUTANTS) < 0.05 * len(MUTANTS)


def _wrong_gradients(mutant):
    """The wrong gradients, and the right ones, for a g that is not constant."""
    rng, operation = np.random.default_rng(0), mutant.operation
    shape = np.shape(operation.forward(*operation.inputs))
    g = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
    return [
        as_tuple(backward(np.array(g)[()], *(x.copy() for x in operation.inputs)))
        for backward in (mutant.backward, operation.backward)
    ]


def _same(first, second):
    return len(first) == len(second) and all(
        (a is None and b is None) or (np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-9))
        for a, b in zip(first, second, strict=True)
    )


def test_two_names_never_stand_for_the_same_gradient():
    by_operation = {}
    for mutant in PAIRS:
        by_operation.setdefault(_key(mutant.operation), []).append(mutant)
    for alike in by_operation.values():
        for first, second in itertools.combinations(alike, 2):
            if set(first.accepted) & set(second.accepted):
                continue
            assert not _same(_wrong_gradients(first)[0], _wrong_gradients(second)[0]), f"{first} | {second}"


def test_one_constant_ratio_is_a_sign_a_factor_or_zero():
    named = {"sign", "factor", "zero", "cotangent"}
    for mutant in PAIRS:
        wrong, right = _wrong_gradients(mutant)
        if len(wrong) != len(right) or named & set(mutant.accepted):
            continue
        for a, b in zip(wrong, right, strict=True):
            if a is None or np.shape(a) != np.shape(b) or np.allclose(a, b, rtol=1e-6):
                continue
            ratio = (a * b).sum() / (b * b).sum()
            assert not np.allclose(a, ratio * b, rtol=1e-8), mutant


# --- The exam


def test_the_table_counts_and_shows_what_was_missed():
    known, missed, second, unseen = MUTANTS[0], MUTANTS[1], MUTANTS[2], MUTANTS[3]
    assert known.kind == missed.kind == second.kind == unseen.kind == "sign"
    sample = [
        Verdict(known, True, ("sign",)),
        Verdict(missed, True, ("factor", "unknown")),
        Verdict(second, True, ("factor", "sign")),
        Verdict(unseen, False, ()),
    ]
    assert counts(sample) == {"detected": 3, "top": 1, "top two": 2}
    assert percentages(sample) == {"detected": 75.0, "top": 25.0, "top two": 50.0}
    assert enough(sample[:1])
    assert not enough(sample)
    text = table(sample)
    assert text.splitlines()[1].split() == ["sign", "4", "3", "1", "2"]
    assert f"not named: {missed} is sign; the checker said factor, unknown" in text
    assert f"named second: {second}" in text
    assert f"not detected: {unseen}" in text


def test_the_command_prints_the_table_and_fails_where_too_few_are_named(monkeypatch, capsys):
    right, wrong = MUTANTS[0], replace(MUTANTS[0], kind="transpose")
    monkeypatch.setattr(command, "mutants", lambda seed: [right] * (seed + 1))
    assert command.main(["--seed", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["sign", "3", "3", "3", "3"]
    monkeypatch.setattr(command, "mutants", lambda _seed: [right, wrong])
    assert command.main([]) == 1
    assert "is transpose; the checker said sign" in capsys.readouterr().out


def test_the_command_counts_false_alarms(monkeypatch, capsys):
    assert command.main(["--false-alarms", "--count", "20"]) == 0
    assert capsys.readouterr().out == "20 right gradients checked, 0 called wrong\n"
    alarm = MUTANTS[0].operation.name, MUTANTS[0].check()
    monkeypatch.setattr(command, "false_alarms", lambda count: (count, [alarm]))
    assert command.main(["--false-alarms"]) == 1
    assert "1000 right gradients checked, 1 called wrong" in capsys.readouterr().out
