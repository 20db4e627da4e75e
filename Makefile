# CityHub: `make demo` shows the whole hub at work, `make test` proves it.
# Needs Python 3.11 or newer, make and git; everything else is installed into .venv, or by apt where we are root.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
KERNELS := $(wildcard alerts/checks/*.py geo/*.py ingest/*.py)
PARTS := edge geo ingest alerts governance api cityhub bench tests firmware-sim

.PHONY: help demo test soak lint format console built lock peers clean

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: built  ## the whole hub at work; make demo ARGS="--for 60" ends by itself
	@$(BIN)/cityhub demo $(ARGS)

test: built  ## every test, on real services; make test ARGS="-k journal" runs some
	@sh deploy/debian-packages.sh mosquitto mmdebstrap chromium || true
	$(BIN)/python -m pytest -n 4 --dist worksteal $(ARGS)

soak: .venv/ready console  ## the long programme of faults, hours; CITYHUB_SOAK=0.2 make soak is a fifth of it
	@sh deploy/debian-packages.sh mosquitto mmdebstrap || true
	CITYHUB_SOAK=$${CITYHUB_SOAK:-1} $(BIN)/python -m pytest tests/faults tests/test_bench.py $(ARGS)

lint: .venv/ready console  ## format check, linters, types
	$(BIN)/ruff format --check $(PARTS)
	$(BIN)/ruff check $(PARTS)
	$(BIN)/mypy
	sh console/check.sh

format: .venv/ready  ## format the code
	$(BIN)/ruff format $(PARTS)
	$(BIN)/ruff check --fix $(PARTS)

console: .venv/ready
	@PYTHON=$(CURDIR)/$(BIN)/python sh console/build.sh

built: .venv/ready
	@$(MAKE) --no-print-directory -j2 console .venv/kernels

# Or every process of a first start would compile them for itself.
.venv/kernels: .venv/ready $(KERNELS)
	@echo "Compiling the kernels"
	@$(BIN)/python -m cityhub.warming >.venv/kernels.log 2>&1
	@touch $@

lock:  ## resolve the dependencies anew into requirements.lock (needs uv)
	uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements.lock
	uv pip compile --group peers -c requirements.lock --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o peers.lock

peers: .venv/ready  ## install what `cityhub bench checks` is measured against
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r peers.lock

clean:  ## remove what was built; the hub's data stay where they are
	rm -rf .venv api/static console/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/ready: requirements.lock pyproject.toml firmware-sim/pyproject.toml deploy/venv.sh
	@sh deploy/venv.sh "$(PYTHON)"
	@touch $@
