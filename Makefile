# Each target makes its own .venv from a bare Python 3.11 and installs what it needs.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export PYTHONSAFEPATH = 1
REAL_DATA := $(wildcard ../shared/data)
ifneq ($(REAL_DATA),)
export THINKMETER_REAL_DATA ?= $(abspath $(REAL_DATA))
endif

.PHONY: test check browser demo bench bench-store stress sdk-oldest beside clean

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

test: check browser
	$(BIN)/python -m pytest -m "not stress" --numprocesses=3 --dist=worksteal

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

browser:
	@command -v chromium >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
	  echo "the tests of the dashboard in a browser are skipped: install chromium (Debian: apt-get install chromium)"

demo: $(VENV)/installed
	$(BIN)/thinkmeter demo

bench: $(VENV)/installed
	PYTHONPATH=. $(BIN)/python -m tests.benchmarks.ingest
	PYTHONPATH=. $(BIN)/python -m tests.benchmarks.overhead

bench-store: $(VENV)/installed
	PYTHONPATH=. $(BIN)/python -m tests.benchmarks.store $(CALLS)

stress: $(VENV)/installed
	$(BIN)/python -m pytest -m stress -s

$(VENV)-oldest/installed: pyproject.toml
	@$(PYTHON) -m venv $(VENV)-oldest
	@$(VENV)-oldest/bin/pip install --quiet --upgrade 'pip>=25.1' && \
	  $(VENV)-oldest/bin/pip install --quiet --editable . --group oldest
	@touch $@

sdk-oldest: $(VENV)-oldest/installed
	$(VENV)-oldest/bin/python -m pytest --confcutdir=tests/sdk -m "not stress and not newest" tests/sdk \
	  --ignore tests/sdk/beside --ignore tests/sdk/test_lifecycle.py --ignore tests/sdk/test_platforms.py

# Packages that are too heavy for every run, or need others than everything else does, in environments of their own.
SDK_NEEDS := opentelemetry-exporter-otlp-proto-http wrapt
$(VENV)-beside/installed: Makefile
	@for name in frameworks openai-v2 servers xai exporters; do $(PYTHON) -m venv $(VENV)-beside/$$name || exit 1; done
	@$(VENV)-beside/frameworks/bin/pip install --quiet $(SDK_NEEDS) litellm boto3 langchain-openai \
	  openinference-instrumentation-langchain
	@$(VENV)-beside/openai-v2/bin/pip install --quiet $(SDK_NEEDS) openai httpx \
	  opentelemetry-instrumentation-openai-v2 'opentelemetry-util-genai==0.4b0'
	@$(VENV)-beside/servers/bin/pip install --quiet $(SDK_NEEDS) celery gunicorn
	@$(VENV)-beside/xai/bin/pip install --quiet $(SDK_NEEDS) xai-sdk
	@$(VENV)-beside/exporters/bin/pip install --quiet litellm logfire openai openinference-instrumentation-openai \
	  opentelemetry-exporter-otlp-json-http opentelemetry-exporter-otlp-proto-grpc opentelemetry-instrumentation-openai
	@touch $@

beside: $(VENV)/installed $(VENV)-beside/installed
	THINKMETER_BESIDE=$(abspath $(VENV)-beside) $(BIN)/python -m pytest tests/sdk/beside tests/collector/beside

clean:
	rm -rf $(VENV) $(VENV)-oldest $(VENV)-beside .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
