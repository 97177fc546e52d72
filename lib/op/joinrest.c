/* JSON on both sides of a join: the keys that have no column of either side become one column, as an output of JSON has them in one
 * object. */
#include "lib/format/format.h"
#include "lib/op/joinwork.h"

#include <stdlib.h>

struct one_rest {
	struct source source;
	struct source *from;
	int left, right; /* the columns of keys that have none; the second one is taken out */
	const char *suffix;
};

static int unmergeable(const struct batch *b, int64_t row, const char *suffix, struct err *e)
{
	err_set(e, ST_DATA, "the keys that have no column on the left and those on the right do not fit into one object");
	err_hint(e, suffix ? "another --suffix; or a larger sample, which makes columns of them: --sample 100M" : "in _rest is something else");
	return batch_err_at(b, row, -1, e);
}

static int merge_columns(const struct one_rest *o, const struct batch *from, struct batch *to, struct err *e)
{
	const struct column *l = &from->cols[o->left], *r = &from->cols[o->right];
	cleanup_buf struct buf text = { 0 };
	struct builder b;
	int rc = builder_init(&b, &to->schema->fields[o->left].type, e), bad = 0;

	for (int64_t i = 0; i < from->nrows && rc == 0; i++) {
		bool no_left = column_is_null(l, i), no_right = column_is_null(r, i);

		text.n = 0;
		if (!no_left && !no_right && (bad = rest_merge(column_str(l, i), column_str(r, i), o->suffix, &text)) != 0)
			rc = bad < 0 ? err_oom(e) : unmergeable(from, i, o->suffix, e);
		else if (no_left && no_right)
			rc = builder_null(&b, 1, e);
		else
			rc = builder_str(&b, no_left ? column_str(r, i) : no_right ? column_str(l, i) : buf_view(&text), e);
	}
	if (rc == 0)
		rc = builder_column(&b, &to->arena, &to->cols[o->left], e);
	builder_free(&b);
	return rc;
}

static int one_rest_next(struct source *s, struct batch **ret, struct err *e)
{
	const struct one_rest *o = (struct one_rest *)s;
	cleanup_batch struct batch *from = NULL, *to = NULL;
	int rc = source_next(o->from, &from, e);

	if (rc < 0 || !from)
		return rc;
	if (!(to = batch_new(s->schema, from->nrows)))
		return err_oom(e);
	for (int i = 0; i < s->schema->nfields; i++) {
		to->cols[i] = from->cols[i + (i >= o->right)];
		to->cols[i].type = &s->schema->fields[i].type;
	}
	if (from->cols[o->right].null_count < from->nrows && (rc = merge_columns(o, from, to, e)) < 0)
		return rc;
	to->origin.name = from->origin.name;
	batch_keep(to, from);
	*ret = to;
	to = NULL;
	return 0;
}

static void one_rest_close(struct source *s)
{
	source_close(((struct one_rest *)s)->from);
	schema_unref(s->schema);
	free(s);
}

int join_one_rest(struct source *from, int left, int right, const char *suffix, struct source **ret, struct err *e)
{
	struct one_rest *o = calloc(1, sizeof *o);
	struct schema *s = schema_new();
	int rc = o && s ? schema_copy_meta(s, from->schema, e) : err_oom(e);

	for (int i = 0; i < from->schema->nfields && rc == 0; i++)
		if (i != right)
			rc = schema_add_field(s, &from->schema->fields[i], e);
	if (rc < 0) {
		source_close(from);
		schema_unref(s);
		free(o);
		return rc;
	}
	*o = (struct one_rest){ { .schema = s, .next = one_rest_next, .close = one_rest_close }, from, left, right, suffix };
	*ret = &o->source;
	return 0;
}
