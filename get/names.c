/* Sets of names: see names.h. */
#include "get/names.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

int names_add(struct names *s, struct str name, struct err *e)
{
	if (s->n == NAMES_MAX)
		return err_set(e, ST_DATA, "there are more than %d names", NAMES_MAX);
	if (s->n == s->cap) {
		int cap = s->cap ? 2 * s->cap : 64;
		char **v = realloc(s->v, (size_t)cap * sizeof *v);

		if (!v)
			return err_oom(e);
		s->v = v;
		s->cap = cap;
	}
	s->v[s->n] = arena_strdup(&s->arena, name);
	return s->v[s->n++] ? 0 : err_oom(e);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_sort(struct names *s)
{
	if (s->n)
		qsort(s->v, (size_t)s->n, sizeof *s->v, by_bytes);
}

void names_free(struct names *s)
{
	free(s->v);
	arena_free(&s->arena);
}

bool names_match(const char *pattern, const char *name)
{
	return fnmatch(pattern, name, FNM_PATHNAME | FNM_PERIOD) == 0;
}

size_t names_literal(const char *pattern)
{
	return strcspn(pattern, "*?[");
}

void names_hint(const struct names *s, const char *what, struct err *e)
{
	char text[sizeof e->hint];
	size_t n = (size_t)snprintf(text, sizeof text, "%s ", what);

	if (s->n == 0) {
		err_hint(e, "%snothing", text);
		return;
	}
	for (int i = 0; i < s->n && n < sizeof text; i++) {
		const char *comma = i ? ", " : "";

		if (n + strlen(s->v[i]) + 8 > sizeof text) {
			snprintf(text + n, sizeof text - n, "%s...", comma);
			break;
		}
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", comma, s->v[i]);
	}
	err_hint(e, "%s", text);
}
