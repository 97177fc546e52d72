/* Picking rows: one column at a time, one switch a column. Nulls are rare: a first pass over the refs finds whether there are
 * any, and only then the bitmap is touched. Invariant: a builder's bitmap is either empty or covers all its rows. */
#include "lib/op/pick.h"

#define AHEAD 16 /* rows whose memory is asked for in advance */

static const struct column *column_of(struct batch *const *batches, int col, struct rowref r)
{
	return &batches[r.batch]->cols[col];
}

static bool ref_is_null(struct batch *const *batches, int col, struct rowref r)
{
	return r.row == ROW_NULL || column_is_null(column_of(batches, col, r), r.row);
}

static int pick_valid(struct builder *b, struct batch *const *batches, int col, const struct rowref *refs, int64_t n)
{
	int64_t first = 0;
	size_t need = bits_bytes(b->n + n);

	while (first < n && !ref_is_null(batches, col, refs[first]))
		first++;
	if (first == n && !b->nulls)
		return 0;
	if (need > b->valid.n && buf_zero(&b->valid, need - b->valid.n))
		return -1;
	bits_fill(b->valid.p, b->nulls ? b->n : 0, b->nulls ? first : b->n + first, true);
	for (int64_t i = first; i < n; i++) {
		bool null = ref_is_null(batches, col, refs[i]);

		bit_put(b->valid.p, b->n + i, !null);
		b->nulls += null;
	}
	return 0;
}

#define PICK_WIDTH(w, t)                                                                                        \
	case w:                                                                                                 \
		for (int64_t i = 0; i < n; i++)                                                                 \
			((t *)(void *)to)[i] = refs[i].row == ROW_NULL ? 0 :                                    \
				((const t *)(const void *)column_of(batches, col, refs[i])->values)[refs[i].row]; \
		break;

static int pick_fixed(struct builder *b, struct batch *const *batches, int col, const struct rowref *refs, int64_t n)
{
	size_t w = (size_t)b->type->width;
	uint8_t *to;

	if (buf_reserve(&b->values, (size_t)n * w))
		return -1;
	to = b->values.p + b->values.n;
	switch (w) {
	PICK_WIDTH(1, uint8_t)
	PICK_WIDTH(2, uint16_t)
	PICK_WIDTH(4, uint32_t)
	PICK_WIDTH(8, uint64_t)
	default:
		for (int64_t i = 0; i < n; i++)
			if (refs[i].row == ROW_NULL)
				memset(to + (size_t)i * w, 0, w);
			else
				memcpy(to + (size_t)i * w, column_of(batches, col, refs[i])->values + refs[i].row * w, w);
	}
	b->values.n += (size_t)n * w;
	return 0;
}

static int pick_bits(struct builder *b, struct batch *const *batches, int col, const struct rowref *refs, int64_t n)
{
	size_t need = bits_bytes(b->n + n);

	if (need > b->values.n && buf_zero(&b->values, need - b->values.n))
		return -1;
	for (int64_t i = 0; i < n; i++)
		bit_put(b->values.p, b->n + i,
			refs[i].row != ROW_NULL && bit_get(column_of(batches, col, refs[i])->values, refs[i].row));
	return 0;
}

static int pick_var(struct builder *b, struct batch *const *batches, int col, const struct rowref *refs, int64_t n, struct err *e)
{
	size_t bytes = 0, at = b->values.n;
	int32_t *to;

	for (int64_t i = 0; i < n; i++) {
		if (i + AHEAD < n && refs[i + AHEAD].row != ROW_NULL)
			__builtin_prefetch(&column_of(batches, col, refs[i + AHEAD])->offsets[refs[i + AHEAD].row]);
		if (refs[i].row != ROW_NULL) {
			struct str s = column_str(column_of(batches, col, refs[i]), refs[i].row);

			__builtin_prefetch(s.p);
			bytes += s.n;
		}
	}
	if (bytes > VAR_BYTES_MAX - at)
		return err_set(e, ST_DATA, "a column of one batch would pass 2 GiB");
	if (buf_reserve(&b->values, bytes) || buf_reserve(&b->offsets, (size_t)n * 4))
		return err_oom(e);
	to = (int32_t *)(void *)(b->offsets.p + b->offsets.n);
	for (int64_t i = 0; i < n; i++) {
		if (refs[i].row != ROW_NULL) {
			struct str s = column_str(column_of(batches, col, refs[i]), refs[i].row);

			if (s.n)
				memcpy(b->values.p + at, s.p, s.n);
			at += s.n;
		}
		to[i] = (int32_t)at;
	}
	b->values.n = at;
	b->offsets.n += (size_t)n * 4;
	return 0;
}

/* Nested layouts: row by row, each a range of the children. */
static int pick_nested(struct builder *b, struct batch *const *batches, int col, const struct rowref *refs, int64_t n, struct err *e)
{
	int rc = 0;

	for (int64_t i = 0; i < n && rc >= 0; i++)
		rc = refs[i].row == ROW_NULL ? builder_null(b, 1, e) :
					       builder_rows(b, column_of(batches, col, refs[i]), refs[i].row, 1, e);
	return rc;
}

int pick_column(struct builder *b, struct batch *const *batches, int col, const struct rowref *refs, int64_t n, struct err *e)
{
	int rc;

	if (n == 0)
		return 0;
	if (b->type->layout == LAY_NULL)
		return builder_null(b, n, e);
	if (b->type->layout > LAY_VAR)
		return pick_nested(b, batches, col, refs, n, e);
	if (pick_valid(b, batches, col, refs, n))
		return err_oom(e);
	if (b->type->layout == LAY_VAR)
		rc = pick_var(b, batches, col, refs, n, e);
	else if (b->type->layout == LAY_FIXED)
		rc = pick_fixed(b, batches, col, refs, n) ? err_oom(e) : 0;
	else
		rc = pick_bits(b, batches, col, refs, n) ? err_oom(e) : 0;
	b->n += n;
	return rc;
}

int pick_rows(struct rows *r, struct batch *const *batches, const struct rowref *refs, int64_t n, struct err *e)
{
	int rc;

	for (int i = 0; i < r->schema->nfields; i++)
		if ((rc = pick_column(&r->cols[i], batches, i, refs, n, e)) < 0)
			return rc;
	r->n += n;
	return 0;
}

int64_t batch_bytes(const struct batch *b)
{
	int64_t sum = 0;

	for (int i = 0; i < b->schema->nfields; i++)
		sum += column_bytes(&b->cols[i], 0, b->nrows);
	return sum;
}

int64_t row_bytes(const struct batch *b, int64_t row)
{
	int64_t sum = 0;

	for (int i = 0; i < b->schema->nfields; i++)
		sum += column_bytes(&b->cols[i], row, 1);
	return sum;
}

int64_t batch_size(const struct batch *b)
{
	return b->lines.at ? b->lines.at[b->nrows] - b->lines.at[0] : batch_bytes(b);
}

int64_t rows_per_batch(int64_t bytes, int64_t rows, int64_t size)
{
	int64_t each = rows > 0 ? bytes / rows + 1 : 1;
	int64_t n = (size ? size : BATCH_BYTES) / each;

	return n < 1 ? 1 : n > BATCH_ROWS ? BATCH_ROWS : n;
}
