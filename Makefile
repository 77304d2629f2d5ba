# `make run` and `make test` do everything on a fresh machine with Python >= 3.11; the rest is for those who work here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# CI installs the versions in this file; anyone else takes what the lower bounds allow.
LOCK ?=
OUT ?= out/quickstart
SPEC ?= examples/quickstart.toml

.PHONY: run test install lint format types contracts check bench lock clean help

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

run: $(STAMP) ## the main job: sweep, dataset, energy model, advice, report.html
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/main-job.sh "$(SPEC)" "$(OUT)"

test: $(STAMP) ## every test
	$(BIN)/python -m pytest -q

install: $(STAMP) ## make .venv with all that run and test need

$(STAMP): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "wattlas needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
		|| { echo "this Python cannot make a venv: run scripts/install-debian.sh (python3-venv)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(LOCK),-c $(LOCK)) -e '.[train,report]' --group dev
	touch $@

lint: $(STAMP) ## ruff: format and rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(STAMP) ## let ruff mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(STAMP) ## mypy --strict on src/
	$(BIN)/mypy

contracts: $(STAMP) ## import-linter: the layers
	$(BIN)/lint-imports

check: lint types contracts test ## all that CI runs

bench: $(STAMP) ## print the benchmarks; several minutes
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/bench.sh

lock: $(STAMP) ## write the versions that CI installs
	$(BIN)/python -m pip freeze --exclude-editable --exclude torch | sed 's/ @ .*//' > requirements-ci.txt

clean: ## remove .venv and outputs
	rm -rf $(VENV) out
