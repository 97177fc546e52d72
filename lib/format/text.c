/* Text: one column, `line`, a row for each line; and back.
 *
 * A value is everything before the newline, a carriage return included, so text comes out byte for byte as it went in (but for a
 * missing last newline, which is added). A value that contains a newline cannot be written. */
#include "lib/base/utf8.h"
#include "lib/format/declare.h"
#include "lib/format/records.h"
#include "lib/table/badlog.h"

#include <stdlib.h>

#define CHUNK (256 << 10)

struct text_source {
	struct records records;
	struct rows rows;
};

static int not_utf8(const struct text_source *s, size_t at, struct err *e)
{
	struct str name = s->rows.schema->fields[0].name;

	err_set(e, ST_DATA, "not UTF-8");
	e->line = s->records.parsed + 1;
	e->column = (int64_t)at + 1;
	err_field(e, name.p, (int)name.n);
	return err_hint(e, "another encoding: --encoding latin1; any bytes: --binary line; skip such lines: --on-bad skip");
}

/* A line with a byte at `bad` that is not UTF-8. */
static int bad_line(struct text_source *s, struct str line, size_t bad, bool *skipped, struct err *e)
{
	int rc;

	*skipped = s->records.on_bad == BAD_SKIP;
	if (s->records.on_bad == BAD_FAIL)
		return not_utf8(s, bad, e);
	rc = records_bad(&s->records, *skipped ? line : (struct str){ NULL, 0 }, e);
	if (rc > 0) {
		not_utf8(s, bad, e);
		return bad_log_too_many(s->records.log, e);
	}
	if (rc < 0 || *skipped)
		return rc;
	s->rows.n++;
	return builder_null(&s->rows.cols[0], 1, e);
}

static int put_line(struct text_source *s, struct str line, bool good, bool *skipped, struct err *e)
{
	size_t bad = good ? line.n : utf8_check(line.p, line.n);

	if (bad < line.n)
		return bad_line(s, line, bad, skipped, e);
	s->rows.n++;
	return builder_str(&s->rows.cols[0], line, e);
}

static int parse(struct records *r, const char *text, size_t n, size_t *used, struct err *e)
{
	struct text_source *s = (struct text_source *)r;
	bool good = r->schema->fields[0].type.id == T_BINARY || utf8_valid(text, n), skipped = false;
	const char *p = text, *end = text + n;
	int rc = 0;

	for (r->parsed = 0; p < end && s->rows.n < BATCH_ROWS && !skipped; r->parsed++) {
		struct str line = { p, (size_t)((const char *)memchr(p, '\n', (size_t)(end - p)) - p) };

		r->record++;
		rc = put_line(s, line, good, &skipped, e);
		if (rc < 0)
			break;
		p += line.n + 1;
	}
	*used = (size_t)(p - text);
	return rc;
}

static int make_schema(struct text_source *s, const struct read_opts *o, struct err *e)
{
	cleanup_arena struct arena a = { 0 };
	struct str name = o->header ? str_of(o->header) : STR("line");
	struct type type = o->binary ? TYPE_BINARY : TYPE_TEXT;
	struct declared d;
	int rc;

	s->records.schema = schema_new();
	if (!s->records.schema)
		return err_oom(e);
	if ((rc = declared_read(o, &a, &d, e)) < 0)
		return rc;
	for (int i = 0; i < d.n; i++)
		if (d.v[i].type.id == T_UTF8 || d.v[i].type.id == T_BINARY)
			type = d.v[i].type;
		else
			return err_set(e, ST_USAGE, "lines are text or binary; other types come from stook map");
	if ((rc = schema_add(s->records.schema, name, &type, true, e)) < 0 || (rc = declared_check(&d, s->records.schema, e)) < 0)
		return rc;
	if (o->binary && !str_is(name, o->binary))
		return schema_no_field(s->records.schema, str_of(o->binary), e);
	return rows_init(&s->rows, s->records.schema, e);
}

static void release(struct records *r)
{
	struct text_source *s = (struct text_source *)r;

	if (s->rows.schema)
		rows_free(&s->rows);
}

static int twin(const struct records *r, struct records *t, struct err *e)
{
	struct text_source *s = (struct text_source *)t;

	(void)r;
	t->rows = &s->rows;
	return rows_init(&s->rows, t->schema, e);
}

static int text_read(struct in *in, const struct read_opts *o, struct source **ret, struct err *e)
{
	struct text_source *s = calloc(1, sizeof *s);
	int rc;

	if (!s) {
		in_close(in);
		return err_oom(e);
	}
	s->records.parse = parse;
	s->records.release = release;
	s->records.twin = twin;
	s->records.size = sizeof *s;
	s->records.rows = &s->rows;
	records_init(&s->records, in, o);
	s->records.keeps_blank = true;
	s->records.lines.started = true; /* a byte order mark stays */
	if ((rc = make_schema(s, o, e)) < 0 || (rc = records_start(&s->records, o, e)) < 0) {
		records_close(&s->records.source);
		return rc;
	}
	*ret = &s->records.source;
	return 0;
}

struct text_sink {
	struct sink sink;
	struct out *out;
	int col;
	struct str null;
	struct buf text;
};

static int has_newline(const struct batch *b, int64_t row, int col, struct err *e)
{
	err_set(e, ST_DATA, "the value has a line end inside, which text cannot hold");
	err_hint(e, "--to csv or --to jsonl can");
	return batch_err_at(b, row, col, e);
}

/* Binary values are their bytes here, not hexadecimal digits. */
static int put_value(struct text_sink *s, const struct column *c, int64_t row)
{
	if (column_is_null(c, row))
		return buf_str(&s->text, s->null);
	return c->type->layout == LAY_VAR ? buf_str(&s->text, column_str(c, row)) : value_print(c, row, &s->text);
}

static int put_row(struct text_sink *s, const struct batch *b, int64_t row, struct err *e)
{
	size_t start = s->text.n;

	if (put_value(s, &b->cols[s->col], row))
		return err_oom(e);
	if (s->text.n > start && memchr(s->text.p + start, '\n', s->text.n - start))
		return has_newline(b, row, s->col, e);
	return buf_byte(&s->text, '\n') ? err_oom(e) : 0;
}

static int flush(struct text_sink *s, struct err *e)
{
	int rc = out_write(s->out, s->text.p, s->text.n, e);

	s->text.n = 0;
	return rc;
}

static int write_batch(struct sink *sink, struct batch *b, struct err *e)
{
	struct text_sink *s = (struct text_sink *)sink;
	int rc = 0;

	for (int64_t row = 0; row < b->nrows && rc == 0; row++) {
		rc = put_row(s, b, row, e);
		if (rc == 0 && s->text.n >= CHUNK)
			rc = flush(s, e);
	}
	if (rc == 0)
		rc = flush(s, e);
	return rc < 0 ? rc : out_flush(s->out, e);
}

static int finish(struct sink *sink, struct err *e)
{
	return out_commit(((struct text_sink *)sink)->out, e);
}

static void fail(struct sink *sink, const struct err *why)
{
	(void)why;
	out_abort(((struct text_sink *)sink)->out);
}

static void close_sink(struct sink *sink)
{
	struct text_sink *s = (struct text_sink *)sink;

	out_close(s->out);
	buf_free(&s->text);
	free(s);
}

static int one_column(const struct schema *schema, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	int rc = 0;

	if (schema->nfields == 1)
		return 0;
	for (int i = 0; i < schema->nfields && !rc && b.n < 600; i++)
		rc = buf_printf(&b, "%s%.*s", i ? ", " : "", STR_ARG(schema->fields[i].name));
	err_set(e, ST_USAGE, "text output takes one column, and there are %d: %.*s", schema->nfields, rc ? 0 : (int)b.n, (char *)b.p);
	return err_hint(e, "choose one: stook map 'keep NAME'; or --to csv");
}

static int text_write(struct out *out, const struct schema *schema, const struct write_opts *o, struct sink **ret, struct err *e)
{
	struct text_sink *s = calloc(1, sizeof *s);
	int rc = s ? one_column(schema, e) : err_oom(e);

	if (rc < 0) {
		out_close(out);
		free(s);
		return rc;
	}
	*s = (struct text_sink){ .sink = { write_batch, finish, fail, close_sink, NULL }, .out = out,
		.null = o->null ? str_of(o->null) : STR("") };
	*ret = &s->sink;
	return 0;
}

const struct format format_text = {
	.name = "text",
	.suffixes = ".txt",
	.help = "lines: one column named line",
	.read = text_read,
	.write = text_write,
};
