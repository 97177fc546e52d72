/* Options that name keys. */
#ifndef STOOK_CLI_KEYS_H
#define STOOK_CLI_KEYS_H

#include "lib/cli/opt.h"
#include "lib/table/key.h"

/* All -k (or -g) lists in order as one spec, allocated in `a`. */
int cli_keys(const struct strv *lists, struct arena *a, struct key_spec *ret, struct err *e) nodiscard;

/* ST_USAGE when a part has desc or nullsfirst, which mean nothing to `option`. */
int cli_keys_unordered(const struct key_spec *k, const char *option, struct err *e) nodiscard;

#endif
