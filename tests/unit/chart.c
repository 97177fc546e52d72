/* Charts: round places on axes, text that keeps its width, pictures that are well formed, for random tables. */
#include "lib/base/rng.h"
#include "lib/io/term.h"
#include "lib/op/chart.h"
#include "tests/unit/test.h"

#include <math.h>

/* Steps are 1, 2 or 5 times a power of ten, cover the range, and are neither too many nor more than a step off. */
TEST(ticks_are_round)
{
	struct rng r;

	rng_seed(&r, 1);
	for (int i = 0; i < 20000; i++) {
		double lo = ldexp((double)(int64_t)rng_u64(&r), -(int)rng_below(&r, 120)), hi;
		int most = 1 + (int)rng_below(&r, 12);
		struct ticks t;
		char text[48];

		hi = lo + ldexp((double)(rng_u64(&r) >> 1) + 1, -(int)rng_below(&r, 120));
		if (!(hi - lo > fabs(lo) * 1e-6))
			continue;
		t = ticks_of(lo, hi, most);
		snprintf(text, sizeof text, "%.12e", t.step);
		CHECK(strncmp(text, "1.000000000000", 14) == 0 || strncmp(text, "2.000000000000", 14) == 0 ||
		      strncmp(text, "5.000000000000", 14) == 0);
		CHECK(t.lo <= lo && t.hi >= hi && t.lo > lo - t.step * 1.001 && t.hi < hi + t.step * 1.001);
		CHECK(t.n >= 2 && t.n <= most + 3);
		CHECK(fabs(t.lo + (t.n - 1) * t.step - t.hi) <= t.step * 1e-6);
		for (int k = 0; k < t.n; k++) {
			size_t n = tick_text(&t, t.lo + k * t.step, text);

			CHECK(n > 0 && n < 24 && text[n] == '\0');
		}
	}
}

TEST(ticks_read_well)
{
	static const struct {
		double lo, hi;
		int most;
		const char *want;
	} rows[] = { { 0, 1, 5, "0 0.2 0.4 0.6 0.8 1.0" },
		     { 0, 97, 5, "0 20 40 60 80 100" },
		     { -3, 12, 4, "-5 0 5 10 15" },
		     { 0, 1234567, 4, "0 0.5M 1.0M 1.5M" },
		     { 0, 60000, 3, "0 20k 40k 60k" },
		     { 1500, 9999, 2, "0 5k 10k" },
		     { 3e9, 5e9, 2, "3G 4G 5G" },
		     { 0.001, 0.002, 2, "0.0010 0.0015 0.0020" },
		     { 7, 7, 2, "6 7 8" },
		     { 1000000.1, 1000000.2, 2, "1000000.10 1000000.15 1000000.20" },
		     { 12345000, 12346000, 2, "12345000 12345500 12346000" },
		     { 0.12345678, 0.12345691, 2, "0.1234567 0.1234568 0.1234569 0.123457" },
		     { 1e20, 1.00001e20, 2, "1e+20 1.000005e+20 1.00001e+20" },
		     { 0, 0, 2, "0 0.5 1.0" } };

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct ticks t = ticks_of(rows[i].lo, rows[i].hi, rows[i].most);
		char all[256] = "", text[48];

		for (int k = 0; k < t.n; k++) {
			tick_text(&t, t.lo + k * t.step, text);
			snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", k ? " " : "", text);
		}

		CHECK_STR(str_of(all), rows[i].want);
	}
}

static void put(struct builder *b, const char *s)
{
	struct err e;

	CHECK((s ? builder_str(b, str_of(s), &e) : builder_null(b, 1, &e)) == 0);
}

/* A label column of `kind` (words, numbers, times) and up to three series. */
static struct batch *random_table(struct rng *r, int kind, int nseries)
{
	static const char *const words[] = { "a", "", "a <long> & \"odd\" label \x1b[31m", "\xe6\x9d\xb1\xe4\xba\xac", "x\ty" };
	static const char *const times[] = { "2015-01-01", "2015-01-01T10:00:03Z", "1969-07-20", "2031-12-31", "0001-01-01" };
	struct schema *s = schema_new();
	struct batch *b;
	struct rows rows;
	struct err e;

	CHECK(schema_add(s, STR("label"), &TYPE_TEXT, true, &e) == 0);
	for (int k = 0; k < nseries; k++) {
		char name[16];

		snprintf(name, sizeof name, "s%d", k);
		CHECK(schema_add(s, str_of(name), &TYPE_NUM, true, &e) == 0);
	}
	CHECK(rows_init(&rows, s, &e) == 0);
	for (uint64_t n = rng_below(r, 40); n; n--) {
		char text[64];

		snprintf(text, sizeof text, "%d.%d", (int)rng_below(r, 100) - 50, (int)rng_below(r, 10));
		put(&rows.cols[0], kind == 0 ? words[rng_below(r, 5)] : kind == 1 ? text : times[rng_below(r, 5)]);
		for (int k = 1; k <= nseries; k++) {
			snprintf(text, sizeof text, "%de%d", (int)rng_below(r, 2000) - 1000, (int)rng_below(r, 6) * k - 3);
			put(&rows.cols[k], rng_below(r, 8) ? rng_below(r, 20) ? text : "nan" : NULL);
		}
		rows.n++;
	}
	CHECK(rows_take(&rows, &b, &e) == 0);
	rows_free(&rows);
	schema_unref(s);
	return b;
}

/* No line is wider than the terminal; without UTF-8 nothing but ASCII is drawn; without colour there are no escapes. */
static void check_text(const struct charts *c, const struct chart_look *look, bool odd_labels)
{
	cleanup_buf struct buf b = { 0 };

	CHECK(charts_text(c, look, &b) == 0);
	for (size_t i = 0; i < b.n;) {
		size_t n = 0;
		int cells;
		cleanup_buf struct buf safe = { 0 };

		while (i + n < b.n && b.p[i + n] != '\n') {
			CHECK(look->colour || b.p[i + n] != 0x1b);
			CHECK(look->utf8 || odd_labels || b.p[i + n] < 0x80);
			n++;
		}
		CHECK(i + n < b.n);
		CHECK(term_safe_width(&safe, (struct str){ (const char *)b.p + i, n }, &cells) == 0);
		CHECK(look->colour || look->width < 40 || cells <= look->width);
		i += n + 1;
	}
}

/* Every tag is closed; what is not markup is escaped. */
static void check_svg(const struct charts *c)
{
	cleanup_buf struct buf b = { 0 };
	int depth = 0;

	CHECK(charts_svg(c, STR("<title> & more"), &b) == 0);
	for (size_t i = 0; i < b.n; i++) {
		CHECK(b.p[i] >= 0x20 || b.p[i] == '\n');
		if (b.p[i] == '&')
			CHECK(memcmp(b.p + i, "&amp;", 5) == 0 || memcmp(b.p + i, "&lt;", 4) == 0 ||
			      memcmp(b.p + i, "&gt;", 4) == 0 || memcmp(b.p + i, "&quot;", 6) == 0);
		if (b.p[i] != '<')
			continue;
		depth += b.p[i + 1] == '/' ? -1 : 1;
		while (b.p[i] != '>')
			CHECK(++i < b.n && b.p[i] != '<');
		depth -= b.p[i - 1] == '/';
		CHECK(depth >= 0);
	}
	CHECK(depth == 0);
	CHECK(!memmem(b.p, b.n, "=\"nan", 5) && !memmem(b.p, b.n, "=\"-nan", 6) && !memmem(b.p, b.n, "inf\"", 4));
}

TEST(random_tables_are_drawn)
{
	for (uint64_t seed = 1; seed <= 1500; seed++) {
		const struct chart_look look = { 20 + (int)(seed % 90), seed % 5 == 0, seed % 2 == 0 };
		struct rng r;
		struct batch *b;
		struct charts c;
		struct err e;

		rng_seed(&r, seed);
		b = random_table(&r, (int)(seed % 3), 1 + (int)rng_below(&r, 3));
		CHECK(charts_make(&b, 1, b->schema, seed % 4 < 2 ? CHART_BAR : CHART_LINE, &c, &e) == 0);
		check_text(&c, &look, seed % 3 == 0);
		check_svg(&c);
		charts_free(&c);
		batch_unref(b);
	}
}

int main(void)
{
	return RUN_TABLE(T1(ticks_are_round), T1(ticks_read_well), T1(random_tables_are_drawn));
}
