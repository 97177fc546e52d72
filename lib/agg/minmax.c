/* min and max, by exact value or by the reading that is named; equal values keep the first spelling seen.
 *
 * State: the value as it was written, beside its order-preserving key (lib/table/key.h), so that every comparison is memcmp().
 * Only the value is dumped; load() encodes the keys anew. */
#include "lib/agg/agg.h"
#include "lib/agg/cell.h"

static const char *const min_states[] = { "min", "min.num", "min.text", "min.nat", "min.fold", "min.time" };
static const char *const max_states[] = { "max", "max.num", "max.text", "max.nat", "max.fold", "max.time" };

struct state {
	struct cell key, value;
};

static int minmax_bind(struct agg *a, bool merge, struct err *e)
{
	const char *const *names = a->family == &agg_max ? max_states : min_states;
	const struct type *t;
	struct type type;
	int rc = merge ? agg_state_kind(a, &names[a->spec.reading], 1, e) : 0;

	if (rc < 0)
		return rc;
	t = &a->schema->fields[merge ? a->state_col : a->cols[0]].type;
	if (!type_has_bytes(t) && t->id != T_NULL)
		return merge ? agg_bad_state(a, NULL, 0, 0, e) : agg_bad_type(a, 0, e);
	if (!merge && type_is_text(t) && a->spec.reading == KEY_AUTO)
		return agg_say_reading(a, 0, e);
	if ((rc = agg_check_key(a, a->schema, merge ? a->state_col : a->cols[0], e)) < 0)
		return rc;
	a->need[0] = AGG_KEYS;
	type = type_is_text(t) && a->spec.reading == KEY_NUM ? TYPE_NUM : *t;
	if ((rc = agg_add_result(a, a->spec.out, type, true, e)) < 0)
		return rc;
	return agg_add_state(a, names[a->spec.reading], type, true, e);
}

static int minmax_rows(struct agg *a, const struct column *c, const struct keys *keys, int64_t n, const uint32_t *ids,
		       struct err *e)
{
	bool max = a->family == &agg_max;
	char bit;

	if (c->type->id == T_NULL)
		return 0;
	for (int64_t i = 0; i < n; i++) {
		struct state *s = ids[i] == NO_GROUP ? NULL : AGG_STATE(a, struct state, ids[i]);
		struct str key;

		if (!s || column_is_null(c, i) || (keys->has_null && keys->has_null[i]))
			continue;
		key = keys_at(keys, i);
		if (cell_has(&s->key)) {
			int order = str_cmp(key, cell_get(&s->key));

			if (max ? order <= 0 : order >= 0)
				continue;
		}
		if (cell_set(&s->key, key, &a->heap) || cell_set(&s->value, column_bytes_at(c, i, &bit), &a->heap))
			return err_oom(e);
	}
	return 0;
}

static int minmax_update(struct agg *a, const struct agg_batch *b, struct err *e)
{
	return minmax_rows(a, b->args[0].col, b->args[0].keys, b->n, b->ids, e);
}

static int minmax_load(struct agg *a, const struct batch *b, const uint32_t *ids, struct err *e)
{
	cleanup_arena struct arena arena = { 0 };
	struct key_bound part = { .col = a->state_col, .reading = a->spec.reading };
	struct key key = { .n = 1, .parts = &part };
	struct bad_values bad = { .policy = BAD_FAIL, .bad_row = -1 };
	const struct column *c = &b->cols[a->state_col];
	struct keys keys = { 0 };
	int rc;

	if (!type_equal(c->type, &a->states[0].type))
		return agg_bad_state(a, b, 0, 0, e);
	if (c->type->id == T_NULL)
		return 0;
	if ((rc = keys_encode(&key, b, &bad, &arena, &keys, e)) < 0)
		return rc;
	if (bad.bad_row >= 0)
		return agg_bad_state(a, b, bad.bad_row, 0, e);
	return minmax_rows(a, c, &keys, b->nrows, ids, e);
}

static int minmax_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		const struct state *s = AGG_STATE(a, struct state, g);

		rc = cell_has(&s->key) ? builder_bytes(out, cell_get(&s->value), e) : builder_null(out, 1, e);
	}
	return rc;
}

static void minmax_drop(struct agg *a)
{
	for (uint32_t g = 0; g < a->ngroups; g++) {
		cell_free(&AGG_STATE(a, struct state, g)->key, &a->heap);
		cell_free(&AGG_STATE(a, struct state, g)->value, &a->heap);
	}
}

const struct agg_family agg_min = {
	.name = "min",
	.min_fields = 1,
	.max_fields = 1,
	.reads = true,
	.size = sizeof(struct state),
	.signature = "min:FIELD[:num|text|nat|fold|time]",
	.example = "cheapest=min:price:num",
	.help = "smallest value; text must say which reading is meant",
	.bind = minmax_bind,
	.update = minmax_update,
	.finish = minmax_finish,
	.dump = minmax_finish,
	.load = minmax_load,
	.drop = minmax_drop,
};

const struct agg_family agg_max = {
	.name = "max",
	.min_fields = 1,
	.max_fields = 1,
	.reads = true,
	.size = sizeof(struct state),
	.signature = "max:FIELD[:num|text|nat|fold|time]",
	.example = "last_day=max:day:text",
	.help = "largest value; text must say which reading is meant; NaN is last",
	.bind = minmax_bind,
	.update = minmax_update,
	.finish = minmax_finish,
	.dump = minmax_finish,
	.load = minmax_load,
	.drop = minmax_drop,
};
