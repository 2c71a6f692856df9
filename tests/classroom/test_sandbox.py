"""A submission in a process of its own: what gets across, and what it cannot do. Real processes throughout."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from minigrad.classroom import compare, sandbox
from minigrad.classroom.answers import Wrong
from minigrad.classroom.sandbox import Limits, StartError, Student, StudentError
from tests.classroom import hostile

X = np.array([1.0, 2.0, 3.0])
SMALL = Limits(seconds=3.0, memory=512 << 20, answer=1 << 20)
linux = pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are Linux's")


@pytest.fixture
def places(tmp_path):
    """Paths that the hostile submissions name; what lies there must be the same afterwards."""
    other, solution = tmp_path / "other.py", tmp_path / "01_solution.py"
    other.write_text("mine = 1")
    solution.write_text("answer = 42")
    yield {"OTHER": str(other), "SOLUTION": str(solution), "FOLDER": str(tmp_path)}
    assert {path.name for path in tmp_path.iterdir()} == {"other.py", "01_solution.py"}
    assert (other.read_text(), solution.read_text()) == ("mine = 1", "answer = 42")
    assert other.stat().st_mode & 0o777


def run(code, limits, places):
    """Run a submission and call its f; returns what it answers."""
    names = "; ".join(f"{name} = {path!r}" for name, path in places.items())
    with Student(f"{names}\n{code}", limits) as student:
        return student.f(X)


def name_of(attempt):
    return attempt.name


@pytest.mark.parametrize(
    "attempt",
    [attempt for name in ("runs_out", "ends", "reaches_out", "lies") for attempt in hostile.read(name)],
    ids=name_of,
)
def test_a_hostile_submission_is_told_what_it_did(attempt, places):
    limits = SMALL._replace(seconds=0.7) if attempt.kind == "timeout" else SMALL
    with pytest.raises(StudentError) as caught:
        run(attempt.code, limits, places)
    assert caught.value.kind == attempt.kind
    assert attempt.says in caught.value.message


ONE_AFTER_THE_OTHER = """
def f(codes):
    messages = []
    for code in codes:
        try:
            exec(code, dict(globals()))
            messages.append("nothing refused it")
        except Exception as error:
            messages.append(f"{type(error).__name__}: {error}")
    return messages
"""


def refusals(attempts, limits, places, prefix=""):
    """What each attempt hears, all in one process."""
    names = "; ".join(f"{name} = {path!r}" for name, path in places.items())
    with Student(f"{names}\n{prefix}{ONE_AFTER_THE_OTHER}", limits) as student:
        return student.f([attempt.code for attempt in attempts])


def test_python_alone_refuses_too_as_on_systems_that_are_not_linux(places):
    attempts = hostile.read("reaches_out")
    heard = refusals(attempts, SMALL._replace(kernel=False), places)
    assert [a.name for a, message in zip(attempts, heard, strict=True) if a.says not in message] == []


@linux
def test_the_kernel_refuses_where_python_no_longer_does(places):
    attempts = hostile.read("past_python")
    heard = refusals(attempts, SMALL, places, hostile.TAKE_APART)
    assert [(a.name, m) for a, m in zip(attempts, heard, strict=True) if a.says not in m] == []
    assert not any("a submission may not" in message for message in heard)


@pytest.mark.parametrize("attempt", hostile.read("wrong"), ids=name_of)
def test_nothing_makes_a_wrong_answer_right(attempt, places):
    answer = run(attempt.code, SMALL, places)
    with pytest.raises(Wrong):
        compare(answer, 2 * X, "f")


VALUES = [
    None, True, 3, -(2**70), 0.1, float("inf"), "text \N{GREEK SMALL LETTER ALPHA}\ud800", [], (1, [2.0, None]),
    {"a": 1, 2: (3,)}, np.float32(0.5), np.int64(3), np.bool_(True), np.array(1.5), np.arange(6).reshape(2, 3),
    np.zeros((0, 3), np.float32), np.array([True, False]), np.array([1 + 2j]), np.arange(4.0)[::2],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_goes_there_and_comes_back_the_same(value):
    with Student("def same(value):\n    return [value]") as student:
        (back,) = student.same(value)
    assert type(back) is type(value)
    assert repr(back) == repr(value)
    if isinstance(value, np.ndarray):
        assert (back.dtype, back.flags.writeable) == (value.dtype, True)


def test_functions_values_keywords_and_a_nan():
    square = "h = 0.25\ndef square(x):\n    return x**2\n"
    slope = "def slope(f, x, *, h):\n    return (f(x + h) - f(x)) / h\n"
    with Student(f"{square}{slope}def nan():\n    return float('nan')") as student:
        assert student.h == 0.25
        assert student.slope(student.square, 1.0, h=0.5) == 2.5
        assert np.isnan(student.nan())


def test_an_error_names_its_line():
    with Student("def f(x):\n\n    return 1 / 0  # here") as student, pytest.raises(StudentError) as caught:
        student.f(X)
    error = caught.value
    assert (error.kind, error.type_name, error.line, error.text) == (
        "raised", "ZeroDivisionError", 3, "return 1 / 0  # here",
    )  # fmt: skip


def test_a_function_that_failed_can_be_called_again():
    with Student("def f(x):\n    return 1 / x") as student:
        with pytest.raises(StudentError, match="ZeroDivisionError"):
            student.f(0)
        assert student.f(2) == 0.5


def test_after_its_end_a_process_is_asked_no_more():
    with Student("import os\ndef f(x):\n    os._exit(3)\ndef g(x):\n    return x", SMALL) as student:
        with pytest.raises(StudentError, match="exit status 3"):
            student.f(X)
        with pytest.raises(StudentError, match="exit status 3"):
            student.g(X)


def test_the_time_of_all_calls_counts_together():
    with Student("import time\ndef f(x):\n    time.sleep(0.4)\n    return x", Limits(seconds=1.0)) as student:
        student.f(X)
        student.f(X)
        with pytest.raises(StudentError, match="stopped after 1 seconds"):
            student.f(X)


def test_what_is_printed_is_kept_apart_and_cut():
    with Student("print('{\"points\": 10}\\x1b[2J')\ndef f(x):\n    print('y' * 20_000)\n    return x") as student:
        compare(student.f(X), X, "f")
    assert student.printed.startswith('{"points": 10}\N{REPLACEMENT CHARACTER}[2J\nyyy')
    assert 9_000 < len(student.printed) <= sandbox.KEPT


def test_a_message_for_a_terminal_is_harmless():
    with pytest.raises(StudentError) as caught, Student("raise ValueError('\\x1b[2J\\ud800' + 10**6 * 'x')"):
        pass
    assert "\x1b" not in caught.value.message
    caught.value.message.encode()
    assert len(caught.value.message) < 3000


def test_its_folder_is_empty_its_own_and_gone_afterwards():
    code = """
import os, tempfile
found, here = os.listdir(), os.getcwd()
with open("a.txt", "w") as a:
    a.write("1")
os.mkdir("b")
os.rename("a.txt", "b/a.txt")
with open("b/a.txt") as a:
    back = a.read()
with tempfile.TemporaryFile():
    pass
"""
    with Student(code) as student:
        assert (student.found, student.back) == ([], "1")
        here = student.here
        assert os.path.isdir(here)
    assert not os.path.exists(here)


def test_it_sees_neither_our_environment_nor_our_folders(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "xyz")
    with Student("import os, sys\nnames = sorted(os.environ)\npath = sys.path\nargv = sys.argv") as student:
        assert not {"SECRET_TOKEN", "PYTHONPATH", "PATH", "USER"} & set(student.names)
        assert str(sandbox.PACKAGE.parent) not in student.path
        assert os.getcwd() not in student.path
        assert student.argv == ["submission.py"]


def test_it_may_use_minigrad_and_what_comes_with_python():
    code = "import dataclasses, json, logging, random, tempfile\nimport minigrad as mg\n"
    with Student(code + "def f(x):\n    return mg.tensor(x).data * 2") as student:
        compare(student.f(X), 2 * X, "f")


def test_it_may_use_what_is_installed():
    pytest.importorskip("sklearn")
    with Student("import sklearn.linear_model, scipy.special\nfound = True") as student:
        assert student.found


@linux
def test_no_file_and_no_thread_is_left_open():
    def open_now(but):
        """File descriptors and threads, once they are no more than `but`, or after two seconds."""
        deadline = time.monotonic() + 2
        while True:
            now = len(os.listdir("/proc/self/fd")), threading.active_count()
            if (now[0] <= but[0] and now[1] <= but[1]) or time.monotonic() > deadline:
                return now
            time.sleep(0.02)

    before = open_now(but=(10**6, 1))  # threads of earlier tests may still be ending
    for code in ("def f(x): return x", "print(1)\n1 / 0", "import os\nos._exit(1)"):
        with contextlib.suppress(StudentError), Student(code) as student:
            student.f(X)
    assert open_now(but=before) == before


@linux
def test_linux_keeps_the_rules_where_it_can():
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    assert set(sandbox.protection()) >= {"seccomp", "capabilities"}
    assert release < (5, 13) or "landlock" in sandbox.protection()


def test_a_machine_that_cannot_start_python_is_not_the_students_fault(monkeypatch):
    monkeypatch.setattr(sandbox, "BOOT", "import sys\nsys.exit('no disk')")
    with pytest.raises(StartError, match=r"did not start:\nno disk"), Student("f = abs"):
        pass


def alive(folder):
    """Whether any process has its current folder there."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd") == folder:
                return True
        except OSError:
            continue
    return False


@linux
def test_no_process_outlives_the_grader():
    """Even if the grader is killed, in the middle of a loop."""
    script = (
        "from minigrad.classroom.sandbox import *\n"
        "with Student('import os\\nhere = os.getcwd()\\ndef loop():\\n    while True:\\n        pass') as student:\n"
        "    print(student.here, flush=True)\n    student.loop()"
    )
    grader = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=sandbox.PACKAGE.parent
    )
    with grader:
        here = grader.stdout.readline().strip()
        assert alive(here)
        grader.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while alive(here) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(here)
    os.rmdir(here)
