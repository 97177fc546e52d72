/* Functions of numbers: int64 and num stay what they are and are exact, float64 uses only operations that IEEE 754 rounds correctly. */
#include "lib/expr/compare.h"
#include "lib/expr/fn.h"
#include "lib/expr/kernel.h"

#include <math.h>

static int too_large(struct eval *ev, const struct expr *x, struct vec *ret, int64_t i, struct err *e)
{
	return eval_bad(ev, ret, i, NULL, e, "%.*s does not fit int64", x->text.n > 60 ? 60 : (int)x->text.n, x->text.p);
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

static int round_dec_rows(struct eval *ev, const struct expr *x, const struct vec *args, char mode, struct sel sel, struct vec *ret,
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
static int round_f64_rows(struct eval *ev, const struct expr *x, const struct vec *args, char mode, struct sel sel, struct vec *ret,
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

static int round_i64_rows(struct eval *ev, const struct expr *x, const struct vec *args, char mode, struct sel sel, struct vec *ret,
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

const struct fn fns_number[] = {
	{ "abs", "n", 'n', { abs_i64, abs_f64, abs_dec }, NULL, "abs(x)", "without the sign", NULL },
	{ "sign", "n", 'i', { sign_i64, sign_f64, sign_dec }, NULL, "sign(x)", "-1, 0 or 1", NULL },
	{ "round", "n?i", 'n', { round_i64, round_f64, round_dec }, NULL, "round(x[, d])",
	  "to d (0) digits behind the point, halves away from zero; num keeps its zeros", NULL },
	{ "floor", "n", 'n', { same_i64, floor_f64, floor_dec }, NULL, "floor(x)", "the largest whole number not above x", NULL },
	{ "ceil", "n", 'n', { same_i64, ceil_f64, ceil_dec }, NULL, "ceil(x)", "the smallest whole number not below x", NULL },
	{ "trunc", "n?i", 'n', { trunc_i64, trunc_f64, trunc_dec }, NULL, "trunc(x[, d])", "to d (0) digits behind the point, towards zero", NULL },
	{ "sqrt", "n", 'f', { sqrt_i64, sqrt_f64, sqrt_dec }, NULL, "sqrt(x)", "square root, as float64; of a negative number nan", NULL },
	{ "fixed", "di", 's', { fixed }, NULL, "fixed(x, d)", "x as text with exactly d digits behind the point", NULL },
	{ "base", "ii", 's', { to_base }, NULL, "base(x, b)", "a whole number in base b (2 to 36), as text", NULL },
	{ 0 },
};
