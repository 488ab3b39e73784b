# What there is to do here. A fresh machine needs python3 (3.11 or newer, with venv), make and git.

PYTHON ?= python3
BIN := .venv/bin
# What has been compiled is kept, the tests with their asserts too: each of pytest's workers would do it anew.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile | expand -t 18

demo: .venv/installed ## see the whole of Mayfly at work: no 1Password, no AWS
	@$(BIN)/mayfly demo --once

test: .venv/ready ## all checks and all tests
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo >/dev/null || $(BIN)/lint-imports --no-logo
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -q -n 4 --dist worksteal
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

format: .venv/ready ## put the code in shape
	@$(BIN)/ruff check --fix --quiet; $(BIN)/ruff format --quiet

bench: .venv/ready ## measure what has a budget, side by side
	@$(BIN)/python -m tests.bench

soak: .venv/ready ## days of use in minutes, on a fast clock (needs Debian's faketime)
	@$(BIN)/python -m tests.soak

sdks: .venv/ready ## wait for a human of 20 s with real SDKs (go, node, java, cargo: skipped where missing)
	@$(BIN)/python -m tests.sdks

clean: ## take away what the above have made
	rm -rf .venv .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "mayfly needs python 3.11 or newer: make PYTHON=python3.12 …"; exit 1; }
	@test -x $(BIN)/python || { echo "making .venv …"; $(PYTHON) -m venv .venv; }
	@echo "installing mayfly and the libraries that it needs …"
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

.venv/ready: .venv/installed
	@echo "updating pip in .venv …"
	@$(PIP) install --constraint constraints.txt 'pip>=25.1'
	@echo "installing the tests' and checks' tools …"
	@$(PIP) install --constraint constraints.txt --group test --group check
	@touch $@

.PHONY: help demo test format bench soak sdks clean
