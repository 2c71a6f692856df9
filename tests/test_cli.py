"""The command line, run as a reader runs it: in a process of its own."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minigrad import __main__ as cli
from minigrad.losses import catalogue

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def minigrad(tmp_path, monkeypatch):
    """Runs the command in a folder with three lessons: one prints, one fails, one does not parse."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    lessons = tmp_path / "lessons"
    lessons.mkdir()
    (lessons / "01_chain_rule.py").write_text(
        '"""Why must a forward value be kept?\n\nMore."""\n'
        "import sys, helper\nprint(__name__, sys.argv[1:], helper.WORD)\n",
        encoding="utf-8",
    )
    (lessons / "02_checks.py").write_text("import sys\nsys.exit(7)\n", encoding="utf-8")
    (lessons / "03_broken.py").write_text("x = (\n", encoding="utf-8")
    (lessons / "helper.py").write_text("WORD = 'beside the lesson'\n", encoding="utf-8")

    def run(*arguments):
        command = [sys.executable, "-m", "minigrad", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    run.lessons = lessons
    return run


def test_lessons_lists_each_number_with_its_question(minigrad):
    done = minigrad("lessons")
    assert done.returncode == 0
    first, second, third = done.stdout.splitlines()
    assert first == "01  Why must a forward value be kept?"
    assert second == "02  (has no docstring)"
    assert third.startswith("03  (does not parse: line 1: ")


def test_lessons_shows_the_times_that_were_measured(minigrad):
    times = {"machine": "a machine, 2 cores", "seconds": {"01_chain_rule": 3.6, "02_checks": 121.0}}
    (minigrad.lessons / "times.json").write_text(json.dumps(times), encoding="utf-8")
    first, second, third, footer = minigrad("lessons").stdout.splitlines()
    assert first == "01    4 s  Why must a forward value be kept?"
    assert second == "02  121 s  (has no docstring)"
    assert third.startswith("03         (does not parse")
    assert footer == "Times on a machine, 2 cores."


@pytest.mark.parametrize("name", ["1", "01", "01_chain_rule"])
def test_lesson_runs_as_the_script_would(minigrad, name):
    done = minigrad("lesson", name)
    assert (done.returncode, done.stdout) == (0, "__main__ [] beside the lesson\n"), done.stderr


def test_lesson_passes_its_exit_status_on(minigrad):
    assert minigrad("lesson", "2").returncode == 7


def test_lesson_that_fails_shows_where(minigrad):
    (minigrad.lessons / "04_claim.py").write_text("assert 1 > 2, 'the claim'\n", encoding="utf-8")
    done = minigrad("lesson", "4")
    assert done.returncode == 1
    assert "04_claim.py" in done.stderr
    assert done.stderr.endswith("AssertionError: the claim\n")


def test_lesson_that_is_not_there_lists_those_that_are(minigrad):
    done = minigrad("lesson", "99")
    assert done.returncode == 1
    assert "there is no lesson '99'" in done.stderr
    assert "01  Why must a forward value be kept?" in done.stderr
    assert "Traceback" not in done.stderr


def test_lesson_misspelt_names_the_nearest(minigrad):
    assert "Did you mean 01_chain_rule?" in minigrad("lesson", "chain_rul").stderr


@pytest.mark.parametrize(("package", "hinted"), [("sklearn", True), ("nonsense", False)])
def test_lesson_says_how_to_install_what_it_needs(minigrad, package, hinted):
    script = f"raise ModuleNotFoundError('No module named {package}', name='{package}')\n"
    (minigrad.lessons / "05_needs.py").write_text(script, encoding="utf-8")
    done = minigrad("lesson", "5")
    assert done.returncode == 1
    assert ('pip install -e ".[lessons]"' in done.stderr) == hinted
    assert ("Traceback" in done.stderr) != hinted


def test_info_names_numpy_blas_environment_and_cupy(minigrad, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    done = minigrad("info")
    assert done.returncode == 0, done.stderr
    assert f"NumPy       {np.__version__}" in done.stdout
    assert "BLAS        " in done.stdout
    assert "  kernel    " in done.stdout
    assert "  OMP_NUM_THREADS=1" in done.stdout
    assert "CuPy        " in done.stdout
    assert "What would make it faster\n- " in done.stdout


def test_lessons_says_where_they_are_when_there_are_none(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "__file__", str(tmp_path / "site-packages" / "minigrad" / "__main__.py"))
    cli.main(["lessons"])
    assert "run this command from the checkout" in capsys.readouterr().out


def test_losses_prints_every_loss_with_its_checks(minigrad):
    done = minigrad("losses")
    assert (done.returncode, done.stderr) == (0, "")
    width = max(map(len, catalogue.CATALOGUE))
    rows = {line[:width].rstrip(): line[width:].split() for line in done.stdout.splitlines()}
    for name in catalogue.CATALOGUE:
        closed_form, first, second, *_, laws = rows[name]
        assert max(float(closed_form), float(laws)) < 1e-12
        assert max(float(first), float(second)) < 1e-6
    assert "  10: temperatures: a constant added to the logits changes the loss (cdt; vector_scaling)" in done.stdout


def test_losses_fails_and_says_why_if_one_loss_is_wrong(monkeypatch, capsys):
    right = catalogue.CATALOGUE["focal"]
    wrong = dataclasses.replace(right, formula=catalogue.formulas.cross_entropy, settings={})
    monkeypatch.setattr(catalogue, "CATALOGUE", {"right": right, "wrong": wrong})
    with pytest.raises(SystemExit) as left:
        cli.main(["losses"])
    assert left.value.code == 1
    out = capsys.readouterr().out
    assert out.count("FAILED") == 1
    assert "wrong, closed form: autograd gives" in out
    assert "formulas.cross_entropy gives" in out


def test_an_unknown_command_lists_the_known_ones(minigrad):
    done = minigrad("leson", "4")
    assert done.returncode == 2
    assert "'leson'" in done.stderr
    assert "lessons" in done.stderr
