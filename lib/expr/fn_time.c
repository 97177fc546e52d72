/* Functions of times: timestamps are microseconds since 1970, UTC; the calendar is the Gregorian one for all years. */
#include "lib/expr/fn.h"

#include "lib/base/floor.h"
#include "lib/expr/kernel.h"
#include "lib/expr/program.h"

#define DAY INT64_C(86400000000)


struct civil {
	int64_t year, days, us; /* us since midnight */
	int month, day;
};

static struct civil civil_of(int64_t t)
{
	struct civil c = { .days = floor_div(t, DAY), .us = floor_mod(t, DAY) };

	date_to_civil(c.days, &c.year, &c.month, &c.day);
	return c;
}

static int64_t first_day(int64_t year, int month)
{
	int64_t days = 0;

	(void)date_from_civil(year, month, 1, &days);
	return days;
}

#define CIVIL_KERNEL(name, ...)                                      \
	KERNEL(name)                                                 \
	{                                                            \
		UNUSED_KERNEL_ARGS;                                  \
		EACH(sel, i,                                         \
			const struct civil c = civil_of(ARG(0, i, i)); \
			ret->i[i] = __VA_ARGS__;                     \
		);                                                   \
		return 0;                                            \
	}

static int64_t weekday_of(int64_t days) { return floor_mod(days + 3, 7) + 1; } /* 1970-01-01 was a Thursday */

/* The ISO week: that of the year which has its Thursday. */
static int64_t week_of(int64_t days)
{
	int64_t thursday = days - weekday_of(days) + 4, year;
	int month, day;

	date_to_civil(thursday, &year, &month, &day);
	return (thursday - first_day(year, 1)) / 7 + 1;
}

CIVIL_KERNEL(year, c.year)
CIVIL_KERNEL(quarter, (c.month + 2) / 3)
CIVIL_KERNEL(month, c.month)
CIVIL_KERNEL(day, c.day)
CIVIL_KERNEL(hour, c.us / 3600000000)
CIVIL_KERNEL(minute, c.us / 60000000 % 60)
CIVIL_KERNEL(second, c.us / 1000000 % 60)
CIVIL_KERNEL(weekday, weekday_of(c.days))
CIVIL_KERNEL(yearday, c.days - first_day(c.year, 1) + 1)
CIVIL_KERNEL(week, week_of(c.days))

/* Down to a multiple of a duration; whole weeks begin on Mondays. */
KERNEL(trunc_span)
{
	int rc;

	EACH(sel, i,
		const int64_t u = ARG(1, i, i);
		const int64_t t = ARG(0, i, i);
		const int64_t shift = u > 0 && u % (7 * DAY) == 0 ? 4 * DAY : 0;

		ret->i[i] = t;
		if (u <= 0)
			rc = eval_bad(ev, ret, i, x->args[1], e, "trunc to a duration that is not above zero");
		else if (__builtin_sub_overflow(t, floor_mod(floor_mod(t, u) - shift % u, u), &ret->i[i]))
			rc = eval_bad(ev, ret, i, x->args[0], e, "a time before all timestamps");
		else
			rc = 0;
		if (rc < 0)
			return rc;
	);
	return 0;
}

enum unit { UNIT_YEAR, UNIT_QUARTER, UNIT_MONTH, UNIT_WEEK, UNIT_DAY, UNIT_HOUR, UNIT_MINUTE, UNIT_SECOND, UNIT_COUNT };

static int prepare_unit(struct check *c, struct expr *x, struct err *e)
{
	static const char *const names[UNIT_COUNT] = { "year", "quarter", "month", "week", "day", "hour", "minute", "second" };

	for (int i = 0; i < UNIT_COUNT; i++)
		if (str_is(x->args[1]->value.s[0], names[i])) {
			x->number = i;
			return 0;
		}
	return check_err(c, x->args[1]->at, e, "the unit is one of year, quarter, month, week, day, hour, minute, second");
}

static int64_t trunc_to(int64_t t, enum unit unit)
{
	static const int64_t size[UNIT_COUNT] = { [UNIT_DAY] = DAY, [UNIT_HOUR] = DAY / 24, [UNIT_MINUTE] = DAY / 1440,
		[UNIT_SECOND] = 1000000 };
	struct civil c = civil_of(t);

	switch (unit) {
	case UNIT_YEAR:
		return first_day(c.year, 1) * DAY;
	case UNIT_QUARTER:
		return first_day(c.year, (c.month - 1) / 3 * 3 + 1) * DAY;
	case UNIT_MONTH:
		return first_day(c.year, c.month) * DAY;
	case UNIT_WEEK:
		return (c.days - weekday_of(c.days) + 1) * DAY;
	default:
		return c.days * DAY + c.us / size[unit] * size[unit];
	}
}

#define EARLIEST (INT64_MIN + 366 * DAY) /* its year begins within int64 */

KERNEL(trunc_unit)
{
	int rc;

	EACH(sel, i,
		const int64_t t = ARG(0, i, i);

		ret->i[i] = t < EARLIEST ? t : trunc_to(t, (enum unit)x->number);
		if (t < EARLIEST && (rc = eval_bad(ev, ret, i, x->args[0], e, "a time before all timestamps")) < 0)
			return rc;
	);
	return 0;
}

KERNEL(now)
{
	(void)args, (void)e, (void)x;
	EACH(sel, i, ret->i[i] = ev->p->now_us;);
	return 0;
}

KERNEL(epoch)
{
	(void)x;
	EACH(sel, i,
		const int64_t t = ARG(0, i, i);
		const bool whole = t % 1000000 == 0;

		if (dec_from_i128(whole ? t / 1000000 : t, whole ? 0 : 6, &ev->pool, &ret->d[i]) < 0)
			return err_oom(e);
	);
	return 0;
}

KERNEL(from_epoch)
{
	struct dec d;
	int rc;

	EACH(sel, i,
		const struct dec v = ARG(0, d, i);
		bool ok = !dec_special(v);

		if (ok && (dec_mul(v, dec_from_i64(1000000), &ev->pool, &d) < 0 || dec_round(d, 0, 'f', &ev->pool, &d) < 0))
			return err_oom(e);
		ok = ok && dec_is_int64(d, &ev->pool, &ret->i[i]);
		if (!ok && (rc = eval_bad(ev, ret, i, x->args[0], e, "these seconds are no timestamp")) < 0)
			return rc;
	);
	return 0;
}

/* ---- times in other spellings ---- */

static const char *const month_names[] = { "January", "February", "March",     "April",   "May",      "June",
					   "July",    "August",	  "September", "October", "November", "December" };
static const char *const day_names[] = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday" };

static int format_one(struct buf *b, char code, int64_t t, struct civil c)
{
	long long year = (long long)c.year, hour = c.us / 3600000000;

	switch (code) {
	case 'Y':
		return buf_printf(b, year >= 0 ? "%04lld" : "%05lld", year);
	case 'y':
		return buf_printf(b, "%02lld", (long long)floor_mod(year, 100));
	case 'm':
		return buf_printf(b, "%02d", c.month);
	case 'd':
		return buf_printf(b, "%02d", c.day);
	case 'e':
		return buf_printf(b, "%2d", c.day);
	case 'j':
		return buf_printf(b, "%03lld", (long long)(c.days - first_day(c.year, 1) + 1));
	case 'H':
		return buf_printf(b, "%02lld", hour);
	case 'I':
		return buf_printf(b, "%02lld", (hour + 11) % 12 + 1);
	case 'p':
		return buf_puts(b, hour < 12 ? "AM" : "PM");
	case 'M':
		return buf_printf(b, "%02lld", (long long)(c.us / 60000000 % 60));
	case 'S':
		return buf_printf(b, "%02lld", (long long)(c.us / 1000000 % 60));
	case 'f':
		return buf_printf(b, "%06lld", (long long)(c.us % 1000000));
	case 's':
		return buf_printf(b, "%lld", (long long)floor_div(t, 1000000));
	case 'B':
		return buf_puts(b, month_names[c.month - 1]);
	case 'b':
		return buf_add(b, month_names[c.month - 1], 3);
	case 'A':
		return buf_puts(b, day_names[weekday_of(c.days) - 1]);
	case 'a':
		return buf_add(b, day_names[weekday_of(c.days) - 1], 3);
	case 'u':
		return buf_printf(b, "%lld", (long long)weekday_of(c.days));
	case 'V':
		return buf_printf(b, "%02lld", (long long)week_of(c.days));
	case 'z':
		return buf_puts(b, "+0000");
	case 'Z':
		return buf_puts(b, "UTC");
	default:
		return buf_byte(b, '%');
	}
}

static int format_time(struct buf *b, struct str f, int64_t t)
{
	struct civil c = civil_of(t);

	for (size_t i = 0; i < f.n; i++) {
		bool code = f.p[i] == '%' && i + 1 < f.n;

		if (code ? format_one(b, f.p[++i], t, c) : buf_byte(b, (uint8_t)f.p[i]))
			return -1;
	}
	return 0;
}

KERNEL(format)
{
	(void)x;
	EACH(sel, i,
		ev->tmp.n = 0;
		if (format_time(&ev->tmp, ARG(1, s, i), ARG(0, i, i)) < 0)
			return err_oom(e);
		ret->s[i] = text_copy(ev, buf_view(&ev->tmp));
		if (!ret->s[i].p)
			return err_oom(e);
	);
	return 0;
}

static int check_format(struct check *c, struct expr *x, const char *codes, struct err *e)
{
	struct str f = x->args[1]->value.s[0];

	for (size_t i = 0; i < f.n; i++) {
		if (f.p[i] != '%')
			continue;
		if (++i == f.n || !strchr(codes, f.p[i]))
			return check_err(c, x->args[1]->at, e, "in a time's format stand %% and one of %s", codes);
	}
	return 0;
}

static int prepare_format(struct check *c, struct expr *x, struct err *e)
{
	return check_format(c, x, "YymdejHIpMSfsBbAauVzZ%", e);
}

static int prepare_parse(struct check *c, struct expr *x, struct err *e)
{
	return check_format(c, x, "YymdejHIpMSfsBbAazZ%", e);
}

/* What has been read so far. */
struct parsed {
	int64_t year, month, day, yearday, hour, minute, second, micros, epoch;
	int64_t offset; /* minutes east of UTC */
	int pm;         /* 1 AM, 2 PM */
	bool has_epoch;
};

/* Up to `max` digits; false: none. */
static bool read_digits(struct str *s, int max, int64_t *ret)
{
	int n = 0;

	*ret = 0;
	while (s->n && n < max && *s->p >= '0' && *s->p <= '9') {
		*ret = *ret * 10 + (*s->p - '0');
		*s = str_from(*s, 1);
		n++;
	}
	return n > 0;
}

/* One of the names, whole or its first three letters, in any case. */
static bool read_name(struct str *s, const char *const *names, int n, int64_t *ret)
{
	for (int i = 0; i < n; i++) {
		size_t whole = strlen(names[i]);

		if (s->n < 3 || strncasecmp(s->p, names[i], 3) != 0)
			continue;
		*s = str_from(*s, s->n >= whole && strncasecmp(s->p, names[i], whole) == 0 ? whole : 3);
		*ret = i + 1;
		return true;
	}
	return false;
}

/* Z, +hh, +hhmm, +hh:mm */
static bool read_zone(struct str *s, int64_t *minutes)
{
	int64_t h, m = 0;
	int sign;

	*minutes = 0;
	if (str_starts(*s, STR("Z")) || str_starts(*s, STR("UTC")) || str_starts(*s, STR("GMT"))) {
		*s = str_from(*s, *s->p == 'Z' ? 1 : 3);
		return true;
	}
	if (!s->n || (*s->p != '+' && *s->p != '-'))
		return false;
	sign = *s->p == '-' ? -1 : 1;
	*s = str_from(*s, 1);
	if (!read_digits(s, 2, &h))
		return false;
	if (s->n && *s->p == ':')
		*s = str_from(*s, 1);
	if (s->n && *s->p >= '0' && *s->p <= '9' && !read_digits(s, 2, &m))
		return false;
	*minutes = sign * (h * 60 + m);
	return h < 24 && m < 60;
}

/* Digits of a fraction of a second, up to six; further ones must be zeros. */
static bool read_micros(struct str *s, int64_t *ret)
{
	int n = 0;

	*ret = 0;
	for (; s->n && *s->p >= '0' && *s->p <= '9'; *s = str_from(*s, 1), n++) {
		if (n >= 6 && *s->p != '0')
			return false;
		*ret = n < 6 ? *ret * 10 + (*s->p - '0') : *ret;
	}
	for (int k = n; k < 6; k++)
		*ret *= 10;
	return n > 0;
}

static bool read_half(struct str *s, int *pm)
{
	if (s->n < 2 || (s->p[1] | 0x20) != 'm')
		return false;
	*pm = (*s->p | 0x20) == 'a' ? 1 : (*s->p | 0x20) == 'p' ? 2 : 0;
	*s = str_from(*s, 2);
	return *pm != 0;
}

static bool read_epoch(struct str *s, struct parsed *p)
{
	bool neg = s->n && *s->p == '-';

	*s = str_from(*s, neg);
	p->has_epoch = true;
	if (!read_digits(s, 12, &p->epoch))
		return false;
	p->epoch = neg ? -p->epoch : p->epoch;
	return true;
}

static bool read_code(struct str *s, char code, struct parsed *p)
{
	int64_t ignored;

	switch (code) {
	case 'Y':
		return read_digits(s, 4, &p->year);
	case 'y':
		if (!read_digits(s, 2, &p->year))
			return false;
		p->year += p->year < 69 ? 2000 : 1900; /* as POSIX has it */
		return true;
	case 'm':
		return read_digits(s, 2, &p->month);
	case 'e':
		while (s->n && *s->p == ' ')
			*s = str_from(*s, 1);
		return read_digits(s, 2, &p->day);
	case 'd':
		return read_digits(s, 2, &p->day);
	case 'j':
		return read_digits(s, 3, &p->yearday);
	case 'H':
	case 'I':
		return read_digits(s, 2, &p->hour);
	case 'M':
		return read_digits(s, 2, &p->minute);
	case 'S':
		return read_digits(s, 2, &p->second);
	case 'f':
		return read_micros(s, &p->micros);
	case 's':
		return read_epoch(s, p);
	case 'B':
	case 'b':
		return read_name(s, month_names, 12, &p->month);
	case 'A':
	case 'a':
		return read_name(s, day_names, 7, &ignored);
	case 'z':
	case 'Z':
		return read_zone(s, &p->offset);
	case 'p':
		return read_half(s, &p->pm);
	default:
		if (!s->n || *s->p != '%')
			return false;
		*s = str_from(*s, 1);
		return true;
	}
}

static bool parsed_time(struct parsed *p, int64_t *us)
{
	int64_t days;

	if (p->has_epoch) {
		*us = p->epoch * 1000000 + p->micros;
		return true;
	}
	if (p->pm && (p->hour < 1 || p->hour > 12))
		return false;
	if (p->pm)
		p->hour = p->hour % 12 + (p->pm == 2 ? 12 : 0);
	if (p->month < 1 || p->month > 12 || p->hour > 23 || p->minute > 59 || p->second > 59)
		return false;
	if (p->yearday ? !date_from_civil(p->year, 1, 1, &days) : !date_from_civil(p->year, (int)p->month, (int)p->day, &days))
		return false;
	if (p->yearday > 366)
		return false;
	days += p->yearday ? p->yearday - 1 : 0;
	*us = days * DAY + ((p->hour * 60 + p->minute - p->offset) * 60 + p->second) * 1000000 + p->micros;
	return true;
}

static bool parse_time(struct str s, struct str f, int64_t *us)
{
	struct parsed p = { .year = 1970, .month = 1, .day = 1 };

	for (size_t i = 0; i < f.n; i++) {
		if (f.p[i] == '%' && i + 1 < f.n) {
			if (!read_code(&s, f.p[++i], &p))
				return false;
		} else if (s.n && *s.p == f.p[i]) {
			s = str_from(s, 1);
		} else {
			return false;
		}
	}
	return !s.n && parsed_time(&p, us);
}

KERNEL(parse)
{
	int rc;

	EACH(sel, i,
		const struct str s = ARG(0, s, i);
		const struct str f = ARG(1, s, i);

		if (!parse_time(s, f, &ret->i[i]) && (rc = eval_bad(ev, ret, i, x->args[0], e, "\"%.*s\" is not a time of the form %.*s",
								    EXCERPT(s), EXCERPT(f))) < 0)
			return rc;
	);
	return 0;
}

#define CLOCK_WHY "now() is read where the pipeline starts (--now TIME fixes it)"

const struct fn fns_time[] = {
	{ "year", "t", 'i', { year }, NULL, "year(t)", "year of a time (UTC)", NULL },
	{ "quarter", "t", 'i', { quarter }, NULL, "quarter(t)", "1 to 4", NULL },
	{ "month", "t", 'i', { month }, NULL, "month(t)", "1 to 12", NULL },
	{ "week", "t", 'i', { week }, NULL, "week(t)", "ISO week, 1 to 53", NULL },
	{ "day", "t", 'i', { day }, NULL, "day(t)", "day of the month", NULL },
	{ "yearday", "t", 'i', { yearday }, NULL, "yearday(t)", "day of the year", NULL },
	{ "weekday", "t", 'i', { weekday }, NULL, "weekday(t)", "1 Monday to 7 Sunday", NULL },
	{ "hour", "t", 'i', { hour }, NULL, "hour(t)", "0 to 23", NULL },
	{ "minute", "t", 'i', { minute }, NULL, "minute(t)", "0 to 59", NULL },
	{ "second", "t", 'i', { second }, NULL, "second(t)", "0 to 59, whole", NULL },
	{ "trunc", "tu", 't', { trunc_span }, NULL, "trunc(t, 5m)", "down to a multiple of a duration; weeks begin on Mondays", NULL },
	{ "trunc", "tk", 't', { trunc_unit }, prepare_unit, "trunc(t, 'month')",
	  "down to year, quarter, month, week, day, hour, minute or second", NULL },
	{ "epoch", "t", 'd', { epoch }, NULL, "epoch(t)", "seconds since 1970-01-01T00:00:00Z", NULL },
	{ "from_epoch", "d", 't', { from_epoch }, NULL, "from_epoch(x)", "the time that many seconds after it", NULL },
	{ "seconds", "u", 'd', { epoch }, NULL, "seconds(u)", "a duration in seconds", NULL },
	{ "format_time", "tk", 's', { format }, prepare_format, "format_time(t, '%Y-%m-%d')",
	  "a time as text (strftime codes)", NULL },
	{ "parse_time", "sk", 't', { parse }, prepare_parse, "parse_time(s, '%d/%b/%Y')",
	  "text as a time (strptime codes; %f fraction, %z offset)", NULL },
	{ "now", "", 't', { now }, NULL, "now()", "when the pipeline was started, the same for all records", CLOCK_WHY },
	{ 0 },
};
