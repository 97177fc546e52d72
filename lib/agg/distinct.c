/* distinct: how many different values, exactly; mode: the most frequent one, of equally frequent ones the first. Equality is that of
 * keys (text by bytes, numbers by exact value).
 *
 * One table holds the pairs (group, key) of all groups; a group's state is its count and the chain of its pairs, in first-seen
 * order. The state column is the list of distinct values, each in its first spelling, for mode also the list of their counts.
 * distinct keeps them only when partial states are asked for, because the keys alone decide equality. */
#include "lib/agg/agg.h"
#include "lib/agg/cell.h"
#include "lib/agg/keyset.h"

#define TIMES_MAX (INT64_C(1) << 43) /* of one value in a state that is read: sums of millions of them do not overflow */

static const char *const distinct_states[] = { "distinct",     "distinct.num",  "distinct.text",
					       "distinct.nat", "distinct.fold", "distinct.time" };
static const char *const mode_states[] = { "mode", "mode.num", "mode.text", "mode.nat", "mode.fold", "mode.time" };

struct state {
	int64_t count;
	uint32_t first, last; /* pair numbers + 1 */
};

struct distinct_more {
	struct keyset pairs;
	struct buf next;       /* uint32 for each pair: the group's next pair + 1 */
	struct buf times;      /* mode: int64 for each pair, how often it came */
	struct buf key;        /* scratch: the pair being looked up */
	struct builder values; /* for each pair its value as first seen */
	struct field item, n;  /* the list types' children */
};

static bool is_mode(const struct agg *a)
{
	return a->family == &agg_mode;
}

static int distinct_type(struct agg *a, bool merge, struct type *ret, struct err *e)
{
	const struct type *t = &a->schema->fields[merge ? a->state_col : a->cols[0]].type;

	if (merge) {
		if (t->id != T_LIST)
			return agg_bad_state(a, NULL, 0, 0, e);
		t = &t->children[0].type;
	}
	if (!type_has_bytes(t) && t->id != T_NULL)
		return merge ? agg_bad_state(a, NULL, 0, 0, e) : agg_bad_type(a, 0, e);
	*ret = *t;
	return 0;
}

static int distinct_bind(struct agg *a, bool merge, struct err *e)
{
	struct distinct_more *more = a->more;
	const char *const *states = is_mode(a) ? mode_states : distinct_states;
	struct type list, counts;
	int rc = merge ? agg_state_kind(a, &states[a->spec.reading], 1, e) : 0;

	if (rc < 0 || (rc = distinct_type(a, merge, &more->item.type, e)) < 0 ||
	    (!merge && (rc = agg_check_key(a, a->schema, a->cols[0], e)) < 0))
		return rc;
	more->item.name = STR("item");
	more->item.nullable = true;
	a->need[0] = AGG_KEYS;
	list = (struct type){ .id = T_LIST, .layout = LAY_LIST, .nchildren = 1, .children = &more->item };
	more->n = (struct field){ .name = STR("item"), .nullable = true, .type = TYPE_INT64 };
	counts = (struct type){ .id = T_LIST, .layout = LAY_LIST, .nchildren = 1, .children = &more->n };
	rc = is_mode(a) ? agg_add_result(a, a->spec.out, more->item.type, true, e)
			: agg_add_result(a, a->spec.out, TYPE_INT64, false, e);
	if (rc < 0 || (rc = agg_add_state(a, states[a->spec.reading], list, false, e)) < 0 ||
	    (is_mode(a) && (rc = agg_add_state(a, "n", counts, false, e)) < 0))
		return rc;
	if ((rc = builder_init(&more->values, &more->item.type, e)) < 0)
		return rc;
	return keyset_init(&more->pairs, e);
}

/* Appends pair number `id` to its group's chain. */
static int chain(struct agg *a, struct state *s, uint32_t id, struct err *e)
{
	struct distinct_more *more = a->more;
	uint32_t *next;

	if (buf_zero(&more->next, sizeof *next))
		return err_oom(e);
	next = (uint32_t *)(void *)more->next.p;
	if (s->last)
		next[s->last - 1] = id + 1;
	else
		s->first = id + 1;
	s->last = id + 1;
	s->count++;
	return 0;
}

/* A new pair: chained, and its value kept where it will be asked for. */
static int begin_pair(struct agg *a, uint32_t group, uint32_t id, const struct column *c, int64_t row, struct err *e)
{
	struct distinct_more *more = a->more;
	int rc = chain(a, AGG_STATE(a, struct state, group), id, e);

	if (rc == 0 && is_mode(a) && buf_zero(&more->times, sizeof(int64_t)))
		rc = err_oom(e);
	return rc == 0 && (a->partial || is_mode(a)) ? builder_rows(&more->values, c, row, 1, e) : rc;
}

static int add(struct agg *a, uint32_t group, struct str key, const struct column *c, int64_t row, int64_t times, struct err *e)
{
	struct distinct_more *more = a->more;
	uint32_t before = more->pairs.n, id;
	struct str pair;
	int rc;

	more->key.n = 0;
	if (buf_add(&more->key, &group, sizeof group) || buf_str(&more->key, key))
		return err_oom(e);
	pair = buf_view(&more->key);
	rc = keyset_add(&more->pairs, pair, keyset_hash(&more->pairs, pair), &id, e);
	if (rc == 0 && id == before)
		rc = begin_pair(a, group, id, c, row, e);
	if (rc == 0 && is_mode(a))
		((int64_t *)(void *)more->times.p)[id] += times;
	return rc;
}

static int distinct_update(struct agg *a, const struct agg_batch *b, struct err *e)
{
	const struct column *c = b->args[0].col;
	const struct keys *keys = b->args[0].keys;
	int rc = 0;

	for (int64_t i = 0; i < b->n && rc == 0; i++)
		if (b->ids[i] != NO_GROUP && !column_is_null(c, i) && !(keys->has_null && keys->has_null[i]))
			rc = add(a, b->ids[i], keys_at(keys, i), c, i, 1, e);
	return rc;
}

static int distinct_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++)
		rc = builder_fixed(out, &AGG_STATE(a, struct state, g)->count, e);
	return rc;
}

/* The most frequent pair of a group, of equal ones the first; 0: there is none. Pairs are numbered from 1. */
static uint32_t mode_of(const struct agg *a, uint32_t g)
{
	const struct distinct_more *more = a->more;
	const uint32_t *next = (const uint32_t *)(const void *)more->next.p;
	const int64_t *times = (const int64_t *)(const void *)more->times.p;
	uint32_t best = AGG_STATE(a, struct state, g)->first;

	for (uint32_t p = best; p; p = next[p - 1])
		if (times[p - 1] > times[best - 1])
			best = p;
	return best;
}

static int mode_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	struct distinct_more *more = a->more;
	cleanup_arena struct arena arena = { 0 };
	struct column values;
	int rc = builder_view(&more->values, &arena, &values, e);

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		uint32_t best = mode_of(a, g);

		rc = best ? builder_rows(out, &values, best - 1, 1, e) : builder_null(out, 1, e);
	}
	return rc;
}

static int end_list(struct builder *out, struct err *e)
{
	int32_t end = (int32_t)out->children[0].n;

	if (out->children[0].n > INT32_MAX)
		return err_set(e, ST_DATA, "the distinct values of one batch of groups pass 2^31");
	if (buf_add(&out->offsets, &end, sizeof end))
		return err_oom(e);
	out->n++;
	return 0;
}

static int distinct_dump(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	struct distinct_more *more = a->more;
	const uint32_t *next = (const uint32_t *)(const void *)more->next.p;
	const int64_t *times = (const int64_t *)(const void *)more->times.p;
	cleanup_arena struct arena arena = { 0 };
	struct column values;
	int rc = builder_view(&more->values, &arena, &values, e);

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		for (uint32_t p = AGG_STATE(a, struct state, g)->first; p && rc == 0; p = next[p - 1]) {
			rc = builder_rows(&out[0].children[0], &values, p - 1, 1, e);
			if (rc == 0 && is_mode(a))
				rc = builder_fixed(&out[1].children[0], &times[p - 1], e);
		}
		for (int k = 0; k < a->nstate && rc == 0; k++)
			rc = end_list(&out[k], e);
	}
	return rc;
}

/* The list's items as a batch of one column, so that their keys can be encoded. */
static int items_batch(const struct column *list, struct batch **ret, struct err *e)
{
	cleanup_schema struct schema *s = schema_new();
	const struct column *items = &list->children[0];
	struct batch *b;
	int rc;

	if (!s)
		return err_oom(e);
	if ((rc = schema_add(s, STR("item"), items->type, true, e)) < 0)
		return rc;
	b = batch_new(s, items->length);
	if (!b)
		return err_oom(e);
	b->cols[0] = *items;
	b->cols[0].type = &s->fields[0].type;
	*ret = b;
	return 0;
}

/* How often item k of row i came, by the list of counts (NULL: once). 0: damaged. */
static int64_t times_of(const struct column *list, const struct column *counts, int64_t i, int64_t k)
{
	int64_t at, v;

	if (!counts)
		return 1;
	at = counts->offsets[i] + (k - list->offsets[i]);
	if (counts->offsets[i + 1] - counts->offsets[i] != list->offsets[i + 1] - list->offsets[i] ||
	    column_is_null(&counts->children[0], at))
		return 0;
	v = column_i64(&counts->children[0], at);
	return v > 0 && v <= TIMES_MAX ? v : 0;
}

static int load_lists(struct agg *a, const struct batch *b, const struct batch *items, const struct keys *keys, const uint32_t *ids,
		      struct err *e)
{
	const struct column *list = &b->cols[a->state_col], *counts = is_mode(a) ? list + 1 : NULL;
	int rc = 0;

	for (int64_t i = 0; i < list->length; i++)
		for (int64_t k = list->offsets[i]; k < list->offsets[i + 1] && rc == 0; k++) {
			int64_t times = times_of(list, counts, i, k);

			if (!times)
				return agg_bad_state(a, b, i, 1, e);
			if (!column_is_null(&items->cols[0], k))
				rc = add(a, ids[i], keys_at(keys, k), &items->cols[0], k, times, e);
		}
	return rc;
}

static bool has_counts(const struct agg *a, const struct batch *b)
{
	const struct column *counts = &b->cols[a->state_col] + 1;

	return a->state_col + 1 < b->schema->nfields && counts->type->id == T_LIST &&
	       counts->type->children[0].type.id == T_INT64;
}

static int distinct_load(struct agg *a, const struct batch *b, const uint32_t *ids, struct err *e)
{
	cleanup_arena struct arena arena = { 0 };
	cleanup_batch struct batch *items = NULL;
	struct key_bound part = { .reading = a->spec.reading };
	struct key key = { .n = 1, .parts = &part };
	struct bad_values bad = { .policy = BAD_FAIL, .bad_row = -1 };
	const struct column *list = &b->cols[a->state_col];
	struct distinct_more *more = a->more;
	struct keys keys = { 0 };
	int rc;

	if (list->type->id != T_LIST || !type_equal(&list->type->children[0].type, &more->item.type) ||
	    (is_mode(a) && !has_counts(a, b)))
		return agg_bad_state(a, b, 0, 0, e);
	if (more->item.type.id == T_NULL)
		return 0;
	if ((rc = items_batch(list, &items, e)) < 0 || (rc = agg_check_key(a, items->schema, 0, e)) < 0 ||
	    (rc = keys_encode(&key, items, &bad, &arena, &keys, e)) < 0)
		return rc;
	if (bad.bad_row >= 0)
		return agg_bad_state(a, b, 0, 0, e);
	return load_lists(a, b, items, &keys, ids, e);
}

static size_t distinct_memory(const struct agg *a)
{
	const struct distinct_more *more = a->more;

	return keyset_memory(&more->pairs) + more->next.cap + more->times.cap + more->values.values.cap + more->values.offsets.cap;
}

static void distinct_drop(struct agg *a)
{
	struct distinct_more *more = a->more;

	keyset_free(&more->pairs);
	buf_free(&more->next);
	buf_free(&more->times);
	buf_free(&more->key);
	builder_free(&more->values);
}

#define DISTINCT                                                                                                            \
	.min_fields = 1, .max_fields = 1, .reads = true, .size = sizeof(struct state), .more = sizeof(struct distinct_more), \
	.bind = distinct_bind, .update = distinct_update, .dump = distinct_dump, .load = distinct_load,                      \
	.memory = distinct_memory, .drop = distinct_drop

const struct agg_family agg_distinct = {
	.name = "distinct",
	.signature = "distinct:FIELD[:num|fold|...]",
	.example = "shops=distinct:shop",
	.help = "number of different values, exact",
	.finish = distinct_finish,
	DISTINCT,
};

const struct agg_family agg_mode = {
	.name = "mode",
	.signature = "mode:FIELD[:num|fold|...]",
	.example = "mode:shop",
	.help = "the most frequent value; of equally frequent ones the first",
	.finish = mode_finish,
	DISTINCT,
};
