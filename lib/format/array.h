/* A JSON array of records as lines, for the machinery of JSON Lines: the bytes of the input are rewritten where they stand, as
 * they come, so that each record ends with '\n' (its comma or the closing bracket) and has none inside. The input's own line
 * ends become '\r', which is blank between tokens and forbidden within strings as '\n' was; by them places are counted. Other
 * '\r' become blanks, or '\f' within strings, where they stay forbidden.
 *
 * What is between records is checked here, records themselves only for where they end. */
#ifndef STOOK_FORMAT_ARRAY_H
#define STOOK_FORMAT_ARRAY_H

#include "lib/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct array_place {
	int64_t at, line, line_at; /* bytes before it; lines before its line; bytes before its line */
};

struct array {
	const char *name;       /* of the input; borrowed */
	int64_t record_max;     /* bytes of a record */
	enum array_state { ARRAY_BEFORE, ARRAY_FIRST, ARRAY_NEXT, ARRAY_RECORD, ARRAY_BEHIND } state;
	bool string, escape;    /* inside a string; behind a backslash in it */
	int64_t depth;          /* of the record */
	struct array_place now, record;
};

/* The next n bytes of the input. *keep: as many are text; what is behind the array is not. An error (ST_DATA, with its place) may
 * have good records before it: they are in *keep too. */
int array_lines(struct array *a, uint8_t *p, size_t n, size_t *keep, struct err *e) nodiscard;
/* The input has ended. */
int array_end(const struct array *a, struct err *e) nodiscard;

#endif
