# The two main targets: `make run` and `make test`. All others are parts of them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# PIP_BUILD_CONSTRAINT is for the build of kmodtui; before pip 25.3, PIP_CONSTRAINT is for both.
PIP    := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
          $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run demo env check unit kernel test image lane-ui lane-terminal lane-here lane-guest lane-dashboard test-full bench screenshots build clean
.DEFAULT_GOAL := run

run: $(VENV)/.run-ready ## open the dashboard on this machine
	@$(BIN)/kmodtui

demo: $(VENV)/.run-ready ## open the dashboard on a recorded Debian system
	@$(BIN)/kmodtui --demo

env: $(READY)

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || \
	  { echo "Python is missing. On Debian and Ubuntu: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("kmodtui needs Python 3.11 or later, and $(PYTHON) is " + sys.version.split()[0] + ". To use another one: make run PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "The venv module of $(PYTHON) is missing. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Creating the environment in $(VENV). This takes about a minute, once."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.run-ready: $(BIN)/python pyproject.toml constraints.txt
	@$(PIP) --editable .
	@touch $@

# Dependency groups need pip 25.1 or later.
$(READY): $(VENV)/.run-ready pyproject.toml constraints.txt
	@$(PIP) --upgrade 'pip>=25.1'
	@$(PIP) --group dev
	@touch $@

check: $(READY) ## lint, types and imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

unit: $(READY) ## unit, ui and terminal tests: everything except the kernel tests
	$(BIN)/pytest -q tests --ignore=tests/kernel

kernel: $(READY) ## the tests on Debian's kernel in QEMU
	$(BIN)/pytest -q tests/kernel

# In parallel, also with what they need first: the lanes wait most of the time, each for something
# else.
test: ## all tests that a change has to pass
	@echo "The tests run in five parallel lanes: the dashboard, terminals, and all else on this machine; the dashboard, and all else in a guest."
	@echo "Each prints its output when it ends."
	@$(MAKE) --no-print-directory --jobs=5 --output-sync lane-ui lane-terminal lane-here lane-guest lane-dashboard

image: $(BIN)/python
	@$(BIN)/python -m tests.kernel.prepare

lane-ui: check
	$(BIN)/pytest -q tests/ui -m "not full"

lane-terminal: check
	$(BIN)/pytest -q tests/terminal -m "not full"

lane-here: check
	$(BIN)/pytest -q tests --ignore=tests/kernel --ignore=tests/terminal --ignore=tests/ui -m "not full"

lane-guest: check image
	$(BIN)/pytest -q tests/kernel -m "not full and not dashboard"

lane-dashboard: check image
	$(BIN)/pytest -q tests/kernel -m "not full and dashboard"

test-full: check ## also the slow tests, such as every .ko file of the distribution
	$(BIN)/pytest -q tests

bench: $(READY) ## speed, as ratios within one run
	$(BIN)/python -m tests.bench

screenshots: $(READY) ## draw the pictures of the README from the demo
	$(BIN)/python -m screenshots.generate

build: $(READY) ## wheel and sdist in dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
