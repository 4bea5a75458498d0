# Needs git, make and Python 3; everything else is put under .local/ (an own Python 3.13 too, if need be).
# DATA, PORT, EMULATOR, WORKERS, HANDLERS, FAULTS, SEEDS, TASKS, BENCH_TASKS, IMAGE, BASE, ENGINE, STACK, ROLE_ARN and ENDPOINT reach the commands through the environment, where no shell reads them.
PYTHON ?= python3

# Each recipe is one command that replaces its shell, so that it gets make's signals itself.
V := .local/venvs
RUN := exec $(V)/local/bin/python -m local
CHECK := exec $(V)/dev/bin/python -m local.checks

# Imports are three times slower without bytecode.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help setup stack-setup dev-setup demo up down status sam-local logs test test-k8s test-site screenshots site site-client test-sam-local lint format bench-setup bench bench-million chaos mutants openapi docs locks image k8s-config clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s%s\n", $$1, $$2 }'

setup: stack-setup dev-setup ## make all environments under .local/

stack-setup:
	@exec $(PYTHON) -m local.bootstrap uv emulator sam local

dev-setup:
	@exec $(PYTHON) -m local.bootstrap uv emulator sam local dev

demo: stack-setup ## profile 757 real files, end to end, and leave nothing behind (DATA=folder, WORKERS=n)
	@$(RUN) demo

up: stack-setup ## start a stack and leave it running (PORT=n, WORKERS=n, HANDLERS=paths, FAULTS=what goes wrong)
	@$(RUN) up

down: stack-setup ## end the stack that runs
	@$(RUN) down

status: stack-setup ## what runs
	@$(RUN) status

sam-local: stack-setup ## serve the API of the running stack from Lambda's own containers (needs Docker, make up BIND_HOST=0.0.0.0)
	@exec $(V)/local/bin/python -m local.sam_local $(or $(SAM_LOCAL),api)

logs: stack-setup ## follow the logs of functions and workers
	@$(RUN) logs

test: dev-setup ## all tests and checks, with coverage
	@$(CHECK) test $(TESTS)

test-k8s: dev-setup ## workers on the cluster of KUBECONFIG, which has KEDA (IMAGE_LOAD="kind load image-archive", or IMAGE=)
	@$(CHECK) test tests/k8s -rs -s

test-site: dev-setup ## the site in a browser, on a stack with real workers (needs Node.js; SITE_TASKS=n)
	@$(CHECK) test-site

screenshots: dev-setup ## take the pictures of the site in docs/img again
	@SCREENSHOTS=1 $(CHECK) test-site screens

site: stack-setup ## build the site
	@exec $(V)/local/bin/python -m local.site

site-client: ## write the site's API client from docs/openapi.json
	@cd frontend && exec npm run --silent client

test-sam-local: dev-setup ## the functions in Lambda's own containers (needs a Docker engine and the image)
	@$(CHECK) test tests/sam_local -rs

lint: dev-setup ## the static checks alone
	@$(CHECK) lint

format: dev-setup ## format the code
	@$(CHECK) format

bench-setup:
	@exec $(PYTHON) -m local.bootstrap uv emulator sam local dev bench

bench: bench-setup ## measure, floors printed beside (BENCH_TASKS="10000 100000")
	@$(CHECK) bench

bench-million: bench-setup ## one job of a million no-op tasks beside one of 10,000 (TASKS=n)
	@$(CHECK) bench million

chaos: dev-setup ## 10,000 tasks under all faults at once, three seeds (SEEDS="1 2 3", TASKS=n)
	@$(CHECK) chaos

mutants: dev-setup ## take each safeguard out in turn: some test must fail (MUTANTS="words of names")
	@$(CHECK) mutants $(MUTANTS)

openapi: dev-setup ## write docs/openapi.json from the code
	@$(CHECK) openapi

docs: dev-setup ## draw docs/states.md from the transition table
	@$(CHECK) docs

locks: stack-setup ## compile the lock files again
	@exec $(PYTHON) -m local.locks

image: stack-setup ## build the worker's image (IMAGE=name:tag, BASE=image, ENGINE=docker or podman)
	@exec $(V)/local/bin/python -m local.image

k8s-config: stack-setup ## write the stack's values for k8s/overlays (STACK=name, ROLE_ARN=arn; or ENDPOINT=address)
	@exec $(V)/local/bin/python -m local.k8s_config

clean: ## remove what was built and installed (make down first)
	@test ! -e .local/stack.json || { echo "A stack may run: make down first."; exit 1; }
	@exec rm -rf .local .aws-sam frontend/node_modules frontend/test-results .mypy_cache .ruff_cache .hypothesis .coverage .import_linter_cache
