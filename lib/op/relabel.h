/* Metadata set by hand (cat --meta): KEY=VALUE is the schema's, FIELD.KEY=VALUE that of a field. */
#ifndef STOOK_OP_RELABEL_H
#define STOOK_OP_RELABEL_H

#include "lib/table/stream.h"

/* The same rows with the metadata that `pairs` name added or replaced, later ones over earlier ones. What stands before a dot is a
 * field when there is one of that name (the longest, if several fit); \ before a dot, an equals sign or itself takes that meaning
 * away. ST_USAGE for what is no pair, and for keys that Arrow keeps for itself. Takes `from`, also when it fails. */
int relabel_open(struct source *from, int n, const char *const *pairs, struct source **ret, struct err *e) nodiscard;

#endif
