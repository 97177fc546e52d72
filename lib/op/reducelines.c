/* Groups as lines of text, for a sink that takes such: the key of a group is the line of its key columns alone, as the sink would have
 * it, and goes out as it is, the results behind it. So key columns are never made again.
 * Invariant: these lines are equal where the columns are, null to null, for one can be read back from the other. */
#include "lib/base/copy.h"
#include "lib/op/reducework.h"

void reduce_want(struct source *s, const bool *cols, const struct line_form *form)
{
	struct reducer *r = (struct reducer *)s;
	bool some = !form || !form->any_start || !r->encoded || r->o.partial || r->o.sorted;

	for (int i = 0; i < s->schema->nfields; i++)
		some |= cols[i];
	if (some)
		return;
	r->form = *form;
	r->form.own_ends = false;
}

int reduce_line_keys(const struct reducer *r, const struct batch *b, struct arena *a, struct keys *ret, struct err *e)
{
	const struct key *k = &r->grouper.key;
	struct batch keys = { .schema = r->grouper.fields, .nrows = b->nrows, .cols = arena_array(a, struct column, (size_t)k->n) };
	struct text_lines lines;
	int rc;

	if (!keys.cols)
		return err_oom(e);
	for (int i = 0; i < k->n; i++)
		keys.cols[i] = b->cols[k->parts[i].col];
	if ((rc = r->form.print(&r->form, &keys, a, &lines, e)) < 0)
		return rc;
	*ret = (struct keys){ .n = b->nrows, .bytes = lines.text, .offsets = lines.at };
	return 0;
}

/* The line of each key with the one that is its result behind it. `rest` has no lines if there are no results. */
static void put_lines(const struct line_form *f, const struct str *keys, int64_t n, const struct text_lines *rest, uint8_t *text, uint32_t *at)
{
	size_t end = line_end_size(f);
	uint8_t *to = text;

	at[0] = 0;
	for (int64_t i = 0; i < n; i++) {
		to = copy_long(to, keys[i].p, keys[i].n);
		if (rest->at) {
			to -= end;
			*to++ = f->delimiter;
			to = copy_long(to, rest->text + rest->at[i], rest->at[i + 1] - rest->at[i]);
		}
		at[i + 1] = (uint32_t)(to - text);
	}
}

/* COPY_SLACK bytes behind each key may be read. */
static int compose(const struct reducer *r, const struct str *keys, const struct batch *results, struct batch **ret, struct err *e)
{
	int64_t n = results->nrows;
	cleanup_batch struct batch *b = batch_new(r->schema, n);
	cleanup_arena struct arena scratch = { 0 };
	struct line_form behind = r->form; /* nothing of it begins a line */
	struct text_lines rest = { 0 };
	uint32_t *at;
	uint8_t *text;
	size_t bytes = 0;
	int rc = 0;

	behind.comment = -1;
	if (!b || !(at = arena_array(&b->arena, uint32_t, (size_t)n + 1)))
		return err_oom(e);
	if (r->specs.n && (rc = behind.print(&behind, results, &scratch, &rest, e)) < 0)
		return rc;
	for (int64_t i = 0; i < n; i++)
		bytes += keys[i].n;
	bytes += rest.at ? rest.at[n] : 0;
	if (bytes > INT32_MAX)
		return err_set(e, ST_OSERR, "%lld groups of %zu bytes", (long long)n, bytes);
	if (!(text = arena_alloc(&b->arena, bytes + LINE_SLACK)))
		return err_oom(e);
	put_lines(&r->form, keys, n, &rest, text, at);
	batch_only_lines(b, (struct text_lines){ text, at });
	*ret = b;
	b = NULL;
	return 0;
}

int reduce_dress_lines(const struct reducer *r, const struct batch *b, struct batch **ret, struct err *e)
{
	struct batch results = { .schema = r->results, .nrows = b->nrows, .cols = b->cols + reduce_nkeys(r, FIRST_ROW) + 1 };
	cleanup_arena struct arena a = { 0 };
	struct str *keys = reduce_merged_keys(b, &a);

	return keys ? compose(r, keys, &results, ret, e) : err_oom(e);
}

static int make_lines(const struct lining *l, struct batch **ret, struct err *e)
{
	cleanup_arena struct arena a = { 0 };
	uint32_t n = (uint32_t)l->results->nrows;
	struct str *keys = arena_array(&a, struct str, n);

	if (!keys)
		return err_oom(e);
	for (uint32_t i = 0; i < n; i++)
		keys[i] = grouper_key(&l->r->grouper, l->from + i);
	return compose(l->r, keys, l->results, ret, e);
}

static void run_lines(struct job *job)
{
	struct lining *l = (struct lining *)job;

	l->rc = make_lines(l, &l->lines, &l->e);
	batch_unref(l->results);
	l->results = NULL;
}

/* Lines of the groups whose results are on their way. Then those of the groups behind them are. */
static int start_lines(struct reducer *r, struct lining *l, struct err *e)
{
	uint32_t from = r->next - r->chunk;
	struct batch *results;
	int rc = reduce_finish_emit(r, &r->out, &results, e);

	if (rc < 0)
		return rc;
	*l = (struct lining){ .job.run = run_lines, .r = r, .from = from, .results = results };
	reduce_start(r, &l->job);
	return reduce_start_chunk(r, e);
}

int reduce_next_lines(struct reducer *r, struct batch **ret, struct err *e)
{
	struct lining *l = &r->lining[r->turn], *ahead = &r->lining[!r->turn];

	if (!l->r && r->chunk && r->after == 0)
		r->after = start_lines(r, l, &r->after_e);
	if (!l->r) {
		*e = r->after_e;
		return r->after;
	}
	if (r->chunk && r->after == 0)
		r->after = start_lines(r, ahead, &r->after_e);
	reduce_wait(r, &l->job);
	*ret = l->lines;
	*e = l->e;
	l->lines = NULL;
	l->r = NULL;
	r->turn = !r->turn;
	return l->rc;
}

void reduce_forget_lines(struct reducer *r)
{
	for (int i = 0; i < 2; i++) {
		batch_unref(r->lining[i].results);
		batch_unref(r->lining[i].lines);
	}
}
