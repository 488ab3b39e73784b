# The project's tasks. A fresh machine needs python3 (3.11 or newer, with venv), make and git.
# For another Python, with an environment of its own: make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# `make test COVERAGE=yes` measures coverage, too, and takes a third longer. `.ci/run` does that with one Python.
COVERAGE ?= no
# More than there are processors, because many tests wait.
WORKERS ?= 6
PYTEST := pytest -q -n $(WORKERS) --dist worksteal
# Bytecode is kept, also that of the tests: otherwise each of pytest's workers compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile | expand -t 18

demo: $(VENV)/installed ## see all of Mayfly at work, without 1Password and AWS
	@$(BIN)/mayfly demo --once

test: $(VENV)/ready ## all checks and all tests
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo >/dev/null || $(BIN)/lint-imports --no-logo
ifeq ($(COVERAGE),yes)
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m $(PYTEST)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report
else
	@$(BIN)/python -m $(PYTEST)
endif

format: $(VENV)/ready ## format the code
	@$(BIN)/ruff check --fix --quiet; $(BIN)/ruff format --quiet

bench: $(VENV)/ready ## measure everything that has a budget
	@$(BIN)/python -m tests.bench

soak: $(VENV)/ready ## days of use in minutes, on a fast clock (needs Debian's faketime)
	@$(BIN)/python -m tests.soak
	@$(BIN)/python -m tests.soak --job

sdks: $(VENV)/ready ## wait for a human of 20 s with real SDKs (go, node, java, cargo: skipped where missing)
	@$(BIN)/python -m tests.sdks

packages: $(VENV)/ready ## install wheel and sdist by pip, pipx and uv, and run them (reaches the package registry)
	@$(BIN)/python -m tests.packages

generate: $(VENV)/ready ## write the completions, the man pages and the tables of keys anew
	@$(BIN)/python -m tests.generate

picture: $(VENV)/ready ## draw docs/status.svg, the picture in the README, from a real run
	@PYTHONPATH=tests $(BIN)/python -m tests.generate.picture

clean: ## remove everything that the tasks above have made
	rm -rf .venv .venv-* .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "mayfly needs python 3.11 or newer: make PYTHON=python3.12 …"; exit 1; }
	@test -x $(BIN)/python || { echo "making $(VENV) …"; $(PYTHON) -m venv $(VENV); }
	@echo "installing mayfly and the libraries that it needs …"
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/ready: $(VENV)/installed
	@echo "updating pip in $(VENV) …"
	@$(PIP) install --constraint constraints.txt 'pip>=25.1'
	@echo "installing the tests' and checks' tools …"
	@$(PIP) install --constraint constraints.txt --group test --group check
	@touch $@

.PHONY: help demo test format bench soak sdks packages generate picture clean
