# SPDX-License-Identifier: MIT
# `make install` and `make uninstall`.

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

