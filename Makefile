# Everything that is done to this project, here and in CI. `make` alone lists it.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
SITE_PORT ?= 4173
T ?= tests
JOBS ?= 4
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --no-input
LOCK := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links
SCRATCH = scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	export BROADSHEET_DATA_DIR="$$scratch" BROADSHEET_DATABASE_URL="sqlite:///$$scratch/scratch.db"

ifdef CI
export NO_COLOR := 1
export PY_COLORS := 0
endif

.DEFAULT_GOAL := help
.PHONY: help setup run test test-long torture check bench browser openapi clients-test clients-browser clients-check component-test s3-test demo-site desk-test sites-test sites-build supply audit docs lock migration clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name text; do printf '  %-15s %s\n' "$$name" "$$text"; done

setup: .venv/.stamp-run ## install what the server needs into .venv, and do nothing else

run: .venv/.stamp-run ## serve on HOST and PORT, with a sample if the store is empty
	@$(BIN)/broadsheet demo --host $(HOST) --port $(PORT)

test test-long: export PYTHONDONTWRITEBYTECODE :=
test: .venv/.stamp-dev ## run the tests: T=tests/web for a part, ARGS=-x for pytest, JOBS=2 for fewer processes
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS) $(T)

test-long: .venv/.stamp-dev ## run for longer those tests that find more the longer they run
	@LONG=1 $(BIN)/python -m pytest -n $(JOBS) -m long $(ARGS) $(T)

torture: .venv/.stamp-dev ## kill, harm and wear out what runs, for long: ARGS="faults --rounds 20", ARGS=--help
	@$(BIN)/python -m tests.torture $(ARGS)

check: .venv/.stamp-dev ## lint, types, layers, licences, secrets, commit subjects, migrations and openapi.json
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(BIN)/python .ci/types
	$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/python .ci/licences
	@$(BIN)/python .ci/secrets
	@.ci/commits
	@$(SCRATCH) && set -e && $(BIN)/alembic upgrade head && $(BIN)/alembic check
	@$(SCRATCH) && set -e && $(BIN)/broadsheet openapi > "$$scratch/openapi.json" && \
		{ diff -u openapi.json "$$scratch/openapi.json" || { echo 'openapi.json is not current: make openapi' >&2; exit 1; }; }
	@$(BIN)/python clients/python/generate.py --check

bench: .venv/.stamp-dev ## measure against a raw ASGI app on both databases: ARGS= for the harness
	@$(BIN)/python -m bench $(ARGS)

browser: .venv/.stamp-dev ## open thousands of XSS vectors in Chromium, which must be there: VECTORS=2000, SEED=1
	@$(BIN)/python -m pytest -n 0 $(ARGS) tests/flows/browser.py

clients-test: .venv/.stamp-run ## build the TypeScript and the Python client and test them against a server: needs npm and registries
	@clients/test

clients-browser: .venv/.stamp-run ## try the TypeScript client in tabs of Chromium, in Deno and in workerd: needs npm and Chromium
	@cd clients/typescript && npm install --no-package-lock --no-audit --no-fund --loglevel=error
	@cd clients/typescript && npm run --silent browser && npm run --silent runtimes

clients-check: ## lint openapi.json, make clients of it and compile them: needs npm, Java and package registries
	@PYTHON=$(PYTHON) clients/check/run

s3-test: .venv/.stamp-dev ## upload to an S3 store that moto plays: needs package registries
	@$(PIP) install --target build/s3 s3fs 'moto[s3]' flask flask-cors
	@PYTHONPATH=build/s3 $(BIN)/python -m pytest -n 0 $(ARGS) -W ignore::DeprecationWarning tests/publication/s3.py

component-test: .venv/.stamp-run ## build clients/comments and try it in Chromium: needs Node, Chromium and npm packages
	@cd clients/typescript && npm install --no-package-lock --no-audit --no-fund --loglevel=error
	@cd clients/comments && npm install --no-package-lock --no-audit --no-fund --loglevel=error
	@cd clients/comments && npm run --silent check && npm run --silent build && npm run --silent test

openapi: .venv/.stamp-run ## write openapi.json, the pages of docs/ that are made from the code, and types of the Python client
	@$(SCRATCH) && $(BIN)/broadsheet openapi > "$$scratch/openapi.json" && cp "$$scratch/openapi.json" openapi.json
	@$(BIN)/python clients/python/generate.py
	@$(SCRATCH) && $(BIN)/python -m docs.generate

demo-site: .venv/.stamp-run sites-build ## serve an example site on SITE_PORT beside the API on PORT: needs Node and npm packages
	@BIN=$(BIN) HOST=$(HOST) PORT=$(PORT) SITE_PORT=$(SITE_PORT) examples/site/serve

desk-test: .venv/.stamp-run ## open the desk in Chromium and go through a story: needs Node, Chromium and npm packages
	@cd examples/desk && npm install --no-package-lock --no-audit --no-fund --loglevel=error > /dev/null
	@cd examples/desk && npm run --silent test

sites-test: .venv/.stamp-run sites-build ## open the example sites in Chromium: needs Node, Chromium and npm packages
	@cd examples/astro && npm install --no-package-lock --no-audit --no-fund --loglevel=error > /dev/null
	@cd examples/site && npm run --silent test
	@cd examples/astro && npm run --silent test

sites-build:
	@set -e; for folder in clients/typescript clients/comments examples/site; do \
		echo "building $$folder"; \
		(cd $$folder && npm install --no-package-lock --no-audit --no-fund --loglevel=error && npm run --silent build) > /dev/null; done

supply: .venv/.stamp-supply ## look for dangerous code with bandit, and write build/sbom.json (CycloneDX)
	@.venv/supply/bin/bandit --quiet --recursive app migrations --configfile pyproject.toml --severity-level medium
	@mkdir -p build
	@.venv/supply/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file build/sbom.json

audit: .venv/.stamp-supply ## look for known vulnerabilities in what is installed: asks a database over the network
	@for lock in requirements.lock requirements-dev.lock requirements-docs.lock requirements-supply.lock; do \
		.venv/supply/bin/pip-audit --require-hashes --disable-pip --requirement $$lock || exit 1; done

docs: .venv/.stamp-docs ## build the documentation into build/site; warnings are errors
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --clean

lock: .venv/.stamp-dev ## pin the newest allowed releases again, under Python 3.11: ARGS=--upgrade
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo 'make lock needs a .venv of Python 3.11, the oldest one served: make clean && make lock PYTHON=python3.11' >&2; exit 1; }
	@$(LOCK) $(ARGS) --all-build-deps --output-file requirements.lock pyproject.toml
	@$(BIN)/python -c "import tomllib; groups = tomllib.load(open('pyproject.toml', 'rb'))['dependency-groups']; \
		print(*groups['test'], *groups['tools'], sep='\n')" > .venv/dev.in
	@$(LOCK) $(ARGS) --constraint requirements.lock --output-file requirements-dev.lock .venv/dev.in
	@$(BIN)/python -c "import tomllib; groups = tomllib.load(open('pyproject.toml', 'rb'))['dependency-groups']; \
		print(*groups['docs'], sep='\n')" > .venv/docs.in
	@$(LOCK) $(ARGS) --constraint requirements.lock --constraint requirements-dev.lock \
		--output-file requirements-docs.lock .venv/docs.in
	@$(BIN)/python -c "import tomllib; groups = tomllib.load(open('pyproject.toml', 'rb'))['dependency-groups']; \
		print(*groups['supply'], sep='\n')" > .venv/supply.in
	@$(LOCK) $(ARGS) --constraint requirements.lock --constraint requirements-dev.lock \
		--output-file requirements-supply.lock .venv/supply.in

migration: .venv/.stamp-dev ## write a migration from the tables: NAME="add reading time"
	@test -n "$(NAME)" || { echo 'make migration needs a NAME="what it does"' >&2; exit 1; }
	@$(SCRATCH) && set -e && $(BIN)/alembic upgrade head && $(BIN)/alembic revision --autogenerate -m "$(NAME)"

clean: ## remove .venv and what tools left behind; data stays
	@rm -rf .venv build ./*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find app bench docs migrations tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Broadsheet needs Python 3.11 or newer; name one with PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/.stamp-run: requirements.lock pyproject.toml | .venv/bin/python
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q app migrations
	@touch $@

.venv/.stamp-dev: requirements-dev.lock .venv/.stamp-run
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

.venv/.stamp-docs: requirements-docs.lock .venv/.stamp-run
	@$(PIP) install --require-hashes -r requirements-docs.lock
	@touch $@

.venv/.stamp-supply: requirements-supply.lock | .venv/bin/python
	@$(PYTHON) -m venv .venv/supply
	@.venv/supply/bin/python -m pip --disable-pip-version-check --quiet --no-input install --require-hashes -r requirements-supply.lock
	@touch $@
