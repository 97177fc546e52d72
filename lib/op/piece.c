/* Making a piece: its batches are packed row by row as they lie, the entries sorted, and the rows copied once more into their order,
 * all inside the processor's cache. What comes later reads them from front to back. */
#include "lib/op/piece.h"

#include "lib/base/copy.h"
#include "lib/base/pages.h"
#include "lib/op/grow.h"
#include "lib/op/pick.h"
#include "lib/op/radix.h"

#define AHEAD 16 /* rows whose memory is asked for in advance */

void sorted_free(struct sorted *s)
{
	pages_free(s->p, s->mapped);
	free(s->index);
	*s = (struct sorted){ 0 };
}

/* Room for rows of `bytes` bytes; n of them. */
static int sorted_room(struct sorted *s, size_t bytes, int64_t n, struct err *e)
{
	*s = (struct sorted){ .mapped = bytes + ROW_PADDING };
	s->index = malloc((size_t)(n / INDEX_STEP + 1) * sizeof *s->index);
	s->p = pages_resize(NULL, 0, s->mapped);
	if (s->p && s->index)
		return 0;
	if (!s->p)
		s->mapped = 0;
	sorted_free(s);
	return err_oom(e);
}

size_t rows_size(const struct entry *v, int64_t n)
{
	size_t bytes = 0;

	for (int64_t i = 0; i < n; i++)
		bytes += row_size(v[i].row);
	return bytes;
}

int sorted_make(const struct entry *v, int64_t n, size_t bytes, struct sorted *ret, struct err *e)
{
	uint8_t *to;
	int rc;

	if ((rc = sorted_room(ret, bytes, n, e)) < 0)
		return rc;
	pages_touch(ret->p, 0, ret->mapped);
	to = ret->p;
	for (int64_t i = 0; i < n; i++) {
		size_t size = row_size(v[i].row);

		if (i + AHEAD < n)
			__builtin_prefetch(v[i + AHEAD].row);
		copy_long(to, v[i].row, size);
		if (i % INDEX_STEP == 0)
			ret->index[ret->nindex++] = row_entry(to);
		to += size;
	}
	ret->bytes = bytes;
	ret->n = n;
	return 0;
}

static void piece_run(struct job *job);

int piece_new(const struct piece_rules *rules, struct piece **ret, struct err *e)
{
	struct piece *p = calloc(1, sizeof *p);

	if (!p)
		return err_oom(e);
	p->rules = rules;
	p->job.run = piece_run;
	*ret = p;
	return 0;
}

static void drop_batches(struct piece *p)
{
	for (int i = 0; i < p->nbatches; i++)
		batch_unref(p->batches[i]);
	free(p->batches);
	p->batches = NULL;
	p->nbatches = p->cap = 0;
}

void piece_free(struct piece *p)
{
	if (!p)
		return;
	drop_batches(p);
	sorted_free(&p->sorted);
	buf_free(&p->bad.texts);
	free(p);
}

int piece_add(struct piece *p, struct batch *b, struct err *e)
{
	const uint32_t *lines = b->lines.at;

	if (p->nbatches == p->cap) {
		int cap = p->cap ? p->cap * 2 : 4, rc = GROW(p->batches, cap, e);

		if (rc < 0)
			return rc;
		p->cap = cap;
	}
	p->batches[p->nbatches++] = batch_ref(b);
	p->rows += b->nrows;
	p->data += batch_bytes(b) + (lines ? lines[b->nrows] - lines[0] : 0);
	p->held += (int64_t)b->arena.total + (lines ? (int64_t)b->origin.text_size : 0);
	return 0;
}

/* Only rows that are not skipped and may come under the bound. */
static bool wanted(const struct piece_rules *r, const struct bad_values *bad, const struct keys *k, int64_t row)
{
	uint64_t word;
	int c;

	if (bad->skip && bit_get(bad->skip, row))
		return false;
	if (!r->bounded)
		return true;
	if (k->offsets[row + 1] == k->offsets[row])
		return false;
	word = key_word(keys_at(k, row), 0);
	if (word != r->bound_word)
		return word < r->bound_word;
	c = str_cmp(keys_at(k, row), buf_view(&r->bound));
	return c < 0 || (c == 0 && r->unique == UNIQUE_LAST);
}

static int64_t choose(const struct piece_rules *r, const struct bad_values *bad, const struct keys *k, uint32_t *idx)
{
	int64_t n = 0;

	for (int64_t i = 0; i < k->n && k->offsets[k->n]; i++)
		if (wanted(r, bad, k, i))
			idx[n++] = (uint32_t)i;
	return n;
}

/* Lines of rows idx[0 .. n) alone; those of the others are empty. */
static int print_some(const struct line_form *form, const struct batch *b, const uint32_t *idx, int64_t n, struct arena *a,
		      struct text_lines *ret, struct err *e)
{
	uint32_t *at = arena_calloc(a, (size_t)b->nrows + 1, sizeof *at);
	cleanup_batch struct batch *some = NULL;
	int rc = at ? batch_gather(b, idx, n, &some, e) : err_oom(e);

	if (rc < 0 || (rc = form->print(form, some, a, ret, e)) < 0)
		return rc;
	for (int64_t i = 0; i < n; i++)
		at[idx[i] + 1] = ret->at[i + 1] - ret->at[i];
	for (int64_t i = 0; i < b->nrows; i++)
		at[i + 1] += at[i];
	ret->at = at;
	return 0;
}

/* Rows idx[0 .. n) as the one column of what is kept. */
static int as_lines(const struct line_form *form, const struct batch *b, const uint32_t *idx, int64_t n, struct arena *a,
		    struct column *ret, struct err *e)
{
	static const struct type bytes = TYPE_BINARY;
	struct text_lines lines = b->lines;
	int rc = 0;

	if (!lines.at)
		rc = idx ? print_some(form, b, idx, n, a, &lines, e) : form->print(form, b, a, &lines, e);
	if (rc == 0)
		*ret = (struct column){ .type = &bytes, .length = b->nrows, .values = lines.text,
					.offsets = (const int32_t *)(const void *)lines.at };
	return rc;
}

static int store_rows(const struct piece_rules *r, struct rowstore *store, const struct batch *b, const uint32_t *idx, int64_t n,
		      const struct keys *keys, struct entry *v, struct arena *a, struct err *e)
{
	struct batch as = { .schema = store->schema, .nrows = b->nrows };
	struct column lines;
	int rc;

	if (!r->lines || n == 0)
		return rowstore_add(store, b, idx, n, keys, v, e);
	as.cols = &lines;
	rc = as_lines(r->lines, b, idx, n, a, &lines, e);
	return rc < 0 ? rc : rowstore_add(store, &as, idx, n, keys, v, e);
}

/* A batch's rows into the store; v grows by *n. */
static int pack_batch(struct piece *p, const struct batch *b, struct rowstore *store, struct entry *v, int64_t *n, struct arena *a,
		      struct err *e)
{
	struct bad_values bad = { .policy = p->rules->on_bad, .bad_row = -1 };
	struct str none = { 0 };
	uint32_t *idx = NULL;
	struct keys keys;
	int rc;

	*n = 0;
	if (b->nrows == 0)
		return 0;
	arena_reset(a);
	if ((rc = keys_encode_until(&p->rules->key, p->rules->bounded ? buf_view(&p->rules->bound) : none, b, &bad, a, &keys, e)) < 0)
		return rc;
	if (bad.bad_row >= 0)
		return -e->status;
	if ((rc = bad_values_find(&bad, b, &p->bad, e)) < 0)
		return rc;
	*n = keys.n;
	if (bad.skip || p->rules->bounded) {
		idx = arena_alloc(a, (size_t)keys.n * sizeof *idx);
		if (!idx)
			return err_oom(e);
		*n = choose(p->rules, &bad, &keys, idx);
	}
	return store_rows(p->rules, store, b, idx, *n, &keys, v, a, e);
}

enum order { ASCENDING, DESCENDING, MIXED };

/* DESCENDING: strictly, so that turning it round is stable. */
static enum order order_of(const struct entry *v, int64_t n)
{
	int64_t i = 1;

	while (i < n && entry_cmp(&v[i - 1], &v[i]) <= 0)
		i++;
	if (i >= n)
		return ASCENDING;
	if (i > 1)
		return MIXED;
	while (i < n && entry_cmp(&v[i - 1], &v[i]) > 0)
		i++;
	return i >= n ? DESCENDING : MIXED;
}

static void reverse(struct entry *v, int64_t n)
{
	for (int64_t i = 0, j = n - 1; i < j; i++, j--) {
		struct entry x = v[i];

		v[i] = v[j];
		v[j] = x;
	}
}

/* One row of each key, in place. */
static int64_t drop_equal(struct entry *v, int64_t n, enum unique unique)
{
	int64_t kept = 0;

	for (int64_t i = 0; i < n; i++) {
		if (kept == 0 || !str_eq(row_key(v[kept - 1].row), row_key(v[i].row)))
			v[kept++] = v[i];
		else if (unique == UNIQUE_LAST)
			v[kept - 1] = v[i];
	}
	return kept;
}

int64_t entries_sort(struct entry *v, int64_t n, enum unique unique, struct err *e)
{
	enum order order = order_of(v, n);
	struct radix_room *room;

	if (order == DESCENDING)
		reverse(v, n);
	if (order == MIXED) {
		room = malloc((size_t)n * sizeof *room);
		if (!room)
			return err_oom(e);
		radix_sort(v, room, n);
		free(room);
	}
	return unique ? drop_equal(v, n, unique) : n;
}

static int make(struct piece *p, struct rowstore *store, struct entry *v, struct err *e)
{
	cleanup_arena struct arena a = { 0 };
	int64_t n = 0, more, all;
	int rc;

	for (int i = 0; i < p->nbatches; i++) {
		if ((rc = pack_batch(p, p->batches[i], store, v + n, &more, &a, e)) < 0)
			return rc;
		n += more;
	}
	drop_batches(p);
	all = n;
	if ((n = entries_sort(v, n, p->rules->unique, e)) < 0)
		return (int)n;
	if (p->rules->limit >= 0 && n > p->rules->limit)
		n = p->rules->limit;
	return n ? sorted_make(v, n, n == all ? rowstore_size(store) : rows_size(v, n), &p->sorted, e) : 0;
}

static void piece_run(struct job *job)
{
	struct piece *p = (struct piece *)job;
	struct entry *v = malloc((size_t)(p->rows ? p->rows : 1) * sizeof *v);
	struct rowstore store;

	rowstore_init(&store, p->rules->schema);
	p->rc = v ? make(p, &store, v, &p->e) : err_oom(&p->e);
	rowstore_free(&store);
	free(v);
	drop_batches(p);
}
