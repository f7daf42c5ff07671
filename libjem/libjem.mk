# SPDX-License-Identifier: MIT
# The library, shared and static.

SO   := libjem.so.$(VERSION)
NAME := libjem.so.$(MAJOR)

HEADERS := $(sort $(wildcard include/jem/*.h))
SOURCES := $(sort $(wildcard libjem/*/*.c libjem/*/*/*.c libjem/*/*/*/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)

# Kernels for one instruction set; the code asks the processor before it calls them.
ifneq ($(filter x86_64-% amd64-%,$(shell $(CC) -dumpmachine 2>/dev/null)),)
$(BUILD)/obj/%_avx2.o:   KERNEL := -mavx2 -mfma $(KERNEL_FLAGS)
$(BUILD)/obj/%_avx512.o: KERNEL := -mavx512f -mavx2 -mfma $(KERNEL_FLAGS)
endif

$(BUILD)/obj/libjem/%.o: libjem/%.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) $(LIBRARY) $(WARN) $(CFLAGS) $(KERNEL) -MMD -MP -c $< -o $@

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

-include $(OBJECTS:.o=.d)
