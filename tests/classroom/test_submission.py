"""A student's file, of any content."""

import json

import pytest

from minigrad.classroom import submission
from minigrad.classroom.student import StudentError


@pytest.fixture
def write(tmp_path):
    def write(content, name="mine.py"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def notebook(*sources):
    cells = [{"cell_type": "markdown", "source": ["# minigrad exercise 99_wrong"]}]
    cells += [{"cell_type": "code", "source": source} for source in sources]
    return json.dumps({"cells": cells, "nbformat": 4})


def test_a_script_with_the_line_ends_and_the_mark_of_windows(write):
    read = submission.read(write(b"\xef\xbb\xbf# minigrad exercise 98_sample\r\nx = '\xc3\xbc'\r\n"))
    assert read.code == "# minigrad exercise 98_sample\nx = 'ü'\n"
    assert read.exercise == "98_sample"
    assert read.place(2) == "line 2"


@pytest.mark.parametrize(
    ("file", "content", "default", "expected"),
    [
        ("02_b.py", "# minigrad exercise 01_a", "03_c", "01_a"),
        ("smith_42_02_b (1).py", "x = 1", "03_c", "02_b"),
        ("homework.py", "x = 1", "03_c", "03_c"),
        ("homework.py", "x = 1", None, None),
    ],
)
def test_which_exercise_it_is(write, file, content, default, expected):
    assert submission.read(write(content, file), ["01_a", "02_b"], default).exercise == expected


def test_a_notebook_is_its_code_cells_without_magics(write):
    cells = (
        ["# minigrad exercise 98_sample\n", "%matplotlib inline\n", "x = 1"],
        "%%bash\nrm -r x\n",
        "if x:\n    !ls\ny = 7 \\\n % 4",
    )
    read = submission.read(write(notebook(*cells), "mine.ipynb"))
    names = {}
    exec(read.code, names)
    assert (names["x"], names["y"], read.exercise) == (1, 3, "98_sample")
    assert "rm -r" not in [line for line in read.code.splitlines() if not line.startswith("#")]
    line = read.code.splitlines().index("    pass  # !ls") + 1
    assert read.place(1) == "code cell 1, line 1"
    assert read.place(line) == "code cell 3, line 2"


@pytest.mark.parametrize(
    ("file", "content", "kind", "says", "line"),
    [
        ("a.py", "x = 1\ny = 'ü'".encode("latin-1"), "encoding", "not UTF-8 text (byte 0xfc)", 2),
        ("a.py", "x = 1".encode("utf-16"), "encoding", "not UTF-8 text (byte 0xff)", 1),
        ("a.py", b"x = 1\0", "encoding", "null bytes", None),
        ("a.py", b"#" * (submission.LARGEST + 1), "encoding", "more than 2 MB: hand in code, no data", None),
        ("a.ipynb", b" " * (submission.LARGEST + 1), "encoding", "clear the outputs", None),
        ("a.ipynb", b"x = 1", "notebook", "not a notebook of Jupyter 4 or later", None),
        ("a.ipynb", b"[" * 100_000, "notebook", "not a notebook", None),
        ("a.ipynb", b"[1]", "notebook", "not a notebook", None),
        ("a.ipynb", b'{"worksheets": []}', "notebook", "not a notebook", None),
        ("a.ipynb", b'{"cells": [{"cell_type": "code", "source": [1]}]}', "notebook", "not a notebook", None),
    ],
)
def test_a_file_that_cannot_be_read_says_what_to_do(write, file, content, kind, says, line):
    with pytest.raises(StudentError) as refused:
        submission.read(write(content, file))
    assert (refused.value.kind, refused.value.line) == (kind, line)
    assert says in refused.value.message
