# Every task of Kennel; `make` lists them. Set-up is never a step of its own: the first target that
# needs the environment makes it, and a changed lock file rebuilds it.

SHELL  := /bin/bash
PYTHON ?= python3
TORCH  ?= default
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready-$(TORCH)
CHECKOV := .tools/checkov/ready
LOCKS  := requirements/dev.lock requirements/torch.lock
STACK  ?= service
ENV    ?= $(or $(KENNEL_ENV),dev)
ARGS   ?=

export PATH := $(CURDIR)/$(BIN):$(PATH)
# Where it is set, as in images of Python, each start compiles torch and botocore anew: 2 to 4 seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo local doctor build push train tune deploy rollback test test-all check fmt bench bench-train bench-serve bench-invoke fuzz zip plan apply destroy lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z -]+:.*## / { n = split($$1, names, " "); for (i = 1; i <= n; i++) printf "  make %-13s %s\n", names[i], $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\n  TORCH=cpu    take CPU builds of torch from PyTorch'\''s own index\n  PYTHON=...   the Python (3.11 or newer) to make the environment with\n  ARGS=...     more arguments for what takes some\n'

demo: $(READY) ## Sample pictures, training, serving and a classified picture, on this machine
	@$(BIN)/kennel demo $(ARGS)

local: $(READY) ## AWS on this machine: both Terraform roots, a training job, an answer of the API
	@$(BIN)/kennel local up $(ARGS)

doctor: $(READY) ## Tools, account, stack and quotas, each with a remedy
	@$(BIN)/kennel doctor --env $(ENV) $(ARGS)

build: $(READY) ## Build the images
	@$(BIN)/kennel images build $(ARGS)

push: $(READY) ## Push the images to the repositories of ENV
	@$(BIN)/kennel images push --env $(ENV) $(ARGS)

train: $(READY) ## A training job on SageMaker (ARGS='pictures --where ec2' and more)
	@$(BIN)/kennel train --env $(ENV) $(ARGS)

tune: $(READY) ## Search hyperparameters (ARGS='ranges.yaml pictures' and more)
	@$(BIN)/kennel tune --env $(ENV) $(ARGS)

deploy: zip ## Serve the newest approved release in ENV, or RELEASE=...
	@$(BIN)/kennel deploy $(RELEASE) --env $(ENV) $(ARGS)

rollback: $(READY) ## Serve the release before
	@$(BIN)/kennel rollback --env $(ENV) $(ARGS)

test: $(READY) $(CHECKOV) ## Every kind of test that this machine can run (ARGS=--changed, or for pytest)
	@$(if $(filter-out --changed% --record,$(ARGS)),$(BIN)/pytest $(ARGS),$(BIN)/python scripts/tools/suite.py $(ARGS))

test-all: test ## What `make test` runs, and then the long journeys
	@$(BIN)/python scripts/tools/suite.py --long $(ARGS)

check: check-style check-types check-terraform ## Format, lint, types, shell, Dockerfiles, Terraform and lock files

.PHONY: check-style check-types check-terraform
check-style: $(READY)
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/shellcheck .ci/run scripts/tools/environment
	$(BIN)/hadolint images/*/Dockerfile
	$(BIN)/python scripts/tools/locks.py check
	$(BIN)/python scripts/tools/api_docs.py check

check-types: $(READY)
	$(BIN)/mypy
	$(BIN)/mypy terraform/stack.py terraform/endpoint.py terraform/shown.py

check-terraform: $(READY)
	$(BIN)/python scripts/tools/terraform.py check

fmt: $(READY) ## Format Python and Terraform in place
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/python scripts/tools/terraform.py fmt

bench: $(READY) ## Measure the request path on this machine; the last line is JSON
	@$(BIN)/python -m tests.bench.chain $(ARGS)

bench-train: $(READY) ## Measure the trainer against its own limits and the usual loop
	@$(BIN)/python -m tests.bench.train $(ARGS)

bench-serve: $(READY) ## Measure the server against the bare engine and TorchServe (needs Java)
	@$(BIN)/python -m tests.bench.serve $(ARGS)

bench-invoke: $(READY) ## Measure the function: cold start, added time, memory, size
	@$(BIN)/python -m tests.bench.invoke $(ARGS)

fuzz: $(READY) ## Mangled pictures at the decoder and at a running server
	@$(BIN)/python -m tests.fuzz $(ARGS)

zip: $(READY) ## Pack the function as build/invoke.zip, the same bytes for the same source
	@$(BIN)/python scripts/tools/function_zip.py build/invoke.zip

plan apply destroy: $(READY) ## Terraform on STACK=bootstrap|platform|service in ENV=dev|prod
	@KENNEL_TERRAFORM="$$($(BIN)/python scripts/tools/terraform.py path)" $(BIN)/python terraform/stack.py $@ $(STACK) $(ENV)

lock: $(READY) ## Make the lock files anew from requirements (ARGS=--upgrade for newer versions)
	@$(BIN)/python scripts/tools/locks.py make $(ARGS)

clean: ## Remove environment, tools, caches and results; the account of `make local` ends
	-[ ! -x $(BIN)/kennel ] || $(BIN)/kennel local down
	rm -rf $(VENV) .tools .kennel build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
	find terraform -name .terraform -prune -exec rm -rf {} +

$(CHECKOV): requirements/checkov.lock | $(READY)
	@$(BIN)/uv --quiet venv --clear --python $(BIN)/python .tools/checkov
	@VIRTUAL_ENV=.tools/checkov $(BIN)/uv --quiet pip sync --require-hashes $<
	@touch $@

$(READY): $(LOCKS) requirements/uv.lock pyproject.toml
	@scripts/tools/environment '$(PYTHON)' '$(VENV)' '$(TORCH)'
	@touch $@
