/* The CSV source: text by the chunk, records by the batch.
 *
 * `text[at .. n)` is what has been read and not yet been made into rows; it always begins at a record. The text lives in a
 * batch of its own, the carrier, which the batches made from it keep alive: places are found in it when there is an error. A
 * record that cannot be taken ends its batch, so that rows, lines and text of a batch always run together. */
#include "lib/format/csv_reader.h"

#include "lib/table/badlog.h"

#include <stdlib.h>
#include <time.h>

#define TEXT_MAX ((size_t)INT32_MAX - 4096)
#define LATENCY_MS 100

/* ---- text ---- */

int csv_new_carrier(struct reader *r, size_t cap, struct err *e)
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
	return csv_new_carrier(r, cap, e);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* How long to wait for more. */
static int patience(const struct reader *r, bool wait)
{
	int64_t left = r->until - now_ms();

	if (!wait)
		return 0;
	return !r->until ? IN_WAIT : left > 0 ? (int)left : 0;
}

bool csv_text_is_due(const struct reader *r)
{
	return r->until && now_ms() >= r->until;
}

/* What the crew has read comes first. */
static ssize_t read_text(struct reader *r, uint8_t *to, size_t n, int timeout, struct err *e)
{
	ssize_t got = r->crew ? csv_crew_text(r->crew, to, n, e) : 0;

	return got ? got : in_read(r->in, to, n, timeout, e);
}

int csv_some_text(struct reader *r, bool wait, struct err *e)
{
	ssize_t got = 1;
	int rc;

	if ((rc = make_room(r, e)) < 0)
		return rc;
	while (r->n < r->cap && got > 0 && !csv_text_is_due(r)) {
		got = read_text(r, r->text + r->n, r->cap - r->n, patience(r, wait), &r->broken);
		if (got > 0)
			r->n += (size_t)got;
		if (got > 0 && !r->until)
			r->until = now_ms() + LATENCY_MS + r->slow;
	}
	r->last = got == 0;
	memset(r->text + r->n, 0, TEXT_SLACK);
	return 0;
}

int csv_more_text(struct reader *r, struct err *e)
{
	r->until = 0;
	if (!r->broken.status)
		return csv_some_text(r, true, e);
	*e = r->broken;
	return -e->status;
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

int csv_fault_error(struct reader *r, struct err *e)
{
	describe_fault(r, e);
	return at_text(r, r->fault.at, e);
}

/* ---- records that are not taken ---- */

/* Steps over the record at `at` by the policy, or fails. Where a record ends is not known in an open quote: no policy helps. */
static int pass_fault(struct reader *r, struct err *e)
{
	enum fault f = r->fault.fault;
	int64_t line = r->line;
	int rc;

	if (r->on_bad != BAD_SKIP || f == FAULT_OPEN || f == FAULT_LONG)
		return csv_fault_error(r, e);
	rc = bad_log_read(r->log, (struct str){ (const char *)r->text + r->at, r->fault.end - r->at }, e);
	if (rc > 0) {
		csv_fault_error(r, e);
		return bad_log_too_many(r->log, e);
	}
	if (rc < 0)
		return rc;
	for (size_t i = r->at; i < r->fault.end; i++)
		line += r->text[i] == '\n' || (r->text[i] == '\r' && i + 1 == r->fault.end);
	r->line = line;
	r->row++;
	r->at = r->fault.end;
	r->fault.fault = FAULT_NONE;
	return 0;
}

/* ---- batches ---- */

static int make_batch(struct reader *r, struct err *e)
{
	struct fields *f = &r->fields;
	cleanup_batch struct batch *b = batch_new(r->source.schema, f->nrows);
	const bool *unwanted;
	int rc;

	if (!b)
		return err_oom(e);
	b->origin = (struct origin){
		.name = in_name(r->in), .row = r->row, .line = r->line + f->lead, .text = r->text + r->at, .text_size = f->used,
		.log = r->log
	};
	if ((rc = csv_origin(&b->origin, &r->d, b->schema->nfields, r->line, &b->arena, e)) < 0)
		return rc;
	if ((rc = csv_line_ends(&b->origin, f, r->eol, &b->arena, e)) < 0)
		return rc;
	if (!(b->origin.name = arena_strdup(&b->arena, str_of(in_name(r->in)))))
		return err_oom(e);
	if ((rc = csv_lines(r, b, e)) < 0)
		return rc;
	unwanted = b->lines.at || !r->wants->lines ? r->wants->unwanted : NULL;
	if ((rc = csv_fill(&r->d, r->text + r->at, f, unwanted, b, e)) < 0)
		return rc;
	batch_keep(b, r->carrier);
	r->shared = true;
	r->bad = (struct bad_values){ .policy = r->on_bad, .bad_row = -1 };
	if ((rc = csv_check_values(r, b, e)) < 0)
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

int csv_scan_text(struct reader *r, struct err *e)
{
	bool pad = r->on_bad == BAD_NULL;
	int rc = csv_scan(&r->d, r->text + r->at, r->n - r->at, r->last, r->source.schema->nfields, pad, &r->wants->keep, &r->fields,
			  &r->fault, e);
	size_t base = r->at;

	if (rc < 0)
		return rc;
	if (r->fields.nrows && (rc = make_batch(r, e)) < 0)
		return rc;
	r->fault.at += base;
	r->fault.end += base;
	step_over(r);
	if (r->ready && r->last && r->at == r->n)
		r->ready->origin.open_end = r->text[r->n - 1] != '\n' && r->text[r->n - 1] != '\r';
	return r->ready || r->fault.fault != FAULT_NONE;
}

/* A record that takes long to scan is not scanned again with every few bytes of it that come. */
static int scan(struct reader *r, struct err *e)
{
	int64_t begun = now_ms();
	size_t at = r->at;
	int rc = csv_scan_text(r, e);

	r->slow = r->at == at ? 4 * (now_ms() - begun) : 0;
	return rc;
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

int csv_next(struct source *s, struct batch **ret, struct err *e)
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
			return 0;
		if ((rc = csv_crew_fits(r) ? csv_crew_next(r, e) : csv_more_text(r, e)) < 0)
			return rc;
	}
}

/* Columns that are more than text are read all the same: their values may be bad. */
void csv_want(struct source *s, const bool *cols, const struct line_form *lines)
{
	struct reader *r = (struct reader *)s;

	for (int i = 0; i < s->schema->nfields; i++)
		r->wants->unwanted[i] = !cols[i] && type_is_text(&s->schema->fields[i].type);
	r->wants->lines = lines && csv_lines_fit(r, lines);
	if (r->wants->lines)
		r->wants->form = *lines;
	else if (lines)
		memset(r->wants->unwanted, 0, (size_t)s->schema->nfields);
	csv_keep_wanted(&r->wants->keep, r->wants->unwanted, s->schema->nfields);
	r->wants->keep.plain = r->wants->lines;
	if (r->wants->lines && (lines->end != LINE_LF || !lines->any_start)) /* there may be none, and values are wanted instead */
		r->wants->keep.n = 0;
}

void csv_close(struct source *s)
{
	struct reader *r = (struct reader *)s;

	csv_crew_close(r->crew);
	batch_unref(r->ready);
	batch_unref(r->carrier);
	schema_unref(r->none);
	schema_unref(s->schema);
	fields_free(&r->fields);
	bad_log_unref(r->log);
	in_close(r->in);
	arena_free(&r->arena);
	free(r);
}
