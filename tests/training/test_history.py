"""The record of a run: as numbers, as text, as a picture."""

import json
import sys

import numpy as np
import pytest

from minigrad.training import History


def history(epochs=3):
    recorded = History()
    for i in range(epochs):
        recorded.add(loss=1 / (i + 1), recall=[0.5, 0.1 * i], val_loss=2.0, val_recall=[0.5, float("nan")],
                     val_cost=3.0, gradient_share=[0.9, 0.1], lr=0.1)  # fmt: skip
    return recorded


def test_columns_have_one_entry_per_epoch():
    recorded = history()
    assert len(recorded) == 3
    assert recorded["loss"] == [1.0, 0.5, 1 / 3]
    assert "val_loss" in recorded
    with pytest.raises(KeyError, match="no column 'val_f1'; there are loss, recall"):
        recorded["val_f1"]
    with pytest.raises(KeyError, match="none yet"):
        History()["loss"]


def test_there_and_back():
    recorded = history()
    recorded.best_epoch, recorded.stopped_early, recorded.interrupted = 2, True, True
    state = json.loads(json.dumps(recorded.to_dict()))
    again = History.from_dict(state)
    assert str(again.to_dict()) == str(recorded.to_dict())
    again.add(loss=7.0)
    assert len(state["columns"]["loss"]) == 3  # a copy


def test_repr_shows_both_ends():
    recorded = history(20)
    recorded.best_epoch, recorded.stopped_early, recorded.interrupted = 2, True, True
    lines = repr(recorded).splitlines()
    assert lines[0] == "History of 20 epochs, best epoch 2, stopped early, interrupted"
    assert lines[1].split() == ["epoch", "loss", "val_loss", "val_cost", "lr"]
    assert [line.split()[0] for line in lines[2:]] == ["1", "2", "3", "4", "...", "17", "18", "19", "20"]
    assert repr(History()) == "History of 0 epochs"
    assert repr(history(1)).startswith("History of 1 epoch\n")


def test_the_picture_has_a_panel_for_each_kind_of_measure(tmp_path):
    recorded = history()
    recorded.best_epoch = 2
    figure = recorded.plot(tmp_path / "run.png")
    assert (tmp_path / "run.png").stat().st_size > 1000
    panels = {axes.get_title(loc="left"): [line.get_label() for line in axes.lines] for axes in figure.axes}
    assert panels == {
        "loss": ["loss", "val_loss", "best epoch"],
        "recall of each class": ["class 0", "class 1", "best epoch"],
        "metrics": ["val_cost", "best epoch"],
        "share of the gradient of each class": ["class 0", "class 1", "best epoch"],
    }
    loss = figure.axes[0].lines[0]
    np.testing.assert_allclose(loss.get_xydata(), [[1, 1], [2, 0.5], [3, 1 / 3]])


def test_without_a_display_it_is_saved_here(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    history().plot()
    assert (tmp_path / "history.png").exists()
    assert str(tmp_path / "history.png") in capsys.readouterr().out


def test_with_a_display_it_is_shown(tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    shown = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "get_backend", lambda: "TkAgg")
    monkeypatch.setattr(plt, "show", lambda: shown.append(len(plt.get_fignums())))
    history().plot()
    assert shown == [1]
    assert not list(tmp_path.iterdir())
    assert not plt.get_fignums()


def test_a_notebook_shows_what_is_returned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    assert history().plot().axes
    assert not list(tmp_path.iterdir())


def test_nothing_to_plot():
    with pytest.raises(ValueError, match="no epoch was finished"):
        History().plot()


def test_without_matplotlib_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"\.\[lessons\]"):
        history().plot()
