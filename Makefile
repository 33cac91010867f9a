# `make` alone says what there is. Every target makes the virtual environment it needs; nothing has to be active.
VENV ?= .venv
ENV ?= dev
# Parameters of the stack for `make deploy`, in addition to those of stages/ENV.yaml.
PARAMETERS ?=
DIR ?= demo-lake
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder
# The Python to make the environment with; unless said, the best one that .ci/python finds.
PYTHON ?=

BIN := $(VENV)/bin
SCAN_BIN := $(VENV)-scan/bin
PEERS_BIN := $(VENV)-peers/bin
DOCS_BIN := $(VENV)-docs/bin
CLIENTS_BIN := $(VENV)-clients/bin
SPARK_BIN := $(VENV)-spark/bin
# Tools that look for python3.13 on the PATH (sam build) find the environment's own.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHON
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export SAM_CLI_TELEMETRY := 0

SOURCES := layers/anomalake/anomalake functions tests benchmarks
# The scripts of the page.
PAGE_ASSETS := layers/anomalake/anomalake/page/assets
PIP_INSTALL := $(BIN)/python -m pip install -qq --require-hashes

# An environment is stamped with the hash of what went into it, so it is made again exactly when that changes.
stamp = $(VENV)/stamps/$(1)-$(firstword $(shell \
  { cat requirements/build.txt requirements/$(1).txt; sed '/^\[tool/,$$d' pyproject.toml; } | git hash-object --stdin))
DEMO := $(call stamp,demo)
DEV := $(call stamp,dev)
SCAN := $(VENV)-scan/stamp-$(shell git hash-object requirements/scan.txt)
PEERS := $(VENV)-peers/stamp-$(shell git hash-object requirements/peers.txt)
DOCS := $(VENV)-docs/stamp-$(shell git hash-object requirements/docs.txt)
CLIENTS := $(VENV)-clients/stamp-$(shell git hash-object requirements/clients.txt)
SPARK := $(VENV)-spark/stamp-$(shell git hash-object requirements/spark.txt)
# Apache Spark wants Java and Python 3.11, as on AWS Glue 5.
SPARK_PYTHON := $(shell java -version >/dev/null 2>&1 && .ci/python 3.11 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help demo test spark check docs picture bench trino-answers trino-relations build deploy lock clean notes lint format types imports template javascript security audit

help:  ## this list
	@echo "anomalake: anomaly alerts into tables that Athena and QuickSight query"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(DEMO)  ## from nothing to answers: real flight data, alerts, lake, queries (DIR=folder)
	@$(BIN)/anomalake demo $(DIR)
	@echo "(anomalake is $(BIN)/anomalake here)"

test: $(DEV) $(CLIENTS) notes  ## every test that needs no cloud
	@$(BIN)/python -m pytest $(PYTEST_ARGS)
	@$(if $(SPARK_PYTHON),$(MAKE) --no-print-directory spark)

spark: $(SPARK)  ## the tests on Apache Spark, which want Java and Python 3.11
	@$(SPARK_BIN)/python -m pytest -q tests/spark

# The parts run side by side, the slowest first; `audit` mostly waits for the advisory service.
check: $(DEV) $(SCAN) $(DOCS)  ## lint, format, types, import rules, template, JavaScript, security, docs
	@$(MAKE) --no-print-directory --jobs 3 security audit types docs template javascript imports lint format
	@echo "check: all passed"

# Material for MkDocs says at each build that it is supported until May 2027; Zensical, its successor, reads mkdocs.yml.
docs: $(DOCS)  ## the documentation site, built strictly and offline into site/
	@echo "check: documentation"
	@NO_MKDOCS_2_WARNING=1 $(DOCS_BIN)/mkdocs build --strict
	@echo "(open site/index.html)"

picture: $(DEV)  ## the README's picture of the page, anew
	@ANOMALAKE_BROWSER=required ANOMALAKE_PICTURE=1 $(BIN)/python -m pytest -q tests/browser/test_demo_page.py
	@cp artifacts/browser/readme.png docs/page.png

bench: $(DEV) $(PEERS) $(if $(SPARK_PYTHON),$(SPARK))  ## the benchmarks; their results go to benchmarks/
	@$(BIN)/python -m benchmarks

trino-answers: $(DEV)  ## the answers of Athena's SQL, asked of a real Trino again (TRINO=http://localhost:8080)
	@$(BIN)/python -m tools.trino.answers $(or $(TRINO),$(error TRINO is not set: expected TRINO=http://HOST:PORT))

trino-relations: $(DEV)  ## the relations of a lake, compared with a real Trino's (TRINO=URL LAKE=folder LOCATION=uri)
	@$(BIN)/python -m tools.trino.relations $(or $(TRINO),$(error TRINO is not set: expected TRINO=http://HOST:PORT)) \
	  $(or $(LAKE),$(error LAKE is not set: expected the folder of a lake)) \
	  $(or $(LOCATION),$(error LOCATION is not set: expected where Trino finds the folder that LAKE is in))

build: $(DEV)  ## sam build
	@command -v python3.13 >/dev/null && python3.13 -c '' 2>/dev/null || \
	  { echo "make build: python3.13 is not on the PATH; the functions are built for it"; exit 1; }
	@$(BIN)/sam build

# On the command line, --parameter-overrides replaces the list in samconfig.toml; therefore the stage's file is repeated.
deploy: build  ## build, then deploy with the credentials and region of the shell (ENV=dev or prod, PARAMETERS="NAME=VALUE ...")
	@$(BIN)/sam deploy --config-env $(ENV) $(if $(PARAMETERS),--parameter-overrides file://stages/$(ENV).yaml $(PARAMETERS))

lock:  ## bring the locked versions up to date
	@$$(.ci/python) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install -qq uv
	@.ci/lock .venv-lock/bin/uv

clean:  ## remove what the other targets made
	rm -rf .venv .venv-scan .venv-peers .venv-docs .venv-clients .venv-spark .venv-lock .aws-sam build dist site demo-lake artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# ---- the parts of `make check`, each usable alone ----

lint: $(DEV)
	@echo "check: ruff"
	@$(BIN)/ruff check --quiet .

format: $(DEV)
	@echo "check: format"
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check .; exit 1; }

types: $(DEV)
	@echo "check: types"
	@$(BIN)/mypy

imports: $(DEV)
	@echo "check: import rules"
	@PYTHONPATH=layers/anomalake $(BIN)/lint-imports

template: $(DEV)
	@echo "check: template"
	@$(BIN)/cfn-lint template.yaml template-macro.yaml templates/*.yaml
	@AWS_DEFAULT_REGION=us-east-1 $(BIN)/sam validate --lint
	@AWS_DEFAULT_REGION=us-east-1 $(BIN)/sam validate --lint --template template-macro.yaml

javascript: $(DEV)
	@echo "check: JavaScript (oxlint)"
	@$(BIN)/python .ci/lint-page $(PAGE_ASSETS)

security: $(DEV) $(SCAN)
	@echo "check: code (bandit)"
	@$(BIN)/bandit --quiet --confidence-level medium --recursive --configfile pyproject.toml layers/anomalake/anomalake functions
	@echo "check: template (checkov)"
	@$(SCAN_BIN)/checkov --config-file .checkov.yaml
	@echo "check: secrets"
	@git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook \
	  --disable-plugin HexHighEntropyString --disable-plugin Base64HighEntropyString

audit: $(DEV)
	@echo "check: dependencies"
	@$(BIN)/python .ci/audit

# ---- environments ----

$(DEMO) $(DEV):
	@echo "making $(VENV) ($$(basename $@ | cut -d- -f1)); this takes a minute or two the first time"
	@test -x $(BIN)/python || { python=$${PYTHON:-$$(.ci/python)} && "$$python" -m venv $(VENV); }
	@$(PIP_INSTALL) -r requirements/build.txt
	@$(PIP_INSTALL) --no-build-isolation -r requirements/$$(basename $@ | cut -d- -f1).txt
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@mkdir -p $(VENV)/stamps && touch $@

$(SCAN):
	@echo "making $(VENV)-scan; this takes a minute the first time"
	@test -x $(SCAN_BIN)/python || { python=$${PYTHON:-$$(.ci/python)} && "$$python" -m venv $(VENV)-scan; }
	@$(SCAN_BIN)/python -m pip install -qq --require-hashes -r requirements/build.txt
	@$(SCAN_BIN)/python -m pip install -qq --require-hashes --no-build-isolation -r requirements/scan.txt
	@touch $@

$(PEERS):
	@echo "making $(VENV)-peers; this takes a minute the first time"
	@test -x $(PEERS_BIN)/python || { python=$${PYTHON:-$$(.ci/python)} && "$$python" -m venv $(VENV)-peers; }
	@$(PEERS_BIN)/python -m pip install -qq --require-hashes -r requirements/build.txt
	@$(PEERS_BIN)/python -m pip install -qq --require-hashes --no-build-isolation -r requirements/peers.txt
	@touch $@

$(DOCS):
	@echo "making $(VENV)-docs; this takes a minute the first time"
	@test -x $(DOCS_BIN)/python || { python=$${PYTHON:-$$(.ci/python)} && "$$python" -m venv $(VENV)-docs; }
	@$(DOCS_BIN)/python -m pip install -qq --require-hashes -r requirements/build.txt
	@$(DOCS_BIN)/python -m pip install -qq --require-hashes --no-build-isolation -r requirements/docs.txt
	@touch $@

$(CLIENTS):
	@echo "making $(VENV)-clients; this takes a minute the first time"
	@test -x $(CLIENTS_BIN)/python || { python=$${PYTHON:-$$(.ci/python)} && "$$python" -m venv $(VENV)-clients; }
	@$(CLIENTS_BIN)/python -m pip install -qq --require-hashes -r requirements/build.txt
	@$(CLIENTS_BIN)/python -m pip install -qq --require-hashes --no-build-isolation -r requirements/clients.txt
	@touch $@

$(SPARK):
	@test -n "$(SPARK_PYTHON)" || { echo "make spark: Apache Spark wants java and Python 3.11; one of them is not there"; exit 1; }
	@echo "making $(VENV)-spark; this takes two minutes the first time"
	@test -x $(SPARK_BIN)/python || $(SPARK_PYTHON) -m venv $(VENV)-spark
	@$(SPARK_BIN)/python -m pip install -qq --require-hashes -r requirements/build.txt
	@$(SPARK_BIN)/python -m pip install -qq --require-hashes --no-build-isolation -r requirements/spark.txt
	@$(SPARK_BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@

notes: $(DEV)
	@$(BIN)/python -c "import sys; print('test: Python %d.%d.%d' % sys.version_info[:3])"
	@$(BIN)/python -c "import sys; sys.exit(sys.version_info[:2] != (3, 13))" || \
	  echo "test: left out: the deployed-stack tests, which want python3.13"
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  echo "test: left out: what looks at the page in a browser, which wants chromium"
	@test -n "$(SPARK_PYTHON)" || echo "test: left out: what runs on Apache Spark, which wants java and Python 3.11"
	@docker info >/dev/null 2>&1 || echo "test: left out: what runs in a container (sam local invoke), which wants Docker"
