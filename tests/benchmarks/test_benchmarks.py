"""The benchmarks' own machinery. Times are never tested; that all contenders do the same work is."""

import contextlib
import json
import math
import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tqdm", reason="benchmarks show their progress with tqdm: pip install -e '.[bench]'")

from benchmarks import __main__ as command
from benchmarks import compare, figures, machine, report, suites, worker
from benchmarks.rows import ON_CPU, OURS, Row, timed
from benchmarks.steps import lenet, losses, mlp, mlp_peers
from benchmarks.suites import cnn, ops
from benchmarks.suites.losses import PEERS as PEERS_WITH_LOSSES
from benchmarks.suites.mlp import PEERS, agree
from benchmarks.timing import RAREST, Timing, alternate, spread
from minigrad import info
from minigrad.losses.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {"threads": 1, "BLAS": "openblas 0.3, kernel Haswell, 1 threads"}


def row(case="a", ours=(1e-3, 0.9e-3, 1.1e-3), ratio=(2.0, 1.9, 2.1), settings=SETTINGS, **more):
    values = {OURS: ours, "NumPy": tuple(t / ratio[0] for t in ours)}
    return Row("mlp", case, values, ratios={"NumPy": ratio}, settings=settings, **more)


def result(*rows, failures=(), processor="a processor"):
    about = {**machine.describe(), "processor": processor}
    return report.Result(about, list(rows), list(failures))


# --- Timing


def test_contenders_take_turns():
    order = []
    timing = alternate({name: lambda name=name: order.append(name) for name in "ABC"}, seconds=0.01, rounds=3)
    turns = "".join(name for name, _ in groupby(order))
    assert turns.endswith("ABCABCABC")
    assert all(len(times) == 3 for times in timing.rounds.values())


def test_a_slow_contender_skips_rounds_and_says_so():
    now = [0.0]

    def wait(seconds):
        now[0] += seconds

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(alternate.__globals__["CLOCKS"], "cpu", lambda: now[0])
        timing = alternate({"fast": lambda: wait(0.001), "slow": lambda: wait(1.0)}, seconds=1.0, rounds=9)
    assert [math.isnan(t) for t in timing.rounds["slow"]] == [number % RAREST != 0 for number in range(9)]
    assert timing.seconds("slow") == pytest.approx((1.0, 1.0, 1.0))
    assert timing.ratio("fast", "slow")[0] == pytest.approx(0.001)


def test_the_ratio_is_taken_round_by_round():
    timing = Timing({"a": [1.0, 20.0, 3.0], "b": [2.0, 40.0, 6.0]})
    assert timing.ratio("a", "b") == (0.5, 0.5, 0.5)
    assert timing.median("a") == 3.0


def test_spread_is_the_median_and_the_quartiles():
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == (3.0, 2.0, 4.0)
    assert spread([7.0]) == (7.0, 7.0, 7.0)


def test_the_clock_waits_for_what_was_started():
    finished = []
    alternate({OURS: lambda: None}, seconds=1e-6, rounds=2, finish=lambda: finished.append(1))
    assert len(finished) == 4  # after warming up, after estimating, after each round


def test_pools_of_threads_come_to_rest_between_turns(monkeypatch):
    """An idle thread of one library's pool that still spins would take the next contender's processor."""
    told = []
    monkeypatch.setattr("time.sleep", lambda seconds: told.append(f"rest {seconds}"))
    contenders = {name: lambda name=name: told.append(name) for name in "AB"}
    alternate(contenders, seconds=1e-6, rounds=2, threads=2)
    turns = "".join(name[0] for name, _ in groupby(told))
    assert turns.endswith("rArBrArB")
    told.clear()
    alternate(contenders, seconds=1e-6, rounds=2)
    assert set(told) == {"A", "B"}


def test_a_quick_run_says_whom_it_leaves_out():
    assert suites.absent(["JAX, jit", "MyGrad"], 0.06) == dict.fromkeys(("JAX, jit", "MyGrad"), "not in a quick run")
    assert "not in a quick run" not in suites.absent(["JAX, jit", "MyGrad"]).values()


def test_rests_take_no_longer_than_what_is_measured(monkeypatch):
    told = {}
    monkeypatch.setattr("benchmarks.rows.alternate", lambda _c, _s, rounds, **more: told.update(more, rounds=rounds))
    for threads, seconds, rounds in (("1", 0.01, 21), ("2", 10.0, 21), ("2", 2.0, 10), ("2", 0.01, 7)):
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", threads)
        with contextlib.suppress(AttributeError):  # there is no timing
            timed("mlp", "case", {OURS: print, "NumPy": print}, seconds)
        assert (told["rounds"], told["threads"]) == (rounds, int(threads))


# --- The same work


def needs(name):
    """Skip a test of a library that is not installed."""
    if reason := suites.absent([name]):
        pytest.skip(reason[name])


@pytest.mark.parametrize(
    ("steps", "problem", "peers", "name"),
    [pytest.param(mlp, mlp.Problem((5, 4, 3), 8), PEERS, name, id=f"mlp, {name}") for name in PEERS]
    + [pytest.param(lenet, lenet.LeNetProblem((2, 3), 4), cnn.PEERS, name, id=f"cnn, {name}") for name in cnn.PEERS],
)
def test_every_peer_takes_the_same_steps(steps, problem, peers, name):
    needs(name)
    makers = {"NumPy": steps.numpy_step, OURS: steps.minigrad_step, name: peers[name]}
    assert "differ by at most" in agree({who: make(problem) for who, make in makers.items()})


@pytest.mark.parametrize("loss", losses.FORMULAS)
@pytest.mark.parametrize("name", PEERS_WITH_LOSSES)
def test_every_peer_has_the_same_loss(name, loss):
    needs(name)
    z, t = CATALOGUE[loss].data(np.random.default_rng(0), 7, 3)
    gradient = PEERS_WITH_LOSSES[name](loss, z.astype(np.float32), t)
    expected = CATALOGUE[loss].closed_form(3)(z, t)
    for _ in range(2):  # the second shows whether gradients pile up
        np.testing.assert_allclose(gradient(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ops.PEERS)
@pytest.mark.parametrize(("operation", "f", "shapes"), [case for case in ops.OPERATIONS if "10^6" not in case[0]])
def test_every_peer_has_the_same_operations(operation, f, shapes, name):
    needs(name)
    arrays = [np.random.default_rng(0).uniform(0.5, 1.0, shape).astype(np.float32) for shape in shapes]
    others = {other: "" for other in ops.PEERS if other.partition(",")[0] != name.partition(",")[0]}
    made = ops._contenders(operation, f, arrays, others)
    assert {name, "NumPy", OURS} <= set(made)
    ops._same({who: parts["both"]() for who, parts in made.items()})


@pytest.mark.parametrize("suite", suites.MODULES)
def test_every_table_accounts_for_every_library(suite):
    """Whoever takes no part is named with a reason, and nobody is both in and out."""
    module = suites.load(suite)
    takes_part = {name.partition(",")[0] for name in module.PEERS}
    assert takes_part | set(module.UNABLE) == set(suites.PACKAGES)
    assert not takes_part & set(module.UNABLE)


def test_a_contender_that_does_other_work_is_caught():
    problem = mlp.Problem((5, 4, 3), 8)
    other = mlp.Problem((5, 4, 3), 8)
    other.class_weight = other.class_weight * np.float32(1) + np.eye(3, dtype=np.float32)[0]
    with pytest.raises(AssertionError, match="minigrad: "):
        agree({"NumPy": mlp.numpy_step(problem), OURS: mlp.minigrad_step(other)})


def test_lenet_by_hand_is_lenet():
    problem = lenet.LeNetProblem((2, 3), 4)
    agree({"NumPy": lenet.numpy_step(problem), OURS: lenet.minigrad_step(problem)})


def test_micrograd_is_given_what_it_lacks():
    pytest.importorskip("micrograd")
    from micrograd.engine import Value

    z = [Value(x) for x in (0.5, -1.0, 2.0)]
    loss = mlp_peers._cross_entropy(z, 1, Value)
    loss.backward()
    p = np.exp([0.5, -1.0, 2.0]) / np.exp([0.5, -1.0, 2.0]).sum()
    assert loss.data == pytest.approx(-np.log(p[1]))
    assert [x.grad for x in z] == pytest.approx(p - [0, 1, 0])


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(suites, "PACKAGES", {"Somebody": "no_such_package", "NumPy": "numpy"})
    assert suites.absent(["Somebody, jit", "NumPy"]) == {"Somebody, jit": "No module named 'no_such_package'"}


# --- Rows, tables, reports


def test_rows_survive_json():
    before = row(aims={"NumPy": 1.7}, missing={"JAX, jit": "not installed"}, checked="yes")
    assert Row.from_dict(json.loads(json.dumps(before.to_dict()))) == before


def test_timed_compares_with_us():
    made = timed("mlp", "x", {OURS: lambda: None, "NumPy": lambda: None}, 1e-4, aims={"NumPy": 2.0})
    assert set(made.ratios) == {"NumPy"}
    assert set(made.values) == {OURS, "NumPy"}


def test_the_table_says_what_was_reached_what_not_and_who_is_missing():
    why = "No module named 'jax'"
    text = result(
        row("fast", ratio=(1.5, 1.4, 1.6), aims={"NumPy": 1.7}, missing={"JAX, jit": why, "CuPy": why}),
        row("slow", aims={"NumPy": 1.7, OURS: 2e-3}),
        failures=["cnn {'threads': 2} failed: out of memory"],
    ).table()
    assert "minigrad / this 1.5 [1.4, 1.6]   aim <= 1.7: reached" in text
    assert "minigrad / this 2 [1.9, 2.1]   aim <= 1.7: NOT reached" in text
    assert "aim <= 2 ms: reached" in text
    assert "took no part: JAX, jit, CuPy: No module named 'jax'" in text
    assert "1 thread, kernel Haswell" in text
    assert text.endswith("failed: out of memory")


def test_the_report_is_markdown_with_the_aims_first(tmp_path):
    text = result(row("a|b", aims={"NumPy": 1.7})).markdown([tmp_path / "steps.png", tmp_path / "steps.svg"])
    assert text.index("## The aims") < text.index("![steps](steps.png)") < text.index("## mlp")
    assert "| a\\|b |" in text
    assert "steps.svg" not in text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(2.5, "s", "2.5 s"), (0.0421, "s", "42.1 ms"), (3e-6, "s", "3 us"), (25.0, "MB", "25 MB"), (7.0, "", "7")],
)
def test_numbers_are_readable(value, unit, text):
    assert report._number(value, unit) == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        ("{", r"is no results.json of this program \(JSONDecodeError"),
        ('{"rows": []}', r"is no results.json of this program \(KeyError: 'about'\)"),
    ],
)
def test_a_result_that_cannot_be_loaded(tmp_path, content, message):
    path = tmp_path / "old.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SystemExit, match=message):
        report.load(path)


def test_pictures_are_drawn_from_what_there_is(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [row("5-4-3, batch 8"), Row("scaling", "1,000 operations in a chain", {OURS: (1.0, 1.0, 1.0)})]
    rows[1].settings = SETTINGS
    slow = row("2-2, batch 1", ratio=(0.001, 0.001, 0.001))
    paths = figures.draw(result(*rows, slow), tmp_path)
    assert {path.name for path in paths} == {"steps.png", "steps.svg", "scaling.png", "scaling.svg"}
    assert all(path.stat().st_size > 1000 for path in paths)
    assert figures.draw(result(), tmp_path) == []


@pytest.mark.parametrize(
    ("ratios", "says"),
    [
        ((3.0, 1.5, 0.7, 0.2), "the GPU is faster from batch 1024 on"),
        ((0.9, 0.8, 0.7, 0.2), "the GPU is faster from batch 64 on"),
        ((3.0, 0.9, 1.2, 0.2), "the GPU is faster from batch 4096 on"),  # not where it was by chance
        ((3.0, 2.0, 1.5, 1.0), "the GPU is faster at no batch up to 4096"),
    ],
)
def test_the_crossover_is_where_the_gpu_stays_faster(ratios, says):
    rows = [
        Row("cpu-gpu", f"MLP, batch {batch}: wall time", {}, ratios={ON_CPU: (ratio, ratio, ratio)}, settings=SETTINGS)
        for batch, ratio in zip((64, 256, 1024, 4096), ratios, strict=True)
    ]
    assert result(*rows).crossovers() == [f"MLP: {says}, of those measured"]
    assert says in result(*rows).table()
    assert says in result(*rows).markdown([])
    assert result(row()).crossovers() == []


# --- Comparing runs


@pytest.mark.parametrize(
    ("ratio", "says"),
    [
        ((2.0, 1.9, 2.1), "nothing changed beyond the noise"),
        ((2.05, 1.95, 2.2), "nothing changed beyond the noise"),
        ((1.5, 1.4, 1.6), "faster: mlp, a, 1 threads: minigrad / NumPy 2 -> 1.5"),
        ((3.0, 2.9, 3.1), "slower: mlp, a, 1 threads: minigrad / NumPy 2 -> 3"),
    ],
)
def test_a_change_is_one_beyond_the_noise(ratio, says):
    lines = compare.changes(result(row()), result(row(ratio=ratio), row("new")))
    assert any(says in line for line in lines), lines
    assert "1 measurements in both" in lines[-1]
    assert lines[-1].endswith("1 new")


def test_another_machine_is_said():
    lines = compare.changes(result(row(), processor="an old one"), result(row()))
    assert "another machine then (an old one)" in lines[1]


# --- Running


def test_the_plan_has_both_kernels_where_there_are_two(monkeypatch):
    monkeypatch.setattr(command, "other_kernel", lambda _: "Haswell")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert command.plan(["mlp", "ops"], quick=False) == [
        ("mlp", {"threads": 1}), ("mlp", {"threads": 1, "kernel": "Haswell"}), ("ops", {"threads": 1}),
    ]  # fmt: skip
    assert command.plan(["mlp"], quick=True) == [("mlp", {"threads": 1})]
    monkeypatch.setattr(command, "other_kernel", lambda _: None)
    assert command.plan(["cnn"], quick=False) == [("cnn", {"threads": 1}), ("cnn", {"threads": 2})]


def test_the_other_kernel(monkeypatch):
    monkeypatch.setattr(info, "has_avx512", lambda: True)
    assert worker.other_kernel("openblas 0.3, kernel Haswell, 1 threads") == "SkylakeX"
    assert worker.other_kernel("openblas 0.3, kernel SkylakeX, 1 threads") == "Haswell"
    assert worker.other_kernel("mkl 2024, kernel unknown, 1 threads") is None
    assert worker.other_kernel(None) is None
    monkeypatch.setattr(info, "has_avx512", lambda: False)
    assert worker.other_kernel("openblas 0.3, kernel Haswell, 1 threads") is None


def test_a_suite_that_fails_costs_itself_alone(monkeypatch):
    def run(name, *_):
        if name == "cnn":
            raise worker.SuiteFailedError("no memory")
        yield row()

    monkeypatch.setattr(command, "run", run)
    rows, failures = command.measure([("cnn", {"threads": 1}), ("mlp", {"threads": 1})], 1.0)
    assert len(rows) == 1
    assert failures == ["cnn {'threads': 1} failed: no memory"]


def test_ctrl_c_keeps_what_was_measured(monkeypatch):
    def run(*_):
        yield row()
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run", run)
    rows, failures = command.measure([("mlp", {"threads": 1}), ("cnn", {"threads": 1})], 1.0)
    assert len(rows) == 1
    assert failures == ["stopped by Ctrl-C in mlp: what was measured until then follows"]


def test_a_process_that_fails_says_why():
    with pytest.raises(worker.SuiteFailedError, match="KeyError: 'no such suite'"):
        list(worker.run("no such suite", {"threads": 1}, 1.0))


def test_a_process_that_complains_at_length_goes_on(monkeypatch):
    noisy = f"import sys; sys.stderr.write('x' * 10**6); print({json.dumps(row().to_dict())!r}); sys.exit(1)"
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda _, **how: popen([sys.executable, "-c", noisy], **how))
    rows = worker.run("mlp", {"threads": 1}, 1.0)
    assert next(rows) == row()
    with pytest.raises(worker.SuiteFailedError, match="xxx"):
        next(rows)


def test_an_unknown_suite_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["mpl"])
    assert ended.value.code == 2
    assert "there is no suite 'mpl'; the suites are ops, mlp, cnn" in capsys.readouterr().err


def test_from_end_to_end(tmp_path):
    """A quick run of the smallest suite, as a user types it, and again compared with the first."""
    command = [sys.executable, "-m", "benchmarks", "--quick", "gradcheck", "--out", str(tmp_path / "new")]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    for more in ([], ["--compare", str(tmp_path / "new" / "results.json")]):
        done = subprocess.run([*command, *more], cwd=ROOT, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "gradcheck: A gradient check of a small CNN" in done.stdout
    assert "1 measurements in both" in done.stdout
    record = json.loads((tmp_path / "new" / "results.json").read_text())
    assert record["rows"][0]["settings"]["threads"] == 1
    assert record["about"]["versions"]["numpy"] == np.__version__
    assert (tmp_path / "new" / "report.md").read_text().startswith("# Benchmarks")
