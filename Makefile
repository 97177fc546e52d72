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
LIBS = -lzstd -llz4 -lz -lbz2 -llzma -lpcre2-8 -lgmp -ljansson -lm -lpthread
FANOUT_LIBS = -lssh2 -larchive $(LIBS)

LIB_SRC := $(wildcard lib/*/*.c)
TOOL_SRC := $(filter-out tools/main.c tools/stook.c tools/bundle.c tools/all.c,$(wildcard tools/*.c))
TOOLS := $(patsubst tools/%.c,%,$(TOOL_SRC))
FANOUT_SRC := $(wildcard fanout/*.c)
SHIM_SRC := $(wildcard fanout/shim*.c) $(wildcard fanout/wire*.c)
UNIT_SRC := $(wildcard tests/unit/*.c)
FUZZ_SRC := $(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LIB := $(BUILD)/libstook.a
BIN := $(BUILD)/bin
PROGRAMS := $(addprefix $(BIN)/stook-,$(TOOLS))
PROGRAMS += $(if $(wildcard tools/stook.c),$(BIN)/stook)
PROGRAMS += $(if $(wildcard fanout/main.c),$(BIN)/fanout)
BUNDLE := $(if $(wildcard tools/bundle.c),$(BUILD)/libexec/stook-bundle)
UNITS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
REPLAYS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SRC))

.PHONY: all clean
.SECONDARY:
.DELETE_ON_ERROR:
all: $(PROGRAMS) $(if $(SAN),,$(BUNDLE)) ## build everything under build/

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# One main() for all tools, compiled once for each with the name of its descriptor.
$(BUILD)/obj/main/%.o: tools/main.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DTOOL=tool_$(subst -,_,$*) -c -o $@ $<

$(LIB): $(call obj,$(LIB_SRC))
	@rm -f $@
	ar rcs $@ $^

$(BIN)/stook-%: $(BUILD)/obj/main/%.o $(BUILD)/obj/tools/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(HARDEN_LD) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS)

$(BIN)/stook: $(BUILD)/obj/tools/stook.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(HARDEN_LD) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS)

$(BIN)/fanout: $(BUILD)/obj/main/fanout.o $(call obj,$(FANOUT_SRC) $(TOOL_SRC) tools/all.c) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(HARDEN_LD) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(FANOUT_LIBS)

# What fanout ships: every filter and the far-side shim in one static program.
$(BUILD)/libexec/stook-bundle: $(call obj,tools/bundle.c tools/all.c $(TOOL_SRC) $(SHIM_SRC)) $(LIB)
	@mkdir -p $(@D)
	$(CC) -static $(LDFLAGS) -Wl,--gc-sections -s -o $@ $^ $(LIBS)

$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(HARDEN_LD) $(LDFLAGS) -o $@ $^ $(LIBS)

# Fuzz targets with a main() that replays files and folders; `make fuzz` links the same objects with libFuzzer.
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/tests/fuzz/replay.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(HARDEN_LD) $(LDFLAGS) -o $@ $^ $(LIBS)

units: $(UNITS) ## build the unit tests
replays: $(REPLAYS) ## build the fuzz targets as replay programs

clean: ## remove build/
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
