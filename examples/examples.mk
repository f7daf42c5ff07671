# SPDX-License-Identifier: MIT
# The kit that programs share, as two archives, and the programs: lessons, tools, experiments.

PROGRAM_CFLAGS := $(call pkg,--cflags libpng libjpeg libzip zlib jansson libmd)
PROGRAM_LIBS   := $(or $(call pkg,--libs libpng libjpeg libzip zlib jansson libmd),-lpng -ljpeg -lzip -lz \
                          -ljansson -lmd)
# What the room "features" needs. dgemm and the like come from whatever -lblas is; on Debian that
# can be BLIS.
FEATURE_LIBS   := -ldnnl -lgomp -llapacke -llapack -lblas

object   = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
FEATURES := $(call object,$(sort $(wildcard examples/kit/features/*.c)))
KIT      := $(filter-out $(FEATURES),$(call object,$(sort $(wildcard examples/kit/*/*.c))))
MAINS    := $(sort $(wildcard examples/tools/jem-*.c examples/*/*/jem-*.c))
PROGRAMS := $(patsubst %.c,$(BUILD)/bin/%,$(notdir $(MAINS)))
LESSONS  := $(patsubst %.c,$(BUILD)/bin/%,$(notdir $(sort $(wildcard examples/lessons/*.c))))

$(BUILD)/obj/examples/%.o: examples/%.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) -Iexamples $(PROGRAM_CFLAGS) $(WARN) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/libjemkit.a: $(KIT)
$(BUILD)/libjemkit-features.a: $(FEATURES)
$(BUILD)/libjemkit.a $(BUILD)/libjemkit-features.a:
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Programs find the library from their own folder: in the build tree above it, and, linked once
# more for `make install` into $(STAGE), where LIBDIR lies from BINDIR.
STAGE    := $(BUILD)/stage
FROM_BIN  = $(if $(filter $(STAGE)/%,$@),$(LIB_FROM_BIN),..)
LINK_KIT  = $(BUILD)/libjemkit.a -L$(BUILD) -ljem -Wl,-rpath,'$$ORIGIN/$(FROM_BIN)' \
            $(PROGRAM_LIBS) -lm -pthread

# A program is one file in tools/, or a folder: jem-NAME.c and what stands beside it.
parts_of = $(if $(filter examples/tools/,$(dir $(1))),$(1),$(wildcard $(dir $(1))*.c))
define program
$(BUILD)/bin/$(basename $(notdir $(1))) $(STAGE)/$(basename $(notdir $(1))): \
    $(call object,$(call parts_of,$(1)))
endef
$(foreach main,$(MAINS),$(eval $(call program,$(main))))

STAGED := $(PROGRAMS:$(BUILD)/bin/%=$(STAGE)/%)
$(STAGED): FORCE
$(filter-out %/jem-bench,$(PROGRAMS) $(STAGED)): $(BUILD)/libjemkit.a | lib
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(filter %.o,$^) -o $@ $(HARDEN) $(LDFLAGS) $(EXTRA) $(LINK_KIT)

$(BUILD)/bin/jem-hybrid $(STAGE)/jem-hybrid: $(BUILD)/libjemkit-features.a
$(BUILD)/bin/jem-hybrid $(STAGE)/jem-hybrid: EXTRA = $(BUILD)/libjemkit-features.a $(BUILD)/libjemkit.a $(FEATURE_LIBS)

# jem-bench takes the library's objects, because it times single convolutions.
$(BUILD)/obj/examples/tools/jem-bench/%.o: PROGRAM_CFLAGS += -Ilibjem
$(BUILD)/bin/jem-bench $(STAGE)/jem-bench: $(OBJECTS) $(BUILD)/libjemkit.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(filter %.o,$^) -o $@ $(HARDEN) $(LDFLAGS) $(BUILD)/libjemkit.a $(LIBS) $(PROGRAM_LIBS)

# Lessons use the library and nothing else.
$(LESSONS): $(BUILD)/bin/%: $(BUILD)/obj/examples/lessons/%.o | lib
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $< -o $@ $(LDFLAGS) -L$(BUILD) -ljem -Wl,-rpath,'$$ORIGIN/..' -lm

-include $(KIT:.o=.d) $(FEATURES:.o=.d) $(wildcard $(BUILD)/obj/examples/*/*.d $(BUILD)/obj/examples/*/*/*.d)
