/* reduce --every: see windows.h.
 *
 * `feed` is the input as far as the current window goes: it ends there, and goes on with the next one. A window is opened by its first
 * record and reduced by a reducer of its own that pulls from `feed`. Invariant: `rest`, when there is any, holds the rows of the input
 * that have been read and belong to the window `now` or a later one. */
#include "lib/op/windows.h"

#include "lib/base/floor.h"
#include "lib/table/ahead.h"

#include <stdlib.h>
#include <time.h>

struct windows {
	struct source source; /* its schema: `window`, then the reduction's */
	struct source feed;
	struct source *in, *reducer;
	struct window_opts o;
	int col;           /* of the field; -1: by the clock */
	struct batch *rest;
	int64_t at, stop;  /* rows of rest that have been fed, and those that can be: the next one has no time, see failure */
	int64_t *starts;   /* with a field: when the window of each row of rest begins; INT64_MIN: the row is left out */
	int64_t now;       /* when the current window begins */
	bool begun, ended; /* there is a window; there is no more input */
	bool failed;       /* behind the rows of rest */
	struct err failure;
	struct arena scratch;
};

/* ---- the input ---- */

static int64_t begin_of(const struct windows *w, int64_t us)
{
	return us - floor_mod(us, w->o.length);
}

static int64_t clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The rows before come first, then the error. */
static void stop_at(struct windows *w, int64_t row, const struct err *e)
{
	w->stop = row;
	w->failed = true;
	w->failure = *e;
}

static int no_time(const struct windows *w, int64_t row, struct err *e)
{
	err_set(e, ST_DATA, "a record without a time belongs to no window");
	err_hint(e, "leave such records out: --on-bad skip");
	return batch_err_at(w->rest, row, w->col, e);
}

/* The window of every row of rest, as far as they have one. */
static int find_starts(struct windows *w, struct err *e)
{
	struct bad_values bad = bad_values_of(w->o.reduce.on_bad);
	int64_t n = w->rest->nrows;
	struct times t;
	struct err why = { 0 };
	int rc;

	arena_reset(&w->scratch);
	w->starts = arena_array(&w->scratch, int64_t, (size_t)n + 1);
	if (!w->starts)
		return err_oom(e);
	if ((rc = read_times(w->rest, w->col, NULL, n, &bad, &w->scratch, &t, &why)) < 0) {
		*e = why;
		return rc;
	}
	for (int64_t i = 0; i < (bad.bad_row < 0 ? n : bad.bad_row); i++) {
		bool there = !t.valid || bit_get(t.valid, i);

		w->starts[i] = there ? begin_of(w, t.us[i]) : INT64_MIN;
		if (!there && (rc = bad_values_add(&bad, w->rest, i, &w->scratch, e)) < 0)
			return rc;
		if (rc > 0)
			no_time(w, i, &why);
	}
	if (bad.bad_row >= 0)
		stop_at(w, bad.bad_row, &why);
	return bad_values_done(&bad, w->rest, e);
}

/* More input in rest; none: it has ended. */
static int read_more(struct windows *w, struct err *e)
{
	int rc;

	batch_unref(w->rest);
	w->rest = NULL;
	w->at = w->stop = 0;
	if (w->failed) {
		*e = w->failure;
		return -e->status;
	}
	do {
		rc = source_next(w->in, &w->rest, e);
		w->ended = rc == 0 && !w->rest;
	} while (rc == 0 && w->rest && !w->rest->nrows);
	w->stop = w->rest ? w->rest->nrows : 0;
	return rc < 0 || w->ended || w->col < 0 ? rc : find_starts(w, e);
}

static bool has_rest(const struct windows *w)
{
	return w->rest && w->at < w->stop;
}

/* ---- the current window ---- */

static int too_late(const struct windows *w, struct err *e)
{
	err_set(e, ST_DATA, "a record of a window that is over");
	err_hint(e, "sort the records by time first: stook sort -k %.*s:time", STR_ARG(w->o.field));
	return batch_err_at(w->rest, w->at, w->col, e);
}

/* Rows of rest from `at` that belong together: to the current window, or (0 of them) to a later one. *skipped: they are left out. */
static int run_of(const struct windows *w, int64_t *n, bool *skipped, struct err *e)
{
	int64_t start, i = w->at;

	*skipped = false;
	*n = w->stop - w->at;
	if (w->col < 0)
		return 0;
	start = w->starts[w->at];
	*skipped = start == INT64_MIN;
	if (!*skipped && start < w->now)
		return too_late(w, e);
	while (i < w->stop && w->starts[i] == start)
		i++;
	*n = *skipped || start == w->now ? i - w->at : 0;
	return 0;
}

/* By the clock: whether the window is over before anything has come. */
static bool is_over(struct windows *w)
{
	return w->col < 0 && !source_ahead_wait(w->in, w->now + w->o.length);
}

static int feed_next(struct source *s, struct batch **ret, struct err *e)
{
	struct windows *w = (struct windows *)(void *)((uint8_t *)s - offsetof(struct windows, feed));
	int64_t n;
	bool skipped;
	int rc;

	for (;;) {
		if (!has_rest(w)) {
			if (w->ended || is_over(w))
				return 0;
			if ((rc = read_more(w, e)) < 0 || w->ended)
				return rc;
			if (w->col < 0 && clock_us() >= w->now + w->o.length)
				return 0;
		}
		if ((rc = run_of(w, &n, &skipped, e)) < 0 || (n == 0 && !skipped))
			return rc;
		w->at += n;
		if (!skipped)
			return batch_slice(w->rest, w->at - n, n, ret, e);
	}
}

static void feed_close(struct source *s)
{
	(void)s;
}

/* The next record opens a window; false: there is none. */
static int begin_window(struct windows *w, struct err *e)
{
	int rc = 0;

	w->begun = false;
	while (!has_rest(w) || (w->col >= 0 && w->starts[w->at] == INT64_MIN)) {
		if (has_rest(w))
			w->at++;
		else if ((rc = read_more(w, e)) < 0 || w->ended)
			return rc;
	}
	if (w->col >= 0 && w->starts[w->at] < w->now)
		return too_late(w, e);
	w->now = w->col >= 0 ? w->starts[w->at] : begin_of(w, clock_us());
	w->begun = true;
	return reduce_open(&w->feed, &w->o.reduce, &w->reducer, e);
}

/* ---- results ---- */

/* The batch with its window in front. */
static int add_window(const struct windows *w, struct batch *from, struct batch **ret, struct err *e)
{
	struct batch *b = batch_new(w->source.schema, from->nrows);
	int64_t *starts = b ? arena_array(&b->arena, int64_t, (size_t)from->nrows + 8) : NULL;

	if (!starts) {
		batch_unref(b);
		return err_oom(e);
	}
	for (int64_t i = 0; i < from->nrows; i++)
		starts[i] = w->now;
	b->cols[0] = (struct column){ .type = &b->schema->fields[0].type, .length = from->nrows, .values = (const uint8_t *)starts };
	for (int i = 1; i < b->schema->nfields; i++) {
		b->cols[i] = from->cols[i - 1];
		b->cols[i].type = &b->schema->fields[i].type;
	}
	batch_keep(b, from);
	*ret = b;
	return 0;
}

static int windows_next(struct source *s, struct batch **ret, struct err *e)
{
	struct windows *w = (struct windows *)s;
	int rc;

	for (;;) {
		cleanup_batch struct batch *b = NULL;

		if (!w->begun && ((rc = begin_window(w, e)) < 0 || !w->begun))
			return rc;
		if ((rc = source_next(w->reducer, &b, e)) < 0)
			return rc;
		if (b)
			return add_window(w, b, ret, e);
		source_close(w->reducer);
		w->reducer = NULL;
		w->begun = false;
	}
}

static void windows_close(struct source *s)
{
	struct windows *w = (struct windows *)s;

	source_close(w->reducer);
	batch_unref(w->rest);
	source_close(w->in);
	schema_unref(s->schema);
	arena_free(&w->scratch);
	free(w);
}

static int make_schema(const struct schema *from, struct schema **ret, struct err *e)
{
	const struct type t = TYPE_TIMESTAMP(UNIT_US, STR("UTC"));
	cleanup_schema struct schema *s = schema_new();
	int rc = s ? schema_copy_meta(s, from, e) : err_oom(e);

	if (rc == 0 && schema_find(from, STR("window")) >= 0)
		rc = err_set(e, ST_USAGE, "two columns would be called \"window\": rename one with stook map");
	if (rc == 0)
		rc = schema_add(s, STR("window"), &t, false, e);
	for (int i = 0; i < from->nfields && rc == 0; i++)
		rc = schema_add_field(s, &from->fields[i], e);
	if (rc == 0) {
		*ret = s;
		s = NULL;
	}
	return rc;
}

/* The schema is that of the reduction of nothing. */
static int setup(struct windows *w, struct err *e)
{
	struct schema *schema = NULL;
	int rc = w->o.field.n ? field_resolve(w->o.field, w->in->schema, &w->col, e) : 0;

	w->feed = (struct source){ w->in->schema, feed_next, feed_close, NULL };
	if (rc < 0 || (rc = reduce_open(&w->feed, &w->o.reduce, &w->reducer, e)) < 0)
		return rc;
	rc = make_schema(w->reducer->schema, &schema, e);
	w->source.schema = schema;
	source_close(w->reducer);
	w->reducer = NULL;
	return rc;
}

int windows_open(struct source *in, const struct window_opts *o, struct source **ret, struct err *e)
{
	struct windows *w = calloc(1, sizeof *w);
	int rc;

	if (!w) {
		source_close(in);
		return err_oom(e);
	}
	*w = (struct windows){ .source = { NULL, windows_next, windows_close, NULL }, .in = in, .o = *o, .col = -1, .now = INT64_MIN };
	if ((rc = setup(w, e)) < 0) {
		windows_close(&w->source);
		return rc;
	}
	*ret = &w->source;
	return 0;
}
