/* The CSV source: text by the chunk, records by the batch.
 *
 * `text[at .. n)` is what has been read and not yet been made into rows; it always begins at a record. The text lives in a
 * batch of its own, the carrier, which the batches made from it keep alive: places are found in it when there is an error. A
 * record that cannot be taken ends its batch, so that rows, lines and text of a batch always run together. */
#include "lib/base/utf8.h"
#include "lib/format/csv.h"
#include "lib/format/declare.h"
#include "lib/table/key.h"

#include <stdlib.h>
#include <time.h>

#define CHUNK ((size_t)512 << 10)
#define TEXT_MAX ((size_t)INT32_MAX - 4096)
#define LATENCY_MS 100

struct reader {
	struct source source;
	struct in *in;
	struct dialect d;
	enum on_bad on_bad;
	struct out *side, *own_side; /* own_side: opened here, to be committed here */
	struct arena arena;          /* names and options */
	bool *binary;                /* a column: need not be UTF-8 */
	const char *eol;             /* of the first line: "", "cr", "crlf"; NULL: not seen yet */
	bool plain;                  /* no column has a type to convert to */

	struct schema *none; /* of carriers */
	struct batch *carrier;
	uint8_t *text;
	size_t at, n, cap;
	size_t chunk;
	bool shared; /* some batch uses the carrier */
	bool last;   /* the input ends at n */

	int64_t row, line; /* records before text[at], and its line */
	struct fields fields;
	struct fault_at fault; /* of the record at `at` */

	struct batch *ready; /* rows [ready_at, ready_n) are to be given out, but for those in skip */
	int64_t ready_at, ready_n;
	struct bad_values bad;
	struct err later; /* status != 0: what comes behind ready */
};

/* ---- text ---- */

static int new_carrier(struct reader *r, size_t cap, struct err *e)
{
	struct batch *b = batch_new(r->none, 0);
	uint8_t *text = b ? arena_alloc(&b->arena, cap + TEXT_SLACK) : NULL;

	if (!text) {
		batch_unref(b);
		return err_oom(e);
	}
	if (r->n > r->at)
		memcpy(text, r->text + r->at, r->n - r->at);
	batch_unref(r->carrier);
	r->carrier = b;
	r->text = text;
	r->n -= r->at;
	r->at = 0;
	r->cap = cap;
	r->shared = false;
	return 0;
}

/* Room for more text behind what is left. */
static int make_room(struct reader *r, struct err *e)
{
	size_t left = r->n - r->at, cap = r->chunk;

	if (!r->shared && r->text && r->at) {
		memmove(r->text, r->text + r->at, left);
		r->n = left;
		r->at = 0;
	}
	if (!r->shared && r->text && r->cap > r->n)
		return 0;
	while (cap < left * 2)
		cap *= 2;
	if (cap > TEXT_MAX)
		cap = TEXT_MAX;
	if (cap <= left) {
		err_set(e, ST_DATA, "a record is longer than 2 GiB");
		return err_at(e, in_name(r->in), r->line, 1);
	}
	return new_carrier(r, cap, e);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reads until the chunk is full, the input ends, or 100 ms have gone since the first byte came. */
static int more_text(struct reader *r, struct err *e)
{
	int64_t until = 0;
	int timeout = IN_WAIT, rc;
	ssize_t got;

	if ((rc = make_room(r, e)) < 0)
		return rc;
	while (r->n < r->cap) {
		got = in_read(r->in, r->text + r->n, r->cap - r->n, timeout, e);
		if (got == IN_LATER)
			break;
		if (got < 0)
			return (int)got;
		r->last = got == 0;
		if (r->last)
			break;
		r->n += (size_t)got;
		if (!until)
			until = now_ms() + LATENCY_MS;
		timeout = (int)(until - now_ms());
		if (timeout <= 0)
			break;
	}
	memset(r->text + r->n, 0, TEXT_SLACK);
	return 0;
}

/* ---- errors ---- */

static int at_text(struct reader *r, size_t at, struct err *e)
{
	int64_t line = r->line;
	size_t start = r->at;

	for (size_t i = r->at; i < at; i++) {
		if (r->text[i] == '\n') {
			line++;
			start = i + 1;
		}
	}
	err_at(e, in_name(r->in), line, (int64_t)(at - start) + 1);
	e->row = r->row + 1;
	return -e->status;
}

static void describe_fault(const struct reader *r, struct err *e)
{
	int64_t n = r->fault.nfields;

	switch (r->fault.fault) {
	case FAULT_FEW:
	case FAULT_MANY:
		err_set(e, ST_DATA, "the record has %lld field%s, not %d", (long long)n, n == 1 ? "" : "s",
			r->source.schema->nfields);
		err_hint(
			e,
			"skip such records: --on-bad skip; keep them apart: --on-bad side=FILE; fill up or cut: --on-bad null");
		return;
	case FAULT_QUOTE:
		err_set(e, ST_DATA, "something follows the closing quote of a field");
		err_hint(e, "a quote inside quotes is doubled; if quotes mean nothing here: --quote none");
		return;
	case FAULT_OPEN:
		err_set(e, ST_DATA, "the quote that opens here is never closed");
		err_hint(e, "if quotes mean nothing here: --quote none");
		return;
	case FAULT_LONG:
		err_set(e, ST_DATA, "a field is longer than %lld bytes", (long long)r->d.max_field);
		err_hint(e, "perhaps a quote is not closed; otherwise --max-field");
		return;
	case FAULT_NONE:
		return;
	}
}

static int fault_error(struct reader *r, struct err *e)
{
	describe_fault(r, e);
	return at_text(r, r->fault.at, e);
}

/* ---- records that are not taken ---- */

static int to_side(struct reader *r, const uint8_t *p, size_t n, struct err *e)
{
	int rc;

	if (!r->side)
		return 0;
	if ((rc = out_write(r->side, p, n, e)) < 0)
		return rc;
	return n && (p[n - 1] == '\n' || p[n - 1] == '\r') ? 0 : out_write(r->side, "\n", 1, e);
}

/* Steps over the record at `at` by the policy, or fails. Where a record ends is not known in an open quote: no policy helps. */
static int pass_fault(struct reader *r, struct err *e)
{
	enum fault f = r->fault.fault;
	int64_t line = r->line;
	int rc;

	if (r->on_bad != BAD_SKIP || f == FAULT_OPEN || f == FAULT_LONG)
		return fault_error(r, e);
	if ((rc = to_side(r, r->text + r->at, r->fault.end - r->at, e)) < 0)
		return rc;
	for (size_t i = r->at; i < r->fault.end; i++)
		line += r->text[i] == '\n' || (r->text[i] == '\r' && i + 1 == r->fault.end);
	r->line = line;
	r->row++;
	r->at = r->fault.end;
	r->fault.fault = FAULT_NONE;
	return 0;
}

/* ---- values ---- */

/* The raw text of row i of the batch that r->fields describes. */
static int side_row(struct reader *r, const uint8_t *text, int64_t i, struct err *e)
{
	const struct fields *f = &r->fields;
	size_t ncols = (size_t)r->source.schema->nfields, first = (size_t)i * ncols;
	size_t begin = f->begin1[first] == FIELD_ABSENT ? 0 : f->begin1[first] + 1u, end = begin;

	for (size_t k = 0; k < ncols; k++)
		if (f->begin1[first + k] != FIELD_ABSENT)
			end = f->end[first + k];
	return to_side(r, text + begin, end - begin, e);
}

/* Row i cannot be taken as it is: by the policy it is marked, or it is where the batch will end. */
static int note_bad(struct bad_values *bad, struct batch *b, int64_t i, struct err *e)
{
	bad->count++;
	if (bad->policy == BAD_FAIL)
		bad->bad_row = i;
	if (bad->policy != BAD_SKIP)
		return 0;
	if (!bad->skip && !(bad->skip = arena_calloc(&b->arena, bits_bytes(b->nrows), 1)))
		return err_oom(e);
	bit_set(bad->skip, i);
	return 0;
}

/* Makes row i of a var column null. */
static int set_null(struct column *c, int64_t i, struct arena *a, struct err *e)
{
	uint8_t *valid = (uint8_t *)(uintptr_t)c->valid;

	if (!valid) {
		if (!(valid = arena_alloc(a, bits_bytes(c->length))))
			return err_oom(e);
		memset(valid, 0xFF, bits_bytes(c->length));
		c->valid = valid;
	}
	if (bit_get(valid, i)) {
		bit_clear(valid, i);
		c->null_count++;
	}
	return 0;
}

static int64_t rows_to_look_at(const struct bad_values *bad, const struct batch *b)
{
	return bad->bad_row >= 0 ? bad->bad_row : b->nrows;
}

static void bad_utf8(const struct batch *b, int64_t row, int col, struct str s, size_t at, struct err *e)
{
	err_set(e, ST_DATA, "invalid UTF-8 (byte 0x%02X)", (unsigned)(unsigned char)s.p[at]);
	batch_err_at(b, row, col, e);
	e->column += (int64_t)at;
	err_hint(e, "convert: --encoding latin1; carry the bytes: --binary FIELD; skip such records: --on-bad skip");
}

/* Nulls that came from bad bytes keep their slot empty: the bytes before it move. */
static int clear_null_slots(struct batch *b, struct column *c, struct err *e)
{
	struct builder w = { 0 };
	struct column view = *c;
	int rc = builder_init(&w, c->type, e);

	for (int64_t i = 0; rc == 0 && i < c->length; i++)
		rc = bit_get(c->valid, i) ? builder_str(&w, column_str(&view, i), e) : builder_null(&w, 1, e);
	if (rc == 0)
		rc = builder_column(&w, &b->arena, c, e);
	builder_free(&w);
	c->type = view.type;
	return rc;
}

static int check_utf8(struct batch *b, int col, struct bad_values *bad, struct err *later, struct err *e)
{
	struct column *c = &b->cols[col];
	int64_t nulls = c->null_count;
	int rc;

	for (int64_t i = 0; i < rows_to_look_at(bad, b); i++) {
		struct str s = column_str(c, i);
		size_t at = utf8_check(s.p, s.n);

		if (at == s.n)
			continue;
		if (bad->policy == BAD_FAIL)
			bad_utf8(b, i, col, s, at, later);
		if ((rc = note_bad(bad, b, i, e)) < 0 || (rc = set_null(c, i, &b->arena, e)) < 0)
			return rc;
	}
	return c->null_count == nulls ? 0 : clear_null_slots(b, c, e);
}

static void bad_value(const struct batch *b, int64_t row, int col, struct str s, struct err *e)
{
	char type[64];
	int shown = s.n > 60 ? 60 : (int)s.n;

	type_name(&b->schema->fields[col].type, type, sizeof type);
	err_set(e, ST_DATA, "\"%.*s\"%s is not of type %s", shown, s.p, s.n > 60 ? "..." : "", type);
	batch_err_at(b, row, col, e);
	err_hint(e, "read it as text; or skip such records: --on-bad skip; or make such values null: --on-bad null");
}

/* Reads the text column as what was declared. Rows from the first bad one on (when that is an error) are null. */
static int convert(struct batch *b, int col, struct bad_values *bad, struct err *later, struct err *e)
{
	const struct column text = b->cols[col];
	int64_t n = rows_to_look_at(bad, b);
	struct builder w = { 0 };
	int rc = builder_init(&w, &b->schema->fields[col].type, e);

	for (int64_t i = 0; rc >= 0 && i < n; i++) {
		if (column_is_null(&text, i)) {
			rc = builder_null(&w, 1, e);
			continue;
		}
		rc = value_parse(&w, column_str(&text, i), e);
		if (rc != 0)
			continue;
		if (bad->policy == BAD_FAIL) {
			bad_value(b, i, col, column_str(&text, i), later);
			n = i;
		}
		rc = note_bad(bad, b, i, e);
		if (rc == 0)
			rc = builder_null(&w, 1, e);
	}
	if (rc >= 0 && w.n < b->nrows)
		rc = builder_null(&w, b->nrows - w.n, e);
	if (rc >= 0)
		rc = builder_column(&w, &b->arena, &b->cols[col], e);
	builder_free(&w);
	b->cols[col].type = &b->schema->fields[col].type;
	return rc < 0 ? rc : 0;
}

/* UTF-8 and declared types of a filled batch. */
static int check_values(struct reader *r, struct batch *b, struct err *e)
{
	bool suspect = r->fields.high && !utf8_valid(r->text + r->at, r->fields.used);
	int rc = 0;

	for (int i = 0; rc == 0 && suspect && i < b->schema->nfields; i++)
		if (!r->binary[i])
			rc = check_utf8(b, i, &r->bad, &r->later, e);
	for (int i = 0; rc == 0 && !r->plain && i < b->schema->nfields; i++) {
		const struct type *t = &b->schema->fields[i].type;

		if (t->id != T_BINARY && !type_is_text(t))
			rc = convert(b, i, &r->bad, &r->later, e);
	}
	for (int64_t i = 0; rc == 0 && r->side && r->bad.skip && i < b->nrows; i++)
		if (bit_get(r->bad.skip, i))
			rc = side_row(r, r->text + r->at, i, e);
	return rc;
}

/* ---- batches ---- */

static int make_batch(struct reader *r, struct err *e)
{
	struct fields *f = &r->fields;
	cleanup_batch struct batch *b = batch_new(r->source.schema, f->nrows);
	int rc;

	if (!b)
		return err_oom(e);
	b->origin = (struct origin){
		.name = in_name(r->in), .row = r->row, .line = r->line + f->lead, .text = r->text + r->at, .text_size = f->used
	};
	if ((rc = csv_origin(&b->origin, &r->d, b->schema->nfields, r->line, &b->arena, e)) < 0)
		return rc;
	if (!(b->origin.name = arena_strdup(&b->arena, str_of(in_name(r->in)))))
		return err_oom(e);
	if ((rc = csv_fill(&r->d, r->text + r->at, f, b, e)) < 0)
		return rc;
	batch_keep(b, r->carrier);
	r->shared = true;
	r->bad = (struct bad_values){ .policy = r->on_bad, .bad_row = -1 };
	if ((rc = check_values(r, b, e)) < 0)
		return rc;
	r->ready = b;
	r->ready_at = 0;
	r->ready_n = r->bad.bad_row >= 0 ? r->bad.bad_row : b->nrows;
	b = NULL;
	return 0;
}

static void step_over(struct reader *r)
{
	r->row += r->fields.nrows;
	r->line += r->fields.lines;
	r->at += r->fields.used;
}

/* Scans what is there. 1: there is a batch, or a fault; 0: it takes more text. */
static int scan(struct reader *r, struct err *e)
{
	bool pad = r->on_bad == BAD_NULL;
	int rc = csv_scan(&r->d, r->text + r->at, r->n - r->at, r->last, r->source.schema->nfields, pad, &r->fields, &r->fault,
			  e);
	size_t base = r->at;

	if (rc < 0)
		return rc;
	if (r->fields.nrows && (rc = make_batch(r, e)) < 0)
		return rc;
	r->fault.at += base;
	r->fault.end += base;
	step_over(r);
	return r->ready || r->fault.fault != FAULT_NONE;
}

/* Gives out the next run of rows that are not to be skipped; *ret stays NULL when there is none left. */
static int give_ready(struct reader *r, struct batch **ret, struct err *e)
{
	const uint8_t *skip = r->bad.skip;
	int64_t from = r->ready_at, to;
	int rc = 0;

	while (from < r->ready_n && skip && bit_get(skip, from))
		from++;
	for (to = from; to < r->ready_n && !(skip && bit_get(skip, to)); to++)
		if (!skip)
			to = r->ready_n - 1;
	r->ready_at = to;
	if (from == 0 && to == r->ready->nrows) {
		*ret = r->ready;
		r->ready = NULL;
		return 0;
	}
	if (from < to)
		rc = batch_slice(r->ready, from, to - from, ret, e);
	if (to == r->ready_n) {
		batch_unref(r->ready);
		r->ready = NULL;
	}
	return rc;
}

static int finish(struct reader *r, struct err *e)
{
	int rc = r->own_side ? out_commit(r->own_side, e) : 0;

	if (rc == 0 && r->own_side) {
		out_close(r->own_side);
		r->own_side = r->side = NULL;
	}
	return rc;
}

static int next(struct source *s, struct batch **ret, struct err *e)
{
	struct reader *r = (struct reader *)s;
	int rc;

	for (;;) {
		if (r->ready && ((rc = give_ready(r, ret, e)) < 0 || *ret))
			return rc;
		if (r->ready)
			continue;
		if (r->later.status) {
			*e = r->later;
			return -e->status;
		}
		if (r->fault.fault != FAULT_NONE && (rc = pass_fault(r, e)) < 0)
			return rc;
		if (r->at < r->n) {
			if ((rc = scan(r, e)) < 0)
				return rc;
			if (rc)
				continue;
		}
		if (r->last && r->at >= r->n)
			return finish(r, e);
		if ((rc = more_text(r, e)) < 0)
			return rc;
	}
}

static void close_reader(struct source *s)
{
	struct reader *r = (struct reader *)s;

	batch_unref(r->ready);
	batch_unref(r->carrier);
	schema_unref(r->none);
	schema_unref(s->schema);
	fields_free(&r->fields);
	out_close(r->own_side);
	in_close(r->in);
	arena_free(&r->arena);
	free(r);
}

/* ---- opening: the header ---- */

struct names {
	struct reader *r;
	const struct dialect *d;
	const uint8_t *text;
	struct str *v;
	int64_t n;
	bool nomem;
};

static bool collect_name(void *arg, int64_t index, size_t begin, size_t end, bool bad)
{
	struct names *c = arg;
	struct str raw = { (const char *)c->text + begin, end - begin };
	uint8_t *p = arena_alloc(&c->r->arena, raw.n + 1);

	if ((index & (index - 1)) == 0) {
		struct str *v = arena_array(&c->r->arena, struct str, index ? (size_t)index * 2 : 1);

		if (!v)
			return false;
		if (index)
			memcpy(v, c->v, (size_t)index * sizeof *v);
		c->v = v;
	}
	if (!p)
		return false;
	c->v[index] = (struct str){ (char *)p, bad ? 0 : csv_unquote(c->d, raw, p) };
	c->n = index + 1;
	return true;
}

/* How the first line ends goes along, so that the output can end its lines so. */
static void note_eol(struct reader *r, size_t begin, size_t end)
{
	const uint8_t *t = r->text;

	if (r->eol)
		return;
	if (end > begin && t[end - 1] == '\r')
		r->eol = "cr";
	else
		r->eol = end > begin + 1 && t[end - 1] == '\n' && t[end - 2] == '\r' ? "crlf" : "";
}

/* The line at text[at] is a comment or empty: steps over it. False: it is something else, or its end has not come. */
static bool skip_line(struct reader *r, struct record *rec, size_t *at, int64_t *lines, bool *empty)
{
	if (csv_is_comment(&r->d, r->text, r->n, *at)) {
		size_t end = csv_skip_comment(r->text, r->n, *at, r->last);

		rec->more = end == SIZE_MAX;
		if (rec->more)
			return false;
		note_eol(r, *at, end);
		*at = end;
		++*lines;
		return true;
	}
	if (rec->more || !rec->blank)
		return false;
	note_eol(r, *at, rec->end);
	*at = rec->end;
	*lines += rec->lines;
	*empty = true;
	return true;
}

/* Text up to a whole first record, behind blank lines and comments; *ret: it is there. The position of the record and its line
 * are in rec->begin and *line; r->at stays. Only blank lines: *empty. */
static int first_record(struct reader *r, struct record *rec, int64_t *line, struct names *names, bool *empty, bool *ret,
			struct err *e)
{
	size_t skipped = 0;
	int rc;

	for (*ret = *empty = false, *line = r->line;;) {
		size_t at = r->at + skipped;

		*rec = (struct record){ .more = true };
		names->text = r->text;
		if (at < r->n && !csv_is_comment(&r->d, r->text, r->n, at) &&
		    !csv_record(&r->d, r->text, r->n, at, r->last, collect_name, names, rec))
			return err_oom(e);
		if (at < r->n && skip_line(r, rec, &at, line, empty)) {
			skipped = at - r->at;
			continue;
		}
		*ret = at < r->n && !rec->more;
		if (*ret)
			note_eol(r, at, rec->end);
		if (*ret || r->last)
			return 0;
		if ((rc = more_text(r, e)) < 0)
			return rc;
	}
}

static int refuse_wide(struct reader *r, struct err *e)
{
	const uint8_t *t = r->text;
	const char *name = NULL;

	if (r->n >= 4 && ((t[0] == 0xFF && t[1] == 0xFE && !t[2] && !t[3]) || (!t[0] && !t[1] && t[2] == 0xFE && t[3] == 0xFF)))
		name = "UTF-32";
	else if (r->n >= 2 && ((t[0] == 0xFF && t[1] == 0xFE) || (t[0] == 0xFE && t[1] == 0xFF)))
		name = "UTF-16";
	if (!name)
		return 0;
	err_set(e, ST_DATA, "the text is %s", name);
	err_at(e, in_name(r->in), 1, 1);
	return err_hint(e, "convert: --encoding %s", name);
}

static int skip_bom(struct reader *r, struct err *e)
{
	int rc = 0;

	while (rc == 0 && r->n < 4 && !r->last)
		rc = more_text(r, e);
	if (rc < 0 || (rc = refuse_wide(r, e)) < 0)
		return rc;
	if (r->n >= 3 && memcmp(r->text, "\xEF\xBB\xBF", 3) == 0)
		r->at = 3;
	return 0;
}

/* --header: names as a record of CSV. */
static int given_names(const char *list, struct names *names, struct err *e)
{
	static const struct dialect plain = {
		.delimiter = ',', .quote = '"', .escape = -1, .comment = -1, .max_field = INT32_MAX
	};
	struct record rec;

	names->text = (const uint8_t *)list;
	names->d = &plain;
	if (!csv_record(&plain, names->text, strlen(list), 0, true, collect_name, names, &rec))
		return err_oom(e);
	return rec.fault == FAULT_NONE && rec.end == strlen(list)
		       ? 0
		       : err_set(e, ST_USAGE, "--header: not a list of names: \"%s\"", list);
}

static int number_names(struct reader *r, struct names *names, struct err *e)
{
	for (int64_t i = 0; i < names->n; i++)
		names->v[i].n = 0;
	return csv_unique_names(names->v, (int)names->n, &r->arena) ? err_oom(e) : 0;
}

static int first_record_fault(struct reader *r, const struct record *rec, struct err *e)
{
	r->fault = (struct fault_at){ .fault = rec->fault, .at = rec->fault_at };
	return fault_error(r, e);
}

static int check_names(struct reader *r, const struct names *names, struct err *e)
{
	for (int64_t i = 0; i < names->n; i++) {
		if (utf8_valid(names->v[i].p, names->v[i].n))
			continue;
		err_set(e, ST_DATA, "name %lld in the header is not valid UTF-8", (long long)i + 1);
		err_at(e, in_name(r->in), r->line, 1);
		return err_hint(e, "convert: --encoding latin1, or give names: --header");
	}
	return 0;
}

static int empty_input(struct reader *r, struct err *e)
{
	err_set(e, ST_DATA, "the input is empty: there is no header line");
	err_at(e, in_name(r->in), 1, 1);
	return err_hint(e, "a file without header: -N, or names: --header");
}

static int header_differs(const struct reader *r, const struct names *given, const struct names *names, struct err *e)
{
	err_set(e, ST_USAGE, "--header gives %lld names, the header line has %lld", (long long)given->n, (long long)names->n);
	return err_at(e, in_name(r->in), r->line, 0);
}

/* There is no header line: c1, c2, ..., or the names given. Blank lines alone are nulls of one column. */
static int names_without_line(struct reader *r, struct names *names, const struct names *given, bool have, bool empty,
			      struct err *e)
{
	if (given->n) {
		*names = *given;
	} else {
		names->n = have ? names->n : empty; /* a blank line has left one name */
		return number_names(r, names, e);
	}
	return csv_unique_names(names->v, (int)names->n, &r->arena) ? err_oom(e) : 0;
}

/* The names: from the header line, from --header, or c1, c2, ...; the header line is stepped over. */
static int read_names(struct reader *r, const struct read_opts *o, struct names *names, struct record *rec, struct err *e)
{
	struct names given = { .r = r };
	bool have, empty;
	int64_t line;
	int rc;

	if (o->header && (rc = given_names(o->header, &given, e)) < 0)
		return rc;
	if ((rc = first_record(r, rec, &line, names, &empty, &have, e)) < 0)
		return rc;
	if (o->no_header) {
		if (rec->fault == FAULT_NONE || given.n)
			return names_without_line(r, names, &given, have, empty, e);
	} else if (!have) {
		return empty_input(r, e);
	}
	r->line = line;
	r->at = rec->begin;
	if (rec->fault != FAULT_NONE)
		return first_record_fault(r, rec, e);
	if (given.n && given.n != names->n)
		return header_differs(r, &given, names, e);
	if (!given.n && (rc = check_names(r, names, e)) < 0)
		return rc;
	if (given.n)
		*names = given;
	r->at = rec->end;
	r->line += rec->lines;
	return csv_unique_names(names->v, (int)names->n, &r->arena) ? err_oom(e) : 0;
}

static int mark_binary(struct reader *r, const char *fields, const struct schema *text, struct err *e)
{
	int *idx, n, rc;

	if (!(r->binary = arena_array(&r->arena, bool, (size_t)text->nfields)))
		return err_oom(e);
	if (!fields)
		return 0;
	if ((rc = fields_resolve(str_of(fields), text, &r->arena, &idx, &n, e)) < 0)
		return rc;
	for (int i = 0; i < n; i++)
		r->binary[idx[i]] = true;
	return 0;
}

/* The schema of names with the types that were declared; `typed` starts empty. */
static int build_schema(struct reader *r, const struct read_opts *o, const struct names *names, struct schema *text,
			struct schema *typed, struct err *e)
{
	const struct type bytes = TYPE_BINARY, plain = TYPE_TEXT;
	struct declared decl;
	int rc = declared_read(o, &r->arena, &decl, e);

	for (int64_t i = 0; rc == 0 && i < names->n; i++)
		rc = schema_add(text, names->v[i], &plain, true, e);
	if (rc < 0 || (rc = declared_check(&decl, text, e)) < 0 || (rc = mark_binary(r, o->binary, text, e)) < 0)
		return rc;
	r->plain = true;
	for (int64_t i = 0; rc == 0 && i < names->n; i++) {
		const struct type *t = declared_find(&decl, names->v[i]);

		r->binary[i] |= t && t->id == T_BINARY;
		if (r->binary[i])
			t = &bytes;
		r->plain &= !t || type_is_text(t) || t->id == T_BINARY;
		rc = schema_add(typed, names->v[i], t ? t : &plain, true, e);
	}
	return rc;
}

static int open_side(struct reader *r, const struct read_opts *o, struct err *e)
{
	int rc = 0;

	if (o->side && !o->side_out)
		rc = out_open(&r->own_side, o->side, CODEC_NONE, e);
	r->side = o->side_out ? o->side_out : r->own_side;
	return rc;
}

static int start(struct reader *r, const struct read_opts *o, char delimiter, struct err *e)
{
	struct names names = { .r = r, .d = &r->d };
	cleanup_schema struct schema *text = schema_new(), *typed = schema_new();
	struct record rec;
	int rc;

	r->none = schema_new();
	r->line = 1;
	r->on_bad = o->on_bad;
	r->chunk = o->chunk > 0 ? (size_t)o->chunk : CHUNK;
	if (!text || !typed || !r->none)
		return err_oom(e);
	if (o->encoding && (rc = in_set_encoding(r->in, o->encoding, e)) < 0)
		return rc;
	if ((rc = dialect_read(o, delimiter, &r->d, e)) < 0 || (rc = open_side(r, o, e)) < 0 || (rc = skip_bom(r, e)) < 0 ||
	    (rc = read_names(r, o, &names, &rec, e)) < 0 || (rc = build_schema(r, o, &names, text, typed, e)) < 0 ||
	    (r->eol && *r->eol && (rc = schema_set_meta(typed, STR(META_EOL), str_of(r->eol), e)) < 0))
		return rc;
	r->source.schema = typed;
	typed = NULL;
	return 0;
}

int csv_open_source(struct in *in, const struct read_opts *o, char delimiter, struct source **ret, struct err *e)
{
	struct reader *r = calloc(1, sizeof *r);
	int rc;

	if (!r) {
		in_close(in);
		return err_oom(e);
	}
	r->in = in;
	r->source.next = next;
	r->source.close = close_reader;
	if ((rc = start(r, o, delimiter, e)) < 0) {
		close_reader(&r->source);
		return rc;
	}
	*ret = &r->source;
	return 0;
}
