/* Declared types: --type a=num,b=int64 and --schema FILE, for the formats that have no types of their own.
 *
 * A schema file has one "NAME TYPE" a line; in NAME a blank, tab, line end, # or backslash is written \s, \t, \n, \r, \# or \\.
 * Blank lines and lines that begin with # are skipped. */
#ifndef STOOK_FORMAT_DECLARE_H
#define STOOK_FORMAT_DECLARE_H

#include "lib/format/format.h"

struct declared {
	int n;
	struct field *v; /* name and type; of two for the same name the later one counts (--type beats --schema) */
};

/* Names and types are allocated in `a`. ST_USAGE on an unknown type, listing those that there are. */
int declared_read(const struct read_opts *o, struct arena *a, struct declared *ret, struct err *e) nodiscard;
const struct type *declared_find(const struct declared *d, struct str name); /* NULL: not declared */
/* Every declared name must be in s: ST_USAGE listing what there is. */
int declared_check(const struct declared *d, const struct schema *s, struct err *e) nodiscard;

/* "text", "num", "json", "int64", "float64", "decimal128(38, 2)", "bool", "date", "timestamp", "binary", and the names
 * type_name() gives for these. */
bool type_parse(struct str name, struct type *ret);

/* Appends the value that `text` spells in type b->type: 1, or 0 when it spells none (nothing is appended), or an error
 * (memory). */
int value_parse(struct builder *b, struct str text, struct err *e) nodiscard;
/* Behind "is not of type t", of a text that spells none: ": out of range" when it is a number all the same, else "". */
const char *value_beyond(const struct type *t, struct str text);

/* Appends the schema file of s: for every field the type to declare, which for those that cannot be declared is the one whose
 * values print alike; metadata as comments. 0 or -1. */
int schema_print(const struct schema *s, struct buf *b);

#endif
