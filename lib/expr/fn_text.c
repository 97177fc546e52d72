/* Functions of text. Characters are Unicode code points; results point into their arguments where they can. */
#include "lib/base/letters.h"
#include "lib/base/utf8.h"
#include "lib/expr/fn.h"
#include "lib/expr/kernel.h"
#include "lib/expr/program.h"

#define TEXT_MAX (INT64_C(1) << 28) /* longest text that repeat() and padding make */

/* The bytes of v, all below 128, that lie from `first` to `first` + 25 get bit 0x20 flipped: adding brings them, and what is
 * above
 * them, over 128. */
static inline uint64_t flip_case(uint64_t v, unsigned char first)
{
	const uint64_t ones = 0x0101010101010101;
	uint64_t from = v + ones * (128u - first), above = v + ones * (128u - 26 - first);

	return v ^ ((from & ~above & ones * 128) >> 2);
}

static void ascii_flip(char *to, struct str s, unsigned char first)
{
	uint64_t v;
	size_t i = 0;

	for (; i + 8 <= s.n; i += 8) {
		memcpy(&v, s.p + i, 8);
		v = flip_case(v, first);
		memcpy(to + i, &v, 8);
	}
	for (; i < s.n; i++)
		to[i] = (char)(s.p[i] ^ ((unsigned char)(s.p[i] - first) < 26 ? 0x20 : 0));
}

static void ascii_lower(char *to, struct str s) { ascii_flip(to, s, 'A'); }
static void ascii_upper(char *to, struct str s) { ascii_flip(to, s, 'a'); }

/* Maps code points; bytes that are not UTF-8 stay as they are. `to` has room for 3/2 of s and 4 bytes. */
static size_t map_letters(char *to, struct str s, uint32_t (*map)(uint32_t))
{
	size_t n = 0, len;

	for (size_t i = 0; i < s.n; i += len) {
		uint32_t c = utf8_decode(s.p + i, s.n - i, &len);

		if (c == UTF8_BAD)
			to[n++] = s.p[i];
		else
			n += utf8_encode(map(c), to + n);
	}
	return n;
}

static int change_case(struct eval *ev, const struct vec *args, struct sel sel, struct vec *ret, void (*ascii)(char *,
		struct str),
		       uint32_t (*map)(uint32_t), struct err *e)
{
	size_t total = 0;
	char *to;

	EACH(sel, i, total += ARG(0, s, i).n + (ARG(0, s, i).n + 1) / 2 + 4;);
	if (!(to = eval_text(ev, total)))
		return err_oom(e);
	EACH(sel, i,
		const struct str s = ARG(0, s, i);
		size_t n = s.n;

		if (text_is_ascii(s))
			ascii(to, s);
		else
			n = map_letters(to, s, map);
		ret->s[i] = (struct str){ to, n };
		to += n;
	);
	return 0;
}

KERNEL(lower)
{
	(void)x;
	return change_case(ev, args, sel, ret, ascii_lower, letter_lower, e);
}

KERNEL(upper)
{
	(void)x;
	return change_case(ev, args, sel, ret, ascii_upper, letter_upper, e);
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static struct str trim_left(struct str s)
{
	while (s.n && is_space(*s.p))
		s = str_from(s, 1);
	return s;
}

static struct str trim_right(struct str s)
{
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

#define TEXT_KERNEL(name, member, ...)                          \
	KERNEL(name)                                            \
	{                                                       \
		UNUSED_KERNEL_ARGS;                             \
		EACH(sel, i,                                    \
			const struct str s = ARG(0, s, i);      \
			ret->member[i] = __VA_ARGS__;           \
		);                                              \
		return 0;                                       \
	}

TEXT_KERNEL(trim, s, trim_left(trim_right(s)))
TEXT_KERNEL(ltrim, s, trim_left(s))
TEXT_KERNEL(rtrim, s, trim_right(s))
TEXT_KERNEL(length, i, (int64_t)utf8_count(s.p, s.n))
TEXT_KERNEL(bytes, i, (int64_t)s.n)
TEXT_KERNEL(starts_with, b, str_starts(s, ARG(1, s, i)))
TEXT_KERNEL(ends_with, b, str_ends(s, ARG(1, s, i)))
TEXT_KERNEL(contains, b, !ARG(1, s, i).n || memmem(s.p, s.n, ARG(1, s, i).p, ARG(1, s, i).n) != NULL)

/* Offset of the k-th character (from 0), or s.n. */
static size_t char_offset(struct str s, int64_t k)
{
	size_t i = 0, len;

	for (; i < s.n && k > 0; k--, i += len) {
		if ((unsigned char)s.p[i] < 0x80)
			len = 1;
		else
			utf8_decode(s.p + i, s.n - i, &len);
	}
	return i;
}

/* The part of s in the window of n characters from `start` (from 1; negative: from the end); what of it lies outside is
 * empty. */
static struct str window(struct str s, int64_t start, int64_t n)
{
	int64_t end;
	size_t from;

	if (start < 0)
		start += (int64_t)utf8_count(s.p, s.n) + 1;
	if (__builtin_add_overflow(start, n, &end))
		end = INT64_MAX;
	start = start < 1 ? 1 : start;
	if (end <= start)
		return (struct str){ s.p, 0 };
	from = char_offset(s, start - 1);
	s = str_from(s, from);
	return (struct str){ s.p, char_offset(s, end - start) };
}

KERNEL(substr)
{
	int rc;

	EACH(sel, i,
		const int64_t n = x->nargs > 2 ? ARG(2, i, i) : INT64_MAX;

		if (n >= 0)
			ret->s[i] = window(ARG(0, s, i), ARG(1, i, i), n);
		else if ((rc = eval_bad(ev, ret, i, x->args[2], e, "substr of %lld characters", (long long)n)) < 0)
			return rc;
	);
	return 0;
}

/* Character position of the first `part`, from 1; 0: it is not there. */
static int64_t position(struct str s, struct str part)
{
	const char *p = part.n ? memmem(s.p, s.n, part.p, part.n) : s.p;

	return p ? (int64_t)utf8_count(s.p, (size_t)(p - s.p)) + 1 : 0;
}

KERNEL(find)
{
	UNUSED_KERNEL_ARGS;
	EACH(sel, i, ret->i[i] = position(ARG(0, s, i), ARG(1, s, i)););
	return 0;
}

static int keep_tmp(struct eval *ev, struct str *ret, struct err *e)
{
	*ret = text_copy(ev, buf_view(&ev->tmp));
	return ret->p ? 0 : err_oom(e);
}

static int replace_all(struct eval *ev, struct str s, struct str a, struct str b, struct str *ret, struct err *e)
{
	const char *p = a.n ? memmem(s.p, s.n, a.p, a.n) : NULL;

	if (!p) {
		*ret = s;
		return 0;
	}
	ev->tmp.n = 0;
	for (; p; p = memmem(s.p, s.n, a.p, a.n)) {
		if (buf_add(&ev->tmp, s.p, (size_t)(p - s.p)) || buf_str(&ev->tmp, b))
			return err_oom(e);
		s = str_from(s, (size_t)(p - s.p) + a.n);
		if (!s.n)
			break;
	}
	return buf_str(&ev->tmp, s) ? err_oom(e) : keep_tmp(ev, ret, e);
}

KERNEL(replace)
{
	int rc;

	(void)x;
	EACH(sel, i,
		if ((rc = replace_all(ev, ARG(0, s, i), ARG(1, s, i), ARG(2, s, i), &ret->s[i], e)) < 0)
			return rc;
	);
	return 0;
}

/* concat(a, b, ...) and, from `first` = 1 on with the separator in front, join(sep, a, b, ...). */
static int glue(struct eval *ev, const struct expr *x, const struct vec *args, int first, struct sel sel, struct vec *ret,
		struct err *e)
{
	EACH(sel, i,
		size_t n = 0;
		char *to;

		for (int k = first; k < x->nargs; k++)
			n += ARG(k, s, i).n + (first && k > first ? ARG(0, s, i).n : 0);
		if (!(to = eval_text(ev, n)))
			return err_oom(e);
		ret->s[i] = (struct str){ to, n };
		for (int k = first; k < x->nargs; k++) {
			if (first && k > first)
				to = mempcpy(to, ARG(0, s, i).p, ARG(0, s, i).n);
			if (ARG(k, s, i).n)
				to = mempcpy(to, ARG(k, s, i).p, ARG(k, s, i).n);
		}
	);
	return 0;
}

KERNEL(concat) { return glue(ev, x, args, 0, sel, ret, e); }
KERNEL(join) { return glue(ev, x, args, 1, sel, ret, e); }

/* s `times` over, with `more` characters of fill on one side. */
static int too_long(struct eval *ev, const struct expr *x, struct vec *ret, int64_t i, struct err *e)
{
	return eval_bad(ev, ret, i, NULL, e, "%.*s would be longer than 256 MiB", EXCERPT(x->text));
}

static char *fill(char *to, struct str s, int64_t times)
{
	for (; times > 0 && s.n; times--)
		to = mempcpy(to, s.p, s.n);
	return to;
}

KERNEL(repeat)
{
	int rc;

	EACH(sel, i,
		const struct str s = ARG(0, s, i);
		const int64_t times = ARG(1, i, i) > 0 ? ARG(1, i, i) : 0;
		char *to;

		ret->s[i] = (struct str){ s.p, 0 };
		if (s.n && times > TEXT_MAX / (int64_t)s.n) {
			if ((rc = too_long(ev, x, ret, i, e)) < 0)
				return rc;
			continue;
		}
		if (!(to = eval_text(ev, s.n * (size_t)times)))
			return err_oom(e);
		ret->s[i] = (struct str){ to, s.n * (size_t)times };
		fill(to, s, times);
	);
	return 0;
}

static int pad(struct eval *ev, const struct expr *x, const struct vec *args, bool left, struct sel sel, struct vec *ret,
		struct err *e)
{
	int rc;

	EACH(sel, i,
		const struct str s = ARG(0, s, i);
		const struct str f = x->nargs > 2 ? ARG(2, s, i) : STR(" ");
		const int64_t more = ARG(1, i, i) - (int64_t)utf8_count(s.p, s.n);
		char *to;

		ret->s[i] = s;
		if (more <= 0)
			continue;
		if (more > TEXT_MAX / 4) {
			if ((rc = too_long(ev, x, ret, i, e)) < 0)
				return rc;
			continue;
		}
		if (!(to = eval_text(ev, s.n + f.n * (size_t)more)))
			return err_oom(e);
		ret->s[i] = (struct str){ to, s.n + f.n * (size_t)more };
		to = left ? fill(to, f, more) : fill(to, s, 1);
		to = left ? fill(to, s, 1) : fill(to, f, more);
	);
	return 0;
}

KERNEL(pad_left) { return pad(ev, x, args, true, sel, ret, e); }
KERNEL(pad_right) { return pad(ev, x, args, false, sel, ret, e); }

static int one_character(struct check *c, struct expr *x, struct err *e)
{
	struct str s;

	if (x->nargs < 3)
		return 0;
	s = x->args[2]->value.s[0];
	if (!utf8_valid(s.p, s.n) || utf8_count(s.p, s.n) != 1)
		return check_err(c, x->args[2]->at, e, "the filling is one character");
	return 0;
}

static void reverse_text(char *to, struct str s)
{
	size_t end = s.n, len;

	for (size_t i = 0; i < s.n; i += len) {
		utf8_decode(s.p + i, s.n - i, &len);
		end -= len;
		memcpy(to + end, s.p + i, len);
	}
}

KERNEL(reverse)
{
	(void)x;
	EACH(sel, i,
		const struct str s = ARG(0, s, i);
		char *to = eval_text(ev, s.n);

		if (!to)
			return err_oom(e);
		reverse_text(to, s);
		ret->s[i] = (struct str){ to, s.n };
	);
	return 0;
}

/* The n-th part of s between separators (from 1; negative: from the end); false: there are not so many. */
static bool nth_part(struct str s, struct str sep, int64_t n, struct str *ret)
{
	int64_t parts = 1;
	const char *p;

	if (!sep.n) {
		*ret = s;
		return n == 1 || n == -1;
	}
	for (struct str r = s; n < 0 && (p = memmem(r.p, r.n, sep.p, sep.n)); parts++)
		r = str_from(r, (size_t)(p - r.p) + sep.n);
	n = n < 0 ? parts + 1 + n : n;
	for (; n > 1; n--) {
		if (!(p = memmem(s.p, s.n, sep.p, sep.n)))
			return false;
		s = str_from(s, (size_t)(p - s.p) + sep.n);
	}
	p = memmem(s.p, s.n, sep.p, sep.n);
	*ret = (struct str){ s.p, p ? (size_t)(p - s.p) : s.n };
	return n == 1;
}

KERNEL(part)
{
	int rc;

	(void)x;
	EACH(sel, i,
		if (!nth_part(ARG(0, s, i), ARG(1, s, i), ARG(2, i, i), &ret->s[i]) && (rc = vec_set_null(ev, ret, i, e)) < 0)
			return rc;
	);
	return 0;
}

const struct fn fns_text[] = {
	{ "lower", "s", 's', { lower }, NULL, "lower(s)", "lower case (Unicode, one character to one)", NULL },
	{ "upper", "s", 's', { upper }, NULL, "upper(s)", "upper case (Unicode, one character to one)", NULL },
	{ "trim", "s", 's', { trim }, NULL, "trim(s)", "without blanks, tabs and line ends at both ends", NULL },
	{ "ltrim", "s", 's', { ltrim }, NULL, "ltrim(s)", "without them at the beginning", NULL },
	{ "rtrim", "s", 's', { rtrim }, NULL, "rtrim(s)", "without them at the end", NULL },
	{ "length", "s", 'i', { length }, NULL, "length(s)", "number of characters", NULL },
	{ "bytes", "s", 'i', { bytes }, NULL, "bytes(s)", "number of bytes", NULL },
	{ "substr", "si?i", 's', { substr }, NULL, "substr(s, start[, n])",
	  "n characters from start on, or all; counts from 1, negative from the end", NULL },
	{ "find", "ss", 'i', { find }, NULL, "find(s, part)", "character position of the first part in s, from 1; 0: none", NULL },
	{ "part", "ssi", 's', { part }, NULL, "part(s, sep, n)",
	  "the n-th part of s between separators, negative from the end, or null", NULL },
	{ "replace", "sss", 's', { replace }, NULL, "replace(s, a, b)", "every a in s becomes b", NULL },
	{ "starts_with", "ss", 'b', { starts_with }, NULL, "starts_with(s, part)", "does s begin with part?", NULL },
	{ "ends_with", "ss", 'b', { ends_with }, NULL, "ends_with(s, part)", "does s end with part?", NULL },
	{ "contains", "ss", 'b', { contains }, NULL, "contains(s, part)", "is part in s?", NULL },
	{ "concat", "v*", 's', { concat }, NULL, "concat(a, b, ...)", "the values' texts one after another", NULL },
	{ "join", "sv*", 's', { join }, NULL, "join(sep, a, b, ...)", "the values' texts with sep between them", NULL },
	{ "pad_left", "si?k", 's', { pad_left }, one_character, "pad_left(s, n[, c])",
	  "s filled at the left with c or blanks to n characters", NULL },
	{ "pad_right", "si?k", 's', { pad_right }, one_character, "pad_right(s, n[, c])", "s filled at the right", NULL },
	{ "repeat", "si", 's', { repeat }, NULL, "repeat(s, n)", "s n times over", NULL },
	{ "reverse", "s", 's', { reverse }, NULL, "reverse(s)", "the characters from last to first", NULL },
	{ 0 },
};
