# What the README names. Each target makes what it needs: a machine with Python 3.11 or newer is enough.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
JOBS ?= 2

.PHONY: demo test conformance lint bench hapi package clean

demo: $(VENV)/.demo
	$(BIN)/python examples/demo.py out/demo

test: $(VENV)/.test lint
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal
	$(BIN)/python tests/check_package.py

conformance: $(VENV)/.test
	$(BIN)/python -m tests.validator

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck .ci/run examples/nightly/sync.sh

bench: $(VENV)/.test
	$(BIN)/python -m tests.bench

# A HAPI FHIR server for a person, in memory or with DATABASE=path; needs Java 17 and Maven. Ctrl-C stops it.
RELEASE ?= R4
PORT ?= 8080
hapi: $(VENV)/.test
	$(BIN)/python -m tests.hapi --release $(RELEASE) --port $(PORT) $(if $(DATABASE),--database $(DATABASE))

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $@

clean:
	rm -rf $(VENV) out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
