"""The rules for the source of an exercise, and what a source that breaks one is told."""

import pytest

from minigrad.classroom.source import Exercise, SourceError, find_exercises
from minigrad.classroom.source import folder as find_folder
from tests.classroom.sample import NAME, SOURCE


def test_what_is_read_from_a_source(tmp_path):
    exercise = Exercise(SOURCE, tmp_path / f"{NAME}.py")
    assert (exercise.name, exercise.question, exercise.points) == (NAME, "Which way is down?", 10)
    assert [(t.number, t.title, t.points, t.answers, t.functions, t.checks, t.hidden) for t in exercise.tasks] == [
        (
            1,
            "The gradient",
            6,
            ("loss_backward",),
            ("loss_backward",),
            ("check_loss_backward", "check_one_sample"),
            {"check_one_sample"},
        ),
        (2, "The loop", 3, ("train",), ("train",), ("check_train",), frozenset()),
        (3, "A number", 1, ("answer",), (), ("check_answer",), frozenset()),
    ]


def test_the_checks_are_functions_of_the_source(tmp_path):
    checks = Exercise(SOURCE, tmp_path / f"{NAME}.py").run()
    assert list(checks) == ["check_loss_backward", "check_one_sample", "check_train", "check_answer"]
    assert "loss" in checks["check_train"].__globals__


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("def loss(w, X, y):", "def loss(w, X, y:", 13, "does not parse"),
        ('"""Which way is down?', '1\n"""Which way is down?', 1, "has no docstring"),
        ("# ## Task 2: The loop (3 points)", "# ## Task 2: The loop", 48, "expected '# ## Task 2: title (4 points)'"),
        ("# ## Task 2:", "# ## Task 3:", 48, "expected '# ## Task 2: title (4 points)'"),
        ("# ## Task", "# Task", 1, "has no task"),
        ("### END HIDDEN TESTS", "### END HIDEN TESTS", 44, "is no marker"),
        ("### END HIDDEN TESTS", "### END TESTS", 44, "does not fit: open is HIDDEN TESTS"),
        ("### END HIDDEN TESTS\n", "", 54, "does not fit: open is HIDDEN TESTS"),
        ("### BEGIN HIDDEN TESTS", "### BEGIN GIVEN", 40, "does not fit: open is no block"),
        ("import numpy as np", "### BEGIN TESTS\n### END TESTS\nimport numpy as np", 7, "before the first task"),
        ("answer = 42", "print(42)", 76, "only sets names"),
        ("def check_answer", "def answer_check", 73, "at least one SOLUTION, and one check_ function"),
    ],
)  # fmt: skip
def test_a_source_that_breaks_a_rule_is_refused_with_its_line(tmp_path, old, new, line, says):
    with pytest.raises(SourceError) as refused:
        Exercise(SOURCE.replace(old, new), tmp_path / f"{NAME}.py")
    message = str(refused.value)
    assert f"{NAME}.py, line {line}: " in message
    assert says in message


def test_a_block_that_is_never_closed(tmp_path):
    text = SOURCE.rstrip().removesuffix("### END TESTS")
    with pytest.raises(SourceError, match="### BEGIN TESTS has no END"):
        Exercise(text, tmp_path / f"{NAME}.py")


def test_exercises_are_found_in_the_current_folder_first(folder, tmp_path, monkeypatch):
    lessons = tmp_path / "course" / "lessons"
    lessons.mkdir(parents=True)
    folder.rename(lessons / "exercises")
    monkeypatch.chdir(tmp_path / "course")
    assert list(find_exercises()) == [NAME]


def test_a_folder_without_exercises_says_where_they_are(tmp_path):
    with pytest.raises(SourceError, match="run this command from the checkout, or name their folder with --exercises"):
        find_folder(tmp_path)
