"""Who in a class handed in what."""

import os

import pytest

from minigrad.classroom import collect
from minigrad.classroom.source import SourceError, find_exercises


def collected(folder, sources, only=None):
    found, notes = collect.collect(folder, find_exercises(sources), only)
    return [(item.student, item.file, item.exercise.name) for item in found], notes


def test_folders_and_prefixes_name_students(hand_in, sources):
    folder = hand_in(anna__01_double="", ben_01_double="", chi__deep__02_triple="", **{"01_double-dora": ""})
    assert collected(folder, sources) == (
        [
            ("dora", "01_double-dora.py", "01_double"),
            ("anna", "anna/01_double.py", "01_double"),
            ("ben", "ben_01_double.py", "01_double"),
            ("chi", "chi/deep/02_triple.py", "02_triple"),
        ],
        [],
    )


def test_the_first_line_decides_before_the_name(hand_in, sources):
    folder = hand_in(anna__01_double="# minigrad exercise 02_triple\n")
    assert collected(folder, sources)[0] == [("anna", "anna/01_double.py", "02_triple")]


def test_what_is_no_exercise_is_left_out_and_said(hand_in, sources):
    folder = hand_in(anna__01_double="", anna__helper="", ben__my="# minigrad exercise 77_other\n")
    (folder / "ben" / "my.txt").write_text("")
    found, notes = collected(folder, sources)
    assert found == [("anna", "anna/01_double.py", "01_double")]
    why = "left out, its first line and its name say no exercise of ours"
    assert notes == [f"anna/helper.py: {why}", f"ben/my.py: {why}"]


def test_a_file_that_cannot_be_read_and_has_no_name_is_said_too(hand_in, sources):
    folder = hand_in(anna__x="")
    (folder / "anna" / "x.py").write_bytes(b"\xff")
    found, (note,) = collected(folder, sources)
    assert found == []
    assert note.startswith("anna/x.py: left out, the file is not UTF-8 text")


def test_for_one_exercise_a_file_of_any_name_is_taken_unless_there_is_a_better_one(hand_in, sources):
    folder = hand_in(anna__01_double="", anna__helper="", ben__homework="", ben__02_triple="", chi__02_triple="")
    found, notes = collected(folder, sources, "01_double")
    assert [(student, file) for student, file, _ in found] == [
        ("anna", "anna/01_double.py"),
        ("ben", "ben/homework.py"),
    ]
    assert notes == ["anna/helper.py: left out, anna has another file for this exercise"]


@pytest.mark.parametrize("name", [".hidden", "__pycache__", "__MACOSX", ".ipynb_checkpoints"])
def test_folders_that_programs_make_are_not_students(hand_in, sources, name):
    folder = hand_in(anna__01_double="")
    (folder / name).mkdir()
    (folder / name / "01_double.py").write_text("")
    assert len(collected(folder, sources)[0]) == 1


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("target", ["sources/01_double.py", "class/anna/01_double.py"])
def test_a_link_is_nobodys_work(hand_in, sources, target):
    folder = hand_in(anna__01_double="")
    (folder / "ben_01_double.py").symlink_to(sources.parent / target)
    anna, ben = collect.collect(folder, find_exercises(sources))[0]
    assert anna.submission.code == ""
    assert "is a link to another one, or no file: hand in the file itself" in ben.submission.message


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_class_folder_may_be_a_link(hand_in, sources):
    hand_in(anna__01_double="")
    (sources.parent / "linked").symlink_to("class")
    (anna,) = collect.collect(sources.parent / "linked", find_exercises(sources))[0]
    assert anna.submission.code == ""


@pytest.mark.parametrize("wanted", ["1", "01", "01_double"])
def test_an_exercise_is_named_by_number_or_name(sources, wanted):
    assert collect.exercise_named(wanted, find_exercises(sources)).name == "01_double"


def test_an_exercise_that_is_not_there(sources):
    with pytest.raises(SourceError, match="there is no exercise '7'; there are 01_double, 02_triple"):
        collect.exercise_named("7", find_exercises(sources))
