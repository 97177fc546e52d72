/* As-of join: both sides in the order of (keys, time), sorted here unless they claim it already; then they are read side by side. For
 * the left row at hand the right side stands behind the rows that are not after it (forward: at the first that is not before), so the
 * last row passed and the next one are the candidates. Left rows that were sorted carry their number, and sorting the result by it
 * gives the left's order back. Memory is that of three sorts.
 * Invariant: `last` is the last right row with a time that was passed, whatever its key. */
#include "lib/op/joinwork.h"
#include "lib/op/sorter.h"

#include <math.h>
#include <stdlib.h>

/* A field as numbers with a distance: times are microseconds. */
struct values {
	struct arena arena;
	struct times times;
	struct numbers nums;
};

struct point {
	struct dec value;
	double special;          /* nan or an infinity; 0: `value` holds */
};

struct candidate {
	bool any;
	struct rowref ref;       /* in the group's batches */
	struct str group;        /* encoded keys */
	struct point point;      /* in `last_pool` */
};

struct asof {
	struct source source;
	struct join *j;
	struct join_asof o;
	enum key_reading reading;
	struct feed feed[2];
	struct order order[2];
	struct keys groups[2];     /* encoded keys of both batches */
	struct values values[2];
	struct group group;        /* keeps right batches, notes pairs */
	struct candidate last;
	struct buf last_group;     /* when its batch has gone */
	struct decpool pool, last_pool;
	struct dec tolerance;
	struct decpool tolerance_pool;
	bool right_done;
	int64_t row;
};

static void values_free(struct values *v)
{
	numbers_free(&v->nums);
	arena_free(&v->arena);
}

static void asof_close(struct source *s)
{
	struct asof *a = (struct asof *)s;

	for (int i = 0; i < 2; i++) {
		feed_close(&a->feed[i]);
		order_free(&a->order[i]);
		values_free(&a->values[i]);
	}
	group_close(&a->group);
	buf_free(&a->last_group);
	decpool_free(&a->pool);
	decpool_free(&a->last_pool);
	decpool_free(&a->tolerance_pool);
	schema_unref(s->schema);
	free(a);
}

static bool needs_distance(const struct asof *a)
{
	return a->o.direction == ASOF_NEAREST || a->o.tolerance.n;
}

/* Batches. */

static int read_values(struct asof *a, enum join_side side, struct err *e)
{
	struct bad_values bad = bad_values_of(BAD_NULL);
	const struct batch *b = a->feed[side].raw;
	int col = a->j->on[side].parts[a->j->on[side].n - 1].col;
	struct values *v = &a->values[side];

	numbers_free(&v->nums);
	v->nums = (struct numbers){ 0 };
	arena_reset(&v->arena);
	if (!needs_distance(a))
		return 0;
	if (a->reading == KEY_TIME)
		return read_times(b, col, NULL, b->nrows, &bad, &v->arena, &v->times, e);
	return read_numbers(b, col, NULL, b->nrows, &bad, &v->arena, &v->nums, e);
}

/* The next batch with its groups and values. */
static int load(struct asof *a, enum join_side side, struct err *e)
{
	struct bad_values bad = bad_values_of(BAD_NULL);
	struct feed *f = &a->feed[side];
	int rc;

	if (f->failed) {
		*e = f->failure;
		return -e->status;
	}
	if ((rc = feed_next(f, e)) < 0 || !f->batch)
		return rc;
	if (a->j->key[side].n && (rc = keys_encode(&a->j->key[side], f->raw, &bad, &f->arena, &a->groups[side], e)) < 0)
		return rc;
	return read_values(a, side, e);
}

static struct str group_at(const struct asof *a, enum join_side side, int64_t i)
{
	return a->j->key[side].n ? keys_at(&a->groups[side], i) : (struct str){ "", 0 };
}

static int point_at(struct asof *a, enum join_side side, int64_t i, struct decpool *pool, struct point *ret, struct err *e)
{
	const struct numbers *n = &a->values[side].nums;
	struct dec d;

	*ret = (struct point){ 0 };
	if (a->reading == KEY_TIME) {
		ret->value = dec_from_i64(a->values[side].times.us[i]);
		return 0;
	}
	if (numbers_dec(n, i, &d))
		return dec_copy(d, &n->pool, pool, &ret->value) ? err_oom(e) : 0;
	if (!isfinite(n->f64[i]))
		ret->special = n->f64[i];
	else if (dec_from_f64(n->f64[i], pool, &ret->value))
		return err_oom(e);
	return 0;
}

/* The right side. */

static uint32_t current(const struct asof *a)
{
	return a->group.nheld - 1;
}

/* What is needed of the candidate when its batch is left behind. */
static int keep_last(struct asof *a, struct err *e)
{
	a->last_group.n = 0;
	if (a->last.any && buf_str(&a->last_group, a->last.group))
		return err_oom(e);
	a->last.group = buf_view(&a->last_group);
	return 0;
}

/* Lets batches go that neither pairs nor the candidate need. */
static void release(struct asof *a)
{
	uint32_t before = a->group.nheld;

	a->group.first = a->last.any ? a->last.ref.batch : before ? current(a) : 0;
	if (a->group.npairs)
		return;
	group_release(&a->group);
	a->last.ref.batch -= a->last.any ? before - a->group.nheld : 0;
}

/* Makes the right row at `at` present, or right_done. */
static int ready_right(struct asof *a, struct err *e)
{
	struct feed *f = &a->feed[RIGHT];
	int rc;

	while (!a->right_done && (!f->batch || f->at == f->n)) {
		if ((rc = keep_last(a, e)) < 0 || (rc = load(a, RIGHT, e)) < 0)
			return rc;
		a->right_done = !f->batch;
		if (!f->batch)
			return 0;
		release(a);
		if ((rc = group_hold(&a->group, f->batch, e)) < 0)
			return rc;
	}
	return 0;
}

/* The row at hand becomes the last one passed. */
static int pass(struct asof *a, struct err *e)
{
	struct feed *f = &a->feed[RIGHT];
	int64_t i = f->at++;

	if (feed_null(f, 0, i) || feed_skipped(f, i))
		return 0;
	a->last.any = true;
	a->last.ref = (struct rowref){ current(a), (uint32_t)i };
	a->last.group = group_at(a, RIGHT, i);
	if (!needs_distance(a))
		return 0;
	decpool_reset(&a->last_pool);
	return point_at(a, RIGHT, i, &a->last_pool, &a->last.point, e);
}

static int seek(struct asof *a, struct str key, struct err *e)
{
	struct feed *f = &a->feed[RIGHT];
	bool equal = a->o.direction != ASOF_FORWARD;
	int rc;

	for (;;) {
		int c;

		if ((rc = ready_right(a, e)) < 0 || a->right_done)
			return rc;
		c = str_cmp(keys_at(&f->keys[0], f->at), key);
		if (c > 0 || (c == 0 && !equal))
			return 0;
		if ((rc = pass(a, e)) < 0)
			return rc;
	}
}

/* Candidates. */

/* |x - y|, both in a->pool. Equal infinities, and two nans, are at the same place; *far: nobody can say how far any others are. */
static int distance(struct asof *a, struct point x, struct point y, struct dec *ret, bool *far, struct err *e)
{
	int rc;

	*ret = (struct dec){ 0 };
	*far = false;
	if (x.special != 0 || y.special != 0) {
		*far = x.special != y.special && !(isnan(x.special) && isnan(y.special));
		return 0;
	}
	rc = dec_cmp(x.value, y.value, &a->pool) < 0 ? dec_sub(y.value, x.value, &a->pool, ret) : dec_sub(x.value, y.value, &a->pool, ret);
	return rc ? err_oom(e) : 0;
}

/* The right row that is before (or at) the left row's time; the one after it. */
static bool before(const struct asof *a, struct str group, struct rowref *ret)
{
	*ret = a->last.ref;
	return a->o.direction != ASOF_FORWARD && a->last.any && str_eq(a->last.group, group);
}

static bool after(const struct asof *a, struct str group, struct rowref *ret)
{
	const struct feed *f = &a->feed[RIGHT];

	if (a->o.direction == ASOF_BACKWARD || a->right_done || feed_null(f, 0, f->at))
		return false;
	*ret = (struct rowref){ current(a), (uint32_t)f->at };
	return str_eq(group_at(a, RIGHT, f->at), group);
}

/* How far candidate `which` (0: before) is from left row i; *far: farther than wanted, or nobody knows. */
static int measure(struct asof *a, int which, int64_t i, struct dec *ret, bool *far, struct err *e)
{
	struct point x, y = a->last.point;
	struct dec limit;
	int rc = point_at(a, LEFT, i, &a->pool, &x, e);

	if (rc < 0)
		return rc;
	if (which)
		rc = point_at(a, RIGHT, a->feed[RIGHT].at, &a->pool, &y, e);
	else if (dec_copy(a->last.point.value, &a->last_pool, &a->pool, &y.value))
		rc = err_oom(e);
	if (rc < 0 || (rc = distance(a, x, y, ret, far, e)) < 0 || *far || !a->o.tolerance.n)
		return rc;
	if (dec_copy(a->tolerance, &a->tolerance_pool, &a->pool, &limit))
		return err_oom(e);
	*far = dec_cmp(*ret, limit, &a->pool) > 0;
	return 0;
}

/* The right row for left row i. */
static int choose(struct asof *a, int64_t i, bool *found, struct rowref *ret, struct err *e)
{
	struct rowref ref[2];
	struct dec d[2];
	struct str group = group_at(a, LEFT, i);
	bool there[2] = { before(a, group, &ref[0]), after(a, group, &ref[1]) }, far;
	int rc = 0;

	decpool_reset(&a->pool);
	for (int k = 0; k < 2 && needs_distance(a) && rc == 0; k++)
		if (there[k] && (rc = measure(a, k, i, &d[k], &far, e)) == 0)
			there[k] = !far;
	if (rc < 0)
		return rc;
	*found = there[0] || there[1];
	*ret = !there[0] || (there[1] && dec_cmp(d[1], d[0], &a->pool) < 0) ? ref[1] : ref[0];
	return 0;
}

static int one_row(struct asof *a, struct err *e)
{
	struct feed *left = &a->feed[LEFT];
	enum join_kind kind = a->j->opts.kind;
	int64_t i = a->row;
	struct rowref ref = { 0, ROW_NULL };
	bool found = false;
	int rc;

	if (feed_skipped(left, i))
		return 0;
	if (!feed_null(left, 0, i) && ((rc = seek(a, keys_at(&left->keys[0], i), e)) < 0 || (rc = choose(a, i, &found, &ref, e)) < 0))
		return rc;
	if (kind == JOIN_SEMI || kind == JOIN_ANTI ? found != (kind == JOIN_SEMI) : !found && kind == JOIN_INNER)
		return 0;
	if (found && kind != JOIN_SEMI)
		group_note(&a->group, i, ref);
	else
		group_note_none(&a->group, i);
	return 0;
}

/* The whole. */

static int flush(struct asof *a, struct batch **ret, struct err *e)
{
	uint32_t before_it = a->group.nheld;
	int rc;

	a->group.first = a->last.any ? a->last.ref.batch : before_it ? current(a) : 0;
	rc = group_flush(&a->group, a->feed[LEFT].batch, ret, e);
	a->last.ref.batch -= a->last.any ? before_it - a->group.nheld : 0;
	return rc;
}

static int asof_next(struct source *s, struct batch **ret, struct err *e)
{
	struct asof *a = (struct asof *)s;
	struct feed *left = &a->feed[LEFT];
	int rc;

	for (;;) {
		for (; left->batch && a->row < left->n; a->row++) {
			if (group_is_full(&a->group))
				return flush(a, ret, e);
			if ((rc = one_row(a, e)) < 0)
				return rc;
		}
		if (a->group.npairs)
			return flush(a, ret, e);
		a->row = 0;
		if ((rc = load(a, LEFT, e)) < 0)
			return rc;
		if (!left->batch)
			break;
	}
	while (!a->right_done) { /* its end must be there */
		a->feed[RIGHT].at = a->feed[RIGHT].n;
		if ((rc = ready_right(a, e)) < 0)
			return rc;
	}
	return 0;
}

/* Left rows with their numbers as a last column, and at the end without them again. */

struct numbered {
	struct source source;
	struct source *from;
	struct join *j;
	int64_t row;
};

static void numbered_close(struct source *s)
{
	source_close(((struct numbered *)s)->from);
	schema_unref(s->schema);
	free(s);
}

static int numbered_next(struct source *s, struct batch **ret, struct err *e)
{
	struct numbered *n = (struct numbered *)s;
	cleanup_batch struct batch *b = NULL;
	int rc = source_next(n->from, &b, e), last = s->schema->nfields - 1;
	struct batch *out;
	int64_t *v;

	if (rc < 0 || !b)
		return rc;
	out = batch_new(s->schema, b->nrows);
	v = out ? arena_array(&out->arena, int64_t, (size_t)b->nrows + 8) : NULL;
	if (!v) {
		batch_unref(out);
		return err_oom(e);
	}
	for (int i = 0; i < last; i++) {
		out->cols[i] = b->cols[i];
		out->cols[i].type = &s->schema->fields[i].type;
	}
	for (int64_t i = 0; i < b->nrows; i++)
		v[i] = n->row++;
	out->cols[last] = (struct column){ .type = &s->schema->fields[last].type, .length = b->nrows, .values = (const uint8_t *)v };
	out->origin = b->origin;
	batch_keep(out, b);
	*ret = out;
	return 0;
}

static int plain_next(struct source *s, struct batch **ret, struct err *e)
{
	struct numbered *n = (struct numbered *)s;
	cleanup_batch struct batch *b = NULL;
	int rc = source_next(n->from, &b, e);

	return rc < 0 || !b ? rc : join_untag(n->j, b, b->nrows, ret, e);
}

/* Takes `from` and `schema`, also when it fails. */
static int stage(struct join *j, struct source *from, struct schema *schema,
		 int (*next)(struct source *s, struct batch **ret, struct err *e), struct source **ret, struct err *e)
{
	struct numbered *n = schema ? calloc(1, sizeof *n) : NULL;

	if (!n) {
		source_close(from);
		schema_unref(schema);
		return err_oom(e);
	}
	*n = (struct numbered){ .source = { schema, next, numbered_close, NULL }, .from = from, .j = j };
	*ret = &n->source;
	return 0;
}

static struct schema *with_number(const struct schema *from)
{
	struct schema *s = NULL;
	struct err e;

	if (schema_copy(from, &s, &e) == 0 && schema_add(s, STR(":row"), &TYPE_INT64, false, &e) == 0)
		return s;
	schema_unref(s);
	return NULL;
}

/* Takes `from`, also when it fails. */
static int sorted_by(const struct join *j, struct source *from, const struct key *k, struct source **ret, struct err *e)
{
	cleanup_arena struct arena a = { 0 };
	struct key_spec spec = { k->n, arena_array(&a, struct key_part, (size_t)k->n) };
	struct sort_opts o = { .key = &spec, .on_bad = j->opts.on_bad, .limit = -1, .memory = j->opts.memory / 4,
			       .tmpdir = j->opts.tmpdir, .threads = j->opts.threads };

	if (!spec.parts) {
		source_close(from);
		return err_oom(e);
	}
	for (int i = 0; i < k->n; i++)
		spec.parts[i] = (struct key_part){ .at = k->parts[i].col + 1, .reading = k->parts[i].reading };
	return sort_open(from, &o, ret, e);
}

static int open_sides(struct asof *a, struct source *left, struct source *right, bool *numbered, struct err *e)
{
	struct join *j = a->j;
	int rc = is_claimed(right->schema, &j->on[RIGHT]) ? 0 : sorted_by(j, right, &j->on[RIGHT], &right, e);

	if (rc < 0) {
		source_close(left);
		return rc;
	}
	*numbered = !is_claimed(left->schema, &j->on[LEFT]);
	if (*numbered && (rc = stage(j, left, with_number(left->schema), numbered_next, &left, e)) == 0)
		rc = sorted_by(j, left, &j->on[LEFT], &left, e);
	if (rc < 0) {
		source_close(right);
		return rc;
	}
	if ((rc = feed_open(&a->feed[LEFT], j, LEFT, false, left, e)) < 0) {
		source_close(right);
		return rc;
	}
	return feed_open(&a->feed[RIGHT], j, RIGHT, false, right, e);
}

int asof_tolerance(const struct join_asof *o, enum key_reading reading, struct decpool *p, struct dec *ret, struct err *e)
{
	if (!o->tolerance.n)
		return 0;
	if (reading == KEY_TIME) {
		*ret = dec_from_i64(o->tolerance_us);
		return o->tolerance_us >= 0 ? 0 :
			err_set(e, ST_USAGE, "--asof: \"%.*s\" is not a duration like 10s, 5m, 1d", STR_ARG(o->tolerance));
	}
	if (dec_parse(o->tolerance, p, ret) != DEC_OK)
		return err_set(e, ST_USAGE, "--asof: the field is read as numbers, and \"%.*s\" is not one", STR_ARG(o->tolerance));
	if (dec_cmp(*ret, dec_from_i64(0), p) < 0)
		return err_set(e, ST_USAGE, "--asof: a tolerance is 0 or more, not \"%.*s\"", STR_ARG(o->tolerance));
	return 0;
}

static int open_scan(struct join *j, struct source *left, struct source *right, struct source **ret, bool *numbered, struct err *e)
{
	struct asof *a = calloc(1, sizeof *a);
	int rc;

	if (!a) {
		source_close(left);
		source_close(right);
		return err_oom(e);
	}
	a->j = j;
	a->o = *j->opts.asof;
	a->reading = j->on[LEFT].parts[j->on[LEFT].n - 1].reading;
	a->source = (struct source){ schema_ref(j->out), asof_next, asof_close, NULL };
	if ((rc = open_sides(a, left, right, numbered, e)) == 0 &&
	    (rc = asof_tolerance(&a->o, a->reading, &a->tolerance_pool, &a->tolerance, e)) == 0)
		rc = group_open(&a->group, j, e);
	if (rc < 0) {
		asof_close(&a->source);
		return rc;
	}
	a->feed[LEFT].order = &a->order[LEFT];
	a->feed[RIGHT].order = &a->order[RIGHT];
	a->group.number_col = *numbered ? j->nleft : -1;
	if (*numbered) {
		schema_unref(a->source.schema);
		a->source.schema = schema_ref(j->tagged_out);
	}
	*ret = &a->source;
	return 0;
}

int asof_open(struct join *j, struct source *left, struct source *right, struct source **ret, struct err *e)
{
	struct key_bound number = { .col = j->nleft + j->nright };
	struct key by_number = { .n = 1, .parts = &number };
	struct source *s;
	bool numbered = false;
	int rc = open_scan(j, left, right, &s, &numbered, e);

	if (rc < 0)
		return rc;
	if (numbered && ((rc = sorted_by(j, s, &by_number, &s, e)) < 0 ||
			 (rc = stage(j, s, schema_ref(j->out), plain_next, &s, e)) < 0))
		return rc;
	*ret = s;
	return 0;
}
