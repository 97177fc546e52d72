/* Groups: see grouper.h.
 *
 * Invariant: group i has the key at where[i] and, unless keys are text, row i of the batches and `fresh`, one after another. */
#include "lib/op/grouper.h"

#include "lib/agg/keyset.h"
#include "lib/base/hash.h"
#include "lib/base/pages.h"
#include "lib/op/repeats.h"

#include <stdlib.h>

#define REPS_BYTES (8 << 20) /* a batch of representatives is closed at this size */

static int add_field(struct grouper *g, const struct schema *s, int col, struct err *e)
{
	return schema_add_field(g->fields, &s->fields[col], e);
}

static int begin(struct grouper *g, struct err *e)
{
	int rc = rows_init(&g->fresh, g->fields, e);

	for (int k = 0; k < grouper_slices(g) && rc == 0; k++)
		rc = grouptab_init(&g->slices[k].tab, e);
	if (rc < 0)
		return rc;
	g->starts = calloc(1, sizeof *g->starts);
	return g->starts ? 0 : err_oom(e);
}

int grouper_init(struct grouper *g, const struct key_spec *spec, const struct schema *s, int nslices, struct err *e)
{
	int rc;

	*g = (struct grouper){ .fields = schema_new(), .seed = keyset_seed() };
	if (!g->fields)
		return err_oom(e);
	while (spec->n && 1 << g->bits < nslices)
		g->bits++;
	if (spec->n && (rc = key_bind(spec, s, &g->arena, &g->key, e)) < 0)
		return rc;
	g->key.option = "-g";
	for (int i = 0; i < g->key.n; i++)
		if ((rc = add_field(g, s, g->key.parts[i].col, e)) < 0)
			return rc;
	g->text = keys_hold_text(&g->key, s);
	return begin(g, e);
}

static void forget(struct grouper *g)
{
	for (int k = 0; k < GROUPER_SLICES; k++) {
		grouptab_free(&g->slices[k].tab);
		g->slices[k].named = 0;
	}
	pages_free(g->where, g->where_cap * sizeof *g->where);
	for (int i = 0; i < g->nbatches; i++)
		batch_unref(g->batches[i]);
	free(g->batches);
	free(g->starts);
	rows_free(&g->fresh);
	g->where = NULL;
	g->batches = NULL;
	g->starts = NULL;
	g->where_cap = g->reps = 0;
	g->nbatches = 0;
	g->n = 0;
}

int grouper_clear(struct grouper *g, struct err *e)
{
	forget(g);
	return begin(g, e);
}

void grouper_free(struct grouper *g)
{
	forget(g);
	schema_unref(g->fields);
	arena_free(&g->arena);
	*g = (struct grouper){ 0 };
}

uint32_t grouper_count(const struct grouper *g)
{
	return g->key.n ? g->n : 1;
}

size_t grouper_memory(const struct grouper *g)
{
	size_t sum = g->reps + (size_t)rows_bytes(&g->fresh) + g->where_cap * sizeof *g->where;

	for (int k = 0; k < grouper_slices(g); k++)
		sum += grouptab_memory(&g->slices[k].tab);
	return g->key.n ? sum : 0;
}

struct str grouper_key(const struct grouper *g, uint32_t group)
{
	uint32_t at = g->where[group];

	return grouptab_key(&g->slices[at & ((1u << g->bits) - 1)].tab, at >> g->bits);
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

int grouper_keep(struct grouper *g, const struct batch *b, const struct grouper_rows *r, struct err *e)
{
	cleanup_batch struct batch *keys = NULL;
	int rc;

	if (!r->nfresh || g->text)
		return 0;
	keys = batch_new(g->fields, b->nrows);
	if (!keys)
		return err_oom(e);
	for (int i = 0; i < g->key.n; i++) {
		keys->cols[i] = b->cols[g->key.parts[i].col];
		keys->cols[i].type = &keys->schema->fields[i].type;
	}
	if ((rc = rows_gather(&g->fresh, keys, r->fresh, r->nfresh, e)) < 0)
		return rc;
	return rows_bytes(&g->fresh) > REPS_BYTES ? close_batch(g, e) : 0;
}

/* ---- rows to groups ---- */

static void one_group(int64_t n, const uint8_t *skip, uint32_t *ids)
{
	for (int64_t i = 0; i < n; i++)
		ids[i] = skip && bit_get(skip, i) ? NO_GROUP : 0;
}

/* The slice of each row; one too many for a row that does not count. */
static inline unsigned slice_of(const struct grouper_rows *r, unsigned slices, const uint8_t *skip, int64_t i)
{
	return skip && bit_get(skip, i) ? slices : (unsigned)r->keys.hash[i] & (slices - 1);
}

/* Rows by slice, in order within each: all, or those of a list. Inlined for what is usual. */
static inline __attribute__((always_inline)) void sort_rows(struct grouper_rows *r, unsigned slices, const uint8_t *skip,
							     const uint32_t *list, int64_t n)
{
	int64_t at[GROUPER_SLICES + 1] = { 0 };

	for (int64_t i = 0; i < n; i++)
		at[slice_of(r, slices, skip, list ? list[i] : i)]++;
	for (unsigned k = 0; k < slices; k++) {
		r->from[k + 1] = r->from[k] + at[k];
		at[k] = r->from[k];
	}
	at[slices] = r->from[slices];
	for (int64_t i = 0; i < n; i++) {
		int64_t row = list ? list[i] : i;

		r->rows[at[slice_of(r, slices, skip, row)]++] = (uint32_t)row;
	}
}

static void hash_keys(const struct grouptab_rows *k, uint64_t seed, const uint32_t *list, int64_t n, uint64_t *hash)
{
	for (int64_t i = 0; i < n; i++) {
		int64_t row = list ? list[i] : i;

		hash[row] = hash64(k->bytes + k->offsets[row], k->offsets[row + 1] - k->offsets[row], seed);
	}
}

/* The rows that are no repeats, to `list`. */
static int64_t list_rows(const uint32_t *same, int64_t n, uint32_t *list)
{
	int64_t m = 0;

	for (int64_t i = 0; i < n; i++) {
		list[m] = (uint32_t)i;
		m += same[i] == i;
	}
	return m;
}

int grouper_cut(const struct grouper *g, int64_t n, const struct keys *keys, const uint8_t *skip, struct arena *a,
		struct grouper_rows *ret, struct err *e)
{
	uint64_t *hash = g->key.n ? arena_array(a, uint64_t, (size_t)n) : NULL;
	unsigned slices = 1u << g->bits;
	uint32_t *list = NULL;
	int64_t m = n;
	int rc;

	*ret = (struct grouper_rows){ .n = n, .keys = { keys->bytes, keys->offsets, hash } };
	ret->ids = arena_array(a, uint32_t, (size_t)n);
	ret->rows = arena_array(a, uint32_t, (size_t)n);
	ret->fresh = arena_array(a, uint32_t, (size_t)n);
	if (!ret->ids || !ret->rows || !ret->fresh || (g->key.n && !hash))
		return err_oom(e);
	if (!g->key.n) {
		one_group(n, skip, ret->ids);
		return 0;
	}
	if (!skip && (rc = repeats_find(keys, a, &ret->same, e)) < 0)
		return rc;
	if (ret->same)
		m = list_rows(ret->same, n, list = ret->fresh); /* which is free until rows get numbers */
	hash_keys(&ret->keys, g->seed, list, m, hash);
	memset(ret->ids, 0xff, (size_t)n * sizeof *ret->ids);
	if (skip)
		sort_rows(ret, slices, skip, NULL, n);
	else if (list)
		sort_rows(ret, slices, NULL, list, m);
	else if (g->bits)
		sort_rows(ret, slices, NULL, NULL, n);
	else
		sort_rows(ret, 1, NULL, NULL, n);
	return 0;
}

void grouper_begin(struct grouper *g, int slice)
{
	grouptab_settle(&g->slices[slice].tab);
	g->slices[slice].named = 0;
}

int grouper_look_up(struct grouper *g, int slice, struct grouper_rows *r, struct err *e)
{
	int64_t from = r->from[slice];

	return grouptab_look_up(&g->slices[slice].tab, &r->keys, r->rows + from, r->from[slice + 1] - from, r->ids, e);
}

/* Where places end that fit into where[]. */
static size_t most_bytes(const struct grouper *g)
{
	return ((size_t)UINT32_MAX >> g->bits) * GROUPTAB_UNIT;
}

bool grouper_is_full(const struct grouper *g)
{
	size_t used = 0;

	for (int k = 0; k < grouper_slices(g); k++)
		used = g->slices[k].tab.used > used ? g->slices[k].tab.used : used;
	return g->n > UNNAMED / 4 * 3 || used > most_bytes(g) / 4 * 3;
}

/* Room for numbers of all keys that the slices have. `ret`: some have been fresh since grouper_begin(). */
static int reserve(struct grouper *g, bool *ret, struct err *e)
{
	uint64_t sum = g->n;
	uint32_t *p;
	size_t cap;

	*ret = false;
	for (int k = 0; k < grouper_slices(g); k++) {
		const struct slice *s = &g->slices[k];

		*ret |= s->tab.nfresh > 0;
		sum += s->tab.nfresh - s->named;
		if (s->tab.used > most_bytes(g) || sum >= UNNAMED)
			return err_set(e, ST_OSERR, "more groups than can be held in memory at once");
	}
	if (sum <= g->where_cap)
		return 0;
	cap = sum + sum / 2 + 1024;
	if (!(p = pages_resize(g->where, g->where_cap * sizeof *p, cap * sizeof *p)))
		return err_oom(e);
	g->where = p;
	g->where_cap = cap;
	return 0;
}

/* Fresh keys of one slice come in the order of their rows: so a row whose key has no group yet has the slice's next one. */
static inline uint32_t group_of(struct grouper *g, unsigned slice, uint32_t number)
{
	struct slice *s = &g->slices[slice];
	struct fresh_key *key = &s->tab.fresh[number];

	if (number == s->named) {
		g->where[g->n] = key->place << g->bits | slice;
		key->group = g->n++;
		s->named++;
	}
	return key->group;
}

int grouper_number(struct grouper *g, struct grouper_rows *r, struct err *e)
{
	unsigned mask = (1u << g->bits) - 1;
	bool fresh = false;
	int rc = reserve(g, &fresh, e);

	for (int64_t i = 0; i < r->n && rc == 0 && fresh; i++) {
		uint32_t before = g->n;

		if (r->ids[i] < UNNAMED || r->ids[i] == NO_GROUP)
			continue;
		r->ids[i] = group_of(g, (unsigned)r->keys.hash[i] & mask, r->ids[i] - UNNAMED);
		r->fresh[r->nfresh] = (uint32_t)i;
		r->nfresh += g->n > before;
	}
	for (int64_t i = 0; r->same && i < r->n && rc == 0; i++)
		r->ids[i] = r->ids[r->same[i]];
	r->ngroups = grouper_count(g);
	return rc;
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
	return g->key.n && !g->text ? close_batch(g, e) : 0;
}

#define SOME 128 /* groups at a time */

static int emit_keys(const struct grouper *g, uint32_t from, uint32_t n, bool encoded, struct builder *out, struct err *e)
{
	struct str keys[SOME];
	int rc = 0;

	for (uint32_t i = 0, m; i < n && rc == 0; i += m) {
		m = n - i < SOME ? n - i : SOME;
		for (uint32_t k = 0; k < m; k++)
			keys[k] = grouper_key(g, from + i + k);
		rc = encoded ? builder_strs(out, keys, m, e) : keys_decode(&g->key, keys, m, out, e);
	}
	return rc;
}

int grouper_emit_encoded(const struct grouper *g, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	return emit_keys(g, from, n, true, out, e);
}

int grouper_emit(const struct grouper *g, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	int64_t i = from, end = (int64_t)from + n;
	int rc;

	if (!g->key.n)
		return 0;
	if (g->text)
		return emit_keys(g, from, n, false, out, e);
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

static int compare(const void *a, const void *b, void *g)
{
	return str_cmp(grouper_key(g, *(const uint32_t *)a), grouper_key(g, *(const uint32_t *)b));
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
		qsort_r(order, n, sizeof *order, compare, (void *)(uintptr_t)g);
	*ret = order;
	return 0;
}
