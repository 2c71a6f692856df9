"""The study: lines that resume, runs that repeat, methods that take equally many steps, honest intervals."""

import json
import re
from dataclasses import asdict, replace

import numpy as np
import pytest

pytest.importorskip("tqdm")
pytest.importorskip("sklearn")
pytest.importorskip("scipy")
pytest.importorskip("matplotlib")

from scipy import stats

import minigrad as mg
from benchmarks import choose_lambda
from benchmarks.study import __main__ as command
from benchmarks.study import costs, differences, figures, images, report
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
    choice = [s for tried in images.Cell("mlp", "step", 10, "none").choices(2).values() for s in tried]
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
    assert "### MLP, digits, step 10 (5 seeds)" in (tmp_path / "tables-full.md").read_text()
    assert (tmp_path / "head-tail-full.png").stat().st_size > 1000


# --- Differences


def test_intervals_are_students():
    rng = np.random.default_rng(0)
    a, b = dict(enumerate(rng.normal(size=6))), dict(enumerate(rng.normal(size=5)))
    found = differences.paired(a, b)
    values = [a[i] - b[i] for i in range(5)]
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.n, found.mean) == (5, pytest.approx(np.mean(values)))
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx(tuple(interval))
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert found.clear == (found.p < 0.05)


@pytest.mark.parametrize("shift", [-1.0, 1.0])
def test_a_difference_without_spread_is_clear(shift):
    found = differences.paired({0: shift, 1: shift, 2: shift}, {0: 0.0, 1: 0.0, 2: 0.0})
    assert found == (shift, 0.0, 0.0, 3)
    assert found.clear
    assert not differences.paired({0: 1.0, 1: 2.0}, {0: 1.0, 1: 2.0}).clear


def test_one_pair_or_none_has_no_interval():
    assert differences.paired({0: 1.0}, {}).n == 0
    one = differences.paired({0: 1.0}, {0: 0.5})
    assert (one.mean, one.n) == (0.5, 1)
    assert np.isnan(one.half)
    assert not one.clear


def test_splits_that_share_samples_widen_the_interval():
    """Nadeau & Bengio 2003: s^2 (1/n + n_test/n_train) for s^2/n; with halves and 20 splits sqrt(21) times as wide."""
    rng = np.random.default_rng(0)
    values, zeros = dict(enumerate(rng.normal(size=20))), dict.fromkeys(range(20), 0.0)
    plain, corrected = (differences.paired(values, zeros, overlap) for overlap in (0.0, 1.0))
    assert corrected.half == pytest.approx(np.sqrt(21) * plain.half)


def test_every_split_of_the_tables_is_into_halves(monkeypatch):
    """The overlap of the report is that of the runs."""
    import sklearn.model_selection

    shares = []
    real = sklearn.model_selection.train_test_split
    monkeypatch.setattr(
        sklearn.model_selection,
        "train_test_split",
        lambda *arrays, **options: shares.append(options["test_size"]) or real(*arrays, **options),
    )
    costs.run(costs.CostSetting("breast cancer", "softmax margin", 0, 1))
    assert [share / (1 - share) for share in shares] == [figures.HALVES]


def test_holm_stops_at_the_first_that_fails():
    assert differences.holm([0.04, 0.01, 0.03, 0.005]) == 0.01  # 0.05/4, /3, then 0.03 > 0.05/2
    assert differences.holm([0.03, 0.04, np.nan]) == -1.0
    assert differences.holm([0.04]) == 0.04


# --- Tables and figures

GAINS = {"none": 0.0, "la": 0.2, "under": -0.1, "focal": 0.0, "over": 0.1, "inverse": 0.1}


def invented(seeds=4, gains=GAINS, kinds=(("step", 10), ("step", 80)), network="mlp"):
    """Records of methods that differ by their gain, and by nothing but noise where it is 0."""

    def noise(*run):
        return 0.001 * np.random.default_rng(list(str(run).encode())).normal()

    return [
        {**asdict(replace(SHORT, network=network, kind=kind, ratio=ratio, method=method, seed=seed))}
        | {"balanced_accuracy": 0.5 + 0.01 * seed + gain + noise(kind, ratio, method, seed)}
        | {"tail_accuracy": 0.1 + gain, "head_accuracy": 0.9 - gain, "auc": 0.5}
        for kind, ratio in kinds
        for method, gain in gains.items()
        for seed in range(seeds)
    ]


def with_costs(costs_of):
    return [
        {**asdict(costs.CostSetting("German credit", way, split)), "cost": cost + 0.01 * split}
        | ({"lam": 0.1 * (split % 2)} if "lambda" in way else {})
        for split in range(4)
        for way, cost in costs_of.items()
    ]


COSTS = {"cross-entropy at 0.5": 1.0, "cross-entropy at p*": 0.75, "cost penalty, lambda by CV": 0.9}


def written(tmp_path, records, name="full", file="runs.jsonl"):
    (tmp_path / file).write_text("".join(json.dumps(record) + "\n" for record in records))
    return report.write(Lines(tmp_path / file), tmp_path, name)


def test_tables_compare_with_the_baseline():
    table = "\n".join(report.image_tables(invented(seeds=3, gains={"none": 0.0, "la": 0.2})))
    assert "### MLP, digits, step 10 (3 seeds)" in table
    assert re.search(r"\| logit adjustment, loss \| 0.03 \| 7[01].\d ± \d.\d \| \+(19.9|20.\d) \[\+1\d", table)
    assert re.search(r"\| plain cross-entropy \| 0.03 \| 5[01].\d ± \d.\d \|  \| 90.0 ± 0.0 \|  \| 10.0", table)


def test_cost_tables_say_what_was_saved():
    table = "\n".join(report.cost_tables(with_costs(COSTS)))
    assert "### German credit: cost per sample over 4 random halves" in table
    assert (
        "| cross-entropy at p* | 0.765 ± 0.013 | +0.250 [+0.250, +0.250] | +0.250 [+0.250, +0.250] | 4 / 0 |" in table
    )
    assert "| cross-entropy at 0.5 | 1.015 ± 0.013 |  |  |  |" in table
    assert "| cross-entropy at p* against cost penalty, lambda by CV | +0.150 [+0.150, +0.150] |" in table
    assert "lambda chosen: 0 (2 times), 0.1 (2 times)" in table
    assert "breast cancer" not in table


def test_the_overview_stars_what_is_not_noise():
    text = "\n".join(report.overviews(invented()))
    assert re.search(r"\| logit adjustment, loss \| \+\d+.\d `\*\*` \| \+\d+.\d `\*\*` \| 2 \| 0 \|", text)
    assert re.search(r"\| undersampling \| -\d+.\d `\*\*` \| -\d+.\d `\*\*` \| 0 \| 2 \|", text)
    assert re.search(r"\| focal \| [+-]0.\d \| [+-]0.\d \| 0 \| 0 \|", text)
    assert "of 10 comparisons without any effect 0 would" in text
    assert re.search(r"\| undersampling \| -\d+.\d \| -\d+.\d \| -\d+.\d \| 0 \| 2 \| 2 \|", text), "all networks"


def test_a_star_alone_did_not_pass_the_correction():
    """Of these six p, 0.02 is below 0.05 but not below 0.05/3, which Holm asks of the fourth."""
    pattern = {"focal": (1, 4, 3, 6, 2), "sqrt": (-3, 2, 1, -2, 1), "cdt": (2, -2, 1, 0, -2)}
    records = invented(seeds=5, gains={"none": 0.0, "la": 0.5, "over": 0.5, "inverse": 0.5}, kinds=(("step", 10),))
    plain = [record for record in records if record["method"] == "none"]
    for method, steps in pattern.items():
        for record, step in zip(plain, steps, strict=True):
            value = record["balanced_accuracy"] + 0.001 * step
            records.append({**record, "method": method, "balanced_accuracy": value})
    text = "\n".join(report.overviews(records))
    assert "| focal | +0.3 `*` | 1 | 0 |" in text
    assert re.search(r"\| oversampling \| \+(49.9|50.\d) `\*\*` \|", text)
    assert "| CDT | -0.0 | 0 | 0 |" in text


def test_rates_and_failures_are_counted():
    records = invented(seeds=2, gains={"none": 0.0, "under": -0.4}, kinds=(("step", 10),))
    records += [{**record, "on": "validation", "lr": 0.01} for record in records]
    text = "\n".join(report.rates(records))
    assert "0.03 (2 times), 0.01 (0 times)" in text
    assert text.endswith("(chance: 10 %): undersampling (2 of 2).\n")


def test_claims_are_differences_of_the_first_less_the_second():
    text = "\n".join(report.claims(invented()))
    assert re.search(r"\| Buda 2018 \| over - under \| \+(19.9|20.\d) `\*\*` \|", text)
    assert re.search(r"\| Buda 2018 \| under - none \| -(9.9|10.\d) `\*", text)
    assert "ldam" not in text, "methods that have not run are left out"
    assert {method for _, *pair in report.CLAIMS for method in pair} <= METHODS.keys()
    assert {way for pair in report.COST_CLAIMS for way in pair} <= costs.WAYS.keys()


def test_tables_do_not_depend_on_the_order_of_the_lines(tmp_path):
    records = invented() + invented(kinds=(("step", 100), ("longtail", 100)), network="lenet") + with_costs(COSTS)
    text = written(tmp_path, records)
    rng = np.random.default_rng(0)
    again = written(tmp_path, [records[i] for i in rng.permutation(len(records))] + records[:5])
    assert again == text
    assert text.index("### LeNet-5, MNIST, step 100") < text.index("### LeNet-5, MNIST, longtail 100")
    assert text.index("### LeNet-5, MNIST, longtail 100") < text.index("### MLP, digits, step 10 ")
    assert (tmp_path / "tables-full.md").read_text(encoding="utf-8") == text + "\n"
    for picture in ("overview", "ratio", "head-tail", "costs"):
        assert (tmp_path / f"{picture}-full.png").stat().st_size > 1000


def test_results_of_two_rates_are_not_mixed(tmp_path):
    records = invented()
    records[-1]["lr"] = 0.1
    with pytest.raises(
        SystemExit, match=r"test results of mlp, step, 80, inverse at the rates \[0.03, 0.1\]; expected"
    ):
        written(tmp_path, records)


def test_without_lines_there_is_nothing_to_report(tmp_path):
    assert written(tmp_path, []).strip() == ""
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize(("sign", "rank"), [(1, "1.00"), (-1, "-1.00")])
def test_the_short_version_is_held_against_the_full_one(tmp_path, sign, rank):
    gains = {"none": 0.0, "la": 0.2, "under": -0.1, "over": 0.1}
    written(tmp_path, invented(gains=gains) + with_costs(COSTS))
    turned = {method: sign * gain for method, gain in gains.items()}
    short = [{"made_with": "another BLAS", **record} for record in invented(seeds=2, gains=turned)]
    short += with_costs({way: sign * cost for way, cost in COSTS.items()})
    text = written(tmp_path, short, "quick", "quick.jsonl")
    assert f"- MLP, digits, step 80, balanced accuracy: {rank} (4 compared)" in text
    assert f"- German credit, cost: {rank} (3 compared)" in text
    same = 16 + 12 if sign > 0 else 4  # plain training gains nothing with either sign
    assert f"Runs of the same setting in both: {16 + 12}, with the same numbers: {same}." in text


def test_the_labels_of_the_picture_do_not_overlap():
    """Methods that come out alike, which is when labels beside their points would lie on each other."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    records = invented(gains=dict.fromkeys(METHODS, 0.0))
    figure = figures._head_tail(records)
    renderer = figure.canvas.get_renderer()
    figure.draw(renderer)
    boxes = [
        plt.Text.get_window_extent(text, renderer)
        for axes in figure.axes
        for text in axes.texts
        if text.get_text() in METHODS
    ]
    plt.close(figure)
    assert len(boxes) == len(METHODS)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize("networks", [("mlp",), ("lenet", "mlp"), ("lenet", "cnn", "mlp")])
def test_the_legend_is_in_the_picture(networks):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    gains = dict.fromkeys(METHODS, 0.0)
    records = [record for name in networks for record in invented(seeds=2, gains=gains, network=name)]
    figure = figures._ratio(records)
    figure.draw(figure.canvas.get_renderer())
    box = figure.legends[0].get_window_extent()
    plt.close(figure)
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1


def test_every_method_and_network_has_its_look():
    assert figures.LOOKS.keys() == METHODS.keys()
    assert len(set(figures.LOOKS.values())) == len(METHODS)
    assert figures.NETWORK_TITLES.keys() == images.NETWORKS.keys()
