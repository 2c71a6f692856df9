"""``minigrad exercises gradescope NN``: an autograder for Gradescope, and what it runs there.

The layout on Gradescope's machine (https://gradescope-autograders.readthedocs.io): the zip is unpacked into
/autograder/source, a student's files lie in /autograder/submission, and run_autograder writes
/autograder/results/results.json. Both scripts take another place than /autograder from AUTOGRADER_ROOT, for trying.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import zipfile
from pathlib import Path

from . import collect, marking, marking_process, results
from .limits import Limits
from .sandbox import PACKAGE
from .source import Exercise, find_exercises
from .student import StudentError

SETUP = """\
#!/usr/bin/env bash
# Gradescope runs this once, when it builds the autograder. It needs the network unless NumPy is there already.
set -euo pipefail
root="${AUTOGRADER_ROOT:-/autograder}"
enough='import sys, numpy; sys.exit(sys.version_info < (3, 10) or int(numpy.__version__.split(".")[0]) < 2)'

python=$(command -v python3 || true)
if ! { [ -n "$python" ] && "$python" -c "$enough" 2>/dev/null; }; then
  apt-get update
  apt-get install -y --no-install-recommends python3 python3-venv
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "minigrad needs Python 3.10: choose a later Ubuntu in the autograder's settings" >&2
    exit 1
  }
  python3 -m venv "$root/venv"
  python="$root/venv/bin/python"
  "$python" -m pip install 'numpy>=2'
fi
echo "$python" > "$root/source/python"
"""
RUN = """\
#!/usr/bin/env bash
# Gradescope runs this for each submission.
root="${AUTOGRADER_ROOT:-/autograder}"
mkdir -p "$root/results"
rm -f "$root/results/results.json"
PYTHONPATH="$root/source" "$(cat "$root/source/python")" -m minigrad.classroom.gradescope "$root"
if [ ! -s "$root/results/results.json" ]; then
  echo '{"score": 0, "output": "The autograder failed, not your code. Please tell your teacher.", "tests": []}' \\
    > "$root/results/results.json"
fi
"""
MOST_FILES = 5  # of one submission that are tried


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("exercise", metavar="NN", help="which exercise: 2, 02 or its name")
    parser.add_argument("--out", type=Path, default=Path("autograder.zip"), metavar="FILE", help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    """Write the zip."""
    exercise = collect.exercise_named(arguments.exercise, find_exercises(arguments.exercises))
    write_zip(exercise, arguments.out)
    print(f"{arguments.out}: upload it as the autograder of a Programming Assignment of {exercise.points} points")
    return 0


def write_zip(exercise: Exercise, path: Path) -> None:
    """The two scripts, minigrad and the exercise's source; the same bytes for the same content."""
    files = {"setup.sh": SETUP.encode(), "run_autograder": RUN.encode()}
    for module in sorted(PACKAGE.rglob("*.py")):
        files[module.relative_to(PACKAGE.parent).as_posix()] = module.read_bytes()
    files[f"exercise/{exercise.path.name}"] = exercise.path.read_bytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3  # Unix: the mode below is kept
            entry.external_attr = (0o100755 if "/" not in name else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)


def autograde(root: Path) -> None:
    """Mark what lies in ``root/submission`` and write ``root/results/results.json``.

    Of several files for the exercise the best one counts.
    """
    exercises = find_exercises(root / "source" / "exercise")
    (exercise,) = exercises.values()
    handed_in, _ = collect.collect(root / "submission", exercises, exercise.name)
    seed = secrets.randbelow(2**31)
    marks = [marking_process.mark(exercise, item.submission, seed, Limits()) for item in handed_in[:MOST_FILES]]
    if not marks:
        missing = StudentError("missing", f"there is no file {exercise.name}.py or {exercise.name}.ipynb: hand that in")
        marks = [marking.nothing(exercise, missing)]
    best = max(marks, key=lambda one: one.points)
    target = root / "results" / "results.json"
    unfinished = target.with_suffix(".part")
    unfinished.write_text(json.dumps(results.as_gradescope(best, seed), indent=2), encoding="utf-8")
    os.replace(unfinished, target)


if __name__ == "__main__":
    autograde(Path(sys.argv[1]))
