/* Columns beside a batch: see tag.h. The batch is kept, its columns are shared; only the numbers are made. */
#include "lib/op/tag.h"

#include <stdio.h>
#include <stdlib.h>

struct tagger {
	struct source source;
	struct source *from;
	int n;         /* tags added; 0: taken off */
	tag_fill *fill;
	void *context;
	int64_t row;
};

static void tagger_close(struct source *s)
{
	struct tagger *t = (struct tagger *)s;

	source_close(t->from);
	schema_unref(s->schema);
	free(t);
}

/* The columns that both have. */
static struct batch *share_columns(const struct schema *schema, struct batch *from)
{
	struct batch *b = batch_new(schema, from->nrows);
	int n = schema->nfields < from->schema->nfields ? schema->nfields : from->schema->nfields;

	for (int i = 0; b && i < n; i++) {
		b->cols[i] = from->cols[i];
		b->cols[i].type = &schema->fields[i].type;
	}
	if (b)
		batch_keep(b, from);
	return b;
}

static int tagger_next(struct source *s, struct batch **ret, struct err *e)
{
	struct tagger *t = (struct tagger *)s;
	cleanup_batch struct batch *from = NULL, *b = NULL;
	int64_t *to[TAG_MOST];
	int rc = source_next(t->from, &from, e);

	if (rc < 0 || !from)
		return rc;
	b = share_columns(s->schema, from);
	if (!b)
		return err_oom(e);
	for (int i = 0; i < t->n; i++) {
		struct column *c = &b->cols[s->schema->nfields - t->n + i];

		to[i] = arena_alloc(&b->arena, (size_t)b->nrows * sizeof **to);
		if (!to[i])
			return err_oom(e);
		*c = (struct column){ .type = &s->schema->fields[s->schema->nfields - t->n + i].type, .length = b->nrows,
				      .values = (const uint8_t *)to[i] };
	}
	if (t->n)
		t->fill(t->context, from, t->row, to);
	t->row += b->nrows;
	*ret = b;
	b = NULL;
	return 0;
}

static int tagger_new(struct source *from, const struct schema *schema, struct tagger **ret, struct err *e)
{
	*ret = calloc(1, sizeof **ret);
	if (!*ret) {
		schema_unref(schema);
		source_close(from);
		return err_oom(e);
	}
	(*ret)->source = (struct source){ .schema = schema, .next = tagger_next, .close = tagger_close };
	(*ret)->from = from;
	return 0;
}

/* The schema with n columns more. Their names are never looked up; they only differ from the others'. */
static int add_fields(const struct schema *from, int n, struct schema **ret, struct err *e)
{
	cleanup_schema struct schema *s = schema_new();
	int rc = s ? 0 : err_oom(e);
	char name[32];

	for (int i = 0; i < from->nfields && rc == 0; i++)
		rc = schema_add_field(s, &from->fields[i], e);
	for (int i = 0, k = 0; i < n && rc == 0; i++) {
		do
			snprintf(name, sizeof name, "_tag%d", k++);
		while (schema_find(s, str_of(name)) >= 0);
		rc = schema_add(s, str_of(name), &TYPE_INT64, false, e);
	}
	if (rc == 0) {
		*ret = s;
		s = NULL;
	}
	return rc;
}

int tag_open(struct source *from, int n, tag_fill *fill, void *context, struct source **ret, struct err *e)
{
	struct schema *schema = NULL;
	struct tagger *t;
	int rc = add_fields(from->schema, n, &schema, e);

	if (rc < 0) {
		source_close(from);
		return rc;
	}
	if ((rc = tagger_new(from, schema, &t, e)) < 0)
		return rc;
	t->n = n;
	t->fill = fill;
	t->context = context;
	*ret = &t->source;
	return 0;
}

int tag_sort(struct source *from, int at, const struct sort_opts *o, struct source **ret, struct err *e)
{
	struct key_part part = { .at = at };
	const struct key_spec spec = { 1, &part };
	struct sort_opts by_number = *o;

	by_number.key = &spec;
	return sort_open(from, &by_number, ret, e);
}

int untag_open(struct source *from, const struct schema *schema, struct source **ret, struct err *e)
{
	struct tagger *t;
	int rc = tagger_new(from, schema_ref(schema), &t, e);

	if (rc == 0)
		*ret = &t->source;
	return rc;
}
