/* Dates and times as text: see reading.h. The proleptic Gregorian calendar, no leap seconds, years with a sign and five or more
 * digits outside 0000 .. 9999. Conversions between days and dates follow H. Hinnant, "chrono-compatible low-level date
 * algorithms": years begin in March, so that the leap day is the last. */
#include "lib/table/reading.h"

#include "lib/base/floor.h"

#define DAY_US 86400000000
#define MAX_YEAR 5900000 /* int32 days reach a little less far */

static int64_t days_from_civil(int64_t y, int m, int d)
{
	int64_t era, year_of_era, day_of_year;

	y -= m <= 2;
	era = floor_div(y, 400);
	year_of_era = y - era * 400;
	day_of_year = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

void date_to_civil(int64_t days, int64_t *y, int *m, int *d)
{
	int64_t z = days + 719468, era = floor_div(z, 146097), doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = yoe + era * 400 + (*m <= 2);
}

static bool is_leap(int64_t y)
{
	return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

bool date_from_civil(int64_t y, int m, int d, int64_t *days)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	if (y < -MAX_YEAR || y > MAX_YEAR || m < 1 || m > 12 || d < 1 || d > lengths[m - 1] + (m == 2 && is_leap(y)))
		return false;
	*days = days_from_civil(y, m, d);
	return true;
}

/* ---- reading ---- */

struct scan {
	const char *p, *end;
};

static bool next_is(struct scan *s, char c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static int digits_ahead(const struct scan *s)
{
	const char *p = s->p;

	while (p < s->end && (unsigned char)(*p - '0') < 10)
		p++;
	return p - s->p < 1000 ? (int)(p - s->p) : 1000;
}

/* Exactly n digits. */
static bool number(struct scan *s, int n, int *ret)
{
	if (s->end - s->p < n || digits_ahead(s) < n)
		return false;
	for (*ret = 0; n; n--)
		*ret = *ret * 10 + (*s->p++ - '0');
	return true;
}

/* YYYY-MM-DD, or a sign and five to seven digits of year. */
static bool scan_date(struct scan *s, int64_t *days)
{
	bool sign = s->p < s->end && (*s->p == '-' || *s->p == '+'), neg = sign && *s->p == '-';
	int width, y, m, d;

	s->p += sign;
	width = sign ? digits_ahead(s) : 4;
	if (sign && (width < 5 || width > 7))
		return false;
	return number(s, width, &y) && next_is(s, '-') && number(s, 2, &m) && next_is(s, '-') && number(s, 2, &d) &&
	       date_from_civil(neg ? -y : y, m, d, days);
}

/* Behind the point: up to 6 digits, further ones must be zeros, for they would be lost. */
static bool scan_fraction(struct scan *s, int64_t *us)
{
	int n = 0;

	for (*us = 0; s->p < s->end && (unsigned char)(*s->p - '0') < 10; s->p++, n++) {
		if (n < 6)
			*us = *us * 10 + (*s->p - '0');
		else if (*s->p != '0')
			return false;
	}
	if (!n)
		return false;
	for (; n < 6; n++)
		*us *= 10;
	return true;
}

/* HH:MM, HH:MM:SS, HH:MM:SS.ffffff (or a comma) in microseconds. */
static bool scan_clock(struct scan *s, int64_t *us)
{
	int h, m, sec = 0;
	int64_t frac = 0;

	if (!number(s, 2, &h) || !next_is(s, ':') || !number(s, 2, &m))
		return false;
	if (next_is(s, ':')) {
		if (!number(s, 2, &sec))
			return false;
		if ((next_is(s, '.') || next_is(s, ',')) && !scan_fraction(s, &frac))
			return false;
	}
	*us = (h * 3600ll + m * 60ll + sec) * 1000000 + frac;
	return h < 24 && m < 60 && sec < 60;
}

/* Nothing, Z, +HH, +HHMM or +HH:MM: what to add to get UTC. */
static bool scan_offset(struct scan *s, int64_t *us)
{
	bool neg = next_is(s, '-');
	int h, m = 0;

	*us = 0;
	if (!neg && (next_is(s, 'Z') || next_is(s, 'z') || s->p == s->end))
		return true;
	if ((!neg && !next_is(s, '+')) || !number(s, 2, &h))
		return false;
	if (s->p < s->end && (next_is(s, ':') || true) && !number(s, 2, &m))
		return false;
	*us = (h * 3600ll + m * 60ll) * 1000000;
	if (!neg)
		*us = -*us;
	return h < 24 && m < 60;
}

bool time_parse(struct str text, int64_t *us)
{
	struct scan s = { text.p, text.p + text.n };
	int64_t days, clock = 0, offset = 0, v;

	if (!scan_date(&s, &days))
		return false;
	if (next_is(&s, 'T') || next_is(&s, ' ') || next_is(&s, 't'))
		if (!scan_clock(&s, &clock) || !scan_offset(&s, &offset))
			return false;
	if (s.p < s.end || __builtin_mul_overflow(days, DAY_US, &v))
		return false;
	return !__builtin_add_overflow(v, clock + offset, us);
}

bool date_parse(struct str text, int32_t *days)
{
	struct scan s = { text.p, text.p + text.n };
	int64_t v;

	if (!scan_date(&s, &v) || s.p < s.end || v < INT32_MIN || v > INT32_MAX)
		return false;
	*days = (int32_t)v;
	return true;
}

/* ---- printing ---- */

static char *put(char *dst, int64_t v, int width)
{
	for (int i = width - 1; i >= 0; i--, v /= 10)
		dst[i] = (char)('0' + v % 10);
	return dst + width;
}

static char *put_date(char *dst, int64_t days)
{
	int64_t y, abs;
	int m, d, width = 4;

	date_to_civil(days, &y, &m, &d);
	abs = y < 0 ? -y : y;
	if (y < 0 || y > 9999) {
		*dst++ = y < 0 ? '-' : '+';
		width = abs > 999999 ? 7 : abs > 99999 ? 6 : 5;
	}
	dst = put(dst, abs, width);
	*dst++ = '-';
	dst = put(dst, m, 2);
	*dst++ = '-';
	return put(dst, d, 2);
}

size_t date_print(int32_t days, char *dst)
{
	return (size_t)(put_date(dst, days) - dst);
}

size_t time_print(int64_t us, char *dst)
{
	int64_t days = floor_div(us, DAY_US), clock = us - days * DAY_US, sec = clock / 1000000, frac = clock % 1000000;
	char *p = put_date(dst, days);

	*p++ = 'T';
	p = put(p, sec / 3600, 2);
	*p++ = ':';
	p = put(p, sec / 60 % 60, 2);
	*p++ = ':';
	p = put(p, sec % 60, 2);
	if (frac) {
		*p++ = '.';
		p = frac % 1000 ? put(p, frac, 6) : put(p, frac / 1000, 3);
	}
	*p++ = 'Z';
	return (size_t)(p - dst);
}
