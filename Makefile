# Two commands do everything on a fresh machine: `make run` and `make test`.
# Each first makes the environment in .venv, which takes a minute or two once and nothing after that.

VENV ?= .venv
BIN := $(abspath $(VENV))/bin
STAMP := $(VENV)/.ready
SETUP := recsys_batch/setup
S3 := $(VENV)/.s3
ARGS ?=

# Compiled modules are kept in the environment, whatever is set outside: without them every start
# compiles two thousand anew, which takes ten seconds of a day's run.
export PYTHONDONTWRITEBYTECODE :=

# Python workers and Airflow start programs from PATH; BLAS threads would fight Spark's tasks.
ACTIVE = PATH="$(BIN):$$PATH" JAVA_HOME="$$($(BIN)/python -m recsys_batch.setup --java-home)" \
	OPENBLAS_NUM_THREADS=1

EXTRA_LOCK := --no-emit-index-url --no-header --no-annotate --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test soak check bench-quality bench-speed lock doctor setup s3 clean

help:  ## Say what there is
	@echo 'recsys-batch: from event logs to gated, versioned recommendations.'
	@echo
	@sed -n 's/^\([a-z-]*\):.*##/\1 /p' $(firstword $(MAKEFILE_LIST)) | \
		while read -r name text; do printf '  make %-15s%s\n' "$$name" "$$text"; done
	@echo
	@echo 'ARGS passes arguments on:  make test ARGS="tests/topn -k ties"'

run: $(STAMP)  ## Set up, make a sample, run the whole day on it and show the result
	@$(ACTIVE) $(BIN)/recsys-batch demo $(ARGS)

test: $(STAMP) $(S3)  ## Set up and run the tests: all, or those that ARGS names
	@$(ACTIVE) $(if $(ARGS),$(BIN)/pytest $(ARGS),sh tests/run.sh $(BIN)/pytest)

soak: $(STAMP) $(S3)  ## The tests of faults, ten times over: some hours
	@RECSYS_BATCH_SOAK=10 $(ACTIVE) $(BIN)/pytest -m '' tests/faults tests/ingest $(ARGS)

check: $(STAMP)  ## Lint, format, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench-quality: $(STAMP)  ## Public tables and logs of different nature, beside others: an hour or more
	@$(ACTIVE) $(BIN)/python -m benchmarks.quality.run $(ARGS)

bench-speed: $(STAMP)  ## Kernel, MLlib, a million users, growth, whole days, a long history, ingest, edge: over an hour
	@$(ACTIVE) $(BIN)/python -m benchmarks.speed.run $(ARGS)

doctor:  ## Say what this machine lacks, and the fix
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m recsys_batch.doctor; \
	else echo 'There is no environment in $(VENV) yet: `make setup` makes it.'; exit 3; fi

setup: $(STAMP)  ## Set up the environment, a JDK and Delta's jars, and nothing else
	@echo 'Ready: $(VENV)'

s3: $(S3)  ## Set up what tables in S3 need, too: some 13 MB
	@echo 'Ready: tables may lie in S3 (docs/cluster.md)'

lock: $(STAMP)  ## Resolve the dependencies of pyproject.toml anew into the lock files
	$(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 pyproject.toml \
		--extra dev -o requirements.lock --no-emit-index-url
	printf 'editables\nhatchling\nsetuptools\nuv\nwheel\n' | $(BIN)/uv pip compile --universal --generate-hashes \
		--python-version 3.11 -c requirements.lock - -o $(SETUP)/bootstrap.txt \
		$(EXTRA_LOCK)
	printf 'asyncpg\npsycopg2-binary\n' | $(BIN)/uv pip compile --universal --generate-hashes \
		--python-version 3.11 -c requirements.lock - -o conf/docker/postgres.txt $(EXTRA_LOCK)

clean:  ## Remove the environment and every cache, but no lake
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml $(SETUP)/bootstrap.txt $(SETUP)/environment.sh
	@PYTHON="$(PYTHON)" sh $(SETUP)/environment.sh "$(abspath $(VENV))"
	@$(BIN)/python -m recsys_batch.setup
	@$(ACTIVE) $(BIN)/python -m recsys_batch.lake.archive
	@touch $@

$(S3): $(STAMP) $(SETUP)/jars.py
	@$(BIN)/python -m recsys_batch.setup --s3
	@$(ACTIVE) $(BIN)/python -m recsys_batch.lake.archive
	@touch $@
