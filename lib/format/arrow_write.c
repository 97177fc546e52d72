/* Arrow streams and files as a sink.
 *
 * Every message is written together with the marker of the next one, so that a writer that is killed leaves a stream that
 * ends inside a message: we notice that, and so do others (polars; apache-arrow for JavaScript takes it for the end, as it
 * takes any end at a boundary). The end marker is those bytes completed with zeros, on success only.
 * On a pipe batches go out as they come. In files they are cut anew at fixed limits, so that the bytes do not depend on
 * how the input came in pieces. */
#include "lib/format/arrow_wire.h"

#include "lib/io/term.h"

#include <stdlib.h>

#define PIPE_ROWS ((int64_t)1 << 20)
#define MESSAGE_BYTES ((int64_t)8 << 20)

struct arrow_sink {
	struct sink base;
	struct out *out;
	const struct schema *schema;
	struct encoder x;
	uint64_t seq;
	bool file;             /* with magic and footer */
	bool spill;            /* one of many files: little memory stays in it */
	bool collect;          /* rows are collected to whole batches */
	bool whole;            /* batches cannot be cut: unions */
	int64_t max_rows;
	struct rows rows;      /* collect: rows of the batch to come */
	int64_t bytes;         /* their size() */
	int64_t offset;        /* written so far */
	struct buf blocks;     /* file: struct block */
};

static int put(struct arrow_sink *s, const struct iovec *v, int n, struct err *e)
{
	for (int i = 0; i < n; i++)
		s->offset += (int64_t)v[i].iov_len;
	return out_writev(s->out, v, n, e);
}

static struct iovec io(const void *p, size_t n)
{
	return (struct iovec){ (void *)(uintptr_t)p, n };
}

/* The message in s->x without its marker, which is out already, and the next one's. */
static int put_message(struct arrow_sink *s, bool last, struct err *e)
{
	static const uint32_t marker = ARROW_MARKER;
	const struct piece *p = (const struct piece *)(const void *)s->x.pieces.p;
	size_t n = s->x.pieces.n / sizeof *p;
	struct iovec *v = arena_array(&s->x.scratch, struct iovec, n + 2);

	if (!v)
		return err_oom(e);
	v[0] = io(s->x.meta.b.p + 4, s->x.meta.b.n - 4);
	for (size_t i = 0; i < n; i++)
		v[i + 1] = io(p[i].p, p[i].n);
	v[n + 1] = io(&marker, last ? 0 : sizeof marker);
	s->seq++;
	return put(s, v, (int)n + 2, e);
}

#define SPILL_SCRATCH ((size_t)512 << 10)

static int put_batch(struct arrow_sink *s, const struct batch *b, struct err *e)
{
	struct block block;
	int rc = encode_batch(&s->x, b, s->seq, e);

	if (rc < 0)
		return rc;
	block = (struct block){ s->offset - 4, s->x.body, (int32_t)s->x.meta.b.n };
	if (s->file && buf_add(&s->blocks, &block, sizeof block))
		return err_oom(e);
	if ((rc = put_message(s, false, e)) < 0 || s->collect)
		return rc;
	if (s->spill && s->x.scratch.total > SPILL_SCRATCH)
		arena_free(&s->x.scratch);
	return out_flush(s->out, e);
}

/* A size of rows that does not depend on how they lie in batches: size(a) + size(b) = size(ab). */
static int64_t size(const struct column *c, int64_t from, int64_t n)
{
	int64_t sum = n;

	switch (c->type->layout) {
	case LAY_FIXED:
		return sum + n * c->type->width;
	case LAY_VAR:
		return sum + 4 * n + c->offsets[from + n] - c->offsets[from];
	case LAY_LIST:
		return sum + 4 * n + size(&c->children[0], c->offsets[from], c->offsets[from + n] - c->offsets[from]);
	case LAY_LIST64:
		return sum + 8 * n + size(&c->children[0], c->offsets64[from], c->offsets64[from + n] - c->offsets64[from]);
	case LAY_FIXLIST:
		return sum + size(&c->children[0], from * c->type->list_size, n * c->type->list_size);
	case LAY_STRUCT:
		for (int i = 0; i < c->type->nchildren; i++)
			sum += size(&c->children[i], from, n);
		return sum;
	default:
		return sum;
	}
}

static int64_t batch_size(const struct batch *b, int64_t from, int64_t n)
{
	int64_t sum = 0;

	for (int i = 0; i < b->schema->nfields; i++)
		sum += size(&b->cols[i], from, n);
	return sum;
}

/* How many rows of b from `from` the batch being collected has room for. */
static int64_t fit(const struct arrow_sink *s, const struct batch *b, int64_t from)
{
	int64_t n = s->max_rows - s->rows.n, lo = 0, hi;

	if (n > b->nrows - from)
		n = b->nrows - from;
	if (s->bytes + batch_size(b, from, n) <= MESSAGE_BYTES)
		return n;
	for (hi = n; lo + 1 < hi;) { /* lo rows fit, hi do not */
		int64_t mid = lo + (hi - lo) / 2;

		if (s->bytes + batch_size(b, from, mid) <= MESSAGE_BYTES)
			lo = mid;
		else
			hi = mid;
	}
	return lo || s->rows.n ? lo : 1;
}

static int put_collected(struct arrow_sink *s, struct err *e)
{
	cleanup_batch struct batch *b = NULL;
	int rc;

	if (!s->rows.n)
		return 0;
	if ((rc = rows_take(&s->rows, &b, e)) < 0)
		return rc;
	s->bytes = 0;
	return put_batch(s, b, e);
}

static int put_rows(struct arrow_sink *s, struct batch *b, int64_t from, int64_t n, struct err *e)
{
	cleanup_batch struct batch *part = NULL;
	int rc;

	if (from == 0 && n == b->nrows)
		return put_batch(s, b, e);
	rc = batch_slice(b, from, n, &part, e);
	return rc < 0 ? rc : put_batch(s, part, e);
}

static int arrow_sink_write(struct sink *base, struct batch *b, struct err *e)
{
	struct arrow_sink *s = (struct arrow_sink *)base;
	int64_t from = 0, n;
	int rc = 0;

	if (s->whole)
		return b->nrows ? put_batch(s, b, e) : 0;
	for (; from < b->nrows && rc == 0; from += n) {
		bool full;

		n = fit(s, b, from);
		full = n < b->nrows - from || s->rows.n + n == s->max_rows;
		if (!s->collect || (full && !s->rows.n)) {
			rc = put_rows(s, b, from, n, e);
			continue;
		}
		s->bytes += batch_size(b, from, n);
		if (n && (rc = rows_add(&s->rows, b, from, n, e)) < 0)
			return rc;
		if (full)
			rc = put_collected(s, e);
	}
	return rc;
}

static int put_footer(struct arrow_sink *s, struct err *e)
{
	const struct block *blocks = (const struct block *)(const void *)s->blocks.p;
	int32_t bytes;
	int rc = encode_footer(&s->x, s->schema, blocks, s->blocks.n / sizeof *blocks, e);

	if (rc < 0)
		return rc;
	bytes = (int32_t)s->x.meta.b.n;
	return put(s, (struct iovec[]){ io(s->x.meta.b.p, s->x.meta.b.n), io(&bytes, 4), io(ARROW_MAGIC, 6) }, 3, e);
}

static int arrow_sink_finish(struct sink *base, struct err *e)
{
	struct arrow_sink *s = (struct arrow_sink *)base;
	struct iovec end = io(arrow_zeros, 4);
	int rc;

	if ((s->collect && (rc = put_collected(s, e)) < 0) || (rc = put(s, &end, 1, e)) < 0 ||
	    (s->file && (rc = put_footer(s, e)) < 0))
		return rc;
	return out_commit(s->out, e);
}

/* "name:line:column: field "x": message", all of it printable UTF-8. What failed further up keeps its own place. */
static int describe_error(const struct err *why, struct buf *b)
{
	cleanup_buf struct buf raw = { 0 };
	int rc = 0;

	if (str_starts(str_of(why->msg), STR(UPSTREAM_FAILED)))
		return term_safe(b, str_of(why->msg));
	if (why->input[0])
		rc |= buf_puts(&raw, why->input);
	if (why->line)
		rc |= buf_printf(&raw, ":%lld", (long long)why->line);
	if (why->line && why->column)
		rc |= buf_printf(&raw, ":%lld", (long long)why->column);
	if (why->input[0])
		rc |= buf_puts(&raw, ": ");
	if (why->field[0])
		rc |= buf_printf(&raw, "field \"%s\": ", why->field);
	rc |= buf_puts(&raw, why->msg);
	return rc || term_safe(b, buf_view(&raw)) ? -1 : 0;
}

static void arrow_sink_fail(struct sink *base, const struct err *why)
{
	struct arrow_sink *s = (struct arrow_sink *)base;
	cleanup_buf struct buf text = { 0 };
	struct err ignored;

	if (s->collect && why->status != ST_CLOSED && put_collected(s, &ignored) < 0)
		text.n = 0; /* the rows before the bad one: without them the reason goes nowhere either */
	if (why->status != ST_CLOSED && describe_error(why, &text) == 0 &&
	    encode_poison(&s->x, s->schema, buf_view(&text), s->seq, &ignored) == 0 && put_message(s, true, &ignored) == 0 &&
	    out_flush(s->out, &ignored) < 0)
		s->seq = 0; /* nobody is left to tell */
	out_abort(s->out);
}

static void arrow_sink_close(struct sink *base)
{
	struct arrow_sink *s = (struct arrow_sink *)base;

	rows_free(&s->rows);
	encoder_free(&s->x);
	buf_free(&s->blocks);
	schema_unref(s->schema);
	out_close(s->out);
	free(s);
}

static bool has_union(const struct type *t)
{
	bool any = t->id == T_UNION;

	for (int i = 0; i < t->nchildren && !any; i++)
		any = has_union(&t->children[i].type);
	return any;
}

static int begin(struct arrow_sink *s, struct err *e)
{
	struct iovec head[] = { io(ARROW_MAGIC "\0", s->file ? 8 : 0), io("\xff\xff\xff\xff", 4) };
	int rc;

	for (int i = 0; i < s->schema->nfields; i++)
		s->whole |= has_union(&s->schema->fields[i].type);
	if ((rc = rows_init(&s->rows, s->schema, e)) < 0)
		return rc;
	if ((rc = encode_schema(&s->x, s->schema, s->seq, e)) < 0 || (rc = put(s, head, 2, e)) < 0 ||
	    (rc = put_message(s, false, e)) < 0)
		return rc;
	return s->collect ? 0 : out_flush(s->out, e);
}

#define SPILL_LEVEL (-3) /* LZ4's acceleration: what is read once more is to be written soon */

/* Bodies inside compressed bytes stay plain. */
static void choose_codec(struct arrow_sink *s, const struct write_opts *o)
{
	bool plain = !s->collect || o->packing.codec != CODEC_NONE;
	enum codec c = o->spill ? CODEC_LZ4 : o->bodies ? o->bodies->codec : plain ? CODEC_NONE : CODEC_ZSTD;

	s->x.codec = c == CODEC_ZSTD ? BODY_ZSTD : c == CODEC_LZ4 ? BODY_LZ4 : BODY_PLAIN;
	s->x.level = o->bodies ? o->bodies->level : o->spill ? SPILL_LEVEL : 0;
}

static int sink_new(struct out *out, const struct schema *schema, const struct write_opts *o, bool file, struct sink **ret,
		    struct err *e)
{
	struct arrow_sink *s = calloc(1, sizeof *s);
	int rc;

	if (!s) {
		out_close(out);
		return err_oom(e);
	}
	s->base = (struct sink){ arrow_sink_write, arrow_sink_finish, arrow_sink_fail, arrow_sink_close, NULL };
	s->out = out;
	s->schema = schema_ref(schema);
	s->file = file;
	s->spill = o->spill;
	s->collect = !o->spill && (file || out_is_file(out));
	s->max_rows = s->collect ? BATCH_ROWS : PIPE_ROWS;
	choose_codec(s, o);
	rc = begin(s, e);
	if (rc < 0) {
		arrow_sink_close(&s->base);
		return rc;
	}
	*ret = &s->base;
	return 0;
}

int arrow_write(struct out *out, const struct schema *s, const struct write_opts *o, struct sink **ret, struct err *e)
{
	return sink_new(out, s, o, o->file, ret, e);
}

int arrow_write_file(struct out *out, const struct schema *s, const struct write_opts *o, struct sink **ret, struct err *e)
{
	return sink_new(out, s, o, true, ret, e);
}
