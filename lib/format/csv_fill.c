/* Fields into columns, some hundred rows of all columns at a time so that the index stays in the nearest cache. Short values
 * are copied as 16 bytes whatever their length: the text has readable slack behind it, the columns have writable slack. */
#include "lib/format/csv.h"

#include "lib/base/copy.h"

#include <stdlib.h>

#define STRIP_FIELDS 4096

struct strip {
	const struct dialect *d;
	const uint8_t *text;
	const uint32_t *begin1, *end; /* of the column's field in the strip's first row */
	size_t stride;
	int64_t row, n; /* the strip's first row and its number of rows */
	bool cr;        /* the last column of a text with CRLF */
};

/* A column being filled: its buffers live in the batch's arena. */
struct target {
	uint8_t *values, *valid;
	size_t n, cap;
	int32_t *offsets;
	int64_t nulls;
	bool unwanted;
};

static bool reserve(struct target *t, size_t more, struct arena *a)
{
	size_t need = t->n + more + COPY_SLACK, cap = t->cap * 2;
	uint8_t *p;

	if (t->cap >= need)
		return true;
	if (cap < need)
		cap = need;
	if (!(p = arena_alloc(a, cap)))
		return false;
	if (t->n)
		memcpy(p, t->values, t->n);
	t->values = p;
	t->cap = cap;
	return true;
}

/* The bitmap is made at the first null; bits are set for values and never touched for nulls. */
static bool need_valid(struct target *t, int64_t row, int64_t nrows, struct arena *a)
{
	if (t->valid)
		return true;
	t->valid = arena_calloc(a, bits_bytes(nrows), 1);
	if (t->valid)
		bits_fill(t->valid, 0, row, true);
	return t->valid != NULL;
}

/* Offsets of the strip's rows, taking fields as they are; returns how many are empty. */
static int64_t measure(const struct strip *s, struct target *t)
{
	uint32_t at = (uint32_t)t->n;
	int64_t empty = 0;
	int32_t *offsets = t->offsets + s->row + 1;

	for (int64_t r = 0; r < s->n; r++) {
		uint32_t n = s->end[(size_t)r * s->stride] - s->begin1[(size_t)r * s->stride] - 1;

		at += n;
		offsets[r] = (int32_t)at;
		empty += n == 0;
	}
	return empty;
}

static bool fill_plain(const struct strip *s, struct target *t, int64_t nrows, struct arena *a)
{
	int64_t empty = measure(s, t);
	const int32_t *offsets = t->offsets + s->row;
	size_t total = (size_t)(offsets[s->n] - offsets[0]);

	if (!reserve(t, total, a) || (empty && !need_valid(t, s->row, nrows, a)))
		return false;
	for (int64_t r = 0; r < s->n; r++)
		copy_short(t->values + offsets[r], s->text + (s->begin1[(size_t)r * s->stride] + 1u),
			   (size_t)(offsets[r + 1] - offsets[r]));
	if (t->valid)
		for (int64_t r = 0; r < s->n; r++)
			bit_put(t->valid, s->row + r, offsets[r + 1] != offsets[r]);
	t->nulls += empty;
	t->n += total;
	return true;
}

/* One field by all the rules. */
static bool put_field(const struct strip *s, struct target *t, struct str raw, int64_t row, bool absent)
{
	const struct dialect *d = s->d;
	bool quoted, escapes;

	if (s->cr && raw.n && raw.p[raw.n - 1] == '\r')
		raw.n--;
	quoted = raw.n && (uint8_t)raw.p[0] == d->quote;
	if (absent || (!quoted && str_eq(raw, d->null))) {
		t->offsets[row + 1] = (int32_t)t->n;
		return false;
	}
	escapes = d->escape >= 0 && d->escape != d->quote && memchr(raw.p, d->escape, raw.n);
	if (!escapes && quoted && !memchr(raw.p + 1, d->quote, raw.n - 2)) {
		raw = (struct str){ raw.p + 1, raw.n - 2 };
		quoted = false;
	}
	if (quoted || escapes) {
		t->n += csv_unquote(d, raw, t->values + t->n);
	} else {
		copy_short(t->values + t->n, (const uint8_t *)raw.p, raw.n);
		t->n += raw.n;
	}
	t->offsets[row + 1] = (int32_t)t->n;
	return true;
}

static size_t strip_bytes(const struct strip *s)
{
	size_t total = 0;

	for (int64_t r = 0; r < s->n; r++)
		total += s->end[(size_t)r * s->stride] - s->begin1[(size_t)r * s->stride] - 1u;
	return total;
}

static bool fill_careful(const struct strip *s, struct target *t, int64_t nrows, struct arena *a)
{
	if (!reserve(t, strip_bytes(s), a))
		return false;
	for (int64_t r = 0; r < s->n; r++) {
		uint32_t begin1 = s->begin1[(size_t)r * s->stride], begin = begin1 + 1, end = s->end[(size_t)r * s->stride];
		bool absent = begin1 == FIELD_ABSENT;
		struct str raw = { (const char *)s->text + (absent ? 0 : begin), absent ? 0 : end - begin };
		bool value = put_field(s, t, raw, s->row + r, absent);

		if (!value && !need_valid(t, s->row + r, nrows, a))
			return false;
		if (t->valid)
			bit_put(t->valid, s->row + r, value);
		t->nulls += !value;
	}
	return true;
}

static int start_targets(struct target *t, const struct fields *f, const bool *unwanted, struct batch *b)
{
	int ncols = b->schema->nfields;
	size_t guess = f->used / (size_t)ncols + f->used / (size_t)ncols / 4 + 64;

	int32_t *none = NULL; /* of all that are not wanted */

	for (int i = 0; i < ncols; i++) {
		t[i].unwanted = unwanted && unwanted[i] && !f->suspect; /* bad bytes are to be found */
		if (t[i].unwanted && !none && !(none = arena_calloc(&b->arena, (size_t)f->nrows + 1, sizeof *none)))
			return -1;
		t[i].offsets = t[i].unwanted ? none : arena_alloc(&b->arena, ((size_t)f->nrows + 1) * sizeof *t[i].offsets);
		if (!t[i].offsets || !reserve(&t[i], t[i].unwanted ? 0 : guess, &b->arena))
			return -1;
		t[i].offsets[0] = 0;
	}
	return 0;
}

static void finish_target(const struct target *t, struct column *c)
{
	c->values = t->values;
	c->offsets = t->offsets;
	c->valid = t->nulls ? t->valid : NULL;
	c->null_count = t->nulls;
}

static bool fill_strip(const struct dialect *d, const uint8_t *text, const struct fields *f, int64_t row, int64_t n,
		       struct target *t, struct batch *b)
{
	int ncols = b->schema->nfields;
	size_t at = (size_t)row * f->stride;
	bool careful = f->quotes || f->irregular || d->null.n || d->escape >= 0, ok = true;

	for (int i = 0; i < ncols && ok; i++) {
		struct strip s = { d, text, f->begin1 + at + fields_begin(f, i), f->end + at + fields_end(f, i), f->stride, row, n,
				   f->cr && i == ncols - 1 };

		if (!t[i].unwanted)
			ok = careful || s.cr ? fill_careful(&s, &t[i], f->nrows, &b->arena)
					     : fill_plain(&s, &t[i], f->nrows, &b->arena);
	}
	return ok;
}

int csv_fill(const struct dialect *d, const uint8_t *text, const struct fields *f, const bool *unwanted, struct batch *b,
	     struct err *e)
{
	int ncols = b->schema->nfields;
	int64_t step = ncols < STRIP_FIELDS ? STRIP_FIELDS / ncols : 1;
	struct target *t = calloc((size_t)ncols, sizeof *t);
	bool ok = t && start_targets(t, f, unwanted, b) == 0;

	for (int64_t row = 0; ok && row < f->nrows; row += step)
		ok = fill_strip(d, text, f, row, f->nrows - row < step ? f->nrows - row : step, t, b);
	for (int i = 0; ok && i < ncols; i++)
		finish_target(&t[i], &b->cols[i]);
	free(t);
	return ok ? 0 : err_oom(e);
}
