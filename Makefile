# The two that matter: `make run` and `make test`. Everything else is a part of them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# The second name is for what builds kmodtui; before pip 25.3 the first one is for both.
PIP    := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
          $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run demo env check unit kernel test lane-here lane-guest test-full bench screenshots build clean
.DEFAULT_GOAL := run

run: $(VENV)/.run-ready ## the dashboard, on this machine
	@$(BIN)/kmodtui

demo: $(VENV)/.run-ready ## the dashboard on a recorded Debian system
	@$(BIN)/kmodtui --demo

env: $(READY)

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || \
	  { echo "Python is missing. On Debian and Ubuntu: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("kmodtui needs Python 3.11 or later, and $(PYTHON) is " + sys.version.split()[0] + ". If there is another one: make run PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "The venv module of $(PYTHON) is missing. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Making the environment in $(VENV): this takes a minute, once."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.run-ready: $(BIN)/python pyproject.toml constraints.txt
	@$(PIP) --editable .
	@touch $@

# Groups of dependencies are known to pip from 25.1 on.
$(READY): $(VENV)/.run-ready pyproject.toml constraints.txt
	@$(PIP) --upgrade 'pip>=25.1'
	@$(PIP) --group dev
	@touch $@

check: $(READY) ## what can be told without running it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

unit: $(READY) ## unit, ui and terminal tests: everything but the real kernel
	$(BIN)/pytest -q tests --ignore=tests/kernel

kernel: $(READY) ## the tests on Debian's kernel in QEMU
	$(BIN)/pytest -q tests/kernel

# Side by side: one waits for a guest most of the time, the other for terminals.
test: check ## everything a change has to pass
	@echo "The tests run in two lanes side by side, here and in a guest; each is printed when it ends."
	@$(MAKE) --no-print-directory --jobs=2 --output-sync lane-here lane-guest

lane-here: $(READY)
	$(BIN)/pytest -q tests --ignore=tests/kernel -m "not full"

lane-guest: $(READY)
	$(BIN)/pytest -q tests/kernel -m "not full"

test-full: check ## and what takes long: every .ko of the distribution
	$(BIN)/pytest -q tests

bench: $(READY) ## speed, in ratios within one run
	$(BIN)/python -m tests.bench

screenshots: $(READY) ## draw the pictures of the README from the demo
	$(BIN)/python -m screenshots.generate

build: $(READY) ## wheel and sdist in dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
