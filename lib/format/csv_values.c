/* Values of CSV that must be more than text: bytes that are UTF-8, and what was declared with --type. By the policy for bad
 * values the batch ends before the first bad row, or rows are marked to be skipped, or values become null. */
#include "lib/base/utf8.h"
#include "lib/format/csv_reader.h"
#include "lib/format/declare.h"
#include "lib/table/badlog.h"

/* The raw text of row i of the batch that r->fields describes. */
static struct str raw_row(const struct reader *r, int64_t i)
{
	const char *text = (const char *)r->text + r->at;
	const struct fields *f = &r->fields;
	size_t first = (size_t)i * f->stride;
	size_t begin = f->begin1[first] == FIELD_ABSENT ? 0 : f->begin1[first] + 1u, end = begin;

	for (size_t k = 0; k < f->stride; k++)
		if (f->begin1[first + k] != FIELD_ABSENT)
			end = f->end[first + k];
	end -= f->cr && end > begin && text[end - 1] == '\r';
	return (struct str){ text + begin, end - begin };
}

/* Row i cannot be taken as it is: by the policy it is marked, or it is where the batch will end. */
static int note_bad(struct bad_values *bad, struct batch *b, int64_t i, struct err *e)
{
	bad->count++;
	if (bad->policy != BAD_FAIL)
		return bad_values_mark(bad, b, i, &b->arena, e);
	bad->bad_row = i;
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
	csv_locate_bad_byte(&b->origin, row, col, &e->line, &e->column);
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
	err_set(e, ST_DATA, "\"%.*s\"%s is not of type %s%s", shown, s.p, s.n > 60 ? "..." : "", type,
		value_beyond(&b->schema->fields[col].type, s));
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

/* Records of the wrong length that were made to fit. */
static int mark_padded(struct reader *r, struct batch *b, struct err *e)
{
	const uint32_t *rows = (const uint32_t *)(const void *)r->fields.padded.p;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->fields.padded.n / sizeof *rows; i++)
		rc = bad_values_mark(&r->bad, b, rows[i], &b->arena, e);
	return rc;
}

/* Counts the records that were marked, in order; one too many ends the batch. */
static int count_bad(struct reader *r, struct batch *b, struct err *e)
{
	const uint8_t *marks = r->bad.skip ? r->bad.skip : r->bad.nulled;

	for (int64_t i = 0; marks && i < b->nrows; i++) {
		int rc = bit_get(marks, i) ? bad_log_read(r->log, r->bad.skip ? raw_row(r, i) : (struct str){ NULL, 0 }, e) : 0;

		if (rc < 0)
			return rc;
		if (rc == 0)
			continue;
		r->bad.bad_row = i;
		err_set(&r->later, ST_DATA, "a record that cannot be taken as it is");
		batch_err_at(b, i, -1, &r->later);
		bad_log_too_many(r->log, &r->later);
		return 0;
	}
	return 0;
}

/* UTF-8 and declared types of a filled batch. */
int csv_check_values(struct reader *r, struct batch *b, struct err *e)
{
	int rc = mark_padded(r, b, e);

	for (int i = 0; rc == 0 && r->fields.suspect && i < b->schema->nfields; i++)
		if (!r->binary[i])
			rc = check_utf8(b, i, &r->bad, &r->later, e);
	for (int i = 0; rc == 0 && !r->plain && i < b->schema->nfields; i++) {
		const struct type *t = &b->schema->fields[i].type;

		if (t->id != T_BINARY && !type_is_text(t))
			rc = convert(b, i, &r->bad, &r->later, e);
	}
	return rc < 0 ? rc : count_bad(r, b, e);
}
