/* Values as text and as JSON: see format.h. One function prints each kind of type; the table at the end joins them to the
 * types.
 *
 * The choices that others rely on:
 *     timestamp   ISO 8601, the fraction in 3, 6 or 9 digits and only when it is not zero, Z when the column has a zone (the
 *                 instant is UTC), no Z for wall-clock time. Equal instants print alike whatever their unit.
 *     date, time  2015-01-02, 03:04:05.678; years outside 0..9999 have a sign and at least five digits
 *     duration    ISO 8601 seconds-based, as PT26H3M4.5S; negative ones begin with -
 *     interval    ISO 8601, as P1Y2M, P3DT4.5S, P14M3DT0.5S; each part has its own sign
 *     binary      \x and lower-case hexadecimal digits, as PostgreSQL prints bytea
 *     list        a JSON array; struct and map: a JSON object, map keys as their plain text */
#include "lib/base/bits.h"
#include "lib/format/format.h"
#include "lib/format/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef int print_fn(const struct column *c, int64_t i, struct buf *b);

static const uint8_t *fixed_at(const struct column *c, int64_t i)
{
	return c->values + (size_t)i * (size_t)c->type->width;
}

/* Little-endian two's complement of 1, 2, 4 or 8 bytes. */
static int64_t signed_at(const struct column *c, int64_t i)
{
	const uint8_t *p = fixed_at(c, i);
	int8_t i8;
	int16_t i16;
	int32_t i32;
	int64_t i64;

	switch (c->type->width) {
	case 1:
		return memcpy(&i8, p, 1), i8;
	case 2:
		return memcpy(&i16, p, 2), i16;
	case 4:
		return memcpy(&i32, p, 4), i32;
	default:
		return memcpy(&i64, p, 8), i64;
	}
}

static uint64_t unsigned_at(const struct column *c, int64_t i)
{
	uint64_t v = 0;

	memcpy(&v, fixed_at(c, i), (size_t)c->type->width);
	return v;
}

static int print_nothing(const struct column *c, int64_t i, struct buf *b)
{
	(void)c, (void)i, (void)b;
	return 0;
}

static int print_bool(const struct column *c, int64_t i, struct buf *b)
{
	return buf_puts(b, column_bool(c, i) ? "true" : "false");
}

static int print_i64(int64_t v, struct buf *b)
{
	if (buf_reserve(b, 24))
		return -1;
	b->n += num_print_i64(v, (char *)b->p + b->n);
	return 0;
}

static int print_int(const struct column *c, int64_t i, struct buf *b)
{
	return print_i64(signed_at(c, i), b);
}

static int print_uint(const struct column *c, int64_t i, struct buf *b)
{
	if (buf_reserve(b, 24))
		return -1;
	b->n += num_print_u64(unsigned_at(c, i), (char *)b->p + b->n);
	return 0;
}

static double half_value(uint16_t h)
{
	int exp = h >> 10 & 31, frac = h & 1023;
	double v = exp == 31 ? (frac ? (double)NAN : (double)INFINITY) : exp ? ldexp(1024 + frac, exp - 25) : ldexp(frac, -24);

	return h & 0x8000 ? -v : v;
}

/* The shortest decimal nearer to h than to any other half: neighbours are 2^-24 apart or more, so the first candidate within
 * half a step of both neighbours is it. Five digits always do. */
static double half_shortest(uint16_t h)
{
	double v = half_value(h), lo, hi, d = v;
	uint16_t mag = h & 0x7fff;
	char digits[32];

	if (!isfinite(v) || mag == 0)
		return v;
	lo = (fabs(v) + half_value((uint16_t)(mag - 1))) / 2;
	hi = mag == 0x7bff ? 65520.0 : (fabs(v) + half_value((uint16_t)(mag + 1))) / 2;
	for (int n = 0; n < 5; n++) {
		snprintf(digits, sizeof digits, "%.*e", n, v);
		d = strtod(digits, NULL);
		if (fabs(d) > lo && fabs(d) < hi)
			break;
	}
	return d;
}

static double float_at(const struct column *c, int64_t i)
{
	float f;

	if (c->type->id == T_FLOAT16)
		return half_value((uint16_t)unsigned_at(c, i));
	if (c->type->id == T_FLOAT64)
		return column_f64(c, i);
	memcpy(&f, fixed_at(c, i), 4);
	return (double)f;
}

static int print_float(const struct column *c, int64_t i, struct buf *b)
{
	char *to;

	if (buf_reserve(b, 32))
		return -1;
	to = (char *)b->p + b->n;
	if (c->type->id == T_FLOAT32)
		b->n += num_print_f32((float)float_at(c, i), to);
	else
		b->n += num_print_f64(c->type->id == T_FLOAT16 ? half_shortest((uint16_t)unsigned_at(c, i)) : float_at(c, i), to);
	return 0;
}

/* Decimals of 32 to 256 bits: the magnitude in four 64-bit limbs, divided by 10^18 until nothing is left. */
#define DEC256_DIGITS 90

static bool load_magnitude(const uint8_t *p, int width, uint64_t limb[4])
{
	bool negative = p[width - 1] >> 7;
	unsigned carry = 1;

	memset(limb, negative ? 0xff : 0, 32);
	memcpy(limb, p, (size_t)width);
	for (int k = 0; negative && k < 4; k++) {
		limb[k] = ~limb[k] + carry;
		carry = carry && limb[k] == 0;
	}
	return negative;
}

static uint64_t divide_e18(uint64_t limb[4])
{
	const uint64_t e18 = 1000000000000000000u;
	unsigned __int128 rest = 0;

	for (int k = 3; k >= 0; k--) {
		rest = rest << 64 | limb[k];
		limb[k] = (uint64_t)(rest / e18);
		rest %= e18;
	}
	return (uint64_t)rest;
}

/* Digits without leading zeros (at least one), right-aligned before `end`. */
static char *decimal_digits(uint64_t limb[4], char *end)
{
	char *p = end;

	while (limb[0] | limb[1] | limb[2] | limb[3]) {
		uint64_t group = divide_e18(limb);

		for (int k = 0; k < 18; k++, group /= 10)
			*--p = (char)('0' + group % 10);
	}
	while (p < end && *p == '0')
		p++;
	if (p == end)
		*--p = '0';
	return p;
}

static int put_zeros(struct buf *b, size_t n)
{
	if (buf_reserve(b, n))
		return -1;
	memset(b->p + b->n, '0', n);
	b->n += n;
	return 0;
}

static int print_decimal(const struct column *c, int64_t i, struct buf *b)
{
	char digits[DEC256_DIGITS], *end = digits + sizeof digits, *p;
	int32_t scale = c->type->scale;
	uint64_t limb[4];
	size_t n, whole;

	if (load_magnitude(fixed_at(c, i), c->type->width, limb) && buf_byte(b, '-'))
		return -1;
	p = decimal_digits(limb, end);
	n = (size_t)(end - p);
	if (scale <= 0)
		return buf_add(b, p, n) || (*p != '0' && put_zeros(b, (size_t)-(int64_t)scale)) ? -1 : 0;
	whole = n > (size_t)scale ? n - (size_t)scale : 0;
	if (whole ? buf_add(b, p, whole) : buf_byte(b, '0'))
		return -1;
	return buf_byte(b, '.') || put_zeros(b, (size_t)scale - (n - whole)) || buf_add(b, p + whole, n - whole) ? -1 : 0;
}

static int64_t floor_div(int64_t a, int64_t b, int64_t *rest)
{
	bool below = a % b < 0;

	*rest = a % b + (below ? b : 0);
	return a / b - below;
}

/* Days since 1970-01-01 as year, month, day in the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible low-level date
 * algorithms"): years begin in March, so that the leap day is the last of its year. */
static int put_date(int64_t days, struct buf *b)
{
	int64_t doe, era = floor_div(days + 719468, 146097, &doe);
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	int day = (int)(doy - (153 * mp + 2) / 5 + 1), month = (int)(mp < 10 ? mp + 3 : mp - 9);
	int64_t year = era * 400 + yoe + (month <= 2);
	bool plain = year >= 0 && year <= 9999;
	uint8_t *p;

	if (!plain)
		return buf_printf(b, "%+06lld-%02d-%02d", (long long)year, month, day);
	if (buf_reserve(b, 10))
		return -1;
	p = b->p + b->n;
	for (int k = 3; k >= 0; k--, year /= 10)
		p[k] = (uint8_t)('0' + year % 10);
	p[4] = p[7] = '-';
	p[5] = (uint8_t)('0' + month / 10);
	p[6] = (uint8_t)('0' + month % 10);
	p[8] = (uint8_t)('0' + day / 10);
	p[9] = (uint8_t)('0' + day % 10);
	b->n += 10;
	return 0;
}

/* ".678", ".678900" or ".678900001"; nothing for 0. */
static int put_fraction(int64_t nanos, struct buf *b)
{
	char digits[9];
	size_t n = nanos % 1000 ? 9 : nanos % 1000000 ? 6 : 3;

	if (!nanos)
		return 0;
	for (int k = 8; k >= 0; k--, nanos /= 10)
		digits[k] = (char)('0' + nanos % 10);
	return buf_byte(b, '.') || buf_add(b, digits, n) ? -1 : 0;
}

static int put_clock(int64_t seconds, int64_t nanos, struct buf *b)
{
	int64_t h = seconds / 3600, m = seconds / 60 % 60, s = seconds % 60;
	char hms[8] = { (char)('0' + h / 10), (char)('0' + h % 10), ':', (char)('0' + m / 10), (char)('0' + m % 10), ':',
			(char)('0' + s / 10), (char)('0' + s % 10) };

	return buf_add(b, hms, sizeof hms) || put_fraction(nanos, b) ? -1 : 0;
}

static const int64_t per_second[] = { [UNIT_S] = 1, [UNIT_MS] = 1000, [UNIT_US] = 1000000, [UNIT_NS] = 1000000000 };

static int64_t split_seconds(int64_t v, int unit, int64_t *nanos)
{
	int64_t s = floor_div(v, per_second[unit], nanos);

	*nanos *= per_second[UNIT_NS] / per_second[unit];
	return s;
}

static int put_instant(int64_t v, int unit, bool zoned, struct buf *b)
{
	int64_t nanos, s = split_seconds(v, unit, &nanos), clock, days = floor_div(s, 86400, &clock);

	if (put_date(days, b) || buf_byte(b, 'T') || put_clock(clock, nanos, b))
		return -1;
	return zoned ? buf_byte(b, 'Z') : 0;
}

static int print_date32(const struct column *c, int64_t i, struct buf *b)
{
	return put_date(signed_at(c, i), b);
}

/* Milliseconds that should be whole days; those that are not keep their time. */
static int print_date64(const struct column *c, int64_t i, struct buf *b)
{
	int64_t v = signed_at(c, i), rest, days = floor_div(v, 86400000, &rest);

	return rest ? put_instant(v, UNIT_MS, false, b) : put_date(days, b);
}

/* Times outside a day (invalid in Arrow) print as their number of units. */
static int print_time(const struct column *c, int64_t i, struct buf *b)
{
	int64_t v = signed_at(c, i), nanos, s = split_seconds(v, c->type->unit, &nanos);

	return s < 0 || s > 86400 ? print_i64(v, b) : put_clock(s, nanos, b);
}

static int print_timestamp(const struct column *c, int64_t i, struct buf *b)
{
	return put_instant(signed_at(c, i), c->type->unit, c->type->tz.n > 0, b);
}

static int put_seconds(uint64_t s, int64_t nanos, struct buf *b)
{
	return buf_printf(b, "%llu", (unsigned long long)s) || put_fraction(nanos, b) || buf_byte(b, 'S') ? -1 : 0;
}

static int print_duration(const struct column *c, int64_t i, struct buf *b)
{
	int64_t v = signed_at(c, i), unit = per_second[c->type->unit];
	uint64_t mag = v < 0 ? -(uint64_t)v : (uint64_t)v, s = mag / (uint64_t)unit;
	int64_t nanos = (int64_t)(mag % (uint64_t)unit) * (per_second[UNIT_NS] / unit);
	uint64_t hours = s / 3600, minutes = s / 60 % 60;

	s %= 60;
	if (buf_puts(b, v < 0 ? "-PT" : "PT") || (hours && buf_printf(b, "%lluH", (unsigned long long)hours)))
		return -1;
	if (minutes && buf_printf(b, "%lluM", (unsigned long long)minutes))
		return -1;
	return s || nanos || !(hours | minutes) ? put_seconds(s, nanos, b) : 0;
}

static int put_part(int64_t v, char unit, struct buf *b)
{
	return v ? buf_printf(b, "%lld%c", (long long)v, unit) : 0;
}

/* "T4.5S" of nanoseconds of either sign. */
static int put_nanos(int64_t v, struct buf *b)
{
	uint64_t mag = v < 0 ? -(uint64_t)v : (uint64_t)v;

	if (!v)
		return 0;
	return buf_puts(b, v < 0 ? "T-" : "T") || put_seconds(mag / 1000000000, (int64_t)(mag % 1000000000), b) ? -1 : 0;
}

static int print_interval(const struct column *c, int64_t i, struct buf *b)
{
	const uint8_t *p = fixed_at(c, i);
	int32_t part[2] = { 0, 0 };
	int64_t months = 0, days = 0, nanos = 0;

	memcpy(part, p, c->type->unit == 0 ? 4 : 8);
	if (c->type->unit == 1) {
		days = part[0];
		nanos = (int64_t)part[1] * 1000000;
	} else {
		months = part[0];
		days = part[1];
	}
	if (c->type->unit == 2)
		memcpy(&nanos, p + 8, 8);
	if (!(months | days | nanos))
		return buf_puts(b, "PT0S");
	return buf_byte(b, 'P') || put_part(months / 12, 'Y', b) || put_part(months % 12, 'M', b) || put_part(days, 'D', b) ||
	       put_nanos(nanos, b) ? -1 : 0;
}

static int print_text(const struct column *c, int64_t i, struct buf *b)
{
	return buf_str(b, column_str(c, i));
}

static int print_binary(const struct column *c, int64_t i, struct buf *b)
{
	static const char hex[] = "0123456789abcdef";
	struct str s = c->type->layout == LAY_VAR ? column_str(c, i)
						  : (struct str){ (const char *)fixed_at(c, i), (size_t)c->type->width };
	uint8_t *p;

	if (buf_reserve(b, 2 * s.n + 2))
		return -1;
	p = b->p + b->n;
	*p++ = '\\';
	*p++ = 'x';
	for (size_t k = 0; k < s.n; k++) {
		*p++ = (uint8_t)hex[(uint8_t)s.p[k] >> 4];
		*p++ = (uint8_t)hex[s.p[k] & 15];
	}
	b->n += 2 * s.n + 2;
	return 0;
}

/* Rows [*from, *to) of the child that are the elements of row i. */
static void elements(const struct column *c, int64_t i, int64_t *from, int64_t *to)
{
	if (c->type->layout == LAY_FIXLIST) {
		*from = i * c->type->list_size;
		*to = *from + c->type->list_size;
	} else if (c->type->layout == LAY_LIST64) {
		*from = c->offsets64[i];
		*to = c->offsets64[i + 1];
	} else {
		*from = c->offsets[i];
		*to = c->offsets[i + 1];
	}
}

static int print_list(const struct column *c, int64_t i, struct buf *b)
{
	int64_t from, to;

	elements(c, i, &from, &to);
	if (buf_byte(b, '['))
		return -1;
	for (int64_t k = from; k < to; k++)
		if ((k > from && buf_byte(b, ',')) || value_json(&c->children[0], k, b))
			return -1;
	return buf_byte(b, ']');
}

static int print_struct(const struct column *c, int64_t i, struct buf *b)
{
	if (buf_byte(b, '{'))
		return -1;
	for (int k = 0; k < c->type->nchildren; k++)
		if ((k && buf_byte(b, ',')) || json_quote(b, c->type->children[k].name) || buf_byte(b, ':') ||
		    value_json(&c->children[k], i, b))
			return -1;
	return buf_byte(b, '}');
}

static int put_map_key(const struct column *c, int64_t i, struct buf *b)
{
	cleanup_buf struct buf text = { 0 };

	if (!column_is_null(c, i) && value_print(c, i, &text))
		return -1;
	return json_quote(b, buf_view(&text));
}

static int print_map(const struct column *c, int64_t i, struct buf *b)
{
	const struct column *entry = &c->children[0];
	int64_t from, to;

	elements(c, i, &from, &to);
	if (buf_byte(b, '{'))
		return -1;
	for (int64_t k = from; k < to; k++)
		if ((k > from && buf_byte(b, ',')) || put_map_key(&entry->children[0], k, b) || buf_byte(b, ':') ||
		    value_json(&entry->children[1], k, b))
			return -1;
	return buf_byte(b, '}');
}

/* The child and its row that row i of a union is; NULL for a type id that no child has. */
static const struct column *union_member(const struct column *c, int64_t i, int64_t *row)
{
	int8_t id = (int8_t)c->values[i];

	*row = c->type->unit == 1 ? c->offsets[i] : i;
	for (int k = 0; k < c->type->nchildren; k++)
		if (c->type->type_ids[k] == id)
			return &c->children[k];
	return NULL;
}

static int print_union(const struct column *c, int64_t i, struct buf *b)
{
	int64_t row;
	const struct column *child = union_member(c, i, &row);

	return child && !column_is_null(child, row) ? value_print(child, row, b) : 0;
}

static int json_union(const struct column *c, int64_t i, struct buf *b)
{
	int64_t row;
	const struct column *child = union_member(c, i, &row);

	return child ? value_json(child, row, b) : buf_puts(b, "null");
}

/* JSON has no nan and no infinities: they are strings. */
static int json_float(const struct column *c, int64_t i, struct buf *b)
{
	bool finite = isfinite(float_at(c, i));

	return (!finite && buf_byte(b, '"')) || print_float(c, i, b) || (!finite && buf_byte(b, '"')) ? -1 : 0;
}

static int json_text(const struct column *c, int64_t i, struct buf *b)
{
	if (c->type->mark == MARK_NUM)
		return json_put_number(b, column_str(c, i));
	if (c->type->mark == MARK_JSON)
		return json_put_json(b, column_str(c, i));
	return json_quote(b, column_str(c, i));
}

/* How a type's text becomes JSON: as it is, in quotes (it needs no escapes), or by a function of its own. */
static const struct value_row {
	print_fn *print;
	bool quoted;
	print_fn *json;
} rows[T_COUNT] = {
	[T_NULL] = { print_nothing, false, NULL },
	[T_BOOL] = { print_bool, false, NULL },
	[T_INT8] = { print_int, false, NULL },
	[T_INT16] = { print_int, false, NULL },
	[T_INT32] = { print_int, false, NULL },
	[T_INT64] = { print_int, false, NULL },
	[T_UINT8] = { print_uint, false, NULL },
	[T_UINT16] = { print_uint, false, NULL },
	[T_UINT32] = { print_uint, false, NULL },
	[T_UINT64] = { print_uint, false, NULL },
	[T_FLOAT16] = { print_float, false, json_float },
	[T_FLOAT32] = { print_float, false, json_float },
	[T_FLOAT64] = { print_float, false, json_float },
	[T_DECIMAL] = { print_decimal, false, NULL },
	[T_DATE32] = { print_date32, true, NULL },
	[T_DATE64] = { print_date64, true, NULL },
	[T_TIME32] = { print_time, true, NULL },
	[T_TIME64] = { print_time, true, NULL },
	[T_TIMESTAMP] = { print_timestamp, true, NULL },
	[T_DURATION] = { print_duration, true, NULL },
	[T_INTERVAL] = { print_interval, true, NULL },
	[T_FIXED_BINARY] = { print_binary, true, NULL },
	[T_UTF8] = { print_text, false, json_text },
	[T_BINARY] = { print_binary, true, NULL },
	[T_LIST] = { print_list, false, NULL },
	[T_LARGE_LIST] = { print_list, false, NULL },
	[T_FIXED_LIST] = { print_list, false, NULL },
	[T_MAP] = { print_map, false, NULL },
	[T_STRUCT] = { print_struct, false, NULL },
	[T_UNION] = { print_union, false, json_union },
};

int value_print(const struct column *c, int64_t i, struct buf *b)
{
	return rows[c->type->id].print(c, i, b);
}

/* The commonest types, in loops of their own. */
#define PRINT_ALL(name, type, print) \
	static int name(const struct column *c, int64_t from, int64_t n, struct buf *b, int32_t *ends) \
	{ \
		const type *v = (const type *)(const void *)c->values + from; \
		char *start, *to; \
\
		if (buf_reserve(b, (size_t)n * 32)) \
			return -1; \
		start = (char *)b->p; \
		to = start + b->n; \
		for (int64_t i = 0; i < n; i++) { \
			if (!c->null_count || !column_is_null(c, from + i)) \
				to += print(v[i], to); \
			ends[i] = (int32_t)(to - start); \
		} \
		b->n = (size_t)(to - start); \
		return 0; \
	}

PRINT_ALL(print_all_i64, int64_t, num_print_i64)
PRINT_ALL(print_all_f64, double, num_print_f64)

int values_print(const struct column *c, int64_t from, int64_t n, struct buf *b, int32_t *ends)
{
	bool small = b->n + (size_t)n * 32 <= INT32_MAX;

	if (small && c->type->id == T_INT64)
		return print_all_i64(c, from, n, b, ends);
	if (small && c->type->id == T_FLOAT64)
		return print_all_f64(c, from, n, b, ends);
	for (int64_t i = 0; i < n; i++) {
		if ((!column_is_null(c, from + i) && value_print(c, from + i, b)) || b->n > INT32_MAX)
			return -1;
		ends[i] = (int32_t)b->n;
	}
	return 0;
}

/* A quoted value's only character that JSON escapes is binary's backslash. */
static int json_quoted(const struct value_row *r, const struct column *c, int64_t i, struct buf *b)
{
	bool binary = c->type->id == T_BINARY || c->type->id == T_FIXED_BINARY;

	return buf_puts(b, binary ? "\"\\" : "\"") || r->print(c, i, b) || buf_byte(b, '"') ? -1 : 0;
}

int value_json(const struct column *c, int64_t i, struct buf *b)
{
	const struct value_row *r = &rows[c->type->id];

	if (column_is_null(c, i))
		return buf_puts(b, "null");
	if (r->json)
		return r->json(c, i, b);
	return r->quoted ? json_quoted(r, c, i, b) : r->print(c, i, b);
}

int record_json(const struct batch *b, int64_t row, struct buf *to)
{
	const char *comma = "";

	if (buf_byte(to, '{'))
		return -1;
	for (int i = 0; i < b->schema->nfields; i++) {
		if (column_is_null(&b->cols[i], row))
			continue;
		if (buf_puts(to, comma) || json_quote(to, b->schema->fields[i].name) || buf_byte(to, ':') || value_json(&b->cols[i], row, to))
			return -1;
		comma = ",";
	}
	return buf_byte(to, '}');
}
