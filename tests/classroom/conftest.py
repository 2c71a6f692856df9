"""Exercises and a class's folder as fixtures."""

import pytest

from minigrad.classroom.source import Exercise
from tests.classroom.hostile import school
from tests.classroom.sample import NAME, SOURCE


@pytest.fixture
def folder(tmp_path):
    """A folder of sources that holds the sample alone."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / f"{NAME}.py").write_text(SOURCE, encoding="utf-8")
    return folder


@pytest.fixture
def exercise(folder):
    return Exercise.read(folder / f"{NAME}.py")


@pytest.fixture
def sources(tmp_path):
    """A folder of two short exercises, for grading."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "01_double.py").write_text(school.SOURCE, encoding="utf-8")
    (folder / "02_triple.py").write_text(school.SOURCE, encoding="utf-8")
    return folder


@pytest.fixture
def hand_in(tmp_path):
    """Write files into the class's folder: ``hand_in(anna__01_double=code)`` is class/anna/01_double.py."""

    def write(**files):
        for name, content in files.items():
            path = tmp_path / "class" / name.replace("__", "/")
            path = path.with_name(f"{path.name}.py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return tmp_path / "class"

    return write
