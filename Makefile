# make demo and make test set up all they need in .venv, from locked requirements; `make help` lists the rest.
PYTHON ?= python3.11
VENV ?= .venv
DEMO ?= geosr-demo
UV ?= uv
JOBS ?= 2
PYTEST_ARGS ?=

BIN := $(VENV)/bin
# Folders are dealt out whole (tests/conftest.py): more than a few processes do not help.
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadscope
# Everything is pinned and hashed, so pip resolves nothing. Two packages are published as source only.
# Errors are told; what pip plans to change in itself is not.
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq --no-deps --require-hashes \
	--no-build-isolation --use-pep517 --only-binary :all: --no-binary pyspark --no-binary version-parser

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: services help demo demo-train test test-all bench bench-large lint format lock docs clean python java

help: ## List what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: java $(VENV)/lake.stamp ## Run the whole path on a generated archive, and write a report
	$(BIN)/geosr demo --out $(DEMO)

demo-train: java $(VENV)/train.stamp ## Add torch, and train on the demo's catalog
	test -f $(DEMO)/lake/catalog/catalog.json || $(BIN)/geosr demo --out $(DEMO)
	$(BIN)/geosr train --catalog $(DEMO)/lake/catalog/catalog.json --task s2_naip \
		--weights $(DEMO)/s2_naip-x16.safetensors

test: java $(VENV)/dev.stamp ## Run the tests but for the long ones
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-all: java $(VENV)/dev.stamp ## Run all tests
	-$(BIN)/python tests/support/fetch_s3_jars.py
	$(PYTEST) $(PYTEST_ARGS)

bench: java $(VENV)/dev.stamp ## Run the benchmarks
	set -e; for script in $(sort $(wildcard benchmarks/bench_*.py)); do \
		echo "$$script"; $(BIN)/python "$$script"; done

JOIN = $(BIN)/python benchmarks/bench_join.py --rounds 1 --pair
OURS = --only geosr_lake "geosr_lake --spark"

bench-large: java $(VENV)/dev.stamp ## Run the join over ten and fifty years, a crowded tile, and cells: an hour
	$(JOIN) modis-landsat --years 10 --cut 400
	$(JOIN) sentinel2-naip --years 10 --cut 200
	$(JOIN) modis-landsat --years 50 --cut 600 $(OURS)
	$(JOIN) modis-landsat $(OURS)
	$(JOIN) modis-landsat --skew 50 --skew-side lr $(OURS)
	$(JOIN) modis-landsat --skew 50 --skew-side hr $(OURS)
	$(JOIN) modis-landsat --cells modis landsat $(OURS)

services: ## Install what some tests need: PostgreSQL with PostGIS, Chromium
	@sh requirements/services.sh

lint: $(VENV)/dev.stamp ## Check format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/dev.stamp ## Format the code, and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/dev.stamp ## Write the generated pages of docs/reference anew
	$(BIN)/python docs/make_reference.py

clean: ## Remove the environment and the tools' caches; results stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

python:
	@sh requirements/machine.sh "$(PYTHON)"

java:
	@sh requirements/machine.sh "$(PYTHON)" java

# A stamp stands for one set of requirements and is older than what it was made from.
$(VENV)/build.stamp: requirements/build.txt | python
	@echo "Making the environment $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -r requirements/build.txt
	@touch $@

$(VENV)/lake.stamp: requirements/lake.txt pyproject.toml $(VENV)/build.stamp
	@echo "Installing the packages of the lake (0.7 GB to download, 1.6 GB on disk) ..."
	@$(PIP) -r requirements/lake.txt
	@$(BIN)/python -m pip --disable-pip-version-check install -qq --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/train.stamp: requirements/train.txt $(VENV)/lake.stamp
	@echo "Installing torch with what it needs (2.9 GB to download, 5.3 GB on disk) ..."
	@$(PIP) -r requirements/train.txt
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/train.stamp
	@echo "Installing the test tools ..."
	@$(PIP) -r requirements/dev.txt
	@touch $@

# The locks: for Python 3.11 on Linux, where the tests run. dev.txt holds everything, the others are
# cut from it. `make lock UPGRADE=--upgrade` moves to the newest versions.
LOCK = $(UV) pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
	--generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links

lock: ## Lock the requirements anew (needs uv)
	$(LOCK) $(UPGRADE) -c requirements/build.in --extra lake --extra train --extra dev \
		pyproject.toml -o requirements/dev.txt
	$(LOCK) -c requirements/dev.txt requirements/build.in -o requirements/build.txt
	$(LOCK) -c requirements/dev.txt --extra lake pyproject.toml -o requirements/lake.txt
	$(LOCK) -c requirements/dev.txt --extra train pyproject.toml -o requirements/train.txt
	$(LOCK) -c requirements/dev.txt requirements/client.in -o requirements/client.txt
