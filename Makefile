# make run      the whole thing on this machine: environment, then `trainwarden up` (ARGS="--detach", say)
# make test     lint, types, floors, and all tests but the heavy ones
# make help     the rest

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
SHELL_SCRIPTS := $(wildcard scripts/*) .ci/run
# Tests at once, on two cores: they wait more than they compute.
JOBS ?= 3
WAITING ?= 4
ARGS ?=

.PHONY: run test test-heavy lint bench scale golden docs dashboards compose-env clean help

run: $(VENV)/.run ## Bring everything up on this machine; Ctrl-C ends it
	@$(BIN)/trainwarden up $(ARGS)

test: lint ## Lint, types, floors, and all tests but the heavy ones
	$(BIN)/pytest -m "not heavy" -n $(JOBS)

test-heavy: $(VENV)/.dev $(VENV)/.frameworks $(VENV)/.transformers4 ## The tests that take minutes, or need more than this machine always has
	$(BIN)/pytest -m "heavy and waits" -n $(WAITING)
	$(BIN)/pytest -m "heavy and not waits"

lint: $(VENV)/.dev ## Style, types, and the floors that imports keep to
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	for script in $(SHELL_SCRIPTS); do sh -n $$script || exit 1; done
	if command -v shellcheck >/dev/null; then shellcheck $(SHELL_SCRIPTS); fi

docs: $(VENV)/.dev ## Generate the pages of docs/ that are generated
	$(BIN)/python -m docs.build

bench: $(VENV)/.dev ## What it costs, beside its peers and beside the floor: eight minutes (ARGS="--quick", "--json")
	@$(BIN)/python -m tests.bench $(ARGS)

scale: $(VENV)/.dev ## What the rules cost for 100, 300 and 1,000 machines: half an hour (ARGS="100 --evaluations 5", "--write")
	@$(BIN)/python -m tests.scale $(ARGS)

golden: $(VENV)/.dev ## Rewrite the golden files from what is produced now
	$(BIN)/python -m tests.golden

dashboards: $(VENV)/.dev ## Generate the dashboards anew
	$(BIN)/python -m grafana.build

compose-env: ## Write .env and make the folders for `docker compose up`
	@scripts/compose-env

clean: ## Remove what was built; not the environment, not what `up` keeps in your home
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find exporter tests grafana docs -name __pycache__ -prune -exec rm -rf {} +

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | column -t -s "$$(printf '\t')"

# A changed pyproject.toml installs anew; --editable, so that changed code needs nothing.
$(VENV)/.run $(VENV)/.dev $(VENV)/.frameworks: $(VENV)/bin/pip pyproject.toml
	@echo "Installing what pyproject.toml asks for into $(VENV)"
	@$(PIP) install --editable ".[$(EXTRA$(suffix $@))]"
	@touch $@

EXTRA.run := demo
EXTRA.dev := dev
EXTRA.frameworks := frameworks

# An older transformers than the environment's, beside it: these three differ, the rest they share.
$(VENV)/.transformers4: $(VENV)/bin/pip
	@echo "Installing transformers 4 into $@"
	@$(PIP) install --no-deps --target $@ "transformers<5" "huggingface-hub<1" "tokenizers<=0.23.0"

$(VENV)/bin/pip:
	@echo "Making the Python environment $(VENV)"
	@PYTHON="$(PYTHON)" scripts/bootstrap $(VENV)
	@touch $@
