/* median, quantile, pNN: exact, by linear interpolation between the closest ranks (type 7 of R. J. Hyndman, Y. Fan, "Sample
 * quantiles in statistical packages", 1996): with h = (n - 1) p, the value is x[k] + (h - k) (x[k + 1] - x[k]), k = floor(h),
 * rounded once. NaN is last.
 *
 * All values are kept, in row order, each with its group; before the first result they are put together group by group (a
 * counting sort), then selected from in linear time. State column: the list of the group's values. */
#include "lib/agg/agg.h"
#include "lib/agg/floatsum.h"
#include "lib/agg/quantile.h"
#include "lib/agg/round.h"

#include <math.h>
#include <stdlib.h>

static const char *const kinds[] = { "values.int64", "values.num", "values.float64" };

enum kind { Q_INT, Q_DEC, Q_FLOAT };

/* Decimals that are not finite: m is enum special, big this. */
#define BIG_SPECIAL UINT32_MAX

struct quantile_more {
	struct buf values;   /* int64, struct dec or double, of all groups */
	struct buf owners;   /* uint32 for each, until sealed */
	struct decsums decs; /* big decimals */
	struct decpool scratch;
	int64_t *starts; /* sealed: first value of each group, and the end */
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

static size_t width(const struct agg *a)
{
	return a->kind == Q_DEC ? sizeof(struct dec) : sizeof(int64_t);
}

static int push(struct agg *a, uint32_t g, const void *value)
{
	struct quantile_more *more = a->more;

	++*AGG_STATE(a, int64_t, g);
	return buf_add(&more->values, value, width(a)) || buf_add(&more->owners, &g, sizeof g) ? -1 : 0;
}

static int push_special(struct agg *a, uint32_t g, double v)
{
	struct dec d = { .m = special_of(v), .big = BIG_SPECIAL };

	return push(a, g, &d);
}

static int push_number(struct agg *a, uint32_t g, const struct numbers *nums, int64_t i)
{
	struct quantile_more *more = a->more;
	struct dec d;
	double v;

	if (nums->kind == NUMS_I64)
		return push(a, g, &nums->i64[i]);
	if (nums->kind == NUMS_F64) {
		v = isnan(nums->f64[i]) ? (double)NAN : nums->f64[i] + 0.0;
		return push(a, g, &v);
	}
	if (nums->special && nums->special[i])
		return push_special(a, g, nums->f64[i]);
	return decsums_keep(&more->decs, nums->dec[i], &nums->pool, &d) || push(a, g, &d) ? -1 : 0;
}

static int quantile_update(struct agg *a, const struct agg_batch *b, struct err *e)
{
	const struct numbers *nums = b->args[0].nums;

	if (nums->nulls == nums->n)
		return 0;
	for (int64_t i = 0; i < b->n; i++)
		if (b->ids[i] != NO_GROUP && (!nums->valid || bit_get(nums->valid, i)) && push_number(a, b->ids[i], nums, i))
			return err_oom(e);
	return 0;
}

/* Values group by group, in row order within each. */
static int seal(struct agg *a, struct err *e)
{
	struct quantile_more *more = a->more;
	size_t w = width(a), n = more->owners.n / sizeof(uint32_t);
	const uint32_t *owners = (const uint32_t *)(const void *)more->owners.p;
	int64_t *starts, *at, sum = 0;
	uint8_t *sorted;

	if (more->starts)
		return 0;
	starts = calloc((size_t)a->ngroups + 1, sizeof *starts);
	at = calloc((size_t)a->ngroups + 1, sizeof *at);
	sorted = malloc(n * w + 1);
	if (!starts || !at || !sorted) {
		free(starts);
		free(at);
		free(sorted);
		return err_oom(e);
	}
	for (uint32_t g = 0; g < a->ngroups; g++) {
		starts[g] = at[g] = sum;
		sum += *AGG_STATE(a, int64_t, g);
	}
	starts[a->ngroups] = sum;
	for (size_t i = 0; i < n; i++)
		memcpy(sorted + (size_t)at[owners[i]]++ * w, more->values.p + i * w, w);
	free(at);
	buf_free(&more->owners);
	buf_free(&more->values);
	more->values = (struct buf){ sorted, n * w, n * w };
	more->starts = starts;
	return 0;
}

static void swap(int64_t *a, int64_t *b)
{
	int64_t t = *a;

	*a = *b;
	*b = t;
}

/* Puts the k-th smallest at v[k], nothing larger before it, nothing smaller behind (C. A. R. Hoare, "Algorithm 65: find",
 * 1961). */
static void select_kth(int64_t *v, int64_t n, int64_t k)
{
	int64_t lo = 0, hi = n - 1;

	while (lo < hi) {
		int64_t mid = lo + (hi - lo) / 2, i = lo, j = hi, pivot;

		if (v[mid] < v[lo])
			swap(&v[mid], &v[lo]);
		if (v[hi] < v[lo])
			swap(&v[hi], &v[lo]);
		if (v[hi] < v[mid])
			swap(&v[hi], &v[mid]);
		pivot = v[mid];
		while (i <= j) {
			while (v[i] < pivot)
				i++;
			while (v[j] > pivot)
				j--;
			if (i <= j)
				swap(&v[i++], &v[j--]);
		}
		if (k <= j)
			hi = j;
		else if (k >= i)
			lo = i;
		else
			return;
	}
}

/* The two neighbours of a rank: v[k] and, when it is needed, v[k + 1]. */
static void neighbours(int64_t *v, int64_t n, int64_t k, bool both, int64_t *x, int64_t *y)
{
	select_kth(v, n, k);
	*x = *y = v[k];
	if (!both)
		return;
	*y = v[k + 1];
	for (int64_t i = k + 2; i < n; i++)
		*y = v[i] < *y ? v[i] : *y;
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

static double mix_ints(int64_t a, int64_t b, int64_t rem, int64_t den, int32_t scale)
{
	mpz_t x, y;
	double v;

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

/* All of v as integers at one scale, in place of the first half of each element. false: some do not fit (v is as before). */
static bool as_ints(const struct dec *v, int64_t n, int64_t *ret, int32_t *scale)
{
	*scale = 0;
	for (int64_t i = 0; i < n; i++) {
		if (v[i].big)
			return false;
		*scale = v[i].scale > *scale ? v[i].scale : *scale;
	}
	for (int64_t i = 0; i < n; i++) {
		ret[i] = v[i].m;
		for (int32_t up = *scale - v[i].scale; up > 0 && ret[i]; up--)
			if (__builtin_mul_overflow(ret[i], 10, &ret[i]))
				return false;
	}
	return true;
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

/* Big decimals or special values among them: sorted, then exact arithmetic on two. */
static double slow_dec(struct dec *v, int64_t n, int64_t k, int64_t rem, int64_t den, struct decpool *pool)
{
	const struct dec *x, *y;
	int32_t scale;
	mpz_t a, b;
	double r;

	qsort_r(v, (size_t)n, sizeof *v, compare, pool);
	x = &v[k];
	y = rem ? &v[k + 1] : x;
	if (rank_of(x) != 1 || rank_of(y) != 1)
		return mix_doubles(rank_of(x) != 1 ? special_f64((enum special)x->m) : 0,
				   rank_of(y) != 1 ? special_f64((enum special)y->m) : 0, rem, den);
	mpz_inits(a, b, NULL);
	scale = x->scale > y->scale ? x->scale : y->scale;
	mantissa_at(x, pool, scale, a);
	mantissa_at(y, pool, scale, b);
	r = mix(a, b, rem, den, 0, scale);
	mpz_clears(a, b, NULL);
	return r;
}

static double of_doubles(int64_t *v, int64_t n, int64_t k, int64_t rem, int64_t den)
{
	int64_t x, y;
	double a, b;

	for (int64_t i = 0; i < n; i++)
		v[i] = double_order(v[i]);
	neighbours(v, n, k, rem != 0, &x, &y);
	for (int64_t i = 0; i < n; i++)
		v[i] = double_order(v[i]);
	x = double_order(x);
	y = double_order(y);
	memcpy(&a, &x, sizeof a);
	memcpy(&b, &y, sizeof b);
	return mix_doubles(a, b, rem, den);
}

static int quantile_of(struct agg *a, uint32_t g, double *ret, struct err *e)
{
	struct quantile_more *more = a->more;
	uint8_t *p = more->values.p + (size_t)more->starts[g] * width(a);
	int64_t n = more->starts[g + 1] - more->starts[g], x, y, k, rem, *ints = (int64_t *)(void *)p;
	__int128 h = (__int128)(n - 1) * more->p.num;
	int32_t scale = 0;

	k = (int64_t)(h / more->p.den);
	rem = (int64_t)(h % more->p.den);
	if (a->kind == Q_FLOAT) {
		*ret = of_doubles(ints, n, k, rem, more->p.den);
		return 0;
	}
	if (a->kind == Q_DEC && !(ints = malloc((size_t)n * sizeof *ints)))
		return err_oom(e);
	if (a->kind == Q_DEC && !as_ints((struct dec *)(void *)p, n, ints, &scale)) {
		*ret = slow_dec((struct dec *)(void *)p, n, k, rem, more->p.den, &more->decs.pool);
	} else {
		neighbours(ints, n, k, rem != 0, &x, &y);
		*ret = mix_ints(x, y, rem, more->p.den, scale);
	}
	if (a->kind == Q_DEC)
		free(ints);
	return 0;
}

static int quantile_finish(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	int rc = seal(a, e);
	double v;

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		if (!*AGG_STATE(a, int64_t, g))
			rc = builder_null(out, 1, e);
		else if ((rc = quantile_of(a, g, &v, e)) == 0)
			rc = builder_fixed(out, &v, e);
	}
	return rc;
}

static int put_dec(struct agg *a, const struct dec *d, struct builder *out, struct err *e)
{
	static const char *const names[] = { "", "nan", "inf", "-inf" };
	struct quantile_more *more = a->more;
	cleanup_buf struct buf b = { 0 };

	if (d->big == BIG_SPECIAL ? buf_puts(&b, names[d->m]) : dec_print(*d, &more->decs.pool, &b))
		return err_oom(e);
	return builder_str(out, buf_view(&b), e);
}

static int quantile_dump(struct agg *a, uint32_t from, uint32_t n, struct builder *out, struct err *e)
{
	struct quantile_more *more = a->more;
	struct builder *items = &out->children[0];
	int rc = seal(a, e);

	for (uint32_t g = from; g < from + n && rc == 0; g++) {
		int32_t end;

		for (int64_t i = more->starts[g]; i < more->starts[g + 1] && rc == 0; i++) {
			const uint8_t *p = more->values.p + (size_t)i * width(a);

			rc = a->kind == Q_DEC ? put_dec(a, (const struct dec *)(const void *)p, items, e)
					      : builder_fixed(items, p, e);
		}
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
	struct dec d, kept;
	double v;

	decpool_reset(&more->scratch);
	why = dec_parse(s, &more->scratch, &d);
	if (why == DEC_SPECIAL)
		return num_parse_f64(s, &v) != DEC_OK ? DEC_BAD : push_special(a, g, v) ? DEC_NOMEM : DEC_OK;
	if (why != DEC_OK)
		return why;
	return decsums_keep(&more->decs, d, &more->scratch, &kept) || push(a, g, &kept) ? DEC_NOMEM : DEC_OK;
}

static enum dec_read load_item(struct agg *a, uint32_t g, const struct column *items, int64_t i)
{
	double v;

	if (column_is_null(items, i))
		return DEC_BAD;
	if (a->kind == Q_DEC)
		return load_dec(a, g, column_str(items, i));
	if (a->kind == Q_INT)
		return push(a, g, items->values + i * 8) ? DEC_NOMEM : DEC_OK;
	v = isnan(column_f64(items, i)) ? (double)NAN : column_f64(items, i) + 0.0;
	return push(a, g, &v) ? DEC_NOMEM : DEC_OK;
}

static int quantile_load(struct agg *a, const struct batch *b, const uint32_t *ids, struct err *e)
{
	const struct quantile_more *more = a->more;
	const struct column *list = &b->cols[a->state_col];

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

	return more->values.cap * 2 + more->owners.cap + more->decs.pool.n * DECSUM_BIG;
}

static void quantile_drop(struct agg *a)
{
	struct quantile_more *more = a->more;

	buf_free(&more->values);
	buf_free(&more->owners);
	decsums_free(&more->decs);
	decpool_free(&more->scratch);
	free(more->starts);
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
