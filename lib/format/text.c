/* Text: one column, `line`, a row for each line; and back.
 *
 * A value is everything before the newline, a carriage return included, so text comes out byte for byte as it went in (but
 * for a missing last newline, which is added). A value that contains a newline cannot be written. */
#include "lib/base/utf8.h"
#include "lib/format/declare.h"
#include "lib/format/lines.h"

#include <stdlib.h>

#define CHUNK (256 << 10)

struct text_source {
	struct source source;
	struct lines lines;
	struct schema *schema;
	bool failed;
	struct err error;
	int64_t row;
};

/* The column's bytes in a new batch: those of the block without the newlines. Returns rows. */
static int64_t split(const struct str block, uint8_t *values, int32_t *offsets, int64_t most, size_t *used)
{
	const char *p = block.p, *end = p + block.n;
	uint8_t *to = values;
	int64_t n = 0;

	for (offsets[0] = 0; p < end && n < most; n++) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)(newline - p);

		memcpy(to, p, len);
		to += len;
		p = newline + 1;
		offsets[n + 1] = (int32_t)(to - values);
	}
	*used = (size_t)(p - block.p);
	return n;
}

static int not_utf8(struct text_source *s, int64_t line, size_t column)
{
	s->failed = true;
	err_set(&s->error, ST_DATA, "not UTF-8");
	err_at(&s->error, in_name(s->lines.in), s->lines.line + line + 1, (int64_t)column + 1);
	s->error.row = s->row + line + 1;
	err_field(&s->error, s->schema->fields[0].name.p, (int)s->schema->fields[0].name.n);
	return err_hint(&s->error, "another encoding: --encoding latin1; any bytes: --binary line");
}

/* Rows before the first that is not UTF-8. */
static int64_t check(struct text_source *s, const struct column *c)
{
	int64_t i = 0;

	if (s->schema->fields[0].type.id != T_UTF8 || utf8_valid(c->values, (size_t)c->offsets[c->length]))
		return c->length;
	for (; i < c->length; i++) {
		struct str v = column_str(c, i);
		size_t bad = utf8_check(v.p, v.n);

		if (bad < v.n) {
			not_utf8(s, i, bad);
			break;
		}
	}
	return i;
}

static int make_batch(struct text_source *s, struct str block, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *b = batch_new(s->schema, 0);
	uint8_t *values = b ? arena_alloc(&b->arena, block.n + 64) : NULL;
	int32_t *offsets = b ? arena_alloc(&b->arena, (BATCH_ROWS + 1) * sizeof *offsets) : NULL;
	struct column *c;
	size_t used;

	if (!values || !offsets)
		return err_oom(e);
	c = &b->cols[0];
	c->length = split(block, values, offsets, BATCH_ROWS, &used);
	c->values = values;
	c->offsets = offsets;
	memset(values + offsets[c->length], 0, 64);
	b->origin = (struct origin){ .name = arena_strdup(&b->arena, str_of(in_name(s->lines.in))), .row = s->row,
		.line = s->lines.line + 1 };
	if (!b->origin.name)
		return err_oom(e);
	b->nrows = check(s, c);
	s->row += c->length;
	lines_take(&s->lines, used, c->length);
	c->length = b->nrows;
	*ret = b;
	b = NULL;
	return 0;
}

static int next(struct source *source, struct batch **ret, struct err *e)
{
	struct text_source *s = (struct text_source *)source;
	struct str block;
	int rc;

	while (!s->failed) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = lines_block(&s->lines, &block, e)) < 0)
			return rc;
		if (block.n == 0)
			return 0;
		if ((rc = make_batch(s, block, &b, e)) < 0)
			return rc;
		if (b->nrows) {
			*ret = b;
			b = NULL;
			return 0;
		}
	}
	*e = s->error;
	return -e->status;
}

static void close_source(struct source *source)
{
	struct text_source *s = (struct text_source *)source;

	lines_free(&s->lines);
	schema_unref(s->schema);
	free(s);
}

static int make_schema(struct text_source *s, const struct read_opts *o, struct err *e)
{
	cleanup_arena struct arena a = { 0 };
	struct str name = o->header ? str_of(o->header) : STR("line");
	struct type type = o->binary ? TYPE_BINARY : TYPE_TEXT;
	struct declared d;
	int rc;

	s->schema = schema_new();
	if (!s->schema)
		return err_oom(e);
	if ((rc = declared_read(o, &a, &d, e)) < 0)
		return rc;
	for (int i = 0; i < d.n; i++)
		if (d.v[i].type.id == T_UTF8 || d.v[i].type.id == T_BINARY)
			type = d.v[i].type;
		else
			return err_set(e, ST_USAGE, "lines are text or binary; other types come from stook map");
	if ((rc = schema_add(s->schema, name, &type, true, e)) < 0 || (rc = declared_check(&d, s->schema, e)) < 0)
		return rc;
	if (!o->binary || str_is(name, o->binary))
		return 0;
	return schema_no_field(s->schema, str_of(o->binary), e);
}

static int text_read(struct in *in, const struct read_opts *o, struct source **ret, struct err *e)
{
	struct text_source *s = calloc(1, sizeof *s);
	int rc;

	if (!s) {
		in_close(in);
		return err_oom(e);
	}
	s->source.next = next;
	s->source.close = close_source;
	lines_init(&s->lines, in, o);
	s->lines.started = true; /* a byte order mark stays */
	if ((rc = make_schema(s, o, e)) < 0) {
		close_source(&s->source);
		return rc;
	}
	s->source.schema = s->schema;
	*ret = &s->source;
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
	*s = (struct text_sink){ .sink = { write_batch, finish, fail, close_sink }, .out = out,
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
