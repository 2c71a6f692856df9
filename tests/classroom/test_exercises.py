"""Every exercise: its solution scores, its blank does not and is treated kindly, and wrong answers get their reason.

Wrong answers to NN_stem.py stand in tests/classroom/wrong/NN_stem.py, in the list WRONG of (task, expected, change):

- change: a pair (old, new) to replace in the solved version, where `old` occurs once; or a str to append to it, whose
  definitions then win.
- expected: the kind of the first reason, if it is an identifier, else words that the message contains.
"""

import ast
import runpy
import types
from pathlib import Path

import numpy as np
import pytest

from minigrad.classroom import build, marking
from minigrad.classroom.source import find_exercises
from minigrad.classroom.student import LocalStudent
from minigrad.classroom.submission import Submission

ROOT = Path(__file__).resolve().parents[2]
EXERCISES = find_exercises(ROOT / "lessons" / "exercises")
WRONG = {
    name: runpy.run_path(str(Path(__file__).parent / "wrong" / f"{name}.py"))["WRONG"]
    for name in EXERCISES
    if (Path(__file__).parent / "wrong" / f"{name}.py").exists()
}
every = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


def marked(exercise, code, seed=0):
    """Marks for code that we trust, in this process."""
    return marking.mark(exercise, Submission(code, exercise.name), seed=seed, student=LocalStudent)


@every
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_solution_scores_full_marks(exercise, seed):
    marks = marked(exercise, build.solution_version(exercise), seed)
    assert marks.points == marks.max_points, [result.message for result in marks.results]


@every
def test_the_solution_scores_full_marks_in_a_process_of_its_own(exercise):
    marks = marking.mark(exercise, Submission(build.solution_version(exercise), exercise.name), seed=3)
    assert marks.points == marks.max_points, [result.message for result in marks.results]


@every
def test_the_blank_scores_nothing_and_is_not_blamed(exercise):
    marks = marked(exercise, build.student_version(exercise))
    assert marks.points == 0
    for result in marks.results:
        assert result.kinds == ("not_done",), result.message
        assert result.message.startswith("Not done yet")
        assert "Traceback" not in result.message
        assert "minigrad/" not in result.message


@every
def test_it_is_whole_and_short(exercise):
    lesson = ROOT / "lessons" / f"{exercise.name}.py"
    assert lesson.exists() or not list(lesson.parent.glob(f"{exercise.name[:2]}_*.py"))
    assert exercise.question.endswith("?")
    assert exercise.points == 10
    assert 2 <= len(exercise.tasks) <= 4
    assert 80 <= len(exercise.lines) <= 160


@every
def test_it_needs_numpy_and_minigrad_alone(exercise):
    imported = set()
    for node in ast.walk(ast.parse(exercise.text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert imported <= {"numpy", "minigrad"}


@every
def test_a_student_does_not_get_what_is_hidden(exercise):
    text = build.student_version(exercise)
    assert "### " not in text
    shown = {line.strip() for line in text.splitlines()}
    for task in exercise.tasks:
        assert not any(f"def {name}(" in text for name in task.hidden)
        assert all(f"def {name}(" in text for name in set(task.checks) - task.hidden)
    for block in exercise.blocks:
        if block.kind == "SOLUTION":
            solution = exercise.lines[block.first + 1 : block.given or block.last]
            assert not {line.strip() for line in solution} <= shown


@every
def test_a_student_can_run_the_checks_by_hand(exercise):
    names = {"__name__": "solved"}
    exec(compile(build.solution_version(exercise), "solved", "exec"), names)
    for task in exercise.tasks:
        for name in set(task.checks) - task.hidden:
            check = names[name]
            arguments = types.SimpleNamespace(**names), np.random.default_rng(0)
            check(*arguments[: check.__code__.co_argcount])


@every
def test_every_task_has_wrong_answers(exercise):
    tasks = [task for task, _, _ in WRONG[exercise.name]]
    assert {task.number for task in exercise.tasks} == set(tasks)


@pytest.mark.parametrize(
    ("name", "task", "expected", "change"),
    [pytest.param(n, *wrong, id=f"{n}-{wrong[0]}-{i}") for n, all_ in WRONG.items() for i, wrong in enumerate(all_)],
)
def test_a_wrong_answer_gets_no_points_and_its_reason(name, task, expected, change):
    solved = build.solution_version(EXERCISES[name])
    if isinstance(change, str):
        code = solved + change
    else:
        assert solved.count(change[0]) == 1, f"{change[0]!r} should occur once in the solution"
        code = solved.replace(*change)
    result = marked(EXERCISES[name], code).results[task - 1]
    assert result.points == 0
    if expected.isidentifier():
        assert result.kinds[0] == expected, result.message
    else:
        assert expected in result.message
