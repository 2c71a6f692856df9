"""A class of 30, graded by the command, as a teacher would; killed in the middle, and resumed."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from minigrad.classroom import records
from tests.classroom.hostile import school
from tests.classroom.sample import hear_ctrl_c

ROOT = Path(__file__).resolve().parents[2]


def command(folder, *options):
    python = [sys.executable, "-m", "minigrad", "exercises", "grade", str(folder)]
    limits = ["--timeout", "4", "--memory", "512", "--jobs", "2"]
    return [*python, "--exercises", str(folder.parent / "sources"), *limits, *options]


def grade(folder, *options):
    done = subprocess.run(command(folder, *options), cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != records.NAME}


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    """The folder of the class, the points and words expected for each file, and what the uninterrupted run wrote."""
    base = tmp_path_factory.mktemp("school")
    solution = base / "sources" / f"{school.NAME}.py"
    solution.parent.mkdir()
    solution.write_text(school.SOURCE, encoding="utf-8")
    expected = school.write(base / "class", solution)
    before = contents(base)
    done = grade(
        base / "class",
        "--seed",
        "7",
        "--csv",
        base / "a.csv",
        "--junit",
        base / "a.xml",
        "--gradescope",
        base / "results",
    )
    after = contents(base)
    assert {path: after[path] for path in before} == before
    return base, expected, done


def test_everybody_gets_their_own_marks_and_is_told_why(classroom):
    base, expected, done = classroom
    assert len(expected) == 30
    with open(base / "a.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    tasks = {row["file"].removeprefix("'"): row for row in rows if row["task"] == "1"}
    totals = {row["file"].removeprefix("'"): row for row in rows if row["task"] == "total"}
    for file, (points, says) in expected.items():
        assert (tasks[file]["points"], totals[file]["points"]) == (str(points), str(points)), tasks[file]
        assert says in tasks[file]["message"]
        assert "minigrad/classroom" not in tasks[file]["message"]  # no traceback of ours
    assert len(rows) == 60
    assert {row["seed"] for row in rows} == {"7"}
    assert {row["max_points"] for row in rows} == {"10"}
    assert "Seed 7." in done.stdout
    assert "30/30" in done.stderr


def test_no_cell_begins_as_a_formula_and_all_text_is_quoted(classroom):
    text = (classroom[0] / "a.csv").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert any(line.startswith(""""'=cmd|'!A1",""") for line in lines)
    assert any(line.startswith('"félix",') for line in lines)
    assert all(line.startswith('"') for line in lines)
    for row in csv.reader(lines):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in row)


def test_junit_and_gradescope_say_the_same(classroom):
    base, expected, _ = classroom
    suites = ElementTree.parse(base / "a.xml").getroot().findall("testsuite")
    failed = {case.get("classname") for suite in suites for case in suite if case.find("failure") is not None}
    assert failed == {file for file, (points, _) in expected.items() if points == 0}
    for file, (points, says) in expected.items():
        result = json.loads((base / "results" / f"{file}.results.json").read_text(encoding="utf-8"))
        (test,) = result["tests"]
        assert (result["score"], test["score"], test["max_score"]) == (points, points, 10)
        assert says in test["output"]


def test_killed_in_the_middle_and_resumed_it_writes_the_same_table(classroom):
    base, _, _ = classroom
    kept = base / "class" / records.NAME
    kept.unlink()
    with subprocess.Popen(
        command(base / "class", "--seed", "7"), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        deadline = time.monotonic() + 120
        while not kept.exists() or kept.read_bytes().count(b"\n") < 12:
            assert time.monotonic() < deadline
            assert run.poll() is None
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
    done_before = kept.read_bytes().count(b"\n") - 1
    assert 11 <= done_before < 30
    with open(kept, "ab") as file:
        file.write(b'{"key": "cut off in the mid')
    done = grade(base / "class", "--csv", base / "b.csv")  # the seed is remembered
    assert (base / "b.csv").read_bytes() == (base / "a.csv").read_bytes()
    assert f"{done_before + 1}/30" in done.stderr
    assert f"{done_before}/30" not in done.stderr


def test_a_third_run_has_nothing_to_do_and_writes_the_same_table(classroom):
    base, _, _ = classroom
    done = grade(base / "class", "--csv", base / "c.csv")
    assert done.stderr == ""
    assert (base / "c.csv").read_bytes() == (base / "a.csv").read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C otherwise")
def test_ctrl_c_says_how_to_go_on(classroom, tmp_path):
    (tmp_path / "sources").symlink_to(classroom[0] / "sources")
    for name, code in {"anna": school.RIGHT, "ben": "while True:\n    pass\n"}.items():
        path = tmp_path / "class" / name / "01_double.py"
        path.parent.mkdir(parents=True)
        path.write_text(code, encoding="utf-8")
    options = ("--timeout", "60", "--jobs", "1")
    with subprocess.Popen(
        command(tmp_path / "class", *options), cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=hear_ctrl_c
    ) as run:
        assert run.stderr.readline() == "1/2  anna/01_double.py: 10 of 10\n"
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=60)[1]
    assert run.returncode == 130
    assert "stopped; 1 of 2 submissions are graded and kept. The same command goes on from there" in said
    assert "Traceback" not in said
