# The two that matter: `make run` and `make test`. Everything else is a part of them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: run demo env check unit test test-full kernel bench screenshots build clean
.DEFAULT_GOAL := run

run: $(VENV)/.run-ready ## the dashboard, on this machine
	$(BIN)/kmodtui

demo: $(VENV)/.run-ready ## the dashboard on a recorded Debian system
	$(BIN)/kmodtui --demo

env: $(READY)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("kmodtui needs Python 3.11 or later, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV) || { echo "The venv module is missing: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

$(VENV)/.run-ready: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(READY): $(VENV)/.run-ready pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group dev
	touch $@

check: $(READY) ## what can be told without running it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-timing

unit: $(READY) ## unit, ui and terminal tests: everything but the real kernel
	$(BIN)/pytest -q tests --ignore=tests/kernel

kernel: $(READY) ## the tests on Debian's kernel in QEMU
	$(BIN)/pytest -q tests/kernel

test: check ## everything a change has to pass
	$(BIN)/pytest -q tests -m "not full"

test-full: check ## and what takes long: every .ko of the distribution
	$(BIN)/pytest -q tests

bench: $(READY) ## speed, in ratios within one run
	$(BIN)/python -m tests.bench

screenshots: $(READY) ## draw the pictures of the README from the demo
	$(BIN)/python screenshots/generate.py

build: $(READY) ## wheel and sdist in dist/
	rm -rf dist
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache
