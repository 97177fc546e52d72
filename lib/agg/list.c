/* list and concat: a group's values in row order; list as one JSON array in a json column, concat as text with a separator
 * between. State: the text so far, without brackets. */
#include "lib/agg/agg.h"
#include "lib/format/format.h"

#include <stdlib.h>

static const char *const list_states[] = { "list" };
static const char *const concat_states[] = { "concat" };

struct state {
	char *p;
	size_t n, cap;
	bool any;
};

struct list_more {
	struct buf item; /* scratch: one value as text */
};

static bool is_list(const struct agg *a)
{
	return a->family == &agg_list;
}

static int text_bind(struct agg *a, bool merge, struct err *e)
{
	const char *const *names = is_list(a) ? list_states : concat_states;
	struct type t = is_list(a) ? TYPE_JSON : TYPE_TEXT;
	int rc = merge ? agg_state_kind(a, names, 1, e) : 0;

	a->need[0] = AGG_VALUES;
	if (rc < 0 || (rc = agg_add_result(a, a->spec.out, t, !is_list(a), e)) < 0)
		return rc;
	return agg_add_state(a, names[0], t, true, e);
}

/* Appends a separator, if something is there, and s. */
static int append(struct agg *a, struct state *s, struct str sep, struct str text)
{
	size_t need = s->n + sep.n + text.n;

	if (!s->any)
		sep.n = 0;
	if (need > s->cap) {
		size_t cap = need + need / 2 + 16;
		char *p = cap < VAR_BYTES_MAX ? realloc(s->p, cap) : NULL;

		if (!p)
			return -1;
		a->heap += cap - s->cap;
		s->p = p;
		s->cap = cap;
	}
	if (sep.n)
		memcpy(s->p + s->n, sep.p, sep.n);
	if (text.n)
		memcpy(s->p + s->n + sep.n, text.p, text.n);
	s->n += sep.n + text.n;
	s->any = true;
	return 0;
}

static struct str separator(const struct agg *a)
{
	return is_list(a) || !a->spec.arg.n ? STR(",") : a->spec.arg;
}

static int text_update(struct agg *a, const struct agg_batch *b, struct err *e)
{
	const struct column *c = b->args[0].col;
	struct list_more *more = a->more;

	for (int64_t i = 0; i < b->n; i++) {
		if (b->ids[i] == NO_GROUP || column_is_null(c, i))
			continue;
		more->item.n = 0;
		if ((is_list(a) ? value_json(c, i, &more->item) : value_print(c, i, &more->item)) ||
		    append(a, AGG_STATE(a, struct state, b->ids[i]), separator(a), buf_view(&more->item)))
			return err_oom(e);
	}
	return 0;
}

static int text_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	struct list_more *more = a->more;
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		const struct state *s = AGG_STATE(a, struct state, g);
		struct str text = { s->p, s->n };

		if (!is_list(a)) {
			rc = s->any ? builder_str(out, text, e) : builder_null(out, 1, e);
			continue;
		}
		more->item.n = 0;
		if (buf_byte(&more->item, '[') || buf_str(&more->item, text) || buf_byte(&more->item, ']'))
			return err_oom(e);
		rc = builder_str(out, buf_view(&more->item), e);
	}
	return rc;
}

static int text_dump(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		const struct state *s = AGG_STATE(a, struct state, g);

		rc = s->any ? builder_str(out, (struct str){ s->p, s->n }, e) : builder_null(out, 1, e);
	}
	return rc;
}

static int text_load(struct agg *a, const struct batch *b, const uint32_t *ids, struct err *e)
{
	const struct column *c = &b->cols[a->state_col];

	if (c->type->id != T_UTF8)
		return agg_bad_state(a, b, 0, 0, e);
	for (int64_t i = 0; i < b->nrows; i++)
		if (!column_is_null(c, i) && append(a, AGG_STATE(a, struct state, ids[i]), separator(a), column_str(c, i)))
			return err_oom(e);
	return 0;
}

static void text_drop(struct agg *a)
{
	struct list_more *more = a->more;

	for (uint32_t g = 0; g < a->ngroups; g++)
		free(AGG_STATE(a, struct state, g)->p);
	buf_free(&more->item);
}

#define TEXT                                                                                                \
	.min_fields = 1, .size = sizeof(struct state), .more = sizeof(struct list_more), .bind = text_bind, \
	.update = text_update, .finish = text_finish, .dump = text_dump, .load = text_load, .drop = text_drop

const struct agg_family agg_list = {
	.name = "list",
	.max_fields = 1,
	.signature = "list:FIELD",
	.example = "list:shop",
	.help = "all values as one JSON array, in row order",
	TEXT,
};

const struct agg_family agg_concat = {
	.name = "concat",
	.max_fields = 2,
	.arg = "SEPARATOR",
	.signature = "concat:FIELD[:SEPARATOR]",
	.example = "concat:shop:;",
	.help = "all values as text, in row order, a comma or SEPARATOR between them",
	TEXT,
};
