/* count: rows of a group, or with a field its values that are not null; with :num those that are numbers (others are an error unless
 * --on-bad says otherwise). State: one int64. */
#include "lib/agg/agg.h"

static const char *const states[] = { "count" };

static int count_bind(struct agg *a, bool merge, struct err *e)
{
	int rc = merge ? agg_state_kind(a, states, 1, e) : 0;

	a->need[0] = a->spec.reading == KEY_NUM ? AGG_NUMBERS : AGG_VALUES;
	if (rc < 0 || (rc = agg_add_result(a, a->spec.out, TYPE_INT64, false, e)) < 0)
		return rc;
	return agg_add_state(a, "count", TYPE_INT64, false, e);
}

static int count_update(struct agg *a, const struct agg_batch *b, struct err *e)
{
	int64_t *state = AGG_STATE(a, int64_t, 0);
	const struct column *c = a->nargs ? b->args[0].col : NULL;
	const struct numbers *nums = a->nargs && a->need[0] == AGG_NUMBERS ? b->args[0].nums : NULL;

	(void)e;
	if (nums && nums->nulls) {
		for (int64_t i = 0; i < b->n; i++)
			if (b->ids[i] != NO_GROUP && nums->valid && bit_get(nums->valid, i))
				state[b->ids[i]]++;
		return 0;
	}
	if (c && c->null_count) {
		for (int64_t i = 0; i < b->n; i++)
			if (b->ids[i] != NO_GROUP && !column_is_null(c, i))
				state[b->ids[i]]++;
		return 0;
	}
	for (int64_t i = 0; i < b->n; i++)
		if (b->ids[i] != NO_GROUP)
			state[b->ids[i]]++;
	return 0;
}

static int count_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	return builder_fixeds(out, AGG_STATE(a, int64_t, from), n, e);
}

static int count_load(struct agg *a, const struct batch *b, const uint32_t *ids, struct err *e)
{
	const struct column *c = &b->cols[a->state_col];

	if (c->type->id != T_INT64)
		return agg_bad_state(a, b, 0, 0, e);
	for (int64_t i = 0; i < b->nrows; i++) {
		int64_t *state = AGG_STATE(a, int64_t, ids[i]);

		if (column_is_null(c, i) || column_i64(c, i) < 0 || __builtin_add_overflow(*state, column_i64(c, i), state))
			return agg_bad_state(a, b, i, 0, e);
	}
	return 0;
}

const struct agg_family agg_count = {
	.name = "count",
	.max_fields = 1,
	.size = sizeof(int64_t),
	.signature = "count[:FIELD[:num]]",
	.example = "n=count",
	.help = "rows, or values of FIELD that are there, or that are numbers",
	.bind = count_bind,
	.update = count_update,
	.finish = count_finish,
	.dump = count_finish,
	.load = count_load,
};
