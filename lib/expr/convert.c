/* Conversions: see convert.h. One kernel for each pair of types; the table is at the end. */
#include "lib/expr/convert.h"

#include "lib/expr/kernel.h"
#include "lib/format/format.h"

#include <math.h>
#include <strings.h>

/* A kernel whose rows cannot fail: `in` is the argument's slot, the expression is the result's. */
#define SIMPLE(name, from, to, ...)                                        \
	KERNEL(name)                                                       \
	{                                                                  \
		const struct vec *a = args;                                \
		(void)ev, (void)x, (void)e;                                \
		EACH(sel, i,                                               \
			const __typeof__(*a->from) in = a->from[i & a->mask]; \
			ret->to[i] = __VA_ARGS__;                          \
		);                                                         \
		return 0;                                                  \
	}

SIMPLE(i64_to_dec, i, d, dec_from_i64(in))
SIMPLE(i64_to_f64, i, f, (double)in)
SIMPLE(dec_to_f64_k, d, f, dec_special(in) ? dec_special_f64(in) : dec_to_f64(in, &ev->pool))
SIMPLE(i64_to_bool, i, b, in != 0)
SIMPLE(f64_to_bool, f, b, in != 0)
SIMPLE(dec_to_bool, d, b, dec_special(in) || dec_sign(in, &ev->pool) != 0)
SIMPLE(date_to_time, i, i, in * 86400000000)
SIMPLE(time_to_date, i, i, in / 86400000000 - (in % 86400000000 < 0))
SIMPLE(bool_to_i64, b, i, in)
SIMPLE(same_text, s, s, in)

KERNEL(f64_to_dec)
{
	const struct vec *a = args;

	(void)x;
	EACH(sel, i,
		double v = a->f[i & a->mask];

		if (!isfinite(v))
			ret->d[i] = dec_of_special(v);
		else if (dec_from_f64(v, &ev->pool, &ret->d[i]) < 0)
			return err_oom(e);
	);
	return 0;
}

static enum dec_read read_decimal(struct eval *ev, struct str s, struct dec *ret)
{
	enum dec_read why = dec_parse(s, &ev->pool, ret);
	double v;

	if (why != DEC_SPECIAL)
		return why;
	if (num_parse_f64(s, &v) == DEC_BAD)
		return DEC_BAD;
	*ret = dec_of_special(v);
	return DEC_OK;
}

KERNEL(text_to_dec)
{
	const struct vec *a = args;
	int rc;

	EACH(sel, i,
		struct str s = a->s[i & a->mask];
		enum dec_read why = read_decimal(ev, s, &ret->d[i]);

		if (why != DEC_OK && (rc = eval_bad_number(ev, ret, i, x, s, why, e)) < 0)
			return rc;
	);
	return 0;
}

KERNEL(text_to_f64)
{
	const struct vec *a = args;
	int rc;

	EACH(sel, i,
		struct str s = a->s[i & a->mask];
		enum dec_read why = num_parse_f64(s, &ret->f[i]);

		if (why == DEC_BAD && (rc = eval_bad_number(ev, ret, i, x, s, why, e)) < 0)
			return rc;
	);
	return 0;
}

/* The whole number a decimal is. */
static int to_whole(struct eval *ev, const struct expr *x, struct dec d, int64_t i, struct vec *ret, struct err *e)
{
	cleanup_buf struct buf b = { 0 };
	char tmp[32];

	if (!dec_special(d) && dec_is_int64(d, &ev->pool, &ret->i[i]))
		return 0;
	if (ev->folding)
		return eval_bad(ev, ret, i, x, e, " ");
	if (dec_special(d) ? buf_add(&b, tmp, num_print_f64(dec_special_f64(d), tmp)) : dec_print(d, &ev->pool, &b))
		return err_oom(e);
	return eval_bad(ev, ret, i, x, e, "%.*s is not a whole number that fits int64 (round, floor, ceil or trunc it first)",
			EXCERPT(buf_view(&b)));
}

KERNEL(dec_to_i64)
{
	const struct vec *a = args;
	int rc;

	EACH(sel, i, if ((rc = to_whole(ev, x, a->d[i & a->mask], i, ret, e)) < 0) return rc;);
	return 0;
}

KERNEL(f64_to_i64)
{
	const struct vec *a = args;
	struct dec d;
	int rc;

	EACH(sel, i,
		double v = a->f[i & a->mask];

		d = dec_of_special(v);
		if (isfinite(v) && dec_from_f64(v, &ev->pool, &d) < 0)
			return err_oom(e);
		if ((rc = to_whole(ev, x, d, i, ret, e)) < 0)
			return rc;
	);
	return 0;
}

KERNEL(text_to_i64)
{
	const struct vec *a = args;
	struct dec d;
	int rc;

	EACH(sel, i,
		struct str s = a->s[i & a->mask];
		enum dec_read why = read_decimal(ev, s, &d);

		rc = why == DEC_OK ? to_whole(ev, x, d, i, ret, e) : eval_bad_number(ev, ret, i, x, s, why, e);
		if (rc < 0)
			return rc;
	);
	return 0;
}

KERNEL(text_to_bool)
{
	static const char *const words[] = { "false", "true", "f", "t", "no", "yes", "n", "y", "off", "on", "0", "1" };
	const struct vec *a = args;
	int rc;

	EACH(sel, i,
		struct str s = a->s[i & a->mask];
		size_t w = 0;

		while (w < 12 && !(strlen(words[w]) == s.n && strncasecmp(words[w], s.p, s.n) == 0))
			w++;
		ret->b[i] = w & 1;
		if (w == 12 && (rc = eval_bad(ev, ret, i, x, e, "\"%.*s\" is not a bool (true, false, t, f, yes, no, y, n, on, off, 1, 0)",
					      EXCERPT(s))) < 0)
			return rc;
	);
	return 0;
}

KERNEL(text_to_time)
{
	const struct vec *a = args;
	int rc;

	EACH(sel, i,
		struct str s = a->s[i & a->mask];

		if (!time_parse(s, &ret->i[i]) &&
		    (rc = eval_bad(ev, ret, i, x, e, "\"%.*s\" is not a time (2015-01-02T03:04:05Z)", EXCERPT(s))) < 0)
			return rc;
	);
	return 0;
}

KERNEL(text_to_date)
{
	const struct vec *a = args;
	int32_t days = 0;
	int rc;

	EACH(sel, i,
		struct str s = a->s[i & a->mask];
		bool ok = date_parse(s, &days);

		ret->i[i] = days;
		if (!ok && (rc = eval_bad(ev, ret, i, x, e, "\"%.*s\" is not a date (2015-01-02)", EXCERPT(s))) < 0)
			return rc;
	);
	return 0;
}

static const struct type type_span = { .id = T_DURATION, .layout = LAY_FIXED, .width = 8, .unit = UNIT_US };
static const struct type type_binary = { .id = T_BINARY, .layout = LAY_VAR };

/* Binary as it is printed everywhere: through a column of one row. */
static int print_binary(struct str s, struct buf *b)
{
	const int32_t offsets[2] = { 0, (int32_t)s.n };
	const struct column c = { .type = &type_binary, .length = 1, .values = (const uint8_t *)s.p, .offsets = offsets };

	return value_print(&c, 0, b);
}

int print_value(struct eval *ev, const struct vec *v, int64_t i, struct buf *b)
{
	const struct column span = { .type = &type_span, .length = 1, .values = v->p };
	struct dec d;
	char tmp[40];

	i &= v->mask;
	switch (v->type) {
	case V_BOOL:
		return buf_puts(b, v->b[i] ? "true" : "false");
	case V_I64:
		return buf_add(b, tmp, num_print_i64(v->i[i], tmp));
	case V_F64:
		return buf_add(b, tmp, num_print_f64(v->f[i], tmp));
	case V_DEC:
		d = v->d[i];
		return dec_special(d) ? buf_add(b, tmp, num_print_f64(dec_special_f64(d), tmp)) : dec_print(d, &ev->pool, b);
	case V_DATE:
		return buf_add(b, tmp, date_print((int32_t)v->i[i], tmp));
	case V_TIME:
		return buf_add(b, tmp, time_print(v->i[i], tmp));
	case V_SPAN:
		return value_print(&span, i, b);
	case V_BIN:
		return print_binary(v->s[i], b);
	default:
		return buf_str(b, v->s[i]);
	}
}

KERNEL(to_text)
{
	const struct vec *a = args;
	char *p;

	(void)x;
	EACH(sel, i,
		ev->tmp.n = 0;
		if (print_value(ev, a, i, &ev->tmp) < 0 || !(p = eval_text(ev, ev->tmp.n)))
			return err_oom(e);
		if (ev->tmp.n)
			memcpy(p, ev->tmp.p, ev->tmp.n);
		ret->s[i] = (struct str){ p, ev->tmp.n };
	);
	return 0;
}

static kernel_fn *from_text(enum value_type to)
{
	switch (to) {
	case V_DEC:
		return text_to_dec;
	case V_F64:
		return text_to_f64;
	case V_I64:
		return text_to_i64;
	case V_BOOL:
		return text_to_bool;
	case V_TIME:
		return text_to_time;
	case V_DATE:
		return text_to_date;
	case V_TEXT:
		return same_text;
	default:
		return NULL;
	}
}

kernel_fn *conversion(enum value_type from, enum value_type to)
{
	static kernel_fn *const table[V_COUNT][V_COUNT] = {
		[V_BOOL] = { [V_TEXT] = to_text },
		[V_I64] = { [V_DEC] = i64_to_dec, [V_F64] = i64_to_f64, [V_BOOL] = i64_to_bool, [V_TEXT] = to_text, [V_NUM] = to_text },
		[V_F64] = { [V_DEC] = f64_to_dec, [V_I64] = f64_to_i64, [V_BOOL] = f64_to_bool, [V_TEXT] = to_text, [V_NUM] = to_text },
		[V_DEC] = { [V_F64] = dec_to_f64_k, [V_I64] = dec_to_i64, [V_BOOL] = dec_to_bool, [V_TEXT] = to_text, [V_NUM] = to_text },
		[V_NUM] = { [V_F64] = text_to_f64, [V_I64] = text_to_i64, [V_DEC] = text_to_dec, [V_TEXT] = same_text },
		[V_BIN] = { [V_TEXT] = to_text },
		[V_DATE] = { [V_TIME] = date_to_time, [V_TEXT] = to_text },
		[V_TIME] = { [V_DATE] = time_to_date, [V_TEXT] = to_text },
		[V_SPAN] = { [V_TEXT] = to_text },
	};

	if (from == V_BOOL && to == V_I64)
		return bool_to_i64;
	return from == V_TEXT || from == V_JSON ? from_text(to) : table[from][to];
}

/* What read_numbers() found, in the form that vectors have: nulls a byte each, specials in the slots, one pool. */
static int take_numbers(struct eval *ev, struct numbers *n, struct sel sel, struct vec *ret, struct err *e)
{
	int64_t rows = ev->lv->nrows;

	*ret = (struct vec){ .type = V_DEC, .mask = -1 };
	memcpy(&ret->d, &n->dec, sizeof ret->d); /* it is the level's arena: ours to finish */
	if (n->nulls && !(ret->null = arena_alloc(&ev->lv->arena, (size_t)rows + 1)))
		return err_oom(e);
	for (int64_t i = 0; ret->null && i < rows; i++)
		ret->null[i] = !bit_get(n->valid, i);
	if (n->special)
		EACH(sel, i,
			if (n->special[i])
				ret->d[i] = dec_of_special(n->f64[i]);
		);
	if (n->pool.n)
		EACH(sel, i,
			if (ret->d[i].big && !dec_special(ret->d[i]) && dec_copy(ret->d[i], &n->pool, &ev->pool, &ret->d[i]) < 0)
				return err_oom(e);
		);
	return 0;
}

static int take_bad(struct eval *ev, const struct bad_values *bad, const struct err *why, struct err *e)
{
	struct level *lv = ev->lv;

	ev->nbad += bad->count;
	if (bad->bad_row >= 0 && bad->bad_row < lv->bad_row) {
		lv->bad_row = bad->bad_row;
		lv->bad = *why;
	}
	for (int64_t i = 0; i < lv->nrows && (bad->skip || bad->nulled); i++)
		if (bit_get(bad->skip ? bad->skip : bad->nulled, i) &&
		    bad_values_mark(&ev->marked, ev->batch, lv->src ? lv->src[i] : i, &ev->levels->arena, e) < 0)
			return -e->status;
	if (!bad->skip)
		return 0;
	if (!lv->skip && !(lv->skip = arena_calloc(&lv->arena, (size_t)lv->nrows + 1, 1)))
		return err_oom(e);
	for (int64_t i = 0; i < lv->nrows; i++)
		lv->skip[i] |= bit_get(bad->skip, i);
	return 0;
}

int eval_to_decimal(struct eval *ev, const struct expr *x, struct sel sel, struct vec *ret, struct err *e)
{
	const struct expr *from = x->args[0];
	struct bad_values bad = bad_values_of(ev->policy);
	struct numbers n;
	struct err why;
	int rc;

	if (from->slot < 0 || from->slot >= ev->p->in->nfields || ev->depth != 0 || !value_text(from->type))
		return eval_call(ev, x, sel, ret, e);
	rc = read_numbers(ev->batch, from->slot, sel.idx, sel.n, &bad, &ev->lv->arena, &n, &why);
	if (rc < 0)
		*e = why;
	else if ((rc = take_numbers(ev, &n, sel, ret, e)) == 0)
		rc = take_bad(ev, &bad, &why, e);
	numbers_free(&n);
	return rc;
}
