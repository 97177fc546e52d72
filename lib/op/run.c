/* Runs: batches are kept as they came, keys are encoded batch by batch, entries of 16 bytes are what is sorted; rows move once,
 * when they are given out. Invariant: v is in order of arrival until it is sorted, so a stable sort keeps equal keys so. */
#include "lib/op/run.h"

#include "lib/op/grow.h"
#include "lib/op/pick.h"

static void forget_rows(struct run *r)
{
	for (uint32_t i = 0; i < r->nbatches; i++) {
		batch_unref(r->batches[i]);
		arena_free(&r->arenas[i]);
	}
	r->nbatches = 0;
	r->n = r->at = r->bytes = r->data = 0;
	r->ascending = true;
	r->last = (struct str){ 0 };
}

static void run_close(struct source *s)
{
	struct run *r = (struct run *)s;

	forget_rows(r);
	free(r->batches);
	free(r->keys);
	free(r->arenas);
	free(r->v);
	buf_free(&r->bound);
	schema_unref(s->schema);
	free(r);
}

/* How many entries from r->at make one batch. */
static int64_t next_rows(const struct run *r)
{
	int64_t n = rows_per_batch(r->data, r->n);

	return n < r->n - r->at ? n : r->n - r->at;
}

static int run_next(struct source *s, struct batch **ret, struct err *e)
{
	struct run *r = (struct run *)s;
	int64_t n = next_rows(r);
	struct rowref *refs;
	struct rows rows;
	int rc;

	if (n == 0)
		return 0;
	refs = malloc((size_t)n * sizeof *refs);
	if (!refs)
		return err_oom(e);
	for (int64_t i = 0; i < n; i++)
		refs[i] = (struct rowref){ r->v[r->at + i].batch, r->v[r->at + i].row };
	rc = rows_init(&rows, s->schema, e);
	if (rc == 0)
		rc = pick_rows(&rows, r->batches, refs, n, e);
	if (rc == 0)
		rc = rows_take(&rows, ret, e);
	r->at += n;
	rows_free(&rows);
	free(refs);
	return rc;
}

int run_open(const struct schema *schema, const struct key *key, struct run **ret, struct err *e)
{
	struct run *r = calloc(1, sizeof *r);

	if (!r)
		return err_oom(e);
	r->source = (struct source){ schema_ref(schema), run_next, run_close };
	r->key = *key;
	r->limit = -1;
	r->ascending = true;
	*ret = r;
	return 0;
}

static int grow_batches(struct run *r, struct err *e)
{
	uint32_t cap = r->cap ? r->cap * 2 : 16;
	int rc;

	if (r->nbatches < r->cap)
		return 0;
	if ((rc = GROW(r->batches, cap, e)) < 0 || (rc = GROW(r->keys, cap, e)) < 0 || (rc = GROW(r->arenas, cap, e)) < 0)
		return rc;
	r->cap = cap;
	return 0;
}

static int grow_entries(struct run *r, int64_t more, struct err *e)
{
	int64_t cap = r->vcap ? r->vcap : 1024;
	int rc;

	while (cap < r->n + more)
		cap += cap / 2;
	if (cap == r->vcap)
		return 0;
	if ((rc = GROW(r->v, cap, e)) < 0)
		return rc;
	r->vcap = cap;
	return 0;
}

/* Is this row wanted? Skipped ones and those behind the bound are not. */
static bool wanted(const struct run *r, const struct bad_values *bad, int64_t row, struct str key)
{
	return !(bad->skip && bit_get(bad->skip, row)) && !(r->bounded && str_cmp(key, buf_view(&r->bound)) >= 0);
}

static void add_entries(struct run *r, uint32_t batch, const struct bad_values *bad)
{
	const struct keys *k = &r->keys[batch];

	for (int64_t i = 0; i < k->n; i++) {
		struct str key = keys_at(k, i);

		if (!wanted(r, bad, i, key))
			continue;
		if (r->ascending && r->last.p && str_cmp(r->last, key) > 0)
			r->ascending = false;
		r->last = key;
		r->v[r->n++] = (struct entry){ key_word(key, 0), batch, (uint32_t)i };
	}
}

/* Memory a batch holds: its own arena is the truth when it owns its columns, the columns' bytes when it borrows them. */
static int64_t held_bytes(const struct batch *b)
{
	int64_t own = (int64_t)b->arena.total, cols = batch_bytes(b);

	return own > cols ? own : cols;
}

int run_add(struct run *r, struct batch *b, struct err *e)
{
	struct bad_values bad = { .policy = r->on_bad, .bad_row = -1 };
	uint32_t at = r->nbatches;
	int64_t before = r->n;
	int rc;

	if (b->nrows == 0)
		return 0;
	if ((rc = grow_batches(r, e)) < 0 || (rc = grow_entries(r, b->nrows, e)) < 0)
		return rc;
	r->arenas[at] = (struct arena){ 0 };
	rc = keys_encode(&r->key, b, &bad, &r->arenas[at], &r->keys[at], e);
	if (rc == 0 && bad.bad_row >= 0)
		rc = -e->status;
	if (rc == 0)
		add_entries(r, at, &bad);
	if (rc < 0 || r->n == before) {
		arena_free(&r->arenas[at]);
		return rc;
	}
	r->batches[at] = batch_ref(b);
	r->nbatches++;
	r->data += batch_bytes(b);
	r->bytes += held_bytes(b) + (int64_t)r->arenas[at].total + (r->n - before) * 2 * (int64_t)sizeof(struct entry);
	return 0;
}

static struct str entry_key(const struct run *r, int64_t i)
{
	return keys_at(&r->keys[r->v[i].batch], r->v[i].row);
}

static void drop_equal(struct run *r)
{
	int64_t n = 0;

	for (int64_t i = 0; i < r->n; i++)
		if (n == 0 || !str_eq(entry_key(r, n - 1), entry_key(r, i)))
			r->v[n++] = r->v[i];
	r->n = n;
}

int run_sort(struct run *r, struct err *e)
{
	struct entry *tmp;

	if (!r->ascending) {
		tmp = malloc((size_t)r->n * sizeof *tmp);
		if (!tmp)
			return err_oom(e);
		radix_sort(r->v, tmp, r->n, r->keys);
		free(tmp);
	}
	if (r->unique)
		drop_equal(r);
	if (r->limit >= 0 && r->n > r->limit)
		r->n = r->limit;
	r->ascending = true;
	if (r->n)
		r->last = entry_key(r, r->n - 1);
	return 0;
}

/* The rows that remain, in order, as batches of their own. */
static int copy_out(struct run *r, struct batch ***ret, uint32_t *n, struct err *e)
{
	uint32_t cap = (uint32_t)(r->n / rows_per_batch(r->data, r->n) + 1);
	int rc = 0;

	*n = 0;
	*ret = calloc(cap, sizeof **ret);
	if (!*ret)
		return err_oom(e);
	r->at = 0;
	while (rc == 0 && r->at < r->n)
		if ((rc = run_next(&r->source, &(*ret)[*n], e)) == 0)
			++*n;
	return rc;
}

static int set_bound(struct run *r, struct err *e)
{
	r->bound.n = 0;
	r->bounded = r->limit >= 0 && r->n == r->limit;
	if (!r->bounded || r->n == 0)
		return 0;
	return buf_str(&r->bound, entry_key(r, r->n - 1)) ? err_oom(e) : 0;
}

int run_shrink(struct run *r, struct err *e)
{
	struct batch **kept = NULL;
	uint32_t n = 0, done = 0;
	int rc = run_sort(r, e);

	if (rc == 0 && (rc = set_bound(r, e)) == 0)
		rc = copy_out(r, &kept, &n, e);
	if (rc == 0) {
		bool bounded = r->bounded;

		forget_rows(r);
		r->bounded = false; /* the last row kept is the bound itself */
		while (rc == 0 && done < n)
			rc = run_add(r, kept[done++], e);
		r->bounded = bounded;
	}
	for (uint32_t i = 0; i < n; i++)
		batch_unref(kept[i]);
	free(kept);
	return rc;
}

int schema_sorted(const struct schema *from, const struct key *key, struct schema **ret, struct err *e)
{
	cleanup_schema struct schema *s = schema_new();
	cleanup_buf struct buf d = { 0 };
	int rc = 0;

	if (!s || key_describe(key, from, &d))
		return err_oom(e);
	for (int i = 0; i < from->nfields && rc == 0; i++)
		rc = schema_add_field(s, &from->fields[i], e);
	if (rc < 0 || (rc = schema_copy_meta(s, from, e)) < 0 || (rc = schema_set_meta(s, STR("stook.sorted"), buf_view(&d), e)) < 0)
		return rc;
	*ret = s;
	s = NULL;
	return 0;
}
