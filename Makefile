# stook: one makefile, not recursive. Everything that is built lands under $(BUILD).
CC ?= gcc
BUILD ?= build
PREFIX ?= /usr/local
SAN ?=

CFLAGS ?= -O2 -g
WARN = -Wall -Wextra -Wshadow -Wconversion -Wvla -Werror
HARDEN = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -ffp-contract=off
HARDEN_LD = -pie -Wl,-z,relro,-z,now
ifneq ($(SAN),)
SAN_asan = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SAN_ubsan = -fsanitize=undefined -fno-sanitize-recover=all
SAN_tsan = -fsanitize=thread
BUILD := $(BUILD)-$(SAN)
HARDEN := -ffp-contract=off -fPIE $(SAN_$(SAN))
HARDEN_LD := -pie $(SAN_$(SAN))
endif
ALL_CFLAGS = -std=gnu11 -I. -D_GNU_SOURCE -pthread $(WARN) $(HARDEN) $(CFLAGS) -MMD -MP
LIBS = -lzstd -llz4 -ldeflate -lz -lbz2 -llzma -lpcre2-8 -lgmp -ljansson -lm -lpthread
# ISA-L decodes gzip faster than zlib, where it is installed; the static bundle goes without (lib/io/codec_isal.c).
ifneq ($(wildcard /usr/include/isa-l.h),)
HARDEN_LD += -Wl,-u,codec_isal_decoder
LIBS_ISAL = -lisal
endif
FANOUT_LIBS = -lssh2 -larchive $(LIBS)
GET_LIBS = -lcurl -larchive -lcrypto $(LIBS)

LIB_SRC := $(wildcard lib/*/*.c)
TOOL_SRC := $(filter-out tools/main.c tools/stook.c tools/bundle.c tools/unpack.c tools/all.c,$(wildcard tools/*.c))
TOOLS := $(patsubst tools/%.c,%,$(TOOL_SRC))
FANOUT_SRC := $(wildcard fanout/*.c)
GET_SRC := $(wildcard get/*.c)
SHIM_SRC := $(wildcard fanout/shim*.c) $(wildcard fanout/wire*.c)
UNIT_SRC := $(wildcard tests/unit/*.c)
FUZZ_SRC := $(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c))

# V=1 shows the commands.
Q = $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(patsubst $(BUILD)/%,%,$@))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LIB := $(BUILD)/libstook.a
ALL := $(BUILD)/libfanout.a
GET := $(BUILD)/libget.a
BIN := $(BUILD)/bin
PROGRAMS := $(addprefix $(BIN)/stook-,$(TOOLS))
PROGRAMS += $(if $(wildcard tools/stook.c),$(BIN)/stook)
PROGRAMS += $(if $(wildcard fanout/main.c),$(BIN)/fanout)
PROGRAMS += $(BIN)/stook-get
BUNDLE := $(if $(wildcard tools/bundle.c),$(BUILD)/libexec/stook-bundle $(BUILD)/libexec/stook-unpack)
UNITS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
REPLAYS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SRC))

.PHONY: all clean
.SECONDARY:
.DELETE_ON_ERROR:
all: $(PROGRAMS) $(if $(SAN),,$(BUNDLE)) ## build everything under build/

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# One main() for all tools, compiled once for each with the name of its descriptor.
$(BUILD)/obj/main/%.o: tools/main.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -DTOOL=tool_$(subst -,_,$*) -c -o $@ $<

# fanout is a bundle too: its workers, and the stages that run here, are fanout under another name.
$(BUILD)/obj/main/fanout.o: tools/bundle.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -DTOOL=tool_fanout -c -o $@ $<

$(LIB): $(call obj,$(LIB_SRC))
	@rm -f $@
	$(Q)ar rcs $@ $^

# All tools and fanout, for programs that need some of their parts: unit tests, fuzz targets, the manual's generator.
$(ALL): $(call obj,$(FANOUT_SRC) $(TOOL_SRC) tools/all.c)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BIN)/stook-%: $(BUILD)/obj/main/%.o $(BUILD)/obj/tools/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(HARDEN_LD) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS_ISAL) $(LIBS)

$(BIN)/stook: $(BUILD)/obj/tools/stook.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(HARDEN_LD) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS_ISAL) $(LIBS)

$(BIN)/fanout: $(BUILD)/obj/main/fanout.o $(ALL) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(HARDEN_LD) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS_ISAL) $(FANOUT_LIBS)

# The only program that speaks HTTP or takes archives apart; the others start it when a name asks for it.
$(GET): $(call obj,$(filter-out get/main.c,$(GET_SRC)))
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BIN)/stook-get: $(call obj,get/main.c) $(GET) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(HARDEN_LD) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS_ISAL) $(GET_LIBS)

# What fanout ships: every filter and the far-side shim in one static program.
$(BUILD)/libexec/stook-bundle: $(call obj,tools/bundle.c tools/all.c $(TOOL_SRC) $(SHIM_SRC)) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) -static $(LDFLAGS) -Wl,--gc-sections -s -o $@ $^ $(LIBS)

# What stands in front of it on its way: unpacks the archive behind itself.
$(BUILD)/libexec/stook-unpack: $(call obj,tools/unpack.c fanout/shim_unpack.c) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) -static $(LDFLAGS) -Wl,--gc-sections -s -o $@ $^ $(LIBS)

$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(ALL) $(GET) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(HARDEN_LD) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS_ISAL) $(GET_LIBS) $(FANOUT_LIBS)

# Fuzz targets with a main() that replays files and folders; `make fuzz` links the same objects with libFuzzer.
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/tests/fuzz/replay.o $(ALL) $(GET) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(HARDEN_LD) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS_ISAL) $(GET_LIBS) $(FANOUT_LIBS)

.PHONY: units replays fuzz check check-fast check-san demo bench man completion install uninstall help setup objects
objects: $(call obj,$(LIB_SRC) $(TOOL_SRC) $(FANOUT_SRC) $(GET_SRC)) # compile only
units: $(UNITS) $(BUILD)/faults.so ## build the unit tests
replays: $(REPLAYS) ## build the fuzz targets as programs that replay a corpus

# Makes calls fail on purpose, preloaded by tests.
$(BUILD)/faults.so: tests/faults/faults.c
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) -O1 -g -Wall -Wextra -shared -fPIC -o $@ $< -ldl

# libFuzzer needs clang; its objects have their own folder.
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(BUILD)/libfuzzer/%,$(FUZZ_SRC))
fuzz: $(FUZZ_TARGETS) ## build the fuzz targets with libFuzzer (clang)
FUZZ_FLAGS = -std=gnu11 -I. -D_GNU_SOURCE -pthread $(WARN) -O1 -g -ffp-contract=off -fsanitize=fuzzer-no-link,address -MMD -MP
$(BUILD)/obj-fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)clang $(FUZZ_FLAGS) -c -o $@ $<
FUZZ_LIB_OBJ := $(patsubst %.c,$(BUILD)/obj-fuzz/%.o,$(LIB_SRC) $(TOOL_SRC) tools/all.c $(FANOUT_SRC) $(filter-out get/main.c,$(GET_SRC)))
$(BUILD)/libfuzzer/libstook.a: $(FUZZ_LIB_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $^
$(BUILD)/libfuzzer/%: $(BUILD)/obj-fuzz/tests/fuzz/%.o $(BUILD)/libfuzzer/libstook.a
	$(call say,LINK)
	$(Q)clang -fsanitize=fuzzer,address -o $@ $^ $(LIBS_ISAL) $(GET_LIBS) $(FANOUT_LIBS)

setup:
	@./setup check

check-fast: ## build, then the unit tests, case folders and corpora
	@./setup check
	@$(MAKE) --no-print-directory all units replays
	@tests/run --fast --bin $(abspath $(BIN)) --units $(abspath $(BUILD)/unit) --replays $(abspath $(BUILD)/fuzz)

check: ## everything: builds with gcc, clang's fuzzers and the sanitizers, then all tests
	@tests/check

demo: ## a tour of the tools on real data
	@./setup build
	@$(MAKE) --no-print-directory all
	@examples/demo.sh $(abspath $(BIN))

bench: ## compare with the peers that are installed; TASK=... chooses
	@./setup bench
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory $(BUILD)/bench/exact
	@bench/run $(TASK)

$(BUILD)/bench/exact: $(call obj,bench/exact.c) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(HARDEN_LD) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS_ISAL) $(LIBS)

MAN5 := man/stook-partial.5
MAN := $(patsubst %,$(BUILD)/man/stook-%.1,$(TOOLS)) $(BUILD)/man/fanout.1 $(BUILD)/man/stook-get.1
GENERATE := $(BUILD)/bin-doc/generate
man: $(MAN) $(BUILD)/man/stook.1 ## generate the manual pages
completion: $(BUILD)/completion/stook ## generate the shell completion
$(GENERATE): $(call obj,man/generate.c) $(ALL) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(HARDEN_LD) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS_ISAL) $(FANOUT_LIBS)
$(BUILD)/man/stook.1 $(BUILD)/man/stook-get.1: $(BUILD)/man/%: man/%
	@mkdir -p $(@D)
	$(Q)cp $< $@
$(BUILD)/man/stook-%.1: $(GENERATE)
	@mkdir -p $(@D)
	$(Q)$(GENERATE) man $* >$@
$(BUILD)/man/fanout.1: $(GENERATE)
	@mkdir -p $(@D)
	$(Q)$(GENERATE) man fanout >$@
$(BUILD)/completion/stook: $(GENERATE)
	@mkdir -p $(@D)
	$(Q)$(GENERATE) completion >$@

install: all man completion ## install under $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/stook $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BUNDLE) $(DESTDIR)$(PREFIX)/libexec/stook
	install -m 644 $(MAN) $(BUILD)/man/stook.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(MAN5) $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 $(BUILD)/completion/stook $(DESTDIR)$(PREFIX)/share/bash-completion/completions

uninstall: ## remove what install put there
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(notdir $(PROGRAMS))) $(addprefix $(DESTDIR)$(PREFIX)/libexec/stook/,$(notdir $(BUNDLE))) \
		$(addprefix $(DESTDIR)$(PREFIX)/share/man/man1/,$(notdir $(MAN)) stook.1) $(addprefix $(DESTDIR)$(PREFIX)/share/man/man5/,$(notdir $(MAN5))) \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/stook
	-rmdir $(DESTDIR)$(PREFIX)/libexec/stook 2>/dev/null

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo "  SAN=asan|ubsan|tsan builds with a sanitizer under build-SAN/; PREFIX=, DESTDIR= say where to install"

clean: ## remove build folders
	rm -rf build build-asan build-ubsan build-tsan

-include $(shell find $(BUILD)/obj $(BUILD)/obj-fuzz -name '*.d' 2>/dev/null)
