/* Arithmetic: int64 with overflow as a bad value, float64 as IEEE has it, decimals exact, and float64 with decimals exact
 * and then
 * rounded once. Decimals take 64-bit paths here; dec.c does the rest. */
#include "lib/expr/arith.h"

#include "lib/expr/kernel.h"

#include <math.h>

static int too_large(struct eval *ev, const struct expr *x, struct vec *ret, int64_t i, struct err *e)
{
	return eval_bad(ev, ret, i, NULL, e, "%.*s does not fit int64 (num(...) computes without a limit)", EXCERPT(x->text));
}

/* int64: most batches have no overflow, which one flag tells. */
#define INT_OP(name, builtin)                                                                       \
	KERNEL(name)                                                                                \
	{                                                                                           \
		bool over = false;                                                                  \
		int rc;                                                                             \
                                                                                                    \
		EACH(sel, i, over |= builtin(ARG(0, i, i), ARG(1, i, i), &ret->i[i]););             \
		if (over)                                                                           \
			EACH(sel, i,                                                                \
				if (builtin(ARG(0, i, i), ARG(1, i, i), &ret->i[i]) &&              \
				    (rc = too_large(ev, x, ret, i, e)) < 0)                         \
					return rc;                                                  \
			);                                                                          \
		return 0;                                                                           \
	}

INT_OP(add_i64, __builtin_add_overflow)
INT_OP(sub_i64, __builtin_sub_overflow)
INT_OP(mul_i64, __builtin_mul_overflow)

#define FLOAT_OP(name, ...)                                                    \
	KERNEL(name)                                                           \
	{                                                                      \
		UNUSED_KERNEL_ARGS;                                            \
		EACH(sel, i,                                                   \
			const double a = ARG(0, f, i);                         \
			const double b = ARG(1, f, i);                         \
			ret->f[i] = __VA_ARGS__;                               \
		);                                                             \
		return 0;                                                      \
	}

/* The remainder with the sign of b, as floor division leaves it. */
static double floor_mod(double a, double b)
{
	double r = fmod(a, b);

	return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

FLOAT_OP(add_f64, a + b)
FLOAT_OP(sub_f64, a - b)
FLOAT_OP(mul_f64, a * b)
FLOAT_OP(div_f64, a / b)
FLOAT_OP(mod_f64, floor_mod(a, b))

static double as_f64(struct dec d, const struct decpool *p)
{
	return dec_special(d) ? dec_special_f64(d) : dec_to_f64(d, p);
}

/* x op y where one of them is a nan or infinity: decided by doubles. */
#define SPECIAL_OP(a, op, b, p) dec_of_special(as_f64(a, p) op as_f64(b, p))

static const int64_t pow10_small[] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,
				       100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000 };

/* Brings two small mantissas to one scale; false: not within 64 bits. */
static inline bool align(struct dec a, struct dec b, int64_t *x, int64_t *y, int32_t *scale)
{
	int32_t diff = a.scale - b.scale;

	*x = a.m;
	*y = b.m;
	*scale = diff > 0 ? a.scale : b.scale;
	if (diff == 0)
		return true;
	if (diff > 15 || diff < -15)
		return false;
	return diff > 0 ? !__builtin_mul_overflow(b.m, pow10_small[diff], y) : !__builtin_mul_overflow(a.m, pow10_small[-diff], x);
}

#define DEC_ADD(name, op, builtin, general)                                                                 \
	static __attribute__((noinline)) int name##_slow(struct decpool *p, struct dec a, struct dec b, struct dec *ret) \
	{                                                                                                   \
		if (!dec_special(a) && !dec_special(b))                                                     \
			return general(a, b, p, ret);                                                       \
		*ret = SPECIAL_OP(a, op, b, p);                                                             \
		return 0;                                                                                   \
	}                                                                                                   \
	KERNEL(name)                                                                                        \
	{                                                                                                   \
		(void)x;                                                                                    \
		EACH(sel, i,                                                                                \
			const struct dec a = ARG(0, d, i);                                                  \
			const struct dec b = ARG(1, d, i);                                                  \
			struct dec r = { 0 };                                                               \
			int64_t m, n;                                                                       \
			if ((a.big | b.big) || !align(a, b, &m, &n, &r.scale) || builtin(m, n, &r.m))       \
				if (name##_slow(&ev->pool, a, b, &r) < 0)                                   \
					return err_oom(e);                                                  \
			ret->d[i] = r;                                                                      \
		);                                                                                          \
		return 0;                                                                                   \
	}

DEC_ADD(add_dec, +, __builtin_add_overflow, dec_add)
DEC_ADD(sub_dec, -, __builtin_sub_overflow, dec_sub)

static __attribute__((noinline)) int mul_slow(struct decpool *p, struct dec a, struct dec b, struct dec *ret)
{
	if (!dec_special(a) && !dec_special(b))
		return dec_mul(a, b, p, ret);
	*ret = SPECIAL_OP(a, *, b, p);
	return 0;
}

KERNEL(mul_dec)
{
	(void)x;
	EACH(sel, i,
		const struct dec a = ARG(0, d, i);
		const struct dec b = ARG(1, d, i);
		struct dec r = { .scale = a.scale + b.scale };

		if ((a.big | b.big) || __builtin_mul_overflow(a.m, b.m, &r.m))
			if (mul_slow(&ev->pool, a, b, &r) < 0)
				return err_oom(e);
		ret->d[i] = r;
	);
	return 0;
}

#define EXACT_F64 (INT64_C(1) << 53)

static inline bool fits_f64(int64_t v) { return v >= -EXACT_F64 && v <= EXACT_F64; }

/* a / b rounded once. Both mantissas at one scale and within 2^53: one division does it. */
static inline double quotient(struct dec a, struct dec b, const struct decpool *p)
{
	int64_t m, n;
	int32_t scale;

	if (!(a.big | b.big) && align(a, b, &m, &n, &scale) && fits_f64(m) && fits_f64(n))
		return (double)m / (double)n;
	if (dec_special(a) || dec_special(b))
		return as_f64(a, p) / as_f64(b, p);
	return dec_div_f64(a, b, p);
}

KERNEL(div_dec)
{
	(void)x, (void)e;
	EACH(sel, i, ret->f[i] = quotient(ARG(0, d, i), ARG(1, d, i), &ev->pool););
	return 0;
}

KERNEL(div_i64)
{
	(void)x, (void)e;
	EACH(sel, i,
		const int64_t a = ARG(0, i, i);
		const int64_t b = ARG(1, i, i);

		ret->f[i] = fits_f64(a) && fits_f64(b) ? (double)a / (double)b : dec_div_f64(dec_from_i64(a), dec_from_i64(b), &ev->pool);
	);
	return 0;
}

static int no_remainder(struct eval *ev, const struct expr *x, struct vec *ret, int64_t i, struct err *e)
{
	return eval_bad(ev, ret, i, NULL, e, "the remainder of a division by zero in %.*s", EXCERPT(x->text));
}

KERNEL(mod_i64)
{
	int rc;

	EACH(sel, i,
		const int64_t a = ARG(0, i, i);
		const int64_t b = ARG(1, i, i);

		ret->i[i] = b == 0 || b == -1 ? 0 : a % b;
		if (b && ret->i[i] && (ret->i[i] < 0) != (b < 0))
			ret->i[i] += b;
		if (!b && (rc = no_remainder(ev, x, ret, i, e)) < 0)
			return rc;
	);
	return 0;
}

KERNEL(mod_dec)
{
	struct dec q;
	int rc = 0;

	EACH(sel, i,
		const struct dec a = ARG(0, d, i);
		const struct dec b = ARG(1, d, i);

		ret->d[i] = (struct dec){ 0 };
		if (dec_special(a) || dec_special(b))
			ret->d[i] = dec_of_special(floor_mod(as_f64(a, &ev->pool), as_f64(b, &ev->pool)));
		else if (dec_sign(b, &ev->pool) == 0)
			rc = no_remainder(ev, x, ret, i, e);
		else if (dec_divmod(a, b, &ev->pool, &q, &ret->d[i]) < 0)
			return err_oom(e);
		if (rc < 0)
			return rc;
	);
	return 0;
}

/* Row i of an operand that is float64 or num, as a decimal. */
static int exact(struct eval *ev, const struct vec *v, int64_t i, struct dec *ret)
{
	double f;

	if (v->type == V_DEC) {
		*ret = v->d[i & v->mask];
		return 0;
	}
	f = v->f[i & v->mask];
	*ret = dec_of_special(f);
	return isfinite(f) ? dec_from_f64(f, &ev->pool, ret) : 0;
}

/* Row i as a double, when that is exact: a float64, or a whole number that fits. */
static inline bool plain(const struct vec *v, int64_t i, double *ret)
{
	struct dec d;

	if (v->type == V_F64) {
		*ret = v->f[i & v->mask];
		return true;
	}
	d = v->d[i & v->mask];
	*ret = (double)d.m;
	return !d.big && !d.scale && fits_f64(d.m);
}

#define MIXED_OP(name, op, general)                                                                    \
	KERNEL(name)                                                                                   \
	{                                                                                              \
		struct dec a, b, r;                                                                    \
                                                                                                       \
		(void)x;                                                                               \
		EACH(sel, i,                                                                           \
			double m, n;                                                                   \
			if (plain(&args[0], i, &m) && plain(&args[1], i, &n)) {                        \
				ret->f[i] = m op n;                                                    \
				continue;                                                              \
			}                                                                              \
			if (exact(ev, &args[0], i, &a) < 0 || exact(ev, &args[1], i, &b) < 0)          \
				return err_oom(e);                                                     \
			if (dec_special(a) || dec_special(b))                                          \
				r = SPECIAL_OP(a, op, b, &ev->pool);                                   \
			else if (general(a, b, &ev->pool, &r) < 0)                                     \
				return err_oom(e);                                                     \
			ret->f[i] = as_f64(r, &ev->pool);                                              \
		);                                                                                     \
		return 0;                                                                              \
	}

MIXED_OP(add_mixed, +, dec_add)
MIXED_OP(sub_mixed, -, dec_sub)
MIXED_OP(mul_mixed, *, dec_mul)

KERNEL(div_mixed)
{
	struct dec a, b;

	(void)x;
	EACH(sel, i,
		double m, n;

		if (plain(&args[0], i, &m) && plain(&args[1], i, &n)) {
			ret->f[i] = m / n;
			continue;
		}
		if (exact(ev, &args[0], i, &a) < 0 || exact(ev, &args[1], i, &b) < 0)
			return err_oom(e);
		ret->f[i] = quotient(a, b, &ev->pool);
	);
	return 0;
}

KERNEL(mod_mixed)
{
	struct dec a, b, q, r;

	(void)x;
	EACH(sel, i,
		if (exact(ev, &args[0], i, &a) < 0 || exact(ev, &args[1], i, &b) < 0)
			return err_oom(e);
		if (dec_special(a) || dec_special(b) || dec_sign(b, &ev->pool) == 0)
			r = dec_of_special(floor_mod(as_f64(a, &ev->pool), as_f64(b, &ev->pool)));
		else if (dec_divmod(a, b, &ev->pool, &q, &r) < 0)
			return err_oom(e);
		ret->f[i] = as_f64(r, &ev->pool);
	);
	return 0;
}

static const struct arith_op ops[] = {
	{ "+", { add_i64, add_f64, add_dec, add_mixed }, { V_I64, V_F64, V_DEC, V_F64 } },
	{ "-", { sub_i64, sub_f64, sub_dec, sub_mixed }, { V_I64, V_F64, V_DEC, V_F64 } },
	{ "*", { mul_i64, mul_f64, mul_dec, mul_mixed }, { V_I64, V_F64, V_DEC, V_F64 } },
	{ "/", { div_i64, div_f64, div_dec, div_mixed }, { V_F64, V_F64, V_F64, V_F64 } },
	{ "%", { mod_i64, mod_f64, mod_dec, mod_mixed }, { V_I64, V_F64, V_DEC, V_F64 } },
};

const struct arith_op *arith_find(struct str name)
{
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
		if (str_is(name, ops[i].name))
			return &ops[i];
	return NULL;
}
