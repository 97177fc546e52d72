/* pNN~, quartiles~: percentiles, about: DDSketch (C. Masson, J. E. Rim, H. K. Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
 * relative-error guarantees", 2019) with the linear mapping to bins and uniform collapsing (I. Epicoco and others, "UDDSketch", 2020).
 *
 * A bin is the sign, the exponent and the upper 7 bits of the mantissa of a double: 128 bins a power of two, so that the harmonic
 * middle of a bin is within 1/257 of all its values; it is rounded to 5 digits. No logarithm is taken. When a group has more than MAX_BINS bins in use, bins
 * 2k and 2k + 1 become one until it has not; how often is a property of the values, whatever their order, so any cut gives the same
 * sketch. The answer is the value of rank floor(p (n - 1)), kept within the exact minimum and maximum; nan is last.
 *
 * State columns: how often bins were joined, the smallest and the largest value, bins and counts (bins.h). */
#include "lib/agg/bins.h"
#include "lib/agg/decsum.h"
#include "lib/agg/quantile.h"

#include <math.h>

#define MANTISSA_BITS 7
#define DROPPED (52 - MANTISSA_BITS)
#define MAX_BINS 4096
#define MAX_SHIFT (62 - DROPPED)

static const char *const states[] = { "ddsketch7" };

struct state {
	struct bins bins;
	int64_t shift;
	double min, max; /* once there is an ordinary bin */
};

struct sketch_more {
	int n; /* results */
	struct probability p[3];
};

static const char *const quartile_names[] = { "25", "50", "75" };

static int add_percentile(struct agg *a, struct str percent, struct str name, struct err *e)
{
	static const char error[] = "relative error 0.4 %; doubled whenever values fill more than 4096 bins, 128 to a power of two";
	struct sketch_more *more = a->more;
	int rc = probability_read(a, percent, true, &more->p[more->n++], e);

	if (rc < 0 || (rc = agg_add_result(a, name, TYPE_FLOAT64, true, e)) < 0)
		return rc;
	a->results[a->nresult - 1].error = error;
	return 0;
}

static int add_percentiles(struct agg *a, struct err *e)
{
	struct str func = a->spec.func, name;
	int rc = 0;

	if (a->family == &agg_pnn_sketch)
		return add_percentile(a, (struct str){ func.p + 1, func.n - 2 }, a->spec.out, e);
	for (int i = 0; i < 3 && rc == 0; i++) {
		name = str_of(arena_printf(&a->arena, "%.*s_p%s", STR_ARG(a->spec.out), quartile_names[i]));
		rc = name.p ? add_percentile(a, str_of(quartile_names[i]), name, e) : err_oom(e);
	}
	return rc;
}

static int sketch_bind(struct agg *a, bool merge, struct err *e)
{
	int rc = merge ? agg_state_kind(a, states, 1, e) : 0;

	if (rc < 0)
		return rc;
	if (!merge && (rc = agg_check_numbers(a, 0, e)) < 0)
		return rc;
	a->need[0] = AGG_NUMBERS;
	if ((rc = add_percentiles(a, e)) < 0 || (rc = agg_add_state(a, states[0], TYPE_INT64, false, e)) < 0 ||
	    (rc = agg_add_state(a, "min", TYPE_FLOAT64, true, e)) < 0 || (rc = agg_add_state(a, "max", TYPE_FLOAT64, true, e)) < 0)
		return rc;
	return bins_add_states(a, "bins", e);
}

/* ---- bins ---- */

static int64_t bin_of(double v)
{
	int64_t bits;

	if (isnan(v))
		return BIN_NAN;
	if (isinf(v))
		return v > 0 ? BIN_INF : BIN_NEG_INF;
	v += 0.0; /* -0 is 0 */
	memcpy(&bits, &v, sizeof bits);
	return double_order(bits) >> DROPPED;
}

static double bin_edge(int64_t at, int64_t shift)
{
	const __int128 top = INT64_C(0x7fefffffffffffff); /* the largest double */
	__int128 order = (__int128)at * (INT64_C(1) << (DROPPED + shift));
	int64_t bits = double_order((int64_t)(order > top ? top : order < -top - 1 ? -top - 1 : order));
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

/* The value that is nearest, relatively, to all of a bin: 2 lo hi / (lo + hi), halved first where the sum would overflow. */
static double bin_middle(int64_t at, int64_t shift)
{
	double lo = bin_edge(at, shift), hi = bin_edge(at + 1, shift);

	if (lo == 0 || hi == 0)
		return 0;
	return lo * (hi / (lo * 0.5 + hi * 0.5));
}

static int64_t halve(int64_t at, int64_t times)
{
	return at >> times;
}

static void join_bins(struct state *s, int64_t times)
{
	bins_map(&s->bins, halve, times);
	s->shift += times;
}

static void limit(struct state *s)
{
	while (s->bins.n > MAX_BINS && s->shift < MAX_SHIFT)
		join_bins(s, 1);
}

static void widen(struct state *s, double min, double max)
{
	uint32_t from, to;

	bins_finite(&s->bins, &from, &to);
	s->min = from == to || min < s->min ? min : s->min;
	s->max = from == to || max > s->max ? max : s->max;
}

static int put(struct agg *a, uint32_t g, double v)
{
	struct state *s = AGG_STATE(a, struct state, g);
	int64_t at = bin_of(v);

	if (!bin_is_special(at)) {
		widen(s, v + 0.0, v + 0.0);
		at >>= s->shift;
	}
	if (bins_add(&s->bins, at, 1, &a->heap))
		return -1;
	limit(s);
	return 0;
}

static int sketch_update(struct agg *a, const struct agg_batch *b, struct err *e)
{
	const struct numbers *nums = b->args[0].nums;

	if (nums->nulls == nums->n)
		return 0;
	for (int64_t i = 0; i < b->n; i++)
		if (b->ids[i] != NO_GROUP && (!nums->valid || bit_get(nums->valid, i)) &&
		    put(a, b->ids[i], numbers_f64(nums, i)))
			return err_oom(e);
	return 0;
}

/* ---- results ---- */

/* To 5 significant digits: more would only look exact. */
static double shorten(double v)
{
	struct decpool pool = { 0 };
	struct dec d;
	int exp;

	frexp(v, &exp);
	if (v != 0 && dec_from_f64(v, &pool, &d) == 0 && dec_round(d, 4 - (int)floor((exp - 1) * 0.30102999566398120), 'e', &pool, &d) == 0)
		v = dec_to_f64(d, &pool);
	decpool_free(&pool);
	return v;
}

static double value_at(const struct state *s, int64_t rank)
{
	double v;
	uint32_t i;

	for (i = 0; i + 1 < s->bins.n && rank >= s->bins.v[i].n; i++)
		rank -= s->bins.v[i].n;
	if (s->bins.v[i].at == BIN_NAN)
		return (double)NAN;
	if (bin_is_special(s->bins.v[i].at))
		return s->bins.v[i].at == BIN_INF ? HUGE_VAL : -HUGE_VAL;
	v = shorten(bin_middle(s->bins.v[i].at, s->shift));
	return v < s->min ? s->min : v > s->max ? s->max : v;
}

static int sketch_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	const struct sketch_more *more = a->more;
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		const struct state *s = AGG_STATE(a, struct state, g);
		int64_t total = bins_total(&s->bins);

		for (int i = 0; i < more->n && rc == 0; i++) {
			double v = total ? value_at(s, (int64_t)((__int128)(total - 1) * more->p[i].num / more->p[i].den)) : 0;

			rc = total ? builder_fixed(&out[i], &v, e) : builder_null(&out[i], 1, e);
		}
	}
	return rc;
}

/* ---- partial states ---- */

static int put_edge(const struct state *s, const double *v, struct builder *out, struct err *e)
{
	uint32_t from, to;

	bins_finite(&s->bins, &from, &to);
	return from == to ? builder_null(out, 1, e) : builder_fixed(out, v, e);
}

static int sketch_dump(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		const struct state *s = AGG_STATE(a, struct state, g);

		if ((rc = builder_fixed(&out[0], &s->shift, e)) == 0 && (rc = put_edge(s, &s->min, &out[1], e)) == 0 &&
		    (rc = put_edge(s, &s->max, &out[2], e)) == 0)
			rc = bins_dump(&s->bins, &out[3], e);
	}
	return rc;
}

static bool good_row(const struct column *cols, int64_t i, const int64_t *at, uint32_t n)
{
	uint32_t finite = 0;
	int64_t top;

	if (column_is_null(&cols[0], i) || column_i64(&cols[0], i) < 0 || column_i64(&cols[0], i) > MAX_SHIFT)
		return false;
	top = INT64_C(0x7ff) << MANTISSA_BITS >> column_i64(&cols[0], i);
	for (uint32_t k = 0; k < n; k++) {
		finite += !bin_is_special(at[k]);
		if (!bin_is_special(at[k]) && (at[k] > top || at[k] < -top - 1))
			return false;
	}
	if (column_is_null(&cols[1], i) || column_is_null(&cols[2], i))
		return !finite && column_is_null(&cols[1], i) && column_is_null(&cols[2], i);
	return finite && isfinite(column_f64(&cols[1], i)) && isfinite(column_f64(&cols[2], i)) &&
	       column_f64(&cols[1], i) <= column_f64(&cols[2], i);
}

/* 0, 1 when the state is damaged, -1 when out of memory. */
static int load_row(struct agg *a, const struct column *cols, int64_t i, uint32_t g)
{
	struct state *s = AGG_STATE(a, struct state, g);
	const int64_t *at, *count;
	uint32_t n;
	int64_t shift;

	if (!bins_state(&cols[3], i, &at, &count, &n) || !good_row(cols, i, at, n))
		return 1;
	if (!column_is_null(&cols[1], i))
		widen(s, column_f64(&cols[1], i), column_f64(&cols[2], i));
	shift = column_i64(&cols[0], i);
	if (shift > s->shift)
		join_bins(s, shift - s->shift);
	for (uint32_t k = 0; k < n; k++)
		if (bins_add(&s->bins, bin_is_special(at[k]) ? at[k] : at[k] >> (s->shift - shift), count[k], &a->heap))
			return -1;
	limit(s);
	return 0;
}

static int sketch_load(struct agg *a, const struct batch *b, const uint32_t *ids, struct err *e)
{
	const struct column *cols = &b->cols[a->state_col];

	if (a->state_col + 4 >= b->schema->nfields || cols[0].type->id != T_INT64 || cols[1].type->id != T_FLOAT64 ||
	    cols[2].type->id != T_FLOAT64 || !bins_are_states(&cols[3]))
		return agg_bad_state(a, b, 0, 0, e);
	for (int64_t i = 0; i < b->nrows; i++) {
		int rc = load_row(a, cols, i, ids[i]);

		if (rc)
			return rc < 0 ? err_oom(e) : agg_bad_state(a, b, i, 3, e);
	}
	return 0;
}

static void sketch_drop(struct agg *a)
{
	for (uint32_t g = 0; g < a->ngroups; g++)
		bins_free(&AGG_STATE(a, struct state, g)->bins);
}

#define SKETCH                                                                                                             \
	.min_fields = 1, .max_fields = 1, .size = sizeof(struct state), .more = sizeof(struct sketch_more),                 \
	.bind = sketch_bind, .update = sketch_update, .finish = sketch_finish, .dump = sketch_dump, .load = sketch_load,    \
	.drop = sketch_drop

const struct agg_family agg_pnn_sketch = {
	.name = "pNN~",
	.signature = "p95~:FIELD",
	.example = "p99~:price",
	.help = "percentile, about: that of n values in order at place (n - 1) p, rounded down; DDSketch, relative error 0.4 %, "
		"in 64 KiB a group at most",
	SKETCH,
};

const struct agg_family agg_quartiles_sketch = {
	.name = "quartiles~",
	.signature = "quartiles~:FIELD",
	.example = "quartiles~:price",
	.help = "p25~, p50~ and p75~ as three columns, OUT_p25, ...",
	SKETCH,
};
