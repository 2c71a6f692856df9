"""Every lesson, run as a reader runs it, and what their pictures share."""

import ast
import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

for package in ("matplotlib", "sklearn", "tqdm"):
    pytest.importorskip(package, reason="lessons need the extra [lessons]")

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "lessons").glob("[0-9][0-9]_*.py"))
PNG = b"\x89PNG\r\n\x1a\n"


def run(script, folder, **variables):
    """Run a script headless in a fresh process whose working directory is `folder`."""
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **variables}
    # What NumPy warns of (overflow, invalid values) is a fault in a lesson.
    command = [sys.executable, "-W", "error::RuntimeWarning", str(script)]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=600,
    )


def test_the_flagship_is_there():
    assert "04_gradient_share.py" in [lesson.name for lesson in LESSONS]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_lesson_runs_and_its_claims_hold(lesson, tmp_path):
    figures = tmp_path / "figures"
    done = run(lesson, tmp_path, MINIGRAD_FIGURES=str(figures))
    assert done.returncode == 0, done.stderr
    assert (figures / f"{lesson.stem}.png").read_bytes().startswith(PNG)
    assert [line for line in done.stdout.splitlines() if line.startswith("Claims hold")], done.stdout
    assert "%|" not in done.stdout, "the progress bar belongs on stderr"
    assert os.listdir(tmp_path) == ["figures"], "a lesson leaves nothing else where it was started"


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_lesson_opens_with_its_question(lesson):
    docstring = ast.get_docstring(ast.parse(lesson.read_text(encoding="utf-8")))
    assert docstring is not None
    assert docstring.splitlines()[0].endswith("?")


def test_pictures_lie_next_to_the_lesson(tmp_path):
    lessons = tmp_path / "lessons"
    lessons.mkdir()
    (lessons / "plotting.py").write_bytes((ROOT / "lessons" / "plotting.py").read_bytes())
    script = "import plotting\nfigure, axes = plotting.panels()\nplotting.save(figure, '01_line')\n"
    (lessons / "01_line.py").write_text(script, encoding="utf-8")
    # A display, and a backend that opens windows: with no terminal nobody could close them.
    done = run(lessons / "01_line.py", tmp_path, MINIGRAD_FIGURES="", MPLBACKEND="TkAgg", DISPLAY=":77")
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
