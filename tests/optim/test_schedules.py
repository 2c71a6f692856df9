import copy
import pickle
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.optim import SGD, Adam, Schedule
from tests.optim.parity import LR, SCHEDULES, give, parameters_of, rates_beside_pytorch


def two_groups(rates=(0.5, 0.1), make=SGD):
    a, b = parameters_of([np.ones(2), np.ones(2)])
    return make([{"params": [a], "lr": rates[0]}, {"params": [b], "lr": rates[1]}])


def rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


# --- The functions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_factor_is_the_formulas(name):
    factor, twin, _, last = SCHEDULES[name]
    np.testing.assert_allclose([factor(t) for t in range(last + 1)], [twin(t) for t in range(last + 1)], 1e-12, 1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_rate_is_pytorchs(name):
    pytest.importorskip("torch", reason="PyTorch is not installed: the comparison needs it as the other side")
    ours, theirs = np.transpose(list(rates_beside_pytorch(name)))
    np.testing.assert_allclose(ours, theirs, 1e-12, 1e-15)
    assert len(ours) >= 40
    assert max(ours) <= LR * (1 + 1e-12)


ENDS = {
    "cosine": (optim.cosine(10, final=0.2), 1, {10: 0.2, 20: 1}),
    "warmup": (optim.warmup(10, start=0), 0, {5: 0.5, 10: 1, 1000: 1}),
    "cyclic": (optim.cyclic(2, 3, low=0.4), 0.4, {2: 1, 5: 0.4, 502: 1}),
    "one_cycle": (optim.one_cycle(11, rise=6 / 11), 0.04, {5: 1, 10: 4e-6, 12: 4e-6, 1003: 4e-6}),
    "step": (optim.step(3), 1, {2: 1, 3: 0.1, 5: 0.1, 6: 0.01}),
    "exponential, beyond 1": (optim.exponential(2), 1, {3: 8}),
}


@pytest.mark.parametrize("name", ENDS)
def test_the_ends_are_exact(name):
    factor, first, later = ENDS[name]
    found = {t: factor(t) for t in (0, *later)}
    assert found == pytest.approx({0: first, **later}, rel=1e-15, abs=1e-15)
    assert all(isinstance(f, int | float) for f in found.values())


@pytest.mark.parametrize("name", ENDS)
def test_functions_can_be_pickled(name):
    factor = ENDS[name][0]
    twin = pickle.loads(pickle.dumps(factor))
    assert [twin(t) for t in range(12)] == [factor(t) for t in range(12)]


# --- Schedule ----------------------------------------------------------------------------------------------------


def test_every_group_keeps_its_own_rate():
    optimizer = two_groups((0.5, 0.1))
    schedule = Schedule(optimizer, optim.exponential(0.5))
    seen = [rates(optimizer)]
    for _ in range(2):
        schedule.step()
        seen.append(rates(optimizer))
    np.testing.assert_allclose(seen, [[0.5, 0.1], [0.25, 0.05], [0.125, 0.025]])


def test_a_function_per_group_and_functions_of_ones_own():
    optimizer = two_groups((0.5, 0.1))
    schedule = Schedule(optimizer, [optim.constant(), lambda t: 1 / (1 + t)])
    schedule.step()
    schedule.step()
    np.testing.assert_allclose(rates(optimizer), [0.5, 0.1 / 3])


def test_the_first_step_has_the_first_factor():
    (p,) = parameters_of([np.ones(1)])
    optimizer = SGD([p], lr=1.0)
    schedule = Schedule(optimizer, optim.warmup(4, start=0.25))
    for _ in range(5):
        give([p], [np.ones(1)])
        optimizer.step()
        schedule.step()
    assert p.tolist() == pytest.approx([1 - 0.25 - 0.4375 - 0.625 - 0.8125 - 1])


def test_rates_per_row_are_scaled_too():
    (p,) = parameters_of([np.ones((2, 3))])
    optimizer = SGD([p], lr=[0.5, 0.25])
    schedule = Schedule(optimizer, optim.exponential(0.5))
    schedule.step()
    assert rates(optimizer) == [(0.25, 0.125)]
    give([p], [np.ones((2, 3))])
    optimizer.step()
    assert p.tolist() == [[0.75] * 3, [0.875] * 3]


def test_the_base_can_be_changed():
    optimizer = two_groups()
    schedule = Schedule(optimizer, optim.exponential(0.5))
    schedule.base[1] = 8.0
    schedule.step()
    assert rates(optimizer) == [0.25, 4.0]


def train(p, optimizer, schedule, steps):
    for t in range(steps):
        give([p], [np.array([0.3, -0.7]) * (t + 1)])
        optimizer.step()
        schedule.step()
    return p.tolist()


@pytest.mark.parametrize("rate", [0.3, [0.3, 0.7]], ids=["one rate", "rates per row"])
@pytest.mark.parametrize("schedule_first", [True, False])
def test_resume_continues_bit_for_bit(schedule_first, rate, tmp_path):
    def prepared():
        (p,) = parameters_of([np.ones(2)])
        optimizer = Adam([p], lr=rate)
        return p, optimizer, Schedule(optimizer, optim.one_cycle(20))

    run, twin = prepared(), prepared()
    train(*run, 7)
    mg.save(tmp_path / "run", {"p": run[0], "optimizer": run[1], "schedule": run[2]})
    expected = train(*run, 7)
    state = mg.load(tmp_path / "run")
    p, optimizer, schedule = twin
    p.data[...] = state["p"]
    parts = [(optimizer, "optimizer"), (schedule, "schedule")]
    for part, name in reversed(parts) if schedule_first else parts:
        part.load_state_dict(state[name])
    assert train(*twin, 7) == expected
    assert schedule.t == 14
    assert rates(optimizer) == rates(run[1])


def test_loading_sets_the_rates_of_that_step():
    schedule = Schedule(two_groups(), optim.exponential(0.5))
    schedule.step()
    other = two_groups((7.0, 7.0))
    Schedule(other, optim.exponential(0.5)).load_state_dict(schedule.state_dict())
    assert rates(other) == [0.25, 0.05]


def test_a_rate_may_have_been_set_to_a_list():
    (p,) = parameters_of([np.ones(2)])
    optimizer = SGD([p])
    optimizer.param_groups[0]["lr"] = [0.5, 1.0]
    Schedule(optimizer, optim.constant(0.5))
    assert rates(optimizer) == [(0.25, 0.5)]


def test_a_copy_counts_by_itself():
    optimizer = two_groups()
    schedule = Schedule(optimizer, optim.exponential(0.5))
    other, twin = copy.deepcopy((optimizer, schedule))
    twin.step()
    assert rates(optimizer) == [0.5, 0.1]
    assert rates(other) == [0.25, 0.05]


def test_state_dict_is_a_snapshot():
    schedule = Schedule(two_groups(), optim.exponential(0.5))
    state = schedule.state_dict()
    schedule.step()
    schedule.base[0] = 7.0
    assert state == {"t": 0, "base": [0.5, 0.1]}


# --- Mistakes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: optim.cosine(0), ValueError, "cosine: steps is a number of steps, 1 or more, got 0"),
        (lambda: optim.cosine(10.5), ValueError, "cosine: steps is a number of steps, 1 or more, got 10.5"),
        (lambda: optim.cosine(10, 2), ValueError, "cosine: final is a share of the optimiser's lr, in [0, 1], got 2"),
        (lambda: optim.step(-1), ValueError, "step: step_size is a number of steps, 1 or more, got -1"),
        (lambda: optim.step(5, gamma=-1), ValueError, "step: gamma must be finite and not negative, got -1"),
        (lambda: optim.exponential(np.inf), ValueError, "exponential: gamma must be finite and not negative, got inf"),
        (lambda: optim.constant(np.nan), ValueError, "constant: factor must be finite and not negative, got nan"),
        (lambda: optim.warmup(5, start=-0.1), ValueError, "warmup: start is a share of the optimiser's lr, in [0, 1]"),
        (lambda: optim.cyclic(5, 0), ValueError, "cyclic: down is a number of steps, 1 or more, got 0"),
        (
            lambda: optim.cyclic(5, low=1.5),
            ValueError,
            "cyclic: low is a share of the optimiser's lr, in [0, 1], got 1.5",
        ),
        (
            lambda: optim.one_cycle(3),
            ValueError,
            "one_cycle: rise is a share of the 3 steps, more than 1 / 3 and less than 1, got 0.3",
        ),
        (lambda: optim.one_cycle(9, rise=1), ValueError, "more than 1 / 9 and less than 1, got 1"),
        (
            lambda: Schedule(two_groups(), 0.5),
            TypeError,
            "a schedule is a function from the step to a factor, e.g. cosine(100); got 0.5",
        ),
        (
            lambda: Schedule(two_groups(), [optim.constant()]),
            ValueError,
            "1 schedules were given for 2 parameter groups",
        ),
        (
            lambda: Schedule(two_groups(), lambda t: -1),
            ValueError,
            "the factor of a schedule must be finite and not negative, got -1 at t = 0",
        ),
        (
            lambda: Schedule(two_groups(), lambda t: np.inf),
            ValueError,
            "the factor of a schedule must be finite and not negative, got inf at t = 0",
        ),
    ],
)
def test_messages(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


@pytest.mark.parametrize(
    "state",
    [{"t": 3, "base": [0.1]}, {"t": 3}, None, SGD(parameters_of([np.ones(2)])).state_dict()],
    ids=["one group", "no base", "None", "an optimiser's"],
)
def test_a_state_that_does_not_fit_changes_nothing(state):
    optimizer = two_groups()
    schedule = Schedule(optimizer, optim.exponential(0.5))
    message = "this schedule state does not fit: expected t and base for 2 groups, got "
    with pytest.raises(ValueError, match=re.escape(message + f"{state!r:.80}")):
        schedule.load_state_dict(state)
    assert (schedule.state_dict(), rates(optimizer)) == ({"t": 0, "base": [0.5, 0.1]}, [0.5, 0.1])
