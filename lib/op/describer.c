/* reduce --describe: see describer.h.
 *
 * The aggregates of all fields make one row of one group; that row is then laid on its side. `wanted` lists them, in the order of the
 * row; a field's results begin at its `first`. Values that are no numbers count as missing where numbers are read. */
#include "lib/op/describer.h"

#include "lib/format/format.h"

#include <stdlib.h>

/* What is asked of a field; %d is its number. */
enum fact { COUNT, DISTINCT, NUMBERS, MEAN, SD, P25, P50, P75, MIN, MAX, FIRST_TEXT, LAST_TEXT, NFACTS };

static const char computable[] =
	"c%1$d_d=distinct~:@%1$d,c%1$d_k=count:@%1$d:num,c%1$d_m=mean:@%1$d,c%1$d_s=sd:@%1$d,c%1$d=quartiles~:@%1$d,"
	"c%1$d_lo=min:@%1$d:num,c%1$d_hi=max:@%1$d:num";
static const char text[] = ",c%1$d_first=min:@%1$d:text,c%1$d_last=max:@%1$d:text";
static const char ordered[] = "c%1$d_d=distinct~:@%1$d,c%1$d_first=min:@%1$d,c%1$d_last=max:@%1$d";

enum way { COUNTED, ORDERED, COMPUTED, COMPUTED_TEXT };

struct described {
	enum way way;
	int first; /* column of its count in the row */
};

struct describer {
	struct source source;
	struct source *row;
	struct schema *fields; /* of the input */
	struct described *v;   /* one a field */
	bool given;
	struct arena arena;
};

static enum way way_of(const struct type *t)
{
	if (t->id == T_UTF8 && t->mark == MARK_NONE)
		return COMPUTED_TEXT;
	if (type_is_numeric(t))
		return COMPUTED;
	if (t->id == T_DATE32 || t->id == T_DATE64 || t->id == T_TIMESTAMP || t->id == T_BOOL ||
	    (t->id == T_UTF8 && t->mark == MARK_JSON))
		return ORDERED;
	return COUNTED;
}

/* Where a fact stands in the row, counted from the field's count; -1: it is not there. */
static int place_of(enum way way, enum fact f)
{
	if (f == COUNT || (f == DISTINCT && way != COUNTED))
		return (int)f;
	if (way == ORDERED)
		return f == FIRST_TEXT ? 2 : f == LAST_TEXT ? 3 : -1;
	if (way == COMPUTED && f > MAX)
		return -1;
	return way == COUNTED ? -1 : (int)f;
}

static int columns_of(enum way way)
{
	static const int n[] = { [COUNTED] = 1, [ORDERED] = 4, [COMPUTED] = MAX + 1, [COMPUTED_TEXT] = NFACTS };

	return n[way];
}

/* The list for -a, and where each field's results begin in its row. */
static int ask(struct describer *d, struct buf *list, struct err *e)
{
	int at = 1;

	if (buf_puts(list, "rows=count"))
		return err_oom(e);
	for (int i = 0; i < d->fields->nfields; i++) {
		enum way way = way_of(&d->fields->fields[i].type);
		int rc = buf_printf(list, ",c%1$d_n=count:@%1$d", i + 1);

		if (way == ORDERED)
			rc |= buf_byte(list, ',') | buf_printf(list, ordered, i + 1);
		if (way >= COMPUTED)
			rc |= buf_byte(list, ',') | buf_printf(list, computable, i + 1);
		if (way == COMPUTED_TEXT)
			rc |= buf_printf(list, text, i + 1);
		if (rc)
			return err_oom(e);
		d->v[i] = (struct described){ way, at };
		at += columns_of(way);
	}
	return buf_byte(list, 0) ? err_oom(e) : 0;
}

static int make_schema(struct err *e, struct schema **ret)
{
	static const struct type txt = TYPE_TEXT, i64 = TYPE_INT64, f64 = TYPE_FLOAT64;
	static const struct {
		const char *name;
		const struct type *type;
	} columns[] = { { "field", &txt }, { "type", &txt }, { "count", &i64 },	 { "missing", &i64 }, { "distinct~", &i64 },
			{ "numbers", &i64 }, { "min", &txt }, { "p25~", &f64 }, { "p50~", &f64 },    { "p75~", &f64 },
			{ "max", &txt },   { "mean", &f64 }, { "sd", &f64 } };
	cleanup_schema struct schema *s = schema_new();
	int rc = s ? 0 : err_oom(e);

	for (size_t i = 0; i < sizeof columns / sizeof *columns && rc == 0; i++)
		rc = schema_add(s, str_of(columns[i].name), columns[i].type, true, e);
	if (rc == 0) {
		*ret = s;
		s = NULL;
	}
	return rc;
}

/* The column of a fact in the row; NULL: nothing is known. */
static const struct column *fact(const struct describer *d, const struct batch *row, int field, enum fact f)
{
	int at = place_of(d->v[field].way, f);
	const struct column *c = at < 0 ? NULL : &row->cols[d->v[field].first + at];

	return c && !column_is_null(c, 0) ? c : NULL;
}

static int put(const struct column *c, struct builder *out, struct err *e)
{
	cleanup_buf struct buf b = { 0 };

	if (!c)
		return builder_null(out, 1, e);
	if (out->type->layout == LAY_FIXED)
		return builder_fixed(out, c->values, e);
	return value_print(c, 0, &b) ? err_oom(e) : builder_str(out, buf_view(&b), e);
}

static bool all_numbers(const struct describer *d, const struct batch *row, int field)
{
	const struct column *n = fact(d, row, field, NUMBERS);

	return n && column_i64(n, 0) > 0 && column_i64(n, 0) == column_i64(fact(d, row, field, COUNT), 0);
}

static int put_field(struct describer *d, const struct batch *row, int i, struct rows *out, struct err *e)
{
	const struct column *facts[NFACTS];
	bool numbers = all_numbers(d, row, i);
	int64_t missing;
	char name[128];
	int rc;

	for (int f = 0; f < NFACTS; f++)
		facts[f] = fact(d, row, i, (enum fact)f);
	missing = column_i64(&row->cols[0], 0) - column_i64(facts[COUNT], 0);
	type_name(&d->fields->fields[i].type, name, sizeof name);
	if ((rc = builder_str(&out->cols[0], d->fields->fields[i].name, e)) < 0 ||
	    (rc = builder_str(&out->cols[1], str_of(name), e)) < 0 || (rc = put(facts[COUNT], &out->cols[2], e)) < 0 ||
	    (rc = builder_fixed(&out->cols[3], &missing, e)) < 0 || (rc = put(facts[DISTINCT], &out->cols[4], e)) < 0 ||
	    (rc = put(facts[NUMBERS], &out->cols[5], e)) < 0 ||
	    (rc = put(facts[numbers ? MIN : FIRST_TEXT], &out->cols[6], e)) < 0 ||
	    (rc = put(facts[P25], &out->cols[7], e)) < 0 || (rc = put(facts[P50], &out->cols[8], e)) < 0 ||
	    (rc = put(facts[P75], &out->cols[9], e)) < 0 ||
	    (rc = put(facts[numbers ? MAX : LAST_TEXT], &out->cols[10], e)) < 0 ||
	    (rc = put(facts[MEAN], &out->cols[11], e)) < 0)
		return rc;
	out->n++;
	return put(facts[SD], &out->cols[12], e);
}

static int describer_next(struct source *s, struct batch **ret, struct err *e)
{
	struct describer *d = (struct describer *)s;
	cleanup_batch struct batch *row = NULL;
	struct rows out = { 0 };
	int rc = 0;

	if (d->given || (rc = source_next(d->row, &row, e)) < 0 || (rc = rows_init(&out, s->schema, e)) < 0)
		return d->given ? 0 : rc;
	d->given = true;
	for (int i = 0; i < d->fields->nfields && rc == 0; i++)
		rc = put_field(d, row, i, &out, e);
	if (rc == 0)
		rc = rows_take(&out, ret, e);
	rows_free(&out);
	return rc;
}

static void describer_close(struct source *s)
{
	struct describer *d = (struct describer *)s;

	source_close(d->row);
	schema_unref(d->fields);
	schema_unref(s->schema);
	arena_free(&d->arena);
	free(d);
}

static int setup(struct describer *d, struct source *in, struct err *e)
{
	cleanup_buf struct buf list = { 0 };
	cleanup_schema struct schema *s = NULL;
	struct reduce_opts all = { .naggs = 1, .on_bad = BAD_NULL };
	const char *aggs;
	int rc;

	d->fields = schema_ref(in->schema);
	d->v = arena_array(&d->arena, struct described, (size_t)d->fields->nfields + 1);
	if (!d->v || (rc = ask(d, &list, e)) < 0) {
		source_close(in);
		return d->v ? rc : err_oom(e);
	}
	aggs = (const char *)list.p;
	all.aggs = &aggs;
	if ((rc = reduce_open(in, &all, &d->row, e)) < 0 || (rc = make_schema(e, &s)) < 0)
		return rc;
	d->source.schema = s;
	s = NULL;
	return 0;
}

int describe_open(struct source *in, struct source **ret, struct err *e)
{
	struct describer *d = calloc(1, sizeof *d);
	int rc;

	if (!d) {
		source_close(in);
		return err_oom(e);
	}
	d->source.next = describer_next;
	d->source.close = describer_close;
	if ((rc = setup(d, in, e)) < 0) {
		describer_close(&d->source);
		return rc;
	}
	*ret = &d->source;
	return 0;
}
