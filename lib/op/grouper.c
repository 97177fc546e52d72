/* Groups: see grouper.h.
 *
 * Invariant: group i has key i of `set`, and row i of the batches and `fresh`, one after another. A batch is hashed whole, then
 * looked up with the slots already on their way to the cache. */
#include "lib/op/grouper.h"

#include <stdlib.h>

#define REPS_BYTES (8 << 20) /* a batch of representatives is closed at this size */

static int add_field(struct grouper *g, const struct schema *s, int col, struct err *e)
{
	return schema_add_field(g->fields, &s->fields[col], e);
}

int grouper_init(struct grouper *g, const struct key_spec *spec, const struct schema *s, struct err *e)
{
	int rc;

	*g = (struct grouper){ .fields = schema_new() };
	if (!g->fields)
		return err_oom(e);
	if (spec->n && (rc = key_bind(spec, s, &g->arena, &g->key, e)) < 0)
		return rc;
	g->key.option = "-g";
	for (int i = 0; i < g->key.n; i++)
		if ((rc = add_field(g, s, g->key.parts[i].col, e)) < 0)
			return rc;
	if ((rc = rows_init(&g->fresh, g->fields, e)) < 0)
		return rc;
	g->starts = calloc(1, sizeof *g->starts);
	return g->starts ? keyset_init(&g->set, e) : err_oom(e);
}

void grouper_free(struct grouper *g)
{
	for (int i = 0; i < g->nbatches; i++)
		batch_unref(g->batches[i]);
	free(g->batches);
	free(g->starts);
	rows_free(&g->fresh);
	keyset_free(&g->set);
	schema_unref(g->fields);
	arena_free(&g->arena);
	arena_free(&g->scratch);
	*g = (struct grouper){ 0 };
}

uint32_t grouper_count(const struct grouper *g)
{
	return g->key.n ? g->set.n : 1;
}

size_t grouper_memory(const struct grouper *g)
{
	return g->key.n ? keyset_memory(&g->set) + g->reps + (size_t)rows_bytes(&g->fresh) : 0;
}

static int close_batch(struct grouper *g, struct err *e)
{
	struct batch **batches = realloc(g->batches, ((size_t)g->nbatches + 1) * sizeof(struct batch *));
	int64_t *starts;
	int rc;

	if (!batches)
		return err_oom(e);
	g->batches = batches;
	starts = realloc(g->starts, ((size_t)g->nbatches + 2) * sizeof *starts);
	if (!starts)
		return err_oom(e);
	g->starts = starts;
	g->reps += (size_t)rows_bytes(&g->fresh);
	if ((rc = rows_take(&g->fresh, &g->batches[g->nbatches], e)) < 0)
		return rc;
	starts[g->nbatches + 1] = starts[g->nbatches] + g->batches[g->nbatches]->nrows;
	g->nbatches++;
	return 0;
}

/* Keeps the key columns of rows idx[0 .. n) of b: the first of their groups. */
static int keep(struct grouper *g, const struct batch *b, const uint32_t *idx, int64_t n, struct err *e)
{
	cleanup_batch struct batch *keys = NULL;
	int rc;

	if (!n)
		return 0;
	keys = batch_new(g->fields, b->nrows);
	if (!keys)
		return err_oom(e);
	for (int i = 0; i < g->key.n; i++) {
		keys->cols[i] = b->cols[g->key.parts[i].col];
		keys->cols[i].type = &keys->schema->fields[i].type;
	}
	if ((rc = rows_gather(&g->fresh, keys, idx, n, e)) < 0)
		return rc;
	return rows_bytes(&g->fresh) > REPS_BYTES ? close_batch(g, e) : 0;
}

/* Rows from `from` on, KEYSET_MANY at most; notes those that are the first of their group. */
static int look_up(struct grouper *g, const struct keys *keys, const uint64_t *hash, int64_t from, int64_t n, uint32_t *ids,
		   uint32_t *fresh, int64_t *nfresh, struct err *e)
{
	int64_t ahead = keys->n - from - n;
	uint32_t next = g->set.n;
	int rc = keyset_add_many(&g->set, keys->bytes, keys->offsets + from, hash + from, n, ahead < KEYSET_MANY ? ahead : KEYSET_MANY,
				 ids + from, e);

	for (int64_t i = from; rc == 0 && next < g->set.n; i++)
		if (ids[i] == next) {
			fresh[(*nfresh)++] = (uint32_t)i;
			next++;
		}
	return rc;
}

/* Rows that are left out make no groups: between them, runs. */
static int look_up_runs(struct grouper *g, const struct keys *keys, const uint64_t *hash, const uint8_t *skip, uint32_t *ids,
			uint32_t *fresh, int64_t *nfresh, struct err *e)
{
	int rc = 0;

	for (int64_t i = 0, end; i < keys->n && rc == 0; i = end) {
		for (end = i; end < keys->n && end - i < KEYSET_MANY && !(skip && bit_get(skip, end)); end++)
			;
		if (end > i)
			rc = look_up(g, keys, hash, i, end - i, ids, fresh, nfresh, e);
		else
			ids[end++] = NO_GROUP;
	}
	return rc;
}

static void one_group(int64_t n, const uint8_t *skip, uint32_t *ids)
{
	for (int64_t i = 0; i < n; i++)
		ids[i] = skip && bit_get(skip, i) ? NO_GROUP : 0;
}

int grouper_add(struct grouper *g, const struct batch *b, const struct keys *keys, const uint8_t *skip, uint32_t *ids,
		struct err *e)
{
	uint64_t *hash;
	uint32_t *fresh;
	int64_t nfresh = 0;
	int rc;

	if (!g->key.n) {
		one_group(b->nrows, skip, ids);
		return 0;
	}
	arena_reset(&g->scratch);
	hash = arena_array(&g->scratch, uint64_t, (size_t)b->nrows);
	fresh = arena_array(&g->scratch, uint32_t, (size_t)b->nrows + 1);
	if (!hash || !fresh)
		return err_oom(e);
	for (int64_t i = 0; i < keys->n; i++)
		hash[i] = keyset_hash(&g->set, keys_at(keys, i));
	if ((rc = look_up_runs(g, keys, hash, skip, ids, fresh, &nfresh, e)) < 0)
		return rc;
	return keep(g, b, fresh, nfresh, e);
}

/* Rows [from, from + n) of the part of the representatives that starts at group `start`. */
static int emit_part(const struct batch *b, int64_t from, int64_t n, struct builder *out, struct err *e)
{
	int rc;

	for (int i = 0; i < b->schema->nfields; i++)
		if ((rc = builder_rows(&out[i], &b->cols[i], from, n, e)) < 0)
			return rc;
	return 0;
}

/* The batch that holds group i. */
static int find_batch(const struct grouper *g, int64_t i)
{
	int lo = 0, hi = g->nbatches;

	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (g->starts[mid + 1] > i)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

int grouper_seal(struct grouper *g, struct err *e)
{
	return g->key.n ? close_batch(g, e) : 0;
}

int grouper_emit(const struct grouper *g, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	int64_t i = from, end = (int64_t)from + n;
	int rc;

	if (!g->key.n)
		return 0;
	for (int k = find_batch(g, i); i < end; k++) {
		int64_t at = i - g->starts[k], take = g->batches[k]->nrows - at;

		if (take > end - i)
			take = end - i;
		if ((rc = emit_part(g->batches[k], at, take, out, e)) < 0)
			return rc;
		i += take;
	}
	return 0;
}

static int compare(const void *a, const void *b, void *set)
{
	return str_cmp(keyset_at(set, *(const uint32_t *)a), keyset_at(set, *(const uint32_t *)b));
}

int grouper_order(const struct grouper *g, uint32_t **ret, struct err *e)
{
	uint32_t n = grouper_count(g);
	uint32_t *order = malloc(((size_t)n + 1) * sizeof *order);

	if (!order)
		return err_oom(e);
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	if (g->key.n)
		qsort_r(order, n, sizeof *order, compare, (void *)(uintptr_t)&g->set);
	*ret = order;
	return 0;
}
