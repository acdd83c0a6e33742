# The project's commands; CI calls these too.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Without the theme's advertisement of its makers' next product.
MKDOCS = NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs

# Else every process of a run compiles all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run env test test-quick test-vllm test-clients test-ray check check-scripts check-docs docs fmt bench sbom screenshots lock

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: $(VENV)/.installed ## The whole product on embedded defaults, on GATEWAY_PORT (8080)
	@$(BIN)/python manage.py run_embedded

env: ## Write .env for Docker Compose: secrets, GPUs, addresses (ARGS="--host chat.example.com --https")
	@$(firstword $(wildcard $(BIN)/python) python3) -m gateway.new_env $(ARGS)

test: $(VENV)/.installed-dev ## Every check beside the whole suite; T=path: the tests there, without checks
	@$(BIN)/python -m gateway.tests.suite $(if $(T),$(T),--beside "$(MAKE) --no-print-directory check" --beside "$(MAKE) --no-print-directory test-ray")

test-quick: $(VENV)/.installed-dev ## What starts no process, on SQLite; T=path
	@$(BIN)/python -m pytest --quick -q -n auto --maxprocesses 4 $(T)

test-vllm: $(VENV)/.installed-dev ## The suite marked `vllm`, against a real vLLM on the CPU
	$(BIN)/python -m pytest -m vllm

test-clients: $(VENV)/.installed-dev ## The suite marked `clients`: SDKs and agent frameworks, in their own environment
	$(BIN)/python -m pytest -m clients -q gateway/tests/clients

test-ray: $(VENV)/.installed-dev ## The suite marked `ray`: two nodes of a Ray cluster, in their own environment
	$(BIN)/python -m pytest -m ray -q modelops/tests/ray modelops/tests/runtimes/test_contract.py

check: $(VENV)/.installed-dev ## Format, lint, types, import rule, migrations, documentation, locks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	@$(MAKE) --no-print-directory check-docs
	$(if $(shell command -v npm),$(MAKE) --no-print-directory check-scripts,@echo "!!! NOT CHECKED: the pages' scripts (no npm)")

check-scripts: node_modules/.installed
	node_modules/.bin/tsc --project tsconfig.json

check-docs: $(VENV)/.installed-dev
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT \
	&& if $(MKDOCS) build --strict --site-dir "$$folder/site" > "$$folder/log" 2>&1; \
	then echo "The documentation's links are good"; else cat "$$folder/log"; exit 1; fi

docs: $(VENV)/.installed-dev ## Serve the documentation as a site, on DOCS_PORT (8000)
	$(MKDOCS) serve --dev-addr 127.0.0.1:$(or $(DOCS_PORT),8000)

node_modules/.installed: package-lock.json
	npm ci --silent --no-audit --no-fund
	touch $@

fmt: $(VENV)/.installed-dev ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed-dev ## Measure the chat path (benchmarks/README.md)
	$(BIN)/python -m benchmarks

sbom: $(VENV)/.installed-dev ## Write sbom.cdx.json, a bill of materials of the image's packages (CycloneDX)
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-reproducible \
	  --output-format JSON --output-file sbom.cdx.json requirements/server-lock.txt

screenshots: $(VENV)/.installed-dev ## Take the pictures of the pages anew (docs/pictures); needs Chromium
	$(BIN)/python -m gateway.tests.pages.screenshots

LOCK = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

lock: | $(VENV)/bin/python ## Resolve requirements/*.txt to hashed locks
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) requirements/base.txt -o requirements/lock.txt
	$(LOCK) requirements/dev.txt -o requirements/dev-lock.txt
	$(LOCK) requirements/server.txt -c requirements/lock.txt -o requirements/server-lock.txt
	$(LOCK) requirements/server.txt requirements/oidc.txt -c requirements/lock.txt -o requirements/oidc-lock.txt
	$(LOCK) requirements/server.txt requirements/otel.txt -c requirements/lock.txt -o requirements/otel-lock.txt
	$(LOCK) requirements/clients.txt -o requirements/clients-lock.txt
	$(LOCK) requirements/ray.txt -o requirements/ray-lock.txt

$(VENV)/bin/python:
	@echo "Making an environment of Python's in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements/lock.txt | $(VENV)/bin/python
	@echo "Installing $$(grep -c '==' requirements/lock.txt) packages into $(VENV) (a minute or two, this once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/lock.txt
	@touch $@

$(VENV)/.installed-dev: requirements/dev-lock.txt | $(VENV)/bin/python
	@echo "Installing $$(grep -c '==' requirements/dev-lock.txt) packages into $(VENV) (a few minutes, this once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev-lock.txt
	@touch $@ $(VENV)/.installed
