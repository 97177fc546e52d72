/* Run generation and merge. Rows are collected in a run until the budget is reached; the run is put away in a temporary file; at the
 * end all runs are merged, the last one from memory, or, when there is only one, given out as it is. Runs are numbered in input order
 * and the merge prefers the lower number, so the whole sort is stable.
 *
 * As many runs as can be merged at once become one of the next level when so many of one level have come together, like digits that
 * carry: rows are written log(size) times, and the number of open files is bounded. */
#include "lib/op/sorter.h"

#include "lib/io/meter.h"
#include "lib/op/grow.h"
#include "lib/op/merger.h"
#include "lib/op/order.h"
#include "lib/op/pick.h"
#include "lib/op/rowmerge.h"
#include "lib/op/run.h"

#include <malloc.h>

#define TOP_SLACK 4096
#define LARGEST_PIECE ((int64_t)4 << 20)
#define LARGEST_BLOCK ((int64_t)256 << 10)
#define MANY_RUNS 128      /* merged at once with much memory; with little: */
#define FEW_RUNS 32
#define MUCH ((int64_t)256 << 20)

struct stored {
	struct runfile *file;
	int level;              /* of MANY_RUNS or FEW_RUNS to the power of this many first runs */
};

struct sorter {
	struct source source;
	struct source *from;
	struct sort_opts opts;
	struct arena arena;     /* of the key */
	struct key key;
	struct line_form lines; /* the rows are moved as such lines; print NULL: column by column */
	struct schema *payload;    /* what a row is besides its key */
	struct pool *pool;
	struct run *run;        /* being filled */
	struct stored *runs;    /* put away */
	int nruns, runs_cap;
	size_t block;           /* the largest of them */
	int64_t rows, data;     /* put away: how large a row is */
	struct source *result;  /* NULL until the input has been read */
};

int sort_bind(const struct key_spec *spec, const struct schema *s, struct arena *a, struct key *ret, struct err *e)
{
	struct key_spec all = { .n = s->nfields };

	if (spec->n)
		return key_bind(spec, s, a, ret, e);
	all.parts = arena_array(a, struct key_part, (size_t)all.n);
	if (!all.parts)
		return err_oom(e);
	for (int i = 0; i < all.n; i++)
		all.parts[i].at = i + 1;
	return key_bind(&all, s, a, ret, e);
}

static void sorter_close(struct source *s)
{
	struct sorter *o = (struct sorter *)s;

	source_close(o->from);
	run_free(o->run);
	for (int i = 0; i < o->nruns; i++)
		runfile_free(o->runs[i].file);
	free(o->runs);
	source_close(o->result);
	pool_close(o->pool);
	schema_unref(s->schema);
	schema_unref(o->payload);
	arena_free(&o->arena);
	free(o);
}

/* Batches that make a piece: so many that the pieces being made at once, WORK_FACTOR times as large, take a small part of the memory. */
static int64_t piece_bytes(const struct sort_opts *o)
{
	int64_t size = o->memory > 0 ? o->memory / (32 * (o->threads + 2)) : LARGEST_PIECE;

	if (size > LARGEST_PIECE)
		size = LARGEST_PIECE;
	return o->limit >= 0 ? 1 : size; /* a bound soon, and little work before there is one */
}

static int fresh_run(struct sorter *s, struct err *e)
{
	int rc = run_open(s->payload, &s->key, s->pool, s->opts.threads + (s->opts.limit < 0), piece_bytes(&s->opts), &s->run, e);

	if (rc < 0)
		return rc;
	s->run->rules.lines = s->lines.print ? &s->lines : NULL;
	s->run->rules.on_bad = s->opts.on_bad;
	s->run->rules.unique = s->opts.unique;
	s->run->rules.limit = s->opts.limit;
	return 0;
}

static int add_run(struct sorter *s, struct runfile *file, int level, struct err *e)
{
	s->block = runfile_block(file) > s->block ? runfile_block(file) : s->block;
	if (s->nruns == s->runs_cap) {
		int cap = s->runs_cap ? s->runs_cap * 2 : 16, rc = GROW(s->runs, cap, e);

		if (rc < 0) {
			runfile_free(file);
			return rc;
		}
		s->runs_cap = cap;
	}
	s->runs[s->nruns++] = (struct stored){ file, level };
	return 0;
}

static int usual_fan_in(const struct sorter *s)
{
	return s->opts.memory >= MUCH ? MANY_RUNS : FEW_RUNS;
}

static int fan_in(const struct sorter *s)
{
	return rowmerge_most(s->opts.memory, s->block ? s->block : 1, usual_fan_in(s));
}

/* Rows of a batch that goes out. */
static int64_t batch_rows(const struct sorter *s, const struct run *r)
{
	return rows_per_batch(s->data + (r ? r->data : 0), s->rows + (r ? r->rows : 0), 0);
}

/* Blocks of which all runs that are merged at once can have some. */
static size_t block_bytes(const struct sorter *s)
{
	int64_t size = s->opts.memory > 0 ? s->opts.memory / (2 * MERGE_BLOCKS * usual_fan_in(s)) : LARGEST_BLOCK;

	return (size_t)(size > LARGEST_BLOCK ? LARGEST_BLOCK : size);
}

static struct row_form packed_form(const struct sorter *s)
{
	return (struct row_form){ .block_bytes = block_bytes(s), .pack = true };
}

/* The files of runs[from .. nruns), and `last`, which may be NULL, as one stream. Takes them, also when it fails. */
static int merge_runs(struct sorter *s, int from, struct rowstream *last, const struct row_form *form, int64_t rows, struct rowstream **ret,
		      struct err *e)
{
	struct row_feed *feeds = calloc((size_t)(s->nruns - from) + 1, sizeof *feeds);
	int n = 0, rc = feeds ? 0 : err_oom(e);

	for (int i = from; i < s->nruns && rc == 0; i++) {
		rc = runreader_open(s->runs[i].file, s->pool, &feeds[n].file, e);
		n += rc == 0;
		s->runs[i].file = NULL;
	}
	if (rc < 0) {
		for (int i = 0; i < n; i++)
			runreader_close(feeds[i].file);
		rowstream_close(last);
	} else {
		if (last)
			feeds[n++].memory = last;
		s->nruns = from;
		rc = rowmerge_open(feeds, n, s->opts.unique, form, rows, s->pool, rowmerge_window(s->opts.threads, s->block), ret, e);
	}
	free(feeds);
	return rc;
}

/* The last n runs become one. */
static int collapse(struct sorter *s, int n, struct err *e)
{
	struct row_form form = packed_form(s);
	int level = s->runs[s->nruns - 1].level + 1, rc;
	struct rowstream *merged;
	struct runfile *file;

	malloc_trim(0); /* runs, and the blocks of many of them, leave holes that do not fit each other */
	rc = merge_runs(s, s->nruns - n, NULL, &form, batch_rows(s, NULL), &merged, e);
	if (rc < 0 || (rc = runfile_write(merged, s->opts.limit, s->opts.tmpdir, &file, e)) < 0)
		return rc;
	malloc_trim(0);
	return add_run(s, file, level, e);
}

/* Full levels carry. */
static int carry(struct sorter *s, struct err *e)
{
	int n, rc;

	for (;;) {
		for (n = 1; n < s->nruns && s->runs[s->nruns - 1 - n].level == s->runs[s->nruns - 1].level; n++)
			;
		if (n < fan_in(s))
			return 0;
		if ((rc = collapse(s, fan_in(s), e)) < 0)
			return rc;
	}
}

/* Sorts the run in memory and puts it away. */
static int put_away(struct sorter *s, struct err *e)
{
	struct row_form form = packed_form(s);
	struct rowstream *sorted;
	struct runfile *file;
	struct run *r = s->run;
	int rc = run_settle(r, e);

	if (rc < 0)
		return rc;
	s->rows += r->rows;
	s->data += r->data;
	s->run = NULL;
	if ((rc = run_stream(r, &form, &sorted, e)) < 0 || (rc = runfile_write(sorted, s->opts.limit, s->opts.tmpdir, &file, e)) < 0)
		return rc;
	meter_add(&meter.spills, 1);
	meter_add(&meter.spilled, runfile_bytes(file));
	if ((rc = add_run(s, file, 0, e)) < 0 || (rc = carry(s, e)) < 0)
		return rc;
	return fresh_run(s, e);
}

/* A part of what is allowed: the rest is for what reads and writes beside us, which takes about the same however little that is. */
static int64_t run_budget(const struct sorter *s)
{
	return s->opts.memory >= MUCH ? s->opts.memory / 8 * 5 : s->opts.memory / 2;
}

/* The budget is reached. Rows that unique or a limit exclude need no place; if that frees half of it, go on in memory. */
static int make_room(struct sorter *s, struct err *e)
{
	int rc;

	if (s->opts.unique || s->opts.limit >= 0) {
		if ((rc = run_shrink(s->run, run_budget(s) / 2, e)) < 0)
			return rc;
		if (run_bytes(s->run) < run_budget(s) / 2)
			return 0;
	}
	return put_away(s, e);
}

/* So many rows give a bound that is tighter than the one there is. */
static int64_t enough_for_top(const struct sorter *s)
{
	int64_t limit = s->opts.limit;

	return !s->run->rules.bounded && limit < TOP_SLACK ? limit : limit > INT64_MAX / 2 - TOP_SLACK ? INT64_MAX : 2 * limit + TOP_SLACK;
}

static int take_batch(struct sorter *s, struct batch *b, struct err *e)
{
	int rc = run_add(s->run, b, e);

	if (rc < 0)
		return rc;
	if (s->opts.limit >= 0 && s->run->n >= enough_for_top(s))
		return run_shrink(s->run, INT64_MAX, e);
	return s->opts.memory > 0 && run_bytes(s->run) > run_budget(s) ? make_room(s, e) : 0;
}

/* The input failed: a value that cannot be read in the rows before is told first, as without threads. */
static int earlier_error(struct sorter *s, int rc, struct err *e)
{
	struct err before;
	int first = run_settle(s->run, &before);

	if (first < 0)
		*e = before;
	return first < 0 ? first : rc;
}

static int read_all(struct sorter *s, struct err *e)
{
	int rc;

	for (;;) {
		cleanup_batch struct batch *b = NULL;

		rc = source_next(s->from, &b, e);
		if (rc < 0)
			return earlier_error(s, rc, e);
		if (!b)
			return 0;
		if ((rc = take_batch(s, b, e)) < 0)
			return rc;
	}
}

/* Is there room for the last run beside the blocks of the others? */
static bool fits_beside(const struct sorter *s)
{
	size_t block = s->block > block_bytes(s) ? s->block : block_bytes(s);
	int64_t blocks = (int64_t)s->nruns * MERGE_BLOCKS * (int64_t)block;

	return s->nruns == 0 || s->opts.memory <= 0 || run_bytes(s->run) + blocks <= s->opts.memory / 4 * 3;
}

/* What has been collected becomes the result: the last run straight from memory, behind those put away. */
static int finish(struct sorter *s, struct err *e)
{
	struct row_form out = { .schema = s->source.schema, .lines = s->lines.print, .batch_rows = batch_rows(s, s->run) }, blocks = packed_form(s);
	bool alone = s->nruns == 0;
	struct rowstream *last;
	int rc = run_settle(s->run, e);

	if (rc == 0 && !fits_beside(s))
		rc = put_away(s, e);
	while (rc == 0 && s->nruns > fan_in(s))
		rc = collapse(s, fan_in(s), e);
	if (rc < 0)
		return rc;
	blocks.pack = false;
	rc = run_stream(s->run, alone ? &out : &blocks, &last, e);
	s->run = NULL;
	if (rc == 0 && !alone)
		rc = merge_runs(s, 0, last, &out, out.batch_rows, &last, e);
	return rc < 0 ? rc : rowstream_source(last, s->source.schema, s->opts.limit, &s->result, e);
}

/* Rows that go out as text are moved as that: nothing but their keys is looked at. Any line may become the first. */
static void sorter_want(struct source *source, const bool *cols, const struct line_form *lines)
{
	struct sorter *s = (struct sorter *)source;
	bool some = !lines || !lines->any_start;

	for (int i = 0; i < source->schema->nfields; i++)
		some |= cols[i];
	if (!some)
		s->lines = *lines;
}

/* Says what of the input is needed. */
static int choose_payload(struct sorter *s, struct err *e)
{
	bool *cols;

	if (!s->lines.print) {
		s->payload = schema_ref(s->source.schema);
		return 0;
	}
	if (!(cols = arena_array(&s->arena, bool, (size_t)s->source.schema->nfields)))
		return err_oom(e);
	for (int i = 0; i < s->key.n; i++)
		cols[s->key.parts[i].col] = true;
	source_want_lines(s->from, cols, &s->lines);
	return rows_line_schema(&s->payload, e);
}

static int generate(struct sorter *s, struct err *e)
{
	int rc = choose_payload(s, e);

	if (rc == 0)
		rc = fresh_run(s, e);
	if (rc == 0)
		rc = read_all(s, e);
	source_close(s->from);
	s->from = NULL;
	return rc < 0 ? rc : finish(s, e);
}

static int sorter_next(struct source *source, struct batch **ret, struct err *e)
{
	struct sorter *s = (struct sorter *)source;
	int rc;

	if (!s->result && (rc = generate(s, e)) < 0)
		return rc;
	return source_next(s->result, ret, e);
}

/* A sorter with its key bound and its schema made, without an input. */
static int sorter_new(const struct schema *schema, const struct sort_opts *o, struct sorter **ret, struct err *e)
{
	struct sorter *s = calloc(1, sizeof *s);
	struct schema *sorted;
	int rc;

	if (!s)
		return err_oom(e);
	s->source.next = sorter_next;
	s->source.close = sorter_close;
	s->opts = *o;
	if (o->threads < 1)
		s->opts.threads = 1;
	rc = pool_open(&s->pool, s->opts.threads, e);
	if (rc == 0)
		rc = sort_bind(o->key, schema, &s->arena, &s->key, e);
	if (rc == 0 && (rc = schema_sorted(schema, &s->key, &sorted, e)) == 0) {
		s->source.schema = sorted;
		*ret = s;
		return 0;
	}
	sorter_close(&s->source);
	return rc;
}

int sort_open(struct source *from, const struct sort_opts *o, struct source **ret, struct err *e)
{
	struct sorter *s;
	int rc = sorter_new(from->schema, o, &s, e);

	if (rc < 0) {
		source_close(from);
		return rc;
	}
	s->from = from;
	s->source.want = sorter_want;
	*ret = &s->source;
	return 0;
}

/* Every source gets the columns of `schema`; when that fails all are closed. */
static int conform_all(struct source **from, int n, const struct schema *schema, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < n && rc == 0; i++) {
		struct source *mine = from[i];

		from[i] = NULL;
		rc = conform_open(mine, schema, &from[i], e);
	}
	for (int i = 0; i < n && rc < 0; i++)
		source_close(from[i]);
	return rc;
}

static int merge_inputs(struct sorter *s, struct source **from, int n, struct err *e)
{
	struct merge_opts o = { .on_bad = s->opts.on_bad, .unique = s->opts.unique, .limit = s->opts.limit };
	int rc = conform_all(from, n, s->source.schema, e);

	return rc < 0 ? rc : merge_open(from, n, s->source.schema, &s->key, &o, &s->result, e);
}

int sort_merge_open(struct source **from, int n, const struct sort_opts *o, struct source **ret, struct err *e)
{
	struct sorter *s;
	int rc = sorter_new(from[0]->schema, o, &s, e);

	if (rc < 0) {
		for (int i = 0; i < n; i++)
			source_close(from[i]);
		return rc;
	}
	if ((rc = merge_inputs(s, from, n, e)) < 0) {
		sorter_close(&s->source);
		return rc;
	}
	*ret = &s->source;
	return 0;
}

static int check_batch(struct order *order, const struct key *key, const struct sort_opts *o, struct batch *b, struct arena *a, struct err *e)
{
	struct bad_values bad = bad_values_of(o->on_bad);
	struct keys keys;
	int64_t wrong;
	int rc;

	if ((rc = keys_encode(key, b, &bad, a, &keys, e)) < 0)
		return rc;
	if (bad.bad_row >= 0)
		keys.n = bad.bad_row;
	if ((rc = bad_values_done(&bad, b, e)) < 0 || (rc = order_check(order, &keys, bad.skip, o->unique, &wrong, e)) < 0)
		return rc;
	if (wrong >= 0)
		return order_error(order, b, wrong, key, ST_NO, e);
	return bad.bad_row >= 0 ? -e->status : 0;
}

int sort_check(struct source *from, const struct sort_opts *o, struct err *e)
{
	cleanup_arena struct arena mine = { 0 }, a = { 0 };
	struct order order = { 0 };
	struct key key;
	int rc = sort_bind(o->key, from->schema, &mine, &key, e);

	while (rc == 0) {
		cleanup_batch struct batch *b = NULL;

		if ((rc = source_next(from, &b, e)) < 0 || !b)
			break;
		arena_reset(&a);
		rc = check_batch(&order, &key, o, b, &a, e);
	}
	order_free(&order);
	return rc;
}
