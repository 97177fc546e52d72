/* FIELD and FIELDS of the command line (product.md section 4), taken apart. What key.h does not export; for lib/table. */
#ifndef STOOK_TABLE_FIELDS_H
#define STOOK_TABLE_FIELDS_H

#include "lib/base/buf.h"
#include "lib/table/type.h"

/* Cuts *rest at the first `sep` that no \ precedes: returns what is before it, leaves what is behind it. *more says whether
 * there was one. */
struct str field_token(struct str *rest, char sep, bool *more);

/* Position of the last unescaped `c` in raw, or -1. */
int64_t field_rindex(struct str raw, char c);

/* One FIELD: "@3" gives *at = 3; else *name without escapes (allocated when there were any) and *at = 0. */
int field_parse(struct str raw, struct arena *a, struct str *name, int *at, struct err *e) nodiscard;

/* Its index in s. */
int field_find(struct str name, int at, const struct schema *s, int *ret, struct err *e) nodiscard;

/* The name with \ where field_parse() needs it. 0 or -1. */
int field_escape(struct str name, struct buf *b);

#endif
