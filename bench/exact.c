/* What exactness costs: sums by group of decimals and of doubles as reduce takes them, beside a plain loop that adds doubles and
 * rounds every time. Both read the same columns through the same reading; prints the ratio of the medians.
 *   exact [ROWS [GROUPS]] */
#include "lib/agg/agg.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RUNS 15

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* others on the machine do not count */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct batch *table(int64_t n, uint32_t groups, uint32_t *ids)
{
	struct schema *s = schema_new();
	struct rows rows = { 0 };
	struct batch *b;
	struct err e;

	if (!s || schema_add(s, STR("text"), &TYPE_TEXT, true, &e) || schema_add(s, STR("float"), &TYPE_FLOAT64, true, &e) ||
	    rows_init(&rows, s, &e))
		abort();
	for (int64_t i = 0; i < n; i++) {
		uint64_t r = (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15) >> 20;
		char text[32];
		double v;
		int len = snprintf(text, sizeof text, "%d.%06d", (int)(r % 100), (int)(r / 100 % 1000000));

		v = strtod(text, NULL);
		if (builder_str(&rows.cols[0], (struct str){ text, (size_t)len }, &e) || builder_fixed(&rows.cols[1], &v, &e))
			abort();
		rows.n++;
		ids[i] = (uint32_t)(r >> 7) % groups;
	}
	if (rows_take(&rows, &b, &e))
		abort();
	rows_free(&rows);
	schema_unref(s);
	return b;
}

static double plain(const struct batch *b, int col, const uint32_t *ids, uint32_t groups)
{
	struct bad_values bad = bad_values_of(BAD_FAIL);
	double *sums = calloc(groups, sizeof *sums), all = 0;
	struct arena a = { 0 };
	struct numbers n;
	struct err e;

	if (!sums || read_numbers(b, col, NULL, b->nrows, &bad, &a, &n, &e))
		abort();
	for (int64_t i = 0; i < b->nrows; i++)
		sums[ids[i]] += n.kind == NUMS_F64 ? n.f64[i] : (double)n.dec[i].m;
	for (uint32_t g = 0; g < groups; g++)
		all += sums[g];
	numbers_free(&n);
	arena_free(&a);
	free(sums);
	return all;
}

static double exact(const struct batch *b, const char *spec, int col, const uint32_t *ids, uint32_t groups)
{
	struct bad_values bad = bad_values_of(BAD_FAIL);
	struct arena a = { 0 };
	struct agg_specs specs = { 0 };
	const struct key key = { 0 };
	struct agg agg;
	struct numbers n;
	struct agg_batch ab = { .n = b->nrows, .ids = ids, .batch = b };
	struct err e;

	if (agg_parse(str_of(spec), &a, &specs, &e) || agg_bind(&specs.v[0], b->schema, &key, false, &agg, &e) ||
	    agg_reserve(&agg, groups, &e) || read_numbers(b, col, NULL, b->nrows, &bad, &a, &n, &e))
		abort();
	ab.args[0] = (struct agg_arg){ .col = &b->cols[col], .nums = &n };
	if (agg.family->update(&agg, &ab, &e))
		abort();
	agg_free(&agg);
	numbers_free(&n);
	arena_free(&a);
	return 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static const char *const specs[] = { "sum:text", "sum:float" };
	int64_t n = argc > 1 ? atoll(argv[1]) : 1000000;
	uint32_t groups = argc > 2 ? (uint32_t)atoi(argv[2]) : 100, *ids = malloc((size_t)n * sizeof *ids);
	struct batch *b = ids ? table(n, groups, ids) : NULL;
	volatile double sink = 0;

	for (int col = 0; b && col < 2; col++) {
		double t[2][RUNS];

		for (int k = 0; k < RUNS; k++) {
			double start = now(), middle;

			sink = sink + plain(b, col, ids, groups);
			middle = now();
			sink = sink + exact(b, specs[col], col, ids, groups);
			t[0][k] = middle - start;
			t[1][k] = now() - middle;
		}
		qsort(t[0], RUNS, sizeof(double), compare);
		qsort(t[1], RUNS, sizeof(double), compare);
		printf("%-10s exact / plain %.2f\n", specs[col], t[1][RUNS / 2] / t[0][RUNS / 2]);
	}
	batch_unref(b);
	free(ids);
	return b ? 0 : 1;
}
