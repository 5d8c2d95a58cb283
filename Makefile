# On a fresh Debian 12 or newer with python3, python3-venv, make and git:
#   make run                        the daemon on the LAN side of this machine
#   make run CAPTURE=file.pcap      the same daemon over a capture
#   make test                       everything that is tested, with what that needs
SHELL   := /bin/bash
VENV    := .venv
# The system's Python before a version manager's: `make run` may need sudo, which knows only the former.
PYTHON  ?= $(shell for p in /usr/bin/python3 $$(command -v python3); do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN     := $(VENV)/bin
CAPTURE ?=
CONFIG  ?= $(wildcard sniffer.yaml)
JOBS    ?= auto
APT     := tshark tcpdump prometheus prometheus-alertmanager mosquitto espeak-ng iproute2 ethtool nftables docker-compose openssl

.PHONY: run demo test test-fast fmt check setup clean bench lab image

setup: $(BIN)/.installed

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or later with venv is needed: apt-get install python3 python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# The C files are compiled where there is a compiler; when one changes, it is compiled again.
$(BIN)/.installed: pyproject.toml hatch_build.py $(wildcard sniffer/*/_native.c) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[mqtt,notify,homeassistant]'
	@touch $@

$(BIN)/.installed-dev: pyproject.toml | $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,mqtt,notify,homeassistant,deep]'
	@# The wake-word runtime has no wheel for every machine: its tests are skipped where it cannot be had.
	-@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[listen,parquet]' || echo "make: extras 'listen' and 'parquet' cannot be had here" >&2
	@touch $@

run: setup
	@$(BIN)/sniffer run $(if $(CONFIG),-c $(CONFIG)) $(if $(CAPTURE),--capture '$(CAPTURE)')

demo: setup
	@$(BIN)/sniffer demo

# Debian packages are installed where we may; where not, the tests that need them are skipped and say so.
.PHONY: packages
packages:
	@missing=; for p in $(APT); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ]; then run=; elif sudo -n true 2>/dev/null; then run=sudo; else \
	  echo "make: not installed, and no right to install:$$missing (tests that need them are skipped)" >&2; exit 0; fi; \
	echo "make: installing$$missing"; \
	$$run apt-get update -qq >/dev/null 2>&1; \
	$$run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null 2>&1 \
	  || for p in $$missing; do $$run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$p >/dev/null 2>&1 \
	  || echo "make: $$p cannot be had here (tests that need it are skipped)" >&2; done

test: packages $(BIN)/.installed-dev check
	$(BIN)/python -m pytest -q -n $(JOBS)

# The first look at a change, in about a minute: no services, no root, no real captures.
test-fast: $(BIN)/.installed-dev
	$(BIN)/python -m pytest -q -n $(JOBS) -m 'not slow'

fmt: $(BIN)/.installed-dev
	$(BIN)/ruff check --fix sniffer tests dashboards
	$(BIN)/ruff format sniffer tests dashboards

check: $(BIN)/.installed-dev
	$(BIN)/ruff check sniffer tests dashboards
	$(BIN)/ruff format --check sniffer tests dashboards
	$(BIN)/mypy

# The container image, built and tried; without a registry: make image BASE=debootstrap (root).
image:
	BASE='$(BASE)' .ci/image

# False alarms per device-month and recall over simulated houses, then false accusations by wake source. About an hour.
MONTHS ?= 100
SEED   ?= 1
lab: $(BIN)/.installed-dev
	$(BIN)/python -m sniffer.evaluation.lab --months $(MONTHS) --seed $(SEED) --jobs 2
	$(BIN)/python -m sniffer.evaluation.lab.endtoend --months $(MONTHS) --seed $(SEED)

# Packets a second beside every peer that is installed; `python -m tests.bench memory` and `live` are others.
bench: packages $(BIN)/.installed-dev
	$(BIN)/python -m tests.bench offline

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .hypothesis
