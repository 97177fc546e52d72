/* JSON Lines in: blocks of whole lines, each parsed into a batch.
 *
 * The schema is that of the records that begin within the first `sample` bytes (all of the input if it ends before), however
 * slowly they come; what was sampled is then parsed like the rest. A batch keeps its text, so that the place of any value can
 * be found later. */
#include "lib/format/jsonl.h"
#include "lib/format/records.h"
#include "lib/table/badlog.h"

#include <stdlib.h>

#define SAMPLE_DEFAULT (1 << 20)

struct jsonl_source {
	struct records records;
	struct arena arena; /* what was declared */
	struct declared types;
	struct jsonl_parser parser;
	bool *unwanted;     /* by column */
	struct array array; /* of JSON that is one */
};

/* Reads until the sample is complete; *ret is it. */
static int read_sample(struct jsonl_source *s, int64_t sample, struct str *ret, struct err *e)
{
	size_t want = sample > 0 ? (size_t)sample : SAMPLE_DEFAULT, n = 0;
	int rc = 0;

	while (!(n = lines_reaching(&s->records.lines, want)) && !s->records.lines.end && rc == 0)
		rc = lines_more(&s->records.lines, e);
	if (rc < 0)
		return rc;
	return lines_view(&s->records.lines, n ? n : SIZE_MAX, ret, e);
}

static int fixed_schema(const struct declared *d, struct schema **ret, struct err *e)
{
	struct type json = TYPE_JSON;
	cleanup_schema struct schema *s = schema_new();
	int rc = s ? 0 : err_oom(e);

	for (int i = 0; i < d->n && rc == 0; i++)
		if (schema_find(s, d->v[i].name) < 0)
			rc = schema_add(s, d->v[i].name, declared_find(d, d->v[i].name), true, e);
	if (rc == 0 && schema_find(s, STR(REST_NAME)) < 0)
		rc = schema_add(s, STR(REST_NAME), &json, true, e);
	if (rc == 0) {
		*ret = s;
		s = NULL;
	}
	return rc;
}

static int sampled_schema(struct jsonl_source *s, const struct read_opts *o, const struct declared *d, struct err *e)
{
	struct str text;
	bool complete;
	int rc = read_sample(s, o->sample, &text, e);

	if (rc < 0)
		return rc;
	complete = s->records.lines.end && text.n == lines_pending(&s->records.lines) && !o->more;
	return jsonl_infer(text.p, text.n, complete, d, &s->records.schema, e);
}

static int find_schema(struct jsonl_source *s, const struct read_opts *o, struct err *e)
{
	struct declared all;
	struct read_opts only = { .types = o->types };
	int rc;

	if ((rc = declared_read(o, &s->arena, &all, e)) < 0 || (rc = declared_read(&only, &s->arena, &s->types, e)) < 0)
		return rc;
	if (o->like && !o->schema)
		s->records.schema = schema_ref(o->like);
	else
		rc = o->schema ? fixed_schema(&all, &s->records.schema, e) : sampled_schema(s, o, &all, e);
	if (rc < 0 || (rc = jsonl_parser_init(&s->parser, s->records.schema, &s->types, e)) < 0)
		return rc;
	s->parser.unwanted = s->unwanted = arena_calloc(&s->arena, (size_t)s->records.schema->nfields + 1, sizeof *s->unwanted);
	return s->unwanted ? 0 : err_oom(e);
}

static int parse(struct records *r, const char *text, size_t n, size_t *used, struct err *e)
{
	struct jsonl_parser *x = &((struct jsonl_source *)r)->parser;
	int rc;

	x->record = r->record; /* the crew takes some */
	rc = jsonl_parse(x, text, n, used, e);
	if (rc < 0 && x->too_many)
		bad_log_too_many(r->log, e);
	r->record = x->record;
	r->parsed = x->lines;
	return rc;
}

/* Line ends between tokens, as they stand in columns of JSON text, are blanks; none is in a string. */
static void blank_line_ends(struct rows *rows)
{
	for (int i = 0; i < rows->schema->nfields; i++) {
		struct buf *text = &rows->cols[i].values;
		uint8_t *p = text->p, *end = p + text->n;

		if (rows->schema->fields[i].type.mark != MARK_JSON)
			continue;
		while (p < end && (p = memchr(p, '\r', (size_t)(end - p))))
			*p++ = ' ';
	}
}

/* The same for records of an array. */
static int parse_array(struct records *r, const char *text, size_t n, size_t *used, struct err *e)
{
	struct jsonl_parser *x = &((struct jsonl_source *)r)->parser;
	int rc = parse(r, text, n, used, e);
	int64_t before = r->column;

	blank_line_ends(r->rows);
	json_place(text, text + *used, before, &r->parsed, &r->column);
	if (rc < 0 && e->line) {
		json_place(text, x->at, before, &e->line, &e->column);
		e->line++;
		e->column++;
	}
	return rc;
}

static int bad_one(void *context, struct str record, struct err *e)
{
	return records_bad(context, record, e);
}

static void release(struct records *r)
{
	struct jsonl_source *s = (struct jsonl_source *)r;

	jsonl_parser_free(&s->parser);
	arena_free(&s->arena);
}

static int twin(const struct records *r, struct records *t, struct err *e)
{
	struct jsonl_source *s = (struct jsonl_source *)t;

	const struct jsonl_source *of = (const struct jsonl_source *)r;
	int rc = jsonl_parser_init(&s->parser, t->schema, &of->types, e);

	t->rows = &s->parser.rows;
	s->parser.unwanted = of->unwanted;
	return rc;
}

/* Columns that are more than text are read all the same, for their values may be bad, and _rest, which is of many keys. */
static void want(struct source *source, const bool *cols, const struct line_form *lines)
{
	struct jsonl_source *s = (struct jsonl_source *)source;

	for (int i = 0; i < source->schema->nfields; i++) {
		const struct field *f = &source->schema->fields[i];

		s->unwanted[i] = !cols[i] && !lines && f->type.id == T_UTF8 && i != s->parser.rest.col && !declared_find(&s->types, f->name);
	}
}

static int start(struct jsonl_source *s, const struct read_opts *o, struct err *e)
{
	int rc = find_schema(s, o, e);

	if (rc < 0)
		return rc;
	s->records.rows = &s->parser.rows;
	s->parser.on_bad = o->on_bad;
	s->parser.array = s->records.lines.array;
	s->parser.bad_one = bad_one;
	s->parser.bad_context = &s->records;
	s->records.source.want = want;
	return records_start(&s->records, o, e);
}

/* Lines of an array's records. */
static void read_array(struct jsonl_source *s)
{
	struct lines *l = &s->records.lines;

	s->array = (struct array){ .name = in_name(l->in), .record_max = (int64_t)l->line_max };
	l->line_max = SIZE_MAX;
	l->array = &s->array;
	s->records.parse = parse_array;
	s->records.locate = json_locate;
}

static int open_source(struct in *in, const struct read_opts *o, bool array, struct source **ret, struct err *e)
{
	struct jsonl_source *s = calloc(1, sizeof *s);
	int rc;

	if (!s) {
		in_close(in);
		return err_oom(e);
	}
	s->records.parse = parse;
	s->records.locate = jsonl_locate;
	s->records.release = release;
	s->records.twin = twin;
	s->records.size = sizeof *s;
	records_init(&s->records, in, o);
	if (array)
		read_array(s);
	if ((rc = start(s, o, e)) < 0) {
		records_close(&s->records.source);
		return rc;
	}
	*ret = &s->records.source;
	return 0;
}

int jsonl_read(struct in *in, const struct read_opts *o, struct source **ret, struct err *e)
{
	return open_source(in, o, false, ret, e);
}

int json_read(struct in *in, const struct read_opts *o, struct source **ret, struct err *e)
{
	return open_source(in, o, true, ret, e);
}
