/* Names that match a pattern, collected in any order, given out in byte order. */
#ifndef STOOK_GET_NAMES_H
#define STOOK_GET_NAMES_H

#include "lib/base/arena.h"
#include "lib/base/err.h"

#define NAMES_MAX 1000000

struct names {
	struct arena arena;
	char **v;
	int n, cap;
};

#define cleanup_names __attribute__((cleanup(names_free)))

int names_add(struct names *s, struct str name, struct err *e) nodiscard; /* ST_DATA above NAMES_MAX */
void names_sort(struct names *s);
void names_free(struct names *s);

/* As the shell's: * and ? match no slash, a leading dot is matched by a dot only. */
bool names_match(const char *pattern, const char *name);

/* Up to the first * ? or [: what every name that matches begins with. */
size_t names_literal(const char *pattern);

/* "a.csv, b.csv, ...": some of them, as a hint. */
void names_hint(const struct names *s, const char *what, struct err *e);

#endif
