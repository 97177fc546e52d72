/* Names of columns made unique. Names that occur first keep their spelling, also before those that would be made up for others:
 * x,x,x_2 becomes x,x_3,x_2. */
#include "lib/base/hash.h"
#include "lib/format/csv.h"

#include <stdio.h>
#include <stdlib.h>

struct set {
	const struct str *names;
	int *slots; /* index + 1; 0: free */
	size_t mask;
};

static int *find(const struct set *s, struct str name)
{
	size_t i = hash64(name.p, name.n, 0) & s->mask;

	while (s->slots[i] && !str_eq(s->names[s->slots[i] - 1], name))
		i = (i + 1) & s->mask;
	return &s->slots[i];
}

static int name_empty(struct str *names, int n, struct arena *a)
{
	for (int i = 0; i < n; i++) {
		if (names[i].n)
			continue;
		names[i].p = arena_printf(a, "c%d", i + 1);
		if (!names[i].p)
			return -1;
		names[i].n = strlen(names[i].p);
	}
	return 0;
}

/* The first free name_K with K from *suffix. */
static int rename_one(const struct set *s, struct str *name, int *suffix, struct arena *a)
{
	char *p;
	struct str tried;

	do {
		if (!(p = arena_alloc(a, name->n + 16)))
			return -1;
		memcpy(p, name->p, name->n);
		tried = (struct str){ p, name->n + (size_t)snprintf(p + name->n, 16, "_%d", ++*suffix) };
	} while (*find(s, tried));
	*name = tried;
	return 0;
}

static int rename_repeated(struct set *s, struct str *names, int n, struct arena *a)
{
	int *suffixes = arena_array(a, int, (size_t)n); /* of the first of that name: the last suffix given */
	bool *repeated = arena_array(a, bool, (size_t)n);

	if (!suffixes || !repeated)
		return -1;
	for (int i = 0; i < n; i++) {
		int *slot = find(s, names[i]);

		if (*slot)
			repeated[i] = true;
		else
			*slot = i + 1;
	}
	for (int i = 0; i < n; i++) {
		int *suffix;

		if (!repeated[i])
			continue;
		suffix = &suffixes[*find(s, names[i]) - 1];
		*suffix += *suffix == 0;
		if (rename_one(s, &names[i], suffix, a))
			return -1;
		*find(s, names[i]) = i + 1;
	}
	return 0;
}

int csv_unique_names(struct str *names, int n, struct arena *a)
{
	struct set s = { .names = names, .mask = 16 };
	int rc;

	while (s.mask < (size_t)n * 4)
		s.mask *= 2;
	s.slots = calloc(s.mask, sizeof *s.slots);
	s.mask--;
	if (!s.slots)
		return -1;
	rc = name_empty(names, n, a) || rename_repeated(&s, names, n, a);
	free(s.slots);
	return rc ? -1 : 0;
}
