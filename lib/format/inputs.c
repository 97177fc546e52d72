/* Several inputs as one source. Each is opened when its turn comes; columns are matched by name with those of the first. */
#include "lib/format/format.h"

#include "lib/io/meter.h"
#include "lib/io/name.h"
#include "lib/io/path.h"
#include "lib/table/partial.h"

#include <stdlib.h>

struct inputs {
	struct source source;
	int n, next;
	char **names;
	struct arena arena; /* owns them */
	struct buf first, now_name; /* as messages may have them: the first, and the one being read; NUL terminated */
	struct read_opts opts;
	struct source *now;
	struct batch *held; /* the first batch, looked at already */
	bool *wanted;    /* of our columns; NULL: all */
	struct line_form *lines; /* that are wanted; NULL: none */
	int *map;        /* column i of ours is column map[i] of theirs, -1: they have no _rest */
	bool same_order;
};

static int differ(const struct inputs *in, const char *what, struct str name, struct err *e)
{
	err_set(e, ST_DATA, "%s \"%.*s\", unlike the first input \"%s\"", what, STR_ARG(name), (char *)in->first.p);
	err_at(e, (char *)in->now_name.p, 0, 0);
	return err_hint(e, "give it the same columns first: stook map 'keep ...'");
}

static int match_columns(struct inputs *in, struct err *e)
{
	const struct schema *ours = in->source.schema, *theirs = in->now->schema;

	in->same_order = true;
	for (int i = 0; i < theirs->nfields; i++)
		if (schema_find_near(ours, theirs->fields[i].name, i) < 0)
			return differ(in, "has a column", theirs->fields[i].name, e);
	for (int i = 0; i < ours->nfields; i++) {
		int at = schema_find_near(theirs, ours->fields[i].name, i);

		if (at < 0 && i != rest_column(ours))
			return differ(in, "has no column", ours->fields[i].name, e);
		if (at >= 0 && !type_equal(&theirs->fields[at].type, &ours->fields[i].type)) {
			char a[64], b[64];

			err_set(e, ST_DATA, "%s here, but %s in the first input \"%s\"", type_name(&theirs->fields[at].type, a, sizeof a),
				type_name(&ours->fields[i].type, b, sizeof b), (char *)in->first.p);
			err_at(e, (char *)in->now_name.p, 0, 0);
			return err_field(e, ours->fields[i].name.p, (int)ours->fields[i].name.n);
		}
		in->map[i] = at;
		in->same_order &= at == i;
	}
	return 0;
}

static int set_name(struct inputs *in, struct err *e)
{
	struct buf *b = in->next ? &in->now_name : &in->first;

	b->n = 0;
	return name_show(b, in->names[in->next]) || buf_byte(b, '\0') ? err_oom(e) : 0;
}

/* What is wanted of ours is wanted of theirs; but lines of another order are of no use, and all columns are needed. */
static int pass_wants(struct inputs *in, struct err *e)
{
	int n = in->now->schema->nfields;
	bool *theirs;

	if (!in->wanted || (in->lines && !in->same_order))
		return 0;
	if (!(theirs = calloc((size_t)n + 1, sizeof *theirs)))
		return err_oom(e);
	for (int i = 0; i < in->source.schema->nfields; i++)
		if (in->map[i] >= 0)
			theirs[in->map[i]] = in->wanted[i];
	source_want_lines(in->now, theirs, in->lines);
	free(theirs);
	return 0;
}

static int open_next(struct inputs *in, struct err *e)
{
	int rc = set_name(in, e);

	if (rc < 0)
		return rc;
	in->opts.like = in->source.schema;
	in->opts.more = in->next == 0;
	in->opts.note = in->next == 0 ? in->opts.note : NULL; /* said once */
	rc = input_open(in->names[in->next], &in->opts, &in->now, e);
	if (rc < 0)
		return rc;
	in->next++;
	if (in->next == 1)
		return 0;
	if ((rc = partial_follows(in->source.schema, in->now->schema, e)) < 0) {
		err_at(e, (char *)in->now_name.p, 0, 0);
		return rc;
	}
	rc = match_columns(in, e);
	return rc < 0 ? rc : pass_wants(in, e);
}

/* A json column of nulls only. */
static int null_column(struct batch *b, struct column *c, struct err *e)
{
	int32_t *offsets = arena_array(&b->arena, int32_t, (size_t)b->nrows + 1);

	c->valid = arena_calloc(&b->arena, bits_bytes(b->nrows), 1);
	if (!offsets || !c->valid)
		return err_oom(e);
	c->offsets = offsets;
	c->values = (const uint8_t *)"";
	c->null_count = b->nrows;
	return 0;
}

/* Their batch under our schema, columns in our order. */
static int adopt(struct inputs *in, struct batch *theirs, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *b = batch_new(in->source.schema, theirs->nrows);
	int rc = b ? 0 : err_oom(e);

	for (int i = 0; rc == 0 && i < b->schema->nfields; i++) {
		if (in->map[i] < 0)
			rc = null_column(b, &b->cols[i], e);
		else
			b->cols[i] = theirs->cols[in->map[i]];
		b->cols[i].type = &b->schema->fields[i].type;
	}
	if (rc < 0)
		return rc;
	b->lines = theirs->lines;
	if (in->same_order)
		b->origin = theirs->origin;
	else
		b->origin = (struct origin){ .name = theirs->origin.name, .row = theirs->origin.row, .line = theirs->origin.line,
			.text = theirs->origin.text, .text_size = theirs->origin.text_size, .text_row = theirs->origin.text_row,
			.context = theirs->origin.context, .raw = theirs->origin.raw, .log = theirs->origin.log };
	batch_keep(b, theirs);
	*ret = b;
	b = NULL;
	return 0;
}

static int next(struct source *s, struct batch **ret, struct err *e)
{
	struct inputs *in = (struct inputs *)s;
	int rc;

	*ret = in->held;
	in->held = NULL;
	while (!*ret) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(in->now, &b, e)) < 0)
			return rc;
		if (b && in->next == 1 && b->schema != s->schema)
			return batch_rebind(b, s->schema, ret, e);
		if (b && in->next == 1) {
			*ret = b;
			b = NULL;
			return 0;
		}
		if (b)
			return adopt(in, b, ret, e);
		if (in->next == in->n)
			return 0;
		source_close(in->now);
		in->now = NULL;
		if ((rc = open_next(in, e)) < 0)
			return rc;
	}
	return 0;
}

static void close_inputs(struct source *s)
{
	struct inputs *in = (struct inputs *)s;

	source_close(in->now);
	batch_unref(in->held);
	schema_unref(s->schema);
	free(in->map);
	buf_free(&in->first);
	buf_free(&in->now_name);
	arena_free(&in->arena);
	free(in);
}

static void want(struct source *s, const bool *cols, const struct line_form *lines)
{
	struct inputs *in = (struct inputs *)s;
	bool *copy = arena_dup(&in->arena, cols, (size_t)s->schema->nfields * sizeof *cols);

	in->lines = lines ? arena_dup(&in->arena, lines, sizeof *lines) : NULL;
	if (!copy || (lines && !in->lines))
		return; /* all columns do as well */
	in->wanted = copy;
	source_want_lines(in->now, cols, lines);
}

/* The first adds its own size when it is opened. */
static void expect_others(const struct inputs *in)
{
	for (int i = 1; i < in->n; i++) {
		int64_t size = path_size(in->names[i]);

		meter_add(size < 0 ? &meter.unknown : &meter.expected, size < 0 ? 1 : size);
	}
}

/* Opens the first input that says something: JSON Lines without a record have no columns that the others could have. */
static int open_first(struct inputs *in, struct err *e)
{
	int rc = open_next(in, e);

	while (rc == 0 && in->n > 1 && in->now->schema->nfields == 1 && rest_column(in->now->schema) == 0) {
		if ((rc = source_next(in->now, &in->held, e)) < 0 || in->held)
			break;
		source_close(in->now);
		in->now = NULL;
		in->names++;
		in->n--;
		in->next = 0;
		rc = open_next(in, e);
	}
	return rc;
}

/* Each of several inputs may be in order: one after another they need not be. */
static int common_schema(const struct schema *first, bool several, const struct schema **ret, struct err *e)
{
	struct schema *s;
	int rc;

	if (!several || !kvs_get(&first->meta, STR("stook.sorted"))) {
		*ret = schema_ref(first);
		return 0;
	}
	if ((rc = schema_copy(first, &s, e)) < 0)
		return rc;
	schema_drop_meta(s, STR("stook.sorted"));
	*ret = s;
	return 0;
}

/* Starts with the first of several inputs. */
static int begin(struct inputs *in, const struct read_opts *o, struct err *e)
{
	int rc;

	in->opts = *o;
	expect_others(in);
	in->source.next = next;
	in->source.close = close_inputs;
	in->source.want = want;
	if ((rc = open_first(in, e)) < 0)
		return rc;
	if ((rc = common_schema(in->now->schema, in->n > 1, &in->source.schema, e)) < 0)
		return rc;
	in->map = calloc((size_t)in->source.schema->nfields + 1, sizeof *in->map);
	return in->map ? 0 : err_oom(e);
}

int inputs_open(int n, char *const *names, const struct read_opts *o, struct source **ret, struct err *e)
{
	struct inputs *in = calloc(1, sizeof *in);
	int rc;

	if (!in)
		return err_oom(e);
	if ((rc = path_expand(n, names, &in->arena, &in->names, &in->n, e)) == 0) {
		if (in->n > 1 && (rc = begin(in, o, e)) == 0) {
			*ret = &in->source;
			return 0;
		}
		if (in->n <= 1)
			rc = input_open(in->n ? in->names[0] : "-", o, ret, e);
	}
	close_inputs(&in->source);
	return rc;
}
