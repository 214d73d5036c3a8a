# Everything that is done here, by name; `make` alone lists it. CI runs the same targets.
# Another Python: make test PYTHON=python3.13. Further arguments: make chat ARGS='--answers other.yaml'.

PYTHON ?= python3
PIP := .venv/bin/python -m pip --disable-pip-version-check --no-input install -qq
LOCK := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command 'make lock'

# A virtual environment can be neither moved nor handed to another Python, so `made` names both.
# It is written last: one left half made, or whose Python has gone since, does not count.
ifneq ($(shell test -x .venv/bin/python && cat .venv/made 2>/dev/null),$(PYTHON) in $(CURDIR))
.PHONY: .venv/made
endif

.PHONY: help setup chat run test check lock image

help: ## lists these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: .venv/made ## makes .venv from the lock; the targets below do it by themselves

chat: .venv/made ## a conversation with the bot in the terminal: no token, no network
	@.venv/bin/clinic-faq chat $(ARGS)

run: .venv/made ## the bot on Telegram; needs TELEGRAM_BOT_TOKEN, see .env.example
	@.venv/bin/clinic-faq run $(ARGS)

# Many tests wait for another process: one worker more than there are cores keeps all of them busy.
test: WORKERS = $(shell .venv/bin/python -c 'import os; print(os.cpu_count() + 1)')
test: MEASURED = --cov --cov-report=term-missing:skip-covered --cov-report=json:build/coverage.json
test: .venv/made ## the tests; with COVERAGE=1, as CI runs them, they cover 95 % of the branches of bot/ and faq/ or fail
	PYTHONDONTWRITEBYTECODE= .venv/bin/pytest --numprocesses=$(WORKERS) --dist=worksteal $(if $(COVERAGE),$(MEASURED))
ifdef COVERAGE
	@.venv/bin/python -c 'import json, sys; \
	branches = json.load(open("build/coverage.json"))["totals"]["percent_branches_covered"]; \
	sys.exit(f"{branches:.1f} % of the branches are covered; 95 % is the least." if branches < 95 else 0)'
endif

check: .venv/made ## lint, format and types: ruff and mypy --strict
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy --strict

lock: .venv/made ## writes both locks from pyproject.toml; the newest of everything with ARGS=--upgrade
	$(LOCK) $(ARGS) --group build --output-file requirements.lock pyproject.toml
	$(LOCK) $(ARGS) --group dev --constraints requirements.lock --output-file requirements-dev.lock pyproject.toml

image: ## the Docker image clinic-faq-bot
	docker build --tag clinic-faq-bot .

# Nothing here reads standard input: it belongs to the conversation.
.venv/made: requirements-dev.lock pyproject.toml
	# Setting up .venv with $(PYTHON): once, and again when the lock or pyproject.toml changes. A minute at most.
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' </dev/null || { echo >&2 \
		"$(PYTHON) is missing or older than Python 3.11: install a newer one, or name it: make setup PYTHON=python3.13"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' </dev/null 2>/dev/null || { echo >&2 \
		"$(PYTHON) lacks its venv module, which on Debian and Ubuntu is a package: apt install python3-venv"; exit 1; }
	@rm -rf .venv
	@$(PYTHON) -m venv .venv </dev/null
	@$(PIP) --only-binary :all: --no-deps --require-hashes -r requirements-dev.lock </dev/null
	@$(PIP) --no-deps --no-build-isolation --editable . </dev/null
	@echo "$(PYTHON) in $(CURDIR)" >.venv/made
