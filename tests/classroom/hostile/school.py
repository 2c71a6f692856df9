"""A class of 30: what each student hands in, the points they get for it, and words of what they are told."""

from pathlib import Path

from tests.classroom import hostile

NAME = "01_double"
SOURCE = '''"""What is twice as much?

f(x) = 2 x.
"""

# %%
import numpy as np

from minigrad.classroom import compare


# %% [markdown]
# ## Task 1: Twice (10 points)


# %%
def f(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION


# %%
### BEGIN TESTS
def check_three(student):
    compare(student.f(np.array([1.0, 2.0, 3.0])), np.array([2.0, 4.0, 6.0]), "f([1, 2, 3])")
### END TESTS


# %%
### BEGIN HIDDEN TESTS
def check_any(student, rng):
    x = rng.normal(size=4)
    compare(student.f(x), f(x), "f for other numbers")
### END HIDDEN TESTS
'''
RIGHT = "def f(x):\n    return 2 * x\n"
BLANK = 'def f(x):\n    raise NotImplementedError("Task 1: your code here")\n'
NOTEBOOK = '{"nbformat": 4, "cells": [{"cell_type": "code", "source": ["def f(x):\\n", "    return x + x"]}]}'

# file: (content, points, words)
ORDINARY = {
    "anna/01_double.py": (RIGHT, 10, ""),
    "ben/01_double.py": ("def f(x):\n    return x + x\n", 10, ""),
    "chi_01_double.py": ("import numpy as np\n\ndef f(x):\n    return np.add(x, x)\n", 10, ""),
    "dora/renamed.py": ("# minigrad exercise 01_double\n" + RIGHT, 10, ""),
    "emil/01_double.ipynb": (NOTEBOOK, 10, ""),
    "=cmd|'!A1/01_double.py": (RIGHT, 10, ""),
    "félix/01_double.py": ("print('f(3) =', 6)\n" + RIGHT, 10, ""),
    "gina/01_double.py": (BLANK, 0, "Not done yet"),
    "hans_01_double.py": ("", 0, "no `f` in your file"),
    "ida/01_double.py": ("def f(x):\n    return 3 * x\n", 0, "times what it should be"),
    "jo/01_double.py": ("def f(x):\n    return -2 * x\n", 0, "wrong sign"),
    "kim/01_double.py": ("import numpy as np\n\ndef f(x):\n    return np.array([2.0, 4.0, 6.0])\n", 0, "other numbers"),
    "lea/01_double.py": ("def f(x):\n    return 2 * y\n", 0, "NameError"),
    "max/01_double.py": ("def f(x):\n    return '2x'\n", 0, "a str"),
    "nora/01_double.py": ("def f(x)\n    return 2 * x\n", 0, "line 1"),
    "olaf/01_double.py": ("# caf\xe9\n".encode("latin-1") + RIGHT.encode(), 0, "not UTF-8"),
    "pia/01_double.ipynb": ('{"cells": 3}', 0, "not a notebook"),
}
ATTEMPTS = {
    "runs_out": ("loops when called", "allocates 10 GB", "prints without end"),
    "ends": ("exits", "os._exit", "crashes Python"),
    "reaches_out": ("forks", "kills the grader", "reads the solution", "rewrites another's work", "deletes the class"),
    "wrong": ("prints a result", "patches NumPy"),
}


def write(folder: Path, solution: Path) -> dict[str, tuple[int, str]]:
    """Make the class's folder; the points and words for each file."""
    expected = {}
    for file, (content, points, says) in ORDINARY.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        expected[file] = points, says
    places = f"OTHER = {str(folder / 'anna/01_double.py')!r}; SOLUTION = {str(solution)!r}; FOLDER = {str(folder)!r}\n"
    for group, names in ATTEMPTS.items():
        for attempt in hostile.read(group):
            if attempt.name in names:
                file = f"zoe {attempt.name.replace('.', ' ')}/01_double.py"
                (folder / file).parent.mkdir()
                (folder / file).write_text(places + attempt.code, encoding="utf-8")
                expected[file] = 0, attempt.says
    return expected
