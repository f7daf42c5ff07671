# SPDX-License-Identifier: MIT
# Everything that `make check` and its relatives run.

TEST_CFLAGS := $(call pkg,--cflags check zlib)
TEST_LIBS   := $(or $(call pkg,--libs check zlib),-lcheck -lz)

UNIT  := $(call object,$(sort $(wildcard tests/unit/*.c tests/golden/*.c tests/support/*.c)))
FUZZ  := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
TESTS := $(addprefix $(BUILD)/tests/,inject.so scenarios unit print_options dlopen_only npy_tool writer_tool cut_images \
                                     inception attacks record draw $(FUZZ:%=replay_%))

# Tests see the inside of the library. Check's macros for floats promote them to double.
$(BUILD)/obj/tests/%.o: tests/%.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -Ilibjem -Itests/support $(TEST_CFLAGS) $(WARN) -Wno-double-promotion \
	    -DJEM_TEST_DATA='"$(CURDIR)/tests/golden"' $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/obj/tests/fuzz/%.o: TEST_CFLAGS += -Iexamples $(PROGRAM_CFLAGS)

# Unit tests take the objects, because they look inside.
$(BUILD)/tests/unit: $(OBJECTS) $(UNIT)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(OBJECTS) $(UNIT) -o $@ $(LDFLAGS) $(LIBS) $(TEST_LIBS)

$(BUILD)/tests/tsan_threads: $(OBJECTS) $(BUILD)/obj/tests/threads/tsan_threads.o
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $^ -o $@ $(LDFLAGS) $(LIBS)

# What the tests of the programs ask of the kit.
$(foreach t,images inception attacks record draw cli faults,$(BUILD)/obj/tests/$(t)/%.o): TEST_CFLAGS += -Iexamples
$(BUILD)/tests/cut_images: $(BUILD)/obj/tests/images/cut_images.o
$(BUILD)/tests/inception: $(BUILD)/obj/tests/inception/inception.o
$(BUILD)/tests/inception: $(BUILD)/libjemkit-features.a
$(BUILD)/tests/inception: EXTRA = $(BUILD)/libjemkit-features.a $(BUILD)/libjemkit.a $(FEATURE_LIBS)
$(BUILD)/tests/attacks: $(call object,$(sort $(wildcard tests/attacks/*.c)))
$(BUILD)/tests/npy_tool: $(BUILD)/obj/tests/cli/npy_tool.o
$(BUILD)/tests/writer_tool: $(BUILD)/obj/tests/cli/writer_tool.o
$(BUILD)/tests/record: $(BUILD)/obj/tests/record/record.o
$(BUILD)/tests/draw: $(BUILD)/obj/tests/draw/draw.o
$(BUILD)/tests/pages: $(BUILD)/obj/tests/faults/pages.o
$(addprefix $(BUILD)/tests/,cut_images inception attacks npy_tool writer_tool record draw pages): $(BUILD)/libjemkit.a | lib
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(filter %.o,$^) -o $@ $(LDFLAGS) $(EXTRA) $(LINK_KIT)

$(BUILD)/tests/print_options: $(BUILD)/obj/tests/gates/print_options.o | lib
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $< -o $@ $(LDFLAGS) -L$(BUILD) -ljem -Wl,-rpath,'$$ORIGIN/..'

$(BUILD)/tests/dlopen_only: $(BUILD)/obj/tests/ffi/dlopen_only.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $< -o $@ $(LDFLAGS) -ldl

# Faults on purpose (tests/faults/inject.h). Without builtins, or calls of memory functions vanish.
INJECT := tests/faults/inject.c tests/faults/inject_files.c
$(BUILD)/tests/inject.so: $(INJECT) $(wildcard tests/faults/inject*.h) $(BUILD)/flags
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -fPIC -shared -fno-builtin -O1 $(WARN) -Wno-pedantic $(INJECT) -o $@ -ldl

$(BUILD)/tests/scenarios: $(BUILD)/obj/tests/faults/scenarios.o | lib
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $< -o $@ $(LDFLAGS) -L$(BUILD) -ljem -Wl,-rpath,'$$ORIGIN/..'

# A fuzz target with a main() of ours, which replays files, and with that of libFuzzer.
FUZZED = $(OBJECTS) $(BUILD)/obj/tests/fuzz/support.o $(BUILD)/libjemkit.a
$(BUILD)/tests/replay_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/obj/tests/fuzz/replay.o $(FUZZED)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $^ -o $@ $(LDFLAGS) $(LIBS) $(PROGRAM_LIBS)

$(BUILD)/tests/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(FUZZED)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $^ -o $@ $(LDFLAGS) $(LIBS) $(PROGRAM_LIBS)

# Callers are found by the line, so nothing is inlined.
TRACED := -O1 -g -fno-inline -fno-optimize-sibling-calls

check-long: check-pages ## all faults of memory, files and threads, kills, pages in Chromium; in minutes
	@tests/gates/deps.sh check
	+@$(SUBMAKE) BUILD=$(BUILD)/faults CFLAGS='$(TRACED)' all \
	    $(addprefix $(BUILD)/faults/tests/,inject.so scenarios pages inception)
	@/usr/bin/python3 -B tests/faults/faults.py $(BUILD)/faults

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

check-pages: ## the pages and plots of the programs in headless Chromium
	+@$(SUBMAKE) all $(BUILD)/tests/draw
	@JEM_BIN=$(BUILD)/bin bash tests/pages/pages.sh | awk '/^FAIL/ { bad = 1 } !/^ok/ { print } \
	    /^ok/ { n++ } END { print n + 0 " passed"; exit bad }'

check-torch: ## libjem beside PyTorch (docs/results/parity.md), in minutes; TORCH=--markdown
	@tests/gates/deps.sh demo torch
	+@$(SUBMAKE) all
	@/usr/bin/python3 -B tests/torch/converted.py --build $(BUILD)
	@/usr/bin/python3 -B tests/torch/check_torch.py --build $(BUILD) $(TORCH)

-include $(UNIT:.o=.d) $(wildcard $(BUILD)/obj/tests/*/*.d)
