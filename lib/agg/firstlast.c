/* first and last: the first or last value that is not null, in row order. State: the value itself. */
#include "lib/agg/agg.h"
#include "lib/agg/cell.h"

static const char *const first_states[] = { "first" };
static const char *const last_states[] = { "last" };

static int pick_bind(struct agg *a, bool merge, struct err *e)
{
	const char *const *names = a->family == &agg_last ? last_states : first_states;
	const struct type *t;
	int rc = merge ? agg_state_kind(a, names, 1, e) : 0;

	if (rc < 0)
		return rc;
	t = &a->schema->fields[merge ? a->state_col : a->cols[0]].type;
	if (!type_has_bytes(t) && t->id != T_NULL)
		return merge ? agg_bad_state(a, NULL, 0, 0, e) : agg_bad_type(a, 0, e);
	a->need[0] = AGG_VALUES;
	if ((rc = agg_add_result(a, a->spec.out, *t, true, e)) < 0)
		return rc;
	return agg_add_state(a, names[0], *t, true, e);
}

static int pick_rows(struct agg *a, const struct column *c, int64_t n, const uint32_t *ids, struct err *e)
{
	bool last = a->family == &agg_last;
	char bit;

	if (c->type->id == T_NULL)
		return 0;
	for (int64_t i = 0; i < n; i++) {
		struct cell *s = ids[i] == NO_GROUP ? NULL : AGG_STATE(a, struct cell, ids[i]);

		if (!s || (cell_has(s) && !last) || column_is_null(c, i))
			continue;
		if (cell_set(s, column_bytes_at(c, i, &bit), &a->heap))
			return err_oom(e);
	}
	return 0;
}

static int pick_update(struct agg *a, const struct agg_batch *b, struct err *e)
{
	return pick_rows(a, b->args[0].col, b->n, b->ids, e);
}

static int pick_load(struct agg *a, const struct batch *b, const uint32_t *ids, struct err *e)
{
	if (!type_equal(b->cols[a->state_col].type, &a->states[0].type))
		return agg_bad_state(a, b, 0, 0, e);
	return pick_rows(a, &b->cols[a->state_col], b->nrows, ids, e);
}

static int pick_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		const struct cell *s = AGG_STATE(a, struct cell, g);

		rc = cell_has(s) ? builder_bytes(out, cell_get(s), e) : builder_null(out, 1, e);
	}
	return rc;
}

static void pick_drop(struct agg *a)
{
	for (uint32_t g = 0; g < a->ngroups; g++)
		cell_free(AGG_STATE(a, struct cell, g), &a->heap);
}

const struct agg_family agg_first = {
	.name = "first",
	.min_fields = 1,
	.max_fields = 1,
	.size = sizeof(struct cell),
	.signature = "first:FIELD",
	.example = "first:shop",
	.help = "the first value that is not null, in row order",
	.bind = pick_bind,
	.update = pick_update,
	.finish = pick_finish,
	.dump = pick_finish,
	.load = pick_load,
	.drop = pick_drop,
};

const struct agg_family agg_last = {
	.name = "last",
	.min_fields = 1,
	.max_fields = 1,
	.size = sizeof(struct cell),
	.signature = "last:FIELD",
	.example = "last:shop",
	.help = "the last value that is not null, in row order",
	.bind = pick_bind,
	.update = pick_update,
	.finish = pick_finish,
	.dump = pick_finish,
	.load = pick_load,
	.drop = pick_drop,
};
