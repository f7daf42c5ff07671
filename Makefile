# SPDX-License-Identifier: MIT
#
# The build of libjem, for GNU make. `make help` lists what people use. Everything that is made
# goes to $(BUILD); settings come from the command line, for example
#
#     make CC=clang BUILD=build/clang CFLAGS='-O2 -g' WERROR=1 V=1

# --- Settings ----------------------------------------------------------------------------------

BUILD   ?= build
CFLAGS  ?= -O3
LDFLAGS ?=

PREFIX       ?= /usr/local
LIBDIR       ?= $(PREFIX)/lib
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

# Libraries. BLIS has a .pc file upstream and none in Debian; jansson has one everywhere.
pkg = $(shell pkg-config $(1) 2>/dev/null)
ifndef BLIS_LIBS
BLIS_LIBS := $(or $(call pkg,--libs blis),-lblis)
endif
ifndef BLIS_CFLAGS
BLIS_CFLAGS := $(call pkg,--cflags blis)
endif
JANSSON_CFLAGS := $(call pkg,--cflags jansson)
JANSSON_LIBS   := $(or $(call pkg,--libs jansson),-ljansson)
PROGRAM_CFLAGS := $(call pkg,--cflags libpng libjpeg zlib jansson libmd)
PROGRAM_LIBS   := $(or $(call pkg,--libs libpng libjpeg zlib jansson libmd),-lpng -ljpeg -lz \
                          -ljansson -lmd)
# jem-hybrid's alone. dgemm and the like come from whatever -lblas is; on Debian that can be BLIS.
HYBRID_LIBS    := -ldnnl -lgomp -llapacke -llapack -lblas
TEST_CFLAGS    := $(call pkg,--cflags check zlib)
TEST_LIBS      := $(or $(call pkg,--libs check zlib),-lcheck -lz)

# Flags that the code needs, whatever CFLAGS says. Products and sums are never contracted, so
# that the same source gives the same bits (docs/numerics.md).
WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef \
            -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wcast-align -Wpointer-arith \
            -Wwrite-strings -Wformat=2 -Wvla -Wswitch-enum -Wfloat-conversion \
            -Wdouble-promotion -Wnull-dereference
BASE     := -std=c11 -D_POSIX_C_SOURCE=200809L -pthread -ffp-contract=off -Iinclude
LIBRARY  := -fPIC -fvisibility=hidden -Ilibjem $(BLIS_CFLAGS) $(JANSSON_CFLAGS)
WARN     := $(WARNINGS) $(if $(WERROR),-Werror)
LIBS     := $(BLIS_LIBS) $(JANSSON_LIBS) -lm -pthread
HARDEN   := -Wl,-z,noexecstack -Wl,-z,relro -Wl,-z,now

# --- Files -------------------------------------------------------------------------------------

SO   := libjem.so.$(VERSION)
NAME := libjem.so.$(MAJOR)

HEADERS  := $(sort $(wildcard include/jem/*.h))
SOURCES  := $(sort $(wildcard libjem/*/*.c libjem/backend/*/*.c))
OBJECTS  := $(SOURCES:%.c=$(BUILD)/obj/%.o)
TIMING   := $(patsubst %.c,$(BUILD)/obj/%.o,examples/jem-bench.c \
                                          $(sort $(wildcard examples/support/bench_*.c)))
HYBRID   := $(patsubst %,$(BUILD)/obj/examples/support/%.o,inception inception_dnn features \
                                          frechet inception_score resize_tf1)
SUPPORT  := $(filter-out $(TIMING) $(HYBRID),$(patsubst %.c,$(BUILD)/obj/%.o,\
                                     $(sort $(wildcard examples/support/*.c))))
TOOLS    := $(patsubst examples/%.c,$(BUILD)/bin/%,$(filter-out examples/jem-bench.c,\
                                                     $(sort $(wildcard examples/jem-*.c))))
LESSONS  := $(patsubst examples/%.c,$(BUILD)/bin/%,$(sort $(wildcard examples/[0-9][0-9]_*.c)))
UNIT     := $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard tests/unit/*.c tests/golden/*.c \
                                                              tests/support/*.c)))
FUZZ     := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
TESTS    := $(addprefix $(BUILD)/tests/,unit print_options dlopen_only npy_tool cut_images \
                                     inception attacks $(FUZZ:%=replay_%))
OURS      = $(sort $(wildcard include/jem/*.h libjem/*/*.[ch] libjem/backend/*/*.[ch] \
                              examples/*.[ch] examples/*/*.[ch] tests/*/*.[ch]))

Q   := $(if $(V),,@)
say  = @printf '  %-5s %s\n' $(1) $(2)
# A make of its own, in parallel unless the caller said how parallel.
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
SUBMAKE = $(MAKE) --no-print-directory $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(JOBS))

.PHONY: all lib tests deps demo check check-san check-clang check-torch fuzz bench \
        experiments experiments-quick docs options format \
        format-check tidy abi-store abi-diff install uninstall clean help FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: lib $(TOOLS) $(BUILD)/bin/jem-bench $(LESSONS)
lib: $(BUILD)/$(SO) $(BUILD)/$(NAME) $(BUILD)/libjem.so $(BUILD)/libjem.a
tests: $(TESTS)

# --- Compiling ---------------------------------------------------------------------------------

# Everything depends on this file, which changes when the compiler or a flag does.
FLAGS_NOW = $(CC) $(CFLAGS) $(BASE) $(LIBRARY) $(LDFLAGS) $(LIBS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' > $@

# Kernels for one instruction set; the code asks the processor before it calls them.
ifneq ($(filter x86_64-% amd64-%,$(shell $(CC) -dumpmachine 2>/dev/null)),)
$(BUILD)/obj/%_avx2.o:   KERNEL := -mavx2 -mfma $(KERNEL_FLAGS)
$(BUILD)/obj/%_avx512.o: KERNEL := -mavx512f -mavx2 -mfma $(KERNEL_FLAGS)
endif

$(BUILD)/obj/libjem/%.o: libjem/%.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) $(LIBRARY) $(WARN) $(CFLAGS) $(KERNEL) -MMD -MP -c $< -o $@

$(BUILD)/obj/examples/%.o: examples/%.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -Iexamples $(PROGRAM_CFLAGS) $(WARN) $(CFLAGS) -MMD -MP -c $< -o $@

# Tests see the inside of the library. Check's macros for floats promote them to double.
$(BUILD)/obj/tests/%.o: tests/%.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -Ilibjem -Itests/support $(TEST_CFLAGS) $(WARN) -Wno-double-promotion \
	    -DJEM_TEST_DATA='"$(CURDIR)/tests/golden"' $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/obj/tests/fuzz/%.o: TEST_CFLAGS += -Iexamples $(PROGRAM_CFLAGS)

-include $(OBJECTS:.o=.d) $(SUPPORT:.o=.d) $(HYBRID:.o=.d) $(TIMING:.o=.d) $(UNIT:.o=.d) \
         $(wildcard $(BUILD)/obj/examples/*.d $(BUILD)/obj/tests/*/*.d)

# --- Linking -----------------------------------------------------------------------------------

$(BUILD)/$(SO): $(OBJECTS) libjem/libjem.map
	$(call say,LD,$@)
	$(Q)$(CC) -shared $(CFLAGS) $(OBJECTS) -o $@ -Wl,-soname,$(NAME) -Wl,-z,defs $(HARDEN) \
	    -Wl,--version-script,libjem/libjem.map $(LDFLAGS) $(LIBS)

$(BUILD)/$(NAME) $(BUILD)/libjem.so: $(BUILD)/$(SO)
	@ln -sf $(SO) $@

# One object in which only jem_* is global, so that the archive exports what the .so does.
$(BUILD)/libjem.a: $(OBJECTS)
	$(call say,AR,$@)
	$(Q)$(LD) -r $(OBJECTS) -o $(BUILD)/obj/libjem.o
	$(Q)objcopy --localize-hidden $(BUILD)/obj/libjem.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(BUILD)/obj/libjem.o

# Programs find the library beside their own folder.
LINK_JEM := -L$(BUILD) -ljem -Wl,-rpath,'$$ORIGIN/..'

$(TOOLS): $(BUILD)/bin/%: $(BUILD)/obj/examples/%.o $(SUPPORT) | lib
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $^ -o $@ $(HARDEN) $(LDFLAGS) $(LINK_JEM) $(PROGRAM_LIBS) -lm -pthread

$(BUILD)/bin/jem-hybrid $(BUILD)/tests/inception: $(HYBRID)
$(BUILD)/bin/jem-hybrid $(BUILD)/tests/inception: PROGRAM_LIBS += $(HYBRID_LIBS)

# jem-bench takes the objects, because it times single convolutions.
$(TIMING): PROGRAM_CFLAGS += -Ilibjem
$(BUILD)/bin/jem-bench: $(TIMING) $(SUPPORT) $(OBJECTS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $^ -o $@ $(HARDEN) $(LDFLAGS) $(LIBS) $(PROGRAM_LIBS)

$(LESSONS): $(BUILD)/bin/%: $(BUILD)/obj/examples/%.o | lib
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $< -o $@ $(LDFLAGS) $(LINK_JEM) -lm

# Unit tests take the objects, because they look inside.
$(BUILD)/tests/unit: $(OBJECTS) $(UNIT)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(OBJECTS) $(UNIT) -o $@ $(LDFLAGS) $(LIBS) $(TEST_LIBS)

$(BUILD)/tests/tsan_threads: $(OBJECTS) $(BUILD)/obj/tests/threads/tsan_threads.o
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $^ -o $@ $(LDFLAGS) $(LIBS)

# What the tests of the programs ask of examples/support.
$(foreach t,images inception attacks,$(BUILD)/obj/tests/$(t)/%.o): TEST_CFLAGS += -Iexamples
$(BUILD)/tests/cut_images: $(BUILD)/obj/tests/images/cut_images.o
$(BUILD)/tests/inception: $(BUILD)/obj/tests/inception/inception.o
$(BUILD)/tests/attacks: $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard tests/attacks/*.c)))
$(BUILD)/tests/cut_images $(BUILD)/tests/inception $(BUILD)/tests/attacks: $(SUPPORT) | lib
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $^ -o $@ $(LDFLAGS) $(LINK_JEM) $(PROGRAM_LIBS) -lm

$(BUILD)/tests/print_options: $(BUILD)/obj/tests/gates/print_options.o | lib
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $< -o $@ $(LDFLAGS) $(LINK_JEM)

$(BUILD)/tests/dlopen_only: $(BUILD)/obj/tests/ffi/dlopen_only.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $< -o $@ $(LDFLAGS) -ldl

$(BUILD)/obj/tests/cli/npy_tool.o: TEST_CFLAGS += -Iexamples
$(BUILD)/tests/npy_tool: $(BUILD)/obj/tests/cli/npy_tool.o $(SUPPORT) | lib
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $< $(SUPPORT) -o $@ $(LDFLAGS) $(LINK_JEM) $(PROGRAM_LIBS) -lm -pthread

# A fuzz target with a main() of ours, which replays files, and with that of libFuzzer.
FUZZED = $(OBJECTS) $(SUPPORT) $(BUILD)/obj/tests/fuzz/support.o
$(BUILD)/tests/replay_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/obj/tests/fuzz/replay.o $(FUZZED)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $^ -o $@ $(LDFLAGS) $(LIBS) $(PROGRAM_LIBS)

$(BUILD)/tests/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(FUZZED)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $^ -o $@ $(LDFLAGS) $(LIBS) $(PROGRAM_LIBS)

# --- Trying it out -----------------------------------------------------------------------------

deps: ## install what building, testing and the gates need (Debian packages)
	@tests/gates/deps.sh demo check gates

demo: ## train on Fashion-MNIST and look at the result, in minutes
	@tests/gates/deps.sh demo
	+@$(SUBMAKE) all
	@$(BUILD)/bin/jem-train --preset demo --data fashion-mnist --time-budget 300 \
	    --validate-every 250 --overwrite --out $(BUILD)/demo $(DEMO)
	@$(BUILD)/bin/jem-sample --model $(BUILD)/demo/best.safetensors --preset demo --steps 60 \
	    --data fashion-mnist --out $(BUILD)/demo/drawn
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

bench: all ## time the main operations beside PyTorch and oneDNN; BENCH=full: all of them
	@CC='$(CC)' tests/bench/run.py --build $(BUILD) $(BENCH)

# --- Checking ----------------------------------------------------------------------------------

check: ## unit tests, gates and tests of the programs
	@tests/gates/deps.sh check
	+@$(SUBMAKE) all tests
	@MAKE='$(MAKE)' CC='$(CC)' tests/gates/check.sh $(BUILD)

# The same unit tests with other eyes: clang's code, its sanitizers, gcc's thread sanitizer.
ASAN := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZING := $(ASAN) -fsanitize=fuzzer-no-link
TSAN := -O1 -g -fsanitize=thread

check-clang: ## the unit tests, compiled by clang
	+@$(SUBMAKE) BUILD=$(BUILD)/clang CC=clang lib $(BUILD)/clang/tests/unit
	@tests/gates/unit.sh $(BUILD)/clang

check-san: ## the unit tests under ASan and UBSan, threads under TSan
	@tests/gates/deps.sh check
	+@$(SUBMAKE) BUILD=$(BUILD)/asan CC=clang CFLAGS='$(ASAN)' \
	    $(addprefix $(BUILD)/asan/tests/,unit $(FUZZ:%=replay_%))
	+@$(SUBMAKE) BUILD=$(BUILD)/tsan CC=gcc CFLAGS='$(TSAN)' $(BUILD)/tsan/tests/tsan_threads
	@tests/gates/unit.sh $(BUILD)/asan 20
	@tests/gates/fuzz.sh $(BUILD)/asan
	@tests/gates/tsan.sh $(BUILD)/tsan

# Kernels for one instruction set are left alone: clang takes ten minutes to instrument them.
fuzz: ## libFuzzer on each parser, FUZZ_SECONDS=30 each; FUZZ='NAME...': on these
	@tests/gates/deps.sh check
	+@$(SUBMAKE) BUILD=$(BUILD)/fuzz CC=clang CFLAGS='$(FUZZING)' KERNEL_FLAGS=-fno-sanitize=all \
	    $(FUZZ:%=$(BUILD)/fuzz/tests/fuzz_%)
	@tests/fuzz/run.sh $(BUILD)/fuzz $(FUZZ_SECONDS) $(FUZZ)

check-torch: ## libjem beside PyTorch (docs/parity.md), in minutes; TORCH=--markdown
	@tests/gates/deps.sh demo torch
	+@$(SUBMAKE) all
	@/usr/bin/python3 -B tests/torch/converted.py --build $(BUILD)
	@/usr/bin/python3 -B tests/torch/check_torch.py --build $(BUILD) $(TORCH)

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

# --- Installing --------------------------------------------------------------------------------

# Always written anew: PREFIX may differ between `make` and `make install`.
$(BUILD)/jem.pc: jem.pc.in include/jem/version.h FORCE
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
	    -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@LIBS@|$(LIBS)|' \
	    -e '2,$$s|=$(PREFIX)/|=$${prefix}/|' $< > $@

install: lib $(BUILD)/jem.pc ## library, headers and jem.pc below $(DESTDIR)$(PREFIX)
	$(Q)$(INSTALL) -d '$(DESTDIR)$(LIBDIR)' '$(DESTDIR)$(INCLUDEDIR)/jem' '$(DESTDIR)$(PKGCONFIGDIR)'
	$(Q)$(INSTALL) -m 755 $(BUILD)/$(SO) '$(DESTDIR)$(LIBDIR)'
	$(Q)$(INSTALL) -m 644 $(BUILD)/libjem.a '$(DESTDIR)$(LIBDIR)'
	$(Q)ln -sf $(SO) '$(DESTDIR)$(LIBDIR)/$(NAME)'
	$(Q)ln -sf $(NAME) '$(DESTDIR)$(LIBDIR)/libjem.so'
	$(Q)$(INSTALL) -m 644 $(HEADERS) '$(DESTDIR)$(INCLUDEDIR)/jem'
	$(Q)$(INSTALL) -m 644 $(BUILD)/jem.pc '$(DESTDIR)$(PKGCONFIGDIR)'

uninstall: ## remove what `make install` with the same settings put there
	$(Q)rm -f $(foreach f,$(SO) $(NAME) libjem.so libjem.a,'$(DESTDIR)$(LIBDIR)/$(f)')
	$(Q)rm -f $(foreach f,$(notdir $(HEADERS)),'$(DESTDIR)$(INCLUDEDIR)/jem/$(f)')
	$(Q)rm -f '$(DESTDIR)$(PKGCONFIGDIR)/jem.pc'
	$(Q)if [ -d '$(DESTDIR)$(INCLUDEDIR)/jem' ]; then rmdir '$(DESTDIR)$(INCLUDEDIR)/jem'; fi

clean: ## remove everything that was made
	rm -rf $(BUILD)

help: ## this list
	@echo 'make [all]             libjem.so, libjem.a and the programs, in $(BUILD)/'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1 \2/p' Makefile | \
	    while read -r make target text; do printf 'make %-17s %s\n' "$$target" "$$text"; done
