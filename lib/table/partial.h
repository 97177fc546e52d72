/* What a table of partial states says about itself: the schema metadata entry `stook.partial` (stook-partial(5)). */
#ifndef STOOK_TABLE_PARTIAL_H
#define STOOK_TABLE_PARTIAL_H

#include "lib/table/type.h"

#define PARTIAL_KEY "stook.partial"
#define PARTIAL_VERSION 1

struct partial {
	struct str group;      /* -g as it was given */
	struct str keys;       /* the same with names resolved and escaped */
	struct str aggregates; /* canonical list; "confusion-matrix" for that tool's counts */
};

/* Sets the entry. Texts with line breaks in them are escaped. */
int partial_set(struct schema *s, const struct partial *p, struct err *e) nodiscard;

/* Reads it; texts live in `a`. No entry or one that is not understood: ST_DATA; a newer version is named. */
int partial_get(const struct schema *s, struct arena *a, struct partial *ret, struct err *e) nodiscard;

/* May rows of `next` follow those of `first`? When first holds partial states, next must hold states of the same groups and
 * aggregates: ST_DATA otherwise. */
int partial_follows(const struct schema *first, const struct schema *next, struct err *e) nodiscard;

#endif
