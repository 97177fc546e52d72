/* Lossless types for other programs (cat --typed): a text or num column becomes bool, int64, float64, decimal, date or timestamp when
 * printing it back gives the same bytes for every one of its values, and stays as it is otherwise. */
#ifndef STOOK_OP_TYPER_H
#define STOOK_OP_TYPER_H

#include "lib/table/stream.h"

struct type_opts {
	int64_t memory;     /* bytes to hold the table in; 0: no limit */
	const char *tmpdir; /* for what does not fit; NULL: $TMPDIR */
};

/* Reads `from` to its end, or until no column can change any more, for the types depend on every value; then gives the same rows.
 * An error of `from` comes behind the rows before it, whose types count. An order that was claimed (stook.sorted) is dropped when
 * a type changes. Takes `from`, also when it fails. */
int typer_open(struct source *from, const struct type_opts *o, struct source **ret, struct err *e) nodiscard;

#endif
