/* Comparisons: see compare.h. A kernel for each operator and class is stamped from one order a class; `in` with constants
 * looks its
 * value up in a sorted set. */
#include "lib/expr/compare.h"

#include "lib/expr/kernel.h"

#include <stdlib.h>

static __attribute__((noinline)) int compare_dec_slow(struct dec a, struct dec b, const struct decpool *p)
{
	double x, y;

	if (!dec_special(a) && !dec_special(b))
		return dec_cmp(a, b, p);
	x = dec_special(a) ? dec_special_f64(a) : 0; /* a finite one counts as 0: it is neither nan nor infinite */
	y = dec_special(b) ? dec_special_f64(b) : 0;
	return compare_f64(x, y);
}

/* Small mantissas whose scales lie close compare in 128 bits. */
static inline int dec_order(struct dec a, struct dec b, const struct decpool *p)
{
	static const int64_t pow10[] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000 };
	int32_t diff = a.scale - b.scale;
	__int128 x = a.m, y = b.m;

	if ((a.big | b.big) || diff > 9 || diff < -9)
		return compare_dec_slow(a, b, p);
	if (diff > 0)
		y *= pow10[diff];
	else
		x *= pow10[-diff];
	return (x > y) - (x < y);
}

int compare_dec(struct dec a, struct dec b, const struct decpool *p)
{
	return dec_order(a, b, p);
}

#define COMPARE(name, op, member, ORDER)                                                  \
	KERNEL(name)                                                                      \
	{                                                                                 \
		UNUSED_KERNEL_ARGS;                                                       \
		EACH(sel, i, ret->b[i] = ORDER(ARG(0, member, i), ARG(1, member, i)) op 0;); \
		return 0;                                                                 \
	}

#define INT_ORDER(a, b) (((a) > (b)) - ((a) < (b)))
#define DEC_ORDER(a, b) dec_order((a), (b), &ev->pool)

#define CLASS(C, member, ORDER)                       \
	COMPARE(eq_##C, ==, member, ORDER)            \
	COMPARE(ne_##C, !=, member, ORDER)            \
	COMPARE(lt_##C, <, member, ORDER)             \
	COMPARE(le_##C, <=, member, ORDER)            \
	COMPARE(gt_##C, >, member, ORDER)             \
	COMPARE(ge_##C, >=, member, ORDER)

CLASS(i64, i, INT_ORDER)
CLASS(f64, f, compare_f64)
CLASS(dec, d, DEC_ORDER)
CLASS(bool, b, INT_ORDER)

COMPARE(lt_text, <, s, str_cmp)
COMPARE(le_text, <=, s, str_cmp)
COMPARE(gt_text, >, s, str_cmp)
COMPARE(ge_text, >=, s, str_cmp)

KERNEL(eq_text)
{
	UNUSED_KERNEL_ARGS;
	EACH(sel, i, ret->b[i] = str_eq(ARG(0, s, i), ARG(1, s, i)););
	return 0;
}

KERNEL(ne_text)
{
	UNUSED_KERNEL_ARGS;
	EACH(sel, i, ret->b[i] = !str_eq(ARG(0, s, i), ARG(1, s, i)););
	return 0;
}

#define ROW(symbol, f) { symbol, { f##_i64, f##_f64, f##_dec, f##_text, f##_bool } }

static const struct compare_op ops[] = {
	ROW("==", eq), ROW("!=", ne), ROW("<", lt), ROW("<=", le), ROW(">", gt), ROW(">=", ge),
};

const struct compare_op *compare_find(struct str name)
{
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
		if (str_is(name, ops[i].name))
			return &ops[i];
	return NULL;
}

/* The first of the arguments that no other is beyond. */
#define EXTREME(name, op, member, ORDER)                                                               \
	KERNEL(name)                                                                                   \
	{                                                                                              \
		UNUSED_KERNEL_ARGS;                                                                    \
		EACH(sel, i,                                                                           \
			int best = 0;                                                                  \
			for (int k = 1; k < x->nargs; k++)                                             \
				if (ORDER(ARG(k, member, i), ARG(best, member, i)) op 0)               \
					best = k;                                                      \
			ret->member[i] = ARG(best, member, i);                                         \
		);                                                                                     \
		return 0;                                                                              \
	}

#define EXTREMES(C, member, ORDER) EXTREME(least_##C, <, member, ORDER) EXTREME(greatest_##C, >, member, ORDER)

EXTREMES(i64, i, INT_ORDER)
EXTREMES(f64, f, compare_f64)
EXTREMES(dec, d, DEC_ORDER)
EXTREMES(bool, b, INT_ORDER)
EXTREMES(text, s, str_cmp)

kernel_fn *extreme_kernel(enum value_type type, bool greatest)
{
	if (type == V_DEC || type == V_NUM)
		return greatest ? greatest_dec : least_dec;
	if (value_text(type))
		return greatest ? greatest_text : least_text;
	if (type == V_F64)
		return greatest ? greatest_f64 : least_f64;
	if (type == V_BOOL)
		return greatest ? greatest_bool : least_bool;
	return greatest ? greatest_i64 : least_i64;
}

/* The constants of an `in`, sorted. Decimals here are never big: those are compared one by one (operator.c). */
struct set {
	enum value_type type;
	bool null;   /* one of them is null: what is not found is unknown */
	int n;
	struct vec v;
};

static int order_text(const void *a, const void *b) { return str_cmp(*(const struct str *)a, *(const struct str *)b); }
static int order_dec(const void *a, const void *b) { return compare_dec(*(const struct dec *)a, *(const struct dec *)b, NULL); }
static int order_f64(const void *a, const void *b) { return compare_f64(*(const double *)a, *(const double *)b); }
static int order_bool(const void *a, const void *b) { return INT_ORDER(*(const uint8_t *)a, *(const uint8_t *)b); }
static int order_i64(const void *a, const void *b) { return INT_ORDER(*(const int64_t *)a, *(const int64_t *)b); }

static int (*order_of(enum value_type t))(const void *, const void *)
{
	return value_text(t) ? order_text : t == V_DEC ? order_dec : t == V_F64 ? order_f64 : t == V_BOOL ? order_bool : order_i64;
}

int set_prepare(struct check *c, enum value_type type, struct expr *const *items, int n, const struct set **ret, struct err *e)
{
	size_t size = value_size(type);
	struct set *s = arena_new(&c->p->arena, struct set);

	if (!s || !(s->v.p = arena_calloc(&c->p->arena, (size_t)n + 1, size)))
		return err_oom(e);
	s->type = type;
	for (int i = 0; i < n; i++) {
		if (vec_null(&items[i]->value, 0)) {
			s->null = true;
			continue;
		}
		memcpy((char *)s->v.p + size * (size_t)s->n++, items[i]->value.p, size);
	}
	qsort(s->v.p, (size_t)s->n, size, order_of(type));
	*ret = s;
	return 0;
}

static bool in_texts(const struct set *s, struct str key)
{
	int lo = 0, hi = s->n;

	if (hi <= 4) {
		while (lo < hi && !str_eq(s->v.s[lo], key))
			lo++;
		return lo < hi;
	}
	while (lo < hi) {
		int mid = (lo + hi) / 2, o = str_cmp(s->v.s[mid], key);

		if (!o)
			return true;
		if (o < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

KERNEL(kernel_in)
{
	const struct set *s = x->data;
	size_t size = value_size(s->type);
	int (*order)(const void *, const void *) = order_of(s->type);

	(void)ev, (void)e;
	if (value_text(s->type))
		EACH(sel, i, ret->b[i] = in_texts(s, ARG(0, s, i)););
	else
		EACH(sel, i,
			const char *key = (const char *)args[0].p + size * (size_t)(i & args[0].mask);

			ret->b[i] = bsearch(key, s->v.p, (size_t)s->n, size, order) != NULL;
		);
	return 0;
}

static bool in_decimals(const struct set *s, struct dec key, const struct decpool *p)
{
	for (int k = 0; k < s->n; k++)
		if (compare_dec(s->v.d[k], key, p) == 0)
			return true;
	return false;
}

/* bsearch() hands its order no pool, so rows with big decimals are decided before. */
static int decide_bigs(struct eval *ev, const struct set *s, const struct vec *v, struct sel sel, struct vec *ret,
		struct sel *rest,
		       struct err *e)
{
	uint8_t *big;
	bool any = false;

	*rest = sel;
	EACH(sel, i, any |= v->d[i & v->mask].big != 0 && !dec_special(v->d[i & v->mask]););
	if (!any)
		return 0;
	if (!(big = arena_alloc(&ev->lv->arena, (size_t)ev->lv->nrows + 1)))
		return err_oom(e);
	EACH(sel, i,
		const struct dec d = v->d[i & v->mask];

		big[i] = d.big != 0 && !dec_special(d);
		ret->b[i] = big[i] && in_decimals(s, d, &ev->pool);
	);
	return sel_filter(ev, sel, big, 0, rest, e);
}

int eval_in_set(struct eval *ev, const struct expr *x, struct sel sel, struct vec *ret, struct err *e)
{
	const struct set *s = x->data;
	struct sel rows = sel;
	struct vec v;
	int rc;

	if ((rc = eval_expr(ev, x->args[0], sel, &v, e)) < 0 || (rc = vec_alloc(ev, V_BOOL, ret, e)) < 0)
		return rc;
	EACH(sel, i, ret->b[i] = 0;);
	if (v.null) {
		if (!(ret->null = arena_calloc(&ev->lv->arena, (size_t)ev->lv->nrows + 1, 1)))
			return err_oom(e);
		EACH(sel, i, ret->null[i] = v.null[i & v.mask];);
		if ((rc = sel_filter(ev, sel, ret->null, 0, &rows, e)) < 0)
			return rc;
	}
	if (s->type == V_DEC && (rc = decide_bigs(ev, s, &v, rows, ret, &rows, e)) < 0)
		return rc;
	if ((rc = kernel_in(ev, x, &v, rows, ret, e)) < 0 || !s->null)
		return rc;
	EACH(sel, i,
		if (!ret->b[i] && (rc = vec_set_null(ev, ret, i, e)) < 0)
			return rc;
	);
	return 0;
}
