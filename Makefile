# Everything is set up in .venv by the first target that needs it; a second run installs nothing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
RUNTIME := $(VENV)/.installed-runtime
DEV := $(VENV)/.installed-dev
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
# Two test processes share two cores: each computes with one thread.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
# Most programs of the quick tests are compiled to run for milliseconds: XLA leaves them slow, which takes a quarter of
# the time. The slow tests and the notebooks at full size run what users run.
QUICK_XLA := XLA_FLAGS="--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false \
	--xla_cpu_parallel_codegen_split_count=1"

.PHONY: quickstart test test-slow notebooks lint format

quickstart: $(RUNTIME)
	$(BIN)/sciflow bench run benchmarks/quickstart.yaml

test: lint
	$(ONE_THREAD) $(QUICK_XLA) SCIFLOW_TINY=1 $(BIN)/pytest -n 2 --dist worksteal -m "not slow" $(if $(NOTEBOOKS),--nbmake) $(NOTEBOOKS) tests

test-slow: $(DEV)
	$(ONE_THREAD) $(BIN)/pytest -n 2 -m slow --results benchmarks/results/physics.md tests

notebooks: $(DEV)
	$(if $(NOTEBOOKS),$(BIN)/pytest --nbmake --overwrite --nbmake-timeout=1800 $(NOTEBOOKS))

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -n 2 sciflow
	$(BIN)/lint-imports

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e ".[dev]"
	# Reads our exports of The Well's format in a test; it pins an old fsspec, which that does not need.
	$(PIP) --no-deps the-well einops
	@touch $(RUNTIME) $@
