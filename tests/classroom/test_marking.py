"""Marks, and what they say to a student; the isolation itself is tested in test_sandbox.py."""

import json
from pathlib import Path

import numpy as np
import pytest

from minigrad.classroom import build, marking
from minigrad.classroom.source import Exercise, SourceError
from minigrad.classroom.student import LocalStudent, StudentError
from minigrad.classroom.submission import Submission
from tests.classroom.sample import SOURCE

RIGHT = "return g * 2 / len(y) * X.T @ (X @ w - y)"


def marked(exercise, code, seed=0):
    return marking.mark(exercise, Submission(code, None), seed=seed, student=LocalStudent)


def first(exercise, old, new):
    """The result of the first task for a solution with one change; the other tasks keep their points."""
    solved = build.solution_version(exercise)
    assert old in solved
    result, *others = marked(exercise, solved.replace(old, new, 1)).results
    assert [other.points for other in others] == [3, 1]
    assert (result.points, result.passed) == (0, False)
    return result


def test_the_solution_has_full_marks_and_nothing_to_say(exercise):
    marks = marked(exercise, build.solution_version(exercise))
    assert (marks.exercise, marks.points, marks.max_points) == ("98_sample", 10, 10)
    assert all((r.passed, r.message, r.hint, r.kinds) == (True, "", "", ()) for r in marks.results)


def test_the_blank_is_not_done_yet(exercise):
    code, loop, number = marked(exercise, build.student_version(exercise)).results
    assert {r.kinds for r in (code, loop, number)} == {("not_done",)}
    assert code.message == "Not done yet: `loss_backward` waits for your code (line 25)."
    assert loop.message.startswith("Not done yet: as it was handed out. W after ten steps is wrong")
    assert loop.hint == "Which way does the gradient point?"
    assert number.message == "Not done yet: `answer` waits for your answer."


def test_a_given_program_defined_again_below_is_not_called_untouched(exercise):
    code = build.student_version(exercise) + "\n\ndef train(w, X, y, lr, steps):\n    return 7 * w\n"
    assert marked(exercise, code).results[1].kinds == ("values",)


def test_a_given_program_with_a_comment_behind_its_last_line_is_recognised(exercise):
    noted = Exercise(SOURCE.replace("    return w\n", "    return w  # as it is now\n", 1), exercise.path)
    assert "as it is now" in noted.text
    assert marked(noted, build.student_version(noted)).results[1].kinds == ("not_done",)


def test_a_file_that_does_not_load_is_not_called_untouched(exercise):
    code = build.student_version(exercise) + "\n1 / 0\n"
    assert [result.kinds for result in marked(exercise, code).results] == [("raised",)] * 3


def test_a_wrong_shape_is_not_told_with_an_entry_of_a_gradient_that_is_right():
    source = SOURCE.replace(
        "lambda w: loss(w, X, y), lambda g, w: student.loss_backward(g, w, X, y), [rng.normal(size=3)]", "TWO"
    )
    assert "TWO" in source
    source = source.replace(
        "TWO",
        "lambda v, w: v.sum() + loss(w, X, y), "
        "lambda g, v, w: (g, student.loss_backward(g, w, X, y)), [rng.normal(size=2), rng.normal(size=3)]",
    )
    exercise = Exercise(source, Path("98_sample.py"))
    result = marked(exercise, build.solution_version(exercise)).results[0]
    assert "(v) has shape (2,)" in result.message
    assert "At worst" not in result.message


def test_work_on_another_function_of_the_task_is_work(exercise):
    source = SOURCE.replace("def train(", "def rate(lr):\n    return lr\n\n\ndef train(", 1)
    longer = Exercise(source, exercise.path)
    code = build.student_version(longer)
    assert marked(longer, code).results[1].kinds == ("not_done",)
    assert marked(longer, code.replace("return lr\n", "return -lr\n")).results[1].kinds == ("values",)


@pytest.mark.parametrize(
    ("old", "new", "kind", "says", "hint"),
    [
        ("def loss_backward", "def gradient", "missing", "There is no `loss_backward` in your file", ""),
        (
            "def loss_backward(g, w, X, y):",
            "loss_backward = 3\ndef other(g, w, X, y):",
            "missing",
            "`loss_backward` is no function in your file: is the name used twice?",
            "",
        ),
        (
            "def loss_backward(g, w, X, y):",
            "def loss_backward(w, X, y):\n    g = 1",
            "signature",
            "`loss_backward` takes 3 arguments (w, X, y), but it is called with 4 (line 24).",
            "first line of the function",
        ),
        (RIGHT, RIGHT.removeprefix("return "), "none", "`loss_backward` returned None: does it reach", ""),
        (RIGHT, "return X / w[7]", "raised", "`loss_backward` stops with IndexError: ", "Counting begins at 0"),
        (RIGHT, "return X^2", "raised", "`loss_backward` stops with TypeError: ufunc 'bitwise_xor'", "two stars"),
        (RIGHT, "return 1 / 0", "raised", "ZeroDivisionError: division by zero (line 25: return 1 / 0).", ""),
        (
            RIGHT,
            "exit(0)",
            "exit",
            "`loss_backward` ends the program, with exit(): remove that (line 25: exit(0)).",
            "",
        ),
        (
            RIGHT,
            "raise type('Odd', (ValueError,), {'__str__': 1})",
            "raised",
            "`loss_backward` stops with Odd (line",
            "",
        ),
        ("def loss_backward(g, w, X, y):", "loss_backward = max\ndef other(g, w, X, y):", "raised", "ValueError", ""),
        (RIGHT, "raise MemoryError", "memory", "asks for more memory than it may have (line 25: raise", ""),
        (RIGHT, "w -= 1\n    " + RIGHT, "modified", "`loss_backward` changes an array that it was given", "w.copy()"),
        (RIGHT, "return eval('(')", "syntax", "Python cannot read your file: ", "mended"),
        (RIGHT, "-" + RIGHT, "type", "Python", ""),
        (RIGHT, "return -" + RIGHT.removeprefix("return "), "sign", "", ""),
        (RIGHT, "return g * X.T @ (X @ w - y)", "factor", "] is ", ""),
        (RIGHT, "return 'a word'", "type", "backward returned a str, expected an array of shape (3,)", ""),
        (RIGHT, "raise ValueError('\\x1b[2J' + 9_999 * 'long ')", "raised", "ValueError:  [2Jlong long", "shape"),
    ],
)
def test_what_is_wrong_is_said_in_words(exercise, old, new, kind, says, hint):
    if new.startswith("-return"):  # a file that does not parse has no marks at all
        solved = build.solution_version(exercise).replace(old, new)
        for result in marked(exercise, solved).results:
            assert (result.points, result.kinds) == (0, ("syntax",))
            assert "(line 25: -return g" in result.message
        return
    result = first(exercise, old, new)
    assert result.kinds[0] == kind, result.message
    assert says in result.message
    assert hint in result.hint or kind == "modified"
    assert result.message[0].isupper() or result.message[0] == "`"
    assert len(result.message) <= marking.LONGEST + len(" ...")
    assert "Traceback" not in result.message
    assert "\x1b" not in result.message


def test_an_answer_that_a_check_stumbles_over(exercise):
    code = build.solution_version(exercise).replace("    return w\n", "    return [w, {}]\n")
    assert marked(exercise, code).results[1].kinds == ("type",)
    stumbling = Exercise(SOURCE.replace("trained = student.train(", "trained, _ = student.train("), exercise.path)
    result = marked(stumbling, build.solution_version(exercise)).results[1]
    assert result.kinds == ("type",)
    assert "What your code returns cannot be used: ValueError: too many values to unpack" in result.message


def test_a_check_of_ours_that_returns_its_report_is_refused(exercise):
    forgotten = SOURCE.replace(".raise_on_failure()", "").replace("    mg.check_b", "    return mg.check_b")
    with pytest.raises(SourceError, match="check_loss_backward returned something"):
        marked(Exercise(forgotten, exercise.path), build.solution_version(exercise))


def test_a_hidden_check_counts_and_is_named_as_hidden(exercise):
    result = first(exercise, RIGHT, f"if len(y) == 1:\n        return 5 * w\n    {RIGHT}")
    assert result.hidden
    assert "The gradient for one sample" in result.message


def test_the_checks_in_the_students_file_do_not_count(exercise):
    code = build.student_version(exercise).replace("def check_", "def no_check_")
    code += "\n\ndef check_train(student, rng):\n    return None\n"
    assert marked(exercise, code).points == 0


def test_the_seed_decides_what_is_tried(exercise):
    code = build.student_version(exercise)
    messages = [marked(exercise, code, seed).results[1].message for seed in (0, 0, 1)]
    assert messages[0] == messages[1] != messages[2]


def test_a_function_arrives_in_the_students_code_as_itself():
    with LocalStudent("def twice(f, x): return f(f(x))\ndef add(x): return x + 1") as student:
        assert student.twice(student.add, 1) == 3
        assert student.twice(f=student.add, x=1) == 3


def test_arrays_in_lists_and_dicts_are_guarded_too():
    with (
        LocalStudent("def change(box):\n    box['a'][0] += 1\n    return 1") as student,
        pytest.raises(StudentError) as error,
    ):
        student.change({"a": [np.zeros(2)]})
    assert error.value.kind == "modified"


def test_an_unreadable_file_has_no_marks_and_says_why(exercise):
    marks = marking.nothing(exercise, StudentError("encoding", "the file is not UTF-8 text", 3))
    assert (marks.points, marks.max_points) == (0, 10)
    assert {r.message for r in marks.results} == {"The file is not UTF-8 text (line 3)."}


def test_marks_survive_json(exercise):
    marks = marked(exercise, build.student_version(exercise))
    assert marking.from_dict(json.loads(json.dumps(marking.to_dict(marks)))) == marks
