/* Metadata set by hand: see relabel.h. The schema is made once; batches pass under it as they are. */
#include "lib/op/relabel.h"

#include <stdlib.h>

struct relabel {
	struct source source;
	struct source *from;
	struct arena arena;
};

/* The first n bytes of `raw` without their escapes; p = NULL: out of memory. */
static struct str plain(struct str raw, size_t n, struct arena *a)
{
	char *p = arena_alloc(a, n + 1);
	size_t to = 0;

	for (size_t i = 0; p && i < n; i++) {
		i += raw.p[i] == '\\' && i + 1 < n;
		p[to++] = raw.p[i];
	}
	return (struct str){ p, to };
}

/* Where the next unescaped c stands at or behind `from`; raw.n: nowhere. */
static size_t find(struct str raw, size_t from, char c)
{
	size_t i;

	for (i = from; i < raw.n && raw.p[i] != c; i++)
		i += raw.p[i] == '\\' && i + 1 < raw.n;
	return i < raw.n ? i : raw.n;
}

/* The field that `key` begins with, and the length of its name with the dot; -1: none. */
static int find_field(const struct schema *s, struct str key, struct arena *a, size_t *len)
{
	int best = -1;

	for (size_t dot = find(key, 0, '.'); dot < key.n; dot = find(key, dot + 1, '.')) {
		struct str name = plain(key, dot, a);
		int field = name.p ? schema_find(s, name) : -1;

		if (field >= 0) {
			best = field;
			*len = dot + 1;
		}
	}
	return best;
}

static int set_pair(struct relabel *r, struct schema *s, const char *pair, struct err *e)
{
	struct str raw = str_of(pair), key = { pair, find(raw, 0, '=') }, value = str_from(raw, key.n + 1);
	size_t skip = 0;
	int field;

	if (key.n == raw.n)
		return err_set(e, ST_USAGE, "--meta: \"%s\" is not KEY=VALUE or FIELD.KEY=VALUE", pair);
	field = find_field(s, key, &r->arena, &skip);
	key = str_from(key, skip);
	key = plain(key, key.n, &r->arena);
	if (!key.p)
		return err_oom(e);
	if (!key.n)
		return err_set(e, ST_USAGE, "--meta: \"%s\" has an empty key", pair);
	if (str_starts(key, STR("ARROW:")))
		return err_set(e, ST_USAGE, "--meta: keys that begin with ARROW: are the format's own");
	return field < 0 ? schema_set_meta(s, key, value, e) : field_set_meta(s, field, key, value, e);
}

static int make_schema(struct relabel *r, int n, const char *const *pairs, struct err *e)
{
	cleanup_schema struct schema *s = NULL;
	int rc = schema_copy(r->from->schema, &s, e);

	for (int i = 0; i < n && rc == 0; i++)
		rc = set_pair(r, s, pairs[i], e);
	if (rc < 0)
		return rc;
	r->source.schema = s;
	s = NULL;
	return 0;
}

static int relabel_next(struct source *s, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *b = NULL;
	int rc = source_next(((struct relabel *)s)->from, &b, e);

	return rc < 0 || !b ? rc : batch_rebind(b, s->schema, ret, e);
}

static void relabel_close(struct source *s)
{
	struct relabel *r = (struct relabel *)s;

	source_close(r->from);
	schema_unref(s->schema);
	arena_free(&r->arena);
	free(r);
}

int relabel_open(struct source *from, int n, const char *const *pairs, struct source **ret, struct err *e)
{
	struct relabel *r = calloc(1, sizeof *r);
	int rc;

	if (!r) {
		source_close(from);
		return err_oom(e);
	}
	r->source = (struct source){ NULL, relabel_next, relabel_close, NULL };
	r->from = from;
	if ((rc = make_schema(r, n, pairs, e)) < 0) {
		relabel_close(&r->source);
		return rc;
	}
	*ret = &r->source;
	return 0;
}
