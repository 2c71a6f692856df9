"""The parts of grading: marks on disk, tables, and what happens when something breaks."""

import argparse
import csv
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from minigrad.classroom import grade, marking, marking_process, records, results
from minigrad.classroom.limits import Limits, StartError
from minigrad.classroom.marking import Marks, TaskResult
from minigrad.classroom.marking_process import MarkingError
from minigrad.classroom.results import Row
from minigrad.classroom.source import SourceError, find_exercises
from minigrad.classroom.student import Student, StudentError
from minigrad.classroom.submission import Submission
from tests.classroom import hostile
from tests.classroom.hostile import school


@pytest.fixture
def run(sources, capsys, monkeypatch):
    """Run the command in this process: exit status, what it printed, what it said."""
    monkeypatch.setattr(grade, "PACKAGE", sources)  # minigrad itself may be at work while its tests run

    def run(folder, *options):
        parser = argparse.ArgumentParser()
        grade.add_arguments(parser)
        parser.set_defaults(exercises=sources)
        status = grade.run(parser.parse_args([str(folder), "--seed", "3", *map(str, options)]))
        return status, *capsys.readouterr()

    return run


GONE = "\N{REPLACEMENT CHARACTER}"  # where a character was that steers terminals, or that files cannot hold


# Marks on disk


def test_records_are_found_again_with_the_last_seed(tmp_path):
    path = tmp_path / "kept.jsonl"
    first = records.Records(path)
    first.add("a", {"x": 1})
    assert 0 <= first.seed < 2**31
    again = records.Records(path)
    assert (again.seed, again.marks) == (first.seed, {"a": {"x": 1}})
    other = records.Records(path, seed=first.seed + 1)
    assert records.Records(path).seed == other.seed == first.seed + 1


def test_two_classes_have_different_seeds(tmp_path):
    assert len({records.Records(tmp_path / str(n)).seed for n in range(5)}) == 5


def test_what_a_kill_or_an_editor_left_is_skipped(tmp_path):
    path = tmp_path / "kept.jsonl"
    records.Records(path, seed=5).add("a", {})
    whole = path.read_bytes()
    path.write_bytes(whole + b'[1]\nnonsense\n{"key": 3}\n{"key": "b", "marks": {"x')
    kept = records.Records(path)
    kept.add("c", {})
    assert kept.seed == 5
    assert set(records.Records(path).marks) == {"a", "c"}
    assert b'"b"' not in path.read_bytes()


# Tables


def row(message="", points=0, **others):
    hostile_text = {"student": "=1+1", "file": "+a/\ud800.py", "exercise": "01_double", **others}
    result = TaskResult(1, "@title", points, 10, message, "-hint\x00\x1b", printed="\x07 said")
    return Row(marks=Marks("01_double", (result,)), **hostile_text)


def test_a_table_is_one_that_spreadsheets_only_read():
    text = results.as_csv([row('=HYPERLINK("x")\nsecond line\x1b[2J', points=0)], seed=4)
    text.encode()
    header, task, total = csv.reader(io.StringIO(text))
    link = f'\'=HYPERLINK("x") second line{GONE}[2J -hint{GONE}{GONE}'
    assert tuple(header) == results.COLUMNS
    assert task[:3] == ["'=1+1", "01_double", "1"]
    assert task[3:7] == ["'@title", "0", "10", link]
    assert total[2:] == ["total", "", "0", "10", "", f"'+a/{GONE}.py", "4"]


def test_junit_is_xml_whatever_a_student_printed():
    text = results.as_junit([row("</failure>\x00\ufffe & <b>"), row(points=10), row(problem="no memory")])
    root = ElementTree.fromstring(text.encode())
    wrong, right, broken = root
    assert [suite.get("failures") for suite in root] == ["1", "0", "0"]
    assert [suite.get("errors") for suite in root] == ["0", "0", "1"]
    assert wrong.find("testcase/system-out").text == f"{GONE} said"
    assert right.find("testcase/failure") is None
    assert broken.find("testcase/error").get("message") == "no memory"


def test_gradescope_reads_what_it_documents():
    result = results.as_gradescope(row("wrong", points=0).marks, 4)
    assert json.loads(json.dumps(result)) == result
    (test,) = result["tests"]
    assert (result["score"], test["score"], test["max_score"], test["status"]) == (0, 0, 10, "failed")
    assert (test["name"], test["visibility"], result["stdout_visibility"]) == ("Task 1: @title", "visible", "hidden")
    assert test["output"].startswith("wrong\n-hint")


# When something breaks


def marked(tmp_path, source, code=school.RIGHT, **limits):
    path = tmp_path / "01_double.py"
    path.write_text(source, encoding="utf-8")
    (exercise,) = find_exercises(tmp_path).values()
    return marking_process.mark(exercise, Submission(code, None), 0, Limits(**limits))


def test_a_submission_is_marked_in_another_process(tmp_path):
    marks = marked(tmp_path, school.SOURCE.replace("    compare(", "    print('not JSON')\n    compare("))
    assert (marks.points, marks.max_points) == (10, 10)


def test_a_check_that_never_ends_costs_this_submission_only(tmp_path, monkeypatch):
    monkeypatch.setattr(marking_process, "SLACK", 0.0)
    source = school.SOURCE.replace("    compare(", "    while student.f(1.0):\n        pass\n    compare(")
    marks = marked(tmp_path, source, seconds=3.0)
    assert marks.points == 0
    assert marks.results[0].message.startswith("Checking what your code returns took more than 3 seconds")


def two_tasks(tmp_path):
    again = school.SOURCE[school.SOURCE.index("# %% [markdown]") :].replace("Task 1", "Task 2")
    second = re.sub(r"\b(f|check_\w+)\(", r"\1_2(", again)
    (tmp_path / "01_double.py").write_text(school.SOURCE + second, encoding="utf-8")
    return find_exercises(tmp_path)["01_double"]


class Unloadable(Student):
    """A student whose file cannot be loaded, for this reason."""

    def __init__(self, reason):
        self._reason, self._tried = reason, 0

    def __enter__(self):
        self._tried += 1
        raise self._reason


@pytest.mark.parametrize("kind", ["timeout", "memory", "output", "exit", "crash"])
def test_a_file_that_does_not_load_is_not_loaded_for_every_task(tmp_path, kind):
    student = Unloadable(StudentError(kind, "your code was stopped"))
    marks = marking.mark(two_tasks(tmp_path), Submission("", None), student=lambda *_: student)
    assert student._tried == 1
    assert [result.message for result in marks.results] == ["Your code was stopped."] * 2


def test_a_machine_that_starts_nothing_is_not_taken_for_a_wrong_answer(tmp_path):
    student = Unloadable(StartError("did not start"))
    with pytest.raises(StartError, match="did not start"):
        marking.mark(two_tasks(tmp_path), Submission("", None), student=lambda *_: student)


def test_a_check_of_ours_that_breaks_a_rule_ends_the_run(tmp_path):
    with pytest.raises(SourceError, match="check_three returned something"):
        marked(tmp_path, school.SOURCE.replace("    compare(student", "    return 3\n    compare(student", 1))


def test_a_marking_process_that_dies_is_not_the_students_fault(tmp_path):
    with pytest.raises(MarkingError, match="the marking process ended with status 7"):
        marked(tmp_path, school.SOURCE.replace("    compare(", "    import os\n    os._exit(7)\n    compare(", 1))


def test_what_could_not_be_graded_is_not_recorded_and_has_no_points(hand_in, run, monkeypatch, tmp_path):
    folder = hand_in(anna__01_double=school.RIGHT, ben__01_double=school.RIGHT)
    mark = marking_process.mark

    def sometimes(exercise, submission, seed, limits):
        if not failed:
            failed.append(True)
            raise MarkingError("no memory")
        return mark(exercise, submission, seed, limits)

    failed = []
    monkeypatch.setattr(marking_process, "mark", sometimes)
    status, out, err = run(folder, "--csv", tmp_path / "a.csv", "--gradescope", tmp_path / "gs")
    assert status == 1
    assert "could not be graded: no memory. Run the same command again" in out
    assert "1/2  anna/01_double.py: not graded" in err
    points = [line[4] for line in csv.reader((tmp_path / "a.csv").read_text().splitlines())]
    assert points == ["points", "", "", "10", "10"]
    assert [path.name for path in (tmp_path / "gs").iterdir()] == ["ben"]
    status, out, err = run(folder)
    assert (status, err) == (0, "2/2  anna/01_double.py: 10 of 10\n")


def test_a_resubmission_is_graded_anew_and_others_are_not(hand_in, run):
    folder = hand_in(anna__01_double="", ben__01_double=school.RIGHT)
    run(folder)
    hand_in(anna__01_double=school.RIGHT)
    assert run(folder)[2] == "2/2  anna/01_double.py: 10 of 10\n"


def test_another_seed_or_limit_grades_anew(hand_in, run):
    folder = hand_in(anna__01_double=school.RIGHT)
    run(folder)
    assert run(folder)[2] == ""
    assert run(folder, "--timeout", "9")[2] != ""
    assert run(folder, "--seed", "8")[2] != ""


@pytest.fixture
def no_kernel(monkeypatch):
    """As on macOS and Windows: Python alone keeps the rules, and a submission that knows how takes them apart."""
    monkeypatch.setattr(grade, "protection", list)
    monkeypatch.setattr(grade, "Limits", lambda **chosen: Limits(kernel=False, **chosen))


@pytest.mark.usefixtures("no_kernel")
def test_without_the_kernels_help_changed_files_are_put_back_and_cost_the_marks(hand_in, run):
    folder = hand_in(anna__01_double=school.RIGHT)
    harm = f"open({str(folder / 'anna' / '01_double.py')!r}, 'w').write('x')\n"
    hand_in(zoe__01_double=hostile.TAKE_APART + harm + school.RIGHT)
    status, out, err = run(folder, "--jobs", "3")
    assert status == 0
    assert "this system does not keep submissions away from your files" in err
    assert "zoe/01_double.py changed anna/01_double.py, which are put back as they were" in err
    assert [line.split()[-3:] for line in out.splitlines()[:2]] == [["10", "of", "10"], ["0", "of", "10"]]
    assert (folder / "anna" / "01_double.py").read_text() == school.RIGHT
    assert (folder / "anna" / "01_double.py.changed").read_text() == "x"


@pytest.mark.usefixtures("no_kernel")
def test_without_the_kernels_help_a_change_of_the_graders_own_files_ends_the_run(hand_in, run, sources):
    harm = f"open({str(sources / '01_double.py')!r}, 'a').write('# x')\n"
    folder = hand_in(zoe__01_double=hostile.TAKE_APART + harm + school.RIGHT)
    with pytest.raises(SourceError, match=r"while zoe/01_double.py ran, minigrad's own files changed: .*01_double.py"):
        run(folder)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--timeout", "0"], "--timeout is 0; expected a positive number of seconds"),
        (["--timeout", "nan"], "--timeout is nan; expected a positive number of seconds"),
        (["--memory", "0"], "--memory is 0; expected at least 1"),
        (["--jobs", "0"], "--jobs is 0; expected at least 1"),
        (["--seed", "-1"], "--seed is -1; expected 0 or more"),
        (["--csv", "."], "--csv . cannot be written: expected the name of a file, in a folder that is there"),
        (
            ["--junit", "no/x"],
            f"--junit {Path('no/x')} cannot be written: expected the name of a file, in a folder that is there",
        ),
    ],
)
def test_an_option_that_makes_no_sense(run, tmp_path, options, says):
    assert run(tmp_path, *options) == (2, "", f"minigrad: {says}\n")


def test_a_folder_that_is_none_or_empty(run, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "is not a folder; expected one that holds the submissions of a class" in run(tmp_path / "no")[2]
    assert "no submissions in" in run(tmp_path / "empty")[2]


def test_a_machine_that_starts_no_process(hand_in, run, monkeypatch):
    def fails():
        raise StartError("the process for a student's code did not start")

    monkeypatch.setattr(grade, "protection", fails)
    status, _, err = run(hand_in(anna__01_double=""))
    assert (status, err) == (2, "minigrad: the process for a student's code did not start\n")


def test_marks_of_nothing_are_told_in_words(sources):
    (exercise, _) = find_exercises(sources).values()
    marks = marking.nothing(exercise, StudentError("encoding", "the file is not UTF-8 text"))
    assert marks.results[0].message == "The file is not UTF-8 text."
