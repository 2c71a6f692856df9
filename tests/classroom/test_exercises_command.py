"""``minigrad exercises``, run as students and teachers run it: in a process of its own, their code in another."""

import importlib.util
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minigrad import __main__ as cli
from minigrad.classroom import build, check, marking
from minigrad.classroom.student import LocalStudent
from minigrad.classroom.submission import Submission
from tests.classroom.sample import hear_ctrl_c

ROOT = Path(__file__).resolve().parents[2]
SOLVED = "return g * 2 / len(y) * X.T @ (X @ w - y)"


@pytest.fixture
def exercises(folder, tmp_path, monkeypatch):
    """Runs ``minigrad exercises`` with the sample as the only exercise."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)

    def run(*arguments, **options):
        command = [sys.executable, "-m", "minigrad", "exercises", *map(str, arguments), "--exercises", str(folder)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, encoding="utf-8", **options)

    return run


def test_without_a_command_it_lists_the_questions(exercises):
    done = exercises()
    assert (done.returncode, done.stdout, done.stderr) == (0, "98  10 points  Which way is down?\n", "")


def test_build_writes_both_versions_and_keeps_a_students_work(exercises, exercise, tmp_path):
    handed_out, solved = tmp_path / "exercises/student/98_sample.py", tmp_path / "exercises/solutions/98_sample.py"
    assert exercises("build").returncode == 0
    assert handed_out.read_text(encoding="utf-8") == build.student_version(exercise)
    assert not solved.exists()
    handed_out.write_text("my work", encoding="utf-8")
    done = exercises("build", "98", "--solutions")
    assert done.returncode == 1
    assert "kept as they are, since somebody changed them" in done.stderr
    assert "--force" in done.stderr
    assert handed_out.read_text(encoding="utf-8") == "my work"
    assert solved.read_text(encoding="utf-8") == build.solution_version(exercise)
    assert exercises("build", "98_sample", "--force").returncode == 0
    assert handed_out.read_text(encoding="utf-8") == build.student_version(exercise)


def test_build_of_an_exercise_that_is_not_there_lists_those_that_are(exercises):
    done = exercises("build", "97")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "minigrad: there is no exercise '97'; there are 98_sample\n"


@pytest.mark.skipif(importlib.util.find_spec("jupytext") is not None, reason="jupytext is installed")
def test_notebooks_without_jupytext_say_how_to_install_it(exercises):
    done = exercises("build", "--notebooks")
    assert done.returncode == 2
    assert "python -m pip install jupytext" in done.stderr


@pytest.mark.skipif(importlib.util.find_spec("jupytext") is None, reason="jupytext is not installed")
def test_a_notebook_is_checked_like_a_script(exercises, tmp_path):
    assert exercises("build", "--notebooks", "--solutions").returncode == 0
    done = exercises("check", tmp_path / "exercises/solutions/98_sample.ipynb")
    assert (done.returncode, done.stderr) == (0, "")
    done = exercises("check", tmp_path / "exercises/student/98_sample.ipynb")
    assert "`loss_backward` waits for your code (code cell 3, line 2)" in " ".join(done.stdout.split())


def test_check_counts_points_and_says_what_is_wrong(exercises, exercise, tmp_path):
    mine = tmp_path / "renamed by the student.py"
    mine.write_text(build.solution_version(exercise), encoding="utf-8")
    done = exercises("check", mine)
    assert (done.returncode, done.stderr) == (0, "")
    assert "10 of 10 points" in done.stdout
    wrong = build.solution_version(exercise).replace(SOLVED, f"print('g =', g, '\\x1b[2J')\n    {SOLVED} * len(y)")
    mine.write_text(wrong.replace("w - lr", "w - 2 * lr"), encoding="utf-8")
    done = exercises("check", mine)
    assert (done.returncode, done.stderr) == (1, "")
    words = " ".join(done.stdout.split())
    assert "Task 1 The gradient 0/6 not yet" in words
    assert "Your code printed: | g = " in words
    assert "Task 2 The loop 0/3 not yet W after ten steps is wrong in 3 of 3 entries" in words
    assert "Hint: Which way does the gradient point?" in words
    assert "Task 3 A number 1/1 right 1 of 10 points" in words
    assert "\x1b" not in done.stdout


def test_check_of_a_blank_and_of_a_file_that_is_not_text(exercises, exercise, tmp_path):
    blank = tmp_path / "98_sample.py"
    blank.write_text(build.student_version(exercise), encoding="utf-8")
    done = exercises("check", blank)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count("not done yet\n") == 3
    blank.write_bytes("# ü".encode("latin-1"))
    done = exercises("check", blank)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count("not UTF-8") == 3


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.py", None, "absent.py: No such file or directory"),
        (
            "homework.py",
            "x = 1",
            "neither its first line nor its name says one of 98_sample. Keep the file's first line",
        ),
        ("homework.py", "# minigrad exercise 97_gone", "exercise '97_gone' is not among 98_sample"),
        ("homework.py", "\0", "homework.py: the file contains null bytes"),
    ],
)
def test_check_of_a_file_that_is_no_answer(exercises, tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    done = exercises("check", tmp_path / name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("minigrad: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_process_that_does_not_start_is_not_the_students_fault(exercise, folder, tmp_path, monkeypatch, capsys):
    mine = tmp_path / "98_sample.py"
    mine.write_text(build.solution_version(exercise), encoding="utf-8")

    def overloaded(*_, **__):
        raise RuntimeError("Python did not start within 60 seconds; is this machine overloaded?")

    monkeypatch.setattr(marking, "mark", overloaded)
    with pytest.raises(SystemExit) as left:
        cli.main(["exercises", "check", str(mine), "--exercises", str(folder)])
    assert left.value.code == 2
    assert capsys.readouterr().err == "minigrad: Python did not start within 60 seconds; is this machine overloaded?\n"


@pytest.mark.skipif(os.name == "nt", reason="sends the signal of Ctrl-C")
def test_watch_checks_again_on_save_and_leaves_quietly(exercise, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    mine = tmp_path / "mine.py"
    mine.write_text(build.student_version(exercise), encoding="utf-8")
    command = [sys.executable, "-m", "minigrad", "exercises", "check", str(mine), "--watch", "--exercises", str(folder)]
    out = tmp_path / "out.txt"

    def wait_for(text):
        for _ in range(600):
            if text in out.read_text(encoding="utf-8"):
                return
            time.sleep(0.1)
        pytest.fail(f"no {text!r} within a minute in:\n{out.read_text(encoding='utf-8')}")

    with out.open("w", encoding="utf-8") as file:
        watching = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, preexec_fn=hear_ctrl_c)
    try:
        wait_for("Ctrl-C ends")
        assert "0 of 10 points" in out.read_text(encoding="utf-8")
        saved = tmp_path / "mine.py~"
        saved.write_text(build.solution_version(exercise), encoding="utf-8")
        saved.replace(mine)
        wait_for("10 of 10 points")
        time.sleep(0.5)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 130
    finally:
        watching.kill()
    assert "Traceback" not in out.read_text(encoding="utf-8")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colours_only_on_a_terminal_that_wants_them(monkeypatch, exercise):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert check.wants_color(Terminal())
    assert not check.wants_color(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not check.wants_color(Terminal())
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "dumb")
    assert not check.wants_color(Terminal())
    blank = Submission(build.student_version(exercise), None)
    marks = marking.mark(exercise, blank, student=LocalStudent)
    assert "\033[33mnot done yet\033[0m" in check.show(exercise, marks, color=True)
    assert "\033" not in check.show(exercise, marks)


def test_a_failed_hidden_check_is_said_to_be_hidden(exercise):
    wrong = build.solution_version(exercise).replace(SOLVED, f"if len(y) == 1:\n        return w\n    {SOLVED}")
    text = check.show(exercise, marking.mark(exercise, Submission(wrong, None), student=LocalStudent))
    assert "(Found by a check that your file does not show.)" in text


def test_lines_fit_the_terminal(exercise):
    marks = marking.mark(exercise, Submission("x = (" + 500 * " long", None), student=LocalStudent)
    text = check.show(exercise, marks, width=80)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "Python cannot read your file" in text
