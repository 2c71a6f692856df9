"""What every lesson promises (make lessons runs them all), what runs them, and what their pictures share."""

import ast
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from lessons import run_all

for package in ("matplotlib", "sklearn", "tqdm"):
    pytest.importorskip(package, reason="lessons need the extra [lessons]")

ROOT = Path(__file__).resolve().parents[2]
LESSONS = run_all.find([])
PNG = b"\x89PNG\r\n\x1a\n"
FLAGSHIP = ROOT / "lessons" / "04_gradient_share.py"
QUICK = run_all.find(["3", "18"])  # as notebooks, too
OPTIONAL = ("17_gpu", "18_several_machines")  # not every machine can do what they are about: no exercise

every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)


# --- Every lesson


@every_lesson
def test_the_docstring_asks_and_describes_the_picture(lesson):
    docstring = ast.get_docstring(ast.parse(lesson.read_text(encoding="utf-8")))
    assert docstring is not None
    assert docstring.splitlines()[0].endswith("?")
    assert re.search(r"^The picture: \w.*\.", docstring, re.MULTILINE | re.DOTALL)


@every_lesson
def test_it_asserts_what_it_claims(lesson):
    body = ast.parse(lesson.read_text(encoding="utf-8")).body
    claims = [node for node in body if isinstance(node, ast.Assert)]
    assert claims
    assert all(claim.msg for claim in claims), "the claim stands in words beside its number"


@every_lesson
def test_the_formula_stands_beside_a_line_of_code(lesson):
    with tokenize.open(lesson) as file:
        tokens = list(tokenize.generate_tokens(file.readline))
    comments = [token for token in tokens if token.type == tokenize.COMMENT]
    beside = [comment.string for comment in comments if comment.line.split("#")[0].strip()]
    assert any(re.search(r"=|_i\b|\^|grad|d[lL]/d", comment) for comment in beside)


@every_lesson
def test_it_ends_with_things_to_try_and_its_exercise(lesson):
    text = lesson.read_text(encoding="utf-8")
    assert "# ## Try it yourself" in text
    words = " ".join(text.replace("\n#", " ").split())
    if lesson.stem in OPTIONAL:
        assert "**Exercise of this lesson.** There is none" in words
    else:
        assert f"minigrad exercises check {lesson.name}" in words


@every_lesson
def test_it_runs_wherever_it_lies(lesson):
    text = lesson.read_text(encoding="utf-8")
    assert not re.search(r"""["'](/|~|[A-Z]:\\)\w""", text), "no absolute path"
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    assert "__file__" not in names, "a notebook has none"


@every_lesson
def test_it_opens_as_a_notebook(lesson):
    jupytext = pytest.importorskip("jupytext", reason="notebooks need jupytext")
    notebook = jupytext.read(lesson)
    assert notebook.metadata["jupytext"]["text_representation"]["format_name"] == "percent"
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    text = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert len(code) > 3
    assert len(text) > 3
    for cell in code:
        ast.parse(cell)  # no function is cut in two
    # In the same order, nothing is lost.
    statements = [ast.dump(node) for node in ast.parse("\n".join(code)).body]
    assert (
        statements
        == [ast.dump(node) for node in ast.parse(lesson.read_text(encoding="utf-8")).body][-len(statements) :]
    )


@pytest.fixture
def no_kernel_is_left():
    """What asks whether it runs in a notebook looks for ipykernel among the modules."""
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "ipykernel"]:
        del sys.modules[name]


@pytest.mark.usefixtures("no_kernel_is_left")
@pytest.mark.parametrize("lesson", QUICK, ids=lambda lesson: lesson.stem)
def test_as_a_notebook_it_runs_from_top_to_bottom(lesson, monkeypatch, tmp_path):
    """From the folder lessons/, in a kernel of its own; the picture is shown in the notebook."""
    jupytext = pytest.importorskip("jupytext", reason="notebooks need jupytext")
    nbclient = pytest.importorskip("nbclient", reason="notebooks need nbclient")
    pytest.importorskip("ipykernel", reason="notebooks need ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MINIGRAD_FIGURES", str(tmp_path))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = jupytext.read(lesson)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(lesson.parent)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("Claims hold" in output.get("text", "") for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs)


# --- What runs them


def test_the_flagship_runs_and_its_claims_hold(tmp_path):
    done = run_all.run(FLAGSHIP, tmp_path)
    assert done.faults == [], done.output
    assert done.said[0].startswith("Claims hold over 5 paired seeds")
    assert len(done.said) > 4


def test_the_gpu_lesson_runs_on_the_stand_in(tmp_path):
    """Its path for a GPU, which CI has not; what it times there means nothing."""
    folder = str(ROOT / "lessons")
    script = (
        f"import sys, runpy; sys.path.insert(0, {folder!r}); from tests import cupy_standin; cupy_standin.install(); "
    )
    script += f"runpy.run_path({str(ROOT / 'lessons' / '17_gpu.py')!r}, run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "MINIGRAD_FIGURES": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "Skipped" not in done.stdout
    assert "- five steps on the GPU: the losses of the CPU" in done.stdout


def test_several_machines_needs_the_processes_that_it_was_written_for(tmp_path):
    """An mpiexec of another MPI starts processes that do not know of each other."""
    pytest.importorskip("mpi4py", reason="needs the extra [mpi]")
    done = run(ROOT / "lessons" / "18_several_machines.py", MINIGRAD_MPI="measure", MINIGRAD_FIGURES=str(tmp_path))
    assert done.returncode == 1
    assert "lesson 18 needs mpiexec -n 2" in done.stderr


def test_times_are_those_of_lessons_that_exist():
    times = json.loads(run_all.TIMES.read_text(encoding="utf-8"))
    assert times["machine"]
    assert set(times["seconds"]) <= {lesson.stem for lesson in LESSONS}


GOOD = """\
import os, pathlib
pathlib.Path(os.environ["MINIGRAD_FIGURES"], "NAME.png").write_bytes(b"\\x89PNG\\r\\n\\x1a\\n")
print("Claims hold over 3 seeds:")
print("- one")
print("- two, and")
print("  what belongs to it")
print("A table follows")
print("- no claim")
"""


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda script: script, None),
        (lambda script: script + "assert 1 > 2, 'the claim'", "exit status 1"),
        (lambda script: script.replace("NAME.png", "another.png"), "it saved no picture of its name"),
        (lambda script: script.replace("x89PNG", "x89GIF"), "it saved no picture of its name"),
        (lambda script: script.replace("hold", "may hold"), "it printed no claims (lines 'Claims hold', then '- ...')"),
        (lambda script: script + "print('50%|##')", "its progress bar is on stdout: it belongs on stderr"),
        (lambda script: script + "open('x', 'w').close()", "it left ['x'] in the folder where it was started"),
        (lambda script: script + "import numpy; numpy.log(numpy.zeros(1))", "exit status 1"),
    ],
    ids=["good", "assert", "no picture", "not a PNG", "no claims", "progress", "litter", "NumPy warns"],
)
def test_a_run_is_held_to_what_a_lesson_promises(tmp_path, change, fault):
    lesson = tmp_path / "07_name.py"
    lesson.write_text(change(GOOD).replace("NAME", lesson.stem), encoding="utf-8")
    (tmp_path / "figures").mkdir()
    done = run_all.run(lesson, tmp_path / "figures")
    assert done.faults == ([] if fault is None else [fault]), done.output
    if fault is None:
        assert done.said == ["Claims hold over 3 seeds:", "- one", "- two, and", "  what belongs to it"]
    if "assert" in lesson.read_text(encoding="utf-8"):
        assert "AssertionError: the claim" in done.output


def test_a_picture_of_an_earlier_run_does_not_count(tmp_path):
    lesson = tmp_path / "07_name.py"
    lesson.write_text(GOOD.replace("NAME.png", "another.png"), encoding="utf-8")
    (tmp_path / "07_name.png").write_bytes(PNG)
    assert run_all.run(lesson, tmp_path).faults == ["it saved no picture of its name"]


def test_a_lesson_that_hangs_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(run_all, "LIMIT", 0.5)
    lesson = tmp_path / "07_name.py"
    lesson.write_text("import time\ntime.sleep(60)\n", encoding="utf-8")
    assert run_all.run(lesson, tmp_path).faults == ["it did not end in 0.5 s"]


@pytest.fixture
def two_lessons(tmp_path, monkeypatch):
    """run_all with two good lessons in a folder of its own; the second says that it skipped something."""
    for stem, more in (("01_first", ""), ("02_second", "print('Skipped: no GPU here')\n")):
        (tmp_path / f"{stem}.py").write_text(GOOD.replace("NAME", stem) + more, encoding="utf-8")
    (tmp_path / "figures").mkdir()
    monkeypatch.setattr(run_all, "HERE", tmp_path)
    monkeypatch.setattr(run_all, "TIMES", tmp_path / "times.json")

    def main(*arguments):
        monkeypatch.setattr(sys, "argv", ["run_all.py", *arguments])
        run_all.main()

    return main


def test_the_log_has_times_and_claims(two_lessons, capsys):
    two_lessons()
    log = capsys.readouterr().out
    assert re.search(r"^01_first \d+\.\d s\n    Claims hold over 3 seeds:\n    - one\n", log)
    assert "    Skipped: no GPU here\n" in log
    assert "2 lessons in 0.0 minutes on " in log
    assert log.endswith("All claims hold. Skipped in part: 02_second.\n")
    assert not run_all.TIMES.exists(), "a run changes no file that is committed"


def test_a_failure_shows_what_the_lesson_said(two_lessons, capsys):
    (run_all.HERE / "01_first.py").write_text("print('so far')\nassert 1 > 2, 'the claim'\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="1 failed: 01_first"):
        two_lessons("--record")
    log = capsys.readouterr().out
    assert "so far" in log
    assert "AssertionError: the claim" in log
    assert "FAILED: exit status 1" in log
    assert "02_second" in log, "the others run all the same"
    assert not run_all.TIMES.exists()


def test_times_are_recorded_with_their_machine(two_lessons):
    two_lessons("--record")
    times = json.loads(run_all.TIMES.read_text(encoding="utf-8"))
    assert times["machine"] == run_all.machine()
    assert list(times["seconds"]) == ["01_first", "02_second"]


def test_a_part_of_the_times_is_not_recorded(two_lessons, capsys):
    with pytest.raises(SystemExit):
        two_lessons("2", "--record")
    assert "leave the numbers out" in capsys.readouterr().err


def test_an_unknown_number_is_refused(two_lessons):
    with pytest.raises(SystemExit, match=r"There is no lesson 07, 19\."):
        two_lessons("7", "1", "19")


# --- The pictures


def run(script, **variables):
    """Run a script in a fresh process, in its folder."""
    return subprocess.run(
        [sys.executable, str(script)],
        cwd=script.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def test_pictures_lie_next_to_the_lesson(tmp_path):
    lessons = tmp_path / "lessons"
    lessons.mkdir()
    (lessons / "plotting.py").write_bytes((ROOT / "lessons" / "plotting.py").read_bytes())
    script = "import plotting\nfigure, axes = plotting.panels()\nplotting.save(figure, '01_line')\n"
    (lessons / "01_line.py").write_text(script, encoding="utf-8")
    # A display, and a backend that opens windows: with no terminal nobody could close them.
    done = run(lessons / "01_line.py", MINIGRAD_FIGURES="", MPLBACKEND="TkAgg", DISPLAY=":77")
    assert done.returncode == 0, done.stderr
    assert (lessons / "figures" / "01_line.png").read_bytes().startswith(PNG)
    assert done.stdout.strip() == f"Picture saved: {lessons / 'figures' / '01_line.png'}"


@pytest.fixture
def plotting():
    spec = importlib.util.spec_from_file_location("plotting", ROOT / "lessons" / "plotting.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("terminal", "variables", "notebook", "watched"),
    [
        (True, {"DISPLAY": ":0"}, False, True),
        (True, {"WAYLAND_DISPLAY": "wayland-0"}, False, True),
        (True, {}, False, False),
        (False, {"DISPLAY": ":0"}, False, False),
        (True, {"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "a server"}, False, False),
        (False, {}, True, True),
    ],
    ids=["desktop", "wayland", "no display", "pipe", "server", "notebook"],
)
def test_a_window_needs_somebody_to_close_it(plotting, monkeypatch, terminal, variables, notebook, watched):
    monkeypatch.setattr(sys, "platform", "linux")
    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(sys, stream, Terminal() if terminal else io.StringIO())
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    if notebook:
        monkeypatch.setitem(sys.modules, "ipykernel", sys)
    assert plotting._watched() is watched


@pytest.mark.parametrize(("watched", "backend", "shown"), [(True, "TkAgg", 1), (True, "agg", 0), (False, "TkAgg", 0)])
def test_save_shows_the_picture_only_to_somebody(plotting, monkeypatch, tmp_path, watched, backend, shown):
    shows = []
    monkeypatch.setenv("MINIGRAD_FIGURES", str(tmp_path / "new" / "folder"))
    monkeypatch.setattr(plotting, "WATCHED", watched)
    monkeypatch.setattr(plotting.plt, "get_backend", lambda: backend)
    monkeypatch.setattr(plotting.plt, "show", lambda: shows.append("shown"))
    figure, axes = plotting.panels(columns=2)
    assert axes.shape == (2,)
    assert plotting.save(figure, "name").read_bytes().startswith(PNG)
    assert len(shows) == shown
    assert plotting.plt.get_fignums() == []


@every_lesson
def test_the_readme_lists_it_with_its_question(lesson):
    docstring = ast.get_docstring(ast.parse(lesson.read_text(encoding="utf-8")))
    row = f"| [{int(lesson.name[:2])}](lessons/{lesson.name}) | {docstring.splitlines()[0]} |"
    assert row in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
