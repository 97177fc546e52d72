/* JSON Lines in: blocks of whole lines, each parsed into a batch.
 *
 * The schema is that of the records that begin within the first `sample` bytes (all of the input if it ends before), however slowly
 * they come; what was sampled is then parsed like the rest. A batch carries a copy of its text, so that the place of any value can
 * be found later. */
#include "lib/format/jsonl.h"
#include "lib/format/lines.h"

#include <stdlib.h>

#define SAMPLE_DEFAULT (1 << 20)

struct jsonl_source {
	struct source source;
	struct lines lines;
	struct arena arena;          /* what was declared */
	struct schema *schema;
	struct jsonl_parser parser;
	bool failed;                 /* `error` is to be returned after the rows before it */
	struct err error;
	int64_t row;                 /* rows parsed */
};

/* Reads until the sample is complete; *ret is it. */
static int read_sample(struct jsonl_source *s, int64_t sample, struct str *ret, struct err *e)
{
	size_t want = sample > 0 ? (size_t)sample : SAMPLE_DEFAULT, n = 0;
	int rc = 0;

	while (!(n = lines_reaching(&s->lines, want)) && !s->lines.end && rc == 0)
		rc = lines_more(&s->lines, e);
	if (rc < 0)
		return rc;
	return lines_view(&s->lines, n ? n : SIZE_MAX, ret, e);
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
	int rc = read_sample(s, o->sample, &text, e);

	if (rc < 0)
		return rc;
	return jsonl_infer(text.p, text.n, s->lines.end && text.n == lines_pending(&s->lines), d, &s->schema, e);
}

static int find_schema(struct jsonl_source *s, const struct read_opts *o, struct err *e)
{
	struct declared all, types;
	struct read_opts only = { .types = o->types };
	int rc;

	if ((rc = declared_read(o, &s->arena, &all, e)) < 0 || (rc = declared_read(&only, &s->arena, &types, e)) < 0)
		return rc;
	rc = o->schema ? fixed_schema(&all, &s->schema, e) : sampled_schema(s, o, &all, e);
	return rc < 0 ? rc : jsonl_parser_init(&s->parser, s->schema, &types, e);
}

/* Parses a block, copied into the arena of a new batch. Not all of it may be used. */
static int parse_block(struct jsonl_source *s, struct str block, struct batch **ret, struct err *e)
{
	struct jsonl_parser *x = &s->parser;
	struct batch *b = batch_new(s->schema, 0);
	char *text = b ? arena_alloc(&b->arena, block.n + JSON_PAD) : NULL;
	size_t used;
	int rc = 0, parsed;

	if (!text) {
		batch_unref(b);
		return err_oom(e);
	}
	memcpy(text, block.p, block.n);
	memset(text + block.n, 0, JSON_PAD);
	parsed = jsonl_parse(x, text, block.n, &used, &s->error);
	b->nrows = x->rows.n;
	b->origin = (struct origin){ .name = arena_strdup(&b->arena, str_of(in_name(s->lines.in))), .row = s->row, .line = s->lines.line + 1,
		.text = text, .text_size = used, .context = b->schema, .locate = jsonl_locate };
	for (int i = 0; i < s->schema->nfields && rc == 0; i++) {
		rc = builder_column(&x->rows.cols[i], &b->arena, &b->cols[i], e);
		b->cols[i].type = &b->schema->fields[i].type;
		builder_reset(&x->rows.cols[i]);
	}
	if (parsed < 0) {
		s->failed = true;
		err_at(&s->error, in_name(s->lines.in), s->lines.line + s->error.line, s->error.column);
		s->error.row = s->row + b->nrows + 1;
	}
	s->row += b->nrows;
	lines_take(&s->lines, used, x->lines);
	x->rows.n = 0;
	if (rc < 0)
		batch_unref(b);
	else
		*ret = b;
	return rc;
}

static int next(struct source *source, struct batch **ret, struct err *e)
{
	struct jsonl_source *s = (struct jsonl_source *)source;
	struct str block;
	int rc;

	while (!s->failed) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = lines_block(&s->lines, &block, e)) < 0)
			return rc;
		if (block.n == 0)
			return 0;
		if ((rc = parse_block(s, block, &b, e)) < 0)
			return rc;
		if (b && b->nrows) {
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
	struct jsonl_source *s = (struct jsonl_source *)source;

	jsonl_parser_free(&s->parser);
	schema_unref(s->schema);
	arena_free(&s->arena);
	lines_free(&s->lines);
	free(s);
}

int jsonl_read(struct in *in, const struct read_opts *o, struct source **ret, struct err *e)
{
	struct jsonl_source *s = calloc(1, sizeof *s);
	int rc;

	if (!s) {
		in_close(in);
		return err_oom(e);
	}
	s->source.next = next;
	s->source.close = close_source;
	lines_init(&s->lines, in, o);
	if ((rc = find_schema(s, o, e)) < 0) {
		close_source(&s->source);
		return rc;
	}
	s->parser.on_bad = o->on_bad;
	s->source.schema = s->schema;
	*ret = &s->source;
	return 0;
}
