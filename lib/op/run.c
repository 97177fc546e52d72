/* Runs: rows are packed as they come (rowstore.h), entries of 16 bytes are what is sorted; rows move once more, when they are given
 * out. Invariant: v is in order of arrival until it is sorted, so a stable sort keeps equal keys so. */
#include "lib/op/run.h"

#include "lib/op/pages.h"
#include "lib/op/pick.h"
#include "lib/op/radix.h"

#include <stdlib.h>

static void run_close(struct source *s)
{
	struct run *r = (struct run *)s;

	rowstore_free(&r->store);
	pages_free(r->v, (size_t)r->cap * sizeof *r->v);
	buf_free(&r->last_key);
	buf_free(&r->bound_key);
	arena_free(&r->arena);
	schema_unref(s->schema);
	free(r);
}

static int run_next(struct source *s, struct batch **ret, struct err *e)
{
	struct run *r = (struct run *)s;
	int64_t n = rows_per_batch(r->data, r->rows, r->batch_bytes);
	struct rows rows;
	int rc;

	if (n > r->n - r->at)
		n = r->n - r->at;
	if (n == 0)
		return 0;
	rc = rows_init(&rows, s->schema, e);
	if (rc == 0)
		rc = rowstore_rows(&r->store, r->v + r->at, n, &rows, e);
	if (rc == 0)
		rc = rows_take(&rows, ret, e);
	r->at += n;
	rows_free(&rows);
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
	rowstore_init(&r->store, schema);
	*ret = r;
	return 0;
}

int64_t run_bytes(const struct run *r)
{
	return r->store.bytes + (int64_t)sizeof(struct entry) * (r->cap + (r->ascending ? 0 : r->n));
}

static int grow_entries(struct run *r, int64_t more, struct err *e)
{
	int64_t cap = r->cap ? r->cap : 4096;
	void *v;

	while (cap < r->n + more)
		cap += cap / 4;
	if (cap == r->cap)
		return 0;
	v = pages_resize(r->v, (size_t)r->cap * sizeof *r->v, (size_t)cap * sizeof *r->v);
	if (!v)
		return err_oom(e);
	r->v = v;
	r->cap = cap;
	return 0;
}

/* A view whose bytes are our own, in `b`. */
static int keep_view(struct key_view *to, struct key_view v, struct buf *b, struct err *e)
{
	b->n = 0;
	if (buf_str(b, v.all))
		return err_oom(e);
	*to = (struct key_view){ v.word, buf_view(b) };
	return 0;
}

static struct key_view entry_view(const struct run *r, const struct entry *x)
{
	struct str all = rowstore_key(&r->store, x);

	return all.n ? key_view(all) : (struct key_view){ x->word, all };
}

/* Is this row wanted? Skipped ones and those behind the bound are not. */
static bool wanted(const struct run *r, const struct bad_values *bad, int64_t row, struct key_view key)
{
	return !(bad->skip && bit_get(bad->skip, row)) && !(r->bounded && key_cmp(key, r->bound) >= 0);
}

static int add_rows(struct run *r, const struct batch *b, const struct keys *k, const struct bad_values *bad, struct err *e)
{
	int64_t before = r->n;
	int rc = 0;

	for (int64_t i = 0; i < k->n && rc == 0; i++) {
		struct str key = keys_at(k, i);
		struct key_view view = key_view(key);

		if (!wanted(r, bad, i, view))
			continue;
		if (r->ascending && r->n && key_cmp(r->last, view) > 0)
			r->ascending = false;
		r->last = view;
		rc = rowstore_add(&r->store, b, i, key, &r->v[r->n++], e);
	}
	return rc < 0 || r->n == before ? rc : keep_view(&r->last, r->last, &r->last_key, e);
}

int run_add(struct run *r, struct batch *b, struct err *e)
{
	struct bad_values bad = { .policy = r->on_bad, .bad_row = -1 };
	struct keys keys;
	int rc;

	if (b->nrows == 0)
		return 0;
	arena_reset(&r->arena);
	if ((rc = grow_entries(r, b->nrows, e)) < 0 || (rc = keys_encode(&r->key, b, &bad, &r->arena, &keys, e)) < 0)
		return rc;
	if (bad.bad_row >= 0)
		return -e->status;
	r->rows += b->nrows;
	r->data += batch_bytes(b);
	return add_rows(r, b, &keys, &bad, e);
}

static void drop_equal(struct run *r)
{
	int64_t n = 0;

	for (int64_t i = 0; i < r->n; i++)
		if (n == 0 || key_cmp(entry_view(r, &r->v[n - 1]), entry_view(r, &r->v[i])) != 0)
			r->v[n++] = r->v[i];
	r->n = n;
}

int run_sort(struct run *r, struct err *e)
{
	size_t bytes = (size_t)r->n * sizeof *r->v;
	struct entry *tmp;

	if (!r->ascending) {
		tmp = pages_resize(NULL, 0, bytes);
		if (!tmp)
			return err_oom(e);
		radix_sort(r->v, tmp, r->n, &r->store);
		pages_free(tmp, bytes);
	}
	if (r->unique)
		drop_equal(r);
	if (r->limit >= 0 && r->n > r->limit)
		r->n = r->limit;
	r->ascending = true;
	return r->n ? keep_view(&r->last, entry_view(r, &r->v[r->n - 1]), &r->last_key, e) : 0;
}

/* The store with only the rows that v names, in that order. */
static int compact(struct run *r, struct err *e)
{
	struct rowstore fresh;
	int rc = 0;

	rowstore_init(&fresh, r->source.schema);
	for (int64_t i = 0; i < r->n && rc == 0; i++)
		rc = rowstore_copy(&fresh, &r->store, &r->v[i], &r->v[i], e);
	rowstore_free(rc < 0 ? &fresh : &r->store);
	if (rc == 0)
		r->store = fresh;
	return rc;
}

int run_shrink(struct run *r, struct err *e)
{
	int rc = run_sort(r, e);

	if (rc < 0 || (rc = compact(r, e)) < 0)
		return rc;
	r->bounded = r->limit >= 0 && r->n == r->limit;
	if (!r->bounded || r->n == 0)
		return 0;
	return keep_view(&r->bound, r->last, &r->bound_key, e);
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
