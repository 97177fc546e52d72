/* JSON Lines in: blocks of whole lines, each parsed into a batch.
 *
 * The schema is that of the records that begin within the first `sample` bytes (all of the input if it ends before), however slowly
 * they come; what was sampled is then parsed like the rest. A batch keeps its text, so that the place of any value can be found
 * later. */
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
	struct schema *nothing;      /* of carriers */
	struct batch *carrier;       /* holds the block */
	const char *text;            /* of it, what is not yet parsed */
	size_t left;
	struct out *own_side;        /* --on-bad side=FILE, opened here */
	bool failed;                 /* `error` is to be returned after the rows before it */
	struct err error;
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
	return jsonl_infer(text.p, text.n, s->lines.end && text.n == lines_pending(&s->lines) && !o->more, d, &s->schema, e);
}

static int find_schema(struct jsonl_source *s, const struct read_opts *o, struct err *e)
{
	struct declared all, types;
	struct read_opts only = { .types = o->types };
	int rc;

	if ((rc = declared_read(o, &s->arena, &all, e)) < 0 || (rc = declared_read(&only, &s->arena, &types, e)) < 0)
		return rc;
	if (o->like && !o->schema)
		s->schema = schema_ref(o->like);
	else
		rc = o->schema ? fixed_schema(&all, &s->schema, e) : sampled_schema(s, o, &all, e);
	return rc < 0 ? rc : jsonl_parser_init(&s->parser, s->schema, &types, e);
}

/* The next block, copied into a batch of its own, which the batches made from it keep alive. s->text.n = 0: there is none. */
static int take_block(struct jsonl_source *s, struct err *e)
{
	struct str block;
	char *text;
	int rc = lines_block(&s->lines, &block, e);

	if (rc < 0)
		return rc;
	batch_unref(s->carrier);
	s->carrier = batch_new(s->nothing, 0);
	text = s->carrier ? arena_alloc(&s->carrier->arena, block.n + JSON_PAD) : NULL;
	if (!text)
		return err_oom(e);
	memcpy(text, block.p, block.n);
	memset(text + block.n, 0, JSON_PAD);
	s->text = text;
	s->left = block.n;
	return 0;
}

static int own_columns(struct jsonl_source *s, struct batch *b, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < s->schema->nfields && rc == 0; i++) {
		struct builder *column = &s->parser.rows.cols[i];

		rc = builder_column(column, &b->arena, &b->cols[i], e);
		b->cols[i].type = &b->schema->fields[i].type;
		builder_reset(column);
	}
	b->nrows = s->parser.rows.n;
	s->parser.rows.n = 0;
	return rc;
}

static void note_failure(struct jsonl_source *s)
{
	s->failed = true;
	err_at(&s->error, in_name(s->lines.in), s->lines.line + s->error.line, s->error.column);
	s->error.row = s->parser.record;
}

/* Parses a part of the block into a new batch. Records and lines of a batch are without gaps: a skipped record ends it. */
static int parse_some(struct jsonl_source *s, struct batch **ret, struct err *e)
{
	struct jsonl_parser *x = &s->parser;
	cleanup_batch struct batch *b = batch_new(s->schema, 0);
	int64_t before = x->record;
	size_t used;
	int rc;

	if (!b)
		return err_oom(e);
	if (jsonl_parse(x, s->text, s->left, &used, &s->error) < 0)
		note_failure(s);
	if ((rc = own_columns(s, b, e)) < 0)
		return rc;
	b->origin = (struct origin){ .name = arena_strdup(&b->arena, str_of(in_name(s->lines.in))), .row = before,
		.line = s->lines.line + 1, .text = s->text, .text_size = used, .context = b->schema, .locate = jsonl_locate };
	if (!b->origin.name)
		return err_oom(e);
	batch_keep(b, s->carrier);
	lines_take(&s->lines, used, x->lines);
	s->text += used;
	s->left -= used;
	*ret = b;
	b = NULL;
	return 0;
}

static int close_side(struct jsonl_source *s, struct err *e)
{
	int rc = s->own_side ? out_commit(s->own_side, e) : 0;

	out_close(s->own_side);
	s->own_side = NULL;
	return rc;
}

static int next(struct source *source, struct batch **ret, struct err *e)
{
	struct jsonl_source *s = (struct jsonl_source *)source;
	int rc;

	while (!s->failed) {
		cleanup_batch struct batch *b = NULL;

		if (!s->left && (rc = take_block(s, e)) < 0)
			return rc;
		if (!s->left)
			return close_side(s, e);
		if ((rc = parse_some(s, &b, e)) < 0)
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
	struct jsonl_source *s = (struct jsonl_source *)source;

	jsonl_parser_free(&s->parser);
	out_close(s->own_side);
	batch_unref(s->carrier);
	schema_unref(s->nothing);
	schema_unref(s->schema);
	arena_free(&s->arena);
	lines_free(&s->lines);
	free(s);
}

/* Skipped records go to the side file as they are. */
static int to_side(void *context, struct str record, struct err *e)
{
	int rc = out_write(context, record.p, record.n, e);

	return rc < 0 ? rc : out_write(context, "\n", 1, e);
}

static int open_side(struct jsonl_source *s, const struct read_opts *o, struct err *e)
{
	int rc = 0;

	if (o->side && !o->side_out)
		rc = out_open(&s->own_side, o->side, CODEC_NONE, e);
	s->parser.side_context = o->side_out ? o->side_out : s->own_side;
	if (s->parser.side_context)
		s->parser.side = to_side;
	return rc;
}

static int start(struct jsonl_source *s, const struct read_opts *o, struct err *e)
{
	int rc;

	s->nothing = schema_new();
	if (!s->nothing)
		return err_oom(e);
	if ((rc = find_schema(s, o, e)) < 0)
		return rc;
	s->source.schema = s->schema;
	s->parser.on_bad = o->on_bad;
	return open_side(s, o, e);
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
	if ((rc = start(s, o, e)) < 0) {
		close_source(&s->source);
		return rc;
	}
	*ret = &s->source;
	return 0;
}
