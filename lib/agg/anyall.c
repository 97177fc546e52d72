/* any and all of a bool field: whether one value, or every value, is true. Without values: null. State: the result. */
#include "lib/agg/agg.h"

static const char *const any_states[] = { "any" };
static const char *const all_states[] = { "all" };

struct state {
	uint8_t seen, yes, no;
};

static int bool_bind(struct agg *a, bool merge, struct err *e)
{
	const char *const *names = a->family == &agg_any ? any_states : all_states;
	int rc = merge ? agg_state_kind(a, names, 1, e) : 0;
	const struct type *t;

	if (rc < 0)
		return rc;
	t = &a->schema->fields[merge ? a->state_col : a->cols[0]].type;
	if (t->id != T_BOOL && t->id != T_NULL)
		return merge ? agg_bad_state(a, NULL, 0, 0, e) : agg_bad_type(a, 0, e);
	a->need[0] = AGG_VALUES;
	if ((rc = agg_add_result(a, a->spec.out, TYPE_BOOL, true, e)) < 0)
		return rc;
	return agg_add_state(a, names[0], TYPE_BOOL, true, e);
}

static void fold(struct agg *a, const struct column *c, int64_t n, const uint32_t *ids)
{
	if (c->type->id == T_NULL)
		return;
	for (int64_t i = 0; i < n; i++) {
		struct state *s = ids[i] == NO_GROUP || column_is_null(c, i) ? NULL : AGG_STATE(a, struct state, ids[i]);

		if (!s)
			continue;
		s->seen = 1;
		s->yes |= column_bool(c, i);
		s->no |= !column_bool(c, i);
	}
}

static int bool_update(struct agg *a, const struct agg_batch *b, struct err *e)
{
	(void)e;
	fold(a, b->args[0].col, b->n, b->ids);
	return 0;
}

static int bool_load(struct agg *a, const struct batch *b, const uint32_t *ids, struct err *e)
{
	const struct column *c = &b->cols[a->state_col];

	if (c->type->id != T_BOOL && c->type->id != T_NULL)
		return agg_bad_state(a, b, 0, 0, e);
	fold(a, c, b->nrows, ids);
	return 0;
}

static int bool_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		const struct state *s = AGG_STATE(a, struct state, g);

		rc = s->seen ? builder_bool(out, a->family == &agg_any ? s->yes : !s->no, e) : builder_null(out, 1, e);
	}
	return rc;
}

#define BOOLS                                                                                                     \
	.min_fields = 1, .max_fields = 1, .size = sizeof(struct state), .bind = bool_bind, .update = bool_update, \
	.finish = bool_finish, .dump = bool_finish, .load = bool_load

const struct agg_family agg_any = {
	.name = "any",
	.signature = "any:FIELD",
	.example = "any:paid",
	.help = "whether a value of a bool field is true",
	BOOLS,
};

const struct agg_family agg_all = {
	.name = "all",
	.signature = "all:FIELD",
	.example = "all:paid",
	.help = "whether every value of a bool field is true",
	BOOLS,
};
