/* The note about a bare text key whose values are all numbers: it orders 10 before 9, and :num is what was meant, mostly. */
#ifndef STOOK_CLI_BARE_H
#define STOOK_CLI_BARE_H

#include "lib/cli/cli.h"
#include "lib/table/key.h"

/* *ret gives what `from` gives, and looks at the first thousand rows; it is `from` itself when standard error is no terminal or -q
 * is given. Takes `from`, also on failure. The spec is borrowed until the first row is there. */
int note_bare_keys(const struct common *c, const struct key_spec *spec, struct source *from, struct source **ret, struct err *e) nodiscard;

#endif
