# Every target is explained by `make help`. Two are enough to start: `make run` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

help: ## explain every target
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

$(VENV)/.venv-made:
	@.ci/make-venv "$(PYTHON)" "$(VENV)"
	@touch $@

$(VENV)/.installed: $(VENV)/.venv-made requirements.lock pyproject.toml
	@echo "installing benchtab into $(VENV) ..." >&2
	@.ci/install $(BIN) requirements.lock
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	@echo "installing what tests need into $(VENV) ..." >&2
	@.ci/install $(BIN) requirements-dev.lock
	@touch $@

setup: $(VENV)/.installed ## create .venv with .venv/bin/benchtab in it

run: setup ## run the starter suite on two simulated models and print the spend report
	@$(BIN)/benchtab run starter -m sim/reasoner -m sim/direct

test: $(VENV)/.installed-dev ## install what tests need and run all tests
	@.ci/debian-packages
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

lint: $(VENV)/.installed-dev ## check format, lint, types and the import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

lock: $(VENV)/.installed-dev ## pin the newest allowed versions by hash (names and hashes only)
	@.ci/lock "$(BIN)"

clean: ## remove the environment, caches and build products; results/ stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help setup run test lint lock clean
