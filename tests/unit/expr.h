/* A batch with a field of every kind, for tests of expressions. */
#ifndef STOOK_TESTS_EXPR_H
#define STOOK_TESTS_EXPR_H

#include "lib/expr/expr.h"
#include "lib/format/format.h"

#include <stdlib.h>

struct test_field {
	const char *name;
	struct type type;
	const char *v[3]; /* as text; NULL: null */
};

static const struct test_field test_fields[] = {
	{ "a", TYPE_TEXT, { "1.50", "20", "-3" } },
	{ "b", TYPE_TEXT, { "abc", "", NULL } },
	{ "u", TYPE_TEXT, { "\xc3\x89lan Vital", "na\xc3\xafve", "x" } },
	{ "when", TYPE_TEXT, { "2015-01-02T03:04:05Z", "2016-02-29", NULL } },
	{ "n", TYPE_NUM, { "2.5", "007", "1e3" } },
	{ "big", TYPE_NUM, { "9007199254740993", "123456789012345678901234567890", NULL } },
	{ "i", TYPE_INT64, { "7", "-7", "0" } },
	{ "max", TYPE_INT64, { "9223372036854775807", "-9223372036854775808", NULL } },
	{ "f", TYPE_FLOAT64, { "0.25", "-1.5", NULL } },
	{ "yes", TYPE_BOOL, { "true", "false", NULL } },
	{ "d", TYPE_DATE, { "2015-03-01", "2000-02-29", NULL } },
	{ "t", { .id = T_TIMESTAMP, .layout = LAY_FIXED, .width = 8, .unit = UNIT_US, .tz = { "UTC", 3 } }, { "2015-01-02T03:04:05.678Z", "1969-12-31T23:59:59Z", NULL } },
	{ "j", TYPE_JSON, { "[1,\"x\",null]", "{\"k\": {\"l\": [10, 20]}}", NULL } },
	{ "none", TYPE_TEXT, { NULL, NULL, NULL } },
};

#define TEST_FIELDS ((int)(sizeof test_fields / sizeof *test_fields))

static inline int test_value(struct builder *b, const struct type *t, const char *v, struct err *e)
{
	int64_t us;
	int32_t days;
	double f;

	if (!v)
		return builder_null(b, 1, e);
	switch (t->id) {
	case T_INT64:
		return num_parse_i64(str_of(v), &us) == DEC_OK ? builder_fixed(b, &us, e) : -1;
	case T_FLOAT64:
		return num_parse_f64(str_of(v), &f) == DEC_OK ? builder_fixed(b, &f, e) : -1;
	case T_BOOL:
		return builder_bool(b, *v == 't', e);
	case T_DATE32:
		return date_parse(str_of(v), &days) ? builder_fixed(b, &days, e) : -1;
	case T_TIMESTAMP:
		return time_parse(str_of(v), &us) ? builder_fixed(b, &us, e) : -1;
	default:
		return builder_str(b, str_of(v), e);
	}
}

/* Rows [from, from + n) of the fields above, as records 1, 2, 3 of lines 2, 3, 4 of "in.csv". */
static inline struct batch *test_batch(int from, int n)
{
	struct schema *s = schema_new();
	struct batch *b = NULL;
	struct rows r;
	struct err e;
	int rc = 0;

	for (int k = 0; k < TEST_FIELDS && !rc; k++)
		rc = schema_add(s, str_of(test_fields[k].name), &test_fields[k].type, true, &e);
	rc = rc ? rc : rows_init(&r, s, &e);
	for (int k = 0; k < TEST_FIELDS; k++)
		for (int i = from; i < from + n && !rc; i++)
			rc = test_value(&r.cols[k], &test_fields[k].type, test_fields[k].v[i], &e);
	r.n = n;
	if (rc || rows_take(&r, &b, &e))
		abort();
	rows_free(&r);
	schema_unref(s);
	b->origin = (struct origin){ .name = "in.csv", .row = from, .line = from + 2 };
	return b;
}

/* Appends the rows of b as lines "value|value", nulls as "-". */
static inline void test_print(const struct batch *b, struct buf *out)
{
	for (int64_t i = 0; i < b->nrows; i++) {
		for (int k = 0; k < b->schema->nfields; k++)
			if ((k && buf_byte(out, '|')) ||
			    (column_is_null(&b->cols[k], i) ? buf_byte(out, '-') : value_print(&b->cols[k], i, out)))
				abort();
		if (buf_byte(out, '\n'))
			abort();
	}
}

/* Runs a program over the rows [from, from + n); what it gives is appended to out. 0 or a negative status with *e. */
static inline int test_run_program(const char *text, size_t len, enum on_bad policy, int from, int n, struct buf *out,
				   const struct schema **schema, struct err *e)
{
	struct batch *in = test_batch(from, n), *b = NULL;
	struct program *p = NULL;
	struct eval *ev = NULL;
	int rc = program_parse((struct str){ text, len }, "program", &p, e);

	if (rc == 0 && (rc = program_bind(p, in->schema, 1420167845000000, e)) == 0 && (rc = eval_new(p, policy, &ev, e)) == 0)
		rc = eval_start(ev, in, e);
	while (rc == 0 && (rc = eval_next(ev, &b, e)) == 0 && b) {
		test_print(b, out);
		batch_unref(b);
	}
	if (schema)
		*schema = p && program_schema(p) ? schema_ref(program_schema(p)) : NULL;
	eval_free(ev);
	program_free(p);
	batch_unref(in);
	return rc;
}

#endif
