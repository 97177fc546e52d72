/* Collecting a run: batches are grouped into pieces of some MiB, each sorted by a job while the next ones are read. Pieces keep the
 * order of the input, so that equal keys can. */
#include "lib/op/run.h"

#include "lib/op/grow.h"

#include <stdlib.h>

#define WORK_FACTOR 3 /* memory of a piece being made besides its batches, in times their data */

int run_open(const struct schema *schema, const struct key *key, struct pool *pool, int window, int64_t piece_bytes, struct run **ret,
	     struct err *e)
{
	struct run *r = calloc(1, sizeof *r);

	if (!r)
		return err_oom(e);
	r->rules = (struct piece_rules){ .schema = schema_ref(schema), .key = *key, .limit = -1 };
	r->pool = pool;
	r->window = window;
	r->piece_bytes = piece_bytes;
	*ret = r;
	return 0;
}

/* Waits for the oldest piece that is being made and counts it. */
static int settle_one(struct run *r, struct err *e)
{
	struct piece *p = r->pieces[r->settled];
	int rc;

	pool_wait(r->pool, &p->job);
	r->settled++;
	if (p->rc < 0) {
		*e = p->e;
		return p->rc;
	}
	if ((rc = bad_found_give(&p->bad, e)) < 0)
		return rc;
	r->n += p->sorted.n;
	r->bytes += (int64_t)(p->sorted.mapped + (size_t)p->sorted.nindex * sizeof *p->sorted.index);
	return 0;
}

void run_free(struct run *r)
{
	if (!r)
		return;
	while (r->settled < r->given)
		pool_wait(r->pool, &r->pieces[r->settled++]->job);
	for (int i = 0; i < r->npieces; i++)
		piece_free(r->pieces[i]);
	free(r->pieces);
	buf_free(&r->rules.bound);
	schema_unref(r->rules.schema);
	free(r);
}

static int add_piece(struct run *r, struct err *e)
{
	int rc;

	if (r->npieces == r->cap) {
		int cap = r->cap ? r->cap * 2 : 16;

		if ((rc = GROW(r->pieces, cap, e)) < 0)
			return rc;
		r->cap = cap;
	}
	if ((rc = piece_new(&r->rules, &r->pieces[r->npieces], e)) < 0)
		return rc;
	r->npieces++;
	return 0;
}

/* The last piece has all its batches. */
static int give(struct run *r, struct err *e)
{
	int rc = 0;

	while (r->given - r->settled >= r->window && rc == 0)
		rc = settle_one(r, e);
	if (rc == 0)
		pool_give(r->pool, &r->pieces[r->given++]->job);
	return rc;
}

int run_add(struct run *r, struct batch *b, struct err *e)
{
	struct piece *p;
	int rc;

	if (r->npieces == r->given && (rc = add_piece(r, e)) < 0)
		return rc;
	p = r->pieces[r->npieces - 1];
	r->data -= p->data;
	if ((rc = piece_add(p, b, e)) < 0)
		return rc;
	r->rows += b->nrows;
	r->data += p->data;
	return p->data >= r->piece_bytes ? give(r, e) : 0;
}

int run_settle(struct run *r, struct err *e)
{
	int rc = 0;

	if (r->given < r->npieces && r->given == r->settled) { /* nothing to be gained from another thread */
		pool_give(NULL, &r->pieces[r->given++]->job);
	} else if (r->given < r->npieces) {
		rc = give(r, e);
	}
	while (r->settled < r->given && rc == 0)
		rc = settle_one(r, e);
	return rc;
}

int64_t run_bytes(const struct run *r)
{
	int64_t sum = r->bytes;

	for (int i = r->settled; i < r->npieces; i++)
		sum += r->pieces[i]->held + r->pieces[i]->data * WORK_FACTOR;
	return sum;
}

/* All rows of all pieces, in the order of the pieces. */
static struct entry *list_rows(const struct run *r)
{
	struct entry *v = malloc((size_t)(r->n ? r->n : 1) * sizeof *v), *to = v;

	for (int i = 0; v && i < r->npieces; i++) {
		const uint8_t *row = r->pieces[i]->sorted.p;

		for (int64_t k = 0; k < r->pieces[i]->sorted.n; k++, row += row_size(row))
			*to++ = row_entry(row);
	}
	return v;
}

/* One piece instead of all. */
static void replace_pieces(struct run *r, const struct sorted *s)
{
	for (int i = 1; i < r->npieces; i++)
		piece_free(r->pieces[i]);
	sorted_free(&r->pieces[0]->sorted);
	r->pieces[0]->sorted = *s;
	r->npieces = r->given = r->settled = 1;
	r->n = s->n;
	r->bytes = (int64_t)(s->mapped + (size_t)s->nindex * sizeof *s->index);
}

static int set_bound(struct run *r, struct entry last, struct err *e)
{
	struct str key = row_key(last.row);

	r->rules.bound.n = 0;
	if (buf_str(&r->rules.bound, key))
		return err_oom(e);
	r->rules.bound_word = key_word(key, 0);
	r->rules.bounded = true;
	return 0;
}

static int shrink_to(struct run *r, struct entry *v, int64_t n, int64_t most, struct err *e)
{
	struct sorted s;
	size_t bytes;
	int rc;

	if (r->rules.limit >= 0 && n >= r->rules.limit) {
		n = r->rules.limit;
		if (n && (rc = set_bound(r, v[n - 1], e)) < 0)
			return rc;
	}
	bytes = rows_size(v, n);
	if (bytes > (size_t)most)
		return 0;
	if ((rc = sorted_make(v, n, bytes, &s, e)) < 0)
		return rc;
	replace_pieces(r, &s);
	return 0;
}

int run_shrink(struct run *r, int64_t most, struct err *e)
{
	struct entry *v;
	int64_t n;
	int rc = run_settle(r, e);

	if (rc < 0 || r->npieces == 0)
		return rc;
	v = list_rows(r);
	if (!v)
		return err_oom(e);
	n = entries_sort(v, r->n, r->rules.unique, e);
	rc = n < 0 ? (int)n : shrink_to(r, v, n, most, e);
	free(v);
	return rc;
}

int schema_sorted(const struct schema *from, const struct key *key, struct schema **ret, struct err *e)
{
	cleanup_schema struct schema *s = NULL;
	cleanup_buf struct buf d = { 0 };
	int rc;

	if (key_describe(key, from, &d))
		return err_oom(e);
	if ((rc = schema_copy(from, &s, e)) < 0 || (rc = schema_set_meta(s, STR("stook.sorted"), buf_view(&d), e)) < 0)
		return rc;
	*ret = s;
	s = NULL;
	return 0;
}
