"""The versions that are built from a source."""

import importlib.util
import json

import pytest

from minigrad.classroom import build


def test_the_student_gets_gaps_a_broken_program_and_the_open_checks(exercise):
    text = build.student_version(exercise)
    assert text.startswith('# minigrad exercise 98_sample\n"""Which way is down?')
    assert '\n    raise NotImplementedError("Task 1: your code here")\n' in text
    assert "\n        w = w + lr * 2 / len(y) * X.T @ (X @ w - y)\n    return w\n" in text
    assert "\nanswer = None  # Task 3: your answer here\n" in text
    assert "def check_train(" in text
    for gone in ("w - lr", "g * 2", "42\n#", "check_one_sample", "###"):
        assert gone not in text
    assert "\n\n\n\n" not in text
    assert "# %%\n\n\n# %%" not in text  # the cell of the hidden check went with it


def test_the_solution_is_whole_and_without_markers(exercise):
    text = build.solution_version(exercise)
    assert "    return g * 2 / len(y) * X.T @ (X @ w - y)\n" in text
    assert "answer = 42\n" in text
    assert "def check_one_sample(" in text
    for gone in ("w + lr", "NotImplementedError", "###"):
        assert gone not in text


def test_what_was_handed_out_is_known_by_function(exercise):
    given = build.handed_out(exercise)
    assert given["train"].splitlines()[2] == "        w = w + lr * 2 / len(y) * X.T @ (X @ w - y)"


def test_a_file_that_differs_is_kept_unless_forced(tmp_path):
    path = tmp_path / "student" / "98_sample.py"
    assert build.write(path, "handed out\n")
    assert build.write(path, "handed out\n")
    path.write_bytes(b"my answer\n")
    assert not build.write(path, "handed out\n")
    assert path.read_bytes() == b"my answer\n"
    assert build.write(path, "handed out\n", force=True)
    assert path.read_bytes() == b"handed out\n"


@pytest.mark.skipif(importlib.util.find_spec("jupytext") is None, reason="jupytext is not installed")
def test_a_notebook_has_the_text_and_the_code_in_cells(exercise):
    text = build.notebook(build.student_version(exercise))
    assert text == build.notebook(build.student_version(exercise))
    cells = json.loads(text)["cells"]
    kinds = [cell["cell_type"] for cell in cells]
    sources = ["".join(cell["source"]) for cell in cells]
    assert sources[0] == "# minigrad exercise 98_sample"
    assert (kinds[1], sources[1].splitlines()[0]) == ("markdown", "Which way is down?")
    assert any(kind == "markdown" and "## Task 1" in source for kind, source in zip(kinds, sources, strict=True))
    assert any(
        kind == "code" and source.startswith("def loss_backward") for kind, source in zip(kinds, sources, strict=True)
    )
