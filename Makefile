# Every task of Kennel; `make` lists them. Set-up is never a step of its own: the first target that
# needs the environment makes it, and a changed lock file rebuilds it.

SHELL  := /bin/bash
PYTHON ?= python3
TORCH  ?= default
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready-$(TORCH)
LOCKS  := requirements/dev.lock requirements/torch.lock
ARGS   ?=

export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONDONTWRITEBYTECODE := $(if $(CI),1,)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check fmt bench lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\n  TORCH=cpu    take CPU builds of torch from PyTorch'\''s own index\n  PYTHON=...   the Python (3.11 or newer) to make the environment with\n  ARGS=...     more arguments for demo, test and bench\n'

demo: $(READY) ## Sample pictures, training, serving and a classified picture, on this machine
	@kennel demo $(ARGS)

test: $(READY) ## Every test that this machine can run
	@pytest $(ARGS)

check: $(READY) ## Format, lint, types, shell, Dockerfiles, Terraform and lock files
	ruff format --check --quiet .
	ruff check --quiet .
	mypy
	shellcheck .ci/run
	hadolint images/*/Dockerfile
	python scripts/tools/terraform.py check
	python scripts/tools/locks.py check

fmt: $(READY) ## Format Python and Terraform in place
	ruff format .
	ruff check --fix --quiet .
	python scripts/tools/terraform.py fmt

bench: $(READY) ## Measure the request path on this machine; the last line is JSON
	@python -m tests.bench.chain $(ARGS)

lock: $(READY) ## Make the lock files anew from requirements (ARGS=--upgrade for newer versions)
	@python scripts/tools/locks.py make $(ARGS)

clean: ## Remove all that make has made: environment, tools, results
	rm -rf $(VENV) .tools .kennel build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
	find terraform -name .terraform -prune -exec rm -rf {} +

$(READY): $(LOCKS) requirements/uv.lock pyproject.toml
	@scripts/tools/environment '$(PYTHON)' '$(VENV)' '$(TORCH)'
	@touch $@
