# SPDX-License-Identifier: MIT
#
# The build of libjem, for GNU make. `make help` lists what people use. Everything that is made
# goes to $(BUILD); settings come from the command line, for example
#
#     make CC=clang BUILD=build/clang CFLAGS='-O2 -g' WERROR=1 V=1
#
# This file has the settings and what people call; how a room is built stands in the room:
# libjem/libjem.mk, examples/examples.mk, tests/tests.mk, packaging/install.mk.

# --- Settings ----------------------------------------------------------------------------------

BUILD   ?= build
CFLAGS  ?= -O3
LDFLAGS ?=

PREFIX       ?= /usr/local
BINDIR       ?= $(PREFIX)/bin
LIBDIR       ?= $(PREFIX)/lib
DATADIR      ?= $(PREFIX)/share
MANDIR       ?= $(DATADIR)/man
INCLUDEDIR   ?= $(PREFIX)/include
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
INSTALL      ?= install
CLANG_FORMAT ?= clang-format
CLANG_TIDY   ?= clang-tidy
FUZZ_SECONDS ?= 30

# The version has one source: include/jem/version.h.
version = $(shell sed -n 's/.*define JEM_VERSION_$(1) \([0-9]*\)$$/\1/p' include/jem/version.h)
MAJOR   := $(call version,MAJOR)
VERSION := $(MAJOR).$(call version,MINOR).$(call version,PATCH)

# Libraries. BLIS has a .pc file upstream and none in Debian.
pkg = $(shell pkg-config $(1) 2>/dev/null)
ifndef BLIS_LIBS
BLIS_LIBS := $(or $(call pkg,--libs blis),-lblis)
endif
ifndef BLIS_CFLAGS
BLIS_CFLAGS := $(call pkg,--cflags blis)
endif
# Flags that the code needs, whatever CFLAGS says. Products and sums are never contracted, so
# that the same source gives the same bits (docs/numerics.md).
WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef \
            -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wcast-align -Wpointer-arith \
            -Wwrite-strings -Wformat=2 -Wvla -Wswitch-enum -Wfloat-conversion \
            -Wdouble-promotion -Wnull-dereference
BASE     := -std=c11 -D_POSIX_C_SOURCE=200809L -pthread -ffp-contract=off -Iinclude
LIBRARY  := -fPIC -fvisibility=hidden -Ilibjem $(BLIS_CFLAGS)
WARN     := $(WARNINGS) $(if $(WERROR),-Werror)
LIBS     := $(BLIS_LIBS) -lm -pthread
# A static BLIS that was built with OpenMP does not say that it needs it.
OPENMP    = $(if $(shell nm -u "$$($(CC) -print-file-name=libblis.a)" 2>/dev/null | grep GOMP_),-lgomp)
STATIC_LIBS = $(strip $(LIBS) $(OPENMP))
HARDEN   := -Wl,-z,noexecstack -Wl,-z,relro -Wl,-z,now

# --- Rooms -------------------------------------------------------------------------------------

Q   := $(if $(V),,@)
say  = @printf '  %-5s %s\n' $(1) $(2)
# A make of its own, in parallel unless the caller said how parallel.
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
SUBMAKE = $(MAKE) --no-print-directory $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(JOBS))

.PHONY: all lib tests deps demo check check-long check-pages check-san check-clang check-torch fuzz bench \
        experiments experiments-quick experiments-own docs options format \
        format-check tidy abi-store abi-diff install uninstall clean help FORCE
.DELETE_ON_ERROR:
.SECONDARY:

.DEFAULT_GOAL := all
include libjem/libjem.mk examples/examples.mk tests/tests.mk packaging/install.mk

OURS = $(sort $(wildcard include/jem/*.h tests/*/*.[ch] $(foreach d,libjem examples,\
                              $(d)/*/*.[ch] $(d)/*/*/*.[ch] $(d)/*/*/*/*.[ch])))

all: lib $(PROGRAMS) $(LESSONS)
lib: $(BUILD)/$(SO) $(BUILD)/$(NAME) $(BUILD)/libjem.so $(BUILD)/libjem.a
tests: $(TESTS)

# Everything depends on this file, which changes when the compiler or a flag does.
FLAGS_NOW = $(CC) $(CFLAGS) $(BASE) $(LIBRARY) $(LDFLAGS) $(LIBS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' > $@

# --- Trying it out -----------------------------------------------------------------------------

deps: ## install what building, testing and the gates need (Debian packages)
	@tests/gates/deps.sh demo check gates

demo: ## train on Fashion-MNIST and look at the result, in minutes
	@tests/gates/deps.sh demo
	+@$(SUBMAKE) all
	@$(BUILD)/bin/jem-train --preset demo --data fashion-mnist --time-budget 300 \
	    --validate-every 250 --overwrite --out $(BUILD)/demo $(DEMO)
	@$(BUILD)/bin/jem-sample --model $(BUILD)/demo/best.safetensors --preset demo --steps 60 \
	    --data fashion-mnist --out $(BUILD)/demo/drawn --json $(BUILD)/demo/drawn/sample.json
	@$(BUILD)/bin/jem-demo --model $(BUILD)/demo/best.safetensors --run $(BUILD)/demo \
	    --data fashion-mnist --out $(BUILD)/demo

# The shipped models. One that is missing is named by what opens it.
SHIPPED := examples/models/fashion-mnist
REPORT   = $(BUILD)/bin/jem-report --jem $(SHIPPED)-jem.safetensors \
    --classifier $(SHIPPED)-classifier.safetensors --ebm $(SHIPPED)-ebm.safetensors \
    --data fashion-mnist

experiments-quick: ## every experiment of the paper on the shipped models, in minutes
	@tests/gates/deps.sh demo
	+@$(SUBMAKE) all
	@$(REPORT) --quick --out $(BUILD)/experiments --json $(BUILD)/experiments/report.json

experiments: ## the same at full size, in hours
	@tests/gates/deps.sh demo
	+@$(SUBMAKE) all
	@$(REPORT) --out $(BUILD)/experiments-full --json $(BUILD)/experiments-full/report.json

experiments-own: all ## train without a setting on twelve sets of pictures; CIFAR10=DIR, NOTMNIST=DIR; in hours
	@tests/gates/deps.sh demo own
	@/usr/bin/python3 -B examples/experiments/own/own.py $(BUILD) $(BUILD)/own $(OWN)

bench: all ## time the main operations beside PyTorch and oneDNN; BENCH=full: all of them
	@CC='$(CC)' tests/bench/run.py --build $(BUILD) $(BENCH)

# --- Checking ----------------------------------------------------------------------------------

check: ## unit tests, gates and tests of the programs
	@tests/gates/deps.sh check
	+@$(SUBMAKE) all tests
	@MAKE='$(MAKE)' CC='$(CC)' tests/gates/check.sh $(BUILD)

docs: ## the API reference, in build/docs/html; a symbol without documentation fails
	@tests/gates/doxygen.sh $(BUILD) $(VERSION)

options: lib $(BUILD)/tests/print_options ## write docs/options.md and tests/abi/options.txt
	@$(BUILD)/tests/print_options > docs/options.md
	@$(BUILD)/tests/print_options --abi > tests/abi/options.txt

format: ## lay out all C files
	@$(CLANG_FORMAT) -i $(OURS)

format-check: ## fail on a file that `make format` would change
	@$(CLANG_FORMAT) --dry-run --Werror $(OURS) && echo 'format: $(words $(OURS)) files'

tidy: ## clang-tidy over all C files
	@CLANG_TIDY=$(CLANG_TIDY) JOBS=$(JOBS) tests/gates/tidy.sh

abi-store: ## record the ABI of a release in tests/abi/libjem.abi
	+@$(SUBMAKE) BUILD=$(BUILD)/abi CFLAGS='-O0 -g' lib
	@tests/gates/abi.sh store $(BUILD)/abi

abi-diff: ## compare the ABI with the recorded one: additions only
	+@$(SUBMAKE) BUILD=$(BUILD)/abi CFLAGS='-O0 -g' lib
	@tests/gates/abi.sh diff $(BUILD)/abi

clean: ## remove everything that was made
	rm -rf $(BUILD)

help: ## this list
	@echo 'make [all]             libjem.so, libjem.a and the programs, in $(BUILD)/'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1 \2/p' \
	    Makefile tests/tests.mk packaging/install.mk | \
	    while read -r make target text; do printf 'make %-17s %s\n' "$$target" "$$text"; done
