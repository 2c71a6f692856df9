"""The zip for Gradescope, unpacked and run as Gradescope would."""

import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.classroom.hostile import school

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Gradescope's machines run Linux")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """What is /autograder there: the zip made by the command, unpacked and set up."""
    base = tmp_path_factory.mktemp("gradescope")
    sources = base / "sources"
    sources.mkdir()
    (sources / "01_double.py").write_text(school.SOURCE, encoding="utf-8")
    command = [sys.executable, "-m", "minigrad", "exercises", "gradescope", "1", "--exercises", sources]
    made = subprocess.run(
        [*command, "--out", base / "autograder.zip"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "upload it as the autograder of a Programming Assignment of 10 points" in made.stdout
    with zipfile.ZipFile(base / "autograder.zip") as archive:
        names = set(archive.namelist())
        assert {"setup.sh", "run_autograder", "exercise/01_double.py", "minigrad/__init__.py"} <= names
        for name in ("setup.sh", "run_autograder"):
            mode = archive.getinfo(name).external_attr >> 16
            assert stat.S_ISREG(mode)
            assert mode & 0o111 == 0o111
    autograder = base / "autograder"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", base / "autograder.zip", autograder / "source"], check=True)
    (autograder / "submission").mkdir()
    script(autograder, "setup.sh")
    return autograder


def script(root, name):
    """Run one of the two scripts, with a python3 that has NumPy first on the path."""
    (root / "bin").mkdir(exist_ok=True)
    python = root / "bin" / "python3"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    environment = {"AUTOGRADER_ROOT": str(root), "PATH": f"{root / 'bin'}:/usr/bin:/bin"}
    command = ["bash", root / "source" / name]
    return subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True, timeout=60)


def graded(root, **files):
    for old in (root / "submission").iterdir():
        old.unlink()
    for name, content in files.items():
        (root / "submission" / f"{name}.py").write_text(content, encoding="utf-8")
    script(root, "run_autograder")
    return json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))


def test_a_right_answer_under_any_name(root):
    result = graded(root, homework=school.RIGHT)
    assert (result["score"], result["tests"][0]["max_score"]) == (10, 10)
    assert isinstance(result["extra_data"]["seed"], int)


def test_a_wrong_answer_is_told_why(root):
    (test,) = graded(root, **{"01_double": "def f(x):\n    return 3 * x\n"})["tests"]
    assert test["score"] == 0
    assert "times what it should be" in test["output"]


def test_the_solution_beside_it_cannot_be_read(root):
    code = f"open({str(root / 'source' / 'exercise' / '01_double.py')!r})\n{school.RIGHT}"
    (test,) = graded(root, **{"01_double": code})["tests"]
    assert test["score"] == 0
    assert "may not read files outside of its own folder" in test["output"]


def test_of_several_files_the_best_counts(root):
    assert graded(root, a_01_double="", b_01_double=school.RIGHT)["score"] == 10


def test_no_file_at_all(root):
    (test,) = graded(root)["tests"]
    assert "There is no file 01_double.py or 01_double.ipynb: hand that in" in test["output"]


def test_an_autograder_that_fails_says_that_it_is_not_the_students_fault(root):
    source = root / "source" / "exercise" / "01_double.py"
    source.rename(source.with_suffix(".bak"))
    try:
        result = graded(root, **{"01_double": school.RIGHT})
    finally:
        source.with_suffix(".bak").rename(source)
    assert result["output"] == "The autograder failed, not your code. Please tell your teacher."


def test_the_zip_is_the_same_for_the_same_content(root, tmp_path):
    from minigrad.classroom import gradescope
    from minigrad.classroom.source import find_exercises

    (exercise,) = find_exercises(root / "source" / "exercise").values()
    for name in ("a", "b"):
        gradescope.write_zip(exercise, tmp_path / name)
        os.utime(exercise.path)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
