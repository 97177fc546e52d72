/* A join whose result goes out as lines of text: a row of the left is moved as its line, one of the right as its tail, the line without
 * the fields of the key, and a joined row is the one behind the other. No value but those of the keys is looked at.
 * Invariant: a tail ends as a line does; the line of a left row without a tail is a joined row, if the right has no fields. */
#include "lib/base/copy.h"
#include "lib/op/joinwork.h"

#define AHEAD 24 /* rows whose memory is asked for in advance */

bool join_lines_apply(const struct join *j, const struct line_form *form)
{
	enum join_kind k = j->opts.kind;

	return form->any_start && !j->opts.expect && !j->opts.asof &&
	       (k == JOIN_INNER || k == JOIN_LEFT || k == JOIN_SEMI || k == JOIN_ANTI);
}

/* Asking for them. */

static int ask(struct join *j, enum join_side side, struct source *from, const struct line_form *form, struct err *e)
{
	bool *cols = arena_calloc(&j->arena, (size_t)from->schema->nfields + 1, sizeof *cols);

	if (!cols)
		return err_oom(e);
	for (int i = 0; i < j->key[side].n; i++)
		cols[j->key[side].parts[i].col] = true;
	if (form)
		source_want_lines(from, cols, form);
	else
		source_want(from, cols);
	return 0;
}

static int make_null_tail(struct join *j, struct err *e)
{
	size_t n = (size_t)(j->nright ? j->nright - 1 : 0);
	char *p = arena_alloc(&j->arena, n + 2 + LINE_SLACK);

	if (!p)
		return err_oom(e);
	memset(p, j->lines.delimiter, n);
	memcpy(p + n, j->lines.end == LINE_LF ? "\n" : j->lines.end == LINE_CR ? "\r" : "\r\n", 2);
	j->null_tail = (struct str){ p, n + line_end_size(&j->lines) };
	return 0;
}

static int line_schemas(struct join *j, struct err *e)
{
	int rc = rows_line_schema(&j->line, e);

	if (rc == 0 && j->nright) {
		j->cells = j->payload;
		j->payload = schema_ref(j->line);
	}
	return rc;
}

int join_ask_for_lines(struct join *j, struct source *left, struct source *right, const struct line_form *form, struct err *e)
{
	struct line_form behind; /* what begins a line on the right stands behind a delimiter in the result */
	int rc;

	j->lines = *form;
	j->lines.own_ends = false;
	behind = j->lines;
	behind.comment = -1;
	if ((rc = make_null_tail(j, e)) < 0 || (rc = line_schemas(j, e)) < 0 || (rc = ask(j, LEFT, left, &j->lines, e)) < 0)
		return rc;
	return ask(j, RIGHT, right, j->nright ? &behind : NULL, e);
}

/* What is moved. */

/* Where the field that begins at p ends; `end`: of the line's last one. */
static const uint8_t *field_end(const struct line_form *f, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *delimiter;

	if (p < end && *p == f->quote)
		for (p++; p < end && (*p != f->quote || (p + 1 < end && p[1] == f->quote)); p++)
			p += *p == f->quote;
	delimiter = p < end ? memchr(p, f->delimiter, (size_t)(end - p)) : NULL;
	return delimiter ? delimiter : end;
}

struct cutter {
	const struct line_form *form;
	const bool *cut; /* the fields that are left out, */
	int last;        /* and the last of them */
};

/* The line [p, end) without them. */
static uint8_t *put_tail(const struct cutter *c, uint8_t *to, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *text_end = end - line_end_size(c->form), *start = to;

	for (int i = 0; i <= c->last; i++) {
		const uint8_t *q = field_end(c->form, p, text_end);

		if (!c->cut[i])
			to = copy_long(to, p, (size_t)(q - p) + 1);
		p = q + 1;
	}
	if (p <= text_end)
		return copy_long(to, p, (size_t)(end - p));
	return copy_long(to - (to > start), text_end, (size_t)(end - text_end)); /* a delimiter stands before what would follow */
}

static int cut_tails(const struct join *j, const struct text_lines *from, int64_t n, struct arena *a, struct text_lines *ret, struct err *e)
{
	const struct key *k = &j->key[RIGHT];
	struct cutter c = { .form = &j->lines, .last = -1 };
	uint8_t *text = arena_alloc(a, from->at[n] - from->at[0] + LINE_SLACK), *to = text;
	uint32_t *at = arena_alloc(a, (size_t)(n + 1) * sizeof *at);
	bool *cut;

	for (int i = 0; i < k->n && !j->opts.any; i++)
		c.last = k->parts[i].col > c.last ? k->parts[i].col : c.last;
	cut = arena_calloc(a, (size_t)c.last + 2, sizeof *cut);
	if (!text || !at || !cut)
		return err_oom(e);
	for (int i = 0; i < k->n && !j->opts.any; i++)
		cut[k->parts[i].col] = true;
	c.cut = cut;
	at[0] = 0;
	for (int64_t i = 0; i < n; i++) {
		to = put_tail(&c, to, from->text + from->at[i], from->text + from->at[i + 1]);
		at[i + 1] = (uint32_t)(to - text);
	}
	*ret = (struct text_lines){ text, at };
	return 0;
}

static int print(const struct join *j, enum join_side side, const struct batch *b, struct arena *a, struct text_lines *ret, struct err *e)
{
	struct line_form form = j->lines;

	if (side == RIGHT)
		form.comment = -1;
	return form.print(&form, b, a, ret, e);
}

int join_feed_lines(struct feed *f, struct err *e)
{
	const struct join *j = f->j;
	cleanup_batch struct batch *b = NULL;
	struct text_lines lines = f->batch->lines;
	int rc = 0;

	if (!j->lines.print || f->tagged || (f->side == RIGHT && !j->nright) || f->batch->schema == j->line)
		return 0;
	if (!(b = batch_new(j->line, f->batch->nrows)))
		return err_oom(e);
	if (!lines.at)
		rc = print(j, f->side, f->batch, &b->arena, &lines, e);
	else if (f->side == RIGHT)
		rc = cut_tails(j, &f->batch->lines, b->nrows, &b->arena, &lines, e);
	if (rc < 0)
		return rc;
	b->cols[0] = join_line_column(j, &lines, b->nrows);
	b->origin.name = f->batch->origin.name;
	batch_keep(b, f->batch);
	batch_unref(f->batch);
	f->batch = b;
	b = NULL;
	return 0;
}

/* Joined lines. */

struct joined {
	const struct join *j;
	const struct build *build;
	const uint32_t *idx, *hits;
	int64_t n;
	struct text_lines left; /* of row idx[i] if there are idx, else of row i */
};

static inline struct str left_line(const struct joined *o, int64_t i)
{
	uint32_t row = o->idx ? o->idx[i] : (uint32_t)i;

	return (struct str){ (const char *)o->left.text + o->left.at[row], o->left.at[row + 1] - o->left.at[row] };
}

static inline struct str tail(const struct joined *o, int64_t i)
{
	return o->hits[i] == NO_MATCH ? o->j->null_tail : row_text(build_row(o->build, o->hits[i]));
}

/* Bytes of the lines, of so many of them as are at most `most` together; at least `least` lines. */
static size_t measure(struct joined *o, int64_t least, size_t most)
{
	size_t sum = 0;

	for (int64_t i = 0; i < o->n; i++) {
		size_t n;

		if (o->j->nright && i + AHEAD < o->n && o->hits[i + AHEAD] != NO_MATCH)
			__builtin_prefetch(build_row(o->build, o->hits[i + AHEAD]));
		n = left_line(o, i).n + (o->j->nright ? tail(o, i).n : 0);
		if (sum + n > most && i >= least)
			o->n = i;
		else
			sum += n;
	}
	return sum;
}

static void put_lines(const struct joined *o, struct line_batch *ret)
{
	size_t end = line_end_size(&o->j->lines);
	uint8_t *to = ret->text + ret->bytes;

	for (int64_t i = 0; i < o->n; i++) {
		struct str s = left_line(o, i);

		to = copy_long(to, s.p, s.n);
		if (o->j->nright) {
			to -= end;
			*to++ = o->j->lines.delimiter;
			s = tail(o, i);
			to = copy_long(to, s.p, s.n);
		}
		ret->at[++ret->n] = (uint32_t)(to - ret->text);
	}
	ret->bytes = (size_t)(to - ret->text);
}

/* The left's lines; those of the rows at hand alone where they must be printed. */
static int find_left(struct joined *o, struct batch *left, struct arena *a, struct err *e)
{
	cleanup_batch struct batch *some = NULL;
	int rc;

	o->left = left->lines;
	if (o->left.at)
		return 0;
	rc = join_rows(left, o->idx, o->n, &some, e);
	o->idx = NULL;
	return rc < 0 ? rc : print(o->j, LEFT, some, a, &o->left, e);
}

int join_add_lines(const struct join *j, const struct build *build, struct batch *left, const uint32_t *idx, const uint32_t *hits, int64_t n,
		   size_t most, struct line_batch *ret, struct err *e)
{
	cleanup_arena struct arena scratch = { 0 };
	struct joined o = { .j = j, .build = build, .idx = idx, .hits = hits, .n = n };
	int rc = find_left(&o, left, &scratch, e);
	size_t bytes;

	if (rc < 0)
		return rc;
	bytes = measure(&o, ret->n == 0, most > ret->bytes ? most - ret->bytes : 0);
	if ((rc = line_batch_room(ret, o.n, bytes, e)) < 0)
		return rc;
	put_lines(&o, ret);
	return 0;
}
