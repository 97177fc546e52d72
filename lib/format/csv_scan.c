/* CSV records by the letter: one byte after the other, every rule of the dialect. The quick scanner beside this one must find
 * the same fields wherever it answers at all.
 *
 * The grammar (RFC 4180, and what people have): a record ends at LF, CRLF or CR; a field that begins with a quote ends at the
 * next quote that is not doubled, and only a delimiter or a line end may follow; a quote elsewhere is an ordinary byte; an
 * empty line is no record, unless there is just one column: then it is a record whose field is empty. */
#include "lib/format/csv.h"

#include "lib/base/utf8.h"

#include <stdlib.h>

void fields_free(struct fields *f)
{
	free(f->space[0]);
	free(f->space[1]);
	buf_free(&f->padded);
	*f = (struct fields){ 0 };
}

/* Bytes that end an unquoted run. */
static inline bool is_end(const struct dialect *d, uint8_t c)
{
	return c == d->delimiter || c == '\n' || c == '\r';
}

/* From inside quotes at text[i] to behind the closing quote; SIZE_MAX: there is none before n. */
static size_t skip_quoted(const struct dialect *d, const uint8_t *text, size_t n, size_t i, bool last)
{
	for (;;) {
		if (d->escape >= 0 && d->escape != d->quote) {
			while (i < n && text[i] != d->quote && text[i] != d->escape)
				i++;
			if (i < n && text[i] == d->escape) {
				if (n - i < 2)
					return SIZE_MAX;
				i += 2;
				continue;
			}
		} else {
			const uint8_t *q = memchr(text + i, d->quote, n - i);

			i = q ? (size_t)(q - text) : n;
		}
		if (i >= n || (i + 1 == n && !last))
			return SIZE_MAX;
		if (i + 1 == n || text[i + 1] != d->quote)
			return i + 1;
		i += 2;
	}
}

static size_t skip_unquoted(const struct dialect *d, const uint8_t *text, size_t n, size_t i)
{
	while (i < n && !is_end(d, text[i])) {
		if (text[i] == d->escape && d->escape != d->quote && n - i >= 2)
			i++;
		i++;
	}
	return i;
}

static int64_t count_lf(const uint8_t *p, size_t n)
{
	int64_t lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += p[i] == '\n';
	return lines;
}

/* What follows a field: 1 another field, 0 the end of the record, -1 the end of the text first. *i moves behind it. */
static int after_field(const struct dialect *d, const uint8_t *text, size_t n, size_t *i, bool last, struct record *r)
{
	if (*i == n)
		return last ? 0 : -1;
	if (text[*i] == d->delimiter) {
		++*i;
		return 1;
	}
	if (text[*i] == '\r') {
		if (*i + 1 == n && !last)
			return -1;
		if (*i + 1 < n && text[*i + 1] == '\n')
			++*i;
		else
			r->lines++; /* a lone CR; LFs are counted at the end */
	}
	++*i;
	return 0;
}

/* The first of the worst counts: faults are listed in the order of their weight. */
static void set_fault(struct record *r, enum fault fault, size_t at)
{
	if (r->fault < fault) {
		r->fault = fault;
		r->fault_at = at;
	}
}

/* From the field's first byte to its end; SIZE_MAX: the text ends before. */
static size_t skip_field(const struct dialect *d, const uint8_t *text, size_t n, size_t i, bool last, bool *bad,
			 struct record *r)
{
	size_t begin = i;

	*bad = false;
	if (i < n && text[i] == d->quote) {
		i = skip_quoted(d, text, n, i + 1, last);
		if (i == SIZE_MAX) {
			if (last)
				set_fault(r, FAULT_OPEN, begin);
			return SIZE_MAX;
		}
		if (i < n && !is_end(d, text[i])) {
			*bad = true;
			set_fault(r, FAULT_QUOTE, i);
		}
	}
	return skip_unquoted(d, text, n, i);
}

static void end_record(const uint8_t *text, struct record *r, size_t i, size_t first_end)
{
	r->end = i;
	r->blank = r->nfields == 1 && first_end == r->begin && i > r->begin;
	r->lines += count_lf(text + r->begin, i - r->begin);
}

bool csv_record(const struct dialect *d, const uint8_t *text, size_t n, size_t at, bool last, emit_field *emit, void *arg,
		struct record *r)
{
	size_t i = at, begin, first_end = 0;
	int more = 1;

	*r = (struct record){ .begin = at };
	while (more > 0) {
		bool bad;

		begin = i;
		i = skip_field(d, text, n, begin, last, &bad, r);
		if ((int64_t)((i == SIZE_MAX ? n : i) - begin) > d->max_field)
			set_fault(r, FAULT_LONG, begin);
		if (i == SIZE_MAX) {
			r->more = !last && r->fault != FAULT_LONG;
			r->end = n;
			return true;
		}
		if (r->nfields == 0)
			first_end = i;
		if (!emit(arg, r->nfields++, begin, i, bad))
			return false;
		more = after_field(d, text, n, &i, last, r);
	}
	r->more = more < 0;
	end_record(text, r, i, first_end);
	return true;
}

/* The careful index: begins and ends in two arrays. */
struct collect {
	struct fields *f;
	size_t n; /* entries so far */
	int ncols;
};

static bool grow(struct fields *f, size_t need)
{
	for (int i = 0; i < 2; i++) {
		size_t cap = f->cap[i] < 1024 ? 1024 : f->cap[i];
		uint32_t *p;

		while (cap < need)
			cap *= 2;
		if (cap == f->cap[i])
			continue;
		if (!(p = realloc(f->space[i], cap * sizeof *p)))
			return false;
		f->space[i] = p;
		f->cap[i] = cap;
	}
	return true;
}

static bool collect_field(void *arg, int64_t index, size_t begin, size_t end, bool bad)
{
	struct collect *c = arg;
	struct fields *f = c->f;

	if (index >= c->ncols)
		return true;
	if ((c->n >= f->cap[0] || c->n >= f->cap[1]) && !grow(f, c->n + 1))
		return false;
	f->space[0][c->n] = bad ? FIELD_ABSENT : (uint32_t)(begin - 1);
	f->space[1][c->n] = bad ? FIELD_ABSENT + 1 : (uint32_t)end;
	f->irregular |= bad;
	c->n++;
	return true;
}

static bool pad_record(struct collect *c, const struct record *r)
{
	for (int64_t i = r->nfields; i < c->ncols; i++)
		if (!collect_field(c, i, 0, 0, true))
			return false;
	return true;
}

/* Whether the record is one to keep, and if not why. */
static enum fault judge(const struct record *r, int ncols, bool pad)
{
	if (r->fault == FAULT_OPEN || r->fault == FAULT_LONG || (r->fault == FAULT_QUOTE && !pad))
		return r->fault;
	if (r->nfields == ncols || pad)
		return FAULT_NONE;
	return r->nfields < ncols ? FAULT_FEW : FAULT_MANY;
}

size_t csv_skip_comment(const uint8_t *text, size_t n, size_t at, bool last)
{
	while (at < n && text[at] != '\n' && text[at] != '\r')
		at++;
	if (at == n)
		return last ? n : SIZE_MAX;
	if (text[at] == '\r') {
		if (at + 1 == n)
			return last ? n : SIZE_MAX;
		at += text[at + 1] == '\n';
	}
	return at + 1;
}

static void skip_lines(struct fields *f, size_t end, int64_t lines)
{
	f->used = end;
	f->lines += lines;
	if (f->nrows == 0)
		f->lead += lines;
}

/* Takes the record in, or says why not. 1: go on, 0: stop here, < 0: out of memory. */
static int take_record(const struct dialect *d, const uint8_t *text, size_t n, bool last, bool pad, struct collect *c,
		       struct fault_at *fault)
{
	struct fields *f = c->f;
	size_t mark = c->n;
	struct record r;

	if (!csv_record(d, text, n, f->used, last, collect_field, c, &r))
		return -1;
	if (r.more || (r.blank && c->ncols != 1)) {
		c->n = mark;
		if (r.blank && !r.more)
			skip_lines(f, r.end, r.lines);
		return !r.more;
	}
	fault->fault = judge(&r, c->ncols, pad);
	if (fault->fault != FAULT_NONE) {
		bool count = fault->fault == FAULT_FEW || fault->fault == FAULT_MANY;

		fault->at = count ? r.begin : r.fault_at;
		fault->end = r.end;
		fault->nfields = r.nfields;
		return 0;
	}
	if ((r.nfields != c->ncols || r.fault != FAULT_NONE) && buf_add(&f->padded, &(uint32_t){ (uint32_t)f->nrows }, 4))
		return -1;
	if (!pad_record(c, &r))
		return -1;
	f->nrows++;
	f->used = r.end;
	f->lines += r.lines;
	return 1;
}

int csv_scan_careful(const struct dialect *d, const uint8_t *text, size_t n, bool last, int ncols, bool pad, struct fields *f,
		     struct fault_at *fault, struct err *e)
{
	struct collect c = { f, 0, ncols };
	int rc = 1;

	f->nrows = f->lines = f->lead = 0;
	f->used = 0;
	f->irregular = f->cr = f->lf = false;
	f->quotes = d->quote >= 0;
	f->ascii = false;
	*fault = (struct fault_at){ FAULT_NONE, 0, 0, 0 };
	while (rc > 0 && f->used < n) {
		if (csv_is_comment(d, text, n, f->used)) {
			size_t end = csv_skip_comment(text, n, f->used, last);

			if (end == SIZE_MAX)
				break;
			skip_lines(f, end, 1);
		} else {
			rc = take_record(d, text, n, last, pad, &c, fault);
		}
	}
	f->stride = (size_t)ncols;
	f->slots = NULL;
	f->begin1 = f->space[0];
	f->end = f->space[1];
	return rc < 0 ? err_oom(e) : 0;
}

int csv_scan(const struct dialect *d, const uint8_t *text, size_t n, bool last, int ncols, bool pad, const struct csv_keep *keep,
	     struct fields *f, struct fault_at *fault, struct err *e)
{
	bool nomem = false, quick = ncols > 0 && csv_scan_quick(d, text, n, ncols, keep, VECTORS_BEST, f, &nomem) && (f->nrows || !last);

	if (nomem)
		return err_oom(e);
	f->padded.n = 0;
	*fault = (struct fault_at){ FAULT_NONE, 0, 0, 0 };
	if (!quick && csv_scan_careful(d, text, n, last, ncols, pad, f, fault, e) < 0)
		return -e->status;
	f->suspect = !f->ascii && !utf8_valid(text, f->used);
	if (f->suspect && f->slots) /* to be found in any field */
		return csv_scan(d, text, n, last, ncols, pad, NULL, f, fault, e);
	return 0;
}

size_t csv_unquote(const struct dialect *d, struct str raw, uint8_t *dst)
{
	bool quoted = raw.n && (uint8_t)raw.p[0] == d->quote;
	bool escapes = d->escape >= 0 && d->escape != d->quote;
	size_t end = raw.n - quoted, k = 0;

	for (size_t i = quoted; i < end; i++) {
		uint8_t c = (uint8_t)raw.p[i];

		if (((escapes && c == d->escape) || (quoted && c == d->quote)) && i + 1 < end)
			c = (uint8_t)raw.p[++i];
		dst[k++] = c;
	}
	return k;
}
