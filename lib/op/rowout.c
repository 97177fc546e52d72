/* Batches and blocks of rows in order: see rowout.h. */
#include "lib/op/rowout.h"

#include "lib/base/hash.h"
#include "lib/op/grow.h"

#include <lz4.h>
#include <stdlib.h>

#define SPEED 4 /* LZ4's acceleration: rows are short, what it finds it finds soon */

static void drop(struct rowout *o)
{
	for (int i = o->at; i < o->n; i++)
		if (o->batches)
			batch_unref(o->batches[i]);
		else
			free(o->blocks[i].p);
	o->n = o->at = 0;
}

void rowout_free(struct rowout *o)
{
	drop(o);
	free(o->batches);
	free(o->blocks);
	if (o->ready)
		rows_free(&o->rows);
	*o = (struct rowout){ 0 };
}

static int make_batch(struct rowout *o, const struct row_form *f, const struct entry *v, int64_t n, struct batch **ret, struct err *e)
{
	int rc;

	if (f->lines)
		return rows_lines(v, n, f->schema, ret, e);
	rc = rows_unpack(v, n, &o->rows, e);
	return rc < 0 ? rc : rows_take(&o->rows, ret, e);
}

static int make_batches(struct rowout *o, const struct row_form *f, const struct entry *v, int64_t n, struct err *e)
{
	int most = (int)(n / f->batch_rows + 1), rc = 0;

	if (most > o->cap) {
		if ((rc = GROW(o->batches, most, e)) < 0)
			return rc;
		o->cap = most;
	}
	if (!f->lines && !o->ready && (rc = rows_init(&o->rows, f->schema, e)) < 0)
		return rc;
	o->ready = !f->lines;
	for (int64_t i = 0; i < n && rc == 0; i += f->batch_rows) {
		rc = make_batch(o, f, v + i, f->batch_rows < n - i ? f->batch_rows : n - i, &o->batches[o->n], e);
		o->n += rc == 0;
	}
	return rc;
}

/* How many of the rows make a block, and their bytes: at least one. */
static int64_t block_rows(const struct row_form *f, const struct entry *v, int64_t n, size_t *bytes)
{
	int64_t k = 1;

	*bytes = row_size(v[0].row);
	while (k < n && *bytes + row_size(v[k].row) <= f->block_bytes)
		*bytes += row_size(v[k++].row);
	return k;
}

static int compress(struct row_block *b, struct err *e)
{
	int room = b->plain < LZ4_MAX_INPUT_SIZE ? LZ4_compressBound((int)b->plain) : 0, got = 0;
	uint8_t *to = room ? malloc((size_t)room) : NULL;

	if (room && !to)
		return err_oom(e);
	if (to)
		got = LZ4_compress_fast((const char *)b->p, (char *)to, (int)b->plain, room, SPEED);
	if (got > 0 && (size_t)got < b->plain) {
		free(b->p);
		b->p = to;
		b->stored = (size_t)got;
	} else {
		free(to);
	}
	b->hash = hash64(b->p, b->stored, 0);
	return 0;
}

static int add_block(struct rowout *o, const struct row_form *f, const struct entry *v, int64_t rows, size_t bytes, struct err *e)
{
	struct row_block *b;
	uint8_t *to;
	int rc;

	if (o->n == o->cap) {
		int cap = o->cap ? o->cap * 2 : 16;

		if ((rc = GROW(o->blocks, cap, e)) < 0)
			return rc;
		o->cap = cap;
	}
	b = &o->blocks[o->n];
	*b = (struct row_block){ .p = malloc(bytes + ROW_PADDING), .stored = bytes, .plain = bytes, .rows = rows };
	if (!b->p)
		return err_oom(e);
	o->n++;
	to = b->p;
	for (int64_t i = 0; i < rows; i++) {
		size_t size = row_size(v[i].row);

		memcpy(to, v[i].row, size);
		to += size;
	}
	return f->pack ? compress(b, e) : 0;
}

int rowout_make(struct rowout *o, const struct row_form *f, const struct entry *v, int64_t n, struct err *e)
{
	int rc = 0;

	drop(o);
	if (f->schema)
		return make_batches(o, f, v, n, e);
	for (int64_t i = 0, k; i < n && rc == 0; i += k) {
		size_t bytes;

		k = block_rows(f, v + i, n - i, &bytes);
		rc = add_block(o, f, v + i, k, bytes, e);
	}
	return rc;
}

/* As a source. */
struct row_source {
	struct source source;
	struct rowstream *from;
	int64_t left; /* < 0: all */
};

static int row_source_next(struct source *source, struct batch **ret, struct err *e)
{
	struct row_source *s = (struct row_source *)source;
	cleanup_batch struct batch *b = NULL;
	struct rowout *o;
	int rc;

	if (s->left == 0)
		return 0;
	if ((rc = s->from->next(s->from, &o, e)) < 0 || !o)
		return rc;
	b = o->batches[o->at++];
	if (s->left < 0 || b->nrows <= s->left) {
		s->left -= s->left < 0 ? 0 : b->nrows;
		*ret = b;
		b = NULL;
		return 0;
	}
	rc = batch_slice(b, 0, s->left, ret, e);
	s->left = 0;
	return rc;
}

static void row_source_close(struct source *source)
{
	struct row_source *s = (struct row_source *)source;

	rowstream_close(s->from);
	schema_unref(source->schema);
	free(s);
}

int rowstream_source(struct rowstream *from, const struct schema *schema, int64_t limit, struct source **ret, struct err *e)
{
	struct row_source *s = calloc(1, sizeof *s);

	if (!s) {
		rowstream_close(from);
		return err_oom(e);
	}
	*s = (struct row_source){ { .schema = schema_ref(schema), .next = row_source_next, .close = row_source_close }, from, limit };
	*ret = &s->source;
	return 0;
}
