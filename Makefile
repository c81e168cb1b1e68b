# Each word here is a whole task: it sets up what it needs and says what it does.
# make demo | make test | make explore | make setup | make fmt | make lint | make bench | make lock |
# make clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .tools

.PHONY: demo setup dev tools test explore lint fmt bench lock clean

demo: setup  ## show the main job on an example
	@$(BIN)/python examples/demo.py

setup: $(VENV)/.runtime  ## .venv with the command `retag`

dev: $(VENV)/.dev

tools: dev  ## the programs that tests run against, where missing
	@$(BIN)/python scripts/tools.py --into $(TOOLS)

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit("retag needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	@echo "== creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.python requirements/runtime.txt requirements/build.txt pyproject.toml
	@echo "== installing locked dependencies"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@echo "== installing locked development dependencies"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

lint: dev  ## formatting, lint, types, import contracts
	@echo "== ruff format"; $(BIN)/ruff format --check --quiet .
	@echo "== ruff check"; $(BIN)/ruff check --quiet .
	@echo "== mypy"; $(BIN)/mypy
	@echo "== import contracts"; $(BIN)/lint-imports --no-logo

fmt: dev
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

test: lint tools  ## everything that must hold, in the same order with the same examples each time
	@echo "== tests"
	@PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder --randomly-seed=0 --cov --cov-report=term --cov-fail-under=99

explore: tools  ## the same tests in another order each time, with other examples and ten times as many
	@PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(BIN)/python -m pytest --hypothesis-profile=long

bench: tools  ## ratios on this machine; never part of make test
	@PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(BIN)/python -m benchmarks

lock: dev  ## write the hash-locked requirements anew (needs uv)
	@sh scripts/lock.sh

clean:
	rm -rf $(VENV) $(TOOLS) build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
