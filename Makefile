# The two commands of the README are `make run` and `make test`; `make check` is what CI calls.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements.lock
SERVER_LOCK := requirements-server.lock
PORT ?= 8000

.PHONY: help install run test check format lint types contracts bench soak clients lock clean

help: ## Says what each target does.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.installed ## Makes .venv with exact, hashed pins.

$(VENV)/.installed: $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make run PYTHON=python3.12, say." >&2; exit 1; }
	@echo "Installing into $(VENV): once, for a minute or two …"
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
	  uv pip install --quiet --python $(BIN)/python --require-hashes -r $(LOCK) && \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e . ; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --require-hashes -r $(LOCK) && \
	  $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e . ; \
	fi
	@touch $@

run: install ## Runs everything on this machine, nothing configured.
	@exec $(BIN)/ibiki up --port $(PORT)

test: install ## Runs all tests, in parallel.
	$(BIN)/python -m pytest -n auto --dist loadgroup

check: install format lint types contracts test ## All gates, as CI runs them.

format: install ## Formatting is as ruff would have it.
	$(BIN)/ruff format --check .

lint: install ## ruff's rules.
	$(BIN)/ruff check .

types: install ## mypy, strict, tests too.
	$(BIN)/mypy

contracts: install ## Imports follow the arrows of ARCHITECTURE.md.
	$(BIN)/lint-imports

bench: install ## The benchmarks, as a table.
	$(BIN)/python -m benchmarks

soak: install ## Hurts the running program for SOAK_SECONDS (1800): docs/soak.md.
	$(BIN)/python -m tests.faults $(if $(SOAK_SECONDS),--seconds $(SOAK_SECONDS)) $(if $(SEED),--seed $(SEED))

clients: ## The stock GraphQL clients that tests drive, where node and npm are.
	@cd tests/end_to_end/node && npm ci --no-audit --no-fund --silent

PIN := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate pyproject.toml

lock: ## Pins again: exact versions and hashes, no addresses.
	$(PIN) --extra embedded --extra redis --extra dev -o $(LOCK)
	$(PIN) --extra redis --extra build --constraints $(LOCK) -o $(SERVER_LOCK)

clean: ## Removes what install and run made.
	rm -rf $(VENV) .ibiki
