/* Arrow streams and files as a source.
 *
 * Messages are read one at a time; a batch is loaded and verified whole and handed out at once when its columns are plain,
 * else in as many parts as its expanded rows need. The proper end is the end marker and then the end of input, a further
 * stream of the same schema, or, in the file format, a footer. Anything else is an error that says how much came. */
#include "lib/format/arrow_wire.h"

#include "lib/table/badlog.h"
#include "lib/table/partial.h"

#include <stdlib.h>

#define EXPAND_BYTES ((int64_t)64 << 20) /* copies made for one batch that is handed out */
#define FOOTER_TAIL 10                   /* i32 size, "ARROW1" */

struct arrow_source {
	struct source base;
	struct framing f;
	struct wire_schema ws;
	struct batch *held;    /* the batch being handed out: its body and, when plain, its columns */
	struct wire_col *cols;
	int64_t nrows, from, step;
	int64_t row;           /* rows handed out so far */
	bool no_schema;        /* the file began without one: with what framing_next() gave, `first` */
	int first;
	struct bad_log *log;   /* a reference */
};

static int bad(const struct arrow_source *s, struct err *e, const char *what)
{
	err_set(e, ST_STREAM, "not a valid Arrow stream: %s", what);
	return err_at(e, in_name(s->f.in), 0, 0);
}

static int at_input(const struct arrow_source *s, int rc, struct err *e)
{
	return rc < 0 && !e->input[0] ? err_at(e, in_name(s->f.in), 0, 0) : rc;
}

/* The first message of a stream: its schema into *ws. */
static int read_schema(struct arrow_source *s, struct wire_schema *ws, struct err *e)
{
	cleanup_arena struct arena a = { 0 };
	int rc = framing_body(&s->f, &a, e);

	if (rc < 0)
		return rc;
	return at_input(s, wire_schema_read(&s->f.m.fb, s->f.m.header, ws, e), e);
}

static int load_columns(struct arrow_source *s, struct body *body, int64_t length)
{
	const struct schema *schema = s->base.schema;
	int rc;

	s->cols = arena_array(body->a, struct wire_col, (size_t)schema->nfields);
	if (!s->cols)
		return err_oom(body->e);
	for (int i = 0; i < schema->nfields; i++) {
		body->field = schema->fields[i].name;
		if ((rc = wire_load(body, &s->ws.fields[i], &schema->fields[i].type, s->f.m.version, &s->cols[i])) < 0)
			return rc;
		if (s->cols[i].c.length != length)
			return body_bad(body, "%lld values in a batch of %lld rows", (long long)s->cols[i].c.length,
					(long long)length);
	}
	return body_done(body);
}

/* A batch around a body that has been read into `a`, which it takes. */
static struct batch *hold(const struct schema *schema, struct arena *a)
{
	struct batch *b = batch_new(schema, 0);

	if (!b)
		return NULL;
	arena_free(&b->arena);
	b->arena = *a;
	*a = (struct arena){ 0 };
	b->cols = NULL;
	return b;
}

static int read_batch(struct arrow_source *s, struct err *e)
{
	cleanup_arena struct arena a = { 0 };
	cleanup_batch struct batch *b = NULL;
	struct body body;
	int rc = framing_body(&s->f, &a, e);

	if (rc < 0)
		return rc;
	b = hold(s->base.schema, &a);
	if (!b)
		return err_oom(e);
	if ((rc = body_open(&body, &s->f.m, s->f.m.header, &b->arena, &s->nrows, e)) < 0 ||
	    (rc = load_columns(s, &body, s->nrows)) < 0)
		return at_input(s, rc, e);
	s->f.batches++;
	s->f.rows += s->nrows;
	if (s->nrows) {
		s->from = 0;
		s->step = s->nrows;
		s->held = b;
		b = NULL;
	}
	return 0;
}

/* col replaces the values of d, with the memory that it lies in. */
static void define_dict(struct dict *d, const struct column *col, struct arena *a)
{
	builder_free(&d->all);
	arena_free(&d->arena);
	d->arena = *a;
	*a = (struct arena){ 0 };
	d->col = *col;
	d->defined = true;
	d->grown = false;
}

/* col is appended to the values of d. */
static int grow_dict(struct dict *d, const struct column *col, struct err *e)
{
	int rc;

	if (!d->grown) {
		if ((rc = builder_init(&d->all, &d->values->type, e)) < 0 ||
		    (rc = builder_rows(&d->all, &d->col, 0, d->col.length, e)) < 0)
			return rc;
		d->grown = true;
	}
	if ((rc = builder_rows(&d->all, col, 0, col->length, e)) < 0)
		return rc;
	arena_reset(&d->arena);
	return builder_view(&d->all, &d->arena, &d->col, e);
}

static int load_dict(struct arrow_source *s, const struct dict *d, struct fb_table data, struct arena *a, struct column *ret,
		     struct err *e)
{
	struct body body;
	struct wire_col wc;
	int64_t length, room = VAR_BYTES_MAX;
	int rc;

	if ((rc = body_open(&body, &s->f.m, data, a, &length, e)) < 0 ||
	    (rc = wire_load(&body, d->values, &d->values->type, s->f.m.version, &wc)) < 0 || (rc = body_done(&body)) < 0)
		return rc;
	if (wc.c.length != length)
		return body_bad(&body, "a dictionary of %lld values with %lld rows", (long long)wc.c.length, (long long)length);
	rc = wire_expand(&wc, &d->values->type, 0, length, a, &room, ret, e);
	return rc == EXPAND_ROOM ? err_set(e, ST_DATA, "a dictionary that needs more than 2 GiB") : rc;
}

static int read_dictionary(struct arrow_source *s, struct err *e)
{
	cleanup_arena struct arena a = { 0 };
	struct fb *fb = &s->f.m.fb;
	struct dict *d = s->ws.dicts;
	int64_t id = fb_int(fb, s->f.m.header, 0, 8, 0);
	struct fb_table data = fb_sub(fb, s->f.m.header, 1);
	bool delta = fb_bool(fb, s->f.m.header, 2);
	struct column col;
	int rc = framing_body(&s->f, &a, e);

	if (rc < 0)
		return rc;
	while (d && d->id != id)
		d = d->next;
	if (!d)
		return bad(s, e, "a dictionary that no field uses");
	if ((rc = load_dict(s, d, data, &a, &col, e)) < 0)
		return at_input(s, rc, e);
	if (delta && d->defined)
		return at_input(s, grow_dict(d, &col, e), e);
	define_dict(d, &col, &a);
	return 0;
}

static int set_origin(struct arrow_source *s, struct batch *b, struct err *e)
{
	b->origin.name = arena_strdup(&b->arena, str_of(in_name(s->f.in)));
	b->origin.row = s->row;
	b->origin.log = s->log;
	s->row += b->nrows;
	return b->origin.name ? 0 : err_oom(e);
}

/* All columns are views of the body: the batch that holds it is the result. */
static int emit_plain(struct arrow_source *s, struct batch **ret, struct err *e)
{
	struct batch *b = s->held;

	b->nrows = s->nrows;
	b->cols = arena_array(&b->arena, struct column, (size_t)b->schema->nfields);
	if (!b->cols)
		return err_oom(e);
	for (int i = 0; i < b->schema->nfields; i++)
		b->cols[i] = s->cols[i].c;
	s->held = NULL;
	*ret = b;
	return set_origin(s, b, e);
}

static int expand_rows(struct arrow_source *s, struct batch *b, struct err *e)
{
	int64_t room = b->nrows == 1 ? VAR_BYTES_MAX : EXPAND_BYTES;
	int rc = 0;

	for (int i = 0; i < b->schema->nfields && !rc; i++)
		rc = wire_expand(&s->cols[i], &b->schema->fields[i].type, s->from, b->nrows, &b->arena, &room, &b->cols[i], e);
	return rc;
}

static int emit_part(struct arrow_source *s, struct batch **ret, struct err *e)
{
	int rc = EXPAND_ROOM;

	while (rc == EXPAND_ROOM) {
		cleanup_batch struct batch *b = NULL;

		if (s->step > s->nrows - s->from)
			s->step = s->nrows - s->from;
		b = batch_new(s->base.schema, s->step);
		if (!b)
			return err_oom(e);
		rc = expand_rows(s, b, e);
		if (rc == EXPAND_ROOM && s->step == 1)
			return at_input(s, err_set(e, ST_DATA, "row %lld needs more than 2 GiB", (long long)s->row + 1), e);
		if (rc == EXPAND_ROOM)
			s->step /= 2;
		if (rc)
			continue;
		batch_keep(b, s->held);
		*ret = b;
		b = NULL;
	}
	if (rc < 0)
		return at_input(s, rc, e);
	s->from += s->step;
	if (s->from == s->nrows) {
		batch_unref(s->held);
		s->held = NULL;
	}
	return set_origin(s, *ret, e);
}

static int emit(struct arrow_source *s, struct batch **ret, struct err *e)
{
	int rc = s->ws.plain ? emit_plain(s, ret, e) : emit_part(s, ret, e);

	if (rc < 0 && *ret) {
		batch_unref(*ret);
		*ret = NULL;
	}
	return rc;
}

/* Reads to the end of input; what came last must be the footer's size and the magic. */
static int read_footer(struct arrow_source *s, struct err *e)
{
	uint8_t chunk[4096 + FOOTER_TAIL], *tail = chunk;
	int64_t total = 0;
	ssize_t got = 1, keep = 0;
	int32_t size;

	while (got > 0) {
		got = in_read_full(s->f.in, chunk + keep, 4096, e);
		if (got < 0)
			return (int)got;
		total += got;
		got += keep;
		keep = got < FOOTER_TAIL ? got : FOOTER_TAIL;
		memmove(chunk, chunk + got - keep, (size_t)keep);
		got -= keep;
	}
	if (total < FOOTER_TAIL || memcmp(tail + 4, ARROW_MAGIC, 6) != 0)
		return framing_truncated(&s->f, "inside the file's footer", e);
	memcpy(&size, tail, 4);
	return size > 0 && size == total - FOOTER_TAIL ? 0 : bad(s, e, "the footer of the file is damaged");
}

static int wrong_sequel(const struct arrow_source *s, struct err *e)
{
	char msg[sizeof e->msg];

	memcpy(msg, e->msg, sizeof msg);
	err_set(e, (enum status)e->status, "after the end marker: %.900s", msg);
	return err_at(e, in_name(s->f.in), 0, 0);
}

/* Behind an end marker: 1 when a further stream of the same schema has begun, 0 at the end. */
static int further_stream(struct arrow_source *s, struct err *e)
{
	struct wire_schema ws;
	int rc;

	framing_reset(&s->f);
	rc = framing_next(&s->f, e);
	if (rc == NEXT_EOF)
		return 0;
	if (rc == NEXT_END)
		return bad(s, e, "a second end marker");
	if (rc < 0 || (rc = read_schema(s, &ws, e)) < 0)
		return e->status == ST_STREAM ? wrong_sequel(s, e) : rc;
	if (!schema_equal(ws.held, s->base.schema)) {
		wire_schema_free(&ws);
		return bad(s, e, "behind its end marker follows one with other columns");
	}
	if ((rc = partial_follows(s->base.schema, ws.held, e)) < 0) {
		wire_schema_free(&ws);
		return rc;
	}
	wire_schema_free(&s->ws);
	s->ws = ws;
	return 1;
}

/* 1: a message has been dealt with; 0: the end. */
static int step(struct arrow_source *s, struct err *e)
{
	int rc = s->no_schema ? s->first : framing_next(&s->f, e);

	s->no_schema = false;
	if (rc == NEXT_MESSAGE)
		rc = s->f.m.kind == KIND_BATCH ? read_batch(s, e) : read_dictionary(s, e);
	else if (rc > 0)
		return s->f.file ? read_footer(s, e) : further_stream(s, e);
	return rc < 0 ? rc : 1;
}

static int arrow_next(struct source *base, struct batch **ret, struct err *e)
{
	struct arrow_source *s = (struct arrow_source *)base;
	int rc = 1;

	*ret = NULL;
	while (!s->held && rc == 1)
		rc = step(s, e);
	return s->held && rc >= 0 ? emit(s, ret, e) : rc;
}

static void arrow_close(struct source *base)
{
	struct arrow_source *s = (struct arrow_source *)base;

	batch_unref(s->held);
	wire_schema_free(&s->ws);
	schema_unref(s->base.schema);
	in_close(s->f.in);
	framing_free(&s->f);
	bad_log_unref(s->log);
	free(s);
}

/* The magic of the file format, when it is there, is taken. */
static int skip_magic(struct arrow_source *s, struct err *e)
{
	uint8_t magic[8];
	struct str head;
	ssize_t got;
	int rc = in_peek(s->f.in, sizeof magic, &head, e);

	if (rc < 0)
		return rc;
	s->f.file = str_starts(head, STR(ARROW_MAGIC));
	if (!s->f.file)
		return 0;
	got = in_read_full(s->f.in, magic, sizeof magic, e);
	if (got < 0)
		return (int)got;
	return got == sizeof magic ? 0 : framing_truncated(&s->f, "inside the magic of the file", e);
}

/* Some writers (JavaScript's) leave the schema out at the beginning of a file: it stands in the footer as well, which is at
 * hand in a plain file only. Footer: slot 1 is the schema. */
static int schema_of_footer(struct arrow_source *s, struct err *e)
{
	cleanup_buf struct buf tail = { 0 };
	struct fb fb;
	uint32_t size;
	int rc = in_tail(s->f.in, FOOTER_TAIL, &tail, e);

	if (rc < 0)
		return rc;
	if (tail.n < FOOTER_TAIL)
		return bad(s, e, "a file with its schema only in its footer must be a plain file, no pipe, and not compressed");
	if (memcmp(tail.p + 4, ARROW_MAGIC, 6) != 0)
		return framing_truncated(&s->f, "before its schema, which is in the footer", e);
	memcpy(&size, tail.p, 4);
	if (size > ARROW_METADATA_MAX)
		return bad(s, e, "the footer of the file is damaged");
	if ((rc = in_tail(s->f.in, size + FOOTER_TAIL, &tail, e)) < 0)
		return rc;
	fb_open(&fb, tail.p, tail.n - FOOTER_TAIL);
	return at_input(s, wire_schema_read(&fb, fb_sub(&fb, fb_root(&fb), 1), &s->ws, e), e);
}

static int begin(struct arrow_source *s, struct err *e)
{
	int rc;

	if ((rc = skip_magic(s, e)) < 0 || (rc = framing_next(&s->f, e)) < 0)
		return rc;
	if (rc == NEXT_EOF)
		return framing_truncated(&s->f, "before its schema", e);
	if (rc == NEXT_END && !s->f.file)
		return bad(s, e, "an end marker and no schema");
	s->first = rc;
	s->no_schema = s->f.file && (rc == NEXT_END || s->f.m.kind != KIND_SCHEMA);
	s->f.started = s->no_schema;
	if ((rc = s->no_schema ? schema_of_footer(s, e) : read_schema(s, &s->ws, e)) < 0)
		return rc;
	s->base.schema = schema_ref(s->ws.held);
	return 0;
}

static int arrow_read(struct in *in, const struct read_opts *o, struct source **ret, struct err *e)
{
	struct arrow_source *s = calloc(1, sizeof *s);
	int rc;

	if (!s) {
		in_close(in);
		return err_oom(e);
	}
	s->base = (struct source){ .next = arrow_next, .close = arrow_close };
	s->f.in = in;
	s->f.accept_unterminated = o->accept_unterminated;
	s->log = bad_log_ref(o->bad_log);
	rc = begin(s, e);
	if (rc < 0) {
		arrow_close(&s->base);
		return rc;
	}
	*ret = &s->base;
	return 0;
}

static bool is_stream(struct str head)
{
	uint32_t marker, size;

	if (head.n < 8)
		return head.n >= 4 && memcmp(head.p, "\xff\xff\xff\xff", 4) == 0;
	memcpy(&marker, head.p, 4);
	memcpy(&size, head.p + 4, 4);
	return marker == ARROW_MARKER && size <= ARROW_METADATA_MAX;
}

static bool is_file(struct str head)
{
	return str_starts(head, STR(ARROW_MAGIC));
}

const struct format format_arrow = {
	.name = "arrow",
	.suffixes = ".arrows",
	.help = "Apache Arrow IPC stream: typed, checksummed, ends with a marker",
	.magic = is_stream,
	.read = arrow_read,
	.write = arrow_write,
};

const struct format format_arrow_file = {
	.name = "arrow-file",
	.suffixes = ".arrow .feather",
	.help = "Apache Arrow IPC file (also called Feather V2)",
	.magic = is_file,
	.read = arrow_read,
	.write = arrow_write_file,
};
