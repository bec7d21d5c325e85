# Everything a person does with MeshNode. Root is asked for one thing only: to install system packages.
#
#   make demo       packages, build, and five nodes on this machine until Ctrl-C
#   make test       packages, build, and the whole test suite
#   make build      .build/release/meshnode
#   make sim        every partition scenario of simulations/
#   make install    a binary without the toolchain's libraries in $(PREFIX)
#   make packages   only the system packages that are missing
#   make format     one style for all Swift files

SHELL := /bin/bash
MAKEFLAGS += --no-print-directory

PREFIX ?= $(HOME)/.local
# A target may import only what it depends on: sideways imports fail the build.
CHECKED := --explicit-target-dependency-import-check error
MESHNODE := .build/release/meshnode
# A static build shares no object with the usual one, so it gets a folder of its own.
STATIC := .build-static

.DEFAULT_GOAL := build
.PHONY: build test demo sim install format packages test-packages

build:
	swift build -c release --product meshnode $(CHECKED)

packages:
	@scripts/install-packages.sh

test-packages:
	@scripts/install-packages.sh --with-tests

# Suites that start real agents or a browser want the machine to themselves.
WHOLE_MACHINE := RealProcesses|MeshNodeTests\.BrowserTests

# One configuration for both steps, so that nothing is built twice. The last lines are the test library's own summary.
test: test-packages
	swift build -c release --build-tests $(CHECKED)
	swift test -c release --skip-build --disable-xctest --skip '$(WHOLE_MACHINE)'
	swift test -c release --skip-build --disable-xctest --filter '$(WHOLE_MACHINE)' --no-parallel

demo: packages build
	$(MESHNODE) demo

sim: build
	$(MESHNODE) simulate simulations/*.scenario

# The interface's files lie beside the real binary; $(PREFIX)/bin holds a link to it.
install:
	swift build -c release --product meshnode $(CHECKED) --static-swift-stdlib --scratch-path $(STATIC)
	scripts/install-binary.sh $(STATIC)/release "$(PREFIX)"

format:
	swift format -i -r Sources Tests Package.swift
