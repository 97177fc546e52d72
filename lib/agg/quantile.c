/* median, quantile, pNN: exact, by linear interpolation between the closest ranks (type 7 of R. J. Hyndman, Y. Fan, "Sample
 * quantiles in statistical packages", 1996): with h = (n - 1) p, the value is x[k] + (h - k) (x[k + 1] - x[k]), k = floor(h),
 * rounded once. NaN is last.
 *
 * All values are kept in 64 bits each (values.h): integers and decimals as integers at a scale, doubles as integers of the same
 * order; decimals that are no such integers lie beside. In the end the shares of groups are sorted and selected from by several
 * threads. State column: the list of the group's values, decimals without zeros at the end: the same values are the same text. */
#include "lib/agg/agg.h"
#include "lib/agg/floatsum.h"
#include "lib/agg/quantile.h"
#include "lib/agg/round.h"
#include "lib/agg/values.h"
#include "lib/base/pages.h"
#include "lib/base/pool.h"

#include <math.h>
#include <stdlib.h>

static const char *const kinds[] = { "values.int64", "values.num", "values.float64" };

enum kind { Q_INT, Q_DEC, Q_FLOAT };

/* Of decimals that are not finite: m is enum special, big this. */
#define BIG_SPECIAL UINT32_MAX

struct quantile_more {
	struct arena arena;
	struct values *shares; /* VALUES_SHARE groups each */
	uint32_t nshares;
	struct decsums decs; /* big decimals */
	struct decpool scratch;
	struct sorted_values sorted; /* of share `at` - 1, for dump() */
	uint32_t at;
	bool found; /* the states are the results */
	struct field item;
	struct probability p;
};

int probability_read(struct agg *a, struct str text, bool percent, struct probability *ret, struct err *e)
{
	struct decpool pool = { 0 };
	struct dec d;
	bool ok = dec_parse(text, &pool, &d) == DEC_OK && !d.big && d.scale <= 12 && d.m >= 0;

	decpool_free(&pool);
	ret->den = percent ? 100 : 1;
	for (int i = 0; ok && i < d.scale; i++)
		ret->den *= 10;
	ret->num = ok ? d.m : 0;
	if (!ok || ret->num > ret->den)
		return err_set(e, ST_USAGE, "-a %.*s: %.*s is not within %s", STR_ARG(a->spec.text), STR_ARG(text),
			       percent ? "p0 .. p100" : "0 .. 1");
	return 0;
}

static int probability(struct agg *a, struct probability *ret, struct err *e)
{
	if (a->family == &agg_median)
		return probability_read(a, STR("0.5"), false, ret, e);
	if (a->family == &agg_pnn)
		return probability_read(a, str_from(a->spec.func, 1), true, ret, e);
	return probability_read(a, a->spec.arg, false, ret, e);
}

static int quantile_bind(struct agg *a, bool merge, struct err *e)
{
	static const struct type items[] = { TYPE_INT64, TYPE_NUM, TYPE_FLOAT64 };
	struct quantile_more *more = a->more;
	const struct type *t = &a->schema->fields[a->cols[0]].type;
	struct type list;
	int rc = merge ? agg_state_kind(a, kinds, 3, e) : 0;

	if (rc < 0)
		return rc;
	if (!merge && (rc = agg_check_numbers(a, 0, e)) < 0)
		return rc;
	a->kind = merge ? rc : type_is_float(t) ? Q_FLOAT : type_is_int(t) && t->id != T_UINT64 ? Q_INT : Q_DEC;
	a->need[0] = AGG_NUMBERS;
	more->item = (struct field){ .name = STR("item"), .nullable = true, .type = items[a->kind] };
	list = (struct type){ .id = T_LIST, .layout = LAY_LIST, .nchildren = 1, .children = &more->item };
	if ((rc = probability(a, &more->p, e)) < 0 || (rc = agg_add_result(a, a->spec.out, TYPE_FLOAT64, true, e)) < 0)
		return rc;
	return agg_add_state(a, kinds[a->kind], list, false, e);
}

static int reserve(struct agg *a, struct err *e)
{
	struct quantile_more *more = a->more;
	uint32_t n = (uint32_t)(((uint64_t)a->ngroups + VALUES_SHARE - 1) / VALUES_SHARE), cap = n + n / 2;
	void *p;

	more->found = false;
	more->at = 0;
	if (n <= more->nshares)
		return 0;
	p = pages_resize(more->shares, more->nshares * sizeof *more->shares, cap * sizeof *more->shares);
	if (!p)
		return err_oom(e);
	more->shares = p;
	more->nshares = cap;
	return 0;
}

static inline int add(struct quantile_more *more, uint32_t g, int64_t v, uint32_t form)
{
	return values_add(&more->shares[g / VALUES_SHARE], g, v, form, &more->arena);
}

/* What is no integer of 64 bits at a scale is beside: the value says where. */
static int add_other(struct quantile_more *more, uint32_t g, struct dec d)
{
	struct dec *p = arena_dup(&more->arena, &d, sizeof d);

	return p ? add(more, g, (int64_t)(uintptr_t)p, VALUES_OTHER) : -1;
}

static int add_special(struct quantile_more *more, uint32_t g, enum special v)
{
	return add_other(more, g, (struct dec){ .m = v, .big = BIG_SPECIAL });
}

static int64_t ordered(double v)
{
	int64_t bits;

	v = isnan(v) ? (double)NAN : v + 0.0;
	memcpy(&bits, &v, sizeof bits);
	return double_order(bits);
}

static double unordered(int64_t order)
{
	double v;

	order = double_order(order);
	memcpy(&v, &order, sizeof v);
	return v;
}

static inline int add_dec(struct quantile_more *more, uint32_t g, struct dec d, const struct decpool *from)
{
	if (!d.big)
		return add(more, g, d.m, (uint32_t)d.scale);
	return decsums_keep(&more->decs, d, from, &d) ? -1 : add_other(more, g, d);
}

static inline int add_number(struct quantile_more *more, uint32_t g, const struct numbers *nums, int64_t i)
{
	if (nums->kind == NUMS_I64)
		return add(more, g, nums->i64[i], 0);
	if (nums->kind == NUMS_F64)
		return add(more, g, ordered(nums->f64[i]), 0);
	if (nums->special && nums->special[i])
		return add_special(more, g, special_of(nums->f64[i]));
	return add_dec(more, g, nums->dec[i], &nums->pool);
}

static int quantile_update(struct agg *a, const struct agg_batch *b, struct err *e)
{
	const struct numbers *nums = b->args[0].nums;

	if (nums->nulls == nums->n)
		return 0;
	if (reserve(a, e) < 0)
		return -e->status;
	for (int64_t i = 0; i < b->n; i++)
		if (b->ids[i] != NO_GROUP && (!nums->valid || bit_get(nums->valid, i)) && add_number(a->more, b->ids[i], nums, i))
			return err_oom(e);
	return 0;
}

/* (x (den - rem) + y rem) / den * 2^exp2 / 10^scale; x and y are consumed. */
static double mix(mpz_t x, mpz_t y, int64_t rem, int64_t den, long exp2, int32_t scale)
{
	mpz_t d;
	double v;

	mpz_init(d);
	mpz_ui_pow_ui(d, 10, (unsigned long)scale);
	mpz_mul_si(d, d, den);
	mpz_mul_si(x, x, den - rem);
	mpz_addmul_ui(x, y, (unsigned long)rem);
	v = round_ratio(x, d, exp2);
	mpz_clear(d);
	return v;
}

/* Numerator and denominator are doubles exactly: one IEEE division is one rounding. */
static bool mix_small(int64_t a, int64_t b, int64_t rem, int64_t den, int32_t scale, double *ret)
{
	static const int64_t limit = INT64_C(1) << 53;
	int64_t x, y, sum;

	if (__builtin_mul_overflow(a, den - rem, &x) || __builtin_mul_overflow(b, rem, &y) || __builtin_add_overflow(x, y, &sum) ||
	    sum > limit || sum < -limit || !dec_scale_i64(den, scale, &den) || den > limit)
		return false;
	*ret = (double)sum / (double)den;
	return true;
}

static double mix_ints(int64_t a, int64_t b, int64_t rem, int64_t den, int32_t scale)
{
	mpz_t x, y;
	double v;

	if (mix_small(a, b, rem, den, scale, &v))
		return v;
	mpz_init_set_si(x, a);
	mpz_init_set_si(y, b);
	v = mix(x, y, rem, den, 0, scale);
	mpz_clears(x, y, NULL);
	return v;
}

static double mix_doubles(double a, double b, int64_t rem, int64_t den)
{
	long ea, eb;
	mpz_t x, y;
	double v;

	if (!rem || a == b || isnan(a))
		return a;
	if (special_of(a) || special_of(b))
		return special_of(a) && special_of(b) ? (double)NAN : special_of(a) ? a : b;
	mpz_inits(x, y, NULL);
	double_exact(a, x, &ea);
	double_exact(b, y, &eb);
	mpz_mul_2exp(x, x, (mp_bitcnt_t)(ea > eb ? ea - eb : 0));
	mpz_mul_2exp(y, y, (mp_bitcnt_t)(eb > ea ? eb - ea : 0));
	v = mix(x, y, rem, den, ea < eb ? ea : eb, 0);
	mpz_clears(x, y, NULL);
	return v;
}

/* A value that was added as a decimal. */
static struct dec dec_of(int64_t v, uint32_t form)
{
	return form == VALUES_OTHER ? *(const struct dec *)(uintptr_t)v : (struct dec){ .m = v, .scale = (int32_t)form };
}

/* Of the i-th sorted value. */
static uint32_t form_at(const struct sorted_values *s, int64_t i)
{
	return s->form == VALUES_OTHER ? ((const uint32_t *)(const void *)s->forms.p)[i] : s->form;
}

static int rank_of(const struct dec *d)
{
	static const int ranks[] = { [SP_NONE] = 1, [SP_NAN] = 3, [SP_INF] = 2, [SP_NEG_INF] = 0 };

	return ranks[d->big == BIG_SPECIAL ? d->m : SP_NONE];
}

static int compare(const void *a, const void *b, void *pool)
{
	const struct dec *x = a, *y = b;
	int rx = rank_of(x), ry = rank_of(y);

	return rx != ry || rx != 1 ? rx - ry : dec_cmp(*x, *y, pool);
}

static void mantissa_at(const struct dec *d, const struct decpool *pool, int32_t scale, mpz_t ret)
{
	if (d->big)
		mpz_set(ret, pool->v[d->big - 1]);
	else
		mpz_set_si(ret, d->m);
	mpz_scale_up(ret, ret, scale - d->scale);
}

/* Of two neighbours, exactly. */
static double mix_decs(const struct dec *x, const struct dec *y, int64_t rem, int64_t den, const struct decpool *pool)
{
	int32_t scale = x->scale > y->scale ? x->scale : y->scale;
	mpz_t a, b;
	double r;

	if (rank_of(x) != 1 || rank_of(y) != 1)
		return mix_doubles(rank_of(x) != 1 ? special_f64((enum special)x->m) : 0,
				   rank_of(y) != 1 ? special_f64((enum special)y->m) : 0, rem, den);
	mpz_inits(a, b, NULL);
	mantissa_at(x, pool, scale, a);
	mantissa_at(y, pool, scale, b);
	r = mix(a, b, rem, den, 0, scale);
	mpz_clears(a, b, NULL);
	return r;
}

/* The k-th of n values from `from` on, and its neighbour: big decimals or special values are among them. */
static int slow_dec(const struct quantile_more *more, const struct sorted_values *s, int64_t from, int64_t n, int64_t k, int64_t rem,
		    double *ret)
{
	const int64_t *values = (const int64_t *)(const void *)s->v.p;
	struct dec *v = malloc((size_t)n * sizeof *v);

	if (!v)
		return -1;
	for (int64_t i = 0; i < n; i++)
		v[i] = dec_of(values[from + i], form_at(s, from + i));
	qsort_r(v, (size_t)n, sizeof *v, compare, (void *)(uintptr_t)&more->decs.pool);
	*ret = mix_decs(&v[k], &v[rem ? k + 1 : k], rem, more->p.den, &more->decs.pool);
	free(v);
	return 0;
}

/* Of the values [from, from + n), n > 0. */
static int quantile_of(const struct agg *a, struct sorted_values *s, int64_t from, int64_t n, double *ret)
{
	const struct quantile_more *more = a->more;
	int64_t x, y, k, rem, den = more->p.den;
	__int128 h = (__int128)(n - 1) * more->p.num;

	k = (int64_t)(h / den);
	rem = (int64_t)(h % den);
	if (s->form == VALUES_OTHER)
		return slow_dec(more, s, from, n, k, rem, ret);
	if (values_select((const int64_t *)(const void *)s->v.p + from, n, k, &s->room, &x, &y))
		return -1;
	if (!rem)
		y = x;
	*ret = a->kind == Q_FLOAT ? mix_doubles(unordered(x), unordered(y), rem, den)
				  : mix_ints(x, y, rem, den, (int32_t)s->form);
	return 0;
}

/* The state of a group is its result: the bits + 1; 0 has none. */
static int find_share(const struct agg *a, uint32_t share, struct sorted_values *s)
{
	const struct quantile_more *more = a->more;
	uint32_t first = share * VALUES_SHARE;
	int rc = values_sort(&more->shares[share], s);
	double v = 0;

	for (uint32_t i = 0; i < VALUES_SHARE && first + i < a->ngroups && !rc; i++) {
		int64_t *state = AGG_STATE(a, int64_t, first + i);

		*state = 0;
		if (s->starts[i + 1] == s->starts[i])
			continue;
		rc = quantile_of(a, s, s->starts[i], s->starts[i + 1] - s->starts[i], &v);
		memcpy(state, &v, sizeof v);
		++*state;
	}
	return rc;
}

/* Some of the shares, on any thread. */
struct find_job {
	struct job job;
	const struct agg *a;
	uint32_t from, to;
	int rc;
};

static void find_some(struct job *job)
{
	struct find_job *j = (struct find_job *)job;
	struct sorted_values s = { 0 };

	for (uint32_t i = j->from; i < j->to && !j->rc; i++)
		j->rc = find_share(j->a, i, &s);
	sorted_values_free(&s);
}

#define JOBS 32

static int find_all(struct agg *a, struct err *e)
{
	struct quantile_more *more = a->more;
	uint32_t n = (uint32_t)(((uint64_t)a->ngroups + VALUES_SHARE - 1) / VALUES_SHARE);
	struct find_job jobs[JOBS] = { 0 };
	struct pool *pool;
	int rc = reserve(a, e);

	if (rc < 0 || (rc = pool_open(&pool, a->threads, e)) < 0)
		return rc;
	for (uint32_t i = 0; i < JOBS; i++) {
		jobs[i] = (struct find_job){ .job.run = find_some, .a = a, .from = (uint32_t)((uint64_t)n * i / JOBS),
					     .to = (uint32_t)((uint64_t)n * (i + 1) / JOBS) };
		pool_give(pool, &jobs[i].job);
	}
	for (int i = 0; i < JOBS; i++) {
		pool_wait(pool, &jobs[i].job);
		if (jobs[i].rc && rc == 0)
			rc = err_oom(e);
	}
	pool_close(pool);
	more->found = rc == 0;
	return rc;
}

static int quantile_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	const struct quantile_more *more = a->more;
	int rc = more->found ? 0 : find_all(a, e);

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		int64_t bits = *AGG_STATE(a, int64_t, g);

		if (bits-- == 0)
			rc = builder_null(out, 1, e);
		else
			rc = builder_fixed(out, &bits, e);
	}
	return rc;
}

static int put_dec(struct dec d, const struct decpool *pool, struct builder *out, struct err *e)
{
	static const char *const names[] = { "", "nan", "inf", "-inf" };
	cleanup_buf struct buf b = { 0 };

	if (d.big == BIG_SPECIAL ? buf_puts(&b, names[d.m]) : dec_canonical(d, pool, &b))
		return err_oom(e);
	return builder_str(out, buf_view(&b), e);
}

static int put_value(struct agg *a, int64_t v, uint32_t form, struct builder *out, struct err *e)
{
	const struct quantile_more *more = a->more;
	double f;

	if (a->kind == Q_DEC)
		return put_dec(dec_of(v, form), &more->decs.pool, out, e);
	if (a->kind == Q_INT)
		return builder_fixed(out, &v, e);
	f = unordered(v);
	return builder_fixed(out, &f, e);
}

static int put_values(struct agg *a, uint32_t g, struct builder *out, struct err *e)
{
	struct quantile_more *more = a->more;
	uint32_t share = g / VALUES_SHARE;
	struct sorted_values *s = &more->sorted;
	int rc = 0;

	if (more->at != share + 1 && values_sort(&more->shares[share], s))
		return err_oom(e);
	more->at = share + 1;
	for (int64_t i = s->starts[g % VALUES_SHARE]; i < s->starts[g % VALUES_SHARE + 1] && rc == 0; i++)
		rc = put_value(a, ((const int64_t *)(const void *)s->v.p)[i], form_at(s, i), out, e);
	return rc;
}

static int quantile_dump(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	struct builder *items = &out->children[0];
	int rc = reserve(a, e);

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		int32_t end;

		rc = put_values(a, g, items, e);
		end = (int32_t)items->n;
		if (rc == 0 && items->n > INT32_MAX)
			rc = err_set(e, ST_DATA, "the values of one batch of groups pass 2^31");
		if (rc == 0 && buf_add(&out->offsets, &end, sizeof end))
			rc = err_oom(e);
		out->n++;
	}
	return rc;
}

static enum dec_read load_dec(struct agg *a, uint32_t g, struct str s)
{
	struct quantile_more *more = a->more;
	enum dec_read why;
	struct dec d;
	double v;

	decpool_reset(&more->scratch);
	why = dec_parse(s, &more->scratch, &d);
	if (why == DEC_SPECIAL)
		return num_parse_f64(s, &v) != DEC_OK ? DEC_BAD : add_special(more, g, special_of(v)) ? DEC_NOMEM : DEC_OK;
	if (why != DEC_OK)
		return why;
	return add_dec(more, g, d, &more->scratch) ? DEC_NOMEM : DEC_OK;
}

static enum dec_read load_item(struct agg *a, uint32_t g, const struct column *items, int64_t i)
{
	int64_t v;

	if (column_is_null(items, i))
		return DEC_BAD;
	if (a->kind == Q_DEC)
		return load_dec(a, g, column_str(items, i));
	v = a->kind == Q_INT ? column_i64(items, i) : ordered(column_f64(items, i));
	return add(a->more, g, v, 0) ? DEC_NOMEM : DEC_OK;
}

static int quantile_load(struct agg *a, const struct batch *b, const uint32_t *ids, struct err *e)
{
	const struct quantile_more *more = a->more;
	const struct column *list = &b->cols[a->state_col];

	if (reserve(a, e) < 0)
		return -e->status;
	if (list->type->id != T_LIST || !type_equal(&list->type->children[0].type, &more->item.type))
		return agg_bad_state(a, b, 0, 0, e);
	for (int64_t i = 0; i < b->nrows; i++)
		for (int64_t k = list->offsets[i]; k < list->offsets[i + 1]; k++) {
			enum dec_read why = load_item(a, ids[i], &list->children[0], k);

			if (why == DEC_NOMEM)
				return err_oom(e);
			if (why != DEC_OK)
				return agg_bad_state(a, b, i, 0, e);
		}
	return 0;
}

static size_t quantile_memory(const struct agg *a)
{
	const struct quantile_more *more = a->more;

	return more->arena.total + more->nshares * sizeof *more->shares + more->sorted.v.cap + more->decs.pool.n * DECSUM_BIG;
}

static void quantile_drop(struct agg *a)
{
	struct quantile_more *more = a->more;

	pages_free(more->shares, more->nshares * sizeof *more->shares);
	arena_free(&more->arena);
	decsums_free(&more->decs);
	decpool_free(&more->scratch);
	sorted_values_free(&more->sorted);
}

#define QUANTILE                                                                                                         \
	.size = sizeof(int64_t), .more = sizeof(struct quantile_more), .bind = quantile_bind, .update = quantile_update, \
	.finish = quantile_finish, .dump = quantile_dump, .load = quantile_load, .memory = quantile_memory,              \
	.drop = quantile_drop

const struct agg_family agg_median = {
	.name = "median",
	.min_fields = 1,
	.max_fields = 1,
	.signature = "median:FIELD",
	.example = "median:price",
	.help = "exact median; of an even number the middle of the two, rounded once",
	QUANTILE,
};

const struct agg_family agg_quantile = {
	.name = "quantile",
	.min_fields = 2,
	.max_fields = 2,
	.arg = "P",
	.signature = "quantile:FIELD:P",
	.example = "quantile:price:0.9",
	.help = "exact quantile for P within 0 .. 1, interpolated linearly between the closest ranks (type 7)",
	QUANTILE,
};

const struct agg_family agg_pnn = {
	.name = "pNN",
	.min_fields = 1,
	.max_fields = 1,
	.signature = "p95:FIELD",
	.example = "p95:price",
	.help = "exact percentile, p0 .. p100 (p99.9 too)",
	QUANTILE,
};
