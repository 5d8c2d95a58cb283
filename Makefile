# On a fresh Debian 12 or newer with python3, python3-venv, make and git:
#   make run                        the daemon on the LAN side of this machine
#   make run CAPTURE=file.pcap      the same daemon over a capture
#   make test                       all tests, with what they need
#   make help                       every target
SHELL   := /bin/bash
VENV    := .venv
# The system's Python before a version manager's: `make run` may need sudo, which knows only the former.
PYTHON  ?= $(shell for p in /usr/bin/python3 $$(command -v python3); do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip install --quiet --disable-pip-version-check
CAPTURE ?=
CONFIG  ?= $(wildcard sniffer.yaml)
JOBS    ?= auto
# What `make run` and the image install besides the core, and what the tests need besides.
comma   := ,
EXTRAS  := serve,mqtt,notify,homeassistant
TESTING := $(EXTRAS),dev,testing,pcap,deep,plot
# Debian packages that tests use. make packages installs them.
APT     := tshark tcpdump prometheus prometheus-alertmanager mosquitto espeak-ng iproute2 ethtool nftables docker-compose openssl chromium

.PHONY: help setup run demo test test-fast test-pure test-lowest check fmt docs coverage packages image lab bench fit-ear dist addon constraints sbom test-neighbours audit clean screenshots hostile fit ablate

help:
	@sed -nE 's/^## ?([a-z-]+): (.*)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

## setup: create .venv with the program
setup: $(BIN)/.installed

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or later with venv is required: apt-get install python3 python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# Compiles the C files where there is a compiler; again when one changes. The program gives the same results without.
$(BIN)/.installed: pyproject.toml constraints.txt hatch_build.py $(wildcard sniffer/*/_native.c) | $(BIN)/python
	$(PIP) -c constraints.txt -e '.[$(EXTRAS)]'
	@ls sniffer/*/_native*.so >/dev/null 2>&1 || echo "make: no C compiler found: sniffer runs as pure Python, at about a quarter of the speed (apt-get install gcc libc6-dev python3-dev)" >&2
	@touch $@

$(BIN)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/.installed
	$(PIP) -c constraints.txt -e '.[$(TESTING)]'
	@# The wake-word runtime has no wheel for every machine: its tests are skipped where it cannot be installed.
	-@$(PIP) -c constraints.txt -e '.[listen,parquet,loaders,cluster,zstd]' || echo "make: the extras 'listen', 'parquet', 'loaders', 'cluster' and 'zstd' cannot be installed here; their tests are skipped" >&2
	@touch $@

## run: start the daemon (CAPTURE=file.pcap, CONFIG=sniffer.yaml)
run: setup
	@$(BIN)/sniffer run $(if $(CONFIG),-c $(CONFIG)) $(if $(CAPTURE),--capture '$(CAPTURE)')

## demo: show an evening with two speakers
demo: setup
	@$(BIN)/sniffer demo

## packages: install the Debian packages that tests use (asks first, unless CI=true or YES=1)
packages:
	@tools/packages $(APT)

# Tests that start services may be run again before they fail, and are listed then; pytest alone runs each test once.
## test: run all tests
test: packages $(BIN)/.installed-dev
	SNIFFER_RERUN=1 $(BIN)/python -m pytest -q -raR -n $(JOBS)

## test-fast: run the tests that need no service, no root and no real capture (two minutes on two cores)
test-fast: $(BIN)/.installed-dev
	$(BIN)/python -m pytest -q -n $(JOBS) -m 'not slow'

## test-pure: run the fast tests without the compiled pieces
test-pure: $(BIN)/.installed-dev
	SNIFFER_PURE_PYTHON=1 $(BIN)/python -m pytest -q -n $(JOBS) -m 'not slow'

# The lowest versions that pyproject.toml allows, in a virtual environment of their own.
## test-lowest: run the fast tests with the lowest allowed versions of the dependencies
test-lowest: | $(BIN)/python
	$(PIP) uv
	$(PYTHON) -m venv .venv-lowest
	$(BIN)/uv pip compile -q --no-deps --resolution lowest-direct --extra serve --extra mqtt --extra notify --extra homeassistant \
	  --extra deep --extra testing --python .venv-lowest/bin/python pyproject.toml -o .venv-lowest/lowest.txt
	$(BIN)/uv pip install -q --python .venv-lowest/bin/python -r .venv-lowest/lowest.txt -e '.[dev]'
	.venv-lowest/bin/python -m pytest -q -n $(JOBS) -m 'not slow'

# Beside the real programs: Prometheus, Alertmanager, mosquitto, Docker, Home Assistant's and Grafana's own checks. What
# cannot run here is skipped with its reason.
## test-neighbours: run the tests against the real neighbours
test-neighbours: packages $(BIN)/.installed-dev
	$(BIN)/python -m pytest -q -rs tests/neighbours tests/dashboards tests/sinks tests/wake tests/records/test_loading.py tests/oracles

## check: lint, types and spelling
check: $(BIN)/.installed-dev
	$(BIN)/ruff check sniffer tests dashboards tools
	$(BIN)/ruff format --check sniffer tests dashboards tools
	$(BIN)/mypy
	$(BIN)/codespell --toml pyproject.toml

## fmt: format the code
fmt: $(BIN)/.installed-dev
	$(BIN)/ruff check --fix sniffer tests dashboards tools
	$(BIN)/ruff format sniffer tests dashboards tools

## docs: write the generated pages of docs/
docs: $(BIN)/.installed-dev
	$(BIN)/python tools/make_docs.py

## coverage: run the fast tests and print what they leave out
coverage: $(BIN)/.installed-dev
	$(BIN)/python -m coverage run -m pytest -q -m 'not slow'
	$(BIN)/python -m coverage report --skip-covered --sort=cover

## dist: build the source distribution, the wheel and the Debian package, and check them
dist: $(BIN)/.installed-dev
	$(PIP) build twine
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --outdir dist .
	$(BIN)/python -m twine check --strict dist/*
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python tools/make_packages.py $$(command -v dpkg-deb >/dev/null && echo --deb)

# Exact versions for reproducible installs, for every Python and platform that pyproject.toml allows.
## constraints: write constraints.txt (all extras) and requirements.lock (the image, with hashes) from pyproject.toml
constraints: | $(BIN)/python
	$(PIP) uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-annotate \
	  --custom-compile-command 'make constraints' pyproject.toml -o constraints.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 $(foreach x,$(subst $(comma), ,$(EXTRAS)),--extra $(x)) \
	  --no-annotate --generate-hashes --constraint constraints.txt --custom-compile-command 'make constraints' \
	  pyproject.toml -o requirements.lock

## screenshots: write docs/pictures from the demo evening in Chromium
screenshots: $(BIN)/.installed-dev
	$(BIN)/python tools/screenshots.py

# A folder for /addons of Home Assistant, which builds the image from it.
## addon: put the Home Assistant add-on together in dist/addon/sniffer
addon: $(BIN)/.installed-dev
	$(PIP) build
	rm -rf dist/addon && mkdir -p dist/addon/sniffer
	$(BIN)/python -m build --quiet --sdist --outdir dist/addon/sniffer .
	cp homeassistant/addon/* requirements.lock dist/addon/sniffer/

## sbom: write the software bill of materials of the program and its dependencies to dist/sbom.cdx.json
sbom: requirements.lock
	$(PIP) cyclonedx-bom
	@mkdir -p dist
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible -o dist/sbom.cdx.json

## audit: ask for known vulnerabilities of the locked versions (reads PyPI's advisory data)
audit: requirements.lock
	$(PIP) pip-audit
	$(BIN)/pip-audit --disable-pip --require-hashes -r requirements.lock

## image: build the container image and try it (BASE=debootstrap without a registry, as root)
image:
	BASE='$(BASE)' .ci/image

# False alarms per device-month and recall over simulated houses, then false accusations by wake source. About an hour.
MONTHS ?= 100
SEED   ?= 1
## lab: simulate houses and print recall and false alarms (MONTHS=100, SEED=1)
lab: $(BIN)/.installed-dev
	$(BIN)/python -m sniffer.evaluation.lab --months $(MONTHS) --seed $(SEED) --jobs 2
	$(BIN)/python -m sniffer.evaluation.lab.endtoend --months $(MONTHS) --seed $(SEED)

# Installs the synthesisers, which nothing else needs. Speech that was spoken once is kept in build/speech.
VOICES  := espeak-ng flite festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts
## fit-ear: fit what a listener's testimony weighs (rules/judge/testimony.yml) to synthesised speech; an hour
fit-ear: $(BIN)/.installed-dev
	@tools/packages $(VOICES)
	$(PIP) -e '.[listen,speech,plot]'
	nice $(BIN)/python -m sniffer.evaluation.listener --jobs 2 \
	  --write rules/judge/testimony.yml --plot docs/testimony.png

# `python -m tests.bench memory` and `live` are others.
## bench: packets per second beside every peer that is installed
bench: packages $(BIN)/.installed-dev
	$(BIN)/python -m tests.bench offline

## hostile: attacks, floods, mutated inputs, damage and kills; about two hours, INPUTS=1000000 KILLS=1000 PLACES=1000
INPUTS ?= 1000000
KILLS  ?= 1000
PLACES ?= 1000
hostile: packages $(BIN)/.installed-dev
	$(BIN)/python -m pytest -q tests/hostile tests/web/test_limits.py tests/capture/live/test_descriptors.py tests/app/test_privileges.py tests/app/test_full_disk.py
	SNIFFER_PLACES=$(PLACES) $(BIN)/python -m pytest -q --timeout 3600 tests/sinks/storage/test_damage.py
	SNIFFER_CONFIGS=3000 $(BIN)/python -m pytest -q --timeout 3600 tests/app/test_validation.py
	$(BIN)/python -m tests.hostile.live
	$(BIN)/python -m tests.hostile.doors
	$(BIN)/python -m tests.hostile.mutate --inputs $(INPUTS)
	$(BIN)/python -m tests.hostile.floods
	$(BIN)/python -m tests.hostile.storage
	$(BIN)/python -m tests.sinks.torture --kills $(KILLS)
	$(BIN)/python -m tests.e2e.killed --kills $(KILLS)

# The curves of the evidence, fitted on real captures and simulated houses; prints held-out figures.
DATA ?= ../shared/data
## fit: fit the detector's weights and write rules/detect/evidence.yml (hours; DATA=captures)
fit: $(BIN)/.installed-dev
	nice $(BIN)/python -m sniffer.evaluation.fit $(DATA) --write

# On real captures and on trials of simulated speakers; prints the table of docs/detection.md.
## ablate: measure what each part of the detector is worth (two hours; DATA=captures)
ablate: $(BIN)/.installed-dev
	nice $(BIN)/python -m sniffer.evaluation.ablate $(DATA)

## clean: remove what make created
clean:
	rm -rf $(VENV) .venv-lowest build dist .mypy_cache .ruff_cache .hypothesis .coverage sniffer/*/_native*.so
