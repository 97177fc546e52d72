/* hist: how many values fall into each of a row of equal bins; one JSON array of {"from", "to", "n"}.
 *
 * With a WIDTH bin i is [i WIDTH, (i + 1) WIDTH). Without one the group picks a round width at the end (1, 2 or 5 times a power of
 * ten, MAX_SHOWN bins at most). Until then it counts in bins of 10^k, where k is the smallest number that suits all values so far:
 * not below the last digit that any of them has, few enough bins between the smallest and the largest, bin numbers that fit. Coarser
 * bins are unions of finer ones, and k is a property of the set of values, so any order and any cut give the same counts. A double
 * counts as its shortest decimal. State columns: k, the digits behind the point, bins and counts (bins.h). */
#include "lib/agg/bins.h"
#include "lib/agg/decsum.h"
#include "lib/base/floor.h"

#include <math.h>

#define MAX_BINS 4096               /* from the first to the last, without a WIDTH */
#define MAX_SET 65536               /* in use, with one */
#define MAX_NUMBER 1000000000000000 /* of a bin, either sign */
#define MAX_SHOWN 20
#define MAX_FILLED 1000             /* empty bins are shown when there are no more than so many in all */
#define MAX_EXP 2100

static const char *const auto_states[] = { "hist" }, *const width_states[] = { "hist.width" };

struct state {
	struct bins bins;
	int32_t k, scale;
};

struct hist_more {
	struct decpool scratch;
	bool fixed;
	struct dec width; /* fixed */
	struct decpool width_digits;
};

static int read_width(struct agg *a, struct hist_more *more, struct err *e)
{
	more->fixed = a->spec.arg.n > 0;
	if (!more->fixed || (dec_parse(a->spec.arg, &more->width_digits, &more->width) == DEC_OK &&
			     dec_sign(more->width, &more->width_digits) > 0))
		return 0;
	return err_set(e, ST_USAGE, "-a %.*s: the width of a bin is a number above 0, not \"%.*s\"", STR_ARG(a->spec.text),
		       STR_ARG(a->spec.arg));
}

static int hist_bind(struct agg *a, bool merge, struct err *e)
{
	struct hist_more *more = a->more;
	const char *const *names;
	int rc = read_width(a, more, e);

	names = more->fixed ? width_states : auto_states;
	if (rc < 0 || (merge && (rc = agg_state_kind(a, names, 1, e)) < 0))
		return rc;
	if (!merge && (rc = agg_check_numbers(a, 0, e)) < 0)
		return rc;
	a->need[0] = AGG_NUMBERS;
	if ((rc = agg_add_result(a, a->spec.out, TYPE_JSON, false, e)) < 0 ||
	    (rc = agg_add_state(a, names[0], TYPE_INT64, false, e)) < 0 ||
	    (rc = agg_add_state(a, "scale", TYPE_INT64, false, e)) < 0)
		return rc;
	return bins_add_states(a, "bins", e);
}

/* ---- units ---- */

static int64_t coarser(int64_t at, int64_t tens)
{
	while (tens-- > 0 && at != 0 && at != -1)
		at = floor_div(at, 10);
	return at;
}

static int64_t finer(int64_t at, int64_t tens)
{
	while (tens-- > 0)
		at *= 10;
	return at;
}

/* Bin `at` of 10^from in units of 10^to. false: its number would be too large. */
static bool renumber(int64_t at, int32_t from, int32_t to, int64_t *ret)
{
	if (from <= to) {
		*ret = coarser(at, to - from);
		return *ret <= MAX_NUMBER && *ret >= -MAX_NUMBER;
	}
	for (int32_t i = to; i < from && at; i++) {
		if (at > MAX_NUMBER / 10 || at < -MAX_NUMBER / 10)
			return false;
		at *= 10;
	}
	*ret = at;
	return true;
}

/* The first and the last ordinary bin; false: there is none. */
static bool ends(const struct bins *b, int64_t *lo, int64_t *hi)
{
	uint32_t from, to;

	bins_finite(b, &from, &to);
	if (from == to)
		return false;
	*lo = b->v[from].at;
	*hi = b->v[to - 1].at;
	return true;
}

static bool suits(const struct state *s, int32_t k, int64_t *lo, int64_t *hi)
{
	if (!ends(&s->bins, lo, hi)) {
		*lo = INT64_MAX;
		*hi = INT64_MIN;
		return true;
	}
	return renumber(*lo, s->k, k, lo) && renumber(*hi, s->k, k, hi) && *hi - *lo < MAX_BINS;
}

static void change_unit(struct state *s, int32_t k)
{
	if (k > s->k)
		bins_map(&s->bins, coarser, k - s->k);
	else if (k < s->k)
		bins_map(&s->bins, finer, s->k - k);
	s->k = k;
}

/* Values with more digits come. What has been counted in units of its own last digit can be counted in finer ones. */
static void refine(struct state *s, int32_t scale)
{
	int32_t k = -scale;
	int64_t lo, hi;

	if (scale <= s->scale)
		return;
	if (s->k == -s->scale) {
		while (!suits(s, k, &lo, &hi))
			k++;
		change_unit(s, k);
	}
	s->scale = scale;
}

/* ---- counting ---- */

static int width_of(int32_t k, struct decpool *p, struct dec *ret)
{
	mpz_t ten;
	int rc;

	*ret = (struct dec){ .m = 1, .scale = k < 0 ? -k : 0 };
	if (k <= 0)
		return 0;
	mpz_init(ten);
	mpz_ui_pow_ui(ten, 10, (unsigned long)k);
	rc = dec_from_mpz(ten, 0, p, ret);
	mpz_clear(ten);
	return rc;
}

/* The number of the bin of d; 1: it is too large; -1: memory. */
static int number_of(struct dec d, struct dec width, struct decpool *p, int64_t *ret)
{
	struct dec q, r;

	if (dec_divmod(d, width, p, &q, &r))
		return -1;
	return !dec_is_int64(q, p, ret) || *ret > MAX_NUMBER || *ret < -MAX_NUMBER;
}

static int count_auto(struct state *s, struct dec d, struct hist_more *more, size_t *heap)
{
	int64_t at, lo, hi;
	struct dec width;
	int rc;

	refine(s, d.scale);
	for (int32_t k = s->k;; k++) {
		if (width_of(k, &more->scratch, &width) || (rc = number_of(d, width, &more->scratch, &at)) < 0)
			return -1;
		if (rc || !suits(s, k, &lo, &hi) || (at > lo ? at : lo) - lo >= MAX_BINS || (at < hi ? hi - at : 0) >= MAX_BINS)
			continue;
		change_unit(s, k);
		return bins_add(&s->bins, at, 1, heap);
	}
}

static int count_fixed(struct agg *a, struct state *s, struct dec d, struct err *e)
{
	struct hist_more *more = a->more;
	struct dec width;
	int64_t at;
	int rc;

	if (dec_copy(more->width, &more->width_digits, &more->scratch, &width))
		return err_oom(e);
	rc = number_of(d, width, &more->scratch, &at);
	if (rc == 0 && (rc = bins_add(&s->bins, at, 1, &a->heap)) == 0)
		rc = s->bins.n > MAX_SET;
	if (rc <= 0)
		return rc ? err_oom(e) : 0;
	return err_set(e, ST_DATA, "-a %.*s: more than %d bins, or one too far from 0: a larger width is needed", STR_ARG(a->spec.text),
		       MAX_SET);
}

/* The value of row i with its digits in the scratch pool; false and a bin for those without. */
static int read_value(const struct numbers *nums, int64_t i, struct decpool *p, struct dec *ret, int64_t *special)
{
	static const int64_t names[] = { [SP_NAN] = BIN_NAN, [SP_INF] = BIN_INF, [SP_NEG_INF] = BIN_NEG_INF };
	bool is_f64 = nums->kind == NUMS_F64 || (nums->special && nums->special[i]);
	char text[32];
	struct dec d = { 0 };

	*special = is_f64 && special_of(nums->f64[i]) ? names[special_of(nums->f64[i])] : 0;
	if (*special) {
		*ret = d;
		return 0;
	}
	if (is_f64)
		return dec_parse((struct str){ text, num_print_f64(nums->f64[i], text) }, p, ret) == DEC_OK ? 0 : -1;
	d = nums->kind == NUMS_I64 ? (struct dec){ .m = nums->i64[i] } : nums->dec[i];
	return dec_copy(d, &nums->pool, p, ret);
}

static int count_row(struct agg *a, uint32_t g, const struct numbers *nums, int64_t i, struct err *e)
{
	struct state *s = AGG_STATE(a, struct state, g);
	struct hist_more *more = a->more;
	int64_t special;
	struct dec d;
	int rc;

	decpool_reset(&more->scratch);
	if (read_value(nums, i, &more->scratch, &d, &special))
		return err_oom(e);
	if (special)
		rc = bins_add(&s->bins, special, 1, &a->heap);
	else if (more->fixed)
		return count_fixed(a, s, d, e);
	else
		rc = count_auto(s, d, more, &a->heap);
	return rc ? err_oom(e) : 0;
}

static int hist_update(struct agg *a, const struct agg_batch *b, struct err *e)
{
	const struct numbers *nums = b->args[0].nums;
	int rc = 0;

	if (nums->nulls == nums->n)
		return 0;
	for (int64_t i = 0; i < b->n && rc == 0; i++)
		if (b->ids[i] != NO_GROUP && (!nums->valid || bit_get(nums->valid, i)))
			rc = count_row(a, b->ids[i], nums, i, e);
	return rc;
}

/* ---- results ---- */

/* The smallest of 1, 2, 5, 10, 20, ... bins that go into one that is shown. */
static int64_t group_bins(int64_t lo, int64_t hi)
{
	for (int64_t ten = 1;; ten *= 10)
		for (int64_t m = 1; m <= 5; m += m == 1 ? 1 : 3)
			if (floor_div(hi, ten * m) - floor_div(lo, ten * m) < MAX_SHOWN)
				return ten * m;
}

static int put_edge(struct agg *a, const struct state *s, int64_t at, struct buf *b)
{
	struct hist_more *more = a->more;
	struct dec width = more->width, v;

	if (more->fixed ? dec_copy(more->width, &more->width_digits, &more->scratch, &width) : width_of(s->k, &more->scratch, &width))
		return -1;
	if (dec_mul(dec_from_i64(at), width, &more->scratch, &v))
		return -1;
	return dec_canonical(v, &more->scratch, b);
}

static int put_bin(struct agg *a, const struct state *s, int64_t from, int64_t to, int64_t n, struct buf *b)
{
	struct hist_more *more = a->more;

	decpool_reset(&more->scratch);
	if (buf_puts(b, b->n > 1 ? ",{\"from\":" : "{\"from\":") || put_edge(a, s, from, b) || buf_puts(b, ",\"to\":") ||
	    put_edge(a, s, to, b))
		return -1;
	return buf_printf(b, ",\"n\":%lld}", (long long)n);
}

static int put_special(const struct bins *bins, int64_t at, const char *name, struct buf *b)
{
	for (uint32_t i = 0; i < bins->n; i++)
		if (bins->v[i].at == at)
			return buf_printf(b, "%s{\"from\":\"%s\",\"to\":\"%s\",\"n\":%lld}", b->n > 1 ? "," : "", name, name,
					  (long long)bins->v[i].n);
	return 0;
}

/* Bins of `unit` of ours each; empty ones too unless there are too many. */
static int put_bins(struct agg *a, const struct state *s, int64_t unit, struct buf *b)
{
	int64_t lo, hi;
	uint32_t i, to;
	bool fill;

	if (!ends(&s->bins, &lo, &hi))
		return 0;
	fill = floor_div(hi, unit) - floor_div(lo, unit) < MAX_FILLED;
	bins_finite(&s->bins, &i, &to);
	for (int64_t at = floor_div(lo, unit); i < to; at++) {
		int64_t n = 0;

		if (!fill)
			at = floor_div(s->bins.v[i].at, unit);
		for (; i < to && floor_div(s->bins.v[i].at, unit) == at; i++)
			n += s->bins.v[i].n;
		if (put_bin(a, s, at * unit, (at + 1) * unit, n, b))
			return -1;
	}
	return 0;
}

static int put_hist(struct agg *a, const struct state *s, struct buf *b)
{
	const struct hist_more *more = a->more;
	int64_t lo, hi, unit = more->fixed || !ends(&s->bins, &lo, &hi) ? 1 : group_bins(lo, hi);

	b->n = 0;
	if (buf_byte(b, '[') || put_special(&s->bins, BIN_NEG_INF, "-inf", b) || put_bins(a, s, unit, b) ||
	    put_special(&s->bins, BIN_INF, "inf", b) || put_special(&s->bins, BIN_NAN, "nan", b))
		return -1;
	return buf_byte(b, ']');
}

static int hist_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++)
		rc = put_hist(a, AGG_STATE(a, struct state, g), &b) ? err_oom(e) : builder_str(out, buf_view(&b), e);
	return rc;
}

/* ---- partial states ---- */

static int hist_dump(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	int rc = 0;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		const struct state *s = AGG_STATE(a, struct state, g);
		int64_t k = s->k, scale = s->scale;

		if ((rc = builder_fixed(&out[0], &k, e)) == 0 && (rc = builder_fixed(&out[1], &scale, e)) == 0)
			rc = bins_dump(&s->bins, &out[2], e);
	}
	return rc;
}

/* A state's row; 1: damaged, -1: memory. The caller frees its bins. */
static int read_state(const struct agg *a, const struct column *cols, int64_t i, struct state *ret, size_t *heap)
{
	const struct hist_more *more = a->more;
	const int64_t *at, *count;
	int64_t k, scale, lo, hi;
	uint32_t n;

	if (!bins_state(&cols[2], i, &at, &count, &n) || column_is_null(&cols[0], i) || column_is_null(&cols[1], i))
		return 1;
	k = column_i64(&cols[0], i);
	scale = column_i64(&cols[1], i);
	if (scale < 0 || scale > MAX_EXP || k < -scale || k > MAX_EXP || n > MAX_SET || (more->fixed && (k || scale)))
		return 1;
	ret->k = (int32_t)k;
	ret->scale = (int32_t)scale;
	for (uint32_t j = 0; j < n; j++) {
		if (!bin_is_special(at[j]) && (at[j] > MAX_NUMBER || at[j] < -MAX_NUMBER))
			return 1;
		if (bins_add(&ret->bins, at[j], count[j], heap))
			return -1;
	}
	return !more->fixed && !suits(ret, ret->k, &lo, &hi);
}

/* Both in the smallest unit that suits the two together. */
static void agree(struct state *s, struct state *t)
{
	int64_t lo[2], hi[2];
	int32_t k;

	refine(s, t->scale);
	refine(t, s->scale);
	for (k = s->k > t->k ? s->k : t->k;; k++)
		if (suits(s, k, &lo[0], &hi[0]) && suits(t, k, &lo[1], &hi[1]) &&
		    (hi[0] < lo[0] || hi[1] < lo[1] ||
		     (hi[0] > hi[1] ? hi[0] : hi[1]) - (lo[0] < lo[1] ? lo[0] : lo[1]) < MAX_BINS))
			break;
	change_unit(s, k);
	change_unit(t, k);
}

static int load_row(struct agg *a, const struct column *cols, int64_t i, uint32_t g)
{
	struct state *s = AGG_STATE(a, struct state, g), t = { 0 };
	const struct hist_more *more = a->more;
	size_t heap = 0;
	int rc = read_state(a, cols, i, &t, &heap);

	if (rc == 0 && !more->fixed)
		agree(s, &t);
	for (uint32_t j = 0; j < t.bins.n && rc == 0; j++)
		rc = bins_add(&s->bins, t.bins.v[j].at, t.bins.v[j].n, &a->heap);
	bins_free(&t.bins);
	return rc;
}

static int hist_load(struct agg *a, const struct batch *b, const uint32_t *ids, struct err *e)
{
	const struct column *cols = &b->cols[a->state_col];

	if (a->state_col + 3 >= b->schema->nfields || cols[0].type->id != T_INT64 || cols[1].type->id != T_INT64 ||
	    !bins_are_states(&cols[2]))
		return agg_bad_state(a, b, 0, 0, e);
	for (int64_t i = 0; i < b->nrows; i++) {
		int rc = load_row(a, cols, i, ids[i]);

		if (rc)
			return rc < 0 ? err_oom(e) : agg_bad_state(a, b, i, 2, e);
	}
	return 0;
}

static void hist_drop(struct agg *a)
{
	struct hist_more *more = a->more;

	for (uint32_t g = 0; g < a->ngroups; g++)
		bins_free(&AGG_STATE(a, struct state, g)->bins);
	decpool_free(&more->scratch);
	decpool_free(&more->width_digits);
}

const struct agg_family agg_hist = {
	.name = "hist",
	.min_fields = 1,
	.max_fields = 2,
	.arg = "WIDTH",
	.size = sizeof(struct state),
	.more = sizeof(struct hist_more),
	.signature = "hist:FIELD[:WIDTH]",
	.example = "hist:price:10",
	.help = "histogram, a JSON array of {\"from\",\"to\",\"n\"}: bins of WIDTH, or at most 20 of a round width; "
		"empty ones between are shown",
	.bind = hist_bind,
	.update = hist_update,
	.finish = hist_finish,
	.dump = hist_dump,
	.load = hist_load,
	.drop = hist_drop,
};
