# The two commands of the README are `make run` and `make test`; `make check` is what CI calls.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements.lock
SERVER_LOCK := requirements-server.lock
STOCK := tests/end_to_end/python
PORT ?= 8000

.PHONY: help install run console console-dev test check format lint types console-types contracts \
  bench soak mutants clients lock clean

help: ## Says what each target does.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

install: $(VENV)/.installed ## Makes .venv with exact, hashed pins.

$(VENV)/.installed: $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make run PYTHON=python3.12, say." >&2; exit 1; }
	@echo "Installing into $(VENV): once, for a minute or two …"
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
	  uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r $(LOCK) && \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e . ; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --require-hashes -r $(LOCK) && \
	  $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e . ; \
	fi
	@touch $@

run: install ## Runs everything on this machine, nothing configured.
	@$(BIN)/python -m ibiki.local.console_build || true
	@exec $(BIN)/ibiki up --port $(PORT)

console: install ## Builds the web console, if its sources have changed.
	@$(BIN)/python -m ibiki.local.console_build

console-dev: install ## Runs everything, and the console with live reload at http://localhost:5173.
	@trap 'kill %1' EXIT; $(BIN)/ibiki up --port $(PORT) & \
	  IBIKI_URL=http://127.0.0.1:$(PORT) $(BIN)/python -m ibiki.local.console_build dev

test: install ## Runs all tests, in parallel.
	$(BIN)/python -m pytest -n auto --dist loadgroup

check: install ## All gates, as CI runs them.
	@$(MAKE) --jobs=2 --output-sync=target format lint types console-types contracts
	@$(MAKE) test

format: install ## Formatting is as ruff would have it.
	$(BIN)/ruff format --check .

lint: install ## ruff's rules.
	$(BIN)/ruff check .

types: install ## mypy, strict, tests too.
	$(BIN)/mypy

console-types: install ## TypeScript, strict; documents against schema.graphql.
	@$(BIN)/python -m ibiki.local.console_build typecheck

contracts: install ## Imports follow the arrows of ARCHITECTURE.md.
	$(BIN)/lint-imports

bench: install ## The benchmarks, as a table.
	$(BIN)/python -m benchmarks

soak: install ## Causes faults in the running program for SOAK_SECONDS (1800): docs/soak.md.
	$(BIN)/python -m tests.faults $(if $(SOAK_SECONDS),--seconds $(SOAK_SECONDS)) $(if $(SEED),--seed $(SEED)) \
	  $(if $(SLOW),--slow $(SLOW)) $(if $(RATE),--rate $(RATE))

mutants: install ## Breaks the program in many ways; the tests must notice each: docs/decisions/0156.
	$(BIN)/python -m tests.mutants

clients: ## The stock clients that tests drive: Node packages, and Python ones in a separate environment.
	@cd tests/end_to_end/node && npm ci --no-audit --no-fund --silent
	@$(PYTHON) -m venv $(STOCK)/.venv
	@$(STOCK)/.venv/bin/python -m pip install --quiet --require-hashes -r $(STOCK)/requirements.lock

PIN := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate pyproject.toml

lock: ## Pins again: exact versions and hashes, no addresses.
	$(PIN) --extra embedded --extra redis --extra parquet --extra dev -o $(LOCK)
	$(PIN) --extra redis --extra build --constraints $(LOCK) -o $(SERVER_LOCK)
	$(PIN:pyproject.toml=$(STOCK)/requirements.in) -o $(STOCK)/requirements.lock

clean: ## Removes what install made. The data in .ibiki stays.
	rm -rf $(VENV)
