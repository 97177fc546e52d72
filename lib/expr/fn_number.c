/* Functions of numbers: int64 and num stay what they are and are exact, float64 uses only operations that IEEE 754 rounds
 * correctly. */
#include "lib/base/elementary.h"
#include "lib/base/f64.h"
#include "lib/expr/compare.h"
#include "lib/expr/fn.h"
#include "lib/expr/kernel.h"

#include <math.h>

static int too_large(struct eval *ev, const struct expr *x, struct vec *ret, int64_t i, struct err *e)
{
	return eval_bad(ev, ret, i, NULL, e, "%.*s does not fit int64", EXCERPT(x->text));
}

KERNEL(abs_i64)
{
	int rc;

	EACH(sel, i,
		const int64_t v = ARG(0, i, i);

		ret->i[i] = v;
		if (v < 0 && __builtin_sub_overflow(0, v, &ret->i[i]) && (rc = too_large(ev, x, ret, i, e)) < 0)
			return rc;
	);
	return 0;
}

#define ROW_KERNEL(name, from, to, ...)                                       \
	KERNEL(name)                                                          \
	{                                                                     \
		UNUSED_KERNEL_ARGS;                                           \
		EACH(sel, i,                                                  \
			const __typeof__(*ret->from) v = ARG(0, from, i);     \
			ret->to[i] = __VA_ARGS__;                             \
		);                                                            \
		return 0;                                                     \
	}

static int dec_sign_of(struct dec v, const struct decpool *p)
{
	double f;

	if (!dec_special(v))
		return dec_sign(v, p);
	f = dec_special_f64(v);
	return (f > 0) - (f < 0);
}

ROW_KERNEL(abs_f64, f, f, fabs(v))
ROW_KERNEL(sign_i64, i, i, (v > 0) - (v < 0))
ROW_KERNEL(sign_f64, f, i, (v > 0) - (v < 0))
ROW_KERNEL(sign_dec, d, i, dec_sign_of(v, &ev->pool))
ROW_KERNEL(same_i64, i, i, v)
ROW_KERNEL(floor_f64, f, f, floor(v))
ROW_KERNEL(ceil_f64, f, f, ceil(v))
ROW_KERNEL(sqrt_f64, f, f, sqrt(v))
ROW_KERNEL(sqrt_i64, i, f, dec_sqrt_f64(dec_from_i64(v), &ev->pool))
ROW_KERNEL(sqrt_dec, d, f, dec_special(v) ? sqrt(dec_special_f64(v)) : dec_sqrt_f64(v, &ev->pool))

KERNEL(abs_dec)
{
	(void)x;
	EACH(sel, i,
		const struct dec v = ARG(0, d, i);

		ret->d[i] = v;
		if (dec_special(v))
			ret->d[i] = dec_of_special(fabs(dec_special_f64(v)));
		else if (dec_sign(v, &ev->pool) < 0 && dec_neg(v, &ev->pool, &ret->d[i]) < 0)
			return err_oom(e);
	);
	return 0;
}

#define DIGITS_MAX 2000

/* How many digits behind the point row i asks for. */
static int32_t digits_of(const struct expr *x, const struct vec *args, int64_t i)
{
	int64_t d = x->nargs > 1 ? ARG(1, i, i) : 0;

	return (int32_t)(d < -DIGITS_MAX ? -DIGITS_MAX : d > DIGITS_MAX ? DIGITS_MAX : d);
}

static int round_dec_rows(struct eval *ev, const struct expr *x, const struct vec *args, char mode, struct sel sel,
		struct vec *ret,
			  struct err *e)
{
	EACH(sel, i,
		const struct dec v = ARG(0, d, i);

		ret->d[i] = v;
		if (!dec_special(v) && dec_round(v, digits_of(x, args, i), mode, &ev->pool, &ret->d[i]) < 0)
			return err_oom(e);
	);
	return 0;
}

KERNEL(round_dec) { return round_dec_rows(ev, x, args, 'h', sel, ret, e); }
KERNEL(trunc_dec) { return round_dec_rows(ev, x, args, 't', sel, ret, e); }
KERNEL(floor_dec) { return round_dec_rows(ev, x, args, 'f', sel, ret, e); }
KERNEL(ceil_dec) { return round_dec_rows(ev, x, args, 'c', sel, ret, e); }

/* The exact value of the double is rounded in decimal, then to the nearest double. */
static int round_f64_rows(struct eval *ev, const struct expr *x, const struct vec *args, char mode, struct sel sel,
		struct vec *ret,
			  struct err *e)
{
	struct dec d;

	EACH(sel, i,
		const double v = ARG(0, f, i);
		const int32_t digits = digits_of(x, args, i);

		ret->f[i] = v;
		if (!isfinite(v))
			continue;
		if (digits == 0) {
			ret->f[i] = mode == 'h' ? round(v) : trunc(v);
			continue;
		}
		if (dec_from_f64(v, &ev->pool, &d) < 0 || dec_round(d, digits, mode, &ev->pool, &d) < 0)
			return err_oom(e);
		ret->f[i] = copysign(dec_to_f64(d, &ev->pool), v);
	);
	return 0;
}

KERNEL(round_f64) { return round_f64_rows(ev, x, args, 'h', sel, ret, e); }
KERNEL(trunc_f64) { return round_f64_rows(ev, x, args, 't', sel, ret, e); }

static int round_i64_rows(struct eval *ev, const struct expr *x, const struct vec *args, char mode, struct sel sel,
		struct vec *ret,
			  struct err *e)
{
	struct dec d;
	int rc;

	EACH(sel, i,
		const int32_t digits = digits_of(x, args, i);

		ret->i[i] = ARG(0, i, i);
		if (digits >= 0)
			continue;
		if (dec_round(dec_from_i64(ret->i[i]), digits, mode, &ev->pool, &d) < 0)
			return err_oom(e);
		if (!dec_is_int64(d, &ev->pool, &ret->i[i]) && (rc = too_large(ev, x, ret, i, e)) < 0)
			return rc;
	);
	return 0;
}

KERNEL(round_i64) { return round_i64_rows(ev, x, args, 'h', sel, ret, e); }
KERNEL(trunc_i64) { return round_i64_rows(ev, x, args, 't', sel, ret, e); }

/* x with exactly d digits behind the point, as text. */
KERNEL(fixed)
{
	struct dec d;
	char tmp[32];

	EACH(sel, i,
		const struct dec v = ARG(0, d, i);

		ev->tmp.n = 0;
		if (dec_special(v) ? buf_add(&ev->tmp, tmp, num_print_f64(dec_special_f64(v), tmp))
				   : dec_round(v, digits_of(x, args, i), 'h', &ev->pool, &d) < 0 || dec_print(d, &ev->pool, &ev->tmp))
			return err_oom(e);
		ret->s[i] = text_copy(ev, buf_view(&ev->tmp));
		if (!ret->s[i].p)
			return err_oom(e);
	);
	return 0;
}

/* Digits of a whole number in another base, lower case. */
KERNEL(to_base)
{
	int rc;

	EACH(sel, i,
		const int64_t v = ARG(0, i, i);
		const int64_t base = ARG(1, i, i);
		uint64_t rest = v < 0 ? -(uint64_t)v : (uint64_t)v;
		char tmp[72];
		char *p = tmp + sizeof tmp;

		ret->s[i] = STR("");
		if (base < 2 || base > 36) {
			if ((rc = eval_bad(ev, ret, i, x->args[1], e, "base(x, %lld): the base is 2 to 36", (long long)base)) < 0)
				return rc;
			continue;
		}
		do {
			*--p = "0123456789abcdefghijklmnopqrstuvwxyz"[rest % (uint64_t)base];
			rest /= (uint64_t)base;
		} while (rest);
		if (v < 0)
			*--p = '-';
		ret->s[i] = text_copy(ev, (struct str){ p, (size_t)(tmp + sizeof tmp - p) });
		if (!ret->s[i].p)
			return err_oom(e);
	);
	return 0;
}

/* ---- log, exp, pow: exact operands, rounded once ---- */

struct ratio {
	mpz_t num, den;
};
#define cleanup_ratio __attribute__((cleanup(ratio_free)))

static void ratio_init(struct ratio *r) { mpz_inits(r->num, r->den, NULL); }
static void ratio_free(struct ratio *r) { mpz_clears(r->num, r->den, NULL); }

static void ratio_of_f64(struct ratio *r, double v)
{
	int e;
	double m = frexp(v, &e);

	mpz_set_si(r->num, (long)ldexp(m, 53));
	mpz_set_ui(r->den, 0);
	mpz_setbit(r->den, e < 53 ? (mp_bitcnt_t)(53 - e) : 0);
	if (e > 53)
		mpz_mul_2exp(r->num, r->num, (mp_bitcnt_t)(e - 53));
}

/* Row i of an argument of any class as a ratio and, for what has none, as a double. */
static double ratio_of(struct eval *ev, const struct vec *v, int64_t i, struct ratio *r)
{
	struct dec d = v->type == V_I64 ? dec_from_i64(v->i[i & v->mask]) : (struct dec){ 0 };
	double f = v->type == V_F64 ? v->f[i & v->mask] : 0;

	if (v->type == V_F64) {
		if (isfinite(f))
			ratio_of_f64(r, f);
		return f;
	}
	if (v->type == V_DEC)
		d = v->d[i & v->mask];
	if (dec_special(d))
		return dec_special_f64(d);
	if (d.big)
		mpz_set(r->num, ev->pool.v[d.big - 1]);
	else
		mpz_set_si(r->num, d.m);
	mpz_ui_pow_ui(r->den, 10, (unsigned long)d.scale);
	return mpz_sgn(r->num); /* its sign and that it is finite are all that is asked of it */
}

static double log_of(double v, const struct ratio *r, enum log_base base)
{
	if (v > 0 && isfinite(v))
		return elementary_log(r->num, r->den, base);
	return v == 0 ? -INFINITY : v > 0 ? v : NAN;
}

static int log_rows(struct eval *ev, const struct vec *args, enum log_base base, struct sel sel, struct vec *ret)
{
	cleanup_ratio struct ratio r;

	ratio_init(&r);
	EACH(sel, i, ret->f[i] = log_of(ratio_of(ev, &args[0], i, &r), &r, base););
	return 0;
}

KERNEL(log_e) { UNUSED_KERNEL_ARGS; return log_rows(ev, args, LOG_E, sel, ret); }
KERNEL(log_2) { UNUSED_KERNEL_ARGS; return log_rows(ev, args, LOG_2, sel, ret); }
KERNEL(log_10) { UNUSED_KERNEL_ARGS; return log_rows(ev, args, LOG_10, sel, ret); }

KERNEL(exp_any)
{
	cleanup_ratio struct ratio r;

	UNUSED_KERNEL_ARGS;
	ratio_init(&r);
	EACH(sel, i,
		const double v = ratio_of(ev, &args[0], i, &r);

		ret->f[i] = isfinite(v) ? elementary_exp(r.num, r.den) : v > 0 ? v : v < 0 ? 0 : v;
	);
	return 0;
}

static bool is_whole(const struct ratio *r) { return mpz_divisible_p(r->num, r->den); }

static bool is_odd(const struct ratio *r)
{
	mpz_t q;
	bool odd;

	mpz_init(q);
	mpz_divexact(q, r->num, r->den);
	odd = mpz_odd_p(q);
	mpz_clear(q);
	return odd;
}

/* x^y for finite x and y; x = 0 and negative x as IEEE 754 has them. */
static double pow_finite(struct ratio *x, const struct ratio *y)
{
	int sign = mpz_sgn(x->num);
	bool odd = sign <= 0 && is_whole(y) && is_odd(y);
	double v;

	if (sign == 0)
		return mpz_sgn(y->num) > 0 ? 0 : mpz_sgn(y->num) < 0 ? INFINITY : 1;
	if (sign < 0 && !is_whole(y))
		return NAN;
	mpz_abs(x->num, x->num);
	v = elementary_pow(x->num, x->den, y->num, y->den);
	return odd ? -v : v;
}

/* Where one of them is infinite or nan the result is exact, the same in every C library; of a finite one only its size
 * matters. */
static double pow_special(double x, double y, const struct ratio *rx, const struct ratio *ry)
{
	double fx = isfinite(x) ? f64_ratio(rx->num, rx->den) : x, fy = isfinite(y) ? f64_ratio(ry->num, ry->den) : y;

	return pow(fx, fy);
}

KERNEL(pow_any)
{
	cleanup_ratio struct ratio a;
	cleanup_ratio struct ratio b;

	UNUSED_KERNEL_ARGS;
	ratio_init(&a);
	ratio_init(&b);
	EACH(sel, i,
		const double x0 = ratio_of(ev, &args[0], i, &a);
		const double y0 = ratio_of(ev, &args[1], i, &b);

		ret->f[i] = isfinite(x0) && isfinite(y0) ? pow_finite(&a, &b) : pow_special(x0, y0, &a, &b);
	);
	return 0;
}

const struct fn fns_number[] = {
	{ "abs", "n", 'n', { abs_i64, abs_f64, abs_dec }, NULL, "abs(x)", "without the sign", NULL },
	{ "sign", "n", 'i', { sign_i64, sign_f64, sign_dec }, NULL, "sign(x)", "-1, 0 or 1", NULL },
	{ "round", "n?i", 'n', { round_i64, round_f64, round_dec }, NULL, "round(x[, d])",
	  "to d (0) digits behind the point, halves away from zero; num keeps its zeros", NULL },
	{ "floor", "n", 'n', { same_i64, floor_f64, floor_dec }, NULL, "floor(x)", "the largest whole number not above x", NULL },
	{ "ceil", "n", 'n', { same_i64, ceil_f64, ceil_dec }, NULL, "ceil(x)", "the smallest whole number not below x", NULL },
	{ "trunc", "n?i", 'n', { trunc_i64, trunc_f64, trunc_dec }, NULL, "trunc(x[, d])",
	  "to d (0) digits behind the point, towards zero", NULL },
	{ "sqrt", "n", 'f', { sqrt_i64, sqrt_f64, sqrt_dec }, NULL, "sqrt(x)",
	  "square root, as float64; of a negative number nan", NULL },
	{ "log", "n", 'f', { log_e, log_e, log_e }, NULL, "log(x)", "natural logarithm, as float64", NULL },
	{ "log2", "n", 'f', { log_2, log_2, log_2 }, NULL, "log2(x)", "logarithm to base 2", NULL },
	{ "log10", "n", 'f', { log_10, log_10, log_10 }, NULL, "log10(x)", "logarithm to base 10", NULL },
	{ "exp", "n", 'f', { exp_any, exp_any, exp_any }, NULL, "exp(x)", "e to the power of x, as float64", NULL },
	{ "pow", "nn", 'f', { pow_any, pow_any, pow_any }, NULL, "pow(x, y)", "x to the power of y, as float64", NULL },
	{ "fixed", "di", 's', { fixed }, NULL, "fixed(x, d)", "x as text with exactly d digits behind the point", NULL },
	{ "base", "ii", 's', { to_base }, NULL, "base(x, b)", "a whole number in base b (2 to 36), as text", NULL },
	{ 0 },
};
