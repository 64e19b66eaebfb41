# Needs git, make and Python >= 3.11; everything else is installed into .venv from the lock files.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 8000
BENCH ?=
FAULTS ?=
DATABASE ?= sqlite:///recommender.db

.PHONY: help demo test check bench bench-fit bench-serve bench-train bench-quality faults serve lock clean

help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime  ## Run the main job on the shipped sample; leaves recommender.db
	@$(BIN)/recommender demo

test: $(VENV)/.dev  ## Run the test suite (SQLite and a real PostgreSQL from its wheel); `check` runs the documents
	@# one more than cores: many tests wait for servers, locks and hooks
	@$(BIN)/python -m pytest -n 3 --dist loadgroup --ignore tests/docs

check: $(VENV)/.dev  ## Lint, format, types, layers, rules, catalogue, documents
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/recommender rules check
	@$(BIN)/recommender catalogue check
	@$(BIN)/python -m pytest -q -n 0 tests/docs

bench: $(VENV)/.dev  ## Measure speed and quality beside their floors
	@$(BIN)/python -m tests.benchmarks

bench-fit: $(VENV)/.dev  ## Measure how long a training on a million interactions takes
	@$(BIN)/python -m tests.benchmarks.bench_fit $(BENCH)

bench-serve: $(VENV)/.dev  ## Live answers a second beside a bare route, and where the time goes (DATABASE=url)
	@$(BIN)/python -m tests.benchmarks.bench_serve --database-url $(DATABASE) $(BENCH)
	@$(BIN)/python -m tests.benchmarks.bench_serve --database-url $(DATABASE) --stages

bench-train: $(VENV)/.dev  ## Measure the nightly training beside its floors; BENCH="--users 1000000"
	@mkdir -p build
	@$(BIN)/python -m tests.benchmarks.bench_train --plot build/bench-train.svg $(BENCH)

bench-quality: $(VENV)/.bench  ## Compare the model with the field's others, which this installs
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.bench_peers $(BENCH)

faults: $(VENV)/.dev  ## Disturb trainings in every way and look at what is left (FAULTS="--seed 2")
	@$(BIN)/python -m tests.faults $(FAULTS)

serve: $(VENV)/.runtime  ## Answer over HTTP from recommender.db
	@$(BIN)/recommender serve --host $(HOST) --port $(PORT)

lock:  ## Pin exact versions with hashes (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	  --no-header -o requirements.lock
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-header -o requirements-dev.lock
	uv pip compile pyproject.toml --extra dev --extra bench --universal --python-version 3.11 \
	  --generate-hashes --no-header -c requirements-dev.lock -o requirements-bench.lock

clean:  ## Remove the environment, caches and the demo's database
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	rm -f recommender.db recommender.db-wal recommender.db-shm recommender.db.train.lock

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which with PYTHON=...")'
	@$(PYTHON) -m venv $(VENV)

# The development environment holds the runtime one; whichever came last satisfies both.
$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing what the engine needs into $(VENV) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing what development needs into $(VENV) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@ $(VENV)/.runtime

$(VENV)/.bench: requirements-bench.lock pyproject.toml | $(BIN)/python
	@echo "Installing the peers for benchmarks into $(VENV) (one needs a C compiler) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@ $(VENV)/.dev $(VENV)/.runtime
