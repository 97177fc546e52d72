/* Types that hold for every value: see typer.h.
 *
 * A column begins with all kinds of the table below and loses those that some value does not fit: read, printed, and not the
 * same bytes. The first kind left is its type. Which kinds are left does not depend on how the input was cut. Batches wait in
 * memory, and in a temporary file once they are too many; what is read after the last kind has gone is passed on as it comes. */
#include "lib/op/typer.h"

#include "lib/op/spill.h"
#include "lib/table/reading.h"

#include <stdlib.h>

union value {
	int64_t i64;
	double f64;
	int32_t days;
	bool yes;
	__int128 decimal;
};

/* Whether `s` is what its value prints as. `scale` is the column's, for decimals: -1 before the first. */
typedef bool read_fn(struct str s, int *scale, union value *ret);

static bool read_bool(struct str s, int *scale, union value *ret)
{
	(void)scale;
	ret->yes = str_is(s, "true");
	return ret->yes || str_is(s, "false");
}

static bool read_int(struct str s, int *scale, union value *ret)
{
	size_t sign = s.n && s.p[0] == '-';

	(void)scale;
	if (s.n <= sign || s.n > sign + 19 || s.p[sign] < '0' || s.p[sign] > '9' || (s.p[sign] == '0' && s.n > 1))
		return false;
	return num_parse_i64(s, &ret->i64) == DEC_OK;
}

/* Integers below 2^53 are printed as such. */
static bool read_float(struct str s, int *scale, union value *ret)
{
	char text[32];
	enum dec_read r;

	if (s.n <= 15 && read_int(s, scale, ret)) {
		ret->f64 = (double)ret->i64;
		return true;
	}
	if (!s.n || s.n > sizeof text)
		return false;
	r = num_parse_f64(s, &ret->f64);
	if (r != DEC_OK && r != DEC_SPECIAL)
		return false;
	return str_eq(s, (struct str){ text, num_print_f64(ret->f64, text) });
}

/* Digits with a point, as many behind it as the column's other values have; 38 in all, no sign of a zero. */
static bool read_decimal(struct str s, int *scale, union value *ret)
{
	bool minus = s.n && s.p[0] == '-';
	const char *p = s.p + minus, *end = s.p + s.n, *point = s.n ? memchr(s.p, '.', s.n) : NULL;
	__int128 v = 0;

	if (!point || point == p || point + 1 == end || end - p > 39 || (*p == '0' && point > p + 1))
		return false;
	if (*scale >= 0 && *scale != end - point - 1)
		return false;
	for (; p < end; p++) {
		if (p == point)
			continue;
		if (*p < '0' || *p > '9')
			return false;
		v = v * 10 + (*p - '0');
	}
	if (minus && v == 0)
		return false;
	*scale = (int)(end - point - 1);
	ret->decimal = minus ? -v : v;
	return true;
}

static bool read_date(struct str s, int *scale, union value *ret)
{
	char text[16];

	(void)scale;
	return s.n >= 10 && date_parse(s, &ret->days) && str_eq(s, (struct str){ text, date_print(ret->days, text) });
}

/* `zone`: how the printed instant ends. */
static bool read_time(struct str s, size_t zone, union value *ret)
{
	char text[40];
	size_t n;

	if (s.n < 19 || !time_parse(s, &ret->i64))
		return false;
	n = time_print(ret->i64, text);
	return str_eq(s, (struct str){ text, n - 1 + zone });
}

static bool read_instant(struct str s, int *scale, union value *ret)
{
	(void)scale;
	return read_time(s, 1, ret);
}

static bool read_wall_clock(struct str s, int *scale, union value *ret)
{
	(void)scale;
	return read_time(s, 0, ret);
}

static const struct kind {
	struct type type; /* the scale of a decimal is the column's */
	read_fn *read;
} kinds[] = {
	{ { .id = T_BOOL, .layout = LAY_BIT }, read_bool },
	{ { .id = T_INT64, .layout = LAY_FIXED, .width = 8 }, read_int },
	{ { .id = T_FLOAT64, .layout = LAY_FIXED, .width = 8 }, read_float },
	{ { .id = T_DECIMAL, .layout = LAY_FIXED, .width = 16, .precision = 38 }, read_decimal },
	{ { .id = T_DATE32, .layout = LAY_FIXED, .width = 4 }, read_date },
	{ { .id = T_TIMESTAMP, .layout = LAY_FIXED, .width = 8, .unit = UNIT_US, .tz = { "UTC", 3 } }, read_instant },
	{ { .id = T_TIMESTAMP, .layout = LAY_FIXED, .width = 8, .unit = UNIT_US }, read_wall_clock },
};

#define KINDS (sizeof kinds / sizeof *kinds)

struct candidate {
	unsigned left; /* bit k: every value so far fits kinds[k] */
	bool any;      /* there was a value */
	int scale;
};

struct typer {
	struct source source;
	struct source *from;
	struct type_opts opts;
	struct candidate *columns; /* one a field */
	bool ended;                /* `from` has given all that it has, or failed */
	struct err failure;        /* status 0: it has not */
	struct batch **held;
	int64_t nheld, cap, given;
	int64_t bytes;
	struct spill spill;        /* in use when spill.sink is set */
	struct source *spilled;    /* what it holds, being read back */
};

/* ---- looking ---- */

static unsigned kinds_of(struct str s, unsigned left, int *scale)
{
	union value v;
	unsigned fit = 0;

	for (unsigned k = 0; k < KINDS; k++)
		if (left >> k & 1 && kinds[k].read(s, scale, &v))
			fit |= 1u << k;
	return fit;
}

/* False when no column has a kind left. */
static bool look(struct typer *t, const struct batch *b)
{
	bool more = false;

	for (int i = 0; i < b->schema->nfields; i++) {
		struct candidate *k = &t->columns[i];
		const struct column *c = &b->cols[i];

		for (int64_t row = 0; row < c->length && k->left; row++) {
			if (column_is_null(c, row))
				continue;
			k->any = true;
			k->left = kinds_of(column_str(c, row), k->left, &k->scale);
		}
		more |= k->left != 0;
	}
	return more;
}

/* ---- waiting ---- */

static int64_t weight(const struct batch *b)
{
	int64_t n = (int64_t)sizeof *b + (int64_t)b->origin.text_size;

	for (int i = 0; i < b->schema->nfields; i++)
		n += column_bytes(&b->cols[i], 0, b->nrows);
	return n;
}

static int set_aside(struct typer *t, struct err *e)
{
	int rc = spill_open(&t->spill, t->from->schema, t->opts.tmpdir, e);

	for (int64_t i = 0; i < t->nheld && rc == 0; i++) {
		rc = spill_write(&t->spill, t->held[i], e);
		batch_unref(t->held[i]);
		t->held[i] = NULL;
	}
	t->nheld = 0;
	return rc;
}

static int hold(struct typer *t, struct batch *b, struct err *e)
{
	if (t->spill.sink)
		return spill_write(&t->spill, b, e);
	if (t->nheld == t->cap) {
		int64_t cap = t->cap ? 2 * t->cap : 64;
		struct batch **held = realloc(t->held, (size_t)cap * sizeof *held);

		if (!held)
			return err_oom(e);
		t->held = held;
		t->cap = cap;
	}
	t->held[t->nheld++] = batch_ref(b);
	t->bytes += weight(b);
	return t->opts.memory && t->bytes > t->opts.memory / 2 ? set_aside(t, e) : 0; /* the other half is for work */
}

static int read_all(struct typer *t, struct err *e)
{
	bool more = true;
	int rc = 0;

	while (rc == 0 && more && !t->ended) {
		cleanup_batch struct batch *b = NULL;

		if (source_next(t->from, &b, &t->failure) < 0 || !b) {
			t->ended = true;
			break;
		}
		more = look(t, b);
		rc = hold(t, b, e);
	}
	if (rc == 0 && t->spill.sink)
		rc = spill_read(&t->spill, &t->spilled, e);
	return rc;
}

/* ---- the types and their values ---- */

/* Index into kinds; -1: the column stays as it is. */
static int kind_of(const struct candidate *c)
{
	return c->any && c->left ? __builtin_ctz(c->left) : -1;
}

static int make_schema(struct typer *t, struct err *e)
{
	const struct schema *from = t->from->schema;
	cleanup_schema struct schema *s = schema_new();
	bool changed = false;
	int rc = s ? schema_copy_meta(s, from, e) : err_oom(e);

	for (int i = 0; i < from->nfields && rc == 0; i++) {
		struct field f = from->fields[i];
		int k = kind_of(&t->columns[i]);

		if (k >= 0) {
			f.type = kinds[k].type;
			f.type.scale = f.type.id == T_DECIMAL ? t->columns[i].scale : 0;
			changed = true;
		}
		rc = schema_add_field(s, &f, e);
	}
	if (rc < 0)
		return rc;
	if (changed)
		schema_drop_meta(s, STR("stook.sorted"));
	t->source.schema = s;
	s = NULL;
	return 0;
}

static int put_value(struct builder *w, const struct kind *k, struct str s, int scale, struct err *e)
{
	union value v;

	if (!k->read(s, &scale, &v))
		return err_set(e, ST_BUG, "\"%.*s\" has lost its type", STR_ARG(s));
	return k->type.id == T_BOOL ? builder_bool(w, v.yes, e) : builder_fixed(w, &v, e);
}

static int convert(const struct column *c, const struct candidate *as, const struct kind *k, struct arena *a,
		   struct column *ret, struct err *e)
{
	struct builder w = { 0 };
	int rc = builder_init(&w, ret->type, e);

	for (int64_t i = 0; i < c->length && rc == 0; i++)
		rc = column_is_null(c, i) ? builder_null(&w, 1, e) : put_value(&w, k, column_str(c, i), as->scale, e);
	if (rc == 0)
		rc = builder_column(&w, a, ret, e);
	builder_free(&w);
	return rc;
}

static int typed_batch(struct typer *t, struct batch *from, struct batch **ret, struct err *e)
{
	cleanup_batch struct batch *b = batch_new(t->source.schema, from->nrows);

	if (!b)
		return err_oom(e);
	b->origin = from->origin;
	batch_keep(b, from);
	for (int i = 0; i < b->schema->nfields; i++) {
		int k = kind_of(&t->columns[i]), rc;

		if (k < 0)
			b->cols[i] = from->cols[i];
		b->cols[i].type = &b->schema->fields[i].type;
		if (k >= 0 && (rc = convert(&from->cols[i], &t->columns[i], &kinds[k], &b->arena, &b->cols[i], e)) < 0)
			return rc;
	}
	*ret = b;
	b = NULL;
	return 0;
}

/* The next batch as it was read; NULL at the end. */
static int next_read(struct typer *t, struct batch **ret, struct err *e)
{
	int rc;

	if (t->given < t->nheld) {
		*ret = t->held[t->given];
		t->held[t->given++] = NULL;
		return 0;
	}
	if (t->spilled) {
		if ((rc = source_next(t->spilled, ret, e)) < 0 || *ret)
			return rc;
		source_close(t->spilled);
		t->spilled = NULL;
	}
	if (!t->ended)
		return source_next(t->from, ret, e);
	if (!t->failure.status)
		return 0;
	*e = t->failure;
	return -e->status;
}

static int typer_next(struct source *s, struct batch **ret, struct err *e)
{
	struct typer *t = (struct typer *)s;
	cleanup_batch struct batch *b = NULL;
	int rc = next_read(t, &b, e);

	return rc < 0 || !b ? rc : typed_batch(t, b, ret, e);
}

static void typer_close(struct source *s)
{
	struct typer *t = (struct typer *)s;

	for (int64_t i = t->given; i < t->nheld; i++)
		batch_unref(t->held[i]);
	free(t->held);
	spill_close(&t->spill);
	source_close(t->spilled);
	source_close(t->from);
	schema_unref(t->source.schema);
	free(t->columns);
	free(t);
}

static int start(struct typer *t, struct err *e)
{
	const struct schema *s = t->from->schema;
	int rc;

	t->columns = calloc((size_t)s->nfields + 1, sizeof *t->columns);
	if (!t->columns)
		return err_oom(e);
	for (int i = 0; i < s->nfields; i++) {
		bool may = type_is_text(&s->fields[i].type) || type_is_num(&s->fields[i].type);

		t->columns[i] = (struct candidate){ .left = may ? (1u << KINDS) - 1 : 0, .scale = -1 };
	}
	rc = read_all(t, e);
	return rc < 0 ? rc : make_schema(t, e);
}

int typer_open(struct source *from, const struct type_opts *o, struct source **ret, struct err *e)
{
	struct typer *t = calloc(1, sizeof *t);
	int rc;

	if (!t) {
		source_close(from);
		return err_oom(e);
	}
	t->source = (struct source){ NULL, typer_next, typer_close, NULL };
	t->from = from;
	t->opts = *o;
	t->spill.fd = -1;
	if ((rc = start(t, e)) < 0) {
		typer_close(&t->source);
		return rc;
	}
	*ret = &t->source;
	return 0;
}
