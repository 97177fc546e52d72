/* Records on lines: see records.h. Records and lines of a batch are without gaps: its first row's place and its text give all
 * others. */
#include "lib/format/records.h"

#include "lib/table/badlog.h"

#include <stdlib.h>

int records_block(struct records *r, struct records *t, bool wait, struct err *e)
{
	struct str block;
	char *text;
	int rc = lines_block(&r->lines, wait, &block, e);

	t->left = 0;
	if (rc < 0 || !block.n)
		return rc;
	batch_unref(t->carrier);
	t->carrier = batch_new(r->nothing, 0);
	text = t->carrier ? arena_alloc(&t->carrier->arena, block.n + LINES_PAD) : NULL;
	if (!text)
		return err_oom(e);
	memcpy(text, block.p, block.n);
	memset(text + block.n, 0, LINES_PAD);
	lines_take(&r->lines, block.n);
	t->text = text;
	t->left = block.n;
	return 0;
}

static int own_columns(struct records *r, struct batch *b, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < r->schema->nfields && rc == 0; i++) {
		struct builder *column = &r->rows->cols[i];

		rc = builder_column(column, &b->arena, &b->cols[i], e);
		b->cols[i].type = &b->schema->fields[i].type;
		builder_reset(column);
	}
	b->nrows = r->rows->n;
	r->rows->n = 0;
	return rc;
}

/* The line of the row-th record; lines of blanks are none unless `blank`. */
static struct str find_line(const struct origin *o, int64_t row, bool blank)
{
	const char *p = o->text, *end = p + o->text_size;

	for (row += o->text_row; p < end;) {
		struct str line = { p, (size_t)((const char *)memchr(p, '\n', (size_t)(end - p)) - p) };

		if ((blank || strspn(p, " \t\r") < line.n) && row-- == 0)
			return line;
		p += line.n + 1;
	}
	return (struct str){ NULL, 0 };
}

static struct str raw_line(const struct origin *o, int64_t row)
{
	return find_line(o, row, true);
}

static struct str raw_record(const struct origin *o, int64_t row)
{
	return find_line(o, row, false);
}

static void note_failure(struct records *r)
{
	r->failed = true;
	err_at(&r->error, in_name(r->lines.in), r->lines.line + r->error.line, r->error.column);
	r->error.row = r->record;
}

/* Records and lines of a batch are without gaps: a skipped record ends it. */
int records_parse(struct records *r, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *b = batch_new(r->schema, 0);
	struct records_text *where = b ? arena_new(&b->arena, struct records_text) : NULL;
	int64_t before = r->record;
	size_t used;
	int rc;

	if (!where)
		return err_oom(e);
	*where = (struct records_text){ b->schema, r->lines.line, r->column };
	if (r->parse(r, r->text, r->left, &used, &r->error) < 0) {
		if (r->error.status != ST_DATA) { /* not a matter of the data: the columns may be torn */
			*e = r->error;
			r->torn = true;
			return -e->status;
		}
		note_failure(r);
	}
	if ((rc = own_columns(r, b, e)) < 0)
		return rc;
	b->origin = (struct origin){ .name = arena_strdup(&b->arena, str_of(in_name(r->lines.in))), .row = before,
		.line = r->lines.line + 1, .text = r->text, .text_size = used, .context = where, .locate = r->locate,
		.raw = r->keeps_blank ? raw_line : raw_record, .log = r->log };
	if (!b->origin.name)
		return err_oom(e);
	batch_keep(b, r->carrier);
	r->lines.line += r->parsed;
	r->text += used;
	r->left -= used;
	*ret = b;
	b = NULL;
	return 0;
}

static int next(struct source *source, struct batch **ret, struct err *e)
{
	struct records *r = (struct records *)source;
	int rc;

	while (!r->failed) {
		cleanup_batch struct batch *b = NULL;

		if (!r->left && (rc = r->crew ? records_crew_next(r, e) : records_block(r, r, true, e)) < 0)
			return rc;
		if (!r->left && !r->ready)
			return 0;
		b = r->ready;
		r->ready = NULL;
		if (!b && (rc = records_parse(r, &b, e)) < 0)
			return rc;
		if (b->nrows) {
			*ret = b;
			b = NULL;
			return 0;
		}
	}
	*e = r->error;
	return -e->status;
}

void records_close(struct source *source)
{
	struct records *r = (struct records *)source;

	records_crew_close(r->crew);
	r->release(r);
	bad_log_unref(r->log);
	batch_unref(r->carrier);
	schema_unref(r->nothing);
	schema_unref(r->schema);
	lines_free(&r->lines);
	free(r);
}

int records_bad(struct records *r, struct str record, struct err *e)
{
	return bad_log_read(r->log, record, e);
}

void records_init(struct records *r, struct in *in, const struct read_opts *o)
{
	lines_init(&r->lines, in, o);
	r->source.next = next;
	r->source.close = records_close;
	r->on_bad = o->on_bad;
	r->log = bad_log_ref(o->bad_log);
}

int records_start(struct records *r, const struct read_opts *o, struct err *e)
{
	r->source.schema = r->schema;
	r->nothing = schema_new();
	if (!r->nothing)
		return err_oom(e);
	if (lines_start(&r->lines, e) < 0)
		return -e->status;
	return o->threads > 1 && r->twin ? records_crew_open(r, o->threads, e) : 0;
}
