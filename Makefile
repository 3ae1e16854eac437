# Each target makes its own .venv from a bare Python 3.11 and installs what it needs.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export PYTHONSAFEPATH = 1
REAL_DATA := $(wildcard ../shared/data)
ifneq ($(REAL_DATA),)
export THINKMETER_REAL_DATA ?= $(abspath $(REAL_DATA))
endif

.PHONY: test check demo bench stress clean

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11)' 2>/dev/null || { \
	  echo "thinkmeter needs Python 3.11 or newer: install it, or name it with make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) lacks venv: install it (Debian: apt-get install python3.11-venv)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --upgrade 'pip>=25.1' && \
	  $(BIN)/pip install --quiet --editable '.[server,demo]' --group dev || { \
	  echo "the packages could not be installed: is the package index reachable?"; exit 1; }
	@touch $@

test: check
	$(BIN)/python -m pytest -m "not stress"

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

demo: $(VENV)/installed
	$(BIN)/thinkmeter demo

bench: $(VENV)/installed
	$(BIN)/python -m tests.benchmarks

stress: $(VENV)/installed
	$(BIN)/python -m pytest -m stress -s

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
