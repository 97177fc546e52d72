/* reduce: merge(parts) = whole, byte for byte, for random tables, cuts and order-preserving merge trees, all aggregates; and
 * confusion matrices likewise. */
#include "lib/base/rng.h"
#include "lib/format/format.h"
#include "lib/op/matrix.h"
#include "lib/op/scores.h"
#include "lib/op/reducer.h"
#include "tests/unit/test.h"

#include <math.h>

/* A table: a schema and its batches. */
struct tab {
	struct schema *schema;
	struct batch *b[64];
	int n;
};

struct tab_source {
	struct source source;
	struct tab tab;
	int next;
};

static void tab_free(struct tab *t)
{
	for (int i = 0; i < t->n; i++)
		batch_unref(t->b[i]);
	schema_unref(t->schema);
	*t = (struct tab){ 0 };
}

static int tab_next(struct source *s, struct batch **ret, struct err *e)
{
	struct tab_source *t = (struct tab_source *)s;

	(void)e;
	if (t->next < t->tab.n)
		*ret = batch_ref(t->tab.b[t->next++]);
	return 0;
}

static void tab_close(struct source *s)
{
	struct tab_source *t = (struct tab_source *)s;

	tab_free(&t->tab);
	free(t);
}

static void tab_append(struct tab *t, const struct tab *from)
{
	if (!t->schema)
		t->schema = schema_ref(from->schema);
	CHECK(schema_equal(t->schema, from->schema));
	for (int i = 0; i < from->n; i++) {
		CHECK(t->n < 64);
		t->b[t->n++] = batch_ref(from->b[i]);
	}
}

static struct source *tab_open(const struct tab *t)
{
	struct tab_source *s = calloc(1, sizeof *s);

	tab_append(&s->tab, t);
	s->source = (struct source){ t->schema, tab_next, tab_close, NULL };
	return &s->source;
}

/* Everything a source gives; it is closed. */
static struct tab drain(struct source *s)
{
	struct tab t = { .schema = schema_ref(s->schema) };
	struct err e = { 0 };

	for (;;) {
		struct batch *b;

		if (source_next(s, &b, &e) < 0) {
			printf("# %s\n", e.msg);
			CHECK(false && "source fails");
		}
		if (!b)
			break;
		CHECK(t.n < 64);
		t.b[t.n++] = b;
	}
	source_close(s);
	return t;
}

/* Names, types and values as text, batch borders left out. */
static void describe(const struct tab *t, struct buf *b)
{
	char type[128];

	for (int c = 0; c < t->schema->nfields; c++) {
		const struct field *f = &t->schema->fields[c];

		CHECK(!buf_printf(b, "%.*s %s|", STR_ARG(f->name), type_name(&f->type, type, sizeof type)));
	}
	for (int i = 0; i < t->n; i++)
		for (int64_t r = 0; r < t->b[i]->nrows; r++) {
			CHECK(!buf_byte(b, '\n'));
			for (int c = 0; c < t->schema->nfields; c++)
				CHECK(!(column_is_null(&t->b[i]->cols[c], r) ? buf_puts(b, "<null>")
									     : value_print(&t->b[i]->cols[c], r, b)) &&
				      !buf_byte(b, '|'));
		}
}

static void put_str(struct builder *b, const char *s)
{
	struct err e;

	CHECK((s ? builder_str(b, str_of(s), &e) : builder_null(b, 1, &e)) == 0);
}

static const char *pick(struct rng *r, const char *const *v, uint64_t n)
{
	return v[rng_below(r, n)];
}

#define PICK(r, ...) \
	pick((r), (const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static double any_double(struct rng *r)
{
	static const double some[] = { 0.1, 0.2, 0.3, 1e16, -1e16, 1e308, -1e308, 5e-324, -0.0, 1.5, 2, 1e-300 };
	uint64_t k = rng_below(r, 40);

	if (k == 0)
		return HUGE_VAL;
	if (k == 1)
		return NAN;
	if (k < 10)
		return ldexp((double)(int64_t)rng_u64(r), (int)rng_below(r, 400) - 300);
	return some[rng_below(r, sizeof some / sizeof *some)];
}

static void random_row(struct rng *r, struct rows *rows)
{
	int64_t i = (int64_t)rng_u64(r) >> (8 + rng_below(r, 55));
	int32_t day = (int32_t)rng_below(r, 100);
	double f = any_double(r);
	char text[64];
	struct err e;

	put_str(&rows->cols[0], PICK(r, "a", "b", "c", "", "longer than twelve bytes", NULL));
	put_str(&rows->cols[1], PICK(r, "1", "1.0", "01", "1e0", "2", "-0", "0", "+2", "123456789012345678901234567890", NULL));
	snprintf(text, sizeof text, "%lld.%0*d", (long long)(rng_u64(r) >> rng_below(r, 64)), 1 + (int)rng_below(r, 12), 7);
	put_str(&rows->cols[2], rng_below(r, 12) ? text : PICK(r, "1e300", "nan", "inf", "-inf", "0.000", "-12.5", NULL));
	CHECK((rng_below(r, 9) ? builder_fixed(&rows->cols[3], &i, &e) : builder_null(&rows->cols[3], 1, &e)) == 0);
	CHECK((rng_below(r, 9) ? builder_fixed(&rows->cols[4], &f, &e) : builder_null(&rows->cols[4], 1, &e)) == 0);
	CHECK((rng_below(r, 9) ? builder_bool(&rows->cols[5], rng_below(r, 2), &e) : builder_null(&rows->cols[5], 1, &e)) == 0);
	CHECK(builder_fixed(&rows->cols[6], &day, &e) == 0);
	CHECK(builder_null(&rows->cols[7], 1, &e) == 0);
	put_str(&rows->cols[8], PICK(r, "2015-01-02", "2015-01-02T00:00:00Z", "2014-12-31T23:59:59.5", "1999-01-01", NULL));
	rows->n++;
}

static struct schema *test_schema(void)
{
	static const char *const names[] = { "k", "kn", "t", "i", "f", "b", "d", "z", "o" };
	const struct type types[] = { TYPE_TEXT, TYPE_TEXT, TYPE_NUM,  TYPE_INT64, TYPE_FLOAT64,
				      TYPE_BOOL, TYPE_DATE, TYPE_NULL, TYPE_TEXT };
	struct schema *s = schema_new();
	struct err e;

	for (int i = 0; i < 9; i++)
		CHECK(schema_add(s, str_of(names[i]), &types[i], true, &e) == 0);
	return s;
}

static struct tab random_tab(struct rng *r, struct schema *s)
{
	struct tab t = { .schema = schema_ref(s) };
	struct rows rows;
	struct err e;

	CHECK(rows_init(&rows, s, &e) == 0);
	for (uint64_t k = rng_below(r, 5); k; k--) {
		for (uint64_t n = 1 + rng_below(r, 20); n; n--)
			random_row(r, &rows);
		CHECK(rows_take(&rows, &t.b[t.n++], &e) == 0);
	}
	rows_free(&rows);
	return t;
}

/* Cuts a table into parts at random rows. */
static int cut(struct rng *r, const struct tab *t, struct tab *parts)
{
	int n = 1;
	struct err e;

	parts[0] = (struct tab){ .schema = schema_ref(t->schema) };
	for (int i = 0; i < t->n; i++)
		for (int64_t at = 0, take; at < t->b[i]->nrows; at += take) {
			struct tab *p = &parts[n - 1];

			take = 1 + (int64_t)rng_below(r, (uint64_t)(t->b[i]->nrows - at));
			CHECK(batch_slice(t->b[i], at, take, &p->b[p->n++], &e) == 0);
			if (n < 12 && rng_below(r, 2))
				parts[n++] = (struct tab){ .schema = schema_ref(t->schema) };
		}
	return n;
}

typedef struct tab (*fold_fn)(const struct tab *t, const void *how, bool partial, bool merge);

/* Partial states of all parts, merged in a random tree that keeps the order, then finished. */
static struct tab by_parts(struct rng *r, const struct tab *t, fold_fn fold, const void *how)
{
	struct tab parts[12], all = { 0 }, result;
	int n = cut(r, t, parts);

	for (int i = 0; i < n; i++) {
		struct tab p = fold(&parts[i], how, true, false);

		tab_free(&parts[i]);
		parts[i] = p;
	}
	while (n > 1 && rng_below(r, 4)) {
		int at = (int)rng_below(r, (uint64_t)n - 1), len = 2 + (int)rng_below(r, (uint64_t)(n - at - 1));
		struct tab group = { 0 };

		for (int i = at; i < at + len; i++) {
			tab_append(&group, &parts[i]);
			tab_free(&parts[i]);
		}
		parts[at] = fold(&group, how, true, true);
		tab_free(&group);
		memmove(&parts[at + 1], &parts[at + len], (size_t)(n - at - len) * sizeof *parts);
		n -= len - 1;
	}
	for (int i = 0; i < n; i++) {
		tab_append(&all, &parts[i]);
		tab_free(&parts[i]);
	}
	result = fold(&all, how, false, true);
	tab_free(&all);
	return result;
}

static void check_same(const struct tab *a, const struct tab *b)
{
	cleanup_buf struct buf x = { 0 }, y = { 0 };

	describe(a, &x);
	describe(b, &y);
	if (!str_eq(buf_view(&x), buf_view(&y)))
		printf("# whole:\n%.*s\n# parts:\n%.*s\n", STR_ARG(buf_view(&x)), STR_ARG(buf_view(&y)));
	CHECK(str_eq(buf_view(&x), buf_view(&y)));
}

struct how {
	const char *group, *aggs;
	bool sorted;
	int threads;
};

static struct tab fold_reduce(const struct tab *t, const void *arg, bool partial, bool merge)
{
	const struct how *how = arg;
	struct reduce_opts o = {
		.group = how->group, .naggs = 1, .aggs = &how->aggs, .partial = partial, .merge = merge, .sorted = how->sorted,
		.threads = how->threads
	};
	struct source *s;
	struct err e = { 0 };

	if (reduce_open(tab_open(t), &o, &s, &e) < 0) {
		printf("# %s\n", e.msg);
		CHECK(false && "reduce_open fails");
	}
	return drain(s);
}

static const char everything[] =
	"n=count,count:t,sum:t,mean:t,sum:i,mean:i,sum:f,mean:f,min:t,max:t,min:i,max:i,min:f,max:f,"
	"min:k:text,max:k:nat,lo=min:k:fold,min:kn:num,max:kn:num,first:k,last:k,first:t,last:f,first:b,last:d,min:d,max:b,"
	"distinct:k,distinct:kn,dn=distinct:kn:num,distinct:t,distinct:i,distinct:f,distinct:b,distinct:d,"
	"distinct~:t,distinct~:kn:num,distinct~:k,distinct~:i,distinct~:z,"
	"median:t,p95:i,p99.9:f,quantile:f:0.25,median:z,p0:kn:num,p100:t,"
	"list:t,list:f,list:b,list:k,list:z,concat:k,concat:d:; ,any:b,all:b,any:z,"
	"var:t,sd:t,var:i,sdp:i,varp:f,sd:f,var:z,latest:o,argmax:f:k,argmin:kn:t:num,argmax:o:d:nat,argmin:z:k,"
	"cov:t:i,cov:i:f,cov:f:f,cov:kn:f,cov:z:i,corr:t:kn,corr:i:i,corr:f:f,corr:t:f,wmean:t:i,wmean:f:f,wmean:i:z,"
	"mode:k,mode:kn,mn=mode:kn:num,mode:t,mode:i,mode:f,mode:b,mode:d,mode:z,"
	"hist:t,hist:i,hist:f,hist:kn,hist:z,ht=hist:t:1e290,hk=hist:kn:2.5e25,"
	"p50~:t,p1~:i,p99.9~:f,p100~:kn,p0~:f,p50~:z,"
	"count:z,sum:z,mean:z,min:z,first:z,distinct:z";

TEST(merged_parts_are_the_whole)
{
	static const char *const groups[] = { NULL, "k", "kn", "kn:num", "k,kn:num", "b", "f", "i,k", "d", "t", "z" };
	struct schema *s = test_schema();

	for (uint64_t seed = 1; seed <= 1000; seed++) {
		struct rng r;
		struct how how = { groups[seed % 11], everything, seed % 3 == 0, seed % 20 ? 0 : 2 };
		struct tab t, whole, parts, first, again;

		rng_seed(&r, seed);
		t = random_tab(&r, s);
		whole = fold_reduce(&t, &how, false, false);
		parts = by_parts(&r, &t, fold_reduce, &how);
		check_same(&whole, &parts);
		first = fold_reduce(&t, &how, true, false); /* a merge of one is itself */
		again = fold_reduce(&first, &how, true, true);
		check_same(&first, &again);
		tab_free(&t);
		tab_free(&whole);
		tab_free(&parts);
		tab_free(&first);
		tab_free(&again);
	}
	schema_unref(s);
}

TEST(any_number_of_threads_gives_the_same)
{
	static const char *const groups[] = { NULL, "k", "kn:num", "k,kn", "kn:text,t:text", "f", "i,k", "k:desc" };
	struct schema *s = test_schema();

	for (uint64_t seed = 1; seed <= 80; seed++) {
		struct rng r;
		struct how how = { groups[seed % 8], everything, seed % 3 == 0, 1 };
		struct tab t, one, many;

		rng_seed(&r, seed);
		t = random_tab(&r, s);
		for (int partial = 0; partial < 2; partial++) {
			how.threads = 1;
			one = fold_reduce(&t, &how, partial, false);
			how.threads = 2 + (int)rng_below(&r, 5);
			many = fold_reduce(&t, &how, partial, false);
			check_same(&one, &many);
			tab_free(&one);
			tab_free(&many);
		}
		tab_free(&t);
	}
	schema_unref(s);
}

/* Where no position matters, neither does the order of the rows. */
TEST(permuted_rows_give_the_same)
{
	struct how how = { "kn:num", "n=count,sum:t,mean:t,sum:i,sum:f,mean:f,min:i,max:d,distinct:k,"
			  "var:t,cov:t:i,cov:f:f,corr:f:i,wmean:t:i,hist:t,hist:f,hist:i,p50~:t,p90~:f,distinct~:t", true, 2 };
	struct schema *s = test_schema();

	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct rng r;
		struct tab t, a, b, back = { 0 };
		struct err e;

		rng_seed(&r, seed);
		t = random_tab(&r, s);
		back.schema = schema_ref(s);
		for (int i = t.n - 1; i >= 0; i--) {
			uint32_t idx[64];

			for (uint32_t k = 0; k < t.b[i]->nrows; k++)
				idx[k] = (uint32_t)t.b[i]->nrows - 1 - k;
			CHECK(batch_gather(t.b[i], idx, t.b[i]->nrows, &back.b[back.n++], &e) == 0);
		}
		a = fold_reduce(&t, &how, false, false);
		b = fold_reduce(&back, &how, false, false);
		CHECK_I64(a.n, b.n);
		for (int i = 0; i < a.n; i++) { /* the key's spelling is the first seen: not compared */
			a.b[i]->cols[0] = b.b[i]->cols[0];
		}
		check_same(&a, &b);
		tab_free(&t);
		tab_free(&back);
		tab_free(&a);
		tab_free(&b);
	}
	schema_unref(s);
}

/* So many bins that sketches and histograms must join some: any cut joins the same. */
TEST(joined_bins_do_not_depend_on_the_cut)
{
	static const char *const names[] = { "v", "t" };
	const struct type types[] = { TYPE_FLOAT64, TYPE_TEXT };
	struct how how = { NULL, "p10~:v,p50~:v,p99~:v,hist:v,hist:t,p50~:t", false, 1 };
	struct schema *s = schema_new();
	struct err e;

	for (int i = 0; i < 2; i++)
		CHECK(schema_add(s, str_of(names[i]), &types[i], true, &e) == 0);
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct tab t = { .schema = schema_ref(s) }, whole, parts, state, again;
		struct rows rows;
		struct rng r;

		rng_seed(&r, seed);
		CHECK(rows_init(&rows, s, &e) == 0);
		for (int b = 0; b < 8; b++) {
			for (int i = 0; i < 1500; i++) {
				double v = ldexp((double)(int64_t)rng_u64(&r), (int)rng_below(&r, 50 * seed) - 64);
				char text[32];

				CHECK(builder_fixed(&rows.cols[0], &v, &e) == 0);
				snprintf(text, sizeof text, "%lld.%0*d", (long long)(rng_u64(&r) >> rng_below(&r, 64)),
					 1 + b, (int)rng_below(&r, 9));
				put_str(&rows.cols[1], text);
				rows.n++;
			}
			CHECK(rows_take(&rows, &t.b[t.n++], &e) == 0);
		}
		whole = fold_reduce(&t, &how, false, false);
		parts = by_parts(&r, &t, fold_reduce, &how);
		check_same(&whole, &parts);
		state = fold_reduce(&t, &how, true, false);
		again = fold_reduce(&state, &how, true, true);
		check_same(&state, &again);
		rows_free(&rows);
		tab_free(&t);
		tab_free(&whole);
		tab_free(&parts);
		tab_free(&state);
		tab_free(&again);
	}
	schema_unref(s);
}

static struct tab fold_matrix(const struct tab *t, const void *arg, bool partial, bool merge)
{
	struct matrix_opts o = *(const struct matrix_opts *)arg;
	struct matrix m;
	struct source *s;
	struct tab out;
	struct err e = { 0 };

	o.merge = merge;
	CHECK(matrix_init(&m, t->schema, &o, &e) == 0);
	for (int i = 0; i < t->n; i++)
		CHECK(matrix_add(&m, t->b[i], &e) == 0);
	if (!partial)
		CHECK(matrix_finish(&m, NULL, &e) == 0);
	CHECK(matrix_report(&m, partial ? REPORT_PARTIAL : REPORT_MATRIX, &s, &e) == 0);
	out = drain(s);
	matrix_free(&m);
	return out;
}

TEST(merged_matrices_are_the_whole)
{
	static const struct matrix_opts ways[] = { { .truth = "k", .predicted = "k" },
						   { .truth = "k", .predicted = "kn" },
						   { .truth = "kn:num", .predicted = "i" },
						   { .truth = "d", .predicted = "b" },
						   { .truth = "kn:num", .predicted = "f" },
						   { .truth = "t:text", .predicted = "k" },
						   { .truth = "k", .predicted = "kn", .weight = "d2" },
						   { .truth = "k", .predicted = "z" } };
	struct schema *s = test_schema();

	for (uint64_t seed = 1; seed <= 400; seed++) {
		const struct matrix_opts *o = &ways[seed % 8];
		struct rng r;
		struct tab t, whole, parts;

		if (o->weight)
			continue;
		rng_seed(&r, seed);
		t = random_tab(&r, s);
		whole = fold_matrix(&t, o, false, false);
		parts = by_parts(&r, &t, fold_matrix, o);
		check_same(&whole, &parts);
		tab_free(&t);
		tab_free(&whole);
		tab_free(&parts);
	}
	schema_unref(s);
}

/* Labels, scores, counts and weights. Scores tie often; equal numbers have several spellings. */
static struct schema *judged_schema(void)
{
	static const char *const names[] = { "y", "yn", "p", "s", "sf", "n", "w", "wf" };
	const struct type types[] = { TYPE_TEXT, TYPE_NUM, TYPE_TEXT, TYPE_NUM, TYPE_FLOAT64, TYPE_INT64, TYPE_NUM, TYPE_FLOAT64 };
	struct schema *s = schema_new();
	struct err e;

	for (int i = 0; i < 8; i++)
		CHECK(schema_add(s, str_of(names[i]), &types[i], true, &e) == 0);
	return s;
}

static void judged_row(struct rng *r, struct rows *rows)
{
	static const double scores[] = { 0.1, 0.3, 0.5, -2, 1e-9 }, weights[] = { 0.1, 1, 2.5, 1e15, 0 };
	int64_t n = (int64_t)(rng_u64(r) >> (1 + rng_below(r, 63)) & 0xfffff);
	struct err e;

	put_str(&rows->cols[0], PICK(r, "a", "a", "b", "b", NULL));
	put_str(&rows->cols[1], PICK(r, "1", "1.0", "0", "-0", "0e5", NULL));
	put_str(&rows->cols[2], PICK(r, "a", "b", "c", "", NULL));
	put_str(&rows->cols[3], PICK(r, "0.5", "5e-1", "0.50", "0.7", "-1", "1000000000000000000000", "0.1", NULL));
	if (rng_below(r, 8))
		CHECK(builder_fixed(&rows->cols[4], &scores[rng_below(r, 5)], &e) == 0);
	else
		CHECK(builder_null(&rows->cols[4], 1, &e) == 0);
	CHECK(builder_fixed(&rows->cols[5], &n, &e) == 0);
	put_str(&rows->cols[6], PICK(r, "0", "0.25", "1", "3.000", "123456789012345678901234567890.5", "1e-30"));
	CHECK(builder_fixed(&rows->cols[7], &weights[rng_below(r, 5)], &e) == 0);
	rows->n++;
}

static struct tab judged_tab(struct rng *r, struct schema *s)
{
	struct tab t = { .schema = schema_ref(s) };
	struct rows rows;
	struct err e;

	CHECK(rows_init(&rows, s, &e) == 0);
	for (uint64_t k = rng_below(r, 5); k; k--) {
		for (uint64_t n = 1 + rng_below(r, 20); n; n--)
			judged_row(r, &rows);
		CHECK(rows_take(&rows, &t.b[t.n++], &e) == 0);
	}
	rows_free(&rows);
	return t;
}

TEST(merged_amounts_are_the_whole)
{
	static const struct matrix_opts ways[] = { { .truth = "y", .predicted = "p", .count = "n" },
						   { .truth = "y", .predicted = "p", .weight = "w" },
						   { .truth = "yn", .predicted = "sf", .weight = "wf" } };
	struct schema *s = judged_schema();

	for (uint64_t seed = 1; seed <= 1000; seed++) {
		struct rng r;
		struct tab t, whole, parts;

		rng_seed(&r, seed);
		t = judged_tab(&r, s);
		whole = fold_matrix(&t, &ways[seed % 3], seed & 1, false);
		parts = seed & 1 ? fold_matrix(&whole, &ways[seed % 3], true, true) : by_parts(&r, &t, fold_matrix, &ways[seed % 3]);
		check_same(&whole, &parts);
		tab_free(&t);
		tab_free(&whole);
		tab_free(&parts);
	}
	schema_unref(s);
}

static struct tab fold_scores(const struct tab *t, const void *arg, bool partial, bool merge)
{
	struct score_opts o = *(const struct score_opts *)arg;
	struct matrix_opts states = { .merge = true, .beta = "2" };
	struct areas areas = { 0 };
	struct matrix m;
	struct source *s;
	struct err e = { 0 };
	struct tab cells;

	o.merge = merge;
	if (partial) {
		CHECK(scores_partial(tab_open(t), &o, &s, &e) == 0);
		return drain(s);
	}
	if (scores_open(tab_open(t), &o, &areas, &s, &e) < 0) {
		printf("# %s\n", e.msg);
		CHECK(false && "scores fail");
	}
	cells = drain(s);
	CHECK(matrix_init(&m, cells.schema, &states, &e) == 0);
	for (int i = 0; i < cells.n; i++)
		CHECK(matrix_add(&m, cells.b[i], &e) == 0);
	CHECK(matrix_finish(&m, NULL, &e) == 0);
	m.scored = areas.known;
	m.overall.roc_auc = areas.roc_auc;
	m.overall.average_precision = areas.average_precision;
	CHECK(matrix_report(&m, REPORT_SUMMARY, &s, &e) == 0);
	matrix_free(&m);
	tab_free(&cells);
	return drain(s);
}

TEST(merged_scores_are_the_whole)
{
	static const struct score_opts ways[] = {
		{ .truth = "y", .score = "s", .positive = "a" },
		{ .truth = "yn", .score = "sf", .positive = "1", .threshold = "0.3" },
		{ .truth = "y", .score = "sf", .positive = "b", .count = "n", .threshold = "-2" },
		{ .truth = "yn", .score = "s", .positive = "0", .weight = "w", .threshold = "0.7" },
		{ .truth = "y", .score = "s", .positive = "a", .weight = "wf" },
	};
	struct schema *s = judged_schema();

	for (uint64_t seed = 1; seed <= 1000; seed++) {
		const struct score_opts *o = &ways[seed % 5];
		struct tab t, whole, parts, first, again;
		struct rng r;

		rng_seed(&r, seed);
		t = judged_tab(&r, s);
		whole = fold_scores(&t, o, false, false);
		parts = by_parts(&r, &t, fold_scores, o);
		check_same(&whole, &parts);
		first = fold_scores(&t, o, true, false);
		again = fold_scores(&first, o, true, true);
		check_same(&first, &again);
		tab_free(&t);
		tab_free(&whole);
		tab_free(&parts);
		tab_free(&first);
		tab_free(&again);
	}
	schema_unref(s);
}

/* Pair by pair: what the area under the ROC curve is. */
static double pairwise_auc(const struct tab *t)
{
	int64_t won = 0, pairs = 0;

	for (int i = 0; i < t->n; i++)
		for (int64_t a = 0; a < t->b[i]->nrows; a++)
			for (int k = 0; k < t->n; k++)
				for (int64_t b = 0; b < t->b[k]->nrows; b++) {
					const struct column *x = t->b[i]->cols, *y = t->b[k]->cols;

					if (column_is_null(&x[0], a) || column_is_null(&y[0], b) || column_is_null(&x[4], a) ||
					    column_is_null(&y[4], b) || !str_is(column_str(&x[0], a), "a") ||
					    !str_is(column_str(&y[0], b), "b"))
						continue;
					pairs += 2;
					won += (column_f64(&x[4], a) > column_f64(&y[4], b)) * 2 +
					       (column_f64(&x[4], a) == column_f64(&y[4], b));
				}
	return pairs ? (double)won / (double)pairs : (double)NAN;
}

TEST(auc_counts_pairs)
{
	static const struct score_opts o = { .truth = "y", .score = "sf", .positive = "a" };
	struct schema *s = judged_schema();

	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct areas areas;
		struct source *states;
		struct err e;
		struct tab t;
		struct rng r;
		double want;

		rng_seed(&r, seed);
		t = judged_tab(&r, s);
		CHECK(scores_open(tab_open(&t), &o, &areas, &states, &e) == 0);
		source_close(states);
		want = pairwise_auc(&t);
		CHECK(isnan(want) ? isnan(areas.roc_auc) : areas.roc_auc == want);
		tab_free(&t);
	}
	schema_unref(s);
}

int main(void)
{
	return RUN_TABLE(T1(merged_parts_are_the_whole), T1(any_number_of_threads_gives_the_same), T1(permuted_rows_give_the_same),
			 T1(joined_bins_do_not_depend_on_the_cut), T1(merged_matrices_are_the_whole),
			 T1(merged_amounts_are_the_whole), T1(merged_scores_are_the_whole), T1(auc_counts_pairs));
}
