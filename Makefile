# Everything a user or maintainer does with a checkout. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
# Models are read from disk; nothing here may ask a model hub.
export HF_HUB_OFFLINE := 1
export VLLM_CPU_KVCACHE_SPACE ?= 1
export VLLM_NO_USAGE_STATS := 1
export DO_NOT_TRACK := 1
export RAY_USAGE_STATS_ENABLED := 0
# Compiled modules are kept: every Ray worker and engine process imports the same large libraries.
unexport PYTHONDONTWRITEBYTECODE
PACKAGES := pipeline checkpoints infra jobs

.PHONY: help env demo test check bench lock clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s $$'\t'

env: $(VENV)/.ready ## create the environment (.venv) with the locked versions

$(VENV)/.ready: infra/requirements/cpu.txt infra/requirements/cuda.txt infra/environment.sh pyproject.toml
	infra/environment.sh $(VENV)
	touch $@

demo: env ## run 1,000 documents here with real vLLM, kill the driver, resume, verify, rehearse a spot notice
	$(PY) -m jobs.demo.run

check: env ## the gate: lint, format, types, imports
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

test: check ## the gate, then every test
	$(PY) -m pytest

bench: env ## measure against raw vLLM and stock Ray Data; writes build/bench.json
	$(PY) -m tests.benchmarks.bench

lock: env ## resolve infra/requirements/*.in anew into cpu.txt and cuda.txt
	infra/requirements/lock.sh $(VENV)/bin/uv

clean: ## remove what was built here, but not the environment
	rm -rf build .mypy_cache .ruff_cache .hypothesis
