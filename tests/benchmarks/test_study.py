"""The study: lines that resume, runs that repeat, methods that take equally many steps, honest intervals."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

pytest.importorskip("tqdm")
pytest.importorskip("sklearn")
pytest.importorskip("scipy")

from scipy import stats

import minigrad as mg
from benchmarks import choose_lambda
from benchmarks.study import __main__ as command
from benchmarks.study import costs, images, report
from benchmarks.study.lines import Lines
from benchmarks.study.methods import METHODS

SHORT = images.Setting("mlp", "step", 10, "none", lr=0.03, seed=1, epochs=2)


def test_a_run_is_decided_by_its_setting():
    first = images.run(SHORT)
    images.logits.cache_clear()
    assert images.run(SHORT) == first
    assert images.run(replace(SHORT, seed=2)) != {**first, "seed": 2}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_and_measures(method):
    record = images.run(replace(SHORT, method=method))
    assert 0 <= record["tail_accuracy"] <= 1
    assert record["balanced_accuracy"] == pytest.approx(np.mean(record["recall"]), abs=1e-6)
    halves = [record["head_accuracy"], record["tail_accuracy"]]  # a step: five classes each
    assert record["balanced_accuracy"] == pytest.approx(np.mean(halves), abs=2e-6)


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.sampler])
def test_samplers_draw_as_many_rows_as_there_are_samples(method):
    y = np.repeat([0, 1, 2], [50, 20, 3])
    draw = METHODS[method].sampler(y, 0)
    rng = np.random.default_rng(0)
    epochs = [draw(rng) for _ in range(3)]
    assert all(len(rows) == len(y) for rows in epochs)
    counts = np.bincount(y[np.concatenate(epochs)])
    assert counts.max() - counts.min() <= 0.25 * counts.mean()
    if method == "under":
        assert len(set(np.concatenate(epochs).tolist())) == 9, "the rest of the data is thrown away"


def test_the_test_set_decides_nothing():
    """The rate is chosen on validation images: with another test set the same rates are chosen."""
    data = images.images("digits")
    assert not any(np.array_equal(a, b) for a in data["validation"][0][:50] for b in data["test"][0][:50])
    choice = images.Cell("mlp", "step", 10, "none").choices()
    assert {setting.on for setting in choice} == {"validation"}
    assert all(setting.seed >= images.SEEDS for setting in choice)
    assert "recall" not in images.run(replace(choice[0], epochs=1))


def test_post_hoc_adjustment_takes_the_plain_network():
    plain, adjusted = images.run(SHORT), images.run(replace(SHORT, method="post-hoc"))
    z, counts = images.logits(SHORT)
    y = images.images("digits")["test"][1]
    right = mg.decisions.logit_adjust(z, counts / counts.sum()).argmax(axis=1) == y
    assert adjusted["recall"][0] == pytest.approx(right[y == 0].mean(), abs=1e-6)
    assert plain["recall"] != adjusted["recall"]


def test_the_cosine_head_is_one():
    head = images.Cosine(4, 3)
    z = head(mg.tensor(np.random.default_rng(0).normal(size=(5, 4)))).numpy()
    assert (np.abs(z) <= 1).all()
    assert np.allclose(z, head(mg.tensor(7.0 * np.random.default_rng(0).normal(size=(5, 4)))).numpy())


def test_a_rate_that_diverges_is_recorded_as_such():
    with np.errstate(all="ignore"):
        record = images.run(replace(SHORT, lr=1e12, on="validation"))
    assert record["diverged"]
    assert record["balanced_accuracy"] == 0.1


@pytest.mark.parametrize("way", ["cross-entropy at p*", "softmax margin"])
def test_costs_are_those_of_the_decisions(way):
    setting = costs.CostSetting("breast cancer", way, split=0, epochs=5)
    record = costs.run(setting)
    assert costs.run(setting) == record
    assert 0 <= record["cost"] <= 10


def test_lambda_is_chosen_by_cross_validation(monkeypatch):
    monkeypatch.setattr(choose_lambda, "LAMBDAS", (0.0, 1.0))
    record = costs.run(costs.CostSetting("breast cancer", "cost penalty, lambda by CV", split=0, epochs=3))
    assert record["lam"] in (0.0, 1.0)


# --- Lines


def test_what_is_there_is_not_run_again_and_a_cut_line_is(tmp_path):
    path, runs = tmp_path / "runs.jsonl", []

    def run(setting):
        runs.append(setting.seed)
        return {**asdict(setting), "balanced_accuracy": 0.5}

    for seed in (0, 1, 0):
        Lines(path).get(replace(SHORT, seed=seed), run)
    assert runs == [0, 1]
    path.write_text(path.read_text() + '{"network": "ml')  # killed while writing
    lines = Lines(path)
    assert len(lines.records) == 2
    lines.get(replace(SHORT, seed=2), run)
    assert [json.loads(line)["seed"] for line in path.read_text().splitlines()] == [0, 1, 2]


def test_a_broken_line_is_named(tmp_path):
    (tmp_path / "runs.jsonl").write_text('{"a": 1}\nnonsense\n')
    with pytest.raises(SystemExit, match=r"line 2 of .*runs\.jsonl is not JSON"):
        Lines(tmp_path / "runs.jsonl")


def test_a_line_runs_again_to_the_same_numbers(tmp_path, capsys):
    lines = Lines(tmp_path / "runs.jsonl")
    lines.get(SHORT, images.run)
    lines.get(costs.CostSetting("breast cancer", "softmax margin", 0, 3), costs.run)
    assert command.again(lines, 1)
    assert command.again(lines, 2)
    lines.records[0]["auc"] = 0.1
    assert not command.again(lines, 1)
    assert "not the same: auc" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="there is no line 3"):
        command.again(lines, 3)


def test_the_grid():
    full, quick = images.grid(quick=False), images.grid(quick=True)
    assert len(full) == len(set(full)) == (5 + 5 + 4) * len(METHODS)
    assert set(quick) < set(full)
    assert {cell.ratio for cell in full if cell.network == "mlp"} == {10, 80}


def test_the_command_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(images, "NETWORKS", {"mlp": replace(images.NETWORKS["mlp"], epochs=1)})
    monkeypatch.setattr(images, "METHODS", {name: METHODS[name] for name in ("none", "la")})
    monkeypatch.setattr(images, "RATES", (0.1, 0.03))
    monkeypatch.setattr(costs, "grid", lambda _quick: [costs.CostSetting("breast cancer", "softmax margin", 0, 2)])
    ran = []
    run = images.run

    def interrupted(setting):
        ran.append(setting)
        if len(ran) == 5:
            raise KeyboardInterrupt
        return run(setting)

    monkeypatch.setattr(images, "run", interrupted)
    assert command.main(["--out", str(tmp_path)]) == 130
    assert "4 runs are in" in capsys.readouterr().err
    assert command.main(["--out", str(tmp_path)]) == 0
    assert len(ran) == 1 + len(set(ran))
    assert "### mlp, step 10" in (tmp_path / "tables-full.md").read_text()
    assert (tmp_path / "head-tail-full.png").stat().st_size > 1000


# --- Tables


def test_intervals_are_students():
    rng = np.random.default_rng(0)
    a, b = dict(enumerate(rng.normal(size=6))), dict(enumerate(rng.normal(size=5)))
    mean, half, n = report.paired(a, b)
    differences = [a[i] - b[i] for i in range(5)]
    interval = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert (n, mean) == (5, pytest.approx(np.mean(differences)))
    assert (mean - half, mean + half) == pytest.approx(tuple(interval))
    assert report.paired(a, {})[2] == 0


def test_tables_compare_with_the_baseline():
    records = [
        {**asdict(replace(SHORT, method=method, seed=seed)), "balanced_accuracy": value + 0.01 * seed}
        | {"tail_accuracy": 0.1, "head_accuracy": 0.9, "auc": 0.5}
        for method, value in (("none", 0.5), ("la", 0.7))
        for seed in range(3)
    ]
    records += [
        {**asdict(costs.CostSetting("German credit", way, split)), "cost": cost}
        for split in range(3)
        for way, cost in (("cross-entropy at 0.5", 1.0), ("cross-entropy at p*", 0.75))
    ]
    images_table, costs_table = "\n".join(report.image_tables(records)), "\n".join(report.cost_tables(records))
    assert "| logit adjustment, loss | 0.03 | 0.710 ± 0.010 | +0.200 [+0.200, +0.200] |" in images_table
    assert "| plain cross-entropy | 0.03 | 0.510 ± 0.010 |  |" in images_table
    assert "| cross-entropy at p* | 0.750 ± 0.000 | +0.250 [+0.250, +0.250] |" in costs_table
