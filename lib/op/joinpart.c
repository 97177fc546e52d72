/* A join whose right side does not fit: both sides go to partitions on disk by the hash of their keys (Grace hash join: Kitsuregawa,
 * Tanaka, Moto-oka 1983), and each pair of partitions is joined by itself, cut again by other bits when it is still too large. Where
 * cutting does not help, because one key has most of the rows, or does not work, because a left row has several keys, the right
 * rows come in blocks and the left ones pass each of them; what a left row has found in earlier blocks is kept in a file beside it.
 * Every part's result is in order and tagged with row numbers; merging by them gives the order of the whole.
 * Invariant: a pair of rows comes out of exactly one pass. */
#include "lib/base/hash.h"
#include "lib/io/meter.h"
#include "lib/op/joinwork.h"
#include "lib/op/rowmerge.h"

#define MOST_OUTS 144    /* results merged at once; */
#define USUAL_OUTS 48    /* where memory is little so many, */
#define MUCH ((int64_t)64 << 20)
#define MOST_PARTS 128   /* that are cut at once, one for each */
#define PART_ROOM ((int64_t)1 << 20) /* of the memory, */
#define FEWEST_PARTS 32  /* and never fewer at first */
#define FLUSH_SHARE 16   /* of the memory for rows on their way to a part's file, */
#define LEAST_FLUSH (32 << 10)
#define MOST_FLUSH (128 << 10)
#define FEW_OUTS 12      /* and never fewer than these while there are others to come */
#define MAX_LEVEL 6
#define NO_PART 255

struct parts {
	struct source source;
	struct join *j;
	struct schema *tagged[2];
	struct runfile *outs[MOST_OUTS];
	int level[MOST_OUTS];    /* how often the rows of a result have been merged: never more than those of the one before */
	int nouts;
	int64_t rows, bytes;     /* of all results so far: how large a row is */
	size_t block;            /* the largest of their blocks */
	struct source *merged;
};

static void parts_close(struct source *s)
{
	struct parts *p = (struct parts *)s;

	while (p->nouts)
		runfile_free(p->outs[--p->nouts]);
	source_close(p->merged);
	schema_unref(p->tagged[LEFT]);
	schema_unref(p->tagged[RIGHT]);
	schema_unref(s->schema);
	free(p);
}

/* Results. */

static int usual_outs(const struct parts *p)
{
	return p->j->opts.memory >= MUCH ? MOST_OUTS : USUAL_OUTS;
}

static int most_outs(const struct parts *p)
{
	return rowmerge_most(p->j->opts.memory, p->block ? p->block : 1, usual_outs(p));
}

static int64_t out_batch_bytes(const struct parts *p)
{
	int64_t size = p->j->opts.memory / (2 * MERGE_BLOCKS * usual_outs(p));

	return size > BATCH_BYTES ? BATCH_BYTES : size ? size : 1;
}

static struct row_form packed_form(const struct parts *p)
{
	return (struct row_form){ .block_bytes = (size_t)out_batch_bytes(p), .pack = true };
}

static int64_t out_rows(const struct parts *p, int64_t size)
{
	return rows_per_batch(p->bytes, p->rows, size);
}

/* Results [from, nouts) as one, in pieces of about `rows` rows. */
static int merge_outs(struct parts *p, int from, const struct row_form *form, int64_t rows, struct rowstream **ret, struct err *e)
{
	struct row_feed *feeds = calloc((size_t)(p->nouts - from), sizeof *feeds);
	int n = 0, rc = feeds ? 0 : err_oom(e);

	for (int i = from; i < p->nouts && rc == 0; i++) {
		rc = runreader_open(p->outs[i], p->j->pool, &feeds[n].file, e);
		n += rc == 0;
		p->outs[i] = NULL;
	}
	if (rc == 0) {
		p->nouts = from;
		rc = rowmerge_open(feeds, n, UNIQUE_NONE, form, rows, p->j->pool, rowmerge_window(p->j->opts.threads, p->block), ret, e);
	} else {
		for (int i = 0; i < n; i++)
			runreader_close(feeds[i].file);
	}
	free(feeds);
	return rc;
}

/* Takes `from`. */
static int add_out(struct parts *p, struct rowstream *from, int level, struct err *e)
{
	struct runfile *f;
	int rc = runfile_write(from, -1, p->j->opts.tmpdir, &f, e);

	if (rc < 0)
		return rc;
	runfile_rows(f, &p->rows, &p->bytes);
	p->block = runfile_block(f) > p->block ? runfile_block(f) : p->block;
	meter_add(&meter.spills, 1);
	meter_add(&meter.spilled, runfile_bytes(f));
	p->level[p->nouts] = level;
	p->outs[p->nouts++] = f;
	return 0;
}

/* Those of the lowest levels become one of the next, so that a row is merged log(size) times. */
static int collapse_some(struct parts *p, struct err *e)
{
	struct row_form form = packed_form(p);
	struct rowstream *merged;
	int most = most_outs(p), few = FEW_OUTS < most ? FEW_OUTS : most, from = p->nouts, level = 0, rc;

	while (p->nouts - from < few)
		for (level = p->level[from - 1]; from && p->level[from - 1] == level && p->nouts - from < most; from--)
			;
	rc = merge_outs(p, from, &form, out_rows(p, out_batch_bytes(p)), &merged, e);
	return rc < 0 ? rc : add_out(p, merged, level + 1, e);
}

/* Until one merge can take what there is, and `more`. */
static int collapse(struct parts *p, int more, struct err *e)
{
	int rc = 0;

	while (rc == 0 && p->nouts + more > most_outs(p))
		rc = collapse_some(p, e);
	return rc;
}

/* One pass; its result is put away. */
static int run_pass(struct parts *p, struct build *b, struct feed *left, struct pass_opts o, struct err *e)
{
	struct rowstream *s;
	int rc = collapse(p, 1, e);

	o.tagged = true;
	o.batch_bytes = out_batch_bytes(p);
	if (rc < 0 || (rc = pass_rows(b, left, &o, &s, e)) < 0)
		return rc;
	return add_out(p, s, 0, e);
}

/* Blocks of the right against all of the left. */

static int one_block(struct parts *p, struct build *b, struct spill *left, struct pass_opts o, struct err *e)
{
	struct source *s;
	struct feed feed = { 0 };
	int rc = spill_again(left, &s, e);

	if (rc == 0 && (rc = feed_open(&feed, p->j, LEFT, true, s, e)) == 0)
		rc = run_pass(p, b, &feed, o, e);
	feed_close(&feed);
	return rc;
}

static int open_seen(struct parts *p, struct spill *to, struct err *e)
{
	cleanup_schema struct schema *s = schema_new();
	int rc = s ? schema_add(s, STR(":seen"), &TYPE_INT64, false, e) : err_oom(e);

	return rc < 0 ? rc : spill_open(to, s, p->j->opts.tmpdir, e);
}

/* The block that b holds, and then all others of `right`. *full: there may be others. */
static int all_blocks(struct parts *p, struct build *b, struct feed *right, bool full, struct spill *left, struct err *e)
{
	struct source *seen = NULL;
	int rc = 0;

	for (bool more = true; more && rc == 0;) {
		struct spill to = { .fd = -1 };
		struct pass_opts o = { .final = !full, .seen = seen, .to = full ? &to : NULL };

		if (full)
			rc = open_seen(p, &to, e);
		if (rc == 0 && (rc = build_index(b, e)) == 0)
			rc = one_block(p, b, left, o, e);
		source_close(seen);
		seen = NULL;
		more = full;
		if (rc == 0 && full && (rc = spill_read(&to, &seen, e)) == 0) {
			build_clear(b);
			rc = build_fill(b, right, &full, e);
		}
		spill_close(&to);
	}
	source_close(seen);
	return rc;
}

/* Partitions. */

static uint64_t cut_hash(const struct feed *f, int64_t i, bool null, uint64_t seed)
{
	int64_t row = feed_row(f, i);
	struct str key = null ? (struct str){ (const char *)&row, sizeof row } : keys_at(&f->keys[0], i);

	return hash64(key.p, key.n, seed);
}

/* Do rows come out that can have no match? */
static bool wants_unmatched(const struct feed *f)
{
	return f->side == RIGHT ? join_wants_rest(f->j) : join_pads_left(f->j) || f->j->opts.kind == JOIN_ANTI;
}

/* Where rows of the feed's batch go, those that are not done yet. */
static void place_rows(const struct feed *f, int nparts, int level, uint8_t *part)
{
	uint64_t seed = 0x9e3779b97f4a7c15u * (uint64_t)(level + 1);
	bool all = wants_unmatched(f) || f->j->opts.any;

	memset(part, NO_PART, (size_t)f->batch->nrows);
	for (int64_t i = f->at; i < f->n; i++) {
		bool null = feed_null(f, 0, i);

		if (!feed_skipped(f, i) && (all || !null))
			part[i] = (uint8_t)(nparts == 1 ? 0 : cut_hash(f, i, null, seed) % (uint64_t)nparts);
	}
}

static int put_batch(struct parts *p, struct regroup *to, struct feed *f, int level, struct err *e)
{
	cleanup_batch struct batch *b = NULL;
	uint8_t *part = arena_alloc(&f->arena, (size_t)f->batch->nrows);
	int rc = part ? join_feed_lines(f, e) : err_oom(e);

	if (rc < 0 || (rc = feed_tag(f, p->tagged[f->side], &b, e)) < 0)
		return rc;
	place_rows(f, to->n, level, part);
	return regroup_add(to, b, part, e);
}

/* The next batch of a feed, or the failure behind the last. */
static int feed_on(struct feed *f, struct err *e)
{
	if (!f->failed)
		return feed_next(f, e);
	*e = f->failure;
	f->base += f->n;
	return -e->status;
}

/* Everything that is left of a feed. An error of the left input comes after the rows before it. */
static int put_all(struct parts *p, struct regroup *to, struct feed *f, int level, struct err *e)
{
	int rc;

	do
		if (f->batch && (rc = put_batch(p, to, f, level, e)) < 0)
			return rc;
	while ((rc = feed_on(f, e)) == 0 && f->batch);
	if (rc < 0 && !f->tagged && f->side == LEFT) {
		join_stop(p->j, f->base, e);
		rc = 0;
	}
	return rc < 0 ? rc : regroup_seal(to, e);
}

/* Tags of rows of a build; numbers are those of the rows in their order if there are no others. */
static int build_tags(const struct build *b, const uint32_t *rows, struct feed *f, struct err *e)
{
	int64_t *numbers = arena_array(&f->arena, int64_t, (size_t)f->n), *places = arena_array(&f->arena, int64_t, (size_t)f->n);

	if (!numbers || !places)
		return err_oom(e);
	for (int64_t i = 0; i < f->n; i++) {
		uint8_t *row = build_row(b, rows[i]);

		numbers[i] = build_is_numbered(b) ? row_number(row) : f->base + i;
		places[i] = b->j->opts.expect ? *row_place(row) : 0;
	}
	f->numbers = numbers;
	f->places = places;
	return build_keys(b, rows, f->n, &f->arena, &f->keys[0], e);
}

/* The next rows of a build, at most `most`, as the batch of a feed; f->n = 0: no more. */
static int build_batch(struct build *b, struct build_at *at, int64_t most, struct feed *f, struct err *e)
{
	uint32_t *rows;
	int rc;

	batch_unref(f->batch);
	f->batch = NULL;
	arena_reset(&f->arena);
	f->base += f->n;
	f->n = 0;
	rows = arena_alloc(&f->arena, (size_t)most * sizeof *rows);
	if (!rows)
		return err_oom(e);
	while (f->n < most && build_each(b, at, &rows[f->n]))
		f->n++;
	if (!f->n || (rc = build_tags(b, rows, f, e)) < 0)
		return f->n ? rc : 0;
	return build_payload(b, rows, f->n, &f->batch, e);
}

/* The rows of a build that has become too large, those of each key in their order. */
static int put_build(struct parts *p, struct regroup *to, struct build *b, int level, struct err *e)
{
	struct feed f;
	struct build_at at = { 0 };
	int64_t step = rows_per_batch(b->data, b->n, 0);
	int rc = feed_open(&f, p->j, RIGHT, true, NULL, e);

	while (rc == 0 && (rc = build_batch(b, &at, step, &f, e)) == 0 && f.n)
		rc = put_batch(p, to, &f, level, e);
	feed_close(&f);
	build_free(b);
	return rc;
}

static int join_part(struct parts *p, int level, struct regroup *right, struct regroup *left, int part, struct err *e);

struct cut {
	struct regroup side[2];
};

static int open_side(struct parts *p, struct regroup *r, enum join_side side, int n, struct err *e)
{
	int64_t share = p->j->opts.memory / FLUSH_SHARE / n;
	int rc = regroup_open(r, p->tagged[side], n, p->j->opts.tmpdir, e);

	r->pool = p->j->opts.threads > 1 ? p->j->pool : NULL;
	r->flush_bytes = share < LEAST_FLUSH ? LEAST_FLUSH : share < MOST_FLUSH ? share : MOST_FLUSH;
	return rc;
}

/* Cuts what is in the build, the rest of `right` and all of `left` into n parts, and joins them. */
static int cut(struct parts *p, int level, int n, struct build *b, struct feed *right, struct feed *left, struct err *e)
{
	struct cut *c = calloc(1, sizeof *c);
	int rc = c ? open_side(p, &c->side[RIGHT], RIGHT, n, e) : err_oom(e);

	if (rc == 0 && (rc = put_build(p, &c->side[RIGHT], b, level, e)) == 0 &&
	    (rc = put_all(p, &c->side[RIGHT], right, level, e)) == 0 &&
	    (rc = open_side(p, &c->side[LEFT], LEFT, n, e)) == 0)
		rc = put_all(p, &c->side[LEFT], left, level, e);
	for (int i = 0; i < n && rc == 0; i++)
		rc = join_part(p, level, &c->side[RIGHT], &c->side[LEFT], i, e);
	if (c) {
		regroup_close(&c->side[LEFT]);
		regroup_close(&c->side[RIGHT]);
	}
	free(c);
	return rc;
}

/* How many parts make `rows` rows fit, when as many as are in the build do: twice as many, for they are not of one size. */
static int enough_parts(const struct build *b, int64_t rows)
{
	int64_t n = 2 * (rows / b->n) + 2;

	return n < MOST_PARTS ? (int)n : MOST_PARTS;
}

/* At first, when nobody knows what is to come: as many as there is memory for. */
static int first_parts(const struct parts *p)
{
	int64_t n = p->j->opts.memory / PART_ROOM;

	return n < FEWEST_PARTS ? FEWEST_PARTS : n < MOST_PARTS ? (int)n : MOST_PARTS;
}

/* A part whose right side, of `rows` rows, does not fit: cut again, or block by block. */
static int large_part(struct parts *p, int level, int64_t rows, struct build *b, struct feed *right, struct spill *left, struct err *e)
{
	struct source *s;
	struct feed feed = { 0 };
	int rc;

	if ((rc = build_index(b, e)) < 0)
		return rc;
	if (level >= MAX_LEVEL || build_is_one_key(b))
		return all_blocks(p, b, right, true, left, e);
	if ((rc = spill_again(left, &s, e)) == 0 && (rc = feed_open(&feed, p->j, LEFT, true, s, e)) == 0)
		rc = cut(p, level + 1, enough_parts(b, rows), b, right, &feed, e);
	feed_close(&feed);
	return rc;
}

static int join_part(struct parts *p, int level, struct regroup *right, struct regroup *left, int part, struct err *e)
{
	struct spill *l = &left->parts[part];
	struct source *s = NULL;
	struct feed feed = { 0 };
	struct build b;
	bool full;
	int rc = regroup_read(right, part, &s, e);

	build_init(&b, p->j, true);
	if (rc == 0 && (l->rows || (s && join_wants_rest(p->j))) && (rc = feed_open(&feed, p->j, RIGHT, true, s, e)) == 0) {
		s = NULL;
		if ((rc = build_fill(&b, &feed, &full, e)) == 0)
			rc = full ? large_part(p, level, right->parts[part].rows, &b, &feed, l, e) : all_blocks(p, &b, &feed, false, l, e);
	}
	source_close(s);
	feed_close(&feed);
	build_free(&b);
	spill_close(l);
	return rc;
}

/* The whole. */

/* Rows of a left row with several keys cannot be cut by one. */
static int in_blocks(struct parts *p, struct build *b, struct feed *right, struct feed *left, struct err *e)
{
	struct regroup *r = calloc(1, sizeof *r);
	int rc = r ? regroup_open(r, p->tagged[LEFT], 1, p->j->opts.tmpdir, e) : err_oom(e);

	if (rc == 0 && (rc = put_all(p, r, left, 0, e)) == 0)
		rc = all_blocks(p, b, right, true, &r->parts[0], e);
	if (r)
		regroup_close(r);
	free(r);
	return rc;
}

/* Without the tags; *stop: from some row on an error comes instead. */
static int without_tags(struct parts *p, struct batch *b, bool *stop, struct batch **ret, struct err *e)
{
	const struct column *l = &b->cols[p->j->tagged_out->nfields - 2];
	int64_t n = 0;

	*stop = false;
	if (p->j->lines.print) { /* nothing was read beyond the error */
		*ret = batch_ref(b);
		return 0;
	}
	while (n < b->nrows && !(p->j->stopped && (column_is_null(l, n) || column_i64(l, n) >= p->j->stop_row)))
		n++;
	*stop = n < b->nrows;
	return n ? join_untag(p->j, b, n, ret, e) : 0;
}

static int parts_next(struct source *s, struct batch **ret, struct err *e)
{
	struct parts *p = (struct parts *)s;
	cleanup_batch struct batch *b = NULL;
	bool stop = false;
	int rc = p->merged ? source_next(p->merged, &b, e) : 0;

	if (rc < 0 || (b && (rc = without_tags(p, b, &stop, ret, e)) < 0))
		return rc;
	if (*ret && stop) { /* the error comes with the next call */
		source_close(p->merged);
		p->merged = NULL;
	}
	if (*ret || !p->j->stopped)
		return 0;
	*e = p->j->failure;
	return -e->status;
}

/* All results, in the order of the join. */
static int merge_all(struct parts *p, struct err *e)
{
	bool lines = p->j->lines.print;
	const struct schema *s = lines ? p->j->out : p->j->tagged_out;
	struct row_form form = { .schema = s, .lines = lines, .batch_rows = out_rows(p, 0) };
	struct rowstream *merged;
	int rc = collapse(p, 0, e);

	if (rc == 0)
		rc = merge_outs(p, 0, &form, form.batch_rows, &merged, e);
	return rc < 0 ? rc : rowstream_source(merged, s, -1, &p->merged, e);
}

static int join_all(struct parts *p, struct build *b, struct feed *right, struct feed *left, struct err *e)
{
	const struct join *j = p->j;
	int rc;

	if ((rc = feed_tagged_schema(j, LEFT, &p->tagged[LEFT], e)) < 0 || (rc = feed_tagged_schema(j, RIGHT, &p->tagged[RIGHT], e)) < 0)
		return rc;
	rc = j->opts.any ? in_blocks(p, b, right, left, e) : cut(p, 0, first_parts(p), b, right, left, e);
	build_free(b);
	return rc == 0 && p->nouts ? merge_all(p, e) : rc;
}

int parts_open(struct join *j, struct build *b, struct feed *right, struct feed *left, struct source **ret, struct err *e)
{
	struct parts *p = calloc(1, sizeof *p);
	int rc;

	if (!p)
		return err_oom(e);
	p->j = j;
	p->source = (struct source){ schema_ref(j->out), parts_next, parts_close, NULL };
	if ((rc = join_all(p, b, right, left, e)) < 0) {
		parts_close(&p->source);
		return rc;
	}
	*ret = &p->source;
	return 0;
}
