# make lesson   the flagship lesson, on real data
# make lessons  every lesson, with the time that it takes and the claims that it asserts
# make test     ruff, mypy and every test
# make test-standin   the tests again, on a GPU that is played by tests/cupy_standin
# make bench    CPU, GPU and other libraries on this machine; make bench ARGS=--quick takes two minutes
# make clean    removes what these made
#
# All need Python >= 3.10 and, the first time, the network; another interpreter: make PYTHON=python3.12 test

PYTHON ?= python3
PY := .venv/bin/python

.PHONY: lesson lessons test test-standin bench clean
# Two pips at once in one environment spoil it (make -j lesson test).
.NOTPARALLEL:

lesson: .venv/lessons.stamp
	$(PY) lessons/04_gradient_share.py

lessons: .venv/mpi.stamp
	$(PY) lessons/run_all.py

test: .venv/test.stamp
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest

# Doctests show what the CPU prints, and have run above.
test-standin: .venv/test.stamp
	MINIGRAD_TEST_DEVICE=standin $(PY) -m pytest tests

bench: .venv/bench.stamp
	$(PY) -m benchmarks $(ARGS)

# The stamps are why a second run needs no network: pip is called only when the metadata has changed.
.venv/lessons.stamp: .venv/made.stamp setup.cfg pyproject.toml
	$(PY) -m pip install -e '.[lessons]'
	touch $@

# `test` installs all of `lessons` too, hence the second stamp.
.venv/test.stamp: .venv/made.stamp setup.cfg pyproject.toml
	$(PY) -m pip install -e '.[test]'
	touch .venv/lessons.stamp $@

# PyTorch and the other libraries are measured where they are installed: pip install -e '.[peers]' torch
.venv/bench.stamp: .venv/made.stamp setup.cfg pyproject.toml
	$(PY) -m pip install -e '.[bench]'
	touch $@

# Lesson 18 runs on two MPI processes.
.venv/mpi.stamp: .venv/made.stamp setup.cfg pyproject.toml
	$(PY) -m pip install -e '.[lessons,mpi]'
	touch .venv/lessons.stamp $@

# An environment of the reader's own is used as it is, if it has pip. Below 21.3, which Python 3.10.0 brings, pip
# cannot install a project without setup.py as editable.
.venv/made.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	  echo "minigrad needs Python >= 3.10; $(PYTHON) is $$($(PYTHON) --version 2>&1)"; \
	  echo "Name another, for example: make PYTHON=python3.12 test"; \
	  exit 1; } >&2
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet 'pip>=21.3'
	touch $@

clean:
	rm -rf .venv build lessons/figures benchmark-results minigrad.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
