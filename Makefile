# `make run` and `make test` work on a fresh Debian 12 or newer with python3, python3-venv, make and git.
VENV   := .venv
PYTHON ?= $(shell command -v /usr/bin/python3 || command -v python3)
STAMP  := $(VENV)/.installed

.PHONY: run test check setup clean
