# Everything a person or a machine does with this project; `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUST_SOURCES := $(wildcard esp/src/*.rs) esp/Cargo.toml esp/Cargo.lock
CARGO := cargo --locked
MANIFEST := --manifest-path esp/Cargo.toml

.PHONY: help demo test check docs bench bench-posture test-wifi setup clean

help:  ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: setup  ## the main job on real parts: refused, cured, connected, image fetched, cut, restored
	@$(BIN)/python -m tests.demo

test: setup  ## every test, with branch coverage
	@$(CARGO) test --quiet $(MANIFEST)
	@$(BIN)/python -m pytest --cov --cov-report=term

check: setup  ## formatting, lint, types, layers, stubs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy tests/lab tests/demo tests/bench tests/wifi_guest
	@$(BIN)/lint-imports
	@$(BIN)/python -m mypy.stubtest esp._native
	@cargo fmt $(MANIFEST) --check
	@$(CARGO) clippy --quiet $(MANIFEST) --all-targets --all-features -- -D warnings

docs: setup  ## draw the generated pages of docs/ anew
	@$(BIN)/python -m tests.states

test-wifi: setup  ## real access points (open to 802.1X) in a virtual machine; fetches Debian's kernel the first time
	@$(BIN)/python -m pytest tests/wifi_guest/check_radios.py

bench-posture: setup  ## how fast the machine is looked at and a tunnel is cut, into build/posture-bench.json
	@$(BIN)/python -m tests.bench.posture

bench: setup  ## figures of this machine, as medians and ratios of one run
	@$(BIN)/python -m tests.bench

setup: build/.system build/.native  ## system packages, virtual environment, native build

build/.system: packaging/debian-packages.txt packaging/install-debian-packages
	@packaging/install-debian-packages
	@mkdir -p build && touch $@

build/.venv: requirements.lock
	@packaging/require-tool $(PYTHON) "apt-get install python3 python3-venv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: run 'make PYTHON=python3.11 ...' with a newer one." >&2; exit 1; }
	@echo "Setting up the virtual environment ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@mkdir -p build && touch $@

build/.native: build/.venv pyproject.toml $(RUST_SOURCES)
	@packaging/require-tool cargo "install a Rust toolchain of 1.91 or newer, with rustfmt and clippy"
	@echo "Building the data plane ..."
	@env -u CONDA_PREFIX PIP_QUIET=1 VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop --release --locked --quiet
	@mkdir -p build && touch $@

clean:  ## remove what was made here
	rm -rf build $(VENV) esp/target esp/*.so
