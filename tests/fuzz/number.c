/* Numbers and times as text. Whatever the bytes: the readers agree with each other and with the C library, what is printed
 * reads back as the same value, and the exact decimal rounds to the double that is read. */
#include "lib/base/dec.h"
#include "lib/table/reading.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static bool same(double a, double b)
{
	return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static void double_round_trip(double v)
{
	struct decpool p = { 0 };
	char text[64];
	struct dec d;
	double back;
	size_t n = num_print_f64(v, text);

	check(n < 32 && num_parse_f64((struct str){ text, n }, &back) == DEC_OK && same(back, v));
	text[n] = '\0';
	check(same(strtod(text, NULL), v));
	if (isfinite(v)) {
		check(dec_from_f64(v, &p, &d) == 0);
		check(dec_to_f64(d, &p) == v);
	}
	decpool_free(&p);
}

static void decimal_round_trip(struct dec d, struct decpool *p)
{
	struct buf plain = { 0 }, canonical = { 0 };
	struct dec back;

	check(dec_print(d, p, &plain) == 0 && dec_canonical(d, p, &canonical) == 0 && canonical.n <= plain.n);
	if (plain.n <= DEC_DIGITS) {
		check(dec_parse(buf_view(&plain), p, &back) == DEC_OK && back.scale == d.scale && dec_cmp(back, d, p) == 0 && back.m == d.m);
		check(dec_parse(buf_view(&canonical), p, &back) == DEC_OK && dec_cmp(back, d, p) == 0);
	}
	buf_free(&plain);
	buf_free(&canonical);
}

static void read_number(struct str s)
{
	struct decpool p = { 0 };
	struct dec d;
	double v = 0;
	int64_t i;
	enum dec_read rd = dec_parse(s, &p, &d), rf = num_parse_f64(s, &v), ri = num_parse_i64(s, &i);

	check(rf == (rd == DEC_SPECIAL ? DEC_OK : rd));
	if (rf == DEC_OK) {
		char *z = strndup(s.p, s.n), *end;

		check(z && same(strtod(z, &end), v) && !*end);
		free(z);
		double_round_trip(v);
	}
	if (rd == DEC_OK) {
		decimal_round_trip(d, &p);
		check(dec_to_f64(d, &p) == v);
	}
	if (ri == DEC_OK)
		check(rd == DEC_OK && dec_cmp(d, dec_from_i64(i), &p) == 0 && d.scale == 0);
	decpool_free(&p);
}

static void read_time(struct str s)
{
	char text[64];
	int64_t us, back;
	int32_t days, day2;

	if (time_parse(s, &us)) {
		size_t n = time_print(us, text);

		check(n <= 40 && time_parse((struct str){ text, n }, &back) && back == us);
	}
	if (date_parse(s, &days)) {
		size_t n = date_print(days, text);

		check(n <= 16 && date_parse((struct str){ text, n }, &day2) && day2 == days);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = malloc(size + 1); /* so that a byte read too far is seen */
	double v;

	if (!exact)
		return 0;
	memcpy(exact, data, size);
	if (size == sizeof v) {
		memcpy(&v, data, sizeof v);
		double_round_trip(v);
	}
	exact = realloc(exact, size ? size : 1);
	read_number((struct str){ exact, size });
	read_time((struct str){ exact, size });
	free(exact);
	return 0;
}
