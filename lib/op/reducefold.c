/* Batches into groups: see reducework.h.
 *
 * A batch's fields are read once each, however many aggregates look at them. The batches of a window are then looked up by all slices,
 * their rows get group numbers, and every aggregate runs over them; meanwhile the next window is read.
 * Invariant: every aggregate has room for the states of all groups before it sees their numbers. */
#include "lib/op/pick.h"
#include "lib/op/reducework.h"

#define WINDOW_BYTES (8 << 20)

/* ---- reading ---- */

static int note_bad(struct intake *x, const struct err *why)
{
	if (x->bad.bad_row >= 0 && (x->bad_row < 0 || x->bad.bad_row < x->bad_row)) {
		x->bad_row = x->bad.bad_row;
		x->e = *why;
	}
	x->bad.bad_row = -1;
	return 0;
}

static int encode(struct intake *x, const struct key *k, struct keys *ret)
{
	struct err why;
	int rc = keys_encode(k, x->batch, &x->bad, &x->scratch, ret, &why);

	if (rc < 0) {
		x->e = why;
		return rc;
	}
	return note_bad(x, &why);
}

static int read_keys(struct intake *x, struct keys *ret)
{
	const struct reducer *r = x->r;

	if (!r->grouper.key.n)
		return 0;
	if (r->form.print)
		return reduce_line_keys(r, x->batch, &x->scratch, ret, &x->e);
	if (!r->level || !r->encoded)
		return encode(x, &r->grouper.key, ret);
	ret->n = x->batch->nrows;
	ret->bytes = x->batch->cols[0].values;
	ret->offsets = (const uint32_t *)x->batch->cols[0].offsets;
	return 0;
}

static int read_view(struct intake *x, const struct view *v, struct view_data *ret)
{
	struct key_bound part = { .col = v->col, .reading = v->reading };
	struct key key = { .n = 1, .option = "", .parts = &part };
	const struct batch *b = x->batch;
	struct err why;
	int rc;

	if (v->need == AGG_VALUES || (v->need != AGG_NUMBERS && b->cols[v->col].type->id == T_NULL))
		return 0;
	if (v->need == AGG_KEYS)
		return encode(x, &key, &ret->keys);
	if (v->need == AGG_HASHES)
		rc = placement_hash(&key, b, 0, &x->bad, &x->scratch, &ret->hashes, &why);
	else
		rc = read_numbers(b, v->col, NULL, b->nrows, &x->bad, &x->scratch, &ret->nums, &why);
	if (rc < 0) {
		x->e = why;
		return rc;
	}
	return note_bad(x, &why);
}

static void run_intake(struct job *job)
{
	struct intake *x = (struct intake *)job;
	const struct reducer *r = x->r;
	struct keys keys = { 0 };
	int rc = read_keys(x, &keys);

	x->views = arena_calloc(&x->scratch, (size_t)r->nviews + 1, sizeof *x->views);
	if (rc == 0 && !x->views)
		rc = err_oom(&x->e);
	for (int i = 0; i < r->nviews && rc == 0; i++)
		rc = read_view(x, &r->views[i], &x->views[i]);
	if (rc == 0 && x->bad_row >= 0)
		rc = -x->e.status;
	x->rc = rc < 0 ? rc : grouper_cut(&r->grouper, x->batch->nrows, &keys, x->bad.skip, &x->scratch, &x->rows, &x->e);
}

static void intake_end(struct intake *x)
{
	for (int i = 0; x->views && i < x->r->nviews; i++)
		if (x->r->views[i].need == AGG_NUMBERS)
			numbers_free(&x->views[i].nums);
	x->views = NULL;
	while (x->nrecords)
		batch_unref(x->records[--x->nrecords]);
	batch_unref(x->batch);
	x->batch = NULL;
	arena_reset(&x->scratch);
}

static void empty(struct window *w)
{
	while (w->n)
		intake_end(&w->in[--w->n]);
}

void reduce_forget_batches(struct reducer *r)
{
	for (int k = 0; k < 2; k++) {
		empty(&r->windows[k]);
		for (int i = 0; i < WINDOW_MOST; i++)
			arena_free(&r->windows[k].in[i].scratch);
	}
}

static void take_in(struct reducer *r, struct window *w, struct batch *b)
{
	struct intake *x = &w->in[w->n++];

	*x = (struct intake){ .job.run = run_intake, .r = r, .batch = b, .row = r->rows, .scratch = x->scratch, .bad_row = -1,
			      .states = x->states, .bad = { .policy = r->o.merge ? BAD_FAIL : r->o.on_bad, .bad_row = -1 } };
	r->rows += b->nrows;
	r->batches++;
	reduce_start(r, &x->job);
}

/* The next batches of the input, which are then being read. Bad values are counted in the order of the input, together with the
 * records that the source finds bad: then it is not read ahead. */
static void start_window(struct reducer *r, struct window *w)
{
	int64_t most = r->o.memory && r->o.memory / 64 < WINDOW_BYTES ? r->o.memory / 64 : WINDOW_BYTES, bytes = 0;

	w->rc = 0;
	while (!r->drained && w->n < r->most && bytes <= most) {
		struct batch *b;

		w->rc = source_next(r->in, &b, &w->e);
		r->drained = w->rc < 0 || !b;
		if (r->drained)
			break;
		bytes += batch_bytes(b);
		take_in(r, w, b);
	}
}

/* Waits until its batches are read. At the first that fails it ends, with the failure behind it. */
static void finish_reading(struct reducer *r, struct window *w)
{
	int n = w->n;

	for (int i = 0; i < n; i++) {
		struct intake *x = &w->in[i];
		int rc;

		reduce_wait(r, &x->job);
		if (w->n < n)
			continue;
		if (x->rc < 0)
			w->e = x->e;
		rc = x->rc < 0 ? x->rc : bad_values_done(&x->bad, x->batch, &w->e);
		if (rc < 0) {
			w->rc = rc;
			w->n = i;
			r->drained = true;
		}
	}
	for (int i = w->n; i < n; i++)
		intake_end(&w->in[i]);
}

/* ---- folding in ---- */

static void run_slice(struct job *job)
{
	struct task *t = (struct task *)job;
	struct window *w = t->r->folding;

	grouper_begin(&t->r->grouper, t->number);
	for (t->at = 0; t->at < w->n && t->rc == 0; t->at++)
		t->rc = grouper_look_up(&t->r->grouper, t->number, &w->in[t->at].rows, &t->e);
}

int reduce_update(const struct reducer *r, int i, struct agg *a, const struct intake *x, uint32_t ngroups, struct err *e)
{
	const struct batch *b = x->batch;
	struct agg_batch ab = { .n = b->nrows, .ids = x->rows.ids, .batch = b };
	int rc = agg_reserve(a, ngroups, e);

	if (rc < 0)
		return rc;
	if (r->o.merge)
		return a->family->load(a, b, x->rows.ids, e);
	for (int k = 0; k < a->nargs; k++) {
		int v = r->view_of[i][k];
		const struct view_data *d = &x->views[v];

		ab.args[k] = (struct agg_arg){ &b->cols[r->views[v].col], &d->nums, &d->keys, d->hashes };
	}
	return a->family->update(a, &ab, e);
}

/* All batches of the window into an aggregate, or the keys of their new groups. */
static void run_update(struct job *job)
{
	struct task *t = (struct task *)job;
	struct reducer *r = t->r;
	const struct window *w = r->folding;

	for (t->at = 0; t->at < w->n; t->at++) {
		const struct intake *x = &w->in[t->at];

		t->rc = t->number < 0 ? grouper_keep(&r->grouper, x->batch, &x->rows, &t->e) :
					reduce_update(r, t->number, &r->aggs[t->number], x, x->rows.ngroups, &t->e);
		if (t->rc < 0)
			return;
	}
}

/* Places of the groups that a batch has brought: of their first rows. */
static int note_places(struct reducer *r, const struct intake *x, struct err *e)
{
	const struct column *place = r->level ? &x->batch->cols[r->grouper.key.n] : NULL;

	if (!r->o.memory)
		return 0;
	for (uint32_t i = 0; i < x->rows.nfresh; i++) {
		uint32_t row = x->rows.fresh[i];
		int64_t at = place ? column_i64(place, row) : x->row + row;

		if (buf_add(&r->first, &at, sizeof at))
			return err_oom(e);
	}
	return 0;
}

static int number(struct reducer *r, struct window *w, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < w->n && rc == 0; i++)
		if ((rc = grouper_number(&r->grouper, &w->in[i].rows, e)) == 0)
			rc = note_places(r, &w->in[i], e);
	return rc;
}

/* Starts to look up the rows of a window that is read. */
static void start_folding(struct reducer *r, struct window *w)
{
	r->folding = w;
	for (int i = 0; r->log && i < w->n; i++) {
		w->in[i].job.run = reduce_run_log;
		reduce_start(r, &w->in[i].job);
	}
	if (r->log)
		return;
	reduce_start_tasks(r, run_slice, 0, r->grouper.key.n ? grouper_slices(&r->grouper) : 0);
}

static int finish_groups(struct reducer *r, struct window *w, struct err *e)
{
	int n = r->specs.n + 1, rc = reduce_wait_tasks(r, r->grouper.key.n ? grouper_slices(&r->grouper) : 0, e);

	if (rc < 0 || (rc = number(r, w, e)) < 0)
		return rc;
	reduce_start_tasks(r, run_update, -1, n);
	return reduce_wait_tasks(r, n, e);
}

static int finish_folding(struct reducer *r, struct window *w, struct err *e)
{
	int rc = r->log ? reduce_log_window(r, w, e) : finish_groups(r, w, e);

	if (rc < 0)
		return rc;
	for (int i = 0; i < w->n; i++)
		r->folded_rows += w->in[i].batch->nrows;
	empty(w);
	if (w->rc < 0 || r->log || !reduce_is_full(r))
		return 0;
	return reduce_may_log(r) ? reduce_start_log(r, e) : reduce_set_aside(r, e);
}

/* Of the only group, which is there without rows. */
static int reserve(struct reducer *r, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < r->specs.n && rc == 0; i++)
		rc = agg_reserve(&r->aggs[i], grouper_count(&r->grouper), e);
	return rc;
}

int reduce_fold(struct reducer *r, struct err *e)
{
	struct window *w = r->windows, *next = r->windows + 1, *t;
	int rc = reserve(r, e);

	if (rc < 0)
		return rc;
	for (start_window(r, w); w->n || w->rc < 0; t = w, w = next, next = t) {
		finish_reading(r, w);
		start_folding(r, w);
		start_window(r, next);
		if ((rc = finish_folding(r, w, e)) < 0)
			return rc;
		if (w->rc < 0) {
			*e = w->e;
			return w->rc;
		}
	}
	return 0;
}
