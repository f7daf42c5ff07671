# SPDX-License-Identifier: MIT
# `make install` and `make uninstall`: the library, and the programs with their pages.

TOOLS  := $(notdir $(PROGRAMS))
MODELS := $(wildcard examples/models/*)
BASH_COMPLETIONS = $(DATADIR)/bash-completion/completions
ZSH_COMPLETIONS  = $(DATADIR)/zsh/site-functions
LIB_FROM_BIN     = $(shell realpath -m --relative-to='$(BINDIR)' '$(LIBDIR)')

# Always written anew: PREFIX may differ between `make` and `make install`.
$(BUILD)/jem.pc: jem.pc.in include/jem/version.h FORCE
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
	    -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@LIBS@|$(STATIC_LIBS)|' \
	    -e '2,$$s|=$(PREFIX)/|=$${prefix}/|' $< > $@

# Man pages and completions are what a program says of its own options.
PAGES := $(BUILD)/share
MAN   := $(TOOLS:%=$(PAGES)/%.1)
BASH  := $(TOOLS:%=$(PAGES)/%.bash)
ZSH   := $(TOOLS:%=$(PAGES)/%.zsh)
$(MAN):  $(PAGES)/%.1:    $(BUILD)/bin/% ; @mkdir -p $(@D) && $< --print-man > $@
$(BASH): $(PAGES)/%.bash: $(BUILD)/bin/% ; @mkdir -p $(@D) && $< --print-completion bash > $@
$(ZSH):  $(PAGES)/%.zsh:  $(BUILD)/bin/% ; @mkdir -p $(@D) && $< --print-completion zsh > $@

.PHONY: install-lib install-programs

install: install-lib install-programs ## everything, below $(DESTDIR)$(PREFIX)

install-lib: lib $(BUILD)/jem.pc ## library, headers and jem.pc only
	$(Q)$(INSTALL) -d '$(DESTDIR)$(LIBDIR)' '$(DESTDIR)$(INCLUDEDIR)/jem' '$(DESTDIR)$(PKGCONFIGDIR)'
	$(Q)$(INSTALL) -m 755 $(BUILD)/$(SO) '$(DESTDIR)$(LIBDIR)'
	$(Q)$(INSTALL) -m 644 $(BUILD)/libjem.a '$(DESTDIR)$(LIBDIR)'
	$(Q)ln -sf $(SO) '$(DESTDIR)$(LIBDIR)/$(NAME)'
	$(Q)ln -sf $(NAME) '$(DESTDIR)$(LIBDIR)/libjem.so'
	$(Q)$(INSTALL) -m 644 $(HEADERS) '$(DESTDIR)$(INCLUDEDIR)/jem'
	$(Q)$(INSTALL) -m 644 $(BUILD)/jem.pc '$(DESTDIR)$(PKGCONFIGDIR)'

install-programs: $(STAGED) $(MAN) $(BASH) $(ZSH)
	$(Q)$(INSTALL) -d '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(MANDIR)/man1' '$(DESTDIR)$(DATADIR)/jem/models' \
	    '$(DESTDIR)$(BASH_COMPLETIONS)' '$(DESTDIR)$(ZSH_COMPLETIONS)'
	$(Q)$(INSTALL) -m 755 $(STAGED) '$(DESTDIR)$(BINDIR)'
	$(Q)$(INSTALL) -m 644 $(MAN) '$(DESTDIR)$(MANDIR)/man1'
	$(Q)$(INSTALL) -m 644 $(MODELS) '$(DESTDIR)$(DATADIR)/jem/models'
	$(Q)$(foreach t,$(TOOLS),$(INSTALL) -m 644 $(PAGES)/$(t).bash '$(DESTDIR)$(BASH_COMPLETIONS)/$(t)' &&) :
	$(Q)$(foreach t,$(TOOLS),$(INSTALL) -m 644 $(PAGES)/$(t).zsh '$(DESTDIR)$(ZSH_COMPLETIONS)/_$(t)' &&) :

# Folders that hold nothing but files of libjem go as well.
uninstall: ## remove what `make install` with the same settings put there
	$(Q)rm -f $(foreach f,$(SO) $(NAME) libjem.so libjem.a,'$(DESTDIR)$(LIBDIR)/$(f)')
	$(Q)rm -f $(foreach f,$(notdir $(HEADERS)),'$(DESTDIR)$(INCLUDEDIR)/jem/$(f)')
	$(Q)rm -f '$(DESTDIR)$(PKGCONFIGDIR)/jem.pc'
	$(Q)rm -f $(foreach t,$(TOOLS),'$(DESTDIR)$(BINDIR)/$(t)' '$(DESTDIR)$(MANDIR)/man1/$(t).1' \
	    '$(DESTDIR)$(BASH_COMPLETIONS)/$(t)' '$(DESTDIR)$(ZSH_COMPLETIONS)/_$(t)')
	$(Q)rm -f $(foreach f,$(notdir $(MODELS)),'$(DESTDIR)$(DATADIR)/jem/models/$(f)')
	$(Q)for d in '$(INCLUDEDIR)/jem' '$(DATADIR)/jem/models' '$(DATADIR)/jem'; do \
	    if [ -d "$(DESTDIR)$$d" ]; then rmdir "$(DESTDIR)$$d"; fi; done
